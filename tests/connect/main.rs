//! Connecting to real PostgreSQL servers: each test starts its own, with TLS, and stops it at the end. The environment is
//! given as a value, so that nothing of the machine's own settings matters.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines
)]

mod answers;
mod certificates;
#[path = "../common/cluster.rs"]
mod cluster;
mod fake;
mod hosts;
mod identities;
mod passwords;
#[path = "../common/port.rs"]
mod port;
mod server;
mod tls;

use std::path::Path;

use triggerctl::db::postgres::connect::{Connection, Environment, connect_in};
use triggerctl::db::url::{self, DatabaseUrl, PostgresUrl};

/// A PostgreSQL URL.
fn postgres_url(text: &str) -> PostgresUrl {
    match url::parse(text, Path::new("")) {
        Ok(DatabaseUrl::Postgres(url)) => url,
        other => panic!("{text}: {other:?}"),
    }
}

/// An environment with an empty home and no variables but these.
fn environment(home: &Path, variables: &[(&str, &str)]) -> Environment {
    Environment {
        variables: variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        home: Some(home.to_owned()),
        user: Some("postgres".to_owned()),
        socket_folders: vec![],
        service_files: vec![],
    }
}

/// Connect, and be able to run something.
fn connected(url: &str, environment: &Environment) -> Connection {
    let mut connection = connect_in(&postgres_url(url), environment)
        .unwrap_or_else(|error| panic!("{url}: {error:#?}"));
    let row = connection.client.query_one("SELECT 41 + 1", &[]).unwrap();
    assert_eq!(row.get::<_, i32>(0), 42);
    connection
}

/// Whether the session is encrypted, by the server's own view.
fn encrypted(connection: &mut Connection) -> bool {
    connection
        .client
        .query_one(
            "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
            &[],
        )
        .unwrap()
        .get(0)
}

/// Everything that a failure says, message first.
fn refused(url: &str, environment: &Environment) -> String {
    match connect_in(&postgres_url(url), environment) {
        Ok(connection) => panic!("{url}: connected to {}", connection.display),
        Err(error) => format!("{error}\n{error:#?}"),
    }
}

/// That a failure says this.
#[track_caller]
fn assert_refused(url: &str, environment: &Environment, wanted: &[&str]) {
    let text = refused(url, environment);
    for words in wanted {
        assert!(text.contains(words), "{url}: `{words}` is not in {text}");
    }
}
