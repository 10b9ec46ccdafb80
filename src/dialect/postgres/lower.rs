//! A `[[trigger]]` as a PostgreSQL trigger and, where it has a body of its own, the function that holds it.

use std::collections::BTreeMap;

use minijinja::context;

use super::names::{LONGEST, generated_function, shared_function};
use super::shared::{check_name, check_schema, comment_text, extensions, plain, search_path};
use super::{Postgres, refuse};
use crate::dialect::request::Reader;
use crate::dialect::{Beside, Lowered, Request, inspect};
use crate::error::{Diagnostic, Located};
use crate::model::{
    Action, Condition, Constraint, Definition, EnabledState, Event, Events, Function, FunctionId,
    ObjectId, Orientation, Timing, TransitionTables, Trigger, TriggerId,
};
use crate::render::Renderer;
use crate::spec::{ConstraintSpec, Fields, ReferencingSpec, TableRef};
use crate::sql::POSTGRES;

pub(super) fn lower(
    request: &Request<'_>,
    renderer: &Renderer,
) -> Result<Vec<Lowered>, Vec<Diagnostic>> {
    let mut reader = Reader::new(&Postgres, request, renderer);
    let lowered = read(&mut reader);
    match lowered {
        Some(lowered) if reader.problems.is_empty() => Ok(lowered),
        _ => Err(reader.problems),
    }
}

/// What decides when the trigger fires; gathered first, because most rules are about combinations of it.
pub(super) struct Firing {
    pub(super) timing: Timing,
    pub(super) events: Events,
    pub(super) orientation: Orientation,
}

impl Firing {
    /// The event, where there is only one.
    fn only_event(&self) -> Option<Event> {
        match self.events.len() {
            1 => self.events.first().copied(),
            _ => None,
        }
    }
}

/// The objects; `None` or problems in the reader where it cannot be.
#[allow(clippy::too_many_lines)] // One field after the other, all of them in sight.
fn read(reader: &mut Reader<'_>) -> Option<Vec<Lowered>> {
    let request = reader.request;
    let Fields {
        timing: _,
        events: _,
        update_of: _,
        for_each,
        // See `Reader::condition`.
        when: _,
        description,
        renamed_from,
        bypass: _,
        enabled,
        constraint,
        referencing,
        args,
        shared: _,
        // The function, and what a generated one is made of: see `called` and `generated`.
        function: _,
        body: _,
        function_name: _,
        declare: _,
        security: _,
        search_path: _,
        enabled_on,
        depends_on_extensions,
        definer,
        order,
        sql_mode,
        collation,
    } = request.fields;

    reader.refuse_field(
        definer.as_deref(),
        "definer of a trigger",
        "use `security = \"definer\"` under `[trigger.postgres]`",
    );
    reader.refuse_field(
        order.as_deref(),
        "order among triggers but that of their names",
        "choose the name so that it sorts where it is to fire",
    );
    let elsewhere = "put it under `[trigger.mysql]`";
    reader.refuse_field(sql_mode.as_deref(), "`sql_mode`", elsewhere);
    reader.refuse_field(collation.as_deref(), "collation of a trigger", elsewhere);
    let name = reader.name(&request.spec.name);
    let old_name = match renamed_from {
        Some(text) => Some(reader.name(text)?),
        None => None,
    };
    let timing = reader.timing();
    let events = reader.events();
    let (name, timing, events) = (name?, timing?, events?);
    check_name("trigger", &name, &request.spec.name, &mut reader.problems);
    let firing = Firing {
        timing,
        events,
        orientation: for_each
            .as_ref()
            .map_or(Orientation::Row, |for_each| for_each.value),
    };
    let update_of = reader.update_of();
    refuse::impossible(reader, &firing);

    // Where it cannot be read, that is among the reader's problems.
    let mut condition = reader
        .condition(|reader, when| condition(reader, when, &name, &firing))
        .flatten();
    // What fires in place of the event has no condition: the function asks.
    if firing.timing != Timing::InsteadOf {
        reader.with_bypass(&mut condition)?;
    }
    let arguments = match args {
        Some(args) => arguments(reader, args, &name)?,
        None => vec![],
    };
    let seen = reader.take_seen();
    let enabled = enabled
        .as_ref()
        .map_or(EnabledState::Origin, |enabled| enabled.value);
    let on_partitions = match enabled_on {
        Some(states) => refuse::enabled_on(reader, states, enabled, &firing),
        None => BTreeMap::new(),
    };
    let (called, generated) = called(reader, &name, old_name.as_deref(), &firing)?;
    let trigger = Trigger {
        id: TriggerId {
            table: request.table.id.clone(),
            name,
        },
        timing: firing.timing,
        events: firing.events,
        update_of,
        orientation: firing.orientation,
        condition: condition.map(Condition::Sql),
        action: Action::Call {
            function: called,
            arguments,
        },
        transition_tables: transition_tables(reader, referencing.as_deref()).into(),
        constraint: constraint
            .as_ref()
            .map(|constraint| Box::new(resolved(&constraint.value, request.beside))),
        enabled,
        enabled_on_partitions: on_partitions.into(),
        comment: comment_text(description.as_deref()),
        depends_on_extensions: extensions(depends_on_extensions.as_deref()).into(),
        verbatim: None,
        creation: None,
        seen,
    };
    let renamed_from = old_name.map(|name| {
        ObjectId::Trigger(TriggerId {
            table: request.table.id.clone(),
            name,
        })
    });
    let trigger = Lowered {
        definition: Definition::from(trigger),
        renamed_from,
        generated: false,
        doubts: vec![],
    };
    // Exactly as many as there are: all of them are in memory together.
    Some(match generated {
        Some(generated) => vec![generated, trigger],
        None => vec![trigger],
    })
}

/// The function that the trigger calls and, where it holds the trigger's body, what it is to be.
fn called(
    reader: &mut Reader<'_>,
    trigger: &str,
    old_trigger: Option<&str>,
    firing: &Firing,
) -> Option<(FunctionId, Option<Lowered>)> {
    let request = reader.request;
    if let Some(function) = &request.fields.function {
        let id = request.beside.function(&function.value);
        check_name("function", &id.name, function, &mut reader.problems);
        check_schema(&id, function, &mut reader.problems);
        if let Some(bypass) = &request.fields.bypass
            && firing.timing == Timing::InsteadOf
        {
            reader.refuse(
                "an INSTEAD OF trigger that calls a `function` cannot be bypassed",
                &bypass.span,
                "it has no condition: ask for `current_setting` in the function",
            );
        }
        return Some((id, None));
    }
    let function = generated(reader, trigger, firing)?;
    let id = function.id.clone();
    let old_name = match (&request.fields.renamed_from, old_trigger) {
        _ if request.fields.function_name.is_some() => None,
        (Some(template), _) if is_shared(request) => shared_function(&template.value),
        (_, old) => old.map(|old| generated_function(&request.table.id.name, old)),
    };
    let old_id = old_name.map(|name| FunctionId {
        schema: id.schema.clone(),
        name,
    });
    let lowered = Lowered {
        definition: Definition::from(function),
        renamed_from: old_id.filter(|old| *old != id).map(ObjectId::Function),
        generated: true,
        doubts: vec![],
    };
    Some((id, Some(lowered)))
}

/// The arguments; those of a shared function are templates, for they are where it differs from table to table.
fn arguments(
    reader: &mut Reader<'_>,
    args: &Located<Vec<Located<String>>>,
    trigger: &str,
) -> Option<Vec<String>> {
    let is_shared = is_shared(reader.request);
    args.value
        .iter()
        .map(|text| {
            if is_shared {
                reader.text(text, trigger)
            } else {
                Some(text.value.clone())
            }
        })
        .collect()
}

fn is_shared(request: &Request<'_>) -> bool {
    let shared = request.fields.shared.as_ref();
    shared.is_some_and(|shared| shared.value)
}

fn resolved(constraint: &ConstraintSpec, beside: &Beside) -> Constraint {
    let ConstraintSpec { deferral, from } = constraint;
    Constraint {
        deferral: *deferral,
        from: from.as_ref().map(|from| beside.table(&from.value).0),
    }
}

fn function_id(name: &TableRef, schema: &str) -> FunctionId {
    FunctionId {
        schema: name.schema.clone().unwrap_or_else(|| schema.to_owned()),
        name: name.name.clone(),
    }
}

fn transition_tables(
    reader: &mut Reader<'_>,
    referencing: Option<&Located<ReferencingSpec>>,
) -> TransitionTables {
    let Some(referencing) = referencing else {
        return TransitionTables::default();
    };
    let ReferencingSpec {
        old_table,
        new_table,
    } = &referencing.value;
    for table in [old_table, new_table].into_iter().flatten() {
        check_name(
            "transition table",
            &table.value,
            table,
            &mut reader.problems,
        );
    }
    let name = |table: &Option<Located<String>>| table.as_ref().map(|table| table.value.clone());
    TransitionTables {
        old: name(old_table),
        new: name(new_table),
    }
}

fn condition(
    reader: &mut Reader<'_>,
    when: &Located<String>,
    trigger: &str,
    firing: &Firing,
) -> Option<String> {
    let sql = reader.sql(when, trigger, firing.only_event())?;
    let check = inspect::check_condition(&sql, &POSTGRES);
    if !reader.sound("when", when, &sql, check) {
        return None;
    }
    refuse::wrong_condition(reader, when, &sql, firing);
    Some(sql.trim().to_owned())
}

/// The function that holds the trigger's body.
fn generated(reader: &mut Reader<'_>, trigger: &str, firing: &Firing) -> Option<Function> {
    let request = reader.request;
    let table = &request.table.id;
    let id = match &request.fields.function_name {
        Some(name) => {
            check_name("function", &name.value.name, name, &mut reader.problems);
            function_id(&name.value, &table.schema)
        }
        None if is_shared(request) => {
            let Some(name) = shared_function(&request.spec.name.value) else {
                reader.refuse(
                    "the trigger's name says nothing that a shared function could be named after",
                    &request.spec.name.span,
                    "add `function_name = \"…\"` under `[trigger.postgres]`",
                );
                return None;
            };
            FunctionId {
                schema: table.schema.clone(),
                name,
            }
        }
        None => FunctionId {
            schema: table.schema.clone(),
            name: generated_function(&table.name, trigger),
        },
    };
    debug_assert!(request.fields.function_name.is_some() || id.name.len() <= LONGEST);
    let Some(body) = &request.fields.body else {
        reader.missing(
            "body",
            "body = \"…\"` or `function = \"…\"` under `[trigger.postgres]",
        );
        return None;
    };
    let event = firing.only_event();
    let text = reader.sql(body, trigger, event);
    let declare = match &request.fields.declare {
        Some(declare) => Some((declare, reader.sql(declare, trigger, event)?)),
        None => None,
    };
    let text = text?;
    let check = inspect::check_text(&text, &POSTGRES);
    let mut sound = reader.sound("body", body, &text, check);
    if let Some((field, declare)) = &declare {
        let check = inspect::check_text(declare, &POSTGRES);
        sound &= reader.sound("declare", field, declare, check);
    }
    if !sound {
        return None;
    }
    refuse::unseen_columns(reader, body, &text);
    if let Some((field, declare)) = &declare {
        refuse::unseen_columns(reader, field, declare);
    }
    let bypass = request.fields.bypass.as_ref();
    let bypass = bypass.filter(|_| firing.timing == Timing::InsteadOf);
    let context = context! {
        declare => declare.map(|(_, declare)| inspect::statements(&declare, &POSTGRES)),
        body => inspect::statements(&text, &POSTGRES),
        returns => returns(firing),
        bypass => bypass.map(|setting| setting.value.as_str()),
    };
    let source = match reader.renderer.text("function_body.sql", context) {
        Ok(source) => source,
        Err(error) => {
            let note = format!("while rendering the function of trigger `{trigger}` on `{table}`");
            reader.problems.extend(error.note(note).diagnostics);
            return None;
        }
    };
    let mut function = plain(id, "plpgsql", source);
    function.seen = reader.take_seen();
    if let Some(security) = &request.fields.security {
        function.security = security.value;
    }
    if let Some(path) = &request.fields.search_path {
        function.settings.push(search_path(path));
    }
    Some(function)
}

/// What a body falls through to: the row that goes on for BEFORE and INSTEAD OF row triggers; the others return nothing
/// that anyone looks at.
fn returns(firing: &Firing) -> &'static str {
    let keeps_row = firing.orientation == Orientation::Row
        && matches!(firing.timing, Timing::Before | Timing::InsteadOf);
    if !keeps_row {
        return "NULL";
    }
    match (firing.events.contains(&Event::Delete), firing.events.len()) {
        (false, _) => "NEW",
        (true, 1) => "OLD",
        (true, _) => "new_or_old",
    }
}
