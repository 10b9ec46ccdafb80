//! `triggerctl check`.

use crate::error::Error;
use crate::lint::rules::Severity;
use crate::lint::{self, Against};
use crate::plan::Options;
use crate::report::{Format, json, lint as report, text};

use super::plan::what_follows;
use super::render::meant;
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

/// For CI: validate and lint the spec, compare it with the database, and exit with 2 when anything differs or is wrong.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// Whether triggers that triggerctl does not manage are a difference.
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    unmanaged: Unmanaged,
    /// Leave out what `lint` would say.
    #[arg(long)]
    no_lint: bool,
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
            ..Options::default()
        };
        let Planned {
            spec,
            renderer: _,
            mut database,
            plan,
            rendering: _,
            asked,
        } = make_plan(context, &options)?;
        let found = if self.no_lint {
            None
        } else {
            let meant = lint::all_meant(&meant(context, &spec)?, database.dialect());
            let against = match asked {
                Some(asked) => Against::Asked(&mut *database, asked),
                None => Against::Database(&mut *database),
            };
            Some(lint::run(&spec, against, &meant, &options.targets)?)
        };
        let wrong = found
            .as_ref()
            .is_some_and(|found| found.worst() == Some(Severity::Error));
        let denied = self.unmanaged == Unmanaged::Deny && !plan.unmanaged.is_empty();
        let differs = plan.differs() || denied || wrong || !plan.uncovered.is_empty();
        if context.output.format == Format::Json {
            context
                .output
                .result(&json::check(&plan, differs, found.as_ref())?)?;
        } else if differs || !context.output.quiet {
            let detail = context.detail(&*database, denied, !options.targets.is_empty());
            context
                .output
                .result(&text::plan(&plan, detail, &context.output.palette()))?;
        }
        if let Some(mut found) = found
            && context.output.format == Format::Text
        {
            // What is only worth knowing, `lint` says.
            found
                .findings
                .retain(|finding| finding.severity > Severity::Note);
            if !found.findings.is_empty() {
                let color = context.output.color.wanted(&std::io::stdout());
                let text = report::text(&found, color, false);
                context.output.result(&format!("\n{text}"))?;
            }
        }
        if context.output.format == Format::Text {
            let mut remarks = String::new();
            if plan.differs() {
                remarks.push_str("`triggerctl plan` shows more.\n");
                remarks.push_str(&what_follows(
                    &plan,
                    "`triggerctl apply`",
                    "makes the database as the spec says",
                ));
            }
            if denied {
                remarks.push_str(
                    "`--unmanaged deny` wants every trigger managed; `triggerctl import` takes them\ninto the spec.\n",
                );
            }
            if !plan.uncovered.is_empty() {
                remarks.push_str(
                    "A `[[require]]` of the spec wants triggers that the spec does not have.\n",
                );
            }
            context.output.remark(&remarks)?;
        }
        Ok(if differs {
            Outcome::Differs
        } else {
            Outcome::Done
        })
    }
}
