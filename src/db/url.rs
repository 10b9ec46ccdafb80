//! Database URLs: which engine, and where. Pure but for one look at the disk, to tell a bare path from a typing error.
//!
//! A PostgreSQL URL is kept as the libpq parameters that it gives; what the environment, the service file and the
//! defaults add is [`super::postgres::connect`]'s business. No message and no Debug output holds a password.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

use crate::error::{Diagnostic, Error};

mod keywords;
mod mysql;
pub(crate) mod parameters;
mod postgres;

pub use mysql::MysqlUrl;
pub use postgres::PostgresUrl;

/// The forms that every "this is no database URL" error lists.
const FORMS: &str = "a database is `sqlite:path`, `sqlite::memory:`, `postgres://user@host:port/name`, `mysql://user@host:port/name`, the path of an \
                     existing SQLite file, or a libpq string such as `host=localhost dbname=name`";

/// What schemes are called, for "did you mean".
const SCHEMES: [&str; 5] = ["sqlite", "postgres", "postgresql", "mysql", "mariadb"];

/// A database, as `--url` or the spec names it.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A SQLite database.
    Sqlite(SqliteLocation),
    /// A PostgreSQL database: the libpq parameters as given.
    Postgres(PostgresUrl),
    /// A MySQL or MariaDB database.
    Mysql(MysqlUrl),
}

/// Where a SQLite database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqliteLocation {
    /// In this file, resolved against the base folder; it need not exist.
    File(PathBuf),
    /// In memory: new, empty, and gone at the end.
    Memory,
}

impl DatabaseUrl {
    /// The URL without any password, for people to read.
    pub fn display(&self) -> String {
        match self {
            Self::Sqlite(SqliteLocation::File(path)) => format!("sqlite:{}", path.display()),
            Self::Sqlite(SqliteLocation::Memory) => "sqlite::memory:".to_owned(),
            Self::Postgres(url) => url.display(),
            Self::Mysql(url) => url.display(),
        }
    }
}

impl DatabaseUrl {
    /// As it can stand in a spec in `folder`, without any password; `None` where nothing would be found again.
    pub fn for_spec(&self, folder: &Path) -> Option<String> {
        match self {
            Self::Sqlite(SqliteLocation::Memory) => None,
            Self::Sqlite(SqliteLocation::File(path)) => {
                let whole = std::path::absolute(path).ok()?;
                let inside = whole.strip_prefix(std::path::absolute(folder).ok()?).ok();
                // What was said in full is meant in full.
                let path = if path.is_absolute() {
                    &whole
                } else {
                    inside.unwrap_or(&whole)
                };
                let path = path.to_str()?.replace('%', "%25").replace('?', "%3F");
                Some(format!("sqlite:{path}"))
            }
            Self::Postgres(url) => Some(url.display()),
            Self::Mysql(url) => Some(url.display()),
        }
    }

    /// Whether there is a password in it, which [`DatabaseUrl::for_spec`] leaves out.
    pub fn has_password(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(url) => url.get("password").is_some(),
            Self::Mysql(url) => url.password().is_some(),
        }
    }

    /// Whether the two lead to one database, as far as the URLs tell: another user, or other settings of the connection, are
    /// no other place.
    pub fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sqlite(left), Self::Sqlite(right)) => left == right,
            (Self::Postgres(left), Self::Postgres(right)) => {
                ["host", "hostaddr", "port", "dbname", "service"]
                    .iter()
                    .all(|name| left.get(name) == right.get(name))
            }
            (Self::Mysql(left), Self::Mysql(right)) => {
                left.host == right.host
                    && left.port == right.port
                    && left.database == right.database
                    && left.get("socket") == right.get("socket")
            }
            _ => false,
        }
    }

    /// Whether the history there has room for what the desired side was worked out from (see [`crate::rendering`]).
    pub(crate) fn keeps_rendering(&self) -> bool {
        match self {
            Self::Sqlite(_) | Self::Postgres(_) => true,
            Self::Mysql(_) => false,
        }
    }

    /// The dialect that is spoken there.
    pub fn dialect(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
            Self::Mysql(_) => "mysql",
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({})", self.display())
    }
}

/// Read a database URL. A relative SQLite path starts at `base`: the spec's folder for a URL from the spec, the
/// current directory (or an empty path) for one from the command line.
///
/// The forms are those of SQLite's and libpq's own tools and of SQLAlchemy; `docs/connections.md` lists them.
pub fn parse(text: &str, base: &Path) -> Result<DatabaseUrl, Error> {
    let text = text.trim();
    // `./` in front of every path that is shown helps nobody.
    let base = if base == Path::new(".") {
        Path::new("")
    } else {
        base
    };
    if text.is_empty() {
        return Err(Error::failed("the database URL is empty").help(FORMS));
    }
    let Some((scheme, rest)) = scheme(text) else {
        return without_scheme(text, base);
    };
    // SQLAlchemy names the driver after a `+`; which one is of no interest here.
    let (engine, driver) = match scheme.split_once('+') {
        Some((engine, driver)) => (engine, Some(driver)),
        None => (scheme.as_str(), None),
    };
    match engine {
        "sqlite" => sqlite(rest, base).map(DatabaseUrl::Sqlite),
        "postgres" | "postgresql" => {
            postgres::parse(rest, driver.is_some()).map(DatabaseUrl::Postgres)
        }
        "mysql" | "mariadb" => mysql::parse(engine, rest).map(DatabaseUrl::Mysql),
        _ if base.join(text).exists() => existing_file(base.join(text)),
        _ => Err(unknown_scheme(engine)),
    }
}

/// Whether a URL as written can be shown to people: `false` when anything in it may be a password. Errors about a URL in the
/// spec must not show its line then.
pub fn may_be_shown(text: &str) -> bool {
    !text.contains('@') && !text.to_ascii_lowercase().contains("password")
}

/// `postgres` and what follows the colon, in lower case; at least two letters, so that a drive letter is none.
fn scheme(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let mut letters = scheme.chars();
    let fits = scheme.len() > 1
        && letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_'));
    fits.then(|| (scheme.to_ascii_lowercase(), rest))
}

fn unknown_scheme(engine: &str) -> Error {
    let error = Error::failed(format!("`{engine}:` is no kind of database that is known"));
    let error = match closest(engine, SCHEMES) {
        Some(meant) => error.help(format!("did you mean `{meant}:`?")),
        None => error,
    };
    error.help(FORMS)
}

fn without_scheme(text: &str, base: &Path) -> Result<DatabaseUrl, Error> {
    let path = base.join(text);
    if path.exists() {
        return existing_file(path);
    }
    if keywords::looks_like(text) {
        return keywords::parse(text).map(DatabaseUrl::Postgres);
    }
    // Whatever stands before an `@` may be a password.
    if text.contains('@') {
        return Err(
            Error::failed("the database URL does not say which engine it is for")
                .help("put `postgres://` in front of it")
                .help(FORMS),
        );
    }
    Err(Error::failed(format!(
        "`{text}` is neither a database URL nor an existing file"
    ))
    .help(format!(
        "write `sqlite:{text}` for a SQLite file that is still to be created"
    ))
    .help(FORMS))
}

/// A bare path counts only when it is a SQLite database: its first 16 bytes say so (file format, section 1.3), and
/// an empty file is an empty database.
fn existing_file(path: PathBuf) -> Result<DatabaseUrl, Error> {
    let shown = path.display().to_string();
    let not_one = |why: &str| Err(Error::failed(format!("`{shown}` {why}")).help(FORMS));
    if path.is_dir() {
        return not_one("is a directory, not a SQLite database");
    }
    let mut head = Vec::new();
    let read = std::fs::File::open(&path).and_then(|file| file.take(16).read_to_end(&mut head));
    match read {
        Err(error) => Err(Error::failed(format!("cannot read `{shown}`")).note(error.to_string())),
        Ok(_) if head.is_empty() || head == b"SQLite format 3\0" => {
            Ok(DatabaseUrl::Sqlite(SqliteLocation::File(path)))
        }
        Ok(_) => not_one("is not a SQLite database"),
    }
}

/// What follows `sqlite:`. SQLAlchemy's forms have slashes for an empty host: `sqlite://` (memory), `sqlite:///relative`,
/// `sqlite:////absolute`.
fn sqlite(rest: &str, base: &Path) -> Result<SqliteLocation, Error> {
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    if let Some(name) =
        query.and_then(|query| query.split(['=', '&']).find(|name| !name.is_empty()))
    {
        return Err(Error::failed(format!("unknown parameter `{name}`"))
            .note("a SQLite URL takes no parameters")
            .help("write `%3F` for a question mark in the file's name"));
    }
    let path = match path.strip_prefix("//") {
        None if path.is_empty() => {
            return Err(Error::failed("the SQLite URL names no file")
                .help("write `sqlite:path` or `sqlite::memory:`"));
        }
        None => path,
        Some("" | "/") => return Ok(SqliteLocation::Memory),
        Some(path) => match path.strip_prefix('/') {
            Some(path) => path,
            None => {
                return Err(Error::failed("a SQLite URL has no host")
                    .note(format!("`//` is followed by `{path}`"))
                    .help(format!(
                        "write `sqlite:{path}`, or `sqlite:///{path}` as SQLAlchemy does"
                    )));
            }
        },
    };
    if path == ":memory:" {
        return Ok(SqliteLocation::Memory);
    }
    let path = decode(path).map_err(|why| {
        Error::from(
            why.describe("the SQLite URL")
                .note(format!("the path is `{path}`")),
        )
        .help("write `%25` for a percent sign in the file's name")
    })?;
    Ok(SqliteLocation::File(base.join(path)))
}

/// Why percent-encoded text cannot be decoded. Holds none of the text, which may be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Undecodable {
    /// A `%` without two hexadecimal digits after it.
    Escape,
    /// The bytes are not UTF-8.
    Encoding,
    /// A NUL, which no part of a URL can hold.
    Nul,
}

impl Undecodable {
    /// The diagnostic, with the part of the URL that it is about.
    fn describe(self, part: &str) -> Diagnostic {
        Diagnostic::new(match self {
            Self::Escape => {
                format!("{part} has a `%` that is not followed by two hexadecimal digits")
            }
            Self::Encoding => format!("{part} is not UTF-8 after percent-decoding"),
            Self::Nul => format!("{part} contains a NUL character"),
        })
    }
}

/// Percent-decoding, strictly: a `+` stays a `+`, and a broken escape is an error, as in libpq.
fn decode(text: &str) -> Result<String, Undecodable> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('%') {
        let digits = after.bytes().take(2).filter(u8::is_ascii_hexdigit).count();
        if digits != 2 {
            return Err(Undecodable::Escape);
        }
        rest = after;
    }
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| Undecodable::Encoding)?;
    if decoded.contains('\0') {
        return Err(Undecodable::Nul);
    }
    Ok(decoded.into_owned())
}

/// The candidate that was probably meant: at most a third of the letters differ.
pub(crate) fn closest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests;
