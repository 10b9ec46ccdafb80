//! PostgreSQL 12 to 18 behind [`Database`]: reading the catalog and the history, judging conditions, and running
//! migrations. Connecting is `connect`'s business; everything here starts from an open connection.
//!
//! Nothing is ever `SET` for the session: behind a pooler in transaction mode it would leak to somebody else.

mod catalog;
mod check;
mod conditions;
pub mod connect;
mod definitions;
mod deparsed;
mod error;
mod history;
mod locks;
mod moment;
mod record;
mod replication;
mod scratch;
mod size;
mod stage;
mod surroundings;
mod tables;
mod transaction;
mod waits;

pub use self::scratch::Blueprint;
use self::size::Asked;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use postgres::Row;
use postgres::fallible_iterator::FallibleIterator as _;
use postgres::types::{FromSql, ToSql, Type};

use super::{
    Befores, Catalog, ConditionPair, Copier, Database, Depth, History, Listed, Migration, Patience,
    Record, Recorder, Scope, Statement, Taken, Target, Verdict,
};
use crate::db::url::PostgresUrl;
use crate::dialect::postgres::Postgres as DIALECT;
use crate::dialect::{Dialect, Server, Table};
use crate::effects::{Routine, Surroundings};
use crate::error::{Diagnostic, Error};
use crate::history::LiveFingerprint;
use crate::kinds::tables::NewTable;
use crate::model::{Definition, FunctionId, ObjectId, TableId, TriggerId};
use crate::spec::TableRef;

/// The oldest major version that is supported: the columns and functions read here are in all versions from it on.
pub const OLDEST: u32 = 12;

/// What a connection needs to know that the server does not tell.
pub struct Options {
    /// The rules of the engine.
    pub dialect: &'static dyn Dialect,
    /// The schema of the history tables.
    pub history_schema: String,
    /// `host:port` or the socket's path: names the target where the role may not read the system identifier.
    pub address: String,
    /// Asks the server to stop what this connection runs; called from another thread.
    pub canceller: Arc<dyn Fn() + Send + Sync>,
    /// How to connect to the same server once more, where that may be done.
    pub again: Option<connect::Again>,
}

/// One open connection to a PostgreSQL server.
pub struct Postgres {
    client: postgres::Client,
    dialect: &'static dyn Dialect,
    history_schema: String,
    canceller: Arc<dyn Fn() + Send + Sync>,
    /// Set once the user has asked to stop: tells the user's cancel from an administrator's or a timeout's.
    interrupted: Arc<AtomicBool>,
    target: Target,
    server: Server,
    user: String,
    /// `None` where no schema of the search path exists.
    current_schema: Option<String>,
    encoding: String,
    /// How long a migration waits for one lock, while one is open.
    migration: Option<Patience>,
    again: Option<connect::Again>,
    /// Whether a transaction is open in which all is read as of one moment.
    in_moment: bool,
    /// What was read of the catalog before anybody asked for it.
    ahead: Option<moment::Ahead>,
}

impl Postgres {
    /// Connect as the URL and the environment say.
    pub fn open(url: &PostgresUrl, history_schema: String) -> Result<Self, Error> {
        let connection = connect::connect(url)?;
        let address = format!("{}:{}", connection.host, connection.port);
        let canceller = shared(connection.canceller());
        let options = Options {
            dialect: &DIALECT,
            history_schema,
            address,
            canceller,
            again: Some(connection.again()),
        };
        Self::new(connection.client, options)
    }

    /// Take over an open connection, and ask the server once who and what it is. Refuses servers older than
    /// [`OLDEST`].
    pub fn new(mut client: postgres::Client, options: Options) -> Result<Self, Error> {
        let Options {
            dialect,
            history_schema,
            address,
            canceller,
            again,
        } = options;
        let row = match client.query_typed_one(&server_sql("system_identifier"), &[]) {
            // The function that tells the system identifier may be reserved for superusers.
            Err(failure)
                if failure.code() == Some(&postgres::error::SqlState::INSUFFICIENT_PRIVILEGE) =>
            {
                client.query_typed_one(&server_sql("NULL"), &[])
            }
            answer => answer,
        }
        .map_err(|failure| error::plain(&failure, "ask the server for its version"))?;
        let number: i32 = get(&row, 0)?;
        let version: String = get(&row, 1)?;
        let version = version
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned();
        let number = u32::try_from(number).unwrap_or_default();
        let server = Server {
            major: number / 10_000,
            minor: number % 10_000,
        };
        if server.major < OLDEST {
            return Err(Diagnostic::new(format!(
                "the server is PostgreSQL {version}, which is too old"
            ))
            .help(format!("PostgreSQL {OLDEST} and later are supported"))
            .into());
        }
        let database: String = get(&row, 2)?;
        let system: Option<i64> = get(&row, 6)?;
        let system = system.map_or(address, |identifier| identifier.to_string());
        Ok(Self {
            client,
            dialect,
            history_schema,
            canceller,
            interrupted: Arc::new(AtomicBool::new(false)),
            target: Target {
                dialect: dialect.name().to_owned(),
                server_version: version,
                database: format!("{system}/{database}"),
            },
            server,
            user: get(&row, 3)?,
            current_schema: get(&row, 4)?,
            encoding: get(&row, 5)?,
            migration: None,
            again,
            in_moment: false,
            ahead: None,
        })
    }

    /// One query in one round trip: parameter types are said, so that nothing has to be prepared.
    fn read(
        &mut self,
        purpose: &str,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Error> {
        self.client
            .query_typed(sql, parameters)
            .map_err(|failure| self.error(&failure, purpose))
    }

    /// One query over the whole of a catalog, row by row: not all of them are held at once, and each is taken in while the
    /// server makes the next. It looks costly enough to the server for compiling it to machine code, which takes longer
    /// than running it.
    fn read_each(
        &mut self,
        purpose: &str,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
        mut take: impl FnMut(&Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut stream = |this: &mut Self| -> Result<(), StreamError> {
            let mut rows = this
                .client
                .query_typed_raw(sql, parameters.iter().cloned())?;
            while let Some(row) = rows.next()? {
                take(&row).map_err(StreamError::Row)?;
            }
            Ok(())
        };
        self.aside("SET LOCAL jit = off", |this| {
            stream(this).map_err(|failure| match failure {
                StreamError::Server(failure) => this.error(&failure, purpose),
                StreamError::Row(error) => error,
            })
        })
    }

    /// Statements that return nothing.
    fn batch(&mut self, purpose: &str, sql: &str) -> Result<(), Error> {
        self.client
            .batch_execute(sql)
            .map_err(|failure| self.error(&failure, purpose))
    }

    fn was_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

/// The signal handler's thread calls it, one call at a time.
fn shared(canceller: Box<dyn Fn() + Send>) -> Arc<dyn Fn() + Send + Sync> {
    let canceller = Mutex::new(canceller);
    Arc::new(move || {
        if let Ok(cancel) = canceller.lock() {
            cancel();
        }
    })
}

/// What ends a stream of rows.
enum StreamError {
    Server(postgres::Error),
    Row(Error),
}

impl From<postgres::Error> for StreamError {
    fn from(failure: postgres::Error) -> Self {
        Self::Server(failure)
    }
}

fn server_sql(system_identifier: &str) -> String {
    let identifier = match system_identifier {
        "NULL" => "NULL::pg_catalog.int8",
        _ => "(SELECT system_identifier FROM pg_catalog.pg_control_system())",
    };
    include_str!("sql/server.sql").replace("{system_identifier}", identifier)
}

/// One column of a row.
fn get<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, Error> {
    row.try_get(index)
        .map_err(|failure| error::plain(&failure, "understand the server's answer"))
}

/// An identifier, always quoted: for statements that nobody reads.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Database for Postgres {
    fn dialect(&self) -> &'static dyn Dialect {
        self.dialect
    }

    fn server(&self) -> Server {
        self.server
    }

    fn target(&self) -> &Target {
        &self.target
    }

    fn user(&self) -> String {
        self.user.clone()
    }

    fn tables(&mut self, references: &[TableRef]) -> Result<Vec<Vec<Table>>, Error> {
        self.read_tables(references)
    }

    fn table_names(&mut self, schema: Option<&str>) -> Result<Vec<TableId>, Error> {
        self.read_table_names(schema)
    }

    fn function_schemas(&mut self, names: &[&str]) -> Result<BTreeMap<String, String>, Error> {
        self.read_function_schemas(names)
    }

    fn uncalled_functions(&mut self, schemas: &BTreeSet<String>) -> Result<Vec<FunctionId>, Error> {
        self.read_uncalled_functions(schemas)
    }

    fn event_triggers(&mut self) -> Result<Vec<String>, Error> {
        self.read_event_triggers()
    }

    fn schemas(&mut self) -> Result<Vec<String>, Error> {
        self.read_schemas()
    }

    fn missing_schemas(&mut self, names: &[&str]) -> Result<Vec<String>, Error> {
        self.read_missing_schemas(names)
    }

    fn current_schema(&mut self) -> Result<String, Error> {
        Ok(self.current_schema.clone().unwrap_or_default())
    }

    fn history(&mut self) -> Result<History, Error> {
        self.read_history()
    }

    fn rendering(&mut self) -> Result<Option<String>, Error> {
        self.read_rendering()
    }

    fn migrations(&mut self, statements: bool) -> Result<Vec<Migration>, Error> {
        self.read_migrations(statements)
    }

    fn recorded(
        &mut self,
        ids: &[ObjectId],
        version: i64,
    ) -> Result<BTreeMap<ObjectId, Definition>, Error> {
        self.read_recorded(ids, version)
    }

    fn befores(&mut self, version: i64) -> Result<Befores, Error> {
        self.read_befores(version)
    }

    fn written(&mut self, version: i64) -> Result<Option<(i64, i64)>, Error> {
        self.count_written(version).map(Some)
    }

    fn records_at(&mut self, version: i64) -> Result<BTreeMap<ObjectId, Record>, Error> {
        self.read_records(Some(version))
    }

    fn catalog(&mut self, scope: &Scope<'_>) -> Result<Catalog, Error> {
        self.read_catalog(scope)
    }

    fn begin_moment(&mut self) -> Result<(), Error> {
        self.enter_moment()
    }

    fn second(&mut self) -> Result<Option<super::Second>, Error> {
        self.export_moment()
    }

    fn look_ahead(&mut self, reach: &super::Reach) -> Result<(), Error> {
        self.read_ahead(reach)
    }

    fn end_moment(&mut self) -> Result<(), Error> {
        self.leave_moment()
    }

    fn listing(&mut self, scope: &Scope<'_>, listed: Listed) -> Result<Catalog, Error> {
        self.read_listing(scope, listed)
    }

    fn definitions(
        &mut self,
        ids: &[ObjectId],
        depth: Depth,
    ) -> Result<BTreeMap<ObjectId, Definition>, Error> {
        self.read_definitions(ids, depth)
    }

    fn live(
        &mut self,
        ids: &[ObjectId],
        depth: Depth,
    ) -> Result<Option<BTreeMap<ObjectId, super::Live>>, Error> {
        self.read_live(ids, depth).map(Some)
    }

    fn same_conditions(&mut self, pairs: &[ConditionPair]) -> Result<Vec<Verdict>, Error> {
        self.judge(pairs)
    }

    fn check(
        &mut self,
        definitions: &[&Definition],
        new: &[NewTable],
    ) -> Result<Vec<(ObjectId, Diagnostic)>, Error> {
        self.find_faults(definitions, new)
    }

    fn checks_bodies(&self) -> bool {
        false
    }

    fn surroundings(&mut self, tables: &BTreeSet<TableId>) -> Result<Surroundings, Error> {
        self.read_surroundings_of(tables)
    }

    fn routines(&mut self, names: &[TableRef]) -> Result<Vec<Routine>, Error> {
        self.read_routines(names)
    }

    fn unknown_relations(&mut self, names: &[TableRef]) -> Result<BTreeSet<TableRef>, Error> {
        self.read_unknown_relations(names)
    }

    fn table_states(
        &mut self,
        tables: &BTreeSet<TableId>,
    ) -> Result<BTreeMap<TableId, super::size::TableState>, Error> {
        self.read_table_states(tables, Asked::All)
    }

    fn untouched_states(
        &mut self,
        tables: &BTreeSet<TableId>,
    ) -> Result<BTreeMap<TableId, super::size::TableState>, Error> {
        self.read_table_states(tables, Asked::Untouched)
    }

    fn replication(
        &mut self,
        new: &[&TableId],
        with_history: bool,
    ) -> Result<super::replication::Replication, Error> {
        self.read_replication(new, with_history)
    }

    fn lock_budget(&mut self) -> Result<Option<usize>, Error> {
        self.read_lock_budget().map(Some)
    }

    fn constraints(&mut self, triggers: &[TriggerId]) -> Result<Vec<Taken>, Error> {
        self.read_constraints(triggers)
    }

    fn lock_count(&mut self, tables: &[TableId]) -> Result<usize, Error> {
        self.count_locks(tables)
    }

    fn can_migrate(&self) -> bool {
        // Reading sets nothing for the session; what it is for is said in each transaction.
        true
    }

    fn begin(&mut self, patience: Patience) -> Result<(), Error> {
        self.begin_migration(patience)
    }

    fn run(
        &mut self,
        statements: &[Statement],
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), Error> {
        self.run_statements(statements, progress)
    }

    fn recorder(&mut self) -> Option<&mut dyn Recorder> {
        Some(self)
    }

    fn copier(&mut self) -> Option<&mut dyn Copier> {
        Some(self)
    }

    fn commit(&mut self) -> Result<(), Error> {
        self.commit_migration()
    }

    fn abort(&mut self) -> Result<(), Error> {
        self.abort_migration()
    }

    fn live_sql(&self) -> Option<String> {
        Some(catalog::live_sql(self.server))
    }

    fn fingerprint_after(&self, _: &ObjectId, _: &[String]) -> Result<LiveFingerprint, Error> {
        Ok(LiveFingerprint::Later)
    }

    fn interrupter(&self) -> Box<dyn Fn() + Send> {
        let interrupted = Arc::clone(&self.interrupted);
        let canceller = Arc::clone(&self.canceller);
        Box::new(move || {
            interrupted.store(true, Ordering::Relaxed);
            canceller();
        })
    }

    fn stage(
        self: Box<Self>,
        setup: &super::stage::Setup,
    ) -> Result<Box<dyn super::stage::Stage>, Error> {
        stage::set(*self, setup)
    }

    fn leftovers(&mut self) -> Result<Vec<super::stage::Leftover>, Error> {
        self.find_leftovers()
    }

    fn remove_leftover(&mut self, leftover: &super::stage::Leftover) -> Result<bool, Error> {
        self.drop_scratch(&leftover.name)
    }
}

#[cfg(test)]
mod tests;
