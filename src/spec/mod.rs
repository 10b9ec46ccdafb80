//! The spec: what the user wrote, in the user's words, with the place of every value.
//!
//! Reading is strict and total: all errors of all files come together, in file order. What comes out still knows
//! nothing of an engine; [`TriggerSpec::for_dialect`] merges what is said for one dialect over what is said for all.

mod build;
mod check;
mod environment;
mod files;
mod keys;
mod kind;
mod lint;
mod load;
mod merge;
mod names;
mod source;
mod split;
mod stand;
mod test;
#[cfg(test)]
mod tests;
mod text;
mod unknown;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Located, SourceFile, Span};
use crate::kinds::Kind;
use crate::model::{
    Deferral, EnabledState, Event, Orientation, Parallel, Security, Timing, Volatility,
};

pub(crate) use build::word;
pub use keys::{DIALECTS, DialectKeys, Key, Section, Shape, every_key, is_key_of_trigger};
pub(crate) use kind::read as read_kind;
pub use lint::{AllowSpec, LintSpec};
pub use load::{Draft, LoadOptions};
pub use merge::Merged;
pub use names::NameError;
pub use stand::{Stand, Stands};
pub(crate) use test::bytes;
pub use test::{
    ChangedSpec, ChangesSpec, ErrorSpec, ExpectSpec, Expected, RowSpec, TestFields, TestSpec,
};
pub use text::inner_span;
pub(crate) use unknown::closest;
pub(crate) use value::bare_expression;

/// A whole spec, its includes read in.
#[derive(Debug, Clone, Default)]
pub struct Spec {
    /// Every file that was read, the main one first.
    pub files: Vec<Arc<SourceFile>>,
    /// The folder of the main file: relative paths start here.
    pub folder: PathBuf,
    /// SHA-256 of all files in reading order and of the user's templates, in lower-case hex.
    pub digest: String,
    /// `[database]`, with `[environments.NAME]` laid over it where one was chosen.
    pub database: DatabaseSpec,
    /// The names under `[environments]`, with each one's URL where it could be resolved.
    pub environments: BTreeMap<String, Option<String>>,
    /// Those of them that are `protected`.
    pub protected: BTreeSet<String>,
    /// `[vars]`, with the environment's laid over them.
    pub vars: BTreeMap<String, toml::Value>,
    /// The user's templates folder, resolved against `folder`; exists.
    pub templates: Option<PathBuf>,
    /// `[[trigger]]`, in file order.
    pub triggers: Vec<TriggerSpec>,
    /// `[[function]]`, in file order.
    pub functions: Vec<FunctionSpec>,
    /// `[lint]`.
    pub lint: LintSpec,
    /// The kinds that triggers use, by name.
    pub kinds: BTreeMap<String, Arc<Kind>>,
    /// `[[test]]`, in file order.
    pub tests: Vec<TestSpec>,
    /// `[[require]]`, in file order.
    pub requires: Vec<RequireSpec>,
    /// `forget`: what the spec no longer has and what stays in the database all the same.
    pub forgets: Vec<Located<glob::Pattern>>,
}

/// Where the database is and how it is kept.
#[derive(Debug, Clone, Default)]
pub struct DatabaseSpec {
    /// The connection URL, `${env:…}` filled in.
    pub url: Option<Located<String>>,
    /// SQLite: the script that creates a missing file, resolved against the spec's folder.
    pub create_from: Option<Located<PathBuf>>,
    /// PostgreSQL: the schema of the history tables (default `triggerctl`).
    pub history_schema: Option<Located<String>>,
    /// The script that scratch databases are made from, resolved against the spec's folder.
    pub test_schema: Option<Located<PathBuf>>,
    /// Set where the chosen environment is `protected`.
    pub protected: Option<Located<bool>>,
}

/// A table as written: `users` or `app.users`; may be a glob.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableRef {
    /// The schema, where one was given.
    pub schema: Option<String>,
    /// The name, or a pattern with `*` and `?`.
    pub name: String,
    /// Whether it is a pattern: in double quotes `*` and `?` are themselves.
    pub is_pattern: bool,
}

/// Which tables a `[[trigger]]` is for.
#[derive(Debug, Clone)]
pub enum TableSelector {
    /// `table = "users"`.
    One(Located<TableRef>),
    /// `tables = […]`, `exclude = […]`.
    Many {
        /// Names and globs.
        include: Vec<Located<TableRef>>,
        /// Names and globs that are left out again.
        exclude: Vec<Located<TableRef>>,
        /// Columns, or globs, each of which a table must have to be one of them; empty asks for none.
        having_columns: Vec<Located<String>>,
    },
}

/// One `[[require]]`: what every table of a selection must have.
#[derive(Debug, Clone)]
pub struct RequireSpec {
    /// The `[[require]]` header.
    pub span: Span,
    /// What messages call the rule.
    pub name: Option<Located<String>>,
    /// The tables that it is about.
    pub tables: TableSelector,
    /// The dialects that it holds in; `None` is all.
    pub dialects: Option<Vec<Located<String>>>,
    /// What each must have.
    pub demand: Demand,
}

/// What a `[[require]]` asks of each of its tables.
#[derive(Debug, Clone)]
pub enum Demand {
    /// A trigger of this name, a template.
    Trigger(Located<String>),
    /// A use of this kind.
    Kind(Located<String>),
}

/// One `[[trigger]]` as written.
#[derive(Debug, Clone)]
pub struct TriggerSpec {
    /// The `[[trigger]]` header.
    pub span: Span,
    /// The name, a template (`{{ table }}`).
    pub name: Located<String>,
    /// The tables.
    pub tables: TableSelector,
    /// The dialects it is for; `None` is all.
    pub dialects: Option<Vec<Located<String>>>,
    /// What is said for all dialects.
    pub fields: Fields,
    /// What is said in `[trigger.<dialect>]`; boxed, for a node of the map has room for eleven.
    pub overrides: BTreeMap<String, Box<Fields>>,
    /// `allow`.
    pub allow: Vec<AllowSpec>,
    /// `use`, with what belongs to it.
    pub usage: Option<Box<UseSpec>>,
}

impl TriggerSpec {
    /// A name, and nothing said besides.
    pub(crate) fn bare(span: Span, name: Located<String>) -> Self {
        Self {
            span,
            name,
            tables: TableSelector::Many {
                include: vec![],
                exclude: vec![],
                having_columns: vec![],
            },
            dialects: None,
            fields: Fields::default(),
            overrides: BTreeMap::new(),
            allow: vec![],
            usage: None,
        }
    }
}

/// `use = "…"`, `with = { … }`, `create_table`.
#[derive(Debug, Clone)]
pub struct UseSpec {
    /// The kind's name.
    pub kind: Located<String>,
    /// `with`.
    pub with: Vec<Argument>,
    /// `with` in `[trigger.<dialect>]`: wins over the common one, parameter by parameter.
    pub own: BTreeMap<String, Vec<Argument>>,
    /// Whether a table that the kind writes to is created where it is missing.
    pub create_table: bool,
}

/// One entry of `with`.
pub type Argument = (Located<String>, Tree);

/// A value of the spec whose meaning a kind knows, with the place of everything in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    /// The whole of it.
    pub span: Span,
    /// What it is.
    pub node: Node,
}

/// One node of a [`Tree`].
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A string.
    Text(String),
    /// An integer.
    Integer(i64),
    /// `true` or `false`.
    Bool(bool),
    /// A number with a fraction, or a date or time.
    Other(toml::Value),
    /// A list.
    List(Vec<Tree>),
    /// A table, in file order.
    Table(Vec<(Located<String>, Tree)>),
}

/// The fields of a trigger, each one where it was written. Merged by [`Fields::over`]. There are as many of these as triggers:
/// what few of them say is in a box.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    /// `timing`.
    pub timing: Option<Located<Timing>>,
    /// `events`; no event twice, not empty.
    pub events: Option<Located<Vec<Located<Event>>>>,
    /// `update_of`; not empty.
    pub update_of: Option<Located<Vec<Located<String>>>>,
    /// `for_each`.
    pub for_each: Option<Located<Orientation>>,
    /// `when`, a template.
    pub when: Option<Located<String>>,
    /// `body`, a template.
    pub body: Option<Located<String>>,
    /// `description`.
    pub description: Option<Box<Located<String>>>,
    /// `renamed_from`, a template like `name`.
    pub renamed_from: Option<Box<Located<String>>>,
    /// `bypass`: the setting that keeps it from running.
    pub bypass: Option<Box<Located<String>>>,
    /// `enabled`.
    pub enabled: Option<Box<Located<EnabledState>>>,
    /// `enabled_on = { partition = state }`; not empty, no partition twice.
    pub enabled_on: Option<Box<Located<Vec<EnabledOn>>>>,
    /// `constraint = { deferrable, initially, from }`; `true` alone is not accepted.
    pub constraint: Option<Box<Located<ConstraintSpec>>>,
    /// `referencing = { old_table, new_table }`.
    pub referencing: Option<Box<Located<ReferencingSpec>>>,
    /// `function`: call this one instead of a generated one.
    pub function: Option<Box<Located<TableRef>>>,
    /// `args`; only together with `function`.
    pub args: Option<Box<Located<Vec<Located<String>>>>>,
    /// `shared`: one generated function for all tables.
    pub shared: Option<Box<Located<bool>>>,
    /// `function_name`: the name of the generated function.
    pub function_name: Option<Box<Located<TableRef>>>,
    /// `declare`, a template: goes before BEGIN.
    pub declare: Option<Box<Located<String>>>,
    /// `security`.
    pub security: Option<Box<Located<Security>>>,
    /// `search_path`.
    pub search_path: Option<Box<Located<Vec<Located<String>>>>>,
    /// `definer` (MySQL).
    pub definer: Option<Box<Located<String>>>,
    /// `depends_on_extensions`; not empty.
    pub depends_on_extensions: Option<Box<Located<Vec<Located<String>>>>>,
    /// `order = { follows | precedes }` (MySQL).
    pub order: Option<Box<Located<OrderSpec>>>,
    /// `sql_mode` (MySQL).
    pub sql_mode: Option<Box<Located<String>>>,
    /// `collation` (MySQL).
    pub collation: Option<Box<Located<String>>>,
}

/// One entry of `enabled_on`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnabledOn {
    /// The partition.
    pub partition: Located<TableRef>,
    /// The state that the trigger has there.
    pub state: Located<EnabledState>,
}

/// `constraint = { … }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConstraintSpec {
    /// From `deferrable` and `initially`.
    pub deferral: Deferral,
    /// `from`.
    pub from: Option<Located<TableRef>>,
}

/// `referencing = { … }`; at least one is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferencingSpec {
    /// `old_table`.
    pub old_table: Option<Located<String>>,
    /// `new_table`.
    pub new_table: Option<Located<String>>,
}

/// `order = { … }`; exactly one of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderSpec {
    /// After this trigger.
    Follows(String),
    /// Before this trigger.
    Precedes(String),
}

/// One `[[function]]`: a trigger function that several triggers may call (PostgreSQL).
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    /// The `[[function]]` header.
    pub span: Span,
    /// `name`, with or without a schema.
    pub name: Located<TableRef>,
    /// `language`; default `plpgsql`.
    pub language: Option<Located<String>>,
    /// `body`, a template: the whole text, BEGIN and END included.
    pub body: Located<String>,
    /// `security`.
    pub security: Option<Located<Security>>,
    /// `search_path`.
    pub search_path: Option<Located<Vec<Located<String>>>>,
    /// `settings = { work_mem = "64MB" }`: any other SET.
    pub settings: Vec<(Located<String>, String)>,
    /// `volatility`.
    pub volatility: Option<Located<Volatility>>,
    /// `parallel`.
    pub parallel: Option<Located<Parallel>>,
    /// `leakproof`.
    pub leakproof: Option<Located<bool>>,
    /// `strict`.
    pub strict: Option<Located<bool>>,
    /// `cost`; above 0.
    pub cost: Option<Located<f64>>,
    /// `description`: becomes COMMENT ON FUNCTION.
    pub description: Option<Located<String>>,
    /// `allow`.
    pub allow: Vec<AllowSpec>,
    /// `depends_on_extensions`; not empty.
    pub depends_on_extensions: Option<Located<Vec<Located<String>>>>,
}
