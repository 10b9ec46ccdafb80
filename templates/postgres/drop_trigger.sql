DROP TRIGGER {{ name | ident }} ON {{ table | ident }}
