//! What the rules look at: the triggers that the spec asks for and those that are live besides, what each does, and what the
//! catalog holds around them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use crate::db::{Database, Depth, Listed, Scope};
use crate::desired::{self, Asked, DesiredSet, Tables, from_spec};
use crate::dialect::Dialect;
use crate::effects::{self, ByEvent, Effects, Place, Surroundings};
use crate::error::{Diagnostic, Error, Located, Span};
use crate::kinds::tables::NewTable;
use crate::model::{
    Action, Definition, EnabledState, Function, FunctionId, FunctionSource, ObjectId, TableId,
    Trigger, TriggerId,
};
use crate::plpgsql::{Unread, Walk};
use crate::render::Renderer;
use crate::spec::{FunctionSpec, Merged, Spec, TableRef, TriggerSpec, inner_span};

use super::bodies;
use super::names::Names;

/// Everything that is known for one dialect.
pub struct Subject<'a> {
    /// The spec.
    pub spec: &'a Spec,
    /// The engine.
    pub dialect: &'static dyn Dialect,
    /// Whether there is a database.
    pub live: bool,
    /// The triggers, those of the spec first.
    pub items: Vec<Item<'a>>,
    /// The functions that they call.
    pub functions: BTreeMap<FunctionId, Arc<Function>>,
    /// What the catalog holds around them; empty without a database.
    pub surroundings: Surroundings,
    /// What the engine says of the bodies of the spec.
    pub faults: Vec<(ObjectId, Diagnostic)>,
    /// Names of tables in bodies.
    pub names: Names,
    /// Tables that the migration creates for its triggers.
    pub created: BTreeSet<TableId>,
    /// The spec's objects, to find the place of one.
    places: BTreeMap<ObjectId, Span>,
    /// The `[[function]]`s by their places.
    declared: HashMap<Key, usize>,
    /// The first trigger that comes of each `[[trigger]]`, by its place.
    first_of: HashMap<Key, usize>,
    /// Why a function that a trigger calls could not be read.
    unread: BTreeMap<FunctionId, Unread>,
}

/// A trigger.
pub struct Item<'a> {
    /// What it is.
    pub trigger: Arc<Trigger>,
    /// Where it comes from; `None` for one that is live and not in the spec.
    pub source: Option<Source<'a>>,
    /// What it does, by the event that fires it.
    pub effects: ByEvent<Effects>,
    /// How its function runs, by the event (PL/pgSQL).
    pub walks: ByEvent<Walk>,
    /// Its condition, read as if it stood in a function (PL/pgSQL).
    pub condition: Option<Box<Walk>>,
}

/// What is live besides what a spec asks for.
#[derive(Clone, Copy)]
pub enum Others<'a> {
    /// All that is there, but for what `apply` would drop.
    All,
    /// These triggers alone, and of the functions that are called those which are said to be live.
    These(&'a [ObjectId], &'a dyn Fn(&FunctionId) -> bool),
}

/// The `[[trigger]]` that a trigger comes from.
pub struct Source<'a> {
    /// Its number in the spec.
    pub index: usize,
    /// It.
    pub spec: &'a TriggerSpec,
    /// Its fields in the dialect.
    pub fields: Merged<'a>,
}

impl Item<'_> {
    /// The function that it calls.
    pub fn function(&self) -> Option<&FunctionId> {
        match &self.trigger.action {
            Action::Call { function, .. } => Some(function),
            Action::Body(_) => None,
        }
    }

    /// Its name and table, for people.
    pub fn title(&self, dialect: &dyn Dialect) -> String {
        let TriggerId { table, name } = &self.trigger.id;
        format!("`{name}` on `{}`", shown(table, dialect))
    }
}

/// A table as people of the engine name it.
pub fn shown(table: &TableId, dialect: &dyn Dialect) -> String {
    if table.schema.is_empty() || table.schema == dialect.default_schema() || !dialect.qualifies() {
        table.name.clone()
    } else {
        table.to_string()
    }
}

impl<'a> Subject<'a> {
    /// Without a database: what the spec alone can tell.
    pub fn offline(
        spec: &'a Spec,
        renderer: &Renderer,
        dialect: &'static dyn Dialect,
    ) -> Result<Self, Error> {
        let mut tables = Tables::Unknown(dialect);
        let desired = from_spec(spec, renderer, &mut tables, dialect.newest())?;
        let mut subject = Self::of(spec, dialect, false, desired);
        subject.read_bodies(None)?;
        subject.follow(None)?;
        Ok(subject)
    }

    /// With a database.
    pub fn online(
        spec: &'a Spec,
        renderer: &Renderer,
        database: &mut dyn Database,
    ) -> Result<Self, Error> {
        let asked = desired::asked(spec, renderer, database)?;
        Self::of_asked(spec, asked, database, Others::All, true)
    }

    /// With a database, of which is known what the spec asks. The engine need not be asked what triggers do where no rule that
    /// is looked for needs that: `effects`.
    pub fn of_asked(
        spec: &'a Spec,
        Asked {
            desired,
            tables: new,
        }: Asked,
        database: &mut dyn Database,
        others: Others<'_>,
        effects: bool,
    ) -> Result<Self, Error> {
        let dialect = database.dialect();
        let (wanted, mut faults) = if database.looks_at_ddl() {
            let wanted = with_ddl(&desired);
            let faults = database.check(&wanted.iter().collect::<Vec<_>>(), &new)?;
            (wanted, faults)
        } else {
            let wanted = desired.values().map(|desired| &desired.definition);
            (vec![], database.check(&wanted.collect::<Vec<_>>(), &new)?)
        };
        // What the engine does not look at once more.
        let found: BTreeSet<ObjectId> = faults.iter().map(|(id, _)| id.clone()).collect();
        for (id, desired) in desired.iter().filter(|(id, _)| !found.contains(&***id)) {
            let doubts = desired.doubts.iter();
            faults.extend(doubts.map(|doubt| (ObjectId::clone(id), doubt.clone())));
        }
        let mut subject = Self::of(spec, dialect, true, desired);
        subject.faults = faults;
        subject.read_others(database, others)?;
        let wanted: Vec<&Definition> = wanted.iter().collect();
        subject.created = new.iter().map(|new| new.table.clone()).collect();
        if effects {
            subject.ask_engine(&wanted, &new, database)?;
        }
        subject.read_bodies(Some(&mut *database))?;
        subject.surround(database)?;
        subject.follow(Some(database))?;
        Ok(subject)
    }

    /// These definitions, with a database: what `live` names is read besides, and no engine is asked.
    pub fn of_definitions(
        spec: &'a Spec,
        definitions: &[&Definition],
        live: &[ObjectId],
        database: &mut dyn Database,
    ) -> Result<Self, Error> {
        let mut subject = Self::of(spec, database.dialect(), true, DesiredSet::new());
        subject.read(live, database)?;
        for definition in definitions {
            match definition {
                Definition::Function(function) => {
                    let function = Arc::clone(function);
                    subject.functions.insert(function.id.clone(), function);
                }
                Definition::Trigger(trigger) => {
                    subject.items.push(Item::new(Arc::clone(trigger), None));
                }
            }
        }
        subject.read_bodies(Some(&mut *database))?;
        subject.surround(database)?;
        Ok(subject)
    }

    fn of(spec: &'a Spec, dialect: &'static dyn Dialect, live: bool, desired: DesiredSet) -> Self {
        let sources: HashMap<Key, (usize, &'a TriggerSpec)> = spec
            .triggers
            .iter()
            .enumerate()
            .map(|(index, trigger)| (key(&trigger.name.span), (index, trigger)))
            .collect();
        let declared = spec
            .functions
            .iter()
            .enumerate()
            .map(|(index, function)| (key(&function.name.span), index))
            .collect();
        let mut subject = Self {
            spec,
            dialect,
            live,
            items: vec![],
            functions: BTreeMap::new(),
            surroundings: Surroundings::default(),
            faults: vec![],
            names: Names::default(),
            created: BTreeSet::new(),
            places: BTreeMap::new(),
            declared,
            first_of: HashMap::new(),
            unread: BTreeMap::new(),
        };
        let triggers = desired.keys().filter(|id| id.table().is_some());
        subject.items.reserve_exact(triggers.count());
        for (id, desired) in desired {
            subject
                .places
                .insert(Arc::unwrap_or_clone(id), desired.span.clone());
            match desired.definition {
                Definition::Function(function) => {
                    subject.functions.insert(function.id.clone(), function);
                }
                Definition::Trigger(trigger) => {
                    let place = key(&desired.span);
                    let source = sources.get(&place).and_then(|(index, spec)| {
                        Some(Source {
                            index: *index,
                            spec,
                            fields: spec.for_dialect(dialect.name())?,
                        })
                    });
                    if source.is_some() {
                        let number = subject.items.len();
                        subject.first_of.entry(place).or_insert(number);
                    }
                    subject.items.push(Item::new(trigger, source));
                }
            }
        }
        subject
    }

    /// What the catalog holds around the tables that triggers are on, and those that they name.
    fn surround(&mut self, database: &mut dyn Database) -> Result<(), Error> {
        let own = self.items.iter().map(|item| &item.trigger.id.table);
        let tables: BTreeSet<TableId> = own.chain(self.names.tables()).cloned().collect();
        self.surroundings = database.surroundings(&tables)?;
        Ok(())
    }

    /// The live triggers that the spec does not speak of, but for those that `apply` would drop; and functions of others
    /// that the spec's triggers call.
    fn read_others(
        &mut self,
        database: &mut dyn Database,
        others: Others<'_>,
    ) -> Result<(), Error> {
        match others {
            Others::All => {
                let ids = self.other_ids(database)?;
                self.read(&ids, database)
            }
            Others::These(triggers, is_live) => {
                self.read(triggers, database)?;
                let called: BTreeSet<&FunctionId> = self
                    .items
                    .iter()
                    .filter_map(Item::function)
                    .filter(|id| !self.functions.contains_key(*id) && is_live(id))
                    .collect();
                let ids: Vec<ObjectId> = called
                    .into_iter()
                    .cloned()
                    .map(ObjectId::Function)
                    .collect();
                self.read(&ids, database)
            }
        }
    }

    fn read(&mut self, ids: &[ObjectId], database: &mut dyn Database) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let definitions = database.definitions(ids, Depth::Structure)?;
        for definition in definitions.into_values() {
            match definition {
                Definition::Function(function) => {
                    self.functions.insert(function.id.clone(), function);
                }
                Definition::Trigger(trigger) => self.items.push(Item::new(trigger, None)),
            }
        }
        Ok(())
    }

    /// All that is live besides what the spec asks for.
    fn other_ids(&self, database: &mut dyn Database) -> Result<Vec<ObjectId>, Error> {
        let known: BTreeSet<ObjectId> = self
            .items
            .iter()
            .flat_map(|item| {
                let trigger = ObjectId::Trigger(item.trigger.id.clone());
                let function = item.function().cloned().map(ObjectId::Function);
                std::iter::once(trigger).chain(function)
            })
            .collect();
        let former = self.former_names();
        let mut others = others(database, &known)?;
        others.retain(|id| match id {
            ObjectId::Trigger(TriggerId { table, name }) => {
                !former.contains(&(table, name.as_str()))
            }
            ObjectId::Function(function) => !self.functions.contains_key(function),
        });
        Ok(others)
    }

    /// What triggers of the spec have been named.
    fn former_names(&self) -> HashSet<(&TableId, &str)> {
        self.items
            .iter()
            .filter_map(|item| {
                let old = item.source.as_ref()?.fields.renamed_from.as_ref()?;
                Some((&item.trigger.id.table, old.value.as_str()))
            })
            .collect()
    }

    /// What the engine itself reports of sound triggers.
    fn ask_engine(
        &mut self,
        wanted: &[&Definition],
        new: &[NewTable],
        database: &mut dyn Database,
    ) -> Result<(), Error> {
        let others: Vec<Definition> = self
            .items
            .iter()
            .filter(|item| item.source.is_none())
            .map(|item| Definition::Trigger(item.trigger.clone()))
            .collect();
        let faulty: BTreeSet<&ObjectId> = self.faults.iter().map(|(id, _)| id).collect();
        let sound: Vec<&Definition> = wanted
            .iter()
            .copied()
            .chain(&others)
            .filter(|definition| !faulty.contains(&definition.id()))
            .collect();
        let Some(mut effects) = database.effects(&sound, new)? else {
            return Ok(());
        };
        for item in &mut self.items {
            let found = effects.remove(&item.trigger.id).unwrap_or_default();
            for event in &item.trigger.events {
                item.effects.insert(*event, found.clone());
            }
        }
        Ok(())
    }

    /// Follow the functions, and read the conditions.
    fn read_bodies(&mut self, database: Option<&mut (dyn Database + '_)>) -> Result<(), Error> {
        let (walks, unread) = bodies::walks(&self.items, &self.functions);
        self.unread = unread;
        let mut names: BTreeSet<TableRef> = BTreeSet::new();
        for (number, walks) in walks {
            for walk in walks.values() {
                names.extend(super::names::of_walk(walk));
            }
            if let Some(item) = self.items.get_mut(number) {
                item.walks = walks;
            }
        }
        if self.dialect.name() == "postgres" {
            for (item, walk) in bodies::conditions(&mut self.items) {
                item.condition = Some(Box::new(walk));
            }
        }
        let tables: BTreeSet<TableId> = self
            .items
            .iter()
            .map(|item| item.trigger.id.table.clone())
            .collect();
        self.names = Names::of(&names, tables, self.dialect, database, &self.functions)?;
        self.names.create(&self.created);
        Ok(())
    }

    /// What the walks, and the bodies of MySQL, do to tables.
    fn follow(&mut self, database: Option<&mut (dyn Database + '_)>) -> Result<(), Error> {
        let mut calls = super::calls::Calls::read(self, database)?;
        let mut all = vec![];
        for item in &self.items {
            let mut effects = ByEvent::default();
            for (event, walk) in item.walks.iter() {
                effects.insert(*event, calls.effects(self, item, walk));
            }
            if let (Action::Body(body), "mysql") = (&item.trigger.action, self.dialect.name()) {
                let found = of_mysql(&item.trigger, body);
                effects.extend(
                    item.trigger
                        .events
                        .iter()
                        .map(|event| (*event, found.clone())),
                );
            }
            // PostgreSQL's own set columns of the row at most, or skip it where nothing changes.
            if let Some(function) = item.function()
                && item.walks.is_empty()
                && function.schema != "pg_catalog"
            {
                let unread = self.unread.get(function).cloned();
                let unread = unread.unwrap_or_else(|| Unread {
                    reason: "its function is not in the spec".to_owned(),
                    range: 0..0,
                });
                let unknown = effects::Unknown {
                    reason: unread.reason,
                    place: Some(Place {
                        object: ObjectId::Function(function.clone()),
                        range: unread.range,
                    }),
                };
                let found = Effects {
                    unknown: vec![unknown],
                    ..Effects::default()
                };
                effects.extend(
                    item.trigger
                        .events
                        .iter()
                        .map(|event| (*event, found.clone())),
                );
            }
            all.push(effects);
        }
        for (item, effects) in self.items.iter_mut().zip(all) {
            item.effects.extend(effects);
        }
        Ok(())
    }

    /// The `[[function]]` that an object comes from, and its number.
    pub fn function_spec(&self, id: &FunctionId) -> Option<(usize, &'a FunctionSpec)> {
        let span = self.places.get(&ObjectId::Function(id.clone()))?;
        let index = *self.declared.get(&key(span))?;
        Some((index, self.spec.functions.get(index)?))
    }

    /// The first trigger of the `[[trigger]]` that an object of the spec comes of.
    fn first_with(&self, object: &ObjectId) -> Option<&Item<'a>> {
        let span = self.places.get(object)?;
        self.items.get(*self.first_of.get(&key(span))?)
    }

    /// The text of an object's body, and the field of the spec that it comes from.
    fn body_of(&self, object: &ObjectId) -> Option<(&str, &Located<String>)> {
        match object {
            ObjectId::Function(id) => {
                let FunctionSource::Body(text) = &self.functions.get(id)?.source else {
                    return None;
                };
                if let Some((_, function)) = self.function_spec(id) {
                    return Some((text, &function.body));
                }
                let item = self.first_with(object)?;
                Some((text, item.source.as_ref()?.fields.body.as_ref()?))
            }
            ObjectId::Trigger(id) => {
                let item = self.items.iter().find(|item| item.trigger.id == *id)?;
                let Action::Body(text) = &item.trigger.action else {
                    return None;
                };
                Some((text, item.source.as_ref()?.fields.body.as_ref()?))
            }
        }
    }

    /// Where in the spec a part of a body stands; the whole body where it is not to be found in it.
    pub fn span(&self, place: &Place) -> Option<Span> {
        let (text, field) = self.body_of(&place.object)?;
        Some(locate(field, text, place.range.clone()))
    }

    /// Where in the spec a word first stands in a trigger's body; else the body.
    pub fn word(&self, item: &Item<'_>, word: &str) -> Option<Span> {
        let field = item.source.as_ref()?.fields.body.as_ref()?;
        let syntax = self.dialect.syntax();
        let found = crate::sql::tokens(&field.value, syntax).find(|token| {
            self.dialect
                .same_name(&crate::sql::unquote(token.text(&field.value)), word)
        });
        Some(match found {
            Some(token) => inner_span(field, token.range),
            None => field.span.clone(),
        })
    }
}

impl<'a> Item<'a> {
    fn new(trigger: Arc<Trigger>, source: Option<Source<'a>>) -> Self {
        Self {
            trigger,
            source,
            effects: ByEvent::default(),
            walks: ByEvent::default(),
            condition: None,
        }
    }

    /// Whether it ever fires in an ordinary session.
    pub fn fires(&self) -> bool {
        matches!(
            self.trigger.enabled,
            EnabledState::Origin | EnabledState::Always
        )
    }
}

/// The live triggers besides those that are `known`, but for what `apply` would drop: they may be on a cycle with these. And the
/// functions that are live.
///
/// # Errors
/// The database cannot be read.
pub fn others(
    database: &mut dyn Database,
    known: &BTreeSet<ObjectId>,
) -> Result<Vec<ObjectId>, Error> {
    let history = database.history()?;
    let mut schemas: BTreeSet<String> = database.schemas()?.into_iter().collect();
    schemas.extend(known.iter().map(|id| id.schema().to_owned()));
    let scope = Scope {
        schemas,
        known: known.iter().map(Cow::Borrowed).collect(),
    };
    let catalog = database.listing(&scope, Listed::Ours)?;
    // Where a name is unique whatever the table, one that the spec makes leaves another table: to be renamed, a table takes
    // its triggers along.
    let per_table = database.dialect().names_are_per_table();
    let unique = |id: &ObjectId| (id.schema().to_owned(), id.name().to_ascii_lowercase());
    let taken: HashSet<_> = known
        .iter()
        .filter(|id| !per_table && matches!(id, ObjectId::Trigger(_)))
        .map(unique)
        .collect();
    let is_other = |id: &ObjectId| match id {
        ObjectId::Trigger(_) => {
            let is_known = known.contains(id) || history.records.contains_key(id);
            !is_known && (per_table || !taken.contains(&unique(id)))
        }
        ObjectId::Function(_) => true,
    };
    Ok(catalog.fingerprints.into_keys().filter(is_other).collect())
}

/// The definitions of the spec with the DDL that makes them, as [`Database::check`] wants them.
fn with_ddl(desired: &DesiredSet) -> Vec<Definition> {
    desired
        .values()
        .map(|desired| {
            let mut definition = desired.definition.clone();
            if let Definition::Trigger(trigger) = &mut definition
                && let [only] = &*desired.ddl.statements
            {
                Arc::make_mut(trigger).verbatim = Some(only.clone());
            }
            definition
        })
        .collect()
}

/// A place as a key.
type Key = (usize, usize);

/// No two objects of a spec begin at the same place of the same file, which is in memory once.
fn key(span: &Span) -> Key {
    (Arc::as_ptr(&span.file).addr(), span.range.start)
}

/// Where a part of a rendered text stands in the field that it was rendered from.
fn locate(field: &Located<String>, text: &str, range: Range<usize>) -> Span {
    let value = &field.value;
    let trimmed = value.trim();
    let offset = value.find(trimmed).unwrap_or_default();
    if let Some(start) = text.find(trimmed)
        && range.start >= start
        && range.end <= start + trimmed.len()
        && !range.is_empty()
    {
        return inner_span(
            field,
            range.start - start + offset..range.end - start + offset,
        );
    }
    // A template: the same words, where they are there once.
    let words = text.get(range).unwrap_or_default().trim();
    if words.len() > 2 && value.matches(words).count() == 1 {
        let start = value.find(words).unwrap_or_default();
        return inner_span(field, start..start + words.len());
    }
    field.span.clone()
}

fn of_mysql(trigger: &Trigger, body: &str) -> Effects {
    let (writes, calls) = effects::of_mysql_body(body);
    let object = ObjectId::Trigger(trigger.id.clone());
    let place = |range| {
        Some(Place {
            object: object.clone(),
            range,
        })
    };
    Effects {
        writes: writes
            .into_iter()
            .map(|(database, name, event, range)| effects::Write {
                table: TableId {
                    schema: database.unwrap_or_else(|| trigger.id.table.schema.clone()),
                    name,
                },
                event,
                columns: None,
                certain: false,
                place: place(range),
                via: vec![],
            })
            .collect(),
        reads: vec![],
        unknown: calls
            .into_iter()
            .map(|range| effects::Unknown {
                reason: "what a procedure does is not looked at".to_owned(),
                place: place(range),
            })
            .collect(),
        asks_depth: false,
    }
}
