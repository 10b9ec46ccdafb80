//! What stands around the triggers is not as one expects it: search paths that name nothing, tables that have gone elsewhere,
//! a history that somebody has cleared up.

use std::sync::Barrier;
use std::time::Duration;

use crate::common::postgres::{Postgres, connect};
use crate::common::sqlite::Sqlite;
use crate::common::{Live, Sandbox, assert_same, eventually, finish};

const QUALIFIED: &str = "version = 1
[[trigger]]
name = 'touch'
table = 'app.t'
timing = 'before'
events = ['update']
when = 'NEW.id > 1'
body = 'NEW.id := NEW.id;'
";

/// What PostgreSQL's manual advises: nothing in `public`, and often no such schema.
#[test]
fn a_search_path_that_names_no_schema_is_none_that_names_with_a_schema_need() {
    let mut live = Postgres::new();
    live.batch("DROP SCHEMA public; CREATE SCHEMA app; CREATE TABLE app.t (id int)");
    let sandbox = Sandbox::with_spec(QUALIFIED);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.on(&live, &["check"]).ok();
    sandbox.on(&live, &["test"]).ok();
    let imported = Sandbox::new();
    imported
        .on(&live, &["import", "--out", "triggers.toml"])
        .ok();
    imported.on(&live, &["check"]).ok().says(&["Nothing to do"]);
    let empty = Sandbox::with_spec("version = 1\n");
    empty
        .on(&live, &["apply", "--yes", "--target", "touch"])
        .ok();
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    let begun = Sandbox::new();
    begun.on(&live, &["init"]).ok();
    assert!(begun.read("triggers.toml").contains("app.t"));
}

#[test]
fn a_name_without_a_schema_is_told_where_the_search_path_names_none() {
    let mut live = Postgres::new();
    live.batch("DROP SCHEMA public; CREATE SCHEMA app; CREATE TABLE app.t (id int)");
    let sandbox = Sandbox::with_spec(
        "version = 1
[[function]]
name = 'f'
body = 'BEGIN RETURN NULL; END'
[[trigger]]
name = 'x'
table = 'app.t'
timing = 'after'
events = ['insert']
[trigger.postgres]
function = 'g'
[[trigger]]
name = 'y'
table = 't'
timing = 'after'
events = ['insert']
body = 'NULL;'
[[trigger]]
use = 'audit'
table = 'app.t'
with = { target = 'audit_log' }
create_table = true
",
    );
    sandbox.on(&live, &["plan"]).code(1).says(&[
        "the function `f` has no schema: its name says none, and the search path names none that exists",
        "write `schema.f`",
        "the function `g` has no schema",
        "there is no table or view `t`",
        "did you mean `app.t`?",
        "the table `audit_log` has no schema",
        "triggers.toml:21:19",
        "4 errors",
    ]);
    sandbox.write(
        "triggers.toml",
        QUALIFIED.replace("table = 'app.t'", "tables = ['*']"),
    );
    sandbox
        .on(&live, &["plan"])
        .code(1)
        .says(&["the pattern `*` has no schema", "write `schema.*`"]);
}

#[test]
fn a_table_that_has_gone_to_another_schema_is_pointed_at() {
    let mut live = Postgres::new();
    live.batch("CREATE SCHEMA app; CREATE TABLE app.t (id int); CREATE TABLE app.other (id int)");
    let sandbox = Sandbox::with_spec(QUALIFIED);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    for (change, instead) in [
        ("ALTER SCHEMA app RENAME TO shop", "shop.t"),
        ("ALTER TABLE shop.t SET SCHEMA public", "public.t"),
    ] {
        live.batch(change);
        sandbox
            .on(&live, &["plan"])
            .code(1)
            .says(&[&format!("did you mean `{instead}`?")])
            .never_says(&["no tables at all"]);
    }
    live.batch("DROP TABLE t");
    sandbox
        .on(&live, &["plan"])
        .code(1)
        .says(&["create the table first"])
        .never_says(&["no tables at all"]);
    live.batch("DROP SCHEMA shop CASCADE");
    sandbox
        .on(&live, &["plan"])
        .code(1)
        .says(&["it has no tables at all: is this the right database?"]);
}

/// Clear the history up, one table and then the other: neither ends in an error that only this program's authors can read.
fn cleared(live: &mut dyn Live, sandbox: &Sandbox, spec: &str, prefix: &str) {
    sandbox.on(live, &["apply", "--yes"]).ok();
    let before = live.snapshot();
    live.batch(&format!("DELETE FROM {prefix}migrations"));
    sandbox.write(
        "triggers.toml",
        spec.replace('1', "2").replacen('2', "1", 1),
    );
    for command in [["apply", "--yes"], ["apply", "--yes"]] {
        sandbox.on(live, &command).code(1).says(&[
            "the history is not whole: migrations were deleted from it",
            "is recorded as of version 1, and the latest",
            "empty the table of objects as well",
        ]);
    }
    live.batch(&format!("DELETE FROM {prefix}objects"));
    sandbox.write("triggers.toml", spec);
    sandbox
        .on(live, &["apply", "--yes"])
        .ok()
        .says(&["adopted"]);
    for (table, other) in [("migrations", "objects"), ("objects", "migrations")] {
        live.batch(&format!(
            "ALTER TABLE {prefix}{table} RENAME TO triggerctl_aside"
        ));
        sandbox.on(live, &["plan"]).code(1).says(&[
            &format!("the history has lost its table `{prefix}{table}`"),
            &format!("or drop `{prefix}{other}` as well"),
        ]);
        let aside = if prefix.contains('.') {
            format!("{prefix}triggerctl_aside RENAME TO {table}")
        } else {
            format!("triggerctl_aside RENAME TO {prefix}{table}")
        };
        live.batch(&format!("ALTER TABLE {aside}"));
    }
    sandbox.on(live, &["check", "--no-lint"]).ok();
    let after = live.snapshot();
    assert_eq!(before, after);
}

#[test]
fn a_history_that_was_cleared_up_is_told_with_the_ways_out() {
    let mut live = Postgres::new();
    live.batch("CREATE SCHEMA app; CREATE TABLE app.t (id int)");
    cleared(
        &mut live,
        &Sandbox::with_spec(QUALIFIED),
        QUALIFIED,
        "triggerctl.",
    );
    let mut live = Sqlite::new();
    live.batch("CREATE TABLE t (id int); CREATE TABLE log (id int)");
    let spec = "version = 1
[[trigger]]
name = 'touch'
table = 't'
timing = 'before'
events = ['update']
when = 'NEW.id > 1'
body = 'INSERT INTO log VALUES (NEW.id);'
";
    cleared(&mut live, &Sandbox::with_spec(spec), spec, "triggerctl_");
}

/// A writer on one partition is in the way of a trigger on the whole: the message names him, and where he is.
#[test]
fn who_holds_a_partition_is_named() {
    let mut live = Postgres::new();
    live.batch(
        "CREATE SCHEMA app; CREATE TABLE app.t (id int) PARTITION BY RANGE (id);
         CREATE TABLE app.t1 PARTITION OF app.t FOR VALUES FROM (0) TO (10)",
    );
    let mut writer = live.connect();
    let mut writing = writer.transaction().unwrap();
    writing
        .batch_execute("INSERT INTO app.t1 VALUES (1)")
        .unwrap();
    let sandbox = Sandbox::with_spec(QUALIFIED);
    sandbox
        .on(&live, &["apply", "--yes", "--wait", "0"])
        .code(4)
        .says(&[
            "table `app.t1` is in use",
            "`app.t1` is held in RowExclusiveLock by process",
            "idle in transaction",
        ]);
    writing.rollback().unwrap();
    sandbox.on(&live, &["apply", "--yes"]).ok();
}

/// Nine tables; seven are let go of one after the other, and the writer of the last waits for the first. He began to wait
/// after the migration had the first, so his time comes while it waits for his: it must have given up by then.
#[test]
fn a_writer_who_waits_for_a_migration_is_never_the_victim_of_a_deadlock() {
    const LAST: usize = 8;
    let mut live = Postgres::new();
    for table in 0..=LAST {
        live.batch(&format!("CREATE TABLE t{table} (id int)"));
    }
    let sandbox = Sandbox::with_spec(
        "version = 1
[[trigger]]
name = '{{ table }}_x'
tables = ['t?']
timing = 'before'
events = ['insert']
body = 'NULL;'
",
    );
    let holding = Barrier::new(LAST + 1);
    let locked = Barrier::new(LAST + 1);
    let url = live.url();
    let writer = |table: usize| {
        let mut client = connect(&url);
        let mut transaction = client.transaction().unwrap();
        let lock = |table| format!("LOCK TABLE t{table} IN ROW EXCLUSIVE MODE");
        transaction.batch_execute(&lock(table)).unwrap();
        holding.wait();
        locked.wait();
        if table < LAST {
            std::thread::sleep(Duration::from_millis(150) * u32::try_from(table).unwrap());
        } else {
            std::thread::sleep(Duration::from_millis(100));
            transaction
                .batch_execute(&lock(0))
                .expect("a writer is not to be stopped");
        }
        transaction.commit().unwrap();
    };
    std::thread::scope(|scope| {
        for table in 1..=LAST {
            let writer = &writer;
            scope.spawn(move || writer(table));
        }
        holding.wait();
        let command = sandbox.command(&["--url", &url, "apply", "--yes", "--wait", "0"]);
        let migration = scope.spawn(|| finish(command));
        let mut watcher = connect(&url);
        eventually("the migration has the first table", || {
            let mode = "SELECT FROM pg_locks WHERE relation = 't0'::regclass AND granted
                        AND mode = 'ShareRowExclusiveLock'";
            watcher.query_opt(mode, &[]).unwrap().is_some()
        });
        locked.wait();
        migration
            .join()
            .unwrap()
            .code(4)
            .says(&["is in use", "nothing was changed"]);
    });
    sandbox.on(&live, &["apply", "--yes"]).ok();
}

/// A table that is renamed takes its triggers with it: they are no stranger's.
#[test]
fn a_trigger_that_went_with_its_table_is_no_strangers() {
    let mut live = Postgres::new();
    live.batch("CREATE SCHEMA app; CREATE TABLE app.t (id int)");
    let sandbox = Sandbox::with_spec(QUALIFIED);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch("ALTER TABLE app.t RENAME TO u");
    sandbox.write("triggers.toml", QUALIFIED.replace("app.t", "app.u"));
    let run = sandbox.on(&live, &["plan"]).ok();
    let text: String = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains(
            "in the database already, and different: function; triggerctl made trigger touch on app.t, which is gone"
        ),
        "{run:?}"
    );
    sandbox.on(&live, &["apply", "--yes"]).code(3);
    sandbox.on(&live, &["apply", "--yes", "--adopt"]).ok();
    sandbox.on(&live, &["check", "--no-lint"]).ok();
}

/// PostgreSQL 16 is the first that has TRUNCATE triggers on foreign tables.
#[test]
fn a_foreign_table_that_is_truncated() {
    let newer = std::env::var("TRIGGERCTL_TEST_POSTGRES_18").unwrap();
    for (mut live, has_them) in [(Postgres::new(), false), (Postgres::on(&newer), true)] {
        live.batch(
            "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;
             CREATE FOREIGN TABLE far (id int) SERVER s",
        );
        let sandbox =
            Sandbox::with_spec("version = 1\n[[trigger]]\nuse = 'append_only'\ntable = 'far'\n");
        let plan = sandbox.on(&live, &["plan"]);
        if has_them {
            plan.ok();
            sandbox.on(&live, &["apply", "--yes"]).ok();
        } else {
            plan.code(1)
                .says(&["before PostgreSQL 16 it has no TRUNCATE triggers"]);
        }
    }
}

/// Somebody's trigger on one of the history's tables keeps its rows out, and says nothing: what would be applied without its
/// record is undone. With three objects the rows are inserted, with three hundred PostgreSQL copies them.
fn kept_out(live: &mut dyn Live, prefix: &str, keep_out: [&str; 2], let_in: [&str; 2]) {
    for number in [3, 300] {
        live.batch("CREATE TABLE t (id integer)");
        let mut spec = "version = 1\n".to_owned();
        let one = "[[trigger]]\nname = 'n'\ntable = 't'\ntiming = 'after'\nevents = ['insert']\nbody = 'DELETE FROM t WHERE id = 0;'\n";
        let sandbox = Sandbox::with_spec(&format!("{spec}{one}"));
        sandbox.on(live, &["apply", "--yes"]).ok();
        for at in 0..number {
            spec += &one.replace("'n'", &format!("'n{at}'"));
        }
        sandbox.write("triggers.toml", spec);
        for (keep_out, let_in) in keep_out.into_iter().zip(let_in) {
            live.batch(keep_out);
            let before = live.everything();
            sandbox.on(live, &["apply", "--yes"]).code(1).says(&[
                "the migration could not be written down; nothing was changed",
                "the inserts gave no error",
                "drop the trigger or the rule",
            ]);
            assert_same("nothing was changed", &before, &live.everything());
            live.batch(let_in);
        }
        sandbox.on(live, &["apply", "--yes"]).ok();
        sandbox.on(live, &["rollback", "--yes", "--to", "0"]).ok();
        live.batch(&format!(
            "DROP TABLE t; DROP TABLE {prefix}migrations; DROP TABLE {prefix}objects"
        ));
    }
}

#[test]
fn a_history_that_lets_no_row_in_on_postgresql() {
    let mut live = Postgres::new();
    live.batch(
        "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    );
    kept_out(
        &mut live,
        "triggerctl.",
        [
            "CREATE TRIGGER keep_out BEFORE INSERT ON triggerctl.migrations FOR EACH ROW EXECUTE FUNCTION nothing()",
            "CREATE TRIGGER keep_out BEFORE INSERT ON triggerctl.objects FOR EACH ROW WHEN (NEW.name LIKE '%2') EXECUTE FUNCTION nothing()",
        ],
        [
            "DROP TRIGGER keep_out ON triggerctl.migrations",
            "DROP TRIGGER keep_out ON triggerctl.objects",
        ],
    );
}

#[test]
fn a_history_that_lets_no_row_in_on_sqlite() {
    let mut live = Sqlite::new();
    kept_out(
        &mut live,
        "triggerctl_",
        [
            "CREATE TRIGGER keep_out BEFORE INSERT ON triggerctl_migrations BEGIN SELECT RAISE(IGNORE); END",
            "CREATE TRIGGER keep_out AFTER INSERT ON triggerctl_objects WHEN NEW.name LIKE '%2'
             BEGIN DELETE FROM triggerctl_objects WHERE rowid = NEW.rowid; END",
        ],
        ["DROP TRIGGER keep_out", "DROP TRIGGER keep_out"],
    );
}
