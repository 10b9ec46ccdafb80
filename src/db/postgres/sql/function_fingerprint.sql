pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(ROW(
  l.lanname, p.prosrc, p.probin, p.prosecdef, p.proleakproof, p.proisstrict, p.provolatile, p.proparallel,
  pg_catalog.encode(pg_catalog.float4send(p.procost), 'hex'), p.proconfig, ds.description,
  function_extension.extensions
)::pg_catalog.text || CASE WHEN p.prokind <> 'f' OR p.prosupport <> 0::pg_catalog.oid OR p.protrftypes IS NOT NULL
  THEN ROW(p.prokind, p.prosupport::pg_catalog.oid::pg_catalog.regproc::pg_catalog.text,
           (SELECT pg_catalog.string_agg(pg_catalog.format_type(type, NULL), ',' ORDER BY ord)
            FROM pg_catalog.unnest(p.protrftypes) WITH ORDINALITY AS transformed(type, ord)))::pg_catalog.text
  ELSE '' END || CASE WHEN p.prosecdef
  -- It runs with its owner's rights: who that is, and who may put it on a table of his own, is part of what it does.
  THEN ROW(pg_catalog.pg_get_userbyid(p.proowner),
           ARRAY(SELECT ROW(CASE WHEN entry.grantee <> 0 THEN pg_catalog.pg_get_userbyid(entry.grantee) END,
                            pg_catalog.bool_or(entry.is_grantable))::pg_catalog.text
                 FROM pg_catalog.aclexplode(COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) AS entry
                 GROUP BY entry.grantee
                 ORDER BY pg_catalog.convert_to(pg_catalog.pg_get_userbyid(entry.grantee)::pg_catalog.text, 'UTF8')))::pg_catalog.text
  ELSE '' END, pg_catalog.getdatabaseencoding())), 'hex')
