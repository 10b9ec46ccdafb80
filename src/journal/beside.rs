//! Seeing that tables are as planned, and writing the rows of the history about them, while the migration goes on with the next
//! ones: on a connection of its own, which reads what the other has made. Its rows are one transaction, which ends with the row of
//! the migration. Whatever goes wrong here is nobody's error: without it, all is seen and written at the end, and whatever is
//! not as planned is said then.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use super::{Group, run_plain};
use crate::apply::{Expected, Reader, live_of, rows, verdicts};
use crate::db::{Database, Fingerprint, Opening};
use crate::error::Error;
use crate::history::Writer;
use crate::model::{Definition, ObjectId, TableId};

/// Fewer groups than this are not worth a connection.
pub(super) const WORTH: usize = 8;

/// Objects with what is read of them at once, or more where they are on the same tables.
const LEAST_AT_ONCE: usize = 50;

/// Fewer objects than this are seen in no time.
const FEW: usize = 2 * LEAST_AT_ONCE;

/// What is to be seen, and how it is written.
pub(super) struct Task<'a> {
    pub(super) expected: &'a BTreeMap<Arc<ObjectId>, Expected>,
    pub(super) found: &'a BTreeMap<Arc<ObjectId>, Option<Definition>>,
    pub(super) writer: &'a Writer<'a>,
    pub(super) version: i64,
}

/// What was done so far.
pub(super) enum Told {
    /// All that there was to do about these tables.
    Done(BTreeSet<TableId>),
    /// Everything.
    All,
}

impl Told {
    pub(super) fn of(group: &Group) -> Self {
        Self::Done(group.tables.clone())
    }
}

/// All objects were seen to be as planned, and their rows are written, by a transaction that is still open.
pub(super) struct Seen {
    pub(super) database: Box<dyn Database>,
    /// What was read of them.
    pub(super) reader: Reader,
}

/// See and write what is told, until all is done; `None` where that did not work out, or the migration did not get so far: then
/// nothing is written.
pub(super) fn see(task: &Task<'_>, open: Opening, told: &Receiver<Told>) -> Option<Seen> {
    let mut database = match open() {
        Ok(database) => database,
        Err(error) => {
            log::info!("no second connection for the migration: {error}");
            return None;
        }
    };
    match task.see_each(told, &mut *database) {
        Ok(Some(reader)) => return Some(Seen { database, reader }),
        Ok(None) => {}
        Err(error) => log::info!("what was done is looked at once more at the end: {error}"),
    }
    // Where this fails the connection is gone, and its transaction with it.
    let undone = run_plain(&["ROLLBACK".to_owned()], &mut *database);
    if let Err(error) = undone {
        log::debug!("the second connection is gone: {error}");
    }
    None
}

impl Task<'_> {
    fn see_each(
        &self,
        told: &Receiver<Told>,
        database: &mut dyn Database,
    ) -> Result<Option<Reader>, Error> {
        let mut on: BTreeMap<Option<TableId>, Vec<(&ObjectId, &Expected)>> = BTreeMap::new();
        for (id, end) in self.expected {
            on.entry(id.table().cloned())
                .or_default()
                .push((&**id, end));
        }
        let mut seen: BTreeMap<&ObjectId, Option<Fingerprint>> = BTreeMap::new();
        run_plain(&["START TRANSACTION".to_owned()], database)?;
        let mut left = self.expected.len();
        let are_few = left < FEW;
        // Of each table what was told of and not seen yet.
        let mut waiting: VecDeque<Vec<(&ObjectId, &Expected)>> = VecDeque::new();
        let mut count = 0;
        loop {
            // Towards the end fewer, so that little is left to be seen when the last statement has run.
            let enough = if are_few {
                usize::MAX
            } else {
                (left / 4).max(1)
            };
            let next = if count < LEAST_AT_ONCE.min(enough) {
                told.recv().map_err(TryRecvError::from)
            } else {
                told.try_recv()
            };
            match next {
                Ok(Told::Done(tables)) => {
                    let of = tables
                        .into_iter()
                        .filter_map(|table| on.remove(&Some(table)));
                    for objects in of {
                        count += objects.len();
                        left -= objects.len();
                        waiting.push_back(objects);
                    }
                }
                Ok(Told::All) => break,
                // The migration has failed.
                Err(TryRecvError::Disconnected) => return Ok(None),
                Err(TryRecvError::Empty) => {
                    let mut some = vec![];
                    while some.len() < LEAST_AT_ONCE
                        && let Some(objects) = waiting.pop_front()
                    {
                        some.extend(objects);
                    }
                    self.see_some(&some, &mut seen, database)?;
                    count -= some.len();
                }
            }
        }
        // All that is left, with what nothing was to be done about: nothing is changing any more, and what there is can be read at once.
        let rest: Vec<_> = waiting
            .into_iter()
            .chain(on.into_values())
            .flatten()
            .collect();
        self.see_some(&rest, &mut seen, database)?;
        let mut reader = Reader::default();
        for (id, fingerprint) in seen {
            reader.note(id, fingerprint.as_ref());
        }
        Ok(Some(reader))
    }

    fn see_some<'a>(
        &self,
        some: &[(&'a ObjectId, &Expected)],
        seen: &mut BTreeMap<&'a ObjectId, Option<Fingerprint>>,
        database: &mut dyn Database,
    ) -> Result<(), Error> {
        let live = live_of(some, database)?
            .ok_or_else(|| Error::failed("single tables cannot be read here"))?;
        for (id, _) in some {
            let fingerprint = live.get(*id).map(|live| live.fingerprint.clone());
            seen.insert(*id, fingerprint);
        }
        let verdicts = verdicts(some, &live, database)?;
        let rows = rows(some, self.found, live, verdicts, database.dialect());
        self.writer
            .each_of_objects(self.version, rows, |sql| run_plain(&[sql], database))
    }
}
