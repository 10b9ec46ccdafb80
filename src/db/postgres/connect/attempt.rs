//! One attempt at one address, and the order of attempts: TLS or not, address after address, host after host.
//!
//! As in libpq, the next host has its turn only when this one cannot be reached, is starting up, or is not of the wanted
//! kind: a server that refuses a password is an answer.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

use postgres::config::{SslMode, SslNegotiation, TargetSessionAttrs};
use postgres::error::SqlState;
use postgres::{Client, Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::settings::{ChannelBinding, Host, Place, Settings, WantedServer};
use super::tls_settings::Mode;

/// The oldest server whose catalog is known: older ones are out of support since 2023 and before.
const OLDEST: u32 = 120_000;

/// An open session, and what the server says of itself.
pub(super) struct Opened {
    pub(super) client: Client,
    pub(super) facts: Facts,
    /// Set when the session may use TLS.
    pub(super) tls: Option<MakeRustlsConnect>,
}

/// What the server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) version_number: u32,
    pub(super) version: String,
    pub(super) in_recovery: bool,
    pub(super) read_only: bool,
    pub(super) database: String,
    pub(super) user: String,
    pub(super) backend_pid: i32,
}

/// Why an attempt failed.
#[derive(Debug)]
pub(super) enum Cause {
    /// The name has no address.
    Lookup(io::Error),
    /// No answer in time.
    TimedOut(Duration),
    /// No thread to connect in.
    NoThread(io::Error),
    /// The driver's error, which may be the server's.
    Driver(postgres::Error),
    /// The server answers what no PostgreSQL server would.
    Strange(&'static str),
    /// The server is too old: its version.
    TooOld(String),
    /// The server is not of this kind.
    Unwanted(WantedServer),
}

/// What the driver was doing when it failed. It has no accessor for it: its Display is this and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Opening the socket.
    Connect,
    /// Agreeing on TLS.
    Tls,
    /// Proving who we are, on our side.
    Authentication,
    /// Talking; or the server's own error.
    Other,
}

/// The stage of a driver's error.
pub(super) fn stage(error: &postgres::Error) -> Stage {
    match error.to_string().as_str() {
        text if text.starts_with("error connecting") => Stage::Connect,
        text if text.starts_with("error performing TLS") => Stage::Tls,
        text if text.starts_with("authentication error") => Stage::Authentication,
        _ => Stage::Other,
    }
}

/// The next host may be tried.
pub(super) fn goes_on(cause: &Cause) -> bool {
    match cause {
        Cause::Lookup(_) | Cause::TimedOut(_) | Cause::Unwanted(_) => true,
        Cause::Driver(error) => match error.code() {
            Some(code) => *code == SqlState::CANNOT_CONNECT_NOW,
            None => {
                stage(error) == Stage::Connect
                    || error.is_closed()
                    || error.to_string().starts_with("error communicating")
            }
        },
        Cause::NoThread(_) | Cause::Strange(_) | Cause::TooOld(_) => false,
    }
}

/// Try one host: all its addresses.
pub(super) fn try_place(
    settings: &Settings,
    place: &Place,
    wanted: WantedServer,
    tls: Option<&MakeRustlsConnect>,
) -> Result<Opened, Cause> {
    let addresses = match &place.host {
        Host::Socket(_) => vec![None],
        Host::Address(address)
        | Host::Name {
            address: Some(address),
            ..
        } => vec![Some(*address)],
        Host::Name {
            name,
            address: None,
        } => look_up(name, place.port, settings.timeout)?,
    };
    let mut last = Cause::Lookup(io::Error::new(io::ErrorKind::NotFound, "no address"));
    for address in addresses {
        match try_address(settings, place, address, tls) {
            Ok(opened) => match judge(&opened.facts, wanted) {
                Ok(()) => return Ok(opened),
                Err(cause) => last = cause,
            },
            Err(cause) => last = cause,
        }
        if !goes_on(&last) {
            break;
        }
    }
    Err(last)
}

/// A name's addresses, in the resolver's order. It may wait for ever, so it is not waited for that long.
fn look_up(name: &str, port: u16, timeout: Option<Duration>) -> Result<Vec<Option<IpAddr>>, Cause> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(vec![Some(address)]);
    }
    let owned = name.to_owned();
    let found = within(timeout, move || {
        (owned.as_str(), port)
            .to_socket_addrs()
            .map(|found| found.map(|address| Some(address.ip())).collect())
    })?;
    found.map_err(Cause::Lookup)
}

/// Try one address, with and without TLS as `sslmode` says.
fn try_address(
    settings: &Settings,
    place: &Place,
    address: Option<IpAddr>,
    tls: Option<&MakeRustlsConnect>,
) -> Result<Opened, Cause> {
    let attempt = |ssl_mode: SslMode| {
        let config = config(settings, place, address, ssl_mode);
        let tls = tls.filter(|_| ssl_mode != SslMode::Disable).cloned();
        within(settings.timeout, move || open(&config, tls))?
    };
    let on_socket = matches!(place.host, Host::Socket(_));
    match settings.tls.mode {
        _ if on_socket || tls.is_none() => attempt(SslMode::Disable),
        Mode::Disable => attempt(SslMode::Disable),
        Mode::Require | Mode::VerifyCa | Mode::VerifyFull => attempt(SslMode::Require),
        Mode::Prefer => match attempt(SslMode::Prefer) {
            Err(first) if is_about_tls(&first) => attempt(SslMode::Disable).map_err(|_| first),
            result => result,
        },
        Mode::Allow => match attempt(SslMode::Disable) {
            Err(first) if is_about_tls(&first) => {
                attempt(SslMode::Require).map_err(|second| match second {
                    // The server has no TLS: what it said first is the reason.
                    Cause::Driver(error) if error.code().is_none() => first,
                    second => second,
                })
            }
            result => result,
        },
    }
}

/// Whether the other way, with TLS or without, may work: TLS itself failed, or `pg_hba.conf` refused this one (as a wrong
/// password would not be; trying that twice could lock a role out).
fn is_about_tls(cause: &Cause) -> bool {
    match cause {
        Cause::Driver(error) => match error.code() {
            Some(code) => *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            None => stage(error) == Stage::Tls,
        },
        _ => false,
    }
}

fn config(
    settings: &Settings,
    place: &Place,
    address: Option<IpAddr>,
    ssl_mode: SslMode,
) -> Config {
    let mut config = Config::new();
    match (&place.host, address) {
        (Host::Socket(folder), _) => config.host_path(folder),
        (Host::Name { name, .. }, Some(address)) => config.host(name).hostaddr(address),
        (Host::Name { name, .. }, None) => config.host(name),
        (Host::Address(address), _) => config.host(&address.to_string()).hostaddr(*address),
    };
    config
        .port(place.port)
        .user(&settings.user)
        .dbname(&settings.dbname)
        .application_name(&settings.application_name)
        .ssl_mode(ssl_mode)
        .ssl_negotiation(if settings.tls.direct {
            SslNegotiation::Direct
        } else {
            SslNegotiation::Postgres
        })
        // Judged from the facts instead: the driver knows two kinds of six.
        .target_session_attrs(TargetSessionAttrs::Any)
        .channel_binding(match settings.channel_binding {
            ChannelBinding::Disable => postgres::config::ChannelBinding::Disable,
            ChannelBinding::Prefer => postgres::config::ChannelBinding::Prefer,
            ChannelBinding::Require => postgres::config::ChannelBinding::Require,
        })
        .keepalives(settings.keepalive.on);
    if let Some((password, _)) = &place.password {
        config.password(password.reveal());
    }
    if let Some(options) = &settings.options {
        config.options(options);
    }
    // Cancelling uses it too.
    if let Some(timeout) = settings.timeout {
        config.connect_timeout(timeout);
    }
    if let Some(idle) = settings.keepalive.idle {
        config.keepalives_idle(idle);
    }
    if let Some(interval) = settings.keepalive.interval {
        config.keepalives_interval(interval);
    }
    if let Some(count) = settings.keepalive.count {
        config.keepalives_retries(count);
    }
    if let Some(timeout) = settings.keepalive.user_timeout {
        config.tcp_user_timeout(timeout);
    }
    config
}

/// Connect, and ask the server what it is in one round trip.
fn open(config: &Config, tls: Option<MakeRustlsConnect>) -> Result<Opened, Cause> {
    let mut client = match &tls {
        Some(tls) => config.connect(tls.clone()),
        None => config.connect(NoTls),
    }
    .map_err(Cause::Driver)?;
    let messages = client
        .simple_query(
            "SELECT pg_catalog.current_setting('server_version_num'), \
                    pg_catalog.current_setting('server_version'), \
                    pg_catalog.pg_is_in_recovery(), \
                    pg_catalog.current_setting('transaction_read_only') = 'on', \
                    pg_catalog.current_database(), \
                    session_user, \
                    pg_catalog.pg_backend_pid()",
        )
        .map_err(Cause::Driver)?;
    let facts = messages
        .iter()
        .find_map(|message| match message {
            SimpleQueryMessage::Row(row) => facts(row),
            _ => None,
        })
        .ok_or(Cause::Strange("it does not say which version it is"))?;
    Ok(Opened { client, facts, tls })
}

fn facts(row: &postgres::SimpleQueryRow) -> Option<Facts> {
    let text = |index: usize| row.try_get(index).ok().flatten();
    Some(Facts {
        version_number: text(0)?.parse().ok()?,
        // Debian's has more: `15.18 (Debian 15.18-0+deb12u1)`.
        version: text(1)?.split_whitespace().next()?.to_owned(),
        in_recovery: text(2)? == "t",
        read_only: text(3)? == "t",
        database: text(4)?.to_owned(),
        user: text(5)?.to_owned(),
        backend_pid: text(6)?.parse().ok()?,
    })
}

fn judge(facts: &Facts, wanted: WantedServer) -> Result<(), Cause> {
    if facts.version_number < OLDEST {
        return Err(Cause::TooOld(facts.version.clone()));
    }
    let fits = match wanted {
        WantedServer::Any => true,
        WantedServer::ReadWrite => !facts.read_only && !facts.in_recovery,
        WantedServer::ReadOnly => facts.read_only || facts.in_recovery,
        WantedServer::Primary => !facts.in_recovery,
        WantedServer::Standby | WantedServer::PreferStandby => facts.in_recovery,
    };
    if fits {
        Ok(())
    } else {
        Err(Cause::Unwanted(wanted))
    }
}

/// Do something that may hang, for so long at most: on a thread of its own, which is left behind when it does not come
/// back. The driver's own timeout covers opening the socket only, not TLS and authentication.
pub(super) fn within<T: Send + 'static>(
    timeout: Option<Duration>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Cause> {
    let Some(timeout) = timeout else {
        return Ok(work());
    };
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new()
        .name("connect".to_owned())
        .spawn(move || {
            // Nobody listens any more after a timeout.
            let _ = sender.send(work());
        })
        .map_err(Cause::NoThread)?;
    receiver
        .recv_timeout(timeout)
        .map_err(|_| Cause::TimedOut(timeout))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(version_number: u32, in_recovery: bool, read_only: bool) -> Facts {
        Facts {
            version_number,
            version: "x".to_owned(),
            in_recovery,
            read_only,
            database: String::new(),
            user: String::new(),
            backend_pid: 1,
        }
    }

    #[test]
    fn servers_are_judged_by_what_they_are() {
        use WantedServer as W;
        let primary = facts(150_000, false, false);
        let read_only = facts(150_000, false, true);
        let standby = facts(150_000, true, true);
        for (wanted, fits) in [
            (W::Any, [true, true, true]),
            (W::ReadWrite, [true, false, false]),
            (W::ReadOnly, [false, true, true]),
            (W::Primary, [true, true, false]),
            (W::Standby, [false, false, true]),
            (W::PreferStandby, [false, false, true]),
        ] {
            let judged = [&primary, &read_only, &standby].map(|facts| judge(facts, wanted).is_ok());
            assert_eq!(judged, fits, "{wanted:?}");
        }
        assert!(matches!(
            judge(&facts(110_022, false, false), W::Any),
            Err(Cause::TooOld(_))
        ));
        assert!(judge(&facts(120_000, false, false), W::Any).is_ok());
    }

    #[test]
    fn what_hangs_is_given_up() {
        let slow = || std::thread::sleep(Duration::from_secs(5));
        let result = within(Some(Duration::from_millis(20)), slow);
        assert!(matches!(result, Err(Cause::TimedOut(_))));
        assert!(matches!(within(None, || 3), Ok(3)));
    }
}
