//! A PostgreSQL server of the test's own, for what cannot be done to the shared one: passwords, standbys, stops.

use std::path::PathBuf;
use std::process::{Child, Stdio};

use postgres::{Client, NoTls};

use super::{cluster, eventually, port};

pub(crate) struct Server {
    folder: tempfile::TempDir,
    process: Option<Child>,
    pub(crate) port: u16,
}

impl Server {
    /// Initialised and started; passwords are asked for on TCP, and not on the socket.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tctl-pg-")
            .tempdir()
            .unwrap();
        cluster::hand_over(folder.path());
        let data = cluster::make(folder.path());
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
        // Somebody else may take the port in between: then the next one.
        for _ in 0..20 {
            let port = port::free();
            let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
            let mut process = cluster::program("postgres", self.folder.path())
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
        cluster::hand_over(&signal);
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
