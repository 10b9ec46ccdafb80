//! What logical replication has to do with the tables that a migration makes and writes to.

/// As the engine tells it; empty where it has none, and where nobody is listening.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replication {
    /// A publication that takes in tables as they are made, while somebody reads from a slot, and the tables that come into one.
    pub published: Option<Published>,
    /// The rows of the history come from another server: what is written here stands in the way of what comes next.
    pub receives_history: bool,
}

/// What comes into publications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The first such publication.
    pub publication: String,
    /// Tables that are about to be made, with their schemas.
    pub tables: Vec<String>,
}
