//! A template engine's error as a diagnostic that points at the place: in the spec for what is written there, else in
//! the template's file.

use std::error::Error as _;
use std::ops::Range;

use minijinja::{Environment, ErrorKind};

use super::filters::{FILTERS, REMOVED};
use super::loader::{self, Sources};
use crate::error::{Diagnostic, Located, Span};
use crate::spec::inner_span;

/// What the formatter says of a value that no filter made safe; the expression is known only here.
pub(super) const BARE: &str = "a bare value was printed";

/// What was rendered.
pub(super) enum Origin<'a> {
    /// A file template, by name.
    File(&'a str),
    /// A text of the spec.
    Spec(&'a Located<String>),
}

/// One link of an error's chain that knows its place.
struct Place {
    span: Span,
    /// The text at that place.
    source: String,
}

/// Turn the engine's error into ours.
pub(super) fn diagnostic(
    error: &minijinja::Error,
    origin: &Origin<'_>,
    sources: &Sources,
    environment: &Environment<'static>,
) -> Diagnostic {
    let mut primary = (error, place(error, origin, sources));
    let mut callers = vec![];
    let mut next = error.source();
    while let Some(inner) = next.and_then(|inner| inner.downcast_ref::<minijinja::Error>()) {
        if inner.name() == Some(loader::BUILT_IN_HELPERS) {
            break; // What matters is where the helper was called.
        }
        if let Some(found) = place(inner, origin, sources) {
            callers.extend(primary.1.take());
            primary = (inner, Some(found));
        }
        next = inner.source();
    }
    let (error, place) = primary;
    let source = place.as_ref().map_or("", |place| place.source.as_str());
    let mut diagnostic = explain(error, source, sources, environment);
    if let Some(place) = &place {
        diagnostic = diagnostic.at(&place.span);
    } else if let Origin::Spec(text) = origin {
        diagnostic = diagnostic.at(&text.span);
    } else if let Origin::File(name) = origin {
        diagnostic = diagnostic.note(format!("in the template `{name}`"));
    }
    for caller in callers.iter().rev() {
        diagnostic = diagnostic.related(&caller.span, "called here");
    }
    diagnostic
}

/// What went wrong, in one line and without a place.
pub(super) fn message(error: &minijinja::Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::InvalidOperation | ErrorKind::MissingArgument, Some(detail)) => {
            detail.to_owned()
        }
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

fn place(error: &minijinja::Error, origin: &Origin<'_>, sources: &Sources) -> Option<Place> {
    let name = error.name()?;
    let range = error.range();
    match origin {
        Origin::Spec(text) if name.starts_with('\0') => {
            let inner = clamp(&text.value, range?);
            let inner = narrowed(error, &text.value, inner);
            Some(Place {
                source: text.value.get(inner.clone())?.to_owned(),
                span: inner_span(text, inner),
            })
        }
        _ => {
            let file = sources.file(name)?;
            let range = range.map_or_else(
                || line(&file.text, error.line().unwrap_or(1)),
                |range| clamp(&file.text, range),
            );
            let range = narrowed(error, &file.text, range);
            Some(Place {
                source: file.text.get(range.clone())?.to_owned(),
                span: Span { file, range },
            })
        }
    }
}

/// What is undefined, as the engine writes it: "`a.b` is undefined".
fn undefined_name(error: &minijinja::Error) -> Option<&str> {
    let (_, rest) = error.detail()?.split_once('`')?;
    let (name, rest) = rest.split_once('`')?;
    rest.starts_with(" is undefined").then_some(name)
}

/// A filter that gets something undefined is itself the engine's place: go back to what is undefined.
fn narrowed(error: &minijinja::Error, text: &str, range: Range<usize>) -> Range<usize> {
    if error.kind() != ErrorKind::UndefinedError {
        return range;
    }
    let before = text.get(..range.end).unwrap_or_default();
    if let Some(name) = undefined_name(error)
        && let Some(at) = before.rfind(name)
        && !before
            .get(at..)
            .is_some_and(|between| between.contains(['{', '}']))
    {
        return at..at + name.len();
    }
    let before = text.get(..range.start).unwrap_or_default();
    let Some(before) = before.trim_end().strip_suffix('|') else {
        return range;
    };
    let before = before.trim_end();
    let rest = before.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
    if rest.len() == before.len() {
        return range;
    }
    rest.len()..before.len()
}

fn clamp(text: &str, range: Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(range.start);
    let end = text.floor_char_boundary(range.end.max(start));
    start..end
}

fn line(text: &str, number: usize) -> Range<usize> {
    let mut start = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if index + 1 == number {
            return start..start + line.trim_end().len();
        }
        start += line.len();
    }
    text.len()..text.len()
}

fn explain(
    error: &minijinja::Error,
    source: &str,
    sources: &Sources,
    environment: &Environment<'static>,
) -> Diagnostic {
    let source = source.trim();
    match error.kind() {
        ErrorKind::InvalidOperation if error.detail() == Some(BARE) => {
            let shown = source
                .trim_start_matches("{{")
                .trim_end_matches("}}")
                .trim_matches(['-', ' ']);
            Diagnostic::new(format!("`{{{{ {shown} }}}}` prints a bare value"))
                .help("put a filter after it, such as `| ident` for a name, `| literal` for a value, or `| sql` for text that is SQL")
        }
        ErrorKind::UndefinedError => undefined(error, source),
        ErrorKind::UnknownFilter => {
            let name = source.rsplit('|').next().unwrap_or(source).trim();
            let diagnostic = Diagnostic::new(format!("unknown filter `{name}`"));
            if REMOVED.contains(&name) {
                return diagnostic
                    .help("text that is SQL goes through `| sql`, a value through `| literal`");
            }
            match closest(name, FILTERS.iter().copied()) {
                Some(known) => diagnostic.help(format!("did you mean `{known}`?")),
                None => diagnostic.help(format!("for SQL there are: {}", FILTERS.join(", "))),
            }
        }
        ErrorKind::UnknownFunction => {
            let name = source.split('(').next().unwrap_or(source).trim();
            let globals: Vec<String> = environment
                .globals()
                .map(|(name, _)| name.to_owned())
                .filter(|name| !name.starts_with('_'))
                .collect();
            let diagnostic = Diagnostic::new(format!("unknown function `{name}`"));
            match closest(name, globals.iter().map(String::as_str)) {
                Some(known) => diagnostic.help(format!("did you mean `{known}`?")),
                None => diagnostic,
            }
        }
        ErrorKind::TemplateNotFound => not_found(error, sources),
        ErrorKind::OutOfFuel => Diagnostic::new("the template does not come to an end")
            .help("look for a loop over too many values"),
        ErrorKind::SyntaxError => Diagnostic::new(format!(
            "syntax error in a template: {}",
            error.detail().unwrap_or("it cannot be read")
        ))
        .help("to write `{{`, `{%` or `{#` as they are, put them between `{% raw %}` and `{% endraw %}`"),
        _ => Diagnostic::new(message(error)),
    }
}

fn undefined(error: &minijinja::Error, source: &str) -> Diagnostic {
    let name = undefined_name(error).unwrap_or_else(|| {
        let source = source.trim_start_matches("{{").trim_start_matches("{%");
        let source = source.trim_matches(['-', ' ']);
        source
            .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
            .next()
            .unwrap_or_default()
    });
    let diagnostic = if name.is_empty() {
        Diagnostic::new(message(error))
    } else {
        Diagnostic::new(format!("`{name}` is not defined here"))
    };
    match name.split('.').next().unwrap_or_default() {
        known @ ("columns" | "table_columns" | "types" | "primary_key" | "generated" | "unseen" | "partition_key" | "row_key") => {
            diagnostic.help(format!("`{known}` is known only with a database at hand: give `--url`"))
        }
        "event" => diagnostic.help(
            "`event` is known where a trigger has one event; where it can have several use `operation()`",
        ),
        "vars" => diagnostic.help("set it under `[vars]`"),
        _ => diagnostic,
    }
}

fn not_found(error: &minijinja::Error, sources: &Sources) -> Diagnostic {
    // `template "x" does not exist`, or `tried to include non-existing template 'x'`.
    let detail = error.detail().unwrap_or_default();
    let quoted = detail
        .split_once("template ")
        .map_or(detail, |(_, name)| name);
    let quoted = quoted.strip_suffix(" does not exist").unwrap_or(quoted);
    let name = quoted.trim_matches(['"', '\'']);
    if !loader::is_inside(name) {
        return Diagnostic::new(format!(
            "the template `{name}` lies outside of the templates folder"
        ))
        .help("copy it into the dialect's folder");
    }
    let diagnostic = Diagnostic::new(format!("there is no template `{name}`"));
    // In a kind, what lies beside its `kind.toml` is easily named as if that were where one is.
    let mut known = sources.names_of_kinds();
    let beside = known
        .iter()
        .find(|known| known.rsplit('/').next() == Some(name))
        .cloned();
    known.extend(sources.names().map(str::to_owned));
    let meant = beside
        .as_deref()
        .or_else(|| closest(name, known.iter().map(String::as_str)));
    if let Some(known) = meant {
        return diagnostic.help(format!("did you mean `{known}`?"));
    }
    diagnostic.help(if name.starts_with(loader::KINDS) {
        "a file of a kind is named by its path in the templates folder: `kinds/KIND/FILE`"
    } else {
        "names are relative to the dialect's folder in the templates folder; a file of a kind is `kinds/KIND/FILE`"
    })
}

/// The known word that a misspelt one is nearest to.
fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (strsim::damerau_levenshtein(word, known), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}
