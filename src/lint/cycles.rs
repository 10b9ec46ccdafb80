//! Which trigger fires which, and the rules about triggers that fire each other.

use std::collections::{BTreeMap, BTreeSet};

use super::subject::{Item, Subject, shown};
use super::{Findings, guards, or_name};
use crate::effects::Write;
use crate::error::Diagnostic;
use crate::model::{Event, TableId, Timing, Trigger};

/// The rules about triggers that fire each other.
pub(super) const RULES: [&str; 4] = [
    "trigger_cycle",
    "guarded_cycle",
    "recursive_triggers",
    "own_table_write",
];

/// A trigger, by its number, fired by an event.
pub type Node = (usize, Event);

/// One trigger's write that fires another trigger, or the same.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Who writes.
    pub from: Node,
    /// What.
    pub write: &'a Write,
    /// Who is fired by it.
    pub to: Node,
}

/// Whether a write fires a trigger.
pub fn fires(subject: &Subject<'_>, trigger: &Trigger, write: &Write) -> bool {
    let same = |left: &str, right: &str| subject.dialect.same_name(left, right);
    let table = &trigger.id.table;
    let same_table =
        same(&table.name, &write.table.name) && same(&table.schema, &write.table.schema);
    if !same_table || !trigger.events.contains(&write.event) {
        return false;
    }
    match &write.columns {
        Some(columns) if write.event == Event::Update && !trigger.update_of.is_empty() => {
            trigger.update_of.iter().any(|of| {
                columns.iter().any(|column| same(column, of)) || is_generated(subject, table, of)
            })
        }
        _ => true,
    }
}

/// PostgreSQL fires UPDATE OF a generated column when what it is made of is named; SQLite never does.
fn is_generated(subject: &Subject<'_>, table: &TableId, column: &str) -> bool {
    subject.dialect.name() == "postgres"
        && subject
            .surroundings
            .columns
            .get(table)
            .is_some_and(|columns| columns.iter().any(|c| c.generated && c.name == column))
}

/// Every step from every trigger.
pub fn steps<'a>(subject: &'a Subject<'_>) -> BTreeMap<Node, Vec<Step<'a>>> {
    let mut by_table: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, item) in subject.items.iter().enumerate() {
        if item.fires() {
            let name = item.trigger.id.table.name.to_lowercase();
            by_table.entry(name).or_default().push(index);
        }
    }
    let mut steps: BTreeMap<Node, Vec<Step<'a>>> = BTreeMap::new();
    for (index, item) in subject.items.iter().enumerate() {
        if !item.fires() {
            continue;
        }
        for (event, effects) in item.effects.iter() {
            let from = (index, *event);
            let list = steps.entry(from).or_default();
            for write in &effects.writes {
                let name = write.table.name.to_lowercase();
                for other in by_table.get(&name).into_iter().flatten() {
                    let Some(fired) = subject.items.get(*other) else {
                        continue;
                    };
                    if fires(subject, &fired.trigger, write) {
                        list.push(Step {
                            from,
                            write,
                            to: (*other, write.event),
                        });
                    }
                }
            }
        }
    }
    steps
}

/// Each table with those that its triggers write.
pub(super) fn writes(subject: &Subject<'_>) -> BTreeSet<(TableId, TableId)> {
    let mut writes = BTreeSet::new();
    for item in subject.items.iter().filter(|item| item.fires()) {
        let written = item.effects.values().flat_map(|effects| &effects.writes);
        for write in written {
            writes.insert((item.trigger.id.table.clone(), write.table.clone()));
        }
    }
    writes
}

/// The strongly connected parts with a cycle in them (Tarjan, without recursion).
pub fn knots(
    steps: &BTreeMap<Node, Vec<Step<'_>>>,
    keep: impl Fn(&Step<'_>) -> bool,
) -> Vec<Vec<Node>> {
    let nodes: Vec<Node> = steps.keys().copied().collect();
    let number: BTreeMap<Node, usize> = nodes.iter().copied().zip(0..).collect();
    let next: Vec<Vec<usize>> = nodes
        .iter()
        .map(|node| {
            steps
                .get(node)
                .into_iter()
                .flatten()
                .filter(|step| keep(step))
                .filter_map(|step| number.get(&step.to).copied())
                .collect()
        })
        .collect();
    strongly_connected(&next)
        .into_iter()
        .filter(|part| {
            part.len() > 1
                || part
                    .first()
                    .is_some_and(|only| next.get(*only).is_some_and(|next| next.contains(only)))
        })
        .map(|part| {
            let mut part: Vec<Node> = part
                .into_iter()
                .filter_map(|at| nodes.get(at).copied())
                .collect();
            part.sort_unstable();
            part
        })
        .collect()
}

/// The strongly connected components of a graph given by its successors.
pub fn strongly_connected(next: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const NEW: usize = usize::MAX;
    let mut order = vec![NEW; next.len()];
    let mut low = vec![0; next.len()];
    let mut on_stack = vec![false; next.len()];
    let (mut stack, mut parts, mut count) = (vec![], vec![], 0);
    for root in 0..next.len() {
        if order.get(root) != Some(&NEW) {
            continue;
        }
        let mut work = vec![(root, 0_usize)];
        while let Some((node, at)) = work.pop() {
            if at == 0 {
                set(&mut order, node, count);
                set(&mut low, node, count);
                count += 1;
                stack.push(node);
                set(&mut on_stack, node, true);
            }
            let successors = next.get(node).map_or(&[][..], Vec::as_slice);
            if let Some(&successor) = successors.get(at) {
                work.push((node, at + 1));
                if order.get(successor) == Some(&NEW) {
                    work.push((successor, 0));
                } else if on_stack.get(successor) == Some(&true) {
                    let reached = order.get(successor).copied().unwrap_or(NEW);
                    lower(&mut low, node, reached);
                }
                continue;
            }
            let own = low.get(node).copied().unwrap_or(NEW);
            if let Some((parent, _)) = work.last() {
                lower(&mut low, *parent, own);
            }
            if order.get(node).copied() == Some(own) {
                let mut part = vec![];
                while let Some(member) = stack.pop() {
                    set(&mut on_stack, member, false);
                    part.push(member);
                    if member == node {
                        break;
                    }
                }
                parts.push(part);
            }
        }
    }
    parts
}

fn set<T>(list: &mut [T], at: usize, value: T) {
    if let Some(slot) = list.get_mut(at) {
        *slot = value;
    }
}

fn lower(list: &mut [usize], at: usize, value: usize) {
    if let Some(slot) = list.get_mut(at) {
        *slot = (*slot).min(value);
    }
}

/// The shortest way from a node back to itself within a part.
fn way_round<'a>(
    steps: &BTreeMap<Node, Vec<Step<'a>>>,
    start: Node,
    keep: &impl Fn(&Step<'_>) -> bool,
) -> Option<Vec<Step<'a>>> {
    let mut came: BTreeMap<Node, Step<'a>> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for step in steps
            .get(&node)
            .into_iter()
            .flatten()
            .filter(|step| keep(step))
        {
            if step.to == start {
                let mut way = vec![*step];
                let mut at = node;
                while at != start {
                    let before = came.get(&at)?;
                    way.push(*before);
                    at = before.from;
                }
                way.reverse();
                return Some(way);
            }
            came.entry(step.to).or_insert_with(|| {
                queue.push_back(step.to);
                *step
            });
        }
    }
    None
}

pub(super) fn look(subject: &Subject<'_>, findings: &mut Findings) {
    let steps = steps(subject);
    match subject.dialect.name() {
        "sqlite" => recursion(subject, &steps, findings),
        "mysql" => own_table(subject, &steps, findings),
        _ => cycles(subject, &steps, findings),
    }
}

fn item<'a, 'b>(subject: &'a Subject<'b>, node: Node) -> Option<&'a Item<'b>> {
    subject.items.get(node.0)
}

/// `a` on t (UPDATE) writes u, which fires `b`, …
fn told(subject: &Subject<'_>, way: &[Step<'_>]) -> Vec<String> {
    way.iter()
        .filter_map(|step| {
            let (from, to) = (item(subject, step.from)?, item(subject, step.to)?);
            let via = step.write.via.iter().fold(String::new(), |via, function| {
                via + " through `" + &function.to_string() + "`"
            });
            let verb = match step.write.event {
                Event::Insert => "inserts into",
                Event::Update => "updates",
                Event::Delete => "deletes from",
                Event::Truncate => "truncates",
            };
            Some(format!(
                "{} {verb} `{}`{via}, which fires `{}`",
                from.title(subject.dialect),
                shown(&step.write.table, subject.dialect),
                to.trigger.id.name
            ))
        })
        .collect()
}

/// Report a cycle at the first trigger of the spec on it.
fn report(
    rule: &str,
    subject: &Subject<'_>,
    way: &[Step<'_>],
    message: &str,
    help: &str,
    findings: &mut Findings,
) {
    let Some(step) = way
        .iter()
        .find(|step| item(subject, step.from).is_some_and(|item| item.source.is_some()))
    else {
        return;
    };
    let Some(item) = item(subject, step.from) else {
        return;
    };
    let place = step
        .write
        .place
        .as_ref()
        .and_then(|place| subject.span(place));
    let place = place.or_else(|| subject.word(item, &step.write.table.name));
    let mut diagnostic =
        Diagnostic::new(message.replace("{}", &format!("`{}`", item.trigger.id.name)))
            .at(&or_name(item, place))
            .help(help);
    diagnostic.notes.extend(told(subject, way));
    findings.about(rule, subject, item, diagnostic);
}

/// For PostgreSQL.
fn cycles(subject: &Subject<'_>, steps: &BTreeMap<Node, Vec<Step<'_>>>, findings: &mut Findings) {
    let ends = |node: Node| {
        item(subject, node).is_some_and(|item| {
            let deep = item
                .effects
                .get(&node.1)
                .is_some_and(|effects| effects.asks_depth);
            deep || super::conditions::asks_depth(&item.trigger)
        })
    };
    let open = |step: &Step<'_>| !ends(step.from);
    let certain = |step: &Step<'_>| {
        open(step)
            && step.write.certain
            && item(subject, step.to).is_some_and(|to| to.trigger.condition.is_none())
    };
    let mut sure: BTreeSet<Node> = BTreeSet::new();
    for knot in knots(steps, certain) {
        sure.extend(&knot);
        if let Some(way) = first_way(subject, steps, &knot, &certain) {
            let message = match way.len() {
                1 => "{} fires itself without end",
                _ => "{} fires itself through other triggers, without end",
            };
            report(
                "trigger_cycle",
                subject,
                &way,
                message,
                "change the row itself in a BEFORE trigger, name the columns in `update_of`, or let a `when` end it",
                findings,
            );
        }
    }
    for knot in knots(steps, open) {
        if knot.iter().any(|node| sure.contains(node)) {
            continue;
        }
        if let Some(way) = first_way(subject, steps, &knot, &open) {
            let message = match way.len() {
                1 => "{} fires itself until a condition ends it",
                _ => "{} fires itself through other triggers until a condition ends it",
            };
            report(
                "guarded_cycle",
                subject,
                &way,
                message,
                "make sure that the condition becomes false in time",
                findings,
            );
        }
    }
}

/// The way round from the first trigger of the spec in a knot.
fn first_way<'a>(
    subject: &Subject<'_>,
    steps: &BTreeMap<Node, Vec<Step<'a>>>,
    knot: &[Node],
    keep: &impl Fn(&Step<'_>) -> bool,
) -> Option<Vec<Step<'a>>> {
    let start = knot
        .iter()
        .find(|node| item(subject, **node).is_some_and(|item| item.source.is_some()))?;
    way_round(steps, *start, keep)
}

/// For SQLite.
fn recursion(
    subject: &Subject<'_>,
    steps: &BTreeMap<Node, Vec<Step<'_>>>,
    findings: &mut Findings,
) {
    let open = |step: &Step<'_>| {
        [step.from, step.to]
            .iter()
            .all(|node| item(subject, *node).is_some_and(|item| item.trigger.condition.is_none()))
            && !item(subject, step.from)
                .is_some_and(|from| guards::ends_itself(&from.trigger, step.write))
    };
    for knot in knots(steps, open) {
        if let Some(way) = first_way(subject, steps, &knot, &open) {
            report(
                "recursive_triggers",
                subject,
                &way,
                "{} would fire itself with `PRAGMA recursive_triggers` on",
                "write a `when`, or a WHERE, that is false the second time, or name the columns in `update_of`",
                findings,
            );
        }
    }
    for item in subject.items.iter().filter(|item| item.source.is_some()) {
        super::tables::replaces(subject, item, findings);
    }
}

/// For MySQL: no table may be written that a statement further out is writing.
fn own_table(
    subject: &Subject<'_>,
    steps: &BTreeMap<Node, Vec<Step<'_>>>,
    findings: &mut Findings,
) {
    for (index, item) in subject.items.iter().enumerate() {
        if item.source.is_none() {
            continue;
        }
        for event in &item.trigger.events {
            let start = (index, *event);
            if let Some((way, write)) = written_again(subject, steps, start) {
                let own = shown(&item.trigger.id.table, subject.dialect);
                let place = match way.first() {
                    Some(step) => step.write.place.as_ref(),
                    None => write.place.as_ref(),
                };
                let place = place.and_then(|place| subject.span(place));
                let message = if way.is_empty() {
                    format!("`{}` changes its own table `{own}`", item.trigger.id.name)
                } else {
                    format!(
                        "`{}` changes its own table `{own}` through other triggers",
                        item.trigger.id.name
                    )
                };
                let mut diagnostic = Diagnostic::new(message)
                    .at(&or_name(item, place))
                    .note("MySQL refuses it when it fires: error 1442")
                    .help(if item.trigger.timing == Timing::Before {
                        "`SET NEW.column = …` changes the row itself; other rows are out of reach"
                    } else {
                        "in a BEFORE trigger `SET NEW.column = …` changes the row itself; other rows are out of reach"
                    });
                diagnostic.notes.extend(told(subject, &way));
                findings.about("own_table_write", subject, item, diagnostic);
            }
        }
    }
}

/// The way to a trigger that writes the table of the first one.
fn written_again<'a>(
    subject: &'a Subject<'_>,
    steps: &BTreeMap<Node, Vec<Step<'a>>>,
    start: Node,
) -> Option<(Vec<Step<'a>>, &'a Write)> {
    let own = &item(subject, start)?.trigger.id.table;
    let is_own = |write: &Write| {
        subject.dialect.same_name(&write.table.name, &own.name)
            && subject.dialect.same_name(&write.table.schema, &own.schema)
    };
    let mut came: BTreeMap<Node, Option<Step<'a>>> = BTreeMap::from([(start, None)]);
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        let effects = item(subject, node)?.effects.get(&node.1);
        if let Some(write) = effects
            .into_iter()
            .flat_map(|effects| &effects.writes)
            .find(|write| is_own(write))
        {
            let mut way = vec![];
            let mut at = node;
            while let Some(Some(step)) = came.get(&at) {
                way.push(*step);
                at = step.from;
            }
            way.reverse();
            return Some((way, write));
        }
        for step in steps.get(&node).into_iter().flatten() {
            came.entry(step.to).or_insert_with(|| {
                queue.push_back(step.to);
                Some(*step)
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_strongly_connected_parts() {
        let parts = |next: &[Vec<usize>]| {
            let mut parts = strongly_connected(next);
            for part in &mut parts {
                part.sort_unstable();
            }
            parts.sort();
            parts
        };
        assert_eq!(
            parts(&[vec![1], vec![2], vec![0, 3], vec![4], vec![3], vec![]]),
            [vec![0, 1, 2], vec![3, 4], vec![5]]
        );
        // A long chain: no recursion.
        let mut chain: Vec<Vec<usize>> = (1..100_000).map(|next| vec![next]).collect();
        chain.push(vec![0]);
        assert_eq!(parts(&chain).len(), 1);
    }
}
