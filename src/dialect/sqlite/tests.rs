#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_push_string,
    clippy::similar_names,
    clippy::too_many_lines,
    clippy::expect_used
)]

use proptest::prelude::*;
use rusqlite::Connection;

use super::*;
use crate::dialect::testing::{changed, create_all, definitions, facts, lower, problems, show};
use crate::dialect::{TableFacts, TableKind};
use crate::diff::{Judge, compare};
use crate::model::TableId;

const TRIGGER: &str = "
[[trigger]]
name = 'audit'
table = 'users'
timing = 'after'
events = ['insert']
body = 'INSERT INTO log(x) VALUES (NEW.id)'
";

fn with(changes: &str) -> String {
    changed(TRIGGER, changes)
}

fn statements(changes: &str) -> Vec<String> {
    create_all(
        &Sqlite,
        &definitions(&Sqlite, &with(changes)),
        Sqlite.newest(),
    )
}

fn refused(changes: &str) -> String {
    problems(&Sqlite, &with(changes), None)
}

fn refused_on(facts: TableFacts, changes: &str) -> String {
    problems(&Sqlite, &with(changes), Some(facts))
}

#[test]
fn a_trigger() {
    assert_eq!(
        statements(""),
        [
            "CREATE TRIGGER audit\nAFTER INSERT ON users\nFOR EACH ROW\nBEGIN\nINSERT INTO log(x) VALUES (NEW.id);\nEND"
        ]
    );
}

#[test]
fn several_events_are_several_triggers() {
    let changes = "
events = ['delete', 'update', 'insert']
update_of = ['email', 'Full Name']
when = \"{{ 'NEW.a > 0' if event == 'insert' else 'OLD.a > 0' | sql }} -- why\"
body = '''
  INSERT INTO log(x, y) VALUES ({{ operation() }}, {{ trigger | literal }});
  UPDATE counters SET n = n + 1 -- count
'''";
    let changes = changes.replace("'NEW.a > 0' if", "'NEW.a > 0' | sql if");
    assert_eq!(
        statements(&changes),
        [
            "CREATE TRIGGER audit_insert\nAFTER INSERT ON users\nFOR EACH ROW\nWHEN NEW.a > 0\nBEGIN\n  INSERT INTO log(x, \
         y) VALUES ('INSERT', 'audit_insert');\n  UPDATE counters SET n = n + 1; -- count\n\nEND",
            "CREATE TRIGGER audit_update\nAFTER UPDATE OF email, \"Full Name\" ON users\nFOR EACH ROW\nWHEN OLD.a > \
         0\nBEGIN\n  INSERT INTO log(x, y) VALUES ('UPDATE', 'audit_update');\n  UPDATE counters SET n = n + 1; -- \
         count\n\nEND",
            "CREATE TRIGGER audit_delete\nAFTER DELETE ON users\nFOR EACH ROW\nWHEN OLD.a > 0\nBEGIN\n  INSERT INTO log(x, \
         y) VALUES ('DELETE', 'audit_delete');\n  UPDATE counters SET n = n + 1; -- count\n\nEND",
        ]
    );
    let lowered = lower(
        &Sqlite,
        &with("events = ['insert', 'delete']\nrenamed_from = 'old_{{ table }}'"),
        None,
    );
    let names: Vec<String> = lowered
        .unwrap()
        .iter()
        .map(|lowered| lowered.renamed_from.as_ref().unwrap().name().to_owned())
        .collect();
    assert_eq!(names, ["old_users_insert", "old_users_delete"]);
}

#[test]
fn what_sqlite_cannot_do_is_refused_with_the_way_out() {
    let elsewhere = "put it under the dialect that has it, or leave sqlite out of `dialects`";
    for (changes, expected) in [
        (
            "for_each = 'statement'",
            "8:12 `'statement'`: SQLite has no statement-level triggers\n  = help: use `for_each = \"row\"`, or leave \
             sqlite out of `dialects`\n",
        ),
        (
            "events = ['insert', 'truncate']",
            "6:21 `'truncate'`: SQLite has no TRUNCATE\n  = help: use `delete`: a DELETE without WHERE fires it for \
             each row\n",
        ),
        (
            "events = ['update']\nupdate_of = ['a', 'A']",
            "8:19 `'A'`: the column `A` is named twice\n  = help: name it once\n",
        ),
        (
            "name = 'sqlite_audit'",
            "3:8 `'sqlite_audit'`: SQLite keeps names such as `sqlite_audit` for itself\n  = help: choose a name that \
             does not begin with `sqlite_`\n",
        ),
        (
            "name = '{{ none }}'",
            "3:12 `none`: a none cannot be part of a name\n",
        ),
        (
            "table = 'sqlite_schema'",
            "2:1 `[[trigger]]`: `sqlite_schema` is SQLite's own: it takes no triggers\n  = help: put the trigger on \
             another table\n",
        ),
        (
            "body = ' -- nothing'",
            "7:9 ` -- nothing`: the `body` is empty\n  = help: say what it is to do\n",
        ),
        (
            "body = 'SELECT (\"x)'",
            "7:17 `\"x)`: the `body` has a quote or comment that never ends\n  = help: close it\n",
        ),
        (
            "body = 'SELECT 1; END; DROP TABLE users; SELECT 2'",
            "7:19 `END`: END would end the trigger here\n  = help: `body` is what stands between BEGIN and END, \
             without these two words\n7:24 `DROP`: a SQLite trigger cannot hold a statement that begins with `DROP`\n  \
             = help: it holds INSERT, UPDATE, DELETE and SELECT only; put a condition in `when`, and `SELECT \
             RAISE(ABORT, 'message')` stops a change\n",
        ),
        (
            "body = 'BEGIN SELECT 1; END'",
            "7:9 `BEGIN`: SQLite has no blocks in a trigger's body\n  = help: `body` is what stands between BEGIN and \
             END, without these two words\n7:25 `END`: END would end the trigger here\n  = help: `body` is what \
             stands between BEGIN and END, without these two words\n",
        ),
        (
            "when = 'OLD.id > 1'",
            "8:9 `OLD.id`: INSERT has no OLD row in `when`\n  = help: write another condition for it: `{% if event == \
             \"insert\" %}`, or a trigger of its own\n",
        ),
        (
            "events = ['delete']\nwhen = 'x and \"new\".id > 1'",
            "8:15 `\"new\".id`: DELETE has no NEW row in `when`\n  = help: write another condition for it: `{% if \
             event == \"delete\" %}`, or a trigger of its own\n",
        ),
        (
            "when = '1) BEGIN SELECT 1; END; --'",
            "8:10 `)`: the `when` has a `)` that nothing opens\n  = help: remove it, or write the `(` before it\n",
        ),
        (
            "when = '1 BEGIN SELECT 1; END'",
            "8:25 `;`: the `when` is more than one expression\n  = help: a condition is one expression: remove the \
             `;`\n",
        ),
        (
            "when = '(1'",
            "8:9 `(`: the `when` has a `(` that nothing closes\n  = help: write the `)` that it needs\n",
        ),
        (
            "when = ' /* */ '",
            "8:9 ` /* */ `: the `when` is empty\n  = help: say what it is to do\n",
        ),
        (
            "when = '{{ \"\\u0000\" | sql }}'",
            "8:8 `'{{ \"\\u0000\" | sql }}'`: the `when` has a NUL character\n  = help: no engine takes one in SQL: remove it\n",
        ),
        (
            "body = '{{ user() }}'",
            "7:12 `user()`: `user()`: SQLite has no users: give the dialect a body of its own in `[trigger.sqlite]`\n",
        ),
    ] {
        assert_eq!(refused(changes), expected, "{changes}");
    }
    // Keys of another dialect, which the reader of the spec lets through only for that one.
    let spec = crate::dialect::testing::spec(&with(
        "[trigger.postgres]\nenabled = 'always'\nconstraint = { deferrable = true }\nreferencing = { new_table = 'n' \
         }\nfunction_name = 'g'\ndeclare = 'n int'\nsecurity = 'definer'\nsearch_path = ['a']",
    ))
    .unwrap();
    let trigger = &spec.triggers[0];
    let vars = minijinja::Value::from(());
    let request = Request {
        kind: None,
        spec: trigger,
        fields: &trigger.for_dialect("postgres").unwrap(),
        table: &crate::dialect::Table {
            id: TableId {
                schema: "main".to_owned(),
                name: "users".to_owned(),
            },
            facts: None,
        },
        vars: &vars,
        beside: &crate::dialect::Beside::nothing("main"),
        pretend: false,
    };
    let renderer = Renderer::new(&Sqlite, None).unwrap();
    let shown = show(&Sqlite.lower(&request, &renderer).unwrap_err());
    for expected in [
        "SQLite cannot disable a trigger\n  = help: leave the trigger out for sqlite with `dialects` instead\n".to_owned(),
        format!("SQLite has no constraint triggers\n  = help: {elsewhere}\n"),
        format!("SQLite has no transition tables\n  = help: {elsewhere}\n"),
        format!("SQLite has no trigger functions\n  = help: {elsewhere}\n"),
        format!("SQLite has no variables in a trigger\n  = help: {elsewhere}\n"),
        format!("SQLite has no security context of a trigger\n  = help: {elsewhere}\n"),
        format!("SQLite has no search path\n  = help: {elsewhere}\n"),
    ] {
        assert!(shown.contains(&expected), "{expected}in\n{shown}");
    }
}

#[test]
fn what_a_table_cannot_have_is_refused() {
    let table = |kind| facts(kind, &["id", "email"]);
    for (kind, changes, expected) in [
        (
            TableKind::Virtual,
            "",
            "2:1 `[[trigger]]`: `users` is a virtual table: SQLite has no triggers on those\n  = help: put the trigger \
             on an ordinary table, or leave this one out with `exclude`\n",
        ),
        (
            TableKind::View,
            "",
            "5:10 `'after'`: `users` is a view: SQLite has no AFTER triggers on views\n  = help: use `timing = \
             \"instead_of\"`\n",
        ),
        (
            TableKind::Table,
            "timing = 'instead_of'",
            "5:10 `'instead_of'`: `users` is a table: INSTEAD OF triggers are for views\n  = help: use `timing = \
             \"before\"` or `timing = \"after\"`\n",
        ),
        (
            TableKind::Table,
            "events = ['update']\nupdate_of = ['EMAIL', 'emial', 'qqq']",
            "8:23 `'emial'`: `users` has no column `emial`\n  = help: did you mean `email`?\n8:32 `'qqq'`: `users` has \
             no column `qqq`\n  = help: its columns are: id, email\n",
        ),
    ] {
        assert_eq!(refused_on(table(kind), changes), expected);
    }
    assert!(
        lower(
            &Sqlite,
            &with("timing = 'instead_of'"),
            Some(table(TableKind::View))
        )
        .is_ok()
    );
}

#[test]
fn columns_come_from_the_table() {
    let text = with("body = 'SELECT {{ row_json(\"new\", columns) }}'");
    let known = lower(
        &Sqlite,
        &text,
        Some(facts(TableKind::Table, &["id", "Full Name"])),
    )
    .unwrap();
    let Definition::Trigger(trigger) = &known[0].definition else {
        panic!("a trigger");
    };
    let body = "SELECT json_object('id', NEW.id, 'Full Name', NEW.\"Full Name\")";
    assert_eq!(trigger.action, Action::Body(body.to_owned()));
    assert_eq!(
        problems(&Sqlite, &text, None),
        "7:35 `columns`: `columns` is not defined here\n  = help: `columns` is known only with a database at hand: give \
         `--url`\n"
    );
}

#[test]
fn drop_and_alter() {
    let renderer = Renderer::new(&Sqlite, None).unwrap();
    let server = Sqlite.newest();
    let before = definitions(&Sqlite, &with("name = 'Order'")).remove(0);
    let after = definitions(&Sqlite, &with("name = 'audit'")).remove(0);
    let drop = Sqlite.drop(&before, &renderer, server).unwrap();
    assert_eq!(drop.statements, ["DROP TRIGGER \"Order\""]);
    assert_eq!(drop.lock, Some(LockMode::Database));
    let alter = Sqlite.alter(&before, &after, &renderer, server).unwrap();
    assert_eq!(alter.statements.len(), 2);
    assert!(alter.statements[0].starts_with("DROP TRIGGER \"Order\""));
    assert!(alter.statements[1].starts_with("CREATE TRIGGER audit\n"));
    assert_eq!(
        Sqlite.alter(&after, &after, &renderer, server).unwrap(),
        Ddl::default()
    );

    let mut stored = after.clone();
    let Definition::Trigger(trigger) = &mut stored else {
        panic!("a trigger");
    };
    std::sync::Arc::make_mut(trigger).verbatim =
        Some("CREATE TRIGGER audit after insert on users begin select 1; end".to_owned());
    let back = Sqlite.alter(&before, &stored, &renderer, server).unwrap();
    assert_eq!(back.statements[1], trigger_text(&stored));
    // The text is the engine's: what is not read from it does not matter.
    assert!(!back.custom);
}

fn trigger_text(definition: &Definition) -> String {
    match definition {
        Definition::Trigger(trigger) => trigger.verbatim.clone().unwrap(),
        Definition::Function(_) => panic!("a trigger"),
    }
}

#[test]
fn a_template_of_the_users_marks_the_ddl() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sqlite")).unwrap();
    std::fs::write(
        folder.path().join("sqlite/drop_trigger.sql"),
        "DROP TRIGGER IF EXISTS {{ name | ident }}",
    )
    .unwrap();
    let renderer = Renderer::new(&Sqlite, Some(folder.path())).unwrap();
    let definition = definitions(&Sqlite, TRIGGER).remove(0);
    let drop = Sqlite
        .drop(&definition, &renderer, Sqlite.newest())
        .unwrap();
    assert_eq!(drop.statements, ["DROP TRIGGER IF EXISTS audit"]);
    assert!(drop.custom);
    assert!(
        !Sqlite
            .create(&definition, &renderer, Sqlite.newest())
            .unwrap()
            .custom
    );
}

#[test]
fn same_bodies_and_names() {
    assert!(Sqlite.same_body("SELECT  1 ; ", "select 1 -- one\n;", None));
    assert!(!Sqlite.same_body("SELECT 'a b'", "SELECT 'ab'", None));
    assert!(Sqlite.same_name("Users", "uSERS"));
    assert!(!Sqlite.same_name("É", "é"));
}

/// A database with the tables that the triggers speak of.
fn database() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch(
            "CREATE TABLE users(id INTEGER PRIMARY KEY, email, age, \"Full Name\"); CREATE TABLE log(x, y, z);
             CREATE VIEW people AS SELECT * FROM users;",
        )
        .unwrap();
    connection
}

#[test]
fn sqlite_reads_back_what_was_written() {
    for changes in [
        "",
        "timing = 'before'\nevents = ['insert', 'update', 'delete']\nupdate_of = ['email', 'Full Name']",
        "when = 'NEW.id IN (SELECT id FROM users) -- those'",
        "when = '(NEW.id > 0) AND (1)'",
        "when = '((NEW.id))'",
        "when = 'EXISTS (SELECT 1 FROM users AS old WHERE old.id > 1)'",
        "name = \"a\\tb\\n c \"",
        "timing = 'instead_of'\ntable = 'people'",
        "name = \"the \\\"Order\\\" of 'things'\"\nbody = '''\n\n   SELECT ';', [id], `id` FROM users; /* ; */\n SELECT CASE 1 WHEN \
         1 THEN 2 END;\n-- the end'''",
        "name = 'begin'\nbody = 'SELECT {{ now() }}, {{ concat(text(\"1\"), \"2\") }}, {{ operation() }}; {{ \
         raise_if(\"NEW.id > 5\", \"it''s\") }}; SELECT {{ row_json(\"new\", \"id\", \"Full Name\") }}'",
        "events = ['update']\nwhen = \"{{ changed('email', 'age') }} OR {{ distinct(new('id'), old('id')) }}\"",
    ] {
        let changes = changes.replace("\"it''s\"", "\"its\"");
        let connection = database();
        let wanted = definitions(&Sqlite, &with(&changes));
        for (definition, statement) in wanted.iter().zip(statements(&changes)) {
            connection
                .execute(&statement, [])
                .unwrap_or_else(|error| panic!("{error}: {statement}"));
            let Definition::Trigger(trigger) = definition else {
                panic!("a trigger");
            };
            let (table, sql): (String, String) = connection
                .query_row(
                    "SELECT tbl_name, sql FROM sqlite_schema WHERE type = 'trigger' AND name = ?",
                    [&trigger.id.name],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .unwrap();
            assert_eq!(sql, statement);
            let table = TableId {
                schema: "main".to_owned(),
                name: table,
            };
            let live = Definition::from(parse::parse(&sql, table).unwrap());
            let judge = Judge {
                dialect: &Sqlite,
                verdicts: &std::collections::BTreeMap::new(),
            };
            assert_eq!(compare(&live, definition, &judge), [], "{statement}");
        }
    }
}

#[test]
fn generated_triggers_fire() {
    let connection = database();
    let changes = "events = ['insert', 'update', 'delete']
when = \"{{ 'NEW.id' | sql if event == 'insert' else 'OLD.id' | sql }} > 0\"
body = '''
INSERT INTO log(x, y, z) VALUES ({{ operation() }}, {{ old('id') if event == 'delete' else new('id') }}, {{ now() }});
{% if event == 'insert' %}{{ raise_if('NEW.age < 0', 'too young') }}{% endif %}
'''";
    for statement in statements(changes) {
        connection
            .execute(&statement, [])
            .unwrap_or_else(|error| panic!("{error}: {statement}"));
    }
    connection
        .execute_batch("INSERT INTO users(id, age) VALUES (7, 1); UPDATE users SET age = 2; DELETE FROM users;")
        .unwrap();
    let log: String = connection
        .query_row(
            "SELECT group_concat(x || y, ' ') FROM log WHERE z LIKE '20__-__-__ __:__:__.___'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(log, "INSERT7 UPDATE7 DELETE7");
    let error = connection
        .execute("INSERT INTO users(id, age) VALUES (8, -1)", [])
        .unwrap_err();
    assert_eq!(error.to_string(), "too young");
}

proptest! {
    #[test]
    fn hostile_names_and_texts_round_trip(name in "[^\\x00]{1,12}", text in "[^\\x00]{0,20}") {
        // Names of the schema's own are the only ones that SQLite refuses.
        prop_assume!(!name.to_ascii_lowercase().starts_with("sqlite_"));
        let connection = Connection::open_in_memory().unwrap();
        let quoted = Sqlite.quote_identifier(&name);
        let literal = Sqlite.quote_literal(&text);
        connection.execute(&format!("CREATE TABLE {quoted}({quoted} DEFAULT {literal})"), []).unwrap();
        connection.execute(&format!("INSERT INTO {quoted} DEFAULT VALUES"), []).unwrap();
        let (table, column): (String, String) = connection
            .query_row("SELECT s.name, c.name FROM sqlite_schema s, pragma_table_info(s.name) c", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        prop_assert_eq!(&table, &name);
        prop_assert_eq!(&column, &name);
        let found: String = connection.query_row(&format!("SELECT {quoted} FROM {quoted}"), [], |row| row.get(0)).unwrap();
        prop_assert_eq!(found, text);
    }

    #[test]
    fn every_keyword_is_quoted(index in 0..keywords::KEYWORDS.len()) {
        let word = keywords::KEYWORDS[index];
        prop_assert_eq!(Sqlite.quote_identifier(&word.to_uppercase()), format!("\"{}\"", word.to_uppercase()));
    }

    #[test]
    fn whatever_the_condition_it_stays_in_its_place(condition in "[a-z0-9 ();'\"/*\\-]{0,16}") {
        if inspect_ok(&condition) {
            let closed = crate::dialect::inspect::closed(&condition, &SQLITE);
            let statement = format!("SELECT ({closed}), 'x'");
            let all: Vec<_> = crate::sql::tokens(&statement, &SQLITE).filter(|token| !token.is_blank()).collect();
            let last = all.last().unwrap();
            prop_assert_eq!(&statement[last.range.clone()], "'x'");
        }
    }
}

fn inspect_ok(condition: &str) -> bool {
    crate::dialect::inspect::check_condition(condition, &SQLITE).is_ok()
}
