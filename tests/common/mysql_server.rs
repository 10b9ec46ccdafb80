//! A MariaDB or MySQL server of the test's own, for what cannot be done to a shared one: kills, certificates, settings.

use std::process::{Child, Command, Stdio};

use mysql::prelude::Queryable;

use super::eventually;
use super::mysql::{Engine, try_connect};

pub(crate) struct MysqlServer {
    engine: Engine,
    folder: tempfile::TempDir,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl Engine {
    /// Whether no server of it can be started on this machine, as tests/run.sh says.
    pub(crate) fn has_no_programs(self) -> bool {
        std::env::var(self.program_variable()).is_ok_and(|program| program == "none")
    }

    fn program_variable(self) -> &'static str {
        match self {
            Self::Mariadb => "TRIGGERCTL_TEST_MARIADBD",
            Self::Mysql9 => "TRIGGERCTL_TEST_MYSQLD_9",
        }
    }

    fn data_variable(self) -> &'static str {
        match self {
            Self::Mariadb => "TRIGGERCTL_TEST_MARIADB_DATA",
            Self::Mysql9 => "TRIGGERCTL_TEST_MYSQL_9_DATA",
        }
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/run.sh"))
}

impl MysqlServer {
    /// Start one on a copy of the data folder that tests/run.sh made, with these arguments. It has no TCP port unless they
    /// give it one, and it writes to the disk as carefully as it does by itself.
    pub(crate) fn start(engine: Engine, arguments: &[&str]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("triggerctl-mysqld-")
            .tempdir()
            .unwrap();
        let copied = Command::new("cp")
            .args(["-a", "--reflink=auto", &variable(engine.data_variable())])
            .arg(folder.path().join("data"))
            .status()
            .unwrap();
        assert!(copied.success());
        let mut server = Self {
            engine,
            folder,
            arguments: arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect(),
            process: None,
        };
        server.start_again();
        server
    }

    /// Start it on the same data, after it was killed.
    pub(crate) fn start_again(&mut self) {
        let folder = self.folder.path().display();
        let program = variable(self.engine.program_variable());
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap();
        let mut command = Command::new("setpriv");
        command
            // It goes when the test does.
            .args(["--pdeathsig", "KILL", "--", &program, "--no-defaults"])
            .arg(format!("--user={}", user.trim()))
            .arg(format!("--datadir={folder}/data"))
            .arg(format!("--socket={folder}/s"))
            .arg(format!("--pid-file={folder}/pid"))
            .arg(format!("--tmpdir={folder}"))
            .args(["--innodb-buffer-pool-size=32M", "--performance-schema=OFF"]);
        if self.engine == Engine::Mysql9 {
            let root = std::path::Path::new(&program)
                .parent()
                .unwrap()
                .parent()
                .unwrap();
            command
                .args(["--secure-file-priv=NULL", "--mysqlx=OFF"])
                .arg(format!(
                    "--lc-messages-dir={}/root/usr/share/mysql",
                    root.display()
                ));
        }
        if !self
            .arguments
            .iter()
            .any(|argument| argument.starts_with("--port"))
        {
            command.arg("--skip-networking");
        }
        command.args(&self.arguments);
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let process = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(process);
        let url = self.url();
        eventually("the server is ready", || {
            if let Some(status) = self.process.as_mut().unwrap().try_wait().unwrap() {
                let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
                panic!("the server ended, {status}:\n{log}");
            }
            try_connect(&url).is_ok_and(|mut conn| conn.query_drop("SELECT 1").is_ok())
        });
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// For root, by its socket.
    pub(crate) fn url(&self) -> String {
        format!("mysql://root@localhost/?socket={}", self.socket())
    }

    pub(crate) fn socket(&self) -> String {
        self.folder.path().join("s").display().to_string()
    }

    /// A file of its data folder.
    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("data").join(name)
    }
}

impl Drop for MysqlServer {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
