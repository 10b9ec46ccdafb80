CREATE TABLE IF NOT EXISTS triggerctl_objects (
  kind text NOT NULL CHECK (kind IN ('trigger', 'function')),
  schema text NOT NULL,
  "table" text NOT NULL,
  name text NOT NULL,
  version integer NOT NULL,
  rendered_digest text,
  live_fingerprint text,
  definition text,
  before text,
  PRIMARY KEY (kind, schema, "table", name, version)
)
