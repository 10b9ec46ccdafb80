//! `postgres://` URLs: libpq's grammar (manual, section 32.1.1.2), and SQLAlchemy's driver names and repeated `host`.

use std::collections::BTreeMap;
use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::error::Error;

use super::{Undecodable, decode, parameters};

/// What is escaped in [`PostgresUrl::display`]: what would end or change the part that it stands in. Slashes and
/// colons stay, for the sake of socket folders.
const SPECIAL: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'@');

/// The same for the user name, which a slash or a colon would end.
const IN_USER: &AsciiSet = &SPECIAL.add(b'/').add(b':');

/// The libpq parameters of a PostgreSQL connection, as one source gave them. Several hosts and ports are lists with
/// commas, as in libpq. Debug and display leave out what is secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PostgresUrl {
    parameters: BTreeMap<&'static str, String>,
}

impl PostgresUrl {
    /// The value of a parameter under libpq's name, where it was given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// Set a parameter; a later value replaces an earlier one, as in libpq.
    pub(crate) fn set(&mut self, name: &'static str, value: String) {
        self.parameters.insert(name, value);
    }

    /// The URL without any password: `postgres://user@host:port/name?sslmode=require`.
    pub fn display(&self) -> String {
        let encode = |text: &str| utf8_percent_encode(text, SPECIAL).to_string();
        let mut text = String::from("postgres://");
        if let Some(user) = self.get("user") {
            text.push_str(&utf8_percent_encode(user, IN_USER).to_string());
            text.push('@');
        }
        // A socket folder, or ports that are not one a host, read better as parameters.
        let hosts: Vec<&str> = self
            .get("host")
            .map_or(vec![], |host| host.split(',').collect());
        let ports: Vec<&str> = self
            .get("port")
            .map_or(vec![], |port| port.split(',').collect());
        let in_authority = !hosts.is_empty()
            && !hosts.iter().any(|host| host.starts_with('/'))
            && (ports.len() <= 1 || ports.len() == hosts.len());
        if in_authority {
            for (index, host) in hosts.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                if host.contains(':') {
                    text.extend(["[", &encode(host), "]"]);
                } else {
                    text.push_str(&encode(host));
                }
                let port = ports.get(index).or(ports.first()).copied().unwrap_or("");
                if !port.is_empty() {
                    text.push(':');
                    text.push_str(&encode(port));
                }
            }
        }
        if let Some(dbname) = self.get("dbname") {
            text.push('/');
            text.push_str(&encode(dbname));
        }
        let mut mark = '?';
        for (name, value) in &self.parameters {
            let shown_above = matches!(*name, "user" | "dbname")
                || in_authority && matches!(*name, "host" | "port");
            if shown_above || parameters::find(name).is_none_or(parameters::Parameter::is_secret) {
                continue;
            }
            text.push(mark);
            text.extend([name, "=", &encode(value)]);
            mark = '&';
        }
        text
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({})", self.display())
    }
}

/// Read what follows `postgres:`. `driver` says whether the scheme named one (`postgresql+psycopg`): SQLAlchemy's URLs
/// give several hosts as `?host=a:5432&host=b:5432`.
pub(super) fn parse(rest: &str, driver: bool) -> Result<PostgresUrl, Error> {
    let Some(rest) = rest.strip_prefix("//") else {
        return Err(Error::failed("`postgres:` must be followed by `//`")
            .help("write `postgres://user@host:port/name`"));
    };
    let mut url = PostgresUrl::default();
    let (address, query) = split_address(rest);
    let (authority, dbname) = match address.split_once('/') {
        Some((authority, dbname)) => (authority, Some(dbname)),
        None => (address, None),
    };
    // An `@` this far on is most likely that of a password with a bare `/`, `?` or `@` in it. What precedes it must then be
    // neither used as a host nor shown as a name.
    if dbname.is_some_and(|name| name.contains('@'))
        || query.is_some_and(|query| query.contains('@') && !names_parameters(query))
    {
        return Err(Error::failed(
            "the user name or the password in the URL has a character that must be escaped",
        )
        .help(
            "write `%2F` for `/`, `%3F` for `?`, `%40` for `@`, `%23` for `#` and `%25` for `%`",
        ));
    }
    let hosts = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => {
            set_credentials(&mut url, credentials)?;
            hosts
        }
        None => authority,
    };
    set_hosts(&mut url, hosts)?;
    if let Some(dbname) = dbname.filter(|name| !name.is_empty()) {
        let dbname = decode(dbname).map_err(|why| why.describe("the database name in the URL"))?;
        url.set("dbname", dbname);
    }
    if let Some(query) = query {
        set_query(&mut url, query, driver)?;
    }
    Ok(url)
}

/// Cut the query off. As in libpq, a `?` before the `@` belongs to the password.
fn split_address(rest: &str) -> (&str, Option<&str>) {
    let before_slash = rest.find('/').unwrap_or(rest.len());
    let credentials = rest
        .get(..before_slash)
        .filter(|text| {
            // `host?user=a@b` has its `@` in the query: there the text before the `?` is a host.
            text.find('?').is_none_or(|mark| {
                text.get(..mark)
                    .is_some_and(|head| head.contains('@') || !has_numeric_ports(head))
            })
        })
        .and_then(|text| text.rfind('@'))
        .unwrap_or(0);
    match rest
        .get(credentials..)
        .and_then(|text| text.find('?'))
        .map(|at| at + credentials)
    {
        Some(at) => (
            rest.get(..at).unwrap_or(rest),
            rest.get(at + 1..).filter(|query| !query.is_empty()),
        ),
        None => (rest, None),
    }
}

fn has_numeric_ports(authority: &str) -> bool {
    authority.split(',').all(|host| {
        host.rsplit_once(':')
            .is_none_or(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// Whether every name of a query is one of ours, so that the text is a query for sure.
fn names_parameters(query: &str) -> bool {
    query.split('&').all(|pair| {
        pair.split_once('=')
            .is_some_and(|(name, _)| parameters::find(name).is_some())
    })
}

fn set_credentials(url: &mut PostgresUrl, credentials: &str) -> Result<(), Error> {
    let (user, password) = match credentials.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (credentials, None),
    };
    if !user.is_empty() {
        let user = decode(user).map_err(|why| why.describe("the user name in the URL"))?;
        url.set("user", user);
    }
    if let Some(password) = password.filter(|password| !password.is_empty()) {
        let password = decode(password).map_err(undecodable_password)?;
        url.set("password", password);
    }
    Ok(())
}

fn undecodable_password(why: Undecodable) -> Error {
    Error::from(why.describe("the password in the URL")).help("write `%25` for a percent sign")
}

/// `host1:5432,[::1]:5433,%2Ftmp`: becomes libpq's two lists.
fn set_hosts(url: &mut PostgresUrl, text: &str) -> Result<(), Error> {
    if text.is_empty() {
        return Ok(());
    }
    let (mut hosts, mut ports) = (vec![], vec![]);
    for part in text.split(',') {
        let (host, port) = split_port(part)?;
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            // It is not shown: without an `@` after it, it may be a password.
            return Err(Error::failed("the port in the URL is not a number")
                .help("write `postgres://user:password@host:port/name`"));
        }
        let host = decode(host).map_err(|why| why.describe("a host in the URL"))?;
        if host.contains(',') {
            return Err(Error::failed("a host in the URL contains a comma"));
        }
        hosts.push(host);
        ports.push(port.to_owned());
    }
    if hosts.iter().any(|host| !host.is_empty()) {
        url.set("host", hosts.join(","));
    }
    if ports.iter().any(|port| !port.is_empty()) {
        url.set("port", ports.join(","));
    }
    Ok(())
}

/// A host and its port; the port is empty where there is none.
fn split_port(part: &str) -> Result<(&str, &str), Error> {
    if let Some(rest) = part.strip_prefix('[') {
        let Some((host, after)) = rest.split_once(']') else {
            return Err(Error::failed(
                "an IPv6 address in the URL has no closing `]`",
            ));
        };
        return match after.strip_prefix(':') {
            Some(number) => Ok((host, number)),
            None if after.is_empty() => Ok((host, "")),
            None => Err(Error::failed(
                "an IPv6 address in the URL is followed by something other than `:port`",
            )),
        };
    }
    match part.split_once(':') {
        Some((_, number)) if number.contains(':') => {
            Err(Error::failed("a host in the URL has more than one colon")
                .help("put an IPv6 address into brackets: `[::1]:5432`"))
        }
        Some(split) => Ok(split),
        None => Ok((part, "")),
    }
}

fn set_query(url: &mut PostgresUrl, query: &str, driver: bool) -> Result<(), Error> {
    let (mut hosts, mut ports) = (vec![], vec![]);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(
                Error::failed("a parameter in the URL has no `=` and no value")
                    .help("write `?name=value&name=value`, and `%26` for a `&` inside a value"),
            );
        };
        let name =
            decode(name).map_err(|why| why.describe("the name of a parameter in the URL"))?;
        let value = decode(value)
            .map_err(|why| why.describe(&format!("the parameter `{name}` in the URL")))?;
        match (name.as_str(), value.as_str()) {
            // JDBC's and asyncpg's word for it; libpq takes the former.
            ("ssl", "true") => url.set("sslmode", "require".to_owned()),
            ("ssl", _) if driver => url.set("sslmode", value),
            ("host", _) if driver => {
                let (host, port) = if value.starts_with('/') {
                    (value.as_str(), "")
                } else {
                    split_port(&value)?
                };
                hosts.push(host.to_owned());
                ports.push(port.to_owned());
            }
            _ => url.set(parameters::accept(&name)?.name, value),
        }
    }
    if !hosts.is_empty() {
        url.set("host", hosts.join(","));
    }
    if ports.iter().any(|port| !port.is_empty()) {
        url.set("port", ports.join(","));
    }
    Ok(())
}

#[cfg(test)]
impl PostgresUrl {
    /// For tests that compare all but some.
    pub(super) fn parameters_for_test(&mut self) -> &mut BTreeMap<&'static str, String> {
        &mut self.parameters
    }
}
