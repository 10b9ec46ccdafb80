//! `triggerctl import`.

use std::fmt::Write as _; // Writing to a String cannot fail.
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::db::Intent;
use crate::db::url::DatabaseUrl;
use crate::dialect::Dialect;
use crate::error::{Error, Kind};
use crate::import::{self, Destination, Filters, Header, Import, Written};
use crate::model::ObjectId;
use crate::plan::ObjectRef;
use crate::render::Renderer;
use crate::report::{Format, json};
use crate::spec::Spec;
use crate::words::{NAMED, some};

use super::{Context, Outcome, connect_settings, free_objects};

/// Write a spec from the triggers that are there.
///
/// Without `--out`, it is printed. A file that is there already gets what it does not have yet, at its end; the rest of
/// it stays as it is.
#[derive(Debug, clap::Args)]
pub struct ImportCommand {
    /// Write to FILE; where it is there, add to it.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write one file a table into DIR, and include them in FILE (or in the spec).
    #[arg(long, value_name = "DIR")]
    split: Option<PathBuf>,
    /// Only triggers in schemas that match; may be repeated.
    #[arg(long, value_name = "GLOB")]
    schema: Vec<String>,
    /// Only triggers on tables that match, as table or schema.table; may be repeated.
    #[arg(long, value_name = "GLOB")]
    table: Vec<String>,
    /// Leave out triggers whose name, table.name or schema.table.name matches, and those that call a function of such a name; may
    /// be repeated.
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Trigger functions that no trigger calls as well.
    #[arg(long)]
    functions: bool,
}

impl ImportCommand {
    /// Run it.
    pub fn run(&self, context: &Context) -> Result<Outcome, Error> {
        context.only("import", &[Format::Text, Format::Json])?;
        let filters = Filters {
            schemas: patterns("schema", &self.schema)?,
            tables: patterns("table", &self.table)?,
            excluded: patterns("exclude", &self.exclude)?,
            functions: self.functions,
        };
        let config = &context.common.config;
        let out = match (&self.out, &self.split) {
            (Some(out), _) => Some(out),
            (None, Some(_)) => Some(config),
            (None, None) => None,
        };
        let options = context.load_options(true);
        let mut spec = if config.exists() {
            context.spec_if_any()?
        } else {
            None
        };
        let is_part = |spec: &Spec| {
            let out = out.filter(|out| out.exists());
            out.is_some_and(|out| import::includes(spec, out))
        };
        if let Some(spec) = spec.as_mut().filter(|spec| !is_part(spec)) {
            // It says where the database is, and no more.
            free_objects(spec);
        }
        // What the file that is written to belongs to: to the spec, or it is one by itself.
        let own;
        let (target, main) = match out {
            Some(out) if out.exists() => match &spec {
                Some(spec) if import::includes(spec, out) => (Some(spec), config),
                _ => {
                    own = Spec::load(out, &options)?;
                    (Some(&own), out)
                }
            },
            Some(out) => (None, out),
            None => (None, config),
        };
        let url = context.url(target.or(spec.as_ref()))?;
        let mut database = crate::db::connect(
            &url,
            &connect_settings(target.or(spec.as_ref())),
            Intent::Read,
        )?;
        let renderer = Renderer::of(
            &*database,
            target.and_then(|spec| spec.templates.as_deref()),
        )?;
        let import = import::read(&mut *database, &filters, target, &renderer)?;

        let folder = main.parent().unwrap_or(Path::new(""));
        let header = header(
            &url,
            database.dialect(),
            &database.target().server_version,
            folder,
        );
        // SQLite has the whole schema in memory, as it reads it.
        drop(database);
        let Some(out) = out else {
            let text = import.text(&header);
            let result = if context.output.format == Format::Json {
                document(&import, &[], Some(&text))
            } else {
                text
            };
            context.output.result(&result)?;
            remark(context, &import, &[])?;
            return Ok(Outcome::Done);
        };
        let split = self.split.as_deref();
        let written = import.write(
            &Destination {
                out,
                main,
                split,
                options,
            },
            &header,
        )?;
        if context.output.format == Format::Json {
            context.output.result(&document(&import, &written, None))?;
        }
        remark(context, &import, &written)?;
        Ok(Outcome::Done)
    }
}

/// The top of a new spec.
pub(super) fn header(
    url: &DatabaseUrl,
    dialect: &dyn Dialect,
    version: &str,
    folder: &Path,
) -> Header {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    Header {
        comment: vec![
            format!("Triggers of {}, {} {version}, as they were when this was written.", url.display(), dialect.title()),
            "`triggerctl plan` shows what differs from them, and `triggerctl apply` takes them over.".to_owned(),
        ],
        include: vec![],
        url: url.for_spec(folder),
        passwords: url.has_password().then(|| dialect.passwords()),
    }
}

fn patterns(flag: &str, texts: &[String]) -> Result<Vec<glob::Pattern>, Error> {
    let pattern = |text: &String| {
        glob::Pattern::new(text).map_err(|error| {
            Error::new(
                Kind::Usage,
                format!("`--{flag} {text}` is not a pattern: {error}"),
            )
        })
    };
    texts.iter().map(pattern).collect()
}

fn document(import: &Import, written: &[Written], text: Option<&str>) -> String {
    let files: Vec<_> = written
        .iter()
        .map(
            |Written {
                 path,
                 triggers,
                 functions,
             }| json!({ "path": path, "triggers": triggers, "functions": functions }),
        )
        .collect();
    let uncalled: Vec<ObjectRef> = import
        .uncalled
        .iter()
        .map(|id| ObjectRef::from(&ObjectId::Function(id.clone())))
        .collect();
    let nameless: Vec<ObjectRef> = import
        .nameless
        .iter()
        .map(|id| ObjectRef::from(&ObjectId::Trigger(id.clone())))
        .collect();
    let objects: Vec<ObjectRef> = import.objects().iter().map(ObjectRef::from).collect();
    json::document(
        json!({ "files": files, "objects": objects, "already_there": import.covered, "uncalled_functions": uncalled, "event_triggers": import.event_triggers, "nameless": nameless, "faulty": import.faulty, "templated": import.templated, "spec": text }),
    )
}

fn remark(context: &Context, import: &Import, written: &[Written]) -> Result<(), Error> {
    let mut text = format!(
        "{} and {} imported",
        count(import.triggers(), "trigger"),
        count(import.functions(), "function")
    );
    match written {
        [] => text.push_str(".\n"),
        [file] => {
            let _ = writeln!(text, " into `{}`.", file.path.display());
        }
        files => {
            text.push_str(" into these files:\n");
            for file in files {
                let _ = writeln!(text, "  {}", file.path.display());
            }
        }
    }
    if import.covered > 0 {
        let _ = writeln!(
            text,
            "{} in the spec already, and left as it is there.",
            count(import.covered, "trigger")
        );
    }
    if !import.uncalled.is_empty() {
        let _ = writeln!(
            text,
            "{} that no trigger calls left out; `--functions` takes them: {}.",
            count(import.uncalled.len(), "trigger function"),
            some(&import.uncalled, NAMED)
        );
    }
    if !import.event_triggers.is_empty() {
        let _ = writeln!(
            text,
            "{} left alone: triggerctl is for triggers on tables and views ({}).",
            count(import.event_triggers.len(), "event trigger"),
            some(&import.event_triggers, NAMED)
        );
    }
    if import.faulty > 0 {
        let (number, verb) = match import.faulty {
            1 => ("1 of them".to_owned(), "has"),
            several => (format!("{several} of them"), "have"),
        };
        let _ = writeln!(
            text,
            "{number} {verb} faults in the database already: `allow` in the spec names them, so that `check` passes; mend them one by one."
        );
    }
    for function in &import.with_rights {
        let _ = writeln!(
            text,
            "Who may execute {function} is not part of a spec; it stays as it is."
        );
    }
    if import.templated > 0 {
        let (number, verb, them) = match import.templated {
            1 => ("1 of them".to_owned(), "is", "it"),
            several => (format!("{several} of them"), "are", "them"),
        };
        let _ = writeln!(
            text,
            "{number} {verb} for a template of yours to make: `triggerctl plan` calls that a conflict, and `triggerctl apply --adopt` makes {them} anew."
        );
    } else if import.triggers() > 0 && !written.is_empty() {
        text.push_str(
            "`triggerctl plan` finds nothing to change now; `triggerctl apply` takes them over.\n",
        );
    }
    context.output.remark(&text)
}

fn count(number: usize, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}
