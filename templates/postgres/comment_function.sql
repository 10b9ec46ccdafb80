COMMENT ON FUNCTION {{ function | ident }}() IS {{ comment | literal }}
