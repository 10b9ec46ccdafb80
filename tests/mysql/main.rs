//! What only MySQL and MariaDB have: DDL that cannot be undone, session settings that triggers keep, order among
//! triggers, and a catalog that shows nothing without a privilege.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::mysql::{Engine, Mysql, connect};
use common::{Live, Sandbox};
use libtest_mimic::{Arguments, Trial};
use mysql::prelude::Queryable;

type Test = fn(Engine);

fn main() {
    let tests: &[(&str, Test)] = &[
        (
            "no_row_escapes_while_a_trigger_is_replaced",
            no_row_escapes_while_a_trigger_is_replaced,
        ),
        (
            "an_error_in_the_middle_is_undone",
            an_error_in_the_middle_is_undone,
        ),
        (
            "a_client_that_is_killed_leaves_what_the_next_one_finishes",
            a_client_that_is_killed_leaves_what_the_next_one_finishes,
        ),
        ("killed_at_any_moment", killed_at_any_moment),
        (
            "what_somebody_else_changed_meanwhile_is_for_a_person_to_decide",
            what_somebody_else_changed_meanwhile_is_for_a_person_to_decide,
        ),
        (
            "a_table_in_use_is_busy_and_nothing_changes",
            a_table_in_use_is_busy_and_nothing_changes,
        ),
        (
            "two_at_once_are_one_after_the_other",
            two_at_once_are_one_after_the_other,
        ),
        (
            "without_the_privilege_nothing_is_believed",
            without_the_privilege_nothing_is_believed,
        ),
        (
            "a_foreign_definer_is_refused_by_the_server_and_undone",
            a_foreign_definer_is_refused_by_the_server_and_undone,
        ),
        ("text_survives", text_survives),
        (
            "settings_of_the_session_come_back_with_a_rollback",
            settings_of_the_session_come_back_with_a_rollback,
        ),
        ("order_is_kept_and_restored", order_is_kept_and_restored),
        (
            "after_import_the_plan_is_empty",
            after_import_the_plan_is_empty,
        ),
        (
            "a_body_that_would_fail_is_found_before",
            a_body_that_would_fail_is_found_before,
        ),
        ("a_script_does_the_same", a_script_does_the_same),
        (
            "a_trigger_that_was_dropped_and_not_made_again_is_made",
            a_trigger_that_was_dropped_and_not_made_again_is_made,
        ),
    ];
    let mut trials = vec![];
    for engine in Engine::ALL {
        for &(name, test) in tests {
            let trial = Trial::test(format!("{name}::{}", engine.name()), move || {
                test(engine);
                Ok(())
            });
            trials.push(trial.with_ignored_flag(engine.is_missing()));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A trigger that counts what comes in.
fn counting(table: &str, name: &str, step: u32) -> String {
    format!(
        "[[trigger]]\nname = \"{name}\"\ntable = \"{table}\"\ntiming = \"after\"\nevents = [\"insert\"]\n\
         body = \"INSERT INTO log VALUES ('{name} {step}');\"\n\n"
    )
}

fn spec(triggers: &str) -> Sandbox {
    Sandbox::with_spec(&format!("version = 1\n\n{triggers}"))
}

fn tables(live: &mut Mysql, count: usize) {
    let mut sql = "CREATE TABLE log (what varchar(200)) ENGINE = InnoDB;".to_owned();
    for number in 0..count {
        let _ = write!(sql, "CREATE TABLE t{number} (id integer);");
    }
    live.batch(sql.trim_end_matches(';'));
}

fn empty_plan(sandbox: &Sandbox, live: &dyn Live) {
    let plan = sandbox
        .on(live, &["plan", "--format", "json", "--detailed-exitcode"])
        .ok();
    assert_eq!(plan.json()["changes"], serde_json::json!([]), "{plan}");
}

fn no_row_escapes_while_a_trigger_is_replaced(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let sandbox = spec(&counting("t0", "counts", 0));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let (stop, written) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let writers: Vec<_> = (0..6)
        .map(|_| {
            let (mut conn, stop, written) =
                (live.connect(), Arc::clone(&stop), Arc::clone(&written));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    conn.query_drop("INSERT INTO t0 VALUES (1)").unwrap();
                    written.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for step in 1..=20 {
        sandbox.write(
            "triggers.toml",
            format!("version = 1\n{}", counting("t0", "counts", step)),
        );
        sandbox.on(&live, &["apply", "--yes", "--wait", "30"]).ok();
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.join().unwrap();
    }
    let rows = live.run("SELECT (SELECT count(*) FROM t0), (SELECT count(*) FROM log)");
    let (all, logged) = rows.trim().split_once('|').unwrap();
    assert_eq!(all, logged, "rows without the trigger");
    assert_eq!(all.parse::<u64>().unwrap(), written.load(Ordering::Relaxed));
    assert!(all != "0");
}

fn an_error_in_the_middle_is_undone(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 3);
    let sandbox = spec(&[counting("t0", "a", 1), counting("t2", "c", 1)].concat());
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let before = live.snapshot();
    // The server refuses `b` only when it is created: there is no such variable.
    let broken = "[[trigger]]\nname = \"b\"\ntable = \"t1\"\ntiming = \"before\"\nevents = [\"insert\"]\nbody = \"SET nonsense = 1;\"\n";
    let text = [
        counting("t0", "a", 2),
        broken.to_owned(),
        counting("t2", "c", 2),
    ]
    .concat();
    sandbox.write("triggers.toml", format!("version = 1\n{text}"));
    sandbox.on(&live, &["apply", "--yes"]).code(1).says(&[
        "create trigger b",
        "undone",
        "recorded as failed",
    ]);
    assert_eq!(live.snapshot(), before);
    assert_eq!(live.versions(), ["1 applied", "2 failed"]);
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert!(!live.snapshot().contains("TRIGGER"));
    assert_eq!(live.versions(), ["1 applied", "2 failed", "3 applied"]);
}

fn a_client_that_is_killed_leaves_what_the_next_one_finishes(engine: Engine) {
    const TABLES: usize = 5;
    let mut live = Mysql::of(engine);
    tables(&mut live, TABLES);
    let all = |step| {
        (0..TABLES)
            .map(|n| counting(&format!("t{n}"), &format!("counts{n}"), step))
            .collect::<String>()
    };
    let sandbox = spec(&all(0));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    for stop_at in 0..TABLES {
        let step = u32::try_from(stop_at + 1).unwrap();
        sandbox.write("triggers.toml", format!("version = 1\n{}", all(step)));
        // Whoever has read a table in a transaction keeps it from being changed: the client waits there.
        let mut reader = live.connect();
        reader.query_drop("START TRANSACTION").unwrap();
        reader
            .query_drop(format!("SELECT * FROM t{stop_at}"))
            .unwrap();
        let mut command =
            sandbox.command(&["--url", &live.url(), "apply", "--yes", "--wait", "60"]);
        let mut child = command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        wait_for_lock(&mut live);
        child.kill().unwrap();
        child.wait().unwrap();
        reader.query_drop("ROLLBACK").unwrap();
        drop(reader);

        sandbox
            .on(&live, &["repair"])
            .code(2)
            .says(&["no end", "statements are known to have run"]);
        let found = live.snapshot().matches(&format!(" {step}')")).count();
        assert_eq!(
            found, stop_at,
            "as many as came before the table that was locked"
        );
        match stop_at {
            1 => {
                // One way out is back.
                sandbox.on(&live, &["repair", "--back", "--yes"]).ok();
                assert!(live.snapshot().contains("counts0 1"), "{}", live.snapshot());
                sandbox.on(&live, &["apply", "--yes"]).ok();
            }
            2 => {
                sandbox.on(&live, &["repair", "--forward", "--yes"]).ok();
            }
            _ => {
                sandbox
                    .on(&live, &["apply", "--yes"])
                    .ok()
                    .says(&["is finished now"]);
            }
        }
        empty_plan(&sandbox, &live);
        assert_eq!(
            live.snapshot().matches(&format!(" {step}')")).count(),
            TABLES
        );
        assert!(
            live.run("SELECT count(*) FROM triggerctl_migrations WHERE state = 'started'")
                .starts_with('0')
        );
    }
}

/// Until a connection to this database waits for a table.
fn wait_for_lock(live: &mut Mysql) {
    let name = live.name().to_owned();
    for _ in 0..400 {
        let waiting = live.run(&format!(
            "SELECT count(*) FROM information_schema.PROCESSLIST WHERE DB = '{name}' AND INFO LIKE 'LOCK TABLES%' AND STATE LIKE '%lock%'"
        ));
        if waiting.trim() == "1" {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("nobody waits: {}", live.run("SHOW PROCESSLIST"));
}

fn killed_at_any_moment(engine: Engine) {
    const TABLES: usize = 4;
    let mut live = Mysql::of(engine);
    tables(&mut live, TABLES);
    let all = |step| {
        (0..TABLES)
            .map(|n| counting(&format!("t{n}"), &format!("counts{n}"), step))
            .collect::<String>()
    };
    let sandbox = spec(&all(0));
    for step in 0..12_u32 {
        sandbox.write("triggers.toml", format!("version = 1\n{}", all(step)));
        let mut command = sandbox.command(&["--url", &live.url(), "apply", "--yes"]);
        let mut child = command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(40 + u64::from(step) * 25));
        let _ = child.kill();
        child.wait().unwrap();
        let run = sandbox
            .on(
                &live,
                &["apply", "--yes", "--wait", "30", "--lock-timeout", "5000"],
            )
            .ok();
        empty_plan(&sandbox, &live);
        assert_eq!(
            live.snapshot().matches(&format!(" {step}')")).count(),
            TABLES,
            "{run}"
        );
    }
}

fn what_somebody_else_changed_meanwhile_is_for_a_person_to_decide(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 2);
    let sandbox = spec(&[counting("t0", "a", 1), counting("t1", "b", 1)].concat());
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.write(
        "triggers.toml",
        format!(
            "version = 1\n{}{}",
            counting("t0", "a", 2),
            counting("t1", "b", 2)
        ),
    );
    let mut reader = live.connect();
    reader.query_drop("START TRANSACTION").unwrap();
    reader.query_drop("SELECT * FROM t1").unwrap();
    let mut child = sandbox
        .command(&["--url", &live.url(), "apply", "--yes", "--wait", "60"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_for_lock(&mut live);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.query_drop("ROLLBACK").unwrap();
    live.batch("DROP TRIGGER b");
    live.batch(
        "CREATE TRIGGER b AFTER INSERT ON t1 FOR EACH ROW INSERT INTO log VALUES ('by hand')",
    );
    sandbox.on(&live, &["apply", "--yes"]).code(5).says(&[
        "trigger b on",
        "somebody else changed it",
        "repair",
    ]);
    assert!(live.snapshot().contains("by hand"));
    sandbox.on(&live, &["repair", "--leave", "--yes"]).ok();
    assert_eq!(live.versions(), ["1 applied", "2 failed"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
}

fn a_table_in_use_is_busy_and_nothing_changes(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 2);
    let sandbox = spec(&[counting("t0", "a", 1), counting("t1", "b", 1)].concat());
    let before = live.snapshot();
    let mut reader = live.connect();
    reader.query_drop("START TRANSACTION").unwrap();
    reader.query_drop("SELECT * FROM t1").unwrap();
    sandbox
        .on(&live, &["apply", "--yes", "--wait", "3"])
        .code(4)
        .says(&["locked", "undone"]);
    assert_eq!(live.snapshot(), before);
    reader.query_drop("ROLLBACK").unwrap();
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
}

fn two_at_once_are_one_after_the_other(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let sandbox = spec(&counting("t0", "a", 1));
    let name = live.name().to_owned();
    let mut other = live.connect();
    // The name of the lock is part of what other versions must agree on.
    let digest = {
        use sha2::Digest as _;
        let mut hash = sha2::Sha256::new();
        hash.update(name.len().to_be_bytes());
        hash.update(&name);
        hash.finalize()
            .iter()
            .fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
    };
    other
        .query_drop(format!("DO GET_LOCK('triggerctl:{}', 0)", &digest[..32]))
        .unwrap();
    sandbox
        .on(&live, &["apply", "--yes", "--wait", "1"])
        .code(4)
        .says(&["another triggerctl"]);
    drop(other);
    sandbox.on(&live, &["apply", "--yes"]).ok();
}

/// A user with these rights, and the URL to connect as them.
fn user(live: &mut Mysql, name: &str, grants: &[&str]) -> String {
    let database = live.name().to_owned();
    let name = format!("{name}{}", std::process::id());
    live.batch(&format!("DROP USER IF EXISTS {name}@localhost"));
    live.batch(&format!(
        "CREATE USER {name}@localhost IDENTIFIED BY 'se cret'"
    ));
    for grant in grants {
        live.batch(&format!(
            "GRANT {grant} ON {database}.* TO {name}@localhost"
        ));
    }
    live.url_of(&name, "se%20cret")
}

fn without_the_privilege_nothing_is_believed(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let sandbox = spec(&counting("t0", "a", 1));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let url = user(&mut live, "blind", &["SELECT"]);
    sandbox
        .run(&["--url", &url, "plan"])
        .code(1)
        .says(&["cannot be seen by this role", "GRANT TRIGGER"])
        .never_says(&["se cret", "se%20cret"]);
    let url = user(&mut live, "reader", &["SELECT, TRIGGER"]);
    sandbox
        .run(&["--url", &url, "plan", "--detailed-exitcode"])
        .ok();
    let wrong = url.replace("se%20cret", "wrong");
    sandbox
        .run(&["--url", &wrong, "plan"])
        .code(1)
        .says(&["does not let"])
        .never_says(&["wrong@", ":wrong"]);
    live.batch(&format!(
        "DROP USER blind{0}@localhost, reader{0}@localhost",
        std::process::id()
    ));
}

fn a_foreign_definer_is_refused_by_the_server_and_undone(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let rights = "SELECT, INSERT, UPDATE, DELETE, CREATE, TRIGGER, LOCK TABLES";
    let url = user(&mut live, "plain", &[rights]);
    let text = format!(
        "{}[trigger.mysql]\ndefiner = \"root@localhost\"\n",
        counting("t0", "a", 1)
    );
    let sandbox = spec(&text);
    sandbox
        .run(&["--url", &url, "apply", "--yes"])
        .code(1)
        .says(&["the server's error", "undone"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    // MySQL quotes as the session that asks does.
    let definer = live.snapshot().replace(['`', '"'], "");
    assert!(definer.contains("DEFINER=root@localhost"), "{definer}");
    // A definer changed by hand is drift, though nothing else is.
    live.batch(&format!(
        "DROP TRIGGER a; CREATE DEFINER = plain{}@localhost TRIGGER a AFTER INSERT ON t0 FOR EACH ROW BEGIN INSERT INTO log VALUES ('a 1'); END",
        std::process::id()
    ));
    sandbox.on(&live, &["check"]).code(2).says(&["definer"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    live.batch(&format!("DROP USER plain{}@localhost", std::process::id()));
}

fn text_survives(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let body = r#"body = '''INSERT INTO log VALUES ('é 🦀 \\ \' "x" -- no comment /* nor this */ # nor this; END');'''"#;
    let sandbox = spec(&format!(
        "[[trigger]]\nname = \"odd\"\ntable = \"t0\"\ntiming = \"after\"\nevents = [\"insert\"]\n{body}\n"
    ));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    live.run("INSERT INTO t0 VALUES (1)");
    assert_eq!(
        live.run("SELECT what FROM log"),
        "é 🦀 \\ ' \"x\" -- no comment /* nor this */ # nor this; END\n"
    );
}

fn settings_of_the_session_come_back_with_a_rollback(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    // Made by hand under other rules: `"` is a quote for names, and `\` is no escape.
    live.batch("SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'");
    live.batch(r#"create trigger "a" after insert on "t0" for each row insert into "log" values ('back\')"#);
    live.batch(
        "create trigger b after insert on t0 for each row begin insert into log values ('b'); end",
    );
    live.batch("SET SESSION sql_mode = CONCAT(@@GLOBAL.sql_mode, ',ANSI_QUOTES')");
    let before = live.snapshot();
    let sandbox = spec(&counting("t0", "a", 1));
    sandbox.on(&live, &["plan"]).ok().says(&["conflict"]);
    sandbox.on(&live, &["apply", "--yes"]).code(3);
    sandbox.on(&live, &["apply", "--yes", "--adopt"]).ok();
    empty_plan(&sandbox, &live);
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_eq!(live.snapshot(), before);
    live.run("INSERT INTO t0 VALUES (1)");
    assert_eq!(
        live.run("SELECT what FROM log ORDER BY what"),
        "b\nback\\\n"
    );
}

fn order_is_kept_and_restored(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let follow = "[trigger.mysql]\norder = { follows = \"z_first\" }\n\n";
    let text = |step| {
        format!(
            "{}{follow}{}",
            counting("t0", "a_second", step),
            counting("t0", "z_first", step)
        )
    };
    let sandbox = spec(&text(1));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    let order = |live: &mut Mysql| {
        live.run("TRUNCATE log");
        live.run("INSERT INTO t0 VALUES (1)");
        live.run("SELECT what FROM log")
    };
    assert_eq!(order(&mut live), "z_first 1\na_second 1\n");
    sandbox.write("triggers.toml", format!("version = 1\n{}", text(2)));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    assert_eq!(order(&mut live), "z_first 2\na_second 2\n");
    // Dropped and made again by hand, a trigger comes last, and nothing else about it has changed.
    let row: mysql::Row = live
        .conn()
        .query_first("SHOW CREATE TRIGGER z_first")
        .unwrap()
        .unwrap();
    let statement: String = row.get(2).unwrap();
    let mut other = connect(&live.url());
    other
        .query_drop("SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',ANSI_QUOTES')")
        .unwrap();
    other.query_drop("DROP TRIGGER z_first").unwrap();
    other.query_drop(statement).unwrap();
    sandbox.on(&live, &["check"]).code(2).says(&["order"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    assert_eq!(order(&mut live), "z_first 2\na_second 2\n");
}

fn after_import_the_plan_is_empty(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 2);
    live.batch("SET SESSION sql_mode = DEFAULT");
    live.batch("create trigger `a b` before update on t0 for each row set new.id = old.id /* c */");
    live.batch("create trigger c after insert on t1 for each row l: begin declare n int; if new.id > 1 then set n = 1; leave l; end if; insert into log values ('x\\n'); end l");
    let sandbox = Sandbox::new();
    sandbox.on(&live, &["import", "-o", "triggers.toml"]).ok();
    let plan = sandbox.on(&live, &["plan", "--detailed-exitcode"]).ok();
    plan.never_says(&["conflict"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
}

fn a_body_that_would_fail_is_found_before(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    for (body, words) in [
        ("INSERT INTO lgo VALUES (1);", "lgo"),
        ("INSERT INTO log (whatever) VALUES (NEW.id);", "whatever"),
        ("IF NEW.id > no_such(1) THEN SET @a = 1; END IF;", "no_such"),
    ] {
        let sandbox = spec(&format!(
            "[[trigger]]\nname = \"t\"\ntable = \"t0\"\ntiming = \"after\"\nevents = [\"insert\"]\nbody = \"{body}\"\n"
        ));
        sandbox
            .on(&live, &["plan"])
            .code(1)
            .says(&["would fail when it fires", words]);
    }
    // Variables, cursors and built-in functions are no reason to complain.
    let sandbox = spec(
        "[[trigger]]\nname = \"t\"\ntable = \"t0\"\ntiming = \"after\"\nevents = [\"insert\"]\nbody = \"\"\"\n\
         DECLARE done, n int DEFAULT 0;\nDECLARE w varchar(9);\nDECLARE c CURSOR FOR SELECT what FROM log;\n\
         DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = 1;\nOPEN c;\n\
         one: LOOP\n FETCH c INTO w;\n IF done THEN LEAVE one; END IF;\n SET n = n + char_length (w);\nEND LOOP;\nCLOSE c;\n\
         SELECT max(what), n INTO w, @b FROM log WHERE what <> NEW.id;\n\
         CASE n WHEN 0 THEN SET @c = CASE WHEN w IS NULL THEN 1 ELSE 2 END; ELSE SET @c = 3, @d = 4; END CASE;\n\
         INSERT INTO log VALUES (concat('n', n));\n\"\"\"\n",
    );
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    live.run("INSERT INTO t0 VALUES (1)");
    assert_eq!(live.run("SELECT what FROM log"), "n0\n");
}

fn a_script_does_the_same(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let sandbox = spec(&counting("t0", "a", 1));
    let sql = sandbox.on(&live, &["plan", "--format", "sql"]).ok().stdout;
    common::script(&live, &sql).ok();
    assert!(live.snapshot().contains("'a 1'"));
    assert_eq!(live.versions(), ["1 applied"]);
    sandbox.on(&live, &["check"]).ok();
    // The same script a second time stops before it has done anything.
    let run = common::script(&live, &sql);
    assert_ne!(run.code, Some(0), "{run}");
}

fn a_trigger_that_was_dropped_and_not_made_again_is_made(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 2);
    let sandbox = spec(&[counting("t0", "a", 1), counting("t1", "b", 1)].concat());
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let second = [counting("t0", "a", 2), counting("t1", "b", 2)].concat();
    for back in [true, false] {
        sandbox.write("triggers.toml", format!("version = 1\n{second}"));
        let mut reader = live.connect();
        reader.query_drop("START TRANSACTION").unwrap();
        reader.query_drop("SELECT * FROM t1").unwrap();
        let mut child = sandbox
            .command(&["--url", &live.url(), "apply", "--yes", "--wait", "60"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        wait_for_lock(&mut live);
        child.kill().unwrap();
        child.wait().unwrap();
        reader.query_drop("ROLLBACK").unwrap();
        // What DROP and CREATE leave, where a kill comes in between.
        live.batch("DROP TRIGGER b");
        sandbox
            .on(&live, &["repair"])
            .code(2)
            .says(&["not made again yet"]);
        if back {
            sandbox.on(&live, &["repair", "--back", "--yes"]).ok();
            assert_eq!(
                live.snapshot().matches(" 1')").count(),
                2,
                "{}",
                live.snapshot()
            );
        } else {
            sandbox.on(&live, &["apply", "--yes"]).ok();
            assert_eq!(
                live.snapshot().matches(" 2')").count(),
                2,
                "{}",
                live.snapshot()
            );
            empty_plan(&sandbox, &live);
        }
    }
}
