//! Every spec in `fixtures/invalid` is wrong, and what a person sees of it is in the text file beside it.
//! `UPDATE_SNAPSHOTS=1` writes the text files anew. A first line `# environment: NAME` chooses an environment.

#![allow(clippy::expect_used, clippy::panic)] // Tests fail by panicking.

use std::fs;
use std::path::{Path, PathBuf};

use triggerctl::report::diagnostics;
use triggerctl::spec::{LoadOptions, Section, Spec, every_key};

fn specs() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir("fixtures/invalid")
        .expect("the fixtures are there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    paths.sort();
    paths
}

fn shown(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let environment = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("# environment: "));
    let options = LoadOptions {
        environment,
        variable: |name| match name {
            "EMPTY" => Some(String::new().into()),
            #[cfg(unix)]
            "NOT_UTF8" => Some(std::os::unix::ffi::OsStringExt::from_vec(vec![0xff])),
            _ => None,
        },
        ..LoadOptions::default()
    };
    match Spec::load(path, &options) {
        Ok(_) => panic!("{} has no error", path.display()),
        Err(error) => {
            assert!(!error.diagnostics.is_empty(), "{}", path.display());
            diagnostics::text(&error, false)
        }
    }
}

#[test]
fn every_invalid_spec_is_explained() {
    let update = std::env::var_os("UPDATE_SNAPSHOTS").is_some();
    let specs = specs();
    assert!(specs.len() > 60, "only {} fixtures", specs.len());
    let mut differing = vec![];
    for path in specs {
        let text = shown(&path);
        let snapshot = path.with_extension("txt");
        if update {
            fs::write(&snapshot, &text).expect("the snapshot can be written");
        } else if fs::read_to_string(&snapshot).ok().as_deref() != Some(text.as_str()) {
            differing.push(format!("{}:\n{text}", snapshot.display()));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn every_snapshot_has_its_spec() {
    for entry in fs::read_dir("fixtures/invalid").expect("the fixtures are there") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            assert!(path.with_extension("toml").exists(), "{}", path.display());
        }
    }
}

#[test]
fn no_line_is_wider_than_a_terminal() {
    for path in specs() {
        for line in shown(&path).lines() {
            assert!(
                line.chars().count() <= 80 || line.starts_with("error: "),
                "{}: {line}",
                path.display()
            );
        }
    }
}

/// Where the keys of `[[test]]` stand; they have a page of their own.
const TEST_SECTIONS: [Section; 6] = [
    Section::Test,
    Section::TestField,
    Section::Expect,
    Section::ExpectError,
    Section::ExpectChanges,
    Section::ExpectChanged,
];

#[test]
fn the_reference_has_every_key() {
    let reference = fs::read_to_string("docs/spec.md").expect("docs/spec.md is there");
    let kinds = fs::read_to_string("docs/kinds.md").expect("docs/kinds.md is there");
    let tests = fs::read_to_string("docs/testing.md").expect("docs/testing.md is there");
    for key in every_key() {
        let heading = format!("`{}`", key.name);
        let of_a_kind = key.sections.iter().all(|section| {
            section.place().ends_with("of a kind") || section.place().contains("kind.toml")
        });
        let of_a_test = key
            .sections
            .iter()
            .all(|section| TEST_SECTIONS.contains(section));
        let (name, text) = if of_a_test {
            ("docs/testing.md", &tests)
        } else if of_a_kind {
            ("docs/kinds.md", &kinds)
        } else {
            ("docs/spec.md", &reference)
        };
        assert!(text.contains(&heading), "{name} lacks {heading}");
    }
}
