//! The commands, one file each, and what they share: the spec, the connection, the output.

pub mod apply;
pub mod check;
pub mod graph;
pub mod history;
pub mod import;
pub mod init;
pub mod kinds;
pub mod lint;
pub mod plan;
pub mod render;
pub mod repair;
pub mod rollback;
pub mod test;
pub mod validate;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use clap::ValueEnum as _;

use crate::cli::Common;
use crate::db::size::TableState;
use crate::db::url::DatabaseUrl;
use crate::db::{self, Catalog, Database, History, Intent};
use crate::desired::{self, Asked, DesiredSet, Outline, Tables};
use crate::digest::HexDigest;
use crate::error::{Error, Kind};
use crate::lookup::Lookup;
use crate::model::{ObjectId, TableId};
use crate::plan::{Options, Plan, Present, Remarks, foresee, make, read, settled};
use crate::render::Renderer;
use crate::rendering::{self, Ahead, Found, More, Reading, Source};
use crate::report::{Format, Output, text};
use crate::spec::{Draft, LoadOptions, Spec};

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done, or nothing differs.
    Done,
    /// Something differs.
    Differs,
    /// Done, and what was looked for did not hold.
    Failed,
}

impl Outcome {
    /// The process's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Differs => 2,
            Self::Failed => 1,
        }
    }
}

/// What every command has at hand.
pub struct Context {
    /// The common flags.
    pub common: Common,
    /// Where results go.
    pub output: Output,
}

impl Context {
    /// Put together what the command line says.
    pub fn new(common: Common) -> Self {
        let output = Output {
            format: common.format,
            color: common.color,
            quiet: common.quiet,
        };
        Self { common, output }
    }

    /// Refuse a format that a command does not have.
    pub fn only(&self, command: &str, formats: &[Format]) -> Result<(), Error> {
        if formats.contains(&self.output.format) {
            return Ok(());
        }
        let formats: Vec<String> = formats
            .iter()
            .filter_map(|format| Some(format!("`{}`", format.to_possible_value()?.get_name())))
            .collect();
        Err(
            Error::new(Kind::Usage, format!("`{command}` has no such `--format`"))
                .help(format!("it has {}", formats.join(", "))),
        )
    }

    /// The spec, with the chosen environment.
    pub fn spec(&self) -> Result<Spec, Error> {
        Spec::load(&self.common.config, &self.load_options(true))
    }

    /// The spec for a command that needs no database: a variable in its URL that is not set is no error.
    pub fn spec_alone(&self) -> Result<Spec, Error> {
        Spec::load(&self.common.config, &self.load_options(false))
    }

    /// How the command line wants a spec to be read.
    pub fn load_options(&self, needs_url: bool) -> LoadOptions<'_> {
        LoadOptions {
            environment: self.common.env.as_deref(),
            needs_url: needs_url && self.given_url().is_none(),
            ..LoadOptions::default()
        }
    }

    /// The spec where it is only needed to find the database: with a URL at hand, one that is missing or broken is no
    /// reason to refuse (a rollback may be what is needed to mend it).
    pub fn spec_if_any(&self) -> Result<Option<Spec>, Error> {
        match self.spec() {
            Ok(spec) => Ok(Some(spec)),
            Err(error) if self.given_url().is_some() && self.common.env.is_none() => {
                // What `import > triggers.toml` writes to is there already, and empty.
                let is_empty =
                    std::fs::metadata(&self.common.config).is_ok_and(|file| file.len() == 0);
                if self.common.config.exists() && !is_empty {
                    log::warn!("`{}` is left aside: {error}", self.common.config.display());
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The database's URL: `--url`, the environment's, `TRIGGERCTL_URL`, the spec's, in this order.
    pub fn url(&self, spec: Option<&Spec>) -> Result<DatabaseUrl, Error> {
        let url = self.chosen_url(spec)?;
        if crate::dialect::by_name(url.dialect()).is_some_and(crate::dialect::Dialect::qualifies) {
            crate::report::tell_schemas_apart();
        }
        Ok(url)
    }

    fn chosen_url(&self, spec: Option<&Spec>) -> Result<DatabaseUrl, Error> {
        if let Some(url) = self.given_url() {
            return db::url::parse(&url, Path::new("."));
        }
        let Some((spec, url)) = spec.and_then(|spec| Some((spec, spec.database.url.as_ref()?)))
        else {
            return Err(
                Error::new(Kind::Usage, "which database? none is named").help(
                    "name one with `--url`, TRIGGERCTL_URL, or `url` in `[database]` of the spec",
                ),
            );
        };
        db::url::parse(&url.value, &spec.folder).map_err(|error| {
            error.map(|diagnostic| {
                // The picture of a line shows all of it, a password too.
                if diagnostic.place.is_none() && db::url::may_be_shown(&url.value) {
                    diagnostic.at(&url.span)
                } else {
                    diagnostic
                }
            })
        })
    }

    fn given_url(&self) -> Option<String> {
        if self.common.url.is_some() || self.common.env.is_some() {
            return self.common.url.clone();
        }
        std::env::var("TRIGGERCTL_URL")
            .ok()
            .filter(|url| !url.is_empty())
    }

    /// Open the database.
    pub fn connect(&self, spec: Option<&Spec>, intent: Intent) -> Result<Box<dyn Database>, Error> {
        let url = self.url(spec)?;
        db::connect(&url, &connect_settings(spec), intent)
    }

    /// Open the database for reading, and read what needs only the spec's settings, in a thread of its own.
    fn read_ahead(&self, spec: &Spec, source: Option<Source>, all: bool) -> Result<Ahead, Error> {
        let url = self.url(Some(spec))?;
        Ok(Ahead::start(url, connect_settings(Some(spec)), source, all))
    }

    /// How much of a plan to show; `chosen`: the command was told which triggers it is about.
    pub fn detail(&self, database: &dyn Database, unmanaged: bool, chosen: bool) -> text::Detail {
        let verbose = self.common.verbose > 0;
        text::Detail {
            statements: verbose,
            unmanaged,
            schemas: database.dialect().qualifies(),
            most: if verbose { None } else { Some(100) },
            chosen,
        }
    }
}

/// What connecting needs to know from the spec.
pub fn connect_settings(spec: Option<&Spec>) -> db::Settings {
    let database = spec.map(|spec| &spec.database);
    db::Settings {
        create_from: database
            .and_then(|database| database.create_from.as_ref())
            .map(|path| path.value.clone()),
        history_schema: history_schema(spec).to_owned(),
    }
}

/// The schema of the history tables.
pub fn history_schema(spec: Option<&Spec>) -> &str {
    let configured = spec.and_then(|spec| spec.database.history_schema.as_ref());
    configured.map_or(db::HISTORY_SCHEMA, |schema| schema.value.as_str())
}

/// A plan, and what it takes to carry it out.
pub struct Planned {
    /// The spec; without its triggers and functions, unless `check_all` asks for what is desired too.
    pub spec: Spec,
    /// The templates.
    pub renderer: Renderer,
    /// The connection that the plan was made over; for reading only.
    pub database: Box<dyn Database>,
    /// The plan.
    pub plan: Plan,
    /// What the desired side was worked out from, to be written down by whoever carries the plan out.
    pub rendering: Option<String>,
    /// What the spec asks for, where `check_all` asks for it.
    pub asked: Option<Asked>,
}

/// Load, connect, plan. Changes nothing.
pub fn make_plan(context: &Context, options: &Options) -> Result<Planned, Error> {
    let load = context.load_options(true);
    let draft = Draft::read(&context.common.config, &load)?;
    // Where the database is stands in the spec's first lines, mostly: connecting and reading the rest go on side by side.
    let source = draft
        .so_far()
        .and_then(|spec| Source::of(spec, context.common.env.as_deref()));
    let ahead = draft
        .so_far()
        .map(|spec| context.read_ahead(spec, source.clone(), options.check_all));
    let needless = match &ahead {
        Some(Ok(ahead)) => {
            if source.is_some() && !options.check_all {
                ahead.wait();
            }
            Arc::clone(&ahead.needless)
        }
        _ => Arc::default(),
    };
    // What is wrong with the spec is said first.
    let spec = draft.complete_unless(&needless)?;
    let Reading {
        mut database,
        found,
        more,
    } = match ahead {
        Some(ahead) => ahead?.finish()?,
        None => return Err(Error::failed("the spec cannot be read")),
    };
    let (history, catalog) = match found {
        Found::Settled(present) => {
            let mut spec = spec.unwrap_or_else(Draft::without_the_rest);
            free_objects(&mut spec);
            let renderer = Renderer::of(&*database, spec.templates.as_deref())?;
            return Ok(Planned {
                plan: settled(&spec.digest, &present, &mut *database, &renderer, options)?,
                renderer,
                rendering: None,
                asked: None,
                spec,
                database,
            });
        }
        Found::Moved(Present {
            history,
            catalog,
            foreseen: _,
        }) => (Ok(history), Some(catalog)),
        Found::Recorded(history) => (history, None),
    };
    let mut spec = spec.or_else(Draft::complete)?;

    let renderer = Renderer::of(&*database, spec.templates.as_deref())?;
    let mut lookup = Lookup::new(&mut *database);
    if let (Ok(history), true) = (&history, options.targets.is_empty()) {
        lookup = lookup.with_plan(history.records.keys());
    }
    let mut tables = Tables::Live(lookup);
    let mut outline = desired::outline(&spec, &renderer, &mut tables)?;
    let options = Options {
        tables: std::mem::take(&mut outline.tables),
        forgets: std::mem::take(&mut spec.forgets),
        ..options.clone()
    };
    let remarks = remarks(&mut outline);
    let states = tables.foreseen();
    let noted = tables.noted();
    if !options.check_all {
        // What is desired has taken from them what it needs; ten thousand of them are as much memory again.
        free_objects(&mut spec);
    }
    let side = Recorded {
        history,
        catalog,
        more,
        states,
    };
    let (mut database, desired, present) = side.meet(outline, &renderer, database, &options)?;
    // What there is to say besides is worked out anew each time.
    let source = source.filter(|_| remarks.is_empty() && !options.check_all);
    let rendering = rendering::record(source, noted, &desired, &present.history, &*database);
    let plan = make(
        &desired,
        (&spec.digest, remarks),
        present,
        &mut *database,
        &renderer,
        &options,
    )?;
    let asked = options.check_all.then_some(Asked {
        desired,
        tables: options.tables,
    });
    Ok(Planned {
        spec,
        renderer,
        database,
        plan,
        rendering,
        asked,
    })
}

/// The recorded and the live side, as far as they are read already.
struct Recorded {
    history: Result<History, Error>,
    catalog: Option<Catalog>,
    more: Option<More>,
    /// What is known of tables already.
    states: BTreeMap<TableId, TableState>,
}

impl Recorded {
    /// Render what is desired, and meanwhile read the rest of the other sides.
    fn meet(
        self,
        outline: Outline,
        renderer: &Renderer,
        mut database: Box<dyn Database>,
        options: &Options,
    ) -> Result<(Box<dyn Database>, DesiredSet, Present), Error> {
        let Self {
            history,
            catalog,
            more,
            states,
        } = self;
        let server = database.server();
        // What is as it was when it was recorded is mostly there.
        let is_recorded = |id: &ObjectId, digest: &HexDigest| {
            let history = history.as_ref().ok().filter(|_| !options.check_all);
            let record = history.and_then(|history| history.records.get(id));
            record.is_some_and(|record| record.rendered_digest == *digest)
        };
        let (mut desired, read) = outline.render(renderer, server, is_recorded, |outline| {
            let Ok(history) = &history else {
                return Ok(None);
            };
            if let Some(more) = more {
                database = more.join();
            }
            let catalog = match catalog {
                Some(catalog) => catalog,
                None => read(outline.ids(), history, &mut *database)?,
            };
            database.end_moment()?;
            // While the server answers, the others render.
            let sides = (history, &catalog);
            let foreseen = foresee(outline.objects(), sides, states, options, &mut *database);
            Ok::<_, Error>(Some((catalog, foreseen)))
        })?;
        let history = history?;
        let (catalog, foreseen) = read?.unwrap_or_default();
        if !options.check_all {
            let live = |id: &ObjectId| catalog.fingerprints.contains_key(id);
            let live = desired.iter_mut().filter(|(id, _)| live(id));
            live.for_each(|(_, object)| object.forget_text());
        }
        let present = Present {
            history,
            catalog,
            foreseen,
        };
        Ok((database, desired, present))
    }
}

/// What the spec's selectors and rules have to say; warnings are said here, once.
fn remarks(outline: &mut Outline) -> Remarks {
    let warnings: Vec<String> = outline
        .warnings
        .drain(..)
        .map(|warning| match &warning.place {
            Some((span, _)) => format!("{} ({})", warning.message, span.shown()),
            None => warning.message,
        })
        .collect();
    for warning in &warnings {
        log::warn!("{warning}");
    }
    Remarks {
        warnings,
        uncovered: std::mem::take(&mut outline.uncovered),
    }
}

/// Leave of a spec what is not about single objects.
fn free_objects(spec: &mut Spec) {
    spec.triggers = vec![];
    spec.functions = vec![];
}

/// Patterns of `--target`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Targets {
    /// Only triggers whose name, table.name or schema.table.name matches; may be repeated.
    #[arg(short, long = "target", value_name = "GLOB")]
    pub target: Vec<String>,
}

impl Targets {
    /// The patterns.
    pub fn patterns(&self) -> Result<Vec<glob::Pattern>, Error> {
        let pattern = |text: &String| {
            glob::Pattern::new(text).map_err(|error| {
                Error::new(
                    Kind::Usage,
                    format!("`--target {text}` is not a pattern: {error}"),
                )
            })
        };
        self.target.iter().map(pattern).collect()
    }
}
