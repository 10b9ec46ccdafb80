-- The keys of the locks that marked functions take (templates/postgres/mark.sql), each with its number. A row trigger of a
-- partitioned table fires as that of a partition.
WITH fired AS (
    SELECT * FROM ROWS FROM (
        pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]),
        pg_catalog.unnest($4::text[]), pg_catalog.unnest($5::text[]), pg_catalog.unnest($6::bigint[])
    ) AS f(mark, schema, "table", name, event, number)
), named AS (
    SELECT f.*, c.oid
    FROM fired AS f
    JOIN pg_catalog.pg_namespace AS n ON n.nspname::text = f.schema
    JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname::text = f."table"
), relations AS (
    SELECT n.*, n.oid AS relation FROM named AS n
    UNION
    SELECT n.*, p.relid::oid FROM named AS n CROSS JOIN LATERAL pg_catalog.pg_partition_tree(n.oid) AS p
)
SELECT pg_catalog.hashtextextended(pg_catalog.format('triggerctl %s %s %s %s', r.mark, r.relation, r.name, r.event), 0), r.number
FROM relations AS r
