//! What an SQL engine can do, how it quotes, and which DDL makes a definition so. Pure: nothing here talks to a
//! database. A new dialect is one file here, one in `db`, one folder in `templates`, and a line in [`ALL`].

mod beside;
pub(crate) mod inspect;
pub mod mysql;
pub mod postgres;
mod quoting;
mod request;
mod script;
mod seen;
pub mod sqlite;
mod statements;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_push_string,
    clippy::needless_pass_by_value
)]
pub(crate) mod testing;
mod types;

pub use request::name_on;

use minijinja::Value;

use crate::error::{Diagnostic, Error};
use crate::kinds::expand::Addition;
use crate::model::{Creation, Definition, ObjectId, TableId, Trigger, TriggerId};
use crate::render::{Renderer, map, map_of_anything};
use crate::spec::{Fields, FunctionSpec, TriggerSpec};
use crate::sql::Syntax;

pub use beside::Beside;
pub use statements::Statements;

/// Every dialect.
pub static ALL: &[&dyn Dialect] = &[&sqlite::Sqlite, &postgres::Postgres, &mysql::Mysql];

/// The dialect of this name, as specs and template folders spell it.
pub fn by_name(name: &str) -> Option<&'static dyn Dialect> {
    ALL.iter().copied().find(|dialect| dialect.name() == name)
}

/// The names of all dialects.
pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|dialect| dialect.name()).collect()
}

/// The built-in templates of a dialect, compiled in.
macro_rules! templates {
    ($dialect:literal: $($name:literal),+ $(,)?) => {
        &[$((
            $name,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/", $dialect, "/", $name)),
        )),+]
    };
}
use templates;

pub(crate) use request::{OfTable, scope};
pub(crate) use seen::Note;

/// A table, for the filter `ident`.
fn value(table: &TableId) -> Value {
    qualified(&table.schema, &table.name)
}

/// A schema and a name in it, for the filter `ident`.
fn qualified(schema: &str, name: &str) -> Value {
    Value::from([Value::from(schema), Value::from(name)])
}

/// A list of texts, for a template.
fn texts(texts: &[String]) -> Value {
    texts.iter().map(String::as_str).collect()
}

/// A condition whose text was not read cannot be written.
fn unread(trigger: &TriggerId) -> Error {
    Error::failed(format!(
        "the condition of {trigger} was not read from the catalog"
    ))
}

/// What a table is, as far as it matters to triggers. Nothing is known of it without a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Schema and name, as the catalog spells them.
    pub id: TableId,
    /// What is known from the catalog; `None` without a database.
    pub facts: Option<TableFacts>,
}

/// What the catalog says of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFacts {
    /// Its kind.
    pub kind: TableKind,
    /// Column names in order.
    pub columns: Vec<String>,
    /// The generated ones among them.
    pub generated: Vec<String>,
    /// Those of these that no trigger sees: PostgreSQL works a virtual one out where it is read, and `NEW` and `OLD` hold
    /// NULL for it.
    pub unseen: Vec<String>,
    /// It is a partition, or it inherits.
    pub is_child: bool,
    /// The types of the columns, in their order, as the catalog prints them.
    pub types: Vec<String>,
    /// The columns of the primary key, in the key's order; empty where there is none.
    pub primary_key: Vec<String>,
    /// What tells a row of this table from all others: the primary key or, in SQLite, the rowid under a name that no
    /// column has. Empty where nothing does.
    pub row_key: Vec<String>,
    /// The partitioned tables that it is a partition of: its parent, and theirs.
    pub partition_of: Vec<TableId>,
    /// PostgreSQL: the columns that decide in which partition, and in which of its own, a row is; empty where the table
    /// is not partitioned.
    pub partition_key: Vec<String>,
}

impl TableFacts {
    /// Whether one of its columns is such. Who may see none of them cannot tell which there are.
    pub(crate) fn may_have(&self, is_it: impl Fn(&str) -> bool) -> bool {
        self.columns.is_empty() || self.columns.iter().any(|column| is_it(column))
    }

    /// What to do about a column that the table does not have.
    pub(crate) fn meant(&self, column: &str) -> String {
        let wanted = column.to_lowercase();
        let near = self
            .columns
            .iter()
            .map(|name| (strsim::jaro_winkler(&name.to_lowercase(), &wanted), name))
            .filter(|(likeness, _)| *likeness > 0.8)
            .max_by(|(left, _), (right, _)| left.total_cmp(right));
        match near {
            Some((_, name)) => format!("did you mean `{name}`?"),
            None => format!("its columns are: {}", self.columns.join(", ")),
        }
    }

    /// What is made up of a table that nobody has looked at, so that the rest can be checked: whatever column is asked
    /// for has a type.
    pub(crate) fn pretended_values() -> Vec<(&'static str, Value)> {
        let column = || Value::from(["column"]);
        vec![
            ("columns", column()),
            ("generated", Value::from(Vec::<Value>::new())),
            ("unseen", Value::from(Vec::<Value>::new())),
            ("partition_key", Value::from(Vec::<Value>::new())),
            ("types", map_of_anything("text")),
            ("primary_key", column()),
            ("row_key", column()),
        ]
    }

    /// What templates may know of a table.
    pub(crate) fn values(&self) -> Vec<(&'static str, Value)> {
        let types = self.columns.iter().zip(&self.types);
        vec![
            ("columns", texts(&self.columns)),
            ("generated", texts(&self.generated)),
            ("unseen", texts(&self.unseen)),
            ("partition_key", texts(&self.partition_key)),
            (
                "types",
                map(types.map(|(column, kind)| (column.as_str(), Value::from(kind.as_str())))),
            ),
            ("primary_key", texts(&self.primary_key)),
            ("row_key", texts(&self.row_key)),
        ]
    }
}

/// The kinds of relations that can, or cannot, have triggers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// An ordinary table.
    Table,
    /// A partitioned parent.
    Partitioned,
    /// A view.
    View,
    /// A materialised view.
    MaterializedView,
    /// A foreign table.
    Foreign,
    /// A SQLite virtual table.
    Virtual,
}

/// The engine on the other side, as far as DDL depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// Major version (PostgreSQL 15 is 15; SQLite 3.54.1 is 3).
    pub major: u32,
    /// Minor version (PostgreSQL 15.18: 18; SQLite 3.54.1: 54).
    pub minor: u32,
}

/// One object that the spec asks for, in one dialect.
#[derive(Debug, Clone, PartialEq)]
pub struct Lowered {
    /// What it is to be.
    pub definition: Definition,
    /// The identity that it had before, from `renamed_from`.
    pub renamed_from: Option<ObjectId>,
    /// A function that triggerctl makes for one trigger's body (not `[[function]]`): dropped with its trigger.
    pub generated: bool,
    /// What its engine takes, or has none the less, and what cannot be meant. An error where the object is to be made; one
    /// that is in the database already is as it is.
    pub doubts: Vec<Diagnostic>,
}

/// How strongly a step locks a table. Ordered from weak to strong.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum LockMode {
    /// ACCESS SHARE: in nobody's way.
    AccessShare,
    /// SHARE ROW EXCLUSIVE: writers wait.
    ShareRowExclusive,
    /// ACCESS EXCLUSIVE: readers and writers wait.
    AccessExclusive,
    /// SQLite's one lock on the file: other writers wait, and in rollback mode readers for the moment of the commit.
    Database,
}

/// Syntax that came late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewerSyntax {
    /// What it is.
    pub what: &'static str,
    /// Major and minor version of the engine that had it first.
    pub since: (u32, u32),
}

/// The DDL that leads from one definition to another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ddl {
    /// Statements in order, each one exactly one statement without a closing semicolon.
    /// They are shared by all who hold them: the desired side, the plan, and the migration in the end.
    pub statements: Statements,
    /// The strongest lock that they take on the trigger's table, if any.
    pub lock: Option<LockMode>,
    /// A template of the user's made it: it may say more than the definition knows, so the definition alone does not
    /// prove two objects equal.
    pub custom: bool,
}

/// What one trigger of the spec is, in one dialect, on one table: the merged fields and the table that was chosen.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The `[[trigger]]`.
    pub spec: &'a TriggerSpec,
    /// Its fields for this dialect.
    pub fields: &'a Fields,
    /// The table.
    pub table: &'a Table,
    /// `[vars]`.
    pub vars: &'a minijinja::Value,
    /// What it names beside the table (`function`, `constraint.from`, `enabled_on`).
    pub beside: &'a Beside,
    /// What only a database can tell is made up (the columns), so that the rest can be checked without one.
    pub pretend: bool,
    /// What its kind adds, where it comes of one.
    pub kind: Option<&'a Addition>,
}

/// What an object leaves when it runs.
#[derive(Debug, Clone, Copy)]
pub struct Mark<'a> {
    /// Digits.
    pub text: &'a str,
    /// The body begins with the IF of a condition: what does not get past it has not fired.
    pub guarded: bool,
}

/// One SQL engine's rules.
pub trait Dialect: Sync {
    /// The word in URLs, specs and template folders: `sqlite`, `postgres`.
    fn name(&self) -> &'static str;
    /// The engine's name for people: `SQLite`, `PostgreSQL`.
    fn title(&self) -> &'static str;
    /// Where a password is looked for that is not in the URL; empty for an engine without passwords.
    fn passwords(&self) -> &'static str {
        ""
    }
    /// Keys that only `[trigger.<dialect>]` may have.
    fn own_keys(&self) -> &'static [&'static str];
    /// How its SQL is cut into tokens.
    fn syntax(&self) -> &'static Syntax;
    /// The built-in templates: file name in `templates/<dialect>/` and text.
    fn templates(&self) -> &'static [(&'static str, &'static str)];
    /// The newest version of the engine that this was tried with: whose DDL is shown when there is no database to ask.
    fn newest(&self) -> Server;
    /// The schema of unqualified names when there is no database to ask.
    fn default_schema(&self) -> &'static str;
    /// An identifier as it must stand in SQL; quoted only where it has to be.
    fn quote_identifier(&self, name: &str) -> String;
    /// A string literal that reads back as `text` under every setting of the engine.
    fn quote_literal(&self, text: &str) -> String;
    /// Whether `table.schema.` is written in DDL.
    fn qualifies(&self) -> bool;
    /// Whether the engine itself looks at the columns of UPDATE OF when it makes a trigger.
    fn checks_update_of(&self) -> bool {
        true
    }
    /// Whether the engine makes what is in doubt ([`Lowered::doubts`]) where a spec allows it; else it only keeps what it has.
    fn makes_doubtful(&self) -> bool {
        true
    }
    /// What tells a row of an ordinary table from all others, where that is not the primary key.
    fn row_key(&self, facts: &TableFacts) -> Vec<String> {
        facts.primary_key.clone()
    }
    /// Whether two triggers of one schema may share a name as long as their tables differ.
    fn names_are_per_table(&self) -> bool {
        true
    }

    /// The objects that one trigger of the spec becomes, functions before the triggers that call them; everything
    /// that the dialect cannot do is refused here, with the place in the spec and the way out.
    fn lower(
        &self,
        request: &Request<'_>,
        renderer: &Renderer,
    ) -> Result<Vec<Lowered>, Vec<Diagnostic>>;
    /// The object that a `[[function]]` becomes; `None` where the dialect has no functions.
    fn lower_function(
        &self,
        function: &FunctionSpec,
        schema: &str,
        vars: &minijinja::Value,
        renderer: &Renderer,
    ) -> Result<Option<Lowered>, Vec<Diagnostic>>;

    /// DDL that makes `definition` from nothing.
    fn create(
        &self,
        definition: &Definition,
        renderer: &Renderer,
        server: Server,
    ) -> Result<Ddl, Error>;
    /// DDL that removes it. Never CASCADE.
    fn drop(
        &self,
        definition: &Definition,
        renderer: &Renderer,
        server: Server,
    ) -> Result<Ddl, Error>;
    /// DDL that leads from `before` to `after`; the same identity, or another name on the same table (a rename),
    /// with as weak a lock as the engine allows.
    fn alter(
        &self,
        before: &Definition,
        after: &Definition,
        renderer: &Renderer,
        server: Server,
    ) -> Result<Ddl, Error>;

    /// Take over what a definition leaves open and another one of the same object says: what an engine keeps of the
    /// session that created it, with whose rights a function runs. Before comparing with what was recorded, and before recording what was made.
    fn complete(&self, definition: &mut Definition, from: &Definition) {
        let _ = (definition, from);
    }
    /// The trigger that a statement creates or drops, where the name stands for one in `schema` unless it says otherwise.
    /// Asked only of engines without transactional DDL, to find out how far a broken-off migration came.
    fn subject(&self, sql: &str, schema: &str) -> Option<TriggerId> {
        let _ = (sql, schema);
        None
    }
    /// The same object, made so that it leaves a mark when it runs and does nothing else otherwise; `None` where it runs in
    /// no way that leaves one. For `triggerctl test`.
    fn mark(
        &self,
        definition: &Definition,
        mark: Mark<'_>,
        renderer: &Renderer,
    ) -> Result<Option<Definition>, Error> {
        let _ = (definition, mark, renderer);
        Ok(None)
    }
    /// What ends a statement in a script for the engine's own client.
    fn script_terminator(&self) -> &'static str {
        ";"
    }

    /// Whether the client that runs a script hands a text in quotes on with the carriage returns at the ends of its lines.
    fn script_keeps_returns(&self) -> bool {
        true
    }

    /// What this engine calls a lock.
    fn lock_name(&self, mode: LockMode) -> &'static str {
        match mode {
            LockMode::AccessShare => "ACCESS SHARE",
            LockMode::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            LockMode::AccessExclusive => "ACCESS EXCLUSIVE",
            LockMode::Database => "the database file",
        }
    }
    /// The trigger as the spec speaks of it, where the engine has its condition and its columns in the body; `None` where it is
    /// the same. For those who read it: it is not what is created.
    fn opened(&self, trigger: &Trigger) -> Option<Trigger> {
        let _ = trigger;
        None
    }
    /// Whether triggers of one table, timing and event fire in the order of their names.
    fn fires_by_name(&self) -> bool {
        false
    }
    /// The newest syntax in a statement, where an older version of the engine cannot even open a database that has it.
    fn newer_syntax(&self, statement: &str) -> Option<NewerSyntax> {
        let _ = statement;
        None
    }

    /// How the texts of a trigger are cut into tokens that keeps these settings of the session that created it.
    fn syntax_of(&self, creation: &Creation) -> Syntax {
        let _ = creation;
        *self.syntax()
    }
    /// Whether two values of `sql_mode` set the same modes.
    fn same_sql_mode(&self, left: &str, right: &str) -> bool {
        left == right
    }
    /// Whether two bodies are the same to this engine: token by token where it keeps the text, else byte by byte. A trigger's
    /// are read as the settings say that it keeps.
    fn same_body(&self, left: &str, right: &str, creation: Option<&Creation>) -> bool;
    /// Whether a column of one type takes every value of another, and keeps it, as far as the types tell: what is not known for
    /// sure counts as taken. Both are as the catalog prints them.
    fn takes(&self, to: &str, from: &str) -> bool {
        let _ = (to, from);
        true
    }
    /// Whether two names are the same to this engine.
    fn same_name(&self, left: &str, right: &str) -> bool;
}

/// That a name says no schema where the search path names none that exists.
pub(crate) fn no_schema(kind: &str, name: &str) -> Diagnostic {
    Diagnostic::new(format!(
        "the {kind} `{name}` has no schema: its name says none, and the search path names none that exists"
    ))
    .help(format!("write `schema.{name}`, or set the role's `search_path`"))
}
