{#- What bodies and conditions can call. The same names exist for every dialect; what they render to differs. -#}

{%- macro new(column) %}NEW.{{ column | ident }}{% endmacro -%}
{%- macro old(column) %}OLD.{{ column | ident }}{% endmacro -%}
{%- macro now() %}clock_timestamp(){% endmacro -%}
{%- macro text(expression) %}({{ expression | expression }})::text{% endmacro -%}
{%- macro distinct(left, right) %}(({{ left | expression }}) IS DISTINCT FROM ({{ right | expression }})){% endmacro -%}

{%- macro concat(rest) -%}
  {%- if not rest %}{{ fail("it takes at least one expression") }}{% endif -%}
  ({% for part in rest %}{% if not loop.first %} || {% endif %}{{ part | expression }}{% endfor %})
{%- endmacro -%}

{%- macro changed(rest) -%}
  {%- if not rest %}{{ fail("it takes at least one column") }}{% endif -%}
  ({% for column in rest %}{% if not loop.first %} OR {% endif %}OLD.{{ column | ident }} IS DISTINCT FROM NEW.{{ column | ident }}{% endfor %})
{%- endmacro -%}

{#- Whether a column holds something else now, were it only the case of a letter. This compares what is stored: it needs no `=`
of the type, which json, xml and points lack, and no collation has a say in it. As a function and not as its operator, `*<>`: of that
the server prints `ROW(…) *<> ROW(…)`, which it reads as a comparison of each column, so that no dump could be restored. -#}
{%- macro altered(columns, types) -%}
  {%- if columns -%}
    record_image_ne(ROW({% for column in columns %}{% if not loop.first %}, {% endif %}OLD.{{ column | ident }}{% endfor %}), ROW({% for column in columns %}{% if not loop.first %}, {% endif %}NEW.{{ column | ident }}{% endfor %}))
  {%- else -%}
    (1 = 0)
  {%- endif -%}
{%- endmacro -%}

{%- macro raise_if(condition, message) -%}
  IF {{ condition | expression }} THEN RAISE EXCEPTION USING MESSAGE = {{ message | literal }}; END IF
{%- endmacro -%}

{%- macro operation() %}{% if event is defined %}{{ event | upper | literal }}{% else %}TG_OP{% endif %}{% endmacro -%}

{%- macro row_json(row, rest) -%}
  {%- if row not in ["new", "old"] %}{{ fail('the row is "new" or "old"') }}{% endif -%}
  {#- A function takes 100 arguments. -#}
  {%- if rest | length > 50 %}({% endif -%}
  {%- for part in rest | batch(50) -%}
    {%- if not loop.first %} || {% endif -%}
    jsonb_build_object({% for column in part %}{% if not loop.first %}, {% endif %}{{ column | literal }}, {{ row | keyword }}.{{ column | ident }}{% endfor %})
  {%- endfor -%}
  {%- if not rest -%}jsonb_build_object(){%- endif -%}
  {%- if rest | length > 50 %}){% endif -%}
{%- endmacro -%}

{%- macro user() %}session_user{% endmacro -%}

{%- macro upsert(table, values, key, rest) -%}
  {%- if values is not mapping or not values %}{{ fail("the values are a map, such as {\"n\": \"1\"}") }}{% endif -%}
  {%- set keys = [key] if key is string else key -%}
  {%- if not keys %}{{ fail("the key is a column, or a list of columns") }}{% endif -%}
  INSERT INTO {{ table | ident }} ({{ values | list | idents }}) VALUES ({% for column, expression in values | items %}{% if not loop.first %}, {% endif %}{{ expression | expression }}{% endfor %})
  {{- " ON CONFLICT (" | sql }}{{ keys | idents }}{{ ") DO " | sql }}
  {%- if not rest %}NOTHING
  {%- elif rest[0] is mapping %}UPDATE SET {% for column, expression in rest[0] | items %}{% if not loop.first %}, {% endif %}{{ column | ident }} = {{ expression | expression }}{% endfor %}
  {%- else %}UPDATE SET {% for column in rest %}{% if not loop.first %}, {% endif %}{{ column | ident }} = EXCLUDED.{{ column | ident }}{% endfor %}
  {%- endif %}
{%- endmacro -%}

{%- macro proposed(column) %}EXCLUDED.{{ column | ident }}{% endmacro -%}

{%- macro set_new(column, expression, rest) -%}
  {%- if event is defined and event not in ["insert", "update"] %}{{ fail("there is no new row on " ~ event) }}{% endif -%}
  {%- if timing is defined and timing == "after" %}{{ fail("the row is written by then: it takes `timing = \"before\"`") }}{% endif -%}
  NEW.{{ column | ident }} := {{ expression | expression }}
{%- endmacro -%}

{%- macro table_name() %}TG_TABLE_NAME::text{% endmacro -%}
{%- macro schema_name() %}TG_TABLE_SCHEMA::text{% endmacro -%}

{%- macro bypassed(setting) -%}
  (coalesce(pg_catalog.current_setting({{ setting | literal }}, true), '') IN ('on', 'true', '1'))
{%- endmacro -%}

{%- macro sql(rest) %}{% for part in rest %}{{ part | sql }}{% endfor %}{% endmacro -%}
