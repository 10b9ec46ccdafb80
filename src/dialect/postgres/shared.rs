//! Functions of the spec: `[[function]]`, and what they share with the generated ones.

use std::collections::BTreeSet;

use minijinja::Value;

use super::Postgres;
use super::names::LONGEST;
use crate::dialect::request::{Scope, place};
use crate::dialect::{Dialect, Lowered, inspect, no_schema};
use crate::error::{Diagnostic, Located};
use crate::model::{
    Definition, Function, FunctionId, FunctionSource, Parallel, Security, Seldom, Setting,
    Volatility,
};
use crate::render::Renderer;
use crate::spec::FunctionSpec;
use crate::sql::{POSTGRES, tokens};

/// `procost` of a function in any language but C and internal, unless it is said otherwise.
const DEFAULT_COST: f32 = 100.0;

/// Parameters whose value is a list of names, each of which may need quotes (GUC_LIST_QUOTE in `guc_tables.c`).
const NAME_LISTS: &[&str] = &[
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// Parameters that the server spells with capitals; all others of its own are in lower case.
const CAPITALISED: &[&str] = &["DateStyle", "IntervalStyle", "TimeZone"];

/// A function with nothing said about it but its text.
pub(super) fn plain(id: FunctionId, language: &str, body: String) -> Function {
    Function {
        id,
        language: language.to_owned(),
        source: FunctionSource::Body(body),
        security: Security::Invoker,
        settings: Seldom::default(),
        volatility: Volatility::Volatile,
        parallel: Parallel::Unsafe,
        leakproof: false,
        strict: false,
        clauses: Seldom::default(),
        cost: DEFAULT_COST,
        comment: None,
        owner: None,
        grants: None,
        depends_on_extensions: Seldom::default(),
        seen: None,
    }
}

/// `search_path = […]` as a setting.
pub(super) fn search_path(path: &Located<Vec<Located<String>>>) -> Setting {
    Setting {
        name: "search_path".to_owned(),
        values: path
            .value
            .iter()
            .map(|schema| schema.value.clone())
            .collect(),
    }
}

/// A `[[function]]`.
pub(super) fn lower(
    spec: &FunctionSpec,
    schema: &str,
    vars: &Value,
    renderer: &Renderer,
) -> Result<Lowered, Vec<Diagnostic>> {
    let FunctionSpec {
        span: _,
        name,
        language,
        body,
        security,
        search_path: path,
        settings,
        volatility,
        parallel,
        leakproof,
        strict,
        cost,
        description,
        allow: _,
        depends_on_extensions,
    } = spec;
    let mut problems = vec![];
    let id = FunctionId {
        schema: name
            .value
            .schema
            .clone()
            .unwrap_or_else(|| schema.to_owned()),
        name: name.value.name.clone(),
    };
    check_name("function", &id.name, name, &mut problems);
    check_schema(&id, name, &mut problems);
    let language = language.as_ref().map_or_else(
        || "plpgsql".to_owned(),
        |language| check_language(language, &mut problems),
    );
    let text = body_text(body, &id, &language, vars, renderer, &mut problems);

    let mut set: Vec<Setting> = vec![];
    set.extend(path.as_ref().map(search_path));
    for (key, value) in settings {
        set.push(setting(&key.value, value));
    }
    set.sort_by(|left, right| left.name.cmp(&right.name));
    let stored = cost.as_ref().map(|cost| as_stored(cost.value));
    if let (Some(cost), Some(stored)) = (cost, stored)
        && !(stored > 0.0 && stored.is_finite())
    {
        problems.push(
            Diagnostic::new("the cost is out of range")
                .at(&cost.span)
                .help("PostgreSQL keeps it as a `real` above 0; the default is `cost = 100`"),
        );
    }
    let Some(text) = text else {
        return Err(problems);
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut function = plain(id, &language, text);
    function.settings = set.into();
    function.comment = comment_text(description.as_ref());
    function.depends_on_extensions = extensions(depends_on_extensions.as_ref()).into();
    if let Some(security) = security {
        function.security = security.value;
    }
    if let Some(volatility) = volatility {
        function.volatility = volatility.value;
    }
    if let Some(parallel) = parallel {
        function.parallel = parallel.value;
    }
    if let Some(leakproof) = leakproof {
        function.leakproof = leakproof.value;
    }
    if let Some(strict) = strict {
        function.strict = strict.value;
    }
    if let Some(stored) = stored {
        function.cost = stored;
    }
    Ok(Lowered {
        definition: Definition::from(function),
        renamed_from: None,
        generated: false,
        doubts: vec![],
    })
}

/// `procost` is a float4.
#[allow(clippy::cast_possible_truncation)] // That is how the server keeps it.
fn as_stored(cost: f64) -> f32 {
    cost as f32
}

/// An empty comment is none: `COMMENT … IS ''` removes it.
pub(super) fn comment_text(description: Option<&Located<String>>) -> Option<String> {
    description
        .map(|description| description.value.clone())
        .filter(|text| !text.is_empty())
}

/// `depends_on_extensions`.
pub(super) fn extensions(names: Option<&Located<Vec<Located<String>>>>) -> BTreeSet<String> {
    names
        .into_iter()
        .flat_map(|names| names.value.iter().map(|name| name.value.clone()))
        .collect()
}

/// Where the search path names no schema that exists, names that say none have none.
pub(super) fn check_schema<T>(id: &FunctionId, at: &Located<T>, problems: &mut Vec<Diagnostic>) {
    if id.schema.is_empty() {
        problems.push(no_schema("function", &id.name).at(&at.span));
    } else {
        check_name("schema", &id.schema, at, problems);
    }
}

/// Names of more than 63 bytes would be cut by the server.
pub(super) fn check_name<T>(
    what: &str,
    name: &str,
    at: &Located<T>,
    problems: &mut Vec<Diagnostic>,
) {
    if name.len() > LONGEST {
        problems.push(
            Diagnostic::new(format!(
                "the {what} name `{name}` is {} bytes long, and PostgreSQL cuts names at {LONGEST}",
                name.len()
            ))
            .at(&at.span)
            .help("choose a shorter name"),
        );
    } else if name.is_empty() || name.contains('\0') {
        problems.push(
            Diagnostic::new(format!("the {what} name is empty or has a NUL character"))
                .at(&at.span)
                .help("give it a name that people can read"),
        );
    }
}

fn check_language(language: &Located<String>, problems: &mut Vec<Diagnostic>) -> String {
    let name = language.value.to_lowercase();
    let problem = match name.as_str() {
        "sql" => "a function in SQL cannot be a trigger function",
        "c" | "internal" => "a function in C has no body that could be written here",
        _ => return name,
    };
    problems.push(
        Diagnostic::new(problem)
            .at(&language.span)
            .help("use `language = \"plpgsql\"`"),
    );
    name
}

fn body_text(
    body: &Located<String>,
    id: &FunctionId,
    language: &str,
    vars: &Value,
    renderer: &Renderer,
    problems: &mut Vec<Diagnostic>,
) -> Option<String> {
    let scope = Value::from_object(Scope {
        dialect: Postgres.name(),
        table: None,
        schema: Value::from(id.schema.as_str()),
        trigger: None,
        timing: None,
        event: None,
        columns: None,
        vars: vars.clone(),
        facts: vec![],
        with: None,
    });
    let text = match renderer.inline_value(body, scope) {
        Ok(text) => text,
        Err(error) => {
            let note = format!("while rendering function `{id}`");
            problems.extend(error.note(note).diagnostics);
            return None;
        }
    };
    let checked = match language {
        "plpgsql" => inspect::check_text(&text, &POSTGRES),
        _ => inspect::check_foreign(&text),
    };
    if let Err(flaw) = checked {
        problems.push(
            Diagnostic::new(format!("the `body` {}", flaw.message))
                .at(&place(body, &text, flaw.range))
                .help(flaw.help),
        );
        return None;
    }
    Some(text)
}

fn setting(key: &str, value: &str) -> Setting {
    let spelt = CAPITALISED
        .iter()
        .find(|name| name.eq_ignore_ascii_case(key));
    let name = match spelt {
        Some(name) => (*name).to_owned(),
        // A parameter of an extension's, or of the application's own, is spelt as it was set.
        None if key.contains('.') => key.to_owned(),
        None => key.to_lowercase(),
    };
    let values = if is_list(&name) {
        names_of(value)
    } else {
        vec![value.to_owned()]
    };
    Setting { name, values }
}

pub(super) fn is_list(name: &str) -> bool {
    NAME_LISTS.binary_search(&name).is_ok()
}

/// The elements of `a, "B"`, as the server would read them: unquoted ones in lower case.
fn names_of(list: &str) -> Vec<String> {
    let mut names = vec![];
    let mut name = String::new();
    let mut quoted = false;
    let mut characters = list.trim().chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                name.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => names.push(std::mem::take(&mut name)),
            blank if blank.is_whitespace() && !quoted => {}
            other if quoted => name.push(other),
            other => name.extend(other.to_lowercase()),
        }
    }
    names.push(name);
    names
}

/// A PL/pgSQL function's text as a block within another: without a semicolon at its end. `None` where it begins with an
/// option (`#variable_conflict`), which can only stand at the very beginning.
pub(super) fn block(text: &str) -> Option<&str> {
    let mut end = None;
    for token in tokens(text, &POSTGRES).filter(|token| !token.is_blank()) {
        if end.is_none() && token.text(text).starts_with('#') {
            return None;
        }
        end = if token.is_operator(text, ";") {
            Some((token.range.start, true))
        } else {
            Some((token.range.end, false))
        };
    }
    let (end, closed) = end?;
    // A comment behind the end may stay, but not on the line of the semicolon that follows.
    text.get(..if closed { end } else { text.len() })
}
