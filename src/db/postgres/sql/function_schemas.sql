-- The first schema of the path that has a trigger function of the name; the server's own functions come last.
SELECT DISTINCT ON (p.proname) p.proname, n.nspname
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.unnest(pg_catalog.current_schemas(false) || 'pg_catalog'::pg_catalog.name)
  WITH ORDINALITY AS path(schema, ord) ON path.schema = n.nspname
WHERE p.proname = ANY ($1) AND p.pronargs = 0 AND p.prorettype = 'pg_catalog.trigger'::pg_catalog.regtype
ORDER BY p.proname, path.ord
