//! What a role may not do is told before anything is changed.

use mysql::prelude::Queryable;

use crate::common::mysql::{Engine, Mysql, connect};
use crate::common::mysql_server::MysqlServer;
use crate::common::{Live, assert_same};
use crate::{Test, counting, empty_plan, spec, tables};

pub(crate) const TESTS: &[(&str, Test)] = &[
    (
        "without_the_privilege_nothing_is_believed",
        without_the_privilege_nothing_is_believed,
    ),
    (
        "a_foreign_definer_is_refused_before_anything_is_changed",
        a_foreign_definer_is_refused_before_anything_is_changed,
    ),
    (
        "a_definer_that_does_not_exist_is_found_before",
        a_definer_that_does_not_exist_is_found_before,
    ),
    (
        "other_rights_are_missed_before_anything_is_changed",
        other_rights_are_missed_before_anything_is_changed,
    ),
];

/// Those that start a server of their own.
pub(crate) const SERVER_TESTS: &[(&str, Test)] = &[(
    "the_binary_log_is_told_before_anything_is_changed",
    the_binary_log_is_told_before_anything_is_changed,
)];

/// A user with these rights, and the URL to connect as them.
pub(crate) fn user(live: &mut Mysql, name: &str, grants: &[&str]) -> String {
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

fn a_foreign_definer_is_refused_before_anything_is_changed(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 2);
    let rights = "SELECT, INSERT, UPDATE, DELETE, CREATE, TRIGGER, LOCK TABLES";
    let url = user(&mut live, "plain", &[rights]);
    let text = |step| {
        format!(
            "{}{}[trigger.mysql]\ndefiner = \"root@localhost\"\n",
            counting("t1", "b", step),
            counting("t0", "a", step)
        )
    };
    let sandbox = spec(&text(1));
    let before = live.everything();
    sandbox
        .run(&["--url", &url, "apply", "--yes"])
        .code(1)
        .says(&[
            "may not make trigger `a`",
            "definer is `root@localhost`",
            "nothing was changed",
            if engine == Engine::Mariadb {
                "GRANT SET USER"
            } else {
                "GRANT SET_ANY_DEFINER"
            },
        ]);
    assert_same("the database", &before, &live.everything());
    sandbox.on(&live, &["apply", "--yes"]).ok();
    // MySQL quotes as the session that asks does.
    let definer = live.snapshot().replace(['`', '"'], "");
    assert!(definer.contains("DEFINER=root@localhost"), "{definer}");
    // A plan needs no such right, and whoever has it may apply.
    sandbox.write("triggers.toml", format!("version = 1\n{}", text(2)));
    sandbox
        .run(&["--url", &url, "plan", "--detailed-exitcode"])
        .code(2);
    let before = live.everything();
    sandbox
        .run(&["--url", &url, "apply", "--yes"])
        .code(1)
        .says(&["definer"]);
    sandbox.run(&["--url", &url, "rollback", "--yes"]).code(1);
    assert_same("the database", &before, &live.everything());
    let right = if engine == Engine::Mariadb {
        "SET USER"
    } else {
        "SET_ANY_DEFINER, SYSTEM_USER"
    };
    let name = format!("plain{}@localhost", std::process::id());
    live.batch(&format!("GRANT {right} ON *.* TO {name}"));
    sandbox.run(&["--url", &url, "apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    // A definer changed by hand is drift, though nothing else is.
    live.batch(&format!(
        "DROP TRIGGER a; CREATE DEFINER = {name} TRIGGER a AFTER INSERT ON t0 FOR EACH ROW BEGIN INSERT INTO log VALUES ('a 2'); END"
    ));
    sandbox.on(&live, &["check"]).code(2).says(&["definer"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    live.batch(&format!("DROP USER {name}"));
}

fn a_definer_that_does_not_exist_is_found_before(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let sandbox = spec(&format!(
        "{}[trigger.mysql]\ndefiner = \"nobody_at_all@example\"\n",
        counting("t0", "a", 1)
    ));
    let before = live.everything();
    for command in [&["plan"][..], &["check"], &["apply", "--yes"]] {
        sandbox.on(&live, command).code(1).says(&[
            "would fail when it fires",
            "nobody_at_all@example",
            "does not exist",
        ]);
    }
    assert_same("the database", &before, &live.everything());
}

/// Without SUPER where the binary log is on.
fn the_binary_log_is_told_before_anything_is_changed(engine: Engine) {
    let server = MysqlServer::start(engine, &["--log-bin=b", "--server-id=1"]);
    let mut live = Mysql::at(&server.url());
    tables(&mut live, 1);
    let url = user(&mut live, "plain", &["ALL"]);
    let sandbox = spec(&counting("t0", "a", 1));
    let before = live.everything();
    sandbox
        .run(&["--url", &url, "plan", "--detailed-exitcode"])
        .code(2);
    sandbox
        .run(&["--url", &url, "apply", "--yes"])
        .code(1)
        .says(&[
            "1419",
            "log_bin_trust_function_creators=1",
            "SUPER",
            "nothing was changed",
        ]);
    assert_same("the database", &before, &live.everything());
    // The server would have said so.
    let mut plain = connect(&url);
    let refused = plain.query_drop("CREATE TRIGGER x BEFORE INSERT ON t0 FOR EACH ROW SET @a = 1");
    assert!(matches!(refused, Err(mysql::Error::MySqlError(error)) if error.code == 1419));
    live.batch("SET GLOBAL log_bin_trust_function_creators = 1");
    sandbox.run(&["--url", &url, "apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    // With SUPER it works as well.
    live.batch("SET GLOBAL log_bin_trust_function_creators = 0");
    live.batch(&format!(
        "GRANT SUPER ON *.* TO plain{}@localhost",
        std::process::id()
    ));
    sandbox.write(
        "triggers.toml",
        format!("version = 1\n{}", counting("t0", "a", 2)),
    );
    sandbox.run(&["--url", &url, "apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
}

/// What the history and the locks need is told before the first trigger is touched.
fn other_rights_are_missed_before_anything_is_changed(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let sandbox = spec(&counting("t0", "a", 1));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.write(
        "triggers.toml",
        format!(
            "version = 1\n{}{}",
            counting("t0", "a", 1),
            counting("t0", "b", 1)
        ),
    );
    let before = live.snapshot();
    for (name, rights) in [
        ("none", "SELECT, TRIGGER"),
        ("insert", "SELECT, TRIGGER, INSERT, LOCK TABLES"),
        ("update", "SELECT, TRIGGER, UPDATE, LOCK TABLES"),
    ] {
        let url = user(&mut live, name, &[rights]);
        sandbox
            .run(&["--url", &url, "apply", "--yes"])
            .code(1)
            .says(&["denied", "grant the role what it lacks"])
            .never_says(&["repair"]);
        assert_same(name, &before, &live.snapshot());
        assert_eq!(live.versions(), ["1 applied"]);
        live.batch(&format!("DROP USER {name}{}@localhost", std::process::id()));
    }
    // TRIGGER on the one table is enough to plan it.
    let url = user(&mut live, "single", &["SELECT"]);
    let name = format!("single{}@localhost", std::process::id());
    let database = live.name().to_owned();
    live.batch(&format!("GRANT TRIGGER ON {database}.t0 TO {name}"));
    sandbox
        .run(&["--url", &url, "plan", "--detailed-exitcode"])
        .code(2);
    live.batch(&format!("DROP USER {name}"));
}
