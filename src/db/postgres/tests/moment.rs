//! Two connections that see the same, and a catalog that is read before its scope is known.

use std::borrow::Cow;

use super::*;
use crate::db::Reach;

/// Two schemas with triggers, functions that are called from both, from the other one only, and not at all.
const MUCH: &str = "CREATE SCHEMA other; CREATE TABLE other.t (a int);
    CREATE FUNCTION lone() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE FUNCTION elsewhere() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE FUNCTION other.g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER one AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
    CREATE TRIGGER two AFTER UPDATE OF a ON t FOR EACH ROW WHEN (NEW.c > 1) EXECUTE FUNCTION f();
    CREATE TRIGGER far AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION other.g();
    CREATE TRIGGER one AFTER INSERT ON other.t FOR EACH ROW EXECUTE FUNCTION f();
    CREATE TRIGGER two AFTER INSERT ON other.t FOR EACH ROW EXECUTE FUNCTION elsewhere();";

fn scope<'a>(schemas: &[&str], functions: &[(&str, &str)]) -> Scope<'a> {
    Scope {
        schemas: schemas.iter().map(|it| (*it).to_owned()).collect(),
        known: functions
            .iter()
            .map(|(schema, name)| Cow::Owned(function_id(schema, name)))
            .collect(),
    }
}

fn reach(schemas: &[&str], uncalled: &[(&str, &str)]) -> Reach {
    let function = |(schema, name): &(&str, &str)| FunctionId {
        schema: (*schema).to_owned(),
        name: (*name).to_owned(),
    };
    Reach {
        schemas: schemas.iter().map(|it| (*it).to_owned()).collect(),
        uncalled: uncalled.iter().map(function).collect(),
        objects: 0,
    }
}

#[test]
fn what_is_read_ahead_is_what_is_read_when_it_is_asked_for() {
    let scratch = Scratch::new();
    let mut database = scratch.after(&format!("{BASICS}{MUCH}"));
    let reach = reach(&["public"], &[("public", "lone"), ("public", "gone")]);
    let (f, g, lone) = (("public", "f"), ("other", "g"), ("public", "lone"));
    let elsewhere = ("public", "elsewhere");
    for (functions, is_covered) in [
        ([].as_slice(), true),
        (&[f], true),
        (&[f, g], true),
        (&[f, g, lone], true),
        (&[("public", "gone"), g], true),
        // Nothing of what was read ahead tells of it.
        (&[f, elsewhere], false),
        (&[("public", "new")], false),
    ] {
        let scope = scope(&["public"], functions);
        let asked = database.catalog(&scope).expect("reads");
        database.look_ahead(&reach).expect("reads");
        let ahead = database.ahead.as_ref().expect("is kept");
        assert_eq!(ahead.covers(&scope), is_covered, "{functions:?}");
        let found = database.catalog(&scope).expect("reads");
        assert_eq!(format!("{asked:?}"), format!("{found:?}"), "{functions:?}");
        assert!(database.ahead.is_none(), "it is used once");
    }
    // Other schemas.
    for schemas in [["other"].as_slice(), &["other", "public"]] {
        let scope = scope(schemas, &[f]);
        let asked = database.catalog(&scope).expect("reads");
        database.look_ahead(&reach).expect("reads");
        let found = database.catalog(&scope).expect("reads");
        assert_eq!(format!("{asked:?}"), format!("{found:?}"), "{schemas:?}");
    }
    // A migration reads for itself.
    database.look_ahead(&reach).expect("reads");
    database.begin(patience()).expect("begins");
    assert!(database.ahead.is_none());
    database.abort().expect("ends");
}

#[test]
fn two_connections_see_one_moment() {
    let scratch = Scratch::new();
    let mut first = scratch.after(&format!("{BASICS}{MUCH}"));
    let whole = scope(&["public"], &[("public", "f")]);
    let before = first.catalog(&whole).expect("reads");
    let second = first.second().expect("may").expect("is to be had");
    assert!(
        first.second().expect("may").is_none(),
        "there is one already"
    );
    let change =
        "CREATE TABLE new (a int); ALTER TABLE t DISABLE TRIGGER one; DROP TRIGGER two ON t;";
    scratch.client().batch_execute(change).expect("changes");
    let mut second = second().expect("opens");
    assert_eq!(second.target(), first.target());
    assert_eq!(second.user(), first.user());
    for database in [&mut *second, &mut first as &mut dyn Database] {
        let names = database.table_names(None).expect("reads");
        assert!(!names.contains(&table_id("public", "new")), "{names:?}");
        let catalog = database.catalog(&whole).expect("reads");
        assert_eq!(catalog.fingerprints, before.fingerprints);
        assert!(database.rendering().expect("reads").is_none());
        assert!(!database.history().expect("reads").exists);
    }
    let reach = reach(&["public"], &[]);
    first.look_ahead(&reach).expect("reads");
    first.end_moment().expect("ends");
    // What was read ahead is of then, and all else of now.
    let names = first.table_names(None).expect("reads");
    assert!(names.contains(&table_id("public", "new")), "{names:?}");
    let catalog = first.catalog(&whole).expect("reads");
    assert_eq!(catalog.fingerprints, before.fingerprints);
    let now = first.catalog(&whole).expect("reads");
    assert_eq!(now.fingerprints.len(), before.fingerprints.len() - 1);
    first.end_moment().expect("has ended");
    // The moment has gone with the first connection's.
    let later = first.second().expect("may").expect("is to be had");
    first.end_moment().expect("ends");
    assert!(later().is_err());
    // Nothing is written in it.
    first.begin_moment().expect("begins");
    let failure = first.client.batch_execute("CREATE TABLE x ()");
    assert!(failure.is_err());
    first.end_moment().expect("ends");
    first.begin(patience()).expect("begins");
    first.abort().expect("ends");
}
