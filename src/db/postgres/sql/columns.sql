WITH found AS MATERIALIZED (
  SELECT n.nspname, c.relname, a.attname, a.attnum, a.atttypid, a.atttypmod, a.attgenerated
  FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) AS asked(schema, name)
  JOIN pg_catalog.pg_namespace AS n ON n.nspname = asked.schema
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = asked.name
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
),
-- Asked once for each type: there are few of them, and thousands of columns.
kind AS MATERIALIZED (
  SELECT t.oid,
         -- Rows compare by the default btree or hash operator class of each column's type, or of one that it can be taken for.
         e.typtype IN ('e', 'r', 'm', 'c', 'p') OR EXISTS (
           SELECT FROM pg_catalog.pg_opclass AS o
           JOIN pg_catalog.pg_am AS m ON m.oid = o.opcmethod AND m.amname IN ('btree', 'hash')
           WHERE o.opcdefault AND (o.opcintype = e.oid OR EXISTS (
             SELECT FROM pg_catalog.pg_cast AS k
             WHERE k.castsource = e.oid AND k.casttarget = o.opcintype AND k.castmethod = 'b' AND k.castcontext = 'i'))
         ) AS comparable
  FROM pg_catalog.pg_type AS t
  -- An array compares as its elements do, a domain as what it is made of; an array of a domain is rare.
  JOIN pg_catalog.pg_type AS b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
  JOIN pg_catalog.pg_type AS e ON e.oid = CASE WHEN b.typelem <> 0 AND b.typlen = -1 THEN b.typelem ELSE b.oid END
  WHERE t.oid IN (SELECT atttypid FROM found)
)
SELECT f.nspname, f.relname, f.attname, pg_catalog.format_type(f.atttypid, f.atttypmod), f.attgenerated::pg_catalog.text <> '',
       k.comparable
FROM found AS f
JOIN kind AS k ON k.oid = f.atttypid
ORDER BY f.nspname, f.relname, f.attnum
