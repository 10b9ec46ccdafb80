{%- if dialect == "sqlite" -%}
UPDATE {{ table | ident }} SET {% for column, value in values | items %}{% if not loop.first %}, {% endif %}{{ column | ident }} = {% if only_null %}coalesce(NEW.{{ column | ident }}, {{ value | expression }}){% else %}{{ value | expression }}{% endif %}{% endfor %}
WHERE {% for key in row_key %}{% if not loop.first %} AND {% endif %}{{ key | ident }} IS NEW.{{ key | ident }}{% endfor %};
{%- else -%}
{%- for column, value in values | items -%}
{% if not loop.first %}
{% endif %}{% if dialect == "mysql" %}SET {% endif %}NEW.{{ column | ident }} {% if dialect == "mysql" %}={% else %}:={% endif %} {% if only_null %}coalesce(NEW.{{ column | ident }}, {{ value | expression }}){% else %}{{ value | expression }}{% endif %};
{%- endfor -%}
{%- endif -%}
