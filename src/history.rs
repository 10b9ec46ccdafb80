//! What is written down about a migration: its row in `migrations` and, for every object that it touched, a row in
//! `objects`. Both are append-only. All of it is SQL from templates, so that a script for a DBA records the same.

mod ways;

use std::sync::mpsc::{self, Receiver};
use std::thread::{self, Scope};

use serde::Serialize;

use crate::db::{Database, Migration, ObjectRow, RowForm, Statement};
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

/// So many statements, or as many rows in another form, may lie ready before the database has taken them.
const WRITTEN_AHEAD: usize = 4;

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

/// A statement with a long text in it. As a parameter, the server takes that as it is, where it would look at each character of
/// a literal: that is most of its work.
pub struct Filled {
    sql: String,
    /// What is in the place of `?`, if it is not in the statement.
    text: Option<String>,
}

impl Filled {
    /// Run it.
    pub fn run(self, database: &mut dyn Database) -> Result<(), Error> {
        let statement = Statement {
            sql: self.sql,
            object: None,
        };
        match self.text {
            None => database.run(&[statement], &mut |_| ()),
            Some(text) => database.run_filled(&statement, text),
        }
    }
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

/// The template of objects' rows.
const INSERT_OBJECTS: &str = "history_insert_objects.sql";

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

    /// What writes the journal of a migration whose row is there.
    pub fn journal(&self, version: i64, journal: String) -> Result<Filled, Error> {
        #[derive(Serialize)]
        struct Context<'a> {
            history_schema: &'a str,
            version: i64,
            journal: &'a str,
        }
        let history_schema = self.schema;
        let render = |journal: &str| {
            let context = Context {
                history_schema,
                version,
                journal,
            };
            self.renderer.render("history_start.sql", context)
        };
        if self.renderer.is_custom("history_start.sql") {
            return Ok(Filled {
                sql: render(&journal)?,
                text: None,
            });
        }
        let stand_in = "the journal";
        let literal = self.renderer.dialect().quote_literal(stand_in);
        Ok(Filled {
            sql: render(stand_in)?.replace(&literal, "?"),
            text: Some(journal),
        })
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
        rows.chunks(ROWS_PER_STATEMENT)
            .flat_map(move |rows| each(self.some_objects(version, rows)))
    }

    /// The same, each given to `run` while the next rows are made and rendered.
    pub fn each_of_objects(
        &self,
        version: i64,
        rows: impl ExactSizeIterator<Item = Result<Row, Error>> + Send,
        mut run: impl FnMut(String) -> Result<(), Error>,
    ) -> Result<(), Error> {
        thread::scope(|scope| {
            let mut rendered = self.ahead(scope, version, rows, None).pieces.into_iter();
            rendered.try_for_each(|sql| run(sql?))
        })
    }

    /// How the engine copies rows that this writer would write in the same words.
    pub fn copied_by(&self, database: &mut dyn Database) -> Option<RowForm> {
        if self.renderer.is_custom(INSERT_OBJECTS) {
            return None;
        }
        database.copier().map(|copier| copier.form())
    }

    /// Rows, written out while whoever has begun it does something else: many of them in the engine's own form, where there is
    /// one, and else as statements.
    pub fn ahead<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        version: i64,
        rows: impl ExactSizeIterator<Item = Result<Row, Error>> + Send + 'scope,
        form: Option<RowForm>,
    ) -> Ahead {
        // Few rows are written out before anything is taken: then there must be room for a statement of each.
        let are_few = rows.len() <= ROWS_PER_STATEMENT;
        let room = if are_few {
            rows.len().max(1)
        } else {
            WRITTEN_AHEAD
        };
        let (sender, pieces) = mpsc::sync_channel(room);
        let form = form.filter(|_| !are_few);
        let write = move || {
            for piece in self.pieces(version, rows, form) {
                if sender.send(piece).is_err() {
                    // What was written before has failed.
                    return;
                }
            }
        };
        if are_few {
            write();
        } else {
            scope.spawn(write);
        }
        Ahead {
            pieces,
            are_statements: form.is_none(),
        }
    }

    /// The pieces for rows that are made when they are asked for; after an error there are no more.
    fn pieces(
        &self,
        version: i64,
        rows: impl Iterator<Item = Result<Row, Error>>,
        form: Option<RowForm>,
    ) -> impl Iterator<Item = Result<String, Error>> {
        let mut rows = rows.fuse();
        let some = std::iter::from_fn(move || {
            let some: Result<Vec<Row>, Error> = rows.by_ref().take(ROWS_PER_STATEMENT).collect();
            match (some, form) {
                (Ok(some), _) if some.is_empty() => None,
                (Ok(some), None) => Some(self.some_objects(version, &some)),
                (Ok(some), Some(form)) => {
                    Some(written(version, &some, form).map(|text| vec![text]))
                }
                (Err(error), _) => Some(Err(error)),
            }
        });
        some.flat_map(each)
    }

    /// The statements for some rows: one, unless that would be too long for a server.
    fn some_objects(&self, version: i64, rows: &[Row]) -> Result<Vec<String>, Error> {
        #[derive(Serialize)]
        struct Context<'a> {
            history_schema: &'a str,
            version: i64,
            rows: Vec<ObjectRow<'a>>,
        }
        let render = |rows| {
            let context = Context {
                history_schema: self.schema,
                version,
                rows,
            };
            self.renderer.render(INSERT_OBJECTS, context)
        };
        let (mut statements, mut some, mut bytes) = (vec![], vec![], 0);
        for row in rows {
            let row = row.columns(version, self.renderer.home())?;
            let texts = [&row.definition, &row.before].into_iter().flatten();
            let more: usize = texts.map(String::len).sum();
            if bytes + more > BYTES_PER_STATEMENT && !some.is_empty() {
                statements.push(render(std::mem::take(&mut some))?);
                bytes = 0;
            }
            bytes += more;
            some.push(row);
        }
        if !some.is_empty() {
            statements.push(render(some)?);
        }
        Ok(statements)
    }
}

/// One after the other, or the error.
fn each(made: Result<Vec<String>, Error>) -> impl Iterator<Item = Result<String, Error>> {
    let (made, error) = match made {
        Ok(made) => (made, None),
        Err(error) => (vec![], Some(Err(error))),
    };
    made.into_iter().map(Ok).chain(error)
}

/// Rows that are being written out.
pub struct Ahead {
    /// As they come.
    pieces: Receiver<Result<String, Error>>,
    /// Else they are for the engine's [`crate::db::Copier`].
    are_statements: bool,
}

impl Ahead {
    /// Write them down, as part of the migration that is open.
    pub fn record(self, database: &mut dyn Database) -> Result<(), Error> {
        let mut pieces = self.pieces.into_iter();
        match database.copier() {
            Some(copier) if !self.are_statements => copier.copy(&mut pieces),
            _ => pieces.try_for_each(|sql| {
                let statement = Statement {
                    sql: sql?,
                    object: None,
                };
                database.run(&[statement], &mut |_| ())
            }),
        }
    }
}

/// Rows in a form of the engine's.
fn written(version: i64, rows: &[Row], form: RowForm) -> Result<String, Error> {
    let mut text = String::new();
    for row in rows {
        form(&row.columns(version, None)?, &mut text);
    }
    Ok(text)
}

impl Row {
    /// Its columns; what is at home has no schema.
    fn columns(&self, version: i64, home: Option<&str>) -> Result<ObjectRow<'_>, Error> {
        let Self {
            id,
            present,
            before,
        } = self;
        let json = |definition: Option<&Definition>| {
            serde_json::to_string(&definition)
                .map_err(|error| Error::failed(format!("{id} cannot be recorded: {error}")))
        };
        let (mut known, mut digest, mut definition) = (None, None, None);
        if let Some(present) = present {
            known = match &present.live_fingerprint {
                LiveFingerprint::Known(fingerprint) => Some(fingerprint),
                LiveFingerprint::Later => None,
            };
            digest = Some(&present.rendered_digest);
            definition = Some(json(Some(&present.definition))?);
        }
        Ok(ObjectRow {
            kind: id.kind(),
            schema: Some(id.schema())
                .filter(|schema| Some(*schema) != home)
                .unwrap_or_default(),
            table: id.table().map_or("", |table| table.name.as_str()),
            name: id.name(),
            version,
            rendered_digest: digest,
            live_fingerprint: known,
            definition,
            before: before
                .as_ref()
                .map(|before| json(before.as_ref()))
                .transpose()?,
        })
    }
}
