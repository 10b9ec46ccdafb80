//! From live triggers to a spec: what is there, in the most readable form that loses nothing. What is written is read and
//! lowered again before anybody sees it, so that a plan of it against the same database is empty.

mod document;
mod draft;
mod faults;
mod files;
mod lines;
mod naming;
mod pieces;
mod proof;
mod represent;
mod sections;
mod suspects;
mod text;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::db::{Catalog, Database, Listed, Scope};
use crate::desired::{self, Tables};
use crate::error::{Error, Located};
use crate::lookup::Lookup;
use crate::model::{FunctionId, ObjectId, TableId, TriggerId};
use crate::plan::targets::{is_let_go, is_named};
use crate::render::Renderer;
use crate::spec::Spec;

pub use document::Header;
pub(crate) use files::includes;
pub use files::{Destination, Written};

use pieces::{Imported, Importer};
use proof::Problems;
use sections::Sections;

/// Which triggers to import; all where nothing is said.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    /// Patterns of schemas.
    pub schemas: Vec<glob::Pattern>,
    /// Patterns of tables, as `table` or `schema.table`.
    pub tables: Vec<glob::Pattern>,
    /// Patterns of triggers that are left out, as `name`, `table.name` or `schema.table.name`, and of functions, with all triggers that call them.
    pub excluded: Vec<glob::Pattern>,
    /// Take trigger functions that no trigger calls as well.
    pub functions: bool,
}

impl Filters {
    /// Whether no trigger is left out.
    fn takes_all(&self) -> bool {
        self.schemas.is_empty() && self.tables.is_empty() && self.excluded.is_empty()
    }

    fn takes(&self, table: &TableId) -> bool {
        let Self {
            schemas,
            tables,
            excluded: _,
            functions: _,
        } = self;
        (schemas.is_empty() || schemas.iter().any(|pattern| pattern.matches(&table.schema)))
            && (tables.is_empty() || tables.iter().any(|pattern| names(pattern, table)))
    }

    fn excludes(&self, id: &ObjectId) -> bool {
        self.excluded.iter().any(|pattern| is_named(id, pattern))
    }

    /// Warn of each pattern that matches nothing: with a name that was mistyped, or stands in quotes, an import of nothing would
    /// pass for one of all that there is.
    fn warn_of_idle<'a>(
        &self,
        schemas: &[String],
        objects: &(impl Iterator<Item = &'a ObjectId> + Clone),
    ) {
        let Self {
            schemas: of_schemas,
            tables: of_tables,
            excluded,
            functions: _,
        } = self;
        let tables = objects.clone().filter_map(ObjectId::table);
        for pattern in of_schemas {
            if !schemas.iter().any(|schema| pattern.matches(schema)) {
                log::warn!(
                    "`--schema {pattern}` matches no schema{}",
                    unquoted(pattern)
                );
            }
        }
        for pattern in of_tables {
            if !tables.clone().any(|table| names(pattern, table)) {
                log::warn!(
                    "`--table {pattern}` matches no table that has triggers{}",
                    unquoted(pattern)
                );
            }
        }
        for pattern in excluded {
            if !objects.clone().any(|id| is_named(id, pattern)) {
                log::warn!(
                    "`--exclude {pattern}` matches no trigger{}",
                    unquoted(pattern)
                );
            }
        }
    }
}

/// Whether a pattern of `--table` names this table, with or without its schema.
fn names(pattern: &glob::Pattern, table: &TableId) -> bool {
    pattern.matches(&table.name) || pattern.matches(&table.to_string())
}

fn unquoted(pattern: &glob::Pattern) -> &'static str {
    if pattern.as_str().contains('"') {
        ": names stand without quotes there"
    } else {
        ""
    }
}

/// Live triggers as parts of a spec, proved to stand for them.
#[derive(Debug)]
pub struct Import {
    sections: Sections,
    /// What is in them of triggers.
    triggers: Vec<TriggerId>,
    /// Triggers that the filters take and that the spec has already.
    pub covered: usize,
    /// Trigger functions that no trigger calls, and that are left out.
    pub uncalled: Vec<FunctionId>,
    /// Event triggers, which no spec holds.
    pub event_triggers: Vec<String>,
    /// Triggers whose name is empty, which no spec can say.
    pub nameless: Vec<TriggerId>,
    /// Functions whose rights (GRANT) a spec does not hold.
    pub with_rights: Vec<FunctionId>,
    /// How many triggers and functions have faults already, which their `allow` names.
    pub faulty: usize,
    /// How many triggers and functions a template of the user's would make, who alone knows whether it is what is there.
    pub templated: usize,
}

/// Read the live triggers that `filters` take and that `spec` does not have yet. `renderer` is the spec's.
///
/// # Errors
/// What a spec cannot say, each with its name; nothing is left out in silence.
pub fn read(
    database: &mut dyn Database,
    filters: &Filters,
    spec: Option<&Spec>,
    renderer: &Renderer,
) -> Result<Import, Error> {
    let dialect = database.dialect();
    let present = present(database, spec, renderer)?;
    let forgets = spec.map_or(&[][..], |spec| &spec.forgets);
    let all_schemas = database.schemas()?;
    let schemas = chosen(&all_schemas, filters);
    let scope = Scope {
        schemas: schemas.clone(),
        known: present.iter().map(Cow::Borrowed).collect(),
    };
    // A trigger that calls an extension's function is the user's, unless its table is the extension's as well.
    let Catalog {
        fingerprints: listed,
        callers,
        of_extensions: _,
        taken_over: _,
        places: _,
    } = database.listing(&scope, Listed::All)?;
    drop(scope);
    if !filters.takes_all() {
        let called = callers.keys().cloned().map(ObjectId::Function);
        let called: Vec<ObjectId> = called.collect();
        filters.warn_of_idle(&all_schemas, &listed.keys().chain(&called));
    }
    let foreign = callers
        .keys()
        .filter(|id| !listed.contains_key(&ObjectId::Function((*id).clone())))
        .cloned()
        .collect();
    let Sorted {
        mut triggers,
        covered,
        nameless,
        forgotten,
    } = sorted(listed.into_keys(), (filters, &callers), &present, forgets);
    if forgotten > 0 {
        log::warn!(
            "{} left out, since `forget` in the spec lets go of {}",
            match forgotten {
                1 => "1 trigger is".to_owned(),
                count => format!("{count} triggers are"),
            },
            if forgotten == 1 { "it" } else { "them" }
        );
    }
    let declared = functions_of(present);
    let mut uncalled = uncalled(database, filters, &schemas, &declared)?;
    uncalled.retain(|id| {
        let id = ObjectId::Function(id.clone());
        !is_let_go(&id, forgets) && !filters.excludes(&id)
    });
    let wanted = if filters.functions {
        std::mem::take(&mut uncalled)
    } else {
        vec![]
    };
    let event_triggers = database.event_triggers()?;
    let whole = spec.is_none() && filters.takes_all();
    let source = Importer {
        renderer,
        schema: database.current_schema()?,
        database,
        callers,
        foreign,
        declared,
        mixed: spec.is_some_and(|spec| has_other_dialects(spec, dialect.name())),
        problems: Problems::default(),
        gone: BTreeSet::new(),
    };
    let Imported {
        sections,
        without_text,
        with_rights,
        faulty,
        templated,
        gone,
    } = source.import(&triggers, &wanted, whole)?;
    uncalled.extend(without_text);
    if !gone.is_empty() {
        triggers.retain(|trigger| !gone.contains(trigger));
    }
    Ok(Import {
        sections,
        triggers,
        covered,
        uncalled,
        event_triggers,
        nameless,
        with_rights,
        faulty,
        templated,
    })
}

/// What a spec has, by name.
fn present(
    database: &mut dyn Database,
    spec: Option<&Spec>,
    renderer: &Renderer,
) -> Result<BTreeSet<ObjectId>, Error> {
    let Some(spec) = spec else {
        return Ok(BTreeSet::new());
    };
    let server = database.server();
    let mut tables = Tables::Live(Lookup::new(database));
    let present = desired::from_spec(spec, renderer, &mut tables, server)?;
    Ok(present.into_keys().map(Arc::unwrap_or_clone).collect())
}

/// The live triggers that the filters take.
struct Sorted {
    /// Those that are to be imported, in order.
    triggers: Vec<TriggerId>,
    /// How many the spec has already.
    covered: usize,
    /// Those without a name, which SQLite takes: everything here goes by names.
    nameless: Vec<TriggerId>,
    /// How many the spec lets go.
    forgotten: usize,
}

fn sorted(
    listed: impl Iterator<Item = ObjectId>,
    (filters, callers): (&Filters, &BTreeMap<FunctionId, Vec<TriggerId>>),
    present: &BTreeSet<ObjectId>,
    forgets: &[Located<glob::Pattern>],
) -> Sorted {
    let mut sorted = Sorted {
        triggers: vec![],
        covered: 0,
        nameless: vec![],
        forgotten: 0,
    };
    let of_excluded: BTreeSet<&TriggerId> = callers
        .iter()
        .filter(|(function, _)| filters.excludes(&ObjectId::Function((*function).clone())))
        .flat_map(|(_, triggers)| triggers)
        .collect();
    for id in listed {
        let is_excluded = filters.excludes(&id);
        let is_covered = present.contains(&id);
        let is_forgotten = is_let_go(&id, forgets);
        let ObjectId::Trigger(trigger) = id else {
            continue;
        };
        if is_excluded || of_excluded.contains(&trigger) || !filters.takes(&trigger.table) {
            continue;
        }
        if trigger.name.is_empty() {
            log::warn!(
                "trigger {trigger} has an empty name, which no spec can say: it is left alone"
            );
            sorted.nameless.push(trigger);
        } else if is_covered {
            sorted.covered += 1;
        } else if is_forgotten {
            sorted.forgotten += 1;
        } else {
            sorted.triggers.push(trigger);
        }
    }
    sorted
}

/// The functions among these.
fn functions_of(ids: BTreeSet<ObjectId>) -> BTreeSet<FunctionId> {
    let functions = ids.into_iter().filter_map(|id| match id {
        ObjectId::Function(function) => Some(function),
        ObjectId::Trigger(_) => None,
    });
    functions.collect()
}

/// A whole new spec of everything that is there.
pub fn spec_text(
    database: &mut dyn Database,
    filters: &Filters,
    header: &Header,
) -> Result<String, Error> {
    let renderer = Renderer::of(&*database, None)?;
    Ok(read(database, filters, None, &renderer)?.text(header))
}

/// The functions that no trigger calls and that the spec does not have; nothing where tables were asked for.
fn uncalled(
    database: &mut dyn Database,
    filters: &Filters,
    schemas: &BTreeSet<String>,
    declared: &BTreeSet<FunctionId>,
) -> Result<Vec<FunctionId>, Error> {
    if !filters.tables.is_empty() {
        return Ok(vec![]);
    }
    let mut uncalled = database.uncalled_functions(schemas)?;
    uncalled.retain(|id| !declared.contains(id));
    Ok(uncalled)
}

/// The schemas that the filters take.
fn chosen(schemas: &[String], filters: &Filters) -> BTreeSet<String> {
    let patterns = &filters.schemas;
    let takes = |schema: &&String| {
        patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(schema))
    };
    schemas.iter().filter(takes).cloned().collect()
}

/// Whether a spec speaks of other dialects than this one, so that a trigger must say which it is for.
fn has_other_dialects(spec: &Spec, dialect: &str) -> bool {
    let folder = &spec.folder;
    let urls = spec
        .database
        .url
        .iter()
        .map(|url| &url.value)
        .chain(spec.environments.values().flatten());
    let mut dialects: BTreeSet<String> = urls
        .filter_map(|url| crate::db::url::parse(url, folder).ok())
        .map(|url| url.dialect().to_owned())
        .collect();
    for trigger in &spec.triggers {
        dialects.extend(
            trigger
                .dialects
                .iter()
                .flatten()
                .map(|dialect| dialect.value.clone()),
        );
        dialects.extend(trigger.overrides.keys().cloned());
    }
    dialects.iter().any(|other| other != dialect)
}

impl Import {
    /// How many triggers there are in it.
    pub fn triggers(&self) -> usize {
        self.triggers.len()
    }

    /// How many functions there are in it, those that are generated for a trigger not counted.
    pub fn functions(&self) -> usize {
        self.sections.functions.len()
    }

    /// What is in it.
    pub fn objects(&self) -> Vec<ObjectId> {
        let functions = self.sections.functions.iter();
        let functions = functions.cloned().map(ObjectId::Function);
        let triggers = self.triggers.iter().cloned().map(ObjectId::Trigger);
        functions.chain(triggers).collect()
    }

    /// A whole new spec.
    pub fn text(&self, header: &Header) -> String {
        let mut out = header.text();
        self.add_parts(&mut out);
        out
    }

    /// All of it, to follow what a spec has already.
    fn parts(&self) -> String {
        let mut out = String::new();
        self.add_parts(&mut out);
        out
    }

    fn add_parts(&self, out: &mut String) {
        let size: usize = self.sections.parts().map(|(_, part)| part.text.len()).sum();
        out.reserve_exact(size);
        for (_, part) in self.sections.parts() {
            out.push_str(&part.text);
        }
    }
}
