//! What the tests of all dialects start from: a spec as text, lowered for one dialect.

use std::io::Write as _;

use super::{Beside, Dialect, Lowered, Request, Server, Table, TableFacts, TableKind};
use crate::error::{Diagnostic, Error};
use crate::model::{Definition, TableId};
use crate::render::Renderer;
use crate::spec::{LoadOptions, Spec, TableSelector};

/// The spec of this text, after `version = 1`, which is on line 1.
pub(crate) fn spec(text: &str) -> Result<Spec, Error> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "version = 1\n{text}").unwrap();
    Spec::load(file.path(), &LoadOptions::default())
}

/// The spec of one trigger, with some of its lines replaced and others added.
pub(crate) fn changed(trigger: &str, changes: &str) -> String {
    let key = |line: &str| line.split_once(" = ").map(|(key, _)| key.to_owned());
    let mut lines: Vec<String> = trigger.trim_start().lines().map(str::to_owned).collect();
    let mut open = false;
    for change in changes.lines() {
        let known = lines
            .iter_mut()
            .find(|line| !open && key(line).is_some() && key(line) == key(change));
        let opens = change.matches("'''").count() == 1;
        match known {
            Some(line) if !opens => change.clone_into(line),
            Some(line) => {
                "# below".clone_into(line);
                lines.push(change.to_owned());
            }
            None => lines.push(change.to_owned()),
        }
        open ^= opens;
    }
    lines.join("\n") + "\n"
}

/// A table of this kind with these columns; those that begin with `=` are generated.
pub(crate) fn facts(kind: TableKind, columns: &[&str]) -> TableFacts {
    let bare = |column: &&str| column.trim_start_matches('=').to_owned();
    TableFacts {
        kind,
        columns: columns.iter().map(bare).collect(),
        generated: columns
            .iter()
            .filter(|column| column.starts_with('='))
            .map(bare)
            .collect(),
        unseen: vec![],
        is_child: false,
        types: columns.iter().map(|_| "text".to_owned()).collect(),
        primary_key: vec![],
        row_key: vec![],
        partition_of: vec![],
        partition_key: vec![],
    }
}

/// The objects of every trigger and function of the spec.
pub(crate) fn lower(
    dialect: &'static dyn Dialect,
    text: &str,
    facts: Option<TableFacts>,
) -> Result<Vec<Lowered>, Vec<Diagnostic>> {
    let renderer = Renderer::new(dialect, None).map_err(|error| error.diagnostics)?;
    lower_with(dialect, text, facts, &renderer)
}

pub(crate) fn lower_with(
    dialect: &'static dyn Dialect,
    text: &str,
    facts: Option<TableFacts>,
    renderer: &Renderer,
) -> Result<Vec<Lowered>, Vec<Diagnostic>> {
    let spec = spec(text).map_err(|error| error.diagnostics)?;
    let vars = minijinja::Value::from(minijinja::value::Serde(&spec.vars));
    let schema = dialect.default_schema();
    let mut objects = vec![];
    for function in &spec.functions {
        objects.extend(dialect.lower_function(function, schema, &vars, renderer)?);
    }
    for trigger in &spec.triggers {
        let Some(fields) = trigger.for_dialect(dialect.name()) else {
            continue;
        };
        let TableSelector::One(reference) = &trigger.tables else {
            panic!("these tests name one table");
        };
        let table = Table {
            id: TableId {
                schema: reference
                    .value
                    .schema
                    .clone()
                    .unwrap_or_else(|| schema.to_owned()),
                name: reference.value.name.clone(),
            },
            facts: facts.clone(),
        };
        let request = Request {
            pretend: false,
            kind: None,
            spec: trigger,
            fields: &fields,
            table: &table,
            vars: &vars,
            beside: &Beside::nothing(schema),
        };
        objects.extend(dialect.lower(&request, renderer)?);
    }
    Ok(objects)
}

/// The definitions of the spec; the test fails where there are problems.
pub(crate) fn definitions(dialect: &'static dyn Dialect, text: &str) -> Vec<Definition> {
    lower(dialect, text, None)
        .unwrap()
        .into_iter()
        .map(|lowered| lowered.definition)
        .collect()
}

/// Every problem, or else every doubt, as `line:column message` and, on lines of their own, `= help: …`.
pub(crate) fn problems(
    dialect: &'static dyn Dialect,
    text: &str,
    facts: Option<TableFacts>,
) -> String {
    let problems = match lower(dialect, text, facts) {
        Err(problems) => problems,
        Ok(objects) => objects
            .into_iter()
            .flat_map(|object| object.doubts)
            .collect(),
    };
    assert!(!problems.is_empty(), "there is no problem: {text}");
    show(&problems)
}

pub(crate) fn show(problems: &[Diagnostic]) -> String {
    let mut shown = String::new();
    for problem in problems {
        if let Some((span, _)) = &problem.place {
            let (line, column) = span.line_column();
            let text = &span.file.text[span.range.clone()];
            let text = text.lines().next().unwrap_or_default();
            shown += &format!("{line}:{column} `{text}`: ");
        }
        shown += &problem.message;
        shown.push('\n');
        for help in &problem.help {
            shown += &format!("  = help: {help}\n");
        }
    }
    shown
}

/// All statements that make these objects.
pub(crate) fn create_all(
    dialect: &'static dyn Dialect,
    definitions: &[Definition],
    server: Server,
) -> Vec<String> {
    let renderer = Renderer::new(dialect, None).unwrap();
    definitions
        .iter()
        .flat_map(|definition| {
            dialect
                .create(definition, &renderer, server)
                .unwrap()
                .statements
        })
        .collect()
}

/// A place for values that no spec has.
pub(crate) fn nowhere() -> crate::error::Span {
    let file = crate::error::SourceFile {
        name: "<test>".to_owned(),
        text: String::new(),
    };
    crate::error::Span {
        file: std::sync::Arc::new(file),
        range: 0..0,
    }
}
