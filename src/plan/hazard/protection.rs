//! What a trigger protects, known by what it does: a guard raises an error or skips rows, an audit trigger inserts rows
//! about the change into another table. And whether it does less after a step than before.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::Severity;
use super::body::{Effects, effects, is_table, is_unchanged};
use crate::dialect::Dialect;
use crate::model::{
    Action, Condition, EnabledState, Event, Events, Function, FunctionId, FunctionSource,
    Orientation, Timing, Trigger,
};
use crate::sql::{Syntax, tokens};

/// The functions as they are, or as they are to be.
pub(super) type Functions<'a> = BTreeMap<&'a FunctionId, &'a Function>;

/// What a trigger does for others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Protection {
    /// In how many places it raises an error.
    raises: usize,
    /// It skips rows.
    skips: bool,
    /// Columns that it puts back to what they were.
    keeps: BTreeSet<String>,
    /// Other tables that get a row about each change.
    pub(super) audits: BTreeSet<String>,
    /// Other tables that it inserts into, whether or not what it inserts is about the change.
    inserts: BTreeSet<String>,
    /// Other tables whose rows it changes or removes.
    pub(super) upkeep: BTreeSet<String>,
}

impl Protection {
    /// Whether it refuses anything.
    pub(super) fn is_guard(&self) -> bool {
        self.raises > 0 || self.skips || !self.keeps.is_empty()
    }

    /// Whether it guards or audits.
    pub(super) fn protects(&self) -> bool {
        self.is_guard() || !self.audits.is_empty()
    }

    /// `a guard` or `an audit trigger`.
    fn noun(&self) -> &'static str {
        if self.is_guard() {
            "a guard"
        } else {
            "an audit trigger"
        }
    }

    /// What it does, to follow `it`.
    fn does(&self) -> String {
        let mut parts = vec![];
        if self.raises > 0 {
            parts.push("raises an error".to_owned());
        } else if self.skips {
            parts.push("skips rows".to_owned());
        }
        if !self.keeps.is_empty() {
            parts.push(format!("keeps {} as it was", list(self.keeps.iter())));
        }
        if !self.audits.is_empty() {
            parts.push(format!("writes to {}", list(self.audits.iter())));
        }
        parts.join(" and ")
    }
}

/// Names with commas.
pub(super) fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.cloned().collect::<Vec<_>>().join(", ")
}

/// One side of a plan: where function bodies are found.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) dialect: &'static dyn Dialect,
    pub(super) functions: &'a Functions<'a>,
}

impl Side<'_> {
    fn syntax(&self) -> &'static Syntax {
        self.dialect.syntax()
    }

    /// What a trigger runs, where that is SQL that can be looked into.
    fn text<'b>(&'b self, trigger: &'b Trigger) -> Option<&'b str> {
        match &trigger.action {
            Action::Body(body) => Some(body),
            Action::Call {
                function,
                arguments: _,
            } => self
                .functions
                .get(function)
                .and_then(|function| body(function)),
        }
    }

    /// The trigger with its condition where conditions are looked for.
    fn opened<'b>(&self, trigger: &'b Trigger) -> Cow<'b, Trigger> {
        self.dialect
            .opened(trigger)
            .map_or(Cow::Borrowed(trigger), Cow::Owned)
    }

    /// Whether two conditions that stand in bodies are the same.
    fn is_same_condition(&self, left: &Condition, right: &Condition) -> bool {
        match (left, right) {
            (Condition::Sql(left), Condition::Sql(right)) => {
                self.dialect.same_body(left, right, None)
            }
            _ => left == right,
        }
    }

    /// What a trigger protects; nothing where its function cannot be looked into.
    pub(super) fn protection(&self, trigger: &Trigger) -> Protection {
        let Some(text) = self.text(trigger) else {
            return Protection::default();
        };
        let referencing = &trigger.transition_tables;
        let transition_tables: Vec<&str> = [&referencing.old, &referencing.new]
            .into_iter()
            .filter_map(Option::as_deref)
            .collect();
        let Effects {
            raises,
            skips,
            returns_null,
            inserts,
            changes,
            keeps,
            names_row,
        } = effects(text, self.syntax(), &transition_tables);
        // TRUNCATE has no row to speak of. INSTEAD OF makes the change itself: that is no record of it.
        let about_the_change = (names_row || trigger.events.contains(&Event::Truncate))
            && trigger.timing != Timing::InsteadOf;
        let others = |tables: BTreeSet<String>| {
            tables
                .into_iter()
                .filter(|name| !is_table(name, &trigger.id.table))
                .collect::<BTreeSet<_>>()
        };
        let if_about = |tables: BTreeSet<String>| {
            if about_the_change {
                tables
            } else {
                BTreeSet::new()
            }
        };
        let inserts = others(inserts);
        let before_row =
            trigger.timing == Timing::Before && trigger.orientation == Orientation::Row;
        // What an update leaves as it is is skipped to spare the work.
        let spares = || match &trigger.condition {
            Some(Condition::Sql(when)) => is_unchanged(when, self.syntax()),
            Some(Condition::Unread) | None => false,
        };
        Protection {
            raises,
            skips: (skips || (returns_null && before_row)) && !spares(),
            keeps: if before_row { keeps } else { BTreeSet::new() },
            audits: if_about(inserts.clone()),
            inserts,
            upkeep: if_about(others(changes)),
        }
    }
}

/// The text of a function in a language whose statements are SQL.
fn body(function: &Function) -> Option<&str> {
    match &function.source {
        FunctionSource::Body(text) if matches!(function.language.as_str(), "plpgsql" | "sql") => {
            Some(text)
        }
        FunctionSource::Body(_) | FunctionSource::Library { .. } => None,
    }
}

/// One way in which a trigger protects less, and how much that matters.
pub(super) type Loss = (Severity, String);

fn loss(severity: Severity, what: impl Into<String>) -> Loss {
    (severity, what.into())
}

/// Whether it fires in ordinary sessions.
pub(super) fn fires(state: EnabledState) -> bool {
    matches!(state, EnabledState::Origin | EnabledState::Always)
}

/// In what a trigger fires less often than it did. `in_body`: the engine has its columns in the body.
fn fires_less(
    before: &Trigger,
    after: &Trigger,
    dialect: &dyn Dialect,
    in_body: bool,
) -> Vec<Loss> {
    let mut losses = vec![];
    match (before.enabled, after.enabled) {
        (_, EnabledState::Disabled) => losses.push(loss(Severity::High, "is disabled")),
        (_, EnabledState::Replica) => {
            losses.push(loss(Severity::High, "fires in replica sessions only"));
        }
        (EnabledState::Always, EnabledState::Origin) => losses.push(loss(
            Severity::Medium,
            "no longer fires in replica sessions",
        )),
        _ => {}
    }
    for (partition, state) in &after.enabled_on_partitions {
        let was = before
            .enabled_on_partitions
            .get(partition)
            .unwrap_or(&before.enabled);
        if fires(*was) && !fires(*state) {
            losses.push(loss(
                Severity::High,
                format!("is disabled on partition {partition}"),
            ));
        }
    }
    let gone: Vec<String> = before
        .events
        .difference(&after.events)
        .map(|event| event.word().to_owned())
        .collect();
    if !gone.is_empty() {
        losses.push(loss(
            Severity::High,
            format!("no longer fires on {}", list(gone.iter())),
        ));
    }
    let both_update =
        before.events.contains(&Event::Update) && after.events.contains(&Event::Update);
    if both_update && !after.update_of.is_empty() {
        let missing: Vec<String> = before
            .update_of
            .iter()
            .filter(|column| {
                !after
                    .update_of
                    .iter()
                    .any(|other| dialect.same_name(column, other))
            })
            .cloned()
            .collect();
        if before.update_of.is_empty() {
            let columns = list(after.update_of.iter());
            losses.push(loss(
                Severity::High,
                format!("fires for updates of {columns} only"),
            ));
        } else if !missing.is_empty() {
            // A body does not follow a column that is renamed: then the new name is what was the old one.
            let is_renamed = in_body && {
                let known = |column: &String| {
                    let mut old = before.update_of.iter();
                    old.any(|other| dialect.same_name(column, other))
                };
                let new = after.update_of.iter().filter(|column| !known(column));
                new.count() >= missing.len()
            };
            let severity = if is_renamed {
                Severity::Medium
            } else {
                Severity::High
            };
            losses.push(loss(
                severity,
                format!("no longer fires for updates of {}", list(missing.iter())),
            ));
        }
    }
    if before.condition.is_none() && after.condition.is_some() {
        losses.push(loss(
            Severity::High,
            "fires only where a condition holds, and had none before",
        ));
    }
    if before.orientation == Orientation::Row && after.orientation == Orientation::Statement {
        losses.push(loss(
            Severity::Medium,
            "fires once a statement, no longer for each row",
        ));
    }
    losses
}

/// What a step does to a trigger that protects.
pub(super) struct Weakening<'a> {
    pub(super) before: (&'a Trigger, Side<'a>),
    pub(super) after: (&'a Trigger, Side<'a>),
    /// The engine found the two conditions different.
    pub(super) other_condition: bool,
}

impl Weakening<'_> {
    /// Every way in which the trigger protects less afterwards, each as a sentence; empty where it protects nothing or no less.
    pub(super) fn losses(&self) -> Vec<Loss> {
        let (before, side) = self.before;
        let (after, after_side) = self.after;
        let was = side.protection(before);
        if !was.protects() || !fires(before.enabled) {
            return vec![];
        }
        let is = after_side.protection(after);
        // Where the condition stands in the body, the body with it is what tells what a trigger is for.
        let (opened, after_opened) = (side.opened(before), after_side.opened(after));
        let in_body = matches!(opened, Cow::Owned(_));
        let (before, after) = (&*opened, &*after_opened);
        let mut losses = fires_less(before, after, side.dialect, in_body);
        if let (Some(condition), Some(after_condition)) = (&before.condition, &after.condition)
            && (self.other_condition
                || in_body && !side.is_same_condition(condition, after_condition))
        {
            losses.push(loss(Severity::Medium, "has another condition"));
        }
        if after.timing == Timing::Before
            && before.timing == Timing::After
            && !was.audits.is_empty()
        {
            losses.push(loss(
                Severity::Medium,
                "writes before the row is final, and no longer after",
            ));
        }
        losses.extend(does_less(&was, &is));
        let (text, after_text) = (side.text(before), after_side.text(after));
        if let Some((text, after_text)) = text.zip(after_text)
            && is_wrapped(text, after_text, side.syntax())
        {
            losses.push(loss(
                Severity::High,
                "acts only where a condition holds, and had none before",
            ));
        }
        let events: Vec<String> = before
            .events
            .iter()
            .map(|event| event.word().to_owned())
            .collect();
        losses
            .into_iter()
            .map(|(severity, what)| {
                let message = format!(
                    "{} {what} (it {} on {})",
                    was.noun(),
                    was.does(),
                    list(events.iter())
                );
                (severity, message)
            })
            .collect()
    }
}

/// What was done, and is done no longer.
fn does_less(was: &Protection, is: &Protection) -> Vec<Loss> {
    let mut losses = vec![];
    if was.is_guard() && !is.is_guard() {
        let what = if was.raises > 0 {
            "no longer raises an error".to_owned()
        } else if was.skips {
            "no longer skips rows".to_owned()
        } else {
            format!("no longer keeps {} as it was", list(was.keeps.iter()))
        };
        losses.push(loss(Severity::High, what));
    } else if is.raises < was.raises && !is.skips {
        losses.push(loss(
            Severity::Medium,
            format!(
                "raises errors in fewer places: {} instead of {}",
                is.raises, was.raises
            ),
        ));
    }
    let free: Vec<&String> = was.keeps.difference(&is.keeps).collect();
    if is.is_guard() && is.raises == 0 && !free.is_empty() {
        losses.push(loss(
            Severity::High,
            format!("no longer keeps {} as it was", list(free.into_iter())),
        ));
    }
    let missing: Vec<&String> = was.audits.difference(&is.inserts).collect();
    // A row that goes elsewhere is written down all the same.
    if !missing.is_empty() {
        let severity = if is.inserts.is_empty() {
            Severity::High
        } else {
            Severity::Medium
        };
        losses.push(loss(
            severity,
            format!("no longer writes to {}", list(missing.into_iter())),
        ));
    }
    losses
}

/// A function that triggers call: what it no longer does for them.
pub(super) fn function_losses(
    before: &Function,
    after: &Function,
    syntax: &'static Syntax,
) -> Vec<Loss> {
    let (Some(text), Some(after_text)) = (body(before), body(after)) else {
        return vec![];
    };
    let protection = |text: &str| {
        let effects = effects(text, syntax, &[]);
        Protection {
            raises: effects.raises,
            skips: effects.skips,
            keeps: effects.keeps,
            // Which table the trigger is on, and whether it has transition tables, a function does not know.
            audits: effects.inserts.clone(),
            inserts: effects.inserts,
            upkeep: BTreeSet::new(),
        }
    };
    let (was, is) = (protection(text), protection(after_text));
    does_less(&was, &is)
        .into_iter()
        .map(|(severity, what)| {
            let noun = if was.is_guard() {
                "a guard's function"
            } else {
                "an audit trigger's function"
            };
            (severity, format!("{noun} {what}"))
        })
        .collect()
}

/// What is lost with a trigger that goes, where nothing that comes with the same plan does it instead. `others` are the
/// triggers of the same table that the plan makes.
pub(super) fn lost_with(
    trigger: &Trigger,
    side: Side<'_>,
    others: &[(&Trigger, Side<'_>)],
) -> Option<Protection> {
    let protection = side.protection(trigger);
    if !fires(trigger.enabled) || (!protection.protects() && protection.upkeep.is_empty()) {
        return None;
    }
    let covered = !others.is_empty()
        && trigger.events.iter().all(|event| {
            let alone = Trigger {
                events: Events::from([*event]),
                ..trigger.clone()
            };
            others
                .iter()
                .any(|(other, other_side)| covers(&alone, side, other, *other_side))
        });
    (!covered).then_some(protection)
}

/// Whether another trigger does all that this one did.
fn covers(trigger: &Trigger, side: Side<'_>, other: &Trigger, other_side: Side<'_>) -> bool {
    let (opened, other_opened) = (side.opened(trigger), other_side.opened(other));
    let same_condition = match (&opened.condition, &other_opened.condition) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(condition), Some(other)) => {
            condition == other
                || matches!(opened, Cow::Owned(_)) && side.is_same_condition(condition, other)
        }
    };
    let upkeep = side.protection(trigger).upkeep;
    same_condition
        && fires(other.enabled)
        && trigger.events.is_subset(&other.events)
        && upkeep.is_subset(&other_side.protection(other).upkeep)
        && Weakening {
            before: (trigger, side),
            after: (other, other_side),
            other_condition: false,
        }
        .losses()
        .is_empty()
}

/// The sentence for a protection that goes with its trigger.
pub(super) fn dropped(protection: &Protection, trigger: &Trigger) -> String {
    let events: Vec<String> = trigger
        .events
        .iter()
        .map(|event| event.word().to_owned())
        .collect();
    format!(
        "{} is dropped (it {} on {})",
        protection.noun(),
        protection.does(),
        list(events.iter())
    )
}

/// Whether `after` is `before` with an IF around it: how a condition looks where an engine has none.
fn is_wrapped(before: &str, after: &str, syntax: &Syntax) -> bool {
    let cut = |text: &str| -> Vec<String> {
        tokens(text, syntax)
            .filter(|token| !token.is_blank())
            .map(|token| token.text(text).to_lowercase())
            .collect()
    };
    let (mut inner, outer) = (cut(before), cut(after));
    while inner.last().is_some_and(|word| word == ";") {
        inner.pop();
    }
    // Right behind THEN; at the very start it would be the same body with something after it.
    let follows_then = |at: usize| {
        let (head, _) = outer.split_at_checked(at).unwrap_or_default();
        match head {
            [.., word] if word == "then" => true,
            [.., then, begin] => then == "then" && begin == "begin",
            _ => false,
        }
    };
    !inner.is_empty()
        && outer
            .windows(inner.len())
            .enumerate()
            .any(|(at, window)| window == inner && follows_then(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::MYSQL;

    #[test]
    fn a_condition_around_a_body_is_seen() {
        let body = "IF NEW.a < 0 THEN SIGNAL SQLSTATE '45000'; END IF;";
        let wrapped = |after: &str| is_wrapped(body, after, &MYSQL);
        assert!(wrapped(&format!(
            "BEGIN IF (NEW.b) THEN {body} END IF; END"
        )));
        assert!(wrapped(&format!(
            "IF NEW.b THEN\n  {}\nEND IF",
            body.to_lowercase()
        )));
        assert!(wrapped(&format!(
            "IF (NEW.b) THEN BEGIN {body} END; END IF"
        )));
        assert!(!wrapped(body));
        assert!(!wrapped(&format!("{body} UPDATE t SET a = 1;")));
        assert!(!wrapped(&format!("UPDATE t SET a = 1; {body}")));
        assert!(!wrapped("IF NEW.b THEN SIGNAL SQLSTATE '45000'; END IF;"));
        assert!(!is_wrapped(";", "IF a THEN ; END IF", &MYSQL));
    }
}
