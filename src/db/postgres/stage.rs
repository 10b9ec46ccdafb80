//! Tests on PostgreSQL: one transaction that is never committed, and a savepoint for each test.
//!
//! A COMMIT in a test is refused before anything runs. Should one get through all the same (out of a text that the
//! server reads otherwise than we do), a trap makes it fail: two temporary tables that the server refuses to commit.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use postgres::SimpleQueryMessage;
use postgres::error::ErrorPosition;
use postgres::types::{Kind as TypeKind, Type};

use super::error::{Cause, circumstances};
use super::transaction::READING;
use super::{Postgres, get, identifier};
use crate::db::Statement;
use crate::db::stage::{
    Cell, Closed, Failure, Rows, Setup, Snapshot, Stage as StageTrait, Trouble,
};
use crate::dialect::postgres::Postgres as DIALECT;
use crate::error::{Error, Kind};
use crate::spec::TableRef;
use crate::sql::{POSTGRES, tokens};
use crate::testing::case::statements;

/// Rows of a table that are looked at for `expect_changes`: the database may hold more than a test is made for.
const MOST_ROWS: usize = 100_000;

/// What holds for the transaction. Values come as text, in a form that does not depend on the role's settings.
const SETTINGS: &str = "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '60s'";

/// COMMIT would have to empty a table that another one, which is to keep its rows, refers to: the server refuses.
const TRAP: &str = "CREATE TEMPORARY TABLE \"triggerctl trap\" (x integer PRIMARY KEY) ON COMMIT DELETE ROWS; \
    CREATE TEMPORARY TABLE \"triggerctl bait\" (x integer REFERENCES pg_temp.\"triggerctl trap\") ON COMMIT PRESERVE ROWS";

/// What undoes a test. Locks of the session are no part of the transaction.
const CLOSE: &str = "ROLLBACK TO SAVEPOINT triggerctl_test; RELEASE SAVEPOINT triggerctl_test";

/// The keys of the session's locks, which marked functions have taken, and an end to them.
const MARKS: &str = "SELECT (l.classid::pg_catalog.int8 << 32) | l.objid::pg_catalog.int8 FROM pg_catalog.pg_locks AS l \
    WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.pid = pg_catalog.pg_backend_pid(); \
    SELECT pg_catalog.pg_advisory_unlock_all()";

struct Stage {
    database: Postgres,
    /// What each lock stands for.
    marks: HashMap<i64, usize>,
    unmarked: Option<String>,
    /// The columns of primary keys.
    keys: HashMap<String, Vec<String>>,
}

/// Open the transaction, and put the triggers in place.
pub(super) fn set(mut database: Postgres, setup: &Setup) -> Result<Box<dyn StageTrait>, Error> {
    let connection_check = if database.server.major >= 14 {
        "; SET LOCAL client_connection_check_interval = '1s'"
    } else {
        ""
    };
    database.batch(
        "begin the tests",
        &format!("BEGIN ISOLATION LEVEL READ COMMITTED; {READING}; {SETTINGS}{connection_check}"),
    )?;
    if let Err(error) = attempt(&mut database, TRAP) {
        log::debug!("there is no trap for a COMMIT: {error}");
    }
    database
        .run_statements(&setup.statements, &mut |_| ())
        .map_err(in_the_way)?;
    let marked = mark(&mut database, setup);
    let (marks, unmarked) = match marked {
        Ok(marks) => (marks, None),
        Err(error) if error.kind == Kind::Interrupted => return Err(error),
        Err(error) => {
            let notes = error
                .diagnostics
                .first()
                .map(|first| first.notes.join("; "));
            let notes = notes.unwrap_or_default();
            let reason = format!("the functions could not be made to tell ({error}: {notes})");
            (HashMap::new(), Some(reason))
        }
    };
    Ok(Box::new(Stage {
        database,
        marks,
        unmarked,
        keys: HashMap::new(),
    }))
}

/// Tables that others are using: what to do about it.
fn in_the_way(error: Error) -> Error {
    if error.kind != Kind::Busy {
        return error;
    }
    let error = error.map(|mut diagnostic| {
        diagnostic.help.clear();
        diagnostic
    });
    error.help("try again when the database is less busy, or run the tests with `--scratch`, which locks nothing")
}

/// Run statements, and be as before when one fails.
fn attempt(database: &mut Postgres, sql: &str) -> Result<(), Error> {
    let text = format!("SAVEPOINT triggerctl_attempt; {sql}; RELEASE SAVEPOINT triggerctl_attempt");
    let result = database.batch("set up the tests", &text);
    if result.is_err() {
        database.batch(
            "set up the tests",
            "ROLLBACK TO SAVEPOINT triggerctl_attempt; RELEASE SAVEPOINT triggerctl_attempt",
        )?;
    }
    result
}

/// Let the functions say when they are called, and by what.
fn mark(database: &mut Postgres, setup: &Setup) -> Result<HashMap<i64, usize>, Error> {
    let replace: Vec<Statement> = setup
        .marked
        .iter()
        .flat_map(|marked| {
            marked.replace.iter().map(|sql| Statement {
                sql: sql.clone(),
                object: Some(Arc::new(marked.object.clone())),
            })
        })
        .collect();
    if replace.is_empty() {
        return Ok(HashMap::new());
    }
    database.batch("set up the tests", "SAVEPOINT triggerctl_marks")?;
    let marks = database
        .run_statements(&replace, &mut |_| ())
        .and_then(|()| locks(database, setup));
    if marks.is_err() {
        database.batch("set up the tests", "ROLLBACK TO SAVEPOINT triggerctl_marks")?;
    }
    marks
}

/// The locks that marked functions take, each with what it stands for.
fn locks(database: &mut Postgres, setup: &Setup) -> Result<HashMap<i64, usize>, Error> {
    let (mut marks, mut schemas, mut tables, mut names, mut events, mut numbers) =
        (vec![], vec![], vec![], vec![], vec![], vec![]);
    for marked in &setup.marked {
        for at in &marked.firings {
            let Some((trigger, event)) = setup.firings.get(*at) else {
                continue;
            };
            marks.push(marked.mark.as_str());
            schemas.push(trigger.table.schema.as_str());
            tables.push(trigger.table.name.as_str());
            names.push(trigger.name.as_str());
            events.push(event.keyword());
            numbers.push(i64::try_from(*at).unwrap_or_default());
        }
    }
    let rows = database.read(
        "find the triggers' tables",
        include_str!("sql/marks.sql"),
        &[
            (&marks, Type::TEXT_ARRAY),
            (&schemas, Type::TEXT_ARRAY),
            (&tables, Type::TEXT_ARRAY),
            (&names, Type::TEXT_ARRAY),
            (&events, Type::TEXT_ARRAY),
            (&numbers, Type::INT8_ARRAY),
        ],
    )?;
    rows.iter()
        .map(|row| {
            let number: i64 = get(row, 1)?;
            Ok((get(row, 0)?, usize::try_from(number).unwrap_or(usize::MAX)))
        })
        .collect()
}

impl Stage {
    /// What the server said: a result of the test, or the end of all.
    fn trouble(&self, sql: &str, failure: &postgres::Error) -> Trouble {
        let cause = self.database.cause(failure);
        let Some(answer) = failure.as_db_error().filter(|_| cause == Cause::Other) else {
            return Trouble::Fatal(in_the_way(self.database.error(failure, "run the test")));
        };
        let at = match answer.position() {
            Some(ErrorPosition::Original(position)) => usize::try_from(*position)
                .ok()
                .and_then(|position| position.checked_sub(1))
                .and_then(|position| sql.char_indices().nth(position))
                .map(|(at, _)| at),
            _ => None,
        };
        let token = at.and_then(|at| {
            tokens(sql, &POSTGRES)
                .find(|token| !token.is_blank() && token.range.end > at)
                .map(|token| token.range)
        });
        let all = statements(sql, &DIALECT);
        let only = all.first().filter(|_| all.len() == 1).cloned();
        let mut notes = circumstances(answer);
        notes.extend(answer.hint().map(|hint| format!("hint: {hint}")));
        Trouble::Sql(Failure {
            message: answer.message().to_owned(),
            sqlstate: Some(answer.code().code().to_owned()),
            range: token.or(only),
            notes,
        })
    }

    fn simple(&mut self, sql: &str) -> Result<Vec<SimpleQueryMessage>, Trouble> {
        match self.database.client.simple_query(sql) {
            Ok(messages) => Ok(messages),
            Err(failure) => Err(self.trouble(sql, &failure)),
        }
    }

    /// Rows come as text, which every type has; what type it is says the prepared statement.
    fn rows(&mut self, sql: &str) -> Result<Rows, Trouble> {
        let prepared = match self.database.client.prepare(sql) {
            Ok(prepared) => prepared,
            Err(failure) => return Err(self.trouble(sql, &failure)),
        };
        let (columns, types): (Vec<String>, Vec<Type>) = prepared
            .columns()
            .iter()
            .map(|column| (column.name().to_owned(), column.type_().clone()))
            .unzip();
        let mut rows = vec![];
        for message in self.simple(sql)? {
            if let SimpleQueryMessage::Row(row) = message {
                let cells = types.iter().enumerate();
                rows.push(cells.map(|(at, of)| cell(of, row.get(at))).collect());
            }
        }
        Ok(Rows { columns, rows })
    }

    fn key(&mut self, table: &str) -> Result<Vec<String>, Trouble> {
        if let Some(key) = self.keys.get(table) {
            return Ok(key.clone());
        }
        let rows = self.database.read(
            "read a primary key",
            "SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_index AS i \
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) \
             WHERE i.indrelid = pg_catalog.to_regclass($1) AND i.indisprimary",
            &[(&table, Type::TEXT)],
        )?;
        let key: Vec<String> = rows
            .iter()
            .map(|row| get(row, 0))
            .collect::<Result<_, Error>>()?;
        self.keys.insert(table.to_owned(), key.clone());
        Ok(key)
    }
}

/// A value in the server's spelling.
fn cell(of: &Type, text: Option<&str>) -> Cell {
    let Some(text) = text else { return Cell::Null };
    if let TypeKind::Domain(inner) = of.kind() {
        return cell(inner, Some(text));
    }
    let other = || Cell::Text(text.to_owned());
    match *of {
        Type::BOOL => Cell::Bool(text == "t"),
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => {
            text.parse().map_or_else(|_| other(), Cell::Integer)
        }
        Type::FLOAT4 | Type::FLOAT8 => text.parse().map_or_else(|_| other(), Cell::Float),
        Type::NUMERIC => Cell::Decimal(text.to_owned()),
        Type::JSON | Type::JSONB => Cell::Json(text.to_owned()),
        Type::BYTEA => text
            .strip_prefix("\\x")
            .and_then(crate::spec::bytes)
            .map_or_else(other, Cell::Blob),
        _ => other(),
    }
}

impl StageTrait for Stage {
    fn open(&mut self) -> Result<(), Error> {
        self.database
            .batch("begin a test", "SAVEPOINT triggerctl_test")
    }

    fn run(&mut self, sql: &str) -> Result<(), Trouble> {
        match self.database.client.batch_execute(sql) {
            Ok(()) => Ok(()),
            Err(failure) => Err(self.trouble(sql, &failure)),
        }
    }

    fn settle(&mut self) -> Result<(), Trouble> {
        self.run("SET CONSTRAINTS ALL IMMEDIATE")
            .map_err(|trouble| match trouble {
                // It is no statement of the test's.
                Trouble::Sql(failure) => Trouble::Sql(Failure {
                    range: None,
                    ..failure
                }),
                fatal @ Trouble::Fatal(_) => fatal,
            })
    }

    fn remember(&mut self) -> Result<(), Error> {
        self.database
            .batch("run the test", "SAVEPOINT triggerctl_when")
    }

    fn recover(&mut self) -> Result<(), Error> {
        self.database.batch(
            "go on after an error",
            "ROLLBACK TO SAVEPOINT triggerctl_when",
        )
    }

    fn query(&mut self, sql: &str) -> Result<Rows, Trouble> {
        self.rows(sql)
    }

    fn snapshot(&mut self, table: &TableRef) -> Result<Snapshot, Trouble> {
        let name = match &table.schema {
            Some(schema) => format!("{}.{}", identifier(schema), identifier(&table.name)),
            None => identifier(&table.name),
        };
        let rows = self.rows(&format!("SELECT * FROM {name} LIMIT {}", MOST_ROWS + 1))?;
        if rows.rows.len() > MOST_ROWS {
            return Err(Trouble::Sql(Failure {
                message: format!("it has more than {MOST_ROWS} rows"),
                notes: vec![
                    "`--scratch` runs the tests in a database without rows of yours".to_owned(),
                ],
                ..Failure::default()
            }));
        }
        let key = self.key(&name)?;
        let key = key
            .iter()
            .filter_map(|column| rows.columns.iter().position(|other| other == column))
            .collect();
        Ok(Snapshot {
            shown: rows.columns.len(),
            rows,
            key,
        })
    }

    fn close(&mut self) -> Result<Closed, Error> {
        let sql = if self.marks.is_empty() {
            CLOSE.to_owned()
        } else {
            format!("{CLOSE}; {MARKS}")
        };
        let messages = match self.simple(&sql) {
            Ok(messages) => messages,
            Err(Trouble::Fatal(error)) => return Err(error),
            Err(Trouble::Sql(failure)) => {
                return Err(Error::failed(
                    "the test has ended the transaction that all tests run in",
                )
                .note(format!("PostgreSQL: {}", failure.message))
                .help("a test must not commit or roll back; nothing of it was kept"));
            }
        };
        let fired: BTreeSet<usize> = messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0)?.parse::<i64>().ok(),
                _ => None,
            })
            .filter_map(|key| self.marks.get(&key).copied())
            .collect();
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

impl Drop for Stage {
    fn drop(&mut self) {
        // The server does it by itself when the connection goes; behind a pooler the connection may stay.
        if let Err(failure) = self.database.client.batch_execute("ROLLBACK") {
            log::debug!("ROLLBACK: {failure}");
        }
    }
}
