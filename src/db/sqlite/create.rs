//! Making a database from the user's script: whole, or not at all.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use rusqlite::hooks::{AuthAction, Authorization};
use rusqlite::{Connection, OpenFlags, ffi};

use super::errors;
use super::open::beside;
use crate::error::{Diagnostic, Error, SourceFile, Span};

/// Make the database `path` from a script. It is made under another name in the same folder and gets its own name only
/// when it is complete, so that whoever looks sees all of it or nothing; a file that is there is never replaced.
pub fn create(path: &Path, script: &Path) -> Result<(), Error> {
    let source = read_script(script)?;
    let shown = path.display();
    let failed = |error: &io::Error| Error::failed(format!("cannot create `{shown}`: {error}"));
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(Error::failed(format!(
            "cannot create `{shown}`: there is no folder `{}`",
            folder.display()
        )));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".triggerctl-").suffix(".new");
    #[cfg(unix)]
    {
        // As SQLite makes its files (SQLITE_DEFAULT_FILE_PERMISSIONS); the umask takes from it.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o644));
    }
    let new = builder
        .tempfile_in(folder)
        .map_err(|error| failed(&error))?
        .into_temp_path();
    let leftovers = Leftovers(&new);

    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&new, flags)
        .map_err(|error| errors::cannot(&format!("create `{shown}`"), &error))?;
    // The file is synchronised once, before it gets its name.
    connection
        .pragma_update(None, "synchronous", "off")
        .map_err(|error| errors::cannot(&format!("create `{shown}`"), &error))?;
    run_script(&mut connection, &source)?;
    connection
        .close()
        .map_err(|(_, error)| errors::cannot(&format!("create `{shown}`"), &error))?;
    drop(leftovers);
    File::open(&new)
        .and_then(|file| file.sync_all())
        .map_err(|error| failed(&error))?;
    new.persist_noclobber(path).map_err(|refused| {
        if refused.error.kind() == ErrorKind::AlreadyExists {
            Error::failed(format!("`{shown}` has appeared in the meantime"))
                .help("run the command again to use it")
        } else {
            failed(&refused.error)
        }
    })?;
    // The name is on the disk only when the folder is.
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| failed(&error))
}

/// Takes away what SQLite left beside the new file, so that nothing of a failed attempt stays.
struct Leftovers<'a>(&'a Path);

impl Drop for Leftovers<'_> {
    fn drop(&mut self) {
        for suffix in ["-journal", "-wal", "-shm"] {
            if let Err(error) = fs::remove_file(beside(self.0, suffix))
                && error.kind() != ErrorKind::NotFound
            {
                log::warn!("`{}{suffix}` was left behind: {error}", self.0.display());
            }
        }
    }
}

/// The text of the script.
pub(super) fn read_script(script: &Path) -> Result<Arc<SourceFile>, Error> {
    let shown = script.display().to_string();
    let bytes = fs::read(script).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::failed(format!("the script `{shown}` does not exist"))
            .help("`create_from` in [database] names it, relative to the folder of the spec"),
        ErrorKind::IsADirectory => Error::failed(format!("the script `{shown}` is a folder")),
        _ => Error::failed(format!("cannot read the script `{shown}`: {error}")),
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        Error::failed(format!(
            "the script `{shown}` is not UTF-8 at byte {}",
            error.utf8_error().valid_up_to()
        ))
        .help("is it an SQL script? a dump has to be text")
    })?;
    Ok(Arc::new(SourceFile { name: shown, text }))
}

/// Run the script on a database that is empty. It may do anything to this database and nothing to another one.
pub(super) fn run_script(
    connection: &mut Connection,
    script: &Arc<SourceFile>,
) -> Result<(), Error> {
    let failed = |error: &rusqlite::Error| script_error(script, error);
    connection
        .pragma_update(None, "foreign_keys", false)
        .map_err(|error| failed(&error))?;
    connection
        .authorizer(Some(|context: rusqlite::hooks::AuthContext<'_>| {
            match context.action {
                // VACUUM attaches a nameless file for the time being.
                AuthAction::Attach { filename } if !filename.is_empty() => Authorization::Deny,
                _ => Authorization::Allow,
            }
        }))
        .map_err(|error| failed(&error))?;
    let ran = connection.execute_batch(&script.text);
    let stop_authorizing: Option<fn(rusqlite::hooks::AuthContext<'_>) -> Authorization> = None;
    connection
        .authorizer(stop_authorizing)
        .map_err(|error| failed(&error))?;
    ran.map_err(|error| failed(&error))?;
    if !connection.is_autocommit() {
        return Err(Error::failed(format!(
            "the script `{}` leaves a transaction open",
            script.name
        ))
        .help("end it with COMMIT"));
    }
    Ok(())
}

fn script_error(script: &Arc<SourceFile>, error: &rusqlite::Error) -> Error {
    let words = errors::words(error);
    let diagnostic = Diagnostic::new(format!("the script `{}` fails: {words}", script.name));
    let diagnostic = match error {
        // The statement is given with all that follows it, so its place is known from the end.
        rusqlite::Error::SqlInputError { sql, offset, .. } => {
            let start = script.text.len().saturating_sub(sql.len());
            let at = start + usize::try_from(*offset).unwrap_or(0);
            if script.text.is_char_boundary(at) {
                let file = Arc::clone(script);
                diagnostic.at(&Span {
                    file,
                    range: at..at,
                })
            } else {
                diagnostic
            }
        }
        _ => diagnostic,
    };
    let diagnostic = if errors::primary_code(error) == Some(ffi::SQLITE_AUTH) {
        diagnostic.help("the script may not attach, or write, another database file")
    } else if words.starts_with("near \".\"") {
        diagnostic.help("commands of the sqlite3 shell, such as `.read`, are no SQL")
    } else if errors::primary_code(error) == Some(ffi::SQLITE_FULL) {
        diagnostic.help("the database was not created: make room on the disk")
    } else {
        diagnostic
            .help("the database was not created; correct the script and run the command again")
    };
    diagnostic.into_error(errors::kind(error))
}
