//! Files into text and TOML: what can go wrong before a single key is looked at.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use toml::de::{DeTable, DeValue};
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

use super::keys::{self, Section};
use crate::error::{Diagnostic, SourceFile, Span};

/// No spec comes near it; a device file that never ends would.
const LARGEST: u64 = 256 * 1024 * 1024;

/// What a pipe said (`--config /dev/stdin`, a shell's `<(…)`): it says it once, and a command may read its spec twice.
static SAID: Mutex<BTreeMap<PathBuf, Vec<u8>>> = Mutex::new(BTreeMap::new());

/// The bytes of the file at `path`.
///
/// # Errors
/// What is wrong, as a whole sentence that names the file, and what to do about it.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Box<Diagnostic>> {
    let shown = path.display();
    let failed = |error: &io::Error| {
        let because = |reason| Diagnostic::new(format!("cannot read `{shown}`: {reason}"));
        Box::new(match error.kind() {
            io::ErrorKind::NotFound => because("there is no such file"),
            io::ErrorKind::PermissionDenied => {
                because("permission denied").help("ask for the right to read it")
            }
            io::ErrorKind::NotADirectory => because("a part of its path is no folder"),
            _ => Diagnostic::new(format!("cannot read `{shown}`")).note(error.to_string()),
        })
    };
    let said = || SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bytes) = said().get(path) {
        return Ok(bytes.clone());
    }
    let file = File::open(path).map_err(|error| failed(&error))?;
    let is_read_again = file.metadata().map_or(true, |metadata| metadata.is_file());
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        let message = format!("cannot read `{shown}`: it is a folder");
        return Err(Box::new(
            Diagnostic::new(message).help("name the file in it"),
        ));
    }
    // One more than there is, where the end is seen: no room is made that is not needed.
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(LARGEST)).unwrap_or(0) + 1);
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(&error))?;
    if bytes.len() as u64 > LARGEST {
        let message = format!("cannot read `{shown}`: it is larger than 256 MiB");
        return Err(Box::new(
            Diagnostic::new(message).help("split it, and name the parts in `include`"),
        ));
    }
    if !is_read_again {
        said().insert(path.to_owned(), bytes.clone());
    }
    Ok(bytes)
}

/// The text of a file, without a byte order mark, its lines ended by LF: what a spec says must not depend on how it was
/// checked out. (TOML lets a parser choose; a CR that is meant is written `\r`.)
///
/// # Errors
/// The bytes are not UTF-8.
pub(super) fn decode(name: &str, bytes: Vec<u8>) -> Result<Arc<SourceFile>, Box<Diagnostic>> {
    match String::from_utf8(bytes) {
        Ok(mut text) => {
            if text.starts_with('\u{feff}') {
                text.drain(..'\u{feff}'.len_utf8());
            }
            if text.contains("\r\n") {
                text = text.replace("\r\n", "\n");
            }
            Ok(Arc::new(SourceFile {
                name: name.to_owned(),
                text,
            }))
        }
        Err(error) => {
            let start = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            let byte = bytes.get(start).copied().unwrap_or_default();
            let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
            let span = Span {
                file: Arc::new(SourceFile {
                    name: name.to_owned(),
                    text: String::from_utf8_lossy(&bytes).into_owned(),
                }),
                // The bad byte has become U+FFFD; all before it is as it was.
                range: start..start + '\u{fffd}'.len_utf8(),
            };
            let encoding = if utf16 { "UTF-16" } else { "another encoding" };
            Err(Box::new(
                Diagnostic::new(format!("`{name}` is not UTF-8"))
                    .labelled(&span, format!("byte 0x{byte:02x}"))
                    .help(format!("the file is in {encoding}: save it as UTF-8")),
            ))
        }
    }
}

/// The TOML in `text`, which is `file`, or that with parts of it blank.
///
/// # Errors
/// Every syntax error, one a line: what a parser says of the rest of a broken line is rarely true.
pub(super) fn parse<'a>(
    file: &Arc<SourceFile>,
    text: &'a str,
) -> Result<DeTable<'a>, Vec<Diagnostic>> {
    let (table, mut errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(table.into_inner());
    }
    let length = file.text.len();
    // The parser does not say where.
    if errors.iter().any(|error| error.message() == TOO_MANY_PARTS)
        && let Some(range) = many_parts(text)
    {
        let span = Span {
            file: Arc::clone(file),
            range,
        };
        return Err(vec![
            Diagnostic::new("this key has too many parts")
                .at(&span)
                .help("no key of a spec has more than a few"),
        ]);
    }
    errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
    let mut diagnostics = vec![];
    let mut done = 0;
    for error in errors {
        let range = error.span().unwrap_or(0..0);
        let start = file.text.floor_char_boundary(range.start.min(length));
        if start < done {
            continue;
        }
        let end = file.text.ceil_char_boundary(range.end.clamp(start, length));
        let span = Span {
            file: Arc::clone(file),
            range: start..end,
        };
        // All that follows a header which is there twice is there twice.
        let line_end = if error.message() == "duplicate key" && is_header(&span) {
            "\n["
        } else {
            "\n"
        };
        done = file
            .text
            .get(end..)
            .and_then(|rest| rest.find(line_end))
            .map_or(length + 1, |found| end + found + 1);
        diagnostics.push(kindly(error.message(), &span));
    }
    Err(diagnostics)
}

/// What the parser says of a dotted key that would nest too deep.
const TOO_MANY_PARTS: &str = "recursion limit";

/// The first key that has more parts than the parser takes.
fn many_parts(text: &str) -> Option<Range<usize>> {
    const MOST: usize = 80;
    let mut parts = 0;
    let mut key = 0..0;
    let mut after_dot = false;
    for token in Source::new(text).lex() {
        let range = token.span().start()..token.span().end();
        match token.kind() {
            TokenKind::Whitespace => {}
            TokenKind::Dot => after_dot = true,
            TokenKind::Atom | TokenKind::BasicString | TokenKind::LiteralString => {
                if !std::mem::take(&mut after_dot) {
                    if parts >= MOST {
                        break;
                    }
                    (parts, key.start) = (0, range.start);
                }
                parts += 1;
                key.end = range.end;
            }
            _ if parts >= MOST => break,
            _ => (parts, after_dot) = (0, false),
        }
    }
    (parts >= MOST).then_some(key)
}

fn is_header(span: &Span) -> bool {
    let before = span.file.text.get(..span.range.start).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    line.trim_start().starts_with('[')
}

/// The parser's message in a reader's words.
fn kindly(message: &str, span: &Span) -> Diagnostic {
    let text = span.file.text.as_str();
    let found = text.get(span.range.clone()).unwrap_or_default();
    let (main, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let before = text.get(..span.range.start).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    let after = text.get(span.range.end..).unwrap_or_default().trim_start();
    let after_equals = line.trim_end().ends_with('=');
    let diagnostic = |message: &str| Diagnostic::new(message).at(span);
    match main {
        "string values must be quoted" if found.trim().is_empty() => missing_value(span),
        // `true initially = …` is read as one bare word.
        "string values must be quoted" if found.contains(' ') && after.starts_with('=') => {
            diagnostic("there is a `,` missing between two keys here")
        }
        // The parser takes `insert` for the beginning of `inf`, and `target` for that of `true`.
        "invalid boolean" if ["true", "false"].contains(&found.to_lowercase().as_str()) => {
            diagnostic("a truth value is written in small letters")
                .help(format!("write `{}`", found.to_lowercase()))
        }
        "string values must be quoted" | "invalid boolean" => unquoted(found, span),
        "invalid float" if found.starts_with(char::is_alphabetic) => unquoted(found, span),
        "missing opening quote" => diagnostic("this string has no quote at its beginning"),
        "missing value for key" | "missing value" => missing_value(span),
        "key with no value" => diagnostic("this key has no value").help("write `key = value`"),
        "duplicate key" => duplicate(found, span),
        "extra `=`" => diagnostic("there is one `=` too many"),
        "unquoted keys cannot be empty" | "missing key for inline table element" => {
            diagnostic("there is no key before this")
        }
        "invalid unquoted key" => diagnostic("a key with such characters must stand in quotes"),
        "missing comma between array elements" => {
            diagnostic("there is a `,` or a `]` missing before this")
        }
        "missing comma between key-value pairs" => {
            diagnostic("there is a `,` or a `}` missing before this")
        }
        "unclosed array" => diagnostic("this list is not closed").help("close it with `]`"),
        "unclosed inline table" => diagnostic("this table is not closed").help("close it with `}`"),
        "unclosed table" => diagnostic("this header is not closed").help("close it with `]`"),
        "unclosed array table" => {
            diagnostic("this header is not closed").help("close it with `]]`")
        }
        "invalid basic string" | "invalid literal string"
            if after_equals || expected.contains(['"', '\'']) =>
        {
            diagnostic("this string is not closed")
                .help("close it on its line; text of several lines goes in \"\"\" or '''")
        }
        "invalid multi-line basic string" | "invalid multi-line literal string"
            if expected.contains(['"', '\'']) =>
        {
            let quotes = if main.contains("literal") {
                "'''"
            } else {
                "\"\"\""
            };
            let start = before.rfind(quotes).unwrap_or(span.range.start);
            let opening = Span {
                file: Arc::clone(&span.file),
                range: start..(start + quotes.len()).min(text.len()),
            };
            Diagnostic::new("this string is not closed")
                .at(&opening)
                .help(format!("close it with {quotes}"))
        }
        "missing escaped value" => escape(span),
        "cannot recurse further; max recursion depth met" => diagnostic("this is nested too deep"),
        _ => {
            let diagnostic = diagnostic(&format!("this is not valid TOML: {main}"));
            if expected.is_empty() || expected == "nothing" {
                diagnostic
            } else {
                diagnostic.help(format!("expected {expected}"))
            }
        }
    }
}

/// A bare word, or one in quotes that are none to TOML.
fn unquoted(found: &str, span: &Span) -> Diagnostic {
    let word = found.trim_matches(['"', '\'', '`', '“', '”', '‘', '’']);
    let quoted = if word.contains('"') {
        format!("'{word}'")
    } else {
        format!("\"{word}\"")
    };
    Diagnostic::new("a string must stand in quotes")
        .at(span)
        .help(format!("write `{quoted}`"))
}

fn missing_value(span: &Span) -> Diagnostic {
    Diagnostic::new("there is no value after `=`")
        .at(span)
        .help("write one, or take the line away")
}

fn escape(span: &Span) -> Diagnostic {
    Diagnostic::new("there is no such escape after `\\`")
        .at(span)
        .help("write `\\\\` for a backslash, or use '…', where it means itself")
}

fn duplicate(found: &str, span: &Span) -> Diagnostic {
    let found = found.trim();
    let of_a_trigger = keys::named(found)
        .iter()
        .any(|key| matches!(key.sections, [Section::Trigger | Section::Field, ..]));
    Diagnostic::new(format!("`{found}` is there twice"))
        .at(span)
        .help(if of_a_trigger {
            "keep one of them; another trigger starts with its own `[[trigger]]`"
        } else {
            "keep one of them"
        })
}

/// The TOML word for a value's type.
pub(super) fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
