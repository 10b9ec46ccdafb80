//! From a path to a [`Spec`]: the main file, what it includes, the chosen environment, the templates folder.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::build::Builder;
use super::keys::{DIALECTS, DialectKeys, Section};
use super::value::{Checker, Place, Record, Value};
use super::{FunctionSpec, Spec, TriggerSpec, check, source};
use crate::error::{Diagnostic, Error, Kind, SourceFile};

/// What a spec is read for.
#[derive(Debug, Clone)]
pub struct LoadOptions<'a> {
    /// The environment that was chosen.
    pub environment: Option<&'a str>,
    /// Whether the spec's own URL is used: where it is not, a variable in it that is not set is no error.
    pub needs_url: bool,
    /// The dialects that the spec may speak of, and their own keys.
    pub dialects: &'a [DialectKeys],
    /// How an environment variable is looked up.
    pub variable: fn(&str) -> Option<OsString>,
}

impl Default for LoadOptions<'_> {
    fn default() -> Self {
        Self {
            environment: None,
            needs_url: true,
            dialects: DIALECTS,
            variable: |name| std::env::var_os(name),
        }
    }
}

impl Spec {
    /// Read the spec at `path` with all that it includes.
    ///
    /// # Errors
    /// Everything that is wrong in any of its files, in file order.
    pub fn load(path: &Path, options: &LoadOptions<'_>) -> Result<Self, Error> {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let bytes = source::read(path).map_err(|diagnostic| {
            if fs::symlink_metadata(path).is_err() {
                diagnostic.help("`triggerctl init` writes a first one; `--config` names another")
            } else {
                *diagnostic
            }
        })?;
        let mut loader = Loader {
            options,
            folder,
            files: vec![],
            digest: Sha256::new(),
            problems: vec![],
            triggers: vec![],
            functions: vec![],
        };
        let record = loader.file(&path.display().to_string(), bytes, Section::Top);
        let Some(record) = record else {
            return Err(loader.into_error());
        };
        loader.finish(record, path)
    }
}

/// A spec in the making.
pub(super) struct Loader<'a> {
    pub(super) options: &'a LoadOptions<'a>,
    /// Where relative paths start; empty for the current folder, so that names stay short.
    pub(super) folder: PathBuf,
    files: Vec<Arc<SourceFile>>,
    digest: Sha256,
    pub(super) problems: Vec<Diagnostic>,
    triggers: Vec<TriggerSpec>,
    functions: Vec<FunctionSpec>,
}

impl Loader<'_> {
    /// Check one file's keys; `None` when it is no TOML.
    pub(super) fn file(&mut self, name: &str, bytes: Vec<u8>, section: Section) -> Option<Record> {
        self.hash(&bytes);
        let file = match source::decode(name, bytes) {
            Ok(file) => file,
            Err(diagnostic) => {
                if let Some((span, _)) = &diagnostic.place {
                    self.files.push(Arc::clone(&span.file));
                }
                self.problems.push(*diagnostic);
                return None;
            }
        };
        self.files.push(Arc::clone(&file));
        let table = match source::parse(&file) {
            Ok(table) => table,
            Err(errors) => {
                self.problems.extend(errors);
                return None;
            }
        };
        let mut checker = Checker {
            file: &file,
            options: self.options,
            problems: &mut self.problems,
        };
        let place = Place {
            section,
            dialect: None,
        };
        // The file itself has no header: what is missing in it is missing at its start.
        let mut record = checker.record(place, &table, 0..0);
        drop(table);
        let mut builder = Builder {
            problems: &mut self.problems,
        };
        if section == Section::Top {
            builder.missing(&record, "version", "this file", "version = 1");
        }
        if let Some(Value::Records(records)) = record.take("trigger") {
            let dialects = self.options.dialects;
            let triggers = records
                .into_iter()
                .filter_map(|record| builder.trigger(record, dialects));
            self.triggers.extend(triggers);
        }
        if let Some(Value::Records(records)) = record.take("function") {
            let functions = records
                .into_iter()
                .filter_map(|record| builder.function(record));
            self.functions.extend(functions);
        }
        Some(record)
    }

    /// With its length first, so that two files are never taken for one.
    pub(super) fn hash(&mut self, bytes: &[u8]) {
        self.digest.update((bytes.len() as u64).to_be_bytes());
        self.digest.update(bytes);
    }

    fn finish(mut self, mut record: Record, path: &Path) -> Result<Spec, Error> {
        if let Some(Value::List(patterns)) = record.take("include") {
            let mut read = HashSet::new();
            read.extend(fs::canonicalize(path).ok());
            let main = read.clone();
            for pattern in patterns.value {
                if let Value::Text(pattern) = pattern {
                    self.include(&pattern, &main, &mut read);
                }
            }
        }
        let (names, chosen) = self.environments(&mut record);
        let (database, vars) = self.settings(&mut record, chosen);
        let lint = Builder {
            problems: &mut self.problems,
        }
        .lint(record.take("lint"));
        let templates = match record.take("templates") {
            Some(Value::Text(folder)) => self.templates(&folder),
            _ => None,
        };
        check::unique(&self.triggers, &self.functions, &mut self.problems);
        if !self.problems.is_empty() {
            return Err(self.into_error());
        }
        Ok(Spec {
            files: self.files,
            folder: if self.folder.as_os_str().is_empty() {
                PathBuf::from(".")
            } else {
                self.folder
            },
            digest: crate::desired::hex(&self.digest.finalize()),
            database,
            environments: names,
            vars,
            templates,
            triggers: self.triggers,
            functions: self.functions,
            lint,
        })
    }

    /// All that is wrong, in file order; what has no place comes first.
    fn into_error(self) -> Error {
        let mut diagnostics = self.problems;
        let order: HashMap<*const SourceFile, usize> = self
            .files
            .iter()
            .enumerate()
            .map(|(index, file)| (Arc::as_ptr(file), index))
            .collect();
        diagnostics.sort_by_key(|diagnostic| {
            diagnostic.place.as_ref().map(|(span, _)| {
                (
                    order.get(&Arc::as_ptr(&span.file)).copied().unwrap_or(0),
                    span.range.start,
                )
            })
        });
        Error {
            kind: Kind::Failed,
            diagnostics,
        }
    }
}
