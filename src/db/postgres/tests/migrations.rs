//! Transactions, locks, signals, and failures that name their statement.

use std::sync::mpsc;
use std::thread;

use super::*;
use crate::error::Kind;

fn count(database: &mut Postgres, sql: &str) -> i64 {
    database.client.query_one(sql, &[]).expect("reads").get(0)
}

#[test]
fn batches_are_counted_and_committed() {
    let scratch = Scratch::new();
    let mut database = scratch.after("CREATE TABLE t (id int)");
    let statements: Vec<Statement> = (0..1_201)
        .map(|number| statement(&format!("INSERT INTO t VALUES ({number}) -- comment")))
        .collect();
    let mut steps = vec![];
    database.begin(patience()).expect("begins");
    database
        .run(&statements, &mut |done| steps.push(done))
        .expect("runs");
    database.commit().expect("commits");
    assert_eq!(steps, [500, 1_000, 1_201]);
    assert_eq!(count(&mut database, "SELECT count(*) FROM t"), 1_201);
    database.begin(patience()).expect("begins again");
    database
        .run(&[statement("DELETE FROM t")], &mut |_| {})
        .expect("runs");
    database.abort().expect("aborts");
    assert_eq!(count(&mut database, "SELECT count(*) FROM t"), 1_201);
    let timeout: String = database
        .client
        .query_one("SHOW lock_timeout", &[])
        .expect("reads")
        .get(0);
    assert_eq!(timeout, "0", "settings end with the migration");
}

#[test]
fn a_failure_names_its_statement() {
    let scratch = Scratch::new();
    let mut database = scratch.after(BASICS);
    let mut statements: Vec<Statement> = (0..600)
        .map(|number| statement(&format!("INSERT INTO t VALUES ({number})")))
        .collect();
    let id = trigger_id("public", "nope", "broken");
    statements[555] = Statement {
        sql: "CREATE TRIGGER é AFTER INSERT ON nope FOR EACH ROW EXECUTE FUNCTION f()".into(),
        object: Some(Arc::new(id)),
    };
    database.begin(patience()).expect("begins");
    let failure = database.run(&statements, &mut |_| {}).expect_err("fails");
    assert_eq!(failure.kind, Kind::Failed);
    let diagnostic = &failure.diagnostics[0];
    assert_eq!(
        diagnostic.message,
        "create of trigger broken on public.nope failed"
    );
    let (span, label) = diagnostic.place.as_ref().expect("has a place");
    assert_eq!(span.file.name, "<create trigger broken on public.nope>");
    assert_eq!(span.file.text, statements[555].sql);
    assert_eq!(label, "relation \"nope\" does not exist");
    assert!(diagnostic.notes[0].contains("42P01"));
    assert!(diagnostic.help[0].contains("create the table first"));
    // What was not aborted cannot be committed.
    let failure = database.commit().expect_err("is spoilt");
    assert_eq!(failure.kind, Kind::Failed);
    assert_eq!(count(&mut database, "SELECT count(*) FROM t"), 0);

    database.begin(patience()).expect("begins again");
    let failure = database
        .run(
            &[Statement {
                sql: "CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n  slect 1;\nEND $$".into(),
                object: Some(Arc::new(function_id("public", "g"))),
            }],
            &mut |_| {},
        )
        .expect_err("fails");
    let (span, _) = failure.diagnostics[0].place.as_ref().expect("has a place");
    assert_eq!(&span.file.text[span.range.clone()], "slect");
    assert_eq!(span.line_column(), (3, 3));
    database.abort().expect("aborts");
}

#[test]
fn one_migration_at_a_time() {
    let scratch = Scratch::new();
    let mut first = scratch.open();
    let mut second = scratch.open();
    first.begin(patience()).expect("begins");
    let failure = second.begin(patience()).expect_err("is busy");
    assert_eq!(failure.kind, Kind::Busy);
    assert!(
        failure.diagnostics[0].notes[0].contains("held by process"),
        "{failure:?}"
    );
    first.commit().expect("commits");
    second.begin(patience()).expect("is free now");
    second.abort().expect("aborts");
}

#[test]
fn a_held_table_is_busy_and_says_who() {
    let scratch = Scratch::new();
    let mut database = scratch.after(BASICS);
    let mut other = scratch.client();
    other
        .batch_execute("SET application_name = 'the writer'; BEGIN; INSERT INTO t VALUES (1)")
        .expect("writes");
    database.begin(patience()).expect("begins");
    let failure = database
        .run(
            &[
                statement("SELECT 1"),
                statement("CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()"),
            ],
            &mut |_| {},
        )
        .expect_err("is busy");
    assert_eq!(failure.kind, Kind::Busy);
    let diagnostic = &failure.diagnostics[0];
    assert!(
        diagnostic.message.contains("`public.t` is in use"),
        "{diagnostic:?}"
    );
    assert!(
        diagnostic
            .notes
            .iter()
            .any(|note| note.contains("the writer") && note.contains("RowExclusiveLock")),
        "{diagnostic:?}"
    );
    database.abort().expect("aborts");
    other.batch_execute("ROLLBACK").expect("ends");
    database.begin(patience()).expect("begins");
    database
        .run(
            &[statement(
                "CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
            )],
            &mut |_| {},
        )
        .expect("has the table");
    database.commit().expect("commits");
}

#[test]
fn a_deadlock_is_busy() {
    let scratch = Scratch::new();
    let mut database = scratch.after("CREATE TABLE t (id int); CREATE TABLE u (id int)");
    let mut other = scratch.client();
    other
        .batch_execute("SET deadlock_timeout = '1h'; BEGIN; LOCK TABLE u")
        .expect("locks");
    let patient = Patience {
        lock_timeout: Duration::from_secs(20),
        total: Duration::from_secs(20),
    };
    database.begin(patient).expect("begins");
    database
        .run(
            &[
                statement("SET LOCAL deadlock_timeout = '300ms'"),
                statement("LOCK TABLE t"),
            ],
            &mut |_| {},
        )
        .expect("locks");
    let writer = thread::spawn(move || other.batch_execute("LOCK TABLE t; COMMIT"));
    let failure = database
        .run(&[statement("LOCK TABLE u")], &mut |_| {})
        .expect_err("deadlocks");
    assert_eq!(failure.kind, Kind::Busy, "{failure:?}");
    database.abort().expect("aborts");
    writer.join().expect("ends").expect("the other goes on");
}

#[test]
fn two_sessions_at_one_function_are_busy() {
    let scratch = Scratch::new();
    for (made, there) in [("OR REPLACE FUNCTION f", true), ("FUNCTION made", false)] {
        let mut database = scratch.open();
        let create = |body: &str| {
            format!(
                "CREATE {made}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {body} RETURN NEW; END'"
            )
        };
        if there {
            database.execute(&create(""));
        }
        let mut other = scratch.client();
        other
            .batch_execute(&format!("BEGIN; {}", create("NULL;")))
            .expect("changes");
        let patient = Patience {
            lock_timeout: Duration::from_secs(20),
            total: Duration::from_secs(20),
        };
        database.begin(patient).expect("begins");
        let mut watcher = scratch.client();
        let committer = thread::spawn(move || {
            let waiting = "SELECT FROM pg_stat_activity \
                           WHERE datname = current_database() AND wait_event_type = 'Lock'";
            for _ in 0..2_000 {
                if !watcher.query(waiting, &[]).expect("reads").is_empty() {
                    break;
                }
                thread::sleep(Duration::from_millis(5));
            }
            other.batch_execute("COMMIT")
        });
        let failure = database
            .run(&[statement(&create("PERFORM 1;"))], &mut |_| {})
            .expect_err("meets the other");
        assert_eq!(failure.kind, Kind::Busy, "{failure:?}");
        committer.join().expect("ends").expect("commits");
        database.abort().expect("aborts");
    }
}

#[test]
fn a_signal_stops_what_runs() {
    let scratch = Scratch::new();
    let mut database = scratch.after("CREATE TABLE t (id int)");
    let interrupt = database.interrupter();
    database.begin(patience()).expect("begins");
    let (started, wait) = mpsc::channel();
    let interrupter = thread::spawn(move || {
        wait.recv().expect("starts");
        thread::sleep(Duration::from_millis(200));
        interrupt();
    });
    started.send(()).expect("sends");
    let failure = database
        .run(
            &[
                statement("INSERT INTO t VALUES (1)"),
                statement("SELECT pg_sleep(30)"),
            ],
            &mut |_| {},
        )
        .expect_err("is stopped");
    interrupter.join().expect("ends");
    assert_eq!(failure.kind, Kind::Interrupted, "{failure:?}");
    database.abort().expect("aborts");
    assert_eq!(count(&mut database, "SELECT count(*) FROM t"), 0);
    assert_eq!(
        database
            .begin(patience())
            .expect_err("goes no further")
            .kind,
        Kind::Interrupted
    );
}

#[test]
fn a_lost_connection_changes_nothing_before_commit() {
    let scratch = Scratch::new();
    let mut database = scratch.after("CREATE TABLE t (id int)");
    let killer = |database: &mut Postgres| {
        let pid: i32 = database
            .client
            .query_one("SELECT pg_backend_pid()", &[])
            .expect("reads")
            .get(0);
        scratch
            .client()
            .execute("SELECT pg_terminate_backend($1)", &[&pid])
            .expect("kills");
        thread::sleep(Duration::from_millis(100));
    };
    database.begin(patience()).expect("begins");
    killer(&mut database);
    let failure = database
        .run(&[statement("INSERT INTO t VALUES (1)")], &mut |_| {})
        .expect_err("is lost");
    assert_eq!(failure.kind, Kind::Failed);
    assert!(
        failure.diagnostics[0]
            .notes
            .iter()
            .any(|note| note.contains("nothing was changed")),
        "{failure:?}"
    );
    database.abort().expect("there is nothing to undo");

    let mut database = scratch.open();
    database.begin(patience()).expect("begins");
    killer(&mut database);
    let failure = database.commit().expect_err("is lost");
    assert_eq!(failure.kind, Kind::Uncertain, "{failure:?}");
}

#[test]
fn read_only_and_missing_rights_are_said() {
    let scratch = Scratch::new();
    let mut database = scratch.after(BASICS);
    database.execute("SET default_transaction_read_only = on");
    let failure = database.begin(patience()).expect_err("is read-only");
    assert_eq!(failure.kind, Kind::Refused);
    let role = format!("{}_reader", scratch.name);
    database.execute("SET default_transaction_read_only = off");
    database.execute(&format!("CREATE ROLE {role}; SET ROLE {role}"));
    database.begin(patience()).expect("begins");
    let failure = database
        .run(
            &[statement(
                "CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
            )],
            &mut |_| {},
        )
        .expect_err("may not");
    assert_eq!(failure.kind, Kind::Failed);
    assert!(
        failure.diagnostics[0]
            .help
            .iter()
            .any(|help| help.contains("TRIGGER on the table"))
    );
    database.abort().expect("aborts");
    database.execute(&format!("RESET ROLE; DROP ROLE {role}"));
}

#[test]
fn locks_are_counted() {
    let scratch = Scratch::new();
    let mut database = scratch.after(
        "CREATE TABLE plain (id int);
        CREATE TABLE p (id int) PARTITION BY RANGE (id);
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id);
        CREATE TABLE p1a PARTITION OF p1 FOR VALUES FROM (0) TO (5)",
    );
    let tables = [table_id("public", "plain"), table_id("public", "p")];
    assert_eq!(database.lock_count(&tables).expect("counts"), 4);
    let capacity = database.lock_capacity().expect("reads");
    assert!(capacity >= 64);
    assert_eq!(
        database.lock_budget().expect("reads"),
        Some(capacity / 5 * 2)
    );
}
