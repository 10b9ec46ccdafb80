DECLARE triggerctl_locked bigint;
{%- if event == "insert" %}
SELECT count(*) INTO triggerctl_locked FROM {{ parent | ident }} WHERE {{ parent_key | ident }} = NEW.{{ key | ident }} FOR UPDATE;
{%- else %}
IF {{ changed(key) }} THEN
  SELECT count(*) INTO triggerctl_locked FROM {{ parent | ident }} WHERE {{ parent_key | ident }} IN (OLD.{{ key | ident }}, NEW.{{ key | ident }}) FOR UPDATE;
END IF;
{%- endif %}
