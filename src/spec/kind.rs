//! A `kind.toml`, read with the same strictness as a spec: every mistake in it has its file, line and column.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::build::Builder;
use super::keys::{DIALECTS, Section};
use super::value::{Checker, Place, Record, Value};
use super::{LoadOptions, Node, Tree, source, unknown};
use crate::error::{Diagnostic, Located, SourceFile, Span};
use crate::kinds::{
    Example, ExampleTable, KEPT_BY_OTHERS, Kind, KindFields, KindTable, KindTrigger, Needs,
    Parameter, Refusal, Type,
};

/// What templates see anyway: no parameter can have these names.
const TAKEN: &[&str] = &[
    "dialect",
    "table",
    "schema",
    "trigger",
    "event",
    "vars",
    "with",
    "types",
    "primary_key",
    "generated",
    "unseen",
    "partition_key",
    "table_columns",
    "row_key",
    "used_on",
    "use_when",
    KEPT_BY_OTHERS,
];

/// Read a kind's file; what is wrong with it goes to `problems`.
pub(crate) fn read(
    name: &str,
    file: &Arc<SourceFile>,
    readme: String,
    problems: &mut Vec<Diagnostic>,
) -> Option<Kind> {
    let before = problems.len();
    let table = match source::parse(file, &file.text) {
        Ok(table) => table,
        Err(errors) => {
            problems.extend(errors);
            return None;
        }
    };
    let options = LoadOptions::default();
    let mut checker = Checker {
        file,
        offset: 0,
        options: &options,
        problems,
        expressions: true,
    };
    let place = Place {
        section: Section::Kind,
        dialect: None,
    };
    let mut record = checker.record(place, &table, 0..0);
    drop(table);
    let mut reader = Reader { problems };
    let kind = reader.kind(name, file, readme, &mut record)?;
    reader.sound(&kind);
    (problems.len() == before).then_some(kind)
}

/// Takes a kind's values out of its record.
struct Reader<'a> {
    problems: &'a mut Vec<Diagnostic>,
}

fn text(record: &mut Record, key: &str) -> Option<Located<String>> {
    match record.take(key)? {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn texts(record: &mut Record, key: &str) -> Option<Vec<Located<String>>> {
    let Value::List(list) = record.take(key)? else {
        return None;
    };
    let texts = list.value.into_iter().filter_map(|value| match value {
        Value::Text(text) => Some(text),
        Value::Word(word) => Some(Located {
            value: word.value.to_owned(),
            span: word.span,
        }),
        _ => None,
    });
    Some(texts.collect())
}

fn word(record: &mut Record, key: &str) -> Option<&'static str> {
    match record.take(key)? {
        Value::Word(word) => Some(word.value),
        _ => None,
    }
}

fn flag(record: &mut Record, key: &str) -> bool {
    matches!(record.take(key), Some(Value::Bool(flag)) if flag.value)
}

fn records(record: &mut Record, key: &str) -> Vec<Record> {
    match record.take(key) {
        Some(Value::Records(records)) => records,
        _ => vec![],
    }
}

impl Reader<'_> {
    fn missing(&mut self, record: &Record, key: &str, what: &str, example: &str) {
        Builder {
            problems: self.problems,
        }
        .missing(record, key, what, example);
    }

    fn report(&mut self, message: impl Into<String>, at: &Span, help: impl Into<String>) {
        self.problems
            .push(Diagnostic::new(message).at(at).help(help));
    }

    fn kind(
        &mut self,
        name: &str,
        file: &Arc<SourceFile>,
        readme: String,
        record: &mut Record,
    ) -> Option<Kind> {
        let what = "this kind";
        self.missing(record, "description", what, "description = \"…\"");
        self.missing(record, "trigger", what, "[[trigger]]");
        self.missing(record, "example", what, "[example]");
        let parameters: Vec<Parameter> = match record.take("parameters") {
            Some(Value::Sections(named)) => named
                .into_iter()
                .filter_map(|(name, record)| self.parameter(name, record))
                .collect(),
            _ => vec![],
        };
        let needs = match record.take("needs") {
            Some(Value::Record(mut record)) => Needs {
                primary_key: text(&mut record, "primary_key"),
                tables: texts(&mut record, "tables"),
            },
            _ => Needs::default(),
        };
        let without = match record.take("without") {
            Some(Value::Map(map)) => self.without(map),
            _ => BTreeMap::new(),
        };
        let refusals = records(record, "refuse");
        let refusals: Vec<Refusal> = refusals
            .into_iter()
            .filter_map(|record| self.refusal(record))
            .collect();
        let triggers = records(record, "trigger");
        let triggers = triggers
            .into_iter()
            .map(|record| self.trigger(record))
            .collect();
        let tables = records(record, "table");
        let tables = tables
            .into_iter()
            .filter_map(|record| self.table(record))
            .collect();
        let example = match record.take("example") {
            Some(Value::Record(record)) => self.example(record),
            _ => None,
        };
        let fixture = match record.take("fixture") {
            Some(Value::Tree(tree)) => Some(tree),
            _ => None,
        };
        let tests = match record.take("test") {
            Some(Value::Tree(Tree {
                node: Node::List(tests),
                span: _,
            })) => tests,
            _ => vec![],
        };
        let asks = |parameter: &Parameter| match &parameter.default {
            Some(Tree {
                node: Node::Text(text),
                span: _,
            }) => text.contains(KEPT_BY_OTHERS),
            _ => false,
        };
        let asks_what_is_kept = parameters.iter().any(asks)
            || refusals
                .iter()
                .any(|refusal| refusal.condition.value.contains(KEPT_BY_OTHERS));
        Some(Kind {
            name: name.to_owned(),
            file: Arc::clone(file),
            description: text(record, "description")?,
            parameters,
            needs,
            without,
            refusals,
            triggers,
            tables,
            example: example?,
            allow: Builder {
                problems: self.problems,
            }
            .allow(record.take("allow")),
            fixture,
            tests,
            readme,
            asks_what_is_kept,
        })
    }

    fn parameter(&mut self, name: Located<String>, mut record: Record) -> Option<Parameter> {
        let what = format!("the parameter `{}`", unknown::short(&name.value));
        record.span = name.span.clone();
        self.missing(&record, "type", &what, "type = \"column\"");
        self.missing(&record, "doc", &what, "doc = \"…\"");
        let is_name = name
            .value
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && !name.value.starts_with(|c: char| c.is_ascii_digit());
        if !is_name {
            let help = "it is a variable of the kind's templates: small letters, digits and `_`";
            self.report(
                format!("`{}` cannot name a parameter", unknown::short(&name.value)),
                &name.span,
                help,
            );
        } else if TAKEN.contains(&name.value.as_str()) {
            self.report(
                format!("`{}` is a variable of all templates", name.value),
                &name.span,
                "choose another name for the parameter",
            );
        }
        let kind: Type = super::build::word(word(&mut record, "type")?)?;
        let words = texts(&mut record, "words");
        if matches!(kind, Type::Word | Type::Words) != words.is_some() {
            let (message, help) = if words.is_some() {
                (
                    "`words` is for the types `word` and `words`",
                    "take it away, or change the type",
                )
            } else {
                (
                    "a parameter of this type needs `words`",
                    "say which words it may be: `words = [\"row\", \"statement\"]`",
                )
            };
            self.report(message, &name.span, help);
        }
        let mut inner = |key: &str| {
            word(&mut record, key)
                .and_then(super::build::word)
                .unwrap_or(Type::Text)
        };
        let (keys, values) = (inner("keys"), inner("values"));
        Some(Parameter {
            kind,
            words: words.unwrap_or_default(),
            keys,
            values,
            of: text(&mut record, "of"),
            default: match record.take("default") {
                Some(Value::Tree(tree)) => Some(tree),
                _ => None,
            },
            optional: flag(&mut record, "optional"),
            kept: flag(&mut record, "kept"),
            doc: text(&mut record, "doc")?.value,
            name,
        })
    }

    fn without(&mut self, map: Vec<(Located<String>, Value)>) -> BTreeMap<String, Located<String>> {
        let mut without = BTreeMap::new();
        for (dialect, reason) in map {
            if !DIALECTS.iter().any(|(name, _)| *name == dialect.value) {
                let diagnostic = unknown::dialect(&dialect.value, DIALECTS, &dialect.span);
                self.problems.push(diagnostic);
            } else if let Value::Text(reason) = reason {
                without.insert(dialect.value, reason);
            }
        }
        without
    }

    fn refusal(&mut self, mut record: Record) -> Option<Refusal> {
        let what = "this `[[refuse]]`";
        self.missing(&record, "if", what, "if = \"columns and except\"");
        self.missing(&record, "message", what, "message = \"…\"");
        self.missing(&record, "help", what, "help = \"…\"");
        let refusal = Refusal {
            parameter: text(&mut record, "parameter"),
            message: text(&mut record, "message")?,
            help: text(&mut record, "help")?,
            condition: text(&mut record, "if")?,
        };
        Some(refusal)
    }

    fn trigger(&mut self, mut record: Record) -> KindTrigger {
        let overrides = std::mem::take(&mut record.overrides);
        KindTrigger {
            span: record.span.clone(),
            suffix: text(&mut record, "suffix"),
            on: text(&mut record, "on"),
            condition: text(&mut record, "if"),
            dialects: texts(&mut record, "dialects"),
            base: self.fields(&mut record),
            own: overrides
                .into_iter()
                .map(|(dialect, mut record)| (dialect.value, self.fields(&mut record)))
                .collect(),
        }
    }

    fn fields(&mut self, record: &mut Record) -> KindFields {
        let expressions = record.take_expressions();
        KindFields {
            fields: Builder {
                problems: self.problems,
            }
            .fields(record),
            expressions,
        }
    }

    fn table(&mut self, mut record: Record) -> Option<KindTable> {
        let what = "this `[[table]]`";
        self.missing(&record, "parameter", what, "parameter = \"target\"");
        self.missing(&record, "doc", what, "doc = \"…\"");
        self.missing(&record, "columns", what, "columns = [\"operation\"]");
        let own = std::mem::take(&mut record.overrides);
        let mut fills = BTreeMap::new();
        let mut creates = BTreeMap::new();
        for (dialect, mut record) in own {
            if let Some(fill) = text(&mut record, "fill") {
                if dialect.value == "mysql" {
                    let help = "let the users of the kind run it, and say so in its README.md";
                    let message = "MySQL cannot create a table and fill it in one transaction";
                    self.report(message, &fill.span, help);
                }
                fills.insert(dialect.value.clone(), fill);
            }
            if let Some(create) = text(&mut record, "create") {
                creates.insert(dialect.value, create);
            }
        }
        Some(KindTable {
            span: record.span.clone(),
            dialects: texts(&mut record, "dialects"),
            parameter: text(&mut record, "parameter")?,
            doc: text(&mut record, "doc")?.value,
            columns: texts(&mut record, "columns")?,
            of_one: flag(&mut record, "of_one"),
            create: text(&mut record, "create"),
            own: creates,
            fills,
        })
    }

    fn example(&mut self, mut record: Record) -> Option<Example> {
        self.missing(&record, "table", "this example", "[[example.table]]");
        let with = match record.take("with") {
            Some(Value::Map(map)) => map
                .into_iter()
                .filter_map(|(key, value)| match value {
                    Value::Tree(tree) => Some((key, tree)),
                    _ => None,
                })
                .collect(),
            _ => vec![],
        };
        let mut tables = vec![];
        for mut record in records(&mut record, "table") {
            self.missing(&record, "name", "this table", "name = \"users\"");
            self.missing(
                &record,
                "columns",
                "this table",
                "columns = { id = \"integer\" }",
            );
            let Some(Value::Map(mut columns)) = record.take("columns") else {
                continue;
            };
            columns.sort_by_key(|(name, _)| name.span.range.start);
            tables.push(ExampleTable {
                name: text(&mut record, "name")?.value,
                is_view: flag(&mut record, "view"),
                columns: columns
                    .into_iter()
                    .filter_map(|(name, value)| match value {
                        Value::Text(kind) => Some((name.value, kind.value)),
                        _ => None,
                    })
                    .collect(),
                primary_key: texts(&mut record, "primary_key")
                    .unwrap_or_default()
                    .into_iter()
                    .map(|column| column.value)
                    .collect(),
            });
        }
        if tables.is_empty() {
            return None;
        }
        Some(Example {
            with,
            tables,
            span: record.span,
        })
    }

    /// What the parts of a kind must be to each other.
    fn sound(&mut self, kind: &Kind) {
        let names = || kind.parameters.iter().map(|one| one.name.value.as_str());
        let mut unknown_parameter = |named: &Located<String>, tables_only: bool| {
            let known = kind.parameter(&named.value);
            let fits = known.is_some_and(|one| !tables_only || one.kind == Type::Table);
            if fits {
                return;
            }
            let message = match known {
                Some(_) => format!("the parameter `{}` is no table", named.value),
                None => format!("there is no parameter `{}`", unknown::short(&named.value)),
            };
            let known: Vec<String> = names().map(|name| format!("`{name}`")).collect();
            self.problems.push(
                Diagnostic::new(message)
                    .at(&named.span)
                    .help(format!("the parameters are {}", known.join(", "))),
            );
        };
        for refusal in &kind.refusals {
            if let Some(parameter) = &refusal.parameter {
                unknown_parameter(parameter, false);
            }
        }
        for table in &kind.tables {
            unknown_parameter(&table.parameter, true);
        }
        for on in kind.triggers.iter().filter_map(|one| one.on.as_ref()) {
            unknown_parameter(on, true);
        }
        for parameter in &kind.parameters {
            if let Some(of) = &parameter.of {
                unknown_parameter(of, true);
            }
        }
        let mut flaws = vec![];
        for parameter in &kind.parameters {
            if let Some(default) = &parameter.default {
                flaws.extend(parameter.flaws(default));
            }
        }
        self.problems.extend(flaws);
    }
}
