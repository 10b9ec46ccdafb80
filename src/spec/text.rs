//! Strings of the spec: where a byte of the decoded text stands in the file, and `${env:NAME}`.

use std::ffi::OsString;
use std::ops::Range;

use crate::error::{Located, Span};

/// The place in the file of a byte range of the decoded string, right through escapes, multi-line strings and lines
/// that a backslash folds. The place of the whole string where the value is not what stands there (`${env:…}`).
pub fn inner_span(located: &Located<String>, range: Range<usize>) -> Span {
    let whole = located.span.clone();
    let Some(raw) = whole.file.text.get(whole.range.clone()) else {
        return whole;
    };
    let Some(positions) = positions(raw, &located.value) else {
        return whole;
    };
    let value = &located.value;
    let (Some(&start), Some(&end)) = (
        positions.get(value.floor_char_boundary(range.start)),
        positions.get(value.ceil_char_boundary(range.end.max(range.start))),
    ) else {
        return whole;
    };
    let from = whole.range.start;
    Span {
        file: whole.file,
        range: from + start..from + end.max(start),
    }
}

/// For every byte of `decoded`, and for its end, the offset in the raw token; `None` when the token does not read as
/// `decoded`.
fn positions(raw: &str, decoded: &str) -> Option<Vec<usize>> {
    let (inside, mut at, basic, multi_line) = strip_quotes(raw)?;
    let end = at + inside.len();
    let mut positions = Vec::with_capacity(decoded.len() + 1);
    let mut text = String::with_capacity(decoded.len());
    while at < end {
        let rest = raw.get(at..end)?;
        let c = rest.chars().next()?;
        if !basic || c != '\\' {
            positions.extend((0..c.len_utf8()).map(|byte| at + byte));
            text.push(c);
            at += c.len_utf8();
            continue;
        }
        if multi_line {
            let blank = rest.get(1..)?;
            let kept = blank.trim_start_matches([' ', '\t', '\r', '\n']);
            let folded = blank.get(..blank.len() - kept.len())?;
            if folded.contains('\n') {
                at += 1 + folded.len();
                continue;
            }
        }
        let (c, length) = escape(rest)?;
        positions.extend(std::iter::repeat_n(at, c.len_utf8()));
        text.push(c);
        at += length;
    }
    positions.push(end);
    (text == decoded).then_some(positions)
}

/// What is between the quotes, its offset, whether backslashes count, and whether lines do.
fn strip_quotes(raw: &str) -> Option<(&str, usize, bool, bool)> {
    for (quote, basic) in [("\"\"\"", true), ("'''", false)] {
        let Some(inside) = raw.strip_prefix(quote) else {
            continue;
        };
        let inside = inside.strip_suffix(quote)?;
        // TOML drops a line end right after the opening quotes.
        let kept = inside
            .strip_prefix("\r\n")
            .or_else(|| inside.strip_prefix('\n'))
            .unwrap_or(inside);
        return Some((kept, 3 + inside.len() - kept.len(), basic, true));
    }
    for (quote, basic) in [('"', true), ('\'', false)] {
        if let Some(inside) = raw.strip_prefix(quote) {
            return Some((inside.strip_suffix(quote)?, 1, basic, false));
        }
    }
    None
}

/// The character that an escape at the start of `rest` stands for, and the escape's length.
fn escape(rest: &str) -> Option<(char, usize)> {
    let hex = |digits: usize| {
        let code = u32::from_str_radix(rest.get(2..2 + digits)?, 16).ok()?;
        Some((char::from_u32(code)?, 2 + digits))
    };
    match rest.chars().nth(1)? {
        'b' => Some(('\u{8}', 2)),
        't' => Some(('\t', 2)),
        'n' => Some(('\n', 2)),
        'f' => Some(('\u{c}', 2)),
        'r' => Some(('\r', 2)),
        'e' => Some(('\u{1b}', 2)),
        '"' => Some(('"', 2)),
        '\\' => Some(('\\', 2)),
        'x' => hex(2),
        'u' => hex(4),
        'U' => hex(8),
        _ => None,
    }
}

/// What is wrong with a `${env:…}`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EnvError {
    /// What is wrong.
    pub(super) message: String,
    /// Which bytes of the text.
    pub(super) range: Range<usize>,
    /// What to do next.
    pub(super) help: String,
}

/// `text` with every `${env:NAME}` and `${env:NAME:-default}` filled in, and every `$${` turned into `${`. A default
/// holds where the variable is not set or empty, as in a shell.
pub(super) fn fill_in(
    text: &str,
    variable: fn(&str) -> Option<OsString>,
) -> Result<Option<String>, Vec<EnvError>> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut filled = String::with_capacity(text.len());
    let mut errors = vec![];
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find("${")) {
        let start = at + found;
        let before = text.get(at..start).unwrap_or_default();
        if let Some(before) = before.strip_suffix('$') {
            filled.push_str(before);
            filled.push_str("${");
            at = start + 2;
            continue;
        }
        filled.push_str(before);
        let Some(inside) = text
            .get(start..)
            .and_then(|rest| rest.strip_prefix("${env:"))
        else {
            filled.push_str("${");
            at = start + 2;
            continue;
        };
        let Some(length) = inside.find('}') else {
            errors.push(EnvError {
                message: "`${env:` is not closed".to_owned(),
                range: start..text.len(),
                help: "close it with `}`, or write `$${env:` for the text itself".to_owned(),
            });
            return Err(errors);
        };
        let end = start + "${env:".len() + length + 1;
        let reference = inside.get(..length).unwrap_or_default();
        match value_of(reference, variable) {
            Ok(value) => filled.push_str(&value),
            Err((message, help)) => errors.push(EnvError {
                message,
                range: start..end,
                help,
            }),
        }
        at = end;
    }
    filled.push_str(text.get(at..).unwrap_or_default());
    if errors.is_empty() {
        Ok(Some(filled))
    } else {
        Err(errors)
    }
}

fn value_of(
    reference: &str,
    variable: fn(&str) -> Option<OsString>,
) -> Result<String, (String, String)> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    let valid = name
        .chars()
        .enumerate()
        .all(|(index, c)| c == '_' || c.is_ascii_alphabetic() || (index > 0 && c.is_ascii_digit()));
    if name.is_empty() || !valid {
        return Err((
            format!("`{name}` is no name of an environment variable"),
            "write `${env:NAME}` or `${env:NAME:-default}`".to_owned(),
        ));
    }
    match (variable(name), default) {
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Some(value), _) => value.into_string().map_err(|_| {
            (
                format!("the environment variable `{name}` is not UTF-8"),
                format!("set {name} to valid UTF-8"),
            )
        }),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err((
            format!("the environment variable `{name}` is not set"),
            format!("set {name}, or give a default: `${{env:{name}:-…}}`"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SourceFile;
    use proptest::prelude::*;
    use std::sync::Arc;
    use toml::de::DeTable;

    fn located(toml: &str) -> Located<String> {
        let table = DeTable::parse(toml).unwrap();
        let value = table.get_ref().get("a").unwrap();
        Located {
            value: value.get_ref().as_str().unwrap().to_owned(),
            span: Span {
                file: Arc::new(SourceFile {
                    name: "t".to_owned(),
                    text: toml.to_owned(),
                }),
                range: value.span(),
            },
        }
    }

    fn pointed(toml: &str, needle: &str) -> String {
        let located = located(toml);
        let start = located.value.find(needle).unwrap();
        let span = inner_span(&located, start..start + needle.len());
        toml[span.range].to_owned()
    }

    #[test]
    fn maps_through_every_kind_of_string() {
        assert_eq!(pointed("a = 'x{{y}}'", "{{y}}"), "{{y}}");
        assert_eq!(pointed(r#"a = "\u00e9\t{{y}}""#, "{{y}}"), "{{y}}");
        assert_eq!(
            pointed(r#"a = "\"\U0001F600\\{{y}}z""#, "\\{{y}}"),
            r"\\{{y}}"
        );
        assert_eq!(pointed("a = '''\n\n  {{y}}'''", "{{y}}"), "{{y}}");
        assert_eq!(pointed("a = \"\"\"\r\nx\r\n{{y}}\"\"\"", "{{y}}"), "{{y}}");
        assert_eq!(
            pointed("a = \"\"\"x \\\n   \n  {{y}}\"\"\"", "{{y}}"),
            "{{y}}"
        );
        assert_eq!(
            pointed("a = \"\"\"x\"\"{{y}}\"\"\"\"\"", "{{y}}\"\""),
            "{{y}}\"\""
        );
    }

    #[test]
    fn a_value_that_is_not_in_the_file_points_at_the_whole() {
        let mut located = located("a = '${env:X}'");
        located.value = "filled".to_owned();
        assert_eq!(inner_span(&located, 0..3).range, 4..14);
        assert_eq!(inner_span(&located, 100..101).range, 4..14);
    }

    fn lookup(name: &str) -> Option<OsString> {
        match name {
            "SET" => Some("value".into()),
            "EMPTY" => Some("".into()),
            _ => None,
        }
    }

    fn filled(text: &str) -> String {
        fill_in(text, lookup)
            .unwrap()
            .unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn fills_in_variables() {
        assert_eq!(filled("a ${env:SET} b ${env:NONE:-x:-y}"), "a value b x:-y");
        assert_eq!(filled("${env:EMPTY}|${env:EMPTY:-d}|${env:NONE:-}"), "|d|");
        assert_eq!(filled("$${env:SET} ${other} $5"), "${env:SET} ${other} $5");
        let errors = fill_in("é${env:A}${env:B}${env:1}${env:", lookup).unwrap_err();
        let ranges: Vec<_> = errors.iter().map(|error| error.range.clone()).collect();
        assert_eq!(ranges, [2..10, 10..18, 18..26, 26..32]);
    }

    proptest! {
        #[test]
        fn every_byte_has_its_place(text in "[a\u{e9}\"\\\\\u{8}\n\r\t{}$ ']{0,20}", at in 0usize..20, length in 0usize..20) {
            let toml = format!("a = {}", toml::Value::String(text.clone()));
            let located = located(&toml);
            prop_assert_eq!(&located.value, &text);
            let raw = &toml[located.span.range.clone()];
            prop_assert!(positions(raw, &text).is_some(), "{}", raw);
            let span = inner_span(&located, at..at + length);
            prop_assert!(span.range.start <= span.range.end && span.range.end <= toml.len());
        }
    }
}
