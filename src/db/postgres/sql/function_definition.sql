WITH RECURSIVE {shared}
SELECT n.nspname, p.proname, l.lanname, p.prosrc, p.probin, p.prosecdef, p.proconfig, p.provolatile, p.proparallel,
       p.proleakproof, p.procost, ds.description, pg_catalog.pg_get_userbyid(p.proowner), p.proacl IS NOT NULL,
       granted.roles, granted.grantable, function_extension.extensions, p.proisstrict,
       -- What a spec cannot say. On a function without arguments there is hardly ever any.
       CASE WHEN p.prokind <> 'f' OR p.prosupport <> 0::pg_catalog.oid OR p.protrftypes IS NOT NULL THEN NULLIF(ARRAY(
         SELECT clause FROM (VALUES
           (1, CASE WHEN p.prokind = 'w' THEN 'WINDOW' END),
           (2, CASE WHEN p.prosupport <> 0::pg_catalog.oid
                    THEN 'SUPPORT ' || p.prosupport::pg_catalog.oid::pg_catalog.regproc::pg_catalog.text END),
           (3, (SELECT 'TRANSFORM ' || pg_catalog.string_agg(
                         'FOR TYPE ' || pg_catalog.format_type(type, NULL), ', ' ORDER BY ord)
                FROM pg_catalog.unnest(p.protrftypes) WITH ORDINALITY AS transformed(type, ord)))
         ) AS clause(ord, clause) WHERE clause IS NOT NULL ORDER BY ord), '{}') END{fingerprint}
{functions}
