//! Which TLS is wanted: `sslmode` and its relatives, with the files that libpq looks for by itself
//! (PostgreSQL's manual, section 32.19).

use std::path::PathBuf;

use crate::error::Error;

use super::environment::Environment;
use super::given::Given;

/// `sslmode`, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// Never TLS.
    Disable,
    /// TLS when the server insists.
    Allow,
    /// TLS when the server can.
    Prefer,
    /// TLS, with anyone.
    Require,
    /// TLS, with a server whose certificate a known authority has signed.
    VerifyCa,
    /// The same, and the certificate is for this host.
    VerifyFull,
}

/// Whom to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// The operating system's authorities (`sslrootcert=system`).
    System,
    /// Those in this file.
    File(PathBuf),
}

/// What the client shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// The certificate's file.
    pub(super) certificate: PathBuf,
    /// The key's file.
    pub(super) key: PathBuf,
    /// Whether it was asked for, and not only found where libpq looks.
    pub(super) named: bool,
}

/// What TLS should be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TlsSettings {
    /// How much is asked of it.
    pub(super) mode: Mode,
    /// TLS from the first byte on (PostgreSQL 17).
    pub(super) direct: bool,
    /// Set when certificates are verified.
    pub(super) roots: Option<Roots>,
    /// Certificates that are no longer valid.
    pub(super) revoked: Option<PathBuf>,
    /// The client's certificate and key.
    pub(super) identity: Option<Identity>,
    /// Whether to tell the server which name is wanted.
    pub(super) sni: bool,
    /// Whether TLS 1.2 and 1.3 may be used.
    pub(super) versions: (bool, bool),
}

impl TlsSettings {
    /// Resolve them. On sockets there is no TLS whatever is asked for, as in libpq: its files are not even looked for.
    pub(super) fn resolve(
        given: &Given,
        environment: &Environment,
        on_sockets: bool,
    ) -> Result<Self, Error> {
        let system = given.text("sslrootcert") == Some("system");
        let default = if system {
            Mode::VerifyFull
        } else {
            Mode::Prefer
        };
        let mut mode = given.word(
            "sslmode",
            &[
                ("disable", Mode::Disable),
                ("allow", Mode::Allow),
                ("prefer", Mode::Prefer),
                ("require", Mode::Require),
                ("verify-ca", Mode::VerifyCa),
                ("verify-full", Mode::VerifyFull),
            ],
            default,
        )?;
        let direct = given.word(
            "sslnegotiation",
            &[("postgres", false), ("direct", true)],
            false,
        )?;
        let sni = given.switch("sslsni", true)?;
        let versions = versions(given)?;
        let identity_wanted =
            given.word("sslcertmode", &[("disable", false), ("allow", true)], true)?;
        if on_sockets || mode == Mode::Disable {
            return Ok(Self {
                mode: Mode::Disable,
                direct: false,
                roots: None,
                revoked: None,
                identity: None,
                sni,
                versions,
            });
        }
        if system && mode < Mode::VerifyFull {
            return Err(
                Error::failed("`sslrootcert=system` needs `sslmode=verify-full`")
                    .note("anyone can have a certificate from a public authority: only the name in it tells the server")
            );
        }
        if direct && mode < Mode::Require {
            return Err(Error::failed(
                "`sslnegotiation=direct` needs `sslmode=require` or a stronger one",
            )
            .note("there is no way to fall back to a connection without TLS"));
        }
        let roots = roots(given, environment, mode)?;
        if mode == Mode::Require && roots.is_some() {
            mode = Mode::VerifyCa;
        }
        let revoked = match given.path("sslcrl", environment) {
            Some(path) => Some(path),
            None => environment
                .in_home(".postgresql/root.crl")
                .filter(|path| path.exists()),
        };
        Ok(Self {
            mode,
            direct,
            revoked: revoked.filter(|_| roots.is_some()),
            roots,
            identity: identity_wanted
                .then(|| identity(given, environment))
                .flatten(),
            sni,
            versions,
        })
    }
}

/// Whom to trust, where certificates are verified: from `verify-ca` on, and with `require` where there is a root file
/// (as libpq does for the sake of old set-ups).
fn roots(given: &Given, environment: &Environment, mode: Mode) -> Result<Option<Roots>, Error> {
    if mode < Mode::Require {
        return Ok(None);
    }
    if given.text("sslrootcert") == Some("system") {
        return Ok(Some(Roots::System));
    }
    if let Some(path) = given.path("sslrootcert", environment) {
        if path.exists() {
            return Ok(Some(Roots::File(path)));
        }
        let error = Error::failed(format!(
            "the root certificate file `{}` does not exist",
            path.display()
        ));
        return Err(match given.source("sslrootcert") {
            Some(source) => error.note(format!("`sslrootcert` comes from {source}")),
            None => error,
        });
    }
    let default = environment
        .in_home(".postgresql/root.crt")
        .filter(|path| path.exists());
    if default.is_none() && mode > Mode::Require {
        return Err(Error::failed(
            "there is no root certificate to check the server's certificate with",
        )
        .help("name the file with `sslrootcert=FILE`, or put it at `~/.postgresql/root.crt`")
        .help("for a certificate from a public authority use `sslrootcert=system`"));
    }
    Ok(default.map(Roots::File))
}

/// The client's certificate and key: as named, or where libpq looks for them.
fn identity(given: &Given, environment: &Environment) -> Option<Identity> {
    let named = given.path("sslcert", environment);
    let key = given
        .path("sslkey", environment)
        .or_else(|| environment.in_home(".postgresql/postgresql.key"))?;
    Some(Identity {
        named: named.is_some(),
        certificate: named.or_else(|| {
            environment
                .in_home(".postgresql/postgresql.crt")
                .filter(|path| path.exists())
        })?,
        key,
    })
}

/// Whether TLS 1.2 and 1.3 are within the bounds; older ones are not spoken.
fn versions(given: &Given) -> Result<(bool, bool), Error> {
    const WORDS: [(&str, u8); 4] = [("TLSv1", 0), ("TLSv1.1", 1), ("TLSv1.2", 2), ("TLSv1.3", 3)];
    let lowest = given.word("ssl_min_protocol_version", &WORDS, 2)?;
    let highest = given.word("ssl_max_protocol_version", &WORDS, 3)?;
    let versions = (lowest <= 2 && highest >= 2, highest >= 3);
    if lowest > highest || versions == (false, false) {
        return Err(Error::failed(
            "`ssl_min_protocol_version` and `ssl_max_protocol_version` leave no version of TLS",
        )
        .note("versions 1.2 and 1.3 are spoken"));
    }
    Ok(versions)
}
