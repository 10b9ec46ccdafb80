//! The keys of a trigger, for every dialect and for one alone.

use super::{KEY, Key, Section, Shape};

/// Keys of `[[trigger]]`, `[trigger.<dialect>]` and what is in them.
pub(super) const TRIGGER: &[Key] = &[
    Key {
        name: "use",
        sections: &[Section::Trigger],
        shape: Shape::Text,
        doc: "A kind: a ready-made trigger, see `triggerctl kinds`.",
        example: "use = \"updated_at\"",
        aliases: &["kind", "extends", "type"],
        ..KEY
    },
    Key {
        name: "with",
        sections: &[Section::Use],
        shape: Shape::Map(&Shape::Tree),
        doc: "What the kind is told.",
        example: "with = { column = \"updated_at\" }",
        aliases: &["parameters", "options", "params"],
        ..KEY
    },
    Key {
        name: "create_table",
        sections: &[Section::Trigger],
        shape: Shape::Bool,
        default: "`false`",
        doc: "Create the table that the kind writes to where it is missing; it is never dropped.",
        example: "create_table = true",
        ..KEY
    },
    Key {
        name: "name",
        sections: &[Section::Trigger],
        shape: Shape::Text,
        required: true,
        default: "`{{ table }}_<kind>` with `use`",
        doc: "The trigger's name; may use `{{ table }}`.",
        example: "name = \"users_touch\"",
        ..KEY
    },
    Key {
        name: "table",
        sections: &[Section::Trigger],
        shape: Shape::Name,
        doc: "The table or view that it is on.",
        example: "table = \"users\"",
        aliases: &["on", "view", "relation"],
        ..KEY
    },
    Key {
        name: "tables",
        sections: &[Section::Trigger, Section::Require],
        shape: Shape::List(&Shape::Pattern),
        doc: "Several tables, one trigger each; globs match the live schema.",
        example: "tables = [\"users\", \"sales.*\"]",
        aliases: &["views"],
        ..KEY
    },
    Key {
        name: "exclude",
        sections: &[Section::Trigger, Section::Require],
        shape: Shape::List(&Shape::Pattern),
        doc: "Tables that are left out of `tables` again.",
        example: "exclude = [\"sales.tmp_*\"]",
        aliases: &["except", "ignore"],
        ..KEY
    },
    Key {
        name: "having_columns",
        sections: &[Section::Trigger, Section::Require],
        shape: Shape::List(&Shape::Text),
        doc: "Only those of `tables` that have all these columns; globs too.",
        example: "having_columns = [\"updated_at\"]",
        aliases: &["with_columns", "having"],
        ..KEY
    },
    Key {
        name: "dialects",
        sections: &[
            Section::Trigger,
            Section::KindTrigger,
            Section::KindTable,
            Section::Require,
        ],
        shape: Shape::List(&Shape::Dialect),
        default: "all",
        doc: "The dialects that it is for.",
        example: "dialects = [\"sqlite\", \"postgres\"]",
        aliases: &["engines", "databases"],
        ..KEY
    },
    Key {
        name: "allow",
        sections: &[Section::Trigger, Section::Function, Section::Kind],
        shape: Shape::OneOrMany(Section::Allow),
        doc: "Findings of `lint` that are meant to be: one table or a list of them.",
        example: "allow = { rule = \"before_returns_null\", reason = \"drops duplicates\" }",
        aliases: &["ignore_rules", "nolint"],
        ..KEY
    },
    Key {
        name: "rule",
        sections: &[Section::Allow],
        shape: Shape::Text,
        required: true,
        doc: "The rule's name.",
        example: "rule = \"before_returns_null\"",
        ..KEY
    },
    Key {
        name: "reason",
        sections: &[Section::Allow],
        shape: Shape::Text,
        required: true,
        doc: "Why that is right here.",
        example: "reason = \"drops duplicates\"",
        aliases: &["because", "why"],
        ..KEY
    },
    Key {
        name: "timing",
        sections: &[Section::Field],
        shape: Shape::Word(&["before", "after", "instead_of"]),
        required: true,
        doc: "When it runs, relative to the event.",
        example: "timing = \"after\"",
        aliases: &["time", "before", "after", "instead_of", "fires"],
        ..KEY
    },
    Key {
        name: "events",
        sections: &[Section::Field],
        shape: Shape::List(&Shape::Word(&["insert", "update", "delete", "truncate"])),
        required: true,
        doc: "What fires it.",
        example: "events = [\"insert\", \"update\"]",
        aliases: &["operation", "operations"],
        ..KEY
    },
    Key {
        name: "update_of",
        sections: &[Section::Field],
        shape: Shape::List(&Shape::Text),
        doc: "Only an UPDATE that names one of these columns fires it.",
        example: "update_of = [\"email\"]",
        aliases: &["columns", "of"],
        ..KEY
    },
    Key {
        name: "for_each",
        sections: &[Section::Field],
        shape: Shape::Word(&["row", "statement"]),
        default: "`\"row\"`",
        doc: "Once for each row, or once for the statement.",
        example: "for_each = \"row\"",
        aliases: &["orientation", "level", "granularity", "scope"],
        ..KEY
    },
    Key {
        name: "when",
        sections: &[Section::Field],
        shape: Shape::Sql,
        doc: "It runs only where this SQL expression is true; a template.",
        example: "when = \"NEW.age IS NOT NULL\"",
        aliases: &["condition", "if", "where"],
        ..KEY
    },
    Key {
        name: "body",
        sections: &[Section::Field],
        shape: Shape::Sql,
        doc: "The statements between BEGIN and END; a template.",
        example: "body = \"UPDATE users SET age = age + 1 WHERE id = NEW.id;\"",
        aliases: &["action", "do", "sql", "execute", "statements"],
        ..KEY
    },
    Key {
        name: "description",
        sections: &[Section::Field, Section::Function],
        shape: Shape::Text,
        doc: "What it is for; becomes the object's COMMENT where the engine has one.",
        example: "description = \"One year older on arrival.\"",
        aliases: &["comment", "doc"],
        ..KEY
    },
    Key {
        name: "renamed_from",
        sections: &[Section::Use],
        shape: Shape::Text,
        doc: "The name that it had before: rename instead of drop and create. Where both names are live, the new one is brought to what the spec says, the old one is dropped if triggerctl made it, and the plan says so.",
        example: "renamed_from = \"users_age\"",
        aliases: &["old_name", "previous_name"],
        ..KEY
    },
    Key {
        name: "bypass",
        sections: &[Section::Field],
        shape: Shape::Text,
        doc: "The setting that keeps it from running, for one session.",
        example: "bypass = \"app.bypass\"",
        aliases: &["skip", "off_switch"],
        ..KEY
    },
    Key {
        name: "enabled",
        sections: &[Section::Own],
        shape: Shape::Word(&["origin", "disabled", "replica", "always"]),
        default: "`\"origin\"`",
        doc: "In which sessions it fires.",
        example: "enabled = \"origin\"",
        aliases: &["state"],
        ..KEY
    },
    Key {
        name: "enabled_on",
        sections: &[Section::Own],
        shape: Shape::Named(&Shape::Word(&["origin", "disabled", "replica", "always"])),
        doc: "The partitions on which it has another state than `enabled`.",
        example: "enabled_on = { \"sales.y2024\" = \"disabled\" }",
        aliases: &["enabled_on_partitions", "partitions"],
        ..KEY
    },
    Key {
        name: "depends_on_extensions",
        sections: &[Section::Own, Section::Function],
        shape: Shape::List(&Shape::Text),
        doc: "The extensions with which it is dropped (DEPENDS ON EXTENSION).",
        example: "depends_on_extensions = [\"postgis\"]",
        aliases: &["depends_on", "depends_on_extension", "extensions"],
        ..KEY
    },
    Key {
        name: "constraint",
        sections: &[Section::Own],
        shape: Shape::Table(Section::Constraint),
        doc: "Makes it a constraint trigger.",
        example: "constraint = { deferrable = true, initially = \"deferred\" }",
        ..KEY
    },
    Key {
        name: "deferrable",
        sections: &[Section::Constraint],
        shape: Shape::Bool,
        default: "`false`",
        doc: "Whether it can wait until the end of the transaction.",
        example: "deferrable = true",
        ..KEY
    },
    Key {
        name: "initially",
        sections: &[Section::Constraint],
        shape: Shape::Word(&["immediate", "deferred"]),
        default: "`\"immediate\"`",
        doc: "Whether it waits when nothing else was said; needs `deferrable = true`.",
        example: "initially = \"deferred\"",
        ..KEY
    },
    Key {
        name: "from",
        sections: &[Section::Constraint],
        shape: Shape::Name,
        doc: "The other table of the constraint.",
        example: "from = \"other\"",
        ..KEY
    },
    Key {
        name: "referencing",
        sections: &[Section::Own],
        shape: Shape::Table(Section::Referencing),
        doc: "Names for the transition tables.",
        example: "referencing = { old_table = \"old_rows\", new_table = \"new_rows\" }",
        ..KEY
    },
    Key {
        name: "old_table",
        sections: &[Section::Referencing],
        shape: Shape::Text,
        doc: "The name under which the old rows are seen.",
        example: "old_table = \"old_rows\"",
        aliases: &["old"],
        ..KEY
    },
    Key {
        name: "new_table",
        sections: &[Section::Referencing],
        shape: Shape::Text,
        doc: "The name under which the new rows are seen.",
        example: "new_table = \"new_rows\"",
        aliases: &["new"],
        ..KEY
    },
    Key {
        name: "function",
        sections: &[Section::Own],
        shape: Shape::Name,
        doc: "Call this function instead of one generated from `body`.",
        example: "function = \"audit.log_change\"",
        aliases: &["procedure"],
        ..KEY
    },
    Key {
        name: "args",
        sections: &[Section::Own],
        shape: Shape::Row(&Shape::Free),
        doc: "Arguments for `function`, or for one that is `shared`.",
        example: "args = [\"a\", \"b\"]",
        aliases: &["arguments", "parameters"],
        ..KEY
    },
    Key {
        name: "shared",
        sections: &[Section::Own],
        shape: Shape::Bool,
        default: "`false`",
        doc: "One generated function for all tables of this trigger.",
        example: "shared = true",
        ..KEY
    },
    Key {
        name: "function_name",
        sections: &[Section::Own],
        shape: Shape::Name,
        default: "`<table>_<trigger>`",
        doc: "The name of the generated function.",
        example: "function_name = \"users_bump\"",
        ..KEY
    },
    Key {
        name: "declare",
        sections: &[Section::Own],
        shape: Shape::Sql,
        doc: "Declarations that go before BEGIN; a template.",
        example: "declare = \"n integer;\"",
        ..KEY
    },
    Key {
        name: "security",
        sections: &[Section::Own, Section::Function],
        shape: Shape::Word(&["invoker", "definer"]),
        default: "`\"invoker\"`",
        doc: "With whose rights the function runs.",
        example: "security = \"definer\"",
        ..KEY
    },
    Key {
        name: "search_path",
        sections: &[Section::Own, Section::Function],
        shape: Shape::List(&Shape::Free),
        doc: "SET search_path on the function, one schema an element; `[\"\"]` is an empty path.",
        example: "search_path = [\"public\", \"pg_temp\"]",
        ..KEY
    },
    Key {
        name: "definer",
        sections: &[Section::Own],
        shape: Shape::Text,
        default: "who applies",
        doc: "The account with whose rights it runs.",
        example: "definer = \"app@%\"",
        ..KEY
    },
    Key {
        name: "sql_mode",
        sections: &[Section::Own],
        shape: Shape::Free,
        default: "the server's",
        doc: "The modes that its body is read and run under, as `SELECT @@sql_mode` shows them.",
        example: "sql_mode = \"ANSI_QUOTES,STRICT_TRANS_TABLES\"",
        ..KEY
    },
    Key {
        name: "collation",
        sections: &[Section::Own],
        shape: Shape::Text,
        default: "the server's for utf8mb4",
        doc: "The collation that its literals compare by (`collation_connection`).",
        example: "collation = \"utf8mb4_bin\"",
        ..KEY
    },
    Key {
        name: "order",
        sections: &[Section::Own],
        shape: Shape::Table(Section::Order),
        doc: "Its place among the triggers of the same table, timing and event.",
        example: "order = { follows = \"other_trigger\" }",
        ..KEY
    },
    Key {
        name: "follows",
        sections: &[Section::Order],
        shape: Shape::Text,
        doc: "It runs right after this trigger.",
        example: "follows = \"other_trigger\"",
        aliases: &["after"],
        ..KEY
    },
    Key {
        name: "precedes",
        sections: &[Section::Order],
        shape: Shape::Text,
        doc: "It runs right before this trigger.",
        example: "precedes = \"other_trigger\"",
        aliases: &["before"],
        ..KEY
    },
];
