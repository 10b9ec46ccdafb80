//! triggerctl: declarative database triggers.
//!
//! The way of a run, and of this crate's modules:
//!
//! - [`spec`] reads the TOML file into what the user asked for, every value with its place;
//! - [`selectors`] finds the tables that it is about;
//! - [`dialect`] turns that into one engine's objects ([`model`]) and into DDL, through the templates of [`render`];
//! - [`kinds`] are ready-made triggers: one `use` in the spec becomes several triggers on each of its tables;
//! - [`db`] reads what the live database has and what was recorded, and is the only place that imports a driver;
//! - [`desired`], [`diff`] and [`plan`] compare the three sides and order the steps; compare and plan, without any I/O of their own;
//! - [`apply`] runs a plan as one migration, [`rollback`] prepares the way back, [`history`] writes it down;
//! - [`lint`] looks for what will hurt, with [`effects`] and [`plpgsql`] to know what a body does; [`graph`] draws it;
//! - [`testing`] runs the spec's tests against what it asks for, in a place of which nothing stays;
//! - [`import`] goes the other way, from what is live to a spec;
//! - [`report`] shows any of it to people and programs; [`commands`] are the stories that tie it together, and [`cli`] is
//!   where they are listed.
//!
//! [`sql`] cuts SQL into tokens for those who must look inside it; [`error`] is how anything goes wrong.

pub mod apply;
pub mod cli;
pub mod commands;
pub mod db;
pub mod desired;
pub mod dialect;
pub mod diff;
pub mod digest;
pub mod effects;
pub mod error;
pub mod files;
pub mod graph;
pub mod history;
pub mod import;
pub mod journal;
pub mod kinds;
pub mod lint;
pub mod logging;
pub mod lookup;
pub mod model;
mod parallel;
pub mod plan;
pub mod plpgsql;
pub mod render;
pub mod rendering;
pub mod report;
pub mod rollback;
pub mod selectors;
pub mod signal;
pub mod spec;
pub mod sql;
pub mod testing;
mod words;
