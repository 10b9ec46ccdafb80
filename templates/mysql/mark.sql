{#- For `triggerctl test`: the body of a trigger that says when it fires, behind the IF of its condition where it has one.
Declarations stand at the beginning of a block. -#}
{%- if guard is not none %}{{ guard | sql }}
{% endif -%}
SET @triggerctl_fired = IF(LOCATE('|{{ mark | sql }}|', @triggerctl_fired) > 0, @triggerctl_fired, CONCAT(@triggerctl_fired, '{{ mark | sql }}|'));
{%- if guard is none %}
BEGIN
{{ body | sql }}
END;
{%- else %}
{{ body | sql }}
{%- endif %}
