//! What went wrong, where, and what to do next: one error type that travels up to `main` as a value.
//!
//! An [`Error`] is a [`Kind`], which decides the exit code, and one or more [`Diagnostic`]s, each with a message, the
//! place in a source text, notes in the engine's own words, and help. How they look is `report`'s business.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A text that diagnostics point into: a spec file, a template, or a generated statement.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// What is shown as its name: the path as the user gave it, or `<trigger users_age on users>`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// A range of bytes in a source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The text.
    pub file: Arc<SourceFile>,
    /// Bytes from the start of the text; within it, and at character boundaries.
    pub range: Range<usize>,
}

impl Span {
    /// Line and column of the start, both from 1, the column in characters.
    pub fn line_column(&self) -> (usize, usize) {
        let before = &self.file.text.as_bytes()[..self.range.start.min(self.file.text.len())];
        let before = String::from_utf8_lossy(before);
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        (line, column)
    }

    /// Where it starts: `triggers.toml:14:9`.
    pub fn shown(&self) -> String {
        let (line, column) = self.line_column();
        format!("{}:{line}:{column}", self.file.name)
    }
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

/// What decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Something is wrong: exit 1.
    Failed,
    /// triggerctl will not do it without more being said: exit 3.
    Refused,
    /// A lock was not to be had in time; nothing was changed: exit 4.
    Busy,
    /// The state of the database is not known and needs a person: exit 5.
    Uncertain,
    /// Wrong usage of the command line: exit 64.
    Usage,
    /// Stopped by a signal; nothing was changed: exit 130.
    Interrupted,
}

impl Kind {
    /// The process's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Refused => 3,
            Self::Busy => 4,
            Self::Uncertain => 5,
            Self::Usage => 64,
            Self::Interrupted => 130,
        }
    }

    /// The word for `--format json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Busy => "busy",
            Self::Uncertain => "uncertain",
            Self::Usage => "usage",
            Self::Interrupted => "interrupted",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// One line that says what is wrong: lower case, no full stop, names in backquotes.
    pub message: String,
    /// Where: the place to underline, with a few words beside the underline (may be empty).
    pub place: Option<(Span, String)>,
    /// Other places that matter ("first defined here").
    pub related: Vec<(Span, String)>,
    /// Facts, such as the engine's own message.
    pub notes: Vec<String>,
    /// What to do next.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// A diagnostic with a message only.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: None,
            related: vec![],
            notes: vec![],
            help: vec![],
        }
    }

    /// Underline `span`.
    #[must_use]
    pub fn at(self, span: &Span) -> Self {
        self.labelled(span, "")
    }

    /// Underline `span`, with a few words beside it.
    #[must_use]
    pub fn labelled(mut self, span: &Span, label: impl Into<String>) -> Self {
        self.place = Some((span.clone(), label.into()));
        self
    }

    /// Show another place.
    #[must_use]
    pub fn related(mut self, span: &Span, label: impl Into<String>) -> Self {
        self.related.push((span.clone(), label.into()));
        self
    }

    /// Add a fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Say what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

/// Everything that went wrong in one run.
#[derive(Debug, Clone)]
pub struct Error {
    /// Decides the exit code.
    pub kind: Kind,
    /// Never empty; in file order where they point into files.
    pub diagnostics: Vec<Diagnostic>,
}

impl Error {
    /// An error of this kind with one message.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Diagnostic::new(message).into_error(kind)
    }

    /// An error that exits with 1.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// Change the diagnostics one by one, for example to add a place.
    #[must_use]
    pub fn map(mut self, change: impl FnMut(Diagnostic) -> Diagnostic) -> Self {
        self.diagnostics = self.diagnostics.into_iter().map(change).collect();
        self
    }

    /// Add a fact to every diagnostic.
    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Self {
        let note = note.into();
        self.map(|diagnostic| diagnostic.note(note.clone()))
    }

    /// Say what to do next.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        let help = help.into();
        self.map(|diagnostic| diagnostic.help(help.clone()))
    }

    /// `Ok` when nothing was collected, else an error that exits with 1.
    pub fn collected(diagnostics: Vec<Diagnostic>) -> Result<(), Self> {
        if diagnostics.is_empty() {
            return Ok(());
        }
        Err(Self {
            kind: Kind::Failed,
            diagnostics,
        })
    }
}

impl Diagnostic {
    /// An error with this diagnostic alone.
    pub fn into_error(self, kind: Kind) -> Error {
        Error {
            kind,
            diagnostics: vec![self],
        }
    }
}

impl From<Diagnostic> for Error {
    fn from(diagnostic: Diagnostic) -> Self {
        diagnostic.into_error(Kind::Failed)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            f.write_str(&diagnostic.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
