{%- import "kinds/audit/macros.sql" as json -%}
{%- set kept = columns | reject("in", except) | list -%}
{%- set whole = kept == table_columns -%}
{%- set old_row -%}{{ json.json_row("o", kept, redact, types, whole, dialect) }}{%- endset -%}
{%- set new_row -%}{{ json.json_row("n", kept, redact, types, whole, dialect) }}{%- endset -%}
{%- set old_key -%}{{ json.json_row("o", primary_key, [], types, false, dialect) }}{%- endset -%}
{%- set new_key -%}{{ json.json_row("n", primary_key, [], types, false, dialect) }}{%- endset -%}
INSERT INTO {{ target | ident }} (table_schema, table_name, operation, row_key, old_row, new_row, actor, changed_at)
{%- if operation == "INSERT" %}
SELECT {{ schema | literal }}, {{ table | literal }}, 'INSERT', {{ new_key }}, NULL, {{ new_row }}, {{ actor | expression }}, {{ at | expression }}
FROM new_rows AS n;
{%- elif operation == "DELETE" %}
SELECT {{ schema | literal }}, {{ table | literal }}, 'DELETE', {{ old_key }}, {{ old_row }}, NULL, {{ actor | expression }}, {{ at | expression }}
FROM old_rows AS o;
{%- else %}
SELECT {{ schema | literal }}, {{ table | literal }}, 'UPDATE', coalesce({{ old_key }}, {{ new_key }}), {{ old_row }}, {{ new_row }}, {{ actor | expression }}, {{ at | expression }}
FROM old_rows AS o
FULL JOIN new_rows AS n ON {% for key in primary_key %}{% if not loop.first %} AND {% endif %}o.{{ key | ident }} = n.{{ key | ident }}{% endfor %}
WHERE record_image_ne(ROW({% for column in kept %}{% if not loop.first %}, {% endif %}o.{{ column | ident }}{% endfor %}), ROW({% for column in kept %}{% if not loop.first %}, {% endif %}n.{{ column | ident }}{% endfor %}));
{%- endif -%}
