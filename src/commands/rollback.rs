//! `triggerctl rollback`.

use crate::db::Intent;
use crate::desired::allows_faults;
use crate::error::Error;
use crate::history::Writer;
use crate::model::ObjectId;
use crate::render::Renderer;
use crate::report::{Format, json, text};
use crate::rollback::prepare;
use crate::spec::Spec;

use super::apply::{How, report};
use super::{Context, Outcome, history_schema};

/// Go back to how an earlier version left the database: the one before the latest, or any with `--to`.
///
/// This is a new migration itself, which can be undone like any other: run twice without `--to`, it undoes itself.
#[derive(Debug, clap::Args)]
pub struct Rollback {
    /// The version to go back to, which is kept; all that came after it is undone. 0 is before the first.
    #[arg(long, value_name = "VERSION")]
    to: Option<i64>,
    #[command(flatten)]
    how: How,
}

impl Rollback {
    /// Run it.
    pub fn run(&self, context: &Context) -> Result<Outcome, Error> {
        context.only("rollback", &[Format::Text, Format::Json])?;
        self.how.must_be_able_to_ask(context, "rollback")?;
        let allowed = self.how.allowed()?;
        let spec = context.spec_if_any()?;
        let mut database = context.connect(spec.as_ref(), Intent::Read)?;
        let folder = spec.as_ref().and_then(|spec| spec.templates.as_deref());
        let renderer = Renderer::of(&*database, folder)?;
        let allowing = spec.as_ref().map(allowing).unwrap_or_default();
        let may_fail = |id: &ObjectId| may_fail(&allowing, id);
        let rollback = prepare(&mut *database, &renderer, self.to, &may_fail)?;
        if context.output.format == Format::Text && !(context.output.quiet && self.how.yes) {
            let detail = context.detail(&*database, false, false);
            context.output.result(&text::rollback(
                &rollback,
                detail,
                &context.output.palette(),
            ))?;
        }
        if rollback.is_there {
            if context.output.format == Format::Json {
                context.output.result(&json::applied(None)?)?;
            }
            return Ok(Outcome::Done);
        }
        self.how.refuse_hazards(context, &rollback.plan, &allowed)?;
        self.how.confirm(context, "Go back?")?;

        let mut database = self.how.writable(context, spec.as_ref(), database)?;
        let writer = Writer {
            renderer: &renderer,
            schema: history_schema(spec.as_ref()),
        };
        let migration = self
            .how
            .run(context, rollback.job, writer, &mut *database)?;
        report(context, &migration)?;
        Ok(Outcome::Done)
    }
}

/// The triggers of which the spec says that they may fail, as an import does of what was broken already.
fn allowing(spec: &Spec) -> Vec<&str> {
    spec.triggers
        .iter()
        .filter(|trigger| allows_faults(&trigger.allow))
        .map(|trigger| trigger.name.value.as_str())
        .collect()
}

/// Whether what comes back may fail: a trigger of several events is one for each on some engines, `<name>_insert`.
fn may_fail(allowing: &[&str], id: &ObjectId) -> bool {
    allowing.iter().any(|name| {
        let rest = id.name().strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    })
}
