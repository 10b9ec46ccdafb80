//! Against a real server: `TRIGGERCTL_TEST_POSTGRES` is the URL of a superuser's maintenance database. Each test has a
//! database of its own.

mod attributes;
mod conditions;
mod fingerprints;
mod history;
mod migrations;
mod moment;
mod tables;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{Options, Postgres};
use crate::db::postgres::connect;
use crate::db::url::{DatabaseUrl, PostgresUrl};
use crate::db::{Catalog, Database, Depth, Patience, Scope, Statement};
use crate::model::{Definition, Function, FunctionId, ObjectId, TableId, Trigger, TriggerId};

/// A database that goes when the test ends.
struct Scratch {
    name: String,
    url: PostgresUrl,
}

impl Scratch {
    fn new() -> Self {
        Self::with("")
    }

    /// A database created with these options.
    fn with(options: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "triggerctl_{}_{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let url = maintenance();
        let mut client = connect::connect(&url).expect("connects").client;
        client
            .batch_execute(&format!("CREATE DATABASE {name} {options}"))
            .expect("creates a database");
        let mut own = url;
        own.set("dbname", name.clone());
        Self { name, url: own }
    }

    /// A bare session.
    fn client(&self) -> postgres::Client {
        connect::connect(&self.url).expect("connects").client
    }

    fn open(&self) -> Postgres {
        let connection = connect::connect(&self.url).expect("connects");
        let canceller = std::sync::Mutex::new(connection.canceller());
        let canceller = std::sync::Arc::new(move || canceller.lock().expect("is whole")());
        let options = Options {
            dialect: &crate::dialect::postgres::Postgres,
            history_schema: "triggerctl".into(),
            address: "somewhere:5432".into(),
            canceller,
            again: Some(connection.again()),
        };
        Postgres::new(connection.client, options).expect("opens")
    }

    /// A session, after this script has run.
    fn after(&self, script: &str) -> Postgres {
        let mut database = self.open();
        database.execute(script);
        database
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let mut client = connect::connect(&maintenance()).expect("connects").client;
        client
            .batch_execute(&format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{0}'",
                self.name
            ))
            .expect("ends sessions");
        for _ in 0..50 {
            if client
                .batch_execute(&format!("DROP DATABASE IF EXISTS {}", self.name))
                .is_ok()
            {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        eprintln!("database {} stays", self.name);
    }
}

fn maintenance() -> PostgresUrl {
    let url = std::env::var("TRIGGERCTL_TEST_POSTGRES")
        .expect("TRIGGERCTL_TEST_POSTGRES must be the URL of a PostgreSQL superuser's database");
    match crate::db::url::parse(&url, std::path::Path::new(".")).expect("a URL") {
        DatabaseUrl::Postgres(url) => url,
        other @ (DatabaseUrl::Sqlite(_) | DatabaseUrl::Mysql(_)) => {
            panic!("not a PostgreSQL URL: {}", other.display())
        }
    }
}

impl Postgres {
    fn execute(&mut self, script: &str) {
        if let Err(failure) = self.client.batch_execute(script) {
            panic!("{script}: {failure:?}");
        }
    }

    fn catalog_of(&mut self, schemas: &[&str]) -> Catalog {
        self.catalog(&Scope {
            schemas: schemas.iter().map(|schema| (*schema).to_owned()).collect(),
            known: BTreeSet::new(),
        })
        .expect("reads the catalog")
    }

    fn definition(&mut self, id: &ObjectId) -> Definition {
        self.definitions(std::slice::from_ref(id), Depth::Whole)
            .expect("reads definitions")
            .remove(id)
            .unwrap_or_else(|| panic!("{id} is there"))
    }

    fn trigger(&mut self, schema: &str, table: &str, name: &str) -> Trigger {
        match self.definition(&trigger_id(schema, table, name)) {
            Definition::Trigger(trigger) => Arc::unwrap_or_clone(trigger),
            Definition::Function(_) => panic!("not a trigger"),
        }
    }

    fn function(&mut self, schema: &str, name: &str) -> Function {
        match self.definition(&function_id(schema, name)) {
            Definition::Function(function) => Arc::unwrap_or_clone(function),
            Definition::Trigger(_) => panic!("not a function"),
        }
    }
}

fn table_id(schema: &str, name: &str) -> TableId {
    TableId {
        schema: schema.into(),
        name: name.into(),
    }
}

fn trigger_id(schema: &str, table: &str, name: &str) -> ObjectId {
    ObjectId::Trigger(TriggerId {
        table: table_id(schema, table),
        name: name.into(),
    })
}

fn function_id(schema: &str, name: &str) -> ObjectId {
    ObjectId::Function(FunctionId {
        schema: schema.into(),
        name: name.into(),
    })
}

fn statement(sql: &str) -> Statement {
    Statement {
        sql: sql.into(),
        object: Some(Arc::new(trigger_id("public", "t", "x"))),
    }
}

fn patience() -> Patience {
    Patience {
        lock_timeout: Duration::from_millis(200),
        total: Duration::from_secs(5),
    }
}

/// A table and a function that most tests start from.
const BASICS: &str = "CREATE TABLE t (id int PRIMARY KEY, a text, b text, c int);
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';";
