INSERT INTO {{ history_schema | ident }}.migrations
  (version, state, message, summary, plan_id, spec_digest, from_fingerprint, to_fingerprint, up, down,
   started_at, finished_at, duration_ms, error, tool_version, applied_by{% if rendering %}, rendering{% endif %})
VALUES
  ({{ migration.version | literal }}, {{ migration.state | literal }}, {{ migration.message | literal }},
   {{ migration.summary | literal }}, {{ migration.plan_id | literal }}, {{ migration.spec_digest | literal }},
   {{ migration.from_fingerprint | literal }}, {{ migration.to_fingerprint | literal }},
   {{ up | literal }}, {{ down | literal }},
   {{ migration.started_at | literal }}, {{ migration.finished_at | literal }}, {{ migration.duration_ms | literal }},
   {{ migration.error | literal }}, {{ migration.tool_version | literal }}, {{ migration.applied_by | literal }}{% if rendering %}, {{ rendering | literal }}{% endif %})
