//! Quoting as the SQL standard has it, for the dialects that follow it.

/// Which names stand without quotes, as far as letters go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unquoted {
    /// Lower case only: the engine folds unquoted names to it (PostgreSQL).
    LowerCase,
    /// Any case: the engine keeps the case and ignores it (SQLite).
    AnyCase,
}

/// An identifier, in double quotes unless it is made of ASCII letters, digits and `_` and is none of `keywords`, which
/// are in lower case and in order.
pub(super) fn identifier(name: &str, unquoted: Unquoted, keywords: &[&str]) -> String {
    let letter = |byte: u8| {
        byte.is_ascii_lowercase()
            || byte == b'_'
            || (unquoted == Unquoted::AnyCase && byte.is_ascii_uppercase())
    };
    let plain = name.bytes().next().is_some_and(letter)
        && name
            .bytes()
            .all(|byte| letter(byte) || byte.is_ascii_digit());
    if plain && !is_keyword(name, keywords) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn is_keyword(name: &str, keywords: &[&str]) -> bool {
    let position = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        keywords.binary_search(&name.to_ascii_lowercase().as_str())
    } else {
        keywords.binary_search(&name)
    };
    position.is_ok()
}

/// A string literal, its quotes doubled.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
