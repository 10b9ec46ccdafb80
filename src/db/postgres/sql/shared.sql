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
strayed AS (
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
-- What triggers depend on beside their table and function. Built-in objects are not listed in pg_depend.
trigger_dependency AS MATERIALIZED (
  SELECT d.objid AS trigger, d.refclassid, d.refobjid, d.refobjsubid
  FROM pg_catalog.pg_depend d
  WHERE d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
    AND (d.refobjsubid <> 0 OR d.refclassid NOT IN (
      'pg_catalog.pg_class'::pg_catalog.regclass, 'pg_catalog.pg_trigger'::pg_catalog.regclass,
      'pg_catalog.pg_constraint'::pg_catalog.regclass, 'pg_catalog.pg_extension'::pg_catalog.regclass))
),
-- The columns that UPDATE OF and WHEN refer to: both hold attribute numbers, which a rename does not change.
trigger_column AS (
  SELECT trigger, pg_catalog.array_agg(attname ORDER BY attnum) AS columns
  FROM (
    SELECT d.trigger, a.attnum, a.attname::pg_catalog.text AS attname
    FROM trigger_dependency d
    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.refobjsubid <> 0
    OFFSET 0 -- Sorts the names as text: the type `name` takes 64 bytes each.
  ) AS named
  GROUP BY trigger
),
-- What else WHEN refers to: it holds OIDs, which a rename does not change.
trigger_reference AS (
  SELECT d.trigger,
         pg_catalog.array_agg(ROW(d.refclassid, d.refobjid,
           (pg_catalog.pg_identify_object(d.refclassid, d.refobjid, 0)).identity)
           ORDER BY d.refclassid, d.refobjid) AS objects
  FROM trigger_dependency d
  JOIN pg_catalog.pg_trigger t ON t.oid = d.trigger
  WHERE d.refobjsubid = 0 AND d.refobjid <> t.tgfoid AND t.tgqual IS NOT NULL
  GROUP BY d.trigger
),
trigger_extension AS (
  SELECT objid AS trigger, pg_catalog.array_agg(extname ORDER BY extname) AS extensions
  FROM extension_member
  WHERE classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND deptype = 'x'
  GROUP BY objid
),
function_extension AS (
  SELECT objid AS function, pg_catalog.array_agg(extname ORDER BY extname) AS extensions
  FROM extension_member
  WHERE classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND deptype = 'x'
  GROUP BY objid
)
