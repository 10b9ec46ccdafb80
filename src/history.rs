//! What is written down about a migration: its row in `migrations` and, for every object that it touched, a row in
//! `objects`. Both are append-only. All of it is SQL from templates, so that a script for a DBA records the same.

use serde::Serialize;

use crate::db::Migration;
use crate::error::Error;
use crate::model::{Definition, ObjectId};
use crate::render::Renderer;

/// Rows in one INSERT: few round trips, and no statement grows beyond reason.
const ROWS_PER_STATEMENT: usize = 200;

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
    pub rendered_digest: String,
    /// Fingerprint of what is live.
    pub live_fingerprint: LiveFingerprint,
    /// What it is.
    pub definition: Definition,
}

/// A fingerprint that was read, or that a script has the server work out at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveFingerprint {
    /// As read.
    Known(String),
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

    /// The statement that records a migration.
    pub fn migration(&self, migration: &Migration) -> Result<String, Error> {
        #[derive(Serialize)]
        struct Context<'a> {
            history_schema: &'a str,
            migration: &'a Migration,
            up: String,
            down: String,
        }
        let json = |statements: &[String]| {
            serde_json::to_string(statements)
                .map_err(|error| Error::failed(format!("cannot be recorded: {error}")))
        };
        let context = Context {
            history_schema: self.schema,
            migration,
            up: json(&migration.up)?,
            down: json(&migration.down)?,
        };
        self.renderer
            .render("history_insert_migration.sql", context)
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
        rows.chunks(ROWS_PER_STATEMENT)
            .map(move |rows| self.some_objects(version, rows))
    }

    fn some_objects(&self, version: i64, rows: &[Row]) -> Result<String, Error> {
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
            rendered_digest: Option<&'a str>,
            live_fingerprint: Option<&'a str>,
            definition: Option<String>,
            before: Option<String>,
        }
        let json = |id: &ObjectId, definition: Option<&Definition>| {
            serde_json::to_string(&definition)
                .map_err(|error| Error::failed(format!("{id} cannot be recorded: {error}")))
        };
        let mut context = Context {
            history_schema: self.schema,
            version,
            rows: vec![],
        };
        for Row {
            id,
            present,
            before,
        } in rows
        {
            let mut row = ContextRow {
                kind: id.kind(),
                schema: id.schema(),
                table: id.table().map_or("", |table| table.name.as_str()),
                name: id.name(),
                rendered_digest: None,
                live_fingerprint: None,
                definition: None,
                before: before
                    .as_ref()
                    .map(|before| json(id, before.as_ref()))
                    .transpose()?,
            };
            if let Some(Present {
                rendered_digest,
                live_fingerprint,
                definition,
            }) = present
            {
                row.rendered_digest = Some(rendered_digest);
                row.live_fingerprint = match live_fingerprint {
                    LiveFingerprint::Known(fingerprint) => Some(fingerprint),
                    LiveFingerprint::Later => None,
                };
                row.definition = Some(json(id, Some(definition))?);
            }
            context.rows.push(row);
        }
        self.renderer.render("history_insert_objects.sql", context)
    }
}
