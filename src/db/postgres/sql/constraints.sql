SELECT asked.schema, asked.relation, asked.name, t.tgname
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[]))
  AS asked(schema, relation, name)
JOIN pg_catalog.pg_namespace AS n ON n.nspname = asked.schema
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = asked.relation
JOIN pg_catalog.pg_constraint AS k ON k.conrelid = c.oid AND k.contypid = 0 AND k.conname = asked.name
-- Foreign keys have triggers too, which are the server's own.
LEFT JOIN pg_catalog.pg_trigger AS t ON k.contype = 't' AND t.tgrelid = c.oid AND t.tgconstraint = k.oid
ORDER BY asked.schema, asked.relation, asked.name
