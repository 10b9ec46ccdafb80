//! A constraint trigger is a constraint as well, whose name ALTER TRIGGER does not change; and errors that are no lock's.

use std::time::{Duration, Instant};

use crate::common::postgres::Postgres;
use crate::common::{Live, Sandbox, assert_same};

fn spec(name: &str, more: &str) -> String {
    format!(
        "version = 1
[[trigger]]
name = '{name}'
table = 't'
timing = 'after'
events = ['insert']
body = 'PERFORM 1;'
{more}
[trigger.postgres]
constraint = {{ deferrable = true, initially = 'deferred' }}
function_name = 'f'
"
    )
}

/// Names of the triggers of `t` and of their constraints.
fn names(live: &mut Postgres) -> String {
    live.run(
        "SELECT t.tgname, c.conname FROM pg_trigger t JOIN pg_constraint c ON c.oid = t.tgconstraint
         WHERE t.tgrelid = 't'::regclass ORDER BY 1",
    )
    .trim()
    .to_owned()
}

#[test]
fn a_constraint_trigger_that_was_renamed_by_hand() {
    let mut live = Postgres::new();
    live.batch("CREATE TABLE t (id integer)");
    let sandbox = Sandbox::with_spec(&spec("x", ""));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch("ALTER TRIGGER x ON t RENAME TO y");
    assert_eq!(names(&mut live), "y|x");
    let before = live.everything();
    let begun = Instant::now();
    for command in [&["plan"][..], &["check"], &["apply", "--yes"]] {
        sandbox.on(&live, command).code(3).says(&[
            "the constraint trigger `x` on public.t cannot be made",
            "it is that of the trigger `y`",
            "take it over with `renamed_from = \"y\"`",
        ]);
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "nobody waits");
    assert_same("nothing was changed", &before, &live.everything());

    // Each of the ways out that it names.
    live.batch("ALTER TABLE t RENAME CONSTRAINT x TO y");
    sandbox
        .on(&live, &["plan"])
        .ok()
        .says(&["was it renamed? both would fire"]);
    live.batch("ALTER TABLE t RENAME CONSTRAINT y TO x");
    sandbox.write("triggers.toml", spec("x", "renamed_from = 'y'"));
    sandbox.on(&live, &["apply", "--yes", "--adopt"]).ok();
    assert_eq!(names(&mut live), "x|x");
    sandbox.on(&live, &["check"]).ok();
    live.batch("ALTER TRIGGER x ON t RENAME TO y; ALTER TRIGGER y ON t RENAME TO x");
    sandbox.on(&live, &["check"]).ok();

    // And on the way back.
    sandbox.write("triggers.toml", "version = 1\n");
    sandbox
        .on(&live, &["apply", "--yes", "--allow", "another_spec"])
        .ok();
    live.batch(
        "CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE CONSTRAINT TRIGGER x AFTER DELETE ON t FOR EACH ROW EXECUTE FUNCTION g();
         ALTER TRIGGER x ON t RENAME TO z",
    );
    let before = live.everything();
    sandbox
        .on(&live, &["rollback", "--yes"])
        .code(3)
        .says(&["it is that of the trigger `z`"]);
    assert_same("nothing was changed", &before, &live.everything());
    live.batch("ALTER TABLE t RENAME CONSTRAINT x TO z");
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_eq!(names(&mut live), "x|x\nz|z");
}

/// Its constraint goes along, so that the next trigger of the old name has room.
#[test]
fn a_constraint_trigger_that_the_spec_renames() {
    let mut live = Postgres::new();
    live.batch("CREATE TABLE t (id integer)");
    let sandbox = Sandbox::with_spec(&spec("x", ""));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let before = live.snapshot();
    sandbox.write("triggers.toml", spec("y", "renamed_from = 'x'"));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_eq!(names(&mut live), "y|y");
    let both = spec("x", "") + spec("y", "").trim_start_matches("version = 1\n");
    sandbox.write("triggers.toml", &both);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_eq!(names(&mut live), "x|x\ny|y");
    sandbox.on(&live, &["rollback", "--yes", "--to", "1"]).ok();
    assert_same("as it was", &before, &live.snapshot());
    assert_eq!(names(&mut live), "x|x");
    // Renamed, and made again under the old name, at once; what was renamed by hand is made again under its name.
    sandbox.write(
        "triggers.toml",
        both.replacen("body", "body = 'PERFORM 2;'#", 1)
            .replacen("function_name = 'f'", "function_name = 'g'", 1)
            .replace("name = 'y'", "name = 'y'\nrenamed_from = 'x'"),
    );
    live.batch("ALTER TRIGGER x ON t RENAME TO h; ALTER TRIGGER h ON t RENAME TO x");
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_eq!(names(&mut live), "x|x\ny|y");
    sandbox.on(&live, &["check"]).ok();
}

#[test]
fn a_constraint_that_is_no_trigger_and_has_the_name() {
    let mut live = Postgres::new();
    live.batch("CREATE TABLE t (id integer CONSTRAINT x CHECK (id > 0))");
    let sandbox = Sandbox::with_spec(&spec("x", ""));
    sandbox
        .on(&live, &["plan"])
        .code(1)
        .says(&["has a constraint named `x` already"]);
    // Made after the plan: the server says it, and nobody waits for it to pass.
    live.batch("ALTER TABLE t DROP CONSTRAINT x");
    sandbox.on(&live, &["plan", "--out", "plan.json"]).ok();
    live.batch("ALTER TABLE t ADD CONSTRAINT x CHECK (id > 0)");
    let before = live.everything();
    let begun = Instant::now();
    sandbox
        .on(&live, &["apply", "--yes", "plan.json"])
        .code(1)
        .says(&["SQLSTATE 23505", "the table has a constraint of this name"])
        .never_says(&["another session"]);
    assert!(begun.elapsed() < Duration::from_secs(5), "nobody waits");
    assert_same("nothing was changed", &before, &live.everything());

    // A rollback asks no spec.
    live.batch("ALTER TABLE t DROP CONSTRAINT x");
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let empty = Sandbox::with_spec("version = 1\n");
    empty
        .on(&live, &["apply", "--yes", "--allow", "another_spec"])
        .ok();
    live.batch("ALTER TABLE t ADD CONSTRAINT x CHECK (id > 0)");
    empty.on(&live, &["rollback", "--yes"]).code(3).says(&[
        "the table has a constraint of this name",
        "give one of the two another name",
    ]);
}

/// The code of an error that a function raises is its author's choice: it is neither a lock nor a request to stop.
#[test]
fn an_event_trigger_that_raises_the_code_of_something_else() {
    let mut live = Postgres::new();
    live.batch("CREATE TABLE t (id integer)");
    let sandbox = Sandbox::with_spec(&spec("x", ""));
    for code in ["55P03", "40001", "40P01", "57014"] {
        live.batch(&format!(
            "CREATE OR REPLACE FUNCTION frozen() RETURNS event_trigger LANGUAGE plpgsql AS
             $$ BEGIN IF tg_tag = 'CREATE TRIGGER' THEN RAISE EXCEPTION 'frozen until Monday' USING ERRCODE = '{code}'; END IF; END $$;
             CREATE EVENT TRIGGER frozen ON ddl_command_end EXECUTE FUNCTION frozen()"
        ));
        let begun = Instant::now();
        sandbox
            .on(&live, &["apply", "--yes"])
            .code(1)
            .says(&["frozen until Monday", &format!("SQLSTATE {code}")])
            .never_says(&["another session", "a lock", "on request", "try again"]);
        assert!(begun.elapsed() < Duration::from_secs(5), "nobody waits");
        live.batch("DROP EVENT TRIGGER frozen");
    }
    sandbox.on(&live, &["apply", "--yes"]).ok();
}
