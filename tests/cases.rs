//! Every folder of `fixtures/cases`, live, in every dialect, with the real binary (the dialect `mysql` on MariaDB and on
//! MySQL 9): what `render` prints, then load,
//! plan, apply, plan is empty, fire, roll back, and the catalog is as before.
//!
//! A case has `triggers.toml`; `before.sql`, which makes its tables; `expected/<dialect>.sql`, what `render` prints, or
//! `expected/<dialect>.err`, why the dialect cannot; `fire.sql`, statements with a blank line between them; and
//! `rows.txt`, what they give: rows, and `error: …`. Where dialects differ: `before.<dialect>.sql`,
//! `fire.<dialect>.sql`, `rows/<dialect>.txt`. A case that needs a live table to be rendered has
//! `expected/<dialect>.render.err` as well, what `render` says; its `.sql` is then what the plan runs.
//! `SNAPSHOTS=overwrite` writes the expected files; then read them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};

use common::{
    Live, Sandbox, assert_same, compare_file,
    mysql::{Engine, Mysql},
    postgres::Postgres,
    repository,
    sqlite::Sqlite,
};
use libtest_mimic::{Arguments, Trial};

fn main() {
    let mut cases: Vec<PathBuf> = std::fs::read_dir(repository().join("fixtures/cases"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(
        cases.len() >= 40,
        "fixtures/cases has only {} cases",
        cases.len()
    );
    let trials = cases
        .into_iter()
        .flat_map(|folder| {
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            let other = folder.clone();
            let mysql = Engine::ALL.map(|engine| {
                let folder = folder.clone();
                let trial = Trial::test(format!("{name}::{}", engine.name()), move || {
                    check(&folder, &mut Mysql::of(engine));
                    Ok(())
                });
                trial.with_ignored_flag(engine.is_missing())
            });
            let others = [
                Trial::test(format!("{name}::sqlite"), move || {
                    check(&folder, &mut Sqlite::new());
                    Ok(())
                }),
                Trial::test(format!("{name}::postgres"), move || {
                    check(&other, &mut Postgres::new());
                    Ok(())
                }),
            ];
            others.into_iter().chain(mysql)
        })
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn check(folder: &Path, live: &mut dyn Live) {
    let dialect = live.dialect();
    let expected = folder.join("expected");
    let sandbox = Sandbox::new();
    copy(folder, sandbox.path());
    live.batch(&variant(folder, "before", dialect, "sql").unwrap_or_default());
    let before = live.snapshot();
    let untouched = live.everything();

    let render = sandbox.run(&["render", "--dialect", dialect]);
    let refused = expected.join(format!("{dialect}.err"));
    if refused.exists() {
        let run = render.code(1);
        compare_file(&refused, &run.stderr);
        let plan = sandbox.on(live, &["plan", "--detailed-exitcode"]).code(1);
        assert_same("what plan says", &run.stderr, &live.plain(&plan.stderr));
        assert_same("the database", &untouched, &live.everything());
        return;
    }
    let needs_database = expected.join(format!("{dialect}.render.err"));
    let sql = expected.join(format!("{dialect}.sql"));
    if needs_database.exists() {
        compare_file(&needs_database, &render.code(1).stderr);
        compare_file(&sql, &planned(&sandbox, live));
    } else {
        compare_file(&sql, &render.ok().stdout);
    }

    if !std::fs::read_to_string(&sql).unwrap().contains("CREATE") {
        // Nothing in it is for this dialect.
        sandbox.on(live, &["plan", "--detailed-exitcode"]).ok();
        sandbox.on(live, &["apply", "--yes"]).ok();
        assert_same("the catalog", &before, &live.snapshot());
        return;
    }

    sandbox.on(live, &["plan", "--detailed-exitcode"]).code(2);
    sandbox.on(live, &["check"]).code(2);
    assert_same(
        "the database after plan and check",
        &untouched,
        &live.everything(),
    );

    sandbox.on(live, &["apply", "--yes"]).ok();
    let applied = live.everything();
    nothing_to_do(&sandbox, live);
    let spec = sandbox.read("triggers.toml");
    sandbox.write("triggers.toml", backwards(&spec));
    nothing_to_do(&sandbox, live);
    sandbox.write("triggers.toml", &spec);
    assert_same(
        "the database after an empty plan",
        &applied,
        &live.everything(),
    );

    let rows: String = variant(folder, "fire", dialect, "sql")
        .expect("fire.sql")
        .split("\n\n")
        .map(|statement| live.run(statement))
        .collect();
    let transcript = ["rows.txt".to_owned(), format!("rows/{dialect}.txt")]
        .map(|name| folder.join(name))
        .into_iter()
        .find(|path| path.exists())
        .expect("rows.txt");
    assert!(!rows.is_empty(), "the case asks for nothing");
    assert_same(
        "what the triggers did",
        &std::fs::read_to_string(transcript).unwrap(),
        &rows,
    );

    sandbox.on(live, &["rollback", "--yes"]).ok();
    assert_same("the catalog after rollback", &before, &live.snapshot());
    assert_eq!(live.versions(), ["1 applied", "2 applied"]);
    sandbox.on(live, &["plan", "--detailed-exitcode"]).code(2);
}

fn nothing_to_do(sandbox: &Sandbox, live: &mut dyn Live) {
    let plan = sandbox
        .on(live, &["plan", "--detailed-exitcode", "--format", "json"])
        .ok();
    assert_eq!(plan.json()["changes"], serde_json::json!([]), "{plan}");
    sandbox.on(live, &["check"]).ok();
}

/// The statements of the plan, as `render` would print them.
fn planned(sandbox: &Sandbox, live: &mut dyn Live) -> String {
    let plan = sandbox.on(live, &["plan", "--format", "json"]).ok().json();
    plan["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .flat_map(|change| change["statements"].as_array().expect("statements"))
        .fold(String::new(), |text, statement| {
            text + &live.plain(statement.as_str().expect("a text")) + ";\n"
        })
}

/// `name.dialect.extension`, else `name.extension`.
fn variant(folder: &Path, name: &str, dialect: &str, extension: &str) -> Option<String> {
    [
        format!("{name}.{dialect}.{extension}"),
        format!("{name}.{extension}"),
    ]
    .iter()
    .find_map(|file| std::fs::read_to_string(folder.join(file)).ok())
}

/// The same spec with its `[[…]]` tables in the opposite order.
fn backwards(spec: &str) -> String {
    let mut blocks: Vec<String> = vec![String::new()];
    for line in spec.lines() {
        if line.starts_with("[[") {
            blocks.push(String::new());
        }
        let block = blocks.last_mut().unwrap();
        block.push_str(line);
        block.push('\n');
    }
    let head = blocks.remove(0);
    blocks.reverse();
    head + &blocks.concat()
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
