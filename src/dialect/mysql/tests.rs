#![allow(clippy::unwrap_used)]

use super::*;
use crate::dialect::TableKind;
use crate::dialect::testing::{create_all, definitions, facts, problems};

const SERVER: Server = Server {
    major: 10,
    minor: 11,
};

fn made(text: &str) -> String {
    create_all(&Mysql, &definitions(&Mysql, text), SERVER).join(";\n")
}

#[test]
fn one_trigger_an_event() {
    assert_eq!(
        made(
            r#"[[trigger]]
name = "audit"
table = "order"
timing = "after"
events = ["insert", "delete"]
body = "INSERT INTO log VALUES ({{ operation() }});"
"#
        ),
        "CREATE TRIGGER audit_insert\nAFTER INSERT ON `order`\nFOR EACH ROW\nBEGIN\nINSERT INTO log VALUES ('INSERT');\nEND;\n\
         CREATE TRIGGER audit_delete\nAFTER DELETE ON `order`\nFOR EACH ROW\nBEGIN\nINSERT INTO log VALUES ('DELETE');\nEND"
    );
}

#[test]
fn conditions_become_an_if() {
    assert_eq!(
        made(
            r#"[[trigger]]
name = "t"
table = "users"
timing = "before"
events = ["update"]
update_of = ["email", "key"]
when = "NEW.age > 1 OR OLD.age > 1"
body = "DECLARE n int; SET n = 1; {{ raise_if(changed('a'), 'it is \\ no') }};"
[trigger.mysql]
definer = "app@%"
order = { precedes = "x y" }
"#
        ),
        "CREATE DEFINER = app@`%` TRIGGER t\nBEFORE UPDATE ON users\nFOR EACH ROW PRECEDES `x y`\nBEGIN\n\
         IF (NOT (OLD.email <=> NEW.email AND CAST(OLD.email AS BINARY) <=> CAST(NEW.email AS BINARY)) OR NOT (OLD.`key` <=> NEW.`key` AND CAST(OLD.`key` AS BINARY) <=> CAST(NEW.`key` AS BINARY))) AND (NEW.age > 1 OR OLD.age > 1) THEN\n\
         BEGIN\nDECLARE n int; SET n = 1; IF (NOT (OLD.a <=> NEW.a AND CAST(OLD.a AS BINARY) <=> CAST(NEW.a AS BINARY))) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'it is \\\\ no'; END IF;\nEND;\nEND IF;\nEND"
    );
}

#[test]
fn a_body_of_comments_does_nothing() {
    let spec = |keys: &str| {
        format!(
            "[[trigger]]\nname = \"t\"\ntable = \"users\"\ntiming = \"before\"\nevents = [\"update\"]\n{keys}"
        )
    };
    assert_eq!(
        made(&spec("body = \"-- later\"\n")),
        "CREATE TRIGGER t\nBEFORE UPDATE ON users\nFOR EACH ROW\nBEGIN\n-- later\n\nEND"
    );
    for keys in [
        "body = \"/* */\"\nwhen = \"NEW.a > 1\"\n",
        "body = \"/* */\"\nupdate_of = [\"a\"]\n",
    ] {
        let shown = problems(&Mysql, &spec(keys), Some(facts(TableKind::Table, &["a"])));
        assert!(shown.contains("the `body` is empty"), "{keys}{shown}");
    }
}

#[test]
fn refuses_what_there_is_not() {
    let shown = problems(
        &Mysql,
        r#"[[trigger]]
name = "t"
table = "users"
timing = "instead_of"
events = ["insert", "truncate"]
for_each = "statement"
body = "SELECT 1; SET NEW.b = 1; UPDATE users SET a = OLD.a;"
"#,
        Some(facts(TableKind::Table, &["a"])),
    );
    for words in [
        "no statement-level triggers",
        "no INSTEAD OF",
        "no triggers on TRUNCATE",
        "cannot give rows",
        "no column `b`",
        "INSERT has no OLD row",
        "its own table `users`",
    ] {
        assert!(shown.contains(words), "{words} is not in\n{shown}");
    }
}

#[test]
fn a_body_stays_in_its_place() {
    for (body, words) in [
        (
            "SELECT 1 INTO @a; END; DROP TABLE users; BEGIN SET @a = 1;",
            "END would end the trigger",
        ),
        ("IF 1 THEN SET @a = 1;", "nothing ends"),
        (
            "/*!99999 BEGIN */ SET @a = 1; /*!99999 END */",
            "some versions only",
        ),
        ("SET @a = 'x", "never ends"),
    ] {
        let spec = format!(
            "[[trigger]]\nname = \"t\"\ntable = \"users\"\ntiming = \"after\"\nevents = [\"insert\"]\nbody = \"{body}\"\n"
        );
        let shown = problems(&Mysql, &spec, None);
        assert!(shown.contains(words), "{words} is not in\n{shown}");
    }
}

#[test]
fn replaces_in_place_on_mariadb_and_keeps_the_order() {
    let spec = |body: &str| {
        let text = format!(
            "[[trigger]]\nname = \"t\"\ntable = \"users\"\ntiming = \"after\"\nevents = [\"insert\"]\nbody = \"{body}\"\n"
        );
        definitions(&Mysql, &text).remove(0)
    };
    let mut before = spec("SET @a = 1;");
    let Definition::Trigger(trigger) = &mut before else {
        unreachable!()
    };
    std::sync::Arc::make_mut(trigger).creation = Some(Box::new(Creation {
        place: Some(Place::Among {
            before: vec!["a".into()],
            after: vec!["b".into(), "c".into()],
        }),
        ..Creation::default()
    }));
    let after = spec("SET @a = 2;");
    let renderer = Renderer::new(&Mysql, None).unwrap();
    let statements = |server| {
        Mysql
            .alter(&before, &after, &renderer, server)
            .unwrap()
            .statements
    };
    assert_eq!(
        statements(SERVER),
        [
            "CREATE OR REPLACE TRIGGER t\nAFTER INSERT ON users\nFOR EACH ROW PRECEDES b\nBEGIN\nSET @a = 2;\nEND"
        ]
    );
    assert_eq!(
        statements(Server { major: 9, minor: 7 }),
        [
            "DROP TRIGGER t",
            "CREATE TRIGGER t\nAFTER INSERT ON users\nFOR EACH ROW PRECEDES b\nBEGIN\nSET @a = 2;\nEND"
        ]
    );
}
