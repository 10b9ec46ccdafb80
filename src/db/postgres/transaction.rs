//! Migrations: one transaction, one advisory lock, statements in batches, and a failure that names its statement.
//!
//! All settings are `SET LOCAL` and the lock belongs to the transaction: behind a pooler in transaction mode a session's
//! lock would outlive its client, and a session's setting would reach somebody else.

use std::time::{Duration, Instant};

use postgres::types::Type;
use sha2::{Digest as _, Sha256};

use super::error::{Cause, of_statement, words};
use super::{Postgres, get};
use crate::db::{Patience, Statement};
use crate::error::{Diagnostic, Error, Kind};
use crate::model::{ObjectId, TableId};

/// The first key of the advisory lock: `trgc` in ASCII. The second is a digest of the history schema's name.
const LOCK_CLASS: i32 = 0x7472_6763;

/// Statements in one simple-query message: enough that round trips no longer count, few enough that finding the one
/// that failed stays cheap.
const BATCH: usize = 500;

/// How long the server keeps the transaction of a client that went silent.
const IDLE_LIMIT: &str = "60s";

/// The second key of the migration lock.
fn lock_key(history_schema: &str) -> i32 {
    let digest = Sha256::digest(history_schema.as_bytes());
    digest
        .iter()
        .take(4)
        .fold(0, |key, byte| (key << 8) | i32::from(*byte))
}

impl Postgres {
    /// Do some reading with settings of its own and leave no trace: in a read-only transaction, or within a migration
    /// under a savepoint.
    pub(super) fn aside<T>(
        &mut self,
        settings: &str,
        work: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (open, close) = if self.migration.is_some() {
            (
                "SAVEPOINT triggerctl_aside; SET LOCAL transaction_read_only = on",
                "ROLLBACK TO SAVEPOINT triggerctl_aside; RELEASE SAVEPOINT triggerctl_aside",
            )
        } else {
            ("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY", "ROLLBACK")
        };
        let result = self
            .batch("begin to read", &format!("{open}; {settings}"))
            .and_then(|()| work(self));
        let closed = self.batch("end reading", close);
        let value = result?;
        closed?;
        Ok(value)
    }

    /// See [`crate::db::Database::begin`].
    pub(super) fn begin_migration(&mut self, patience: Patience) -> Result<(), Error> {
        let timeout = patience.lock_timeout.as_millis().max(1);
        // From 14 on the server looks whether its client is still there, so that a queued lock dies with it.
        let connection_check = if self.server.major >= 14 {
            "; SET LOCAL client_connection_check_interval = '1s'"
        } else {
            ""
        };
        let result = self
            .batch(
                "begin the migration",
                &format!(
                    "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = {timeout}; \
                     SET LOCAL statement_timeout = 0; \
                     SET LOCAL idle_in_transaction_session_timeout = '{IDLE_LIMIT}'{connection_check}"
                ),
            )
            .and_then(|()| self.take_migration_lock(patience));
        self.migration = Some(patience);
        if result.is_err() {
            self.abort_quietly();
        }
        result
    }

    fn take_migration_lock(&mut self, patience: Patience) -> Result<(), Error> {
        let key = lock_key(&self.history_schema);
        let deadline = Instant::now() + patience.lock_timeout;
        let mut pause = Duration::from_millis(5);
        loop {
            if self.was_interrupted() {
                return Err(Error::new(Kind::Interrupted, "stopped on request"));
            }
            let rows = self.read(
                "take the migration lock",
                "SELECT pg_catalog.pg_is_in_recovery(), \
                        pg_catalog.current_setting('transaction_read_only') = 'on', \
                        NOT pg_catalog.pg_is_in_recovery() AND pg_catalog.pg_try_advisory_xact_lock($1, $2)",
                &[(&LOCK_CLASS, Type::INT4), (&key, Type::INT4)],
            )?;
            let Some(row) = rows.first() else {
                return Err(Error::failed("the server gave no answer"));
            };
            if get(row, 0)? {
                return Err(
                    Diagnostic::new("this server is a standby: it cannot be changed")
                        .help("connect to the primary server")
                        .into_error(Kind::Refused),
                );
            }
            if get(row, 1)? {
                return Err(Diagnostic::new("this connection is read-only")
                    .help("`default_transaction_read_only` is on for this role, database or connection")
                    .into_error(Kind::Refused));
            }
            if get(row, 2)? {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.migration_lock_holder(key));
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    fn migration_lock_holder(&mut self, key: i32) -> Error {
        let busy = Diagnostic::new("another migration is running on this database");
        let holders = self.read(
            "see who holds the migration lock",
            "SELECT l.pid, a.application_name, a.usename::pg_catalog.text, a.client_addr::pg_catalog.text
             FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
             WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
               AND l.classid::pg_catalog.int8 = $1 AND l.objid::pg_catalog.int8 = $2
               AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())",
            &[
                (&i64::from(LOCK_CLASS.cast_unsigned()), Type::INT8),
                (&i64::from(key.cast_unsigned()), Type::INT8),
            ],
        );
        let row = match &holders {
            Ok(rows) => rows.first(),
            Err(_) => None,
        };
        let holder = row.and_then(|row| {
            let pid: i32 = get(row, 0).ok()?;
            let application: Option<String> = get(row, 1).ok()?;
            let user: Option<String> = get(row, 2).ok()?;
            let address: Option<String> = get(row, 3).ok()?;
            Some(describe_session(pid, application, user, address))
        });
        match holder {
            Some(holder) => busy.note(format!("held by {holder}")),
            None => busy,
        }
        .help("wait until it is done, then try again")
        .into_error(Kind::Busy)
    }

    /// See [`crate::db::Database::run`].
    pub(super) fn run_statements(
        &mut self,
        statements: &[Statement],
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), Error> {
        let mut done = 0;
        for batch in statements.chunks(BATCH) {
            if self.was_interrupted() {
                return Err(Error::new(Kind::Interrupted, "stopped on request"));
            }
            let mut text = String::from("SAVEPOINT triggerctl_batch");
            for statement in batch {
                // A statement may end in a comment: the semicolon goes on the next line.
                text.push_str("\n;\n");
                text.push_str(&statement.sql);
            }
            text.push_str("\n;\nRELEASE SAVEPOINT triggerctl_batch");
            match self.client.batch_execute(&text) {
                Ok(()) => {}
                Err(failure) if self.cause(&failure) == Cause::Other => {
                    self.run_one_by_one(batch)?;
                }
                Err(failure) => return Err(self.stopped(&failure, batch)),
            }
            done += batch.len();
            progress(done);
        }
        Ok(())
    }

    /// Run a batch that has failed again, to learn which of its statements it was.
    fn run_one_by_one(&mut self, batch: &[Statement]) -> Result<(), Error> {
        self.batch("undo a batch", "ROLLBACK TO SAVEPOINT triggerctl_batch")?;
        for statement in batch {
            match self.client.batch_execute(&statement.sql) {
                Ok(()) => {}
                Err(failure) if self.cause(&failure) == Cause::Other => {
                    return Err(of_statement(&failure, statement));
                }
                Err(failure) => return Err(self.stopped(&failure, std::slice::from_ref(statement))),
            }
        }
        // What stood in the way has gone: the batch is done after all.
        self.batch("end a batch", "RELEASE SAVEPOINT triggerctl_batch")
    }

    /// The error when not a statement's own fault ended a batch: a lock, a signal, the connection.
    fn stopped(&mut self, failure: &postgres::Error, batch: &[Statement]) -> Error {
        if self.cause(failure) != Cause::Busy {
            return self.error(failure, "run the migration");
        }
        let mut busy = Diagnostic::new("a lock was not to be had in time; nothing was changed");
        let mut notes = vec![words(failure)];
        if let Some(answer) = failure.as_db_error() {
            notes.extend(answer.detail().map(str::to_owned));
            notes.extend(answer.where_().map(str::to_owned));
        }
        // Savepoints come first: only then can the transaction ask who was in the way.
        let recovered = self.batch("undo a batch", "ROLLBACK TO SAVEPOINT triggerctl_batch");
        if recovered.is_ok() {
            match self.blockers(batch) {
                Ok(blockers) => {
                    if let Some((table, _)) = blockers.first() {
                        busy = Diagnostic::new(format!(
                            "table `{table}` is in use, and its lock was not to be had in time; nothing was changed"
                        ));
                    }
                    notes.extend(blockers.into_iter().map(|(_, note)| note));
                }
                Err(failure) => notes.push(format!("who holds the lock is not known: {failure}")),
            }
        }
        for note in notes {
            busy = busy.note(note);
        }
        busy.help("try again when the table is less busy, or raise `--lock-timeout`")
            .into_error(Kind::Busy)
    }

    /// Who holds locks on the tables of these statements: at most three, the strongest first.
    fn blockers(&mut self, batch: &[Statement]) -> Result<Vec<(TableId, String)>, Error> {
        let mut tables: Vec<&TableId> = batch
            .iter()
            .filter_map(|statement| statement.object.as_ref().and_then(ObjectId::table))
            .collect();
        tables.sort();
        tables.dedup();
        let schemas: Vec<&str> = tables.iter().map(|table| table.schema.as_str()).collect();
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        let rows = self.read(
            "see who holds the lock",
            "SELECT n.nspname, c.relname, l.pid, l.mode, a.state, a.application_name,
                    a.usename::pg_catalog.text, a.client_addr::pg_catalog.text
             FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
               AS asked(schema, name)
             JOIN pg_catalog.pg_namespace n ON n.nspname = asked.schema
             JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = asked.name
             JOIN pg_catalog.pg_locks l ON l.locktype = 'relation' AND l.relation = c.oid AND l.granted
               AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
             LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
             WHERE l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
             ORDER BY l.mode IN ('AccessShareLock', 'RowShareLock'), n.nspname, c.relname, l.pid
             LIMIT 3",
            &[(&schemas, Type::TEXT_ARRAY), (&names, Type::TEXT_ARRAY)],
        )?;
        rows.iter()
            .map(|row| {
                let table = TableId {
                    schema: get(row, 0)?,
                    name: get(row, 1)?,
                };
                let pid: Option<i32> = get(row, 2)?;
                let mode: String = get(row, 3)?;
                let state: Option<String> = get(row, 4)?;
                let holder = match pid {
                    Some(pid) => describe_session(pid, get(row, 5)?, get(row, 6)?, get(row, 7)?),
                    None => "a prepared transaction".to_owned(),
                };
                let state = state.map_or_else(String::new, |state| format!(", {state}"));
                let note = format!("`{table}` is held in {mode} by {holder}{state}");
                Ok((table, note))
            })
            .collect()
    }

    /// See [`crate::db::Database::commit`].
    pub(super) fn commit_migration(&mut self) -> Result<(), Error> {
        // COMMIT of a failed transaction rolls back and says so in its tag alone; the SELECT fails there.
        let result = self.client.batch_execute("SELECT;\nCOMMIT");
        let Err(failure) = result else {
            self.migration = None;
            return Ok(());
        };
        let error = match self.cause(&failure) {
            Cause::Lost => Diagnostic::new(
                "the connection was lost during COMMIT: whether the migration took effect is not known",
            )
            .note(words(&failure))
            .help("run `triggerctl history` and `triggerctl plan` to see")
            .into_error(Kind::Uncertain),
            // The server has answered: it did not commit.
            Cause::Interrupted => Error::new(Kind::Interrupted, "stopped on request"),
            Cause::Busy | Cause::Other => self.error(&failure, "commit the migration"),
        };
        self.abort_quietly();
        Err(error)
    }

    /// See [`crate::db::Database::abort`].
    pub(super) fn abort_migration(&mut self) -> Result<(), Error> {
        if self.migration.take().is_none() {
            return Ok(());
        }
        match self.client.batch_execute("ROLLBACK") {
            Ok(()) => Ok(()),
            // The server rolls back what it has lost the client of.
            Err(_) if self.client.is_closed() => Ok(()),
            Err(failure) => Err(self.error(&failure, "undo the migration")),
        }
    }

    /// Leave the transaction when an error is under way already that matters more than what ROLLBACK may say.
    fn abort_quietly(&mut self) {
        if let Err(failure) = self.abort_migration() {
            log::debug!("ROLLBACK: {failure}");
        }
    }

    /// How many table locks one transaction may take: 40 % of what the server has room for, so that others find room.
    pub(super) fn read_lock_budget(&mut self) -> Result<usize, Error> {
        let capacity = self.lock_capacity()?;
        Ok(capacity / 5 * 2)
    }

    /// How many locks the server's shared table holds: `max_locks_per_transaction × (max_connections +
    /// max_prepared_transactions)` (manual, 20.12).
    pub fn lock_capacity(&mut self) -> Result<usize, Error> {
        let rows = self.read(
            "read the server's settings",
            "SELECT pg_catalog.current_setting('max_locks_per_transaction')::pg_catalog.int8
                  * (pg_catalog.current_setting('max_connections')::pg_catalog.int8
                     + pg_catalog.current_setting('max_prepared_transactions')::pg_catalog.int8)",
            &[],
        )?;
        let capacity: i64 = match rows.first() {
            Some(row) => get(row, 0)?,
            None => 0,
        };
        Ok(usize::try_from(capacity).unwrap_or(usize::MAX))
    }

    /// How many relations are locked when row triggers on these tables change: each with all its partitions.
    pub(super) fn count_locks(&mut self, tables: &[TableId]) -> Result<usize, Error> {
        let schemas: Vec<&str> = tables.iter().map(|table| table.schema.as_str()).collect();
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        let rows = self.read(
            "count the partitions",
            "WITH RECURSIVE locked(oid) AS (
               SELECT c.oid
               FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
                 AS asked(schema, name)
               JOIN pg_catalog.pg_namespace n ON n.nspname = asked.schema
               JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = asked.name
               UNION
               SELECT i.inhrelid
               FROM locked
               JOIN pg_catalog.pg_inherits i ON i.inhparent = locked.oid
               JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition
             )
             SELECT pg_catalog.count(*) FROM locked",
            &[(&schemas, Type::TEXT_ARRAY), (&names, Type::TEXT_ARRAY)],
        )?;
        let count: i64 = match rows.first() {
            Some(row) => get(row, 0)?,
            None => 0,
        };
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }
}

fn describe_session(
    pid: i32,
    application: Option<String>,
    user: Option<String>,
    address: Option<String>,
) -> String {
    let mut facts = vec![];
    if let Some(application) = application.filter(|name| !name.is_empty()) {
        facts.push(format!("application `{application}`"));
    }
    facts.extend(user.map(|user| format!("role `{user}`")));
    facts.extend(address.map(|address| format!("from {address}")));
    if facts.is_empty() {
        format!("process {pid}")
    } else {
        format!("process {pid} ({})", facts.join(", "))
    }
}
