{%- macro of_row(row, primary_key) -%}
  jsonb_build_object({% for key in primary_key %}{% if not loop.first %}, {% endif %}{{ key | literal }}, {{ row | sql }}.{{ key | ident }}{% endfor %})
{%- endmacro -%}
{%- if "update" in operations -%}
IF TG_OP = 'UPDATE' AND NOT {{ altered(columns, types) }} THEN
  RETURN NULL;
END IF;
{% endif -%}
triggerctl_payload := json_build_object('schema', TG_TABLE_SCHEMA, 'table', TG_TABLE_NAME, 'operation', TG_OP);
{%- if primary_key %}
triggerctl_keyed := (triggerctl_payload::jsonb || jsonb_build_object('key', CASE WHEN TG_OP = 'INSERT' THEN {{ of_row("NEW", primary_key) }} ELSE {{ of_row("OLD", primary_key) }} END))::text;
{%- if "update" in operations %}
IF TG_OP = 'UPDATE' AND {{ altered(primary_key, types) }} THEN
  triggerctl_keyed := (triggerctl_keyed::jsonb || jsonb_build_object('new_key', {{ of_row("NEW", primary_key) }}))::text;
END IF;
{%- endif %}
-- pg_notify takes less than 8000 bytes, in the server's encoding.
IF octet_length(triggerctl_keyed) < 8000 THEN
  triggerctl_payload := triggerctl_keyed;
END IF;
{%- endif %}
PERFORM pg_notify({{ channel | literal }}, triggerctl_payload);
