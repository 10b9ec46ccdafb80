//! `[[test]]`: what is set up, what is done, and what must come of it. The values that must come out are TOML values,
//! with a way to write what TOML has none for (NULL, bytes, JSON, decimals).

use std::collections::{BTreeMap, HashMap};

use super::build::{Builder, flag, list, name, text};
use super::keys::DialectKeys;
use super::value::{Record, Value};
use super::{TableRef, unknown};
use crate::error::{Diagnostic, Located, Span};

/// One `[[test]]` as written.
#[derive(Debug, Clone)]
pub struct TestSpec {
    /// The `[[test]]` header.
    pub span: Span,
    /// What it shows.
    pub name: Located<String>,
    /// The dialects it runs on; `None` is all.
    pub dialects: Option<Vec<Located<String>>>,
    /// What is said for all dialects.
    pub fields: TestFields,
    /// What is said in `[test.<dialect>]`.
    pub overrides: BTreeMap<String, Box<TestFields>>,
}

/// The fields of a test, each one where it was written.
#[derive(Debug, Clone, Default)]
pub struct TestFields {
    /// `given`, a template.
    pub given: Option<Located<String>>,
    /// `when`, a template.
    pub when: Option<Located<String>>,
    /// `expect`.
    pub expect: Option<Vec<ExpectSpec>>,
    /// `expect_error`.
    pub expect_error: Option<ErrorSpec>,
    /// `expect_changes`.
    pub expect_changes: Option<Vec<ChangesSpec>>,
}

/// One table of `expect`.
#[derive(Debug, Clone)]
pub struct ExpectSpec {
    /// The whole of it.
    pub span: Span,
    /// `query`, a template.
    pub query: Located<String>,
    /// `rows`.
    pub rows: Located<Vec<Vec<Located<Expected>>>>,
    /// `ordered`.
    pub ordered: bool,
}

/// `expect_error`; at least one of the two is set.
#[derive(Debug, Clone)]
pub struct ErrorSpec {
    /// The whole of it.
    pub span: Span,
    /// A part of the message.
    pub message: Option<Located<String>>,
    /// The SQLSTATE.
    pub sqlstate: Option<Located<String>>,
}

/// One table of `expect_changes`.
#[derive(Debug, Clone)]
pub struct ChangesSpec {
    /// The whole of it.
    pub span: Span,
    /// `table`.
    pub table: Located<TableRef>,
    /// `added`.
    pub added: Vec<RowSpec>,
    /// `removed`.
    pub removed: Vec<RowSpec>,
    /// `changed`.
    pub changed: Vec<ChangedSpec>,
}

/// A row by column; what is not named may hold anything.
pub type RowSpec = Vec<(Located<String>, Located<Expected>)>;

/// A row before and after.
#[derive(Debug, Clone)]
pub struct ChangedSpec {
    /// `from`.
    pub from: RowSpec,
    /// `to`.
    pub to: RowSpec,
}

/// A value that must come out.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// `{ null = true }`.
    Null,
    /// `{ any = true }`: whatever it is, NULL too.
    Any,
    /// `true` or `false`.
    Bool(bool),
    /// `1`.
    Integer(i64),
    /// `1.5`.
    Float(f64),
    /// `"a"`.
    Text(String),
    /// `2026-01-31`, `10:00:00`, `2026-01-31T10:00:00Z`.
    Time(toml::value::Datetime),
    /// `{ decimal = "1.10" }`: its digits.
    Decimal(String),
    /// `{ blob = "00ff" }`.
    Blob(Vec<u8>),
    /// `{ json = … }`.
    Json(serde_json::Value),
}

impl TestSpec {
    /// Whether it runs on this dialect.
    pub fn is_for(&self, dialect: &str) -> bool {
        self.dialects
            .as_ref()
            .is_none_or(|all| all.iter().any(|name| name.value == dialect))
    }

    /// The fields that hold in `dialect`; `None` where `dialects` leaves it out.
    pub fn for_dialect(&self, dialect: &str) -> Option<TestFields> {
        if !self.is_for(dialect) {
            return None;
        }
        let own = self.overrides.get(dialect);
        Some(own.map_or_else(
            || self.fields.clone(),
            |own| own.as_ref().clone().over(&self.fields),
        ))
    }
}

impl TestFields {
    /// These, with `base` where they say nothing.
    fn over(self, base: &Self) -> Self {
        let Self {
            given,
            when,
            expect,
            expect_error,
            expect_changes,
        } = self;
        Self {
            given: given.or_else(|| base.given.clone()),
            when: when.or_else(|| base.when.clone()),
            expect: expect.or_else(|| base.expect.clone()),
            expect_error: expect_error.or_else(|| base.expect_error.clone()),
            expect_changes: expect_changes.or_else(|| base.expect_changes.clone()),
        }
    }
}

impl Builder<'_> {
    /// The tests of one file; their names differ.
    pub(super) fn tests(
        &mut self,
        records: Vec<Record>,
        dialects: &[DialectKeys],
    ) -> Vec<TestSpec> {
        let mut tests: Vec<TestSpec> = vec![];
        let mut names: HashMap<String, Span> = HashMap::new();
        for record in records {
            let Some(test) = self.test(record, dialects) else {
                continue;
            };
            let name = test.name.value.clone();
            if let Some(first) = names.insert(name, test.name.span.clone()) {
                self.report(
                    Diagnostic::new(format!(
                        "two tests are named `{}`",
                        unknown::short(&test.name.value)
                    ))
                    .at(&test.name.span)
                    .related(&first, "first here")
                    .help("say in the name what is different about it"),
                );
            }
            tests.push(test);
        }
        tests
    }

    fn test(&mut self, mut record: Record, dialects: &[DialectKeys]) -> Option<TestSpec> {
        self.missing(
            &record,
            "name",
            "this test",
            "name = \"a changed row gets the time\"",
        );
        let mut broken = record.broken();
        let fields = self.test_fields(&mut record);
        let mut overrides = BTreeMap::new();
        let mut headers = vec![];
        for (dialect, mut inner) in std::mem::take(&mut record.overrides) {
            broken.extend(inner.broken());
            overrides.insert(
                dialect.value.clone(),
                Box::new(self.test_fields(&mut inner)),
            );
            headers.push(dialect);
        }
        let named = record.take("name").and_then(text);
        let is_named = named.is_some();
        let spec = TestSpec {
            name: named.unwrap_or_else(|| Located {
                value: String::new(),
                span: record.span.clone(),
            }),
            dialects: record
                .take("dialects")
                .and_then(|value| list(value, text))
                .map(|dialects| dialects.value),
            fields,
            overrides,
            span: record.span,
        };
        for header in headers.iter().filter(|header| !spec.is_for(&header.value)) {
            let dialect = &header.value;
            self.report(
                Diagnostic::new(format!(
                    "`[test.{dialect}]` is for a dialect that `dialects` leaves out"
                ))
                .at(&header.span)
                .help(format!(
                    "add \"{dialect}\" to `dialects`, or take `[test.{dialect}]` away"
                )),
            );
        }
        self.test_is_complete(&spec, dialects, &broken);
        is_named.then_some(spec)
    }

    /// Each dialect that it runs on has something to do and something to look at.
    fn test_is_complete(&mut self, spec: &TestSpec, dialects: &[DialectKeys], broken: &[&str]) {
        const LOOKS: [&str; 3] = ["expect", "expect_error", "expect_changes"];
        let mut blind = vec![];
        let mut idle = vec![];
        for (dialect, _) in dialects {
            let Some(fields) = spec.for_dialect(dialect) else {
                continue;
            };
            if fields.when.is_none() {
                idle.push(*dialect);
            }
            if fields.expect.is_none()
                && fields.expect_error.is_none()
                && fields.expect_changes.is_none()
            {
                blind.push(*dialect);
            }
        }
        let mut report = |lacking: &[&str], what: &str, help: &str| {
            if lacking.is_empty() {
                return;
            }
            let all = lacking.len() == dialects.len()
                || spec.dialects.is_none() && spec.overrides.is_empty();
            let of = if all {
                String::new()
            } else {
                format!(" for {}", lacking.join(" and "))
            };
            let name = match spec.name.value.as_str() {
                "" => "this test".to_owned(),
                name => format!("the test `{}`", unknown::short(name)),
            };
            self.report(
                Diagnostic::new(format!("{name} has {what}{of}"))
                    .at(&spec.span)
                    .help(help),
            );
        };
        if !broken.contains(&"when") {
            report(
                &idle,
                "no `when`",
                "add the statement under test: `when = \"UPDATE users SET name = 'b';\"`",
            );
        }
        if !LOOKS.iter().any(|key| broken.contains(key)) {
            report(
                &blind,
                "nothing to expect",
                "add `expect`, `expect_error` or `expect_changes`: without one it cannot fail",
            );
        }
    }

    fn test_fields(&mut self, record: &mut Record) -> TestFields {
        TestFields {
            given: record.take("given").and_then(text),
            when: record.take("when").and_then(text),
            expect: self.records(record, "expect", Self::expect),
            expect_error: record
                .take("expect_error")
                .and_then(|value| self.expect_error(value)),
            expect_changes: self.records(record, "expect_changes", Self::expect_changes),
        }
    }

    fn records<T>(
        &mut self,
        record: &mut Record,
        key: &str,
        mut read: impl FnMut(&mut Self, Record) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Some(Value::Records(records)) = record.take(key) else {
            return None;
        };
        let read: Vec<T> = records
            .into_iter()
            .filter_map(|record| read(self, record))
            .collect();
        Some(read)
    }

    fn expect(&mut self, mut record: Record) -> Option<ExpectSpec> {
        let example = "query = \"SELECT name FROM users\"";
        self.missing(&record, "query", "`expect`", example);
        self.missing(&record, "rows", "`expect`", "rows = [[\"b\"]]");
        let query = record.take("query").and_then(text);
        let rows = record.take("rows").and_then(|value| list(value, Some));
        let ordered = record.take("ordered").and_then(flag);
        let rows = rows?;
        let span = rows.span;
        let mut read = vec![];
        for row in rows.value {
            let row = list(row, Some).map_or(vec![], |row| row.value);
            read.push(row.into_iter().filter_map(|cell| self.cell(cell)).collect());
        }
        let rows = read;
        Some(ExpectSpec {
            query: query?,
            rows: Located { value: rows, span },
            ordered: ordered.is_some_and(|flag| flag.value),
            span: record.span,
        })
    }

    fn expect_error(&mut self, value: Value) -> Option<ErrorSpec> {
        let mut record = match value {
            Value::Text(message) => {
                return Some(ErrorSpec {
                    span: message.span.clone(),
                    message: Some(message),
                    sqlstate: None,
                });
            }
            Value::Record(record) => record,
            _ => return None,
        };
        if !record.has("message") && !record.has("sqlstate") {
            self.report(
                Diagnostic::new("`expect_error` has neither `message` nor `sqlstate`")
                    .at(&record.span)
                    .help("name a part of the message; `message = \"\"` takes any error"),
            );
        }
        let sqlstate = record.take("sqlstate").and_then(text);
        if let Some(state) = &sqlstate {
            let is_one = state.value.len() == 5
                && state
                    .value
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
            if !is_one {
                self.report(
                    Diagnostic::new(format!("`{}` is no SQLSTATE", unknown::short(&state.value)))
                        .at(&state.span)
                        .help(
                            "it is five digits or capital letters, such as \"45000\" or \"P0001\"",
                        ),
                );
            }
        }
        Some(ErrorSpec {
            message: record.take("message").and_then(text),
            sqlstate,
            span: record.span,
        })
    }

    fn expect_changes(&mut self, mut record: Record) -> Option<ChangesSpec> {
        self.missing(&record, "table", "`expect_changes`", "table = \"audit\"");
        let table = record.take("table").and_then(name);
        let mut rows = |key: &str| -> Vec<RowSpec> {
            let Some(Value::List(rows)) = record.take(key) else {
                return vec![];
            };
            rows.value
                .into_iter()
                .filter_map(|row| self.row(row))
                .collect()
        };
        let (added, removed) = (rows("added"), rows("removed"));
        let mut changed = vec![];
        if let Some(Value::List(pairs)) = record.take("changed") {
            for pair in pairs.value {
                let Value::Record(mut pair) = pair else {
                    continue;
                };
                self.missing(&pair, "from", "`changed`", "from = { n = 1 }");
                self.missing(&pair, "to", "`changed`", "to = { n = 2 }");
                let from = pair.take("from").and_then(|row| self.row(row));
                let to = pair.take("to").and_then(|row| self.row(row));
                if let (Some(from), Some(to)) = (from, to) {
                    changed.push(ChangedSpec { from, to });
                }
            }
        }
        Some(ChangesSpec {
            table: table?,
            added,
            removed,
            changed,
            span: record.span,
        })
    }

    fn row(&mut self, value: Value) -> Option<RowSpec> {
        let Value::Map(map) = value else { return None };
        let cells = map
            .into_iter()
            .filter_map(|(column, value)| Some((column, self.cell(value)?)));
        Some(cells.collect())
    }

    fn cell(&mut self, value: Value) -> Option<Located<Expected>> {
        let Value::Any(Located { value, span }) = value else {
            return None;
        };
        match expected(value) {
            Ok(value) => Some(Located { value, span }),
            Err(message) => {
                self.report(Diagnostic::new(message).at(&span).help(
                    "a value is a TOML value, `{ null = true }`, `{ any = true }`, `{ decimal = \"1.10\" }`, \
                     `{ blob = \"00ff\" }` or `{ json = … }`",
                ));
                None
            }
        }
    }
}

/// What a TOML value stands for; else what is wrong with it.
fn expected(value: toml::Value) -> Result<Expected, String> {
    Ok(match value {
        toml::Value::String(text) => Expected::Text(text),
        toml::Value::Integer(number) => Expected::Integer(number),
        toml::Value::Float(number) => Expected::Float(number),
        toml::Value::Boolean(value) => Expected::Bool(value),
        toml::Value::Datetime(time) => Expected::Time(time),
        toml::Value::Array(_) => return Err("a list is no value of a column".to_owned()),
        toml::Value::Table(table) => {
            let mut entries = table.into_iter();
            let (Some((key, value)), None) = (entries.next(), entries.next()) else {
                return Err("a table that stands for a value has exactly one key".to_owned());
            };
            special(&key, value)?
        }
    })
}

/// `{ key = value }`.
fn special(key: &str, value: toml::Value) -> Result<Expected, String> {
    Ok(match (key, value) {
        ("null", toml::Value::Boolean(true)) => Expected::Null,
        ("any", toml::Value::Boolean(true)) => Expected::Any,
        ("null" | "any", _) => return Err(format!("`{key}` can only be `true`")),
        ("json", value) => Expected::Json(json(value)?),
        ("blob", toml::Value::String(digits)) => {
            Expected::Blob(bytes(&digits).ok_or_else(|| {
                format!(
                    "`{}` is no row of bytes in hex, two digits each",
                    unknown::short(&digits)
                )
            })?)
        }
        ("blob", _) => return Err("`blob` takes a string of hex digits".to_owned()),
        ("decimal", toml::Value::String(digits)) if is_decimal(&digits) => {
            Expected::Decimal(digits)
        }
        ("decimal", _) => {
            return Err("`decimal` takes a string of digits, such as \"1.10\"".to_owned());
        }
        _ => {
            return Err(format!(
                "`{}` is no way to write a value",
                unknown::short(key)
            ));
        }
    })
}

fn json(value: toml::Value) -> Result<serde_json::Value, String> {
    use serde_json::Value as Json;
    Ok(match value {
        toml::Value::String(text) => Json::String(text),
        toml::Value::Integer(number) => Json::from(number),
        toml::Value::Float(number) => serde_json::Number::from_f64(number)
            .map(Json::Number)
            .ok_or_else(|| format!("JSON has no number `{number}`"))?,
        toml::Value::Boolean(value) => Json::Bool(value),
        toml::Value::Datetime(time) => Json::String(time.to_string()),
        toml::Value::Array(elements) => Json::Array(
            elements
                .into_iter()
                .map(json)
                .collect::<Result<Vec<_>, _>>()?,
        ),
        // TOML has no null; within JSON it is written as outside of it.
        toml::Value::Table(table)
            if table.len() == 1 && table.get("null") == Some(&toml::Value::Boolean(true)) =>
        {
            Json::Null
        }
        toml::Value::Table(table) => Json::Object(
            table
                .into_iter()
                .map(|(key, value)| Ok((key, json(value)?)))
                .collect::<Result<serde_json::Map<_, _>, String>>()?,
        ),
    })
}

/// Bytes in hex.
pub(crate) fn bytes(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect()
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    !(whole.is_empty() && fraction.is_empty())
        && whole
            .bytes()
            .chain(fraction.bytes())
            .all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Expected, String> {
        let table: toml::Table = format!("x = {text}").parse().unwrap();
        expected(table["x"].clone())
    }

    #[test]
    fn every_kind_of_value_can_be_written() {
        assert_eq!(read("{ null = true }"), Ok(Expected::Null));
        assert_eq!(read("{ any = true }"), Ok(Expected::Any));
        assert_eq!(read("1"), Ok(Expected::Integer(1)));
        assert_eq!(read("1.5"), Ok(Expected::Float(1.5)));
        assert_eq!(read("\"a\""), Ok(Expected::Text("a".into())));
        assert_eq!(read("true"), Ok(Expected::Bool(true)));
        assert_eq!(
            read("{ decimal = \"-1.10\" }"),
            Ok(Expected::Decimal("-1.10".into()))
        );
        assert_eq!(
            read("{ blob = \"00fF\" }"),
            Ok(Expected::Blob(vec![0, 255]))
        );
        assert_eq!(read("{ blob = \"\" }"), Ok(Expected::Blob(vec![])));
        assert_eq!(
            read("{ json = { a = [1, { null = true }] } }"),
            Ok(Expected::Json(serde_json::json!({ "a": [1, null] })))
        );
        assert!(matches!(
            read("2026-01-31T10:00:00Z"),
            Ok(Expected::Time(_))
        ));
    }

    #[test]
    fn what_stands_for_no_value_is_said() {
        for (text, says) in [
            ("{ null = false }", "can only be `true`"),
            ("{ nul = true }", "`nul` is no way"),
            ("{ blob = \"0\" }", "no row of bytes"),
            ("{ blob = \"zz\" }", "no row of bytes"),
            ("{ blob = 1 }", "hex digits"),
            ("{ decimal = \"1,1\" }", "`decimal` takes"),
            ("{ decimal = \".\" }", "`decimal` takes"),
            ("{ json = nan }", "no number"),
            ("{ a = 1, b = 2 }", "exactly one key"),
            ("[1]", "a list is no value"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
