//! The way back, and the way to any other end that a journal names: each object is led there from wherever it is found, by the
//! definitions that were written down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::groups::{groups, is_drop};
use super::{Found, Object, Runner, Way, hold, run_plain};
use crate::apply::{Expected, create_tables, differences, existing};
use crate::db::{Catalog, Database, Depth, Fingerprint, Migration, Statement};
use crate::error::{Error, Kind};
use crate::kinds::tables::NewTable;
use crate::model::{Definition, ObjectId, Place};
use crate::plan::order::ranks;
use crate::plan::places::Siblings;
use crate::rollback::is_written_otherwise;

/// An object that is to be led somewhere, where to, and the statements for it where they are given.
type Lead<'a> = (&'a Object, Option<Definition>, Option<Vec<Statement>>);

impl Runner<'_> {
    /// The end of a migration that cannot go on: undo what it did, and say so.
    pub(super) fn undone(
        &self,
        started: &Migration,
        clock: Instant,
        error: Error,
        database: &mut dyn Database,
    ) -> Error {
        if error.kind == Kind::Uncertain {
            return self.left(error, None);
        }
        let back = insist(|| self.back(database)).and_then(|()| {
            let migration = Migration {
                state: "failed".to_owned(),
                finished_at: Some(Timestamp::now().to_string()),
                duration_ms: i64::try_from(clock.elapsed().as_millis()).ok(),
                error: Some(error.to_string()),
                ..started.clone()
            };
            let finish = [self.settings.writer.finish(&migration)?];
            insist(|| run_plain(&finish, database))
        });
        match back {
            Ok(()) => {
                let error = error.note(format!(
                    "what had been done was undone: nothing has changed; migration {} is recorded as failed",
                    self.version
                ));
                match existing(&self.journal.tables, database) {
                    Ok(tables) => tables.iter().fold(error, |error, table| {
                        error.note(format!("but the table {table}, which it created, stays"))
                    }),
                    Err(_) => error,
                }
            }
            Err(second) => self.left(error, Some(second)),
        }
    }

    /// Nobody could undo it.
    fn left(&self, error: Error, second: Option<Error>) -> Error {
        let mut error = match error.kind {
            // Its words are those of one after which nothing has changed.
            Kind::Interrupted => Error::new(Kind::Uncertain, "interrupted"),
            _ => Error {
                kind: Kind::Uncertain,
                ..error
            },
        }
        .note(format!(
            "migration {} is neither done nor undone",
            self.version
        ));
        if let Some(second) = second {
            error = error.note(format!("undoing it failed: {second}"));
        }
        error.help("`triggerctl repair` shows the state of each trigger, and finishes or undoes it")
    }

    /// Every object as it was, by the definitions that were written down.
    fn back(&self, database: &mut dyn Database) -> Result<(), Error> {
        // A signal may have met their release, and whoever holds some tables can read no others.
        database.release()?;
        self.lead(Way::Back, database)
    }

    /// Lead every object to where the journal says: forward or back.
    pub(super) fn lead(&self, way: Way, database: &mut dyn Database) -> Result<(), Error> {
        if way == Way::Forward {
            let there = existing(&self.journal.tables, database)?;
            let missing = self.journal.tables.iter();
            let missing: Vec<NewTable> = missing
                .filter(|table| !there.contains(&table.table))
                .cloned()
                .collect();
            create_tables(&missing, database)?;
        }
        let catalog = database.catalog(&self.scope())?;
        let live = definitions(&catalog, database)?;
        let mut ways = vec![];
        for object in &self.journal.objects {
            let now = live.get(&object.id);
            let found = found(object, &catalog, now, database)?;
            let there = match way {
                Way::Back => is_before(object, &catalog, now, database)?,
                Way::Forward => found == Found::After,
                Way::Leave => true,
            };
            if there {
                continue;
            }
            let is_custom = matches!(
                object.end,
                Expected::Released | Expected::Present { custom: true, .. }
            );
            if way == Way::Forward && is_custom {
                ways.push((object, None, Some(self.rest_of(object, found))));
                continue;
            }
            let target = match (way, &object.end) {
                (Way::Back, _) => object
                    .before
                    .as_ref()
                    .map(|before| before.definition.clone()),
                (
                    _,
                    Expected::Present { definition, .. }
                    | Expected::Returned { definition, .. }
                    | Expected::Restored { definition },
                ) => Some(definition.clone()),
                (_, Expected::Absent | Expected::Missing { .. } | Expected::Released) => None,
            };
            ways.push((object, target, None));
        }
        let statements = self.statements(ways, &catalog, &live, database)?;
        for group in groups(statements, &BTreeSet::new()) {
            if !group.tables.is_empty() {
                hold(&group.tables, self.settings.patience, database, || Ok(()))?;
            }
            let result = database.run(&group.statements, &mut |_| ());
            let released = database.release();
            result?;
            released?;
        }
        let catalog = database.catalog(&self.scope())?;
        let live = definitions(&catalog, database)?;
        for object in &self.journal.objects {
            if way == Way::Back && !is_before(object, &catalog, live.get(&object.id), database)? {
                return Err(Error::new(
                    Kind::Uncertain,
                    format!("{} is not as it was", object.id),
                ));
            }
        }
        Ok(())
    }

    /// The statements that lead each object to its target, or those that are given: what goes first, then table by table,
    /// whoever tells another's place before it.
    fn statements(
        &self,
        mut ways: Vec<Lead<'_>>,
        catalog: &Catalog,
        live: &BTreeMap<ObjectId, Definition>,
        database: &dyn Database,
    ) -> Result<Vec<Statement>, Error> {
        let places: Vec<_> = ways
            .iter()
            .map(|(object, target, _)| {
                let place = target.as_ref().and_then(Definition::place);
                (&*object.id, place)
            })
            .collect();
        let ranks = ranks(&places);
        ways.sort_by_cached_key(|(object, target, given)| {
            let stays = target.is_some() || given.is_some();
            let rank = ranks.get(&*object.id).copied().unwrap_or(0);
            let earlier = target.as_ref().map_or(0, earlier_siblings);
            (stays, object.id.table().cloned(), rank + earlier)
        });
        let (renderer, server) = (self.settings.writer.renderer, database.server());
        let dialect = database.dialect();
        let mut siblings = Siblings::read(&catalog.places);
        let mut statements = vec![];
        for (object, target, given) in ways {
            if let Some(mut given) = given {
                statements.append(&mut given);
                continue;
            }
            let (now, target) = siblings.step(live.get(&object.id).cloned(), target);
            let ddl = match (&now, &target) {
                (None, None) => continue,
                (Some(now), None) => dialect.drop(now, renderer, server)?,
                (None, Some(target)) => {
                    dialect.create(&database.spared(target), renderer, server)?
                }
                (Some(now), Some(target)) => {
                    let (now, target) = (database.spared(now), database.spared(target));
                    dialect.alter(&now, &target, renderer, server)?
                }
            };
            statements.extend(ddl.statements.into_iter().map(|sql| {
                let is_about = dialect.subject(&sql, object.id.schema()).is_some();
                Statement {
                    sql,
                    object: is_about.then(|| Arc::clone(&object.id)),
                }
            }));
        }
        Ok(statements)
    }

    /// What is left to be done about one object by the statements themselves, for whose end there is no definition.
    fn rest_of(&self, object: &Object, found: Found) -> Vec<Statement> {
        let mut statements: Vec<Statement> = vec![];
        let mut settings = vec![];
        for step in &self.journal.steps {
            let statement = step.statement();
            match &statement.object {
                None => settings.push(statement),
                Some(id) if *id == object.id => {
                    statements.append(&mut settings);
                    statements.push(statement);
                }
                Some(_) => settings.clear(),
            }
        }
        if found == Found::Between {
            // All that is missing is its last making.
            let last_drop = statements
                .iter()
                .rposition(|statement| statement.object.is_some() && is_drop(statement));
            if let Some(at) = last_drop {
                statements.drain(..=at);
            }
        }
        statements
    }
}

/// So often may a signal meet what must be done to the end: somebody may press Ctrl-C again.
const INSISTENCE: u32 = 20;

/// Do what must not be given up because of a signal, since nothing would be as it was: what a signal has the server stop may be
/// that, instead of what the signal was meant for. It is begun anew, and does nothing twice.
pub(super) fn insist<T>(mut work: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 0..INSISTENCE {
        match work() {
            Err(error) if error.kind == Kind::Interrupted => log::info!("{error}; going on"),
            done => return done,
        }
    }
    work()
}
pub(super) fn definitions(
    catalog: &Catalog,
    database: &mut dyn Database,
) -> Result<BTreeMap<ObjectId, Definition>, Error> {
    let ids: Vec<ObjectId> = catalog.fingerprints.keys().cloned().collect();
    database.definitions(&ids, Depth::Whole)
}

/// Whether an object is as it was before the migration.
fn is_before(
    object: &Object,
    catalog: &Catalog,
    now: Option<&Definition>,
    database: &mut dyn Database,
) -> Result<bool, Error> {
    let live = catalog.fingerprints.get(&object.id);
    Ok(match (&object.before, live, now) {
        (None, None, _) => true,
        (Some(before), Some(live), _) if before.fingerprint == *live => true,
        (Some(before), Some(_), Some(now)) => {
            differences(&before.definition, now, database)?.is_empty()
        }
        _ => false,
    })
}

/// How one object is found; what is only recorded is after as it was before.
pub(super) fn found(
    object: &Object,
    catalog: &Catalog,
    now: Option<&Definition>,
    database: &mut dyn Database,
) -> Result<Found, Error> {
    let is_before = is_before(object, catalog, now, database)?;
    let is_after = match (&object.end, now) {
        // The statements say what a released one is to be: gone, as far as that can be seen.
        (Expected::Absent | Expected::Missing { .. } | Expected::Released, None) => true,
        (
            Expected::Present {
                definition,
                rendered_digest: _,
                custom: false,
            }
            | Expected::Returned {
                definition,
                record: _,
            }
            | Expected::Restored { definition },
            Some(now),
        ) => {
            !is_to_be_rewritten(object, &catalog.fingerprints)
                && differences(definition, now, database)?.is_empty()
        }
        _ => false,
    };
    Ok(
        if is_after && !(is_before && matches!(object.end, Expected::Released)) {
            Found::After
        } else if is_before {
            Found::Before
        } else if now.is_none() {
            Found::Between
        } else {
            Found::Other
        },
    )
}

/// Whether an object is still what it was, and gets a text back that says the same in other words.
fn is_to_be_rewritten(object: &Object, live: &BTreeMap<ObjectId, Fingerprint>) -> bool {
    let (Some(before), Expected::Restored { definition }) = (&object.before, &object.end) else {
        return false;
    };
    live.get(&object.id) == Some(&before.fingerprint)
        && is_written_otherwise(Some(&before.definition), Some(definition))
}

fn earlier_siblings(definition: &Definition) -> usize {
    match definition.place() {
        Some(Place::Among { before, .. }) => before.len(),
        _ => 0,
    }
}
