{#- What a row is known by: its primary key. Neither JSON nor text can hold what is binary: that in hex, as in the payload. -#}
{%- macro part(key, types, dialect) -%}
  {#- The labels of an ENUM say nothing of it. -#}
  {%- set type = types[key] | lower | split("'") | first -%}
  {%- if dialect == "mysql" and ("binary" in type or "blob" in type) -%}
    HEX(NEW.{{ key | ident }})
  {%- elif dialect == "mysql" and " character set " in (types[key] | lower | split("'") | last) -%}
    CONVERT(NEW.{{ key | ident }} USING utf8mb4)
  {%- elif dialect == "sqlite" and not ("int" in type or "char" in type or "text" in type) -%}
    CASE typeof(NEW.{{ key | ident }}) WHEN 'blob' THEN hex(NEW.{{ key | ident }}) ELSE NEW.{{ key | ident }} END
  {%- else -%}
    NEW.{{ key | ident }}
  {%- endif -%}
{%- endmacro -%}
{%- if primary_key | length == 1 -%}
  {{ part(primary_key[0], types, dialect) }}
{%- else -%}
  {% if dialect == "postgres" %}jsonb_build_array{% else %}json_array{% endif %}({% for key in primary_key %}{% if not loop.first %}, {% endif %}{{ part(key, types, dialect) }}{% set type = types[key] | lower | split("'") | first %}{% if dialect == "mysql" and ("zerofill" in type or type is startingwith("year")) %} + 0{% endif %}{% endfor %})
{%- endif -%}
