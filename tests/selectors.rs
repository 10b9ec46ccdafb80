//! What follows the tables: selectors, rules, bodies that use the columns, one function for many tables, and the
//! switch that turns triggers off. On real servers, with the real binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::fmt::Write as _;

use common::{Live, Sandbox, mysql::Mysql, postgres::Postgres, sqlite::Sqlite};
use serde_json::Value;

/// A test of each function on each engine.
macro_rules! everywhere {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn sqlite() {
                super::$name(&mut super::Sqlite::new());
            }
            #[test]
            fn postgres() {
                super::$name(&mut super::Postgres::new());
            }
            #[test]
            fn mysql() {
                super::$name(&mut super::Mysql::new());
            }
        }
    )+};
}

everywhere!(
    a_body_follows_the_columns,
    a_table_of_tomorrow_is_in_tomorrows_plan,
    a_rule_names_every_table_that_lacks_its_trigger,
    what_is_not_selected_by_its_columns,
    a_rule_asks_for_a_kind,
    a_pattern_means_no_table_that_a_kind_writes_to,
);

#[track_caller]
fn plan(sandbox: &Sandbox, live: &dyn Live) -> Value {
    sandbox.on(live, &["plan", "--format", "json"]).ok().json()
}

#[track_caller]
fn nothing_to_do(sandbox: &Sandbox, live: &dyn Live) {
    let run = sandbox
        .on(live, &["plan", "--detailed-exitcode", "--format", "json"])
        .ok();
    assert_eq!(run.json()["changes"], serde_json::json!([]), "{run}");
}

/// The reasons of all changes that have one of their own, each once.
fn reasons(plan: &Value) -> Vec<&str> {
    let mut reasons: Vec<&str> = plan["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["because"].as_str().unwrap())
        .collect();
    reasons.dedup();
    reasons
}

// --- columns -----------------------------------------------------------------------------------------------------------

fn a_body_follows_the_columns(live: &mut dyn Live) {
    live.batch(
        "CREATE TABLE users (id integer, name varchar(20));
         CREATE TABLE other (id integer);
         CREATE TABLE log (what varchar(200));",
    );
    let spec = r#"version = 1
[[trigger]]
name = "users_log"
table = "users"
timing = "after"
events = ["delete"]
body = "INSERT INTO log (what) VALUES ({{ columns | join(',') | literal }});"

[[trigger]]
name = "other_log"
table = "other"
timing = "after"
events = ["delete"]
body = "INSERT INTO log (what) VALUES ({{ 'other' | literal }});"
"#;
    let sandbox = Sandbox::with_spec(spec);
    sandbox.on(live, &["apply", "--yes"]).ok();
    nothing_to_do(&sandbox, live);

    // A column comes: the body says so, and why; the table whose body does not use it is left alone.
    live.batch("ALTER TABLE users ADD COLUMN phone varchar(20); ALTER TABLE other ADD COLUMN phone varchar(20);");
    let gained = "body changes because table users gained column phone";
    let planned = plan(&sandbox, live);
    assert_eq!(reasons(&planned), [gained]);
    assert_eq!(planned["summary"], serde_json::json!({ "replace": 1 }));
    sandbox.on(live, &["plan"]).ok().says(&[gained]);
    sandbox.on(live, &["check"]).code(2).says(&[gained]);
    sandbox.on(live, &["apply", "--yes"]).ok();
    nothing_to_do(&sandbox, live);
    live.batch("INSERT INTO users (id) VALUES (1); DELETE FROM users;");
    assert_eq!(live.run("SELECT what FROM log"), "id,name,phone\n");

    // One goes and another comes.
    live.batch(
        "ALTER TABLE users DROP COLUMN name; ALTER TABLE users ADD COLUMN mail varchar(20);",
    );
    assert_eq!(
        reasons(&plan(&sandbox, live)),
        ["body changes because table users gained column mail and lost column name"]
    );
    // The spec changes with it: both are said.
    sandbox.write("triggers.toml", spec.replace("join(',')", "join(' ')"));
    assert_eq!(
        reasons(&plan(&sandbox, live)),
        ["the spec changed, and table users gained column mail and lost column name: body"]
    );
    sandbox.on(live, &["apply", "--yes"]).ok();
    nothing_to_do(&sandbox, live);

    // A change of the spec alone is no change of the table.
    sandbox.write("triggers.toml", spec);
    assert_eq!(reasons(&plan(&sandbox, live)), ["the spec changed: body"]);
    // To go back is to know the columns of then.
    sandbox.on(live, &["rollback", "--yes"]).ok();
    assert_eq!(
        reasons(&plan(&sandbox, live)),
        ["body changes because table users gained column mail and lost column name"]
    );
}

// --- selectors ---------------------------------------------------------------------------------------------------------

const SELECTED: &str = r#"version = 1
[[trigger]]
name = "{{ table }}_log"
tables = ["app_*", "named"]
exclude = ["app_secret*"]
timing = "after"
events = ["insert"]
body = "INSERT INTO log (what) VALUES ({{ table | literal }});"
"#;

fn a_table_of_tomorrow_is_in_tomorrows_plan(live: &mut dyn Live) {
    live.batch(
        "CREATE TABLE app_users (id integer); CREATE TABLE app_secrets (id integer);
         CREATE TABLE named (id integer); CREATE TABLE log (what varchar(20));
         CREATE VIEW app_view AS SELECT id FROM app_users;",
    );
    let sandbox = Sandbox::with_spec(SELECTED);
    let planned = plan(&sandbox, live);
    let triggers: Vec<(&str, Option<&str>)> = planned["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|change| change["object"]["kind"] == "trigger")
        .map(|change| {
            (
                change["object"]["table"].as_str().unwrap(),
                change["selected_by"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        triggers,
        [("app_users", Some("tables = [\"app_*\"]")), ("named", None)]
    );
    sandbox
        .on(live, &["plan"])
        .ok()
        .says(&["because tables = [\"app_*\"] matches"]);
    sandbox.on(live, &["apply", "--yes"]).ok();
    nothing_to_do(&sandbox, live);

    live.batch("CREATE TABLE app_orders (id integer);");
    let planned = plan(&sandbox, live);
    assert_eq!(planned["summary"]["replace"], Value::Null);
    let run = sandbox.on(live, &["plan"]).ok().says(&["app_orders_log"]);
    assert!(!run.stdout.contains("app_users"), "{run}");
    sandbox.on(live, &["apply", "--yes"]).ok();
    live.batch("INSERT INTO app_orders VALUES (1);");
    assert_eq!(live.run("SELECT what FROM log"), "app_orders\n");

    // A pattern that matches nothing is probably a mistake, and no reason to stop.
    sandbox.write("triggers.toml", SELECTED.replace("\"named\"", "\"nmed_*\""));
    let run = sandbox.on(live, &["plan", "--format", "json"]).ok();
    let warning = "`nmed_*` matches no table (triggers.toml:4:20)";
    assert_eq!(run.json()["warnings"], serde_json::json!([warning]));
    assert!(run.stderr.contains(&format!("warning: {warning}")), "{run}");
    sandbox.write(
        "triggers.toml",
        SELECTED.replace("app_secret*\"", "app_*\", \"named\""),
    );
    sandbox.on(live, &["plan"]).ok().says(&[
        "warning: the trigger is about no table",
        "(triggers.toml:2:1)",
    ]);
}

fn what_is_not_selected_by_its_columns(live: &mut dyn Live) {
    live.batch(
        "CREATE TABLE users (id integer, updated_at varchar(30)); CREATE TABLE orders (id integer);
         CREATE TABLE log (what varchar(20));",
    );
    let spec = r#"version = 1
[[trigger]]
name = "{{ table }}_log"
tables = ["*", "orders"]
having_columns = ["updated_at"]
timing = "after"
events = ["insert"]
body = "INSERT INTO log (what) VALUES ({{ table | literal }});"
"#;
    let sandbox = Sandbox::with_spec(spec);
    let run = sandbox.on(live, &["plan"]).ok();
    let run = run.says(&[
        "because tables = [\"*\"], having_columns = [\"updated_at\"] matches",
        // It is named, so that it is left out deserves a word.
        "warning: `orders` has no column `updated_at`, so the trigger leaves it out (triggers.toml:4:16)",
    ]);
    assert!(!run.stdout.contains("orders"), "{run}");
    sandbox.on(live, &["apply", "--yes"]).ok();

    // What gains the column gains the trigger, what loses it loses it.
    live.batch("ALTER TABLE orders ADD COLUMN updated_at varchar(30); ALTER TABLE users DROP COLUMN updated_at;");
    let planned = plan(&sandbox, live);
    let found: Vec<String> = planned["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|change| change["object"]["kind"] == "trigger")
        .map(|change| format!("{} {}", change["action"], change["object"]["table"]))
        .collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found.contains(&"\"create\" \"orders\"".to_owned()),
        "{found:?}"
    );
    assert!(
        found.contains(&"\"drop\" \"users\"".to_owned()),
        "{found:?}"
    );
    sandbox.on(live, &["apply", "--yes"]).ok();
    nothing_to_do(&sandbox, live);
}

// --- rules -------------------------------------------------------------------------------------------------------------

fn a_rule_names_every_table_that_lacks_its_trigger(live: &mut dyn Live) {
    live.batch(
        "CREATE TABLE users (id integer, updated_at varchar(30)); CREATE TABLE orders (id integer, updated_at varchar(30));
         CREATE TABLE items (id integer, updated_at varchar(30)); CREATE TABLE log (what varchar(20));
         CREATE TABLE old (id integer, updated_at varchar(30)); CREATE VIEW seen AS SELECT id, updated_at FROM users;",
    );
    let spec = r#"version = 1
[[trigger]]
name = "{{ table }}_touched"
tables = ["users"]
timing = "after"
events = ["insert", "update"]
body = "INSERT INTO log (what) VALUES ('x');"

[[require]]
name = "every table is touched"
tables = ["*"]
exclude = ["old"]
having_columns = ["updated_at"]
trigger = "{{ table }}_touched"

[[require]]
tables = ["nowhere_*"]
trigger = "x"
"#;
    let sandbox = Sandbox::with_spec(spec);
    sandbox.run(&["validate"]).ok();
    // The rule alone fails the check, however well the triggers are.
    sandbox.on(live, &["apply", "--yes"]).ok();
    let run = sandbox.on(live, &["check"]).code(2).says(&[
        "Required, and not in the spec:",
        "items: items_touched (every table is touched, triggers.toml:9)",
        "orders: orders_touched (every table is touched, triggers.toml:9)",
        "Nothing to do",
        "warning: `nowhere_*` matches no table",
    ]);
    for covered in [
        "users_touched",
        "old_touched",
        "log_touched",
        "seen_touched",
    ] {
        assert!(!run.stdout.contains(covered), "{run}");
    }
    let document = sandbox
        .on(live, &["check", "--format", "json"])
        .code(2)
        .json();
    assert_eq!(document["result"], "differs");
    let uncovered = document["plan"]["uncovered"].as_array().unwrap();
    assert_eq!(uncovered.len(), 2, "{uncovered:?}");
    assert_eq!(uncovered[0]["table"]["name"], "items");
    assert_eq!(uncovered[0]["trigger"], "items_touched");
    assert_eq!(uncovered[0]["rule"], "every table is touched");
    assert_eq!(uncovered[0]["place"], "triggers.toml:9");
    // A plan says it, and nothing is there to be done about the database.
    sandbox
        .on(live, &["plan", "--detailed-exitcode"])
        .ok()
        .says(&["items: items_touched"]);
    // What is not looked at is not missed.
    sandbox.on(live, &["check", "--target", "users.*"]).ok();
    sandbox.on(live, &["check", "--target", "orders.*"]).code(2);

    // Covered by whichever trigger has the name.
    sandbox.write("triggers.toml", spec.replace("[\"users\"]", "[\"*s\"]"));
    sandbox.on(live, &["apply", "--yes"]).ok();
    let run = sandbox.on(live, &["check"]).ok();
    assert!(!run.stdout.contains("Required"), "{run}");
    // In another dialect it does not hold.
    let other = if live.dialect() == "sqlite" {
        "mysql"
    } else {
        "sqlite"
    };
    let elsewhere = spec.replace(
        "trigger = \"{{",
        &format!("dialects = [\"{other}\"]\ntrigger = \"{{{{"),
    );
    assert_ne!(spec, elsewhere);
    sandbox.write(
        "triggers.toml",
        elsewhere.replace("[\"users\"]", "[\"*s\"]"),
    );
    sandbox.on(live, &["check"]).ok();
}

fn a_rule_asks_for_a_kind(live: &mut dyn Live) {
    live.batch(
        "CREATE TABLE users (id integer PRIMARY KEY, updated_at timestamp NULL);
         CREATE TABLE orders (id integer PRIMARY KEY, updated_at timestamp NULL);
         CREATE TABLE items (id integer PRIMARY KEY, updated_at timestamp NULL);
         CREATE TABLE notes (id integer PRIMARY KEY);",
    );
    let spec = r#"version = 1
[[trigger]]
use = "updated_at"
table = "users"

[[trigger]]
name = "items_updated_at"
table = "items"
timing = "after"
events = ["delete"]
body = "DELETE FROM notes;"

[[require]]
name = "every table keeps updated_at"
tables = ["*"]
exclude = ["notes"]
use = "updated_at"
"#;
    let sandbox = Sandbox::with_spec(spec);
    sandbox.run(&["validate"]).ok();
    sandbox.on(live, &["apply", "--yes"]).ok();
    // One that only has the name is none of the kind.
    let run = sandbox.on(live, &["check"]).code(2).says(&[
        "Required, and not in the spec:",
        "items: no trigger of the kind `updated_at` (every table keeps updated_at, triggers.toml:13)",
        "orders: no trigger of the kind `updated_at`",
        "Nothing to do",
    ]);
    assert!(!run.stdout.contains("users:"), "{run}");
    assert!(!run.stdout.contains("notes:"), "{run}");
    let document = sandbox
        .on(live, &["check", "--format", "json"])
        .code(2)
        .json();
    assert_eq!(document["result"], "differs");
    let uncovered = document["plan"]["uncovered"].as_array().unwrap();
    assert_eq!(uncovered.len(), 2, "{uncovered:?}");
    assert_eq!(uncovered[0]["table"]["name"], "items");
    assert_eq!(uncovered[0]["use"], "updated_at");
    assert!(uncovered[0].get("trigger").is_none(), "{uncovered:?}");
    sandbox
        .on(live, &["check", "--target", "*.*_created_at"])
        .ok();
    sandbox
        .on(live, &["check", "--target", "orders.orders_updated_at"])
        .code(2);

    // Whatever the use calls its trigger.
    let named = spec.replace(
        "table = \"users\"",
        "tables = [\"users\", \"orders\", \"it*\"]\nname = \"{{ table }}_time\"",
    );
    sandbox.write("triggers.toml", named);
    sandbox.on(live, &["apply", "--yes"]).ok();
    sandbox.on(live, &["check"]).ok().never_says(&["Required"]);
}

fn a_pattern_means_no_table_that_a_kind_writes_to(live: &mut dyn Live) {
    live.batch(
        "CREATE TABLE users (id integer PRIMARY KEY); CREATE TABLE kept (id integer PRIMARY KEY);
         CREATE TABLE log (what varchar(20));",
    );
    // A table of one of them is there already.
    let first = Sandbox::with_spec(
        "version = 1\n[[trigger]]\nuse = \"audit\"\ntable = \"kept\"\ncreate_table = true\n",
    );
    first.on(live, &["apply", "--yes"]).ok();
    first.on(live, &["rollback", "--yes"]).ok();
    let spec = r#"version = 1
[[trigger]]
use = "audit"
tables = ["*"]
exclude = ["log"]
create_table = true

[[trigger]]
name = "{{ table }}_seen"
tables = ["*"]
exclude = ["log"]
timing = "after"
events = ["insert"]
body = "INSERT INTO log (what) VALUES ('x');"

[[require]]
tables = ["*"]
exclude = ["log"]
trigger = "{{ table }}_seen"

[[require]]
tables = ["*"]
exclude = ["log"]
use = "audit"
"#;
    let sandbox = Sandbox::with_spec(spec);
    let tables_of = |plan: &Value| -> Vec<String> {
        let mut tables: Vec<String> = plan["changes"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|change| change["object"]["kind"] == "trigger")
            .map(|change| change["object"]["table"].as_str().unwrap().to_owned())
            .collect();
        tables.sort();
        tables.dedup();
        tables
    };
    // Neither the one that is there nor the one that this apply creates.
    let planned = plan(&sandbox, live);
    assert_eq!(tables_of(&planned), ["kept", "users"], "{planned:#}");
    assert_eq!(planned["tables"].as_array().unwrap().len(), 1);
    sandbox.on(live, &["apply", "--yes"]).ok();
    nothing_to_do(&sandbox, live);
    sandbox.on(live, &["check"]).ok();
    live.batch("INSERT INTO users VALUES (1); DELETE FROM users;");
    assert_eq!(live.run("SELECT count(*) FROM users_audit"), "2\n");
    assert_eq!(live.run("SELECT count(*) FROM log"), "1\n");

    // By its name it is meant, alone and beside a pattern.
    let named = spec.replacen(
        "name = \"{{ table }}_seen\"\ntables = [\"*\"]",
        "name = \"{{ table }}_seen\"\ntables = [\"*\", \"users_audit\"]",
        1,
    );
    assert_ne!(named, spec);
    sandbox.write("triggers.toml", &named);
    assert_eq!(tables_of(&plan(&sandbox, live)), ["users_audit"]);
    // A pattern for such tables alone is probably not what was meant.
    let odd = spec.replacen(
        "name = \"{{ table }}_seen\"\ntables = [\"*\"]",
        "name = \"{{ table }}_seen\"\ntables = [\"*_audit\"]",
        1,
    );
    sandbox.write("triggers.toml", &odd);
    sandbox.on(live, &["plan"]).ok().says(&[
        "what its patterns match are tables that kinds of this spec write to, which must be named",
    ]);
}

// --- one function for many tables --------------------------------------------------------------------------------------

const SHARED: &str = r#"version = 1
[[trigger]]
name = "{{ table }}_count"
tables = ["t*"]
timing = "after"
events = ["insert"]
body = "INSERT INTO log (what) VALUES ({{ table_name() }});"

[trigger.postgres]
shared = true
"#;

fn functions(live: &mut Postgres) -> String {
    live.run("SELECT n.nspname || '.' || proname FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE prorettype = 'trigger'::regtype AND n.nspname <> 'pg_catalog' ORDER BY 1")
}

#[test]
fn a_new_body_on_200_tables_is_one_function_and_no_lock() {
    let live = &mut Postgres::new();
    let mut sql = "CREATE TABLE log (what text);".to_owned();
    for number in 1..=200 {
        let _ = write!(sql, "CREATE TABLE t{number:03} (id integer);");
    }
    live.batch(&sql);
    let sandbox = Sandbox::with_spec(SHARED);
    sandbox.on(live, &["apply", "--yes"]).ok();
    assert_eq!(functions(live), "public.count_trigger\n");
    live.batch("INSERT INTO t007 VALUES (1); INSERT INTO t200 VALUES (1);");
    assert_eq!(
        live.run("SELECT what FROM log ORDER BY what"),
        "t007\nt200\n"
    );

    let edited = SHARED.replace("{{ table_name() }}", "'new ' || {{ table_name() }}");
    sandbox.write("triggers.toml", &edited);
    let planned = plan(&sandbox, live);
    let changes = planned["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{planned:#}");
    assert_eq!(changes[0]["action"], "replace");
    assert_eq!(changes[0]["object"]["name"], "count_trigger");
    assert_eq!(changes[0]["locks"], serde_json::json!([]));
    assert_eq!(changes[0]["hazards"], serde_json::json!([]));
    assert_eq!(planned["unchanged"], 200);
    // Nobody waits: with every table in use it goes through at once.
    live.batch("BEGIN; LOCK TABLE t001 IN ACCESS EXCLUSIVE MODE;");
    sandbox.on(live, &["apply", "--yes", "--wait", "0"]).ok();
    live.batch("COMMIT; DELETE FROM log; INSERT INTO t150 VALUES (1);");
    assert_eq!(live.run("SELECT what FROM log"), "new t150\n");
    nothing_to_do(&sandbox, live);

    // With all but one gone it stays, with the last it goes.
    sandbox.write("triggers.toml", edited.replace("\"t*\"", "\"t001\""));
    sandbox
        .on(live, &["apply", "--yes", "--allow", "drops_protection"])
        .ok();
    assert_eq!(functions(live), "public.count_trigger\n");
    live.batch("CREATE TRIGGER by_hand AFTER INSERT ON t002 FOR EACH ROW EXECUTE FUNCTION count_trigger();");
    sandbox.write("triggers.toml", "version = 1\n");
    sandbox
        .on(live, &["apply", "--yes", "--allow", "drops_protection"])
        .ok()
        .says(&["but trigger by_hand on public.t002 calls it"]);
    assert_eq!(functions(live), "public.count_trigger\n");

    sandbox.on(live, &["rollback", "--yes"]).ok();
    live.batch("DROP TRIGGER by_hand ON t002");
    sandbox
        .on(live, &["apply", "--yes", "--allow", "drops_protection"])
        .ok();
    assert_eq!(functions(live), "");
}

#[test]
fn a_function_of_each_schema_or_one_for_all() {
    let live = &mut Postgres::new();
    live.batch(
        "CREATE SCHEMA one; CREATE SCHEMA two; CREATE TABLE one.t1 (id integer); CREATE TABLE two.t2 (id integer);
         CREATE TABLE public.log (what text);",
    );
    let spec = SHARED.replace("\"t*\"", "\"one.*\", \"two.*\"");
    let sandbox = Sandbox::with_spec(&spec);
    sandbox.on(live, &["apply", "--yes"]).ok();
    assert_eq!(functions(live), "one.count_trigger\ntwo.count_trigger\n");
    sandbox.write(
        "triggers.toml",
        format!("{spec}function_name = \"one.counts\"\n"),
    );
    sandbox.on(live, &["apply", "--yes"]).ok();
    assert_eq!(functions(live), "one.counts\n");
    nothing_to_do(&sandbox, live);
}

#[test]
fn a_rename_of_shared_triggers_renames_their_function() {
    let live = &mut Postgres::new();
    live.batch(
        "CREATE TABLE t1 (id integer); CREATE TABLE t2 (id integer); CREATE TABLE log (what text);",
    );
    let sandbox = Sandbox::with_spec(SHARED);
    sandbox.on(live, &["apply", "--yes"]).ok();
    let renamed = SHARED.replace(
        "name = \"{{ table }}_count\"",
        "name = \"{{ table }}_tally\"\nrenamed_from = \"{{ table }}_count\"",
    );
    sandbox.write("triggers.toml", renamed);
    let planned = plan(&sandbox, live);
    assert_eq!(
        planned["summary"],
        serde_json::json!({ "rename": 3 }),
        "{planned:#}"
    );
    sandbox.on(live, &["apply", "--yes"]).ok();
    assert_eq!(functions(live), "public.tally_trigger\n");
    nothing_to_do(&sandbox, live);
}

#[test]
fn a_shared_function_must_be_the_same_for_all() {
    let live = &mut Postgres::new();
    live.batch(
        "CREATE TABLE t1 (id integer); CREATE TABLE t2 (id integer); CREATE TABLE t3 (id integer);",
    );
    let sandbox =
        Sandbox::with_spec(&SHARED.replace("{{ table_name() }}", "{{ table | literal }}"));
    let run = sandbox.on(live, &["plan"]).code(1).says(&[
        "the shared function `public.count_trigger` would not be the same for all its tables",
        "triggers.toml:10:10",
        "for public.t1: INSERT INTO log (what) VALUES ('t1');",
        "for public.t2: INSERT INTO log (what) VALUES ('t2');",
        "table_name()",
    ]);
    assert_eq!(run.stderr.matches("error:").count(), 1, "{run}");
    // A name that is nothing but the table's gives the function none.
    sandbox.write(
        "triggers.toml",
        SHARED.replace("{{ table }}_count", "{{ table }}"),
    );
    sandbox.on(live, &["plan"]).code(1).says(&["function_name"]);
}

// --- the off switch ----------------------------------------------------------------------------------------------------

const BYPASSED: &str = r#"version = 1
[[trigger]]
name = "items_log"
table = "items"
timing = "after"
events = ["insert"]
bypass = "app.bypass"
body = "INSERT INTO log (what) VALUES ('x');"
"#;

#[test]
fn sqlite_needs_a_table_for_its_switches_and_says_which() {
    let live = &mut Sqlite::new();
    live.batch("CREATE TABLE items (id integer); CREATE TABLE log (what text);");
    let sandbox = Sandbox::with_spec(BYPASSED);
    let untouched = live.everything();
    let run = sandbox.on(live, &["plan"]).code(1).says(&[
        "`bypass` needs the table `triggerctl_bypass`, which is not in the database",
        "triggers.toml:7:10",
    ]);
    assert_eq!(untouched, live.everything());
    // The statement that it names is the one that it needs.
    let text: String = run.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    let ddl = text
        .split('`')
        .find(|part| part.starts_with("CREATE TABLE"))
        .unwrap();
    live.batch(ddl);
    sandbox.on(live, &["apply", "--yes"]).ok();
    nothing_to_do(&sandbox, live);
    // In one transaction nobody else ever sees the switch on.
    live.batch(
        "BEGIN; INSERT INTO triggerctl_bypass VALUES ('app.bypass'); INSERT INTO items VALUES (1);
         DELETE FROM triggerctl_bypass; COMMIT; INSERT INTO items VALUES (2);",
    );
    assert_eq!(live.run("SELECT count(*) FROM log"), "1\n");
    // A pattern means none of these tables.
    sandbox.write(
        "triggers.toml",
        BYPASSED.replace("table = \"items\"", "tables = [\"*\"]\nexclude = [\"log\"]"),
    );
    nothing_to_do(&sandbox, live);
}

#[test]
fn a_bypassed_trigger_of_postgres_is_not_even_called() {
    let live = &mut Postgres::new();
    live.batch("CREATE TABLE items (id integer); CREATE TABLE log (what text);");
    let sandbox = Sandbox::with_spec(BYPASSED);
    sandbox.on(live, &["apply", "--yes"]).ok();
    live.batch("SET app.bypass = 'on'");
    let explained = live
        .run("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) INSERT INTO items VALUES (1)");
    assert!(!explained.contains("items_log"), "{explained}");
    // For a transaction only.
    live.batch("RESET app.bypass; BEGIN; SET LOCAL app.bypass = 'true'; INSERT INTO items VALUES (2); COMMIT; INSERT INTO items VALUES (3);");
    assert_eq!(live.run("SELECT count(*) FROM log"), "1\n");
    // What a rolled back SET LOCAL leaves behind is the empty text, and `off` is off.
    live.batch("SET app.bypass = 'off'; INSERT INTO items VALUES (4);");
    assert_eq!(live.run("SELECT count(*) FROM log"), "2\n");
}

/// A slip in a body is made once, however many tables the trigger is on.
#[test]
fn a_slip_in_a_text_for_many_tables_is_said_once() {
    let live = &mut Sqlite::new();
    live.batch(
        "CREATE TABLE ta (id integer); CREATE TABLE tb (id integer); CREATE TABLE tc (id integer)",
    );
    let sandbox = Sandbox::with_spec(
        "version = 1
[[trigger]]
name = '{{ table }}_x'
tables = ['t*']
timing = 'after'
events = ['insert']
when = '{{ nope }} IS NULL'
body = \"SELECT '{{ table }}'; SELECT {{ event }};\"
",
    );
    let run = sandbox.on(live, &["plan"]).code(1).says(&[
        "triggers.toml:7:12",
        "while rendering trigger `ta_x` on `ta`, and the same for 2 more",
        "`{{ table }}` prints a bare value",
        "2 errors",
    ]);
    assert_eq!(
        run.stderr.matches("prints a bare value").count(),
        1,
        "{run:?}"
    );
}
