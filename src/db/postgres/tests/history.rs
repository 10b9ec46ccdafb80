//! The history tables are read as they were written.

use super::*;
use crate::dialect::Dialect as _;
use crate::dialect::postgres::Postgres;

const TABLES: &str = r#"CREATE SCHEMA triggerctl;
    CREATE TABLE triggerctl.migrations (version bigint PRIMARY KEY, state text, message text, summary text, plan_id text,
      spec_digest text, from_fingerprint text, to_fingerprint text, up json, down json, started_at timestamptz,
      finished_at timestamptz, duration_ms bigint, error text, tool_version text, applied_by text);
    CREATE TABLE triggerctl.objects (kind text, schema text, "table" text NOT NULL, name text, version bigint,
      rendered_digest text, live_fingerprint text, definition json,
      PRIMARY KEY (kind, schema, "table", name, version));"#;

#[test]
fn the_latest_record_counts() {
    let scratch = Scratch::new();
    let mut database = scratch.after(BASICS);
    let history = database.history().expect("reads");
    assert!(!history.exists && history.version == 0 && history.records.is_empty());
    assert!(database.migrations(true).expect("reads").is_empty());
    assert!(database.records_at(1).expect("reads").is_empty());
    let function = database.function("public", "f");
    database.execute(TABLES);
    let history = database.history().expect("reads");
    assert!(history.exists && history.version == 0);
    let definition = serde_json::to_string(&Definition::from(function.clone())).expect("json");
    database.execute(&format!(
        "INSERT INTO triggerctl.migrations VALUES
          (1, 'applied', NULL, '1 created', 'p', 's', 'f', 't', '[\"CREATE 1\", \"a;b\"]', '[\"DROP 1\"]',
           '2026-01-02 03:04:05.678+01', '2026-01-02 03:04:06+01', 322, NULL, '0.1', 'me'),
          (2, 'applied', 'words', '1 dropped', 'p', 's', 'f', 't', '[]', '[]', now(), NULL, NULL, NULL, '0.1', 'me');
        INSERT INTO triggerctl.objects VALUES
          ('function', 'public', '', 'f', 1, 'd1', 'l1', {definition}),
          ('trigger', 'public', 't', 'x', 1, 'd2', 'l2', '{{}}'),
          ('function', 'public', '', 'f', 2, 'd3', 'l3', {definition}),
          ('trigger', 'public', 't', 'x', 2, 'd4', 'l4', NULL);",
        definition = Postgres.quote_literal(&definition)
    ));
    let id = function_id("public", "f");
    let trigger = trigger_id("public", "t", "x");
    let history = database.history().expect("reads");
    assert_eq!(history.version, 2);
    assert_eq!(history.records.keys().collect::<Vec<_>>(), [&id]);
    assert_eq!(history.records[&id].rendered_digest, "d3");
    assert_eq!(history.records[&id].live_fingerprint, "l3");
    assert_eq!(history.records[&id].version, 2);
    let earlier = database.records_at(1).expect("reads");
    assert_eq!(earlier.len(), 2);
    assert_eq!(earlier[&id].rendered_digest, "d1");
    let recorded = database
        .recorded(&[id.clone(), trigger.clone()], 2)
        .expect("reads");
    assert_eq!(
        recorded.into_iter().collect::<Vec<_>>(),
        [(id, Definition::from(function))]
    );
    let failure = database
        .recorded(&[trigger], 1)
        .expect_err("is no definition");
    assert!(failure.to_string().contains("cannot be read"), "{failure}");
    let migrations = database.migrations(true).expect("reads");
    assert_eq!(migrations.len(), 2);
    assert_eq!(migrations[0].up, ["CREATE 1", "a;b"]);
    assert_eq!(migrations[0].down, ["DROP 1"]);
    assert_eq!(migrations[0].started_at, "2026-01-02T02:04:05.678000Z");
    assert_eq!(migrations[0].duration_ms, Some(322));
    assert_eq!(migrations[1].message.as_deref(), Some("words"));
    assert!(database.migrations(false).expect("reads")[0].up.is_empty());
}

#[test]
fn a_role_without_rights_learns_what_it_lacks() {
    let scratch = Scratch::new();
    let mut database = scratch.after(TABLES);
    let role = format!("{}_reader", scratch.name);
    database.execute(&format!("CREATE ROLE {role}; SET ROLE {role}"));
    let failure = database.history().expect_err("may not");
    assert!(
        failure.to_string().contains("may not read the history"),
        "{failure}"
    );
    database.execute(&format!("RESET ROLE; DROP ROLE {role}"));
    database.execute("DROP TABLE triggerctl.objects");
    let failure = database.history().expect_err("is incomplete");
    assert!(
        failure
            .to_string()
            .contains("has lost its table `triggerctl.objects`"),
        "{failure}"
    );
}
