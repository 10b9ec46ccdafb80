UPDATE triggerctl_migrations
SET state = {{ migration.state | literal }}, to_fingerprint = {{ migration.to_fingerprint | literal }},
    finished_at = {{ migration.finished_at | literal }}, duration_ms = {{ migration.duration_ms | literal }},
    error = {{ migration.error | literal }}, journal = NULL
WHERE version = {{ migration.version | literal }} AND state = 'started'
