//! The keys of a whole file: its parts, where the database is, and what differs between databases.

use super::{KEY, Key, Section, Shape};

/// Keys of the main file, of `[database]` and of `[environments.NAME]`.
pub(super) const FILE: &[Key] = &[
    Key {
        name: "version",
        sections: &[Section::Top],
        shape: Shape::Version,
        required: true,
        doc: "The version of the file format.",
        example: "version = 1",
        ..KEY
    },
    Key {
        name: "include",
        sections: &[Section::Top],
        shape: Shape::List(&Shape::Text),
        doc: "More files with `[[trigger]]`, `[[function]]` and `[[test]]`; globs, relative to this file.",
        example: "include = [\"triggers/*.toml\"]",
        aliases: &["includes", "import", "imports"],
        ..KEY
    },
    Key {
        name: "templates",
        sections: &[Section::Top],
        shape: Shape::Text,
        doc: "A folder whose files override or add to the built-in templates, relative to this file.",
        example: "templates = \"templates\"",
        ..KEY
    },
    Key {
        name: "database",
        sections: &[Section::Top],
        shape: Shape::Table(Section::Database),
        doc: "Where the database is and how it is kept.",
        example: "[database]",
        ..KEY
    },
    Key {
        name: "environments",
        sections: &[Section::Top],
        shape: Shape::Map(&Shape::Table(Section::Environment)),
        doc: "What differs between databases of one kind; chosen with `--env`.",
        example: "[environments.production]",
        aliases: &["environment", "env"],
        ..KEY
    },
    Key {
        name: "vars",
        sections: &[Section::Top, Section::Environment],
        shape: Shape::Map(&Shape::Any),
        doc: "Values for templates: `{{ vars.x }}`.",
        example: "vars = { audit_schema = \"audit\" }",
        aliases: &["variables"],
        ..KEY
    },
    Key {
        name: "trigger",
        sections: &[Section::Top, Section::Part],
        shape: Shape::Tables(Section::Trigger),
        doc: "A trigger, on one table or on several.",
        example: "[[trigger]]",
        aliases: &["triggers"],
        ..KEY
    },
    Key {
        name: "function",
        sections: &[Section::Top, Section::Part],
        shape: Shape::Tables(Section::Function),
        doc: "A trigger function that several triggers call (PostgreSQL).",
        example: "[[function]]",
        aliases: &["functions"],
        ..KEY
    },
    Key {
        name: "lint",
        sections: &[Section::Top],
        shape: Shape::Table(Section::Lint),
        doc: "What `lint` and `check` think of the rules.",
        example: "[lint]",
        aliases: &["linter"],
        ..KEY
    },
    Key {
        name: "rules",
        sections: &[Section::Lint],
        shape: Shape::Map(&Shape::Word(&["off", "note", "warning", "error"])),
        default: "each rule's own",
        doc: "How bad a finding of a rule is; `off` leaves the rule out.",
        example: "rules = { firing_order = \"off\" }",
        aliases: &["severity", "severities"],
        ..KEY
    },
    Key {
        name: "oldest_sqlite",
        sections: &[Section::Lint],
        shape: Shape::Text,
        default: "`\"3.40\"`",
        doc: "The oldest SQLite that has to read the database file.",
        example: "oldest_sqlite = \"3.40\"",
        ..KEY
    },
    Key {
        name: "test",
        sections: &[Section::Top, Section::Part],
        shape: Shape::Tables(Section::Test),
        doc: "A test of what the triggers do; `triggerctl test` runs it.",
        example: "[[test]]",
        aliases: &["tests"],
        ..KEY
    },
    Key {
        name: "forget",
        sections: &[Section::Top, Section::Part],
        shape: Shape::List(&Shape::Text),
        doc: "Triggers and functions that are no longer in the spec and stay in the database, where nobody looks after them any more: \
              patterns as `--target` takes them.",
        example: "forget = [\"users.users_audit\"]",
        aliases: &[
            "forgotten",
            "keep",
            "leave",
            "release",
            "removed",
            "unmanaged",
        ],
        ..KEY
    },
    Key {
        name: "require",
        sections: &[Section::Top, Section::Part],
        shape: Shape::Tables(Section::Require),
        doc: "A rule: which trigger every table of a selection must have.",
        example: "[[require]]",
        aliases: &["requires", "requirement", "rule"],
        ..KEY
    },
    Key {
        name: "url",
        sections: &[Section::Database, Section::Environment],
        shape: Shape::Late,
        doc: "The connection URL; `--url`, TRIGGERCTL_URL and `--env` win over it.",
        example: "url = \"sqlite:app.db\"",
        ..KEY
    },
    Key {
        name: "create_from",
        sections: &[Section::Database, Section::Environment],
        shape: Shape::Late,
        doc: "SQLite: the script from which `apply` creates a missing database file.",
        example: "create_from = \"schema.sql\"",
        ..KEY
    },
    Key {
        name: "history_schema",
        sections: &[Section::Database, Section::Environment],
        shape: Shape::Late,
        default: "`triggerctl`",
        doc: "PostgreSQL: the schema of the history tables, `migrations` and `objects`.",
        example: "history_schema = \"triggerctl\"",
        ..KEY
    },
    Key {
        name: "test_schema",
        sections: &[Section::Database, Section::Environment],
        shape: Shape::Late,
        doc: "The script that scratch databases of `test` are made from, instead of a copy of the live schema.",
        example: "test_schema = \"schema.sql\"",
        ..KEY
    },
    Key {
        name: "protected",
        sections: &[Section::Environment],
        shape: Shape::Bool,
        default: "`false`",
        doc: "`test` touches this database only to copy its schema: it refuses to run without `--scratch`.",
        example: "protected = true",
        aliases: &["production"],
        ..KEY
    },
];
