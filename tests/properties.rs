//! Properties that hold whatever the spec: a plan from one to another leads there and back, a difference is the same seen
//! from both sides, and no name or text, however hostile, comes back as another.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use common::property::holds;
use common::{Live, MEANT, Sandbox, assert_same, postgres::Postgres, sqlite::Sqlite};
use proptest::prelude::*;
use triggerctl::dialect::Dialect;
use triggerctl::diff::{FieldChange, Judge, compare};
use triggerctl::model::{
    Action, Condition, Constraint, Deferral, Definition, EnabledState, Event, FunctionId,
    Orientation, TableId, Timing, TransitionTables, Trigger, TriggerId,
};

// --- from any spec to any other ---------------------------------------------------------------------------------------

/// One `[[trigger]]`, by its choices.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a coin that was tossed"
)]
struct Choice {
    table: usize,
    before: bool,
    events: BTreeSet<&'static str>,
    update_of: bool,
    when: usize,
    body: usize,
    description: usize,
    statement: bool,
    constraint: usize,
    enabled: &'static str,
    security: bool,
}

const NAMES: [&str; 4] = ["a", "B c", "select", "it's \"é\" 🦀"];
const TABLES: [&str; 2] = ["t", "T two"];
const ROW_CONDITIONS: [&str; 4] = [
    "",
    "NEW.n > 1",
    "NEW.n >= 1 AND NEW.\"Text\" <> 'a  B'",
    "(NEW.n > 1)",
];
const BODIES: [&str; 4] = [
    "INSERT INTO log (what) VALUES ('A b');",
    "INSERT INTO log (what) VALUES ('ab');",
    "INSERT INTO log (what) VALUES ('🦀; END'); -- $$\nDELETE FROM log WHERE what = '''';",
    "DELETE FROM log;",
];
const DESCRIPTIONS: [&str; 3] = ["", "Says.", "It's\\two\nlines"];
const CONSTRAINTS: [&str; 3] = [
    "",
    "{ deferrable = true }",
    "{ deferrable = true, initially = 'deferred', from = 'log' }",
];

fn choice(dialect: &'static str) -> impl Strategy<Value = Choice> {
    let postgres = dialect == "postgres";
    let first = (
        0..TABLES.len(),
        any::<bool>(),
        proptest::collection::btree_set(
            proptest::sample::select(vec!["insert", "update", "delete"]),
            1..=3,
        ),
        any::<bool>(),
        0..ROW_CONDITIONS.len(),
        0..BODIES.len(),
    );
    let second = (
        0..DESCRIPTIONS.len(),
        any::<bool>(),
        0..CONSTRAINTS.len(),
        proptest::sample::select(vec!["origin", "disabled", "replica", "always"]),
        any::<bool>(),
    );
    (first, second).prop_map(move |(first, second)| {
        let (table, before, events, update_of, when, body) = first;
        let (description, statement, constraint, enabled, security) = second;
        Choice {
            table,
            before,
            events,
            update_of,
            when,
            body,
            description,
            statement: statement && postgres,
            constraint,
            enabled,
            security,
        }
    })
}

/// Up to one trigger of each name: in SQLite a name is unique in the database.
fn spec(dialect: &'static str) -> impl Strategy<Value = BTreeMap<&'static str, Choice>> {
    proptest::collection::btree_map(
        proptest::sample::select(NAMES.to_vec()),
        choice(dialect),
        0..=NAMES.len(),
    )
}

fn text(value: &str) -> String {
    serde_json::to_string(value).unwrap()
}

fn written(triggers: &BTreeMap<&'static str, Choice>, dialect: &str) -> String {
    let mut spec = "version = 1\n".to_owned();
    for (name, choice) in triggers {
        let Choice {
            table,
            before,
            events,
            update_of,
            when,
            body,
            description,
            statement,
            constraint,
            enabled,
            security,
        } = choice;
        let constraint = CONSTRAINTS[if *before || *statement {
            0
        } else {
            *constraint
        }];
        let when = if *statement || events.contains("delete") {
            ""
        } else {
            ROW_CONDITIONS[*when]
        };
        let _ = write!(
            spec,
            "[[trigger]]\nname = {}\ntable = {}\ntiming = '{}'\nevents = {:?}\nbody = {}\n",
            text(name),
            text(TABLES[*table]),
            if *before { "before" } else { "after" },
            events.iter().collect::<Vec<_>>(),
            text(BODIES[*body]),
        );
        if *update_of && events.contains("update") {
            spec += "update_of = ['n', 'Text']\n";
        }
        if !when.is_empty() {
            let _ = writeln!(spec, "when = {}", text(when));
        }
        if *description > 0 {
            let _ = writeln!(spec, "description = {}", text(DESCRIPTIONS[*description]));
        }
        if dialect == "postgres" {
            let _ = writeln!(
                spec,
                "for_each = '{}'\n[trigger.postgres]\nenabled = '{enabled}'",
                if *statement { "statement" } else { "row" }
            );
            if !constraint.is_empty() {
                let _ = writeln!(spec, "constraint = {constraint}");
            }
            if *security {
                spec += "security = 'definer'\nsearch_path = ['public', 'pg_temp']\n";
            }
        }
    }
    spec
}

const TABLES_SQL: &str = "CREATE TABLE t (n integer, \"Text\" text); CREATE TABLE \"T two\" (n integer, \"Text\" text); CREATE TABLE log (what text);";

/// Apply `a`, then `b`: the catalog is what `b` makes out of nothing, the plan is empty, and back is as it was.
fn leads_there(dialect: &'static str, cases: u32, open: impl Fn() -> Box<dyn Live>) {
    holds(cases, (spec(dialect), spec(dialect)), |(a, b)| {
        let (mut one, mut other) = (open(), open());
        let sandbox = Sandbox::new();
        let apply = |spec: &BTreeMap<&'static str, Choice>, live: &mut dyn Live| {
            sandbox.write("triggers.toml", written(spec, dialect));
            sandbox.on(live, MEANT).ok();
            let plan = sandbox
                .on(live, &["plan", "--detailed-exitcode", "--format", "json"])
                .ok();
            assert_eq!(plan.json()["changes"], serde_json::json!([]), "{plan}");
            live.snapshot()
        };
        one.batch(TABLES_SQL);
        other.batch(TABLES_SQL);
        let first = apply(&a, &mut *one);
        let migrations = one.versions().len();
        let second = apply(&b, &mut *one);
        assert_same(
            "the catalog after the way over another spec",
            &apply(&b, &mut *other),
            &second,
        );
        if one.versions().len() > migrations {
            sandbox.on(&*one, &["rollback", "--yes"]).ok();
            assert_same("the catalog after rollback", &first, &one.snapshot());
        }
    });
}

#[test]
fn a_plan_leads_from_any_spec_to_any_other_on_sqlite() {
    leads_there("sqlite", 12, || Box::new(Sqlite::new()));
}

#[test]
fn a_plan_leads_from_any_spec_to_any_other_on_postgres() {
    leads_there("postgres", 6, || Box::new(Postgres::new()));
}

/// What a property found: in SQLite a name is free for another table only once the trigger that had it is renamed.
#[test]
fn a_name_given_up_on_one_table_is_taken_on_another() {
    let mut live = Sqlite::new();
    live.batch("CREATE TABLE a (n); CREATE TABLE t (n);");
    let before = live.snapshot();
    let trigger = |table: &str, name: &str, more: &str| {
        format!(
            "[[trigger]]\nname = '{name}'\ntable = '{table}'\ntiming = 'after'\nevents = ['insert']\nbody = 'SELECT 1;'\n{more}\n"
        )
    };
    let sandbox = Sandbox::with_spec(&format!("version = 1\n{}", trigger("t", "x", "")));
    sandbox.on(&live, MEANT).ok();
    let first = live.snapshot();
    let second = trigger("t", "y", "renamed_from = 'x'") + &trigger("a", "x", "");
    sandbox.write("triggers.toml", format!("version = 1\n{second}"));
    sandbox.on(&live, MEANT).ok();
    assert_eq!(
        live.run("SELECT name, tbl_name FROM sqlite_schema WHERE type = 'trigger' ORDER BY 1"),
        "x|a\ny|t\n"
    );
    for (to, snapshot) in [("1", &first), ("2", &live.snapshot()), ("0", &before)] {
        sandbox.on(&live, &["rollback", "--yes", "--to", to]).ok();
        assert_same("the catalog after rollback", snapshot, &live.snapshot());
    }
}

// --- differences ------------------------------------------------------------------------------------------------------

fn name() -> impl Strategy<Value = String> {
    "[a-cA-C\"'. é🦀]{1,3}"
}

fn table() -> impl Strategy<Value = TableId> {
    (name(), name()).prop_map(|(schema, name)| TableId { schema, name })
}

fn state() -> impl Strategy<Value = EnabledState> {
    proptest::sample::select(vec![
        EnabledState::Origin,
        EnabledState::Disabled,
        EnabledState::Replica,
        EnabledState::Always,
    ])
}

fn condition() -> impl Strategy<Value = Option<Condition>> {
    proptest::option::of("[a( '\"]{0,4}".prop_map(Condition::Sql))
}

fn action() -> impl Strategy<Value = Action> {
    let call = (name(), name(), proptest::collection::vec(name(), 0..3)).prop_map(
        |(schema, name, arguments)| Action::Call {
            function: FunctionId { schema, name },
            arguments,
        },
    );
    prop_oneof![call, "[a '\"-]{0,6}".prop_map(Action::Body)]
}

fn constraint() -> impl Strategy<Value = Option<Constraint>> {
    let deferral = proptest::sample::select(vec![
        Deferral::NotDeferrable,
        Deferral::InitiallyImmediate,
        Deferral::InitiallyDeferred,
    ]);
    proptest::option::of(
        (deferral, proptest::option::of(table()))
            .prop_map(|(deferral, from)| Constraint { deferral, from }),
    )
}

fn a_trigger() -> impl Strategy<Value = Definition> {
    let timing = proptest::sample::select(vec![Timing::Before, Timing::After, Timing::InsteadOf]);
    let events = proptest::collection::btree_set(
        proptest::sample::select(vec![
            Event::Insert,
            Event::Update,
            Event::Delete,
            Event::Truncate,
        ]),
        1..4,
    );
    let orientation = proptest::sample::select(vec![Orientation::Row, Orientation::Statement]);
    let first = (
        timing,
        events,
        proptest::collection::vec(name(), 0..3),
        orientation,
        condition(),
        action(),
    );
    let second = (
        proptest::option::of(name()),
        proptest::option::of(name()),
        constraint(),
        state(),
        proptest::collection::btree_map(table(), state(), 0..3),
        proptest::option::of(name()),
        proptest::collection::btree_set(name(), 0..3),
    );
    (first, second).prop_map(|(first, second)| {
        let (timing, events, update_of, orientation, condition, action) = first;
        let (old, new, constraint, enabled, enabled_on_partitions, comment, depends_on_extensions) =
            second;
        let table = TableId {
            schema: "public".into(),
            name: "t".into(),
        };
        Definition::from(Trigger {
            creation: None,
            id: TriggerId {
                table,
                name: "x".into(),
            },
            timing,
            events: events.into_iter().collect(),
            update_of,
            orientation,
            condition,
            action,
            transition_tables: TransitionTables { old, new }.into(),
            constraint: constraint.map(Box::new),
            enabled,
            enabled_on_partitions: enabled_on_partitions.into(),
            comment,
            depends_on_extensions: depends_on_extensions.into(),
            verbatim: None,
            seen: None,
        })
    })
}

fn dialects() -> [&'static dyn Dialect; 2] {
    ["sqlite", "postgres"].map(|name| triggerctl::dialect::by_name(name).unwrap())
}

#[test]
fn a_difference_is_the_same_from_both_sides() {
    let verdicts = BTreeMap::new();
    holds(300, (a_trigger(), a_trigger()), |(a, b)| {
        for dialect in dialects() {
            let judge = Judge {
                dialect,
                verdicts: &verdicts,
            };
            assert_eq!(compare(&a, &a, &judge), []);
            let reversed: Vec<FieldChange> = compare(&b, &a, &judge)
                .into_iter()
                .map(|change| FieldChange {
                    before: change.after,
                    after: change.before,
                    ..change
                })
                .collect();
            assert_eq!(compare(&a, &b, &judge), reversed);
            // What is recorded is read back as it was.
            let record = serde_json::to_string(&a).unwrap();
            assert_eq!(serde_json::from_str::<Definition>(&record).unwrap(), a);
        }
    });
}

// --- quoting ----------------------------------------------------------------------------------------------------------

/// Quotes, backslashes, dollars, keywords, control characters, and any letters.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        "[\"'`\\\\$;\\-/*\\[\\]%{}?:@ \n\r\ta-cA-Zéß🦀]{1,12}",
        "(select|SELECT|Order|user|new|OLD|begin|raise|true|null)",
        "\\PC{1,12}",
    ]
}

#[test]
fn no_name_or_text_comes_back_as_another_from_sqlite() {
    let live = Sqlite::new();
    let [dialect, _] = dialects();
    holds(400, (hostile(), hostile()), |(name, text)| {
        let sql = format!(
            "SELECT {} AS {}",
            dialect.quote_literal(&text),
            dialect.quote_identifier(&name)
        );
        let mut statement = live.connection().prepare(&sql).unwrap();
        assert_eq!(statement.column_name(0).unwrap(), name);
        assert_eq!(
            statement
                .query_row([], |row| row.get::<_, String>(0))
                .unwrap(),
            text
        );
        // As a name of a table and a column, too. (SQLite itself does not find a column that is called "true" this way.)
        if ["true", "false"].contains(&name.to_lowercase().as_str()) {
            return;
        }
        let sql = format!(
            "SELECT {0}.{0} FROM (SELECT 1 AS {0}) AS {0}",
            dialect.quote_identifier(&name)
        );
        assert_eq!(
            live.connection()
                .query_row(&sql, [], |row| row.get::<_, i64>(0))
                .unwrap(),
            1
        );
    });
}

#[test]
fn no_name_or_text_comes_back_as_another_from_postgres() {
    let live = Postgres::new();
    let [_, dialect] = dialects();
    for setting in ["on", "off"] {
        let mut client = live.connect();
        client
            .batch_execute(&format!(
                "SET standard_conforming_strings = {setting}; SET escape_string_warning = off"
            ))
            .unwrap();
        let client = std::cell::RefCell::new(client);
        holds(100, (hostile(), hostile()), |(name, text)| {
            let name: String = name.chars().take(15).collect(); // 63 bytes at most.
            let sql = format!(
                "SELECT {} AS {}",
                dialect.quote_literal(&text),
                dialect.quote_identifier(&name)
            );
            let row = client.borrow_mut().query_one(&sql, &[]).unwrap();
            assert_eq!(row.columns()[0].name(), name);
            assert_eq!(row.get::<_, String>(0), text);
            let sql = format!(
                "SELECT {0}.{0} FROM (SELECT 1 AS {0}) AS {0}",
                dialect.quote_identifier(&name)
            );
            assert_eq!(
                client
                    .borrow_mut()
                    .query_one(&sql, &[])
                    .unwrap()
                    .get::<_, i32>(0),
                1
            );
        });
    }
}

/// Through the binary and back: a trigger, its table and its column, with a text in the body and the arguments.
fn comes_back(cases: u32, open: impl Fn() -> Box<dyn Live>) {
    holds(
        cases,
        (hostile(), hostile(), hostile(), hostile()),
        |(name, table, column, text)| {
            let [name, table, column]: [String; 3] =
                [name, table, column].map(|text| text.trim().chars().take(15).collect());
            // In the name of a table the spec takes these for a pattern, quoted or not, and says so.
            let table = table.replace(['*', '?'], "_");
            if [&name, &table, &column].iter().any(|name| name.is_empty()) {
                return;
            }
            let mut live = open();
            let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
            live.batch(&format!(
                "CREATE TABLE {} ({} text); CREATE TABLE log_of_all (what text)",
                quoted(&table),
                quoted(&column)
            ));
            let json = |value: &str| serde_json::to_string(value).unwrap();
            // Outside SQL, `${` is the beginning of a variable's name.
            let plain = |value: &str| json(&value.replace("${", "$${"));
            let sandbox = Sandbox::with_spec(&format!(
                "version = 1\n[vars]\ntext = {}\n[[trigger]]\nname = {}\ntable = {}\ntiming = 'after'\nevents = ['update']\nupdate_of = [{}]\nwhen = {}\nbody = 'INSERT INTO log_of_all (what) VALUES ({{{{ vars.text | literal }}}});'\n",
                plain(&text),
                json(
                    &name
                        .replace("${", "$${")
                        .replace('{', "{% raw %}{{% endraw %}")
                ),
                plain(&quoted(&table)),
                plain(&column),
                json(&format!(
                    "NEW.{} IS NOT NULL",
                    quoted(&column).replace('{', "{% raw %}{{% endraw %}")
                )),
            ));
            sandbox.on(&*live, MEANT).ok();
            sandbox.on(&*live, &["check"]).ok();
            live.batch(&format!(
                "INSERT INTO {} VALUES ('a'); UPDATE {} SET {} = 'b'",
                quoted(&table),
                quoted(&table),
                quoted(&column)
            ));
            let found = match live.dialect() {
            "sqlite" => live.run("SELECT hex(name), hex(tbl_name) FROM sqlite_schema WHERE type = 'trigger'"),
            _ => live.run("SELECT upper(encode(convert_to(tgname, 'UTF8'), 'hex')), upper(encode(convert_to(relname, 'UTF8'), 'hex')) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid WHERE NOT tgisinternal"),
        };
            let hex = |text: &str| {
                text.bytes()
                    .fold(String::new(), |hex, byte| format!("{hex}{byte:02X}"))
            };
            assert_eq!(found, format!("{}|{}\n", hex(&name), hex(&table)));
            assert_eq!(
                live.run(match live.dialect() {
                    "sqlite" => "SELECT hex(what) FROM log_of_all",
                    _ => "SELECT upper(encode(convert_to(what, 'UTF8'), 'hex')) FROM log_of_all",
                }),
                format!("{}\n", hex(&text))
            );
            sandbox.on(&*live, &["rollback", "--yes"]).ok();
        },
    );
}

#[test]
fn hostile_names_go_through_the_binary_to_sqlite() {
    comes_back(16, || Box::new(Sqlite::new()));
}

#[test]
fn hostile_names_go_through_the_binary_to_postgres() {
    comes_back(8, || Box::new(Postgres::new()));
}
