//! `triggerctl apply`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::apply::{Job, Settings, refuse_stale, run, stale};
use crate::db::{Database, Intent, Migration, Patience, Protocol};
use crate::error::{Diagnostic, Error, Kind};
use crate::history::Writer;
use crate::journal::{self, Way};
use crate::plan::hazard::{self, Allow};
use crate::plan::{Options, Plan};
use crate::render::Renderer;
use crate::report::{Format, json, text};
use crate::signal;
use crate::spec::Spec;

use super::{Context, Outcome, Planned, Targets, history_schema, make_plan};

/// Below this many statements nobody needs to see progress.
const STATEMENTS_WORTH_A_BAR: u64 = 200;

/// Make the database as the spec says, as one numbered migration.
#[derive(Debug, clap::Args)]
pub struct Apply {
    /// A plan saved by `plan --out`; without it, plan now.
    #[arg(value_name = "PLAN")]
    plan: Option<PathBuf>,
    /// Take over triggers that are there and that triggerctl did not create.
    #[arg(long)]
    adopt: bool,
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    how: How,
}

/// How to run a migration; `apply` and `rollback` have the same flags for it.
#[derive(Debug, clap::Args)]
pub struct How {
    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,
    /// Go on in spite of a hazard, of all objects or of those that match; may be repeated.
    #[arg(long, value_name = "HAZARD[:OBJECT]")]
    pub allow: Vec<String>,
    /// A message for the history.
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// How long one attempt waits for one lock, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub lock_timeout: u64,
    /// How long to go on trying when locks are held, in seconds; then exit with 4.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub wait: u64,
}

impl How {
    /// Without a terminal there is nobody to ask: refuse at once, before anything is done.
    pub fn must_be_able_to_ask(&self, context: &Context, command: &str) -> Result<(), Error> {
        if self.yes || context.output.can_ask() {
            return Ok(());
        }
        Err(Error::new(
            Kind::Usage,
            format!("`{command}` has nobody to ask: this is not a terminal"),
        )
        .help(format!("`triggerctl {command} --yes` does not ask")))
    }

    /// The hazards that the command line allows.
    pub fn allowed(&self) -> Result<Vec<Allow>, Error> {
        let (mut allowed, mut problems) = (vec![], vec![]);
        for text in &self.allow {
            match Allow::parse(text) {
                Ok(allow) => allowed.push(allow),
                Err(problem) => problems.push(*problem),
            }
        }
        if problems.is_empty() {
            return Ok(allowed);
        }
        Err(Error {
            kind: Kind::Usage,
            diagnostics: problems,
        })
    }

    /// Refuse a plan with a hazard of severity high that is not allowed, and remark on what allows nothing.
    pub fn refuse_hazards(
        &self,
        context: &Context,
        plan: &Plan,
        allowed: &[Allow],
    ) -> Result<(), Error> {
        for allow in hazard::unused(plan, allowed) {
            context.output.remark(&format!(
                "`--allow {}` allows nothing: this plan has no such hazard.\n",
                allow.text
            ))?;
        }
        hazard::refuse(plan, allowed)
    }

    /// Ask, unless `--yes`.
    pub fn confirm(&self, context: &Context, question: &str) -> Result<(), Error> {
        if self.yes || context.output.ask(question)? {
            return Ok(());
        }
        Err(Error::new(Kind::Refused, "declined: nothing was changed"))
    }

    /// A connection for the migration: the one that read, where it will do and nobody was asked meanwhile (who may have
    /// taken an hour to answer).
    pub fn writable(
        &self,
        context: &Context,
        spec: Option<&Spec>,
        read: Box<dyn Database>,
    ) -> Result<Box<dyn Database>, Error> {
        if self.yes && read.can_migrate() {
            return Ok(read);
        }
        drop(read);
        context.connect(spec, Intent::Write)
    }

    /// How long to wait for locks.
    fn patience(&self) -> Patience {
        Patience {
            lock_timeout: Duration::from_millis(self.lock_timeout),
            total: Duration::from_secs(self.wait),
        }
    }

    /// Run a job as the next migration, with progress, and stop cleanly at a signal.
    pub fn run(
        &self,
        context: &Context,
        job: Job,
        writer: Writer<'_>,
        database: &mut dyn Database,
    ) -> Result<Migration, Error> {
        signal::catch(match database.protocol() {
            Protocol::Transaction => database.interrupter(),
            // No statement takes long there or waits for long, and one that is stopped may do harm: MariaDB goes on with a trigger that
            // it had read by half, and refuses all that is written to its table until that is flushed.
            Protocol::Journal => Box::new(|| ()),
        })?;
        let settings = Settings {
            patience: self.patience(),
            message: self.message.clone(),
            writer,
        };
        let bar = bar(context, job.up.len());
        let result = run(&job, &settings, database, &mut |done| {
            bar.set_position(done as u64);
        });
        bar.finish_and_clear();
        Ok(job.recorded(result?))
    }
}

/// A bar on a terminal for what takes a while; nothing anywhere else.
fn bar(context: &Context, statements: usize) -> ProgressBar {
    let statements = statements as u64;
    if context.output.quiet
        || context.output.format != Format::Text
        || statements < STATEMENTS_WORTH_A_BAR
    {
        return ProgressBar::hidden();
    }
    // Drawn on stderr, and by itself only where that is a terminal.
    let bar = ProgressBar::with_draw_target(Some(statements), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{bar:40} {pos}/{len} statements, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A plan that was saved.
fn load(path: &Path) -> Result<Plan, Error> {
    Plan::load(path).map_err(|error| {
        if path.exists() {
            return error;
        }
        let name = path.display();
        error
            .help("save a plan with `triggerctl plan --out FILE`")
            .help(format!(
                "where `{name}` is a trigger: `triggerctl apply --target '{name}'`"
            ))
    })
}

impl Apply {
    /// A saved plan says what it adopts and which triggers it is about. Most who come here meant a trigger.
    fn refuse_choice_of_a_saved_plan(&self) -> Result<(), Error> {
        let option = match &*self.targets.target {
            [] if self.adopt => "--adopt",
            [] => return Ok(()),
            _ => "--target",
        };
        let Some(plan) = &self.plan else {
            return Ok(());
        };
        let plan = plan.display();
        Err(Error::new(
            Kind::Usage,
            format!("`{option}` cannot go with the saved plan `{plan}`, which says so itself"),
        )
        .help(match option {
            "--adopt" => {
                format!("where `{plan}` is a trigger: `triggerctl apply --adopt --target '{plan}'`")
            }
            _ => format!("each pattern has a `--target` of its own: `--target '{plan}'`"),
        })
        .help(match option {
            "--adopt" => "a plan adopts when it is made: `triggerctl plan --adopt --out FILE`",
            _ => "a plan is narrowed when it is made: `triggerctl plan --target GLOB --out FILE`",
        }))
    }

    /// Run it.
    pub fn run(&self, context: &Context) -> Result<Outcome, Error> {
        context.only("apply", &[Format::Text, Format::Json])?;
        self.refuse_choice_of_a_saved_plan()?;
        self.how.must_be_able_to_ask(context, "apply")?;
        let allowed = self.how.allowed()?;
        let (spec, renderer, plan, database, rendering) = match &self.plan {
            None => {
                let options = self.options(self.how.yes)?;
                let mut planned = make_plan(context, &options)?;
                if self.go_on(context, Some(&planned.spec), &mut *planned.database)? {
                    planned = make_plan(context, &options)?;
                }
                let Planned {
                    spec,
                    renderer,
                    database,
                    plan,
                    rendering,
                    asked: _,
                } = planned;
                self.show(context, &plan, &*database)?;
                (Some(spec), renderer, plan, database, rendering)
            }
            Some(path) => {
                let plan = load(path)?;
                let spec = context.spec_if_any_for(&plan)?;
                let mut database = context.connect(spec.as_ref(), Intent::Read)?;
                same_target(&plan, &*database)?;
                self.go_on(context, spec.as_ref(), &mut *database)?;
                if !plan.is_empty() {
                    refuse_stale(&plan, &mut *database)?;
                }
                let folder = spec.as_ref().and_then(|spec| spec.templates.as_deref());
                let renderer = Renderer::of(&*database, folder)?;
                self.show(context, &plan, &*database)?;
                (spec, renderer, plan, database, None)
            }
        };
        plan.refuse_conflicts()?;
        self.how.refuse_hazards(context, &plan, &allowed)?;
        if plan.is_empty() {
            return nothing_done(context);
        }
        self.how.confirm(context, "Make these changes?")?;

        let mut database = self.how.writable(context, spec.as_ref(), database)?;
        let writer = Writer {
            renderer: &renderer,
            schema: history_schema(spec.as_ref()),
        };
        let mut job = Job::from_plan(plan)?;
        job.rendering = rendering;
        let migration = match self.how.run(context, job, writer, &mut *database) {
            Ok(migration) => migration,
            Err(error) => {
                if self.plan.is_some() || !matches!(error.kind, Kind::Failed | Kind::Refused) {
                    return Err(error);
                }
                // A pooler may have one connection for all that we do.
                drop(database);
                return match (error.kind, make_plan(context, &self.options(false)?)) {
                    // What is wrong with a body was left to the migration to find; the check says it with its place in the spec.
                    (Kind::Failed, Err(found)) if has_place(&found) => Err(found),
                    // Several may apply the same spec at the same time, as one in each new container does.
                    (Kind::Refused, Ok(planned)) if planned.plan.is_empty() => {
                        context.output.remark(
                            "Another run has done the same meanwhile: nothing is left to do.\n",
                        )?;
                        nothing_done(context)
                    }
                    _ => Err(error),
                };
            }
        };
        report(context, &migration)?;
        Ok(Outcome::Done)
    }

    /// Finish a migration that was broken off, where it is clear how; whether there was one. What was planned on what it
    /// left does not hold any more.
    fn go_on(
        &self,
        context: &Context,
        spec: Option<&Spec>,
        database: &mut dyn Database,
    ) -> Result<bool, Error> {
        if database.protocol() == Protocol::Transaction {
            return Ok(false);
        }
        let Some(mut broken) = journal::broken(database)? else {
            return Ok(false);
        };
        if !broken.is_clear() {
            // It may still be running: what a template of the user's own has made looks like somebody else's change until that is
            // recorded. Whoever has the lock knows that nobody is at it any more.
            let mut locked = context.connect(spec, Intent::Write)?;
            locked.begin(self.how.patience())?;
            let found = journal::broken(&mut *locked);
            let ended = locked.abort();
            let found = found?;
            ended?;
            let Some(found) = found else {
                return Ok(true);
            };
            broken = found;
        }
        context
            .output
            .remark(&super::repair::shown(Some(&broken)))?;
        if !broken.is_clear() {
            return Err(Diagnostic::new(format!(
                "migration {} was broken off, and it is not clear how to go on",
                broken.migration.version
            ))
            .help("`triggerctl repair` shows the choices")
            .into_error(Kind::Uncertain));
        }
        self.how.confirm(context, "Finish it first?")?;
        let mut database = context.connect(spec, Intent::Write)?;
        let folder = spec.and_then(|spec| spec.templates.as_deref());
        let renderer = Renderer::of(&*database, folder)?;
        let writer = Writer {
            renderer: &renderer,
            schema: history_schema(spec),
        };
        let ended = journal::repair(
            Way::Forward,
            super::repair::PATIENCE,
            writer,
            &mut *database,
        )?;
        if let Some(migration) = ended {
            context.output.remark(&format!(
                "Migration {} is finished now, and recorded as {}.\n",
                migration.version, migration.state
            ))?;
        }
        Ok(true)
    }

    fn options(&self, apply_follows: bool) -> Result<Options, Error> {
        Ok(Options {
            adopt: self.adopt,
            targets: self.targets.patterns()?,
            check_all: false,
            apply_follows,
            ..Options::default()
        })
    }

    fn show(&self, context: &Context, plan: &Plan, database: &dyn Database) -> Result<(), Error> {
        if context.output.format == Format::Json || (context.output.quiet && self.how.yes) {
            return Ok(());
        }
        context.output.result(&text::plan(
            plan,
            context.detail(database, false, !self.targets.target.is_empty()),
            &context.output.palette(),
        ))
    }
}

/// The end of an apply that has changed nothing.
fn nothing_done(context: &Context) -> Result<Outcome, Error> {
    if context.output.format == Format::Json {
        context.output.result(&json::applied(None)?)?;
    }
    Ok(Outcome::Done)
}

/// Whether an error says where in the spec it is.
fn has_place(error: &Error) -> bool {
    let mut diagnostics = error.diagnostics.iter();
    diagnostics.any(|diagnostic| diagnostic.place.is_some())
}

impl Context {
    /// The spec beside a saved plan: not needed, but where there is one it must be the one that was planned.
    fn spec_if_any_for(&self, plan: &Plan) -> Result<Option<Spec>, Error> {
        if !self.common.config.exists() {
            return Ok(None);
        }
        let spec = self.spec()?;
        if spec.digest == plan.spec_digest {
            return Ok(Some(spec));
        }
        let name = self.common.config.display();
        Err(stale(&[format!(
            "`{name}`, or a file that it names, was changed since the plan was made"
        )]))
    }
}

fn same_target(plan: &Plan, database: &dyn Database) -> Result<(), Error> {
    let here = database.target();
    if here.dialect == plan.target.dialect && here.database == plan.target.database {
        return Ok(());
    }
    Err(Diagnostic::new("the plan was made for another database")
        .note(format!(
            "the plan is for {} {}",
            plan.target.dialect, plan.target.database
        ))
        .note(format!("this is {} {}", here.dialect, here.database))
        .help("plan again on this one")
        .into_error(Kind::Refused))
}

/// Say what was done. It is done, whether or not that can be said: where the result is lost, the error tells.
pub fn report(context: &Context, migration: &Migration) -> Result<(), Error> {
    let (version, summary) = (migration.version, &migration.summary);
    if context.output.format == Format::Json {
        let written = context.output.result(&json::applied(Some(migration))?);
        return written.map_err(|error| {
            error.map(|diagnostic| {
                diagnostic
                    .note(format!(
                        "it is done all the same, as version {version}: {summary}"
                    ))
                    .help("`triggerctl history` lists the versions")
            })
        });
    }
    let took = migration.duration_ms.unwrap_or_default();
    // The exit code is all that is left to say so where this cannot be written, and it must not be that of an error.
    let _ = context.output.remark(&format!(
        "Done in {took} ms, as version {version}: {summary}.\n\
         `triggerctl history` lists the versions; `triggerctl rollback` undoes this one.\n"
    ));
    Ok(())
}
