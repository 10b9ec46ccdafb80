{#- The text of a generated function. What the body falls through to is the last statement; one that it never reaches
does no harm. -#}
{%- if declare is not none %}
DECLARE
{{ declare | sql }}
{%- endif %}
BEGIN
{%- if bypass is not none %}
IF {{ bypassed(bypass) }} THEN RETURN NULL; END IF;
{%- endif %}
{{ body | sql }}
{%- if returns == "new_or_old" %}
IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
RETURN NEW;
{%- else %}
RETURN {{ returns | keyword }};
{%- endif %}
END

