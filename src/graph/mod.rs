//! The write graph: tables, the triggers on them, and the tables that those write. [`dot`], [`mermaid`], [`svg`] and [`json`]
//! print it.

pub mod dot;
pub mod json;
mod layout;
pub mod mermaid;
pub mod svg;

use std::collections::{BTreeMap, BTreeSet};

use crate::effects::Referential;
use crate::lint::cycles;
use crate::lint::subject::{Subject, shown};
use crate::model::{Event, TableId, Timing, TriggerId};

/// The graph.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// Tables that have triggers or are written by one.
    pub tables: Vec<Table>,
    /// The triggers, in the order of their tables.
    pub triggers: Vec<Trigger>,
    /// Which trigger writes which table.
    pub writes: Vec<Write>,
    /// Foreign keys between the tables that change rows.
    pub keys: Vec<Key>,
    /// Triggers that fire each other.
    pub cycles: Vec<Vec<usize>>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its identity.
    pub id: TableId,
    /// As people of the engine name it.
    pub title: String,
}

/// A trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Its identity.
    pub id: TriggerId,
    /// The table that it is on.
    pub table: usize,
    /// BEFORE, AFTER or INSTEAD OF.
    pub timing: Timing,
    /// What fires it.
    pub events: BTreeSet<Event>,
    /// Whether the spec asks for it.
    pub in_spec: bool,
    /// It never fires in an ordinary session.
    pub idle: bool,
    /// What could not be found out.
    pub unknown: Vec<String>,
}

/// A trigger that writes a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The trigger.
    pub trigger: usize,
    /// The table.
    pub table: usize,
    /// What it does to it.
    pub events: BTreeSet<Event>,
    /// Functions through which it does so.
    pub via: BTreeSet<String>,
    /// The write fires a trigger that leads back here.
    pub cycle: bool,
}

/// What happens to rows of one table when those of another go or change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The table that is referred to.
    pub parent: usize,
    /// The table whose rows change.
    pub table: usize,
    /// `ON DELETE CASCADE` and the like.
    pub does: String,
}

impl Trigger {
    /// `AFTER INSERT, UPDATE`.
    pub fn fired(&self) -> String {
        format!("{} {}", self.timing.keyword(), words(&self.events))
    }
}

/// `INSERT, UPDATE`.
pub fn words(events: &BTreeSet<Event>) -> String {
    let words: Vec<&str> = events.iter().map(|event| event.keyword()).collect();
    words.join(", ")
}

/// The graph of everything that is known.
pub fn of(subject: &Subject<'_>) -> Graph {
    let mut graph = Graph::default();
    let mut numbers: BTreeMap<TableId, usize> = BTreeMap::new();
    let mut all: BTreeSet<TableId> = BTreeSet::new();
    for item in &subject.items {
        all.insert(item.trigger.id.table.clone());
        for effects in item.effects.values() {
            all.extend(effects.writes.iter().map(|write| write.table.clone()));
        }
    }
    for id in all {
        numbers.insert(id.clone(), graph.tables.len());
        graph.tables.push(Table {
            title: shown(&id, subject.dialect),
            id,
        });
    }
    let steps = cycles::steps(subject);
    let knots = cycles::knots(&steps, |_| true);
    let knot_of: BTreeMap<cycles::Node, usize> = knots
        .iter()
        .enumerate()
        .flat_map(|(number, knot)| knot.iter().map(move |node| (*node, number)))
        .collect();
    for (index, item) in subject.items.iter().enumerate() {
        let Some(&table) = numbers.get(&item.trigger.id.table) else {
            continue;
        };
        let mut unknown: Vec<String> = vec![];
        let mut writes: BTreeMap<usize, Write> = BTreeMap::new();
        for (event, effects) in item.effects.iter() {
            for reason in &effects.unknown {
                if !unknown.contains(&reason.reason) {
                    unknown.push(reason.reason.clone());
                }
            }
            let from = (index, *event);
            for write in &effects.writes {
                let Some(&to) = numbers.get(&write.table) else {
                    continue;
                };
                let edge = writes.entry(to).or_insert_with(|| Write {
                    trigger: index,
                    table: to,
                    events: BTreeSet::new(),
                    via: BTreeSet::new(),
                    cycle: false,
                });
                edge.events.insert(write.event);
                edge.via.extend(write.via.iter().map(ToString::to_string));
                edge.cycle |= steps.get(&from).into_iter().flatten().any(|step| {
                    std::ptr::eq(step.write, write)
                        && knot_of.contains_key(&from)
                        && knot_of.get(&from) == knot_of.get(&step.to)
                });
            }
        }
        graph.triggers.push(Trigger {
            id: item.trigger.id.clone(),
            table,
            timing: item.trigger.timing,
            events: item.trigger.events.iter().copied().collect(),
            in_spec: item.source.is_some(),
            idle: !item.fires(),
            unknown,
        });
        graph.writes.extend(writes.into_values());
    }
    graph.cycles = knots
        .into_iter()
        .map(|knot| {
            let triggers: BTreeSet<usize> = knot.into_iter().map(|(index, _)| index).collect();
            triggers.into_iter().collect()
        })
        .collect();
    for key in &subject.surroundings.foreign_keys {
        let (Some(&parent), Some(&table)) = (numbers.get(&key.parent), numbers.get(&key.table))
        else {
            continue;
        };
        for (event, does) in [("DELETE", key.on_delete), ("UPDATE", key.on_update)] {
            let does = match does {
                Referential::Cascade => "CASCADE",
                Referential::Set => "SET NULL",
                Referential::None => continue,
            };
            graph.keys.push(Key {
                parent,
                table,
                does: format!("ON {event} {does}"),
            });
        }
    }
    graph
}

impl Graph {
    /// The triggers of a table, with their numbers.
    pub fn triggers_of(&self, table: usize) -> impl Iterator<Item = (usize, &Trigger)> {
        self.triggers
            .iter()
            .enumerate()
            .filter(move |(_, trigger)| trigger.table == table)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
