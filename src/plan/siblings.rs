//! Triggers of one table, timing and event on an engine that fires them by age (SQLite: newest first). A replaced one
//! would move to the front; so those that were made after it are made again behind it, to the letter, and nothing of
//! the order changes. A dropped one takes its place down, so that a rollback can give it back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::db::{Database, Protocol, Sibling};
use crate::error::Error;
use crate::model::{Creation, Definition, Event, Place, Timing, Trigger};
use crate::render::Renderer;
use crate::words::some;

use super::{Action, Change, Hazard, HazardKind, ObjectRef, RestsOn, Severity};

/// What a trigger's siblings have in common.
type Group = (String, Timing, Option<Event>);

/// One trigger of a group, oldest first: one that stays, or the change that makes it.
enum Member<'a> {
    Stays(&'a Sibling),
    Made(usize),
}

fn group(trigger: &Trigger) -> Group {
    let table = trigger.id.table.name.to_ascii_lowercase();
    (table, trigger.timing, trigger.events.first().copied())
}

fn trigger(definition: Option<&Definition>) -> Option<&Trigger> {
    match definition {
        Some(Definition::Trigger(trigger)) => Some(trigger),
        _ => None,
    }
}

/// Have the changes, which are in order, leave the firing order of everything else as it is.
pub(super) fn keep_order(
    changes: &mut Vec<Change>,
    database: &mut dyn Database,
    renderer: &Renderer,
) -> Result<(), Error> {
    // A journal looks at each object by itself: there nothing is made in the step of another.
    if database.dialect().names_are_per_table() || database.protocol() != Protocol::Transaction {
        return Ok(());
    }
    let mut tables = BTreeSet::new();
    // The changes that act on a live trigger, by its name, and those that give one its place back.
    let mut acting: HashMap<String, usize> = HashMap::new();
    let mut placed: BTreeMap<Group, Vec<usize>> = BTreeMap::new();
    for (at, change) in changes.iter().enumerate() {
        if change.statements.is_empty() {
            continue;
        }
        if let Some(before) = trigger(change.before.as_ref()) {
            tables.insert(before.id.table.clone());
            acting.insert(before.id.name.to_ascii_lowercase(), at);
        }
        if let Some(after) = trigger(change.after.as_ref())
            && place(after).is_some()
        {
            tables.insert(after.id.table.clone());
            placed.entry(group(after)).or_default().push(at);
        }
        if let Some(gone) = gone(change) {
            tables.insert(gone.id.table.clone());
        }
    }
    if tables.is_empty() {
        return Ok(());
    }
    let siblings = database.siblings(&tables)?;
    let mut live: BTreeMap<Group, Vec<(&str, &Sibling)>> = BTreeMap::new();
    for sibling in &siblings {
        if let Some(trigger) = trigger(Some(&sibling.definition)) {
            let named = (trigger.id.name.as_str(), sibling);
            live.entry(group(trigger)).or_default().push(named);
        }
    }
    // Where all of a group have gone, those that come back have their order too.
    for group in placed.keys() {
        live.entry(group.clone()).or_default();
    }
    let mut turns: Vec<(usize, usize)> = (0..changes.len()).map(|at| (at, 0)).collect();
    for (group, live) in &live {
        remember_places(changes, &acting, group, live);
        let placed = placed.get(group).map(Vec::as_slice).unwrap_or_default();
        let members = members(changes, &acting, placed, group, live);
        behind(changes, &members, database, renderer)?;
        take_turns(&mut turns, &members);
    }
    let mut ordered: Vec<_> = turns.into_iter().zip(std::mem::take(changes)).collect();
    ordered.sort_by_key(|(turn, _)| *turn);
    changes.extend(ordered.into_iter().map(|(_, change)| change));
    say_order(changes, &live);
    free_names(changes, database, renderer)
}

/// The trigger that a change makes again because somebody dropped it, where nobody wrote down where it stood.
fn gone(change: &Change) -> Option<&Trigger> {
    let is_gone = change.action == Action::Restore && change.before.is_none();
    let made = trigger(change.after.as_ref()).filter(|_| is_gone);
    made.filter(|made| place(made).is_none())
}

/// Say where the triggers come that somebody dropped: which of their siblings was there first, the file does not tell any more.
fn say_order(changes: &mut [Change], live: &BTreeMap<Group, Vec<(&str, &Sibling)>>) {
    let mut made: BTreeMap<Group, Vec<String>> = BTreeMap::new();
    for at in 0..changes.len() {
        let Some(after) = changes.get(at).and_then(gone) else {
            continue;
        };
        let group = group(after);
        let leaves = |name: &str| {
            let of_it = |change: &Change| {
                trigger(change.before.as_ref())
                    .is_some_and(|before| before.id.name.eq_ignore_ascii_case(name))
            };
            changes
                .iter()
                .any(|change| of_it(change) && !stays_in(change, &group))
        };
        let stay = live
            .get(&group)
            .into_iter()
            .flatten()
            .map(|(name, _)| *name);
        let earlier = made.entry(group.clone()).or_default();
        let mut others: Vec<String> = stay
            .filter(|name| !leaves(name))
            .map(|name| format!("`{name}`"))
            .collect();
        others.extend(earlier.iter().map(|name| format!("`{name}`")));
        others.reverse();
        earlier.push(after.id.name.clone());
        if let Some(change) = changes.get_mut(at).filter(|_| !others.is_empty()) {
            let also = format!("; it will fire before {}", some(&others, MOST_NAMED));
            change.because.to_mut().push_str(&also);
        }
    }
}

/// More siblings than these are counted.
const MOST_NAMED: usize = 3;

fn place(trigger: &Trigger) -> Option<&[String]> {
    match trigger.creation.as_ref()?.place.as_ref()? {
        Place::Among { before, after: _ } => Some(before),
        Place::Follows(_) | Place::Precedes(_) => None,
    }
}

fn stays_in(change: &Change, group: &Group) -> bool {
    trigger(change.after.as_ref()).is_some_and(|after| self::group(after) == *group)
}

/// Write down where the triggers that leave the group, or their names, stood in it.
fn remember_places(
    changes: &mut [Change],
    acting: &HashMap<String, usize>,
    group: &Group,
    live: &[(&str, &Sibling)],
) {
    if live.len() == 1 {
        return;
    }
    let newest_first = |part: Option<&[(&str, &Sibling)]>| -> Vec<String> {
        let part = part.into_iter().flatten().rev();
        part.map(|(name, _)| (*name).to_owned()).collect()
    };
    for (index, (name, _)) in live.iter().enumerate() {
        let Some(change) = acting
            .get(&name.to_ascii_lowercase())
            .and_then(|at| changes.get_mut(*at))
        else {
            continue;
        };
        if change.action != Action::Rename && stays_in(change, group) {
            continue;
        }
        let place = Place::Among {
            before: newest_first(live.get(index + 1..)),
            after: newest_first(live.get(..index)),
        };
        if let Some(Definition::Trigger(before)) = &mut change.before {
            Arc::make_mut(before).creation = Some(Box::new(Creation {
                place: Some(place),
                ..Creation::default()
            }));
        }
    }
}

/// The group as it is to be, oldest first; those that are new to it aside, which come last.
fn members<'a>(
    changes: &[Change],
    acting: &HashMap<String, usize>,
    placed: &[usize],
    group: &Group,
    live: &[(&str, &'a Sibling)],
) -> Vec<Member<'a>> {
    let mut members = vec![];
    for (name, sibling) in live {
        match acting.get(&name.to_ascii_lowercase()) {
            None => members.push(Member::Stays(sibling)),
            Some(at)
                if changes
                    .get(*at)
                    .is_some_and(|change| stays_in(change, group)) =>
            {
                members.push(Member::Made(*at));
            }
            Some(_) => {}
        }
    }
    for at in placed {
        let here = |member: &Member<'_>| matches!(member, Member::Made(other) if other == at);
        let change = changes.get(*at);
        let younger = change
            .and_then(|change| trigger(change.after.as_ref()))
            .and_then(place);
        let Some(younger) = younger.filter(|_| !members.iter().any(here)) else {
            continue;
        };
        let is_younger = |member: &Member<'_>| {
            let name = match member {
                Member::Stays(sibling) => sibling.definition.id().name().to_owned(),
                Member::Made(at) => changes
                    .get(*at)
                    .map(|change| change.object.name().to_owned())
                    .unwrap_or_default(),
            };
            younger
                .iter()
                .any(|younger| younger.eq_ignore_ascii_case(&name))
        };
        let index = members.iter().position(is_younger).unwrap_or(members.len());
        members.insert(index, Member::Made(*at));
    }
    members
}

/// Have the changes that make members come oldest first, where the first of them is.
fn take_turns(turns: &mut [(usize, usize)], members: &[Member<'_>]) {
    let made = members.iter().filter_map(|member| match member {
        Member::Made(at) => Some(*at),
        Member::Stays(_) => None,
    });
    let Some(first) = made.clone().min() else {
        return;
    };
    for (rank, at) in made.enumerate() {
        if let Some(turn) = turns.get_mut(at) {
            *turn = (first, rank);
        }
    }
}

/// Make those that stay again, right after the one that is made before them.
fn behind(
    changes: &mut [Change],
    members: &[Member<'_>],
    database: &dyn Database,
    renderer: &Renderer,
) -> Result<(), Error> {
    let (dialect, server) = (database.dialect(), database.server());
    let mut current: Option<usize> = None;
    let mut again: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for member in members {
        let sibling = match member {
            Member::Made(at) => {
                current = Some(*at);
                continue;
            }
            Member::Stays(sibling) => sibling,
        };
        let Some((at, change)) = current.and_then(|at| Some((at, changes.get_mut(at)?))) else {
            continue;
        };
        let Sibling {
            definition,
            fingerprint,
        } = sibling;
        let mut statements = dialect.drop(definition, renderer, server)?.statements;
        statements.extend(dialect.create(definition, renderer, server)?.statements);
        change.statements.extend(statements.iter().cloned());
        change.reverse.extend(statements);
        change.rests_on.push(RestsOn {
            object: ObjectRef::from(&definition.id()),
            live: Some(Box::new(fingerprint.clone())),
            recorded: None,
        });
        again
            .entry(at)
            .or_default()
            .push(format!("`{}`", definition.id().name()));
    }
    for (at, names) in again {
        if let Some(change) = changes.get_mut(at) {
            let id = change.id();
            change.hazards.push(Hazard {
                kind: HazardKind::RecreatesSiblings,
                severity: Severity::Low,
                table: id.table().cloned(),
                object: change.object.clone(),
                message: format!(
                    "{} {} made again behind it, to the letter, so that the order in which they fire stays",
                    names.join(", "),
                    if names.len() == 1 { "is" } else { "are" }
                ),
            });
        }
    }
    Ok(())
}

/// The changes that take a name which a later one gives up, each with that one: two triggers may change names.
pub(super) fn takers(changes: &[Change]) -> BTreeMap<usize, usize> {
    let acts = |change: &&Change| !change.statements.is_empty();
    let named = |definition: Option<&Definition>| {
        let trigger = trigger(definition)?;
        let name = trigger.id.name.to_ascii_lowercase();
        Some((trigger.id.table.schema.clone(), name))
    };
    let givers: HashMap<_, usize> = changes
        .iter()
        .enumerate()
        .filter(|(_, change)| acts(change))
        .filter_map(|(at, change)| Some((named(change.before.as_ref())?, at)))
        .collect();
    let takes = changes.iter().enumerate().filter_map(|(at, change)| {
        let name = named(Some(change).filter(acts)?.after.as_ref())?;
        let later = givers.get(&name).copied().filter(|later| *later > at)?;
        Some((at, later))
    });
    takes.collect()
}

/// Where a change takes a name that a later one gives up, drop that one first.
pub(super) fn free_names(
    changes: &mut [Change],
    database: &dyn Database,
    renderer: &Renderer,
) -> Result<(), Error> {
    let (dialect, server) = (database.dialect(), database.server());
    for (at, later) in takers(changes) {
        let (Some(gives_up), Some(takes)) = (
            changes.get(later).and_then(|change| change.before.clone()),
            changes.get(at).and_then(|change| change.after.clone()),
        ) else {
            continue;
        };
        let drop_old = dialect.drop(&gives_up, renderer, server)?.statements;
        let drop_new = dialect.drop(&takes, renderer, server)?.statements;
        if let Some(change) = changes.get_mut(later) {
            change
                .statements
                .own()
                .retain(|sql| !drop_old.contains(sql));
            change.reverse.splice(0..0, drop_new.iter().cloned());
        }
        if let Some(change) = changes.get_mut(at) {
            change.statements.own().splice(0..0, drop_old);
            change.reverse.retain(|sql| !drop_new.contains(sql));
        }
    }
    Ok(())
}
