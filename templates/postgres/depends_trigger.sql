ALTER TRIGGER {{ name | ident }} ON {{ table | ident }} {% if not depends %}NO {% endif %}DEPENDS ON EXTENSION {{ extension | ident }}
