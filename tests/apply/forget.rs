//! What `forget` in a spec lets go: it stays, and nobody looks after it.

use super::common::{Live, Sandbox, assert_same};
use super::{AGE, LOG, applied, empty, planned, spec};

/// Several engines are asked, and in one a function goes with the trigger.
const HAND: [(&str, &str); 2] = [
    ("postgres", "DROP TRIGGER users_age ON users"),
    ("sqlite", "DROP TRIGGER users_age"),
];

fn without(forget: &str) -> String {
    spec(&[&format!("forget = [\"{forget}\"]\n"), LOG])
}

pub(crate) fn let_go(live: &mut dyn Live) {
    let sandbox = applied(live, &[AGE, LOG]);
    let there = live.snapshot();
    sandbox.write("triggers.toml", without("users.users_age"));
    let before = live.everything();
    empty(&sandbox, live).says(&["let go by `forget`"]);
    assert_eq!(planned(&sandbox, live), ["forget users_age"]);
    assert_same("plan writes nothing", &before, &live.everything());
    sandbox.on(live, &["apply", "--yes"]).ok();
    assert_same("nothing is dropped", &there, &live.snapshot());
    assert_eq!(live.versions(), ["1 applied", "2 applied"]);
    assert!(planned(&sandbox, live).is_empty());
    let unmanaged = sandbox.on(live, &["plan", "--unmanaged"]).ok();
    unmanaged.says(&["1 not managed", "users_age"]);
    sandbox.on(live, &["check"]).ok();

    // An import does not bring it back.
    let text = sandbox.read("triggers.toml");
    let import = ["import", "-o", "triggers.toml"];
    sandbox
        .on(live, &import)
        .ok()
        .says(&["1 trigger is left out"]);
    assert_eq!(sandbox.read("triggers.toml"), text);

    // The way back takes it over again, and then it is looked after as before.
    sandbox.on(live, &["rollback", "--yes"]).ok();
    assert_same("rolled back", &there, &live.snapshot());
    sandbox.write("triggers.toml", spec(&[AGE, LOG]));
    assert!(planned(&sandbox, live).is_empty());
    sandbox.write("triggers.toml", without("*.users_age"));
    sandbox.on(live, &["apply", "--yes"]).ok();

    // Whatever becomes of it is no difference, and the pattern is not needed any more.
    let (_, drop) = HAND.iter().find(|(of, _)| *of == live.dialect()).unwrap();
    sandbox.write("triggers.toml", spec(&[LOG]));
    assert!(planned(&sandbox, live).is_empty());
    live.batch(drop);
    empty(&sandbox, live);
    sandbox.on(live, &["check"]).ok();
    sandbox.on(live, &["apply", "--yes"]).ok();
}

pub(crate) fn let_go_and_taken_back(live: &mut dyn Live) {
    let sandbox = applied(live, &[AGE, LOG]);
    let there = live.snapshot();
    sandbox.write("triggers.toml", without("users_a*"));
    sandbox.on(live, &["apply", "--yes"]).ok();
    sandbox.write("triggers.toml", spec(&[AGE, LOG]));
    assert_eq!(planned(&sandbox, live), ["adopt users_age"]);
    sandbox.on(live, &["apply", "--yes"]).ok();
    assert_same("taken back", &there, &live.snapshot());
    sandbox.write("triggers.toml", spec(&[LOG]));
    assert_eq!(planned(&sandbox, live), ["drop users_age"]);
}

/// What was changed by hand is let go as it is.
pub(crate) fn let_go_as_it_is(live: &mut dyn Live) {
    let sandbox = applied(live, &[AGE, LOG]);
    match live.dialect() {
        "postgres" => live.batch("ALTER TABLE users DISABLE TRIGGER users_age"),
        _ => live.batch(
            "DROP TRIGGER users_age; CREATE TRIGGER users_age AFTER INSERT ON users BEGIN SELECT 1; END;",
        ),
    }
    let there = live.snapshot();
    sandbox.write("triggers.toml", without("users.users_age"));
    sandbox.on(live, &["apply", "--yes"]).ok();
    assert_same("let go", &there, &live.snapshot());
    sandbox.on(live, &["check"]).ok();
    sandbox.on(live, &["rollback", "--yes"]).ok();
    assert_same("as it was, to the letter", &there, &live.snapshot());
}

pub(crate) fn let_go_and_asked_for(live: &mut dyn Live) {
    let sandbox = applied(live, &[AGE, LOG]);
    let both = spec(&["forget = [\"users.*\"]\n", LOG]);
    sandbox.write("triggers.toml", &both);
    let before = live.everything();
    for command in ["plan", "check"] {
        sandbox.on(live, &[command]).code(1).says(&[
            "the spec has trigger",
            "and `forget` lets it go",
            "triggers.toml:2:11",
            "take it out of the one or of the other",
        ]);
    }
    sandbox.on(live, &["apply", "--yes"]).code(1);
    assert_same("nothing was done", &before, &live.everything());
}

/// Where something goes, a pattern that matches nothing may have been meant for it.
pub(crate) fn a_pattern_that_was_mistyped(live: &mut dyn Live) {
    let sandbox = applied(live, &[AGE, LOG]);
    sandbox.write("triggers.toml", without("users.user_age"));
    assert_eq!(planned(&sandbox, live), ["drop users_age"]);
    sandbox.on(live, &["plan"]).ok().says(&[
        "`forget` names `users.user_age`, and there is nothing of that name",
        "triggers.toml:2:11",
    ]);
}

/// All of them at once, which is no other spec's database.
pub(crate) fn all_are_let_go(live: &mut dyn Live) {
    live.batch(
        "CREATE TABLE a (id integer); CREATE TABLE b (id integer); CREATE TABLE c (id integer)",
    );
    let touch = "[[trigger]]\nuse = \"append_only\"\ntables = [\"a\", \"b\", \"c\"]\n";
    let sandbox = Sandbox::with_spec(&spec(&[touch]));
    sandbox.on(live, &["apply", "--yes"]).ok();
    let there = live.snapshot();
    sandbox.write("triggers.toml", spec(&["forget = [\"*\"]\n"]));
    sandbox
        .on(live, &["apply", "--yes"])
        .ok()
        .never_says(&["another"]);
    assert_same("all stay", &there, &live.snapshot());
    let history = sandbox.on(live, &["history", "--format", "json"]).ok();
    assert_eq!(history.json()["migrations"].as_array().unwrap().len(), 2);
    empty(&sandbox, live);
}
