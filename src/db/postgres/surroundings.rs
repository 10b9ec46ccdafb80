//! What the catalog holds around triggers: the columns of their tables, foreign keys, subscriptions, and the functions that
//! bodies call.

use std::collections::BTreeSet;

use postgres::types::Type;

use super::{Postgres, get};
use crate::effects::{Column, ForeignKey, Referential, Routine, Surroundings};
use crate::error::Error;
use crate::model::{FunctionId, TableId};
use crate::spec::TableRef;

impl Postgres {
    pub(super) fn read_surroundings_of(
        &mut self,
        tables: &BTreeSet<TableId>,
    ) -> Result<Surroundings, Error> {
        let mut found = Surroundings::default();
        let schemas: Vec<&str> = tables.iter().map(|table| table.schema.as_str()).collect();
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        for row in self.read(
            "read the columns",
            include_str!("sql/columns.sql"),
            &[(&schemas, Type::TEXT_ARRAY), (&names, Type::TEXT_ARRAY)],
        )? {
            let table = TableId {
                schema: get(&row, 0)?,
                name: get(&row, 1)?,
            };
            found.columns.entry(table).or_default().push(Column {
                name: get(&row, 2)?,
                kind: get(&row, 3)?,
                generated: get(&row, 4)?,
                comparable: get(&row, 5)?,
            });
        }
        for row in self.read(
            "read the foreign keys",
            "SELECT k.conname, n.nspname, c.relname, pn.nspname, p.relname,
                    k.confdeltype::pg_catalog.text, k.confupdtype::pg_catalog.text,
                    ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.unnest(k.conkey) AS u(num)
                          JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.num)
             FROM pg_catalog.pg_constraint AS k
             JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
             JOIN pg_catalog.pg_class AS p ON p.oid = k.confrelid
             JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
             WHERE k.contype = 'f' AND k.conparentid = 0
             ORDER BY n.nspname, c.relname, k.conname",
            &[],
        )? {
            let does = |index| -> Result<Referential, Error> {
                let word: String = get(&row, index)?;
                Ok(match word.as_str() {
                    "c" => Referential::Cascade,
                    "n" | "d" => Referential::Set,
                    _ => Referential::None,
                })
            };
            found.foreign_keys.push(ForeignKey {
                name: get(&row, 0)?,
                table: TableId {
                    schema: get(&row, 1)?,
                    name: get(&row, 2)?,
                },
                parent: TableId {
                    schema: get(&row, 3)?,
                    name: get(&row, 4)?,
                },
                on_delete: does(5)?,
                on_update: does(6)?,
                columns: get(&row, 7)?,
            });
        }
        for row in self.read(
            "read the subscriptions",
            "SELECT DISTINCT n.nspname, c.relname
             FROM pg_catalog.pg_subscription_rel AS s
             JOIN pg_catalog.pg_class AS c ON c.oid = s.srrelid
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace",
            &[],
        )? {
            found.subscribed.insert(TableId {
                schema: get(&row, 0)?,
                name: get(&row, 1)?,
            });
        }
        Ok(found)
    }

    pub(super) fn read_unknown_relations(
        &mut self,
        names: &[TableRef],
    ) -> Result<BTreeSet<TableRef>, Error> {
        let schemas: Vec<Option<&str>> = names.iter().map(|name| name.schema.as_deref()).collect();
        let wanted: Vec<&str> = names.iter().map(|name| name.name.as_str()).collect();
        let rows = self.read(
            "look for the tables that bodies name",
            "SELECT asked.number::pg_catalog.int8
             FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
               WITH ORDINALITY AS asked(schema, name, number)
             WHERE NOT EXISTS (
               SELECT FROM pg_catalog.pg_class AS c
               JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
               WHERE c.relname = asked.name
                 AND CASE WHEN asked.schema IS NULL THEN pg_catalog.pg_table_is_visible(c.oid) ELSE n.nspname = asked.schema END)",
            &[(&schemas, Type::TEXT_ARRAY), (&wanted, Type::TEXT_ARRAY)],
        )?;
        rows.iter()
            .map(|row| {
                let number: i64 = get(row, 0)?;
                let index = usize::try_from(number - 1).unwrap_or_default();
                Ok(names.get(index).cloned())
            })
            .filter_map(Result::transpose)
            .collect()
    }

    pub(super) fn read_routines(&mut self, names: &[TableRef]) -> Result<Vec<Routine>, Error> {
        if names.is_empty() {
            return Ok(vec![]);
        }
        let schemas: Vec<Option<&str>> = names.iter().map(|name| name.schema.as_deref()).collect();
        let wanted: Vec<&str> = names.iter().map(|name| name.name.as_str()).collect();
        // The body of one that was written as `BEGIN ATOMIC` or RETURN is kept as a tree.
        let kept = match self.server.major {
            ..14 => "NULL",
            _ => "pg_catalog.pg_get_function_sqlbody(p.oid)",
        };
        let rows = self.read(
            "read the functions that bodies call",
            &format!("SELECT asked.number::pg_catalog.int8, n.nspname, p.proname, l.lanname,
                    CASE WHEN l.lanname IN ('plpgsql', 'sql') THEN COALESCE(NULLIF(p.prosrc, ''), {kept}) END,
                    (SELECT pg_catalog.substr(s.setting, pg_catalog.length('search_path=') + 1)
                     FROM pg_catalog.unnest(p.proconfig) AS s(setting) WHERE s.setting LIKE 'search_path=%')
             FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
               WITH ORDINALITY AS asked(schema, name, number)
             JOIN pg_catalog.pg_proc AS p ON p.proname = asked.name
             JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
             JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
             WHERE CASE WHEN asked.schema IS NULL THEN pg_catalog.pg_function_is_visible(p.oid) ELSE n.nspname = asked.schema END
               AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND p.prokind IN ('f', 'p')
               AND l.lanname NOT IN ('c', 'internal')
             ORDER BY asked.number, n.nspname, p.oid"),
            &[(&schemas, Type::TEXT_ARRAY), (&wanted, Type::TEXT_ARRAY)],
        )?;
        rows.iter()
            .map(|row| {
                let number: i64 = get(row, 0)?;
                let path: Option<String> = get(row, 5)?;
                Ok(Routine {
                    asked: usize::try_from(number - 1).unwrap_or_default(),
                    id: FunctionId {
                        schema: get(row, 1)?,
                        name: get(row, 2)?,
                    },
                    language: get(row, 3)?,
                    source: get(row, 4)?,
                    search_path: path.map(|path| {
                        path.split(',')
                            .map(|part| crate::sql::unquote(part.trim()).into_owned())
                            .collect()
                    }),
                })
            })
            .collect()
    }
}
