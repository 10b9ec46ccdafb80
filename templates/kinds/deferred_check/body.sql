{%- set of_rule = parent if parent else [schema, table] -%}
{%- if parent -%}
-- One after the other, so that neither of two transactions overlooks what the other did. OLD or NEW, where there is none, is NULL.
PERFORM 1 FROM {{ parent | ident }} AS checked WHERE checked.{{ parent_key | ident }} IN (OLD.{{ key | ident }}, NEW.{{ key | ident }}) ORDER BY checked.{{ parent_key | ident }} FOR NO KEY UPDATE;
{% endif -%}
IF EXISTS (
  SELECT 1 FROM {{ of_rule | ident }} AS checked
  WHERE {% if parent %}checked.{{ parent_key | ident }} IN (OLD.{{ key | ident }}, NEW.{{ key | ident }}){% else %}{% for key in primary_key %}{% if not loop.first %} AND {% endif %}checked.{{ key | ident }} = NEW.{{ key | ident }}{% endfor %}{% endif %}
    AND ({{ condition | for_row("checked") | expression }}) IS FALSE
) THEN
  RAISE EXCEPTION USING MESSAGE = {{ message | literal }}, ERRCODE = 'check_violation';
END IF;
