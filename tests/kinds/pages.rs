//! The pages of `docs/kinds`: made from the folders, and never anything else.

use std::fmt::Write as _;

use libtest_mimic::Trial;

use crate::case::folders;
use crate::common::{Sandbox, assert_same, compare_file, repository};

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("the_list_of_the_manual_is_complete", || {
            list();
            Ok(())
        }),
        Trial::test("the_command_lists_them_all", || {
            listed();
            Ok(())
        }),
    ];
    for folder in folders() {
        let kind = folder.file_name().unwrap().to_string_lossy().into_owned();
        trials.push(Trial::test(format!("{kind}::page"), move || {
            page(&kind);
            Ok(())
        }));
    }
    trials
}

/// `SNAPSHOTS=overwrite` writes it.
fn page(kind: &str) {
    let sandbox = Sandbox::new();
    let made = sandbox.run(&["kinds", kind, "--markdown"]).ok().stdout;
    let path = repository().join(format!("docs/kinds/{kind}.md"));
    compare_file(&path, &made);
    let readme = repository().join(format!("templates/kinds/{kind}/README.md"));
    assert!(readme.exists(), "the kind `{kind}` has no README.md");
    let json = sandbox
        .run(&["kinds", kind, "--format", "json"])
        .ok()
        .json();
    assert_eq!(json["name"], kind);
    for ddl in json["ddl"].as_array().unwrap() {
        let has_statements = !ddl["statements"].as_array().is_none_or(Vec::is_empty);
        assert!(has_statements || ddl["reason"].is_string(), "{ddl}");
    }
    let text = sandbox.run(&["kinds", kind]).ok();
    text.says(&["Example", "SQLite", "PostgreSQL", "MySQL"]);
}

fn list() {
    let path = repository().join("docs/kinds.md");
    let manual = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = manual.split_once("<!-- kinds -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- /kinds -->\n").unwrap();
    let json = Sandbox::new()
        .run(&["kinds", "--format", "json"])
        .ok()
        .json();
    let mut table =
        "| kind | | SQLite | PostgreSQL | MySQL, MariaDB |\n|---|---|---|---|---|\n".to_owned();
    for kind in json["kinds"].as_array().unwrap() {
        let name = kind["name"].as_str().unwrap();
        let dialects = kind["dialects"].as_array().unwrap();
        let has = |dialect: &str| {
            if dialects.iter().any(|one| one == dialect) {
                "yes"
            } else {
                "–"
            }
        };
        let _ = writeln!(
            table,
            "| [`{name}`](kinds/{name}.md) | {} | {} | {} | {} |",
            kind["description"].as_str().unwrap(),
            has("sqlite"),
            has("postgres"),
            has("mysql")
        );
    }
    let made = format!("{before}<!-- kinds -->\n{table}<!-- /kinds -->\n{after}");
    if std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite") {
        std::fs::write(path, made).unwrap();
    } else {
        assert_same("docs/kinds.md", &made, &manual);
    }
}

fn listed() {
    let sandbox = Sandbox::new();
    let text = sandbox.run(&["kinds"]).ok().stdout;
    for folder in folders() {
        let kind = folder.file_name().unwrap().to_string_lossy().into_owned();
        let line = text
            .lines()
            .find(|line| line.split(' ').next() == Some(&kind));
        assert!(line.is_some(), "`{kind}` is not listed:\n{text}");
    }
    sandbox
        .run(&["kinds", "updatedat"])
        .code(64)
        .says(&["there is no kind `updatedat`", "did you mean `updated_at`?"]);
}
