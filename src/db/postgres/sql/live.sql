WITH RECURSIVE {shared}
SELECT 'trigger'::pg_catalog.text AS kind, n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS "table",
       t.tgname::pg_catalog.text AS name, {trigger_fingerprint} AS fingerprint
{triggers}
UNION ALL
SELECT 'function', n.nspname, '', p.proname, {function_fingerprint}
{functions}
