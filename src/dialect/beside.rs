//! What a trigger names beside the table that it is on: tables of constraints, partitions, and functions. Which ones an
//! unqualified name means is the database's to say, and is found before anything is lowered.

use std::collections::BTreeMap;

use super::{Table, TableFacts};
use crate::model::{FunctionId, TableId};
use crate::spec::TableRef;

/// The names of a spec, as the database resolves them.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// The schema that unqualified new names belong to.
    pub schema: String,
    /// The tables that were found, by the name as it is written.
    pub tables: BTreeMap<(Option<String>, String), Table>,
    /// The schemas of unqualified functions.
    pub functions: BTreeMap<String, String>,
}

impl Beside {
    /// Nothing was looked up: every unqualified name is in this schema.
    pub fn nothing(schema: &str) -> Self {
        Self {
            schema: schema.to_owned(),
            ..Self::default()
        }
    }

    /// The table of this name, with what is known of it.
    pub(super) fn table(&self, reference: &TableRef) -> (TableId, Option<&TableFacts>) {
        let key = (reference.schema.clone(), reference.name.clone());
        if let Some(table) = self.tables.get(&key) {
            return (table.id.clone(), table.facts.as_ref());
        }
        let schema = reference.schema.as_ref().unwrap_or(&self.schema);
        let id = TableId {
            schema: schema.clone(),
            name: reference.name.clone(),
        };
        (id, None)
    }

    /// The function of this name.
    pub(super) fn function(&self, reference: &TableRef) -> FunctionId {
        let found = || self.functions.get(&reference.name);
        let schema = reference.schema.as_ref().or_else(found);
        FunctionId {
            schema: schema.unwrap_or(&self.schema).clone(),
            name: reference.name.clone(),
        }
    }
}
