//! Publications that take in what a migration makes, and subscriptions that write to the history.

use postgres::types::Type;

use super::{Postgres, get};
use crate::db::replication::{Published, Replication};
use crate::error::Error;
use crate::model::TableId;

/// The history's tables, in its schema.
const HISTORY: [&str; 2] = ["migrations", "objects"];

impl Postgres {
    /// See [`crate::db::Database::replication`].
    pub(super) fn read_replication(
        &mut self,
        new: &[&TableId],
        with_history: bool,
    ) -> Result<Replication, Error> {
        let history = self.history_schema.clone();
        let of_history = HISTORY.map(|name| (history.as_str(), name));
        let made = new
            .iter()
            .map(|table| (table.schema.as_str(), table.name.as_str()))
            .chain(of_history.into_iter().filter(|_| with_history));
        let (schemas, names): (Vec<&str>, Vec<&str>) = made.unzip();
        // Publications of whole schemas are as old as version 15.
        let of_schema = match self.server.major {
            ..15 => "false",
            _ => {
                "EXISTS (SELECT FROM pg_catalog.pg_publication_namespace AS s
                         JOIN pg_catalog.pg_namespace AS n ON n.oid = s.pnnspid
                         WHERE s.pnpubid = p.oid AND n.nspname = made.schema)"
            }
        };
        // Without a slot nobody reads, and a subscription that comes later says itself what it lacks. `pgoutput` is what
        // publications are read through; other plugins take no notice of them.
        let rows = self.read(
            "see what is replicated",
            &format!(
                "SELECT p.pubname, pg_catalog.format('%s.%s', made.schema, made.name), false
                 FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
                   AS made(schema, name)
                 JOIN pg_catalog.pg_publication AS p ON p.pubinsert AND (p.puballtables OR {of_schema})
                 WHERE EXISTS (SELECT FROM pg_catalog.pg_replication_slots AS s
                               WHERE s.plugin = 'pgoutput' AND s.database = pg_catalog.current_database())
                 UNION ALL
                 SELECT NULL, NULL, true
                 FROM pg_catalog.pg_subscription_rel AS s
                 JOIN pg_catalog.pg_class AS c ON c.oid = s.srrelid
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                 WHERE n.nspname = $3 AND c.relname IN ('migrations', 'objects')
                 ORDER BY 1, 2"
            ),
            &[
                (&schemas, Type::TEXT_ARRAY),
                (&names, Type::TEXT_ARRAY),
                (&history, Type::TEXT),
            ],
        )?;
        let mut found = Replication::default();
        for row in &rows {
            if get(row, 2)? {
                found.receives_history = true;
                continue;
            }
            let (publication, table): (String, String) = (get(row, 0)?, get(row, 1)?);
            let published = found.published.get_or_insert_with(|| Published {
                publication,
                tables: vec![],
            });
            if !published.tables.contains(&table) {
                published.tables.push(table);
            }
        }
        Ok(found)
    }
}
