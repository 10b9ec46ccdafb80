//! DDL that cannot be undone: rows that must not escape, errors in the middle, kills, and two at once.

use std::fmt::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mysql::prelude::Queryable;

use crate::common::mysql::{Engine, Mysql};
use crate::common::{self, Live, MEANT, assert_same};
use crate::{Test, counting, empty_plan, spec, tables};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("a_disk_that_is_full", a_disk_that_is_full),
    (
        "a_rollback_names_the_migration_that_has_no_end",
        a_rollback_names_the_migration_that_has_no_end,
    ),
    (
        "no_row_escapes_while_a_trigger_is_replaced",
        no_row_escapes_while_a_trigger_is_replaced,
    ),
    (
        "an_error_in_the_middle_is_undone",
        an_error_in_the_middle_is_undone,
    ),
    (
        "an_error_beside_what_is_only_recorded_is_undone",
        an_error_beside_what_is_only_recorded_is_undone,
    ),
    (
        "nothing_is_recorded_of_what_was_undone",
        nothing_is_recorded_of_what_was_undone,
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
        "new_triggers_wait_for_a_table_in_use",
        new_triggers_wait_for_a_table_in_use,
    ),
    (
        "a_migration_at_work_is_not_taken_for_a_broken_one",
        a_migration_at_work_is_not_taken_for_a_broken_one,
    ),
    (
        "two_at_once_are_one_after_the_other",
        two_at_once_are_one_after_the_other,
    ),
    (
        "a_trigger_that_was_dropped_and_not_made_again_is_made",
        a_trigger_that_was_dropped_and_not_made_again_is_made,
    ),
];

/// A history that takes no more rows, as on a full disk: one of MyISAM's with a small pointer into it ends at 64 kB.
fn a_disk_that_is_full(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 3);
    let sandbox = spec(&counting("t0", "counts", 0));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let before = live.snapshot();
    live.batch("ALTER TABLE triggerctl_objects ENGINE = MyISAM, MAX_ROWS = 1, AVG_ROW_LENGTH = 1");
    let mut long = String::new();
    for table in 0..3 {
        let words = "x".repeat(30_000);
        let _ = writeln!(
            long,
            "[[trigger]]\nname = \"long{table}\"\ntable = \"t{table}\"\ntiming = \"after\"\nevents = [\"insert\"]\nbody = \"SET @long = '{words}';\""
        );
    }
    sandbox.write(
        "triggers.toml",
        format!("{}{long}", sandbox.read("triggers.toml")),
    );
    sandbox
        .on(&live, &["apply", "--yes"])
        .code(1)
        .says(&["make room on the server's disk", "nothing has changed"]);
    assert_same("after it was undone", &before, &live.snapshot());
    live.batch("ALTER TABLE triggerctl_objects ENGINE = InnoDB, MAX_ROWS = 0, AVG_ROW_LENGTH = 0");
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
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
    let clock = std::time::Instant::now();
    for step in 1..=20 {
        sandbox.write(
            "triggers.toml",
            format!("version = 1\n{}", counting("t0", "counts", step)),
        );
        sandbox.on(&live, &["apply", "--yes", "--wait", "30"]).ok();
    }
    std::thread::sleep(Duration::from_secs(3).saturating_sub(clock.elapsed()));
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

fn an_error_beside_what_is_only_recorded_is_undone(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 2);
    let here = counting("t0", "a", 1);
    spec(&here).on(&live, &["apply", "--yes"]).ok();
    live.batch("DROP TABLE triggerctl_objects, triggerctl_migrations");
    let before = live.snapshot();
    let broken =
        counting("t1", "b", 1).replace("INSERT INTO log VALUES ('b 1')", "SET nonsense = 1");
    let sandbox = spec(&(here + &broken));
    sandbox.on(&live, &["plan"]).ok().says(&["adopt trigger a"]);
    sandbox.on(&live, &["apply", "--yes"]).code(1).says(&[
        "create trigger b",
        "undone",
        "recorded as failed",
    ]);
    assert_same("the catalog", &before, &live.snapshot());
    sandbox
        .on(&live, &["repair"])
        .ok()
        .says(&["nothing is broken off"]);
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

fn nothing_is_recorded_of_what_was_undone(engine: Engine) {
    // More than are recorded by one statement, of which the first goes well.
    const TABLES: usize = 10;
    const EACH: usize = 21;
    let mut live = Mysql::of(engine);
    tables(&mut live, TABLES);
    let sandbox = spec(&counting("t0", "a", 1));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let before = live.snapshot();
    live.connect()
        .query_drop(
            "CREATE TRIGGER full BEFORE INSERT ON triggerctl_objects FOR EACH ROW BEGIN
             IF NEW.name = 'z9' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no more room'; END IF; END",
        )
        .unwrap();
    let mut text = "version = 1\n".to_owned();
    for table in 0..TABLES {
        for number in 1..EACH {
            text += &counting(&format!("t{table}"), &format!("n{table}_{number}"), 1);
        }
        text += &counting(&format!("t{table}"), &format!("z{table}"), 1);
    }
    sandbox.write("triggers.toml", text);
    sandbox
        .on(&live, &["apply", "--yes", "--allow", "drops_protection"])
        .code(1)
        .says(&["no more room", "undone", "recorded as failed"]);
    live.connect().query_drop("DROP TRIGGER full").unwrap();
    assert_eq!(live.snapshot(), before);
    assert_eq!(live.versions(), ["1 applied", "2 failed"]);
    let recorded = live.run("SELECT count(*) FROM triggerctl_objects WHERE version = 2");
    assert_eq!(recorded.trim(), "0");
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

/// What differs then is that migration's doing, and nobody's changes: `apply` would end it instead of restoring what was recorded.
fn a_rollback_names_the_migration_that_has_no_end(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let sandbox = spec(&counting("t0", "counts", 0));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch(
        "INSERT INTO triggerctl_migrations (version, state, summary, plan_id, spec_digest, from_fingerprint, to_fingerprint, up, down, started_at, tool_version, applied_by, journal)
         SELECT 2, 'started', summary, plan_id, spec_digest, from_fingerprint, to_fingerprint, '[]', '[]', started_at, tool_version, applied_by, journal
         FROM triggerctl_migrations",
    );
    let rows = live.run(
        "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()",
    );
    live.batch(&format!("DROP TRIGGER {}", rows.trim()));
    let before = live.everything();
    sandbox
        .on(&live, &["rollback", "--yes"])
        .code(3)
        .says(&[
            "is gone",
            "migration 2 was begun and has no end",
            "triggerctl repair",
        ])
        .never_says(&["restores the recorded state"]);
    assert_same("the database", &before, &live.everything());
}

/// Until a connection to this database waits for a table.
pub(crate) fn wait_for_lock(live: &mut Mysql) {
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
    let sandbox = spec(&all(100));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    // How long a run takes that is left alone.
    sandbox.write("triggers.toml", format!("version = 1\n{}", all(101)));
    let clock = std::time::Instant::now();
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let span = clock.elapsed();
    sandbox.write("triggers.toml", "version = 1\n");
    sandbox.on(&live, MEANT).ok();
    for step in 0..12_u32 {
        sandbox.write("triggers.toml", format!("version = 1\n{}", all(step)));
        let mut command = sandbox.command(&["--url", &live.url(), "apply", "--yes"]);
        let mut child = command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(span.mul_f64(f64::from(step + 1) / 13.0));
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
        .says(&["table `", ".t1` is locked by another connection", "undone"])
        .says(&[&format!("connection {}", reader.connection_id())]);
    assert_eq!(live.snapshot(), before);
    reader.query_drop("ROLLBACK").unwrap();
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
}

fn new_triggers_wait_for_a_table_in_use(engine: Engine) {
    const TABLES: usize = 20;
    let mut live = Mysql::of(engine);
    tables(&mut live, TABLES);
    let all: String = (0..TABLES)
        .map(|number| counting(&format!("t{number}"), &format!("counts{number}"), 1))
        .collect();
    let sandbox = spec(&all);
    // Longer than a statement waits by itself, in the middle of those that go to the server at once.
    let mut reader = live.connect();
    reader.query_drop("START TRANSACTION").unwrap();
    reader.query_drop("SELECT * FROM t12").unwrap();
    let end = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(4));
        reader.query_drop("ROLLBACK").unwrap();
    });
    let run = sandbox
        .on(&live, &["-vv", "apply", "--yes", "--lock-timeout", "1000"])
        .ok();
    run.says(&["trying again"]);
    end.join().unwrap();
    assert_eq!(live.snapshot().matches(" 1')").count(), TABLES);
    empty_plan(&sandbox, &live);
    assert_eq!(live.versions(), ["1 applied"]);
    // Nor is one table enough that stays in use.
    let before = live.snapshot();
    let more: String = (0..TABLES)
        .map(|number| counting(&format!("t{number}"), &format!("more{number}"), 1))
        .collect();
    sandbox.write("triggers.toml", format!("version = 1\n{all}{more}"));
    let mut reader = live.connect();
    reader.query_drop("START TRANSACTION").unwrap();
    reader.query_drop("SELECT * FROM t12").unwrap();
    sandbox
        .on(&live, &["apply", "--yes", "--wait", "3"])
        .code(4)
        .says(&["locked", "undone"]);
    reader.query_drop("ROLLBACK").unwrap();
    assert_eq!(live.snapshot(), before);
}

/// What a template of one's own has made may be somebody's change until the migration has written down what came of it.
fn a_migration_at_work_is_not_taken_for_a_broken_one(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 2);
    let all = |step| {
        let triggers = counting("t0", "a", step) + &counting("t1", "b", step);
        format!("version = 1\ntemplates = \"templates\"\n{triggers}")
    };
    let sandbox = common::Sandbox::with_spec(&all(1));
    let built_in = include_str!("../../templates/mysql/create_trigger.sql");
    let own = built_in.replace("BEGIN\n", "BEGIN\nSET @ours = 1;\n");
    sandbox.write("templates/mysql/create_trigger.sql", own);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);

    sandbox.write("triggers.toml", all(2));
    let mut reader = live.connect();
    reader.query_drop("START TRANSACTION").unwrap();
    reader.query_drop("SELECT * FROM t1").unwrap();
    let url = live.url();
    let start = || {
        let mut command = sandbox.command(&["--url", &url, "apply", "--yes", "--wait", "50"]);
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        piped.spawn().unwrap()
    };
    let first = start();
    wait_for_lock(&mut live);
    let second = start();
    common::eventually("the other waits for the migration lock", || {
        let waiting = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO LIKE 'SELECT GET_LOCK(%'";
        live.run(waiting) == "1\n"
    });
    reader.query_drop("ROLLBACK").unwrap();
    common::wait(first, "the first apply").ok();
    common::wait(second, "the second apply").ok();
    empty_plan(&sandbox, &live);
    assert_eq!(live.versions(), ["1 applied", "2 applied"]);
}

fn two_at_once_are_one_after_the_other(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let sandbox = spec(&counting("t0", "a", 1));
    let mut other = live.connect();
    other
        .query_drop(format!("DO GET_LOCK('{}', 0)", lock_name(live.name())))
        .unwrap();
    let held = format!("held by connection {}", other.connection_id());
    sandbox
        .on(&live, &["apply", "--yes", "--wait", "1"])
        .code(4)
        .says(&["another triggerctl", &held, "(`root` from localhost)"]);
    // Who may not see others' connections learns the number.
    let name = live.name().to_owned();
    let user = format!("u_{}", name.trim_start_matches("triggerctl_test_"));
    live.batch(&format!(
        "CREATE USER {user}@localhost IDENTIFIED BY 'x'; GRANT ALL ON {name}.* TO {user}@localhost; GRANT SUPER ON *.* TO {user}@localhost"
    ));
    let url = live.url_of(&user, "x");
    sandbox
        .run(&["--url", &url, "apply", "--yes", "--wait", "1"])
        .code(4)
        .says(&["another triggerctl", &held])
        .never_says(&["root"]);
    live.batch(&format!("DROP USER {user}@localhost"));
    // Nobody has to wait until the waiting is over.
    let child = sandbox
        .command(&[
            "--url",
            &live.url(),
            "apply",
            "--yes",
            "--lock-timeout",
            "60000",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    common::eventually("it waits for the migration lock", || {
        let waiting = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO LIKE 'SELECT GET_LOCK(%'";
        live.run(waiting).contains('1')
    });
    common::signal(&child, "INT");
    common::wait(child, "apply that waits for another")
        .code(130)
        .says(&["interrupted: nothing was changed"]);
    drop(other);
    sandbox.on(&live, &["apply", "--yes"]).ok();
}

/// The name of the lock is part of what other versions must agree on.
pub(crate) fn lock_name(database: &str) -> String {
    use sha2::Digest as _;
    let mut hash = sha2::Sha256::new();
    hash.update(database.len().to_be_bytes());
    hash.update(database);
    let digest = hash
        .finalize()
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
    format!("triggerctl:{}", &digest[..32])
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
            // It comes back all the same where its table has gone meanwhile, and that is told.
            live.batch("ALTER TABLE log RENAME TO old_log");
            sandbox
                .on(&live, &["repair"])
                .code(2)
                .never_says(&["would fail"]);
            sandbox
                .on(&live, &["repair", "--back", "--yes"])
                .ok()
                .says(&["warning: trigger `b` would fail when it fires"]);
            live.batch("ALTER TABLE old_log RENAME TO log");
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
