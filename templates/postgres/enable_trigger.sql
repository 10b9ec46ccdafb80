ALTER TABLE {{ table | ident }} {% if state == "origin" %}ENABLE{% elif state == "disabled" %}DISABLE{% else %}ENABLE {{ state | keyword }}{% endif %} TRIGGER {{ name | ident }}
