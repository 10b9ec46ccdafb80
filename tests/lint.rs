//! Every rule, live: what it must find, and what it must not.
//!
//! `fixtures/lint/<rule>/` has `schema.sql` (or `schema.<dialect>.sql`), specs `wrong*.toml` in which the rule must find
//! something, and `right.toml` and `near_*.toml` in which it must not. A first line `# postgres, mysql` says for which
//! dialects a spec is; else it is for all that the rule knows. `wrong.txt` is what a person sees of `wrong.toml` in the first
//! dialect. `docs/lint.md` is made of the table of rules and these examples. `SNAPSHOTS=overwrite` writes both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use common::{
    Live, Sandbox, compare_file,
    mysql::{Engine, Mysql},
    postgres::Postgres,
    repository,
    sqlite::Sqlite,
};
use libtest_mimic::{Arguments, Trial};
use triggerctl::lint::rules::{self, Rule};

fn main() {
    let mut trials = vec![
        Trial::test("every_rule_has_its_fixtures", || {
            every_rule_has_its_fixtures();
            Ok(())
        }),
        Trial::test("docs", || {
            compare_file(&repository().join("docs/lint.md"), &document());
            Ok(())
        }),
    ];
    for rule in rules::ALL {
        for path in specs(rule) {
            let engines = dialects(rule, &path);
            for engine in engines.iter().flat_map(|dialect| engines_of(dialect)) {
                let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
                let path = path.clone();
                let trial = Trial::test(format!("{}::{stem}::{engine}", rule.name), move || {
                    let mut live = open(engine);
                    check(rule, &path, &mut *live, engine);
                    Ok(())
                });
                let is_missing = *engine == "mysql_9" && Engine::Mysql9.is_missing();
                trials.push(trial.with_ignored_flag(is_missing));
            }
        }
    }
    for path in broken() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        trials.push(Trial::test(format!("broken::{name}"), move || {
            is_caught(&path);
            Ok(())
        }));
    }
    trials.push(Trial::test("many_triggers_of_one_table", || {
        many_triggers_of_one_table();
        Ok(())
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// The engines of a dialect, the first of which is the one that is shown.
fn engines_of(dialect: &str) -> &'static [&'static str] {
    match dialect {
        "sqlite" => &["sqlite"],
        "postgres" => &["postgres", "postgres_14", "postgres_18"],
        "mysql" => &["mysql", "mysql_9"],
        other => panic!("no dialect `{other}`"),
    }
}

fn open(engine: &str) -> Box<dyn Live> {
    let other_postgres = |version: u32| {
        let name = format!("TRIGGERCTL_TEST_POSTGRES_{version}");
        let url = std::env::var(&name);
        Box::new(Postgres::on(&url.unwrap_or_else(|_| {
            panic!("{name} is not set: run tests/run.sh")
        })))
    };
    match engine {
        "sqlite" => Box::new(Sqlite::new()),
        "postgres" => Box::new(Postgres::new()),
        "postgres_14" => other_postgres(14),
        "postgres_18" => other_postgres(18),
        "mysql" => Box::new(Mysql::new()),
        "mysql_9" => Box::new(Mysql::of(Engine::Mysql9)),
        other => panic!("no dialect `{other}`"),
    }
}

fn folder(rule: &Rule) -> PathBuf {
    repository().join("fixtures/lint").join(rule.name)
}

fn tomls(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    paths.sort();
    paths
}

fn specs(rule: &Rule) -> Vec<PathBuf> {
    tomls(&folder(rule))
}

/// The words of the first line, where it is a comment.
fn header(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("# ").map_or(vec![], |line| {
        line.split([',', ':', ' '])
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    })
}

fn dialects(rule: &Rule, path: &Path) -> Vec<String> {
    let given = header(path);
    if given.is_empty() {
        rule.dialects
            .iter()
            .map(|dialect| (*dialect).to_owned())
            .collect()
    } else {
        given
    }
}

fn must_find(path: &Path) -> bool {
    path.file_name()
        .unwrap()
        .to_string_lossy()
        .starts_with("wrong")
}

/// The spec in a folder of its own, its tables in the database.
fn load(path: &Path, live: &mut dyn Live) -> Sandbox {
    let sandbox = Sandbox::with_spec(&std::fs::read_to_string(path).unwrap());
    let folder = path.parent().unwrap();
    let schema = [
        format!("schema.{}.sql", live.dialect()),
        "schema.sql".to_owned(),
    ]
    .iter()
    .find_map(|name| std::fs::read_to_string(folder.join(name)).ok())
    .expect("schema.sql");
    live.batch(&schema);
    sandbox
}

fn found(report: &serde_json::Value, rule: &str) -> usize {
    report["findings"]
        .as_array()
        .unwrap_or_else(|| panic!("{report:#}"))
        .iter()
        .filter(|finding| finding["rule"] == rule)
        .count()
}

fn check(rule: &Rule, path: &Path, live: &mut dyn Live, engine: &str) {
    let sandbox = load(path, live);
    let before = live.everything();
    let run = sandbox.on(live, &["lint", "--format", "json"]);
    common::assert_same("the database after lint", &before, &live.everything());
    let report = run.json();
    let count = found(&report, rule.name);
    if must_find(path) {
        assert!(count > 0, "{run}");
        let finding = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|finding| finding["rule"] == rule.name)
            .unwrap();
        assert!(finding["line"].as_u64().is_some(), "it has no place: {run}");
        assert!(
            finding["help"]
                .as_array()
                .is_some_and(|help| !help.is_empty())
                || rule.name == "unanalysed_body"
                || rule.name == "missing_reference",
            "it has no help: {run}"
        );
    } else {
        assert_eq!(count, 0, "{run}");
        // What is right is right in every other way, but for what is only worth knowing.
        let right = path.file_name().unwrap() == "right.toml";
        assert!(!right || report["summary"]["errors"] == 0, "{run}");
    }
    // Without a database the same is found, where none is needed.
    let dialect = live.dialect();
    let from_tables = rule.name == "firing_order" && dialect == "sqlite";
    let knows = !rule.needs_database && !from_tables;
    if knows {
        let offline = sandbox.run(&["lint", "--format", "json", "--dialect", dialect]);
        assert_eq!(
            found(&offline.json(), rule.name) > 0,
            must_find(path),
            "{offline}"
        );
    }
    let first = dialects(rule, path)
        .first()
        .is_some_and(|first| first == engine);
    if path.file_name().unwrap() == "wrong.toml" && first {
        let shown = sandbox.on(live, &["lint"]).stdout;
        compare_file(&path.with_extension("txt"), &live.plain(&shown));
    }
}

fn every_rule_has_its_fixtures() {
    let mut known: Vec<&str> = rules::ALL.iter().map(|rule| rule.name).collect();
    known.sort_unstable();
    let mut there: Vec<String> = std::fs::read_dir(repository().join("fixtures/lint"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    there.sort();
    assert_eq!(known, there);
    for rule in rules::ALL {
        let specs = specs(rule);
        let wrong = specs.iter().filter(|path| must_find(path)).count();
        assert!(
            wrong >= 1 && specs.len() - wrong >= 2,
            "{}: {specs:?}",
            rule.name
        );
        for name in ["wrong.toml", "right.toml"] {
            assert!(
                specs.iter().any(|path| path.file_name().unwrap() == name),
                "{}: {name}",
                rule.name
            );
        }
    }
}

/// `docs/lint.md`.
fn document() -> String {
    let example = |rule: &Rule, name: &str| {
        let text = std::fs::read_to_string(folder(rule).join(name)).unwrap();
        // The line that is for the test, and the one that every spec has.
        let text: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with("# ") && *line != "version = 1")
            .collect();
        text.join("\n").trim().to_owned()
    };
    let mut text = std::fs::read_to_string(repository().join("fixtures/lint.md")).unwrap();
    text += "\n| rule | | dialects |\n|---|---|---|\n";
    for rule in rules::ALL {
        let _ = writeln!(
            text,
            "| [`{0}`](#{0}) | {1} | {2} |",
            rule.name,
            rule.severity.word(),
            rule.dialects.join(", ")
        );
    }
    for rule in rules::ALL {
        let needs = if rule.needs_database {
            " Needs a database."
        } else {
            ""
        };
        let _ = write!(
            text,
            "\n## {}\n\n**{}** ({}; {}.{needs})\n\n{}\n\n{}\n\nWrong:\n\n```toml\n{}\n```\n\n```text\n{}```\n\nRight:\n\n```toml\n{}\n```\n",
            rule.name,
            rule.title,
            rule.severity.word(),
            rule.dialects.join(", "),
            rule.why,
            rule.how,
            example(rule, "wrong.toml"),
            std::fs::read_to_string(folder(rule).join("wrong.txt")).unwrap(),
            example(rule, "right.toml"),
        );
    }
    text
}

/// Triggers that somebody broke.
fn broken() -> Vec<PathBuf> {
    let all = tomls(&repository().join("fixtures/broken"));
    assert!(all.len() >= 20, "only {} ways", all.len());
    all
}

/// `# dialect: command word …`: the command must fail, with these words, and `apply` has not run. What the linter warns of
/// is an error with `--deny warnings`.
fn is_caught(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let (dialect, rest) = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("# ")?.split_once(": "))
        .expect("a header");
    let (command, words) = rest.split_once(' ').expect("a command and words");
    let mut live = open(dialect);
    let sandbox = load(path, &mut *live);
    let before = live.everything();
    let arguments = match command {
        "lint" => vec!["lint", "--deny", "warnings"],
        other => vec![other],
    };
    let run = sandbox.on(&*live, &arguments).code(1);
    run.says(&[words]);
    common::assert_same("the database", &before, &live.everything());
}

/// Each of a table's triggers is looked at with each: nothing may be worked out anew for two of them, or written down for
/// two of them where it is said of one. At this size either would take hours or all memory.
fn many_triggers_of_one_table() {
    const COUNT: usize = 1_500;
    let spec = |dialect: &str, body: &str, more: &dyn Fn(usize) -> String| {
        let mut spec = "version = 1\n".to_owned();
        for number in 0..COUNT {
            let more = more(number);
            writeln!(
                spec,
                "[[trigger]]\nname = \"t{number}\"\ntable = \"items\"\ntiming = \"before\"\nevents = [\"update\"]\n\
                 dialects = [\"{dialect}\"]\nbody = \"{body}\"\n{more}"
            )
            .unwrap();
        }
        Sandbox::with_spec(&spec)
    };
    let order = |run: common::Run| found(&run.json(), "firing_order");
    let lint = ["lint", "--format", "json"];
    // Said: each comes behind the one before.
    let chain = |number: usize| match number.checked_sub(1) {
        Some(before) => format!("[trigger.mysql]\norder = {{ follows = \"t{before}\" }}\n"),
        None => String::new(),
    };
    let sandbox = spec("mysql", "SET NEW.n = NEW.n + 1;", &chain);
    assert_eq!(order(sandbox.run(&lint).ok()), 0);
    // Not said, and said where it does not matter.
    let sandbox = spec("postgres", "NEW.n := NEW.n + 1;", &|_| String::new());
    assert_eq!(order(sandbox.run(&lint).ok()), COUNT - 1);
    // Of each, that it does not see what another one sets.
    let of = |number: usize| match number {
        0 => String::new(),
        _ => "update_of = [\"m\", \"n\"]\n".to_owned(),
    };
    let sandbox = spec("postgres", "NEW.n := NEW.n + 1;", &of);
    let report = sandbox.run(&lint).ok().json();
    assert_eq!(found(&report, "update_of_changed_by_before"), COUNT - 1);
}
