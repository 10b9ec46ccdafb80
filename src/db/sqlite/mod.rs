//! SQLite: one file, one writer, the text of every trigger kept to the letter. The engine is built in.

mod catalog;
mod check;
mod create;
mod errors;
mod history;
mod many;
mod migrate;
mod names;
mod open;
mod record;
mod size;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

pub use self::create::create;
pub use self::open::{Options, open};
pub use self::stage::Blueprint;
use super::{
    Befores, Catalog, ConditionPair, Database, Depth, History, Intent, Live, Migration, Patience,
    Record, Recorder, Scope, Sibling, Statement, Target, Verdict,
};
use crate::dialect::sqlite::parse::bare_condition;
use crate::dialect::{Dialect, Server, Table};
use crate::effects::{Effects, Surroundings};
use crate::error::{Diagnostic, Error};
use crate::history::LiveFingerprint;
use crate::kinds::tables::NewTable;
use crate::model::{Definition, ObjectId, TableId, TriggerId};
use crate::spec::TableRef;
use crate::sql::{SQLITE, same_tokens};

/// An open SQLite database.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    target: Target,
    /// The file; none for a database in memory.
    path: Option<PathBuf>,
    /// Which file that was when it was opened.
    file: Option<open::FileId>,
    /// The database stands for a file that is not there yet.
    missing: bool,
    intent: Intent,
    /// What the last read of the catalog found, to find it again.
    rows: catalog::Rows,
    /// The lock timeout of the migration that is going on.
    lock_timeout: Duration,
}

/// How long a commit waits when no migration was begun.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

impl Sqlite {
    fn new(connection: Connection, path: Option<PathBuf>, intent: Intent) -> Self {
        let database = path
            .as_ref()
            .map_or_else(|| ":memory:".to_owned(), |path| path.display().to_string());
        Self {
            connection,
            target: Target {
                dialect: "sqlite".to_owned(),
                server_version: rusqlite::version().to_owned(),
                database,
            },
            path,
            file: None,
            missing: false,
            intent,
            rows: catalog::Rows::default(),
            lock_timeout: LOCK_TIMEOUT,
        }
    }

    /// A new database in memory, filled from a script where one is given.
    pub fn in_memory(script: Option<&Path>) -> Result<Self, Error> {
        let mut connection = Connection::open_in_memory()
            .map_err(|error| errors::cannot("open a database in memory", &error))?;
        if let Some(script) = script {
            create::run_script(&mut connection, &create::read_script(script)?)?;
        }
        open::prepare(&connection, Intent::Write)
            .map_err(|error| errors::cannot("open a database in memory", &error))?;
        Ok(Self::new(connection, None, Intent::Write))
    }

    /// What the file `path`, which does not exist, will be when [`create()`] has made it from `script`: to plan with, and
    /// to write nothing. Its [`Target`] is that of the file.
    pub fn open_missing_in_memory(path: &Path, script: &Path) -> Result<Self, Error> {
        let Self { connection, .. } = Self::in_memory(Some(script))?;
        open::prepare(&connection, Intent::Read)
            .map_err(|error| errors::cannot("open a database in memory", &error))?;
        let path = open::identity(path);
        let mut database = Self::new(connection, Some(path), Intent::Read);
        database.missing = true;
        Ok(database)
    }

    /// Whether the database file exists; `false` when this only stands for what `create_from` will make.
    pub fn exists(&self) -> bool {
        !self.missing
    }
}

impl Database for Sqlite {
    fn dialect(&self) -> &'static dyn Dialect {
        &crate::dialect::sqlite::Sqlite
    }

    fn server(&self) -> Server {
        // 3054001 is 3.54.1 (the manual on sqlite3_libversion_number).
        let number = rusqlite::version_number().unsigned_abs();
        Server {
            major: number / 1_000_000,
            minor: number / 1000 % 1000,
        }
    }

    fn target(&self) -> &Target {
        &self.target
    }

    fn user(&self) -> String {
        for variable in ["USER", "LOGNAME", "USERNAME"] {
            if let Ok(name) = std::env::var(variable)
                && !name.is_empty()
            {
                return name;
            }
        }
        user_number()
    }

    fn tables(&mut self, references: &[TableRef]) -> Result<Vec<Vec<Table>>, Error> {
        names::tables(&self.connection, references)
    }

    fn table_names(&mut self, schema: Option<&str>) -> Result<Vec<TableId>, Error> {
        names::table_names(&self.connection, schema)
    }

    fn current_schema(&mut self) -> Result<String, Error> {
        Ok(names::MAIN.to_owned())
    }

    fn history(&mut self) -> Result<History, Error> {
        history::history(&self.connection)
    }

    fn rendering(&mut self) -> Result<Option<String>, Error> {
        history::rendering(&self.connection)
    }

    fn migrations(&mut self, statements: bool) -> Result<Vec<Migration>, Error> {
        history::migrations(&self.connection, statements)
    }

    fn recorded(
        &mut self,
        ids: &[ObjectId],
        version: i64,
    ) -> Result<BTreeMap<ObjectId, Definition>, Error> {
        history::recorded(&self.connection, ids, version)
    }

    fn befores(&mut self, version: i64) -> Result<Befores, Error> {
        history::befores(&self.connection, version)
    }

    fn written(&mut self, version: i64) -> Result<Option<(i64, i64)>, Error> {
        history::written(&self.connection, version).map(Some)
    }

    fn records_at(&mut self, version: i64) -> Result<BTreeMap<ObjectId, Record>, Error> {
        history::records_at(&self.connection, version)
    }

    fn catalog(&mut self, scope: &Scope<'_>) -> Result<Catalog, Error> {
        let (catalog, rows) = catalog::catalog(&self.connection, scope)?;
        self.rows = rows;
        Ok(catalog)
    }

    fn definitions(
        &mut self,
        ids: &[ObjectId],
        _depth: Depth,
    ) -> Result<BTreeMap<ObjectId, Definition>, Error> {
        // The text of a condition costs nothing here: it is there whatever the depth.
        catalog::definitions(&self.connection, ids, &self.rows)
    }

    fn goes_to_each(&self) -> bool {
        true
    }

    fn live(
        &mut self,
        ids: &[ObjectId],
        _depth: Depth,
    ) -> Result<Option<BTreeMap<ObjectId, Live>>, Error> {
        catalog::live(&self.connection, ids, &mut self.rows).map(Some)
    }

    fn siblings(&mut self, tables: &BTreeSet<TableId>) -> Result<Vec<Sibling>, Error> {
        catalog::siblings(&self.connection, tables)
    }

    fn same_conditions(&mut self, pairs: &[ConditionPair]) -> Result<Vec<Verdict>, Error> {
        let judge = |pair: &ConditionPair| {
            let same = same_tokens(
                bare_condition(&pair.left),
                bare_condition(&pair.right),
                &SQLITE,
            );
            if same {
                Verdict::Same
            } else {
                Verdict::Different
            }
        };
        Ok(pairs.iter().map(judge).collect())
    }

    fn looks_at_ddl(&self) -> bool {
        true
    }

    fn check(
        &mut self,
        definitions: &[&Definition],
        new: &[NewTable],
    ) -> Result<Vec<(ObjectId, Diagnostic)>, Error> {
        check::check(&self.connection, definitions, new)
    }

    fn effects(
        &mut self,
        triggers: &[&Definition],
        new: &[NewTable],
    ) -> Result<Option<BTreeMap<TriggerId, Effects>>, Error> {
        check::effects(&self.connection, triggers, new).map(Some)
    }

    fn surroundings(&mut self, tables: &BTreeSet<TableId>) -> Result<Surroundings, Error> {
        names::surroundings(&self.connection, tables)
    }

    fn table_states(
        &mut self,
        tables: &BTreeSet<TableId>,
    ) -> Result<BTreeMap<TableId, super::size::TableState>, Error> {
        size::table_states(&self.connection, tables)
    }

    fn begin(&mut self, patience: Patience) -> Result<(), Error> {
        if self.missing {
            return Err(Error::failed(format!(
                "the database file `{}` does not exist yet",
                self.target.database
            )));
        }
        if self.intent == Intent::Read {
            return Err(Error::failed(format!(
                "the database `{}` was opened for reading",
                self.target.database
            )));
        }
        self.lock_timeout = patience.lock_timeout;
        migrate::begin(&self.connection, patience.lock_timeout)
    }

    fn run(
        &mut self,
        statements: &[Statement],
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), Error> {
        migrate::run(&self.connection, statements, progress)
    }

    fn recorder(&mut self) -> Option<&mut dyn Recorder> {
        Some(self)
    }

    fn checks_live(&self) -> bool {
        true
    }

    fn check_live(&mut self, tables: &BTreeSet<TableId>) -> Result<(), Error> {
        check::check_live(&self.connection, self.path.as_deref(), tables)
    }

    fn commit(&mut self) -> Result<(), Error> {
        // SQLite looks for itself where it makes a journal for each transaction, and not with a write-ahead log: the log lies
        // under the file's name, so that what is meant for this file would be found, and written, into the one in its place.
        if let (Some(path), Some(file)) = (&self.path, self.file)
            && !open::has_still(path, file)
        {
            migrate::rollback(&self.connection)?;
            return Err(errors::moved(path));
        }
        migrate::commit(&self.connection, self.lock_timeout)
    }

    fn abort(&mut self) -> Result<(), Error> {
        migrate::rollback(&self.connection)
    }

    fn fingerprint_after(
        &self,
        id: &ObjectId,
        statements: &[String],
    ) -> Result<LiveFingerprint, Error> {
        catalog::fingerprint_after(&self.connection, id, statements).map(LiveFingerprint::Known)
    }

    fn interrupter(&self) -> Box<dyn Fn() + Send> {
        let handle = self.connection.get_interrupt_handle();
        Box::new(move || handle.interrupt())
    }

    fn stage(
        self: Box<Self>,
        setup: &super::stage::Setup,
    ) -> Result<Box<dyn super::stage::Stage>, Error> {
        stage::set(self.connection, setup)
    }
}

/// Where no variable names the user: the number that the system knows them by.
#[cfg(unix)]
fn user_number() -> String {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").map_or_else(
        |_| "unknown".to_owned(),
        |process| format!("uid {}", process.uid()),
    )
}

/// Where no variable names the user.
#[cfg(not(unix))]
fn user_number() -> String {
    "unknown".to_owned()
}

#[cfg(test)]
mod tests;
