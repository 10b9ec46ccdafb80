//! From what is given to what is done: hosts, passwords, timeouts, with libpq's defaults.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::db::url::PostgresUrl;
use crate::error::Error;

use super::environment::Environment;
use super::given::{Given, Source};
use super::passfile::{Passfile, Wanted};
use super::secret::Secret;
use super::tls_settings::TlsSettings;

/// How long one attempt may take when nothing is said. libpq waits for ever.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything that connecting needs.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Where to try, in order; never empty.
    pub(super) places: Vec<Place>,
    /// The role.
    pub(super) user: String,
    /// The database.
    pub(super) dbname: String,
    /// What an attempt at one address may take; `None` is for ever.
    pub(super) timeout: Option<Duration>,
    /// Shown in `pg_stat_activity`.
    pub(super) application_name: String,
    /// Command-line options for the server's process.
    pub(super) options: Option<String>,
    /// What kind of server is wanted.
    pub(super) wanted: WantedServer,
    /// Whether to tie the authentication to the TLS connection.
    pub(super) channel_binding: ChannelBinding,
    /// TCP's keepalive.
    pub(super) keepalive: Keepalive,
    /// TLS.
    pub(super) tls: TlsSettings,
    /// What the user should know when connecting fails.
    pub(super) warnings: Vec<String>,
}

/// A server's address, and the password for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The machine.
    pub(super) host: Host,
    /// The port; part of the socket's name on a socket.
    pub(super) port: u16,
    /// The password, and its source in words.
    pub(super) password: Option<(Secret, String)>,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// The folder with the server's socket.
    Socket(PathBuf),
    /// A name, or an address given as one.
    Name {
        /// What a certificate is checked against.
        name: String,
        /// `hostaddr`: where to connect instead of looking up the name.
        address: Option<IpAddr>,
    },
    /// `hostaddr` alone.
    Address(IpAddr),
}

/// `target_session_attrs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WantedServer {
    /// Any.
    Any,
    /// One where sessions may write.
    ReadWrite,
    /// One where sessions may only read.
    ReadOnly,
    /// One that is not in recovery.
    Primary,
    /// One that is in recovery.
    Standby,
    /// One in recovery, or else any.
    PreferStandby,
}

/// `channel_binding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChannelBinding {
    /// Never.
    Disable,
    /// Where both sides can.
    Prefer,
    /// Or fail.
    Require,
}

/// TCP's keepalive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keepalive {
    /// Whether at all.
    pub(super) on: bool,
    /// Silence before the first probe.
    pub(super) idle: Option<Duration>,
    /// Between probes.
    pub(super) interval: Option<Duration>,
    /// Unanswered probes before giving up.
    pub(super) count: Option<u32>,
    /// `TCP_USER_TIMEOUT`.
    pub(super) user_timeout: Option<Duration>,
}

/// Resolve a URL within an environment.
pub(super) fn resolve(url: &PostgresUrl, environment: &Environment) -> Result<Settings, Error> {
    let given = Given::collect(url, environment)?;
    let user = given.text("user").or(environment.user.as_deref());
    let Some(user) = user.filter(|user| !user.is_empty()).map(str::to_owned) else {
        return Err(Error::failed("no role to connect as is known")
            .note("the operating system has no name for the user who runs this")
            .help("put it into the URL: `postgres://role@host/name`, or set PGUSER"));
    };
    let dbname = given.text("dbname").unwrap_or(&user).to_owned();
    let mut places = places(&given, environment)?;
    let warnings = add_passwords(&mut places, &given, environment, &user, &dbname);
    if given.word(
        "load_balance_hosts",
        &[("disable", false), ("random", true)],
        false,
    )? {
        fastrand::shuffle(&mut places);
    }
    if given.text("gssencmode") == Some("require") {
        return Err(Error::failed("`gssencmode=require` is not supported")
            .help("encrypt with TLS instead: `sslmode=verify-full`"));
    }
    let on_sockets = places
        .iter()
        .all(|place| matches!(place.host, Host::Socket(_)));
    Ok(Settings {
        places,
        user,
        dbname,
        timeout: match given.number("connect_timeout")? {
            None => Some(DEFAULT_TIMEOUT),
            Some(seconds) => u64::try_from(seconds)
                .ok()
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
        },
        application_name: given
            .text("application_name")
            .or(given.text("fallback_application_name"))
            .unwrap_or("triggerctl")
            .to_owned(),
        options: given.text("options").map(str::to_owned),
        wanted: given.word(
            "target_session_attrs",
            &[
                ("any", WantedServer::Any),
                ("read-write", WantedServer::ReadWrite),
                ("read-only", WantedServer::ReadOnly),
                ("primary", WantedServer::Primary),
                ("standby", WantedServer::Standby),
                ("prefer-standby", WantedServer::PreferStandby),
            ],
            WantedServer::Any,
        )?,
        channel_binding: given.word(
            "channel_binding",
            &[
                ("disable", ChannelBinding::Disable),
                ("prefer", ChannelBinding::Prefer),
                ("require", ChannelBinding::Require),
            ],
            ChannelBinding::Prefer,
        )?,
        keepalive: keepalive(&given)?,
        tls: TlsSettings::resolve(&given, environment, on_sockets)?,
        warnings,
    })
}

/// The hosts, addresses and ports, which are parallel lists: PostgreSQL's manual, section 32.1.1.3.
fn places(given: &Given, environment: &Environment) -> Result<Vec<Place>, Error> {
    let list = |name| {
        given
            .text(name)
            .map(|text| text.split(',').collect::<Vec<_>>())
    };
    let hosts = list("host").unwrap_or_default();
    let addresses = list("hostaddr").unwrap_or_default();
    let ports = list("port").unwrap_or_default();
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return Err(Error::failed(format!(
            "{} in `host` do not go with {} in `hostaddr`",
            names(hosts.len()),
            names(addresses.len()),
        ))
        .help("give one address a host, in the same order"));
    }
    let count = hosts.len().max(addresses.len()).max(1);
    if ports.len() > 1 && ports.len() != count {
        return Err(Error::failed(format!(
            "{} ports do not go with {}",
            ports.len(),
            names(count)
        ))
        .help("give one port for all hosts, or one for each"));
    }
    let mut places = vec![];
    for index in 0..count {
        let port = ports.get(index).or(ports.first()).copied().unwrap_or("");
        let port = read_port(given, port)?;
        let host = hosts.get(index).copied().unwrap_or("");
        let address = addresses.get(index).copied().unwrap_or("");
        let address = match address {
            "" => None,
            text => Some(text.parse::<IpAddr>().map_err(|_| {
                given
                    .invalid("hostaddr", text)
                    .help("it is an IP address; a name goes into `host`")
            })?),
        };
        let host = match (host, address) {
            ("", None) => default_host(environment, port),
            ("", Some(address)) => Host::Address(address),
            (folder, None) if folder.starts_with('/') => Host::Socket(PathBuf::from(folder)),
            (name, address) => Host::Name {
                name: name.to_owned(),
                address,
            },
        };
        places.push(Place {
            host,
            port,
            password: None,
        });
    }
    Ok(places)
}

fn names(count: usize) -> String {
    match count {
        1 => "1 host".to_owned(),
        count => format!("{count} hosts"),
    }
}

fn read_port(given: &Given, text: &str) -> Result<u16, Error> {
    match text.trim() {
        "" => Ok(5432),
        digits => digits.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
            given
                .invalid("port", text)
                .help("it is a number from 1 to 65535")
        }),
    }
}

/// The socket of a server that is there, else this machine by TCP.
fn default_host(environment: &Environment, port: u16) -> Host {
    environment
        .socket_folders
        .iter()
        .find(|folder| folder.join(format!(".s.PGSQL.{port}")).exists())
        .map_or_else(
            || Host::Name {
                name: "localhost".to_owned(),
                address: None,
            },
            |folder| Host::Socket(folder.clone()),
        )
}

/// Give each place its password, and return what the user should know about the password file.
fn add_passwords(
    places: &mut [Place],
    given: &Given,
    environment: &Environment,
    user: &str,
    dbname: &str,
) -> Vec<String> {
    if let Some(password) = given.text("password") {
        let source = given.source("password").unwrap_or(&Source::Url).to_string();
        for place in places {
            place.password = Some((Secret::new(password.to_owned()), source.clone()));
        }
        return vec![];
    }
    let file = Passfile::read(
        given
            .path("passfile", environment)
            .or_else(|| environment.in_home(".pgpass")),
    );
    for place in places {
        let host = match &place.host {
            // In the file, a default socket is called localhost (manual, section 32.16).
            Host::Socket(folder) if environment.socket_folders.contains(folder) => {
                "localhost".to_owned()
            }
            Host::Socket(folder) => folder.display().to_string(),
            Host::Name { name, .. } => name.clone(),
            Host::Address(address) => address.to_string(),
        };
        let wanted = Wanted {
            host: &host,
            port: place.port,
            dbname,
            user,
        };
        place.password = file.look_up(wanted).map(|(password, line)| {
            let path = file.path.clone().unwrap_or_default();
            let source = format!("line {line} of the password file `{}`", path.display());
            (password, source)
        });
    }
    file.warning.into_iter().collect()
}

fn keepalive(given: &Given) -> Result<Keepalive, Error> {
    // Zero and less mean the system's default, as in libpq.
    let positive = |name| -> Result<Option<u64>, Error> {
        let number = given.number(name)?;
        Ok(number
            .and_then(|number| u64::try_from(number).ok())
            .filter(|number| *number > 0))
    };
    Ok(Keepalive {
        on: given.number("keepalives")? != Some(0),
        idle: positive("keepalives_idle")?.map(Duration::from_secs),
        interval: positive("keepalives_interval")?.map(Duration::from_secs),
        count: positive("keepalives_count")?.and_then(|count| u32::try_from(count).ok()),
        user_timeout: positive("tcp_user_timeout")?.map(Duration::from_millis),
    })
}
