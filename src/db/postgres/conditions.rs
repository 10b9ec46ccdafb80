//! Whether two WHEN conditions are the same, as the server sees it: both are put into one SELECT over the table's row
//! type, and EXPLAIN prints what the parser made of them. Nothing runs, nothing is created, and read-only rights do.

use std::borrow::Cow;
use std::collections::BTreeMap;

use postgres::types::{FromSql, Type};

use super::error::{Cause, words};
use super::{Postgres, get, identifier};
use crate::db::{ConditionPair, Verdict};
use crate::error::Error;
use crate::model::TableId;
use crate::sql::{self, Token, TokenKind};

/// Pairs in one EXPLAIN; a table's row type can hold 1,664 columns, which is the limit of a target list too.
const PAIRS_AT_ONCE: usize = 300;

/// Conditions in one question whether they make sense.
const CONDITIONS_AT_ONCE: usize = 1_000;

/// The settings for reading conditions: the tables are locked for a moment, in the weakest mode.
const SETTINGS: &str = "SET LOCAL lock_timeout = '2s'; SET LOCAL client_min_messages = error; \
                        SAVEPOINT triggerctl_pairs";

impl Postgres {
    /// See [`crate::db::Database::same_conditions`].
    pub(super) fn judge(&mut self, pairs: &[ConditionPair]) -> Result<Vec<Verdict>, Error> {
        let mut verdicts: Vec<Verdict> = vec![];
        let mut open: BTreeMap<&TableId, Vec<usize>> = BTreeMap::new();
        for (index, pair) in pairs.iter().enumerate() {
            let verdict = judge_text(pair);
            if verdict.is_none() {
                open.entry(&pair.table).or_default().push(index);
            }
            verdicts.push(verdict.unwrap_or(Verdict::Same));
        }
        if open.is_empty() {
            return Ok(verdicts);
        }
        self.aside(SETTINGS, |this| {
            for (table, indexes) in &open {
                for chunk in indexes.chunks(PAIRS_AT_ONCE) {
                    let asked: Vec<(usize, &ConditionPair)> = chunk
                        .iter()
                        .filter_map(|index| Some((*index, pairs.get(*index)?)))
                        .collect();
                    for (index, verdict) in this.judge_chunk(table, &asked)? {
                        if let Some(slot) = verdicts.get_mut(index) {
                            *slot = verdict;
                        }
                    }
                }
            }
            Ok(())
        })?;
        Ok(verdicts)
    }

    fn judge_chunk(
        &mut self,
        table: &TableId,
        asked: &[(usize, &ConditionPair)],
    ) -> Result<Vec<(usize, Verdict)>, Error> {
        let pairs: Vec<&ConditionPair> = asked.iter().map(|(_, pair)| *pair).collect();
        let indexes = asked.iter().map(|(index, _)| *index);
        if let Ok(answers) = self.explain(table, &pairs, Rows::Constructed)? {
            return Ok(indexes.zip(answers).collect());
        }
        // One condition spoils all: ask one by one. What needs a real row (`NEW.tableoid`) gets one.
        let mut verdicts = vec![];
        for (index, pair) in asked {
            let verdict = match self.explain(table, &[pair], Rows::Constructed)? {
                Ok(answers) => answers.into_iter().next(),
                Err(reason) => match self.explain(table, &[pair], Rows::OfTable)? {
                    Ok(answers) => answers.into_iter().next(),
                    Err(_) => Some(Verdict::Unknown(reason.words)),
                },
            };
            let verdict = verdict.unwrap_or_else(|| {
                Verdict::Unknown("the server gave no answer to compare".to_owned())
            });
            verdicts.push((*index, verdict));
        }
        Ok(verdicts)
    }

    /// The conditions among these that the server cannot make sense of, each with its words. Each is given with its table
    /// and the table's shape, its columns and their types: where shapes are equal, a text makes as much sense on one table
    /// as on another, so that a condition on a thousand tables is looked at once.
    ///
    /// The server only parses, as CREATE TRIGGER does; nothing is planned or worked out.
    pub(super) fn senseless(
        &mut self,
        conditions: &[(&TableId, &[String], &str)],
    ) -> Result<Vec<(usize, String)>, Error> {
        let mut by_shape: BTreeMap<&[String], BTreeMap<&str, Vec<usize>>> = BTreeMap::new();
        for (index, (_, shape, text)) in conditions.iter().enumerate() {
            if malformed(text).is_none() {
                let texts = by_shape.entry(shape).or_default();
                texts.entry(text).or_default().push(index);
            }
        }
        let mut found = vec![];
        if by_shape.is_empty() {
            return Ok(found);
        }
        let table_of = |index: &usize| conditions.get(*index).map(|(table, _, _)| *table);
        self.aside(SETTINGS, |this| {
            for texts in by_shape.values() {
                let texts: Vec<(&str, &[usize])> = texts
                    .iter()
                    .map(|(text, indexes)| (*text, indexes.as_slice()))
                    .collect();
                let Some(table) = texts
                    .first()
                    .and_then(|(_, indexes)| table_of(indexes.first()?))
                else {
                    continue;
                };
                for chunk in texts.chunks(CONDITIONS_AT_ONCE) {
                    let all: Vec<&str> = chunk.iter().map(|(text, _)| *text).collect();
                    if this.parse(table, &all, Rows::Constructed)?.is_ok() {
                        continue;
                    }
                    for (text, indexes) in chunk {
                        if this.parse(table, &[text], Rows::Constructed)?.is_ok() {
                            continue;
                        }
                        // What names a type may still make sense on one of the tables, and NEW.tableoid needs a real row.
                        for index in *indexes {
                            let Some(table) = table_of(index) else {
                                continue;
                            };
                            if let Err(refusal) = this.parse(table, &[text], Rows::Constructed)?
                                && refusal.is_about_the_text()
                                && this.parse(table, &[text], Rows::OfTable)?.is_err()
                            {
                                found.push((*index, refusal.words));
                            }
                        }
                    }
                }
            }
            Ok(())
        })?;
        found.sort_unstable();
        Ok(found)
    }

    /// Have the server parse conditions of one table; the inner error is its refusal.
    fn parse(
        &mut self,
        table: &TableId,
        texts: &[&str],
        rows: Rows,
    ) -> Result<Result<(), Refusal>, Error> {
        let mut sql = String::from("SELECT");
        for (index, text) in texts.iter().enumerate() {
            // As CREATE TRIGGER does, CASE wants a truth value. A condition may end in a comment: the rest goes on the
            // next line.
            sql.push_str(if index == 0 { " " } else { ", " });
            sql.push_str("CASE WHEN (");
            sql.push_str(text);
            sql.push_str("\n) THEN 0 END");
        }
        sql.push_str(&from_rows(table, rows));
        // Extended protocol: a text that smuggles in a second statement is refused as such.
        match self.client.prepare_typed(&sql, &[]) {
            Ok(_) => Ok(Ok(())),
            Err(failure) => self.refusal(&failure).map(Err),
        }
    }

    /// Why the server would not look at conditions, and the transaction made good again; or what has nothing to do with
    /// them.
    fn refusal(&mut self, failure: &postgres::Error) -> Result<Refusal, Error> {
        if self.cause(failure) != Cause::Other {
            return Err(self.error(failure, "compare conditions"));
        }
        self.batch(
            "compare conditions",
            "ROLLBACK TO SAVEPOINT triggerctl_pairs",
        )?;
        Ok(Refusal {
            code: failure
                .code()
                .map(|code| code.code().to_owned())
                .unwrap_or_default(),
            words: words(failure),
            has_place: failure
                .as_db_error()
                .is_some_and(|error| error.position().is_some()),
        })
    }

    /// The verdicts on pairs of one table; the inner error is the server's refusal.
    fn explain(
        &mut self,
        table: &TableId,
        pairs: &[&ConditionPair],
        rows: Rows,
    ) -> Result<Result<Vec<Verdict>, Refusal>, Error> {
        let sql = explain_sql(table, pairs, rows);
        // Extended protocol: a text that smuggles in a second statement is refused as such.
        let answer = match self.client.query_typed(&sql, &[]) {
            Ok(rows) => rows,
            Err(failure) => return self.refusal(&failure).map(Err),
        };
        let text = match answer.first() {
            Some(row) => get::<Json>(row, 0)?.0,
            None => String::new(),
        };
        let Some(output) = output_list(&text).filter(|list| list.len() == 2 * pairs.len()) else {
            return Ok(Err(Refusal {
                code: String::new(),
                words: "EXPLAIN gave an unexpected answer".to_owned(),
                has_place: false,
            }));
        };
        Ok(Ok(output
            .chunks(2)
            .map(|pair| match pair {
                [left, right] if left == right => Verdict::Same,
                _ => Verdict::Different,
            })
            .collect()))
    }
}

/// Why the server would not look at a condition.
struct Refusal {
    /// The SQLSTATE.
    code: String,
    /// Its message.
    words: String,
    /// It points into the statement: the parser says so, and not what works out constants.
    has_place: bool,
}

impl Refusal {
    /// Syntax errors, names that are not there or not clear, types that do not fit (manual, appendix A, class 42
    /// without the one on rights), and literals that their type does not take, such as a label that an enumeration does
    /// not have (class 22).
    fn is_about_the_text(&self) -> bool {
        let is_literal = self.code.starts_with("22") && self.has_place;
        is_literal || (self.code.starts_with("42") && self.code != "42501")
    }
}

/// Where OLD and NEW come from in the question to the server.
#[derive(Debug, Clone, Copy)]
enum Rows {
    /// A function that returns the table's row type: works for views and foreign tables, and needs no right on the table.
    Constructed,
    /// The table itself, which alone has system columns.
    OfTable,
}

fn explain_sql(table: &TableId, pairs: &[&ConditionPair], rows: Rows) -> String {
    let mut sql = String::from("EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON)\nSELECT ");
    for (index, condition) in pairs
        .iter()
        .flat_map(|pair| [&pair.left, &pair.right])
        .enumerate()
    {
        if index > 0 {
            sql.push_str(", ");
        }
        // A condition may end in a comment: the parenthesis goes on the next line.
        sql.push('(');
        sql.push_str(condition);
        sql.push_str("\n)");
    }
    sql.push_str(&from_rows(table, rows));
    sql
}

/// FROM with a table's row as OLD and as NEW.
fn from_rows(table: &TableId, rows: Rows) -> String {
    let name = format!("{}.{}", identifier(&table.schema), identifier(&table.name));
    let (old, new) = match rows {
        Rows::Constructed => {
            let row = format!("pg_catalog.jsonb_populate_record(NULL::{name}, NULL)");
            (format!("{row} AS old"), format!("{row} AS new"))
        }
        Rows::OfTable => (format!("ONLY {name} AS old"), format!("ONLY {name} AS new")),
    };
    format!("\nFROM {old}, {new}")
}

/// `Plan.Output` of EXPLAIN's JSON.
fn output_list(text: &str) -> Option<Vec<String>> {
    let plans: serde_json::Value = serde_json::from_str(text).ok()?;
    plans
        .get(0)?
        .get("Plan")?
        .get("Output")?
        .as_array()?
        .iter()
        .map(|entry| entry.as_str().map(str::to_owned))
        .collect()
}

/// A value of the type `json` as its text.
struct Json(String);

impl<'a> FromSql<'a> for Json {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(str::from_utf8(raw)?.to_owned()))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::JSON
    }
}

/// What the texts alone decide: the same, not to be sent to the server, or different in what EXPLAIN does not print.
fn judge_text(pair: &ConditionPair) -> Option<Verdict> {
    if pair.left == pair.right {
        return Some(Verdict::Same);
    }
    for text in [&pair.left, &pair.right] {
        if let Some(reason) = malformed(text) {
            return Some(Verdict::Unknown(reason.to_owned()));
        }
    }
    // EXPLAIN prints no COLLATE: the same ones must stand in the same places.
    let (left, right) = (collations(&pair.left), collations(&pair.right));
    let names = |list: &[Collation]| -> Vec<Vec<String>> {
        list.iter().map(|entry| entry.name.clone()).collect()
    };
    if names(&left) != names(&right) {
        let last = |list: &[Collation]| -> Vec<Option<String>> {
            list.iter()
                .map(|entry| entry.name.last().cloned())
                .collect()
        };
        return Some(if last(&left) == last(&right) {
            Verdict::Unknown("a COLLATE is qualified in one and not in the other".to_owned())
        } else {
            Verdict::Different
        });
    }
    if left != right {
        return Some(Verdict::Unknown(
            "COLLATE stands in different places".to_owned(),
        ));
    }
    None
}

/// Why a text cannot be one expression; it could mean anything once it stands within another statement.
fn malformed(text: &str) -> Option<&'static str> {
    let mut open = vec![];
    for token in sql::tokens(text, &sql::POSTGRES) {
        match token.kind {
            TokenKind::Unterminated => {
                return Some("a quote or comment in the condition never ends");
            }
            TokenKind::Parameter => return Some("the condition has a parameter"),
            TokenKind::Operator => match token.text(text) {
                ";" => return Some("the condition has a semicolon"),
                "," if open.is_empty() => {
                    return Some("the condition has a comma outside parentheses");
                }
                "(" => open.push(")"),
                "[" => open.push("]"),
                closing @ (")" | "]") if open.pop() != Some(closing) => {
                    return Some("the condition's parentheses are not balanced");
                }
                _ => {}
            },
            _ => {}
        }
    }
    (!open.is_empty()).then_some("the condition's parentheses are not balanced")
}

/// One COLLATE: its name, and the last name or value before it.
#[derive(Debug, PartialEq, Eq)]
struct Collation {
    /// Schema and name, or the name alone; `pg_catalog` is left out, as it is in every search path.
    name: Vec<String>,
    operand: String,
}

fn collations(text: &str) -> Vec<Collation> {
    let tokens: Vec<Token> = sql::tokens(text, &sql::POSTGRES)
        .filter(|token| !token.is_blank())
        .collect();
    let mut found = vec![];
    for (index, token) in tokens.iter().enumerate() {
        if !token.is_word(text, "collate") {
            continue;
        }
        let operand = operand(tokens.get(..index).unwrap_or_default(), text);
        let mut name = vec![];
        let mut rest = tokens.get(index + 1..).unwrap_or_default().iter();
        while let Some(part) = rest.next() {
            name.push(name_of(part, text).into_owned());
            if !rest.next().is_some_and(|next| next.is_operator(text, ".")) {
                break;
            }
        }
        if name.len() == 2 && name.first().is_some_and(|schema| schema == "pg_catalog") {
            name.remove(0);
        }
        found.push(Collation { name, operand });
    }
    found
}

/// The last name or value of these tokens, apart from closing parentheses and from casts, which the server may add.
fn operand(tokens: &[Token], text: &str) -> String {
    let is_name = |token: &Token| {
        matches!(token.kind, TokenKind::Word | TokenKind::QuotedName)
            || token.is_operator(text, ".")
    };
    let mut rest = tokens;
    loop {
        while let [before @ .., last] = rest
            && last.is_operator(text, ")")
        {
            rest = before;
        }
        // A cast: `::` and the words of a type.
        let mut before = rest;
        while let [earlier @ .., last] = before
            && is_name(last)
        {
            before = earlier;
        }
        match before {
            [earlier @ .., last] if before.len() < rest.len() && last.is_operator(text, "::") => {
                rest = earlier;
            }
            _ => break,
        }
    }
    rest.last()
        .map(|token| name_of(token, text).into_owned())
        .unwrap_or_default()
}

/// A name as the server keeps it: quotes off, or folded to lower case.
fn name_of<'a>(token: &Token, text: &'a str) -> Cow<'a, str> {
    let word = token.text(text);
    match token.kind {
        TokenKind::Word => Cow::Owned(word.to_lowercase()),
        TokenKind::QuotedName => sql::unquote(word),
        _ => Cow::Borrowed(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(left: &str, right: &str) -> Option<Verdict> {
        judge_text(&ConditionPair {
            table: TableId {
                schema: "a".into(),
                name: "t".into(),
            },
            left: left.into(),
            right: right.into(),
        })
    }

    #[test]
    fn texts_that_are_no_expression_are_not_sent() {
        for text in [
            "true); DROP TABLE x; --",
            "a) OR (b",
            "'",
            "/*",
            "a = $1",
            "a, b",
            "(a]",
            "((a)",
        ] {
            assert!(
                matches!(judged("true", text), Some(Verdict::Unknown(_))),
                "{text}"
            );
        }
        assert_eq!(judged("a = ';' -- ;", "a = ';'"), None);
        assert_eq!(judged("a = ANY (ARRAY[1, 2])", "a IN (1, 2)"), None);
    }

    #[test]
    fn collations_must_match() {
        assert_eq!(
            judged(
                "NEW.a COLLATE \"C\" > 'x'",
                "((new.a COLLATE pg_catalog.\"C\") > 'x'::text)"
            ),
            None
        );
        assert_eq!(
            judged("NEW.a COLLATE \"C\" > 'x'", "NEW.a > 'x'"),
            Some(Verdict::Different)
        );
        assert_eq!(
            judged("NEW.a COLLATE \"C\" > 'x'", "NEW.a COLLATE \"POSIX\" > 'x'"),
            Some(Verdict::Different)
        );
        assert!(matches!(
            judged(
                "NEW.a COLLATE \"C\" > OLD.a AND NEW.b > OLD.b",
                "NEW.a > OLD.a AND NEW.b COLLATE \"C\" > OLD.b"
            ),
            Some(Verdict::Unknown(_))
        ));
    }
}
