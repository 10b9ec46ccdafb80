//! What the history tables say. Reading them never makes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use mysql::Row;

use super::{HISTORY_TABLES, Mysql, column, literal};
use crate::db::{Befores, History, Migration, Record, Unfinished, half_a_history};
use crate::digest::HexDigest;
use crate::error::Error;
use crate::model::{Definition, FunctionId, ObjectId, TableId, TriggerId};

impl Mysql {
    /// Whether the history tables are there: both, or neither.
    fn has_history(&mut self) -> Result<bool, Error> {
        let rows = self.rows(
            "look for the history",
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
             AND TABLE_NAME IN ('triggerctl_migrations', 'triggerctl_objects')",
        )?;
        let names: Vec<String> = rows
            .iter()
            .map(|row| column(row, 0))
            .collect::<Result<_, _>>()?;
        let [migrations, objects] = HISTORY_TABLES;
        match names.as_slice() {
            [] => Ok(false),
            [_, _, ..] => Ok(true),
            [only] if only.eq_ignore_ascii_case(objects) => {
                Err(half_a_history(migrations, objects))
            }
            // DDL commits by itself: the first apply may have been broken off between the two.
            [_] => {
                let rows = self.rows(
                    "read the history",
                    "SELECT 1 FROM triggerctl_migrations LIMIT 1",
                );
                if matches!(&rows, Ok(rows) if rows.is_empty()) {
                    return Ok(false);
                }
                Err(half_a_history(objects, migrations))
            }
        }
    }

    pub(super) fn read_history(&mut self) -> Result<History, Error> {
        if !self.has_history()? {
            return Ok(History::default());
        }
        let rows = self.rows(
            "read the history",
            "SELECT coalesce(max(version), 0), max(CASE WHEN state = 'started' THEN version END) FROM triggerctl_migrations",
        )?;
        let row = rows
            .first()
            .ok_or_else(|| Error::failed("the server gave no answer"))?;
        Ok(History {
            exists: true,
            version: column(row, 0)?,
            unfinished: column(row, 1)?,
            records: self.read_records(i64::MAX)?,
            keeps_rendering: false,
        })
    }

    pub(super) fn read_records_at(
        &mut self,
        version: i64,
    ) -> Result<BTreeMap<ObjectId, Record>, Error> {
        if self.has_history()? {
            self.read_records(version)
        } else {
            Ok(BTreeMap::new())
        }
    }

    fn read_records(&mut self, version: i64) -> Result<BTreeMap<ObjectId, Record>, Error> {
        let rows = self.rows(
            "read the history",
            &format!(
                "SELECT o.kind, o.`schema`, o.`table`, o.name, o.version, o.rendered_digest, coalesce(o.live_fingerprint, ''),
                        o.definition IS NOT NULL
                 FROM triggerctl_objects AS o
                 JOIN (SELECT kind, `schema`, `table`, name, max(version) AS version FROM triggerctl_objects
                       WHERE version <= {version} GROUP BY kind, `schema`, `table`, name) AS latest
                 USING (kind, `schema`, `table`, name, version)
                 ORDER BY o.version"
            ),
        )?;
        let mut records = BTreeMap::new();
        for row in &rows {
            let id = self.object_id(row)?;
            // Oldest first: of one that is recorded with its schema, as it once was, and without, the later row counts.
            if !column::<bool>(row, 7)? {
                records.remove(&id);
                continue;
            }
            let record = Record {
                version: column(row, 4)?,
                rendered_digest: HexDigest::from(
                    column::<Option<String>>(row, 5)?.unwrap_or_default(),
                ),
                live_fingerprint: HexDigest::from(column::<String>(row, 6)?),
            };
            records.insert(id, record);
        }
        Ok(records)
    }

    pub(super) fn read_recorded(
        &mut self,
        ids: &[ObjectId],
        version: i64,
    ) -> Result<BTreeMap<ObjectId, Definition>, Error> {
        const BATCH: usize = 200;
        let mut found = BTreeMap::new();
        if ids.is_empty() || !self.has_history()? {
            return Ok(found);
        }
        for batch in ids.chunks(BATCH) {
            let wanted: Vec<String> = batch
                .iter()
                .flat_map(|id| {
                    let at_home = self.is_home(id.schema()).then_some("");
                    let schemas = at_home.into_iter().chain([id.schema()]);
                    schemas.map(|schema| {
                        format!(
                            "({}, {}, {}, {})",
                            literal(id.kind()),
                            literal(schema),
                            literal(id.table().map_or("", |table| &table.name)),
                            literal(id.name())
                        )
                    })
                })
                .collect();
            // Oldest first: a later one takes its place.
            let rows = self.rows(
                "read the history",
                &format!(
                    "SELECT kind, `schema`, `table`, name, definition FROM triggerctl_objects
                     WHERE version <= {version} AND (kind, `schema`, `table`, name) IN ({}) ORDER BY version",
                    wanted.join(", ")
                ),
            )?;
            for row in &rows {
                let id = self.object_id(row)?;
                let Some(json) = column::<Option<String>>(row, 4)? else {
                    found.remove(&id);
                    continue;
                };
                let definition = definition(&id, &json)?;
                found.insert(id, definition);
            }
        }
        Ok(found)
    }

    pub(super) fn read_befores(&mut self, version: i64) -> Result<Befores, Error> {
        let mut befores = BTreeMap::new();
        if !self.has_history()? {
            return Ok(befores);
        }
        // The oldest comes last, and stays.
        let rows = self.rows(
            "read the history",
            &format!(
                "SELECT kind, `schema`, `table`, name, `before` FROM triggerctl_objects
                 WHERE version > {version} ORDER BY version DESC"
            ),
        )?;
        for row in &rows {
            let id = self.object_id(row)?;
            let json: Option<String> = column(row, 4)?;
            let before = json.map(|json| before(&id, &json)).transpose()?;
            befores.insert(id, before);
        }
        Ok(befores)
    }

    pub(super) fn read_migrations(&mut self, statements: bool) -> Result<Vec<Migration>, Error> {
        if !self.has_history()? {
            return Ok(vec![]);
        }
        let (up, down) = if statements {
            ("up", "down")
        } else {
            ("NULL", "NULL")
        };
        let rows = self.rows(
            "read the history",
            &format!("SELECT {COLUMNS}, {up}, {down} FROM triggerctl_migrations ORDER BY version"),
        )?;
        rows.iter().map(migration).collect()
    }

    pub(super) fn read_unfinished(&mut self) -> Result<Option<Unfinished>, Error> {
        if !self.has_history()? {
            return Ok(None);
        }
        let rows = self.rows(
            "read the history",
            &format!(
                "SELECT {COLUMNS}, up, down, journal FROM triggerctl_migrations
                 WHERE state = 'started' ORDER BY version DESC LIMIT 1"
            ),
        )?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(Unfinished {
            migration: migration(row)?,
            journal: column(row, 16)?,
        }))
    }
}

const COLUMNS: &str = "version, state, message, summary, plan_id, spec_digest, from_fingerprint, to_fingerprint, \
                       started_at, finished_at, duration_ms, error, tool_version, applied_by";

fn migration(row: &Row) -> Result<Migration, Error> {
    let version = column(row, 0)?;
    Ok(Migration {
        version,
        state: column(row, 1)?,
        message: column(row, 2)?,
        summary: column(row, 3)?,
        plan_id: column(row, 4)?,
        spec_digest: column(row, 5)?,
        from_fingerprint: column(row, 6)?,
        to_fingerprint: column(row, 7)?,
        started_at: column(row, 8)?,
        finished_at: column(row, 9)?,
        duration_ms: column(row, 10)?,
        error: column(row, 11)?,
        tool_version: column(row, 12)?,
        applied_by: column(row, 13)?,
        up: array(version, column(row, 14)?)?,
        down: array(version, column(row, 15)?)?,
    })
}

/// A definition as it was written down, where it is now: the database may have had another name then.
fn definition(id: &ObjectId, json: &str) -> Result<Definition, Error> {
    let mut definition = parsed(id, json)?;
    moved(&mut definition, id);
    Ok(definition)
}

/// What was live before a migration, if anything.
fn before(id: &ObjectId, json: &str) -> Result<Option<Definition>, Error> {
    let mut before: Option<Definition> = parsed(id, json)?;
    if let Some(before) = &mut before {
        moved(before, id);
    }
    Ok(before)
}

fn moved(definition: &mut Definition, id: &ObjectId) {
    if let Definition::Trigger(trigger) = definition
        && trigger.id.table.schema != id.schema()
    {
        id.schema()
            .clone_into(&mut Arc::make_mut(trigger).id.table.schema);
    }
}

fn parsed<T: serde::de::DeserializeOwned>(id: &ObjectId, json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|error| {
        Error::failed(format!(
            "what is recorded about {id} cannot be read: {error}"
        ))
        .help("was it written by a newer triggerctl, or changed by hand?")
    })
}

/// The statements of a migration, a JSON array of strings.
fn array(version: i64, json: Option<String>) -> Result<Vec<String>, Error> {
    let Some(json) = json else { return Ok(vec![]) };
    serde_json::from_str(&json).map_err(|error| {
        Error::failed(format!(
            "the statements of migration {version} cannot be read: {error}"
        ))
        .help("was the history changed by hand?")
    })
}

impl Mysql {
    /// The object that columns 0 to 3 name; without a schema, it is in this database.
    fn object_id(&self, row: &Row) -> Result<ObjectId, Error> {
        let kind: String = column(row, 0)?;
        let (schema, name): (String, String) = (column(row, 1)?, column(row, 3)?);
        let schema = match schema.as_str() {
            "" => self.current().to_owned(),
            _ => schema,
        };
        Ok(if kind == "function" {
            ObjectId::Function(FunctionId { schema, name })
        } else {
            ObjectId::Trigger(TriggerId {
                table: TableId {
                    schema,
                    name: column(row, 2)?,
                },
                name,
            })
        })
    }
}
