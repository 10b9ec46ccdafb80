ALTER FUNCTION {{ function | ident }}() SET SCHEMA {{ new_schema | ident }}
