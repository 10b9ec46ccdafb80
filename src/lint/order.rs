//! Rules about triggers of one table that get in each other's way: whose order matters, and what UPDATE OF does not see.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::subject::{Item, Subject, shown};
use super::{Findings, Owner, or_name};
use crate::effects::{ByEvent, Write};
use crate::error::Diagnostic;
use crate::model::{Action, Event, Orientation, Place, TableId, Timing, Trigger};
use crate::sql::{MYSQL, solid, unquote};

pub(super) fn look(subject: &Subject<'_>, findings: &mut Findings) {
    let mut by_table: BTreeMap<&TableId, Vec<&Item<'_>>> = BTreeMap::new();
    for item in subject.items.iter().filter(|item| item.fires()) {
        by_table
            .entry(&item.trigger.id.table)
            .or_default()
            .push(item);
    }
    for items in by_table.values().filter(|items| items.len() > 1) {
        pairs(subject, items, findings);
        unseen(subject, items, findings);
    }
}

/// A table may have thousands of triggers, and each is looked at with each: what is known of one is worked out once.
fn pairs(subject: &Subject<'_>, items: &[&Item<'_>], findings: &mut Findings) {
    let known: Vec<Known<'_>> = items.iter().map(|item| Known::of(subject, item)).collect();
    let neighbours = Neighbours::of(subject, items);
    // Which finding is about which trigger. It stands at the trigger's name whatever the other one is, and of those that
    // stand at one place the first is shown: of the others it matters only whose `allow` counts.
    let mut said: HashMap<usize, usize> = HashMap::new();
    for (index, left) in known.iter().enumerate() {
        let mut settled = None;
        for (second, right) in known.iter().enumerate().skip(index + 1) {
            if left.item.source.is_none() && right.item.source.is_none() {
                continue;
            }
            let Some(conflict) = conflict(subject, left, right) else {
                continue;
            };
            if settled
                .get_or_insert_with(|| neighbours.settled(index))
                .contains(second)
            {
                continue;
            }
            // Said of the one in the spec that comes first there.
            let starts = |item: &Item<'_>| item.source.as_ref().map(|source| source.index);
            let (about, with) = match (starts(left.item), starts(right.item)) {
                (Some(first), Some(other)) if first > other => (second, index),
                (None, Some(_)) => (second, index),
                _ => (index, second),
            };
            let (Some(&item), Some(&other)) = (items.get(about), items.get(with)) else {
                continue;
            };
            if let Some(finding) = said
                .get(&about)
                .and_then(|&place| findings.found.get_mut(place))
            {
                finding.owners.extend(starts(other).map(Owner::Trigger));
                continue;
            }
            said.insert(about, findings.found.len());
            let diagnostic = describe(subject, (left.item, right.item), (item, other), &conflict);
            findings.about_both("firing_order", subject, (item, other), diagnostic);
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

fn conflict(subject: &Subject<'_>, left: &Known<'_>, right: &Known<'_>) -> Option<Conflict> {
    let (one, other) = (&left.item.trigger, &right.item.trigger);
    if one.timing != other.timing || one.orientation != other.orientation {
        return None;
    }
    one.events.intersection(&other.events).find(|event| {
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
    })?;
    one.events.intersection(&other.events).find_map(|event| {
        match (left.does.get(event)?, right.does.get(event)?) {
            (Does::ToTables(left), Does::ToTables(right)) => through_tables(left, right),
            (Does::ToNew(left), Does::ToNew(right)) => through_new(left, right),
            _ => None,
        }
    })
}

/// The conflict of two triggers in words, about one of them.
fn describe(
    subject: &Subject<'_>,
    (left, right): (&Item<'_>, &Item<'_>),
    (about, with): (&Item<'_>, &Item<'_>),
    conflict: &Conflict,
) -> Diagnostic {
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
    diagnostic
}

/// Who has said which of the triggers of a table comes first.
enum Neighbours {
    /// Nobody can.
    Never,
    /// The names do, of those that begin with a number (PostgreSQL).
    Numbers(BTreeSet<usize>),
    /// `order` does (MySQL): which ones a trigger comes right behind, and which come right behind it.
    Order {
        before: Vec<Vec<usize>>,
        behind: Vec<Vec<usize>>,
    },
}

/// The triggers whose place before or behind a certain one is said.
enum Settled<'n> {
    None,
    Some(&'n BTreeSet<usize>),
    These(HashSet<usize>),
}

impl Settled<'_> {
    fn contains(&self, other: usize) -> bool {
        match self {
            Self::None => false,
            Self::Some(others) => others.contains(&other),
            Self::These(others) => others.contains(&other),
        }
    }
}

impl Neighbours {
    fn of(subject: &Subject<'_>, items: &[&Item<'_>]) -> Self {
        match subject.dialect.name() {
            "postgres" => Self::Numbers(
                (0..)
                    .zip(items)
                    .filter(|(_, item)| {
                        let name = &item.trigger.id.name;
                        name.starts_with(|c: char| c.is_ascii_digit())
                    })
                    .map(|(index, _)| index)
                    .collect(),
            ),
            "mysql" => Self::of_order(items),
            _ => Self::Never,
        }
    }

    fn of_order(items: &[&Item<'_>]) -> Self {
        let mut named: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, item) in items.iter().enumerate() {
            let name = item.trigger.id.name.as_str();
            named.entry(name).or_default().push(index);
        }
        let mut before = vec![vec![]; items.len()];
        let mut behind = before.clone();
        let mut join = |first: usize, second: usize| {
            if let (Some(before), Some(behind)) = (before.get_mut(second), behind.get_mut(first)) {
                before.push(first);
                behind.push(second);
            }
        };
        for (index, item) in items.iter().enumerate() {
            let others = |name: &str| named.get(name).into_iter().flatten();
            match place(item) {
                Some(Place::Follows(name)) => others(name).for_each(|&other| join(other, index)),
                Some(Place::Precedes(name)) => others(name).for_each(|&other| join(index, other)),
                Some(Place::Among { .. }) | None => {}
            }
        }
        Self::Order { before, behind }
    }

    /// Those whose place before or behind this one is said, by way of others as well.
    fn settled(&self, index: usize) -> Settled<'_> {
        match self {
            Self::Numbers(numbered) if numbered.contains(&index) => Settled::Some(numbered),
            Self::Never | Self::Numbers(_) => Settled::None,
            Self::Order { before, behind } => {
                let mut all = reached(before, index);
                all.extend(reached(behind, index));
                Settled::These(all)
            }
        }
    }
}

/// All that can be come to from here.
fn reached(next: &[Vec<usize>], from: usize) -> HashSet<usize> {
    let (mut seen, mut open) = (HashSet::new(), vec![from]);
    while let Some(index) = open.pop() {
        for &other in next.get(index).into_iter().flatten() {
            if seen.insert(other) {
                open.push(other);
            }
        }
    }
    seen
}

fn place<'i>(item: &'i Item<'_>) -> Option<&'i Place> {
    item.trigger.creation.as_ref()?.place.as_ref()
}

/// A trigger, and what it does that may be in another one's way.
struct Known<'a> {
    item: &'a Item<'a>,
    does: ByEvent<Does<'a>>,
}

/// What a trigger does, where its order can matter.
enum Does<'a> {
    /// SQLite: to other tables.
    ToTables(Through<'a>),
    /// Elsewhere: to the row, before it is written.
    ToNew(New),
}

impl<'a> Known<'a> {
    fn of(subject: &Subject<'_>, item: &'a Item<'a>) -> Self {
        let Trigger {
            timing,
            orientation,
            events,
            ..
        } = &*item.trigger;
        let does = |event: &Event| match subject.dialect.name() {
            "sqlite" => Through::of(item, *event).map(Does::ToTables),
            _ if (*timing, *orientation) == (Timing::Before, Orientation::Row) => {
                Some(Does::ToNew(new_of(subject, item, *event)))
            }
            _ => None,
        };
        Self {
            item,
            does: events
                .iter()
                .filter_map(|event| Some((*event, does(event)?)))
                .collect(),
        }
    }
}

/// Columns of NEW that a trigger sets and reads; `None` stands for all.
#[derive(Default)]
struct New {
    sets: BTreeSet<String>,
    reads: BTreeSet<String>,
    reads_all: bool,
}

fn through_new(one: &New, other: &New) -> Option<Conflict> {
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
    if let Some(column) = read(one, other) {
        return Some(of(&column, false, true));
    }
    read(other, one).map(|column| of(&column, false, false))
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

/// What a trigger does to tables.
struct Through<'a> {
    own: &'a TableId,
    writes: BTreeSet<(&'a TableId, &'a String)>,
    touched: BTreeSet<&'a TableId>,
    reads: BTreeSet<(&'a TableId, &'a String)>,
}

impl<'a> Through<'a> {
    fn of(item: &'a Item<'a>, event: Event) -> Option<Self> {
        let effects = item.effects.get(&event)?;
        let written = |write: &'a Write| {
            let columns = write.columns.iter().flatten();
            columns.map(|column| (&write.table, column))
        };
        Some(Self {
            own: &item.trigger.id.table,
            writes: effects.writes.iter().flat_map(written).collect(),
            touched: effects.writes.iter().map(|write| &write.table).collect(),
            reads: effects
                .reads
                .iter()
                .filter_map(|(table, column)| Some((table, column.as_ref()?)))
                .collect(),
        })
    }
}

/// One updates a column, the other reads it and does not write its table. The trigger's own table is left out: what is
/// read of OLD and NEW cannot be told from what is read of the table.
fn through_tables(left: &Through<'_>, right: &Through<'_>) -> Option<Conflict> {
    let find = |writer: &Through<'_>, reader: &Through<'_>, left_writes| {
        let mut shared = writer.writes.intersection(&reader.reads);
        let (table, column) =
            shared.find(|(table, _)| *table != writer.own && !reader.touched.contains(table))?;
        Some(Conflict {
            column: (*column).clone(),
            table: Some((*table).clone()),
            both_write: false,
            left_writes,
        })
    };
    find(left, right, true).or_else(|| find(right, left, false))
}

/// A trigger, and the columns that it sets.
type Setter<'a> = (&'a Item<'a>, Arc<BTreeSet<&'a str>>);

/// UPDATE OF a column that a BEFORE trigger sets.
fn unseen(subject: &Subject<'_>, items: &[&Item<'_>], findings: &mut Findings) {
    if subject.dialect.name() != "postgres" {
        return;
    }
    // Which triggers set which column, each with all that it sets.
    let mut setters: HashMap<&str, Vec<Setter<'_>>> = HashMap::new();
    for item in items {
        let Trigger {
            timing,
            orientation,
            ..
        } = &*item.trigger;
        if (*timing, *orientation) != (Timing::Before, Orientation::Row) {
            continue;
        }
        let walk = item.walks.get(&Event::Update);
        let assigned: BTreeSet<&str> = walk
            .into_iter()
            .flat_map(|walk| &walk.assigns)
            .filter_map(|assignment| assignment.column.as_deref())
            .collect();
        let assigned = Arc::new(assigned);
        for column in &*assigned {
            let all = setters.entry(column).or_default();
            all.push((item, Arc::clone(&assigned)));
        }
    }
    for item in items.iter().filter(|item| item.source.is_some()) {
        let trigger = &item.trigger;
        // The first that sets a column is enough, since what is said stands at the column; and of one that sets several
        // of them it is said at the first.
        for (index, column) in trigger.update_of.iter().enumerate() {
            let earlier = trigger.update_of.get(..index).unwrap_or_default();
            let setters = setters.get(column.as_str());
            let setter = setters.into_iter().flatten().find(|(setter, sets)| {
                let of = &setter.trigger.update_of;
                let fires_anyway =
                    !of.is_empty() && of.iter().all(|it| trigger.update_of.contains(it));
                setter.trigger.id != trigger.id
                    && !fires_anyway
                    && !earlier.iter().any(|it| sets.contains(it.as_str()))
            });
            if let Some((setter, _)) = setter {
                not_seen(subject, item, column, setter, findings);
            }
        }
    }
}

fn not_seen(
    subject: &Subject<'_>,
    item: &Item<'_>,
    column: &str,
    setter: &Item<'_>,
    findings: &mut Findings,
) {
    let place = item.source.as_ref().and_then(|source| {
        let list = source.fields.update_of.as_ref()?;
        let named = list.value.iter().find(|named| named.value == column);
        Some(named.map_or_else(|| list.span.clone(), |named| named.span.clone()))
    });
    let diagnostic = Diagnostic::new(format!(
        "`{}` does not fire when only `{}` changes `{column}`",
        item.trigger.id.name, setter.trigger.id.name
    ))
    .at(&or_name(item, place))
    .note("UPDATE OF looks at the columns that the statement names")
    .help(format!(
        "leave `update_of` out, and write `when = \"OLD.{column} IS DISTINCT FROM NEW.{column}\"`"
    ));
    findings.about("update_of_changed_by_before", subject, item, diagnostic);
}
