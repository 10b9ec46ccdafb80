//! Locks: who holds the ones that a migration waits for, and how many the server has room for.

use postgres::types::Type;

use super::{Postgres, get};
use crate::db::Statement;
use crate::error::{Diagnostic, Error, Kind};
use crate::model::{ObjectId, TableId};

/// The keys of an advisory lock.
#[derive(Debug, Clone, Copy)]
pub(super) struct LockKey {
    pub(super) class: i32,
    pub(super) object: i32,
}

impl Postgres {
    /// The error for a migration lock that somebody else holds, with who it is where that can be seen.
    pub(super) fn migration_lock_held(&mut self, key: LockKey) -> Error {
        let busy = Diagnostic::new("another migration is running on this database");
        let holders = self.read(
            "see who holds the migration lock",
            "SELECT l.pid, a.application_name, a.usename::pg_catalog.text, a.client_addr::pg_catalog.text
             FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
             WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
               AND l.classid::pg_catalog.int8 = $1 AND l.objid::pg_catalog.int8 = $2
               AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())",
            &[
                (&i64::from(key.class.cast_unsigned()), Type::INT8),
                (&i64::from(key.object.cast_unsigned()), Type::INT8),
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

    /// Who holds locks on the tables of these statements: at most three, the strongest first.
    pub(super) fn blockers(
        &mut self,
        batch: &[Statement],
    ) -> Result<Vec<(TableId, String)>, Error> {
        let mut tables: Vec<&TableId> = batch
            .iter()
            .filter_map(|statement| statement.object.as_deref().and_then(ObjectId::table))
            .collect();
        tables.sort();
        tables.dedup();
        let schemas: Vec<&str> = tables.iter().map(|table| table.schema.as_str()).collect();
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        let rows = self.read(
            "see who holds the lock",
            "SELECT pn.nspname, p.relname, l.pid, l.mode, a.state, a.application_name,
                    a.usename::pg_catalog.text, a.client_addr::pg_catalog.text
             FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
               AS asked(schema, name)
             JOIN pg_catalog.pg_namespace n ON n.nspname = asked.schema
             JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = asked.name
             CROSS JOIN LATERAL (SELECT c.oid UNION SELECT relid FROM pg_catalog.pg_partition_tree(c.oid)) AS part(oid)
             JOIN pg_catalog.pg_class p ON p.oid = part.oid
             JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
             JOIN pg_catalog.pg_locks l ON l.locktype = 'relation' AND l.relation = p.oid AND l.granted
               AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
             LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
             WHERE l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
             ORDER BY l.mode IN ('AccessShareLock', 'RowShareLock'), pn.nspname, p.relname, l.pid
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

pub(super) fn describe_session(
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
