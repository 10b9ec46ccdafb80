JOIN ROWS FROM (
  pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]),
  pg_catalog.unnest($3::pg_catalog.text[])
) AS asked(schema, "table", name) ON asked.schema = n.nspname AND asked."table" = c.relname AND asked.name = t.tgname
LEFT JOIN LATERAL (
  SELECT pg_catalog.array_agg(a.attname ORDER BY part.ord) AS columns
  FROM pg_catalog.unnest(t.tgattr::pg_catalog.int2[]) WITH ORDINALITY AS part(attnum, ord)
  JOIN pg_catalog.pg_attribute a ON a.attrelid = t.tgrelid AND a.attnum = part.attnum
  WHERE t.tgattr::pg_catalog.text <> '' -- Said in here, it is looked at before all that and not after.
) AS update_of ON true
