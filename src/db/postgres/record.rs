//! Writing down a migration of many statements, or on many objects. The row of the first is megabytes, and of a statement with
//! all of it the driver holds two more copies; COPY takes a row in pieces. Of rows that are many it takes each in half the time
//! that an INSERT needs.

use std::io::Write as _;

use super::{Postgres, identifier};
use crate::db::{Copier, MigrationRow, ObjectRow, Recorder, RowForm};
use crate::error::{Error, Kind};

/// So much is sent at once.
const PIECE: usize = 64 * 1024;

/// Where the server was built with it, what is written down is compressed by the faster method (from 14 on). It reads
/// both, whatever the setting.
pub(super) const FAST_COMPRESSION: &str = "SELECT pg_catalog.set_config(name, 'lz4', true) FROM pg_catalog.pg_settings \
     WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)";

/// Why a row was not written.
enum Failure {
    Server(postgres::Error),
    /// The connection's own.
    Sending(std::io::Error),
    Text(Error),
}

impl From<postgres::Error> for Failure {
    fn from(failure: postgres::Error) -> Self {
        Self::Server(failure)
    }
}

impl From<std::io::Error> for Failure {
    fn from(failure: std::io::Error) -> Self {
        Self::Sending(failure)
    }
}

impl Recorder for Postgres {
    fn record(&mut self, row: MigrationRow<'_>) -> Result<(), Error> {
        const PURPOSE: &str = "write down the migration";
        if self.was_interrupted() {
            return Err(Error::new(Kind::Interrupted, "stopped on request"));
        }
        if self.server.major >= 14 {
            self.batch(PURPOSE, FAST_COMPRESSION)?;
        }
        let copied = self.copy_row(row);
        copied.map_err(|failure| self.told(failure, PURPOSE))
    }
}

impl Copier for Postgres {
    fn form(&self) -> RowForm {
        line
    }

    fn copy(
        &mut self,
        pieces: &mut dyn Iterator<Item = Result<String, Error>>,
    ) -> Result<(), Error> {
        if self.was_interrupted() {
            return Err(Error::new(Kind::Interrupted, "stopped on request"));
        }
        let copied = self.copy_pieces(pieces);
        copied.map_err(|failure| self.told(failure, "write down the objects"))
    }
}

/// A row as COPY reads it.
fn line(row: &ObjectRow<'_>, to: &mut String) {
    for (number, value) in row.values().into_iter().enumerate() {
        if number > 0 {
            to.push('\t');
        }
        field(value.as_deref(), to);
    }
    to.push('\n');
}

fn field(value: Option<&str>, to: &mut String) {
    match value {
        Some(text) => escape(text, to),
        None => to.push_str("\\N"),
    }
}

impl Postgres {
    fn told(&self, failure: Failure, purpose: &str) -> Error {
        match failure {
            Failure::Server(failure) => self.error(&failure, purpose),
            Failure::Text(error) => error,
            // Where the server was the one who ended it, its words are in it.
            Failure::Sending(failure) => match failure.downcast::<postgres::Error>() {
                Ok(failure) => self.error(&failure, purpose),
                Err(failure) => Error::failed(format!("cannot {purpose}: {failure}")),
            },
        }
    }

    /// Without an end, where there is an error among the pieces, the server takes nothing of it.
    fn copy_pieces(
        &mut self,
        pieces: &mut dyn Iterator<Item = Result<String, Error>>,
    ) -> Result<(), Failure> {
        let columns = ObjectRow::COLUMNS.map(identifier).join(", ");
        let sql = self.history_sql(&format!("COPY {{history}}.objects ({columns}) FROM STDIN"));
        let mut to = self.client.copy_in(&sql)?;
        for piece in pieces {
            to.write_all(piece.map_err(Failure::Text)?.as_bytes())?;
        }
        to.finish()?;
        Ok(())
    }

    fn copy_row(&mut self, row: MigrationRow<'_>) -> Result<(), Failure> {
        let mut names = String::new();
        let mut line = String::new();
        for (name, value) in row.columns() {
            names.push_str(name);
            names.push_str(", ");
            field(value.as_deref(), &mut line);
            line.push('\t');
        }
        let sql = format!("COPY {{history}}.migrations ({names}up, down) FROM STDIN");
        let sql = self.history_sql(&sql);
        let MigrationRow { up, down, .. } = row;
        let mut to = self.client.copy_in(&sql)?;
        for (statements, end) in [(up, '\t'), (down, '\n')] {
            line.push('[');
            for (number, statement) in statements.enumerate() {
                if number > 0 {
                    line.push(',');
                }
                let json = serde_json::to_string(statement).map_err(|error| {
                    Failure::Text(Error::failed(format!("cannot be recorded: {error}")))
                })?;
                escape(&json, &mut line);
                if line.len() >= PIECE {
                    to.write_all(line.as_bytes())?;
                    line.clear();
                }
            }
            line.push(']');
            line.push(end);
        }
        to.write_all(line.as_bytes())?;
        to.finish()?;
        Ok(())
    }
}

/// A text as COPY reads it (the manual on COPY, "Text Format").
fn escape(text: &str, to: &mut String) {
    for part in text.split_inclusive(['\\', '\t', '\n', '\r']) {
        let mut characters = part.chars();
        let escaped = match characters.next_back() {
            Some('\\') => "\\\\",
            Some('\t') => "\\t",
            Some('\n') => "\\n",
            Some('\r') => "\\r",
            _ => {
                to.push_str(part);
                continue;
            }
        };
        to.push_str(characters.as_str());
        to.push_str(escaped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_copy_would_take_for_its_own_is_escaped() {
        for (text, written) in [
            ("", ""),
            ("plain é", "plain é"),
            ("\\N", "\\\\N"),
            ("a\tb\nc\r", "a\\tb\\nc\\r"),
            ("\\.\n\\", "\\\\.\\n\\\\"),
        ] {
            let mut to = String::new();
            escape(text, &mut to);
            assert_eq!(to, written);
        }
    }
}
