CREATE TABLE IF NOT EXISTS {{ history_schema | ident }}.migrations (
  version bigint PRIMARY KEY,
  state text NOT NULL CHECK (state IN ('started', 'applied', 'failed')),
  message text,
  summary text NOT NULL,
  plan_id text NOT NULL,
  spec_digest text NOT NULL,
  from_fingerprint text NOT NULL,
  to_fingerprint text NOT NULL,
  up json NOT NULL,
  down json NOT NULL,
  started_at timestamptz NOT NULL,
  finished_at timestamptz,
  duration_ms bigint,
  error text,
  tool_version text NOT NULL,
  applied_by text NOT NULL,
  rendering text
)
