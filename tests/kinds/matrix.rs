//! Every kind is tried in every case that people get wrong, or `matrix.toml` says why the case cannot matter to it.

use libtest_mimic::Trial;
use toml::{Table, Value};

use crate::case::folders;

const CASES: [&str; 7] = [
    "null",
    "no_op",
    "upsert",
    "key_change",
    "several_rows",
    "foreign_keys",
    "replace",
];

/// The trial that `awkward.rs` makes of every kind.
const EVERYWHERE: &str = "on a table on which everything is awkward";

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("matrix", || {
        check();
        Ok(())
    })]
}

fn check() {
    let matrix: Table = toml::from_str(include_str!("matrix.toml")).unwrap();
    let folders = folders();
    let mut missing = vec![];
    for folder in &folders {
        let kind = folder.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(folder.join("kind.toml")).unwrap();
        let toml: Table = toml::from_str(&text).unwrap();
        let tests = toml["test"].as_array().unwrap().iter();
        let names: Vec<&str> = tests.map(|test| test["name"].as_str().unwrap()).collect();
        let cases = matrix.get(&kind).and_then(Value::as_table);
        for case in CASES {
            match cases.and_then(|cases| cases.get(case)) {
                None => missing.push(format!("{kind} has no test for {case}")),
                Some(Value::Array(tried)) => {
                    assert!(!tried.is_empty(), "{kind}, {case}");
                    for name in tried.iter().map(|name| name.as_str().unwrap()) {
                        if name != EVERYWHERE && !names.contains(&name) {
                            missing.push(format!("{kind} has no test `{name}` (for {case})"));
                        }
                    }
                }
                Some(why) => {
                    let why = why.get("not").and_then(Value::as_str).unwrap();
                    assert!(why.len() > 10, "{kind}, {case}: {why}");
                }
            }
        }
        let unknown = cases.into_iter().flat_map(Table::keys);
        for case in unknown.filter(|case| !CASES.contains(&case.as_str())) {
            missing.push(format!("{kind}: {case} is no case"));
        }
    }
    assert_eq!(matrix.len(), folders.len(), "kinds that are no more");
    assert!(missing.is_empty(), "{missing:#?}");
}
