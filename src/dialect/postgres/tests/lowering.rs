//! What a `[[trigger]]` and a `[[function]]` become.

use std::collections::HashSet;

use proptest::prelude::*;

use super::super::names::{LONGEST, generated_function};
use super::*;
use crate::dialect::testing::lower;
use crate::model::{
    Action, Condition, Deferral, EnabledState, FunctionSource, ObjectId, Parallel, Security,
    Volatility,
};

fn source(changes: &str) -> String {
    match function(changes).source {
        FunctionSource::Body(body) => body,
        FunctionSource::Library { .. } => panic!("a body"),
    }
}

#[test]
fn a_trigger_is_a_function_and_a_trigger() {
    assert_eq!(
        statements(""),
        [
            "CREATE FUNCTION public.users_audit() RETURNS trigger\nLANGUAGE plpgsql\nVOLATILE NOT LEAKPROOF SECURITY INVOKER \
         PARALLEL UNSAFE COST 100\nAS $$\nBEGIN\nINSERT INTO log(x) VALUES (NEW.id);\nRETURN NULL;\nEND\n$$",
            "CREATE TRIGGER audit\nAFTER INSERT ON public.users\nFOR EACH ROW\nEXECUTE FUNCTION public.users_audit()",
        ]
    );
    let lowered = lower(&Postgres, TRIGGER, None).unwrap();
    assert!(lowered[0].generated && !lowered[1].generated);
    assert_eq!(lowered[1].definition.calls().unwrap().name, "users_audit");
}

#[test]
fn a_body_falls_through_to_the_row_that_goes_on() {
    let end = |changes: &str| {
        let source = source(changes);
        source.split_once("(NEW.id);\n").unwrap().1.to_owned()
    };
    for (changes, expected) in [
        ("", "RETURN NULL;\nEND\n"),
        ("timing = 'before'", "RETURN NEW;\nEND\n"),
        (
            "timing = 'before'\nevents = ['insert', 'update']",
            "RETURN NEW;\nEND\n",
        ),
        (
            "timing = 'before'\nevents = ['delete']",
            "RETURN OLD;\nEND\n",
        ),
        (
            "timing = 'before'\nevents = ['delete', 'update']",
            "IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;\nRETURN NEW;\nEND\n",
        ),
        ("timing = 'instead_of'", "RETURN NEW;\nEND\n"),
        (
            "timing = 'before'\nfor_each = 'statement'",
            "RETURN NULL;\nEND\n",
        ),
        ("events = ['delete', 'update']", "RETURN NULL;\nEND\n"),
        (
            "[trigger.postgres]\nconstraint = { deferrable = true }",
            "RETURN NULL;\nEND\n",
        ),
    ] {
        assert_eq!(end(changes), expected, "{changes}");
    }
}

#[test]
fn a_body_keeps_its_text() {
    for (body, expected) in [
        (
            "\n\n  a := 1;\n    b;\n\n",
            "\nBEGIN\n  a := 1;\n    b;\nRETURN NULL;\nEND\n",
        ),
        ("PERFORM 1", "\nBEGIN\nPERFORM 1;\nRETURN NULL;\nEND\n"),
        (
            "PERFORM 1 -- one",
            "\nBEGIN\nPERFORM 1; -- one\n\nRETURN NULL;\nEND\n",
        ),
        (
            "PERFORM 1; /* ; */",
            "\nBEGIN\nPERFORM 1; /* ; */\nRETURN NULL;\nEND\n",
        ),
        (
            "PERFORM '--;'",
            "\nBEGIN\nPERFORM '--;';\nRETURN NULL;\nEND\n",
        ),
        ("RETURN NULL;", "\nBEGIN\nRETURN NULL;\nRETURN NULL;\nEND\n"),
        (
            "PERFORM $$;$$",
            "\nBEGIN\nPERFORM $$;$$;\nRETURN NULL;\nEND\n",
        ),
    ] {
        assert_eq!(source(&format!("body = '''{body}'''")), expected);
    }
    let declare = "[trigger.postgres]\ndeclare = 'n integer := 1'";
    assert!(source(declare).starts_with("\nDECLARE\nn integer := 1;\nBEGIN\nINSERT"));
    // A dollar quote in the body does not close the function's.
    let created = statements("body = 'PERFORM $$ $body$ $$'").remove(0);
    assert!(
        created.contains("AS $body1$\nBEGIN\nPERFORM $$ $body$ $$;\n"),
        "{created}"
    );
    assert!(created.ends_with("END\n$body1$"));
}

#[test]
fn everything_about_a_trigger() {
    let trigger = trigger(
        "name = '{{ schema }} {{ table }}'
table = 'app.users'
events = ['update']
update_of = ['email', 'Full Name']
when = \"  {{ changed('email') }} -- why\"
description = \"it's so\"
[trigger.postgres]
enabled = 'replica'
constraint = { deferrable = true, initially = 'deferred', from = 'other' }",
    );
    assert_eq!(trigger.id.name, "app users");
    assert_eq!(trigger.enabled, EnabledState::Replica);
    assert_eq!(trigger.comment.as_deref(), Some("it's so"));
    assert_eq!(
        trigger.condition,
        Some(Condition::Sql(
            "(OLD.email IS DISTINCT FROM NEW.email) -- why".to_owned()
        ))
    );
    let constraint = trigger.constraint.clone().unwrap();
    assert_eq!(constraint.deferral, Deferral::InitiallyDeferred);
    // A name without a schema is one of the current schema, not of the table's.
    assert_eq!(constraint.from.unwrap().to_string(), "public.other");
    assert!(
        matches!(&trigger.action, Action::Call { function, .. } if function.to_string() == "app.users_app users")
    );
    let renderer = Renderer::new(&Postgres, None).unwrap();
    let ddl = Postgres
        .create(&Definition::from(trigger), &renderer, Postgres.newest())
        .unwrap();
    assert_eq!(
        ddl.statements,
        [
            "CREATE CONSTRAINT TRIGGER \"app users\"\nAFTER UPDATE OF email, \"Full Name\" ON app.users\nFROM \
         public.other\nDEFERRABLE INITIALLY DEFERRED\nFOR EACH ROW\nWHEN ((OLD.email IS DISTINCT FROM NEW.email) -- \
         why\n)\nEXECUTE FUNCTION app.\"users_app users\"()",
            "ALTER TABLE app.users ENABLE REPLICA TRIGGER \"app users\"",
            "COMMENT ON TRIGGER \"app users\" ON app.users IS 'it''s so'",
        ]
    );
}

#[test]
fn events_and_the_statement() {
    let created = statements(
        "events = ['truncate', 'delete', 'update', 'insert']\nfor_each = 'statement'\nupdate_of = ['b']\nbody = 'PERFORM \
         {{ operation() }}, {{ user() }}'",
    );
    assert!(created[0].contains("PERFORM TG_OP, session_user;"));
    assert!(created[1].contains(
        "\nAFTER INSERT OR UPDATE OF b OR DELETE OR TRUNCATE ON public.users\nFOR EACH STATEMENT\n"
    ));
    let created = statements(
        "events = ['update']\nfor_each = 'statement'\nbody = 'PERFORM {{ operation() }}, {{ event | literal \
         }}'\n[trigger.postgres]\nreferencing = { old_table = 'before', new_table = 'after rows' }",
    );
    assert!(created[0].contains("PERFORM 'UPDATE', 'update';"));
    assert!(created[1].contains(
        "\nREFERENCING OLD TABLE AS before NEW TABLE AS \"after rows\"\nFOR EACH STATEMENT\n"
    ));
}

#[test]
fn a_function_can_be_called_instead() {
    let text = "
[[trigger]]
name = 'audit'
table = 'app.users'
timing = 'after'
events = ['insert']
[trigger.postgres]
function = 'log_change'
args = ['a', \"it's \\\\\", '']
";
    let created = create_all(&Postgres, &definitions(&Postgres, text), Postgres.newest());
    assert_eq!(
        created,
        [
            "CREATE TRIGGER audit\nAFTER INSERT ON app.users\nFOR EACH ROW\nEXECUTE FUNCTION public.log_change('a', E'it''s \
         \\\\', '')"
        ]
    );
    let text = text.replace("'log_change'", "'Audit.log'");
    assert!(
        create_all(&Postgres, &definitions(&Postgres, &text), Postgres.newest())[0]
            .contains("\"Audit\".log(")
    );
}

#[test]
fn the_generated_function_can_be_named_and_secured() {
    let function = function(
        "table = 'app.users'\n[trigger.postgres]\nfunction_name = 'bump'\nsecurity = 'definer'\nsearch_path = ['$user', \
         'pg_temp']",
    );
    assert_eq!(function.id.to_string(), "app.bump");
    let created = create_all(&Postgres, &[Definition::from(function)], Postgres.newest());
    assert!(created[0].contains("SECURITY DEFINER"));
    assert!(created[0].contains("\nSET search_path TO \"$user\", pg_temp\n"));
    let mut other =
        super::function("[trigger.postgres]\nfunction_name = 'audit.bump'\nsearch_path = ['a']");
    assert_eq!(other.id.to_string(), "audit.bump");
    // Empty in either way: no name, or one empty name.
    for values in [vec![], vec![String::new()]] {
        other.settings[0].values = values;
        let created = create_all(
            &Postgres,
            &[Definition::from(other.clone())],
            Postgres.newest(),
        );
        assert!(created[0].contains("\nSET search_path TO ''\n"));
    }
}

#[test]
fn a_shared_function() {
    let text = "
[vars]
log = 'Log'
[[function]]
name = 'audit.log_change'
language = 'PLpgSQL'
body = '''
BEGIN INSERT INTO {{ vars.log | ident }} VALUES (TG_ARGV[0]); RETURN NULL; END
'''
security = 'definer'
search_path = ['audit']
settings = { timezone = 'UTC', work_mem = '64MB', temp_tablespaces = 'A, \"B c\"', 'my.Setting' = \"it's\" }
volatility = 'stable'
parallel = 'restricted'
leakproof = true
cost = 0.1
description = 'Writes it down.'
";
    let Definition::Function(function) = definitions(&Postgres, text).remove(0) else {
        panic!("a function");
    };
    assert_eq!(function.language, "plpgsql");
    assert_eq!(function.security, Security::Definer);
    assert_eq!(function.volatility, Volatility::Stable);
    assert_eq!(function.parallel, Parallel::Restricted);
    let names: Vec<&str> = function
        .settings
        .iter()
        .map(|setting| setting.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "TimeZone",
            "my.Setting",
            "search_path",
            "temp_tablespaces",
            "work_mem"
        ]
    );
    assert_eq!(
        create_all(
            &Postgres,
            &[Definition::Function(function)],
            Postgres.newest()
        ),
        [
            "CREATE FUNCTION audit.log_change() RETURNS trigger\nLANGUAGE plpgsql\nSTABLE LEAKPROOF SECURITY DEFINER PARALLEL \
         RESTRICTED COST 0.1\nSET \"TimeZone\" TO 'UTC'\nSET my.\"Setting\" TO 'it''s'\nSET search_path TO audit\nSET \
         temp_tablespaces TO a, \"B c\"\nSET work_mem TO '64MB'\nAS $$BEGIN INSERT INTO \"Log\" VALUES (TG_ARGV[0]); \
         RETURN NULL; END\n$$",
            "COMMENT ON FUNCTION audit.log_change() IS 'Writes it down.'",
        ]
    );
}

#[test]
fn a_rename_takes_the_function_along() {
    let renamed = |changes: &str| {
        let lowered = lower(&Postgres, &with(changes), None).unwrap();
        lowered
            .into_iter()
            .map(|lowered| lowered.renamed_from)
            .collect::<Vec<_>>()
    };
    let from = renamed("renamed_from = 'old_{{ table }}'");
    assert_eq!(
        from[0].as_ref().map(ObjectId::to_string).unwrap(),
        "function public.users_old_users"
    );
    assert_eq!(
        from[1].as_ref().map(ObjectId::to_string).unwrap(),
        "trigger old_users on public.users"
    );
    let from = renamed("renamed_from = 'old'\n[trigger.postgres]\nfunction_name = 'f'");
    assert_eq!(from[0], None);
    assert!(from[1].is_some());
    assert_eq!(renamed(""), [None, None]);
}

#[test]
fn generated_names_fit() {
    assert_eq!(generated_function("users", "audit"), "users_audit");
    assert_eq!(generated_function("users", "users_audit"), "users_audit");
    assert_eq!(generated_function("users", "users"), "users");
    let long = generated_function(
        "a_table_with_a_rather_long_name",
        "and_a_trigger_that_has_one_as_well",
    );
    assert_eq!(
        long,
        "a_table_with_a_rather_long_name_and_a_trigger_that_has_d92f86fa"
    );
    assert_eq!(long.len(), LONGEST);
    // Never inside a character.
    let wide = generated_function("t", &"é".repeat(40));
    assert!(wide.len() <= LONGEST && wide.starts_with("t_é"));
}

#[test]
fn literals_read_the_same_under_every_setting() {
    assert_eq!(Postgres.quote_literal("it's"), "'it''s'");
    assert_eq!(Postgres.quote_literal("a\\'b"), "E'a\\\\''b'");
    assert_eq!(Postgres.quote_identifier("users_2"), "users_2");
    for name in [
        "Users",
        "2nd",
        "user",
        "between",
        "begin",
        "json_table",
        "a$b",
        "é",
        "a b",
        "",
    ] {
        assert_eq!(Postgres.quote_identifier(name), format!("\"{name}\""));
    }
    assert_eq!(Postgres.quote_identifier("a\"b"), "\"a\"\"b\"");
}

#[test]
fn keywords_are_in_order() {
    for keywords in [keywords::KEYWORDS, crate::dialect::sqlite::KEYWORDS] {
        assert!(keywords.is_sorted());
        assert_eq!(
            keywords.iter().collect::<HashSet<_>>().len(),
            keywords.len()
        );
    }
}

#[test]
fn bodies_are_bytes_and_names_exact() {
    assert!(
        Postgres.same_body("a", "a", None)
            && !Postgres.same_body("a", "A", None)
            && !Postgres.same_body("a", "a ", None)
    );
    assert!(Postgres.same_name("a", "a") && !Postgres.same_name("a", "A"));
}

proptest! {
    #[test]
    fn generated_names_are_short_and_apart(table in "[a-zé]{1,70}", one in "[a-zé]{1,70}", two in "[a-zé]{1,70}") {
        let (first, second) = (generated_function(&table, &one), generated_function(&table, &two));
        prop_assert!(first.len() <= LONGEST);
        if one != two && !one.starts_with(&table) && !two.starts_with(&table) {
            prop_assert_ne!(first, second);
        }
    }

    #[test]
    fn whatever_the_body_it_stays_in_its_function(body in "[a-z$';\\-/* \n]{1,24}") {
        let text = with(&format!("body = {}", toml::Value::String(body)));
        if let Ok(lowered) = lower(&Postgres, &text, None) {
            let definitions: Vec<_> = lowered.into_iter().map(|lowered| lowered.definition).collect();
            let created = create_all(&Postgres, &definitions, Postgres.newest()).remove(0);
            let tokens: Vec<_> = crate::sql::tokens(&created, &POSTGRES).filter(|token| !token.is_blank()).collect();
            let last = &created[tokens.last().unwrap().range.clone()];
            prop_assert!(last.starts_with('$') && last.contains("\nBEGIN\n") && last.contains("RETURN NULL;\nEND\n"));
        }
    }
}
