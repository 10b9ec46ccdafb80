//! The statements of one step. Many thousands of them are held at the same time by several (the desired side, the plan, the
//! migration): the texts are one for all.

use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use crate::model::shared;

/// Statements in order. A clone shares them; whoever adds to them then has his own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Statements(#[serde(with = "shared")] Arc<Vec<String>>);

impl Statements {
    /// Them, to be changed.
    pub fn own(&mut self) -> &mut Vec<String> {
        Arc::make_mut(&mut self.0)
    }

    /// Add one.
    pub fn push(&mut self, statement: String) {
        let all = self.own();
        // Mostly it is the only one, and there are many of these.
        all.reserve_exact(1);
        all.push(statement);
    }

    /// Take all away, and give back what they took.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// No statements: one list for all, since of most objects nothing is done.
static NONE: LazyLock<Arc<Vec<String>>> = LazyLock::new(Arc::default);

impl Default for Statements {
    fn default() -> Self {
        Self(Arc::clone(&NONE))
    }
}

impl Deref for Statements {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}

impl From<Vec<String>> for Statements {
    fn from(statements: Vec<String>) -> Self {
        Self(Arc::new(statements))
    }
}

impl Extend<String> for Statements {
    fn extend<I: IntoIterator<Item = String>>(&mut self, statements: I) {
        self.own().extend(statements);
    }
}

impl IntoIterator for Statements {
    type Item = String;
    type IntoIter = std::vec::IntoIter<String>;

    /// The texts move where nobody else holds them any more.
    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}

impl<'a> IntoIterator for &'a Statements {
    type Item = &'a String;
    type IntoIter = std::slice::Iter<'a, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T, const N: usize> PartialEq<[T; N]> for Statements
where
    String: PartialEq<T>,
{
    fn eq(&self, other: &[T; N]) -> bool {
        **self == *other
    }
}
