//! The desired side: the spec, resolved against the live tables where there is a database, as one engine's objects with
//! the DDL that makes them. Everything that is wrong with the spec in this dialect is reported together.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use sha2::{Digest, Sha256};

use crate::db::Database;
use crate::dialect::{Beside, Ddl, Dialect, Lowered, Request, Server, Table};
use crate::error::{Diagnostic, Error, Located, Span};
use crate::model::{Definition, ObjectId, TableId};
use crate::parallel;
use crate::render::Renderer;
use crate::spec::{Fields, Spec, TableRef, TableSelector, TriggerSpec};

/// One object that the spec asks for.
#[derive(Debug, Clone)]
pub struct Desired {
    /// What it is to be.
    pub definition: Definition,
    /// The DDL that makes it from nothing.
    pub ddl: Ddl,
    /// SHA-256 of that DDL, lower-case hex: changes whenever what the spec renders to does.
    pub digest: String,
    /// The identity that it had before.
    pub renamed_from: Option<ObjectId>,
    /// Where it is named in the spec.
    pub span: Span,
}

/// Everything that the spec asks for in one dialect.
pub type DesiredSet = BTreeMap<ObjectId, Box<Desired>>;

/// Where tables are looked up: in a live database, or nowhere.
pub enum Tables<'a> {
    /// A database is at hand.
    Live(&'a mut dyn Database),
    /// There is none: tables are taken as written, and what needs more is an error that says so.
    Offline(&'static dyn Dialect),
    /// There is none, and what needs one is left out: for checking the rest.
    Unknown(&'static dyn Dialect),
}

impl Tables<'_> {
    fn dialect(&self) -> &'static dyn Dialect {
        match self {
            Self::Live(database) => database.dialect(),
            Self::Offline(dialect) | Self::Unknown(dialect) => *dialect,
        }
    }

    fn schema(&mut self) -> Result<String, Error> {
        match self {
            Self::Live(database) => database.current_schema(),
            Self::Offline(dialect) | Self::Unknown(dialect) => {
                Ok(dialect.default_schema().to_owned())
            }
        }
    }
}

/// What the spec asks for, in the dialect of `tables`, as the objects of `server`.
pub fn from_spec(
    spec: &Spec,
    renderer: &Renderer,
    tables: &mut Tables<'_>,
    server: Server,
) -> Result<DesiredSet, Error> {
    let outline = outline(spec, renderer, tables)?;
    let (set, ()) = outline.render(renderer, server, |_| ())?;
    Ok(set)
}

/// What the spec asks for, before its DDL is rendered.
pub struct Outline<'a> {
    spec: &'a Spec,
    dialect: &'static dyn Dialect,
    /// In the order of the identities; the DDL and its digest are still empty.
    objects: Vec<(ObjectId, Box<Desired>)>,
    problems: Vec<Diagnostic>,
}

/// The objects that the spec asks for in the dialect of `tables`.
pub fn outline<'a>(
    spec: &'a Spec,
    renderer: &Renderer,
    tables: &mut Tables<'_>,
) -> Result<Outline<'a>, Error> {
    let dialect = tables.dialect();
    let schema = tables.schema()?;
    let pretend = matches!(tables, Tables::Unknown(_));
    let vars = minijinja::Value::from(minijinja::value::Serde(&spec.vars));
    let mut problems = vec![];
    let mut collector = Collector {
        dialect,
        objects: BTreeMap::new(),
        names: HashMap::new(),
    };

    for function in &spec.functions {
        match dialect.lower_function(function, &schema, &vars, renderer) {
            Ok(Some(lowered)) => collector.add(lowered, &function.name.span, &mut problems),
            Ok(None) => {}
            Err(found) => problems.extend(found),
        }
    }
    let wanted: Vec<(&TriggerSpec, Cow<'_, Fields>)> = spec
        .triggers
        .iter()
        .filter_map(|trigger| Some((trigger, trigger.for_dialect(dialect.name())?)))
        .collect();
    let resolved = resolve(
        wanted.iter().map(|(trigger, _)| *trigger),
        tables,
        &schema,
        &mut problems,
    )?;
    let beside = beside(spec, &wanted, tables, &schema, &mut problems)?;
    let live = matches!(tables, Tables::Live(_));
    let requests: Vec<Request<'_>> = wanted
        .iter()
        .zip(&resolved)
        .flat_map(|((trigger, fields), tables)| {
            tables.iter().map(move |table| (*trigger, fields, table))
        })
        .map(|(spec, fields, table)| Request {
            spec,
            fields,
            table,
            vars: &vars,
            beside: &beside,
            // What else is wrong with a trigger on a table that is not there.
            pretend: pretend || (live && table.facts.is_none()),
        })
        .collect();
    let (lowered, ()) = parallel::map(&requests, |request| dialect.lower(request, renderer), || ());
    for (request, lowered) in requests.iter().zip(lowered) {
        match lowered {
            Ok(objects) => {
                for lowered in objects {
                    collector.add(lowered, &request.spec.name.span, &mut problems);
                }
            }
            Err(found) => problems.extend(found),
        }
    }
    Ok(Outline {
        spec,
        dialect,
        objects: collector.objects.into_iter().collect(),
        problems,
    })
}

impl Outline<'_> {
    /// The identities of all objects, those that they had before among them.
    pub fn ids(&self) -> impl Iterator<Item = &ObjectId> {
        self.objects
            .iter()
            .flat_map(|(id, object)| std::iter::once(id).chain(&object.renamed_from))
    }

    /// Render the DDL of all objects, as `server` needs it, while `meanwhile` does something else. When there are
    /// problems, they are the answer, whatever came of that.
    pub fn render<T>(
        mut self,
        renderer: &Renderer,
        server: Server,
        meanwhile: impl FnOnce(&Self) -> T,
    ) -> Result<(DesiredSet, T), Error> {
        let create = |(_, object): &(ObjectId, Box<Desired>)| {
            let ddl = self.dialect.create(&object.definition, renderer, server)?;
            let digest = digest(ddl.statements.iter().map(String::as_str));
            Ok((ddl, digest))
        };
        let (created, value) = parallel::map(&self.objects, create, || meanwhile(&self));
        for ((_, object), rendered) in self.objects.iter_mut().zip(created) {
            match rendered {
                Ok((ddl, digest)) => (object.ddl, object.digest) = (ddl, digest),
                Err(error) => self.problems.extend(not_rendered(error, &object.span)),
            }
        }
        in_file_order(self.spec, &mut self.problems);
        Error::collected(self.problems)?;
        Ok((self.objects.into_iter().collect(), value))
    }
}

fn not_rendered(error: Error, span: &Span) -> impl Iterator<Item = Diagnostic> {
    error
        .diagnostics
        .into_iter()
        .map(|diagnostic| match diagnostic.place {
            Some(_) => diagnostic.related(span, "while rendering this"),
            None => diagnostic.at(span),
        })
}

/// The objects so far, and who may not be named like another.
struct Collector {
    dialect: &'static dyn Dialect,
    objects: DesiredSet,
    /// Trigger names as the engine tells them apart, where a name may be used once only.
    names: HashMap<(String, String), ObjectId>,
}

impl Collector {
    fn add(&mut self, lowered: Lowered, span: &Span, problems: &mut Vec<Diagnostic>) {
        let Lowered {
            definition,
            renamed_from,
            generated: _,
        } = lowered;
        let id = definition.id();
        if let Some(other) = self.objects.get(&id) {
            // Triggers may share a function that is the same to the letter; nothing else may be there twice.
            if !matches!(id, ObjectId::Function(_)) || other.definition != definition {
                problems.push(twice(&id, span, &other.span));
            }
            return;
        }
        if let (ObjectId::Trigger(trigger), false) = (&id, self.dialect.names_are_per_table()) {
            let key = (
                trigger.table.schema.to_ascii_lowercase(),
                trigger.name.to_ascii_lowercase(),
            );
            if let Some(other) = self.names.insert(key, id.clone())
                && let Some(other) = self.objects.get(&other)
            {
                problems.push(twice(&id, span, &other.span).help(format!(
                    "in {} a trigger's name is unique in the whole database: use `{{{{ table }}}}` in the name",
                    self.dialect.title()
                )));
                return;
            }
        }
        self.objects.insert(
            id,
            Box::new(Desired {
                definition,
                ddl: Ddl::default(),
                digest: String::new(),
                renamed_from,
                span: span.clone(),
            }),
        );
    }
}

fn twice(id: &ObjectId, span: &Span, first: &Span) -> Diagnostic {
    let kind = id.kind();
    let message = match id {
        ObjectId::Trigger(_) => format!("two triggers are named `{}`", id.name()),
        ObjectId::Function(_) => format!(
            "two different functions are named `{}.{}`",
            id.schema(),
            id.name()
        ),
    };
    Diagnostic::new(message)
        .labelled(span, format!("this {kind}"))
        .related(first, "is defined here first")
}

/// The tables of each trigger, in the same order. A trigger on a table that is not there is a problem; a glob that
/// matches nothing is not.
fn resolve<'a>(
    triggers: impl Iterator<Item = &'a TriggerSpec> + Clone,
    tables: &mut Tables<'_>,
    schema: &str,
    problems: &mut Vec<Diagnostic>,
) -> Result<Vec<Vec<Table>>, Error> {
    let mut known: BTreeMap<Key<'_>, Vec<Table>> = BTreeMap::new();
    match tables {
        Tables::Live(database) => {
            let mut references: Vec<&TableRef> = triggers
                .clone()
                .flat_map(references)
                .map(|table| &table.value)
                .collect();
            references.sort_by_key(|table| key(table));
            references.dedup_by_key(|table| key(table));
            let owned: Vec<TableRef> = references.iter().map(|table| (*table).clone()).collect();
            let found = database.tables(&owned)?;
            known.extend(references.into_iter().map(key).zip(found));
        }
        Tables::Offline(_) | Tables::Unknown(_) => {
            for reference in triggers.clone().flat_map(references) {
                let TableRef {
                    schema: given,
                    name,
                    is_pattern: _,
                } = &reference.value;
                if !reference.value.is_glob() {
                    let id = TableId {
                        schema: given.as_deref().unwrap_or(schema).to_owned(),
                        name: name.clone(),
                    };
                    known.insert(key(&reference.value), vec![Table { id, facts: None }]);
                } else if let Tables::Offline(dialect) = tables {
                    problems.push(
                        Diagnostic::new(format!(
                            "`{}` is a pattern: which tables it stands for is known only with a database",
                            reference.value
                        ))
                        .at(&reference.span)
                        .help(format!("`triggerctl plan --format sql` with the URL of a {} database renders it", dialect.title())),
                    );
                }
            }
        }
    }
    let mut resolved = vec![];
    for trigger in triggers {
        resolved.push(chosen(trigger, &known, tables, schema, problems)?);
    }
    Ok(resolved)
}

fn references(trigger: &TriggerSpec) -> &[Located<TableRef>] {
    match &trigger.tables {
        TableSelector::One(table) => std::slice::from_ref(table),
        TableSelector::Many {
            include,
            exclude: _,
        } => include,
    }
}

/// What tells one reference from another.
type Key<'a> = (Option<&'a str>, &'a str, bool);

fn key(table: &TableRef) -> Key<'_> {
    (
        table.schema.as_deref(),
        table.name.as_str(),
        table.is_pattern,
    )
}

/// What the triggers name beside their tables, as the database resolves it. A table that is not there is a problem.
fn beside(
    spec: &Spec,
    wanted: &[(&TriggerSpec, Cow<'_, Fields>)],
    tables: &mut Tables<'_>,
    schema: &str,
    problems: &mut Vec<Diagnostic>,
) -> Result<Beside, Error> {
    let mut beside = Beside::nothing(schema);
    let Tables::Live(database) = &mut *tables else {
        return Ok(beside);
    };
    let mut references: Vec<&Located<TableRef>> = vec![];
    let mut functions: BTreeSet<&str> = BTreeSet::new();
    for (_, fields) in wanted {
        let from = fields
            .constraint
            .as_ref()
            .and_then(|constraint| constraint.value.from.as_ref());
        let partitions = fields.enabled_on.iter().flat_map(|states| &states.value);
        references.extend(from);
        references.extend(partitions.map(|entry| &entry.partition));
        functions.extend(
            fields
                .function
                .as_ref()
                .filter(|function| function.value.schema.is_none())
                .map(|function| function.value.name.as_str()),
        );
    }
    // Those of the spec are made where new names go.
    for function in &spec.functions {
        let TableRef {
            schema: given,
            name,
            is_pattern: _,
        } = &function.name.value;
        if given.as_deref().is_none_or(|given| given == schema) {
            functions.remove(name.as_str());
        }
    }
    if !functions.is_empty() {
        let functions: Vec<&str> = functions.into_iter().collect();
        beside.functions = database.function_schemas(&functions)?;
    }
    if references.is_empty() {
        return Ok(beside);
    }
    let asked: Vec<TableRef> = references.iter().map(|table| table.value.clone()).collect();
    let found = database.tables(&asked)?;
    for (reference, found) in references.into_iter().zip(found) {
        let TableRef {
            schema,
            name,
            is_pattern: _,
        } = &reference.value;
        match found.into_iter().next() {
            Some(table) => {
                let key = (schema.clone(), name.clone());
                beside.tables.insert(key, table);
            }
            None => problems.push(missing_table(reference, tables)?),
        }
    }
    Ok(beside)
}

fn chosen(
    trigger: &TriggerSpec,
    known: &BTreeMap<Key<'_>, Vec<Table>>,
    tables: &mut Tables<'_>,
    schema: &str,
    problems: &mut Vec<Diagnostic>,
) -> Result<Vec<Table>, Error> {
    let exclude = match &trigger.tables {
        TableSelector::One(_) => [].as_slice(),
        TableSelector::Many {
            include: _,
            exclude,
        } => exclude.as_slice(),
    };
    let mut chosen: Vec<Table> = vec![];
    for reference in references(trigger) {
        let found = known
            .get(&key(&reference.value))
            .map(Vec::as_slice)
            .unwrap_or_default();
        if found.is_empty() && !reference.value.is_glob() {
            problems.push(missing_table(reference, tables)?);
            // Lowered all the same, so that what else is wrong is said with it.
            chosen.push(Table {
                id: TableId {
                    schema: reference
                        .value
                        .schema
                        .clone()
                        .unwrap_or_else(|| schema.to_owned()),
                    name: reference.value.name.clone(),
                },
                facts: None,
            });
        }
        for table in found {
            let excluded = exclude
                .iter()
                .any(|pattern| pattern.value.matches(&table.id.schema, &table.id.name));
            if !excluded && !chosen.iter().any(|other| other.id == table.id) {
                chosen.push(table.clone());
            }
        }
    }
    Ok(chosen)
}

fn missing_table(
    reference: &Located<TableRef>,
    tables: &mut Tables<'_>,
) -> Result<Diagnostic, Error> {
    let table = &reference.value;
    let mut diagnostic = Diagnostic::new(format!(
        "there is no table or view `{table}` in the database"
    ))
    .labelled(&reference.span, "not in the database");
    if let Tables::Live(database) = tables {
        let names = database.table_names(table.schema.as_deref())?;
        let near = names
            .iter()
            .map(|id| {
                (
                    strsim::jaro_winkler(&id.name.to_lowercase(), &table.name.to_lowercase()),
                    id,
                )
            })
            .filter(|(likeness, _)| *likeness > 0.8)
            .max_by(|(left, _), (right, _)| left.total_cmp(right));
        diagnostic = match near {
            Some((_, id)) if table.schema.is_some() => {
                diagnostic.help(format!("did you mean `{id}`?"))
            }
            Some((_, id)) => diagnostic.help(format!("did you mean `{}`?", id.name)),
            None if names.is_empty() => {
                diagnostic.help("it has no tables at all: is this the right database?")
            }
            None => diagnostic.help("create the table first, or correct its name here"),
        };
    }
    Ok(diagnostic)
}

/// Sort by file and place, and let what several tables or dialects complain about in the same words be said once.
fn in_file_order(spec: &Spec, problems: &mut Vec<Diagnostic>) {
    let position = |diagnostic: &Diagnostic| {
        diagnostic
            .place
            .as_ref()
            .map_or((usize::MAX, 0), |(span, _)| {
                let file = spec
                    .files
                    .iter()
                    .position(|file| file.name == span.file.name);
                (file.unwrap_or(usize::MAX), span.range.start)
            })
    };
    problems.sort_by_key(position);
    problems.dedup();
}

/// SHA-256 over texts, kept apart, in lower-case hex.
pub fn digest<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update(text.len().to_le_bytes());
        hasher.update(text);
    }
    hex(&hasher.finalize())
}

/// Bytes in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
