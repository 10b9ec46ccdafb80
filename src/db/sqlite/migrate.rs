//! The transaction that a migration runs in.

use std::time::{Duration, Instant};

use rusqlite::{Connection, ffi};

use super::errors;
use super::many::{self, Attempt};
use crate::db::Statement;
use crate::error::{Error, Kind};

/// Pages that SQLite may keep in memory, in KiB: creating thousands of triggers goes over the schema again and again. What is
/// changed beyond that goes to the file before the commit, behind its journal.
const CACHE_KIB: i64 = 2 * 1024;

/// How long to wait between two attempts to commit.
const COMMIT_PAUSE: Duration = Duration::from_millis(20);

/// Take the one write lock, and open the transaction.
pub(super) fn begin(connection: &Connection, lock_timeout: Duration) -> Result<(), Error> {
    let failed = |error: rusqlite::Error| errors::cannot("begin a transaction", &error);
    connection.busy_timeout(lock_timeout).map_err(failed)?;
    connection
        .pragma_update(None, "cache_size", -CACHE_KIB)
        .map_err(failed)?;
    connection.execute("BEGIN IMMEDIATE", []).map_err(failed)?;
    // All locks are taken but the one of the commit, which waits by itself. Pages that find no room in memory take that one
    // too, if it is to be had at once; else they stay.
    connection.busy_timeout(Duration::ZERO).map_err(failed)?;
    // On a file that cannot be written BEGIN IMMEDIATE succeeds, and the first change fails.
    if connection.is_readonly(super::names::MAIN).map_err(failed)? {
        rollback(connection)?;
        return Err(Error::failed("the database file cannot be written")
            .help("run as a user who may write it, or change its permissions; its file system may be read-only"));
    }
    Ok(())
}

/// Run statements in order; each must be exactly one, which the driver makes sure of before it runs anything of it.
pub(super) fn run(
    connection: &Connection,
    statements: &[Statement],
    progress: &mut dyn FnMut(usize),
) -> Result<(), Error> {
    let mut rest = statements;
    while !rest.is_empty() {
        let one_by_one = match many::at_once(connection, rest)? {
            Attempt::Done(number) => {
                rest = rest.get(number..).unwrap_or_default();
                progress(statements.len() - rest.len());
                continue;
            }
            Attempt::OneByOne(number) => number,
        };
        let (now, later) = rest.split_at(one_by_one.min(rest.len()));
        rest = later;
        let done = statements.len() - later.len() - now.len();
        for (index, statement) in now.iter().enumerate() {
            connection
                .execute(&statement.sql, [])
                .map_err(|error| errors::statement(statement, &error))?;
            progress(done + index + 1);
        }
    }
    Ok(())
}

/// Commit. In rollback mode a reader may be in the way, and the transaction stays open: that is tried again until
/// `lock_timeout` is over, and then everything is undone.
pub(super) fn commit(connection: &Connection, lock_timeout: Duration) -> Result<(), Error> {
    let start = Instant::now();
    loop {
        let Err(error) = connection.execute("COMMIT", []) else {
            return Ok(());
        };
        let busy = errors::kind(&error) == Kind::Busy && !connection.is_autocommit();
        if busy && start.elapsed() < lock_timeout {
            std::thread::sleep(COMMIT_PAUSE);
            continue;
        }
        let answer = match errors::primary_code(&error) {
            _ if busy => errors::busy(&error)
                .note("a reader kept the change from being written; nothing was changed"),
            // What reached the disk is known only when the file is opened again.
            Some(ffi::SQLITE_IOERR | ffi::SQLITE_CORRUPT) => Error::new(
                Kind::Uncertain,
                format!(
                    "the disk failed during the commit: {}",
                    errors::words(&error)
                ),
            )
            .help("check the disk, then `triggerctl history` says whether the migration is there"),
            _ => errors::cannot("commit", &error),
        };
        rollback(connection)?;
        return Err(answer);
    }
}

/// Undo what is not committed; nothing when SQLite has done so itself.
pub(super) fn rollback(connection: &Connection) -> Result<(), Error> {
    if connection.is_autocommit() {
        return Ok(());
    }
    connection
        .execute("ROLLBACK", [])
        .map(drop)
        .map_err(|error| errors::cannot("roll back", &error))
}
