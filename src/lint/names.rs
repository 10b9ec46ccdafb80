//! Which table a name in a PL/pgSQL body stands for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::db::Database;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::model::{Function, FunctionId, TableId};
use crate::plpgsql::{Name, Walk};
use crate::spec::TableRef;

/// The tables that names were found to stand for.
#[derive(Debug, Default)]
pub struct Names {
    /// With a database: what each name stands for, if anything.
    found: Option<BTreeMap<TableRef, Option<TableId>>>,
    /// What is no relation at all.
    missing: BTreeSet<TableRef>,
    /// Without one: the tables that the spec speaks of, by their names alone.
    known: HashMap<String, Vec<TableId>>,
    default_schema: String,
    /// Tables that the migration creates.
    created: BTreeSet<TableId>,
}

/// The tables that a walk names.
pub(super) fn of_walk(walk: &Walk) -> impl Iterator<Item = TableRef> + '_ {
    let writes = walk.writes.iter().map(|(write, _)| &write.table.name);
    let reads = walk.reads.iter().map(|table| &table.name);
    writes.chain(reads).map(reference)
}

/// A name as the database is asked for it.
pub(super) fn reference(name: &Name) -> TableRef {
    TableRef {
        schema: name.schema.clone(),
        name: name.name.clone(),
        is_pattern: false,
    }
}

fn within(schema: &str, name: &str) -> TableRef {
    TableRef {
        schema: Some(schema.to_owned()),
        name: name.to_owned(),
        is_pattern: false,
    }
}

impl Names {
    /// Look all names up at once; unqualified ones in the functions' own search paths too.
    pub(super) fn of(
        names: &BTreeSet<TableRef>,
        known: BTreeSet<TableId>,
        dialect: &dyn Dialect,
        database: Option<&mut (dyn Database + '_)>,
        functions: &BTreeMap<FunctionId, Arc<Function>>,
    ) -> Result<Self, Error> {
        let default_schema = dialect.default_schema().to_owned();
        let Some(database) = database else {
            return Ok(Self {
                found: None,
                missing: BTreeSet::new(),
                known: by_name(known),
                default_schema,
                created: BTreeSet::new(),
            });
        };
        let mut asked = names.clone();
        for schema in functions.values().filter_map(|it| path(it)).flatten() {
            asked.extend(
                names
                    .iter()
                    .filter(|name| name.schema.is_none())
                    .map(|name| within(&schema, &name.name)),
            );
        }

        let asked: Vec<TableRef> = asked.into_iter().collect();
        let tables = database.tables(&asked)?;
        let nowhere: Vec<TableRef> = asked
            .iter()
            .zip(&tables)
            .filter(|(_, tables)| tables.is_empty())
            .map(|(name, _)| name.clone())
            .collect();
        let mut missing = BTreeSet::new();
        if !nowhere.is_empty() {
            missing = database.unknown_relations(&nowhere)?;
        }
        // Who fires the trigger may look into other schemas than we do, and most of all into those of the trigger.
        let homes: BTreeSet<&String> = known
            .iter()
            .map(|table| &table.schema)
            .chain(functions.keys().map(|function| &function.schema))
            .collect();
        let at_home: Vec<TableRef> = missing
            .iter()
            .filter(|name| name.schema.is_none())
            .flat_map(|name| homes.iter().map(|home| within(home, &name.name)))
            .collect();
        if !at_home.is_empty() {
            missing.extend(database.unknown_relations(&at_home)?);
        }
        let found = asked
            .into_iter()
            .zip(tables)
            .map(|(name, tables)| (name, tables.into_iter().next().map(|table| table.id)))
            .collect();
        Ok(Self {
            found: Some(found),
            missing,
            known: HashMap::new(),
            default_schema,
            created: BTreeSet::new(),
        })
    }

    /// These tables will be there.
    pub(super) fn create(&mut self, tables: &BTreeSet<TableId>) {
        self.created.clone_from(tables);
    }

    fn new_table(&self, name: &Name) -> Option<&TableId> {
        self.created.iter().find(|table| {
            table.name == name.name
                && name
                    .schema
                    .as_ref()
                    .is_none_or(|schema| *schema == table.schema)
        })
    }

    /// The table; `None` where there is none of that name.
    pub fn table(&self, name: &Name, function: Option<&Function>) -> Option<TableId> {
        let found = self.existing(name, function);
        found.or_else(|| self.new_table(name).cloned())
    }

    fn existing(&self, name: &Name, function: Option<&Function>) -> Option<TableId> {
        let name = reference(name);
        let Some(found) = &self.found else {
            return Some(self.guess(&name));
        };
        if let (None, Some(path)) = (&name.schema, function.and_then(path)) {
            return path.into_iter().find_map(|schema| {
                let named = found.get(&within(&schema, &name.name));
                named.cloned().flatten()
            });
        }
        found.get(&name).cloned().flatten()
    }

    /// Whether there certainly is no table, view or sequence of that name for a function, called by a trigger on that table. Where
    /// the function has no search path of its own, one in a schema of theirs may be found by whoever fires the trigger.
    pub fn is_missing(&self, name: &Name, function: &Function, table: &TableId) -> bool {
        if self.new_table(name).is_some() {
            return false;
        }
        let name = reference(name);
        match (&name.schema, path(function)) {
            (None, Some(path)) => {
                !path.is_empty()
                    && path.iter().all(|schema| {
                        // `$user` may be any schema, and pg_temp has tables that nobody else sees.
                        !schema.starts_with('$')
                            && (schema.eq_ignore_ascii_case("pg_temp")
                                || self.missing.contains(&within(schema, &name.name)))
                    })
                    && !name.name.starts_with("pg_")
            }
            (None, None) => {
                let homes = [&table.schema, &function.id.schema];
                let at_home = homes.map(|home| within(home, &name.name));
                self.missing.contains(&name) && at_home.iter().all(|it| self.missing.contains(it))
            }
            _ => self.missing.contains(&name),
        }
    }

    /// All tables that names stand for.
    pub fn tables(&self) -> impl Iterator<Item = &TableId> {
        self.found
            .iter()
            .flatten()
            .filter_map(|(_, table)| table.as_ref())
    }

    fn guess(&self, name: &TableRef) -> TableId {
        match (&name.schema, self.known.get(&name.name).map(Vec::as_slice)) {
            (None, Some([only])) => only.clone(),
            (schema, _) => TableId {
                schema: schema
                    .clone()
                    .unwrap_or_else(|| self.default_schema.clone()),
                name: name.name.clone(),
            },
        }
    }
}

fn by_name(tables: BTreeSet<TableId>) -> HashMap<String, Vec<TableId>> {
    let mut known: HashMap<String, Vec<TableId>> = HashMap::new();
    for table in tables {
        known.entry(table.name.clone()).or_default().push(table);
    }
    known
}

/// A function's own search path.
fn path(function: &Function) -> Option<Vec<String>> {
    function
        .settings
        .iter()
        .find(|setting| setting.name == "search_path")
        .map(|setting| setting.values.clone())
}
