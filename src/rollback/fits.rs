//! Whether what comes back still fits the tables: one may have been dropped or renamed since. An engine takes such a body
//! all the same, and every write that fires it fails from then on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::db::{Catalog, Database};
use crate::error::{Diagnostic, Error};
use crate::lint;
use crate::model::{Definition, ObjectId};
use crate::plan::hazard::{Hazard, HazardKind, Severity};
use crate::plan::{Change, Plan};
use crate::render::Renderer;

/// Say, with the step that brings it back, what would fail when it fires, but for what may. Of a spec this is an error; a
/// way back must be there in an emergency too, so that here it is a hazard.
pub(super) fn find(
    plan: &mut Plan,
    may_fail: &dyn Fn(&ObjectId) -> bool,
    catalog: &Catalog,
    (database, renderer): (&mut dyn Database, &Renderer),
) -> Result<(), Error> {
    let returning: Vec<&Change> = plan
        .changes
        .iter()
        .filter(|change| change.action.differs() && change.after.is_some())
        .collect();
    if returning.is_empty() {
        return Ok(());
    }
    let faults = if database.checks_bodies() {
        said_by_the_engine(&returning, database, renderer)?
    } else {
        read_from_the_bodies(&returning, catalog, database)?
    };
    let mut told = BTreeSet::new();
    for (ids, fault) in faults {
        if ids.iter().any(may_fail) {
            continue;
        }
        // The first that is a step of the plan.
        let place = ids.iter().find_map(|id| {
            let mut changes = plan.changes.iter();
            changes.position(|change| change.id() == id && change.after.is_some())
        });
        let Some((place, change)) =
            place.and_then(|place| Some((place, plan.changes.get_mut(place)?)))
        else {
            continue;
        };
        if !told.insert((place, fault.message.clone())) {
            continue;
        }
        change.hazards.insert(
            0,
            Hazard {
                kind: HazardKind::WouldFail,
                severity: Severity::High,
                message: fault.message,
                table: change.id().table().cloned(),
                object: change.object.clone(),
            },
        );
    }
    Ok(())
}

/// What is wrong, and with what: the object that fails, and those of which the plan may speak in its place.
type Faults = Vec<(Vec<ObjectId>, Diagnostic)>;

fn said_by_the_engine(
    returning: &[&Change],
    database: &mut dyn Database,
    renderer: &Renderer,
) -> Result<Faults, Error> {
    let (dialect, server) = (database.dialect(), database.server());
    let looks_at_ddl = database.looks_at_ddl();
    let mut definitions = vec![];
    for after in returning.iter().filter_map(|change| change.after.as_ref()) {
        let mut definition = after.clone();
        if let Definition::Trigger(trigger) = &mut definition
            && looks_at_ddl
            && trigger.verbatim.is_none()
        {
            let made = dialect.create(after, renderer, server)?;
            Arc::make_mut(trigger).verbatim = made.statements.first().cloned();
        }
        definitions.push(definition);
    }
    let definitions: Vec<&Definition> = definitions.iter().collect();
    let found = database.check(&definitions, &[])?;
    Ok(found
        .into_iter()
        .map(|(id, fault)| (vec![id], fault))
        .collect())
}

/// For an engine that says nothing of a body before it runs.
fn read_from_the_bodies(
    returning: &[&Change],
    catalog: &Catalog,
    database: &mut dyn Database,
) -> Result<Faults, Error> {
    let definitions: Vec<&Definition> = returning
        .iter()
        .filter_map(|change| change.after.as_ref())
        .collect();
    let ids: BTreeSet<ObjectId> = definitions.iter().map(|one| one.id()).collect();
    let mut functions = BTreeMap::new();
    let mut live = BTreeSet::new();
    for definition in &definitions {
        match definition {
            Definition::Function(function) => {
                let id = definition.id();
                for caller in catalog.callers.get(&function.id).into_iter().flatten() {
                    functions
                        .entry(caller.clone())
                        .or_insert_with(|| id.clone());
                    live.insert(ObjectId::Trigger(caller.clone()));
                }
            }
            Definition::Trigger(trigger) => {
                if let Some(called) = definition.calls().cloned().map(ObjectId::Function) {
                    functions.insert(trigger.id.clone(), called.clone());
                    live.insert(called);
                }
            }
        }
    }
    live.retain(|id| !ids.contains(id) && catalog.fingerprints.contains_key(id));
    let live: Vec<ObjectId> = live.into_iter().collect();
    let found = lint::missing_references(&definitions, &live, database)?;
    Ok(found
        .into_iter()
        .map(|(trigger, fault)| {
            let function = functions.get(&trigger).cloned();
            let ids = std::iter::once(ObjectId::Trigger(trigger)).chain(function);
            (ids.collect(), fault)
        })
        .collect())
}
