//! MySQL and MariaDB behind [`Database`]. DDL commits by itself there: a migration is kept whole by a journal (see
//! [`crate::journal`]), a lock by name, and LOCK TABLES around what changes on one table.

mod catalog;
mod check;
mod connect;
mod errors;
mod helpers;
mod history;
mod migrate;
mod privileges;
mod scratch;
mod size;
mod stage;
mod surroundings;
mod tables;

pub use self::scratch::Blueprint;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use mysql::prelude::{FromValue, Queryable};
use mysql::{Conn, Opts, Row};

use super::url::MysqlUrl;
use super::{
    Befores, Catalog, ConditionPair, Database, Depth, History, Listed, Live, Migration, Opening,
    Patience, Protocol, Record, Scope, Statement, Target, Unfinished, Verdict,
};
use crate::dialect::{Dialect, Server, Table};
use crate::effects::Surroundings;
use crate::error::{Diagnostic, Error, Kind};
use crate::history::LiveFingerprint;
use crate::kinds::tables::NewTable;
use crate::model::{Creation, Definition, ObjectId, TableId};
use crate::spec::TableRef;

/// The tables of the history, which are nobody's to put triggers on.
const HISTORY_TABLES: [&str; 2] = ["triggerctl_migrations", "triggerctl_objects"];

/// Databases of the server's own.
const SYSTEM: &str = "'information_schema', 'mysql', 'performance_schema', 'sys'";

/// Modes that change how our own statements are read: never on in our session.
const UNWANTED_MODES: [&str; 9] = [
    "ANSI_QUOTES",
    "NO_BACKSLASH_ESCAPES",
    "ANSI",
    "DB2",
    "MAXDB",
    "MSSQL",
    "ORACLE",
    "POSTGRESQL",
    "NO_TABLE_OPTIONS",
];

/// One open connection to a MySQL or MariaDB server.
pub struct Mysql {
    conn: Conn,
    opts: Opts,
    target: Target,
    server: Server,
    user: String,
    current: Option<String>,
    names_keep_case: bool,
    /// What a trigger has that is created in this session.
    session: Creation,
    /// A statement has changed the session's settings.
    dirty: bool,
    /// Tables may be held by LOCK TABLES.
    is_holding: bool,
    /// What this role may do; read once.
    grants: Option<Vec<privileges::Grant>>,
    /// What the last read of the catalog found.
    live: BTreeMap<ObjectId, Definition>,
    /// What the last read of names found; their texts are read when they are asked for.
    listed: BTreeMap<ObjectId, catalog::Listed>,
    /// How long a lock is waited for, in seconds, once a migration has begun.
    lock_wait: u64,
    /// What the server takes at once (`max_allowed_packet`): it closes the connection on whoever sends more.
    most_bytes: usize,
    /// The server's numbers of this connection and of those that help it.
    registered: helpers::Registered,
}

impl Mysql {
    /// Connect, ask the server once who and what it is, and set the session up. Refuses what has no triggers.
    pub fn open(url: &MysqlUrl) -> Result<Self, Error> {
        let connect::Connection {
            mut conn,
            opts,
            address,
        } = connect::connect(url)?;
        let failed = |error: mysql::Error| errors::cannot("ask the server for its version", &error);
        let row: Option<Row> = conn
            .query_first("SELECT @@version, DATABASE(), CURRENT_USER(), @@SESSION.sql_mode, @@lower_case_table_names, @@hostname, @@port, @@max_allowed_packet")
            .map_err(failed)?;
        let row = row.ok_or_else(|| Error::failed("the server gave no answer"))?;
        let version: String = column(&row, 0)?;
        if version.contains("TiDB") {
            return Err(Error::failed("TiDB has no triggers")
                .note(format!("the server says that it is {version}"))
                .help("put the rules into the application, or use MySQL or MariaDB"));
        }
        let server = server(&version);
        let current: Option<String> = column(&row, 1)?;
        let Some(current) = current else {
            return Err(
                Error::new(Kind::Usage, "the URL names no database").help(format!(
                    "write `{}://user@host:port/database`: the history is kept there",
                    url.scheme
                )),
            );
        };
        let user: String = column(&row, 2)?;
        let sql_mode: String = column(&row, 3)?;
        let sql_mode = wanted_mode(&sql_mode);
        let case: u64 = column(&row, 4)?;
        let host: String = column(&row, 5)?;
        let port: u64 = column(&row, 6)?;
        let most_bytes: usize = column(&row, 7)?;
        // A socket may be of a server without a port.
        let place = if port == 0 {
            format!("{host}:{address}")
        } else {
            format!("{host}:{port}")
        };
        let mut database = Self {
            registered: helpers::Registered::first(&conn),
            conn,
            opts,
            target: Target {
                dialect: "mysql".to_owned(),
                server_version: version,
                database: format!("{place}/{current}"),
            },
            server,
            user,
            current: Some(current),
            names_keep_case: case == 0,
            session: Creation {
                sql_mode: Some(sql_mode),
                ..Creation::default()
            },
            dirty: false,
            is_holding: false,
            grants: None,
            live: BTreeMap::new(),
            listed: BTreeMap::new(),
            lock_wait: 0,
            most_bytes,
        };
        database.set_session()?;
        let rows = database.rows(
            "set up the session",
            "SELECT @@SESSION.character_set_client, @@SESSION.collation_connection, @@SESSION.sql_mode",
        )?;
        if let Some(row) = rows.first() {
            database.session.character_set_client = Some(column(row, 0)?);
            database.session.collation_connection = Some(column(row, 1)?);
            database.session.sql_mode = Some(column(row, 2)?);
        }
        database.session.definer = Some(database.user.clone());
        // Not SET TRANSACTION READ ONLY: under it no body could be prepared, which is how it is checked.
        Ok(database)
    }

    /// The settings that our statements are read under, and that triggers are created with.
    fn set_session(&mut self) -> Result<(), Error> {
        let mode = self.session.sql_mode.clone().unwrap_or_default();
        // MySQL would write down the size of each table that is asked for, which takes ten times as long as looking (tried with 9).
        let sizes = if self.is_mariadb() {
            ""
        } else {
            ", information_schema_stats_expiry = 0"
        };
        self.execute("set up the session", "SET NAMES utf8mb4")?;
        self.execute(
            "set up the session",
            // With a limit, a list would end before its end; and where the server ends a connection with each COMMIT (RELEASE), so
            // would a migration.
            &format!(
                "SET SESSION sql_mode = {}, autocommit = 1, completion_type = 0, sql_big_selects = 1, \
                 sql_select_limit = 18446744073709551615{sizes}",
                literal(&mode)
            ),
        )?;
        self.dirty = false;
        Ok(())
    }

    fn is_mariadb(&self) -> bool {
        crate::dialect::mysql::is_mariadb(self.server)
    }

    /// A query of our own; `purpose` goes on "cannot …".
    fn rows(&mut self, purpose: &str, sql: &str) -> Result<Vec<Row>, Error> {
        self.must_fit(purpose, sql)?;
        self.conn
            .query(sql)
            .map_err(|error| errors::cannot(purpose, &error))
    }

    /// The rows of a query about each of these databases, whose name it is told as a literal. MariaDB looks at every table of
    /// every database unless the query asks for one alone, by `=` (tried with 10.11).
    fn rows_of_each(
        &mut self,
        purpose: &str,
        schemas: &BTreeSet<String>,
        sql: impl Fn(&str) -> String,
    ) -> Result<Vec<Row>, Error> {
        let mut rows = vec![];
        for schema in self.each_once(schemas) {
            rows.extend(self.rows(purpose, &sql(&literal(schema)))?);
        }
        Ok(rows)
    }

    /// The rows of a query about these tables, which it is told of as the literals of a database and of tables in it. Tables whose names
    /// differ in case or accents alone may be among the rows.
    fn rows_of_tables<'a>(
        &mut self,
        purpose: &str,
        tables: impl IntoIterator<Item = &'a TableId>,
        sql: impl Fn(&str, &str) -> String,
    ) -> Result<Vec<Row>, Error> {
        let mut names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for table in tables {
            let names = names.entry(table.schema.as_str()).or_default();
            names.push(literal(&table.name));
        }
        let mut rows = vec![];
        for (schema, names) in names {
            for names in names.chunks(NAMES_AT_ONCE) {
                let mut names = names.join(", ");
                // Of names that differ in case or accents alone MariaDB looks up one, unless there is another name besides (10.11,
                // tried).
                names.push_str(", ''");
                rows.extend(self.rows(purpose, &sql(&literal(schema), &names))?);
            }
        }
        Ok(rows)
    }

    /// The first column of the first row; `None` without a row, or where it is NULL.
    fn value<T: FromValue>(&mut self, purpose: &str, sql: &str) -> Result<Option<T>, Error> {
        let rows = self.rows(purpose, sql)?;
        let value: Option<Option<T>> = rows.first().map(|row| column(row, 0)).transpose()?;
        Ok(value.flatten())
    }

    /// An error where the server would not take a text.
    fn must_fit(&self, purpose: &str, sql: &str) -> Result<(), Error> {
        self.must_fit_with(purpose, sql, 0)
    }

    /// The same of a text with so many bytes of parameters.
    fn must_fit_with(&self, purpose: &str, sql: &str, more: usize) -> Result<(), Error> {
        let (has, most) = (sql.len() + more, self.most_bytes);
        // Beside the text, a packet has a byte that says what it is.
        if has < most {
            return Ok(());
        }
        Err(Error::new(
            Kind::Failed,
            format!("cannot {purpose}: it takes a statement of {has} bytes, and the server takes {most} at once"),
        )
        .note(format!(
            "it begins with: {}",
            sql.lines().next().unwrap_or_default().chars().take(60).collect::<String>()
        ))
        .help("raise `max_allowed_packet` on the server, or make fewer triggers at once with `--target`"))
    }

    /// A statement of our own.
    fn execute(&mut self, purpose: &str, sql: &str) -> Result<(), Error> {
        self.conn
            .query_drop(sql)
            .map_err(|error| errors::cannot(purpose, &error))
    }

    fn current(&self) -> &str {
        self.current.as_deref().unwrap_or_default()
    }

    /// Whether this is the database that is connected to.
    fn is_home(&self, schema: &str) -> bool {
        self.current.as_deref() == Some(schema)
    }

    /// These databases, each in one spelling.
    fn each_once<'a>(&self, schemas: &'a BTreeSet<String>) -> Vec<&'a str> {
        let mut seen = BTreeSet::new();
        let schemas = schemas.iter().map(String::as_str);
        schemas
            .filter(|schema| seen.insert(self.folded(schema)))
            .collect()
    }

    /// Tables by the names that this server tells them from others by: where it folds case, a spec may spell one in another.
    fn as_told_apart<'a>(
        &self,
        tables: impl IntoIterator<Item = &'a TableId>,
    ) -> BTreeMap<(String, String), &'a TableId> {
        let names = |table: &TableId| (self.folded(&table.schema), self.folded(&table.name));
        let tables = tables.into_iter();
        tables.map(|table| (names(table), table)).collect()
    }

    /// The name of a table or database as this server tells it from others.
    fn folded(&self, name: &str) -> String {
        if self.names_keep_case {
            name.to_owned()
        } else {
            name.to_lowercase()
        }
    }
}

/// So many names of tables in one query of information_schema. From a thousand on MariaDB makes a subquery of them, and looks at every
/// table of the database for it (10.11, tried); fewer are looked up, of which a hundred cost little more than one.
const NAMES_AT_ONCE: usize = 500;

/// `10.11.19-MariaDB-0+deb12u1` or `9.7.4`. Old servers of MariaDB put `5.5.5-` before it.
fn server(version: &str) -> Server {
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut numbers = version
        .split(['.', '-'])
        .map(|part| part.parse().unwrap_or(0));
    Server {
        major: numbers.next().unwrap_or(0),
        minor: numbers.next().unwrap_or(0),
    }
}

fn wanted_mode(mode: &str) -> String {
    let parts: Vec<&str> = mode
        .split(',')
        .filter(|part| {
            !UNWANTED_MODES
                .iter()
                .any(|unwanted| part.eq_ignore_ascii_case(unwanted))
        })
        .collect();
    parts.join(",")
}

/// One column of a row.
fn column<T: FromValue>(row: &Row, index: usize) -> Result<T, Error> {
    match row.get_opt(index) {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(Error::failed(format!(
            "cannot understand the server's answer: {error}"
        ))),
        None => Err(Error::failed("the server's answer has too few columns")),
    }
}

/// A string, as it is read in our session.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A name, always quoted: for statements that nobody reads.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

impl Database for Mysql {
    fn dialect(&self) -> &'static dyn Dialect {
        &crate::dialect::mysql::Mysql
    }

    fn server(&self) -> Server {
        self.server
    }

    fn target(&self) -> &Target {
        &self.target
    }

    fn home(&self) -> Option<&str> {
        self.current.as_deref()
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

    fn schemas(&mut self) -> Result<Vec<String>, Error> {
        let mut schemas = BTreeSet::from([self.current().to_owned()]);
        // A spec may go beyond the database of the URL: where it has been applied, it is at home too.
        match self.read_history() {
            Ok(history) => schemas.extend(history.records.keys().map(|id| id.schema().to_owned())),
            // Who may see triggers need not be allowed to read tables.
            Err(error) => {
                log::warn!("only triggers of this database are looked for: {error}");
            }
        }
        Ok(schemas.into_iter().collect())
    }

    fn missing_schemas(&mut self, names: &[&str]) -> Result<Vec<String>, Error> {
        let mut missing = vec![];
        for name in names {
            let sql = format!(
                "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {}",
                literal(name)
            );
            if self.value::<u8>("look for the databases", &sql)?.is_none() {
                missing.push((*name).to_owned());
            }
        }
        Ok(missing)
    }

    fn current_schema(&mut self) -> Result<String, Error> {
        Ok(self.current().to_owned())
    }

    fn history(&mut self) -> Result<History, Error> {
        self.read_history()
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

    fn records_at(&mut self, version: i64) -> Result<BTreeMap<ObjectId, Record>, Error> {
        self.read_records_at(version)
    }

    fn befores(&mut self, version: i64) -> Result<Befores, Error> {
        self.read_befores(version)
    }

    fn catalog(&mut self, scope: &Scope<'_>) -> Result<Catalog, Error> {
        self.read_catalog(scope)
    }

    fn listing(&mut self, scope: &Scope<'_>, _listed: Listed) -> Result<Catalog, Error> {
        self.read_listing(scope)
    }

    fn definitions(
        &mut self,
        ids: &[ObjectId],
        _depth: Depth,
    ) -> Result<BTreeMap<ObjectId, Definition>, Error> {
        self.read_definitions(ids)
    }

    fn live(
        &mut self,
        ids: &[ObjectId],
        _depth: Depth,
    ) -> Result<Option<BTreeMap<ObjectId, Live>>, Error> {
        self.read_live(ids)
    }

    fn spared<'a>(&self, definition: &'a Definition) -> Cow<'a, Definition> {
        let Definition::Trigger(trigger) = definition else {
            return Cow::Borrowed(definition);
        };
        let Some(creation) = &trigger.creation else {
            return Cow::Borrowed(definition);
        };
        let mut creation = creation.clone();
        let own = &self.session;
        let mut is_spared = false;
        for (theirs, ours) in [
            (&mut creation.definer, &own.definer),
            (&mut creation.sql_mode, &own.sql_mode),
            (
                &mut creation.character_set_client,
                &own.character_set_client,
            ),
            (
                &mut creation.collation_connection,
                &own.collation_connection,
            ),
        ] {
            if theirs.is_some() && theirs == ours {
                *theirs = None;
                is_spared = true;
            }
        }
        if !is_spared {
            return Cow::Borrowed(definition);
        }
        let mut spared = crate::model::Trigger::clone(trigger);
        spared.creation = Some(creation);
        Cow::Owned(Definition::from(spared))
    }

    fn same_conditions(&mut self, pairs: &[ConditionPair]) -> Result<Vec<Verdict>, Error> {
        // Conditions stand in the body: nobody asks.
        Ok(pairs
            .iter()
            .map(|pair| {
                if pair.left == pair.right {
                    Verdict::Same
                } else {
                    Verdict::Different
                }
            })
            .collect())
    }

    fn check(
        &mut self,
        definitions: &[&Definition],
        new: &[NewTable],
    ) -> Result<Vec<(ObjectId, Diagnostic)>, Error> {
        self.find_faults(definitions, new)
    }

    fn surroundings(&mut self, tables: &BTreeSet<TableId>) -> Result<Surroundings, Error> {
        self.read_surroundings(tables)
    }

    fn table_states(
        &mut self,
        tables: &BTreeSet<TableId>,
    ) -> Result<BTreeMap<TableId, super::size::TableState>, Error> {
        self.read_table_states(tables)
    }

    fn may_make(&mut self, definitions: &[&Definition]) -> Result<(), Error> {
        Self::may_make(self, definitions)
    }

    fn protocol(&self) -> Protocol {
        Protocol::Journal
    }

    fn unfinished(&mut self) -> Result<Option<Unfinished>, Error> {
        self.read_unfinished()
    }

    fn can_migrate(&self) -> bool {
        // Reading sets nothing for the session.
        true
    }

    fn begin(&mut self, patience: Patience) -> Result<(), Error> {
        self.begin_migration(patience)
    }

    fn hold(&mut self, tables: &BTreeSet<TableId>) -> Result<(), Error> {
        self.is_holding = true;
        self.lock_tables(tables)
    }

    fn release(&mut self) -> Result<(), Error> {
        if self.is_holding {
            self.execute("unlock the tables", "UNLOCK TABLES")?;
            self.is_holding = false;
        }
        Ok(())
    }

    fn run(
        &mut self,
        statements: &[Statement],
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), Error> {
        self.run_statements(statements, progress)
    }

    fn run_filled(&mut self, statement: &Statement, text: String) -> Result<(), Error> {
        self.run_with(statement, text)
    }

    fn commit(&mut self) -> Result<(), Error> {
        self.end_migration()
    }

    fn abort(&mut self) -> Result<(), Error> {
        self.end_migration()
    }

    fn fingerprint_after(&self, _: &ObjectId, _: &[String]) -> Result<LiveFingerprint, Error> {
        Ok(LiveFingerprint::Later)
    }

    fn helpers(&mut self, most: usize) -> Vec<Box<dyn Database>> {
        self.open_helpers(most)
    }

    fn witness(&mut self) -> Option<Opening> {
        self.open_witness()
    }

    fn interrupter(&self) -> Box<dyn Fn() + Send> {
        let opts = self.opts.clone();
        let connections = self.registered.all();
        Box::new(move || {
            if let Ok(mut other) = Conn::new(opts.clone()) {
                for id in connections() {
                    let _ = other.query_drop(format!("KILL QUERY {id}"));
                }
            }
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
mod tests {
    use super::*;

    #[test]
    fn reads_versions() {
        let of = |text| server(text);
        assert_eq!(
            of("10.11.19-MariaDB-0+deb12u1"),
            Server {
                major: 10,
                minor: 11
            }
        );
        assert_eq!(
            of("5.5.5-11.8.2-MariaDB"),
            Server {
                major: 11,
                minor: 8
            }
        );
        assert_eq!(of("9.7.4"), Server { major: 9, minor: 7 });
        assert_eq!(
            wanted_mode("REAL_AS_FLOAT,ANSI_QUOTES,ANSI,STRICT_TRANS_TABLES"),
            "REAL_AS_FLOAT,STRICT_TRANS_TABLES"
        );
    }
}
