{#- What adds up, a count or the sum of `amount`: `was` is whether the row counted before, `counts` whether it does now. -#}
{%- set target = parent | ident -%}
{%- set total = column | ident -%}
{%- set id = parent_key | ident -%}
{%- set link = key | ident -%}
{%- set was -%}
  OLD.{{ link }} IS NOT NULL{% if filter %} AND ({{ filter | for_row("old") | expression }}) IS TRUE{% endif %}
{%- endset -%}
{%- set counts -%}
  NEW.{{ link }} IS NOT NULL{% if filter %} AND ({{ filter | for_row("new") | expression }}) IS TRUE{% endif %}
{%- endset -%}
{%- set is_sum = amount is defined -%}
{%- set old_amount -%}{% if is_sum %}coalesce({{ amount | for_row("old") | expression }}, 0){% else %}1{% endif %}{%- endset -%}
{%- set new_amount -%}{% if is_sum %}coalesce({{ amount | for_row("new") | expression }}, 0){% else %}1{% endif %}{%- endset -%}
{%- set of -%}{% if dialect == "postgres" %}parent.{{ id }}{% else %}NEW.{{ link }}{% endif %}{%- endset -%}
{%- set recount -%}
  (SELECT {% if is_sum %}coalesce(sum({{ amount | for_row("counted") | expression }}), 0){% else %}count(*){% endif %} FROM {{ [schema, table] | ident }} AS counted
   WHERE counted.{{ link }} = {{ of }}{% if filter %} AND ({{ filter | for_row("counted") | expression }}) IS TRUE{% endif %})
{%- endset -%}
{%- if dialect == "postgres" -%}
IF TG_OP <> 'INSERT' THEN
  triggerctl_was := {{ was }};
END IF;
IF TG_OP <> 'DELETE' THEN
  triggerctl_counts := {{ counts }};
END IF;
IF triggerctl_was AND triggerctl_counts THEN
  IF OLD.{{ link }} = NEW.{{ link }}{% if is_sum %} AND {{ old_amount }} = {{ new_amount }}{% endif %} THEN
    RETURN NULL;
  END IF;
ELSIF NOT triggerctl_was AND NOT triggerctl_counts THEN
  RETURN NULL;
END IF;
IF NOT triggerctl_recount THEN
{%- if is_sum %}
  IF triggerctl_was AND triggerctl_counts AND OLD.{{ link }} = NEW.{{ link }} THEN
    UPDATE {{ target }} AS parent SET {{ total }} = coalesce(parent.{{ total }}, 0) + {{ new_amount }} - {{ old_amount }} WHERE parent.{{ id }} = NEW.{{ link }};
    RETURN NULL;
  END IF;
{%- endif %}
  IF triggerctl_was AND triggerctl_counts THEN
    -- Both parents in the order of their keys: two moves in opposite directions wait for each other, and not in a circle.
    PERFORM 1 FROM {{ target }} AS parent WHERE parent.{{ id }} IN (OLD.{{ link }}, NEW.{{ link }}) ORDER BY parent.{{ id }} FOR NO KEY UPDATE;
  END IF;
  IF triggerctl_was THEN
    UPDATE {{ target }} AS parent SET {{ total }} = coalesce(parent.{{ total }}, 0) - {{ old_amount }} WHERE parent.{{ id }} = OLD.{{ link }};
    -- The parent's key changed, or it is gone and its rows go to another: what the other had counted is not known here.
    triggerctl_recount := NOT FOUND AND triggerctl_counts;
  END IF;
  IF triggerctl_counts AND NOT triggerctl_recount THEN
    UPDATE {{ target }} AS parent SET {{ total }} = coalesce(parent.{{ total }}, 0) + {{ new_amount }} WHERE parent.{{ id }} = NEW.{{ link }};
  END IF;
END IF;
IF triggerctl_recount THEN
  -- This sees all rows of the statement as they are after it, so those whose triggers are still to fire must not add theirs
  -- once more: they recount as well.
  PERFORM pg_catalog.set_config('triggerctl.recounting', triggerctl_statement, true);
  PERFORM 1 FROM {{ target }} AS parent WHERE parent.{{ id }} IN (OLD.{{ link }}, NEW.{{ link }}) ORDER BY parent.{{ id }} FOR NO KEY UPDATE;
  UPDATE {{ target }} AS parent SET {{ total }} = {{ recount }}
  WHERE parent.{{ id }} IN (OLD.{{ link }}, NEW.{{ link }});
END IF;
{%- elif event == "insert" -%}
UPDATE {{ target }} SET {{ total }} = coalesce({{ total }}, 0) + {{ new_amount }} WHERE {{ id }} = NEW.{{ link }}{% if filter %} AND {{ counts }}{% endif %};
{%- elif event == "delete" -%}
UPDATE {{ target }} SET {{ total }} = coalesce({{ total }}, 0) - {{ old_amount }} WHERE {{ id }} = OLD.{{ link }}{% if filter %} AND {{ was }}{% endif %};
{%- else -%}
UPDATE {{ target }} SET {{ total }} = coalesce({{ total }}, 0)
  + (CASE WHEN {{ id }} = NEW.{{ link }} AND {{ counts }} THEN {{ new_amount }} ELSE 0 END)
  - (CASE WHEN {{ id }} = OLD.{{ link }} AND {{ was }} THEN {{ old_amount }} ELSE 0 END)
WHERE {{ id }} IN (OLD.{{ link }}, NEW.{{ link }})
  AND ({{ changed(key) }}{% if filter %} OR ({{ was }}) <> ({{ counts }}){% endif %}{% if is_sum %} OR {{ old_amount }} <> {{ new_amount }}{% endif %});
{%- if dialect == "sqlite" %}
UPDATE {{ target }} SET {{ total }} = {{ recount }}
WHERE {{ id }} = NEW.{{ link }} AND {{ was }}
  AND NOT EXISTS (SELECT 1 FROM {{ target }} AS gone WHERE gone.{{ id }} = OLD.{{ link }});
{%- endif -%}
{%- endif -%}
