ALTER FUNCTION {{ function | ident }}() {% if not depends %}NO {% endif %}DEPENDS ON EXTENSION {{ extension | ident }}
