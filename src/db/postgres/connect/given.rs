//! What is given about a connection, each value with its source: the URL, then the service file, then the environment,
//! as in libpq (manual, sections 32.1, 32.15 and 32.17).

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::db::url::parameters::{PARAMETERS, Support};
use crate::db::url::{PostgresUrl, closest};
use crate::error::Error;

use super::environment::Environment;
use super::service;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The URL, or the keyword string.
    Url,
    /// The service file at this path.
    Service(PathBuf),
    /// This environment variable.
    Variable(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str("the URL"),
            Self::Service(path) => write!(f, "the service file `{}`", path.display()),
            Self::Variable(name) => write!(f, "the environment variable {name}"),
        }
    }
}

/// All parameters that have a value. No Debug: one of them is the password.
pub(super) struct Given {
    values: BTreeMap<&'static str, (String, Source)>,
}

impl Given {
    /// Bring the sources together.
    pub(super) fn collect(url: &PostgresUrl, environment: &Environment) -> Result<Self, Error> {
        let mut values = BTreeMap::new();
        for parameter in PARAMETERS {
            if let Some(value) = url.get(parameter.name) {
                values.insert(parameter.name, (value.to_owned(), Source::Url));
            }
        }
        let service = url.get("service").or(environment.variable("PGSERVICE"));
        if let Some(service) = service.filter(|name| !name.is_empty()) {
            let file = url
                .get("servicefile")
                .or(environment.variable("PGSERVICEFILE"));
            let service = service::read(service, file, environment)?;
            for (name, value) in service.parameters {
                values
                    .entry(name)
                    .or_insert((value, Source::Service(service.path.clone())));
            }
        }
        for parameter in PARAMETERS {
            let Some(variable) = parameter.variable else {
                continue;
            };
            let Some(value) = environment.variable(variable) else {
                continue;
            };
            if let Support::Refused(why) = parameter.support {
                return Err(Error::failed(format!(
                    "the environment variable {variable} is not supported"
                ))
                .help(why)
                .help(format!("unset {variable} to connect without it")));
            }
            values
                .entry(parameter.name)
                .or_insert((value.to_owned(), Source::Variable(variable)));
        }
        Ok(Self { values })
    }

    /// A value that is not empty: to libpq an empty one is as good as none.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values
            .get(name)
            .map(|(value, _)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The same as a path; `~/` at the start is the home folder (as nobody else expands it inside a URL).
    pub(super) fn path(&self, name: &str, environment: &Environment) -> Option<PathBuf> {
        let text = self.text(name)?;
        match text.strip_prefix("~/") {
            Some(rest) if environment.home.is_some() => environment.in_home(rest),
            _ => Some(PathBuf::from(text)),
        }
    }

    /// Where a value comes from.
    pub(super) fn source(&self, name: &str) -> Option<&Source> {
        self.values.get(name).map(|(_, source)| source)
    }

    /// One of several words, or the default.
    pub(super) fn word<T: Copy>(
        &self,
        name: &str,
        words: &[(&'static str, T)],
        default: T,
    ) -> Result<T, Error> {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(*value);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let error = self.invalid(name, text);
        Err(match closest(text, names.iter().copied()) {
            Some(meant) => error.help(format!("did you mean `{meant}`?")),
            None => error.help(format!("it is one of `{}`", names.join("`, `"))),
        })
    }

    /// A whole number.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Error> {
        self.text(name)
            .map(|text| {
                text.trim()
                    .parse()
                    .map_err(|_| self.invalid(name, text).help("it is a whole number"))
            })
            .transpose()
    }

    /// `0` or `1`.
    pub(super) fn switch(&self, name: &str, default: bool) -> Result<bool, Error> {
        self.word(name, &[("0", false), ("1", true)], default)
    }

    /// That a value is not valid, and where it stands.
    pub(super) fn invalid(&self, name: &str, value: &str) -> Error {
        let error = Error::failed(format!("`{value}` is not a valid `{name}`"));
        match self.source(name) {
            Some(source) => error.note(format!("it comes from {source}")),
            None => error,
        }
    }
}
