//! Migrations on engines whose DDL commits by itself. Before anything is run, the history says what is meant: every
//! object as it is and as it is to be, and every statement. Each statement that ran is counted. What goes wrong is
//! undone at once, by the definitions that were written down; what is broken off (a kill, a power failure) is found by
//! the next run, which looks at each object: as before, as it is to be, in between, or something else. Only in the last
//! case does it ask a person; it never guesses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use std::{fmt, slice, thread};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::apply::{
    Expected, Job, Reader, Settings, create_tables, differences, existing, job_scope, must_fit,
    rows, scope_of, started_row, verdicts,
};
use crate::db::{
    Catalog, Database, Depth, Fingerprint, Migration, Patience, Scope, Statement, Unfinished,
};
use crate::error::{Diagnostic, Error, Kind};
use crate::history::Writer;
use crate::kinds::tables::NewTable;
use crate::model::{Definition, ObjectId, TableId, TriggerId, shared};
use crate::parallel::joined;
use crate::plan::ObjectRef;
use crate::plan::order::ranks;
use crate::plan::places::Siblings;
use crate::signal;

mod apart;
mod beside;
mod groups;
mod written;

use beside::{Seen, Task, Told};
use groups::{Group, additions, groups, is_drop, pieces};

/// What is written down before a migration runs.
#[derive(Debug, Clone)]
struct Journal {
    /// Tables to create before anything else.
    tables: Vec<NewTable>,
    steps: Vec<Step>,
    objects: Vec<Object>,
    /// What was live where it was not what the history says: see [`Job::found`].
    found: Vec<(ObjectId, Option<Definition>)>,
}

impl Journal {
    /// All statements, table by table.
    fn groups(&self) -> Vec<Group> {
        let new = self.objects.iter();
        let new = new.filter(|object| object.before.is_none());
        groups(
            self.steps.iter().map(Step::statement).collect(),
            &new.map(|object| &*object.id).collect(),
        )
    }

    /// What the statements make, and what undoing them would make again.
    fn made(&self) -> Vec<&Definition> {
        let touched: BTreeSet<&ObjectId> = self
            .steps
            .iter()
            .filter_map(|step| step.about.as_deref())
            .collect();
        let objects = self.objects.iter();
        objects
            .filter(|object| touched.contains(&*object.id))
            .flat_map(Object::ends)
            .flatten()
            .collect()
    }
}

impl Object {
    /// What it was, and what it is to be.
    fn ends(&self) -> [Option<&Definition>; 2] {
        let before = self.before.as_ref().map(|before| &before.definition);
        let end = match &self.end {
            Expected::Present { definition, .. } | Expected::Returned { definition, .. } => {
                Some(definition)
            }
            Expected::Absent | Expected::Missing { .. } | Expected::Released => None,
        };
        [before, end]
    }
}

/// One statement.
#[derive(Debug, Clone, Deserialize)]
struct Step {
    sql: String,
    /// The object that it creates or drops; `None` for settings of the session.
    about: Option<ObjectRef>,
}

/// One object, before and after.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Object {
    #[serde(with = "shared")]
    id: Arc<ObjectId>,
    before: Option<Before>,
    end: Expected,
}

/// An object as it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Before {
    fingerprint: Fingerprint,
    definition: Definition,
}

/// How one object is found after a migration was broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// As it was before the migration.
    Before,
    /// As it is to be.
    After,
    /// Dropped, and not made again yet.
    Between,
    /// Like neither.
    Other,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "as before",
            Self::After => "done",
            Self::Between => "dropped, and not made again yet",
            Self::Other => "neither as before nor as planned: somebody else changed it",
        })
    }
}

/// A migration that was broken off, and what was found of it.
pub struct Broken {
    /// Its row.
    pub migration: Migration,
    /// Each object, in the order of the identities.
    pub found: Vec<(ObjectId, Found)>,
    /// How many statements are known to have run, and of how many.
    pub progress: (usize, usize),
    /// What each object was before, and is to be: the one on the way back, the other on the way forward.
    ends: Vec<[Option<Definition>; 2]>,
}

impl Broken {
    /// What would be live after this way and is not now, and would fail when it fires: a table may have gone meanwhile.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn would_fail(&self, way: Way, database: &mut dyn Database) -> Result<Vec<String>, Error> {
        let made = self.found.iter().zip(&self.ends);
        let made: Vec<&Definition> = made
            .filter_map(|((_, found), [before, after])| match (way, found) {
                (Way::Leave, _) | (Way::Forward, Found::After) | (Way::Back, Found::Before) => None,
                (Way::Forward, _) => after.as_ref(),
                (Way::Back, _) => before.as_ref(),
            })
            .collect();
        let found = database.check(&made, &[])?;
        Ok(found.into_iter().map(|(_, fault)| fault.message).collect())
    }

    /// Whether every object is in a state that the migration can have left it in.
    pub fn is_clear(&self) -> bool {
        self.found.iter().all(|(_, found)| *found != Found::Other)
    }
}

/// Which way out of a broken-off migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Finish it.
    Forward,
    /// Undo it.
    Back,
    /// Leave everything as it is found, and record nothing of it.
    Leave,
}

/// Run a job: one attempt. On an error nothing has changed, unless it is [`Kind::Uncertain`].
pub(crate) fn attempt(
    job: &Job,
    settings: &Settings<'_>,
    database: &mut dyn Database,
    progress: &mut dyn FnMut(usize),
) -> Result<Migration, Error> {
    let (started, clock) = (Timestamp::now(), Instant::now());
    database.begin(settings.patience)?;
    if let Some(unfinished) = database.unfinished()? {
        return Err(unfinished_error(unfinished.migration.version));
    }
    let scope = job_scope(&job.expected);
    let (history, catalog) = must_fit(&scope, &job.moved, &job.tables, database)?;
    signal::check()?;

    let version = history.version + 1;
    let migration = started_row(job, settings, version, started, database);
    let (journal, groups) = thread::scope(|scope| {
        let writer = &settings.writer;
        let row = scope.spawn(|| writer.migration(&migration, None));
        let journal = write_down(job, &catalog, database)?;
        database.may_make(&journal.made())?;
        let home = database.home().map(str::to_owned);
        let text = scope.spawn(move || {
            let text = written::write(&journal, home.as_deref())?;
            Ok::<_, Error>((writer.journal(version, text)?, journal))
        });
        let mut first = if history.exists {
            vec![]
        } else {
            writer.create()?
        };
        first.push("START TRANSACTION".to_owned());
        first.push(joined(row.join())?);
        run_first(&first, database)?;
        // While the server takes one text, the other is written out, and while it takes that, what comes next is made ready.
        let (text, journal) = joined(text.join())?;
        let groups = thread::scope(|scope| {
            let groups = scope.spawn(|| journal.groups());
            let taken = text.run(database).map_err(at_first);
            let groups = joined(groups.join());
            taken.map(|()| groups)
        })?;
        run_first(&["COMMIT".to_owned()], database)?;
        Ok::<_, Error>((journal, groups))
    })?;

    let runner = Runner {
        journal: &journal,
        version,
        settings,
    };
    let ended = runner
        .run(&groups, database, progress)
        .and_then(|seen| runner.finish(seen, &migration, clock, database));
    ended.map_err(|error| runner.undone(&migration, clock, error, database))
}

/// Statements before the first one about a trigger.
fn run_first(statements: &[String], database: &mut dyn Database) -> Result<(), Error> {
    run_plain(statements, database).map_err(at_first)
}

/// An error before the first statement about a trigger.
fn at_first(error: Error) -> Error {
    match error.kind {
        // Whether the row is there is not known; no trigger was touched.
        Kind::Uncertain => error.note("no trigger was touched yet").help(
            "run `triggerctl apply` again: it looks at what there is, and goes on from there",
        ),
        _ => error,
    }
}

fn unfinished_error(version: i64) -> Error {
    Diagnostic::new(format!("migration {version} was begun and has no end"))
        .help("`triggerctl repair` shows what there is of it, and finishes or undoes it")
        .into_error(Kind::Refused)
}

/// What the job is about, before and after.
fn write_down(job: &Job, catalog: &Catalog, database: &mut dyn Database) -> Result<Journal, Error> {
    let live: Vec<ObjectId> = job
        .expected
        .keys()
        .filter(|id| catalog.fingerprints.contains_key(id))
        .map(|id| ObjectId::clone(id))
        .collect();
    let mut definitions = database.definitions(&live, Depth::Whole)?;
    let objects: Vec<Object> = job
        .expected
        .iter()
        .map(|(id, end)| {
            let fingerprint = catalog.fingerprints.get(id).cloned();
            let before = fingerprint.zip(definitions.remove(id));
            Object {
                id: id.clone(),
                before: before.map(|(fingerprint, definition)| Before {
                    fingerprint,
                    definition,
                }),
                end: end.clone(),
            }
        })
        .collect();
    let dialect = database.dialect();
    let schema = database.current_schema()?;
    let mut by_name: Named<'_> = BTreeMap::new();
    for object in &objects {
        let name = (object.id.schema(), object.id.name());
        by_name.entry(name).or_default().push(object);
    }
    let steps = job
        .up
        .iter()
        .map(|statement| {
            let subject = dialect.subject(&statement.sql, &schema);
            let about = match (&subject, &statement.object) {
                (None, _) => None,
                (Some(subject), given) => {
                    about(&by_name, subject, given.as_ref()).map(|id| ObjectRef(Arc::clone(id)))
                }
            };
            if subject.is_some() && about.is_none() {
                return Err(Error::failed(
                    "a statement is about a trigger that the migration does not name",
                )
                .note(statement.sql.clone()));
            }
            Ok(Step {
                sql: statement.sql.clone(),
                about,
            })
        })
        .collect::<Result<_, _>>()?;
    let found = job
        .found
        .iter()
        .map(|(id, definition)| (ObjectId::clone(id), definition.clone()))
        .collect();
    Ok(Journal {
        tables: job.tables.clone(),
        steps,
        objects,
        found,
    })
}

/// Objects by schema and name.
type Named<'a> = BTreeMap<(&'a str, &'a str), Vec<&'a Object>>;

/// The object that a statement speaks of. Where a name goes from one table to another there are two of that name: what is
/// dropped is the one that was there before, and what is created is on the table that is named.
fn about<'a>(
    objects: &Named<'a>,
    subject: &TriggerId,
    given: Option<&'a Arc<ObjectId>>,
) -> Option<&'a Arc<ObjectId>> {
    let table = &subject.table.name;
    // DROP names none; a name is unique in its database.
    let is_drop = table.is_empty();
    let named = objects.get(&(subject.table.schema.as_str(), subject.name.as_str()));
    named
        .into_iter()
        .flatten()
        .min_by_key(|object| {
            let fits = if is_drop {
                object.before.is_some()
            } else {
                object.id.table().is_some_and(|own| own.name == *table)
            };
            (!fits, Some(&object.id) != given)
        })
        .map(|object| &object.id)
        .or(given)
}

/// Statements about the history itself.
fn run_plain(statements: &[String], database: &mut dyn Database) -> Result<(), Error> {
    let statements: Vec<Statement> = statements
        .iter()
        .map(|sql| Statement {
            sql: sql.clone(),
            object: None,
        })
        .collect();
    database.run(&statements, &mut |_| ())
}

/// An object that is to be led somewhere, where to, and the statements for it where they are given.
type Lead<'a> = (&'a Object, Option<Definition>, Option<Vec<Statement>>);

/// Carries a journal out.
struct Runner<'a> {
    journal: &'a Journal,
    version: i64,
    settings: &'a Settings<'a>,
}

impl Runner<'_> {
    fn found(&self) -> BTreeMap<Arc<ObjectId>, Option<Definition>> {
        let found = self.journal.found.iter().cloned();
        found.map(|(id, was)| (Arc::new(id), was)).collect()
    }

    fn expected(&self) -> BTreeMap<Arc<ObjectId>, Expected> {
        let objects = self.journal.objects.iter();
        objects
            .map(|object| (object.id.clone(), object.end.clone()))
            .collect()
    }

    fn scope(&self) -> Scope<'_> {
        scope_of(self.journal.objects.iter().map(|object| &*object.id))
    }

    /// All statements, table by table. What was seen of them meanwhile is the answer.
    fn run(
        &self,
        groups: &[Group],
        database: &mut dyn Database,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Option<Seen>, Error> {
        // Before any table is held: a session that holds some cannot create another.
        create_tables(&self.journal.tables, database)?;
        let witness = match groups.len() {
            0..beside::WORTH => None,
            _ => database.witness(),
        };
        let Some(open) = witness else {
            self.run_groups(groups, database, progress, &|_| ())?;
            return Ok(None);
        };
        let (expected, found) = (self.expected(), self.found());
        let task = Task {
            expected: &expected,
            found: &found,
            writer: &self.settings.writer,
            version: self.version,
        };
        thread::scope(|scope| {
            let (sender, told) = mpsc::channel();
            let seen = scope.spawn(|| beside::see(&task, open, &{ told }));
            // Nobody listens any more where seeing did not work out.
            let tell = |what: Told| {
                let _ = sender.send(what);
            };
            let ran = self.run_groups(groups, database, progress, &tell);
            if ran.is_ok() {
                tell(Told::All);
            }
            drop(sender);
            // Before anything is undone, it must have let go of the history.
            let seen = joined(seen.join());
            ran.map(|()| seen)
        })
    }

    /// All groups, on one connection or on several; each is told when it is done.
    fn run_groups(
        &self,
        groups: &[Group],
        database: &mut dyn Database,
        progress: &mut dyn FnMut(usize),
        tell: &(dyn Fn(Told) + Sync),
    ) -> Result<(), Error> {
        let mut helpers = database.helpers(apart::helpers_for(groups));
        if helpers.len() > 1 {
            return apart::run(groups, &mut helpers, progress, &|group, helper, count| {
                self.run_some(slice::from_ref(group), helper, count)?;
                tell(Told::of(group));
                Ok(())
            });
        }
        drop(helpers);
        let mut done = 0;
        let mut count = || {
            done += 1;
            progress(done);
        };
        let (mut rest, mut ran) = (groups, Ok(()));
        while ran.is_ok()
            && let Some((some, others)) = rest.split_at_checked(additions(rest).max(1))
        {
            rest = others;
            ran = self.run_some(some, database, &mut count);
            if ran.is_ok() {
                for group in some {
                    tell(Told::of(group));
                }
            }
        }
        let released = database.release();
        ran.and(released)
    }

    /// The statements of one group, or of several that only add one trigger each. `count` counts them.
    fn run_some(
        &self,
        some: &[Group],
        database: &mut dyn Database,
        count: &mut dyn FnMut(),
    ) -> Result<(), Error> {
        match some {
            [group] if !group.is_addition => self.run_held(group, database, count),
            _ => self.run_additions(some, database, count),
        }
    }

    /// Each is one statement about a trigger, which holds its table by itself for as long as it takes.
    fn run_additions(
        &self,
        mut groups: &[Group],
        database: &mut dyn Database,
        count: &mut dyn FnMut(),
    ) -> Result<(), Error> {
        database.release()?;
        while !groups.is_empty() {
            signal::check()?;
            let statements: Vec<Statement> = groups
                .iter()
                .flat_map(|group| group.statements.iter().cloned())
                .collect();
            patiently(self.settings.patience, signal::check, || {
                let mut ran = 0;
                let result = database.run(&statements, &mut |done| ran = done);
                let before = groups.len();
                while let Some((first, others)) = groups.split_first()
                    && let Some(left) = ran.checked_sub(first.statements.len())
                {
                    for _ in &first.statements {
                        count();
                    }
                    (groups, ran) = (others, left);
                }
                match result {
                    // Each table that is busy has a patience of its own.
                    Err(error) if error.kind == Kind::Busy && groups.len() < before => {
                        log::info!("{error}; trying again");
                        Ok(())
                    }
                    result => result,
                }
            })?;
        }
        Ok(())
    }

    /// The statements of a group, while nobody else can use its tables: until the next group's are held, or all are released.
    fn run_held(
        &self,
        group: &Group,
        database: &mut dyn Database,
        count: &mut dyn FnMut(),
    ) -> Result<(), Error> {
        if !group.tables.is_empty() {
            hold(
                &group.tables,
                self.settings.patience,
                database,
                signal::check,
            )?;
        }
        for piece in pieces(&group.statements) {
            signal::check()?;
            for _ in piece {
                count();
            }
            database.run(piece, &mut |_| ())?;
        }
        Ok(())
    }

    /// See that all is as planned, where it was not seen before, and write it down.
    fn finish(
        &self,
        seen: Option<Seen>,
        started: &Migration,
        clock: Instant,
        database: &mut dyn Database,
    ) -> Result<Migration, Error> {
        let migration = if let Some(seen) = seen {
            let Seen {
                database: mut beside,
                reader,
            } = seen;
            self.record(&reader, started, clock, &mut *beside, |_| Ok(()))?
        } else {
            let (expected, found) = (self.expected(), self.found());
            let all: Vec<_> = expected.iter().map(|(id, end)| (&**id, end)).collect();
            let mut reader = Reader::default();
            let live = reader.read(&all, &expected, database)?;
            let verdicts = verdicts(&all, &live, database)?;
            let rows = rows(&all, &found, live, verdicts, database.dialect());
            let writer = &self.settings.writer;
            self.record(&reader, started, clock, database, |record| {
                record("START TRANSACTION".to_owned())?;
                writer.each_of_objects(self.version, rows, record)
            })?
        };
        // It is done and written down: locks that cannot be given back go with the connection, and nothing is undone for them.
        if let Err(error) = database.commit() {
            log::debug!("the locks were not given back: {error}");
        }
        Ok(migration)
    }

    /// The end of the transaction that `write` begins, or that is open already: that the migration was applied.
    fn record(
        &self,
        reader: &Reader,
        started: &Migration,
        clock: Instant,
        database: &mut dyn Database,
        write: impl FnOnce(&mut dyn FnMut(String) -> Result<(), Error>) -> Result<(), Error>,
    ) -> Result<Migration, Error> {
        let writer = &self.settings.writer;
        let mut record = |sql: String| run_plain(&[sql], database);
        let recorded = write(&mut record).and_then(|()| {
            let migration = Migration {
                state: "applied".to_owned(),
                to_fingerprint: reader.digest(),
                finished_at: Some(Timestamp::now().to_string()),
                duration_ms: i64::try_from(clock.elapsed().as_millis()).ok(),
                ..started.clone()
            };
            record(writer.finish(&migration)?)?;
            record("COMMIT".to_owned())?;
            Ok(migration)
        });
        match recorded {
            Err(error) if error.kind != Kind::Uncertain => {
                // What undoes it is DDL, which would commit the rows.
                Err(match insist(|| record("ROLLBACK".to_owned())) {
                    Ok(()) => error,
                    Err(second) => Error {
                        kind: Kind::Uncertain,
                        ..error.note(second.to_string())
                    },
                })
            }
            recorded => recorded,
        }
    }

    /// The end of a migration that cannot go on: undo what it did, and say so.
    fn undone(
        &self,
        started: &Migration,
        clock: Instant,
        error: Error,
        database: &mut dyn Database,
    ) -> Error {
        if error.kind == Kind::Uncertain {
            return self.left(error, None);
        }
        let back = insist(|| self.back(database)).and_then(|()| {
            let migration = Migration {
                state: "failed".to_owned(),
                finished_at: Some(Timestamp::now().to_string()),
                duration_ms: i64::try_from(clock.elapsed().as_millis()).ok(),
                error: Some(error.to_string()),
                ..started.clone()
            };
            let finish = [self.settings.writer.finish(&migration)?];
            insist(|| run_plain(&finish, database))
        });
        match back {
            Ok(()) => {
                let error = error.note(format!(
                    "what had been done was undone: nothing has changed; migration {} is recorded as failed",
                    self.version
                ));
                match existing(&self.journal.tables, database) {
                    Ok(tables) => tables.iter().fold(error, |error, table| {
                        error.note(format!("but the table {table}, which it created, stays"))
                    }),
                    Err(_) => error,
                }
            }
            Err(second) => self.left(error, Some(second)),
        }
    }

    /// Nobody could undo it.
    fn left(&self, error: Error, second: Option<Error>) -> Error {
        let mut error = match error.kind {
            // Its words are those of one after which nothing has changed.
            Kind::Interrupted => Error::new(Kind::Uncertain, "interrupted"),
            _ => Error {
                kind: Kind::Uncertain,
                ..error
            },
        }
        .note(format!(
            "migration {} is neither done nor undone",
            self.version
        ));
        if let Some(second) = second {
            error = error.note(format!("undoing it failed: {second}"));
        }
        error.help("`triggerctl repair` shows the state of each trigger, and finishes or undoes it")
    }

    /// Every object as it was, by the definitions that were written down.
    fn back(&self, database: &mut dyn Database) -> Result<(), Error> {
        // A signal may have met their release, and whoever holds some tables can read no others.
        database.release()?;
        self.lead(Way::Back, database)
    }

    /// Lead every object to where the journal says: forward or back.
    fn lead(&self, way: Way, database: &mut dyn Database) -> Result<(), Error> {
        if way == Way::Forward {
            let there = existing(&self.journal.tables, database)?;
            let missing = self.journal.tables.iter();
            let missing: Vec<NewTable> = missing
                .filter(|table| !there.contains(&table.table))
                .cloned()
                .collect();
            create_tables(&missing, database)?;
        }
        let catalog = database.catalog(&self.scope())?;
        let live = definitions(&catalog, database)?;
        let mut ways = vec![];
        for object in &self.journal.objects {
            let now = live.get(&object.id);
            let found = found(object, &catalog, now, database)?;
            let there = match way {
                Way::Back => is_before(object, &catalog, now, database)?,
                Way::Forward => found == Found::After,
                Way::Leave => true,
            };
            if there {
                continue;
            }
            let is_custom = matches!(
                object.end,
                Expected::Released | Expected::Present { custom: true, .. }
            );
            if way == Way::Forward && is_custom {
                ways.push((object, None, Some(self.rest_of(object, found))));
                continue;
            }
            let target = match (way, &object.end) {
                (Way::Back, _) => object
                    .before
                    .as_ref()
                    .map(|before| before.definition.clone()),
                (
                    _,
                    Expected::Present { definition, .. } | Expected::Returned { definition, .. },
                ) => Some(definition.clone()),
                (_, Expected::Absent | Expected::Missing { .. } | Expected::Released) => None,
            };
            ways.push((object, target, None));
        }
        let statements = self.statements(ways, &catalog, &live, database)?;
        for group in groups(statements, &BTreeSet::new()) {
            if !group.tables.is_empty() {
                hold(&group.tables, self.settings.patience, database, || Ok(()))?;
            }
            let result = database.run(&group.statements, &mut |_| ());
            let released = database.release();
            result?;
            released?;
        }
        let catalog = database.catalog(&self.scope())?;
        let live = definitions(&catalog, database)?;
        for object in &self.journal.objects {
            if way == Way::Back && !is_before(object, &catalog, live.get(&object.id), database)? {
                return Err(Error::new(
                    Kind::Uncertain,
                    format!("{} is not as it was", object.id),
                ));
            }
        }
        Ok(())
    }

    /// The statements that lead each object to its target, or those that are given: what goes first, then table by table,
    /// whoever tells another's place before it.
    fn statements(
        &self,
        mut ways: Vec<Lead<'_>>,
        catalog: &Catalog,
        live: &BTreeMap<ObjectId, Definition>,
        database: &dyn Database,
    ) -> Result<Vec<Statement>, Error> {
        let places: Vec<_> = ways
            .iter()
            .map(|(object, target, _)| {
                let place = target.as_ref().and_then(Definition::place);
                (&*object.id, place)
            })
            .collect();
        let ranks = ranks(&places);
        ways.sort_by_cached_key(|(object, target, given)| {
            let stays = target.is_some() || given.is_some();
            let rank = ranks.get(&*object.id).copied().unwrap_or(0);
            let earlier = target.as_ref().map_or(0, earlier_siblings);
            (stays, object.id.table().cloned(), rank + earlier)
        });
        let (renderer, server) = (self.settings.writer.renderer, database.server());
        let dialect = database.dialect();
        let mut siblings = Siblings::read(&catalog.places);
        let mut statements = vec![];
        for (object, target, given) in ways {
            if let Some(mut given) = given {
                statements.append(&mut given);
                continue;
            }
            let (now, target) = siblings.step(live.get(&object.id).cloned(), target);
            let ddl = match (&now, &target) {
                (None, None) => continue,
                (Some(now), None) => dialect.drop(now, renderer, server)?,
                (None, Some(target)) => {
                    dialect.create(&database.spared(target), renderer, server)?
                }
                (Some(now), Some(target)) => {
                    let (now, target) = (database.spared(now), database.spared(target));
                    dialect.alter(&now, &target, renderer, server)?
                }
            };
            statements.extend(ddl.statements.into_iter().map(|sql| {
                let is_about = dialect.subject(&sql, object.id.schema()).is_some();
                Statement {
                    sql,
                    object: is_about.then(|| Arc::clone(&object.id)),
                }
            }));
        }
        Ok(statements)
    }

    /// What is left to be done about one object by the statements themselves, for whose end there is no definition.
    fn rest_of(&self, object: &Object, found: Found) -> Vec<Statement> {
        let mut statements: Vec<Statement> = vec![];
        let mut settings = vec![];
        for step in &self.journal.steps {
            let statement = step.statement();
            match &statement.object {
                None => settings.push(statement),
                Some(id) if *id == object.id => {
                    statements.append(&mut settings);
                    statements.push(statement);
                }
                Some(_) => settings.clear(),
            }
        }
        if found == Found::Between {
            // All that is missing is its last making.
            let last_drop = statements
                .iter()
                .rposition(|statement| statement.object.is_some() && is_drop(statement));
            if let Some(at) = last_drop {
                statements.drain(..=at);
            }
        }
        statements
    }
}

impl Step {
    fn statement(&self) -> Statement {
        Statement {
            sql: self.sql.clone(),
            object: self.about.as_ref().map(|about| Arc::clone(&about.0)),
        }
    }
}

/// So often may a signal meet what must be done to the end: somebody may press Ctrl-C again.
const INSISTENCE: u32 = 20;

/// Do what must not be given up because of a signal, since nothing would be as it was: what a signal has the server stop may be
/// that, instead of what the signal was meant for. It is begun anew, and does nothing twice.
fn insist<T>(mut work: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 0..INSISTENCE {
        match work() {
            Err(error) if error.kind == Kind::Interrupted => log::info!("{error}; going on"),
            done => return done,
        }
    }
    work()
}

/// Hold others off these tables.
fn hold(
    tables: &BTreeSet<TableId>,
    patience: Patience,
    database: &mut dyn Database,
    goes_on: impl Fn() -> Result<(), Error>,
) -> Result<(), Error> {
    patiently(patience, goes_on, || database.hold(tables))
}

/// What finds a table busy is tried again, with pauses, until the patience is over, or `goes_on` says that a signal came.
fn patiently(
    patience: Patience,
    goes_on: impl Fn() -> Result<(), Error>,
    mut attempt: impl FnMut() -> Result<(), Error>,
) -> Result<(), Error> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(50);
    loop {
        let error = match attempt() {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        goes_on()?;
        if error.kind != Kind::Busy || start.elapsed() + pause >= patience.total {
            return Err(error);
        }
        log::info!("{error}; trying again");
        std::thread::sleep(pause + Duration::from_millis(fastrand::u64(0..=50)));
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

fn definitions(
    catalog: &Catalog,
    database: &mut dyn Database,
) -> Result<BTreeMap<ObjectId, Definition>, Error> {
    let ids: Vec<ObjectId> = catalog.fingerprints.keys().cloned().collect();
    database.definitions(&ids, Depth::Whole)
}

/// Whether an object is as it was before the migration.
fn is_before(
    object: &Object,
    catalog: &Catalog,
    now: Option<&Definition>,
    database: &mut dyn Database,
) -> Result<bool, Error> {
    let live = catalog.fingerprints.get(&object.id);
    Ok(match (&object.before, live, now) {
        (None, None, _) => true,
        (Some(before), Some(live), _) if before.fingerprint == *live => true,
        (Some(before), Some(_), Some(now)) => {
            differences(&before.definition, now, database)?.is_empty()
        }
        _ => false,
    })
}

/// How one object is found; what is only recorded is after as it was before.
fn found(
    object: &Object,
    catalog: &Catalog,
    now: Option<&Definition>,
    database: &mut dyn Database,
) -> Result<Found, Error> {
    let is_before = is_before(object, catalog, now, database)?;
    let is_after = match (&object.end, now) {
        // The statements say what a released one is to be: gone, as far as that can be seen.
        (Expected::Absent | Expected::Missing { .. } | Expected::Released, None) => true,
        (
            Expected::Present {
                definition,
                rendered_digest: _,
                custom: false,
            }
            | Expected::Returned {
                definition,
                record: _,
            },
            Some(now),
        ) => differences(definition, now, database)?.is_empty(),
        _ => false,
    };
    Ok(
        if is_after && !(is_before && matches!(object.end, Expected::Released)) {
            Found::After
        } else if is_before {
            Found::Before
        } else if now.is_none() {
            Found::Between
        } else {
            Found::Other
        },
    )
}

fn earlier_siblings(definition: &Definition) -> usize {
    match definition.place() {
        Some(crate::model::Place::Among { before, .. }) => before.len(),
        _ => 0,
    }
}

/// What there is of a migration that was broken off; `None` when there is none. Takes no lock, so it may still be
/// running: see [`repair`].
pub fn broken(database: &mut dyn Database) -> Result<Option<Broken>, Error> {
    let Some(unfinished) = database.unfinished()? else {
        return Ok(None);
    };
    let Unfinished { migration, journal } = unfinished;
    let Some(journal) = journal else {
        return Ok(Some(Broken {
            migration,
            found: vec![],
            progress: (0, 0),
            ends: vec![],
        }));
    };
    let journal = written::read(&journal, &migration, database.home())?;
    let expected: BTreeMap<_, _> = journal
        .objects
        .iter()
        .map(|object| (object.id.clone(), object.end.clone()))
        .collect();
    let catalog = database.catalog(&job_scope(&expected))?;
    let live = definitions(&catalog, database)?;
    let states: Vec<_> = journal
        .objects
        .iter()
        .map(|object| {
            Ok((
                ObjectId::clone(&object.id),
                found(object, &catalog, live.get(&object.id), database)?,
            ))
        })
        .collect::<Result<_, Error>>()?;
    let progress = progress(&journal, &states);
    let objects = journal.objects.iter();
    Ok(Some(Broken {
        ends: objects
            .map(|object| object.ends().map(Option::<&_>::cloned))
            .collect(),
        migration,
        found: states,
        progress,
    }))
}

/// How many statements about triggers have run, as what was found of each trigger says, and of how many. Nothing was counted
/// on the way: a row of the history with all that is to be done is too long to be written anew for each statement, above all
/// where a binary log keeps the whole of it.
fn progress(journal: &Journal, states: &[(ObjectId, Found)]) -> (usize, usize) {
    let (mut done, mut all) = (0, 0);
    for (id, found) in states {
        let about = ObjectRef::from(id);
        let own = journal
            .steps
            .iter()
            .filter(|step| step.about.as_ref() == Some(&about));
        let count = own.count();
        all += count;
        done += match found {
            Found::After => count,
            // Dropped: of two statements the first.
            Found::Between => count.saturating_sub(1),
            Found::Before | Found::Other => 0,
        };
    }
    (done, all)
}

/// End a migration that was broken off, under the migration lock. The answer is its row as it is now.
pub fn repair(
    way: Way,
    patience: Patience,
    writer: Writer<'_>,
    database: &mut dyn Database,
) -> Result<Option<Migration>, Error> {
    database.begin(patience)?;
    let result = repair_locked(way, patience, writer, database);
    let ended = database.abort();
    let migration = result?;
    ended?;
    Ok(migration)
}

fn repair_locked(
    way: Way,
    patience: Patience,
    writer: Writer<'_>,
    database: &mut dyn Database,
) -> Result<Option<Migration>, Error> {
    let clock = Instant::now();
    let Some(Unfinished { migration, journal }) = database.unfinished()? else {
        return Ok(None);
    };
    let journal = match &journal {
        Some(journal) => written::read(journal, &migration, database.home())?,
        // Nothing had been run.
        None => Journal {
            tables: vec![],
            steps: vec![],
            objects: vec![],
            found: vec![],
        },
    };
    let way = if journal.steps.is_empty() && journal.objects.is_empty() {
        Way::Leave
    } else {
        way
    };
    let settings = Settings {
        patience,
        message: None,
        writer,
    };
    let runner = Runner {
        journal: &journal,
        version: migration.version,
        settings: &settings,
    };
    runner.lead(way, database)?;
    if way == Way::Forward {
        return runner.finish(None, &migration, clock, database).map(Some);
    }
    let migration = Migration {
        state: "failed".to_owned(),
        finished_at: Some(Timestamp::now().to_string()),
        error: Some(match way {
            Way::Back => "broken off, and undone afterwards".to_owned(),
            Way::Leave | Way::Forward => "broken off, and left as it was found".to_owned(),
        }),
        ..migration
    };
    run_plain(&[settings.writer.finish(&migration)?], database)?;
    Ok(Some(migration))
}
