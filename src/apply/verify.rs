//! Whether a migration came to what it was meant to, and what is recorded of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::db::{self, Catalog, ConditionPair, Database, Depth, Fingerprint, Live, Verdict};
use crate::dialect::Dialect;
use crate::diff::{self, FieldChange, Judge};
use crate::digest::{digest_more, hex};
use crate::error::{Diagnostic, Error, Kind};
use crate::history::{LiveFingerprint, Present, Row};
use crate::model::{Definition, ObjectId};
use crate::plan::kept;
use crate::plan::places::set_place;

use super::{Expected, job_scope};

/// What is to be recorded, by object.
type Befores = BTreeMap<Arc<ObjectId>, Option<Definition>>;

/// Reads what objects are now: of some at a time, so that not all definitions are held at once.
#[derive(Default)]
pub(crate) struct Reader {
    /// Where an engine reads its catalog as a whole, what that said.
    catalog: Option<Catalog>,
    /// The digest of all that was read so far.
    seen: Sha256,
}

impl Reader {
    /// What is live of these objects of a job, of which `all` are the objects.
    pub(crate) fn read(
        &mut self,
        some: &[(&ObjectId, &Expected)],
        all: &BTreeMap<Arc<ObjectId>, Expected>,
        database: &mut dyn Database,
    ) -> Result<BTreeMap<ObjectId, Live>, Error> {
        let depths = Depths::of(some);
        let at_once = match self.catalog {
            None => depths.read_at_once(database)?,
            Some(_) => None,
        };
        let live = match at_once {
            Some(live) => live,
            None => self.read_by_catalog(some, &depths, all, database)?,
        };
        for (id, _) in some {
            self.note(id, live.get(*id).map(|live| &live.fingerprint));
        }
        Ok(live)
    }

    /// That this is what was read of an object; nothing, where it is not there.
    pub(crate) fn note(&mut self, id: &ObjectId, fingerprint: Option<&Fingerprint>) {
        let seen = fingerprint.map_or("-".to_owned(), Fingerprint::to_string);
        digest_more(&mut self.seen, &format!("{id} {seen}"));
    }

    fn read_by_catalog(
        &mut self,
        some: &[(&ObjectId, &Expected)],
        depths: &Depths,
        all: &BTreeMap<Arc<ObjectId>, Expected>,
        database: &mut dyn Database,
    ) -> Result<BTreeMap<ObjectId, Live>, Error> {
        let catalog = match &self.catalog {
            Some(catalog) => catalog,
            None => self.catalog.insert(database.catalog(&job_scope(all))?),
        };
        let stay = depths.structure.get(..depths.stay).unwrap_or_default();
        let mut definitions = database.definitions(stay, Depth::Structure)?;
        definitions.extend(database.definitions(&depths.whole, Depth::Whole)?);
        let live = some.iter().filter_map(|(id, _)| {
            let live = Live {
                fingerprint: catalog.fingerprints.get(*id)?.clone(),
                definition: definitions.remove(*id),
            };
            Some(((*id).clone(), live))
        });
        Ok(live.collect())
    }

    /// Digest of all objects that were read, as they are now.
    pub(crate) fn digest(&self) -> String {
        hex(&self.seen.clone().finalize())
    }
}

/// Which objects are read to which depth.
struct Depths {
    /// Those that are to be there, and behind them those that are not: of these it counts whether they are.
    structure: Vec<ObjectId>,
    /// What a template of the user's made is recorded as it was read.
    whole: Vec<ObjectId>,
    /// How many are to be there.
    stay: usize,
}

impl Depths {
    fn of(some: &[(&ObjectId, &Expected)]) -> Self {
        let (mut whole, mut structure, mut gone) = (vec![], vec![], vec![]);
        for &(id, end) in some {
            match end {
                Expected::Present { custom: true, .. } => whole.push(id.clone()),
                Expected::Present { .. }
                | Expected::Returned { .. }
                | Expected::Restored { .. } => structure.push(id.clone()),
                Expected::Absent | Expected::Missing { .. } | Expected::Released => {
                    gone.push(id.clone());
                }
            }
        }
        let stay = structure.len();
        structure.append(&mut gone);
        Self {
            structure,
            whole,
            stay,
        }
    }

    fn read_at_once(
        &self,
        database: &mut dyn Database,
    ) -> Result<Option<BTreeMap<ObjectId, Live>>, Error> {
        let Some(mut live) = database.live(&self.structure, Depth::Structure)? else {
            return Ok(None);
        };
        if !self.whole.is_empty() {
            let whole = database.live(&self.whole, Depth::Whole)?;
            live.extend(whole.unwrap_or_default());
        }
        Ok(Some(live))
    }
}

/// What is live of some objects of a job, on an engine that need not read its whole catalog for them; `None` elsewhere.
pub(crate) fn live_of(
    some: &[(&ObjectId, &Expected)],
    database: &mut dyn Database,
) -> Result<Option<BTreeMap<ObjectId, Live>>, Error> {
    Depths::of(some).read_at_once(database)
}

/// What the engine says of the conditions that must be judged to tell whether objects are as expected.
pub(crate) fn verdicts(
    expected: &[(&ObjectId, &Expected)],
    live: &BTreeMap<ObjectId, Live>,
    database: &mut dyn Database,
) -> Result<BTreeMap<ConditionPair, Verdict>, Error> {
    let undecided = |(id, end): &(&ObjectId, &Expected)| match end {
        Expected::Present {
            definition,
            custom: false,
            ..
        }
        | Expected::Returned { definition, .. }
        | Expected::Restored { definition } => {
            diff::undecided(definition, live.get(*id)?.definition.as_ref()?)
        }
        _ => None,
    };
    db::verdicts(expected.iter().filter_map(undecided).collect(), database)
}

/// In what an object differs from what is expected.
pub(crate) fn differences(
    expected: &Definition,
    found: &Definition,
    database: &mut dyn Database,
) -> Result<Vec<FieldChange>, Error> {
    let pairs = diff::undecided(expected, found).into_iter().collect();
    let verdicts = db::verdicts(pairs, database)?;
    Ok(diff::compare(
        expected,
        found,
        &Judge {
            dialect: database.dialect(),
            verdicts: &verdicts,
        },
    ))
}

/// The rows to record of objects, once each is seen to be what it was to become; it is looked at when its row is asked for.
pub(crate) fn rows<'a>(
    expected: &'a [(&ObjectId, &Expected)],
    befores: &'a Befores,
    mut live: BTreeMap<ObjectId, Live>,
    verdicts: BTreeMap<ConditionPair, Verdict>,
    dialect: &'static dyn Dialect,
) -> impl ExactSizeIterator<Item = Result<Row, Error>> + Send + 'a {
    expected.iter().map(move |&(id, end)| {
        let judge = Judge {
            dialect,
            verdicts: &verdicts,
        };
        Ok(Row {
            id: id.clone(),
            present: end_state(id, end, live.remove(id), &judge)?,
            before: befores.get(id).cloned(),
        })
    })
}

/// What to record of one object, or an error when it is not as expected.
fn end_state(
    id: &ObjectId,
    expected: &Expected,
    found: Option<Live>,
    judge: &Judge<'_>,
) -> Result<Option<Present>, Error> {
    let is_there = found.is_some();
    let found = found.and_then(|live| Some((live.fingerprint, live.definition?)));
    let (fingerprint, found) = match (expected, found) {
        (Expected::Absent | Expected::Missing { .. }, _) if is_there => {
            return Err(unlike(id, "it is still there", &[]));
        }
        (Expected::Absent | Expected::Released, _) => return Ok(None),
        (Expected::Missing { definition, record }, _) => {
            log::warn!("{id} had been dropped by hand before, and is gone again");
            return Ok(Some(Present {
                rendered_digest: record.rendered_digest.clone(),
                live_fingerprint: LiveFingerprint::Known(record.live_fingerprint.clone()),
                definition: definition.clone(),
            }));
        }
        (
            Expected::Present { .. } | Expected::Returned { .. } | Expected::Restored { .. },
            None,
        ) => {
            return Err(unlike(id, "it is not there", &[]));
        }
        (
            Expected::Present { .. } | Expected::Returned { .. } | Expected::Restored { .. },
            Some(found),
        ) => found,
    };
    let known = LiveFingerprint::Known(fingerprint);
    Ok(Some(match expected {
        Expected::Absent | Expected::Missing { .. } | Expected::Released => return Ok(None),
        Expected::Restored { definition } => {
            must_be(id, definition, &found, judge)?;
            return Ok(None);
        }
        Expected::Present {
            definition,
            rendered_digest,
            custom,
        } => {
            if !custom {
                must_be(id, definition, &found, judge)?;
            }
            Present {
                rendered_digest: rendered_digest.clone(),
                live_fingerprint: known,
                definition: if *custom {
                    found
                } else {
                    let mut definition = definition.clone();
                    judge.dialect.complete(&mut definition, &found);
                    kept::record(&mut definition, &found);
                    // Where it stands is nobody's wish, but it is where it comes back to when somebody drops it.
                    if definition.place().is_none() {
                        set_place(&mut definition, found.place().cloned());
                    }
                    definition
                },
            }
        }
        Expected::Returned { definition, record } => {
            // The statements undo what the migration did, to the letter. What had drifted before it has drifted again,
            // and the record must go on saying so.
            let fields = diff::compare(definition, &found, judge);
            let drifted = !fields.is_empty();
            if drifted {
                let names: Vec<&str> = fields.iter().map(|change| change.field.as_str()).collect();
                log::warn!(
                    "{id} had been changed by hand before, and is so again: {}",
                    names.join(", ")
                );
            }
            Present {
                rendered_digest: record.rendered_digest.clone(),
                live_fingerprint: if drifted {
                    LiveFingerprint::Known(record.live_fingerprint.clone())
                } else {
                    known
                },
                definition: definition.clone(),
            }
        }
    }))
}

/// An error when this is not what was planned.
fn must_be(
    id: &ObjectId,
    planned: &Definition,
    found: &Definition,
    judge: &Judge<'_>,
) -> Result<(), Error> {
    let fields = diff::compare(planned, found, judge);
    if fields.is_empty() {
        return Ok(());
    }
    Err(unlike(id, "it differs from the plan", &fields))
}

fn unlike(id: &ObjectId, what: &str, fields: &[FieldChange]) -> Error {
    let mut diagnostic = Diagnostic::new(format!(
        "after the migration ran, {id} is not as planned: {what}; nothing was changed"
    ));
    for FieldChange {
        field,
        before,
        after,
        note: _,
    } in fields
    {
        let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        diagnostic = diagnostic.note(format!(
            "{field}: planned {}, found {}",
            show(before),
            show(after)
        ));
    }
    diagnostic
        .help("an event trigger, a template of yours, or another session may have had a hand in it")
        .into_error(Kind::Failed)
}
