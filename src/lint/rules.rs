//! The rules: their names, how bad a finding is, where they hold, and what they are about. `docs/lint.md` and
//! `triggerctl lint --rules` come from this table; the examples are in `fixtures/lint/<rule>/`, where tests run them.

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Likely to hurt.
    Warning,
    /// Wrong: it will fail, or do what cannot be meant.
    Error,
}

impl Severity {
    /// The severity of this word; `None` for any other word, `off` among them.
    pub fn by_word(word: &str) -> Option<Self> {
        match word {
            "note" => Some(Self::Note),
            "warning" => Some(Self::Warning),
            "error" => Some(Self::Error),
            _ => None,
        }
    }

    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// What it is called, for ever.
    pub name: &'static str,
    /// Unless `[lint]` says otherwise.
    pub severity: Severity,
    /// The dialects that it is about.
    pub dialects: &'static [&'static str],
    /// Whether it can tell nothing without a database.
    pub needs_database: bool,
    /// One line.
    pub title: &'static str,
    /// Why it matters and what to do.
    pub why: &'static str,
    /// How it is known, and what is not looked at.
    pub how: &'static str,
}

/// The rule of this name.
pub fn by_name(name: &str) -> Option<&'static Rule> {
    ALL.iter().find(|rule| rule.name == name)
}

const SQLITE: &[&str] = &["sqlite"];
const POSTGRES: &[&str] = &["postgres"];
const MYSQL: &[&str] = &["mysql"];
const EVERY: &[&str] = &["sqlite", "postgres", "mysql"];

/// All rules, in the order in which they are documented.
pub const ALL: &[Rule] = &[
    Rule {
        name: "trigger_cycle",
        severity: Severity::Error,
        dialects: POSTGRES,
        needs_database: false,
        title: "Triggers that fire each other without end.",
        why: "A trigger writes a table whose triggers write back, and nothing on the way asks whether to go on: the first \
              statement fails with \"stack depth limit exceeded\". Change the row itself in a BEFORE trigger, name the \
              columns in `update_of`, or let a condition end it.",
        how: "Found where every trigger of the cycle is without WHEN, and every write stands outside IF, CASE, loops and \
              exception handlers and cannot miss: an INSERT of VALUES, an UPDATE or DELETE without WHERE, or of the very row \
              that fired. On SQLite see `recursive_triggers`, on MySQL `own_table_write`.",
    },
    Rule {
        name: "guarded_cycle",
        severity: Severity::Note,
        dialects: POSTGRES,
        needs_database: false,
        title: "Triggers that fire each other until a condition ends it.",
        why: "Such a cycle is right when the condition becomes false in time, as when a sum is carried up a tree. Whether it \
              does, only the rows can tell.",
        how: "Found where a cycle has a WHEN, an IF or a WHERE in it. Silent where one of the functions asks \
              `pg_trigger_depth()`, which does end it.",
    },
    Rule {
        name: "recursive_triggers",
        severity: Severity::Warning,
        dialects: SQLITE,
        needs_database: true,
        title: "What a trigger does depends on `PRAGMA recursive_triggers`.",
        why: "Each connection chooses whether a trigger may fire itself (off by default), so the same statement does one thing \
              for one program and another for the next: with it on, an unguarded cycle fails with \"too many levels of trigger \
              recursion\". The same holds for REPLACE in a body, which fires DELETE triggers only when it is on. A `when` that is \
              false the second time, or `update_of`, makes both settings do the same.",
        how: "The writes come from SQLite's authorizer, on a copy of the schema in memory. Silent where a trigger of the cycle \
              has a WHEN, or every UPDATE that leads on asks in its WHERE for a column that it sets, or for a change of one that it does not.",
    },
    Rule {
        name: "own_table_write",
        severity: Severity::Error,
        dialects: MYSQL,
        needs_database: false,
        title: "A trigger changes, by itself or through other triggers, the table that fired it.",
        why: "MySQL and MariaDB refuse it when it fires: error 1442, \"already used by statement which invoked this stored \
              function/trigger\". Change the row itself with `SET NEW.column = …` in a BEFORE trigger.",
        how: "Every INSERT, REPLACE, UPDATE and DELETE of the bodies is followed through the triggers that it fires. What \
              stored procedures do is not looked at.",
    },
    Rule {
        name: "definer_search_path",
        severity: Severity::Error,
        dialects: POSTGRES,
        needs_database: false,
        title: "A SECURITY DEFINER function without a search_path.",
        why: "It runs with its owner's rights, and finds tables, functions and operators by the caller's search_path: whoever \
              can fire it can put their own in the way. Set `search_path = [\"app\", \"pg_temp\"]`.",
        how: "Exact for functions of the spec; with a database also for the functions that `function` names.",
    },
    Rule {
        name: "definer_pg_temp",
        severity: Severity::Warning,
        dialects: POSTGRES,
        needs_database: false,
        title: "A SECURITY DEFINER function whose search_path does not end in pg_temp.",
        why: "A path that leaves `pg_temp` out searches it first, for tables and types: a temporary table of the caller's hides \
              the real one. Name it, last.",
        how: "Exact. An empty path, `search_path = [\"\"]`, is left alone: with it every name has to be qualified.",
    },
    Rule {
        name: "before_returns_null",
        severity: Severity::Warning,
        dialects: POSTGRES,
        needs_database: false,
        title: "A BEFORE or INSTEAD OF row trigger with a path that returns NULL.",
        why: "The row is then not written, and nobody is told. Where that is meant, say so with `allow`; to refuse a change, \
              RAISE EXCEPTION.",
        how: "Every path of the function is followed for the events of the trigger that calls it: what it asks of TG_OP, TG_WHEN, \
              TG_LEVEL, TG_NAME and TG_TABLE_NAME is known. `RETURN OLD` in BEFORE INSERT is a NULL too. Silent about a path \
              behind other questions about TG_ variables, and about values that are computed; and on a view where something was \
              written on the way, and NULL says no more than that no row is to be counted.",
    },
    Rule {
        name: "no_return",
        severity: Severity::Error,
        dialects: POSTGRES,
        needs_database: false,
        title: "A path of a trigger function that returns nothing.",
        why: "When it is taken the statement fails: \"control reached end of trigger procedure without RETURN\". A `body` gets its \
              RETURN from triggerctl; the whole text of a `[[function]]` needs its own.",
        how: "Every path is followed. Silent where the last thing on it is a call, which may raise.",
    },
    Rule {
        name: "new_in_before_delete",
        severity: Severity::Error,
        dialects: POSTGRES,
        needs_database: false,
        title: "NEW returned from BEFORE DELETE.",
        why: "NEW is NULL there, and returning NULL cancels the delete in silence. Return OLD.",
        how: "Every path that DELETE can take is followed; INSTEAD OF DELETE too, where nothing was written on the way.",
    },
    Rule {
        name: "assigns_new_after",
        severity: Severity::Warning,
        dialects: POSTGRES,
        needs_database: false,
        title: "NEW assigned in an AFTER trigger.",
        why: "The row is written already: the assignment changes nothing. Use `timing = \"before\"`.",
        how: "Found where nothing but RETURN makes use of NEW behind the assignment. MySQL refuses it by itself, and so does \
              `validate`.",
    },
    Rule {
        name: "firing_order",
        severity: Severity::Warning,
        dialects: EVERY,
        needs_database: false,
        title: "Two triggers whose order matters, and nothing says which comes first.",
        why: "Where one trigger reads what another one of the same table, timing and event writes, or both set the same column, \
              the result hangs on their order: by name on PostgreSQL, by creation on MySQL, undefined on SQLite. Make one \
              trigger of them, set `order` on MySQL, or begin their names with numbers on PostgreSQL.",
        how: "On PostgreSQL and MySQL: BEFORE triggers where one assigns a column of NEW that the other assigns or reads. On \
              SQLite, with a database: one writes a column, and the other reads it and does not write it; inserted rows are not \
              counted. Silent where the names begin with a digit (PostgreSQL), where `order` is set (MySQL), and where \
              `update_of` keeps them apart.",
    },
    Rule {
        name: "update_of_changed_by_before",
        severity: Severity::Warning,
        dialects: POSTGRES,
        needs_database: false,
        title: "`update_of` with a column that a BEFORE trigger sets.",
        why: "UPDATE OF looks at the columns that the statement names, not at those that change: what a BEFORE trigger sets does \
              not fire it. Leave `update_of` out and compare OLD with NEW in `when`.",
        how: "Exact for assignments to NEW in PL/pgSQL. Silent where the BEFORE trigger itself fires only for columns that are \
              named as well.",
    },
    Rule {
        name: "update_of_generated",
        severity: Severity::Warning,
        dialects: SQLITE,
        needs_database: true,
        title: "`update_of` with a generated column.",
        why: "No statement can name a generated column, and a change of the columns that it is made of does not fire the trigger. \
              Name those. (PostgreSQL fires it.)",
        how: "Exact.",
    },
    Rule {
        name: "json_distinct",
        severity: Severity::Error,
        dialects: POSTGRES,
        needs_database: true,
        title: "Rows compared that have a column without equality.",
        why: "`json`, `xml`, `point` and their like have no `=`: `OLD.* IS DISTINCT FROM NEW.*` fails when it runs. Compare the \
              other columns, cast to jsonb, or change the column to jsonb.",
        how: "Exact: the catalog says which types compare.",
    },
    Rule {
        name: "audit_without_truncate",
        severity: Severity::Warning,
        dialects: POSTGRES,
        needs_database: false,
        title: "Deleted rows are recorded, but TRUNCATE is not.",
        why: "TRUNCATE removes all rows and fires no row trigger. Add a trigger for `truncate` with `for_each = \"statement\"` \
              that records or refuses it.",
        how: "Found where a row trigger on DELETE inserts OLD, or a value made from it, into another table, and no trigger of the \
              table, of the spec or live, is for TRUNCATE.",
    },
    Rule {
        name: "cascade_skips_triggers",
        severity: Severity::Warning,
        dialects: MYSQL,
        needs_database: true,
        title: "A foreign key changes rows of the table without firing its triggers.",
        why: "On MySQL and MariaDB what ON DELETE CASCADE, SET NULL and ON UPDATE CASCADE do fires no triggers. Do it in a trigger \
              of the parent table instead of in the foreign key.",
        how: "Exact: the foreign keys of the catalog against the events of the triggers.",
    },
    Rule {
        name: "origin_on_subscriber",
        severity: Severity::Warning,
        dialects: POSTGRES,
        needs_database: true,
        title: "A trigger that does not fire for replicated rows.",
        why: "The table is in a subscription, whose rows are written in replica mode: a trigger with the default `enabled = \
              \"origin\"` stays silent. Use `\"always\"` or `\"replica\"`, or write `\"origin\"` out where that is meant.",
        how: "Exact: pg_subscription_rel.",
    },
    Rule {
        name: "newer_syntax",
        severity: Severity::Warning,
        dialects: SQLITE,
        needs_database: false,
        title: "Syntax that an older SQLite cannot read.",
        why: "A program with an older SQLite cannot open a file that has such a trigger at all: \"malformed database schema\". Say \
              which one is the oldest with `oldest_sqlite` in `[lint]`, 3.40 by default.",
        how: "Known: RAISE with a computed message (3.47), an alias after UPDATE or DELETE FROM (3.54), digits with `_` (3.46), \
              RIGHT and FULL JOIN, IS DISTINCT FROM (3.39), `->` (3.38), UPDATE … FROM (3.33), window functions (3.25 to 3.28), \
              upserts (3.24), MATERIALIZED (3.35), NULLS FIRST (3.30), FILTER (3.30).",
    },
    Rule {
        name: "missing_reference",
        severity: Severity::Error,
        dialects: EVERY,
        needs_database: true,
        title: "A body that names a table, column or function that is not there.",
        why: "The engines create such a trigger, and it fails when it fires.",
        how: "SQLite prepares what fires the trigger, MySQL the statements of the body, and PostgreSQL's plpgsql_check reads the \
              body where it is installed. On PostgreSQL the tables of the body, the columns of INSERT and UPDATE, and those of \
              NEW and OLD are looked up without it. A table that is in the schema of the trigger's table, or of its function, is \
              taken to be found by whoever fires it, unless the function has a `search_path`. What EXECUTE puts together is not known.",
    },
    Rule {
        name: "when_subquery",
        severity: Severity::Error,
        dialects: POSTGRES,
        needs_database: false,
        title: "A `when` with a subquery.",
        why: "PostgreSQL refuses it: \"cannot use subquery in trigger WHEN condition\". Ask in the body.",
        how: "Exact. `validate` and `plan` refuse the same.",
    },
    Rule {
        name: "when_aggregate",
        severity: Severity::Error,
        dialects: POSTGRES,
        needs_database: false,
        title: "A `when` with an aggregate or a window function.",
        why: "PostgreSQL refuses it: a condition is about one row. Ask in the body.",
        how: "OVER and FILTER always, and the aggregates of pg_catalog by name unless the schema that is named is another.",
    },
    Rule {
        name: "when_row_cast",
        severity: Severity::Warning,
        dialects: POSTGRES,
        needs_database: false,
        title: "A `when` that compares rows as `record`.",
        why: "PostgreSQL stores what was meant and prints it without the cast: `ROW(…) *<> ROW(…)`, which it reads as a \
              comparison of each column. A dump of the database cannot be restored then, or makes another condition; \
              nor can a rollback bring the trigger back.",
        how: "Found where an operator stands beside `ROW(…)::record`. The functions that the operators stand for are printed as \
              they are.",
    },
    Rule {
        name: "unanalysed_body",
        severity: Severity::Note,
        dialects: POSTGRES,
        needs_database: false,
        title: "A body that could not be read.",
        why: "EXECUTE runs text that is put together when it fires, and other languages than SQL and PL/pgSQL are not understood: \
              what such a body writes is not known, and rules that need to know are silent about it.",
        how: "Dynamic EXECUTE, DO, functions in other languages, and syntax that the parser does not know.",
    },
    Rule {
        name: "unused_allow",
        severity: Severity::Warning,
        dialects: EVERY,
        needs_database: false,
        title: "An `allow` for which there is no finding.",
        why: "What it allowed is gone, or it is for another trigger: take it away, so that it hides nothing later.",
        how: "Reported only where the rule was run for every dialect that the spec's URLs name and the trigger is for.",
    },
];
