CREATE {% if or_replace %}OR REPLACE {% endif %}FUNCTION {{ function | ident }}() RETURNS trigger
LANGUAGE {{ language | ident }}
{{ volatility | keyword }} {% if not leakproof %}NOT {% endif %}LEAKPROOF{% if strict %} STRICT{% endif %} SECURITY {{ security | keyword }} PARALLEL {{ parallel | keyword }} COST {{ cost | literal }}{% for clause in clauses %} {{ clause | sql }}{% endfor %}
{%- for setting in settings %}
SET {{ setting.name | ident }} TO {% if setting.is_list %}{{ setting["values"] | idents }}{% else %}{{ setting["values"] | literals }}{% endif %}
{%- endfor %}
AS {% if library is none %}{{ body | dollar }}{% else %}{{ library.file | literal }}, {{ library.symbol | literal }}{% endif %}
