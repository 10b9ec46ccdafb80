-- What extensions own ('e') and what is marked as depending on one ('x').
extension_member AS MATERIALIZED (
  SELECT d.classid, d.objid, d.deptype, e.extname
  FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
  WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype IN ('e', 'x')
),
-- Each clone on a partition with its parent; a partition of a partition has a clone of a clone.
clone AS (
  SELECT t.tgrelid, t.tgenabled, t.tgparentid AS parent
  FROM {pg_trigger} t
  WHERE t.tgparentid <> 0
  UNION ALL
  SELECT clone.tgrelid, clone.tgenabled, t.tgparentid
  FROM clone
  JOIN {pg_trigger} t ON t.oid = clone.parent
  WHERE t.tgparentid <> 0
),
-- The clones whose enabled state is not the one of the trigger that they stem from.
strayed AS MATERIALIZED (
  SELECT t.oid AS trigger,
         pg_catalog.array_agg(n.nspname ORDER BY n.nspname, c.relname) AS schemas,
         pg_catalog.array_agg(c.relname ORDER BY n.nspname, c.relname) AS tables,
         pg_catalog.array_agg(clone.tgenabled ORDER BY n.nspname, c.relname) AS states
  FROM clone
  JOIN pg_catalog.pg_trigger t ON t.oid = clone.parent AND t.tgenabled <> clone.tgenabled AND NOT t.tgisinternal
  JOIN pg_catalog.pg_class c ON c.oid = clone.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  GROUP BY t.oid
),
trigger_extension AS MATERIALIZED (
  SELECT objid AS trigger, pg_catalog.array_agg(extname ORDER BY extname) AS extensions
  FROM extension_member
  WHERE classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND deptype = 'x'
  GROUP BY objid
),
function_extension AS MATERIALIZED (
  SELECT objid AS function, pg_catalog.array_agg(extname ORDER BY extname) AS extensions
  FROM extension_member
  WHERE classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND deptype = 'x'
  GROUP BY objid
)
