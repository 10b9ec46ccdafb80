//! What the history tables say. Reading them never makes them.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::errors::cannot;
use crate::db::{Befores, History, Migration, Record, half_a_history};
use crate::digest::HexDigest;
use crate::error::Error;
use crate::model::{Definition, FunctionId, ObjectId, TableId, TriggerId};

/// Whether the history tables are there: both, or neither.
fn exists(connection: &Connection) -> Result<bool, Error> {
    let (migrations, objects): (bool, bool) = connection
        .query_row(
            "SELECT coalesce(max(name = 'triggerctl_migrations' COLLATE nocase), 0),
                    coalesce(max(name = 'triggerctl_objects' COLLATE nocase), 0)
             FROM sqlite_schema WHERE type = 'table'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .map_err(|error| cannot("look for the history", &error))?;
    match (migrations, objects) {
        (false, true) => Err(half_a_history(
            "triggerctl_migrations",
            "triggerctl_objects",
        )),
        (true, false) => Err(half_a_history(
            "triggerctl_objects",
            "triggerctl_migrations",
        )),
        (both, _) => Ok(both),
    }
}

/// See [`crate::db::Database::history`].
pub(super) fn history(connection: &Connection) -> Result<History, Error> {
    if !exists(connection)? {
        return Ok(History::default());
    }
    let version = connection
        .query_row(
            "SELECT coalesce(max(version), 0) FROM triggerctl_migrations",
            [],
            |row| row.get(0),
        )
        .map_err(|error| cannot("read the history", &error))?;
    Ok(History {
        exists: true,
        version,
        unfinished: None,
        records: records(connection, i64::MAX)?,
        keeps_rendering: keeps_rendering(connection)
            .map_err(|error| cannot("read the history", &error))?,
    })
}

/// Whether the table is there, and has the column `rendering`.
fn keeps_rendering(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .prepare(
            "SELECT 1 FROM pragma_table_info('triggerctl_migrations') WHERE name = 'rendering'",
        )?
        .exists([])
}

/// See [`crate::db::Database::rendering`].
pub(super) fn rendering(connection: &Connection) -> Result<Option<String>, Error> {
    let read = || -> rusqlite::Result<Option<String>> {
        if !keeps_rendering(connection)? {
            return Ok(None);
        }
        let rendering = connection
            .query_row(
                "SELECT rendering FROM triggerctl_migrations ORDER BY version DESC LIMIT 1",
                [],
                |row| row.get(0),
            )
            .optional()?;
        Ok(rendering.flatten())
    };
    read().map_err(|error| cannot("read the history", &error))
}

/// See [`crate::db::Database::written`].
pub(super) fn written(connection: &Connection, version: i64) -> Result<(i64, i64), Error> {
    connection
        .query_row(
            "SELECT (SELECT count(*) FROM triggerctl_migrations WHERE version = ?1),
                    (SELECT count(*) FROM triggerctl_objects WHERE version = ?1)",
            [version],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .map_err(|error| cannot("look at what was written down", &error))
}

/// See [`crate::db::Database::records_at`].
pub(super) fn records_at(
    connection: &Connection,
    version: i64,
) -> Result<BTreeMap<ObjectId, Record>, Error> {
    if exists(connection)? {
        records(connection, version)
    } else {
        Ok(BTreeMap::new())
    }
}

fn records(connection: &Connection, version: i64) -> Result<BTreeMap<ObjectId, Record>, Error> {
    let read = || -> rusqlite::Result<BTreeMap<ObjectId, Record>> {
        // With max() alone among the aggregates, the other columns come from the row that holds the maximum (the
        // manual on SELECT, "bare columns in an aggregate query").
        let mut statement = connection.prepare(
            "SELECT kind, schema, \"table\", name, max(version), definition IS NULL, rendered_digest, live_fingerprint
             FROM triggerctl_objects WHERE version <= ?1 GROUP BY kind, schema, \"table\", name",
        )?;
        let mut rows = statement.query([version])?;
        // A map is made of a list at once in a fraction of the time that it takes to put in one after the other.
        let mut records = vec![];
        while let Some(row) = rows.next()? {
            let gone: bool = row.get(5)?;
            if gone {
                continue;
            }
            let record = Record {
                version: row.get(4)?,
                rendered_digest: HexDigest::from(row.get_ref(6)?.as_str()?),
                live_fingerprint: HexDigest::from(row.get_ref(7)?.as_str()?),
            };
            records.push((object_id(row)?, record));
        }
        Ok(records.into_iter().collect())
    };
    read().map_err(|error| cannot("read the history", &error))
}

/// The object that columns 0 to 3 name.
fn object_id(row: &rusqlite::Row<'_>) -> rusqlite::Result<ObjectId> {
    let kind: String = row.get(0)?;
    let schema: String = row.get(1)?;
    let name: String = row.get(3)?;
    Ok(if kind == "function" {
        ObjectId::Function(FunctionId { schema, name })
    } else {
        let table = TableId {
            schema,
            name: row.get(2)?,
        };
        ObjectId::Trigger(TriggerId { table, name })
    })
}

/// See [`crate::db::Database::befores`].
pub(super) fn befores(connection: &Connection, version: i64) -> Result<Befores, Error> {
    let mut found = BTreeMap::new();
    if !exists(connection)? {
        return Ok(found);
    }
    let failed = |error: rusqlite::Error| cannot("read the history", &error);
    // `before` comes from the row that holds the minimum, as above.
    let mut statement = connection
        .prepare(
            "SELECT kind, schema, \"table\", name, min(version), before
             FROM triggerctl_objects WHERE version > ?1 GROUP BY kind, schema, \"table\", name",
        )
        .map_err(failed)?;
    let mut rows = statement.query([version]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let id = object_id(row).map_err(failed)?;
        let json: Option<String> = row.get(5).map_err(failed)?;
        let before = json.map(|json| definition(&id, &json)).transpose()?;
        found.insert(id, before);
    }
    Ok(found)
}

/// A definition as it was written down.
fn definition<T: serde::de::DeserializeOwned>(id: &ObjectId, json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|error| {
        Error::failed(format!(
            "what is recorded about {id} cannot be read: {error}"
        ))
        .help("was it written by a newer triggerctl, or changed by hand?")
    })
}

/// See [`crate::db::Database::recorded`].
pub(super) fn recorded(
    connection: &Connection,
    ids: &[ObjectId],
    version: i64,
) -> Result<BTreeMap<ObjectId, Definition>, Error> {
    let mut found = BTreeMap::new();
    if ids.is_empty() || !exists(connection)? {
        return Ok(found);
    }
    let failed = |error: rusqlite::Error| cannot("read the history", &error);
    let mut statement = connection
        .prepare(
            "SELECT definition FROM triggerctl_objects
             WHERE kind = ?1 AND schema = ?2 AND \"table\" = ?3 AND name = ?4 AND version <= ?5
             ORDER BY version DESC LIMIT 1",
        )
        .map_err(failed)?;
    for id in ids {
        let table = id.table().map_or("", |table| table.name.as_str());
        let json: Option<Option<String>> = statement
            .query_row(
                params![id.kind(), id.schema(), table, id.name(), version],
                |row| row.get(0),
            )
            .optional()
            .map_err(failed)?;
        let Some(Some(json)) = json else {
            continue;
        };
        let definition = definition(id, &json)?;
        found.insert(id.clone(), definition);
    }
    Ok(found)
}

/// See [`crate::db::Database::migrations`].
pub(super) fn migrations(
    connection: &Connection,
    statements: bool,
) -> Result<Vec<Migration>, Error> {
    // A migration with its statements as JSON.
    type Row = (Migration, Option<String>, Option<String>);
    if !exists(connection)? {
        return Ok(vec![]);
    }
    let read = || -> rusqlite::Result<Vec<Row>> {
        let mut prepared = connection.prepare(
            "SELECT version, state, message, summary, plan_id, spec_digest, from_fingerprint, to_fingerprint,
                    CASE WHEN ?1 THEN up END, CASE WHEN ?1 THEN down END,
                    started_at, finished_at, duration_ms, error, tool_version, applied_by
             FROM triggerctl_migrations ORDER BY version",
        )?;
        let rows = prepared.query_map([statements], |row| {
            let migration = Migration {
                version: row.get(0)?,
                state: row.get(1)?,
                message: row.get(2)?,
                summary: row.get(3)?,
                plan_id: row.get(4)?,
                spec_digest: row.get(5)?,
                from_fingerprint: row.get(6)?,
                to_fingerprint: row.get(7)?,
                up: vec![],
                down: vec![],
                started_at: row.get(10)?,
                finished_at: row.get(11)?,
                duration_ms: row.get(12)?,
                error: row.get(13)?,
                tool_version: row.get(14)?,
                applied_by: row.get(15)?,
            };
            Ok((migration, row.get(8)?, row.get(9)?))
        })?;
        rows.collect()
    };
    let rows = read().map_err(|error| cannot("read the history", &error))?;
    rows.into_iter()
        .map(|(mut migration, up, down)| {
            migration.up = array(migration.version, up)?;
            migration.down = array(migration.version, down)?;
            Ok(migration)
        })
        .collect()
}

/// The statements of a migration, a JSON array of strings.
fn array(version: i64, json: Option<String>) -> Result<Vec<String>, Error> {
    let Some(json) = json else {
        return Ok(vec![]);
    };
    serde_json::from_str(&json).map_err(|error| {
        Error::failed(format!(
            "the statements of migration {version} cannot be read: {error}"
        ))
        .help("was the history changed by hand?")
    })
}
