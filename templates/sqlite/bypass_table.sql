CREATE TABLE triggerctl_bypass (name TEXT NOT NULL PRIMARY KEY)
