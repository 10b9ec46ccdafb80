//! Tables and their columns, by name or pattern.

use std::collections::{BTreeMap, BTreeSet};

use super::{HISTORY_TABLES, Mysql, SYSTEM, column};
use crate::dialect::{Table, TableFacts, TableKind};
use crate::error::Error;
use crate::model::TableId;
use crate::spec::TableRef;

impl Mysql {
    pub(super) fn read_table_names(&mut self, schema: Option<&str>) -> Result<Vec<TableId>, Error> {
        let schema = schema.unwrap_or_else(|| self.current()).to_owned();
        let found = self.list_tables(&BTreeSet::from([schema]))?;
        Ok(found
            .into_keys()
            .filter(|id| !HISTORY_TABLES.contains(&id.name.as_str()))
            .collect())
    }

    fn list_tables(
        &mut self,
        schemas: &BTreeSet<String>,
    ) -> Result<BTreeMap<TableId, TableKind>, Error> {
        let rows = self.rows_of_each("read the tables", schemas, |schema| {
            format!(
                "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES
                 WHERE TABLE_SCHEMA = {schema} AND TABLE_SCHEMA NOT IN ({SYSTEM}) ORDER BY 1, 2"
            )
        })?;
        let mut found = BTreeMap::new();
        for row in &rows {
            let id = TableId {
                schema: column(row, 0)?,
                name: column(row, 1)?,
            };
            let kind: String = column(row, 2)?;
            let kind = match kind.as_str() {
                "BASE TABLE" | "SYSTEM VERSIONED" => TableKind::Table,
                "VIEW" => TableKind::View,
                _ => continue,
            };
            found.insert(id, kind);
        }
        Ok(found)
    }

    pub(super) fn read_tables(
        &mut self,
        references: &[TableRef],
    ) -> Result<Vec<Vec<Table>>, Error> {
        let current = self.current().to_owned();
        let schema_of =
            |reference: &TableRef| reference.schema.clone().unwrap_or_else(|| current.clone());
        let schemas: BTreeSet<String> = references.iter().map(schema_of).collect();
        if schemas.is_empty() {
            return Ok(vec![]);
        }
        let all = self.list_tables(&schemas)?;
        let listed = self.as_told_apart(all.keys());
        let mut chosen: Vec<Vec<TableId>> = vec![];
        for reference in references {
            let schema = self.folded(&schema_of(reference));
            let name = self.folded(&reference.name);
            if !reference.is_glob() {
                chosen.push(
                    listed
                        .get(&(schema, name))
                        .map(|id| (*id).clone())
                        .into_iter()
                        .collect(),
                );
                continue;
            }
            let bare = TableRef {
                schema: None,
                name,
                is_pattern: true,
            };
            let fits = |id: &&TableId| {
                self.folded(&id.schema) == schema
                    && bare.matches(&id.schema, &self.folded(&id.name))
                    && !HISTORY_TABLES.contains(&id.name.as_str())
            };
            chosen.push(all.keys().filter(fits).cloned().collect());
        }
        let wanted: BTreeSet<&TableId> = chosen.iter().flatten().collect();
        let mut facts = self.facts(&wanted, &all)?;
        for (id, kind) in &all {
            // A table whose columns cannot be seen is there all the same.
            if wanted.contains(id) {
                facts.entry(id.clone()).or_insert_with(|| empty(*kind));
            }
        }
        Ok(chosen
            .into_iter()
            .map(|ids| {
                let table = |id: TableId| {
                    let facts = facts.get(&id).cloned();
                    Table { id, facts }
                };
                ids.into_iter().map(table).collect()
            })
            .collect())
    }

    fn facts(
        &mut self,
        wanted: &BTreeSet<&TableId>,
        all: &BTreeMap<TableId, TableKind>,
    ) -> Result<BTreeMap<TableId, TableFacts>, Error> {
        let mut facts = BTreeMap::new();
        // Text of a wide character set goes together with none other in MariaDB's JSON: templates must be able to tell.
        let wanted = wanted.iter().copied();
        let rows = self.rows_of_tables("read the columns", wanted, |schema, names| {
            format!(
                "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COALESCE(GENERATION_EXPRESSION, '') <> '',
                        CONCAT(COLUMN_TYPE, IF(CHARACTER_SET_NAME IN ('ucs2', 'utf16', 'utf16le', 'utf32'),
                                               CONCAT(' character set ', CHARACTER_SET_NAME), '')),
                        COLUMN_KEY = 'PRI'
                 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME IN ({names})
                 ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION"
            )
        })?;
        for row in &rows {
            let id = TableId {
                schema: column(row, 0)?,
                name: column(row, 1)?,
            };
            let Some(kind) = all.get(&id) else { continue };
            let name: String = column(row, 2)?;
            let generated: u64 = column(row, 3)?;
            let is_key: u64 = column(row, 5)?;
            let facts: &mut TableFacts = facts.entry(id).or_insert_with(|| empty(*kind));
            if generated != 0 {
                facts.generated.push(name.clone());
            }
            if is_key != 0 {
                facts.primary_key.push(name.clone());
                facts.row_key.push(name.clone());
            }
            facts.types.push(column(row, 4)?);
            facts.columns.push(name);
        }
        Ok(facts)
    }
}

fn empty(kind: TableKind) -> TableFacts {
    TableFacts {
        kind,
        columns: vec![],
        generated: vec![],
        unseen: vec![],
        is_child: false,
        types: vec![],
        primary_key: vec![],
        row_key: vec![],
        partition_of: vec![],
        partition_key: vec![],
    }
}
