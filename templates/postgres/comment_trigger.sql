COMMENT ON TRIGGER {{ name | ident }} ON {{ table | ident }} IS {{ comment | literal }}
