{#- The time for `column` of a table whose columns have the `known` types, where these are known. A TIMESTAMP of MySQL takes what it is
given for a time in the session's zone, and holds the moment: UTC would be hours off there. -#}
{%- if dialect == "mysql" and known is defined and column in known and known[column] | lower is startingwith("timestamp") -%}
  current_timestamp(6)
{%- else -%}
  {{ now() }}
{%- endif -%}
