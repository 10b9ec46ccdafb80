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
  json_object({% for column in rest %}{% if not loop.first %}, {% endif %}{{ column | literal }}, {{ row | keyword }}.{{ column | ident }}{% endfor %})
{%- endmacro -%}

{%- macro user() %}{{ fail("SQLite has no users: give the dialect a body of its own in `[trigger.sqlite]`") }}{% endmacro -%}
