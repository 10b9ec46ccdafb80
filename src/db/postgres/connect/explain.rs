//! Why there is no connection, in words that say what to do: one message for each reason.

use std::error::Error as _;
use std::io;

use postgres::error::{DbError, SqlState};

use crate::error::{Diagnostic, Error, Kind};

use super::attempt::{Cause, Stage, stage};
use super::explain_tls;
use super::settings::{Host, Place, Settings, WantedServer};

/// An attempt that failed.
#[derive(Debug)]
pub(super) struct Failure<'a> {
    /// Where.
    pub(super) place: &'a Place,
    /// Why.
    pub(super) cause: Cause,
}

impl Place {
    /// `host:port`, or the socket's path.
    fn shown(&self) -> String {
        let port = self.port;
        match &self.host {
            Host::Socket(folder) => format!("{}/.s.PGSQL.{port}", folder.display()),
            Host::Name { name, .. } if name.contains(':') => format!("[{name}]:{port}"),
            Host::Name {
                name,
                address: Some(address),
            } => format!("{name}:{port} ({address})"),
            Host::Name { name, .. } => format!("{name}:{port}"),
            Host::Address(address) if address.is_ipv6() => format!("[{address}]:{port}"),
            Host::Address(address) => format!("{address}:{port}"),
        }
    }
}

/// The error for these attempts, none of which succeeded. The last one decides when it is an answer; several hosts that were
/// all unreachable are told together.
pub(super) fn error(failures: &[Failure<'_>], settings: &Settings) -> Error {
    let diagnostic = match failures {
        [] => Diagnostic::new("no host to connect to"),
        [one] => explain(one, settings),
        [earlier @ .., last] => {
            let last_one = explain(last, settings);
            if super::attempt::goes_on(&last.cause) {
                let all = failures.iter().fold(
                    Diagnostic::new(format!("none of {} hosts can be used", failures.len())),
                    |diagnostic, failure| diagnostic.note(explain(failure, settings).message),
                );
                last_one.help.into_iter().fold(all, Diagnostic::help)
            } else {
                earlier.iter().fold(last_one, |diagnostic, failure| {
                    diagnostic.note(format!(
                        "before that: {}",
                        explain(failure, settings).message
                    ))
                })
            }
        }
    };
    settings
        .warnings
        .iter()
        .fold(diagnostic, Diagnostic::note)
        .into_error(Kind::Failed)
}

fn explain(failure: &Failure<'_>, settings: &Settings) -> Diagnostic {
    let place = failure.place;
    let shown = place.shown();
    match &failure.cause {
        Cause::Lookup(error) => {
            let name = match &place.host {
                Host::Name { name, .. } => name,
                _ => &shown,
            };
            Diagnostic::new(format!("the host name `{name}` cannot be resolved"))
                .note(error.to_string())
                .help("check its spelling, and that this machine can reach a name server that knows it")
        }
        Cause::TimedOut(timeout) => Diagnostic::new(format!(
            "no answer from `{shown}` within {} s",
            timeout.as_secs_f32()
        ))
        .help("check the host and port, and whether a firewall is in between")
        .help("`connect_timeout=SECONDS` in the URL, or PGCONNECT_TIMEOUT, gives it more time"),
        Cause::NoThread(error) => {
            Diagnostic::new("the system gives no thread to connect in").note(error.to_string())
        }
        Cause::Strange(why) => not_postgres(&shown).note(*why),
        Cause::TooOld(version) => Diagnostic::new(format!(
            "the server at `{shown}` is PostgreSQL {version}, which is not supported"
        ))
        .note(
            "its catalog and its DDL lack what is relied on here; it gets no security fixes either",
        )
        .help("PostgreSQL 12 and later are supported"),
        Cause::Unwanted(wanted) => unwanted(&shown, *wanted),
        Cause::Driver(error) => match error.as_db_error() {
            Some(answer) => refused(answer, place, settings),
            None => driver(error, place, settings),
        },
    }
}

fn unwanted(shown: &str, wanted: WantedServer) -> Diagnostic {
    let (is, word) = match wanted {
        WantedServer::Any => ("cannot be used", "any"),
        WantedServer::ReadWrite => ("takes no writes", "read-write"),
        WantedServer::ReadOnly => ("takes writes", "read-only"),
        WantedServer::Primary => ("is a standby", "primary"),
        WantedServer::Standby => ("is not a standby", "standby"),
        WantedServer::PreferStandby => ("is not a standby", "prefer-standby"),
    };
    Diagnostic::new(format!("the server at `{shown}` {is}"))
        .note(format!("`target_session_attrs` is `{word}`"))
}

fn not_postgres(shown: &str) -> Diagnostic {
    Diagnostic::new(format!(
        "what answers at `{shown}` does not speak PostgreSQL's protocol"
    ))
    .help("check the host and the port")
}

/// The driver's own errors: nothing listens, TLS, or the way of authentication.
fn driver(error: &postgres::Error, place: &Place, settings: &Settings) -> Diagnostic {
    let shown = place.shown();
    if let Some(diagnostic) = explain_tls::explain(error, &shown, settings) {
        return diagnostic;
    }
    let source = error.source().map(ToString::to_string);
    let io_error = error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>());
    match (stage(error), io_error) {
        (Stage::Connect, Some(io_error)) => unreachable(io_error, place),
        (Stage::Authentication, _) => Diagnostic::new(format!(
            "the server at `{shown}` and this program cannot agree on how to authenticate"
        ))
        .note(source.unwrap_or_default())
        .help("SCRAM, MD5, plain passwords, client certificates, peer and trust work; GSSAPI, SSPI and OAuth do not"),
        _ if source.as_deref() == Some("password missing") => no_password(place, settings),
        // Bytes that make no message, or half of one: the driver and its codec say so with these kinds.
        (Stage::Other, Some(io_error))
            if matches!(
                io_error.kind(),
                io::ErrorKind::InvalidInput
                    | io::ErrorKind::InvalidData
                    | io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::Other
            ) =>
        {
            not_postgres(&shown).note(io_error.to_string())
        }
        (_, Some(io_error)) => Diagnostic::new(format!(
            "the connection to `{shown}` broke while it was being made"
        ))
        .note(io_error.to_string())
        .help("check that a PostgreSQL server listens there; its log may say more"),
        _ if error.is_closed() => Diagnostic::new(format!(
            "`{shown}` closed the connection without an answer"
        ))
        .help("check that a PostgreSQL server listens there; its log may say more"),
        _ => {
            let diagnostic = not_postgres(&shown).note(error.to_string());
            match source {
                Some(source) => diagnostic.note(source),
                None => diagnostic,
            }
        }
    }
}

fn unreachable(error: &io::Error, place: &Place) -> Diagnostic {
    let shown = place.shown();
    let port = place.port;
    let diagnostic = match (&place.host, error.kind()) {
        (Host::Socket(folder), io::ErrorKind::NotFound) => Diagnostic::new(format!(
            "there is no PostgreSQL socket for port {port} in `{}`",
            folder.display()
        ))
        .help("check that the server runs, its port, and its `unix_socket_directories`"),
        (Host::Socket(_), io::ErrorKind::PermissionDenied) => {
            Diagnostic::new(format!("the socket `{shown}` may not be opened"))
                .help("its folder or its `unix_socket_permissions` keep this user out")
        }
        (Host::Socket(_), io::ErrorKind::ConnectionRefused) => {
            Diagnostic::new(format!("no server listens at the socket `{shown}`"))
                .help("the socket was left behind by a server that no longer runs: start it")
        }
        (_, io::ErrorKind::ConnectionRefused) => {
            Diagnostic::new(format!("`{shown}` refuses connections"))
                .help("check that PostgreSQL runs there, its port, and its `listen_addresses`")
        }
        (_, io::ErrorKind::TimedOut) => Diagnostic::new(format!("no answer from `{shown}`"))
            .help("check the host and port, and whether a firewall is in between"),
        _ => Diagnostic::new(format!("`{shown}` cannot be reached"))
            .help("check the host, and this machine's network"),
    };
    diagnostic.note(error.to_string())
}

fn no_password(place: &Place, settings: &Settings) -> Diagnostic {
    Diagnostic::new(format!(
        "the server at `{}` wants a password for role `{}`, and there is none",
        place.shown(),
        settings.user
    ))
    .help("set PGPASSWORD, or add a line `host:port:database:role:password` to `~/.pgpass` (mode 0600)")
}

/// What the server itself says: PostgreSQL's manual, appendix A. Its words are a note, for they may be in any language.
fn refused(answer: &DbError, place: &Place, settings: &Settings) -> Diagnostic {
    let Settings { user, dbname, .. } = settings;
    let shown = place.shown();
    let code = answer.code();
    let diagnostic = if *code == SqlState::INVALID_PASSWORD {
        wrong_password(place, settings)
    } else if *code == SqlState::INVALID_CATALOG_NAME {
        Diagnostic::new(format!("there is no database `{dbname}` at `{shown}`"))
            .help("name one that exists in the URL: `postgres://…/name`, or set PGDATABASE")
            .help(format!("or create it: `createdb {dbname}`"))
    } else if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
        not_let_in(answer, place, settings)
    } else if *code == SqlState::TOO_MANY_CONNECTIONS {
        Diagnostic::new(format!("the server at `{shown}` has no connection left")).help(
            "wait, close idle sessions, or raise `max_connections` or the role's CONNECTION LIMIT",
        )
    } else if *code == SqlState::CANNOT_CONNECT_NOW {
        Diagnostic::new(format!(
            "the server at `{shown}` is starting up, shutting down or recovering"
        ))
        .help("try again in a moment")
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        Diagnostic::new(format!(
            "role `{user}` may not connect to database `{dbname}`"
        ))
        .help(format!(
            "grant it: `GRANT CONNECT ON DATABASE {dbname} TO {user}`"
        ))
    } else if *code == SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE {
        Diagnostic::new(format!("database `{dbname}` takes no connections"))
    } else {
        Diagnostic::new(format!("the server at `{shown}` refuses the connection"))
    };
    let diagnostic = diagnostic.note(format!(
        "the server says: {} (SQLSTATE {})",
        answer.message(),
        code.code()
    ));
    let diagnostic = match answer.detail() {
        Some(detail) => diagnostic.note(detail),
        None => diagnostic,
    };
    match answer.hint() {
        Some(hint) => diagnostic.note(hint),
        None => diagnostic,
    }
}

fn wrong_password(place: &Place, settings: &Settings) -> Diagnostic {
    let diagnostic = Diagnostic::new(format!(
        "the server at `{}` does not accept the password of role `{}`",
        place.shown(),
        settings.user
    ))
    .note("the server says the same of a role that does not exist, or that has no password");
    match &place.password {
        Some((_, source)) => diagnostic.note(format!("the password comes from {source}")),
        None => diagnostic,
    }
    .help("check the role and its password; in a URL, odd characters are written as `%40`")
}

/// SQLSTATE 28000 has several reasons. Which function of the server raised it tells most of them apart in any language; two
/// that come from one function can be told apart in English only, and elsewhere both are said.
fn not_let_in(answer: &DbError, place: &Place, settings: &Settings) -> Diagnostic {
    let Settings { user, dbname, .. } = settings;
    let shown = place.shown();
    match answer.routine() {
        Some("InitializeSessionUserId") if answer.message().contains("does not exist") => {
            Diagnostic::new(format!("there is no role `{user}` at `{shown}`"))
                .help("name one that exists in the URL: `postgres://role@…`, or set PGUSER")
        }
        Some("InitializeSessionUserId") if answer.message().contains("log in") => {
            Diagnostic::new(format!("role `{user}` may not log in at `{shown}`"))
                .help(format!("let it: `ALTER ROLE {user} LOGIN`"))
        }
        Some("InitializeSessionUserId") => Diagnostic::new(format!(
            "there is no role `{user}` at `{shown}`, or it may not log in"
        ))
        .help(format!(
            "name one that exists in the URL: `postgres://role@…`, or let it log in: `ALTER ROLE {user} LOGIN`"
        )),
        Some("ClientAuthentication") if answer.message().contains("certificate") => {
            Diagnostic::new(format!(
                "the server at `{shown}` wants a client certificate from role `{user}`"
            ))
            .help("name one with `sslcert=FILE` and `sslkey=FILE`, and use TLS (`sslmode=require` or stronger)")
        }
        Some("ClientAuthentication") => Diagnostic::new(format!(
            "the server at `{shown}` does not let role `{user}` into database `{dbname}` from here"
        ))
        .help("its `pg_hba.conf` needs a line for this role, database, address and kind of connection"),
        _ => Diagnostic::new(format!(
            "the server at `{shown}` does not believe that this is role `{user}`"
        ))
        .help("with `peer` and `cert`, the role must have the name of the system's user or of the certificate: see the server's `pg_hba.conf` and `pg_ident.conf`"),
    }
}
