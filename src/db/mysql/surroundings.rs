//! What the catalog holds around triggers: the columns of their tables, and foreign keys.

use std::collections::BTreeSet;

use super::{Mysql, column, literal};
use crate::effects::{Column, ForeignKey, Referential, Surroundings};
use crate::error::Error;
use crate::model::TableId;

impl Mysql {
    pub(super) fn read_surroundings(
        &mut self,
        tables: &BTreeSet<TableId>,
    ) -> Result<Surroundings, Error> {
        let mut found = Surroundings::default();
        let schemas: BTreeSet<String> = tables.iter().map(|table| literal(&table.schema)).collect();
        if schemas.is_empty() {
            return Ok(found);
        }
        let schemas: Vec<String> = schemas.into_iter().collect();
        let schemas = schemas.join(", ");
        for row in &self.rows(
            "read the columns",
            &format!(
                "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, COALESCE(GENERATION_EXPRESSION, '') <> ''
                 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA IN ({schemas})
                 ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION"
            ),
        )? {
            let table = TableId {
                schema: column(row, 0)?,
                name: column(row, 1)?,
            };
            let generated: u64 = column(row, 4)?;
            found.columns.entry(table).or_default().push(Column {
                name: column(row, 2)?,
                kind: column(row, 3)?,
                comparable: true,
                generated: generated != 0,
            });
        }
        for row in &self.rows(
            "read the foreign keys",
            &format!(
                "SELECT r.CONSTRAINT_NAME, r.CONSTRAINT_SCHEMA, r.TABLE_NAME, r.UNIQUE_CONSTRAINT_SCHEMA,
                        r.REFERENCED_TABLE_NAME, r.DELETE_RULE, r.UPDATE_RULE, k.COLUMN_NAME
                 FROM information_schema.REFERENTIAL_CONSTRAINTS AS r
                 JOIN information_schema.KEY_COLUMN_USAGE AS k
                   ON k.CONSTRAINT_SCHEMA = r.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME = r.CONSTRAINT_NAME
                  AND k.TABLE_NAME = r.TABLE_NAME
                 WHERE r.CONSTRAINT_SCHEMA IN ({schemas})
                 ORDER BY r.CONSTRAINT_SCHEMA, r.TABLE_NAME, r.CONSTRAINT_NAME, k.ORDINAL_POSITION"
            ),
        )? {
            let name: String = column(row, 0)?;
            let table = TableId {
                schema: column(row, 1)?,
                name: column(row, 2)?,
            };
            let of: String = column(row, 7)?;
            if let Some(known) = found.foreign_keys.last_mut()
                && known.name == name
                && known.table == table
            {
                known.columns.push(of);
                continue;
            }
            let does = |index| -> Result<Referential, Error> {
                let word: String = column(row, index)?;
                Ok(match word.as_str() {
                    "CASCADE" => Referential::Cascade,
                    "SET NULL" | "SET DEFAULT" => Referential::Set,
                    _ => Referential::None,
                })
            };
            found.foreign_keys.push(ForeignKey {
                name,
                table,
                columns: vec![of],
                parent: TableId {
                    schema: column(row, 3)?,
                    name: column(row, 4)?,
                },
                on_delete: does(5)?,
                on_update: does(6)?,
            });
        }
        Ok(found)
    }
}
