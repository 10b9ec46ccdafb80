//! A constraint trigger is a constraint of its table as well, of the same name (PostgreSQL). Renaming the trigger leaves the
//! constraint its old name: until that is free, no other trigger of the name can be made, though none has it.

use std::collections::BTreeSet;

use super::Change;
use crate::db::{Database, Taken};
use crate::error::{Diagnostic, Error, Kind};
use crate::model::{Definition, Trigger, TriggerId};

/// Refuse to make constraint triggers whose constraints have names that are taken, by what stays as it is.
pub(super) fn refuse_taken(changes: &[Change], database: &mut dyn Database) -> Result<(), Error> {
    let made: Vec<TriggerId> = changes.iter().filter_map(made).collect();
    if made.is_empty() {
        return Ok(());
    }
    let freed: BTreeSet<&TriggerId> = changes.iter().filter_map(freed).collect();
    let taken = database.constraints(&made)?;
    let stays = |taken: &&Taken| match &taken.trigger {
        Some(trigger) => !freed.contains(trigger),
        None => true,
    };
    let diagnostics: Vec<Diagnostic> = taken.iter().filter(stays).map(refusal).collect();
    if diagnostics.is_empty() {
        return Ok(());
    }
    Err(Error {
        kind: Kind::Refused,
        diagnostics,
    })
}

fn refusal(taken: &Taken) -> Diagnostic {
    let Taken { wanted, trigger } = taken;
    let (name, table) = (&wanted.name, &wanted.table);
    let diagnostic = Diagnostic::new(format!(
        "the constraint trigger `{name}` on {table} cannot be made: the table has a constraint of this name"
    ));
    match trigger {
        Some(other) => diagnostic
            .note(format!(
                "it is that of the trigger `{0}`: ALTER TRIGGER … RENAME leaves the constraint its name. Was `{0}` renamed by hand?",
                other.name
            ))
            .help(format!(
                "rename that trigger back, or take it over with `renamed_from = \"{}\"` and `--adopt`",
                other.name
            ))
            .help("or, to have both, give its constraint another name: ALTER TABLE … RENAME CONSTRAINT"),
        None => diagnostic.help("give one of the two another name"),
    }
}

/// The constraint trigger that a change makes, or makes again.
fn made(change: &Change) -> Option<TriggerId> {
    let after = trigger(change.after.as_ref())?;
    let is_made = !change.statements.is_empty()
        && after.constraint.is_some()
        && trigger(change.before.as_ref()).is_none_or(|before| is_made_again(before, after));
    is_made.then(|| after.id.clone())
}

/// The trigger that a change drops, if only to make it again.
fn freed(change: &Change) -> Option<&TriggerId> {
    let before = trigger(change.before.as_ref())?;
    let is_dropped = !change.statements.is_empty()
        && trigger(change.after.as_ref()).is_none_or(|after| is_made_again(before, after));
    is_dropped.then_some(&before.id)
}

/// Whether more differs than what ALTER and COMMENT can say of a constraint trigger.
fn is_made_again(before: &Trigger, after: &Trigger) -> bool {
    let alike = Trigger {
        enabled: after.enabled,
        enabled_on_partitions: after.enabled_on_partitions.clone(),
        comment: after.comment.clone(),
        depends_on_extensions: after.depends_on_extensions.clone(),
        verbatim: after.verbatim.clone(),
        creation: after.creation.clone(),
        seen: after.seen.clone(),
        ..before.clone()
    };
    alike != *after
}

fn trigger(definition: Option<&Definition>) -> Option<&Trigger> {
    match definition {
        Some(Definition::Trigger(trigger)) => Some(trigger),
        _ => None,
    }
}
