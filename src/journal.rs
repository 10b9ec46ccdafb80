//! Migrations on engines whose DDL commits by itself. Before anything is run, the history says what is meant: every
//! object as it is and as it is to be, and every statement. Each statement that ran is counted. What goes wrong is
//! undone at once, by the definitions that were written down; what is broken off (a kill, a power failure) is found by
//! the next run, which looks at each object: as before, as it is to be, in between, or something else. Only in the last
//! case does it ask a person; it never guesses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use std::{slice, thread};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::apply::{
    Expected, Job, Reader, Settings, create_tables, job_scope, must_fit, rows, scope_of,
    started_row, verdicts,
};
use crate::db::{Catalog, Database, Depth, Fingerprint, Migration, Patience, Scope, Statement};
use crate::error::{Diagnostic, Error, Kind};
use crate::kinds::tables::NewTable;
use crate::model::{Definition, ObjectId, TableId, TriggerId, shared};
use crate::parallel::joined;
use crate::plan::ObjectRef;
use crate::signal;

mod apart;
mod beside;
mod groups;
mod lead;
mod repair;
mod written;

pub use repair::{Broken, Found, Way, broken, repair};

use beside::{Seen, Task, Told};
use groups::{Group, additions, groups, pieces};
use lead::insist;

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
            Expected::Present { definition, .. }
            | Expected::Returned { definition, .. }
            | Expected::Restored { definition } => Some(definition),
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
}

impl Step {
    fn statement(&self) -> Statement {
        Statement {
            sql: self.sql.clone(),
            object: self.about.as_ref().map(|about| Arc::clone(&about.0)),
        }
    }
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
