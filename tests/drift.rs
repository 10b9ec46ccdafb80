//! Never report a change that is not one, never miss one that is: what was changed by hand, and what was written
//! differently in the spec, on real databases with the real binary.
//!
//! `fixtures/drift/<dialect>/` has `before.sql` and `triggers.toml`, which every test applies first; `drifts.sql`, ways
//! to change the database by hand; and `edits.toml`, ways to change the spec; both by topic. In `drifts.sql` a line
//! `--# name` begins a case; its SQL runs as one script; `--> …` lines are what the plan must say: a change, and indented below it each
//! field that differs, as recorded and as it is now (for edits: as it is, and as the spec has it); and `--< …` lines
//! are SQL that takes away what the drift left beside ours, before the catalog is compared. Where nothing but records
//! is to change there is no `-->` line, or one that begins with `adopt` or `forget`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use common::{Live, Run, Sandbox, assert_same, postgres::Postgres, repository, sqlite::Sqlite};
use libtest_mimic::{Arguments, Trial};
use serde::Deserialize;
use serde_json::Value;

fn main() {
    let mut trials = vec![];
    for (dialect, at_least) in [("postgres", (130, 80)), ("sqlite", (70, 60))] {
        let (drifts, edits) = (drifts(dialect), edits(dialect));
        let count: usize = drifts.iter().map(|topic| topic.drifts.len()).sum();
        assert!(count >= at_least.0, "{dialect}: {count} drifts");
        let count: usize = edits.iter().map(|topic| topic.edit.len()).sum();
        assert!(count >= at_least.1, "{dialect}: {count} edits");
        for topic in drifts {
            trials.push(Trial::test(
                format!("drift::{dialect}::{}", topic.name),
                move || {
                    let check = |case: &Drift, sandbox: &Sandbox, live: &mut dyn Live| {
                        check_drift(case, sandbox, live);
                    };
                    each(dialect, &topic.drifts, |case| &case.name, check)
                },
            ));
        }
        for topic in edits {
            trials.push(Trial::test(
                format!("edit::{dialect}::{}", topic.name),
                move || {
                    let check = |case: &Edit, sandbox: &Sandbox, live: &mut dyn Live| {
                        check_edit(case, sandbox, live);
                    };
                    each(dialect, &topic.edit, |case| &case.name, check)
                },
            ));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// Check cases one after the other in one database, which each leaves as it found it: a database a case would take
/// longer than all else. After a failure the next case gets another database.
fn each<T>(
    dialect: &str,
    cases: &[T],
    name: impl Fn(&T) -> &str,
    check: impl Fn(&T, &Sandbox, &mut dyn Live),
) -> Result<(), libtest_mimic::Failed> {
    let mut failed = vec![];
    let mut fresh = None;
    for case in cases {
        let (sandbox, live) = fresh.get_or_insert_with(|| fixture_applied(dialect));
        let result = catch_unwind(AssertUnwindSafe(|| check(case, sandbox, &mut **live)));
        if result.is_err() {
            // What went wrong was printed by the panic.
            failed.push(name(case));
            fresh = None;
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("failed: {}", failed.join(", ")).into())
}

fn fixture(dialect: &str, name: &str) -> String {
    let path = repository().join("fixtures/drift").join(dialect).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A database with everything of the spec applied.
fn fixture_applied(dialect: &str) -> (Sandbox, Box<dyn Live>) {
    let mut live: Box<dyn Live> = match dialect {
        "postgres" => Box::new(Postgres::new()),
        _ => Box::new(Sqlite::new()),
    };
    live.batch(&fixture(dialect, "before.sql"));
    let sandbox = Sandbox::with_spec(&fixture(dialect, "triggers.toml"));
    sandbox.on(&*live, &["apply", "--yes"]).ok();
    (sandbox, live)
}

// --- drifts -----------------------------------------------------------------------------------------------------------

struct Topic {
    name: String,
    drifts: Vec<Drift>,
}

#[derive(Default)]
struct Drift {
    name: String,
    sql: String,
    /// What the plan says, in the words of `told`.
    plan: String,
    /// SQL that takes away what the drift left beside ours.
    left: String,
}

fn drifts(dialect: &str) -> Vec<Topic> {
    let mut topics: Vec<Topic> = vec![];
    for line in fixture(dialect, "drifts.sql").lines() {
        if let Some(name) = line.strip_prefix("--## ") {
            topics.push(Topic {
                name: name.to_owned(),
                drifts: vec![],
            });
            continue;
        }
        let Some(topic) = topics.last_mut() else {
            continue;
        };
        if let Some(name) = line.strip_prefix("--# ") {
            topic.drifts.push(Drift {
                name: name.to_owned(),
                ..Drift::default()
            });
            continue;
        }
        let Some(drift) = topic.drifts.last_mut() else {
            continue;
        };
        let (text, line) = if let Some(line) = line.strip_prefix("--> ") {
            (&mut drift.plan, line)
        } else if let Some(line) = line.strip_prefix("--< ") {
            (&mut drift.left, line)
        } else {
            (&mut drift.sql, line)
        };
        let _ = writeln!(text, "{line}");
    }
    topics
}

fn check_drift(case: &Drift, sandbox: &Sandbox, live: &mut dyn Live) {
    let before = live.snapshot();
    // By another connection than the binary's; SQLite's own shell is often of another version, too.
    match live.dialect() {
        "sqlite" => drop(common::script(live, &case.sql).ok()),
        _ => live.batch(&case.sql),
    }
    let drifted = live.snapshot();
    let expected = settle(&case.plan, |change| &change["drift"], sandbox, live);
    live.batch(&case.left);
    let after = live.snapshot();
    if expected == Settled::Differed {
        assert_same("the catalog, once restored", &before, &after);
    } else {
        assert_same(
            "the catalog, in which nothing was to be done",
            &drifted,
            &after,
        );
    }
}

// --- edits ------------------------------------------------------------------------------------------------------------

#[derive(Deserialize)]
struct Edits {
    topic: Vec<EditTopic>,
}

#[derive(Deserialize)]
struct EditTopic {
    name: String,
    edit: Vec<Edit>,
}

/// One way to write the spec differently.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    name: String,
    /// Texts in the spec, each with what it becomes.
    #[serde(default)]
    change: Vec<(String, String)>,
    /// Goes at the end of the spec.
    #[serde(default)]
    add: String,
    /// Write the file with CRLF.
    #[serde(default)]
    crlf: bool,
    /// The `[[…]]` tables in the opposite order.
    #[serde(default)]
    backwards: bool,
    /// Another file beside the spec.
    #[serde(default)]
    file: Option<(String, String)>,
    /// What the plan says, in the words of `told`; nothing, or nothing but `adopt` and `forget`, when it is the same.
    #[serde(default)]
    plan: String,
}

fn edits(dialect: &str) -> Vec<EditTopic> {
    let edits: Edits = toml::from_str(&fixture(dialect, "edits.toml")).unwrap();
    edits.topic
}

fn check_edit(case: &Edit, sandbox: &Sandbox, live: &mut dyn Live) {
    let before = live.snapshot();
    let original = sandbox.read("triggers.toml");
    let mut spec = original.clone();
    for (from, to) in &case.change {
        assert!(spec.contains(from), "`{from}` is not in the spec");
        spec = spec.replace(from, to);
    }
    spec += &case.add;
    if case.backwards {
        spec = common::case::backwards(&spec);
    }
    if case.crlf {
        spec = spec.replace('\n', "\r\n");
    }
    if let Some((name, text)) = &case.file {
        sandbox.write(name, text);
    }
    assert!(spec != original, "the edit changes nothing in the file");
    sandbox.write("triggers.toml", &spec);

    let settled = settle(&case.plan, |change| &change["fields"], sandbox, live);
    let after = live.snapshot();
    assert_eq!(
        settled == Settled::Differed,
        before != after,
        "a change that changed nothing, or the other way round"
    );
    // What the edit made is undone by undoing the edit.
    sandbox.write("triggers.toml", &original);
    sandbox.on(live, common::MEANT).ok();
    assert_same(
        "the catalog, once the edit is undone",
        &before,
        &live.snapshot(),
    );
}

// --- what both do -----------------------------------------------------------------------------------------------------

#[derive(PartialEq, Eq)]
enum Settled {
    Differed,
    Same,
}

/// plan must say what is expected, and `check` with it; apply ends it; then plan is empty.
fn settle(
    expected: &str,
    fields: impl for<'a> Fn(&'a Value) -> &'a Value,
    sandbox: &Sandbox,
    live: &mut dyn Live,
) -> Settled {
    let differs = expected.lines().any(|line| {
        !line.starts_with(' ') && !line.starts_with("adopt ") && !line.starts_with("forget ")
    });
    let code = if differs { 2 } else { 0 };
    let untouched = live.everything();
    let run = sandbox.on(live, &["plan", "--detailed-exitcode", "--format", "json"]);
    let plan = run.json();
    assert!(plan["changes"].is_array(), "{run}");
    let told = told(&plan, fields);
    assert_same("the plan", expected, &told);
    let run = run.code(code);
    consistent(&plan, &run);
    sandbox.on(live, &["check"]).code(code);
    assert_same(
        "the database after plan and check",
        &untouched,
        &live.everything(),
    );

    sandbox.on(live, common::MEANT).ok();
    let run = sandbox.on(live, &["plan", "--detailed-exitcode", "--format", "json"]);
    assert_eq!(run.json()["changes"], serde_json::json!([]), "{run}");
    if differs {
        Settled::Differed
    } else {
        Settled::Same
    }
}

/// The changes of a plan, each with the fields that differ.
fn told<'a>(plan: &'a Value, fields: impl Fn(&'a Value) -> &'a Value) -> String {
    let mut text = String::new();
    for change in plan["changes"].as_array().expect("changes") {
        let object = &change["object"];
        let word = |value: &Value| value.as_str().expect("a text").to_owned();
        let (kind, schema, name) = (
            word(&object["kind"]),
            word(&object["schema"]),
            word(&object["name"]),
        );
        let _ = match object["table"].as_str() {
            Some(table) => writeln!(
                text,
                "{} {kind} {name} on {schema}.{table}",
                word(&change["action"])
            ),
            None => writeln!(text, "{} {kind} {schema}.{name}", word(&change["action"])),
        };
        for field in fields(change).as_array().into_iter().flatten() {
            let side = |value: &Value| match value {
                Value::Null => "(none)".to_owned(),
                value => value
                    .as_str()
                    .expect("a text")
                    .escape_debug()
                    .to_string()
                    .replace("\\'", "'")
                    .replace("\\\"", "\""),
            };
            let _ = writeln!(
                text,
                "  {}: {} => {}",
                word(&field["field"]),
                side(&field["before"]),
                side(&field["after"])
            );
            if let Some(note) = field["note"].as_str() {
                let _ = writeln!(text, "    {note}");
            }
        }
    }
    text
}

/// What a plan says must fit together: statements where something is done, and restoring undoes exactly the drift.
fn consistent(plan: &Value, run: &Run) {
    for change in plan["changes"].as_array().expect("changes") {
        let action = change["action"].as_str().expect("an action");
        let is_empty = |key: &str| change[key].as_array().is_none_or(Vec::is_empty);
        let records_only = matches!(action, "adopt" | "forget");
        assert_eq!(
            is_empty("statements"),
            records_only,
            "statements of {action}\n{run}"
        );
        assert_eq!(
            is_empty("reverse"),
            records_only,
            "reverse of {action}\n{run}"
        );
        let reversed: Vec<Value> = change["drift"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|field| {
                let mut field = field.clone();
                let before = field["before"].take();
                field["before"] = field["after"].take();
                field["after"] = before;
                field
            })
            .collect();
        if action == "restore" && !reversed.is_empty() {
            assert_eq!(
                change["fields"],
                Value::Array(reversed),
                "restoring is not the reverse of the drift\n{run}"
            );
        }
    }
}
