//! A plan as a script that a person runs by hand: the same statements in one transaction, and the same rows in the
//! history. It stops when the history, or anything that it rests on, has moved on since.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use crate::apply::{Expected, Job};
use crate::db::size::TableSize;
use crate::db::{Database, Depth, Fingerprint, Migration, Protocol, Statement};
use crate::dialect::Dialect;
use crate::error::{Diagnostic, Error, Kind};
use crate::history::{Present, Row, Writer};
use crate::model::{Definition, ObjectId};
use crate::plan::{Change, Lock, ObjectRef, Plan};
use crate::sql::tokens;

/// What the templates of a script's two ends see.
#[derive(Serialize)]
struct Context<'a> {
    history_schema: &'a str,
    database: &'a str,
    summary: &'a str,
    tool_version: &'a str,
    base_version: i64,
    version: i64,
    live_sql: Option<String>,
    rests_on: Vec<Rested<'a>>,
}

/// What the script looks at again.
#[derive(Serialize)]
struct Rested<'a> {
    object: &'a ObjectRef,
    live: Option<&'a Fingerprint>,
    /// The text that the engine keeps to the letter, where it does: what is compared where it cannot work out a digest.
    text: Option<String>,
    /// What stands for each carriage return in it, where there are any: the shell drops those at the end of a line.
    returns: Option<String>,
}

/// The script of a plan.
pub fn plan(
    plan: &Plan,
    database: &mut dyn Database,
    writer: &Writer<'_>,
) -> Result<String, Error> {
    plan.refuse_conflicts()?;
    let remarks: BTreeMap<&ObjectId, String> = plan
        .changes
        .iter()
        .map(|change| (change.id(), remarks(change, database.dialect().qualifies())))
        .collect();
    let job = Job::from_plan(plan.clone())?;
    let summary = plan.summary_line();
    let context = Context {
        history_schema: writer.schema,
        database: &plan.target.database,
        summary: if summary.is_empty() {
            "nothing to do"
        } else {
            &summary
        },
        tool_version: env!("CARGO_PKG_VERSION"),
        base_version: plan.base_version,
        version: plan.base_version + 1,
        live_sql: database.live_sql(),
        rests_on: rested(plan, database)?,
    };
    if plan.is_empty() {
        return Ok("-- Nothing to do: the database is as the spec says.\n".to_owned());
    }
    let mut out = writer
        .renderer
        .render_script("script_begin.sql", &context)?;
    let terminator = database.dialect().script_terminator();
    let mut push = |statement: &str| {
        if terminator == ";" {
            out.push_str(&closed(statement));
            out.push('\n');
        } else {
            out.push_str(statement);
            out.push_str(terminator);
            out.push_str("\n\n");
        }
    };
    if !database.history()?.exists {
        for statement in writer.create()? {
            push(&statement);
        }
    }
    let now = Timestamp::now().to_string();
    let migration = Migration {
        version: plan.base_version + 1,
        state: "applied".to_owned(),
        message: Some("by a script that was run by hand".to_owned()),
        summary: job.summary.clone(),
        plan_id: job.plan_id.clone(),
        spec_digest: job.spec_digest.clone(),
        from_fingerprint: job.from_fingerprint.clone(),
        // What the objects are in the end is not known before the script ran.
        to_fingerprint: String::new(),
        up: job.statements().map(str::to_owned).collect(),
        down: job.down.clone(),
        started_at: now.clone(),
        finished_at: Some(now),
        duration_ms: None,
        error: None,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        applied_by: database.user(),
    };
    // First, so that of two that run the same script one fails before it has done anything.
    push(&writer.migration(&migration, None)?);
    for table in &job.tables {
        for sql in table.statements() {
            push(sql);
        }
    }
    let mut before: Option<&ObjectId> = None;
    for statement in &job.up {
        must_arrive(statement, database.dialect())?;
        let object = statement.object.as_deref();
        let begins = object.filter(|object| before != Some(*object));
        before = object;
        let remarks = begins.and_then(|object| remarks.get(object));
        push(&format!(
            "{}{}",
            remarks.map_or("", String::as_str),
            statement.sql
        ));
    }
    let rows = rows(plan, &job, database)?;
    for statement in writer.objects(migration.version, &rows) {
        let statement = statement?;
        push(&statement);
    }
    out.push_str(&writer.renderer.render_script("script_end.sql", &context)?);
    // A file's last line has an end.
    out.push('\n');
    Ok(out)
}

/// The locks and hazards of a step, as comments.
fn remarks(change: &Change, schemas: bool) -> String {
    let mut text = String::new();
    for Lock {
        table,
        mode: _,
        name,
        size,
    } in &change.locks
    {
        let size = size
            .as_ref()
            .and_then(TableSize::in_words)
            .map_or_else(String::new, |words| format!(" ({words})"));
        let table = if schemas {
            table.to_string()
        } else {
            table.name.clone()
        };
        let _ = writeln!(text, "-- locks {}: {name}{size}", super::text::safe(&table));
    }
    for hazard in &change.hazards {
        let _ = writeln!(
            text,
            "-- {} hazard {}: {}",
            hazard.severity.word(),
            hazard.kind,
            super::text::safe(&hazard.message)
        );
    }
    text
}

fn rested<'a>(plan: &'a Plan, database: &mut dyn Database) -> Result<Vec<Rested<'a>>, Error> {
    let all = || plan.changes.iter().flat_map(|change| &change.rests_on);
    let ids: Vec<ObjectId> = all()
        .filter(|rested| rested.live.is_some())
        .map(|rested| ObjectId::clone(&rested.object))
        .collect();
    // Where the server works out the digests, they are enough; and a journal's engine undoes nothing anyway.
    let is_told = database.live_sql().is_some() || database.protocol() != Protocol::Transaction;
    let definitions = if ids.is_empty() || is_told {
        BTreeMap::new()
    } else {
        database.definitions(&ids, Depth::Whole)?
    };
    Ok(all()
        .map(|rested| {
            let text = match definitions.get(&*rested.object) {
                Some(Definition::Trigger(trigger)) => trigger.verbatim.clone(),
                _ => None,
            };
            let returns = text.as_deref().and_then(mark_of_returns);
            let text = match (text, &returns) {
                (Some(text), Some(mark)) => Some(text.replace('\r', mark)),
                (text, _) => text,
            };
            Rested {
                object: &rested.object,
                live: rested.live.as_deref(),
                text,
                returns,
            }
        })
        .collect())
}

/// A statement with its semicolon, on a line of its own where the text ends in a comment that would swallow it.
pub fn closed(statement: &str) -> String {
    let last = statement.lines().last().unwrap_or_default();
    if last.contains("--") {
        format!("{statement}\n;\n")
    } else {
        format!("{statement};\n")
    }
}

/// The rows for the objects, as they are once the script has run.
fn rows(plan: &Plan, job: &Job, database: &dyn Database) -> Result<Vec<Row>, Error> {
    let statements: BTreeMap<&ObjectId, &[String]> = plan
        .changes
        .iter()
        .map(|change| (change.id(), &*change.statements))
        .collect();
    let mut rows = vec![];
    for (id, expected) in &job.expected {
        let present = match expected {
            // Only a rollback has objects that return, and it has no script.
            Expected::Absent
            | Expected::Released
            | Expected::Restored { .. }
            | Expected::Returned { .. }
            | Expected::Missing { .. } => None,
            Expected::Present {
                definition,
                rendered_digest,
                custom: _,
            } => Some(Present {
                rendered_digest: rendered_digest.clone(),
                live_fingerprint: database
                    .fingerprint_after(id, statements.get(&**id).copied().unwrap_or_default())?,
                definition: definition.clone(),
            }),
        };
        rows.push(Row {
            id: ObjectId::clone(id),
            present,
            before: job.found.get(id).cloned(),
        });
    }
    Ok(rows)
}

/// What can stand for the carriage returns of a text: it is not in there.
fn mark_of_returns(text: &str) -> Option<String> {
    const MARK: char = '\u{240d}';
    let mut mark = MARK.to_string();
    while text.contains(&mark) {
        mark.push(MARK);
    }
    text.contains('\r').then_some(mark)
}

/// That the client which runs the script hands every statement on as it is.
fn must_arrive(statement: &Statement, dialect: &dyn Dialect) -> Result<(), Error> {
    if dialect.script_keeps_returns() {
        return Ok(());
    }
    let sql = &statement.sql;
    let is_lost = tokens(sql, dialect.syntax())
        .any(|token| !token.is_blank() && token.text(sql).contains("\r\n"));
    if !is_lost {
        return Ok(());
    }
    let what = match &statement.object {
        Some(object) => format!("{object} has a text in quotes with CRLF line ends"),
        None => "a statement has a text in quotes with CRLF line ends".to_owned(),
    };
    Err(Diagnostic::new("the plan cannot be written as a script")
        .note(format!(
            "{what}, whose carriage returns the `sqlite3` shell would drop"
        ))
        .help(
            "`triggerctl apply` makes these changes; for a script, write the text with `char(13)`",
        )
        .into_error(Kind::Refused))
}
