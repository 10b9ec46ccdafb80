//! A copy of a database's schema in memory, without its rows: triggers can be tried on it and nothing of the user's
//! is touched.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use rusqlite::{Connection, params};

use super::fire::{Compiled, compile, stand_in_for_collation};
use crate::db::sqlite::names::quoted;
use crate::model::TriggerId;

/// The copy.
pub(super) struct Copy {
    pub(super) connection: Connection,
    /// Functions that were stood in for.
    stubs: BTreeSet<String>,
}

/// One row of `sqlite_schema`.
struct Row {
    kind: String,
    name: String,
    table: String,
    has_root: bool,
    sql: Option<String>,
}

/// What has to be known of the tables to copy them.
#[derive(Default)]
struct Kinds {
    views: HashSet<String>,
    virtuals: HashSet<String>,
    /// Tables in which virtual tables keep their data.
    shadows: HashSet<String>,
}

impl Copy {
    /// Copy the schema of `main`: all of it but triggers on tables. Virtual tables are created for real where their
    /// module is known.
    pub(super) fn of(live: &Connection) -> rusqlite::Result<Self> {
        Self::with(live, std::iter::empty())
    }

    /// The same with more triggers, which take the place of those of their names. Each comes with the text that
    /// `sqlite_schema` would hold; one that could not be created makes it fail.
    pub(super) fn with<'a>(
        live: &Connection,
        triggers: impl Iterator<Item = (&'a TriggerId, &'a str)>,
    ) -> rusqlite::Result<Self> {
        let kinds = kinds(live)?;
        let triggers: Vec<Row> = triggers
            .map(|(id, sql)| Row {
                kind: "trigger".to_owned(),
                name: id.name.clone(),
                table: id.table.name.clone(),
                has_root: false,
                sql: Some(sql.to_owned()),
            })
            .collect();
        let replaced: HashSet<String> = triggers
            .iter()
            .map(|row| row.name.to_ascii_lowercase())
            .collect();
        let is_copied = |kind: &str, name: &str, table: &str| {
            !kinds.shadows.contains(table)
                && (kind != "trigger"
                    || kinds.views.contains(table)
                        && !replaced.contains(&name.to_ascii_lowercase()))
        };
        let (virtuals, mut rows): (Vec<Row>, Vec<Row>) = rows(live, is_copied)?
            .into_iter()
            .partition(|row| row.kind == "table" && kinds.virtuals.contains(&row.name));
        rows.extend(triggers);
        let connection = Connection::open_in_memory()?;
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.collation_needed(stand_in_for_collation)?;
        seed(&connection, &rows)?;
        let mut unknown = vec![];
        for row in virtuals {
            let created = match &row.sql {
                Some(sql) => connection.execute(sql, []).map(drop),
                None => Ok(()),
            };
            if let Err(error) = created {
                log::warn!(
                    "the virtual table `{}` is left out of checks: {error}",
                    row.name
                );
                unknown.push(row);
            }
        }
        if !unknown.is_empty() {
            seed(&connection, &unknown)?;
        }
        Ok(Self {
            connection,
            stubs: BTreeSet::new(),
        })
    }

    /// Prepare a statement on the copy.
    pub(super) fn compile(&mut self, sql: &str) -> rusqlite::Result<Compiled> {
        compile(&self.connection, sql, &mut self.stubs)
    }

    pub(super) fn drop_trigger(&self, name: &str) -> rusqlite::Result<()> {
        self.connection
            .execute(&format!("DROP TRIGGER IF EXISTS main.{}", quoted(name)), [])
            .map(drop)
    }

    /// The other triggers of the same table, with their DDL, oldest first.
    pub(super) fn other_triggers(&self, id: &TriggerId) -> rusqlite::Result<Vec<(String, String)>> {
        let mut statement = self.connection.prepare(
            "SELECT name, sql FROM sqlite_schema
             WHERE type = 'trigger' AND tbl_name = ?1 COLLATE nocase AND name <> ?2 COLLATE nocase ORDER BY rowid",
        )?;
        let rows = statement.query_map([&id.table.name, &id.name], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        rows.collect()
    }

    pub(super) fn table_names(&self) -> rusqlite::Result<Vec<String>> {
        let mut statement = self.connection.prepare(
            "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite%'",
        )?;
        let rows = statement.query_map([], |row| row.get(0))?;
        rows.collect()
    }
}

fn kinds(live: &Connection) -> rusqlite::Result<Kinds> {
    let mut kinds = Kinds::default();
    let mut statement = live.prepare(
        "SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND type <> 'table'",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let set = match row.get_ref(1)?.as_str()? {
            "view" => &mut kinds.views,
            "virtual" => &mut kinds.virtuals,
            _ => &mut kinds.shadows,
        };
        set.insert(row.get(0)?);
    }
    Ok(kinds)
}

/// The rows that are wanted by their kind, name and table.
fn rows(
    live: &Connection,
    is_wanted: impl Fn(&str, &str, &str) -> bool,
) -> rusqlite::Result<Vec<Row>> {
    let mut statement = live
        .prepare("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema ORDER BY rowid")?;
    let mut rows = statement.query([])?;
    let mut wanted = vec![];
    while let Some(row) = rows.next()? {
        let text = |column| -> rusqlite::Result<&str> { Ok(row.get_ref(column)?.as_str()?) };
        let (kind, name, table) = (text(0)?, text(1)?, text(2)?);
        if is_wanted(kind, name, table) {
            wanted.push(Row {
                kind: kind.to_owned(),
                name: name.to_owned(),
                table: table.to_owned(),
                has_root: row.get::<_, Option<i64>>(3)?.unwrap_or(0) != 0,
                sql: row.get(4)?,
            });
        }
    }
    Ok(wanted)
}

/// Write rows into `sqlite_schema`. Every table and index gets a page that exists, and no two of one table the same
/// one, which SQLite would take for damage; what the page holds does not matter, as nothing is ever read from it.
fn seed(connection: &Connection, rows: &[Row]) -> rusqlite::Result<()> {
    let mut roots: BTreeMap<&str, i64> = BTreeMap::new();
    let mut pages = vec![];
    for row in rows {
        pages.push(if row.has_root {
            let next = roots.entry(&row.table).or_insert(FIRST_PAGE);
            *next += 1;
            *next - 1
        } else {
            0
        });
    }
    let last = pages.iter().copied().max().unwrap_or(0);
    make_pages(connection, last)?;
    connection.execute_batch("PRAGMA writable_schema = ON; BEGIN")?;
    {
        let mut insert = connection
            .prepare("INSERT INTO sqlite_schema(type, name, tbl_name, rootpage, sql) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for (row, page) in rows.iter().zip(pages) {
            insert.execute(params![row.kind, row.name, row.table, page, row.sql])?;
        }
    }
    connection.execute_batch("COMMIT")?;
    // Another version of the schema makes SQLite read it again.
    let version: i64 = connection.pragma_query_value(None, "schema_version", |row| row.get(0))?;
    connection.pragma_update(None, "schema_version", version + 1)?;
    connection.execute_batch("PRAGMA writable_schema = OFF")?;
    // What SQLite cannot read, it says now.
    connection
        .prepare("SELECT 1 FROM sqlite_schema LIMIT 1")?
        .exists([])?;
    Ok(())
}

/// The first page after the one that holds the schema.
const FIRST_PAGE: i64 = 2;

/// See to it that the database has at least `last` pages.
fn make_pages(connection: &Connection, last: i64) -> rusqlite::Result<()> {
    let count = |connection: &Connection| -> rusqlite::Result<i64> {
        connection.pragma_query_value(None, "page_count", |row| row.get(0))
    };
    let mut number = count(connection)?;
    while count(connection)?.max(1) < last {
        // A table takes a page. The name is of a kind that no table of a user's has.
        connection.execute(&format!("CREATE TABLE \"triggerctl page {number}\"(x)"), [])?;
        number += 1;
    }
    Ok(())
}
