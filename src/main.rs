//! The `triggerctl` binary: read the command line, run the command, turn what comes back into an exit code.

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use triggerctl::cli::Cli;
use triggerctl::commands::Context;
use triggerctl::error::{Error, Kind};
use triggerctl::logging;
use triggerctl::report::{Color, Format, Output};

/// A plan of ten thousand triggers is a million small pieces of memory, taken by several threads: with the allocator of the
/// C library a quarter of the time goes into it, with musl's far more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    logging::start(cli.common.quiet, cli.common.verbose);
    let context = Context::new(cli.common);
    match cli.command.run(&context) {
        Ok(outcome) => ExitCode::from(outcome.exit_code()),
        Err(error) => {
            context.output.error(&error);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

/// `--help` and `--version` are no errors; all else that clap refuses is wrong usage.
fn usage(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        // A reader that went away has seen enough.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let words: Vec<String> = std::env::args().collect();
    let json = words.iter().any(|word| word == "--format=json")
        || words
            .windows(2)
            .any(|pair| matches!(pair, [flag, value] if flag == "--format" && value == "json"));
    if json {
        let text = error.render().to_string();
        // What follows is how to use it, for people.
        let (message, _) = text.split_once("\n\nUsage:").unwrap_or((&text, ""));
        let message = message.trim().trim_start_matches("error: ");
        let output = Output {
            format: Format::Json,
            color: Color::Never,
            quiet: true,
        };
        output.error(&Error::new(Kind::Usage, message));
    } else {
        let _ = error.print();
    }
    ExitCode::from(Kind::Usage.exit_code())
}
