//! What is written down about a migration: its row in `migrations` and, for every object that it touched, a row in
//! `objects`. Both are append-only. All of it is SQL from templates, so that a script for a DBA records the same.

mod ways;

use std::sync::mpsc::{self, Receiver};
use std::thread::{self, Scope};

use serde::Serialize;

use crate::db::Migration;
use crate::digest::HexDigest;
use crate::error::Error;
use crate::model::{Definition, ObjectId};
use crate::render::Renderer;

pub use self::ways::Ways;
pub(crate) use self::ways::array;
use self::ways::{Form, Literals};

/// Rows in one INSERT: few round trips, and no statement grows beyond reason.
const ROWS_PER_STATEMENT: usize = 200;

/// Bytes of definitions in one INSERT, unless a single row has more: with what quoting adds, hardly a server takes less at once.
const BYTES_PER_STATEMENT: usize = 256 * 1024;

/// So many statements may lie ready before the database has taken them.
const RENDERED_AHEAD: usize = 4;

/// Bytes of statements that are better written down piece by piece.
const LONG: usize = 500_000;

/// One row of `objects`.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The object.
    pub id: ObjectId,
    /// What it now is; `None` when it is no longer there, or no longer ours.
    pub present: Option<Present>,
    /// What was live before (`Some(None)`: nothing), where that is not what the history says: it was taken over, or
    /// changed by hand. A rollback brings it back.
    pub before: Option<Option<Definition>>,
}

/// The part of a row that only an object which is there has.
#[derive(Debug, Clone, PartialEq)]
pub struct Present {
    /// Digest of the DDL that the spec rendered to.
    pub rendered_digest: HexDigest,
    /// Fingerprint of what is live.
    pub live_fingerprint: LiveFingerprint,
    /// What it is.
    pub definition: Definition,
}

/// A fingerprint that was read, or that a script has the server work out at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveFingerprint {
    /// As read.
    Known(HexDigest),
    /// Not known yet.
    Later,
}

/// Writes the history's SQL.
pub struct Writer<'a> {
    /// The dialect's templates.
    pub renderer: &'a Renderer,
    /// The schema of the history tables, where the dialect has schemas.
    pub schema: &'a str,
}

/// The templates that make the history tables, in order; a dialect has those of them that it needs.
const CREATE: [&str; 3] = [
    "history_schema.sql",
    "history_migrations.sql",
    "history_objects.sql",
];

/// The template of a migration's row.
const INSERT_MIGRATION: &str = "history_insert_migration.sql";

impl Writer<'_> {
    /// The statements that make the history tables.
    pub fn create(&self) -> Result<Vec<String>, Error> {
        #[derive(Serialize)]
        struct Context<'a> {
            history_schema: &'a str,
        }
        let templates = CREATE
            .into_iter()
            .filter(|template| self.renderer.has(template));
        templates
            .map(|template| {
                self.renderer.render(
                    template,
                    Context {
                        history_schema: self.schema,
                    },
                )
            })
            .collect()
    }

    /// The statement that records a migration and, where the table has a place for it, a [`crate::rendering`].
    pub fn migration(
        &self,
        migration: &Migration,
        rendering: Option<&str>,
    ) -> Result<String, Error> {
        let up = migration.up.iter().map(String::as_str);
        let down = migration.down.iter().map(String::as_str);
        self.migration_of(migration, self.ways(up, down)?, rendering)
    }

    /// Whether what is recorded of these statements is better not made one text, and no template of the user's is to do it.
    pub fn is_long<'a>(&self, statements: impl Iterator<Item = &'a str>) -> bool {
        let length: usize = statements.map(str::len).sum();
        length >= LONG && !self.renderer.is_custom(INSERT_MIGRATION)
    }

    /// What is recorded of the statements of a migration: written out apart, since there may be many.
    pub fn ways<'a>(
        &self,
        up: impl Iterator<Item = &'a str>,
        down: impl Iterator<Item = &'a str>,
    ) -> Result<Ways, Error> {
        if self.renderer.is_custom(INSERT_MIGRATION) {
            return Ok(Ways(Form::Json(ways::array(up)?, ways::array(down)?)));
        }
        let dialect = self.renderer.dialect();
        Ok(Ways(Form::Literals(Literals {
            up: ways::literal(up, dialect)?,
            down: ways::literal(down, dialect)?,
        })))
    }

    /// The same as [`Writer::migration`], for a migration whose statements are elsewhere.
    pub fn migration_of(
        &self,
        migration: &Migration,
        ways: Ways,
        rendering: Option<&str>,
    ) -> Result<String, Error> {
        #[derive(Serialize)]
        struct Context<'a> {
            history_schema: &'a str,
            migration: &'a Migration,
            up: &'a str,
            down: &'a str,
            rendering: Option<&'a str>,
        }
        let render = |up: &str, down: &str| {
            let context = Context {
                history_schema: self.schema,
                migration,
                up,
                down,
                rendering,
            };
            self.renderer.render(INSERT_MIGRATION, context)
        };
        match ways.0 {
            Form::Literals(literals) => literals.put_into(self.renderer.dialect(), render),
            Form::Json(up, down) => render(&up, &down),
        }
    }

    /// The statement that writes the journal of a migration whose row is there.
    pub fn journal(&self, version: i64, journal: &str) -> Result<String, Error> {
        #[derive(Serialize)]
        struct Context<'a> {
            history_schema: &'a str,
            version: i64,
            journal: &'a str,
        }
        let history_schema = self.schema;
        self.renderer.render(
            "history_start.sql",
            Context {
                history_schema,
                version,
                journal,
            },
        )
    }

    /// The statement that ends a migration that was written down when it began.
    pub fn finish(&self, migration: &Migration) -> Result<String, Error> {
        #[derive(Serialize)]
        struct Context<'a> {
            history_schema: &'a str,
            migration: &'a Migration,
        }
        let history_schema = self.schema;
        self.renderer.render(
            "history_finish.sql",
            Context {
                history_schema,
                migration,
            },
        )
    }

    /// The statements that record objects as of `version`; each is rendered when it is asked for.
    pub fn objects<'a>(
        &'a self,
        version: i64,
        rows: &'a [Row],
    ) -> impl Iterator<Item = Result<String, Error>> + 'a {
        self.statements(version, rows.iter().cloned().map(Ok))
    }

    /// The same, each given to `run` while the next rows are made and rendered.
    pub fn each_of_objects(
        &self,
        version: i64,
        rows: impl ExactSizeIterator<Item = Result<Row, Error>> + Send,
        mut run: impl FnMut(String) -> Result<(), Error>,
    ) -> Result<(), Error> {
        thread::scope(|scope| {
            let mut rendered = self.ahead(scope, version, rows).into_iter();
            rendered.try_for_each(|sql| run(sql?))
        })
    }

    /// The same, rendered while whoever has begun it does something else: the statements, as they come.
    pub fn ahead<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        version: i64,
        rows: impl ExactSizeIterator<Item = Result<Row, Error>> + Send + 'scope,
    ) -> Receiver<Result<String, Error>> {
        // Few rows are rendered before anything is taken: then there must be room for a statement of each.
        let are_few = rows.len() <= ROWS_PER_STATEMENT;
        let room = if are_few {
            rows.len().max(1)
        } else {
            RENDERED_AHEAD
        };
        let (sender, rendered) = mpsc::sync_channel(room);
        let render = move || {
            for sql in self.statements(version, rows) {
                if sender.send(sql).is_err() {
                    // What was rendered before has failed.
                    return;
                }
            }
        };
        if are_few {
            render();
        } else {
            scope.spawn(render);
        }
        rendered
    }

    /// The statements for rows that are made when they are asked for; after an error there are no more.
    fn statements(
        &self,
        version: i64,
        rows: impl Iterator<Item = Result<Row, Error>>,
    ) -> impl Iterator<Item = Result<String, Error>> {
        let mut rows = rows.map(|row| row.and_then(Written::of)).fuse().peekable();
        std::iter::from_fn(move || {
            let (mut some, mut bytes) = (vec![], 0);
            while some.len() < ROWS_PER_STATEMENT
                && let Some(row) = rows.next_if(|next| {
                    let more = next.as_ref().map_or(0, Written::bytes);
                    some.is_empty() || bytes + more <= BYTES_PER_STATEMENT
                })
            {
                match row {
                    Ok(row) => {
                        bytes += row.bytes();
                        some.push(row);
                    }
                    Err(error) => return Some(Err(error)),
                }
            }
            (!some.is_empty()).then(|| self.some_objects(version, &some))
        })
    }

    fn some_objects(&self, version: i64, rows: &[Written]) -> Result<String, Error> {
        #[derive(Serialize)]
        struct Context<'a> {
            history_schema: &'a str,
            version: i64,
            rows: Vec<ContextRow<'a>>,
        }
        #[derive(Serialize)]
        struct ContextRow<'a> {
            kind: &'a str,
            schema: &'a str,
            table: &'a str,
            name: &'a str,
            rendered_digest: Option<&'a HexDigest>,
            live_fingerprint: Option<&'a HexDigest>,
            definition: Option<&'a str>,
            before: Option<&'a str>,
        }
        let rows = rows.iter().map(|written| {
            let id = &written.row.id;
            let present = written.row.present.as_ref();
            ContextRow {
                kind: id.kind(),
                schema: id.schema(),
                table: id.table().map_or("", |table| table.name.as_str()),
                name: id.name(),
                rendered_digest: present.map(|present| &present.rendered_digest),
                live_fingerprint: present.and_then(|present| match &present.live_fingerprint {
                    LiveFingerprint::Known(fingerprint) => Some(fingerprint),
                    LiveFingerprint::Later => None,
                }),
                definition: written.definition.as_deref(),
                before: written.before.as_deref(),
            }
        });
        let context = Context {
            history_schema: self.schema,
            version,
            rows: rows.collect(),
        };
        self.renderer.render("history_insert_objects.sql", context)
    }
}

/// A row, and its definitions as they are written down.
struct Written {
    row: Row,
    definition: Option<String>,
    before: Option<String>,
}

impl Written {
    fn of(row: Row) -> Result<Self, Error> {
        let json = |definition: Option<&Definition>| {
            serde_json::to_string(&definition)
                .map_err(|error| Error::failed(format!("{} cannot be recorded: {error}", row.id)))
        };
        let definition = row
            .present
            .as_ref()
            .map(|present| json(Some(&present.definition)));
        let before = row.before.as_ref().map(|before| json(before.as_ref()));
        Ok(Self {
            definition: definition.transpose()?,
            before: before.transpose()?,
            row,
        })
    }

    fn bytes(&self) -> usize {
        [&self.definition, &self.before]
            .into_iter()
            .flatten()
            .map(String::len)
            .sum()
    }
}
