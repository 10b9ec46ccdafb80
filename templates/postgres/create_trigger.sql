CREATE {% if or_replace %}OR REPLACE {% endif %}{% if constraint is not none %}CONSTRAINT {% endif %}TRIGGER {{ name | ident }}
{{ timing | keyword }} {% for event in events %}{% if not loop.first %} OR {% endif %}{{ event | keyword }}{% if event == "UPDATE" and update_of %} OF {{ update_of | idents }}{% endif %}{% endfor %} ON {{ table | ident }}
{%- if constraint is not none %}
{%- if constraint.from is not none %}
FROM {{ constraint.from | ident }}
{%- endif %}
{{ constraint.deferral | keyword }}
{%- endif %}
{%- if old_table is not none or new_table is not none %}
REFERENCING{% if old_table is not none %} OLD TABLE AS {{ old_table | ident }}{% endif %}{% if new_table is not none %} NEW TABLE AS {{ new_table | ident }}{% endif %}
{%- endif %}
FOR EACH {{ orientation | keyword }}
{%- if condition is not none %}
WHEN ({{ condition | sql }})
{%- endif %}
EXECUTE FUNCTION {{ function | ident }}({{ arguments | literals }})
