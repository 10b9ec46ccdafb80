//! What tests gave: one file per format.

mod grid;
pub mod json;
pub mod junit;
pub mod tap;
pub mod text;

use super::safe;
use crate::error::Error;
use crate::testing::{Failed, Report};

/// What the command line demands besides that no test fails.
#[derive(Debug, Clone, Copy, Default)]
pub struct Demands {
    /// The least share of events that must have fired, in percent.
    pub min_coverage: Option<u8>,
}

impl Demands {
    /// The share that was reached, where it is less than what was asked for; `None` within is not known.
    pub fn missed(self, report: &Report) -> Option<(u8, Option<u8>)> {
        let wanted = self.min_coverage?;
        // Where there is no trigger, none lacks a test.
        let nothing = report.coverage.unknown.is_none() && report.coverage.triggers.is_empty();
        let reached = report.coverage.percent();
        let enough = nothing || reached.is_some_and(|percent| percent >= wanted);
        (!enough).then_some((wanted, reached))
    }
}

/// What an error says first.
fn headline(error: &Error) -> String {
    let first = error.diagnostics.first();
    first.map_or_else(String::new, |first| safe::conceal(&first.message))
}

/// `triggers.toml:14:9`.
fn place(failed: &Failed) -> String {
    failed.place.shown()
}

/// A failure as plain text, without the name of its test.
fn plain(failed: &Failed) -> String {
    let mut text = format!("{}\nat {}\n", failed.message, place(failed));
    for note in &failed.notes {
        text.push_str(note.trim_end());
        text.push('\n');
    }
    if let Some(grid) = &failed.grid {
        text.push_str(&grid::show(grid, &crate::report::Palette::default(), 0));
    }
    text
}
