//! An import, piece by piece: the triggers of some tables at a time are read, drafted, written, proved and looked at, and of
//! all that only the text is kept. So an import holds little more than names and text, however many triggers there are.
//!
//! What pieces have to do with each other is not lost. A function that several tables call is a part of each piece that
//! calls it; and what is wrong, or goes round in a circle through several pieces, is looked at once more, together with all
//! that it may have to do with.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use crate::db::{Database, Depth};
use crate::error::Error;
use crate::lint::{self, Faults};
use crate::model::{Definition, FunctionId, ObjectId, Trigger, TriggerId};
use crate::render::Renderer;
use crate::spec::Spec;

use super::proof::{self, Problems};
use super::represent::{Drafts, Source};
use super::sections::Sections;
use super::suspects::Suspects;
use super::{document, faults, naming};

/// How an import is cut. A trigger of a piece takes some KiB of memory while the piece is made.
#[derive(Clone, Copy)]
struct Cut {
    /// Fewer triggers than these are one piece.
    least: usize,
    /// There are not many more pieces than these.
    most_pieces: usize,
    /// For so many pieces is read at once what is live.
    read_at_once: usize,
}

/// A piece takes some twenty questions, and for some of them a server goes through its whole catalog.
const BY_QUESTIONS: Cut = Cut {
    least: 1_000,
    most_pieces: 6,
    read_at_once: 2,
};
/// A piece takes a copy of the tables' schema, and SQLite has its own schema in memory all the time.
const BY_COPIES: Cut = Cut {
    least: 500,
    most_pieces: 16,
    read_at_once: 1,
};

impl Cut {
    fn of(database: &dyn Database) -> Self {
        if database.goes_to_each() {
            BY_COPIES
        } else {
            BY_QUESTIONS
        }
    }

    /// How many of so many make a piece.
    fn size(self, count: usize) -> usize {
        self.least.max(count.div_ceil(self.most_pieces))
    }

    /// Triggers in order, as ranges of some tables each: those of one table are in one piece.
    fn pieces(self, triggers: &[TriggerId]) -> Vec<Range<usize>> {
        let size = self.size(triggers.len());
        let mut pieces = vec![];
        let (mut start, mut end) = (0, 0);
        for of_table in triggers.chunk_by(|left, right| left.table == right.table) {
            end += of_table.len();
            if end - start >= size {
                pieces.push(start..end);
                start = end;
            }
        }
        if start < end {
            pieces.push(start..end);
        }
        pieces
    }
}

/// What all pieces are made with.
pub(super) struct Importer<'a> {
    pub(super) database: &'a mut dyn Database,
    pub(super) renderer: &'a Renderer,
    /// The schema of names that are written without one.
    pub(super) schema: String,
    /// Which triggers call a function, in all schemas.
    pub(super) callers: BTreeMap<FunctionId, Vec<TriggerId>>,
    /// Functions among these that belong to an extension.
    pub(super) foreign: BTreeSet<FunctionId>,
    /// Functions that the spec has already.
    pub(super) declared: BTreeSet<FunctionId>,
    /// Say which dialect a trigger is for: the spec has others.
    pub(super) mixed: bool,
    pub(super) problems: Problems,
    /// Triggers that were gone when they were to be read.
    pub(super) gone: BTreeSet<TriggerId>,
}

/// What came of all pieces.
#[derive(Default)]
pub(super) struct Imported {
    pub(super) sections: Sections,
    /// Functions that were asked for and that have no text.
    pub(super) without_text: Vec<FunctionId>,
    /// Functions whose rights (GRANT) a spec does not hold.
    pub(super) with_rights: Vec<FunctionId>,
    /// How many triggers and functions have faults already.
    pub(super) faulty: usize,
    /// How many a template of the user's would make.
    pub(super) templated: usize,
    /// Triggers that were gone when they were to be read.
    pub(super) gone: BTreeSet<TriggerId>,
}

/// A piece that was proved.
struct Piece {
    drafts: Drafts,
    /// Its text, read.
    spec: Spec,
    /// What is wrong with it already.
    faults: Faults,
    /// How many a template of the user's would make.
    templated: usize,
    without_text: Vec<FunctionId>,
    with_rights: Vec<FunctionId>,
}

/// What is live and is not imported.
#[derive(Default)]
struct Others {
    triggers: Vec<ObjectId>,
    functions: BTreeSet<FunctionId>,
}

impl Importer<'_> {
    /// Import these triggers, which are in order, the functions that they need, and some more functions. `whole`: there are no
    /// other triggers.
    pub(super) fn import(
        mut self,
        triggers: &[TriggerId],
        also: &[FunctionId],
        whole: bool,
    ) -> Result<Imported, Error> {
        let mut imported = Imported::default();
        let mut suspects = Suspects::default();
        let cut = Cut::of(self.database);
        let ranges = cut.pieces(triggers);
        for some in ranges.chunks(cut.read_at_once) {
            let all = some.iter().flat_map(Clone::clone);
            let all: Vec<&TriggerId> = all.filter_map(|number| triggers.get(number)).collect();
            let mut live = self.definitions(all, &[])?;
            for range in some {
                let own = triggers.get(range.clone()).unwrap_or_default();
                let live = self.taken(&mut live, own);
                if let Some(piece) = self.piece(live, &[], &Others::default())? {
                    imported.take(piece, &self, &mut suspects);
                }
            }
        }
        for also in also.chunks(cut.size(also.len())) {
            let live = self.definitions([], also)?;
            if let Some(piece) = self.piece(live, also, &Others::default())? {
                imported.take(piece, &self, &mut suspects);
            }
        }
        std::mem::take(&mut self.problems).told()?;

        let mut others = Others::default();
        if !whole && lint::follows_writes(self.database.dialect()) {
            others = self.others(triggers)?;
            for part in others.triggers.chunks(cut.size(others.triggers.len())) {
                let functions = &others.functions;
                let is_live = |id: &FunctionId| functions.contains(id);
                let writes = lint::writes_of(part, &is_live, self.database)?;
                suspects.add_writes(&writes);
            }
        }
        suspects.suspect_circles(triggers, &ranges, &others.triggers);
        suspects.suspect_callers(&self.callers);
        if !suspects.is_empty() {
            self.again(triggers, also, others, &suspects, &mut imported)?;
        }
        imported.gone = self.gone;
        Ok(imported)
    }

    /// Take what is suspect in once more, all of it as one piece, with what is to be allowed.
    fn again(
        &mut self,
        triggers: &[TriggerId],
        also: &[FunctionId],
        mut others: Others,
        suspects: &Suspects,
        imported: &mut Imported,
    ) -> Result<(), Error> {
        let again: Vec<&TriggerId> = triggers
            .iter()
            .filter(|trigger| suspects.has_table(&trigger.table))
            .collect();
        let also: Vec<FunctionId> = also
            .iter()
            .filter(|id| suspects.has_function(id))
            .cloned()
            .collect();
        let is_suspect = |id: &ObjectId| id.table().is_some_and(|table| suspects.has_table(table));
        others.triggers.retain(is_suspect);
        let live = self.definitions(again, &also)?;
        if let Some(mut piece) = self.piece(live, &also, &others)? {
            imported.faulty = faults::allow(&mut piece.drafts, &piece.spec, &piece.faults.errors);
            imported.sections.put(
                &piece.drafts,
                &self.callers,
                self.database.dialect().qualifies(),
            );
        }
        std::mem::take(&mut self.problems).told()
    }

    /// What is live besides, and is not to be dropped.
    fn others(&mut self, triggers: &[TriggerId]) -> Result<Others, Error> {
        let known = triggers.iter().cloned().map(ObjectId::Trigger).collect();
        let mut others = Others::default();
        for id in lint::others(self.database, &known)? {
            match id {
                ObjectId::Function(function) => {
                    others.functions.insert(function);
                }
                ObjectId::Trigger(_) => others.triggers.push(id),
            }
        }
        Ok(others)
    }

    /// Draft what is live, the triggers and these functions of it, prove that what is written stands for it, and find what is
    /// wrong with it. `None` where there are problems.
    fn piece(
        &mut self,
        definitions: BTreeMap<ObjectId, Definition>,
        also: &[FunctionId],
        others: &Others,
    ) -> Result<Option<Piece>, Error> {
        let dialect = self.database.dialect();
        let spared = self.spared(&definitions);
        let source = Source {
            dialect,
            renderer: self.renderer,
            server: self.database.server(),
            definitions: &definitions,
            spared: &spared,
            callers: &self.callers,
            schema: &self.schema,
            declared: &self.declared,
            mixed: self.mixed,
        };
        let function = |id: &FunctionId| source.function(id);
        let (also, without_text): (Vec<FunctionId>, Vec<FunctionId>) = also
            .iter()
            .filter(|id| function(id).is_some())
            .cloned()
            .partition(|id| function(id).is_some_and(naming::has_body));
        let live = definitions
            .values()
            .filter_map(|definition| match definition {
                Definition::Trigger(trigger) => Some(&**trigger),
                Definition::Function(_) => None,
            });
        let drafts = match source.drafts(live, &also) {
            Ok(drafts) => drafts,
            Err(problems) => {
                self.problems.unspeakable.extend(problems);
                return Ok(None);
            }
        };
        let has_rights = |id: &FunctionId| function(id).is_some_and(|it| it.grants.is_some());
        let functions = drafts.functions.iter().map(|draft| &draft.id);
        let with_rights = functions.filter(|id| has_rights(id)).cloned().collect();
        drop(spared);
        let text = document::text(&drafts, &self.callers, dialect.qualifies());
        let proved = proof::prove(
            text,
            &drafts.objects(),
            &definitions,
            self.renderer,
            self.database,
            &mut self.problems,
        )?;
        // Where nothing will be written, it need not be known what is wrong besides.
        let (Some((spec, asked)), true) = (proved, self.problems.is_empty()) else {
            return Ok(None);
        };
        drop(definitions);
        let wanted = asked.desired.values();
        let templated = wanted.filter(|wanted| wanted.ddl.custom).count();
        let is_live = |id: &FunctionId| {
            self.callers.contains_key(id) && !self.foreign.contains(id)
                || others.functions.contains(id)
        };
        let faults = lint::faults(&spec, asked, &others.triggers, &is_live, self.database)?;
        Ok(Some(Piece {
            drafts,
            spec,
            faults,
            templated,
            without_text,
            with_rights,
        }))
    }

    /// Triggers without what a new one has anyway on this connection, where the engine keeps more than its DDL says. What a spec
    /// leaves open stays as it was recorded: a trigger that would not be as it is live then has to say all.
    fn spared(
        &mut self,
        definitions: &BTreeMap<ObjectId, Definition>,
    ) -> BTreeMap<TriggerId, Arc<Trigger>> {
        let keeping = || {
            let all = definitions.iter();
            all.filter(|(_, definition)| definition.creation().is_some())
        };
        let ids: Vec<ObjectId> = keeping().map(|(id, _)| id.clone()).collect();
        // Who may see triggers need not be allowed to read the history.
        let recorded = self.database.recorded(&ids, i64::MAX);
        let recorded =
            recorded.inspect_err(|error| log::info!("all settings are written: {error}"));
        let dialect = self.database.dialect();
        let mut all = BTreeMap::new();
        for (id, definition) in keeping() {
            let mut spared = self.database.spared(definition).into_owned();
            let is_as_live = match recorded.as_ref().map(|recorded| recorded.get(id)) {
                Ok(None) => true,
                Ok(Some(recorded)) => {
                    let mut completed = spared.clone();
                    dialect.complete(&mut completed, recorded);
                    completed.creation() == definition.creation()
                }
                Err(_) => false,
            };
            if !is_as_live {
                spared = definition.clone();
            }
            if let Definition::Trigger(spared) = spared {
                all.insert(spared.id.clone(), spared);
            }
        }
        all
    }

    /// Of what is live, these triggers, with the functions that they call.
    fn taken(
        &self,
        live: &mut BTreeMap<ObjectId, Definition>,
        triggers: &[TriggerId],
    ) -> BTreeMap<ObjectId, Definition> {
        let mut taken = BTreeMap::new();
        for trigger in triggers.iter().cloned().map(ObjectId::Trigger) {
            let Some(definition) = live.remove(&trigger) else {
                continue;
            };
            if let Some(id) = definition.calls() {
                let alone = self
                    .callers
                    .get(id)
                    .is_some_and(|callers| callers.len() == 1);
                let id = ObjectId::Function(id.clone());
                let function = if alone {
                    live.remove(&id)
                } else {
                    live.get(&id).cloned()
                };
                taken.extend(function.map(|function| (id, function)));
            }
            taken.insert(trigger, definition);
        }
        taken
    }

    /// What is live of these, and of the functions that they call.
    fn definitions<'t>(
        &mut self,
        triggers: impl IntoIterator<Item = &'t TriggerId>,
        also: &[FunctionId],
    ) -> Result<BTreeMap<ObjectId, Definition>, Error> {
        let triggers = triggers.into_iter().cloned();
        let ids: Vec<ObjectId> = triggers.map(ObjectId::Trigger).collect();
        let triggers = self.database.definitions(&ids, Depth::Whole)?;
        let gone = ids.into_iter().filter(|id| !triggers.contains_key(id));
        self.gone.extend(gone.filter_map(|id| match id {
            ObjectId::Trigger(trigger) => Some(trigger),
            ObjectId::Function(_) => None,
        }));
        let called = triggers.values().filter_map(Definition::calls);
        let called =
            called.filter(|id| self.callers.contains_key(id) && !self.foreign.contains(id));
        let functions: BTreeSet<&FunctionId> = called.chain(also).collect();
        let ids: Vec<ObjectId> = functions
            .into_iter()
            .cloned()
            .map(ObjectId::Function)
            .collect();
        let mut definitions = self.database.definitions(&ids, Depth::Whole)?;
        definitions.extend(triggers);
        Ok(definitions)
    }
}

impl Imported {
    /// Keep the text of a piece, and what there is to be said of it.
    fn take(&mut self, piece: Piece, importer: &Importer<'_>, suspects: &mut Suspects) {
        let Piece {
            drafts,
            spec,
            faults,
            templated,
            without_text,
            with_rights,
        } = piece;
        self.templated += templated;
        suspects.add(&drafts, &spec, faults);
        drop(spec);
        // A function that several pieces have is met again.
        let new = with_rights.into_iter().filter(|id| !self.sections.has(id));
        self.with_rights.extend(new);
        self.without_text.extend(without_text);
        let qualifies = importer.database.dialect().qualifies();
        self.sections.put(&drafts, &importer.callers, qualifies);
    }
}
