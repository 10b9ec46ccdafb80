WITH RECURSIVE {shared},
known_function AS MATERIALIZED (
  SELECT p.oid
  FROM ROWS FROM (pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[])) AS known(schema, name)
  JOIN pg_catalog.pg_namespace n ON n.nspname = known.schema
  JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid AND p.proname = known.name AND p.pronargs = 0
),
-- The triggers in scope, and those anywhere that call a known function: they only count as its callers.
found AS MATERIALIZED (
  SELECT n.nspname AS schema, c.relname AS "table", t.tgname AS name, t.tgfoid AS function,
         CASE WHEN n.nspname = ANY ($1::pg_catalog.text[]) THEN {own_trigger_fingerprint} END AS fingerprint
  {triggers}
    AND (n.nspname = ANY ($1::pg_catalog.text[]) OR t.tgfoid IN (SELECT oid FROM known_function))
),
wanted AS (
  SELECT function AS oid FROM found WHERE fingerprint IS NOT NULL
  UNION
  SELECT oid FROM known_function
)
SELECT schema, "table", name, function, fingerprint
FROM found
UNION ALL
SELECT n.nspname, NULL, p.proname, p.oid,
       {own_function_fingerprint}
{functions} AND p.oid IN (SELECT oid FROM wanted)
