//! The desired side: the spec, resolved against the live tables where there is a database, as one engine's objects with
//! the DDL that makes them. Everything that is wrong with the spec in this dialect is reported together.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};

use crate::db::Database;
use crate::dialect::{Ddl, Dialect, Lowered, Request, Server, Table};
use crate::error::{Diagnostic, Error, Located, Span};
use crate::kinds::expand::{Expanded, Looked, Site, Use, blamed};
use crate::kinds::tables::{Needed, NewTable};
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
    /// Tables that kinds write to and that are to be created first.
    pub tables: Vec<NewTable>,
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
    let wanted: Vec<(&'a TriggerSpec, Cow<'a, Fields>)> = spec
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
    let site = Site {
        dialect,
        renderer,
        vars: &vars,
        schema: &schema,
        pretend,
    };
    let expanded = expanded(spec, &wanted, &resolved, &site, tables, &mut problems)?;
    let mut requests: Vec<Request<'_>> = vec![];
    for ((trigger, fields), tables) in wanted.iter().zip(&resolved) {
        let plain = tables.iter().filter(|_| trigger.usage.is_none());
        requests.extend(plain.map(|table| Request {
            spec: trigger,
            fields,
            table,
            vars: &vars,
            schema: &schema,
            pretend,
            kind: None,
        }));
    }
    for (table, expanded) in &expanded.triggers {
        requests.push(Request {
            spec: &expanded.spec,
            fields: &expanded.fields,
            table,
            vars: &vars,
            schema: &schema,
            pretend,
            kind: Some(&expanded.addition),
        });
    }
    let (lowered, ()) = parallel::map(&requests, |request| dialect.lower(request, renderer), || ());
    for (request, lowered) in requests.iter().zip(lowered) {
        match lowered {
            Ok(objects) => {
                for lowered in objects {
                    collector.add(lowered, &request.spec.name.span, &mut problems);
                }
            }
            Err(found) => problems.extend(match request.kind {
                Some(kind) => blamed(found, &kind.used),
                None => found,
            }),
        }
    }
    Ok(Outline {
        spec,
        dialect,
        objects: collector.objects.into_iter().collect(),
        tables: expanded.tables,
        problems,
    })
}

/// What the uses of kinds become.
#[derive(Default)]
struct AllExpanded<'a> {
    /// The triggers, each with its table.
    triggers: Vec<(&'a Table, Expanded)>,
    /// Tables that are to be created, in the order of their names.
    tables: Vec<NewTable>,
}

/// The triggers that every `use` stands for, on every table.
fn expanded<'a>(
    spec: &'a Spec,
    wanted: &'a [(&'a TriggerSpec, Cow<'a, Fields>)],
    resolved: &'a [Vec<Table>],
    site: &Site<'_>,
    tables: &mut Tables<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Result<AllExpanded<'a>, Error> {
    let mut uses: Vec<(Use<'_>, &'a Table)> = vec![];
    for ((trigger, fields), found) in wanted.iter().zip(resolved) {
        let Some(usage) = &trigger.usage else {
            continue;
        };
        let Some(kind) = spec.kinds.get(&usage.kind.value) else {
            continue;
        };
        for table in found {
            match Use::new(trigger, fields, usage, kind, site.dialect) {
                Ok(one) => uses.push((one, table)),
                Err(found) => {
                    problems.extend(found);
                    break;
                }
            }
        }
    }
    let mut all = AllExpanded::default();
    if uses.is_empty() {
        return Ok(all);
    }
    let mut looked = Looked::new();
    if let Tables::Live(database) = tables {
        let mut references: Vec<TableRef> = vec![];
        for (one, table) in &uses {
            for reference in one.references(table, site) {
                if !references.contains(&reference) {
                    references.push(reference);
                }
            }
        }
        if !references.is_empty() {
            let found = database.tables(&references)?;
            let first = found.into_iter().map(|found| found.into_iter().next());
            looked.extend(references.into_iter().zip(first));
        }
    }
    let mut needed: BTreeMap<TableId, Needed> = BTreeMap::new();
    for (one, table) in &uses {
        match one.expand(table, site, &looked) {
            Ok(expansion) => {
                let triggers = expansion.triggers.into_iter();
                all.triggers
                    .extend(triggers.map(|trigger| (*table, trigger)));
                for table in expansion.needed {
                    need(table, &mut needed, problems);
                }
            }
            Err(found) => problems.extend(found),
        }
    }
    for needed in needed.into_values() {
        if needed.create {
            all.tables.push(needed.new);
        } else {
            problems.push(needed.missing());
        }
    }
    Ok(all)
}

/// Several uses may write to one table, as long as they agree on how it is made.
fn need(table: Needed, needed: &mut BTreeMap<TableId, Needed>, problems: &mut Vec<Diagnostic>) {
    let Some(other) = needed.get_mut(&table.new.table) else {
        needed.insert(table.new.table.clone(), table);
        return;
    };
    if other.new.sql != table.new.sql && (other.create || table.create) {
        problems.push(
            Diagnostic::new(format!(
                "two uses would create the table `{}`, each in its own way",
                table.new.table.name
            ))
            .at(&table.span)
            .related(&other.span, "the other one")
            .help("let each write to a table of its own, or create one that fits both first"),
        );
    }
    other.create |= table.create;
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
    let mut known: BTreeMap<(Option<&str>, &str), Vec<Table>> = BTreeMap::new();
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
        resolved.push(chosen(trigger, &known, tables, problems)?);
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

fn key(table: &TableRef) -> (Option<&str>, &str) {
    (table.schema.as_deref(), table.name.as_str())
}

fn chosen(
    trigger: &TriggerSpec,
    known: &BTreeMap<(Option<&str>, &str), Vec<Table>>,
    tables: &mut Tables<'_>,
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
