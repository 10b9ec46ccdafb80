WITH RECURSIVE {shared}
SELECT t.oid, n.nspname, c.relname, t.tgname, t.tgtype, t.tgenabled, fn.nspname, p.proname, t.tgargs,
       t.tgconstraint <> 0, t.tgdeferrable, t.tginitdeferred, rn.nspname, rc.relname, t.tgoldtable, t.tgnewtable,
       update_of.columns, t.tgqual IS NOT NULL, ds.description, trigger_extension.extensions,
       strayed.schemas, strayed.tables, strayed.states{fingerprint}
{triggers}
