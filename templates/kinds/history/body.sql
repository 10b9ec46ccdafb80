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
{%- set live = [schema, table] | ident -%}
{%- set is_there -%}{% for key in primary_key %}{% if not loop.first %} AND {% endif %}live.{{ key | ident }} = NEW.{{ key | ident }}{% endfor %}{%- endset -%}
{%- set statement -%}date_part('epoch', statement_timestamp())::text{%- endset -%}
IF TG_OP = 'UPDATE' AND NOT {{ altered(kept, types) }} THEN
  RETURN NULL;
END IF;
{#- What a trigger does, other than a foreign key's, is done at once; what the statement itself did is written down afterwards. #}
IF pg_trigger_depth() > 1 THEN
  PERFORM set_config('triggerctl.again', {{ statement }}, true);
END IF;
IF TG_OP <> 'DELETE' AND current_setting('triggerctl.again', true) = {{ statement }} THEN
  IF NOT EXISTS (
    SELECT 1 FROM {{ live }} AS live
    WHERE {{ is_there }} AND record_image_eq(ROW({% for column in kept %}{% if not loop.first %}, {% endif %}live.{{ column | ident }}{% endfor %}), ROW({% for column in kept %}{% if not loop.first %}, {% endif %}NEW.{{ column | ident }}{% endfor %})))
  -- A row that a policy hides is not gone.
  AND (NOT row_security_active({{ live | literal }}) OR EXISTS (SELECT 1 FROM {{ live }} AS live WHERE {{ is_there }})) THEN
    -- Another trigger has changed the row again or deleted it since, and what it did was written down before this.
    IF TG_OP = 'INSERT' THEN
      UPDATE {{ history }} AS version SET {{ operation | ident }} = 'INSERT' WHERE {{ has_key("version.", "NEW", primary_key, types, dialect) }} AND version.{{ to }} IS NULL;
      RETURN NULL;
    ELSIF NOT {{ altered(primary_key, types) }} THEN
      RETURN NULL;
    END IF;
    triggerctl_gone := true;
  END IF;
END IF;
IF TG_OP <> 'INSERT' THEN
  -- The oldest open version: where rows exchange their keys, another row's new one is there already.
  UPDATE {{ history }} AS version SET {{ to }} = triggerctl_at
  WHERE {{ has_key("version.", "OLD", primary_key, types, dialect) }} AND version.{{ to }} IS NULL
    AND NOT EXISTS (
      SELECT 1 FROM {{ history }} AS older
      WHERE {{ has_key("older.", "OLD", primary_key, types, dialect) }} AND older.{{ to }} IS NULL AND older.{{ from }} < version.{{ from }});
END IF;
IF TG_OP <> 'DELETE' AND NOT triggerctl_gone THEN
  INSERT INTO {{ history }} ({{ kept | idents }}, {{ operation | ident }}, {{ from }})
  VALUES ({% for column in kept %}NEW.{{ column | ident }}, {% endfor %}TG_OP, triggerctl_at);
END IF;
{%- else -%}
{%- set is_new -%}{{ altered(kept, types) }}{%- endset -%}
{#- SQLite fires triggers one after the other: one before this may have changed the row again, and that is written down already. -#}
{%- set is_last -%}
EXISTS (SELECT 1 FROM {{ table | ident }} AS live WHERE {% for key in row_key %}live.{{ key | ident }} IS NEW.{{ key | ident }} AND {% endfor %}{% for column in kept %}{% if not loop.first %} AND {% endif %}live.{{ column | ident }} COLLATE BINARY IS NEW.{{ column | ident }}{% endfor %})
{%- endset -%}
{%- if event == "update" and dialect == "mysql" -%}
IF {{ is_new }} THEN
{% endif -%}
{%- if event != "insert" -%}
{#- MySQL: a column with ON UPDATE CURRENT_TIMESTAMP stays as it was only where it is set. -#}
UPDATE {{ history }} SET {{ to }} = {{ at | expression }}
{%- if dialect == "mysql" %}{% for column in kept if types[column] | lower is startingwith("timestamp") or types[column] | lower is startingwith("datetime") %}, {{ column | ident }} = {{ column | ident }}{% endfor %}{% endif %}
WHERE {{ has_key("", "OLD", primary_key, types, dialect) }} AND {{ to }} IS NULL
  {%- if event == "update" and dialect == "sqlite" %} AND {{ is_new }} AND ({{ altered(primary_key, types) }} OR {{ is_last }}){% endif %};
{% endif -%}
{%- if event != "delete" -%}
{%- if dialect == "sqlite" -%}
UPDATE {{ history }} SET {{ to }} = {{ at | expression }}
WHERE {{ has_key("", "NEW", primary_key, types, dialect) }} AND {{ to }} IS NULL AND {% if event == "update" %}{{ is_new }} AND {% endif %}{{ is_last }};
{% if event == "insert" -%}
UPDATE {{ history }} SET {{ operation | ident }} = 'INSERT'
WHERE {{ has_key("", "NEW", primary_key, types, dialect) }} AND {{ to }} IS NULL AND NOT {{ is_last }};
{% endif -%}
{% endif -%}
INSERT INTO {{ history }} ({{ kept | idents }}, {{ operation | ident }}, {{ from }})
SELECT {% for column in kept %}NEW.{{ column | ident }}, {% endfor %}{{ event | upper | literal }}, {{ at | expression }}
{%- if dialect == "sqlite" %}
WHERE {% if event == "update" %}{{ is_new }} AND {% endif %}{{ is_last }}
{%- endif %};
{%- endif -%}
{%- if event == "update" and dialect == "mysql" %}
END IF;
{%- endif -%}
{%- endif -%}
