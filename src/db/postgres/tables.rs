//! Tables and views by name or glob, with what matters about them to triggers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use postgres::types::Type;

use super::{Postgres, get};
use crate::db::Taken;
use crate::dialect::{Table, TableFacts, TableKind, no_schema};
use crate::error::Error;
use crate::model::{FunctionId, TableId, TriggerId};
use crate::spec::TableRef;

impl Postgres {
    /// See [`crate::db::Database::constraints`].
    pub(super) fn read_constraints(&mut self, triggers: &[TriggerId]) -> Result<Vec<Taken>, Error> {
        let schemas: Vec<&str> = triggers.iter().map(|id| id.table.schema.as_str()).collect();
        let tables: Vec<&str> = triggers.iter().map(|id| id.table.name.as_str()).collect();
        let names: Vec<&str> = triggers.iter().map(|id| id.name.as_str()).collect();
        let rows = self.read(
            "read the tables' constraints",
            include_str!("sql/constraints.sql"),
            &[
                (&schemas, Type::TEXT_ARRAY),
                (&tables, Type::TEXT_ARRAY),
                (&names, Type::TEXT_ARRAY),
            ],
        )?;
        rows.iter()
            .map(|row| {
                let table = TableId {
                    schema: get(row, 0)?,
                    name: get(row, 1)?,
                };
                let trigger: Option<String> = get(row, 3)?;
                Ok(Taken {
                    trigger: trigger.map(|name| TriggerId {
                        table: table.clone(),
                        name,
                    }),
                    wanted: TriggerId {
                        table,
                        name: get(row, 2)?,
                    },
                })
            })
            .collect()
    }

    /// See [`crate::db::Database::tables`].
    pub(super) fn read_tables(
        &mut self,
        references: &[TableRef],
    ) -> Result<Vec<Vec<Table>>, Error> {
        let mut found: Vec<Vec<Table>> = references.iter().map(|_| vec![]).collect();
        if references.is_empty() {
            return Ok(found);
        }
        let mut numbers = vec![];
        let mut schemas = vec![];
        let mut names = vec![];
        let mut globs = vec![];
        // Several triggers may ask for the same: what is asked twice is answered once.
        let mut first: HashMap<&TableRef, i32> = HashMap::new();
        let mut same: Vec<(usize, i32)> = vec![];
        for (at, reference) in references.iter().enumerate() {
            let number = i32::try_from(at).map_err(|_| Error::failed("too many tables"))?;
            let known = *first.entry(reference).or_insert(number);
            if known != number {
                same.push((at, known));
                continue;
            }
            let TableRef {
                schema,
                name,
                is_pattern,
            } = reference;
            numbers.push(number);
            globs.push(*is_pattern);
            if *is_pattern {
                let schema = match schema {
                    Some(schema) => schema.clone(),
                    None => self.current_schema.clone().ok_or_else(|| {
                        no_schema("pattern", name).into_error(crate::error::Kind::Failed)
                    })?,
                };
                schemas.push(Some(like_exactly(&schema)));
                names.push(like(name));
            } else {
                schemas.push(schema.clone());
                names.push(name.clone());
            }
        }
        let history = self.history_schema.clone();
        let rows = self.read(
            "read the tables",
            include_str!("sql/tables.sql"),
            &[
                (&numbers, Type::INT4_ARRAY),
                (&schemas, Type::TEXT_ARRAY),
                (&names, Type::TEXT_ARRAY),
                (&globs, Type::BOOL_ARRAY),
                (&history, Type::TEXT),
            ],
        )?;
        for row in &rows {
            let numbers: Vec<i32> = get(row, 0)?;
            let table = table(row)?;
            let mut add = |number: i32, table: Table| {
                let number = usize::try_from(number).ok();
                if let Some(matches) = number.and_then(|number| found.get_mut(number)) {
                    matches.push(table);
                }
            };
            if let Some((last, others)) = numbers.split_last() {
                for number in others {
                    add(*number, table.clone());
                }
                add(*last, table);
            }
        }
        for matches in &mut found {
            matches.sort_by(|left, right| left.id.cmp(&right.id));
        }
        for (at, known) in same {
            let matches = usize::try_from(known)
                .ok()
                .and_then(|known| found.get(known))
                .cloned();
            if let (Some(matches), Some(slot)) = (matches, found.get_mut(at)) {
                *slot = matches;
            }
        }
        Ok(found)
    }

    /// See [`crate::db::Database::function_schemas`].
    pub(super) fn read_function_schemas(
        &mut self,
        names: &[&str],
    ) -> Result<BTreeMap<String, String>, Error> {
        self.read(
            "look for the functions",
            include_str!("sql/function_schemas.sql"),
            &[(&names, Type::TEXT_ARRAY)],
        )?
        .iter()
        .map(|row| Ok((get(row, 0)?, get(row, 1)?)))
        .collect()
    }

    /// See [`crate::db::Database::uncalled_functions`].
    pub(super) fn read_uncalled_functions(
        &mut self,
        schemas: &BTreeSet<String>,
    ) -> Result<Vec<FunctionId>, Error> {
        let schemas: Vec<&str> = schemas.iter().map(String::as_str).collect();
        // Right after many were created the server knows nothing about their number, and would look through all triggers
        // for each function.
        let settings = "SET LOCAL jit = off; SET LOCAL enable_nestloop = off";
        self.aside(settings, |this| {
            this.read(
                "look for functions that no trigger calls",
                include_str!("sql/uncalled_functions.sql"),
                &[(&schemas, Type::TEXT_ARRAY)],
            )
        })?
        .iter()
        .map(|row| {
            Ok(FunctionId {
                schema: get(row, 0)?,
                name: get(row, 1)?,
            })
        })
        .collect()
    }

    /// See [`crate::db::Database::event_triggers`].
    pub(super) fn read_event_triggers(&mut self) -> Result<Vec<String>, Error> {
        self.read(
            "look for event triggers",
            "SELECT t.evtname FROM pg_catalog.pg_event_trigger t
             WHERE NOT EXISTS (
               SELECT FROM pg_catalog.pg_depend d
               WHERE d.classid = 'pg_catalog.pg_event_trigger'::pg_catalog.regclass AND d.objid = t.oid AND d.deptype = 'e')
             ORDER BY 1",
            &[],
        )?
        .iter()
        .map(|row| get(row, 0))
        .collect()
    }

    /// See [`crate::db::Database::schemas`].
    pub(super) fn read_schemas(&mut self) -> Result<Vec<String>, Error> {
        let history = self.history_schema.clone();
        self.read(
            "read the schemas",
            "SELECT nspname FROM pg_catalog.pg_namespace
             WHERE pg_catalog.left(nspname::pg_catalog.text, 3) <> 'pg_'
               AND nspname NOT IN ('information_schema', $1::pg_catalog.text)
             ORDER BY 1",
            &[(&history, Type::TEXT)],
        )?
        .iter()
        .map(|row| get(row, 0))
        .collect()
    }

    /// See [`crate::db::Database::missing_schemas`].
    pub(super) fn read_missing_schemas(&mut self, names: &[&str]) -> Result<Vec<String>, Error> {
        let history = self.history_schema.clone();
        self.read(
            "look for the schemas",
            "SELECT name FROM pg_catalog.unnest($1) AS name
             WHERE name <> $2 AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname::pg_catalog.text = name)",
            &[(&names, Type::TEXT_ARRAY), (&history, Type::TEXT)],
        )?
        .iter()
        .map(|row| get(row, 0))
        .collect()
    }

    /// See [`crate::db::Database::table_names`].
    pub(super) fn read_table_names(&mut self, schema: Option<&str>) -> Result<Vec<TableId>, Error> {
        let schemas = match schema {
            Some(schema) => vec![schema.to_owned()],
            None => self.read_schemas()?,
        };
        self.read(
            "read the tables",
            "SELECT n.nspname, c.relname
             FROM pg_catalog.pg_class c
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
               AND n.nspname = ANY ($1::pg_catalog.text[])
             ORDER BY 1, 2",
            &[(&schemas, Type::TEXT_ARRAY)],
        )?
        .iter()
        .map(|row| {
            Ok(TableId {
                schema: get(row, 0)?,
                name: get(row, 1)?,
            })
        })
        .collect()
    }
}

/// A table with what is known of it.
fn table(row: &postgres::Row) -> Result<Table, Error> {
    let kind: i8 = get(row, 3)?;
    let columns: Option<Vec<String>> = get(row, 4)?;
    let generated: Option<Vec<String>> = get(row, 5)?;
    let types: Option<Vec<String>> = get(row, 9)?;
    let primary_key: Option<Vec<String>> = get(row, 10)?;
    let primary_key = primary_key.unwrap_or_default();
    let unseen: Option<Vec<String>> = get(row, 11)?;
    let partition_key: Option<Vec<String>> = get(row, 12)?;
    Ok(Table {
        id: TableId {
            schema: get(row, 1)?,
            name: get(row, 2)?,
        },
        facts: Some(TableFacts {
            kind: match char::from(kind.cast_unsigned()) {
                'p' => TableKind::Partitioned,
                'v' => TableKind::View,
                'm' => TableKind::MaterializedView,
                'f' => TableKind::Foreign,
                _ => TableKind::Table,
            },
            columns: columns.unwrap_or_default(),
            generated: generated.unwrap_or_default(),
            unseen: unseen.unwrap_or_default(),
            is_child: get(row, 6)?,
            types: types.unwrap_or_default(),
            row_key: primary_key.clone(),
            primary_key,
            partition_of: parents(row)?,
            partition_key: partition_key.unwrap_or_default(),
        }),
    })
}

/// The partitioned tables above a partition.
fn parents(row: &postgres::Row) -> Result<Vec<TableId>, Error> {
    let schemas: Option<Vec<String>> = get(row, 7)?;
    let names: Option<Vec<String>> = get(row, 8)?;
    let pairs = schemas
        .unwrap_or_default()
        .into_iter()
        .zip(names.unwrap_or_default());
    Ok(pairs
        .map(|(schema, name)| TableId { schema, name })
        .collect())
}

/// A pattern for LIKE that matches this text alone.
fn like_exactly(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\\' | '%' | '_') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

/// The pattern for LIKE that matches what a glob matches.
fn like(glob: &str) -> String {
    like_exactly(glob).replace('*', "%").replace('?', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_become_patterns() {
        assert_eq!(like("a*"), "a%");
        assert_eq!(like("a_b?100%\\"), "a\\_b_100\\%\\\\");
    }
}
