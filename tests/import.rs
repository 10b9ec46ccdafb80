//! From a live database to a spec and back: nothing is lost, nothing is changed, nothing is left out in silence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::postgres::Postgres;
use common::sqlite::Sqlite;
use common::{Live, Run, Sandbox, assert_same, repository};

/// A database with the hostile catalog of its dialect.
fn hostile(live: &mut dyn Live) {
    let path = repository().join(format!("fixtures/import/{}.sql", live.dialect()));
    live.batch(&std::fs::read_to_string(path).unwrap());
}

/// Take away all triggers, and on PostgreSQL the functions that they called.
fn drop_everything(live: &mut dyn Live) {
    if live.dialect() == "sqlite" {
        let names = live.run("SELECT group_concat('DROP TRIGGER \"' || replace(name, '\"', '\"\"') || '\"', ';') FROM sqlite_schema WHERE type = 'trigger'");
        live.batch(&names);
        assert_eq!(
            live.run("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'"),
            "0\n"
        );
        return;
    }
    live.batch(
        "DO $do$ DECLARE drop text; BEGIN
         FOR drop IN SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass) FROM pg_trigger
           WHERE NOT tgisinternal AND tgparentid = 0 LOOP EXECUTE drop; END LOOP;
         FOR drop IN SELECT format('DROP FUNCTION %s', oid::regprocedure) FROM pg_proc
           WHERE prorettype = 'trigger'::regtype AND pronamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
           LOOP EXECUTE drop; END LOOP;
         END $do$",
    );
    assert_eq!(
        live.run("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"),
        "0\n"
    );
}

/// Import into a new file of a new folder.
fn imported(live: &dyn Live) -> (Sandbox, Run) {
    let sandbox = Sandbox::new();
    let run = sandbox.on(live, &["import", "-o", "triggers.toml"]).ok();
    (sandbox, run)
}

/// The plan finds nothing that differs.
#[track_caller]
fn assert_nothing_differs(sandbox: &Sandbox, live: &dyn Live) {
    let plan = sandbox
        .on(live, &["plan", "--format", "json", "--detailed-exitcode"])
        .ok()
        .json();
    for change in plan["changes"].as_array().unwrap() {
        assert_eq!(change["action"], "adopt", "{change:#}");
    }
}

for_each_dialect!(
    a_plan_after_an_import_is_empty,
    what_was_imported_can_be_made_again,
    an_existing_spec_keeps_every_byte,
    one_file_a_table,
    filters_choose,
    it_is_printed_without_a_file,
    a_thousand_lines,
    an_import_writes_nothing_to_the_database,
    init_starts_from_what_is_there,
);

fn a_plan_after_an_import_is_empty(live: &mut dyn Live) {
    hostile(live);
    let (sandbox, run) = imported(live);
    run.says(&["triggers", "imported into `triggers.toml`"]);
    assert_nothing_differs(&sandbox, live);
    let before = live.snapshot();
    sandbox.on(live, &["apply", "--yes"]).ok();
    assert_same("the catalog after adopting", &before, &live.snapshot());
    let plan = sandbox.on(live, &["plan", "--format", "json"]).ok().json();
    assert_eq!(plan["changes"].as_array().unwrap().len(), 0);
    assert_eq!(plan["unmanaged"].as_array().unwrap().len(), 0, "{plan:#}");
}

fn what_was_imported_can_be_made_again(live: &mut dyn Live) {
    hostile(live);
    let before = live.snapshot();
    let (sandbox, _) = imported(live);
    drop_everything(live);
    sandbox.on(live, &["apply", "--yes"]).ok();
    let after = live.snapshot();
    if live.dialect() == "postgres" {
        assert_same("the catalog", &before, &after);
        return;
    }
    // SQLite keeps the statement: the words before the body are written in triggerctl's way, the body to the letter.
    let body = |text: &str| {
        text[text.find("  -- a comment").unwrap()..text.find("/* the end */").unwrap()].to_owned()
    };
    assert_same("the body", &body(&before), &body(&after));
    let (again, _) = imported(live);
    drop_everything(live);
    again.on(live, &["apply", "--yes"]).ok();
    assert_same("the catalog", &after, &live.snapshot());
}

fn an_existing_spec_keeps_every_byte(live: &mut dyn Live) {
    live.batch("CREATE TABLE a (id int); CREATE TABLE b (id int)");
    let sandbox = Sandbox::with_spec(
        "# mine\r\nversion = 1 # one\n\n[[trigger]] # the first\nname='x'\ntable =   \"a\"\ntiming = 'after'\nevents = [\"delete\"]\n\
         body = \"DELETE FROM b;\" # no line end",
    );
    sandbox.on(live, &["apply", "--yes"]).ok();
    let before = sandbox.read("triggers.toml");
    sandbox
        .on(live, &["import", "-o", "triggers.toml"])
        .ok()
        .says(&["0 triggers", "1 trigger in the spec already"]);
    assert_eq!(sandbox.read("triggers.toml"), before);

    make_trigger(live, "y", "b");
    let run = sandbox
        .on(live, &["import", "-o", "triggers.toml", "--format", "json"])
        .ok();
    let document = run.json();
    assert_eq!(document["format_version"], 1);
    assert_eq!(document["files"][0]["path"], "triggers.toml");
    assert_eq!(document["files"][0]["triggers"], 1);
    assert_eq!(document["already_there"], 1);
    let after = sandbox.read("triggers.toml");
    let added = after.strip_prefix(&before).unwrap();
    assert!(
        added.contains("= \"y\"") && !added.contains("= \"x\""),
        "{added}"
    );
    assert_nothing_differs(&sandbox, live);
}

/// One trigger, written by hand.
fn make_trigger(live: &mut dyn Live, name: &str, table: &str) {
    let sql = match live.dialect() {
        "sqlite" => format!("CREATE TRIGGER {name} AFTER DELETE ON {table} BEGIN SELECT 1; END"),
        _ => format!(
            "CREATE FUNCTION {table}_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ begin return null; end $$;
             CREATE TRIGGER {name} AFTER DELETE ON {table} EXECUTE FUNCTION {table}_{name}()"
        ),
    };
    live.batch(&sql);
}

fn one_file_a_table(live: &mut dyn Live) {
    hostile(live);
    let sandbox = Sandbox::new();
    let run = sandbox
        .on(
            live,
            &["import", "--split", "parts/of it", "-o", "triggers.toml"],
        )
        .ok();
    run.says(&["users.toml"]);
    let main = sandbox.read("triggers.toml");
    assert!(
        main.contains("include = [\"parts/of it/*.toml\"]"),
        "{main}"
    );
    assert!(!main.contains("[[trigger]]"), "{main}");
    let users = sandbox.read("parts/of it/users.toml");
    assert!(
        users.contains("table ") && !users.contains("\"seen\""),
        "{users}"
    );
    assert_nothing_differs(&sandbox, live);

    // Again, after something came in: only its table's file changes.
    let before = sandbox.read("parts/of it/users.toml");
    make_trigger(live, "late", "users");
    sandbox
        .on(live, &["import", "--split", "parts/of it"])
        .ok()
        .says(&["1 trigger"]);
    let after = sandbox.read("parts/of it/users.toml");
    assert!(after.strip_prefix(&before).unwrap().contains("\"late\""));
    assert_eq!(sandbox.read("triggers.toml"), main);
    assert_nothing_differs(&sandbox, live);
}

fn filters_choose(live: &mut dyn Live) {
    hostile(live);
    let sandbox = Sandbox::new();
    let names = |arguments: &[&str]| {
        let mut all = vec!["import", "--format", "json"];
        all.extend(arguments);
        let document = sandbox.on(live, &all).ok().json();
        let objects = document["objects"].as_array().unwrap().clone();
        let triggers = objects.iter().filter(|object| object["kind"] == "trigger");
        let tables = triggers.map(|object| {
            format!(
                "{}.{}",
                object["schema"].as_str().unwrap(),
                object["table"].as_str().unwrap()
            )
        });
        tables
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    };
    let sqlite = live.dialect() == "sqlite";
    assert_eq!(
        names(&["--table", "see?"]),
        [if sqlite { "main.seen" } else { "public.seen" }]
    );
    assert_eq!(names(&["--table", "nothing"]), [""; 0]);
    sandbox
        .on(
            live,
            &[
                "import", "--table", "nothing", "--table", "seen", "--table", "\"seen\"",
            ],
        )
        .ok()
        .says(&[
            "`--table nothing` matches no table that has triggers\n",
            "`--table \"seen\"` matches no table that has triggers: names stand without quotes",
        ])
        .never_says(&["`--table seen`"]);
    let without_seen = names(&["--exclude", "seen.*"]);
    let all = names(&[]);
    assert!(
        all.len() > 1 && without_seen.len() + 1 == all.len(),
        "{all:?} {without_seen:?}"
    );
    sandbox
        .on(live, &["import", "--exclude", "nobody.*"])
        .ok()
        .says(&["`--exclude nobody.*` matches no trigger"]);
    sandbox
        .on(live, &["import", "--schema", "nowhere"])
        .ok()
        .says(&["`--schema nowhere` matches no schema"]);
    assert_eq!(
        names(&["--schema", "app"]),
        if sqlite {
            vec![]
        } else {
            vec!["app.orders", "app.users"]
        }
    );
    let some = names(&["--table", "app.u*", "--table", "seen"]);
    assert_eq!(
        some,
        if sqlite {
            vec!["main.seen"]
        } else {
            vec!["app.users", "public.seen"]
        }
    );
    sandbox
        .on(live, &["import", "--table", "[a"])
        .code(64)
        .says(&["--table [a", "not a pattern"]);
}

fn it_is_printed_without_a_file(live: &mut dyn Live) {
    hostile(live);
    let sandbox = Sandbox::new();
    let run = sandbox.on(live, &["import"]).ok();
    assert!(run.stdout.starts_with("# Triggers of "), "{run}");
    assert!(
        run.stdout.contains("\nversion = 1\n") && run.stdout.contains("[[trigger]]"),
        "{run}"
    );
    assert!(run.stderr.contains("imported"), "{run}");
    assert_eq!(std::fs::read_dir(sandbox.path()).unwrap().count(), 0);
    // A shell that writes it to the file has made that one empty by then.
    sandbox.write("triggers.toml", "");
    sandbox
        .on(live, &["import"])
        .ok()
        .never_says(&["left aside"]);
    sandbox.write("triggers.toml", &run.stdout);
    assert_nothing_differs(&sandbox, live);
}

fn a_thousand_lines(live: &mut dyn Live) {
    let lines: String = (0..1000)
        .map(|number| match live.dialect() {
            "sqlite" => format!("  INSERT INTO b VALUES ({number}); -- '{number}' 😀\t\r\n"),
            _ => format!("  INSERT INTO b VALUES ({number}); -- '{number}' 😀\t$$\r\n"),
        })
        .collect();
    live.batch("CREATE TABLE a (id int); CREATE TABLE b (id int)");
    live.batch(&match live.dialect() {
        "sqlite" => format!("CREATE TRIGGER long\nAFTER INSERT ON a\nFOR EACH ROW\nBEGIN\n{lines}  SELECT 1;\nEND"),
        _ => format!(
            "CREATE FUNCTION long() RETURNS trigger LANGUAGE plpgsql AS $body$BEGIN\n{lines}RETURN NULL; END$body$;
             CREATE TRIGGER long AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION long()"
        ),
    });
    let before = live.snapshot();
    let (sandbox, _) = imported(live);
    assert_nothing_differs(&sandbox, live);
    drop_everything(live);
    sandbox.on(live, &["apply", "--yes"]).ok();
    assert_same("the catalog", &before, &live.snapshot());
}

fn an_import_writes_nothing_to_the_database(live: &mut dyn Live) {
    hostile(live);
    let before = live.everything();
    imported(live);
    assert_same("the database", &before, &live.everything());
}

fn init_starts_from_what_is_there(live: &mut dyn Live) {
    hostile(live);
    let sandbox = Sandbox::new();
    sandbox
        .on(live, &["init"])
        .ok()
        .says(&["Wrote `triggers.toml`"]);
    // The URL is in the file.
    let plan = sandbox.run(&["plan", "--format", "json"]).ok().json();
    let changes = plan["changes"].as_array().unwrap();
    assert!(!changes.is_empty());
    assert!(
        changes.iter().all(|change| change["action"] == "adopt"),
        "{plan:#}"
    );
}

/// What a template of the user's makes is more than its definition: it was said that there would be nothing to change, and
/// the plan had a conflict.
#[test]
fn what_a_template_would_make_is_said() {
    let mut live = Sqlite::new();
    live.batch(
        "CREATE TABLE t (id integer);
         CREATE TRIGGER t_a AFTER INSERT ON t BEGIN SELECT 'a'; END",
    );
    let sandbox = Sandbox::with_spec("version = 1\ntemplates = 'ours'\n");
    let template = include_str!("../templates/sqlite/create_trigger.sql");
    sandbox.write(
        "ours/sqlite/create_trigger.sql",
        template.replace("BEGIN\n", "BEGIN\nSELECT 'ours';\n"),
    );
    sandbox
        .on(&live, &["import", "-o", "triggers.toml"])
        .ok()
        .says(&["1 of them is for a template of yours to make", "--adopt"])
        .never_says(&["nothing to change"]);
    sandbox
        .on(&live, &["plan", "--detailed-exitcode"])
        .code(2)
        .says(&["template"]);
    sandbox.on(&live, &["apply", "--yes", "--adopt"]).ok();
    assert!(live.snapshot().contains("SELECT 'ours';"));
    assert_nothing_differs(&sandbox, &live);
}

#[test]
fn the_most_readable_form_is_chosen() {
    let mut live = Postgres::new();
    hostile(&mut live);
    let (sandbox, _) = imported(&live);
    let text = sandbox.read("triggers.toml");
    let section = |header: &str| {
        let rest = &text[text
            .find(header)
            .unwrap_or_else(|| panic!("no {header} in\n{text}"))..];
        rest[..rest[1..].find("\n\n[[").map_or(rest.len(), |end| end + 1)].to_owned()
    };
    let touch = section("name        = \"users_touch\"");
    assert!(
        touch.contains("NEW.note := 'touched") && !touch.contains("function"),
        "{touch}"
    );
    let declares = section("name   = \"orders_after\"");
    for line in [
        "body   = \"n := 1;\"",
        "declare       = \"n integer;\"",
        "function_name = \"app.another_name\"",
        "search_path   = [\"\"]",
        "security      = \"definer\"",
    ] {
        assert!(declares.contains(line), "{line} is not in\n{declares}");
    }
    assert!(
        text.contains(
            "# The function pg_catalog.suppress_redundant_updates_trigger is written in C"
        )
    );
    assert_eq!(text.matches("[[function]]").count(), 9, "{text}");
    for line in [
        r#"search_path = ['"app, public"']"#,
        r#"search_path = ["", '"""app"""', 'a"b', '""""']"#,
        "# PostgreSQL takes `app, public` for the name of one schema",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn the_states_on_partitions_and_the_marks_of_extensions_are_in_the_spec() {
    let mut live = Postgres::new();
    hostile(&mut live);
    let (sandbox, _) = imported(&live);
    let text = sandbox.read("triggers.toml");
    for line in [
        r#"enabled_on = { "odd=part $${env:HOME}" = "always", z_parts = "disabled" }"#,
        r#"enabled_on = { parts_1 = "replica" }"#,
        r#"depends_on_extensions = ["plpgsql"]"#,
        r#"table  = '"what? *"."a.b*"'"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn rights_and_lost_comments_are_said() {
    let mut live = Postgres::new();
    live.batch(
        "CREATE TABLE t (id int);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'begin return null; end';
         REVOKE EXECUTE ON FUNCTION f() FROM PUBLIC;
         CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    );
    let (sandbox, run) = imported(&live);
    run.says(&["who may execute public.f is not part of a spec"]);
    assert!(
        sandbox
            .read("triggers.toml")
            .contains("# Who may execute it is not part of a spec")
    );

    let mut live = Sqlite::new();
    hostile(&mut live);
    let (sandbox, _) = imported(&live);
    assert!(
        sandbox
            .read("triggers.toml")
            .contains("outside of its body: -- kept in the header\n[[trigger]]")
    );
}

/// Many triggers are imported some tables at a time. What is wrong with a function that tables far apart share, and a circle
/// through them, is seen as if all were looked at together.
#[test]
fn what_pieces_have_in_common_is_seen() {
    let mut live = Postgres::new();
    live.batch(
        "CREATE TABLE a (id int);
         CREATE TABLE z (id int);
         DO $do$ BEGIN
           FOR t IN 1..110 LOOP
             EXECUTE format('CREATE TABLE m%s (id int)', t);
             EXECUTE format($f$CREATE FUNCTION m%s_own() RETURNS trigger LANGUAGE plpgsql AS E'\nBEGIN\nRAISE NOTICE ''%s'';\nRETURN NULL;\nEND\n'$f$, t, t);
             EXECUTE format('CREATE TRIGGER own AFTER DELETE ON m%s FOR EACH ROW EXECUTE FUNCTION m%s_own()', t, t);
           END LOOP;
         END $do$;
         CREATE FUNCTION fine() RETURNS trigger LANGUAGE plpgsql AS 'begin return null; end';
         DO $do$ BEGIN
           FOR t IN 1..110 LOOP
             FOR n IN 1..10 LOOP
               EXECUTE format('CREATE TRIGGER f%s AFTER INSERT ON m%s FOR EACH ROW EXECUTE FUNCTION fine()', n, t);
             END LOOP;
           END LOOP;
         END $do$;
         CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS 'begin insert into gone values (1); return null; end';
         CREATE TRIGGER broken AFTER UPDATE ON a FOR EACH ROW EXECUTE FUNCTION broken();
         CREATE TRIGGER broken AFTER UPDATE ON z FOR EACH ROW EXECUTE FUNCTION broken();
         CREATE FUNCTION to_z() RETURNS trigger LANGUAGE plpgsql AS 'begin insert into z values (1); return null; end';
         CREATE FUNCTION to_a() RETURNS trigger LANGUAGE plpgsql AS 'begin insert into a values (1); return null; end';
         CREATE TRIGGER round AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION to_z();
         CREATE TRIGGER round AFTER INSERT ON z FOR EACH ROW EXECUTE FUNCTION to_a()",
    );
    let (sandbox, run) = imported(&live);
    run.says(&[
        "1214 triggers and 4 functions imported",
        "2 of them have faults in the database already",
    ]);
    let text = sandbox.read("triggers.toml");
    // Each function once, and what is wrong with one once, where it is.
    assert_eq!(text.matches("[[function]]").count(), 4);
    assert_eq!(text.matches("allow ").count(), 2);
    let allowed = |header: &str| {
        let entries: Vec<&str> = text.split("\n[[").collect();
        let entry = entries.iter().find(|entry| entry.contains(header));
        let allow = entry.and_then(|entry| entry.lines().find(|line| line.starts_with("allow")));
        allow.unwrap_or_default().to_owned()
    };
    assert!(
        allowed("name  = \"broken\"").contains("missing_reference"),
        "{text}"
    );
    assert!(
        text.contains("allow  = { rule = \"trigger_cycle\""),
        "the circle is on the first of its triggers"
    );
    sandbox.on(&live, &["check"]).ok();

    // The others on the circle need not be imported for it to be seen.
    let alone = Sandbox::new();
    let arguments = ["import", "--table", "a", "-o", "triggers.toml"];
    alone.on(&live, &arguments).ok();
    let text = alone.read("triggers.toml");
    assert!(text.contains("trigger_cycle"), "{text}");
}

#[test]
fn a_trigger_that_calls_an_extension_is_imported() {
    let mut live = Postgres::new();
    live.batch("CREATE TABLE t (id int, at timestamp)");
    // `moddatetime` comes with PostgreSQL's contrib modules, which are not everywhere.
    if live.run("SELECT count(*) FROM pg_available_extensions WHERE name = 'moddatetime'") == "0\n"
    {
        live.batch(
            "CREATE FUNCTION moddatetime() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';
             ALTER EXTENSION plpgsql ADD FUNCTION moddatetime()",
        );
    } else {
        live.batch("CREATE EXTENSION moddatetime");
    }
    live.batch(
        "CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION moddatetime('at')",
    );
    let (sandbox, _) = imported(&live);
    let text = sandbox.read("triggers.toml");
    assert!(
        text.contains("function = \"moddatetime\"") && text.contains("args     = [\"at\"]"),
        "{text}"
    );
    assert!(
        text.contains("# The function public.moddatetime belongs to an extension"),
        "{text}"
    );
    assert!(!text.contains("[[function]]"), "{text}");
    assert_nothing_differs(&sandbox, &live);
}

#[test]
fn a_spec_of_two_dialects_says_which_one_is_meant() {
    let mut live = Sqlite::new();
    live.batch("CREATE TABLE a (id int)");
    make_trigger(&mut live, "x", "a");
    let sandbox = Sandbox::with_spec(
        "version = 1\n[[trigger]]\nname = \"x\"\ntable = \"a\"\ntiming = \"after\"\nevents = [\"delete\"]\n\
         body = \"PERFORM 1;\"\ndialects = [\"postgres\"]\n",
    );
    sandbox
        .on(&live, &["import", "-o", "triggers.toml"])
        .ok()
        .says(&["1 trigger"]);
    assert!(
        sandbox
            .read("triggers.toml")
            .contains("dialects = [\"sqlite\"]")
    );
    assert_nothing_differs(&sandbox, &live);
}

#[test]
fn a_file_that_cannot_be_added_to_stays_as_it_was() {
    let mut live = Sqlite::new();
    live.batch("CREATE TABLE a (id int)");
    make_trigger(&mut live, "x", "a");
    let spec = "version = 1\ntrigger = [{ name = \"y\", table = \"a\", timing = \"after\", events = [\"insert\"], body = \"SELECT 1;\" }]\n";
    let sandbox = Sandbox::with_spec(spec);
    sandbox
        .on(&live, &["import", "-o", "triggers.toml"])
        .code(1)
        .says(&["nothing was written"]);
    assert_eq!(sandbox.read("triggers.toml"), spec);
    sandbox
        .on(&live, &["import", "-o", "triggers.toml", "--split", "."])
        .code(64)
        .says(&["folder of the spec itself"]);
    assert_eq!(sandbox.read("triggers.toml"), spec);
}
