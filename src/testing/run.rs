//! Going through the tests: set up, do, look, undo.

use std::time::Instant;

use crate::db::stage::{Closed, Failure, Rows, Snapshot, Stage, Trouble};
use crate::error::Error;
use crate::spec::{ChangesSpec, ErrorSpec};

use super::case::{Case, Query, Sql};
use super::{Failed, TestResult, changes, compare};

/// Run one test: its result, and what it leaves.
pub(super) fn case(case: &Case, stage: &mut dyn Stage) -> Result<(TestResult, Closed), Error> {
    let start = Instant::now();
    stage.open()?;
    let failed = steps(case, stage);
    // Whatever happened, it is undone.
    let closed = stage.close();
    let result = TestResult {
        name: case.name.clone(),
        failed: failed?,
        duration: start.elapsed(),
    };
    Ok((result, closed?))
}

/// The engine's refusal of a part of the test, or the error that ends everything.
fn refused<T>(
    result: Result<T, Trouble>,
    part: &str,
    sql: &Sql,
) -> Result<Result<T, Failed>, Error> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Trouble::Fatal(error)) => Err(error),
        Err(Trouble::Sql(failure)) => Ok(Err(failure_of(part, sql, failure))),
    }
}

fn failure_of(part: &str, sql: &Sql, failure: Failure) -> Failed {
    let Failure {
        message,
        sqlstate,
        range,
        notes,
    } = failure;
    let code = sqlstate.map_or_else(String::new, |state| format!(" (SQLSTATE {state})"));
    Failed {
        message: format!("`{part}` fails: {message}{code}"),
        place: sql.place(range),
        notes,
        grid: None,
    }
}

fn steps(case: &Case, stage: &mut dyn Stage) -> Result<Vec<Failed>, Error> {
    if let Some(given) = &case.given
        && let Err(failed) = refused(stage.run(&given.text), "given", given)?
    {
        return Ok(vec![failed]);
    }
    let mut before = vec![];
    for changes in &case.expect_changes {
        match snapshot(stage, changes)? {
            Ok(snapshot) => before.push(snapshot),
            Err(failed) => return Ok(vec![failed]),
        }
    }
    let mut failed = vec![];
    if let Some(wanted) = &case.expect_error {
        stage.remember()?;
        let ran = stage.run(&case.when.text).and_then(|()| stage.settle());
        match ran {
            Ok(()) => {
                return Ok(vec![Failed {
                    message: format!("`when` was to fail with {}, and went well", error(wanted)),
                    place: wanted.span.clone(),
                    notes: vec![],
                    grid: None,
                }]);
            }
            Err(Trouble::Fatal(error)) => return Err(error),
            Err(Trouble::Sql(failure)) => {
                stage.recover()?;
                failed.extend(other_error(wanted, &case.when, failure));
            }
        }
    } else {
        let ran = stage.run(&case.when.text).and_then(|()| stage.settle());
        if let Err(failed) = refused(ran, "when", &case.when)? {
            return Ok(vec![failed]);
        }
    }
    for (changes, before) in case.expect_changes.iter().zip(&before) {
        match snapshot(stage, changes)? {
            Ok(after) => failed.extend(differences(changes, before, &after)),
            Err(error) => {
                failed.push(error);
                return Ok(failed);
            }
        }
    }
    for query in &case.expect {
        match refused(stage.query(&query.sql.text), "query", &query.sql)? {
            Ok(found) => failed.extend(difference(query, &found)),
            // After an error, an engine may answer nothing more.
            Err(error) => {
                failed.push(error);
                return Ok(failed);
            }
        }
    }
    Ok(failed)
}

fn error(wanted: &ErrorSpec) -> String {
    match (&wanted.message, &wanted.sqlstate) {
        (Some(message), Some(state)) => {
            format!("`{}` and SQLSTATE {}", message.value, state.value)
        }
        (Some(message), None) => format!("`{}`", message.value),
        (None, Some(state)) => format!("SQLSTATE {}", state.value),
        (None, None) => "an error".to_owned(),
    }
}

/// Whether it failed as it was to.
fn other_error(wanted: &ErrorSpec, when: &Sql, failure: Failure) -> Option<Failed> {
    let says = wanted
        .message
        .as_ref()
        .is_none_or(|message| failure.message.contains(&message.value));
    let coded = wanted.sqlstate.as_ref().is_none_or(|state| {
        failure
            .sqlstate
            .as_ref()
            .is_some_and(|found| *found == state.value)
    });
    if says && coded {
        return None;
    }
    let no_state = !coded && failure.sqlstate.is_none();
    let mut failed = failure_of("when", when, failure);
    failed
        .notes
        .insert(0, format!("expected {}", error(wanted)));
    if no_state {
        failed
            .notes
            .push("this engine has no SQLSTATE: leave `sqlstate` out for it".to_owned());
    }
    failed.message = failed
        .message
        .replacen("`when` fails: ", "`when` fails otherwise: ", 1);
    Some(failed)
}

fn snapshot(
    stage: &mut dyn Stage,
    changes: &ChangesSpec,
) -> Result<Result<Snapshot, Failed>, Error> {
    match stage.snapshot(&changes.table.value) {
        Ok(snapshot) => Ok(Ok(snapshot)),
        Err(Trouble::Fatal(error)) => Err(error),
        Err(Trouble::Sql(failure)) => Ok(Err(Failed {
            message: format!(
                "the rows of `{}` cannot be read: {}",
                changes.table.value, failure.message
            ),
            place: changes.table.span.clone(),
            notes: failure.notes,
            grid: None,
        })),
    }
}

fn differences(changes: &ChangesSpec, before: &Snapshot, after: &Snapshot) -> Vec<Failed> {
    let table = &changes.table.value;
    match changes::compare(changes, before, after) {
        Ok(differences) => differences
            .into_iter()
            .map(|(word, grid)| Failed {
                message: format!("the rows that `when` has {word} in `{table}` are others"),
                place: changes.span.clone(),
                notes: vec![],
                grid: Some(grid),
            })
            .collect(),
        Err(column) => vec![Failed {
            message: format!("`{table}` has no column `{}`", column.value),
            place: column.span.clone(),
            notes: vec![format!(
                "its columns are {}",
                after
                    .rows
                    .columns
                    .iter()
                    .take(after.shown)
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(", ")
            )],
            grid: None,
        }],
    }
}

fn difference(query: &Query, found: &Rows) -> Option<Failed> {
    let width = found.columns.len();
    if let Some((index, row)) = query
        .rows
        .value
        .iter()
        .enumerate()
        .find(|(_, row)| row.len() != width)
    {
        return Some(Failed {
            message: format!(
                "the query gives {}, and row {} of `rows` has {}",
                counted(width, "column"),
                index + 1,
                counted(row.len(), "value"),
            ),
            place: row
                .first()
                .map_or_else(|| query.rows.span.clone(), |cell| cell.span.clone()),
            notes: vec![format!("its columns are {}", found.columns.join(", "))],
            grid: None,
        });
    }
    let wanted: Vec<Vec<_>> = query
        .rows
        .value
        .iter()
        .map(|row| row.iter().map(|cell| &cell.value).collect())
        .collect();
    let grid = compare::rows(&wanted, found, query.ordered)?;
    Some(Failed {
        message: "the query gives other rows".to_owned(),
        place: query.sql.place(None),
        notes: vec![],
        grid: Some(grid),
    })
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}
