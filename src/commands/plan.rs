//! `triggerctl plan`.

use std::path::PathBuf;

use crate::error::Error;
use crate::plan::{Options, Plan, hazard};
use crate::report::{Format, json, script, text};

use super::{Context, Outcome, Planned, Targets, history_schema, make_plan};

/// Show what would change, without changing anything.
#[derive(Debug, clap::Args)]
pub struct PlanCommand {
    /// Save the plan to FILE, for `apply FILE`.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exit with 2 when something would change.
    #[arg(long)]
    detailed_exitcode: bool,
    /// Take over triggers that are there and that triggerctl did not create.
    #[arg(long)]
    adopt: bool,
    /// List the triggers that triggerctl does not manage.
    #[arg(long)]
    unmanaged: bool,
    #[command(flatten)]
    targets: Targets,
}

impl PlanCommand {
    /// Run it.
    pub fn run(&self, context: &Context) -> Result<Outcome, Error> {
        context.only("plan", &[Format::Text, Format::Json, Format::Sql])?;
        let options = Options {
            adopt: self.adopt,
            targets: self.targets.patterns()?,
            check_all: false,
            apply_follows: false,
            ..Options::default()
        };
        let Planned {
            spec,
            renderer,
            mut database,
            plan,
            rendering: _,
            asked: _,
        } = make_plan(context, &options)?;
        if let Some(path) = &self.out {
            plan.save(path)?;
        }
        let result = match context.output.format {
            Format::Json => json::plan(&plan)?,
            Format::Sql => {
                let writer = crate::history::Writer {
                    renderer: &renderer,
                    schema: history_schema(Some(&spec)),
                };
                script::plan(&plan, &mut *database, &writer)?
            }
            _ => text::plan(
                &plan,
                context.detail(&*database, self.unmanaged, !options.targets.is_empty()),
                &context.output.palette(),
            ),
        };
        context.output.result(&result)?;
        if context.output.format == Format::Text {
            let remark = match &self.out {
                _ if plan.is_empty() && self.out.is_none() => String::new(),
                Some(path) => format!(
                    "Saved; {}",
                    what_follows(
                        &plan,
                        &format!("`triggerctl apply {}`", path.display()),
                        "carries it out"
                    )
                ),
                None if plan.differs() => {
                    what_follows(&plan, "`triggerctl apply`", "makes these changes")
                }
                None => "`triggerctl apply` records them; it runs no DDL.\n".to_owned(),
            };
            context.output.remark(&remark)?;
        }
        Ok(if self.detailed_exitcode && plan.differs() {
            Outcome::Differs
        } else {
            Outcome::Done
        })
    }
}

/// What comes of it when this plan is applied by `command`: that it does what is `done`, or why it is refused.
pub(super) fn what_follows(plan: &Plan, command: &str, done: &str) -> String {
    let flags = hazard::flags(plan);
    if plan.conflicts().next().is_some() {
        format!("{command} refuses as long as there are conflicts.\n")
    } else if flags.is_empty() {
        format!("{command} {done}.\n")
    } else {
        format!(
            "{command} refuses the hazards of severity high without\n`{}`.\n",
            flags.join(" ")
        )
    }
}
