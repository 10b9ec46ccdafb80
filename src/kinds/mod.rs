//! Kinds: ready-made triggers that a spec uses by name. A kind is a folder of `templates/kinds`, built in or the user's
//! own; nothing about the built-in ones is special. `docs/kinds.md` describes the format.
//!
//! `use` in a spec goes through here three times: when the spec is read, its parameters are checked ([`Kind::bind`]);
//! when its tables are known, it becomes triggers on each of them ([`expand`]); and the tables that these write to are
//! looked up, or made ([`tables`]).

pub mod expand;
mod library;
mod parameters;
pub mod sheet;
pub mod tables;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::error::{Located, SourceFile, Span};
use crate::spec::{AllowSpec, Argument, Fields, Tree};

pub use library::{Library, built_in};
pub use parameters::Bound;

/// The variable that has the columns of the table that other uses on it keep.
pub const KEPT_BY_OTHERS: &str = "kept_by_others";

/// A kind, as its folder has it.
#[derive(Debug)]
pub struct Kind {
    /// The folder's name.
    pub name: String,
    /// Its `kind.toml`.
    pub file: Arc<SourceFile>,
    /// What it is for, in one line.
    pub description: Located<String>,
    /// What a use may say, in file order.
    pub parameters: Vec<Parameter>,
    /// What it needs of the table.
    pub needs: Needs,
    /// Dialects that it is not for, with the reason.
    pub without: BTreeMap<String, Located<String>>,
    /// Uses that make no sense.
    pub refusals: Vec<Refusal>,
    /// The triggers that each use makes.
    pub triggers: Vec<KindTrigger>,
    /// The tables that it writes to.
    pub tables: Vec<KindTable>,
    /// A use to show.
    pub example: Example,
    /// Findings of `lint` that are meant, wherever it is used.
    pub allow: Vec<AllowSpec>,
    /// What its tests run on.
    pub fixture: Option<Tree>,
    /// Its tests.
    pub tests: Vec<Tree>,
    /// A default looks at [`KEPT_BY_OTHERS`].
    pub asks_what_is_kept: bool,
    /// Its `README.md`; empty where there is none.
    pub readme: String,
}

impl Kind {
    /// The parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters
            .iter()
            .find(|parameter| parameter.name.value == name)
    }
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// A column of the table.
    Column,
    /// Several of them.
    Columns,
    /// A table, with or without a schema.
    Table,
    /// An SQL expression; a template.
    Sql,
    /// Any text; a template in which values are printed as they are.
    Text,
    /// A list of texts.
    Texts,
    /// A name, made like a text.
    Name,
    /// `true` or `false`.
    Bool,
    /// An integer.
    Integer,
    /// One of some words.
    Word,
    /// Several of some words.
    Words,
    /// A table with keys of the user's choice.
    Map,
}

impl Type {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Column => "column",
            Self::Columns => "columns",
            Self::Table => "table",
            Self::Sql => "sql",
            Self::Text => "text",
            Self::Texts => "texts",
            Self::Name => "name",
            Self::Bool => "bool",
            Self::Integer => "integer",
            Self::Word => "word",
            Self::Words => "words",
            Self::Map => "map",
        }
    }
}

/// One parameter of a kind.
#[derive(Debug)]
pub struct Parameter {
    /// Its name, which is a variable of the kind's templates.
    pub name: Located<String>,
    /// What it takes.
    pub kind: Type,
    /// The words of a `word` or `words`.
    pub words: Vec<Located<String>>,
    /// What the keys of a map are.
    pub keys: Type,
    /// What the values of a map are.
    pub values: Type,
    /// The parameter that names the table whose column it is; the trigger's own table where there is none.
    pub of: Option<Located<String>>,
    /// What holds when it is left out.
    pub default: Option<Tree>,
    /// Whether it may be left out without a default.
    pub optional: bool,
    /// What it names are columns that the kind gives their values.
    pub kept: bool,
    /// What it says.
    pub doc: String,
}

impl Parameter {
    /// Whether every use must give it.
    pub fn is_required(&self) -> bool {
        self.default.is_none() && !self.optional
    }
}

/// What a kind needs of the table.
#[derive(Debug, Default)]
pub struct Needs {
    /// A primary key, and why.
    pub primary_key: Option<Located<String>>,
    /// `table`, `view`; tables only where nothing is said.
    pub tables: Option<Vec<Located<String>>>,
}

/// A use that makes no sense.
#[derive(Debug)]
pub struct Refusal {
    /// The expression that is true then.
    pub condition: Located<String>,
    /// The parameter to blame.
    pub parameter: Option<Located<String>>,
    /// What is wrong, a template.
    pub message: Located<String>,
    /// The way out, a template.
    pub help: Located<String>,
}

/// One trigger of a kind.
#[derive(Debug)]
pub struct KindTrigger {
    /// Its `[[trigger]]` header.
    pub span: Span,
    /// What goes behind the name of the use, a template.
    pub suffix: Option<Located<String>>,
    /// The parameter that names the table that it is on, where that is not the one of the use.
    pub on: Option<Located<String>>,
    /// `if`, an expression.
    pub condition: Option<Located<String>>,
    /// The dialects that it is for; `None` is all.
    pub dialects: Option<Vec<Located<String>>>,
    /// What is said for all dialects.
    pub base: KindFields,
    /// What is said in `[trigger.<dialect>]`.
    pub own: BTreeMap<String, KindFields>,
}

/// Fields of a kind's trigger.
#[derive(Debug)]
pub struct KindFields {
    /// Those that are there to the letter.
    pub fields: Fields,
    /// Those that are an expression, by key.
    pub expressions: Vec<(&'static str, Located<String>)>,
}

/// A table that a kind writes to.
#[derive(Debug)]
pub struct KindTable {
    /// Its `[[table]]` header.
    pub span: Span,
    /// The dialects that it is for; `None` is all.
    pub dialects: Option<Vec<Located<String>>>,
    /// The parameter that names it.
    pub parameter: Located<String>,
    /// What it holds.
    pub doc: String,
    /// The columns that it must have, each a template.
    pub columns: Vec<Located<String>>,
    /// Whether no two tables may share it: nothing in it says of which one a row is.
    pub of_one: bool,
    /// The CREATE TABLE for all dialects, a template.
    pub create: Option<Located<String>>,
    /// The CREATE TABLE for one dialect.
    pub own: BTreeMap<String, Located<String>>,
    /// What runs once it is created, in one dialect.
    pub fills: BTreeMap<String, Located<String>>,
}

impl KindTable {
    /// Whether it is written to in this dialect.
    pub fn is_for(&self, dialect: &str) -> bool {
        let dialects = self.dialects.as_ref();
        dialects.is_none_or(|dialects| dialects.iter().any(|one| one.value == dialect))
    }
}

/// A use to show, and tables to show it on.
#[derive(Debug)]
pub struct Example {
    /// Its `[example]` header.
    pub span: Span,
    /// What the kind is told.
    pub with: Vec<Argument>,
    /// The tables; the first one is that of the trigger.
    pub tables: Vec<ExampleTable>,
}

/// A table of an example.
#[derive(Debug)]
pub struct ExampleTable {
    /// Its name.
    pub name: String,
    /// It is a view.
    pub is_view: bool,
    /// Columns and types, in order.
    pub columns: Vec<(String, String)>,
    /// Its primary key.
    pub primary_key: Vec<String>,
}
