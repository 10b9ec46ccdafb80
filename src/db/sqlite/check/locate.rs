//! Finding the name that SQLite complains of in a trigger's text: for a trigger's body the engine gives no position.

use std::ops::Range;

use crate::sql::{SQLITE, TokenKind, solid, unquote};

/// The kinds of message that end in the name at fault.
const COMPLAINTS: [&str; 4] = [
    "no such table",
    "no such column",
    "no such function",
    "no such collation sequence",
];

/// What a message complains of: `no such column` and `new.x`.
pub(super) fn subject(words: &str) -> Option<(&str, &str)> {
    let (complaint, name) = words.split_once(": ")?;
    COMPLAINTS
        .contains(&complaint)
        .then(|| (complaint, name.split(" - ").next().unwrap_or(name)))
}

/// The name in `schema.table` or `new.column`.
pub(super) fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Whether a column is one of OLD or NEW.
pub(super) fn is_row_reference(name: &str) -> bool {
    name.split_once('.')
        .is_some_and(|(row, _)| row.eq_ignore_ascii_case("new") || row.eq_ignore_ascii_case("old"))
}

/// Where the name that a message complains of stands in `sql`.
pub(super) fn place(words: &str, sql: &str) -> Option<Range<usize>> {
    let Some((complaint, subject)) = subject(words) else {
        // `table log has no column named x`
        let (_, column) = words.split_once(" has no column named ")?;
        return name(column, sql);
    };
    if complaint == "no such column" {
        let parts: Vec<&str> = subject.split('.').collect();
        return sequence(&parts, sql).or_else(|| name(last_part(subject), sql));
    }
    name(last_part(subject), sql)
}

/// Where a name first stands in `sql`, in quotes or without.
pub(super) fn name(name: &str, sql: &str) -> Option<Range<usize>> {
    sequence(&[name], sql)
}

/// Where `a.b` first stands in `sql`.
fn sequence(parts: &[&str], sql: &str) -> Option<Range<usize>> {
    let all = solid(sql, &SQLITE);
    let width = (parts.len() * 2).checked_sub(1)?;
    all.windows(width).find_map(|window| {
        let fits = window.iter().enumerate().all(|(index, token)| {
            if index % 2 == 1 {
                return token.is_operator(sql, ".");
            }
            parts.get(index / 2).is_some_and(|part| {
                matches!(token.kind, TokenKind::Word | TokenKind::QuotedName)
                    && unquote(token.text(sql)).eq_ignore_ascii_case(part)
            })
        });
        let (first, last) = (window.first()?, window.last()?);
        fits.then_some(first.range.start..last.range.end)
    })
}

/// The candidate that looks most like a misspelt name.
pub(super) fn closest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    const ALIKE: f64 = 0.8;
    let name = name.to_ascii_lowercase();
    candidates
        .map(|candidate| {
            let likeness = strsim::jaro_winkler(&name, &candidate.to_ascii_lowercase());
            (candidate, likeness)
        })
        .filter(|(_, likeness)| *likeness >= ALIKE)
        .max_by(|(_, left), (_, right)| left.total_cmp(right))
        .map(|(candidate, _)| candidate)
}
