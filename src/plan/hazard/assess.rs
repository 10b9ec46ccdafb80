//! Looking at a plan for what can hurt. It asks the database about the tables that the plan touches, once, and where
//! nothing is to be done it asks nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::gather::{called_functions, functions, made, may_reorder, siblings, states};
use super::protection::{Side, Weakening, dropped, fires, function_losses, list, lost_with};
use super::{Hazard, HazardKind, Severity};
use crate::db::size::{Measured, TableState};
use crate::db::{Catalog, Database, Protocol};
use crate::dialect::LockMode;
use crate::error::Error;
use crate::model::{Action as TriggerAction, Definition, FunctionId, ObjectId, TableId, Trigger};
use crate::parallel;
use crate::plan::{Action, Change, Plan};
use crate::words::{NAMED, some};

/// What is known around a plan.
pub(crate) struct Around<'a> {
    /// What is live.
    pub(crate) catalog: &'a Catalog,
    /// Whether an object is desired or recorded.
    pub(crate) is_ours: &'a dyn Fn(&ObjectId) -> bool,
    /// What is known of tables already; the others are asked for.
    pub(crate) states: &'a BTreeMap<TableId, TableState>,
    /// The plan is a rollback: what the undone versions brought is meant to go.
    pub(crate) going_back: bool,
}

/// Find the hazards of every step, and the sizes of the tables that are locked.
pub(crate) fn assess(
    plan: &mut Plan,
    around: &Around<'_>,
    database: &mut dyn Database,
) -> Result<(), Error> {
    if plan
        .changes
        .iter()
        .all(|change| change.statements.is_empty())
    {
        return Ok(());
    }
    let states = states(&plan.changes, around.states, database)?;
    let read = called_functions(&plan.changes, around.catalog, database)?;
    let siblings = siblings(&plan.changes, around.catalog, database)?;
    let dialect = database.dialect();
    let (before, after) = functions(&plan.changes, &read);
    let after = Side {
        dialect,
        functions: &after,
    };
    // To look into ten thousand bodies takes a while.
    let is_new_guard = |change: &Change| match (&change.before, &change.after) {
        (None, Some(Definition::Trigger(trigger))) => {
            fires(trigger.enabled) && after.protection(trigger).is_guard()
        }
        _ => false,
    };
    let (new_guards, ()) = parallel::map(&plan.changes, is_new_guard, || ());
    let mut assessor = Assessor {
        around,
        changes: &plan.changes,
        states: &states,
        siblings: &siblings,
        protocol: database.protocol(),
        before: Side {
            dialect,
            functions: &before,
        },
        after,
        made: made(&plan.changes),
        told: BTreeMap::new(),
        told_of_file: false,
    };
    let found: Vec<Vec<Hazard>> = new_guards
        .into_iter()
        .enumerate()
        .map(|(index, is_new_guard)| assessor.change(index, is_new_guard))
        .collect();
    for (change, mut hazards) in plan.changes.iter_mut().zip(found) {
        hazards.append(&mut change.hazards);
        // The gravest first.
        hazards.sort_by_key(|hazard| (std::cmp::Reverse(hazard.severity), hazard.kind));
        change.hazards = hazards;
        for lock in &mut change.locks {
            lock.size = states.get(&lock.table).map(|state| state.size.clone());
        }
    }
    Ok(())
}

pub(super) struct Assessor<'a> {
    around: &'a Around<'a>,
    changes: &'a [Change],
    pub(super) states: &'a BTreeMap<TableId, TableState>,
    siblings: &'a BTreeMap<TableId, Vec<Arc<Trigger>>>,
    pub(super) protocol: Protocol,
    before: Side<'a>,
    after: Side<'a>,
    made: BTreeMap<&'a TableId, Vec<(usize, &'a Trigger)>>,
    /// The locks that a step before has been told to take: it is the first one that makes others wait.
    pub(super) told: BTreeMap<&'a TableId, LockMode>,
    pub(super) told_of_file: bool,
}

/// The hazards of one step, in the making.
pub(super) struct Found<'a> {
    change: &'a Change,
    hazards: Vec<Hazard>,
}

impl Found<'_> {
    pub(super) fn push(
        &mut self,
        kind: HazardKind,
        severity: Severity,
        message: impl Into<String>,
    ) {
        let id = self.change.id();
        self.hazards.push(Hazard {
            kind,
            severity,
            message: message.into(),
            table: id.table().cloned(),
            object: self.change.object.clone(),
        });
    }
}

impl Assessor<'_> {
    fn change(&mut self, index: usize, is_new_guard: bool) -> Vec<Hazard> {
        let Some(change) = self.changes.get(index) else {
            return vec![];
        };
        let mut found = Found {
            change,
            hazards: vec![],
        };
        if change.statements.is_empty() {
            return found.hazards;
        }
        self.locks(change, &mut found);
        match (&change.before, &change.after) {
            (Some(Definition::Trigger(before)), Some(Definition::Trigger(after))) => {
                self.weaker(before, after, &mut found);
                self.remade(before, after, &mut found);
            }
            (Some(Definition::Trigger(before)), None) => self.dropped(index, before, &mut found),
            (None, Some(Definition::Trigger(after))) if is_new_guard => {
                self.created(after, &mut found);
            }
            (Some(Definition::Function(before)), Some(Definition::Function(after))) => {
                let syntax = self.before.dialect.syntax();
                for (severity, message) in function_losses(before, after, syntax) {
                    self.less(severity, message, &mut found);
                }
                self.shared(&before.id, &mut found);
            }
            _ => {}
        }
        self.newer(change, &mut found);
        by_whom(change, self.around.going_back, &mut found);
        found.hazards
    }

    /// Syntax that an older engine cannot read, where it was not there before.
    fn newer(&self, change: &Change, found: &mut Found<'_>) {
        if change.after.is_none() {
            return;
        }
        let dialect = self.after.dialect;
        // Behind it others may be made again, which have been there before.
        let own = change.statements.iter().find(|statement| {
            statement
                .get(..6)
                .is_some_and(|word| word.eq_ignore_ascii_case("create"))
        });
        let Some(newer) = own.and_then(|statement| dialect.newer_syntax(statement)) else {
            return;
        };
        let was = match &change.before {
            Some(Definition::Trigger(before)) => before
                .verbatim
                .as_ref()
                .and_then(|text| dialect.newer_syntax(text)),
            _ => None,
        };
        if was.is_some_and(|was| was.since >= newer.since) {
            return;
        }
        let (major, minor) = newer.since;
        let severity = if newer.since >= (3, 40) {
            Severity::Medium
        } else {
            Severity::Low
        };
        found.push(
            HazardKind::NeedsNewerSqlite,
            severity,
            format!(
                "{}: a SQLite before {major}.{minor} cannot open the file any more",
                newer.what
            ),
        );
    }

    /// A table's name, as far as the engine qualifies names.
    pub(super) fn name(&self, table: &TableId) -> String {
        if self.before.dialect.qualifies() {
            table.to_string()
        } else {
            table.name.clone()
        }
    }

    /// Protection that is less than before. Where that is what was asked for, it is no accident: a rollback takes away what
    /// the undone versions brought, and what is restored as it was recorded had more only by hand.
    fn less(&self, severity: Severity, message: String, found: &mut Found<'_>) {
        let change = found.change;
        let as_recorded = change.action == Action::Restore
            && change.rendered_digest.is_some()
            && change.rests_on.first().is_some_and(|rested| {
                rested.recorded.as_deref() == change.rendered_digest.as_ref()
            });
        let severity = if self.around.going_back || as_recorded {
            severity.min(Severity::Medium)
        } else {
            severity
        };
        found.push(HazardKind::DropsProtection, severity, message);
    }

    /// A trigger that stays, or comes back with another name, and may do less.
    fn weaker(&self, before: &Trigger, after: &Trigger, found: &mut Found<'_>) {
        let other_condition = found
            .change
            .fields
            .iter()
            .any(|change| change.field == "when");
        let weakening = Weakening {
            before: (before, self.before),
            after: (after, self.after),
            other_condition,
        };
        // What a function of the same name no longer does is said with the function.
        let same_function = matches!(
            (&before.action, &after.action),
            (
                TriggerAction::Call { function: was, .. },
                TriggerAction::Call { function: is, .. },
            ) if was == is
        );
        let after = if same_function {
            (after, self.before)
        } else {
            (after, self.after)
        };
        for (severity, message) in (Weakening { after, ..weakening }).losses() {
            self.less(severity, message, found);
        }
        let upkeep = self.before.protection(before).upkeep;
        if !upkeep.is_empty() && fires(before.enabled) && !fires(after.0.enabled) {
            found.push(
                HazardKind::StopsUpkeep,
                Severity::Medium,
                format!(
                    "it is disabled, and nothing keeps {} in step any more",
                    list(upkeep.iter())
                ),
            );
        }
    }

    /// A trigger that is made anew where it was.
    fn remade(&self, before: &Trigger, after: &Trigger, found: &mut Found<'_>) {
        self.order(before, after, found);
        let drops = found.change.statements.iter().any(|statement| {
            statement
                .split_whitespace()
                .next()
                .is_some_and(|word| word.eq_ignore_ascii_case("drop"))
        });
        if self.protocol != Protocol::Journal || !drops {
            return;
        }
        if self.can_be_held(&after.id.table) {
            found.push(
                HazardKind::GapInProtection,
                Severity::Low,
                "should the server die between DROP and CREATE, the trigger is missing until `triggerctl repair`",
            );
            return;
        }
        let severity = if self.before.protection(before).protects() && fires(before.enabled) {
            Severity::High
        } else {
            Severity::Medium
        };
        found.push(
            HazardKind::GapInProtection,
            severity,
            "rows written between DROP and CREATE are missed: this role may not LOCK TABLES",
        );
    }

    fn order(&self, before: &Trigger, after: &Trigger, found: &mut Found<'_>) {
        if !may_reorder(found.change) {
            return;
        }
        let mut others: Vec<&String> = self
            .siblings
            .get(&after.id.table)
            .into_iter()
            .flatten()
            .filter(|other| {
                other.timing == after.timing
                    && other.orientation == after.orientation
                    && !other.events.is_disjoint(&after.events)
            })
            .map(|other| &other.id.name)
            .collect();
        // Bytes decide, whatever the collation.
        others.retain(|name| (before.id.name < **name) != (after.id.name < **name));
        if !others.is_empty() {
            found.push(
                HazardKind::ChangesFiringOrder,
                Severity::Medium,
                format!(
                    "triggers fire by name, and it changes places with {}",
                    some(&others, NAMED)
                ),
            );
        }
    }

    /// A trigger that goes.
    fn dropped(&self, index: usize, trigger: &Trigger, found: &mut Found<'_>) {
        let made = self.made.get(&trigger.id.table);
        let others: Vec<(usize, &Trigger)> = made.cloned().unwrap_or_default();
        let sides: Vec<(&Trigger, Side<'_>)> = others
            .iter()
            .map(|(_, other)| (*other, self.after))
            .collect();
        if let Some(lost) = lost_with(trigger, self.before, &sides) {
            if lost.protects() {
                self.less(Severity::High, dropped(&lost, trigger), found);
            } else {
                found.push(
                    HazardKind::StopsUpkeep,
                    Severity::Medium,
                    format!(
                        "it is dropped, and nothing keeps {} in step any more",
                        list(lost.upkeep.iter())
                    ),
                );
            }
            return;
        }
        let protects = self.before.protection(trigger).protects() && fires(trigger.enabled);
        if self.protocol == Protocol::Journal && protects && self.opens(index, trigger, &others) {
            found.push(
                HazardKind::GapInProtection,
                Severity::High,
                "rows written between its DROP and the CREATE of what takes its place are missed: this role may not \
                 LOCK TABLES",
            );
        }
    }

    /// Whether rows can be written after this one is gone and before all the triggers are there that take its place. While a
    /// table is held, all of its statements run.
    fn opens(&self, index: usize, trigger: &Trigger, others: &[(usize, &Trigger)]) -> bool {
        let comes_later = |(at, other): &(usize, &Trigger)| {
            *at > index && !other.events.is_disjoint(&trigger.events)
        };
        !self.can_be_held(&trigger.id.table) && others.iter().any(comes_later)
    }

    /// Whether nobody can write to a table while its statements run.
    fn can_be_held(&self, table: &TableId) -> bool {
        let state = self.states.get(table);
        state.is_none_or(|state| !state.cannot_be_held)
    }

    /// A guard that is new.
    fn created(&self, trigger: &Trigger, found: &mut Found<'_>) {
        let size = self
            .states
            .get(&trigger.id.table)
            .map(|state| state.size.clone())
            .unwrap_or_default();
        let empty = size.rows == Some(0) || (size.of == Measured::Table && size.bytes == Some(0));
        if !empty {
            found.push(
                HazardKind::ExistingRows,
                Severity::Low,
                "rows that are there already are not checked",
            );
        }
    }

    /// A function that triggers call which are not ours.
    fn shared(&self, function: &FunctionId, found: &mut Found<'_>) {
        let others: Vec<String> = self
            .around
            .catalog
            .callers
            .get(function)
            .into_iter()
            .flatten()
            .map(|caller| ObjectId::Trigger(caller.clone()))
            .filter(|caller| !(self.around.is_ours)(caller))
            .map(|caller| match caller {
                ObjectId::Trigger(id) => id.to_string(),
                ObjectId::Function(id) => id.to_string(),
            })
            .collect();
        let fields = &found.change.fields;
        let only = |names: &[&str]| {
            !fields.is_empty()
                && fields
                    .iter()
                    .all(|change| names.contains(&change.field.as_str()))
        };
        if others.is_empty() || only(&["description"]) {
            return;
        }
        let severity = if only(&["name", "schema", "description", "depends_on_extensions"]) {
            Severity::Low
        } else {
            Severity::High
        };
        found.push(
            HazardKind::SharedFunction,
            severity,
            format!(
                "triggers outside the spec call it: {}",
                some(&others, NAMED)
            ),
        );
    }
}

/// What follows from who made what is there.
fn by_whom(change: &Change, going_back: bool, found: &mut Found<'_>) {
    if going_back {
        return;
    }
    if change.action == Action::Restore || !change.drift.is_empty() {
        found.push(
            HazardKind::UndoesManualChange,
            Severity::Low,
            "undoes a change that somebody made by hand",
        );
    }
    let recorded = change
        .rests_on
        .iter()
        .any(|rested| rested.recorded.is_some());
    if change.before.is_some() && !recorded {
        found.push(
            HazardKind::TakesOver,
            Severity::Low,
            "triggerctl did not create what is replaced",
        );
    }
}
