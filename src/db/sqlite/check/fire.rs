//! Preparing a statement, and judging what SQLite says of it.

use std::collections::BTreeSet;

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Null;

use crate::db::sqlite::errors;
use crate::error::Kind;
use crate::sql::unquote;

/// What came of preparing a statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Compiled {
    /// It would run.
    Yes,
    /// It would fail; the engine's message.
    No(String),
    /// That cannot be told here, and why.
    Unknown(String),
}

/// How messages begin about a virtual table whose module, or part of it, only the application has (`sqlite3VtabCallConnect`
/// in `vtab.c`, and the tokenizers of FTS3 to FTS5).
const OF_MODULES: &[&str] = &[
    "no such module: ",
    "vtable constructor failed: ",
    "unknown tokenizer",
    "no such tokenizer",
    "error in tokenizer constructor",
];

/// Prepare `sql`, never running it. Functions and collations that only the application has are stood in for; `stubs`
/// are the functions so far, and are reported the first time.
///
/// An error is one that says nothing about the statement, such as a lock.
pub(super) fn compile(
    connection: &Connection,
    sql: &str,
    stubs: &mut BTreeSet<String>,
) -> rusqlite::Result<Compiled> {
    loop {
        let Err(error) = connection.prepare(sql) else {
            return Ok(Compiled::Yes);
        };
        if errors::kind(&error) != Kind::Failed {
            return Err(error);
        }
        let words = errors::words(&error);
        if let Some(function) = unknown_function(&words) {
            if !stubs.contains(&function) && stand_in(connection, &function).is_ok() {
                log::warn!(
                    "SQLite has no function `{function}`: an application that fires this must bring it"
                );
                stubs.insert(function);
                continue;
            }
            return Ok(Compiled::Unknown(words));
        }
        // The stand-in is an ordinary function, which the application's may not be.
        let about_stub = stubs
            .iter()
            .any(|stub| words.contains(&format!("{stub}()")));
        let about_module = OF_MODULES.iter().any(|start| words.starts_with(start));
        return Ok(if about_stub || about_module {
            Compiled::Unknown(words)
        } else {
            Compiled::No(words)
        });
    }
}

/// The function that a message says is not there.
pub(in crate::db::sqlite) fn unknown_function(words: &str) -> Option<String> {
    let name = words
        .strip_prefix("no such function: ")
        // What a column's default or a generated column calls is looked for later.
        .or_else(|| words.strip_prefix("unknown function: ")?.strip_suffix("()"))?;
    Some(unquote(name).into_owned())
}

/// A function of any number of arguments that is never called.
fn stand_in(connection: &Connection, name: &str) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function(name, -1, flags, |_| Ok(Null))
}

/// Stand in for a collation that only the application has. It is never used to compare.
pub(in crate::db::sqlite) fn stand_in_for_collation(
    connection: &Connection,
    name: &str,
) -> rusqlite::Result<()> {
    connection.create_collation(name, Ord::cmp)
}
