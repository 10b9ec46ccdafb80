//! Migrations: one transaction, one advisory lock, statements in batches, and a failure that names its statement.
//!
//! All settings are `SET LOCAL` and the lock belongs to the transaction: behind a pooler in transaction mode a session's
//! lock would outlive its client, and a session's setting would reach somebody else.

use std::time::{Duration, Instant};

use postgres::error::SqlState;
use postgres::types::Type;
use sha2::{Digest as _, Sha256};

use super::error::{Cause, circumstances, of_statement, words};
use super::locks::LockKey;
use super::record::FAST_COMPRESSION;
use super::waits::{self, Waits};
use super::{Postgres, get};
use crate::db::{Patience, Statement};
use crate::error::{Diagnostic, Error, Kind};

/// The first key of the advisory lock: `trgc` in ASCII. The second is a digest of the history schema's name.
const LOCK_CLASS: i32 = 0x7472_6763;

/// Statements in one simple-query message: enough that round trips no longer count, few enough that finding the one
/// that failed stays cheap.
const BATCH: usize = 500;

/// What a text means must not depend on who runs it, whatever the role, the database or the server are set to: a backslash
/// in a literal is one, `= NULL` is what it says, and a literal of a date, a moment, an interval, an array, XML or money
/// is read (when a WHEN is made, its value is stored, not its text) and printed in one way. The
/// server keeps the transaction of a client that went silent for a minute, whatever else is set.
pub(super) const READING: &str = "SET LOCAL standard_conforming_strings = on; \
    SET LOCAL transform_null_equals = off; SET LOCAL array_nulls = on; SET LOCAL xmloption = content; \
    SET LOCAL DateStyle = 'ISO, MDY'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL TimeZone = 'UTC'; \
    SET LOCAL lc_monetary = 'C'; SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; \
    SET LOCAL idle_in_transaction_session_timeout = '60s'";

/// The server takes longer to compress a longer one by its own method than to check and to write it.
const LONG: usize = 500_000;

fn migration_lock(history_schema: &str) -> LockKey {
    let digest = Sha256::digest(history_schema.as_bytes());
    LockKey {
        class: LOCK_CLASS,
        object: digest
            .iter()
            .take(4)
            .fold(0, |key, byte| (key << 8) | i32::from(*byte)),
    }
}

impl Postgres {
    /// Do some reading with settings of its own and leave no trace: in a read-only transaction, or within a migration or a
    /// moment under a savepoint.
    pub(super) fn aside<T>(
        &mut self,
        settings: &str,
        work: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (open, close) = if self.migration.is_some() || self.in_moment {
            (
                "SAVEPOINT triggerctl_aside; SET LOCAL transaction_read_only = on",
                "ROLLBACK TO SAVEPOINT triggerctl_aside; RELEASE SAVEPOINT triggerctl_aside",
            )
        } else {
            ("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY", "ROLLBACK")
        };
        let result = self
            .batch("begin to read", &format!("{open}; {READING}; {settings}"))
            .and_then(|()| work(self));
        let closed = self.batch("end reading", close);
        let value = result?;
        closed?;
        Ok(value)
    }

    /// See [`crate::db::Database::begin`].
    pub(super) fn begin_migration(&mut self, patience: Patience) -> Result<(), Error> {
        self.leave_moment()?;
        self.ahead = None;
        let timeout = patience.lock_timeout.as_millis().max(1);
        // From 14 on the server looks whether its client is still there, so that a queued lock dies with it; from 17 on it
        // has a timeout for whole transactions, which would end one in the middle.
        let connection_check = match self.server.major {
            ..14 => "",
            14..17 => "; SET LOCAL client_connection_check_interval = '1s'",
            17.. => {
                "; SET LOCAL client_connection_check_interval = '1s'; SET LOCAL transaction_timeout = 0"
            }
        };
        let result = self
            .batch(
                "begin the migration",
                &format!(
                    "BEGIN ISOLATION LEVEL READ COMMITTED; {READING}; SET LOCAL lock_timeout = {timeout}; \
                     SET LOCAL statement_timeout = 0{connection_check}"
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
        let key = migration_lock(&self.history_schema);
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
                &[(&key.class, Type::INT4), (&key.object, Type::INT4)],
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
                return Err(self.migration_lock_held(key));
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    /// See [`crate::db::Database::run`].
    pub(super) fn run_statements(
        &mut self,
        statements: &[Statement],
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), Error> {
        let mut done = 0;
        let mut waits = self
            .migration
            .map(|patience| Waits::of(statements, patience.lock_timeout));
        for batch in statements.chunks(BATCH) {
            if self.was_interrupted() {
                return Err(Error::new(Kind::Interrupted, "stopped on request"));
            }
            if let [alone] = batch
                && alone.object.is_none()
            {
                // The history's own may be megabytes. Which of them has failed is clear, and that nothing is left to do.
                let prepared = if alone.sql.len() > LONG && self.server.major >= 14 {
                    self.client.batch_execute(FAST_COMPRESSION)
                } else {
                    Ok(())
                };
                let done_with_it = prepared.and_then(|()| self.client.batch_execute(&alone.sql));
                done_with_it.map_err(|failure| match self.cause(&failure) {
                    Cause::Other => of_statement(&failure, alone),
                    _ => self.error(&failure, "write down the migration"),
                })?;
                done += 1;
                progress(done);
                continue;
            }
            let mut text = String::from("SAVEPOINT triggerctl_batch");
            for statement in batch {
                // A statement may end in a comment: the semicolon goes on the next line.
                if let Some(setting) = waits.as_mut().and_then(|waits| waits.before(statement)) {
                    text.push_str("\n;\n");
                    text.push_str(&setting);
                }
                text.push_str("\n;\n");
                text.push_str(&statement.sql);
            }
            if done + batch.len() == statements.len()
                && let Some(setting) = waits.as_ref().and_then(Waits::behind)
            {
                text.push_str("\n;\n");
                text.push_str(&setting);
            }
            text.push_str("\n;\nRELEASE SAVEPOINT triggerctl_batch");
            match self.client.batch_execute(&text) {
                Ok(()) => {}
                Err(failure) if self.cause(&failure) == Cause::Other => {
                    self.run_one_by_one(&failure, batch)?;
                }
                Err(failure) => return Err(self.stopped(&failure, batch)),
            }
            done += batch.len();
            progress(done);
        }
        Ok(())
    }

    /// Run a batch that has failed again, to learn which of its statements it was.
    fn run_one_by_one(
        &mut self,
        failure: &postgres::Error,
        batch: &[Statement],
    ) -> Result<(), Error> {
        let undone = self.batch("undo a batch", "ROLLBACK TO SAVEPOINT triggerctl_batch");
        // A message that the server cannot put into its encoding has not begun: there is no savepoint either.
        if undone.is_err()
            && failure.code() == Some(&SqlState::UNTRANSLATABLE_CHARACTER)
            && let Some(statement) = untranslatable(failure, batch)
        {
            return Err(of_statement(failure, statement));
        }
        undone?;
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
        let timed_out = failure.code() == Some(&SqlState::LOCK_NOT_AVAILABLE);
        let mut busy = Diagnostic::new(if timed_out {
            "a lock was not to be had in time; nothing was changed"
        } else if failure.code() == Some(&SqlState::UNIQUE_VIOLATION) {
            // Which of the two it was, no answer of the server's tells.
            "another session made the same just now, or it is there already; nothing was changed"
        } else {
            "another session was at the same objects; nothing was changed"
        });
        let mut notes = vec![words(failure)];
        if let Some(answer) = failure.as_db_error() {
            notes.extend(circumstances(answer));
        }
        // Savepoints come first: only then can the transaction ask who was in the way.
        let recovered = self.batch("undo a batch", "ROLLBACK TO SAVEPOINT triggerctl_batch");
        if recovered.is_ok() {
            match self.blockers(batch) {
                Ok(blockers) => {
                    if let Some((table, _)) = blockers.first().filter(|_| timed_out) {
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
        busy = busy.help("try again when the database is less busy, or with a longer `--wait` or `--lock-timeout`");
        let mut tables = batch.iter().filter_map(waits::table_of);
        let first = tables.next();
        if tables.any(|table| Some(table) != first) {
            busy = busy.help("or change fewer tables at a time: `apply --target TABLE.*`");
        }
        busy.into_error(Kind::Busy)
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
}

/// The statement with the character that the server's encoding does not have. Its message gives the bytes, in every
/// language as `0xe2 0x82 0xac`.
fn untranslatable<'a>(failure: &postgres::Error, batch: &'a [Statement]) -> Option<&'a Statement> {
    let message = failure.as_db_error()?.message();
    let bytes = message
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("0x"))
        .map_while(|digits| u8::from_str_radix(digits, 16).ok())
        .collect();
    let character = String::from_utf8(bytes).ok().filter(|it| !it.is_empty())?;
    batch
        .iter()
        .find(|statement| statement.sql.contains(&character))
}
