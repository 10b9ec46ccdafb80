//! The engines' errors as ours: what was being done, their words and code, and what helps.

use std::sync::Arc;

use mysql::{DriverError, Error as Driver};

use crate::db::Statement;
use crate::error::{Diagnostic, Error, Kind, SourceFile, Span};
use crate::sql::{MYSQL, tokens};

/// The engine's own number for an error ("server error message reference").
pub(super) fn code(error: &Driver) -> Option<u16> {
    match error {
        Driver::MySqlError(error) => Some(error.code),
        _ => None,
    }
}

/// The exit code that an error leads to.
pub(super) fn kind(error: &Driver) -> Kind {
    match code(error) {
        // Lock wait timeout, deadlock, NOWAIT.
        Some(1205 | 1213 | 3572) => Kind::Busy,
        // Query execution was interrupted. By a limit of the server's for how long a statement may take (1969, 3024) it is not
        // whoever runs this that did it.
        Some(1317) => Kind::Interrupted,
        _ if is_read_only(error) => Kind::Refused,
        _ => Kind::Failed,
    }
}

/// Whether the server takes no writes (`read_only`, `super_read_only`), as a replica mostly does.
fn is_read_only(error: &Driver) -> bool {
    match error {
        Driver::MySqlError(error) => match error.code {
            // Other options have the same number.
            1290 => error.message.contains("read-only"),
            1836 => true,
            _ => false,
        },
        _ => false,
    }
}

/// Whether the connection is gone: what it was doing may or may not have been done.
pub(super) fn is_lost(error: &Driver) -> bool {
    match error {
        Driver::IoError(_) | Driver::CodecError(_) => true,
        // Server shutdown, connection killed, server gone away, lost connection.
        Driver::MySqlError(error) => match error.code {
            1053 | 1927 | 2006 | 2013 => true,
            // MySQL: disconnected because of inactivity. To MariaDB the number is that of a sibling that is not there.
            4031 => error.message.contains("disconnected"),
            _ => false,
        },
        _ => false,
    }
}

/// The engine's words.
pub(super) fn words(error: &Driver) -> String {
    match error {
        Driver::MySqlError(error) => error.message.clone(),
        Driver::IoError(error) => error.to_string(),
        Driver::CodecError(_) => "the server closed the connection".to_owned(),
        other => other.to_string(),
    }
}

/// An error while doing something that is no statement of the plan: `doing` goes on "cannot …".
pub(super) fn cannot(doing: &str, error: &Driver) -> Error {
    match kind(error) {
        Kind::Busy => busy(error),
        Kind::Interrupted => Error::new(Kind::Interrupted, "interrupted"),
        kind if is_lost(error) => {
            Error::new(kind, format!("the connection broke: cannot {doing}")).note(words(error))
        }
        kind => explain(
            Error::new(kind, format!("cannot {doing}: {}", words(error))),
            error,
        ),
    }
}

/// Somebody else holds the lock: of a table, or, for a backup, of all.
pub(super) fn busy(error: &Driver) -> Error {
    busy_with("a table", error)
}

/// Somebody else holds the lock of one of these.
pub(super) fn busy_with(what: &str, error: &Driver) -> Error {
    explain(
        Error::new(
            Kind::Busy,
            format!("{what} is locked by another connection"),
        ),
        error,
    )
    .help("try again when the other connection has ended its transaction, or wait longer with `--wait`")
}

fn explain(explained: Error, error: &Driver) -> Error {
    let explained = match error {
        Driver::MySqlError(error) => explained.note(format!(
            "the server's error {} ({}): {}",
            error.code, error.state, error.message
        )),
        _ => explained,
    };
    match code(error) {
        Some(1419) => explained.help(
            "with the binary log on, set log_bin_trust_function_creators=1 on the server, or use a role with SUPER",
        ),
        Some(1227) => explained.help(
            "to name another definer takes SET USER (MariaDB), SET_ANY_DEFINER (MySQL) or SUPER: grant it, or leave `definer` out",
        ),
        Some(1044 | 1142) => explained.help("grant the role what it lacks: it needs TRIGGER, LOCK TABLES, SELECT, INSERT, UPDATE and CREATE"),
        Some(1021 | 1114) => explained.help("make room on the server's disk"),
        // "Error writing file": the number of the system's error stands in the text alone, whatever the language of the rest.
        Some(3) if words(error).contains("Errcode: 28 ") => {
            explained.help("make room on the server's disk")
        }
        Some(1602) => explained.help(
            "MariaDB keeps a trigger that a session was reading when it was killed as a broken one: `FLUSH TABLES` and the table's name has it read anew",
        ),
        _ if is_read_only(error) => {
            explained.help("the server is read-only: connect to the one that takes writes")
        }
        _ => explained,
    }
}

/// Connecting failed. Names no password.
pub(super) fn connecting(
    error: &Driver,
    address: &str,
    (user, database): (&Option<String>, &Option<String>),
) -> Error {
    let user = user.as_deref().unwrap_or_default();
    let database = database.as_deref().unwrap_or_default();
    match error {
        Driver::MySqlError(failure) => match failure.code {
            1045 | 1698 => explain(
                Error::failed(format!("the server at {address} does not let `{user}` in")),
                error,
            )
            .help("check the user and the password: in the URL, MYSQL_PWD, or `[client]` of ~/.my.cnf"),
            1049 => explain(Error::failed(format!("the server at {address} has no database `{database}`")), error)
                .help("create it first, or correct its name in the URL"),
            1044 => explain(Error::failed(format!("`{user}` may not use the database `{database}`")), error),
            1040 => Error::new(Kind::Busy, format!("the server at {address} takes no more connections"))
                .note(failure.message.clone()),
            _ => explain(Error::failed(format!("cannot connect to {address}: {}", failure.message)), error),
        },
        Driver::IoError(failure) => Error::failed(format!("cannot reach a server at {address}"))
            .note(failure.to_string())
            .help("is it running, and are host, port or socket right?"),
        Driver::DriverError(DriverError::CouldNotConnect(failure)) => {
            let why = failure.as_ref().map(|(_, why, _)| why.clone());
            Error::failed(format!("cannot reach a server at {address}"))
                .note(why.unwrap_or_else(|| "no address answers".to_owned()))
                .help("is it running, and are host, port or socket right?")
        }
        Driver::DriverError(DriverError::UnknownAuthPlugin(plugin)) => Error::failed(format!(
            "the server at {address} does not let `{user}` in: it asks for `{plugin}`, which is not known here"
        ))
        .note("some servers ask a user who does not exist for any of their kinds of authentication")
        .help("check the user, or give it caching_sha2_password or mysql_native_password"),
        Driver::TlsError(failure) => tls(address, failure.to_string()),
        // What goes wrong in a handshake comes as an error of reading.
        Driver::CodecError(failure) if is_about_tls(&failure.to_string()) => {
            tls(address, failure.to_string())
        }
        other => Error::failed(format!("cannot connect to {address}")).note(other.to_string()),
    }
}

fn is_about_tls(words: &str) -> bool {
    ["certificate", "alert", "handshake", "TLS"]
        .iter()
        .any(|word| words.contains(word))
}

fn tls(address: &str, why: String) -> Error {
    // `CodecError`s put quotes around the words that matter.
    let words = why
        .split_once('`')
        .and_then(|(_, rest)| rest.strip_suffix('\''))
        .map(str::to_owned);
    Error::failed(format!("no TLS connection to {address}"))
        .note(words.unwrap_or(why))
        .help("check `ssl-ca` and `ssl-mode`: REQUIRED encrypts and believes any certificate, VERIFY_CA wants one of `ssl-ca`, VERIFY_IDENTITY one for this host as well")
}

/// A statement failed: says which, and for which object.
pub(super) fn statement(statement: &Statement, error: &Driver) -> Error {
    if is_lost(error) {
        return Error::new(
            Kind::Uncertain,
            format!("the connection broke during `{}`", name(statement)),
        )
        .note(words(error));
    }
    match kind(error) {
        Kind::Busy => busy(error),
        Kind::Interrupted => Error::new(Kind::Interrupted, "interrupted"),
        kind => {
            let name = name(statement);
            let end = statement.sql.find('\n').unwrap_or(statement.sql.len());
            let file = Arc::new(SourceFile {
                name: format!("<{name}>"),
                text: statement.sql.clone(),
            });
            let diagnostic =
                Diagnostic::new(format!("`{name}` failed: {}", words(error))).at(&Span {
                    file,
                    range: 0..end,
                });
            explain(diagnostic.into_error(kind), error)
        }
    }
}

/// `create trigger users_age on app.users`.
fn name(statement: &Statement) -> String {
    let sql = &statement.sql;
    let verb = tokens(sql, &MYSQL)
        .find(|token| !token.is_blank())
        .map(|token| token.text(sql).to_ascii_lowercase())
        .unwrap_or_default();
    match &statement.object {
        Some(object) => format!("{verb} {object}"),
        None => statement.heading(),
    }
}
