//! A SQLite database in a temporary file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::Live;

pub(crate) struct Sqlite {
    folder: tempfile::TempDir,
    connection: Option<Connection>,
}

impl Sqlite {
    /// An empty database file.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("triggerctl-db-")
            .tempdir()
            .unwrap();
        let this = Self {
            connection: Some(Connection::open(folder.path().join("test.db")).unwrap()),
            folder,
        };
        // A file with a header, not one of 0 bytes.
        this.connection().execute_batch("VACUUM").unwrap();
        this
    }

    /// The same in WAL mode.
    pub(crate) fn wal() -> Self {
        let this = Self::new();
        let mode = rows(this.connection(), "PRAGMA journal_mode = WAL").unwrap();
        assert_eq!(mode, "wal\n");
        this
    }

    /// While `work` goes on, nobody else has the database open.
    pub(crate) fn left_alone<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        self.connection.take().unwrap().close().unwrap();
        let result = work(self);
        self.connection = Some(Connection::open(self.path()).unwrap());
        result
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("test.db")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn connection(&self) -> &Connection {
        self.connection.as_ref().unwrap()
    }

    fn schema(&self, condition: &str) -> String {
        let sql = format!(
            "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema WHERE {condition} ORDER BY type, name"
        );
        let mut statement = self.connection().prepare(&sql).unwrap();
        let mut rows = statement.query([]).unwrap();
        let mut text = String::new();
        while let Some(row) = rows.next().unwrap() {
            let column = |index| row.get::<_, String>(index).unwrap();
            let _ = writeln!(
                text,
                "{} {} on {}\n{}",
                column(0),
                column(1),
                column(2),
                column(3)
            );
        }
        text
    }
}

impl Live for Sqlite {
    fn dialect(&self) -> &'static str {
        "sqlite"
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    fn batch(&mut self, sql: &str) {
        self.connection()
            .execute_batch(sql)
            .unwrap_or_else(|error| panic!("{error}\n{sql}"));
    }

    fn run(&mut self, sql: &str) -> String {
        rows(self.connection(), sql).unwrap_or_else(|error| match error {
            rusqlite::Error::SqliteFailure(_, Some(message)) => format!("error: {message}\n"),
            other => format!("error: {other}\n"),
        })
    }

    fn script(&mut self, sql: &str) -> String {
        match self.connection().execute_batch(sql) {
            Ok(()) => String::new(),
            Err(rusqlite::Error::SqliteFailure(_, Some(message))) => format!("error: {message}\n"),
            Err(other) => format!("error: {other}\n"),
        }
    }

    fn snapshot(&mut self) -> String {
        self.schema("tbl_name NOT LIKE 'triggerctl\\_%' ESCAPE '\\'")
    }

    fn everything(&mut self) -> String {
        let mut names: Vec<_> = std::fs::read_dir(self.folder())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let bytes = std::fs::read(self.path()).unwrap();
        let mut text = format!("{names:?}\n");
        for line in bytes.chunks(4096).map(digest) {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    fn migrations(&self) -> &'static str {
        "triggerctl_migrations"
    }

    fn client(&self) -> Command {
        let mut command = Command::new("sqlite3");
        command.arg("-bail").arg("-batch").arg(self.path());
        command
    }
}

fn digest(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Run one statement to its end.
fn rows(connection: &Connection, sql: &str) -> rusqlite::Result<String> {
    // A view that got its first trigger by another connection would be refused by the schema as this one remembers it.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let mut statement = connection.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut text = String::new();
    while let Some(row) = rows.next()? {
        let values: Vec<_> = (0..columns)
            .map(|index| match row.get_ref(index).unwrap() {
                ValueRef::Null => "NULL".to_owned(),
                ValueRef::Integer(value) => value.to_string(),
                ValueRef::Real(value) => value.to_string(),
                ValueRef::Text(value) => String::from_utf8_lossy(value).into_owned(),
                ValueRef::Blob(value) => format!("{value:?}"),
            })
            .collect();
        let _ = writeln!(text, "{}", values.join("|"));
    }
    Ok(text)
}
