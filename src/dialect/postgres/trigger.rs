//! DDL about triggers, with the weakest lock that does the job.

use minijinja::{Value, context};

use crate::dialect::script::Script;
use crate::dialect::{Ddl, LockMode, Server, inspect, qualified, texts, unread, value};
use crate::error::Error;
use crate::model::{
    Action, Condition, Constraint, Deferral, EnabledState, ObjectId, Orientation, TableId, Trigger,
    TriggerId,
};
use crate::render::Renderer;
use crate::sql::POSTGRES;

/// CREATE TRIGGER, and ALTER TABLE … ENABLE and DISABLE TRIGGER.
const CREATE: Option<LockMode> = Some(LockMode::ShareRowExclusive);
/// DROP TRIGGER and ALTER TRIGGER.
const DROP: Option<LockMode> = Some(LockMode::AccessExclusive);
/// COMMENT ON TRIGGER.
const COMMENT: Option<LockMode> = Some(LockMode::AccessShare);

/// CREATE OR REPLACE TRIGGER came with PostgreSQL 14.
const OR_REPLACE_SINCE: u32 = 14;

pub(super) fn create(trigger: &Trigger, renderer: &Renderer) -> Result<Ddl, Error> {
    let mut script = script(trigger, renderer);
    create_whole(&mut script, trigger)?;
    Ok(script.finish())
}

pub(super) fn drop(trigger: &Trigger, renderer: &Renderer) -> Result<Ddl, Error> {
    let mut script = script(trigger, renderer);
    script.add("drop_trigger.sql", name_and_table(trigger), DROP)?;
    Ok(script.finish())
}

pub(super) fn alter(
    before: &Trigger,
    after: &Trigger,
    renderer: &Renderer,
    server: Server,
) -> Result<Ddl, Error> {
    let mut script = script(after, renderer);
    let redefined = redefined(before, after);
    let replaceable = server.major >= OR_REPLACE_SINCE
        && before.constraint.is_none()
        && after.constraint.is_none()
        && before.id.table == after.id.table;
    // ALTER TRIGGER leaves the constraint of a constraint trigger its name, which the next trigger of that name then cannot have.
    let renamed_constraint = before.constraint.is_some() && before.id.name != after.id.name;
    if renamed_constraint || redefined && !replaceable {
        script.add("drop_trigger.sql", name_and_table(before), DROP)?;
        create_whole(&mut script, after)?;
        return Ok(script.finish());
    }

    if before.id.name != after.id.name {
        let context = context! {
            name => before.id.name.as_str(),
            new_name => after.id.name.as_str(),
            table => value(&before.id.table),
        };
        script.add("rename_trigger.sql", context, DROP)?;
    }
    if redefined {
        create_trigger(&mut script, after, true)?;
    }
    // OR REPLACE resets the state to origin, on the partitions as well.
    let (state, on_partitions) = if redefined {
        (EnabledState::Origin, after.enabled_on_partitions.is_empty())
    } else {
        (
            before.enabled,
            before.enabled_on_partitions == after.enabled_on_partitions,
        )
    };
    if state != after.enabled || !on_partitions {
        set_states(&mut script, after)?;
    }
    // OR REPLACE drops the dependencies on extensions, and keeps the comment.
    for extension in &before.depends_on_extensions {
        if !redefined && !after.depends_on_extensions.contains(extension) {
            depend(&mut script, after, extension, false)?;
        }
    }
    for extension in &after.depends_on_extensions {
        if redefined || !before.depends_on_extensions.contains(extension) {
            depend(&mut script, after, extension, true)?;
        }
    }
    if before.comment != after.comment {
        comment(&mut script, after)?;
    }
    Ok(script.finish())
}

/// Whether anything differs that only CREATE TRIGGER can say.
fn redefined(before: &Trigger, after: &Trigger) -> bool {
    let Trigger {
        id,
        timing,
        events,
        update_of,
        orientation,
        condition,
        action,
        transition_tables,
        constraint,
        enabled: _,
        enabled_on_partitions: _,
        comment: _,
        depends_on_extensions: _,
        verbatim: _,
        creation: _,
        seen: _,
    } = before;
    let sorted = |columns: &[String]| {
        let mut columns = columns.to_vec();
        columns.sort();
        columns
    };
    id.table != after.id.table
        || *timing != after.timing
        || *events != after.events
        || sorted(update_of) != sorted(&after.update_of)
        || *orientation != after.orientation
        || *condition != after.condition
        || *action != after.action
        || *transition_tables != after.transition_tables
        || *constraint != after.constraint
}

fn script<'a>(trigger: &Trigger, renderer: &'a Renderer) -> Script<'a> {
    Script::new(renderer, ObjectId::Trigger(trigger.id.clone()))
}

/// The trigger with all that CREATE TRIGGER does not say.
fn create_whole(script: &mut Script<'_>, trigger: &Trigger) -> Result<(), Error> {
    create_trigger(script, trigger, false)?;
    if trigger.enabled != EnabledState::Origin || !trigger.enabled_on_partitions.is_empty() {
        set_states(script, trigger)?;
    }
    for extension in &trigger.depends_on_extensions {
        depend(script, trigger, extension, true)?;
    }
    if trigger.comment.is_some() {
        comment(script, trigger)?;
    }
    Ok(())
}

fn create_trigger(
    script: &mut Script<'_>,
    trigger: &Trigger,
    or_replace: bool,
) -> Result<(), Error> {
    let Trigger {
        id,
        timing,
        events,
        update_of,
        orientation,
        condition,
        action,
        transition_tables,
        constraint,
        enabled: _,
        enabled_on_partitions: _,
        comment: _,
        depends_on_extensions: _,
        verbatim: _,
        creation: _,
        seen: _,
    } = trigger;
    let Action::Call {
        function,
        arguments,
    } = action
    else {
        return Err(Error::failed(format!(
            "{id} has a body of its own, and PostgreSQL's triggers call functions"
        )));
    };
    let condition = match condition {
        None => None,
        Some(Condition::Sql(sql)) => Some(inspect::closed(sql, &POSTGRES).into_owned()),
        Some(Condition::Unread) => return Err(unread(id)),
    };
    let context = context! {
        or_replace,
        name => id.name.as_str(),
        table => value(&id.table),
        timing => timing.keyword(),
        events => events.iter().map(|event| event.keyword()).collect::<Value>(),
        update_of => texts(update_of),
        orientation => match orientation {
            Orientation::Row => "ROW",
            Orientation::Statement => "STATEMENT",
        },
        condition,
        old_table => transition_tables.old.as_deref(),
        new_table => transition_tables.new.as_deref(),
        constraint => constraint.as_deref().map(describe),
        function => qualified(&function.schema, &function.name),
        arguments => texts(arguments),
    };
    script.add("create_trigger.sql", context, CREATE)
}

fn describe(constraint: &Constraint) -> Value {
    let Constraint { deferral, from } = constraint;
    context! {
        from => from.as_ref().map(value),
        deferral => match deferral {
            Deferral::NotDeferrable => "NOT DEFERRABLE",
            Deferral::InitiallyImmediate => "DEFERRABLE INITIALLY IMMEDIATE",
            Deferral::InitiallyDeferred => "DEFERRABLE INITIALLY DEFERRED",
        },
    }
}

/// The state of the trigger, then those of the partitions where it differs: on a partitioned table ALTER TABLE sets the
/// partitions' clones as well.
fn set_states(script: &mut Script<'_>, trigger: &Trigger) -> Result<(), Error> {
    set_state(script, &trigger.id, trigger.enabled, None)?;
    for (partition, state) in &trigger.enabled_on_partitions {
        set_state(script, &trigger.id, *state, Some(partition))?;
    }
    Ok(())
}

fn set_state(
    script: &mut Script<'_>,
    id: &TriggerId,
    state: EnabledState,
    partition: Option<&TableId>,
) -> Result<(), Error> {
    let context = context! {
        table => value(partition.unwrap_or(&id.table)),
        name => id.name.as_str(),
        // A partition may have partitions, whose states are their own.
        only => partition.is_some(),
        state => match state {
            EnabledState::Origin => "origin",
            EnabledState::Disabled => "disabled",
            EnabledState::Replica => "replica",
            EnabledState::Always => "always",
        },
    };
    script.add("enable_trigger.sql", context, CREATE)
}

fn depend(
    script: &mut Script<'_>,
    trigger: &Trigger,
    extension: &str,
    depends: bool,
) -> Result<(), Error> {
    let context = context! { extension, depends, ..name_and_table(trigger) };
    script.add("depends_trigger.sql", context, DROP)
}

fn comment(script: &mut Script<'_>, trigger: &Trigger) -> Result<(), Error> {
    let context = context! { comment => trigger.comment.as_deref(), ..name_and_table(trigger) };
    script.add("comment_trigger.sql", context, COMMENT)
}

fn name_and_table(trigger: &Trigger) -> Value {
    context! { name => trigger.id.name.as_str(), table => value(&trigger.id.table) }
}
