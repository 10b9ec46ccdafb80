//! What older versions of SQLite cannot read. A trigger's text is read whenever the file is opened, so what its grammar does
//! not know makes the whole file unreadable; functions that are missing only fail when they run.

use std::ops::Range;

use super::subject::{Item, Subject};
use super::{Findings, or_name};
use crate::error::{Diagnostic, Located};
use crate::model::{Action, Condition};
use crate::spec::inner_span;
use crate::sql::{SQLITE, TokenKind, solid};

/// Debian 12 has it, and Python 3.11's installer for Windows and macOS.
const OLDEST: (u32, u32) = (3, 40);

pub(super) fn look(subject: &Subject<'_>, findings: &mut Findings) {
    if subject.dialect.name() != "sqlite" {
        return;
    }
    let oldest = subject.spec.lint.oldest_sqlite.unwrap_or(OLDEST);
    for item in &subject.items {
        let Some(source) = &item.source else { continue };
        let when = match &item.trigger.condition {
            Some(Condition::Sql(text)) => source.fields.when.as_ref().map(|field| (text, field)),
            _ => None,
        };
        let body = match &item.trigger.action {
            Action::Body(text) => source.fields.body.as_ref().map(|field| (text, field)),
            Action::Call { .. } => None,
        };
        for (text, field) in when.into_iter().chain(body) {
            for newer in newer(text) {
                if newer.since > oldest {
                    report(subject, item, (text, field), &newer, oldest, findings);
                }
            }
        }
    }
}

fn report(
    subject: &Subject<'_>,
    item: &Item<'_>,
    (text, field): (&str, &Located<String>),
    newer: &Newer,
    oldest: (u32, u32),
    findings: &mut Findings,
) {
    let words = text.get(newer.range.clone()).unwrap_or_default();
    // What the two texts share stands in the same order; a template's words are found where they are there.
    let span = match field.value.find(words) {
        Some(start) if !words.is_empty() => inner_span(field, start..start + words.len()),
        _ => field.span.clone(),
    };
    let (major, minor) = newer.since;
    let diagnostic = Diagnostic::new(format!(
        "SQLite before {major}.{minor} cannot read {}",
        newer.what
    ))
    .at(&or_name(item, Some(span)))
    .note("it could not open the file at all: \"malformed database schema\"")
    .help(format!(
        "write it otherwise, or set `oldest_sqlite = \"{major}.{minor}\"` in `[lint]` (it is {}.{})",
        oldest.0, oldest.1
    ));
    findings.about("newer_syntax", subject, item, diagnostic);
}

/// Something that came with a version.
#[derive(Debug, PartialEq, Eq)]
struct Newer {
    what: &'static str,
    since: (u32, u32),
    range: Range<usize>,
}

/// All that is newer than SQLite 3.23, with the version that it came with (sqlite.org/changes.html).
fn newer(text: &str) -> Vec<Newer> {
    let all = solid(text, &SQLITE);
    let is = |at: usize, word: &str| all.get(at).is_some_and(|token| token.is_word(text, word));
    let op = |at: usize, operator: &str| {
        all.get(at)
            .is_some_and(|token| token.is_operator(text, operator))
    };
    let mut found = vec![];
    let mut add = |what, since, from: usize, to: usize| {
        if let (Some(first), Some(last)) = (all.get(from), all.get(to)) {
            found.push(Newer {
                what,
                since,
                range: first.range.start..last.range.end,
            });
        }
    };
    let mut starts = true;
    let mut depth = 0_i32;
    // In an UPDATE at its own level, past SET.
    let mut in_update = false;
    for (at, token) in all.iter().enumerate() {
        let start = std::mem::replace(&mut starts, token.is_operator(text, ";"));
        depth += i32::from(op(at, "(")) - i32::from(op(at, ")"));
        if op(at, ";") {
            in_update = false;
        }
        if start {
            in_update = is(at, "update");
        }
        if is(at, "raise") && op(at + 1, "(") && op(at + 3, ",") {
            let plain = all
                .get(at + 4)
                .is_some_and(|token| token.kind == TokenKind::String)
                && op(at + 5, ")");
            if !plain {
                add("RAISE with a message that is computed", (3, 47), at, at);
            }
        } else if start && (is(at, "update") || is(at, "delete")) {
            let mut name = at + 1;
            if is(name, "or") {
                name += 2;
            }
            if is(name, "from") {
                name += 1;
            }
            if is(name + 1, "as") {
                add("an alias here in a trigger", (3, 54), name, name + 2);
            }
        } else if in_update && depth == 0 && is(at, "from") {
            add("UPDATE … FROM", (3, 33), at, at);
        } else if token.kind == TokenKind::Number && token.text(text).contains('_') {
            add("digits with `_`", (3, 46), at, at);
        } else if (is(at, "right") || is(at, "full")) && (is(at + 1, "join") || is(at + 1, "outer"))
        {
            add("RIGHT and FULL JOIN", (3, 39), at, at);
        } else if is(at, "is") && is(at + 1, "distinct") && is(at + 2, "from") {
            add("IS DISTINCT FROM", (3, 39), at, at + 2);
        } else if is(at, "is") && is(at + 1, "not") && is(at + 2, "distinct") && is(at + 3, "from")
        {
            add("IS NOT DISTINCT FROM", (3, 39), at, at + 3);
        } else if op(at, "->") || op(at, "->>") {
            add("`->`", (3, 38), at, at);
        } else if is(at, "materialized") && op(at + 1, "(") {
            add("MATERIALIZED", (3, 35), at, at);
        } else if is(at, "nulls") && (is(at + 1, "first") || is(at + 1, "last")) {
            add("NULLS FIRST and NULLS LAST", (3, 30), at, at + 1);
        } else if is(at, "filter") && op(at + 1, "(") && is(at + 2, "where") {
            add("FILTER", (3, 30), at, at);
        } else if at > 0 && op(at - 1, ")") && is(at, "over") {
            add("a window function", (3, 25), at, at);
        } else if is(at, "on") && is(at + 1, "conflict") {
            add("ON CONFLICT", (3, 24), at, at + 1);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(text: &str) -> Vec<(u32, u32)> {
        newer(text).into_iter().map(|newer| newer.since).collect()
    }

    #[test]
    fn knows_what_came_when() {
        for (text, expected) in [
            ("SELECT RAISE(ABORT, 'x' || new.a)", vec![(3, 47)]),
            ("SELECT RAISE(ABORT, 'x')", vec![]),
            ("SELECT RAISE(IGNORE)", vec![]),
            ("UPDATE log AS l SET a = 1", vec![(3, 54)]),
            ("UPDATE OR IGNORE log SET a = 1", vec![]),
            ("DELETE FROM log AS l", vec![(3, 54)]),
            ("UPDATE a SET b = (SELECT 1 FROM c)", vec![]),
            ("UPDATE a SET b = 1 FROM c", vec![(3, 33)]),
            ("SELECT 1_000, x1_0, '1_0'", vec![(3, 46)]),
            (
                "SELECT a IS DISTINCT FROM b, a IS NOT b, a ->> '$.b'",
                vec![(3, 39), (3, 38)],
            ),
            (
                "INSERT INTO a SELECT 1 FROM b RIGHT JOIN c ORDER BY 1 NULLS LAST",
                vec![(3, 39), (3, 30)],
            ),
            (
                "INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING",
                vec![(3, 24)],
            ),
            (
                "SELECT count(*) FILTER (WHERE a) OVER (ORDER BY b), \"over\"",
                vec![(3, 30), (3, 25)],
            ),
        ] {
            assert_eq!(since(text), expected, "{text}");
        }
    }
}
