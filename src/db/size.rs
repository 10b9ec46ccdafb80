//! How big tables are and who is at them while a plan is made, so that the plan can say what its locks will meet. All
//! of it is estimates out of the engine's own statistics: no row is counted, and nothing is waited for.

use serde::{Deserialize, Serialize};

use crate::dialect::LockMode;

/// What is known of one table at the moment of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableState {
    /// How big it is.
    pub size: TableSize,
    /// Its partitions, those of partitions included; 0 where it has none.
    pub partitions: u64,
    /// Other sessions that hold a lock on it, or wait for one, and would be in the way of a step.
    pub holders: Vec<Holder>,
    /// Nobody can be kept off this table while several statements about it run (MariaDB, without the LOCK TABLES
    /// privilege).
    pub cannot_be_held: bool,
}

/// How big a table is, as far as the engine knows without counting.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TableSize {
    /// An estimate of its rows; `None` where there are no statistics.
    pub rows: Option<u64>,
    /// Its bytes, with indexes.
    pub bytes: Option<u64>,
    /// What the bytes are of.
    pub of: Measured,
}

/// What a number of bytes is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// The table.
    #[default]
    Table,
    /// The whole database file (SQLite): what is locked there, and what can be known without reading the table.
    File,
}

/// Another session at a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Who, in words: `process 123 (application …)`.
    pub who: String,
    /// The weakest lock of ours that has to wait for it.
    pub in_way_of: LockMode,
    /// For how many seconds its transaction has been open; `None` where this role may not see that.
    pub seconds: Option<u64>,
    /// It has no client that could end it soon: a prepared transaction.
    pub prepared: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_reads_back_as_it_was_written() {
        let size = TableSize {
            rows: None,
            bytes: Some(8192),
            of: Measured::File,
        };
        let text = serde_json::to_string(&size).unwrap();
        assert_eq!(text, r#"{"rows":null,"bytes":8192,"of":"file"}"#);
        assert_eq!(serde_json::from_str::<TableSize>(&text).unwrap(), size);
    }
}
