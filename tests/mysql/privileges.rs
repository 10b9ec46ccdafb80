//! What a role may not do is told before anything is changed.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mysql::prelude::Queryable;

use crate::common::mysql::{Engine, Mysql, connect};
use crate::common::{self, Live, Sandbox};
use crate::{Test, counting, empty_plan, spec, tables};

pub(crate) const TESTS: &[(&str, Test)] = &[
    (
        "without_the_privilege_nothing_is_believed",
        without_the_privilege_nothing_is_believed,
    ),
    (
        "a_foreign_definer_is_refused_by_the_server_and_undone",
        a_foreign_definer_is_refused_by_the_server_and_undone,
    ),
];

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
