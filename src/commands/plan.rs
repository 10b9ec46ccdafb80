//! `triggerctl plan`.

use std::path::PathBuf;

use crate::error::Error;
use crate::plan::{Options, hazard};
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
            tables: vec![],
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
                context.detail(&*database, self.unmanaged),
                &context.output.palette(),
            ),
        };
        context.output.result(&result)?;
        if context.output.format == Format::Text {
            let flags = hazard::flags(&plan);
            let remark = match (&self.out, plan.differs()) {
                (_, true) if !flags.is_empty() && plan.conflicts().next().is_none() => {
                    let what = match &self.out {
                        Some(path) => format!("Saved; `triggerctl apply {}`", path.display()),
                        None => "`triggerctl apply`".to_owned(),
                    };
                    format!(
                        "{what} refuses the hazards of severity high without\n`{}`.\n",
                        flags.join(" ")
                    )
                }
                (Some(path), _) => format!(
                    "Saved; `triggerctl apply {}` carries it out.\n",
                    path.display()
                ),
                (None, true) if plan.conflicts().next().is_some() => {
                    "`triggerctl apply` refuses as long as there are conflicts.\n".to_owned()
                }
                (None, true) => "`triggerctl apply` makes these changes.\n".to_owned(),
                (None, false) if !plan.is_empty() => {
                    "`triggerctl apply` records them; it runs no DDL.\n".to_owned()
                }
                (None, false) => String::new(),
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
