//! The tables that a kind writes to: plan stops with what to run, or apply creates them; nothing drops or alters them.

use libtest_mimic::Trial;

use crate::case::Engine;
use crate::common::{Live, Sandbox, sqlite::Sqlite};

type Test = fn(&mut dyn Live);

pub(crate) fn trials() -> Vec<Trial> {
    let tests: [(&str, Test); 9] = [
        (
            "one_whose_types_do_not_take_all_is_refused",
            one_whose_types_do_not_take_all_is_refused,
        ),
        ("a_missing_one_stops_the_plan", a_missing_one_stops_the_plan),
        (
            "apply_creates_it_and_nothing_drops_it",
            apply_creates_it_and_nothing_drops_it,
        ),
        (
            "one_that_lacks_a_column_is_refused",
            one_that_lacks_a_column_is_refused,
        ),
        (
            "a_saved_plan_does_not_fit_once_it_is_there",
            a_saved_plan_does_not_fit_once_it_is_there,
        ),
        ("several_uses_share_one", several_uses_share_one),
        (
            "one_that_does_not_tell_tables_apart_is_not_shared",
            one_that_does_not_tell_tables_apart_is_not_shared,
        ),
        (
            "what_a_renamed_one_took_along_is_not_passed_over",
            what_a_renamed_one_took_along_is_not_passed_over,
        ),
        (
            "a_trigger_on_one_to_come_says_what_to_do",
            a_trigger_on_one_to_come_says_what_to_do,
        ),
    ];
    let mut trials = vec![];
    for engine in Engine::all() {
        for (name, test) in tests {
            let trial = Trial::test(format!("tables::{}::{name}", engine.name()), move || {
                let mut live = engine.live();
                live.batch("CREATE TABLE t (id integer PRIMARY KEY, a varchar(20)); CREATE TABLE u (id integer PRIMARY KEY);");
                test(&mut *live);
                Ok(())
            });
            trials.push(trial.with_ignored_flag(engine.is_missing()));
        }
    }
    trials.push(Trial::test(
        "tables::one_is_in_the_schema_of_its_table",
        || {
            one_is_in_the_schema_of_its_table();
            Ok(())
        },
    ));
    trials.push(Trial::test("tables::one_that_is_made_is_filled", || {
        one_that_is_made_is_filled();
        Ok(())
    }));
    trials
}

/// Where a column gets another type afterwards, every write would fail that the history has no room for; so with copies.
fn one_whose_types_do_not_take_all_is_refused(live: &mut dyn Live) {
    let dialect = live.dialect();
    let alter = |table: &str, column: &str, kind: &str| match dialect {
        "postgres" => {
            format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE {kind} USING {column}::{kind}")
        }
        _ => format!("ALTER TABLE {table} MODIFY COLUMN {column} {kind}"),
    };
    // SQLite takes anything in a column, and changes no types.
    if dialect == "sqlite" {
        return;
    }
    let (to_text, wider, narrower, also_there) = (
        alter("t", "n", "varchar(20)"),
        alter("t", "n", "bigint"),
        alter("t", "n", "smallint"),
        alter("t_history", "n", "varchar(20)"),
    );
    let (shorter, longer) = (
        alter("t", "a", "varchar(10)"),
        alter("t", "a", "varchar(40)"),
    );
    live.batch("DROP TABLE t; DROP TABLE u; CREATE TABLE t (id integer PRIMARY KEY, n integer, u integer, a varchar(20))");
    live.batch("CREATE TABLE u (id integer PRIMARY KEY, name varchar(20))");
    let history = "version = 1\n[[trigger]]\nuse = \"history\"\ntable = \"t\"\ncreate_table = true\nwith = { columns = [\"id\", \"n\"] }\n";
    let mirror = "[[trigger]]\nuse = \"mirror\"\ntable = \"t\"\nwith = { parent = \"u\", key = \"u\", columns = { a = \"name\" } }\n";
    let sandbox = Sandbox::with_spec(&format!("{history}{mirror}"));
    sandbox.on(live, &["apply", "--yes"]).ok();
    sandbox.on(live, &["check"]).ok();
    for change in [to_text, wider] {
        live.batch(&change);
        let before = live.everything();
        for command in [
            ["plan", "--quiet"],
            ["check", "--quiet"],
            ["apply", "--yes"],
        ] {
            sandbox.on(live, &command).code(1).says(&[
                "the history table `t_history` does not take all that `t` may have: `n` is ",
                "give them the same types there",
            ]);
        }
        assert_eq!(before, live.everything());
        live.batch(&narrower);
    }
    // What is narrower fits.
    sandbox.on(live, &["apply", "--yes"]).ok();
    live.batch(&also_there);
    live.batch("INSERT INTO t VALUES (1, 5, NULL, NULL)");
    sandbox.on(live, &["check"]).ok();
    live.batch(&shorter);
    sandbox.on(live, &["check", "--quiet"]).code(1).says(&[
        "`t` does not take all that `u` may have: `name` is ",
        "give the copies the types",
    ]);
    live.batch(&longer);
    sandbox.on(live, &["apply", "--yes"]).ok();
}

/// What is on a table that the next apply creates cannot be planned yet; the message says both ways out, and each works.
fn a_trigger_on_one_to_come_says_what_to_do(live: &mut dyn Live) {
    let audit = "version = 1\n[[trigger]]\nuse = \"audit\"\ntable = \"t\"\ncreate_table = true\nwith = { target = \"log\" }\n";
    let guard = "[[trigger]]\nname = \"log_kept\"\ntable = \"log\"\ntiming = \"before\"\nevents = [\"delete\"]\nbody = \"{{ raise_if('1 = 1', 'kept') }}\"\n";
    let sandbox = Sandbox::with_spec(&format!("{audit}{guard}"));
    sandbox
        .on(live, &["plan"])
        .code(1)
        .says(&[
            "there is no table or view `log` in the database",
            "not in the database yet",
            "the kind `audit` says",
            "`create_table = true`: leave this trigger out until then",
            "or create it now, and one apply does all",
            "CREATE TABLE",
        ])
        .never_says(&["did you mean", "correct its name"]);
    sandbox.write("triggers.toml", audit);
    sandbox.on(live, &["apply", "--yes"]).ok();
    sandbox.write("triggers.toml", format!("{audit}{guard}"));
    sandbox.on(live, &["apply", "--yes"]).ok();
    sandbox.on(live, &["check"]).ok();
}

/// The rows that are there before the index is: without them in it, the first update would spoil it.
fn one_that_is_made_is_filled() {
    let mut live = Sqlite::new();
    let live: &mut dyn Live = &mut live;
    live.batch("CREATE TABLE posts (id integer PRIMARY KEY, title text); INSERT INTO posts VALUES (1, 'tea'), (2, 'milk');");
    let spec = |create: bool| {
        format!(
            "version = 1\n[[trigger]]\nuse = \"search_vector\"\ntable = \"posts\"\ncreate_table = {create}\nwith = {{ columns = [\"title\"] }}\n"
        )
    };
    let sandbox = Sandbox::with_spec(&spec(false));
    let run = sandbox.on(live, &["plan"]).code(1);
    run.says(&["there is no table `posts_search`", "VALUES ('rebuild');"]);
    sandbox.write("triggers.toml", spec(true));
    sandbox
        .on(live, &["plan", "-v"])
        .ok()
        .says(&["create table", "VALUES ('rebuild')"]);
    let script = sandbox.on(live, &["plan", "--format", "sql"]).ok();
    assert!(script.stdout.contains("VALUES ('rebuild');"), "{script}");
    sandbox.on(live, &["apply", "--yes"]).ok();
    sandbox.on(live, &["plan", "--detailed-exitcode"]).ok();
    let up = live.run(&format!("SELECT up FROM {}", live.migrations()));
    assert!(up.contains("VALUES ('rebuild')"), "{up}");
    live.batch("UPDATE posts SET title = 'cocoa' WHERE id = 1; DELETE FROM posts WHERE id = 2;");
    live.batch("INSERT INTO posts_search (posts_search, rank) VALUES ('integrity-check', 1);");
    let found = |live: &mut dyn Live, word: &str| {
        live.run(&format!(
            "SELECT rowid FROM posts_search WHERE posts_search MATCH '{word}'"
        ))
    };
    assert_eq!(found(live, "cocoa"), "1\n");
    assert_eq!(found(live, "tea OR milk"), "");
}

fn spec(create: bool) -> String {
    format!(
        "version = 1\n[[trigger]]\nuse = \"audit\"\ntable = \"t\"\ncreate_table = {create}\nwith = {{ target = \"log\" }}\n"
    )
}

fn a_missing_one_stops_the_plan(live: &mut dyn Live) {
    let sandbox = Sandbox::with_spec(&spec(false));
    let before = live.everything();
    for command in [&["plan"][..], &["apply", "--yes"], &["check"]] {
        let run = sandbox.on(live, command).code(1).says(&[
            "there is no table `log`, which the kind `audit` writes to",
            "triggers.toml:6:",
            "CREATE TABLE",
            "create_table = true",
        ]);
        assert!(run.stderr.contains("row_key"), "{run}");
    }
    assert_eq!(before, live.everything(), "nothing was written");
}

fn apply_creates_it_and_nothing_drops_it(live: &mut dyn Live) {
    let sandbox = Sandbox::with_spec(&spec(true));
    let plan = sandbox.on(live, &["plan", "-v"]).ok().says(&[
        "create table",
        "nothing drops it again, not even rollback",
        "1 table to create",
    ]);
    assert!(plan.stdout.contains("row_key"), "{plan}");
    let json = sandbox.on(live, &["plan", "--format", "json"]).ok().json();
    assert_eq!(json["tables"][0]["kind"], "audit");
    sandbox.on(live, &["apply", "--yes"]).ok();
    sandbox.on(live, &["plan", "--detailed-exitcode"]).ok();
    let up = live.run(&format!("SELECT up FROM {}", live.migrations()));
    let down = live.run(&format!("SELECT down FROM {}", live.migrations()));
    assert!(up.contains("CREATE TABLE"), "{up}");
    assert!(!down.contains("DROP TABLE"), "{down}");
    live.batch("INSERT INTO t VALUES (1, 'x');");
    sandbox.on(live, &["rollback", "--yes"]).ok();
    assert_eq!(live.run("SELECT operation FROM log"), "INSERT\n");
    // It is taken as it is.
    sandbox
        .on(live, &["apply", "--yes"])
        .ok()
        .never_says(&["create table"]);
    live.batch("DELETE FROM t;");
    assert_eq!(live.run("SELECT count(*) FROM log"), "2\n");
    sandbox.write("triggers.toml", "version = 1\n");
    sandbox
        .on(live, &["apply", "--yes", "--allow", "drops_protection"])
        .ok();
    assert_eq!(live.run("SELECT count(*) FROM log"), "2\n");
}

fn one_that_lacks_a_column_is_refused(live: &mut dyn Live) {
    live.batch("CREATE TABLE log (operation varchar(10), row_key varchar(10));");
    let sandbox = Sandbox::with_spec(&spec(true));
    let before = live.everything();
    sandbox.on(live, &["plan"]).code(1).says(&[
        "the table `log` lacks",
        "`old_row`, `new_row`, `actor`, `changed_at`",
    ]);
    assert_eq!(before, live.everything(), "nothing was written");
}

fn a_saved_plan_does_not_fit_once_it_is_there(live: &mut dyn Live) {
    let sandbox = Sandbox::with_spec(&spec(true));
    sandbox.on(live, &["plan", "--out", "plan.json"]).ok();
    live.batch("CREATE TABLE log (x integer);");
    sandbox
        .on(live, &["apply", "--yes", "plan.json"])
        .code(3)
        .says(&["log exists now"]);
    live.batch("DROP TABLE log;");
    sandbox.on(live, &["apply", "--yes", "plan.json"]).ok();
    live.batch("INSERT INTO t VALUES (1, 'x');");
    assert_eq!(live.run("SELECT count(*) FROM log"), "1\n");
}

fn several_uses_share_one(live: &mut dyn Live) {
    let sandbox = Sandbox::with_spec(
        "version = 1\n[[trigger]]\nuse = \"audit\"\ntables = [\"t\", \"u\"]\ncreate_table = true\nwith = { target = \"log\" }\n",
    );
    sandbox
        .on(live, &["plan"])
        .ok()
        .says(&["1 table to create"]);
    sandbox.on(live, &["apply", "--yes"]).ok();
    sandbox.on(live, &["plan", "--detailed-exitcode"]).ok();
    live.batch("INSERT INTO t VALUES (1, 'x'); INSERT INTO u VALUES (2);");
    assert_eq!(
        live.run("SELECT table_name FROM log ORDER BY table_name"),
        "t\nu\n"
    );
}

fn one_that_does_not_tell_tables_apart_is_not_shared(live: &mut dyn Live) {
    let history =
        "[[trigger]]\nuse = \"history\"\ncreate_table = true\nwith = { target = \"versions\" }\n";
    let sandbox = Sandbox::with_spec(&format!(
        "version = 1\n{history}table = \"t\"\n{history}table = \"u\"\n"
    ));
    let before = live.everything();
    sandbox.on(live, &["apply", "--yes"]).code(1).says(&[
        "`versions` would hold the rows of both `t` and `u`",
        "triggers.toml:10:19",
        "the first use",
    ]);
    assert_eq!(before, live.everything(), "nothing was written");
}

/// Tables of the same name in two schemas keep their rows apart.
fn one_is_in_the_schema_of_its_table() {
    let live = &mut *Engine::Postgres.live();
    live.batch("CREATE SCHEMA one; CREATE SCHEMA \"T.wo\"; CREATE TABLE one.t (id integer PRIMARY KEY); CREATE TABLE \"T.wo\".t (id integer PRIMARY KEY);");
    let sandbox = Sandbox::with_spec(
        "version = 1\n[[trigger]]\nuse = \"history\"\ntables = ['one.*', '\"T.wo\".*']\ncreate_table = true\n\
         [[trigger]]\nuse = \"audit\"\ntables = ['one.*', '\"T.wo\".*']\ncreate_table = true\n",
    );
    sandbox.on(live, &["apply", "--yes"]).ok();
    sandbox.on(live, &["plan", "--detailed-exitcode"]).ok();
    live.batch("SET search_path = ''; INSERT INTO one.t VALUES (1); INSERT INTO \"T.wo\".t VALUES (1); DELETE FROM one.t;");
    assert_eq!(
        live.run("SELECT valid_to IS NULL, (SELECT count(*) FROM one.t_audit) FROM one.t_history"),
        "f|2\n"
    );
    assert_eq!(
        live.run("SELECT valid_to IS NULL, (SELECT count(*) FROM \"T.wo\".t_audit) FROM \"T.wo\".t_history"),
        "t|1\n"
    );
}

/// A table that is renamed keeps its triggers, under their old names: with new ones beside them everything would be done twice.
fn what_a_renamed_one_took_along_is_not_passed_over(live: &mut dyn Live) {
    let of = |table: &str| spec(true).replace("\"t\"", &format!("\"{table}\""));
    let sandbox = Sandbox::with_spec(&of("t"));
    sandbox.on(live, &["apply", "--yes"]).ok();
    live.batch("ALTER TABLE t RENAME TO renamed;");
    sandbox.write("triggers.toml", of("renamed"));
    let plan = sandbox.on(live, &["plan", "--format", "json"]).ok();
    let first = match live.dialect() {
        "postgres" => "t_audit",
        _ => "t_audit_delete",
    };
    plan.says(&[&format!(
        "no longer in the spec, and gone from `t`; but `{first}` is on `renamed`, fires there, and is not managed: \
         if that is the table's new name, take it over with `renamed_from` and `--adopt`, or drop it"
    )]);
    let renaming = of("renamed").replace("use = ", "renamed_from = \"t_audit\"\nuse = ");
    sandbox.write("triggers.toml", renaming);
    let plan = sandbox.on(live, &["plan", "--adopt"]).ok();
    plan.says(&["renamed from `t_audit", "gone from the database already"]);
    sandbox.on(live, &["apply", "--adopt", "--yes"]).ok();
    sandbox.on(live, &["plan", "--detailed-exitcode"]).ok();
    // None is left beside the new ones.
    sandbox.on(live, &["check", "--unmanaged", "deny"]).ok();
}
