//! Going back: a plan whose desired side is what was live before the migrations that are undone. It starts only where
//! the database still is what the history says, and is a migration like any other.
//!
//! What was live before a migration is what it wrote down of each object that it touched (`objects.before`), to the
//! letter; what was recorded may say less: what was asked for, and not who owns it or how it was laid out.

mod fits;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::apply::{Expected, Job, differences, scope_of};
use crate::db::{Catalog, Database, Depth, Fingerprint, History, Migration, Record};
use crate::diff::FieldChange;
use crate::digest::HexDigest;
use crate::error::{Diagnostic, Error, Kind};
use crate::model::{Definition, ObjectId};
use crate::plan::hazard::{Around, HazardKind, assess, replicated};
use crate::plan::{self, Action, Change, ObjectRef, Plan, Step};
use crate::render::Renderer;

/// A rollback that is ready to run.
pub struct Rollback {
    /// The version whose state comes back; 0 is the state before the first.
    pub to: i64,
    /// The migrations that are undone, newest first, without their statements.
    pub undone: Vec<Migration>,
    /// What is done.
    pub plan: Plan,
    /// The job.
    pub job: Job,
    /// Everything is live, and recorded, as that version left it: there is nothing to run or to write down.
    pub is_there: bool,
}

/// What is known of one object that is touched.
struct Touched {
    /// What is live now.
    live: Option<Definition>,
    /// Its fingerprint.
    fingerprint: Option<Fingerprint>,
    /// What is to be live again.
    target: Option<Definition>,
    /// What was recorded then.
    then: Option<(Record, Definition)>,
}

/// Prepare going back to version `to`, or to the one before the latest. Reads only. What comes back may fail where
/// `may_fail` says so.
pub fn prepare(
    database: &mut dyn Database,
    renderer: &Renderer,
    to: Option<i64>,
    may_fail: &dyn Fn(&ObjectId) -> bool,
) -> Result<Rollback, Error> {
    let history = database.history()?;
    // A migration that failed has changed nothing, and is nothing to go back from.
    let migrations = database.migrations(false)?;
    let applied = migrations
        .iter()
        .filter(|migration| migration.state == "applied");
    let latest = applied
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0);
    if latest == 0 {
        return Err(Error::failed(
            "there is nothing to roll back: no migration was applied yet",
        ));
    }
    let to = to.unwrap_or(latest - 1);
    if to == latest {
        return Err(Error::new(
            Kind::Usage,
            format!("`--to {to}`: the database is at version {latest} already"),
        )
        .help(format!(
            "`--to` names the version to go back to, not the one to undo: `triggerctl rollback` undoes version {latest}"
        )));
    }
    if !(0..latest).contains(&to) {
        return Err(Error::new(
            Kind::Usage,
            match latest - 1 {
                0 => format!("`--to {to}`: the only version to go back to is 0"),
                last => format!("`--to {to}`: the versions to go back to are 0 to {last}"),
            },
        )
        .help("`triggerctl history` lists them"));
    }
    let (mut undone, kept): (Vec<_>, Vec<_>) = migrations
        .into_iter()
        .filter(|migration| migration.state == "applied")
        .partition(|migration| migration.version > to);
    undone.sort_by_key(|migration| std::cmp::Reverse(migration.version));
    let spec_digest = kept
        .last()
        .map(|migration| migration.spec_digest.clone())
        .unwrap_or_default();

    let (touched, catalog) = touched(to, &history, database)?;
    let mut plan = plan_back(
        &touched,
        (&history, &catalog),
        spec_digest,
        to,
        database,
        renderer,
    )?;
    let is_ours = |id: &ObjectId| touched.contains_key(id) || history.records.contains_key(id);
    let around = Around {
        states: &BTreeMap::new(),
        catalog: &catalog,
        is_ours: &is_ours,
        going_back: true,
    };
    assess(&mut plan, &around, database)?;
    fits::find(&mut plan, may_fail, &catalog, (&mut *database, renderer))?;
    let plan = plan.sealed()?;
    // What fails and is not refused is meant to.
    let hazards = plan.changes.iter().flat_map(|change| &change.hazards);
    let failing: BTreeSet<ObjectId> = hazards
        .filter(|hazard| hazard.kind == HazardKind::WouldFail)
        .map(|hazard| ObjectId::clone(&hazard.object))
        .collect();
    let is_there = is_there(&plan, &touched, &history);
    let mut job = Job::from_plan(plan.clone())?;
    job.summary = format!("rolled back to version {to}");
    job.faulty = touched
        .keys()
        .filter(|id| may_fail(id) || failing.contains(id))
        .map(|id| Arc::new(id.clone()))
        .collect();
    job.expected = touched
        .into_iter()
        .map(|(id, touched)| {
            let expected = match (touched.then, touched.target) {
                (Some((record, definition)), Some(_)) => Expected::Returned {
                    definition,
                    record: Box::new(record),
                },
                (Some((record, definition)), None) => Expected::Missing {
                    definition,
                    record: Box::new(record),
                },
                // It was there before triggerctl had to do with it, and is left alone from now on.
                (None, Some(definition)) => Expected::Restored { definition },
                (None, None) => Expected::Absent,
            };
            (Arc::new(id), expected)
        })
        .collect();
    Ok(Rollback {
        to,
        undone,
        plan,
        job,
        is_there,
    })
}

/// Whether the plan changes nothing, and all that is touched is recorded as it was then.
fn is_there(plan: &Plan, touched: &BTreeMap<ObjectId, Touched>, history: &History) -> bool {
    plan.changes.iter().all(|change| !change.action.differs())
        && touched.iter().all(|(id, touched)| {
            let then = touched.then.as_ref().map(|(record, _)| record);
            let now = history.records.get(id);
            then.map(|record| &record.rendered_digest) == now.map(|record| &record.rendered_digest)
        })
}

/// Every object that the undone migrations touched, and the catalog around them; an error when one of them is not as the
/// history says.
fn touched(
    to: i64,
    history: &History,
    database: &mut dyn Database,
) -> Result<(BTreeMap<ObjectId, Touched>, Catalog), Error> {
    let befores = database.befores(to)?;
    let then = database.records_at(to)?;
    let then_ids: Vec<ObjectId> = befores
        .keys()
        .filter(|id| then.contains_key(id))
        .cloned()
        .collect();
    let mut recorded_then = database.recorded(&then_ids, to)?;

    let mut all = BTreeMap::new();
    for (id, before) in befores {
        let then = match then.get(&id) {
            None => None,
            Some(record) => {
                let definition = recorded_then.remove(&id).ok_or_else(|| {
                    Error::failed(format!(
                        "the history has no definition of {id} at version {to}"
                    ))
                })?;
                Some((record.clone(), definition))
            }
        };
        let recorded = then.as_ref().map(|(_, definition)| definition);
        let target = match (before, recorded) {
            (None, recorded) => recorded.cloned(),
            (Some(Some(before)), Some(recorded)) => {
                Some(with_its_own_words(before, recorded, database)?)
            }
            (Some(before), _) => before,
        };
        let touched = Touched {
            live: None,
            fingerprint: None,
            target,
            then,
        };
        all.insert(id, touched);
    }
    let called = called(&all);
    for id in called.keys() {
        // It was dropped by hand between the migration that took its caller away and the one that saw it go.
        if let Some(touched) = all.get_mut(id)
            && touched.target.is_none()
        {
            touched.target = touched.then.as_ref().map(|(_, recorded)| recorded.clone());
        }
    }
    let catalog = database.catalog(&scope_of(all.keys().chain(called.keys())))?;
    let live_ids: Vec<ObjectId> = all
        .keys()
        .filter(|id| catalog.fingerprints.contains_key(id))
        .cloned()
        .collect();
    let mut live = database.definitions(&live_ids, Depth::Whole)?;
    for (id, touched) in &mut all {
        touched.live = live.remove(id);
        touched.fingerprint = catalog.fingerprints.get(id).cloned();
    }
    refuse_what_moved(&all, history, database)?;
    refuse_what_is_gone(&all, &called, &catalog)?;
    Ok((all, catalog))
}

/// The functions that the triggers which are to be live again call, each with one that does.
fn called(touched: &BTreeMap<ObjectId, Touched>) -> BTreeMap<ObjectId, ObjectId> {
    let targets = touched.iter().filter_map(|(id, touched)| {
        let function = touched.target.as_ref()?.calls()?;
        Some((ObjectId::Function(function.clone()), id.clone()))
    });
    targets.collect()
}

/// An error when a trigger that comes back calls a function that neither is there nor comes back.
fn refuse_what_is_gone(
    touched: &BTreeMap<ObjectId, Touched>,
    called: &BTreeMap<ObjectId, ObjectId>,
    catalog: &Catalog,
) -> Result<(), Error> {
    let gone = called
        .iter()
        .find(|(function, _)| match touched.get(function) {
            Some(touched) => touched.target.is_none(),
            None => {
                !(catalog.fingerprints.contains_key(function)
                    || catalog.taken_over.contains_key(function))
            }
        });
    let Some((function, trigger)) = gone else {
        return Ok(());
    };
    Err(Diagnostic::new(format!(
        "{trigger} comes back and calls {function}, which is gone"
    ))
    .help(format!(
        "create {function} again first, or name another version to go back to with `--to`"
    ))
    .into_error(Kind::Refused))
}

/// What was live, with the condition in the words that made it: what a server prints of one need not give the same again.
fn with_its_own_words(
    mut before: Definition,
    recorded: &Definition,
    database: &mut dyn Database,
) -> Result<Definition, Error> {
    let (Definition::Trigger(trigger), Definition::Trigger(of)) = (&before, recorded) else {
        return Ok(before);
    };
    if trigger.verbatim.is_some() || trigger.condition == of.condition {
        return Ok(before);
    }
    let is_another = differences(&before, recorded, database)?
        .iter()
        .any(|field| field.field == "when");
    if let Definition::Trigger(trigger) = &mut before
        && !is_another
    {
        Arc::make_mut(trigger).condition.clone_from(&of.condition);
    }
    Ok(before)
}

/// An error when an object is not what the history says: going back would lose what somebody did.
fn refuse_what_moved(
    touched: &BTreeMap<ObjectId, Touched>,
    history: &History,
    database: &mut dyn Database,
) -> Result<(), Error> {
    let suspects: Vec<ObjectId> = touched
        .iter()
        .filter(|(id, touched)| {
            let record = history.records.get(id);
            matches!((record, &touched.fingerprint), (Some(record), Some(live)) if record.live_fingerprint != *live)
        })
        .map(|(id, _)| id.clone())
        .collect();
    let recorded = if suspects.is_empty() {
        BTreeMap::new()
    } else {
        database.recorded(&suspects, history.version)?
    };
    let mut moved = vec![];
    for (id, touched) in touched {
        match (history.records.contains_key(id), &touched.live) {
            (true, None) => moved.push(format!("{id} is gone")),
            (false, Some(live)) => {
                // Nobody's at the moment. If it is what comes back, nothing has to be done about it.
                let fits = match &touched.target {
                    Some(target) => differences(live, target, database)?.is_empty(),
                    None => false,
                };
                if !fits {
                    moved.push(format!("{id} exists, and triggerctl did not create it"));
                }
            }
            (true, Some(live)) => {
                // Another fingerprint need not be another definition: an upgrade may print it differently.
                if let Some(recorded) = recorded.get(id) {
                    let fields = differences(recorded, live, database)?;
                    if !fields.is_empty() {
                        let names: Vec<&str> =
                            fields.iter().map(|field| field.field.as_str()).collect();
                        moved.push(format!("{id} was changed by hand: {}", names.join(", ")));
                    }
                }
            }
            (false, None) => {}
        }
    }
    if moved.is_empty() {
        return Ok(());
    }
    let mut diagnostic = Diagnostic::new(
        "the database is not what the history says: rolling back would lose changes",
    );
    for what in moved {
        diagnostic = diagnostic.note(what);
    }
    if let Some(version) = history.unfinished {
        // Nobody else need have done it: how far that migration came is not in the records that this compares with.
        return Err(diagnostic
            .note(format!("migration {version} was begun and has no end"))
            .help("`triggerctl repair` shows what there is of it, and finishes or undoes it")
            .into_error(Kind::Refused));
    }
    Err(diagnostic
        .help(
            "`triggerctl plan` shows the differences; `triggerctl apply` restores the recorded state",
        )
        .into_error(Kind::Refused))
}

/// The plan that leads from what is live to what was.
fn plan_back(
    touched: &BTreeMap<ObjectId, Touched>,
    (history, catalog): (&History, &Catalog),
    spec_digest: String,
    to: i64,
    database: &mut dyn Database,
    renderer: &Renderer,
) -> Result<Plan, Error> {
    let mut names = Names::default();
    names.find(touched, database, |id| matches!(id, ObjectId::Function(_)))?;
    names.find(touched, database, |id| matches!(id, ObjectId::Trigger(_)))?;
    let mut changes = vec![];
    let mut unchanged = 0;
    for (id, state) in touched {
        if names.leaving.contains_key(id) {
            continue;
        }
        let old = names.returning.get(id);
        let live = old.map_or(state.live.as_ref(), |old| {
            touched.get(old).and_then(|old| old.live.as_ref())
        });
        let live = live.map(|live| names.seen(live));
        let target = state.target.clone();
        let mut fields = match (&live, &target) {
            (Some(live), Some(target)) => differences(live, target, database)?,
            _ => vec![],
        };
        // A template of the user's may have made another text of the same: what is the history's own, or nobody's at the moment,
        // goes back to the letter.
        let record = history.records.get(id);
        if fields.is_empty()
            && record
                .is_none_or(|record| state.fingerprint.as_ref() == Some(&record.live_fingerprint))
            && is_written_otherwise(live.as_ref(), target.as_ref())
        {
            fields.push(FieldChange {
                field: "text".to_owned(),
                before: None,
                after: None,
                note: Some("it says the same, and was written in another way".to_owned()),
            });
        }
        let action = match (&live, &target) {
            (None, None) => {
                unchanged += 1;
                continue;
            }
            // Also where the names differ in case alone, and are the same to the engine.
            (Some(_), Some(_)) if old.is_some() => Action::Rename,
            (Some(_), Some(_)) if fields.is_empty() => Action::Adopt,
            (Some(_), Some(_)) => Action::Replace,
            (None, Some(_)) => Action::Create,
            (Some(_), None) => Action::Drop,
        };
        let rests_on = [Some(id), old]
            .into_iter()
            .flatten()
            .map(|id| plan::rests_on(ObjectRef::from(id), catalog, history))
            .collect();
        let step = Step {
            action,
            object: ObjectRef::from(id),
            before: live,
            after: target,
            fields,
            create: None,
        };
        changes.push(Change {
            because: if action == Action::Drop {
                "".into()
            } else {
                format!("as it was at version {to}").into()
            },
            rests_on,
            // Recorded is what was recorded then; the job sees to it.
            rendered_digest: Some(HexDigest::nothing()),
            ..step.change(database, renderer)?
        });
    }
    let mut plan = plan::arrange(
        changes,
        (&mut *database, renderer),
        (history, &catalog.places),
        spec_digest,
        unchanged,
    )?;
    replicated(&mut plan, history, database)?;
    Ok(plan)
}

/// Whether these have other texts, where the engine keeps such.
pub(crate) fn is_written_otherwise(live: Option<&Definition>, target: Option<&Definition>) -> bool {
    let texts = verbatim(live).zip(verbatim(target));
    texts.is_some_and(|(live, target)| live != target)
}

fn verbatim(definition: Option<&Definition>) -> Option<&str> {
    match definition {
        Some(Definition::Trigger(trigger)) => trigger.verbatim.as_deref(),
        _ => None,
    }
}

/// Objects that get an older name back instead of being dropped and created again.
#[derive(Default)]
struct Names {
    /// The new name of today to the old one that returns.
    leaving: BTreeMap<ObjectId, ObjectId>,
    /// The same, the other way round.
    returning: BTreeMap<ObjectId, ObjectId>,
}

impl Names {
    /// Pairs of a leaving and a returning object that differ in nothing but their name.
    fn find(
        &mut self,
        touched: &BTreeMap<ObjectId, Touched>,
        database: &mut dyn Database,
        kind: fn(&ObjectId) -> bool,
    ) -> Result<(), Error> {
        let free: Vec<&ObjectId> = touched
            .iter()
            .filter(|(id, state)| kind(id) && state.live.is_none() && state.target.is_some())
            .map(|(id, _)| id)
            .collect();
        if free.is_empty() {
            return Ok(());
        }
        for (id, leaving) in touched.iter().filter(|(id, _)| kind(id)) {
            let (Some(live), None) = (&leaving.live, &leaving.target) else {
                continue;
            };
            let live = self.seen(live);
            for old in &free {
                let Some(target) = touched.get(*old).and_then(|state| state.target.as_ref()) else {
                    continue;
                };
                let same_place = old.schema() == id.schema() && old.table() == id.table();
                if !same_place || self.returning.contains_key(*old) {
                    continue;
                }
                let fields = differences(&live, target, database)?;
                if fields.iter().all(|field| field.field == "name") {
                    self.leaving.insert(id.clone(), (*old).clone());
                    self.returning.insert((*old).clone(), id.clone());
                    break;
                }
            }
        }
        Ok(())
    }

    /// A definition as it reads once the functions have their old names: a trigger follows the function that it calls.
    fn seen(&self, definition: &Definition) -> Definition {
        let mut definition = definition.clone();
        definition.call_instead(|function| {
            match self.leaving.get(&ObjectId::Function(function.clone()))? {
                ObjectId::Function(old) => Some(old),
                ObjectId::Trigger(_) => None,
            }
        });
        definition
    }
}
