//! Running a migration: lock, look again, run, look once more, write it down, commit. The protocol is the same for a plan
//! and for a rollback; both are a [`Job`]. Whatever happens before the commit leaves everything as it was.

mod verify;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::db::{
    Catalog, Database, History, Migration, MigrationRow, Patience, Protocol, Record, Scope,
    Statement,
};
use crate::digest::HexDigest;
use crate::error::{Diagnostic, Error, Kind};
use crate::history::{Ahead, Ways, Writer};
use crate::journal;
use crate::kinds::tables::NewTable;
use crate::model::{Definition, FunctionId, ObjectId, TableId};
use crate::parallel;
use crate::plan::kept;
use crate::plan::{self, Action, Change, Plan};
use crate::signal;
use crate::spec::TableRef;

pub(crate) use self::verify::{Reader, differences, live_of, rows, verdicts};

/// So many objects are verified and recorded at once: all of them need not be in memory together, and each reading of the
/// catalog has its price.
const VERIFIED_AT_ONCE: usize = 3_000;

/// So many statements take the database a while.
const WORTH_A_THREAD: usize = 50;

/// How one object is to be in the end.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// There, and like this.
    Present {
        /// What it is to be.
        definition: Definition,
        /// What is recorded as rendered.
        rendered_digest: HexDigest,
        /// The definition does not tell all (see [`crate::dialect::Ddl::custom`]).
        custom: bool,
    },
    /// There again, as its history says.
    Returned {
        /// What was recorded of it.
        definition: Definition,
        /// The record.
        record: Box<Record>,
    },
    /// Recorded again, and not there: it had been dropped by hand.
    Missing {
        /// What was recorded of it.
        definition: Definition,
        /// The record.
        record: Box<Record>,
    },
    /// Not there.
    Absent,
    /// Not ours any more, there or not.
    Released,
    /// Not ours any more, and as it was before it became so.
    Restored {
        /// What was live of it then.
        definition: Definition,
    },
}

/// Says, in words, what has moved of what a job rests on.
pub type Moved = Box<dyn Fn(&Catalog, &History) -> Vec<String>>;

/// One migration that is to be run.
pub struct Job {
    /// Tables to create before anything else; nothing ever drops them.
    pub tables: Vec<NewTable>,
    /// The statements in order.
    pub up: Vec<Statement>,
    /// The statements that undo it, in the order in which to run them.
    pub down: Vec<String>,
    /// How each object that it touches is to be in the end.
    pub expected: BTreeMap<Arc<ObjectId>, Expected>,
    /// What was live, of the objects that are touched; nothing, of those that were recorded and had been dropped by hand.
    pub found: BTreeMap<Arc<ObjectId>, Option<Definition>>,
    /// What may fail when it fires: the spec says so.
    pub faulty: BTreeSet<Arc<ObjectId>>,
    /// What the job rests on; the answer lists what has moved.
    pub moved: Moved,
    /// One line for the history.
    pub summary: String,
    /// The plan's digest.
    pub plan_id: String,
    /// The spec's digest.
    pub spec_digest: String,
    /// Fingerprint of what it rests on.
    pub from_fingerprint: String,
    /// What the desired side was worked out from, to be written down.
    pub rendering: Option<String>,
}

impl Job {
    /// The job of carrying out a plan. It takes the plan apart: a large one is not held twice.
    pub fn from_plan(plan: Plan) -> Result<Self, Error> {
        let summary = plan.summary_line();
        let mut job = Self {
            tables: plan.tables,
            up: vec![],
            down: vec![],
            expected: BTreeMap::new(),
            found: BTreeMap::new(),
            faulty: BTreeSet::new(),
            moved: Box::new(|_, _| vec![]),
            summary,
            plan_id: plan.plan_id,
            spec_digest: plan.spec_digest,
            from_fingerprint: plan.base_fingerprint,
            rendering: None,
        };
        // A map is made of a list at once in less room than one that grows by each.
        let (mut expected, mut found) = (vec![], vec![]);
        let mut reverses = vec![];
        let mut rests_on = vec![];
        let renamed = renamed_functions(&plan.changes);
        // Exactly as much room as they take: there may be many.
        let count = |of: fn(&Change) -> usize| plan.changes.iter().map(of).sum();
        job.up
            .reserve_exact(count(|change| change.statements.len()));
        rests_on.reserve_exact(count(|change| change.rests_on.len()));
        reverses.reserve_exact(plan.changes.len());
        expected.reserve_exact(plan.changes.len());
        for change in plan.changes {
            let old_id = change.old_id();
            let id = change.object.0;
            let faults_allowed = change.faults_allowed;
            let adopted = (change.action == Action::Adopt)
                .then(|| kept::text_of(change.before.as_ref()))
                .flatten();
            let statements = change.statements.into_iter();
            job.up.extend(statements.map(|sql| Statement {
                sql,
                object: Some(Arc::clone(&id)),
            }));
            reverses.push(change.reverse);
            let was_recorded = change
                .rests_on
                .iter()
                .any(|rested| rested.recorded.is_some());
            rests_on.extend(change.rests_on);
            match change.before {
                // Recorded or not: what is live says more than what was asked for (a text to the letter, an owner).
                Some(before) => {
                    let before = as_it_was(before, &renamed);
                    found.push((Arc::new(before.id()), Some(before)));
                }
                None if was_recorded => {
                    found.push((Arc::clone(&id), None));
                }
                None => {}
            }
            if faults_allowed {
                job.faulty.insert(Arc::clone(&id));
            }
            if let Some(old) = old_id {
                expected.push((Arc::new(old), Expected::Absent));
            }
            let end = match (change.action, change.after, change.rendered_digest) {
                (Action::Conflict, _, _) => continue,
                (Action::Drop, _, _) => Expected::Absent,
                (Action::Forget, _, _) => Expected::Released,
                (_, Some(definition), Some(rendered_digest)) => Expected::Present {
                    definition: laid_out(definition, adopted),
                    rendered_digest,
                    custom: change.custom,
                },
                (_, _, _) => {
                    return Err(Error::failed(format!(
                        "the plan does not say what {id} is to be"
                    )));
                }
            };
            expected.push((id, end));
        }
        job.expected = expected.into_iter().collect();
        job.found = found.into_iter().collect();
        job.down = reverses.into_iter().rev().flatten().collect();
        let base_version = plan.base_version;
        job.moved = Box::new(move |catalog, history| {
            plan::moved(base_version, &rests_on, catalog, history)
        });
        Ok(job)
    }
}

impl Job {
    /// The row of the migration that came of it, with the statements, which are not needed here any more.
    #[must_use]
    pub fn recorded(self, migration: Migration) -> Migration {
        let tables = self.tables.iter().flat_map(NewTable::statements);
        let tables: Vec<String> = tables.map(str::to_owned).collect();
        let up = self.up.into_iter().map(|statement| statement.sql);
        Migration {
            up: tables.into_iter().chain(up).collect(),
            down: self.down,
            ..migration
        }
    }

    /// All statements in the order in which they run.
    pub fn statements(&self) -> impl Iterator<Item = &str> {
        statements(&self.tables, &self.up)
    }
}

fn statements<'a>(tables: &'a [NewTable], up: &'a [Statement]) -> impl Iterator<Item = &'a str> {
    let tables = tables.iter().flat_map(NewTable::statements);
    tables.chain(up.iter().map(|statement| statement.sql.as_str()))
}

/// What is recorded of what is taken over: what the spec asks for, with the text that is there.
fn laid_out(mut definition: Definition, text: Option<String>) -> Definition {
    if let (Definition::Trigger(trigger), Some(text)) = (&mut definition, text) {
        Arc::make_mut(trigger).verbatim = Some(text);
    }
    definition
}

/// The functions that the changes rename: the new name, and the old one.
fn renamed_functions(changes: &[Change]) -> BTreeMap<FunctionId, FunctionId> {
    let renamed = |change: &Change| match (change.id(), change.old_id()) {
        (ObjectId::Function(new), Some(ObjectId::Function(old))) => Some((new.clone(), old)),
        _ => None,
    };
    changes.iter().filter_map(renamed).collect()
}

/// A live definition as it really was: a plan sees triggers call a function by the name that it is to have.
fn as_it_was(mut definition: Definition, renamed: &BTreeMap<FunctionId, FunctionId>) -> Definition {
    definition.call_instead(|function| renamed.get(function));
    definition
}

/// How to run a job.
pub struct Settings<'a> {
    /// How long to wait for locks.
    pub patience: Patience,
    /// What the user says about it.
    pub message: Option<String>,
    /// Writes the history.
    pub writer: Writer<'a>,
}

/// Run a job as the next migration; its statements are not in the answer (see [`Job::recorded`]). On an error nothing has
/// changed, unless it is [`Kind::Uncertain`].
pub fn run(
    job: &Job,
    settings: &Settings<'_>,
    database: &mut dyn Database,
    progress: &mut dyn FnMut(usize),
) -> Result<Migration, Error> {
    let start = Instant::now();
    affordable(job, database)?;
    let mut attempts = 0_u32;
    loop {
        attempts += 1;
        let attempt = match database.protocol() {
            Protocol::Transaction => attempt(job, settings, database, progress),
            Protocol::Journal => journal::attempt(job, settings, database, progress),
        };
        let error = match attempt {
            Ok(migration) => return Ok(migration),
            Err(error) => error,
        };
        if error.kind == Kind::Uncertain {
            return Err(error);
        }
        if let Err(second) = database.abort() {
            // The transaction ends with the connection at the latest; what matters to the user is the first error.
            log::debug!("after an error, the transaction could not be undone: {second}");
        }
        signal::check()?;
        let pause = Duration::from_millis(fastrand::u64(50..=250));
        if error.kind != Kind::Busy || start.elapsed() + pause >= settings.patience.total {
            return Err(if error.kind == Kind::Busy && attempts > 1 {
                error.note(format!(
                    "tried {attempts} times in {:.1} s; nothing was changed",
                    start.elapsed().as_secs_f64()
                ))
            } else {
                error
            });
        }
        log::info!("{error}; trying again");
        std::thread::sleep(pause);
        signal::check()?;
    }
}

fn attempt(
    job: &Job,
    settings: &Settings<'_>,
    database: &mut dyn Database,
    progress: &mut dyn FnMut(usize),
) -> Result<Migration, Error> {
    let started = Timestamp::now();
    let clock = Instant::now();
    database.begin(settings.patience)?;

    let (history, _) = must_fit(&job_scope(&job.expected), &job.moved, &job.tables, database)?;
    signal::check()?;

    create_tables(&job.tables, database)?;
    let ways = run_up(job, settings, database, progress)?;
    let tables = job
        .expected
        .keys()
        .filter_map(|id| id.table().cloned())
        .collect::<BTreeSet<_>>();
    let of_faulty = job.faulty.iter().filter_map(|id| id.table());
    let (faulty, sound): (BTreeSet<_>, BTreeSet<_>) = {
        let of_faulty: BTreeSet<&TableId> = of_faulty.collect();
        tables
            .into_iter()
            .partition(|table| of_faulty.contains(table))
    };
    database.check_live(&sound)?;
    // What fires on one table fails as a whole: there it can only be said.
    match database.check_live(&faulty) {
        Err(error) if error.kind == Kind::Failed => log::warn!("{error}"),
        checked => checked?,
    }

    let version = history.version + 1;
    let record = |sql: String, database: &mut dyn Database| {
        database.run(&[Statement { sql, object: None }], &mut |_| ())
    };
    if !history.exists {
        for sql in settings.writer.create()? {
            record(sql, database)?;
        }
    }
    let mut reader = Reader::default();
    let form = settings.writer.copied_by(database);
    let expected: Vec<_> = job.expected.iter().map(|(id, end)| (&**id, end)).collect();
    thread::scope(|scope| {
        // The rows of some are written out while the database tells of the next; it is asked of functions and triggers apart anyway.
        let mut ahead: Option<Ahead> = None;
        let of_a_kind = expected.chunk_by(|(one, _), (next, _)| one.kind() == next.kind());
        for some in of_a_kind.flat_map(|all| all.chunks(VERIFIED_AT_ONCE)) {
            let live = reader.read(some, &job.expected, database)?;
            let verdicts = verdicts(some, &live, database)?;
            if let Some(ahead) = ahead {
                ahead.record(database)?;
            }
            let rows = rows(some, &job.found, live, verdicts, database.dialect());
            ahead = Some(settings.writer.ahead(scope, version, rows, form));
        }
        ahead.map_or(Ok(()), |ahead| ahead.record(database))
    })?;
    let migration = Migration {
        state: "applied".to_owned(),
        to_fingerprint: reader.digest(),
        finished_at: Some(Timestamp::now().to_string()),
        duration_ms: i64::try_from(clock.elapsed().as_millis()).ok(),
        ..row(job, settings, version, started, database)
    };
    let rendering = job
        .rendering
        .as_deref()
        .filter(|_| history.keeps_rendering || !history.exists);
    match (ways, database.recorder()) {
        (Some(ways), _) => {
            let sql = settings.writer.migration_of(&migration, ways, rendering)?;
            record(sql, database)?;
        }
        (None, Some(recorder)) => recorder.record(MigrationRow {
            migration: &migration,
            up: Box::new(job.statements()),
            down: Box::new(job.down.iter().map(String::as_str)),
            rendering,
        })?,
        (None, None) => return Err(Error::failed("the migration cannot be written down")),
    }
    must_be_written(&migration, expected.len(), database)?;
    signal::check()?;
    database.commit()?;
    Ok(migration)
}

/// Undo a migration whose rows in the history are not there although writing them gave no error: a trigger of somebody's on
/// these tables may leave a row out, and what was applied without its record would be taken for somebody else's.
fn must_be_written(
    migration: &Migration,
    objects: usize,
    database: &mut dyn Database,
) -> Result<(), Error> {
    let Some((migrations, written)) = database.written(migration.version)? else {
        return Ok(());
    };
    if migrations == 1 && usize::try_from(written) == Ok(objects) {
        return Ok(());
    }
    Err(Diagnostic::new(
        "the migration could not be written down; nothing was changed",
    )
    .note(format!(
        "the inserts gave no error, but of 1 row in the history's table of migrations there is {migrations}, and of {objects} in its \
         table of objects there are {written}"
    ))
    .help("drop the trigger or the rule on these tables that keeps rows out or changes them")
    .into())
}

/// Refuse a plan that was saved and does not fit any more. The migration looks again, under its lock; this is so that
/// nobody is asked about the hazards of what cannot be done.
pub fn refuse_stale(plan: &Plan, database: &mut dyn Database) -> Result<(), Error> {
    let changes = plan.changes.iter();
    let rests_on: Vec<_> = changes
        .flat_map(|change| change.rests_on.iter().cloned())
        .collect();
    let moved = |catalog: &Catalog, history: &History| {
        plan::moved(plan.base_version, &rests_on, catalog, history)
    };
    let ids = rests_on.iter().map(|rested| &*rested.object);
    must_fit(&scope_of(ids), &moved, &plan.tables, database).map(|_| ())
}

/// Read what a migration rests on; refuse it when that has moved.
pub(crate) fn must_fit(
    scope: &Scope<'_>,
    moved: &dyn Fn(&Catalog, &History) -> Vec<String>,
    tables: &[NewTable],
    database: &mut dyn Database,
) -> Result<(History, Catalog), Error> {
    let history = database.history()?;
    let catalog = database.catalog(scope)?;
    let moved = moved(&catalog, &history);
    if !moved.is_empty() {
        return Err(stale(&moved));
    }
    history.must_be_whole()?;
    not_there(tables, database)?;
    Ok((history, catalog))
}

/// Run the statements of a job. What is to be recorded of them is written out while the database is at them, unless it is
/// better written down piece by piece.
fn run_up(
    job: &Job,
    settings: &Settings<'_>,
    database: &mut dyn Database,
    progress: &mut dyn FnMut(usize),
) -> Result<Option<Ways>, Error> {
    let (tables, up, down) = (&job.tables, &job.up, &job.down);
    if database.recorder().is_some() && settings.writer.is_long(job.statements()) {
        database.run(up, progress)?;
        return Ok(None);
    }
    let write = || {
        let down = down.iter().map(String::as_str);
        settings.writer.ways(statements(tables, up), down)
    };
    if up.len() < WORTH_A_THREAD {
        database.run(up, progress)?;
        return write().map(Some);
    }
    thread::scope(|scope| {
        let ways = scope.spawn(write);
        database.run(up, progress)?;
        parallel::joined(ways.join()).map(Some)
    })
}

/// Refuse to go on where a table that is to be created is there by now.
pub(crate) fn not_there(tables: &[NewTable], database: &mut dyn Database) -> Result<(), Error> {
    let moved: Vec<String> = existing(tables, database)?
        .into_iter()
        .map(|table| format!("the table {table} exists now"))
        .collect();
    if moved.is_empty() {
        Ok(())
    } else {
        Err(stale(&moved))
    }
}

/// Those of these tables that are there.
pub(crate) fn existing(
    tables: &[NewTable],
    database: &mut dyn Database,
) -> Result<BTreeSet<TableId>, Error> {
    if tables.is_empty() {
        return Ok(BTreeSet::new());
    }
    let references: Vec<TableRef> = tables
        .iter()
        .map(|table| TableRef::exactly(Some(table.table.schema.clone()), table.table.name.clone()))
        .collect();
    let found = database.tables(&references)?;
    Ok(tables
        .iter()
        .zip(found)
        .filter(|(_, found)| !found.is_empty())
        .map(|(table, _)| table.table.clone())
        .collect())
}

/// Create tables.
pub(crate) fn create_tables(tables: &[NewTable], database: &mut dyn Database) -> Result<(), Error> {
    let statements: Vec<Statement> = tables
        .iter()
        .flat_map(NewTable::statements)
        .map(|sql| Statement {
            sql: sql.to_owned(),
            object: None,
        })
        .collect();
    if statements.is_empty() {
        return Ok(());
    }
    database.run(&statements, &mut |_| ())
}

/// The row of a migration that begins.
pub(crate) fn started_row(
    job: &Job,
    settings: &Settings<'_>,
    version: i64,
    started: Timestamp,
    database: &dyn Database,
) -> Migration {
    Migration {
        up: job.statements().map(str::to_owned).collect(),
        down: job.down.clone(),
        ..row(job, settings, version, started, database)
    }
}

/// The row of a migration that begins, without its statements.
fn row(
    job: &Job,
    settings: &Settings<'_>,
    version: i64,
    started: Timestamp,
    database: &dyn Database,
) -> Migration {
    Migration {
        version,
        state: "started".to_owned(),
        message: settings.message.clone(),
        summary: job.summary.clone(),
        plan_id: job.plan_id.clone(),
        spec_digest: job.spec_digest.clone(),
        from_fingerprint: job.from_fingerprint.clone(),
        to_fingerprint: String::new(),
        up: vec![],
        down: vec![],
        started_at: started.to_string(),
        finished_at: None,
        duration_ms: None,
        error: None,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        applied_by: database.user(),
    }
}

/// Refuse a job that would take so many locks in its one transaction that others find none left.
fn affordable(job: &Job, database: &mut dyn Database) -> Result<(), Error> {
    if job.up.is_empty() {
        return Ok(());
    }
    let Some(budget) = database.lock_budget()? else {
        return Ok(());
    };
    let tables: BTreeSet<_> = job
        .expected
        .keys()
        .filter_map(|id| id.table().cloned())
        .collect();
    let tables: Vec<_> = tables.into_iter().collect();
    let functions = job.expected.iter().filter(|(id, expected)| {
        matches!(
            (&***id, expected),
            (ObjectId::Function(_), Expected::Absent)
        )
    });
    let needed = database.lock_count(&tables)? + functions.count();
    if needed <= budget {
        return Ok(());
    }
    Err(Diagnostic::new(format!(
        "this migration takes about {needed} locks in one transaction, and this server has room for {budget} beside its \
         other work"
    ))
    .help("apply it in parts with `--target`, or raise max_locks_per_transaction on the server")
    .into_error(Kind::Refused))
}

/// What to read of the catalog: the objects of the job and what stands around them.
pub(crate) fn job_scope(expected: &BTreeMap<Arc<ObjectId>, Expected>) -> Scope<'_> {
    scope_of(expected.keys().map(|id| &**id))
}

/// What to read of the catalog for these objects.
pub(crate) fn scope_of<'a>(ids: impl Iterator<Item = &'a ObjectId>) -> Scope<'a> {
    let known: BTreeSet<Cow<'_, ObjectId>> = ids.map(Cow::Borrowed).collect();
    let schemas: BTreeSet<&str> = known.iter().map(|id| id.schema()).collect();
    Scope {
        schemas: schemas.into_iter().map(str::to_owned).collect(),
        known,
    }
}

pub(crate) fn stale(moved: &[String]) -> Error {
    const SHOWN: usize = 10;
    let mut diagnostic =
        Diagnostic::new("the plan does not fit any more: what it rests on has changed");
    for what in moved.iter().take(SHOWN) {
        diagnostic = diagnostic.note(what.clone());
    }
    if moved.len() > SHOWN {
        diagnostic = diagnostic.note(format!("and {} more", moved.len() - SHOWN));
    }
    diagnostic
        .help("plan again, and look at what it says now")
        .into_error(Kind::Refused)
}
