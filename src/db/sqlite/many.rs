//! Many triggers at once. To read back the one row that a CREATE TRIGGER has written, SQLite goes through all of
//! `sqlite_schema` (`sqlite3FinishTrigger` in `trigger.c`, `OP_ParseSchema` in `vdbe.c`): ten thousand triggers cost ten
//! thousand such readings, which is nearly all of the time that they take. So a long run of them is compiled statement by
//! statement, which is where SQLite refuses what it refuses; their rows are written by hand, each with the text that
//! SQLite itself would keep; and the schema is read once, as another connection would read it. A long run of DROP
//! TRIGGER is the same the other way round: SQLite goes through all of `sqlite_schema` for each to find its one row.
//!
//! That is the manual's own way of changing a schema by hand ("Making Other Kinds Of Table Schema Changes" on ALTER
//! TABLE), without its danger: a trigger has no pages, so no row here can lead to a wrong one. All of it is part of the
//! migration's transaction. Whatever is unusual goes the long way, where its error is reported as well.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, params};

use super::errors;
use crate::db::Statement;
use crate::dialect::sqlite::parse::{dropped, kept_whole};
use crate::error::{Error, Kind};

/// With fewer statements, reading the whole schema once more costs more than it saves.
const WORTH_IT: usize = 256;

/// A trigger as a row of `sqlite_schema`.
struct Row<'a> {
    name: String,
    table: String,
    sql: &'a str,
}

/// What came of an attempt.
pub(super) enum Attempt {
    /// All of these first statements have had their effect.
    Done(usize),
    /// Nothing has happened; the next so many statements are to be run one by one.
    OneByOne(usize),
}

/// Rows of `sqlite_schema` that come or go.
enum Work<'a> {
    Create(Vec<Row<'a>>),
    /// By their rowids.
    Drop(Vec<i64>),
}

impl Work<'_> {
    /// How many statements it stands for.
    fn len(&self) -> usize {
        match self {
            Self::Create(rows) => rows.len(),
            Self::Drop(rows) => rows.len(),
        }
    }
}

/// Create, or drop, the triggers that these statements begin with.
pub(super) fn at_once(connection: &Connection, statements: &[Statement]) -> Result<Attempt, Error> {
    if statements.len() < WORTH_IT {
        return Ok(Attempt::OneByOne(statements.len()));
    }
    let first = statements.first().map(|first| first.sql.as_str());
    let drops = first.is_some_and(|first| dropped(first).is_some());
    let failed = |error: rusqlite::Error| {
        let what = if drops { "drop" } else { "create" };
        errors::cannot(&format!("{what} the triggers"), &error)
    };
    let work = if drops {
        Work::Drop(going(connection, statements).map_err(failed)?)
    } else {
        Work::Create(coming(statements))
    };
    let long_way = Attempt::OneByOne(work.len().max(1));
    if work.len() < WORTH_IT {
        return Ok(long_way);
    }
    if let Work::Create(rows) = &work {
        for row in rows {
            // Whether SQLite takes it, and it is one statement.
            match connection.prepare(row.sql) {
                Ok(_) => {}
                Err(error) if errors::kind(&error) == Kind::Failed => return Ok(long_way),
                Err(error) => return Err(failed(error)),
            }
        }
    }
    connection
        .execute("SAVEPOINT triggerctl_many", [])
        .map_err(failed)?;
    let written = write(connection, &work);
    // Off again whatever happens: with it on, SQLite passes over what it cannot read.
    connection
        .pragma_update(None, "writable_schema", false)
        .map_err(failed)?;
    // No error here is the fault of one of the triggers.
    written.map_err(failed)?;
    let count = work.len();
    // SQLite is to have the room for its schema.
    drop(work);
    let outcome = match read_again(connection) {
        Ok(()) => Attempt::Done(count),
        Err(error) if errors::kind(&error) == Kind::Failed && !connection.is_autocommit() => {
            log::debug!("the triggers are taken one by one: {error}");
            connection
                .execute("ROLLBACK TO triggerctl_many", [])
                .map_err(failed)?;
            long_way
        }
        Err(error) => return Err(failed(error)),
    };
    connection
        .execute("RELEASE triggerctl_many", [])
        .map_err(failed)?;
    Ok(outcome)
}

/// The rows of the statements up to the first that is not for here.
fn coming(statements: &[Statement]) -> Vec<Row<'_>> {
    let mut names = HashSet::new();
    let rows = statements
        .iter()
        .map_while(|statement| row(statement, &mut names));
    rows.collect()
}

/// The rows that the statements drop, up to the first that drops nothing: that is for SQLite to say.
fn going(connection: &Connection, statements: &[Statement]) -> rusqlite::Result<Vec<i64>> {
    // A temporary trigger would be meant before one of the file.
    let temporary = connection
        .prepare("SELECT 1 FROM temp.sqlite_schema WHERE type = 'trigger'")?
        .exists([])?;
    if temporary {
        return Ok(vec![]);
    }
    let mut live = HashMap::new();
    let mut listed =
        connection.prepare("SELECT rowid, name FROM main.sqlite_schema WHERE type = 'trigger'")?;
    let mut rows = listed.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(1)?;
        live.insert(name.to_ascii_lowercase(), row.get(0)?);
    }
    let gone = statements.iter().map_while(|statement| {
        let name = dropped(&statement.sql)?;
        live.remove(&name.to_ascii_lowercase())
    });
    Ok(gone.collect())
}

/// The row of a statement that creates a trigger and is kept to the letter. No two may have one name, which only the long
/// way would find.
fn row<'a>(statement: &'a Statement, names: &mut HashSet<String>) -> Option<Row<'a>> {
    let (name, table) = kept_whole(&statement.sql)?;
    names.insert(name.to_ascii_lowercase()).then_some(Row {
        name,
        table,
        sql: &statement.sql,
    })
}

fn write(connection: &Connection, work: &Work<'_>) -> rusqlite::Result<()> {
    connection.pragma_update(None, "writable_schema", true)?;
    match work {
        Work::Create(rows) => {
            let mut insert = connection.prepare(
                "INSERT INTO main.sqlite_schema(type, name, tbl_name, rootpage, sql) VALUES ('trigger', ?1, ?2, 0, ?3)",
            )?;
            for Row { name, table, sql } in rows {
                insert.execute(params![name, table, sql])?;
            }
        }
        Work::Drop(rows) => {
            let mut delete = connection
                .prepare("DELETE FROM main.sqlite_schema WHERE rowid = ?1 AND type = 'trigger'")?;
            for row in rows {
                delete.execute([row])?;
            }
        }
    }
    // Every other connection sees by it that the schema is another one; this one too, at its next statement.
    let version: i32 =
        connection.pragma_query_value(Some("main"), "schema_version", |row| row.get(0))?;
    connection.pragma_update(Some("main"), "schema_version", version.wrapping_add(1))
}

/// Have SQLite read the schema; what it cannot read, it says now.
fn read_again(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .prepare("SELECT 1 FROM sqlite_schema LIMIT 1")?
        .exists([])
        .map(drop)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use rusqlite::types::Value;

    use super::*;
    use crate::db::sqlite::migrate::run;

    const TABLES: &str = "
        CREATE TABLE Users(id INTEGER PRIMARY KEY, age int, \"a b\" text);
        CREATE TABLE log(what text);
        CREATE VIEW seen AS SELECT id, age FROM Users;
        CREATE TRIGGER old AFTER INSERT ON Users BEGIN INSERT INTO log VALUES ('old'); END;
    ";

    /// Triggers of many shapes; the ones before `plain` are not kept to the letter.
    fn statements() -> Vec<Statement> {
        let shape = |number: usize| match number % 10 {
            0 => format!(
                "CREATE TRIGGER t{number} AFTER INSERT ON users BEGIN INSERT INTO log VALUES ('{number}'); END"
            ),
            1 => format!(
                "CREATE TRIGGER \"t {number}\" UPDATE OF age, \"a b\" ON \"Users\" WHEN NEW.age > 1 BEGIN SELECT 1; END"
            ),
            2 => format!(
                "CREATE TRIGGER [T{number}] BEFORE DELETE ON [USERS] BEGIN DELETE FROM log; SELECT 'END;'; END"
            ),
            3 => format!(
                "CREATE TRIGGER 't{number}' INSTEAD OF INSERT ON seen BEGIN SELECT ';'; END"
            ),
            4 => format!(
                "CREATE TRIGGER `ü{number}`\n-- a comment\nAFTER DELETE ON 'users' FOR EACH ROW\nBEGIN\nSELECT 1 /* ; */;\nEND"
            ),
            5 => format!(
                "CREATE TRIGGER t{number} AFTER INSERT ON users BEGIN INSERT INTO log VALUES ('{number}'); END -- over"
            ),
            6 => format!(
                "create trigger t{number} AFTER INSERT ON users BEGIN INSERT INTO log VALUES ('{number}'); END"
            ),
            7 => format!(
                "CREATE TRIGGER main.t{number} AFTER INSERT ON users BEGIN INSERT INTO log VALUES ('{number}'); END"
            ),
            8 => format!(
                "CREATE TRIGGER IF NOT EXISTS t{number} AFTER INSERT ON users BEGIN INSERT INTO log VALUES ('{number}'); END;"
            ),
            _ => format!(
                "CREATE TRIGGER  t{number} AFTER INSERT ON users BEGIN INSERT INTO log VALUES ('{number}'); END ;"
            ),
        };
        let plain = (0..WORTH_IT * 2).map(|number| number / 5 * 10 + number % 5);
        let others = (0..100).map(|number| number / 5 * 10 + 5 + number % 5);
        plain
            .chain(others)
            .map(|number| Statement {
                sql: shape(number),
                object: None,
            })
            .collect()
    }

    fn made(path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch(TABLES).unwrap();
        connection
    }

    /// All that `sqlite_schema` holds, in the order of its rows.
    fn schema(connection: &Connection) -> Vec<[Value; 6]> {
        let mut statement = connection
            .prepare("SELECT rowid, type, name, tbl_name, rootpage, sql FROM sqlite_schema ORDER BY rowid")
            .unwrap();
        let row = |row: &rusqlite::Row<'_>| {
            Ok([
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
            ])
        };
        let rows = statement.query_map([], row).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    /// What the triggers of an insert write, in the order in which they fire.
    fn fired(connection: &Connection) -> String {
        connection
            .execute_batch("DELETE FROM log; INSERT INTO users(age) VALUES (1)")
            .unwrap();
        connection
            .query_row("SELECT group_concat(what) FROM log", [], |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn it_comes_to_the_same_as_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a.db"), folder.path().join("b.db"));
        let (at_once, one_by_one) = (made(&first), made(&second));
        let another = Connection::open(&first).unwrap();
        fired(&another);

        let statements = statements();
        at_once.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert!(matches!(
            super::at_once(&at_once, &statements).unwrap(),
            Attempt::Done(number) if number == WORTH_IT * 2
        ));
        at_once.execute_batch("ROLLBACK; BEGIN IMMEDIATE").unwrap();
        assert_eq!(schema(&at_once).len(), 4);
        let mut progress = vec![];
        run(&at_once, &statements, &mut |done| progress.push(done)).unwrap();
        assert_eq!(progress.first(), Some(&(WORTH_IT * 2)));
        assert_eq!(progress.last(), Some(&statements.len()));
        at_once.execute_batch("COMMIT").unwrap();
        for statement in &statements {
            one_by_one.execute(&statement.sql, []).unwrap();
        }

        assert_eq!(schema(&at_once), schema(&one_by_one));
        assert_eq!(fired(&at_once), fired(&one_by_one));
        // Other connections see that the schema is another one.
        assert_eq!(fired(&another), fired(&one_by_one));
        let sound: String = at_once
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(sound, "ok");
        let refused = at_once.execute("DELETE FROM sqlite_schema", []);
        assert!(
            refused.is_err(),
            "the schema may not be written by hand any more"
        );
    }

    /// A database of many triggers, and the statements that drop nearly all of them, in an order of their own.
    fn full(path: &Path) -> (Connection, Vec<Statement>) {
        let connection = made(path);
        let statements = statements();
        run(&connection, &statements, &mut |_| ()).unwrap();
        let mut names: Vec<String> = schema(&connection)
            .into_iter()
            .filter_map(|[_, kind, name, ..]| match (kind, name) {
                (Value::Text(kind), Value::Text(name)) if kind == "trigger" => Some(name),
                _ => None,
            })
            .filter(|name| name != "old" && !name.ends_with('3'))
            .collect();
        names.sort();
        let drop = |name: &String| Statement {
            // SQLite knows names by any case of their letters.
            sql: format!("DROP TRIGGER \"{}\"", name.to_ascii_uppercase()),
            object: None,
        };
        let drops = names.iter().map(drop).collect();
        (connection, drops)
    }

    #[test]
    fn dropping_comes_to_the_same_as_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a.db"), folder.path().join("b.db"));
        let ((at_once, drops), (one_by_one, _)) = (full(&first), full(&second));
        assert!(drops.len() > WORTH_IT);
        let another = Connection::open(&first).unwrap();
        let before = (schema(&at_once), fired(&another));

        at_once.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert!(matches!(
            super::at_once(&at_once, &drops).unwrap(),
            Attempt::Done(number) if number == drops.len()
        ));
        assert_eq!(fired(&at_once), "old");
        at_once.execute_batch("ROLLBACK; BEGIN IMMEDIATE").unwrap();
        assert_eq!((schema(&at_once), fired(&at_once)), before);
        let mut progress = vec![];
        run(&at_once, &drops, &mut |done| progress.push(done)).unwrap();
        assert_eq!(progress, [drops.len()]);
        at_once.execute_batch("COMMIT").unwrap();
        for drop in &drops {
            one_by_one.execute(&drop.sql, []).unwrap();
        }

        assert_eq!(schema(&at_once), schema(&one_by_one));
        assert_eq!(fired(&another), "old");
        assert_eq!(fired(&one_by_one), "old");
        // What is made afterwards gets the same rows.
        for connection in [&at_once, &one_by_one] {
            connection
                .execute_batch("CREATE TRIGGER t0 AFTER INSERT ON users BEGIN INSERT INTO log VALUES ('new'); END")
                .unwrap();
        }
        assert_eq!(schema(&at_once), schema(&one_by_one));
        assert_eq!(fired(&another), fired(&one_by_one));
        let sound: String = at_once
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(sound, "ok");
        assert!(at_once.execute("DELETE FROM sqlite_schema", []).is_err());
    }

    #[test]
    fn what_cannot_be_dropped_is_said_as_always() {
        let folder = tempfile::tempdir().unwrap();
        for (number, wrong) in [
            "DROP TRIGGER nothing",
            "DROP TRIGGER log",
            "DROP TRIGGER \"T0\"; DROP TABLE log",
        ]
        .into_iter()
        .enumerate()
        {
            let (connection, mut drops) = full(&folder.path().join(format!("{number}.db")));
            let before = (schema(&connection), fired(&connection));
            drops.insert(
                WORTH_IT + 3,
                Statement {
                    sql: wrong.to_owned(),
                    object: None,
                },
            );
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            let error = run(&connection, &drops, &mut |_| ()).unwrap_err();
            let (span, _) = error.diagnostics[0].place.as_ref().unwrap();
            assert_eq!(span.file.text, wrong);
            connection.execute_batch("ROLLBACK").unwrap();
            assert_eq!((schema(&connection), fired(&connection)), before, "{wrong}");
        }
        // Twice the same, and a temporary trigger of the name, which SQLite means first.
        let (connection, mut drops) = full(&folder.path().join("twice.db"));
        let again = Statement {
            sql: drops[0].sql.clone(),
            object: None,
        };
        drops.insert(WORTH_IT + 1, again);
        assert!(run(&connection, &drops, &mut |_| ()).is_err());
        let (connection, drops) = full(&folder.path().join("temp.db"));
        connection
            .execute_batch("CREATE TEMP TRIGGER t0 AFTER INSERT ON main.users BEGIN SELECT 1; END")
            .unwrap();
        assert!(matches!(
            super::at_once(&connection, &drops).unwrap(),
            Attempt::OneByOne(1)
        ));
    }

    #[test]
    fn what_is_wrong_is_said_as_always() {
        let folder = tempfile::tempdir().unwrap();
        let wrong = [
            "CREATE TRIGGER x AFTER INSERT ON nowhere BEGIN SELECT 1; END",
            "CREATE TRIGGER T0 AFTER INSERT ON users BEGIN SELECT 1; END",
            "CREATE TRIGGER old AFTER INSERT ON users BEGIN SELECT 1; END",
            "CREATE TRIGGER sqlite_x AFTER INSERT ON users BEGIN SELECT 1; END",
            "CREATE TRIGGER x AFTER INSERT ON seen BEGIN SELECT 1; END",
            "CREATE TRIGGER x AFTER INSERT ON users BEGIN SELECT FROM; END",
            "CREATE TRIGGER x AFTER INSERT ON users BEGIN SELECT 1; END; CREATE TRIGGER y AFTER INSERT ON users BEGIN SELECT 1; END",
        ];
        for (number, wrong) in wrong.into_iter().enumerate() {
            let connection = made(&folder.path().join(format!("{number}.db")));
            let before = schema(&connection);
            let mut statements = statements();
            statements.insert(
                WORTH_IT,
                Statement {
                    sql: wrong.to_owned(),
                    object: None,
                },
            );
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            let error = run(&connection, &statements, &mut |_| ()).unwrap_err();
            assert!(
                error.diagnostics[0].place.is_some(),
                "{wrong}: {error} does not show the statement"
            );
            let (span, _) = error.diagnostics[0].place.as_ref().unwrap();
            assert_eq!(span.file.text, wrong);
            connection.execute_batch("ROLLBACK").unwrap();
            assert_eq!(schema(&connection), before, "{wrong}");
            assert_eq!(fired(&connection), "old");
        }
    }
}
