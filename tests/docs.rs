//! The documents say what there is: every command and flag is described, none that is not there, and no link is dead.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_triggerctl"))
        .args(arguments)
        .arg("--help")
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The names under `Commands:`.
fn commands() -> Vec<String> {
    let help = help(&[]);
    let (_, after) = help
        .split_once("Commands:\n")
        .expect("--help lists the commands");
    after
        .lines()
        .take_while(|line| !line.is_empty())
        // A description that is wrapped is indented further.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// The flags that a help text defines, long and short: `-c, --config <FILE>` at the beginning of a line.
fn flags(help: &str) -> BTreeSet<String> {
    help.lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with('-'))
        .flat_map(|line| {
            line.split([' ', ',', '=', '.'])
                .take_while(|word| word.is_empty() || word.starts_with('-'))
        })
        .filter(|word| word.len() > 1)
        .map(str::to_owned)
        .collect()
}

/// Everything in backquotes that begins with a hyphen, without its value.
fn flags_named(document: &str) -> BTreeSet<String> {
    document
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.starts_with('-') && !code.contains('\n'))
        .filter_map(|code| code.split_whitespace().next())
        // The sign of a change is no flag.
        .filter(|word| word.len() > 1)
        .map(str::to_owned)
        .collect()
}

fn section<'a>(document: &'a str, title: &str) -> &'a str {
    let heading = format!("\n## {title}\n");
    let (_, rest) = document
        .split_once(&heading)
        .unwrap_or_else(|| panic!("docs/commands.md has no section `{title}`"));
    rest.split("\n## ").next().unwrap()
}

#[test]
fn every_command_and_flag_is_described() {
    let document = std::fs::read_to_string(repository().join("docs/commands.md")).unwrap();
    let commands = commands();
    assert!(commands.len() >= 8, "{commands:?}");
    let common = flags(&help(&[]));
    assert!(common.contains("--config"), "{common:?}");
    let described = flags_named(section(&document, "Flags of every command"));
    assert_eq!(common, described, "left: --help, right: docs/commands.md");
    for command in &commands {
        let own: BTreeSet<String> = flags(&help(&[command]))
            .difference(&common)
            .cloned()
            .collect();
        let text = section(&document, command);
        // A section may speak of common flags and of another command's; its table has its own ones.
        let table: String = text
            .lines()
            .filter(|line| line.starts_with("| `-"))
            .collect::<Vec<_>>()
            .join("\n");
        let first_cells: String = table
            .lines()
            .filter_map(|line| line.split('|').nth(1))
            .collect();
        assert_eq!(
            own,
            flags_named(&first_cells),
            "`{command}`; left: its --help, right: docs/commands.md"
        );
    }
}

/// The TOML of a document, with the line at which each piece begins.
fn examples(document: &str) -> Vec<(usize, String)> {
    let mut examples = vec![];
    let mut open: Option<(usize, String)> = None;
    for (index, line) in document.lines().enumerate() {
        match &mut open {
            Some(_) if line == "```" => examples.extend(open.take()),
            Some((_, text)) => {
                text.push_str(line);
                text.push('\n');
            }
            None if line == "```toml" => open = Some((index + 2, String::new())),
            None => {}
        }
    }
    examples
}

/// What stands before a piece of a spec so that it is a whole one, and the dialect that it is about.
fn beginning(example: &str) -> (String, Option<&str>) {
    let mut text = String::new();
    if !example.lines().any(|line| line.starts_with("version")) {
        text.push_str("version = 1\n");
    }
    let first = example
        .lines()
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .unwrap_or_default();
    let dialect = first
        .strip_prefix("[trigger.")
        .and_then(|rest| rest.strip_suffix(']'));
    let is_field = ["body", "allow"]
        .iter()
        .any(|key| first.starts_with(&format!("{key} ")));
    if dialect.is_some() || is_field {
        text.push_str("[[trigger]]\nname = \"x\"\ntable = \"users\"\ntiming = \"after\"\nevents = [\"update\"]\n");
        let says_what = |line: &str| line.starts_with("body ") || line.starts_with("function ");
        if !example.lines().any(says_what) {
            text.push_str("body = \"DELETE FROM log;\"\n");
        }
    }
    (text, dialect)
}

/// `validate` accepts every example of a spec. Those of a kind may be for some of the dialects only, those under
/// `[trigger.<dialect>]` are for that one, and the others for all, or for the engine of their URL.
#[test]
fn every_example_is_a_valid_spec() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("templates")).unwrap();
    std::fs::create_dir(folder.path().join("triggers")).unwrap();
    std::fs::write(folder.path().join("triggers/a.toml"), "").unwrap();
    let mut documents = vec![repository().join("README.md")];
    for part in ["docs", "docs/kinds"] {
        for entry in std::fs::read_dir(repository().join(part)).unwrap() {
            documents.push(entry.unwrap().path());
        }
    }
    let mut count = 0;
    for document in documents
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        // Its examples are made from the fixtures that tests/lint.rs runs.
        .filter(|path| !path.ends_with("docs/lint.md"))
    {
        let text = std::fs::read_to_string(document).unwrap();
        for (line, example) in examples(&text) {
            // What belongs in a `kind.toml`; tests/kinds writes one.
            if example.contains("[parameters.") || example.starts_with("[[refuse]]") {
                continue;
            }
            let (before, dialect) = beginning(&example);
            std::fs::write(folder.path().join("t.toml"), format!("{before}{example}")).unwrap();
            let is_kind = document.parent().unwrap().ends_with("docs/kinds");
            let tried: Vec<Vec<&str>> = match (dialect, is_kind) {
                (Some(dialect), _) => vec![vec![dialect]],
                (None, true) => vec![vec!["sqlite"], vec!["postgres"], vec!["mysql"]],
                (None, false) => vec![vec![]],
            };
            let outputs: Vec<_> = tried
                .iter()
                .map(|dialects| {
                    let mut command = Command::new(env!("CARGO_BIN_EXE_triggerctl"));
                    command.current_dir(folder.path());
                    command.env_remove("TRIGGERCTL_URL");
                    command.args(["-c", "t.toml", "validate"]);
                    for dialect in dialects {
                        command.args(["--dialect", dialect]);
                    }
                    command.output().unwrap()
                })
                .collect();
            assert!(
                outputs.iter().any(|output| output.status.success()),
                "{}:{line}: {}",
                document.display(),
                String::from_utf8_lossy(&outputs[0].stderr)
            );
            count += 1;
        }
    }
    assert!(count > 40, "only {count} examples");
}

/// Each JSON document has the fields that the reference says, and no others: those at its top stand in the section of its
/// command, those further down somewhere.
#[test]
fn every_field_of_a_json_document_is_described() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["triggers.example.toml", "fixtures/example.sql"] {
        let path = folder.path().join(file.replace(".example", ""));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(repository().join(file), path).unwrap();
    }
    let document = std::fs::read_to_string(repository().join("docs/commands.md")).unwrap();
    let described: BTreeSet<&str> = document.split('`').skip(1).step_by(2).collect();
    for arguments in [
        "plan",
        "apply --yes",
        "check",
        "test",
        "test --clean",
        "lint",
        "lint --rules",
        "graph",
        "render",
        "validate",
        "import",
        "history",
        "rollback --yes",
        "repair",
        "kinds",
        "kinds audit",
        "plan --config nowhere.toml",
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_triggerctl"))
            .current_dir(folder.path())
            .env_remove("TRIGGERCTL_URL")
            .args(arguments.split(' '))
            .args(["--format", "json"])
            .output()
            .unwrap();
        let shown: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("`{arguments}`: {error}: {output:?}"));
        let command = arguments.split(' ').next().unwrap();
        let title = if arguments.contains("nowhere") {
            "Errors"
        } else {
            command
        };
        // A command may say of another's document that it is the same.
        let same = match command {
            "rollback" => section(&document, "apply"),
            _ => "",
        };
        let text = format!("{}{same}", section(&document, title));
        let words: BTreeSet<&str> = text.split('`').skip(1).step_by(2).collect();
        for key in shown.as_object().unwrap().keys() {
            let is_described = |word: &&str| word.split('.').next() == Some(key.as_str());
            // The example of `validate` shows its document whole.
            assert!(
                words.iter().any(is_described) || text.contains(&format!("\"{key}\":")),
                "`{arguments}`: `{key}` is not described"
            );
        }
        let mut inner = BTreeSet::new();
        fields(&shown, &mut inner);
        for key in inner {
            let is_described = |word: &&str| {
                word.split('.')
                    .any(|part| part.trim_end_matches("[]") == key)
            };
            assert!(
                described.iter().any(is_described) || document.contains(&format!("\"{key}\":")),
                "`{arguments}`: `{key}` is not described anywhere"
            );
        }
    }
}

/// The fields of all objects in a document, but for definitions, which are as the engine has them, and counts by action.
fn fields(value: &serde_json::Value, into: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(members) => {
            for (key, member) in members {
                into.insert(key.clone());
                if !["before", "after"].contains(&key.as_str()) {
                    fields(member, into);
                }
            }
        }
        serde_json::Value::Array(elements) => {
            for element in elements {
                fields(element, into);
            }
        }
        _ => {}
    }
}

#[test]
fn no_link_is_dead() {
    let mut documents: Vec<PathBuf> = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ]
    .iter()
    .map(|name| repository().join(name))
    .collect();
    for entry in std::fs::read_dir(repository().join("docs")).unwrap() {
        documents.push(entry.unwrap().path());
    }
    let mut links = 0;
    for document in documents
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
    {
        let text = std::fs::read_to_string(document).unwrap();
        for rest in text.split("](").skip(1) {
            let target = rest.split(')').next().unwrap();
            if target.starts_with("http") {
                continue;
            }
            links += 1;
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() {
                document.clone()
            } else {
                document.parent().unwrap().join(file)
            };
            assert!(
                path.exists(),
                "{}: `{target}` leads nowhere",
                document.display()
            );
            if !heading.is_empty() {
                let there = std::fs::read_to_string(&path).unwrap();
                let found = there.lines().any(|line| {
                    line.starts_with('#') && anchor(line.trim_start_matches('#')) == heading
                });
                assert!(
                    found,
                    "{}: `{target}` has no such heading",
                    document.display()
                );
            }
        }
    }
    assert!(links > 20, "only {links} links");
}

/// The name that a heading gets in a link.
fn anchor(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}
