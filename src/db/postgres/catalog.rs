//! One read of the catalog: every trigger in scope and every function with a fingerprint that the server computes, so
//! that ten thousand unchanged objects cost a hash each and no definition travels.

use std::collections::{HashMap, HashSet};

use postgres::types::Type;

use super::moment::{Functions, Triggers};
use super::{Postgres, get};
use crate::db::{Catalog, Fingerprint, Listed, Reach, Scope};
use crate::dialect::Server;
use crate::error::Error;
use crate::model::{FunctionId, ObjectId, TableId, TriggerId};

/// PostgreSQL 12 has no `pg_trigger.tgparentid`; there a clone depends on the trigger that it stems from.
const TRIGGERS_BEFORE_13: &str = "(SELECT own.*, COALESCE(parent.refobjid, 0) AS tgparentid
  FROM pg_catalog.pg_trigger own
  LEFT JOIN pg_catalog.pg_depend parent
    ON parent.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND parent.objid = own.oid
    AND parent.refclassid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND parent.deptype = 'P')";

/// Fill in the parts of a query that are shared by all: what is read stays the same text everywhere, so that
/// fingerprints from different queries cannot differ.
pub(super) fn assemble(query: &str, joins: &str, server: Server) -> String {
    // The server stores the position of each node in the CREATE TRIGGER text up to 16, and -1 from 17 on
    // (nodeToString): it is cut out, by splitting, which takes a third of a regular expression's time. In a name that
    // contains the same words the spaces are escaped.
    let condition = if server.major >= 17 {
        "t.tgqual::pg_catalog.text"
    } else {
        include_str!("sql/condition_before_17.sql").trim_end()
    };
    let triggers = if server.major >= 13 {
        "pg_catalog.pg_trigger"
    } else {
        TRIGGERS_BEFORE_13
    };
    query
        .replace("{shared}", include_str!("sql/shared.sql").trim_end())
        .replace("{triggers}", include_str!("sql/triggers.sql").trim_end())
        .replace("{functions}", include_str!("sql/functions.sql").trim_end())
        .replace("{joins}", joins.trim_end())
        .replace(
            "{own_trigger_fingerprint}",
            include_str!("sql/own_trigger_fingerprint.sql").trim_end(),
        )
        .replace(
            "{own_function_fingerprint}",
            include_str!("sql/own_function_fingerprint.sql").trim_end(),
        )
        .replace(
            "{trigger_fingerprint}",
            include_str!("sql/trigger_fingerprint.sql").trim_end(),
        )
        .replace(
            "{function_fingerprint}",
            include_str!("sql/function_fingerprint.sql").trim_end(),
        )
        .replace("{condition}", condition)
        .replace("{pg_trigger}", triggers)
}

/// For scripts: a query of every trigger and trigger function, each with the fingerprint that `catalog` would report
/// (kind, schema, table, name, fingerprint; a function's table is empty).
pub(super) fn live_sql(server: Server) -> String {
    assemble(include_str!("sql/live.sql").trim_end(), "", server)
}

impl Postgres {
    /// See [`crate::db::Database::catalog`].
    pub(super) fn read_catalog(&mut self, scope: &Scope<'_>) -> Result<Catalog, Error> {
        if let Some(ahead) = self.ahead.take() {
            if ahead.covers(scope) {
                return self.sort(scope, Listed::Ours, ahead.triggers, ahead.functions);
            }
            log::debug!("what was read ahead of the catalog is not all: it is read anew");
        }
        let query = include_str!("sql/catalog.sql").replace("{also_known}", "");
        let query = assemble(&query, "", self.server);
        self.read_found(scope, &query, Listed::Ours)
    }

    /// See [`crate::db::Database::listing`].
    pub(super) fn read_listing(
        &mut self,
        scope: &Scope<'_>,
        listed: Listed,
    ) -> Result<Catalog, Error> {
        const NOTHING: &str = "''::pg_catalog.text";
        let called = match listed {
            Listed::Ours => "",
            Listed::All => include_str!("sql/called.sql").trim_end(),
        };
        let query = include_str!("sql/catalog.sql")
            .replace("{also_known}", called)
            .replace("{trigger_fingerprint}", NOTHING)
            .replace("{function_fingerprint}", NOTHING);
        let query = assemble(&query, "", self.server);
        self.read_found(scope, &query, listed)
    }

    fn read_found(
        &mut self,
        scope: &Scope<'_>,
        query: &str,
        listed: Listed,
    ) -> Result<Catalog, Error> {
        let schemas: Vec<&str> = scope.schemas.iter().map(String::as_str).collect();
        let known: Vec<&FunctionId> = scope
            .known
            .iter()
            .filter_map(|id| match &**id {
                ObjectId::Function(function) => Some(function),
                ObjectId::Trigger(_) => None,
            })
            .collect();
        let (triggers, functions) = self.read_rows(&schemas, &known, query)?;
        self.sort(scope, listed, triggers, functions)
    }

    /// Read the catalog for whatever scope it will turn out to be, as long as its schemas are these: every function of theirs
    /// counts as known, and [`Self::sort_out`] leaves out what a scope does not want.
    pub(super) fn read_reach(&mut self, reach: &Reach) -> Result<(Triggers, Functions), Error> {
        let query = include_str!("sql/catalog.sql")
            .replace("{also_known}", include_str!("sql/called.sql").trim_end());
        let query = assemble(&query, "", self.server);
        let schemas: Vec<&str> = reach.schemas.iter().map(String::as_str).collect();
        let uncalled: Vec<&FunctionId> = reach.uncalled.iter().collect();
        self.read_rows(&schemas, &uncalled, &query)
    }

    fn read_rows(
        &mut self,
        schemas: &[&str],
        known: &[&FunctionId],
        query: &str,
    ) -> Result<(Triggers, Functions), Error> {
        let known_schemas: Vec<&str> = known.iter().map(|id| id.schema.as_str()).collect();
        let known_names: Vec<&str> = known.iter().map(|id| id.name.as_str()).collect();
        let mut triggers = vec![];
        let mut functions = HashMap::new();
        // Row by row: what the server has sent is taken in while it works on the next.
        self.read_each(
            "read the triggers and functions",
            query,
            &[
                (&schemas, Type::TEXT_ARRAY),
                (&known_schemas, Type::TEXT_ARRAY),
                (&known_names, Type::TEXT_ARRAY),
            ],
            |row| {
                let schema: String = get(row, 0)?;
                let table: Option<String> = get(row, 1)?;
                let name: String = get(row, 2)?;
                let function: u32 = get(row, 3)?;
                let fingerprint: Option<String> = get(row, 4)?;
                let fingerprint = fingerprint.map(Fingerprint::from);
                match table {
                    Some(table) => {
                        let table = TableId {
                            schema,
                            name: table,
                        };
                        triggers.push((TriggerId { table, name }, function, fingerprint));
                    }
                    None => {
                        functions.insert(function, (FunctionId { schema, name }, fingerprint));
                    }
                }
                Ok(())
            },
        )?;
        Ok((triggers, functions))
    }

    /// What these rows say of a scope.
    fn sort(
        &mut self,
        scope: &Scope<'_>,
        listed: Listed,
        triggers: Triggers,
        functions: Functions,
    ) -> Result<Catalog, Error> {
        let members: Vec<ObjectId> = {
            let functions = functions
                .values()
                .filter(|(_, fingerprint)| fingerprint.is_none())
                .map(|(id, _)| ObjectId::Function(id.clone()));
            let triggers = triggers
                .iter()
                .filter(|(id, _, fingerprint)| {
                    fingerprint.is_none() && scope.schemas.contains(&id.table.schema)
                })
                .map(|(id, _, _)| ObjectId::Trigger(id.clone()));
            functions
                .chain(triggers)
                .filter(|id| scope.known.contains(id))
                .collect()
        };
        let mut catalog = Self::sort_out(scope, listed, triggers, functions);
        for id in members {
            if let Some(extension) = self.extension_of(&id)? {
                catalog.taken_over.insert(id, extension);
            }
        }
        Ok(catalog)
    }

    /// The extension that a function, or a trigger's table, belongs to.
    fn extension_of(&mut self, id: &ObjectId) -> Result<Option<String>, Error> {
        let name = match id {
            ObjectId::Function(function) => &function.name,
            ObjectId::Trigger(trigger) => &trigger.table.name,
        };
        let is_function = matches!(id, ObjectId::Function(_));
        let rows = self.read(
            "read the extension of an object",
            "SELECT e.extname FROM pg_catalog.pg_depend d
             JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
             WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
               AND CASE WHEN $3 THEN d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid IN (
                     SELECT p.oid FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                     WHERE n.nspname = $1 AND p.proname = $2 AND p.pronargs = 0)
                   ELSE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid IN (
                     SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                     WHERE n.nspname = $1 AND c.relname = $2) END",
            &[
                (&id.schema(), Type::TEXT),
                (name, Type::TEXT),
                (&is_function, Type::BOOL),
            ],
        )?;
        rows.first().map(|row| get(row, 0)).transpose()
    }

    /// What of the rows counts as listed, and what only as a caller.
    fn sort_out(
        scope: &Scope<'_>,
        listed: Listed,
        triggers: Triggers,
        functions: Functions,
    ) -> Catalog {
        let mut catalog = Catalog::default();
        // A map is made of a list at once in a fraction of the time that it takes to put in one after the other.
        let mut fingerprints = Vec::with_capacity(triggers.len() + functions.len());
        let mut callers: HashMap<u32, (FunctionId, Vec<TriggerId>)> = HashMap::new();
        let mut of_extensions: HashSet<u32> = HashSet::new();
        let called: HashSet<u32> = triggers
            .iter()
            .filter(|(_, _, fingerprint)| fingerprint.is_some())
            .map(|(_, function, _)| *function)
            .collect();
        for (oid, (id, fingerprint)) in functions {
            let object = ObjectId::Function(id.clone());
            let all = listed == Listed::All && fingerprint.is_some();
            if all || scope.known.contains(&object) {
                callers.insert(oid, (id, vec![]));
            } else if !called.contains(&oid) {
                continue;
            }
            match fingerprint {
                Some(fingerprint) => fingerprints.push((object, fingerprint)),
                None => {
                    of_extensions.insert(oid);
                }
            }
        }
        for (id, function, fingerprint) in triggers {
            if let Some((_, callers)) = callers.get_mut(&function) {
                callers.push(id.clone());
            }
            let object = ObjectId::Trigger(id);
            if let Some(fingerprint) = fingerprint {
                // An extension that puts its function on a table of the user's did so itself, unless the spec or the
                // history says that we did.
                let all = listed == Listed::All;
                if all || !of_extensions.contains(&function) || scope.known.contains(&object) {
                    fingerprints.push((object, fingerprint));
                } else if let ObjectId::Trigger(id) = object {
                    catalog.of_extensions.insert(id);
                }
            }
        }
        let called = callers.into_values().filter_map(|(id, mut callers)| {
            callers.sort_unstable();
            callers.shrink_to_fit();
            (!callers.is_empty()).then_some((id, callers))
        });
        catalog.callers = called.collect();
        catalog.fingerprints = fingerprints.into_iter().collect();
        catalog
    }
}
