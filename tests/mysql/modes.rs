//! Triggers that were made by hand under all kinds of settings: read, imported, checked, made again as they were.

use mysql::prelude::Queryable;

use crate::common::mysql::{Engine, Mysql, connect};
use crate::common::{Live, Sandbox, assert_same};
use crate::{Test, counting, empty_plan, tables};

pub(crate) const TESTS: &[(&str, Test)] = &[
    (
        "triggers_of_any_mode_are_imported_and_made_again",
        triggers_of_any_mode_are_imported_and_made_again,
    ),
    (
        "a_spec_may_say_under_which_mode",
        a_spec_may_say_under_which_mode,
    ),
    (
        "what_was_made_again_by_hand_is_imported_with_its_settings",
        what_was_made_again_by_hand_is_imported_with_its_settings,
    ),
    (
        "bodies_are_checked_under_their_mode",
        bodies_are_checked_under_their_mode,
    ),
    (
        "what_no_spec_can_say_is_named",
        what_no_spec_can_say_is_named,
    ),
    (
        "characters_of_other_clients_come_back",
        characters_of_other_clients_come_back,
    ),
    (
        "bytes_that_are_no_text_hide_nothing",
        bytes_that_are_no_text_hide_nothing,
    ),
    (
        "names_differ_by_case_where_the_server_says_so",
        names_differ_by_case_where_the_server_says_so,
    ),
    (
        "tables_whose_names_differ_in_case_alone_have_columns_of_their_own",
        tables_whose_names_differ_in_case_alone_have_columns_of_their_own,
    ),
    ("a_renamed_column_is_seen", a_renamed_column_is_seen),
];

/// A database with triggers of every kind, made by a client with its own settings each.
fn zoo(live: &mut Mysql) {
    tables(live, 1);
    live.batch("CREATE TABLE users (id integer, email varchar(50), `odd \"name` integer)");
    for (settings, trigger) in [
        (
            "sql_mode = 'ANSI_QUOTES'",
            r#"create trigger "in quotes" before update on "users" for each row set new."email" = concat(old."email", 'it''s \'x\'')"#,
        ),
        (
            "sql_mode = 'NO_BACKSLASH_ESCAPES'",
            r"create trigger backslash after insert on users for each row insert into log values ('C:\')",
        ),
        (
            "sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'",
            r#"create trigger "both" after insert on "users" for each row begin insert into "log" values ('\' || new."odd ""name"); end"#,
        ),
        (
            "sql_mode = 'ANSI,TRADITIONAL'",
            r#"create trigger `ansi` after delete on users for each row begin if old."id" > 1 then insert into log values ('--' || 'é 🦀'); end if; end"#,
        ),
        (
            "sql_mode = ''",
            "create trigger none after delete on users for each row set @none = \"a\\\"b\"",
        ),
        (
            "sql_mode = DEFAULT, collation_connection = utf8mb4_bin",
            "create trigger collated after insert on t0 for each row set @c = ('a' = 'A')",
        ),
        (
            "sql_mode = DEFAULT, character_set_client = latin1, collation_connection = latin1_german1_ci",
            "create trigger latin after insert on t0 for each row set @l = 'ascii'",
        ),
        (
            "sql_mode = DEFAULT",
            "create trigger a_last after insert on t0 for each row set @z = 1",
        ),
    ] {
        let mut conn = connect(&live.url());
        conn.query_drop(format!("SET SESSION {settings}")).unwrap();
        conn.query_drop(trigger).unwrap();
    }
}

fn triggers_of_any_mode_are_imported_and_made_again(engine: Engine) {
    let mut live = Mysql::of(engine);
    zoo(&mut live);
    let before = live.snapshot();
    let sandbox = Sandbox::new();
    sandbox.on(&live, &["import", "-o", "triggers.toml"]).ok();
    let text = sandbox.read("triggers.toml");
    for words in [
        r#"sql_mode = "ANSI_QUOTES""#,
        "NO_BACKSLASH_ESCAPES",
        "ANSI,",
        "collation = \"utf8mb4_bin\"",
        "collation = \"latin1_german1_ci\"",
        "follows",
    ] {
        let plain = text.replace("  ", " ").replace("  ", " ");
        assert!(plain.contains(words), "{words} is not in\n{text}");
    }
    assert!(
        !text.contains(&format!("\"{}.", live.name())),
        "the database stays out:\n{text}"
    );
    let plan = sandbox.on(&live, &["plan", "--format", "json"]).ok().json();
    for change in plan["changes"].as_array().unwrap() {
        assert_eq!(change["action"], "adopt", "{plan:#}");
    }
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    assert_eq!(live.snapshot(), before);
    let settings = |live: &mut Mysql| {
        live.run("SELECT TRIGGER_NAME, SQL_MODE, COLLATION_CONNECTION, DEFINER, ACTION_ORDER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY 1")
    };
    let as_made = settings(&mut live);
    // Every one of them again, in another place of its order and back.
    for name in [
        "in quotes",
        "backslash",
        "both",
        "ansi",
        "none",
        "collated",
        "latin",
        "a_last",
    ] {
        live.batch(&format!("DROP TRIGGER `{name}`"));
        sandbox.on(&live, &["check"]).code(2);
        sandbox.on(&live, &["apply", "--yes"]).ok();
        empty_plan(&sandbox, &live);
        assert_same(name, &as_made, &settings(&mut live));
    }
    // All of them at once from nothing: the spec is enough.
    let mut other = Mysql::of(engine);
    tables(&mut other, 1);
    other.batch("CREATE TABLE users (id integer, email varchar(50), `odd \"name` integer)");
    sandbox.on(&other, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &other);
    assert_same("made from nothing", &as_made, &settings(&mut other));
    for live in [&mut live, &mut other] {
        live.batch("TRUNCATE log");
        live.batch(
            "INSERT INTO users VALUES (2, 'e', 7); UPDATE users SET id = 3; DELETE FROM users",
        );
        assert_eq!(
            live.run("SELECT what FROM log ORDER BY BINARY what")
                .lines()
                .collect::<Vec<_>>(),
            ["--é 🦀", "C:\\", "\\7"]
        );
    }
    // And away: what was adopted is left as it was.
    sandbox.on(&other, &["rollback", "--yes"]).ok();
    assert!(!other.snapshot().contains("CREATE"), "{}", other.snapshot());
}

fn a_spec_may_say_under_which_mode(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let text = |mode: &str, more: &str| {
        format!(
            "version = 1\n[[trigger]]\nname = \"a\"\ntable = \"t0\"\ntiming = \"after\"\nevents = [\"insert\"]\n\
             body = '''INSERT INTO log VALUES ('\\' || \"NEW\".id);'''\n[trigger.mysql]\nsql_mode = \"{mode}\"\n{more}"
        )
        .replace("\"NEW\"", "NEW")
    };
    let sandbox = Sandbox::with_spec(&text("PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES", ""));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    live.run("INSERT INTO t0 VALUES (5)");
    assert_eq!(live.run("SELECT what FROM log"), "\\5\n");
    // The same modes in another order are the same; another mode is a change, and back.
    sandbox.write(
        "triggers.toml",
        text("no_backslash_escapes, PIPES_AS_CONCAT", ""),
    );
    empty_plan(&sandbox, &live);
    let before = live.snapshot();
    sandbox.write(
        "triggers.toml",
        text(
            "PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES",
            "collation = \"utf8mb4_bin\"\n",
        ),
    );
    sandbox
        .on(&live, &["plan", "--detailed-exitcode"])
        .code(2)
        .says(&["sql_mode", "collation"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    assert!(live.snapshot().contains("STRICT_ALL_TABLES"));
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_same("the catalog", &before, &live.snapshot());
    // Somebody makes it again under another mode: drift.
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let mut other = connect(&live.url());
    other.query_drop("DROP TRIGGER a").unwrap();
    other
        .query_drop("SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'")
        .unwrap();
    other
        .query_drop(r"CREATE TRIGGER a AFTER INSERT ON t0 FOR EACH ROW BEGIN INSERT INTO log VALUES ('\' || NEW.id); END")
        .unwrap();
    sandbox.on(&live, &["check"]).code(2).says(&["sql_mode"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    for (mode, words) in [
        ("ANSI", "stands for several modes"),
        ("NO_SUCH_MODE", "no_such_mode"),
        ("A;B", "is no `sql_mode`"),
        ("ORACLE", "another grammar"),
    ] {
        sandbox.write("triggers.toml", text(mode, "").replace("\\' ||", "x' ||"));
        sandbox.on(&live, &["plan"]).code(1).says(&[words]);
    }
    // The filter `literal` writes two backslashes, which would be two.
    sandbox.write(
        "triggers.toml",
        text("NO_BACKSLASH_ESCAPES", "").replace("'\\' || NEW.id", "{{ 'a\\\\b' | literal }}"),
    );
    sandbox
        .on(&live, &["plan"])
        .code(1)
        .says(&["NO_BACKSLASH_ESCAPES", "without the filter"]);
}

/// A spec that leaves a setting open leaves it as it was recorded: an import over a trigger that somebody made again under the
/// server's own settings has to name them.
fn what_was_made_again_by_hand_is_imported_with_its_settings(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let sandbox = Sandbox::with_spec(&format!(
        "version = 1\n{}[trigger.mysql]\nsql_mode = \"ANSI_QUOTES\"\ncollation = \"utf8mb4_bin\"\n",
        counting("t0", "a", 1)
    ));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let mut hand = connect(&live.url());
    for (setting, imported) in [
        ("sql_mode = 'NO_BACKSLASH_ESCAPES'", "first.toml"),
        ("sql_mode = DEFAULT", "second.toml"),
    ] {
        hand.query_drop("DROP TRIGGER a").unwrap();
        hand.query_drop(format!("SET SESSION {setting}")).unwrap();
        hand.query_drop("CREATE TRIGGER a AFTER INSERT ON t0 FOR EACH ROW BEGIN INSERT INTO log VALUES (7); END")
            .unwrap();
        let before = live.snapshot();
        sandbox.on(&live, &["import", "-o", imported]).ok();
        let text = sandbox.read(imported);
        for key in ["sql_mode", "collation"] {
            assert!(text.contains(key), "{key} is not in\n{text}");
        }
        let plan = sandbox
            .on(&live, &["-c", imported, "plan", "--format", "json"])
            .json();
        assert_eq!(plan["changes"][0]["action"], "adopt", "{plan:#}");
        sandbox.on(&live, &["-c", imported, "apply", "--yes"]).ok();
        assert_same("an adoption", &before, &live.snapshot());
        sandbox.on(&live, &["-c", imported, "check"]).ok();
    }
}

fn bodies_are_checked_under_their_mode(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    for (body, words) in [
        (
            r#"INSERT INTO "log" ("whatever") VALUES (NEW."id");"#,
            "whatever",
        ),
        (r#"INSERT INTO "lgo" VALUES ('\');"#, "lgo"),
        (r#"SELECT "what" FROM log;"#, "cannot give rows"),
        (r#"INSERT INTO log VALUES (NEW."nothing");"#, "nothing"),
        (
            r"INSERT INTO log VALUES ('\'); END; DROP TABLE t0; BEGIN SET @a = 1;",
            "END would end",
        ),
    ] {
        let sandbox = Sandbox::with_spec(&format!(
            "version = 1\n[[trigger]]\nname = \"a\"\ntable = \"t0\"\ntiming = \"after\"\nevents = [\"insert\"]\nbody = '''{body}'''\n\
             [trigger.mysql]\nsql_mode = \"ANSI_QUOTES,NO_BACKSLASH_ESCAPES\"\n"
        ));
        sandbox.on(&live, &["plan"]).code(1).says(&[words]);
    }
    assert!(!live.snapshot().contains("CREATE"));
    assert!(live.snapshot().contains("t0"));
}

fn what_no_spec_can_say_is_named(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let sandbox = Sandbox::new();
    if engine == Engine::Mariadb {
        let mut conn = connect(&live.url());
        conn.query_drop("SET SESSION sql_mode = 'ORACLE'").unwrap();
        conn.query_drop("CREATE TRIGGER oracle AFTER INSERT ON t0 FOR EACH ROW BEGIN INSERT INTO log VALUES (:NEW.id); END").unwrap();
        sandbox
            .on(&live, &["import"])
            .code(1)
            .says(&["oracle", "sql_mode", "another grammar"]);
        // It is in nobody's way.
        sandbox.write(
            "triggers.toml",
            format!("version = 1\n{}", counting("t0", "a", 1)),
        );
        sandbox.on(&live, &["apply", "--yes"]).ok();
        empty_plan(&sandbox, &live);
    } else {
        // Names that differ by case alone are one name.
        live.batch("CREATE TRIGGER `Two` AFTER INSERT ON t0 FOR EACH ROW SET @a = 1");
        sandbox.write(
            "triggers.toml",
            format!("version = 1\n{}", counting("t0", "two", 1)),
        );
        sandbox
            .on(&live, &["apply", "--yes"])
            .code(3)
            .says(&["conflict"]);
    }
}

/// The character set of whoever made a trigger says how the text came, not what it is.
fn characters_of_other_clients_come_back(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let mut conn = connect(&live.url());
    conn.query_drop(
        "SET SESSION character_set_client = latin1, collation_connection = latin1_swedish_ci",
    )
    .unwrap();
    // Sent as UTF-8 to a session of Latin-1: two characters of it.
    conn.query_drop("CREATE TRIGGER latin AFTER INSERT ON t0 FOR EACH ROW BEGIN INSERT INTO log VALUES ('é'); END").unwrap();
    let sandbox = Sandbox::new();
    sandbox.on(&live, &["import", "-o", "triggers.toml"]).ok();
    assert!(
        sandbox.read("triggers.toml").contains("'Ã©'"),
        "{}",
        sandbox.read("triggers.toml")
    );
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let fired = |live: &mut Mysql| {
        live.batch("TRUNCATE log");
        live.batch("INSERT INTO t0 VALUES (1)");
        live.run("SELECT HEX(what) FROM log")
    };
    let before = fired(&mut live);
    live.batch("DROP TRIGGER latin");
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    assert_eq!(fired(&mut live), before);
    let text = sandbox.read("triggers.toml");
    sandbox.write("triggers.toml", text.replace("'Ã©'", "'ë'"));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_ne!(fired(&mut live), before);
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_eq!(fired(&mut live), before);
}

fn names_differ_by_case_where_the_server_says_so(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    live.batch("CREATE TABLE T0 (ID integer, `Größe` integer)");
    let sandbox = Sandbox::with_spec(&format!(
        "version = 1\n{}{}",
        counting("t0", "Mixed", 1),
        counting("T0", "other", 1).replace("other 1", "{{ table }} {{ columns | length }}")
    ));
    let sandbox = {
        // Only templates that print through a filter go through.
        let text = sandbox.read("triggers.toml");
        sandbox.write(
            "triggers.toml",
            text.replace(
                "'{{ table }} {{ columns | length }}'",
                "{{ table | literal }}",
            ),
        );
        sandbox
    };
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    live.batch("INSERT INTO T0 VALUES (1, 2)");
    assert_eq!(live.run("SELECT what FROM log"), "T0\n");
    // Columns know no case anywhere.
    let text = sandbox.read("triggers.toml");
    sandbox.write(
        "triggers.toml",
        text.replace("{{ table | literal }}", "NEW.id + NEW.gRÖSSE + NEW.`größe`")
            .replace("NEW.gRÖSSE + ", ""),
    );
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch("INSERT INTO T0 VALUES (1, 2)");
    assert_eq!(live.run("SELECT what FROM log WHERE what <> 'T0'"), "3\n");
    // Another spelling of the same name: MySQL takes it for the same trigger, MariaDB for another.
    let text = sandbox.read("triggers.toml");
    sandbox.write("triggers.toml", text.replace("\"Mixed\"", "\"mixed\""));
    let plan = sandbox.on(&live, &["plan", "--format", "json"]).ok().json();
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    let names = live.run("SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = BINARY 't0'");
    assert_eq!(names.lines().count(), 1, "{names}\n{plan:#}");
    assert_eq!(names.trim(), "mixed");
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert!(live.snapshot().contains("Mixed"), "{}", live.snapshot());
    sandbox.on(&live, &["rollback", "--to", "0", "--yes"]).ok();
    assert!(!live.snapshot().contains("TRIGGER"));
}

/// A list of names that are equal to the server's own lists of tables is one name to MariaDB, and the columns of one table alone were read.
fn tables_whose_names_differ_in_case_alone_have_columns_of_their_own(engine: Engine) {
    let mut live = Mysql::of(engine);
    live.batch(
        "CREATE TABLE T0 (id integer PRIMARY KEY, a integer, updated_at timestamp NULL);
         CREATE TABLE t0 (id integer PRIMARY KEY, b integer, updated_at timestamp NULL)",
    );
    let sandbox = Sandbox::with_spec(
        r#"version = 1
[[trigger]]
name = "upper"
use = "updated_at"
table = "T0"
[[trigger]]
name = "lower"
use = "updated_at"
table = "t0"
"#,
    );
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    live.batch(
        "INSERT INTO T0 (id, a) VALUES (1, 1); UPDATE T0 SET a = 2;
         INSERT INTO t0 (id, b) VALUES (1, 1); UPDATE t0 SET b = 2",
    );
    let set = "SELECT updated_at IS NOT NULL FROM";
    assert_eq!(live.run(&format!("{set} T0")), "1\n");
    assert_eq!(live.run(&format!("{set} t0")), "1\n");
}

/// These engines do not follow: a trigger that names the old column fails when it fires.
fn a_renamed_column_is_seen(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 0);
    live.batch("CREATE TABLE users (id integer, email varchar(20))");
    let spec = "version = 1\n[[trigger]]\nname = \"a\"\ntable = \"users\"\ntiming = \"after\"\nevents = [\"update\"]\nupdate_of = [\"email\"]\nbody = \"INSERT INTO log VALUES (NEW.email);\"\n";
    let sandbox = Sandbox::with_spec(spec);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch("ALTER TABLE users RENAME COLUMN email TO mail");
    for command in [&["plan"][..], &["check"], &["apply", "--yes"]] {
        sandbox
            .on(&live, command)
            .code(1)
            .says(&["no column `email`", "mail"]);
    }
    sandbox.write("triggers.toml", spec.replace("email", "mail"));
    sandbox.on(&live, &["check"]).code(2);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    live.batch("INSERT INTO users VALUES (1, 'a'); UPDATE users SET mail = 'b'");
    assert_eq!(live.run("SELECT what FROM log"), "b\n");
}

/// As pt-online-schema-change makes triggers again over a connection of Latin-1: MariaDB keeps the bytes. That is a change, and no
/// lack of rights.
fn bytes_that_are_no_text_hide_nothing(engine: Engine) {
    if engine == Engine::Mysql9 {
        return; // It refuses them.
    }
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let sandbox = Sandbox::with_spec(
        "version = 1\n[[trigger]]\nname = \"latin\"\ntable = \"t0\"\ntiming = \"after\"\nevents = [\"insert\"]\n\
         body = \"INSERT INTO log VALUES ('é');\"\n",
    );
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let mut client = live
        .client()
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = client.stdin.take().unwrap();
    std::io::Write::write_all(
        &mut input,
        b"CREATE OR REPLACE TRIGGER latin AFTER INSERT ON t0 FOR EACH ROW INSERT INTO log VALUES ('\xe9');",
    )
    .unwrap();
    drop(input);
    assert!(client.wait().unwrap().success());
    sandbox
        .on(&live, &["plan"])
        .ok()
        .says(&["restore trigger latin", "no text"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
}
