//! The proof that a rendered text is exactly one statement. Statements are never cut apart to run them, so a text that
//! holds two would run both.

use std::ops::Range;
use std::sync::Arc;

use crate::error::{Diagnostic, SourceFile, Span};
use crate::sql::{Syntax, TokenKind, TriggerBodies, tokens, top_level_semicolons};

/// Why a text is not one statement.
pub(super) struct Problem {
    message: &'static str,
    help: &'static str,
    text: String,
    range: Range<usize>,
}

impl Problem {
    /// The problem as it is shown: in the generated text, with the template's name.
    pub(super) fn diagnostic(self, template: &str, file: Option<Arc<SourceFile>>) -> Diagnostic {
        let Self {
            message,
            help,
            text,
            range,
        } = self;
        let span = Span {
            file: Arc::new(SourceFile {
                name: format!("<rendered from {template}>"),
                text,
            }),
            range,
        };
        let mut diagnostic =
            Diagnostic::new(format!("the template `{template}` {message}")).at(&span);
        if let Some(file) = file {
            diagnostic = diagnostic.note(format!("the template is {}", file.name));
        }
        diagnostic.help(help)
    }
}

/// The text without what follows its one statement (white space and semicolons).
pub(super) fn prove(mut text: String, syntax: &Syntax) -> Result<String, Problem> {
    text.truncate(text.trim_end().len());
    let leading = text.len() - text.trim_start().len();
    text.drain(..leading);
    if text.is_empty() {
        return Err(Problem {
            message: "renders to nothing",
            help: "a template renders to exactly one statement",
            range: 0..0,
            text,
        });
    }
    if is_plain(&text) {
        return Ok(text);
    }
    if let Some(at) = text.find('\0') {
        return Err(Problem {
            message: "renders to text with a NUL character",
            help: "no engine takes one: remove it",
            range: at..at + 1,
            text,
        });
    }
    let (open, end) = ends(&text, syntax);
    if let Some(range) = open {
        return Err(Problem {
            message: "renders to a quote or comment that never ends",
            help: "close it, in the template or in the SQL that goes into it",
            range,
            text,
        });
    }
    if let Some(end) = end {
        let rest = text.get(end..).unwrap_or_default();
        let more =
            tokens(rest, syntax).find(|token| !token.is_blank() && !token.is_operator(rest, ";"));
        if let Some(token) = more {
            return Err(Problem {
                message: "renders to more than one statement",
                help: "each template makes one statement; remove what follows the `;`",
                range: end + token.range.start..end + token.range.end,
                text,
            });
        }
        text.truncate(end);
        text.truncate(text.trim_end().len());
        if text.is_empty() {
            return prove(text, syntax);
        }
    }
    Ok(text)
}

/// A quote or comment that never ends, and the semicolon that ends the first statement, where there are such.
fn ends(text: &str, syntax: &Syntax) -> (Option<Range<usize>>, Option<usize>) {
    let mut semicolon = None;
    for token in tokens(text, syntax) {
        if token.kind == TokenKind::Unterminated {
            return (Some(token.range), None);
        }
        if semicolon.is_none() && token.is_operator(text, ";") {
            semicolon = Some(token.range.start);
        }
    }
    if syntax.trigger_bodies != TriggerBodies::None && semicolon.is_some() {
        semicolon = top_level_semicolons(text, syntax).first().copied();
    }
    (None, semicolon)
}

/// Whether a text holds nothing that a quote, a comment or the end of a statement could begin with: then it need not be
/// cut into tokens.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    !bytes.iter().any(|byte| {
        matches!(
            byte,
            b';' | b'\'' | b'"' | b'`' | b'[' | b'$' | b'#' | b'\0'
        )
    }) && !bytes.windows(2).any(|pair| matches!(pair, b"--" | b"/*"))
}
