//! Text that is never shown: its Debug output says only that it is there.

use std::fmt;

/// A password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl Secret {
    /// Keep this text from sight.
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the driver alone.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
