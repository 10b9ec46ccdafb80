//! What a PL/pgSQL function does to tables, what the functions that it calls do among it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::names::{of_walk, reference};
use super::subject::{Item, Subject};
use crate::db::Database;
use crate::effects::{Effects, Place, Referential, Routine, Unknown, Write};
use crate::error::Error;
use crate::model::{Event, FunctionId, ObjectId, Orientation, TableId, Timing};
use crate::plpgsql::{self, Certainty, Situation, Tree, Walk};
use crate::spec::TableRef;
use crate::sql::{Syntax, solid};

/// How far calls of calls are followed.
const DEEPEST: usize = 8;

/// The functions of users that bodies call, read.
#[derive(Default)]
pub(super) struct Calls {
    /// Which functions a name stands for.
    named: BTreeMap<TableRef, Vec<usize>>,
    routines: Vec<(Routine, Option<Tree>)>,
    tables: super::names::Names,
}

impl Calls {
    /// Read all functions that are called, and those that they call.
    pub(super) fn read(
        subject: &Subject<'_>,
        database: Option<&mut (dyn Database + '_)>,
    ) -> Result<Self, Error> {
        let mut calls = Self::default();
        let Some(database) = database else {
            return Ok(calls);
        };
        let mut wanted: BTreeSet<TableRef> = subject
            .items
            .iter()
            .flat_map(|item| item.walks.values())
            .flat_map(called)
            .collect();
        let mut tables = BTreeSet::new();
        for _ in 0..DEEPEST {
            wanted.retain(|name| !calls.named.contains_key(name));
            if wanted.is_empty() {
                break;
            }
            let names: Vec<TableRef> = std::mem::take(&mut wanted).into_iter().collect();
            let routines = database.routines(&names)?;
            for name in &names {
                calls.named.insert(name.clone(), vec![]);
            }
            for routine in routines {
                let tree = routine.source.as_deref().and_then(|source| {
                    let block = match routine.language.as_str() {
                        "sql" => Cow::Owned(block(source, subject.dialect.syntax())),
                        _ => Cow::Borrowed(source),
                    };
                    plpgsql::parse(&block).ok()
                });
                if let Some(tree) = &tree {
                    let walk = walk_of(tree);
                    wanted.extend(called(&walk));
                    tables.extend(of_walk(&walk));
                }
                if let Some(name) = names.get(routine.asked)
                    && let Some(list) = calls.named.get_mut(name)
                {
                    list.push(calls.routines.len());
                }
                calls.routines.push((routine, tree));
            }
        }
        calls.tables = super::names::Names::of(
            &tables,
            BTreeSet::new(),
            subject.dialect,
            Some(database),
            &subject.functions,
        )?;
        Ok(calls)
    }

    /// What a trigger's function does.
    pub(super) fn effects(
        &mut self,
        subject: &Subject<'_>,
        item: &Item<'_>,
        walk: &Walk,
    ) -> Effects {
        let mut effects = Effects {
            asks_depth: walk.asks_depth,
            ..Effects::default()
        };
        let Some(id) = item.function() else {
            return effects;
        };
        let function = subject.functions.get(id).map(AsRef::as_ref);
        let trigger = &item.trigger;
        let place = |range: &std::ops::Range<usize>| {
            Some(Place {
                object: ObjectId::Function(id.clone()),
                range: range.clone(),
            })
        };
        let own = [
            &trigger.transition_tables.old,
            &trigger.transition_tables.new,
        ];
        let is_own = |name: &plpgsql::Name| {
            name.schema.is_none()
                && (walk.creates.contains(&name.name)
                    || own.iter().any(|table| table.as_deref() == Some(&name.name)))
        };
        for (write, always) in &walk.writes {
            if is_own(&write.table.name) {
                continue;
            }
            let Some(table) = subject.names.table(&write.table.name, function) else {
                continue;
            };
            let hits = match write.certainty {
                Certainty::Always => true,
                Certainty::SameRow => {
                    table == trigger.id.table && trigger.orientation == Orientation::Row
                }
                Certainty::Perhaps => false,
            };
            effects.writes.push(Write {
                table,
                event: write.event,
                columns: columns(write),
                certain: hits && *always && trigger.condition.is_none(),
                place: place(&write.table.range),
                via: vec![],
            });
        }
        for read in walk.reads.iter().filter(|read| !is_own(&read.name)) {
            if let Some(table) = subject.names.table(&read.name, function) {
                let read = (table, None);
                if !effects.reads.contains(&read) {
                    effects.reads.push(read);
                }
            }
        }
        for range in &walk.dynamic {
            effects.unknown.push(Unknown {
                reason: "it runs a text that is put together when it fires".to_owned(),
                place: place(range),
            });
        }
        let mut seen = BTreeSet::new();
        let names: Vec<(TableRef, Option<Place>)> = walk
            .calls
            .iter()
            .map(|call| (reference(&call.name), place(&call.range)))
            .collect();
        for (name, at) in names {
            self.call(&name, at.as_ref(), &mut vec![], &mut seen, &mut effects);
        }
        cascades(subject, &mut effects);
        effects.fitted()
    }

    fn call(
        &self,
        name: &TableRef,
        at: Option<&Place>,
        via: &mut Vec<FunctionId>,
        seen: &mut BTreeSet<usize>,
        effects: &mut Effects,
    ) {
        for index in self.named.get(name).into_iter().flatten() {
            let Some((routine, tree)) = self.routines.get(*index) else {
                continue;
            };
            if via.len() >= DEEPEST || !seen.insert(*index) {
                continue;
            }
            let Some(tree) = tree else {
                effects.unknown.push(Unknown {
                    reason: format!(
                        "the function `{}` that it calls could not be read",
                        routine.id
                    ),
                    place: at.cloned(),
                });
                continue;
            };
            via.push(routine.id.clone());
            let walk = walk_of(tree);
            effects.asks_depth |= walk.asks_depth;
            for (write, _) in &walk.writes {
                if let Some(table) = self.tables.table(&write.table.name, None) {
                    effects.writes.push(Write {
                        table,
                        event: write.event,
                        columns: columns(write),
                        certain: false,
                        place: at.cloned(),
                        via: via.clone(),
                    });
                }
            }
            if !walk.dynamic.is_empty() {
                effects.unknown.push(Unknown {
                    reason: format!(
                        "the function `{}` that it calls runs a text that is put together then",
                        routine.id
                    ),
                    place: at.cloned(),
                });
            }
            for call in called(&walk) {
                self.call(&call, at, via, seen, effects);
            }
            via.pop();
        }
    }
}

/// The statements of an SQL function as those of a block, which returns nothing.
fn block(source: &str, syntax: &Syntax) -> String {
    // As the server prints one that it keeps as a tree.
    let atomic = source.strip_prefix("BEGIN ATOMIC\n");
    let statements = atomic
        .and_then(|inside| inside.strip_suffix("END"))
        .unwrap_or(source);
    // The last of them may end as the others do, and no statement is empty.
    let last = solid(statements, syntax).pop();
    let end = match last {
        Some(token) if !token.is_operator(statements, ";") => ";END",
        _ => "END",
    };
    format!("BEGIN\n{statements}\n{end}")
}

/// Rows that go with those that they refer to fire their own triggers.
fn cascades(subject: &Subject<'_>, effects: &mut Effects) {
    let mut done: BTreeSet<TableId> = BTreeSet::new();
    let mut index = 0;
    while let Some(write) = effects.writes.get(index).cloned() {
        index += 1;
        if write.event != Event::Delete || !done.insert(write.table.clone()) {
            continue;
        }
        for key in &subject.surroundings.foreign_keys {
            let event = match key.on_delete {
                Referential::Cascade => Event::Delete,
                Referential::Set => Event::Update,
                Referential::None => continue,
            };
            if key.parent == write.table {
                effects.writes.push(Write {
                    table: key.table.clone(),
                    event,
                    columns: (event == Event::Update)
                        .then(|| key.columns.iter().cloned().collect()),
                    certain: false,
                    place: write.place.clone(),
                    via: write.via.clone(),
                });
            }
        }
    }
}

fn columns(write: &plpgsql::Write) -> Option<BTreeSet<String>> {
    if write.event != Event::Update {
        return None;
    }
    write
        .columns
        .as_ref()
        .map(|columns| columns.iter().map(|(name, _)| name.clone()).collect())
}

fn called(walk: &Walk) -> impl Iterator<Item = TableRef> + '_ {
    walk.calls.iter().map(|call| reference(&call.name))
}

/// A function that is no trigger's: it asks no TG_ variables.
fn walk_of(tree: &Tree) -> Walk {
    let table = TableId {
        schema: String::new(),
        name: String::new(),
    };
    plpgsql::walk(
        tree,
        &Situation {
            event: Event::Insert,
            timing: Timing::After,
            orientation: Orientation::Row,
            table: &table,
            name: "",
        },
    )
}
