use std::collections::BTreeSet;

use super::*;
use crate::dialect::sqlite::parse::parse;
use crate::model::TableId;

/// A schema with something of everything.
const SCHEMA: &str = "
    CREATE TABLE users(id integer primary key autoincrement, email text UNIQUE COLLATE unicode, name text UNIQUE,
        age, twice AS (age * 2), UNIQUE (name, age));
    CREATE INDEX users_age ON users(age);
    CREATE TABLE log(what text NOT NULL, at text DEFAULT (app_now()), PRIMARY KEY (what, at)) WITHOUT ROWID;
    CREATE TABLE strict_ones(x int, y any) STRICT;
    CREATE TABLE orders(id, user_name REFERENCES users(age));
    CREATE VIEW seen AS SELECT id, name FROM users;
    CREATE VIEW bare AS SELECT name FROM users;
    CREATE VIEW broken AS SELECT * FROM gone;
    CREATE VIRTUAL TABLE texts USING fts5(title, body);
    CREATE VIRTUAL TABLE boxes USING rtree(id, x1, x2);
    CREATE TRIGGER seen_insert INSTEAD OF INSERT ON seen BEGIN INSERT INTO users(name) VALUES (NEW.name); END;
    CREATE TRIGGER live_and_broken AFTER INSERT ON users BEGIN INSERT INTO gone VALUES (1); END;
    ANALYZE;
";

fn database() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .create_collation("unicode", |a: &str, b: &str| a.cmp(b))
        .unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    connection.remove_collation("unicode").unwrap();
    connection
}

fn definition(sql: &str) -> Definition {
    // Good enough for what stands here.
    let table = sql.split(" ON ").nth(1).unwrap().split(' ').next().unwrap();
    let table = TableId {
        schema: "main".to_owned(),
        name: table.trim_matches('"').to_owned(),
    };
    let trigger = parse(sql, table).unwrap_or_else(|error| panic!("{error}: {sql}"));
    Definition::from(trigger)
}

/// What is said of these triggers: name, message, the text that is underlined, help.
fn found(connection: &Connection, triggers: &[&str]) -> Vec<(String, String, String, Vec<String>)> {
    let definitions: Vec<Definition> = triggers.iter().map(|sql| definition(sql)).collect();
    let definitions: Vec<&Definition> = definitions.iter().collect();
    check(connection, &definitions, &[])
        .unwrap()
        .into_iter()
        .map(|(id, diagnostic)| {
            let (span, _) = diagnostic.place.unwrap();
            let text = span.file.text[span.range.clone()].to_owned();
            (
                id.name().to_owned(),
                diagnostic.message,
                text,
                diagnostic.help,
            )
        })
        .collect()
}

fn schema_of(connection: &Connection) -> Vec<(String, Option<String>)> {
    connection
        .prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn good_triggers_are_good() {
    let connection = database();
    let before = schema_of(&connection);
    let good = [
        "CREATE TRIGGER t AFTER INSERT ON users WHEN NEW.age > 1 BEGIN INSERT INTO log(what) VALUES (NEW.email); END",
        "CREATE TRIGGER t BEFORE UPDATE OF age, name ON users BEGIN SELECT RAISE(ABORT, 'no') WHERE OLD.age > NEW.twice; END",
        "CREATE TRIGGER t UPDATE OF twice ON users BEGIN SELECT 1; END",
        "CREATE TRIGGER t AFTER DELETE ON users BEGIN DELETE FROM orders WHERE user_name = OLD.name; END",
        // Upserts need the unique indexes.
        "CREATE TRIGGER t AFTER INSERT ON users BEGIN INSERT INTO users(name, age) VALUES ('a', 1) ON CONFLICT (name, age) DO UPDATE SET age = 2; END",
        "CREATE TRIGGER t AFTER UPDATE ON log BEGIN UPDATE strict_ones SET x = NEW.what; END",
        "CREATE TRIGGER t AFTER INSERT ON strict_ones BEGIN SELECT 1; END",
        // The live INSTEAD OF trigger makes the view writable.
        "CREATE TRIGGER t AFTER INSERT ON orders BEGIN INSERT INTO seen(name) VALUES ('x'); END",
        // What an application may bring.
        "CREATE TRIGGER t AFTER INSERT ON orders WHEN app_wants(NEW.id, 1) BEGIN SELECT app_call(NEW.id); END",
        "CREATE TRIGGER t AFTER INSERT ON orders WHEN NEW.id = 'a' COLLATE german BEGIN SELECT email FROM users ORDER BY email; END",
        // Virtual tables.
        "CREATE TRIGGER t AFTER INSERT ON users BEGIN INSERT INTO texts(rowid, title) VALUES (NEW.id, NEW.name); END",
        "CREATE TRIGGER t AFTER DELETE ON users BEGIN INSERT INTO texts(texts, rowid, title) VALUES ('delete', OLD.id, OLD.name); END",
        "CREATE TRIGGER t AFTER INSERT ON users BEGIN INSERT INTO boxes VALUES (NEW.id, 0, 1); END",
        "CREATE TRIGGER t AFTER INSERT ON users BEGIN SELECT * FROM texts WHERE texts MATCH 'a' ORDER BY rank; END",
        // Foreign keys that do not fit are the application's business.
        "CREATE TRIGGER t AFTER DELETE ON users BEGIN DELETE FROM users; END",
        "CREATE TRIGGER t INSTEAD OF UPDATE OF name ON seen BEGIN UPDATE users SET name = NEW.name WHERE id = OLD.id; END",
        "CREATE TRIGGER seen_insert INSTEAD OF INSERT ON seen BEGIN SELECT NEW.name; END",
        // The view is broken, not the trigger.
        "CREATE TRIGGER t INSTEAD OF DELETE ON broken BEGIN SELECT 1; END",
    ];
    for sql in &good {
        assert_eq!(found(&connection, &[sql]), [], "{sql}");
    }
    // All at once, too.
    let all: Vec<String> = (0..)
        .zip(good)
        .map(|(number, sql)| sql.replace("TRIGGER t ", &format!("TRIGGER t{number} ")))
        .collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(found(&connection, &all), []);
    assert_eq!(schema_of(&connection), before);
}

/// The short way over all at once must not hide what one by one would show.
#[test]
fn finds_the_one_among_many() {
    let connection = database();
    let good = "CREATE TRIGGER fine AFTER INSERT ON users BEGIN SELECT NEW.age; END";
    for (bad, message) in [
        (
            "CREATE TRIGGER bad AFTER UPDATE OF age ON users BEGIN SELECT NEW.missing; END",
            "no such column: NEW.missing",
        ),
        (
            "CREATE TRIGGER bad AFTER DELETE ON users BEGIN DELETE FROM nowhere; END",
            "no such table: main.nowhere",
        ),
        (
            "CREATE TRIGGER sqlite_bad AFTER DELETE ON users BEGIN SELECT 1; END",
            "reserved for internal use",
        ),
        (
            "CREATE TRIGGER bad BEFORE DELETE ON seen BEGIN SELECT 1; END",
            "cannot create BEFORE trigger on view",
        ),
        (
            "CREATE TRIGGER bad AFTER INSERT ON unknown BEGIN SELECT 1; END",
            "no such table",
        ),
    ] {
        let together = found(&connection, &[good, bad]);
        assert_eq!(together, found(&connection, &[bad]), "{bad}");
        assert_eq!(together.len(), 1, "{bad}");
        let text = format!("{together:?}");
        assert!(text.contains(message), "{bad}: {text}");
    }
}

#[test]
fn says_what_is_missing_and_where() {
    let connection = database();
    let body = |event: &str, body: &str| {
        format!("CREATE TRIGGER t AFTER {event} ON users BEGIN {body}; END")
    };
    for (sql, message, underlined, help) in [
        (
            body("INSERT", "INSERT INTO logs(what) VALUES (1)"),
            "no such table: main.logs",
            "logs",
            "did you mean `log`?",
        ),
        (
            body("INSERT", "SELECT NEW.name, NEW.emial"),
            "no such column: NEW.emial",
            "NEW.emial",
            "did you mean `email`?",
        ),
        (
            body("INSERT", "SELECT OLD.\"age\""),
            "no such column: OLD.age",
            "OLD.\"age\"",
            "an INSERT trigger has no OLD row, and a DELETE trigger no NEW row",
        ),
        (
            body("UPDATE", "INSERT INTO log(what, who) VALUES (1, 2)"),
            "table log has no column named who",
            "who",
            "",
        ),
        (
            body("DELETE", "SELECT upper(1, 2)"),
            "wrong number of arguments to function upper()",
            "CREATE TRIGGER t AFTER DELETE ON users BEGIN SELECT upper(1, 2); END",
            "",
        ),
        (
            body("DELETE", "DELETE FROM bare"),
            "cannot modify bare because it is a view",
            "CREATE TRIGGER t AFTER DELETE ON users BEGIN DELETE FROM bare; END",
            "",
        ),
        (
            body("UPDATE OF age, agee", "SELECT 1"),
            "`agee`, a column that `users` does not have",
            "agee",
            "did you mean `age`?",
        ),
        (
            body("INSERT", "SELCT 1"),
            "near \"SELCT\": syntax error",
            "SELCT",
            "",
        ),
        (
            "CREATE TRIGGER t AFTER INSERT ON userz BEGIN SELECT 1; END".to_owned(),
            "no such table: main.userz",
            "userz",
            "did you mean `users`?",
        ),
        (
            "CREATE TRIGGER t AFTER INSERT ON seen BEGIN SELECT 1; END".to_owned(),
            "cannot create AFTER trigger on view: seen",
            "CREATE TRIGGER t AFTER INSERT ON seen BEGIN SELECT 1; END",
            "",
        ),
        (
            "CREATE TRIGGER t AFTER INSERT ON texts BEGIN SELECT 1; END".to_owned(),
            "cannot create triggers on virtual tables",
            "CREATE TRIGGER t AFTER INSERT ON texts BEGIN SELECT 1; END",
            "",
        ),
        (
            "CREATE TRIGGER t INSTEAD OF DELETE ON seen BEGIN SELECT OLD.age; END".to_owned(),
            "no such column: OLD.age",
            "OLD.age",
            "",
        ),
        (
            "CREATE TRIGGER t AFTER INSERT ON users BEGIN SELECT 1; END; DROP TABLE users; CREATE TRIGGER u AFTER INSERT ON users BEGIN SELECT 1; END".to_owned(),
            "this is more than one statement",
            "CREATE TRIGGER t AFTER INSERT ON users BEGIN SELECT 1; END; DROP TABLE users; CREATE TRIGGER u AFTER INSERT ON users BEGIN SELECT 1; END",
            "",
        ),
    ] {
        let all = found(&connection, &[&sql]);
        assert_eq!(all.len(), 1, "{sql}: {all:?}");
        let (_, said, text, helps) = &all[0];
        assert!(said.contains(message), "{said}: {sql}");
        assert_eq!(text, underlined, "{sql}");
        assert_eq!(helps.first().map_or("", String::as_str), help, "{sql}");
    }
}

#[test]
fn blames_the_trigger_at_fault() {
    let connection = database();
    let names = |triggers: &[&str]| -> Vec<String> {
        found(&connection, triggers)
            .into_iter()
            .map(|(name, ..)| name)
            .collect()
    };
    assert_eq!(
        names(&[
            "CREATE TRIGGER a AFTER INSERT ON users BEGIN SELECT 1; END",
            "CREATE TRIGGER b AFTER INSERT ON users BEGIN SELECT NEW.gone; END",
            "CREATE TRIGGER c AFTER INSERT ON users BEGIN INSERT INTO orders(id) VALUES (1); END",
            "CREATE TRIGGER d BEFORE INSERT ON orders BEGIN SELECT NEW.gone; END",
        ]),
        ["b", "d"]
    );
    assert_eq!(
        names(&[
            "CREATE TRIGGER a INSTEAD OF DELETE ON bare BEGIN SELECT OLD.gone; END",
            "CREATE TRIGGER b INSTEAD OF DELETE ON bare BEGIN SELECT OLD.name; END",
            "CREATE TRIGGER c INSTEAD OF DELETE ON bare BEGIN SELECT 1; END",
        ]),
        ["a"]
    );
    // The trigger that makes a view writable may come later in the plan.
    assert_eq!(
        names(&[
            "CREATE TRIGGER a AFTER INSERT ON orders BEGIN DELETE FROM bare; END",
            "CREATE TRIGGER z INSTEAD OF DELETE ON bare BEGIN DELETE FROM users WHERE name = OLD.name; END",
        ]),
        [""; 0]
    );
}

#[test]
fn a_table_in_an_unknown_module_is_no_error() {
    let connection = database();
    connection
        .execute_batch(
            "PRAGMA writable_schema = ON;
             INSERT INTO sqlite_schema VALUES
               ('table', 'cells', 'cells', 0, 'CREATE VIRTUAL TABLE cells USING app_module(x)');
             PRAGMA writable_schema = RESET;",
        )
        .unwrap();
    assert_eq!(
        found(
            &connection,
            &[
                "CREATE TRIGGER a AFTER INSERT ON users BEGIN INSERT INTO cells VALUES (1); END",
                "CREATE TRIGGER b AFTER INSERT ON users BEGIN SELECT 1; END",
            ]
        ),
        []
    );
}

#[test]
fn a_definition_without_ddl_cannot_be_checked() {
    let Definition::Trigger(mut trigger) =
        definition("CREATE TRIGGER a AFTER INSERT ON users BEGIN SELECT 1; END")
    else {
        panic!("a trigger");
    };
    std::sync::Arc::make_mut(&mut trigger).verbatim = None;
    assert!(check(&database(), &[&Definition::Trigger(trigger)], &[]).is_err());
}

#[test]
fn many_triggers_take_linear_time() {
    let connection = database();
    let triggers: Vec<String> = (0..1000)
        .map(|number| {
            format!("CREATE TRIGGER t{number} AFTER INSERT ON users BEGIN SELECT NEW.age + {number}; END")
        })
        .collect();
    let triggers: Vec<&str> = triggers.iter().map(String::as_str).collect();
    let start = std::time::Instant::now();
    assert_eq!(found(&connection, &triggers), []);
    // Far from what it takes, and far below what anything quadratic would.
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

fn live(
    connection: &Connection,
    path: Option<&std::path::Path>,
    tables: &[&str],
) -> Result<(), Error> {
    let tables: BTreeSet<TableId> = tables
        .iter()
        .map(|name| TableId {
            schema: "main".to_owned(),
            name: (*name).to_owned(),
        })
        .collect();
    check_live(connection, path, &tables)
}

#[test]
fn the_live_tables_are_looked_at_before_the_commit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .create_collation("unicode", |a: &str, b: &str| a.cmp(b))
        .unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    drop(connection);

    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE;
             CREATE TRIGGER a AFTER UPDATE OF name ON users BEGIN SELECT app_call(NEW.name), NEW.email = 'a'; END;",
        )
        .unwrap();
    // `live_and_broken` was broken before, and views without triggers are no fault.
    live(
        &connection,
        Some(&path),
        &["users", "seen", "bare", "broken", "log", "gone"],
    )
    .unwrap();
    assert!(
        connection.prepare("SELECT app_call(1)").is_err(),
        "the stand-in is gone"
    );
    connection
        .execute(
            "CREATE TRIGGER b AFTER DELETE ON orders BEGIN UPDATE log SET who = 1; END",
            [],
        )
        .unwrap();
    let error = live(&connection, Some(&path), &["users", "orders"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "DELETE on main.orders would fail: no such column: who"
    );
    assert!(!connection.is_autocommit());
    connection.execute("ROLLBACK", []).unwrap();
}
