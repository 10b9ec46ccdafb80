//! `order`: a trigger runs before or after one that is there, or the plan says that it is not.

use crate::common::mysql::{Engine, Mysql};
use crate::common::{Live, Sandbox, assert_same};
use crate::{Test, counting, empty_plan, spec, tables};

pub(crate) const TESTS: &[(&str, Test)] = &[
    (
        "a_neighbour_that_is_not_there",
        a_neighbour_that_is_not_there,
    ),
    ("a_neighbour_that_goes", a_neighbour_that_goes),
    ("a_neighbour_of_nobodys", a_neighbour_of_nobodys),
    ("a_neighbour_that_is_let_go", a_neighbour_that_is_let_go),
    (
        "a_neighbour_of_before_that_fires_at_something_else_now",
        a_neighbour_of_before_that_fires_at_something_else_now,
    ),
];

/// A trigger with a place.
fn placed(name: &str, order: &str) -> String {
    format!(
        "{}[trigger.mysql]\norder = {{ {order} }}\n\n",
        counting("t0", name, 1)
    )
}

fn refused(sandbox: &Sandbox, live: &mut Mysql, more: &[&str], words: &[&str]) {
    let before = live.everything();
    let plan = sandbox.on(live, &[&["plan"], more].concat()).code(1);
    plan.says(words).says(&["triggers.toml:"]);
    sandbox
        .on(live, &[&["apply", "--yes"], more].concat())
        .code(1)
        .says(words);
    assert_same("after a refusal", &before, &live.everything());
}

fn a_neighbour_that_is_not_there(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let missing = ["no such trigger of the same table, timing and event"];
    let before = counting("t0", "b", 1).replace("after", "before");
    for triggers in [
        placed("a", "follows = 'nobody'"),
        placed("a", "precedes = 'a'"),
        placed("a", "follows = 'b'") + &before,
    ] {
        let missing = if triggers.contains("'a'") {
            &["leads back to it"][..]
        } else {
            &missing
        };
        refused(&spec(&triggers), &mut live, &[], missing);
    }
    let circle = placed("a", "follows = 'b'") + &placed("b", "follows = 'a'");
    refused(&spec(&circle), &mut live, &[], &["leads back to it"]);

    // One of the plan's own, in any order, but not one that is left out of it.
    let pair = spec(&(placed("a", "follows = 'b'") + &counting("t0", "b", 1)));
    refused(&pair, &mut live, &["--target", "a"], &["take `b` into"]);
    pair.on(&live, &["apply", "--yes", "--target", "b"]).ok();
    pair.on(&live, &["apply", "--yes", "--target", "a"]).ok();
    empty_plan(&pair, &live);
}

fn a_neighbour_that_goes(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let pair = placed("a", "follows = 'b'") + &counting("t0", "b", 1);
    let sandbox = spec(&pair);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    // Out of the spec, or made for something else.
    for triggers in [
        placed("a", "follows = 'b'"),
        placed("a", "follows = 'b'") + &counting("t0", "b", 1).replace("after", "before"),
    ] {
        let missing = ["no such trigger of the same table, timing and event"];
        refused(&spec(&triggers), &mut live, &[], &missing);
    }
    // By another name it is still there.
    let renamed = placed("a", "follows = 'c'")
        + &counting("t0", "c", 1).replace("table", "renamed_from = \"b\"\ntable");
    let sandbox = spec(&renamed);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
}

fn a_neighbour_of_nobodys(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    live.batch("CREATE TRIGGER own AFTER INSERT ON t0 FOR EACH ROW SET @own = 1");
    live.batch("CREATE TRIGGER early BEFORE INSERT ON t0 FOR EACH ROW SET @own = 1");
    let sandbox = spec(&placed("a", "precedes = 'own'"));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    let missing = ["no such trigger of the same table, timing and event"];
    refused(
        &spec(&placed("a", "precedes = 'early'")),
        &mut live,
        &[],
        &missing,
    );
    // It is gone: that there is nothing to run before is for the spec to say.
    live.batch("DROP TRIGGER own");
    refused(&sandbox, &mut live, &[], &missing);
}

fn a_neighbour_of_before_that_fires_at_something_else_now(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let now = counting("t0", "b", 1);
    // Both beside each other, whichever is made again first.
    for (first, second) in [("a", "b"), ("b", "c")] {
        let before = [
            counting("t0", first, 2).replace("after", "before"),
            counting("t0", second, 2).replace("after", "before"),
        ];
        let sandbox = spec(&before.concat());
        sandbox.on(&live, &["apply", "--yes"]).ok();
        let stood = live.snapshot();
        spec(&now).on(&live, &["apply", "--yes"]).ok();
        sandbox.on(&live, &["rollback", "--yes"]).ok();
        assert_same("the catalog", &stood, &live.snapshot());
        empty_plan(&sandbox, &live);
        spec(&now).on(&live, &["apply", "--yes"]).ok();
    }
}

/// What `forget` lets go stays where it is, and others may be placed by it.
fn a_neighbour_that_is_let_go(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let three = placed("a", "follows = 'b'") + &counting("t0", "b", 1) + &counting("t0", "c", 1);
    let sandbox = spec(&three);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let there = live.snapshot();
    let two = format!(
        "version = 1\nforget = [\"t0.b\"]\n\n{}{}",
        placed("a", "follows = 'b'"),
        counting("t0", "c", 1)
    );
    sandbox.write("triggers.toml", &two);
    sandbox
        .on(&live, &["plan"])
        .ok()
        .says(&["= forget trigger"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_same("let go", &there, &live.snapshot());
    empty_plan(&sandbox, &live);

    // Beside a change of those that stay.
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    sandbox.write(
        "triggers.toml",
        two.replace("a 1", "a 2").replace("c 1", "c 2"),
    );
    sandbox.on(&live, &["apply", "--yes"]).ok();
    empty_plan(&sandbox, &live);
    live.run("INSERT INTO t0 VALUES (1)");
    let fired = live.run("SELECT group_concat(what SEPARATOR ', ') FROM log");
    assert_eq!(fired.trim(), "b 1, a 2, c 2");
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_same("rolled back", &there, &live.snapshot());
}
