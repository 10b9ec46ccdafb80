//! The README's own commands, run in an empty folder that has the example's files, must print what it says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Live as _, Sandbox, console, postgres::Postgres, repository};

#[test]
fn readme_shows_what_happens() {
    let sandbox = Sandbox::new();
    for file in [
        "triggers.example.toml",
        "fixtures/example.sql",
        "fixtures/example.postgres.sql",
    ] {
        sandbox.write(file, std::fs::read(repository().join(file)).unwrap());
    }
    // For its commands on PostgreSQL: a database that is empty.
    let live = Postgres::new();
    console::check(
        &repository().join("README.md"),
        &sandbox,
        &[("DATABASE_URL", live.url())],
    );
}

/// The example that the README prints is the file that the tests apply.
#[test]
fn readme_prints_the_example() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let example = std::fs::read_to_string(repository().join("triggers.example.toml")).unwrap();
    let blocks: Vec<&str> = readme
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(!blocks.is_empty(), "README.md shows no TOML");
    let first = blocks[0].trim();
    assert!(
        example.contains(first),
        "README.md's first TOML is no part of triggers.example.toml:\n{first}"
    );
}
