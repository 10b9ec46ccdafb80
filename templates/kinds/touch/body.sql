{%- set target = parent | ident -%}
{%- set id = parent_key | ident -%}
{%- set link = key | ident -%}
{%- set change -%}SET {{ column | ident }} = {{ value | expression }}{%- endset -%}
{%- if dialect == "postgres" -%}
IF TG_OP = 'INSERT' THEN
  UPDATE {{ target }} AS parent {{ change }} WHERE parent.{{ id }} = NEW.{{ link }};
ELSIF TG_OP = 'DELETE' THEN
  UPDATE {{ target }} AS parent {{ change }} WHERE parent.{{ id }} = OLD.{{ link }};
ELSIF {{ altered(columns, types) }} THEN
  -- Both parents in the order of their keys: two moves in opposite directions wait for each other, and not in a circle.
  PERFORM 1 FROM {{ target }} AS parent WHERE parent.{{ id }} IN (OLD.{{ link }}, NEW.{{ link }}) ORDER BY parent.{{ id }} FOR NO KEY UPDATE;
  UPDATE {{ target }} AS parent {{ change }} WHERE parent.{{ id }} IN (OLD.{{ link }}, NEW.{{ link }});
END IF;
{%- elif event == "insert" -%}
UPDATE {{ target }} {{ change }} WHERE {{ id }} = NEW.{{ link }};
{%- elif event == "delete" -%}
UPDATE {{ target }} {{ change }} WHERE {{ id }} = OLD.{{ link }};
{%- else -%}
UPDATE {{ target }} {{ change }} WHERE {{ id }} IN (OLD.{{ link }}, NEW.{{ link }}) AND {{ altered(columns, types) }};
{%- endif -%}
