//! `triggerctl check`.

use crate::error::Error;
use crate::plan::Options;
use crate::report::{Format, json, text};

use super::{Context, Outcome, Planned, Targets, make_plan};

/// What `check` does about triggers that triggerctl does not manage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Unmanaged {
    /// They are counted.
    #[default]
    Allow,
    /// They count as a difference.
    Deny,
}

/// For CI: validate the spec, compare it with the database, and exit with 2 when anything differs.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// Whether triggers that triggerctl does not manage are a difference.
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    unmanaged: Unmanaged,
    #[command(flatten)]
    targets: Targets,
}

impl Check {
    /// Run it.
    pub fn run(&self, context: &Context) -> Result<Outcome, Error> {
        context.only("check", &[Format::Text, Format::Json])?;
        let options = Options {
            adopt: false,
            targets: self.targets.patterns()?,
            check_all: true,
            apply_follows: false,
            tables: vec![],
        };
        let Planned {
            spec: _,
            renderer: _,
            database,
            plan,
            rendering: _,
        } = make_plan(context, &options)?;
        let denied = self.unmanaged == Unmanaged::Deny && !plan.unmanaged.is_empty();
        let differs = plan.differs() || denied || !plan.uncovered.is_empty();
        if context.output.format == Format::Json {
            context.output.result(&json::check(&plan, differs)?)?;
        } else if differs || !context.output.quiet {
            let detail = context.detail(&*database, denied);
            context
                .output
                .result(&text::plan(&plan, detail, &context.output.palette()))?;
        }
        if plan.differs() && context.output.format == Format::Text {
            context
                .output
                .remark("`triggerctl plan` shows more; `triggerctl apply` makes the database as the spec says.\n")?;
        }
        Ok(if differs {
            Outcome::Differs
        } else {
            Outcome::Done
        })
    }
}
