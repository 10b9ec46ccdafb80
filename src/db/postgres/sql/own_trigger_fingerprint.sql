CASE WHEN t.tgrelid NOT IN (
           SELECT objid FROM extension_member
           WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND deptype = 'e')
         THEN {trigger_fingerprint} END
