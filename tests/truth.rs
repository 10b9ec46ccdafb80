//! What is there is told as it is, and comes back as it was: names as the database resolves them, the order in which
//! triggers fire, and every letter that somebody else wrote.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "truth/constraints.rs"]
mod constraints;
#[path = "truth/surroundings.rs"]
mod surroundings;

use common::{Live, MEANT, Sandbox, assert_same, postgres::Postgres, script, sqlite::Sqlite};

/// One `[[trigger]]` after insert that writes its word down.
fn logs(name: &str, table: &str, word: &str, more: &str) -> String {
    format!(
        "[[trigger]]\nname = '{name}'\ntable = '{table}'\ntiming = 'after'\nevents = ['insert']\n\
         body = \"INSERT INTO log VALUES ('{word}');\"\n{more}\n"
    )
}

fn spec(triggers: &[String]) -> String {
    format!("version = 1\n{}", triggers.concat())
}

/// Six triggers of one table, by hand; they fire newest first.
fn six() -> Sqlite {
    let mut live = Sqlite::new();
    live.batch("CREATE TABLE t (a); CREATE TABLE u (a); CREATE TABLE log (word)");
    for word in ["a", "b", "c", "d", "e", "f"] {
        live.batch(&format!(
            "CREATE TRIGGER {word} after insert on t /* by hand */ begin INSERT INTO log VALUES ('{word}'); end"
        ));
    }
    live
}

fn fired(live: &mut Sqlite) -> String {
    live.batch("DELETE FROM log; INSERT INTO t VALUES (1)");
    live.run("SELECT group_concat(word, '') FROM (SELECT word FROM log ORDER BY rowid)")
        .trim()
        .to_owned()
}

#[test]
fn what_is_replaced_keeps_its_place_among_its_siblings() {
    let mut live = six();
    let before = live.snapshot();
    assert_eq!(fired(&mut live), "fedcba");
    let ours = |words: &[&str]| {
        let one = |word: &&str| logs(word, "t", word, "");
        spec(&words.iter().map(one).collect::<Vec<_>>())
    };
    let sandbox = Sandbox::with_spec(&ours(&["b", "d", "e"]));
    sandbox.on(&live, &["apply", "--yes"]).ok();

    // Replaced, renamed, and one that stays between the two; a and c are nobody's, and stay to the letter.
    sandbox.write(
        "triggers.toml",
        spec(&[
            logs("bb", "t", "B", "renamed_from = 'b'"),
            logs("d", "t", "d", ""),
            logs("e", "t", "E", ""),
        ]),
    );
    sandbox.on(&live, &["plan", "-v"]).ok().says(&[
        "`c`, `d` are made again behind it",
        "`f` is made again behind it",
    ]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_eq!(fired(&mut live), "fEdcBa");
    sandbox.on(&live, &["check"]).ok();
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_eq!(fired(&mut live), "fedcba");
    live.batch("DELETE FROM log; DELETE FROM t");
    assert_same("the catalog", &before, &live.snapshot());

    // Dropped, and back again.
    sandbox.write("triggers.toml", ours(&["b"]));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_eq!(fired(&mut live), "fcba");
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_eq!(fired(&mut live), "fedcba");
    sandbox.on(&live, &["rollback", "--to", "0", "--yes"]).ok();
    assert_eq!(fired(&mut live), "fedcba");
}

#[test]
fn siblings_that_went_together_come_back_in_their_order() {
    let mut live = Sqlite::new();
    live.batch("CREATE TABLE t (a); CREATE TABLE log (word)");
    let sandbox = Sandbox::new();
    let mut words = vec![];
    // Each of them is newer than those before it, whatever its name.
    for word in ["m", "z", "a", "k"] {
        words.push(logs(word, "t", word, ""));
        sandbox.write("triggers.toml", spec(&words));
        sandbox.on(&live, &["apply", "--yes"]).ok();
    }
    assert_eq!(fired(&mut live), "kazm");
    let before = live.snapshot();
    sandbox.write("triggers.toml", spec(&[]));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_eq!(fired(&mut live), "NULL");
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_same("the catalog", &before, &live.snapshot());
    assert_eq!(fired(&mut live), "kazm");
}

#[test]
fn a_name_that_is_spelled_otherwise() {
    let mut live = Sqlite::new();
    live.batch("CREATE TABLE t (a); CREATE TABLE log (word)");
    let first = [logs("First", "t", "x", ""), logs("other", "t", "y", "")];
    let sandbox = Sandbox::with_spec(&spec(&first));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let before = live.snapshot();
    let again = first[0].replace("'First'", "'FIRST'");
    let renamed = again.replace("name =", "renamed_from = 'First'\nname =");
    for way in [again, renamed] {
        sandbox.write("triggers.toml", spec(&[way, first[1].clone()]));
        sandbox.on(&live, MEANT).ok();
        let names = live.run("SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY 1");
        assert_eq!(names, "FIRST\nother\n");
        sandbox.on(&live, &["plan"]).ok().says(&["Nothing to do"]);
        sandbox.on(&live, &["rollback", "--yes"]).ok();
        assert_same("the catalog", &before, &live.snapshot());
    }
}

#[test]
fn where_a_dropped_trigger_comes_is_said() {
    let mut live = six();
    let all = ["b", "d"].map(|word| logs(word, "t", word, ""));
    let sandbox = Sandbox::with_spec(&spec(&all));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch("DROP TRIGGER b");
    sandbox.on(&live, &["plan"]).ok().says(&[
        "gone from the database since version 1",
        "it will fire before `f`, `e`, `d`",
        "and 2 more",
    ]);
    live.batch("DROP TRIGGER d");
    sandbox.on(&live, &["plan"]).ok().says(&[
        "fire before `f`, `e`, `c`",
        "and 1 more",
        "fire before `b`, `f`, `e`",
    ]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_eq!(fired(&mut live), "dbfeca");
    // Alone on its table, or dropped by a migration, which writes its place down: nothing to say.
    live.batch("DROP TRIGGER a; DROP TRIGGER c; DROP TRIGGER e; DROP TRIGGER f; DROP TRIGGER b; DROP TRIGGER d");
    sandbox.write("triggers.toml", spec(&[logs("d", "t", "d", "")]));
    sandbox
        .on(&live, &["plan"])
        .ok()
        .says(&["gone from the database since version 2"])
        .never_says(&["fire before"]);
}

#[test]
fn a_trigger_without_a_name_is_left_alone() {
    let mut live = Sqlite::new();
    live.batch(
        "CREATE TABLE t (a); CREATE TABLE log (word);
         CREATE TRIGGER \"\" AFTER INSERT ON t BEGIN INSERT INTO log VALUES ('none'); END;
         CREATE TRIGGER a AFTER INSERT ON t BEGIN INSERT INTO log VALUES ('a'); END",
    );
    let before = live.snapshot();
    let sandbox = Sandbox::new();
    let run = sandbox.on(&live, &["import", "--format", "json"]).ok();
    assert_eq!(run.json()["nameless"][0]["table"], "t");
    sandbox
        .on(&live, &["import", "-o", "triggers.toml"])
        .ok()
        .says(&["warning: trigger \"\" on t has an empty name", "1 trigger"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.on(&live, &["check"]).ok().says(&["1 not managed"]);
    sandbox
        .on(&live, &["check", "--unmanaged", "deny"])
        .code(2)
        .says(&["trigger \"\" on t"]);
    sandbox.write("triggers.toml", "version = 1\n");
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_eq!(fired(&mut live), "none");
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    live.batch("DELETE FROM log; DELETE FROM t");
    assert_same("the catalog", &before, &live.snapshot());
}

#[test]
fn a_sibling_that_changed_since_makes_the_plan_stale() {
    let mut live = six();
    let sandbox = Sandbox::with_spec(&spec(&[logs("b", "t", "b", "")]));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.write("triggers.toml", spec(&[logs("b", "t", "B", "")]));
    sandbox.on(&live, &["plan", "--out", "plan.json"]).ok();
    let sql = sandbox.on(&live, &["plan", "--format", "sql"]).ok().stdout;
    live.batch("DROP TRIGGER e; CREATE TRIGGER e AFTER INSERT ON t BEGIN SELECT 'mine'; END");
    let before = live.snapshot();
    sandbox
        .on(&live, &["apply", "plan.json", "--yes"])
        .code(3)
        .says(&["trigger e on t was changed"]);
    let run = script(&live, &sql);
    assert_ne!(run.code, Some(0), "{run}");
    run.says(&[
        "changed since this script was made: trigger e",
        "make it again",
    ]);
    assert_same("the catalog", &before, &live.snapshot());
    // Made again, it fits.
    let sql = sandbox.on(&live, &["plan", "--format", "sql"]).ok().stdout;
    script(&live, &sql).ok();
    sandbox.on(&live, &["check"]).ok();
}

#[test]
fn two_tables_triggers_may_change_names() {
    let mut live = six();
    live.batch(
        "DROP TRIGGER a; DROP TRIGGER b; DROP TRIGGER c; DROP TRIGGER d; DROP TRIGGER e; DROP TRIGGER f",
    );
    let sandbox = Sandbox::with_spec(&spec(&[logs("a", "t", "t", ""), logs("b", "u", "u", "")]));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let before = live.snapshot();
    sandbox.write(
        "triggers.toml",
        spec(&[
            logs("b", "t", "t", "renamed_from = 'a'"),
            logs("a", "u", "u", "renamed_from = 'b'"),
        ]),
    );
    sandbox
        .on(&live, &["apply", "--yes"])
        .ok()
        .says(&["2 renamed"]);
    let names = "SELECT name, tbl_name FROM sqlite_schema WHERE type = 'trigger' ORDER BY name";
    assert_eq!(live.run(names), "a|u\nb|t\n");
    sandbox.on(&live, &["check"]).ok();
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_same("the catalog", &before, &live.snapshot());
}

#[test]
fn a_trigger_that_went_with_a_renamed_table_comes_to_the_one_in_its_place() {
    let mut live = Sqlite::new();
    live.batch("CREATE TABLE t (a); CREATE TABLE log (word)");
    let sandbox = Sandbox::with_spec(&spec(&[logs("first", "t", "t", "")]));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch("ALTER TABLE t RENAME TO t_old; CREATE TABLE t (a)");
    sandbox
        .on(&live, &["check"])
        .code(2)
        .says(&["first", "in conflict"])
        .never_says(&["damaged", "refused until `--adopt`"]);
    sandbox.on(&live, &["graph"]).ok();
    // It is its owner's to drop.
    sandbox
        .on(&live, &["apply", "--yes", "--adopt"])
        .code(3)
        .says(&["drop what has it"]);
    live.batch("DROP TRIGGER first");
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.on(&live, &["check"]).ok();
}

#[test]
fn what_was_adopted_comes_back_to_the_letter() {
    let mut live = Sqlite::new();
    live.batch(
        "CREATE TABLE t (a); CREATE TABLE log (word);
         CREATE TRIGGER if not exists  Odd   after  insert ON [t] -- why
         begin\r\n  insert into  log values ('x') ; end",
    );
    let before = live.snapshot();
    let sandbox = Sandbox::new();
    sandbox.on(&live, &["import", "-o", "triggers.toml"]).ok();
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let text = sandbox.read("triggers.toml");
    sandbox.write("triggers.toml", text.replace("'x'", "'y'"));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.write("triggers.toml", "version = 1\n");
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.on(&live, &["rollback", "--to", "1", "--yes"]).ok();
    assert_same("the catalog", &before, &live.snapshot());
}

#[test]
fn a_function_comes_back_with_its_owner_its_rights_and_its_settings_in_order() {
    let mut live = Postgres::new();
    let role = format!("{}_owner", live.name());
    live.batch(&format!(
        "CREATE TABLE t (id int);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
           SET work_mem = '4MB' SET search_path = public SET DateStyle = 'ISO' AS 'begin return null; end';
         CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
         CREATE ROLE {role}; GRANT CREATE, USAGE ON SCHEMA public TO {role};
         ALTER FUNCTION f() OWNER TO {role};
         REVOKE EXECUTE ON FUNCTION f() FROM PUBLIC"
    ));
    let query = "SELECT proowner::regrole::text, proacl::text, proconfig::text, prosrc FROM pg_proc WHERE proname = 'f'";
    let before = live.run(query);
    assert!(
        before.contains("work_mem=4MB,search_path=public"),
        "{before}"
    );
    let sandbox = Sandbox::new();
    sandbox.on(&live, &["import", "-o", "triggers.toml"]).ok();
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let text = sandbox.read("triggers.toml");
    sandbox.write(
        "triggers.toml",
        text.replace("begin return null", "begin /* changed */ return null"),
    );
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert!(live.run(query).contains("changed"));
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_same("the function", &before, &live.run(query));
    sandbox.write("triggers.toml", "version = 1\n");
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_eq!(live.run(query), "");
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_same("the function", &before, &live.run(query));
    live.batch(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"));
}

#[test]
fn names_without_a_schema_are_found_as_the_server_finds_them() {
    let mut live = Postgres::new();
    let name = live.name().to_owned();
    live.batch(&format!(
        "CREATE SCHEMA app; CREATE TABLE app.orders (id int, words tsvector, text text);
         CREATE TABLE other (id int PRIMARY KEY);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'begin return null; end';
         CREATE CONSTRAINT TRIGGER x AFTER INSERT ON app.orders FROM other FOR EACH ROW EXECUTE FUNCTION f();
         CREATE TRIGGER words BEFORE INSERT ON app.orders FOR EACH ROW
           EXECUTE FUNCTION tsvector_update_trigger('words', 'pg_catalog.english', 'text');
         ALTER DATABASE {name} SET search_path = app, public"
    ));
    let sandbox = Sandbox::with_spec(
        "version = 1\n\
         [[trigger]]\nname = 'x'\ntable = 'orders'\ntiming = 'after'\nevents = ['insert']\n\
         [trigger.postgres]\nconstraint = { from = 'other' }\nfunction = 'f'\n\
         [[trigger]]\nname = 'words'\ntable = 'orders'\ntiming = 'before'\nevents = ['insert']\n\
         [trigger.postgres]\nfunction = 'tsvector_update_trigger'\nargs = ['words', 'pg_catalog.english', 'text']\n",
    );
    let plan = sandbox.on(&live, &["plan", "--format", "json"]).ok().json();
    for change in plan["changes"].as_array().unwrap() {
        assert_eq!(change["action"], "adopt", "{change:#}");
    }
    sandbox.on(&live, &["apply", "--yes"]).ok();
    // What the spec makes itself goes where new names go.
    sandbox.write(
        "triggers.toml",
        sandbox.read("triggers.toml")
            + "[[function]]\nname = 'f'\nbody = 'begin return null; end'\n",
    );
    sandbox
        .on(&live, &["plan"])
        .ok()
        .says(&["create function app.f", "replace trigger x on app.orders"]);
}

#[test]
fn everything_wrong_with_a_trigger_is_said_at_once() {
    let mut live = Postgres::new();
    live.batch("CREATE TABLE orders (id int); CREATE TABLE other (id int)");
    let sandbox = Sandbox::with_spec(
        "version = 1\n[[trigger]]\nname = 'x'\ntable = 'order'\ntiming = 'before'\nevents = ['insert']\n\
         when = 'NEW.id IN (SELECT 1)'\n[trigger.postgres]\nfunction = 'f'\n\
         constraint = { from = 'othr' }\nenabled_on = { nope = 'always', other = 'disabled' }\n",
    );
    sandbox.on(&live, &["plan"]).code(1).says(&[
        "there is no table or view `order`",
        "did you mean `orders`?",
        "a constraint trigger is an AFTER trigger",
        "a condition cannot have a subquery",
        "there is no table or view `othr`",
        "there is no table or view `nope`",
        "`public.other` is no partition of `public.order`",
    ]);
}

#[test]
fn the_state_on_a_partition_needs_a_copy_there() {
    let mut live = Postgres::new();
    live.batch(
        "CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE q (id int) PARTITION BY RANGE (id);
         CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);
         CREATE TABLE q1 PARTITION OF q FOR VALUES FROM (0) TO (9)",
    );
    let trigger = |lines: &str| {
        format!(
            "version = 1\n[[trigger]]\nname = '{{{{ table }}}}_x'\ntiming = 'after'\nevents = ['insert']\n\
             body = 'PERFORM 1;'\n{lines}"
        )
    };
    let sandbox = Sandbox::new();
    for (lines, message) in [
        (
            "table = 'p'\n[trigger.postgres]\nenabled_on = { q1 = 'always' }\n",
            "`public.q1` is no partition of `public.p`",
        ),
        (
            "table = 'p'\n[trigger.postgres]\nenabled_on = { p1 = 'always', 'public.p1' = 'disabled' }\n",
            "the partition `public.p1` is named twice",
        ),
        (
            "table = 'p'\nfor_each = 'statement'\n[trigger.postgres]\nenabled_on = { p1 = 'always' }\n",
            "a trigger for each statement is on the partitioned table alone",
        ),
        (
            "table = 'p'\n[trigger.postgres]\ndepends_on_extensions = ['plpgsq']\n",
            "the extension `plpgsq` is not installed in this database",
        ),
    ] {
        sandbox.write("triggers.toml", trigger(lines));
        sandbox.on(&live, &["plan"]).code(1).says(&[message]);
    }
    // With several tables each entry is for the table whose partition it is; one that says what holds anyway is none.
    sandbox.write(
        "triggers.toml",
        trigger(
            "tables = ['p', 'q']\n[trigger.postgres]\nenabled_on = { p1 = 'always', q1 = 'origin' }\n",
        ),
    );
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.on(&live, &["check"]).ok();
    assert_eq!(
        live.run("SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger ORDER BY 1"),
        "p|p_x|O\np1|p_x|A\nq|q_x|O\nq1|q_x|O\n"
    );
}

#[test]
fn functions_that_no_trigger_calls_are_named_or_taken() {
    let mut live = Postgres::new();
    live.batch(
        "CREATE TABLE t (id int);
         CREATE FUNCTION nobody() RETURNS trigger LANGUAGE plpgsql AS 'begin return null; end';
         CREATE FUNCTION of_extension() RETURNS trigger LANGUAGE plpgsql AS 'begin return null; end';
         ALTER EXTENSION plpgsql ADD FUNCTION of_extension();
         CREATE FUNCTION ended() RETURNS event_trigger LANGUAGE plpgsql AS 'begin end';
         CREATE EVENT TRIGGER watcher ON ddl_command_end EXECUTE FUNCTION ended();
         CREATE TEMP TABLE passing (id int);
         CREATE TRIGGER passing AFTER INSERT ON passing EXECUTE FUNCTION nobody();
         DROP TABLE passing",
    );
    let sandbox = Sandbox::new();
    sandbox
        .on(&live, &["import", "-o", "triggers.toml"])
        .ok()
        .says(&[
            "`--functions` takes them: public.nobody.",
            "1 event trigger left alone",
            "(watcher)",
        ])
        .never_says(&["of_extension", "passing"]);
    sandbox
        .on(&live, &["import", "--functions", "-o", "triggers.toml"])
        .ok()
        .says(&["0 triggers and 1 function imported"])
        .never_says(&["--functions"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch("ALTER FUNCTION nobody() STABLE");
    sandbox
        .on(&live, &["check"])
        .code(2)
        .says(&["restore function public.nobody", "volatility"]);
    sandbox
        .on(&live, &["import", "--functions", "-o", "triggers.toml"])
        .ok()
        .says(&["0 triggers and 0 functions imported"]);
}

#[test]
fn a_trigger_that_calls_an_extensions_function_is_seen_as_any_other() {
    let mut live = Postgres::new();
    live.batch(
        "CREATE TABLE t (id int); CREATE TABLE theirs (id int);
         CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';
         CREATE TRIGGER mine BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch('id');
         CREATE TRIGGER its_own BEFORE UPDATE ON theirs FOR EACH ROW EXECUTE FUNCTION touch();
         ALTER EXTENSION plpgsql ADD FUNCTION touch(); ALTER EXTENSION plpgsql ADD TABLE theirs",
    );
    let sandbox = Sandbox::with_spec("version = 1\n");
    sandbox
        .on(&live, &["check", "--unmanaged=deny"])
        .code(2)
        .says(&["trigger mine on public.t"])
        .never_says(&["its_own"]);
    sandbox
        .on(&live, &["import", "-o", "triggers.toml"])
        .ok()
        .says(&["1 trigger and 0 functions"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.on(&live, &["check", "--unmanaged=deny"]).ok();
    let before = live.snapshot();
    live.batch("ALTER TABLE t DISABLE TRIGGER mine");
    sandbox
        .on(&live, &["check"])
        .code(2)
        .says(&["restore trigger mine on public.t", "enabled"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_same("the catalog", &before, &live.snapshot());
    live.batch("DROP TRIGGER mine ON t");
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_same("the catalog", &before, &live.snapshot());
}

#[test]
fn a_virtual_table_that_only_its_application_can_read_is_no_fault_of_the_triggers() {
    let mut live = Sqlite::new();
    live.batch(
        "CREATE TABLE song (id integer PRIMARY KEY, title text);
         PRAGMA writable_schema = ON;
         INSERT INTO sqlite_schema VALUES ('table', 'words', 'words', 0, 'CREATE VIRTUAL TABLE words USING fts3(tokenize collating, title text)');
         INSERT INTO sqlite_schema VALUES ('table', 'odd', 'odd', 0, 'CREATE VIRTUAL TABLE odd USING its_own_module(a)');
         PRAGMA writable_schema = OFF",
    );
    let sandbox = Sandbox::with_spec(
        "version = 1\n[[trigger]]\nname = 'index'\ntable = 'song'\ntiming = 'after'\nevents = ['insert']\n\
         body = 'INSERT INTO words (docid, title) VALUES (new.id, new.title); INSERT INTO odd VALUES (1);'\n",
    );
    sandbox
        .on(&live, &["plan", "--detailed-exitcode"])
        .code(2)
        .says(&["was not checked"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.on(&live, &["check"]).ok();
}

#[test]
fn a_label_or_an_attribute_that_is_renamed_under_a_condition_is_seen() {
    let mut live = Postgres::new();
    live.batch(
        "CREATE TYPE state AS ENUM ('new', 'old'); CREATE TYPE address AS (street text, zip text);
         CREATE TABLE t (id int, s state, a address);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'begin return null; end';
         CREATE TRIGGER by_label AFTER UPDATE ON t FOR EACH ROW WHEN (NEW.s = 'new') EXECUTE FUNCTION f();
         CREATE TRIGGER by_attribute AFTER UPDATE ON t FOR EACH ROW WHEN ((NEW.a).zip = 'x') EXECUTE FUNCTION f()",
    );
    let sandbox = Sandbox::new();
    sandbox.on(&live, &["import", "-o", "triggers.toml"]).ok();
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.on(&live, &["check"]).ok();
    let imported = sandbox.read("triggers.toml");
    let nothing = |sandbox: &Sandbox, live: &Postgres| {
        let plan = sandbox
            .on(live, &["plan", "--detailed-exitcode", "--format", "json"])
            .ok()
            .json();
        for change in plan["changes"].as_array().unwrap() {
            assert_eq!(change["action"], "adopt", "{change:#}");
        }
    };

    // One more label is no change to a condition.
    live.batch("ALTER TYPE state ADD VALUE 'paid' BEFORE 'old'");
    nothing(&sandbox, &live);
    sandbox.on(&live, &["check"]).ok();

    // The condition goes on by the label's new name; what the spec says is none any more.
    live.batch("ALTER TYPE state RENAME VALUE 'new' TO 'fresh'");
    sandbox.on(&live, &["check"]).code(1).says(&[
        "the condition of `by_label` does not fit",
        "invalid input value for enum",
    ]);
    sandbox.write(
        "triggers.toml",
        imported.replace("'new'::public.state", "'fresh'"),
    );
    nothing(&sandbox, &live);
    sandbox.on(&live, &["apply", "--yes"]).ok();

    // Two labels that change names: the same words mean something else.
    live.batch(
        "ALTER TYPE state RENAME VALUE 'old' TO 'x'; ALTER TYPE state RENAME VALUE 'fresh' TO 'old';
         ALTER TYPE state RENAME VALUE 'x' TO 'fresh'",
    );
    sandbox
        .on(&live, &["check"])
        .code(2)
        .says(&["restore trigger by_label on public.t", "when"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.on(&live, &["check"]).ok();

    live.batch("ALTER TYPE address RENAME ATTRIBUTE zip TO code");
    sandbox
        .on(&live, &["check"])
        .code(1)
        .says(&["the condition of `by_attribute` does not fit", "zip"]);
    let text = sandbox.read("triggers.toml");
    sandbox.write("triggers.toml", text.replace("(new.a).zip", "(new.a).code"));
    nothing(&sandbox, &live);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.on(&live, &["check"]).ok();
}

/// What CREATE TRIGGER refuses of a condition is refused by the plan, on each table where it makes no sense and on no other.
#[test]
fn a_condition_that_makes_no_sense_is_found_on_each_of_its_tables() {
    let mut live = Postgres::new();
    live.batch(
        "CREATE TABLE a (id int, n int, label text); CREATE TABLE b (id int, n int, label text);
         CREATE TABLE c (id int, n text, label text); CREATE TABLE d (id int, label text)",
    );
    let sandbox = Sandbox::new();
    let spec = |condition: &str, tables: &str| {
        format!(
            "version = 1\n[[trigger]]\nname = \"sound\"\ntables = [\"a\", \"b\", \"c\", \"d\"]\ntiming = \"after\"\n\
             events = [\"update\"]\nwhen = \"NEW.label <> ''\"\nbody = \"PERFORM 1;\"\n\
             [[trigger]]\nname = \"asked\"\ntables = {tables}\ntiming = \"after\"\nevents = [\"update\"]\n\
             when = \"{condition}\"\nbody = \"PERFORM 1;\"\n"
        )
    };
    let everywhere = "[\"a\", \"b\", \"c\", \"d\"]";
    for (condition, tables, words, refused) in [
        ("NEW.n > 7 + 1", everywhere, "operator", &["c", "d"][..]),
        ("NEW.n IS NOT NULL", everywhere, "does not exist", &["d"]),
        (
            "NEW.id",
            everywhere,
            "must be type boolean",
            &["a", "b", "c", "d"],
        ),
        (
            "OLD.label <> nosuch(NEW.label)",
            "[\"a\", \"b\"]",
            "nosuch",
            &["a", "b"],
        ),
        (
            "NEW = NULL::b",
            "[\"a\", \"b\"]",
            "different row types",
            &[],
        ),
        ("NEW.tableoid = OLD.tableoid", everywhere, "", &[]),
        ("NEW.label <> '' -- said", everywhere, "", &[]),
    ] {
        sandbox.write("triggers.toml", spec(condition, tables));
        let ran = sandbox.on(&live, &["plan"]);
        let refusals: Vec<&str> = ["a", "b", "c", "d"]
            .into_iter()
            .filter(|table| {
                ran.stderr.contains(&format!(
                    "condition of `asked` does not fit public.{table}\n"
                ))
            })
            .collect();
        assert_eq!(refusals, refused, "{condition}: {}", ran.stderr);
        assert!(
            !ran.stderr.contains("`sound`"),
            "{condition}: {}",
            ran.stderr
        );
        if refused.is_empty() {
            ran.ok();
        } else {
            ran.code(1).says(&[words]);
        }
    }
}

/// Of many new triggers at once it is asked ahead how big their tables are and whether they make sense: what a plan says of
/// them is the same as ever, beside tables that have their triggers already.
#[test]
fn what_is_asked_ahead_is_said_as_ever() {
    let mut live = Postgres::new();
    let tables = |prefix: &str| -> String {
        let table = |number| {
            format!(
                "CREATE TABLE {prefix}{number:02} AS SELECT 1 AS id, {number} AS n; ANALYZE {prefix}{number:02};"
            )
        };
        (0..12).map(table).collect()
    };
    live.batch(&tables("old"));
    let sandbox = Sandbox::new();
    sandbox.write(
        "triggers.toml",
        "version = 1\n[[trigger]]\nname = \"{{ table }}_asked\"\ntables = [\"old*\", \"new*\"]\ntiming = \"after\"\n\
         events = [\"update\"]\nwhen = \"NEW.n > 0\"\nbody = \"PERFORM 1;\"\n",
    );
    let sized = |live: &Postgres| {
        let plan = sandbox.on(live, &["plan", "--format", "json"]).ok().json();
        let changes = plan["changes"].as_array().unwrap().clone();
        let locks = changes
            .iter()
            .flat_map(|change| change["locks"].as_array().unwrap());
        let sizes: Vec<_> = locks
            .map(|lock| {
                (
                    lock["size"]["rows"].as_u64(),
                    lock["size"]["bytes"].as_u64(),
                )
            })
            .collect();
        assert!(
            sizes.iter().all(|size| *size == (Some(1), Some(8192))),
            "{sizes:?}"
        );
        sizes.len()
    };
    assert_eq!(sized(&live), 12);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch(&tables("new"));
    assert_eq!(sized(&live), 12);
    // Somebody else's trigger is on one of them: that one is asked for later.
    live.batch(
        "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER theirs BEFORE INSERT ON new03 EXECUTE FUNCTION theirs();
         ALTER TABLE new07 RENAME n TO m",
    );
    let ran = sandbox.on(&live, &["apply", "--yes"]).code(1);
    let refused = "does not fit public.new";
    assert_eq!(ran.stderr.matches(refused).count(), 1, "{ran}");
    ran.says(&[
        "the condition of `new07_asked` does not fit public.new07",
        "triggers.toml:3",
    ]);
    live.batch("ALTER TABLE new07 RENAME m TO n");
    assert_eq!(sized(&live), 12);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.on(&live, &["plan", "--detailed-exitcode"]).ok();
}

/// A schema as real programs have them: names in other letters than the table's, a column of UPDATE OF that is not there or
/// is named twice, bodies that fail, a view of what is gone.
fn worn() -> Sqlite {
    let mut live = Sqlite::new();
    live.batch(
        "CREATE TABLE Books (id, title); CREATE TABLE log (word);
         CREATE VIEW lost AS SELECT * FROM gone;
         CREATE TRIGGER 'caps' AFTER INSERT ON BOOKS BEGIN INSERT INTO LOG VALUES (NEW.TITLE); END;
         CREATE TRIGGER kind   AFTER UPDATE OF \"kind\" ON books  BEGIN SELECT 1; END;
         CREATE TRIGGER twice UPDATE OF title , TITLE ON [Books] begin select 1; end;
         CREATE TRIGGER old AFTER DELETE ON Books BEGIN INSERT INTO archive VALUES (OLD.id); SELECT OLD.shelf; END;
         CREATE TRIGGER of_lost INSTEAD OF INSERT ON lost BEGIN SELECT NEW.x; END;",
    );
    live
}

/// Without a database nothing is there already, so what cannot be meant is an error.
#[test]
fn what_cannot_be_meant_is_found_without_a_database() {
    let spec = "version = 1\n[[trigger]]\nname = \"a\"\ntable = \"t\"\ntiming = \"after\"\nevents = [\"update\"]\nupdate_of = [\"x\", \"X\"]\nbody = \"SELECT 1;\"\n";
    let sandbox = Sandbox::with_spec(spec);
    for command in ["validate", "render"] {
        let ran = sandbox.run(&[command, "--dialect", "sqlite"]);
        ran.code(1)
            .says(&["the column `X` is named twice", "name it once"]);
    }
    let allowed = format!("{spec}allow = {{ rule = \"missing_reference\", reason = \"old\" }}\n");
    sandbox.write("triggers.toml", allowed);
    sandbox.run(&["validate", "--dialect", "sqlite"]).ok();
}

#[test]
fn what_is_wrong_already_is_no_difference_and_is_named() {
    let mut live = worn();
    let before = live.snapshot();
    let sandbox = Sandbox::new();
    sandbox
        .on(&live, &["import", "-o", "triggers.toml"])
        .ok()
        .says(&[
            "2 of them have faults in the database already",
            "`allow` in the spec",
        ]);
    let spec = sandbox.read("triggers.toml");
    for line in [
        "table  = \"Books\"",
        "update_of = [\"title\"]",
        "allow     = { rule = \"missing_reference\", reason = \"so when it was imported: trigger kind on Books is for updates of `kind`, a column that `Books` does not have\" }",
        "no such table: archive\" }",
    ] {
        assert!(spec.contains(line), "{line} is not in\n{spec}");
    }
    for command in [
        &["plan", "--detailed-exitcode"][..],
        &["check"],
        &["apply", "--yes"],
        &["check"],
        &["lint"],
    ] {
        sandbox.on(&live, command).ok();
    }
    assert_same("the catalog", &before, &live.snapshot());

    // What somebody drops comes back as it was: broken, and to the letter.
    live.batch("DROP TRIGGER caps; DROP TRIGGER kind; DROP TRIGGER twice; DROP TRIGGER old; DROP TRIGGER of_lost");
    sandbox.on(&live, &["check"]).code(2);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_same("the catalog", &before, &live.snapshot());
    sandbox.on(&live, &["check"]).ok();

    // Another fault is one, and so is the first where nothing allows it.
    let spec = spec.replace("SELECT OLD.shelf;", "SELECT OLD.shelf, OLD.row;");
    sandbox.write("triggers.toml", &spec);
    sandbox
        .on(&live, &["check"])
        .code(2)
        .says(&["replace trigger old"]);
    let allowed: Vec<&str> = spec
        .lines()
        .filter(|line| line.starts_with("allow"))
        .collect();
    let strict = spec.replace(allowed[0], "").replace(allowed[1], "");
    sandbox.write("triggers.toml", &strict);
    sandbox
        .on(&live, &["plan"])
        .code(1)
        .says(&["trigger old", "no such table: archive"]);
}

#[test]
fn a_body_that_fails_is_an_error_unless_it_is_allowed() {
    let live = worn();
    let sandbox = Sandbox::new();
    sandbox.on(&live, &["import", "-o", "triggers.toml"]).ok();
    let spec = sandbox.read("triggers.toml");
    let allowed: Vec<&str> = spec
        .lines()
        .filter(|line| line.starts_with("allow"))
        .collect();
    sandbox.write("triggers.toml", spec.replace(allowed[1], ""));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox
        .on(&live, &["check"])
        .code(1)
        .says(&["trigger old", "no such table: archive"]);
}

#[test]
fn a_backslash_means_the_same_under_every_setting() {
    let mut live = Postgres::new();
    live.batch(
        "CREATE TABLE t (a text);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'begin return null; end'",
    );
    // For all sessions to come, as an old application may need it.
    live.batch(
        "DO $$ BEGIN
           EXECUTE format('ALTER DATABASE %I SET standard_conforming_strings = off', current_database());
           EXECUTE format('ALTER DATABASE %I SET transform_null_equals = on', current_database());
         END $$",
    );
    let sandbox = Sandbox::with_spec(
        "version = 1\n[[trigger]]\nname = 'x'\ntable = 't'\ntiming = 'after'\nevents = ['insert']\npostgres.function = 'f'\nwhen = '''NEW.a LIKE 'a\\_%' OR NEW.a = NULL'''\n",
    );
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let stored = live.run(
        "SET standard_conforming_strings = on; SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'x'",
    );
    assert!(
        stored.contains(r"~~ 'a\_%'::text") && stored.contains("= NULL::text"),
        "{stored}"
    );
    // What is written for others is as it stands in the catalog.
    let other = Sandbox::new();
    other.on(&live, &["import", "-o", "triggers.toml"]).ok();
    let spec = other.read("triggers.toml");
    assert!(
        spec.contains(r"'a\\_%'") || spec.contains(r"'a\_%'"),
        "{spec}"
    );
    assert!(!spec.contains(r"\\\\_"), "{spec}");
    for sandbox in [&sandbox, &other] {
        sandbox.on(&live, &["check"]).ok();
    }
}

#[test]
fn a_function_that_somebody_dropped_comes_back_with_all_that_it_had() {
    let mut live = Postgres::new();
    live.batch(
        "CREATE TABLE t (id integer);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql SET work_mem = '64MB' SET search_path = public, pg_temp SET \"DateStyle\" = 'ISO, DMY'
           AS 'begin return null; end';
         ALTER FUNCTION f() OWNER TO pg_monitor;
         REVOKE EXECUTE ON FUNCTION f() FROM PUBLIC;
         GRANT EXECUTE ON FUNCTION f() TO pg_read_all_stats WITH GRANT OPTION;
         CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    );
    let known = "SELECT pg_get_functiondef(p.oid), proacl, proowner::regrole FROM pg_proc p WHERE proname = 'f'";
    let before = live.run(known);
    let sandbox = Sandbox::new();
    sandbox.on(&live, &["import", "-o", "triggers.toml"]).ok();
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch("DROP FUNCTION f() CASCADE");
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_same("the function", &before, &live.run(known));
    sandbox.on(&live, &["plan", "--detailed-exitcode"]).ok();
}

#[test]
fn what_no_spec_can_say_of_a_function_is_seen_and_named() {
    let mut live = Postgres::new();
    let function = |clauses: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql {clauses} AS 'begin return null; end'"
        )
    };
    live.batch(&format!(
        "CREATE TABLE t (id integer); {};
         CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
         CREATE TRANSFORM FOR integer LANGUAGE plpgsql (FROM SQL WITH FUNCTION prsd_lextype(internal))",
        function("")
    ));
    let sandbox = Sandbox::new();
    sandbox.on(&live, &["import", "-o", "triggers.toml"]).ok();
    sandbox.on(&live, &["apply", "--yes"]).ok();
    for (clause, shown) in [
        (
            "SUPPORT generate_series_int4_support",
            "SUPPORT generate_series_int4_support",
        ),
        ("TRANSFORM FOR TYPE integer", "TRANSFORM FOR TYPE integer"),
    ] {
        live.batch(&function(clause));
        let by_hand = live.snapshot();
        Sandbox::new()
            .on(&live, &["import", "-o", "triggers.toml"])
            .code(1)
            .says(&[
                "function public.f cannot be written as a spec",
                "`clauses`",
                shown,
            ]);
        sandbox
            .on(&live, &["check"])
            .code(2)
            .says(&["changed by hand", "clauses"]);
        sandbox
            .on(
                &live,
                &["apply", "--yes", "--allow", "undoes_manual_change"],
            )
            .ok();
        sandbox.on(&live, &["check"]).ok();
        sandbox.on(&live, &["rollback", "--yes"]).ok();
        assert_same("what was there", &by_hand, &live.snapshot());
        live.batch(&function(""));
    }
}
