{%- import "kinds/audit/macros.sql" as json -%}
{%- set kept = columns | reject("in", except) | list -%}
{%- set whole = kept == table_columns -%}
{%- set old_row -%}{{ json.json_row("OLD", kept, [], types, whole, dialect) }}{%- endset -%}
{%- set new_row -%}{{ json.json_row("NEW", kept, [], types, whole, dialect) }}{%- endset -%}
{%- set old_key -%}{{ text(key | for_row("old")) }}{%- endset -%}
{%- set new_key -%}{{ text(key | for_row("new")) }}{%- endset -%}
{%- if dialect == "postgres" -%}
{%- if "update" in operations -%}
IF TG_OP = 'UPDATE' AND NOT {{ altered(kept, types) }} THEN
  RETURN NULL;
END IF;
{% endif -%}
INSERT INTO {{ target | ident }} (topic, operation, row_key, payload, created_at)
VALUES ({{ topic | literal }}, TG_OP,
  CASE WHEN TG_OP = 'INSERT' THEN {{ new_key }} ELSE {{ old_key }} END,
  CASE WHEN TG_OP = 'DELETE' THEN {{ old_row }} ELSE {{ new_row }} END,
  {{ at | expression }});
{%- else -%}
{%- if event == "update" and dialect == "mysql" -%}
IF {{ altered(kept, types) }} THEN
{% endif -%}
INSERT INTO {{ target | ident }} (topic, operation, row_key, payload, created_at)
SELECT {{ topic | literal }}, {{ operation() }},
  {% if event == "insert" %}{{ new_key }}{% else %}{{ old_key }}{% endif %},
  {% if event == "delete" %}{{ old_row }}{% else %}{{ new_row }}{% endif %},
  {{ at | expression }}
{%- if event == "update" and dialect == "sqlite" %}
WHERE {{ altered(kept, types) }}
{%- endif %};
{%- if event == "update" and dialect == "mysql" %}
END IF;
{%- endif -%}
{%- endif -%}
