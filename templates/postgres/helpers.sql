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

{#- Whether a column holds something else now, were it only the case of a letter. `*<>` compares what is stored: it needs no `=`
of the type, which json, xml and points lack, and no collation has a say in it. -#}
{%- macro altered(columns, types) -%}
  {%- if columns -%}
    (ROW({% for column in columns %}{% if not loop.first %}, {% endif %}OLD.{{ column | ident }}{% endfor %})::record *<> ROW({% for column in columns %}{% if not loop.first %}, {% endif %}NEW.{{ column | ident }}{% endfor %})::record)
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
  jsonb_build_object({% for column in rest %}{% if not loop.first %}, {% endif %}{{ column | literal }}, {{ row | keyword }}.{{ column | ident }}{% endfor %})
{%- endmacro -%}

{%- macro user() %}session_user{% endmacro -%}
