//! What can hurt while a plan is carried out, or afterwards, and how much: found when the plan is made, shown with it,
//! and, where it is grave, refused until it is allowed by name.

mod allow;
mod another;
mod assess;
mod body;
mod gather;
mod kinds;
mod locks;
mod protection;
mod replicated;
mod words;

use serde::{Deserialize, Serialize};

pub use allow::{Allow, flags, refuse, unused};
pub(crate) use another::another_spec;
pub(crate) use assess::{Around, assess};
pub use kinds::{ALL, HazardKind, Sheet};
pub(crate) use replicated::replicated;

use super::ObjectRef;
use crate::model::TableId;

/// How much a hazard can hurt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know; shown with `--verbose`.
    Low,
    /// Worth a look before going on; always shown.
    Medium,
    /// Refused until `--allow` acknowledges it.
    High,
}

impl Severity {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What can hurt while or after a step runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hazard {
    /// Which one; the names are stable.
    pub kind: HazardKind,
    /// How much it can hurt here.
    pub severity: Severity,
    /// A sentence for people.
    pub message: String,
    /// The table that it is about.
    pub table: Option<TableId>,
    /// The trigger or function whose step it is.
    pub object: ObjectRef,
}
