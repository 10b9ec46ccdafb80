//! What triggers write and read, as SQLite's authorizer reports it while the statements that fire them are compiled, on a
//! copy of the schema in memory. The authorizer names the innermost trigger (the manual on sqlite3_set_authorizer).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::copy::Copy;
use super::fire::Compiled;
use super::firing_statement;
use super::together::update_of_all;
use crate::db::sqlite::errors;
use crate::db::sqlite::names::{self, MAIN};
use crate::effects::{Effects, Unknown, Write};
use crate::error::{Error, Kind};
use crate::kinds::tables::NewTable;
use crate::model::{Definition, Event, TableId, Trigger, TriggerId};

/// A table, and what is done to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Insert(String),
    Delete(String),
    Update(String, String),
    Read(String, String),
}

/// By the trigger's lower-case name.
type Log = Arc<Mutex<BTreeMap<String, BTreeSet<Act>>>>;

/// See [`crate::db::Database::effects`].
pub(in crate::db::sqlite) fn effects(
    live: &Connection,
    definitions: &[&Definition],
    new: &[NewTable],
) -> Result<BTreeMap<TriggerId, Effects>, Error> {
    let triggers: Vec<&Trigger> = definitions
        .iter()
        .filter_map(|definition| match definition {
            Definition::Trigger(trigger) => Some(&**trigger),
            Definition::Function(_) => None,
        })
        .collect();
    if triggers.is_empty() {
        return Ok(BTreeMap::new());
    }
    report(live, &triggers, new)
        .map_err(|error| errors::cannot("find out what the triggers do", &error))
}

fn report(
    live: &Connection,
    triggers: &[&Trigger],
    new: &[NewTable],
) -> rusqlite::Result<BTreeMap<TriggerId, Effects>> {
    let rows = triggers
        .iter()
        .filter_map(|trigger| Some((&trigger.id, trigger.verbatim.as_deref()?)));
    let mut copy = Copy::with(live, rows)?;
    for table in new {
        copy.connection.execute(&table.sql, [])?;
    }
    let log = Log::default();
    let writer = Arc::clone(&log);
    copy.connection
        .authorizer(Some(move |context: AuthContext<'_>| {
            note(&context, &writer);
            Authorization::Allow
        }))?;
    let mut unknown: HashMap<&TriggerId, String> = HashMap::new();
    let mut fired: BTreeMap<(&TableId, Event), Option<String>> = BTreeMap::new();
    for trigger in triggers {
        for event in &trigger.events {
            let table = &trigger.id.table;
            let reason = if let Some(reason) = fired.get(&(table, *event)) {
                reason.clone()
            } else {
                let reason = fire(&mut copy, &table.name, *event)?;
                fired.insert((table, *event), reason.clone());
                reason
            };
            if let Some(reason) = reason {
                unknown.insert(&trigger.id, reason);
            }
        }
    }
    // Neither the copy nor what was noted is needed beside what comes of it.
    drop(copy);
    let mut log = log
        .lock()
        .map(|mut log| std::mem::take(&mut *log))
        .unwrap_or_default();
    Ok(triggers
        .iter()
        .map(|trigger| {
            let acts = log.remove(&trigger.id.name.to_ascii_lowercase());
            let mut effects = told(trigger, acts.into_iter().flatten());
            if let Some(reason) = unknown.get(&trigger.id) {
                effects.unknown.push(Unknown {
                    reason: reason.clone(),
                    place: None,
                });
            }
            (trigger.id.clone(), effects)
        })
        .collect())
}

/// Compile what fires an event; why it could not be.
fn fire(copy: &mut Copy, table: &str, event: Event) -> rusqlite::Result<Option<String>> {
    let columns = match names::columns(&copy.connection, table) {
        Ok(columns) => columns,
        // A view of what is gone.
        Err(error) if errors::kind(&error) == Kind::Failed => {
            return Ok(Some(errors::words(&error)));
        }
        Err(error) => return Err(error),
    };
    let firing = if event == Event::Update {
        update_of_all(table, &columns)
    } else {
        firing_statement(event, table, None)
    };
    let Some(firing) = firing else {
        return Ok(Some("nothing can fire it".to_owned()));
    };
    Ok(match copy.compile(&firing)? {
        Compiled::Yes => None,
        Compiled::No(reason) | Compiled::Unknown(reason) => Some(reason),
    })
}

fn note(context: &AuthContext<'_>, log: &Log) {
    let Some(trigger) = context.accessor else {
        return;
    };
    let act = match context.action {
        AuthAction::Insert { table_name } => Act::Insert(table_name.to_owned()),
        AuthAction::Delete { table_name } => Act::Delete(table_name.to_owned()),
        AuthAction::Update {
            table_name,
            column_name,
        } => Act::Update(table_name.to_owned(), column_name.to_owned()),
        AuthAction::Read {
            table_name,
            column_name,
        } => Act::Read(table_name.to_owned(), column_name.to_owned()),
        _ => return,
    };
    if let Ok(mut log) = log.lock() {
        log.entry(trigger.to_ascii_lowercase())
            .or_default()
            .insert(act);
    }
}

fn told(trigger: &Trigger, acts: impl Iterator<Item = Act>) -> Effects {
    let mut effects = Effects::default();
    let mut updated: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let id = |name: String| TableId {
        schema: MAIN.to_owned(),
        name,
    };
    for act in acts {
        let (table, event) = match act {
            Act::Insert(table) => (table, Event::Insert),
            Act::Delete(table) => (table, Event::Delete),
            Act::Update(table, column) => {
                updated.entry(table).or_default().insert(column);
                continue;
            }
            Act::Read(table, column) => {
                effects.reads.push((id(table), Some(column)));
                continue;
            }
        };
        effects.writes.push(write(trigger, id(table), event, None));
    }
    for (table, columns) in updated {
        let write = write(trigger, id(table), Event::Update, Some(columns));
        effects.writes.push(write);
    }
    effects.fitted()
}

fn write(
    trigger: &Trigger,
    table: TableId,
    event: Event,
    columns: Option<BTreeSet<String>>,
) -> Write {
    Write {
        table,
        event,
        columns,
        certain: trigger.condition.is_none(),
        place: None,
        via: vec![],
    }
}
