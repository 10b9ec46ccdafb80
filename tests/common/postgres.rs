//! A PostgreSQL database of its own on the server at `TRIGGERCTL_TEST_POSTGRES`.

use std::fmt::Write as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use postgres::{Client, NoTls, SimpleQueryMessage};

use super::Live;

static COUNT: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Postgres {
    name: String,
    base: String,
    client: Option<Client>,
}

/// The maintenance database of the server to test on.
pub(crate) fn server_url() -> String {
    std::env::var("TRIGGERCTL_TEST_POSTGRES").unwrap_or_else(|_| {
        panic!("TRIGGERCTL_TEST_POSTGRES is not set: run tests/run.sh, or set it to the URL of a superuser's database")
    })
}

/// The same server, another database.
pub(crate) fn with_database(url: &str, name: &str) -> String {
    let (address, parameters) = url
        .split_once('?')
        .map_or((url, None), |(a, p)| (a, Some(p)));
    let (scheme, rest) = address.split_once("://").expect("a URL");
    let authority = rest.split('/').next().unwrap();
    let parameters = parameters.map_or(String::new(), |text| format!("?{text}"));
    format!("{scheme}://{authority}/{name}{parameters}")
}

impl Postgres {
    /// An empty database on the shared server.
    pub(crate) fn new() -> Self {
        Self::on(&server_url())
    }

    /// An empty database on this server.
    pub(crate) fn on(base: &str) -> Self {
        let name = format!(
            "triggerctl_test_{}_{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let mut server = connect(base);
        server
            .batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            .unwrap();
        let version = server.query_one("SHOW server_version_num", &[]).unwrap();
        // By default, from 15 on, every page of the template goes through the log: four times as long as to copy the files.
        let strategy = match version.get::<_, String>(0).parse() {
            Ok(0..150_000) => "",
            _ => "STRATEGY file_copy",
        };
        server
            .batch_execute(&format!(
                "CREATE DATABASE {name} TEMPLATE template0 {strategy}"
            ))
            .unwrap();
        let client = connect(&with_database(base, &name));
        Self {
            name,
            base: base.to_owned(),
            client: Some(client),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Another connection to the same database.
    pub(crate) fn connect(&self) -> Client {
        connect(&self.url())
    }

    /// What a query of the harness's own gives, which must not fail.
    fn rows(&mut self, sql: &str) -> String {
        let rows = self.run(sql);
        assert!(!rows.starts_with("error: "), "{rows}{sql}");
        rows
    }

    fn client_mut(&mut self) -> &mut Client {
        self.client.as_mut().unwrap()
    }
}

pub(crate) fn connect(url: &str) -> Client {
    Client::connect(url, NoTls).unwrap_or_else(|error| panic!("cannot connect to {url}: {error}"))
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.client.take());
        // The server may be gone already when a test stops it.
        if let Ok(mut server) = Client::connect(&self.base, NoTls) {
            let _ = server.batch_execute(&format!(
                "DROP DATABASE IF EXISTS {} WITH (FORCE)",
                self.name
            ));
        }
    }
}

const SNAPSHOT: &str = "
SELECT 'schema ' || nspname::text || ' ' || coalesce(nspacl::text, '')
FROM pg_namespace WHERE SCOPE
UNION ALL
SELECT 'relation ' || n.nspname || '.' || c.relname || ' ' || c.relkind::text || ' ' || coalesce(c.relacl::text, '')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE SCOPE
UNION ALL
SELECT 'trigger ' || n.nspname || '.' || c.relname || '.' || t.tgname || ' ' || t.tgenabled::text || ' '
    || pg_get_triggerdef(t.oid) || ' -- ' || coalesce(obj_description(t.oid, 'pg_trigger'), '')
FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE SCOPE
UNION ALL
SELECT 'function ' || n.nspname || '.' || p.proname || ' ' || pg_get_functiondef(p.oid) || ' owned by '
    || p.proowner::regrole::text || ' ' || coalesce(p.proacl::text, '') || ' -- ' || coalesce(obj_description(p.oid, 'pg_proc'), '')
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE SCOPE AND p.prokind = 'f'
UNION ALL
SELECT 'depends on extension ' || pg_describe_object(classid, objid, objsubid) || ' ' || pg_describe_object(refclassid, refobjid, 0)
FROM pg_depend WHERE deptype = 'x'
ORDER BY 1";

const SYSTEM: &str = "nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'";

impl Live for Postgres {
    fn dialect(&self) -> &'static str {
        "postgres"
    }

    fn url(&self) -> String {
        with_database(&self.base, &self.name)
    }

    fn batch(&mut self, sql: &str) {
        self.client_mut()
            .batch_execute(sql)
            .unwrap_or_else(|error| panic!("{}\n{sql}", message(&error)));
    }

    fn run(&mut self, sql: &str) -> String {
        let answer = match self.client_mut().simple_query(sql) {
            Ok(answer) => answer,
            Err(error) => return format!("error: {}\n", message(&error)),
        };
        let mut text = String::new();
        for part in answer {
            if let SimpleQueryMessage::Row(row) = part {
                let values: Vec<_> = (0..row.len())
                    .map(|index| row.get(index).unwrap_or("NULL"))
                    .collect();
                let _ = writeln!(text, "{}", values.join("|"));
            }
        }
        text
    }

    fn snapshot(&mut self) -> String {
        let scope = format!("{SYSTEM} AND nspname <> 'triggerctl'");
        self.rows(&SNAPSHOT.replace("SCOPE", &scope))
    }

    fn everything(&mut self) -> String {
        let mut text = self.rows(&SNAPSHOT.replace("SCOPE", SYSTEM));
        let tables = self.rows("SELECT quote_ident(nspname) || '.' || quote_ident(relname) FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace WHERE relkind = 'r' AND nspname = 'triggerctl' ORDER BY 1");
        for table in tables.lines() {
            text += &self.rows(&format!("SELECT t::text FROM {table} AS t ORDER BY 1"));
        }
        text
    }

    fn migrations(&self) -> &'static str {
        "triggerctl.migrations"
    }

    fn client(&self) -> Command {
        let mut command = Command::new("psql");
        command
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d"])
            .arg(self.url());
        command
    }
}

fn message(error: &postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), |error| error.message().to_owned())
}
