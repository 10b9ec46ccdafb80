//! Where tests run: a place in which the desired triggers are, in which anything can be tried, and of which nothing
//! stays. Each engine has its own ([`super::Database::stage`]); what is tried is `testing`'s business.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use super::{Database, Statement};
use crate::error::{Error, SourceFile};
use crate::model::{Event, ObjectId, TriggerId};
use crate::spec::TableRef;

/// The beginning of the names of scratch databases. What follows is when it was made (seconds since 1970, by the
/// server's clock) and a random number.
pub const SCRATCH_PREFIX: &str = "triggerctl_scratch_";

/// A scratch database that nobody has touched for so long, in seconds, was left by a run that was killed.
pub const LEFT_AFTER: u64 = 60;

/// A value that a query gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// A truth value, where the engine has them.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// A floating-point number.
    Float(f64),
    /// A number in digits.
    Decimal(String),
    /// Bytes.
    Blob(Vec<u8>),
    /// JSON, as text.
    Json(String),
    /// All else, in the engine's own spelling.
    Text(String),
}

/// What a query gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows, each with a cell for each column.
    pub rows: Vec<Vec<Cell>>,
}

/// All rows of a table at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// The rows.
    pub rows: Rows,
    /// Which columns tell one row from another; empty where nothing does. They may be behind [`Snapshot::shown`].
    pub key: Vec<usize>,
    /// How many of the columns are the table's own.
    pub shown: usize,
}

/// What the engine said of a statement that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// Its message.
    pub message: String,
    /// The SQLSTATE, where the engine has such.
    pub sqlstate: Option<String>,
    /// The bytes of the text that it is about, where that is known.
    pub range: Option<Range<usize>>,
    /// What else it said.
    pub notes: Vec<String>,
}

/// Why a text did not run.
#[derive(Debug)]
pub enum Trouble {
    /// The engine refused a statement: that is a result.
    Sql(Failure),
    /// It cannot go on: the connection is lost, or somebody pressed Ctrl-C.
    Fatal(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}

/// A trigger that was fired, and by what.
pub type Firing = (TriggerId, Event);

/// What a stage needs.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The statements that make the triggers as they are desired.
    pub statements: Vec<Statement>,
    /// The same triggers (functions on PostgreSQL) again, so that they leave a mark when they run.
    pub marked: Vec<Marked>,
    /// All that may be fired; marks speak of it by its place here.
    pub firings: Vec<Firing>,
}

/// One object that leaves a mark when it runs.
#[derive(Debug, Clone)]
pub struct Marked {
    /// The object.
    pub object: ObjectId,
    /// The mark that its text has in it.
    pub mark: String,
    /// The DDL that makes it from nothing.
    pub create: Vec<String>,
    /// The DDL that puts it in place of the plain one.
    pub replace: Vec<String>,
    /// What runs it: places in [`Setup::firings`].
    pub firings: Vec<usize>,
}

/// What a test leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closed {
    /// What was fired since [`Stage::open`], as places in [`Setup::firings`].
    pub fired: BTreeSet<usize>,
    /// It could not be undone (DDL that commits, a table without transactions): the stage is of no more use.
    pub spoiled: bool,
}

/// A place to run one test after the other.
pub trait Stage: Send {
    /// Begin a test.
    fn open(&mut self) -> Result<(), Error>;
    /// Run a text of one or more statements; rows that they give are left aside. A statement that fails ends it.
    fn run(&mut self, sql: &str) -> Result<(), Trouble>;
    /// Run what waits for the end of the transaction.
    fn settle(&mut self) -> Result<(), Trouble> {
        Ok(())
    }
    /// Remember this moment of the test, to come back to it after an error.
    fn remember(&mut self) -> Result<(), Error>;
    /// After an error: make it possible to go on. Engines that undo everything since [`Stage::remember`] say so with it.
    fn recover(&mut self) -> Result<(), Error>;
    /// What one query gives.
    fn query(&mut self, sql: &str) -> Result<Rows, Trouble>;
    /// All rows of a table.
    fn snapshot(&mut self, table: &TableRef) -> Result<Snapshot, Trouble>;
    /// End the test and undo all that it did.
    fn close(&mut self) -> Result<Closed, Error>;
    /// Whether triggers leave marks here, else why not.
    fn marks(&self) -> Result<(), String>;
}

/// What a scratch database is made from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// A copy of the live schema, without rows, and without these objects.
    Copy(&'a BTreeSet<ObjectId>),
    /// A script.
    Script(&'a SourceFile),
}

/// How to make scratch databases; made once, and used by several threads.
pub trait Blueprint: Sync {
    /// Make one.
    fn build(&self) -> Result<Scratch, Error>;
    /// The name of the database that it is about, where that could be reached from a scratch database by its name.
    fn live(&self) -> Option<String> {
        None
    }
}

/// A scratch database. It is gone with this value.
pub struct Scratch {
    /// The connection to it, which may be taken.
    pub database: Box<dyn Database>,
    /// Takes it away.
    pub guard: Option<Box<dyn Send>>,
}

/// What a killed run left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The database's name.
    pub name: String,
    /// How many seconds ago it was made.
    pub age: u64,
}

impl Leftover {
    /// From a name, at the server's `now` (seconds since 1970); `None` for any other database, and for one that is so
    /// young that it may still be in the making.
    pub fn of(name: &str, now: u64) -> Option<Self> {
        let (made, random) = name.strip_prefix(SCRATCH_PREFIX)?.split_once('_')?;
        let hex = random.len() == 8 && random.bytes().all(|byte| byte.is_ascii_hexdigit());
        let made: u64 = made.parse().ok().filter(|_| hex)?;
        let age = now.saturating_sub(made);
        (age >= LEFT_AFTER).then(|| Self {
            name: name.to_owned(),
            age,
        })
    }
}

/// A name for a scratch database that is made `now` (seconds since 1970, by the server's clock).
pub fn scratch_name(now: u64) -> String {
    format!("{SCRATCH_PREFIX}{now}_{:08x}", fastrand::u32(..))
}

/// Read the script that a scratch database is made from.
pub fn read_script(path: &Path) -> Result<SourceFile, Error> {
    Ok(SourceFile {
        name: path.display().to_string(),
        text: crate::files::read(path)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leftover_is_known_by_its_name_and_age() {
        let name = scratch_name(1_000);
        assert_eq!(
            Leftover::of(&name, 1_060),
            Some(Leftover {
                name: name.clone(),
                age: 60
            })
        );
        assert_eq!(Leftover::of(&name, 1_059), None);
        for other in [
            "triggerctl_scratch",
            "triggerctl_scratch_1000",
            "triggerctl_scratch_x_00000000",
            "triggerctl_scratch_1000_0000000",
            "triggerctl_scratch_1000_0000000g",
            "my_triggerctl_scratch_1000_00000000",
        ] {
            assert_eq!(Leftover::of(other, 9_999), None, "{other}");
        }
    }
}
