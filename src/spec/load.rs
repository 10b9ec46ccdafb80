//! From a path to a [`Spec`]: the main file, what it includes, the chosen environment, the templates folder.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};
use toml::de::DeTable;

use super::build::Builder;
use super::keys::{DIALECTS, DialectKeys, Section};
use super::split::split;
use super::value::{Checker, Place, Record, Value};
use super::{
    Demand, FunctionSpec, RequireSpec, Spec, TestSpec, TriggerSpec, check, source, unknown,
};
use crate::error::{self, Diagnostic, Error, Located, SourceFile};
use crate::kinds::{Kind, Library};
use crate::parallel;

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
        Draft::read(path, options)?.complete()
    }

    /// The files of the spec at `path`, which can all be read: what they say is not kept.
    ///
    /// # Errors
    /// Everything that is wrong in any of its files, in file order.
    pub fn check(path: &Path, options: &LoadOptions<'_>) -> Result<Vec<Arc<SourceFile>>, Error> {
        Draft::read(path, options)?.check()
    }

    /// All that is wrong with this spec, in file order.
    ///
    /// # Errors
    /// These, where there are any.
    pub fn refuse(&self, problems: Vec<Diagnostic>) -> Result<(), Error> {
        if problems.is_empty() {
            return Ok(());
        }
        Err(in_order(&self.files, problems))
    }
}

/// A spec whose triggers and functions are not all read yet: what there is says already where the database is.
pub struct Draft<'a> {
    path: &'a Path,
    options: &'a LoadOptions<'a>,
    /// Without what is in the pieces.
    spec: Spec,
    pieces: Vec<Piece>,
    problems: Vec<Diagnostic>,
}

/// So many pieces are read before what is in them is put together.
const AT_ONCE: usize = 64;

/// A part of a file that is a document by itself.
struct Piece {
    file: Arc<SourceFile>,
    section: Section,
    range: Range<usize>,
}

impl<'a> Draft<'a> {
    /// Read all files, and everything in them but triggers and functions.
    ///
    /// # Errors
    /// Everything that is wrong, where so much is that the rest cannot be told.
    pub fn read(path: &'a Path, options: &'a LoadOptions<'a>) -> Result<Self, Error> {
        match Self::attempt(path, options, Manner::InPieces) {
            Err(Failure::NotInPieces) => Self::whole(path, options),
            Err(Failure::Wrong(error)) => Err(error),
            Ok(draft) => Ok(draft),
        }
    }

    /// Read each file in one piece.
    fn whole(path: &'a Path, options: &'a LoadOptions<'a>) -> Result<Self, Error> {
        Self::attempt(path, options, Manner::Whole).map_err(|failure| match failure {
            Failure::Wrong(error) => error,
            Failure::NotInPieces => Error::failed("the spec cannot be read"),
        })
    }

    fn attempt(
        path: &'a Path,
        options: &'a LoadOptions<'a>,
        manner: Manner,
    ) -> Result<Self, Failure> {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let bytes = source::read(path).map_err(|diagnostic| {
            Failure::Wrong(Error::from(if fs::symlink_metadata(path).is_err() {
                diagnostic.help("`triggerctl init` writes a first one; `--config` names another")
            } else {
                *diagnostic
            }))
        })?;
        let mut loader = Loader {
            options,
            folder,
            manner,
            files: vec![],
            digest: Sha256::new(),
            problems: vec![],
            triggers: vec![],
            functions: vec![],
            tests: vec![],
            protected: BTreeSet::new(),
            requires: vec![],
            forgets: vec![],
            pieces: vec![],
        };
        let record = loader.file(&path.display().to_string(), bytes, Section::Top);
        let draft = match record {
            Some(record) => Ok(loader.finish(record, path)),
            None => Err(loader),
        };
        match draft {
            Ok(draft) if manner == Manner::InPieces && draft.is_broken => Err(Failure::NotInPieces),
            Err(_) if manner == Manner::InPieces => Err(Failure::NotInPieces),
            Ok(Finished {
                spec,
                pieces,
                problems,
                is_broken: _,
            }) => Ok(Self {
                path,
                options,
                spec,
                pieces,
                problems,
            }),
            Err(loader) => Err(Failure::Wrong(in_order(&loader.files, loader.problems))),
        }
    }

    /// What was read so far; `None` when something is wrong with it.
    pub fn so_far(&self) -> Option<&Spec> {
        self.problems.is_empty().then_some(&self.spec)
    }

    /// Read the triggers and functions too.
    ///
    /// # Errors
    /// Everything that is wrong in any of its files, in file order.
    pub fn complete(self) -> Result<Spec, Error> {
        match self.complete_unless(&AtomicBool::new(false))? {
            Ok(spec) => Ok(spec),
            Err(draft) => draft.complete(),
        }
    }

    /// The same, unless somebody says meanwhile that it is not needed: then this is what it was.
    ///
    /// # Errors
    /// Everything that is wrong in any of its files, in file order.
    pub fn complete_unless(self, needless: &AtomicBool) -> Result<Result<Spec, Self>, Error> {
        let mut all = Objects::default();
        let triggers = self.pieces.iter().map(Piece::triggers).sum();
        all.triggers.reserve_exact(triggers);
        match self.each_piece(needless, |objects| all.add(objects)) {
            Reached::Needless => return Ok(Err(self)),
            Reached::NoDocument => {
                return Self::whole(self.path, self.options)?.complete().map(Ok);
            }
            Reached::End => {}
        }
        let Self {
            path: _,
            options,
            mut spec,
            pieces: _,
            mut problems,
        } = self;
        // Those that are in no piece, if any, come first.
        let before = std::mem::replace(&mut spec.triggers, all.triggers);
        spec.triggers.splice(0..0, before);
        spec.functions.append(&mut all.functions);
        problems.append(&mut all.problems);
        unique(&spec, &mut problems);
        sound(spec, options, problems).map(Ok)
    }

    /// Read the pieces, some at a time, so that nothing is there twice but what these hold.
    fn each_piece(&self, needless: &AtomicBool, mut take: impl FnMut(Objects)) -> Reached {
        let work = |piece: &Piece| {
            let is_needless = needless.load(Ordering::Relaxed);
            (!is_needless).then(|| piece.read(self.options))
        };
        for pieces in self.pieces.chunks(AT_ONCE) {
            let (read, ()) = parallel::map_in_parts(2, pieces, work, || ());
            for objects in read {
                match objects {
                    None => return Reached::Needless,
                    Some(None) => return Reached::NoDocument,
                    Some(Some(objects)) => take(objects),
                }
            }
        }
        Reached::End
    }

    /// See [`Spec::check`].
    fn check(mut self) -> Result<Vec<Arc<SourceFile>>, Error> {
        let mut problems = vec![];
        let mut functions = vec![];
        // Triggers that use a kind; of the others what they are called.
        let mut uses = vec![];
        let mut headings = vec![];
        let mut take = |triggers: Vec<TriggerSpec>| {
            for mut trigger in triggers {
                headings.push(check::Heading::taken_from(&mut trigger));
                if trigger.usage.is_some() {
                    uses.push(trigger);
                }
            }
        };
        take(std::mem::take(&mut self.spec.triggers));
        let reached = self.each_piece(&AtomicBool::new(false), |objects| {
            take(objects.triggers);
            functions.extend(objects.functions);
            problems.extend(objects.problems);
        });
        if !matches!(reached, Reached::End) {
            return Ok(Self::whole(self.path, self.options)?.complete()?.files);
        }
        let Self {
            path: _,
            options,
            mut spec,
            pieces: _,
            problems: found,
        } = self;
        problems.extend(found);
        functions.append(&mut spec.functions);
        let headings = headings.iter().map(check::Heading::named);
        check::unique(headings, functions.iter(), &mut problems);
        spec.triggers = uses;
        sound(spec, options, problems).map(|spec| spec.files)
    }

    /// What was read so far, for good.
    pub fn without_the_rest(self) -> Spec {
        self.spec
    }
}

/// A spec that is read, with what its kinds make of it, unless something is wrong.
fn sound(
    mut spec: Spec,
    options: &LoadOptions<'_>,
    mut problems: Vec<Diagnostic>,
) -> Result<Spec, Error> {
    kinds(&mut spec, options, &mut problems);
    spec.refuse(problems)?;
    Ok(spec)
}

/// How far reading pieces came.
enum Reached {
    /// All were read.
    End,
    /// It is not needed any more.
    Needless,
    /// A piece is no document. What the parser says of it would be true, but the whole may be wrong in other ways as well.
    NoDocument,
}

/// Why a spec was not read.
enum Failure {
    /// It does not fall into pieces, or they are no documents: it must be read in one.
    NotInPieces,
    /// What is wrong with it.
    Wrong(Error),
}

/// How files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Cut at their triggers and functions.
    InPieces,
    /// In one piece.
    Whole,
}

/// The triggers and functions of a document.
#[derive(Default)]
struct Objects {
    triggers: Vec<TriggerSpec>,
    functions: Vec<FunctionSpec>,
    problems: Vec<Diagnostic>,
}

impl Objects {
    fn add(&mut self, other: Self) {
        let Self {
            triggers,
            functions,
            problems,
        } = other;
        self.triggers.extend(triggers);
        self.functions.extend(functions);
        self.problems.extend(problems);
    }

    fn take(&mut self, record: &mut Record, options: &LoadOptions<'_>) {
        let mut builder = Builder {
            problems: &mut self.problems,
        };
        if let Some(Value::Records(records)) = record.take("trigger") {
            let triggers = records
                .into_iter()
                .filter_map(|record| builder.trigger(record, options.dialects));
            self.triggers.extend(triggers);
        }
        if let Some(Value::Records(records)) = record.take("function") {
            let functions = records
                .into_iter()
                .filter_map(|record| builder.function(record));
            self.functions.extend(functions);
        }
    }
}

impl Piece {
    /// How many triggers are in it, as far as can be seen from outside.
    fn triggers(&self) -> usize {
        let text = self.file.text.get(self.range.clone());
        text.map_or(0, |text| text.matches("[[trigger]]").count())
    }

    /// What is in it; `None` when it is no document.
    fn read(&self, options: &LoadOptions<'_>) -> Option<Objects> {
        let text = self.file.text.get(self.range.clone())?;
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            return None;
        }
        let mut objects = Objects::default();
        let mut checker = Checker {
            file: &self.file,
            offset: self.range.start,
            options,
            problems: &mut objects.problems,
            expressions: false,
        };
        let place = Place {
            section: self.section,
            dialect: None,
        };
        let mut record = checker.record(place, table.get_ref(), 0..0);
        drop(table);
        objects.take(&mut record, options);
        Some(objects)
    }
}

/// A spec in the making.
pub(super) struct Loader<'a> {
    pub(super) options: &'a LoadOptions<'a>,
    /// Where relative paths start; empty for the current folder, so that names stay short.
    pub(super) folder: PathBuf,
    manner: Manner,
    files: Vec<Arc<SourceFile>>,
    digest: Sha256,
    pub(super) problems: Vec<Diagnostic>,
    triggers: Vec<TriggerSpec>,
    functions: Vec<FunctionSpec>,
    tests: Vec<TestSpec>,
    /// The names of protected environments.
    pub(super) protected: BTreeSet<String>,
    requires: Vec<RequireSpec>,
    forgets: Vec<Located<glob::Pattern>>,
    pieces: Vec<Piece>,
}

/// What a [`Loader`] has found.
struct Finished {
    spec: Spec,
    pieces: Vec<Piece>,
    problems: Vec<Diagnostic>,
    /// A file is no TOML.
    is_broken: bool,
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
        let cut = match self.manner {
            Manner::InPieces => Some(split(&file.text)?),
            Manner::Whole => None,
        };
        let rest = cut.as_ref().and_then(|cut| cut.blanked(&file.text));
        let text = match (&rest, &cut) {
            (Some(rest), _) => rest,
            (None, Some(cut)) => file
                .text
                .get(..cut.rest.first().map_or(0, |rest| rest.end))?,
            (None, None) => &file.text,
        };
        let table = match source::parse(&file, text) {
            Ok(table) => table,
            Err(errors) => {
                self.problems.extend(errors);
                return None;
            }
        };
        let mut checker = Checker {
            file: &file,
            offset: 0,
            options: self.options,
            problems: &mut self.problems,
            expressions: false,
        };
        let place = Place {
            section,
            dialect: None,
        };
        // The file itself has no header: what is missing in it is missing at its start.
        let mut record = checker.record(place, &table, 0..0);
        drop(table);
        if let Some(cut) = cut {
            if !cut.parts.is_empty() && (record.has("trigger") || record.has("function")) {
                return None;
            }
            self.pieces.extend(cut.parts.into_iter().map(|range| Piece {
                file: Arc::clone(&file),
                section,
                range,
            }));
        }
        let mut builder = Builder {
            problems: &mut self.problems,
        };
        if section == Section::Top {
            builder.missing(&record, "version", "this file", "version = 1");
        }
        if let Some(Value::Records(records)) = record.take("require") {
            let requires = records
                .into_iter()
                .filter_map(|record| builder.require(record));
            self.requires.extend(requires);
        }
        if let Some(Value::List(patterns)) = record.take("forget") {
            for pattern in patterns.value {
                self.forgets.extend(builder.pattern(pattern));
            }
        }
        if let Some(Value::Records(records)) = record.take("test") {
            let tests = builder.tests(records, self.options.dialects);
            self.tests.extend(tests);
        }
        let mut objects = Objects::default();
        objects.take(&mut record, self.options);
        let Objects {
            triggers,
            functions,
            problems,
        } = objects;
        self.triggers.extend(triggers);
        self.functions.extend(functions);
        self.problems.extend(problems);
        Some(record)
    }

    /// With its length first, so that two files are never taken for one.
    pub(super) fn hash(&mut self, bytes: &[u8]) {
        self.digest.update((bytes.len() as u64).to_be_bytes());
        self.digest.update(bytes);
    }

    fn finish(mut self, mut record: Record, path: &Path) -> Finished {
        let mut is_broken = false;
        if let Some(Value::List(patterns)) = record.take("include") {
            let mut read = HashSet::new();
            read.extend(fs::canonicalize(path).ok());
            let main = read.clone();
            for pattern in patterns.value {
                if let Value::Text(pattern) = pattern {
                    is_broken |= !self.include(&pattern, &main, &mut read);
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
        Finished {
            spec: Spec {
                files: self.files,
                folder: if self.folder.as_os_str().is_empty() {
                    PathBuf::from(".")
                } else {
                    self.folder
                },
                digest: crate::digest::hex(&self.digest.finalize()),
                database,
                environments: names,
                protected: self.protected,
                vars,
                templates,
                triggers: self.triggers,
                functions: self.functions,
                requires: self.requires,
                forgets: self.forgets,
                kinds: BTreeMap::new(),
                tests: self.tests,
                lint,
            },
            pieces: self.pieces,
            problems: self.problems,
            is_broken,
        }
    }
}

/// Put the triggers and tests of a document that was put together from a file's parts into `spec`.
pub(super) fn of_document(
    file: &Arc<SourceFile>,
    table: &DeTable<'_>,
    spec: &mut Spec,
    problems: &mut Vec<Diagnostic>,
) {
    let options = LoadOptions::default();
    let mut checker = Checker {
        file,
        offset: 0,
        options: &options,
        problems,
        expressions: false,
    };
    let place = Place {
        section: Section::Top,
        dialect: None,
    };
    let mut record = checker.record(place, table, 0..0);
    if let Some(Value::Records(records)) = record.take("test") {
        let mut builder = Builder { problems };
        spec.tests = builder.tests(records, options.dialects);
    }
    let mut objects = Objects::default();
    objects.take(&mut record, &options);
    spec.triggers = objects.triggers;
    problems.extend(objects.problems);
    unique(spec, problems);
    kinds(spec, &options, problems);
}

fn unique(spec: &Spec, problems: &mut Vec<Diagnostic>) {
    let triggers = spec.triggers.iter().map(check::Named::of);
    check::unique(triggers, spec.functions.iter(), problems);
}

/// All that is wrong, in file order; what has no place comes first.
fn in_order(files: &[Arc<SourceFile>], mut diagnostics: Vec<Diagnostic>) -> Error {
    let order: HashMap<*const SourceFile, usize> = files
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
        kind: error::Kind::Failed,
        diagnostics,
    }
}

/// The kinds that triggers use, and whether each use says what its kind needs to know.
fn kinds(spec: &mut Spec, options: &LoadOptions<'_>, problems: &mut Vec<Diagnostic>) {
    let library = Library::new(spec.templates.as_deref());
    let mut kinds: BTreeMap<&str, Option<Arc<Kind>>> = BTreeMap::new();
    let mut files = vec![];
    for trigger in &spec.triggers {
        let Some(usage) = &trigger.usage else {
            continue;
        };
        let name = usage.kind.value.as_str();
        let kind = kinds.entry(name).or_insert_with(|| {
            let before = problems.len();
            let kind = library.load(name, problems).map(Arc::new);
            if kind.is_none() && problems.len() == before {
                problems.push(unknown_kind(&usage.kind, &library));
            }
            files.extend(kind.iter().map(|kind| Arc::clone(&kind.file)));
            kind
        });
        let Some(kind) = kind else {
            continue;
        };
        let mut found = vec![];
        for (dialect, _) in options.dialects {
            if trigger.is_for(dialect) && !kind.without.contains_key(*dialect) {
                kind.bind(usage, dialect, &mut found);
            }
        }
        for problem in found {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
    let kinds: BTreeMap<String, Arc<Kind>> = kinds
        .into_iter()
        .filter_map(|(name, kind)| Some((name.to_owned(), kind?)))
        .collect();
    for rule in &spec.requires {
        if let Demand::Kind(named) = &rule.demand
            && !kinds.contains_key(&named.value)
            && !library.names().contains(&named.value)
        {
            problems.push(unknown_kind(named, &library));
        }
    }
    spec.kinds = kinds;
    spec.files.extend(files);
}

fn unknown_kind(wanted: &Located<String>, library: &Library) -> Diagnostic {
    let name = &wanted.value;
    let names = library.names();
    let shown = unknown::short(name);
    let diagnostic = match unknown::closest(name, names.iter().map(String::as_str)) {
        Some(close) => Diagnostic::new(format!(
            "there is no kind `{shown}`, did you mean `{close}`?"
        )),
        None => Diagnostic::new(format!("there is no kind `{shown}`")),
    };
    diagnostic
        .at(&wanted.span)
        .help("`triggerctl kinds` lists them; one of your own is a folder `kinds/NAME` in your templates folder")
}
