//! The desired side: the spec, resolved against the live tables where there is a database, as one engine's objects with
//! the DDL that makes them. Everything that is wrong with the spec in this dialect is reported together.

mod problems;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use self::problems::in_file_order;
use crate::db::Database;
use crate::db::size::TableState;
use crate::dialect::{Beside, Ddl, Dialect, Lowered, Request, Server, Table};
use crate::digest::{HexDigest, hex_digest};
use crate::error::{Diagnostic, Error, Located, SourceFile, Span};
use crate::kinds::expand::{Addition, Expanded, Expansion, Looked, Site, Use, blamed};
use crate::kinds::tables::{Needed, NewTable};
use crate::lookup::{Lookup, Noted};
use crate::model::{Definition, FunctionSource, ObjectId, TableId};
use crate::parallel;
use crate::render::Renderer;
use crate::selectors::{self, Chosen, Covering, Uncovered};
use crate::spec::{
    AllowSpec, Fields, FunctionSpec, Merged, RequireSpec, Spec, TableRef, TriggerSpec,
};

/// The table that holds what is switched off, where the engine has no settings of a session.
const BYPASS_TABLE: &str = "triggerctl_bypass";
/// The template that creates it; other dialects have none.
const BYPASS_TABLE_DDL: &str = "bypass_table.sql";

/// One object that the spec asks for.
#[derive(Debug, Clone)]
pub struct Desired {
    /// What it is to be.
    pub definition: Definition,
    /// The DDL that makes it from nothing; without its statements where they are better rendered anew when it turns out that
    /// they are needed, which they are of few objects ([`Desired::made`] has them).
    pub ddl: Ddl,
    /// SHA-256 of that DDL: changes whenever what the spec renders to does.
    pub digest: HexDigest,
    /// The identity that it had before.
    pub renamed_from: Option<Box<ObjectId>>,
    /// Where it is named in the spec.
    pub span: Span,
    /// The selector that its table was chosen by, as it is written; `None` where the table is named.
    pub selected_by: Option<Arc<str>>,
    /// The spec says that its body may fail: it `allow`s what the linter would say of that.
    pub faults_allowed: bool,
    /// See [`Lowered::doubts`].
    pub doubts: Vec<Diagnostic>,
}

impl Desired {
    /// Give back the memory of the statements: of what is there already they are mostly not needed.
    pub fn forget_text(&mut self) {
        self.ddl.statements.clear();
    }

    /// The DDL that makes it from nothing, with its statements.
    ///
    /// # Errors
    /// A template's, which has rendered before.
    pub fn made<'a>(
        &'a self,
        dialect: &dyn Dialect,
        renderer: &Renderer,
        server: Server,
    ) -> Result<Cow<'a, Ddl>, Error> {
        if self.ddl.statements.is_empty() {
            dialect
                .create(&self.definition, renderer, server)
                .map(Cow::Owned)
        } else {
            Ok(Cow::Borrowed(&self.ddl))
        }
    }
}

/// Everything that the spec asks for in one dialect.
pub type DesiredSet = BTreeMap<Arc<ObjectId>, Box<Desired>>;

/// What the spec asks of a live database: its objects, and the tables that are created for them.
#[derive(Debug)]
pub struct Asked {
    /// The objects.
    pub desired: DesiredSet,
    /// The tables.
    pub tables: Vec<NewTable>,
}

/// What the spec asks of this database.
///
/// # Errors
/// What is wrong with the spec here, and those of the database.
pub fn asked(
    spec: &Spec,
    renderer: &Renderer,
    database: &mut dyn Database,
) -> Result<Asked, Error> {
    let server = database.server();
    let mut outline = outline(spec, renderer, &mut Tables::Live(Lookup::new(database)))?;
    let tables = std::mem::take(&mut outline.tables);
    let (desired, ()) = outline.render(renderer, server, |_, _| false, |_| ())?;
    Ok(Asked { desired, tables })
}

/// Where tables are looked up: in a live database, or nowhere.
pub enum Tables<'a> {
    /// A database is at hand.
    Live(Lookup<'a>),
    /// There is none: tables are taken as written, and what needs more is an error that says so.
    Offline(&'static dyn Dialect),
    /// There is none, and what needs one is left out: for checking the rest.
    Unknown(&'static dyn Dialect),
}

impl Tables<'_> {
    /// What was asked of a live database.
    pub fn noted(self) -> Noted {
        match self {
            Self::Live(database) => database.noted(),
            Self::Offline(_) | Self::Unknown(_) => Noted::default(),
        }
    }

    /// See [`Lookup::foreseen`].
    pub fn foreseen(&mut self) -> BTreeMap<TableId, TableState> {
        match self {
            Self::Live(database) => database.foreseen(),
            Self::Offline(_) | Self::Unknown(_) => BTreeMap::new(),
        }
    }

    /// See [`Lookup::foresee`].
    fn foresee<'b>(&mut self, tables: impl Iterator<Item = &'b TableId>) {
        if let Self::Live(database) = self {
            database.foresee(tables);
        }
    }

    pub(crate) fn dialect(&self) -> &'static dyn Dialect {
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
    let (set, ()) = outline.render(renderer, server, |_, _| false, |_| ())?;
    Ok(set)
}

/// What the spec asks for, before its DDL is rendered.
pub struct Outline {
    /// The files of the spec.
    files: Vec<Arc<SourceFile>>,
    dialect: &'static dyn Dialect,
    /// In the order of the identities; the DDL and its digest are still empty.
    objects: Vec<(Arc<ObjectId>, Box<Desired>)>,
    /// Tables that kinds write to and that are to be created first.
    pub tables: Vec<NewTable>,
    problems: Vec<Diagnostic>,
    /// What is no error, and probably not what was meant.
    pub warnings: Vec<Diagnostic>,
    /// Tables that lack what a `[[require]]` says they must have.
    pub uncovered: Vec<Uncovered>,
}

/// The objects that the spec asks for in the dialect of `tables`.
pub fn outline(
    spec: &Spec,
    renderer: &Renderer,
    tables: &mut Tables<'_>,
) -> Result<Outline, Error> {
    let dialect = tables.dialect();
    let schema = tables.schema()?;
    let pretend = matches!(tables, Tables::Unknown(_));
    let live = matches!(tables, Tables::Live(_));
    let vars = minijinja::Value::from(minijinja::value::Serde(&spec.vars));
    let mut problems = vec![];
    let mut collector = Collector::new(dialect, live);

    for function in &spec.functions {
        let lowered = dialect.lower_function(function, &schema, &vars, renderer);
        let source = Source::of(function);
        let lowered = lowered.map(|found| found.into_iter().collect());
        collector.take(lowered, &source, &mut problems);
    }
    let wanted: Vec<(&TriggerSpec, Merged<'_>)> = spec
        .triggers
        .iter()
        .filter_map(|trigger| Some((trigger, trigger.for_dialect(dialect.name())?)))
        .collect();
    let mut selection = selectors::resolve(
        wanted.iter().map(|(trigger, fields)| (*trigger, &**fields)),
        &spec.requires,
        tables,
        &schema,
        &mut problems,
    )?;
    let beside = beside(spec, &wanted, tables, &schema, &mut problems)?;
    let site = Site {
        dialect,
        renderer,
        session: renderer,
        vars: &vars,
        schema: &schema,
        pretend,
    };
    let expanded = expanded(
        spec,
        &wanted,
        &selection.triggers,
        &site,
        tables,
        &mut problems,
    )?;
    let (chosen, requests): (Vec<&Chosen>, Vec<Request<'_>>) =
        all_requests(&wanted, &selection.triggers, &expanded)
            .map(|(chosen, table, spec, fields, kind)| {
                let request = Request {
                    spec,
                    fields,
                    table,
                    vars: &vars,
                    beside: &beside,
                    pretend: pretend || is_missing(chosen, live),
                    kind,
                };
                (chosen, request)
            })
            .unzip();
    problems.extend(bypass_table(&requests, tables, renderer)?);
    let lower = |request: &Request<'_>| dialect.lower(request, renderer);
    let (lowered, ()) = parallel::map(&requests, lower, || {
        tables.foresee(requests.iter().map(|request| &request.table.id));
    });
    for ((request, chosen), lowered) in requests.iter().zip(chosen).zip(lowered) {
        let source = Source {
            span: &request.spec.name.span,
            shared: shared(request),
            selected_by: chosen.selected_by.as_ref(),
            faults_allowed: allows_faults(&request.spec.allow),
        };
        let lowered = lowered.map_err(|found| with_use(found, request));
        collector.take(lowered, &source, &mut problems);
    }
    let uncovered = selectors::uncovered(
        &selection.rules,
        &Covering {
            spec,
            requests: &requests,
            written: &expanded.written,
            dialect,
            vars: &vars,
        },
        renderer,
        &mut problems,
    );
    drop(requests);
    for ((trigger, _), chosen) in wanted.iter().zip(&selection.triggers) {
        let nothing = selectors::only_written(trigger, chosen, &expanded.written);
        selection.warnings.extend(nothing);
    }
    Ok(Outline {
        files: spec.files.clone(),
        dialect,
        objects: collector.objects.into_iter().collect(),
        tables: expanded.tables,
        problems,
        warnings: std::mem::take(&mut selection.warnings),
        uncovered,
    })
}

/// What is wrong with a request, with the use of a kind that it comes of.
fn with_use(found: Vec<Diagnostic>, request: &Request<'_>) -> Vec<Diagnostic> {
    match request.kind {
        Some(kind) => blamed(found, &kind.used),
        None => found,
    }
}

/// A table that is not there, of which what else is wrong with its triggers is to be said all the same.
fn is_missing(chosen: &Chosen, live: bool) -> bool {
    live && chosen.table.facts.is_none()
}

/// A trigger on one of its tables, with the table that chose it: what the spec says itself, or what a kind makes of it.
type Wanted<'a> = (
    &'a Chosen,
    &'a Table,
    &'a TriggerSpec,
    &'a Fields,
    Option<&'a Addition>,
);

/// Of the tables that are named and not there, those that a kind's `create_table` makes: what there is to do about them.
fn tables_to_come(
    wanted: &[(&TriggerSpec, Merged<'_>)],
    rules: &[RequireSpec],
    to_come: &[NewTable],
    site: &Site<'_>,
    problems: &mut [Diagnostic],
) {
    if to_come.is_empty() || problems.is_empty() {
        return;
    }
    let triggers = wanted
        .iter()
        .map(|(trigger, _)| (&trigger.tables, "trigger"));
    let rules = rules.iter().map(|rule| (&rule.tables, "rule"));
    for (selector, what) in triggers.chain(rules) {
        for reference in selector.included() {
            let TableRef { schema, name, .. } = &reference.value;
            let schema = schema.as_deref().unwrap_or(site.schema);
            let same = |left: &str, right: &str| site.dialect.same_name(left, right);
            let comes = |new: &&NewTable| {
                let NewTable { table, .. } = new;
                same(&table.name, name) && same(&table.schema, schema)
            };
            let Some(new) = to_come.iter().find(comes) else {
                continue;
            };
            let is_it = |problem: &&mut Diagnostic| {
                let place = problem.place.as_ref();
                place.is_some_and(|(span, label)| {
                    *span == reference.span && label == selectors::NOT_THERE
                })
            };
            for problem in problems.iter_mut().filter(is_it) {
                problem.place =
                    Some((reference.span.clone(), "not in the database yet".to_owned()));
                let statements: Vec<String> =
                    new.statements().map(|sql| format!("{sql};")).collect();
                problem.help = vec![
                    format!(
                        "the next apply creates it, since a use of the kind `{}` says `create_table = true`: leave this {what} out until then",
                        new.kind
                    ),
                    format!(
                        "or create it now, and one apply does all:\n{}",
                        statements.join("\n")
                    ),
                ];
            }
        }
    }
}

/// Every trigger on every one of its tables.
fn all_requests<'a>(
    wanted: &'a [(&'a TriggerSpec, Merged<'a>)],
    chosen: &'a [Vec<Chosen>],
    expanded: &'a AllExpanded<'a>,
) -> impl Iterator<Item = Wanted<'a>> {
    let plain = wanted
        .iter()
        .zip(chosen)
        .filter(|((trigger, _), _)| trigger.usage.is_none())
        .flat_map(|((trigger, fields), tables)| {
            let one = |chosen: &'a Chosen| (chosen, &*chosen.table, *trigger, &**fields, None);
            tables
                .iter()
                .filter(|chosen| !chosen.is_left_out(&expanded.written))
                .map(one)
        });
    let of_kinds = expanded.triggers.iter().map(|(chosen, expanded)| {
        let Expanded {
            table,
            spec,
            fields,
            addition,
        } = &**expanded;
        let table = table.as_ref().unwrap_or(&chosen.table);
        (*chosen, table, spec, fields, Some(addition))
    });
    plain.chain(of_kinds)
}

/// What the uses of kinds become.
#[derive(Default)]
struct AllExpanded<'a> {
    /// The triggers, each with its table.
    triggers: Vec<(&'a Chosen, Box<Expanded>)>,
    /// Tables that are to be created, in the order of their names.
    tables: Vec<NewTable>,
    /// Tables that they write to, whether they are there or not; none where no pattern could mean one.
    written: BTreeSet<TableId>,
}

/// Tell each use that asks which columns of its table others keep: what these write is no change of anybody's. Only where some
/// use does.
fn tell_what_is_kept(uses: &mut [(Use<'_>, &Chosen)], site: &Site<'_>, looked: &Looked) {
    let asking = uses.iter().filter(|(one, _)| one.kind.asks_what_is_kept);
    let asked: HashSet<TableId> = asking.map(|(_, table)| table.table.id.clone()).collect();
    if asked.is_empty() {
        return;
    }
    let keeps = |(one, table): &(Use<'_>, &Chosen)| {
        if asked.contains(&table.table.id) {
            one.kept(&table.table, site, looked)
        } else {
            vec![]
        }
    };
    let (kept, ()) = parallel::map(uses, keeps, || ());
    let mut by_table: HashMap<TableId, Vec<(usize, String)>> = HashMap::new();
    for (index, ((_, table), columns)) in uses.iter().zip(kept).enumerate() {
        let columns = columns.into_iter().map(|column| (index, column));
        let all = by_table.entry(table.table.id.clone()).or_default();
        all.extend(columns);
    }
    for (index, (one, table)) in uses.iter_mut().enumerate() {
        if one.kind.asks_what_is_kept
            && let Some(all) = by_table.get(&table.table.id)
        {
            let others = all.iter().filter(|(of, _)| *of != index);
            one.kept_by_others = others.map(|(_, column)| column.clone()).collect();
        }
    }
}

/// The triggers that every `use` stands for, on every table.
fn expanded<'a>(
    spec: &'a Spec,
    wanted: &'a [(&'a TriggerSpec, Merged<'a>)],
    resolved: &'a [Vec<Chosen>],
    site: &Site<'_>,
    tables: &mut Tables<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Result<AllExpanded<'a>, Error> {
    let mut uses: Vec<(Use<'_>, &'a Chosen)> = vec![];
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
        let named = |(one, table): &(Use<'_>, &Chosen)| one.references(&table.table, site);
        let (named, ()) = parallel::map(&uses, named, || ());
        let mut references: Vec<TableRef> = vec![];
        let mut seen: HashSet<TableRef> = HashSet::new();
        for reference in named.into_iter().flatten() {
            if seen.insert(reference.clone()) {
                references.push(reference);
            }
        }
        if !references.is_empty() {
            let found = database.tables(&references)?;
            let first = found.into_iter().map(|found| found.into_iter().next());
            looked.extend(references.into_iter().zip(first));
        }
    }
    let patterns = resolved.iter().flatten().any(|chosen| chosen.by_pattern);
    if patterns && uses.iter().any(|(one, _)| !one.kind.tables.is_empty()) {
        let written = |(one, table): &(Use<'_>, &Chosen)| one.written(&table.table, site, &looked);
        let (written, ()) = parallel::map(&uses, written, || ());
        all.written = written.into_iter().flatten().collect();
        uses.retain(|(_, table)| !table.is_left_out(&all.written));
    }
    tell_what_is_kept(&mut uses, site, &looked);
    let mut needed: BTreeMap<TableId, Needed> = BTreeMap::new();
    let mut taken: HashMap<TableId, (TableId, Span)> = HashMap::new();
    let live = matches!(tables, Tables::Live(_));
    let expand = |(one, table): &(Use<'_>, &Chosen)| {
        let site = Site {
            pretend: site.pretend || is_missing(table, live),
            ..*site
        };
        one.expand(&table.table, &site, &looked)
    };
    let (expansions, ()) = parallel::map(&uses, expand, || {
        tables.foresee(uses.iter().map(|(_, table)| &table.table.id));
    });
    let count =
        |expansion: &Result<Expansion, _>| expansion.as_ref().map_or(0, |it| it.triggers.len());
    all.triggers
        .reserve_exact(expansions.iter().map(count).sum());
    for ((_, table), expansion) in uses.iter().zip(expansions) {
        match expansion {
            Ok(expansion) => {
                let triggers = expansion.triggers.into_iter();
                all.triggers
                    .extend(triggers.map(|trigger| (*table, trigger)));
                let of = &table.table.id;
                let mut fits = true;
                for (written, span) in expansion.of_one {
                    fits &= alone(of, written, span, &mut taken, problems);
                }
                let needed_here = expansion.needed.into_iter().filter(|_| fits);
                for table in needed_here {
                    if live && table.new.table.schema.is_empty() {
                        let name = &table.new.table.name;
                        problems.push(crate::dialect::no_schema("table", name).at(&table.span));
                    } else {
                        need(table, &mut needed, problems);
                    }
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
    tables_to_come(wanted, &spec.requires, &all.tables, site, problems);
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

/// Whether a table that holds the rows of one table does not get those of another: nothing in it would tell them apart.
fn alone(
    of: &TableId,
    written: TableId,
    span: Span,
    taken: &mut HashMap<TableId, (TableId, Span)>,
    problems: &mut Vec<Diagnostic>,
) -> bool {
    let Some((other, first)) = taken.get(&written) else {
        taken.insert(written, (of.clone(), span));
        return true;
    };
    if other == of {
        return true;
    }
    let (one, two) = if other.schema == of.schema {
        (other.name.clone(), of.name.clone())
    } else {
        (other.to_string(), of.to_string())
    };
    problems.push(
        Diagnostic::new(format!(
            "`{}` would hold the rows of both `{one}` and `{two}`, and nothing in it tells them apart",
            written.name
        ))
        .at(&span)
        .related(first, "the first use")
        .help("let each have a table of its own: a name with `{{ table }}` in it, and `{{ schema }}` where there are several"),
    );
    false
}

impl Outline {
    /// All objects, in the order of their identities; their DDL is still empty.
    pub fn objects(&self) -> impl Iterator<Item = (&ObjectId, &Desired)> {
        self.objects.iter().map(|(id, object)| (&**id, &**object))
    }

    /// The identities of all objects, those that they had before among them.
    pub fn ids(&self) -> impl Iterator<Item = &ObjectId> {
        self.objects
            .iter()
            .flat_map(|(id, object)| std::iter::once(&**id).chain(object.renamed_from.as_deref()))
    }

    /// Render the DDL of all objects, as `server` needs it, while `meanwhile` does something else. Where its digest `is_known`,
    /// only that is kept: see [`Desired::forget_text`]. When there are problems, they are the answer, whatever came of that.
    pub fn render<T>(
        mut self,
        renderer: &Renderer,
        server: Server,
        is_known: impl Fn(&ObjectId, &HexDigest) -> bool + Sync,
        meanwhile: impl FnOnce(&Self) -> T,
    ) -> Result<(DesiredSet, T), Error> {
        let create = |(id, object): &(Arc<ObjectId>, Box<Desired>)| {
            let mut ddl = self.dialect.create(&object.definition, renderer, server)?;
            let digest = hex_digest(ddl.statements.iter().map(String::as_str));
            if is_known(id, &digest) {
                ddl.statements.clear();
            }
            Ok((ddl, digest))
        };
        let (created, value) = parallel::map(&self.objects, create, || meanwhile(&self));
        for ((_, object), rendered) in self.objects.iter_mut().zip(created) {
            match rendered {
                Ok((ddl, digest)) => (object.ddl, object.digest) = (ddl, digest),
                Err(error) => self.problems.extend(not_rendered(error, &object.span)),
            }
        }
        in_file_order(&self.files, &mut self.problems);
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

/// Where an object of the spec comes from.
struct Source<'a> {
    /// Where it is named.
    span: &'a Span,
    /// Its table and `shared = true`, where its function is one for many tables.
    shared: Option<(&'a TableId, &'a Span)>,
    /// The selector that its table was chosen by.
    selected_by: Option<&'a Arc<str>>,
    /// Its `allow` says that it may fail.
    faults_allowed: bool,
}

impl<'a> Source<'a> {
    fn of(function: &'a FunctionSpec) -> Self {
        Self {
            span: &function.name.span,
            shared: None,
            selected_by: None,
            faults_allowed: allows_faults(&function.allow),
        }
    }
}

/// Whether it is said to be meant that a body names what is not there.
pub(crate) fn allows_faults(allowed: &[AllowSpec]) -> bool {
    allowed
        .iter()
        .any(|allow| allow.rule.value == "missing_reference")
}

/// The objects so far, and who may not be named like another.
struct Collector {
    dialect: &'static dyn Dialect,
    /// There is a database at hand.
    is_live: bool,
    objects: DesiredSet,
    /// Trigger names as the engine tells them apart, where a name may be used once only.
    names: HashMap<(Box<str>, Box<str>), Arc<ObjectId>>,
    /// Functions of several tables, with the first one.
    shared: HashMap<Arc<ObjectId>, TableId>,
    /// Those of them that are reported already.
    unlike: HashSet<Arc<ObjectId>>,
}

impl Collector {
    /// Nothing yet.
    fn new(dialect: &'static dyn Dialect, is_live: bool) -> Self {
        Self {
            dialect,
            is_live,
            objects: BTreeMap::new(),
            names: HashMap::new(),
            shared: HashMap::new(),
            unlike: HashSet::new(),
        }
    }

    /// Add what came of one place of the spec, or say what is wrong with it.
    fn take(
        &mut self,
        lowered: Result<Vec<Lowered>, Vec<Diagnostic>>,
        source: &Source<'_>,
        problems: &mut Vec<Diagnostic>,
    ) {
        match lowered {
            Ok(objects) => {
                for lowered in objects {
                    self.add(lowered, source, problems);
                }
            }
            Err(found) => problems.extend(found),
        }
    }

    fn add(&mut self, lowered: Lowered, source: &Source<'_>, problems: &mut Vec<Diagnostic>) {
        let Source {
            span,
            shared,
            selected_by,
            faults_allowed,
        } = *source;
        let Lowered {
            definition,
            renamed_from,
            generated: _,
            doubts,
        } = lowered;
        // With a database, those count whose trigger is to be made: a plan knows.
        if !self.is_live && !faults_allowed {
            problems.extend(doubts.iter().cloned());
        }
        let id = Arc::new(definition.id());
        let is_trigger = matches!(*id, ObjectId::Trigger(_));
        if let Some(other) = self.objects.get_mut(&id) {
            // Triggers may share a function that is the same to the letter; nothing else may be there twice.
            let Some(ours) = same_function(&mut other.definition, definition) else {
                return;
            };
            if let Some(first) = shared.and(self.shared.get(&id)) {
                if self.unlike.insert(Arc::clone(&id)) {
                    problems.extend(unlike(&other.definition, first, &ours, shared));
                }
            } else {
                problems.push(twice(&id, span, &other.span));
            }
            return;
        }
        if let (Some((table, _)), ObjectId::Function(_)) = (shared, &*id) {
            self.shared.insert(Arc::clone(&id), table.clone());
        }
        if let (ObjectId::Trigger(trigger), false) = (&*id, self.dialect.names_are_per_table()) {
            let key = (
                trigger.table.schema.to_ascii_lowercase().into(),
                trigger.name.to_ascii_lowercase().into(),
            );
            if let Some(other) = self.names.insert(key, Arc::clone(&id))
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
                digest: HexDigest::nothing(),
                renamed_from: renamed_from.map(Box::new),
                span: span.clone(),
                selected_by: selected_by.filter(|_| is_trigger).cloned(),
                faults_allowed,
                doubts,
            }),
        );
    }
}

/// The table of switches that an engine without settings of a session needs, where a trigger asks for it and it is not
/// there: making tables is not this program's business.
fn bypass_table(
    requests: &[Request<'_>],
    tables: &mut Tables<'_>,
    renderer: &Renderer,
) -> Result<Option<Diagnostic>, Error> {
    let bypass = requests
        .iter()
        .find_map(|request| request.fields.bypass.as_ref());
    let (Some(bypass), Tables::Live(database)) = (bypass, tables) else {
        return Ok(None);
    };
    if !renderer.has(BYPASS_TABLE_DDL) {
        return Ok(None);
    }
    let table = TableRef::exactly(None, BYPASS_TABLE.to_owned());
    let found = database.tables(&[table])?;
    if found.iter().any(|tables| !tables.is_empty()) {
        return Ok(None);
    }
    let ddl = renderer.render(BYPASS_TABLE_DDL, ())?;
    Ok(Some(
        Diagnostic::new(format!(
            "`bypass` needs the table `{BYPASS_TABLE}`, which is not in the database"
        ))
        .at(&bypass.span)
        .help(format!("create it with the other tables: `{ddl};`")),
    ))
}

/// The table of a request, and where it says that its function is shared.
fn shared<'a>(request: &Request<'a>) -> Option<(&'a TableId, &'a Span)> {
    let shared = request.fields.shared.as_ref()?;
    shared.value.then_some((&request.table.id, &shared.span))
}

/// `None` where the second is the function that the first is, whatever table each was rendered for; else the second.
fn same_function(first: &mut Definition, mut second: Definition) -> Option<Definition> {
    if matches!(first, Definition::Trigger(_)) {
        return Some(second);
    }
    if first.seen() != second.seen() {
        // It is no one table's text.
        let seen = first.seen().cloned().map(Box::new);
        first.set_seen(None);
        second.set_seen(None);
        if *first != second {
            first.set_seen(seen);
            return Some(second);
        }
        return None;
    }
    (*first != second).then_some(second)
}

/// A shared function that two tables render differently: where, and what to do about it.
fn unlike(
    one: &Definition,
    first: &TableId,
    other: &Definition,
    shared: Option<(&TableId, &Span)>,
) -> Option<Diagnostic> {
    let (Definition::Function(one), Definition::Function(other), Some((table, span))) =
        (one, other, shared)
    else {
        return None;
    };
    let mut diagnostic = Diagnostic::new(format!(
        "the shared function `{}` would not be the same for all its tables",
        one.id
    ))
    .at(span);
    if let (FunctionSource::Body(one), FunctionSource::Body(other)) = (&one.source, &other.source)
        && let Some((left, right)) = one
            .lines()
            .zip(other.lines())
            .find(|(left, right)| left != right)
    {
        diagnostic = diagnostic
            .note(format!("for {first}: {}", left.trim()))
            .note(format!("for {table}: {}", right.trim()));
    }
    Some(diagnostic.help(
        "write `{{ table_name() }}` where the table's name is a value, pass what else differs in `args` (TG_ARGV), or take `shared` away",
    ))
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

/// What the triggers name beside their tables, as the database resolves it. A table that is not there is a problem.
fn beside(
    spec: &Spec,
    wanted: &[(&TriggerSpec, Merged<'_>)],
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
            None => problems.push(selectors::missing_table(reference, tables)?),
        }
    }
    Ok(beside)
}
