//! A plan that need not work out anew what the spec asks for: it must be taken where nothing has changed, and must never
//! be taken where anything has, be it in the spec, around it, in the history, or in the database.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "rendering/beside.rs"]
mod beside;
mod common;

use common::{Live, Run, Sandbox};

for_each_dialect!(
    nothing_changed,
    the_spec_changed,
    what_is_around_the_spec_changed,
    the_tables_changed,
    the_live_side_changed,
    the_history_moved,
    the_history_was_changed_by_hand,
    there_is_no_place_for_it,
    nothing_secret_is_written_down,
    names_of_before_are_looked_at,
    check_looks_at_every_body,
);

const TABLES: &str = "
CREATE TABLE users (id integer PRIMARY KEY, name text, age integer);
CREATE TABLE log (what text);
";

const TRIGGER: &str = r#"
[[trigger]]
name = "{{ table }}_log"
tables = ["users*"]
timing = "after"
events = ["insert"]
body = "INSERT INTO log (what) VALUES ({{ vars.what | literal }});"
"#;

/// What `-vv` says where the short way was taken.
const SHORT: &str = "nothing that the spec is made from has changed";

fn spec(what: &str) -> String {
    format!("version = 1\n[vars]\nwhat = \"{what}\"\n{TRIGGER}")
}

/// The tables, and a spec applied as version 1.
fn applied(live: &mut dyn Live, spec: &str) -> Sandbox {
    live.batch(TABLES);
    let sandbox = Sandbox::with_spec(spec);
    sandbox.on(live, &["apply", "--yes"]).ok();
    sandbox
}

fn plan(sandbox: &Sandbox, live: &dyn Live) -> Run {
    sandbox.on(live, &["-vv", "plan", "--detailed-exitcode"])
}

/// A plan that took the short way.
#[track_caller]
fn short(sandbox: &Sandbox, live: &dyn Live) {
    let run = plan(sandbox, live).ok();
    assert!(run.stderr.contains(SHORT), "{run}");
}

/// A plan that found no difference the long way.
#[track_caller]
fn long(sandbox: &Sandbox, live: &dyn Live) {
    let run = plan(sandbox, live).ok();
    assert!(!run.stderr.contains(SHORT), "{run}");
}

/// A plan that found something to do.
#[track_caller]
fn differs(sandbox: &Sandbox, live: &dyn Live) -> Run {
    let run = plan(sandbox, live).code(2);
    assert!(!run.stderr.contains(SHORT), "{run}");
    run
}

fn nothing_changed(live: &mut dyn Live) {
    let sandbox = applied(live, &spec("a"));
    let before = live.everything();
    short(&sandbox, live);
    let json = sandbox.on(live, &["plan", "--format", "json"]).ok().json();
    // The document is that of the long way.
    live.batch(&format!(
        "UPDATE {} SET rendering = NULL",
        live.migrations()
    ));
    long(&sandbox, live);
    let mut other = sandbox.on(live, &["plan", "--format", "json"]).ok().json();
    assert_eq!(json, other.take());
    sandbox.on(live, &["plan", "--format", "sql"]).ok();
    assert_ne!(before, live.everything());
    // Apply has nothing to do, and writes nothing.
    let before = live.everything();
    sandbox.on(live, &["apply", "--yes"]).ok();
    assert_eq!(before, live.everything());
    // What nobody manages is counted all the same.
    let sandbox_unmanaged = match live.dialect() {
        "sqlite" => "CREATE TRIGGER theirs AFTER DELETE ON log BEGIN SELECT 1; END",
        _ => {
            "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
              CREATE TRIGGER theirs AFTER DELETE ON log FOR EACH ROW EXECUTE FUNCTION theirs()"
        }
    };
    live.batch(sandbox_unmanaged);
    let plan = sandbox.on(live, &["plan", "--format", "json"]).ok().json();
    assert_eq!(plan["unmanaged"][0]["name"], "theirs");
}

fn the_spec_changed(live: &mut dyn Live) {
    let sandbox = applied(live, &spec("a"));
    short(&sandbox, live);
    sandbox.write("triggers.toml", spec("b"));
    differs(&sandbox, live);
    sandbox.write(
        "triggers.toml",
        format!("# {}", spec("a").replace("version", "\nversion")),
    );
    long(&sandbox, live);
    sandbox.write("triggers.toml", spec("a").replace("insert\"", "delete\""));
    differs(&sandbox, live);
    sandbox.write("triggers.toml", "version = 1\n");
    differs(&sandbox, live);
    sandbox.write("triggers.toml", spec("a") + "body = 1\n");
    plan(&sandbox, live).code(1);
    sandbox.write("triggers.toml", spec("a"));
    short(&sandbox, live);
    // In a file that is included.
    let main = "version = 1\ninclude = [\"parts/*.toml\"]\n[vars]\nwhat = \"a\"\n";
    sandbox.write("triggers.toml", main);
    sandbox.write("parts/a.toml", TRIGGER);
    long(&sandbox, live);
    let second = TRIGGER
        .replace("_log", "_second")
        .replace("insert\"", "delete\"");
    sandbox.write("parts/b.toml", &second);
    differs(&sandbox, live);
    sandbox.on(live, &["apply", "--yes"]).ok();
    short(&sandbox, live);
    sandbox.write("parts/b.toml", second.replace("delete\"", "update\""));
    differs(&sandbox, live);
    std::fs::remove_file(sandbox.path().join("parts/b.toml")).unwrap();
    differs(&sandbox, live);
}

fn what_is_around_the_spec_changed(live: &mut dyn Live) {
    let environments = format!(
        "{}\n[environments.one.vars]\nwhat = \"a\"\n[environments.two.vars]\nwhat = \"b\"\n",
        spec("a")
    );
    let with = |sandbox: &Sandbox, live: &dyn Live, environment: &str| {
        sandbox.on(
            live,
            &["-vv", "-e", environment, "plan", "--detailed-exitcode"],
        )
    };
    live.batch(TABLES);
    let sandbox = Sandbox::with_spec(&environments);
    sandbox.on(live, &["-e", "one", "apply", "--yes"]).ok();
    assert!(with(&sandbox, live, "one").ok().stderr.contains(SHORT));
    assert!(!with(&sandbox, live, "two").code(2).stderr.contains(SHORT));
    long(&sandbox, live);
    // The user's templates.
    let template = match live.dialect() {
        "sqlite" => include_str!("../templates/sqlite/create_trigger.sql"),
        _ => include_str!("../templates/postgres/create_trigger.sql"),
    };
    sandbox.write("templates/.keep", "");
    sandbox.write(
        "triggers.toml",
        spec("a").replace("[vars]", "templates = \"templates\"\n[vars]"),
    );
    long(&sandbox, live);
    let path = format!("templates/{}/create_trigger.sql", live.dialect());
    sandbox.write(&path, template);
    sandbox.on(live, &["apply", "--yes"]).ok();
    sandbox.write(&path, template.replace("CREATE ", "CREATE  "));
    differs(&sandbox, live);
}

fn the_tables_changed(live: &mut dyn Live) {
    let columns = spec("a").replace(
        "{{ vars.what | literal }}",
        "{{ columns | join(' ') | literal }}",
    );
    let sandbox = applied(live, &columns);
    short(&sandbox, live);
    live.batch("ALTER TABLE users ADD COLUMN email text");
    differs(&sandbox, live);
    sandbox.on(live, &["apply", "--yes"]).ok();
    short(&sandbox, live);
    live.batch("ALTER TABLE users RENAME COLUMN email TO mail");
    differs(&sandbox, live);
    sandbox.on(live, &["apply", "--yes"]).ok();
    short(&sandbox, live);
    // A table more that the pattern matches, and a table less.
    live.batch("CREATE TABLE users_2 (id integer PRIMARY KEY)");
    differs(&sandbox, live);
    sandbox.on(live, &["apply", "--yes"]).ok();
    short(&sandbox, live);
    live.batch("DROP TABLE users_2");
    plan(&sandbox, live);
    long_or_differs(&sandbox, live);
    // One that no pattern matches is nobody's business.
    sandbox.on(live, &["apply", "--yes"]).ok();
    live.batch("CREATE TABLE other (id integer)");
    let run = plan(&sandbox, live).ok();
    assert!(run.stdout.contains("Nothing to do"), "{run}");
}

/// Whatever it finds, it looked.
#[track_caller]
fn long_or_differs(sandbox: &Sandbox, live: &dyn Live) {
    let run = plan(sandbox, live);
    assert!(!run.stderr.contains(SHORT), "{run}");
}

fn the_live_side_changed(live: &mut dyn Live) {
    let sandbox = applied(live, &spec("a"));
    short(&sandbox, live);
    match live.dialect() {
        "sqlite" => live.batch(
            "DROP TRIGGER users_log; CREATE TRIGGER users_log AFTER INSERT ON users BEGIN DELETE FROM log; END",
        ),
        _ => live.batch("ALTER TABLE users DISABLE TRIGGER users_log"),
    }
    let run = differs(&sandbox, live);
    assert!(run.stdout.contains("by hand"), "{run}");
    sandbox.on(live, &["apply", "--yes"]).ok();
    short(&sandbox, live);
    match live.dialect() {
        "sqlite" => live.batch("DROP TRIGGER users_log"),
        _ => live.batch("DROP TRIGGER users_log ON users"),
    }
    let run = differs(&sandbox, live);
    assert!(run.stdout.contains("gone from the database"), "{run}");
    sandbox.on(live, &["check"]).code(2);
    sandbox.on(live, &["apply", "--yes"]).ok();
    short(&sandbox, live);
    if live.dialect() == "postgres" {
        live.batch("CREATE OR REPLACE FUNCTION users_log() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'");
        differs(&sandbox, live);
        // Where names are looked for.
        sandbox.on(live, &["apply", "--yes"]).ok();
        short(&sandbox, live);
        live.batch("CREATE SCHEMA aside; CREATE TABLE aside.users (id integer); DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = aside, public', current_database()); END $$");
        differs(&sandbox, live);
    }
}

fn the_history_moved(live: &mut dyn Live) {
    let sandbox = applied(live, &spec("a"));
    short(&sandbox, live);
    sandbox.on(live, &["rollback", "--yes"]).ok();
    differs(&sandbox, live);
    sandbox.on(live, &["apply", "--yes"]).ok();
    short(&sandbox, live);
    // Back to an older state, and then to an older spec.
    sandbox.write("triggers.toml", spec("b"));
    sandbox.on(live, &["apply", "--yes"]).ok();
    short(&sandbox, live);
    sandbox.on(live, &["rollback", "--yes"]).ok();
    differs(&sandbox, live);
    sandbox.write("triggers.toml", spec("a"));
    let run = plan(&sandbox, live).ok();
    assert!(run.stdout.contains("Nothing to do"), "{run}");
    // A part of the spec only.
    live.batch("CREATE TABLE users_2 (id integer PRIMARY KEY); CREATE TABLE users_3 (id integer PRIMARY KEY)");
    sandbox
        .on(live, &["apply", "--yes", "--target", "users_2*"])
        .ok();
    let run = differs(&sandbox, live);
    assert!(run.stdout.contains("users_3"), "{run}");
    sandbox
        .on(live, &["apply", "--yes", "--target", "users_3*"])
        .ok();
    let run = plan(&sandbox, live).ok();
    assert!(run.stdout.contains("Nothing to do"), "{run}");
    // A saved plan, and a script.
    sandbox.write("triggers.toml", spec("c"));
    sandbox.on(live, &["plan", "--out", "plan.json"]).ok();
    sandbox.on(live, &["apply", "--yes", "plan.json"]).ok();
    long(&sandbox, live);
    sandbox.write("triggers.toml", spec("d"));
    let script = sandbox.on(live, &["plan", "--format", "sql"]).ok();
    common::script(live, &script.stdout);
    long(&sandbox, live);
}

fn the_history_was_changed_by_hand(live: &mut dyn Live) {
    let sandbox = applied(live, &spec("a"));
    let objects = live.migrations().replace("migrations", "objects");
    short(&sandbox, live);
    live.batch(&format!("UPDATE {objects} SET rendered_digest = 'x'"));
    let run = plan(&sandbox, live).ok();
    assert!(
        !run.stderr.contains(SHORT) && run.stdout.contains("adopt"),
        "{run}"
    );
    sandbox.on(live, &["apply", "--yes"]).ok();
    short(&sandbox, live);
    live.batch(&format!("UPDATE {objects} SET live_fingerprint = 'x'"));
    long_or_differs(&sandbox, live);
    sandbox.on(live, &["apply", "--yes"]).ok();
    live.batch(&format!("DELETE FROM {objects}"));
    let run = plan(&sandbox, live).ok();
    assert!(
        !run.stderr.contains(SHORT) && run.stdout.contains("adopt"),
        "{run}"
    );
}

fn there_is_no_place_for_it(live: &mut dyn Live) {
    let sandbox = applied(live, &spec("a"));
    let migrations = live.migrations();
    for broken in [
        "{}",
        "null",
        "[",
        "{\"source\": \"x\", \"questions\": [], \"result\": \"y\"}",
    ] {
        live.batch(&format!("UPDATE {migrations} SET rendering = '{broken}'"));
        long(&sandbox, live);
    }
    live.batch(&format!("ALTER TABLE {migrations} DROP COLUMN rendering"));
    long(&sandbox, live);
    sandbox.write("triggers.toml", spec("b"));
    sandbox.on(live, &["apply", "--yes"]).ok();
    long(&sandbox, live);
    sandbox.on(live, &["rollback", "--yes"]).ok();
    assert_eq!(live.versions(), ["1 applied", "2 applied", "3 applied"]);
}

fn nothing_secret_is_written_down(live: &mut dyn Live) {
    live.batch(TABLES);
    let run = |sandbox: &Sandbox, live: &dyn Live, what: &str, arguments: &[&str]| {
        let url = live.url();
        let mut command = sandbox.command(&[&["--url", &url], arguments].concat());
        command.env("WHAT", what);
        common::finish(command)
    };
    let sandbox = Sandbox::with_spec(&spec("${env:WHAT}"));
    run(&sandbox, live, "a", &["apply", "--yes"]).ok();
    let count = format!("SELECT count(rendering) FROM {}", live.migrations());
    assert_eq!(live.run(&count).trim(), "0");
    run(&sandbox, live, "a", &["plan", "--detailed-exitcode"]).ok();
    run(&sandbox, live, "b", &["plan", "--detailed-exitcode"]).code(2);
    // A variable may be called anything.
    sandbox.write(
        "triggers.toml",
        spec("b").replace("[vars]", "[vars]\nurl_of_it = \"${env:WHAT}\""),
    );
    run(&sandbox, live, "x", &["apply", "--yes"]).ok();
    assert_eq!(live.run(&count).trim(), "0");
    // A URL says nothing about triggers.
    sandbox.write(
        "triggers.toml",
        spec("c").replace("[vars]", "[database]\nurl = \"${env:NOT_SET}\"\n[vars]"),
    );
    sandbox.on(live, &["apply", "--yes"]).ok();
    short(&sandbox, live);
}

fn names_of_before_are_looked_at(live: &mut dyn Live) {
    let sandbox = applied(live, &spec("a"));
    sandbox.write(
        "triggers.toml",
        spec("a").replace("_log\"", "_logged\"\nrenamed_from = \"{{ table }}_log\""),
    );
    sandbox.on(live, &["apply", "--yes"]).ok();
    long(&sandbox, live);
}

fn check_looks_at_every_body(live: &mut dyn Live) {
    let sandbox = applied(live, &spec("a"));
    short(&sandbox, live);
    let run = sandbox.on(live, &["-vv", "check"]).ok();
    assert!(!run.stderr.contains(SHORT), "{run}");
    if live.dialect() == "sqlite" {
        live.batch("DROP TABLE log");
        let run = sandbox.on(live, &["check"]).code(1);
        assert!(run.stderr.contains("no such table"), "{run}");
    }
}
