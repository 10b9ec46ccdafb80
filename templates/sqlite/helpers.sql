{#- What bodies and conditions can call. The same names exist for every dialect; what they render to differs. -#}

{%- macro new(column) %}NEW.{{ column | ident }}{% endmacro -%}
{%- macro old(column) %}OLD.{{ column | ident }}{% endmacro -%}
{%- macro now() %}strftime('%Y-%m-%d %H:%M:%f', 'now'){% endmacro -%}
{%- macro text(expression) %}CAST({{ expression | expression }} AS TEXT){% endmacro -%}
{%- macro distinct(left, right) %}(({{ left | expression }}) IS NOT ({{ right | expression }})){% endmacro -%}

{%- macro concat(rest) -%}
  {%- if not rest %}{{ fail("it takes at least one expression") }}{% endif -%}
  ({% for part in rest %}{% if not loop.first %} || {% endif %}{{ part | expression }}{% endfor %})
{%- endmacro -%}

{%- macro changed(rest) -%}
  {%- if not rest %}{{ fail("it takes at least one column") }}{% endif -%}
  ({% for column in rest %}{% if not loop.first %} OR {% endif %}OLD.{{ column | ident }} IS NOT NEW.{{ column | ident }}{% endfor %})
{%- endmacro -%}

{#- Whether a column holds something else now, were it only the case of a letter: `changed` asks the column's collation. -#}
{%- macro altered(columns, types) -%}
  ({% for column in columns %}{% if not loop.first %} OR {% endif %}OLD.{{ column | ident }} COLLATE BINARY IS NOT NEW.{{ column | ident }}{% else %}1 = 0{% endfor %})
{%- endmacro -%}

{%- macro raise_if(condition, message) -%}
  SELECT RAISE(ABORT, {{ message | literal }}) WHERE {{ condition | expression }}
{%- endmacro -%}

{%- macro operation() %}{{ event | upper | literal }}{% endmacro -%}

{%- macro row_json(row, rest) -%}
  {%- if row not in ["new", "old"] %}{{ fail('the row is "new" or "old"') }}{% endif -%}
  {#- Older SQLite takes 127 arguments: a wide table's are rows. -#}
  {%- if rest | length > 50 -%}
    (WITH part (name, value) AS (VALUES {% for column in rest %}{% if not loop.first %}, {% endif %}({{ column | literal }}, {{ row | keyword }}.{{ column | ident }}){% endfor %}) SELECT json_group_object(name, value) FROM part)
  {%- else -%}
    json_object({% for column in rest %}{% if not loop.first %}, {% endif %}{{ column | literal }}, {{ row | keyword }}.{{ column | ident }}{% endfor %})
  {%- endif -%}
{%- endmacro -%}

{%- macro user() %}{{ fail("SQLite has no users: give the dialect a body of its own in `[trigger.sqlite]`") }}{% endmacro -%}

{%- macro upsert(table, values, key, rest) -%}
  {%- if values is not mapping or not values %}{{ fail("the values are a map, such as {\"n\": \"1\"}") }}{% endif -%}
  {%- set keys = [key] if key is string else key -%}
  {%- if not keys %}{{ fail("the key is a column, or a list of columns") }}{% endif -%}
  INSERT INTO {{ table | ident }} ({{ values | list | idents }}) VALUES ({% for column, expression in values | items %}{% if not loop.first %}, {% endif %}{{ expression | expression }}{% endfor %})
  {{- " ON CONFLICT (" | sql }}{{ keys | idents }}{{ ") DO " | sql }}
  {%- if not rest %}NOTHING
  {%- elif rest[0] is mapping %}UPDATE SET {% for column, expression in rest[0] | items %}{% if not loop.first %}, {% endif %}{{ column | ident }} = {{ expression | expression }}{% endfor %}
  {%- else %}UPDATE SET {% for column in rest %}{% if not loop.first %}, {% endif %}{{ column | ident }} = excluded.{{ column | ident }}{% endfor %}
  {%- endif %}
{%- endmacro -%}

{%- macro proposed(column) %}excluded.{{ column | ident }}{% endmacro -%}

{#- SQLite cannot change the new row; an AFTER trigger can change the row that was written. What it writes fires the
table's triggers again where `recursive_triggers` is on: only a value that is another one is written, so that it ends. -#}
{%- macro set_new(column, expression, rest) -%}
  {%- if event is defined and event not in ["insert", "update"] %}{{ fail("there is no new row on " ~ event) }}{% endif -%}
  {%- if timing is not defined or timing != "after" %}{{ fail("SQLite cannot change a row before it is written: `timing = \"after\"` in `[trigger.sqlite]` updates it once it is there") }}{% endif -%}
  UPDATE {{ table | ident }} SET {{ column | ident }} = {{ expression | expression }} WHERE
  {%- if not rest %} rowid = NEW.rowid{% endif %}
  {%- for name in rest %}{% if not loop.first %} AND{% endif %} {{ name | ident }} IS NEW.{{ name | ident }}{% endfor %} AND {{ column | ident }} IS NOT ({{ expression | expression }})
{%- endmacro -%}

{%- macro table_name() %}{{ table | literal }}{% endmacro -%}
{%- macro schema_name() %}{{ schema | literal }}{% endmacro -%}

{%- macro bypassed(setting) -%}
  EXISTS (SELECT 1 FROM triggerctl_bypass WHERE name = {{ setting | literal }})
{%- endmacro -%}

{%- macro sql(rest) %}{% for part in rest %}{{ part | sql }}{% endfor %}{% endmacro -%}
