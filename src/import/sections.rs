//! What of an import is kept: its text, by the tables that it is about. All that it is made from is needed for a piece of it
//! at a time.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::{FunctionId, TableId, TriggerId};

use super::document::{self, Group, Part};
use super::represent::Drafts;

/// The text of what was imported, and what is in it.
#[derive(Debug, Default)]
pub(super) struct Sections {
    /// Functions that no table has to itself, in the order in which they were met.
    shared: Vec<String>,
    /// Where each of them is.
    places: BTreeMap<FunctionId, usize>,
    tables: BTreeMap<TableId, Part>,
    /// All functions, those that are generated for a trigger not counted, in the order in which they were met.
    pub(super) functions: Vec<FunctionId>,
    met: BTreeSet<FunctionId>,
}

impl Sections {
    /// Take in what these drafts say, in place of what was said of the same before.
    pub(super) fn put(
        &mut self,
        drafts: &Drafts,
        callers: &BTreeMap<FunctionId, Vec<TriggerId>>,
        qualifies: bool,
    ) {
        for function in &drafts.functions {
            if self.met.insert(function.id.clone()) {
                self.functions.push(function.id.clone());
            }
        }
        for group in document::groups(drafts, callers) {
            let Some(table) = group.table else {
                self.put_shared(&group);
                continue;
            };
            self.tables.insert(table.clone(), group.part(qualifies));
        }
    }

    /// Whether there is something of this function.
    pub(super) fn has(&self, id: &FunctionId) -> bool {
        self.met.contains(id)
    }

    fn put_shared(&mut self, group: &Group<'_>) {
        for function in &group.functions {
            let mut text = String::new();
            function.write(&mut text);
            text.shrink_to_fit();
            let place = self.places.get(&function.id);
            if let Some(known) = place.and_then(|place| self.shared.get_mut(*place)) {
                *known = text;
            } else {
                self.places.insert(function.id.clone(), self.shared.len());
                self.shared.push(text);
            }
        }
    }

    /// What several tables share first, then table by table.
    pub(super) fn parts(&self) -> impl Iterator<Item = (Option<&TableId>, Cow<'_, Part>)> {
        let shared = (!self.shared.is_empty()).then(|| Part::of_shared(&self.shared));
        let shared = shared.map(|part| (None, Cow::Owned(part)));
        let tables = self.tables.iter();
        let tables = tables.map(|(table, part)| (Some(table), Cow::Borrowed(part)));
        shared.into_iter().chain(tables)
    }
}
