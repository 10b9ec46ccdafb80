CREATE {% if or_replace %}OR REPLACE {% endif %}{% if definer is not none %}DEFINER = {% if definer.user == '' and definer.host is not none %}``{% else %}{{ definer.user | ident }}{% endif %}{% if definer.host is not none %}@{{ definer.host | ident }}{% endif %} {% endif %}TRIGGER {{ name | ident }}
{{ timing | keyword }} {{ event | keyword }} ON {{ table | ident }}
FOR EACH ROW{% if place is not none %} {{ place.word | keyword }} {{ place.name | ident }}{% endif %}
BEGIN
{{ body | sql }}
END