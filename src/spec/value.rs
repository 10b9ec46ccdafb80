//! One TOML table against the table of keys: what comes out has only known keys, with values of the right shape.
//! Everything that is wrong is collected, and what is wrong is left out.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::keys::{self, Key, Section, Shape};
use super::source::type_of;
use super::text::{fill_in, inner_span};
use super::unknown;
use super::{LoadOptions, Node, TableRef, Tree};
use crate::error::{Diagnostic, Located, SourceFile, Span};

type Spanned<T> = toml::Spanned<T>;

/// A value of the right shape.
#[derive(Debug)]
pub(super) enum Value {
    /// [`Shape::Text`] and the other strings; scalars too.
    Text(Located<String>),
    /// [`Shape::Name`] and [`Shape::Pattern`].
    Name(Located<TableRef>),
    /// [`Shape::Word`].
    Word(Located<&'static str>),
    /// [`Shape::Bool`].
    Bool(Located<bool>),
    /// [`Shape::Positive`].
    Number(Located<f64>),
    /// [`Shape::List`] and [`Shape::Row`].
    List(Located<Vec<Value>>),
    /// [`Shape::Table`].
    Record(Record),
    /// [`Shape::Tables`].
    Records(Vec<Record>),
    /// [`Shape::Map`].
    Map(Vec<(Located<String>, Value)>),
    /// [`Shape::Named`].
    Named(Located<Vec<(Located<TableRef>, Value)>>),
    /// [`Shape::Any`].
    Any(Located<toml::Value>),
    /// [`Shape::Tree`].
    Tree(Tree),
    /// [`Shape::Sections`].
    Sections(Vec<(Located<String>, Record)>),
    /// In a kind: `{{ … }}` where a list, a word or a flag is wanted; what stands between the braces.
    Expression(Located<String>),
}

/// A table of the file whose keys are known.
#[derive(Debug)]
pub(super) struct Record {
    /// The header, or the whole of an inline table.
    pub(super) span: Span,
    /// What was read, each with the place of its key.
    values: Vec<(&'static str, Span, Value)>,
    /// Keys that are there, be their values right or wrong.
    present: Vec<&'static str>,
    /// `[trigger.<dialect>]`.
    pub(super) overrides: Vec<(Located<String>, Record)>,
}

impl Record {
    /// Whether the key is there, even with a wrong value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.present.contains(&key)
    }

    /// Keys that are there with a wrong value.
    pub(super) fn broken(&self) -> Vec<&'static str> {
        let has_value = |key: &str| self.values.iter().any(|(name, _, _)| *name == key);
        self.present
            .iter()
            .copied()
            .filter(|key| !has_value(key))
            .collect()
    }

    /// Where the key stands.
    pub(super) fn key_span(&self, key: &str) -> Option<&Span> {
        self.values
            .iter()
            .find(|(name, _, _)| *name == key)
            .map(|(_, span, _)| span)
    }

    /// The value of a key.
    pub(super) fn peek(&self, key: &str) -> Option<&Value> {
        self.values
            .iter()
            .find(|(name, _, _)| *name == key)
            .map(|(_, _, value)| value)
    }

    /// Take out what is an expression.
    pub(super) fn take_expressions(&mut self) -> Vec<(&'static str, Located<String>)> {
        let mut expressions = vec![];
        self.values.retain_mut(|(name, _, value)| {
            let Value::Expression(text) = value else {
                return true;
            };
            expressions.push((*name, text.clone()));
            false
        });
        expressions
    }

    /// Take the value of a key out.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        let index = self.values.iter().position(|(name, _, _)| *name == key)?;
        Some(self.values.swap_remove(index).2)
    }
}

/// Checks the tables of one file.
pub(super) struct Checker<'a> {
    /// The file.
    pub(super) file: &'a Arc<SourceFile>,
    /// Where in the file the document begins that is looked at.
    pub(super) offset: usize,
    /// What holds for this run.
    pub(super) options: &'a LoadOptions<'a>,
    /// What is wrong so far.
    pub(super) problems: &'a mut Vec<Diagnostic>,
    /// Whether `{{ … }}` may stand for a list, a word or a flag: in a kind's triggers.
    pub(super) expressions: bool,
}

/// Keys of a kind's trigger that an expression may stand for.
const EXPRESSIONS: &[&str] = &[
    "timing",
    "events",
    "update_of",
    "for_each",
    "args",
    "enabled",
    "security",
    "search_path",
];

/// What stands between the braces of a text that is `{{ … }}` and nothing else.
pub(crate) fn bare_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains("{{") && !inner.contains("}}")).then(|| inner.trim())
}

/// What `[….<dialect>]` below a table of this section is.
fn own_section(section: Section) -> Option<Section> {
    match section {
        Section::Trigger => Some(Section::Own),
        Section::Test => Some(Section::TestField),
        Section::KindTrigger => Some(Section::KindOwn),
        Section::KindTable => Some(Section::KindTableOwn),
        _ => None,
    }
}

/// Where in the file a table stands, for its unknown keys.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// Its section.
    pub(super) section: Section,
    /// The dialect of `[trigger.<dialect>]`.
    pub(super) dialect: Option<&'a str>,
}

impl Checker<'_> {
    pub(super) fn span(&self, range: Range<usize>) -> Span {
        let length = self.file.text.len();
        let end = (self.offset + range.end).min(length);
        Span {
            file: Arc::clone(self.file),
            range: (self.offset + range.start).min(end)..end,
        }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.problems.push(diagnostic);
    }

    /// Every key of `table`, checked.
    pub(super) fn record(
        &mut self,
        place: Place<'_>,
        table: &DeTable<'_>,
        range: Range<usize>,
    ) -> Record {
        let mut record = Record {
            span: self.span(range),
            values: Vec::with_capacity(table.len()),
            present: Vec::with_capacity(table.len()),
            overrides: vec![],
        };
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let key_span = self.span(key.span());
            if let Some(inner) = own_section(place.section)
                && let Some((dialect, _)) = self
                    .options
                    .dialects
                    .iter()
                    .find(|(dialect, _)| *dialect == name)
            {
                let place = Place {
                    section: inner,
                    dialect: Some(dialect),
                };
                self.dialect_table(place, key_span, value, &mut record);
                continue;
            }
            if let Some(key) = self.lookup(place, name) {
                record.present.push(key.name);
                if let Some(value) = self.value(key, key.shape, value) {
                    record.values.push((key.name, key_span, value));
                }
                continue;
            }
            let unknown = unknown::Unknown {
                place,
                name,
                is_table: value.get_ref().is_table() || value.get_ref().is_array(),
                dialects: self.options.dialects,
            };
            let (diagnostic, meant) = unknown.diagnostic(&key_span);
            record.present.extend(meant);
            self.report(diagnostic);
        }
        record
    }

    fn dialect_table(
        &mut self,
        place: Place<'_>,
        key_span: Span,
        value: &Spanned<DeValue<'_>>,
        record: &mut Record,
    ) {
        let dialect = place.dialect.unwrap_or_default();
        let DeValue::Table(table) = value.get_ref() else {
            let diagnostic = Diagnostic::new(format!(
                "`{dialect}` must be a table, not {}",
                type_of(value.get_ref())
            ))
            .at(&self.span(value.span()))
            .help(format!(
                "what is for one dialect only goes below a header `[{}.{dialect}]`",
                match place.section {
                    Section::TestField => "test",
                    Section::KindTableOwn => "table",
                    _ => "trigger",
                }
            ));
            self.report(diagnostic);
            return;
        };
        let inner = self.record(place, table, value.span());
        let name = Located {
            value: dialect.to_owned(),
            span: key_span,
        };
        record.overrides.push((name, inner));
    }

    /// The key of this name that may stand in this place.
    fn lookup(&self, place: Place<'_>, name: &str) -> Option<&'static Key> {
        keys::named(name)
            .iter()
            .find(|key| unknown::allowed(place, key, self.options.dialects))
            .copied()
    }

    /// One value, if it has the shape.
    #[allow(clippy::too_many_lines)] // One arm a shape.
    fn value(
        &mut self,
        key: &'static Key,
        shape: Shape,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Value> {
        let span = self.span(value.span());
        if self.expressions
            && EXPRESSIONS.contains(&key.name)
            && let DeValue::String(text) = value.get_ref()
            && let Some(inner) = bare_expression(text)
        {
            let inner = Located {
                value: inner.to_owned(),
                span,
            };
            return Some(Value::Expression(inner));
        }
        match (shape, value.get_ref()) {
            (Shape::Version, DeValue::Integer(integer)) => {
                if integer.to_string() == "1" {
                    return Some(Value::Number(Located { value: 1.0, span }));
                }
                self.report(
                    Diagnostic::new(format!("version {integer} of the spec is not known"))
                        .at(&span)
                        .help("this triggerctl reads `version = 1`"),
                );
                None
            }
            (Shape::Text, DeValue::String(text)) => self.text(key, text, span, true, true),
            (Shape::Free | Shape::Scalar, DeValue::String(text)) => {
                self.text(key, text, span, true, false)
            }
            (Shape::Late | Shape::TextOr(_), DeValue::String(text)) => {
                self.text(key, text, span, false, true)
            }
            (Shape::Sql, DeValue::String(text)) => {
                if text.trim().is_empty() {
                    self.report(empty(key, &span));
                    return None;
                }
                self.text(key, text, span, false, true)
            }
            (Shape::Name | Shape::Pattern, DeValue::String(text)) => {
                self.name(key, shape, text, span)
            }
            (Shape::Dialect, DeValue::String(text)) => self.dialect(text, span),
            (Shape::Word(words), DeValue::String(text)) => {
                if let Some(word) = words.iter().find(|word| *word == text) {
                    return Some(Value::Word(Located { value: word, span }));
                }
                self.report(unknown::word(key, text, words, &span));
                None
            }
            (Shape::Bool, DeValue::Boolean(value)) => Some(Value::Bool(Located {
                value: *value,
                span,
            })),
            (Shape::Positive, DeValue::Integer(_) | DeValue::Float(_)) => {
                let digits = match value.get_ref() {
                    DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
                    DeValue::Float(float) => float.as_str(),
                    _ => "",
                };
                let number = digits.replace('_', "").parse::<f64>().ok();
                match number {
                    Some(number) if number > 0.0 && number.is_finite() => {
                        Some(Value::Number(Located {
                            value: number,
                            span,
                        }))
                    }
                    _ => {
                        self.report(
                            Diagnostic::new(format!(
                                "`{}` must be a finite number above 0",
                                key.name
                            ))
                            .at(&span)
                            .help(format!("for example: `{}`", key.example)),
                        );
                        None
                    }
                }
            }
            (Shape::Scalar, DeValue::Boolean(_) | DeValue::Integer(_) | DeValue::Float(_)) => {
                let text = match value.get_ref() {
                    DeValue::Boolean(value) => if *value { "on" } else { "off" }.to_owned(),
                    DeValue::Integer(value) => value.to_string(),
                    DeValue::Float(value) => value.as_str().to_owned(),
                    _ => String::new(),
                };
                Some(Value::Text(Located { value: text, span }))
            }
            (Shape::List(shape), DeValue::Array(elements)) => {
                self.list(key, *shape, elements, span, true)
            }
            (Shape::Row(shape), DeValue::Array(elements)) => {
                self.list(key, *shape, elements, span, false)
            }
            (Shape::Many(shape), DeValue::Array(elements)) => {
                let list = elements
                    .iter()
                    .filter_map(|element| self.value(key, *shape, element))
                    .collect();
                Some(Value::List(Located { value: list, span }))
            }
            (Shape::OneOrMany(section), DeValue::Table(table)) => {
                let place = Place {
                    section,
                    dialect: None,
                };
                let record = self.record(place, table, value.span());
                Some(Value::Records(vec![record]))
            }
            (Shape::OneOrMany(_), DeValue::Array(elements)) if elements.is_empty() => {
                self.list(key, Shape::Any, &[], span, false)
            }
            (Shape::Table(section) | Shape::TextOr(section), DeValue::Table(table)) => {
                let place = Place {
                    section,
                    dialect: None,
                };
                Some(Value::Record(self.record(place, table, value.span())))
            }
            (Shape::Tables(section) | Shape::OneOrMany(section), DeValue::Array(elements)) => {
                Some(Value::Records(self.tables(key, section, elements)))
            }
            (Shape::Map(shape), DeValue::Table(table)) => {
                let mut map = Vec::with_capacity(table.len());
                for (name, value) in table {
                    let located = Located {
                        value: name.get_ref().clone().into_owned(),
                        span: self.span(name.span()),
                    };
                    if located.value.is_empty() {
                        self.report(
                            Diagnostic::new(format!("a key of `{}` is empty", key.name))
                                .at(&located.span)
                                .help("give it a name"),
                        );
                        continue;
                    }
                    if !no_nul(&located, self.problems) {
                        continue;
                    }
                    if let Some(value) = self.value(key, *shape, value) {
                        map.push((located, value));
                    }
                }
                Some(Value::Map(map))
            }
            (Shape::Tree, any) => self.tree(any, &span).map(Value::Tree),
            (Shape::Sections(section), DeValue::Table(table)) => {
                Some(Value::Sections(self.sections(key, section, table)))
            }
            (Shape::Named(shape), DeValue::Table(table)) => self.named(key, *shape, table, span),
            (Shape::Any, any) => {
                let any = self.any(any, &span)?;
                Some(Value::Any(Located { value: any, span }))
            }
            (shape, other) => {
                self.report(unknown::wrong_type(key, shape, other, &span));
                None
            }
        }
    }

    fn named(
        &mut self,
        key: &'static Key,
        shape: Shape,
        table: &DeTable<'_>,
        span: Span,
    ) -> Option<Value> {
        if table.is_empty() {
            self.report(empty(key, &span));
            return None;
        }
        let mut named: Vec<(Located<TableRef>, Value)> = Vec::with_capacity(table.len());
        for (name, value) in table {
            let at = self.span(name.span());
            let value = self.value(key, shape, value);
            let Some(Value::Name(name)) = self.name(key, Shape::Name, name.get_ref(), at) else {
                continue;
            };
            if let Some((first, _)) = named.iter().find(|(other, _)| other.value == name.value) {
                let diagnostic =
                    Diagnostic::new(format!("`{}` is there twice in `{}`", name.value, key.name))
                        .at(&name.span)
                        .related(&first.span, "first here")
                        .help("take one of them away");
                self.report(diagnostic);
                continue;
            }
            named.extend(value.map(|value| (name, value)));
        }
        Some(Value::Named(Located { value: named, span }))
    }

    fn tables(
        &mut self,
        key: &'static Key,
        section: Section,
        elements: &[Spanned<DeValue<'_>>],
    ) -> Vec<Record> {
        let mut records = Vec::with_capacity(elements.len());
        for element in elements {
            if let DeValue::Table(table) = element.get_ref() {
                let place = Place {
                    section,
                    dialect: None,
                };
                records.push(self.record(place, table, element.span()));
            } else {
                let span = self.span(element.span());
                let shape = match key.shape {
                    Shape::OneOrMany(_) => Shape::Table(section),
                    _ => Shape::Tables(section),
                };
                self.report(unknown::wrong_type(key, shape, element.get_ref(), &span));
            }
        }
        records
    }

    fn list(
        &mut self,
        key: &'static Key,
        shape: Shape,
        elements: &[Spanned<DeValue<'_>>],
        span: Span,
        distinct: bool,
    ) -> Option<Value> {
        if elements.is_empty() {
            self.report(
                Diagnostic::new(format!("`{}` is an empty list", key.name))
                    .at(&span)
                    .help(format!("leave the key out, or fill it: `{}`", key.example)),
            );
            return None;
        }
        let mut list = Vec::with_capacity(elements.len());
        let mut seen: HashMap<String, Span> = HashMap::new();
        for element in elements {
            let at = self.span(element.span());
            let Some(value) = self.value(key, shape, element) else {
                continue;
            };
            if distinct {
                let text = match &value {
                    Value::Text(text) => text.value.clone(),
                    Value::Name(name) => name.value.to_string(),
                    Value::Word(word) => word.value.to_owned(),
                    _ => String::new(),
                };
                if let Some(first) = seen.get(&text) {
                    let first = first.clone();
                    self.report(
                        Diagnostic::new(format!(
                            "`{}` is listed twice in `{}`",
                            unknown::short(&text),
                            key.name
                        ))
                        .at(&at)
                        .related(&first, "first here")
                        .help("take one of them away"),
                    );
                    continue;
                }
                seen.insert(text, at);
            }
            list.push(value);
        }
        Some(Value::List(Located { value: list, span }))
    }

    /// A string: no NUL, `${env:…}` filled in where `fill` says so, not empty where `some` says so.
    fn text(
        &mut self,
        key: &'static Key,
        text: &str,
        span: Span,
        fill: bool,
        some: bool,
    ) -> Option<Value> {
        let mut located = Located {
            value: text.to_owned(),
            span,
        };
        if !no_nul(&located, self.problems) {
            return None;
        }
        if fill && !resolve(&mut located, self.options, self.problems) {
            return None;
        }
        if some && located.value.is_empty() {
            self.report(empty(key, &located.span));
            return None;
        }
        Some(Value::Text(located))
    }

    fn name(&mut self, key: &'static Key, shape: Shape, text: &str, span: Span) -> Option<Value> {
        let Some(Value::Text(text)) = self.text(key, text, span, true, true) else {
            return None;
        };
        match TableRef::parse(&text.value) {
            Ok(name) if shape == Shape::Name && name.is_glob() => {
                let diagnostic = Diagnostic::new(format!(
                    "`{}` takes one name, and `{}` is a pattern",
                    key.name,
                    unknown::short(&text.value)
                ))
                .at(&text.span);
                self.report(if key.name == "table" {
                    diagnostic.help(format!("use `tables = [\"{}\"]`", text.value))
                } else {
                    diagnostic.help("a name with `*` or `?` in it goes in double quotes")
                });
                None
            }
            Ok(name) => Some(Value::Name(Located {
                value: name,
                span: text.span,
            })),
            Err(error) => {
                self.report(
                    Diagnostic::new(format!(
                        "the name `{}` {}",
                        unknown::short(&text.value),
                        error.message
                    ))
                    .at(&inner_span(&text, error.range))
                    .help(error.help),
                );
                None
            }
        }
    }

    fn dialect(&mut self, text: &str, span: Span) -> Option<Value> {
        let known = self.options.dialects;
        if known.iter().any(|(name, _)| *name == text) {
            return Some(Value::Text(Located {
                value: text.to_owned(),
                span,
            }));
        }
        self.report(unknown::dialect(text, known, &span));
        None
    }

    /// Tables under names of the user's choice.
    fn sections(
        &mut self,
        key: &'static Key,
        section: Section,
        table: &DeTable<'_>,
    ) -> Vec<(Located<String>, Record)> {
        let mut named = Vec::with_capacity(table.len());
        for (name, value) in table {
            let name = Located {
                value: name.get_ref().clone().into_owned(),
                span: self.span(name.span()),
            };
            let DeValue::Table(table) = value.get_ref() else {
                let diagnostic = Diagnostic::new(format!(
                    "`{}.{}` must be a table, not {}",
                    key.name,
                    unknown::short(&name.value),
                    type_of(value.get_ref())
                ))
                .at(&self.span(value.span()))
                .help(format!("for example: `{}`", key.example));
                self.report(diagnostic);
                continue;
            };
            let place = Place {
                section,
                dialect: None,
            };
            // The header of `[parameters.x]`, where its own span is that of the key.
            let record = self.record(place, table, value.span());
            named.push((name, record));
        }
        named.sort_by_key(|(name, _)| name.span.range.start);
        named
    }

    /// Any value, with the place of everything in it.
    fn tree(&mut self, value: &DeValue<'_>, span: &Span) -> Option<Tree> {
        let node = match value {
            DeValue::Array(elements) => Node::List(
                elements
                    .iter()
                    .filter_map(|element| {
                        let span = self.span(element.span());
                        self.tree(element.get_ref(), &span)
                    })
                    .collect(),
            ),
            DeValue::Table(table) => Node::Table(
                table
                    .iter()
                    .filter_map(|(key, value)| {
                        let key = Located {
                            value: key.get_ref().clone().into_owned(),
                            span: self.span(key.span()),
                        };
                        let span = self.span(value.span());
                        Some((key, self.tree(value.get_ref(), &span)?))
                    })
                    .collect(),
            ),
            DeValue::Boolean(flag) => Node::Bool(*flag),
            other => match self.any(other, span)? {
                toml::Value::String(text) => Node::Text(text),
                toml::Value::Integer(number) => Node::Integer(number),
                other => Node::Other(other),
            },
        };
        Some(Tree {
            span: span.clone(),
            node,
        })
    }

    /// A value of the user's own, `${env:…}` in it not yet filled in.
    fn any(&mut self, value: &DeValue<'_>, span: &Span) -> Option<toml::Value> {
        Some(match value {
            DeValue::String(text) => {
                let located = Located {
                    value: text.clone().into_owned(),
                    span: span.clone(),
                };
                if !no_nul(&located, self.problems) {
                    return None;
                }
                toml::Value::String(located.value)
            }
            DeValue::Integer(integer) => {
                let Ok(number) = i64::from_str_radix(integer.as_str(), integer.radix()) else {
                    self.report(
                        Diagnostic::new(format!("the integer {integer} is too large"))
                            .at(span)
                            .help("an integer has at most 64 bits; put it in quotes"),
                    );
                    return None;
                };
                toml::Value::Integer(number)
            }
            DeValue::Float(float) => {
                toml::Value::Float(float.as_str().replace('_', "").parse().ok()?)
            }
            DeValue::Boolean(value) => toml::Value::Boolean(*value),
            DeValue::Datetime(date) => toml::Value::Datetime(*date),
            DeValue::Array(elements) => toml::Value::Array(
                elements
                    .iter()
                    .filter_map(|element| {
                        let span = self.span(element.span());
                        self.any(element.get_ref(), &span)
                    })
                    .collect(),
            ),
            DeValue::Table(table) => toml::Value::Table(
                table
                    .iter()
                    .filter_map(|(key, value)| {
                        let span = self.span(value.span());
                        let value = self.any(value.get_ref(), &span)?;
                        Some((key.get_ref().clone().into_owned(), value))
                    })
                    .collect(),
            ),
        })
    }
}

fn empty(key: &Key, span: &Span) -> Diagnostic {
    Diagnostic::new(format!("`{}` is empty", key.name))
        .at(span)
        .help(format!("for example: `{}`", key.example))
}

/// Whether a string has no NUL, which no engine can hold in a name or text.
fn no_nul(text: &Located<String>, problems: &mut Vec<Diagnostic>) -> bool {
    let Some(at) = text.value.find('\0') else {
        return true;
    };
    problems.push(
        Diagnostic::new("a string must not have a NUL character in it")
            .at(&inner_span(text, at..at + 1))
            .help("no database can hold it: take `\\u0000` away"),
    );
    false
}

/// Fill in `${env:…}`; whether that went well.
pub(super) fn resolve(
    text: &mut Located<String>,
    options: &LoadOptions<'_>,
    problems: &mut Vec<Diagnostic>,
) -> bool {
    match fill_in(&text.value, options.variable) {
        Ok(None) => true,
        Ok(Some(filled)) => {
            text.value = filled;
            true
        }
        Err(errors) => {
            for error in errors {
                problems.push(
                    Diagnostic::new(error.message)
                        .at(&inner_span(text, error.range))
                        .help(error.help),
                );
            }
            false
        }
    }
}
