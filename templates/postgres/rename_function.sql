ALTER FUNCTION {{ function | ident }}() RENAME TO {{ new_name | ident }}
