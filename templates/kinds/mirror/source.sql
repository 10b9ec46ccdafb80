{%- set target = used_on | ident -%}
{#- In PL/pgSQL a column that is called like a variable (`found`, `old`) must say that it is one. -#}
{%- set alias = " AS copied" if dialect == "postgres" else "" -%}
{%- set at = "copied." if dialect == "postgres" else "" -%}
{%- set link = key | ident -%}
{%- set id = parent_key | ident -%}
{%- set take -%}
  UPDATE {{ target }}{{ alias | sql }} SET {% for copy, source in columns | items %}{% if not loop.first %}, {% endif %}{{ copy | ident }} = NEW.{{ source | ident }}{% endfor %} WHERE {{ at | sql }}{{ link }} = NEW.{{ id }}
{%- endset -%}
{%- set lose -%}
  UPDATE {{ target }}{{ alias | sql }} SET {% for copy in columns %}{% if not loop.first %}, {% endif %}{{ copy | ident }} = NULL{% endfor %} WHERE {{ at | sql }}{{ link }} = OLD.{{ id }}
{%- endset -%}
{#- A foreign key sets the key to NULL and fires no trigger: such rows have a copy and no parent. -#}
{%- set orphans -%}
  UPDATE {{ target }}{{ alias | sql }} SET {% for copy in columns %}{% if not loop.first %}, {% endif %}{{ copy | ident }} = NULL{% endfor %} WHERE {{ at | sql }}{{ link }} IS NULL AND ({% for copy in columns %}{% if not loop.first %} OR {% endif %}{{ at | sql }}{{ copy | ident }} IS NOT NULL{% endfor %})
{%- endset -%}
{%- if event is not defined -%}
IF TG_OP = 'INSERT' THEN
  {{ take }};
ELSE
  {{ lose }};
END IF;
{%- elif event == "insert" -%}
{{ take }};
{%- elif event == "delete" -%}
{{ lose }};
{%- if dialect == "mysql" %}
{{ orphans }};
{%- endif -%}
{%- else -%}
{#- Should another parent have the old key by now, the row's own side puts that right. -#}
{%- if dialect == "sqlite" -%}
{{ lose }} AND OLD.{{ id }} IS NOT NEW.{{ id }};
{%- else -%}
IF {{ altered([parent_key], types) }} THEN
  {{ lose }};
{%- if dialect == "mysql" %}
  {{ orphans }};
{%- endif %}
END IF;
{%- endif %}
{{ take }};
{%- endif -%}
