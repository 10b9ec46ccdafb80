use std::borrow::Cow;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use super::*;
use crate::db::Intent;
use crate::db::url::SqliteLocation;
use crate::error::Kind;
use crate::model::TriggerId;

const SCHEMA: &str = "
    CREATE TABLE users(id integer primary key, name text, age int);
    CREATE TABLE log(what text);
    INSERT INTO users VALUES (1, 'Ada', 36);
    CREATE TRIGGER Users_Age AFTER INSERT ON users BEGIN UPDATE users SET age = age + 1 WHERE id = NEW.id; END;
";

const CREATE_OTHER: &str =
    "CREATE TRIGGER other AFTER DELETE ON users BEGIN INSERT INTO log VALUES ('gone'); END";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// A database in this journal mode, closed again.
    fn database(&self, journal_mode: &str) -> PathBuf {
        let path = self.path("a.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .pragma_update(None, "journal_mode", journal_mode)
            .unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        connection.close().unwrap();
        path
    }

    /// The files that are there, with their content.
    fn content(&self) -> BTreeMap<String, Vec<u8>> {
        fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                (name, fs::read(entry.path()).unwrap())
            })
            .collect()
    }

    fn names(&self) -> Vec<String> {
        self.content().into_keys().collect()
    }
}

fn open_with(path: &Path, intent: Intent, create_from: Option<&Path>) -> Result<Sqlite, Error> {
    open(&Options {
        location: &SqliteLocation::File(path.to_owned()),
        intent,
        create_from,
    })
}

fn opened(path: &Path, intent: Intent) -> Sqlite {
    open_with(path, intent, None).unwrap()
}

/// Message and help of what opening says.
fn refusal(path: &Path, intent: Intent) -> (String, String) {
    said(&open_with(path, intent, None).unwrap_err())
}

fn said(error: &Error) -> (String, String) {
    let diagnostic = &error.diagnostics[0];
    (diagnostic.message.clone(), diagnostic.help.join("\n"))
}

fn trigger(table: &str, name: &str) -> ObjectId {
    ObjectId::Trigger(TriggerId {
        table: TableId {
            schema: "main".to_owned(),
            name: table.to_owned(),
        },
        name: name.to_owned(),
    })
}

fn everything() -> Scope<'static> {
    Scope {
        schemas: BTreeSet::from(["main".to_owned()]),
        known: BTreeSet::new(),
    }
}

fn statements(sql: &[&str]) -> Vec<Statement> {
    sql.iter()
        .map(|sql| Statement {
            sql: (*sql).to_owned(),
            object: Some(Arc::new(trigger("users", "other"))),
        })
        .collect()
}

const PATIENCE: Patience = Patience {
    lock_timeout: Duration::from_millis(100),
    total: Duration::from_secs(1),
};

fn live_names(database: &mut Sqlite) -> Vec<String> {
    database
        .catalog(&everything())
        .unwrap()
        .fingerprints
        .keys()
        .map(|id| id.name().to_owned())
        .collect()
}

#[test]
fn a_missing_file_is_not_made() {
    let folder = Folder::new();
    let path = folder.path("missing.db");
    for intent in [Intent::Read, Intent::Write] {
        let (message, help) = refusal(&path, intent);
        assert_eq!(
            message,
            format!("there is no database file `{}`", path.display())
        );
        assert!(help.contains("create_from"), "{help}");
        let (message, _) = refusal(&folder.path("no/such.db"), intent);
        assert!(message.contains("its folder"), "{message}");
    }
    assert!(folder.names().is_empty());
}

#[test]
fn each_wrong_file_has_its_own_message() {
    let folder = Folder::new();
    let database = fs::read(folder.database("delete")).unwrap();
    let mut corrupt = database.clone();
    corrupt[100..180].fill(0xff);
    let cases = [
        (
            folder.write("text.db", "hello, this is text ".repeat(50)),
            "is not a SQLite database",
        ),
        (folder.write("short.db", "x"), "is not a SQLite database"),
        (folder.write("corrupt.db", corrupt), "is damaged"),
        (folder.write("cut.db", &database[..5000]), "is damaged"),
        (folder.0.path().to_owned(), "is a folder"),
        (folder.path("a.db/b.db"), "a part of the path is a file"),
    ];
    for (path, expected) in cases {
        for intent in [Intent::Read, Intent::Write] {
            let (message, _) = refusal(&path, intent);
            assert!(message.contains(expected), "{message}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_dangling_link_and_a_pipe_are_told_apart() {
    let folder = Folder::new();
    let link = folder.path("link.db");
    std::os::unix::fs::symlink(folder.path("nowhere.db"), &link).unwrap();
    let (message, _) = refusal(&link, Intent::Read);
    assert!(
        message.contains("is a link to a file that does not exist"),
        "{message}"
    );
    let script = folder.write("schema.sql", SCHEMA);
    assert!(open_with(&link, Intent::Write, Some(&script)).is_err());
    let socket = folder.path("socket.db");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let (message, _) = refusal(&socket, Intent::Read);
    assert!(message.contains("is not a regular file"), "{message}");
}

#[test]
fn an_empty_file_is_an_empty_database() {
    let folder = Folder::new();
    let path = folder.write("empty.db", "");
    let mut database = opened(&path, Intent::Read);
    assert!(live_names(&mut database).is_empty());
    assert!(database.tables(&[]).unwrap().is_empty());
    assert!(!database.history().unwrap().exists);
    drop(database);
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn names_that_look_like_something_else_are_files() {
    let folder = Folder::new();
    let plain = folder.database("delete");
    for name in ["file:a?mode=memory", ":memory:", "a b%20c.db", "é🦀.db"] {
        let path = folder.path(name);
        fs::copy(&plain, &path).unwrap();
        assert_eq!(live_names(&mut opened(&path, Intent::Read)), ["Users_Age"]);
    }
}

#[test]
fn reading_changes_no_byte_and_leaves_nothing() {
    for journal_mode in ["delete", "wal"] {
        let folder = Folder::new();
        let path = folder.database(journal_mode);
        let before = folder.content();
        let mut database = opened(&path, Intent::Read);
        let names = live_names(&mut database);
        assert_eq!(names, ["Users_Age"]);
        let definitions = database
            .definitions(&[trigger("users", "users_age")], Depth::Whole)
            .unwrap();
        let definitions: Vec<&Definition> = definitions.values().collect();
        assert_eq!(definitions.len(), 1);
        assert_eq!(database.check(&definitions, &[]).unwrap(), []);
        database.table_names(None).unwrap();
        database.history().unwrap();
        assert!(database.begin(PATIENCE).is_err());
        assert!(
            database
                .run(&statements(&[CREATE_OTHER]), &mut |_| ())
                .is_err(),
            "nothing can be written"
        );
        drop(database);
        assert_eq!(folder.content(), before, "{journal_mode}");
    }
}

#[test]
fn a_log_that_is_there_stays() {
    let folder = Folder::new();
    let path = folder.database("wal");
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch(CREATE_OTHER).unwrap();
    assert!(folder.names().contains(&"a.db-wal".to_owned()));
    let before = fs::read(folder.path("a.db-wal")).unwrap();
    assert!(!before.is_empty());
    let mut database = opened(&path, Intent::Read);
    // What is only in the log is seen.
    assert_eq!(live_names(&mut database), ["Users_Age", "other"]);
    drop(database);
    assert_eq!(fs::read(folder.path("a.db-wal")).unwrap(), before);
    drop(writer);
}

#[test]
fn a_locked_file_is_busy() {
    let folder = Folder::new();
    let path = folder.database("delete");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = open_with(&path, Intent::Read, None).unwrap_err();
    assert_eq!(error.kind, Kind::Busy, "{error}");
    other.execute_batch("ROLLBACK").unwrap();
    opened(&path, Intent::Read);
}

// Tests that need another process run this test binary again; what it is to do is in a variable.
const CHILD: &str = "TRIGGERCTL_TEST_SQLITE_CHILD";

fn child(task: &str, path: &Path, unprivileged: bool) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "db::sqlite::tests::in_a_child", "--nocapture"])
        .env(CHILD, task)
        .env("TRIGGERCTL_TEST_SQLITE_PATH", path);
    #[cfg(unix)]
    if unprivileged {
        use std::os::unix::fs::MetadataExt;
        use std::os::unix::process::CommandExt;
        // Permissions do not bind root.
        if fs::metadata("/proc/self").unwrap().uid() == 0 {
            command.uid(65534).gid(65534);
        }
    }
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn in_a_child() {
    let Ok(task) = std::env::var(CHILD) else {
        return;
    };
    let path = PathBuf::from(std::env::var_os("TRIGGERCTL_TEST_SQLITE_PATH").unwrap());
    let report = |result: Result<Sqlite, Error>| match result {
        Ok(mut database) => println!("opened {:?}", live_names(&mut database)),
        Err(error) => println!("refused {}", said(&error).0),
    };
    match task.as_str() {
        "read" => report(open_with(&path, Intent::Read, None)),
        "write" => report(open_with(&path, Intent::Write, None)),
        "die" => {
            let mut database = opened(&path, Intent::Write);
            database.begin(PATIENCE).unwrap();
            let replace = ["DROP TRIGGER users_age", CREATE_OTHER];
            database.run(&statements(&replace), &mut |_| ()).unwrap();
            std::process::abort();
        }
        "die writing" => {
            let connection = Connection::open(&path).unwrap();
            connection
                .execute_batch(
                    "PRAGMA cache_size = 2; BEGIN IMMEDIATE;
                     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
                     INSERT INTO log SELECT hex(randomblob(100)) FROM n;",
                )
                .unwrap();
            std::process::abort();
        }
        other => panic!("no such task: {other}"),
    }
}

#[cfg(unix)]
#[test]
fn permissions_are_told_apart() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let folder = Folder::new();
    let path = folder.database("delete");
    mode(&path, 0o644);
    assert!(child("read", &path, true).contains("opened [\"Users_Age\"]"));
    let said = child("write", &path, true);
    assert!(said.contains("cannot be written"), "{said}");
    mode(&path, 0o600);
    let said = child("read", &path, true);
    assert!(
        said.contains("no permission to read the database file"),
        "{said}"
    );
    mode(folder.0.path(), 0o700);
    let said = child("read", &path, true);
    assert!(said.contains("no permission to look for"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_log_in_a_folder_that_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let path = folder.database("wal");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    for task in ["read", "write"] {
        let said = child(task, &path, true);
        assert!(
            said.contains("its folder cannot be written"),
            "{task}: {said}"
        );
    }
}

#[test]
fn a_killed_apply_leaves_the_old_triggers() {
    for journal_mode in ["delete", "wal"] {
        let folder = Folder::new();
        let path = folder.database(journal_mode);
        child("die", &path, false);
        let mut database = opened(&path, Intent::Write);
        assert_eq!(live_names(&mut database), ["Users_Age"], "{journal_mode}");
        let sound: String = database
            .connection
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(sound, "ok");
    }
}

#[test]
fn a_hot_journal_is_for_a_writer_to_roll_back() {
    let folder = Folder::new();
    let path = folder.database("delete");
    child("die writing", &path, false);
    assert!(folder.names().contains(&"a.db-journal".to_owned()));
    let before = folder.content();
    let (message, help) = refusal(&path, Intent::Read);
    assert!(
        message.contains("in the middle of a transaction"),
        "{message}"
    );
    assert!(help.contains("a plan does not do it"), "{help}");
    assert_eq!(folder.content(), before);
    assert_eq!(live_names(&mut opened(&path, Intent::Write)), ["Users_Age"]);
    assert_eq!(live_names(&mut opened(&path, Intent::Read)), ["Users_Age"]);
}

#[test]
fn a_plan_on_a_missing_file_is_made_in_memory() {
    let folder = Folder::new();
    let script = folder.write("schema.sql", SCHEMA);
    let path = folder.path("new.db");
    let mut planned = open_with(&path, Intent::Read, Some(&script)).unwrap();
    assert!(!planned.exists());
    assert_eq!(live_names(&mut planned), ["Users_Age"]);
    assert!(planned.begin(PATIENCE).is_err());
    assert_eq!(folder.names(), ["schema.sql"]);

    let mut made = open_with(&path, Intent::Write, Some(&script)).unwrap();
    assert!(made.exists());
    assert_eq!(made.target(), planned.target());
    assert_eq!(live_names(&mut made), ["Users_Age"]);
    drop(made);
    assert_eq!(folder.names(), ["new.db", "schema.sql"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let permissions = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(permissions & 0o777, 0o644);
    }
    // Once it is there, the script is not looked at.
    fs::remove_file(&script).unwrap();
    open_with(&path, Intent::Write, Some(&script)).unwrap();
}

#[test]
fn a_script_may_set_up_a_log() {
    let folder = Folder::new();
    let script = folder.write(
        "schema.sql",
        format!("PRAGMA journal_mode = WAL; BEGIN; {SCHEMA} COMMIT; VACUUM;"),
    );
    let path = folder.path("new.db");
    drop(open_with(&path, Intent::Read, Some(&script)).unwrap());
    let mut database = open_with(&path, Intent::Write, Some(&script)).unwrap();
    assert_eq!(live_names(&mut database), ["Users_Age"]);
    drop(database);
    assert_eq!(folder.names(), ["new.db", "schema.sql"]);
    assert_eq!(fs::read(&path).unwrap()[18], 2);
}

#[test]
fn a_script_that_fails_makes_nothing() {
    let folder = Folder::new();
    let other = folder.path("other.db");
    let attach = format!(
        "CREATE TABLE a(x);\nATTACH '{}' AS b; CREATE TABLE b.c(x)",
        other.display()
    );
    let into = format!("CREATE TABLE a(x); VACUUM INTO '{}'", other.display());
    for (text, message, at) in [
        (
            "CREATE TABLE a(x);\nCREATE TABEL b(x);",
            "near \"TABEL\": syntax error",
            Some((2, 8)),
        ),
        (
            "CREATE TABLE a(x); INSERT INTO b VALUES (1);",
            "no such table: b",
            None,
        ),
        (
            "CREATE TABLE a(x CHECK (x > 0)); INSERT INTO a VALUES (0);",
            "CHECK constraint failed",
            None,
        ),
        (".read other.sql", "near \".\": syntax error", Some((1, 1))),
        (
            "BEGIN; CREATE TABLE a(x);",
            "leaves a transaction open",
            None,
        ),
        (&attach, "not authorized", None),
        (&into, "authorization denied", None),
    ] {
        let script = folder.write("schema.sql", text);
        let path = folder.path("new.db");
        for intent in [Intent::Read, Intent::Write] {
            let error = open_with(&path, intent, Some(&script)).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
            assert_eq!(
                error.diagnostics[0]
                    .place
                    .as_ref()
                    .map(|(span, _)| span.line_column()),
                at,
                "{text}"
            );
            assert_eq!(folder.names(), ["schema.sql"], "{text}");
        }
    }
    let not_text = folder.write("schema.sql", b"\xff\xfe");
    let error = open_with(&folder.path("new.db"), Intent::Write, Some(&not_text)).unwrap_err();
    assert!(error.to_string().contains("is not UTF-8"), "{error}");
    let error = open_with(
        &folder.path("new.db"),
        Intent::Read,
        Some(&folder.path("gone.sql")),
    )
    .unwrap_err();
    assert!(error.to_string().contains("does not exist"), "{error}");
}

#[test]
fn a_file_that_is_there_is_never_replaced() {
    let folder = Folder::new();
    let script = folder.write("schema.sql", SCHEMA);
    let path = folder.write("new.db", "precious");
    let error = create(&path, &script).unwrap_err();
    assert!(
        error.to_string().contains("has appeared in the meantime"),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    assert_eq!(folder.names(), ["new.db", "schema.sql"]);
}

#[test]
fn the_catalog_is_listed_in_the_spelling_asked_for() {
    let folder = Folder::new();
    let path = folder.database("delete");
    let mut database = opened(&path, Intent::Write);
    database
        .connection
        .execute_batch("CREATE TEMP TRIGGER passing AFTER INSERT ON users BEGIN SELECT 1; END")
        .unwrap();
    let asked = trigger("USERS", "users_age");
    let scope = Scope {
        known: [asked.clone(), trigger("users", "gone")]
            .map(Cow::Owned)
            .into(),
        ..everything()
    };
    let catalog = database.catalog(&scope).unwrap();
    let ids: Vec<&ObjectId> = catalog.fingerprints.keys().collect();
    assert_eq!(ids, [&asked]);
    let definitions = database
        .definitions(&[asked.clone(), trigger("users", "gone")], Depth::Structure)
        .unwrap();
    assert_eq!(definitions.len(), 1);
    assert_eq!(definitions[&asked].id(), asked);
    // Without the schema, only what is known.
    database.connection.execute_batch(CREATE_OTHER).unwrap();
    let known_only = Scope {
        known: [asked.clone()].map(Cow::Owned).into(),
        ..Scope::default()
    };
    assert_eq!(database.catalog(&known_only).unwrap().fingerprints.len(), 1);
    // Asked for without having been listed, and after every row has moved.
    database
        .connection
        .execute_batch("DROP TRIGGER users_age; CREATE TRIGGER users_age BEFORE INSERT ON users BEGIN SELECT 2; END; VACUUM;")
        .unwrap();
    let both = database
        .definitions(&[asked.clone(), trigger("users", "other")], Depth::Whole)
        .unwrap();
    let Definition::Trigger(moved) = &both[&asked] else {
        panic!("a trigger");
    };
    assert_eq!(moved.timing, crate::model::Timing::Before);
    assert_eq!(both.len(), 2);
}

#[test]
fn the_fingerprint_afterwards_is_known_before() {
    let folder = Folder::new();
    let path = folder.database("delete");
    let mut database = opened(&path, Intent::Write);
    let id = trigger("users", "other");
    assert!(database.fingerprint_after(&id, &[]).is_err());
    for sql in [
        CREATE_OTHER,
        "create /* x */ trigger  main . other after delete on users -- c\n begin select 1; end ; ",
        "CREATE TRIGGER [other] DELETE ON users BEGIN SELECT ';END'; END",
    ] {
        let expected = database
            .fingerprint_after(&id, &["DROP TRIGGER other".to_owned(), sql.to_owned()])
            .unwrap();
        database
            .connection
            .execute_batch(&format!("DROP TRIGGER IF EXISTS other; {sql}"))
            .unwrap();
        let live = database.catalog(&everything()).unwrap().fingerprints[&id].clone();
        assert_eq!(expected, LiveFingerprint::Known(live));
        assert_eq!(database.fingerprint_after(&id, &[]).unwrap(), expected);
    }
}

#[test]
fn conditions_are_compared_by_tokens() {
    let folder = Folder::new();
    let mut database = opened(&folder.database("delete"), Intent::Read);
    let pair = |left: &str, right: &str| ConditionPair {
        table: TableId {
            schema: "main".to_owned(),
            name: "users".to_owned(),
        },
        left: left.to_owned(),
        right: right.to_owned(),
    };
    let verdicts = database
        .same_conditions(&[
            pair("NEW.age > 1", "( new.\"age\">1 /* c */)"),
            pair("NEW.name = 'a b'", "NEW.name = 'ab'"),
        ])
        .unwrap();
    assert_eq!(verdicts, [Verdict::Same, Verdict::Different]);
}

#[test]
fn a_migration_runs_in_one_transaction() {
    let folder = Folder::new();
    let path = folder.database("delete");
    let mut database = opened(&path, Intent::Write);
    database.begin(PATIENCE).unwrap();
    let mut done = vec![];
    database
        .run(
            &statements(&["DROP TRIGGER users_age", CREATE_OTHER]),
            &mut |number| done.push(number),
        )
        .unwrap();
    assert_eq!(done, [1, 2]);
    assert_eq!(live_names(&mut database), ["other"]);
    database.abort().unwrap();
    assert_eq!(live_names(&mut database), ["Users_Age"]);
    database.abort().unwrap();

    database.begin(PATIENCE).unwrap();
    database
        .run(&statements(&[CREATE_OTHER]), &mut |_| ())
        .unwrap();
    database.commit().unwrap();
    assert_eq!(
        live_names(&mut opened(&path, Intent::Read)),
        ["Users_Age", "other"]
    );
}

#[test]
fn a_failing_statement_names_itself() {
    let folder = Folder::new();
    let mut database = opened(&folder.database("delete"), Intent::Write);
    database.begin(PATIENCE).unwrap();
    let error = database
        .run(
            &statements(&["CREATE TRIGGER other AFTER DELETE ON users\nBEGIN SELCT 1; END"]),
            &mut |_| (),
        )
        .unwrap_err();
    let diagnostic = &error.diagnostics[0];
    assert_eq!(
        diagnostic.message,
        "`create trigger other on main.users` failed: near \"SELCT\": syntax error"
    );
    let (span, _) = diagnostic.place.as_ref().unwrap();
    assert_eq!(span.file.name, "<create trigger other on main.users>");
    assert_eq!(span.line_column(), (2, 7));
    assert_eq!(&span.file.text[span.range.clone()], "SELCT");

    let smuggled =
        "CREATE TRIGGER other AFTER DELETE ON users BEGIN SELECT 1; END; DROP TABLE users";
    let error = database
        .run(&statements(&[smuggled]), &mut |_| ())
        .unwrap_err();
    assert!(
        error.to_string().contains("more than one statement"),
        "{error}"
    );
    assert_eq!(
        live_names(&mut database),
        ["Users_Age"],
        "nothing of it ran"
    );
    database.abort().unwrap();
}

#[test]
fn two_writers_wait_for_each_other() {
    for journal_mode in ["delete", "wal"] {
        let folder = Folder::new();
        let path = folder.database(journal_mode);
        let (mut first, mut second) = (opened(&path, Intent::Write), opened(&path, Intent::Write));
        first.begin(PATIENCE).unwrap();
        let start = Instant::now();
        let error = second.begin(PATIENCE).unwrap_err();
        assert_eq!(error.kind, Kind::Busy);
        assert!(start.elapsed() >= PATIENCE.lock_timeout);
        first
            .run(&statements(&[CREATE_OTHER]), &mut |_| ())
            .unwrap();
        first.commit().unwrap();
        second.begin(PATIENCE).unwrap();
        assert_eq!(live_names(&mut second), ["Users_Age", "other"]);
        second.abort().unwrap();
    }
}

#[test]
fn a_reader_in_the_way_of_a_commit_undoes_it() {
    let folder = Folder::new();
    let path = folder.database("delete");
    let reader = Connection::open(&path).unwrap();
    let mut database = opened(&path, Intent::Write);
    database.begin(PATIENCE).unwrap();
    database
        .run(&statements(&[CREATE_OTHER]), &mut |_| ())
        .unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM users;")
        .unwrap();
    let error = database.commit().unwrap_err();
    assert_eq!(error.kind, Kind::Busy, "{error}");
    assert_eq!(live_names(&mut database), ["Users_Age"]);
    reader.execute_batch("COMMIT").unwrap();
    database.begin(PATIENCE).unwrap();
    database
        .run(&statements(&[CREATE_OTHER]), &mut |_| ())
        .unwrap();
    database.commit().unwrap();
    assert_eq!(live_names(&mut database), ["Users_Age", "other"]);
}

#[test]
fn what_runs_can_be_interrupted() {
    let folder = Folder::new();
    let mut database = opened(&folder.database("delete"), Intent::Write);
    let interrupt = database.interrupter();
    database.begin(PATIENCE).unwrap();
    let stopper = std::thread::spawn(move || {
        for _ in 0..50 {
            std::thread::sleep(Duration::from_millis(20));
            interrupt();
        }
    });
    let endless = "INSERT INTO log WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0";
    let error = database
        .run(&statements(&[endless]), &mut |_| ())
        .unwrap_err();
    assert_eq!(error.kind, Kind::Interrupted);
    stopper.join().unwrap();
    database.abort().unwrap();
    assert_eq!(live_names(&mut database), ["Users_Age"]);
}

const HISTORY: &str = "
    CREATE TABLE triggerctl_migrations(version integer PRIMARY KEY, state text, message text, summary text, plan_id text,
        spec_digest text, from_fingerprint text, to_fingerprint text, up text, down text, started_at text,
        finished_at text, duration_ms integer, error text, tool_version text, applied_by text);
    CREATE TABLE triggerctl_objects(kind text, schema text, \"table\" text, name text, version integer,
        rendered_digest text, live_fingerprint text, definition text,
        PRIMARY KEY (kind, schema, \"table\", name, version));
";

#[test]
fn history_is_read_as_of_a_version() {
    let folder = Folder::new();
    let path = folder.database("delete");
    let mut database = opened(&path, Intent::Write);
    assert!(!database.history().unwrap().exists);
    assert!(database.migrations(true).unwrap().is_empty());
    assert!(database.records_at(9).unwrap().is_empty());
    let id = trigger("users", "users_age");
    assert!(
        database
            .recorded(std::slice::from_ref(&id), 9)
            .unwrap()
            .is_empty()
    );

    let live = database
        .definitions(std::slice::from_ref(&id), Depth::Whole)
        .unwrap()[&id]
        .clone();
    let json = serde_json::to_string(&live).unwrap();
    database.connection.execute_batch(HISTORY).unwrap();
    for (version, name, digest, definition) in [
        (1, "users_age", Some("d1"), Some(&json)),
        (1, "short", Some("d1"), Some(&json)),
        (2, "users_age", Some("d2"), Some(&json)),
        (3, "short", None, None),
    ] {
        database
            .connection
            .execute(
                "INSERT INTO triggerctl_objects VALUES ('trigger', 'main', 'users', ?1, ?2, ?3, ?3, ?4)",
                (name, version, digest, definition),
            )
            .unwrap();
        database
            .connection
            .execute(
                "INSERT OR IGNORE INTO triggerctl_migrations VALUES (?1, 'applied', NULL, 's', 'p', 'd', 'f', 't',
                    '[\"a;\", \"b\"]', '[]', '2026-01-01T00:00:00Z', NULL, 5, NULL, '0.1.0', 'me')",
                [version],
            )
            .unwrap();
    }

    let history = database.history().unwrap();
    assert!(history.exists);
    assert_eq!(history.version, 3);
    let latest: Vec<(&ObjectId, i64, String)> = history
        .records
        .iter()
        .map(|(id, record)| (id, record.version, record.rendered_digest.to_string()))
        .collect();
    assert_eq!(latest, [(&id, 2, "d2".to_owned())]);
    let first = database.records_at(1).unwrap();
    assert_eq!(first.len(), 2);
    assert_eq!(first[&id].rendered_digest, "d1");

    let short = trigger("users", "short");
    assert_eq!(
        database.recorded(&[id.clone(), short.clone()], 3).unwrap(),
        BTreeMap::from([(id.clone(), live)])
    );
    assert_eq!(database.recorded(&[short], 2).unwrap().len(), 1);
    let migrations = database.migrations(true).unwrap();
    assert_eq!(migrations.len(), 3);
    assert_eq!(migrations[0].up, ["a;", "b"]);
    assert_eq!(migrations[0].duration_ms, Some(5));
    assert!(database.migrations(false).unwrap()[0].up.is_empty());

    database
        .connection
        .execute_batch("DROP TABLE triggerctl_objects")
        .unwrap();
    let error = database.history().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("has lost its table `triggerctl_objects`"),
        "{error}"
    );
}

#[test]
fn tells_what_it_is() {
    let folder = Folder::new();
    let path = folder.database("delete");
    let mut database = opened(&path, Intent::Read);
    assert_eq!(database.target().dialect, "sqlite");
    assert_eq!(
        Path::new(&database.target().database),
        fs::canonicalize(&path).unwrap()
    );
    let Server { major, minor } = database.server();
    assert!(
        database
            .target()
            .server_version
            .starts_with(&format!("{major}.{minor}."))
    );
    assert_eq!(database.dialect().name(), "sqlite");
    assert_eq!(database.current_schema().unwrap(), "main");
    assert!(!database.user().is_empty());
}

#[test]
fn many_triggers_are_read_in_linear_time() {
    let folder = Folder::new();
    let path = folder.database("delete");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("PRAGMA cache_size = -65536; BEGIN")
        .unwrap();
    for number in 0..2000 {
        let sql = format!(
            "CREATE TRIGGER t{number} AFTER UPDATE OF name ON users WHEN NEW.age > {number}
             BEGIN INSERT INTO log VALUES (NEW.name || ' is older than {number}'); END"
        );
        connection.execute(&sql, []).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
    drop(connection);
    let mut database = opened(&path, Intent::Read);
    let mut read = || {
        let start = Instant::now();
        let catalog = database.catalog(&everything()).unwrap();
        let took = start.elapsed();
        assert_eq!(catalog.fingerprints.len(), 2001);
        let ids: Vec<ObjectId> = catalog.fingerprints.into_keys().collect();
        let start = Instant::now();
        assert_eq!(
            database.definitions(&ids, Depth::Whole).unwrap().len(),
            ids.len()
        );
        (took, start.elapsed())
    };
    // Unoptimised, on a loaded machine: far more than it takes, and far less than reading all rows for each would. Others
    // may have the processor once, not every time.
    let limits = (Duration::from_secs(2), Duration::from_secs(4));
    let tries: Vec<(Duration, Duration)> = (0..3)
        .map(|_| read())
        .take_while(|took| took.0 >= limits.0 || took.1 >= limits.1)
        .collect();
    assert!(tries.len() < 3, "{tries:?}");
}
