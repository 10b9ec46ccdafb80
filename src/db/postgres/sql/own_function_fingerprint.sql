CASE WHEN p.oid NOT IN (
         SELECT objid FROM extension_member
         WHERE classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND deptype = 'e')
       THEN {function_fingerprint} END
