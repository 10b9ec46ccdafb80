//! The order of a plan's steps. Functions come right before the first trigger that calls them, drops of functions
//! last; within a table what locks hardest comes first, so that no lock is ever raised, and tables come in name order,
//! so that two runs never lock in opposite orders.

use std::collections::BTreeMap;

use crate::dialect::{Dialect, LockMode};
use crate::model::{Definition, ObjectId, Place};

use super::{Action, Change};

/// Put changes in the order in which they are made. The order in which they come in does not matter.
pub(super) fn order(changes: &mut Vec<Change>, dialect: &dyn Dialect) {
    let mut functions: BTreeMap<ObjectId, Change> = BTreeMap::new();
    let (mut triggers, mut last) = (vec![], vec![]);
    for change in changes.drain(..) {
        let is_function = change.object.table.is_none();
        match change.action {
            Action::Adopt | Action::Forget | Action::Conflict => last.push(change),
            Action::Drop if is_function => last.push(change),
            _ if is_function => {
                functions.insert(change.id(), change);
            }
            _ => triggers.push(change),
        }
    }
    let places: Vec<_> = triggers
        .iter()
        .map(|change| {
            let place = change.after.as_ref().and_then(Definition::place);
            (change.id(), place)
        })
        .collect();
    let ranks = ranks(&places);
    triggers.sort_by_cached_key(|change| {
        let locks_hard = change
            .locks
            .iter()
            .any(|lock| lock.mode == LockMode::AccessExclusive);
        let goes = matches!(change.action, Action::Drop);
        let id = change.id();
        let table = id.table().cloned();
        // Where a name is unique in the whole database, it must be free before it is used on another table: first those
        // that give up a name, then those that give up one for another.
        let turn = match change.action {
            _ if dialect.names_are_per_table() => 0,
            Action::Drop => 0,
            Action::Rename => 1,
            _ => 2,
        };
        let rank = ranks.get(&id).copied().unwrap_or(0);
        (turn, table, !goes, !locks_hard, rank, id)
    });
    last.sort_by_cached_key(|change| (change.action, change.id()));

    let mut ordered = vec![];
    for change in triggers {
        let called = change
            .after
            .as_ref()
            .and_then(Definition::calls)
            .map(|id| ObjectId::Function(id.clone()));
        ordered.extend(called.and_then(|id| functions.remove(&id)));
        ordered.push(change);
    }
    // What is left is called by no trigger that changes: it takes no table lock, so it comes first.
    changes.extend(functions.into_values());
    changes.extend(ordered);
    changes.extend(last);
}

/// How many of these must be made before each one, because its place is told by another trigger's.
pub(crate) fn ranks(places: &[(ObjectId, Option<&Place>)]) -> BTreeMap<ObjectId, usize> {
    let mut reference: BTreeMap<ObjectId, ObjectId> = BTreeMap::new();
    for (own, place) in places {
        let (Some(Place::Follows(name) | Place::Precedes(name)), ObjectId::Trigger(mut id)) =
            (place, own.clone())
        else {
            continue;
        };
        id.name.clone_from(name);
        reference.insert(own.clone(), ObjectId::Trigger(id));
    }
    let rank = |id: &ObjectId| {
        let mut rank = 0;
        let mut at = id;
        // A circle has no first: the engine refuses it.
        while let Some(next) = reference.get(at).filter(|_| rank <= places.len()) {
            at = next;
            rank += 1;
        }
        rank
    };
    places
        .iter()
        .map(|(id, _)| (id.clone(), rank(id)))
        .collect()
}
