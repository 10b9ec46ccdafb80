//! `triggerctl init`.

use std::fmt::Write as _; // Writing to a String cannot fail.
use std::path::Path;

use crate::db::url::DatabaseUrl;
use crate::db::{self, Database, Intent};
use crate::error::{Error, Kind};
use crate::files;
use crate::import::{self, Filters};
use crate::model::TableId;
use crate::render::Renderer;
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
        let (text, imported) = match context.url(None) {
            Ok(url) => from_database(&url, path)?,
            Err(error) if error.kind == Kind::Usage => (Start::default().text(), 0),
            Err(error) => return Err(error),
        };
        files::write_whole(path, &text)?;
        context
            .output
            .result(&format!("Wrote `{}`.\n", path.display()))?;
        context.output.remark(&if imported > 0 {
            let (those, them) = match imported {
                1 => ("The trigger that is there is".to_owned(), "it"),
                more => (format!("The {more} triggers that are there are"), "them"),
            };
            format!(
                "{those} in it; `triggerctl plan` finds nothing to change,\nand `triggerctl apply` takes {them} over.\n"
            )
        } else {
            "Edit it, then run `triggerctl plan`.\n".to_owned()
        })?;
        Ok(Outcome::Done)
    }
}

/// The triggers that are there, or an example for the tables that are; and how many triggers there are.
fn from_database(url: &DatabaseUrl, path: &Path) -> Result<(String, usize), Error> {
    let mut database = db::connect(url, &connect_settings(None), Intent::Read)?;
    let renderer = Renderer::of(&*database, None)?;
    let import =
        import::read(&mut *database, &Filters::default(), None, &renderer).map_err(|error| {
            error.help("`triggerctl import --out FILE` can leave some triggers out")
        })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    if import.triggers() == 0 {
        let start = Start::from_database(url, folder, &mut *database)?;
        return Ok((start.text(), 0));
    }
    let server = database.target().server_version.clone();
    let mut header = super::import::header(url, database.dialect(), &server, folder);
    header.comment = [
        "The triggers of this project. `triggerctl plan` shows what they would change,",
        "`triggerctl apply` makes it so, `triggerctl check` fails in CI when anything differs.",
        "",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain(header.comment.into_iter().take(1))
    .collect();
    Ok((import.text(&header), import.triggers()))
}

/// What the file starts from.
struct Start {
    url: String,
    table: TableId,
    column: Option<String>,
    schemas: bool,
    tables: Vec<TableId>,
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
        }
    }
}

impl Start {
    fn from_database(
        url: &DatabaseUrl,
        folder: &Path,
        database: &mut dyn Database,
    ) -> Result<Self, Error> {
        let tables = database.table_names(None)?;
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let mut start = Self {
            url: url.for_spec(folder).unwrap_or_else(|| url.display()),
            ..Self::default()
        };
        start.schemas = database.dialect().qualifies();
        if let Some(first) = tables.first() {
            let reference =
                crate::spec::TableRef::exactly(Some(first.schema.clone()), first.name.clone());
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
                let _ = writeln!(listed, "#   {}", one_line(&self.name(table)));
            }
            if self.tables.len() > MOST {
                let _ = writeln!(listed, "#   … and {} more", self.tables.len() - MOST);
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

/// Names may hold line ends, which would end a comment.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
