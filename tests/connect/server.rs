//! A private PostgreSQL server in a temporary folder, stopped when it goes out of scope.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use triggerctl::db::postgres::connect::connect_in;

use crate::{cluster, environment, port, postgres_url};

/// A running server.
pub(crate) struct Server {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) port: u16,
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
        for name in ["socket", "tls"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        cluster::hand_over(folder.path());
        let data = cluster::make(folder.path());
        let port = port::free();
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
        let process = cluster::program("postgres", folder.path())
            .arg("-D")
            .arg(&data)
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .expect("postgres runs");
        let server = Self {
            folder,
            port,
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
            cluster::hand_over(&to);
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
        let stopped = cluster::program("pg_ctl", self.folder.path())
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
