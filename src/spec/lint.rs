//! What a spec says of the rules of `lint`: `[lint]`, and `allow` of a trigger or function.

use std::collections::BTreeMap;

use super::build::Builder;
use super::unknown::closest;
use super::value::{Record, Value};
use crate::error::{Diagnostic, Located, Span};
use crate::lint::rules::{self, Severity};

/// `[lint]`.
#[derive(Debug, Clone, Default)]
pub struct LintSpec {
    /// `rules`: the severity of each rule that is named; `None` is `off`.
    pub rules: BTreeMap<&'static str, Option<Severity>>,
    /// `oldest_sqlite`, as major and minor version.
    pub oldest_sqlite: Option<(u32, u32)>,
}

/// One `allow`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowSpec {
    /// The rule; there is one of that name.
    pub rule: Located<String>,
    /// Why.
    pub reason: Located<String>,
    /// The whole table.
    pub span: Span,
}

impl Builder<'_> {
    pub(super) fn lint(&mut self, value: Option<Value>) -> LintSpec {
        let Some(Value::Record(mut record)) = value else {
            return LintSpec::default();
        };
        let mut lint = LintSpec::default();
        if let Some(Value::Map(map)) = record.take("rules") {
            for (name, value) in map {
                let Some(rule) = self.rule(&name) else {
                    continue;
                };
                if let Value::Word(word) = value {
                    lint.rules.insert(rule, Severity::by_word(word.value));
                }
            }
        }
        if let Some(Value::Text(version)) = record.take("oldest_sqlite") {
            lint.oldest_sqlite = version_of(&version.value);
            if lint.oldest_sqlite.is_none() {
                self.problems.push(
                    Diagnostic::new(format!("`{}` is no version of SQLite", version.value))
                        .at(&version.span)
                        .help("write `oldest_sqlite = \"3.40\"`"),
                );
            }
        }
        lint
    }

    pub(super) fn allow(&mut self, value: Option<Value>) -> Vec<AllowSpec> {
        let Some(Value::Records(records)) = value else {
            return vec![];
        };
        records
            .into_iter()
            .filter_map(|record| self.one_allow(record))
            .collect()
    }

    fn one_allow(&mut self, mut record: Record) -> Option<AllowSpec> {
        self.missing(&record, "rule", "this `allow`", "rule = \"firing_order\"");
        self.missing(
            &record,
            "reason",
            "this `allow`",
            "reason = \"why it is right here\"",
        );
        let rule = match record.take("rule") {
            Some(Value::Text(rule)) => Some(rule),
            _ => None,
        };
        let rule = rule.filter(|rule| self.rule(rule).is_some());
        let Some(Value::Text(reason)) = record.take("reason") else {
            return None;
        };
        if reason.value.trim().is_empty() {
            self.problems.push(
                Diagnostic::new("this `reason` says nothing")
                    .at(&reason.span)
                    .help("say why the finding is right here, for whoever reads it next"),
            );
            return None;
        }
        Some(AllowSpec {
            rule: rule?,
            reason,
            span: record.span,
        })
    }

    /// The rule of this name.
    fn rule(&mut self, name: &Located<String>) -> Option<&'static str> {
        if let Some(rule) = rules::by_name(&name.value) {
            return Some(rule.name);
        }
        let all = || rules::ALL.iter().map(|rule| rule.name);
        let diagnostic =
            Diagnostic::new(format!("there is no rule `{}`", name.value)).at(&name.span);
        self.problems.push(match closest(&name.value, all()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help("`triggerctl lint --rules` lists them"),
        });
        None
    }
}

/// `3.40` or `3.40.1`.
fn version_of(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next()?.parse().ok()?;
    let patch = parts
        .next()
        .is_none_or(|patch| patch.parse::<u32>().is_ok());
    (patch && parts.next().is_none() && major == 3).then_some((major, minor))
}
