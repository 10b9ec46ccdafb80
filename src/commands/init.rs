//! `triggerctl init`.

use crate::db::url::DatabaseUrl;
use crate::db::{self, Database, Intent};
use crate::error::{Error, Kind};
use crate::files;
use crate::model::TableId;
use crate::plan;
use crate::report::Format;

use super::{Context, Outcome, connect_settings};

/// Write a commented triggers.toml to start from; with a URL, for what is there.
#[derive(Debug, clap::Args)]
pub struct Init {}

impl Init {
    /// Run it.
    pub fn run(&self, context: &Context) -> Result<Outcome, Error> {
        context.only("init", &[Format::Text])?;
        let path = &context.common.config;
        if path.exists() {
            return Err(Error::new(
                Kind::Refused,
                format!("`{}` exists already: nothing was written", path.display()),
            )
            .help("name another file with `--config`"));
        }
        let start = match context.url(None) {
            Ok(url) => Start::from_database(&url)?,
            Err(error) if error.kind == Kind::Usage => Start::default(),
            Err(error) => return Err(error),
        };
        files::write_whole(path, &start.text())?;
        context
            .output
            .result(&format!("Wrote `{}`.\n", path.display()))?;
        if start.unmanaged > 0 {
            context.output.remark(&format!(
                "The database has {} triggers already; they stay as they are, and `triggerctl plan --unmanaged`\n\
                 lists them.\n",
                start.unmanaged
            ))?;
        }
        context
            .output
            .remark("Edit it, then run `triggerctl plan`.\n")?;
        Ok(Outcome::Done)
    }
}

/// What the file starts from.
struct Start {
    url: String,
    table: TableId,
    column: Option<String>,
    schemas: bool,
    tables: Vec<TableId>,
    unmanaged: usize,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            url: "sqlite:app.db".to_owned(),
            table: TableId {
                schema: "main".to_owned(),
                name: "users".to_owned(),
            },
            column: Some("id".to_owned()),
            schemas: false,
            tables: vec![],
            unmanaged: 0,
        }
    }
}

impl Start {
    fn from_database(url: &DatabaseUrl) -> Result<Self, Error> {
        let mut database = db::connect(url, &connect_settings(None), Intent::Read)?;
        let tables = database.table_names(None)?;
        let mut start = Self {
            url: url.display(),
            ..Self::default()
        };
        start.schemas = database.dialect().qualifies();
        start.unmanaged = unmanaged(&mut *database, &tables)?;
        if let Some(first) = tables.first() {
            let reference = crate::spec::TableRef {
                schema: Some(first.schema.clone()),
                name: first.name.clone(),
            };
            let found = database.tables(&[reference])?;
            let facts = found
                .into_iter()
                .flatten()
                .next()
                .and_then(|table| table.facts);
            start.column = facts.and_then(|facts| facts.columns.first().cloned());
            start.table = first.clone();
        }
        start.tables = tables;
        Ok(start)
    }

    fn name(&self, table: &TableId) -> String {
        if self.schemas {
            table.to_string()
        } else {
            table.name.clone()
        }
    }

    fn text(&self) -> String {
        const MOST: usize = 40;
        let mut listed = String::new();
        if !self.tables.is_empty() {
            listed.push_str("#\n# Tables and views that are there:\n");
            for table in self.tables.iter().take(MOST) {
                listed.push_str(&format!("#   {}\n", one_line(&self.name(table))));
            }
            if self.tables.len() > MOST {
                listed.push_str(&format!("#   … and {} more\n", self.tables.len() - MOST));
            }
        }
        let url = toml::Value::String(self.url.clone());
        let table = toml::Value::String(self.name(&self.table));
        let column = one_line(self.column.as_deref().unwrap_or("id"));
        format!(
            r#"# The triggers of this project. `triggerctl plan` shows what they would change,
# `triggerctl apply` makes it so, `triggerctl check` fails in CI when anything differs.
{listed}
version = 1

[database]
url = {url}            # --url, TRIGGERCTL_URL or --env win over it

# One trigger. Take the comment signs away, and say what it is to do.
#
# [[trigger]]
# name   = "{{{{ table }}}}_after_insert"
# table  = {table}
# timing = "after"                # before, after, instead_of
# events = ["insert"]             # insert, update, delete, truncate
# when   = "NEW.{column} IS NOT NULL"
# body   = """
# INSERT INTO audit (what) VALUES ('a row came in');
# """
"#
        )
    }
}

fn unmanaged(database: &mut dyn Database, tables: &[TableId]) -> Result<usize, Error> {
    let history = database.history()?;
    let mut scope = plan::scope(&Default::default(), &history);
    scope
        .schemas
        .extend(tables.iter().map(|table| table.schema.clone()));
    let catalog = database.catalog(&scope)?;
    let triggers = catalog
        .fingerprints
        .keys()
        .filter(|id| id.kind() == "trigger");
    Ok(triggers
        .filter(|id| !history.records.contains_key(id))
        .count())
}

/// Names may hold line ends, which would end a comment.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
