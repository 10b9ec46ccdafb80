CREATE TABLE IF NOT EXISTS triggerctl_objects (
  kind varchar(16) NOT NULL CHECK (kind IN ('trigger', 'function')),
  `schema` varchar(64) NOT NULL,
  `table` varchar(64) NOT NULL,
  name varchar(64) NOT NULL,
  version bigint NOT NULL,
  rendered_digest varchar(64),
  live_fingerprint varchar(64),
  definition longtext,
  `before` longtext,
  PRIMARY KEY (kind, `schema`, `table`, name, version)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
