//! From the server's errors to ours: what kind it is, where in the statement it stands, and what to do about it.

use std::ops::Range;
use std::sync::Arc;

use postgres::error::{DbError, ErrorPosition, SqlState};

use super::Postgres;
use crate::db::Statement;
use crate::error::{Diagnostic, Error, Kind, SourceFile, Span};
use crate::sql;

/// What an attempt at something met, as far as it decides what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Somebody else was in the way; another attempt may do.
    Busy,
    /// The user has asked to stop.
    Interrupted,
    /// The connection is gone.
    Lost,
    /// All else.
    Other,
}

/// An error outside any migration, without knowledge of the connection's state.
pub(super) fn plain(failure: &postgres::Error, purpose: &str) -> Error {
    diagnostic(failure, purpose).into()
}

/// Whether two sessions made or changed the same object at once. The server has no code of its own for it: changing is
/// an internal error (`simple_heap_update`, `heapam.c`), whose text is translated but not its routine's name; making
/// violates an index of the catalog.
fn is_concurrent_change(failure: &DbError) -> bool {
    let code = failure.code();
    (*code == SqlState::INTERNAL_ERROR
        && matches!(
            failure.routine(),
            Some("simple_heap_update" | "simple_heap_delete")
        ))
        || (*code == SqlState::UNIQUE_VIOLATION
            && failure.schema() == Some("pg_catalog")
            && !is_taken_constraint(failure))
}

/// Whether something was dropped while it was printed: that is looked up as it is now, not as of the query's snapshot. (`elog`:
/// in English everywhere.)
fn is_gone_meanwhile(failure: &DbError) -> bool {
    *failure.code() == SqlState::INTERNAL_ERROR
        && failure.message().starts_with("cache lookup failed")
}

/// Whether a table has a constraint of the name already. Who adds one holds the table, so it is nobody's of this moment: it
/// will be there at the next attempt as well.
fn is_taken_constraint(failure: &DbError) -> bool {
    failure.constraint() == Some("pg_constraint_conrelid_contypid_conname_index")
}

/// Whether somebody's function has raised it (`pl_exec.c`), such as that of an event trigger: its code is what the function's
/// author chose, and says nothing of locks, sessions or requests.
fn is_raised(failure: &DbError) -> bool {
    failure.routine() == Some("exec_stmt_raise")
}

/// Whether the session is over: the client lost it, or the server ended it.
fn is_lost(failure: &postgres::Error) -> bool {
    failure.is_closed()
        || failure.as_db_error().is_none_or(|failure| {
            // `severity` is translated, its parsed form is not (and is there from 9.6 on).
            matches!(
                failure.parsed_severity(),
                Some(postgres::error::Severity::Fatal | postgres::error::Severity::Panic)
            )
        })
}

impl Postgres {
    /// What a failure means for what comes next.
    pub(super) fn cause(&self, failure: &postgres::Error) -> Cause {
        let Some(answer) = failure.as_db_error() else {
            // The driver's own errors (a value that it cannot decode) are no broken connection.
            return if failure.is_closed() || self.client.is_closed() {
                Cause::Lost
            } else {
                Cause::Other
            };
        };
        let code = answer.code();
        if is_raised(answer) {
            return Cause::Other;
        }
        if *code == SqlState::QUERY_CANCELED {
            // A migration runs without a statement timeout: only a request can have stopped it.
            return if self.was_interrupted() || self.migration.is_some() {
                Cause::Interrupted
            } else {
                Cause::Other
            };
        }
        if [
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::T_R_SERIALIZATION_FAILURE,
        ]
        .contains(code)
            || is_concurrent_change(answer)
            || is_gone_meanwhile(answer)
        {
            return Cause::Busy;
        }
        if is_lost(failure) {
            Cause::Lost
        } else {
            Cause::Other
        }
    }

    /// The error for a failure while doing something, such as `read the tables`.
    pub(super) fn error(&self, failure: &postgres::Error, purpose: &str) -> Error {
        match self.cause(failure) {
            Cause::Interrupted => Error::new(Kind::Interrupted, "stopped on request"),
            Cause::Lost => self.lost(failure),
            Cause::Busy => diagnostic(failure, purpose).into_error(Kind::Busy),
            Cause::Other => diagnostic(failure, purpose).into(),
        }
    }

    /// The connection is gone, before anything was made permanent.
    pub(super) fn lost(&self, failure: &postgres::Error) -> Error {
        if self.was_interrupted() {
            return Error::new(Kind::Interrupted, "stopped on request");
        }
        let mut lost =
            Diagnostic::new("the connection to the server was lost").note(words(failure));
        if self.migration.is_some() {
            lost = lost.note("nothing was changed: the server undoes what was not committed");
        }
        lost.into()
    }
}

/// The server's or the driver's own words on one line.
pub(super) fn words(failure: &postgres::Error) -> String {
    match failure.as_db_error() {
        Some(answer) => format!(
            "PostgreSQL: {} (SQLSTATE {})",
            answer.message(),
            answer.code().code()
        ),
        None => match std::error::Error::source(failure) {
            Some(source) => format!("{failure}: {source}"),
            None => failure.to_string(),
        },
    }
}

fn diagnostic(failure: &postgres::Error, purpose: &str) -> Diagnostic {
    let diagnostic = Diagnostic::new(format!("cannot {purpose}")).note(words(failure));
    match failure.as_db_error() {
        Some(answer) => details(diagnostic, answer),
        None => diagnostic,
    }
}

/// DETAIL and CONTEXT. A recursion that went too deep gives thousands of lines of the latter: the first ones tell where.
pub(super) fn circumstances(answer: &DbError) -> Vec<String> {
    const SHOWN: usize = 12;
    let mut all: Vec<String> = answer.detail().map(str::to_owned).into_iter().collect();
    if let Some(context) = answer.where_() {
        let mut lines = context.lines();
        let mut shown: Vec<&str> = lines.by_ref().take(SHOWN).collect();
        let left = lines.count();
        let more = format!("(and {left} more lines)");
        if left > 0 {
            shown.push(&more);
        }
        all.push(shown.join("\n"));
    }
    all
}

/// DETAIL and CONTEXT become notes, HINT and what we know about the code become help.
fn details(mut diagnostic: Diagnostic, answer: &DbError) -> Diagnostic {
    for detail in circumstances(answer) {
        diagnostic = diagnostic.note(detail);
    }
    // The server's hint is CASCADE, which takes from people what no plan has shown. (The code is that of DROP as well; the
    // routine, in `acl.c`, is not.)
    if answer.routine() == Some("recursive_revoke") {
        return diagnostic.help(
            "the role has passed the right on: take it from those others first (`SET ROLE` to it, then REVOKE), or keep all as it \
             is with `triggerctl apply --adopt`",
        );
    }
    if let Some(hint) = answer.hint() {
        diagnostic = diagnostic.help(hint);
    }
    if is_gone_meanwhile(answer) {
        return diagnostic.help("somebody dropped it while it was being read: try again");
    }
    if is_taken_constraint(answer) {
        return diagnostic.help(
            "the table has a constraint of this name, such as that of a constraint trigger which was renamed: give one of the two another",
        );
    }
    match help(answer.code()).filter(|_| !is_raised(answer)) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

fn help(code: &SqlState) -> Option<&'static str> {
    Some(match code.code() {
        "42501" => {
            "the role needs TRIGGER on the table (and must own it to drop, disable or comment a trigger), CREATE on the \
             function's schema, and must own a function that it replaces"
        }
        "42P01" => "create the table first, or correct its name in the spec",
        "42703" => "correct the column's name in the spec, or add the column first",
        "42883" => "define the function in the spec, or create it first",
        "42704" => "create what is missing first, such as a language or an extension",
        "42710" => "something else has this name: choose another, or drop what has it",
        "53200" => {
            "one transaction needs more locks than the server has room for: raise `max_locks_per_transaction`, or apply \
             in parts with `--target`"
        }
        "22P05" => {
            "the database's encoding has no such character (`SHOW server_encoding`): write it another way, such as by chr()"
        }
        "22021" => {
            "a text there is not UTF-8, and the database's encoding (`SHOW server_encoding`) does not tell what it is: make the trigger \
             or function that holds it again, in UTF-8"
        }
        "57014" => "raise `statement_timeout` for this role, or try again",
        "25006" => "connect to the primary server, with a role that may write",
        _ => return None,
    })
}

/// The error for a statement that failed, which points into the statement's text.
pub(super) fn of_statement(failure: &postgres::Error, statement: &Statement) -> Error {
    let Some(answer) = failure.as_db_error() else {
        return plain(failure, "run a statement");
    };
    let what = match &statement.object {
        Some(object) => format!("{} of {object} failed", verb(&statement.sql)),
        None => format!("`{}` failed", statement.heading()),
    };
    let mut diagnostic = Diagnostic::new(what);
    let file = |name: String, text: &str| {
        Arc::new(SourceFile {
            name,
            text: text.to_owned(),
        })
    };
    let name = match &statement.object {
        Some(object) => format!("<{} {object}>", verb(&statement.sql)),
        None => format!("<{}>", statement.heading()),
    };
    let (source, position) = match answer.position() {
        Some(ErrorPosition::Original(position)) => (file(name, &statement.sql), *position),
        Some(ErrorPosition::Internal { position, query }) => {
            (file(format!("<query within {name}>"), query), *position)
        }
        None => (file(name, &statement.sql), 0),
    };
    let range = place(&source.text, position);
    diagnostic = diagnostic.labelled(
        &Span {
            file: source,
            range,
        },
        answer.message(),
    );
    diagnostic = diagnostic.note(words(failure));
    details(diagnostic, answer).into()
}

/// The statement's first words: `create trigger` is `create`, as its object says the rest.
fn verb(statement: &str) -> String {
    sql::tokens(statement, &sql::POSTGRES)
        .find(|token| !token.is_blank())
        .map_or_else(
            || "statement".to_owned(),
            |token| token.text(statement).to_lowercase(),
        )
}

/// The token at a position that counts characters from 1; the statement's first token when there is none.
fn place(text: &str, position: u32) -> Range<usize> {
    let offset = usize::try_from(position)
        .ok()
        .and_then(|position| position.checked_sub(1))
        .and_then(|position| text.char_indices().nth(position))
        .map_or(0, |(offset, _)| offset);
    sql::tokens(text, &sql::POSTGRES)
        .find(|token| token.range.end > offset && (position > 0 || !token.is_blank()))
        .map_or(0..0, |token| {
            // An error within a body stands in the middle of a string that goes on for lines: show its word alone.
            if token.range.start == offset || position == 0 {
                token.range
            } else {
                offset..offset + word_length(text.get(offset..).unwrap_or_default())
            }
        })
}

fn word_length(text: &str) -> usize {
    let length = text
        .find(|character: char| !character.is_alphanumeric() && character != '_')
        .unwrap_or(text.len());
    if length > 0 {
        return length;
    }
    text.chars().next().map_or(0, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_become_tokens() {
        let at = |text: &'static str, position| &text[place(text, position)];
        assert_eq!(at("CREATE TRIGGER é ON nope", 21), "nope");
        assert_eq!(at("  DROP x", 0), "DROP");
        assert_eq!(at("AS $$ BEGIN slect 1; END $$", 13), "slect");
        assert_eq!(at("AS $$ BEGIN ; END $$", 13), ";");
        assert_eq!(at("", 1), "");
        assert_eq!(at("a", 99), "a");
    }
}
