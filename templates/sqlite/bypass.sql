{#- The condition of a trigger that a setting can switch off. -#}
NOT {{ bypassed(setting) }}
{%- if condition is not none %} AND ({{ condition | sql }}){% endif %}
