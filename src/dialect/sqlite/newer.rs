//! Syntax that an older SQLite cannot read. It matters more than elsewhere: every trigger is read when a file is opened,
//! and one that cannot be read makes the whole file unusable ("malformed database schema").

use crate::dialect::NewerSyntax;
use crate::sql::{SQLITE, Token, TokenKind, tokens};

/// What a token may be the beginning of, with the version that had it first (sqlite.org/changes.html; the last two were
/// tried on 3.40 and 3.54).
const WORDS: &[(&[&str], &str, (u32, u32))] = &[
    (&["materialized"], "`AS MATERIALIZED`", (3, 35)),
    (&["is", "distinct", "from"], "`IS DISTINCT FROM`", (3, 39)),
    (
        &["is", "not", "distinct", "from"],
        "`IS NOT DISTINCT FROM`",
        (3, 39),
    ),
    (&["right", "join"], "`RIGHT JOIN`", (3, 39)),
    (&["right", "outer", "join"], "`RIGHT JOIN`", (3, 39)),
    (&["full", "join"], "`FULL JOIN`", (3, 39)),
    (&["full", "outer", "join"], "`FULL JOIN`", (3, 39)),
];

/// The newest syntax in a CREATE TRIGGER statement, as far as tokens tell it.
pub(super) fn newest(statement: &str) -> Option<NewerSyntax> {
    let all: Vec<Token> = tokens(statement, &SQLITE)
        .filter(|token| !token.is_blank())
        .collect();
    let is_word = |index: usize, word: &str| {
        all.get(index)
            .is_some_and(|token| token.is_word(statement, word))
    };
    let is = |index: usize, operator: &str| {
        all.get(index)
            .is_some_and(|token| token.is_operator(statement, operator))
    };
    let is_name = |index: usize| {
        all.get(index)
            .is_some_and(|token| matches!(token.kind, TokenKind::Word | TokenKind::QuotedName))
    };
    let mut newest: Option<NewerSyntax> = None;
    let mut found = |what: &'static str, since: (u32, u32)| {
        if newest.is_none_or(|known| known.since < since) {
            newest = Some(NewerSyntax { what, since });
        }
    };
    for (index, token) in all.iter().enumerate() {
        if index > 0 && is(index - 1, ".") {
            continue;
        }
        match token.kind {
            TokenKind::Operator if is(index, "->") || is(index, "->>") => {
                found("the operator `->`", (3, 38));
            }
            TokenKind::Number if token.text(statement).contains('_') => {
                found("a number with `_` in it", (3, 46));
            }
            TokenKind::Word => {}
            _ => continue,
        }
        for (words, what, since) in WORDS {
            if words
                .iter()
                .enumerate()
                .all(|(offset, word)| is_word(index + offset, word))
            {
                found(what, *since);
            }
        }
        // RAISE(ABORT, expression): before, the message was a string and nothing else.
        if is_word(index, "raise") && is(index + 1, "(") && is(index + 3, ",") {
            let literal = all
                .get(index + 4)
                .is_some_and(|token| token.kind != TokenKind::Operator && !is(index + 4, "("));
            if !(literal && is(index + 5, ")")) {
                found("`RAISE` with an expression as its message", (3, 47));
            }
        }
        // UPDATE t AS x, in the body: the header has `UPDATE OF` or `UPDATE ON`.
        if is_word(index, "update") {
            let mut at = index + 1;
            if is_word(at, "or") {
                at += 2;
            }
            if is_name(at) && is_word(at + 1, "as") && is_name(at + 2) {
                found("`UPDATE` of a table with an alias", (3, 54));
            }
        }
        if is_word(index, "delete")
            && is_word(index + 1, "from")
            && is_name(index + 2)
            && is_word(index + 3, "as")
        {
            found("`DELETE` of a table with an alias", (3, 54));
        }
    }
    newest
}
