{%- set copies = columns | list -%}
{%- if dialect == "postgres" -%}
{#- The parent is locked against changes, else one that is not yet committed would be missed by both sides. -#}
IF TG_OP = 'INSERT' OR {{ altered([key] + copies, types) }} THEN
  SELECT {% for copy, source in columns | items %}{% if not loop.first %}, {% endif %}source.{{ source | ident }}{% endfor %} INTO {% for copy in copies %}{% if not loop.first %}, {% endif %}NEW.{{ copy | ident }}{% endfor %}
  FROM {{ parent | ident }} AS source WHERE source.{{ parent_key | ident }} = NEW.{{ key | ident }} FOR SHARE;
END IF;
{%- elif dialect == "mysql" -%}
{%- if event == "update" -%}
IF {{ altered([key] + copies, types) }} THEN
{% endif -%}
{%- for copy, source in columns | items -%}
{% if not loop.first %}
{% endif %}SET NEW.{{ copy | ident }} = (SELECT source.{{ source | ident }} FROM {{ parent | ident }} AS source WHERE source.{{ parent_key | ident }} = NEW.{{ key | ident }} LOCK IN SHARE MODE);
{%- endfor -%}
{%- if event == "update" %}
END IF;
{%- endif -%}
{%- else -%}
UPDATE {{ table | ident }} SET {% for copy, source in columns | items %}{% if not loop.first %}, {% endif %}{{ copy | ident }} = (SELECT source.{{ source | ident }} FROM {{ parent | ident }} AS source WHERE source.{{ parent_key | ident }} = NEW.{{ key | ident }}){% endfor %}
WHERE {% for part in row_key %}{{ part | ident }} IS NEW.{{ part | ident }} AND {% endfor -%}
({% for copy, source in columns | items %}{% if not loop.first %} OR {% endif %}{{ copy | ident }} COLLATE BINARY IS NOT (SELECT +source.{{ source | ident }} FROM {{ parent | ident }} AS source WHERE source.{{ parent_key | ident }} = NEW.{{ key | ident }}){% endfor %});
{%- endif -%}
