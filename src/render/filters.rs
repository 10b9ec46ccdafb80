//! The filters that make a value safe to stand in SQL, and the end of those that would let anything through.

use std::sync::Arc;

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Value};

use crate::dialect::Dialect;
use crate::sql::{Token, TokenKind, solid, tokens, unquote};

/// The filters that templates have for SQL, in the order of the manual.
pub const FILTERS: &[&str] = &[
    "ident",
    "idents",
    "literal",
    "literals",
    "sql",
    "expression",
    "for_row",
    "keyword",
    "dollar",
    "comment",
];

/// Filters of the engine's that mark any text as safe, or print in the manner of another language.
pub(super) const REMOVED: &[&str] = &["safe", "escape", "e", "tojson"];

/// Add the filters, which quote as `dialect` does, and name what is in the schema `home` without it.
pub(super) fn install(
    environment: &mut Environment<'static>,
    dialect: &'static dyn Dialect,
    home: Option<&str>,
) {
    for name in REMOVED {
        environment.remove_filter(name);
    }
    environment.add_function("fail", |message: String| -> Result<Value, Error> {
        Err(invalid(message))
    });
    let home: Option<Arc<str>> = home.map(Arc::from);
    let at_home = home.clone();
    environment.add_filter("ident", move |value: &Value| {
        ident(dialect, home.as_deref(), value).map(Value::from_safe_string)
    });
    environment.add_filter("idents", move |values: &Value| {
        list(values, "idents", |value| {
            ident(dialect, at_home.as_deref(), value)
        })
    });
    // Text after `--`: one line of it, so that it cannot end the comment.
    environment.add_filter("comment", |text: &str| {
        Value::from_safe_string(text.replace(char::is_control, " "))
    });
    environment.add_filter("literal", move |value: &Value| {
        literal(dialect, value).map(Value::from_safe_string)
    });
    environment.add_filter("literals", move |values: &Value| {
        list(values, "literals", |value| literal(dialect, value))
    });
    environment.add_filter("sql", |value: &Value| match value.as_str() {
        Some(_) if value.is_safe() => Ok(value.clone()),
        Some(text) => Ok(Value::from_safe_string(text.to_owned())),
        None => Err(wrong("sql", "a text that is SQL", value)),
    });
    environment.add_filter("expression", move |value: &Value| {
        expression(dialect, value)
    });
    environment.add_filter(
        "for_row",
        move |value: &Value, row: &str, of: Option<&str>| {
            for_row(dialect, value, row, of.unwrap_or("new"))
        },
    );
    environment.add_test("reading", move |expression: &Value, column: &str| {
        expression
            .as_str()
            .is_some_and(|expression| reads(dialect, expression, column))
    });
    environment.add_function(
        "misfits",
        move |columns: &Value, from: &Value, to: &Value| misfits(dialect, columns, from, to),
    );
    environment.add_filter("keyword", |value: &Value| keyword(value));
    environment.add_filter("comment", |value: &Value| comment(value));
    environment.add_filter("dollar", move |value: &Value| dollar(dialect, value));
}

/// Those of some columns that do not take every value of the column that is written to them: the one of the same name, or the
/// one that a map has for it. What is not known to be a type is left out.
fn misfits(
    dialect: &dyn Dialect,
    columns: &Value,
    from: &Value,
    to: &Value,
) -> Result<Vec<Value>, Error> {
    let mut found = vec![];
    for column in columns.try_iter()? {
        let source = match columns.kind() {
            ValueKind::Map => columns.get_item(&column)?,
            _ => column.clone(),
        };
        let (from, to) = (from.get_item(&source)?, to.get_item(&column)?);
        if let (Some(from), Some(to)) = (from.as_str(), to.as_str())
            && !dialect.takes(to, from)
        {
            found.push(column);
        }
    }
    Ok(found)
}

/// A name, `[schema, name]`, or `{schema, name}`.
fn ident(dialect: &dyn Dialect, home: Option<&str>, value: &Value) -> Result<String, Error> {
    if let Some(name) = value.as_str() {
        return quoted(dialect, name);
    }
    let parts = match value.kind() {
        ValueKind::Map => vec![value.get_attr("schema")?, value.get_attr("name")?],
        ValueKind::Seq | ValueKind::Iterable => value.try_iter()?.collect(),
        _ => return Err(wrong("ident", "a name", value)),
    };
    let mut names = Vec::with_capacity(parts.len());
    for part in &parts {
        match part.as_str() {
            Some(name) => names.push(name),
            None if part.is_none() => {}
            None => return Err(wrong("ident", "a name or `[schema, name]`", value)),
        }
    }
    let [schemas @ .., name] = names.as_slice() else {
        return Err(wrong("ident", "a name", value));
    };
    let mut text = String::new();
    if dialect.qualifies() {
        let is_said = |schema: &&&str| !schema.is_empty() && Some(**schema) != home;
        for schema in schemas.iter().filter(is_said) {
            text.push_str(&quoted(dialect, schema)?);
            text.push('.');
        }
    }
    text.push_str(&quoted(dialect, name)?);
    Ok(text)
}

fn quoted(dialect: &dyn Dialect, name: &str) -> Result<String, Error> {
    if name.is_empty() {
        return Err(invalid("a name cannot be empty"));
    }
    if name.contains('\0') {
        return Err(invalid("a name cannot hold a NUL character"));
    }
    Ok(dialect.quote_identifier(name))
}

/// A string, number, boolean or none.
fn literal(dialect: &dyn Dialect, value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            if text.contains('\0') {
                return Err(invalid("a literal cannot hold a NUL character"));
            }
            Ok(dialect.quote_literal(text))
        }
        ValueKind::Number => {
            let text = value.to_string();
            if text.ends_with(|c: char| c.is_ascii_digit()) {
                Ok(text)
            } else {
                Err(invalid(format!("`{text}` is no number that SQL knows")))
            }
        }
        ValueKind::Bool => Ok(if value.is_true() { "TRUE" } else { "FALSE" }.to_owned()),
        ValueKind::None => Ok("NULL".to_owned()),
        _ => Err(wrong("literal", "a string, number, boolean or none", value)),
    }
}

fn list(
    values: &Value,
    filter: &str,
    each: impl Fn(&Value) -> Result<String, Error>,
) -> Result<Value, Error> {
    if !matches!(values.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Err(wrong(filter, "a list", values));
    }
    let mut text = String::new();
    for value in values.try_iter()? {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&each(&value)?);
    }
    Ok(Value::from_safe_string(text))
}

/// SQL that is to be one operand of a larger expression: what would reach out of its place is refused.
fn expression(dialect: &dyn Dialect, value: &Value) -> Result<Value, Error> {
    let Some(text) = value.as_str() else {
        return literal(dialect, value).map(Value::from_safe_string);
    };
    let mut depth = 0_usize;
    let mut last = None;
    for token in tokens(text, dialect.syntax()) {
        if token.kind == TokenKind::Unterminated {
            return Err(invalid(format!(
                "the expression `{text}` has a quote or comment that never ends"
            )));
        }
        if token.is_operator(text, "(") {
            depth += 1;
        }
        if token.is_operator(text, ")") {
            depth = depth
                .checked_sub(1)
                .ok_or_else(|| invalid(format!("the expression `{text}` has a `)` too many")))?;
        }
        if token.is_operator(text, ";") || (depth == 0 && token.is_operator(text, ",")) {
            return Err(invalid(format!(
                "the expression `{text}` is more than one expression"
            )));
        }
        if !token.is_blank() {
            last = Some(token);
        }
    }
    let Some(last) = last else {
        return Err(invalid(
            "an expression cannot be empty; for a text put `| literal` after it",
        ));
    };
    if depth > 0 {
        return Err(invalid(format!(
            "the expression `{text}` has a `(` that is never closed"
        )));
    }
    // A comment at the end would swallow what follows.
    let text = text.get(..last.range.end).unwrap_or(text).trim_start();
    Ok(Value::from_safe_string(text.to_owned()))
}

/// SQL that speaks of NEW (or of what `of` says), as it must be to speak of another row: `old`, or a table's alias.
fn for_row(dialect: &dyn Dialect, value: &Value, row: &str, of: &str) -> Result<Value, Error> {
    let Some(text) = value.as_str() else {
        return Err(wrong("for_row", "a text that is SQL", value));
    };
    let row = match row {
        "new" | "old" => row.to_ascii_uppercase(),
        alias => quoted(dialect, alias)?,
    };
    let all: Vec<_> = tokens(text, dialect.syntax()).collect();
    let mut out = String::with_capacity(text.len());
    let solid: Vec<_> = all.iter().filter(|token| !token.is_blank()).collect();
    let mut copied = 0;
    for (index, token) in solid.iter().enumerate() {
        let follows = |ahead: usize| {
            solid
                .get(ahead)
                .is_some_and(|next| next.is_operator(text, "."))
        };
        if token.is_word(text, of)
            && follows(index + 1)
            && !index.checked_sub(1).is_some_and(follows)
        {
            out.push_str(text.get(copied..token.range.start).unwrap_or_default());
            out.push_str(&row);
            copied = token.range.end;
        }
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Ok(Value::from_safe_string(out))
}

/// Whether an expression of ON DUPLICATE KEY UPDATE reads a column of the row that is there: not `NEW.c`, nor the
/// proposed `VALUES(c)`.
fn reads(dialect: &dyn Dialect, expression: &str, column: &str) -> bool {
    let all = solid(expression, dialect.syntax());
    let at = |index: usize, back: usize| index.checked_sub(back).and_then(|at| all.get(at));
    all.iter().enumerate().any(|(index, token)| {
        let is_column = match token.kind {
            TokenKind::Word => token.text(expression).eq_ignore_ascii_case(column),
            TokenKind::QuotedName => unquote(token.text(expression)).eq_ignore_ascii_case(column),
            _ => false,
        };
        let is = |token: Option<&Token>, operator: &str| {
            token.is_some_and(|token| token.is_operator(expression, operator))
        };
        let word = |token: Option<&Token>, words: &[&str]| {
            token.is_some_and(|token| words.iter().any(|word| token.is_word(expression, word)))
        };
        let of_a_row = is(at(index, 1), ".") && word(at(index, 2), &["new", "old"]);
        let proposed = is(at(index, 1), "(") && word(at(index, 2), &["values", "value"]);
        let is_other = is(all.get(index + 1), ".") || is(all.get(index + 1), "(");
        is_column && !of_a_row && !proposed && !is_other
    })
}

/// Words of SQL's own grammar: letters and spaces, in upper case.
fn keyword(value: &Value) -> Result<Value, Error> {
    match value.as_str() {
        Some(text)
            if !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphabetic() || b == b' ') =>
        {
            Ok(Value::from_safe_string(text.to_ascii_uppercase()))
        }
        _ => Err(wrong("keyword", "words of letters", value)),
    }
}

/// A text on one line, to stand behind `--`.
fn comment(value: &Value) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(wrong("comment", "a text", value));
    }
    let text: String = value
        .to_string()
        .chars()
        .map(|c| match c {
            // Whatever some engine, shell or pager may take for the end of a line.
            c if c.is_control() => ' ',
            '\u{2028}' | '\u{2029}' => ' ',
            c => c,
        })
        .collect();
    Ok(Value::from_safe_string(text))
}

/// `$tag$ … $tag$`, with a tag that does not occur in the text.
fn dollar(dialect: &dyn Dialect, value: &Value) -> Result<Value, Error> {
    if !dialect.syntax().dollar_quotes {
        return Err(invalid(format!(
            "{} has no dollar quotes: use `| literal`",
            dialect.title()
        )));
    }
    let Some(text) = value.as_str() else {
        return Err(wrong("dollar", "a text", value));
    };
    if text.contains('\0') {
        return Err(invalid("a string cannot hold a NUL character"));
    }
    let mut number = 0_u32;
    let mut tag = "$$".to_owned();
    // The text and the closing tag together: `a$` must not be closed by `$$`.
    while format!("{text}{tag}").find(&tag) != Some(text.len()) {
        tag = match number {
            0 => "$body$".to_owned(),
            _ => format!("$body{number}$"),
        };
        number += 1;
    }
    Ok(Value::from_safe_string(format!("{tag}{text}{tag}")))
}

fn wrong(filter: &str, wanted: &str, value: &Value) -> Error {
    if let (true, Err(error)) = (value.is_undefined(), value.get_attr(filter)) {
        return error; // The engine's own, which knows what it is that is undefined.
    }
    let found = value.kind();
    invalid(format!(
        "the filter `{filter}` takes {wanted}, not a {found}"
    ))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}
