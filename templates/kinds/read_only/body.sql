{%- set kept = columns | reject("in", except) | list -%}
{%- if action == "error" -%}
  {%- if dialect == "postgres" -%}
RAISE EXCEPTION USING MESSAGE = {{ message | literal }}, ERRCODE = 'restrict_violation';
  {%- elif dialect == "sqlite" -%}
SELECT RAISE(ABORT, {{ message | literal }});
  {%- else -%}
SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = {{ message | literal }};
  {%- endif -%}
{%- else -%}
  {%- for column in kept -%}
    {%- set value -%}{% if set_once %}coalesce(OLD.{{ column | ident }}, NEW.{{ column | ident }}){% else %}OLD.{{ column | ident }}{% endif %}{%- endset -%}
{% if not loop.first %}
{% endif %}{% if dialect == "postgres" %}NEW.{{ column | ident }} := {{ value }};{% else %}SET NEW.{{ column | ident }} = {{ value }};{% endif %}
  {%- endfor -%}
{%- endif -%}
