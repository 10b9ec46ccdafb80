//! How results and errors look: one file per format. Everything is put together as text first and written at once, the
//! result to stdout, all else to stderr, and a reader that goes away early is no error.

pub mod diagnostics;
pub mod json;
pub mod lint;
mod safe;
pub mod script;
pub mod testing;
pub mod text;

use std::io::{IsTerminal as _, Write};

use anstyle::{AnsiColor, Style};

use crate::error::{Error, Kind};

/// The formats that `--format` knows; not every command has every one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document with a `format_version`, for errors too.
    Json,
    /// SQL: for `render` what it prints anyway; for `plan` a script that also records the migration.
    Sql,
    /// SARIF 2.1.0, for code scanners (`lint`).
    Sarif,
    /// Annotations of GitHub Actions (`lint`).
    Github,
    /// Graphviz (`graph`).
    Dot,
    /// Mermaid, for Markdown (`graph`).
    Mermaid,
    /// A picture (`graph`).
    Svg,
    /// JUnit's XML, for `test`.
    Junit,
    /// The Test Anything Protocol, for `test`.
    Tap,
}

/// A remark, as people see it.
pub(crate) fn remark(text: &str) -> String {
    safe::short(text).into_owned()
}

/// Have messages name the schemas of tables: the run is about an engine that tells them apart.
pub(crate) fn tell_schemas_apart() {
    safe::tell_schemas_apart();
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether to colour what goes to `stream`.
    pub fn wanted(self, stream: &impl std::io::IsTerminal) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
                    || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
                !refused && stream.is_terminal()
            }
        }
    }
}

/// The few styles that text output has; all plain where colour is not wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Palette {
    /// What comes in.
    pub added: Style,
    /// What goes.
    pub removed: Style,
    /// What changes.
    pub changed: Style,
    /// What is wrong.
    pub wrong: Style,
    /// What matters most.
    pub strong: Style,
    /// What matters least.
    pub faint: Style,
}

impl Palette {
    /// Coloured or plain.
    pub fn new(color: bool) -> Self {
        if !color {
            return Self::default();
        }
        let style = |color: AnsiColor| Style::new().fg_color(Some(color.into()));
        Self {
            added: style(AnsiColor::Green),
            removed: style(AnsiColor::Red),
            changed: style(AnsiColor::Yellow),
            wrong: style(AnsiColor::Red).bold(),
            strong: Style::new().bold(),
            faint: Style::new().dimmed(),
        }
    }
}

/// Where results and remarks go.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// The format of the result.
    pub format: Format,
    /// When to use colour.
    pub color: Color,
    /// Say nothing but results and errors.
    pub quiet: bool,
}

impl Output {
    /// The styles for results.
    pub fn palette(&self) -> Palette {
        Palette::new(self.color.wanted(&std::io::stdout()))
    }

    /// Write a result to stdout.
    pub fn result(&self, text: &str) -> Result<(), Error> {
        write(&mut std::io::stdout().lock(), text)
    }

    /// Write a remark to stderr, unless `--quiet`.
    pub fn remark(&self, text: &str) -> Result<(), Error> {
        if self.quiet {
            return Ok(());
        }
        write(&mut std::io::stderr().lock(), text)
    }

    /// Write an error: to stderr for people, and to stdout in the format of what there would have been; of JSON to stdout alone, unless that cannot be
    /// written, which may be the error itself.
    pub fn error(&self, error: &Error) {
        if self.format == Format::Json {
            let document = diagnostics::json(error);
            if write(&mut std::io::stdout().lock(), &format!("{document:#}\n")).is_ok() {
                return;
            }
        }
        let document = match self.format {
            // Perhaps the command has no such format.
            _ if error.kind == Kind::Usage => None,
            Format::Github => Some(lint::github_error(error)),
            Format::Sarif => Some(lint::sarif_error(error)),
            Format::Junit => Some(testing::junit::error(error)),
            Format::Tap => Some(testing::tap::error(error)),
            _ => None,
        };
        if let Some(document) = document {
            let _ = write(&mut std::io::stdout().lock(), &document);
        }
        let color = self.color.wanted(&std::io::stderr());
        // There is nobody left to tell when even this cannot be written.
        let _ = write(
            &mut std::io::stderr().lock(),
            &diagnostics::text(error, color),
        );
    }

    /// Whether a person sits there to be asked.
    pub fn can_ask(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Ask a yes-or-no question; anything but yes is no.
    pub fn ask(&self, question: &str) -> Result<bool, Error> {
        write(&mut std::io::stderr().lock(), &format!("{question} [y/N] "))?;
        let mut answer = String::new();
        std::io::stdin()
            .read_line(&mut answer)
            .map_err(|error| Error::failed(format!("the answer cannot be read: {error}")))?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}

fn write(stream: &mut impl Write, text: &str) -> Result<(), Error> {
    match stream
        .write_all(text.as_bytes())
        .and_then(|()| stream.flush())
    {
        Ok(()) => Ok(()),
        // `triggerctl plan | head` has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Error::failed(format!(
            "the output cannot be written: {error}"
        ))),
    }
}
