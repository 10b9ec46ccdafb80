DROP TRIGGER {{ name | ident }}
