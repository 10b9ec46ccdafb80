//! The live triggers: their fingerprints in one read, their definitions only for those that are asked for.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use rusqlite::{Connection, OptionalExtension, Statement};
use sha2::{Digest, Sha256};

use super::errors::cannot;
use super::names::MAIN;
use crate::db::{Catalog, Fingerprint, Live, Scope, Sibling};
use crate::dialect::sqlite::parse::{parse, stored_text};
use crate::error::Error;
use crate::model::{Definition, ObjectId, TableId, TriggerId};
use crate::sql::{SQLITE, tokens};

/// Where the last read of the catalog found each trigger: its row in `sqlite_schema`, by a hash of its table and name, for
/// whoever reads the row sees whether it is the right one.
#[derive(Debug, Default)]
pub(super) struct Rows {
    by_hash: HashMap<u64, i64>,
    /// The schema in which it was found there; the number changes with every change of the schema.
    schema_version: Option<i64>,
}

impl Rows {
    fn of(&self, trigger: &TriggerId) -> Option<i64> {
        let hash = hash(&trigger.table.name, &trigger.name);
        self.by_hash.get(&hash).copied()
    }
}

/// SQLite tells names apart without regard to the case of ASCII letters.
fn hash(table: &str, name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    for text in [table, name] {
        for byte in text.bytes() {
            byte.to_ascii_lowercase().hash(&mut hasher);
        }
        0xff_u8.hash(&mut hasher);
    }
    hasher.finish()
}

fn schema_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(Some(MAIN), "schema_version", |row| row.get(0))
}

/// The SHA-256 of a text.
pub(super) fn digest(text: &[u8]) -> Fingerprint {
    Fingerprint::of_bytes(Sha256::digest(text).into())
}

/// Names are the same when they are equal but for ASCII case.
fn folded(id: &TriggerId) -> (String, String) {
    (
        id.table.name.to_ascii_lowercase(),
        id.name.to_ascii_lowercase(),
    )
}

/// See [`crate::db::Database::catalog`]. Temporary triggers are not in `sqlite_schema`.
pub(super) fn catalog(
    connection: &Connection,
    scope: &Scope<'_>,
) -> Result<(Catalog, Rows), Error> {
    let read = || -> rusqlite::Result<Vec<(ObjectId, i64, Fingerprint)>> {
        let mut statement = connection.prepare(
            "SELECT rowid, tbl_name, name, sql FROM sqlite_schema WHERE type = 'trigger'",
        )?;
        let mut rows = statement.query([])?;
        let mut found = vec![];
        while let Some(row) = rows.next()? {
            let id = ObjectId::Trigger(TriggerId {
                table: TableId {
                    schema: MAIN.to_owned(),
                    name: row.get(1)?,
                },
                name: row.get(2)?,
            });
            let text = row.get_ref(3)?;
            let fingerprint = digest(text.as_bytes().map_err(rusqlite::Error::from)?);
            found.push((id, row.get(0)?, fingerprint));
        }
        Ok(found)
    };
    let failed = |error: rusqlite::Error| cannot("read the triggers", &error);
    let mut found = read().map_err(failed)?;
    spell(&mut found, scope, connection).map_err(|error| cannot("read the tables", &error))?;
    let hashes = found.iter().filter_map(|(id, row, _)| {
        let table = id.table()?;
        Some((hash(&table.name, id.name()), *row))
    });
    let rows = Rows {
        by_hash: hashes.collect(),
        schema_version: Some(schema_version(connection).map_err(failed)?),
    };
    let fingerprints = found
        .into_iter()
        .map(|(id, _, fingerprint)| (id, fingerprint));
    let catalog = Catalog {
        // A map is made of a list at once in a fraction of the time that it takes to put in one after the other.
        fingerprints: fingerprints.collect(),
        ..Catalog::default()
    };
    Ok((catalog, rows))
}

/// Give the triggers the names under which they are known, in order, and leave out what is out of scope.
fn spell(
    found: &mut Vec<(ObjectId, i64, Fingerprint)>,
    scope: &Scope<'_>,
    connection: &Connection,
) -> rusqlite::Result<()> {
    let everything = scope.schemas.contains(MAIN);
    found.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    // Both are in order, and nearly all are known by the very name that they have.
    let mut known = scope.known.iter().peekable();
    let mut is_known = |id: &ObjectId| {
        while known.next_if(|known| ***known < *id).is_some() {}
        known.peek().is_some_and(|known| ***known == *id)
    };
    let strange: Vec<bool> = found.iter().map(|(id, _, _)| !is_known(id)).collect();
    if !strange.contains(&true) {
        return Ok(());
    }
    let tables = if everything {
        table_names(connection)?
    } else {
        HashMap::new()
    };
    let folded: HashMap<(String, String), &TriggerId> = scope
        .known
        .iter()
        .filter_map(|id| match &**id {
            ObjectId::Trigger(trigger) => Some((folded(trigger), trigger)),
            ObjectId::Function(_) => None,
        })
        .collect();
    let mut strange = strange.into_iter();
    found.retain_mut(|(id, _, _)| {
        let (Some(true), ObjectId::Trigger(trigger)) = (strange.next(), &mut *id) else {
            return true;
        };
        if let Some(spelled) = folded.get(&self::folded(trigger)) {
            *id = ObjectId::Trigger((*spelled).clone());
            return true;
        }
        // A trigger keeps the table's name as its own statement had it.
        if let Some(name) = tables.get(&trigger.table.name.to_ascii_lowercase()) {
            trigger.table.name.clone_from(name);
        }
        everything
    });
    Ok(())
}

/// The names of tables and views as they were made, by those in lower case.
fn table_names(connection: &Connection) -> rusqlite::Result<HashMap<String, String>> {
    let mut statement =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    names
        .map(|name| name.map(|name| (name.to_ascii_lowercase(), name)))
        .collect()
}

/// By row: `sqlite_schema` has no index on the name, and a look-up by name would read all of it each time.
const BY_ROW: &str = "SELECT sql FROM sqlite_schema
     WHERE rowid = ?1 AND type = 'trigger' AND tbl_name = ?2 COLLATE nocase AND name = ?3 COLLATE nocase";

/// The text of a trigger, by a statement of [`BY_ROW`]; `None` where that row is not its own.
fn text_at(
    by_row: &mut Statement<'_>,
    row: i64,
    trigger: &TriggerId,
) -> rusqlite::Result<Option<String>> {
    by_row
        .query_row((row, &trigger.table.name, &trigger.name), |row| row.get(0))
        .optional()
}

/// See [`crate::db::Database::live`]. Where each one is, is found out anew only after a change of the schema.
pub(super) fn live(
    connection: &Connection,
    ids: &[ObjectId],
    rows: &mut Rows,
) -> Result<BTreeMap<ObjectId, Live>, Error> {
    let failed = |error: rusqlite::Error| cannot("read a trigger", &error);
    let version = schema_version(connection).map_err(failed)?;
    if rows.schema_version != Some(version) {
        *rows = Rows {
            by_hash: read_rows(connection).map_err(failed)?,
            schema_version: Some(version),
        };
    }
    let mut by_row = connection.prepare(BY_ROW).map_err(failed)?;
    let rivals = rivals(ids);
    let mut found = vec![];
    for id in ids {
        let ObjectId::Trigger(trigger) = id else {
            continue;
        };
        let Some(row) = rows.of(trigger) else {
            continue;
        };
        if rivals.contains(&folded(trigger))
            && !is_spelled(connection, row, trigger).map_err(failed)?
        {
            continue;
        }
        let sql = text_at(&mut by_row, row, trigger).map_err(failed)?;
        if let Some(sql) = sql {
            let live = Live {
                fingerprint: digest(sql.as_bytes()),
                definition: Some(definition(trigger, &sql)?),
            };
            found.push((id.clone(), live));
        }
    }
    Ok(found.into_iter().collect())
}

/// What is asked for under several spellings, as where a trigger is spelled otherwise from now on: there is one of them.
fn rivals(ids: &[ObjectId]) -> HashSet<(String, String)> {
    let mut seen = HashSet::new();
    ids.iter()
        .filter_map(|id| match id {
            ObjectId::Trigger(trigger) => Some(trigger),
            ObjectId::Function(_) => None,
        })
        .filter(|trigger| !seen.insert(hash(&trigger.table.name, &trigger.name)))
        .map(folded)
        .collect()
}

/// Whether the trigger in this row has its name in this very spelling.
fn is_spelled(connection: &Connection, row: i64, trigger: &TriggerId) -> rusqlite::Result<bool> {
    let mut statement =
        connection.prepare_cached("SELECT name FROM sqlite_schema WHERE rowid = ?1")?;
    let name: Option<String> = statement.query_row([row], |row| row.get(0)).optional()?;
    Ok(name.is_none_or(|name| name == trigger.name))
}

fn read_rows(connection: &Connection) -> rusqlite::Result<HashMap<u64, i64>> {
    let mut statement = connection
        .prepare("SELECT rowid, tbl_name, name FROM sqlite_schema WHERE type = 'trigger'")?;
    let mut rows = statement.query([])?;
    let mut found = HashMap::new();
    while let Some(row) = rows.next()? {
        let hash = hash(row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?);
        found.insert(hash, row.get(0)?);
    }
    Ok(found)
}

/// See [`crate::db::Database::definitions`].
pub(super) fn definitions(
    connection: &Connection,
    ids: &[ObjectId],
    rows: &Rows,
) -> Result<BTreeMap<ObjectId, Definition>, Error> {
    let failed = |error: rusqlite::Error| cannot("read a trigger", &error);
    let mut by_row = connection.prepare(BY_ROW).map_err(failed)?;
    let mut found = BTreeMap::new();
    let mut moved = HashSet::new();
    for id in ids {
        let ObjectId::Trigger(trigger) = id else {
            continue;
        };
        let sql: Option<String> = match rows.of(trigger) {
            Some(row) => text_at(&mut by_row, row, trigger).map_err(failed)?,
            None => None,
        };
        match sql {
            Some(sql) => {
                found.insert(id.clone(), definition(trigger, &sql)?);
            }
            None => {
                moved.insert(trigger);
            }
        }
    }
    if !moved.is_empty() {
        find_moved(connection, &moved, &mut found)?;
    }
    Ok(found)
}

/// See [`crate::db::Database::siblings`]. A new trigger goes to the front of its table's list, and the schema is read by
/// row, so the row tells the age (`sqlite3FinishTrigger` in `trigger.c`).
pub(super) fn siblings(
    connection: &Connection,
    tables: &BTreeSet<TableId>,
) -> Result<Vec<Sibling>, Error> {
    let failed = |error: rusqlite::Error| cannot("read the triggers", &error);
    let mut statement = connection
        .prepare(
            "SELECT tbl_name, name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid",
        )
        .map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut found = vec![];
    while let Some(row) = rows.next().map_err(failed)? {
        let table: String = row.get(0).map_err(failed)?;
        let Some(table) = tables
            .iter()
            .find(|wanted| wanted.name.eq_ignore_ascii_case(&table))
        else {
            continue;
        };
        let sql: String = row.get(2).map_err(failed)?;
        let id = TriggerId {
            table: table.clone(),
            name: row.get(1).map_err(failed)?,
        };
        found.push(Sibling {
            fingerprint: digest(sql.as_bytes()),
            definition: definition(&id, &sql)?,
        });
    }
    Ok(found)
}

/// See [`crate::db::Database::fingerprint_after`].
pub(super) fn fingerprint_after(
    connection: &Connection,
    id: &ObjectId,
    statements: &[String],
) -> Result<Fingerprint, Error> {
    for statement in statements.iter().rev() {
        let mut words = tokens(statement, &SQLITE).filter(|token| !token.is_blank());
        if words
            .next()
            .is_some_and(|word| word.is_word(statement, "create"))
        {
            // A step may make others again.
            let stored = stored_text(statement)?;
            let table = TableId {
                schema: MAIN.to_owned(),
                name: String::new(),
            };
            let name = parse(&stored, table)?.id.name;
            if name.eq_ignore_ascii_case(id.name()) {
                return Ok(digest(stored.as_bytes()));
            }
        }
    }
    let scope = Scope {
        known: BTreeSet::from([Cow::Borrowed(id)]),
        ..Scope::default()
    };
    let (catalog, _) = catalog(connection, &scope)?;
    catalog
        .fingerprints
        .get(id)
        .cloned()
        .ok_or_else(|| Error::failed(format!("{id} is not in the database")))
}

/// Look for triggers whose row is not known, or no longer theirs.
fn find_moved(
    connection: &Connection,
    wanted: &HashSet<&TriggerId>,
    found: &mut BTreeMap<ObjectId, Definition>,
) -> Result<(), Error> {
    let failed = |error: rusqlite::Error| cannot("read the triggers", &error);
    let wanted: HashMap<(String, String), &TriggerId> =
        wanted.iter().map(|id| (folded(id), *id)).collect();
    let mut statement = connection
        .prepare("SELECT tbl_name, name, sql FROM sqlite_schema WHERE type = 'trigger'")
        .map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let table: String = row.get(0).map_err(failed)?;
        let name: String = row.get(1).map_err(failed)?;
        let key = (table.to_ascii_lowercase(), name.to_ascii_lowercase());
        if let Some(id) = wanted.get(&key) {
            let sql: String = row.get(2).map_err(failed)?;
            found.insert(ObjectId::Trigger((*id).clone()), definition(id, &sql)?);
        }
    }
    Ok(())
}

fn definition(id: &TriggerId, sql: &str) -> Result<Definition, Error> {
    let mut trigger =
        parse(sql, id.table.clone()).map_err(|error| error.note(format!("it is trigger {id}")))?;
    trigger.id = id.clone();
    Ok(Definition::from(trigger))
}
