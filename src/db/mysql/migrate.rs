//! The locks of a migration, and its statements. There is no transaction to undo: what is run stays.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;

use super::helpers::WITNESS;
use super::size::account;
use super::{Mysql, catalog, column, errors, literal, quoted};
use crate::db::{Patience, Statement};
use crate::dialect::mysql::stored;
use crate::error::{Error, Kind};
use crate::model::TableId;
use crate::signal;
use crate::sql::{MYSQL, tokens};

/// The least that a lock is waited for, in seconds: the engines count whole ones, and a writer's transaction may take
/// as long.
const LEAST_WAIT: u64 = 2;

/// Bytes in one packet: far below the least that a server takes.
const MOST_BYTES: usize = 64 * 1024;

impl Mysql {
    /// The migration lock's name, which is the server's: at most 64 bytes.
    pub(super) fn lock_name(&self) -> String {
        let digest = catalog::digest([self.current()]);
        format!("triggerctl:{}", digest.get(..32).unwrap_or_default())
    }

    pub(super) fn begin_migration(&mut self, patience: Patience) -> Result<(), Error> {
        self.must_take_writes()?;
        self.take_time()?;
        let seconds = patience.lock_timeout.as_secs_f64().ceil().max(1.0);
        let name = literal(&self.lock_name());
        let ask = format!("SELECT GET_LOCK({name}, 1)");
        let is_taken = self.waited("take the migration lock", &ask, seconds)?;
        if !is_taken {
            let busy = Error::new(Kind::Busy, "another triggerctl is at work on this database");
            return Err(self.with_holder(busy, &self.lock_name())
                .help("try again when it is done; the lock of one that was killed goes after some seconds"));
        }
        self.wait_for_helpers(seconds)?;
        self.lock_wait = patience.lock_timeout.as_secs().max(LEAST_WAIT);
        self.set_lock_wait()
    }

    /// An error on a server that is to take no writes, as a replica mostly is. It lets a role with SUPER or READ_ONLY ADMIN write
    /// all the same, and then the same row of the history comes from its primary one day, and replication stops there.
    pub(super) fn must_take_writes(&mut self) -> Result<(), Error> {
        // A number, or a word in later versions of MariaDB, which as a number is 0.
        let read_only: Option<u64> = self.value(
            "ask whether the server takes writes",
            "SELECT @@global.read_only NOT IN ('0', 'OFF')",
        )?;
        if read_only != Some(1) {
            return self.must_be_read_write();
        }
        Err(Error::new(
            Kind::Refused,
            "this server is to take no writes (`read_only` is on), as replicas mostly are",
        )
        .note("nothing was changed")
        .help("connect to the one that takes writes"))
    }

    /// The same of a connection whose transactions are to be read-only: DDL runs there all the same, and the history could not be
    /// written.
    fn must_be_read_write(&mut self) -> Result<(), Error> {
        // MariaDB has the other name from 11.1 on as well.
        let variable = if self.is_mariadb() {
            "tx_read_only"
        } else {
            "transaction_read_only"
        };
        let read_only: Option<u64> = self.value(
            "ask whether the connection takes writes",
            &format!("SELECT @@session.{variable}"),
        )?;
        if read_only != Some(1) {
            return Ok(());
        }
        Err(Error::new(Kind::Refused, "this connection is read-only")
            .note("nothing was changed")
            .help(format!(
                "`{variable}` is on for the server, or set by its `init_connect`"
            )))
    }

    /// That no statement of a migration is ended by a limit on how long one may take: what looks at it at the end, and what undoes
    /// it, must be able to read.
    pub(super) fn take_time(&mut self) -> Result<(), Error> {
        let variable = if self.is_mariadb() {
            "max_statement_time"
        } else {
            "max_execution_time"
        };
        self.execute("set up the session", &format!("SET SESSION {variable} = 0"))
    }

    /// Ask for locks again and again, each time for a second, since a signal is seen between two statements alone. Whether they were
    /// had within so many seconds.
    fn waited(&mut self, purpose: &str, ask: &str, seconds: f64) -> Result<bool, Error> {
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        loop {
            signal::check()?;
            let had: Option<u64> = self.value(purpose, ask)?;
            if had == Some(1) {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Ok(false);
            }
        }
    }

    /// Helpers of a migration whose first connection broke may still be at work: whoever begins waits for them.
    fn wait_for_helpers(&mut self, seconds: f64) -> Result<(), Error> {
        // MariaDB has no others.
        let numbers = if self.is_mariadb() {
            WITNESS..=WITNESS
        } else {
            0..=WITNESS
        };
        let each: Vec<String> = numbers
            .clone()
            .map(|number| {
                let name = literal(&self.helper_lock_name(number));
                format!("GET_LOCK({name}, 1) = 1 AND RELEASE_LOCK({name}) = 1")
            })
            .collect();
        let ask = format!("SELECT {}", each.join(" AND "));
        if self.waited("wait for the end of another migration", &ask, seconds)? {
            return Ok(());
        }
        let mut busy = Error::new(
            Kind::Busy,
            "what another triggerctl began on this database is still running",
        );
        for number in numbers {
            busy = self.with_holder(busy, &self.helper_lock_name(number));
        }
        Err(busy.help("try again when it is done"))
    }

    /// The error with a note of who holds a lock, as far as this role may know: of others' connections it sees the number
    /// alone without the PROCESS privilege.
    fn with_holder(&mut self, busy: Error, lock: &str) -> Error {
        let name = literal(lock);
        let rows = self.rows(
            "see who holds the lock",
            &format!(
                "SELECT l.id, p.USER, p.HOST, p.TIME FROM (SELECT IS_USED_LOCK({name}) AS id) AS l
                 LEFT JOIN information_schema.PROCESSLIST AS p ON p.ID = l.id WHERE l.id IS NOT NULL"
            ),
        );
        let holder = rows.and_then(|rows| {
            let Some(row) = rows.first() else {
                return Ok(None);
            };
            let account = account(column(row, 1)?, column(row, 2)?);
            let (id, seconds): (u64, Option<i64>) = (column(row, 0)?, column(row, 3)?);
            let since = seconds.map_or_else(String::new, |seconds| {
                format!(", idle or at one statement for {seconds} s")
            });
            Ok(Some(format!(
                "the lock is held by connection {id}{account}{since}"
            )))
        });
        match holder {
            Ok(Some(holder)) => busy.note(holder),
            Ok(None) => busy,
            Err(error) => {
                log::debug!("who holds the lock is not known: {error}");
                busy
            }
        }
    }

    /// The default is a day or a year, and whoever waits for a lock makes all others wait.
    pub(super) fn set_lock_wait(&mut self) -> Result<(), Error> {
        let wait = self.lock_wait;
        self.execute(
            "set how long to wait for locks",
            &format!("SET SESSION lock_wait_timeout = {wait}, innodb_lock_wait_timeout = {wait}"),
        )
    }

    /// Hold everybody off these tables. Until they are released no other can be used.
    pub(super) fn lock_tables(&mut self, tables: &BTreeSet<TableId>) -> Result<(), Error> {
        let locks: Vec<String> = tables
            .iter()
            .map(|table| format!("{}.{} WRITE", quoted(&table.schema), quoted(&table.name)))
            .collect();
        let sql = format!("LOCK TABLES {}", locks.join(", "));
        let Err(mut error) = self.conn.query_drop(&sql) else {
            return Ok(());
        };
        if errors::code(&error) == Some(1785) {
            match self.lock_unlogged(&sql)? {
                None => return Ok(()),
                Some(second) => error = second,
            }
        }
        match errors::code(&error) {
            // A trigger that is there uses what is not there: no row can be written anyway, and no gap can open. It may
            // be what the migration mends.
            Some(1146 | 1054 | 1305 | 1449 | 1356) => {
                log::info!("the tables are not locked: {}", errors::words(&error));
                Ok(())
            }
            // One statement replaces a trigger there, so that only the set of them is not seen as one.
            Some(1044 | 1142) if self.is_mariadb() => {
                log::warn!(
                    "without the LOCK TABLES privilege, writers may see some of a table's triggers changed before others"
                );
                Ok(())
            }
            _ if errors::is_lost(&error) => {
                Err(Error::new(Kind::Uncertain, "the connection broke").note(errors::words(&error)))
            }
            _ if errors::kind(&error) == Kind::Busy => Err(self.busy_tables(tables, &error)),
            _ => Err(errors::cannot("lock the tables", &error)),
        }
    }

    /// LOCK TABLES where a trigger writes to a table of MyISAM's as well, which MySQL refuses for the sake of its GTID rule though
    /// nothing is written: it does not look while the session's binary log is off. What runs after it is logged as ever.
    fn lock_unlogged(&mut self, sql: &str) -> Result<Option<mysql::Error>, Error> {
        if let Err(error) = self.conn.query_drop("SET SESSION sql_log_bin = 0") {
            return Err(errors::cannot("lock the tables", &error)
                .note("a trigger there writes to a table without transactions, which MySQL does not let be locked under enforce_gtid_consistency")
                .help("use a role with SESSION_VARIABLES_ADMIN, or move that table to InnoDB"));
        }
        let locked = self.conn.query_drop(sql);
        // Statements that are not logged would be missing on every replica.
        self.execute(
            "turn the session's binary log on again",
            "SET SESSION sql_log_bin = 1",
        )?;
        Ok(locked.err())
    }

    pub(super) fn run_statements(
        &mut self,
        statements: &[Statement],
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), Error> {
        let mut rest = statements;
        let mut after_set = false;
        while let Some(first) = rest.first() {
            let sets = first_is(first, "set");
            if self.dirty && !sets && !after_set {
                self.set_session()?;
            }
            let count = if sets || self.dirty {
                1
            } else {
                let further = rest.iter().take_while(|next| !first_is(next, "set"));
                in_one_packet(&further.collect::<Vec<_>>())
            };
            let (packet, others) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            self.dirty |= sets;
            let done = statements.len() - rest.len();
            self.run_packet(packet)
                .inspect_err(|(fine, _)| progress(done + fine))
                .map_err(|(_, error)| error)?;
            // Back to what a session has here, which is not what the server gives one by default.
            if sets && first.sql.ends_with("DEFAULT") {
                self.set_session()?;
            }
            after_set = first.sql.starts_with("SET SESSION");
            rest = others;
            progress(statements.len() - rest.len());
        }
        // What was set was for these statements.
        if self.dirty {
            self.set_session()
        } else {
            Ok(())
        }
    }

    /// Statements in one packet, so that the server need not wait for the client after each. It goes on to the packet's end
    /// when the client is killed: what is replaced by DROP and CREATE is made again. After an error it goes no further: the
    /// error comes with how many had run.
    fn run_packet(&mut self, packet: &[Statement]) -> Result<(), (usize, Error)> {
        for statement in packet {
            self.must_fit("run a statement", &statement.sql)
                .map_err(|error| (0, error))?;
        }
        if let [statement] = packet {
            return self
                .conn
                .query_drop(&statement.sql)
                .map_err(|error| (0, self.failed(statement, &error)));
        }
        let texts: Vec<&str> = packet.iter().map(|one| one.sql.as_str()).collect();
        // A comment may end a statement: the next begins on a line of its own.
        let (fine, error) = self.run_several(&texts.join("\n;\n"));
        let error = match (error, packet.get(fine)) {
            (Some(error), Some(statement)) => self.failed(statement, &error),
            (Some(error), None) => errors::cannot("run the statements", &error),
            (None, None) => return Ok(()),
            (None, Some(statement)) => Error::new(
                Kind::Uncertain,
                format!("the server answered {fine} of {} statements", packet.len()),
            )
            .note(format!("the next is: {}", statement.sql)),
        };
        Err((fine, error))
    }

    /// The error of a statement; of one that found its table busy, with who is at it.
    fn failed(&mut self, statement: &Statement, error: &mysql::Error) -> Error {
        let table = statement.object.as_ref().and_then(|object| object.table());
        match table {
            Some(table) if errors::kind(error) == Kind::Busy => {
                self.busy_tables(&BTreeSet::from([table.clone()]), error)
            }
            _ => errors::statement(statement, error),
        }
    }

    /// One statement with a text for its `?`.
    pub(super) fn run_with(&mut self, statement: &Statement, text: String) -> Result<(), Error> {
        self.must_fit_with("run a statement", &statement.sql, text.len())?;
        let ran = match self.conn.prep(&statement.sql) {
            Ok(prepared) => {
                let ran = self.conn.exec_drop(&prepared, (text,));
                ran.and(self.conn.close(prepared))
            }
            // A server may let nobody prepare any more (`max_prepared_stmt_count`).
            Err(error) => {
                log::debug!("it is run as a text: {}", errors::words(&error));
                let sql = statement.sql.replacen('?', &literal(&text), 1);
                self.must_fit("run a statement", &sql)?;
                self.conn.query_drop(sql)
            }
        };
        ran.map_err(|error| errors::statement(statement, &error))
    }

    /// Several statements in one round trip: how many went well, and what the server said of the next.
    pub(super) fn run_several(&mut self, packet: &str) -> (usize, Option<mysql::Error>) {
        let mut fine = 0;
        let mut answers = match self.conn.query_iter(packet) {
            Ok(answers) => answers,
            Err(error) => return (fine, Some(error)),
        };
        while let Some(answer) = answers.iter() {
            if let Some(error) = answer.into_iter().find_map(Result::err) {
                return (fine, Some(error));
            }
            fine += 1;
        }
        (fine, None)
    }

    /// Give back every lock.
    pub(super) fn end_migration(&mut self) -> Result<(), Error> {
        let name = literal(&self.lock_name());
        // A transaction that is open here is one that failed.
        let undone = self.execute("end the migration", "ROLLBACK");
        let unlocked = self.execute("unlock the tables", "UNLOCK TABLES");
        let released = self.execute(
            "give back the migration lock",
            &format!("DO RELEASE_LOCK({name})"),
        );
        undone.and(unlocked).and(released)
    }
}

/// How many of these, at least one, go to the server at once. A packet does not end with a DROP where another statement
/// follows, which may make again what it drops.
fn in_one_packet(statements: &[&Statement]) -> usize {
    let mut size = 0;
    let mut before: Option<&Statement> = None;
    let fit = statements.iter().take_while(|statement| {
        size += statement.sql.len();
        let before = before.replace(statement);
        size <= MOST_BYTES && before.is_none_or(has_end)
    });
    let count = fit.count().max(1);
    let whole = count == statements.len();
    let cut = statements
        .get(..count)
        .unwrap_or_default()
        .iter()
        .rposition(|one| !first_is(one, "drop"));
    match cut {
        Some(last) if !whole => last + 1,
        _ => count,
    }
}

/// Whether another statement may follow in the same packet. MySQL 9 takes the `;` between them for a part of a body that is no
/// block (tried).
fn has_end(statement: &Statement) -> bool {
    if first_is(statement, "drop") {
        return true;
    }
    let sql = &statement.sql;
    // As templates make it, without a name in quotes before it: there is nothing to be read token by token while the server waits.
    let is_plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.' | b' ' | b'\n')
    };
    if let Some((head, _)) = sql.split_once("\nFOR EACH ROW\nBEGIN\n")
        && head.bytes().all(is_plain)
    {
        return true;
    }
    stored::parts(sql, &MYSQL).is_some_and(|parts| {
        let body = sql.get(parts.body..).unwrap_or_default();
        tokens(body, &MYSQL)
            .find(|token| !token.is_blank())
            .is_some_and(|token| token.is_word(body, "begin"))
    })
}

/// Whether a statement begins with this word.
fn first_is(statement: &Statement, word: &str) -> bool {
    tokens(&statement.sql, &MYSQL)
        .find(|token| !token.is_blank())
        .is_some_and(|token| token.is_word(&statement.sql, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_have_an_end() {
        let of = |what: &str, length: usize| Statement {
            sql: match what {
                "drop" => format!("DROP TRIGGER {}", "x".repeat(length)),
                _ => format!(
                    "CREATE TRIGGER a AFTER INSERT ON t FOR EACH ROW {what} {}",
                    "x".repeat(length)
                ),
            },
            object: None,
        };
        let count =
            |statements: &[Statement]| in_one_packet(&statements.iter().collect::<Vec<_>>());
        let mixed = [
            of("BEGIN", 40_000),
            of("BEGIN", 20_000),
            of("BEGIN", 40_000),
        ];
        assert_eq!(count(&mixed), 2);
        let replaced = [of("BEGIN", 40_000), of("drop", 10), of("BEGIN", 40_000)];
        assert_eq!(count(&replaced), 1);
        let dropped = [of("drop", 10), of("drop", 10)];
        assert_eq!(count(&dropped), 2);
        assert_eq!(count(&[of("drop", 10), of("BEGIN", 70_000)]), 1);
        assert_eq!(count(&[of("BEGIN", 1_000_000), of("BEGIN", 1)]), 1);
        let bare = [of("drop", 10), of("SET", 10), of("BEGIN", 10)];
        assert_eq!(count(&bare), 2);
        let plain = |name: &str, row: &str| Statement {
            sql: format!("CREATE TRIGGER {name}\nAFTER INSERT ON t\nFOR EACH ROW{row}"),
            object: None,
        };
        let block = "\nBEGIN\nDO 1;\nEND";
        let none = " SET @a = CASE '\nFOR EACH ROW\nBEGIN\n' WHEN '' THEN 1 END";
        for (name, row, ends) in [
            ("a", block, true),
            ("`\nFOR EACH ROW\nBEGIN\n`", block, true),
            ("a", none, false),
        ] {
            assert_eq!(has_end(&plain(name, row)), ends, "{name} {row}");
        }
    }
}
