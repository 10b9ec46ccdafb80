//! A PostgreSQL server of the test's own, for what cannot be done to the shared one: passwords, standbys, stops.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use postgres::{Client, NoTls};

use super::eventually;

pub(crate) struct Server {
    folder: tempfile::TempDir,
    process: Option<Child>,
    pub(crate) port: u16,
}

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

/// A data folder as initdb makes it, which tests/run.sh left to be copied: initdb takes seconds.
fn first_data() -> Option<PathBuf> {
    std::env::var_os("TRIGGERCTL_TEST_POSTGRES_DATA").map(PathBuf::from)
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.trim_ascii() == b"0"
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

/// A server program as a user that may run it; it stops when the test dies.
fn program(name: &str, folder: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        let group = Command::new("id").args(["-g", user()]).output().unwrap();
        command.arg(format!("--reuid={}", user()));
        command.arg(format!(
            "--regid={}",
            String::from_utf8(group.stdout).unwrap().trim()
        ));
        command.arg("--init-groups");
    }
    command
        .args(["--pdeathsig", "INT", "--"])
        .arg(bin().join(name))
        .current_dir(folder);
    command
}

fn hand_over(path: &Path) {
    if is_root() {
        let status = Command::new("chown")
            .arg("-R")
            .arg(user())
            .arg(path)
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Server {
    /// Initialised and started; passwords are asked for on TCP, and not on the socket.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tctl-pg-")
            .tempdir()
            .unwrap();
        hand_over(folder.path());
        let data = folder.path().join("data");
        let mut made = if let Some(template) = first_data() {
            let mut copy = Command::new("cp");
            copy.arg("-a").arg(template).arg(&data);
            copy
        } else {
            let mut initdb = program("initdb", folder.path());
            initdb.arg("-D").arg(&data).args(["-U", "postgres"]);
            initdb.args(["--encoding=UTF8", "--locale=C", "--no-sync"]);
            initdb
        };
        let output = made.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let access = "local all all trust\nhost all all all scram-sha-256\n";
        std::fs::write(data.join("pg_hba.conf"), access).unwrap();
        let mut this = Self {
            folder,
            process: None,
            port: 0,
        };
        this.start();
        this
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn start(&mut self) {
        // Another process may take the port in between: then the next one.
        for _ in 0..20 {
            let port = TcpListener::bind(("127.0.0.1", 0))
                .unwrap()
                .local_addr()
                .unwrap()
                .port();
            let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
            let mut process = program("postgres", self.folder.path())
                .arg("-D")
                .arg(self.data())
                .args([
                    "-p",
                    &port.to_string(),
                    "-c",
                    "listen_addresses=127.0.0.1",
                    "-c",
                    "fsync=off",
                ])
                .arg("-c")
                .arg(format!(
                    "unix_socket_directories={}",
                    self.folder.path().display()
                ))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap();
            self.port = port;
            let url = self.url();
            let mut ended = false;
            eventually("the server starts", || {
                ended = process.try_wait().unwrap().is_some();
                ended || Client::connect(&url, NoTls).is_ok()
            });
            if !ended {
                self.process = Some(process);
                return;
            }
        }
        panic!(
            "the server does not start: {}",
            std::fs::read_to_string(self.folder.path().join("log")).unwrap()
        );
    }

    /// A fast shutdown.
    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            super::signal(&process, "INT");
            let _ = process.wait();
        }
    }

    /// Start it again as a hot standby, which is in recovery for ever.
    pub(crate) fn restart_in_recovery(&mut self) {
        self.stop();
        let signal = self.data().join("standby.signal");
        std::fs::write(&signal, "").unwrap();
        hand_over(&signal);
        self.start();
    }

    /// By the unix socket, as superuser.
    pub(crate) fn url(&self) -> String {
        format!(
            "postgresql://postgres@/postgres?host={}&port={}",
            self.folder.path().display(),
            self.port
        )
    }

    /// By TCP.
    pub(crate) fn tcp_url(&self, user: &str, password: &str, database: &str) -> String {
        format!(
            "postgresql://{user}:{password}@127.0.0.1:{}/{database}",
            self.port
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
