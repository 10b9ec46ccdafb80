CREATE TRIGGER {{ name | ident }}
{{ timing | keyword }} {{ event | keyword }}{% if update_of %} OF {{ update_of | idents }}{% endif %} ON {{ table | ident }}
FOR EACH ROW
{%- if condition is not none %}
WHEN {{ condition | sql }}
{%- endif %}
BEGIN
{{ body | sql }}
END
