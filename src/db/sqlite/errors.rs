//! SQLite's errors in the user's words: what kind each one is, and which statement it comes from.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rusqlite::ffi;

use crate::db::Statement;
use crate::error::{Diagnostic, Error, Kind, SourceFile, Span};
use crate::sql::{SQLITE, tokens};

/// SQLite's extended result code; `None` for what the driver itself refused.
pub(super) fn code(error: &rusqlite::Error) -> Option<i32> {
    match error {
        rusqlite::Error::SqliteFailure(error, _) | rusqlite::Error::SqlInputError { error, .. } => {
            Some(error.extended_code)
        }
        _ => None,
    }
}

/// The primary result code, which the extended one carries in its low byte.
pub(super) fn primary_code(error: &rusqlite::Error) -> Option<i32> {
    code(error).map(|code| code & 0xff)
}

/// The engine's own message.
pub(super) fn words(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message))
        | rusqlite::Error::SqlInputError { msg: message, .. } => message.clone(),
        rusqlite::Error::MultipleStatement => "this is more than one statement".to_owned(),
        other => other.to_string(),
    }
}

/// The exit code that an error of the engine leads to.
pub(super) fn kind(error: &rusqlite::Error) -> Kind {
    if code(error) == Some(ffi::SQLITE_READONLY_DBMOVED) {
        return Kind::Refused;
    }
    match primary_code(error) {
        Some(ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED) => Kind::Busy,
        Some(ffi::SQLITE_INTERRUPT) => Kind::Interrupted,
        _ => Kind::Failed,
    }
}

/// An error while doing something that is no statement of the plan: `doing` goes on "cannot …".
pub(super) fn cannot(doing: &str, error: &rusqlite::Error) -> Error {
    match kind(error) {
        Kind::Busy => busy(error),
        Kind::Interrupted => Error::new(Kind::Interrupted, "interrupted"),
        kind => explain(
            Error::new(kind, format!("cannot {doing}: {}", words(error))),
            error,
        ),
    }
}

/// Somebody else holds the lock.
pub(super) fn busy(error: &rusqlite::Error) -> Error {
    explain(
        Error::new(
            Kind::Busy,
            "the database is locked by another connection",
        ),
        error,
    )
    .help("try again when the other connection has ended its transaction, or wait longer for the lock")
}

/// Add the engine's code, and what to do about the ones that have a remedy.
fn explain(explained: Error, error: &rusqlite::Error) -> Error {
    let explained = match code(error) {
        Some(code) => explained.note(format!("SQLite's error code is {code}: {}", words(error))),
        None => explained,
    };
    match primary_code(error) {
        Some(ffi::SQLITE_FULL) => explained.help("make room on the disk"),
        // With a write-ahead log reading needs room as well, for the index of the log, and SQLite does not say that it was this.
        Some(ffi::SQLITE_IOERR) if code(error) == Some(ffi::SQLITE_IOERR_SHMSIZE) => {
            explained.help("make room on the disk: with a write-ahead log SQLite needs some even to read")
        }
        Some(ffi::SQLITE_READONLY) if code(error) == Some(ffi::SQLITE_READONLY_DBMOVED) => {
            explained.help(MOVED)
        }
        Some(ffi::SQLITE_CANTOPEN | ffi::SQLITE_READONLY) => explained.help(
            "SQLite keeps a journal beside the database: both the file and its folder must be writable",
        ),
        Some(ffi::SQLITE_CORRUPT) => explained
            .help("the file is damaged: `PRAGMA integrity_check` says how, and a backup helps"),
        _ => explained,
    }
}

/// What to do about a file that is not where it was opened.
const MOVED: &str =
    "the file was moved or replaced meanwhile, and nothing was changed: run the command again";

/// Another file has the path by now, or none.
pub(super) fn moved(path: &Path) -> Error {
    let shown = path.display();
    Error::new(
        Kind::Refused,
        format!("`{shown}` is not the file any more that was opened"),
    )
    .help(MOVED)
}

/// A statement failed: says which, for which object, and where in it.
pub(super) fn statement(statement: &Statement, error: &rusqlite::Error) -> Error {
    match kind(error) {
        Kind::Busy => busy(error),
        Kind::Interrupted => Error::new(Kind::Interrupted, "interrupted"),
        kind => explain(in_statement(statement, error).into_error(kind), error),
    }
}

/// The diagnostic of a statement that failed.
pub(super) fn in_statement(statement: &Statement, error: &rusqlite::Error) -> Diagnostic {
    let name = statement_name(statement);
    let range = match error {
        rusqlite::Error::SqlInputError { offset, .. } => usize::try_from(*offset)
            .ok()
            .and_then(|offset| token_at(&statement.sql, offset)),
        _ => None,
    };
    let file = Arc::new(SourceFile {
        name: format!("<{name}>"),
        text: statement.sql.clone(),
    });
    let range = range.unwrap_or_else(|| first_line(&statement.sql));
    Diagnostic::new(format!("`{name}` failed: {}", words(error))).at(&Span { file, range })
}

/// `create trigger users_age on main.users`.
pub(super) fn statement_name(statement: &Statement) -> String {
    let sql = &statement.sql;
    let verb = tokens(sql, &SQLITE)
        .find(|token| !token.is_blank())
        .map(|token| token.text(sql).to_ascii_lowercase())
        .unwrap_or_default();
    match &statement.object {
        Some(object) => format!("{verb} {object}"),
        None => statement.heading(),
    }
}

/// The token that stands at, or goes over, a byte of the text.
fn token_at(sql: &str, offset: usize) -> Option<Range<usize>> {
    tokens(sql, &SQLITE)
        .find(|token| token.range.contains(&offset))
        .map(|token| token.range)
}

/// Where a statement's first line is: what to show when the engine gives no position.
pub(super) fn first_line(sql: &str) -> Range<usize> {
    0..sql.find('\n').unwrap_or(sql.len())
}
