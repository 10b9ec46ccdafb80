//! The small decisions of an import: what a generated function is made of, what a text or a name needs, and how it is
//! said that something has no place in a spec.

use crate::error::Diagnostic;
use crate::model::{Function, FunctionId, FunctionSource, ObjectId};
use crate::sql::{Syntax, TokenKind, tokens};

/// Stands in for a body, to see what a generated function puts around it.
pub(super) const BODY: &str = "PERFORM 'the body goes here';";
/// The same for declarations.
pub(super) const DECLARATION: &str = "the_declaration_goes_here integer;";

pub(super) fn comments<'a>(sql: &'a str, syntax: &Syntax) -> Vec<&'a str> {
    tokens(sql, syntax)
        .filter(|token| token.kind == TokenKind::Comment)
        .map(|token| sql.get(token.range).unwrap_or_default())
        .collect()
}

/// The declarations and the body of a text that looks like a generated function.
pub(super) fn unwrapped<'a>(
    live: &'a str,
    shell: &str,
    declares: bool,
) -> Option<(Option<&'a str>, &'a str)> {
    let (before, after) = shell.split_once(BODY)?;
    if !declares {
        return Some((None, live.strip_prefix(before)?.strip_suffix(after)?));
    }
    let (before, between) = before.split_once(DECLARATION)?;
    let inside = live.strip_prefix(before)?.strip_suffix(after)?;
    let (declare, body) = inside.split_once(between)?;
    Some((Some(declare), body))
}

/// Without the line ends right after BEGIN and before END, which are written again.
pub(super) fn bare(body: &str) -> &str {
    let blank = |c: char| matches!(c, ' ' | '\t' | '\r');
    let start = body.trim_start_matches(blank);
    let body = match start.strip_prefix('\n') {
        Some(lines) => lines,
        None => start,
    };
    let end = body.trim_end_matches(blank);
    end.strip_suffix('\n')
        .map_or(end, |lines| lines.strip_suffix('\r').unwrap_or(lines))
}

/// Whether a spec can hold a function's text.
pub(super) fn has_body(function: &Function) -> bool {
    let compiled = ["c", "internal"].contains(&function.language.as_str());
    !compiled && matches!(function.source, FunctionSource::Body(_))
}

/// Why a function is only named.
pub(super) fn foreign(id: &FunctionId, live: Option<&Function>) -> String {
    let why = if live.is_some() {
        "is written in C"
    } else {
        "belongs to an extension"
    };
    format!("The function {id} {why}: it has no text here, and has to be there.")
}

/// The elements of a list of names, each one in quotes.
pub(super) fn quoted_list(values: &[String]) -> String {
    values
        .iter()
        .map(|value| format!("\"{}\"", value.replace('"', "\"\"")))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A reader of the spec would refuse this.
pub(super) fn unspeakable(id: &ObjectId, problem: Diagnostic) -> Diagnostic {
    let Diagnostic {
        message,
        place: _,
        related: _,
        notes,
        help: _,
    } = problem;
    let mut diagnostic = Diagnostic::new(format!("{id} cannot be written as a spec: {message}"))
        .help("change it in the database, or leave it out with `--exclude`");
    diagnostic.notes = notes;
    diagnostic
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_loses_only_the_line_ends_that_are_written_again() {
        assert_eq!(bare("\n  SELECT 1;\n"), "  SELECT 1;");
        assert_eq!(bare(" SELECT 1; "), "SELECT 1;");
        assert_eq!(
            bare("\r\n\tSELECT 1;\r\n  -- end\r\n  "),
            "\tSELECT 1;\r\n  -- end"
        );
        assert_eq!(bare("\n\nSELECT 1;\n\n"), "\nSELECT 1;\n");
    }

    #[test]
    fn a_generated_function_is_unwrapped() {
        let shell = format!("\nBEGIN\n{BODY}\nRETURN NEW;\nEND\n");
        assert_eq!(
            unwrapped("\nBEGIN\nx;\nRETURN NEW;\nEND\n", &shell, false),
            Some((None, "x;"))
        );
        assert_eq!(
            unwrapped("BEGIN\nx;\nRETURN NEW;\nEND", &shell, false),
            None
        );
        let shell = format!("\nDECLARE\n{DECLARATION}\nBEGIN\n{BODY}\nRETURN NULL;\nEND\n");
        assert_eq!(
            unwrapped(
                "\nDECLARE\nn int;\nBEGIN\nx;\nRETURN NULL;\nEND\n",
                &shell,
                true
            ),
            Some((Some("n int;"), "x;"))
        );
    }
}
