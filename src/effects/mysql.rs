//! The tables that the statements of a MySQL body write. Its grammar names them in a few places only, which the lexer finds;
//! what a statement may say besides is the server's business.

use std::ops::Range;

use crate::model::Event;
use crate::sql::{Blocks, Code, MYSQL, Token, TokenKind, solid, unquote};

/// A table that a statement writes: the database, where one is written, the table, what is done, and where.
pub(super) type Written = (Option<String>, String, Event, Range<usize>);

/// What a body writes, and where it runs text or calls procedures of which nothing is known.
pub fn body(body: &str) -> (Vec<Written>, Vec<Range<usize>>) {
    let all = solid(body, &MYSQL);
    let mut writes = vec![];
    let mut calls = vec![];
    let mut blocks = Blocks::new();
    for (index, token) in all.iter().enumerate() {
        let starts = blocks.starts();
        blocks.take(token, all.get(index + 1), body);
        if !starts {
            continue;
        }
        let rest = all.get(index..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|token| token.is_operator(body, ";"))
            .unwrap_or(rest.len());
        let statement = Statement(Code {
            text: body,
            tokens: rest.get(..length).unwrap_or_default(),
        });
        statement.writes(&mut writes);
        if token.is_word(body, "call") {
            let end = statement
                .0
                .tokens
                .last()
                .map_or(token.range.end, |t| t.range.end);
            calls.push(token.range.start..end);
        }
    }
    (writes, calls)
}

/// What may follow a table of a list, and is no alias.
const NO_ALIAS: [&str; 12] = [
    "join",
    "inner",
    "left",
    "right",
    "cross",
    "natural",
    "straight_join",
    "on",
    "using",
    "set",
    "where",
    "from",
];

struct Statement<'a>(Code<'a>);

impl Statement<'_> {
    /// Past these words.
    fn skip(&self, mut index: usize, words: &[&str]) -> usize {
        while self.0.is_any(index, words) {
            index += 1;
        }
        index
    }

    /// The first of these words outside brackets, from `index` on.
    fn find(&self, index: usize, words: &[&str]) -> Option<usize> {
        let mut depth = 0_i32;
        (index..self.0.tokens.len()).find(|at| {
            depth +=
                i32::from(self.0.is_operator(*at, "(")) - i32::from(self.0.is_operator(*at, ")"));
            depth == 0 && self.0.is_any(*at, words)
        })
    }

    fn writes(&self, writes: &mut Vec<Written>) {
        const HOW: [&str; 6] = [
            "low_priority",
            "delayed",
            "high_priority",
            "quick",
            "ignore",
            "into",
        ];
        // WITH … UPDATE, WITH … DELETE.
        let start = if self.0.is_word(0, "with") {
            let Some(start) = self.find(1, &["update", "delete", "insert", "select"]) else {
                return;
            };
            start
        } else {
            0
        };
        let table = self.skip(start + 1, &HOW);
        if self.0.is_word(start, "insert") || self.0.is_word(start, "replace") {
            if let Some((database, name, range)) = self.name(table) {
                if self.0.is_word(start, "replace") {
                    writes.push((database.clone(), name.clone(), Event::Delete, range.clone()));
                } else if let Some(at) = self.find(table, &["duplicate"])
                    && self.0.is_word(at + 1, "key")
                {
                    writes.push((database.clone(), name.clone(), Event::Update, range.clone()));
                }
                writes.push((database, name, Event::Insert, range));
            }
        } else if self.0.is_word(start, "update") {
            // UPDATE a JOIN b SET a.x = …: any table of the list may be the one.
            let end = self.find(table, &["set"]).unwrap_or(self.0.tokens.len());
            let written = self.assigned(end);
            for (database, name, range, alias) in self.references(table, end) {
                let known = !written.is_empty();
                if !known || written.contains(&name) || alias.is_some_and(|a| written.contains(&a))
                {
                    writes.push((database, name, Event::Update, range));
                }
            }
        } else if self.0.is_word(start, "delete") {
            self.deleted(table, writes);
        }
    }

    /// DELETE FROM t …; DELETE a, b FROM …; DELETE FROM a, b USING ….
    fn deleted(&self, at: usize, writes: &mut Vec<Written>) {
        let (names, list) = if self.0.is_word(at, "from") {
            let Some(using) = self.find(at + 1, &["using"]) else {
                if let Some((database, name, range)) = self.name(at + 1) {
                    writes.push((database, name, Event::Delete, range));
                }
                return;
            };
            ((at + 1, using), Some(using + 1))
        } else {
            let from = self.find(at, &["from"]).unwrap_or(self.0.tokens.len());
            ((at, from), Some(from + 1))
        };
        let wanted: Vec<String> = self
            .references(names.0, names.1)
            .into_iter()
            .map(|(_, name, _, _)| name)
            .collect();
        let end = self
            .find(names.1 + 1, &["where"])
            .unwrap_or(self.0.tokens.len());
        for (database, name, range, alias) in self.references(list.unwrap_or(names.0), end) {
            if wanted.contains(&name) || alias.is_some_and(|alias| wanted.contains(&alias)) {
                writes.push((database, name, Event::Delete, range));
            }
        }
    }

    /// The qualifiers of the columns that SET assigns; empty where one has none.
    fn assigned(&self, set: usize) -> Vec<String> {
        let mut found = vec![];
        let mut at = set + 1;
        while at < self.0.tokens.len() {
            if !self.0.is_operator(at + 1, ".") {
                return vec![];
            }
            let qualifier = if self.0.is_operator(at + 3, ".") {
                at + 2
            } else {
                at
            };
            if let Some(token) = self.0.tokens.get(qualifier) {
                found.push(unquote(token.text(self.0.text)).into_owned());
            }
            let mut depth = 0_i32;
            let next = (at..self.0.tokens.len()).find(|index| {
                depth += i32::from(self.0.is_operator(*index, "("))
                    - i32::from(self.0.is_operator(*index, ")"));
                depth == 0 && self.0.is_operator(*index, ",")
            });
            let Some(next) = next else { break };
            at = next + 1;
        }
        found
    }

    /// The tables of a list, with their aliases: names at its start, and behind a comma or JOIN.
    #[allow(clippy::type_complexity)] // Taken apart at once.
    fn references(
        &self,
        start: usize,
        end: usize,
    ) -> Vec<(Option<String>, String, Range<usize>, Option<String>)> {
        let mut found = vec![];
        let mut expected = true;
        let mut at = start;
        let mut depth = 0_i32;
        while at < end {
            depth +=
                i32::from(self.0.is_operator(at, "(")) - i32::from(self.0.is_operator(at, ")"));
            if expected
                && depth == 0
                && let Some((database, name, range)) = self.name(at)
            {
                let mut next = at + if database.is_some() { 3 } else { 1 };
                // `t.*` in DELETE.
                if self.0.is_operator(next, ".") {
                    next += 2;
                }
                if self.0.is_word(next, "as") {
                    next += 1;
                }
                let alias = (next < end && !NO_ALIAS.iter().any(|word| self.0.is_word(next, word)))
                    .then(|| self.0.tokens.get(next))
                    .flatten()
                    .filter(|token| matches!(token.kind, TokenKind::Word | TokenKind::QuotedName))
                    .map(|token| unquote(token.text(self.0.text)).into_owned());
                found.push((database, name, range, alias));
                expected = false;
                at = next;
                continue;
            }
            expected = depth == 0
                && (self.0.is_operator(at, ",")
                    || self.0.is_word(at, "join")
                    || self.0.is_word(at, "straight_join"));
            at += 1;
        }
        found
    }

    /// The name at this token.
    fn name(&self, at: usize) -> Option<(Option<String>, String, Range<usize>)> {
        let is_name =
            |token: &&Token| matches!(token.kind, TokenKind::Word | TokenKind::QuotedName);
        let first = self.0.tokens.get(at).filter(is_name)?;
        let text = |token: &Token| unquote(token.text(self.0.text)).into_owned();
        if self.0.is_operator(at + 1, ".")
            && let Some(second) = self.0.tokens.get(at + 2).filter(is_name)
        {
            let range = first.range.start..second.range.end;
            return Some((Some(text(first)), text(second), range));
        }
        Some((None, text(first), first.range.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Vec<(String, Event)> {
        let (writes, _) = body(text);
        writes
            .into_iter()
            .map(|(database, name, event, range)| {
                assert!(text[range].contains(&name));
                let name = database.map_or(name.clone(), |database| format!("{database}.{name}"));
                (name, event)
            })
            .collect()
    }

    fn one(name: &str, event: Event) -> (String, Event) {
        (name.to_owned(), event)
    }

    #[test]
    fn finds_what_statements_write() {
        let (insert, update, delete) = (Event::Insert, Event::Update, Event::Delete);
        for (text, expected) in [
            ("INSERT INTO l VALUES (1)", vec![one("l", insert)]),
            ("INSERT IGNORE `a b` SET x = 1", vec![one("a b", insert)]),
            (
                "INSERT INTO d.l (a) SELECT a FROM x ON DUPLICATE KEY UPDATE a = 1",
                vec![one("d.l", update), one("d.l", insert)],
            ),
            (
                "REPLACE l VALUES (1)",
                vec![one("l", delete), one("l", insert)],
            ),
            (
                "UPDATE LOW_PRIORITY t SET a = (SELECT 1 FROM u)",
                vec![one("t", update)],
            ),
            (
                "UPDATE t x JOIN u ON x.a = u.a SET u.b = 1, u.c = f(1, 2)",
                vec![one("u", update)],
            ),
            (
                "UPDATE t, u SET a = 1",
                vec![one("t", update), one("u", update)],
            ),
            (
                "DELETE FROM t WHERE a IN (SELECT a FROM u)",
                vec![one("t", delete)],
            ),
            (
                "DELETE x FROM t x JOIN u ON x.a = u.a",
                vec![one("t", delete)],
            ),
            (
                "DELETE FROM u USING t, u WHERE t.a = u.a",
                vec![one("u", delete)],
            ),
            (
                "IF NEW.a THEN INSERT INTO l VALUES (1); ELSE DELETE FROM m; END IF; SET @a = 1; SELECT 1 INTO @b",
                vec![one("l", insert), one("m", delete)],
            ),
        ] {
            assert_eq!(written(text), expected, "{text}");
        }
        assert_eq!(body("CALL p(1)").1.first(), Some(&(0..9)));
    }
}
