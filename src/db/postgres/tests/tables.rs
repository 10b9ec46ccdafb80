//! Tables by name and glob, and what is wrong before anything runs.

use super::*;
use crate::dialect::{Table, TableKind};
use crate::spec::TableRef;

fn reference(text: &str) -> TableRef {
    TableRef::parse(text).unwrap()
}

fn names(tables: &[Table]) -> Vec<String> {
    tables.iter().map(|table| table.id.to_string()).collect()
}

#[test]
fn names_and_globs() {
    let scratch = Scratch::new();
    let mut database = scratch.after(
        "CREATE SCHEMA app; CREATE SCHEMA triggerctl; CREATE SCHEMA second;
        CREATE TABLE users (id int, a int GENERATED ALWAYS AS (id + 1) STORED, gone int, b int);
        ALTER TABLE users DROP COLUMN gone;
        CREATE TABLE app.users (id int); CREATE TABLE app.\"Users\" (id int); CREATE TABLE app.user_x (id int);
        CREATE TABLE app.userxx (id int); CREATE TABLE second.only_there (id int);
        CREATE VIEW app.users_view AS SELECT 1 AS one;
        CREATE MATERIALIZED VIEW app.users_stored AS SELECT 1 AS one;
        CREATE TABLE app.users_parts (id int) PARTITION BY RANGE (id);
        CREATE TABLE app.users_part_1 PARTITION OF app.users_parts FOR VALUES FROM (0) TO (1);
        CREATE TABLE app.child () INHERITS (app.users);
        CREATE TABLE triggerctl.users_history (id int);
        CREATE SCHEMA third; CREATE TABLE third.keyed (id int, gone int, part text, PRIMARY KEY (part, id));
        ALTER TABLE third.keyed DROP COLUMN gone; CREATE TABLE third.empty ();
        CREATE TEMP TABLE users (id int); CREATE TEMP TABLE only_temporary (id int);
        SET search_path = nowhere, public, second",
    );
    let answers = database
        .tables(
            &[
                "users",
                "app.users",
                "app.user*",
                "app.user?x",
                "*",
                "only_temporary",
                "nope",
                "app.Users",
                "only_there",
                "app.users_part_1",
                "app.child",
                "app.\"user*\"",
                "app.user_x",
                "pg_catalog.pg_class",
            ]
            .map(reference),
        )
        .expect("reads");
    let answers: Vec<Vec<String>> = answers.iter().map(|tables| names(tables)).collect();
    assert_eq!(answers[0], ["public.users"]);
    assert_eq!(answers[1], ["app.users"]);
    assert_eq!(
        answers[2],
        [
            "app.user_x",
            "app.users",
            "app.users_parts",
            "app.users_view",
            "app.userxx"
        ]
    );
    assert_eq!(answers[3], ["app.user_x", "app.userxx"]);
    assert_eq!(answers[4], ["public.users"]);
    assert!(answers[5].is_empty() && answers[6].is_empty());
    assert_eq!(answers[7], ["app.Users"]);
    assert_eq!(answers[8], ["second.only_there"]);
    assert_eq!(answers[9], ["app.users_part_1"]);
    // In quotes a pattern is none.
    assert!(answers[11].is_empty());
    assert_eq!(answers[12], ["app.user_x"]);

    let facts = |database: &mut Postgres, name: &str| {
        database.tables(&[reference(name)]).expect("reads")[0][0]
            .facts
            .clone()
            .expect("known")
    };
    let users = facts(&mut database, "users");
    assert_eq!(users.columns, ["id", "a", "b"]);
    assert_eq!(users.generated, ["a"]);
    assert!(!users.is_child && users.primary_key.is_empty());
    let keyed = facts(&mut database, "third.keyed");
    assert_eq!(keyed.columns, ["id", "part"]);
    assert_eq!(keyed.types, ["integer", "text"]);
    assert_eq!(keyed.primary_key, ["part", "id"]);
    assert!(facts(&mut database, "third.empty").columns.is_empty());
    assert!(facts(&mut database, "app.child").is_child);
    assert!(facts(&mut database, "app.users_part_1").is_child);
    for (name, kind) in [
        ("users", TableKind::Table),
        ("app.users_view", TableKind::View),
        ("app.users_stored", TableKind::MaterializedView),
        ("app.users_parts", TableKind::Partitioned),
    ] {
        assert_eq!(facts(&mut database, name).kind, kind);
    }
    assert_eq!(database.current_schema().expect("there is one"), "public");
    let all = database.table_names(None).expect("reads");
    assert_eq!(
        names_of(all.get(9..).expect("they are behind those of `app`")),
        [
            "public.users",
            "second.only_there",
            "third.empty",
            "third.keyed"
        ]
    );
    let of_one = database.table_names(Some("app")).expect("reads");
    assert_eq!(of_one, all.get(..9).expect("they come first"));
}

fn names_of(tables: &[TableId]) -> Vec<String> {
    tables.iter().map(TableId::to_string).collect()
}

#[test]
fn faults_are_found_before_anything_runs() {
    let scratch = Scratch::new();
    let mut database = scratch.after(&format!(
        "{BASICS}
        CREATE FUNCTION number() RETURNS int LANGUAGE sql AS 'SELECT 1';
        CREATE CONSTRAINT TRIGGER x AFTER UPDATE OF a ON t FOR EACH ROW EXECUTE FUNCTION f();"
    ));
    let good = database.trigger("public", "t", "x");
    let mut missing = good.clone();
    missing.id.name = "t_pkey".into();
    missing.update_of = vec!["aa".into(), "zzzzz".into()];
    let crate::model::Action::Call { function, .. } = &mut missing.action else {
        panic!("calls");
    };
    function.name = "ff".into();
    let mut wrong = good.clone();
    wrong.id.table.name = "nowhere".into();
    let crate::model::Action::Call { function, .. } = &mut wrong.action else {
        panic!("calls");
    };
    function.name = "number".into();
    let mut function = database.function("public", "f");
    function.id.name = "number".into();
    function.language = "plnothing".into();
    let messages = |database: &mut Postgres, definitions: &[&Definition]| -> Vec<String> {
        database
            .check(definitions, &[])
            .expect("checks")
            .into_iter()
            .map(|(_, fault)| format!("{} | {}", fault.message, fault.help.join("; ")))
            .collect()
    };
    assert!(messages(&mut database, &[&Definition::from(good)]).is_empty());
    assert_eq!(
        messages(&mut database, &[&Definition::from(missing)]),
        [
            "function `public.ff` does not exist | did you mean `public.f`?",
            "table `public.t` has no column `aa` | did you mean `a`?",
            "table `public.t` has no column `zzzzz` | ",
            "table `public.t` has a constraint named `t_pkey` already | choose another name for the trigger",
        ]
    );
    assert_eq!(
        messages(&mut database, &[&Definition::from(wrong)]),
        [
            "function `public.number` returns integer, not trigger | a trigger can only call a function that returns `trigger`",
            "table `public.nowhere` does not exist | ",
        ]
    );
    assert_eq!(
        messages(&mut database, &[&Definition::from(function)]),
        [
            "function `public.number` exists already, and returns integer | choose another name for the trigger function",
            "the language `plnothing` is not installed in this database | CREATE EXTENSION plnothing",
        ]
    );
}

#[test]
fn sizes_are_those_of_the_whole_table() {
    let scratch = Scratch::new();
    let mut database = scratch.after(
        "CREATE TABLE plain (id int PRIMARY KEY, text text);
        CREATE TABLE long (id int PRIMARY KEY, text text);
        ALTER TABLE long ALTER COLUMN text SET STORAGE EXTERNAL;
        CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM (0) TO (20000);
        CREATE TABLE part_2 PARTITION OF parts FOR VALUES FROM (20000) TO (100000);
        CREATE TABLE nothing_in_it (id int PRIMARY KEY, text text);
        CREATE VIEW a_view AS SELECT 1 AS one;",
    );
    let fill = "INSERT INTO plain SELECT n, n FROM generate_series({from}, {to}) n;
        INSERT INTO long SELECT n, repeat('x', 20000) FROM generate_series({from}, {to}, 100) n;
        INSERT INTO parts SELECT n FROM generate_series({from}, {to}) n;";
    let first = fill.replace("{from}", "1").replace("{to}", "20000");
    let second = fill.replace("{from}", "20001").replace("{to}", "40000");
    let steps = [
        "",
        &first,
        "ANALYZE",
        "VACUUM",
        &second,
        "ANALYZE plain; ANALYZE parts",
        "TRUNCATE plain",
    ];
    for step in steps {
        for statement in step.split(';') {
            database.execute(statement);
        }
        let names = ["plain", "long", "parts", "nothing_in_it", "a_view"];
        let tables: BTreeSet<TableId> = names
            .iter()
            .map(|name| TableId {
                schema: "public".into(),
                name: (*name).into(),
            })
            .collect();
        let states = database.table_states(&tables).expect("reads");
        for table in &tables {
            let exact: Option<i64> = database
                .client
                .query_one(
                    "SELECT CASE WHEN c.relkind <> 'v' THEN (
                       SELECT sum(pg_total_relation_size(relid))::bigint
                       FROM (SELECT relid::oid FROM pg_partition_tree(c.oid) UNION SELECT c.oid) AS part) END
                     FROM pg_class c WHERE relname = $1",
                    &[&table.name],
                )
                .expect("reads")
                .get(0);
            let exact = exact.map(|bytes| u64::try_from(bytes).expect("is a size"));
            let found = states[table].size.bytes;
            match (found, exact) {
                // The maps of free space and of visible rows are not counted.
                (Some(found), Some(exact)) => assert!(
                    found.abs_diff(exact) <= 200_000 + exact / 20,
                    "{table} after `{step}`: {found}, and is {exact}"
                ),
                (found, exact) => assert_eq!(found, exact, "{table}"),
            }
        }
        assert_eq!(states.len(), names.len());
    }
}
