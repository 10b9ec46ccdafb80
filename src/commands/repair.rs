//! `triggerctl repair`.

use std::fmt::Write as _;
use std::time::Duration;

use crate::db::{Intent, Patience};
use crate::error::{Error, Kind};
use crate::history::Writer;
use crate::journal::{self, Broken, Way};
use crate::render::Renderer;
use crate::report::{Format, json};

use super::{Context, Outcome, history_schema};

/// Show what there is of a migration that was broken off, and end it.
///
/// Only MySQL and MariaDB can leave one: there every DDL statement stays once it has run. `apply` finishes it by itself
/// where no trigger was changed by somebody else meanwhile.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools)] // Flags of the command line.
pub struct Repair {
    /// Finish it: make every trigger as it was planned.
    #[arg(long, group = "way")]
    forward: bool,
    /// Undo it: make every trigger as it was before.
    #[arg(long, group = "way")]
    back: bool,
    /// Leave every trigger as it is found, and record the migration as failed.
    #[arg(long, group = "way")]
    leave: bool,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
}

impl Repair {
    /// Run it.
    pub fn run(&self, context: &Context) -> Result<Outcome, Error> {
        context.only("repair", &[Format::Text, Format::Json])?;
        let ends = self.forward || self.back || self.leave;
        if ends && !self.yes && !context.output.can_ask() {
            return Err(Error::new(
                Kind::Usage,
                "`repair` has nobody to ask: this is not a terminal",
            )
            .help("`triggerctl repair --yes` does not ask"));
        }
        let spec = context.spec_if_any()?;
        let mut database = context.connect(spec.as_ref(), Intent::Read)?;
        let broken = journal::broken(&mut *database)?;
        if context.output.format == Format::Json {
            context.output.result(&document(broken.as_ref()))?;
        } else {
            context.output.result(&shown(broken.as_ref()))?;
        }
        let way = match (self.forward, self.back, self.leave) {
            (true, _, _) => Way::Forward,
            (_, true, _) => Way::Back,
            (_, _, true) => Way::Leave,
            _ if broken.is_some() => {
                context.output.remark(
                    "`triggerctl repair --forward` finishes it, `--back` undoes it, `--leave` leaves everything as it is.\n",
                )?;
                return Ok(Outcome::Differs);
            }
            _ => return Ok(Outcome::Done),
        };
        let Some(broken) = broken else {
            return Ok(Outcome::Done);
        };
        for words in broken.would_fail(way, &mut *database)? {
            log::warn!("{words}");
        }
        if !self.yes && !context.output.ask("End the migration so?")? {
            return Err(Error::new(Kind::Refused, "declined: nothing was changed"));
        }
        let mut database = context.connect(spec.as_ref(), Intent::Write)?;
        let renderer = Renderer::of(
            &*database,
            spec.as_ref().and_then(|spec| spec.templates.as_deref()),
        )?;
        let writer = Writer {
            renderer: &renderer,
            schema: history_schema(spec.as_ref()),
        };
        let ended = journal::repair(way, PATIENCE, writer, &mut *database)?;
        if let Some(migration) = ended {
            context.output.remark(&format!(
                "Migration {} is now recorded as {}.\n",
                migration.version, migration.state
            ))?;
        }
        Ok(Outcome::Done)
    }
}

/// How long a repair waits for locks.
pub(super) const PATIENCE: Patience = Patience {
    lock_timeout: Duration::from_secs(2),
    total: Duration::from_secs(30),
};

/// What was found, for people.
pub(super) fn shown(broken: Option<&Broken>) -> String {
    let Some(broken) = broken else {
        return "Nothing is broken off.\n".to_owned();
    };
    let Broken {
        migration,
        found,
        progress: (done, of),
        ..
    } = broken;
    let mut text = format!(
        "Migration {} ({}), begun at {}, has no end: it was broken off, or is still running.\n\
         {done} of {of} statements are known to have run.\n",
        migration.version, migration.summary, migration.started_at
    );
    for (id, found) in found {
        let _ = writeln!(text, "  {id}: {found}");
    }
    text
}

fn document(broken: Option<&Broken>) -> String {
    let objects = |broken: &Broken| {
        let objects = broken.found.iter();
        objects
            .map(|(id, found)| {
                serde_json::json!({ "object": crate::plan::ObjectRef::from(id), "found": found.to_string() })
            })
            .collect::<Vec<_>>()
    };
    json::document(serde_json::json!({
        "unfinished": broken.map(|broken| serde_json::json!({
            "version": broken.migration.version,
            "summary": broken.migration.summary,
            "started_at": broken.migration.started_at,
            "clear": broken.is_clear(),
            "objects": objects(broken),
        })),
    }))
}
