//! What SHOW CREATE TRIGGER hands out: where the header ends and the body begins, and the same statement again with OR
//! REPLACE, a place among its siblings or a database put in. Both engines keep the body to the letter; MariaDB keeps
//! the header too.

use std::iter::Peekable;
use std::ops::Range;

use crate::model::{TableId, TriggerId};
use crate::sql::{Blocks, MYSQL, Syntax, Token, TokenKind, solid, tokens, unquote};

/// The parts of a CREATE TRIGGER.
#[derive(Debug, PartialEq, Eq)]
pub struct Parts {
    /// Behind CREATE, where OR REPLACE goes.
    pub create: usize,
    /// Where the name begins, its database included.
    pub name: usize,
    /// The database before the name.
    pub schema: Option<String>,
    /// The name.
    pub trigger: String,
    /// The table, without its database.
    pub table: String,
    /// Where the table begins, when no database stands before it.
    pub bare_table: Option<usize>,
    /// Behind FOR EACH ROW, where a place among siblings goes.
    pub row: usize,
    /// Where the body begins.
    pub body: usize,
}

/// Reads a statement token by token, and no further than it is asked: a body may be long.
struct Reader<'a, T: Iterator<Item = Token>> {
    sql: &'a str,
    tokens: Peekable<T>,
    /// Where what was read last ends.
    end: usize,
}

fn reader<'a>(sql: &'a str, syntax: &'a Syntax) -> Reader<'a, impl Iterator<Item = Token> + 'a> {
    Reader {
        sql,
        tokens: tokens(sql, syntax)
            .filter(|token| !token.is_blank())
            .peekable(),
        end: 0,
    }
}

impl<T: Iterator<Item = Token>> Reader<'_, T> {
    /// The next token, where it is like this.
    fn next_if(&mut self, is: impl FnOnce(&Token) -> bool) -> Option<Token> {
        let token = self.tokens.next_if(is)?;
        self.end = token.range.end;
        Some(token)
    }

    /// Read up to this word, and the word.
    fn skip_to(&mut self, word: &str) -> Option<()> {
        while self.take(word).is_none() {
            self.next_if(|_| true)?;
        }
        Some(())
    }

    fn take(&mut self, word: &str) -> Option<()> {
        let sql = self.sql;
        self.next_if(|token| token.is_word(sql, word)).map(|_| ())
    }

    fn take_operator(&mut self, operator: &str) -> bool {
        let sql = self.sql;
        self.next_if(|token| token.is_operator(sql, operator))
            .is_some()
    }

    /// A name in any quotes: under ANSI_QUOTES, double ones too.
    fn name(&mut self) -> Option<(String, Range<usize>)> {
        let is_name = |token: &Token| {
            matches!(
                token.kind,
                TokenKind::Word | TokenKind::QuotedName | TokenKind::String
            )
        };
        let token = self.next_if(is_name)?;
        Some((unquote(token.text(self.sql)).into_owned(), token.range))
    }

    /// `name` or `schema.name`.
    fn qualified(&mut self) -> Option<(Option<String>, String, usize)> {
        let (first, range) = self.name()?;
        if self.take_operator(".") {
            return Some((Some(first), self.name()?.0, range.start));
        }
        Some((None, first, range.start))
    }
}

/// Take a CREATE TRIGGER apart; `None` where it is none.
pub fn parts(sql: &str, syntax: &Syntax) -> Option<Parts> {
    let mut reader = reader(sql, syntax);
    reader.take("create")?;
    let create = reader.end;
    // OR REPLACE, DEFINER = …: whatever stands before TRIGGER. A definer may be named so, but then in quotes.
    reader.skip_to("trigger")?;
    if reader.take("if").is_some() {
        reader.take("not")?;
        reader.take("exists")?;
    }
    let (schema, trigger, name) = reader.qualified()?;
    // Timing and event, which the catalog tells.
    reader.skip_to("on")?;
    let (table_schema, table, table_at) = reader.qualified()?;
    let bare_table = table_schema.is_none().then_some(table_at);
    for word in ["for", "each", "row"] {
        reader.take(word)?;
    }
    let row = reader.end;
    if reader
        .take("follows")
        .or_else(|| reader.take("precedes"))
        .is_some()
    {
        reader.name()?;
    }
    let body = reader.tokens.peek()?.range.start;
    Some(Parts {
        create,
        name,
        schema,
        trigger,
        table,
        bare_table,
        row,
        body,
    })
}

/// The trigger that a statement makes or drops. A name without a database is in `schema`; DROP TRIGGER names no table.
pub fn subject(sql: &str, schema: &str) -> Option<TriggerId> {
    if let Some(parts) = parts(sql, &MYSQL) {
        return Some(TriggerId {
            table: TableId {
                schema: parts.schema.unwrap_or_else(|| schema.to_owned()),
                name: parts.table,
            },
            name: parts.trigger,
        });
    }
    let mut reader = reader(sql, &MYSQL);
    reader.take("drop")?;
    reader.take("trigger")?;
    if reader.take("if").is_some() {
        reader.take("exists")?;
    }
    let (given, name, _) = reader.qualified()?;
    Some(TriggerId {
        table: TableId {
            schema: given.unwrap_or_else(|| schema.to_owned()),
            name: String::new(),
        },
        name,
    })
}

/// The body without the BEGIN and END that are around all of it; any other body as it is.
pub fn bare_body<'a>(body: &'a str, syntax: &Syntax) -> &'a str {
    let all = solid(body, syntax);
    let mut blocks = Blocks::new();
    let last = all.len().saturating_sub(1);
    for (index, token) in all.iter().enumerate() {
        if index == 0 && !token.is_word(body, "begin") {
            return body;
        }
        blocks.take(token, all.get(index + 1), body);
        if blocks.depth() == 0 && index < last {
            return body;
        }
    }
    let inner = all
        .first()
        .zip(all.last())
        .filter(|(_, end)| end.is_word(body, "end"));
    inner
        .and_then(|(begin, end)| body.get(begin.range.end..end.range.start))
        .unwrap_or(body)
}

/// The statement with OR REPLACE behind CREATE and with a place before its body. The engines take both out again and
/// leave the text around them as it was.
pub fn placed(sql: &str, or_replace: bool, place: Option<&str>, syntax: &Syntax) -> String {
    let mut text = sql.to_owned();
    let Some(parts) = parts(sql, syntax) else {
        return text;
    };
    if let Some(place) = place {
        // MariaDB cuts it out again together with the white space before it: whatever stands between ROW and the body
        // must come behind it, or the two grow into one word and the table's triggers cannot be read any more.
        text.insert_str(parts.row, &format!(" {place}"));
    }
    if or_replace {
        text.insert_str(parts.create, " OR REPLACE");
    }
    text
}

/// The statement with the trigger's database before its name and its table's.
pub fn qualified(sql: &str, schema: &str, syntax: &Syntax) -> String {
    let mut text = sql.to_owned();
    let Some(parts) = parts(sql, syntax) else {
        return text;
    };
    let schema = format!("`{}`.", schema.replace('`', "``"));
    if let Some(at) = parts.bare_table {
        text.insert_str(at, &schema);
    }
    if parts.schema.is_none() {
        text.insert_str(parts.name, &schema);
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_statement_apart() {
        let sql = "CREATE DEFINER=`trigger`@`%` trigger  a . `two``x`  before  insert on a.`t on` for each row begin end";
        let found = parts(sql, &MYSQL).unwrap();
        assert_eq!(found.schema.as_deref(), Some("a"));
        assert_eq!(
            (found.trigger.as_str(), found.table.as_str()),
            ("two`x", "t on")
        );
        assert_eq!(&sql[found.body..], "begin end");
        assert_eq!(
            placed(sql, true, Some("PRECEDES `x`"), &MYSQL),
            "CREATE OR REPLACE DEFINER=`trigger`@`%` trigger  a . `two``x`  before  insert on a.`t on` for each row PRECEDES `x` begin end"
        );
        assert_eq!(parts("DROP TRIGGER a", &MYSQL), None);
    }

    #[test]
    fn says_what_a_statement_is_about() {
        let id = |schema: &str, table: &str, name: &str| {
            Some(TriggerId {
                table: TableId {
                    schema: schema.to_owned(),
                    name: table.to_owned(),
                },
                name: name.to_owned(),
            })
        };
        assert_eq!(
            subject(
                "CREATE OR REPLACE TRIGGER x.a AFTER INSERT ON x.t FOR EACH ROW SET @a = 1",
                "y"
            ),
            id("x", "t", "a")
        );
        assert_eq!(
            subject("drop trigger if exists `a b`", "y"),
            id("y", "", "a b")
        );
        assert_eq!(subject("SET SESSION sql_mode = DEFAULT", "y"), None);
    }

    #[test]
    fn bares_bodies() {
        for (body, bare) in [
            ("BEGIN a; b; END", " a; b; "),
            (
                "begin if x then begin y; end; end if; end",
                " if x then begin y; end; end if; ",
            ),
            (
                "SET NEW.a = CASE WHEN 1 THEN 2 END",
                "SET NEW.a = CASE WHEN 1 THEN 2 END",
            ),
            ("l: BEGIN a; END l", "l: BEGIN a; END l"),
            ("BEGIN END", " "),
        ] {
            assert_eq!(bare_body(body, &MYSQL), bare);
        }
    }
}
