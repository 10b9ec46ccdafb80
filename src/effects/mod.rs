//! What triggers do to tables when they fire, as far as it is known: the edges of the write graph. Where it comes from
//! differs: SQLite's authorizer reports it, for PostgreSQL the functions are read, for MySQL the statements of the body.

mod mysql;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::model::{Event, FunctionId, ObjectId, TableId};

pub use mysql::body as of_mysql_body;

/// What one trigger does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// Tables that it writes.
    pub writes: Vec<Write>,
    /// Tables that it reads, with the column where it is known.
    pub reads: Vec<(TableId, Option<String>)>,
    /// What could not be found out, and where.
    pub unknown: Vec<Unknown>,
    /// It asks how deep in triggers it is, which ends any cycle.
    pub asks_depth: bool,
}

impl Effects {
    /// The same, in no more memory than it takes: there are as many as triggers.
    #[must_use]
    pub fn fitted(mut self) -> Self {
        let Self {
            writes,
            reads,
            unknown,
            asks_depth: _,
        } = &mut self;
        writes.shrink_to_fit();
        reads.shrink_to_fit();
        unknown.shrink_to_fit();
        self
    }
}

/// What is known for each event that fires a trigger. There are four at most, and mostly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByEvent<T>(Vec<(Event, T)>);

impl<T> ByEvent<T> {
    /// What is known for this event.
    pub fn get(&self, event: &Event) -> Option<&T> {
        self.iter()
            .find(|(of, _)| *of == event)
            .map(|(_, value)| value)
    }

    /// Say what is known for this event.
    pub fn insert(&mut self, event: Event, value: T) {
        match self.0.binary_search_by_key(&event, |(of, _)| *of) {
            Ok(at) => {
                if let Some((_, known)) = self.0.get_mut(at) {
                    *known = value;
                }
            }
            Err(at) => {
                self.0.reserve_exact(1);
                self.0.insert(at, (event, value));
            }
        }
    }

    /// All that is known, in the order of the events.
    pub fn iter(&self) -> impl Iterator<Item = (&Event, &T)> {
        self.0.iter().map(|(event, value)| (event, value))
    }

    /// The same, without the events.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Default for ByEvent<T> {
    fn default() -> Self {
        Self(vec![])
    }
}

impl<T> Extend<(Event, T)> for ByEvent<T> {
    fn extend<I: IntoIterator<Item = (Event, T)>>(&mut self, known: I) {
        for (event, value) in known {
            self.insert(event, value);
        }
    }
}

impl<T> FromIterator<(Event, T)> for ByEvent<T> {
    fn from_iter<I: IntoIterator<Item = (Event, T)>>(known: I) -> Self {
        let mut all = Self::default();
        all.extend(known);
        all
    }
}

impl<T> IntoIterator for ByEvent<T> {
    type Item = (Event, T);
    type IntoIter = std::vec::IntoIter<(Event, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// A table that a trigger writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The table.
    pub table: TableId,
    /// What it does to it.
    pub event: Event,
    /// The columns that an UPDATE names; `None` where that is not known, or it is no UPDATE.
    pub columns: Option<BTreeSet<String>>,
    /// It writes rows whenever the trigger runs.
    pub certain: bool,
    /// Where.
    pub place: Option<Place>,
    /// Functions that it is called through.
    pub via: Vec<FunctionId>,
}

/// A place in the text of an object's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The trigger or function.
    pub object: ObjectId,
    /// Bytes of its body.
    pub range: Range<usize>,
}

/// Something that could not be found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Why.
    pub reason: String,
    /// Where.
    pub place: Option<Place>,
}

/// A column, as far as rules ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as the engine prints it.
    pub kind: String,
    /// Whether two values of the type can be compared as parts of rows.
    pub comparable: bool,
    /// It is worked out from others.
    pub generated: bool,
}

/// What a foreign key does to the rows that refer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Referential {
    /// Deletes or updates them.
    Cascade,
    /// Sets their columns to NULL or to their defaults.
    Set,
    /// Nothing.
    None,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// Its name; empty where it has none.
    pub name: String,
    /// The table that refers.
    pub table: TableId,
    /// Its columns.
    pub columns: Vec<String>,
    /// The table that is referred to.
    pub parent: TableId,
    /// ON DELETE.
    pub on_delete: Referential,
    /// ON UPDATE.
    pub on_update: Referential,
}

/// What the catalog holds around triggers.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The columns of tables and views.
    pub columns: BTreeMap<TableId, Vec<Column>>,
    /// The foreign keys of these tables.
    pub foreign_keys: Vec<ForeignKey>,
    /// Tables whose rows come from a publication.
    pub subscribed: BTreeSet<TableId>,
}

/// A function or procedure that bodies may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routine {
    /// Which of the names asked for it is.
    pub asked: usize,
    /// Schema and name.
    pub id: FunctionId,
    /// Its language.
    pub language: String,
    /// Its text; `None` where the server keeps none.
    pub source: Option<String>,
    /// Its own search path.
    pub search_path: Option<Vec<String>>,
}
