//! Texts as a spec holds them: TOML strings that read back to the byte, and the escapes for what a spec would fill in.

use std::borrow::Cow;
use std::fmt::Write as _;

/// A text in which the spec fills in nothing: every `${` as `$${`.
pub(super) fn no_variables(text: &str) -> Cow<'_, str> {
    if text.contains("${") {
        Cow::Owned(text.replace("${", "$${"))
    } else {
        Cow::Borrowed(text)
    }
}

/// A template that renders to this text.
pub(super) fn template(text: &str) -> String {
    let opens = |pair: &[u8]| matches!(pair, b"{{" | b"{%" | b"{#");
    if !text.as_bytes().windows(2).any(opens) {
        return text.to_owned();
    }
    if !text.contains("endraw") {
        return format!("{{% raw %}}{text}{{% endraw %}}");
    }
    // The text could end a raw block by itself: then each opening brace is a raw block of its own.
    let mut escaped = String::with_capacity(text.len() + 64);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '{' && matches!(characters.peek(), Some('{' | '%' | '#')) {
            escaped.push_str("{% raw %}{{% endraw %}");
        } else {
            escaped.push(character);
        }
    }
    if escaped.ends_with('\n') {
        // The engine drops a line end at the very end.
        escaped.push_str("{% raw %}{% endraw %}");
    }
    escaped
}

/// A TOML value for this text: on one line where it is one, else with the lines as they are, in the form that needs the
/// fewest escapes.
pub(super) fn string(text: &str) -> String {
    // What may stand in a literal string; a CR may not, and no reader must be given the chance to turn CR LF into LF.
    let plain = text
        .chars()
        .all(|c| matches!(c, '\t' | '\n') || !is_control(c));
    if text.contains('\n') {
        if plain && !text.contains("'''") && !text.ends_with('\'') {
            // TOML drops the line end right after the opening quotes.
            return format!("'''\n{text}'''");
        }
        return format!("\"\"\"\n{}\"\"\"", escaped_lines(text));
    }
    if plain && text.contains(['"', '\\']) {
        if !text.contains('\'') {
            return format!("'{text}'");
        }
        if !text.contains("'''") && !text.starts_with('\'') && !text.ends_with('\'') {
            return format!("'''{text}'''");
        }
    }
    format!("\"{}\"", escaped_line(text))
}

/// A key: bare where it may be.
pub(super) fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.chars().all(bare) {
        name.to_owned()
    } else {
        format!("\"{}\"", escaped_line(name))
    }
}

/// A list of strings, on one line.
pub(super) fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let texts: Vec<String> = texts
        .into_iter()
        .map(|text| {
            if text.contains('\n') {
                format!("\"{}\"", escaped_line(text))
            } else {
                string(text)
            }
        })
        .collect();
    format!("[{}]", texts.join(", "))
}

/// The elements of a `search_path`: in SQL's double quotes where they would not be taken for one schema as they stand.
pub(super) fn schemas(path: &[String]) -> Vec<String> {
    path.iter()
        .map(|schema| {
            if schema.contains(',') || (schema.starts_with('"') && schema.ends_with('"')) {
                format!("\"{}\"", schema.replace('"', "\"\""))
            } else {
                schema.clone()
            }
        })
        .collect()
}

/// What fits in a comment to the end of the line.
pub(super) fn comment(text: &str) -> String {
    text.chars()
        .map(|c| if is_control(c) { ' ' } else { c })
        .collect()
}

/// What TOML wants escaped in basic strings, and takes in no other.
fn is_control(character: char) -> bool {
    character < ' ' || character == '\u{7f}'
}

fn escaped_line(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            other => push(&mut escaped, other),
        }
    }
    escaped
}

fn escaped_lines(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut quotes = 0;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '"' {
            // Three in a row, or one right before the closing ones, would end the string.
            let ends = quotes == 2 || characters.peek().is_none();
            escaped.push_str(if ends { "\\\"" } else { "\"" });
            quotes = if ends { 0 } else { quotes + 1 };
            continue;
        }
        quotes = 0;
        match character {
            '\n' | '\t' => escaped.push(character),
            other => push(&mut escaped, other),
        }
    }
    escaped
}

fn push(escaped: &mut String, character: char) {
    match character {
        '\\' => escaped.push_str("\\\\"),
        '\r' => escaped.push_str("\\r"),
        '\u{8}' => escaped.push_str("\\b"),
        '\u{c}' => escaped.push_str("\\f"),
        control if is_control(control) => {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "\\u{:04X}", u32::from(control));
        }
        other => escaped.push(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_back(value: &str) -> String {
        let table: toml::Table = format!("a = {value}\n").parse().unwrap();
        table["a"].as_str().unwrap().to_owned()
    }

    #[test]
    fn the_most_readable_form_is_chosen() {
        assert_eq!(string("a"), "\"a\"");
        assert_eq!(string("say \"a\\b\""), r#"'say "a\b"'"#);
        assert_eq!(string("it's \"a\""), "'''it's \"a\"'''");
        assert_eq!(string("'it' is \"a\""), r#""'it' is \"a\"""#);
        assert_eq!(string("a\n'b'\n"), "'''\na\n'b'\n'''");
        assert_eq!(string("a\r\nb\r\n"), "\"\"\"\na\\r\nb\\r\n\"\"\"");
        assert_eq!(string("\na\n'''"), "\"\"\"\n\na\n'''\"\"\"");
        assert_eq!(key("work_mem"), "work_mem");
        assert_eq!(key("app.user"), "\"app.user\"");
        assert_eq!(list(["a", "b\nc"]), r#"["a", "b\nc"]"#);
    }

    #[test]
    fn nothing_is_filled_in() {
        assert_eq!(
            no_variables("${env:HOME} $${x} $5"),
            "$${env:HOME} $$${x} $5"
        );
    }

    fn rendered(template: &str) -> String {
        minijinja::Environment::new()
            .render_str(template, ())
            .unwrap()
    }

    #[test]
    fn templates_render_to_the_text() {
        for text in [
            "{{ x }}\n",
            "{% endraw %}{{{",
            "{#{%- endraw %}\r\n{{",
            "a{{\n\n",
            "{{%endraw",
        ] {
            assert_eq!(rendered(&template(text)), text);
        }
        assert_eq!(template("{ a } { b"), "{ a } { b");
    }

    proptest! {
        #[test]
        fn every_text_reads_back(text in "[a'\"\\\\\n\r\t\u{8}\u{7f}\u{1F600}{}%#$ ]{0,24}") {
            prop_assert_eq!(read_back(&string(&text)), text.clone());
            let listed: toml::Table = format!("a = {}\n", list([text.as_str()])).parse().unwrap();
            prop_assert_eq!(listed["a"][0].as_str().unwrap(), &text);
            let keyed: toml::Table = format!("{} = 1\n", key(&format!("{text}x"))).parse().unwrap();
            let keyed_text = format!("{text}x");
            prop_assert!(keyed.contains_key(&keyed_text));
            let escaped = template(&text);
            if escaped != text {
                prop_assert_eq!(rendered(&escaped), text);
            }
        }
    }
}
