//! `--target`: what of a plan it lets through, and what is to be said where it lets nothing through.

use std::collections::BTreeSet;

use crate::db::Catalog;
use crate::dialect::Dialect;
use crate::error::Located;
use crate::model::{Definition, FunctionId, ObjectId, TriggerId};
use crate::selectors::Uncovered;

use super::sides::unique_name;
use super::{Action, Change};

/// Whether one of these patterns names the object.
fn is_target(id: &ObjectId, targets: &[glob::Pattern]) -> bool {
    targets.iter().any(|target| is_named(id, target))
}

/// Whether a pattern matches the object's name, `table.name` or `schema.table.name`.
pub(crate) fn is_named(id: &ObjectId, pattern: &glob::Pattern) -> bool {
    let mut spellings = vec![
        id.name().to_owned(),
        format!("{}.{}", id.schema(), id.name()),
    ];
    if let Some(table) = id.table() {
        spellings.push(format!("{}.{}", table.name, id.name()));
        spellings.push(format!("{table}.{}", id.name()));
    }
    spellings.iter().any(|spelling| pattern.matches(spelling))
}

/// Whether `forget` in a spec names the object.
pub(crate) fn is_let_go(id: &ObjectId, forgets: &[Located<glob::Pattern>]) -> bool {
    forgets.iter().any(|pattern| is_named(id, &pattern.value))
}

/// How many of these objects the patterns speak of: those that match, and the functions that such triggers call.
pub(super) fn counted<'a>(
    objects: impl Iterator<Item = &'a ObjectId>,
    targets: &[glob::Pattern],
    catalog: &Catalog,
) -> usize {
    let is_called = |id: &ObjectId| match id {
        ObjectId::Trigger(_) => false,
        ObjectId::Function(function) => catalog
            .callers
            .get(function)
            .into_iter()
            .flatten()
            .any(|caller| is_target(&ObjectId::Trigger(caller.clone()), targets)),
    };
    objects
        .filter(|id| targets.is_empty() || is_target(id, targets) || is_called(id))
        .count()
}

/// A warning for each pattern that matches none of these: a name that was mistyped would pass for one that is in order.
pub(super) fn idle<'a>(
    targets: &[glob::Pattern],
    objects: &(impl Iterator<Item = &'a ObjectId> + Clone),
) -> Vec<String> {
    let is_idle = |target: &&glob::Pattern| !objects.clone().any(|id| is_named(id, target));
    let warning = |target: &glob::Pattern| {
        format!("`--target {target}` matches no trigger of the spec, and none that is recorded")
    };
    targets.iter().filter(is_idle).map(warning).collect()
}

/// The tables without a required trigger, as far as `--target` lets that trigger through.
pub(super) fn required(mut uncovered: Vec<Uncovered>, targets: &[glob::Pattern]) -> Vec<Uncovered> {
    if !targets.is_empty() {
        uncovered.retain(|missing| {
            // A trigger of a kind is called so where nobody names it.
            let of_kind = || Some(format!("{}_{}", missing.table.name, missing.kind.as_ref()?));
            let name = missing.trigger.clone().or_else(of_kind);
            let id = ObjectId::Trigger(TriggerId {
                table: missing.table.clone(),
                name: name.unwrap_or_default(),
            });
            is_target(&id, targets)
        });
    }
    uncovered
}

/// The changes that `--target` lets through: the triggers that match, those whose names they get, and the functions that only
/// they need.
pub(super) fn targeted(
    changes: Vec<Change>,
    targets: &[glob::Pattern],
    catalog: &Catalog,
    dialect: &dyn Dialect,
) -> Vec<Change> {
    if targets.is_empty() {
        return changes;
    }
    let matches = |id: &ObjectId| is_target(id, targets);
    let (triggers, functions): (Vec<_>, Vec<_>) = changes
        .into_iter()
        .partition(|change| change.object.table().is_some());
    let (mut kept, mut left): (Vec<_>, Vec<_>) = triggers
        .into_iter()
        .partition(|change| matches(change.id()) || change.old_id().is_some_and(|id| matches(&id)));
    while !dialect.names_are_per_table() {
        let taken: BTreeSet<_> = kept
            .iter()
            .filter(|change| change.after.is_some())
            .map(|change| unique_name(change.id()))
            .collect();
        let (freeing, others): (Vec<_>, Vec<_>) = left.into_iter().partition(|change| {
            let goes = (change.action == Action::Drop).then(|| change.id().clone());
            let freed = goes.or_else(|| change.old_id());
            freed.is_some_and(|id| taken.contains(&unique_name(&id)))
        });
        left = others;
        if freeing.is_empty() {
            break;
        }
        kept.extend(freeing);
    }
    let calls = |change: &Change| {
        let sides = [&change.before, &change.after].into_iter().flatten();
        sides
            .filter_map(Definition::calls)
            .cloned()
            .collect::<Vec<_>>()
    };
    let called: BTreeSet<FunctionId> = kept.iter().flat_map(calls).collect();
    // One that is renamed calls what it calls under its old name until then.
    let left: BTreeSet<ObjectId> = left
        .iter()
        .flat_map(|change| change.old_id().into_iter().chain([change.id().clone()]))
        .collect();
    for change in functions {
        let id = change.id();
        let ObjectId::Function(function) = &id else {
            continue;
        };
        let callers = catalog.callers.get(function).into_iter().flatten();
        let others = callers
            .map(|caller| ObjectId::Trigger(caller.clone()))
            .any(|caller| left.contains(&caller));
        let goes = change.action == Action::Drop;
        if (matches(id) || called.contains(function)) && !(goes && others) {
            kept.push(change);
        }
    }
    kept
}
