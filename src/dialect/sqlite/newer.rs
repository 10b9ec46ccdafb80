//! Syntax that an older SQLite cannot read. It matters more than elsewhere: every trigger is read when a file is opened,
//! and one that cannot be read makes the whole file unusable ("malformed database schema").

use crate::dialect::NewerSyntax;
use crate::sql::{SQLITE, TokenKind, solid};

/// What a token may be the beginning of, with the version that had it first (sqlite.org/changes.html). Those from 3.44 on were
/// tried on 3.40, 3.43, 3.45, 3.46, 3.47, 3.51 and 3.53.
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

/// What may be said of a table in INSERT, UPDATE and DELETE outside of triggers for long.
const ALIAS: &str = "a table that is written to under an alias";

/// Words before a parenthesis that are no function.
const NOT_CALLED: &[&str] = &[
    "over",
    "in",
    "exists",
    "from",
    "as",
    "join",
    "filter",
    "select",
    "where",
    "and",
    "or",
    "not",
    "on",
    "when",
    "then",
    "else",
    "case",
    "values",
    "by",
    "materialized",
    "using",
    "having",
];

/// The newest syntax in a CREATE TRIGGER statement, as far as tokens tell it.
pub(super) fn newest(statement: &str) -> Option<NewerSyntax> {
    let all = solid(statement, &SQLITE);
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
    let words = |index: usize, words: &[&str]| words.iter().any(|word| is_word(index, word));
    // For each parenthesis that is open, whether it holds the arguments of a function.
    let mut open: Vec<bool> = vec![];
    let mut newest: Option<NewerSyntax> = None;
    let mut found = |what: &'static str, since: (u32, u32)| {
        if newest.is_none_or(|known| known.since < since) {
            newest = Some(NewerSyntax { what, since });
        }
    };
    for (index, token) in all.iter().enumerate() {
        if is(index, "(") {
            let called = index > 0 && is_name(index - 1) && !words(index - 1, NOT_CALLED);
            open.push(called && !words(index + 1, &["select", "with", "values"]));
        } else if is(index, ")") {
            open.pop();
        } else if open.last() == Some(&true) && is_word(index, "order") && is_word(index + 1, "by")
        {
            found("an aggregate with `ORDER BY`", (3, 44));
        }
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
        for (sequence, what, since) in WORDS {
            if sequence
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
                found(ALIAS, (3, 53));
            }
        }
        if is_word(index, "from") || is_word(index, "into") {
            let verb = index > 0
                && (is_word(index - 1, "delete")
                    || is_word(index - 1, "insert")
                    || is_word(index - 1, "replace")
                    || (index > 2 && is_word(index - 2, "or") && is_word(index - 3, "insert")));
            if verb && is_name(index + 1) && is_word(index + 2, "as") && is_name(index + 3) {
                found(ALIAS, (3, 53));
            }
        }
    }
    newest
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// Each on a trigger that the SQLite built in accepts, so that nothing is claimed of what is no syntax at all.
    fn since(body: &str) -> Option<(u32, u32)> {
        let statement = format!("CREATE TRIGGER x AFTER UPDATE OF a ON t BEGIN {body}; END");
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE t (a, b, \"as\")")
            .unwrap();
        connection.execute_batch(&statement).unwrap();
        newest(&statement).map(|newer| newer.since)
    }

    #[test]
    fn late_syntax_is_known() {
        for (body, expected) in [
            ("SELECT RAISE(ABORT, 'x' || new.a)", (3, 47)),
            ("SELECT RAISE(ABORT, new.a)", (3, 47)),
            ("SELECT RAISE(ABORT, printf('%s', 1))", (3, 47)),
            ("UPDATE t AS l SET a = 1", (3, 53)),
            ("UPDATE OR IGNORE t AS l SET a = 1", (3, 53)),
            ("DELETE FROM t AS l", (3, 53)),
            ("INSERT INTO t AS l VALUES (1, 2, 3)", (3, 53)),
            ("INSERT OR IGNORE INTO t AS l VALUES (1, 2, 3)", (3, 53)),
            ("UPDATE t SET a = 1_000", (3, 46)),
            ("SELECT group_concat(a ORDER BY b) FROM t", (3, 44)),
            ("SELECT * FROM t RIGHT JOIN t u ON 1", (3, 39)),
            ("SELECT old.a IS NOT DISTINCT FROM new.a", (3, 39)),
            ("SELECT new.a ->> '$.x'", (3, 38)),
            (
                "SELECT * FROM (WITH q AS MATERIALIZED (SELECT 1) SELECT * FROM q)",
                (3, 35),
            ),
        ] {
            assert_eq!(since(body), Some(expected), "{body}");
        }
    }

    #[test]
    fn what_every_sqlite_reads_is_no_news() {
        for body in [
            "SELECT RAISE(ABORT, 'x')",
            "SELECT RAISE(IGNORE)",
            "SELECT RAISE(ABORT, 'a, b'), 'RAISE(ABORT, 1 || 2)' -- RAISE(ABORT, 1 || 2)\n",
            "UPDATE t SET a = 1",
            "DELETE FROM t WHERE \"as\" = 1",
            "SELECT * FROM t AS l",
            "INSERT INTO t SELECT a AS x, b, 1 FROM t AS u ORDER BY a",
            "SELECT a FROM (SELECT a FROM t ORDER BY a)",
            "SELECT max(a) FROM t WHERE a IN (SELECT b FROM t ORDER BY b)",
            "SELECT row_number() OVER (ORDER BY a) FROM t",
            "SELECT '1_000', x'01', t.a - 1, 5-3 > 2 FROM t LEFT JOIN t u ON 1",
        ] {
            assert_eq!(since(body), None, "{body}");
        }
    }
}
