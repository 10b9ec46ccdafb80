UPDATE {{ history_schema | ident }}.objects AS recorded
SET live_fingerprint = live.fingerprint
FROM pg_temp.triggerctl_live AS live
WHERE recorded.version = {{ version | literal }} AND recorded.definition IS NOT NULL
  AND (live.kind, live.schema, live."table", live.name) = (recorded.kind, recorded.schema, recorded."table", recorded.name);

DROP VIEW pg_temp.triggerctl_live;

COMMIT;
