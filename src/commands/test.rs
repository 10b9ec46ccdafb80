//! `triggerctl test`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::db::stage;
use crate::db::url::{DatabaseUrl, SqliteLocation};
use crate::db::{self, Intent};
use crate::error::{Diagnostic, Error, Kind, SourceFile};
use crate::kinds::Library;
use crate::report::testing::{Demands, json, junit, tap, text};
use crate::report::{Format, json::document};
use crate::signal;
use crate::spec::Spec;
use crate::testing::kinds::run as run_kinds;
use crate::testing::{Ground, Options, Report, ground::Stops, run};

use super::{Context, Outcome, connect_settings};

/// How often `--watch` looks at the files.
const LOOK: Duration = Duration::from_millis(200);

/// Run the spec's tests against the triggers that it asks for.
///
/// SQLite: in a copy of the schema in memory. PostgreSQL: in a transaction that is always rolled back, or with
/// `--scratch` in a database of its own. MySQL: always in a database of its own. No row stays anywhere.
#[derive(Debug, clap::Args)]
pub struct Test {
    /// Only tests whose names contain this, or match it where it has `*`, `?` or `[`; may be repeated.
    #[arg(long, value_name = "PATTERN")]
    filter: Vec<String>,
    /// Run in a scratch database, made from the live schema and dropped afterwards (PostgreSQL).
    #[arg(long)]
    scratch: bool,
    /// Make the scratch database from this script instead; wins over `test_schema` of the spec.
    #[arg(long, value_name = "FILE")]
    schema_file: Option<PathBuf>,
    /// Fail when fewer of the triggers' events were fired, in percent.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: Option<u8>,
    /// How many scratch databases to use at once, at most.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: Option<u16>,
    /// Run again whenever a file of the spec changes, until Ctrl-C.
    #[arg(long)]
    watch: bool,
    /// Run the tests of this kind instead, on the schema in its `kind.toml`; a name, or a pattern such as `*`; may be
    /// repeated. In memory, where no database is named.
    #[arg(long, value_name = "KIND", conflicts_with_all = ["scratch", "schema_file"])]
    kind: Vec<String>,
    /// Drop scratch databases that killed runs have left, and run nothing.
    #[arg(long, conflicts_with_all = ["filter", "scratch", "schema_file", "min_coverage", "jobs", "watch", "kind"])]
    clean: bool,
}

impl Test {
    /// Run it.
    pub fn run(&self, context: &Context) -> Result<Outcome, Error> {
        let formats = [Format::Text, Format::Json, Format::Junit, Format::Tap];
        context.only("test", &formats)?;
        if self.clean {
            context.only("test --clean", &[Format::Text, Format::Json])?;
            return clean(context);
        }
        // What is running is stopped, so that scratch databases are dropped.
        let stops = Stops::default();
        let to_stop = Arc::clone(&stops);
        signal::catch(Box::new(move || {
            if let Ok(stops) = to_stop.lock() {
                stops.iter().for_each(|stop| stop());
            }
        }))?;
        if self.watch {
            return self.watch(context, &stops);
        }
        let report = self.once(context, &stops, &self.spec(context)?)?;
        Ok(self.outcome(&report))
    }

    /// The spec; for the tests of kinds there need be none.
    fn spec(&self, context: &Context) -> Result<Spec, Error> {
        if !self.kind.is_empty() && !context.common.config.exists() {
            return Ok(Spec::empty());
        }
        context.spec()
    }

    /// Run the tests of kinds.
    fn of_kinds(&self, context: &Context, stops: &Stops, spec: &Spec) -> Result<Report, Error> {
        let library = Library::new(spec.templates.as_deref());
        let mut kinds = vec![];
        for name in library.names() {
            if self.kind.iter().any(|wanted| {
                *wanted == name
                    || glob::Pattern::new(wanted).is_ok_and(|wanted| wanted.matches(&name))
            }) {
                kinds.push(super::kinds::load(&library, &name)?);
            }
        }
        for wanted in self
            .kind
            .iter()
            .filter(|wanted| !wanted.contains(['*', '?', '[']))
        {
            super::kinds::load(&library, wanted)?;
        }
        let url = match context.url(Some(spec)) {
            // None is named: what the kind makes is all that is needed.
            Err(error)
                if error.kind == Kind::Usage
                    && error.diagnostics.iter().all(|d| d.place.is_none()) =>
            {
                db::url::parse("sqlite::memory:", Path::new("."))?
            }
            url => url?,
        };
        let dialect = url.dialect();
        kinds.retain(|kind| match kind.without.get(dialect) {
            None => true,
            Some(reason) => {
                log::warn!(
                    "the kind `{}` is not for {dialect}: {}",
                    kind.name,
                    reason.value
                );
                false
            }
        });
        let report = run_kinds(
            &kinds,
            &spec.clone().bare(),
            (&url, &connect_settings(Some(spec))),
            &self.options(stops)?,
        )?;
        if report.tests.is_empty() && report.filtered == 0 {
            return Err(Error::failed(format!("there is no test to run on {dialect}"))
                .help("`[[test]]` in the `kind.toml` of a kind that is for it; `triggerctl kinds` lists the kinds"));
        }
        Ok(report)
    }

    fn options(&self, stops: &Stops) -> Result<Options, Error> {
        Ok(Options {
            filter: self.patterns()?,
            jobs: self.jobs.map(usize::from),
            stops: Arc::clone(stops),
        })
    }

    /// Run the spec's own tests.
    fn of_spec(&self, context: &Context, stops: &Stops, spec: &Spec) -> Result<Report, Error> {
        let url = context.url(Some(spec))?;
        let script = self.script(spec)?;
        let scratch = self.scratch || self.schema_file.is_some();
        if !scratch && !db::always_scratch(&url) {
            refuse_protected(spec, &url, context.common.env.as_deref())?;
            context.output.remark(
                "note: the tests run in a transaction that is rolled back; what they write, and what the plan changes, is \
                 locked for others meanwhile (`--scratch` locks nothing)\n",
            )?;
        }
        let ground = Ground {
            url: &url,
            settings: connect_settings(Some(spec)),
            scratch,
            script: script.as_ref(),
        };
        run(spec, &ground, &self.options(stops)?)
    }

    fn demands(&self) -> Demands {
        Demands {
            min_coverage: self.min_coverage,
        }
    }

    fn outcome(&self, report: &Report) -> Outcome {
        if report.failures() > 0 || self.demands().missed(report).is_some() {
            Outcome::Failed
        } else {
            Outcome::Done
        }
    }

    /// Run the tests once, and show what came of it.
    fn once(&self, context: &Context, stops: &Stops, spec: &Spec) -> Result<Report, Error> {
        let report = if self.kind.is_empty() {
            self.of_spec(context, stops, spec)
        } else {
            self.of_kinds(context, stops, spec)
        };
        if let Ok(mut stops) = stops.lock() {
            stops.clear();
        }
        let report = report?;
        if report.tests.is_empty() && report.filtered > 0 {
            return Err(Error::failed("no test has such a name")
                .help("`--filter` takes a part of the name, or a pattern with `*` and `?`"));
        }
        let demands = self.demands();
        let shown = match context.output.format {
            Format::Json => json::show(&report, demands),
            Format::Junit => junit::show(&report, demands),
            Format::Tap => tap::show(&report, demands),
            _ => {
                let quiet = context.output.quiet;
                text::show(&report, demands, quiet, &context.output.palette())
            }
        };
        context.output.result(&shown)?;
        Ok(report)
    }

    fn script(&self, spec: &Spec) -> Result<Option<SourceFile>, Error> {
        if let Some(path) = &self.schema_file {
            return stage::read_script(path).map(Some);
        }
        let Some(path) = &spec.database.test_schema else {
            return Ok(None);
        };
        stage::read_script(&path.value)
            .map(Some)
            .map_err(|error| error.map(|diagnostic| diagnostic.at(&path.span)))
    }

    fn patterns(&self) -> Result<Vec<glob::Pattern>, Error> {
        let pattern = |text: &String| {
            let whole = if text.contains(['*', '?', '[']) {
                text.clone()
            } else {
                format!("*{}*", glob::Pattern::escape(text))
            };
            glob::Pattern::new(&whole).map_err(|error| {
                Error::new(
                    Kind::Usage,
                    format!("`--filter {text}` is not a pattern: {error}"),
                )
            })
        };
        self.filter.iter().map(pattern).collect()
    }

    /// Run, and run again when a file changes. An error is shown, and waited on too.
    fn watch(&self, context: &Context, stops: &Stops) -> Result<Outcome, Error> {
        let mut watched = Watched::default();
        loop {
            watched.add(&context.common.config);
            if let Some(path) = &self.schema_file {
                watched.add(path);
            }
            let spec = self.spec(context);
            if let Ok(spec) = &spec {
                watched.add_spec(spec, context);
            }
            let seen = watched.state();
            let ran = spec.and_then(|spec| self.once(context, stops, &spec));
            match ran {
                Ok(_) => {}
                Err(error) if error.kind == Kind::Interrupted => return Err(error),
                Err(error) => context.output.error(&error),
            }
            context
                .output
                .remark("Waiting for a change; Ctrl-C ends it.\n")?;
            while watched.state() == seen {
                if signal::came() {
                    return Ok(Outcome::Done);
                }
                std::thread::sleep(LOOK);
            }
            // Editors write a file in several steps.
            std::thread::sleep(LOOK);
        }
    }
}

/// Refuse to lock the tables of a database that the spec calls protected, by whatever name it is reached.
fn refuse_protected(spec: &Spec, url: &DatabaseUrl, chosen: Option<&str>) -> Result<(), Error> {
    let help = "`--scratch` runs the tests in a database of their own, and touches this one only to copy its schema";
    if let (Some(flag), Some(name)) = (&spec.database.protected, chosen)
        && flag.value
    {
        return Err(Diagnostic::new(format!(
            "the environment `{name}` is protected: tests would lock its tables"
        ))
        .at(&flag.span)
        .help(help)
        .into_error(Kind::Refused));
    }
    let same = |name: &&String| {
        let address = spec.environments.get(*name).and_then(Option::as_ref);
        address.is_some_and(|address| {
            db::url::parse(address, &spec.folder).is_ok_and(|other| other.is_same_place(url))
        })
    };
    match spec.protected.iter().find(same) {
        Some(name) => Err(Diagnostic::new(format!(
            "this is the database of the environment `{name}`, which is protected: tests would lock its tables"
        ))
        .help(help)
        .into_error(Kind::Refused)),
        None => Ok(()),
    }
}

/// Drop what killed runs have left.
fn clean(context: &Context) -> Result<Outcome, Error> {
    let spec = context.spec_if_any()?;
    let mut database = context.connect(spec.as_ref(), Intent::Read)?;
    let (mut dropped, mut in_use) = (vec![], vec![]);
    for leftover in database.leftovers()? {
        let list = if database.remove_leftover(&leftover)? {
            &mut dropped
        } else {
            &mut in_use
        };
        list.push(leftover.name);
    }
    if context.output.format == Format::Json {
        let members = serde_json::json!({ "dropped": dropped, "in_use": in_use });
        context.output.result(&document(members))?;
        return Ok(Outcome::Done);
    }
    let mut text = String::new();
    for (word, names) in [("Dropped", &dropped), ("In use, left alone", &in_use)] {
        for name in names {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{word}: {name}");
        }
    }
    if text.is_empty() {
        text.push_str("There is nothing that a killed run has left.\n");
    }
    context.output.result(&text)?;
    Ok(Outcome::Done)
}

/// Files that are looked at again and again.
#[derive(Default)]
struct Watched {
    files: Vec<PathBuf>,
    /// Folders in which a file may appear that a pattern of `include` matches.
    folders: Vec<PathBuf>,
}

impl Watched {
    fn add(&mut self, path: &Path) {
        if !self.files.iter().any(|other| other == path) {
            self.files.push(path.to_owned());
        }
    }

    fn add_spec(&mut self, spec: &Spec, context: &Context) {
        for file in &spec.files {
            let path = Path::new(&file.name);
            self.add(path);
            self.add_folder(path.parent().unwrap_or(Path::new("")));
        }
        if let Some(folder) = &spec.templates {
            self.add_folder(folder);
            for name in Library::new(Some(folder)).names() {
                self.add_folder(&folder.join("kinds").join(name));
            }
            for dialect in crate::dialect::names() {
                self.add_folder(&folder.join(dialect));
            }
        }
        if let Some(path) = &spec.database.test_schema {
            self.add(&path.value);
        }
        // A schema that changes changes what the tests run in.
        if let Ok(DatabaseUrl::Sqlite(SqliteLocation::File(path))) = context.url(Some(spec)) {
            self.add(&path);
        }
    }

    fn add_folder(&mut self, folder: &Path) {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        if !self.folders.iter().any(|other| other == folder) {
            self.folders.push(folder.to_owned());
        }
    }

    /// When which file was changed, and how large it is.
    fn state(&self) -> BTreeMap<PathBuf, Option<(SystemTime, u64)>> {
        let of = |path: &Path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        let mut state = BTreeMap::new();
        for path in &self.files {
            state.insert(path.clone(), of(path));
        }
        for folder in &self.folders {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let kind = path.extension().and_then(|extension| extension.to_str());
                if matches!(kind, Some("toml" | "sql")) {
                    state.insert(path.clone(), of(&path));
                }
            }
        }
        state
    }
}
