//! Every attribute of triggers and functions is read as it is.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::*;
use crate::db::Listed;
use crate::model::{
    Action, Condition, Constraint, Deferral, EnabledState, Event, Events, FunctionSource, Grant,
    Orientation, Parallel, Security, Setting, Timing, TransitionTables, Volatility,
};

fn call(schema: &str, name: &str, arguments: &[&str]) -> Action {
    Action::Call {
        function: FunctionId {
            schema: schema.into(),
            name: name.into(),
        },
        arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
    }
}

#[test]
fn a_trigger_with_everything() {
    let scratch = Scratch::new();
    let mut database = scratch.after(
        r#"CREATE SCHEMA "Odd ""schema"; CREATE SCHEMA fns;
        CREATE TABLE "Odd ""schema"."select" ("when" int, "WHEN (x)" text, plain int);
        CREATE FUNCTION fns."do it"() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER "Trigger; when (" BEFORE UPDATE OF plain, "when" OR INSERT OR DELETE
          ON "Odd ""schema"."select" FOR EACH ROW
          EXECUTE FUNCTION fns."do it"('a', '', 'it''s', E'back\\slash', 'é€', E'line\nbreak', 12);
        CREATE TRIGGER conditional BEFORE UPDATE ON "Odd ""schema"."select" FOR EACH ROW
          WHEN (NEW."WHEN (x)" = ')' AND (NEW."when" > 1 OR OLD.plain IS NULL))
          EXECUTE FUNCTION fns."do it"('');
        COMMENT ON TRIGGER conditional ON "Odd ""schema"."select" IS 'it''s a comment';
        ALTER TABLE "Odd ""schema"."select" ENABLE ALWAYS TRIGGER conditional;"#,
    );
    let schema = "Odd \"schema";
    let trigger = database.trigger(schema, "select", "Trigger; when (");
    assert_eq!(trigger.timing, Timing::Before);
    assert_eq!(
        trigger.events,
        Events::from([Event::Insert, Event::Update, Event::Delete])
    );
    assert_eq!(trigger.update_of, ["plain", "when"]);
    assert_eq!(trigger.orientation, Orientation::Row);
    assert_eq!(trigger.condition, None);
    assert_eq!(
        trigger.action,
        call(
            "fns",
            "do it",
            &["a", "", "it's", "back\\slash", "é€", "line\nbreak", "12"]
        )
    );
    assert_eq!(trigger.enabled, EnabledState::Origin);
    assert_eq!(trigger.comment, None);
    assert_eq!(trigger.constraint, None);

    let trigger = database.trigger(schema, "select", "conditional");
    assert_eq!(
        trigger.condition,
        Some(Condition::Sql(
            "(new.\"WHEN (x)\" = ')'::text) AND ((new.\"when\" > 1) OR (old.plain IS NULL))".into()
        ))
    );
    assert_eq!(trigger.action, call("fns", "do it", &[""]));
    assert_eq!(trigger.comment.as_deref(), Some("it's a comment"));
    assert_eq!(trigger.enabled, EnabledState::Always);
    let id = trigger_id(schema, "select", "conditional");
    let shallow = database
        .definitions(std::slice::from_ref(&id), Depth::Structure)
        .expect("reads");
    let Some(Definition::Trigger(shallow)) = shallow.get(&id) else {
        panic!("not there");
    };
    assert_eq!(shallow.condition, Some(Condition::Unread));
}

#[test]
fn constraint_triggers_and_transition_tables() {
    let scratch = Scratch::new();
    let mut database = scratch.after(&format!(
        "{BASICS}
        CREATE TABLE other (id int);
        CREATE CONSTRAINT TRIGGER plain AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
        CREATE CONSTRAINT TRIGGER later AFTER INSERT ON t FROM other DEFERRABLE INITIALLY DEFERRED
          FOR EACH ROW EXECUTE FUNCTION f();
        CREATE CONSTRAINT TRIGGER now AFTER INSERT ON t DEFERRABLE FOR EACH ROW EXECUTE FUNCTION f();
        CREATE TRIGGER seen AFTER UPDATE ON t REFERENCING OLD TABLE AS \"Old\" NEW TABLE AS new_rows
          FOR EACH STATEMENT EXECUTE FUNCTION f();
        CREATE TRIGGER emptied AFTER TRUNCATE ON t EXECUTE FUNCTION f();
        ALTER TABLE t DISABLE TRIGGER plain; ALTER TABLE t ENABLE REPLICA TRIGGER now;"
    ));
    let constraint = |deferral, from| Some(Box::new(Constraint { deferral, from }));
    let trigger = database.trigger("public", "t", "plain");
    assert_eq!(
        trigger.constraint,
        constraint(Deferral::NotDeferrable, None)
    );
    assert_eq!(trigger.enabled, EnabledState::Disabled);
    assert_eq!(
        database.trigger("public", "t", "later").constraint,
        constraint(
            Deferral::InitiallyDeferred,
            Some(table_id("public", "other"))
        )
    );
    let trigger = database.trigger("public", "t", "now");
    assert_eq!(
        trigger.constraint,
        constraint(Deferral::InitiallyImmediate, None)
    );
    assert_eq!(trigger.enabled, EnabledState::Replica);
    let trigger = database.trigger("public", "t", "seen");
    assert_eq!(trigger.orientation, Orientation::Statement);
    assert_eq!(
        *trigger.transition_tables,
        TransitionTables {
            old: Some("Old".into()),
            new: Some("new_rows".into())
        }
    );
    assert_eq!(
        database.trigger("public", "t", "emptied").events,
        Events::from([Event::Truncate])
    );
    // The primary key's own and the foreign key's triggers are not listed.
    assert_eq!(database.catalog_of(&["public"]).fingerprints.len(), 6);
}

#[test]
fn partitions_have_clones_that_are_not_listed() {
    let scratch = Scratch::new();
    let mut database = scratch.after(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TABLE p (id int, a text) PARTITION BY RANGE (id);
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
        CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (id);
        CREATE TABLE p2a PARTITION OF p2 FOR VALUES FROM (10) TO (15);
        CREATE TRIGGER x AFTER INSERT ON p FOR EACH ROW EXECUTE FUNCTION f();
        CREATE TRIGGER own AFTER INSERT ON p1 FOR EACH ROW EXECUTE FUNCTION f();",
    );
    let before = database.catalog_of(&["public"]);
    let id = trigger_id("public", "p", "x");
    assert_eq!(
        before.fingerprints.keys().cloned().collect::<Vec<_>>(),
        [
            function_id("public", "f"),
            id.clone(),
            trigger_id("public", "p1", "own")
        ]
    );
    database.execute(
        "ALTER TABLE ONLY p1 DISABLE TRIGGER x; ALTER TABLE ONLY p2a ENABLE ALWAYS TRIGGER x",
    );
    assert_ne!(
        database.catalog_of(&["public"]).fingerprints[&id],
        before.fingerprints[&id]
    );
    let states = database.trigger("public", "p", "x").enabled_on_partitions;
    assert_eq!(
        *states,
        BTreeMap::from([
            (table_id("public", "p1"), EnabledState::Disabled),
            (table_id("public", "p2a"), EnabledState::Always)
        ])
    );
    database.execute("ALTER TABLE p ENABLE TRIGGER x");
    database.execute(
        "ALTER TABLE ONLY p1 ENABLE TRIGGER x; ALTER TABLE ONLY p2a ENABLE TRIGGER x;
         ALTER TABLE ONLY p2 ENABLE TRIGGER x",
    );
    assert_eq!(
        database.catalog_of(&["public"]).fingerprints,
        before.fingerprints
    );
}

#[test]
fn functions_with_everything() {
    let scratch = Scratch::new();
    let owner = format!("{} owner", scratch.name);
    let user = format!("{} user", scratch.name);
    let mut database = scratch.after(&format!(
        r#"{BASICS}
        CREATE ROLE "{owner}"; CREATE ROLE "{user}";
        CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER STABLE PARALLEL SAFE LEAKPROOF COST 0.1
          SET search_path = "$user", public, "odd, ""name""", pg_temp SET timezone = 'UTC' SET work_mem = '1MB'
          AS $body$
            -- kept to the letter  
            BEGIN RETURN NULL; END $body$;
        COMMENT ON FUNCTION g() IS 'words';
        ALTER FUNCTION g() OWNER TO "{owner}";
        GRANT EXECUTE ON FUNCTION g() TO "{user}" WITH GRANT OPTION;"#
    ));
    let function = database.function("public", "g");
    assert_eq!(function.language, "plpgsql");
    assert_eq!(
        function.source,
        FunctionSource::Body(
            "\n            -- kept to the letter  \n            BEGIN RETURN NULL; END ".into()
        )
    );
    assert_eq!(function.security, Security::Definer);
    assert_eq!(function.volatility, Volatility::Stable);
    assert_eq!(function.parallel, Parallel::Safe);
    assert!(function.leakproof);
    assert!((function.cost - 0.1).abs() < f32::EPSILON);
    let setting = |name: &str, values: &[&str]| Setting {
        name: name.into(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    assert_eq!(
        *function.settings,
        [
            setting(
                "search_path",
                &["$user", "public", "odd, \"name\"", "pg_temp"]
            ),
            setting("TimeZone", &["UTC"]),
            setting("work_mem", &["1MB"]),
        ]
    );
    assert_eq!(function.comment.as_deref(), Some("words"));
    assert_eq!(function.owner.as_deref(), Some(owner.as_str()));
    let grant = |grantee: Option<&str>, grantable| Grant {
        grantee: grantee.map(str::to_owned),
        grantable,
    };
    assert_eq!(
        function.grants,
        Some(vec![
            grant(None, false),
            grant(Some(&owner), false),
            grant(Some(&user), true)
        ])
    );
    let plain = database.function("public", "f");
    assert_eq!(plain.grants, None);
    assert_eq!(*plain.settings, []);
    assert_eq!(plain.security, Security::Invoker);
    database.execute(&format!(
        r#"DROP OWNED BY "{owner}", "{user}"; DROP ROLE "{owner}", "{user}""#
    ));
}

#[test]
fn views_foreign_tables_and_c_functions() {
    let scratch = Scratch::new();
    let mut database = scratch.after(&format!(
        "{BASICS}
        CREATE VIEW v AS SELECT * FROM t;
        CREATE TRIGGER instead INSTEAD OF INSERT ON v FOR EACH ROW EXECUTE FUNCTION f();
        CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;
        CREATE FOREIGN TABLE ft (id int) SERVER s;
        CREATE TRIGGER far BEFORE DELETE ON ft FOR EACH ROW EXECUTE FUNCTION f();
        CREATE TRIGGER builtin BEFORE UPDATE ON t FOR EACH ROW
          EXECUTE FUNCTION suppress_redundant_updates_trigger();
        CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent);
        CREATE TRIGGER inherited BEFORE DELETE ON child FOR EACH ROW EXECUTE FUNCTION f();
        CREATE TEMP TABLE temporary (id int);
        CREATE TRIGGER temporary BEFORE DELETE ON temporary FOR EACH ROW EXECUTE FUNCTION f();"
    ));
    assert_eq!(
        database.trigger("public", "v", "instead").timing,
        Timing::InsteadOf
    );
    assert_eq!(
        database.trigger("public", "ft", "far").action,
        call("public", "f", &[])
    );
    let trigger = database.trigger("public", "t", "builtin");
    let function = "suppress_redundant_updates_trigger";
    assert_eq!(trigger.action, call("pg_catalog", function, &[]));
    assert_eq!(
        database.function("pg_catalog", function).language,
        "internal"
    );
    let ids = database.catalog_of(&["public"]).fingerprints;
    assert_eq!(ids.len(), 6, "{ids:?}");
    assert!(ids.contains_key(&trigger_id("public", "child", "inherited")));
    // A C function, from the server's own libraries.
    database.execute(
        "CREATE FUNCTION c() RETURNS trigger LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'",
    );
    assert_eq!(
        database.function("public", "c").source,
        FunctionSource::Library {
            file: "$libdir/plpgsql".into(),
            symbol: "plpgsql_call_handler".into()
        }
    );
}

#[test]
fn what_extensions_own_is_not_ours() {
    let scratch = Scratch::new();
    let mut database = scratch.after(&format!(
        "{BASICS}
        CREATE TABLE theirs (id int);
        CREATE FUNCTION their_function() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER on_their_table BEFORE INSERT ON theirs FOR EACH ROW EXECUTE FUNCTION f();
        CREATE TRIGGER calls_theirs BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION their_function();
        CREATE TRIGGER ours BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
        ALTER EXTENSION plpgsql ADD TABLE theirs;
        ALTER EXTENSION plpgsql ADD FUNCTION their_function();
        ALTER TRIGGER ours ON t DEPENDS ON EXTENSION plpgsql;
        CREATE FUNCTION depending() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        ALTER FUNCTION depending() DEPENDS ON EXTENSION plpgsql;"
    ));
    let ours = trigger_id("public", "t", "ours");
    let function = function_id("public", "f");
    let listed =
        |catalog: &Catalog| -> Vec<ObjectId> { catalog.fingerprints.keys().cloned().collect() };
    assert_eq!(
        listed(&database.catalog_of(&["public"])),
        [function.clone(), ours.clone()]
    );
    // The spec may call an extension's function; its trigger is then known, and ours.
    let theirs = trigger_id("public", "t", "calls_theirs");
    let catalog = database
        .catalog(&Scope {
            schemas: BTreeSet::from(["public".to_owned()]),
            known: [
                theirs.clone(),
                function.clone(),
                function_id("public", "their_function"),
            ]
            .map(Cow::Owned)
            .into(),
        })
        .expect("reads");
    assert_eq!(listed(&catalog), [function, theirs, ours]);
    let callers = &catalog.callers[&FunctionId {
        schema: "public".into(),
        name: "f".into(),
    }];
    let callers: Vec<&str> = callers.iter().map(|id| id.name.as_str()).collect();
    assert_eq!(callers, ["ours", "on_their_table"]);
    assert_eq!(
        *database
            .trigger("public", "t", "ours")
            .depends_on_extensions,
        BTreeSet::from(["plpgsql".to_owned()])
    );
    assert_eq!(
        *database
            .function("public", "depending")
            .depends_on_extensions,
        BTreeSet::from(["plpgsql".to_owned()])
    );
}

#[test]
fn callers_are_found_in_all_schemas() {
    let scratch = Scratch::new();
    let mut database = scratch.after(&format!(
        "{BASICS}
        CREATE SCHEMA far; CREATE TABLE far.t (id int);
        CREATE TRIGGER x BEFORE INSERT ON far.t FOR EACH ROW EXECUTE FUNCTION f();
        CREATE FUNCTION alone() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE FUNCTION alone(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';"
    ));
    let known = [function_id("public", "f"), function_id("public", "alone")];
    let catalog = database
        .catalog(&Scope {
            schemas: BTreeSet::from(["public".to_owned()]),
            known: known.iter().map(Cow::Borrowed).collect(),
        })
        .expect("reads");
    assert_eq!(
        catalog
            .fingerprints
            .keys()
            .cloned()
            .collect::<BTreeSet<_>>(),
        known.into_iter().collect()
    );
    assert_eq!(catalog.callers.len(), 1);
    let callers = catalog.callers.values().next().expect("one");
    assert_eq!(
        callers
            .iter()
            .cloned()
            .map(ObjectId::Trigger)
            .collect::<Vec<_>>(),
        [trigger_id("far", "t", "x")]
    );
}

#[test]
fn arguments_in_another_encoding() {
    let scratch = Scratch::with("ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    let mut database = scratch.after(&format!(
        "{BASICS} CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f('é', '', 'b');
         COMMENT ON TRIGGER x ON t IS 'é'"
    ));
    assert_eq!(database.catalog_of(&["public"]).fingerprints.len(), 2);
    let trigger = database.trigger("public", "t", "x");
    assert_eq!(trigger.action, call("public", "f", &["é", "", "b"]));
    assert_eq!(trigger.comment.as_deref(), Some("é"));
}

#[test]
fn a_listing_has_the_names_of_the_catalog_and_all_callers() {
    let scratch = Scratch::new();
    let mut database = scratch.after(&format!(
        "{BASICS}
        CREATE SCHEMA far; CREATE TABLE far.t (id int);
        CREATE TRIGGER near BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
        CREATE TRIGGER x BEFORE INSERT ON far.t FOR EACH ROW EXECUTE FUNCTION f();
        CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER calls_theirs BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION theirs();
        ALTER EXTENSION plpgsql ADD FUNCTION theirs();"
    ));
    let scope = Scope {
        schemas: BTreeSet::from(["public".to_owned()]),
        known: BTreeSet::new(),
    };
    let names = |catalog: Catalog| -> Vec<String> {
        let ids = catalog.fingerprints.into_keys();
        ids.map(|id| id.name().to_owned()).collect()
    };
    let catalog = database.catalog(&scope).expect("reads");
    let ours = database.listing(&scope, Listed::Ours).expect("lists");
    assert_eq!(names(ours), names(catalog));
    let all = database.listing(&scope, Listed::All).expect("lists");
    let callers: Vec<(&str, Vec<&str>)> = all
        .callers
        .iter()
        .map(|(function, callers)| {
            let callers = callers.iter().map(|id| id.table.schema.as_str());
            (function.name.as_str(), callers.collect())
        })
        .collect();
    assert_eq!(callers, [("f", vec!["far", "public"])]);
    assert_eq!(names(all), ["f", "calls_theirs", "near"]);
}

#[test]
fn many_conditions_are_printed_as_one_is() {
    let scratch = Scratch::new();
    let mut database = scratch.after(&format!(
        "{BASICS}
        DO $$ BEGIN FOR n IN 1..900 LOOP
          EXECUTE format('CREATE TRIGGER t%s AFTER UPDATE ON t FOR EACH ROW WHEN (NEW.id > %s AND OLD.* IS DISTINCT FROM NEW.*)
                          EXECUTE FUNCTION f()', n, n);
        END LOOP; END $$"
    ));
    let ids: Vec<ObjectId> = (1..=900)
        .map(|number| trigger_id("public", "t", &format!("t{number}")))
        .collect();
    let many = database.definitions(&ids, Depth::Whole).expect("reads");
    assert_eq!(many.len(), 900);
    for number in [1, 450, 900] {
        let name = format!("t{number}");
        let id = trigger_id("public", "t", &name);
        assert_eq!(many[&id], database.definition(&id));
        let Definition::Trigger(trigger) = &many[&id] else {
            panic!("not a trigger");
        };
        let Some(Condition::Sql(text)) = &trigger.condition else {
            panic!("no condition");
        };
        assert!(text.contains(&format!("new.id > {number})")), "{text}");
    }
}
