//! What the integration tests share: the real binary in a folder of its own, and real databases behind one trait.
#![allow(
    dead_code, // Each test binary uses its own part of this.
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc
)]

pub(crate) mod case;
pub(crate) mod cluster;
pub(crate) mod console;
pub(crate) mod mysql;
pub(crate) mod mysql_server;
pub(crate) mod port;
pub(crate) mod postgres;
pub(crate) mod property;
pub(crate) mod server;
pub(crate) mod sqlite;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A fresh database, dropped at the end.
pub(crate) trait Live {
    /// `sqlite` or `postgres`.
    fn dialect(&self) -> &'static str;
    /// What `--url` gets.
    fn url(&self) -> String;
    /// Run a script that must succeed.
    fn batch(&mut self, sql: &str);
    /// Run statements as a client would send them: the rows as `a|b|NULL`, one a line, or `error: …`.
    fn run(&mut self, sql: &str) -> String;
    /// Run a script that may fail: what it gives, or `error: …`.
    fn script(&mut self, sql: &str) -> String {
        self.run(sql)
    }
    /// Everything in the catalog that is not triggerctl's own, by the test's own query.
    fn snapshot(&mut self) -> String;
    /// The same with triggerctl's own tables and their rows: equal when really nothing was written.
    fn everything(&mut self) -> String;
    /// The history table's name as it is written in a query.
    fn migrations(&self) -> &'static str;
    /// The text without the name of this database of the test's own, where DDL holds it.
    fn plain(&self, text: &str) -> String {
        text.to_owned()
    }
    /// The engine's own client, reading a script on its standard input, stopping at the first error.
    fn client(&self) -> Command;

    /// `version state` of each migration, oldest first; empty without the table.
    fn versions(&mut self) -> Vec<String> {
        let sql = format!(
            "SELECT version, state FROM {} ORDER BY version",
            self.migrations()
        );
        let rows = self.run(&sql);
        if rows.starts_with("error: ") {
            return vec![];
        }
        rows.lines().map(|line| line.replace('|', " ")).collect()
    }
}

/// Apply, where a test means to do what a hazard of severity high would stop.
pub(crate) const MEANT: &[&str] = &[
    "apply",
    "--yes",
    "--quiet",
    "--allow",
    "drops_protection",
    "--allow",
    "shared_function",
    "--allow",
    "gap_in_protection",
    "--allow",
    "another_spec",
];

/// Make a test of a function for each dialect.
#[macro_export]
macro_rules! for_each_dialect {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn sqlite() {
                super::$name(&mut $crate::common::sqlite::Sqlite::new());
            }
            #[test]
            fn postgres() {
                super::$name(&mut $crate::common::postgres::Postgres::new());
            }
        }
    )+};
}

/// A folder to run the binary in.
pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
}

/// What a run of the binary gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) command: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::Builder::new()
                .prefix("triggerctl-test-")
                .tempdir()
                .unwrap(),
        }
    }

    /// One with this spec as `triggers.toml`.
    pub(crate) fn with_spec(spec: &str) -> Self {
        let sandbox = Self::new();
        sandbox.write("triggers.toml", spec);
        sandbox
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// The binary, in the folder, with nothing of the caller's environment that it reads.
    pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_triggerctl"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env("HOME", self.path())
            .stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("PG")
                || text.starts_with("MYSQL_")
                || text.starts_with("TRIGGERCTL_")
                || text.contains("COLOR")
            {
                command.env_remove(&name);
            }
        }
        command
    }

    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Run {
        finish(self.command(arguments))
    }

    /// Run a command against this database.
    pub(crate) fn on(&self, live: &dyn Live, arguments: &[&str]) -> Run {
        let url = live.url();
        let mut all = vec!["--url", &url];
        all.extend(arguments);
        self.run(&all)
    }
}

/// Run it to its end; a run of more than a minute is a failure of its own.
pub(crate) fn finish(mut command: Command) -> Run {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    wait(child, &words.join(" "))
}

/// Wait for a started run.
pub(crate) fn wait(child: Child, what: &str) -> Run {
    let id = child.id();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(Duration::from_mins(1)) else {
        let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        panic!("still running after a minute: {what}");
    };
    let output = output.unwrap();
    Run {
        command: what.to_owned(),
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

impl Run {
    /// Demand an exit code.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Self {
        assert_eq!(self.code, Some(expected), "unexpected exit code\n{self}");
        self
    }

    /// Demand exit code 0.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.code(0)
    }

    /// Demand these words, in any case, in what the run said on stderr or stdout.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        let all = format!("{}\n{}", self.stdout, self.stderr).to_lowercase();
        for word in words {
            assert!(
                all.contains(&word.to_lowercase()),
                "does not say `{word}`\n{self}"
            );
        }
        self
    }

    /// Demand that these are not in it.
    #[track_caller]
    pub(crate) fn never_says(self, words: &[&str]) -> Self {
        let all = format!("{}\n{}", self.stdout, self.stderr);
        for word in words {
            assert!(!all.contains(word), "says `{word}`\n{self}");
        }
        self
    }

    /// stdout as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("no JSON: {error}\n{self}"),
        }
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "$ {}\nexit code: {:?}\n--- stdout\n{}--- stderr\n{}---",
            self.command, self.code, self.stdout, self.stderr
        )
    }
}

/// Feed a script to the engine's own client.
pub(crate) fn script(live: &dyn Live, sql: &str) -> Run {
    let mut child = live
        .client()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the engine's own client is installed");
    let mut input = child.stdin.take().unwrap();
    let sql = sql.to_owned();
    // A client that stopped at an error reads no more of it.
    let writer = std::thread::spawn(move || {
        use std::io::Write as _;
        let _ = input.write_all(sql.as_bytes());
    });
    let run = wait(child, "the engine's own client");
    writer.join().unwrap();
    run
}

/// A snapshot as it would be if each trigger were made again from what the server prints of it, as a dump does: of some
/// conditions (`varchar IN (…)`) PostgreSQL stores another form then.
pub(crate) fn rewritten(snapshot: &str, live: &mut dyn Live) -> String {
    if live.dialect() != "postgres" {
        return snapshot.to_owned();
    }
    let rows = live.run("
        BEGIN;
        CREATE TEMPORARY TABLE made ON COMMIT DROP AS
            SELECT tgrelid, tgname, pg_get_triggerdef(oid) AS was FROM pg_trigger WHERE NOT tgisinternal AND tgparentid = 0;
        DO $$
        DECLARE
            made record;
        BEGIN
            FOR made IN SELECT * FROM made LOOP
                EXECUTE format('DROP TRIGGER %I ON %s', made.tgname, made.tgrelid::regclass);
                EXECUTE made.was;
            END LOOP;
        END $$;
        SELECT encode(convert_to(was, 'UTF8'), 'hex'), encode(convert_to(pg_get_triggerdef(oid), 'UTF8'), 'hex')
        FROM made JOIN pg_trigger USING (tgrelid, tgname) WHERE was <> pg_get_triggerdef(oid);
        ROLLBACK");
    let mut text = snapshot.to_owned();
    for row in rows.lines() {
        let (was, is) = row.split_once('|').unwrap_or_else(|| panic!("{rows}"));
        let was = unhex(was);
        assert!(text.contains(&was), "{was}");
        text = text.replace(&was, &unhex(is));
    }
    text
}

/// The text of these bytes in hexadecimal digits.
pub(crate) fn unhex(digits: &str) -> String {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    String::from_utf8((0..digits.len()).step_by(2).map(byte).collect()).unwrap()
}

/// SQLite, MySQL and MariaDB keep the text of a trigger, and an import writes it its own way: tokens count.
pub(crate) fn comparable(snapshot: &str, live: &dyn Live) -> String {
    let syntax = match live.dialect() {
        "sqlite" => &triggerctl::sql::SQLITE,
        "mysql" => &triggerctl::sql::MYSQL,
        _ => return snapshot.to_owned(),
    };
    let mut text = String::new();
    for token in triggerctl::sql::tokens(snapshot, syntax).filter(|token| !token.is_blank()) {
        let _ = writeln!(text, "{}", token.text(snapshot));
    }
    text
}

/// Wait until it is so, or fail after half a minute.
#[track_caller]
pub(crate) fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "not within 30 seconds: {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Send a signal to one process that the test started.
pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success(), "kill -s {name}");
}

/// Compare with a file of the repository, or write it when SNAPSHOTS=overwrite.
#[track_caller]
pub(crate) fn compare_file(path: &Path, actual: &str) {
    if std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("{}: {error}\nactual:\n{actual}", path.display()));
    assert_same(&format!("{}", path.display()), &expected, actual);
}

/// Two texts must be the same; shows where they differ.
#[track_caller]
pub(crate) fn assert_same(what: &str, expected: &str, actual: &str) {
    if expected == actual {
        return;
    }
    let difference = similar::TextDiff::from_lines(expected, actual);
    let difference = difference.unified_diff().context_radius(3).to_string();
    panic!("{what} differs (- expected, + actual):\n{difference}");
}

/// The repository's root.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
