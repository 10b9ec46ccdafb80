pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(ROW(
  t.tgtype, t.tgenabled, fn.nspname, p.proname, pg_catalog.encode(t.tgargs, 'hex'),
  t.tgconstraint <> 0, t.tgdeferrable, t.tginitdeferred, rn.nspname, rc.relname, t.tgoldtable, t.tgnewtable,
  t.tgattr::pg_catalog.text, {condition}, trigger_column.columns, trigger_reference.objects, ds.description,
  trigger_extension.extensions, strayed.schemas, strayed.tables, strayed.states
)::pg_catalog.text, pg_catalog.getdatabaseencoding())), 'hex')
