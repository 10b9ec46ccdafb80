//! A `[[trigger]]` as SQLite's triggers, and everything that SQLite cannot do.

use super::Sqlite;
use super::parse::bare_condition;
use crate::dialect::request::{Reader, place};
use crate::dialect::{Lowered, Request, TableKind, inspect};
use crate::error::{Diagnostic, Located};
use crate::model::{
    Action, Condition, Definition, EnabledState, Event, Events, ObjectId, Orientation, Seldom,
    Timing, Trigger, TriggerId,
};
use crate::render::Renderer;
use crate::spec::Fields;
use crate::sql::SQLITE;

/// What may begin a statement in a trigger's body (`trigger_cmd` in `parse.y`).
const STATEMENTS: &[&str] = &[
    "insert", "replace", "update", "delete", "select", "values", "with",
];

pub(super) fn lower(
    request: &Request<'_>,
    renderer: &Renderer,
) -> Result<Vec<Lowered>, Vec<Diagnostic>> {
    let mut reader = Reader::new(&Sqlite, request, renderer);
    let lowered = read(&mut reader);
    match lowered {
        Some(lowered) if reader.problems.is_empty() => Ok(lowered),
        _ => Err(reader.problems),
    }
}

/// The triggers; `None` or problems in the reader where it cannot be.
fn read(reader: &mut Reader<'_>) -> Option<Vec<Lowered>> {
    let request = reader.request;
    refuse_others_fields(reader);
    let name = reader.name(&request.spec.name);
    let old_name = match &request.fields.renamed_from {
        Some(text) => Some(reader.name(text)?),
        None => None,
    };
    let timing = reader.timing();
    let events = reader.events();
    if request.fields.body.is_none() {
        reader.missing("body", "body = \"INSERT INTO …;\"");
    }
    let (name, timing, events) = (name?, timing?, events?);
    let body = request.fields.body.as_ref()?;
    let update_of = reader.update_of();
    check_truncate(reader, events);
    check_table(reader, timing);
    check_reserved(reader, &name);

    let several = events.len() > 1;
    let mut lowered = Vec::with_capacity(events.len());
    for &event in events.iter().filter(|event| **event != Event::Truncate) {
        let id = |name: &str| TriggerId {
            table: request.table.id.clone(),
            name: if several {
                format!("{name}_{}", event.word())
            } else {
                name.to_owned()
            },
        };
        let own = id(&name);
        // Both before either is given up, so that what is wrong with them is reported together.
        let condition = reader.condition(|reader, when| condition(reader, when, &own.name, event));
        let body = statements(reader, body, &own.name, event)?;
        let mut condition = condition?;
        reader.with_bypass(&mut condition)?;
        let trigger = Trigger {
            id: own,
            timing,
            events: Events::from([event]),
            update_of: match event {
                Event::Update => update_of.clone(),
                _ => vec![],
            },
            orientation: Orientation::Row,
            condition: condition.map(Condition::Sql),
            action: Action::Body(body),
            transition_tables: Seldom::default(),
            constraint: None,
            enabled: EnabledState::Origin,
            enabled_on_partitions: Seldom::default(),
            comment: None,
            depends_on_extensions: Seldom::default(),
            verbatim: None,
            creation: None,
            seen: reader.take_seen(),
        };
        lowered.push(Lowered {
            definition: Definition::from(trigger),
            renamed_from: old_name.as_deref().map(|old| ObjectId::Trigger(id(old))),
            generated: false,
            doubts: match event {
                Event::Update => reader.doubts.clone(),
                _ => vec![],
            },
        });
    }
    Some(lowered)
}

/// Refuse what only other dialects have.
fn refuse_others_fields(reader: &mut Reader<'_>) {
    let Fields {
        timing: _,
        events: _,
        update_of: _,
        for_each,
        when: _,
        body: _,
        // SQLite keeps no comments: the description is for the reader of the spec.
        description: _,
        renamed_from: _,
        bypass: _,
        enabled,
        constraint,
        referencing,
        function,
        args,
        shared,
        function_name,
        declare,
        security,
        search_path,
        definer,
        enabled_on,
        depends_on_extensions,
        order,
        sql_mode,
        collation,
    } = reader.request.fields;
    if let Some(for_each) = for_each
        && for_each.value == Orientation::Statement
    {
        reader.refuse(
            "SQLite has no statement-level triggers",
            &for_each.span,
            "use `for_each = \"row\"`, or leave sqlite out of `dialects`",
        );
    }
    if let Some(enabled) = enabled
        && enabled.value != EnabledState::Origin
    {
        reader.refuse(
            "SQLite cannot disable a trigger",
            &enabled.span,
            "leave the trigger out for sqlite with `dialects` instead",
        );
    }
    let body = "write the statements in `body` instead";
    reader.refuse_field(function.as_deref(), "trigger functions", body);
    reader.refuse_field(args.as_deref(), "trigger arguments", body);
    let elsewhere = "put it under the dialect that has it, or leave sqlite out of `dialects`";
    reader.refuse_field(constraint.as_deref(), "constraint triggers", elsewhere);
    reader.refuse_field(referencing.as_deref(), "transition tables", elsewhere);
    reader.refuse_field(shared.as_deref(), "trigger functions", elsewhere);
    reader.refuse_field(function_name.as_deref(), "trigger functions", elsewhere);
    reader.refuse_field(declare.as_deref(), "variables in a trigger", elsewhere);
    let what = "security context of a trigger";
    reader.refuse_field(security.as_deref(), what, elsewhere);
    reader.refuse_field(search_path.as_deref(), "search path", elsewhere);
    reader.refuse_field(enabled_on.as_deref(), "partitions", elsewhere);
    let what = "extensions of that kind";
    reader.refuse_field(depends_on_extensions.as_deref(), what, elsewhere);
    reader.refuse_field(definer.as_deref(), "definer of a trigger", elsewhere);
    reader.refuse_field(order.as_deref(), "order among triggers", elsewhere);
    reader.refuse_field(sql_mode.as_deref(), "`sql_mode`", elsewhere);
    reader.refuse_field(collation.as_deref(), "collation of a trigger", elsewhere);
}

fn check_truncate(reader: &mut Reader<'_>, events: Events) {
    if events.contains(&Event::Truncate) {
        let at = reader.event_span(Event::Truncate);
        reader.refuse(
            "SQLite has no TRUNCATE",
            &at,
            "use `delete`: a DELETE without WHERE fires it for each row",
        );
    }
}

/// Names of SQLite's own begin with `sqlite_` ("object name reserved for internal use").
fn check_reserved(reader: &mut Reader<'_>, name: &str) {
    let reserved = name
        .get(..7)
        .is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"));
    if reserved {
        let at = reader.request.spec.name.span.clone();
        reader.refuse(
            format!("SQLite keeps names such as `{name}` for itself"),
            &at,
            "choose a name that does not begin with `sqlite_`",
        );
    }
}

fn check_table(reader: &mut Reader<'_>, timing: Timing) {
    let request = reader.request;
    let table = &request.table.id.name;
    let at = reader.span_of(reader.request.fields.timing.as_ref());
    let kind = request.table.facts.as_ref().map(|facts| facts.kind);
    match (kind, timing) {
        (Some(TableKind::Virtual), _) => reader.refuse(
            format!("`{table}` is a virtual table: SQLite has no triggers on those"),
            &request.spec.span,
            "put the trigger on an ordinary table, or leave this one out with `exclude`",
        ),
        (Some(TableKind::View), Timing::Before | Timing::After) => reader.refuse(
            format!(
                "`{table}` is a view: SQLite has no {} triggers on views",
                timing.keyword()
            ),
            &at,
            "use `timing = \"instead_of\"`",
        ),
        (Some(TableKind::Table), Timing::InsteadOf) => reader.refuse(
            format!("`{table}` is a table: INSTEAD OF triggers are for views"),
            &at,
            "use `timing = \"before\"` or `timing = \"after\"`",
        ),
        _ => {}
    }
    if table
        .get(..7)
        .is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"))
    {
        reader.refuse(
            format!("`{table}` is SQLite's own: it takes no triggers"),
            &request.spec.span,
            "put the trigger on another table",
        );
    }
}

fn condition(
    reader: &mut Reader<'_>,
    when: &Located<String>,
    trigger: &str,
    event: Event,
) -> Option<String> {
    let sql = reader.sql(when, trigger, Some(event))?;
    let check = inspect::check_condition(&sql, &SQLITE);
    if !reader.sound("when", when, &sql, check) {
        return None;
    }
    check_rows(reader, when, &sql, event);
    Some(bare_condition(&sql).to_owned())
}

/// SQLite takes a wrong OLD or NEW when it creates the trigger, and fails when it fires.
fn check_rows(reader: &mut Reader<'_>, when: &Located<String>, sql: &str, event: Event) {
    let (row, missing) = match event {
        Event::Insert => ("old", "OLD"),
        Event::Delete => ("new", "NEW"),
        Event::Update | Event::Truncate => return,
    };
    // A subquery may give a table that name: then it is for the engine to say.
    if inspect::keyword(sql, &SQLITE, "select").is_some() {
        return;
    }
    let read = inspect::row_columns(sql, &SQLITE, row);
    // Without a column after it, it may be a column of that name.
    if let Some((Some(_), range)) = read.into_iter().find(|(column, _)| column.is_some()) {
        let at = place(when, sql, range);
        reader.refuse(
            format!("{} has no {missing} row in `when`", event.keyword()),
            &at,
            format!("write another condition for it: `{{% if event == \"{}\" %}}`, or a trigger of its own", event.word()),
        );
    }
}

fn statements(
    reader: &mut Reader<'_>,
    body: &Located<String>,
    trigger: &str,
    event: Event,
) -> Option<String> {
    let sql = reader.sql(body, trigger, Some(event))?;
    let check = inspect::check_text(&sql, &SQLITE);
    if !reader.sound("body", body, &sql, check) {
        return None;
    }
    let mut sound = true;
    for (word, range) in inspect::statement_starts(&sql, &SQLITE) {
        let known = STATEMENTS
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known));
        if known {
            continue;
        }
        sound = false;
        let at = place(body, &sql, range);
        if word.eq_ignore_ascii_case("end") {
            reader.refuse(
                "END would end the trigger here",
                &at,
                "`body` is what stands between BEGIN and END, without these two words",
            );
        } else if word.eq_ignore_ascii_case("begin") {
            reader.refuse(
                "SQLite has no blocks in a trigger's body",
                &at,
                "`body` is what stands between BEGIN and END, without these two words",
            );
        } else {
            let shown: String = word.chars().take(20).collect();
            reader.refuse(
                format!("a SQLite trigger cannot hold a statement that begins with `{shown}`"),
                &at,
                "it holds INSERT, UPDATE, DELETE and SELECT only; put a condition in `when`, and `SELECT RAISE(ABORT, 'message')` stops a change",
            );
        }
    }
    sound.then_some(sql)
}
