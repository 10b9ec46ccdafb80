REVOKE ALL ON FUNCTION {{ function | ident }}() FROM {% if grantee is none %}PUBLIC{% else %}{{ grantee | ident }}{% endif %}
