//! A fingerprint stays when a thing is made again, and changes with every attribute.

use std::collections::BTreeMap;

use super::*;
use crate::db::Fingerprint;

#[test]
fn they_survive_drop_and_create() {
    let scratch = Scratch::new();
    let mut database = scratch.after(BASICS);
    let make = "CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS 'BEGIN RETURN NEW; END';
        CREATE TYPE mood AS ENUM ('sad', 'glad');
        CREATE FUNCTION is_fine(text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
        CREATE TRIGGER x BEFORE UPDATE OF a, b ON t FOR EACH ROW
          WHEN (NEW.a IS DISTINCT FROM OLD.a AND is_fine(NEW.b)) EXECUTE FUNCTION g('1');
        COMMENT ON TRIGGER x ON t IS 'words'";
    database.execute(make);
    let first = database.catalog_of(&["public"]);
    assert_eq!(first.fingerprints.len(), 2);
    // Another place in the text, other OIDs, other settings of the session.
    database.execute("DROP TRIGGER x ON t; DROP FUNCTION g()");
    database.execute(
        "/* a comment that moves everything */ CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql
        SET search_path = public AS 'BEGIN RETURN NEW; END'; SELECT 1;
        CREATE TRIGGER   x BEFORE UPDATE OF a, b ON public.t FOR EACH ROW
          WHEN (NEW.a IS DISTINCT FROM OLD.a AND is_fine(NEW.b)) EXECUTE FUNCTION g('1');
        COMMENT ON TRIGGER x ON t IS 'words';
        SET search_path = pg_catalog; SET bytea_output = escape; SET extra_float_digits = -15; SET datestyle = 'SQL';
        SET standard_conforming_strings = off; SET client_encoding = 'LATIN1'; SET client_encoding = 'UTF8'",
    );
    let again = database.catalog_of(&["public"]);
    assert_eq!(again.fingerprints, first.fingerprints);
    // With the definitions they are the same, and what is not there is left out.
    let mut ids: Vec<ObjectId> = first.fingerprints.keys().cloned().collect();
    ids.push(trigger_id("public", "t", "gone"));
    ids.push(function_id("public", "gone"));
    let seen = database.live(&ids, Depth::Whole).expect("reads");
    let (mut beside, mut definitions) = (BTreeMap::new(), BTreeMap::new());
    for (id, live) in seen.expect("PostgreSQL reads both at once") {
        beside.insert(id.clone(), live.fingerprint);
        definitions.insert(id, live.definition.expect("is asked for"));
    }
    assert_eq!(beside, first.fingerprints);
    let apart = database.definitions(&ids, Depth::Whole).expect("reads");
    assert_eq!(definitions, apart);
    // Scripts read all of them by one query of their own.
    let live = database.live_sql().expect("PostgreSQL has one");
    let rows = database
        .client
        .query_typed(&live, &[])
        .expect("is one query");
    let mut found: BTreeMap<ObjectId, Fingerprint> = rows
        .iter()
        .map(|row| {
            let [kind, schema, table, name]: [&str; 4] =
                ["kind", "schema", "table", "name"].map(|column| row.get(column));
            let id = match kind {
                "trigger" => trigger_id(schema, table, name),
                _ => function_id(schema, name),
            };
            (id, Fingerprint::from(row.get::<_, &str>("fingerprint")))
        })
        .collect();
    // It has what nobody asked for as well, such as the server's own functions.
    found.retain(|id, _| first.fingerprints.contains_key(id));
    assert_eq!(found, first.fingerprints);
}

#[test]
#[allow(clippy::too_many_lines)] // A list.
fn every_change_shows() {
    let scratch = Scratch::new();
    let mut database = scratch.after(&format!(
        "{BASICS}
        CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE SCHEMA other; CREATE TABLE away (id int);
        CREATE FUNCTION fine(text) RETURNS boolean LANGUAGE sql AS 'SELECT true';"
    ));
    let mut seen: BTreeSet<Fingerprint> = BTreeSet::new();
    let mut count = 0;
    let mut look = |database: &mut Postgres, id: &ObjectId, what: &str| {
        count += 1;
        let catalog = database.catalog_of(&["public"]);
        let fingerprint = catalog.fingerprints.get(id).expect("is listed");
        assert!(seen.insert(fingerprint.clone()), "{what} does not show");
    };
    let id = trigger_id("public", "t", "x");
    for definition in [
        "TRIGGER x BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "TRIGGER x AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "TRIGGER x AFTER UPDATE ON t FOR EACH STATEMENT EXECUTE FUNCTION f()",
        "TRIGGER x AFTER UPDATE OR INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "TRIGGER x AFTER UPDATE OF a ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "TRIGGER x AFTER UPDATE OF a, b ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "TRIGGER x AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION g()",
        "TRIGGER x AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f('')",
        "TRIGGER x AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f('', '')",
        "TRIGGER x AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f('a')",
        "CONSTRAINT TRIGGER x AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "CONSTRAINT TRIGGER x AFTER UPDATE ON t DEFERRABLE FOR EACH ROW EXECUTE FUNCTION f()",
        "CONSTRAINT TRIGGER x AFTER UPDATE ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f()",
        "CONSTRAINT TRIGGER x AFTER UPDATE ON t FROM away FOR EACH ROW EXECUTE FUNCTION f()",
        "TRIGGER x AFTER UPDATE ON t REFERENCING OLD TABLE AS o FOR EACH ROW EXECUTE FUNCTION f()",
        "TRIGGER x AFTER UPDATE ON t REFERENCING NEW TABLE AS o FOR EACH ROW EXECUTE FUNCTION f()",
        "TRIGGER x AFTER UPDATE ON t FOR EACH ROW WHEN (true) EXECUTE FUNCTION f()",
        "TRIGGER x AFTER UPDATE ON t FOR EACH ROW WHEN (NEW.a = '1') EXECUTE FUNCTION f()",
        "TRIGGER x AFTER UPDATE ON t FOR EACH ROW WHEN (OLD.a = '1') EXECUTE FUNCTION f()",
        "TRIGGER x AFTER UPDATE ON t FOR EACH ROW WHEN (NEW.b = '1') EXECUTE FUNCTION f()",
        "TRIGGER x AFTER UPDATE ON t FOR EACH ROW WHEN (NEW.a = '2') EXECUTE FUNCTION f()",
        "TRIGGER x AFTER UPDATE ON t FOR EACH ROW WHEN (NEW.a <> '2') EXECUTE FUNCTION f()",
        "TRIGGER x AFTER UPDATE ON t FOR EACH ROW WHEN (NEW.a = '2' COLLATE \"C\") EXECUTE FUNCTION f()",
        "TRIGGER x AFTER UPDATE ON t FOR EACH ROW WHEN (fine(NEW.a)) EXECUTE FUNCTION f()",
    ] {
        database.execute(&format!(
            "DROP TRIGGER IF EXISTS x ON t; CREATE {definition}"
        ));
        look(&mut database, &id, definition);
    }
    for change in [
        "ALTER FUNCTION fine(text) RENAME TO finer",
        "ALTER TABLE t RENAME COLUMN a TO aa",
        "COMMENT ON TRIGGER x ON t IS 'a'",
        "ALTER TABLE t DISABLE TRIGGER x",
        "ALTER TABLE t ENABLE REPLICA TRIGGER x",
        "ALTER TABLE t ENABLE ALWAYS TRIGGER x",
        "ALTER TRIGGER x ON t DEPENDS ON EXTENSION plpgsql",
        "ALTER FUNCTION f() RENAME TO ff",
        "ALTER FUNCTION ff() SET SCHEMA other",
    ] {
        database.execute(change);
        look(&mut database, &id, change);
    }
    let id = function_id("public", "g");
    database.execute(
        "DROP TRIGGER x ON t; CREATE TRIGGER x AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION g()",
    );
    look(&mut database, &id, "the function");
    for change in [
        "ALTER FUNCTION g() STABLE",
        "ALTER FUNCTION g() PARALLEL SAFE",
        "ALTER FUNCTION g() LEAKPROOF",
        "ALTER FUNCTION g() COST 100.00001",
        "ALTER FUNCTION g() COST 7",
        "ALTER FUNCTION g() SET search_path = ''",
        "ALTER FUNCTION g() SET search_path = public",
        "COMMENT ON FUNCTION g() IS 'x'",
        "ALTER FUNCTION g() DEPENDS ON EXTENSION plpgsql",
        "CREATE OR REPLACE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN  RETURN NEW; END'",
    ] {
        database.execute(change);
        look(&mut database, &id, change);
    }
    // With the owner's rights it runs, so whose these are is part of it, and who may put it on a table.
    for change in [
        "ALTER FUNCTION g() SECURITY DEFINER",
        "ALTER FUNCTION g() OWNER TO pg_monitor",
        "REVOKE EXECUTE ON FUNCTION g() FROM PUBLIC",
        "GRANT EXECUTE ON FUNCTION g() TO pg_read_all_stats",
        "GRANT EXECUTE ON FUNCTION g() TO pg_read_all_stats WITH GRANT OPTION",
    ] {
        database.execute(change);
        look(&mut database, &id, change);
    }
    assert_eq!(count, seen.len());
    let fingerprints = |database: &mut Postgres| database.catalog_of(&["public"]).fingerprints;
    let before = fingerprints(&mut database);
    // The default, written out and left to the server.
    database.execute("REVOKE ALL ON FUNCTION g() FROM pg_read_all_stats; GRANT EXECUTE ON FUNCTION g() TO PUBLIC");
    let written = fingerprints(&mut database);
    assert_ne!(written, before);
    database.execute(
        "DROP TRIGGER x ON t; DROP FUNCTION g();
         CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN  RETURN NEW; END';
         COMMENT ON FUNCTION g() IS 'x'; ALTER FUNCTION g() OWNER TO pg_monitor;
         CREATE TRIGGER x AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION g()",
    );
    assert_eq!(fingerprints(&mut database), written);
    // Of any other function owner and rights are restored, not compared.
    database.execute("ALTER FUNCTION g() SECURITY INVOKER");
    let before = fingerprints(&mut database);
    database.execute(
        "REVOKE EXECUTE ON FUNCTION g() FROM PUBLIC; ALTER FUNCTION g() OWNER TO postgres",
    );
    assert_eq!(fingerprints(&mut database), before);
}
