//! What PostgreSQL cannot do, with the place in the spec and the way out.

use super::*;
use crate::dialect::testing::{facts, lower, problems};
use crate::dialect::{TableFacts, TableKind};

fn refused(changes: &str) -> String {
    problems(&Postgres, &with(changes), None)
}

#[test]
fn combinations_that_cannot_be() {
    for (changes, expected) in [
        (
            "timing = 'instead_of'\nfor_each = 'statement'",
            "8:12 `'statement'`: an INSTEAD OF trigger fires for each row\n  = help: use `for_each = \"row\"`\n",
        ),
        (
            "timing = 'instead_of'\nwhen = 'true'",
            "8:8 `'true'`: an INSTEAD OF trigger has no condition\n  = help: put it into the body: `IF … THEN … END \
             IF;`\n",
        ),
        (
            "timing = 'instead_of'\nevents = ['update']\nupdate_of = ['a']",
            "8:13 `['a']`: an INSTEAD OF trigger has no list of columns\n  = help: compare OLD and NEW in the body\n",
        ),
        (
            "timing = 'instead_of'\nevents = ['truncate']",
            "6:11 `'truncate'`: there is no INSTEAD OF TRUNCATE\n  = help: remove `truncate` from `events`\n",
        ),
        (
            "events = ['insert', 'truncate']",
            "6:21 `'truncate'`: TRUNCATE fires no triggers for each row\n  = help: use `for_each = \"statement\"`, in a \
             trigger of its own where the others are for each row\n",
        ),
        (
            "timing = 'before'\n[trigger.postgres]\nconstraint = { deferrable = false }",
            "5:10 `'before'`: a constraint trigger is an AFTER trigger\n  = help: use `timing = \"after\"`, or remove \
             `constraint`\n",
        ),
        (
            "for_each = 'statement'\n[trigger.postgres]\nconstraint = { deferrable = false }",
            "8:12 `'statement'`: a constraint trigger fires for each row\n  = help: use `for_each = \"row\"`, or remove \
             `constraint`\n",
        ),
        (
            "timing = 'before'\n[trigger.postgres]\nreferencing = { new_table = 'n' }",
            "9:15 `{ new_table = 'n' }`: transition tables are for AFTER triggers\n  = help: use `timing = \"after\"`, \
             or remove `referencing`\n",
        ),
        (
            "events = ['insert', 'update']\n[trigger.postgres]\nreferencing = { new_table = 'n' }",
            "9:15 `{ new_table = 'n' }`: transition tables are for triggers with one event\n  = help: write one trigger \
             for each event\n",
        ),
        (
            "events = ['update']\nupdate_of = ['a']\n[trigger.postgres]\nreferencing = { new_table = 'n' }",
            "8:13 `['a']`: transition tables and a list of columns do not go together\n  = help: remove `update_of`, and \
             compare the two tables in the body\n",
        ),
        (
            "events = ['truncate']\nfor_each = 'statement'\n[trigger.postgres]\nreferencing = { old_table = 'o' }",
            "10:15 `{ old_table = 'o' }`: TRUNCATE has no transition tables\n  = help: remove `referencing`\n10:29 \
             `'o'`: `old_table` needs the event `update` or `delete`\n  = help: remove it\n",
        ),
        (
            "[trigger.postgres]\nconstraint = { deferrable = false }\nreferencing = { new_table = 'n' }",
            "10:15 `{ new_table = 'n' }`: a constraint trigger has no transition tables\n  = help: remove `referencing` \
             or `constraint`\n",
        ),
        (
            "events = ['delete']\n[trigger.postgres]\nreferencing = { new_table = 'n' }",
            "9:29 `'n'`: `new_table` needs the event `insert` or `update`\n  = help: remove it\n",
        ),
    ] {
        assert_eq!(refused(changes), expected, "{changes}");
    }
}

#[test]
fn conditions_that_cannot_be() {
    for (changes, expected) in [
        (
            "when = 'NEW.a > 0 AND OLD.a > 0'",
            "8:23 `OLD`: INSERT has no OLD row\n  = help: remove what speaks of OLD\n",
        ),
        (
            "events = ['update', 'delete']\nwhen = '\"new\".a > 0'",
            "8:9 `\"new\"`: DELETE has no NEW row\n  = help: write a trigger of its own for `delete`\n",
        ),
        (
            "for_each = 'statement'\nevents = ['update']\nwhen = 'NEW.a > 0'",
            "9:9 `NEW`: the condition of a statement-level trigger cannot speak of NEW\n  = help: use `for_each = \
             \"row\"`, or ask in the body\n",
        ),
        (
            "when = 'EXISTS (SELECT 1)'",
            "8:17 `SELECT`: a condition cannot have a subquery\n  = help: put it into the body: `IF EXISTS (SELECT …) \
             THEN … END IF;`\n",
        ),
        (
            "when = 'true) EXECUTE FUNCTION evil() --'",
            "8:13 `)`: the `when` has a `)` that nothing opens\n  = help: remove it, or write the `(` before it\n",
        ),
        (
            "when = 'true; DROP TABLE users'",
            "8:13 `;`: the `when` is more than one expression\n  = help: a condition is one expression: remove the \
             `;`\n",
        ),
        (
            "when = '$$ = 1'",
            "8:9 `$$ = 1`: the `when` has a quote or comment that never ends\n  = help: close it\n",
        ),
    ] {
        assert_eq!(refused(changes), expected, "{changes}");
    }
    // Columns of these names, and texts, are something else.
    for when in [
        "NEW.old > 0 AND NEW.\"select\" > 0 AND NEW.select > 0",
        "NEW.a = 'OLD.a' OR NEW.a = $$select$$ /* OLD */",
        "NEW.\"OLD\" = 'x;'",
    ] {
        let when = toml::Value::String(when.to_owned());
        lower(&Postgres, &with(&format!("when = {when}")), None).unwrap();
    }
}

#[test]
fn bodies_that_cannot_be() {
    for (changes, expected) in [
        (
            "body = ' /* */ '",
            "7:9 ` /* */ `: the `body` is empty\n  = help: say what it is to do\n",
        ),
        (
            "body = 'PERFORM $x$ a'",
            "7:17 `$x$ a`: the `body` has a quote or comment that never ends\n  = help: close it\n",
        ),
        (
            "[trigger.postgres]\ndeclare = '/* n int'",
            "9:12 `/* n int`: the `declare` has a quote or comment that never ends\n  = help: close it\n",
        ),
        (
            "body = '{{ table }}'",
            "7:12 `table`: `{{ table }}` prints a bare value\n  = help: put a filter after it, such as `| ident` for a \
             name, `| literal` for a value, or `| sql` for text that is SQL\n",
        ),
        (
            "events = ['insert', 'update']\nbody = '{{ event | literal }}'",
            "7:12 `event`: `event` is not defined here\n  = help: `event` is known where a trigger has one event; where \
             it can have several use `operation()`\n",
        ),
    ] {
        assert_eq!(refused(changes), expected, "{changes}");
    }
}

#[test]
fn names_that_would_be_cut() {
    let long = "x".repeat(64);
    let message = format!(
        "name `{long}` is 64 bytes long, and PostgreSQL cuts names at 63\n  = help: choose a shorter name\n"
    );
    for (changes, place) in [
        (
            format!("name = '{long}'"),
            format!("3:8 `'{long}'`: the trigger "),
        ),
        (
            format!("[trigger.postgres]\nfunction_name = '{long}'"),
            format!("9:17 `'{long}'`: the function "),
        ),
        (
            format!("[trigger.postgres]\nreferencing = {{ new_table = '{long}' }}"),
            format!("9:29 `'{long}'`: the transition table "),
        ),
    ] {
        assert_eq!(refused(&changes), format!("{place}{message}"));
    }
    // 63 bytes are not 63 characters.
    assert!(refused(&format!("name = '{}'", "é".repeat(32))).contains("is 64 bytes long"));
    let function = format!("[[function]]\nname = '{long}'\nbody = 'BEGIN END'\n");
    assert!(problems(&Postgres, &function, None).contains("the function name"));
}

#[test]
fn tables_that_cannot_have_it() {
    let child = || TableFacts {
        is_child: true,
        ..facts(TableKind::Table, &["a"])
    };
    let of = |kind| facts(kind, &["id", "=total"]);
    let rows = "[trigger.postgres]\nreferencing = { new_table = 'n' }";
    for (facts, changes, expected) in [
        (
            of(TableKind::MaterializedView),
            "",
            "2:1 `[[trigger]]`: `public.users` is a materialised view: it has no triggers\n  = help: put the trigger on \
             the tables that it is made of\n",
        ),
        (
            of(TableKind::View),
            "",
            "5:10 `'after'`: `public.users` is a view: it has no AFTER triggers for each row\n  = help: use `timing = \
             \"instead_of\"`, or `for_each = \"statement\"`\n",
        ),
        (
            of(TableKind::View),
            "events = ['truncate']\nfor_each = 'statement'",
            "6:11 `'truncate'`: a view cannot be truncated\n  = help: remove `truncate` from `events`\n",
        ),
        (
            of(TableKind::Table),
            "timing = 'instead_of'",
            "5:10 `'instead_of'`: `public.users` is a table: INSTEAD OF triggers are for views\n  = help: use `timing = \
             \"before\"` or `timing = \"after\"`\n",
        ),
        (
            of(TableKind::Foreign),
            "[trigger.postgres]\nconstraint = { deferrable = true }",
            "9:14 `{ deferrable = true }`: `public.users` is no table of this database: it has no constraint triggers\n  \
             = help: remove `constraint`\n",
        ),
        (
            of(TableKind::Foreign),
            rows,
            "9:15 `{ new_table = 'n' }`: `public.users` is a foreign table: it has no transition tables\n  = help: \
             remove `referencing`\n",
        ),
        (
            of(TableKind::Partitioned),
            rows,
            "9:15 `{ new_table = 'n' }`: `public.users` is partitioned: its triggers for each row have no transition \
             tables\n  = help: use `for_each = \"statement\"`\n",
        ),
        (
            child(),
            rows,
            "9:15 `{ new_table = 'n' }`: `public.users` is a partition or inherits: its triggers for each row have no \
             transition tables\n  = help: use `for_each = \"statement\"`\n",
        ),
        (
            of(TableKind::Table),
            "timing = 'before'\nwhen = 'NEW.Total > 0'",
            "8:9 `NEW.Total`: the generated column `total` is not worked out yet before the change\n  = help: use \
             `timing = \"after\"`, or the columns that it is made of\n",
        ),
        (
            of(TableKind::Table),
            "timing = 'before'\nevents = ['update']\nwhen = 'NEW IS DISTINCT FROM OLD'",
            "8:9 `NEW`: NEW as a whole has generated columns, which are not worked out yet before the change\n  = help: \
             use `timing = \"after\"`, or the columns that it is made of\n",
        ),
        (
            of(TableKind::Table),
            "events = ['update']\nupdate_of = ['ID', 'totla']",
            "8:14 `'ID'`: `users` has no column `ID`\n  = help: did you mean `id`?\n8:20 `'totla'`: `users` has no column \
             `totla`\n  = help: did you mean `total`?\n",
        ),
    ] {
        assert_eq!(
            problems(&Postgres, &with(changes), Some(facts)),
            expected,
            "{changes}"
        );
    }
    for (facts, changes) in [
        (of(TableKind::View), "timing = 'instead_of'"),
        (of(TableKind::View), "for_each = 'statement'"),
        (
            child(),
            "[trigger.postgres]\nreferencing = { new_table = 'n' }\nfor_each = 'statement'",
        ),
        (of(TableKind::Table), "when = 'NEW.total > 0'"),
        (
            of(TableKind::Table),
            "timing = 'before'\nevents = ['update']\nwhen = 'OLD.total > 0 AND NEW.id > 0'",
        ),
    ] {
        lower(&Postgres, &with(changes), Some(facts)).unwrap();
    }
}

#[test]
fn functions_that_cannot_be() {
    let function = |changes: &str| {
        let text = changed(
            "[[function]]\nname = 'f'\nbody = 'BEGIN RETURN NULL; END'\n",
            changes,
        );
        problems(&Postgres, &text, None)
    };
    for (changes, expected) in [
        (
            "language = 'sql'",
            "5:12 `'sql'`: a function in SQL cannot be a trigger function\n  = help: use `language = \"plpgsql\"`\n",
        ),
        (
            "language = 'C'",
            "5:12 `'C'`: a function in C has no body that could be written here\n  = help: use `language = \
             \"plpgsql\"`\n",
        ),
        (
            "body = '{{ table | ident }}'",
            "4:12 `table`: `table` is not defined here\n",
        ),
        (
            "body = ' /**/'",
            "4:9 ` /**/`: the `body` is empty\n  = help: say what it is to do\n",
        ),
        (
            "cost = 1e-60",
            "5:8 `1e-60`: the cost is out of range\n  = help: PostgreSQL keeps it as a `real` above 0; the default is \
             `cost = 100`\n",
        ),
        (
            "body = '{{ none | sql }}'",
            "4:19 `sql`: the filter `sql` takes a text that is SQL, not a none\n",
        ),
    ] {
        assert_eq!(function(changes), expected, "{changes}");
    }
}

#[test]
fn a_trigger_without_a_body_for_this_dialect() {
    let text = "[[trigger]]\nname = 'a'\ntable = 't'\ntiming = 'after'\nevents = ['insert']\n[trigger.sqlite]\nbody = \
                'SELECT 1'\n";
    assert_eq!(
        problems(&Postgres, text, None),
        "2:1 `[[trigger]]`: the trigger has no `body` for PostgreSQL\n  = help: add `body = \"…\"` or `function = \
         \"…\"` under `[trigger.postgres]`\n"
    );
}
