//! How a database moves from version to version: changed, removed and renamed triggers, saved plans, scripts, drift,
//! conflicts, rollback. Each one in both dialects, with the real binary, against the catalog as the test reads it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "apply/forget.rs"]
mod forget;

use forget::{
    a_pattern_that_was_mistyped, all_are_let_go, let_go, let_go_and_asked_for,
    let_go_and_taken_back, let_go_as_it_is,
};

use common::{Live, Run, Sandbox, assert_same, postgres::Postgres, script, sqlite::Sqlite};

for_each_dialect!(
    one_field_changes,
    removed_with_its_function,
    renamed,
    renamed_to_a_name_that_is_taken,
    saved_plan,
    saved_plan_of_another,
    plan_as_script,
    check_exit_codes,
    drift_is_restored,
    dropped_by_hand,
    restored_then_rolled_back_to_nothing,
    conflict_then_adopt,
    equal_is_adopted,
    unmanaged_is_left_alone,
    rollback_to,
    rollback_refuses_drift,
    asks_without_a_terminal,
    target_limits_the_plan,
    nothing_to_apply_is_no_migration,
    message_is_kept,
    long_statements_are_recorded_whole,
    missing_table_column_function,
    let_go,
    let_go_and_taken_back,
    let_go_as_it_is,
    let_go_and_asked_for,
    a_pattern_that_was_mistyped,
    all_are_let_go,
);

const TABLES: &str = "
CREATE TABLE users (id integer PRIMARY KEY, name text, age integer);
CREATE TABLE log (what text);
";

const AGE: &str = r#"
[[trigger]]
name = "users_age"
table = "users"
timing = "after"
events = ["insert"]
when = "NEW.age > 0"
body = "UPDATE users SET age = age + 1 WHERE id = NEW.id;"
"#;

const LOG: &str = r#"
[[trigger]]
name = "users_log"
table = "users"
timing = "after"
events = ["insert"]
body = "INSERT INTO log (what) VALUES (NEW.name);"
"#;

fn spec(triggers: &[&str]) -> String {
    format!("version = 1\n{}", triggers.concat())
}

/// The tables, and this spec applied as version 1.
fn applied(live: &mut dyn Live, triggers: &[&str]) -> Sandbox {
    live.batch(TABLES);
    let sandbox = Sandbox::with_spec(&spec(triggers));
    sandbox.on(live, &["apply", "--yes"]).ok();
    assert_eq!(live.versions(), ["1 applied"]);
    sandbox
}

/// `action name` of each change in the plan, triggers only.
fn planned(sandbox: &Sandbox, live: &dyn Live) -> Vec<String> {
    let plan = sandbox.on(live, &["plan", "--format", "json"]).ok();
    plan.json()["changes"]
        .as_array()
        .unwrap_or_else(|| panic!("no changes: {plan}"))
        .iter()
        .filter(|change| change["object"]["kind"] == "trigger")
        .map(|change| format!("{} {}", change["action"], change["object"]["name"]).replace('"', ""))
        .collect()
}

fn empty(sandbox: &Sandbox, live: &dyn Live) -> Run {
    sandbox.on(live, &["plan", "--detailed-exitcode"]).ok()
}

/// A migration of many statements is written down in another way, and says the same.
fn long_statements_are_recorded_whole(live: &mut dyn Live) {
    const ODD: &str = "a\ttab, a \\backslash\\n, \\N and\na line's end";
    let long = "-- a 'quoted' \\ remark\ttabbed\\\n".repeat(20_000);
    live.batch(TABLES);
    let body = format!("body = '''\n{long}INSERT INTO log (what) VALUES (NEW.name);\n'''");
    let trigger = LOG.replace(
        "body = \"INSERT INTO log (what) VALUES (NEW.name);\"",
        &body,
    );
    let sandbox = Sandbox::with_spec(&spec(&[AGE, &trigger]));
    let plan = sandbox.on(live, &["plan", "--format", "json"]).ok().json();
    let of_all = |key: &str, changes: &mut dyn Iterator<Item = &serde_json::Value>| {
        let lists = changes.map(|change| change[key].as_array().unwrap().clone());
        lists.flatten().collect::<Vec<_>>()
    };
    let changes = plan["changes"].as_array().unwrap();
    let up = of_all("statements", &mut changes.iter());
    let down = of_all("reverse", &mut changes.iter().rev());
    let applied = sandbox.on(
        live,
        &["apply", "--yes", "--message", ODD, "--format", "json"],
    );
    let applied = applied.ok().json();
    let history = sandbox
        .on(live, &["history", "--format", "json"])
        .ok()
        .json();
    for migration in [&applied["migration"], &history["migrations"][0]] {
        assert_eq!(migration["message"], ODD);
        assert_eq!(migration["state"], "applied");
        assert!(*migration["up"].as_array().unwrap() == up, "up");
        assert!(*migration["down"].as_array().unwrap() == down, "down");
        assert_eq!(migration["plan_id"], plan["plan_id"]);
        assert!(migration["error"].is_null() && migration["duration_ms"].is_number());
    }
    let whole = format!(
        "SELECT count(*) FROM {} WHERE rendering IS NOT NULL AND finished_at >= started_at",
        live.migrations()
    );
    assert_eq!(live.run(&whole), "1\n");
    empty(&sandbox, live);
    sandbox.on(live, &["rollback", "--yes"]).ok();
    assert_eq!(live.versions(), ["1 applied", "2 applied"]);
}

fn one_field_changes(live: &mut dyn Live) {
    let sandbox = applied(live, &[AGE, LOG]);
    let first = live.snapshot();

    sandbox.write("triggers.toml", spec(&[&AGE.replace("> 0", "> 17"), LOG]));
    let plan = sandbox.on(live, &["plan", "--detailed-exitcode"]).code(2);
    plan.says(&["users_age", "when", "NEW.age > 0", "NEW.age > 17"])
        .never_says(&["users_log"]);
    let document = sandbox.on(live, &["plan", "--format", "json"]).ok().json();
    let changes = document["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{document:#}");
    assert_eq!(changes[0]["action"], "replace");
    assert_same("plan changes nothing", &first, &live.snapshot());

    sandbox.on(live, &["apply", "--yes"]).ok();
    assert_eq!(live.versions(), ["1 applied", "2 applied"]);
    empty(&sandbox, live);
    live.batch("INSERT INTO users VALUES (1, 'a', 10), (2, 'b', 20)");
    assert_eq!(live.run("SELECT age FROM users ORDER BY id"), "10\n21\n");

    sandbox.on(live, &["rollback", "--yes"]).ok();
    assert_eq!(live.versions(), ["1 applied", "2 applied", "3 applied"]);
    assert_same("the catalog of version 1", &first, &live.snapshot());
    sandbox.on(live, &["plan", "--detailed-exitcode"]).code(2);
    sandbox.write("triggers.toml", spec(&[AGE, LOG]));
    empty(&sandbox, live);

    let history = sandbox.on(live, &["history"]).ok();
    for version in ["1", "2", "3"] {
        assert!(
            history.stdout.lines().any(|line| line.contains(version)),
            "{history}"
        );
    }
}

fn removed_with_its_function(live: &mut dyn Live) {
    let sandbox = applied(live, &[AGE]);
    let with_one = live.snapshot();
    sandbox.write("triggers.toml", spec(&[AGE, LOG]));
    sandbox.on(live, &["apply", "--yes"]).ok();
    let with_both = live.snapshot();
    assert_ne!(with_one, with_both);

    sandbox.write("triggers.toml", spec(&[AGE]));
    assert_eq!(planned(&sandbox, live), ["drop users_log"]);
    sandbox
        .on(live, &["apply", "--yes", "--allow", "drops_protection"])
        .ok();
    assert_same("trigger and function are gone", &with_one, &live.snapshot());
    empty(&sandbox, live);

    sandbox.on(live, &["rollback", "--yes"]).ok();
    assert_same("both are back", &with_both, &live.snapshot());
    assert_eq!(live.versions().len(), 4);
}

fn renamed(live: &mut dyn Live) {
    let sandbox = applied(live, &[AGE, LOG]);
    let before = live.snapshot();
    let identity = |live: &mut dyn Live, name: &str| match live.dialect() {
        "postgres" => live.run(&format!(
            "SELECT oid FROM pg_trigger WHERE tgname = '{name}'"
        )),
        _ => live.run(&format!(
            "SELECT type FROM sqlite_schema WHERE name = '{name}'"
        )),
    };
    let old = identity(live, "users_age");
    assert!(!old.is_empty());

    let renamed = AGE.replace(
        "name = \"users_age\"",
        "name = \"users_birthday\"\nrenamed_from = \"users_age\"",
    );
    sandbox.write("triggers.toml", spec(&[&renamed, LOG]));
    assert_eq!(planned(&sandbox, live), ["rename users_birthday"]);
    sandbox.on(live, &["apply", "--yes"]).ok();
    assert_eq!(
        identity(live, "users_birthday"),
        old,
        "the same trigger under another name"
    );
    assert_eq!(identity(live, "users_age"), "");
    empty(&sandbox, live);
    // `renamed_from` may stay.
    sandbox.on(live, &["apply", "--yes"]).ok();
    assert_eq!(live.versions().len(), 2);
    live.batch("INSERT INTO users VALUES (1, 'a', 10)");
    assert_eq!(live.run("SELECT age FROM users"), "11\n");

    sandbox.on(live, &["rollback", "--yes"]).ok();
    assert_same("the old name is back", &before, &live.snapshot());
    assert_eq!(identity(live, "users_age"), old);
}

/// Both are there: nothing can be renamed, and the plan says what becomes of either.
fn renamed_to_a_name_that_is_taken(live: &mut dyn Live) {
    let sandbox = applied(live, &[AGE, LOG]);
    let before = live.snapshot();
    let onto = LOG.replace(
        "name = \"users_log\"",
        "name = \"users_log\"\nrenamed_from = \"users_age\"",
    );
    let changed = onto.replace("NEW.name", "'new'");
    // What is as it is to be needs no word.
    sandbox.write("triggers.toml", spec(&[&onto]));
    let plan = sandbox.on(live, &["plan"]).ok();
    assert!(
        words(&plan).contains("not renamed to `users_log`, which is there already"),
        "{plan}"
    );
    sandbox.write("triggers.toml", spec(&[&changed]));
    let plan = sandbox.on(live, &["plan"]).ok();
    for said in [
        "`users_age` cannot be renamed to a name that is taken: that one is dropped",
        "not renamed to `users_log`, which is there already",
    ] {
        assert!(words(&plan).contains(said), "{plan}");
    }
    sandbox.on(live, &["apply", "--yes"]).ok();
    empty(&sandbox, live);
    live.batch("INSERT INTO users VALUES (1, 'a', 10)");
    assert_eq!(live.run("SELECT what FROM log"), "new\n");
    assert_eq!(live.run("SELECT age FROM users"), "10\n");
    sandbox.on(live, &["rollback", "--yes"]).ok();
    assert_same("both are back", &before, &live.snapshot());
}

/// What was printed, however it was broken into lines.
fn words(run: &Run) -> String {
    run.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn saved_plan(live: &mut dyn Live) {
    let sandbox = applied(live, &[AGE]);
    let before = live.everything();
    sandbox.write("triggers.toml", spec(&[AGE, LOG]));
    sandbox.on(live, &["plan", "--out", "plan.json"]).ok();
    assert_same(
        "plan --out writes to no database",
        &before,
        &live.everything(),
    );
    let document: serde_json::Value = serde_json::from_str(&sandbox.read("plan.json")).unwrap();
    for key in [
        "format_version",
        "tool_version",
        "target",
        "spec_digest",
        "base_fingerprint",
        "summary",
        "changes",
    ] {
        assert!(document.get(key).is_some(), "no {key}: {document:#}");
    }
    let printed = sandbox.on(live, &["plan", "--format", "json"]).ok().json();
    assert_eq!(
        document, printed,
        "plan --out and plan --format json are the same document"
    );

    // Something that the plan does not rest on may change.
    live.batch("CREATE TABLE other (id integer)");
    let apply = sandbox.on(live, &["apply", "plan.json", "--yes"]).ok();
    assert_eq!(live.versions().len(), 2, "{apply}");
    empty(&sandbox, live);

    // The same plan again: what it rests on is not there any more.
    let after = live.everything();
    sandbox
        .on(live, &["apply", "plan.json", "--yes"])
        .code(3)
        .says(&["plan"]);
    assert_same("a stale plan changes nothing", &after, &live.everything());

    // A plan whose object was changed by hand in between.
    sandbox.write("triggers.toml", spec(&[&AGE.replace("> 0", "> 5"), LOG]));
    sandbox.on(live, &["plan", "--out", "plan.json"]).ok();
    drop_trigger(live, "users_age");
    let before = live.everything();
    sandbox
        .on(live, &["apply", "plan.json", "--yes"])
        .code(3)
        .says(&["users_age"]);
    assert_same("a stale plan changes nothing", &before, &live.everything());

    // Not a plan at all.
    sandbox.write("broken.json", "{\"format_version\": 1}");
    sandbox
        .on(live, &["apply", "broken.json", "--yes"])
        .code(1)
        .says(&["broken.json"]);
    sandbox.write("broken.json", "");
    sandbox
        .on(live, &["apply", "broken.json", "--yes"])
        .code(1)
        .says(&["broken.json"]);
    sandbox
        .on(live, &["apply", "missing.json", "--yes"])
        .code(1)
        .says(&["missing.json"]);
    assert_same("still nothing", &before, &live.everything());
}

/// A plan belongs to one spec and one database: another one of the same shape refuses it.
fn saved_plan_of_another(live: &mut dyn Live) {
    let sandbox = applied(live, &[AGE]);
    sandbox.write("triggers.toml", spec(&[AGE, LOG]));
    sandbox.on(live, &["plan", "--out", "plan.json"]).ok();
    let mut other: Box<dyn Live> = match live.dialect() {
        "postgres" => Box::new(Postgres::new()),
        _ => Box::new(Sqlite::new()),
    };
    other.batch(TABLES);
    let there = other.everything();
    sandbox
        .on(&*other, &["apply", "plan.json", "--yes"])
        .code(3)
        .says(&["another database"]);
    assert_same("the other database", &there, &other.everything());

    let mut document: serde_json::Value = serde_json::from_str(&sandbox.read("plan.json")).unwrap();
    let statements = document["changes"][0]["statements"].as_array_mut().unwrap();
    statements.push("DROP TABLE log".into());
    sandbox.write("forged.json", document.to_string());
    let before = live.everything();
    let forged = sandbox.on(live, &["apply", "forged.json", "--yes"]);
    assert!(matches!(forged.code, Some(1 | 3)), "{forged}");
    assert_same("a plan that was edited", &before, &live.everything());

    sandbox.write("triggers.toml", spec(&[LOG, AGE]) + "# edited\n");
    sandbox
        .on(live, &["apply", "plan.json", "--yes"])
        .code(3)
        .says(&["triggers.toml"]);
    assert_same("nothing was changed", &before, &live.everything());
    sandbox.write("triggers.toml", spec(&[AGE, LOG]));
    sandbox.on(live, &["apply", "plan.json", "--yes"]).ok();
}

fn plan_as_script(live: &mut dyn Live) {
    live.batch(TABLES);
    let sandbox = Sandbox::with_spec(&spec(&[AGE, LOG]));
    let sql = sandbox.on(live, &["plan", "--format", "sql"]).ok().stdout;
    script(live, &sql).ok();
    let scripted = live.snapshot();
    assert!(scripted.contains("users_log"), "{scripted}");
    // The script records the migration as well.
    assert_eq!(planned(&sandbox, live), [""; 0]);
    assert_eq!(live.versions(), ["1 applied"]);
    let again = script(live, &sql);
    assert_ne!(again.code, Some(0), "{again}");
    assert_same(
        "what was done already is not done again",
        &scripted,
        &live.snapshot(),
    );

    sandbox.on(live, &["rollback", "--yes"]).ok();
    assert_ne!(scripted, live.snapshot());
    sandbox.on(live, &["apply", "--yes"]).ok();
    assert_same(
        "apply makes what the script made",
        &scripted,
        &live.snapshot(),
    );
}

fn check_exit_codes(live: &mut dyn Live) {
    live.batch(TABLES);
    let sandbox = Sandbox::with_spec(&spec(&[AGE]));
    sandbox.on(live, &["check"]).code(2).says(&["users_age"]);
    sandbox.on(live, &["apply", "--yes"]).ok();
    let before = live.everything();
    sandbox.on(live, &["check"]).ok();
    sandbox.write(
        "triggers.toml",
        spec(&[&AGE.replace("after", "afterwards")]),
    );
    sandbox
        .on(live, &["check"])
        .code(1)
        .says(&["afterwards", "after"]);
    sandbox.write("triggers.toml", spec(&[]));
    sandbox.on(live, &["check"]).code(2).says(&["users_age"]);
    assert_same("check changes nothing", &before, &live.everything());
}

/// Change the trigger `users_log` behind triggerctl's back.
fn patch(live: &mut dyn Live) {
    match live.dialect() {
        "postgres" => live.batch(
            "CREATE OR REPLACE FUNCTION users_log() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN INSERT INTO log (what) VALUES ('patched'); RETURN NULL; END $$;
             ALTER TABLE users DISABLE TRIGGER users_log;",
        ),
        _ => live.batch(
            "DROP TRIGGER users_log;
             CREATE TRIGGER users_log AFTER INSERT ON users BEGIN INSERT INTO log (what) VALUES ('patched'); END;",
        ),
    }
}

fn drop_trigger(live: &mut dyn Live, name: &str) {
    let on = if live.dialect() == "postgres" {
        " ON users"
    } else {
        ""
    };
    live.batch(&format!("DROP TRIGGER {name}{on}"));
}

fn drift_is_restored(live: &mut dyn Live) {
    let sandbox = applied(live, &[AGE, LOG]);
    let good = live.snapshot();
    patch(live);
    let patched = live.snapshot();
    assert_ne!(good, patched);

    sandbox
        .on(live, &["check"])
        .code(2)
        .says(&["users_log", "patched"])
        .never_says(&["users_age"]);
    assert_eq!(planned(&sandbox, live), ["restore users_log"]);
    sandbox.on(live, &["apply", "--yes"]).ok();
    assert_same("as it was", &good, &live.snapshot());
    empty(&sandbox, live);

    sandbox.on(live, &["rollback", "--yes"]).ok();
    assert_same("what the migration replaced", &patched, &live.snapshot());
}

fn dropped_by_hand(live: &mut dyn Live) {
    let sandbox = applied(live, &[AGE, LOG]);
    let good = live.snapshot();
    drop_trigger(live, "users_age");
    let dropped = live.snapshot();
    sandbox.on(live, &["check"]).code(2).says(&["users_age"]);
    assert_eq!(planned(&sandbox, live), ["restore users_age"]);
    sandbox.on(live, &["apply", "--yes"]).ok();
    assert_same("created again", &good, &live.snapshot());
    sandbox.on(live, &["rollback", "--yes"]).ok();
    assert_same("gone again", &dropped, &live.snapshot());

    // Gone from the spec as well: only to be forgotten, which is no difference.
    sandbox.write("triggers.toml", spec(&[LOG]));
    sandbox.on(live, &["apply", "--yes"]).ok();
    empty(&sandbox, live);
}

fn restored_then_rolled_back_to_nothing(live: &mut dyn Live) {
    live.batch(TABLES);
    let nothing = live.snapshot();
    let sandbox = Sandbox::with_spec(&spec(&[AGE, LOG]));
    sandbox.on(live, &["apply", "--yes"]).ok();
    drop_trigger(live, "users_age");
    sandbox.on(live, &["apply", "--yes"]).ok();
    patch(live);
    sandbox.on(live, &["apply", "--yes"]).ok();
    assert_eq!(live.versions().len(), 3);
    sandbox.on(live, &["rollback", "--to", "0", "--yes"]).ok();
    assert_same("version 0", &nothing, &live.snapshot());
}

fn conflict_then_adopt(live: &mut dyn Live) {
    live.batch(TABLES);
    let sandbox = Sandbox::with_spec(&spec(&[AGE, LOG]));
    match live.dialect() {
        "postgres" => live.batch(
            "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
             CREATE TRIGGER users_log AFTER INSERT ON users EXECUTE FUNCTION theirs();",
        ),
        _ => live.batch("CREATE TRIGGER users_log AFTER INSERT ON users BEGIN DELETE FROM log; END;"),
    }
    let theirs = live.snapshot();
    let untouched = live.everything();

    sandbox
        .on(live, &["plan", "--detailed-exitcode"])
        .says(&["users_log", "--adopt"]);
    sandbox
        .on(live, &["apply", "--yes"])
        .code(3)
        .says(&["users_log", "--adopt"]);
    assert_same(
        "nothing at all was done, the trigger without a conflict included",
        &untouched,
        &live.everything(),
    );

    sandbox.on(live, &["apply", "--yes", "--adopt"]).ok();
    empty(&sandbox, live);
    live.batch("INSERT INTO users VALUES (1, 'a', 1)");
    assert_eq!(live.run("SELECT what FROM log"), "a\n");
    sandbox.on(live, &["rollback", "--yes"]).ok();
    assert_same("theirs is back", &theirs, &live.snapshot());
}

fn equal_is_adopted(live: &mut dyn Live) {
    let sandbox = applied(live, &[AGE, LOG]);
    let good = live.snapshot();
    // Somebody lost the history.
    match live.dialect() {
        "postgres" => live.batch("DROP SCHEMA triggerctl CASCADE"),
        _ => live.batch("DROP TABLE triggerctl_migrations; DROP TABLE triggerctl_objects;"),
    }
    let plan = empty(&sandbox, live);
    plan.says(&["adopt"]);
    assert_eq!(
        planned(&sandbox, live),
        ["adopt users_age", "adopt users_log"]
    );
    sandbox.on(live, &["apply", "--yes"]).ok();
    assert_same("no DDL was run", &good, &live.snapshot());
    assert_eq!(planned(&sandbox, live), [""; 0]);
}

fn unmanaged_is_left_alone(live: &mut dyn Live) {
    live.batch(TABLES);
    match live.dialect() {
        "postgres" => live.batch(
            "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
             CREATE TRIGGER theirs AFTER INSERT ON users EXECUTE FUNCTION theirs();",
        ),
        _ => live.batch("CREATE TRIGGER theirs AFTER INSERT ON users BEGIN SELECT 1; END;"),
    }
    let theirs = live.snapshot();
    let sandbox = Sandbox::with_spec(&spec(&[AGE]));
    sandbox.on(live, &["apply", "--yes"]).ok();
    let document = sandbox.on(live, &["plan", "--format", "json"]).ok();
    assert_eq!(document.json()["changes"], serde_json::json!([]));
    sandbox
        .on(live, &["plan", "--unmanaged"])
        .ok()
        .says(&["theirs"]);
    sandbox.write("triggers.toml", spec(&[]));
    sandbox
        .on(live, &["apply", "--yes"])
        .ok()
        .never_says(&["theirs"]);
    assert_same("theirs alone is left", &theirs, &live.snapshot());
}

fn rollback_to(live: &mut dyn Live) {
    live.batch(TABLES);
    let nothing = live.snapshot();
    let sandbox = Sandbox::with_spec(&spec(&[AGE]));
    sandbox.on(live, &["apply", "--yes"]).ok();
    let first = live.snapshot();
    sandbox.write("triggers.toml", spec(&[AGE, LOG]));
    sandbox.on(live, &["apply", "--yes"]).ok();
    let second = live.snapshot();
    sandbox.write("triggers.toml", spec(&[&LOG.replace("NEW.name", "'x'")]));
    sandbox.on(live, &["apply", "--yes"]).ok();
    let third = live.snapshot();

    sandbox.on(live, &["rollback", "--to", "1", "--yes"]).ok();
    assert_same("version 1", &first, &live.snapshot());
    assert_eq!(live.versions().len(), 4);
    sandbox.on(live, &["rollback", "--to", "3", "--yes"]).ok();
    assert_same("version 3", &third, &live.snapshot());
    sandbox.on(live, &["rollback", "--to", "2", "--yes"]).ok();
    assert_same("version 2", &second, &live.snapshot());
    sandbox.on(live, &["rollback", "--to", "0", "--yes"]).ok();
    assert_same("version 0", &nothing, &live.snapshot());

    let before = live.everything();
    sandbox
        .on(live, &["rollback", "--to", "0", "--yes"])
        .ok()
        .says(&["Nothing to do: the database is as version 0 left it."]);
    sandbox
        .on(
            live,
            &["rollback", "--to", "0", "--yes", "--format", "json"],
        )
        .ok()
        .says(&["\"result\": \"nothing\""]);
    assert_same("where it is already", &before, &live.everything());
    sandbox
        .on(live, &["rollback", "--to", "99", "--yes"])
        .code(64)
        .says(&["99"]);
    sandbox
        .on(live, &["rollback", "--to", "-1", "--yes"])
        .code(64);
    assert_same("a version that is not there", &before, &live.everything());
}

fn rollback_refuses_drift(live: &mut dyn Live) {
    let sandbox = applied(live, &[AGE]);
    sandbox.write("triggers.toml", spec(&[AGE, LOG]));
    sandbox.on(live, &["apply", "--yes"]).ok();
    patch(live);
    let before = live.everything();
    // What somebody did by hand since then would be lost.
    sandbox
        .on(live, &["rollback", "--yes"])
        .code(3)
        .says(&["users_log"]);
    assert_same("refused, so nothing was done", &before, &live.everything());
}

fn asks_without_a_terminal(live: &mut dyn Live) {
    live.batch(TABLES);
    let sandbox = Sandbox::with_spec(&spec(&[AGE]));
    let before = live.everything();
    sandbox.on(live, &["apply"]).code(64).says(&["--yes"]);
    sandbox.on(live, &["rollback"]).code(64).says(&["--yes"]);
    assert_same("nothing done", &before, &live.everything());
}

fn target_limits_the_plan(live: &mut dyn Live) {
    live.batch(TABLES);
    let sandbox = Sandbox::with_spec(&spec(&[AGE, LOG]));
    sandbox
        .on(live, &["apply", "--yes", "--target", "*_log"])
        .ok();
    let snapshot = live.snapshot();
    assert!(
        snapshot.contains("users_log") && !snapshot.contains("users_age"),
        "{snapshot}"
    );
    assert_eq!(planned(&sandbox, live), ["create users_age"]);
    sandbox
        .on(live, &["plan", "-t", "*_log", "--detailed-exitcode"])
        .ok();
}

/// Where a name is unique whatever the table, what has it has to go: SQLite refused the apply in the middle.
#[test]
fn a_target_takes_along_what_has_its_name() {
    let mut live = Sqlite::new();
    live.batch(TABLES);
    live.batch("CREATE TABLE others (id integer, age integer)");
    let sandbox = Sandbox::with_spec(&spec(&[AGE, LOG]));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let moved = AGE.replace("table = \"users\"", "table = \"others\"");
    assert_ne!(moved, AGE);
    sandbox.write("triggers.toml", spec(&[&moved]));
    let of_others = ["--target", "others.*"];
    sandbox
        .on(&live, &[&["apply", "--yes"], &of_others[..]].concat())
        .ok()
        .says(&[
            "drop trigger",
            "on users",
            "on others",
            "1 created, 1 dropped",
        ]);
    assert_eq!(planned(&sandbox, &live), ["drop users_log"]);
    sandbox
        .on(
            &live,
            &[&["plan", "--detailed-exitcode"], &of_others[..]].concat(),
        )
        .ok();
}

/// What a template of the user's adds no definition says: a rollback took the trigger for what it had been, said that it had gone
/// back, and left it.
#[test]
fn a_rollback_takes_back_what_a_template_adds() {
    let mut live = Sqlite::new();
    live.batch(TABLES);
    let sandbox = Sandbox::with_spec(&spec(&[AGE]));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let before = live.snapshot();
    let text = sandbox.read("triggers.toml");
    let text = text.replacen("version = 1", "version = 1\ntemplates = 'ours'", 1);
    sandbox.write("triggers.toml", text);
    let template = include_str!("../templates/sqlite/create_trigger.sql");
    sandbox.write(
        "ours/sqlite/create_trigger.sql",
        template.replace("BEGIN\n", "/* ours */ BEGIN\n"),
    );
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let after = live.snapshot();
    assert!(after.contains("/* ours */"), "{after}");
    sandbox
        .on(&live, &["rollback", "--yes"])
        .ok()
        .says(&["replace", "written in another way"]);
    assert_same("back", &before, &live.snapshot());
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_same("and forth", &after, &live.snapshot());
    empty(&sandbox, &live);
}

/// The same of one that was somebody's before: the record that comes back would stand for a text that is not there.
#[test]
fn what_a_template_added_to_what_was_taken_over_comes_back() {
    let mut live = Sqlite::new();
    live.batch(TABLES);
    live.batch(
        "CREATE TRIGGER users_age AFTER INSERT ON users FOR EACH ROW WHEN NEW.age > 0
         BEGIN UPDATE users SET age = age + 1 WHERE id = NEW.id; END",
    );
    let before = live.snapshot();
    let text = spec(&[AGE]).replacen("version = 1", "version = 1\ntemplates = 'ours'", 1);
    let sandbox = Sandbox::with_spec(&text);
    let template = include_str!("../templates/sqlite/create_trigger.sql");
    sandbox.write(
        "ours/sqlite/create_trigger.sql",
        template.replace("BEGIN\n", "/* ours */ BEGIN\n"),
    );
    sandbox.on(&live, &["apply", "--yes", "--adopt"]).ok();
    let after = live.snapshot();
    assert!(after.contains("/* ours */"), "{after}");
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_same("back", &before, &live.snapshot());
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_same("and forth", &after, &live.snapshot());
    empty(&sandbox, &live);
}

/// A trigger outside of the target that is to get another name still calls its function by the old one: PostgreSQL refused to
/// drop that in the middle of the apply.
#[test]
fn a_target_leaves_what_a_renamed_trigger_calls() {
    let mut live = Postgres::new();
    live.batch(TABLES);
    let named = |name: &str| AGE.replace("name = \"users_age\"", name);
    let sandbox = Sandbox::with_spec(&spec(&[&named("name = 'age'")]));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let before = live.snapshot();
    let renamed = named("name = 'years'\nrenamed_from = 'age'");
    let shared = format!("{renamed}\n[trigger.postgres]\nshared = true");
    sandbox.write("triggers.toml", spec(&[&shared]));
    // The name of the function, which the trigger's own is not.
    sandbox
        .on(&live, &["apply", "--yes", "--target", "users_*"])
        .ok();
    assert_same("nothing of it can go alone", &before, &live.snapshot());
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty(&sandbox, &live);
}

fn nothing_to_apply_is_no_migration(live: &mut dyn Live) {
    let sandbox = applied(live, &[AGE]);
    let before = live.everything();
    sandbox.on(live, &["apply", "--yes"]).ok();
    let run = sandbox
        .on(live, &["apply", "--yes", "--format", "json"])
        .ok();
    run.json();
    assert_same("nothing was written", &before, &live.everything());
}

fn message_is_kept(live: &mut dyn Live) {
    live.batch(TABLES);
    let sandbox = Sandbox::with_spec(&spec(&[AGE]));
    sandbox
        .on(live, &["apply", "--yes", "-m", "It's the 'first' 🦀"])
        .ok();
    let sql = format!("SELECT message FROM {}", live.migrations());
    assert_eq!(live.run(&sql), "It's the 'first' 🦀\n");
    sandbox
        .on(live, &["history"])
        .ok()
        .says(&["It's the 'first' 🦀"]);
}

fn missing_table_column_function(live: &mut dyn Live) {
    live.batch(TABLES);
    let before = live.everything();
    let sandbox = Sandbox::new();
    let mut refused = |text: String, words: &[&str]| {
        sandbox.write("triggers.toml", spec(&[&text]));
        sandbox.on(live, &["plan"]).code(1).says(words);
        sandbox.on(live, &["apply", "--yes"]).code(1).says(words);
        assert_same("nothing was done", &before, &live.everything());
    };
    refused(
        AGE.replace("\"users\"", "\"user\""),
        &["user", "users", "triggers.toml"],
    );
    refused(AGE.replace("NEW.age > 0", "NEW.agee > 0"), &["agee"]);
    refused(
        AGE.replace("[\"insert\"]", "[\"update\"]\nupdate_of = [\"agee\"]"),
        &["agee"],
    );
}

/// So many triggers of two sorts that each sort is recorded by INSERT, and all of them at once by COPY.
fn of_two_sorts() -> String {
    let trigger = |number: usize| {
        let sort = ["even", "odd"][number % 2];
        format!(
            r#"
[[trigger]]
name = '{sort}{number} "\N" \. é'
table = "users"
timing = "after"
events = ["insert"]
body = """
INSERT INTO log (what) VALUES ('\\\\N\ta tab, \\\\. and {number}' || E'\\\\n');
"""
"#
        )
    };
    let all: String = (0..300).map(trigger).collect();
    format!("version = 1\n{all}")
}

/// What is recorded of many objects is the same as of few.
#[test]
fn many_objects_are_recorded_as_few_are() {
    let rows = |live: &mut Postgres| {
        live.run(
            "SELECT kind, schema, \"table\", name, rendered_digest, live_fingerprint, definition, before
             FROM triggerctl.objects ORDER BY kind, name",
        )
    };
    let sandbox = Sandbox::with_spec(&of_two_sorts());
    let mut live = Postgres::new();
    live.batch(TABLES);
    for sort in ["odd*", "even*"] {
        let apply = ["apply", "--yes", "--target", sort];
        sandbox.on(&live, &apply).ok();
    }
    let apart = rows(&mut live);
    let mut live = Postgres::new();
    live.batch(TABLES);
    let before = live.snapshot();
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_eq!(apart.lines().count(), 600);
    assert_same("the rows", &apart, &rows(&mut live));
    empty(&sandbox, &live);
    // What came out otherwise than it was meant to is seen, and the rows that follow are not written.
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_same("rolled back", &before, &live.snapshot());
    live.batch(
        "CREATE FUNCTION meddle() RETURNS event_trigger LANGUAGE plpgsql AS $$
         BEGIN
           IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity LIKE '%odd299%') THEN
             EXECUTE (SELECT format('ALTER TABLE users DISABLE TRIGGER %I', tgname) FROM pg_trigger WHERE tgname LIKE 'odd299%');
           END IF;
         END $$;
         CREATE EVENT TRIGGER meddle ON ddl_command_end WHEN TAG IN ('CREATE TRIGGER') EXECUTE FUNCTION meddle();",
    );
    let everything = live.everything();
    let run = sandbox.on(&live, &["apply", "--yes"]).code(1);
    run.says(&["odd299", "is not as planned", "enabled"])
        .never_says(&["COPY"]);
    assert_same("nothing was changed", &everything, &live.everything());
    live.batch("DROP EVENT TRIGGER meddle");
    sandbox.on(&live, &["apply", "--yes"]).ok();
}

/// A template of one's own goes on to write them, however many there are.
#[test]
fn many_objects_by_a_template_of_ones_own() {
    let mut live = Postgres::new();
    live.batch(TABLES);
    let spec = of_two_sorts().replace("version = 1\n", "version = 1\ntemplates = \"mine\"\n");
    let sandbox = Sandbox::with_spec(&spec);
    let template = include_str!("../templates/postgres/history_insert_objects.sql");
    let mine = template.replace("row.rendered_digest | literal", "'mine' | literal");
    sandbox.write("mine/postgres/history_insert_objects.sql", mine);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let by_it = "SELECT count(*) FROM triggerctl.objects WHERE rendered_digest = 'mine'";
    assert_eq!(live.run(by_it), "600\n");
}

/// Names are byte for byte on PostgreSQL: a function that is shared stays while another trigger needs it.
#[test]
fn shared_function_stays() {
    let mut live = Postgres::new();
    live.batch(TABLES);
    let function = "
[[function]]
name = \"shared\"
body = \"BEGIN INSERT INTO log (what) VALUES (TG_NAME); RETURN NULL; END\"
";
    let call = |name: &str| {
        format!(
            "
[[trigger]]
name = \"{name}\"
table = \"users\"
timing = \"after\"
events = [\"insert\"]
[trigger.postgres]
function = \"shared\"
"
        )
    };
    let sandbox = Sandbox::with_spec(&spec(&[function, &call("a"), &call("b")]));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.write("triggers.toml", spec(&[function, &call("b")]));
    let apply = ["apply", "--yes", "--allow", "drops_protection"];
    sandbox.on(&live, &apply).ok();
    let snapshot = live.snapshot();
    assert!(
        snapshot.contains("function public.shared") && !snapshot.contains("trigger public.users.a"),
        "{snapshot}"
    );
    empty(&sandbox, &live);

    // A trigger of somebody else calls it too: it stays where it is.
    live.batch("CREATE TRIGGER theirs AFTER INSERT ON users EXECUTE FUNCTION shared()");
    sandbox.write("triggers.toml", spec(&[]));
    sandbox.on(&live, &apply).ok();
    let snapshot = live.snapshot();
    assert!(
        snapshot.contains("function public.shared")
            && snapshot.contains("trigger public.users.theirs"),
        "{snapshot}"
    );
    empty(&sandbox, &live);
}

/// CREATE OR REPLACE resets the enabled state; owner and rights of the function must stay as well.
#[test]
fn replaced_function_keeps_owner_and_rights() {
    let mut live = Postgres::new();
    let role = format!("{}_owner", live.name());
    live.batch(TABLES);
    let disabled = format!("{LOG}\n[trigger.postgres]\nenabled = \"always\"\n");
    let sandbox = Sandbox::with_spec(&spec(&[&disabled]));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch(&format!(
        "CREATE ROLE {role}; ALTER FUNCTION users_log() OWNER TO {role}; REVOKE EXECUTE ON FUNCTION users_log() FROM PUBLIC;"
    ));
    let first = live.snapshot();
    sandbox.write(
        "triggers.toml",
        spec(&[&disabled
            .replace("NEW.name", "'x'")
            .replace("[\"insert\"]", "[\"insert\", \"update\"]")]),
    );
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let second = live.snapshot();
    assert!(second.contains(&format!("owned by {role}")), "{second}");
    assert!(second.contains("users_log A "), "{second}");
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    let back = live.snapshot();
    sandbox.on(&live, &["rollback", "--to", "0", "--yes"]).ok();
    live.batch(&format!("DROP OWNED BY {role}; DROP ROLE {role};"));
    assert_same("version 1", &first, &back);
}

/// Who owns a SECURITY DEFINER function, and who may put it on a table of his own, is part of what it does; of any other
/// function neither is.
#[test]
#[allow(clippy::too_many_lines)] // A story.
fn whose_rights_a_function_runs_with_is_no_small_thing() {
    let mut live = Postgres::new();
    let role = format!("{}_clerk", live.name());
    live.batch(TABLES);
    let sealed = |body: &str| {
        LOG.replace("NEW.name", body)
            + "\n[trigger.postgres]\nsecurity = \"definer\"\nsearch_path = [\"public\", \"pg_temp\"]\n"
    };
    let sandbox = Sandbox::with_spec(&spec(&[AGE, &sealed("'a'")]));
    // By a script, which must write down as much as apply does.
    let sql = sandbox.on(&live, &["plan", "--format", "sql"]).ok().stdout;
    script(&live, &sql).ok();
    empty(&sandbox, &live);
    let query = "SELECT proname, proowner::regrole::text, has_function_privilege('public', oid, 'EXECUTE'),
        coalesce((SELECT string_agg(item::text, ',' ORDER BY item::text) FROM unnest(proacl) AS item), 'default') FROM pg_proc WHERE proname IN ('users_age', 'users_log') ORDER BY 1";
    let whose = |live: &mut Postgres| live.run(query);
    let first = whose(&mut live);
    assert_eq!(
        first,
        "users_age|postgres|t|default\nusers_log|postgres|t|default\n"
    );

    live.batch(&format!(
        "CREATE ROLE {role}; ALTER FUNCTION users_age() OWNER TO {role}; REVOKE EXECUTE ON FUNCTION users_age() FROM PUBLIC"
    ));
    empty(&sandbox, &live);
    live.batch(&format!("ALTER FUNCTION users_log() OWNER TO {role}"));
    sandbox
        .on(&live, &["check"])
        .code(2)
        .says(&[
            "restore function public.users_log",
            "changed by hand since version 1: owner",
            "- postgres",
            &format!("+ {role}"),
            "`--adopt` keeps it as it is now",
        ])
        .never_says(&["users_age", "execute:"]);
    sandbox
        .on(&live, &["rollback", "--yes"])
        .code(3)
        .says(&["function public.users_log was changed by hand: owner"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert!(whose(&mut live).contains("users_log|postgres|t"));
    empty(&sandbox, &live);

    // Who may put it on a table, and pass that on; a change of the spec does not hide it.
    live.batch(&format!(
        "REVOKE EXECUTE ON FUNCTION users_log() FROM PUBLIC; GRANT EXECUTE ON FUNCTION users_log() TO {role} WITH GRANT OPTION"
    ));
    let drifted = whose(&mut live);
    sandbox.write("triggers.toml", spec(&[AGE, &sealed("'b'")]));
    sandbox.on(&live, &["plan"]).ok().says(&[
        "changed by hand since version 2: execute, and the spec changed too",
        "- everybody, the owner",
        &format!("+ the owner, {role} (may grant it)"),
    ]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert!(whose(&mut live).contains("users_log|postgres|t"));
    assert!(!whose(&mut live).contains(&format!("{role}=X*")));
    empty(&sandbox, &live);
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_same("owner and rights", &drifted, &whose(&mut live));
    sandbox.on(&live, &["check"]).code(2).says(&["execute"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();

    // Passed on to somebody else: nothing is revoked that no plan has shown.
    live.batch(&format!(
        "CREATE ROLE {role}_2; GRANT EXECUTE ON FUNCTION users_log() TO {role} WITH GRANT OPTION;
         SET ROLE {role}; GRANT EXECUTE ON FUNCTION users_log() TO {role}_2; RESET ROLE"
    ));
    let before = live.everything();
    sandbox
        .on(&live, &["apply", "--yes"])
        .code(1)
        .says(&[
            "dependent privileges exist",
            "the role has passed the right on",
        ])
        .never_says(&["cascade"]);
    assert_same("all that was granted", &before, &live.everything());
    live.batch(&format!(
        "SET ROLE {role}; REVOKE EXECUTE ON FUNCTION users_log() FROM {role}_2; RESET ROLE; DROP ROLE {role}_2"
    ));
    sandbox.on(&live, &["apply", "--yes"]).ok();

    // The same rights, written out, are no difference; nor is what nobody can do anything with.
    live.batch("REVOKE EXECUTE ON FUNCTION users_log() FROM PUBLIC; GRANT EXECUTE ON FUNCTION users_log() TO PUBLIC");
    empty(&sandbox, &live);

    // Meant so: it is kept, and comes back.
    live.batch(&format!("ALTER FUNCTION users_log() OWNER TO {role}"));
    sandbox.on(&live, &["check"]).code(2);
    sandbox
        .on(&live, &["apply", "--yes", "--adopt"])
        .ok()
        .says(&["adopt function public.users_log"]);
    empty(&sandbox, &live);
    let kept = whose(&mut live);
    assert!(kept.contains(&format!("users_log|{role}|t")), "{kept}");
    live.batch("DROP FUNCTION users_log() CASCADE");
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_same("owner and rights", &kept, &whose(&mut live));
    // The role is gone as well: somebody has to own it.
    live.batch(&format!(
        "DROP FUNCTION users_log() CASCADE; ALTER FUNCTION users_age() OWNER TO postgres; DROP OWNED BY {role}; DROP ROLE {role}"
    ));
    sandbox
        .on(&live, &["apply", "--yes"])
        .code(1)
        .says(&[&role]);
    sandbox.on(&live, &["apply", "--yes", "--adopt"]).ok();
    assert!(whose(&mut live).contains("users_log|postgres|t"));
    empty(&sandbox, &live);
}

/// What somebody drops while it is read can be read again: exit code 4 says so. (Here it is gone for good, to be seen at all.)
#[test]
fn what_goes_while_it_is_read_is_worth_another_try() {
    let mut live = Postgres::new();
    live.batch(TABLES);
    live.batch("CREATE FUNCTION known(text) RETURNS boolean LANGUAGE sql AS 'SELECT true'");
    let known = LOG.to_owned() + "when = 'known(NEW.name)'\n";
    let sandbox = Sandbox::with_spec(&spec(&[&known]));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.write(
        "triggers.toml",
        spec(&[&known.replace("known(", "NOT known(")]),
    );
    live.batch("SET allow_system_table_mods = on; DELETE FROM pg_proc WHERE proname = 'known'");
    sandbox
        .on(&live, &["plan"])
        .code(4)
        .says(&["cache lookup failed", "try again"]);
}

/// A schema that is not there is found before anything runs.
#[test]
fn a_function_needs_its_schema() {
    let mut live = Postgres::new();
    live.batch(TABLES);
    let there = AGE.to_owned() + "\n[trigger.postgres]\nfunction_name = 'nowhere.age'\n";
    let helper = "[[function]]\nname = 'neither.helper'\nbody = 'BEGIN RETURN NEW; END'\n";
    let sandbox = Sandbox::with_spec(&spec(&[&there, helper]));
    for command in [&["plan"][..], &["check"], &["apply", "--yes"]] {
        sandbox.on(&live, command).code(1).says(&[
            "there is no schema `nowhere` for function nowhere.age",
            "there is no schema `neither` for function neither.helper",
            "2 errors",
        ]);
    }
    let audit = Sandbox::with_spec(&spec(&[
        "[[trigger]]\nuse = 'audit'\ntable = 'users'\ncreate_table = true\nwith = { target = 'nowhere.log' }\n",
    ]));
    audit
        .on(&live, &["plan"])
        .code(1)
        .says(&["there is no schema `nowhere` for table nowhere.log, to which `audit` writes"]);
    live.batch("CREATE SCHEMA nowhere; CREATE SCHEMA neither");
    audit.on(&live, &["plan"]).ok();
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty(&sandbox, &live);
    // It may have been dropped or renamed since.
    live.batch("ALTER SCHEMA nowhere RENAME TO elsewhere");
    sandbox
        .on(&live, &["plan"])
        .code(1)
        .says(&["there is no schema `nowhere`"]);
    live.batch("ALTER SCHEMA elsewhere RENAME TO nowhere");
    empty(&sandbox, &live);
}

/// What two triggers call may have been dropped by hand after one of them went, and the other brought it back: then it is
/// there for the first one too.
#[test]
fn a_trigger_comes_back_with_the_function_that_it_calls() {
    let mut live = Postgres::new();
    live.batch(TABLES);
    let calls = |name: &str, function: &str| {
        format!(
            "[[trigger]]\nname = '{name}'\ntable = 'users'\ntiming = 'before'\nevents = ['update']\n[trigger.postgres]\nfunction = '{function}'\n"
        )
    };
    let shared = "[[function]]\nname = 'shared'\nbody = 'BEGIN RETURN NEW; END'\n";
    let sandbox = Sandbox::with_spec(&spec(&[
        &calls("one", "shared"),
        &calls("other", "shared"),
        &calls("builtin", "pg_catalog.suppress_redundant_updates_trigger"),
        shared,
    ]));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.write("triggers.toml", spec(&[&calls("other", "shared"), shared]));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch("DROP FUNCTION shared() CASCADE");
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.on(&live, &["rollback", "--to", "1", "--yes"]).ok();
    let snapshot = live.snapshot();
    assert!(snapshot.contains("trigger public.users.one "), "{snapshot}");
    assert!(
        snapshot.contains("trigger public.users.builtin "),
        "{snapshot}"
    );
    // The other one had been dropped by hand, and is so again.
    assert!(
        !snapshot.contains("trigger public.users.other "),
        "{snapshot}"
    );
}

/// A function that is nobody's may be gone when the trigger that called it is to come back: that is said before anything runs.
#[test]
fn a_trigger_whose_function_is_gone_does_not_come_back() {
    let mut live = Postgres::new();
    live.batch(TABLES);
    let theirs =
        "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'";
    live.batch(theirs);
    let sandbox = Sandbox::with_spec(&spec(&[
        "[[trigger]]\nname = 'one'\ntable = 'users'\ntiming = 'before'\nevents = ['update']\n[trigger.postgres]\nfunction = 'theirs'\n",
    ]));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let there = live.snapshot();
    sandbox.write("triggers.toml", spec(&[]));
    sandbox
        .on(&live, &["apply", "--yes", "--allow", "another_spec"])
        .ok();
    live.batch("DROP FUNCTION theirs()");
    let before = live.everything();
    sandbox
        .on(&live, &["rollback", "--yes"])
        .code(3)
        .says(&["trigger one", "calls function public.theirs, which is gone"]);
    assert_same("refused", &before, &live.everything());
    live.batch(theirs);
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_same("back", &there, &live.snapshot());
}
