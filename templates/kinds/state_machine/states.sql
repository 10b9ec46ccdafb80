{#- A state as text that is compared byte by byte: `was` before, `now` after. -#}
{%- set name = column | ident -%}
{%- set was -%}
  {%- if dialect == "postgres" -%}OLD.{{ name }}::text COLLATE "C"
  {%- elif dialect == "sqlite" -%}CAST(OLD.{{ name }} AS TEXT) COLLATE BINARY
  {%- else -%}CAST(CONVERT(OLD.{{ name }} USING utf8mb4) AS BINARY)
  {%- endif -%}
{%- endset -%}
{%- set now -%}
  {%- if dialect == "postgres" -%}NEW.{{ name }}::text COLLATE "C"
  {%- elif dialect == "sqlite" -%}CAST(NEW.{{ name }} AS TEXT) COLLATE BINARY
  {%- else -%}CAST(CONVERT(NEW.{{ name }} USING utf8mb4) AS BINARY)
  {%- endif -%}
{%- endset -%}
{%- if first -%}
NEW.{{ name }} IS NOT NULL AND {{ now }} NOT IN ({{ initial | literals }})
{%- else -%}
{{ altered([column], types) }} AND ((OLD.{{ name }} IS NULL{% if initial %} AND {{ now }} IN ({{ initial | literals }}){% endif %})
{%- for state, next in transitions | items -%}
{%- if next %} OR ({{ was }} = {{ state | literal }} AND {{ now }} IN ({{ next | literals }})){% endif -%}
{%- endfor -%}
) IS NOT TRUE
{%- endif -%}
