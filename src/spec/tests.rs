//! The reader as a whole, on small specs.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::error::Error;
use crate::model::{Event, Timing};

/// A folder with these files; the first is the main one.
fn folder(files: &[(&str, &[u8])]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let main = folder.path().join(files[0].0);
    (folder, main)
}

fn variable(name: &str) -> Option<OsString> {
    match name {
        "URL" => Some("sqlite:env.db".into()),
        _ => None,
    }
}

fn options(environment: Option<&str>) -> LoadOptions<'_> {
    LoadOptions {
        environment,
        variable,
        ..LoadOptions::default()
    }
}

fn load(files: &[(&str, &[u8])]) -> Result<Spec, Error> {
    let (_folder, main) = folder(files);
    Spec::load(&main, &options(None))
}

fn read(text: &str) -> Spec {
    load(&[("triggers.toml", text.as_bytes())]).unwrap()
}

fn messages(text: &str) -> Vec<String> {
    load(&[("triggers.toml", text.as_bytes())])
        .unwrap_err()
        .diagnostics
        .into_iter()
        .map(|diagnostic| diagnostic.message)
        .collect()
}

const TRIGGER: &str = "[[trigger]]\nname = \"a\"\ntable = \"t\"\ntiming = \"after\"\nevents = [\"insert\"]\nbody = \"SELECT 1;\"\n";

#[test]
fn reads_every_key() {
    let spec = read(
        r#"
version = 1
[database]
url = "${env:URL}"
create_from = "schema.sql"
history_schema = "h"
[vars]
a = "x"
[[trigger]]
name = "{{ table }}_t"
tables = ["users", "sales.*"]
exclude = ["sales.tmp?"]
timing = "after"
events = ["insert", "update"]
update_of = ["email"]
for_each = "row"
when = "NEW.${env:NOT_FILLED} IS NULL"
description = "d"
renamed_from = "old"
[trigger.sqlite]
body = "SELECT 1;"
[trigger.postgres]
timing = "before"
enabled = "always"
constraint = { deferrable = true, initially = "deferred", from = "app.other" }
referencing = { old_table = "o", new_table = "n" }
function = "audit.\"Log\""
args = ["a", "a", ""]
[trigger.mysql]
body = "SET @a = 1;"
definer = "app@%"
order = { precedes = "z" }
[[function]]
name = "audit.Log"
language = "plpgsql"
body = "BEGIN RETURN NEW; END"
security = "definer"
search_path = [""]
settings = { work_mem = "64MB", enable_seqscan = false }
volatility = "stable"
parallel = "safe"
leakproof = true
cost = 10
description = "f"
"#,
    );
    assert_eq!(spec.database.url.as_ref().unwrap().value, "sqlite:env.db");
    let create_from = &spec.database.create_from.as_ref().unwrap().value;
    assert!(create_from.ends_with("schema.sql") && create_from.is_absolute());
    assert_eq!(spec.vars["a"].as_str(), Some("x"));
    assert_eq!(spec.digest.len(), 64);
    let trigger = &spec.triggers[0];
    let TableSelector::Many {
        include,
        exclude,
        having_columns: _,
    } = &trigger.tables
    else {
        panic!("many tables");
    };
    assert!(!include[0].value.is_glob() && include[1].value.is_glob());
    assert!(exclude[0].value.matches("sales", "tmp1"));
    let postgres = trigger.for_dialect("postgres").as_deref().cloned().unwrap();
    assert_eq!(postgres.timing.unwrap().value, Timing::Before);
    assert!(postgres.body.is_none());
    assert_eq!(postgres.function.unwrap().value.name, "Log");
    let arguments = postgres.args.unwrap().value;
    assert_eq!(arguments.len(), 3);
    let constraint = postgres.constraint.unwrap().value;
    assert_eq!(constraint.deferral, Deferral::InitiallyDeferred);
    assert_eq!(constraint.from.unwrap().value.to_string(), "app.other");
    let sqlite = trigger.for_dialect("sqlite").as_deref().cloned().unwrap();
    assert_eq!(sqlite.timing.unwrap().value, Timing::After);
    assert_eq!(sqlite.when.unwrap().value, "NEW.${env:NOT_FILLED} IS NULL");
    assert_eq!(sqlite.events.unwrap().value[1].value, Event::Update);
    assert!(sqlite.enabled.is_none());
    let mysql = trigger.for_dialect("mysql").as_deref().cloned().unwrap();
    assert_eq!(mysql.order.unwrap().value, OrderSpec::Precedes("z".into()));
    let function = &spec.functions[0];
    let settings: Vec<_> = function
        .settings
        .iter()
        .map(|(name, value)| (name.value.as_str(), value.as_str()))
        .collect();
    assert_eq!(settings, [("work_mem", "64MB"), ("enable_seqscan", "off")]);
    assert!((function.cost.as_ref().unwrap().value - 10.0).abs() < 1e-9);
}

#[test]
fn dialects_leave_others_out() {
    let text = format!("version = 1\n{TRIGGER}dialects = [\"sqlite\"]\n");
    let spec = read(&text);
    assert!(spec.triggers[0].for_dialect("sqlite").is_some());
    assert!(spec.triggers[0].for_dialect("postgres").is_none());
}

#[test]
fn spans_point_at_the_raw_token() {
    let spec = read(&format!("version = 1\n{TRIGGER}"));
    let name = &spec.triggers[0].name;
    assert_eq!(name.span.line_column(), (3, 8));
    assert_eq!(&name.span.file.text[name.span.range.clone()], "\"a\"");
    let header = &spec.triggers[0].span;
    assert_eq!(&header.file.text[header.range.clone()], "[[trigger]]");
    assert!(Arc::ptr_eq(&name.span.file, &spec.files[0]));
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_change_nothing() {
    let text = format!("\u{feff}version = 1\n{TRIGGER}").replace('\n', "\r\n");
    let spec = read(&text);
    let name = &spec.triggers[0].name;
    assert_eq!(name.value, "a");
    assert_eq!(name.span.line_column(), (3, 8));
    let error = messages("\u{feff}versio = 1\r\n");
    assert_eq!(error, ["unknown key `versio`, did you mean `version`?"]);
}

#[test]
fn the_environment_lies_over_the_database() {
    let text = r#"
version = 1
[database]
url = "${env:UNSET_BASE}"
history_schema = "h"
[vars]
a = "base"
b = ["${env:URL}", { c = "$${x}" }]
[environments.test]
url = "sqlite:test.db"
vars = { a = "test" }
[environments.other]
url = "${env:UNSET_OTHER}"
vars = { a = "${env:UNSET_VAR}" }
"#;
    let (_folder, main) = folder(&[("triggers.toml", text.as_bytes())]);
    let spec = Spec::load(&main, &options(Some("test"))).unwrap();
    assert_eq!(spec.database.url.unwrap().value, "sqlite:test.db");
    assert_eq!(spec.database.history_schema.unwrap().value, "h");
    assert_eq!(spec.vars["a"].as_str(), Some("test"));
    assert_eq!(spec.vars["b"][0].as_str(), Some("sqlite:env.db"));
    assert_eq!(spec.vars["b"][1]["c"].as_str(), Some("${x}"));
    assert_eq!(
        spec.environments.into_iter().collect::<Vec<_>>(),
        [
            ("other".to_owned(), None),
            ("test".to_owned(), Some("sqlite:test.db".to_owned()))
        ]
    );
    let error = Spec::load(&main, &options(None)).unwrap_err();
    assert_eq!(error.diagnostics.len(), 1);
    let error = Spec::load(&main, &options(Some("other"))).unwrap_err();
    assert_eq!(error.diagnostics.len(), 2);
    let error = Spec::load(&main, &options(Some("tset"))).unwrap_err();
    assert!(
        error.to_string().contains("did you mean `test`?"),
        "{error}"
    );
    let without_url = LoadOptions {
        needs_url: false,
        ..options(None)
    };
    assert!(
        Spec::load(&main, &without_url)
            .unwrap()
            .database
            .url
            .is_none()
    );
}

#[test]
fn includes_are_read_once_and_in_order() {
    let part = TRIGGER.replace("\"a\"", "\"b\"");
    let last = TRIGGER.replace("\"a\"", "\"c\"");
    let main = format!("version = 1\ninclude = [\"p/z.toml\", \"p/*.toml\"]\n{TRIGGER}");
    let files: [(&str, &[u8]); 4] = [
        ("triggers.toml", main.as_bytes()),
        ("p/z.toml", part.as_bytes()),
        ("p/b.toml", last.as_bytes()),
        ("p/.hidden.toml", b"rubbish"),
    ];
    let spec = load(&files).unwrap();
    let names: Vec<&str> = spec
        .triggers
        .iter()
        .map(|trigger| trigger.name.value.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(spec.files[1].name.ends_with("p/z.toml"));
}

#[test]
fn errors_of_all_files_come_in_file_order() {
    let main = format!("version = 1\ninclude = [\"p/*.toml\"]\n{TRIGGER}zzz = 1\n");
    let broken = "[[trigger]]\nname = \nfoo = 1\n";
    let part = format!(
        "version = 1\n{}yyy = 1\n",
        TRIGGER.replace("\"a\"", "\"b\"")
    );
    let files: [(&str, &[u8]); 3] = [
        ("triggers.toml", main.as_bytes()),
        ("p/a.toml", broken.as_bytes()),
        ("p/b.toml", part.as_bytes()),
    ];
    let error = load(&files).unwrap_err();
    let messages: Vec<&str> = error
        .diagnostics
        .iter()
        .map(|diagnostic| diagnostic.message.as_str())
        .collect();
    assert_eq!(
        messages,
        [
            "unknown key `zzz`",
            "there is no value after `=`",
            "`version` cannot stand in an included file",
            "unknown key `yyy`",
        ]
    );
}

#[test]
fn the_digest_covers_files_and_templates() {
    let main = "version = 1\ntemplates = \"t\"\n";
    let digest = |template: &str, file: &str| {
        load(&[
            ("triggers.toml", main.as_bytes()),
            (file, template.as_bytes()),
        ])
        .unwrap()
        .digest
    };
    let first = digest("a", "t/sqlite/trigger.sql");
    assert_eq!(first, digest("a", "t/sqlite/trigger.sql"));
    assert_ne!(first, digest("b", "t/sqlite/trigger.sql"));
    assert_ne!(first, digest("a", "t/sqlite/other.sql"));
}

#[test]
fn an_action_may_be_given_dialect_by_dialect() {
    let base = TRIGGER.replace("body = \"SELECT 1;\"\n", "");
    let one = format!("version = 1\n{base}[trigger.postgres]\nfunction = \"f\"\n");
    assert!(
        read(&one).triggers[0]
            .for_dialect("sqlite")
            .unwrap()
            .body
            .is_none()
    );
    let named = format!(
        "version = 1\n{base}dialects = [\"postgres\", \"sqlite\"]\n[trigger.postgres]\nfunction = \"f\"\n"
    );
    assert_eq!(
        messages(&named),
        ["the trigger `a` has neither `body` nor `function` for sqlite"]
    );
}

#[test]
fn a_wrong_value_is_not_missing_too() {
    let text = format!("version = 1\n{}", TRIGGER.replace("\"after\"", "\"aftr\""));
    assert_eq!(
        messages(&text),
        ["`timing` cannot be `aftr`, did you mean `after`?"]
    );
}

#[test]
fn the_same_name_for_other_dialects_or_tables_is_fine() {
    let text = format!(
        "version = 1\n{TRIGGER}dialects = [\"sqlite\"]\n{TRIGGER}dialects = [\"postgres\"]\n{}",
        TRIGGER.replace("\"t\"", "\"u\"")
    );
    assert_eq!(read(&text).triggers.len(), 3);
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let message = |path: &Path| Spec::load(path, &options(None)).unwrap_err().to_string();
    let missing = folder.path().join("none.toml");
    assert!(message(&missing).ends_with("none.toml`: there is no such file"));
    assert!(message(folder.path()).ends_with("it is a folder"));
    let file = folder.path().join("file");
    fs::write(&file, "version = 1").unwrap();
    assert!(message(&file.join("x.toml")).ends_with("a part of its path is no folder"));
    #[cfg(unix)]
    {
        let link = folder.path().join("link.toml");
        std::os::unix::fs::symlink(&link, &link).unwrap();
        assert!(message(&link).ends_with("link.toml`"));
    }
}

#[test]
fn a_key_of_many_parts_is_refused_and_a_ruler_is_not() {
    let deep = format!("version = 1\n{} = 1\n", vec!["a"; 100_000].join("."));
    assert_eq!(messages(&deep), ["this key has too many parts"]);
    // Wherever it stands, and whatever its parts are.
    for key in ["\"=\"", "'['", "a"] {
        let parts = |count: usize| vec![key; count].join(" . ");
        for count in [200, 100_000] {
            for text in [
                format!("version = 1\n{} = 1\n", parts(count)),
                format!("version = 1\n[{}]\n", parts(count)),
                format!("version = 1\nvars = {{ {} = 1 }}\n", parts(count)),
                format!(
                    "version = 1\n[[trigger]]\nname = 'a'\n[trigger.{}]\n",
                    parts(count)
                ),
            ] {
                assert_eq!(messages(&text), ["this key has too many parts"], "{key}");
            }
        }
    }
    let ruler = format!("version = 1\n# {}\n", ".".repeat(10_000));
    assert_eq!(read(&ruler).triggers.len(), 0);
    let comment = format!("version = 1\n# {}\n", "a.".repeat(10_000));
    assert_eq!(read(&comment).triggers.len(), 0);
}

/// One INSERT into a history of as many columns, one list of as many tables: each is one line of many dots.
#[test]
fn a_line_may_have_any_number_of_dots() {
    let columns: Vec<String> = (0..1_000).map(|n| format!("NEW.column_{n}")).collect();
    let tables: Vec<String> = (0..1_000).map(|n| format!("\"shop.table_{n}\"")).collect();
    let text = format!(
        "version = 1\n[[trigger]]\nname = \"a\"\ntables = [{}]\ntiming = \"after\"\nevents = [\"insert\"]\n\
         body = \"INSERT INTO log VALUES ({});\"\n",
        tables.join(", "),
        columns.join(", ")
    );
    assert_eq!(read(&text).triggers.len(), 1);
}

#[test]
fn ten_thousand_triggers_load_in_linear_time() {
    let text = |count: usize| {
        let mut text = "version = 1\n".to_owned();
        for index in 0..count {
            text.push_str(&TRIGGER.replace("\"t\"", &format!("\"t{index}\"")));
        }
        text
    };
    let time = |count: usize| {
        let text = text(count);
        let start = std::time::Instant::now();
        assert_eq!(read(&text).triggers.len(), count);
        start.elapsed().as_secs_f64()
    };
    time(100);
    // Others may have the processor once, not every time.
    let tries: Vec<(f64, f64)> = (0..5)
        .map(|_| (time(1000), time(10_000)))
        .take_while(|(small, large)| *large >= small * 40.0)
        .collect();
    assert!(tries.len() < 5, "seconds for both: {tries:?}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = load(&[("triggers.toml", &bytes)]).map_err(|error| shown(&error));
    }

    #[test]
    fn mutated_specs_never_panic(
        cuts in proptest::collection::vec((0usize..700, 0usize..40, "[\\[\\]{}=\"'a.\\\\\n\0\u{e9} 1#$]{0,8}"), 1..4)
    ) {
        let mut text = MUTATED.to_owned();
        for (at, length, insert) in cuts {
            let start = text.floor_char_boundary(at);
            let end = text.floor_char_boundary((at + length).max(start)).max(start);
            text.replace_range(start..end, &insert);
        }
        let _ = load(&[("triggers.toml", text.as_bytes())]).map_err(|error| shown(&error));
    }
}

fn shown(error: &Error) {
    use crate::report::diagnostics;
    let text = diagnostics::text(error, false);
    assert!(
        !text.chars().any(|c| c.is_control() && c != '\n'),
        "{text:?}"
    );
    assert!(!diagnostics::text(error, true).is_empty());
    let count = diagnostics::json(error)["error"]["diagnostics"]
        .as_array()
        .map(Vec::len);
    assert_eq!(count, Some(error.diagnostics.len()));
    assert!(!error.diagnostics.is_empty());
    for diagnostic in &error.diagnostics {
        for (span, _) in diagnostic.place.iter().chain(&diagnostic.related) {
            assert!(span.file.text.get(span.range.clone()).is_some(), "{span:?}");
        }
    }
}

const MUTATED: &str = r#"version = 1
vars = { a = [1, "${env:URL}"], b = 2020-01-01 }
[database]
url = "sqlite:a.db"
[environments.x]
url = 'é'
[[trigger]]
name = "a"
tables = ["t", "s.*", "\"q\""]
timing = "after"
events = ["insert", "update"]
update_of = ["b"]
when = """
  NEW.a \
   > 1"""
body = '''SELECT 1;'''
[trigger.postgres]
constraint = { deferrable = true, initially = "deferred", from = "x" }
referencing = { old_table = "o", new_table = "n" }
search_path = ["a,b"]
[trigger.mysql]
order = { follows = "b" }
[[function]]
name = "f"
body = "BEGIN END"
settings = { a = 1, B = true }
cost = 1.5
"#;
