//! What of an import is to be looked at once more, together: tables whose triggers have something wrong with them, all that
//! call the same function, and circles of tables that write each other, which no piece alone shows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use crate::lint::Faults;
use crate::lint::cycles::strongly_connected;
use crate::model::{FunctionId, ObjectId, TableId, TriggerId};
use crate::spec::Spec;

use super::faults;
use super::represent::Drafts;

/// A table's schema and name as the most lenient engine compares them: to look at too much does no harm.
type Folded = (String, String);

fn folded(table: &TableId) -> Folded {
    (table.schema.to_lowercase(), table.name.to_lowercase())
}

/// What is to be looked at once more.
#[derive(Default)]
pub(super) struct Suspects {
    tables: BTreeSet<Folded>,
    functions: BTreeSet<FunctionId>,
    /// Tables whose triggers write others, with these.
    writes: BTreeSet<(Folded, Folded)>,
}

impl Suspects {
    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.functions.is_empty()
    }

    pub(super) fn has_table(&self, table: &TableId) -> bool {
        self.tables.contains(&folded(table))
    }

    pub(super) fn has_function(&self, function: &FunctionId) -> bool {
        self.functions.contains(function)
    }

    /// Take in what was found in a piece.
    pub(super) fn add(&mut self, drafts: &Drafts, spec: &Spec, faults: Faults) {
        let Faults { errors, writes } = faults;
        self.add_writes(&writes);
        for id in faults::owners(drafts, spec, &errors) {
            match id {
                ObjectId::Trigger(trigger) => {
                    self.tables.insert(folded(&trigger.table));
                }
                ObjectId::Function(function) => {
                    self.functions.insert(function);
                }
            }
        }
    }

    pub(super) fn add_writes(&mut self, writes: &BTreeSet<(TableId, TableId)>) {
        let writes = writes.iter();
        self.writes
            .extend(writes.map(|(from, to)| (folded(from), folded(to))));
    }

    /// What is wrong with a function is wrong with all that call it.
    pub(super) fn suspect_callers(&mut self, callers: &BTreeMap<FunctionId, Vec<TriggerId>>) {
        let callers = self.functions.iter().filter_map(|id| callers.get(id));
        let tables = callers.flatten().map(|trigger| folded(&trigger.table));
        self.tables.extend(tables);
    }

    /// Circles of tables that are in several of these pieces, or have other triggers.
    pub(super) fn suspect_circles(
        &mut self,
        triggers: &[TriggerId],
        pieces: &[Range<usize>],
        others: &[ObjectId],
    ) {
        let circles = self.circles();
        if circles.is_empty() {
            return;
        }
        let mut circle_of: HashMap<Folded, usize> = HashMap::new();
        for (number, circle) in circles.iter().enumerate() {
            circle_of.extend(circle.iter().map(|table| (table.clone(), number)));
        }
        // The pieces that each circle is in; others are in none of them.
        let mut places: Vec<BTreeSet<Option<usize>>> = vec![BTreeSet::new(); circles.len()];
        let mut note = |table: &TableId, piece: Option<usize>| {
            let circle = circle_of.get(&folded(table));
            if let Some(places) = circle.and_then(|circle| places.get_mut(*circle)) {
                places.insert(piece);
            }
        };
        for (number, range) in pieces.iter().enumerate() {
            for trigger in triggers.get(range.clone()).unwrap_or_default() {
                note(&trigger.table, Some(number));
            }
        }
        for table in others.iter().filter_map(ObjectId::table) {
            note(table, None);
        }
        for (circle, places) in circles.into_iter().zip(places) {
            if places.len() > 1 {
                self.tables.extend(circle);
            }
        }
    }

    /// The tables whose triggers write each other in a circle, by circles that have nothing to do with each other.
    fn circles(&self) -> Vec<Vec<Folded>> {
        let tables = self.writes.iter().flat_map(|(from, to)| [from, to]);
        let tables: BTreeSet<&Folded> = tables.collect();
        let tables: Vec<&Folded> = tables.into_iter().collect();
        let mut next = vec![vec![]; tables.len()];
        for (from, to) in &self.writes {
            if let (Ok(from), Ok(to)) = (tables.binary_search(&from), tables.binary_search(&to))
                && let Some(next) = next.get_mut(from)
            {
                next.push(to);
            }
        }
        let goes_round = |part: &Vec<usize>| {
            let only = match part.as_slice() {
                [only] => *only,
                _ => return true,
            };
            next.get(only).is_some_and(|next| next.contains(&only))
        };
        let circles = strongly_connected(&next).into_iter().filter(goes_round);
        let named = |circle: Vec<usize>| {
            let tables = circle.into_iter().filter_map(|at| tables.get(at));
            tables.map(|table| (*table).clone()).collect()
        };
        circles.map(named).collect()
    }
}
