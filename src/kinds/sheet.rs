//! What is shown of a kind: its parameters, an example, and the DDL of that example in each dialect, rendered from the
//! folder itself, so that it cannot say anything else than what a use does.

use std::fmt::Write as _;
use std::path::Path;

use minijinja::Value;

use super::expand::{Looked, Site, Use, blamed};
use super::{ExampleTable, Kind, Parameter};
use crate::dialect::{self, Beside, Dialect, Request, Table, TableFacts, TableKind};
use crate::error::{Error, Kind as ErrorKind, Located};
use crate::model::TableId;
use crate::render::Renderer;
use crate::spec::{Fields, Node, Tree, TriggerSpec, UseSpec};

/// A kind, ready to be shown.
#[derive(Debug)]
pub struct Sheet {
    /// What each dialect makes of the example.
    pub dialects: Vec<InDialect>,
    /// The example as it stands in a spec.
    pub example: String,
}

/// What one dialect makes of the example.
#[derive(Debug)]
pub struct InDialect {
    /// The dialect.
    pub dialect: &'static dyn Dialect,
    /// The statements, or why the kind is not for it.
    pub result: Result<Statements, String>,
}

/// The DDL of an example.
#[derive(Debug, Default)]
pub struct Statements {
    /// The tables that the kind writes to.
    pub tables: Vec<String>,
    /// Triggers and functions.
    pub ddl: Vec<String>,
}

impl std::fmt::Debug for dyn Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Kind {
    /// The sheet of the kind, with the templates of this folder.
    pub fn sheet(&self, templates: Option<&Path>) -> Result<Sheet, Error> {
        let mut dialects = vec![];
        for dialect in dialect::ALL {
            let result = match self.without.get(dialect.name()) {
                Some(reason) => Err(reason.value.clone()),
                None => Ok(self.statements(*dialect, templates)?),
            };
            dialects.push(InDialect {
                dialect: *dialect,
                result,
            });
        }
        Ok(Sheet {
            dialects,
            example: self.example_text(),
        })
    }

    fn example_text(&self) -> String {
        let table = self.example.tables.first();
        let table = table.map_or("", |table| table.name.as_str());
        let mut text = format!(
            "[[trigger]]\nuse = \"{}\"\ntable = \"{table}\"\n",
            self.name
        );
        let with: Vec<String> = self
            .example
            .with
            .iter()
            .map(|(key, value)| format!("{} = {}", key.value, inline(value)))
            .collect();
        if !with.is_empty() {
            let _ = writeln!(text, "with = {{ {} }}", with.join(", "));
        }
        if !self.tables.is_empty() {
            text.push_str("create_table = true\n");
        }
        text
    }

    fn statements(
        &self,
        dialect: &'static dyn Dialect,
        templates: Option<&Path>,
    ) -> Result<Statements, Error> {
        let renderer = Renderer::new(dialect, templates)?;
        let vars = crate::render::map(std::iter::empty::<(&str, Value)>());
        let site = Site {
            dialect,
            renderer: &renderer,
            session: &renderer,
            vars: &vars,
            schema: dialect.default_schema(),
            pretend: false,
        };
        let usage = UseSpec {
            kind: Located {
                value: self.name.clone(),
                span: self.example.span.clone(),
            },
            with: self.example.with.clone(),
            own: std::collections::BTreeMap::new(),
            create_table: true,
        };
        let name = Located {
            value: format!("{{{{ table }}}}_{}", self.name),
            span: self.example.span.clone(),
        };
        let spec = TriggerSpec::bare(self.example.span.clone(), name);
        let failed = |diagnostics| Error {
            kind: ErrorKind::Failed,
            diagnostics,
        };
        let tables: Vec<Table> = self
            .example
            .tables
            .iter()
            .map(|table| table.as_live(dialect))
            .collect();
        let Some(table) = tables.first() else {
            return Ok(Statements::default());
        };
        let beside = Beside::nothing(site.schema);
        let fields = Fields::default();
        let used = Use::new(&spec, &fields, &usage, self, dialect).map_err(failed)?;
        let looked: Looked = used
            .references(table, &site)
            .into_iter()
            .map(|reference| {
                let found = tables.iter().find(|table| table.id.name == reference.name);
                (reference, found.cloned())
            })
            .collect();
        let expansion = used.expand(table, &site, &looked).map_err(failed)?;
        let mut statements = Statements {
            tables: expansion
                .needed
                .into_iter()
                .flat_map(|needed| {
                    let statements = needed.new.statements();
                    statements.map(str::to_owned).collect::<Vec<_>>()
                })
                .collect(),
            ddl: vec![],
        };
        for expanded in &expansion.triggers {
            let request = Request {
                spec: &expanded.spec,
                fields: &expanded.fields,
                table: expanded.table.as_ref().unwrap_or(table),
                vars: &vars,
                beside: &beside,
                pretend: false,
                kind: Some(&expanded.addition),
            };
            let lowered = dialect
                .lower(&request, &renderer)
                .map_err(|found| failed(blamed(found, &expanded.addition.used)))?;
            for lowered in lowered {
                let ddl = dialect.create(&lowered.definition, &renderer, dialect.newest())?;
                for statement in ddl.statements {
                    // Triggers may share a function.
                    if !statements.ddl.contains(&statement) {
                        statements.ddl.push(statement);
                    }
                }
            }
        }
        Ok(statements)
    }

    /// The page of the kind in the documentation.
    pub fn markdown(&self, sheet: &Sheet) -> String {
        let mut page = format!(
            "<!-- Made from templates/kinds/{0} by `triggerctl kinds {0}`: change it there. -->\n\n# {0}\n\n{1}\n",
            self.name, self.description.value
        );
        if !self.readme.trim().is_empty() {
            let _ = write!(page, "\n{}\n", self.readme.trim());
        }
        if !self.parameters.is_empty() {
            page.push_str("\n## Parameters\n\n| `with` | type | default | |\n|---|---|---|---|\n");
            for parameter in &self.parameters {
                let _ = writeln!(
                    page,
                    "| `{}` | {} | {} | {} |",
                    parameter.name.value,
                    parameter.type_text().replace('|', "\\|"),
                    match &parameter.default {
                        Some(default) => format!("`{}`", inline(default).replace('|', "\\|")),
                        None if parameter.optional => "none".to_owned(),
                        None => "*required*".to_owned(),
                    },
                    parameter.doc.replace('|', "\\|")
                );
            }
        }
        let _ = write!(page, "\n## Example\n\n```toml\n{}```\n", sheet.example);
        for table in &self.example.tables {
            let _ = write!(page, "\n{}\n", table.sentence());
        }
        for one in &sheet.dialects {
            let _ = write!(page, "\n### {}\n", one.dialect.title());
            match &one.result {
                Err(reason) => {
                    let _ = write!(page, "\nNot to be had: {reason}.\n");
                }
                Ok(statements) => {
                    let _ = write!(page, "\n```sql\n{}```\n", statements.script());
                }
            }
        }
        page
    }
}

impl Statements {
    /// All of it, as a script.
    pub fn script(&self) -> String {
        let all = self.tables.iter().chain(&self.ddl);
        let texts: Vec<String> = all.map(|sql| crate::report::script::closed(sql)).collect();
        texts.join("\n")
    }
}

impl Parameter {
    /// Its type for people, with the words of a word.
    pub fn type_text(&self) -> String {
        let words: Vec<&str> = self.words.iter().map(|word| word.value.as_str()).collect();
        match self.kind {
            super::Type::Word => words.join(" | "),
            super::Type::Words => format!("list of {}", words.join(" | ")),
            super::Type::Columns => "list of columns".to_owned(),
            super::Type::Texts => "list of texts".to_owned(),
            super::Type::Sql => "SQL".to_owned(),
            super::Type::Map => format!("{} → {}", self.keys.word(), self.values.word()),
            other => other.word().to_owned(),
        }
    }
}

impl ExampleTable {
    /// The table as a catalog would have it.
    fn as_live(&self, dialect: &'static dyn Dialect) -> Table {
        let mut facts = TableFacts {
            kind: if self.is_view {
                TableKind::View
            } else {
                TableKind::Table
            },
            columns: self.columns.iter().map(|(name, _)| name.clone()).collect(),
            generated: vec![],
            unseen: vec![],
            is_child: false,
            types: self.columns.iter().map(|(_, kind)| kind.clone()).collect(),
            primary_key: self.primary_key.clone(),
            row_key: vec![],
            partition_of: vec![],
            partition_key: vec![],
        };
        facts.row_key = dialect.row_key(&facts);
        Table {
            id: TableId {
                schema: dialect.default_schema().to_owned(),
                name: self.name.clone(),
            },
            facts: Some(facts),
        }
    }

    fn sentence(&self) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|(name, kind)| format!("`{name}` {kind}"))
            .collect();
        let what = if self.is_view { "The view " } else { "" };
        format!(
            "{what}`{}` has the columns {}.",
            self.name,
            columns.join(", ")
        )
    }
}

/// A value as TOML writes it on one line.
pub fn inline(tree: &Tree) -> String {
    match &tree.node {
        Node::Text(text) => toml::Value::String(text.clone()).to_string(),
        Node::Integer(number) => number.to_string(),
        Node::Bool(flag) => flag.to_string(),
        Node::Other(other) => other.to_string(),
        Node::List(elements) => {
            let elements: Vec<String> = elements.iter().map(inline).collect();
            format!("[{}]", elements.join(", "))
        }
        Node::Table(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{} = {}", bare_or_quoted(&key.value), inline(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

fn bare_or_quoted(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(is_bare) {
        key.to_owned()
    } else {
        toml::Value::String(key.to_owned()).to_string()
    }
}
