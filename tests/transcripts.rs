//! What a person sees: transcripts of the real binary, one document of `tests/transcripts` after the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Live as _, Sandbox, console, postgres::Postgres, repository};

#[test]
fn transcripts() {
    let mut documents: Vec<_> = std::fs::read_dir(repository().join("tests/transcripts"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    documents.sort();
    let mut commands = 0;
    for document in documents {
        let sandbox = Sandbox::new();
        for file in [
            "triggers.example.toml",
            "fixtures/example.sql",
            "fixtures/example.postgres.sql",
        ] {
            sandbox.write(file, std::fs::read(repository().join(file)).unwrap());
        }
        let live = Postgres::new();
        commands += console::check(&document, &sandbox, &[("DATABASE_URL", live.url())]);
    }
    assert!(commands > 40, "only {commands} commands");
}
