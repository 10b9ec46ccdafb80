pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(ROW(
  t.tgtype, t.tgenabled, fn.nspname, p.proname, pg_catalog.encode(t.tgargs, 'hex'),
  t.tgconstraint <> 0, t.tgdeferrable, t.tginitdeferred, rn.nspname, rc.relname, t.tgoldtable, t.tgnewtable,
  t.tgattr::pg_catalog.text, {condition}, 
  -- The columns that UPDATE OF and WHEN refer to: both hold attribute numbers, which a rename does not change. Looked up
  -- by index for each trigger that has such: right after many were created the server knows nothing about their
  -- number, and a join over all of them may become a loop in a loop.
  CASE WHEN t.tgattr::pg_catalog.text <> '' OR t.tgqual IS NOT NULL THEN NULLIF(ARRAY(
    SELECT a.attname::pg_catalog.text -- Sorted and printed as text: the type `name` takes 64 bytes each.
    FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND d.objid = t.oid AND d.refobjsubid <> 0
    ORDER BY a.attnum
  ), '{}') END,
  -- What else WHEN refers to: it holds OIDs, which a rename does not change. Built-in objects are not in pg_depend.
  CASE WHEN t.tgqual IS NOT NULL THEN NULLIF(ARRAY(
    SELECT ROW(d.refclassid, d.refobjid, (pg_catalog.pg_identify_object(d.refclassid, d.refobjid, 0)).identity,
               -- A value of an enumeration is held as an OID as well.
               CASE WHEN d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass THEN NULLIF(ARRAY(
                 SELECT ROW(e.oid, e.enumlabel)::pg_catalog.text
                 FROM pg_catalog.pg_enum e WHERE e.enumtypid = d.refobjid ORDER BY e.oid
               ), '{}') END)::pg_catalog.text
    FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND d.objid = t.oid AND d.refobjsubid = 0
      AND d.refobjid <> t.tgfoid AND d.refclassid NOT IN (
        'pg_catalog.pg_class'::pg_catalog.regclass, 'pg_catalog.pg_trigger'::pg_catalog.regclass,
        'pg_catalog.pg_constraint'::pg_catalog.regclass, 'pg_catalog.pg_extension'::pg_catalog.regclass)
    ORDER BY d.refclassid, d.refobjid
  ), '{}') END, ds.description,
  trigger_extension.extensions, strayed.schemas, strayed.tables, strayed.states
)::pg_catalog.text, pg_catalog.getdatabaseencoding())), 'hex')
