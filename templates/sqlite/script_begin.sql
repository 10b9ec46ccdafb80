-- triggerctl {{ tool_version | comment }}: {{ summary | comment }}
-- for {{ database | comment }}
-- Run it with: sqlite3 -bail DATABASE < FILE
-- (without -bail, the shell goes on after an error and commits the rest)

.bail on

BEGIN IMMEDIATE;

-- What every trigger was like, to the letter, when this was made: to look again before anything is done.
CREATE TEMP TABLE triggerctl_was (tbl_name, name, sql);
{% for item in rests_on -%}
INSERT INTO temp.triggerctl_was VALUES ({{ (item.object.table or '') | literal }}, {{ item.object.name | literal }}, {% if item.returns is none %}{{ item.text | literal }}{% else %}replace({{ item.text | literal }}, {{ item.returns | literal }}, char(13)){% endif %});
{% endfor -%}
CREATE TEMP VIEW triggerctl_moved AS
SELECT was.name FROM temp.triggerctl_was AS was
LEFT JOIN main.sqlite_master AS live
  ON live.type = 'trigger' AND live.name = was.name COLLATE nocase AND live.tbl_name = was.tbl_name COLLATE nocase
WHERE live.sql IS NOT was.sql;
SELECT 'changed since this script was made: trigger ' || name FROM temp.triggerctl_moved;
CREATE TEMP TABLE triggerctl_fits (moved CONSTRAINT "changed since this script was made: make it again" CHECK (moved = 0));
INSERT INTO temp.triggerctl_fits SELECT count(*) FROM temp.triggerctl_moved;
DROP TABLE temp.triggerctl_fits;
DROP VIEW temp.triggerctl_moved;
DROP TABLE temp.triggerctl_was;

