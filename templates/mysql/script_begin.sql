-- triggerctl {{ tool_version | comment }}: {{ summary | comment }}
-- for {{ database | comment }}
-- Run it with: mysql --default-character-set=utf8mb4 --binary-mode --comments DATABASE < FILE
-- (without --binary-mode, the client rewrites line ends in texts; without --comments, it takes comments away)
-- MySQL commits every DDL statement by itself: what has run stays when a later statement fails. `triggerctl apply`
-- keeps a journal, and finishes or undoes what was broken off; a script cannot.

SET NAMES utf8mb4;

SET SESSION lock_wait_timeout = 5;

DELIMITER //

