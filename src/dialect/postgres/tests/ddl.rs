//! Which statements lead from one definition to another, and with which lock.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::dialect::LockMode;
use crate::model::{
    Condition, Constraint, Deferral, EnabledState, FunctionSource, Grant, Security, Setting,
    TableId, Volatility,
};

const V13: Server = Server {
    major: 13,
    minor: 23,
};
const V15: Server = Server {
    major: 15,
    minor: 18,
};

fn alter(before: &Trigger, after: &Trigger, server: Server) -> (Vec<String>, Option<LockMode>) {
    let renderer = Renderer::new(&Postgres, None).unwrap();
    let (before, after) = (
        Definition::from(before.clone()),
        Definition::from(after.clone()),
    );
    let ddl = Postgres.alter(&before, &after, &renderer, server).unwrap();
    assert!(!ddl.custom);
    // Every statement on one line.
    (
        ddl.statements
            .iter()
            .map(|statement| statement.replace('\n', " "))
            .collect(),
        ddl.lock,
    )
}

fn alter_function(before: &Function, after: &Function) -> Vec<String> {
    let renderer = Renderer::new(&Postgres, None).unwrap();
    let (before, after) = (
        Definition::from(before.clone()),
        Definition::from(after.clone()),
    );
    let ddl = Postgres.alter(&before, &after, &renderer, V15).unwrap();
    assert_eq!(ddl.lock, None);
    ddl.statements
        .iter()
        .map(|statement| statement.replace('\n', " "))
        .collect()
}

const CREATE: &str = "TRIGGER audit AFTER INSERT ON public.users FOR EACH ROW WHEN (NEW.id > 1) EXECUTE FUNCTION \
                      public.users_audit()";

#[test]
fn nothing_to_do() {
    let one =
        trigger("when = 'NEW.id > 1'\ndescription = 'x'\n[trigger.postgres]\nenabled = 'always'");
    assert_eq!(alter(&one, &one, V15), (vec![], None));
    let mut columns = trigger("events = ['update']\nupdate_of = ['a', 'b']");
    let mut reordered = columns.clone();
    reordered.update_of.reverse();
    assert_eq!(alter(&columns, &reordered, V15), (vec![], None));
    columns.update_of.pop();
    assert_eq!(alter(&columns, &reordered, V15).0.len(), 1);
}

#[test]
fn a_comment_or_a_state_alone() {
    let one = trigger("when = 'NEW.id > 1'");
    let mut two = one.clone();
    two.comment = Some("it's".to_owned());
    let comment = "COMMENT ON TRIGGER audit ON public.users IS";
    assert_eq!(
        alter(&one, &two, V15),
        (
            vec![format!("{comment} 'it''s'")],
            Some(LockMode::AccessShare)
        )
    );
    assert_eq!(
        alter(&two, &one, V15),
        (vec![format!("{comment} NULL")], Some(LockMode::AccessShare))
    );

    for (state, words) in [
        (EnabledState::Disabled, "DISABLE"),
        (EnabledState::Replica, "ENABLE REPLICA"),
        (EnabledState::Always, "ENABLE ALWAYS"),
    ] {
        let mut two = one.clone();
        two.enabled = state;
        let set = |words| vec![format!("ALTER TABLE public.users {words} TRIGGER audit")];
        assert_eq!(
            alter(&one, &two, V15),
            (set(words), Some(LockMode::ShareRowExclusive))
        );
        assert_eq!(
            alter(&two, &one, V15),
            (set("ENABLE"), Some(LockMode::ShareRowExclusive))
        );
    }
}

#[test]
fn a_rename() {
    let one = trigger("");
    let mut two = one.clone();
    two.id.name = "Other".to_owned();
    two.enabled = EnabledState::Always;
    two.comment = Some("x".to_owned());
    assert_eq!(
        alter(&one, &two, V15),
        (
            vec![
                "ALTER TRIGGER audit ON public.users RENAME TO \"Other\"".to_owned(),
                "ALTER TABLE public.users ENABLE ALWAYS TRIGGER \"Other\"".to_owned(),
                "COMMENT ON TRIGGER \"Other\" ON public.users IS 'x'".to_owned(),
            ],
            Some(LockMode::AccessExclusive)
        )
    );
}

#[test]
fn a_new_definition_replaces_where_the_server_can() {
    let mut one = trigger("");
    one.comment = Some("kept".to_owned());
    one.enabled = EnabledState::Disabled;
    one.depends_on_extensions = BTreeSet::from(["citext".to_owned()]).into();
    let mut two = one.clone();
    two.condition = Some(Condition::Sql("NEW.id > 1".to_owned()));
    // OR REPLACE resets the state and forgets the extension, and keeps the comment.
    let state = "ALTER TABLE public.users DISABLE TRIGGER audit".to_owned();
    let depends = "ALTER TRIGGER audit ON public.users DEPENDS ON EXTENSION citext".to_owned();
    assert_eq!(
        alter(&one, &two, V15),
        (
            vec![
                format!("CREATE OR REPLACE {CREATE}"),
                state.clone(),
                depends.clone()
            ],
            Some(LockMode::AccessExclusive)
        )
    );
    assert_eq!(
        alter(&one, &two, V13),
        (
            vec![
                "DROP TRIGGER audit ON public.users".to_owned(),
                format!("CREATE {CREATE}"),
                state,
                depends,
                "COMMENT ON TRIGGER audit ON public.users IS 'kept'".to_owned(),
            ],
            Some(LockMode::AccessExclusive)
        )
    );
    let plain = trigger("");
    let mut conditional = plain.clone();
    conditional.condition.clone_from(&two.condition);
    assert_eq!(
        alter(&plain, &conditional, V15),
        (
            vec![format!("CREATE OR REPLACE {CREATE}")],
            Some(LockMode::ShareRowExclusive)
        )
    );
}

#[test]
fn a_rename_with_a_new_definition() {
    let one = trigger("");
    let mut two = one.clone();
    two.id.name = "audit".to_owned();
    two.condition = Some(Condition::Sql("NEW.id > 1".to_owned()));
    let mut old = one;
    old.id.name = "old".to_owned();
    assert_eq!(
        alter(&old, &two, V15).0,
        [
            "ALTER TRIGGER old ON public.users RENAME TO audit".to_owned(),
            format!("CREATE OR REPLACE {CREATE}")
        ]
    );
    // Dropped under its old name.
    assert_eq!(
        alter(&old, &two, V13).0,
        [
            "DROP TRIGGER old ON public.users".to_owned(),
            format!("CREATE {CREATE}")
        ]
    );
}

#[test]
fn constraint_triggers_are_dropped_and_created() {
    let plain = trigger("");
    let mut constraint = plain.clone();
    constraint.constraint = Some(Box::new(Constraint {
        deferral: Deferral::NotDeferrable,
        from: None,
    }));
    let mut immediate = plain.clone();
    immediate.constraint = Some(Box::new(Constraint {
        deferral: Deferral::InitiallyImmediate,
        from: None,
    }));
    let drop = "DROP TRIGGER audit ON public.users";
    let create = |words: &str| {
        format!(
            "CREATE CONSTRAINT TRIGGER audit AFTER INSERT ON public.users {words} FOR EACH ROW EXECUTE FUNCTION \
             public.users_audit()"
        )
    };
    assert_eq!(
        alter(&plain, &constraint, V15).0,
        [drop, &create("NOT DEFERRABLE")]
    );
    assert_eq!(
        alter(&constraint, &immediate, V15).0,
        [drop, &create("DEFERRABLE INITIALLY IMMEDIATE")]
    );
    assert!(alter(&immediate, &plain, V15).0[1].starts_with("CREATE TRIGGER audit "));
    let mut disabled = constraint.clone();
    disabled.enabled = EnabledState::Disabled;
    assert_eq!(
        alter(&constraint, &disabled, V15).0,
        ["ALTER TABLE public.users DISABLE TRIGGER audit"]
    );
}

#[test]
fn partitions_keep_their_states() {
    let partition = |name: &str| TableId {
        schema: "public".to_owned(),
        name: name.to_owned(),
    };
    let one = trigger("");
    let mut two = one.clone();
    *two.enabled_on_partitions = BTreeMap::from([
        (partition("p1"), EnabledState::Disabled),
        (partition("p2"), EnabledState::Always),
    ]);
    let states = [
        "ALTER TABLE public.users ENABLE TRIGGER audit",
        "ALTER TABLE ONLY public.p1 DISABLE TRIGGER audit",
        "ALTER TABLE ONLY public.p2 ENABLE ALWAYS TRIGGER audit",
    ];
    // On the parent first: it sets the partitions as well.
    assert_eq!(alter(&one, &two, V15).0, states);
    assert_eq!(alter(&two, &one, V15).0, [states[0]]);
    let mut three = two.clone();
    three.condition = Some(Condition::Sql("NEW.id > 1".to_owned()));
    assert_eq!(alter(&two, &three, V15).0[1..], states);
    let renderer = Renderer::new(&Postgres, None).unwrap();
    let created = Postgres
        .create(&Definition::from(two), &renderer, V15)
        .unwrap();
    assert_eq!(created.statements[1..], states);
}

#[test]
fn extensions_come_and_go() {
    let one = trigger("");
    let mut two = one.clone();
    two.depends_on_extensions = BTreeSet::from(["uuid-ossp".to_owned()]).into();
    let depends = "DEPENDS ON EXTENSION \"uuid-ossp\"";
    assert_eq!(
        alter(&one, &two, V15),
        (
            vec![format!("ALTER TRIGGER audit ON public.users {depends}")],
            Some(LockMode::AccessExclusive)
        )
    );
    assert_eq!(
        alter(&two, &one, V15).0,
        [format!("ALTER TRIGGER audit ON public.users NO {depends}")]
    );

    let one = function("");
    let mut two = one.clone();
    two.depends_on_extensions = BTreeSet::from(["uuid-ossp".to_owned()]).into();
    assert_eq!(
        alter_function(&one, &two),
        [format!("ALTER FUNCTION public.users_audit() {depends}")]
    );
    assert_eq!(
        alter_function(&two, &one),
        [format!("ALTER FUNCTION public.users_audit() NO {depends}")]
    );
}

#[test]
fn drops_never_cascade() {
    let renderer = Renderer::new(&Postgres, None).unwrap();
    let drop = |definition| Postgres.drop(&definition, &renderer, V15).unwrap();
    let ddl = drop(Definition::from(trigger("")));
    assert_eq!(ddl.statements, ["DROP TRIGGER audit ON public.users"]);
    assert_eq!(ddl.lock, Some(LockMode::AccessExclusive));
    let ddl = drop(Definition::from(function("")));
    assert_eq!(ddl.statements, ["DROP FUNCTION public.users_audit()"]);
    assert_eq!(ddl.lock, None);
}

#[test]
fn functions_are_replaced_renamed_and_moved() {
    let one = function("");
    assert_eq!(alter_function(&one, &one), [""; 0]);
    let mut two = one.clone();
    two.id.name = "other".to_owned();
    two.id.schema = "App".to_owned();
    two.comment = Some("x".to_owned());
    two.volatility = Volatility::Immutable;
    let altered = alter_function(&one, &two);
    assert_eq!(
        altered[..2],
        [
            "ALTER FUNCTION public.users_audit() RENAME TO other",
            "ALTER FUNCTION public.other() SET SCHEMA \"App\"",
        ]
    );
    assert!(altered[2].starts_with(
        "CREATE OR REPLACE FUNCTION \"App\".other() RETURNS trigger LANGUAGE plpgsql IMMUTABLE NOT LEAKPROOF SECURITY \
         INVOKER PARALLEL UNSAFE COST 100 AS $$"
    ));
    assert_eq!(altered[3..], ["COMMENT ON FUNCTION \"App\".other() IS 'x'"]);
    // OR REPLACE forgets the extensions, and keeps owner and rights.
    let mut three = one.clone();
    three.depends_on_extensions = BTreeSet::from(["citext".to_owned()]).into();
    let mut four = three.clone();
    *four.settings = vec![Setting {
        name: "work_mem".to_owned(),
        values: vec!["1MB".to_owned()],
    }];
    four.owner = Some("root".to_owned());
    let altered = alter_function(&three, &four);
    assert_eq!(altered.len(), 2);
    assert!(altered[0].contains(" SET work_mem TO '1MB' AS "));
    assert_eq!(
        altered[1],
        "ALTER FUNCTION public.users_audit() DEPENDS ON EXTENSION citext"
    );
}

#[test]
fn owner_and_rights_come_back_after_a_drop() {
    let mut restored = function("");
    restored.owner = Some("Boss".to_owned());
    restored.grants = Some(vec![
        Grant {
            grantee: Some("Boss".to_owned()),
            grantable: false,
        },
        Grant {
            grantee: Some("clerk".to_owned()),
            grantable: true,
        },
        Grant {
            grantee: None,
            grantable: false,
        },
    ]);
    let created = create_all(&Postgres, &[Definition::from(restored.clone())], V15);
    let function = "FUNCTION public.users_audit()";
    assert_eq!(
        created[1..],
        [
            format!("ALTER {function} OWNER TO \"Boss\""),
            format!("REVOKE ALL ON {function} FROM PUBLIC"),
            format!("REVOKE ALL ON {function} FROM \"Boss\""),
            format!("GRANT EXECUTE ON {function} TO \"Boss\""),
            format!("GRANT EXECUTE ON {function} TO clerk WITH GRANT OPTION"),
            format!("GRANT EXECUTE ON {function} TO PUBLIC"),
        ]
    );
    restored.grants = None;
    assert_eq!(
        create_all(&Postgres, &[Definition::from(restored)], V15).len(),
        2
    );
}

#[test]
fn owner_and_rights_are_changed_where_the_function_runs_with_them() {
    let grant = |grantee: Option<&str>, grantable| Grant {
        grantee: grantee.map(str::to_owned),
        grantable,
    };
    let mut before = function("");
    before.owner = Some("old".to_owned());
    before.grants = Some(vec![
        grant(Some("old"), false),
        grant(Some("clerk"), true),
        grant(Some("x"), false),
    ]);
    let mut after = function("");
    after.owner = Some("New".to_owned());
    after.grants = Some(vec![
        grant(None, false),
        grant(Some("New"), false),
        grant(Some("clerk"), false),
        grant(Some("x"), true),
    ]);
    // Whoever it is, an INVOKER runs as who fires it.
    assert!(alter_function(&before, &after).is_empty());
    before.security = Security::Definer;
    after.security = Security::Definer;
    let function = "FUNCTION public.users_audit()";
    let there = alter_function(&before, &after);
    assert_eq!(
        there,
        [
            format!("ALTER {function} OWNER TO \"New\""),
            format!("REVOKE ALL ON {function} FROM clerk"),
            format!("GRANT EXECUTE ON {function} TO PUBLIC"),
            format!("GRANT EXECUTE ON {function} TO clerk"),
            format!("GRANT EXECUTE ON {function} TO x WITH GRANT OPTION"),
        ]
    );
    assert!(alter_function(&after, &after).is_empty());
    // As the server fills it in is the same, written out.
    before = after.clone();
    before.grants = None;
    after.grants = Some(vec![grant(Some("New"), false), grant(None, false)]);
    assert!(alter_function(&before, &after).is_empty());
    // Where nobody knows who owns it, nobody is put in his place.
    before.owner = None;
    assert!(alter_function(&before, &after).is_empty());
}

#[test]
fn a_function_in_c_is_restored() {
    let mut c = function("");
    c.language = "c".to_owned();
    c.cost = 1.0;
    c.source = FunctionSource::Library {
        file: "$libdir/refint".to_owned(),
        symbol: "check_primary_key".to_owned(),
    };
    let created = create_all(&Postgres, &[Definition::from(c)], V15).remove(0);
    assert!(
        created.ends_with("COST 1\nAS '$libdir/refint', 'check_primary_key'"),
        "{created}"
    );
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let renderer = Renderer::new(&Postgres, None).unwrap();
    let mut unread = trigger("");
    unread.condition = Some(Condition::Unread);
    let error = Postgres
        .create(&Definition::from(unread), &renderer, V15)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the condition of audit on public.users was not read from the catalog"
    );
    let error = Postgres
        .alter(
            &Definition::from(trigger("")),
            &Definition::from(function("")),
            &renderer,
            V15,
        )
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "trigger audit on public.users cannot become function public.users_audit"
    );
}
