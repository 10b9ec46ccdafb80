UPDATE {{ history_schema | ident }}.objects AS recorded
SET live_fingerprint = live.fingerprint
FROM pg_temp.triggerctl_live AS live
WHERE recorded.version = {{ version | literal }} AND recorded.definition IS NOT NULL
  AND (live.kind, live.schema, live."table", live.name) = (recorded.kind, recorded.schema, recorded."table", recorded.name);

-- Who came to own what was made, and who may execute it.
UPDATE {{ history_schema | ident }}.objects AS recorded
SET definition = pg_catalog.jsonb_set(pg_catalog.jsonb_set(recorded.definition::pg_catalog.jsonb,
      '{function,owner}', pg_catalog.to_jsonb(pg_catalog.pg_get_userbyid(p.proowner)::pg_catalog.text)),
      '{function,grants}', CASE WHEN p.proacl IS NULL THEN 'null' ELSE COALESCE((
        SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
          'grantee', CASE WHEN entry.grantee <> 0 THEN pg_catalog.pg_get_userbyid(entry.grantee) END,
          'grantable', entry.is_grantable))
        FROM pg_catalog.aclexplode(p.proacl) AS entry), '[]') END)::pg_catalog.json
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE recorded.version = {{ version | literal }} AND recorded.kind = 'function' AND recorded.definition IS NOT NULL
  AND n.nspname = recorded.schema AND p.proname = recorded.name AND p.pronargs = 0;

DROP VIEW pg_temp.triggerctl_live;

COMMIT;
