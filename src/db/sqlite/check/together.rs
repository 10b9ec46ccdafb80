//! The short way to find that nothing is wrong: all triggers at once, in a copy whose schema is read once. Creating them
//! one after the other makes SQLite go through the whole schema for each. What is wrong is then looked for one by one.

use std::collections::{BTreeSet, HashMap};

use rusqlite::Connection;

use super::copy::Copy;
use super::{Checked, firing_statement};
use crate::db::sqlite::names::{self, Column, quoted};
use crate::model::Event;

/// How CREATE TRIGGER begins in `sqlite_schema`.
const STORED: &str = "CREATE TRIGGER ";
/// What names of SQLite's own begin with; CREATE TRIGGER refuses them, and reading the schema does not.
const RESERVED: &str = "sqlite_";

/// Whether all of these triggers can be created, and everything that fires one of them can be compiled. What compiles
/// with all triggers compiles with each alone: a body can rest on no other trigger but an INSTEAD OF one, and those are
/// always there.
pub(super) fn all_sound(live: &Connection, triggers: &[Checked<'_>]) -> bool {
    let unusual = |checked: &Checked<'_>| {
        let name = checked.trigger.id.name.as_bytes();
        !checked.sql.starts_with(STORED)
            || name
                .get(..RESERVED.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(RESERVED.as_bytes()))
    };
    if triggers.iter().any(unusual) {
        return false;
    }
    // Whatever fails here fails again one by one, where it is reported.
    look(live, triggers).unwrap_or(false)
}

fn look(live: &Connection, triggers: &[Checked<'_>]) -> rusqlite::Result<bool> {
    let rows = triggers
        .iter()
        .map(|checked| (&checked.trigger.id, checked.sql));
    let copy = Copy::with(live, rows)?;
    let mut columns: HashMap<&str, Vec<Column>> = HashMap::new();
    let mut fired: BTreeSet<(&str, Event)> = BTreeSet::new();
    for checked in triggers {
        let trigger = checked.trigger;
        let table = trigger.id.table.name.as_str();
        let columns = match columns.entry(table) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => {
                new.insert(names::columns(&copy.connection, table)?)
            }
        };
        let written = |name: &String| {
            columns
                .iter()
                .any(|column| !column.generated && column.name.eq_ignore_ascii_case(name))
        };
        if !trigger.update_of.iter().all(written) {
            return Ok(false);
        }
        for event in &trigger.events {
            if !fired.insert((table, *event)) {
                continue;
            }
            let firing = if *event == Event::Update {
                update_of_all(table, columns)
            } else {
                firing_statement(*event, table, None)
            };
            let Some(firing) = firing else {
                return Ok(false);
            };
            copy.connection.prepare(&firing)?;
        }
    }
    Ok(true)
}

/// The update that fires every UPDATE trigger of a table.
pub(super) fn update_of_all(table: &str, columns: &[Column]) -> Option<String> {
    let assignments: Vec<String> = columns
        .iter()
        .filter(|column| !column.generated)
        .map(|column| format!("{0} = {0}", quoted(&column.name)))
        .collect();
    if assignments.is_empty() {
        return None;
    }
    Some(format!(
        "UPDATE main.{} SET {}",
        quoted(table),
        assignments.join(", ")
    ))
}
