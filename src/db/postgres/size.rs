//! How big the tables of a plan are, and who is at them: `pg_class`, `pg_locks` and `pg_stat_activity`, in one query.

use std::collections::{BTreeMap, BTreeSet};

use postgres::Row;
use postgres::types::Type;

use super::locks::describe_session;
use super::{Postgres, get};
use crate::db::size::{Holder, Measured, TableSize, TableState};
use crate::dialect::LockMode;
use crate::error::{Error, Kind};
use crate::model::TableId;

/// The bytes of a table: what is noted of it (`noted`), where it is still as long as it was then. To look at a table is cheap,
/// since whoever is to lock it needs to know it anyway; to look at each index and each TOAST as well takes longer than a
/// CREATE TRIGGER. ANALYZE does not note how long a TOAST is, so one that was never looked at is. Nothing can be looked at
/// that somebody has locked entirely, and what is partitioned has no bytes of its own.
const BYTES: &str = "CASE
      WHEN c.relkind = 'p' OR EXISTS (
        SELECT FROM locks l WHERE l.relation = c.oid AND l.mode = 'AccessExclusiveLock') THEN noted.bytes
      WHEN pg_catalog.pg_relation_size(c.oid) = GREATEST(c.relpages, 0) * noted.block
        THEN noted.bytes + CASE WHEN toast.relpages = 0 AND c.relpages > 0
          THEN COALESCE(pg_catalog.pg_relation_size(toast.oid), 0) ELSE 0 END
      ELSE pg_catalog.pg_total_relation_size(c.oid) END";

/// The same without a look at the table itself.
const BYTES_AS_NOTED: &str = "noted.bytes";

/// A lock on an index of the table can still be in the way of its size.
const SETTINGS: &str = "SET LOCAL jit = off; SET LOCAL lock_timeout = '100ms'";

/// Which of the tables are asked of.
#[derive(Clone, Copy)]
pub(super) enum Asked {
    /// All.
    All,
    /// Those without a trigger.
    Untouched,
}

impl Asked {
    fn condition(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Untouched => {
                "WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)"
            }
        }
    }
}

impl Postgres {
    /// See [`crate::db::Database::table_states`] and [`crate::db::Database::untouched_states`].
    pub(super) fn read_table_states(
        &mut self,
        tables: &BTreeSet<TableId>,
        asked: Asked,
    ) -> Result<BTreeMap<TableId, TableState>, Error> {
        let tables: Vec<&TableId> = tables.iter().collect();
        match self.ask_table_states(&tables, asked, BYTES) {
            Err(error) if error.kind != Kind::Interrupted => {
                log::debug!("the sizes of tables are those of the last VACUUM: {error}");
                self.ask_table_states(&tables, asked, BYTES_AS_NOTED)
            }
            answer => answer,
        }
    }

    fn ask_table_states(
        &mut self,
        tables: &[&TableId],
        asked: Asked,
        bytes: &str,
    ) -> Result<BTreeMap<TableId, TableState>, Error> {
        let schemas: Vec<&str> = tables.iter().map(|table| table.schema.as_str()).collect();
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        let query = include_str!("sql/table_states.sql")
            .replace("{asked}", asked.condition())
            .replace("{bytes}", bytes);
        let rows = self.aside(SETTINGS, |this| {
            this.read(
                "read the sizes of the tables",
                &query,
                &[(&schemas, Type::TEXT_ARRAY), (&names, Type::TEXT_ARRAY)],
            )
        })?;
        let mut states: BTreeMap<TableId, TableState> = BTreeMap::new();
        for row in &rows {
            let number: i64 = get(row, 0)?;
            let Some(table) = usize::try_from(number - 1)
                .ok()
                .and_then(|index| tables.get(index))
            else {
                continue;
            };
            let partitions: i64 = get(row, 1)?;
            let (rows, bytes): (Option<i64>, Option<i64>) = (get(row, 2)?, get(row, 3)?);
            let state = states
                .entry((*table).clone())
                .or_insert_with(|| TableState {
                    size: TableSize {
                        rows: rows.and_then(|rows| u64::try_from(rows).ok()),
                        bytes: bytes.and_then(|bytes| u64::try_from(bytes).ok()),
                        of: Measured::Table,
                    },
                    partitions: u64::try_from(partitions).unwrap_or_default(),
                    ..TableState::default()
                });
            if get(row, 4)? {
                add(&mut state.holders, holder(row)?);
            }
        }
        Ok(states)
    }
}

fn holder(row: &Row) -> Result<Holder, Error> {
    let pid: Option<i32> = get(row, 5)?;
    let mode: String = get(row, 6)?;
    let seconds: Option<i64> = get(row, 7)?;
    Ok(Holder {
        who: match pid {
            Some(pid) => describe_session(pid, get(row, 8)?, get(row, 9)?, get(row, 10)?),
            None => "a prepared transaction".to_owned(),
        },
        in_way_of: in_way_of(&mode),
        seconds: seconds.and_then(|seconds| u64::try_from(seconds).ok()),
        prepared: pid.is_none(),
    })
}

/// One session holds several locks: what counts is the one that is in the way of most.
fn add(holders: &mut Vec<Holder>, holder: Holder) {
    match holders.iter_mut().find(|known| known.who == holder.who) {
        Some(known) => known.in_way_of = known.in_way_of.min(holder.in_way_of),
        None => holders.push(holder),
    }
}

/// The weakest lock of ours that conflicts with this one (manual, table 13.2).
fn in_way_of(mode: &str) -> LockMode {
    match mode {
        "AccessExclusiveLock" => LockMode::AccessShare,
        "AccessShareLock" | "RowShareLock" => LockMode::AccessExclusive,
        _ => LockMode::ShareRowExclusive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_counts_once_by_what_it_is_most_in_the_way_of() {
        let session = |who: &str, mode: &str| Holder {
            who: who.to_owned(),
            in_way_of: in_way_of(mode),
            seconds: Some(1),
            prepared: false,
        };
        let mut holders = vec![];
        add(&mut holders, session("a", "AccessShareLock"));
        add(&mut holders, session("a", "RowExclusiveLock"));
        add(&mut holders, session("b", "AccessExclusiveLock"));
        add(&mut holders, session("b", "AccessShareLock"));
        let found: Vec<_> = holders
            .iter()
            .map(|holder| (holder.who.as_str(), holder.in_way_of))
            .collect();
        assert_eq!(
            found,
            [
                ("a", LockMode::ShareRowExclusive),
                ("b", LockMode::AccessShare)
            ]
        );
    }
}
