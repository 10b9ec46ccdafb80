//! Undoing migrations: the recorded statements, newest first, as a job of its own. It starts only where the database
//! still is what the history says, and is done only when it is what the history said then.

use std::collections::{BTreeMap, BTreeSet};

use crate::apply::{Expected, Job};
use crate::db::{
    ConditionPair, Database, Depth, Fingerprint, History, Migration, Record, Scope, Statement,
};
use crate::desired::digest;
use crate::diff::{self, Judge};
use crate::error::{Diagnostic, Error, Kind};
use crate::model::ObjectId;

/// What becomes of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It comes back.
    Returns,
    /// It becomes what it was.
    Reverts,
    /// It goes, or is no longer ours, since it was not recorded then.
    Leaves,
}

/// A rollback that is ready to run.
pub struct Rollback {
    /// The version whose state comes back; 0 is the state before the first.
    pub to: i64,
    /// The migrations that are undone, newest first.
    pub undone: Vec<Migration>,
    /// What becomes of each object.
    pub turns: BTreeMap<ObjectId, Turn>,
    /// The job.
    pub job: Job,
}

/// Prepare going back to version `to`, or to the one before the latest. Reads only.
pub fn prepare(database: &mut dyn Database, to: Option<i64>) -> Result<Rollback, Error> {
    let history = database.history()?;
    let latest = history.version;
    if latest == 0 {
        return Err(Error::failed(
            "there is nothing to roll back: no migration was applied yet",
        ));
    }
    let to = to.unwrap_or(latest - 1);
    if !(0..latest).contains(&to) {
        return Err(Error::new(
            Kind::Usage,
            format!(
                "`--to {to}`: the versions to go back to are 0 to {}",
                latest - 1
            ),
        )
        .help("`triggerctl history` lists them"));
    }
    let (mut undone, kept): (Vec<_>, Vec<_>) = database
        .migrations(true)?
        .into_iter()
        .partition(|migration| migration.version > to);
    let then = database.records_at(to)?;
    let spec_digest = kept
        .last()
        .map(|migration| migration.spec_digest.clone())
        .unwrap_or_default();

    let touched: BTreeSet<ObjectId> = history
        .records
        .keys()
        .chain(then.keys())
        .filter(|id| history.records.get(id) != then.get(id))
        .cloned()
        .collect();
    let base = unmoved(&touched, &history, database)?;
    let (turns, expected) = ends(&touched, &history, &then, to, database)?;

    undone.sort_by_key(|migration| std::cmp::Reverse(migration.version));
    let up: Vec<Statement> = undone
        .iter()
        .flat_map(|migration| &migration.down)
        .map(|sql| Statement {
            sql: sql.clone(),
            object: None,
        })
        .collect();
    let down = undone
        .iter()
        .rev()
        .flat_map(|migration| migration.up.iter().cloned())
        .collect();
    let from_fingerprint = digest(
        base.values()
            .map(|fingerprint| fingerprint.as_deref().unwrap_or("-")),
    );
    let job = Job {
        plan_id: digest(up.iter().map(|statement| statement.sql.as_str())),
        up,
        down,
        expected,
        moved: Box::new(move |catalog, history| {
            let mut moved = vec![];
            if history.version != latest {
                moved.push(format!(
                    "the history is at version {}, no longer at {latest}",
                    history.version
                ));
            }
            for (id, fingerprint) in &base {
                if catalog.fingerprints.get(id) != fingerprint.as_ref() {
                    moved.push(format!("{id} was changed"));
                }
            }
            moved
        }),
        summary: format!("rolled back to version {to}"),
        spec_digest,
        from_fingerprint,
    };
    Ok(Rollback {
        to,
        undone,
        turns,
        job,
    })
}

/// The live fingerprints of what will be touched; an error when one of them is not as recorded.
fn unmoved(
    touched: &BTreeSet<ObjectId>,
    history: &History,
    database: &mut dyn Database,
) -> Result<BTreeMap<ObjectId, Option<Fingerprint>>, Error> {
    let scope = Scope {
        schemas: touched.iter().map(|id| id.schema().to_owned()).collect(),
        known: touched.clone(),
    };
    let catalog = database.catalog(&scope)?;
    let base: BTreeMap<_, _> = touched
        .iter()
        .map(|id| (id.clone(), catalog.fingerprints.get(id).cloned()))
        .collect();
    let mut suspects = vec![];
    let mut moved = vec![];
    for (id, live) in &base {
        match (history.records.get(id), live) {
            (Some(_), None) => moved.push(format!("{id} is gone")),
            (None, Some(_)) => moved.push(format!(
                "{id} exists, and the history says that it was dropped"
            )),
            (Some(record), Some(live)) if record.live_fingerprint != *live => {
                suspects.push(id.clone())
            }
            _ => {}
        }
    }
    // Another fingerprint need not be another definition: the engine may print it differently since an upgrade.
    let live = database.definitions(&suspects, Depth::Whole)?;
    let recorded = if suspects.is_empty() {
        BTreeMap::new()
    } else {
        database.recorded(&suspects, history.version)?
    };
    for id in &suspects {
        let (Some(live), Some(recorded)) = (live.get(id), recorded.get(id)) else {
            continue;
        };
        let pairs: Vec<ConditionPair> = diff::undecided(recorded, live).into_iter().collect();
        let verdicts = if pairs.is_empty() {
            vec![]
        } else {
            database.same_conditions(&pairs)?
        };
        let verdicts = pairs.into_iter().zip(verdicts).collect();
        let judge = Judge {
            dialect: database.dialect(),
            verdicts: &verdicts,
        };
        let fields: Vec<String> = diff::compare(recorded, live, &judge)
            .into_iter()
            .map(|f| f.field)
            .collect();
        if !fields.is_empty() {
            moved.push(format!("{id} was changed by hand: {}", fields.join(", ")));
        }
    }
    if moved.is_empty() {
        return Ok(base);
    }
    let mut diagnostic = Diagnostic::new(
        "the database is not what the history says: rolling back would lose changes",
    );
    for what in moved {
        diagnostic = diagnostic.note(what);
    }
    Err(diagnostic
        .help("`triggerctl plan` shows the differences; `triggerctl apply` restores the recorded state")
        .into_error(Kind::Refused))
}

type Ends = (BTreeMap<ObjectId, Turn>, BTreeMap<ObjectId, Expected>);

fn ends(
    touched: &BTreeSet<ObjectId>,
    history: &History,
    then: &BTreeMap<ObjectId, Record>,
    to: i64,
    database: &mut dyn Database,
) -> Result<Ends, Error> {
    let returning: Vec<ObjectId> = touched
        .iter()
        .filter(|id| then.contains_key(id))
        .cloned()
        .collect();
    let mut definitions = if returning.is_empty() {
        BTreeMap::new()
    } else {
        database.recorded(&returning, to)?
    };
    let (mut turns, mut expected) = (BTreeMap::new(), BTreeMap::new());
    for id in touched {
        let (turn, end) = match then.get(id) {
            // Created since, it is dropped; taken over since, it is what it was. The statements know which.
            None => (Turn::Leaves, Expected::Released),
            Some(record) => {
                let definition = definitions.remove(id).ok_or_else(|| {
                    Error::failed(format!(
                        "the history has no definition of {id} at version {to}"
                    ))
                })?;
                let turn = if history.records.contains_key(id) {
                    Turn::Reverts
                } else {
                    Turn::Returns
                };
                let record = record.clone();
                (turn, Expected::Returned { definition, record })
            }
        };
        turns.insert(id.clone(), turn);
        expected.insert(id.clone(), end);
    }
    Ok((turns, expected))
}
