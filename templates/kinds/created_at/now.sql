{#- The time for a column of this `type`. A TIMESTAMP of MySQL takes what it is given for a time in the session's zone, and holds the
moment: UTC would be hours off there. -#}
{%- if dialect == "mysql" and type | lower is startingwith("timestamp") -%}
  current_timestamp(6)
{%- else -%}
  {{ now() }}
{%- endif -%}
