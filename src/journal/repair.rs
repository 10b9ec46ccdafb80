//! A migration that was broken off: what there is of it, and its end, forward or back.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use jiff::Timestamp;

use super::lead::{definitions, found};
use super::{Journal, Runner, run_plain, written};
use crate::apply::{Settings, job_scope};
use crate::db::{Database, Migration, Patience, Unfinished};
use crate::error::Error;
use crate::history::Writer;
use crate::model::{Definition, ObjectId};
use crate::plan::ObjectRef;

/// How one object is found after a migration was broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// As it was before the migration.
    Before,
    /// As it is to be.
    After,
    /// Dropped, and not made again yet.
    Between,
    /// Like neither.
    Other,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "as before",
            Self::After => "done",
            Self::Between => "dropped, and not made again yet",
            Self::Other => "neither as before nor as planned: somebody else changed it",
        })
    }
}

/// A migration that was broken off, and what was found of it.
pub struct Broken {
    /// Its row.
    pub migration: Migration,
    /// Each object, in the order of the identities.
    pub found: Vec<(ObjectId, Found)>,
    /// How many statements are known to have run, and of how many.
    pub progress: (usize, usize),
    /// What each object was before, and is to be: the one on the way back, the other on the way forward.
    ends: Vec<[Option<Definition>; 2]>,
}

impl Broken {
    /// What would be live after this way and is not now, and would fail when it fires: a table may have gone meanwhile.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn would_fail(&self, way: Way, database: &mut dyn Database) -> Result<Vec<String>, Error> {
        let made = self.found.iter().zip(&self.ends);
        let made: Vec<&Definition> = made
            .filter_map(|((_, found), [before, after])| match (way, found) {
                (Way::Leave, _) | (Way::Forward, Found::After) | (Way::Back, Found::Before) => None,
                (Way::Forward, _) => after.as_ref(),
                (Way::Back, _) => before.as_ref(),
            })
            .collect();
        let found = database.check(&made, &[])?;
        Ok(found.into_iter().map(|(_, fault)| fault.message).collect())
    }

    /// Whether every object is in a state that the migration can have left it in.
    pub fn is_clear(&self) -> bool {
        self.found.iter().all(|(_, found)| *found != Found::Other)
    }
}

/// Which way out of a broken-off migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Finish it.
    Forward,
    /// Undo it.
    Back,
    /// Leave everything as it is found, and record nothing of it.
    Leave,
}

/// What there is of a migration that was broken off; `None` when there is none. Takes no lock, so it may still be
/// running: see [`repair`].
pub fn broken(database: &mut dyn Database) -> Result<Option<Broken>, Error> {
    let Some(unfinished) = database.unfinished()? else {
        return Ok(None);
    };
    let Unfinished { migration, journal } = unfinished;
    let Some(journal) = journal else {
        return Ok(Some(Broken {
            migration,
            found: vec![],
            progress: (0, 0),
            ends: vec![],
        }));
    };
    let journal = written::read(&journal, &migration, database.home())?;
    let expected: BTreeMap<_, _> = journal
        .objects
        .iter()
        .map(|object| (object.id.clone(), object.end.clone()))
        .collect();
    let catalog = database.catalog(&job_scope(&expected))?;
    let live = definitions(&catalog, database)?;
    let states: Vec<_> = journal
        .objects
        .iter()
        .map(|object| {
            Ok((
                ObjectId::clone(&object.id),
                found(object, &catalog, live.get(&object.id), database)?,
            ))
        })
        .collect::<Result<_, Error>>()?;
    let progress = progress(&journal, &states);
    let objects = journal.objects.iter();
    Ok(Some(Broken {
        ends: objects
            .map(|object| object.ends().map(Option::<&_>::cloned))
            .collect(),
        migration,
        found: states,
        progress,
    }))
}

/// How many statements about triggers have run, as what was found of each trigger says, and of how many. Nothing was counted
/// on the way: a row of the history with all that is to be done is too long to be written anew for each statement, above all
/// where a binary log keeps the whole of it.
fn progress(journal: &Journal, states: &[(ObjectId, Found)]) -> (usize, usize) {
    let (mut done, mut all) = (0, 0);
    for (id, found) in states {
        let about = ObjectRef::from(id);
        let own = journal
            .steps
            .iter()
            .filter(|step| step.about.as_ref() == Some(&about));
        let count = own.count();
        all += count;
        done += match found {
            Found::After => count,
            // Dropped: of two statements the first.
            Found::Between => count.saturating_sub(1),
            Found::Before | Found::Other => 0,
        };
    }
    (done, all)
}

/// End a migration that was broken off, under the migration lock. The answer is its row as it is now.
pub fn repair(
    way: Way,
    patience: Patience,
    writer: Writer<'_>,
    database: &mut dyn Database,
) -> Result<Option<Migration>, Error> {
    database.begin(patience)?;
    let result = repair_locked(way, patience, writer, database);
    let ended = database.abort();
    let migration = result?;
    ended?;
    Ok(migration)
}

fn repair_locked(
    way: Way,
    patience: Patience,
    writer: Writer<'_>,
    database: &mut dyn Database,
) -> Result<Option<Migration>, Error> {
    let clock = Instant::now();
    let Some(Unfinished { migration, journal }) = database.unfinished()? else {
        return Ok(None);
    };
    let journal = match &journal {
        Some(journal) => written::read(journal, &migration, database.home())?,
        // Nothing had been run.
        None => Journal {
            tables: vec![],
            steps: vec![],
            objects: vec![],
            found: vec![],
        },
    };
    let way = if journal.steps.is_empty() && journal.objects.is_empty() {
        Way::Leave
    } else {
        way
    };
    let settings = Settings {
        patience,
        message: None,
        writer,
    };
    let runner = Runner {
        journal: &journal,
        version: migration.version,
        settings: &settings,
    };
    runner.lead(way, database)?;
    if way == Way::Forward {
        return runner.finish(None, &migration, clock, database).map(Some);
    }
    let migration = Migration {
        state: "failed".to_owned(),
        finished_at: Some(Timestamp::now().to_string()),
        error: Some(match way {
            Way::Back => "broken off, and undone afterwards".to_owned(),
            Way::Leave | Way::Forward => "broken off, and left as it was found".to_owned(),
        }),
        ..migration
    };
    run_plain(&[settings.writer.finish(&migration)?], database)?;
    Ok(Some(migration))
}
