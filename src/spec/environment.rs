//! `[database]`, `[vars]` and the environment laid over them; only what is used is resolved.

use std::collections::BTreeMap;

use super::load::Loader;
use super::text::inner_span;
use super::value::{Record, Value, resolve};
use super::{DatabaseSpec, unknown};
use crate::error::{Diagnostic, Located, Span};

impl Loader<'_> {
    /// The names of all environments with their URLs, and the record of the chosen one.
    pub(super) fn environments(
        &mut self,
        top: &mut Record,
    ) -> (BTreeMap<String, Option<String>>, Option<Record>) {
        let place = top.key_span("environments").cloned();
        let environments = match top.take("environments") {
            Some(Value::Map(map)) => map,
            _ => vec![],
        };
        let base = match top.peek("database") {
            Some(Value::Record(database)) => match database.peek("url") {
                Some(Value::Text(url)) => Some(url.clone()),
                _ => None,
            },
            _ => None,
        };
        let mut names = BTreeMap::new();
        let mut chosen = None;
        for (name, value) in environments {
            let Value::Record(record) = value else {
                continue;
            };
            let url = match record.peek("url") {
                Some(Value::Text(url)) => Some(url.clone()),
                _ => base.clone(),
            };
            // What is not chosen need not be resolvable.
            let url = url.and_then(|mut url| {
                resolve(&mut url, self.options, &mut vec![]).then_some(url.value)
            });
            if let Some(Value::Bool(flag)) = record.peek("protected")
                && flag.value
            {
                self.protected.insert(name.value.clone());
            }
            if self.options.environment == Some(name.value.as_str()) {
                chosen = Some(record);
            }
            names.insert(name.value, url);
        }
        if let (Some(wanted), None) = (self.options.environment, &chosen) {
            let diagnostic = unknown_environment(wanted, &names);
            self.problems.push(match place {
                Some(place) => diagnostic.at(&place),
                None => diagnostic,
            });
        }
        (names, chosen)
    }

    /// `[database]` and `[vars]` with the environment's laid over them.
    pub(super) fn settings(
        &mut self,
        top: &mut Record,
        chosen: Option<Record>,
    ) -> (DatabaseSpec, BTreeMap<String, toml::Value>) {
        let mut database = match top.take("database") {
            Some(Value::Record(record)) => Some(record),
            _ => None,
        };
        let mut chosen = chosen;
        let protected = match chosen.as_mut().and_then(|record| record.take("protected")) {
            Some(Value::Bool(flag)) => Some(flag),
            _ => None,
        };
        let mut take = |key: &str| {
            let own = chosen.as_mut().and_then(|record| record.take(key));
            let base = database.as_mut().and_then(|record| record.take(key));
            match own.or(base) {
                Some(Value::Text(text)) => Some(text),
                _ => None,
            }
        };
        let (url, create_from, history_schema) =
            (take("url"), take("create_from"), take("history_schema"));
        let test_schema = take("test_schema");
        let url = if self.options.needs_url {
            self.dollar(url.as_ref());
            self.late(url, "url")
        } else {
            url.and_then(|mut url| resolve(&mut url, self.options, &mut vec![]).then_some(url))
        };
        let settings = DatabaseSpec {
            url,
            create_from: self.late(create_from, "create_from").map(|path| Located {
                value: self.folder.join(path.value),
                span: path.span,
            }),
            history_schema: self.late(history_schema, "history_schema"),
            test_schema: self.late(test_schema, "test_schema").map(|path| Located {
                value: self.folder.join(path.value),
                span: path.span,
            }),
            protected,
        };
        let mut vars = BTreeMap::new();
        let base = top.take("vars");
        let own = chosen.as_mut().and_then(|record| record.take("vars"));
        for map in [base, own] {
            let Some(Value::Map(map)) = map else { continue };
            for (name, value) in map {
                if let Value::Any(value) = value {
                    vars.insert(name.value, value);
                }
            }
        }
        let vars = vars
            .into_iter()
            .map(|(name, value)| {
                let span = value.span;
                let mut value = value.value;
                self.fill(&mut value, &span);
                (name, value)
            })
            .collect();
        (settings, vars)
    }

    /// `${NAME}` in a URL can only be meant as `${env:NAME}`.
    fn dollar(&mut self, url: Option<&Located<String>>) {
        let Some(url) = url else { return };
        for (start, _) in url.value.match_indices("${") {
            let rest = url.value.get(start..).unwrap_or_default();
            let before = url.value.get(..start).unwrap_or_default();
            if rest.starts_with("${env:") || before.ends_with('$') {
                continue;
            }
            let Some(end) = rest.find('}') else { continue };
            let name = rest.get(2..end).unwrap_or_default();
            let reference = rest.get(..=end).unwrap_or_default();
            self.problems.push(
                Diagnostic::new(format!("`{reference}` is not filled in"))
                    .at(&inner_span(url, start..start + end + 1))
                    .help(format!(
                        "write `${{env:{name}}}` for the environment variable, or `${reference}` for the text itself"
                    )),
            );
        }
    }

    /// A string whose `${env:…}` is filled in now that it is known to be used.
    fn late(&mut self, text: Option<Located<String>>, key: &str) -> Option<Located<String>> {
        let mut text = text?;
        if !resolve(&mut text, self.options, &mut self.problems) {
            return None;
        }
        if text.value.is_empty() {
            self.problems.push(
                Diagnostic::new(format!("`{key}` is empty"))
                    .at(&text.span)
                    .help("the environment variable in it is empty: set it, or give a default"),
            );
            return None;
        }
        Some(text)
    }

    /// Fill in `${env:…}` in all strings of a value.
    fn fill(&mut self, value: &mut toml::Value, span: &Span) {
        match value {
            toml::Value::String(text) => {
                let mut located = Located {
                    value: std::mem::take(text),
                    span: span.clone(),
                };
                resolve(&mut located, self.options, &mut self.problems);
                *text = located.value;
            }
            toml::Value::Array(elements) => {
                for element in elements {
                    self.fill(element, span);
                }
            }
            toml::Value::Table(table) => {
                for (_, value) in table.iter_mut() {
                    self.fill(value, span);
                }
            }
            toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Datetime(_) => {}
        }
    }
}

fn unknown_environment(wanted: &str, names: &BTreeMap<String, Option<String>>) -> Diagnostic {
    let close = unknown::closest(wanted, names.keys().map(String::as_str));
    let diagnostic = Diagnostic::new(match close {
        Some(close) => format!("unknown environment `{wanted}`, did you mean `{close}`?"),
        None => format!("unknown environment `{wanted}`"),
    });
    let known: Vec<String> = names.keys().map(|name| format!("`{name}`")).collect();
    diagnostic.help(if known.is_empty() {
        format!("the spec has none: add `[environments.{wanted}]`")
    } else {
        format!("the spec has {}", known.join(", "))
    })
}
