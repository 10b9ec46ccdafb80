//! Names are unique in a database, not on a table: what happens where they change places. And tables that are hard to hold.

use crate::common::mysql::{Engine, Mysql};
use crate::common::{Live, Sandbox};
use crate::{Test, empty_plan, spec, tables};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("names_change_places", names_change_places),
    ("names_move_up_on_one_table", names_move_up_on_one_table),
    (
        "a_trigger_that_writes_where_there_are_no_transactions",
        a_trigger_that_writes_where_there_are_no_transactions,
    ),
];

/// A trigger on a table, which was another's name before.
fn named(name: &str, before: Option<&str>, table: &str, what: &str) -> String {
    let renamed = before.map_or_else(String::new, |before| {
        format!("renamed_from = \"{before}\"\n")
    });
    format!(
        "[[trigger]]\nname = \"{name}\"\n{renamed}table = \"{table}\"\ntiming = \"after\"\nevents = [\"insert\"]\n\
         body = \"INSERT INTO log VALUES ('{what}');\"\n\n"
    )
}

fn write(sandbox: &Sandbox, triggers: &[String]) {
    sandbox.write(
        "triggers.toml",
        format!("version = 1\n\n{}", triggers.concat()),
    );
}

fn names_change_places(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 3);
    let first = [
        named("a", None, "t0", "on t0"),
        named("b", None, "t1", "on t1"),
        named("c", None, "t2", "on t2"),
    ];
    let sandbox = spec(&first.concat());
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let before = live.snapshot();
    for changed in [
        // Two swap, three go round, each of them said to be the same trigger under another name.
        vec![
            named("b", Some("a"), "t0", "on t0"),
            named("a", Some("b"), "t1", "on t1"),
            first[2].clone(),
        ],
        vec![
            named("b", Some("a"), "t0", "on t0"),
            named("c", Some("b"), "t1", "on t1"),
            named("a", Some("c"), "t2", "on t2"),
        ],
        // Others by the same names; one that takes what another one leaves.
        vec![
            named("b", None, "t0", "other"),
            named("a", None, "t1", "other"),
            first[2].clone(),
        ],
        vec![
            first[0].clone(),
            named("d", Some("b"), "t1", "on t1"),
            named("b", Some("c"), "t2", "on t2"),
        ],
    ] {
        write(&sandbox, &changed);
        sandbox.on(&live, &["apply", "--yes"]).ok();
        empty_plan(&sandbox, &live);
        assert_ne!(live.snapshot(), before);
        live.batch("DELETE FROM log; INSERT INTO t0 VALUES (1); INSERT INTO t1 VALUES (1); INSERT INTO t2 VALUES (1)");
        assert_eq!(live.run("SELECT count(*) FROM log").trim(), "3");
        sandbox.on(&live, &["rollback", "--yes"]).ok();
        assert_eq!(live.snapshot(), before);
        write(&sandbox, &first);
        empty_plan(&sandbox, &live);
    }
}

fn names_move_up_on_one_table(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    {
        let order = ["a", "b", "c"];
        for name in order {
            live.batch(&format!(
                "CREATE TRIGGER {name} AFTER INSERT ON t0 FOR EACH ROW INSERT INTO log VALUES ('{name}')"
            ));
        }
        let sandbox = spec("");
        let imported = sandbox.on(&live, &["import"]).ok();
        sandbox.write("triggers.toml", imported.stdout);
        sandbox.on(&live, &["apply", "--yes"]).ok();
        let before = live.snapshot();
        for names in [["b", "c", "d"], ["b", "c", "a"], ["c", "a", "b"]] {
            let triggers: Vec<String> = ["a", "b", "c"]
                .iter()
                .zip(names)
                .map(|(old, new)| named(new, Some(old), "t0", old))
                .collect();
            write(&sandbox, &triggers);
            sandbox.on(&live, &["apply", "--yes"]).ok();
            empty_plan(&sandbox, &live);
            let fired = live.run(
                "SELECT ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY ACTION_ORDER",
            );
            let at = |name: &str| fired.find(&format!("('{name}')")).unwrap();
            // Where every name is taken again, it is the names that stay, each with another body.
            let same = names.contains(&"d");
            assert!(
                !same || order.windows(2).all(|pair| at(pair[0]) < at(pair[1])),
                "{order:?} {names:?}: {fired}"
            );
            sandbox.on(&live, &["rollback", "--yes"]).ok();
            assert_eq!(live.snapshot(), before, "{order:?} {names:?}");
        }
    }
}

/// As in the well-known sample database of a film rental, whose search table was MyISAM's: MySQL lets nobody lock such a
/// table under enforce_gtid_consistency, unless the session's binary log is off for that moment.
fn a_trigger_that_writes_where_there_are_no_transactions(engine: Engine) {
    let mut live = Mysql::of(engine);
    live.batch(
        "CREATE TABLE film (id int PRIMARY KEY, title varchar(99)) ENGINE = InnoDB;
         CREATE TABLE film_text (id int PRIMARY KEY, title varchar(99)) ENGINE = MyISAM",
    );
    let of = |condition: &str| {
        format!(
            "version = 1\n\n[[trigger]]\nname = \"forget_film\"\ntable = \"film\"\ntiming = \"after\"\nevents = [\"delete\"]\n\
             body = \"DELETE FROM film_text WHERE {condition};\"\n"
        )
    };
    let sandbox = Sandbox::with_spec(&of("id = OLD.id"));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let before = live.snapshot();
    sandbox.write("triggers.toml", of("id = OLD.id AND title = OLD.title"));
    if engine == Engine::Mysql9 {
        let name = live.name().to_owned();
        let user = format!("u_{}", name.trim_start_matches("triggerctl_test_"));
        live.batch(&format!(
            "CREATE USER {user}@localhost IDENTIFIED BY 'x'; GRANT ALL ON {name}.* TO {user}@localhost;
             GRANT SET_ANY_DEFINER ON *.* TO {user}@localhost"
        ));
        sandbox
            .run(&["--url", &live.url_of(&user, "x"), "apply", "--yes"])
            .code(1)
            .says(&["without transactions", "SESSION_VARIABLES_ADMIN", "undone"]);
        live.batch(&format!("DROP USER {user}@localhost"));
        assert_eq!(live.snapshot(), before);
    }
    let logged = |live: &mut Mysql| match engine {
        Engine::Mariadb => String::new(),
        Engine::Mysql9 => live.run("SELECT @@GLOBAL.gtid_executed"),
    };
    let logged_before = logged(&mut live);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    assert!(engine == Engine::Mariadb || logged(&mut live) != logged_before);
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_eq!(live.snapshot(), before);
}
