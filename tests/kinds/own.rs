//! Kinds of the user's own: they win over built-in ones, they are read as strictly as a spec, and an error in them shows
//! both places.

use libtest_mimic::Trial;

use crate::common::{Live as _, Sandbox, compare_file, repository, sqlite::Sqlite};

const KIND: &str = r#"
description = "Counts in a table of its own."

[parameters.target]
type = "table"
doc  = "The table."

[parameters.step]
type    = "integer"
default = 1
doc     = "How much."

[without]
mysql = "it was never tried there"

[[trigger]]
timing = "after"
events = ["insert"]
body   = "{% include 'kinds/tally/body.sql' %}"

[[table]]
parameter = "target"
doc       = "The number."
columns   = ["n"]
create    = "CREATE TABLE {{ target | ident }} (n integer)"

[example]
with = { target = "tally" }
[[example.table]]
name    = "t"
columns = { id = "integer" }
"#;

const SPEC: &str = r#"version = 1
templates = "templates"
[[trigger]]
use   = "tally"
table = "t"
with  = { target = "{{ table }}_tally", step = 2 }
dialects = ["sqlite", "postgres"]
"#;

pub(crate) fn trials() -> Vec<Trial> {
    type Test = fn();
    let tests: [(&str, Test); 9] = [
        (
            "a_trigger_on_another_table_is_no_use_there",
            a_trigger_on_another_table_is_no_use_there,
        ),
        ("a_kind_of_ones_own", a_kind_of_ones_own),
        ("one_wins_over_a_built_in_one", one_wins_over_a_built_in_one),
        ("mistakes_have_their_place", mistakes_have_their_place),
        ("every_mistake_is_explained", every_mistake_is_explained),
        (
            "a_template_error_shows_both_places",
            a_template_error_shows_both_places,
        ),
        ("a_dialect_that_cannot", a_dialect_that_cannot),
        (
            "a_condition_of_the_use_is_one_more",
            a_condition_of_the_use_is_one_more,
        ),
        ("a_new_column_is_followed", a_new_column_is_followed),
    ];
    tests
        .into_iter()
        .map(|(name, test)| {
            Trial::test(format!("own::{name}"), move || {
                test();
                Ok(())
            })
        })
        .collect()
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_spec(SPEC);
    sandbox.write("templates/kinds/tally/kind.toml", KIND);
    sandbox.write(
        "templates/kinds/tally/body.sql",
        "UPDATE {{ target | ident }} SET n = n + {{ step | literal }};",
    );
    sandbox
}

fn database() -> Sqlite {
    let mut live = Sqlite::new();
    live.batch("CREATE TABLE t (id integer PRIMARY KEY, a text); CREATE TABLE t_tally (n integer); INSERT INTO t_tally VALUES (0);");
    live
}

fn a_kind_of_ones_own() {
    let sandbox = sandbox();
    let mut live = database();
    sandbox.run(&["validate"]).ok();
    sandbox
        .run(&["kinds"])
        .ok()
        .says(&["tally", "sqlite and postgres only", "own)"]);
    sandbox.run(&["kinds", "tally"]).ok().says(&[
        "step: integer, default 1",
        "never tried there",
        "UPDATE tally SET n = n + 1",
    ]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch("INSERT INTO t (id) VALUES (1), (2);");
    assert_eq!(live.run("SELECT n FROM t_tally"), "4\n");
    // A change of the folder is a change of the spec.
    sandbox.write(
        "templates/kinds/tally/body.sql",
        "UPDATE {{ target | ident }} SET n = n + 10 * {{ step | literal }};",
    );
    sandbox
        .on(&live, &["plan", "--detailed-exitcode"])
        .code(2)
        .says(&["replace", "the spec changed: body"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch("INSERT INTO t (id) VALUES (3);");
    assert_eq!(live.run("SELECT n FROM t_tally"), "24\n");
}

fn one_wins_over_a_built_in_one() {
    let sandbox = Sandbox::with_spec(
        "version = 1\ntemplates = \"templates\"\n[[trigger]]\nuse = \"protect\"\ntable = \"t\"\nwith = { target = \"t_tally\" }\n",
    );
    sandbox.write(
        "templates/kinds/protect/kind.toml",
        KIND.replace("kinds/tally", "kinds/protect"),
    );
    sandbox.write("templates/kinds/protect/body.sql", "SELECT 1;");
    let live = database();
    sandbox
        .on(&live, &["plan", "-v"])
        .ok()
        .says(&["t_protect", "SELECT 1;"]);
}

fn mistakes_have_their_place() {
    let sandbox = sandbox();
    let broken = KIND
        .replace("type = \"table\"", "type = \"tabel\"")
        .replace("timing = \"after\"", "tming = \"after\"")
        .replace("parameter = \"target\"", "parameter = \"step\"")
        .replace("default = 1", "default = \"one\"");
    sandbox.write("templates/kinds/tally/kind.toml", broken);
    sandbox.run(&["validate"]).code(1).says(&[
        "`type` cannot be `tabel`, did you mean `table`?",
        "kind.toml:5:8",
        "unknown key `tming`, did you mean `timing`?",
        "the parameter `step` is no table",
        "`step` must be an integer",
    ]);
    sandbox.write("templates/kinds/tally/kind.toml", "description = 'x'\n");
    sandbox
        .run(&["validate"])
        .code(1)
        .says(&["this kind has no `trigger`", "this kind has no `example`"]);
}

/// One mistake at a time, and all that is said of it, in `mistakes.txt`. `SNAPSHOTS=overwrite` writes it.
#[allow(clippy::too_many_lines)] // A list.
fn every_mistake_is_explained() {
    const END: &str = "columns = { id = \"integer\" }\n";
    let edits: [(&str, &str, &str); 19] = [
        ("no TOML", "type    = \"integer\"", "type    = integer\""),
        ("an unknown key", "description =", "descr ="),
        (
            "no description",
            "description = \"Counts in a table of its own.\"",
            "",
        ),
        (
            "a wrong type",
            "description = \"Counts in a table of its own.\"",
            "description = 7",
        ),
        ("a parameter without a type", "type    = \"integer\"\n", ""),
        ("a parameter without a doc", "doc     = \"How much.\"\n", ""),
        ("a default of another type", "default = 1", "default = [1]"),
        (
            "words of no word",
            "default = 1",
            "default = 1\nwords = [\"a\"]",
        ),
        ("a dialect that is none", "mysql = \"it", "mysq = \"it"),
        ("an event that is none", "[\"insert\"]", "[\"insret\"]"),
        (
            "a trigger without a body",
            "body   = \"{% include 'kinds/tally/body.sql' %}\"\n",
            "",
        ),
        ("a body that is no template", "body.sql' %}", "body.sql' }"),
        (
            "a file that is not there",
            "tally/body.sql",
            "tally/boddy.sql",
        ),
        (
            "a file of a kind by its name alone",
            "kinds/tally/body.sql",
            "body.sql",
        ),
        (
            "a file of nobody's",
            "kinds/tally/body.sql",
            "kinds/other/text.sql",
        ),
        (
            "a table of no parameter",
            "parameter = \"target\"",
            "parameter = \"targett\"",
        ),
        (
            "an example of something else",
            "with = { target = \"tally\" }",
            "with = { tarrget = \"tally\" }",
        ),
        (
            "a test that is none",
            END,
            &format!("{END}[[test]]\nname = \"x\"\nexpect = 1\n"),
        ),
        (
            "a need that is none",
            END,
            &format!("{END}[needs]\nprimary_kee = \"it counts\"\n"),
        ),
    ];
    let mut all = String::new();
    for (what, from, to) in edits {
        let kind = KIND.replace(from, to);
        assert_ne!(kind, KIND, "{what}");
        let sandbox = sandbox();
        sandbox.write("templates/kinds/tally/kind.toml", kind);
        // What only shows how it is used, and tries it, is read where that is asked for.
        let command = match what {
            "an example of something else" => &["kinds", "tally"][..],
            "a test that is none" => &["test", "--kind", "tally"],
            _ => &["plan"],
        };
        let shown = sandbox.on(&database(), command).code(1).stderr;
        all.extend(["# ", what, "\n\n", &shown, "\n"]);
    }
    let wide: Vec<&str> = all
        .lines()
        .filter(|line| line.chars().count() > 80)
        .collect();
    assert!(wide.is_empty(), "{wide:#?}");
    compare_file(&repository().join("tests/kinds/mistakes.txt"), &all);
}

fn a_template_error_shows_both_places() {
    let sandbox = sandbox();
    sandbox.write(
        "templates/kinds/tally/body.sql",
        "UPDATE {{ target | ident }} SET n = n + {{ stp | literal }};",
    );
    sandbox.on(&database(), &["plan"]).code(1).says(&[
        "`stp` is not defined here",
        "body.sql:1:",
        "called here",
        "triggers.toml:4:9",
        "in this use of the kind",
    ]);
}

fn a_dialect_that_cannot() {
    let sandbox = sandbox();
    let spec = SPEC.replace("dialects = [\"sqlite\", \"postgres\"]\n", "");
    sandbox.write("triggers.toml", spec);
    sandbox
        .run(&["validate", "--dialect", "mysql"])
        .code(1)
        .says(&[
            "the kind `tally` is not for MySQL: it was never tried there",
            "triggers.toml:4:9",
            "leave mysql out of `dialects`",
        ]);
}

fn a_condition_of_the_use_is_one_more() {
    let sandbox = Sandbox::with_spec(
        r#"version = 1
[[trigger]]
use   = "updated_at"
table = "t"
when  = "NEW.id > 1 -- not the first"
with  = { column = "a" }
"#,
    );
    let mut live = Sqlite::new();
    live.batch("CREATE TABLE t (id integer PRIMARY KEY, b, a text); INSERT INTO t VALUES (1, 1, NULL), (2, 2, NULL);");
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch("UPDATE t SET b = b + 1");
    assert_eq!(live.run("SELECT id FROM t WHERE a IS NOT NULL"), "2\n");
    sandbox.write(
        "triggers.toml",
        "version = 1\n[[trigger]]\nuse = \"updated_at\"\ntable = \"t\"\ntiming = \"after\"\nwith = { column = \"aa\" }\n",
    );
    sandbox.on(&live, &["plan"]).code(1).says(&[
        "`timing` is for the kind to say",
        "triggerctl kinds updated_at",
    ]);
    sandbox.write(
        "triggers.toml",
        "version = 1\n[[trigger]]\nuse = \"updated_at\"\ntable = \"t\"\nwith = { column = \"aa\" }\n",
    );
    sandbox
        .on(&live, &["plan"])
        .code(1)
        .says(&["`t` has no column `aa`", "triggers.toml:5:19"]);
}

fn a_new_column_is_followed() {
    let sandbox = Sandbox::with_spec(
        "version = 1\n[[trigger]]\nuse = \"audit\"\ntable = \"t\"\ncreate_table = true\n",
    );
    let mut live = Sqlite::new();
    live.batch("CREATE TABLE t (id integer PRIMARY KEY, a text);");
    sandbox.on(&live, &["apply", "--yes"]).ok();
    sandbox.on(&live, &["plan", "--detailed-exitcode"]).ok();
    live.batch("ALTER TABLE t ADD COLUMN phone text;");
    sandbox
        .on(&live, &["plan", "--detailed-exitcode"])
        .code(2)
        .says(&["because table t gained column phone"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch("INSERT INTO t VALUES (1, 'x', '123');");
    assert_eq!(
        live.run("SELECT new_row FROM t_audit"),
        "{\"id\":1,\"a\":\"x\",\"phone\":\"123\"}\n"
    );
}

/// `mirror` has a trigger on the parent, which is not mirrored for that.
fn a_trigger_on_another_table_is_no_use_there() {
    let sandbox = Sandbox::with_spec(
        r#"version = 1
[[trigger]]
use   = "mirror"
table = "comments"
with  = { parent = "users", key = "author_id", columns = { author_name = "name" } }

[[require]]
tables = ["comments", "users"]
use    = "mirror"
"#,
    );
    let mut live = Sqlite::new();
    live.batch(
        "CREATE TABLE users (id integer PRIMARY KEY, name text);
         CREATE TABLE comments (id integer PRIMARY KEY, author_id integer, author_name text);",
    );
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let triggers = "SELECT DISTINCT tbl_name FROM sqlite_schema WHERE type = 'trigger' ORDER BY 1";
    assert_eq!(live.run(triggers), "comments\nusers\n");
    let run = sandbox.on(&live, &["check"]).code(2);
    let run = run.says(&["users: no trigger of the kind `mirror`"]);
    assert!(!run.stdout.contains("comments: no trigger"), "{run}");
}
