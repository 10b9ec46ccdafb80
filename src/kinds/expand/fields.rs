//! The fields of a kind's trigger in one dialect: those that are there to the letter, and those that an expression gives.

use std::collections::BTreeMap;

use minijinja::Value;

use super::here::Here;
use crate::error::{Diagnostic, Error, Located};
use crate::kinds::KindFields;
use crate::model::Event;
use crate::spec::{Fields, word};

impl Here<'_> {
    /// The kind's fields for this dialect.
    pub(super) fn merged(
        &self,
        base: &KindFields,
        own: Option<&KindFields>,
    ) -> Result<Fields, Vec<Diagnostic>> {
        let mut expressions: BTreeMap<&str, &Located<String>> = base
            .expressions
            .iter()
            .map(|(key, text)| (*key, text))
            .collect();
        let fields = match own {
            None => base.fields.clone(),
            Some(own) => {
                let mut common = base.fields.clone();
                for (key, text) in &own.expressions {
                    expressions.insert(key, text);
                    clear(&mut common, key);
                }
                expressions.retain(|key, _| !says(&own.fields, key));
                own.fields.clone().over(&common)
            }
        };
        let mut fields = fields;
        let mut problems = vec![];
        for (key, text) in expressions {
            let set = self
                .evaluate(text)
                .and_then(|value| self.set(&mut fields, key, &value, text));
            if let Err(error) = set {
                problems.extend(self.used.blamed(error));
            }
        }
        if problems.is_empty() {
            Ok(fields)
        } else {
            Err(problems)
        }
    }

    /// Give a field the value of an expression; none and an empty list leave it out.
    fn set(
        &self,
        fields: &mut Fields,
        key: &str,
        value: &Value,
        expression: &Located<String>,
    ) -> Result<(), Error> {
        let wrong = |what: &str| {
            Error::from(
                Diagnostic::new(format!("`{key}` cannot be {value}"))
                    .at(&expression.span)
                    .help(format!("the expression must give {what}")),
            )
        };
        if value.is_none() || value.is_undefined() {
            return Ok(());
        }
        let located = |text: &str| Located {
            value: text.to_owned(),
            span: self
                .used
                .bound
                .place_of(text)
                .unwrap_or(&expression.span)
                .clone(),
        };
        let one = || value.as_str().ok_or_else(|| wrong("a word"));
        let list = || -> Result<Vec<Located<String>>, Error> {
            let elements = value.try_iter().map_err(|_| wrong("a list"))?;
            elements
                .map(|element| element.as_str().map(located).ok_or_else(|| wrong("texts")))
                .collect()
        };
        macro_rules! one_word {
            ($what:literal) => {{
                let text = one()?;
                Some(Located {
                    value: word(text).ok_or_else(|| wrong($what))?,
                    span: located(text).span,
                })
            }};
        }
        let whole = |list: Vec<Located<String>>| {
            (!list.is_empty()).then(|| Located {
                value: list,
                span: expression.span.clone(),
            })
        };
        match key {
            "timing" => fields.timing = one_word!("`before`, `after` or `instead_of`"),
            "for_each" => fields.for_each = one_word!("`row` or `statement`"),
            "enabled" => {
                let state = one_word!("`origin`, `disabled`, `replica` or `always`");
                fields.enabled = state.map(Box::new);
            }
            "security" => {
                fields.security = one_word!("`invoker` or `definer`").map(Box::new);
            }
            "update_of" => fields.update_of = whole(list()?),
            "args" => fields.args = whole(list()?).map(Box::new),
            "search_path" => fields.search_path = whole(list()?).map(Box::new),
            "events" => {
                let mut events: Vec<Located<Event>> = vec![];
                for text in list()? {
                    events.push(Located {
                        value: word(&text.value).ok_or_else(|| wrong("a list of events"))?,
                        span: text.span,
                    });
                }
                if events.is_empty() {
                    return Err(wrong("at least one event: leave the trigger out with `if`"));
                }
                let span = expression.span.clone();
                fields.events = Some(Located {
                    value: events,
                    span,
                });
            }
            _ => return Err(wrong("something else: this key takes no expression")),
        }
        Ok(())
    }
}

/// Whether a field that may be an expression is there to the letter.
fn says(fields: &Fields, key: &str) -> bool {
    match key {
        "timing" => fields.timing.is_some(),
        "for_each" => fields.for_each.is_some(),
        "enabled" => fields.enabled.is_some(),
        "security" => fields.security.is_some(),
        "update_of" => fields.update_of.is_some(),
        "args" => fields.args.is_some(),
        "search_path" => fields.search_path.is_some(),
        "events" => fields.events.is_some(),
        _ => false,
    }
}

/// Take a field away that an expression is to give.
fn clear(fields: &mut Fields, key: &str) {
    match key {
        "timing" => fields.timing = None,
        "for_each" => fields.for_each = None,
        "enabled" => fields.enabled = None,
        "security" => fields.security = None,
        "update_of" => fields.update_of = None,
        "args" => fields.args = None,
        "search_path" => fields.search_path = None,
        "events" => fields.events = None,
        _ => {}
    }
}
