#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_push_string,
    clippy::similar_names,
    clippy::too_many_lines,
    clippy::expect_used
)]

mod ddl;
mod live;
mod lowering;
mod refusals;

use std::sync::Arc;

use super::*;
use crate::dialect::testing::{changed, create_all, definitions};
use crate::model::{Function, Trigger};

const TRIGGER: &str = "
[[trigger]]
name = 'audit'
table = 'users'
timing = 'after'
events = ['insert']
body = 'INSERT INTO log(x) VALUES (NEW.id)'
";

/// `TRIGGER` with lines replaced or added.
fn with(changes: &str) -> String {
    changed(TRIGGER, changes)
}

fn both(changes: &str) -> Vec<Definition> {
    definitions(&Postgres, &with(changes))
}

fn trigger(changes: &str) -> Trigger {
    match both(changes).pop() {
        Some(Definition::Trigger(trigger)) => Arc::unwrap_or_clone(trigger),
        _ => panic!("a trigger comes last"),
    }
}

fn function(changes: &str) -> Function {
    match both(changes).remove(0) {
        Definition::Function(function) => Arc::unwrap_or_clone(function),
        Definition::Trigger(_) => panic!("a function comes first"),
    }
}

fn statements(changes: &str) -> Vec<String> {
    create_all(&Postgres, &both(changes), Postgres.newest())
}
