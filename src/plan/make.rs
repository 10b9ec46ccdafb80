//! Making a plan: bring the three sides together, look closer only where the digests do not already decide, and say
//! what is to be done about each difference.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::apply::scope_of;
use crate::db::{
    self, Catalog, ConditionPair, Database, Depth, Fingerprint, History, Protocol, Record, Scope,
    Verdict,
};
use crate::desired::{Desired, DesiredSet};
use crate::diff::{self, FieldChange, Judge};
use crate::error::{Diagnostic, Error};
use crate::kinds::tables::NewTable;
use crate::model::{
    Action as TriggerAction, Definition, FunctionId, FunctionSource, ObjectId, Place, TriggerId,
};
use crate::render::Renderer;
use crate::selectors::Uncovered;

use super::because::followed;
use super::foresee::{Checked, Foreseen};
use super::hazard::{Around, assess};
use super::step::Step;
use super::{
    Action, Change, FORMAT_VERSION, ObjectRef, Plan, base_fingerprint, kept, order, places,
    rests_on, siblings, targets,
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
}

/// What the sides say of one object. `from` is its identity on the recorded and the live side: another one than `id`
/// where it is to be renamed.
struct Sides<'a> {
    id: ObjectRef,
    from: &'a ObjectId,
    desired: Option<&'a Desired>,
    record: Option<&'a Record>,
    live: Option<&'a Fingerprint>,
    /// Live as well, where the spec renames one to the other: the old one for what is desired, and the other way round.
    beside: Option<&'a ObjectId>,
}

/// So many objects are compared at once: their definitions need not be in memory with all others, and each reading of them
/// has its price.
const COMPARED_AT_ONCE: usize = 2_000;

/// The definitions behind the sides that the digests did not settle, and the engine's judgement on them.
#[derive(Default)]
struct Evidence {
    live: BTreeMap<ObjectId, Definition>,
    recorded: BTreeMap<ObjectId, Definition>,
    verdicts: BTreeMap<ConditionPair, Verdict>,
}

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

/// Whether what is wrong with the bodies is found within the migration that follows.
pub(super) fn leaves_checking(options: &Options, database: &dyn Database) -> bool {
    options.apply_follows && database.checks_live()
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
        scope.schemas.insert(database.current_schema()?);
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
    let sides = sides(
        desired,
        &history,
        &catalog,
        database.dialect().names_are_per_table(),
    );
    let mut same: Vec<ObjectRef> = vec![];
    let is_open = |sides: &Sides<'_>| {
        let settled = is_settled(sides, &catalog);
        same.extend(settled.then(|| sides.id.clone()));
        !settled
    };
    let open: Vec<Sides<'_>> = sides.into_iter().filter(is_open).collect();
    let renamed = renamed_functions(&open);

    let mut planner = Planner {
        database,
        renderer,
        options,
        evidence: Evidence::default(),
        history: &history,
        catalog: &catalog,
    };
    let mut changes = Vec::with_capacity(open.len());
    for some in open.chunks(COMPARED_AT_ONCE) {
        planner.evidence = gather(some, &renamed, &history, planner.database)?;
        for sides in some {
            match planner.change(sides)? {
                Some(change) => changes.push(change),
                None => same.push(sides.id.clone()),
            }
        }
    }
    planner.evidence = Evidence::default();
    drop(open);
    let unchanged = targets::counted(same.iter().map(|id| &**id), &options.targets, &catalog);
    drop(same);
    keep_called_functions(&mut changes, &catalog);
    let changes = targets::targeted(changes, &options.targets, &catalog);
    refuse_doubtful(desired, &changes)?;
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
    plan.warnings.extend(idle_targets(
        options,
        &desired.keys().map(|id| &**id).chain(history.records.keys()),
    ));
    plan.uncovered = targets::required(remarks.uncovered, &options.targets);
    let is_ours = |id: &ObjectId| desired.contains_key(id) || history.records.contains_key(id);
    let around = Around {
        catalog: &catalog,
        is_ours: &is_ours,
        states: &foreseen.states,
        going_back: false,
    };
    assess(&mut plan, &around, database)?;
    plan.sealed()
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
    let warnings = targets::idle(&options.targets, objects);
    for warning in &warnings {
        log::warn!("{warning}");
    }
    warnings
}

/// Changes in order, as a plan for this database.
pub(crate) fn arrange(
    mut changes: Vec<Change>,
    (database, renderer): (&mut dyn Database, &Renderer),
    (history, places): (&History, &BTreeMap<ObjectId, Place>),
    spec_digest: String,
    unchanged: usize,
) -> Result<Plan, Error> {
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

fn sides<'a>(
    desired: &'a DesiredSet,
    history: &'a History,
    catalog: &'a Catalog,
    names_are_per_table: bool,
) -> Vec<Sides<'a>> {
    let mut sides = Vec::with_capacity(desired.len());
    let mut renamed: BTreeSet<&ObjectId> = BTreeSet::new();
    let mut kept_apart: BTreeMap<&ObjectId, &ObjectId> = BTreeMap::new();
    for (id, wanted) in desired {
        let beside = wanted.renamed_from.as_deref().filter(|from| {
            catalog.fingerprints.contains_key(from)
                && catalog.fingerprints.contains_key(id)
                && !desired.contains_key(*from)
                // Else it has happened once, and what has the old name now is another's.
                && (history.records.contains_key(from) || !history.records.contains_key(id))
        });
        kept_apart.extend(beside.map(|from| (from, &**id)));
        let from = wanted.renamed_from.as_deref().filter(|from| {
            // Once it has happened, `renamed_from` may stay in the spec and says nothing any more.
            catalog.fingerprints.contains_key(from)
                && !catalog.fingerprints.contains_key(id)
                && !desired.contains_key(*from)
        });
        renamed.extend(from);
        let from = from.unwrap_or(id);
        sides.push(Sides {
            id: ObjectRef(Arc::clone(id)),
            from,
            desired: Some(wanted),
            record: history.records.get(from),
            live: catalog.fingerprints.get(from),
            beside,
        });
    }
    for (id, record) in &history.records {
        if desired.contains_key(id) || renamed.contains(id) {
            continue;
        }
        let live = catalog.fingerprints.get(id);
        sides.push(Sides {
            id: ObjectRef::from(id),
            from: id,
            desired: None,
            record: Some(record),
            live,
            beside: kept_apart.get(id).copied(),
        });
    }
    if !names_are_per_table {
        name_taken_elsewhere(&mut sides, history, catalog);
    }
    sides
}

/// Where a name is unique in the whole database, a trigger that is to be made may find its name taken on another table
/// by one that nobody recorded: that one is what it would be in conflict with.
fn name_taken_elsewhere<'a>(sides: &mut [Sides<'a>], history: &History, catalog: &'a Catalog) {
    let taken: BTreeMap<(&str, String), (&'a ObjectId, &'a Fingerprint)> = catalog
        .fingerprints
        .iter()
        .filter(|(id, _)| !history.records.contains_key(id))
        .map(|(id, fingerprint)| {
            (
                (id.schema(), id.name().to_ascii_lowercase()),
                (id, fingerprint),
            )
        })
        .collect();
    for side in sides
        .iter_mut()
        .filter(|side| side.desired.is_some() && side.live.is_none())
    {
        if let Some(&(id, fingerprint)) =
            taken.get(&(side.id.schema(), side.id.name().to_ascii_lowercase()))
        {
            side.from = id;
            side.live = Some(fingerprint);
        }
    }
}

/// The fast path: rendered as recorded, and live as recorded.
fn is_settled(sides: &Sides<'_>, catalog: &Catalog) -> bool {
    match (sides.desired, sides.record, sides.live) {
        (Some(desired), Some(record), Some(live)) => {
            let place = desired.definition.place();
            let stands = place.zip(catalog.places.get(&*sides.id));
            stands.is_none_or(|(wanted, found)| wanted.agrees(found))
                && *sides.id == *sides.from
                && desired.digest == record.rendered_digest
                && *live == record.live_fingerprint
        }
        _ => false,
    }
}

/// A trigger keeps calling a function that is renamed under it: see it that way, and no difference is left.
fn renamed_functions(open: &[Sides<'_>]) -> BTreeMap<FunctionId, FunctionId> {
    open.iter()
        .filter_map(|side| match (side.from, &*side.id) {
            (ObjectId::Function(from), ObjectId::Function(to)) if from != to => {
                Some((from.clone(), to.clone()))
            }
            _ => None,
        })
        .collect()
}

fn gather(
    open: &[Sides<'_>],
    renamed: &BTreeMap<FunctionId, FunctionId>,
    history: &History,
    database: &mut dyn Database,
) -> Result<Evidence, Error> {
    let live: Vec<ObjectId> = open
        .iter()
        .filter(|side| side.live.is_some())
        .map(|side| side.from.clone())
        .collect();
    let recorded: Vec<ObjectId> = open
        .iter()
        .filter(|side| side.record.is_some())
        .map(|side| side.from.clone())
        .collect();
    let mut live = database.definitions(&live, Depth::Whole)?;
    let mut recorded = if recorded.is_empty() {
        BTreeMap::new()
    } else {
        database.recorded(&recorded, history.version)?
    };
    for definition in live.values_mut().chain(recorded.values_mut()) {
        definition.call_instead(|function| renamed.get(function));
    }

    let mut pairs = BTreeSet::new();
    for side in open {
        let (live, recorded) = (live.get(side.from), recorded.get(side.from));
        let desired = side.desired.map(|desired| &desired.definition);
        pairs.extend(
            live.zip(desired)
                .and_then(|(live, desired)| diff::undecided(live, desired)),
        );
        pairs.extend(
            recorded
                .zip(live)
                .and_then(|(recorded, live)| diff::undecided(recorded, live)),
        );
    }
    Ok(Evidence {
        live,
        recorded,
        verdicts: db::verdicts(pairs.into_iter().collect(), database)?,
    })
}

/// What turns sides into changes.
struct Planner<'a> {
    database: &'a mut dyn Database,
    renderer: &'a Renderer,
    options: &'a Options,
    evidence: Evidence,
    history: &'a History,
    catalog: &'a Catalog,
}

impl Planner<'_> {
    /// What is to be done about one object; `None` when nothing is.
    fn change(&mut self, sides: &Sides<'_>) -> Result<Option<Change>, Error> {
        let live = match sides.live {
            None => None,
            Some(_) => Some(self.evidence.live.get(sides.from).cloned().ok_or_else(|| {
                Error::failed(format!(
                    "{} was changed while it was being read",
                    sides.from
                ))
                .help("try again")
            })?),
        };
        let drift = self.drift(sides, live.as_ref());
        let (action, because) = match (sides.desired, sides.record, &live) {
            (Some(_), None, None) => (Action::Create, Cow::from("new in the spec")),
            (Some(_), Some(record), None) => (
                Action::Restore,
                format!(
                    "gone from the database since version {}{}",
                    record.version,
                    self.renamed_by_hand(&sides.id, record)
                )
                .into(),
            ),
            (Some(desired), record, Some(live)) => {
                return self.both(sides, desired, record, live, drift).map(Some);
            }
            (None, Some(_), Some(_)) if drift.is_empty() => {
                let because = sides.beside.map_or_else(
                    || Cow::from("no longer in the spec"),
                    |to| {
                        Cow::from(format!(
                            "no longer in the spec, and not renamed to `{}`, which is there already",
                            to.name()
                        ))
                    },
                );
                (Action::Drop, because)
            }
            (None, Some(record), Some(_)) => (
                Action::Drop,
                format!(
                    "no longer in the spec (and changed by hand since version {})",
                    record.version
                )
                .into(),
            ),
            (None, Some(record), None) => (
                Action::Forget,
                format!(
                    "no longer in the spec, and gone from the database already{}",
                    self.renamed_by_hand(&sides.id, record)
                )
                .into(),
            ),
            (None, None, _) => return Ok(None),
        };
        self.build(
            sides,
            Decision {
                action,
                because,
                fields: vec![],
                drift,
            },
            live,
        )
        .map(Some)
    }

    /// Desired and live are both there.
    fn both(
        &mut self,
        sides: &Sides<'_>,
        desired: &Desired,
        record: Option<&Record>,
        live: &Definition,
        drift: Vec<FieldChange>,
    ) -> Result<Change, Error> {
        let wanted = self.wanted(sides, desired);
        let mut fields = diff::compare(live, &wanted, &self.judge());
        let rendered_anew = record.is_none_or(|record| record.rendered_digest != desired.digest);
        if desired.ddl.custom {
            of_template(&mut fields, !rendered_anew && drift.is_empty());
        }
        let names = names(&fields);
        let followed = followed(self.evidence.recorded.get(sides.from), &wanted);
        let (action, because) =
            if *sides.id != *sides.from && sides.id.table() != sides.from.table() {
                let message = format!(
                    "the name is taken by {}, which triggerctl did not create",
                    sides.from
                );
                (Action::Conflict, Cow::from(message))
            } else if record.is_none() && *sides.id != *sides.from && !self.options.adopt {
                let message = format!(
                    "`{}`, from which it is renamed, is there, but triggerctl did not create it",
                    sides.from.name()
                );
                (Action::Conflict, Cow::from(message))
            } else if *sides.id != *sides.from {
                (
                    Action::Rename,
                    Cow::from(format!("renamed from `{}` in the spec", sides.from.name())),
                )
            } else if fields.is_empty() && record.is_none() {
                (
                    Action::Adopt,
                    Cow::from("in the database already, as the spec has it"),
                )
            } else if fields.is_empty() && !drift.is_empty() {
                (
                    Action::Adopt,
                    Cow::from("changed in the database to what the spec has"),
                )
            } else if fields.is_empty() {
                (
                    Action::Adopt,
                    Cow::from("written or stored differently, but the same"),
                )
            } else if record.is_none() && self.options.adopt {
                (
                    Action::Replace,
                    Cow::from(format!("taken over, and differs from the spec: {names}")),
                )
            } else if record.is_none() {
                (
                    Action::Conflict,
                    Cow::from(format!(
                        "in the database already, not created by triggerctl, and different: {names}"
                    )),
                )
            } else if drift.is_empty() && !rendered_anew {
                // What no fingerprint holds: its place among its siblings.
                let version = record.map_or(0, |record| record.version);
                (
                    Action::Restore,
                    Cow::from(format!("changed by hand since version {version}: {names}")),
                )
            } else if drift.is_empty() {
                let because = match followed {
                    None => format!("the spec changed: {names}"),
                    Some(followed) if followed.templates_changed => {
                        format!("the spec changed, and {}: {names}", followed.what)
                    }
                    Some(followed) => format!("{names} changes because {}", followed.what),
                };
                (Action::Replace, Cow::from(because))
            } else {
                let version = record.map_or(0, |record| record.version);
                let drifted = self::names(&drift);
                let also = match followed {
                    Some(followed) if rendered_anew => format!(", and {}", followed.what),
                    _ if rendered_anew => ", and the spec changed too".to_owned(),
                    _ => String::new(),
                };
                (
                    Action::Restore,
                    Cow::from(format!(
                        "changed by hand since version {version}: {drifted}{also}"
                    )),
                )
            };
        self.build(
            sides,
            Decision {
                action,
                because: match self.not_renamed(sides, action) {
                    none if none.is_empty() => because,
                    more => Cow::from(because.into_owned() + &more),
                },
                fields,
                drift,
            },
            Some(live.clone()),
        )
    }

    /// What becomes of the one that was to be renamed to this one, which is there already.
    fn not_renamed(&self, sides: &Sides<'_>, action: Action) -> String {
        let Some(old) = sides.beside else {
            return String::new();
        };
        let then = match self.history.records.contains_key(old) {
            _ if action == Action::Conflict => "rename or drop one of the two",
            true => "that one is dropped",
            false => "that one stays as it is",
        };
        let old = old.name();
        format!("; `{old}` cannot be renamed to a name that is taken: {then}")
    }

    /// Where a trigger is gone, and one of another name on its table is the same to the last attribute and nobody's: what
    /// was most likely done to it. It still fires, and would do so beside the one that is made again.
    fn renamed_by_hand(&self, id: &ObjectId, record: &Record) -> String {
        let ObjectId::Trigger(gone) = id else {
            return String::new();
        };
        let first = ObjectId::Trigger(TriggerId {
            table: gone.table.clone(),
            name: String::new(),
        });
        self.catalog
            .fingerprints
            .range(first..)
            .take_while(|(other, _)| other.table() == Some(&gone.table))
            .find(|(other, live)| {
                **live == record.live_fingerprint && !self.history.records.contains_key(other)
            })
            .map_or_else(String::new, |(other, _)| {
                format!(
                    "; `{}` on the same table is the same, and is not managed: was it renamed?",
                    other.name()
                )
            })
    }

    /// How live differs from what was recorded; empty where nothing was recorded or nothing is live.
    fn drift(&self, sides: &Sides<'_>, live: Option<&Definition>) -> Vec<FieldChange> {
        let (Some(record), Some(fingerprint), Some(live)) = (sides.record, sides.live, live) else {
            return vec![];
        };
        if record.live_fingerprint == *fingerprint {
            return vec![];
        }
        let Some(recorded) = self.evidence.recorded.get(sides.from) else {
            return vec![];
        };
        let mut drift = diff::compare(recorded, live, &self.judge());
        let unsaid =
            |field: &&mut FieldChange| [diff::OWNER, diff::EXECUTE].contains(&&*field.field);
        if let Some(field) = drift.iter_mut().rfind(unsaid) {
            field.note =
                Some("no spec says who this is: `--adopt` keeps it as it is now".to_owned());
        }
        drift
    }

    /// What the spec asks for, with what it leaves open as it was recorded.
    fn wanted(&self, sides: &Sides<'_>, desired: &Desired) -> Definition {
        let mut wanted = desired.definition.clone();
        if self.keeps_owner(&wanted) {
            if let Some(live) = self.evidence.live.get(sides.from) {
                self.database.dialect().complete(&mut wanted, live);
            }
        } else if let Some(recorded) = self.evidence.recorded.get(sides.from) {
            self.database.dialect().complete(&mut wanted, recorded);
        } else if let Some(live) = self.evidence.live.get(sides.from) {
            keep_definer(&mut wanted, live);
        }
        wanted
    }

    /// Whether what somebody did to the owner and the rights of a function is taken over: no spec says who they are to be.
    fn keeps_owner(&self, wanted: &Definition) -> bool {
        self.options.adopt && matches!(wanted, Definition::Function(_))
    }

    fn judge(&self) -> Judge<'_> {
        Judge {
            dialect: self.database.dialect(),
            verdicts: &self.evidence.verdicts,
        }
    }

    fn build(
        &self,
        sides: &Sides<'_>,
        decision: Decision,
        live: Option<Definition>,
    ) -> Result<Change, Error> {
        let Decision {
            action,
            because,
            fields,
            drift,
        } = decision;
        let mut rested = vec![rests_on(sides.id.clone(), self.catalog, self.history)];
        if *sides.from != *sides.id {
            rested.push(rests_on(sides.from.into(), self.catalog, self.history));
        }
        let mut after = sides.desired.map(|desired| self.wanted(sides, desired));
        // What was dropped by hand comes back to where it was.
        let recorded = self.evidence.recorded.get(sides.from);
        if let (None, Some(after), Some(recorded)) = (&live, &mut after, recorded)
            && after.place().is_none()
        {
            places::set_place(after, recorded.place().cloned());
        }
        if let (Action::Restore, Some(after), Some(recorded)) = (action, &mut after, recorded)
            && !self.keeps_owner(after)
        {
            let unchanged = sides.record.zip(sides.desired);
            let is_as_asked =
                unchanged.is_some_and(|(record, desired)| record.rendered_digest == desired.digest);
            kept::restore(after, recorded, is_as_asked);
        }
        // Where it is more than the spec says, the DDL of the spec does not make it; and nothing makes what is there.
        let create = sides
            .desired
            .filter(|desired| desired.ddl.custom || after.as_ref() == Some(&desired.definition));
        let (dialect, server) = (self.database.dialect(), self.database.server());
        let create = match create {
            Some(desired) if live.is_none() => {
                Some(desired.made(dialect, self.renderer, server)?)
            }
            create => create.map(|desired| Cow::Borrowed(&desired.ddl)),
        };
        let step = Step {
            action,
            object: sides.id.clone(),
            before: live,
            after,
            fields,
            create: create.as_deref(),
        };
        Ok(Change {
            because,
            selected_by: sides
                .desired
                .and_then(|desired| desired.selected_by.as_deref())
                .map(Box::from),
            drift,
            rests_on: rested,
            rendered_digest: sides.desired.map(|desired| desired.digest.clone()),
            faults_allowed: sides.desired.is_some_and(|desired| desired.faults_allowed),
            ..step.change(self.database, self.renderer)?
        })
    }
}

/// What a template of the user's adds, the definition does not show: live is right when it is as recorded and the same text is
/// rendered; then what the definition says apart from that is no difference.
fn of_template(fields: &mut Vec<FieldChange>, is_as_recorded: bool) {
    if is_as_recorded {
        fields.clear();
    } else if fields.is_empty() {
        let note = "a template of yours makes it, and what it renders to is not what was recorded";
        fields.push(FieldChange {
            field: "template".to_owned(),
            before: None,
            after: None,
            note: Some(note.to_owned()),
        });
    }
}

/// With whose rights a trigger runs stays as it is when it is taken over and the spec does not say. The text is the spec's, and
/// so are the settings that it is read under.
fn keep_definer(wanted: &mut Definition, live: &Definition) {
    if let (Definition::Trigger(wanted), Definition::Trigger(live)) = (wanted, live)
        && let (Some(open), Some(live)) = (&wanted.creation, &live.creation)
        && open.definer.is_none()
        && live.definer.is_some()
        && let Some(wanted) = &mut Arc::make_mut(wanted).creation
    {
        wanted.definer.clone_from(&live.definer);
    }
}

/// What was decided about one object.
struct Decision {
    action: Action,
    because: Cow<'static, str>,
    fields: Vec<FieldChange>,
    drift: Vec<FieldChange>,
}

fn names(fields: &[FieldChange]) -> String {
    fields
        .iter()
        .map(|change| change.field.as_str())
        .collect::<Vec<_>>()
        .join(", ")
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

/// What an extension took over is as its script says: it is nobody else's to make, and it is not gone either.
fn refuse_taken_over(desired: &DesiredSet, catalog: &Catalog) -> Result<(), Error> {
    let problems = catalog
        .taken_over
        .iter()
        .filter_map(|(id, extension)| Some((id, extension, desired.get(id)?)))
        .map(|(id, extension, wanted)| {
            let (whose, member) = match id {
                ObjectId::Function(function) => (format!("{id} belongs"), format!("FUNCTION {function}()")),
                ObjectId::Trigger(trigger) => (
                    format!("the table of {id} belongs"),
                    format!("TABLE {}", trigger.table),
                ),
            };
            Diagnostic::new(format!("{whose} to the extension `{extension}`"))
                .at(&wanted.span)
                .note("what belongs to an extension is as the extension's script says, and is not touched")
                .help(format!(
                    "leave it out of the spec, or take it out of the extension: `ALTER EXTENSION {extension} DROP {member}`"
                ))
        })
        .collect();
    Error::collected(problems)
}

/// What cannot be meant is not made, unless the spec says that it is.
fn refuse_doubtful(desired: &DesiredSet, changes: &[Change]) -> Result<(), Error> {
    let problems: Vec<Diagnostic> = changes
        .iter()
        .filter(|change| change.action.differs() && !change.faults_allowed)
        .filter_map(|change| desired.get(change.id()))
        .flat_map(|desired| desired.doubts.iter().cloned())
        .collect();
    Error::collected(problems)
}

/// Those that are to be checked, and the functions that they call: a function that may have faults comes with the
/// triggers that cannot be made without it.
pub(super) fn with_called<'a>(
    desired: &BTreeMap<&'a ObjectId, &'a Desired>,
    is_checked: impl Fn(&ObjectId, &Desired) -> bool,
) -> BTreeMap<&'a ObjectId, &'a Desired> {
    let mut all: BTreeMap<&ObjectId, &Desired> = desired
        .iter()
        .map(|(id, wanted)| (*id, *wanted))
        .filter(|(id, wanted)| is_checked(id, wanted))
        .collect();
    let checked: Vec<&Desired> = all.values().copied().collect();
    for function in checked
        .iter()
        .filter_map(|wanted| wanted.definition.calls())
    {
        let id = ObjectId::Function(function.clone());
        all.extend(
            desired
                .get_key_value(&id)
                .map(|(id, wanted)| (*id, *wanted)),
        );
    }
    all
}

/// Have the engine look at what the changes make, or at everything, but for what it said already.
fn check_what_differs(
    desired: &DesiredSet,
    changes: &[Change],
    checked: Checked,
    options: &Options,
    asked: (&mut dyn Database, &Renderer),
) -> Result<(), Error> {
    let differing: BTreeSet<&ObjectId> = changes
        .iter()
        .filter(|change| change.action.differs() && !change.faults_allowed)
        .map(Change::id)
        .collect();
    let Checked {
        ids: known,
        mut faults,
    } = checked;
    let is_left = |id: &ObjectId, wanted: &Desired| {
        let all = options.check_all && !wanted.faults_allowed;
        (all || differing.contains(id)) && !known.contains(id)
    };
    let ends: BTreeMap<&ObjectId, &Definition> = changes
        .iter()
        .filter(|change| change.action != Action::Conflict)
        .filter_map(|change| Some((change.id(), change.after.as_ref()?)))
        .collect();
    let all: BTreeMap<&ObjectId, &Desired> = desired
        .iter()
        .map(|(id, wanted)| (&**id, &**wanted))
        .collect();
    let left: Vec<_> = with_called(&all, is_left)
        .into_iter()
        .map(|(id, wanted)| (wanted, ends.get(id).copied()))
        .collect();
    drop((differing, ends));
    let found = check_bodies(&left, &options.tables, asked)?;
    // A function that was looked at comes with the triggers that call it.
    faults.extend(found.into_iter().filter(|(id, _)| !known.contains(id)));
    let is_allowed = |id: &ObjectId| all.get(id).is_some_and(|wanted| wanted.faults_allowed);
    let span = |id: &ObjectId| all.get(id).map(|wanted| &wanted.span);
    let problems: Vec<Diagnostic> = faults
        .into_iter()
        .filter(|(id, _)| !is_allowed(id))
        .map(|(id, diagnostic)| match (span(&id), &diagnostic.place) {
            (Some(span), None) => diagnostic.at(span),
            (Some(span), Some(_)) => diagnostic.related(span, "the trigger is named here"),
            (None, _) => diagnostic,
        })
        .collect();
    Error::collected(problems)
}

/// Have the engine look at what is about to be made, before anything is. Beside what is desired, what comes of it: with the
/// definer that the spec leaves open.
fn check_bodies(
    desired: &[(&Desired, Option<&Definition>)],
    tables: &[NewTable],
    (database, renderer): (&mut dyn Database, &Renderer),
) -> Result<Vec<(ObjectId, Diagnostic)>, Error> {
    if desired.is_empty() {
        return Ok(vec![]);
    }
    let looks_at_ddl = database.looks_at_ddl();
    let (dialect, server) = (database.dialect(), database.server());
    // It is shared with the desired side, but for what is changed here.
    let definitions: Vec<Definition> = desired
        .iter()
        .map(|(wanted, end)| {
            let mut definition = wanted.definition.clone();
            if let Some(end) = end {
                keep_definer(&mut definition, end);
            }
            if looks_at_ddl && let Definition::Trigger(trigger) = &mut definition {
                let made = wanted.made(dialect, renderer, server)?;
                Arc::make_mut(trigger).verbatim = made.statements.first().cloned();
            }
            Ok(definition)
        })
        .collect::<Result<_, Error>>()?;
    let references: Vec<&Definition> = definitions.iter().collect();
    database.check(&references, tables)
}
