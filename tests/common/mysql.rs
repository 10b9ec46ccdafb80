//! A MariaDB or MySQL 9 database of its own, on the servers at `TRIGGERCTL_TEST_MYSQL` and `TRIGGERCTL_TEST_MYSQL_9`.

use std::fmt::Write as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use mysql::prelude::Queryable;
use mysql::{Conn, Opts, Row, Value};

use super::Live;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// The engines that one dialect is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Mariadb,
    Mysql9,
}

impl Engine {
    pub(crate) const ALL: [Self; 2] = [Self::Mariadb, Self::Mysql9];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mariadb => "mariadb",
            Self::Mysql9 => "mysql_9",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Mariadb => "TRIGGERCTL_TEST_MYSQL",
            Self::Mysql9 => "TRIGGERCTL_TEST_MYSQL_9",
        }
    }

    /// Whether it cannot be had on this machine, as tests/run.sh says: its tests are counted as ignored. Without a word
    /// from tests/run.sh they fail.
    pub(crate) fn is_missing(self) -> bool {
        std::env::var(self.variable()).is_ok_and(|url| url == "none")
    }

    /// The shared server: `mysql://root@localhost/?socket=/path`.
    pub(crate) fn server_url(self) -> String {
        let name = self.variable();
        std::env::var(name).unwrap_or_else(|_| {
            panic!("{name} is not set: run tests/run.sh, or set it to the URL of an administrator")
        })
    }
}

pub(crate) struct Mysql {
    name: String,
    base: String,
    conn: Conn,
    reader: Option<String>,
    /// The name of another database that goes with it.
    beside: Option<String>,
}

/// The same server, another database.
pub(crate) fn with_database(url: &str, name: &str) -> String {
    super::postgres::with_database(url, name)
}

impl Mysql {
    /// An empty database on the shared MariaDB.
    pub(crate) fn new() -> Self {
        Self::of(Engine::Mariadb)
    }

    /// An empty database on a shared server.
    pub(crate) fn of(engine: Engine) -> Self {
        let database = Self::at(&engine.server_url());
        let mut database = database;
        let version = database.run("SELECT @@version");
        assert_eq!(
            version.contains("MariaDB"),
            engine == Engine::Mariadb,
            "{} leads to {version}",
            engine.variable()
        );
        database
    }

    /// An empty database on this server.
    pub(crate) fn at(base: &str) -> Self {
        let name = format!(
            "triggerctl_test_{}_{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let mut conn = connect(&with_database(base, ""));
        for sql in [
            format!("DROP DATABASE IF EXISTS {name}"),
            format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"),
        ] {
            conn.query_drop(sql).unwrap();
        }
        let mut database = Self {
            name,
            base: base.to_owned(),
            conn,
            reader: None,
            beside: None,
        };
        database.set_up();
        database
    }

    fn set_up(&mut self) {
        for sql in [
            format!("USE {}", self.name),
            "SET NAMES utf8mb4".to_owned(),
            // Names in double quotes, as the other dialects have them.
            "SET SESSION sql_mode = CONCAT(@@GLOBAL.sql_mode, ',ANSI_QUOTES')".to_owned(),
        ] {
            self.conn.query_drop(sql).unwrap();
        }
    }

    /// Another empty database of the same server, which goes when this one goes; its name.
    pub(crate) fn make_beside(&mut self) -> String {
        let name = format!("{}_b", self.name);
        self.batch(&format!("DROP DATABASE IF EXISTS {name}"));
        self.batch(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"));
        self.beside = Some(name.clone());
        name
    }

    /// Connect again, after the server was started again.
    pub(crate) fn reconnect(&mut self) {
        self.conn = connect(&with_database(&self.base, ""));
        self.set_up();
    }

    /// The URL of another user.
    pub(crate) fn url_of(&self, user: &str, password: &str) -> String {
        self.database_url()
            .replacen("root@", &format!("{user}:{password}@"), 1)
    }

    fn database_url(&self) -> String {
        with_database(&self.base, &self.name)
    }

    /// Let `work` be done by a user who may read and see triggers, and no more: a write of any kind would be refused.
    pub(crate) fn as_reader(&mut self, work: impl FnOnce(&Self)) {
        let user = format!("r_{}", self.name.trim_start_matches("triggerctl_test_"));
        let name = self.name.clone();
        for sql in [
            format!("DROP USER IF EXISTS {user}@localhost"),
            format!("CREATE USER {user}@localhost IDENTIFIED BY 'x'"),
            format!("GRANT SELECT, TRIGGER ON {name}.* TO {user}@localhost"),
        ] {
            self.conn.query_drop(sql).unwrap();
        }
        self.reader = Some(self.url_of(&user, "x"));
        work(self);
        self.reader = None;
        self.conn
            .query_drop(format!("DROP USER {user}@localhost"))
            .unwrap();
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Another connection to the same database.
    pub(crate) fn connect(&self) -> Conn {
        connect(&self.url())
    }

    pub(crate) fn conn(&mut self) -> &mut Conn {
        &mut self.conn
    }

    fn rows(&mut self, sql: &str) -> String {
        let rows = self.run(sql);
        assert!(!rows.starts_with("error: "), "{rows}{sql}");
        rows
    }

    /// The session's mode that a trigger was made under, and the statement that makes it, as a dump has them.
    pub(crate) fn shown(&mut self, trigger: &str) -> (String, String) {
        self.conn.query_drop("SET SESSION sql_mode = ''").unwrap();
        let row: Row = self
            .conn
            .query_first(format!("SHOW CREATE TRIGGER `{trigger}`"))
            .unwrap()
            .unwrap();
        self.set_up();
        (value(&row[1]), value(&row[2]))
    }

    /// Run one statement under this mode.
    pub(crate) fn as_in(&mut self, sql_mode: &str, statement: &str) {
        for sql in [&*format!("SET SESSION sql_mode = '{sql_mode}'"), statement] {
            self.conn.query_drop(sql).unwrap();
        }
        self.set_up();
    }

    fn triggers(&mut self) -> String {
        let name = self.name.clone();
        let list = self.rows(&format!(
            "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_ORDER FROM information_schema.TRIGGERS
             WHERE TRIGGER_SCHEMA = '{name}' ORDER BY 1"
        ));
        let mut text = String::new();
        for line in list.lines() {
            let _ = writeln!(text, "{line}");
            let trigger = line.split('|').next().unwrap();
            let row: Row = self
                .conn
                .query_first(format!(
                    "SHOW CREATE TRIGGER `{}`",
                    trigger.replace('`', "``")
                ))
                .unwrap()
                .unwrap();
            // All but the last column, which is when it was created.
            for index in 0..6 {
                let _ = writeln!(text, "  {}", value(&row[index]));
            }
        }
        text
    }
}

pub(crate) fn connect(url: &str) -> Conn {
    try_connect(url).unwrap_or_else(|error| panic!("cannot connect to {url}: {error}"))
}

pub(crate) fn try_connect(url: &str) -> mysql::Result<Conn> {
    let opts = Opts::from_url(&url.replacen("mariadb://", "mysql://", 1)).unwrap();
    let opts = mysql::OptsBuilder::from_opts(opts)
        .prefer_socket(false)
        .init(vec!["SET NAMES utf8mb4"]);
    Conn::new(opts)
}

impl Drop for Mysql {
    fn drop(&mut self) {
        let _ = self.conn.query_drop("ROLLBACK");
        let _ = self.conn.query_drop("UNLOCK TABLES");
        let _ = self
            .conn
            .query_drop(format!("DROP DATABASE IF EXISTS {}", self.name));
        if let Some(beside) = &self.beside {
            let _ = self
                .conn
                .query_drop(format!("DROP DATABASE IF EXISTS {beside}"));
        }
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::NULL => "NULL".to_owned(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => other.as_sql(true).trim_matches('\'').to_owned(),
    }
}

impl Live for Mysql {
    fn dialect(&self) -> &'static str {
        "mysql"
    }

    fn url(&self) -> String {
        self.reader.clone().unwrap_or_else(|| self.database_url())
    }

    fn batch(&mut self, sql: &str) {
        let mut result = self
            .conn
            .query_iter(sql)
            .unwrap_or_else(|error| panic!("{error}\n{sql}"));
        while let Some(set) = result.iter() {
            for row in set {
                row.unwrap_or_else(|error| panic!("{error}\n{sql}"));
            }
        }
    }

    fn run(&mut self, sql: &str) -> String {
        let mut text = String::new();
        let error = |error: mysql::Error| match error {
            mysql::Error::MySqlError(error) => format!("error: {}\n", error.message),
            other => format!("error: {other}\n"),
        };
        let mut result = match self.conn.query_iter(sql) {
            Ok(result) => result,
            Err(failure) => return error(failure),
        };
        while let Some(set) = result.iter() {
            for row in set {
                match row {
                    Ok(row) => {
                        let values: Vec<_> = row.unwrap().iter().map(value).collect();
                        let _ = writeln!(text, "{}", values.join("|"));
                    }
                    Err(failure) => return error(failure),
                }
            }
        }
        text
    }

    fn snapshot(&mut self) -> String {
        let name = self.name.clone();
        let tables = self.rows(&format!(
            "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES
             WHERE TABLE_SCHEMA = '{name}' AND TABLE_NAME NOT LIKE 'triggerctl\\_%' ORDER BY 1"
        ));
        tables + &self.triggers()
    }

    fn everything(&mut self) -> String {
        let name = self.name.clone();
        let tables = self.rows(&format!(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{name}' ORDER BY 1"
        ));
        let mut text = self.snapshot();
        for table in tables.lines() {
            let _ = writeln!(text, "{table}");
            if table.starts_with("triggerctl_") {
                text += &self.rows(&format!("SELECT * FROM {table} ORDER BY 1, 2, 3, 4, 5"));
            }
        }
        text
    }

    fn migrations(&self) -> &'static str {
        "triggerctl_migrations"
    }

    fn plain(&self, text: &str) -> String {
        let text = text.replace(&format!("{}.", self.name), "");
        match &self.beside {
            Some(beside) => text.replace(beside, "other"),
            None => text,
        }
    }

    fn client(&self) -> Command {
        let program = ["mariadb", "mysql"]
            .into_iter()
            .find(|program| Command::new(program).arg("--version").output().is_ok())
            .unwrap_or("mysql");
        let mut command = Command::new(program);
        command.args([
            "--no-defaults",
            "--default-character-set=utf8mb4",
            // Left to itself, it takes comments away.
            "--comments",
            // It would also rewrite line ends.
            "--binary-mode",
            "--user=root",
        ]);
        match self.base.split_once("socket=") {
            Some((_, socket)) => {
                command.arg(format!("--socket={}", socket.split('&').next().unwrap()))
            }
            None => &mut command,
        };
        command.arg(&self.name);
        command
    }
}
