//! What bodies name that is not there.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use super::subject::{Item, Subject, shown};
use super::{Findings, Owner, or_name};
use crate::db::Database;
use crate::effects::{Column, Place};
use crate::error::{Diagnostic, Error, Span};
use crate::model::{Definition, FunctionId, ObjectId, Orientation, TableId, TriggerId};
use crate::plpgsql::{Name, Walk};
use crate::spec::Spec;

/// What is missing, and where a body names it.
type Missing = Vec<(Range<usize>, Diagnostic)>;

pub(super) fn look(subject: &Subject<'_>, findings: &mut Findings) {
    if !subject.live {
        return;
    }
    let mut told: BTreeSet<&FunctionId> = BTreeSet::new();
    let mut runs: HashMap<ObjectId, &Item<'_>> = HashMap::new();
    if !subject.faults.is_empty() {
        for item in subject.items.iter().filter(|item| item.source.is_some()) {
            let function = item.function().cloned().map(ObjectId::Function);
            let trigger = ObjectId::Trigger(item.trigger.id.clone());
            for id in function.into_iter().chain([trigger]) {
                runs.entry(id).or_insert(item);
            }
        }
    }
    for (id, fault) in &subject.faults {
        if let ObjectId::Function(function) = id {
            told.insert(function);
        }
        faulty(subject, id, runs.get(id).copied(), fault, findings);
    }
    for item in subject.items.iter().filter(|item| item.source.is_some()) {
        // What plpgsql_check has found need not be said in other words.
        if item
            .function()
            .is_some_and(|function| told.contains(function))
        {
            continue;
        }
        for (range, diagnostic) in missing(subject, item) {
            let diagnostic = diagnostic.at(&at(subject, item, &range));
            findings.about("missing_reference", subject, item, diagnostic);
        }
    }
}

/// What the PL/pgSQL of these definitions names that is not there, whatever any spec says, with the triggers that would fail of
/// it. `live` is read besides: the triggers that call these functions, and the functions that these triggers call.
///
/// # Errors
/// The database cannot be read.
pub fn missing_references(
    definitions: &[&Definition],
    live: &[ObjectId],
    database: &mut dyn Database,
) -> Result<Vec<(TriggerId, Diagnostic)>, Error> {
    let spec = Spec::default();
    let subject = Subject::of_definitions(&spec, definitions, live, database)?;
    let firing = subject.items.iter().filter(|item| item.fires());
    Ok(firing
        .flat_map(|item| {
            let found = missing(&subject, item).into_iter();
            found.map(|(_, diagnostic)| (item.trigger.id.clone(), diagnostic))
        })
        .collect())
}

/// What a trigger's function names that is not there.
fn missing(subject: &Subject<'_>, item: &Item<'_>) -> Missing {
    let mut found = vec![];
    for walk in item.walks.values() {
        tables(subject, item, walk, &mut found);
        rows(subject, item, walk, &mut found);
    }
    found
}

/// What the engine says of an object, with the first trigger of the spec that is or calls it.
fn faulty(
    subject: &Subject<'_>,
    id: &ObjectId,
    item: Option<&Item<'_>>,
    fault: &Diagnostic,
    findings: &mut Findings,
) {
    let mut diagnostic = fault.clone();
    let Some(item) = item else {
        if let ObjectId::Function(function) = id
            && let Some((index, spec)) = subject.function_spec(function)
        {
            diagnostic.place = Some((spec.name.span.clone(), String::new()));
            let owners = vec![Owner::Function(index)];
            findings.add("missing_reference", owners, Some(id.clone()), diagnostic);
        }
        return;
    };
    // The place in the DDL is for who reads the DDL; the same words stand in the spec.
    let words = diagnostic.place.take().and_then(|(span, _)| {
        let text = span.file.text.get(span.range.clone())?;
        (!text.contains('\n')).then(|| text.to_owned())
    });
    let body = item
        .source
        .as_ref()
        .and_then(|source| source.fields.body.as_ref());
    let place = body.map(|body| match words {
        Some(words) if !words.is_empty() && body.value.contains(&words) => {
            let start = body.value.find(&words).unwrap_or_default();
            crate::spec::inner_span(body, start..start + words.len())
        }
        _ => body.span.clone(),
    });
    diagnostic.place = Some((or_name(item, place), String::new()));
    // It is about columns that do not compare: another rule says so better.
    let compared = fault.notes.iter().any(|note| {
        note.contains("could not identify an equality operator")
            || note.contains("operator does not exist: json =")
    });
    if compared {
        return;
    }
    findings.about("missing_reference", subject, item, diagnostic);
}

fn at(subject: &Subject<'_>, item: &Item<'_>, range: &Range<usize>) -> Span {
    let span = item.function().and_then(|function| {
        subject.span(&Place {
            object: ObjectId::Function(function.clone()),
            range: range.clone(),
        })
    });
    or_name(item, span)
}

fn tables(subject: &Subject<'_>, item: &Item<'_>, walk: &Walk, found: &mut Missing) {
    let Some(function) = item.function().and_then(|id| subject.functions.get(id)) else {
        return;
    };
    let transition = &item.trigger.transition_tables;
    let is_own = |name: &Name| {
        name.schema.is_none()
            && (walk.creates.contains(&name.name)
                || transition.old.as_deref() == Some(&name.name)
                || transition.new.as_deref() == Some(&name.name))
    };
    // What EXECUTE creates may be any table.
    let guesses = !walk.dynamic.is_empty();
    let named = walk
        .writes
        .iter()
        .map(|(write, _)| &write.table)
        .chain(&walk.reads);
    for table in named {
        if is_own(&table.name)
            || !walk.is_certain(&table.range)
            || guesses && table.name.schema.is_none()
            || !subject
                .names
                .is_missing(&table.name, function, &item.trigger.id.table)
        {
            continue;
        }
        let name = match &table.name.schema {
            Some(schema) => format!("{schema}.{}", table.name.name),
            None => table.name.name.clone(),
        };
        let diagnostic = Diagnostic::new(format!(
            "`{}` would fail when it fires: there is no table `{name}`",
            item.trigger.id.name
        ));
        let known = subject
            .surroundings
            .columns
            .keys()
            .map(|id| id.name.as_str());
        let diagnostic = match closest(&table.name.name, known) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help("correct the name, or create the table first"),
        };
        found.push((table.range.clone(), diagnostic));
    }
    for (write, _) in &walk.writes {
        let Some(table) = subject.names.table(&write.table.name, Some(function)) else {
            continue;
        };
        if is_own(&write.table.name) {
            continue;
        }
        let columns = write.columns.iter().flatten();
        for (column, range) in columns.filter(|(_, range)| walk.is_certain(range)) {
            missing_column(subject, item, &table, column, range, found);
        }
    }
}

/// NEW.x and OLD.x.
fn rows(subject: &Subject<'_>, item: &Item<'_>, walk: &Walk, found: &mut Missing) {
    /// Every row has them.
    const SYSTEM: [&str; 6] = ["tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"];
    if item.trigger.orientation != Orientation::Row
        || walk
            .assigns
            .iter()
            .any(|assignment| assignment.column.is_none())
    {
        return;
    }
    let table = &item.trigger.id.table;
    let reads = walk.reads_new.iter().chain(&walk.reads_old);
    let reads = reads.filter_map(|(column, range)| Some((column.as_ref()?, range)));
    let assigns = walk
        .assigns
        .iter()
        .filter_map(|assignment| Some((assignment.column.as_ref()?, &assignment.range)));
    let named = reads.chain(assigns);
    for (column, range) in named.filter(|(_, range)| walk.is_certain(range)) {
        if !SYSTEM.contains(&column.as_str()) {
            missing_column(subject, item, table, column, range, found);
        }
    }
}

fn missing_column(
    subject: &Subject<'_>,
    item: &Item<'_>,
    table: &TableId,
    column: &str,
    range: &Range<usize>,
    found: &mut Missing,
) {
    let Some(columns) = subject.surroundings.columns.get(table) else {
        return;
    };
    // A table of which no column can be seen tells nothing.
    if columns.is_empty() || columns.iter().any(|known: &Column| known.name == column) {
        return;
    }
    let diagnostic = Diagnostic::new(format!(
        "`{}` would fail when it fires: `{}` has no column `{column}`",
        item.trigger.id.name,
        shown(table, subject.dialect)
    ));
    let names = columns.iter().map(|known| known.name.as_str());
    let diagnostic = match closest(column, names.clone()) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help(format!(
            "its columns are: {}",
            names.collect::<Vec<_>>().join(", ")
        )),
    };
    found.push((range.clone(), diagnostic));
}

fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}
