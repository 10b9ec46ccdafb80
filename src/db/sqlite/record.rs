//! Writing down a migration of many statements. Of a literal of megabytes SQLite makes four copies until it is in its page;
//! of a value that is bound, two.

use rusqlite::params_from_iter;
use rusqlite::types::Value;

use super::{Sqlite, errors};
use crate::db::{Migration, MigrationRow, Recorder};
use crate::error::Error;
use crate::history::array;

impl Recorder for Sqlite {
    fn record(&mut self, row: MigrationRow<'_>) -> Result<(), Error> {
        let MigrationRow {
            migration,
            up,
            down,
            rendering,
        } = row;
        let Migration {
            version,
            state,
            message,
            summary,
            plan_id,
            spec_digest,
            from_fingerprint,
            to_fingerprint,
            up: _,
            down: _,
            started_at,
            finished_at,
            duration_ms,
            error,
            tool_version,
            applied_by,
        } = migration;
        let text = |text: &str| Value::from(text.to_owned());
        let maybe = |given: &Option<String>| given.as_deref().map_or(Value::Null, text);
        let mut columns = vec![
            ("version", Value::from(*version)),
            ("state", text(state)),
            ("message", maybe(message)),
            ("summary", text(summary)),
            ("plan_id", text(plan_id)),
            ("spec_digest", text(spec_digest)),
            ("from_fingerprint", text(from_fingerprint)),
            ("to_fingerprint", text(to_fingerprint)),
            ("up", Value::from(array(up)?)),
            ("down", Value::from(array(down)?)),
            ("started_at", text(started_at)),
            ("finished_at", maybe(finished_at)),
            ("duration_ms", duration_ms.map_or(Value::Null, Value::from)),
            ("error", maybe(error)),
            ("tool_version", text(tool_version)),
            ("applied_by", text(applied_by)),
        ];
        columns.extend(rendering.map(|rendering| ("rendering", text(rendering))));
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
