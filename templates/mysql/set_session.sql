SET SESSION
{%- for setting in settings %}{% if not loop.first %},{% endif %} {{ setting.name | ident }} = {% if setting.value is none %}DEFAULT{% else %}{{ setting.value | literal }}{% endif %}{% endfor %}
