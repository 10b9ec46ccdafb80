DROP FUNCTION {{ function | ident }}()
