//! Finding out what a trigger would say when it fires, before it does. SQLite accepts almost anything in a body and
//! compiles it only with the statement that fires it; so that statement is prepared, and never run.

mod copy;
mod effects;
mod fire;
mod live;
mod locate;
mod together;

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;

use self::copy::Copy;
pub(super) use self::effects::effects;
use self::fire::Compiled;
pub(super) use self::fire::{stand_in_for_collation, unknown_function};
pub(super) use self::live::check_live;
use super::errors;
use super::names::{self, Column, quoted};
use crate::db::Statement;
use crate::error::{Diagnostic, Error, Kind, SourceFile, Span};
use crate::kinds::tables::NewTable;
use crate::model::{Definition, Event, ObjectId, Timing, Trigger};

/// See [`crate::db::Database::check`]. A definition's DDL is its `verbatim`. Each trigger is looked at by itself, on a
/// copy of the schema in memory that has no other triggers but INSTEAD OF ones, which make views writable.
pub(super) fn check(
    live: &Connection,
    definitions: &[&Definition],
    new: &[NewTable],
) -> Result<Vec<(ObjectId, Diagnostic)>, Error> {
    let mut triggers = vec![];
    for definition in definitions {
        if let Definition::Trigger(trigger) = definition {
            let sql = trigger.verbatim.as_deref().ok_or_else(|| {
                Error::failed(format!(
                    "trigger {} cannot be checked without its DDL",
                    trigger.id
                ))
            })?;
            triggers.push(Checked { trigger, sql });
        }
    }
    if triggers.is_empty() {
        return Ok(vec![]);
    }
    if new.is_empty() && triggers.len() > 1 && together::all_sound(live, &triggers) {
        return Ok(vec![]);
    }
    let made = Copy::of(live).and_then(|copy| {
        for table in new {
            copy.connection.execute(&table.sql, [])?;
        }
        Ok(copy)
    });
    let copy = match made {
        Ok(copy) => copy,
        Err(error) if errors::kind(&error) == Kind::Failed => {
            log::warn!(
                "the bodies of the triggers were not checked: {}",
                errors::words(&error)
            );
            return Ok(vec![]);
        }
        Err(error) => return Err(errors::cannot("read the schema", &error)),
    };
    let mut checker = Checker {
        copy,
        columns: HashMap::new(),
    };
    checker
        .check(&triggers)
        .map_err(|error| errors::cannot("check the triggers", &error))
}

/// A trigger and the DDL that makes it.
#[derive(Clone, Copy)]
struct Checked<'a> {
    trigger: &'a Trigger,
    sql: &'a str,
}

impl Checked<'_> {
    fn id(&self) -> ObjectId {
        ObjectId::Trigger(self.trigger.id.clone())
    }

    fn is_instead_of(&self) -> bool {
        self.trigger.timing == Timing::InsteadOf
    }

    fn statement(&self) -> Statement {
        Statement {
            sql: self.sql.to_owned(),
            object: Some(Arc::new(self.id())),
        }
    }
}

struct Checker {
    copy: Copy,
    /// By lower-case table name.
    columns: HashMap<String, Vec<Column>>,
}

impl Checker {
    fn check(&mut self, triggers: &[Checked<'_>]) -> rusqlite::Result<Vec<(ObjectId, Diagnostic)>> {
        let mut found = vec![];
        // First the ones that other bodies may rest on.
        let mut refused = vec![false; triggers.len()];
        for (checked, refused) in triggers.iter().zip(&mut refused) {
            if checked.is_instead_of()
                && let Err(error) = self.create(checked)
            {
                found.push((checked.id(), self.refusal(checked, &error)?));
                *refused = true;
            }
        }
        for (checked, refused) in triggers.iter().zip(refused) {
            if refused {
                continue;
            }
            if checked.is_instead_of() {
                if let Some(diagnostic) = self.check_instead_of(checked)? {
                    found.push((checked.id(), diagnostic));
                }
                continue;
            }
            if let Err(error) = self.create(checked) {
                found.push((checked.id(), self.refusal(checked, &error)?));
                continue;
            }
            if let Some(diagnostic) = self.fire(checked)? {
                found.push((checked.id(), diagnostic));
            }
            self.copy.drop_trigger(&checked.trigger.id.name)?;
        }
        Ok(found)
    }

    fn create(&self, checked: &Checked<'_>) -> rusqlite::Result<()> {
        self.copy.drop_trigger(&checked.trigger.id.name)?;
        self.copy.connection.execute(checked.sql, []).map(drop)
    }

    /// CREATE TRIGGER itself failed.
    fn refusal(
        &self,
        checked: &Checked<'_>,
        error: &rusqlite::Error,
    ) -> rusqlite::Result<Diagnostic> {
        let mut diagnostic = errors::in_statement(&checked.statement(), error);
        if let Some(range) = locate::place(&errors::words(error), checked.sql)
            && !matches!(error, rusqlite::Error::SqlInputError { .. })
            && let Some((span, _)) = &mut diagnostic.place
        {
            span.range = range;
        }
        self.suggest(
            diagnostic,
            &errors::words(error),
            &checked.trigger.id.table.name,
        )
    }

    /// Several INSTEAD OF triggers of a view are compiled together: when that fails, each is looked at alone.
    fn check_instead_of(&mut self, checked: &Checked<'_>) -> rusqlite::Result<Option<Diagnostic>> {
        let diagnostic = self.fire(checked)?;
        if diagnostic.is_none() {
            return Ok(None);
        }
        let others = self.copy.other_triggers(&checked.trigger.id)?;
        for (name, _) in &others {
            self.copy.drop_trigger(name)?;
        }
        let alone = self.fire(checked)?;
        for (_, sql) in &others {
            self.copy.connection.execute(sql, [])?;
        }
        Ok(alone)
    }

    /// Prepare what fires the trigger, which has been created in the copy.
    fn fire(&mut self, checked: &Checked<'_>) -> rusqlite::Result<Option<Diagnostic>> {
        let Trigger {
            id,
            events,
            update_of,
            ..
        } = checked.trigger;
        let table = &id.table.name;
        let columns = match self.columns(table) {
            Ok(columns) => columns,
            // A view of what is not there.
            Err(error) if errors::kind(&error) == Kind::Failed => {
                let reason = errors::words(&error);
                log::warn!(
                    "the body of trigger {id} was not checked: `{table}` itself is broken: {reason}"
                );
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let has = |name: &str| {
            columns
                .iter()
                .find(|column| column.name.eq_ignore_ascii_case(name))
        };
        if let Some(unknown) = update_of.iter().find(|name| has(name).is_none()) {
            return Ok(Some(unknown_column(checked, unknown, &columns)));
        }
        for event in events {
            let written = match update_of.as_slice() {
                [] => columns.iter().find(|column| !column.generated),
                // A generated column is never written, so that a trigger on it alone never fires.
                names => names
                    .iter()
                    .filter_map(|name| has(name))
                    .find(|column| !column.generated),
            };
            let Some(firing) =
                firing_statement(*event, table, written.map(|column| column.name.as_str()))
            else {
                log::warn!("the body of trigger {id} was not checked: nothing can fire it");
                continue;
            };
            match self.copy.compile(&firing)? {
                Compiled::Yes => {}
                Compiled::Unknown(reason) => {
                    log::warn!("the body of trigger {id} was not checked: {reason}");
                }
                Compiled::No(words) => {
                    if let Some(reason) = self.fails_anyway(checked, &firing)? {
                        log::warn!("the body of trigger {id} was not checked: {reason}");
                        continue;
                    }
                    let file = Arc::new(SourceFile {
                        name: format!("<{}>", errors::statement_name(&checked.statement())),
                        text: checked.sql.to_owned(),
                    });
                    let range = locate::place(&words, checked.sql)
                        .unwrap_or_else(|| errors::first_line(checked.sql));
                    let diagnostic =
                        Diagnostic::new(format!("trigger {id} would fail when it fires: {words}"))
                            .at(&Span { file, range })
                            .note(format!("SQLite says so of `{firing}`"));
                    return self.suggest(diagnostic, &words, table).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// Why what fires the trigger fails without it too; that is not the trigger's fault.
    fn fails_anyway(
        &mut self,
        checked: &Checked<'_>,
        firing: &str,
    ) -> rusqlite::Result<Option<String>> {
        let name = &checked.trigger.id.name;
        let table = &checked.trigger.id.table.name;
        let compiled = if checked.is_instead_of() {
            // A view without triggers cannot be written: reading it tells whether it is sound.
            self.copy
                .compile(&format!("SELECT * FROM main.{}", quoted(table)))?
        } else {
            self.copy.drop_trigger(name)?;
            let compiled = self.copy.compile(firing)?;
            self.copy.connection.execute(checked.sql, [])?;
            compiled
        };
        Ok(match compiled {
            Compiled::Yes => None,
            Compiled::No(words) => Some(format!("`{table}` itself is broken: {words}")),
            Compiled::Unknown(reason) => Some(reason),
        })
    }

    fn columns(&mut self, table: &str) -> rusqlite::Result<Vec<Column>> {
        let key = table.to_ascii_lowercase();
        if let Some(columns) = self.columns.get(&key) {
            return Ok(columns.clone());
        }
        let columns = names::columns(&self.copy.connection, table)?;
        self.columns.insert(key, columns.clone());
        Ok(columns)
    }

    /// Add what a misspelt name may have meant.
    fn suggest(
        &self,
        diagnostic: Diagnostic,
        words: &str,
        table: &str,
    ) -> rusqlite::Result<Diagnostic> {
        let candidates = match locate::subject(words) {
            Some(("no such table", _)) => self.copy.table_names()?,
            Some(("no such column", name)) if locate::is_row_reference(name) => {
                names::columns(&self.copy.connection, table)?
                    .into_iter()
                    .map(|column| column.name)
                    .collect()
            }
            _ => return Ok(diagnostic),
        };
        let name = locate::subject(words).map_or("", |(_, name)| locate::last_part(name));
        if candidates
            .iter()
            .any(|candidate| candidate.eq_ignore_ascii_case(name))
        {
            return Ok(diagnostic
                .help("an INSERT trigger has no OLD row, and a DELETE trigger no NEW row"));
        }
        Ok(
            match locate::closest(name, candidates.iter().map(String::as_str)) {
                Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
                None => diagnostic,
            },
        )
    }
}

/// The statement that fires an event; `None` for what cannot be fired.
fn firing_statement(event: Event, table: &str, column: Option<&str>) -> Option<String> {
    let table = quoted(table);
    Some(match event {
        Event::Insert => format!("INSERT INTO main.{table} DEFAULT VALUES"),
        Event::Delete => format!("DELETE FROM main.{table}"),
        Event::Update => {
            let column = quoted(column?);
            format!("UPDATE main.{table} SET {column} = {column}")
        }
        Event::Truncate => return None,
    })
}

fn unknown_column(checked: &Checked<'_>, unknown: &str, columns: &[Column]) -> Diagnostic {
    let id = &checked.trigger.id;
    let file = Arc::new(SourceFile {
        name: format!("<{}>", errors::statement_name(&checked.statement())),
        text: checked.sql.to_owned(),
    });
    let range =
        locate::name(unknown, checked.sql).unwrap_or_else(|| errors::first_line(checked.sql));
    let diagnostic = Diagnostic::new(format!(
        "trigger {id} is for updates of `{unknown}`, a column that `{}` does not have",
        id.table.name
    ))
    .at(&Span { file, range });
    match locate::closest(unknown, columns.iter().map(|column| column.name.as_str())) {
        Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
        None => diagnostic,
    }
}

#[cfg(test)]
mod tests;
