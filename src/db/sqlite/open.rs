//! Opening a database file. What is wrong with a path is found out before SQLite is asked, because its own answer
//! ("unable to open database file") fits a dozen cases. Reading never makes, changes or recovers a file.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, ffi};

use super::{Sqlite, create, errors};
use crate::db::Intent;
use crate::db::url::SqliteLocation;
use crate::error::{Error, Kind};

/// How to open a database.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Where it is.
    pub location: &'a SqliteLocation,
    /// What for. Reading leaves the file's bytes as they are.
    pub intent: Intent,
    /// The script that makes a missing file. With [`Intent::Read`] it is run in memory and nothing is written; with
    /// [`Intent::Write`] the file is made. A database in memory is filled from it.
    pub create_from: Option<&'a Path>,
}

/// Open a database. Each thing that can be wrong with the file has an error of its own.
pub fn open(options: &Options<'_>) -> Result<Sqlite, Error> {
    let path = match options.location {
        SqliteLocation::Memory => return Sqlite::in_memory(options.create_from),
        SqliteLocation::File(path) => path,
    };
    let found = match inspect(path)? {
        Some(found) => found,
        None => match (options.create_from, options.intent) {
            (None, _) => return Err(missing(path)),
            (Some(script), Intent::Read) => return Sqlite::open_missing_in_memory(path, script),
            (Some(script), Intent::Write) => {
                create::create(path, script)?;
                inspect(path)?.ok_or_else(|| missing(path))?
            }
        },
    };
    let connection = connect(path, options, found).map_err(|error| explain(path, found, &error))?;
    let read_only = connection
        .is_readonly(super::names::MAIN)
        .map_err(|error| explain(path, found, &error))?;
    if options.intent == Intent::Write && read_only {
        return Err(not_writable(path, found));
    }
    let mut database = Sqlite::new(connection, Some(identity(path)), options.intent);
    database.file = Some(found.file);
    Ok(database)
}

/// What a look at a file tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// Its journal is a write-ahead log.
    wal: bool,
    /// There is a journal beside it, of whatever kind.
    journal: bool,
    /// Which file it is.
    file: FileId,
}

/// Which file has a path, as the system tells files apart: the device and the number on it.
pub(super) type FileId = (u64, u64);

/// Which file this is.
#[cfg(unix)]
fn file_id(metadata: &fs::Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

/// The same for all: Windows lets nobody replace a file that is open.
#[cfg(not(unix))]
fn file_id(_: &fs::Metadata) -> FileId {
    (0, 0)
}

/// Whether the path has still that file. Of a path at which nothing can be seen, it has not.
pub(super) fn has_still(path: &Path, file: FileId) -> bool {
    fs::metadata(path).is_ok_and(|metadata| file_id(&metadata) == file)
}

/// Look at a path without SQLite; `None` when nothing is there.
fn inspect(path: &Path) -> Result<Option<Found>, Error> {
    let shown = path.display();
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => {
            return match error.kind() {
                ErrorKind::NotFound if fs::symlink_metadata(path).is_ok() => Err(Error::failed(
                    format!("`{shown}` is a link to a file that does not exist"),
                )
                .help("correct the link, or the path")),
                ErrorKind::NotFound => Ok(None),
                ErrorKind::PermissionDenied => Err(Error::failed(format!(
                    "no permission to look for the database file `{shown}`"
                ))
                .help("the folders above it must allow this user to enter")),
                ErrorKind::NotADirectory => Err(Error::failed(format!(
                    "there is no database file `{shown}`: a part of the path is a file, not a folder"
                ))),
                _ => Err(Error::failed(format!("cannot look at `{shown}`: {error}"))),
            };
        }
    };
    if metadata.is_dir() {
        return Err(
            Error::failed(format!("`{shown}` is a folder, not a database file"))
                .help("name the file in it"),
        );
    }
    if !metadata.is_file() {
        // Opening a pipe would wait for ever.
        return Err(Error::failed(format!("`{shown}` is not a regular file")));
    }
    let mut header = Vec::with_capacity(HEADER);
    File::open(path)
        .and_then(|file| file.take(HEADER as u64).read_to_end(&mut header))
        .map_err(|error| {
            if error.kind() == ErrorKind::PermissionDenied {
                Error::failed(format!("no permission to read the database file `{shown}`"))
                    .help("run as a user who may read it, or change its permissions")
            } else {
                Error::failed(format!("cannot read `{shown}`: {error}"))
            }
        })?;
    // SQLite takes a file of one byte for an empty one, because it used to write an `S` into empty files itself
    // (`unixFileSize` in os_unix.c): any other byte is somebody's.
    if header.len() == 1 && header != b"S" {
        return Err(not_a_database(path));
    }
    Ok(Some(Found {
        // The manual, "Database File Format", 1.3.3: 2 means WAL.
        wal: header.get(18) == Some(&2) || header.get(19) == Some(&2),
        journal: beside(path, "-wal").exists() || beside(path, "-journal").exists(),
        file: file_id(&metadata),
    }))
}

/// Bytes of a database file's header that are looked at.
const HEADER: usize = 20;

/// SQLite's own files have the database's name with something added.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn connect(path: &Path, options: &Options<'_>, found: Found) -> rusqlite::Result<Connection> {
    // A read-only connection to a database in WAL mode leaves `-wal` and `-shm` behind, and one that may write takes
    // them away when it closes as the last one. So where no journal is there, which means that nothing is to be
    // recovered and nobody has the database open, the connection may write, and never does. Should somebody else have
    // written by then, closing moves their committed pages into the file, as their own closing would have done.
    let tidy = options.intent == Intent::Read && found.wal && !found.journal;
    let access = if options.intent == Intent::Write || tidy {
        OpenFlags::SQLITE_OPEN_READ_WRITE
    } else {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    };
    // Not SQLITE_OPEN_URI, nor a relative path: a file may well be called `file:x?mode=memory` or `:memory:`.
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let connection =
        Connection::open_with_flags(absolute, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(super::LOCK_TIMEOUT)?;
    prepare(&connection, options.intent)?;
    // SQLite opens the file only now.
    connection
        .prepare("SELECT 1 FROM sqlite_schema LIMIT 1")?
        .exists([])?;
    Ok(connection)
}

/// Settings that every connection has.
pub(super) fn prepare(connection: &Connection, intent: Intent) -> rusqlite::Result<()> {
    // As in SQLite itself, and unlike in this build of it: no statement of ours needs them, and preparing a DELETE
    // would report foreign keys that an application without them never notices.
    connection.pragma_update(None, "foreign_keys", false)?;
    if intent == Intent::Read {
        connection.pragma_update(None, "query_only", true)?;
    }
    Ok(())
}

fn missing(path: &Path) -> Error {
    let shown = path.display();
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.exists()) {
        return Error::failed(format!(
            "there is no database file `{shown}`: its folder `{}` does not exist",
            folder.display()
        ))
        .help("correct the path; a relative one in a spec starts at the folder of the spec");
    }
    Error::failed(format!("there is no database file `{shown}`")).help(
        "correct the path, or set `create_from` in [database] to an SQL script: `apply` then creates the file from it",
    )
}

fn not_a_database(path: &Path) -> Error {
    Error::failed(format!("`{}` is not a SQLite database", path.display()))
        .help("it is some other kind of file, or encrypted")
}

fn not_writable(path: &Path, found: Found) -> Error {
    let error = Error::failed(format!(
        "the database file `{}` cannot be written",
        path.display()
    ));
    if found.wal {
        error.help(
            "with its write-ahead log, SQLite must be able to write both the file and its folder",
        )
    } else {
        error.help("run as a user who may write it, or change its permissions; its file system may be read-only")
    }
}

/// What SQLite says when a file does not open.
fn explain(path: &Path, found: Found, error: &rusqlite::Error) -> Error {
    let shown = path.display();
    let words = errors::words(error);
    let code = errors::code(error);
    let explained = match errors::primary_code(error) {
        _ if words.contains("malformed database schema") => Error::failed(format!(
            "the schema of `{shown}` cannot be read: {words}"
        ))
        .help(format!(
            "a newer SQLite than {} may have written it, or the file is damaged",
            rusqlite::version()
        )),
        Some(ffi::SQLITE_NOTADB) => not_a_database(path),
        Some(ffi::SQLITE_CORRUPT) => Error::failed(format!("the database `{shown}` is damaged"))
            .help("`PRAGMA integrity_check` says more; restore it from a backup"),
        Some(ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED) => Error::new(
            Kind::Busy,
            format!("the database `{shown}` is locked by another process"),
        )
        .help("try again when it has ended its transaction"),
        _ if code == Some(ffi::SQLITE_READONLY_ROLLBACK) => Error::failed(format!(
            "`{shown}` was left in the middle of a transaction, which has to be rolled back first"
        ))
        .help("open it once with a program that may write it, such as `sqlite3`; this changes the file, so a plan does not do it"),
        Some(ffi::SQLITE_READONLY | ffi::SQLITE_CANTOPEN) if found.wal => Error::failed(format!(
            "`{shown}` cannot be opened: with its write-ahead log, even reading needs files beside it, and its folder cannot be written"
        ))
        .help("run as a user who may write the folder, or leave the log once with `PRAGMA journal_mode = DELETE`"),
        Some(ffi::SQLITE_READONLY) => {
            Error::failed(format!("the database file `{shown}` cannot be written"))
                .help("run as a user who may write it and its folder")
        }
        _ => return errors::cannot(&format!("open `{shown}`"), error),
    };
    match code {
        Some(code) => explained.note(format!("SQLite's error code is {code}: {words}")),
        None => explained.note(words),
    }
}

/// The file's absolute path without links, whether the file is there or not.
pub(super) fn identity(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if let Ok(real) = fs::canonicalize(&absolute) {
        return real;
    }
    match (
        absolute.parent().map(fs::canonicalize),
        absolute.file_name(),
    ) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => absolute,
    }
}
