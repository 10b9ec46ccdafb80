//! The order of a plan's steps. Functions come right before the first trigger that calls them, drops of functions
//! last; within a table what locks hardest comes first, so that no lock is ever raised, and tables come in name order,
//! so that two runs never lock in opposite orders.

use std::collections::BTreeMap;

use crate::dialect::{Dialect, LockMode};
use crate::model::{Definition, ObjectId, Place};

use super::{Action, Change};

/// Put changes in the order in which they are made. The order in which they come in does not matter.
pub(super) fn order(changes: &mut [Change], dialect: &dyn Dialect) {
    // Where each one is now: a change is large, and is moved once, when it is clear where to.
    let mut functions: BTreeMap<ObjectId, usize> = BTreeMap::new();
    let (mut triggers, mut last) = (vec![], vec![]);
    for (at, change) in changes.iter().enumerate() {
        let is_function = change.object.table().is_none();
        match change.action {
            Action::Adopt | Action::Forget | Action::Conflict => last.push((at, change)),
            Action::Drop if is_function => last.push((at, change)),
            _ if is_function => {
                functions.insert(change.id().clone(), at);
            }
            _ => triggers.push((at, change)),
        }
    }
    let places: Vec<_> = triggers
        .iter()
        .map(|(_, change)| {
            let place = change.after.as_ref().and_then(Definition::place);
            (change.id(), place)
        })
        .collect();
    let ranks = ranks(&places);
    triggers.sort_by_cached_key(|(_, change)| {
        let locks_hard = change
            .locks
            .iter()
            .any(|lock| lock.mode == LockMode::AccessExclusive);
        let goes = matches!(change.action, Action::Drop);
        let id = change.id();
        let table = id.table();
        // Where a name is unique in the whole database, it must be free before it is used on another table: first those
        // that give up a name, then those that give up one for another.
        let turn = match change.action {
            _ if dialect.names_are_per_table() => 0,
            Action::Drop => 0,
            Action::Rename => 1,
            _ => 2,
        };
        let rank = ranks.get(id).copied().unwrap_or(0);
        (turn, table, !goes, !locks_hard, rank, id)
    });
    last.sort_by_cached_key(|(_, change)| (change.action, change.id()));

    let mut ordered = Vec::with_capacity(changes.len());
    for (at, change) in triggers {
        let called = change
            .after
            .as_ref()
            .and_then(Definition::calls)
            .map(|id| ObjectId::Function(id.clone()));
        ordered.extend(called.and_then(|id| functions.remove(&id)));
        ordered.push(at);
    }
    // What is left is called by no trigger that changes: it takes no table lock, so it comes first.
    let places: Vec<usize> = functions
        .into_values()
        .chain(ordered)
        .chain(last.into_iter().map(|(at, _)| at))
        .collect();
    bring_into(changes, &places);
}

/// Put at each place what is now at the one that `from` names; each is named once.
fn bring_into<T>(items: &mut [T], from: &[usize]) {
    let mut to = vec![0; items.len()];
    for (place, from) in from.iter().enumerate() {
        if let Some(to) = to.get_mut(*from) {
            *to = place;
        }
    }
    for at in 0..items.len() {
        while let Some(&goal) = to.get(at)
            && goal != at
        {
            items.swap(at, goal);
            to.swap(at, goal);
        }
    }
}

/// How many of these must be made before each one, because its place is told by another trigger's.
pub(crate) fn ranks<'a>(
    places: &[(&'a ObjectId, Option<&Place>)],
) -> BTreeMap<&'a ObjectId, usize> {
    let mut reference: BTreeMap<&ObjectId, ObjectId> = BTreeMap::new();
    for (own, place) in places {
        let (Some(Place::Follows(name) | Place::Precedes(name)), ObjectId::Trigger(mut id)) =
            (place, (*own).clone())
        else {
            continue;
        };
        id.name.clone_from(name);
        reference.insert(own, ObjectId::Trigger(id));
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
    places.iter().map(|(id, _)| (*id, rank(id))).collect()
}

#[cfg(test)]
mod tests {
    use super::bring_into;

    #[test]
    fn things_are_brought_into_any_order() {
        for from in [
            vec![],
            vec![0],
            vec![2, 0, 1],
            vec![1, 0, 3, 2],
            vec![4, 3, 2, 1, 0],
            vec![3, 0, 4, 1, 2],
        ] {
            let mut items: Vec<usize> = (0..from.len()).collect();
            bring_into(&mut items, &from);
            assert_eq!(items, from);
        }
    }
}
