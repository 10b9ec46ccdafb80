//! From live triggers to a spec: what is there, in the most readable form that loses nothing. What is written is read and
//! lowered again before anybody sees it, so that a plan of it against the same database is empty.

mod document;
mod draft;
mod faults;
mod files;
mod lines;
mod naming;
mod represent;
mod text;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::db::{Catalog, Database, Depth, Listed, Scope};
use crate::desired::{self, Asked, Tables};
use crate::diff::{self, Judge};
use crate::error::{Diagnostic, Error, SourceFile};
use crate::lookup::Lookup;
use crate::model::{Definition, FunctionId, ObjectId, TableId, Trigger, TriggerId};
use crate::render::Renderer;
use crate::spec::{LoadOptions, Spec};

pub use document::Header;
pub(crate) use files::includes;
pub use files::{Destination, Written};

use document::Group;
use represent::{Drafts, Source};

/// Which triggers to import; all where nothing is said.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    /// Patterns of schemas.
    pub schemas: Vec<glob::Pattern>,
    /// Patterns of tables, as `table` or `schema.table`.
    pub tables: Vec<glob::Pattern>,
    /// Take trigger functions that no trigger calls as well.
    pub functions: bool,
}

impl Filters {
    /// Whether no trigger is left out.
    fn takes_all(&self) -> bool {
        self.schemas.is_empty() && self.tables.is_empty()
    }

    fn takes(&self, table: &TableId) -> bool {
        let Self {
            schemas,
            tables,
            functions: _,
        } = self;
        let whole = table.to_string();
        let takes_table =
            |pattern: &glob::Pattern| pattern.matches(&table.name) || pattern.matches(&whole);
        (schemas.is_empty() || schemas.iter().any(|pattern| pattern.matches(&table.schema)))
            && (tables.is_empty() || tables.iter().any(takes_table))
    }
}

/// Live triggers as parts of a spec, proved to stand for them.
#[derive(Debug)]
pub struct Import {
    drafts: Drafts,
    catalog: Catalog,
    qualifies: bool,
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
    let server = database.server();
    let schema = database.current_schema()?;
    let present = match spec {
        Some(spec) => desired::from_spec(
            spec,
            renderer,
            &mut Tables::Live(Lookup::new(database)),
            server,
        )?,
        None => desired::DesiredSet::new(),
    };
    let (catalog, mut definitions, nameless) = live(database, filters, &present)?;
    let declared = functions_of(&present);
    let mut uncalled = uncalled(database, filters, &declared)?;
    let mut also = vec![];
    if filters.functions {
        let ids: Vec<ObjectId> = uncalled.drain(..).map(ObjectId::Function).collect();
        let found = database.definitions(&ids, Depth::Whole)?;
        for (id, definition) in &found {
            match (id, definition) {
                (ObjectId::Function(id), Definition::Function(function))
                    if naming::has_body(function) =>
                {
                    also.push(id.clone());
                }
                (ObjectId::Function(id), _) => uncalled.push(id.clone()),
                (ObjectId::Trigger(_), _) => {}
            }
        }
        definitions.extend(found);
    }
    let covered = |id: &ObjectId| present.contains_key(id);
    let wanted: Vec<&Trigger> = definitions
        .iter()
        .filter_map(|(id, definition)| match definition {
            Definition::Trigger(trigger) if !covered(id) => Some(&**trigger),
            _ => None,
        })
        .collect();
    let spared: BTreeMap<TriggerId, Arc<Trigger>> = definitions
        .iter()
        .filter(|(id, _)| !covered(id))
        .filter_map(|(_, definition)| spared(definition, database))
        .collect();
    let source = Source {
        dialect,
        renderer,
        server,
        definitions: &definitions,
        spared: &spared,
        callers: &catalog.callers,
        schema: &schema,
        declared: &declared,
        mixed: spec.is_some_and(|spec| has_other_dialects(spec, dialect.name())),
    };
    let drafts = source.drafts(wanted.iter().copied(), &also)?;
    let with_rights = drafts
        .functions
        .iter()
        .filter(
            |draft| match definitions.get(&ObjectId::Function(draft.id.clone())) {
                Some(Definition::Function(function)) => function.grants.is_some(),
                _ => false,
            },
        )
        .map(|draft| draft.id.clone())
        .collect();
    let mut import = Import {
        covered: definitions
            .keys()
            .filter(|id| id.kind() == "trigger" && covered(id))
            .count(),
        drafts,
        catalog,
        uncalled,
        event_triggers: database.event_triggers()?,
        nameless,
        qualifies: dialect.qualifies(),
        with_rights,
        faulty: 0,
    };
    let whole = spec.is_none() && filters.takes_all();
    let (spec, asked) = import.prove(database, &definitions, renderer)?;
    drop((definitions, spared));
    // Nothing but the callers is needed of the catalog any more.
    let listed = std::mem::take(&mut import.catalog.fingerprints).into_keys();
    let live = whole.then(|| listed.collect());
    import.faulty = faults::allow(&mut import.drafts, &spec, asked, live, database)?;
    Ok(import)
}

/// A trigger without what a new one has anyway on this connection, where the engine keeps more than its DDL says.
fn spared(definition: &Definition, database: &dyn Database) -> Option<(TriggerId, Arc<Trigger>)> {
    match definition {
        Definition::Trigger(trigger) if trigger.creation.is_some() => {
            match database.spared(definition).into_owned() {
                Definition::Trigger(spared) => Some((spared.id.clone(), spared)),
                Definition::Function(_) => None,
            }
        }
        Definition::Trigger(_) | Definition::Function(_) => None,
    }
}

/// What is live, and apart from it the triggers without a name.
type Found = (Catalog, BTreeMap<ObjectId, Definition>, Vec<TriggerId>);

/// The functions that a spec has.
fn functions_of(present: &desired::DesiredSet) -> BTreeSet<FunctionId> {
    let functions = present.keys().filter_map(|id| match &**id {
        ObjectId::Function(function) => Some(function.clone()),
        ObjectId::Trigger(_) => None,
    });
    functions.collect()
}

/// Take out the triggers without a name, which SQLite takes: everything here goes by names.
fn leave_nameless(definitions: &mut BTreeMap<ObjectId, Definition>) -> Vec<TriggerId> {
    let nameless: Vec<TriggerId> = definitions
        .keys()
        .filter_map(|id| match id {
            ObjectId::Trigger(trigger) if trigger.name.is_empty() => Some(trigger.clone()),
            _ => None,
        })
        .collect();
    for trigger in &nameless {
        let id = ObjectId::Trigger(trigger.clone());
        definitions.remove(&id);
        log::warn!("{id} has an empty name, which no spec can say: it is left alone");
    }
    nameless
}

/// A whole new spec of everything that is there.
pub fn spec_text(
    database: &mut dyn Database,
    filters: &Filters,
    header: &Header,
) -> Result<String, Error> {
    let renderer = Renderer::new(database.dialect(), None)?;
    Ok(read(database, filters, None, &renderer)?.text(header))
}

/// The functions that no trigger calls and that the spec does not have; nothing where tables were asked for.
fn uncalled(
    database: &mut dyn Database,
    filters: &Filters,
    declared: &BTreeSet<FunctionId>,
) -> Result<Vec<FunctionId>, Error> {
    if !filters.tables.is_empty() {
        return Ok(vec![]);
    }
    let schemas = chosen_schemas(database, filters)?;
    let mut uncalled = database.uncalled_functions(&schemas)?;
    uncalled.retain(|id| !declared.contains(id));
    Ok(uncalled)
}

fn chosen_schemas(
    database: &mut dyn Database,
    filters: &Filters,
) -> Result<BTreeSet<String>, Error> {
    let patterns = &filters.schemas;
    let takes = |schema: &String| {
        patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(schema))
    };
    Ok(database.schemas()?.into_iter().filter(takes).collect())
}

/// The live triggers that the filters take, and the functions that they call; apart from these, the triggers without a name.
fn live(
    database: &mut dyn Database,
    filters: &Filters,
    present: &desired::DesiredSet,
) -> Result<Found, Error> {
    let scope = Scope {
        schemas: chosen_schemas(database, filters)?,
        known: present.keys().map(|id| Cow::Borrowed(&**id)).collect(),
    };
    // A trigger that calls an extension's function is the user's, unless its table is the extension's as well.
    let catalog = database.listing(&scope, Listed::All)?;
    let mut ids: Vec<ObjectId> = catalog
        .fingerprints
        .keys()
        .filter(|id| id.table().is_some_and(|table| filters.takes(table)))
        .cloned()
        .collect();
    let mut triggers = database.definitions(&ids, Depth::Whole)?;
    let nameless = leave_nameless(&mut triggers);
    let called: BTreeSet<ObjectId> = triggers
        .values()
        .filter_map(Definition::calls)
        .map(|function| ObjectId::Function(function.clone()))
        .filter(|id| catalog.fingerprints.contains_key(id))
        .collect();
    ids = called.into_iter().collect();
    let mut definitions = database.definitions(&ids, Depth::Whole)?;
    definitions.extend(triggers);
    Ok((catalog, definitions, nameless))
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
        self.drafts.triggers.len()
    }

    /// How many functions there are in it, those that are generated for a trigger not counted.
    pub fn functions(&self) -> usize {
        self.drafts.functions.len()
    }

    /// What is in it.
    pub fn objects(&self) -> Vec<ObjectId> {
        let functions = self
            .drafts
            .functions
            .iter()
            .map(|draft| ObjectId::Function(draft.id.clone()));
        let triggers = self
            .drafts
            .triggers
            .iter()
            .map(|draft| ObjectId::Trigger(draft.id.clone()));
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
        for group in self.groups() {
            group.write(self.qualifies, out);
        }
        out.shrink_to_fit();
    }

    fn groups(&self) -> Vec<Group<'_>> {
        document::groups(&self.drafts, &self.catalog.callers)
    }

    /// Read what would be written, lower it, and compare with what is live. The spec, and what it asks for.
    fn prove(
        &self,
        database: &mut dyn Database,
        live: &BTreeMap<ObjectId, Definition>,
        renderer: &Renderer,
    ) -> Result<(Spec, Asked), Error> {
        let mut text = "version = 1\n".to_owned();
        self.add_parts(&mut text);
        let shown = Arc::new(SourceFile {
            name: "<imported spec>".to_owned(),
            text,
        });
        let spec = parse(&shown)?;
        let asked =
            desired::asked(&spec, renderer, database).map_err(|error| renamed(error, &shown))?;
        let wanted = &asked.desired;
        let pairs: Vec<_> = wanted
            .iter()
            .filter_map(|(id, wanted)| diff::undecided(live.get(id)?, &wanted.definition))
            .collect();
        let verdicts = database.same_conditions(&pairs)?;
        let verdicts = pairs.into_iter().zip(verdicts).collect();
        let judge = Judge {
            dialect: database.dialect(),
            verdicts: &verdicts,
        };
        let mut problems = vec![];
        for (id, wanted) in wanted {
            let Some(live) = live.get(id) else {
                problems.push(
                    Diagnostic::new(format!("{id} would come of it, and is not in the database"))
                        .at(&wanted.span)
                        .help("leave out what it comes from with `--schema` or `--table`"),
                );
                continue;
            };
            problems.extend(lost(id, &diff::compare(live, &wanted.definition, &judge)));
        }
        for id in self.objects() {
            if !wanted.contains_key(&id) {
                problems.push(
                    Diagnostic::new(format!("{id} cannot be written as a spec: it does not come of what would be written"))
                        .help("leave it out with `--schema` or `--table`"),
                );
            }
        }
        Error::collected(problems)?;
        Ok((spec, asked))
    }
}

/// What of an object a spec does not keep.
fn lost(id: &ObjectId, differences: &[diff::FieldChange]) -> Option<Diagnostic> {
    if differences.is_empty() {
        return None;
    }
    let fields: Vec<String> = differences
        .iter()
        .map(|difference| format!("`{}`", difference.field))
        .collect();
    let mut diagnostic = Diagnostic::new(format!(
        "{id} cannot be written as a spec: it has no way to say its {}",
        fields.join(", ")
    ))
    .help("change it in the database, or leave it out with `--schema` or `--table`");
    for diff::FieldChange {
        field,
        before,
        after,
        note,
    } in differences
    {
        let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
        diagnostic = diagnostic.note(format!(
            "`{field}` is {}, and would be {}",
            shown(before),
            shown(after)
        ));
        if let Some(note) = note {
            diagnostic = diagnostic.note(note.clone());
        }
    }
    Some(diagnostic)
}

/// Read a spec that is in no file.
fn parse(shown: &Arc<SourceFile>) -> Result<Spec, Error> {
    let failed = |error: std::io::Error| {
        Error::failed(format!("a temporary file cannot be written: {error}"))
    };
    let folder = tempfile::tempdir().map_err(failed)?;
    let path = folder.path().join("import.toml");
    std::fs::write(&path, &shown.text).map_err(failed)?;
    Spec::load(&path, &LoadOptions::default()).map_err(|error| renamed(error, shown))
}

/// Say of every place that it is in a text that was not written, and why it matters.
fn renamed(error: Error, shown: &Arc<SourceFile>) -> Error {
    error.map(|mut diagnostic| {
        for (span, _) in diagnostic.place.iter_mut().chain(&mut diagnostic.related) {
            span.file = Arc::clone(shown);
        }
        diagnostic.note("this is what would have been imported; nothing was written")
    })
}
