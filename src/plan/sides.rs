//! The three sides of each object: which of them the digests settle already, and for the others what is behind them, with the
//! engine's judgement on conditions that only it can compare.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::db::{
    self, Catalog, ConditionPair, Database, Depth, Fingerprint, History, Record, Verdict,
};
use crate::desired::{Desired, DesiredSet};
use crate::diff;
use crate::error::Error;
use crate::model::{Definition, FunctionId, ObjectId};

use super::ObjectRef;

/// What the sides say of one object. `from` is its identity on the recorded and the live side: another one than `id`
/// where it is to be renamed.
pub(super) struct Sides<'a> {
    pub(super) id: ObjectRef,
    pub(super) from: &'a ObjectId,
    pub(super) desired: Option<&'a Desired>,
    pub(super) record: Option<&'a Record>,
    pub(super) live: Option<&'a Fingerprint>,
    /// Live as well, where the spec renames one to the other: the old one for what is desired, and the other way round.
    pub(super) beside: Option<&'a ObjectId>,
}

/// The definitions behind the sides that the digests did not settle, and the engine's judgement on them.
#[derive(Default)]
pub(super) struct Evidence {
    pub(super) live: BTreeMap<ObjectId, Definition>,
    pub(super) recorded: BTreeMap<ObjectId, Definition>,
    pub(super) verdicts: BTreeMap<ConditionPair, Verdict>,
}

pub(super) fn sides<'a>(
    desired: &'a DesiredSet,
    history: &'a History,
    catalog: &'a Catalog,
    names_are_per_table: bool,
) -> Vec<Sides<'a>> {
    let mut sides = Vec::with_capacity(desired.len());
    let mut renamed: BTreeSet<&ObjectId> = BTreeSet::new();
    let mut kept_apart: BTreeMap<&ObjectId, &ObjectId> = BTreeMap::new();
    for (id, wanted) in desired {
        let beside = wanted.renamed_from.as_deref().filter(|from| {
            catalog.fingerprints.contains_key(from)
                && catalog.fingerprints.contains_key(id)
                && !desired.contains_key(*from)
                // Else it has happened once, and what has the old name now is another's.
                && (history.records.contains_key(from) || !history.records.contains_key(id))
        });
        kept_apart.extend(beside.map(|from| (from, &**id)));
        let from = wanted.renamed_from.as_deref().filter(|from| {
            // Once it has happened, `renamed_from` may stay in the spec and says nothing any more.
            catalog.fingerprints.contains_key(from)
                && !catalog.fingerprints.contains_key(id)
                && !desired.contains_key(*from)
        });
        renamed.extend(from);
        let from = from.unwrap_or(id);
        sides.push(Sides {
            id: ObjectRef(Arc::clone(id)),
            from,
            desired: Some(wanted),
            record: history.records.get(from),
            live: catalog.fingerprints.get(from),
            beside,
        });
    }
    for (id, record) in &history.records {
        if desired.contains_key(id) || renamed.contains(id) {
            continue;
        }
        let live = catalog.fingerprints.get(id);
        sides.push(Sides {
            id: ObjectRef::from(id),
            from: id,
            desired: None,
            record: Some(record),
            live,
            beside: kept_apart.get(id).copied(),
        });
    }
    if !names_are_per_table {
        name_taken_elsewhere(&mut sides, history, catalog);
    }
    sides
}

/// What tells a trigger from others where a name is unique whatever the table.
pub(super) fn unique_name(id: &ObjectId) -> (&str, String) {
    (id.schema(), id.name().to_ascii_lowercase())
}

/// Where a name is unique in the whole database, a trigger that is to be made may find its name taken on another table
/// by one that nobody recorded: that one is what it would be in conflict with.
fn name_taken_elsewhere<'a>(sides: &mut [Sides<'a>], history: &History, catalog: &'a Catalog) {
    let taken: BTreeMap<(&str, String), (&'a ObjectId, &'a Fingerprint)> = catalog
        .fingerprints
        .iter()
        .filter(|(id, _)| !history.records.contains_key(id))
        .map(|(id, fingerprint)| (unique_name(id), (id, fingerprint)))
        .collect();
    for side in sides
        .iter_mut()
        .filter(|side| side.desired.is_some() && side.live.is_none())
    {
        if let Some(&(id, fingerprint)) = taken.get(&unique_name(&side.id)) {
            side.from = id;
            side.live = Some(fingerprint);
        }
    }
}

/// The fast path: rendered as recorded, and live as recorded.
pub(super) fn is_settled(sides: &Sides<'_>, catalog: &Catalog) -> bool {
    match (sides.desired, sides.record, sides.live) {
        (Some(desired), Some(record), Some(live)) => {
            let place = desired.definition.place();
            let stands = place.zip(catalog.places.get(&*sides.id));
            stands.is_none_or(|(wanted, found)| wanted.agrees(&found.place))
                && *sides.id == *sides.from
                && desired.digest == record.rendered_digest
                && *live == record.live_fingerprint
        }
        _ => false,
    }
}

/// A trigger keeps calling a function that is renamed under it: see it that way, and no difference is left.
pub(super) fn renamed_functions(open: &[Sides<'_>]) -> BTreeMap<FunctionId, FunctionId> {
    open.iter()
        .filter_map(|side| match (side.from, &*side.id) {
            (ObjectId::Function(from), ObjectId::Function(to)) if from != to => {
                Some((from.clone(), to.clone()))
            }
            _ => None,
        })
        .collect()
}

pub(super) fn gather(
    open: &[Sides<'_>],
    renamed: &BTreeMap<FunctionId, FunctionId>,
    history: &History,
    database: &mut dyn Database,
) -> Result<Evidence, Error> {
    let live: Vec<ObjectId> = open
        .iter()
        .filter(|side| side.live.is_some())
        .map(|side| side.from.clone())
        .collect();
    let recorded: Vec<ObjectId> = open
        .iter()
        .filter(|side| side.record.is_some())
        .map(|side| side.from.clone())
        .collect();
    let mut live = database.definitions(&live, Depth::Whole)?;
    let mut recorded = if recorded.is_empty() {
        BTreeMap::new()
    } else {
        database.recorded(&recorded, history.version)?
    };
    for definition in live.values_mut().chain(recorded.values_mut()) {
        definition.call_instead(|function| renamed.get(function));
    }

    let mut pairs = BTreeSet::new();
    for side in open {
        let (live, recorded) = (live.get(side.from), recorded.get(side.from));
        let desired = side.desired.map(|desired| &desired.definition);
        pairs.extend(
            live.zip(desired)
                .and_then(|(live, desired)| diff::undecided(live, desired)),
        );
        pairs.extend(
            recorded
                .zip(live)
                .and_then(|(recorded, live)| diff::undecided(recorded, live)),
        );
    }
    Ok(Evidence {
        live,
        recorded,
        verdicts: db::verdicts(pairs.into_iter().collect(), database)?,
    })
}
