//! What must be known besides the plan itself, read only where the plan makes it matter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::protection::Functions;
use crate::db::size::TableState;
use crate::db::{Catalog, Database, Depth};
use crate::error::{Error, Kind};
use crate::model::{Definition, ObjectId, TableId, Trigger};
use crate::plan::{Action, Change};

/// What is known of the tables that the plan locks. Not to know it is no reason not to plan.
/// `read` is what was asked before.
pub(super) fn states(
    changes: &[Change],
    read: &BTreeMap<TableId, TableState>,
    database: &mut dyn Database,
) -> Result<BTreeMap<TableId, TableState>, Error> {
    let tables: BTreeSet<&TableId> = changes
        .iter()
        .flat_map(|change| &change.locks)
        .map(|lock| &lock.table)
        .collect();
    let (known, unknown): (Vec<&TableId>, Vec<&TableId>) = tables
        .into_iter()
        .partition(|table| read.contains_key(table));
    let mut states: BTreeMap<TableId, TableState> = known
        .into_iter()
        .filter_map(|table| Some((table.clone(), read.get(table)?.clone())))
        .collect();
    if unknown.is_empty() {
        return Ok(states);
    }
    match database.table_states(&unknown.into_iter().cloned().collect()) {
        Ok(more) => states.extend(more),
        Err(error) if error.kind == Kind::Failed => {
            log::warn!("how big the tables are is not known: {error}");
        }
        Err(error) => return Err(error),
    }
    Ok(states)
}

/// Whether a step ends or changes a trigger or function that is there.
pub(super) fn ends_something(change: &Change) -> bool {
    !change.statements.is_empty() && change.before.is_some()
}

/// The functions that triggers of the plan call or called, and that the plan does not say all of.
pub(super) fn called_functions(
    changes: &[Change],
    catalog: &Catalog,
    database: &mut dyn Database,
) -> Result<BTreeMap<ObjectId, Definition>, Error> {
    let known: BTreeSet<ObjectId> = changes
        .iter()
        .filter(|change| change.before.is_some())
        .flat_map(|change| {
            let before = change.before.as_ref().map(Definition::id);
            [before, change.after.as_ref().map(Definition::id)]
        })
        .flatten()
        .collect();
    let wanted: BTreeSet<ObjectId> = changes
        .iter()
        .filter(|change| ends_something(change))
        .flat_map(|change| [&change.before, &change.after])
        .flatten()
        .filter_map(Definition::calls)
        .map(|function| ObjectId::Function(function.clone()))
        .filter(|id| !known.contains(id) && catalog.fingerprints.contains_key(id))
        .collect();
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let wanted: Vec<ObjectId> = wanted.into_iter().collect();
    database.definitions(&wanted, Depth::Structure)
}

/// The functions of each side: those of the plan, and those that stay as they are.
pub(super) fn functions<'a>(
    changes: &'a [Change],
    read: &'a BTreeMap<ObjectId, Definition>,
) -> (Functions<'a>, Functions<'a>) {
    let (mut before, mut after) = (Functions::new(), Functions::new());
    for definition in read.values() {
        if let Definition::Function(function) = definition {
            before.insert(&function.id, function);
            after.insert(&function.id, function);
        }
    }
    for change in changes {
        if let Some(Definition::Function(function)) = &change.before {
            before.insert(&function.id, function);
            // A trigger is seen as calling its function by the new name.
            if let Some(Definition::Function(renamed)) = &change.after {
                before.entry(&renamed.id).or_insert(function);
            }
        }
        if let Some(Definition::Function(function)) = &change.after {
            after.insert(&function.id, function);
        }
    }
    (before, after)
}

/// Triggers beside those that a step makes anew where that changes the order in which they fire.
pub(super) fn siblings(
    changes: &[Change],
    catalog: &Catalog,
    database: &mut dyn Database,
) -> Result<BTreeMap<TableId, Vec<Arc<Trigger>>>, Error> {
    if !database.dialect().fires_by_name() {
        return Ok(BTreeMap::new());
    }
    let tables: BTreeSet<&TableId> = changes
        .iter()
        .filter(|change| may_reorder(change))
        .filter_map(|change| match &change.after {
            Some(Definition::Trigger(trigger)) => Some(&trigger.id.table),
            _ => None,
        })
        .collect();
    if tables.is_empty() {
        return Ok(BTreeMap::new());
    }
    let touched: BTreeSet<ObjectId> = changes
        .iter()
        .filter(|change| !change.statements.is_empty())
        .flat_map(|change| [Some(change.id().clone()), change.old_id()])
        .flatten()
        .collect();
    let ids: Vec<ObjectId> = catalog
        .fingerprints
        .keys()
        .filter(|id| id.table().is_some_and(|table| tables.contains(table)))
        .filter(|id| !touched.contains(id))
        .cloned()
        .collect();
    let mut siblings: BTreeMap<TableId, Vec<Arc<Trigger>>> = BTreeMap::new();
    if ids.is_empty() {
        return Ok(siblings);
    }
    for definition in database.definitions(&ids, Depth::Structure)?.into_values() {
        if let Definition::Trigger(trigger) = definition {
            siblings
                .entry(trigger.id.table.clone())
                .or_default()
                .push(trigger);
        }
    }
    Ok(siblings)
}

/// Whether a step can change the order in which triggers fire, where that is the order of their names.
pub(super) fn may_reorder(change: &Change) -> bool {
    ends_something(change) && change.action == Action::Rename
}

/// The triggers that a plan makes, by table, each with the index of its step.
pub(super) fn made(changes: &[Change]) -> BTreeMap<&TableId, Vec<(usize, &Trigger)>> {
    let goes = changes
        .iter()
        .any(|change| change.action == Action::Drop && !change.statements.is_empty());
    let mut made: BTreeMap<&TableId, Vec<(usize, &Trigger)>> = BTreeMap::new();
    if !goes {
        return made;
    }
    for (index, change) in changes.iter().enumerate() {
        if let Some(Definition::Trigger(trigger)) = &change.after
            && !change.statements.is_empty()
        {
            made.entry(&trigger.id.table)
                .or_default()
                .push((index, trigger));
        }
    }
    made
}
