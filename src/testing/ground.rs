//! Where the tests run: the place is made, the desired triggers are put into it, and the tests are dealt out to as many
//! places as they are worth.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use minijinja::context;
use minijinja::value::Serde;

use crate::db::stage::{Blueprint, Firing, Leftover, Marked, Setup, Source, Stage};
use crate::db::url::DatabaseUrl;
use crate::db::{self, Database, Intent, Statement};
use crate::desired::{self, Desired, DesiredSet, Tables};
use crate::dialect::{self, Dialect, Mark, Server};
use crate::error::{Diagnostic, Error, Kind, SourceFile, Span};
use crate::lookup::Lookup;
use crate::model::{Definition, EnabledState, Event, ObjectId};
use crate::parallel;
use crate::plan::{Options as PlanOptions, Present, Remarks, make, read};
use crate::render::Renderer;
use crate::signal;
use crate::spec::{Spec, TableRef, TableSelector, TestSpec};
use crate::sql::{TokenKind, tokens, unquote};

use super::case::{Case, cases};
use super::coverage::{Coverage, Covered};
use super::{Report, TestResult, run::case as run_case};

/// So many tests are worth a place of their own.
const WORTH_A_PLACE: usize = 100;

/// More places than this only wait for each other.
const MOST_PLACES: usize = 8;

/// Stops what runs, for a signal handler's thread.
pub type Stops = Arc<Mutex<Vec<Box<dyn Fn() + Send>>>>;

/// The database that the tests are about, and how it is used.
pub struct Ground<'a> {
    /// The database.
    pub url: &'a DatabaseUrl,
    /// How to connect to it.
    pub settings: db::Settings,
    /// Use a scratch database even where a transaction would do.
    pub scratch: bool,
    /// The script that a scratch database is made from, instead of a copy of the live schema.
    pub script: Option<&'a SourceFile>,
}

/// Which tests to run, and how.
#[derive(Default)]
pub struct Options {
    /// Only tests whose names one of these matches; all where there is none.
    pub filter: Vec<glob::Pattern>,
    /// How many places at most; as many as there are processors where nothing is said.
    pub jobs: Option<usize>,
    /// What stops the run is put in here.
    pub stops: Stops,
}

/// What is the same for every place.
struct Task<'a> {
    spec: &'a Spec,
    /// Those of its tests that are to be run.
    tests: Vec<&'a TestSpec>,
    renderer: Renderer,
    dialect: &'static dyn Dialect,
    stops: Stops,
    /// Set where tests run in another database of the same server: the one that they must not name.
    live: Option<String>,
}

/// One place, ready for tests.
struct Place {
    stage: Box<dyn Stage>,
    cases: Vec<Case>,
    firings: Vec<Firing>,
    coverage: Coverage,
    version: String,
    /// Takes the place away; last, so that the connection is closed before.
    guard: Option<Box<dyn Send>>,
}

impl Place {
    /// Take it away: the connection is closed before the database goes. What was fired stays.
    fn end(self) -> Coverage {
        let mut coverage = self.coverage;
        coverage.unknown = self.stage.marks().err();
        drop(self.stage);
        drop(self.guard);
        coverage
    }
}

/// What came of a place: the results of its tests by their numbers, and what they fired.
struct Work {
    results: Vec<(usize, TestResult)>,
    coverage: Coverage,
    version: String,
}

/// Run the tests of a spec that are for this ground's dialect.
///
/// # Errors
/// What keeps tests from being run at all; a test that fails is a result.
pub fn run(spec: &Spec, ground: &Ground<'_>, options: &Options) -> Result<Report, Error> {
    let start = Instant::now();
    let dialect = dialect::by_name(ground.url.dialect())
        .ok_or_else(|| Error::failed("this database's dialect is not known"))?;
    let scratch = ground.scratch || db::always_scratch(ground.url);
    let blueprint = scratch.then(|| blueprint(ground)).transpose()?;
    let live = blueprint.as_ref().and_then(|blueprint| blueprint.live());
    let spec = &*inside(spec, live.as_deref());
    let here: Vec<&TestSpec> = spec
        .tests
        .iter()
        .filter(|test| test.is_for(dialect.name()))
        .collect();
    let elsewhere = spec.tests.len() - here.len();
    let all = here.len();
    let wanted = |test: &&TestSpec| {
        let patterns = &options.filter;
        patterns.is_empty()
            || patterns
                .iter()
                .any(|pattern| pattern.matches(&test.name.value))
    };
    let tests: Vec<&TestSpec> = here.into_iter().filter(wanted).collect();
    let filtered = all - tests.len();
    let task = Task {
        spec,
        tests,
        renderer: Renderer::new(dialect, spec.templates.as_deref())?,
        dialect,
        stops: Arc::clone(&options.stops),
        live,
    };
    let next = AtomicUsize::new(0);
    let (work, place) = match &blueprint {
        Some(blueprint) if db::is_in_memory(ground.url) => {
            (task.in_scratch(&**blueprint, options, &next)?, "in memory")
        }
        Some(blueprint) => {
            let work = task.in_scratch(&**blueprint, options, &next)?;
            (work, "in a scratch database")
        }
        None => {
            let database = db::connect(ground.url, &ground.settings, Intent::Read)?;
            let work = task.work(task.place(database, None)?, &next, None)?;
            (vec![work], "in a transaction that is rolled back")
        }
    };
    let mut report = Report {
        dialect: dialect.name(),
        place: place.to_owned(),
        tests: vec![],
        elsewhere,
        filtered,
        coverage: Coverage::default(),
        duration: start.elapsed(),
    };
    let mut results = vec![];
    for work in work {
        report.coverage.add(work.coverage);
        report.place = format!("{}, {place}", engine(dialect, &work.version));
        results.extend(work.results);
    }
    results.sort_by_key(|(number, _)| *number);
    report.tests = results.into_iter().map(|(_, result)| result).collect();
    report.duration = start.elapsed();
    Ok(report)
}

/// `SQLite 3.54.1`, `MariaDB 10.11.19`.
fn engine(dialect: &dyn Dialect, version: &str) -> String {
    let number = version.split('-').next().unwrap_or(version);
    if version.contains("MariaDB") {
        format!("MariaDB {number}")
    } else {
        format!("{} {number}", dialect.title())
    }
}

/// How scratch databases are made here. What was recorded is not in them: the spec says what there is to be of it.
fn blueprint(ground: &Ground<'_>) -> Result<Box<dyn Blueprint>, Error> {
    let mut live = None;
    if ground.script.is_none() || !db::is_in_memory(ground.url) {
        let mut database = db::connect(ground.url, &ground.settings, Intent::Read)?;
        warn_of(&database.leftovers()?);
        live = Some(database);
    }
    if let Some(script) = ground.script {
        return db::blueprint(ground.url, &ground.settings, Source::Script(script));
    }
    let recorded: BTreeSet<ObjectId> = match &mut live {
        Some(live) => live.history()?.records.into_keys().collect(),
        None => BTreeSet::new(),
    };
    drop(live);
    db::blueprint(ground.url, &ground.settings, Source::Copy(&recorded))
}

/// Say what is there of killed runs.
fn warn_of(leftovers: &[Leftover]) {
    let Some(first) = leftovers.first() else {
        return;
    };
    let (what, them) = match leftovers.len() {
        1 => ("a scratch database of a killed run is".to_owned(), "it"),
        count => (
            format!("{count} scratch databases of killed runs are"),
            "them",
        ),
    };
    log::warn!(
        "{what} still on this server, such as `{}`: `triggerctl test --clean` drops {them}",
        first.name
    );
}

impl Task<'_> {
    /// Deal the tests out to scratch databases.
    fn in_scratch(
        &self,
        blueprint: &dyn Blueprint,
        options: &Options,
        next: &AtomicUsize,
    ) -> Result<Vec<Work>, Error> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let most = options.jobs.unwrap_or(processors.min(MOST_PLACES));
        let places = self
            .tests
            .len()
            .div_ceil(WORTH_A_PLACE)
            .clamp(1, most.max(1));
        let one =
            || -> Result<Work, Error> { self.work(self.build(blueprint)?, next, Some(blueprint)) };
        if places == 1 {
            return Ok(vec![one()?]);
        }
        thread::scope(|scope| {
            let threads: Vec<_> = (0..places)
                .map(|_| {
                    scope.spawn(|| {
                        let work = one();
                        if work.is_err() {
                            // Nobody needs the rest.
                            next.store(usize::MAX / 2, Ordering::Relaxed);
                        }
                        work
                    })
                })
                .collect();
            let joined: Vec<Result<Work, Error>> = threads
                .into_iter()
                .map(|thread| parallel::joined(thread.join()))
                .collect();
            joined.into_iter().collect()
        })
    }

    /// Take one test after the other, until there are none left. A place that a test has spoiled is made again, where it
    /// can be.
    fn work(
        &self,
        place: Place,
        next: &AtomicUsize,
        blueprint: Option<&dyn Blueprint>,
    ) -> Result<Work, Error> {
        let mut place = place;
        let mut results = vec![];
        let mut coverage = Coverage::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = place.cases.get(number) else {
                break;
            };
            if signal::came() {
                return Err(Error::new(
                    Kind::Interrupted,
                    "interrupted: nothing was changed",
                ));
            }
            let (result, closed) = run_case(case, &mut *place.stage)?;
            results.push((number, result));
            for (trigger, event) in closed
                .fired
                .into_iter()
                .filter_map(|at| place.firings.get(at))
            {
                if let Some(covered) = place.coverage.triggers.get_mut(trigger) {
                    covered.fired.insert(*event);
                }
            }
            if closed.spoiled {
                let Some(blueprint) = blueprint else {
                    return Err(Error::failed(format!(
                        "the test `{}` could not be undone",
                        case.name.value
                    )));
                };
                coverage.add(place.end());
                place = self.build(blueprint)?;
            }
        }
        let version = place.version.clone();
        coverage.add(place.end());
        Ok(Work {
            results,
            coverage,
            version,
        })
    }

    fn build(&self, blueprint: &dyn Blueprint) -> Result<Place, Error> {
        let scratch = blueprint.build()?;
        self.place(scratch.database, scratch.guard)
    }

    /// Put the desired triggers into a database, and make it a place for tests.
    fn place(
        &self,
        mut database: Box<dyn Database>,
        guard: Option<Box<dyn Send>>,
    ) -> Result<Place, Error> {
        if let Ok(mut stops) = self.stops.lock() {
            stops.push(database.interrupter());
        }
        let server = database.server();
        let version = database.target().server_version.clone();
        let schema = database.current_schema()?;
        let mut outline = desired::outline(
            self.spec,
            &self.renderer,
            &mut Tables::Live(Lookup::new(&mut *database)),
        )?;
        let tables = std::mem::take(&mut outline.tables);
        let (desired, present) = outline.render(
            &self.renderer,
            server,
            |_, _| false,
            |outline| {
                let history = database.history()?;
                let catalog = read(outline.ids(), &history, &mut *database)?;
                Ok::<_, Error>(Present::of(history, catalog))
            },
        )?;
        let vars = minijinja::Value::from(Serde(&self.spec.vars));
        let scope = context! { dialect => self.dialect.name(), schema, vars };
        let cases = cases(&self.tests, self.dialect, &self.renderer, &scope)?;
        self.stays_inside(&desired, &cases)?;
        let options = PlanOptions {
            adopt: true,
            tables,
            ..PlanOptions::default()
        };
        let plan = make(
            &desired,
            (&self.spec.digest, Remarks::default()),
            present?,
            &mut *database,
            &self.renderer,
            &options,
        )?;
        let mut setup = Setup::default();
        let tables = plan.tables.into_iter().map(|table| Statement {
            sql: table.sql,
            object: None,
        });
        setup.statements.extend(tables);
        for change in plan.changes {
            let id = change.object.0;
            let statements = change.statements.into_iter();
            setup.statements.extend(statements.map(|sql| Statement {
                sql,
                object: Some(Arc::clone(&id)),
            }));
        }
        let coverage = self.mark(&desired, server, &mut setup)?;
        Ok(Place {
            firings: setup.firings.clone(),
            stage: database.stage(&setup)?,
            cases,
            coverage,
            version,
            guard,
        })
    }

    /// What leaves marks, and what can be told of which trigger.
    fn mark(
        &self,
        desired: &DesiredSet,
        server: Server,
        setup: &mut Setup,
    ) -> Result<Coverage, Error> {
        let mut coverage = Coverage::default();
        // The marked objects, with their places in `setup.marked`.
        let mut places: BTreeMap<&ObjectId, usize> = BTreeMap::new();
        let guarded = self.guarded();
        for (id, wanted) in desired {
            let number = setup.marked.len().to_string();
            let mark = Mark {
                text: &number,
                guarded: is_guarded(wanted, &guarded),
            };
            let plain = &wanted.definition;
            let Some(marked) = self.dialect.mark(plain, mark, &self.renderer)? else {
                continue;
            };
            let create = self.dialect.create(&marked, &self.renderer, server)?;
            let replace = match plain {
                Definition::Function(_) => {
                    self.dialect.alter(plain, &marked, &self.renderer, server)?
                }
                Definition::Trigger(_) => {
                    let mut ddl = self.dialect.drop(plain, &self.renderer, server)?;
                    ddl.statements.extend(create.statements.iter().cloned());
                    ddl
                }
            };
            places.insert(id, setup.marked.len());
            setup.marked.push(Marked {
                object: ObjectId::clone(id),
                mark: number,
                create: create.statements.into_iter().collect(),
                replace: replace.statements.into_iter().collect(),
                firings: vec![],
            });
        }
        for (id, wanted) in desired {
            let (ObjectId::Trigger(trigger), Definition::Trigger(definition)) =
                (&**id, &wanted.definition)
            else {
                continue;
            };
            let mut shown = trigger.clone();
            if let Some(live) = &self.live {
                shown.table.schema.clone_from(live);
            }
            let runs = match wanted.definition.calls() {
                Some(function) => ObjectId::Function(function.clone()),
                None => ObjectId::clone(id),
            };
            let mut covered = Covered {
                events: definition.events.iter().copied().collect(),
                ..Covered::default()
            };
            match places.get(&runs).and_then(|at| setup.marked.get_mut(*at)) {
                _ if definition.enabled == EnabledState::Disabled => {
                    covered.unknown = Some("it is disabled".to_owned());
                }
                Some(marked) => {
                    for event in &definition.events {
                        marked.firings.push(setup.firings.len());
                        setup.firings.push((shown.clone(), *event));
                    }
                }
                None => {
                    covered.unknown = Some(match wanted.definition.calls() {
                        Some(function) => format!("`{function}` cannot be made to tell"),
                        None => "it cannot be made to tell".to_owned(),
                    });
                }
            }
            coverage.triggers.insert(shown, covered);
        }
        Ok(coverage)
    }

    /// The `[[trigger]]`s, by the places of their names, that have what an engine without WHEN and UPDATE OF puts into
    /// the body: for every event, or only for UPDATE.
    fn guarded(&self) -> BTreeMap<SpecPlace, bool> {
        let mut guarded = BTreeMap::new();
        for spec in &self.spec.triggers {
            if let Some(fields) = spec.for_dialect(self.dialect.name())
                && (fields.when.is_some() || fields.bypass.is_some() || fields.update_of.is_some())
            {
                let every = fields.when.is_some() || fields.bypass.is_some();
                guarded.insert(place_of(&spec.name.span), every);
            }
        }
        guarded
    }

    /// Where tests run in another database of the same server, nothing may lead back to the one that they are about.
    fn stays_inside(&self, desired: &DesiredSet, cases: &[Case]) -> Result<(), Error> {
        let Some(live) = &self.live else {
            return Ok(());
        };
        let leads_out = |text: &str| leads_to(text, live, self.dialect);
        let refuse = |place: &Span| {
            Diagnostic::new(format!("this names the database `{live}`"))
                .at(place)
                .help("tests run in a scratch database: leave the name out, or write `{{ schema | ident }}` for it")
        };
        let mut problems = vec![];
        for wanted in desired.values() {
            if wanted
                .ddl
                .statements
                .iter()
                .any(|statement| leads_out(statement).is_some())
            {
                problems.push(refuse(&wanted.span));
            }
        }
        for case in cases {
            let queries = case.expect.iter().map(|query| &query.sql);
            for sql in case.given.iter().chain([&case.when]).chain(queries) {
                if let Some(range) = leads_out(&sql.text) {
                    problems.push(refuse(&sql.place(Some(range))));
                }
            }
        }
        Error::collected(problems)
    }
}

/// A place in a file, for look-ups.
type SpecPlace = (*const SourceFile, usize);

fn place_of(span: &Span) -> SpecPlace {
    (Arc::as_ptr(&span.file), span.range.start)
}

fn is_guarded(desired: &Desired, guarded: &BTreeMap<SpecPlace, bool>) -> bool {
    let Definition::Trigger(trigger) = &desired.definition else {
        return false;
    };
    match guarded.get(&place_of(&desired.span)) {
        Some(every) => *every || trigger.events.contains(&Event::Update),
        None => false,
    }
}

/// Where a text names a table or the like of this database.
fn leads_to(text: &str, database: &str, dialect: &dyn Dialect) -> Option<Range<usize>> {
    let mut name: Option<Range<usize>> = None;
    for token in tokens(text, dialect.syntax()).filter(|token| !token.is_blank()) {
        if token.is_operator(text, ".")
            && let Some(range) = name
        {
            return Some(range);
        }
        let is_name = matches!(token.kind, TokenKind::Word | TokenKind::QuotedName)
            && unquote(token.text(text)).eq_ignore_ascii_case(database);
        name = is_name.then_some(token.range);
    }
    None
}

/// The spec as it is for a scratch database: what it says of the live one by its name, it says of that.
fn inside<'a>(spec: &'a Spec, live: Option<&str>) -> Cow<'a, Spec> {
    let Some(live) = live else {
        return Cow::Borrowed(spec);
    };
    let mut spec = spec.clone();
    let local = |table: &mut TableRef| {
        if table
            .schema
            .as_ref()
            .is_some_and(|schema| schema.eq_ignore_ascii_case(live))
        {
            table.schema = None;
        }
    };
    for trigger in &mut spec.triggers {
        match &mut trigger.tables {
            TableSelector::One(table) => local(&mut table.value),
            TableSelector::Many {
                include,
                exclude,
                having_columns: _,
            } => {
                for table in include.iter_mut().chain(exclude) {
                    local(&mut table.value);
                }
            }
        }
    }
    for test in &mut spec.tests {
        let own = test.overrides.values_mut().map(|fields| &mut **fields);
        for fields in own.chain([&mut test.fields]) {
            for changes in fields.expect_changes.iter_mut().flatten() {
                local(&mut changes.table.value);
            }
        }
    }
    Cow::Owned(spec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::mysql::Mysql;

    #[test]
    fn a_name_leads_out_only_before_a_dot() {
        let found = |text: &str| leads_to(text, "app", &Mysql).map(|range| text[range].to_owned());
        assert_eq!(
            found("INSERT INTO app.t VALUES (1)").as_deref(),
            Some("app")
        );
        assert_eq!(found("INSERT INTO `APP` . t").as_deref(), Some("`APP`"));
        assert_eq!(found("SELECT app FROM t WHERE x = 'app.t' -- app.t"), None);
        assert_eq!(found("SELECT t.app, x.y"), None);
    }

    #[test]
    fn engines_are_named_as_they_are() {
        assert_eq!(
            engine(&Mysql, "10.11.19-MariaDB-0+deb12u1"),
            "MariaDB 10.11.19"
        );
        assert_eq!(engine(&Mysql, "9.7.4"), "MySQL 9.7.4");
    }
}
