//! MySQL's and MariaDB's URLs: `mysql://user:password@host:port/database?parameters`. What the URL leaves open comes
//! from the options file and the environment, when connecting.

use crate::error::Error;

use super::{Undecodable, closest, decode};

/// The parameters that are read, with the names that other tools have for them.
const PARAMETERS: &[(&str, &[&str])] = &[
    ("socket", &["socket", "unix_socket"]),
    ("ssl-mode", &["ssl-mode", "ssl_mode", "sslmode"]),
    ("ssl-ca", &["ssl-ca", "ssl_ca"]),
    ("ssl-cert", &["ssl-cert", "ssl_cert"]),
    ("ssl-key", &["ssl-key", "ssl_key"]),
    ("connect-timeout", &["connect-timeout", "connect_timeout"]),
    ("defaults-file", &["defaults-file", "read_default_file"]),
    // What is always so here, or of no effect.
    ("charset", &["charset", "use_unicode", "binary_prefix"]),
];

/// A database on a MySQL or MariaDB server, as given.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct MysqlUrl {
    /// `mysql` or `mariadb`, as it was written.
    pub scheme: String,
    /// The user.
    pub user: Option<String>,
    /// The password. Never shown.
    password: Option<String>,
    /// The machine.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The database.
    pub database: Option<String>,
    /// The parameters, by the first of their names.
    parameters: Vec<(&'static str, String)>,
}

impl MysqlUrl {
    /// The password.
    pub(crate) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// A parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The URL without the password.
    pub(super) fn display(&self) -> String {
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
                .replace("%2D", "-")
                .replace("%2E", ".")
                .replace("%5F", "_")
                .replace("%2F", "/")
        };
        let mut text = format!("{}://", self.scheme);
        if let Some(user) = &self.user {
            text.push_str(&encode(user));
            text.push('@');
        }
        if let Some(host) = &self.host {
            if host.contains(':') {
                text.push_str(&format!("[{host}]"));
            } else {
                text.push_str(&encode(host));
            }
        }
        if let Some(port) = self.port {
            text.push_str(&format!(":{port}"));
        }
        text.push('/');
        text.push_str(&encode(self.database.as_deref().unwrap_or_default()).replace('/', "%2F"));
        for (index, (name, value)) in self.parameters.iter().enumerate() {
            text.push(if index == 0 { '?' } else { '&' });
            text.push_str(&format!("{name}={}", encode(value)));
        }
        text
    }
}

/// Read what follows `mysql:`.
pub(super) fn parse(scheme: &str, rest: &str) -> Result<MysqlUrl, Error> {
    let wrong = |why: String| {
        Error::failed(why).help(format!("write `{scheme}://user@host:port/database`"))
    };
    let broken = |part: &'static str| {
        move |why: Undecodable| {
            Error::from(why.describe(part)).help("write `%25` for a percent sign")
        }
    };
    let Some(rest) = rest.strip_prefix("//") else {
        return Err(wrong(format!("`{scheme}:` is not followed by `//`")));
    };
    // A `/`, `?` or `@` in a password, not encoded, would be taken for something else, and shown.
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (before, after) = rest.split_at(end);
    if after.contains('@') || before.matches('@').count() > 1 {
        return Err(wrong("the URL has an `@` where none can be".to_owned())
            .help("write special characters in the password as `%40` for `@`, `%2F` for `/`, `%3F` for `?`"));
    }
    let (address, query) = match rest.split_once('?') {
        Some((address, query)) => (address, query),
        None => (rest, ""),
    };
    let (authority, database) = match address.split_once('/') {
        Some((authority, database)) => (authority, database),
        None => (address, ""),
    };
    let mut url = MysqlUrl {
        scheme: scheme.to_owned(),
        ..MysqlUrl::default()
    };
    let place = match authority.rsplit_once('@') {
        None => authority,
        Some((who, place)) => {
            let (user, password) = match who.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (who, None),
            };
            if !user.is_empty() {
                url.user = Some(decode(user).map_err(broken("the user in the URL"))?);
            }
            url.password = password
                .map(decode)
                .transpose()
                .map_err(broken("the password in the URL"))?;
            place
        }
    };
    let (host, port) = match place.strip_prefix('[') {
        Some(inside) => {
            let (host, rest) = inside
                .split_once(']')
                .ok_or_else(|| wrong("the address in the URL has no `]`".to_owned()))?;
            (host, rest.strip_prefix(':'))
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    if !host.is_empty() {
        url.host = Some(decode(host).map_err(broken("the host in the URL"))?);
    }
    url.port = match port {
        None | Some("") => None,
        Some(digits) => match digits.parse() {
            Ok(port) if port > 0 => Some(port),
            _ => {
                return Err(wrong(
                    "the port in the URL is no number from 1 to 65535".to_owned(),
                ));
            }
        },
    };
    if !database.is_empty() {
        url.database = Some(decode(database).map_err(broken("the database in the URL"))?);
    }
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let known = PARAMETERS
            .iter()
            .find(|(_, names)| names.contains(&name.to_ascii_lowercase().as_str()));
        let Some((known, _)) = known else {
            let error = Error::failed(format!("unknown parameter `{name}` in a {scheme} URL"));
            let names = PARAMETERS.iter().map(|(name, _)| *name);
            return Err(match closest(name, names.clone()) {
                Some(meant) => error.help(format!("did you mean `{meant}`?")),
                None => error.help(format!(
                    "the parameters are: {}",
                    names.collect::<Vec<_>>().join(", ")
                )),
            });
        };
        let value = decode(value).map_err(broken("a parameter in the URL"))?;
        url.parameters.push((known, value));
    }
    Ok(url)
}
