//! The command line: the flags that all commands share, and the list of commands. What a command does is in its file
//! under `commands`, whose doc comment is its help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands;
use crate::error::Error;
use crate::report::{Color, Format};

/// Declarative database triggers: one TOML file, real triggers in SQLite, PostgreSQL, MySQL and MariaDB.
#[derive(Debug, Parser)]
#[command(
    name = "triggerctl",
    version,
    max_term_width = 80,
    propagate_version = true,
    after_help = "Exit codes: 0 done, or nothing differs; 1 error; 2 something differs; 3 refused; 4 busy, try \
                  again; 5 the database's state is uncertain; 64 wrong usage; 130 interrupted."
)]
pub struct Cli {
    /// Flags for all commands.
    #[command(flatten)]
    pub common: Common,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command has.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of all commands")]
pub struct Common {
    /// The spec file.
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        default_value = "triggers.toml"
    )]
    pub config: PathBuf,
    /// The database, such as sqlite:app.db or postgres://host/name [env: TRIGGERCTL_URL].
    #[arg(short, long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// An environment of the spec, for its URL and vars.
    #[arg(short, long, global = true, value_name = "NAME")]
    pub env: Option<String>,
    /// What the result looks like.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        hide_possible_values = false
    )]
    pub format: Format,
    /// When to use colour.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
    /// Say nothing but results and errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more: statements, locks and hazards in plans, and what is being done.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)] // Each one's documentation is on its struct, where it is also its help.
pub enum Command {
    Init(commands::init::Init),
    Validate(commands::validate::Validate),
    Render(commands::render::Render),
    Plan(commands::plan::PlanCommand),
    Apply(commands::apply::Apply),
    Check(commands::check::Check),
    Lint(commands::lint::Lint),
    Graph(commands::graph::GraphCommand),
    Test(commands::test::Test),
    Import(commands::import::ImportCommand),
    History(commands::history::HistoryCommand),
    Rollback(commands::rollback::Rollback),
    Repair(commands::repair::Repair),
    Kinds(commands::kinds::Kinds),
}

impl Command {
    /// Run it.
    pub fn run(&self, context: &commands::Context) -> Result<commands::Outcome, Error> {
        match self {
            Self::Init(command) => command.run(context),
            Self::Validate(command) => command.run(context),
            Self::Render(command) => command.run(context),
            Self::Plan(command) => command.run(context),
            Self::Apply(command) => command.run(context),
            Self::Check(command) => command.run(context),
            Self::Lint(command) => command.run(context),
            Self::Graph(command) => command.run(context),
            Self::Test(command) => command.run(context),
            Self::Import(command) => command.run(context),
            Self::History(command) => command.run(context),
            Self::Rollback(command) => command.run(context),
            Self::Repair(command) => command.run(context),
            Self::Kinds(command) => command.run(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
