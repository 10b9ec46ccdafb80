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
