//! Tables of more columns than an engine's functions take arguments: what holds a whole row holds all of them.

use std::fmt::Write as _;

use libtest_mimic::Trial;

use crate::case::Engine;
use crate::common::{Live, Sandbox};

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |engine: Engine| {
        Trial::test(format!("wide::{}", engine.name()), move || {
            wide(&mut *engine.live());
            Ok(())
        })
        .with_ignored_flag(engine.is_missing())
    };
    Engine::all().into_iter().map(trial).collect()
}

const SPEC: &str = r#"version = 1

[[trigger]]
use          = "audit"
table        = "wide"
create_table = true
with         = { redact = ["c1"] }

[[trigger]]
use          = "history"
table        = "wide"
create_table = true

[[trigger]]
use          = "outbox"
table        = "wide"
create_table = true

[[trigger]]
name   = "noted"
table  = "wide"
timing = "after"
events = ["insert"]
body   = "INSERT INTO notes (n) VALUES ({{ row_json('new', columns) }});"
"#;

fn wide(live: &mut dyn Live) {
    let mut columns = String::new();
    for n in 0..150 {
        write!(columns, ", c{n} varchar(9)").unwrap();
    }
    let notes = if live.dialect() == "postgres" {
        "jsonb"
    } else {
        "text"
    };
    live.batch(&format!(
        "CREATE TABLE wide (id integer PRIMARY KEY{columns}); CREATE TABLE notes (n {notes});"
    ));
    let sandbox = Sandbox::with_spec(SPEC);
    sandbox.on(live, &["apply", "--yes", "--quiet"]).ok();
    sandbox.on(live, &["plan"]).ok().says(&["Nothing to do"]);
    live.batch("INSERT INTO wide (id, c1, c149) VALUES (1, 'secret', 'it''s \"z\"');");
    live.batch("UPDATE wide SET c148 = 'y';");
    for (query, first, second) in [
        ("SELECT n FROM notes", "secret", "null"),
        (
            "SELECT new_row FROM wide_audit WHERE operation = 'INSERT'",
            "***",
            "null",
        ),
        (
            "SELECT new_row FROM wide_audit WHERE operation = 'UPDATE'",
            "***",
            "\"y\"",
        ),
        (
            "SELECT payload FROM outbox WHERE operation = 'UPDATE'",
            "secret",
            "\"y\"",
        ),
    ] {
        let text = live.run(query);
        let row: serde_json::Value = serde_json::from_str(text.trim())
            .unwrap_or_else(|error| panic!("{query}: {error}: {text}"));
        let row = row.as_object().unwrap();
        assert_eq!(row.len(), 151, "{query}: {text}");
        assert_eq!(row["id"], 1, "{query}");
        assert_eq!(row["c1"], first, "{query}");
        assert_eq!(row["c148"].to_string(), second, "{query}");
        assert_eq!(row["c149"], "it's \"z\"", "{query}");
    }
    let versions = live.run("SELECT count(*) FROM wide_history WHERE c149 = 'it''s \"z\"'");
    assert_eq!(versions.trim(), "2");
}
