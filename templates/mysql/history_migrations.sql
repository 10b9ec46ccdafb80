CREATE TABLE IF NOT EXISTS triggerctl_migrations (
  version bigint NOT NULL PRIMARY KEY,
  state varchar(16) NOT NULL CHECK (state IN ('started', 'applied', 'failed')),
  message longtext,
  summary longtext NOT NULL,
  plan_id varchar(64) NOT NULL,
  spec_digest varchar(64) NOT NULL,
  from_fingerprint varchar(64) NOT NULL,
  to_fingerprint varchar(64) NOT NULL,
  up longtext NOT NULL,
  down longtext NOT NULL,
  journal longtext,
  started_at varchar(40) NOT NULL,
  finished_at varchar(40),
  duration_ms bigint,
  error longtext,
  tool_version varchar(64) NOT NULL,
  applied_by varchar(320) NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
