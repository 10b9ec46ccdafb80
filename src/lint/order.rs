//! Rules about triggers of one table that get in each other's way: whose order matters, and what UPDATE OF does not see.

use std::collections::BTreeSet;

use super::subject::{Item, Subject, shown};
use super::{Findings, or_name};
use crate::error::Diagnostic;
use crate::model::{Action, Event, Orientation, Place, TableId, Timing};
use crate::sql::{MYSQL, solid, unquote};

pub(super) fn look(subject: &Subject<'_>, findings: &mut Findings) {
    let mut by_table: std::collections::BTreeMap<&TableId, Vec<&Item<'_>>> =
        std::collections::BTreeMap::new();
    for item in subject.items.iter().filter(|item| item.fires()) {
        by_table
            .entry(&item.trigger.id.table)
            .or_default()
            .push(item);
    }
    for items in by_table.values().filter(|items| items.len() > 1) {
        for (index, left) in items.iter().enumerate() {
            for right in items.iter().skip(index + 1) {
                if left.source.is_some() || right.source.is_some() {
                    if !settled(subject, items, left, right) {
                        pair(subject, left, right, findings);
                    }
                    unseen(subject, left, right, findings);
                    unseen(subject, right, left, findings);
                }
            }
        }
    }
}

/// What makes the order of two triggers matter.
struct Conflict {
    column: String,
    table: Option<TableId>,
    both_write: bool,
    /// The first one writes what the second one reads.
    left_writes: bool,
}

fn pair(subject: &Subject<'_>, left: &Item<'_>, right: &Item<'_>, findings: &mut Findings) {
    let (one, other) = (&left.trigger, &right.trigger);
    if one.timing != other.timing || one.orientation != other.orientation {
        return;
    }
    let shared = one.events.intersection(&other.events).find(|event| {
        // UPDATE OF other columns: seldom both.
        **event != Event::Update
            || one.update_of.is_empty()
            || other.update_of.is_empty()
            || one.update_of.iter().any(|column| {
                other
                    .update_of
                    .iter()
                    .any(|also| subject.dialect.same_name(column, also))
            })
    });
    if shared.is_none() {
        return;
    }
    let mut conflict = None;
    for event in one.events.intersection(&other.events) {
        conflict = conflict.or_else(|| match subject.dialect.name() {
            "sqlite" => through_tables(left, right, *event),
            _ if one.timing == Timing::Before && one.orientation == Orientation::Row => {
                through_new(subject, left, right, *event)
            }
            _ => None,
        });
    }
    let Some(conflict) = conflict else { return };
    // Said of the one in the spec that comes first there.
    let starts = |item: &Item<'_>| item.source.as_ref().map(|source| source.index);
    let (about, with) = match (starts(left), starts(right)) {
        (Some(first), Some(second)) if first > second => (right, left),
        (None, Some(_)) => (right, left),
        _ => (left, right),
    };
    let what = match &conflict.table {
        Some(table) => format!("`{}.{}`", shown(table, subject.dialect), conflict.column),
        None => format!("`NEW.{}`", conflict.column),
    };
    let reason = if conflict.both_write {
        format!("both set {what}")
    } else {
        let (writer, reader) = if conflict.left_writes {
            (left, right)
        } else {
            (right, left)
        };
        format!(
            "`{}` sets {what}, and `{}` reads it",
            writer.trigger.id.name, reader.trigger.id.name
        )
    };
    let (note, help) = match subject.dialect.name() {
        "sqlite" => (
            "SQLite says nothing about their order",
            "make one trigger of the two",
        ),
        "mysql" => (
            "MySQL fires them in the order of their creation",
            "set `order = { follows = \"…\" }` in `[trigger.mysql]`, or make one trigger of the two",
        ),
        _ => (
            "PostgreSQL fires them in the order of their names",
            "begin their names with numbers, as in `10_…` and `20_…`, or make one trigger of the two",
        ),
    };
    let mut diagnostic = Diagnostic::new(format!(
        "the order of `{}` and `{}` matters: {reason}",
        about.trigger.id.name, with.trigger.id.name
    ))
    .at(&about.source.as_ref().map_or_else(
        || or_name(about, None),
        |source| source.spec.name.span.clone(),
    ))
    .note(note)
    .help(help);
    if let Some(source) = &with.source
        && with.source.as_ref().map(|s| s.index) != about.source.as_ref().map(|s| s.index)
    {
        diagnostic = diagnostic.related(&source.spec.name.span, "the other one");
    }
    findings.about_both("firing_order", subject, (about, with), diagnostic);
}

/// Whether somebody has said which comes first.
fn settled(
    subject: &Subject<'_>,
    siblings: &[&Item<'_>],
    left: &Item<'_>,
    right: &Item<'_>,
) -> bool {
    match subject.dialect.name() {
        "postgres" => [left, right].iter().all(|item| {
            item.trigger
                .id
                .name
                .starts_with(|c: char| c.is_ascii_digit())
        }),
        "mysql" => comes_after(siblings, left, right) || comes_after(siblings, right, left),
        _ => false,
    }
}

/// Whether `order` puts a trigger behind another one, by way of others as well.
fn comes_after(siblings: &[&Item<'_>], item: &Item<'_>, first: &Item<'_>) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![item]);
    while let Some(item) = open.pop() {
        let name = &item.trigger.id.name;
        if *name == first.trigger.id.name {
            return true;
        }
        if seen.insert(name) {
            open.extend(siblings.iter().filter(|other| {
                let follows = matches!(place(item), Some(Place::Follows(before)) if *before == other.trigger.id.name);
                follows || matches!(place(other), Some(Place::Precedes(behind)) if behind == name)
            }));
        }
    }
    false
}

fn place<'i>(item: &'i Item<'_>) -> Option<&'i Place> {
    item.trigger.creation.as_ref()?.place.as_ref()
}

/// Columns of NEW that a trigger sets and reads; `None` stands for all.
#[derive(Default)]
struct New {
    sets: BTreeSet<String>,
    reads: BTreeSet<String>,
    reads_all: bool,
}

fn through_new(
    subject: &Subject<'_>,
    left: &Item<'_>,
    right: &Item<'_>,
    event: Event,
) -> Option<Conflict> {
    let (one, other) = (new_of(subject, left, event), new_of(subject, right, event));
    let of = |column: &String, both_write, left_writes| Conflict {
        column: column.clone(),
        table: None,
        both_write,
        left_writes,
    };
    if let Some(column) = one.sets.intersection(&other.sets).next() {
        return Some(of(column, true, true));
    }
    let read = |writer: &New, reader: &New| {
        writer
            .sets
            .iter()
            .find(|column| reader.reads_all || reader.reads.contains(*column))
            .cloned()
    };
    if let Some(column) = read(&one, &other) {
        return Some(of(&column, false, true));
    }
    read(&other, &one).map(|column| of(&column, false, false))
}

fn new_of(subject: &Subject<'_>, item: &Item<'_>, event: Event) -> New {
    let mut new = New::default();
    if subject.dialect.name() == "mysql" {
        if let Action::Body(body) = &item.trigger.action {
            new_of_mysql(body, &mut new);
        }
        return new;
    }
    let walks = item
        .walks
        .get(&event)
        .into_iter()
        .map(|walk| (walk.assigns.as_slice(), walk.reads_new.as_slice()));
    let condition = item.condition.as_ref();
    let condition = condition.map(|walk| (&[][..], walk.reads_new.as_slice()));
    for (assigns, reads) in walks.chain(condition) {
        new.sets.extend(
            assigns
                .iter()
                .filter_map(|assignment| assignment.column.clone()),
        );
        for (column, _) in reads {
            match column {
                Some(column) => {
                    new.reads.insert(column.clone());
                }
                None => new.reads_all = true,
            }
        }
    }
    new
}

/// `SET NEW.x = …` and every other NEW.x.
fn new_of_mysql(body: &str, new: &mut New) {
    let all = solid(body, &MYSQL);
    let mut in_set = false;
    for (at, token) in all.iter().enumerate() {
        if token.is_operator(body, ";") {
            in_set = false;
        }
        let before = at.checked_sub(1).and_then(|at| all.get(at));
        let begins = before.is_none_or(|before| {
            before.is_operator(body, ";")
                || ["then", "else", "begin", "do", "loop", "repeat"]
                    .iter()
                    .any(|word| before.is_word(body, word))
        });
        if token.is_word(body, "set") && begins {
            in_set = true;
        }
        let after_dot = before.is_some_and(|before| before.is_operator(body, "."));
        if !token.is_word(body, "new")
            || after_dot
            || !all
                .get(at + 1)
                .is_some_and(|dot| dot.is_operator(body, "."))
        {
            continue;
        }
        let Some(column) = all.get(at + 2) else {
            continue;
        };
        let name = unquote(column.text(body)).to_lowercase();
        let assigned = in_set
            && before
                .is_some_and(|before| before.is_word(body, "set") || before.is_operator(body, ","))
            && all.get(at + 3).is_some_and(|equals| {
                equals.is_operator(body, "=") || equals.is_operator(body, ":=")
            });
        if assigned {
            new.sets.insert(name);
        } else {
            new.reads.insert(name);
        }
    }
}

/// One updates a column, the other reads it and does not write it. The trigger's own table is left out: what is read of
/// OLD and NEW cannot be told from what is read of the table.
fn through_tables(left: &Item<'_>, right: &Item<'_>, event: Event) -> Option<Conflict> {
    let writes = |item: &Item<'_>| -> BTreeSet<(TableId, String)> {
        item.effects
            .get(&event)
            .into_iter()
            .flat_map(|effects| &effects.writes)
            .flat_map(|write| {
                let columns = write.columns.iter().flatten();
                columns.map(|column| (write.table.clone(), column.clone()))
            })
            .collect()
    };
    let find = |writer: &Item<'_>, reader: &Item<'_>| {
        let theirs = writes(reader);
        let effects = reader.effects.get(&event)?;
        let touched: BTreeSet<&TableId> = effects.writes.iter().map(|write| &write.table).collect();
        writes(writer).into_iter().find(|(table, column)| {
            *table != writer.trigger.id.table
                && !touched.contains(table)
                && !theirs.contains(&(table.clone(), column.clone()))
                && effects
                    .reads
                    .contains(&(table.clone(), Some(column.clone())))
        })
    };
    let conflict = |(table, column), left_writes| Conflict {
        column,
        table: Some(table),
        both_write: false,
        left_writes,
    };
    find(left, right)
        .map(|found| conflict(found, true))
        .or_else(|| find(right, left).map(|found| conflict(found, false)))
}

/// UPDATE OF a column that a BEFORE trigger sets.
fn unseen(subject: &Subject<'_>, item: &Item<'_>, before: &Item<'_>, findings: &mut Findings) {
    let (trigger, setter) = (&item.trigger, &before.trigger);
    if subject.dialect.name() != "postgres"
        || item.source.is_none()
        || trigger.update_of.is_empty()
        || setter.timing != Timing::Before
        || setter.orientation != Orientation::Row
    {
        return;
    }
    let Some(walk) = before.walks.get(&Event::Update) else {
        return;
    };
    let fires_anyway = !setter.update_of.is_empty()
        && setter
            .update_of
            .iter()
            .all(|column| trigger.update_of.contains(column));
    if fires_anyway {
        return;
    }
    let Some(column) = trigger.update_of.iter().find(|column| {
        walk.assigns
            .iter()
            .any(|assignment| assignment.column.as_ref() == Some(*column))
    }) else {
        return;
    };
    let place = item.source.as_ref().and_then(|source| {
        let list = source.fields.update_of.as_ref()?;
        let named = list.value.iter().find(|named| named.value == *column);
        Some(named.map_or_else(|| list.span.clone(), |named| named.span.clone()))
    });
    let diagnostic = Diagnostic::new(format!(
        "`{}` does not fire when only `{}` changes `{column}`",
        trigger.id.name, setter.id.name
    ))
    .at(&or_name(item, place))
    .note("UPDATE OF looks at the columns that the statement names")
    .help(format!(
        "leave `update_of` out, and write `when = \"OLD.{column} IS DISTINCT FROM NEW.{column}\"`"
    ));
    findings.about("update_of_changed_by_before", subject, item, diagnostic);
}
