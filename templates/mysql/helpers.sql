{#- What bodies and conditions can call. The same names exist for every dialect; what they render to differs. -#}

{%- macro new(column) %}NEW.{{ column | ident }}{% endmacro -%}
{%- macro old(column) %}OLD.{{ column | ident }}{% endmacro -%}
{%- macro now() %}utc_timestamp(6){% endmacro -%}
{%- macro text(expression) %}CAST({{ expression | expression }} AS CHAR){% endmacro -%}
{%- macro distinct(left, right) %}(NOT (({{ left | expression }}) <=> ({{ right | expression }}))){% endmacro -%}

{%- macro concat(rest) -%}
  {%- if not rest %}{{ fail("it takes at least one expression") }}{% endif -%}
  CONCAT({% for part in rest %}{% if not loop.first %}, {% endif %}{{ part | expression }}{% endfor %})
{%- endmacro -%}

{%- macro changed(rest) -%}
  {%- if not rest %}{{ fail("it takes at least one column") }}{% endif -%}
  ({% for column in rest %}{% if not loop.first %} OR {% endif %}NOT (OLD.{{ column | ident }} <=> NEW.{{ column | ident }} AND CAST(OLD.{{ column | ident }} AS BINARY) <=> CAST(NEW.{{ column | ident }} AS BINARY)){% endfor %})
{%- endmacro -%}

{#- Whether a column holds something else now, were it only the case of a letter, which most collations do not see. -#}
{%- macro altered(columns, types) -%}
  ({% for column in columns %}{% if not loop.first %} OR {% endif %}
  {%- set type = types[column] | lower -%}
  {%- if "char" in type or "text" in type or type is startingwith("enum") or type is startingwith("set(") -%}
    NOT (CAST(OLD.{{ column | ident }} AS BINARY) <=> CAST(NEW.{{ column | ident }} AS BINARY))
  {%- else -%}
    NOT (OLD.{{ column | ident }} <=> NEW.{{ column | ident }})
  {%- endif -%}
  {%- else %}1 = 0{% endfor %})
{%- endmacro -%}

{%- macro raise_if(condition, message) -%}
  {%- if message | length > 128 %}{{ fail("MySQL takes a message of at most 128 characters, and this one has " ~ message | length) }}{% endif -%}
  IF {{ condition | expression }} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = {{ message | literal }}; END IF
{%- endmacro -%}

{%- macro operation() %}{{ event | upper | literal }}{% endmacro -%}

{%- macro row_json(row, rest) -%}
  {%- if row not in ["new", "old"] %}{{ fail('the row is "new" or "old"') }}{% endif -%}
  JSON_OBJECT({% for column in rest %}{% if not loop.first %}, {% endif %}{{ column | literal }}, {{ row | keyword }}.{{ column | ident }}{% endfor %})
{%- endmacro -%}

{%- macro user() %}USER(){% endmacro -%}

{%- macro upsert(table, values, key, rest) -%}
  {%- if values is not mapping or not values %}{{ fail("the values are a map, such as {\"n\": \"1\"}") }}{% endif -%}
  {%- set keys = [key] if key is string else key -%}
  {%- if not keys %}{{ fail("the key is a column, or a list of columns") }}{% endif -%}
  INSERT INTO {{ table | ident }} ({{ values | list | idents }}) VALUES ({% for column, expression in values | items %}{% if not loop.first %}, {% endif %}{{ expression | expression }}{% endfor %})
  {{- " ON DUPLICATE KEY UPDATE " | sql }}
  {%- if not rest %}{{ keys[0] | ident }} = {{ keys[0] | ident }}
  {%- elif rest[0] is mapping %}
    {%- set set_so_far = namespace(columns=[]) -%}
    {%- for column, expression in rest[0] | items %}
      {#- This engine assigns from left to right, where the others read the row as it was. -#}
      {%- for earlier in set_so_far.columns if expression is reading(earlier) -%}
        {{ fail("`" ~ column ~ "` reads `" ~ earlier ~ "`, which MySQL has set by then: put `" ~ column ~ "` before it in the map") }}
      {%- endfor -%}
      {%- set set_so_far.columns = set_so_far.columns + [column] -%}
      {%- if not loop.first %}, {% endif %}{{ column | ident }} = {{ expression | expression }}
    {%- endfor %}
  {%- else %}{% for column in rest %}{% if not loop.first %}, {% endif %}{{ column | ident }} = VALUES({{ column | ident }}){% endfor %}
  {%- endif %}
{%- endmacro -%}

{%- macro proposed(column) %}VALUES({{ column | ident }}){% endmacro -%}

{%- macro set_new(column, expression, rest) -%}
  {%- if event is defined and event not in ["insert", "update"] %}{{ fail("there is no new row on " ~ event) }}{% endif -%}
  {%- if timing is defined and timing == "after" %}{{ fail("the row is written by then: it takes `timing = \"before\"`") }}{% endif -%}
  SET NEW.{{ column | ident }} = {{ expression | expression }}
{%- endmacro -%}

{%- macro table_name() %}{{ table | literal }}{% endmacro -%}
{%- macro schema_name() %}{{ schema | literal }}{% endmacro -%}

{#- As text: the number 0 would be equal to 'on'. -#}
{%- macro bypassed(setting) -%}
  (COALESCE(CAST(@{{ setting | replace(".", "_") | ident }} AS CHAR), '') IN ('on', 'true', '1'))
{%- endmacro -%}

{%- macro sql(rest) %}{% for part in rest %}{{ part | sql }}{% endfor %}{% endmacro -%}
