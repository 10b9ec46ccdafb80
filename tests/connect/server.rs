//! A private PostgreSQL server in a temporary folder, stopped when it goes out of scope.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use triggerctl::db::postgres::connect::connect_in;

use crate::{environment, postgres_url};

/// A running server.
pub(crate) struct Server {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) port: u16,
    account: Option<(u32, u32)>,
    process: Child,
}

/// What is special about a server.
#[derive(Default)]
pub(crate) struct Options<'a> {
    /// Lines of `pg_hba.conf` before "everybody is trusted".
    pub(crate) access: &'a str,
    /// Lines of `postgresql.conf`.
    pub(crate) settings: &'a str,
    /// Whether it is in recovery for ever.
    pub(crate) standby: bool,
}

impl Server {
    /// Start one, and wait until it answers.
    pub(crate) fn start(options: &Options<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let account = account();
        for name in ["", "socket", "tls"] {
            let path = folder.path().join(name);
            if !name.is_empty() {
                std::fs::create_dir(&path).unwrap();
            }
            own(&path, account);
        }
        let data = folder.path().join("data");
        // initdb takes seconds; tests/run.sh left what it makes.
        let mut made = if let Some(template) = std::env::var_os("TRIGGERCTL_TEST_POSTGRES_DATA") {
            let mut copy = Command::new("cp");
            copy.arg("-a").arg(template);
            copy
        } else {
            let mut initdb = run_as(account, "initdb");
            initdb.args(["-A", "trust", "-U", "postgres", "-E", "UTF8"]);
            initdb.args(["--locale=C", "--no-sync", "-D"]);
            initdb
        };
        let made = made.arg(&data).output().expect("it runs");
        assert!(made.status.success(), "{made:?}");
        let port = free_port();
        std::fs::write(
            data.join("pg_hba.conf"),
            format!(
                "{}\nlocal all all trust\nhost all all 127.0.0.1/32 trust\nhost all all ::1/128 trust\n",
                options.access
            ),
        )
        .unwrap();
        let conf = format!(
            "port = {port}\nlisten_addresses = '127.0.0.1, ::1'\nunix_socket_directories = '{}'\nfsync = off\n\
             log_min_messages = fatal\n{}\n",
            folder.path().join("socket").display(),
            options.settings
        );
        std::fs::write(data.join("postgresql.auto.conf"), conf).unwrap();
        if options.standby {
            std::fs::write(data.join("standby.signal"), "").unwrap();
        }
        let process = run_as(account, "postgres")
            .arg("-D")
            .arg(&data)
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .expect("postgres runs");
        let server = Self {
            folder,
            port,
            account,
            process,
        };
        server.wait_until("SELECT true");
        server
    }

    /// The folder of the socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// A URL of the superuser by the socket.
    pub(crate) fn url(&self) -> String {
        format!(
            "postgres://postgres@/postgres?host={}&port={}",
            self.socket().display(),
            self.port
        )
    }

    /// Run statements as the superuser.
    pub(crate) fn run(&self, sql: &str) {
        let environment = environment(self.folder.path(), &[]);
        let mut connection = connect_in(&postgres_url(&self.url()), &environment).unwrap();
        connection.client.batch_execute(sql).unwrap();
    }

    /// Read the configuration and the TLS files again, in all connections from now on.
    pub(crate) fn reload(&self) {
        // A new session has the postmaster's time of loading.
        let before = Instant::now();
        self.run(
            "CREATE TABLE IF NOT EXISTS loaded (at timestamptz); TRUNCATE loaded; \
                  INSERT INTO loaded VALUES (pg_conf_load_time()); SELECT pg_reload_conf()",
        );
        self.wait_until("SELECT pg_conf_load_time() > at FROM loaded");
        assert!(before.elapsed() < Duration::from_secs(10));
    }

    /// Put a certificate and its key where the server looks for them, and make it look.
    pub(crate) fn use_certificate(&self, certificate: &Path, key: &Path) {
        let folder = self.folder.path().join("tls");
        for (from, to) in [(certificate, "server.crt"), (key, "server.key")] {
            let to = folder.join(to);
            std::fs::copy(from, &to).unwrap();
            close(&to);
            own(&to, self.account);
        }
        self.reload();
    }

    fn wait_until(&self, sql: &str) {
        let environment = environment(self.folder.path(), &[]);
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = connect_in(&postgres_url(&self.url()), &environment)
                .map_err(|error| format!("{error:?}"))
                .and_then(|mut connection| {
                    let row = connection.client.query_one(sql, &[]);
                    row.map(|row| row.get::<_, bool>(0))
                        .map_err(|error| format!("{error:?}"))
                });
            if answer == Ok(true) {
                return;
            }
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(
                Instant::now() < end,
                "the server is not ready: {answer:?}\n{log}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stopped = run_as(self.account, "pg_ctl")
            .args(["stop", "-s", "-m", "immediate", "-D"])
            .arg(self.folder.path().join("data"))
            .status();
        if !stopped.is_ok_and(|status| status.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// Make a key readable for its owner alone.
pub(crate) fn close(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A port that nothing listens on at the moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// PostgreSQL refuses to run as root: then it runs as `postgres`.
fn account() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> u32 {
        let output = Command::new("id")
            .args(arguments)
            .output()
            .expect("id runs");
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim()
            .parse()
            .expect("as root, the tests need an account `postgres`")
    };
    (id(&["-u"]) == 0).then(|| (id(&["-u", "postgres"]), id(&["-g", "postgres"])))
}

fn own(path: &Path, account: Option<(u32, u32)>) {
    if let Some((user, group)) = account {
        std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    }
}

/// A program of PostgreSQL's, with nothing of our environment's PG variables.
fn run_as(account: Option<(u32, u32)>, program: &str) -> Command {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| {
            versions
                .flatten()
                .map(|version| version.path().join("bin"))
                .collect()
        })
        .unwrap_or_default();
    folders.sort();
    folders.extend(std::env::var_os("TRIGGERCTL_TEST_POSTGRES_BIN").map(PathBuf::from));
    let path = folders
        .iter()
        .rev()
        .map(|folder| folder.join(program))
        .find(|path| path.exists())
        .unwrap_or_else(|| {
            panic!("no `{program}`: set TRIGGERCTL_TEST_POSTGRES_BIN to PostgreSQL's bin folder")
        });
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir("/");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some((user, group)) = account {
        command.uid(user).gid(group);
    }
    command
}
