//! The `[[test]]`s of a `kind.toml`, each on a fresh database, with the real binary.

use std::path::PathBuf;

use libtest_mimic::{Arguments, Trial};
use toml::{Table, Value};

use crate::common::{
    Live, Sandbox, assert_same, mysql, postgres::Postgres, repository, rewritten, sqlite::Sqlite,
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

/// The folders of the kinds that this process may have to try. A runner that gives each trial a process of its own names
/// it, and a trial's name begins with its kind: to read all the others would take longer than many a trial.
pub(crate) fn asked() -> Vec<PathBuf> {
    let mut folders = folders();
    assert!(
        folders.len() >= 10,
        "there are only {} kinds",
        folders.len()
    );
    let arguments = Arguments::from_args();
    let named = arguments.filter.as_deref().filter(|_| arguments.exact);
    if let Some((kind, _)) = named.and_then(|name| name.split_once("::")) {
        folders.retain(|folder| folder.ends_with(kind));
    }
    folders
}

/// A trial for each test, dialect and engine.
pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![];
    for folder in asked() {
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

    pub(crate) fn dialect(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql(_) => "mysql",
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

    /// The rows that are there before: those that all tests have, where this one has no schema of its own, and its own.
    fn given(&self) -> Option<String> {
        let own = |table: &Table, key: &str| {
            let of_dialect = table.get(self.dialect).and_then(|own| own.get(key));
            let value = of_dialect.or_else(|| table.get(key))?;
            Some(value.as_str().unwrap().to_owned())
        };
        let common = match own(&self.test, "schema") {
            Some(_) => None,
            None => own(&self.fixture, "given"),
        };
        let all: Vec<String> = [common, own(&self.test, "given")]
            .into_iter()
            .flatten()
            .collect();
        (!all.is_empty()).then(|| all.join("\n"))
    }

    /// The spec of the test: how the kind is used, and the test itself, as the spec of a user would have it.
    fn spec(&self) -> String {
        let uses = self
            .get("trigger")
            .expect("a test says how the kind is used");
        let uses = uses.as_array().expect("`trigger` is a list");
        let triggers: Vec<Value> = uses
            .iter()
            .map(|one| {
                let mut trigger = one.as_table().unwrap().clone();
                trigger.insert("use".to_owned(), Value::from(self.kind.as_str()));
                trigger.insert("dialects".to_owned(), Value::from(vec![self.dialect]));
                Value::from(trigger)
            })
            .collect();
        let mut test = Table::new();
        if let Some(given) = self.given() {
            test.insert("given".to_owned(), Value::from(given));
        }
        for key in ["when", "expect", "expect_error", "expect_changes"] {
            if let Some(value) = self.get(key) {
                test.insert(key.to_owned(), value);
            }
        }
        test.insert("name".to_owned(), self.test["name"].clone());
        let mut spec = Table::new();
        spec.insert("version".to_owned(), Value::from(1));
        spec.insert("trigger".to_owned(), Value::from(triggers));
        spec.insert("test".to_owned(), Value::from(vec![test]));
        toml::to_string(&spec).unwrap()
    }

    /// What is shipped is no pattern that is warned of, but for what its README says of TRUNCATE and of MySQL's foreign keys.
    fn lint(&self, sandbox: &Sandbox, live: &dyn Live) {
        let found = sandbox.on(live, &["lint", "--format", "json"]).ok().json();
        let findings = found["findings"].as_array().unwrap();
        let said = ["audit_without_truncate", "cascade_skips_triggers"];
        let is_said = |rule: &serde_json::Value| said.iter().any(|said| rule == said);
        let warnings: Vec<_> = findings
            .iter()
            .filter(|finding| finding["severity"] == "warning" && !is_said(&finding["rule"]))
            .collect();
        assert!(warnings.is_empty(), "{}: {warnings:#?}", self.kind);
    }

    fn check(&self) {
        let mut live = self.engine.live();
        let live = &mut *live;
        let schema = self.get("schema").expect("a test has a schema");
        live.batch(schema.as_str().unwrap());
        let before = live.snapshot();
        let spec = self.spec();
        let creates = spec.contains("create_table = true");
        let sandbox = Sandbox::with_spec(&spec);
        sandbox.run(&["validate", "--dialect", self.dialect]).ok();
        sandbox.on(live, &["plan", "--detailed-exitcode"]).code(2);
        sandbox.on(live, &["apply", "--yes"]).ok();
        let again = sandbox
            .on(live, &["plan", "--detailed-exitcode", "--format", "json"])
            .ok()
            .json();
        assert_eq!(again["changes"], serde_json::json!([]), "{again}");
        sandbox.on(live, &["check"]).ok();
        // A dump has what the server prints: it must be able to read that, and mean the same by it.
        let applied = live.snapshot();
        assert_same(
            "the catalog made of what is printed",
            &applied,
            &rewritten(&applied, live),
        );
        self.lint(&sandbox, live);
        sandbox.on(live, &["rollback", "--yes"]).ok();
        if creates {
            assert_ne!(before, live.snapshot(), "a rollback drops no table");
            sandbox.on(live, &["apply", "--yes"]).ok();
        } else {
            assert_same("the catalog after rollback", &before, &live.snapshot());
        }
    }
}
