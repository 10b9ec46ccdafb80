//! SQLite's rules.

pub mod parse;
