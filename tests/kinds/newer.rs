//! Types and columns that only the newest servers have.

use libtest_mimic::Trial;

use crate::common::{Live, Sandbox, mysql, postgres::Postgres};

pub(crate) fn trials() -> Vec<Trial> {
    let engine = mysql::Engine::Mysql9;
    vec![
        Trial::test("newer::postgres_18::virtual_columns", || {
            virtual_columns();
            Ok(())
        }),
        Trial::test("newer::mysql_9::vectors", move || {
            vectors(&mut mysql::Mysql::of(engine));
            Ok(())
        })
        .with_ignored_flag(engine.is_missing()),
    ]
}

/// A use of a kind, which the first of two lines names, with parameters.
fn with(kind: &str, parameters: &str) -> Sandbox {
    Sandbox::with_spec(&format!(
        "version = 1\n[[trigger]]\nuse = \"{kind}\"\ntable = \"t\"\n{parameters}\n"
    ))
}

/// PostgreSQL 18 works a virtual column out where it is read: a trigger has NULL in its place.
fn virtual_columns() {
    let url = std::env::var("TRIGGERCTL_TEST_POSTGRES_18")
        .expect("TRIGGERCTL_TEST_POSTGRES_18 is not set: run tests/run.sh");
    let mut live = Postgres::on(&url);
    live.batch(
        "CREATE TABLE p (id integer PRIMARY KEY, total integer, updated_at timestamptz);
         CREATE TABLE t (id integer PRIMARY KEY, a integer, p_id integer, double integer GENERATED ALWAYS AS (a * 2) VIRTUAL,
           triple integer GENERATED ALWAYS AS (a * 3) STORED);",
    );
    for (kind, parameters) in [
        (
            "validate",
            "with = { condition = \"NEW.double < 10\", message = \"too much\" }",
        ),
        (
            "sum_cache",
            "with = { parent = \"p\", key = \"p_id\", column = \"total\", amount = \"NEW.double\" }",
        ),
        ("derive", "with = { columns = { p_id = \"NEW.double\" } }"),
    ] {
        with(kind, parameters).on(&live, &["plan"]).code(1).says(&[
            "the generated column `double` is VIRTUAL",
            "write out what it is made of",
        ]);
    }
    for (kind, parameters) in [
        ("audit", "create_table = true"),
        ("history", "create_table = true"),
        ("outbox", "create_table = true"),
        ("notify", ""),
        ("touch", "with = { parent = \"p\", key = \"p_id\" }"),
    ] {
        let named = match parameters.strip_suffix('}') {
            Some(some) => format!("{some}, columns = [\"a\", \"double\"] }}"),
            None => format!("{parameters}\nwith = {{ columns = [\"a\", \"double\"] }}"),
        };
        with(kind, &named)
            .on(&live, &["plan"])
            .code(1)
            .says(&["`double` is a VIRTUAL generated column", "make it STORED"]);
        let sandbox = with(kind, parameters);
        sandbox.on(&live, &["apply", "--yes", "--quiet"]).ok();
        sandbox.on(&live, &["plan"]).ok().says(&["Nothing to do"]);
        live.batch("INSERT INTO t VALUES (1, 3); UPDATE t SET a = 4;");
        let written = match kind {
            "audit" => live.run("SELECT new_row FROM t_audit ORDER BY id DESC LIMIT 1"),
            "outbox" => live.run("SELECT payload FROM outbox ORDER BY id DESC LIMIT 1"),
            "history" => {
                live.run("SELECT to_jsonb(h) FROM t_history h ORDER BY history_id DESC LIMIT 1")
            }
            _ => String::new(),
        };
        if !written.is_empty() {
            assert!(written.contains("\"triple\": 12"), "{kind}: {written}");
            assert!(!written.contains("double"), "{kind}: {written}");
        }
        sandbox.on(&live, &["rollback", "--yes", "--quiet"]).ok();
        live.batch("DELETE FROM t;");
    }
    // A condition of the trigger itself is the server's to ask, and it works them out.
    let sandbox = with(
        "protect",
        "when = \"OLD.double > 10\"\nwith = { events = [\"update\"] }",
    );
    sandbox.on(&live, &["apply", "--yes", "--quiet"]).ok();
    live.batch(
        "INSERT INTO t VALUES (1, 3), (2, 6);
         UPDATE t SET p_id = 1 WHERE id = 1;
         DO $$ BEGIN
           UPDATE t SET p_id = 1 WHERE id = 2;
           RAISE 'nothing refused it';
         EXCEPTION WHEN restrict_violation THEN NULL;
         END $$;",
    );
}

/// Neither JSON nor text can hold a vector.
fn vectors(live: &mut mysql::Mysql) {
    live.batch("CREATE TABLE t (id integer PRIMARY KEY, v vector(2));");
    let sandbox = Sandbox::with_spec(
        "version = 1\n[[trigger]]\nuse = \"audit\"\ntable = \"t\"\ncreate_table = true\n\
         [[trigger]]\nuse = \"history\"\ntable = \"t\"\ncreate_table = true\n\
         [[trigger]]\nuse = \"outbox\"\ntable = \"t\"\ncreate_table = true\n",
    );
    sandbox.on(&*live, &["apply", "--yes", "--quiet"]).ok();
    live.batch("INSERT INTO t VALUES (1, string_to_vector('[1,2]'));");
    live.batch("UPDATE t SET v = string_to_vector('[1,3]');");
    live.batch("UPDATE t SET v = string_to_vector('[1,3]');");
    for query in [
        "SELECT group_concat(new_row->>'$.v' ORDER BY id) FROM t_audit",
        "SELECT group_concat(payload->>'$.v' ORDER BY id) FROM outbox",
        "SELECT group_concat(hex(v) ORDER BY history_id) FROM t_history",
    ] {
        let written = live.run(query);
        assert_eq!(
            written.trim(),
            "0000803F00000040,0000803F00004040",
            "{query}"
        );
    }
}
