JOIN ROWS FROM (
  pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])
) AS asked(schema, name) ON asked.schema = n.nspname AND asked.name = p.proname
LEFT JOIN LATERAL (
  SELECT pg_catalog.array_agg(
           CASE WHEN entry.grantee <> 0 THEN pg_catalog.pg_get_userbyid(entry.grantee) END
           ORDER BY entry.grantee) AS roles,
         pg_catalog.array_agg(entry.is_grantable ORDER BY entry.grantee) AS grantable
  FROM pg_catalog.aclexplode(p.proacl) AS entry
  WHERE p.proacl IS NOT NULL -- Said in here, it is looked at before all that and not after.
) AS granted ON true
