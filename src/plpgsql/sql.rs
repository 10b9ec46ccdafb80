//! What SQL in a tree writes, reads and calls.

use std::collections::BTreeSet;
use std::ops::Range;

use super::tree::{SyntaxKind, Tree, fold};
use crate::model::Event;

/// A name as written, folded: `schema.name` or `name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// The schema, where one is written.
    pub schema: Option<String>,
    /// The name.
    pub name: String,
}

/// A table, a view or a function, and where it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The name.
    pub name: Name,
    /// Where in the source.
    pub range: Range<usize>,
}

/// Whether a statement that runs is sure to write rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// It depends on the rows.
    Perhaps,
    /// It writes the row that has all the values that the trigger's row has in the columns that it names: where it is of
    /// the trigger's own table, that very row.
    SameRow,
    /// Always: an INSERT of VALUES, an UPDATE or DELETE of all rows.
    Always,
}

/// A table that a statement writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The table.
    pub table: Table,
    /// What it does to it.
    pub event: Event,
    /// The columns that an INSERT or UPDATE names; `None` where it names none.
    pub columns: Option<Vec<(String, Range<usize>)>>,
    /// Whether it is sure to, once the statement runs.
    pub certainty: Certainty,
    /// The statement.
    pub statement: Range<usize>,
    /// Whether the statement makes use of OLD.
    pub uses_old: bool,
}

/// What a statement or an expression does.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) writes: Vec<Write>,
    pub(super) reads: Vec<Table>,
    pub(super) calls: Vec<Table>,
    /// Tables that it creates.
    pub(super) creates: Vec<String>,
}

/// Everything below these nodes.
pub(super) fn look(tree: &Tree, id: usize) -> Found {
    let mut found = Found::default();
    let all = tree.below(id);
    let ctes: BTreeSet<String> = all
        .iter()
        .filter(|id| tree.kind(**id) == SyntaxKind::CTE_NAME)
        .map(|id| fold(tree.text_of(*id)))
        .collect();
    for id in all {
        match tree.kind(id) {
            SyntaxKind::INSERT => insert(tree, id, &mut found),
            SyntaxKind::UPDATE | SyntaxKind::DELETE => update_or_delete(tree, id, &mut found),
            SyntaxKind::MERGE => merge(tree, id, &mut found),
            SyntaxKind::TRUNCATE => {
                for list in tree.all(id, SyntaxKind::TABLE_LIST) {
                    for table in tree.all(list, SyntaxKind::TABLE_RELATION_NAME) {
                        let write = write(tree, id, table, Event::Truncate, Certainty::Always);
                        found.writes.extend(write);
                    }
                }
            }
            SyntaxKind::COPY if tree.has(id, SyntaxKind::COPY_FROM) => {
                if let Some(table) = tree.child(id, SyntaxKind::COPY_TABLE)
                    && let Some(name) = tree.child(table, SyntaxKind::TABLE_NAME_REF)
                {
                    let write = write(tree, id, name, Event::Insert, Certainty::Perhaps);
                    found.writes.extend(write);
                }
            }
            SyntaxKind::CREATE_TABLE | SyntaxKind::CREATE_TABLE_AS => {
                if let Some(name) = tree.child(id, SyntaxKind::TABLE_NAME) {
                    found.creates.extend(tree.names(name).pop());
                }
            }
            SyntaxKind::RELATION_FROM_ITEM | SyntaxKind::TABLE => {
                let named = tree
                    .below(id)
                    .into_iter()
                    .find(|id| tree.kind(*id) == SyntaxKind::RELATION_NAME_REF);
                if let Some(table) = named.and_then(|id| name(tree, id)) {
                    let is_cte = table.name.schema.is_none() && ctes.contains(&table.name.name);
                    if !is_cte {
                        found.reads.push(table);
                    }
                }
            }
            SyntaxKind::CALL_EXPR => {
                let callee = tree.children(id).first().copied();
                // EXISTS and COALESCE look like calls and are none.
                let callee = callee.filter(|callee| {
                    matches!(
                        tree.kind(*callee),
                        SyntaxKind::NAME_REF | SyntaxKind::FIELD_EXPR
                    )
                });
                found
                    .calls
                    .extend(callee.and_then(|callee| name(tree, callee)));
            }
            SyntaxKind::PROCEDURE_NAME_REF => found.calls.extend(name(tree, id)),
            _ => {}
        }
    }
    found
}

/// The name that a node holds: its last part, and the one before it.
fn name(tree: &Tree, id: usize) -> Option<Table> {
    let mut names = tree.names(id);
    // `ONLY t`, where the word is a part of the node.
    if tree.has(id, SyntaxKind::ONLY_KW) {
        names.remove(0);
    }
    let name = names.pop()?;
    Some(Table {
        name: Name {
            schema: names.pop(),
            name,
        },
        range: tree.range(id),
    })
}

fn write(
    tree: &Tree,
    statement: usize,
    named: usize,
    event: Event,
    certainty: Certainty,
) -> Option<Write> {
    let reference = tree
        .below(named)
        .into_iter()
        .find(|id| tree.kind(*id) == SyntaxKind::PATH_REF)
        .unwrap_or(named);
    Some(Write {
        table: name(tree, reference)?,
        event,
        columns: None,
        certainty,
        statement: tree.range(statement),
        uses_old: tree
            .below(statement)
            .into_iter()
            .any(|id| tree.kind(id) == SyntaxKind::OLD_KW),
    })
}

fn insert(tree: &Tree, id: usize, found: &mut Found) {
    let Some(named) = tree.child(id, SyntaxKind::RELATION_NAME_REF) else {
        return;
    };
    let conflict = tree.child(id, SyntaxKind::ON_CONFLICT_CLAUSE);
    let gives_rows = tree.has(id, SyntaxKind::VALUES) || tree.has(id, SyntaxKind::DEFAULT_VALUES);
    let certainty = if gives_rows && conflict.is_none() {
        Certainty::Always
    } else {
        Certainty::Perhaps
    };
    let Some(mut write) = write(tree, id, named, Event::Insert, certainty) else {
        return;
    };
    write.columns = tree
        .child(id, SyntaxKind::COLUMN_TARGET_LIST)
        .map(|list| columns(tree, list));
    if let Some(conflict) = conflict
        && let Some(update) = tree.child(conflict, SyntaxKind::CONFLICT_DO_UPDATE_SET)
    {
        found.writes.push(Write {
            event: Event::Update,
            columns: Some(columns(tree, update)),
            certainty: Certainty::Perhaps,
            ..write.clone()
        });
    }
    found.writes.push(write);
}

fn update_or_delete(tree: &Tree, id: usize, found: &mut Found) {
    let Some(named) = tree.child(id, SyntaxKind::RELATION_NAME) else {
        return;
    };
    let event = if tree.kind(id) == SyntaxKind::UPDATE {
        Event::Update
    } else {
        Event::Delete
    };
    let joined = tree.has(id, SyntaxKind::FROM_CLAUSE) || tree.has(id, SyntaxKind::USING_CLAUSE);
    let certainty = match tree.child(id, SyntaxKind::WHERE_CLAUSE) {
        None if !joined && !tree.has(id, SyntaxKind::WHERE_CURRENT_OF) => Certainty::Always,
        Some(condition) if !joined && pins_the_row(tree, condition) => Certainty::SameRow,
        _ => Certainty::Perhaps,
    };
    if let Some(mut write) = write(tree, id, named, event, certainty) {
        write.columns = tree
            .child(id, SyntaxKind::SET_CLAUSE)
            .map(|clause| columns(tree, clause));
        found.writes.push(write);
    }
}

fn merge(tree: &Tree, id: usize, found: &mut Found) {
    let Some(named) = tree.child(id, SyntaxKind::TABLE_RELATION_NAME) else {
        return;
    };
    for action in tree.below(id) {
        let event = match tree.kind(action) {
            SyntaxKind::MERGE_INSERT => Event::Insert,
            SyntaxKind::MERGE_UPDATE => Event::Update,
            SyntaxKind::MERGE_DELETE => Event::Delete,
            _ => continue,
        };
        if let Some(mut write) = write(tree, id, named, event, Certainty::Perhaps) {
            if event == Event::Update {
                write.columns = Some(columns(tree, action));
            }
            found.writes.push(write);
        }
    }
}

/// The columns that are named as targets below a node.
fn columns(tree: &Tree, id: usize) -> Vec<(String, Range<usize>)> {
    tree.below(id)
        .into_iter()
        .filter(|id| tree.kind(*id) == SyntaxKind::COLUMN_NAME_REF)
        .map(|id| (fold(tree.text_of(id)), tree.range(id)))
        .collect()
}

/// Whether a WHERE is made of nothing but `column = NEW.column`, joined by AND.
fn pins_the_row(tree: &Tree, clause: usize) -> bool {
    let mut open: Vec<usize> = tree.children(clause).iter().skip(1).copied().collect();
    let mut any = false;
    while let Some(id) = open.pop() {
        match tree.kind(id) {
            SyntaxKind::PAREN_EXPR => open.extend(inner(tree, id)),
            SyntaxKind::BIN_EXPR if tree.has(id, SyntaxKind::AND_KW) => {
                open.extend(inner(tree, id));
            }
            SyntaxKind::BIN_EXPR if tree.has(id, SyntaxKind::EQ) => {
                let sides: Vec<(Option<&'static str>, String)> = inner(tree, id)
                    .filter_map(|side| column(tree, side))
                    .collect();
                let [left, right] = sides.as_slice() else {
                    return false;
                };
                if left.0.is_some() == right.0.is_some() || left.1 != right.1 {
                    return false;
                }
                any = true;
            }
            _ => return false,
        }
    }
    any
}

/// The children of an expression that are expressions.
pub(super) fn inner(tree: &Tree, id: usize) -> impl Iterator<Item = usize> + '_ {
    tree.children(id)
        .iter()
        .copied()
        .filter(|child| !tree.children(*child).is_empty())
}

/// A column, and the row variable that it is read from.
pub(super) fn column(tree: &Tree, id: usize) -> Option<(Option<&'static str>, String)> {
    match tree.kind(id) {
        SyntaxKind::NAME_REF => Some((None, fold(tree.text_of(id)))),
        SyntaxKind::FIELD_EXPR => {
            let parts: Vec<usize> = inner(tree, id).collect();
            let [row, column] = parts.as_slice() else {
                return None;
            };
            let row = row_variable(tree, *row);
            Some((row, fold(tree.text_of(*column))))
        }
        _ => None,
    }
}

/// `new` or `old`, where a name is that of a row variable.
pub(super) fn row_variable(tree: &Tree, id: usize) -> Option<&'static str> {
    match fold(tree.text_of(id)).as_str() {
        "new" => Some("new"),
        "old" => Some("old"),
        _ => None,
    }
}
