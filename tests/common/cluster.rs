//! A data folder of PostgreSQL's, and its programs as a user that may run them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder of initdb and postgres.
fn bin() -> PathBuf {
    if let Some(folder) =
        std::env::var_os("TRIGGERCTL_TEST_POSTGRES_BIN").filter(|value| !value.is_empty())
    {
        return folder.into();
    }
    let mut found: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path().join("bin"))
        .filter(|folder| folder.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().expect("no PostgreSQL server programs: run tests/run.sh, or set TRIGGERCTL_TEST_POSTGRES_BIN to their folder")
}

fn id(arguments: &[&str]) -> String {
    let output = Command::new("id").args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn is_root() -> bool {
    id(&["-u"]) == "0"
}

/// PostgreSQL refuses to run as root.
fn user() -> &'static str {
    let known = Command::new("id")
        .arg("postgres")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if known.is_ok_and(|status| status.success()) {
        "postgres"
    } else {
        "nobody"
    }
}

/// One of PostgreSQL's programs as a user that may run it, with nothing of our environment's variables; it stops when the
/// test dies.
pub(crate) fn program(name: &str, folder: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        command.arg(format!("--reuid={}", user()));
        command.arg(format!("--regid={}", id(&["-g", user()])));
        command.arg("--init-groups");
    }
    command
        .args(["--pdeathsig", "INT", "--"])
        .arg(bin().join(name))
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// Give a file or folder to the user who runs the programs.
pub(crate) fn hand_over(path: &Path) {
    if is_root() {
        let mut chown = Command::new("chown");
        assert!(
            chown
                .arg("-R")
                .arg(user())
                .arg(path)
                .status()
                .unwrap()
                .success()
        );
    }
}

/// A data folder as initdb makes it, in this folder. It takes seconds, so tests/run.sh leaves one to be copied.
pub(crate) fn make(folder: &Path) -> PathBuf {
    let data = folder.join("data");
    let mut made = if let Some(template) = std::env::var_os("TRIGGERCTL_TEST_POSTGRES_DATA") {
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(template);
        copy
    } else {
        let mut initdb = program("initdb", folder);
        initdb.args(["-A", "trust", "-U", "postgres", "-E", "UTF8"]);
        initdb.args(["--locale=C", "--no-sync", "-D"]);
        initdb
    };
    let output = made.arg(&data).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    data
}
