//! The open connection, and the one function that makes it.

use std::time::Duration;

use postgres::{Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::db::url::PostgresUrl;
use crate::error::Error;

use super::attempt::{self, Opened};
use super::environment::Environment;
use super::explain::{self, Failure};
use super::settings::{self, Host, Place, Settings, WantedServer};
use super::tls;
use super::tls_settings::Mode;

/// How long cancelling may take: it runs while somebody waits for the program to end.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// An open connection to PostgreSQL 12 or later.
pub struct Connection {
    /// The driver's session.
    pub client: Client,
    /// Where it is connected to, without a password: `postgres://user@host:port/database`.
    pub display: String,
    /// The host as named (an address where only that was given, a folder for a socket).
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The role that logged in.
    pub user: String,
    /// The server's version: `15.18`.
    pub server_version: String,
    /// The server's version as a number: `150018`.
    pub server_version_num: u32,
    /// The server's process. Behind a pooler, not the one that the cancel key is for.
    pub backend_pid: i32,
    in_recovery: bool,
    tls: Option<MakeRustlsConnect>,
    again: Again,
}

/// How to connect once more to the server that answered: what was found out on the way to it is not found out again, and what
/// was to be said of it is not said twice.
#[derive(Clone)]
pub struct Again {
    settings: Settings,
    place: Place,
    tls: Option<MakeRustlsConnect>,
}

impl Again {
    /// Connect.
    ///
    /// # Errors
    ///
    /// The same as of [`connect`].
    pub fn connect(&self) -> Result<Connection, Error> {
        let Self {
            settings,
            place,
            tls,
        } = self;
        attempt::try_place(settings, place, WantedServer::Any, tls.as_ref())
            .map(|opened| connection(opened, place, settings, tls.clone()))
            .map_err(|cause| explain::error(&[Failure { place, cause }], settings))
    }
}

impl Connection {
    /// How to connect to the same server once more.
    pub fn again(&self) -> Again {
        self.again.clone()
    }

    /// Whether the server was in recovery (a standby, which can be read but not changed) when the connection was made.
    pub fn in_recovery(&self) -> bool {
        self.in_recovery
    }

    /// A function that asks the server to cancel what runs at the moment, over a connection of its own with the same TLS.
    /// It returns within a few seconds; a failure is logged, as there is nobody to tell.
    pub fn canceller(&self) -> Box<dyn Fn() + Send> {
        let token = self.client.cancel_token();
        let tls = self.tls.clone();
        Box::new(move || {
            let (token, tls) = (token.clone(), tls.clone());
            let done = attempt::within(Some(CANCEL_TIMEOUT), move || match tls {
                Some(tls) => token.cancel_query(tls),
                None => token.cancel_query(NoTls),
            });
            match done {
                Ok(Ok(())) => {}
                Ok(Err(error)) => log::warn!("cannot cancel the running statement: {error}"),
                Err(_) => log::warn!("cannot cancel the running statement: no answer"),
            }
        })
    }
}

/// Connect as the URL and this process's environment say.
///
/// # Errors
///
/// Each reason has its own message. None holds a password.
pub fn connect(url: &PostgresUrl) -> Result<Connection, Error> {
    connect_in(url, &Environment::of_process())
}

/// Connect as the URL and this environment say.
pub fn connect_in(url: &PostgresUrl, environment: &Environment) -> Result<Connection, Error> {
    let mut settings = settings::resolve(url, environment)?;
    let tls = if settings.tls.mode == Mode::Disable {
        None
    } else {
        let (connector, warning) = tls::connector(&settings.tls)?;
        settings.warnings.extend(warning);
        Some(connector)
    };
    for warning in &settings.warnings {
        log::warn!("{warning}");
    }
    // A server of the second-best kind is looked for only when there is none of the best.
    let rounds: &[WantedServer] = match &settings.wanted {
        WantedServer::PreferStandby => &[WantedServer::PreferStandby, WantedServer::Any],
        wanted => std::slice::from_ref(wanted),
    };
    let mut failures = vec![];
    for wanted in rounds {
        failures.clear();
        for place in &settings.places {
            match attempt::try_place(&settings, place, *wanted, tls.as_ref()) {
                Ok(opened) => return Ok(connection(opened, place, &settings, tls.clone())),
                Err(cause) => {
                    let goes_on = attempt::goes_on(&cause);
                    failures.push(Failure { place, cause });
                    if !goes_on {
                        return Err(explain::error(&failures, &settings));
                    }
                }
            }
        }
    }
    Err(explain::error(&failures, &settings))
}

fn connection(
    opened: Opened,
    place: &Place,
    settings: &Settings,
    connector: Option<MakeRustlsConnect>,
) -> Connection {
    let Opened { client, facts, tls } = opened;
    let host = match &place.host {
        Host::Socket(folder) => folder.display().to_string(),
        Host::Name { name, .. } => name.clone(),
        Host::Address(address) => address.to_string(),
    };
    let mut url = PostgresUrl::default();
    url.set("user", settings.user.clone());
    url.set("host", host.clone());
    url.set("port", place.port.to_string());
    url.set("dbname", facts.database.clone());
    if let Host::Name {
        address: Some(address),
        ..
    } = &place.host
    {
        url.set("hostaddr", address.to_string());
    }
    Connection {
        client,
        display: url.display(),
        host,
        port: place.port,
        database: facts.database,
        user: facts.user,
        server_version: facts.version,
        server_version_num: facts.version_number,
        backend_pid: facts.backend_pid,
        in_recovery: facts.in_recovery,
        tls,
        again: Again {
            settings: settings.clone(),
            place: place.clone(),
            tls: connector,
        },
    }
}
