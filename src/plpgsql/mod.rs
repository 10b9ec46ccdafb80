//! What a PL/pgSQL function does, without running it: its syntax tree, the tables that it writes and reads, and where its
//! paths end. Pure. What cannot be understood is said, never guessed.
//!
//! The tree comes from `squawk-parser`, which knows PostgreSQL's grammar and PL/pgSQL's. [`walk()`] follows a function for one
//! trigger and one event, so that what it asks of TG_OP is known.

mod condition;
mod sql;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

pub use condition::Situation;
pub use sql::{Certainty, Name, Table, Write};
pub use tree::{Tree, Unread, parse};
pub use walk::{Assignment, Returned, Returns, Walk, walk};
