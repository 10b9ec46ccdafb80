//! What a use tells its kind: whether every value is of its parameter's type, and none is missing or unknown.

use std::collections::BTreeMap;

use super::{Kind, Parameter, Type};
use crate::error::{Diagnostic, Span};
use crate::spec::{Argument, Node, Tree, UseSpec, bare_expression, is_key_of_trigger};

/// The values of a kind's parameters, as they are written: what the use gives, else the default.
#[derive(Debug)]
pub struct Bound<'a> {
    values: BTreeMap<&'a str, Given<'a>>,
}

/// One value.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// As it is written.
    pub tree: &'a Tree,
    /// Whether it is the kind's default.
    pub is_default: bool,
}

impl<'a> Bound<'a> {
    /// The value of a parameter; `None` where it was left out and has no default.
    pub fn get(&self, parameter: &str) -> Option<Given<'a>> {
        self.values.get(parameter).copied()
    }

    /// Where this text is an element of a list that the use gave, or is such a value itself.
    pub fn place_of(&self, text: &str) -> Option<&'a Span> {
        let is_it = |tree: &Tree| matches!(&tree.node, Node::Text(value) if value == text);
        let given = self.values.values().filter(|given| !given.is_default);
        given
            .flat_map(|given| match &given.tree.node {
                Node::List(elements) => elements.as_slice(),
                _ => std::slice::from_ref(given.tree),
            })
            .find(|tree| is_it(tree))
            .map(|tree| &tree.span)
    }
}

impl Kind {
    /// What a use says in one dialect, checked as far as that can be done without a database.
    pub fn bind<'a>(
        &'a self,
        usage: &'a UseSpec,
        dialect: &str,
        problems: &mut Vec<Diagnostic>,
    ) -> Bound<'a> {
        let own = usage.own.get(dialect).map_or(&[][..], Vec::as_slice);
        let find = |name: &str| {
            let by_name = |list: &'a [Argument]| list.iter().find(|(key, _)| key.value == name);
            by_name(own).or_else(|| by_name(&usage.with))
        };
        for (key, _) in usage.with.iter().chain(own) {
            if self.parameter(&key.value).is_none() {
                problems.push(self.unknown(&key.value, &key.span));
            }
        }
        let mut values = BTreeMap::new();
        for parameter in &self.parameters {
            let name = parameter.name.value.as_str();
            let given = find(name);
            if let Some((_, tree)) = given {
                problems.extend(parameter.flaws(tree));
                let is_default = false;
                values.insert(name, Given { tree, is_default });
            } else if let Some(tree) = &parameter.default {
                let is_default = true;
                values.insert(name, Given { tree, is_default });
            } else if parameter.is_required() {
                problems.push(
                    Diagnostic::new(format!("the kind `{}` needs `{name}`", self.name))
                        .at(&usage.kind.span)
                        .note(format!("{name}: {}", parameter.doc))
                        .help(format!(
                            "add `with = {{ {name} = {} }}`",
                            parameter.sample()
                        )),
                );
            }
        }
        Bound { values }
    }

    fn unknown(&self, name: &str, at: &Span) -> Diagnostic {
        let names = || self.parameters.iter().map(|one| one.name.value.as_str());
        let near = names()
            .map(|known| (strsim::jaro_winkler(known, name), known))
            .filter(|(likeness, _)| *likeness > 0.8)
            .max_by(|(left, _), (right, _)| left.total_cmp(right));
        let message = format!("the kind `{}` has no parameter `{name}`", self.name);
        let help = match near {
            _ if is_key_of_trigger(name) => {
                format!("`{name}` is a key of the trigger: write it beside `with`")
            }
            Some((_, near)) => format!("did you mean `{near}`?"),
            None if self.parameters.is_empty() => "it takes none".to_owned(),
            None => {
                let all: Vec<String> = names().map(|name| format!("`{name}`")).collect();
                format!("it has {}", all.join(", "))
            }
        };
        Diagnostic::new(message).at(at).help(help)
    }
}

impl Parameter {
    /// What is wrong with a value for this parameter.
    pub(crate) fn flaws(&self, tree: &Tree) -> Vec<Diagnostic> {
        // An expression gives whatever it gives.
        if let Node::Text(text) = &tree.node
            && !self.kind.is_text()
            && bare_expression(text).is_some()
        {
            return vec![];
        }
        let mut flaws = vec![];
        let name = format!("`{}`", self.name.value);
        self.check(&name, self.kind, tree, &mut flaws);
        flaws
    }

    /// The same of a value that messages call `what`: the parameter, or a part of it.
    fn check(&self, what: &str, kind: Type, tree: &Tree, flaws: &mut Vec<Diagnostic>) {
        let name = &self.name.value;
        let mut wrong = |wanted: &str| {
            flaws.push(
                Diagnostic::new(format!("{what} must be {wanted}"))
                    .at(&tree.span)
                    .help(self.doc.clone()),
            );
        };
        match (kind, &tree.node) {
            (Type::Bool, Node::Bool(_)) | (Type::Integer, Node::Integer(_)) => {}
            (
                Type::Column | Type::Table | Type::Sql | Type::Text | Type::Name,
                Node::Text(text),
            ) => {
                if text.is_empty() && kind != Type::Text {
                    wrong(&format!("{}, and it is empty", kind.wanted()));
                }
            }
            (Type::Word, Node::Text(text)) => self.check_word(text, tree, flaws),
            (Type::Columns | Type::Texts | Type::Words, Node::List(elements)) => {
                let element = match kind {
                    Type::Columns => Type::Column,
                    Type::Words => Type::Word,
                    _ => Type::Text,
                };
                for (index, one) in elements.iter().enumerate() {
                    self.check(&format!("an element of `{name}`"), element, one, flaws);
                    let earlier = elements.iter().take(index);
                    if let Some(first) = earlier.into_iter().find(|other| other.node == one.node) {
                        flaws.push(
                            Diagnostic::new(format!("this is in `{name}` twice"))
                                .at(&one.span)
                                .related(&first.span, "first here")
                                .help("take one of them away"),
                        );
                    }
                }
            }
            (Type::Map, Node::Table(entries)) => {
                for (_, value) in entries {
                    self.check(&format!("a value in `{name}`"), self.values, value, flaws);
                }
            }
            (kind, _) => wrong(kind.wanted()),
        }
    }

    fn check_word(&self, text: &str, tree: &Tree, flaws: &mut Vec<Diagnostic>) {
        if self.words.iter().any(|word| word.value == text) {
            return;
        }
        let all: Vec<String> = self
            .words
            .iter()
            .map(|word| format!("\"{}\"", word.value))
            .collect();
        flaws.push(
            Diagnostic::new(format!("`{}` cannot be `{text}`", self.name.value))
                .at(&tree.span)
                .help(format!("it is one of {}", all.join(", "))),
        );
    }

    /// A value to show in its place.
    fn sample(&self) -> String {
        let word = self.words.first().map_or("…", |word| word.value.as_str());
        let of = |kind: Type| match kind {
            Type::Bool => "true".to_owned(),
            Type::Integer => "1".to_owned(),
            Type::Word => format!("\"{word}\""),
            Type::Words => format!("[\"{word}\"]"),
            Type::Columns | Type::Texts => "[\"…\"]".to_owned(),
            Type::Map => "{ … }".to_owned(),
            Type::Column | Type::Table | Type::Sql | Type::Text | Type::Name => "\"…\"".to_owned(),
        };
        match self.kind {
            Type::Map => format!("{{ … = {} }}", of(self.values)),
            kind => of(kind),
        }
    }
}

impl Type {
    /// Whether its value is a string that is a template itself.
    pub(super) fn is_text(self) -> bool {
        matches!(
            self,
            Self::Column | Self::Table | Self::Sql | Self::Text | Self::Name
        )
    }

    /// What a value of this type is, in messages.
    fn wanted(self) -> &'static str {
        match self {
            Self::Column => "the name of a column",
            Self::Columns => "a list of columns",
            Self::Table => "the name of a table",
            Self::Sql => "an SQL expression, as a string",
            Self::Text => "a string",
            Self::Texts => "a list of strings",
            Self::Name => "a name",
            Self::Bool => "true or false",
            Self::Integer => "an integer",
            Self::Word => "a word",
            Self::Words => "a list of words",
            Self::Map => "a table",
        }
    }
}
