//! Connecting: what the URL leaves open comes from the environment and from the `[client]` groups of the options file,
//! as with the engines' own clients. TLS is rustls.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mysql::{ClientIdentity, Conn, Opts, OptsBuilder, SslOpts};

use crate::db::url::MysqlUrl;
use crate::error::Error;

use super::errors;

/// How long connecting may take when nothing is said.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where servers' sockets usually are.
const SOCKETS: [&str; 4] = [
    "/run/mysqld/mysqld.sock",
    "/var/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/tmp/mysql.sock",
];

/// `ssl-mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SslMode {
    Disabled,
    Preferred,
    Required,
    VerifyCa,
    VerifyIdentity,
}

/// An open connection, how to open another, and where it leads.
pub(super) struct Connection {
    pub(super) conn: Conn,
    pub(super) opts: Opts,
    pub(super) address: String,
}

/// Connect as the URL, the environment and the options file say.
pub(super) fn connect(url: &MysqlUrl) -> Result<Connection, Error> {
    let options = Options::read(url)?;
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = url
        .user
        .clone()
        .or_else(|| options.get("user"))
        .or_else(|| environment("USER"));
    let password = url
        .password()
        .map(str::to_owned)
        .or_else(|| options.get("password"))
        .or_else(|| environment("MYSQL_PWD"));
    let host = url.host.clone();
    let named = url.get("socket").map(str::to_owned);
    let (host, socket) = match (host, named) {
        (_, Some(socket)) => (None, Some(socket)),
        (Some(host), None) => (Some(host), None),
        // The options file is for this server only when the URL names no other.
        (None, None) => match (
            options.get("host").or_else(|| environment("MYSQL_HOST")),
            options
                .get("socket")
                .or_else(|| environment("MYSQL_UNIX_PORT")),
        ) {
            (None | Some(_), Some(socket)) => (None, Some(socket)),
            (host, None) => (host, None),
        },
    };
    let port = url.port.map(Ok).or_else(|| {
        options
            .get("port")
            .or_else(|| environment("MYSQL_TCP_PORT"))
            .map(|text| {
                text.parse::<u16>().map_err(|_| {
                    Error::failed(format!("the port `{text}` is no number from 1 to 65535"))
                })
            })
    });
    let port = port.transpose()?;
    // As the engines' own clients do: `localhost` is the socket, where there is one.
    let local = host.as_deref().is_none_or(|host| host == "localhost");
    let socket = socket.or_else(|| {
        let found = SOCKETS.iter().find(|path| Path::new(path).exists());
        found
            .filter(|_| local && port.is_none())
            .map(|path| (*path).to_owned())
    });
    let address = match &socket {
        Some(socket) => socket.clone(),
        None => format!(
            "{}:{}",
            host.as_deref().unwrap_or("localhost"),
            port.unwrap_or(3306)
        ),
    };
    let timeout = match url.get("connect-timeout").map(str::parse::<u64>) {
        None => TIMEOUT,
        Some(Ok(seconds)) if seconds > 0 => Duration::from_secs(seconds),
        Some(_) => return Err(Error::failed("`connect-timeout` is a number of seconds")),
    };
    let database = url.database.clone().or_else(|| options.get("database"));
    let base = OptsBuilder::new()
        .user(user.clone())
        .pass(password)
        .db_name(database.clone())
        .prefer_socket(false)
        .tcp_connect_timeout(Some(timeout))
        .tcp_keepalive_time_ms(Some(30_000))
        .stmt_cache_size(0)
        .local_infile_handler(None);
    let base = match &socket {
        Some(socket) => base.socket(Some(socket.clone())),
        None => base
            .ip_or_hostname(Some(host.unwrap_or_else(|| "localhost".to_owned())))
            .tcp_port(port.unwrap_or(3306)),
    };
    let mode = ssl_mode(url, &options)?;
    let ssl = match (&socket, mode) {
        (Some(_), _) | (None, SslMode::Disabled) => None,
        (None, mode) => Some(ssl_options(url, &options, mode)?),
    };
    let failed = |error: &mysql::Error| errors::connecting(error, &address, (&user, &database));
    let with_tls = Opts::from(base.clone().ssl_opts(ssl.clone()));
    let plain = || Opts::from(base.clone().ssl_opts(None::<SslOpts>));
    let (conn, opts) = match Conn::new(with_tls.clone()) {
        Ok(conn) => (conn, with_tls),
        Err(mysql::Error::DriverError(mysql::DriverError::TlsNotSupported))
            if mode == SslMode::Preferred =>
        {
            let opts = plain();
            (
                Conn::new(opts.clone()).map_err(|error| failed(&error))?,
                opts,
            )
        }
        Err(error) => return Err(failed(&error)),
    };
    Ok(Connection {
        conn,
        opts,
        address,
    })
}

fn ssl_mode(url: &MysqlUrl, options: &Options) -> Result<SslMode, Error> {
    let given = url
        .get("ssl-mode")
        .map(str::to_owned)
        .or_else(|| options.get("ssl-mode"));
    let Some(given) = given else {
        let has_ca = url.get("ssl-ca").is_some() || options.get("ssl-ca").is_some();
        return Ok(if has_ca {
            SslMode::VerifyCa
        } else {
            SslMode::Preferred
        });
    };
    Ok(
        match given.to_ascii_uppercase().replace('-', "_").as_str() {
            "DISABLED" | "DISABLE" => SslMode::Disabled,
            "PREFERRED" | "PREFER" => SslMode::Preferred,
            "REQUIRED" | "REQUIRE" => SslMode::Required,
            "VERIFY_CA" => SslMode::VerifyCa,
            "VERIFY_IDENTITY" | "VERIFY_FULL" => SslMode::VerifyIdentity,
            _ => {
                return Err(Error::failed(format!("`{given}` is no `ssl-mode`"))
                    .help("it is DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY"));
            }
        },
    )
}

fn ssl_options(url: &MysqlUrl, options: &Options, mode: SslMode) -> Result<SslOpts, Error> {
    let path = |name: &str| -> Result<Option<PathBuf>, Error> {
        let given = url
            .get(name)
            .map(str::to_owned)
            .or_else(|| options.get(name));
        let Some(given) = given else { return Ok(None) };
        let path = PathBuf::from(given);
        match std::fs::File::open(&path) {
            Ok(_) => Ok(Some(path)),
            Err(error) => Err(Error::failed(format!(
                "cannot read the `{name}` file `{}`",
                path.display()
            ))
            .note(error.to_string())),
        }
    };
    let mut ssl = SslOpts::default();
    let ca = path("ssl-ca")?;
    if mode == SslMode::VerifyCa && ca.is_none() {
        return Err(
            Error::failed("`ssl-mode=VERIFY_CA` needs a file of certificates to trust")
                .help("name it with `ssl-ca`, or use VERIFY_IDENTITY with a public certificate"),
        );
    }
    ssl = match mode {
        SslMode::Disabled | SslMode::Preferred | SslMode::Required => ssl
            .with_danger_accept_invalid_certs(true)
            .with_danger_skip_domain_validation(true),
        SslMode::VerifyCa => ssl.with_danger_skip_domain_validation(true),
        SslMode::VerifyIdentity => ssl,
    };
    if let Some(ca) = ca {
        ssl = ssl.with_root_cert_path(Some(ca));
    }
    if let (Some(certificate), Some(key)) = (path("ssl-cert")?, path("ssl-key")?) {
        ssl = ssl.with_client_identity(Some(ClientIdentity::new(certificate, key)));
    }
    Ok(ssl)
}

/// The options of the groups that are for clients, later ones over earlier ones.
struct Options(BTreeMap<String, String>);

impl Options {
    /// `defaults-file` alone, else `~/.my.cnf` where there is one.
    fn read(url: &MysqlUrl) -> Result<Self, Error> {
        let (path, required) = match url.get("defaults-file") {
            Some(path) => (Some(PathBuf::from(path)), true),
            None => (std::env::home_dir().map(|home| home.join(".my.cnf")), false),
        };
        let Some(path) = path.filter(|path| required || path.exists()) else {
            return Ok(Self(BTreeMap::new()));
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if required => Err(Error::failed(format!(
                "cannot read the options file `{}`",
                path.display()
            ))
            .note(error.to_string())),
            Err(error) => {
                log::warn!("cannot read the options file `{}`: {error}", path.display());
                Ok(Self(BTreeMap::new()))
            }
        }
    }

    fn parse(text: &str) -> Self {
        let mut options = BTreeMap::new();
        let mut ours = false;
        for line in text.lines() {
            let line = line.trim();
            if let Some(group) = line
                .strip_prefix('[')
                .and_then(|line| line.strip_suffix(']'))
            {
                ours = ["client", "client-mariadb", "client-server", "triggerctl"]
                    .contains(&group.trim());
                continue;
            }
            if !ours || line.starts_with(['#', ';', '!']) {
                continue;
            }
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            options.insert(
                name.trim().to_ascii_lowercase().replace('_', "-"),
                unescape(value.trim()),
            );
        }
        Self(options)
    }

    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }
}

/// A value of an options file: quotes off, and the escapes of the manual ("using option files") on.
fn unescape(value: &str) -> String {
    let quoted = ['"', '\''].into_iter().find_map(|quote| {
        let rest = value.strip_prefix(quote)?;
        rest.split_once(quote).map(|(inside, _)| inside)
    });
    // Outside of quotes a comment may follow.
    let value = quoted.unwrap_or_else(|| value.split(" #").next().unwrap_or_default().trim_end());
    let mut text = String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('s') => text.push(' '),
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('b') => text.push('\u{8}'),
            Some(other @ ('\\' | '"' | '\'')) => text.push(other),
            Some(other) => text.extend(['\\', other]),
            None => text.push('\\'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_options_files() {
        let options = Options::parse(
            "[mysqld]\nport=1\n[client]\n# user=no\nuser = me\npassword=\"a#b\\\\\"\nssl_ca=/x y # why\nskip-x\n[other]\nuser=you\n",
        );
        assert_eq!(options.get("user").as_deref(), Some("me"));
        assert_eq!(options.get("password").as_deref(), Some("a#b\\"));
        assert_eq!(options.get("ssl-ca").as_deref(), Some("/x y"));
        assert_eq!(options.get("port"), None);
        assert_eq!(options.get("skip-x"), None);
    }
}
