//! How big the database is. The lock is on the whole file, so its size is what matters, and it is known without reading
//! more than the first page (dbstat would read every page of a table). Rows are known where ANALYZE has counted them.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _};

use super::errors::cannot;
use crate::db::size::{Measured, TableSize, TableState};
use crate::error::Error;
use crate::model::TableId;

/// See [`crate::db::Database::table_states`].
pub(super) fn table_states(
    connection: &Connection,
    tables: &BTreeSet<TableId>,
) -> Result<BTreeMap<TableId, TableState>, Error> {
    let failed = |error: rusqlite::Error| cannot("read the size of the database", &error);
    let bytes: i64 = connection
        .query_row(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
            [],
            |row| row.get(0),
        )
        .map_err(failed)?;
    let analysed: Option<i64> = connection
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'",
            [],
            |row| row.get(0),
        )
        .optional()
        .map_err(failed)?;
    let mut rows: BTreeMap<String, u64> = BTreeMap::new();
    if analysed.is_some() {
        // The first number of `stat` is the count of rows (the manual on sqlite_stat1).
        let mut statement = connection
            .prepare("SELECT tbl, max(CAST(stat AS INTEGER)) FROM sqlite_stat1 GROUP BY tbl")
            .map_err(failed)?;
        let found = statement
            .query_map([], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
            })
            .map_err(failed)?;
        for row in found {
            let (table, count) = row.map_err(failed)?;
            if let Ok(count) = u64::try_from(count) {
                rows.insert(table.to_ascii_lowercase(), count);
            }
        }
    }
    Ok(tables
        .iter()
        .map(|table| {
            let size = TableSize {
                rows: rows.get(&table.name.to_ascii_lowercase()).copied(),
                bytes: u64::try_from(bytes).ok(),
                of: Measured::File,
            };
            let state = TableState {
                size,
                ..TableState::default()
            };
            (table.clone(), state)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_and_the_rows_that_analyze_has_counted() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE T (a); CREATE TABLE u (a);
                 INSERT INTO t VALUES (1), (2), (3); INSERT INTO u VALUES (1);",
            )
            .unwrap();
        let table = |name: &str| TableId {
            schema: "main".to_owned(),
            name: name.to_owned(),
        };
        let tables = BTreeSet::from([table("t"), table("u")]);
        let before = table_states(&connection, &tables).unwrap();
        let size = &before[&table("t")].size;
        assert_eq!(
            (size.rows, size.bytes, size.of),
            (None, Some(12288), Measured::File)
        );
        connection.execute_batch("ANALYZE t").unwrap();
        let after = table_states(&connection, &tables).unwrap();
        assert_eq!(after[&table("t")].size.rows, Some(3));
        assert_eq!(after[&table("u")].size.rows, None);
    }
}
