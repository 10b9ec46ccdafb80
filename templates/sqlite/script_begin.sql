-- triggerctl {{ tool_version | comment }}: {{ summary | comment }}
-- for {{ database | comment }}
-- Run it with: sqlite3 -bail DATABASE < FILE
-- (without -bail, the shell goes on after an error and commits the rest)

.bail on

BEGIN IMMEDIATE;

