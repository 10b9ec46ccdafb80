//! Results for programs: one JSON document each, with a `format_version`.

use serde_json::{Map, Value, json};

use crate::db::Migration;
use crate::error::Error;
use crate::lint::Report;
use crate::plan::Plan;

/// Version of all documents but the plan, which has its own.
pub const FORMAT_VERSION: u32 = 1;

/// A document with these members after its `format_version`.
pub fn document(members: Value) -> String {
    let mut document = Map::new();
    document.insert("format_version".to_owned(), FORMAT_VERSION.into());
    if let Value::Object(members) = members {
        document.extend(members);
    }
    format!("{:#}\n", Value::Object(document))
}

/// The plan document.
pub fn plan(plan: &Plan) -> Result<String, Error> {
    Ok(plan.to_json()? + "\n")
}

/// The outcome of `check`; `lint` is null when it was left out.
pub fn check(plan: &Plan, differs: bool, lint: Option<&Report>) -> Result<String, Error> {
    Ok(document(json!({
        "result": if differs { "differs" } else { "same" },
        "plan": value(plan)?,
        "lint": lint.map(super::lint::value),
    })))
}

/// The outcome of `apply` and `rollback`; no migration when there was nothing to do.
pub fn applied(migration: Option<&Migration>) -> Result<String, Error> {
    let result = if migration.is_some() {
        "applied"
    } else {
        "nothing"
    };
    Ok(document(
        json!({ "result": result, "migration": value(&migration)? }),
    ))
}

/// The migrations, oldest first.
pub fn history(migrations: &[Migration]) -> Result<String, Error> {
    Ok(document(json!({ "migrations": value(&migrations)? })))
}

fn value(data: &impl serde::Serialize) -> Result<Value, Error> {
    serde_json::to_value(data)
        .map_err(|error| Error::failed(format!("the result cannot be written: {error}")))
}
