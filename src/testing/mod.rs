//! `triggerctl test`: run the spec's `[[test]]`s against the triggers that the spec asks for, in a place of which nothing
//! stays.
//!
//! [`case`] renders a test for one engine; [`ground`] makes the place (a copy in memory, a transaction, a scratch
//! database) and puts the desired triggers into it; `run` goes through the tests; [`compare`] and `changes` say
//! what differs; [`coverage`] says what no test fired. [`kinds`] runs the tests of kinds. How it looks is `report::tests`' business.

pub mod case;
mod changes;
pub mod compare;
pub mod coverage;
pub mod ground;
pub mod kinds;
mod run;
pub mod value;

use std::time::Duration;

use crate::error::{Located, Span};

use compare::Grid;
pub use coverage::Coverage;
pub use ground::{Ground, Options, run};

/// One way in which a test failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// In one line.
    pub message: String,
    /// Where in the spec.
    pub place: Span,
    /// What the engine said, and what else helps.
    pub notes: Vec<String>,
    /// The rows that differ.
    pub grid: Option<Grid>,
}

/// What came of one test.
#[derive(Debug, Clone)]
pub struct TestResult {
    /// Its name, where it stands in the spec.
    pub name: Located<String>,
    /// How long it took.
    pub duration: Duration,
    /// How it failed; empty when it did not.
    pub failed: Vec<Failed>,
}

impl TestResult {
    /// Whether it went well.
    pub fn passed(&self) -> bool {
        self.failed.is_empty()
    }
}

/// What came of all tests.
#[derive(Debug, Clone)]
pub struct Report {
    /// The dialect that they ran on.
    pub dialect: &'static str,
    /// The engine, its version, and the place: `SQLite 3.54.1, in memory`.
    pub place: String,
    /// The tests, in the order of the spec.
    pub tests: Vec<TestResult>,
    /// Tests of the spec that are for other dialects.
    pub elsewhere: usize,
    /// Tests that a filter left out.
    pub filtered: usize,
    /// What they fired.
    pub coverage: Coverage,
    /// How long it took, setting up included.
    pub duration: Duration,
}

impl Report {
    /// How many failed.
    pub fn failures(&self) -> usize {
        self.tests.iter().filter(|test| !test.passed()).count()
    }
}
