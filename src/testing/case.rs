//! From a `[[test]]` of the spec to what is run on one engine: its fields for the dialect, with their templates rendered.

use std::ops::Range;

use minijinja::Value;

use crate::dialect::Dialect;
use crate::error::{Diagnostic, Error, Located, Span};
use crate::render::Renderer;
use crate::spec::{ChangesSpec, ErrorSpec, Expected, TestSpec, inner_span};
use crate::sql::{Token, TokenKind, tokens, top_level_semicolons};

/// SQL of a test, rendered.
#[derive(Debug, Clone)]
pub struct Sql {
    /// The SQL.
    pub text: String,
    source: Located<String>,
}

impl Sql {
    /// The place in the spec of a part of it; of the whole where a template stands between the two.
    pub fn place(&self, range: Option<Range<usize>>) -> Span {
        match range {
            Some(range) if self.source.value == self.text => inner_span(&self.source, range),
            _ => self.source.span.clone(),
        }
    }
}

/// A query and what it must give.
#[derive(Debug, Clone)]
pub struct Query {
    /// The query.
    pub sql: Sql,
    /// The rows.
    pub rows: Located<Vec<Vec<Located<Expected>>>>,
    /// Whether their order counts.
    pub ordered: bool,
}

/// One test, as it runs on one engine.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name, where it stands in the spec.
    pub name: Located<String>,
    /// What sets up the rows.
    pub given: Option<Sql>,
    /// What is tested.
    pub when: Sql,
    /// Queries that must give certain rows afterwards.
    pub expect: Vec<Query>,
    /// The error that must come.
    pub expect_error: Option<ErrorSpec>,
    /// What must happen to tables.
    pub expect_changes: Vec<ChangesSpec>,
}

/// The tests that run on a dialect, in order; all that is wrong with any of them is reported together.
pub fn cases(
    tests: &[&TestSpec],
    dialect: &'static dyn Dialect,
    renderer: &Renderer,
    context: &Value,
) -> Result<Vec<Case>, Error> {
    let mut writer = Writer {
        dialect,
        renderer,
        context,
        problems: vec![],
    };
    let cases = tests.iter().filter_map(|test| writer.case(test)).collect();
    Error::collected(writer.problems)?;
    Ok(cases)
}

struct Writer<'a> {
    dialect: &'static dyn Dialect,
    renderer: &'a Renderer,
    context: &'a Value,
    problems: Vec<Diagnostic>,
}

impl Writer<'_> {
    fn case(&mut self, test: &TestSpec) -> Option<Case> {
        let fields = test.for_dialect(self.dialect.name())?;
        let given = fields.given.map(|given| self.sql("given", given));
        let when = fields.when.and_then(|when| self.sql("when", when));
        let mut expect = vec![];
        for query in fields.expect.unwrap_or_default() {
            let place = query.query.span.clone();
            let Some(sql) = self.sql("query", query.query) else {
                continue;
            };
            self.one_statement(&sql, &place);
            expect.push(Query {
                sql,
                rows: query.rows,
                ordered: query.ordered,
            });
        }
        Some(Case {
            name: test.name.clone(),
            given: match given {
                Some(given) => Some(given?),
                None => None,
            },
            when: when?,
            expect,
            expect_error: fields.expect_error,
            expect_changes: fields.expect_changes.unwrap_or_default(),
        })
    }

    fn sql(&mut self, field: &str, source: Located<String>) -> Option<Sql> {
        let text = match self.renderer.inline_value(&source, self.context.clone()) {
            Ok(text) => text,
            Err(error) => {
                self.problems.extend(error.diagnostics);
                return None;
            }
        };
        let sql = Sql { text, source };
        if let Some(problem) = self.flaw(field, &sql) {
            self.problems.push(problem);
            return None;
        }
        Some(sql)
    }

    /// What must not be in a test's SQL: what never ends, and what ends the transaction that the test runs in.
    fn flaw(&self, field: &str, sql: &Sql) -> Option<Diagnostic> {
        let syntax = self.dialect.syntax();
        if let Some(open) =
            tokens(&sql.text, syntax).find(|token| token.kind == TokenKind::Unterminated)
        {
            return Some(
                Diagnostic::new(format!("`{field}` has a quote or comment that never ends"))
                    .at(&sql.place(Some(open.range)))
                    .help("close it"),
            );
        }
        // Whether a body is open that BEGIN ATOMIC begins: its END is no end of a transaction.
        let mut atomic = false;
        for statement in statements(&sql.text, self.dialect) {
            let words: Vec<Token> = tokens(sql.text.get(statement.clone())?, syntax)
                .filter(|token| !token.is_blank())
                .map(|token| Token {
                    kind: token.kind,
                    range: statement.start + token.range.start..statement.start + token.range.end,
                })
                .collect();
            let word = |index: usize| {
                words
                    .get(index)
                    .map_or("", |token: &Token| token.text(&sql.text))
                    .to_ascii_uppercase()
            };
            let ends = match word(0).as_str() {
                "BEGIN" | "COMMIT" | "ABORT" | "XA" => true,
                "END" => !std::mem::take(&mut atomic),
                "START" | "PREPARE" => word(1) == "TRANSACTION",
                "ROLLBACK" => word(1) != "TO" && word(2) != "TO",
                _ => false,
            };
            if ends {
                let range = words.first()?.range.clone();
                return Some(
                    Diagnostic::new(format!(
                        "`{field}` begins or ends a transaction with `{}`",
                        word(0)
                    ))
                    .at(&sql.place(Some(range)))
                    .help("a test runs in a transaction that is always rolled back: leave the statement out; SAVEPOINT and ROLLBACK TO work"),
                );
            }
            let is = |token: &Token, word: &str| token.is_word(&sql.text, word);
            atomic = atomic
                || words
                    .windows(2)
                    .any(|pair| matches!(pair, [begin, next] if is(begin, "begin") && is(next, "atomic")));
            let client = |token: &&Token| is(token, "stdin") || is(token, "stdout");
            if word(0) == "COPY"
                && let Some(token) = words.iter().find(client)
            {
                return Some(
                    Diagnostic::new(format!("`{field}` copies rows from or to a client"))
                        .at(&sql.place(Some(token.range.clone())))
                        .help("a test has none: use INSERT … VALUES, or a query in `expect`"),
                );
            }
        }
        None
    }

    fn one_statement(&mut self, sql: &Sql, place: &Span) {
        if statements(&sql.text, self.dialect).len() != 1 {
            self.problems.push(
                Diagnostic::new("`query` must be exactly one statement")
                    .at(place)
                    .help("what sets something up goes into `given`; several queries are a list of tables in `expect`"),
            );
        }
    }
}

/// The statements of a text, each from its first token to its last; only to point at one, never to run it.
pub fn statements(text: &str, dialect: &dyn Dialect) -> Vec<Range<usize>> {
    let syntax = dialect.syntax();
    let mut found = vec![];
    let mut start = 0;
    let ends = top_level_semicolons(text, syntax);
    for end in ends.into_iter().chain([text.len()]) {
        let piece = text.get(start..end).unwrap_or_default();
        let mut significant = tokens(piece, syntax).filter(|token| !token.is_blank());
        if let Some(first) = significant.next() {
            let last = significant.last().unwrap_or_else(|| first.clone());
            found.push(start + first.range.start..start + last.range.end);
        }
        start = end + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{postgres, sqlite};

    #[test]
    fn statements_are_found_for_pointing_at() {
        let text = " a 'x;y' ; -- b;\n;CREATE TRIGGER t AFTER INSERT ON x BEGIN SELECT 1; END; c";
        let found: Vec<&str> = statements(text, &sqlite::Sqlite)
            .into_iter()
            .map(|range| &text[range])
            .collect();
        assert_eq!(
            found,
            [
                "a 'x;y'",
                "CREATE TRIGGER t AFTER INSERT ON x BEGIN SELECT 1; END",
                "c"
            ]
        );
        assert!(statements(" -- nothing\n", &postgres::Postgres).is_empty());
    }
}
