//! Whether there is what a trigger is to run before or after (MySQL): the engine finds out when the statement runs, and where
//! the other one goes later it says nothing at all.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Change};
use crate::db::{Catalog, Database, Depth};
use crate::desired::DesiredSet;
use crate::error::{Diagnostic, Error};
use crate::model::{Definition, ObjectId, Place, Trigger, TriggerId};

/// The one that the spec names as its neighbour.
fn neighbour(trigger: &Trigger) -> Option<ObjectId> {
    let (Place::Follows(name) | Place::Precedes(name)) =
        trigger.creation.as_ref()?.place.as_ref()?
    else {
        return None;
    };
    Some(ObjectId::Trigger(TriggerId {
        table: trigger.id.table.clone(),
        name: name.clone(),
    }))
}

/// Whether both are of the same table, timing and event.
fn are_siblings(one: &Trigger, other: &Trigger) -> bool {
    one.id.table == other.id.table && one.timing == other.timing && one.events == other.events
}

/// Refuse an `order` that names a trigger which will not be there, or which waits in turn for the one that names it.
pub(super) fn refuse_lonely(
    desired: &DesiredSet,
    changes: &[Change],
    catalog: &Catalog,
    is_targeted: bool,
    database: &mut dyn Database,
) -> Result<(), Error> {
    let wanted = |id: &ObjectId| match desired.get(id).map(|desired| &desired.definition) {
        Some(Definition::Trigger(trigger)) => Some(&**trigger),
        _ => None,
    };
    let ordered: Vec<(&Trigger, ObjectId)> = desired
        .keys()
        .filter_map(|id| wanted(id))
        .filter_map(|trigger| Some((trigger, neighbour(trigger)?)))
        .collect();
    if ordered.is_empty() {
        return Ok(());
    }
    let acting: BTreeMap<&ObjectId, &Change> =
        changes.iter().map(|change| (change.id(), change)).collect();
    let renamed: BTreeSet<ObjectId> = changes.iter().filter_map(Change::old_id).collect();
    // Of those that the spec does not make now, only the database knows what they are.
    let asked: Vec<ObjectId> = ordered
        .iter()
        .map(|(_, other)| other)
        .filter(|other| !acting.contains_key(other) && catalog.fingerprints.contains_key(other))
        .filter(|other| wanted(other).is_none() || is_targeted)
        .cloned()
        .collect();
    let live = match asked.as_slice() {
        [] => BTreeMap::new(),
        asked => database.definitions(asked, Depth::Whole)?,
    };
    let stands = |trigger: &Trigger, other: &ObjectId| {
        let definition = match acting.get(other) {
            Some(change) if change.action == Action::Drop => None,
            Some(change) => change.after.as_ref(),
            None if renamed.contains(other) => None,
            None => live.get(other).or_else(|| {
                let desired = desired.get(other).filter(|_| !is_targeted);
                desired.map(|desired| &desired.definition)
            }),
        };
        matches!(definition, Some(Definition::Trigger(other)) if are_siblings(trigger, other))
    };
    let waits_for_itself = |trigger: &Trigger| {
        let mut at = trigger;
        for _ in 0..ordered.len() {
            match neighbour(at).and_then(|other| wanted(&other)) {
                Some(next) if next.id == trigger.id => return true,
                Some(next) => at = next,
                None => return false,
            }
        }
        false
    };
    let mut problems = vec![];
    for (trigger, other) in &ordered {
        let id = ObjectId::Trigger(trigger.id.clone());
        let (Some(spec), change) = (desired.get(&id), acting.get(&id)) else {
            continue;
        };
        if is_targeted && change.is_none() {
            continue;
        }
        let name = other.name();
        if !stands(trigger, other) {
            let mut problem = Diagnostic::new(format!(
                "the `order` of {id} names `{name}`, and there will be no such trigger of the same table, timing and event"
            ))
            .at(&spec.span);
            if is_targeted && wanted(other).is_some() {
                problem = problem.help(format!("take `{name}` into `--target` too"));
            } else {
                problem = problem.help("name one that is there, or leave `order` out");
            }
            problems.push(problem);
        } else if change.is_some() && waits_for_itself(trigger) {
            let problem = Diagnostic::new(format!(
                "the `order` of {id} leads back to it: none of these triggers can be made first"
            ));
            problems.push(
                problem
                    .at(&spec.span)
                    .help("leave `order` out of one of them"),
            );
        }
    }
    Error::collected(problems)
}
