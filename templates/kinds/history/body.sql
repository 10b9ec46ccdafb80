{%- set kept = columns | reject("in", except) | list -%}
{%- set history = target | ident -%}
{%- set from = valid_from | ident -%}
{%- set to = valid_to | ident -%}
{#- PostgreSQL: a key whose collation is not the history table's would have none of the two. -#}
{%- macro has_key(alias, row, primary_key, types, dialect) -%}
  {%- for key in primary_key -%}
    {%- if not loop.first %} AND {% endif -%}
    {{ alias | sql }}{{ key | ident }} {% if dialect == "sqlite" %}IS{% else %}={% endif %} {{ row | sql }}.{{ key | ident }}
    {%- if dialect == "postgres" and (types[key] is startingwith("text") or types[key] is startingwith("character")) %} COLLATE "default"{% endif -%}
  {%- endfor -%}
{%- endmacro -%}
{%- if dialect == "postgres" -%}
IF TG_OP = 'UPDATE' AND NOT {{ altered(kept, types) }} THEN
  RETURN NULL;
END IF;
IF TG_OP <> 'INSERT' THEN
  -- The oldest open version: where rows exchange their keys, another row's new one is there already.
  UPDATE {{ history }} AS version SET {{ to }} = triggerctl_at
  WHERE {{ has_key("version.", "OLD", primary_key, types, dialect) }} AND version.{{ to }} IS NULL
    AND NOT EXISTS (
      SELECT 1 FROM {{ history }} AS older
      WHERE {{ has_key("older.", "OLD", primary_key, types, dialect) }} AND older.{{ to }} IS NULL AND older.{{ from }} < version.{{ from }});
END IF;
IF TG_OP <> 'DELETE' THEN
  INSERT INTO {{ history }} ({{ kept | idents }}, {{ operation | ident }}, {{ from }})
  VALUES ({% for column in kept %}NEW.{{ column | ident }}, {% endfor %}TG_OP, triggerctl_at);
END IF;
{%- else -%}
{%- set is_new -%}{{ altered(kept, types) }}{%- endset -%}
{%- if event == "update" and dialect == "mysql" -%}
IF {{ is_new }} THEN
{% endif -%}
{%- if event != "insert" -%}
{#- MySQL: a column with ON UPDATE CURRENT_TIMESTAMP stays as it was only where it is set. -#}
UPDATE {{ history }} SET {{ to }} = {{ at | expression }}
{%- if dialect == "mysql" %}{% for column in kept if types[column] | lower is startingwith("timestamp") or types[column] | lower is startingwith("datetime") %}, {{ column | ident }} = {{ column | ident }}{% endfor %}{% endif %}
WHERE {{ has_key("", "OLD", primary_key, types, dialect) }} AND {{ to }} IS NULL
  {%- if event == "update" and dialect == "sqlite" %} AND {{ is_new }}{% endif %};
{% endif -%}
{%- if event != "delete" -%}
{%- if dialect == "sqlite" -%}
UPDATE {{ history }} SET {{ to }} = {{ at | expression }}
WHERE {{ has_key("", "NEW", primary_key, types, dialect) }} AND {{ to }} IS NULL
  {%- if event == "update" %} AND {{ is_new }}{% endif %};
{% endif -%}
INSERT INTO {{ history }} ({{ kept | idents }}, {{ operation | ident }}, {{ from }})
SELECT {% for column in kept %}NEW.{{ column | ident }}, {% endfor %}{{ event | upper | literal }}, {{ at | expression }}
{%- if event == "update" and dialect == "sqlite" %}
WHERE {{ is_new }}
{%- endif %};
{%- endif -%}
{%- if event == "update" and dialect == "mysql" %}
END IF;
{%- endif -%}
{%- endif -%}
