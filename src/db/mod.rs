//! One connection to one database: the only place that imports a driver. `connect` picks the engine by URL; each
//! engine is one file (or folder) that implements [`Database`].

pub mod mysql;
pub mod postgres;
pub mod replication;
pub mod size;
pub mod sqlite;
pub mod stage;
pub mod url;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dialect::{Dialect, Server, Table};
use crate::digest::HexDigest;
use crate::effects::{Effects, Routine, Surroundings};
use crate::error::{Diagnostic, Error};
use crate::history::LiveFingerprint;
use crate::kinds::tables::NewTable;
use crate::model::{Definition, Events, FunctionId, ObjectId, Place, TableId, Timing, TriggerId};
use crate::spec::TableRef;

/// The schema of the history tables, unless the spec says otherwise.
pub const HISTORY_SCHEMA: &str = "triggerctl";

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Reading only: nothing is written, created or locked beyond what reading takes.
    Read,
    /// Running a migration.
    Write,
}

/// What connecting needs to know besides the URL.
#[derive(Debug, Clone)]
pub struct Settings {
    /// SQLite: the script that makes a missing file. For reading, its schema is made in memory.
    pub create_from: Option<std::path::PathBuf>,
    /// The schema of the history tables, where the engine has schemas.
    pub history_schema: String,
}

/// Open the database that a URL names.
pub fn connect(
    url: &url::DatabaseUrl,
    settings: &Settings,
    intent: Intent,
) -> Result<Box<dyn Database>, Error> {
    Ok(match url {
        url::DatabaseUrl::Sqlite(location) => {
            let create_from = settings.create_from.as_deref();
            Box::new(sqlite::open(&sqlite::Options {
                location,
                intent,
                create_from,
            })?)
        }
        url::DatabaseUrl::Postgres(url) => Box::new(postgres::Postgres::open(
            url,
            settings.history_schema.clone(),
        )?),
        url::DatabaseUrl::Mysql(url) => Box::new(mysql::Mysql::open(url)?),
    })
}

/// Whether tests run in a scratch database wherever this leads: SQLite has its copy in memory, and MySQL no transaction
/// that DDL would be a part of.
pub fn always_scratch(url: &url::DatabaseUrl) -> bool {
    !matches!(url, url::DatabaseUrl::Postgres(_))
}

/// Whether scratch databases are in memory there.
pub fn is_in_memory(url: &url::DatabaseUrl) -> bool {
    matches!(url, url::DatabaseUrl::Sqlite(_))
}

/// How to make scratch databases beside the one that a URL names.
pub fn blueprint(
    url: &url::DatabaseUrl,
    settings: &Settings,
    source: stage::Source<'_>,
) -> Result<Box<dyn stage::Blueprint>, Error> {
    Ok(match url {
        url::DatabaseUrl::Sqlite(location) => {
            let create_from = settings.create_from.as_deref();
            let live = sqlite::Options {
                location,
                intent: Intent::Read,
                create_from,
            };
            Box::new(sqlite::Blueprint::new(&live, source)?)
        }
        url::DatabaseUrl::Postgres(url) => Box::new(postgres::Blueprint::new(
            url,
            &settings.history_schema,
            source,
        )?),
        url::DatabaseUrl::Mysql(url) => Box::new(mysql::Blueprint::new(url, source)?),
    })
}

/// Which database a plan is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// `sqlite` or `postgres`.
    pub dialect: String,
    /// The engine's own version string: `3.54.1`, `15.18`.
    pub server_version: String,
    /// What tells this database from another, without a password: the file's absolute path; or
    /// `system identifier/database name` where the role may read it, else `host:port/database name`.
    pub database: String,
}

/// Digest of one live definition, as the catalog has it: equal exactly when nothing about the object has changed
/// since it was read. It may change without the object changing (a server upgrade); then a comparison decides.
pub type Fingerprint = HexDigest;

/// What the catalog holds, without the details.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Every trigger of the scope and every function that one of them calls, or that was asked for by name.
    pub fingerprints: BTreeMap<ObjectId, Fingerprint>,
    /// Which triggers call a function, in all schemas; each once.
    pub callers: BTreeMap<FunctionId, Vec<TriggerId>>,
    /// Triggers of the scope that are not listed because their function belongs to an extension, which may have put it
    /// there itself.
    pub of_extensions: BTreeSet<TriggerId>,
    /// What was asked for by name, is there, and is not listed because it, or its table, belongs to this extension.
    pub taken_over: BTreeMap<ObjectId, String>,
    /// Where triggers stand among their siblings, for engines that let that be chosen. It is in no fingerprint: it
    /// changes when a sibling comes or goes.
    pub places: BTreeMap<ObjectId, Standing>,
}

/// Where a trigger stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// When it and its siblings fire.
    pub timing: Timing,
    /// What they fire at.
    pub events: Events,
    /// Where it is among them.
    pub place: Place,
}

/// What is live of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// What it is, where that was asked for.
    pub definition: Option<Definition>,
}

/// Opens a connection, on any thread.
pub type Opening = Box<dyn FnOnce() -> Result<Box<dyn Database>, Error> + Send>;

/// What to read.
#[derive(Debug, Clone, Default)]
pub struct Scope<'a> {
    /// All triggers in these schemas.
    pub schemas: BTreeSet<String>,
    /// Objects that are known by name already: functions among them are read even if no trigger calls them, and where an
    /// engine folds case, live objects are listed under the spelling given here.
    pub known: BTreeSet<Cow<'a, ObjectId>>,
}

/// Where to look before it is known what is recorded or wanted: what both were when they were written down last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// The schemas that hold any of it.
    pub schemas: BTreeSet<String>,
    /// The functions that no trigger of it calls.
    pub uncalled: Vec<FunctionId>,
    /// How many objects it is.
    pub objects: usize,
}

/// Opens a second connection, which sees what the first one sees. To be called on another thread: it may take its time.
pub type Second = Box<dyn FnOnce() -> Result<Box<dyn Database>, Error> + Send>;

/// What of a scope to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// What [`Database::catalog`] lists.
    Ours,
    /// As if all that is found were known by name: the callers of every function, and triggers that an extension may have
    /// put on tables of the user's.
    All,
}

/// How much of a definition to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Everything but the text of conditions, which is [`crate::model::Condition::Unread`] where that text is costly.
    Structure,
    /// Everything.
    Whole,
}

/// What was recorded about one object at the last apply that touched it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Digest of the DDL that the spec rendered to.
    pub rendered_digest: HexDigest,
    /// Fingerprint of what was live after it was applied.
    pub live_fingerprint: Fingerprint,
    /// The migration that wrote this.
    pub version: i64,
}

/// What the history tables say; empty where there are none yet.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Whether the history tables exist.
    pub exists: bool,
    /// The highest version number; 0 before the first migration.
    pub version: i64,
    /// A migration that was begun and has no end: it is running, or was broken off. Engines with transactional DDL
    /// know none.
    pub unfinished: Option<i64>,
    /// The objects that are recorded as being there, with their latest record.
    pub records: BTreeMap<ObjectId, Record>,
    /// Whether there is a place for a [`crate::rendering`].
    pub keeps_rendering: bool,
}

/// What comes of it when nothing is left of a history.
const ANEW: &str =
    "the next apply then begins a new history, and takes over what is as the spec has it";

/// That only one of the two tables of a history is there.
pub(crate) fn half_a_history(missing: &str, other: &str) -> Error {
    Error::failed(format!("the history has lost its table `{missing}`"))
        .help("restore it from a backup")
        .help(format!("or drop `{other}` as well: {ANEW}"))
}

impl History {
    /// Refuse to go on from a history that somebody has taken the latest migrations out of: what objects are recorded as of
    /// would be recorded a second time. To be asked under the migration lock, where no other run can be half seen.
    ///
    /// # Errors
    /// There are records of a later version than the latest migration.
    pub fn must_be_whole(&self) -> Result<(), Error> {
        let latest = self.records.iter().max_by_key(|(_, record)| record.version);
        match latest {
            Some((id, record)) if record.version > self.version => Err(Diagnostic::new(
                "the history is not whole: migrations were deleted from it",
            )
            .note(format!(
                "{id} is recorded as of version {}, and the latest migration that there is a row of is {}",
                record.version, self.version
            ))
            .help("restore the rows that are missing from a backup")
            .help(format!("or empty the table of objects as well: {ANEW}"))
            .into()),
            _ => Ok(()),
        }
    }
}

/// A name that a constraint trigger is to have, and that a constraint of its table has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The trigger that is to be made.
    pub wanted: TriggerId,
    /// The constraint trigger whose constraint it is, if it is one's.
    pub trigger: Option<TriggerId>,
}

/// A live trigger of an engine that fires the triggers of one table, timing and event by their age.
#[derive(Debug, Clone, PartialEq)]
pub struct Sibling {
    /// What it is, to the letter.
    pub definition: Definition,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
}

/// How an engine keeps a migration whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// It is one transaction: [`Database::abort`] undoes everything.
    Transaction,
    /// Every statement stays once it has run: a journal in the history says what was meant (see [`crate::journal`]), and
    /// [`Database::abort`] only gives back the locks.
    Journal,
}

/// A migration that was begun and has no end, as the history has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Its row.
    pub migration: Migration,
    /// Its journal as JSON; `None` when not even that was written.
    pub journal: Option<String>,
}

/// One row of `migrations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// 1, 2, 3, …
    pub version: i64,
    /// `started`, `applied` or `failed`.
    pub state: String,
    /// What the user said with `--message`.
    pub message: Option<String>,
    /// One line: `2 created, 1 replaced`.
    pub summary: String,
    /// The plan's digest.
    pub plan_id: String,
    /// The spec's digest.
    pub spec_digest: String,
    /// Fingerprint of everything that the plan rested on.
    pub from_fingerprint: String,
    /// Fingerprint of the same objects afterwards.
    pub to_fingerprint: String,
    /// Statements that were run.
    pub up: Vec<String>,
    /// Statements that undo them, in the order in which to run them.
    pub down: Vec<String>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC.
    pub finished_at: Option<String>,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
    /// What went wrong.
    pub error: Option<String>,
    /// triggerctl's version.
    pub tool_version: String,
    /// The database role, or the operating system's user.
    pub applied_by: String,
}

/// The row of a migration whose statements are elsewhere, where they need not be in memory once more to be written down.
pub struct MigrationRow<'a> {
    /// The row, without its statements.
    pub migration: &'a Migration,
    /// Statements that were run.
    pub up: Box<dyn Iterator<Item = &'a str> + 'a>,
    /// Statements that undo them.
    pub down: Box<dyn Iterator<Item = &'a str> + 'a>,
    /// A [`crate::rendering`], where there is a place for it.
    pub rendering: Option<&'a str>,
}

impl MigrationRow<'_> {
    /// Its columns and what they hold, but for the statements; `None` is NULL.
    pub fn columns(&self) -> Vec<(&'static str, Option<Cow<'_, str>>)> {
        let Migration {
            version,
            state,
            message,
            summary,
            plan_id,
            spec_digest,
            from_fingerprint,
            to_fingerprint,
            up: _,
            down: _,
            started_at,
            finished_at,
            duration_ms,
            error,
            tool_version,
            applied_by,
        } = self.migration;
        let mut columns: Vec<(&'static str, Option<Cow<'_, str>>)> = vec![
            ("version", Some(version.to_string().into())),
            ("state", Some(state.into())),
            ("message", message.as_deref().map(Cow::from)),
            ("summary", Some(summary.into())),
            ("plan_id", Some(plan_id.into())),
            ("spec_digest", Some(spec_digest.into())),
            ("from_fingerprint", Some(from_fingerprint.into())),
            ("to_fingerprint", Some(to_fingerprint.into())),
            ("started_at", Some(started_at.into())),
            ("finished_at", finished_at.as_deref().map(Cow::from)),
            (
                "duration_ms",
                duration_ms.map(|number| number.to_string().into()),
            ),
            ("error", error.as_deref().map(Cow::from)),
            ("tool_version", Some(tool_version.into())),
            ("applied_by", Some(applied_by.into())),
        ];
        // A history of before may have no such column.
        columns.extend(
            self.rendering
                .map(|rendering| ("rendering", Some(rendering.into()))),
        );
        columns
    }
}

/// Writes a row of `migrations` piece by piece.
pub trait Recorder {
    /// Write down this migration, as part of the one that is open.
    ///
    /// # Errors
    /// As of [`Database::run`].
    fn record(&mut self, row: MigrationRow<'_>) -> Result<(), Error>;
}

/// A row of `objects`, column by column.
#[derive(Debug, serde::Serialize)]
pub struct ObjectRow<'a> {
    /// `trigger` or `function`.
    pub kind: &'a str,
    /// Its schema.
    pub schema: &'a str,
    /// A trigger's table; empty for a function.
    pub table: &'a str,
    /// Its name.
    pub name: &'a str,
    /// As of which migration.
    pub version: i64,
    /// Digest of the DDL that the spec rendered to.
    pub rendered_digest: Option<&'a HexDigest>,
    /// Fingerprint of what is live.
    pub live_fingerprint: Option<&'a HexDigest>,
    /// What it is, as JSON.
    pub definition: Option<String>,
    /// What was live before, as JSON.
    pub before: Option<String>,
}

impl ObjectRow<'_> {
    /// The columns, in the order of [`Self::values`].
    pub const COLUMNS: [&'static str; 9] = [
        "kind",
        "schema",
        "table",
        "name",
        "version",
        "rendered_digest",
        "live_fingerprint",
        "definition",
        "before",
    ];

    /// What the columns hold; `None` is NULL.
    pub fn values(&self) -> [Option<Cow<'_, str>>; 9] {
        let Self {
            kind,
            schema,
            table,
            name,
            version,
            rendered_digest,
            live_fingerprint,
            definition,
            before,
        } = self;
        let digest = |digest: Option<&HexDigest>| digest.map(|digest| digest.to_string().into());
        [
            Some((*kind).into()),
            Some((*schema).into()),
            Some((*table).into()),
            Some((*name).into()),
            Some(version.to_string().into()),
            digest(*rendered_digest),
            digest(*live_fingerprint),
            definition.as_deref().map(Cow::from),
            before.as_deref().map(Cow::from),
        ]
    }
}

/// Puts a row behind others, in a form of an engine's.
pub type RowForm = fn(&ObjectRow<'_>, &mut String);

/// Writes many rows of `objects` at once, in a form of the engine's own, which others can make while it is at work.
pub trait Copier {
    /// The form.
    fn form(&self) -> RowForm;
    /// Write down the rows in these pieces, as part of the migration that is open.
    ///
    /// # Errors
    /// As of [`Database::run`], and those of the pieces.
    fn copy(
        &mut self,
        pieces: &mut dyn Iterator<Item = Result<String, Error>>,
    ) -> Result<(), Error>;
}

/// Two conditions on one table, to be judged by the engine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConditionPair {
    /// The table whose OLD and NEW they speak of.
    pub table: TableId,
    /// One.
    pub left: String,
    /// The other.
    pub right: String,
}

/// What the engine says of these pairs; it is not asked where there are none.
///
/// # Errors
/// As of [`Database::same_conditions`].
pub fn verdicts(
    pairs: Vec<ConditionPair>,
    database: &mut dyn Database,
) -> Result<BTreeMap<ConditionPair, Verdict>, Error> {
    if pairs.is_empty() {
        return Ok(BTreeMap::new());
    }
    let verdicts = database.same_conditions(&pairs)?;
    Ok(pairs.into_iter().zip(verdicts).collect())
}

/// What the engine says of two conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They are the same.
    Same,
    /// They differ.
    Different,
    /// The engine could not say: counts as a difference, and the plan says so.
    Unknown(String),
}

/// A statement and what it is for, so that a failure can name its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// One statement, without a closing semicolon.
    pub sql: String,
    /// The object that it is about; `None` for the history's own.
    pub object: Option<Arc<ObjectId>>,
}

impl Statement {
    /// How it begins, up to its list of columns or values: what it is called where no object says it.
    pub fn heading(&self) -> String {
        let line = self.sql.trim_start().lines().next().unwrap_or_default();
        let heading = line.split('(').next().unwrap_or_default().trim_end();
        match heading.char_indices().nth(80) {
            Some((end, _)) => format!("{}…", &heading[..end]),
            None => heading.to_owned(),
        }
    }
}

/// What was live before migrations, of the objects that they touched. See [`Database::befores`].
pub type Befores = BTreeMap<ObjectId, Option<Option<Definition>>>;

/// How long to wait for locks.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For one lock, in one attempt. Never 0 (which would be for ever).
    pub lock_timeout: std::time::Duration,
    /// For the whole apply; then exit 4.
    pub total: std::time::Duration,
}

/// One open connection.
pub trait Database: Send {
    /// Its rules.
    fn dialect(&self) -> &'static dyn Dialect;
    /// The engine's version.
    fn server(&self) -> Server;
    /// Which database this is.
    fn target(&self) -> &Target;
    /// The schema that has the database's own name, which changes when it is copied or renamed: what is written down names it
    /// nowhere, so that a copy speaks of itself and never of what it was copied from.
    fn home(&self) -> Option<&str> {
        None
    }
    /// Who migrations are recorded as applied by.
    fn user(&self) -> String;

    /// Look up tables, views and partitions by name (`search_path` decides on unqualified ones) or glob. The answer has
    /// one entry per reference, in order: what it matched; empty when nothing did. Globs match no partitions, no
    /// system schemas and no history tables, and an unqualified glob looks in the schema that unqualified names
    /// are created in.
    fn tables(&mut self, references: &[TableRef]) -> Result<Vec<Vec<Table>>, Error>;
    /// Names to compare a misspelt table with: the tables and views of this schema, or of all where the user's may be.
    fn table_names(&mut self, schema: Option<&str>) -> Result<Vec<TableId>, Error>;
    /// The schemas that may hold triggers of the user's: neither the system's, nor the history's.
    fn schemas(&mut self) -> Result<Vec<String>, Error> {
        Ok(vec![self.current_schema()?])
    }
    /// Those of these schemas that are not there, but for the history's, which a migration makes.
    fn missing_schemas(&mut self, names: &[&str]) -> Result<Vec<String>, Error> {
        let _ = names;
        Ok(vec![])
    }
    /// Where unqualified trigger functions of these names are found (`search_path` decides); those that are nowhere
    /// are left out.
    fn function_schemas(&mut self, names: &[&str]) -> Result<BTreeMap<String, String>, Error> {
        let _ = names;
        Ok(BTreeMap::new())
    }
    /// Trigger functions in these schemas that no trigger calls; those of extensions are left out.
    fn uncalled_functions(&mut self, schemas: &BTreeSet<String>) -> Result<Vec<FunctionId>, Error> {
        let _ = schemas;
        Ok(vec![])
    }
    /// The names of event triggers, which are none of triggerctl's business; those of extensions are left out.
    fn event_triggers(&mut self) -> Result<Vec<String>, Error> {
        Ok(vec![])
    }
    /// The schema that an unqualified new name belongs to; empty where there is none, which PostgreSQL's search path may come to.
    fn current_schema(&mut self) -> Result<String, Error>;

    /// The history's state. Never creates the tables.
    fn history(&mut self) -> Result<History, Error>;
    /// What the latest migration wrote down of a [`crate::rendering`].
    fn rendering(&mut self) -> Result<Option<String>, Error> {
        Ok(None)
    }
    /// All migrations, oldest first; `statements` says whether `up` and `down` are wanted (else they are empty).
    fn migrations(&mut self, statements: bool) -> Result<Vec<Migration>, Error>;
    /// The definitions recorded for these objects, as of `version` (the latest record that is not newer).
    fn recorded(
        &mut self,
        ids: &[ObjectId],
        version: i64,
    ) -> Result<BTreeMap<ObjectId, Definition>, Error>;
    /// What was recorded as of `version`, for every object known at that version.
    fn records_at(&mut self, version: i64) -> Result<BTreeMap<ObjectId, Record>, Error>;

    /// Every object that migrations after `version` touched, with what was live (`Some(None)`: nothing) before the first of
    /// them where that was not what the history says.
    fn befores(&mut self, version: i64) -> Result<Befores, Error>;

    /// One read of the catalog.
    fn catalog(&mut self, scope: &Scope<'_>) -> Result<Catalog, Error>;
    /// Read all as of this moment, until [`Database::end_moment`]: the sides of a plan must fit together, whoever applies
    /// something meanwhile. Does nothing where the engine does not have that.
    fn begin_moment(&mut self) -> Result<(), Error> {
        Ok(())
    }
    /// The same, and how to open a second connection that reads as of the same moment. `None`, and nothing is begun, where
    /// the engine does not have that, or does not let us.
    fn second(&mut self) -> Result<Option<Second>, Error> {
        Ok(None)
    }
    /// Read of the catalog what [`Database::catalog`] will most probably be asked for: its next answer needs no reading where
    /// this was that. It is forgotten when a migration begins.
    fn look_ahead(&mut self, reach: &Reach) -> Result<(), Error> {
        let _ = reach;
        Ok(())
    }
    /// The end of what [`Database::begin_moment`] or [`Database::second`] began, if anything.
    fn end_moment(&mut self) -> Result<(), Error> {
        Ok(())
    }
    /// What is there, by name alone: the fingerprints may be empty.
    fn listing(&mut self, scope: &Scope<'_>, listed: Listed) -> Result<Catalog, Error> {
        let _ = listed;
        self.catalog(scope)
    }
    /// The definitions behind what the last [`Database::catalog`] or [`Database::listing`] listed.
    fn definitions(
        &mut self,
        ids: &[ObjectId],
        depth: Depth,
    ) -> Result<BTreeMap<ObjectId, Definition>, Error>;
    /// Whether [`Database::definitions`] goes to each object by itself: asking for some at a time then costs no more than asking
    /// for all at once.
    fn goes_to_each(&self) -> bool {
        false
    }
    /// What [`Database::catalog`] and [`Database::definitions`] say of these objects, in one read, where that is less work
    /// than theirs; `None` elsewhere. What is not there is left out.
    fn live(
        &mut self,
        ids: &[ObjectId],
        depth: Depth,
    ) -> Result<Option<BTreeMap<ObjectId, Live>>, Error> {
        let _ = (ids, depth);
        Ok(None)
    }
    /// Those of these names of constraint triggers that constraints of their tables have, for engines that have constraint
    /// triggers.
    fn constraints(&mut self, triggers: &[TriggerId]) -> Result<Vec<Taken>, Error> {
        let _ = triggers;
        Ok(vec![])
    }
    /// All live triggers of these tables, the oldest first, for engines that fire them by age; of others, nothing.
    fn siblings(&mut self, tables: &BTreeSet<TableId>) -> Result<Vec<Sibling>, Error> {
        let _ = tables;
        Ok(vec![])
    }
    /// The definition without what a new object has anyway on this connection (its user as the definer, its settings):
    /// for DDL that says no more than it needs to.
    fn spared<'a>(&self, definition: &'a Definition) -> std::borrow::Cow<'a, Definition> {
        std::borrow::Cow::Borrowed(definition)
    }
    /// Judge pairs of conditions; one verdict a pair, in order.
    fn same_conditions(&mut self, pairs: &[ConditionPair]) -> Result<Vec<Verdict>, Error>;
    /// Whether [`Database::check`] and [`Database::effects`] look at the DDL of triggers, in `verbatim`.
    fn looks_at_ddl(&self) -> bool {
        false
    }
    /// What the engine would say when these definitions fire, found without changing anything: missing tables and
    /// columns, a function that is not there. Statements before the diagnostics that it returns have no effect.
    /// `new` are tables that are to be created before them.
    fn check(
        &mut self,
        definitions: &[&Definition],
        new: &[NewTable],
    ) -> Result<Vec<(ObjectId, Diagnostic)>, Error>;

    /// Whether [`Database::check`] looks into bodies that are not there yet.
    fn checks_bodies(&self) -> bool {
        true
    }

    /// What these triggers do, and all that are live besides, where the engine itself reports it: their DDL is in `verbatim`,
    /// and all of them must be sound. `None` where it cannot tell.
    fn effects(
        &mut self,
        triggers: &[&Definition],
        new: &[NewTable],
    ) -> Result<Option<BTreeMap<TriggerId, Effects>>, Error> {
        let _ = (triggers, new);
        Ok(None)
    }
    /// What the catalog holds around triggers on these tables.
    fn surroundings(&mut self, tables: &BTreeSet<TableId>) -> Result<Surroundings, Error>;
    /// The functions and procedures of users that these names may stand for.
    fn routines(&mut self, names: &[TableRef]) -> Result<Vec<Routine>, Error> {
        let _ = names;
        Ok(vec![])
    }

    /// Which of these names stand for no table, view or sequence at all.
    fn unknown_relations(&mut self, names: &[TableRef]) -> Result<BTreeSet<TableRef>, Error> {
        let _ = names;
        Ok(BTreeSet::new())
    }

    /// The size of these tables and who is at them, in one query and without waiting for anybody. Asked only of tables
    /// that a plan changes something on; what is not in the answer is not known.
    fn table_states(
        &mut self,
        tables: &BTreeSet<TableId>,
    ) -> Result<BTreeMap<TableId, size::TableState>, Error> {
        let _ = tables;
        Ok(BTreeMap::new())
    }
    /// The same of those of these tables that have no trigger, where finding that out costs little.
    fn untouched_states(
        &mut self,
        tables: &BTreeSet<TableId>,
    ) -> Result<BTreeMap<TableId, size::TableState>, Error> {
        let _ = tables;
        Ok(BTreeMap::new())
    }
    /// What logical replication has to do with these tables, which are about to be made, with the history's own where that is
    /// about to be made as well, and with the history that is there.
    fn replication(
        &mut self,
        new: &[&TableId],
        with_history: bool,
    ) -> Result<replication::Replication, Error> {
        let _ = (new, with_history);
        Ok(replication::Replication::default())
    }
    /// An error where this role may not make these, on engines that cannot undo what was done before the server says so.
    fn may_make(&mut self, definitions: &[&Definition]) -> Result<(), Error> {
        let _ = definitions;
        Ok(())
    }

    /// How many table locks one transaction may take without crowding others out; `None` where there is no limit.
    fn lock_budget(&mut self) -> Result<Option<usize>, Error> {
        Ok(None)
    }
    /// How many table locks triggers on these tables take, partitions counted.
    fn lock_count(&mut self, tables: &[TableId]) -> Result<usize, Error> {
        Ok(tables.len())
    }

    /// How it keeps a migration whole.
    fn protocol(&self) -> Protocol {
        Protocol::Transaction
    }
    /// The migration that was begun and has no end.
    fn unfinished(&mut self) -> Result<Option<Unfinished>, Error> {
        Ok(None)
    }
    /// Hold all others off these tables until [`Database::release`], so that what changes about one table is seen at
    /// once. Whatever was held before is released first, also where this fails. Only with [`Protocol::Journal`].
    fn hold(&mut self, tables: &BTreeSet<TableId>) -> Result<(), Error> {
        let _ = tables;
        Ok(())
    }
    /// The end of [`Database::hold`].
    fn release(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// More connections for the statements of the migration that this one has begun, at most so many, where the engine does
    /// the work of several tables at once. Each holds others off like this one; none is to be used after it.
    fn helpers(&mut self, most: usize) -> Vec<Box<dyn Database>> {
        let _ = most;
        vec![]
    }

    /// What opens another connection for the migration that this one has begun, which reads with [`Database::live`] what this one
    /// has made, and writes the history, while this one goes on; for engines whose DDL commits by itself. It is opened on the
    /// thread that uses it.
    fn witness(&mut self) -> Option<Opening> {
        None
    }

    /// Whether a connection that was opened for reading can run a migration just as well.
    fn can_migrate(&self) -> bool {
        false
    }
    /// Begin a migration: take the migration lock and, with [`Protocol::Transaction`], open the transaction. One attempt: [`crate::error::Kind::Busy`]
    /// when a lock is not to be had within `lock_timeout`.
    fn begin(&mut self, patience: Patience) -> Result<(), Error>;
    /// Run statements in order, in as few round trips as the engine allows, calling `progress` with the number that
    /// are done. A failure names the statement and its object, with the engine's message, position and code.
    fn run(
        &mut self,
        statements: &[Statement],
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), Error>;
    /// Run a statement that has one `?`, with this text in its place; for engines whose migrations have a journal.
    fn run_filled(&mut self, statement: &Statement, text: String) -> Result<(), Error> {
        let _ = (statement, text);
        Err(Error::failed("statements have no parameters here"))
    }
    /// How many rows the history's tables have of this version: of migrations, and of objects. Nothing where no trigger of
    /// somebody's on these tables can keep a row out without an error.
    fn written(&mut self, version: i64) -> Result<Option<(i64, i64)>, Error> {
        let _ = version;
        Ok(None)
    }
    /// How to write down a migration of many statements without holding them once more, where the engine has a way.
    fn recorder(&mut self) -> Option<&mut dyn Recorder> {
        None
    }
    /// How to write down many objects in less time than by INSERT, where the engine has a way.
    fn copier(&mut self) -> Option<&mut dyn Copier> {
        None
    }
    /// Whether [`Database::check_live`] finds all that [`Database::check`] does.
    fn checks_live(&self) -> bool {
        false
    }
    /// Within the migration, after its statements: whether what fires on these tables can run at all. For engines
    /// that accept a body without looking at it; an error undoes the migration.
    fn check_live(&mut self, tables: &BTreeSet<TableId>) -> Result<(), Error> {
        let _ = tables;
        Ok(())
    }
    /// Make it permanent. [`crate::error::Kind::Uncertain`] when the connection broke before the answer came.
    fn commit(&mut self) -> Result<(), Error>;
    /// Undo everything since [`Database::begin`]; after it the connection can begin again.
    fn abort(&mut self) -> Result<(), Error>;
    /// For scripts: a query that gives the fingerprints of all live objects (kind, schema, table, name, fingerprint), or
    /// `None` where the engine cannot work them out.
    fn live_sql(&self) -> Option<String> {
        None
    }
    /// For scripts: the fingerprint that an object has once these statements have made it; without statements, as it
    /// is.
    fn fingerprint_after(
        &self,
        id: &ObjectId,
        statements: &[String],
    ) -> Result<LiveFingerprint, Error>;

    /// A function that stops what runs at the moment, for a signal handler's thread.
    fn interrupter(&self) -> Box<dyn Fn() + Send>;

    /// Put the desired triggers in place, and make of this connection a place for tests. Nothing of it outlives the
    /// stage: in a database that is not a scratch one, it is a transaction that is always rolled back.
    fn stage(self: Box<Self>, setup: &stage::Setup) -> Result<Box<dyn stage::Stage>, Error>;
    /// Scratch databases on this server that runs which were killed have left, and that nobody is connected to.
    fn leftovers(&mut self) -> Result<Vec<stage::Leftover>, Error> {
        Ok(vec![])
    }
    /// Drop one of [`Database::leftovers`]; `false` where somebody is using it after all.
    fn remove_leftover(&mut self, leftover: &stage::Leftover) -> Result<bool, Error> {
        let _ = leftover;
        Ok(false)
    }
}
