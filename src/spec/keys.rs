//! The one table of everything that a spec may say: the reader checks by it, and documentation and the JSON Schema
//! come from it, so that none of them can differ from the others.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A dialect's name, and the keys that only `[trigger.<dialect>]` may have.
pub type DialectKeys = (&'static str, &'static [&'static str]);

/// The dialects that a spec can speak of, and their own keys.
pub const DIALECTS: &[DialectKeys] = &[
    ("sqlite", &[]),
    (
        "postgres",
        &[
            "enabled",
            "constraint",
            "referencing",
            "function",
            "args",
            "shared",
            "function_name",
            "declare",
            "security",
            "search_path",
            "enabled_on",
            "depends_on_extensions",
        ],
    ),
    ("mysql", &["definer", "order", "sql_mode", "collation"]),
];

/// Other names that people use for a dialect.
pub(super) const DIALECT_ALIASES: &[(&str, &str)] = &[
    ("postgresql", "postgres"),
    ("pg", "postgres"),
    ("pgsql", "postgres"),
    ("sqlite3", "sqlite"),
    ("mariadb", "mysql"),
];

/// A table of the file in which keys may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// The top of the main file.
    Top,
    /// The top of an included file.
    Part,
    /// `[database]`.
    Database,
    /// `[environments.NAME]`.
    Environment,
    /// `[[trigger]]` alone.
    Trigger,
    /// Both `[[trigger]]` and `[trigger.<dialect>]`.
    Field,
    /// `[trigger.<dialect>]` of the dialects that own the key (see [`DIALECTS`]).
    Own,
    /// `constraint = { … }`.
    Constraint,
    /// `referencing = { … }`.
    Referencing,
    /// `order = { … }`.
    Order,
    /// `[[function]]`.
    Function,
    /// `[lint]`.
    Lint,
    /// `allow = { … }`.
    Allow,
    /// `[[test]]` alone.
    Test,
    /// Both `[[test]]` and `[test.<dialect>]`.
    TestField,
    /// `expect = { … }`.
    Expect,
    /// `expect_error = { … }`.
    ExpectError,
    /// `expect_changes = { … }`.
    ExpectChanges,
    /// An element of `changed` in `expect_changes`.
    ExpectChanged,
    /// `[[require]]`.
    Require,
    /// `[[trigger]]` and `[trigger.<dialect>]` of a spec, and not of a kind.
    Use,
    /// The top of a `kind.toml`.
    Kind,
    /// `[parameters.NAME]` of a kind.
    Parameter,
    /// `[needs]` of a kind.
    Needs,
    /// `[[refuse]]` of a kind.
    Refusal,
    /// `[[trigger]]` of a kind.
    KindTrigger,
    /// `[trigger.<dialect>]` of a kind.
    KindOwn,
    /// `[[table]]` of a kind.
    KindTable,
    /// `[table.<dialect>]` of a kind.
    KindTableOwn,
    /// `[example]` of a kind.
    Example,
    /// `[[example.table]]` of a kind.
    ExampleTable,
}

impl Section {
    /// Where that is, in messages.
    pub fn place(self) -> &'static str {
        match self {
            Self::Top => "at the top of the main file",
            Self::Part => "in an included file",
            Self::Database => "in `[database]`",
            Self::Environment => "in `[environments.NAME]`",
            Self::Trigger | Self::Field | Self::Use => "in `[[trigger]]`",
            Self::Own => "in `[trigger.<dialect>]`",
            Self::Constraint => "in `constraint`",
            Self::Referencing => "in `referencing`",
            Self::Order => "in `order`",
            Self::Function => "in `[[function]]`",
            Self::Lint => "in `[lint]`",
            Self::Allow => "in `allow`",
            Self::Test | Self::TestField => "in `[[test]]`",
            Self::Expect => "in `expect`",
            Self::ExpectError => "in `expect_error`",
            Self::ExpectChanges => "in `expect_changes`",
            Self::ExpectChanged => "in `changed`",
            Self::Require => "in `[[require]]`",
            Self::Kind => "at the top of a `kind.toml`",
            Self::Parameter => "in `[parameters.NAME]` of a kind",
            Self::Needs => "in `[needs]` of a kind",
            Self::Refusal => "in `[[refuse]]` of a kind",
            Self::KindTrigger => "in `[[trigger]]` of a kind",
            Self::KindOwn => "in `[trigger.<dialect>]` of a kind",
            Self::KindTable => "in `[[table]]` of a kind",
            Self::KindTableOwn => "in `[table.<dialect>]` of a kind",
            Self::Example => "in `[example]` of a kind",
            Self::ExampleTable => "in `[[example.table]]` of a kind",
        }
    }
}

/// What a value must look like. Strings must not be empty where nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// The integer 1.
    Version,
    /// A string.
    Text,
    /// A string that may be empty.
    Free,
    /// A string whose `${env:…}` is filled in only when it is used.
    Late,
    /// A template in SQL: kept to the letter, nothing is filled in.
    Sql,
    /// `name` or `schema.name`.
    Name,
    /// The same, where `*` and `?` in the name stand for any characters and for any one.
    Pattern,
    /// The name of a dialect.
    Dialect,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// A number above 0.
    Positive,
    /// A string, an integer, a number or a boolean.
    Scalar,
    /// A list of these, not empty, nothing in it twice.
    List(&'static Shape),
    /// A list of these, not empty, in which a value may come again.
    Row(&'static Shape),
    /// A list of these, which may be empty, and in which a value may come again.
    Many(&'static Shape),
    /// A table with the keys of a section.
    Table(Section),
    /// A table with the keys of a section, or a list of them.
    OneOrMany(Section),
    /// A string, or a table with the keys of a section.
    TextOr(Section),
    /// `[[name]]`: any number of tables with the keys of a section.
    Tables(Section),
    /// A table with keys of the user's choice.
    Map(&'static Shape),
    /// A table, not empty, whose keys are `name` or `schema.name`, none of them twice.
    Named(&'static Shape),
    /// Any value.
    Any,
    /// Any value, with the place of everything in it.
    Tree,
    /// A table with keys of the user's choice, whose values are tables with the keys of a section.
    Sections(Section),
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// Where it may stand.
    pub sections: &'static [Section],
    /// Its value.
    pub shape: Shape,
    /// Whether it must be there.
    pub required: bool,
    /// What holds when it is left out; empty where nothing does.
    pub default: &'static str,
    /// What it is, in one line.
    pub doc: &'static str,
    /// How it is written.
    pub example: &'static str,
    /// Words that people may write in its place.
    pub aliases: &'static [&'static str],
}

const KEY: Key = Key {
    name: "",
    sections: &[],
    shape: Shape::Any,
    required: false,
    default: "",
    doc: "",
    example: "",
    aliases: &[],
};

/// Every key, in the order in which they are documented.
pub const KEYS: &[Key] = &[
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
        doc: "PostgreSQL: the schema of the history tables.",
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
    Key {
        name: "name",
        sections: &[Section::Function],
        shape: Shape::Name,
        required: true,
        doc: "The function's name, with or without a schema.",
        example: "name = \"audit.log_change\"",
        ..KEY
    },
    Key {
        name: "name",
        sections: &[Section::Require],
        shape: Shape::Text,
        doc: "What messages call the rule.",
        example: "name = \"every table is audited\"",
        ..KEY
    },
    Key {
        name: "trigger",
        sections: &[Section::Require],
        shape: Shape::Text,
        doc: "The name of the trigger that each of them must have; may use `{{ table }}`.",
        example: "trigger = \"{{ table }}_audit\"",
        ..KEY
    },
    Key {
        name: "use",
        sections: &[Section::Require],
        shape: Shape::Text,
        doc: "The kind that must be used on each of them.",
        example: "use = \"updated_at\"",
        aliases: &["kind"],
        ..KEY
    },
    Key {
        name: "language",
        sections: &[Section::Function],
        shape: Shape::Text,
        default: "`\"plpgsql\"`",
        doc: "The procedural language.",
        example: "language = \"plpgsql\"",
        ..KEY
    },
    Key {
        name: "body",
        sections: &[Section::Function],
        shape: Shape::Sql,
        required: true,
        doc: "The whole text, BEGIN and END included; a template.",
        example: "body = \"BEGIN RETURN NEW; END\"",
        aliases: &["action", "do", "sql"],
        ..KEY
    },
    Key {
        name: "settings",
        sections: &[Section::Function],
        shape: Shape::Map(&Shape::Scalar),
        doc: "Any other SET on the function.",
        example: "settings = { work_mem = \"64MB\" }",
        aliases: &["set", "config"],
        ..KEY
    },
    Key {
        name: "volatility",
        sections: &[Section::Function],
        shape: Shape::Word(&["volatile", "stable", "immutable"]),
        default: "`\"volatile\"`",
        doc: "What the planner may assume of the function.",
        example: "volatility = \"volatile\"",
        ..KEY
    },
    Key {
        name: "parallel",
        sections: &[Section::Function],
        shape: Shape::Word(&["unsafe", "restricted", "safe"]),
        default: "`\"unsafe\"`",
        doc: "Where it may run in parallel plans.",
        example: "parallel = \"unsafe\"",
        ..KEY
    },
    Key {
        name: "leakproof",
        sections: &[Section::Function],
        shape: Shape::Bool,
        default: "`false`",
        doc: "Whether it lets nothing out about its arguments.",
        example: "leakproof = false",
        ..KEY
    },
    Key {
        name: "strict",
        sections: &[Section::Function],
        shape: Shape::Bool,
        default: "`false`",
        doc: "STRICT, which means nothing to a function without arguments.",
        example: "strict = false",
        ..KEY
    },
    Key {
        name: "cost",
        sections: &[Section::Function],
        shape: Shape::Positive,
        default: "100",
        doc: "Its cost, in units of cpu_operator_cost; above 0.",
        example: "cost = 100",
        ..KEY
    },
    Key {
        name: "name",
        sections: &[Section::Test],
        shape: Shape::Text,
        required: true,
        doc: "What it shows, in words; unique in its file.",
        example: "name = \"a changed row gets the time\"",
        ..KEY
    },
    Key {
        name: "dialects",
        sections: &[Section::Test],
        shape: Shape::List(&Shape::Dialect),
        default: "all",
        doc: "The dialects that it runs on.",
        example: "dialects = [\"sqlite\", \"postgres\"]",
        aliases: &["engines", "databases"],
        ..KEY
    },
    Key {
        name: "given",
        sections: &[Section::TestField],
        shape: Shape::Sql,
        doc: "Statements that set up the rows; a template.",
        example: "given = \"INSERT INTO users (id) VALUES (1);\"",
        aliases: &["setup", "before", "arrange"],
        ..KEY
    },
    Key {
        name: "when",
        sections: &[Section::TestField],
        shape: Shape::Sql,
        required: true,
        doc: "The statement or statements under test; a template.",
        example: "when = \"UPDATE users SET name = 'b';\"",
        aliases: &["do", "act", "sql", "run"],
        ..KEY
    },
    Key {
        name: "expect",
        sections: &[Section::TestField],
        shape: Shape::OneOrMany(Section::Expect),
        doc: "A query and the rows that it must give afterwards; or a list of such tables.",
        example: "expect = { query = \"SELECT name FROM users\", rows = [[\"b\"]] }",
        aliases: &["then", "assert", "expected"],
        ..KEY
    },
    Key {
        name: "query",
        sections: &[Section::Expect],
        shape: Shape::Sql,
        required: true,
        doc: "The query; a template.",
        example: "query = \"SELECT name FROM users\"",
        aliases: &["sql", "select"],
        ..KEY
    },
    Key {
        name: "rows",
        sections: &[Section::Expect],
        shape: Shape::Many(&Shape::Many(&Shape::Any)),
        required: true,
        doc: "The rows, each a list of values; `[]` for none.",
        example: "rows = [[\"b\", 1]]",
        aliases: &["row", "result", "results", "values"],
        ..KEY
    },
    Key {
        name: "ordered",
        sections: &[Section::Expect],
        shape: Shape::Bool,
        default: "`false`",
        doc: "Whether the order of the rows counts.",
        example: "ordered = true",
        aliases: &["order", "in_order"],
        ..KEY
    },
    Key {
        name: "expect_error",
        sections: &[Section::TestField],
        shape: Shape::TextOr(Section::ExpectError),
        doc: "`when` must fail, with this in its message; or `{ sqlstate = …, message = … }`.",
        example: "expect_error = \"too young\"",
        aliases: &["error", "raises", "throws"],
        ..KEY
    },
    Key {
        name: "message",
        sections: &[Section::ExpectError],
        shape: Shape::Free,
        doc: "A part of the message, to the letter.",
        example: "message = \"too young\"",
        aliases: &["text", "contains"],
        ..KEY
    },
    Key {
        name: "sqlstate",
        sections: &[Section::ExpectError],
        shape: Shape::Text,
        doc: "The SQLSTATE (PostgreSQL, MySQL): five characters.",
        example: "sqlstate = \"45000\"",
        aliases: &["code", "state"],
        ..KEY
    },
    Key {
        name: "expect_changes",
        sections: &[Section::TestField],
        shape: Shape::OneOrMany(Section::ExpectChanges),
        doc: "What `when` does to a table: exactly these rows come, go and change; or a list of such tables.",
        example: "expect_changes = { table = \"audit\", added = [{ op = \"U\" }] }",
        aliases: &["changes", "expect_change"],
        ..KEY
    },
    Key {
        name: "table",
        sections: &[Section::ExpectChanges],
        shape: Shape::Name,
        required: true,
        doc: "The table.",
        example: "table = \"audit\"",
        aliases: &["on", "relation"],
        ..KEY
    },
    Key {
        name: "added",
        sections: &[Section::ExpectChanges],
        shape: Shape::Many(&Shape::Map(&Shape::Any)),
        default: "`[]`",
        doc: "The rows that come, by column; columns that are left out may hold anything.",
        example: "added = [{ op = \"U\" }]",
        aliases: &["inserted", "new"],
        ..KEY
    },
    Key {
        name: "removed",
        sections: &[Section::ExpectChanges],
        shape: Shape::Many(&Shape::Map(&Shape::Any)),
        default: "`[]`",
        doc: "The rows that go.",
        example: "removed = [{ id = 1 }]",
        aliases: &["deleted", "old"],
        ..KEY
    },
    Key {
        name: "changed",
        sections: &[Section::ExpectChanges],
        shape: Shape::Many(&Shape::Table(Section::ExpectChanged)),
        default: "`[]`",
        doc: "The rows that change, each before and after; rows are told apart by the primary key.",
        example: "changed = [{ from = { n = 1 }, to = { n = 2 } }]",
        aliases: &["updated", "modified"],
        ..KEY
    },
    Key {
        name: "from",
        sections: &[Section::ExpectChanged],
        shape: Shape::Map(&Shape::Any),
        required: true,
        doc: "What the row was, by column.",
        example: "from = { n = 1 }",
        aliases: &["old", "before"],
        ..KEY
    },
    Key {
        name: "to",
        sections: &[Section::ExpectChanged],
        shape: Shape::Map(&Shape::Any),
        required: true,
        doc: "What it is then.",
        example: "to = { n = 2 }",
        aliases: &["new", "after"],
        ..KEY
    },
    Key {
        name: "description",
        sections: &[Section::Kind],
        shape: Shape::Text,
        required: true,
        doc: "What the kind is for, in one line.",
        example: "description = \"The time of the last change.\"",
        aliases: &["summary", "doc"],
        ..KEY
    },
    Key {
        name: "parameters",
        sections: &[Section::Kind],
        shape: Shape::Sections(Section::Parameter),
        doc: "What a use may tell the kind in `with`.",
        example: "[parameters.column]",
        aliases: &["parameter", "params"],
        ..KEY
    },
    Key {
        name: "needs",
        sections: &[Section::Kind],
        shape: Shape::Table(Section::Needs),
        doc: "What the kind needs of the table.",
        example: "[needs]",
        aliases: &["need", "requires"],
        ..KEY
    },
    Key {
        name: "without",
        sections: &[Section::Kind],
        shape: Shape::Map(&Shape::Text),
        doc: "The dialects that it is not for, each with the reason.",
        example: "without = { mysql = \"MySQL has no INSTEAD OF triggers\" }",
        ..KEY
    },
    Key {
        name: "refuse",
        sections: &[Section::Kind],
        shape: Shape::Tables(Section::Refusal),
        doc: "A use that makes no sense, and why.",
        example: "[[refuse]]",
        aliases: &["check", "checks", "refusal"],
        ..KEY
    },
    Key {
        name: "trigger",
        sections: &[Section::Kind],
        shape: Shape::Tables(Section::KindTrigger),
        required: true,
        doc: "A trigger that each use makes.",
        example: "[[trigger]]",
        aliases: &["triggers"],
        ..KEY
    },
    Key {
        name: "table",
        sections: &[Section::Kind],
        shape: Shape::Tables(Section::KindTable),
        doc: "A table that the kind writes to.",
        example: "[[table]]",
        aliases: &["tables"],
        ..KEY
    },
    Key {
        name: "example",
        sections: &[Section::Kind],
        shape: Shape::Table(Section::Example),
        required: true,
        doc: "A use to show.",
        example: "[example]",
        ..KEY
    },
    Key {
        name: "fixture",
        sections: &[Section::Kind],
        shape: Shape::Tree,
        doc: "What the kind's tests run on.",
        example: "[fixture]",
        ..KEY
    },
    Key {
        name: "test",
        sections: &[Section::Kind],
        shape: Shape::Tree,
        doc: "What the kind does, shown by example.",
        example: "[[test]]",
        aliases: &["tests"],
        ..KEY
    },
    Key {
        name: "type",
        sections: &[Section::Parameter],
        shape: Shape::Word(TYPES),
        required: true,
        doc: "What it takes.",
        example: "type = \"column\"",
        ..KEY
    },
    Key {
        name: "doc",
        sections: &[Section::Parameter],
        shape: Shape::Text,
        required: true,
        doc: "What it says, in a line or two.",
        example: "doc = \"The column that holds the time.\"",
        aliases: &["description", "help"],
        ..KEY
    },
    Key {
        name: "default",
        sections: &[Section::Parameter],
        shape: Shape::Tree,
        doc: "What holds when it is left out; `{{ … }}` is an expression.",
        example: "default = \"updated_at\"",
        ..KEY
    },
    Key {
        name: "of",
        sections: &[Section::Parameter],
        shape: Shape::Text,
        default: "the trigger's own table",
        doc: "For `column`, `columns` and the `values` of a `map`: the parameter that names their table.",
        example: "of = \"parent\"",
        ..KEY
    },
    Key {
        name: "optional",
        sections: &[Section::Parameter],
        shape: Shape::Bool,
        default: "`false`",
        doc: "It may be left out, and is `none` then.",
        example: "optional = true",
        ..KEY
    },
    Key {
        name: "kept",
        sections: &[Section::Parameter],
        shape: Shape::Bool,
        default: "`false`",
        doc: "Whether what it names are columns that the kind itself gives their values: other uses on the table see them as `kept_by_others`.",
        example: "kept = true",
        ..KEY
    },
    Key {
        name: "words",
        sections: &[Section::Parameter],
        shape: Shape::List(&Shape::Text),
        doc: "What a `word` or `words` may be.",
        example: "words = [\"row\", \"statement\"]",
        aliases: &["choices", "values_of"],
        ..KEY
    },
    Key {
        name: "keys",
        sections: &[Section::Parameter],
        shape: Shape::Word(&["text", "column"]),
        default: "`\"text\"`",
        doc: "What the keys of a `map` are.",
        example: "keys = \"column\"",
        ..KEY
    },
    Key {
        name: "values",
        sections: &[Section::Parameter],
        shape: Shape::Word(&["text", "texts", "sql", "column", "columns"]),
        default: "`\"text\"`",
        doc: "What the values of a `map` are.",
        example: "values = \"sql\"",
        ..KEY
    },
    Key {
        name: "primary_key",
        sections: &[Section::Needs],
        shape: Shape::Text,
        doc: "The table must have a primary key: why.",
        example: "primary_key = \"without one, no row can be told from another\"",
        ..KEY
    },
    Key {
        name: "tables",
        sections: &[Section::Needs],
        shape: Shape::List(&Shape::Word(&["table", "view"])),
        default: "`[\"table\"]`",
        doc: "What it can be used on.",
        example: "tables = [\"view\"]",
        ..KEY
    },
    Key {
        name: "if",
        sections: &[Section::Refusal],
        shape: Shape::Text,
        required: true,
        doc: "An expression: the use is refused where it is true.",
        example: "if = \"columns and except\"",
        aliases: &["when", "condition"],
        ..KEY
    },
    Key {
        name: "parameter",
        sections: &[Section::Refusal],
        shape: Shape::Text,
        doc: "The parameter that is to blame: it is underlined.",
        example: "parameter = \"except\"",
        ..KEY
    },
    Key {
        name: "message",
        sections: &[Section::Refusal],
        shape: Shape::Text,
        required: true,
        doc: "What is wrong; a template.",
        example: "message = \"`columns` and `except` exclude each other\"",
        ..KEY
    },
    Key {
        name: "help",
        sections: &[Section::Refusal],
        shape: Shape::Text,
        required: true,
        doc: "The way out; a template.",
        example: "help = \"keep one of them\"",
        ..KEY
    },
    Key {
        name: "suffix",
        sections: &[Section::KindTrigger],
        shape: Shape::Text,
        doc: "Goes behind the name of the use, with `_`; a template.",
        example: "suffix = \"truncate\"",
        ..KEY
    },
    Key {
        name: "on",
        sections: &[Section::KindTrigger],
        shape: Shape::Text,
        default: "the table of the use",
        doc: "The parameter of type `table` that names the table that it is on.",
        example: "on = \"parent\"",
        ..KEY
    },
    Key {
        name: "if",
        sections: &[Section::KindTrigger],
        shape: Shape::Text,
        doc: "An expression: the trigger is left out where it is false.",
        example: "if = \"'truncate' in events\"",
        ..KEY
    },
    Key {
        name: "parameter",
        sections: &[Section::KindTable],
        shape: Shape::Text,
        required: true,
        doc: "The parameter of type `table` that names it.",
        example: "parameter = \"target\"",
        ..KEY
    },
    Key {
        name: "doc",
        sections: &[Section::KindTable],
        shape: Shape::Text,
        required: true,
        doc: "What it holds, in a line or two.",
        example: "doc = \"One row for each change.\"",
        aliases: &["description", "help"],
        ..KEY
    },
    Key {
        name: "columns",
        sections: &[Section::KindTable],
        shape: Shape::List(&Shape::Text),
        required: true,
        doc: "The columns that the kind writes.",
        example: "columns = [\"operation\", \"old_row\"]",
        ..KEY
    },
    Key {
        name: "fill",
        sections: &[Section::KindTableOwn],
        shape: Shape::Sql,
        doc: "A statement that runs once, right after the CREATE TABLE; a template.",
        example: "fill = \"INSERT INTO {{ target | ident }} ({{ target.name | ident }}) VALUES ('rebuild')\"",
        ..KEY
    },
    Key {
        name: "create",
        sections: &[Section::KindTable, Section::KindTableOwn],
        shape: Shape::Sql,
        doc: "The CREATE TABLE; a template.",
        example: "create = \"CREATE TABLE {{ target | ident }} (…)\"",
        ..KEY
    },
    Key {
        name: "with",
        sections: &[Section::Example],
        shape: Shape::Map(&Shape::Tree),
        doc: "What the kind is told.",
        example: "with = { column = \"updated_at\" }",
        ..KEY
    },
    Key {
        name: "table",
        sections: &[Section::Example],
        shape: Shape::Tables(Section::ExampleTable),
        required: true,
        doc: "The tables: first the one that the trigger is on.",
        example: "[[example.table]]",
        ..KEY
    },
    Key {
        name: "view",
        sections: &[Section::ExampleTable],
        shape: Shape::Bool,
        default: "`false`",
        doc: "It is a view.",
        example: "view = true",
        ..KEY
    },
    Key {
        name: "name",
        sections: &[Section::ExampleTable],
        shape: Shape::Text,
        required: true,
        doc: "Its name.",
        example: "name = \"users\"",
        ..KEY
    },
    Key {
        name: "columns",
        sections: &[Section::ExampleTable],
        shape: Shape::Map(&Shape::Text),
        required: true,
        doc: "Its columns with their types, in order.",
        example: "columns = { id = \"integer\", name = \"text\" }",
        ..KEY
    },
    Key {
        name: "primary_key",
        sections: &[Section::ExampleTable],
        shape: Shape::List(&Shape::Text),
        doc: "Its primary key.",
        example: "primary_key = [\"id\"]",
        ..KEY
    },
];

/// The types of a kind's parameters.
pub(super) const TYPES: &[&str] = &[
    "column", "columns", "table", "sql", "text", "texts", "name", "bool", "integer", "word",
    "words", "map",
];

static BY_NAME: LazyLock<HashMap<&'static str, Vec<&'static Key>>> = LazyLock::new(|| {
    let mut map: HashMap<&'static str, Vec<&'static Key>> = HashMap::new();
    for key in KEYS {
        map.entry(key.name).or_default().push(key);
    }
    map
});

/// All keys of this name, wherever they may stand.
pub(super) fn named(name: &str) -> &'static [&'static Key] {
    BY_NAME.get(name).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_own_key_belongs_to_a_dialect_and_the_other_way_round() {
        let owned: HashSet<&str> = DIALECTS
            .iter()
            .flat_map(|(_, own)| own.iter().copied())
            .collect();
        let own: HashSet<&str> = KEYS
            .iter()
            .filter(|key| key.sections.contains(&Section::Own))
            .map(|key| key.name)
            .collect();
        assert_eq!(owned, own);
    }

    #[test]
    fn the_dialects_agree_on_their_own_keys() {
        for dialect in crate::dialect::ALL {
            let (_, own) = DIALECTS
                .iter()
                .find(|(name, _)| *name == dialect.name())
                .unwrap();
            assert_eq!(*own, dialect.own_keys(), "{}", dialect.name());
        }
    }

    #[test]
    fn no_key_is_said_twice_for_one_section() {
        let mut seen = HashSet::new();
        for key in KEYS {
            for section in key.sections {
                assert!(seen.insert((key.name, section)), "{} twice", key.name);
            }
            assert!(!key.doc.is_empty() && key.example.contains(key.name));
        }
    }
}
