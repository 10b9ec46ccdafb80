//! The triggers of many tables, which MySQL makes on several connections at once: the same as on one, whatever goes wrong.

use std::sync::atomic::{AtomicBool, Ordering};

use mysql::prelude::Queryable;

use crate::common::Live;
use crate::common::mysql::{Engine, Mysql};
use crate::journal::lock_name;
use crate::{Test, counting, empty_plan, spec, tables};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("an_error_on_one_of_many", an_error_on_one_of_many),
    ("many_tables_at_once", many_tables_at_once),
    (
        "a_helper_at_work_is_waited_for",
        a_helper_at_work_is_waited_for,
    ),
    ("one_connection_is_enough", one_connection_is_enough),
    (
        "reading_while_triggers_come_and_go",
        reading_while_triggers_come_and_go,
    ),
];

/// MariaDB calls the triggers of a table corrupted to whoever reads them while it writes them.
fn reading_while_triggers_come_and_go(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let all: Vec<String> = (0..20)
        .map(|number| counting("t0", &format!("counts{number}"), 1))
        .collect();
    let sandbox = spec(&all.concat());
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let is_over = AtomicBool::new(false);
    let mut writer = live.connect();
    std::thread::scope(|scope| {
        let is_over = &is_over;
        scope.spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                writer
                    .query_drop(
                        "CREATE TRIGGER passing BEFORE DELETE ON t0 FOR EACH ROW SET @a = 1",
                    )
                    .unwrap();
                writer.query_drop("DROP TRIGGER passing").unwrap();
            }
        });
        let runs: Vec<_> = (0..20).map(|_| sandbox.on(&live, &["check"])).collect();
        is_over.store(true, Ordering::Relaxed);
        for run in runs {
            run.ok();
        }
    });
}

const TABLES: usize = 16;

fn all(step: u32) -> Vec<String> {
    (0..TABLES)
        .map(|number| counting(&format!("t{number}"), &format!("counts{number}"), step))
        .collect()
}

fn written(triggers: &[String]) -> String {
    format!("version = 1\n\n{}", triggers.concat())
}

fn many_tables_at_once(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, TABLES);
    let sandbox = spec(&all(1).concat());
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    let first = live.snapshot();
    sandbox.write("triggers.toml", written(&all(2)));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    assert_eq!(live.snapshot().matches(" 2')").count(), TABLES);
    // Two of them change places: a name is unique in its database, so that the order of the tables matters.
    let mut swapped = all(2);
    swapped[3] = counting("t3", "counts4", 2);
    swapped[4] = counting("t4", "counts3", 2);
    sandbox.write("triggers.toml", written(&swapped));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    sandbox.on(&live, &["rollback", "--to", "1", "--yes"]).ok();
    assert_eq!(live.snapshot(), first);
    sandbox.on(&live, &["rollback", "--to", "0", "--yes"]).ok();
    assert!(!live.snapshot().contains("TRIGGER"), "{}", live.snapshot());
}

fn an_error_on_one_of_many(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, TABLES);
    let sandbox = spec("");
    let before = live.snapshot();
    let mut broken = all(2);
    // The server refuses it only when it is created: there is no such variable.
    broken[9] = String::from(
        "[[trigger]]\nname = \"b\"\ntable = \"t9\"\ntiming = \"before\"\nevents = [\"insert\"]\nbody = \"SET nonsense = 1;\"\n",
    );
    sandbox.write("triggers.toml", written(&broken));
    sandbox.on(&live, &["apply", "--yes"]).code(1).says(&[
        "create trigger b",
        "undone",
        "recorded as failed",
    ]);
    assert_eq!(live.snapshot(), before);
    // And a table that somebody uses: all the others are undone as well.
    sandbox.write("triggers.toml", written(&all(3)));
    let mut reader = live.connect();
    reader.query_drop("START TRANSACTION").unwrap();
    reader.query_drop("SELECT * FROM t11").unwrap();
    sandbox
        .on(&live, &["apply", "--yes", "--wait", "3"])
        .code(4)
        .says(&["locked", "undone"]);
    reader.query_drop("ROLLBACK").unwrap();
    assert_eq!(live.snapshot(), before);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
}

/// A connection that helped a client which is gone may still be at its last statement.
fn a_helper_at_work_is_waited_for(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let sandbox = spec(&counting("t0", "a", 1));
    let mut helper = live.connect();
    helper
        .query_drop(format!("DO GET_LOCK('{}:2', 0)", lock_name(live.name())))
        .unwrap();
    let run = sandbox.on(&live, &["apply", "--yes", "--wait", "1"]);
    match engine {
        // It has no helpers.
        Engine::Mariadb => run.ok(),
        Engine::Mysql9 => run.code(4).says(&["still running"]),
    };
    drop(helper);
    // The one that writes the history while the others go on.
    let mut witness = live.connect();
    witness
        .query_drop(format!("DO GET_LOCK('{}:4', 0)", lock_name(live.name())))
        .unwrap();
    let held = format!("held by connection {}", witness.connection_id());
    sandbox.write("triggers.toml", written(&[counting("t0", "a", 2)]));
    sandbox
        .on(&live, &["apply", "--yes", "--wait", "1"])
        .code(4)
        .says(&["still running", &held]);
    drop(witness);
    sandbox.on(&live, &["apply", "--yes", "--wait", "10"]).ok();
    empty_plan(&sandbox, &live);
}

/// Others are opened where they are to be had: what is looked at and written down is the same without them.
fn one_connection_is_enough(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, TABLES);
    let name = live.name().to_owned();
    let user = format!("o_{}", name.trim_start_matches("triggerctl_test_"));
    live.batch(&format!(
        "CREATE USER {user}@localhost IDENTIFIED BY 'x'; GRANT ALL ON {name}.* TO {user}@localhost"
    ));
    let url = live.url_of(&user, "x");
    let mut text = "version = 1\n".to_owned();
    for table in 0..TABLES {
        for number in 0..5 {
            text += &counting(&format!("t{table}"), &format!("n{table}_{number}"), 1);
        }
    }
    let sandbox = spec("");
    let mut recorded = vec![];
    for (most, alone) in [(20, false), (1, true)] {
        live.batch(&format!(
            "ALTER USER {user}@localhost WITH MAX_USER_CONNECTIONS {most}"
        ));
        sandbox.write("triggers.toml", &text);
        let run = sandbox.run(&["-vv", "--url", &url, "apply", "--yes"]).ok();
        let alone_says = ["no second connection"];
        if alone {
            run.says(&alone_says);
        } else {
            run.never_says(&alone_says)
                .never_says(&["looked at once more"]);
        }
        recorded.push(live.run(
            "SELECT m.to_fingerprint, m.journal, o.name, o.rendered_digest, o.live_fingerprint, o.definition, o.`before`
             FROM triggerctl_migrations AS m JOIN triggerctl_objects AS o USING (version)
             WHERE m.version = (SELECT max(version) FROM triggerctl_migrations) AND m.state = 'applied' ORDER BY o.name",
        ));
        sandbox.write("triggers.toml", "version = 1\n");
        let run = sandbox.run(&[
            "--url",
            &url,
            "apply",
            "--yes",
            "--allow",
            "drops_protection",
            "--allow",
            "another_spec",
        ]);
        run.ok();
        assert!(!live.snapshot().contains("TRIGGER"), "{}", live.snapshot());
    }
    assert_eq!(recorded[0].lines().count(), TABLES * 5);
    assert_eq!(recorded[0], recorded[1]);
    live.batch(&format!("DROP USER {user}@localhost"));
}
