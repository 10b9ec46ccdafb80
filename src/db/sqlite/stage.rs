//! Tests on SQLite: a copy of the schema in memory, made by its own statements, so that rows can go in. Each test is a
//! transaction that is rolled back.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex};

use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::functions::FunctionFlags;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection};

use super::names::quoted;
use super::{Options, Sqlite, create, errors, open};
use crate::db::Intent;
use crate::db::stage::{
    Cell, Closed, Failure, Rows, Scratch, Setup, Snapshot, Source, Stage as StageTrait, Trouble,
};
use crate::dialect::sqlite::Sqlite as DIALECT;
use crate::error::{Error, Kind, SourceFile};
use crate::model::ObjectId;
use crate::spec::TableRef;
use crate::sql::{SQLITE, tokens};
use crate::testing::case::statements;

/// The function that a marked trigger calls.
const MARK: &str = "triggerctl_fired";

/// What a copy of a schema is made by.
pub struct Blueprint {
    encoding: String,
    statements: Vec<Statement>,
    script: Option<Arc<SourceFile>>,
}

struct Statement {
    name: String,
    sql: String,
}

impl Blueprint {
    /// From a database, or from a script.
    pub fn new(live: &Options<'_>, source: Source<'_>) -> Result<Self, Error> {
        let without = match source {
            Source::Script(script) => {
                return Ok(Self {
                    encoding: "UTF-8".to_owned(),
                    statements: vec![],
                    script: Some(Arc::new(SourceFile {
                        name: script.name.clone(),
                        text: script.text.clone(),
                    })),
                });
            }
            Source::Copy(without) => without,
        };
        let live = open(live)?;
        read(&live.connection, without).map_err(|error| errors::cannot("read the schema", &error))
    }
}

/// Everything of the schema but what SQLite makes by itself, in an order in which it can be made again.
fn read(live: &Connection, without: &BTreeSet<ObjectId>) -> rusqlite::Result<Blueprint> {
    let gone: HashSet<String> = without
        .iter()
        .map(|id| id.name().to_ascii_lowercase())
        .collect();
    let shadows: HashSet<String> = live
        .prepare("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow'")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut statement = live.prepare(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema
         WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
         ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 WHEN 'view' THEN 2 ELSE 3 END, rowid",
    )?;
    let mut rows = statement.query([])?;
    let mut statements = vec![];
    while let Some(row) = rows.next()? {
        let kind: String = row.get(0)?;
        let name: String = row.get(1)?;
        let table: String = row.get(2)?;
        let of_history = table.eq_ignore_ascii_case("triggerctl_migrations")
            || table.eq_ignore_ascii_case("triggerctl_objects");
        if of_history
            || shadows.contains(&table)
            || (kind == "trigger" && gone.contains(&name.to_ascii_lowercase()))
        {
            continue;
        }
        statements.push(Statement {
            name: format!("{kind} {name}"),
            sql: row.get(3)?,
        });
    }
    Ok(Blueprint {
        encoding: live.pragma_query_value(None, "encoding", |row| row.get(0))?,
        statements,
        script: None,
    })
}

impl crate::db::stage::Blueprint for Blueprint {
    fn build(&self) -> Result<Scratch, Error> {
        let failed = |error: rusqlite::Error| errors::cannot("make a database in memory", &error);
        let mut connection = Connection::open_in_memory().map_err(failed)?;
        connection
            .pragma_update(None, "encoding", &self.encoding)
            .map_err(failed)?;
        connection
            .collation_needed(super::check::stand_in_for_collation)
            .map_err(failed)?;
        if let Some(script) = &self.script {
            create::run_script(&mut connection, script)?;
        }
        open::prepare(&connection, Intent::Write).map_err(failed)?;
        connection.execute_batch("BEGIN").map_err(failed)?;
        for statement in &self.statements {
            build_one(&connection, statement)?;
        }
        connection.execute_batch("COMMIT").map_err(failed)?;
        Ok(Scratch {
            database: Box::new(Sqlite::new(connection, None, Intent::Write)),
            guard: None,
        })
    }
}

/// Functions that only the application has are stood in for by ones that say so when they are called.
fn build_one(connection: &Connection, statement: &Statement) -> Result<(), Error> {
    let mut tried: HashSet<String> = HashSet::new();
    loop {
        let Err(error) = connection.execute(&statement.sql, []) else {
            return Ok(());
        };
        let words = errors::words(&error);
        if let Some(function) = super::check::unknown_function(&words)
            && tried.insert(function.clone())
            && stand_in(connection, &function).is_ok()
        {
            continue;
        }
        return Err(Error::failed(format!(
            "the copy in memory cannot have the {}: {words}",
            statement.name
        ))
        .help("name a script of the schema with `test_schema` in `[database]`, or `--schema-file`"));
    }
}

fn stand_in(connection: &Connection, name: &str) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    let message = format!("the function `{name}` is the application's: tests do not have it");
    connection.create_scalar_function(name, -1, flags, move |_| -> rusqlite::Result<Option<i64>> {
        Err(rusqlite::Error::UserFunctionError(message.clone().into()))
    })
}

/// Flags of a connection that a test can set and that no rollback sets back.
const FLAGS: [&str; 4] = [
    "foreign_keys",
    "recursive_triggers",
    "ignore_check_constraints",
    "reverse_unordered_selects",
];

struct Stage {
    connection: Connection,
    marks: Arc<Mutex<BTreeSet<usize>>>,
    unmarked: Option<String>,
    /// Nothing has been done in this test yet.
    fresh: bool,
    /// A PRAGMA was among its statements.
    flagged: bool,
}

/// Put the triggers in place.
pub(super) fn set(mut connection: Connection, setup: Setup) -> Result<Box<dyn StageTrait>, Error> {
    super::migrate::begin(&connection, super::LOCK_TIMEOUT)?;
    super::migrate::run(&connection, &setup.statements, &mut |_| ())?;
    super::migrate::commit(&connection, super::LOCK_TIMEOUT)?;
    let marks = Arc::new(Mutex::new(BTreeSet::new()));
    let unmarked = mark(&connection, &setup, &marks)
        .err()
        .map(|error| format!("the triggers could not be marked: {}", errors::words(&error)));
    let failed = |error: rusqlite::Error| errors::cannot("set up the tests", &error);
    connection
        .authorizer(Some(|context: AuthContext<'_>| match context.action {
            // VACUUM attaches a nameless file for the time being.
            AuthAction::Attach { filename } if !filename.is_empty() => Authorization::Deny,
            _ => Authorization::Allow,
        }))
        .map_err(failed)?;
    Ok(Box::new(Stage {
        connection,
        marks,
        unmarked,
        fresh: false,
        flagged: false,
    }))
}

/// Let every trigger say when it fires. Its text is changed where it stands, since making it anew would move it in the
/// order of firing.
fn mark(
    connection: &Connection,
    setup: &Setup,
    marks: &Arc<Mutex<BTreeSet<usize>>>,
) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    let fired = Arc::clone(marks);
    let firings: Vec<Vec<usize>> = setup
        .marked
        .iter()
        .map(|marked| marked.firings.clone())
        .collect();
    connection.create_scalar_function(MARK, 1, flags, move |context| {
        let number: i64 = context.get(0)?;
        let firings = usize::try_from(number).ok().and_then(|at| firings.get(at));
        if let (Some(firings), Ok(mut fired)) = (firings, fired.lock()) {
            fired.extend(firings);
        }
        Ok(Option::<i64>::None)
    })?;
    connection.execute_batch("PRAGMA writable_schema = ON; BEGIN")?;
    let changed = change_texts(connection, setup);
    connection.execute_batch(if changed.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    connection.execute_batch("PRAGMA writable_schema = OFF")?;
    // As it was before, SQLite reads it again.
    connection
        .prepare("SELECT 1 FROM sqlite_schema LIMIT 1")?
        .exists([])?;
    changed
}

fn change_texts(connection: &Connection, setup: &Setup) -> rusqlite::Result<()> {
    {
        let mut update = connection
            .prepare("UPDATE sqlite_schema SET sql = ?1 WHERE type = 'trigger' AND name = ?2 COLLATE nocase")?;
        for marked in &setup.marked {
            for sql in &marked.create {
                update.execute([sql.as_str(), marked.object.name()])?;
            }
        }
    }
    let version: i64 = connection.pragma_query_value(None, "schema_version", |row| row.get(0))?;
    connection.pragma_update(None, "schema_version", version + 1)?;
    connection
        .prepare("SELECT 1 FROM sqlite_schema LIMIT 1")?
        .exists([])
        .map(drop)
}

impl Stage {
    fn fatal(error: &rusqlite::Error) -> Error {
        errors::cannot("run the test", error)
    }

    fn batch(&self, sql: &str) -> Result<(), Error> {
        self.connection
            .execute_batch(sql)
            .map_err(|error| Self::fatal(&error))
    }

    /// What SQLite said; `nth` is the statement that failed.
    fn trouble(sql: &str, nth: Option<usize>, error: &rusqlite::Error) -> Trouble {
        if errors::kind(error) == Kind::Interrupted {
            return Trouble::Fatal(Error::new(Kind::Interrupted, "interrupted"));
        }
        let at = match error {
            // The statement is given with all that follows it, so its place is known from the end.
            rusqlite::Error::SqlInputError { sql: rest, offset, .. } => {
                let start = sql.len().saturating_sub(rest.len());
                usize::try_from(*offset).ok().map(|offset| start + offset)
            }
            _ => None,
        };
        let token = at.and_then(|at| {
            tokens(sql, &SQLITE)
                .find(|token| !token.is_blank() && token.range.end > at)
                .map(|token| token.range)
        });
        let mut notes = vec![];
        if errors::primary_code(error) == Some(rusqlite::ffi::SQLITE_AUTH) {
            notes.push("a test may not attach, or write, another database file".to_owned());
        }
        Trouble::Sql(Failure {
            message: errors::words(error),
            sqlstate: None,
            range: token.or_else(|| nth.and_then(|nth| statements(sql, &DIALECT).get(nth).cloned())),
            notes,
        })
    }

    /// `PRAGMA foreign_keys` does nothing within a transaction. At the beginning of a test it comes before it.
    fn before_all(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.execute_batch("ROLLBACK")?;
        let ran = self.connection.execute_batch(sql);
        self.connection.execute_batch("BEGIN")?;
        ran
    }

    fn rows(&self, sql: &str) -> rusqlite::Result<Rows> {
        let mut statement = self.connection.prepare(sql)?;
        let columns: Vec<String> = statement
            .column_names()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let mut found = statement.query([])?;
        let mut rows = vec![];
        while let Some(row) = found.next()? {
            let cells = (0..columns.len())
                .map(|at| row.get_ref(at).map(cell))
                .collect::<rusqlite::Result<_>>()?;
            rows.push(cells);
        }
        Ok(Rows { columns, rows })
    }

    fn table(&self, table: &str) -> rusqlite::Result<Snapshot> {
        let name = quoted(table);
        let mut key = vec![];
        let mut statement = self
            .connection
            .prepare("SELECT cid, pk FROM pragma_table_info(?1, 'main') ORDER BY cid")?;
        let mut rows = statement.query([table])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            if row.get::<_, i64>(1)? > 0 {
                key.push(count);
            }
            count += 1;
        }
        if key.is_empty()
            && let Ok(mut found) = self.rows(&format!("SELECT *, _rowid_ FROM main.{name}"))
        {
            // An ordinary table without a key: its rows keep their numbers.
            let shown = found.columns.len().saturating_sub(1);
            found.columns.truncate(shown);
            return Ok(Snapshot {
                rows: found,
                key: vec![shown],
                shown,
            });
        }
        let found = self.rows(&format!("SELECT * FROM main.{name}"))?;
        Ok(Snapshot {
            shown: found.columns.len(),
            rows: found,
            key,
        })
    }
}

fn is_foreign_keys(sql: &str) -> bool {
    tokens(sql, &SQLITE)
        .filter(|token| !token.is_blank())
        .nth(1)
        .is_some_and(|token| token.is_word(sql, "foreign_keys"))
}

/// Run a statement to its end, whatever it gives.
fn drain(statement: &mut rusqlite::Statement<'_>) -> rusqlite::Result<()> {
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Integer(number.into()),
        ValueRef::Real(number) => Cell::Float(number),
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Cell::Blob(bytes.to_vec()),
    }
}

impl StageTrait for Stage {
    fn open(&mut self) -> Result<(), Error> {
        if let Ok(mut marks) = self.marks.lock() {
            marks.clear();
        }
        self.batch("BEGIN")?;
        (self.fresh, self.flagged) = (true, false);
        Ok(())
    }

    fn run(&mut self, sql: &str) -> Result<(), Trouble> {
        let mut batch = Batch::new(&self.connection, sql);
        let mut nth = 0;
        loop {
            let mut statement = match batch.next() {
                Ok(Some(statement)) => statement,
                Ok(None) => return Ok(()),
                Err(error) => return Err(Self::trouble(sql, Some(nth), &error)),
            };
            let text = statement.expanded_sql().unwrap_or_default();
            let is_pragma = tokens(&text, &SQLITE)
                .find(|token| !token.is_blank())
                .is_some_and(|token| token.is_word(&text, "pragma"));
            self.flagged |= is_pragma;
            let ran = if self.fresh && is_pragma && is_foreign_keys(&text) {
                statement.finalize().and_then(|()| self.before_all(&text))
            } else {
                self.fresh &= is_pragma;
                drain(&mut statement)
            };
            if let Err(error) = ran {
                return Err(Self::trouble(sql, Some(nth), &error));
            }
            nth += 1;
        }
    }

    fn remember(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn recover(&mut self) -> Result<(), Error> {
        // RAISE(ROLLBACK) has ended the transaction; what is looked at afterwards is in one again.
        if self.connection.is_autocommit() {
            self.batch("BEGIN")?;
        }
        Ok(())
    }

    fn query(&mut self, sql: &str) -> Result<Rows, Trouble> {
        self.rows(sql)
            .map_err(|error| Self::trouble(sql, Some(0), &error))
    }

    fn snapshot(&mut self, table: &TableRef) -> Result<Snapshot, Trouble> {
        self.table(&table.name)
            .map_err(|error| Self::trouble("", None, &error))
    }

    fn close(&mut self) -> Result<Closed, Error> {
        if !self.connection.is_autocommit() {
            self.batch("ROLLBACK")?;
        }
        if self.flagged {
            for flag in FLAGS {
                self.connection
                    .pragma_update(None, flag, false)
                    .map_err(|error| Self::fatal(&error))?;
            }
        }
        let fired = match self.marks.lock() {
            Ok(mut marks) => std::mem::take(&mut *marks),
            Err(_) => BTreeSet::new(),
        };
        Ok(Closed {
            fired,
            spoiled: false,
        })
    }

    fn marks(&self) -> Result<(), String> {
        match &self.unmarked {
            Some(reason) => Err(reason.clone()),
            None => Ok(()),
        }
    }
}
