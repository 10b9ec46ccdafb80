{#- In SQLite: what changes no number needs no statement, and the update of a parent in the same table goes no further. -#}
{%- set link = key | ident -%}
{%- set was -%}
  (OLD.{{ link }} IS NOT NULL{% if filter %} AND ({{ filter | for_row("old") | expression }}) IS TRUE{% endif %})
{%- endset -%}
{%- set counts -%}
  (NEW.{{ link }} IS NOT NULL{% if filter %} AND ({{ filter | for_row("new") | expression }}) IS TRUE{% endif %})
{%- endset -%}
{%- if event == "insert" -%}
{{ counts }}
{%- elif event == "delete" -%}
{{ was }}
{%- else -%}
{{ changed(key) }}
{%- if filter %} OR {{ was }} <> {{ counts }}{% endif -%}
{%- if amount is defined %} OR coalesce({{ amount | for_row("old") | expression }}, 0) <> coalesce({{ amount | for_row("new") | expression }}, 0){% endif -%}
{%- endif -%}
