//! Making a plan: bring the three sides together, look closer only where the digests do not already decide, and say
//! what is to be done about each difference.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::apply::scope_of;
use crate::db::{Catalog, Database, History, Protocol, Scope, Standing};
use crate::desired::DesiredSet;
use crate::error::{Error, Located};
use crate::kinds::tables::NewTable;
use crate::model::{Action as TriggerAction, Definition, FunctionSource, ObjectId};
use crate::render::Renderer;
use crate::selectors::Uncovered;

use super::check::{
    check_what_differs, leaves_checking, refuse_doubtful, refuse_forgotten, refuse_taken_over,
    refuse_without_schema,
};
use super::decide::Planner;
use super::foresee::Foreseen;
use super::hazard::{Around, another_spec, assess, replicated};
use super::neighbours::refuse_lonely;
use super::sides::{self, Evidence, Sides};
use super::{
    Action, Change, FORMAT_VERSION, ObjectRef, Plan, base_fingerprint, constraints, order, places,
    siblings, targets,
};

/// What the user said about how to plan.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Take over what is there and is not recorded.
    pub adopt: bool,
    /// Limit the plan to triggers whose name, `table.name` or `schema.table.name` one of these matches; empty is all.
    pub targets: Vec<glob::Pattern>,
    /// Look at all that the spec asks for, changed or not: the engine checks every body, and what is asked for comes back
    /// with the plan.
    pub check_all: bool,
    /// The plan is about to be carried out: where bodies are checked again within the migration, that is enough.
    pub apply_follows: bool,
    /// Tables that kinds write to and that are to be created.
    pub tables: Vec<NewTable>,
    /// What the spec lets go: it stays in the database.
    pub forgets: Vec<Located<glob::Pattern>>,
}

/// So many objects are compared at once: their definitions need not be in memory with all others, and each reading of them
/// has its price.
const COMPARED_AT_ONCE: usize = 1_500;

/// The recorded and the live side, as far as digests tell.
pub struct Present {
    /// What was recorded.
    pub history: History,
    /// What is live.
    pub catalog: Catalog,
    /// What was asked already of what is to be done.
    pub foreseen: Foreseen,
}

impl Present {
    /// The two sides, and nothing besides.
    pub fn of(history: History, catalog: Catalog) -> Self {
        Self {
            history,
            catalog,
            foreseen: Foreseen::default(),
        }
    }
}

/// What a plan says of the spec besides its changes.
#[derive(Debug, Default)]
pub struct Remarks {
    /// What is no error, and probably not what was meant.
    pub warnings: Vec<String>,
    /// Tables that lack what they must have.
    pub uncovered: Vec<Uncovered>,
}

impl Remarks {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        let Self {
            warnings,
            uncovered,
        } = self;
        warnings.is_empty() && uncovered.is_empty()
    }
}

/// Read what is live, of these objects, those that are recorded, and around them.
pub fn read<'a>(
    ids: impl Iterator<Item = &'a ObjectId>,
    history: &'a History,
    database: &mut dyn Database,
) -> Result<Catalog, Error> {
    if let Some(version) = history.unfinished {
        log::warn!(
            "migration {version} was begun and has no end: it is running, or was broken off; `triggerctl repair` shows what there is of it"
        );
    }
    let mut scope = scope(ids, history);
    if scope.schemas.is_empty() {
        // Nothing says where to look: where new names would go, so that what is there already shows as unmanaged.
        let schema = Some(database.current_schema()?).filter(|schema| !schema.is_empty());
        scope.schemas.extend(schema);
    }
    database.catalog(&scope)
}

/// Compare the three sides and plan what ends the differences. Reads only.
pub fn make(
    desired: &DesiredSet,
    (spec_digest, remarks): (&str, Remarks),
    present: Present,
    database: &mut dyn Database,
    renderer: &Renderer,
    options: &Options,
) -> Result<Plan, Error> {
    let Present {
        history,
        catalog,
        foreseen,
    } = present;
    refuse_taken_over(desired, &catalog)?;
    refuse_forgotten(desired, &options.forgets)?;
    let sides = sides::sides(
        desired,
        &history,
        &catalog,
        database.dialect().names_are_per_table(),
    );
    let mut same: Vec<ObjectRef> = vec![];
    let is_open = |sides: &Sides<'_>| {
        let settled = sides::is_settled(sides, &catalog);
        same.extend(settled.then(|| sides.id.clone()));
        !settled
    };
    let open: Vec<Sides<'_>> = sides.into_iter().filter(is_open).collect();
    let renamed = sides::renamed_functions(&open);

    let mut planner = Planner {
        database,
        renderer,
        options,
        evidence: Evidence::default(),
        history: &history,
        catalog: &catalog,
        desired,
        nobodys: OnceCell::new(),
    };
    let mut changes = Vec::with_capacity(open.len());
    for some in open.chunks(COMPARED_AT_ONCE) {
        planner.evidence = sides::gather(some, &renamed, &history, planner.database)?;
        for sides in some {
            match planner.change(sides)? {
                Some(change) => changes.push(change),
                None => same.push(sides.id.clone()),
            }
        }
    }
    let along = moved_along(&mut changes, &mut planner)?;
    same.retain(|id| !along.contains(&**id));
    planner.evidence = Evidence::default();
    drop(open);
    let unchanged = targets::counted(same.iter().map(|id| &**id), &options.targets, &catalog);
    drop(same);
    keep_called_functions(&mut changes, &catalog);
    let changes = targets::targeted(
        changes,
        &options.targets,
        &catalog,
        planner.database.dialect(),
    );
    refuse_doubtful(desired, &changes, planner.database.dialect())?;
    let is_targeted = !options.targets.is_empty();
    refuse_lonely(desired, &changes, &catalog, is_targeted, planner.database)?;
    if !leaves_checking(options, planner.database) {
        check_what_differs(
            desired,
            &changes,
            foreseen.checked,
            options,
            (planner.database, renderer),
        )?;
    }
    let tables = written(&options.tables, &options.targets, &changes);
    refuse_without_schema(desired, (&changes, &tables), &catalog, planner.database)?;

    let mut plan = arrange(
        changes,
        (planner.database, renderer),
        (&history, &catalog.places),
        spec_digest.to_owned(),
        unchanged,
    )?;
    plan.unmanaged = unmanaged(desired, &history, &catalog);
    plan.tables = tables;
    plan.warnings = remarks.warnings;
    let named = desired.keys().map(|id| &**id).chain(history.records.keys());
    plan.warnings.extend(idle_targets(options, &named));
    let there = history.records.keys().chain(catalog.fingerprints.keys());
    plan.warnings
        .extend(idle_forgets(options, &plan.changes, &there));
    plan.uncovered = targets::required(remarks.uncovered, &options.targets);
    if options.targets.is_empty() {
        another_spec(&mut plan.changes, desired, &history);
    }
    let is_ours = |id: &ObjectId| desired.contains_key(id) || history.records.contains_key(id);
    let around = Around {
        catalog: &catalog,
        is_ours: &is_ours,
        states: &foreseen.states,
        going_back: false,
    };
    replicated(&mut plan, &history, database)?;
    assess(&mut plan, &around, database)?;
    plan.sealed()
}

/// Where a trigger that is made again leaves others on the wrong side of it, which the spec places by it, these are made again as
/// well; and so on. Says which they are.
fn moved_along(
    changes: &mut Vec<Change>,
    planner: &mut Planner<'_>,
) -> Result<BTreeSet<ObjectId>, Error> {
    let mut along = BTreeSet::new();
    if planner.database.protocol() != Protocol::Journal {
        return Ok(along);
    }
    let dialect = planner.database.dialect();
    let (desired, history, catalog) = (planner.desired, planner.history, planner.catalog);
    loop {
        order::order(changes, dialect);
        let displaced = places::displaced(changes, desired, &catalog.places);
        if displaced.is_empty() {
            return Ok(along);
        }
        let all = sides::sides(desired, history, catalog, dialect.names_are_per_table());
        let sides: Vec<Sides<'_>> = all
            .into_iter()
            .filter(|sides| displaced.contains_key(&*sides.id))
            .collect();
        planner.evidence = sides::gather(&sides, &BTreeMap::new(), history, planner.database)?;
        for (id, place) in displaced {
            if let Some(live) = planner.evidence.live.get_mut(&id) {
                places::set_place(live, Some(place));
            }
            along.insert(id);
        }
        let found = changes.len();
        for sides in &sides {
            let Some(mut change) = planner.change(sides)? else {
                continue;
            };
            if let Some(before) = &mut change.before {
                let standing = catalog.places.get(&*sides.id);
                places::set_place(before, standing.map(|standing| standing.place.clone()));
            }
            change.action = Action::Replace;
            change.because =
                Cow::from("made again in its place, since what its place is told by is made again");
            change.drift.clear();
            changes.push(change);
        }
        // What cannot be changed stays where it is, rather than being asked about for ever.
        if changes.len() == found {
            return Ok(along);
        }
    }
}

/// The plan where the spec asks for what is recorded, and all of that is live as it was recorded.
pub fn settled(
    spec_digest: &str,
    present: &Present,
    database: &mut dyn Database,
    renderer: &Renderer,
    options: &Options,
) -> Result<Plan, Error> {
    let Present {
        history,
        catalog,
        foreseen: _,
    } = present;
    let unchanged = targets::counted(history.records.keys(), &options.targets, catalog);
    let mut plan = arrange(
        vec![],
        (database, renderer),
        (history, &catalog.places),
        spec_digest.to_owned(),
        unchanged,
    )?;
    plan.warnings = idle_targets(options, &history.records.keys());
    plan.unmanaged = catalog
        .fingerprints
        .keys()
        .filter(|id| matches!(id, ObjectId::Trigger(_)) && !history.records.contains_key(id))
        .map(ObjectRef::from)
        .collect();
    plan.sealed()
}

/// The patterns of `--target` that match nothing, said once.
fn idle_targets<'a>(
    options: &Options,
    objects: &(impl Iterator<Item = &'a ObjectId> + Clone),
) -> Vec<String> {
    said(targets::idle(&options.targets, objects))
}

/// These warnings, which the user has seen now.
fn said(warnings: Vec<String>) -> Vec<String> {
    for warning in &warnings {
        log::warn!("{warning}");
    }
    warnings
}

/// The patterns of `forget` that match nothing, said once: where something is dropped, one of them may be mistyped.
fn idle_forgets<'a>(
    options: &Options,
    changes: &[Change],
    objects: &(impl Iterator<Item = &'a ObjectId> + Clone),
) -> Vec<String> {
    if !changes.iter().any(|change| change.action == Action::Drop) {
        return vec![];
    }
    let is_idle = |pattern: &&Located<glob::Pattern>| {
        let mut objects = objects.clone();
        !objects.any(|id| targets::is_named(id, &pattern.value))
    };
    let idle = options.forgets.iter().filter(is_idle);
    let warning = |Located { value, span }: &Located<glob::Pattern>| {
        let place = span.shown();
        format!("`forget` names `{value}`, and there is nothing of that name ({place})")
    };
    said(idle.map(warning).collect())
}

/// Changes in order, as a plan for this database.
pub(crate) fn arrange(
    mut changes: Vec<Change>,
    (database, renderer): (&mut dyn Database, &Renderer),
    (history, places): (&History, &BTreeMap<ObjectId, Standing>),
    spec_digest: String,
    unchanged: usize,
) -> Result<Plan, Error> {
    constraints::refuse_taken(&changes, database)?;
    order::order(&mut changes, database.dialect());
    siblings::keep_order(&mut changes, database, renderer)?;
    // Where an engine cannot be told the place, the siblings see to it.
    if database.protocol() == Protocol::Journal {
        places::settle(&mut changes, places, database, renderer)?;
        siblings::free_names(&mut changes, database, renderer)?;
    }
    let mut summary = BTreeMap::new();
    for change in &changes {
        *summary.entry(change.action).or_insert(0) += 1;
    }
    let target = database.target().clone();
    Ok(Plan {
        plan_id: String::new(),
        format_version: FORMAT_VERSION,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        base_version: history.version,
        base_fingerprint: base_fingerprint(&target, history.version, &changes),
        target,
        spec_digest,
        summary,
        unchanged,
        unmanaged: vec![],
        tables: vec![],
        warnings: vec![],
        uncovered: vec![],
        changes,
    })
}

/// What must be read of the catalog: the schemas of everything that is desired or recorded.
fn scope<'a>(ids: impl Iterator<Item = &'a ObjectId>, history: &'a History) -> Scope<'a> {
    scope_of(ids.chain(history.records.keys()))
}

/// A function that goes, but that triggers outside this plan still call, stays where it is and is no longer ours.
fn keep_called_functions(changes: &mut [Change], catalog: &Catalog) {
    let freed: BTreeSet<ObjectId> = changes
        .iter()
        .filter(|change| {
            let calls =
                |side: &Option<Definition>| side.as_ref().and_then(Definition::calls).cloned();
            change.action.differs() && calls(&change.before) != calls(&change.after)
        })
        .flat_map(|change| {
            let ids = [Some(change.id().clone()), change.old_id()];
            ids.into_iter().flatten()
        })
        .collect();
    for change in changes
        .iter_mut()
        .filter(|change| change.action == Action::Drop)
    {
        let ObjectId::Function(function) = change.id() else {
            continue;
        };
        let mut callers = catalog.callers.get(function).into_iter().flatten();
        if let Some(caller) =
            callers.find(|caller| !freed.contains(&ObjectId::Trigger((*caller).clone())))
        {
            change.action = Action::Forget;
            change.because = Cow::from(format!(
                "no longer in the spec, but trigger {caller} calls it: it is left in place"
            ));
            change.after.clone_from(&change.before);
            change.statements.clear();
            change.reverse.clear();
        }
    }
}

/// The tables to create: with `--target`, those that a trigger of the plan writes to.
fn written(tables: &[NewTable], targets: &[glob::Pattern], changes: &[Change]) -> Vec<NewTable> {
    let speaks_of = |definition: &Definition, name: &str| match definition {
        Definition::Trigger(trigger) => {
            matches!(&trigger.action, TriggerAction::Body(body) if body.contains(name))
        }
        Definition::Function(function) => {
            matches!(&function.source, FunctionSource::Body(body) if body.contains(name))
        }
    };
    let is_written = |table: &&NewTable| {
        targets.is_empty()
            || changes.iter().any(|change| {
                let after = change.after.as_ref();
                after.is_some_and(|definition| speaks_of(definition, &table.table.name))
            })
    };
    tables.iter().filter(is_written).cloned().collect()
}

fn unmanaged(desired: &DesiredSet, history: &History, catalog: &Catalog) -> Vec<ObjectRef> {
    let renamed: BTreeSet<&ObjectId> = desired
        .values()
        .filter_map(|desired| desired.renamed_from.as_deref())
        .collect();
    let is_unmanaged = |id: &ObjectId| {
        !desired.contains_key(id) && !history.records.contains_key(id) && !renamed.contains(id)
    };
    let mut unmanaged: Vec<ObjectRef> = catalog
        .fingerprints
        .keys()
        .filter(|id| matches!(id, ObjectId::Trigger(_)) && is_unmanaged(id))
        .map(ObjectRef::from)
        .collect();
    // Those that call an extension's function, on tables of the user's: who put them there is not known, and import
    // takes them too.
    let of_extensions = catalog.of_extensions.iter().cloned();
    let of_extensions = of_extensions.map(ObjectId::Trigger).filter(is_unmanaged);
    unmanaged.extend(of_extensions.map(|id| ObjectRef::from(&id)));
    if !catalog.of_extensions.is_empty() {
        unmanaged.sort();
    }
    unmanaged
}
