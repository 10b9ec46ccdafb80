pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(ROW(
  l.lanname, p.prosrc, p.probin, p.prosecdef, p.proleakproof, p.proisstrict, p.provolatile, p.proparallel,
  pg_catalog.encode(pg_catalog.float4send(p.procost), 'hex'), p.proconfig, ds.description,
  function_extension.extensions
)::pg_catalog.text, pg_catalog.getdatabaseencoding())), 'hex')
