//! What people and programs see: one file a format.

pub mod diagnostics;
mod safe;
