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

{%- macro raise_if(condition, message) -%}
  IF {{ condition | expression }} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = {{ message | literal }}; END IF
{%- endmacro -%}

{%- macro operation() %}{{ event | upper | literal }}{% endmacro -%}

{%- macro row_json(row, rest) -%}
  {%- if row not in ["new", "old"] %}{{ fail('the row is "new" or "old"') }}{% endif -%}
  JSON_OBJECT({% for column in rest %}{% if not loop.first %}, {% endif %}{{ column | literal }}, {{ row | keyword }}.{{ column | ident }}{% endfor %})
{%- endmacro -%}

{%- macro user() %}USER(){% endmacro -%}
