//! The last look before a commit: whether what fires on the touched tables still compiles, with all their triggers.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::fire::{Compiled, compile, stand_in_for_collation};
use super::firing_statement;
use crate::db::sqlite::errors::{self, cannot};
use crate::db::sqlite::names::{self, quoted};
use crate::db::sqlite::open;
use crate::error::{Diagnostic, Error};
use crate::model::{Event, TableId};

/// See [`crate::db::Database::check_live`]. What fails without the migration as well is not held against it.
pub(crate) fn check_live(
    connection: &Connection,
    path: Option<&Path>,
    tables: &BTreeSet<TableId>,
) -> Result<(), Error> {
    let mut stubs = BTreeSet::new();
    let result = look(connection, path, tables, &mut stubs)
        .map_err(|error| cannot("check the tables", &error));
    // The connection goes on: it must not know functions that do nothing.
    for stub in &stubs {
        connection
            .remove_function(stub.as_str(), -1)
            .map_err(|error| cannot("check the tables", &error))?;
    }
    Error::collected(result?)
}

fn look(
    connection: &Connection,
    path: Option<&Path>,
    tables: &BTreeSet<TableId>,
    stubs: &mut BTreeSet<String>,
) -> rusqlite::Result<Vec<Diagnostic>> {
    connection.collation_needed(stand_in_for_collation)?;
    let mut found = vec![];
    for table in tables {
        for (event, sql) in firing_statements(connection, &table.name) {
            let words = match compile(connection, &sql, stubs)? {
                Compiled::Yes => continue,
                // A view that has no trigger for this event.
                Compiled::No(words) if words.starts_with("cannot modify ") => continue,
                Compiled::No(words) => words,
                Compiled::Unknown(reason) => {
                    log::warn!("{} on {table} was not checked: {reason}", event.keyword());
                    continue;
                }
            };
            if failed_before(path, &sql, &words) {
                log::warn!(
                    "{} on {table} fails, as it did before: {words}",
                    event.keyword()
                );
                continue;
            }
            found.push(
                Diagnostic::new(format!("{} on {table} would fail: {words}", event.keyword()))
                    .note(format!("SQLite says so of `{sql}`, with the triggers as they would be"))
                    .help("a trigger of this table is at fault, or one of a table that it writes to; nothing was changed")
                    .help("where it is meant to be so, `allow = { rule = \"missing_reference\", reason = \"…\" }` of the trigger says it in the spec"),
            );
        }
    }
    Ok(found)
}

/// What fires each event; the update writes every column, so that it fires every UPDATE OF.
fn firing_statements(connection: &Connection, table: &str) -> Vec<(Event, String)> {
    let columns: Vec<String> = match names::columns(connection, table) {
        Ok(columns) => columns
            .into_iter()
            .filter(|column| !column.generated)
            .map(|column| quoted(&column.name))
            .collect(),
        Err(error) => {
            log::warn!("`{table}` was not checked: {}", errors::words(&error));
            return vec![];
        }
    };
    if columns.is_empty() {
        return vec![];
    }
    let assignments: Vec<String> = columns
        .iter()
        .map(|column| format!("{column} = {column}"))
        .collect();
    let update = format!(
        "UPDATE main.{} SET {}",
        quoted(table),
        assignments.join(", ")
    );
    let mut statements = vec![(Event::Update, update)];
    for event in [Event::Insert, Event::Delete] {
        statements.extend(firing_statement(event, table, None).map(|sql| (event, sql)));
    }
    statements
}

/// Whether the statement failed in the same way before the transaction began, as another connection sees it.
fn failed_before(path: Option<&Path>, sql: &str, words: &str) -> bool {
    let Some(path) = path else {
        return false;
    };
    let ask = || -> rusqlite::Result<Compiled> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let before = Connection::open_with_flags(path, flags)?;
        open::prepare(&before, crate::db::Intent::Read)?;
        before.busy_timeout(Duration::ZERO)?;
        before.collation_needed(stand_in_for_collation)?;
        compile(&before, sql, &mut BTreeSet::new())
    };
    match ask() {
        Ok(compiled) => compiled == Compiled::No(words.to_owned()),
        Err(error) => {
            log::debug!("what was before cannot be read: {error}");
            false
        }
    }
}
