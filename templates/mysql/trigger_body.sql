{#- What stands between BEGIN and END. MySQL has neither WHEN nor UPDATE OF: both become an IF around the body. Values are
   compared as bytes too, since a collation takes `a` for `A`; as bytes alone a FLOAT would lose its last digits. -#}
IF {% if update_of %}({% for column in update_of %}{% if not loop.first %} OR {% endif %}NOT (OLD.{{ column | ident }} <=> NEW.{{ column | ident }} AND CAST(OLD.{{ column | ident }} AS BINARY) <=> CAST(NEW.{{ column | ident }} AS BINARY)){% endfor %}){% endif %}
{%- if condition is not none %}{% if update_of %} AND {% endif %}({{ condition | sql }}){% endif %} THEN
{%- if block %}
BEGIN
{{ body | sql }}
END;
{%- else %}
{{ body | sql }}
{%- endif %}
END IF;
