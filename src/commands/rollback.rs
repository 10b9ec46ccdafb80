//! `triggerctl rollback`.

use crate::db::Intent;
use crate::error::Error;
use crate::history::Writer;
use crate::render::Renderer;
use crate::report::{Format, text};
use crate::rollback::prepare;

use super::apply::{How, report};
use super::{Context, Outcome, history_schema};

/// Go back to the version before, or to any earlier one; this is a new migration itself.
#[derive(Debug, clap::Args)]
pub struct Rollback {
    /// The version whose state comes back; 0 is the state before the first.
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
        let renderer = Renderer::new(database.dialect(), folder)?;
        let rollback = prepare(&mut *database, &renderer, self.to)?;
        if context.output.format == Format::Text && !(context.output.quiet && self.how.yes) {
            let detail = context.detail(&*database, false, false);
            context.output.result(&text::rollback(
                &rollback,
                detail,
                &context.output.palette(),
            ))?;
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
            .run(context, &rollback.job, writer, &mut *database)?;
        report(context, &migration)?;
        Ok(Outcome::Done)
    }
}
