//! The statements of a migration as they are recorded: two JSON arrays of megabytes, which no template copies about.

use serde::Serializer as _;

use crate::dialect::Dialect;
use crate::error::Error;

/// Longer ones are not for reading: where the engine has dollar quotes, they are put into these, which neither side has to
/// look into character by character.
const LONG: usize = 10_000;

/// The dollar quotes of long texts.
const QUOTES: &str = "$statements$";

/// The statements of a migration as its row is to hold them.
pub struct Ways(pub(super) Form);

/// How they are written out.
pub(super) enum Form {
    /// As literals, for a template that takes them as such and does nothing else with them.
    Literals(Literals),
    /// As JSON, up and down, for a template of the user's.
    Json(String, String),
}

/// The statements of a migration, both ways, each as a SQL literal of a JSON array.
pub(super) struct Literals {
    pub(super) up: String,
    pub(super) down: String,
}

impl Literals {
    /// Have a statement rendered, from one text that it is to have as a literal for `up` and one for `down`, and put the
    /// long ones there.
    pub(super) fn put_into(
        self,
        dialect: &dyn Dialect,
        render: impl Fn(&str, &str) -> Result<String, Error>,
    ) -> Result<String, Error> {
        // The user's message may hold anything: what stands for the long ones must be like nothing else.
        for number in 0..10 {
            let [up, down] = ["up", "down"].map(|way| format!("statements {way} {number}"));
            let text = render(&up, &down)?;
            let place = |stand_in: &str| {
                let literal = dialect.quote_literal(stand_in);
                let at = text.find(&literal)?;
                (text.matches(stand_in).count() == 1).then(|| at..at + literal.len())
            };
            let (Some(up), Some(down)) = (place(&up), place(&down)) else {
                continue;
            };
            let mut places = [(up, &self.up), (down, &self.down)];
            places.sort_by_key(|(at, _)| at.start);
            let mut filled = String::with_capacity(text.len() + self.up.len() + self.down.len());
            let mut copied = 0;
            for (at, literal) in places {
                filled.push_str(text.get(copied..at.start).unwrap_or_default());
                filled.push_str(literal);
                copied = at.end;
            }
            filled.push_str(text.get(copied..).unwrap_or_default());
            return Ok(filled);
        }
        Err(Error::failed("the statements cannot be recorded"))
    }
}

/// Statements as a JSON array.
pub(crate) fn array<'a>(statements: impl Iterator<Item = &'a str>) -> Result<String, Error> {
    write("", statements)
}

/// Statements as a JSON array, as a literal.
pub(super) fn literal<'a>(
    statements: impl Iterator<Item = &'a str>,
    dialect: &dyn Dialect,
) -> Result<String, Error> {
    let mut text = write(QUOTES, statements)?;
    let json = text.get(QUOTES.len()..).unwrap_or_default();
    if json.len() < LONG || !dialect.syntax().dollar_quotes || json.contains(QUOTES) {
        return Ok(dialect.quote_literal(json));
    }
    text.push_str(QUOTES);
    Ok(text)
}

/// Statements as a JSON array, behind something else.
fn write<'a>(before: &str, statements: impl Iterator<Item = &'a str>) -> Result<String, Error> {
    let cannot =
        |error: &dyn std::fmt::Display| Error::failed(format!("cannot be recorded: {error}"));
    let mut text = before.as_bytes().to_vec();
    let mut serializer = serde_json::Serializer::new(&mut text);
    serializer
        .collect_seq(statements)
        .map_err(|error| cannot(&error))?;
    // They are kept until the end of the migration.
    text.shrink_to_fit();
    String::from_utf8(text).map_err(|error| cannot(&error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::dialect::{mysql::Mysql, postgres::Postgres};

    #[test]
    fn only_long_texts_are_in_dollar_quotes() {
        let statements = ["SELECT 'a', E'\\n'", "SELECT $$\"$$"];
        let short = literal(statements.into_iter(), &Postgres).unwrap();
        assert_eq!(short, r#"E'["SELECT ''a'', E''\\\\n''","SELECT $$\\"$$"]'"#);
        let many = || statements.into_iter().cycle().take(2_000);
        let json = array(many()).unwrap();
        let long = literal(many(), &Postgres).unwrap();
        assert_eq!(long, format!("$statements${json}$statements$"));
        // Where there are none, and where one would end early.
        let other = literal(many(), &Mysql).unwrap();
        assert!(other.starts_with('\'') && other.ends_with('\''));
        let hostile = || many().chain(["SELECT $statements$; DROP TABLE x; $statements$"]);
        let quoted = literal(hostile(), &Postgres).unwrap();
        assert_eq!(quoted, Postgres.quote_literal(&array(hostile()).unwrap()));
    }

    #[test]
    fn a_message_that_looks_like_a_stand_in_is_left_alone() {
        let fill = |message: &str, template: &str| {
            let literals = Literals {
                up: "'the way up'".to_owned(),
                down: "'statements up 0'".to_owned(),
            };
            let message = Postgres.quote_literal(message);
            literals
                .put_into(&Postgres, |up, down| {
                    let text = template.replace("{message}", &message);
                    let text = text.replace("{up}", &Postgres.quote_literal(up));
                    Ok(text.replace("{down}", &Postgres.quote_literal(down)))
                })
                .unwrap()
        };
        for message in ["fine", "statements up 0", "it's 'statements down 0'"] {
            let written = Postgres.quote_literal(message);
            assert_eq!(
                fill(message, "VALUES ({message}, {up}, {down})"),
                format!("VALUES ({written}, 'the way up', 'statements up 0')")
            );
            assert_eq!(
                fill(message, "VALUES ({down}, {up}, {message})"),
                format!("VALUES ('statements up 0', 'the way up', {written})")
            );
        }
    }
}
