//! The parameters of a PostgreSQL connection: libpq's names, with what becomes of each here. One table, so that URLs,
//! keyword strings, service files and the environment agree on what there is.
//!
//! Names and variables: PostgreSQL 18's manual, sections 32.1.2 and 32.15.

use crate::error::{Diagnostic, Error};

use super::closest;

/// What is done with a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Support {
    /// It has its effect.
    Used,
    /// It is accepted and has none, which does no harm.
    Ignored,
    /// It cannot be honoured, and ignoring it could do harm: an error, for this reason.
    Refused(&'static str),
}

/// One parameter.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// libpq's name.
    pub(crate) name: &'static str,
    /// The environment variable that gives its default.
    pub(crate) variable: Option<&'static str>,
    /// What is done with it.
    pub(crate) support: Support,
}

impl Parameter {
    /// Whether its value must never be shown.
    pub(crate) fn is_secret(&self) -> bool {
        matches!(
            self.name,
            "password"
                | "sslpassword"
                | "oauth_client_secret"
                | "scram_client_key"
                | "scram_server_key"
        )
    }
}

const fn used(name: &'static str, variable: &'static str) -> Parameter {
    Parameter {
        name,
        variable: Some(variable),
        support: Support::Used,
    }
}

const fn used_no_variable(name: &'static str) -> Parameter {
    Parameter {
        name,
        variable: None,
        support: Support::Used,
    }
}

const fn ignored(name: &'static str) -> Parameter {
    Parameter {
        name,
        variable: None,
        support: Support::Ignored,
    }
}

const fn refused(
    name: &'static str,
    variable: Option<&'static str>,
    why: &'static str,
) -> Parameter {
    Parameter {
        name,
        variable,
        support: Support::Refused(why),
    }
}

const OAUTH: &str = "OAuth authentication is not supported";
const SCRAM_KEYS: &str = "give the password itself: SCRAM keys are not supported";

/// Every parameter that libpq knows.
pub(crate) static PARAMETERS: &[Parameter] = &[
    used("service", "PGSERVICE"),
    used("servicefile", "PGSERVICEFILE"),
    used("host", "PGHOST"),
    used("hostaddr", "PGHOSTADDR"),
    used("port", "PGPORT"),
    used("dbname", "PGDATABASE"),
    used("user", "PGUSER"),
    used("password", "PGPASSWORD"),
    used("passfile", "PGPASSFILE"),
    used("connect_timeout", "PGCONNECT_TIMEOUT"),
    used("application_name", "PGAPPNAME"),
    used_no_variable("fallback_application_name"),
    used("options", "PGOPTIONS"),
    used("target_session_attrs", "PGTARGETSESSIONATTRS"),
    used("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    used("channel_binding", "PGCHANNELBINDING"),
    used("sslmode", "PGSSLMODE"),
    used("sslnegotiation", "PGSSLNEGOTIATION"),
    used("sslrootcert", "PGSSLROOTCERT"),
    used("sslcrl", "PGSSLCRL"),
    used("sslcert", "PGSSLCERT"),
    used("sslkey", "PGSSLKEY"),
    used("sslcertmode", "PGSSLCERTMODE"),
    used("sslsni", "PGSSLSNI"),
    used("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    used("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    used("gssencmode", "PGGSSENCMODE"),
    used_no_variable("keepalives"),
    used_no_variable("keepalives_idle"),
    used_no_variable("keepalives_interval"),
    used_no_variable("keepalives_count"),
    used_no_variable("tcp_user_timeout"),
    ignored("client_encoding"),
    ignored("sslcompression"),
    ignored("sslpassword"),
    ignored("krbsrvname"),
    ignored("gsslib"),
    ignored("gssdelegation"),
    ignored("min_protocol_version"),
    ignored("max_protocol_version"),
    refused(
        "requirepeer",
        Some("PGREQUIREPEER"),
        "the owner of the server's process is not checked here",
    ),
    refused(
        "require_auth",
        Some("PGREQUIREAUTH"),
        "the choice of the authentication method cannot be restricted; `channel_binding=require` and \
         `sslmode=verify-full` keep a false server away",
    ),
    refused(
        "sslcrldir",
        Some("PGSSLCRLDIR"),
        "put the revocation lists into one file, and name it with `sslcrl`",
    ),
    refused(
        "replication",
        None,
        "a replication connection has no catalog to read",
    ),
    refused("sslkeylogfile", None, "session keys are never written out"),
    refused("scram_client_key", None, SCRAM_KEYS),
    refused("scram_server_key", None, SCRAM_KEYS),
    refused("oauth_issuer", None, OAUTH),
    refused("oauth_client_id", None, OAUTH),
    refused("oauth_client_secret", None, OAUTH),
    refused("oauth_scope", None, OAUTH),
];

/// The parameter of this name.
pub(crate) fn find(name: &str) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|parameter| parameter.name == name)
}

/// The parameter of this name, or an error that says what was probably meant, or why it cannot be honoured.
pub(crate) fn accept(name: &str) -> Result<&'static Parameter, Error> {
    let Some(parameter) = find(name) else {
        let diagnostic = Diagnostic::new(format!("unknown connection parameter `{name}`"));
        let meant = closest(name, PARAMETERS.iter().map(|parameter| parameter.name));
        return Err(Error::from(match meant {
            Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
            None => diagnostic.help("the parameters are those of libpq, such as `sslmode`, `connect_timeout`, `options`"),
        }));
    };
    match parameter.support {
        Support::Used | Support::Ignored => Ok(parameter),
        Support::Refused(why) => Err(Error::failed(format!(
            "the connection parameter `{name}` is not supported"
        ))
        .help(why)),
    }
}
