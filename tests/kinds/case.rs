//! The `[[test]]`s of a `kind.toml`, each on a fresh database, with the real binary.

use std::fmt::Write as _;
use std::path::PathBuf;

use libtest_mimic::Trial;
use toml::{Table, Value};

use crate::common::{
    Live, Sandbox, assert_same, mysql, postgres::Postgres, repository, sqlite::Sqlite,
};

const DIALECTS: [&str; 3] = ["sqlite", "postgres", "mysql"];

/// The folders of the built-in kinds.
pub(crate) fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(repository().join("templates/kinds"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("kind.toml").exists())
        .collect();
    folders.sort();
    folders
}

/// A trial for each test, dialect and engine.
pub(crate) fn trials() -> Vec<Trial> {
    let folders = folders();
    assert!(
        folders.len() >= 10,
        "there are only {} kinds",
        folders.len()
    );
    let mut trials = vec![];
    for folder in folders {
        let kind = folder.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(folder.join("kind.toml")).unwrap();
        let toml: Table = toml::from_str(&text).unwrap_or_else(|error| panic!("{kind}: {error}"));
        let tests = toml.get("test").and_then(Value::as_array).cloned();
        let tests = tests.unwrap_or_default();
        let without = toml.get("without").and_then(Value::as_table);
        let fixture = toml.get("fixture").and_then(Value::as_table).cloned();
        let fixture = fixture.unwrap_or_default();
        for dialect in DIALECTS {
            if without.is_some_and(|without| without.contains_key(dialect)) {
                continue;
            }
            let is_for = |test: &&Value| match test.get("dialects").and_then(Value::as_array) {
                Some(dialects) => dialects.iter().any(|one| one.as_str() == Some(dialect)),
                None => true,
            };
            let tests: Vec<&Value> = tests.iter().filter(is_for).collect();
            assert!(
                tests.len() >= 3,
                "{kind} has only {} tests for {dialect}",
                tests.len()
            );
            for test in tests {
                for engine in Engine::of(dialect) {
                    let case = Case {
                        kind: kind.clone(),
                        engine,
                        dialect,
                        test: test.as_table().unwrap().clone(),
                        fixture: fixture.clone(),
                    };
                    let name = case.test["name"].as_str().unwrap().replace(' ', "_");
                    let trial =
                        Trial::test(format!("{kind}::{}::{name}", engine.name()), move || {
                            case.check();
                            Ok(())
                        });
                    trials.push(trial.with_ignored_flag(engine.is_missing()));
                }
            }
        }
    }
    trials
}

/// What a test runs on.
#[derive(Clone, Copy)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
    Mysql(mysql::Engine),
}

impl Engine {
    pub(crate) fn of(dialect: &str) -> Vec<Self> {
        match dialect {
            "sqlite" => vec![Self::Sqlite],
            "postgres" => vec![Self::Postgres],
            _ => mysql::Engine::ALL.map(Self::Mysql).to_vec(),
        }
    }

    pub(crate) fn all() -> Vec<Self> {
        DIALECTS.into_iter().flat_map(Self::of).collect()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql(engine) => engine.name(),
        }
    }

    pub(crate) fn is_missing(self) -> bool {
        matches!(self, Self::Mysql(engine) if engine.is_missing())
    }

    pub(crate) fn live(self) -> Box<dyn Live> {
        match self {
            Self::Sqlite => Box::new(Sqlite::new()),
            Self::Postgres => Box::new(Postgres::new()),
            Self::Mysql(engine) => Box::new(mysql::Mysql::of(engine)),
        }
    }
}

struct Case {
    kind: String,
    engine: Engine,
    dialect: &'static str,
    test: Table,
    fixture: Table,
}

impl Case {
    /// What the test says, for this dialect before for all, in the test before in what all tests run on.
    fn get(&self, key: &str) -> Option<Value> {
        [&self.test, &self.fixture]
            .iter()
            .flat_map(|table| {
                let own = table.get(self.dialect).and_then(|own| own.get(key));
                [own, table.get(key)]
            })
            .flatten()
            .next()
            .cloned()
    }

    fn text(&self, key: &str) -> Option<String> {
        let text = self.get(key)?;
        Some(self.rendered(text.as_str().expect(key)))
    }

    /// SQL of a test may use the helpers of bodies.
    fn rendered(&self, text: &str) -> String {
        let dialect = triggerctl::dialect::by_name(self.dialect).unwrap();
        let renderer = triggerctl::render::Renderer::new(dialect, None).unwrap();
        let file = std::sync::Arc::new(triggerctl::error::SourceFile {
            name: "test".to_owned(),
            text: text.to_owned(),
        });
        let located = triggerctl::error::Located {
            value: text.to_owned(),
            span: triggerctl::error::Span {
                range: 0..text.len(),
                file,
            },
        };
        let context = serde_json::json!({ "dialect": self.dialect });
        renderer.inline(&located, context).unwrap()
    }

    fn spec(&self) -> String {
        let mut spec = "version = 1\n".to_owned();
        let triggers = self
            .get("trigger")
            .expect("a test says how the kind is used");
        for trigger in triggers.as_array().expect("`trigger` is a list") {
            let mut trigger = trigger.as_table().unwrap().clone();
            trigger.insert("use".to_owned(), Value::from(self.kind.as_str()));
            trigger.insert("dialects".to_owned(), Value::from(vec![self.dialect]));
            let mut wrapped = Table::new();
            wrapped.insert("trigger".to_owned(), Value::from(vec![trigger]));
            let _ = writeln!(spec, "{}", toml::to_string(&wrapped).unwrap());
        }
        spec
    }

    fn check(&self) {
        let mut live = self.engine.live();
        let live = &mut *live;
        live.batch(&self.text("schema").expect("a test has a schema"));
        let before = live.snapshot();
        let spec = self.spec();
        let creates = spec.contains("create_table = true");
        let sandbox = Sandbox::with_spec(&spec);
        sandbox.on(live, &["plan", "--detailed-exitcode"]).code(2);
        sandbox.on(live, &["apply", "--yes"]).ok();
        let again = sandbox
            .on(live, &["plan", "--detailed-exitcode", "--format", "json"])
            .ok()
            .json();
        assert_eq!(again["changes"], serde_json::json!([]), "{again}");

        if let Some(given) = self.text("given") {
            live.batch(&given);
        }
        let said = live.script(&self.text("when").expect("a test has a `when`"));
        match self.get("expect_error") {
            Some(expected) => {
                let part = match &expected {
                    Value::String(part) => part.as_str(),
                    other => other["message"].as_str().unwrap(),
                };
                assert!(
                    said.starts_with("error: ") && said.contains(part),
                    "expected an error with `{part}`, found: {said}"
                );
            }
            None => assert!(!said.starts_with("error: "), "{said}"),
        }
        let mut asked = 0;
        for expected in self.expectations() {
            let query = self.rendered(expected["query"].as_str().unwrap());
            let found = live.run(&query);
            matches(&query, &expected["rows"], &found);
            asked += 1;
        }
        assert!(
            asked > 0 || self.get("expect_error").is_some(),
            "the test expects nothing"
        );

        sandbox.on(live, &["rollback", "--yes"]).ok();
        if creates {
            assert_ne!(before, live.snapshot(), "a rollback drops no table");
            sandbox.on(live, &["apply", "--yes"]).ok();
        } else {
            assert_same("the catalog after rollback", &before, &live.snapshot());
        }
    }

    fn expectations(&self) -> Vec<Value> {
        match self.get("expect") {
            None => vec![],
            Some(Value::Array(list)) => list,
            Some(one) => vec![one],
        }
    }
}

/// Whether the rows that were found are those that were expected, in any order.
fn matches(query: &str, expected: &Value, found: &str) {
    let mut rows: Vec<Vec<&str>> = found
        .lines()
        .map(|line| line.split('|').collect())
        .collect();
    for row in expected.as_array().unwrap() {
        let row = row.as_array().unwrap();
        let fits = |found: &Vec<&str>| {
            found.len() == row.len() && row.iter().zip(found).all(|(value, text)| fits(value, text))
        };
        let Some(at) = rows.iter().position(fits) else {
            panic!("{query}\nno row like {row:?} in:\n{found}");
        };
        rows.remove(at);
    }
    assert!(rows.is_empty(), "{query}\nmore than expected: {rows:?}");
}

fn fits(value: &Value, text: &str) -> bool {
    match value {
        Value::Table(special) if special.contains_key("null") => text == "NULL",
        Value::Table(special) if special.contains_key("any") => true,
        Value::Table(special) if special.contains_key("json") => {
            serde_json::from_str::<serde_json::Value>(text).ok() == Some(json(&special["json"]))
        }
        Value::Boolean(flag) => {
            let words = if *flag {
                ["t", "1", "true"]
            } else {
                ["f", "0", "false"]
            };
            words.contains(&text)
        }
        Value::String(value) => value == text,
        Value::Integer(number) => text.parse::<f64>().ok() == Some(*number as f64),
        Value::Float(number) => text.parse::<f64>().ok() == Some(*number),
        other => other.to_string() == text,
    }
}

/// JSON as TOML writes it; TOML has no null.
fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Table(table) if table.len() == 1 && table.contains_key("null") => {
            serde_json::Value::Null
        }
        Value::Table(table) => table
            .iter()
            .map(|(key, value)| (key.clone(), json(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(list) => list.iter().map(json).collect(),
        other => serde_json::to_value(other).unwrap(),
    }
}
