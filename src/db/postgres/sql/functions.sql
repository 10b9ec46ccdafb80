FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
LEFT JOIN pg_catalog.pg_description ds
  ON ds.objoid = p.oid AND ds.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND ds.objsubid = 0
LEFT JOIN function_extension ON function_extension.function = p.oid
{joins}
WHERE p.pronargs = 0 AND p.prorettype = 'pg_catalog.trigger'::pg_catalog.regtype
