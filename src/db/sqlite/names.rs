//! Names as SQLite compares them, and the schema's tables.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::errors::cannot;
use crate::dialect::{Dialect as _, Table, TableFacts, TableKind};
use crate::effects::{self, ForeignKey, Referential, Surroundings};
use crate::error::Error;
use crate::model::TableId;
use crate::spec::TableRef;

/// The one schema that is looked at: attached and temporary ones belong to a connection, not to the database.
pub(super) const MAIN: &str = "main";

/// A name in quotes, for statements that are prepared and never kept.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether globs pass a table by: SQLite's own and triggerctl's.
fn is_internal(name: &str) -> bool {
    let starts = |prefix: &str| {
        name.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    starts("sqlite_") || starts("triggerctl_")
}

/// One row of `pragma_table_list`.
struct Listed {
    name: String,
    kind: TableKind,
    /// A table in which a virtual table keeps its data.
    shadow: bool,
    /// WITHOUT ROWID.
    keyed: bool,
}

fn list(connection: &Connection) -> Result<Vec<Listed>, Error> {
    let read = || -> rusqlite::Result<Vec<Listed>> {
        let mut statement = connection.prepare(
            "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' ORDER BY name",
        )?;
        let rows = statement.query_map([], |row| {
            let kind: String = row.get(1)?;
            Ok(Listed {
                name: row.get(0)?,
                kind: match kind.as_str() {
                    "view" => TableKind::View,
                    "virtual" => TableKind::Virtual,
                    _ => TableKind::Table,
                },
                shadow: kind == "shadow",
                keyed: row.get(2)?,
            })
        })?;
        rows.collect()
    };
    read().map_err(|error| cannot("list the tables", &error))
}

/// A column, as far as triggers are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) generated: bool,
    /// Its declared type.
    pub(super) kind: String,
    /// Its place in the primary key, from 1; 0 when it is not part of it.
    pub(super) key: i64,
}

/// The columns of a table or view, hidden ones of virtual tables aside; empty when there is no such table.
pub(super) fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    // `hidden` is 1 for hidden columns of virtual tables, 2 and 3 for generated ones (the manual on table_xinfo).
    let mut statement = connection.prepare_cached(
        "SELECT name, hidden, type, pk FROM pragma_table_xinfo(?1, 'main') WHERE hidden <> 1",
    )?;
    let rows = statement.query_map([table], |row| {
        Ok(Column {
            name: row.get(0)?,
            generated: row.get::<_, i64>(1)? != 0,
            kind: row.get(2)?,
            key: row.get(3)?,
        })
    })?;
    rows.collect()
}

/// See [`crate::db::Database::surroundings`].
pub(super) fn surroundings(
    connection: &Connection,
    tables: &BTreeSet<TableId>,
) -> Result<Surroundings, Error> {
    let read = || -> rusqlite::Result<Surroundings> {
        let mut found = Surroundings::default();
        for table in tables {
            let columns = match columns(connection, &table.name) {
                Ok(columns) => columns,
                // A view of what is gone, as below.
                Err(error) => {
                    log::debug!("the columns of {table} cannot be read: {error}");
                    vec![]
                }
            };
            found.columns.insert(
                table.clone(),
                columns
                    .into_iter()
                    .map(|column| effects::Column {
                        name: column.name,
                        kind: column.kind,
                        comparable: true,
                        generated: column.generated,
                    })
                    .collect(),
            );
        }
        let mut statement = connection.prepare(
            "SELECT m.name, f.\"table\", f.\"from\", f.on_delete, f.on_update, f.id
             FROM sqlite_schema AS m, pragma_foreign_key_list(m.name, 'main') AS f
             WHERE m.type = 'table' ORDER BY m.name, f.id, f.seq",
        )?;
        let mut rows = statement.query([])?;
        let mut last = None;
        while let Some(row) = rows.next()? {
            let key = (row.get::<_, String>(0)?, row.get::<_, i64>(5)?);
            let column: String = row.get(2)?;
            if last.as_ref() == Some(&key)
                && let Some(known) = found.foreign_keys.last_mut()
            {
                known.columns.push(column);
                continue;
            }
            let does = |index| -> rusqlite::Result<Referential> {
                Ok(match row.get_ref(index)?.as_str()? {
                    "CASCADE" => Referential::Cascade,
                    "SET NULL" | "SET DEFAULT" => Referential::Set,
                    _ => Referential::None,
                })
            };
            found.foreign_keys.push(ForeignKey {
                name: String::new(),
                table: id(&key.0),
                columns: vec![column],
                parent: id(&row.get::<_, String>(1)?),
                on_delete: does(3)?,
                on_update: does(4)?,
            });
            last = Some(key);
        }
        Ok(found)
    };
    read().map_err(|error| cannot("read the columns and foreign keys", &error))
}

fn facts(connection: &Connection, listed: &Listed) -> Result<TableFacts, Error> {
    let columns = match columns(connection, &listed.name) {
        Ok(columns) => columns,
        // A view of a table that is gone has no columns; a virtual table may need a module that only the application has.
        Err(error) if listed.kind != TableKind::Table => {
            log::warn!("the columns of `{}` cannot be read: {error}", listed.name);
            vec![]
        }
        Err(error) => {
            return Err(cannot(
                &format!("read the columns of `{}`", listed.name),
                &error,
            ));
        }
    };
    let mut key: Vec<&Column> = columns.iter().filter(|column| column.key > 0).collect();
    key.sort_by_key(|column| column.key);
    let primary_key: Vec<String> = key.iter().map(|column| column.name.clone()).collect();
    let keyed = listed.keyed || listed.kind != TableKind::Table;
    let mut facts = TableFacts {
        row_key: primary_key.clone(),
        primary_key,
        types: columns.iter().map(|column| column.kind.clone()).collect(),
        kind: listed.kind,
        generated: columns
            .iter()
            .filter(|column| column.generated)
            .map(|column| column.name.clone())
            .collect(),
        unseen: vec![],
        columns: columns.into_iter().map(|column| column.name).collect(),
        is_child: false,
        partition_of: vec![],
        partition_key: vec![],
    };
    if !keyed {
        facts.row_key = crate::dialect::sqlite::Sqlite.row_key(&facts);
    }
    Ok(facts)
}

fn id(name: &str) -> TableId {
    TableId {
        schema: MAIN.to_owned(),
        name: name.to_owned(),
    }
}

/// See [`crate::db::Database::tables`].
pub(super) fn tables(
    connection: &Connection,
    references: &[TableRef],
) -> Result<Vec<Vec<Table>>, Error> {
    let listed = list(connection)?;
    let by_name: BTreeMap<String, &Listed> = listed
        .iter()
        .map(|listed| (listed.name.to_ascii_lowercase(), listed))
        .collect();
    let mut known: BTreeMap<&str, Table> = BTreeMap::new();
    let mut answer = Vec::with_capacity(references.len());
    for reference in references {
        let pattern = reference.name.to_ascii_lowercase();
        let other_schema = reference
            .schema
            .as_ref()
            .is_some_and(|schema| !schema.eq_ignore_ascii_case(MAIN));
        let mut matched: Vec<&Listed> = vec![];
        if other_schema {
            // Nothing there is ours to see.
        } else if reference.is_glob() {
            matched.extend(by_name.iter().filter_map(|(name, listed)| {
                let wanted = !listed.shadow && !is_internal(name) && matches_glob(&pattern, name);
                wanted.then_some(*listed)
            }));
        } else {
            matched.extend(by_name.get(&pattern));
        }
        let mut found = Vec::with_capacity(matched.len());
        for listed in matched {
            let table = if let Some(table) = known.get(listed.name.as_str()) {
                table.clone()
            } else {
                let table = Table {
                    id: id(&listed.name),
                    facts: Some(facts(connection, listed)?),
                };
                known.insert(&listed.name, table.clone());
                table
            };
            found.push(table);
        }
        answer.push(found);
    }
    Ok(answer)
}

/// See [`crate::db::Database::table_names`].
pub(super) fn table_names(
    connection: &Connection,
    schema: Option<&str>,
) -> Result<Vec<TableId>, Error> {
    if schema.is_some_and(|schema| !schema.eq_ignore_ascii_case(MAIN)) {
        return Ok(vec![]);
    }
    Ok(list(connection)?
        .iter()
        .filter(|listed| !listed.shadow && !is_internal(&listed.name))
        .map(|listed| id(&listed.name))
        .collect())
}

/// Whether `*` (any characters) and `?` (one character) make `name` out of `pattern`.
fn matches_glob(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut position) = (0, 0);
    // Where to go on when it does not fit: after the last `*`, which then takes one character more.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(character) = name.get(position) {
        match pattern.get(at) {
            Some('*') => {
                retry = Some((at + 1, position + 1));
                at += 1;
            }
            Some(expected) if *expected == '?' || expected == character => {
                at += 1;
                position += 1;
            }
            _ => {
                let Some((after_star, next)) = retry else {
                    return false;
                };
                (at, position) = (after_star, next);
                retry = Some((after_star, next + 1));
            }
        }
    }
    pattern
        .get(at..)
        .is_some_and(|rest| rest.iter().all(|character| *character == '*'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn reference(schema: Option<&str>, name: &str) -> TableRef {
        TableRef {
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
            is_pattern: name.contains(['*', '?']),
        }
    }

    fn names(connection: &Connection, schema: Option<&str>, name: &str) -> Vec<String> {
        tables(connection, &[reference(schema, name)])
            .unwrap()
            .concat()
            .into_iter()
            .map(|table| table.id.to_string())
            .collect()
    }

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE Users(id integer primary key, a, b AS (a + 1), c AS (a) STORED, \"odd \"\"name\");
                 CREATE TABLE user_log(x);
                 CREATE VIEW users_seen AS SELECT id, a FROM users;
                 CREATE VIEW broken AS SELECT * FROM gone;
                 CREATE VIRTUAL TABLE texts USING fts5(title);
                 CREATE TABLE triggerctl_migrations(version);
                 CREATE TABLE [odd*name](x);
                 CREATE TABLE auto(id integer primary key autoincrement);
                 CREATE TEMP TABLE users_temp(x);",
            )
            .unwrap();
        connection
    }

    #[test]
    fn finds_tables_by_name() {
        let connection = database();
        assert_eq!(names(&connection, None, "USERS"), ["main.Users"]);
        assert_eq!(names(&connection, Some("MAIN"), "users"), ["main.Users"]);
        assert_eq!(names(&connection, Some("temp"), "users_temp"), [""; 0]);
        assert_eq!(names(&connection, None, "users_temp"), [""; 0]);
        assert_eq!(names(&connection, None, "gone"), [""; 0]);
    }

    #[test]
    fn globs_pass_internal_tables_by() {
        let connection = database();
        assert_eq!(
            names(&connection, None, "*"),
            [
                "main.auto",
                "main.broken",
                "main.odd*name",
                "main.texts",
                "main.user_log",
                "main.Users",
                "main.users_seen"
            ]
        );
        assert_eq!(names(&connection, None, "user?"), ["main.Users"]);
        let exactly = TableRef::exactly(None, "odd*name".to_owned());
        let found = tables(&connection, &[exactly]).unwrap().concat();
        assert_eq!(found[0].id.to_string(), "main.odd*name");
        assert_eq!(names(&connection, None, "texts_*"), [""; 0]);
        assert_eq!(
            table_names(&connection, None).unwrap().len(),
            names(&connection, None, "*").len()
        );
    }

    #[test]
    fn knows_kinds_and_columns() {
        let connection = database();
        let answer = tables(
            &connection,
            &["users", "users_seen", "texts", "broken"].map(|name| reference(None, name)),
        )
        .unwrap()
        .concat();
        let facts: Vec<TableFacts> = answer
            .into_iter()
            .map(|table| table.facts.unwrap())
            .collect();
        assert_eq!(facts[0].kind, TableKind::Table);
        assert_eq!(facts[0].columns, ["id", "a", "b", "c", "odd \"name"]);
        assert_eq!(facts[0].generated, ["b", "c"]);
        assert_eq!(facts[1].kind, TableKind::View);
        assert_eq!(facts[1].columns, ["id", "a"]);
        assert_eq!(facts[2].kind, TableKind::Virtual);
        assert_eq!(facts[2].columns, ["title"]);
        assert_eq!(
            (facts[3].kind, facts[3].columns.len()),
            (TableKind::View, 0)
        );
    }

    #[test]
    fn globs_match() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*", "abc", true),
            ("*c", "abcc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("**a**", "bab", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("é?", "éé", true),
            ("[ab]", "a", false),
        ] {
            assert_eq!(matches_glob(pattern, name), expected, "{pattern} {name}");
        }
    }
}
