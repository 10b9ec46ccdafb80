//! triggerctl: declarative database triggers.
//!
//! The way of a run, and of this crate's modules:
//!
//! - [`spec`] reads the TOML file into what the user asked for, every value with its place;
//! - [`dialect`] turns that into one engine's objects ([`model`]) and into DDL, through the templates of [`render`];
//! - [`db`] reads what the live database has and what was recorded, and is the only place that imports a driver;
//! - `diff` and `plan` compare the three sides and order the steps; both are pure;
//! - `apply` runs a plan as one migration, `history` writes it down;
//! - `report` shows any of it to people and programs; `commands` are the stories that tie it together.
//!
//! [`sql`] cuts SQL into tokens for those who must look inside it; [`error`] is how anything goes wrong.

pub mod db;
pub mod dialect;
pub mod error;
pub mod model;
pub mod render;
pub mod report;
pub mod spec;
pub mod sql;
