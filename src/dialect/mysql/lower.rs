//! A `[[trigger]]` as the triggers of MySQL and MariaDB, and everything that they cannot do.

use minijinja::context;

use super::{Mysql, check, modes};
use crate::dialect::request::Reader;
use crate::dialect::{Dialect, Lowered, Request, TableKind, inspect, texts};
use crate::error::{Diagnostic, Located};
use crate::model::{
    Action, Creation, Definition, EnabledState, Event, Events, ObjectId, Orientation, Place,
    Seldom, Timing, Trigger, TriggerId,
};
use crate::render::Renderer;
use crate::spec::{Fields, OrderSpec};
use crate::sql::Syntax;

/// Characters of a trigger's name (the manuals, "identifier length limits").
const LONGEST_NAME: usize = 64;

pub(super) fn lower(
    request: &Request<'_>,
    renderer: &Renderer,
) -> Result<Vec<Lowered>, Vec<Diagnostic>> {
    let mut reader = Reader::new(&Mysql, request, renderer);
    let lowered = read(&mut reader);
    match lowered {
        Some(lowered) if reader.problems.is_empty() => Ok(lowered),
        doubtful => {
            // What else is wrong is said at once.
            let doubts = doubtful.into_iter().flatten().flat_map(|it| it.doubts);
            reader.problems.extend(doubts.chain(reader.doubts));
            Err(reader.problems)
        }
    }
}

/// The triggers; `None` or problems in the reader where it cannot be.
#[expect(
    clippy::too_many_lines,
    reason = "one field after the other, all of them in sight"
)]
fn read(reader: &mut Reader<'_>) -> Option<Vec<Lowered>> {
    let request = reader.request;
    let Fields {
        timing: _,
        events: _,
        update_of: _,
        for_each: _,
        // See `Reader::condition`.
        when: _,
        body,
        // There is no COMMENT ON TRIGGER: the description is for the reader of the spec.
        description: _,
        renamed_from,
        bypass: _,
        enabled: _,
        constraint: _,
        referencing: _,
        function: _,
        args: _,
        shared: _,
        function_name: _,
        declare: _,
        security: _,
        search_path: _,
        enabled_on: _,
        depends_on_extensions: _,
        definer,
        order,
        sql_mode,
        collation,
    } = request.fields;
    refuse_fields(reader, request.fields);

    let name = reader.name(&request.spec.name);
    let old_name = renamed_from.as_ref().map(|text| reader.name(text));
    let timing = reader.timing();
    let events = reader.events();
    if body.is_none() {
        reader.missing("body", "body = \"INSERT INTO …;\"");
    }
    let (name, timing, events, body) = (name?, timing?, events?, body.as_ref()?);
    let update_of = reader.update_of();
    check_events(reader, timing, events);
    check_table(reader, timing);
    let sql_mode = match sql_mode {
        Some(mode) => Some(modes::read(reader, mode)?),
        None => None,
    };
    let creation = Creation {
        sql_mode,
        collation_connection: collation.as_ref().map(|collation| collation.value.clone()),
        ..creation(definer.as_deref(), order.as_deref())
    };
    let syntax = Mysql.syntax_of(&creation);

    let mut lowered = Vec::with_capacity(events.len());
    let several = events.len() > 1;
    for &event in events.iter().filter(|event| **event != Event::Truncate) {
        let name_of = |name: &str| {
            if several {
                format!("{name}_{}", event.word())
            } else {
                name.to_owned()
            }
        };
        let id = |name: &str| TriggerId {
            table: request.table.id.clone(),
            name: name_of(name),
        };
        let id_now = id(&name);
        check_name(reader, &id_now.name);
        let condition =
            reader.condition(|reader, when| condition(reader, when, &id_now.name, event, &syntax));
        let body = check::statements(reader, body, &id_now.name, (timing, event), &syntax);
        let body = body?;
        let mut condition = condition?;
        reader.with_bypass(&mut condition)?;
        let columns = if event == Event::Update {
            update_of.as_slice()
        } else {
            &[]
        };
        let body = guarded(reader, body, condition, columns, &syntax)?;
        let renamed_from = match &old_name {
            Some(Some(old)) => Some(ObjectId::Trigger(id(old))),
            _ => None,
        };
        lowered.push(Lowered {
            definition: Definition::from(Trigger {
                id: id_now,
                timing,
                events: Events::from([event]),
                // Both stand in the body, as an IF.
                update_of: vec![],
                condition: None,
                orientation: Orientation::Row,
                action: Action::Body(body),
                transition_tables: Seldom::default(),
                constraint: None,
                enabled: EnabledState::Origin,
                enabled_on_partitions: Seldom::default(),
                comment: None,
                depends_on_extensions: Seldom::default(),
                verbatim: None,
                creation: Some(Box::new(creation.clone())),
                seen: reader.take_seen(),
            }),
            renamed_from,
            generated: false,
            doubts: std::mem::take(&mut reader.doubts),
        });
    }
    Some(lowered)
}

/// What these engines lack, each with the way out.
fn refuse_fields(reader: &mut Reader<'_>, fields: &Fields) {
    if let Some(for_each) = &fields.for_each
        && for_each.value == Orientation::Statement
    {
        reader.refuse(
            "MySQL has no statement-level triggers",
            &for_each.span,
            "use `for_each = \"row\"`, or leave mysql out of `dialects`",
        );
    }
    if let Some(enabled) = &fields.enabled
        && enabled.value != EnabledState::Origin
    {
        reader.refuse(
            "MySQL cannot disable a trigger",
            &enabled.span,
            "leave the trigger out for mysql with `dialects` instead",
        );
    }
    let elsewhere = "put it under the dialect that has it, or leave mysql out of `dialects`";
    let body = "write the statements in `body` instead";
    reader.refuse_field(
        fields.constraint.as_deref(),
        "constraint triggers",
        elsewhere,
    );
    reader.refuse_field(
        fields.referencing.as_deref(),
        "transition tables",
        elsewhere,
    );
    reader.refuse_field(fields.function.as_deref(), "trigger functions", body);
    reader.refuse_field(fields.args.as_deref(), "trigger arguments", body);
    reader.refuse_field(fields.shared.as_deref(), "trigger functions", elsewhere);
    reader.refuse_field(
        fields.function_name.as_deref(),
        "trigger functions",
        elsewhere,
    );
    reader.refuse_field(
        fields.declare.as_deref(),
        "place for variables before BEGIN",
        "begin the `body` with DECLARE instead",
    );
    reader.refuse_field(
        fields.security.as_deref(),
        "choice of security for a trigger: it always runs with its definer's rights",
        "name the `definer` in `[trigger.mysql]`",
    );
    reader.refuse_field(fields.search_path.as_deref(), "search path", elsewhere);
    let what = "state of a trigger on each partition";
    reader.refuse_field(fields.enabled_on.as_deref(), what, elsewhere);
    let what = "extensions that a trigger could depend on";
    reader.refuse_field(fields.depends_on_extensions.as_deref(), what, elsewhere);
}

fn creation(definer: Option<&Located<String>>, order: Option<&Located<OrderSpec>>) -> Creation {
    let place = order.map(|order| match &order.value {
        OrderSpec::Follows(name) => Place::Follows(name.clone()),
        OrderSpec::Precedes(name) => Place::Precedes(name.clone()),
    });
    let definer = definer
        .map(|definer| definer.value.clone())
        // Whoever creates it, which is what is done without a definer.
        .filter(|definer| {
            !matches!(
                definer.to_ascii_lowercase().as_str(),
                "current_user" | "current_user()"
            )
        });
    Creation {
        definer,
        place,
        ..Creation::default()
    }
}

fn check_events(reader: &mut Reader<'_>, timing: Timing, events: Events) {
    if events.contains(&Event::Truncate) {
        let at = reader.event_span(Event::Truncate);
        reader.refuse(
            "MySQL fires no triggers on TRUNCATE",
            &at,
            "use `delete` and empty the table with DELETE, or leave mysql out of `dialects`",
        );
    }
    if timing == Timing::InsteadOf {
        let at = reader.span_of(reader.request.fields.timing.as_ref());
        reader.refuse(
            "MySQL has no INSTEAD OF triggers",
            &at,
            "use `timing = \"before\"` on the table below the view, or leave mysql out of `dialects`",
        );
    }
}

fn check_table(reader: &mut Reader<'_>, timing: Timing) {
    let table = &reader.request.table;
    let kind = table.facts.as_ref().map(|facts| facts.kind);
    if kind == Some(TableKind::View) && timing != Timing::InsteadOf {
        let message = format!(
            "`{}` is a view: MySQL has no triggers on views",
            table.id.name
        );
        let at = reader.request.spec.span.clone();
        reader.refuse(message, &at, "put the trigger on the table below it");
    }
}

fn check_name(reader: &mut Reader<'_>, name: &str) {
    let length = name.chars().count();
    let at = reader.request.spec.name.span.clone();
    if length > LONGEST_NAME {
        reader.refuse(
            format!(
                "the name `{name}` has {length} characters, and MySQL takes {LONGEST_NAME} at most"
            ),
            &at,
            "choose a shorter name",
        );
    } else if name.chars().any(|character| character > '\u{ffff}') {
        reader.refuse(
            format!("the name `{name}` has a character that MySQL takes in no name"),
            &at,
            "choose a name without emoji and other characters beyond U+FFFF",
        );
    } else if name.ends_with(' ') {
        reader.refuse(
            format!("the name `{name}` ends in a space, which MySQL refuses"),
            &at,
            "remove the space",
        );
    }
}

fn condition(
    reader: &mut Reader<'_>,
    when: &Located<String>,
    trigger: &str,
    event: Event,
    syntax: &Syntax,
) -> Option<String> {
    let sql = reader.sql(when, trigger, Some(event))?;
    let sound = inspect::check_condition(&sql, syntax);
    if !reader.sound("when", when, &sql, sound)
        || !check::backslashes(reader, when, &sql, syntax)
        || !check::rows(reader, "when", when, &sql, event, syntax)
    {
        return None;
    }
    Some(inspect::closed(sql.trim(), syntax).into_owned())
}

/// The body within an IF, where `when` or `update_of` ask for one.
fn guarded(
    reader: &mut Reader<'_>,
    body: String,
    condition: Option<String>,
    columns: &[String],
    syntax: &Syntax,
) -> Option<String> {
    if condition.is_none() && columns.is_empty() {
        return Some(body);
    }
    if check::is_nothing(&body, syntax) {
        let at = reader.span_of(reader.request.fields.body.as_ref());
        reader.refuse(
            "the `body` is empty, and MySQL takes no IF around nothing",
            &at,
            "say what it is to do, or remove `when`, `update_of` and `bypass`",
        );
        return None;
    }
    // Declarations stand at the beginning of a block.
    let block = inspect::statement_starts(&body, syntax)
        .first()
        .is_some_and(|(word, _)| word.eq_ignore_ascii_case("declare"));
    let context = context! {
        condition,
        update_of => texts(columns),
        block,
        body => inspect::statements(&body, syntax),
    };
    match reader.renderer.text("trigger_body.sql", context) {
        Ok(text) => Some(text),
        Err(error) => {
            reader.problems.extend(error.diagnostics);
            None
        }
    }
}
