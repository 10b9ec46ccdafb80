-- The size of each table with all its partitions, and one row for each other session that holds or awaits a lock on any
-- of them. pg_relation_size opens the table for a moment: where somebody has it locked for good, the size as of the
-- last VACUUM has to do.
WITH RECURSIVE asked AS (
  SELECT asked.number, c.oid
  FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
    WITH ORDINALITY AS asked(schema, name, number)
  JOIN pg_catalog.pg_namespace n ON n.nspname = asked.schema
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = asked.name
  {asked}
), tree(number, oid, is_partition) AS (
  SELECT number, oid, false FROM asked
  UNION
  SELECT tree.number, i.inhrelid, true
  FROM tree
  JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid
  JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition
), locks AS MATERIALIZED (
  SELECT l.relation, l.pid, l.mode
  FROM pg_catalog.pg_locks l
  WHERE l.locktype = 'relation' AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
    AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
), sizes AS (
  SELECT tree.number, pg_catalog.count(*) FILTER (WHERE tree.is_partition) AS partitions,
         pg_catalog.sum(known.rows)::pg_catalog.int8 AS rows, pg_catalog.sum(known.bytes)::pg_catalog.int8 AS bytes
  FROM tree
  JOIN pg_catalog.pg_class c ON c.oid = tree.oid
  LEFT JOIN pg_catalog.pg_class toast ON toast.oid = c.reltoastrelid
  CROSS JOIN LATERAL (
    SELECT setting.block, setting.block * (
             -- ANALYZE notes -1 of what is partitioned.
             GREATEST(c.relpages, 0) + COALESCE(toast.relpages, 0) + COALESCE((
               SELECT pg_catalog.sum(GREATEST(part.relpages, 0))
               FROM pg_catalog.pg_index i
               JOIN pg_catalog.pg_class part ON part.oid = i.indexrelid
               WHERE i.indrelid IN (c.oid, c.reltoastrelid)), 0))::pg_catalog.int8 AS bytes
    FROM (SELECT pg_catalog.current_setting('block_size')::pg_catalog.int8) AS setting(block)
  ) AS noted
  CROSS JOIN LATERAL (SELECT CASE WHEN c.relkind IN ('r', 'm', 'p') THEN {bytes} END AS bytes,
    -- 0 and -1 of a table that was never analysed say nothing.
    CASE WHEN c.relkind NOT IN ('r', 'm') THEN NULL
      ELSE NULLIF(GREATEST(c.reltuples::pg_catalog.int8, pg_catalog.pg_stat_get_live_tuples(c.oid), 0), 0) END AS rows
  ) AS known
  GROUP BY tree.number
), holders AS (
  SELECT DISTINCT tree.number, l.pid, l.mode FROM tree JOIN locks l ON l.relation = tree.oid
)
SELECT s.number, s.partitions, s.rows, s.bytes, h.number IS NOT NULL, h.pid, h.mode,
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start)::pg_catalog.int8,
       a.application_name, a.usename::pg_catalog.text, a.client_addr::pg_catalog.text
FROM sizes s
LEFT JOIN holders h ON h.number = s.number
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = h.pid
ORDER BY s.number, a.xact_start NULLS LAST, h.pid, h.mode
