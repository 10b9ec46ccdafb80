CREATE TABLE IF NOT EXISTS {{ history_schema | ident }}.objects (
  kind text NOT NULL CHECK (kind IN ('trigger', 'function')),
  schema text NOT NULL,
  "table" text NOT NULL,
  name text NOT NULL,
  version bigint NOT NULL,
  rendered_digest text,
  live_fingerprint text,
  definition json,
  before json,
  PRIMARY KEY (kind, schema, "table", name, version)
)
