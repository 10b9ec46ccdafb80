//! `triggerctl kinds`.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::dialect;
use crate::error::{Error, Kind as ErrorKind};
use crate::kinds::sheet::{Sheet, inline};
use crate::kinds::{Kind, Library};
use crate::report::json::document;
use crate::report::text::folded;
use crate::report::{Format, Palette};
use crate::spec::Draft;

use super::{Context, Outcome};

/// List the ready-made triggers that a spec can use, or show one of them.
#[derive(Debug, clap::Args)]
pub struct Kinds {
    /// The kind to show: its parameters, an example, and the DDL of that in each dialect.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// As the page of the documentation.
    #[arg(long, hide = true, requires = "name")]
    markdown: bool,
}

impl Kinds {
    /// Run it.
    pub fn run(&self, context: &Context) -> Result<Outcome, Error> {
        context.only("kinds", &[Format::Text, Format::Json])?;
        let templates = templates(context);
        let library = Library::new(templates.as_deref());
        let is_json = context.output.format == Format::Json;
        let Some(name) = &self.name else {
            let kinds = library
                .names()
                .iter()
                .map(|name| load(&library, name))
                .collect::<Result<Vec<Kind>, Error>>()?;
            let result = if is_json {
                let kinds: Vec<Value> = kinds.iter().map(|kind| brief(kind, &library)).collect();
                document(json!({ "kinds": kinds }))
            } else {
                list(&kinds, &library, &context.output.palette())
            };
            context.output.result(&result)?;
            return Ok(Outcome::Done);
        };
        let kind = load(&library, name)?;
        let sheet = kind.sheet(templates.as_deref())?;
        let result = if self.markdown {
            kind.markdown(&sheet)
        } else if is_json {
            document(whole(&kind, &sheet, &library))
        } else {
            text(&kind, &sheet, &context.output.palette())
        };
        context.output.result(&result)?;
        Ok(Outcome::Done)
    }
}

/// The folder of the spec's own templates. What is wrong with its triggers is no reason to say nothing: it may be the use of the
/// very kind that is to be shown.
fn templates(context: &Context) -> Option<PathBuf> {
    let path = &context.common.config;
    if !path.exists() {
        return None;
    }
    let options = context.load_options(false);
    let draft = Draft::read(path, &options).and_then(|draft| match draft.so_far() {
        Some(_) => Ok(draft.without_the_rest()),
        None => draft.complete(),
    });
    match draft {
        Ok(spec) => spec.templates,
        Err(error) => {
            log::warn!("`{}` is left aside: {error}", path.display());
            None
        }
    }
}

/// A kind by its name.
pub(super) fn load(library: &Library, name: &str) -> Result<Kind, Error> {
    let mut problems = vec![];
    if let Some(kind) = library.load(name, &mut problems) {
        return Ok(kind);
    }
    Error::collected(problems)?;
    let names = library.names();
    let near = names
        .iter()
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(left, _), (right, _)| left.total_cmp(right));
    let error = Error::new(ErrorKind::Usage, format!("there is no kind `{name}`"));
    Err(match near {
        Some((_, near)) => error.help(format!("did you mean `{near}`?")),
        None => error.help("`triggerctl kinds` lists them"),
    })
}

fn dialects(kind: &Kind) -> Vec<&'static str> {
    let is_for = |name: &&str| !kind.without.contains_key(*name);
    dialect::names().into_iter().filter(is_for).collect()
}

/// One line a kind.
fn list(kinds: &[Kind], library: &Library, palette: &Palette) -> String {
    let width = kinds.iter().map(|kind| kind.name.len()).max().unwrap_or(0);
    let strong = palette.strong;
    let mut out = String::new();
    for kind in kinds {
        let dialects = dialects(kind);
        let mut also = vec![];
        if dialects.len() < dialect::ALL.len() {
            also.push(format!("{} only", dialects.join(" and ")));
        }
        if library.is_own(&kind.name) {
            also.push("your own".to_owned());
        }
        let also = if also.is_empty() {
            String::new()
        } else {
            format!(" ({})", also.join(", "))
        };
        let name = &kind.name;
        let text = format!("{}{also}", kind.description.value);
        let _ = write!(out, "{strong}{name}{strong:#}");
        let mut column = name.len();
        for line in folded(&text, 78_usize.saturating_sub(width).max(30)) {
            let _ = writeln!(out, "{:gap$}{line}", "", gap = width + 2 - column);
            column = 0;
        }
    }
    out.push_str(
        "\n`triggerctl kinds NAME` shows parameters, an example, and each dialect's DDL.\n",
    );
    out
}

fn text(kind: &Kind, sheet: &Sheet, palette: &Palette) -> String {
    let strong = palette.strong;
    let mut out = format!(
        "{strong}{}{strong:#}: {}\n",
        kind.name, kind.description.value
    );
    if !kind.readme.trim().is_empty() {
        let _ = write!(out, "\n{}", narrow(kind.readme.trim()));
    }
    if !kind.parameters.is_empty() {
        let _ = writeln!(out, "\n{strong}Parameters{strong:#}");
    }
    for parameter in &kind.parameters {
        let default = match &parameter.default {
            Some(default) => format!("default {}", inline(default)),
            None if parameter.optional => "optional".to_owned(),
            None => "required".to_owned(),
        };
        let _ = writeln!(
            out,
            "  {strong}{}{strong:#}: {}, {default}",
            parameter.name.value,
            parameter.type_text()
        );
        for line in folded(&parameter.doc, 72) {
            let _ = writeln!(out, "      {line}");
        }
    }
    let _ = writeln!(out, "\n{strong}Example{strong:#}");
    let indented = |out: &mut String, text: &str| {
        for line in text.lines() {
            let _ = writeln!(out, "{}", format!("  {line}").trim_end());
        }
    };
    indented(&mut out, &sheet.example);
    for one in &sheet.dialects {
        let _ = writeln!(out, "\n{strong}{}{strong:#}", one.dialect.title());
        match &one.result {
            Ok(statements) => indented(&mut out, &statements.script()),
            Err(reason) => {
                let lines = folded(&format!("not to be had: {reason}"), 78);
                indented(&mut out, &lines.join("\n"));
            }
        }
    }
    out
}

/// Prose in Markdown, at most 80 columns wide: paragraphs and list items are broken anew, tables and code stay.
fn narrow(text: &str) -> String {
    let mut out = String::new();
    let mut is_code = false;
    let mut paragraph: Option<(&str, String)> = None;
    let end = |out: &mut String, paragraph: &mut Option<(&str, String)>| {
        if let Some((sign, text)) = paragraph.take() {
            for (index, line) in folded(&text, 80 - sign.len()).iter().enumerate() {
                let before = if index == 0 { sign } else { "" };
                let _ = writeln!(out, "{before:indent$}{line}", indent = sign.len());
            }
        }
    };
    for line in text.lines() {
        let is_fence = line.starts_with("```");
        if let (Some(("- ", text)), Some(more)) = (&mut paragraph, line.strip_prefix("  ")) {
            text.push(' ');
            text.push_str(more);
        } else if is_fence || is_code || line.is_empty() || line.starts_with(['|', '#', ' ']) {
            end(&mut out, &mut paragraph);
            let _ = writeln!(out, "{line}");
            is_code ^= is_fence;
        } else if let Some(item) = line.strip_prefix("- ") {
            end(&mut out, &mut paragraph);
            paragraph = Some(("- ", item.to_owned()));
        } else if let Some((_, text)) = &mut paragraph {
            text.push(' ');
            text.push_str(line);
        } else {
            paragraph = Some(("", line.to_owned()));
        }
    }
    end(&mut out, &mut paragraph);
    out
}

fn brief(kind: &Kind, library: &Library) -> Value {
    json!({
        "name": kind.name,
        "description": kind.description.value,
        "own": library.is_own(&kind.name),
        "dialects": dialects(kind),
    })
}

fn whole(kind: &Kind, sheet: &Sheet, library: &Library) -> Value {
    let parameters: Vec<Value> = kind
        .parameters
        .iter()
        .map(|parameter| {
            let words: Vec<&str> = parameter
                .words
                .iter()
                .map(|word| word.value.as_str())
                .collect();
            json!({
                "name": parameter.name.value,
                "type": parameter.kind.word(),
                "words": words,
                "required": parameter.is_required(),
                "default": parameter.default.as_ref().map(inline),
                "doc": parameter.doc,
            })
        })
        .collect();
    let ddl: Vec<Value> = sheet
        .dialects
        .iter()
        .map(|one| match &one.result {
            Ok(statements) => json!({
                "dialect": one.dialect.name(),
                "tables": statements.tables,
                "statements": statements.ddl,
            }),
            Err(reason) => json!({ "dialect": one.dialect.name(), "reason": reason }),
        })
        .collect();
    json!({
        "name": kind.name,
        "description": kind.description.value,
        "dialects": dialects(kind),
        "own": library.is_own(&kind.name),
        "readme": kind.readme,
        "parameters": parameters,
        "example": sheet.example,
        "ddl": ddl,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_folded_and_code_is_not() {
        let long = "word ".repeat(30);
        let code = "SELECT ".repeat(20);
        let text = format!("{long}\n{long}\n\n- {long}\n  {long}\n- two\n\n```sql\n{code}\n```\n");
        let folded = narrow(&text);
        let too_long: Vec<&str> = folded.lines().filter(|line| line.len() > 80).collect();
        assert_eq!(too_long, [code.as_str()]);
        assert!(folded.contains("\n- word word"), "{folded}");
        assert!(folded.contains("\n  word word"), "{folded}");
        assert!(folded.contains("\n- two\n\n```sql\n"), "{folded}");
        assert_eq!(folded.matches("word").count(), 120);
    }
}
