//! A plan that takes away all that is recorded: most likely the spec is another database's, or two specs share this one, each of
//! which takes the other's triggers for what it says no more.

use super::{Hazard, HazardKind, Severity};
use crate::db::History;
use crate::desired::DesiredSet;
use crate::model::ObjectId;
use crate::plan::{Action, Change};

/// Fewer triggers than this are made, and taken away, while one tries things out.
const FEW: usize = 5;

/// Say it with the first step that drops a trigger, where none of those that are recorded is in the spec.
pub(crate) fn another_spec(changes: &mut [Change], desired: &DesiredSet, history: &History) {
    let is_trigger = |id: &&ObjectId| matches!(id, ObjectId::Trigger(_));
    let recorded = history.records.keys().filter(is_trigger).count();
    let stays = |id: &ObjectId| history.records.contains_key(id);
    let renamed = |from: &Option<Box<ObjectId>>| from.as_deref().is_some_and(stays);
    let goes_on = |(id, wanted): (&ObjectId, &Option<Box<ObjectId>>)| stays(id) || renamed(wanted);
    if recorded < FEW
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
                "none of the {recorded} triggers that are recorded here is in the spec: is it another database's?"
            ),
            table: change.id().table().cloned(),
            object: change.object.clone(),
        };
        change.hazards.push(hazard);
    }
}
