//! Rules about PostgreSQL's functions: how they end, what they do to NEW, and with whose rights they run.

use std::collections::HashMap;
use std::ops::Range;

use super::subject::{Item, Subject};
use super::{Findings, Owner, or_name};
use crate::effects::Place;
use crate::error::{Diagnostic, Span};
use crate::model::{Event, Function, FunctionId, ObjectId, Orientation, Security, Timing};
use crate::plpgsql::{Returned, Walk};

pub(super) fn look(subject: &Subject<'_>, findings: &mut Findings) {
    for item in subject.items.iter().filter(|item| item.source.is_some()) {
        unanalysed(subject, item, findings);
        for (event, walk) in item.walks.iter() {
            ends(subject, item, *event, walk, findings);
            assigns(subject, item, walk, findings);
            compares(subject, item, walk, findings);
        }
        compares_in_condition(subject, item, findings);
    }
    let mut callers: HashMap<&FunctionId, &Item<'_>> = HashMap::new();
    for item in subject.items.iter().filter(|item| item.source.is_some()) {
        if let Some(function) = item.function() {
            callers.entry(function).or_insert(item);
        }
    }
    for function in subject.functions.values() {
        rights(subject, function, &callers, findings);
    }
}

/// Where a part of the item's function stands.
fn at(subject: &Subject<'_>, item: &Item<'_>, range: &Range<usize>) -> Span {
    let span = item.function().and_then(|function| {
        subject.span(&Place {
            object: ObjectId::Function(function.clone()),
            range: range.clone(),
        })
    });
    or_name(item, span)
}

fn unanalysed(subject: &Subject<'_>, item: &Item<'_>, findings: &mut Findings) {
    // What a MySQL procedure or a broken SQLite trigger does is told by other rules, or not at all.
    if subject.dialect.name() != "postgres" {
        return;
    }
    for unknown in item.effects.values().flat_map(|effects| &effects.unknown) {
        let span = unknown.place.as_ref().and_then(|place| subject.span(place));
        let diagnostic = Diagnostic::new(format!(
            "what `{}` does is not known: {}",
            item.trigger.id.name, unknown.reason
        ))
        .at(&or_name(item, span));
        findings.about("unanalysed_body", subject, item, diagnostic);
    }
}

fn ends(
    subject: &Subject<'_>,
    item: &Item<'_>,
    event: Event,
    walk: &Walk,
    findings: &mut Findings,
) {
    let trigger = &item.trigger;
    let name = &trigger.id.name;
    if let Some((range, true)) = &walk.falls_through {
        let diagnostic = Diagnostic::new(format!(
            "`{name}` can reach the end of its function without RETURN"
        ))
        .labelled(&at(subject, item, range), "no RETURN before this")
        .note(format!("on {}", event.keyword()))
        .help("end every path with `RETURN NEW;`, `RETURN OLD;` or `RETURN NULL;`");
        findings.about("no_return", subject, item, diagnostic);
    }
    let keeps_row = trigger.orientation == Orientation::Row
        && matches!(trigger.timing, Timing::Before | Timing::InsteadOf);
    if !keeps_row {
        return;
    }
    for returns in walk.returns.iter().filter(|returns| returns.sure) {
        // What becomes of a view's row is what the function wrote; what it returns is whether the row counts.
        if returns.writes && trigger.timing == Timing::InsteadOf {
            continue;
        }
        // A span is looked for in the whole text: only where there is something to say.
        let place = || at(subject, item, &returns.range);
        match (returns.value, event) {
            (Returned::New, Event::Delete) => {
                let diagnostic = Diagnostic::new(format!(
                    "`{name}` returns NEW for DELETE, which is NULL: nothing is deleted"
                ))
                .at(&place())
                .help("RETURN OLD lets the delete go on");
                findings.about("new_in_before_delete", subject, item, diagnostic);
            }
            (Returned::Old, Event::Insert) => {
                let diagnostic = Diagnostic::new(format!(
                    "`{name}` returns OLD for INSERT, which is NULL: the row is not written"
                ))
                .at(&place())
                .help("RETURN NEW lets the insert go on");
                findings.about("before_returns_null", subject, item, diagnostic);
            }
            (Returned::Null, _) => {
                let what = if event == Event::Delete {
                    "deleted"
                } else {
                    "written"
                };
                let diagnostic = Diagnostic::new(format!(
                    "`{name}` has a path that returns NULL: the row is not {what}, and nobody is told"
                ))
                .at(&place())
                .help("RAISE EXCEPTION refuses a change; where it is to be skipped, say so with `allow`");
                findings.about("before_returns_null", subject, item, diagnostic);
            }
            _ => {}
        }
    }
}

fn assigns(subject: &Subject<'_>, item: &Item<'_>, walk: &Walk, findings: &mut Findings) {
    let trigger = &item.trigger;
    if trigger.timing != Timing::After || trigger.orientation != Orientation::Row {
        return;
    }
    let within_assignment = |range: &Range<usize>| {
        walk.assigns
            .iter()
            .any(|assignment| assignment.statement.contains(&range.start))
    };
    for assignment in &walk.assigns {
        let used = assignment.in_loop
            || walk.reads_new.iter().any(|(column, range)| {
                range.start > assignment.range.start
                    && !within_assignment(range)
                    && (column.is_none()
                        || assignment.column.is_none()
                        || *column == assignment.column)
            });
        if used {
            continue;
        }
        let diagnostic = Diagnostic::new(format!(
            "`{}` assigns NEW in an AFTER trigger, which changes nothing",
            trigger.id.name
        ))
        .at(&at(subject, item, &assignment.range))
        .help("use `timing = \"before\"`");
        findings.about("assigns_new_after", subject, item, diagnostic);
    }
}

/// What cannot be compared in a comparison of OLD with NEW; the column and its type.
fn incomparable<'a>(
    subject: &'a Subject<'_>,
    item: &Item<'_>,
    column: Option<&str>,
) -> Option<(&'a str, &'a str)> {
    let columns = subject.surroundings.columns.get(&item.trigger.id.table)?;
    columns
        .iter()
        .find(|known| !known.comparable && column.is_none_or(|column| column == known.name))
        .map(|known| (known.name.as_str(), known.kind.as_str()))
}

fn compares(subject: &Subject<'_>, item: &Item<'_>, walk: &Walk, findings: &mut Findings) {
    for (column, range) in &walk.compares {
        if let Some(found) = incomparable(subject, item, column.as_deref()) {
            let place = at(subject, item, range);
            let diagnostic = incomparable_rows(item, found, &place);
            findings.about("json_distinct", subject, item, diagnostic);
        }
    }
}

fn incomparable_rows(item: &Item<'_>, (column, kind): (&str, &str), place: &Span) -> Diagnostic {
    Diagnostic::new(format!(
        "`{}` compares `{column}`, which is of type {kind}: it has no equality",
        item.trigger.id.name
    ))
    .at(place)
    .help(match kind {
        "json" => "cast it to jsonb, or leave the column out".to_owned(),
        _ => "cast it to text, or leave the column out".to_owned(),
    })
}

fn compares_in_condition(subject: &Subject<'_>, item: &Item<'_>, findings: &mut Findings) {
    let compares = item.condition.iter().flat_map(|walk| &walk.compares);
    for (column, _) in compares {
        if let Some(found) = incomparable(subject, item, column.as_deref()) {
            let when = item
                .source
                .as_ref()
                .and_then(|source| source.fields.when.as_ref().map(|when| when.span.clone()));
            let diagnostic = incomparable_rows(item, found, &or_name(item, when));
            findings.about("json_distinct", subject, item, diagnostic);
        }
    }
}

/// SECURITY DEFINER.
fn rights(
    subject: &Subject<'_>,
    function: &Function,
    callers: &HashMap<&FunctionId, &Item<'_>>,
    findings: &mut Findings,
) {
    if function.security != Security::Definer {
        return;
    }
    let Some((place, owners)) = responsible(subject, &function.id, callers) else {
        return;
    };
    let path = function
        .settings
        .iter()
        .find(|setting| setting.name == "search_path");
    let object = Some(ObjectId::Function(function.id.clone()));
    let Some(path) = path else {
        let diagnostic = Diagnostic::new(format!(
            "the function `{}` runs with its owner's rights, and finds names by the caller's search_path",
            function.id
        ))
        .at(&place)
        .help(format!(
            "add `search_path = [\"{}\", \"pg_temp\"]`",
            function.id.schema
        ));
        findings.add("definer_search_path", owners, object, diagnostic);
        return;
    };
    let is_temp = |schema: &String| schema.eq_ignore_ascii_case("pg_temp");
    let empty = path.values.iter().all(String::is_empty);
    if empty || path.values.last().is_some_and(is_temp) {
        return;
    }
    let message = if path.values.iter().any(is_temp) {
        "looks into pg_temp before other schemas"
    } else {
        "does not name pg_temp, which is then searched first"
    };
    let diagnostic = Diagnostic::new(format!(
        "the search_path of the SECURITY DEFINER function `{}` {message}",
        function.id
    ))
    .at(&place)
    .help("make `pg_temp` the last element of `search_path`");
    findings.add("definer_pg_temp", owners, object, diagnostic);
}

/// Where a function's rights are said, and whose `allow` counts. `callers` has the first trigger of the spec that calls each.
fn responsible(
    subject: &Subject<'_>,
    id: &FunctionId,
    callers: &HashMap<&FunctionId, &Item<'_>>,
) -> Option<(Span, Vec<Owner>)> {
    if let Some((index, function)) = subject.function_spec(id) {
        let place = match (&function.search_path, &function.security) {
            (Some(path), _) => path.span.clone(),
            (None, Some(security)) => security.span.clone(),
            (None, None) => function.name.span.clone(),
        };
        return Some((place, vec![Owner::Function(index)]));
    }
    let item = callers.get(id)?;
    let source = item.source.as_ref()?;
    let fields = &source.fields;
    let place = fields
        .search_path
        .as_ref()
        .map(|path| path.span.clone())
        .or_else(|| {
            fields
                .security
                .as_ref()
                .map(|security| security.span.clone())
        });
    Some((or_name(item, place), vec![Owner::Trigger(source.index)]))
}
