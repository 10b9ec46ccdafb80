SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4,
       pg_catalog.current_setting('server_version'),
       pg_catalog.current_database(),
       session_user,
       pg_catalog.current_schema(),
       pg_catalog.getdatabaseencoding()::pg_catalog.text,
       {system_identifier}
