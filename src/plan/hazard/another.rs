//! A plan that takes away all that is recorded: most likely the spec is another database's, or two specs share this one, each of
//! which takes the other's triggers for what it says no more.

use std::collections::BTreeSet;

use super::{Hazard, HazardKind, Severity};
use crate::db::History;
use crate::desired::DesiredSet;
use crate::model::{ObjectId, TableId};
use crate::plan::{Action, Change};

/// What is on fewer tables than this is made, and taken away, while one tries things out.
const SOME_TABLES: usize = 3;

/// Say it with the first step that drops a trigger, where none of those that are recorded is in the spec.
pub(crate) fn another_spec(changes: &mut [Change], desired: &DesiredSet, history: &History) {
    let is_trigger = |id: &&ObjectId| matches!(id, ObjectId::Trigger(_));
    let recorded = || history.records.keys().filter(is_trigger);
    let tables: BTreeSet<&TableId> = recorded().filter_map(ObjectId::table).collect();
    let stays = |id: &ObjectId| history.records.contains_key(id);
    let renamed = |from: &Option<Box<ObjectId>>| from.as_deref().is_some_and(stays);
    let goes_on = |(id, wanted): (&ObjectId, &Option<Box<ObjectId>>)| stays(id) || renamed(wanted);
    if tables.len() < SOME_TABLES
        || desired
            .iter()
            .any(|(id, wanted)| goes_on((id, &wanted.renamed_from)))
    {
        return;
    }
    let drops = |change: &&mut Change| change.action == Action::Drop && is_trigger(&change.id());
    if let Some(change) = changes.iter_mut().find(drops) {
        let hazard = Hazard {
            kind: HazardKind::AnotherSpec,
            severity: Severity::High,
            message: format!(
                "none of the {} triggers that are recorded here, on {} tables, is in the spec: is it another database's?",
                recorded().count(),
                tables.len()
            ),
            table: change.id().table().cloned(),
            object: change.object.clone(),
        };
        change.hazards.push(hazard);
    }
}
