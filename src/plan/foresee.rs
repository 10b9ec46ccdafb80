//! Asking the database ahead what a plan will surely ask it of: the server takes a while to answer, and whoever waits for it has
//! something else to do, such as rendering the DDL of a thousand triggers. A plan asks again for what it misses.

use std::collections::{BTreeMap, BTreeSet};

use crate::db::size::TableState;
use crate::db::{Catalog, Database, History};
use crate::desired::Desired;
use crate::error::{Diagnostic, Error};
use crate::model::{Definition, ObjectId, TableId};

use super::check::{leaves_checking, with_called};
use super::make::Options;

/// So many take longer than a question costs.
const WORTH_FORESEEING: usize = 10;

/// What was asked before it was needed.
#[derive(Default)]
pub struct Foreseen {
    /// What is known of the tables that something is to be done on.
    pub(crate) states: BTreeMap<TableId, TableState>,
    /// What the engine said of what is to be made.
    pub(super) checked: Checked,
}

/// What the engine said of some definitions.
#[derive(Default)]
pub(super) struct Checked {
    /// Which these were.
    pub(super) ids: BTreeSet<ObjectId>,
    /// What is wrong with them.
    pub(super) faults: Vec<(ObjectId, Diagnostic)>,
}

/// Ask of desired objects that are not there how big their tables are, where `states` does not say it, and what the engine
/// would say of them.
pub fn foresee<'a>(
    objects: impl Iterator<Item = (&'a ObjectId, &'a Desired)>,
    (history, catalog): (&History, &Catalog),
    mut states: BTreeMap<TableId, TableState>,
    options: &Options,
    database: &mut dyn Database,
) -> Foreseen {
    let checked = Checked::default();
    if !options.targets.is_empty() {
        return Foreseen { states, checked };
    }
    let desired: BTreeMap<&ObjectId, &Desired> = objects.collect();
    let is_missing = |id: &ObjectId| !catalog.fingerprints.contains_key(id);
    let tables: BTreeSet<TableId> = desired
        .iter()
        .flat_map(|(id, wanted)| std::iter::once(*id).chain(wanted.renamed_from.as_deref()))
        .filter(|id| is_missing(id))
        .filter_map(ObjectId::table)
        .filter(|table| !states.contains_key(table))
        .cloned()
        .collect();
    foresee_states(&tables, &mut states, |tables| database.table_states(tables));
    // Where the engine looks at the DDL, that must be rendered first.
    if options.check_all || database.looks_at_ddl() || leaves_checking(options, database) {
        return Foreseen { states, checked };
    }
    let is_new = |id: &ObjectId, wanted: &Desired| {
        is_missing(id)
            && !history.records.contains_key(id)
            && wanted.renamed_from.is_none()
            && !wanted.faults_allowed
    };
    let new = with_called(
        desired.iter().map(|(id, wanted)| (*id, *wanted)),
        |id| desired.get_key_value(id).map(|(id, wanted)| (*id, *wanted)),
        is_new,
    );
    Foreseen {
        states,
        checked: if new.len() < WORTH_FORESEEING {
            checked
        } else {
            check(&new, options, database)
        },
    }
}

/// Ask what is known of tables, unless they are too few, and whether it was asked. What is not told now a plan asks for.
pub(crate) fn foresee_states(
    tables: &BTreeSet<TableId>,
    states: &mut BTreeMap<TableId, TableState>,
    ask: impl FnOnce(&BTreeSet<TableId>) -> Result<BTreeMap<TableId, TableState>, Error>,
) -> bool {
    if tables.len() < WORTH_FORESEEING {
        return false;
    }
    match ask(tables) {
        Ok(found) => states.extend(found),
        Err(error) => log::debug!("of the tables nothing is known yet: {error}"),
    }
    true
}

fn check(
    new: &BTreeMap<&ObjectId, &Desired>,
    options: &Options,
    database: &mut dyn Database,
) -> Checked {
    let definitions: Vec<&Definition> = new.values().map(|wanted| &wanted.definition).collect();
    match database.check(&definitions, &options.tables) {
        Ok(faults) => Checked {
            ids: new.keys().map(|id| (*id).clone()).collect(),
            faults,
        },
        Err(error) => {
            log::debug!("what is to be made is not checked yet: {error}");
            Checked::default()
        }
    }
}
