//! Against a real server: what is written is valid, and reads back as what was meant.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use ::postgres::{Client, NoTls};
use proptest::prelude::*;

use super::*;
use crate::db::{self, Database, Depth, Intent};
use crate::dialect::testing::lower;
use crate::diff::{Judge, compare, undecided};
use crate::model::{EnabledState, FunctionSource, Grant, ObjectId, Seldom, Setting, TableId};

/// Tables and functions that the triggers speak of.
const SCHEMA: &str = r#"
CREATE SCHEMA app;
CREATE TABLE users (id integer PRIMARY KEY, email text, age integer, "Full Name" text);
CREATE TABLE other (id integer PRIMARY KEY);
CREATE TABLE app.parts (id integer, at text) PARTITION BY RANGE (id);
CREATE TABLE app.part_1 PARTITION OF app.parts FOR VALUES FROM (0) TO (10);
CREATE TABLE app.part_2 PARTITION OF app.parts FOR VALUES FROM (10) TO (20);
CREATE VIEW people AS SELECT * FROM users;
CREATE TABLE log (x text, y text, z text);
CREATE FUNCTION app.shared() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE EXTENSION citext;
"#;

/// A database of its own, dropped in the end.
struct Scratch {
    name: String,
    base: String,
}

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let base = std::env::var("TRIGGERCTL_TEST_POSTGRES").expect(
            "TRIGGERCTL_TEST_POSTGRES must be the URL of a PostgreSQL superuser's database",
        );
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("triggerctl_dialect_{}_{number}", std::process::id());
        let mut server = Client::connect(&base, NoTls).unwrap();
        server
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .unwrap();
        let scratch = Self { name, base };
        scratch.client().batch_execute(SCHEMA).unwrap();
        scratch
    }

    fn url(&self) -> String {
        let (address, parameters) = self.base.split_once('?').unwrap_or((&self.base, ""));
        let (server, _) = address.rsplit_once('/').unwrap();
        format!("{server}/{}?{parameters}", self.name)
    }

    fn client(&self) -> Client {
        Client::connect(&self.url(), NoTls).unwrap()
    }

    fn run(&self, statements: &[String]) {
        let mut client = self.client();
        for statement in statements {
            // The extended protocol takes one statement only.
            if let Err(error) = client.execute(statement.as_str(), &[]) {
                panic!("{error:?}: {statement}");
            }
        }
    }

    fn open(&self) -> Box<dyn Database> {
        let url = db::url::parse(&self.url(), Path::new(".")).unwrap();
        let settings = db::Settings {
            create_from: None,
            history_schema: "triggerctl".to_owned(),
        };
        db::connect(&url, &settings, Intent::Read).unwrap()
    }

    fn differences(&self, wanted: &[Definition]) -> String {
        differences(&mut *self.open(), wanted)
    }
}

/// Every attribute in which what is live differs from what is wanted, as lines.
fn differences(database: &mut dyn Database, wanted: &[Definition]) -> String {
    let ids: Vec<ObjectId> = wanted.iter().map(Definition::id).collect();
    let scope = crate::apply::scope_of(ids.iter());
    database.catalog(&scope).unwrap();
    let live = database.definitions(&ids, Depth::Whole).unwrap();
    let mut found = String::new();
    for wanted in wanted {
        let Some(live) = live.get(&wanted.id()) else {
            found += &format!("{} is not there\n", wanted.id());
            continue;
        };
        let mut verdicts = BTreeMap::new();
        if let Some(pair) = undecided(live, wanted) {
            let verdict = database
                .same_conditions(std::slice::from_ref(&pair))
                .unwrap()
                .remove(0);
            verdicts.insert(pair, verdict);
        }
        let judge = Judge {
            dialect: &Postgres,
            verdicts: &verdicts,
        };
        for change in compare(live, wanted, &judge) {
            found += &format!("{}: {change:?}\n", wanted.id());
        }
    }
    found
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let mut server = Client::connect(&self.base, NoTls).unwrap();
        server
            .batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name))
            .unwrap();
    }
}

/// Triggers of every kind that PostgreSQL has.
const KINDS: &[&str] = &[
    "",
    "timing = 'before'\nevents = ['insert', 'update', 'delete']\nupdate_of = ['email', 'Full Name']",
    "events = ['update']\nwhen = \"{{ changed('email') }} AND NEW.age > 1 -- why\"",
    "when = \"NEW.email IN ('a', 'b') AND NEW.age BETWEEN 1 AND 3\"",
    "timing = 'instead_of'\ntable = 'people'\nevents = ['insert', 'delete']",
    "table = 'people'\nfor_each = 'statement'",
    "for_each = 'statement'\nevents = ['insert', 'update', 'delete', 'truncate']",
    "for_each = 'statement'\nevents = ['update']\n[trigger.postgres]\nreferencing = { old_table = 'old rows', new_table \
     = 'n' }",
    "events = ['delete']\n[trigger.postgres]\nreferencing = { old_table = 'select' }",
    "description = \"it's \\\\ so\"\n[trigger.postgres]\nenabled = 'disabled'",
    "[trigger.postgres]\nenabled = 'always'\nconstraint = { deferrable = true, initially = 'deferred', from = 'other' }",
    "[trigger.postgres]\nconstraint = { deferrable = true }",
    "[trigger.postgres]\nconstraint = { deferrable = false }",
    "table = 'app.parts'\n[trigger.postgres]\nenabled = 'replica'",
    "table = 'app.parts'\n[trigger.postgres]\nconstraint = { deferrable = true }",
    "name = 'The \"Order\" é'\nbody = 'PERFORM $$ ; $$, {{ operation() }}, {{ now() }}, {{ user() }}; {{ \
     raise_if(\"NEW.id > 5\", \"no \\\\ more\") }}'",
    "body = '''\nn := {{ concat(text(new('id')), \"'-'\") }};\nm := {{ row_json('new', 'id', 'Full Name') }}; -- \
     end'''\n[trigger.postgres]\ndeclare = 'n text; m jsonb'\nsecurity = 'definer'\nsearch_path = ['$user', 'App', \
     'pg_temp']\nfunction_name = 'app.bump'",
];

const SHARED: &str = "
[[function]]
name = 'app.log_it'
body = 'BEGIN RETURN NULL; END'
security = 'definer'
search_path = ['app', 'pg_temp']
settings = { timezone = 'UTC', DATESTYLE = 'ISO, DMY', work_mem = '64MB', 'my.Setting' = \"it's\", session_preload_libraries = '\"a b\"' }
volatility = 'stable'
parallel = 'safe'
leakproof = true
cost = 0.1
description = 'Writes.'
[[trigger]]
name = 'calls'
table = 'users'
timing = 'after'
events = ['insert']
[trigger.postgres]
function = 'app.log_it'
args = ['a', 'it''s \\ ', '', 'é']
";

#[test]
fn what_is_written_reads_back() {
    let scratch = Scratch::new();
    let renderer = Renderer::new(&Postgres, None).unwrap();
    let specs: Vec<String> = KINDS
        .iter()
        .map(|changes| with(changes))
        .chain([SHARED.replace("''s", "s")])
        .collect();
    for text in specs {
        let wanted = definitions(&Postgres, &text);
        scratch.run(&create_all(&Postgres, &wanted, Postgres.newest()));
        assert_eq!(scratch.differences(&wanted), "", "{text}");
        for definition in wanted.iter().rev() {
            scratch.run(
                &Postgres
                    .drop(definition, &renderer, Postgres.newest())
                    .unwrap()
                    .statements,
            );
        }
        assert!(scratch.differences(&wanted).contains("is not there"));
    }
}

#[test]
fn from_every_kind_to_every_other() {
    let scratch = Scratch::new();
    let renderer = Renderer::new(&Postgres, None).unwrap();
    // On one table, with one function, so that each can become each other.
    let kinds: Vec<Trigger> = KINDS
        .iter()
        .filter(|changes| !changes.contains("table = 'app.parts'") && !changes.contains("'people'"))
        .map(|changes| {
            let mut trigger = trigger(changes);
            let crate::model::Action::Call { function, .. } = &mut trigger.action else {
                panic!("a call");
            };
            "app".clone_into(&mut function.schema);
            "shared".clone_into(&mut function.name);
            trigger.depends_on_extensions = changes
                .contains("'n'")
                .then(|| "citext".to_owned())
                .into_iter()
                .collect();
            trigger
        })
        .collect();
    let (mut client, mut database) = (scratch.client(), scratch.open());
    let first = Definition::from(kinds[0].clone());
    scratch.run(
        &Postgres
            .create(&first, &renderer, Postgres.newest())
            .unwrap()
            .statements,
    );
    let mut now = first;
    // The old server's way is the same for all, so some are enough.
    for (server, step) in [
        (Postgres.newest(), 1),
        (
            Server {
                major: 13,
                minor: 0,
            },
            3,
        ),
    ] {
        for one in kinds.iter().step_by(step) {
            for other in kinds.iter().step_by(step) {
                for next in [one, other] {
                    let next = Definition::from(next.clone());
                    let ddl = Postgres.alter(&now, &next, &renderer, server).unwrap();
                    for statement in &ddl.statements {
                        if let Err(error) = client.execute(statement.as_str(), &[]) {
                            panic!("{error:?}: {statement}");
                        }
                    }
                    let found = differences(&mut *database, std::slice::from_ref(&next));
                    assert_eq!(found, "", "{:?}", ddl.statements);
                    now = next;
                }
            }
        }
    }
}

#[test]
fn functions_alter_and_come_back() {
    let scratch = Scratch::new();
    scratch.client().batch_execute("DO $$ BEGIN CREATE ROLE triggerctl_clerk; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$").unwrap();
    let renderer = Renderer::new(&Postgres, None).unwrap();
    let Definition::Function(plain) = definitions(&Postgres, &SHARED.replace("''s", "s")).remove(0)
    else {
        panic!("a function");
    };
    let other = Function {
        settings: Seldom::from(vec![Setting {
            name: "search_path".to_owned(),
            values: vec![String::new()],
        }]),
        source: FunctionSource::Body("\n BEGIN RETURN NULL; END -- $$ $".to_owned()),
        comment: None,
        depends_on_extensions: BTreeSet::from(["citext".to_owned()]).into(),
        id: crate::model::FunctionId {
            schema: "public".to_owned(),
            name: "Log It".to_owned(),
        },
        ..function("")
    };
    let mut kept = other.clone();
    kept.source = FunctionSource::Body("BEGIN END".to_owned());
    kept.comment = Some("x".to_owned());
    let mut now = Definition::Function(plain.clone());
    scratch.run(&create_all(
        &Postgres,
        std::slice::from_ref(&now),
        Postgres.newest(),
    ));
    for next in [&other, &kept, &plain, &kept, &other, &plain] {
        let next = Definition::from(next.clone());
        scratch.run(
            &Postgres
                .alter(&now, &next, &renderer, Postgres.newest())
                .unwrap()
                .statements,
        );
        assert_eq!(scratch.differences(std::slice::from_ref(&next)), "");
        now = next;
    }
    // Owner and rights are not compared, so ask for them.
    let mut restored = Function::clone(&plain);
    restored.owner = Some("triggerctl_clerk".to_owned());
    restored.grants = Some(vec![
        Grant {
            grantee: Some("pg_monitor".to_owned()),
            grantable: true,
        },
        Grant {
            grantee: Some("triggerctl_clerk".to_owned()),
            grantable: false,
        },
    ]);
    scratch.run(
        &Postgres
            .drop(&now, &renderer, Postgres.newest())
            .unwrap()
            .statements,
    );
    scratch.run(&create_all(
        &Postgres,
        &[Definition::from(restored)],
        Postgres.newest(),
    ));
    let row = scratch
        .client()
        .query_one(
            "SELECT proowner::regrole::text, proacl::text FROM pg_proc WHERE proname = 'log_it'",
            &[],
        )
        .unwrap();
    assert_eq!(row.get::<_, String>(0), "triggerctl_clerk");
    let rights: String = row.get(1);
    assert!(
        rights.contains("pg_monitor=X*/triggerctl_clerk") && rights.contains("triggerctl_clerk=X/"),
        "{rights}"
    );
    assert!(
        !rights.contains("{=X") && !rights.contains(",=X"),
        "{rights}"
    );
}

#[test]
fn states_of_partitions() {
    let scratch = Scratch::new();
    let renderer = Renderer::new(&Postgres, None).unwrap();
    let partition = |name: &str| TableId {
        schema: "app".to_owned(),
        name: name.to_owned(),
    };
    let one = trigger("table = 'app.parts'\n[trigger.postgres]\nfunction_name = 'app.shared'");
    let mut two = one.clone();
    two.enabled_on_partitions
        .insert(partition("part_1"), EnabledState::Disabled);
    let mut three = two.clone();
    three.condition = Some(crate::model::Condition::Sql("NEW.id > 1".to_owned()));
    three.enabled = EnabledState::Always;
    three
        .enabled_on_partitions
        .insert(partition("part_2"), EnabledState::Replica);
    let mut now = Definition::from(one.clone());
    scratch.run(&create_all(
        &Postgres,
        std::slice::from_ref(&now),
        Postgres.newest(),
    ));
    for next in [&two, &three, &one, &three, &two, &one] {
        let next = Definition::from(next.clone());
        scratch.run(
            &Postgres
                .alter(&now, &next, &renderer, Postgres.newest())
                .unwrap()
                .statements,
        );
        assert_eq!(scratch.differences(std::slice::from_ref(&next)), "");
        now = next;
    }
}

#[test]
fn generated_functions_run() {
    let scratch = Scratch::new();
    let text = with(
        "timing = 'before'
events = ['insert', 'update', 'delete']
body = '''
INSERT INTO log(x, y, z) VALUES ({{ operation() }}, {{ text(\"coalesce(NEW.id, OLD.id)\") }}, {{ now() }});
{{ raise_if('TG_OP = ''INSERT'' AND NEW.age < 0', \"it's \\\\ too young\") }}
'''",
    )
    .replace("\"coalesce(NEW.id, OLD.id)\"", "'coalesce(NEW.id, OLD.id)'")
    .replace("''INSERT''", "$$INSERT$$");
    scratch.run(&create_all(
        &Postgres,
        &definitions(&Postgres, &text),
        Postgres.newest(),
    ));
    let mut client = scratch.client();
    client
        .batch_execute(
            "INSERT INTO users(id, age) VALUES (7, 1); UPDATE users SET age = 2; DELETE FROM users",
        )
        .unwrap();
    let log: String = client
        .query_one(
            "SELECT string_agg(x || y, ' ') FROM log WHERE z::timestamptz IS NOT NULL",
            &[],
        )
        .unwrap()
        .get(0);
    assert_eq!(log, "INSERT7 UPDATE7 DELETE7");
    // The rows went on: a BEFORE trigger that returned NULL would have kept them.
    assert_eq!(
        client
            .query_one("SELECT count(*) FROM users", &[])
            .unwrap()
            .get::<_, i64>(0),
        0
    );
    let error = client
        .batch_execute("INSERT INTO users(id, age) VALUES (8, -1)")
        .unwrap_err();
    assert_eq!(error.as_db_error().unwrap().message(), "it's \\ too young");
}

#[test]
fn the_server_knows_no_other_keywords() {
    let mut client = Client::connect(
        &std::env::var("TRIGGERCTL_TEST_POSTGRES").expect("TRIGGERCTL_TEST_POSTGRES"),
        NoTls,
    )
    .unwrap();
    for row in client
        .query(
            "SELECT word FROM pg_get_keywords() WHERE catcode <> 'U'",
            &[],
        )
        .unwrap()
    {
        let word: String = row.get(0);
        assert_eq!(Postgres.quote_identifier(&word), format!("\"{word}\""));
    }
}

#[test]
fn hostile_names_and_texts_round_trip() {
    let scratch = Scratch::new();
    let client = std::cell::RefCell::new(scratch.client());
    proptest!(ProptestConfig::with_cases(64), |(name in "[^\\x00]{1,15}", text in "[^\\x00]{0,20}")| {
        let quoted = Postgres.quote_identifier(&name);
        let literal = Postgres.quote_literal(&text);
        for conforming in ["on", "off"] {
            let query = format!("SELECT {literal} AS {quoted}");
            let mut client = client.borrow_mut();
            client.batch_execute(&format!("SET standard_conforming_strings = {conforming}")).unwrap();
            let row = client.query_one(&query, &[]).unwrap();
            prop_assert_eq!(row.columns()[0].name(), &name);
            prop_assert_eq!(row.get::<_, String>(0), text.clone());
        }
        let dollar = Renderer::new(&Postgres, None).unwrap();
        let template = crate::error::Located {
            value: "SELECT {{ text | dollar }}".to_owned(),
            span: crate::dialect::testing::nowhere(),
        };
        let query = dollar.inline_value(&template, minijinja::context! { text => text.as_str() }).unwrap();
        let found: String = client.borrow_mut().query_one(&query, &[]).unwrap().get(0);
        prop_assert_eq!(found, text);
    });
}

#[test]
fn hostile_triggers_are_created() {
    let scratch = Scratch::new();
    for name in [
        "select",
        "a\"b",
        "A.b",
        " ",
        "'; DROP TABLE users; --",
        "$$",
        "é\\n",
    ] {
        let name = toml::Value::String(name.to_owned());
        let text = with(&format!("name = {name}\ndescription = {name}"));
        let lowered = lower(&Postgres, &text, None).unwrap();
        let wanted: Vec<Definition> = lowered
            .into_iter()
            .map(|lowered| lowered.definition)
            .collect();
        scratch.run(&create_all(&Postgres, &wanted, Postgres.newest()));
        assert_eq!(scratch.differences(&wanted), "");
    }
}
