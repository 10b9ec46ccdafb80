//! How big the tables of a plan are, and who is at them: `information_schema.TABLES`, and the metadata locks where the
//! server keeps a list of them that this role may read.

use std::collections::{BTreeMap, BTreeSet};

use mysql::Row;

use super::{Mysql, column, errors};
use crate::db::size::{Holder, Measured, TableSize, TableState};
use crate::dialect::LockMode;
use crate::error::Error;
use crate::model::TableId;
use crate::sql::{MYSQL, Token, tokens};
use crate::words::{NAMED, some};

impl Mysql {
    /// See [`crate::db::Database::table_states`].
    pub(super) fn read_table_states(
        &mut self,
        tables: &BTreeSet<TableId>,
    ) -> Result<BTreeMap<TableId, TableState>, Error> {
        let rows =
            self.rows_of_tables("read the sizes of the tables", tables, |schema, names| {
                format!(
                    "SELECT TABLE_SCHEMA, TABLE_NAME, CAST(TABLE_ROWS AS UNSIGNED),
                        CAST(DATA_LENGTH + INDEX_LENGTH AS UNSIGNED)
                 FROM information_schema.TABLES
                 WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME IN ({names})"
                )
            })?;
        let cannot_be_held = self.cannot_hold()?;
        let asked = self.as_told_apart(tables);
        let mut states = BTreeMap::new();
        for row in &rows {
            let (schema, name): (String, String) = (column(row, 0)?, column(row, 1)?);
            let Some(&table) = asked.get(&(self.folded(&schema), self.folded(&name))) else {
                continue;
            };
            let state = TableState {
                size: TableSize {
                    rows: column(row, 2)?,
                    bytes: column(row, 3)?,
                    of: Measured::Table,
                },
                cannot_be_held,
                ..TableState::default()
            };
            states.insert(table.clone(), state);
        }
        // Without the right to see it, or with the performance schema off, nobody knows who is at a table.
        match self.metadata_locks(tables) {
            Ok(holders) => {
                for (table, holder) in holders {
                    if let Some(state) = states.get_mut(&table)
                        && !state.holders.iter().any(|known| known.who == holder.who)
                    {
                        state.holders.push(holder);
                    }
                }
            }
            Err(error) => log::debug!("who is at the tables is not known: {error}"),
        }
        Ok(states)
    }

    /// Sessions with a lock on these tables, the oldest transaction first. LOCK TABLES … WRITE waits for every one.
    fn metadata_locks(
        &mut self,
        tables: &BTreeSet<TableId>,
    ) -> Result<Vec<(TableId, Holder)>, Error> {
        let rows = self.rows_of_tables("see who is at the tables", tables, |schema, names| {
            format!(
                "SELECT l.OBJECT_SCHEMA, l.OBJECT_NAME, t.PROCESSLIST_ID, t.PROCESSLIST_USER, t.PROCESSLIST_HOST,
                        (SELECT TIMESTAMPDIFF(SECOND, MIN(x.trx_started), NOW())
                         FROM information_schema.INNODB_TRX x WHERE x.trx_mysql_thread_id = t.PROCESSLIST_ID)
                 FROM performance_schema.metadata_locks l
                 JOIN performance_schema.threads t ON t.THREAD_ID = l.OWNER_THREAD_ID
                 WHERE l.OBJECT_TYPE = 'TABLE' AND l.OBJECT_SCHEMA = {schema} AND l.OBJECT_NAME IN ({names})
                   AND t.PROCESSLIST_ID <> CONNECTION_ID()
                 ORDER BY 6 DESC, 3"
            )
        })?;
        let asked = self.as_told_apart(tables);
        let holder = |row: &Row| {
            let (schema, name): (String, String) = (column(row, 0)?, column(row, 1)?);
            let Some(&table) = asked.get(&(self.folded(&schema), self.folded(&name))) else {
                return Ok(None);
            };
            let id: u64 = column(row, 2)?;
            let account = account(column(row, 3)?, column(row, 4)?);
            let seconds: Option<i64> = column(row, 5)?;
            let holder = Holder {
                who: format!("connection {id}{account}"),
                in_way_of: LockMode::AccessExclusive,
                // Without a transaction of InnoDB's, it is a statement at work.
                seconds: Some(u64::try_from(seconds.unwrap_or(0)).unwrap_or_default()),
                prepared: false,
            };
            Ok(Some((table.clone(), holder)))
        };
        rows.iter()
            .filter_map(|row| holder(row).transpose())
            .collect()
    }

    /// The error of tables whose lock was not to be had, with who is at them as far as the server tells.
    pub(super) fn busy_tables(
        &mut self,
        tables: &BTreeSet<TableId>,
        error: &mysql::Error,
    ) -> Error {
        let shown: Vec<String> = tables.iter().map(|table| format!("`{table}`")).collect();
        let what = match shown.as_slice() {
            [table] => format!("table {table}"),
            _ => format!("one of the tables {}", some(&shown, NAMED)),
        };
        let busy = errors::busy_with(&what, error);
        let notes = match self.metadata_locks(tables) {
            Ok(holders) if !holders.is_empty() => Ok(holders
                .into_iter()
                .map(|(table, holder)| format!("`{table}` is in use by {}", holder.who))
                .collect()),
            // The server keeps no list, or lets this role not read it.
            Ok(_) | Err(_) => self.open_transactions(),
        };
        match notes {
            Ok(notes) => notes.into_iter().take(NAMED).fold(busy, Error::note),
            Err(error) => {
                log::debug!("who is at the tables is not known: {error}");
                busy
            }
        }
    }

    /// Other sessions with a transaction, the oldest first, each in words.
    fn open_transactions(&mut self) -> Result<Vec<String>, Error> {
        let rows = self.rows(
            "see who has a transaction open",
            "SELECT x.trx_mysql_thread_id, p.USER, p.HOST, TIMESTAMPDIFF(SECOND, x.trx_started, NOW())
             FROM information_schema.INNODB_TRX x
             JOIN information_schema.PROCESSLIST p ON p.ID = x.trx_mysql_thread_id
             WHERE p.ID <> CONNECTION_ID() ORDER BY 4 DESC, 1",
        )?;
        rows.iter()
            .map(|row| {
                let account = account(column(row, 1)?, column(row, 2)?);
                let (id, seconds): (u64, Option<i64>) = (column(row, 0)?, column(row, 3)?);
                Ok(format!(
                    "connection {id}{account} has had a transaction open for {} s, and may be in the way",
                    seconds.unwrap_or_default()
                ))
            })
            .collect()
    }

    /// Whether MariaDB will let this role change a trigger, but not lock the table meanwhile. MySQL refuses such a role.
    fn cannot_hold(&mut self) -> Result<bool, Error> {
        if !self.is_mariadb() {
            return Ok(false);
        }
        let rows = self.rows("read this role's rights", "SHOW GRANTS")?;
        for row in &rows {
            let grant: String = column(row, 0)?;
            if gives_lock_tables(&grant) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Who is connected, as far as it is known.
pub(super) fn account(user: Option<String>, host: Option<String>) -> String {
    match (user, host.filter(|host| !host.is_empty())) {
        (Some(user), Some(host)) => format!(" (`{user}` from {host})"),
        (Some(user), None) => format!(" (`{user}`)"),
        (None, _) => String::new(),
    }
}

/// Whether a line of SHOW GRANTS gives the LOCK TABLES privilege. On which database is left open: it is a hint for the
/// plan, and `apply` finds out for each table.
fn gives_lock_tables(grant: &str) -> bool {
    let granted: Vec<Token> = tokens(grant, &MYSQL)
        .filter(|token| !token.is_blank())
        .take_while(|token| !token.is_word(grant, "on"))
        .collect();
    granted.windows(2).any(|pair| match pair {
        [first, second] => {
            (first.is_word(grant, "lock") && second.is_word(grant, "tables"))
                || (first.is_word(grant, "all") && second.is_word(grant, "privileges"))
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_grants() {
        for (grant, expected) in [
            ("GRANT ALL PRIVILEGES ON `a`.* TO `x`@`%`", true),
            (
                "GRANT SELECT, LOCK TABLES, TRIGGER ON `a`.* TO `x`@`%`",
                true,
            ),
            ("GRANT SELECT, TRIGGER ON `lock`.`tables` TO `x`@`%`", false),
            ("GRANT USAGE ON *.* TO `x`@`%`", false),
        ] {
            assert_eq!(gives_lock_tables(grant), expected, "{grant}");
        }
    }
}
