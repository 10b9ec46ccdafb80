//! What goes wrong for people: each one has its exit code and the words that say what to do, and nothing has changed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::server::Server;
use common::{
    Live, Sandbox, assert_same, eventually, postgres::Postgres, signal, sqlite::Sqlite, wait,
};

const TABLES: &str = "
CREATE TABLE users (id integer PRIMARY KEY, name text, age integer);
CREATE TABLE log (what text);
";

const SPEC: &str = r#"version = 1

[[trigger]]
name = "users_age"
table = "users"
timing = "after"
events = ["insert"]
body = "UPDATE users SET age = age + 1 WHERE id = NEW.id;"
"#;

for_each_dialect!(
    spec_that_cannot_be_read,
    spec_with_mistakes,
    templates_that_fail,
    statement_smuggled_in,
    names_that_cannot_be,
    names_taken_twice,
    table_that_is_not_there,
    history_that_is_locked,
);

/// Plan and apply fail with this code and these words, and nothing changes.
#[track_caller]
fn refused(sandbox: &Sandbox, live: &mut dyn Live, code: i32, words: &[&str]) {
    let before = live.everything();
    for arguments in [&["plan"][..], &["apply", "--yes"], &["check"]] {
        let run = sandbox.on(live, arguments).code(code).says(words);
        assert_eq!(run.stdout, "", "stdout carries results only\n{run}");
        // For programs, the same.
        let mut json = vec!["--format", "json"];
        json.extend(arguments);
        let run = sandbox.on(live, &json).code(code);
        let document = run.json();
        assert!(document.get("format_version").is_some(), "{run}");
    }
    assert_same("nothing was changed", &before, &live.everything());
}

fn spec_that_cannot_be_read(live: &mut dyn Live) {
    let sandbox = Sandbox::new();
    refused(&sandbox, live, 1, &["triggers.toml", "init"]);
    sandbox.write("triggers.toml", "version = 1\n[[trigger]\nname = \"x\"\n");
    refused(&sandbox, live, 1, &["triggers.toml:2"]);
    sandbox.write("triggers.toml", b"version = 1\n# \xff\xfe\n");
    refused(&sandbox, live, 1, &["triggers.toml", "utf-8"]);
    sandbox.write("triggers.toml", "");
    refused(&sandbox, live, 1, &["version"]);
    sandbox.write("triggers.toml", "version = 2\n");
    refused(&sandbox, live, 1, &["version", "triggers.toml:1"]);
    std::fs::remove_file(sandbox.path().join("triggers.toml")).unwrap();
    std::fs::create_dir(sandbox.path().join("triggers.toml")).unwrap();
    refused(&sandbox, live, 1, &["triggers.toml", "folder"]);
}

fn spec_with_mistakes(live: &mut dyn Live) {
    live.batch(TABLES);
    let sandbox = Sandbox::with_spec(
        &SPEC
            .replace("events", "evnts")
            .replace("\"after\"", "\"afterwards\""),
    );
    // All of them at once, in file order.
    refused(
        &sandbox,
        live,
        1,
        &[
            "unknown key `evnts`",
            "did you mean `events`",
            "afterwards",
            "triggers.toml:6",
            "triggers.toml:7",
        ],
    );
    sandbox.write(
        "triggers.toml",
        SPEC.replace("name = \"users_age\"", "name = 3"),
    );
    refused(&sandbox, live, 1, &["name", "triggers.toml:4"]);
    sandbox.write(
        "triggers.toml",
        SPEC.replace("version = 1", "version = 1\ninclude = [\"missing.toml\"]"),
    );
    refused(&sandbox, live, 1, &["missing.toml", "triggers.toml:2"]);
    sandbox.write(
        "triggers.toml",
        SPEC.replace("version = 1", "version = 1\ninclude = [\"triggers.toml\"]"),
    );
    refused(&sandbox, live, 1, &["triggers.toml"]);
}

fn templates_that_fail(live: &mut dyn Live) {
    live.batch(TABLES);
    let body = |text: &str| SPEC.replace("UPDATE users SET age = age + 1 WHERE id = NEW.id;", text);
    let sandbox = Sandbox::new();
    let mut fails = |text: &str, words: &[&str]| {
        sandbox.write("triggers.toml", body(text));
        refused(&sandbox, live, 1, words);
    };
    // A bare value is a way in for an injection.
    fails(
        "UPDATE users SET name = '{{ table }}';",
        &["triggers.toml:8", "ident", "literal"],
    );
    fails("{% if %}", &["triggers.toml:8"]);
    fails("{{ table | nothing }}", &["triggers.toml:8", "nothing"]);
    fails(
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        &["triggers.toml:8"],
    );
    fails(
        "UPDATE users SET age = {{ vars.nothing | literal }};",
        &["triggers.toml:8", "`vars.nothing` is not defined"],
    );
}

fn statement_smuggled_in(live: &mut dyn Live) {
    live.batch(TABLES);
    let sandbox = Sandbox::new();
    let mut fails = |text: &str| {
        sandbox.write(
            "triggers.toml",
            SPEC.replace("UPDATE users SET age = age + 1 WHERE id = NEW.id;", text),
        );
        if live.dialect() == "postgres" {
            // It stays inside the function's dollar quotes, and the server's own parser refuses it there.
            let before = live.everything();
            sandbox
                .on(live, &["apply", "--yes"])
                .code(1)
                .says(&["error: "]);
            assert_same("nothing was changed", &before, &live.everything());
        } else {
            refused(&sandbox, live, 1, &["triggers.toml:8"]);
        }
    };
    // Past the end of the body, the function, or the trigger.
    fails("SELECT 1; END; DROP TABLE log; SELECT 1;");
    fails("SELECT 1; END; $$ LANGUAGE plpgsql; DROP TABLE log; --");
    fails("SELECT 1; END; $function$; DROP TABLE log; --");
    fails("SELECT 1; END; CREATE TRIGGER x AFTER INSERT ON users BEGIN SELECT 1;");
    let mut fails = |text: &str| {
        sandbox.write(
            "triggers.toml",
            SPEC.replace("UPDATE users SET age = age + 1 WHERE id = NEW.id;", text),
        );
        refused(&sandbox, live, 1, &["triggers.toml:8"]);
    };
    fails("SELECT 'never closed;");
    fails("SELECT 1 /* never closed;");
    fails("");
    let when = SPEC.replace(
        "body =",
        "when = \"true) EXECUTE FUNCTION f(); DROP TABLE log; --\"\nbody =",
    );
    sandbox.write("triggers.toml", when);
    refused(&sandbox, live, 1, &["when", "triggers.toml:8"]);
    let when = SPEC.replace("body =", "when = \"1 = 1) OR (1 = 1\"\nbody =");
    sandbox.write("triggers.toml", when);
    refused(&sandbox, live, 1, &["when", "triggers.toml:8"]);
}

fn names_that_cannot_be(live: &mut dyn Live) {
    live.batch(TABLES);
    let sandbox = Sandbox::new();
    let mut fails = |name: &str, words: &[&str]| {
        sandbox.write("triggers.toml", SPEC.replace("\"users_age\"", name));
        refused(&sandbox, live, 1, words);
    };
    fails("\"\"", &["name", "triggers.toml:4"]);
    fails("\"nul \\u0000 byte\"", &["nul", "triggers.toml:4"]);
    sandbox.write(
        "triggers.toml",
        SPEC.replace("UPDATE users", "/* \\u0000 */ UPDATE users"),
    );
    refused(&sandbox, live, 1, &["nul", "triggers.toml:8"]);
    if live.dialect() == "postgres" {
        let long = format!("\"{}\"", "n".repeat(64));
        sandbox.write("triggers.toml", SPEC.replace("\"users_age\"", &long));
        refused(&sandbox, live, 1, &["63", "triggers.toml:4"]);
        // Bytes count, not characters.
        let long = format!("\"{}\"", "ü".repeat(32));
        sandbox.write("triggers.toml", SPEC.replace("\"users_age\"", &long));
        refused(&sandbox, live, 1, &["63", "triggers.toml:4"]);
    }
}

fn names_taken_twice(live: &mut dyn Live) {
    live.batch(TABLES);
    let again = SPEC
        .trim_start_matches("version = 1\n")
        .replace("age + 1", "age + 2");
    let sandbox = Sandbox::with_spec(&format!("{SPEC}{again}"));
    refused(
        &sandbox,
        live,
        1,
        &["users_age", "triggers.toml:4", "triggers.toml:11"],
    );
}

fn table_that_is_not_there(live: &mut dyn Live) {
    let sandbox = Sandbox::with_spec(SPEC);
    refused(&sandbox, live, 1, &["users", "triggers.toml:5"]);
    live.batch("CREATE TABLE userz (id integer)");
    refused(&sandbox, live, 1, &["users", "userz"]);
}

/// Somebody holds the lock for longer than one waits: exit 4, after a bounded time, and nothing has changed.
fn history_that_is_locked(live: &mut dyn Live) {
    live.batch(TABLES);
    let sandbox = Sandbox::with_spec(SPEC);
    let before = live.snapshot();
    match live.dialect() {
        "postgres" => live.batch("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE"),
        _ => live.batch("BEGIN IMMEDIATE"),
    }
    let start = Instant::now();
    sandbox
        .on(live, &["apply", "--yes", "--wait", "1"])
        .code(4)
        .says(&["lock"]);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(20), "waited {took:?}");
    live.batch("ROLLBACK");
    assert_same("nothing was changed", &before, &live.snapshot());
    assert_eq!(live.versions(), [""; 0]);
    // And when the lock is free again, it goes.
    sandbox.on(live, &["apply", "--yes"]).ok();
}

/// A URL, what plan and apply say of it, and that no file came of it.
#[track_caller]
fn no_database(sandbox: &Sandbox, url: &str, words: &[&str]) {
    let list = |sandbox: &Sandbox| {
        let mut names: Vec<_> = std::fs::read_dir(sandbox.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    let before = list(sandbox);
    for arguments in [
        &["plan"][..],
        &["apply", "--yes"],
        &["check"],
        &["history"],
        &["rollback", "--yes"],
    ] {
        let mut all = vec!["--url", url];
        all.extend(arguments);
        sandbox.run(&all).code(1).says(words);
    }
    assert_eq!(before, list(sandbox), "no file was made");
}

#[test]
fn sqlite_files_that_are_none() {
    let sandbox = Sandbox::with_spec(SPEC);
    no_database(
        &sandbox,
        "sqlite:missing.db",
        &["no database file", "missing.db"],
    );
    no_database(&sandbox, "sqlite:no/such/folder/x.db", &["x.db"]);
    no_database(&sandbox, "missing.db", &["missing.db"]);
    std::fs::create_dir(sandbox.path().join("folder.db")).unwrap();
    no_database(
        &sandbox,
        "sqlite:folder.db",
        &["folder.db", "not a database"],
    );
    sandbox.write(
        "text.db",
        "this is a text, and a long one, longer than the sixteen bytes of the header\n".repeat(50),
    );
    no_database(&sandbox, "sqlite:text.db", &["text.db", "not a database"]);
    let bytes = std::fs::read({
        let live = Sqlite::new();
        live.connection().execute_batch(TABLES).unwrap();
        sandbox.write("copy.db", std::fs::read(live.path()).unwrap())
    })
    .unwrap();
    let broken: Vec<u8> = bytes
        .iter()
        .enumerate()
        .map(|(at, byte)| if at < 100 { *byte } else { 0x5a })
        .collect();
    sandbox.write("broken.db", &broken);
    no_database(&sandbox, "sqlite:broken.db", &["broken.db"]);
    assert_eq!(
        std::fs::read(sandbox.path().join("broken.db")).unwrap(),
        broken
    );
    no_database(&sandbox, "nonsense://x", &["nonsense"]);
}

#[test]
fn sqlite_file_of_no_bytes_is_an_empty_database() {
    let sandbox = Sandbox::with_spec("version = 1\n");
    sandbox.write("empty.db", "");
    sandbox
        .run(&["--url", "sqlite:empty.db", "plan", "--detailed-exitcode"])
        .ok();
    assert_eq!(
        std::fs::metadata(sandbox.path().join("empty.db"))
            .unwrap()
            .len(),
        0
    );
}

/// The mode of the file stops no superuser: there, an immutable file does what a read-only one does for others.
#[test]
fn sqlite_file_that_is_read_only() {
    let mut live = Sqlite::new();
    live.batch(TABLES);
    let sandbox = Sandbox::with_spec(SPEC);
    let before = live.everything();
    let path = live.path();
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    if std::fs::OpenOptions::new().write(true).open(&path).is_ok() {
        // A superuser may write to it all the same, and so may the binary: have it run as somebody who may not.
        std::fs::set_permissions(
            live.folder(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        std::fs::set_permissions(
            sandbox.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o444))
            .unwrap();
        // The build folder may be closed to others.
        let binary = sandbox.path().join("triggerctl");
        std::fs::copy(env!("CARGO_BIN_EXE_triggerctl"), &binary).unwrap();
        let run = |arguments: &[&str]| {
            let mut command = std::process::Command::new("setpriv");
            command
                .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
                .arg(&binary);
            command
                .args(["--url", &live.url()])
                .args(arguments)
                .current_dir(sandbox.path());
            common::finish(command)
        };
        run(&["plan", "--detailed-exitcode"]).code(2);
        run(&["apply", "--yes"])
            .code(1)
            .says(&["cannot be written"]);
    } else {
        sandbox.on(&live, &["plan", "--detailed-exitcode"]).code(2);
        sandbox
            .on(&live, &["apply", "--yes"])
            .code(1)
            .says(&["cannot be written"]);
    }
    assert_same("nothing was changed", &before, &live.everything());
}

/// Somebody puts another file in its place while apply waits for a lock. With a write-ahead log, which lies under the name that both
/// have, the new file would take pages of the old one for its own.
#[test]
fn sqlite_file_that_is_replaced() {
    for mut live in [Sqlite::new(), Sqlite::wal()] {
        live.batch(TABLES);
        let sandbox = Sandbox::with_spec(SPEC);
        let other = live.folder().join("other.db");
        std::fs::copy(live.path(), &other).unwrap();
        // The copy has no log of its own, and what is in the old one's is not in it.
        let connection = rusqlite::Connection::open(&other).unwrap();
        connection
            .execute_batch("CREATE TABLE IF NOT EXISTS kept (what text); INSERT INTO kept VALUES ('as it was')")
            .unwrap();
        drop(connection);
        live.batch("BEGIN IMMEDIATE");
        let child = sandbox
            .command(&["--url", &live.url(), "apply", "--yes"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Long enough for it to have read the file, and to wait for the lock.
        std::thread::sleep(Duration::from_secs(1));
        let before = std::fs::read(&other).unwrap();
        let beside = live.path().with_extension("db-wal");
        let log = std::fs::read(&beside).ok();
        std::fs::rename(&other, live.path()).unwrap();
        live.batch("ROLLBACK");
        let run = wait(child, "apply");
        run.code(3).says(&["was moved or replaced meanwhile"]);
        assert!(
            before == std::fs::read(live.path()).unwrap(),
            "the new file is as it was"
        );
        assert!(log == std::fs::read(&beside).ok(), "its log is as it was");
    }
}

/// With a write-ahead log the index of the log is a file too, so that a full disk stops even who only reads.
#[test]
fn sqlite_disk_that_is_full() {
    let mut live = Sqlite::wal();
    live.batch(TABLES);
    let sandbox = Sandbox::with_spec(SPEC);
    live.left_alone(|live| {
        // A disk can be filled by its owner alone: a limit of the size of a file fails as late, once its signal is ignored.
        let mut command = std::process::Command::new("sh");
        command
            .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"])
            .arg(env!("CARGO_BIN_EXE_triggerctl"))
            .args(["--url", &live.url(), "plan"])
            .current_dir(sandbox.path());
        common::finish(command)
            .code(1)
            .says(&["disk I/O error", "make room on the disk"]);
    });
    sandbox.on(&live, &["apply", "--yes"]).ok();

    sandbox.write(
        "triggers.toml",
        SPEC.replace(
            "version = 1\n",
            "version = 1\n[database]\nurl = \"sqlite:new.db\"\ncreate_from = \"schema.sql\"\n",
        ),
    );
    sandbox.write("schema.sql", format!("PRAGMA max_page_count = 1;{TABLES}"));
    sandbox
        .run(&["apply", "--yes"])
        .code(1)
        .says(&["database or disk is full", "make room on the disk"])
        .never_says(&["correct the script"]);
    assert!(!sandbox.path().join("new.db").exists());
}

#[test]
fn sqlite_file_is_created_only_by_apply() {
    let sandbox = Sandbox::with_spec(&SPEC.replace(
        "version = 1\n",
        "version = 1\n[database]\nurl = \"sqlite:new.db\"\ncreate_from = \"schema.sql\"\n",
    ));
    sandbox.write("schema.sql", TABLES);
    let file = sandbox.path().join("new.db");
    sandbox
        .run(&["plan", "--detailed-exitcode"])
        .code(2)
        .says(&["users_age"]);
    sandbox.run(&["check"]).code(2);
    assert!(!file.exists(), "plan and check create no file");
    sandbox.run(&["apply"]).code(64);
    assert!(!file.exists());
    // A script that fails leaves no half of a database behind.
    sandbox.write(
        "schema.sql",
        "CREATE TABLE users (id integer, age integer);\nCREATE TABLE broken (",
    );
    sandbox
        .run(&["apply", "--yes"])
        .code(1)
        .says(&["schema.sql"]);
    assert!(!file.exists(), "a failed script leaves no file");
    sandbox.write("schema.sql", TABLES);
    sandbox.run(&["apply", "--yes"]).ok();
    sandbox.run(&["plan", "--detailed-exitcode"]).ok();
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection
        .execute_batch("INSERT INTO users VALUES (1, 'John', 30)")
        .unwrap();
    let age: i64 = connection
        .query_row("SELECT age FROM users", [], |row| row.get(0))
        .unwrap();
    assert_eq!(age, 31);
}

#[test]
fn postgres_passwords_and_ports() {
    let server = Server::new();
    let mut live = Postgres::on(&server.url());
    live.batch(TABLES);
    live.batch("CREATE ROLE alice LOGIN PASSWORD 'it''s secret/@:'");
    let sandbox = Sandbox::with_spec(SPEC);
    let before = live.everything();
    let wrong = server.tcp_url("alice", "Wr0ngS3cret", live.name());
    for arguments in [
        &["plan"][..],
        &["apply", "--yes"],
        &["-v", "plan"],
        &["--format", "json", "plan"],
    ] {
        let mut all = vec!["--url", &wrong];
        all.extend(arguments);
        // The password itself is never shown.
        sandbox
            .run(&all)
            .code(1)
            .says(&["password", "alice"])
            .never_says(&["Wr0ngS3cret"]);
    }
    let right = server.tcp_url("alice", "it%27s%20secret%2F%40%3A", live.name());
    sandbox
        .run(&["--url", &right, "plan", "--detailed-exitcode"])
        .code(2)
        .never_says(&["secret"]);
    let elsewhere = server.tcp_url("postgres", "x", "no_such_database");
    sandbox.run(&["--url", &elsewhere, "plan"]).code(1);
    let missing = common::postgres::with_database(&server.url(), "no_such_database");
    sandbox
        .run(&["--url", &missing, "plan"])
        .code(1)
        .says(&["no_such_database"]);

    // Nothing listens on port 1.
    let url = "postgresql://postgres:Wr0ngS3cret@127.0.0.1:1/x?connect_timeout=2";
    sandbox
        .run(&["--url", url, "plan"])
        .code(1)
        .says(&["127.0.0.1", "refused"])
        .never_says(&["Wr0ngS3cret"]);
    sandbox
        .run(&[
            "--url",
            "postgresql://postgres@/x?host=/no/such/folder",
            "plan",
        ])
        .code(1)
        .says(&["/no/such/folder"]);
    assert_same("nothing was changed", &before, &live.everything());
}

#[test]
fn postgres_in_recovery() {
    let mut server = Server::new();
    let name;
    {
        let mut client = common::postgres::connect(&server.url());
        name = "app";
        client.batch_execute("CREATE DATABASE app").unwrap();
        let mut client =
            common::postgres::connect(&common::postgres::with_database(&server.url(), name));
        client.batch_execute(TABLES).unwrap();
    }
    server.restart_in_recovery();
    let url = common::postgres::with_database(&server.url(), name);
    let sandbox = Sandbox::with_spec(SPEC);
    // Looking is possible on a standby; changing is not, and the message says why.
    sandbox
        .run(&["--url", &url, "plan", "--detailed-exitcode"])
        .code(2)
        .says(&["users_age"]);
    sandbox
        .run(&["--url", &url, "apply", "--yes"])
        .code(3)
        .says(&["standby"]);
}

#[test]
fn postgres_role_without_rights() {
    let mut live = Postgres::new();
    let role = format!("{}_reader", live.name());
    live.batch(TABLES);
    live.batch(&format!("CREATE ROLE {role} LOGIN"));
    let sandbox = Sandbox::with_spec(SPEC);
    let url = live.url().replacen("postgres@", &format!("{role}@"), 1);
    assert_ne!(
        url,
        live.url(),
        "the test server's URL has no `postgres@` to replace"
    );
    let before = live.everything();
    // A plan needs no right but to look.
    sandbox
        .run(&["--url", &url, "plan", "--detailed-exitcode"])
        .code(2)
        .says(&["users_age"]);
    sandbox
        .run(&["--url", &url, "apply", "--yes"])
        .code(1)
        .says(&["permission denied"]);
    assert_same("nothing was changed", &before, &live.everything());
    // Once applied by another, a reader's plan is empty.
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let plan = sandbox.run(&["--url", &url, "plan", "--detailed-exitcode"]);
    live.batch(&format!("DROP ROLE {role}"));
    // The history cannot be read without being granted: said so, and never taken as 'nothing was applied'.
    assert!(
        plan.code == Some(0) || (plan.code == Some(1) && plan.stderr.contains("triggerctl")),
        "{plan}"
    );
}

/// Makes every CREATE TRIGGER hang, in the middle of the migration's transaction.
const SLOW: &str = "
CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN IF tg_tag = 'CREATE TRIGGER' THEN PERFORM pg_sleep(120); END IF; END $$;
CREATE EVENT TRIGGER slow ON ddl_command_end EXECUTE FUNCTION slow();
";

/// Start an apply that hangs in the middle of its transaction.
fn hanging_apply(sandbox: &Sandbox, live: &mut Postgres) -> std::process::Child {
    live.batch(TABLES);
    live.batch(SLOW);
    let child = sandbox
        .command(&["--url", &live.url(), "apply", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    eventually("the apply hangs", || live.run(sleeping) == "1\n");
    child
}

#[test]
fn postgres_interrupted() {
    for name in ["INT", "TERM"] {
        let mut live = Postgres::new();
        let sandbox = Sandbox::with_spec(SPEC);
        let child = hanging_apply(&sandbox, &mut live);
        let before = live.snapshot();
        let start = Instant::now();
        signal(&child, name);
        wait(child, "apply").code(130).says(&["interrupted"]);
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "took {:?}",
            start.elapsed()
        );
        assert_same("nothing was changed", &before, &live.snapshot());
        assert_eq!(live.versions(), [""; 0]);
        live.batch("DROP EVENT TRIGGER slow");
        sandbox.on(&live, &["apply", "--yes"]).ok();
    }
}

#[test]
fn postgres_killed() {
    let mut live = Postgres::new();
    let sandbox = Sandbox::with_spec(SPEC);
    let child = hanging_apply(&sandbox, &mut live);
    let before = live.snapshot();
    signal(&child, "KILL");
    assert_eq!(wait(child, "apply").code, None);
    // The server may still be busy with the statement of the client that is gone.
    live.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
    assert_same("nothing was changed", &before, &live.snapshot());
    live.batch("DROP EVENT TRIGGER slow");
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_eq!(live.versions(), ["1 applied"]);
}

#[test]
fn postgres_two_at_once() {
    let mut live = Postgres::new();
    let sandbox = Sandbox::with_spec(SPEC);
    let first = hanging_apply(&sandbox, &mut live);
    let start = Instant::now();
    let run = sandbox
        .on(&live, &["apply", "--yes", "--wait", "1"])
        .code(4);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(20), "waited {took:?}");
    run.says(&["another"]);
    // The first one goes on undisturbed, once it can.
    live.run("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'");
    assert_ne!(wait(first, "apply").code, None);
}

/// Of two that apply the same, the one that comes later finds nothing left to do.
fn same_at_once(live: &mut dyn Live, hold: &str) {
    live.batch(TABLES);
    let sandbox = Sandbox::with_spec(SPEC);
    live.batch(hold);
    let start = || {
        let mut command =
            sandbox.command(&["--url", &live.url(), "apply", "--yes", "--wait", "50"]);
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        piped.spawn().unwrap()
    };
    let both = [start(), start()];
    // Long enough for both to have planned.
    std::thread::sleep(Duration::from_secs(2));
    live.batch("ROLLBACK");
    for child in both {
        wait(child, "one of two").ok();
    }
    assert_eq!(live.versions(), ["1 applied"]);
    sandbox.on(live, &["plan", "--detailed-exitcode"]).ok();
}

#[test]
fn sqlite_same_at_once() {
    same_at_once(&mut Sqlite::new(), "BEGIN IMMEDIATE");
}

#[test]
fn postgres_same_at_once() {
    let hold = "BEGIN; INSERT INTO users VALUES (7, 'a', 1)";
    same_at_once(&mut Postgres::new(), hold);
}

/// The server goes away in the middle: nothing was committed, and it says so.
#[test]
fn postgres_connection_lost() {
    let mut live = Postgres::new();
    let sandbox = Sandbox::with_spec(SPEC);
    let child = hanging_apply(&sandbox, &mut live);
    let before = live.snapshot();
    live.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'");
    let run = wait(child, "apply").code(1);
    assert!(!run.stderr.is_empty(), "{run}");
    assert_same("nothing was changed", &before, &live.snapshot());
}

/// Enough triggers that an apply takes a while.
fn many() -> String {
    let mut spec = String::from("version = 1\n");
    for number in 0..4000 {
        let _ = write!(
            spec,
            "[[trigger]]\nname = \"users_{number}\"\ntable = \"users\"\ntiming = \"after\"\nevents = [\"insert\"]\nbody = \"INSERT INTO log (what) VALUES ('{number}');\"\n"
        );
    }
    spec
}

/// Start an apply and wait until it has begun to write to the file.
fn writing_apply(sandbox: &Sandbox, live: &mut Sqlite) -> std::process::Child {
    live.batch(TABLES);
    let child = sandbox
        .command(&["--url", &live.url(), "apply", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let journal = live.folder().join("test.db-journal");
    eventually("the apply writes", || journal.exists());
    std::thread::sleep(Duration::from_millis(20));
    child
}

#[test]
fn sqlite_interrupted() {
    let mut live = Sqlite::new();
    let sandbox = Sandbox::with_spec(&many());
    let child = writing_apply(&sandbox, &mut live);
    signal(&child, "INT");
    let run = wait(child, "apply");
    assert_ne!(
        run.code,
        Some(0),
        "the apply was done before the signal came: more triggers are needed"
    );
    run.code(130).says(&["interrupted"]);
    let after = live.snapshot();
    assert!(!after.contains("users_1"), "something was left:\n{after}");
    assert_eq!(live.versions(), [""; 0]);
}

#[test]
fn sqlite_killed() {
    let mut live = Sqlite::new();
    let sandbox = Sandbox::with_spec(&many());
    let child = writing_apply(&sandbox, &mut live);
    signal(&child, "KILL");
    assert_eq!(wait(child, "apply").code, None);
    let after = live.snapshot();
    assert!(!after.contains("users_1"), "something was left");
    assert_eq!(live.run("PRAGMA integrity_check"), "ok\n");
    assert_eq!(live.versions(), [""; 0]);
    // The next run finds the journal that was left, and goes on from the old state.
    sandbox.write("triggers.toml", SPEC);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.on(&live, &["plan", "--detailed-exitcode"]).ok();
}

#[test]
fn sqlite_killed_leaves_a_journal_that_plan_can_face() {
    let mut live = Sqlite::new();
    let sandbox = Sandbox::with_spec(&many());
    let child = writing_apply(&sandbox, &mut live);
    signal(&child, "KILL");
    wait(child, "apply");
    sandbox.write("triggers.toml", SPEC);
    // Nobody opened the file in between: the hot journal is still there.
    sandbox
        .on(&live, &["plan", "--detailed-exitcode"])
        .code(2)
        .says(&["users_age"]);
}

#[test]
fn wrong_usage() {
    let sandbox = Sandbox::with_spec(SPEC);
    for arguments in [
        &["nonsense"][..],
        &["plan", "--nonsense"],
        &["rollback", "--to", "x"],
        &["--format", "xml", "plan"],
        &[],
    ] {
        let run = sandbox.run(arguments);
        assert_eq!(run.code, Some(64), "{run}");
        assert_eq!(run.stdout, "", "{run}");
        assert!(
            run.stderr.contains("Usage") || run.stderr.contains("--help"),
            "{run}"
        );
    }
    // No database named anywhere.
    sandbox.run(&["plan"]).code(64).says(&["--url"]);
}

/// What stands behind `apply` is a saved plan; who means a trigger is told how to say so.
#[test]
fn a_trigger_where_a_saved_plan_is_expected() {
    let sandbox = Sandbox::with_spec(SPEC);
    for (arguments, code, help) in [
        (
            &["apply", "--yes", "touch"][..],
            1,
            &["no file `touch`", "apply --target 'touch'"],
        ),
        (
            &["apply", "--yes", "--adopt", "touch"],
            64,
            &["saved plan `touch`", "--adopt --target 'touch'"],
        ),
        (
            &["apply", "--yes", "--target", "stamp", "touch"],
            64,
            &["saved plan `touch`", "--target 'touch'"],
        ),
    ] {
        let run = sandbox.run(arguments).code(code);
        let words: Vec<&str> = run.stderr.split_whitespace().collect();
        let said = words.join(" ");
        for part in help {
            assert!(said.contains(part), "{run}");
        }
        assert_eq!(run.stdout, "", "{run}");
    }
}

/// A log on a disk that is full: what was done is done, and where it cannot be said in one place it is in the other.
#[cfg(target_os = "linux")]
#[test]
fn a_migration_whose_result_cannot_be_written_is_done() {
    let full = || {
        let file = std::fs::OpenOptions::new().write(true).open("/dev/full");
        Stdio::from(file.unwrap())
    };
    let mut live = Sqlite::new();
    live.batch(TABLES);
    let sandbox = Sandbox::with_spec(SPEC);
    let url = live.url();
    let apply = |arguments: &[&str]| {
        let all = [&["--url", &url, "apply", "--yes"], arguments].concat();
        sandbox.command(&all)
    };
    // Nothing to show the plan on: nothing is done.
    let mut command = apply(&[]);
    let output = command.stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(live.versions(), Vec::<String>::new());
    // Nothing to say that it is done on: it is done.
    let mut command = apply(&[]);
    let output = command.stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(live.versions(), ["1 applied"]);
    // A program would be left without its document.
    sandbox.write("triggers.toml", SPEC.replace("+ 1", "+ 2"));
    let mut command = apply(&["--format", "json"]);
    let output = command.stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    for words in ["cannot be written", "done all the same, as version 2"] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(live.versions(), ["1 applied", "2 applied"]);
}

/// Written into a pipe that nobody reads, as by `triggerctl render | head -1`: no panic, no complaint.
#[test]
fn closed_pipe() {
    let sandbox = Sandbox::with_spec(&many());
    let mut child = sandbox
        .command(&["render", "--dialect", "sqlite"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let run = wait(child, "render");
    assert_eq!(run.stderr, "", "{run}");
}

/// Whoever asks, it is the plan that refuses it.
#[test]
fn a_condition_that_does_not_fit() {
    let mut live = Postgres::new();
    live.batch(TABLES);
    let spec = SPEC.replace(
        "timing = \"after\"",
        "timing = \"after\"\nwhen = \"NEW.agee > 1\"",
    );
    let sound = SPEC
        .replace("users_age", "a_sound_one")
        .replace("version = 1", "");
    let sandbox = Sandbox::with_spec(&(spec + &sound));
    let before = live.everything();
    for arguments in [&["plan"][..], &["check"], &["apply", "--yes"]] {
        sandbox.on(&live, arguments).code(1).says(&[
            "the condition of `users_age` does not fit public.users",
            "agee",
            "triggers.toml:4:",
            "correct `when`",
        ]);
    }
    assert_same("nothing was changed", &before, &live.everything());
}

/// A pipe is read once, and `apply` looks at the spec again to say what is wrong.
#[cfg(unix)]
#[test]
fn a_spec_from_a_pipe() {
    let mut live = Sqlite::new();
    live.batch("CREATE TABLE t (a); CREATE TABLE log (word)");
    let sandbox = Sandbox::new();
    let broken = "version = 1\n[[trigger]]\nname = 'a'\ntable = 't'\ntiming = 'after'\nevents = ['insert']\n\
                  body = 'INSERT INTO nowhere VALUES (1);'\n";
    for (spec, code, words) in [
        (broken.to_owned(), 1, "no such table: nowhere"),
        (broken.replace("nowhere", "log"), 0, "1 created"),
    ] {
        let mut child = sandbox
            .command(&["--url", &live.url(), "-c", "/dev/stdin", "apply", "--yes"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(spec.as_bytes())
            .unwrap();
        wait(child, "apply of a spec from a pipe")
            .code(code)
            .says(&[words]);
    }
}

/// What is asked about a failure afterwards needs no second connection, and is not what is told where it fails.
#[test]
fn a_failure_with_one_connection_alone() {
    let mut live = Postgres::new();
    let role = format!("{}_alone", live.name());
    live.batch(TABLES);
    live.batch(&format!(
        "CREATE ROLE {role} LOGIN CONNECTION LIMIT 1;
         GRANT CREATE ON DATABASE {} TO {role}; GRANT CREATE, USAGE ON SCHEMA public TO {role};
         ALTER TABLE users OWNER TO {role}; ALTER TABLE log OWNER TO {role};
         CREATE FUNCTION frozen() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'DDL is frozen'; END$$;
         CREATE EVENT TRIGGER frozen ON ddl_command_start WHEN TAG IN ('CREATE TRIGGER') EXECUTE FUNCTION frozen()",
        live.name()
    ));
    let sandbox = Sandbox::with_spec(SPEC);
    let url = live.url().replace("postgres@", &format!("{role}@"));
    let run = sandbox.run(&["--url", &url, "apply", "--yes"]);
    live.batch(&format!(
        "DROP EVENT TRIGGER frozen; REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}"
    ));
    run.code(1)
        .says(&["DDL is frozen"])
        .never_says(&["too many connections"]);
}

/// A recursion that goes wrong deep down names every level: the first ones tell where.
#[test]
fn a_long_context_is_cut() {
    let mut live = Postgres::new();
    live.batch(TABLES);
    live.batch(
        "CREATE FUNCTION deep(n integer) RETURNS void LANGUAGE plpgsql AS $$BEGIN
             IF n = 0 THEN RAISE EXCEPTION 'too deep'; END IF;
             PERFORM deep(n - 1);
         END$$;
         CREATE FUNCTION watched() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN PERFORM deep(40); END$$;
         CREATE EVENT TRIGGER watched ON ddl_command_start WHEN TAG IN ('CREATE TRIGGER') EXECUTE FUNCTION watched()",
    );
    let run = Sandbox::with_spec(SPEC).on(&live, &["apply", "--yes"]);
    live.batch("DROP EVENT TRIGGER watched");
    // Two lines each level, and some above.
    run.code(1).says(&[
        "too deep",
        "deep(integer) line 2 at RAISE",
        "(and 71 more lines)",
    ]);
}
