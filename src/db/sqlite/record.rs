//! Writing down a migration of many statements. Of a literal of megabytes SQLite makes four copies until it is in its page;
//! of a value that is bound, two.

use rusqlite::params_from_iter;
use rusqlite::types::Value;

use super::{Sqlite, errors};
use crate::db::{MigrationRow, Recorder};
use crate::error::Error;
use crate::history::array;

impl Recorder for Sqlite {
    fn record(&mut self, row: MigrationRow<'_>) -> Result<(), Error> {
        // A number goes into its column as one: the column is of that type.
        let columns = row.columns().into_iter().map(|(name, value)| {
            let value = value.map_or(Value::Null, |text| Value::from(text.into_owned()));
            (name, value)
        });
        let mut columns: Vec<_> = columns.collect();
        let MigrationRow { up, down, .. } = row;
        columns.push(("up", Value::from(array(up)?)));
        columns.push(("down", Value::from(array(down)?)));
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let places = vec!["?"; columns.len()];
        let sql = format!(
            "INSERT INTO triggerctl_migrations ({}) VALUES ({})",
            names.join(", "),
            places.join(", ")
        );
        let values = columns.into_iter().map(|(_, value)| value);
        self.connection
            .execute(&sql, params_from_iter(values))
            .map(drop)
            .map_err(|error| errors::cannot("write down the migration", &error))
    }
}
