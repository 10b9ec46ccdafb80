//! `triggerctl test` on real engines: every kind of expectation, every way to fail, every format; and nothing stays.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fmt::Write as _;
use std::process::Stdio;

use common::{
    Live, Sandbox, assert_same, eventually,
    mysql::{Engine, Mysql},
    postgres::Postgres,
    signal,
    sqlite::Sqlite,
    wait,
};
use serde_json::Value;

/// Make a test of a function for each engine, MySQL too.
macro_rules! for_each_engine {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn sqlite() {
                super::$name(&mut super::Sqlite::new(), &[]);
            }
            #[test]
            fn postgres() {
                super::$name(&mut super::Postgres::new(), &[]);
            }
            #[test]
            fn postgres_scratch() {
                super::$name(&mut super::Postgres::new(), &["--scratch"]);
            }
            #[test]
            fn mariadb() {
                super::$name(&mut super::Mysql::new(), &[]);
            }
            #[test]
            fn mysql_9() {
                if !super::Engine::Mysql9.is_missing() {
                    super::$name(&mut super::Mysql::of(super::Engine::Mysql9), &[]);
                }
            }
        }
    )+};
}

for_each_engine!(
    tests_that_pass,
    every_way_to_fail,
    what_fires_is_counted,
    only_desired_triggers_are_there,
    the_order_of_tests_means_nothing,
    a_body_that_is_wrong_is_said_first,
    what_ends_the_transaction_is_refused,
);

const TABLES: &str = "
CREATE TABLE users (id integer PRIMARY KEY, name varchar(40), age integer, touched integer DEFAULT 0);
CREATE TABLE audit (op varchar(10), user_id integer);
INSERT INTO users (id, name, age) VALUES (1, 'real', 40);
";

const SPEC: &str = r#"version = 1

[[trigger]]
name = "users_touch"
table = "users"
timing = "after"
events = ["insert", "delete"]
body = "INSERT INTO audit (op, user_id) VALUES ({{ operation() }}, {% if event == 'insert' %}NEW{% else %}OLD{% endif %}.id);"
[trigger.postgres]
body = """
IF TG_OP = 'DELETE' THEN
    INSERT INTO audit VALUES (TG_OP, OLD.id);
ELSE
    INSERT INTO audit VALUES (TG_OP, NEW.id);
END IF;
"""

[[trigger]]
name = "users_young"
table = "users"
timing = "before"
events = ["insert"]
when = "NEW.age < 18"
body = "{{ raise_if('NEW.age < 10', 'too young') }};"
"#;

/// The document of a run with this exit code.
#[track_caller]
fn report(sandbox: &Sandbox, live: &dyn Live, code: i32, flags: &[&str]) -> Value {
    let mut arguments = vec!["test", "--format", "json"];
    arguments.extend(flags);
    sandbox.on(live, &arguments).code(code).json()
}

fn with_tests(tests: &str) -> Sandbox {
    Sandbox::with_spec(&format!("{SPEC}{tests}"))
}

/// `name: result` of each test.
fn results(report: &Value) -> Vec<String> {
    report["tests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|test| {
            format!(
                "{}: {}",
                test["name"].as_str().unwrap(),
                test["result"].as_str().unwrap()
            )
        })
        .collect()
}

fn tests_that_pass(live: &mut dyn Live, flags: &[&str]) {
    live.batch(TABLES);
    let values = match live.dialect() {
        "sqlite" => {
            "SELECT 1, 1.5, 'a', NULL, x'00ff', '{\"a\": [1, null]}', '1.10', '2026-01-31', '2026-01-31 10:00:00', 1, 7"
        }
        "postgres" => {
            "SELECT 1, 1.5::float8, 'a', NULL, '\\x00ff'::bytea, '{\"a\": [1, null]}'::jsonb, 1.10::numeric(9,2), \
                       '2026-01-31'::date, '2026-01-31 10:00:00'::timestamp, true, 7"
        }
        _ => {
            "SELECT 1, 1.5e0, 'a', NULL, CAST(x'00ff' AS BINARY(2)), '{\"a\": [1, null]}', CAST(1.1 AS DECIMAL(9, 2)), \
              DATE '2026-01-31', TIMESTAMP '2026-01-31 10:00:00', true, 7"
        }
    };
    let sandbox = with_tests(&format!(
        r#"
[[test]]
name = "a row that comes is written down"
when = "INSERT INTO users (id, name, age) VALUES (2, 'a', 20);"
expect = [
    {{ query = "SELECT op, user_id FROM audit", rows = [["INSERT", 2]] }},
    {{ query = "SELECT name FROM users WHERE id > 1 ORDER BY id", rows = [["a"]], ordered = true }},
]
expect_changes = [
    {{ table = "audit", added = [{{ op = "INSERT", user_id = 2 }}] }},
    {{ table = "users", added = [{{ name = "a" }}] }},
]

[[test]]
name = "rows that change and go"
given = """
INSERT INTO users (id, name, age) VALUES (2, 'a', 20);
INSERT INTO users (id, name, age) VALUES (3, 'b', 20);
"""
when = "UPDATE users SET name = 'c' WHERE id = 2; DELETE FROM users WHERE id = 3;"
expect_changes = [
    {{ table = "users", changed = [{{ from = {{ id = 2, name = "a" }}, to = {{ name = "c" }} }}], removed = [{{ id = 3 }}] }},
    {{ table = "audit", added = [{{ op = "DELETE", user_id = 3 }}] }},
]

[[test]]
name = "children are refused"
when = "INSERT INTO users (id, name, age) VALUES (2, 'a', 3);"
expect_error = "too young"
expect = {{ query = "SELECT count(*) FROM users WHERE id = 2", rows = [[0]] }}

[[test]]
name = "what TOML has no word for"
when = "SELECT 1"
[[test.expect]]
query = '''{values}'''
rows = [[1, 1.5, "a", {{ null = true }}, {{ blob = "00ff" }}, {{ json = {{ a = [1, {{ null = true }}] }} }}, {{ decimal = "1.1" }},
    2026-01-31, 2026-01-31T10:00:00, true, {{ any = true }}]]

[[test]]
name = "only for some"
dialects = ["sqlite", "postgres", "mysql"]
when = "SELECT nothing"
expect = {{ query = "SELECT 1", rows = [[2]] }}
[test.{dialect}]
when = "INSERT INTO audit (op, user_id) VALUES ({{{{ dialect | literal }}}}, 1)"
expect = {{ query = "SELECT op FROM audit", rows = [["{dialect}"]] }}
"#,
        dialect = live.dialect()
    ));
    let before = live.everything();
    let found = report(&sandbox, live, 0, flags);
    assert_eq!(found["result"], "passed", "{found:#}");
    assert_eq!(found["summary"]["passed"], 5, "{found:#}");
    assert_eq!(found["tests"][0]["line"], 27, "{found:#}");
    assert_same("nothing was changed", &before, &live.everything());
    let text = sandbox.on(live, &[&["test"], flags].concat()).ok();
    assert!(text.stdout.contains("✓ children are refused ("), "{text}");
    assert!(text.stdout.contains("All 5 tests passed in "), "{text}");
    let locks = live.dialect() == "postgres" && flags.is_empty();
    assert_eq!(
        text.stderr.contains("is locked for others"),
        locks,
        "{text}"
    );
}

/// What fails, and words of what is said about it.
const FAILURES: &[(&str, &str, &[&str])] = &[
    (
        "another value",
        "when = \"INSERT INTO users (id, age) VALUES (2, 20)\"\n\
         expect = { query = \"SELECT op, user_id FROM audit\", rows = [[\"INSERT\", 3]] }",
        &[
            "the query gives other rows",
            "expected 'INSERT' 3",
            "got 'INSERT' 2",
        ],
    ),
    (
        "a row too many",
        "when = \"INSERT INTO users (id, age) VALUES (2, 20)\"\nexpect = { query = \"SELECT op FROM audit\", rows = [] }",
        &["extra 'INSERT'"],
    ),
    (
        "a row that is missing",
        "when = \"SELECT 1\"\nexpect = { query = \"SELECT op FROM audit\", rows = [[\"X\"]] }",
        &["missing 'X'"],
    ),
    (
        "another order",
        "given = \"INSERT INTO audit VALUES ('a', 1), ('b', 2)\"\nwhen = \"SELECT 1\"\n\
         expect = { query = \"SELECT user_id FROM audit ORDER BY user_id\", rows = [[2], [1]], ordered = true }",
        &["expected 2", "got 1"],
    ),
    (
        "too many columns",
        "when = \"SELECT 1\"\nexpect = { query = \"SELECT 1, 2\", rows = [[1]] }",
        &["the query gives 2 columns, and row 1 of `rows` has 1 value"],
    ),
    (
        "no error",
        "when = \"INSERT INTO users (id, age) VALUES (2, 20)\"\nexpect_error = \"too young\"",
        &["`when` was to fail with `too young`, and went well"],
    ),
    (
        "another error",
        "when = \"INSERT INTO users (id, age) VALUES (2, 2)\"\nexpect_error = \"too old\"",
        &["`when` fails otherwise: too young", "expected `too old`"],
    ),
    (
        "an error that nobody expects",
        "when = \"INSERT INTO users (id, age) VALUES (2, 2)\"\nexpect = { query = \"SELECT 1\", rows = [[1]] }",
        &["`when` fails: too young"],
    ),
    (
        "a setup that fails",
        "given = \"INSERT INTO nowhere VALUES (1)\"\nwhen = \"SELECT 1\"\nexpect = { query = \"SELECT 1\", rows = [[1]] }",
        &["`given` fails: ", "nowhere"],
    ),
    (
        "a query that fails",
        "when = \"SELECT 1\"\nexpect = { query = \"SELECT nothing FROM users\", rows = [[1]] }",
        &["`query` fails: ", "nothing"],
    ),
    (
        "a change that did not come",
        "when = \"SELECT 1\"\nexpect_changes = { table = \"audit\", added = [{ op = \"X\" }] }",
        &[
            "the rows that `when` has added in `audit` are others",
            "missing 'X'",
        ],
    ),
    (
        "a change that nobody expects",
        "when = \"INSERT INTO users (id, age) VALUES (2, 20)\"\nexpect_changes = { table = \"audit\" }",
        &[
            "the rows that `when` has added in `audit` are others",
            "extra 'INSERT' 2",
        ],
    ),
    (
        "another change",
        "given = \"INSERT INTO users (id, name, age) VALUES (2, 'a', 20)\"\nwhen = \"UPDATE users SET name = 'b' WHERE id = 2\"\n\
         expect_changes = { table = \"users\", changed = [{ from = { name = \"a\" }, to = { name = \"c\" } }] }",
        &[
            "the rows that `when` has changed in `users` are others",
            "expected 'c'",
            "got 'b'",
        ],
    ),
    (
        "a row that goes",
        "given = \"INSERT INTO users (id, name, age) VALUES (2, 'a', 20)\"\nwhen = \"DELETE FROM users WHERE id = 2\"\n\
         expect_changes = { table = \"users\" }",
        &[
            "the rows that `when` has removed in `users` are others",
            "extra 2 'a'",
        ],
    ),
    (
        "a column that is not there",
        "when = \"SELECT 1\"\nexpect_changes = { table = \"audit\", added = [{ what = 1 }] }",
        &[
            "`audit` has no column `what`",
            "its columns are op, user_id",
        ],
    ),
    (
        "a table that is not there",
        "when = \"SELECT 1\"\nexpect_changes = { table = \"nowhere\", added = [{ what = 1 }] }",
        &["the rows of `nowhere` cannot be read"],
    ),
];

fn every_way_to_fail(live: &mut dyn Live, flags: &[&str]) {
    live.batch(TABLES);
    let mut tests = String::new();
    for (name, test, _) in FAILURES {
        let _ = writeln!(tests, "\n[[test]]\nname = \"{name}\"\n{test}");
    }
    let sandbox = with_tests(&tests);
    let before = live.everything();
    let found = report(&sandbox, live, 1, flags);
    assert_eq!(found["result"], "failed");
    assert_eq!(found["summary"]["failed"], FAILURES.len(), "{found:#}");
    for (test, (name, _, says)) in found["tests"].as_array().unwrap().iter().zip(FAILURES) {
        assert_eq!(test["name"], *name);
        assert_eq!(test["result"], "failed", "{test:#}");
        let said = said(test);
        for words in *says {
            assert!(said.contains(words), "{name}: `{words}` is not in:\n{said}");
        }
        let failure = &test["failures"][0];
        assert_eq!(failure["file"], "triggers.toml", "{test:#}");
        assert!(
            failure["line"].as_u64().unwrap() > test["line"].as_u64().unwrap(),
            "{test:#}"
        );
    }
    assert_same("nothing was changed", &before, &live.everything());
    // A place of each failure stands in the text.
    let text = sandbox.on(live, &[&["test"], flags].concat()).code(1);
    for (name, _, _) in FAILURES {
        assert!(text.stdout.contains(&format!("✗ {name} (")), "{text}");
    }
    assert!(text.stdout.contains("16 of 16 tests failed in "), "{text}");
    for line in text.stdout.lines() {
        assert!(
            line.chars().count() <= 80 || line.contains("tests failed"),
            "{line}"
        );
    }
}

/// All that is said of a test's failures, each row on a line of its own.
fn said(test: &Value) -> String {
    let mut said = String::new();
    for failure in test["failures"].as_array().unwrap() {
        said += failure["message"].as_str().unwrap();
        said.push('\n');
        for note in failure["notes"].as_array().unwrap() {
            said += note.as_str().unwrap();
            said.push('\n');
        }
        for line in failure["rows"]["lines"].as_array().into_iter().flatten() {
            said += line["kind"].as_str().unwrap();
            for value in line["values"].as_array().unwrap() {
                said.push(' ');
                said += value.as_str().unwrap();
            }
            said.push('\n');
        }
    }
    said
}

/// `name: fired of events`, for each trigger.
fn coverage(report: &Value) -> Vec<String> {
    let words = |value: &Value| {
        let words: Vec<_> = value
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap())
            .collect();
        words.join(" ")
    };
    report["coverage"]["triggers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trigger| {
            format!(
                "{}: [{}] of [{}]{}",
                trigger["object"]["name"].as_str().unwrap(),
                words(&trigger["fired"]),
                words(&trigger["events"]),
                trigger["unknown"]
                    .as_str()
                    .map_or(String::new(), |reason| format!(" ({reason})")),
            )
        })
        .collect()
}

fn what_fires_is_counted(live: &mut dyn Live, flags: &[&str]) {
    live.batch(TABLES);
    let sandbox = with_tests(
        r#"
[[test]]
name = "grown-ups"
when = "INSERT INTO users (id, age) VALUES (2, 20)"
expect = { query = "SELECT count(*) FROM audit", rows = [[1]] }
"#,
    );
    let found = report(&sandbox, live, 0, flags);
    let several = live.dialect() != "postgres";
    // What the condition keeps from running has not fired.
    let expected = if several {
        vec![
            "users_touch_delete: [] of [delete]",
            "users_touch_insert: [insert] of [insert]",
            "users_young: [] of [insert]",
        ]
    } else {
        vec![
            "users_touch: [insert] of [insert delete]",
            "users_young: [] of [insert]",
        ]
    };
    assert_eq!(coverage(&found), expected);
    assert_eq!(found["coverage"]["percent"], 33, "{found:#}");
    let mut arguments = vec!["test", "--min-coverage", "34"];
    arguments.extend(flags);
    sandbox.on(live, &arguments).code(1).says(&[
        "Coverage: 1 of 3 events",
        "Never fired:",
        "users_young on",
        "delete",
        "The coverage is 33 %, and 34 % are asked for",
    ]);
    arguments[2] = "33";
    sandbox.on(live, &arguments).ok();

    // An error undoes everything, but not that it was fired; `given` counts too.
    let sandbox = with_tests(
        r#"
[[test]]
name = "all of them"
given = "INSERT INTO users (id, age) VALUES (2, 20); DELETE FROM users WHERE id = 2;"
when = "INSERT INTO users (id, age) VALUES (3, 3)"
expect_error = "too young"
"#,
    );
    let found = report(
        &sandbox,
        live,
        0,
        &[&["--min-coverage", "100"], flags].concat(),
    );
    assert_eq!(found["coverage"]["percent"], 100, "{:#}", found["coverage"]);
}

fn only_desired_triggers_are_there(live: &mut dyn Live, flags: &[&str]) {
    live.batch(TABLES);
    let one = |name: &str, word: &str| {
        format!(
            "\n[[trigger]]\nname = \"{name}\"\ntable = \"users\"\ntiming = \"after\"\nevents = [\"insert\"]\n\
             body = \"INSERT INTO audit (op, user_id) VALUES ('{word}', NEW.id);\"\n"
        )
    };
    let sandbox = Sandbox::with_spec(&format!(
        "version = 1\n{}{}",
        one("gone", "gone"),
        one("other", "old")
    ));
    sandbox.on(live, &["apply", "--yes"]).ok();
    // One that nobody manages stays.
    live.batch(match live.dialect() {
        "postgres" => "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES ('theirs', NEW.id); RETURN NULL; END $$;
                       CREATE TRIGGER theirs AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION theirs()",
        "mysql" => "CREATE TRIGGER theirs AFTER INSERT ON users FOR EACH ROW INSERT INTO audit VALUES ('theirs', NEW.id)",
        _ => "CREATE TRIGGER theirs AFTER INSERT ON users BEGIN INSERT INTO audit VALUES ('theirs', NEW.id); END",
    });
    let test = "\n[[test]]\nname = \"who is there\"\nwhen = \"INSERT INTO users (id) VALUES (2)\"\n\
                expect = { query = \"SELECT op FROM audit\", rows = [[\"theirs\"], [\"new\"], [\"fresh\"]] }\n";
    sandbox.write(
        "triggers.toml",
        format!(
            "version = 1\n{}{}{test}",
            one("other", "new"),
            one("fresh", "fresh")
        ),
    );
    let before = live.everything();
    let found = report(&sandbox, live, 0, flags);
    assert_eq!(results(&found), ["who is there: passed"], "{found:#}");
    // Those of others are none that the spec has to test.
    assert_eq!(
        coverage(&found),
        ["fresh: [insert] of [insert]", "other: [insert] of [insert]"]
    );
    assert_same("nothing was changed", &before, &live.everything());
}

fn the_order_of_tests_means_nothing(live: &mut dyn Live, flags: &[&str]) {
    live.batch(TABLES);
    let mut tests = String::new();
    for number in 0..250 {
        let _ = writeln!(
            tests,
            "\n[[test]]\nname = \"test {number}\"\nwhen = \"INSERT INTO users (id, age) VALUES (2, {number})\""
        );
        tests += if number < 10 {
            "expect_error = \"too young\"\n"
        } else {
            "expect = { query = \"SELECT count(*) FROM audit\", rows = [[1]] }\n"
        };
    }
    let sandbox = with_tests(&tests);
    let found = report(&sandbox, live, 0, &[&["--jobs", "3"], flags].concat());
    let expected: Vec<String> = (0..250)
        .map(|number| format!("test {number}: passed"))
        .collect();
    assert_eq!(results(&found), expected);
    assert_eq!(live.run("SELECT id FROM users"), "1\n");
}

fn a_body_that_is_wrong_is_said_first(live: &mut dyn Live, flags: &[&str]) {
    live.batch(TABLES);
    let test = "\n[[test]]\nname = \"x\"\nwhen = \"SELECT 1\"\nexpect = { query = \"SELECT 1\", rows = [[1]] }\n";
    let sandbox = Sandbox::with_spec(&format!(
        "{}{test}",
        SPEC.replace(
            "{{ raise_if('NEW.age < 10', 'too young') }};",
            "INSERT INTO nowhere VALUES (NEW.id);"
        )
    ));
    let before = live.everything();
    let run = sandbox.on(live, &[&["test"], flags].concat());
    // Where nothing is checked before it runs (PL/pgSQL's tables), the test is what says it.
    if live.dialect() == "postgres" {
        run.ok();
    } else {
        run.code(1).says(&["users_young", "nowhere"]);
    }
    assert_same("nothing was changed", &before, &live.everything());
}

fn what_ends_the_transaction_is_refused(live: &mut dyn Live, flags: &[&str]) {
    live.batch(TABLES);
    let before = live.everything();
    for (sql, word) in [
        ("INSERT INTO audit VALUES ('a', 1); COMMIT", "COMMIT"),
        ("commit and chain", "COMMIT"),
        ("/* x */ END;", "END"),
        ("ROLLBACK; INSERT INTO audit VALUES ('a', 1)", "ROLLBACK"),
        ("BEGIN; INSERT INTO audit VALUES ('a', 1)", "BEGIN"),
        ("START TRANSACTION", "START"),
        ("SELECT 1; -- x\n abort", "ABORT"),
    ] {
        let sandbox = with_tests(&format!(
            "\n[[test]]\nname = \"x\"\nwhen = '''{sql}'''\nexpect = {{ query = \"SELECT 1\", rows = [[1]] }}\n"
        ));
        sandbox
            .on(live, &[&["test"], flags].concat())
            .code(1)
            .says(&[
                &format!("`when` begins or ends a transaction with `{word}`"),
                "triggers.toml:",
            ]);
    }
    // Words in other places are nobody's concern, and savepoints are.
    let sandbox = with_tests(
        "\n[[test]]\nname = \"x\"\nwhen = \"SAVEPOINT a; INSERT INTO audit VALUES ('COMMIT; x', 1); ROLLBACK TO a\"\n\
         expect = { query = \"SELECT count(*) FROM audit\", rows = [[0]] }\n",
    );
    report(&sandbox, live, 0, flags);
    assert_same("nothing was changed", &before, &live.everything());
}

// ---------------------------------------------------------------------------------------------------- PostgreSQL alone

/// The END of a body that BEGIN ATOMIC begins is none of a transaction's; any other is, whatever else is called `atomic`.
#[test]
fn the_end_of_an_atomic_body_is_told_from_that_of_a_transaction() {
    let mut live = Postgres::new();
    live.batch(TABLES);
    let body = "CREATE FUNCTION one() RETURNS integer BEGIN ATOMIC SELECT 1; SELECT 1; END;";
    let test = |given: &str| {
        with_tests(&format!(
            "\n[[test]]\nname = \"x\"\ngiven = \"{given}\"\nwhen = \"SELECT 1\"\nexpect = {{ query = \"SELECT 1\", rows = [[1]] }}\n"
        ))
    };
    report(&test(&format!("{body} SELECT one()")), &live, 0, &[]);
    for given in [
        "SELECT 1 AS atomic; END; DELETE FROM audit".to_owned(),
        format!("{body} END; DELETE FROM audit"),
    ] {
        test(&given)
            .on(&live, &["test"])
            .code(1)
            .says(&["`given` begins or ends a transaction with `END`"]);
    }
}

/// There is no client to send rows, or to take them: the place is named before anything runs.
#[test]
fn a_copy_from_a_client_is_refused() {
    let mut live = Postgres::new();
    live.batch(TABLES);
    for copy in [
        "COPY audit FROM STDIN",
        "SELECT 1; copy (SELECT 1) to stdout",
    ] {
        with_tests(&format!(
            "\n[[test]]\nname = \"x\"\nwhen = \"{copy}\"\nexpect = {{ query = \"SELECT 1\", rows = [[1]] }}\n"
        ))
        .on(&live, &["test"])
        .code(1)
        .says(&["`when` copies rows from or to a client", "triggers.toml:"]);
    }
}

#[test]
fn a_commit_that_gets_through_fails_in_its_trap() {
    let mut live = Postgres::new();
    live.batch(TABLES);
    // The server reads this text otherwise than it looks.
    let sandbox = with_tests(
        r#"
[[test]]
name = "sly"
given = "INSERT INTO audit VALUES ('left', 1); SET standard_conforming_strings = off;"
when = '''SELECT '\'' ; COMMIT; --' '''
expect = { query = "SELECT 1", rows = [[1]] }

[[test]]
name = "after it"
when = "SELECT 1"
expect = { query = "SELECT 1", rows = [[1]] }
"#,
    );
    let before = live.everything();
    sandbox.on(&live, &["test"]).code(1).says(&[
        "the test has ended the transaction",
        "nothing of it was kept",
    ]);
    assert_same("nothing was changed", &before, &live.everything());
}

#[test]
fn kill_leaves_nothing_in_the_database() {
    let mut live = Postgres::new();
    live.batch(TABLES);
    let sandbox = with_tests(
        "\n[[test]]\nname = \"slow\"\ngiven = \"INSERT INTO audit VALUES ('left', 1)\"\nwhen = \"SELECT pg_sleep(50)\"\n\
         expect = { query = \"SELECT 1\", rows = [[1]] }\n",
    );
    let before = live.everything();
    let url = live.url();
    let mut child = sandbox
        .command(&["test", "--url", &url])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut other = live.connect();
    let mut sleeping = || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(50)%' \
                   AND pid <> pg_backend_pid() AND state = 'active'";
        other.query_one(sql, &[]).unwrap().get::<_, i64>(0)
    };
    eventually("the test runs", || sleeping() == 1);
    child.kill().unwrap();
    child.wait().unwrap();
    // The server looks every second whether its client is still there.
    eventually("the server has noticed", || sleeping() == 0);
    assert_same("nothing was changed", &before, &live.everything());
}

fn databases(live: &mut Postgres) -> Vec<String> {
    let rows =
        live.run("SELECT datname FROM pg_database WHERE datname LIKE 'triggerctl\\_scratch\\_%'");
    rows.lines().map(str::to_owned).collect()
}

#[test]
fn interrupted_scratch_runs_clean_up_and_killed_ones_can_be_found() {
    let mut live = Postgres::new();
    live.batch(TABLES);
    // No other test's scratch database: known by a number in the query.
    let number = format!("{}{}", std::process::id(), live.name().len());
    let sandbox = with_tests(&format!(
        "\n[[test]]\nname = \"slow\"\nwhen = \"SELECT pg_sleep(50), {number}\"\nexpect = {{ query = \"SELECT 1\", rows = [[1]] }}\n"
    ));
    let url = live.url();
    let mut other = live.connect();
    let mut sleeping = || -> Option<String> {
        let sql = format!(
            "SELECT datname::text FROM pg_stat_activity WHERE query LIKE '%pg_sleep(50), {number}%' AND pid <> pg_backend_pid() AND state = 'active'"
        );
        other.query_opt(&sql, &[]).unwrap().map(|row| row.get(0))
    };
    let mut start = |how: &str| {
        let child = sandbox
            .command(&["test", "--scratch", "--url", &url])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        eventually("the test runs", || sleeping().is_some());
        let name = sleeping().unwrap();
        assert!(name.starts_with("triggerctl_scratch_"), "{name}");
        signal(&child, how);
        let run = wait(child, "test --scratch");
        (name, run)
    };
    let (name, run) = start("INT");
    let run = run.code(130).says(&["stopped on request"]);
    assert_eq!(run.stdout, "");
    assert!(
        !databases(&mut live).contains(&name),
        "{name} is still there"
    );

    let (name, run) = start("KILL");
    assert_eq!(run.code, None);
    assert!(databases(&mut live).contains(&name));
    // As if it had been killed long ago.
    let random = name.rsplit('_').next().unwrap();
    let old = format!("triggerctl_scratch_1000_{random}");
    eventually("the server has noticed", || {
        live.run(&format!("ALTER DATABASE {name} RENAME TO {old}"))
            .is_empty()
    });
    let quick = with_tests(
        "\n[[test]]\nname = \"quick\"\nwhen = \"SELECT 1\"\nexpect = { query = \"SELECT 1\", rows = [[1]] }\n",
    );
    let run = quick.on(&live, &["test", "--scratch"]).ok();
    assert!(run.stderr.contains("triggerctl test --clean"), "{run}");
    // One that somebody looks at is left alone.
    let looking = common::postgres::connect(&common::postgres::with_database(&live.url(), &old));
    let run = quick.on(&live, &["test", "--clean"]).ok();
    assert!(!run.stdout.contains(&old), "{run}");
    drop(looking);
    eventually("it is cleaned", || {
        let run = quick.on(&live, &["test", "--clean"]).ok();
        run.stdout.contains(&format!("Dropped: {old}"))
    });
    assert!(!databases(&mut live).contains(&old));
    // By its whole name only.
    let json = quick
        .on(&live, &["test", "--clean", "--format", "json"])
        .ok()
        .json();
    assert!(
        json["dropped"]
            .as_array()
            .unwrap()
            .iter()
            .all(|other| *other != old.as_str()),
        "{json}"
    );
    assert!(databases(&mut live).iter().all(|other| other != &old));
    assert_eq!(live.run("SELECT 1"), "1\n");
}

#[test]
fn protected_databases_are_not_locked() {
    let mut live = Postgres::new();
    live.batch(TABLES);
    let test = "\n[[test]]\nname = \"x\"\nwhen = \"SELECT 1\"\nexpect = { query = \"SELECT 1\", rows = [[1]] }\n";
    let sandbox = Sandbox::with_spec(&format!(
        "{}{test}",
        SPEC.replace(
            "version = 1",
            &format!(
                "version = 1\n[database]\nurl = \"{0}\"\n[environments.production]\nprotected = true\n[environments.open]\nprotected = false",
                live.url()
            )
        )
    ));
    sandbox
        .run(&["test", "--env", "production"])
        .code(3)
        .says(&[
            "the environment `production` is protected",
            "--scratch",
            "triggers.toml:5",
        ]);
    // By its URL it is known as well.
    sandbox
        .run(&["test"])
        .code(3)
        .says(&["this is the database of the environment `production`, which is protected"]);
    sandbox.run(&["test", "--url", &live.url()]).code(3);
    sandbox
        .run(&["test", "--env", "production", "--scratch"])
        .ok();
    let sandbox = Sandbox::with_spec(&format!("{SPEC}{test}"));
    sandbox.on(&live, &["test"]).ok();
}

#[test]
fn scratch_databases_are_made_from_a_script_too() {
    let live = Postgres::new();
    let test = "\n[[test]]\nname = \"x\"\nwhen = \"INSERT INTO users (id, age) VALUES (1, 20)\"\n\
                expect = { query = \"SELECT op FROM audit\", rows = [[\"INSERT\"]] }\n";
    let sandbox = with_tests(test);
    sandbox.write(
        "schema.sql",
        TABLES.replace(
            "INSERT INTO users (id, name, age) VALUES (1, 'real', 40);",
            "",
        ),
    );
    // The live database has no tables at all.
    sandbox
        .on(&live, &["test"])
        .code(1)
        .says(&["there is no table or view `users`"]);
    sandbox
        .on(&live, &["test", "--schema-file", "schema.sql"])
        .ok();
    sandbox
        .on(&live, &["test", "--schema-file", "missing.sql"])
        .code(1)
        .says(&["missing.sql"]);
    sandbox.write(
        "broken.sql",
        "CREATE TABLE a (x integer);\nCREATE TABEL b (x integer);\n",
    );
    sandbox
        .on(&live, &["test", "--schema-file", "broken.sql"])
        .code(1)
        .says(&["`broken.sql` fails", "broken.sql:2", "TABEL"]);
    let sandbox = Sandbox::with_spec(&format!(
        "{}{test}",
        SPEC.replace(
            "version = 1",
            "version = 1\n[database]\ntest_schema = \"db/schema.sql\""
        )
    ));
    sandbox.write(
        "db/schema.sql",
        TABLES.replace(
            "INSERT INTO users (id, name, age) VALUES (1, 'real', 40);",
            "",
        ),
    );
    sandbox.on(&live, &["test", "--scratch"]).ok();
}

#[test]
fn what_waits_for_the_commit_is_run() {
    let mut live = Postgres::new();
    live.batch("CREATE TABLE orders (id integer PRIMARY KEY, total integer)");
    let sandbox = Sandbox::with_spec(
        r#"version = 1
[[trigger]]
name = "orders_total"
table = "orders"
timing = "after"
events = ["insert", "update"]
body = "{{ raise_if('(SELECT total FROM orders WHERE id = NEW.id) < 0', 'negative total') }};"
[trigger.postgres]
constraint = { deferrable = true, initially = "deferred" }

[[test]]
name = "it is caught at the end"
when = "INSERT INTO orders VALUES (1, -5)"
expect_error = { message = "negative total", sqlstate = "P0001" }

[[test]]
name = "what is mended in time is fine"
when = "INSERT INTO orders VALUES (1, -5); UPDATE orders SET total = 5;"
expect = { query = "SELECT total FROM orders", rows = [[5]] }

[[test]]
name = "another state"
when = "INSERT INTO orders VALUES (1, -5)"
expect_error = { sqlstate = "23505" }
"#,
    );
    let found = report(&sandbox, &live, 1, &[]);
    assert_eq!(
        results(&found),
        [
            "it is caught at the end: passed",
            "what is mended in time is fine: passed",
            "another state: failed"
        ]
    );
    assert!(
        said(&found["tests"][2])
            .contains("negative total (SQLSTATE P0001)\nexpected SQLSTATE 23505")
    );
    assert_eq!(
        coverage(&found),
        ["orders_total: [insert update] of [insert update]"]
    );
}

#[test]
fn shared_functions_partitions_and_what_cannot_be_told() {
    let mut live = Postgres::new();
    live.batch(
        "CREATE TABLE parts (id integer, n integer) PARTITION BY LIST (id);
         CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
         CREATE TABLE plain (id integer);
         CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    );
    let sandbox = Sandbox::with_spec(
        r#"version = 1
[[function]]
name = "shared"
body = "BEGIN IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END; -- done"

[[trigger]]
name = "same"
tables = ["parts", "plain"]
timing = "before"
events = ["insert", "delete"]
[trigger.postgres]
function = "shared"

[[trigger]]
name = "elsewhere"
table = "plain"
timing = "before"
events = ["insert"]
[trigger.postgres]
function = "theirs"

[[trigger]]
name = "off"
table = "plain"
timing = "before"
events = ["insert"]
body = "NULL;"
[trigger.postgres]
enabled = "disabled"

[[trigger]]
name = "option"
table = "plain"
timing = "before"
events = ["update"]
[trigger.postgres]
function = "odd"

[[function]]
name = "odd"
body = """
#variable_conflict use_column
BEGIN RETURN NEW; END"""

[[test]]
name = "one partition"
given = "INSERT INTO plain VALUES (1)"
when = "INSERT INTO parts VALUES (1, 1)"
expect = { query = "SELECT count(*) FROM parts", rows = [[1]] }
"#,
    );
    let found = report(&sandbox, &live, 0, &[]);
    assert_eq!(
        coverage(&found),
        [
            "same: [insert] of [insert delete]",
            "elsewhere: [] of [insert] (`public.theirs` cannot be made to tell)",
            "off: [] of [insert] (it is disabled)",
            "option: [] of [update] (`public.odd` cannot be made to tell)",
            "same: [insert] of [insert delete]",
        ]
    );
    assert_eq!(found["coverage"]["percent"], 50);
    sandbox
        .on(&live, &["test"])
        .ok()
        .says(&["Not known of:", "elsewhere on public.plain"]);
    // Nothing is held on to, not even a lock.
    assert_eq!(live.run("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"), "0\n");
}

#[test]
fn tests_need_no_more_than_an_owner_has() {
    let mut live = Postgres::new();
    live.batch(TABLES);
    let role = format!("{}_owner", live.name());
    live.batch(&format!(
        "CREATE ROLE {role} LOGIN; ALTER TABLE users OWNER TO {role}; ALTER TABLE audit OWNER TO {role};
         GRANT CREATE, USAGE ON SCHEMA public TO {role}"
    ));
    let url = live.url().replace("postgres@", &format!("{role}@"));
    let sandbox = with_tests(
        "\n[[test]]\nname = \"x\"\nwhen = \"INSERT INTO users (id, age) VALUES (2, 20)\"\n\
         expect = { query = \"SELECT op FROM audit\", rows = [[\"INSERT\"]] }\n",
    );
    let run = sandbox
        .run(&["test", "--url", &url, "--format", "json"])
        .ok()
        .json();
    assert_eq!(run["coverage"]["percent"], 33, "{run:#}");
    sandbox
        .run(&["test", "--url", &url, "--scratch"])
        .code(1)
        .says(&["CREATEDB"]);
    live.batch(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"));
}

#[test]
fn a_table_in_use_is_no_failed_test() {
    let mut live = Postgres::new();
    live.batch(TABLES);
    let mut other = live.connect();
    other
        .batch_execute("BEGIN; LOCK TABLE users IN SHARE MODE")
        .unwrap();
    let sandbox = with_tests(
        "\n[[test]]\nname = \"x\"\nwhen = \"SELECT 1\"\nexpect = { query = \"SELECT 1\", rows = [[1]] }\n",
    );
    sandbox
        .on(&live, &["test"])
        .code(4)
        .says(&["users", "--scratch"]);
}

// --------------------------------------------------------------------------------------------------------- MySQL alone

macro_rules! for_each_mysql {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn mariadb() {
                super::$name(super::Mysql::new());
            }
            #[test]
            fn mysql_9() {
                if !super::Engine::Mysql9.is_missing() {
                    super::$name(super::Mysql::of(super::Engine::Mysql9));
                }
            }
        }
    )+};
}

for_each_mysql!(
    what_mysql_cannot_undo_makes_the_database_anew,
    nothing_leads_from_the_scratch_database_to_the_live_one,
    the_whole_schema_of_mysql_is_copied,
);

fn what_mysql_cannot_undo_makes_the_database_anew(mut live: Mysql) {
    live.batch(TABLES);
    live.batch("CREATE TABLE notes (n integer) ENGINE=MyISAM; INSERT INTO notes VALUES (1)");
    let sandbox = with_tests(
        r#"
[[test]]
name = "ddl commits"
when = "INSERT INTO audit VALUES ('a', 1); CREATE TABLE more (x integer); INSERT INTO more VALUES (1)"
expect = { query = "SELECT op FROM audit", rows = [["a"]] }

[[test]]
name = "nothing is left of it"
given = "INSERT INTO notes VALUES (7)"
when = "CREATE TABLE more (x integer)"
expect = { query = "SELECT count(*) FROM audit", rows = [[0]] }

[[test]]
name = "nor of rows without transactions"
when = "SELECT 1"
expect = { query = "SELECT count(*) FROM notes", rows = [[0]] }
"#,
    );
    let before = live.everything();
    let found = report(&sandbox, &live, 0, &[]);
    assert_eq!(found["summary"]["passed"], 3, "{found:#}");
    assert_same("nothing was changed", &before, &live.everything());
    assert_eq!(live.run("SELECT n FROM notes"), "1\n");
}

fn nothing_leads_from_the_scratch_database_to_the_live_one(mut live: Mysql) {
    live.batch(TABLES);
    let name = live.name().to_owned();
    let before = live.everything();
    let sandbox = with_tests(&format!(
        "\n[[test]]\nname = \"x\"\nwhen = \"INSERT INTO `{name}`.audit VALUES ('a', 1)\"\nexpect = {{ query = \"SELECT 1\", rows = [[1]] }}\n"
    ));
    sandbox.on(&live, &["test"]).code(1).says(&[
        &format!("this names the database `{name}`"),
        "triggers.toml:28",
    ]);
    let sandbox = Sandbox::with_spec(&format!(
        "{}\n[[test]]\nname = \"x\"\nwhen = \"SELECT 1\"\nexpect = {{ query = \"SELECT 1\", rows = [[1]] }}\n",
        SPEC.replace("INTO audit (op", &format!("INTO {name}.audit (op"))
    ));
    sandbox
        .on(&live, &["test"])
        .code(1)
        .says(&[&format!("this names the database `{name}`")]);
    // By the key of the spec it is meant, and by a template.
    let sandbox = Sandbox::with_spec(&format!(
        "{}\n[[test]]\nname = \"x\"\nwhen = \"INSERT INTO {{{{ [schema, 'users'] | ident }}}} (id, age) VALUES (5, 20)\"\nexpect_changes = {{ table = \"{name}.audit\", added = [{{ op = \"INSERT\" }}] }}\n",
        SPEC.replace("table = \"users\"", &format!("table = \"{name}.users\""))
    ));
    sandbox.on(&live, &["test"]).ok();
    // A script that leads elsewhere.
    sandbox.write("schema.sql", format!("USE {name};\nDROP TABLE users;\n"));
    sandbox
        .on(&live, &["test", "--schema-file", "schema.sql"])
        .code(1)
        .says(&["this leads to another database", "schema.sql:1"]);
    assert_same("nothing was changed", &before, &live.everything());
    let sandbox = with_tests(
        "\n[[test]]\nname = \"x\"\nwhen = \"SELECT 1\"\nexpect = { query = \"SELECT count(*) FROM users\", rows = [[1]] }\n",
    );
    sandbox.write("schema.sql", TABLES);
    sandbox
        .on(&live, &["test", "--schema-file", "schema.sql"])
        .ok();
}

fn the_whole_schema_of_mysql_is_copied(mut live: Mysql) {
    live.batch(
        "CREATE TABLE a (id integer AUTO_INCREMENT PRIMARY KEY, n integer);
         INSERT INTO a (n) VALUES (1), (2), (3);
         CREATE TABLE b (a_id integer, FOREIGN KEY (a_id) REFERENCES a (id) ON DELETE CASCADE);
         CREATE VIEW z AS SELECT * FROM a;
         CREATE VIEW c AS SELECT * FROM z;
         CREATE FUNCTION twice(n integer) RETURNS integer DETERMINISTIC RETURN n * 2",
    );
    let sandbox = Sandbox::with_spec(
        r#"version = 1
[[trigger]]
name = "a_twice"
table = "a"
timing = "before"
events = ["insert", "update"]
update_of = ["n"]
when = "CASE WHEN NEW.n > 0 THEN 1 ELSE 0 END = 1"
body = """
DECLARE double_it integer;
SET double_it = twice(NEW.n);
SET NEW.n = double_it;
"""
[[test]]
name = "from one"
when = "INSERT INTO a (n) VALUES (5); INSERT INTO a (n) VALUES (-5)"
expect = { query = "SELECT id, n FROM c", rows = [[1, 10], [2, -5]] }
"#,
    );
    let found = report(&sandbox, &live, 0, &[]);
    assert_eq!(
        coverage(&found),
        [
            "a_twice_insert: [insert] of [insert]",
            "a_twice_update: [] of [update]"
        ]
    );
    assert_eq!(
        found["coverage"]["triggers"][0]["object"]["schema"],
        live.name()
    );
}

// -------------------------------------------------------------------------------------------------------- SQLite alone

#[test]
fn sqlite_has_what_its_file_has() {
    let mut live = Sqlite::new();
    live.batch(
        "PRAGMA encoding = 'UTF-16le';
         CREATE TABLE parent (id integer PRIMARY KEY);
         CREATE TABLE child (id integer PRIMARY KEY, parent_id integer REFERENCES parent (id) ON DELETE CASCADE);
         CREATE TABLE log (what text);
         CREATE VIRTUAL TABLE docs USING fts5(body);
         CREATE VIEW everybody AS SELECT id FROM parent UNION ALL SELECT id FROM child;
         CREATE UNIQUE INDEX one_log ON log (what);
         INSERT INTO docs VALUES ('words of the user');",
    );
    let sandbox = Sandbox::with_spec(
        r#"version = 1
[[trigger]]
name = "child_gone"
table = "child"
timing = "after"
events = ["delete"]
body = "INSERT INTO log VALUES ('child ' || OLD.id); INSERT INTO docs VALUES ('gone');"

[[trigger]]
name = "add"
table = "everybody"
timing = "instead_of"
events = ["insert"]
body = "INSERT INTO parent VALUES (NEW.id);"

[[trigger]]
name = "back"
table = "parent"
timing = "before"
events = ["insert"]
when = "NEW.id < 0"
body = "SELECT RAISE(ROLLBACK, 'no negative numbers');"

[[test]]
name = "foreign keys when they are asked for"
given = """
PRAGMA foreign_keys = ON; -- as the application has it
INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1);
"""
when = "DELETE FROM parent"
expect = [
    { query = "SELECT what FROM log", rows = [["child 1"]] },
    { query = "SELECT body FROM docs WHERE docs MATCH 'gone'", rows = [["gone"]] },
    { query = "SELECT count(*) FROM docs", rows = [[1]] },
]

[[test]]
name = "and only then"
given = "INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1);"
when = "DELETE FROM parent"
expect = { query = "SELECT count(*) FROM child", rows = [[1]] }

[[test]]
name = "views"
when = "INSERT INTO everybody VALUES (7)"
expect_changes = [{ table = "parent", added = [{ id = 7 }] }, { table = "everybody", added = [{ id = 7 }] }]

[[test]]
name = "the end of the transaction"
given = "INSERT INTO parent VALUES (1)"
when = "INSERT INTO parent VALUES (-1)"
expect_error = "no negative numbers"
expect = { query = "SELECT count(*) FROM parent", rows = [[0]] }

[[test]]
name = "rows without a key are known all the same"
given = "INSERT INTO log VALUES ('a'), ('b')"
when = "UPDATE log SET what = 'c' WHERE what = 'a'"
expect_changes = { table = "log", changed = [{ from = { what = "a" }, to = { what = "c" } }] }

[[test]]
name = "indexes are there"
given = "INSERT INTO log VALUES ('a')"
when = "INSERT INTO log VALUES ('a')"
expect_error = "UNIQUE constraint failed: log.what"
"#,
    );
    let before = live.everything();
    let found = report(&sandbox, &live, 0, &[]);
    assert_eq!(found["summary"]["passed"], 6, "{found:#}");
    assert_eq!(found["coverage"]["percent"], 100, "{found:#}");
    assert_same("nothing was changed", &before, &live.everything());
    // Another file is out of reach.
    let sandbox = Sandbox::with_spec(
        "version = 1\n[[test]]\nname = \"x\"\nwhen = \"ATTACH DATABASE 'other.db' AS other\"\nexpect_error = { message = \"\" }\n\
         [[test]]\nname = \"y\"\nwhen = \"VACUUM INTO 'other.db'\"\nexpect_error = { message = \"\" }\n",
    );
    report(&sandbox, &live, 0, &[]);
    assert!(!sandbox.path().join("other.db").exists());
}

#[test]
fn sqlite_without_what_the_application_brings() {
    let mut live = Sqlite::new();
    live.batch("CREATE TABLE t (x text, y text)");
    let sandbox = Sandbox::with_spec(
        r#"version = 1
[[test]]
name = "x"
when = "INSERT INTO t VALUES ('a', 'b')"
expect = { query = "SELECT * FROM t", rows = [["a", "b"]] }
"#,
    );
    sandbox.on(&live, &["test"]).ok();
    // A check that calls the application's function.
    sandbox.write("schema.sql", "CREATE TABLE t (x text, y text)");
    let run = sandbox
        .run(&[
            "test",
            "--url",
            "sqlite::memory:",
            "--schema-file",
            "schema.sql",
        ])
        .ok();
    assert!(run.stdout.contains("1 test passed in "), "{run}");
    // No file is made.
    sandbox
        .run(&["test", "--url", "sqlite:missing.db"])
        .code(1)
        .says(&["missing.db"]);
    assert!(!sandbox.path().join("missing.db").exists());
    sandbox
        .run(&[
            "test",
            "--url",
            "sqlite:missing.db",
            "--schema-file",
            "schema.sql",
        ])
        .ok();
    assert!(!sandbox.path().join("missing.db").exists());
}

// ------------------------------------------------------------------------------------------------------ the command line

fn small() -> (Sqlite, Sandbox) {
    let mut live = Sqlite::new();
    live.batch(TABLES);
    let sandbox = with_tests(
        r#"
[[test]]
name = "good & <well>"
when = "INSERT INTO users (id, age) VALUES (2, 20)"
expect = { query = "SELECT op FROM audit", rows = [["INSERT"]] }

[[test]]
name = "bad # one"
when = "INSERT INTO users (id, age) VALUES (2, 20)"
expect = { query = "SELECT op FROM audit", rows = [["x<y"]] }

[[test]]
name = "not here"
dialects = ["postgres"]
when = "SELECT 1"
expect = { query = "SELECT 1", rows = [[1]] }
"#,
    );
    (live, sandbox)
}

/// Times as `T`.
fn timeless(text: &str) -> String {
    let mut result = String::new();
    for line in text.lines() {
        let mut line = line.to_owned();
        for before in ["time=\"", "duration_ms: "] {
            let mut from = 0;
            while let Some(at) = line.get(from..).and_then(|rest| rest.find(before)) {
                let start = from + at + before.len();
                let length = line[start..]
                    .chars()
                    .take_while(|c| c.is_ascii_digit() || *c == '.')
                    .count();
                line.replace_range(start..start + length, "T");
                from = start;
            }
        }
        result += &line;
        result.push('\n');
    }
    result
}

#[test]
fn junit() {
    let (live, sandbox) = small();
    let run = sandbox
        .on(
            &live,
            &["test", "--format", "junit", "--min-coverage", "50"],
        )
        .code(1);
    let version = run
        .stdout
        .split("SQLite ")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap();
    let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="triggerctl" tests="3" failures="2" errors="0" time="T">
  <testsuite name="SQLite VERSION, in memory" tests="3" failures="2" errors="0" skipped="0" time="T">
    <testcase name="good &amp; &lt;well&gt;" classname="triggers.toml" file="triggers.toml" line="27" time="T"/>
    <testcase name="bad # one" classname="triggers.toml" file="triggers.toml" line="32" time="T">
      <failure message="the query gives other rows" type="failure">the query gives other rows&#10;at triggers.toml:34:20&#10;          op&#10;expected  'x&lt;y'&#10;got       'INSERT'&#10;          ^^^^^^^^&#10;</failure>
    </testcase>
    <testcase name="coverage of 50 %" classname="triggerctl" time="T">
      <failure message="the coverage is 33 %" type="failure"/>
    </testcase>
  </testsuite>
</testsuites>
"#;
    assert_same(
        "junit",
        expected,
        &timeless(&run.stdout).replace(version, "VERSION"),
    );
    assert_eq!(run.stderr, "");
}

#[test]
fn tap() {
    let (live, sandbox) = small();
    let run = sandbox.on(&live, &["test", "--format", "tap"]).code(1);
    let expected = r#"TAP version 14
1..2
ok 1 - good & <well>
  ---
  duration_ms: T
  ...
not ok 2 - bad \# one
  ---
  duration_ms: T
  message: "the query gives other rows"
  at: "triggers.toml:34:20"
  details: |
    the query gives other rows
    at triggers.toml:34:20
              op
    expected  'x<y'
    got       'INSERT'
              ^^^^^^^^
  ...
"#;
    assert_same("tap", expected, &timeless(&run.stdout));
    let run = sandbox
        .on(
            &live,
            &[
                "test",
                "--format",
                "tap",
                "--filter",
                "good",
                "--min-coverage",
                "1",
            ],
        )
        .ok();
    assert!(
        run.stdout.starts_with("TAP version 14\n1..2\nok 1 - good")
            && run.stdout.ends_with("ok 2 - coverage of 1 %\n"),
        "{run}"
    );
}

/// Whoever reads the file sees why there are no results in it.
#[test]
fn errors_in_the_format_of_the_results() {
    let (live, sandbox) = small();
    sandbox.write("triggers.toml", "version = 1\nodd = \"<&>\"\n");
    let of = |format: &str| {
        let command = if format == "sarif" { "lint" } else { "test" };
        let run = sandbox.on(&live, &[command, "--format", format]).code(1);
        let run = run.says(&["triggers.toml:2:1"]);
        assert!(run.stderr.starts_with("error: "), "{run}");
        run.stdout.clone()
    };
    let words = of("tap");
    let (version, message) = words.split_once('\n').unwrap();
    assert_eq!(version, "TAP version 14");
    assert!(
        message.starts_with("Bail out! unknown key `odd`") && message.lines().count() == 1,
        "{words}"
    );
    let words = of("junit");
    assert!(
        words.contains("errors=\"1\"") && words.ends_with("</testsuites>\n"),
        "{words}"
    );
    assert!(
        words.contains("<error message=\"unknown key `odd`") && words.contains("&lt;&amp;&gt;"),
        "{words}"
    );
    let words: Value = serde_json::from_str(&of("sarif")).unwrap();
    let run = &words["runs"][0];
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    assert_eq!(run["invocations"][0]["exitCode"], 1);
    let found = &run["results"][0];
    assert_eq!(found["level"], "error");
    assert_eq!(found["ruleId"], run["tool"]["driver"]["rules"][0]["id"]);
    let place = &found["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "triggers.toml");
    assert_eq!(place["region"]["endColumn"], 4);
    // Where a command has no such format, nothing is said in it.
    let run = sandbox.on(&live, &["plan", "--format", "tap"]).code(64);
    assert_eq!(run.stdout, "");
}

#[test]
fn text_and_its_colours() {
    let (live, sandbox) = small();
    let run = sandbox.on(&live, &["test"]).code(1);
    assert!(!run.stdout.contains('\u{1b}'), "{run}");
    assert_eq!(run.stderr, "", "{run}");
    assert!(
        run.stdout.contains("1 of 2 tests failed in ")
            && run.stdout.contains(", 1 is for other dialects.\n"),
        "{run}"
    );
    let run = sandbox.on(&live, &["test", "--color", "always"]).code(1);
    assert!(run.stdout.contains("\u{1b}[32m✓"), "{run}");
    // Quiet says what is wrong.
    let run = sandbox.on(&live, &["test", "--quiet"]).code(1);
    assert!(
        !run.stdout.contains("good") && run.stdout.contains("✗ bad # one"),
        "{run}"
    );
    sandbox.on(&live, &["test", "--format", "sql"]).code(64);
    // Other commands have none of these formats.
    for command in ["plan", "check", "render", "validate", "history"] {
        sandbox.on(&live, &["--format", "junit", command]).code(64);
    }
}

#[test]
fn filters() {
    let (live, sandbox) = small();
    let names = |flags: &[&str], code: i32| {
        let mut arguments = vec!["test", "--format", "json"];
        arguments.extend(flags);
        results(&sandbox.on(&live, &arguments).code(code).json())
    };
    assert_eq!(names(&["--filter", "good"], 0), ["good & <well>: passed"]);
    assert_eq!(names(&["--filter", "*one"], 1), ["bad # one: failed"]);
    assert_eq!(names(&["--filter", "good", "--filter", "bad"], 1).len(), 2);
    sandbox
        .on(&live, &["test", "--filter", "nobody"])
        .code(1)
        .says(&["no test has such a name"]);
    sandbox.on(&live, &["test", "--filter", "[x"]).code(64);
    let run = sandbox.on(&live, &["test", "--filter", "good"]).ok();
    assert!(
        run.stdout.contains("1 left out by the filter") && !run.stdout.contains("Coverage"),
        "{run}"
    );
    // A spec without tests says so.
    let sandbox = Sandbox::with_spec(SPEC);
    let run = sandbox.on(&live, &["test"]).ok();
    assert!(run.stdout.starts_with("No tests were run in "), "{run}");
    sandbox
        .on(&live, &["test", "--min-coverage", "1"])
        .code(1)
        .says(&["The coverage is 0 %"]);
}

#[test]
fn tests_in_files_of_their_own() {
    let mut live = Sqlite::new();
    live.batch(TABLES);
    let sandbox = Sandbox::with_spec(
        &SPEC.replace("version = 1", "version = 1\ninclude = [\"tests/*.toml\"]"),
    );
    for name in ["a", "b"] {
        sandbox.write(
            &format!("tests/{name}.toml"),
            "[[test]]\nname = \"same name\"\nwhen = \"INSERT INTO users (id, age) VALUES (2, 20)\"\n\
             expect = { query = \"SELECT op FROM audit\", rows = [[\"INSERT\"]] }\n",
        );
    }
    let found = report(&sandbox, &live, 0, &[]);
    assert_eq!(found["tests"][1]["file"], "tests/b.toml", "{found:#}");
}

#[test]
fn watching() {
    let (live, sandbox) = small();
    let url = live.url();
    let (output, errors) = (sandbox.path().join("output"), sandbox.path().join("errors"));
    let child = sandbox
        .command(&["test", "--watch", "--url", &url])
        .stdout(std::fs::File::create(&output).unwrap())
        .stderr(std::fs::File::create(&errors).unwrap())
        .spawn()
        .unwrap();
    let shown = || std::fs::read_to_string(&output).unwrap();
    eventually("the first run", || shown().contains("1 of 2 tests failed"));
    let spec = sandbox.read("triggers.toml");
    sandbox.write("triggers.toml", spec.replace("x<y", "INSERT"));
    eventually("the second run", || shown().contains("All 2 tests passed"));
    // An error is waited on too.
    sandbox.write("triggers.toml", "version = 1\n[[tset]]\n");
    eventually("the error", || {
        let said = std::fs::read_to_string(&errors).unwrap();
        said.contains("unknown key `tset`")
    });
    sandbox.write(
        "triggers.toml",
        spec.replace("x<y", "INSERT")
            .replace("bad # one", "one more"),
    );
    eventually("the third run", || shown().contains("✓ one more"));
    signal(&child, "INT");
    wait(child, "test --watch").ok();
}
