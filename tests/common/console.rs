//! Markdown whose console blocks are run for real, so that documents show what the binary does.
//!
//! In a block that opens with ```` ```console ````, a line `$ …` is a command for bash, `> …` goes on with it, `? N` says
//! that it exits with N (0 else), and what follows is what it prints, stdout and stderr together. The blocks of a
//! document share one folder. Durations, dates and versions of SQLite or PostgreSQL may differ.
//! `SNAPSHOTS=overwrite` writes what is printed into the document.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Sandbox, assert_same};

/// Run the commands of a document in this folder, and compare.
#[track_caller]
pub(crate) fn check(document: &Path, sandbox: &Sandbox, variables: &[(&str, String)]) -> usize {
    let expected = std::fs::read_to_string(document).unwrap();
    let mut actual = String::new();
    let mut commands = 0;
    let mut lines = expected.lines().peekable();
    let mut inside = false;
    while let Some(line) = lines.next() {
        actual += line;
        actual.push('\n');
        if line.starts_with("```") {
            inside = !inside && line.trim() == "```console";
            continue;
        }
        let Some(first) = line.strip_prefix("$ ").filter(|_| inside) else {
            assert!(
                !inside || line.is_empty(),
                "{}: `{line}` belongs to no command",
                document.display()
            );
            continue;
        };
        let mut command = first.to_owned();
        while let Some(more) = lines.peek().and_then(|line| line.strip_prefix("> ")) {
            let _ = writeln!(actual, "> {more}");
            command += "\n";
            command += more;
            lines.next();
        }
        // A blank line before the next command is the document's own.
        let mut spaced = false;
        while let Some(line) =
            lines.next_if(|line| !line.starts_with("$ ") && !line.starts_with("```"))
        {
            spaced = line.is_empty();
        }
        spaced &= lines.peek().is_some_and(|line| line.starts_with("$ "));
        commands += 1;
        let (code, output) = run(&command, sandbox, variables);
        if code != 0 {
            let _ = writeln!(actual, "? {code}");
        }
        actual += &output;
        if !output.is_empty() && !output.ends_with('\n') {
            actual.push('\n');
        }
        if spaced && !output.ends_with("\n\n") {
            actual.push('\n');
        }
    }
    assert!(
        commands > 0,
        "{} has no command in a console block",
        document.display()
    );
    if steady(&expected) != steady(&actual)
        && std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite")
    {
        std::fs::write(document, actual).unwrap();
    } else {
        assert_same(
            &document.display().to_string(),
            &steady(&expected),
            &steady(&actual),
        );
    }
    commands
}

fn run(command: &str, sandbox: &Sandbox, variables: &[(&str, String)]) -> (i32, String) {
    let bin = PathBuf::from(env!("CARGO_BIN_EXE_triggerctl"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", bin.parent().unwrap().display());
    // One pipe for both, so that lines come in the order in which they were written.
    let output = Command::new("bash")
        .args(["-c", &format!("exec 2>&1\n{command}")])
        .current_dir(sandbox.path())
        .env_clear()
        .env("PATH", path)
        .env("HOME", sandbox.path())
        .env("LC_ALL", "C.UTF-8")
        .env("USER", "you")
        .env("LOGNAME", "you")
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    (
        output.status.code().expect("an exit code"),
        text.replace(&sandbox.path().display().to_string(), "/home/you"),
    )
}

/// The text with everything that changes from run to run replaced: durations, times, versions of engines, digests.
fn steady(text: &str) -> String {
    let mut steady = String::new();
    for line in text.lines() {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for (at, word) in words.iter().enumerate() {
            if at > 0 {
                steady.push(' ');
            }
            let next = words
                .get(at + 1)
                .map_or("", |word| word.trim_end_matches(['.', ',', ':', ')']));
            let digits = word.chars().filter(char::is_ascii_digit).count();
            let bare = word.trim_matches(|c: char| "\"'`,.()".contains(c));
            let only = |extra: &str| {
                bare.chars()
                    .all(|c| c.is_ascii_digit() || extra.contains(c))
            };
            let is_time = digits >= 4
                && only("-:TZ.+")
                && (bare.contains(':') || bare.matches('-').count() == 2);
            let is_duration = matches!(next, "ms" | "s") && digits > 0 && only(".");
            let is_engine =
                at > 0 && matches!(words[at - 1].as_str(), "SQLite" | "PostgreSQL") && digits > 0;
            let is_digest = bare.len() >= 12 && bare.chars().all(|c| c.is_ascii_hexdigit());
            if is_time || is_duration || is_engine || is_digest {
                steady += &word.replace(bare, "…");
            } else {
                steady += word;
            }
        }
        steady.push('\n');
    }
    steady
}
