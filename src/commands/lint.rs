//! `triggerctl lint`.

use crate::db::Intent;
use crate::dialect::{self, Dialect};
use crate::error::{Error, Kind};
use crate::lint::rules::{self, Severity};
use crate::lint::{self, Against, Report};
use crate::report::{Format, lint as report};

use super::render::meant;
use super::{Context, Outcome, Targets};

/// What counts as a failure, besides errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Deny {
    /// Warnings.
    Warnings,
    /// Warnings and notes.
    Notes,
}

/// Look for what will hurt: cycles, lost rows, missing names, rights, order.
#[derive(Debug, clap::Args)]
pub struct Lint {
    /// Look at the spec alone, for this dialect; may be repeated.
    #[arg(long, value_name = "DIALECT")]
    dialect: Vec<String>,
    /// Exit with 1 for these too, not for errors only.
    #[arg(long, value_enum, value_name = "WHAT")]
    deny: Option<Deny>,
    /// List the rules, and look for nothing.
    #[arg(long)]
    rules: bool,
    #[command(flatten)]
    targets: Targets,
}

impl Lint {
    /// Run it.
    pub fn run(&self, context: &Context) -> Result<Outcome, Error> {
        context.only(
            "lint",
            &[Format::Text, Format::Json, Format::Sarif, Format::Github],
        )?;
        if self.rules {
            let list = match context.output.format {
                Format::Json => report::rules_json(),
                _ => report::rules(&context.output.palette()),
            };
            context.output.result(&list)?;
            return Ok(Outcome::Done);
        }
        let found = self.look(context)?;
        let color = context.output.color.wanted(&std::io::stdout());
        let result = match context.output.format {
            Format::Json => report::json(&found),
            Format::Sarif => report::sarif(&found),
            Format::Github => report::github(&found),
            _ if context.output.quiet && found.findings.is_empty() => String::new(),
            _ => report::text(&found, color, context.common.verbose > 0),
        };
        context.output.result(&result)?;
        let denied = match self.deny {
            None => Severity::Error,
            Some(Deny::Warnings) => Severity::Warning,
            Some(Deny::Notes) => Severity::Note,
        };
        Ok(if found.worst().is_some_and(|worst| worst >= denied) {
            Outcome::Failed
        } else {
            Outcome::Done
        })
    }

    fn look(&self, context: &Context) -> Result<Report, Error> {
        let targets = self.targets.patterns()?;
        if !self.dialect.is_empty() {
            let spec = context.spec_alone()?;
            let dialects = named(&self.dialect)?;
            let meant = meant(context, &spec)?;
            return lint::run(&spec, Against::Nothing(&dialects), &meant, &targets);
        }
        if let Some(mut database) = database(context)? {
            let spec = context.spec()?;
            let meant = lint::all_meant(&meant(context, &spec)?, database.dialect());
            return lint::run(&spec, Against::Database(&mut *database), &meant, &targets);
        }
        let spec = context.spec_alone()?;
        let meant = meant(context, &spec)?;
        lint::run(&spec, Against::Nothing(&meant), &meant, &targets)
    }
}

/// The dialects of these names.
pub(super) fn named(names: &[String]) -> Result<Vec<&'static dyn Dialect>, Error> {
    let find = |name: &String| {
        dialect::by_name(name).ok_or_else(|| {
            Error::new(Kind::Usage, format!("there is no dialect `{name}`"))
                .help(format!("there are {}", dialect::names().join(", ")))
        })
    };
    names.iter().map(find).collect()
}

/// The database, where one is named anywhere.
pub(super) fn database(context: &Context) -> Result<Option<Box<dyn crate::db::Database>>, Error> {
    let alone = context.spec_alone()?;
    match context.url(Some(&alone)) {
        Ok(_) => {}
        // None is named: the spec alone then.
        Err(error)
            if error.kind == Kind::Usage && error.diagnostics.iter().all(|d| d.place.is_none()) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    }
    let spec = context.spec()?;
    context.connect(Some(&spec), Intent::Read).map(Some)
}

/// The names of all rules, for the documentation's test.
pub fn rule_names() -> Vec<&'static str> {
    rules::ALL.iter().map(|rule| rule.name).collect()
}
