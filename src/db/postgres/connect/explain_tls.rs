//! What can go wrong with TLS, in words that say what to do.

use std::error::Error as StdError;

use rustls::{AlertDescription, CertificateError};

use crate::error::Diagnostic;

use super::attempt::{Stage, stage};
use super::settings::Settings;

/// The diagnostic when the failure is TLS's.
pub(super) fn explain(
    error: &postgres::Error,
    shown: &str,
    settings: &Settings,
) -> Option<Diagnostic> {
    if let Some(tls) = find(error) {
        return Some(explain_rustls(tls, shown, settings));
    }
    if stage(error) != Stage::Tls {
        return None;
    }
    let why = error.source().map(ToString::to_string).unwrap_or_default();
    if why == "server does not support TLS" {
        return Some(
            Diagnostic::new(format!("the server at `{shown}` has no TLS"))
                .note("`sslmode` asks for it")
                .help("turn TLS on in the server (`ssl = on`), or use `sslmode=disable` where the network can be trusted"),
        );
    }
    Some(
        Diagnostic::new(format!("the TLS handshake with `{shown}` failed"))
            .note(why)
            .help(if settings.tls.direct {
                "`sslnegotiation=direct` needs PostgreSQL 17 or later: leave it out for an older server"
            } else {
                "the server's log may say more"
            }),
    )
}

/// rustls' error among the causes: it is wrapped into an I/O error, whose source skips it.
fn find(error: &postgres::Error) -> Option<&rustls::Error> {
    let mut cause = error.source();
    while let Some(current) = cause {
        if let Some(found) = current.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        let inner = current
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        cause = match inner {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => current.source(),
        };
    }
    None
}

fn explain_rustls(error: &rustls::Error, shown: &str, settings: &Settings) -> Diagnostic {
    match error {
        rustls::Error::InvalidCertificate(why) => explain_certificate(why, shown, settings),
        rustls::Error::AlertReceived(alert) => explain_alert(*alert, shown, settings),
        _ => Diagnostic::new(format!("the TLS handshake with `{shown}` failed"))
            .note(error.to_string())
            .help("check that a PostgreSQL server listens there; its log may say more"),
    }
}

fn explain_certificate(why: &CertificateError, shown: &str, settings: &Settings) -> Diagnostic {
    use CertificateError as Bad;
    let certificate = format!("the certificate of the server at `{shown}`");
    let diagnostic = match why {
        Bad::UnknownIssuer => Diagnostic::new(format!("{certificate} is not trusted"))
            .help(match &settings.tls.roots {
                Some(super::tls_settings::Roots::File(path)) => format!(
                    "the authority that signed it is not in `{}`: name the right file with `sslrootcert=FILE`",
                    path.display()
                ),
                _ => "the authority that signed it is not the system's: name its file with `sslrootcert=FILE`".to_owned(),
            }),
        Bad::Expired | Bad::ExpiredContext { .. } => {
            Diagnostic::new(format!("{certificate} has expired"))
                .help("renew it on the server")
        }
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            Diagnostic::new(format!("{certificate} is not valid yet"))
                .help("check the clocks of this machine and of the one that made it")
        }
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
            Diagnostic::new(format!("{certificate} is for another host"))
                .help("connect by a name that it is for, or use `sslmode=verify-ca` if the authority signs for nobody else")
        }
        Bad::Revoked => Diagnostic::new(format!("{certificate} has been revoked")),
        Bad::UnknownRevocationStatus => Diagnostic::new(format!(
            "whether {certificate} has been revoked is not known"
        ))
        .help("the file of `sslcrl` must hold a list of every authority in the chain"),
        Bad::ExpiredRevocationList | Bad::ExpiredRevocationListContext { .. } => {
            Diagnostic::new("the certificate revocation list has expired")
                .help("fetch a new one for `sslcrl`")
        }
        Bad::Other(_) if why.to_string().contains("UnsupportedCertVersion") || format!("{why:?}").contains("UnsupportedCertVersion") => {
            Diagnostic::new(format!("{certificate} is of X.509 version 1"))
                .help("version 3 is needed: make it again with `-addext subjectAltName=DNS:…`")
        }
        _ => Diagnostic::new(format!("{certificate} cannot be used")),
    };
    diagnostic.note(why.to_string())
}

/// The server ended the handshake.
fn explain_alert(alert: AlertDescription, shown: &str, settings: &Settings) -> Diagnostic {
    let diagnostic = match (alert, &settings.tls.identity) {
        (AlertDescription::CertificateRequired, None) => Diagnostic::new(format!(
            "the server at `{shown}` wants a client certificate"
        ))
        .help("name one with `sslcert=FILE` and `sslkey=FILE`"),
        (
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError,
            Some(identity),
        ) => Diagnostic::new(format!(
            "the server at `{shown}` does not accept the client certificate `{}`",
            identity.certificate.display()
        ))
        .help("the server's `ssl_ca_file` must hold the authority that signed it"),
        (AlertDescription::NoApplicationProtocol, _) => Diagnostic::new(format!(
            "the server at `{shown}` does not take PostgreSQL's protocol over TLS"
        )),
        (AlertDescription::ProtocolVersion, _) => Diagnostic::new(format!(
            "the server at `{shown}` speaks no version of TLS that is accepted here"
        ))
        .help("versions 1.2 and 1.3 are spoken: see `ssl_min_protocol_version`"),
        _ => Diagnostic::new(format!("the server at `{shown}` ended the TLS handshake")),
    };
    diagnostic.note(format!("the server's alert: {alert:?}"))
}
