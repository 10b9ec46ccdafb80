//! What the parameters of a kind are on one table: defaults that are expressions worked out, tables and columns looked up.

use std::collections::HashMap;

use minijinja::Value;

use super::{Looked, Site, Use, blamed};
use crate::dialect::{Note, OfTable, Table, TableFacts, scope};
use crate::error::{Diagnostic, Error, Located, Span};
use crate::kinds::parameters::Given;
use crate::kinds::{KEPT_BY_OTHERS, Parameter, Type};
use crate::model::TableId;
use crate::render::{is_template, map};
use crate::spec::{Node, TableRef, Tree, bare_expression};

/// The parameters' values, worked out in their order: a default may use those before it.
pub(super) struct Values<'a> {
    used: &'a Use<'a>,
    table: &'a Table,
    site: &'a Site<'a>,
    looked: &'a Looked,
    pub(super) done: Vec<(String, Value)>,
    /// The tables that were named.
    pub(super) references: Vec<TableRef>,
    /// Which table a parameter names.
    pub(super) named: HashMap<&'a str, Table>,
    /// Whether tables and columns must be there.
    pub(super) check: bool,
    /// Notes that the columns are looked at.
    pub(super) note: Note,
    /// Whether a value was told from them.
    pub(super) follows: bool,
    /// The parameters whose value was told from columns that are made up.
    pub(super) made_up: Vec<String>,
    pub(super) problems: Vec<Diagnostic>,
}

impl<'a> Values<'a> {
    pub(super) fn new(
        used: &'a Use<'a>,
        table: &'a Table,
        site: &'a Site<'a>,
        looked: &'a Looked,
    ) -> Self {
        Self {
            used,
            table,
            site,
            looked,
            done: vec![],
            references: vec![],
            named: HashMap::new(),
            check: false,
            note: Note::default(),
            follows: false,
            made_up: vec![],
            problems: vec![],
        }
    }

    pub(super) fn fill(&mut self) {
        if self.used.kind.asks_what_is_kept {
            let kept = Value::from(self.used.kept_by_others.clone());
            self.done.push((KEPT_BY_OTHERS.to_owned(), kept));
        }
        for parameter in &self.used.kind.parameters {
            let name = parameter.name.value.clone();
            let value = match self.used.bound.get(&name) {
                None => Value::from(()),
                Some(given) => match self.value(parameter, given) {
                    Ok(value) => value,
                    Err(error) => {
                        let found = self.used.blamed(error);
                        self.problems.extend(found);
                        continue;
                    }
                },
            };
            if self.note.take() {
                self.follows = true;
                if self.site.pretend {
                    self.made_up.push(name.clone());
                }
            }
            self.done.push((name, value));
        }
    }

    /// The condition of the use for templates, as `use_when`: none where there is none, or where it depends on the event.
    pub(super) fn use_when(&mut self) -> Option<String> {
        let when = self.used.fields.when.as_ref();
        let text = when.and_then(|when| {
            if is_template(&when.value) {
                let renderer = self.site.renderer;
                renderer.inline_value(when, self.scope()).ok()
            } else {
                Some(when.value.clone())
            }
        });
        let value = text.as_deref().map_or(Value::from(()), Value::from);
        self.done.push(("use_when".to_owned(), value));
        text
    }

    fn scope(&self) -> Value {
        let values = self.done.iter();
        let with = map(values.map(|(name, value)| (name.as_str(), value.clone())));
        scope(&self.site.of(self.table), Some(&with), &self.note)
    }

    fn value(&mut self, parameter: &'a Parameter, given: Given<'_>) -> Result<Value, Error> {
        let tree = given.tree;
        if let Node::Text(text) = &tree.node
            && !parameter.kind.is_text()
            && let Some(inner) = bare_expression(text)
        {
            let inner = Located {
                value: inner.to_owned(),
                span: tree.span.clone(),
            };
            return self.site.renderer.evaluate(&inner, self.scope());
        }
        self.typed(parameter, parameter.kind, tree)
    }

    fn typed(&mut self, parameter: &'a Parameter, kind: Type, tree: &Tree) -> Result<Value, Error> {
        Ok(match (&tree.node, kind) {
            (Node::Text(text), _) => {
                let mut text = Located {
                    value: text.clone(),
                    span: tree.span.clone(),
                };
                if is_template(&text.value) {
                    if kind == Type::Table && is_odd(self.table) {
                        return self.told_apart(parameter, text);
                    }
                    text.value = match kind {
                        Type::Sql => self.site.renderer.inline_value(&text, self.scope())?,
                        _ => self.site.renderer.name(&text, self.scope())?,
                    };
                }
                match kind {
                    Type::Table => self.table(parameter, &text.span, reference(&text)?)?,
                    Type::Column | Type::Columns => {
                        Value::from(self.column(parameter, parameter.of.as_ref(), &text))
                    }
                    _ => Value::from(text.value),
                }
            }
            (Node::Bool(flag), _) => Value::from(*flag),
            (Node::Integer(number), _) => Value::from(*number),
            (Node::Other(other), _) => Value::from(minijinja::value::Serde(other)),
            (Node::List(elements), _) => {
                let mut list = Vec::with_capacity(elements.len());
                for element in elements {
                    list.push(self.typed(parameter, kind, element)?);
                }
                Value::from(list)
            }
            (Node::Table(entries), _) => {
                let mut pairs = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let key = match parameter.keys {
                        Type::Column => self.column(parameter, None, key),
                        _ => key.value.clone(),
                    };
                    let value = self.typed(parameter, parameter.values, value)?;
                    pairs.push((key, value));
                }
                map(pairs)
            }
        })
    }

    /// A column, as the catalog spells it where it is known.
    fn column(
        &mut self,
        parameter: &Parameter,
        of: Option<&Located<String>>,
        text: &Located<String>,
    ) -> String {
        let table = match of {
            Some(of) => self.named.get(of.value.as_str()),
            None => Some(self.table),
        };
        let Some((table, facts)) = table.and_then(|table| Some((table, table.facts.as_ref()?)))
        else {
            return text.value.clone();
        };
        let dialect = self.site.dialect;
        let same = |column: &&String| dialect.same_name(column, &text.value);
        if let Some(column) = facts.columns.iter().find(same) {
            return column.clone();
        }
        if self.check {
            let mut problem = missing_column(&table.id, facts, text);
            let used = &self.used.usage.kind.span;
            let name = &parameter.name.value;
            let given = self.used.bound.get(name);
            if given.is_some_and(|given| given.is_default) {
                // The place of the default helps nobody: it is for the use to say another.
                problem.place = None;
                let label = format!("its `{name}` is `{}` by default", text.value);
                let way = format!("name the column: `with = {{ {name} = \"…\" }}`, or create it");
                problem = problem.labelled(used, label).help(way);
            }
            self.problems.extend(blamed(vec![problem], used));
        }
        text.value.clone()
    }

    /// A table by a template, on a table whose own name holds what would take a name apart: a dot of `{{ table }}` is one of
    /// the name, and not what stands between schema and name.
    fn told_apart(
        &mut self,
        parameter: &'a Parameter,
        mut text: Located<String>,
    ) -> Result<Value, Error> {
        let mut table = self.table.clone();
        table.id.name = hidden(&table.id.name);
        table.id.schema = hidden(&table.id.schema);
        let of = OfTable {
            table: &table,
            ..self.site.of(self.table)
        };
        let values = self.done.iter();
        let with = map(values.map(|(name, value)| (name.as_str(), value.clone())));
        let scope = scope(&of, Some(&with), &self.note);
        text.value = self.site.renderer.name(&text, scope)?;
        let reference = reference(&text).map(|found| TableRef {
            schema: found.schema.as_deref().map(shown),
            name: shown(&found.name),
            ..found
        })?;
        self.table(parameter, &text.span, reference)
    }

    /// A table, with what is known of it.
    fn table(
        &mut self,
        parameter: &'a Parameter,
        at: &Span,
        reference: TableRef,
    ) -> Result<Value, Error> {
        let name = &parameter.name.value;
        if reference.is_glob() {
            return Err(Diagnostic::new(format!(
                "`{name}` takes one table, and `{reference}` is a pattern"
            ))
            .at(at)
            .help("name the table")
            .into());
        }
        let is_found = matches!(self.looked.get(&reference), Some(Some(_)));
        let is_made = self
            .used
            .kind
            .tables
            .iter()
            .any(|table| table.parameter.value == *name);
        if self.check && !is_found && !is_made && self.looked.contains_key(&reference) {
            return Err(Diagnostic::new(format!(
                "there is no table or view `{reference}` in the database"
            ))
            .labelled(at, "not in the database")
            .help("create the table first, or correct its name here")
            .into());
        }
        let table = looked_up(&reference, self.site, self.looked);
        self.references.push(reference);
        let mut value = described(&table);
        if table.facts.is_none() && self.site.pretend {
            let known = TableFacts::pretended_values().into_iter();
            let known = known.map(|(name, value)| (name, self.note.on(value)));
            let names = ["schema", "name"]
                .into_iter()
                .filter_map(|name| Some((name, value.get_attr(name).ok()?)));
            value = map(names.chain(known).collect::<Vec<_>>());
        }
        self.named.insert(name, table);
        Ok(value)
    }
}

/// What a name in a spec is taken apart by, each with what stands for it meanwhile: characters that no text has (Unicode keeps
/// them for what is internal to a program).
const APART: [(char, char); 5] = [
    ('.', '\u{FDD0}'),
    ('"', '\u{FDD1}'),
    ('*', '\u{FDD2}'),
    ('?', '\u{FDD3}'),
    (' ', '\u{FDD4}'),
];

/// Whether the name of the table, or of its schema, is one that a template must not put into a name as it is.
fn is_odd(table: &Table) -> bool {
    let TableId { schema, name } = &table.id;
    let apart = |c| APART.iter().any(|(of, _)| *of == c);
    name.contains(apart) || schema.contains(apart)
}

fn hidden(name: &str) -> String {
    let of = |c| APART.iter().find(|(of, _)| *of == c);
    name.chars()
        .map(|c| of(c).map_or(c, |pair| pair.1))
        .collect()
}

fn shown(name: &str) -> String {
    let by = |c| APART.iter().find(|(_, by)| *by == c);
    name.chars()
        .map(|c| by(c).map_or(c, |pair| pair.0))
        .collect()
}

fn reference(text: &Located<String>) -> Result<TableRef, Error> {
    TableRef::parse(&text.value).map_err(|error| {
        Diagnostic::new(format!(
            "the name `{}` {}",
            shown(&text.value),
            error.message
        ))
        .at(&text.span)
        .help(error.help)
        .into()
    })
}

/// The table that a name stands for, with what is known of it.
pub(super) fn looked_up(reference: &TableRef, site: &Site<'_>, looked: &Looked) -> Table {
    let found = looked.get(reference).cloned().flatten();
    found.unwrap_or_else(|| Table {
        id: TableId {
            schema: reference
                .schema
                .clone()
                .unwrap_or_else(|| site.schema.to_owned()),
            name: reference.name.clone(),
        },
        facts: None,
    })
}

/// A table for templates: `ident` takes it as a name.
pub(super) fn described(table: &Table) -> Value {
    let mut pairs: Vec<(&str, Value)> = vec![
        ("schema", Value::from(table.id.schema.as_str())),
        ("name", Value::from(table.id.name.as_str())),
    ];
    if let Some(facts) = &table.facts {
        pairs.extend(facts.values());
    }
    map(pairs)
}

fn missing_column(table: &TableId, facts: &TableFacts, text: &Located<String>) -> Diagnostic {
    let help = facts.meant(&text.value);
    Diagnostic::new(format!("`{}` has no column `{}`", table.name, text.value))
        .at(&text.span)
        .help(help)
}
