ALTER FUNCTION {{ function | ident }}() OWNER TO {{ owner | ident }}
