//! `triggerctl history`.

use crate::db::Intent;
use crate::error::Error;
use crate::report::{Format, json, text};

use super::{Context, Outcome};

/// List the migrations, newest first.
#[derive(Debug, clap::Args)]
pub struct HistoryCommand {
    /// Show this version alone, with its statements both ways.
    #[arg(value_name = "VERSION")]
    number: Option<i64>,
}

impl HistoryCommand {
    /// Run it.
    pub fn run(&self, context: &Context) -> Result<Outcome, Error> {
        context.only("history", &[Format::Text, Format::Json])?;
        let spec = context.spec_if_any()?;
        let mut database = context.connect(spec.as_ref(), Intent::Read)?;
        let as_json = context.output.format == Format::Json;
        let mut migrations = database.migrations(as_json || self.number.is_some())?;
        let palette = context.output.palette();
        let result = match self.number {
            None if as_json => json::history(&migrations)?,
            None => text::history(&migrations, &palette),
            Some(version) => {
                migrations.retain(|migration| migration.version == version);
                let Some(migration) = migrations.first() else {
                    return Err(Error::failed(format!("there is no version {version}"))
                        .help("`triggerctl history` lists those that there are"));
                };
                if as_json {
                    json::history(&migrations)?
                } else {
                    text::migration(migration, &palette)
                }
            }
        };
        context.output.result(&result)?;
        Ok(Outcome::Done)
    }
}
