//! `triggerctl test --kind`: the tests of the built-in kinds, and of a user's own, on every engine.

use libtest_mimic::Trial;

use crate::case::{Engine, folders};
use crate::common::{Live, Sandbox, assert_same};

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("commanded::a_failure_is_shown_in_the_kind", || {
            a_failure_is_shown_in_the_kind();
            Ok(())
        }),
        Trial::test("commanded::what_is_wrong_with_tests_is_shown", || {
            what_is_wrong_with_tests_is_shown();
            Ok(())
        }),
        Trial::test("commanded::several_at_once", || {
            several_at_once();
            Ok(())
        }),
    ];
    for engine in Engine::all() {
        let of_a_user = Trial::test(
            format!("commanded::{}::of_a_user", engine.name()),
            move || {
                of_a_user(&mut *engine.live());
                Ok(())
            },
        );
        trials.push(of_a_user.with_ignored_flag(engine.is_missing()));
        let of_numbers = Trial::test(
            format!("commanded::{}::a_number_holds_no_time", engine.name()),
            move || {
                a_number_holds_no_time(&mut *engine.live());
                Ok(())
            },
        );
        trials.push(of_numbers.with_ignored_flag(engine.is_missing()));
        for folder in folders() {
            let kind = folder.file_name().unwrap().to_string_lossy().into_owned();
            let name = format!("{kind}::{}::its_tests", engine.name());
            let trial = Trial::test(name, move || {
                built_in(&kind, &mut *engine.live());
                Ok(())
            });
            trials.push(trial.with_ignored_flag(engine.is_missing()));
        }
    }
    trials
}

/// Where the engine would refuse the time, and every write with it, the plan does.
fn a_number_holds_no_time(live: &mut dyn Live) {
    live.batch("CREATE TABLE dated (id integer PRIMARY KEY, made integer, changed integer);");
    for (kind, column) in [("created_at", "made"), ("updated_at", "changed")] {
        let with = |value: &str| {
            format!(
                "version = 1\n[[trigger]]\nuse = \"{kind}\"\ntable = \"dated\"\nwith = {{ column = \"{column}\"{value} }}\n"
            )
        };
        let sandbox = Sandbox::with_spec(&with(""));
        let run = sandbox.on(live, &["plan"]);
        if live.dialect() == "sqlite" {
            run.ok();
        } else {
            run.code(1).says(&[column, "int", "holds no time"]);
        }
        let sandbox = Sandbox::with_spec(&with(", value = \"1\""));
        sandbox.on(live, &["plan"]).ok();
    }
}

fn built_in(kind: &str, live: &mut dyn Live) {
    let sandbox = Sandbox::new();
    live.batch("CREATE TABLE theirs (id integer PRIMARY KEY);");
    let before = live.everything();
    let json = sandbox
        .run(&["kinds", kind, "--format", "json"])
        .ok()
        .json();
    let dialects = json["dialects"].as_array().unwrap();
    let run = sandbox.on(live, &["test", "--kind", kind]);
    if dialects.iter().any(|dialect| dialect == live.dialect()) {
        run.ok().says(&["All ", " tests passed"]);
    } else {
        run.code(1).says(&["is not for", "there is no test to run"]);
    }
    assert_same("the database", &before, &live.everything());
}

const STAMP: &str = r#"description = "Writes who changed a row into one of its columns."

[parameters.who]
type = "sql"
doc  = "Who it is."

[[trigger]]
timing = "before"
events = ["insert", "update"]
[trigger.sqlite]
timing = "after"
when   = "NEW.changed_by IS NULL"
body   = "UPDATE {{ table | ident }} SET changed_by = {{ who | expression }} WHERE id = NEW.id;"
[trigger.postgres]
body   = "NEW.changed_by := {{ who | expression }};"
[trigger.mysql]
body = "SET NEW.changed_by = {{ who | expression }};"

[example]
with = { who = "'me'" }
[[example.table]]
name        = "orders"
columns     = { id = "integer", changed_by = "text" }
primary_key = ["id"]

[fixture]
schema  = "CREATE TABLE orders (id integer PRIMARY KEY, changed_by varchar(100));"
given   = "INSERT INTO orders (id) VALUES (1);"
trigger = [{ table = "orders", with = { who = "'me'" } }]

[[test]]
name   = "a new row has the name"
given  = "INSERT INTO orders (id) VALUES (2);"
when   = "INSERT INTO orders (id) VALUES (3);"
expect = { query = "SELECT id, changed_by FROM orders", rows = [[1, "me"], [2, "me"], [3, "me"]] }

[[test]]
name    = "another name"
schema  = "CREATE TABLE orders (id integer PRIMARY KEY, changed_by varchar(100));"
trigger = [{ table = "orders", with = { who = "{{ vars.who | literal }}" } }]
when    = "INSERT INTO orders (id) VALUES (1);"
expect  = { query = "SELECT id, changed_by FROM orders", rows = [[1, "them"]] }

[[test]]
name     = "only there"
dialects = ["postgres"]
when     = "UPDATE orders SET id = 5 WHERE id = 1;"
expect   = { query = "SELECT id FROM orders", rows = [[5]] }
"#;

fn with_kind(text: &str) -> Sandbox {
    let sandbox = Sandbox::with_spec(
        "version = 1\ntemplates = \"templates\"\n[vars]\nwho = \"them\"\n[[trigger]]\nname = \"x\"\ntable = \"nowhere\"\ntiming = \"after\"\nevents = [\"insert\"]\nbody = \"SELECT 1;\"\n",
    );
    sandbox.write("templates/kinds/stamp/kind.toml", text);
    sandbox
}

fn of_a_user(live: &mut dyn Live) {
    live.batch("CREATE TABLE orders (id integer PRIMARY KEY);");
    let before = live.everything();
    let sandbox = with_kind(STAMP);
    let here = if live.dialect() == "postgres" { 3 } else { 2 };
    sandbox.on(live, &["test", "--kind", "stamp"]).ok().says(&[
        "a new row has the name",
        "another name",
        &format!("All {here} tests passed"),
    ]);
    sandbox
        .on(live, &["test", "--kind", "stamp", "--filter", "another"])
        .ok()
        .says(&["1 test passed"]);
    assert_same("the database", &before, &live.everything());
}

fn a_failure_is_shown_in_the_kind() {
    let sandbox = with_kind(&STAMP.replace("[3, \"me\"]", "[3, \"you\"]"));
    sandbox.run(&["test", "--kind", "stamp"]).code(1).says(&[
        "✗ a new row has the name",
        "templates/kinds/stamp/kind.toml:35:",
        "1 of 2 tests failed",
    ]);
    // Rows that all tests have.
    let sandbox = with_kind(&STAMP.replace(
        "given   = \"INSERT INTO orders",
        "given   = \"INSERT INTO ordres",
    ));
    sandbox.run(&["test", "--kind", "stamp"]).code(1).says(&[
        "no such table: ordres",
        "templates/kinds/stamp/kind.toml:28:",
    ]);
}

fn what_is_wrong_with_tests_is_shown() {
    let sandbox = with_kind(&STAMP.replace(
        "name    = \"another name\"",
        "name    = \"another name\"\nexpct = 1",
    ));
    sandbox.run(&["test", "--kind", "stamp"]).code(1).says(&[
        "a `[[test]]` of a kind has no `expct`",
        "templates/kinds/stamp/kind.toml:39:1",
    ]);
    let sandbox = with_kind(&STAMP.replace(
        "with = { who = \"{{ vars.who | literal }}\" }",
        "with = { whom = \"'x'\" }",
    ));
    sandbox.run(&["test", "--kind", "stamp"]).code(1).says(&[
        "whom",
        "did you mean `who`?",
        "templates/kinds/stamp/kind.toml:40:",
    ]);
    let sandbox =
        with_kind(&STAMP.replace("when    = \"INSERT INTO orders (id) VALUES (1);\"", ""));
    sandbox
        .run(&["test", "--kind", "stamp"])
        .code(1)
        .says(&["`when`", "templates/kinds/stamp/kind.toml:37:"]);
    let sandbox = with_kind(&STAMP.replace("[fixture]\nschema  = \"CREATE TABLE orders (id integer PRIMARY KEY, changed_by varchar(100));\"\n", "[fixture]\n"));
    sandbox.run(&["test", "--kind", "stamp"]).code(1).says(&[
        "this test has no tables to run on",
        "templates/kinds/stamp/kind.toml:30:",
    ]);
    let without = STAMP.split("[fixture]").next().unwrap();
    with_kind(without)
        .run(&["test", "--kind", "stamp"])
        .code(1)
        .says(&["there is no test to run on sqlite"]);
    with_kind(STAMP)
        .run(&["test", "--kind", "stmp"])
        .code(64)
        .says(&["there is no kind `stmp`", "did you mean `stamp`?"]);
}

fn several_at_once() {
    let sandbox = with_kind(STAMP);
    let report = sandbox
        .run(&[
            "test", "--kind", "stamp", "--kind", "created*", "--format", "json",
        ])
        .ok()
        .json();
    let names: Vec<&str> = report["tests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|test| test["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"stamp: another name"), "{names:?}");
    assert!(
        names.iter().any(|name| name.starts_with("created_at: ")),
        "{names:?}"
    );
    // Without a spec too.
    Sandbox::new().run(&["test", "--kind", "created_at"]).ok();
}
