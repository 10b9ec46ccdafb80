{%- set base = target | ident -%}
{%- set written = columns | reject("in", renamed) | list + (renamed | list) -%}
{%- set rest = written | reject("in", key) | list -%}
{%- set lost = [] if others == "ignore" else table_columns | reject("in", written) | list -%}
{%- macro name(column) -%}{{ (renamed[column] if column in renamed else column) | ident }}{%- endmacro -%}
{%- macro value(column) -%}
  {%- if column in defaults -%}coalesce(NEW.{{ column | ident }}, {{ defaults[column] | expression }}){%- else -%}NEW.{{ column | ident }}{%- endif -%}
{%- endmacro -%}
{%- macro insert(list) -%}
INSERT INTO {{ base }}{% if dialect == "postgres" %} AS written{% endif %} ({% for column in list %}{% if not loop.first %}, {% endif %}{{ name(column) }}{% endfor %}{% for column in values %}, {{ column | ident }}{% endfor %})
VALUES ({% for column in list %}{% if not loop.first %}, {% endif %}{{ value(column) }}{% endfor %}{% for column, fixed in values | items %}, {{ fixed | expression }}{% endfor %})
{%- endmacro -%}
{%- macro found(equals) -%}
{% for column in key %}{% if not loop.first %} AND {% endif %}{% if dialect == "postgres" %}written.{% endif %}{{ name(column) }} {{ equals | sql }} OLD.{{ column | ident }}{% endfor %}
{%- endmacro -%}
{%- if dialect == "postgres" -%}
{#- What the table made of the row is what the statement returns: its defaults, and what other triggers did. -#}
{%- set shown = written + (table_columns | reject("in", written) | select("in", target.columns) | list) -%}
{%- set returned -%}
RETURNING {% for column in shown %}{% if not loop.first %}, {% endif %}written.{{ name(column) }}{% endfor %} INTO {% for column in shown %}{% if not loop.first %}, {% endif %}NEW.{{ column | ident }}{% endfor %}
{%- endset -%}
{#- Only what the statement changed: the rest may have been changed by somebody else since the view was read. -#}
{%- macro update(list) -%}
UPDATE {{ base }} AS written SET {% for column in list %}{% if not loop.first %}, {% endif %}{{ name(column) }} = CASE WHEN {{ altered([column], types) }} THEN NEW.{{ column | ident }} ELSE written.{{ name(column) }} END{% endfor %}
WHERE {{ found("=") }} {{ returned }};
{%- endmacro -%}
{%- set refuse -%}
RAISE EXCEPTION USING MESSAGE = {{ message | literal }}, ERRCODE = 'object_not_in_prerequisite_state';
{%- endset -%}
{%- for event in events -%}
{% if not loop.first %}
{% endif %}IF TG_OP = {{ event | upper | literal }} THEN
{%- if event == "insert" %}
{%- if lost %}
IF {% for column in lost %}{% if not loop.first %} OR {% endif %}NEW.{{ column | ident }} IS NOT NULL{% endfor %} THEN
  {{ refuse }}
END IF;
{%- endif %}
{%- if key | length == 1 and key[0] not in defaults and rest %}
-- Left out, the key is the table's to say.
IF NEW.{{ key[0] | ident }} IS NULL THEN
{{ insert(rest) }}
{{ returned }};
RETURN NEW;
END IF;
{%- endif %}
{{ insert(written) }}
{{ returned }};
{%- elif event == "update" %}
{%- if lost %}
IF {{ altered(lost, types) }} THEN
  {{ refuse }}
END IF;
{%- endif %}
{%- if rest %}
IF {{ altered(key, types) }} THEN
{{ update(written) }}
ELSE
{{ update(rest) }}
END IF;
{%- else %}
{{ update(written) }}
{%- endif %}
IF NOT FOUND THEN
  RETURN NULL;
END IF;
{%- else %}
DELETE FROM {{ base }} AS written WHERE {{ found("=") }};
IF NOT FOUND THEN
  RETURN NULL;
END IF;
{%- endif %}
END IF;
{%- endfor -%}
{%- elif event == "delete" -%}
DELETE FROM {{ base }} WHERE {{ found("IS") }};
{%- else -%}
{%- if lost -%}
SELECT RAISE(ABORT, {{ message | literal }}) WHERE {% if event == "update" %}{{ altered(lost, types) }}{% else %}{% for column in lost %}{% if not loop.first %} OR {% endif %}NEW.{{ column | ident }} IS NOT NULL{% endfor %}{% endif %};
{% endif -%}
{%- if event == "insert" -%}
{{ insert(written) }};
{%- else -%}
UPDATE {{ base }} SET {% for column in written %}{% if not loop.first %}, {% endif %}{{ name(column) }} = NEW.{{ column | ident }}{% endfor %} WHERE {{ found("IS") }};
{%- endif -%}
{%- endif -%}
