//! Places among siblings, for engines that keep an order (MySQL): each step names the neighbour that is there when it runs.
//! One that was read from the catalog may be dropped, renamed or not yet made by then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Change;
use super::siblings::takers;
use crate::db::{Database, Standing};
use crate::desired::DesiredSet;
use crate::error::Error;
use crate::model::{Definition, Events, ObjectId, Place, TableId, Timing, Trigger};
use crate::render::Renderer;

/// What the name of a trigger begins with that has been dropped before its step; no name of the user's can.
const GONE: char = '\0';

fn gone(name: &str) -> String {
    format!("{GONE}{name}")
}

/// What siblings have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Family {
    table: TableId,
    timing: Timing,
    events: Events,
}

impl Family {
    fn of(trigger: &Trigger) -> Self {
        Self {
            table: trigger.id.table.clone(),
            timing: trigger.timing,
            events: trigger.events,
        }
    }
}

/// The triggers of each table, timing and event in firing order, as they are between two steps.
pub(crate) struct Siblings {
    lists: Vec<Vec<String>>,
    /// Which list is a family's.
    families: BTreeMap<Family, usize>,
    /// Which list a name is in. Names are unique in a schema where there are places.
    of: BTreeMap<(String, String), usize>,
}

impl Siblings {
    /// From what the catalog says of each trigger.
    pub(crate) fn read(places: &BTreeMap<ObjectId, Standing>) -> Self {
        let mut siblings = Self {
            lists: vec![],
            families: BTreeMap::new(),
            of: BTreeMap::new(),
        };
        for (id, standing) in places {
            let Standing {
                timing,
                events,
                place: Place::Among { before, after },
            } = standing
            else {
                continue;
            };
            let Some(table) = id.table().cloned() else {
                continue;
            };
            if siblings.list(id.schema(), id.name()).is_some() {
                continue;
            }
            let own = id.name().to_owned();
            let all: Vec<String> = before.iter().chain([&own]).chain(after).cloned().collect();
            for name in &all {
                let key = (id.schema().to_owned(), name.clone());
                siblings.of.insert(key, siblings.lists.len());
            }
            let family = Family {
                table,
                timing: *timing,
                events: *events,
            };
            siblings.families.insert(family, siblings.lists.len());
            siblings.lists.push(all);
        }
        siblings
    }

    fn list(&self, schema: &str, name: &str) -> Option<usize> {
        self.of.get(&(schema.to_owned(), name.to_owned())).copied()
    }

    fn names(&self, list: usize) -> &[String] {
        self.lists.get(list).map_or(&[][..], Vec::as_slice)
    }

    /// Where a trigger stands now.
    fn place(&self, schema: &str, name: &str) -> Option<Place> {
        let names = self.names(self.list(schema, name)?);
        let at = names.iter().position(|other| other == name)?;
        let there = |names: Option<&[String]>| -> Vec<String> {
            let there = names.into_iter().flatten();
            there
                .filter(|name| !name.starts_with(GONE))
                .cloned()
                .collect()
        };
        Some(Place::Among {
            before: there(names.get(..at)),
            after: there(names.get(at + 1..)),
        })
    }

    /// A trigger is dropped before its step, because another takes its name: it keeps its place for what it is to become.
    fn give_up(&mut self, id: &ObjectId) {
        let (schema, name) = (id.schema(), id.name());
        let Some(list) = self.of.remove(&(schema.to_owned(), name.to_owned())) else {
            return;
        };
        let names = self.lists.get_mut(list).into_iter().flatten();
        for other in names.filter(|other| *other == name) {
            *other = gone(name);
        }
        self.of.insert((schema.to_owned(), gone(name)), list);
    }

    fn remove(&mut self, schema: &str, name: &str) {
        let list = self.of.remove(&(schema.to_owned(), name.to_owned()));
        if let Some(names) = list.and_then(|list| self.lists.get_mut(list)) {
            names.retain(|other| other != name);
        }
    }

    /// The list of a family, which is empty where none of it was there.
    fn list_of(&mut self, family: Family) -> usize {
        let next = self.lists.len();
        let list = *self.families.entry(family).or_insert(next);
        if list == next {
            self.lists.push(vec![]);
        }
        list
    }

    /// The place with those alone that are there: some may be, and be of another family now.
    fn present(&self, schema: &str, place: &Place, list: usize) -> Place {
        let (before, after) = match place {
            Place::Among { before, after } => (before.as_slice(), after.as_slice()),
            Place::Follows(_) | Place::Precedes(_) => return place.clone(),
        };
        let there = |names: &[String]| {
            let is_there = |name: &&String| self.list(schema, name) == Some(list);
            names.iter().filter(is_there).cloned().collect()
        };
        Place::Among {
            before: there(before),
            after: there(after),
        }
    }

    /// A trigger that was made: in this place, else last in its list.
    fn insert(&mut self, schema: &str, name: &str, place: Option<&Place>, list: usize) {
        let names = self.names(list);
        let find = |wanted: &String| names.iter().position(|other| other == wanted);
        let at = match place {
            Some(Place::Follows(other)) => find(other).map(|at| at + 1),
            Some(Place::Precedes(other)) => find(other),
            Some(Place::Among { after, .. }) => after.first().and_then(find),
            None => None,
        };
        let at = at.unwrap_or(names.len());
        self.insert_at(schema, name, list, at);
    }

    fn insert_at(&mut self, schema: &str, name: &str, list: usize, at: usize) {
        if let Some(names) = self.lists.get_mut(list) {
            names.insert(at.min(names.len()), name.to_owned());
            self.of.insert((schema.to_owned(), name.to_owned()), list);
        }
    }

    /// What a step from `before` to `after` is, with the places of both as they are when it runs. It counts as done then.
    pub(crate) fn step(
        &mut self,
        before: Option<Definition>,
        after: Option<Definition>,
    ) -> (Option<Definition>, Option<Definition>) {
        self.step_of(before, after, false)
    }

    /// The same; `gave_up` says that the trigger has been dropped already (see [`Siblings::give_up`]).
    fn step_of(
        &mut self,
        mut before: Option<Definition>,
        mut after: Option<Definition>,
        gave_up: bool,
    ) -> (Option<Definition>, Option<Definition>) {
        let mut stood = None;
        if let Some(before) = &mut before {
            let id = before.id();
            let name = if gave_up {
                gone(id.name())
            } else {
                id.name().to_owned()
            };
            let place = self.place(id.schema(), &name);
            let list = self.list(id.schema(), &name);
            let at = list.and_then(|list| self.names(list).iter().position(|other| *other == name));
            self.remove(id.schema(), &name);
            if place.is_some() {
                set_place(before, place);
            }
            stood = list.zip(at);
        }
        if let Some(after) = &mut after
            && let Definition::Trigger(trigger) = &*after
        {
            let id = after.id();
            let list = self.list_of(Family::of(trigger));
            let stood = stood.filter(|_| {
                before
                    .as_ref()
                    .is_some_and(|before| same_event(before, after))
            });
            if let Some(wanted) = after.place().cloned() {
                let place = self.present(id.schema(), &wanted, list);
                self.insert(id.schema(), id.name(), Some(&place), list);
                set_place(after, Some(place));
            } else if let Some((list, at)) = stood {
                self.insert_at(id.schema(), id.name(), list, at);
            } else {
                self.insert(id.schema(), id.name(), None, list);
            }
        }
        (before, after)
    }
}

/// The triggers that stand where the spec has them and have no change, but would not stand there any more once these ordered
/// changes are made; each with where it would stand. One that is made again is made right beside the one that its place is told
/// by, whatever stood between the two.
pub(super) fn displaced(
    changes: &[Change],
    desired: &DesiredSet,
    places: &BTreeMap<ObjectId, Standing>,
) -> BTreeMap<ObjectId, Place> {
    let is_made_somewhere =
        |change: &Change| !change.statements.is_empty() && place(change.after.as_ref()).is_some();
    if !changes.iter().any(is_made_somewhere) {
        return BTreeMap::new();
    }
    let mut siblings = Siblings::read(places);
    let takers = takers(changes);
    let givers: BTreeSet<usize> = takers.values().copied().collect();
    for (at, change) in changes.iter().enumerate() {
        let giver = takers.get(&at).and_then(|giver| changes.get(*giver));
        if let Some(given_up) = giver.and_then(|giver| giver.before.as_ref()) {
            siblings.give_up(&given_up.id());
        }
        if !change.statements.is_empty() {
            let (before, after) = (change.before.clone(), change.after.clone());
            siblings.step_of(before, after, givers.contains(&at));
        }
    }
    let has_one: BTreeSet<&ObjectId> = changes.iter().map(Change::id).collect();
    let would_stand = desired
        .iter()
        .filter(|(id, _)| !has_one.contains(&***id))
        .filter_map(|(id, desired)| {
            let wanted = desired.definition.place()?;
            let found = siblings.place(id.schema(), id.name())?;
            (!wanted.agrees(&found)).then(|| ((**id).clone(), found))
        });
    would_stand.collect()
}

/// Write the statements of ordered changes anew where they name a neighbour that will not be there.
pub(super) fn settle(
    changes: &mut [Change],
    places: &BTreeMap<ObjectId, Standing>,
    database: &dyn Database,
    renderer: &Renderer,
) -> Result<(), Error> {
    if places.is_empty()
        && changes
            .iter()
            .all(|change| place(change.after.as_ref()).is_none())
    {
        return Ok(());
    }
    let mut siblings = Siblings::read(places);
    let (dialect, server) = (database.dialect(), database.server());
    let takers = takers(changes);
    let givers: BTreeSet<usize> = takers.values().copied().collect();
    for at in 0..changes.len() {
        let giver = takers.get(&at).and_then(|giver| changes.get(*giver));
        if let Some(given_up) = giver.and_then(|giver| giver.before.as_ref()) {
            siblings.give_up(&given_up.id());
        }
        let Some(change) = changes.get_mut(at) else {
            continue;
        };
        if change.statements.is_empty() {
            continue;
        }
        let (before, after) = siblings.step_of(
            change.before.clone(),
            change.after.clone(),
            givers.contains(&at),
        );
        let Some(after) = after else { continue };
        let same = place(before.as_ref()) == place(change.before.as_ref())
            && place(Some(&after)) == place(change.after.as_ref());
        if same {
            continue;
        }
        let after = database.spared(&after);
        let ddl = match before {
            None => dialect.create(&after, renderer, server)?,
            Some(before) => dialect.alter(&database.spared(&before), &after, renderer, server)?,
        };
        change.statements = ddl.statements;
    }
    Ok(())
}

fn place(definition: Option<&Definition>) -> Option<&Place> {
    definition.and_then(Definition::place)
}

/// Say where a trigger is to be; engines without places have none to say.
pub(crate) fn set_place(definition: &mut Definition, place: Option<Place>) {
    if let Definition::Trigger(trigger) = definition
        && (place.is_some() || trigger.creation.is_some())
    {
        Arc::make_mut(trigger)
            .creation
            .get_or_insert_default()
            .place = place;
    }
}

/// Whether both are of the same table, timing and event.
fn same_event(before: &Definition, after: &Definition) -> bool {
    match (before, after) {
        (Definition::Trigger(before), Definition::Trigger(after)) => {
            before.id.table == after.id.table
                && before.timing == after.timing
                && before.events == after.events
        }
        _ => false,
    }
}
