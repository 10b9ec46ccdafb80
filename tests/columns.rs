//! Every column that a catalog has of triggers and their functions: it is compared, which a change by hand proves, or there is
//! a reason why it need not be. A column that a later server adds fails here until somebody has thought about it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;

use common::mysql::{Engine, Mysql};
use common::postgres::{Postgres, server_url};
use common::sqlite::Sqlite;
use common::{Live, Sandbox};

/// What becomes of a column.
enum Column {
    /// A change to it is seen. The statements that make one by hand, and a word of what is said of it.
    Compared(&'static str, &'static str),
    /// It says nothing that could differ, or nothing that is ours.
    Spared(&'static str),
}
use Column::{Compared, Spared};

/// Make each change by hand: it is seen as a difference, said by its name, and taken back.
fn prove(
    live: &mut dyn Live,
    sandbox: &Sandbox,
    listed: &BTreeSet<String>,
    known: &[(&str, Column)],
) {
    let ours: BTreeSet<String> = known.iter().map(|(name, _)| (*name).to_owned()).collect();
    let new: Vec<&String> = listed.difference(&ours).collect();
    assert!(new.is_empty(), "nobody has thought about {new:?}");
    for (name, column) in known {
        let (change, said) = match column {
            Compared(change, said) => (change, said),
            Spared(reason) => {
                assert!(!reason.is_empty());
                continue;
            }
        };
        if !listed.contains(*name) {
            continue;
        }
        live.batch(change);
        let ran = sandbox.on(live, &["plan", "--format", "json", "--detailed-exitcode"]);
        assert_eq!(ran.code, Some(2), "{name}: a change is not seen\n{ran}");
        assert!(
            ran.stdout.contains(said),
            "{name}: {said} is not said\n{ran}"
        );
        let put_back = [
            "apply",
            "--yes",
            "--quiet",
            "--allow",
            "undoes_manual_change",
            "--adopt",
        ];
        let mut ran = sandbox.on(live, &put_back);
        if ran.code == Some(3) {
            // What has the name on another table is not taken over, and the advice does not say so.
            ran.says(&["the name is taken", "on another table"])
                .never_says(&["`--adopt`"]);
            live.batch("DROP TRIGGER x");
            ran = sandbox.on(live, &put_back);
        }
        ran.ok();
        sandbox.on(live, &["check", "--quiet"]).ok();
    }
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(str::to_owned).collect()
}

const PG_TRIGGER: &[(&str, Column)] = &[
    ("oid", Spared("it is another in each database")),
    (
        "tgrelid",
        Spared("the table is the identity: elsewhere it is another trigger"),
    ),
    (
        "tgparentid",
        Spared("a clone on a partition is as its parent is; its state is compared with it"),
    ),
    (
        "tgname",
        Compared("ALTER TRIGGER x ON t RENAME TO y", "gone from the database"),
    ),
    (
        "tgfoid",
        Compared(
            "CREATE OR REPLACE TRIGGER x BEFORE UPDATE OF a ON t FOR EACH ROW WHEN (OLD.a > 1) EXECUTE FUNCTION g('1')",
            "function",
        ),
    ),
    (
        "tgtype",
        Compared(
            "CREATE OR REPLACE TRIGGER x BEFORE UPDATE OF a OR DELETE ON t FOR EACH ROW WHEN (OLD.a > 1) EXECUTE FUNCTION f('1')",
            "events",
        ),
    ),
    (
        "tgenabled",
        Compared("ALTER TABLE t ENABLE REPLICA TRIGGER x", "enabled"),
    ),
    ("tgisinternal", Spared("internal ones are nobody's")),
    (
        "tgconstrrelid",
        Compared(
            "DROP TRIGGER c ON t; CREATE CONSTRAINT TRIGGER c AFTER INSERT ON t FROM u DEFERRABLE FOR EACH ROW EXECUTE FUNCTION f()",
            "constraint",
        ),
    ),
    (
        "tgconstrindid",
        Spared("the index of a deferrable UNIQUE: internal triggers only"),
    ),
    (
        "tgconstraint",
        Compared(
            "DROP TRIGGER c ON t; CREATE TRIGGER c AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
            "constraint",
        ),
    ),
    (
        "tgdeferrable",
        Compared(
            "DROP TRIGGER c ON t; CREATE CONSTRAINT TRIGGER c AFTER INSERT ON t FROM v NOT DEFERRABLE FOR EACH ROW EXECUTE FUNCTION f()",
            "not deferrable",
        ),
    ),
    (
        "tginitdeferred",
        Compared(
            "DROP TRIGGER c ON t; CREATE CONSTRAINT TRIGGER c AFTER INSERT ON t FROM v DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f()",
            "initially deferred",
        ),
    ),
    (
        "tgnargs",
        Compared(
            "CREATE OR REPLACE TRIGGER x BEFORE UPDATE OF a ON t FOR EACH ROW WHEN (OLD.a > 1) EXECUTE FUNCTION f('1', '')",
            "args",
        ),
    ),
    (
        "tgattr",
        Compared(
            "CREATE OR REPLACE TRIGGER x BEFORE UPDATE OF b ON t FOR EACH ROW WHEN (OLD.a > 1) EXECUTE FUNCTION f('1')",
            "update_of",
        ),
    ),
    (
        "tgargs",
        Compared(
            "CREATE OR REPLACE TRIGGER x BEFORE UPDATE OF a ON t FOR EACH ROW WHEN (OLD.a > 1) EXECUTE FUNCTION f('1 ')",
            "args",
        ),
    ),
    (
        "tgqual",
        Compared(
            "CREATE OR REPLACE TRIGGER x BEFORE UPDATE OF a ON t FOR EACH ROW WHEN (OLD.a > 2) EXECUTE FUNCTION f('1')",
            "when",
        ),
    ),
    (
        "tgoldtable",
        Compared(
            "CREATE OR REPLACE TRIGGER s AFTER UPDATE ON t REFERENCING OLD TABLE AS other NEW TABLE AS n EXECUTE FUNCTION f()",
            "referencing.old_table",
        ),
    ),
    (
        "tgnewtable",
        Compared(
            "CREATE OR REPLACE TRIGGER s AFTER UPDATE ON t REFERENCING OLD TABLE AS o EXECUTE FUNCTION f()",
            "referencing.new_table",
        ),
    ),
];

const PG_PROC: &[(&str, Column)] = &[
    ("oid", Spared("it is another in each database")),
    (
        "proname",
        Compared(
            "ALTER FUNCTION f() RENAME TO f2; DROP FUNCTION f2() CASCADE",
            "gone from the database",
        ),
    ),
    (
        "pronamespace",
        Compared(
            "ALTER FUNCTION f() SET SCHEMA other; DROP FUNCTION other.f() CASCADE",
            "gone from the database",
        ),
    ),
    (
        "proowner",
        Spared(
            "who applies owns what is new; it is written down, and comes back with what somebody drops; of SECURITY DEFINER it is compared",
        ),
    ),
    (
        "prolang",
        Compared(
            "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE internal AS 'suppress_redundant_updates_trigger'",
            "language",
        ),
    ),
    ("procost", Compared("ALTER FUNCTION f() COST 7", "cost")),
    (
        "prorows",
        Spared("of functions that return sets, which no trigger calls"),
    ),
    ("provariadic", Spared("a trigger function has no arguments")),
    (
        "prosupport",
        Compared(
            "ALTER FUNCTION f() SUPPORT pg_catalog.generate_series_int4_support",
            "clauses",
        ),
    ),
    (
        "prokind",
        Spared(
            "a procedure returns nothing, and another kind under the name is an error that names it",
        ),
    ),
    (
        "prosecdef",
        Compared("ALTER FUNCTION f() SECURITY DEFINER", "security"),
    ),
    (
        "proleakproof",
        Compared("ALTER FUNCTION f() LEAKPROOF", "leakproof"),
    ),
    (
        "proisstrict",
        Compared("ALTER FUNCTION f() STRICT", "strict"),
    ),
    (
        "proretset",
        Spared("what returns a set of triggers is no trigger function"),
    ),
    (
        "provolatile",
        Compared("ALTER FUNCTION f() STABLE", "volatility"),
    ),
    (
        "proparallel",
        Compared("ALTER FUNCTION f() PARALLEL SAFE", "parallel"),
    ),
    (
        "pronargs",
        Spared("a trigger function has no arguments; one with arguments is another function"),
    ),
    (
        "pronargdefaults",
        Spared("a trigger function has no arguments"),
    ),
    (
        "prorettype",
        Spared("it is trigger, or it is no trigger function"),
    ),
    ("proargtypes", Spared("a trigger function has no arguments")),
    (
        "proallargtypes",
        Spared("a trigger function has no arguments"),
    ),
    ("proargmodes", Spared("a trigger function has no arguments")),
    ("proargnames", Spared("a trigger function has no arguments")),
    (
        "proargdefaults",
        Spared("a trigger function has no arguments"),
    ),
    (
        "protrftypes",
        Compared(
            "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql TRANSFORM FOR TYPE integer AS 'begin return new; end'",
            "clauses",
        ),
    ),
    (
        "prosrc",
        Compared(
            "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'begin return new;  end'",
            "body",
        ),
    ),
    (
        "probin",
        Compared(
            "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE c AS '$libdir/moddatetime', 'moddatetime'",
            "language",
        ),
    ),
    (
        "prosqlbody",
        Spared("only of LANGUAGE sql, which cannot return trigger"),
    ),
    (
        "proconfig",
        Compared("ALTER FUNCTION f() SET work_mem = '8MB'", "settings"),
    ),
    (
        "proacl",
        Spared(
            "EXECUTE is asked for when a trigger is made and never when it fires; it is written down, and comes back; of SECURITY DEFINER it is compared",
        ),
    ),
];

fn postgres_columns(url: &str) {
    let mut live = Postgres::on(url);
    live.batch(
        "CREATE SCHEMA other; CREATE TABLE t (a integer, b integer); CREATE TABLE u (); CREATE TABLE v ();
         CREATE TRANSFORM FOR integer LANGUAGE plpgsql (FROM SQL WITH FUNCTION prsd_lextype(internal));
         CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';
         CREATE TRIGGER x BEFORE UPDATE OF a ON t FOR EACH ROW WHEN (OLD.a > 1) EXECUTE FUNCTION f('1');
         CREATE TRIGGER s AFTER UPDATE ON t REFERENCING OLD TABLE AS o NEW TABLE AS n EXECUTE FUNCTION f();
         CREATE CONSTRAINT TRIGGER c AFTER INSERT ON t FROM v DEFERRABLE FOR EACH ROW EXECUTE FUNCTION f()",
    );
    let sandbox = Sandbox::new();
    sandbox.on(&live, &["import", "-o", "triggers.toml"]).ok();
    sandbox.on(&live, &["apply", "--yes", "--quiet"]).ok();
    for (catalog, known) in [("pg_trigger", PG_TRIGGER), ("pg_proc", PG_PROC)] {
        let listed = live.run(&format!(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'pg_catalog.{catalog}'::regclass AND attnum > 0 AND NOT attisdropped"
        ));
        prove(&mut live, &sandbox, &lines(&listed), known);
    }
}

#[test]
fn postgres() {
    postgres_columns(&server_url());
}

#[test]
fn postgres_14() {
    postgres_columns(&other(14));
}

#[test]
fn postgres_18() {
    postgres_columns(&other(18));
}

#[test]
fn sqlite() {
    let mut live = Sqlite::new();
    live.batch(
        "CREATE TABLE t (a); CREATE TABLE u (a); CREATE TABLE log (x);
         CREATE TRIGGER x AFTER INSERT ON t BEGIN INSERT INTO log VALUES ('a b'); END",
    );
    let sandbox = Sandbox::new();
    sandbox.on(&live, &["import", "-o", "triggers.toml"]).ok();
    sandbox.on(&live, &["apply", "--yes", "--quiet"]).ok();
    let listed = live.run("SELECT name FROM pragma_table_info('sqlite_schema')");
    prove(
        &mut live,
        &sandbox,
        &lines(&listed),
        &[
            ("type", Spared("what is no trigger is nothing of ours")),
            (
                "name",
                Compared(
                    "DROP TRIGGER x; CREATE TRIGGER y AFTER INSERT ON t BEGIN INSERT INTO log VALUES ('a b'); END",
                    "gone from the database",
                ),
            ),
            (
                "tbl_name",
                Compared(
                    "DROP TRIGGER x; DROP TRIGGER y; CREATE TRIGGER x AFTER INSERT ON u BEGIN INSERT INTO log VALUES ('a b'); END",
                    "table",
                ),
            ),
            ("rootpage", Spared("0 for each trigger: it has no pages")),
            (
                "sql",
                Compared(
                    "DROP TRIGGER x; CREATE TRIGGER x AFTER INSERT ON t BEGIN INSERT INTO log VALUES ('a  b'); END",
                    "body",
                ),
            ),
        ],
    );
}

const MYSQL: &[(&str, Column)] = &[
    ("TRIGGER_CATALOG", Spared("it is `def` everywhere")),
    ("TRIGGER_SCHEMA", Spared("the database is the identity")),
    (
        "TRIGGER_NAME",
        Compared(
            "DROP TRIGGER x; CREATE TRIGGER y BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1",
            "gone from the database",
        ),
    ),
    (
        "EVENT_MANIPULATION",
        Compared(
            "DROP TRIGGER x; CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW SET NEW.a = 1",
            "events",
        ),
    ),
    ("EVENT_OBJECT_CATALOG", Spared("it is `def` everywhere")),
    (
        "EVENT_OBJECT_SCHEMA",
        Spared("a trigger is in the database of its table"),
    ),
    (
        "EVENT_OBJECT_TABLE",
        Compared(
            "DROP TRIGGER x; CREATE TRIGGER x BEFORE INSERT ON u FOR EACH ROW SET NEW.a = 1",
            "table",
        ),
    ),
    (
        "ACTION_ORDER",
        Compared(
            "DROP TRIGGER o; CREATE TRIGGER o BEFORE DELETE ON t FOR EACH ROW FOLLOWS n SET @a = 1",
            "order",
        ),
    ),
    ("ACTION_CONDITION", Spared("NULL: there is no WHEN")),
    (
        "ACTION_STATEMENT",
        Compared(
            "DROP TRIGGER x; CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 2",
            "body",
        ),
    ),
    ("ACTION_ORIENTATION", Spared("ROW: there is nothing else")),
    (
        "ACTION_TIMING",
        Compared(
            "DROP TRIGGER z; CREATE TRIGGER z BEFORE UPDATE ON t FOR EACH ROW SET @a = 1",
            "timing",
        ),
    ),
    (
        "ACTION_REFERENCE_OLD_TABLE",
        Spared("NULL: there are no transition tables"),
    ),
    (
        "ACTION_REFERENCE_NEW_TABLE",
        Spared("NULL: there are no transition tables"),
    ),
    (
        "ACTION_REFERENCE_OLD_ROW",
        Spared("OLD: there is no other name"),
    ),
    (
        "ACTION_REFERENCE_NEW_ROW",
        Spared("NEW: there is no other name"),
    ),
    (
        "CREATED",
        Spared("when it was made is nothing that it does"),
    ),
    (
        "SQL_MODE",
        Compared(
            "SET sql_mode = 'ANSI'; DROP TRIGGER x; CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1",
            "sql_mode",
        ),
    ),
    (
        "DEFINER",
        Compared(
            "DROP TRIGGER x; CREATE DEFINER = 'root'@'somewhere' TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1",
            "definer",
        ),
    ),
    (
        "CHARACTER_SET_CLIENT",
        Compared(
            "SET NAMES latin1; DROP TRIGGER x; CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1; SET NAMES utf8mb4",
            "character_set_client",
        ),
    ),
    (
        "COLLATION_CONNECTION",
        Compared(
            "SET NAMES utf8mb4 COLLATE utf8mb4_bin; DROP TRIGGER x; CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1; SET NAMES utf8mb4",
            "collation_connection",
        ),
    ),
    (
        "DATABASE_COLLATION",
        Spared("the database's own when it was made: a rebuilt database has another"),
    ),
];

fn mysql_columns(engine: Engine) {
    if engine.is_missing() {
        return;
    }
    let mut live = Mysql::of(engine);
    for statement in [
        "CREATE TABLE t (a integer)",
        "CREATE TABLE u (a integer)",
        "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1",
        "CREATE TRIGGER z AFTER UPDATE ON t FOR EACH ROW SET @a = 1",
        "CREATE TRIGGER o BEFORE DELETE ON t FOR EACH ROW SET @a = 1",
        "CREATE TRIGGER n BEFORE DELETE ON t FOR EACH ROW SET @a = 2",
    ] {
        live.batch(statement);
    }
    let sandbox = Sandbox::new();
    sandbox.on(&live, &["import", "-o", "triggers.toml"]).ok();
    sandbox.on(&live, &["apply", "--yes", "--quiet"]).ok();
    let listed = live.run(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'information_schema' AND table_name = 'TRIGGERS'",
    );
    prove(&mut live, &sandbox, &lines(&listed), MYSQL);
}

#[test]
fn mariadb() {
    mysql_columns(Engine::Mariadb);
}

#[test]
fn mysql_9() {
    mysql_columns(Engine::Mysql9);
}

/// Another version of the server.
fn other(major: u32) -> String {
    let name = format!("TRIGGERCTL_TEST_POSTGRES_{major}");
    std::env::var(&name).unwrap_or_else(|_| panic!("{name} is not set: run tests/run.sh"))
}
