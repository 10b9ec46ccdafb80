WITH reference AS (
  SELECT ord, schema, name, is_glob
  FROM ROWS FROM (
    pg_catalog.unnest($1::pg_catalog.int4[]), pg_catalog.unnest($2::pg_catalog.text[]),
    pg_catalog.unnest($3::pg_catalog.text[]), pg_catalog.unnest($4::pg_catalog.bool[])
  ) AS given(ord, schema, name, is_glob)
),
path AS (
  SELECT schema, ord FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS entry(schema, ord)
),
found AS (
  SELECT r.ord, c.oid
  FROM reference r
  JOIN pg_catalog.pg_namespace n ON n.nspname = r.schema
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = r.name
  WHERE NOT r.is_glob AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
  UNION ALL
  -- The first schema of the path that has the name; temporary tables are not ours.
  SELECT * FROM (
    SELECT DISTINCT ON (r.ord) r.ord, c.oid
    FROM reference r
    JOIN pg_catalog.pg_class c ON c.relname = r.name
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN path ON path.schema = n.nspname
    WHERE NOT r.is_glob AND r.schema IS NULL
      AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
    ORDER BY r.ord, path.ord
  ) AS unqualified
  UNION ALL
  SELECT r.ord, c.oid
  FROM reference r
  JOIN pg_catalog.pg_namespace n ON n.nspname LIKE r.schema
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname LIKE r.name
  WHERE r.is_glob AND c.relkind IN ('r', 'p', 'v', 'f') AND c.relpersistence <> 't' AND NOT c.relispartition
    AND pg_catalog.left(n.nspname::pg_catalog.text, 3) <> 'pg_' AND n.nspname NOT IN ('information_schema', $5::pg_catalog.text)
    AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
),
-- Each table once, however many ask for it.
asked AS (
  SELECT oid, pg_catalog.array_agg(ord) AS numbers FROM found GROUP BY oid
)
SELECT asked.numbers, n.nspname, c.relname, c.relkind, details.columns, details.generated,
       c.relispartition OR c.oid IN (SELECT inhrelid FROM pg_catalog.pg_inherits), above.schemas, above.names,
       details.types, key.columns
FROM asked
JOIN pg_catalog.pg_class c ON c.oid = asked.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
-- Looked up by index for each table: the server does not know how many a pattern means, and a join may become a loop in a
-- loop.
LEFT JOIN LATERAL (
  SELECT pg_catalog.array_agg(a.attname) AS columns,
         pg_catalog.array_agg(a.attname) FILTER (WHERE a.attgenerated <> '') AS generated,
         pg_catalog.array_agg(pg_catalog.format_type(a.atttypid, a.atttypmod)) AS types
  -- In order once, as the index has them, and not for each array.
  FROM (
    SELECT own.attname, own.attgenerated, own.atttypid, own.atttypmod
    FROM pg_catalog.pg_attribute AS own
    WHERE own.attrelid = c.oid AND own.attnum > 0 AND NOT own.attisdropped
    ORDER BY own.attnum
  ) AS a
) AS details ON true
LEFT JOIN LATERAL (
  SELECT ARRAY(
    SELECT (SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = part.attnum)
    FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS part(attnum, ord)
    ORDER BY part.ord
  ) AS columns
  FROM pg_catalog.pg_constraint k
  WHERE k.conrelid = c.oid AND k.contype = 'p'
) AS key ON true
LEFT JOIN LATERAL (
  SELECT pg_catalog.array_agg(pn.nspname ORDER BY pn.nspname, pc.relname) AS schemas,
         pg_catalog.array_agg(pc.relname ORDER BY pn.nspname, pc.relname) AS names
  FROM pg_catalog.pg_partition_ancestors(c.oid) AS ancestor(oid)
  JOIN pg_catalog.pg_class pc ON pc.oid = ancestor.oid
  JOIN pg_catalog.pg_namespace pn ON pn.oid = pc.relnamespace
  WHERE c.relispartition AND ancestor.oid <> c.oid
) AS above ON true
