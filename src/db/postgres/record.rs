//! Writing down a migration of many statements. Its row is megabytes, and of a statement with all of it the driver holds
//! two more copies; COPY takes a row in pieces.

use std::io::Write as _;

use super::Postgres;
use crate::db::{MigrationRow, Recorder};
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
        match self.copy_row(row) {
            Ok(()) => Ok(()),
            Err(Failure::Server(failure)) => Err(self.error(&failure, PURPOSE)),
            Err(Failure::Text(error)) => Err(error),
            // Where the server was the one who ended it, its words are in it.
            Err(Failure::Sending(failure)) => match failure.downcast::<postgres::Error>() {
                Ok(failure) => Err(self.error(&failure, PURPOSE)),
                Err(failure) => Err(Error::failed(format!("cannot {PURPOSE}: {failure}"))),
            },
        }
    }
}

impl Postgres {
    fn copy_row(&mut self, row: MigrationRow<'_>) -> Result<(), Failure> {
        let mut names = String::new();
        let mut line = String::new();
        for (name, value) in row.columns() {
            names.push_str(name);
            names.push_str(", ");
            match value {
                Some(text) => escape(&text, &mut line),
                None => line.push_str("\\N"),
            }
            line.push('\t');
        }
        let sql = self.history_sql("COPY {history}.migrations ({names}up, down) FROM STDIN");
        let sql = sql.replace("{names}", &names);
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
