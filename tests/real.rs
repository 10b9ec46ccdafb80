//! What came up when schemas of well-known programs were imported, dropped, brought back and changed by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Live, Sandbox, assert_same, postgres::Postgres, sqlite::Sqlite};

/// A function that was broken when it was imported, and that two triggers call: with everything gone, the triggers
/// cannot be told that the function which comes with them is not there.
#[test]
fn a_broken_function_comes_back_with_its_triggers() {
    let mut live = Postgres::new();
    live.batch(
        "CREATE TABLE shard (id integer, project_id integer);
         CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS
           'begin select target_id into new.project_id from merge_requests; return new; end';
         CREATE TRIGGER fill BEFORE INSERT ON shard FOR EACH ROW EXECUTE FUNCTION fill();
         CREATE TRIGGER refill BEFORE UPDATE ON shard FOR EACH ROW EXECUTE FUNCTION fill();",
    );
    let before = live.snapshot();
    let sandbox = Sandbox::new();
    sandbox.on(&live, &["import", "-o", "triggers.toml"]).ok();
    assert!(sandbox.read("triggers.toml").contains("allow"));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch("DROP FUNCTION fill() CASCADE");
    sandbox
        .on(&live, &["check"])
        .code(2)
        .says(&["3 to restore"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_same("the catalog", &before, &live.snapshot());
}

/// What an extension took over is not gone, and not to be made again.
#[test]
fn what_an_extension_took_over_is_named() {
    let mut live = Postgres::new();
    live.batch(
        "CREATE EXTENSION cube; CREATE TABLE t (a integer);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';
         CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();",
    );
    let sandbox = Sandbox::new();
    sandbox.on(&live, &["import", "-o", "triggers.toml"]).ok();
    sandbox.on(&live, &["apply", "--yes"]).ok();
    for (member, said) in [
        (
            "FUNCTION f()",
            "function public.f belongs to the extension `cube`",
        ),
        (
            "TABLE t",
            "the table of trigger x on public.t belongs to the extension `cube`",
        ),
    ] {
        live.batch(&format!("ALTER EXTENSION cube ADD {member}"));
        for command in [&["check"][..], &["plan"], &["apply", "--yes"]] {
            sandbox
                .on(&live, command)
                .code(1)
                .says(&[said, "take it out of the extension"]);
        }
        live.batch(&format!("ALTER EXTENSION cube DROP {member}"));
        sandbox.on(&live, &["check"]).ok();
    }
}

/// The server stores the value of a literal, not its text: whoever applies, it is the same one.
#[test]
fn literals_mean_the_same_whatever_the_role_is_set_to() {
    let mut stored = vec![];
    for settings in [
        &[][..],
        &[
            ("DateStyle", "German, DMY"),
            ("TimeZone", "Asia/Tokyo"),
            ("IntervalStyle", "sql_standard"),
            ("extra_float_digits", "-15"),
            ("array_nulls", "off"),
            ("bytea_output", "escape"),
            ("xmloption", "document"),
        ],
    ] {
        let mut live = Postgres::new();
        live.batch(
            "CREATE TABLE t (d date, at timestamptz, i interval, x float8, a text[], b bytea);
             CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end'",
        );
        for (name, value) in settings {
            live.batch(&format!(
                "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {name} = {value:?}', current_database()); END $$"
            ).replace('"', "''"));
        }
        let sandbox = Sandbox::with_spec(
            "version = 1\n[[trigger]]\nname = 'x'\ntable = 't'\ntiming = 'after'\nevents = ['insert']\npostgres.function = 'f'\n\
             when = '''NEW.d > '01/02/2020' AND NEW.at > '2020-01-01 00:00' AND NEW.i > '-1 2:03' AND NEW.x > 0.1::float8 / 3 AND NEW.x < float8 '0.12345678901234567' AND NEW.a <> '{NULL}' AND NEW.b <> '\\x00ff' '''\n",
        );
        sandbox.on(&live, &["apply", "--yes"]).ok();
        sandbox.on(&live, &["check"]).ok();
        stored.push(live.run(
            "SET DateStyle = 'ISO, MDY'; SET TimeZone = 'UTC'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1; \
             SET bytea_output = hex; SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'x'",
        ));
        // Nobody has lost a digit on the way to a spec either.
        let other = Sandbox::new();
        other.on(&live, &["import", "-o", "triggers.toml"]).ok();
        let spec = other.read("triggers.toml");
        assert!(spec.contains("0.12345678901234566"), "{spec}");
        other.on(&live, &["check"]).ok();
    }
    assert!(stored[0].contains("2020-01-02"), "{}", stored[0]);
    assert_same("the condition", &stored[0], &stored[1]);
}

/// A plan that does not fit is refused as such, before anybody is asked about what it would have done.
#[test]
fn a_stale_plan_is_refused_as_stale_before_its_hazards_count() {
    let mut live = Sqlite::new();
    live.batch(
        "CREATE TABLE t (a); CREATE TABLE log (x);
         CREATE TRIGGER keep BEFORE DELETE ON t BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    let sandbox = Sandbox::new();
    sandbox.on(&live, &["import", "-o", "triggers.toml"]).ok();
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.write("triggers.toml", "version = 1\n");
    sandbox.on(&live, &["plan", "--out", "plan.json"]).ok();
    sandbox
        .on(&live, &["apply", "plan.json", "--yes"])
        .code(3)
        .says(&["--allow"]);
    live.batch(
        "DROP TRIGGER keep; CREATE TRIGGER keep BEFORE DELETE ON t BEGIN SELECT RAISE(ABORT, 'never'); END",
    );
    sandbox
        .on(&live, &["apply", "plan.json", "--yes"])
        .code(3)
        .says(&["does not fit any more", "trigger keep"])
        .never_says(&["--allow"]);
}

/// A database is looked at more than once in a run; what is found there is said once.
#[test]
fn a_function_that_only_the_application_has_is_named_once() {
    let mut live = Sqlite::new();
    live.batch(
        "CREATE TABLE books (title, sort);
         CREATE TRIGGER a AFTER INSERT ON books BEGIN UPDATE books SET sort = title_sort(NEW.title) WHERE rowid = NEW.rowid; END;
         CREATE TRIGGER b AFTER UPDATE OF title ON books BEGIN UPDATE books SET sort = title_sort(NEW.title) WHERE rowid = NEW.rowid; END;",
    );
    let sandbox = Sandbox::new();
    for command in [
        &["import", "-o", "triggers.toml"][..],
        &["check"],
        &["lint"],
    ] {
        let ran = sandbox.on(&live, command).ok();
        let said = ran.stderr.matches("SQLite has no function `title_sort`");
        assert_eq!(said.count(), 1, "{ran}");
    }
}

/// Rows that a policy hides would be taken for rows that nobody wrote.
#[test]
fn row_security_on_the_history_is_an_error_and_not_an_empty_history() {
    let mut live = Postgres::new();
    live.batch("CREATE TABLE t (a integer); CREATE TABLE log (x text)");
    let sandbox = Sandbox::with_spec(
        "version = 1\n[[trigger]]\nname = 'x'\ntable = 't'\ntiming = 'after'\nevents = ['insert']\nbody = \"INSERT INTO log VALUES ('x');\"\n",
    );
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let role = format!("weak_{}", live.name());
    live.batch(&format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA triggerctl TO {role};
         GRANT SELECT ON ALL TABLES IN SCHEMA triggerctl TO {role}"
    ));
    let url = live.url().replace("postgres@", &format!("{role}@"));
    sandbox.run(&["check", "--url", &url]).ok();
    live.batch("ALTER TABLE triggerctl.objects ENABLE ROW LEVEL SECURITY");
    for command in ["plan", "check", "history"] {
        sandbox.run(&[command, "--url", &url]).code(1).says(&[
            "row security keeps rows of the history",
            "triggerctl.objects",
            "DISABLE ROW LEVEL SECURITY",
        ]);
    }
    // The owner sees all there is.
    sandbox.on(&live, &["check"]).ok();
    // Whoever logs in as another role lacks what that one lacks.
    let acting = format!("acting_{}", live.name());
    live.batch(&format!(
        "ALTER TABLE triggerctl.objects DISABLE ROW LEVEL SECURITY;
         CREATE ROLE {acting}; GRANT {acting} TO {role}; ALTER ROLE {role} SET role = '{acting}'"
    ));
    let ran = sandbox.run(&["plan", "--url", &url]).code(1);
    ran.says(&[
        &format!("role `{acting}` may not read the history"),
        &format!("\"{acting}\"; GRANT SELECT"),
    ]);
    live.batch(&format!(
        "DROP OWNED BY {role}; DROP ROLE {role}; DROP ROLE {acting}"
    ));
}

/// What is created beside triggers is named by how its statement begins, not as the history's.
#[test]
fn a_table_that_cannot_be_created_is_named() {
    let mut live = Postgres::new();
    live.batch(
        "CREATE TABLE t (id integer PRIMARY KEY, s text);
         CREATE FUNCTION no_tables() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
           RAISE EXCEPTION 'no tables here'; END$$;
         CREATE EVENT TRIGGER no_tables ON ddl_command_start WHEN TAG IN ('CREATE TABLE')
           EXECUTE FUNCTION no_tables()",
    );
    let sandbox = Sandbox::with_spec(
        "version = 1\n[[trigger]]\nuse = 'audit'\ntable = 't'\ncreate_table = true\nwith = { target = 'seen' }\n",
    );
    let before = live.snapshot();
    sandbox
        .on(&live, &["apply", "--yes"])
        .code(1)
        .says(&["error: `CREATE TABLE public.seen` failed", "no tables here"]);
    assert_eq!(live.snapshot(), before);
}

/// The server does not even begin a message that it cannot put into its encoding; the statement is named all the same.
#[test]
fn a_character_that_the_server_does_not_have_is_named_with_its_statement() {
    let outer = Postgres::new();
    let name = format!("{}_latin", outer.name());
    let mut server = outer.connect();
    server
        .batch_execute(&format!(
            "CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
        ))
        .unwrap();
    let url = common::postgres::with_database(&outer.url(), &name);
    common::postgres::connect(&url)
        .batch_execute("CREATE TABLE t (a text); CREATE TABLE log (x text)")
        .unwrap();
    let spec = |word: &str| {
        format!(
            "version = 1\n[[trigger]]\nname = 'x'\ntable = 't'\ntiming = 'after'\nevents = ['insert']\nbody = \"INSERT INTO log VALUES ('{word}');\"\n"
        )
    };
    let sandbox = Sandbox::with_spec(&spec("zehn €"));
    sandbox
        .run(&["apply", "--yes", "--url", &url])
        .code(1)
        .says(&["create of function public.t_x failed", "22p05", "encoding"])
        .never_says(&["triggerctl_batch"]);
    sandbox.write("triggers.toml", spec("zehn £"));
    sandbox.run(&["apply", "--yes", "--url", &url]).ok();
    sandbox.run(&["check", "--url", &url]).ok();
    sandbox
        .run(&["import", "--url", &url])
        .ok()
        .says(&["zehn £"]);
    server
        .batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"))
        .unwrap();
}

/// A database whose encoding says nothing takes any bytes: those that nobody can read are left alone, or said with a way out.
#[test]
fn bytes_that_nobody_can_read_are_said_with_a_way_out() {
    let outer = Postgres::new();
    let name = format!("{}_ascii", outer.name());
    let mut server = outer.connect();
    server
        .batch_execute(&format!(
            "CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
        ))
        .unwrap();
    let url = common::postgres::with_database(&outer.url(), &name);
    common::postgres::connect(&url)
        .batch_execute(
            r"CREATE TABLE t (a text); CREATE TABLE old (a text);
            CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
            CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
            DO $$ BEGIN EXECUTE E'CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS $f$BEGIN RETURN NEW; -- \xe9\nEND$f$'; END $$;
            CREATE TRIGGER y BEFORE INSERT ON old FOR EACH ROW EXECUTE FUNCTION g()",
        )
        .unwrap();
    let sandbox = Sandbox::new();
    sandbox.run(&["import", "--url", &url]).code(1).says(&[
        "not UTF-8",
        "server_encoding",
        "in UTF-8",
    ]);
    sandbox.write(
        "triggers.toml",
        "version = 1\n[[trigger]]\nname = 'z'\ntable = 't'\ntiming = 'before'\nevents = ['update']\nbody = 'NULL;'\n",
    );
    sandbox.run(&["plan", "--url", &url]).ok();
    sandbox.run(&["apply", "--yes", "--url", &url]).ok();
    server
        .batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"))
        .unwrap();
}

/// A body that was put in on Windows, and one that is not what it looks like: the plan shows what differs.
#[test]
fn what_cannot_be_seen_is_shown() {
    let mut live = Postgres::new();
    live.batch(
        "CREATE TABLE t (a text);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS E'BEGIN\\r\\n  RETURN NEW;\\r\\nEND';
         CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    );
    let spec = |body: &str| {
        format!(
            "version = 1\n[[trigger]]\nname = 'x'\ntable = 't'\ntiming = 'before'\nevents = ['insert']\npostgres.function = 'f'\n\
             [[function]]\nname = 'f'\nbody = \"{body}\"\n"
        )
    };
    let sandbox = Sandbox::with_spec(&spec(r"BEGIN\n  RETURN NEW;\nEND"));
    sandbox
        .on(&live, &["plan"])
        .ok()
        .says(&["- BEGIN␍\n", "+ BEGIN\n", "-   RETURN NEW;␍\n"]);
    // Where they are the same on both sides, they are nobody's concern.
    sandbox.write("triggers.toml", spec(r"BEGIN\r\n  RETURN NULL;\r\nEND"));
    sandbox
        .on(&live, &["plan"])
        .ok()
        .says(&["-   RETURN NEW;\n", "+   RETURN NULL;\n"])
        .never_says(&["␍"]);
    sandbox.write(
        "triggers.toml",
        spec(r"BEGIN\r\n  RETURN NEW; --\u202e\r\nEND"),
    );
    sandbox
        .on(&live, &["plan"])
        .ok()
        .says(&["+   RETURN NEW; --\u{fffd}\n"]);
}

/// `migrations` is what many programs call theirs: in a schema with one of these there can be no history, and nobody is told
/// to drop it.
#[test]
fn a_table_of_migrations_of_another_program_is_left_alone() {
    let mut live = Postgres::new();
    live.batch(
        "CREATE TABLE t (a text);
         CREATE TABLE migrations (id serial PRIMARY KEY, migration varchar(255) NOT NULL, batch integer NOT NULL);
         INSERT INTO migrations (migration, batch) VALUES ('2014_10_12_000000_create_users_table', 1)",
    );
    let sandbox = Sandbox::with_spec(
        "version = 1\ndatabase.history_schema = 'public'\n[[trigger]]\nname = 'x'\ntable = 't'\ntiming = 'before'\nevents = ['update']\nbody = 'NULL;'\n",
    );
    let before = live.everything();
    let refused = |live: &Postgres, what: &str| {
        for command in [&["plan"][..], &["apply", "--yes"], &["history"], &["check"]] {
            sandbox
                .on(live, command)
                .code(1)
                .says(&[
                    &format!("`public.{what}` is not triggerctl's"),
                    "history_schema",
                ])
                .never_says(&["drop", "backup"]);
        }
    };
    refused(&live, "migrations");
    assert_same("the database", &before, &live.everything());
    live.batch("ALTER TABLE migrations RENAME TO objects");
    refused(&live, "objects");
    live.batch("CREATE VIEW migrations AS SELECT 1 AS version");
    refused(&live, "migrations");
}

/// What was broken when it was imported goes back to being so, where the spec still says that it may.
#[test]
fn a_rollback_brings_back_what_was_broken_before() {
    let mut live = Sqlite::new();
    live.batch(
        "CREATE TABLE t (a); CREATE TABLE log (x);
         CREATE TRIGGER b AFTER INSERT ON t BEGIN INSERT INTO nolog VALUES (1); END",
    );
    let before = live.snapshot();
    let sandbox = Sandbox::new();
    sandbox.on(&live, &["import", "-o", "triggers.toml"]).ok();
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let broken = sandbox.read("triggers.toml");
    let mended = broken.replace("nolog VALUES", "log VALUES");
    sandbox.write("triggers.toml", &mended);
    sandbox.on(&live, &["apply", "--yes"]).ok();

    // Where nothing says so any more it is to be allowed.
    let strict: Vec<&str> = mended
        .lines()
        .filter(|line| !line.starts_with("allow"))
        .collect();
    sandbox.write("triggers.toml", strict.join("\n"));
    sandbox.on(&live, &["rollback", "--yes"]).code(3).says(&[
        "would fail when it fires: no such table: nolog",
        "--allow would_fail:t.b",
    ]);
    sandbox.write("triggers.toml", &mended);
    sandbox
        .on(&live, &["rollback", "--yes"])
        .ok()
        .says(&["would fail: no such table: nolog"]);
    assert_same("the catalog", &before, &live.snapshot());
}

/// Most functions in SQL end their last statement as the others, and newer ones are kept as trees: what a trigger writes by
/// calling one is seen all the same.
#[test]
fn functions_in_sql_are_followed() {
    let mut live = Postgres::new();
    live.batch(
        "CREATE TABLE nodes (id integer);
         CREATE FUNCTION add_node(integer) RETURNS void LANGUAGE sql AS 'INSERT INTO nodes SELECT $1 - 1 WHERE $1 > 0; -- and so on;';
         CREATE FUNCTION add_last(integer) RETURNS void LANGUAGE sql BEGIN ATOMIC INSERT INTO nodes SELECT $1 - 1 WHERE $1 > 0; END;",
    );
    for function in ["add_node", "add_last"] {
        let sandbox = Sandbox::with_spec(&format!(
            "version = 1\n[[trigger]]\nname = \"nodes_add\"\ntable = \"nodes\"\ntiming = \"after\"\nevents = [\"insert\"]\n\
             body = \"PERFORM {function}(NEW.id);\"\n"
        ));
        let run = sandbox.on(&live, &["lint"]).ok();
        assert!(run.stdout.contains("guarded_cycle"), "{run}");
        assert!(!run.stdout.contains("unanalysed_body"), "{run}");
    }
}
