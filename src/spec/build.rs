//! From checked tables to the types of the spec. Shapes are right already; what one key says of another is looked at
//! here.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as WordError, StrDeserializer};

use super::check;
use super::keys::DialectKeys;
use super::text::inner_span;
use super::value::{Record, Value};
use super::{
    Argument, ConstraintSpec, Demand, EnabledOn, Fields, FunctionSpec, OrderSpec, ReferencingSpec,
    RequireSpec, TableRef, TableSelector, TriggerSpec, UseSpec,
};
use crate::error::{Diagnostic, Located, Span};
use crate::model::Deferral;

/// The model's value for a word of the spec: both spell it alike, which a test proves.
pub(crate) fn word<T: DeserializeOwned>(word: &str) -> Option<T> {
    let deserializer: StrDeserializer<'_, WordError> = word.into_deserializer();
    T::deserialize(deserializer).ok()
}

/// Takes values out of a record.
pub(super) struct Builder<'a> {
    pub(super) problems: &'a mut Vec<Diagnostic>,
}

pub(super) fn text(value: Value) -> Option<Located<String>> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

pub(super) fn name(value: Value) -> Option<Located<TableRef>> {
    match value {
        Value::Name(name) => Some(name),
        _ => None,
    }
}

pub(super) fn flag(value: Value) -> Option<Located<bool>> {
    match value {
        Value::Bool(flag) => Some(flag),
        _ => None,
    }
}

/// A list that takes what its elements take; there are as many as triggers.
fn exactly<T>(elements: impl Iterator<Item = T>) -> Vec<T> {
    let mut list = Vec::with_capacity(elements.size_hint().0.max(1));
    list.extend(elements);
    list.shrink_to_fit();
    list
}

fn chosen<T: DeserializeOwned>(value: Value) -> Option<Located<T>> {
    let Value::Word(chosen) = value else {
        return None;
    };
    Some(Located {
        value: word(chosen.value)?,
        span: chosen.span,
    })
}

pub(super) fn list<T>(value: Value, element: fn(Value) -> Option<T>) -> Option<Located<Vec<T>>> {
    let Value::List(list) = value else {
        return None;
    };
    Some(Located {
        // Not collected in the place of the values, which are three times as large.
        value: exactly(list.value.into_iter().filter_map(element)),
        span: list.span,
    })
}

/// The entries of `with`, in file order.
fn arguments(record: &mut Record) -> Vec<Argument> {
    let Some(Value::Map(map)) = record.take("with") else {
        return vec![];
    };
    let mut with: Vec<Argument> = map
        .into_iter()
        .filter_map(|(key, value)| match value {
            Value::Tree(tree) => Some((key, tree)),
            _ => None,
        })
        .collect();
    with.sort_by_key(|(key, _)| key.span.range.start);
    with
}

/// `tables`, with what narrows it.
fn many(record: &mut Record) -> Option<TableSelector> {
    let exclude = record.take("exclude").and_then(|value| list(value, name));
    let having_columns = record
        .take("having_columns")
        .and_then(|value| list(value, text));
    let include = record.take("tables").and_then(|value| list(value, name))?;
    Some(TableSelector::Many {
        include: include.value,
        exclude: exclude.map(|exclude| exclude.value).unwrap_or_default(),
        having_columns: having_columns
            .map(|columns| columns.value)
            .unwrap_or_default(),
    })
}

fn enabled_on(value: Option<Value>) -> Option<Located<Vec<EnabledOn>>> {
    let Some(Value::Named(states)) = value else {
        return None;
    };
    let entry = |(partition, state): (Located<TableRef>, Value)| {
        let state = chosen(state)?;
        Some(EnabledOn { partition, state })
    };
    Some(Located {
        value: exactly(states.value.into_iter().filter_map(entry)),
        span: states.span,
    })
}

impl Builder<'_> {
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.problems.push(diagnostic);
    }

    /// Say that a key is missing, unless it is there with a wrong value.
    pub(super) fn missing(&mut self, record: &Record, key: &str, what: &str, example: &str) {
        if !record.has(key) {
            self.report(
                Diagnostic::new(format!("{what} has no `{key}`"))
                    .at(&record.span)
                    .help(format!("add one: `{example}`")),
            );
        }
    }

    /// One element of `forget`.
    pub(super) fn pattern(&mut self, text: Value) -> Option<Located<glob::Pattern>> {
        let Value::Text(text) = text else {
            return None;
        };
        match glob::Pattern::new(&text.value) {
            Ok(pattern) => Some(Located {
                value: pattern,
                span: text.span,
            }),
            Err(error) => {
                let problem = Diagnostic::new(format!("this is not a pattern: {error}"));
                self.report(problem.at(&text.span));
                None
            }
        }
    }

    /// One `[[trigger]]`; `None` when its name or table is not to be had.
    pub(super) fn trigger(
        &mut self,
        mut record: Record,
        dialects: &[DialectKeys],
    ) -> Option<TriggerSpec> {
        let mut broken = record.broken();
        let usage = self.usage(&mut record);
        if usage.is_none() && !record.has("use") {
            self.missing(&record, "name", "this trigger", "name = \"users_touch\"");
        }
        let tables = self.tables(&mut record);
        let fields = self.fields(&mut record);
        let mut headers = vec![];
        let mut usage = usage;
        let mut overrides = BTreeMap::new();
        for (dialect, mut inner) in std::mem::take(&mut record.overrides) {
            broken.extend(inner.broken());
            self.own_arguments(&dialect.value, &mut inner, usage.as_deref_mut());
            overrides.insert(dialect.value.clone(), Box::new(self.fields(&mut inner)));
            headers.push(dialect);
        }
        let name = record.take("name").and_then(text).or_else(|| {
            let usage = usage.as_ref().filter(|_| !record.has("name"))?;
            Some(Located {
                value: format!("{{{{ table }}}}_{}", usage.kind.value),
                span: usage.kind.span.clone(),
            })
        });
        let is_named = name.is_some() && tables.is_some();
        // What has no name is looked at all the same, so that everything wrong with it is said at once.
        let spec = TriggerSpec {
            name: name.unwrap_or_else(|| Located {
                value: String::new(),
                span: record.span.clone(),
            }),
            tables: tables.unwrap_or_else(|| TableSelector::Many {
                include: vec![],
                exclude: vec![],
                having_columns: vec![],
            }),
            dialects: record
                .take("dialects")
                .and_then(|value| list(value, text))
                .map(|dialects| dialects.value),
            fields,
            overrides,
            allow: self.allow(record.take("allow")),
            usage,
            span: record.span,
        };
        for header in headers.iter().filter(|header| !spec.is_for(&header.value)) {
            let dialect = &header.value;
            self.report(
                Diagnostic::new(format!(
                    "`[trigger.{dialect}]` is for a dialect that `dialects` leaves out"
                ))
                .at(&header.span)
                .help(format!(
                    "add \"{dialect}\" to `dialects`, or take `[trigger.{dialect}]` away"
                )),
            );
        }
        if spec.usage.is_some() {
            check::usage(&spec, self.problems);
        } else if !broken.contains(&"use") {
            check::trigger(&spec, dialects, &broken, self.problems);
        }
        is_named.then_some(spec)
    }

    /// `use`, and what belongs to it.
    fn usage(&mut self, record: &mut Record) -> Option<Box<UseSpec>> {
        if !record.has("use") {
            for key in ["with", "create_table"] {
                if let Some(at) = record.key_span(key) {
                    let diagnostic = Diagnostic::new(format!("`{key}` without `use`"))
                        .at(at)
                        .help("it is for a kind: `use = \"audit\"`; `triggerctl kinds` lists them");
                    self.report(diagnostic);
                }
            }
        }
        let with = arguments(record);
        let create_table = record.take("create_table").and_then(flag);
        Some(Box::new(UseSpec {
            kind: record.take("use").and_then(text)?,
            with,
            own: BTreeMap::new(),
            create_table: create_table.is_some_and(|flag| flag.value),
        }))
    }

    /// `with` in `[trigger.<dialect>]`.
    fn own_arguments(&mut self, dialect: &str, inner: &mut Record, usage: Option<&mut UseSpec>) {
        let at = inner.key_span("with").cloned();
        let own = arguments(inner);
        match (usage, at) {
            (Some(usage), _) => {
                usage.own.insert(dialect.to_owned(), own);
            }
            (None, Some(at)) => {
                let diagnostic = Diagnostic::new("`with` without `use`")
                    .at(&at)
                    .help("it is for a kind: `use = \"audit\"`; `triggerctl kinds` lists them");
                self.report(diagnostic);
            }
            (None, None) => {}
        }
    }

    fn tables(&mut self, record: &mut Record) -> Option<TableSelector> {
        if let (Some(one), Some(many)) = (record.key_span("table"), record.key_span("tables")) {
            let (first, second) = if one.range.start < many.range.start {
                (one, many)
            } else {
                (many, one)
            };
            let diagnostic = Diagnostic::new("this trigger has both `table` and `tables`")
                .at(second)
                .related(first, "first here")
                .help("keep one of them");
            self.report(diagnostic);
        }
        for key in ["exclude", "having_columns"] {
            if let Some(narrowed) = record.key_span(key)
                && !record.has("tables")
            {
                let diagnostic = Diagnostic::new(format!("`{key}` without `tables`"))
                    .at(narrowed)
                    .help("it takes tables away from the list in `tables`");
                self.report(diagnostic);
            }
        }
        if !record.has("tables") {
            self.missing(record, "table", "this trigger", "table = \"users\"");
        }
        let many = many(record);
        if many.is_some() {
            return many;
        }
        record.take("table").and_then(name).map(TableSelector::One)
    }

    /// One `[[require]]`; `None` when its tables or what they must have are not to be had.
    pub(super) fn require(&mut self, mut record: Record) -> Option<RequireSpec> {
        let what = "this rule";
        self.missing(&record, "tables", what, "tables = [\"app.*\"]");
        match (record.key_span("trigger"), record.key_span("use")) {
            (None, None) if !record.has("use") && !record.has("trigger") => {
                let diagnostic = Diagnostic::new("this rule says nothing that a table must have")
                    .at(&record.span)
                    .help("add `use = \"audit\"`, a kind, or `trigger = \"{{ table }}_audit\"`, a trigger's name");
                self.report(diagnostic);
            }
            (Some(one), Some(other)) => {
                let (first, second) = if one.range.start < other.range.start {
                    (one, other)
                } else {
                    (other, one)
                };
                let diagnostic = Diagnostic::new("this rule has both `trigger` and `use`")
                    .at(second)
                    .related(first, "first here")
                    .help("make two rules of it: one for the name, one for the kind");
                self.report(diagnostic);
            }
            _ => {}
        }
        let demand = match record.take("trigger").and_then(text) {
            Some(name) => Some(Demand::Trigger(name)),
            None => record.take("use").and_then(text).map(Demand::Kind),
        };
        Some(RequireSpec {
            name: record.take("name").and_then(text),
            tables: many(&mut record)?,
            dialects: record
                .take("dialects")
                .and_then(|value| list(value, text))
                .map(|dialects| dialects.value),
            demand: demand?,
            span: record.span,
        })
    }

    pub(super) fn fields(&mut self, record: &mut Record) -> Fields {
        Fields {
            timing: record.take("timing").and_then(chosen),
            events: record.take("events").and_then(|value| list(value, chosen)),
            update_of: record.take("update_of").and_then(|value| list(value, text)),
            for_each: record.take("for_each").and_then(chosen),
            when: record.take("when").and_then(text),
            body: record.take("body").and_then(text),
            description: record.take("description").and_then(text).map(Box::new),
            renamed_from: record.take("renamed_from").and_then(text).map(Box::new),
            bypass: self.bypass(record).map(Box::new),
            enabled: record.take("enabled").and_then(chosen).map(Box::new),
            constraint: self.constraint(record.take("constraint")).map(Box::new),
            referencing: self.referencing(record.take("referencing")).map(Box::new),
            function: record.take("function").and_then(name).map(Box::new),
            args: record
                .take("args")
                .and_then(|value| list(value, text))
                .map(Box::new),
            shared: record.take("shared").and_then(flag).map(Box::new),
            function_name: record.take("function_name").and_then(name).map(Box::new),
            declare: record.take("declare").and_then(text).map(Box::new),
            security: record.take("security").and_then(chosen).map(Box::new),
            search_path: self.search_path(record).map(Box::new),
            definer: record.take("definer").and_then(text).map(Box::new),
            enabled_on: enabled_on(record.take("enabled_on")).map(Box::new),
            depends_on_extensions: record
                .take("depends_on_extensions")
                .and_then(|value| list(value, text))
                .map(Box::new),
            order: self.order(record.take("order")).map(Box::new),
            sql_mode: record.take("sql_mode").and_then(text).map(Box::new),
            collation: record.take("collation").and_then(text).map(Box::new),
        }
    }

    /// `bypass`: a name that every engine can make its own kind of setting of.
    fn bypass(&mut self, record: &mut Record) -> Option<Located<String>> {
        let setting = record.take("bypass").and_then(text)?;
        let parts: Vec<&str> = setting.value.split('.').collect();
        let is_word = |part: &&str| {
            part.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
                && part
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        if parts.len() == 2 && parts.iter().all(is_word) {
            return Some(setting);
        }
        self.report(
            Diagnostic::new(format!(
                "`{}` is no name for a setting",
                super::unknown::short(&setting.value)
            ))
            .at(&setting.span)
            .help("write two words with a dot between them, such as `app.bypass`, of `a` to `z`, `0` to `9` and `_`"),
        );
        None
    }

    fn search_path(&mut self, record: &mut Record) -> Option<Located<Vec<Located<String>>>> {
        let mut path = record
            .take("search_path")
            .and_then(|value| list(value, text))?;
        for element in &mut path.value {
            // In SQL's double quotes it is one name, whatever is in it: so are paths that were given to SET as one text.
            if let Some(name) = in_double_quotes(&element.value) {
                element.value = name;
                continue;
            }
            // PostgreSQL takes `SET search_path = 'app, pg_temp'` for one schema of that name.
            if let Some(comma) = element.value.find(',') {
                let parts: Vec<String> = element
                    .value
                    .split(',')
                    .map(|part| format!("\"{}\"", part.trim()))
                    .collect();
                self.report(
                    Diagnostic::new(format!(
                        "`{}` is one element of `search_path`, so it would be one schema",
                        element.value
                    ))
                    .at(&inner_span(element, comma..comma + 1))
                    .help(format!(
                        "one schema an element: `search_path = [{}]`; a name with a comma in it has double quotes around it",
                        parts.join(", ")
                    )),
                );
            }
        }
        Some(path)
    }

    fn constraint(&mut self, value: Option<Value>) -> Option<Located<ConstraintSpec>> {
        let Some(Value::Record(mut record)) = value else {
            return None;
        };
        let deferrable = record.take("deferrable").and_then(flag);
        let initially = match record.take("initially") {
            Some(Value::Word(word)) => Some(word),
            _ => None,
        };
        let may_wait = deferrable.as_ref().is_some_and(|flag| flag.value);
        if let Some(word) = &initially
            && !may_wait
            && (deferrable.is_some() || !record.has("deferrable"))
        {
            self.report(
                Diagnostic::new("`initially` needs `deferrable = true`")
                    .at(&word.span)
                    .help("add it, or take `initially` away: a constraint trigger does not wait by itself"),
            );
        }
        let deferral = match initially.map(|word| word.value) {
            _ if !may_wait => Deferral::NotDeferrable,
            Some("deferred") => Deferral::InitiallyDeferred,
            _ => Deferral::InitiallyImmediate,
        };
        Some(Located {
            value: ConstraintSpec {
                deferral,
                from: record.take("from").and_then(name),
            },
            span: record.span,
        })
    }

    fn referencing(&mut self, value: Option<Value>) -> Option<Located<ReferencingSpec>> {
        let Some(Value::Record(mut record)) = value else {
            return None;
        };
        let names = ReferencingSpec {
            old_table: record.take("old_table").and_then(text),
            new_table: record.take("new_table").and_then(text),
        };
        if !record.has("old_table") && !record.has("new_table") {
            self.report(
                Diagnostic::new("`referencing` has neither `old_table` nor `new_table`")
                    .at(&record.span)
                    .help("name one, or leave `referencing` out"),
            );
        }
        if let (Some(old), Some(new)) = (&names.old_table, &names.new_table)
            && old.value == new.value
        {
            self.report(
                Diagnostic::new(format!(
                    "`old_table` and `new_table` are both named `{}`",
                    new.value
                ))
                .at(later(&old.span, &new.span))
                .help("give each a name of its own"),
            );
        }
        Some(Located {
            value: names,
            span: record.span,
        })
    }

    fn order(&mut self, value: Option<Value>) -> Option<Located<OrderSpec>> {
        let Some(Value::Record(mut record)) = value else {
            return None;
        };
        if record.has("follows") == record.has("precedes") {
            let number = if record.has("follows") {
                "both `follows` and `precedes`"
            } else {
                "neither `follows` nor `precedes`"
            };
            self.report(
                Diagnostic::new(format!("`order` has {number}"))
                    .at(&record.span)
                    .help("name the one trigger that it stands next to: `order = { follows = \"other\" }`"),
            );
            return None;
        }
        let follows = record.take("follows").and_then(text);
        let precedes = record.take("precedes").and_then(text);
        let order = match (follows, precedes) {
            (Some(other), _) => OrderSpec::Follows(other.value),
            (None, Some(other)) => OrderSpec::Precedes(other.value),
            (None, None) => return None,
        };
        Some(Located {
            value: order,
            span: record.span,
        })
    }

    /// One `[[function]]`; `None` when its name or body is not to be had.
    pub(super) fn function(&mut self, mut record: Record) -> Option<FunctionSpec> {
        let what = "this function";
        self.missing(&record, "name", what, "name = \"audit.log_change\"");
        self.missing(&record, "body", what, "body = \"BEGIN RETURN NEW; END\"");
        let search_path = self.search_path(&mut record);
        let settings = self.settings(record.take("settings"));
        Some(FunctionSpec {
            name: record.take("name").and_then(name)?,
            language: record.take("language").and_then(text),
            body: record.take("body").and_then(text)?,
            security: record.take("security").and_then(chosen),
            search_path,
            settings,
            volatility: record.take("volatility").and_then(chosen),
            parallel: record.take("parallel").and_then(chosen),
            leakproof: record.take("leakproof").and_then(flag),
            strict: record.take("strict").and_then(flag),
            cost: match record.take("cost") {
                Some(Value::Number(cost)) => Some(cost),
                _ => None,
            },
            description: record.take("description").and_then(text),
            allow: self.allow(record.take("allow")),
            depends_on_extensions: record
                .take("depends_on_extensions")
                .and_then(|value| list(value, text)),
            span: record.span,
        })
    }

    fn settings(&mut self, value: Option<Value>) -> Vec<(Located<String>, String)> {
        let Some(Value::Map(map)) = value else {
            return vec![];
        };
        let mut settings: Vec<(Located<String>, String)> = Vec::with_capacity(map.len());
        for (key, value) in map {
            let Some(value) = text(value) else { continue };
            if key.value.eq_ignore_ascii_case("search_path") {
                self.report(
                    Diagnostic::new("`search_path` is a key of its own, not one of `settings`")
                        .at(&key.span)
                        .help("write `search_path = [\"public\", \"pg_temp\"]` beside `settings`"),
                );
                continue;
            }
            // PostgreSQL does not tell `TimeZone` from `timezone`.
            if let Some((first, _)) = settings
                .iter()
                .find(|(other, _)| other.value.eq_ignore_ascii_case(&key.value))
            {
                let diagnostic = Diagnostic::new(format!("`{}` is set twice", key.value))
                    .at(&key.span)
                    .related(&first.span, "first here")
                    .help("the case of a setting's name means nothing: keep one");
                self.report(diagnostic);
                continue;
            }
            settings.push((key, value.value));
        }
        settings
    }
}

/// What a name in SQL's double quotes says; `None` where the text is none.
fn in_double_quotes(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let single = inner.replace("\"\"", "");
    (!single.contains('"')).then(|| inner.replace("\"\"", "\""))
}

fn later<'a>(one: &'a Span, other: &'a Span) -> &'a Span {
    if one.range.start > other.range.start {
        one
    } else {
        other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EnabledState, Event, Orientation, Parallel, Security, Timing, Volatility};
    use crate::spec::keys::{Shape, every_key};

    fn reads(key: &str, of: &str) -> bool {
        match key {
            "timing" => word::<Timing>(of).is_some(),
            "events" => word::<Event>(of).is_some(),
            "for_each" => word::<Orientation>(of).is_some(),
            "enabled" | "enabled_on" => word::<EnabledState>(of).is_some(),
            "security" => word::<Security>(of).is_some(),
            "volatility" => word::<Volatility>(of).is_some(),
            "parallel" => word::<Parallel>(of).is_some(),
            // Becomes a `Deferral` together with `deferrable`.
            "initially" => ["immediate", "deferred"].contains(&of),
            _ => false,
        }
    }

    #[test]
    fn every_word_of_the_key_table_is_one_of_the_models() {
        use crate::spec::Section;
        let of_a_kind = [Section::Parameter, Section::Needs];
        let mut count = 0;
        for key in every_key().filter(|key| {
            !key.sections
                .iter()
                .any(|section| of_a_kind.contains(section))
        }) {
            let words = match key.shape {
                Shape::Word(words) => words,
                Shape::List(Shape::Word(words)) | Shape::Named(Shape::Word(words)) => *words,
                _ => continue,
            };
            for of in words {
                assert!(reads(key.name, of), "{} = {of}", key.name);
                count += 1;
            }
        }
        assert_eq!(count, 27);
    }
}
