WITH RECURSIVE {shared}
SELECT n.nspname, p.proname, l.lanname, p.prosrc, p.probin, p.prosecdef, p.proconfig, p.provolatile, p.proparallel,
       p.proleakproof, p.procost, ds.description, pg_catalog.pg_get_userbyid(p.proowner), p.proacl IS NOT NULL,
       granted.roles, granted.grantable, function_extension.extensions, p.proisstrict
{functions}
