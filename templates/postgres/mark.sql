{#- For `triggerctl test`: the text of a function that says when it is called, by a lock of the session that no rollback
gives back. The first line stays the first. -#}
DECLARE "triggerctl fired" boolean := pg_catalog.pg_try_advisory_lock_shared(pg_catalog.hashtextextended(pg_catalog.format('triggerctl %s %s %s %s', {{ mark | sql }}, TG_RELID, TG_NAME, TG_OP), 0)); BEGIN {{ body | sql }}
; END
