//! Which statements run while which tables are held: those of one table together, and with them those of any table that a
//! name comes from or goes to, since neither table may be without its triggers in between.

use std::collections::{BTreeMap, BTreeSet};

use crate::db::Statement;
use crate::model::{ObjectId, TableId};

/// So many statements at once, or more where they belong together.
const LEAST_AT_ONCE: usize = 16;

/// Statements of one table, or of several between which a name goes from one to the other. No two groups have a table or a
/// name in common.
pub(super) struct Group {
    pub(super) tables: BTreeSet<TableId>,
    pub(super) statements: Vec<Statement>,
    /// It is one statement that makes one trigger, and touches none that is there: the engine holds the table for it by itself, and
    /// whoever writes to the table sees all of the change or nothing. A statement that waits for a busy table runs even when this
    /// program is killed, which may be so of one that only adds.
    pub(super) is_addition: bool,
}

/// How many of these, from the first on, only add one trigger each: they go to the database at once.
pub(super) fn additions(groups: &[Group]) -> usize {
    let additions = groups.iter().take(LEAST_AT_ONCE);
    additions.take_while(|group| group.is_addition).count()
}

/// Whatever only one group can have.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Table(TableId),
    /// Of a trigger, in its schema. Whether names know case is the engine's affair: what differs in case alone is taken
    /// for the same, which at worst holds two tables at once.
    Name(String, String),
}

/// Statements with their positions, and the group that they have become a part of.
type Part = (Option<usize>, Vec<(usize, Statement)>);

/// All statements in groups, in the order of each group's first; settings go with the statement that follows them. `new` are the
/// objects that are not there yet.
pub(super) fn groups(statements: Vec<Statement>, new: &BTreeSet<&ObjectId>) -> Vec<Group> {
    // Each group with the one that it has become a part of.
    let mut groups: Vec<Part> = vec![];
    let mut owners: BTreeMap<Key, usize> = BTreeMap::new();
    let mut settings = vec![];
    let mut last = None;
    for (position, statement) in statements.into_iter().enumerate() {
        let Some(object) = &statement.object else {
            settings.push((position, statement));
            continue;
        };
        let name = Key::Name(object.schema().to_lowercase(), object.name().to_lowercase());
        let keys: Vec<Key> = object
            .table()
            .map(|table| Key::Table(table.clone()))
            .into_iter()
            .chain([name])
            .collect();
        let known: BTreeSet<usize> = keys
            .iter()
            .filter_map(|key| owners.get(key).map(|owner| whole(&groups, *owner)))
            .collect();
        let at = known.first().copied().unwrap_or(groups.len());
        if at == groups.len() {
            groups.push((None, vec![]));
        }
        for joined in known.into_iter().skip(1) {
            let moved = groups.get_mut(joined).map(|(whole, statements)| {
                *whole = Some(at);
                std::mem::take(statements)
            });
            if let Some((_, statements)) = groups.get_mut(at) {
                statements.extend(moved.into_iter().flatten());
            }
        }
        for key in keys {
            owners.insert(key, at);
        }
        if let Some((_, statements)) = groups.get_mut(at) {
            statements.append(&mut settings);
            statements.push((position, statement));
        }
        last = Some(at);
    }
    // What is set after the last one.
    if let Some((_, statements)) = last.and_then(|last| groups.get_mut(last)) {
        statements.append(&mut settings);
    }
    groups
        .into_iter()
        .filter(|(whole, _)| whole.is_none())
        .map(|(_, mut statements)| {
            statements.sort_by_key(|(position, _)| *position);
            let statements: Vec<Statement> = statements
                .into_iter()
                .map(|(_, statement)| statement)
                .collect();
            let objects: Vec<&ObjectId> = statements
                .iter()
                .filter_map(|one| one.object.as_deref())
                .collect();
            let tables = objects.iter().filter_map(|object| object.table().cloned());
            Group {
                tables: tables.collect(),
                is_addition: matches!(*objects, [object] if new.contains(object)),
                statements,
            }
        })
        .collect()
}

/// Whether it takes something away.
pub(super) fn is_drop(statement: &Statement) -> bool {
    let verb = statement.sql.trim_start().get(..4);
    verb.is_some_and(|verb| verb.eq_ignore_ascii_case("drop"))
}

/// The statements in pieces that are handed over at once, between which an interruption is looked for: settings stay with
/// what they are for, and what is dropped with what is made in its place.
pub(super) fn pieces(mut statements: &[Statement]) -> Vec<&[Statement]> {
    let mut pieces = vec![];
    while !statements.is_empty() {
        let after_least = statements.iter().enumerate().skip(LEAST_AT_ONCE - 1);
        let last = after_least
            .filter(|(_, statement)| statement.object.is_some() && !is_drop(statement))
            .map(|(index, _)| index)
            .next();
        let length = last.map_or(statements.len(), |last| last + 1);
        let Some((piece, rest)) = statements.split_at_checked(length) else {
            break;
        };
        pieces.push(piece);
        statements = rest;
    }
    pieces
}

/// The group that a group is a part of by now.
fn whole(groups: &[Part], mut at: usize) -> usize {
    while let Some(next) = groups.get(at).and_then(|(whole, _)| *whole) {
        at = next;
    }
    at
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::TriggerId;

    fn statement(sql: &str, on: Option<(&str, &str)>) -> Statement {
        Statement {
            sql: sql.to_owned(),
            object: on.map(|(table, name)| {
                Arc::new(ObjectId::Trigger(TriggerId {
                    table: TableId {
                        schema: "app".to_owned(),
                        name: table.to_owned(),
                    },
                    name: name.to_owned(),
                }))
            }),
        }
    }

    fn shown(statements: Vec<Statement>) -> Vec<String> {
        let show = |group: Group| {
            let tables: Vec<&str> = group
                .tables
                .iter()
                .map(|table| table.name.as_str())
                .collect();
            let statements: Vec<&str> = group
                .statements
                .iter()
                .map(|one| one.sql.as_str())
                .collect();
            format!("{}: {}", tables.join(" "), statements.join(" "))
        };
        groups(statements, &BTreeSet::new())
            .into_iter()
            .map(show)
            .collect()
    }

    #[test]
    fn each_table_by_itself() {
        assert_eq!(
            shown(vec![
                statement("set", None),
                statement("a", Some(("t", "a"))),
                statement("b", Some(("u", "b"))),
                statement("set b", None),
                statement("c", Some(("t", "c"))),
                statement("reset", None),
            ]),
            ["t: set a set b c reset", "u: b"]
        );
    }

    #[test]
    fn what_belongs_together_is_handed_over_at_once() {
        let mut all: Vec<Statement> = vec![];
        for number in 0..15 {
            all.push(statement(&format!("create {number}"), Some(("t", "a"))));
        }
        all.push(statement("drop x", Some(("t", "x"))));
        all.push(statement("set x", None));
        all.push(statement("create x", Some(("t", "x"))));
        all.push(statement("create y", Some(("t", "y"))));
        all.push(statement("reset", None));
        let of: Vec<usize> = pieces(&all).iter().map(|piece| piece.len()).collect();
        assert_eq!(of, [18, 2]);
        assert!(pieces(&[]).is_empty());
    }

    #[test]
    fn what_only_adds_goes_at_once() {
        let all = vec![
            statement("create a", Some(("t", "a"))),
            statement("set", None),
            statement("create b", Some(("u", "b"))),
            statement("create c", Some(("v", "c"))),
            statement("create d", Some(("w", "d"))),
            statement("create e", Some(("w", "e"))),
            statement("create f", Some(("x", "f"))),
        ];
        let objects = all.iter().filter_map(|one| one.object.as_deref());
        // There is a `c`.
        let new: BTreeSet<&ObjectId> = objects.filter(|id| id.name() != "c").collect();
        let groups = groups(all.clone(), &new);
        assert_eq!(additions(&groups), 2);
        assert_eq!(groups.iter().filter(|group| group.is_addition).count(), 3);
    }

    #[test]
    fn tables_between_which_a_name_goes_are_held_at_once() {
        assert_eq!(
            shown(vec![
                statement("drop t.a", Some(("t", "a"))),
                statement("drop v.x", Some(("v", "x"))),
                statement("drop u.b", Some(("u", "b"))),
                statement("create t.B", Some(("t", "B"))),
                statement("create v.x", Some(("v", "x"))),
                statement("create u.a", Some(("u", "a"))),
            ]),
            [
                "t u: drop t.a drop u.b create t.B create u.a",
                "v: drop v.x create v.x"
            ]
        );
        // Two that were apart until a third joined them.
        assert_eq!(
            shown(vec![
                statement("1", Some(("t", "a"))),
                statement("2", Some(("u", "b"))),
                statement("3", Some(("v", "c"))),
                statement("4", Some(("v", "b"))),
                statement("5", Some(("u", "a"))),
            ]),
            ["t u v: 1 2 3 4 5"]
        );
    }
}
