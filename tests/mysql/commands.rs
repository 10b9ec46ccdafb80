//! Every command as a person uses it.

use crate::common::mysql::{Engine, Mysql};
use crate::common::{self, Live, Sandbox, assert_same};
use crate::{Test, counting, empty_plan, spec, tables};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("a_script_does_the_same", a_script_does_the_same),
    (
        "every_command_and_every_format",
        every_command_and_every_format,
    ),
    (
        "a_table_that_is_replaced_has_no_trigger",
        a_table_that_is_replaced_has_no_trigger,
    ),
    (
        "a_column_that_went_is_no_difference_and_is_named",
        a_column_that_went_is_no_difference_and_is_named,
    ),
];

/// As by tools that build a table anew beside the old one: the old table takes the trigger along, and is dropped some time later.
fn a_table_that_is_replaced_has_no_trigger(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let sandbox = spec(&counting("t0", "counts", 0));
    sandbox.on(&live, &["apply", "--yes"]).ok();
    let triggers = live.snapshot();
    live.batch("CREATE TABLE _t0_gho LIKE t0");
    live.batch("RENAME TABLE t0 TO _t0_del, _t0_gho TO t0");
    let before = live.everything();
    for (command, code) in [(&["check"][..], 2), (&["apply", "--yes"], 3)] {
        sandbox
            .on(&live, command)
            .code(code)
            .says(&["since version 1", "_t0_del", "went along"])
            .never_says(&["did not create"]);
    }
    assert_same("after a refusal", &before, &live.everything());
    live.batch("DROP TABLE _t0_del");
    sandbox.on(&live, &["check"]).code(2).says(&["restore"]);
    sandbox.on(&live, &["apply", "--yes"]).ok();
    assert_same("the trigger", &triggers, &live.snapshot());
    empty_plan(&sandbox, &live);
}

fn a_column_that_went_is_no_difference_and_is_named(engine: Engine) {
    let mut live = Mysql::of(engine);
    live.batch("CREATE TABLE t0 (id integer, n integer)");
    live.batch(
        "CREATE TRIGGER fills BEFORE INSERT ON t0 FOR EACH ROW SET NEW.n = coalesce(NEW.n, 0)",
    );
    live.batch("ALTER TABLE t0 RENAME COLUMN n TO m");
    let sandbox = Sandbox::new();
    sandbox
        .on(&live, &["import", "-o", "triggers.toml"])
        .ok()
        .says(&["has faults in the database already"]);
    let text = sandbox.read("triggers.toml");
    assert!(text.contains("rule = \"missing_reference\""), "{text}");
    sandbox.on(&live, &["plan", "--detailed-exitcode"]).ok();
    sandbox.on(&live, &["check"]).ok();
    sandbox.on(&live, &["apply", "--yes"]).ok();

    // It is not made anew, allowed or not.
    let missing = ["`t0` has no column `n`"];
    live.batch("DROP TRIGGER fills");
    sandbox.on(&live, &["plan"]).code(1).says(&missing);
    sandbox
        .on(&live, &["apply", "--yes"])
        .code(1)
        .says(&missing);
    live.batch("ALTER TABLE t0 RENAME COLUMN m TO n");
    sandbox.on(&live, &["apply", "--yes"]).ok();
    live.batch("ALTER TABLE t0 RENAME COLUMN n TO m");
    let lines = text.lines().filter(|line| !line.starts_with("allow"));
    let text = lines.collect::<Vec<_>>().join("\n");
    sandbox.write("triggers.toml", &text);
    sandbox.on(&live, &["check"]).code(2).says(&missing);
    sandbox.write("triggers.toml", text.replace("\"fills\"", "\"other\""));
    let before = live.everything();
    for command in [&["plan"][..], &["apply", "--yes"]] {
        sandbox.on(&live, command).code(1).says(&missing);
    }
    assert_same("after a refusal", &before, &live.everything());
}

fn every_command_and_every_format(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 2);
    live.batch("CREATE TRIGGER old BEFORE INSERT ON t0 FOR EACH ROW SET @old = NEW.id");
    let sandbox = Sandbox::new();
    sandbox.on(&live, &["init"]).ok();
    let text = sandbox.read("triggers.toml");
    assert!(
        text.contains("name   = \"old\"") && text.contains("SET @old = NEW.id"),
        "{text}"
    );
    assert!(!text.contains(&format!("\"{}.t0", live.name())), "{text}");
    sandbox
        .on(&live, &["plan", "--detailed-exitcode"])
        .ok()
        .says(&["adopt trigger old"]);
    sandbox
        .on(&live, &["apply", "--yes", "-m", "what there was"])
        .ok();
    let first = live.snapshot();
    sandbox.write(
        "triggers.toml",
        format!("{text}\n{}", counting("t1", "fresh", 1)),
    );
    let rendered = sandbox.run(&["render", "--dialect", "mysql"]).ok().stdout;
    assert!(rendered.contains("TRIGGER fresh"), "{rendered}");
    let untouched = live.everything();
    sandbox.on(&live, &["validate"]).ok();
    sandbox
        .on(&live, &["plan"])
        .ok()
        .says(&["create trigger fresh", "1 to create"]);
    let json = sandbox
        .on(&live, &["plan", "--format", "json", "--out", "plan.json"])
        .ok()
        .json();
    assert_eq!(json["changes"][0]["action"], "create", "{json:#}");
    assert_eq!(json["target"]["dialect"], "mysql");
    sandbox
        .on(&live, &["plan", "--format", "sql"])
        .ok()
        .says(&["DELIMITER //", "SET NAMES utf8mb4"]);
    sandbox.on(&live, &["check"]).code(2);
    sandbox.on(&live, &["import"]).ok();
    assert_same("the database", &untouched, &live.everything());
    sandbox.on(&live, &["apply", "--yes", "plan.json"]).ok();
    sandbox.on(&live, &["apply", "--yes", "plan.json"]).code(3);
    empty_plan(&sandbox, &live);
    sandbox.on(&live, &["history"]).ok().says(&[
        "version 1",
        "version 2",
        "what there was",
        "1 created",
    ]);
    let history = sandbox
        .on(&live, &["history", "--format", "json"])
        .ok()
        .json();
    assert_eq!(
        history["migrations"].as_array().unwrap().len(),
        2,
        "{history:#}"
    );
    sandbox
        .on(&live, &["repair"])
        .ok()
        .says(&["nothing is broken off"]);
    sandbox.on(&live, &["rollback", "--yes"]).ok();
    assert_same("the catalog", &first, &live.snapshot());
    sandbox.on(&live, &["rollback", "--to", "0", "--yes"]).ok();
    // What was there before triggerctl stays.
    assert_same("the catalog", &first, &live.snapshot());
}

fn a_script_does_the_same(engine: Engine) {
    let mut live = Mysql::of(engine);
    tables(&mut live, 1);
    let sandbox = spec(&counting("t0", "a", 1));
    let sql = sandbox.on(&live, &["plan", "--format", "sql"]).ok().stdout;
    common::script(&live, &sql).ok();
    assert!(live.snapshot().contains("'a 1'"));
    assert_eq!(live.versions(), ["1 applied"]);
    sandbox.on(&live, &["check"]).ok();
    // The same script a second time stops before it has done anything.
    let run = common::script(&live, &sql);
    assert_ne!(run.code, Some(0), "{run}");
    // What the client might take for words of its own, and line ends that it would rewrite.
    let odd = r"a\r\n.quit\n\\\\q\n\\G \\g\nDELIMITER ;\n// ; -- /* # \tb \u2028\n/\ngo\n\rc";
    let trigger = counting("t0", "b", 1).replace("'b 1'", &format!("'{odd}'"));
    sandbox.write("triggers.toml", format!("version = 1\n\n{trigger}"));
    let sql = sandbox.on(&live, &["plan", "--format", "sql"]).ok().stdout;
    common::script(&live, &sql).ok();
    sandbox.on(&live, &["check"]).ok();
}
