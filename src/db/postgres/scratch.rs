//! Scratch databases on PostgreSQL: made beside the live one, from its schema as `pg_dump` gives it, or from a script.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::process::Command;
use std::sync::Arc;

use postgres::error::{ErrorPosition, SqlState};

use super::error::{plain, words};
use super::{Postgres, connect, get, identifier};
use crate::db::stage::{Leftover, SCRATCH_PREFIX, Scratch, Source, scratch_name};
use crate::db::url::PostgresUrl;
use crate::error::{Diagnostic, Error, Kind, SourceFile, Span};
use crate::model::ObjectId;

/// How to make scratch databases.
pub struct Blueprint {
    url: PostgresUrl,
    history_schema: String,
    schema: Arc<SourceFile>,
    /// Statements that take away what the spec decides about, one by one; one that something needs stays.
    without: Vec<String>,
}

impl Blueprint {
    /// From the database that the URL names, or from a script.
    pub fn new(url: &PostgresUrl, history_schema: &str, source: Source<'_>) -> Result<Self, Error> {
        let (schema, without) = match source {
            Source::Script(script) => {
                let script = SourceFile {
                    name: script.name.clone(),
                    text: script.text.clone(),
                };
                (script, vec![])
            }
            Source::Copy(without) => (dump(url, history_schema)?, drops(without)),
        };
        Ok(Self {
            url: url.clone(),
            history_schema: history_schema.to_owned(),
            schema: Arc::new(schema),
            without,
        })
    }

    /// Run the schema's statements; psql's own commands that `pg_dump` writes are left out.
    fn fill(&self, client: &mut postgres::Client, major: u32) -> Result<(), Error> {
        let foreign = |line: &str| {
            line.starts_with("\\restrict ")
                || line.starts_with("\\unrestrict ")
                // A newer pg_dump writes it, and psql goes on after the error.
                || (major < 17 && line == "SET transaction_timeout = 0;")
        };
        // Blanked, not removed: places stay what they are.
        let text: String = self
            .schema
            .text
            .split_inclusive('\n')
            .map(|line| {
                if foreign(line.trim_end()) {
                    " ".repeat(line.chars().count().saturating_sub(1)) + "\n"
                } else {
                    line.to_owned()
                }
            })
            .collect();
        client
            .batch_execute(&text)
            .map_err(|failure| self.broken(&failure))
    }

    fn broken(&self, failure: &postgres::Error) -> Error {
        let mut diagnostic = Diagnostic::new(format!(
            "the scratch database cannot be made: `{}` fails",
            self.schema.name
        ))
        .note(words(failure));
        if let Some(ErrorPosition::Original(position)) =
            failure.as_db_error().and_then(|answer| answer.position())
            && let Some((at, _)) = usize::try_from(*position)
                .ok()
                .and_then(|position| position.checked_sub(1))
                .and_then(|position| self.schema.text.char_indices().nth(position))
        {
            diagnostic = diagnostic.at(&Span {
                file: Arc::clone(&self.schema),
                range: at..at,
            });
        }
        diagnostic
            .help("it must be plain SQL that this role may run: no commands of psql, no `COPY … FROM stdin`")
            .help("`--schema-file`, or `test_schema` in `[database]`, names another script")
            .into()
    }
}

/// The schema of the live database, by PostgreSQL's own tool. It reads the URL as libpq does; a password goes by the
/// environment, where nobody else sees it.
fn dump(url: &PostgresUrl, history_schema: &str) -> Result<SourceFile, Error> {
    let mut command = Command::new("pg_dump");
    command
        .args([
            "--schema-only",
            "--no-owner",
            "--no-privileges",
            "--no-tablespaces",
            "--no-publications",
            "--no-subscriptions",
            "--no-security-labels",
            "--no-password",
        ])
        .arg(format!("--exclude-schema={}", identifier(history_schema)))
        .arg(format!("--dbname={}", url.display()));
    if let Some(password) = url.get("password") {
        command.env("PGPASSWORD", password);
    }
    let way_out =
        "name a script of the schema: `--schema-file FILE`, or `test_schema` in `[database]`";
    let output = command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::failed(
            "the schema cannot be copied: `pg_dump` is not installed, or not on the PATH",
        )
        .help(format!(
            "install PostgreSQL's client programs, or {way_out}"
        )),
        _ => Error::failed(format!("`pg_dump` cannot be run: {error}")).help(way_out),
    })?;
    if !output.status.success() {
        if crate::signal::came() {
            return Err(Error::new(Kind::Interrupted, "interrupted"));
        }
        let mut error = Error::failed("the schema cannot be copied: `pg_dump` fails");
        for line in String::from_utf8_lossy(&output.stderr).lines().take(10) {
            error = error.note(line);
        }
        return Err(error.help(way_out));
    }
    Ok(SourceFile {
        name: "<pg_dump --schema-only>".to_owned(),
        text: String::from_utf8_lossy(&output.stdout).into_owned(),
    })
}

/// Triggers before the functions that they call.
fn drops(without: &BTreeSet<ObjectId>) -> Vec<String> {
    let (functions, triggers): (Vec<_>, Vec<_>) = without
        .iter()
        .partition(|id| matches!(id, ObjectId::Function(_)));
    let triggers = triggers.into_iter().filter_map(|id| {
        let table = id.table()?;
        Some(format!(
            "DROP TRIGGER IF EXISTS {} ON {}.{}",
            identifier(id.name()),
            identifier(&table.schema),
            identifier(&table.name)
        ))
    });
    let functions = functions.into_iter().map(|id| {
        format!(
            "DROP FUNCTION IF EXISTS {}.{}()",
            identifier(id.schema()),
            identifier(id.name())
        )
    });
    triggers.chain(functions).collect()
}

/// Takes the database away at the end.
struct Guard {
    name: String,
    client: postgres::Client,
    major: u32,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Our own connection to it may take a moment to go.
        let force = if self.major >= 13 {
            " WITH (FORCE)"
        } else {
            ""
        };
        let name = identifier(&self.name);
        for attempt in 0..50 {
            let sql = format!("DROP DATABASE IF EXISTS {name}{force}");
            let Err(failure) = self.client.batch_execute(&sql) else {
                return;
            };
            let in_use = failure.code() == Some(&SqlState::OBJECT_IN_USE);
            if !in_use || attempt == 49 {
                log::warn!(
                    "the scratch database `{}` is left behind: {}; `triggerctl test --clean` removes it",
                    self.name,
                    words(&failure)
                );
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

impl crate::db::stage::Blueprint for Blueprint {
    fn build(&self) -> Result<Scratch, Error> {
        let connection = connect::connect(&self.url)?;
        let major = connection.server_version_num / 10_000;
        let mut client = connection.client;
        let failed = |failure: postgres::Error| plain(&failure, "create a scratch database");
        let row = client
            .query_typed_one(
                "SELECT pg_catalog.floor(extract(epoch FROM pg_catalog.now()))::pg_catalog.int8, \
                        pg_catalog.pg_encoding_to_char(d.encoding)::pg_catalog.text, d.datcollate::pg_catalog.text, d.datctype::pg_catalog.text \
                 FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()",
                &[],
            )
            .map_err(failed)?;
        let now: i64 = get(&row, 0)?;
        let text = |at: usize| -> Result<String, Error> {
            let text: String = get(&row, at)?;
            Ok(format!("'{}'", text.replace('\'', "''")))
        };
        let name = scratch_name(u64::try_from(now).unwrap_or_default());
        client
            .batch_execute(&format!(
                "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
                identifier(&name),
                text(1)?,
                text(2)?,
                text(3)?
            ))
            .map_err(|failure| {
                let error = failed(failure);
                error.help("the role needs CREATEDB")
            })?;
        let guard = Guard {
            name: name.clone(),
            client,
            major,
        };
        let mut url = self.url.clone();
        url.set("dbname", name);
        // What a dump sets for its session must not reach the tests.
        let mut filling = connect::connect(&url)?.client;
        self.fill(&mut filling, major)?;
        for sql in &self.without {
            if let Err(failure) = filling.batch_execute(sql) {
                log::debug!("{sql}: {}", words(&failure));
            }
        }
        drop(filling);
        Ok(Scratch {
            database: Box::new(Postgres::open(&url, self.history_schema.clone())?),
            guard: Some(Box::new(guard)),
        })
    }
}

impl Postgres {
    /// See [`crate::db::Database::leftovers`].
    pub(super) fn find_leftovers(&mut self) -> Result<Vec<Leftover>, Error> {
        let rows = self.read(
            "look for scratch databases",
            "SELECT d.datname::pg_catalog.text, pg_catalog.floor(extract(epoch FROM pg_catalog.now()))::pg_catalog.int8 \
             FROM pg_catalog.pg_database AS d WHERE pg_catalog.starts_with(d.datname::pg_catalog.text, $1) \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS a WHERE a.datname = d.datname) ORDER BY 1",
            &[(&SCRATCH_PREFIX, postgres::types::Type::TEXT)],
        )?;
        let mut found = vec![];
        for row in &rows {
            let name: String = get(row, 0)?;
            let now: i64 = get(row, 1)?;
            found.extend(Leftover::of(&name, u64::try_from(now).unwrap_or_default()));
        }
        Ok(found)
    }

    /// See [`crate::db::Database::remove_leftover`]. Without FORCE: the server refuses where somebody is connected.
    pub(super) fn drop_scratch(&mut self, name: &str) -> Result<bool, Error> {
        let sql = format!("DROP DATABASE IF EXISTS {}", identifier(name));
        match self.client.batch_execute(&sql) {
            Ok(()) => Ok(true),
            Err(failure) if failure.code() == Some(&SqlState::OBJECT_IN_USE) => Ok(false),
            Err(failure) => Err(self.error(&failure, &format!("drop the database `{name}`"))),
        }
    }
}
