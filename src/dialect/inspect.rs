//! What the lexer can tell of SQL that the user wrote: whether it stays in its place, and what it speaks of. What is
//! valid is the engine's to say; here is only what would break out, or would fail later and far from its cause.

use std::borrow::Cow;
use std::ops::Range;

use super::Dialect;
use crate::model::{Event, Orientation};
use crate::spec::Fields;
use crate::sql::{Syntax, Token, TokenKind, solid, tokens, unquote};

/// Something wrong with a text, at a place in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    /// What is wrong, to follow "the `when` …".
    pub message: String,
    /// Where in the text.
    pub range: Range<usize>,
    /// The way out.
    pub help: &'static str,
}

fn flaw(message: impl Into<String>, range: Range<usize>, help: &'static str) -> Flaw {
    Flaw {
        message: message.into(),
        range,
        help,
    }
}

/// What breaks any SQL: NUL characters, quotes and comments that never end, nothing at all.
pub(super) fn check_text(text: &str, syntax: &Syntax) -> Result<(), Flaw> {
    check_characters(text)?;
    if may_be_plain(text) {
        return Ok(());
    }
    let mut empty = true;
    for token in tokens(text, syntax) {
        check_token(&token)?;
        empty &= token.is_blank();
    }
    if empty { Err(nothing(text)) } else { Ok(()) }
}

/// What breaks a text in a language of which nothing is known here, where a single quote may be a word's apostrophe: NUL
/// characters, nothing at all.
pub(super) fn check_foreign(text: &str) -> Result<(), Flaw> {
    check_characters(text)
}

/// A condition is one expression: nothing in it may end the place that it stands in.
pub(super) fn check_condition(text: &str, syntax: &Syntax) -> Result<(), Flaw> {
    check_characters(text)?;
    let mut empty = true;
    let mut open: Vec<Range<usize>> = vec![];
    for token in tokens(text, syntax) {
        check_token(&token)?;
        empty &= token.is_blank();
        if token.is_operator(text, "(") {
            open.push(token.range);
        } else if token.is_operator(text, ")") {
            if open.pop().is_none() {
                return Err(flaw(
                    "has a `)` that nothing opens",
                    token.range,
                    "remove it, or write the `(` before it",
                ));
            }
        } else if token.is_operator(text, ";") {
            return Err(flaw(
                "is more than one expression",
                token.range,
                "a condition is one expression: remove the `;`",
            ));
        }
    }
    match open.pop() {
        Some(range) => Err(flaw(
            "has a `(` that nothing closes",
            range,
            "write the `)` that it needs",
        )),
        None if empty => Err(nothing(text)),
        None => Ok(()),
    }
}

fn check_characters(text: &str) -> Result<(), Flaw> {
    if let Some(at) = text.find('\0') {
        return Err(flaw(
            "has a NUL character",
            at..at + 1,
            "no engine takes one in SQL: remove it",
        ));
    }
    if text.trim().is_empty() {
        return Err(nothing(text));
    }
    Ok(())
}

fn check_token(token: &Token) -> Result<(), Flaw> {
    if token.kind == TokenKind::Unterminated {
        return Err(flaw(
            "has a quote or comment that never ends",
            token.range.clone(),
            "close it",
        ));
    }
    Ok(())
}

fn nothing(text: &str) -> Flaw {
    flaw("is empty", 0..text.len(), "say what it is to do")
}

/// Whether nothing in the text can begin a quote or a comment in any dialect: then there is no need to cut it.
fn may_be_plain(text: &str) -> bool {
    !text.contains(['\'', '"', '`', '[', '$', '#']) && !may_have_comments(text)
}

fn may_have_comments(text: &str) -> bool {
    text.contains("--") || text.contains("/*") || text.contains('#')
}

/// Whether a word may be in the text, whatever its case.
fn may_mention(text: &str, word: &str) -> bool {
    text.as_bytes()
        .windows(word.len())
        .any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

/// The text with a line end after it where it ends in a comment to the end of the line, which would swallow what
/// follows.
pub(super) fn closed<'a>(text: &'a str, syntax: &Syntax) -> Cow<'a, str> {
    if !may_have_comments(text) {
        return Cow::Borrowed(text);
    }
    match tokens(text, syntax).last() {
        Some(token) if is_line_comment(&token, text) => Cow::Owned(format!("{text}\n")),
        _ => Cow::Borrowed(text),
    }
}

/// The text as a list of statements: blank lines around it removed, and a semicolon after the last statement. All else
/// is left to the letter.
pub(super) fn statements(text: &str, syntax: &Syntax) -> String {
    let start = text.len() - text.trim_start().len();
    // The first line keeps its indent.
    let start = text
        .get(..start)
        .and_then(|blank| blank.rfind('\n'))
        .map_or(0, |at| at + 1);
    let text = text.get(start..).unwrap_or(text).trim_end();
    if !may_have_comments(text) {
        // A string or quoted name ends in its quote, so this can only be the semicolon of a statement.
        let end = if text.ends_with(';') { "" } else { ";" };
        return format!("{text}{end}");
    }
    let mut end = None;
    let mut line_comment = false;
    for token in tokens(text, syntax) {
        line_comment = is_line_comment(&token, text);
        if !token.is_blank() {
            end = Some((token.range.end, token.is_operator(text, ";")));
        }
    }
    let mut result = text.to_owned();
    if let Some((end, false)) = end {
        result.insert(end, ';');
    }
    if line_comment {
        result.push('\n');
    }
    result
}

fn is_line_comment(token: &Token, text: &str) -> bool {
    token.kind == TokenKind::Comment && !token.text(text).starts_with("/*")
}

/// Where a row variable (`new`, `old`) is named, other than as a column (`x.new`).
pub(super) fn row_variable(text: &str, syntax: &Syntax, name: &str) -> Option<Range<usize>> {
    if !may_mention(text, name) {
        return None;
    }
    let mut after_dot = false;
    for token in tokens(text, syntax).filter(|token| !token.is_blank()) {
        if !after_dot && is_name(&token, text, name) {
            return Some(token.range);
        }
        after_dot = token.is_operator(text, ".");
    }
    None
}

/// Whether a trigger with these fields has the rows that a condition speaks of: a statement has none, an insert has no old
/// one, a delete no new one.
pub(crate) fn has_rows(condition: &str, dialect: &dyn Dialect, fields: &Fields) -> bool {
    let speaks_of = |row| !row_columns(condition, dialect.syntax(), row).is_empty();
    let (old, new) = (speaks_of("old"), speaks_of("new"));
    let for_each = fields.for_each.as_ref();
    if for_each.is_some_and(|for_each| for_each.value == Orientation::Statement) {
        return !old && !new;
    }
    let events = fields
        .events
        .as_ref()
        .map_or(&[][..], |events| &events.value);
    let only = |event| !events.is_empty() && events.iter().all(|one| one.value == event);
    !(old && only(Event::Insert) || new && only(Event::Delete))
}

/// The columns that are read from a row variable, each with its place; `None` for the whole row (`NEW.*`, `NEW`).
pub(super) fn row_columns(
    text: &str,
    syntax: &Syntax,
    name: &str,
) -> Vec<(Option<String>, Range<usize>)> {
    if !may_mention(text, name) {
        return vec![];
    }
    let significant = solid(text, syntax);
    let mut found = vec![];
    for (index, token) in significant.iter().enumerate() {
        let after_dot = index
            .checked_sub(1)
            .and_then(|before| significant.get(before))
            .is_some_and(|before| before.is_operator(text, "."));
        if after_dot || !is_name(token, text, name) {
            continue;
        }
        let dot = significant
            .get(index + 1)
            .filter(|next| next.is_operator(text, "."));
        match (dot, significant.get(index + 2)) {
            (Some(_), Some(column)) if column.kind == TokenKind::Word => {
                let name = column.text(text).to_lowercase();
                found.push((Some(name), token.range.start..column.range.end));
            }
            (Some(_), Some(column)) if column.kind == TokenKind::QuotedName => {
                let name = unquote(column.text(text)).into_owned();
                found.push((Some(name), token.range.start..column.range.end));
            }
            _ => found.push((None, token.range.clone())),
        }
    }
    found
}

/// Where an unquoted word stands that is not a column (`x.select`).
pub(super) fn keyword(text: &str, syntax: &Syntax, word: &str) -> Option<Range<usize>> {
    if !may_mention(text, word) {
        return None;
    }
    let mut after_dot = false;
    for token in tokens(text, syntax).filter(|token| !token.is_blank()) {
        if !after_dot && token.is_word(text, word) {
            return Some(token.range);
        }
        after_dot = token.is_operator(text, ".");
    }
    None
}

/// `IF condition THEN`, which a body begins with, and what follows it.
pub(super) fn behind_then<'a>(text: &'a str, syntax: &Syntax) -> Option<(&'a str, &'a str)> {
    let mut cases = 0_usize;
    for (index, token) in tokens(text, syntax)
        .filter(|token| !token.is_blank())
        .enumerate()
    {
        if index == 0 && !token.is_word(text, "if") {
            return None;
        }
        if token.is_word(text, "case") {
            cases += 1;
        } else if token.is_word(text, "end") {
            cases = cases.checked_sub(1)?;
        } else if token.is_word(text, "then") && cases == 0 {
            return Some((text.get(..token.range.end)?, text.get(token.range.end..)?));
        }
    }
    None
}

/// The first word of each statement, with the place of the statement's first token.
pub(super) fn statement_starts<'a>(text: &'a str, syntax: &Syntax) -> Vec<(&'a str, Range<usize>)> {
    let mut starts = vec![];
    let mut at_start = true;
    for token in tokens(text, syntax).filter(|token| !token.is_blank()) {
        if token.is_operator(text, ";") {
            at_start = true;
        } else if at_start {
            let word = text.get(token.range.clone()).unwrap_or_default();
            starts.push((word, token.range));
            at_start = false;
        }
    }
    starts
}

fn is_name(token: &Token, text: &str, name: &str) -> bool {
    match token.kind {
        TokenKind::Word => token.text(text).eq_ignore_ascii_case(name),
        TokenKind::QuotedName => unquote(token.text(text)) == name,
        _ => false,
    }
}
