{%- import "kinds/audit/macros.sql" as json -%}
{%- set kept = columns | reject("in", except) | list -%}
{%- set whole = kept == table_columns -%}
{%- set none_of_it = "NULL::jsonb" if dialect == "postgres" else "NULL" -%}
{%- set old_row -%}{{ json.json_row("OLD", kept, redact, types, whole, dialect) }}{%- endset -%}
{%- set new_row -%}{{ json.json_row("NEW", kept, redact, types, whole, dialect) }}{%- endset -%}
{%- set old_key -%}{% if primary_key %}{{ json.json_row("OLD", primary_key, [], types, false, dialect) }}{% else %}{{ none_of_it | sql }}{% endif %}{%- endset -%}
{%- set new_key -%}{% if primary_key %}{{ json.json_row("NEW", primary_key, [], types, false, dialect) }}{% else %}{{ none_of_it | sql }}{% endif %}{%- endset -%}
{%- if dialect == "postgres" -%}
{%- if "update" in operations -%}
IF TG_OP = 'UPDATE' AND NOT {{ altered(kept, types) }} THEN
  RETURN NULL;
END IF;
{% endif -%}
INSERT INTO {{ target | ident }} (table_schema, table_name, operation, row_key, old_row, new_row, actor, changed_at)
VALUES ({{ schema | literal }}, {{ table | literal }}, TG_OP,
  CASE WHEN TG_OP = 'INSERT' THEN {{ new_key }} ELSE {{ old_key }} END,
  CASE WHEN TG_OP <> 'INSERT' THEN {{ old_row }} END,
  CASE WHEN TG_OP <> 'DELETE' THEN {{ new_row }} END,
  {{ actor | expression }}, {{ at | expression }});
{%- else -%}
{%- if event == "update" and dialect == "mysql" -%}
IF {{ altered(kept, types) }} THEN
{% endif -%}
INSERT INTO {{ target | ident }} (table_name, operation, row_key, old_row, new_row, actor, changed_at)
SELECT {{ table | literal }}, {{ operation() }},
  {% if event == "insert" %}{{ new_key }}{% else %}{{ old_key }}{% endif %},
  {% if event == "insert" %}NULL{% else %}{{ old_row }}{% endif %},
  {% if event == "delete" %}NULL{% else %}{{ new_row }}{% endif %},
  {{ actor | expression }}, {{ at | expression }}
{%- if event == "update" and dialect == "sqlite" %}
WHERE {{ altered(kept, types) }}
{%- endif %};
{%- if event == "update" and dialect == "mysql" %}
END IF;
{%- endif -%}
{%- endif -%}
