{%- set index = target | ident -%}
{%- set id = primary_key[0] | ident -%}
{#- The index does not hold the texts: to forget a row it must be told them as they were. -#}
{%- if event != "insert" -%}
INSERT INTO {{ index }} ({{ target.name | ident }}, rowid, {{ columns | idents }}) VALUES ('delete', OLD.{{ id }}{% for text in columns %}, OLD.{{ text | ident }}{% endfor %});
{% endif -%}
{%- if event != "delete" -%}
INSERT INTO {{ index }} (rowid, {{ columns | idents }}) VALUES (NEW.{{ id }}{% for text in columns %}, NEW.{{ text | ident }}{% endfor %});
{%- endif -%}
