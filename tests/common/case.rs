//! The files of one folder of `fixtures/cases`.

use std::path::{Path, PathBuf};

use super::{Live, Sandbox, repository};

/// All cases, by name.
pub(crate) fn all() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = std::fs::read_dir(repository().join("fixtures/cases"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    cases
}

/// Whether the dialect can do it at all.
pub(crate) fn is_refused(folder: &Path, dialect: &str) -> bool {
    folder
        .join("expected")
        .join(format!("{dialect}.err"))
        .exists()
}

/// The case's spec in a folder of its own, and its tables in the database.
pub(crate) fn load(folder: &Path, live: &mut dyn Live) -> Sandbox {
    let sandbox = Sandbox::new();
    copy(folder, sandbox.path());
    let dialect = live.dialect();
    let before = [format!("before.{dialect}.sql"), "before.sql".to_owned()]
        .iter()
        .find_map(|name| std::fs::read_to_string(folder.join(name)).ok());
    live.batch(&before.unwrap_or_default());
    sandbox
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

/// The `[[…]]` tables of a spec in the opposite order.
pub(crate) fn backwards(spec: &str) -> String {
    let mut blocks = blocks(spec);
    let head = blocks.remove(0);
    blocks.reverse();
    head + &blocks.concat()
}

/// The same spec with its `[[…]]` tables in other orders.
pub(crate) fn reordered(spec: &str) -> Vec<String> {
    let mut blocks = blocks(spec);
    match blocks.len() {
        0..3 => vec![],
        3 => vec![backwards(spec)],
        _ => {
            let first = blocks.remove(1);
            blocks.push(first);
            vec![backwards(spec), blocks.concat()]
        }
    }
}

fn blocks(spec: &str) -> Vec<String> {
    let mut blocks: Vec<String> = vec![String::new()];
    for line in spec.lines() {
        if line.starts_with("[[") {
            blocks.push(String::new());
        }
        let block = blocks.last_mut().unwrap();
        block.push_str(line);
        block.push('\n');
    }
    blocks
}
