{#- In SQLite `+` takes the affinity of the expression away: it is compared as what the column would hold. -#}
{%- if dialect == "sqlite" -%}
UPDATE {{ table | ident }} SET {% for column, value in columns | items %}{% if not loop.first %}, {% endif %}{{ column | ident }} = {{ value | expression }}{% endfor %}
WHERE {% for key in row_key %}{{ key | ident }} IS NEW.{{ key | ident }} AND {% endfor -%}
({% for column, value in columns | items %}{% if not loop.first %} OR {% endif %}{{ column | ident }} COLLATE BINARY IS NOT +({{ value | expression }}){% endfor %});
{%- else -%}
{%- for column, value in columns | items -%}
{% if not loop.first %}
{% endif %}{% if dialect == "mysql" %}SET {% endif %}NEW.{{ column | ident }} {% if dialect == "mysql" %}={% else %}:={% endif %} {{ value | expression }};
{%- endfor -%}
{%- endif -%}
