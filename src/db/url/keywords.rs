//! libpq's keyword strings: `host=localhost dbname='my app'`.

use std::iter::Peekable;
use std::str::Chars;

use crate::error::Error;

use super::parameters;
use super::postgres::PostgresUrl;

/// Whether text without a scheme is meant as one: a word and an equals sign come first.
pub(super) fn looks_like(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| {
        let name = name.trim_end();
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// Read a keyword string (PostgreSQL's manual, section 32.1.1.1). No message quotes what may be a password.
pub(super) fn parse(text: &str) -> Result<PostgresUrl, Error> {
    let mut url = PostgresUrl::default();
    let mut rest = text.chars().peekable();
    loop {
        skip_spaces(&mut rest);
        if rest.peek().is_none() {
            return Ok(url);
        }
        let mut name = String::new();
        while let Some(c) = rest.next_if(|c| *c != '=' && !c.is_whitespace()) {
            name.push(c);
        }
        skip_spaces(&mut rest);
        if rest.next_if_eq(&'=').is_none() {
            return Err(
                Error::failed("a word of the connection string has no `=` after it")
                    .note("the string is taken as libpq's `name=value name=value`")
                    .help("put a value that has spaces into single quotes: `password='a b'`"),
            );
        }
        let parameter = parameters::accept(&name)?;
        skip_spaces(&mut rest);
        url.set(parameter.name, value(&mut rest, &name)?);
    }
}

fn skip_spaces(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| c.is_whitespace()).is_some() {}
}

/// A value, quoted or not; a backslash takes the next character as it is.
fn value(rest: &mut Peekable<Chars<'_>>, name: &str) -> Result<String, Error> {
    let mut value = String::new();
    let quoted = rest.next_if_eq(&'\'').is_some();
    loop {
        match rest.peek() {
            None if quoted => {
                return Err(Error::failed(format!(
                    "the quoted value of `{name}` has no closing quote"
                ))
                .help("write `\\'` for a single quote inside it"));
            }
            None => return Ok(value),
            Some('\'') if quoted => {
                rest.next();
                return Ok(value);
            }
            Some(c) if !quoted && c.is_whitespace() => return Ok(value),
            Some('\\') => {
                rest.next();
                value.extend(rest.next());
            }
            Some(_) => value.extend(rest.next()),
        }
    }
}
