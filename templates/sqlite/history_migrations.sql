CREATE TABLE IF NOT EXISTS triggerctl_migrations (
  version integer PRIMARY KEY,
  state text NOT NULL CHECK (state IN ('started', 'applied', 'failed')),
  message text,
  summary text NOT NULL,
  plan_id text NOT NULL,
  spec_digest text NOT NULL,
  from_fingerprint text NOT NULL,
  to_fingerprint text NOT NULL,
  up text NOT NULL,
  down text NOT NULL,
  started_at text NOT NULL,
  finished_at text,
  duration_ms integer,
  error text,
  tool_version text NOT NULL,
  applied_by text NOT NULL,
  rendering text
)
