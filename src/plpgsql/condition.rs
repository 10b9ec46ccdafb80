//! Conditions of which the answer is known before the function runs: what they ask of TG_OP and its like.

use std::collections::BTreeSet;

use super::sql::inner;
use super::tree::{SyntaxKind, Tree, fold};
use crate::model::{Event, Orientation, TableId, Timing};

/// For what a function is called.
#[derive(Debug, Clone)]
pub struct Situation<'a> {
    /// TG_OP.
    pub event: Event,
    /// TG_WHEN.
    pub timing: Timing,
    /// TG_LEVEL.
    pub orientation: Orientation,
    /// TG_TABLE_NAME, TG_TABLE_SCHEMA.
    pub table: &'a TableId,
    /// TG_NAME.
    pub name: &'a str,
}

/// What is known of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    True,
    False,
    /// The rows decide.
    Data,
    /// It asks how the trigger was called, in words that are not understood.
    Unsure,
}

impl Situation<'_> {
    fn variable(&self, name: &str) -> Option<&str> {
        Some(match name {
            "tg_op" => self.event.keyword(),
            "tg_when" => self.timing.keyword(),
            "tg_level" => match self.orientation {
                Orientation::Row => "ROW",
                Orientation::Statement => "STATEMENT",
            },
            "tg_table_name" | "tg_relname" => &self.table.name,
            "tg_table_schema" => &self.table.schema,
            "tg_name" => self.name,
            _ => return None,
        })
    }

    /// The value of an expression that is a TG_ variable or a plain string.
    pub(super) fn constant(&self, tree: &Tree, id: usize) -> Option<String> {
        match tree.kind(id) {
            SyntaxKind::NAME_REF => self.variable(&fold(tree.text_of(id))).map(str::to_owned),
            SyntaxKind::LITERAL => {
                let text = tree.text_of(id);
                let inside = text.strip_prefix('\'')?.strip_suffix('\'')?;
                Some(inside.replace("''", "'"))
            }
            SyntaxKind::PAREN_EXPR => {
                let mut inside = inner(tree, id);
                let only = inside.next()?;
                if inside.next().is_some() {
                    return None;
                }
                self.constant(tree, only)
            }
            _ => None,
        }
    }

    /// The answer to a condition; `tainted` are the variables that hold something made of a TG_ variable.
    pub(super) fn truth(&self, tree: &Tree, id: usize, tainted: &BTreeSet<String>) -> Truth {
        let has = |kind| tree.has(id, kind);
        // What is put together of conditions is as sure as they are.
        let composed = match tree.kind(id) {
            SyntaxKind::PLPGSQL_EXPR
            | SyntaxKind::TARGET_LIST
            | SyntaxKind::TARGET
            | SyntaxKind::PAREN_EXPR => inner(tree, id).count() == 1,
            SyntaxKind::PREFIX_EXPR => has(SyntaxKind::NOT_KW),
            SyntaxKind::BIN_EXPR => has(SyntaxKind::AND_KW) || has(SyntaxKind::OR_KW),
            _ => false,
        };
        match self.decide(tree, id, tainted) {
            Truth::Data if !composed && asks(tree, id, tainted) => Truth::Unsure,
            truth => truth,
        }
    }

    fn decide(&self, tree: &Tree, id: usize, tainted: &BTreeSet<String>) -> Truth {
        let has = |kind| tree.has(id, kind);
        let parts: Vec<usize> = inner(tree, id).collect();
        match tree.kind(id) {
            SyntaxKind::PLPGSQL_EXPR
            | SyntaxKind::TARGET_LIST
            | SyntaxKind::TARGET
            | SyntaxKind::PAREN_EXPR => match parts.as_slice() {
                [only] => self.truth(tree, *only, tainted),
                _ => Truth::Data,
            },
            SyntaxKind::LITERAL => match tree.text_of(id).to_lowercase().as_str() {
                "true" => Truth::True,
                "false" | "null" => Truth::False,
                _ => Truth::Data,
            },
            SyntaxKind::PREFIX_EXPR if has(SyntaxKind::NOT_KW) => match parts.as_slice() {
                [only] => self.truth(tree, *only, tainted).not(),
                _ => Truth::Data,
            },
            SyntaxKind::BIN_EXPR => {
                let [left, rest @ ..] = parts.as_slice() else {
                    return Truth::Data;
                };
                let Some(right) = rest.last() else {
                    return Truth::Data;
                };
                if has(SyntaxKind::AND_KW) {
                    self.truth(tree, *left, tainted)
                        .and(self.truth(tree, *right, tainted))
                } else if has(SyntaxKind::OR_KW) {
                    self.truth(tree, *left, tainted)
                        .not()
                        .and(self.truth(tree, *right, tainted).not())
                        .not()
                } else {
                    self.compare(tree, id, *left, *right)
                }
            }
            _ => Truth::Data,
        }
    }

    fn compare(&self, tree: &Tree, id: usize, left: usize, right: usize) -> Truth {
        let has = |kind| tree.has(id, kind);
        let Some(value) = self.constant(tree, left) else {
            return Truth::Data;
        };
        let negated = has(SyntaxKind::NOT_IN);
        if negated || has(SyntaxKind::IN_KW) {
            let values: Option<Vec<String>> = inner(tree, right)
                .map(|element| self.constant(tree, element))
                .collect();
            return match values {
                Some(values) => Truth::of(values.contains(&value) != negated),
                None => Truth::Data,
            };
        }
        let Some(other) = self.constant(tree, right) else {
            return Truth::Data;
        };
        if has(SyntaxKind::EQ) || has(SyntaxKind::IS_NOT_DISTINCT_FROM) {
            Truth::of(value == other)
        } else if has(SyntaxKind::NEQ) || has(SyntaxKind::NEQB) || has(SyntaxKind::IS_DISTINCT_FROM)
        {
            Truth::of(value != other)
        } else {
            Truth::Data
        }
    }
}

/// Whether anything below asks how the trigger was called, or for which kind of table.
fn asks(tree: &Tree, id: usize, tainted: &BTreeSet<String>) -> bool {
    tree.below(id).into_iter().any(|id| {
        tree.children(id).is_empty() && {
            let name = fold(tree.text_of(id));
            name.starts_with("tg_")
                || tainted.contains(&name)
                // Whether there is such a column is asked of the catalog, or of the row's own keys.
                || ["information_schema", "pg_attribute", "?"].contains(&name.as_str())
        }
    })
}

impl Truth {
    fn of(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }

    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            other => other,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::True, truth) | (truth, Self::True) => truth,
            (Self::Unsure, _) | (_, Self::Unsure) => Self::Unsure,
            (Self::Data, Self::Data) => Self::Data,
        }
    }
}
