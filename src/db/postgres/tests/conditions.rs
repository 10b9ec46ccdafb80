//! The server's judgement of conditions.

use super::*;
use crate::db::{ConditionPair, Verdict};

const TABLE: &str = r#"CREATE SCHEMA app; SET search_path = app, public;
    CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN small AS int CHECK (VALUE < 10);
    CREATE TYPE pair AS (x int, y text);
    CREATE FUNCTION fine(text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN true; END';
    CREATE TABLE t (id int, a text, v varchar(10), m mood, s small, p pair, j jsonb, n numeric(5, 2), arr int[],
      ts timestamptz, "Order" int, "sel""ect" text, b boolean);
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"#;

fn pair(left: &str, right: &str) -> ConditionPair {
    ConditionPair {
        table: table_id("app", "t"),
        left: left.into(),
        right: right.into(),
    }
}

#[test]
fn what_was_created_is_the_same_as_what_was_written() {
    let scratch = Scratch::new();
    let mut database = scratch.after(TABLE);
    let conditions = [
        "NEW.a = 'x'",
        "NEW.id IN (1, 2, 3)",
        "NEW.v IN ('a', 'b')",
        "NEW.v = 'a'",
        "NEW.m = 'sad'",
        "NEW.m = 'sad'::app.mood AND OLD.m <> 'glad'",
        "NEW.s BETWEEN 1 AND 5",
        "NEW.s::bigint > 3",
        "(NEW.p).x = 1",
        "NEW.p IS DISTINCT FROM OLD.p",
        "NEW.j @> '{\"a\": 1}' AND NEW.j ->> 'k' IS NOT NULL",
        "NEW.n > 1.50",
        "NEW.arr @> ARRAY[1, 2] AND 3 = ANY (NEW.arr)",
        "NEW.ts > '2020-01-01'",
        "NEW.ts AT TIME ZONE 'UTC' > timestamp '2020-01-01'",
        "NEW.\"Order\" > 1",
        "NEW.\"sel\"\"ect\" LIKE 'a%'",
        "NEW.* IS DISTINCT FROM OLD.*",
        "NEW IS DISTINCT FROM OLD",
        "OLD.a IS DISTINCT FROM NEW.a -- the end",
        "/* before */ NEW.a = ';' /* ) */",
        "fine(NEW.a)",
        "app.fine(NEW.a) AND NOT NEW.b",
        "NEW.b",
        "NEW.a COLLATE \"C\" > 'x'",
        "NEW.a > ('x' COLLATE \"C\")",
        "coalesce(NEW.a, '') = '' OR nullif(NEW.a, 'z') IS NULL",
        "CASE WHEN NEW.id > 1 THEN NEW.a = 'when' ELSE false END",
        "NEW.a ~ '^\\d+$' AND NEW.a = E'\\n'",
        "pg_trigger_depth() = 0",
        "current_user = 'x' AND session_user <> 'y'",
        "now() > NEW.ts - interval '1 day'",
        "(NEW.id, NEW.a) = (1, 'b')",
        "NEW.a SIMILAR TO 'x%'",
        "greatest(NEW.id, OLD.id) > 3",
        "NEW.id::text = '1'",
        "CAST(NEW.id AS varchar(3)) = '1'",
        "true",
        "NEW.tableoid = 'app.t'::regclass",
        "NEW.a IS NOT NULL AND (NEW.id = 1 OR NEW.id = 2) AND NEW.id IS DISTINCT FROM 5",
    ];
    let script: Vec<String> = conditions
        .iter()
        .enumerate()
        .map(|(number, condition)| {
            format!(
                "CREATE TRIGGER t{number} AFTER UPDATE ON t FOR EACH ROW WHEN ({condition}\n) EXECUTE FUNCTION f();"
            )
        })
        .collect();
    database.execute(&script.concat());
    let mut pairs = vec![];
    for (number, condition) in conditions.iter().enumerate() {
        let trigger = database.trigger("app", "t", &format!("t{number}"));
        let Some(crate::model::Condition::Sql(live)) = trigger.condition else {
            panic!("has a condition");
        };
        pairs.push(pair(condition, &live));
    }
    let verdicts = database.same_conditions(&pairs).expect("judges");
    for (pair, verdict) in pairs.iter().zip(&verdicts) {
        assert_eq!(
            *verdict,
            Verdict::Same,
            "{} against {}",
            pair.left,
            pair.right
        );
    }
    // Each against its neighbour: all differ, in as many ways.
    let crossed: Vec<ConditionPair> = pairs
        .windows(2)
        .map(|two| pair(&two[0].left, &two[1].right))
        .collect();
    let verdicts = database.same_conditions(&crossed).expect("judges");
    for (pair, verdict) in crossed.iter().zip(&verdicts) {
        // These two spellings mean the same row comparison, or the same function.
        let equal = ["NEW.*", "fine(NEW.a)"].contains(&pair.left.split(" IS").next().unwrap_or(""));
        if !equal {
            assert_ne!(
                *verdict,
                Verdict::Same,
                "{} against {}",
                pair.left,
                pair.right
            );
        }
    }
}

#[test]
fn what_cannot_be_judged_is_never_the_same() {
    let scratch = Scratch::new();
    let mut database = scratch.after(TABLE);
    database.execute("CREATE TABLE app.witness (id int)");
    let verdicts = database
        .same_conditions(&[
            pair("NEW.a = '1'", "NEW.a = '1'"),
            pair("NEW.a = '1'", "NEW.a  =  '1'"),
            pair("NEW.nope = '1'", "NEW.a = '1'"),
            pair("NEW.a = 'a b'", "NEW.a = 'ab'"),
            pair("NEW.a = '1'", "OLD.a = '1'"),
            pair("true); DELETE FROM app.t; --", "true"),
            pair("1/0 = 1", "2/0 = 1"),
            pair("NEW.a = 'x' COLLATE \"C\"", "NEW.a = 'x' COLLATE \"POSIX\""),
            ConditionPair {
                table: table_id("app", "gone"),
                left: "NEW.a = 1".into(),
                right: "NEW.a  = 1".into(),
            },
        ])
        .expect("judges");
    let unknown = |verdict: &Verdict| matches!(verdict, Verdict::Unknown(_));
    assert_eq!(verdicts[0], Verdict::Same);
    assert_eq!(verdicts[1], Verdict::Same);
    assert!(unknown(&verdicts[2]));
    assert_eq!(verdicts[3], Verdict::Different);
    assert_eq!(verdicts[4], Verdict::Different);
    assert!(unknown(&verdicts[5]));
    assert!(unknown(&verdicts[6]));
    assert_eq!(verdicts[7], Verdict::Different);
    assert!(unknown(&verdicts[8]));
    // The session is as it was, also in the middle of a migration.
    database.begin(patience()).expect("begins");
    database
        .run(
            &[statement("INSERT INTO app.witness VALUES (1)")],
            &mut |_| {},
        )
        .expect("runs");
    let verdicts = database
        .same_conditions(&[
            pair("NEW.a = '1'", "NEW.a  =  '1'"),
            pair("NEW.nope = '1'", "NEW.a = '1'"),
        ])
        .expect("judges");
    assert_eq!(verdicts[0], Verdict::Same);
    assert!(unknown(&verdicts[1]));
    database
        .run(
            &[statement("INSERT INTO app.witness VALUES (2)")],
            &mut |_| {},
        )
        .expect("is not read-only");
    database.commit().expect("commits");
    let row = database
        .client
        .query_one("SELECT count(*) FROM app.witness", &[])
        .expect("reads");
    assert_eq!(row.get::<_, i64>(0), 2);
}

#[test]
fn views_and_rights() {
    let scratch = Scratch::new();
    let mut database = scratch.after(TABLE);
    let role = format!("{}_reader", scratch.name);
    database.execute(&format!(
        "CREATE VIEW app.v AS SELECT id, a FROM app.t; CREATE ROLE {role};
         GRANT USAGE ON SCHEMA app TO {role}; SET ROLE {role}"
    ));
    let verdicts = database
        .same_conditions(&[
            ConditionPair {
                table: table_id("app", "v"),
                left: "NEW.a = 'x'".into(),
                right: "(new.a = 'x'::text)".into(),
            },
            pair("NEW.id > 1", "(new.id > 1)"),
        ])
        .expect("judges");
    assert_eq!(verdicts, [Verdict::Same, Verdict::Same]);
    database.execute(&format!(
        "RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}"
    ));
}
