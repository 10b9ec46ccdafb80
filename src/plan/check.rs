//! What is looked at before anything is done: whether the spec asks for what cannot be, and what the engine says of the bodies
//! that are about to be made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::db::{Catalog, Database};
use crate::desired::{Desired, DesiredSet};
use crate::dialect::Dialect;
use crate::error::{Diagnostic, Error, Located};
use crate::kinds::tables::NewTable;
use crate::model::{Definition, ObjectId};
use crate::render::Renderer;

use super::foresee::Checked;
use super::kept::keep_definer;
use super::make::Options;
use super::{Action, Change, targets};

/// Whether what is wrong with the bodies is found within the migration that follows.
pub(super) fn leaves_checking(options: &Options, database: &dyn Database) -> bool {
    options.apply_follows && database.checks_live()
}

/// What an extension took over is as its script says: it is nobody else's to make, and it is not gone either.
pub(super) fn refuse_taken_over(desired: &DesiredSet, catalog: &Catalog) -> Result<(), Error> {
    let problems = catalog
        .taken_over
        .iter()
        .filter_map(|(id, extension)| Some((id, extension, desired.get(id)?)))
        .map(|(id, extension, wanted)| {
            let (whose, member) = match id {
                ObjectId::Function(function) => (format!("{id} belongs"), format!("FUNCTION {function}()")),
                ObjectId::Trigger(trigger) => (
                    format!("the table of {id} belongs"),
                    format!("TABLE {}", trigger.table),
                ),
            };
            Diagnostic::new(format!("{whose} to the extension `{extension}`"))
                .at(&wanted.span)
                .note("what belongs to an extension is as the extension's script says, and is not touched")
                .help(format!(
                    "leave it out of the spec, or take it out of the extension: `ALTER EXTENSION {extension} DROP {member}`"
                ))
        })
        .collect();
    Error::collected(problems)
}

/// What is let go is not asked for in the same breath.
pub(super) fn refuse_forgotten(
    desired: &DesiredSet,
    forgets: &[Located<glob::Pattern>],
) -> Result<(), Error> {
    let both = |pattern: &Located<glob::Pattern>| {
        let mut ids = desired.keys();
        let id = ids.find(|id| targets::is_named(id, &pattern.value))?;
        let problem = Diagnostic::new(format!("the spec has {id}, and `forget` lets it go"))
            .at(&pattern.span)
            .help("take it out of the one or of the other");
        Some(problem)
    };
    Error::collected(forgets.iter().filter_map(both).collect())
}

/// What cannot be meant is not made, unless the spec says that it is, and the engine makes it then.
pub(super) fn refuse_doubtful(
    desired: &DesiredSet,
    changes: &[Change],
    dialect: &dyn Dialect,
) -> Result<(), Error> {
    let problems: Vec<Diagnostic> = changes
        .iter()
        .filter(|change| change.action.differs())
        .filter(|change| !(change.faults_allowed && dialect.makes_doubtful()))
        .filter_map(|change| desired.get(change.id()))
        .flat_map(|desired| desired.doubts.iter().cloned())
        .collect();
    Error::collected(problems)
}

/// A function or a table is made in a schema that is there. One that holds anything is.
pub(super) fn refuse_without_schema(
    desired: &DesiredSet,
    (changes, tables): (&[Change], &[NewTable]),
    catalog: &Catalog,
    database: &mut dyn Database,
) -> Result<(), Error> {
    let live = catalog.fingerprints.keys().map(ObjectId::schema);
    let with_triggers = desired.keys().filter_map(|id| id.table());
    let there: BTreeSet<&str> = live
        .chain(with_triggers.map(|table| table.schema.as_str()))
        .collect();
    let functions = changes
        .iter()
        .filter(|change| change.action.differs() && change.after.is_some())
        .map(Change::id)
        .filter(|id| matches!(id, ObjectId::Function(_)))
        .map(|id| (id.schema(), id.to_string(), desired.get(id)));
    let tables = tables.iter().map(|new| {
        let what = format!("table {}, to which `{}` writes", new.table, new.kind);
        (new.table.schema.as_str(), what, None)
    });
    let made: Vec<_> = functions
        .chain(tables)
        .filter(|(schema, ..)| !there.contains(schema))
        .collect();
    if made.is_empty() {
        return Ok(());
    }
    let asked: BTreeSet<&str> = made.iter().map(|(schema, ..)| *schema).collect();
    let missing = database.missing_schemas(&asked.into_iter().collect::<Vec<_>>())?;
    let problems = made
        .into_iter()
        .filter(|(schema, ..)| missing.iter().any(|missing| missing == schema))
        .map(|(schema, what, wanted)| {
            let problem = Diagnostic::new(format!("there is no schema `{schema}` for {what}"))
                .help("create it first, let this role see it, or name another one");
            match wanted {
                Some(wanted) => problem.at(&wanted.span),
                None => problem,
            }
        })
        .collect();
    Error::collected(problems)
}

/// Those that are to be checked, and the functions that they call: a function that may have faults comes with the
/// triggers that cannot be made without it.
pub(super) fn with_called<'a>(
    desired: impl Iterator<Item = (&'a ObjectId, &'a Desired)>,
    find: impl Fn(&ObjectId) -> Option<(&'a ObjectId, &'a Desired)>,
    is_checked: impl Fn(&ObjectId, &Desired) -> bool,
) -> BTreeMap<&'a ObjectId, &'a Desired> {
    let checked: Vec<_> = desired
        .filter(|(id, wanted)| is_checked(id, wanted))
        .collect();
    let called: Vec<_> = checked
        .iter()
        .filter_map(|(_, wanted)| find(&ObjectId::Function(wanted.definition.calls()?.clone())))
        .collect();
    checked.into_iter().chain(called).collect()
}

/// Have the engine look at what the changes make, or at everything, but for what it said already.
pub(super) fn check_what_differs(
    desired: &DesiredSet,
    changes: &[Change],
    checked: Checked,
    options: &Options,
    asked: (&mut dyn Database, &Renderer),
) -> Result<(), Error> {
    let differing: BTreeSet<&ObjectId> = changes
        .iter()
        .filter(|change| change.action.differs() && !change.faults_allowed)
        .map(Change::id)
        .collect();
    let Checked {
        ids: known,
        mut faults,
    } = checked;
    let is_left = |id: &ObjectId, wanted: &Desired| {
        let all = options.check_all && !wanted.faults_allowed;
        (all || differing.contains(id)) && !known.contains(id)
    };
    let ends: BTreeMap<&ObjectId, &Definition> = changes
        .iter()
        .filter(|change| change.action != Action::Conflict)
        .filter_map(|change| Some((change.id(), change.after.as_ref()?)))
        .collect();
    let find = |id: &ObjectId| {
        let (id, wanted) = desired.get_key_value(id)?;
        Some((&**id, &**wanted))
    };
    let all = desired.iter().map(|(id, wanted)| (&**id, &**wanted));
    let left: Vec<_> = with_called(all, find, is_left)
        .into_iter()
        .map(|(id, wanted)| (wanted, ends.get(id).copied()))
        .collect();
    drop((differing, ends));
    let found = check_bodies(&left, &options.tables, asked)?;
    // A function that was looked at comes with the triggers that call it.
    faults.extend(found.into_iter().filter(|(id, _)| !known.contains(id)));
    let is_allowed = |id: &ObjectId| desired.get(id).is_some_and(|wanted| wanted.faults_allowed);
    let span = |id: &ObjectId| desired.get(id).map(|wanted| &wanted.span);
    let problems: Vec<Diagnostic> = faults
        .into_iter()
        .filter(|(id, _)| !is_allowed(id))
        .map(|(id, diagnostic)| match (span(&id), &diagnostic.place) {
            (Some(span), None) => diagnostic.at(span),
            (Some(span), Some(_)) => diagnostic.related(span, "the trigger is named here"),
            (None, _) => diagnostic,
        })
        .collect();
    Error::collected(problems)
}

/// Have the engine look at what is about to be made, before anything is. Beside what is desired, what comes of it: with the
/// definer that the spec leaves open.
fn check_bodies(
    desired: &[(&Desired, Option<&Definition>)],
    tables: &[NewTable],
    (database, renderer): (&mut dyn Database, &Renderer),
) -> Result<Vec<(ObjectId, Diagnostic)>, Error> {
    if desired.is_empty() {
        return Ok(vec![]);
    }
    let looks_at_ddl = database.looks_at_ddl();
    let (dialect, server) = (database.dialect(), database.server());
    // It is shared with the desired side, but for what is changed here.
    let definitions: Vec<Definition> = desired
        .iter()
        .map(|(wanted, end)| {
            let mut definition = wanted.definition.clone();
            if let Some(end) = end {
                keep_definer(&mut definition, end);
            }
            if looks_at_ddl && let Definition::Trigger(trigger) = &mut definition {
                let made = wanted.made(dialect, renderer, server)?;
                Arc::make_mut(trigger).verbatim = made.statements.first().cloned();
            }
            Ok(definition)
        })
        .collect::<Result<_, Error>>()?;
    let references: Vec<&Definition> = definitions.iter().collect();
    database.check(&references, tables)
}
