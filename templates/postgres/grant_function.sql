GRANT EXECUTE ON FUNCTION {{ function | ident }}() TO {% if grantee is none %}PUBLIC{% else %}{{ grantee | ident }}{% endif %}{% if grantable %} WITH GRANT OPTION{% endif %}
