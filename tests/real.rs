//! What came up when schemas of well-known programs were imported, dropped, brought back and changed by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Live, Sandbox, assert_same, postgres::Postgres};

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
