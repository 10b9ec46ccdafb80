ALTER TRIGGER {{ name | ident }} ON {{ table | ident }} RENAME TO {{ new_name | ident }}
