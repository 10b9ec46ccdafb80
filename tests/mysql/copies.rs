//! A database that is restored under another name, beside the one that it is a copy of: it speaks of itself, and what is done
//! there is never done to the other.

use crate::common::mysql::{Engine, Mysql};
use crate::common::{Live, Sandbox, assert_same};
use crate::{Test, empty_plan};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("a_copy_speaks_of_itself", a_copy_speaks_of_itself),
    (
        "a_copy_of_what_was_broken_off",
        a_copy_of_what_was_broken_off,
    ),
    (
        "what_is_applied_beside_is_imported",
        what_is_applied_beside_is_imported,
    ),
    (
        "tables_beside_write_to_one_table",
        tables_beside_write_to_one_table,
    ),
];

/// Two uses agree on the table that they write to, in whichever database theirs are.
fn tables_beside_write_to_one_table(engine: Engine) {
    let mut live = Mysql::of(engine);
    let beside = live.make_beside();
    let home = live.name().to_owned();
    for name in [&home, &beside] {
        live.batch(&format!("CREATE TABLE {name}.t (a integer PRIMARY KEY)"));
    }
    let sandbox = Sandbox::with_spec(&format!(
        "version = 1\n[[trigger]]\nuse = 'outbox'\ntables = ['t', '{beside}.t']\ncreate_table = true\nwith = {{ target = '{home}.told' }}\n"
    ));
    sandbox
        .on(&live, &["plan", "-v"])
        .ok()
        .says(&["CREATE TABLE told ("]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    live.batch(&format!(
        "INSERT INTO t VALUES (1); INSERT INTO {beside}.t VALUES (2)"
    ));
    assert_eq!(live.run("SELECT COUNT(*) FROM told").trim(), "2");
}

/// A spec may go beyond the database of the URL: what is recorded there is a part of what is imported, or the imported spec
/// would drop it.
fn what_is_applied_beside_is_imported(engine: Engine) {
    let mut live = Mysql::of(engine);
    let beside = live.make_beside();
    for name in [live.name().to_owned(), beside.clone()] {
        live.batch(&format!("CREATE TABLE {name}.t (a integer)"));
    }
    let trigger = |table: &str| {
        format!(
            "[[trigger]]\nname = 't_set'\ntable = '{table}'\ntiming = 'before'\nevents = ['insert']\nbody = 'SET NEW.a = 1;'\n"
        )
    };
    let all = format!(
        "version = 1\n{}{}",
        trigger("t"),
        trigger(&format!("{beside}.t"))
    );
    let sandbox = Sandbox::with_spec(&all);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let imported = Sandbox::new();
    imported
        .on(&live, &["import", "-o", "triggers.toml"])
        .ok()
        .says(&["2 triggers"]);
    imported
        .on(&live, &["plan", "--detailed-exitcode"])
        .ok()
        .says(&["Nothing to do", "2 to record as they are"]);
    let only = Sandbox::new();
    only.on(
        &live,
        &["import", "--schema", &beside, "-o", "triggers.toml"],
    )
    .ok()
    .says(&["1 trigger"])
    .never_says(&["matches no schema"]);
    assert!(only.read("triggers.toml").contains(&format!("{beside}.t")));
    // Who may see triggers and not read the history imports those of this database, and is told.
    let name = live.name().to_owned();
    let user = format!("t_{}", name.trim_start_matches("triggerctl_test_"));
    live.batch(&format!(
        "CREATE USER {user}@localhost IDENTIFIED BY 'x'; GRANT TRIGGER ON {name}.* TO {user}@localhost"
    ));
    let reader = Sandbox::new();
    reader
        .run(&[
            "--url",
            &live.url_of(&user, "x"),
            "import",
            "-o",
            "triggers.toml",
        ])
        .ok()
        .says(&["1 trigger", "only triggers of this database"]);
    // It may see no column either, which is no fault of the trigger's.
    let text = reader.read("triggers.toml");
    assert!(text.contains("~/.my.cnf and MYSQL_PWD"), "{text}");
    assert!(!text.contains("missing_reference"), "{text}");
    live.batch(&format!("DROP USER {user}@localhost"));
    // A table that is to be made needs its database.
    let audit = |to: &str| {
        Sandbox::with_spec(&format!(
            "version = 1\n[[trigger]]\nuse = 'audit'\ntable = 't'\ncreate_table = true\nwith = {{ target = '{to}.log' }}\n"
        ))
    };
    audit("nowhere")
        .on(&live, &["plan"])
        .code(1)
        .says(&["there is no schema `nowhere`"]);
    audit(&beside).on(&live, &["plan"]).ok();
    // Nothing else is.
    live.batch(&format!(
        "DROP TRIGGER {beside}.t_set; CREATE TABLE {beside}.u (a integer)"
    ));
    sandbox.write("triggers.toml", format!("version = 1\n{}", trigger("t")));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch(&format!(
        "CREATE TRIGGER {beside}.foreign_one BEFORE INSERT ON {beside}.u FOR EACH ROW SET NEW.a = 2"
    ));
    Sandbox::new()
        .on(&live, &["import"])
        .ok()
        .never_says(&["foreign_one"]);
}

const SPEC: &str = r#"version = 1

[[trigger]]
name   = "t_log"
table  = "t"
timing = "before"
events = ["update"]
body   = "INSERT INTO log (what) VALUES (NEW.a);"

[[trigger]]
use = "audit"
table = "t"
create_table = true

[[trigger]]
use = "updated_at"
table = "t"

[[trigger]]
use = "counter_cache"
table = "u"
with = { parent = "t", key = "t_id" }
"#;

/// What a dump has and what restoring it does: the tables with their rows, and each trigger as the server shows it.
fn restore(from: &mut Mysql, to: &mut Mysql) {
    let (old, new) = (from.name().to_owned(), to.name().to_owned());
    for table in from
        .run("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()")
        .lines()
    {
        to.batch(&format!(
            "CREATE TABLE {new}.{table} LIKE {old}.{table}; INSERT INTO {new}.{table} SELECT * FROM {old}.{table}"
        ));
    }
    let names = from.run(
        "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER",
    );
    for name in names.lines() {
        let (sql_mode, text) = from.shown(name);
        to.as_in(&sql_mode, &text);
    }
}

fn tables(live: &mut Mysql) {
    live.batch("CREATE TABLE t (id integer PRIMARY KEY, a integer, u_count integer NOT NULL DEFAULT 0, updated_at datetime(6)); CREATE TABLE u (id integer PRIMARY KEY, t_id integer); CREATE TABLE log (what varchar(20))");
}

fn a_copy_speaks_of_itself(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live);
    let sandbox = Sandbox::with_spec(SPEC);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let mut copy = Mysql::of(engine);
    restore(&mut live, &mut copy);

    let original = live.everything();
    let check = sandbox.on(&copy, &["check"]).ok();
    check.never_says(&[live.name()]);
    let plan = sandbox.on(&copy, &["plan", "--format", "json"]).ok().json();
    assert_eq!(plan["changes"], serde_json::json!([]), "{plan:#}");
    assert_eq!(plan["unmanaged"], serde_json::json!([]), "{plan:#}");

    // It writes where it is.
    copy.batch(
        "INSERT INTO t (id, a) VALUES (1, 1); UPDATE t SET a = 2; INSERT INTO u VALUES (1, 1)",
    );
    let counted = "SELECT (SELECT count(*) FROM t_audit), (SELECT count(*) FROM log), (SELECT u_count FROM t)";
    assert_eq!(copy.run(counted), "3|2|1\n");
    assert_same("the original", &original, &live.everything());

    // What the spec says no more goes here and not there; so does a rollback.
    sandbox.write(
        "triggers.toml",
        SPEC.split("[[trigger]]\nuse").next().unwrap(),
    );
    sandbox
        .on(&copy, &["apply", "--yes", "--allow", "drops_protection"])
        .ok();
    assert_eq!(
        copy.run(
            "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()"
        ),
        "t_log\n"
    );
    sandbox.on(&copy, &["rollback", "--yes", "--to", "0"]).ok();
    assert_eq!(
        copy.run(
            "SELECT count(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()"
        ),
        "0\n"
    );
    assert_same("the original", &original, &live.everything());
    sandbox.write("triggers.toml", SPEC);
    sandbox.on(&live, &["check"]).ok();
    sandbox.on(&live, &["rollback", "--yes"]).ok();
}

/// Of a migration that was under way when the copy was made, the journal speaks of the other database.
fn a_copy_of_what_was_broken_off(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live);
    let sandbox = Sandbox::with_spec(SPEC);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch(
        "INSERT INTO triggerctl_migrations (version, state, summary, plan_id, spec_digest, from_fingerprint, to_fingerprint, up, down, started_at, tool_version, applied_by, journal)
         SELECT 2, 'started', summary, plan_id, spec_digest, from_fingerprint, to_fingerprint, '[]', '[]', started_at, tool_version, applied_by, '{\"home\":\"elsewhere\",\"about\":[],\"objects\":[],\"found\":[]}'
         FROM triggerctl_migrations",
    );
    let before = live.everything();
    for command in [&["apply", "--yes"][..], &["repair", "--forward", "--yes"]] {
        sandbox
            .on(&live, command)
            .code(5)
            .says(&["`elsewhere`", "DELETE FROM triggerctl_migrations"]);
    }
    assert_same("the database", &before, &live.everything());
}
