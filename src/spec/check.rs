//! What the parts of a spec must be to each other: a trigger's merged fields in each dialect, and triggers and
//! functions among themselves.

use std::collections::HashMap;

use super::keys::DialectKeys;
use super::unknown;
use super::{Fields, FunctionSpec, TableRef, TableSelector, TriggerSpec};
use crate::error::{Diagnostic, Located, Span};
use crate::model::Event;

/// The fields of one dialect, merged without copying them.
struct Merged<'a> {
    base: &'a Fields,
    own: Option<&'a Fields>,
}

impl<'a> Merged<'a> {
    fn get<T>(&self, field: fn(&Fields) -> Option<&T>) -> Option<&'a T> {
        self.own.and_then(field).or_else(|| field(self.base))
    }
}

/// Check one trigger by itself. Keys in `broken` are there, but their values are wrong: they are not missed.
pub(super) fn trigger(
    trigger: &TriggerSpec,
    dialects: &[DialectKeys],
    broken: &[&str],
    problems: &mut Vec<Diagnostic>,
) {
    let first = problems.len();
    if trigger.overrides.is_empty() {
        // Every dialect has the same fields.
        let base = &trigger.fields;
        together(&Merged { base, own: None }, problems);
    } else {
        for (dialect, _) in dialects {
            if trigger.is_for(dialect) {
                together(&trigger.merged(dialect), problems);
            }
        }
    }
    // What is wrong in the common fields is wrong in every dialect: say it once.
    let found = problems.split_off(first);
    for diagnostic in found {
        if !problems
            .iter()
            .skip(first)
            .any(|known| *known == diagnostic)
        {
            problems.push(diagnostic);
        }
    }
    if let Some(old) = &trigger.fields.renamed_from
        && old.value == trigger.name.value
    {
        problems.push(
            Diagnostic::new(format!(
                "`renamed_from` is `{}`, the name that it has",
                old.value
            ))
            .at(&old.span)
            .related(&trigger.name.span, "the name")
            .help("write the name that it had before, or take `renamed_from` away"),
        );
    }
    complete(trigger, dialects, broken, problems);
}

fn span<T>(field: Option<&Located<T>>) -> Option<&Span> {
    field.map(|field| &field.span)
}

/// What a kind says itself cannot be said beside `use`.
pub(super) fn usage(trigger: &TriggerSpec, problems: &mut Vec<Diagnostic>) {
    for fields in
        std::iter::once(&trigger.fields).chain(trigger.overrides.values().map(|own| &**own))
    {
        let Fields {
            timing,
            events,
            update_of,
            for_each,
            when: _,
            body,
            description: _,
            renamed_from: _,
            enabled: _,
            constraint,
            referencing,
            function,
            args,
            function_name,
            declare,
            security: _,
            search_path: _,
            definer: _,
            order: _,
            bypass: _,
            enabled_on: _,
            shared,
            depends_on_extensions: _,
            sql_mode: _,
            collation: _,
        } = fields;
        let of_the_kind = [
            ("timing", span(timing.as_ref())),
            ("events", span(events.as_ref())),
            ("update_of", span(update_of.as_ref())),
            ("for_each", span(for_each.as_ref())),
            ("body", span(body.as_ref())),
            ("constraint", span(constraint.as_deref())),
            ("referencing", span(referencing.as_deref())),
            ("function", span(function.as_deref())),
            ("args", span(args.as_deref())),
            ("function_name", span(function_name.as_deref())),
            ("declare", span(declare.as_deref())),
            ("shared", span(shared.as_deref())),
        ];
        for (key, at) in of_the_kind {
            let (Some(at), Some(usage)) = (at, &trigger.usage) else {
                continue;
            };
            let kind = &usage.kind.value;
            problems.push(
                Diagnostic::new(format!("`{key}` is for the kind to say"))
                    .at(at)
                    .related(&usage.kind.span, "the kind")
                    .help(format!(
                        "take it away; `triggerctl kinds {kind}` shows what can be said in `with`"
                    )),
            );
        }
    }
}

impl TriggerSpec {
    pub(super) fn is_for(&self, dialect: &str) -> bool {
        self.dialects
            .as_ref()
            .is_none_or(|all| all.iter().any(|name| name.value == dialect))
    }

    fn merged(&self, dialect: &str) -> Merged<'_> {
        Merged {
            base: &self.fields,
            own: self.overrides.get(dialect).map(Box::as_ref),
        }
    }
}

/// What cannot stand together in one dialect.
fn together(merged: &Merged<'_>, problems: &mut Vec<Diagnostic>) {
    // What a dialect says itself stands in for what all share, a `function` for a `body` too.
    let calls_its_own = merged.own.is_some_and(|own| own.function.is_some());
    let body = match merged.own {
        Some(own) if calls_its_own => own.body.as_ref(),
        _ => merged.get(|fields| fields.body.as_ref()),
    };
    let function = merged.get(|fields| fields.function.as_ref());
    if let (Some(body), Some(function)) = (body, function) {
        problems.push(
            Diagnostic::new("this trigger has both `body` and `function`")
                .at(&function.span)
                .related(&body.span, "the body")
                .help("keep one of them; a body for the other dialects goes in their own `[trigger.<dialect>]`"),
        );
    }
    let args = merged.get(|fields| fields.args.as_ref());
    let shared = merged.get(|fields| fields.shared.as_ref());
    let is_shared = shared.is_some_and(|shared| shared.value);
    if let (Some(args), None, false) = (args, function, is_shared) {
        problems.push(
            Diagnostic::new("`args` without `function`")
                .at(&args.span)
                .help("a function of one trigger takes no arguments: put the values in the body, or add `shared = true`"),
        );
    }
    if let Some(function) = function {
        let of_the_generated: [(&str, Option<Span>); 5] = [
            ("shared", shared.map(|field| field.span.clone())),
            (
                "function_name",
                merged
                    .get(|fields| fields.function_name.as_ref())
                    .map(|field| field.span.clone()),
            ),
            (
                "declare",
                merged
                    .get(|fields| fields.declare.as_ref())
                    .map(|field| field.span.clone()),
            ),
            (
                "security",
                merged
                    .get(|fields| fields.security.as_ref())
                    .map(|field| field.span.clone()),
            ),
            (
                "search_path",
                merged
                    .get(|fields| fields.search_path.as_ref())
                    .map(|field| field.span.clone()),
            ),
        ];
        for (key, span) in of_the_generated {
            let Some(span) = span else { continue };
            problems.push(
                Diagnostic::new(format!(
                    "`{key}` is for a generated function, and `function` calls another"
                ))
                .at(&span)
                .related(&function.span, "the function that is called")
                .help(format!(
                    "take `{key}` away, or put it in that function's `[[function]]`"
                )),
            );
        }
    }
    let events = merged.get(|fields| fields.events.as_ref());
    let update_of = merged.get(|fields| fields.update_of.as_ref());
    if let (Some(events), Some(update_of)) = (events, update_of)
        && !events
            .value
            .iter()
            .any(|event| event.value == Event::Update)
    {
        problems.push(
            Diagnostic::new("`update_of` without the event `update`")
                .at(&update_of.span)
                .related(&events.span, "the events")
                .help("add \"update\" to `events`, or take `update_of` away"),
        );
    }
}

/// Whether the trigger has what it must have: in every dialect that it names, or in one where it names none.
fn complete(
    trigger: &TriggerSpec,
    dialects: &[DialectKeys],
    broken: &[&str],
    problems: &mut Vec<Diagnostic>,
) {
    type Test = fn(&Merged<'_>) -> bool;
    let musts: [(&str, &str, Test); 3] = [
        ("timing", "timing = \"after\"", |merged| {
            merged.get(|fields| fields.timing.as_ref()).is_some()
        }),
        ("events", "events = [\"insert\"]", |merged| {
            merged.get(|fields| fields.events.as_ref()).is_some()
        }),
        ("body", "body = \"…\"", |merged| {
            merged.get(|fields| fields.body.as_ref()).is_some()
                || merged.get(|fields| fields.function.as_ref()).is_some()
        }),
    ];
    for (key, example, has) in musts {
        let base = Merged {
            base: &trigger.fields,
            own: None,
        };
        let is_broken = |key: &str| broken.contains(&key);
        if has(&base) || is_broken(key) || (key == "body" && is_broken("function")) {
            continue;
        }
        let lacking: Vec<&str> = dialects
            .iter()
            .map(|(dialect, _)| *dialect)
            .filter(|dialect| trigger.is_for(dialect))
            .filter(|dialect| !has(&trigger.merged(dialect)))
            .collect();
        let named = trigger.dialects.is_some();
        let some = dialects
            .iter()
            .any(|(dialect, _)| trigger.is_for(dialect) && !lacking.contains(dialect));
        if lacking.is_empty() || (some && !named) {
            continue;
        }
        let what = if key == "body" {
            "neither `body` nor `function`".to_owned()
        } else {
            format!("no `{key}`")
        };
        let name = match trigger.name.value.as_str() {
            "" => "this trigger".to_owned(),
            name => format!("the trigger `{}`", unknown::short(name)),
        };
        let diagnostic = if some {
            Diagnostic::new(format!("{name} has {what} for {}", lacking.join(" and ")))
                .at(&trigger.span)
                .help(format!(
                    "add `{example}`, or take {} out of `dialects`",
                    lacking.join(" and ")
                ))
        } else {
            Diagnostic::new(format!("{name} has {what}"))
                .at(&trigger.span)
                .help(format!("add one: `{example}`"))
        };
        problems.push(diagnostic);
    }
}

/// What one `[[trigger]]` is told from another by.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    name: &'a Located<String>,
    tables: &'a TableSelector,
    dialects: &'a Option<Vec<Located<String>>>,
}

impl<'a> Named<'a> {
    pub(super) fn of(trigger: &'a TriggerSpec) -> Self {
        Self {
            name: &trigger.name,
            tables: &trigger.tables,
            dialects: &trigger.dialects,
        }
    }
}

/// The same, of a trigger of which nothing else is kept.
pub(super) struct Heading {
    name: Located<String>,
    tables: TableSelector,
    dialects: Option<Vec<Located<String>>>,
}

impl Heading {
    /// That of a trigger; what `kinds` looks at is left in place.
    pub(super) fn taken_from(trigger: &mut TriggerSpec) -> Self {
        let nothing = TriggerSpec::bare(trigger.span.clone(), trigger.name.clone());
        Self {
            name: trigger.name.clone(),
            tables: std::mem::replace(&mut trigger.tables, nothing.tables),
            dialects: trigger.dialects.clone(),
        }
    }

    pub(super) fn named(&self) -> Named<'_> {
        Named {
            name: &self.name,
            tables: &self.tables,
            dialects: &self.dialects,
        }
    }
}

/// Check that no trigger is there twice, and no function.
pub(super) fn unique<'a>(
    triggers: impl ExactSizeIterator<Item = Named<'a>>,
    functions: impl ExactSizeIterator<Item = &'a FunctionSpec>,
    problems: &mut Vec<Diagnostic>,
) {
    type Key<'a> = (Option<&'a str>, &'a str, bool, &'a str);
    // The first of each, and those with the same name on the same table, for other dialects.
    let mut seen: HashMap<Key<'a>, Named<'a>> = HashMap::with_capacity(triggers.len());
    let mut more: HashMap<Key<'a>, Vec<Named<'a>>> = HashMap::new();
    for trigger in triggers {
        for table in trigger.tables.included() {
            let TableRef {
                schema,
                name,
                is_pattern,
            } = &table.value;
            let key = (
                schema.as_deref(),
                name.as_str(),
                *is_pattern,
                trigger.name.value.as_str(),
            );
            let Some(first) = seen.get(&key) else {
                seen.insert(key, trigger);
                continue;
            };
            let others = more.entry(key).or_default();
            let mut before = std::iter::once(first).chain(others.iter());
            if let Some(first) = before.find(|other| overlap(other, &trigger)) {
                problems.push(
                    Diagnostic::new(format!(
                        "the trigger `{}` on `{}` is there twice",
                        trigger.name.value, table.value
                    ))
                    .at(&trigger.name.span)
                    .related(&first.name.span, "first here")
                    .help("give one another name, or each the dialects that it is for"),
                );
                break;
            }
            others.push(trigger);
        }
    }
    let mut seen: HashMap<(Option<&str>, &str), &Span> = HashMap::with_capacity(functions.len());
    for function in functions {
        let TableRef {
            schema,
            name,
            is_pattern: _,
        } = &function.name.value;
        let key = (schema.as_deref(), name.as_str());
        if let Some(first) = seen.get(&key) {
            problems.push(
                Diagnostic::new(format!(
                    "the function `{}` is there twice",
                    function.name.value
                ))
                .at(&function.name.span)
                .related(first, "first here")
                .help("keep one: a trigger function takes no arguments to tell two apart by"),
            );
            continue;
        }
        seen.insert(key, &function.name.span);
    }
}

fn overlap(one: &Named<'_>, other: &Named<'_>) -> bool {
    match (one.dialects, other.dialects) {
        (Some(one), Some(other)) => one
            .iter()
            .any(|dialect| other.iter().any(|name| name.value == dialect.value)),
        _ => true,
    }
}

impl TableSelector {
    /// The tables as they are written, globs too, without those of `exclude`.
    pub fn included(&self) -> &[Located<TableRef>] {
        match self {
            Self::One(table) => std::slice::from_ref(table),
            Self::Many {
                include,
                exclude: _,
                having_columns: _,
            } => include,
        }
    }
}
