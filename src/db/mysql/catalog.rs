//! The live triggers: the list and the structure from information_schema, the text from SHOW CREATE TRIGGER, since
//! ACTION_STATEMENT loses characters. Both are read at once, many statements in one round trip.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use mysql::Row;
use mysql::prelude::Queryable;
use sha2::{Digest, Sha256};

use super::{Mysql, column, errors};
use crate::db::{Catalog, Fingerprint, Live, Scope, Standing};
use crate::dialect::mysql::{stored, syntax_under};
use crate::error::{Error, Kind};
use crate::model::{
    Action, Creation, Definition, EnabledState, Event, Events, ObjectId, Orientation, Place,
    Seldom, TableId, Timing, Trigger, TriggerId,
};

/// Statements in one round trip.
const BATCH: usize = 100;

/// How often a trigger is read again that is being written.
const READ_AGAIN: u32 = 20;

/// How long to wait before that.
const PAUSE: Duration = Duration::from_millis(5);

/// All that information_schema knows of triggers.
const LIST: &str = "SELECT TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER,
                        DEFINER, SQL_MODE, CHARACTER_SET_CLIENT, COLLATION_CONNECTION, DATABASE_COLLATION,
                        ACTION_STATEMENT IS NULL
                 FROM information_schema.TRIGGERS";

/// SHA-256 of parts, in lower-case hex.
pub(super) fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    crate::digest::hex(&hash.finalize())
}

/// Where triggers stand.
fn standings<'a>(
    triggers: impl Iterator<Item = (&'a ObjectId, Timing, Events, &'a Creation)>,
) -> BTreeMap<ObjectId, Standing> {
    triggers
        .filter_map(|(id, timing, events, creation)| {
            let standing = Standing {
                timing,
                events,
                place: creation.place.clone()?,
            };
            Some((id.clone(), standing))
        })
        .collect()
}

/// One row of information_schema.TRIGGERS.
#[derive(Clone)]
pub(super) struct Listed {
    id: TriggerId,
    timing: Timing,
    event: Event,
    order: u64,
    creation: Creation,
}

impl Mysql {
    /// The triggers of a scope; what was read before is forgotten.
    fn list_anew(&mut self, scope: &Scope<'_>) -> Result<Vec<Listed>, Error> {
        self.live = BTreeMap::new();
        self.listed = BTreeMap::new();
        let mut schemas = scope.schemas.clone();
        schemas.extend(scope.known.iter().map(|id| id.schema().to_owned()));
        schemas.retain(|schema| !schema.is_empty());
        if schemas.is_empty() {
            return Ok(vec![]);
        }
        self.may_see_triggers(&schemas, &scope.known)?;
        self.list(&schemas)
    }

    pub(super) fn read_catalog(&mut self, scope: &Scope<'_>) -> Result<Catalog, Error> {
        let listed = self.list_anew(scope)?;
        let (catalog, live) = self.described(listed, &scope.known, |_| true)?;
        self.live = live;
        Ok(catalog)
    }

    /// What there is of these objects, by their tables alone; `None` where names are not told apart by their case.
    pub(super) fn read_live(
        &mut self,
        ids: &[ObjectId],
    ) -> Result<Option<BTreeMap<ObjectId, Live>>, Error> {
        if !self.names_keep_case {
            return Ok(None);
        }
        let known: BTreeSet<Cow<'_, ObjectId>> = ids.iter().map(Cow::Borrowed).collect();
        let tables: BTreeSet<&TableId> = ids.iter().filter_map(ObjectId::table).collect();
        let schemas = tables.iter().map(|table| table.schema.clone()).collect();
        self.may_see_triggers(&schemas, &known)?;
        let listed = self.list_on(&tables)?;
        let asked: BTreeSet<(String, String)> = ids
            .iter()
            .map(|id| (id.schema().to_owned(), id.name().to_lowercase()))
            .collect();
        let is_asked = |id: &TriggerId| {
            let name = (id.table.schema.clone(), id.name.to_lowercase());
            asked.contains(&name)
        };
        let (catalog, mut live) = self.described(listed, &known, is_asked)?;
        let found = catalog.fingerprints.into_iter().map(|(id, fingerprint)| {
            let definition = live.remove(&id);
            let live = Live {
                fingerprint,
                definition,
            };
            (id, live)
        });
        Ok(Some(found.collect()))
    }

    /// What there is, by name alone: [`Mysql::read_definitions`] reads the texts of those that it is asked for.
    pub(super) fn read_listing(&mut self, scope: &Scope<'_>) -> Result<Catalog, Error> {
        let listed = self.list_anew(scope)?;
        let listed = self.placed(listed, &scope.known, |_| true).into_iter();
        self.listed = listed
            .map(|(id, row)| (ObjectId::Trigger(id), row))
            .collect();
        let ids = self.listed.keys().cloned();
        Ok(Catalog {
            fingerprints: ids
                .map(|id| (id, Fingerprint::from(String::new())))
                .collect(),
            places: standings(
                self.listed
                    .iter()
                    .map(|(id, row)| (id, row.timing, Events::from([row.event]), &row.creation)),
            ),
            ..Catalog::default()
        })
    }

    /// The definitions of what the last read of the catalog, or of its names, found.
    pub(super) fn read_definitions(
        &mut self,
        ids: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Definition>, Error> {
        let mut found = BTreeMap::new();
        let mut rows = vec![];
        for id in ids {
            if let Some(definition) = self.live.get(id) {
                found.insert(id.clone(), definition.clone());
            } else if let (ObjectId::Trigger(spelled), Some(row)) = (id, self.listed.get(id)) {
                rows.push((spelled.clone(), row.clone()));
            } else {
                return Err(gone(id));
            }
        }
        let texts = self.texts(rows.iter().map(|(_, row)| &row.id))?;
        for ((spelled, row), text) in rows.into_iter().zip(texts) {
            // One that has just gone is not there.
            let Some(text) = text else { continue };
            let id = ObjectId::Trigger(spelled.clone());
            let definition = self.definition(spelled, row.timing, row.event, row.creation, text)?;
            found.insert(id, definition);
        }
        Ok(found)
    }

    /// Those of the listed triggers that are asked for, each with its place and the name under which it is known.
    fn placed(
        &self,
        listed: Vec<Listed>,
        known: &BTreeSet<Cow<'_, ObjectId>>,
        is_asked: impl Fn(&TriggerId) -> bool,
    ) -> Vec<(TriggerId, Listed)> {
        // MySQL's trigger names know no case: the spelling that is asked for is the one that is answered, unless the
        // server's own is asked for as well (it is to be spelled otherwise).
        let spelled: HashMap<(String, String), &TriggerId> = if self.is_mariadb() {
            HashMap::new()
        } else {
            let known = known.iter().filter_map(|id| match &**id {
                ObjectId::Trigger(trigger) => Some((key(trigger), trigger)),
                ObjectId::Function(_) => None,
            });
            known.collect()
        };
        let mut siblings: BTreeMap<(TableId, Timing, Event), Vec<(u64, String)>> = BTreeMap::new();
        for row in &listed {
            siblings
                .entry((row.id.table.clone(), row.timing, row.event))
                .or_default()
                .push((row.order, row.id.name.clone()));
        }
        for names in siblings.values_mut() {
            names.sort();
        }
        let asked = listed.into_iter().filter(|row| is_asked(&row.id));
        asked
            .map(|mut row| {
                let key_of_siblings = (row.id.table.clone(), row.timing, row.event);
                let names: Vec<&String> = siblings
                    .get(&key_of_siblings)
                    .into_iter()
                    .flatten()
                    .map(|(_, name)| name)
                    .collect();
                let at = names.iter().position(|name| **name == row.id.name);
                let at = at.unwrap_or(0);
                let list = |names: Option<&[&String]>| {
                    let names = names.unwrap_or_default().iter();
                    names.map(|name| (*name).clone()).collect()
                };
                row.creation.place = Some(Place::Among {
                    before: list(names.get(..at)),
                    after: list(names.get(at + 1..)),
                });
                let id = if known.contains(&ObjectId::Trigger(row.id.clone())) {
                    row.id.clone()
                } else {
                    let spelled = spelled.get(&key(&row.id));
                    spelled.map_or(&row.id, |known| *known).clone()
                };
                (id, row)
            })
            .collect()
    }

    /// What the listed triggers are, of those that are asked for; the others only have their place.
    fn described(
        &mut self,
        listed: Vec<Listed>,
        known: &BTreeSet<Cow<'_, ObjectId>>,
        is_asked: impl Fn(&TriggerId) -> bool,
    ) -> Result<(Catalog, BTreeMap<ObjectId, Definition>), Error> {
        let mut catalog = Catalog::default();
        let mut live = BTreeMap::new();
        let rows = self.placed(listed, known, is_asked);
        let texts = self.texts(rows.iter().map(|(_, row)| &row.id))?;
        for ((spelled, row), text) in rows.into_iter().zip(texts) {
            let Some(text) = text else { continue };
            let at_home = self.is_home(&row.id.table.schema);
            let fingerprint = fingerprint(&row, at_home, &text).into();
            let definition =
                self.definition(spelled.clone(), row.timing, row.event, row.creation, text)?;
            catalog
                .fingerprints
                .insert(ObjectId::Trigger(spelled.clone()), fingerprint);
            live.insert(ObjectId::Trigger(spelled), definition);
        }
        catalog.places = standings(live.iter().filter_map(|(id, definition)| match definition {
            Definition::Trigger(trigger) => {
                let creation = trigger.creation.as_deref()?;
                Some((id, trigger.timing, trigger.events, creation))
            }
            Definition::Function(_) => None,
        }));
        Ok((catalog, live))
    }

    fn definition(
        &self,
        id: TriggerId,
        timing: Timing,
        event: Event,
        creation: Creation,
        text: String,
    ) -> Result<Definition, Error> {
        let syntax = syntax_under(creation.sql_mode.as_deref().unwrap_or_default());
        let Some(parts) = stored::parts(&text, &syntax) else {
            return Err(
                Error::failed(format!("the text of trigger {id} cannot be read")).note(text),
            );
        };
        let body = text.get(parts.body..).unwrap_or_default();
        let body = stored::bare_body(body, &syntax);
        // The line ends that the template puts around it.
        let body = body.strip_prefix('\n').unwrap_or(body);
        let body = body.strip_suffix('\n').unwrap_or(body).to_owned();
        let verbatim = if self.is_home(&id.table.schema) {
            text
        } else {
            stored::qualified(&text, &id.table.schema, &syntax)
        };
        Ok(Definition::from(Trigger {
            id,
            timing,
            events: Events::from([event]),
            update_of: vec![],
            orientation: Orientation::Row,
            condition: None,
            action: Action::Body(body),
            transition_tables: Seldom::default(),
            constraint: None,
            enabled: EnabledState::Origin,
            enabled_on_partitions: Seldom::default(),
            comment: None,
            depends_on_extensions: Seldom::default(),
            verbatim: Some(verbatim),
            creation: Some(Box::new(creation)),
            seen: None,
        }))
    }

    fn list(&mut self, schemas: &BTreeSet<String>) -> Result<Vec<Listed>, Error> {
        // It is by EVENT_OBJECT_SCHEMA that MariaDB knows the database, not by TRIGGER_SCHEMA; they are always the same.
        let rows = self.rows_of_each("read the triggers", schemas, |schema| {
            format!("{LIST} WHERE TRIGGER_SCHEMA = {schema} AND EVENT_OBJECT_SCHEMA = {schema} ORDER BY 1, 2")
        })?;
        let keep_case = self.names_keep_case;
        listed(rows, |schema| schemas.contains(schema) || !keep_case)
    }

    /// The triggers of these tables. No other table is looked at: a migration may be at work on it.
    fn list_on(&mut self, tables: &BTreeSet<&TableId>) -> Result<Vec<Listed>, Error> {
        let asked = tables.iter().copied();
        let rows = self.rows_of_tables("read the triggers", asked, |schema, names| {
            format!(
                "{LIST} WHERE TRIGGER_SCHEMA = {schema} AND EVENT_OBJECT_SCHEMA = {schema} AND EVENT_OBJECT_TABLE IN ({names}) ORDER BY 1, 2"
            )
        })?;
        let mut listed = listed(rows, |_| true)?;
        listed.retain(|row| tables.contains(&row.id.table));
        Ok(listed)
    }

    /// The rows of several queries in one round trip.
    fn rows_of_several(&mut self, sql: &str) -> Result<Vec<Row>, mysql::Error> {
        let mut result = self.conn.query_iter(sql)?;
        let mut rows = vec![];
        while let Some(set) = result.iter() {
            for row in set {
                rows.push(row?);
            }
        }
        Ok(rows)
    }

    /// The statements to the letter, in the same order; `None` for a trigger that has just gone.
    fn texts<'a>(
        &mut self,
        ids: impl Iterator<Item = &'a TriggerId>,
    ) -> Result<Vec<Option<String>>, Error> {
        let ids: Vec<&TriggerId> = ids.collect();
        let mut texts = Vec::with_capacity(ids.len());
        for batch in ids.chunks(BATCH) {
            let statements: Vec<String> = batch
                .iter()
                .map(|id| {
                    let (schema, name) = (&id.table.schema, &id.name);
                    format!(
                        "SHOW CREATE TRIGGER {}.{}",
                        super::quoted(schema),
                        super::quoted(name)
                    )
                })
                .collect();
            let found = match self.show(&statements.join(";")) {
                Ok(found) if found.len() == batch.len() => found,
                // One of them is not there any more, or cannot be shown: find out which, one by one.
                _ => {
                    let mut found = vec![];
                    for statement in &statements {
                        found.push(self.show_one(statement)?);
                    }
                    found
                }
            };
            for (id, text) in batch.iter().zip(&found) {
                if text.as_deref() == Some("") {
                    return Err(super::privileges::unseen(&id.table.schema));
                }
            }
            texts.extend(found);
        }
        Ok(texts)
    }

    /// One of them; `None` where it has just gone.
    fn show_one(&mut self, statement: &str) -> Result<Option<String>, Error> {
        let mut times = 0;
        loop {
            match self.show(statement) {
                Ok(mut text) => return Ok(text.pop().flatten()),
                // There is no such trigger.
                Err(error) if errors::code(&error) == Some(1360) => return Ok(None),
                // MariaDB writes a table's triggers anew for each that comes or goes: who reads them at that moment is told
                // that they are corrupted, and a moment later they are not (10.11, tried).
                Err(error) if errors::code(&error) == Some(1602) && times < READ_AGAIN => {
                    times += 1;
                    std::thread::sleep(PAUSE);
                }
                Err(error) => return Err(errors::cannot("read a trigger", &error)),
            }
        }
    }

    fn show(&mut self, sql: &str) -> Result<Vec<Option<String>>, mysql::Error> {
        let rows = self.rows_of_several(sql)?;
        let texts = rows.iter().map(|row| {
            let text = row.get_opt::<mysql::Value, _>(2).and_then(Result::ok);
            // Without the privilege the column is NULL. MariaDB keeps what it was sent, also what is not of the character set that the
            // session had named, as pt-online-schema-change leaves it.
            Some(match text {
                Some(mysql::Value::Bytes(bytes)) => {
                    String::from_utf8(bytes).unwrap_or_else(|error| {
                        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                        log::warn!(
                            "a trigger holds bytes that are no text (shown as \u{fffd}): {}",
                            text.lines().next().unwrap_or_default()
                        );
                        text
                    })
                }
                _ => String::new(),
            })
        });
        Ok(texts.collect())
    }
}

/// Rows of [`LIST`], of the databases that are ours.
fn listed(rows: Vec<Row>, is_ours: impl Fn(&str) -> bool) -> Result<Vec<Listed>, Error> {
    let mut listed = vec![];
    for row in rows {
        let id = TriggerId {
            table: TableId {
                schema: column(&row, 0)?,
                name: column(&row, 2)?,
            },
            name: column(&row, 1)?,
        };
        if !is_ours(&id.table.schema) {
            continue;
        }
        let hidden: bool = column::<u64>(&row, 11)? != 0;
        if hidden {
            return Err(super::privileges::unseen(&id.table.schema));
        }
        let timing: String = column(&row, 3)?;
        let event: String = column(&row, 4)?;
        listed.push(Listed {
            timing: if timing == "BEFORE" {
                Timing::Before
            } else {
                Timing::After
            },
            event: match event.as_str() {
                "INSERT" => Event::Insert,
                "UPDATE" => Event::Update,
                "DELETE" => Event::Delete,
                other => {
                    return Err(Error::failed(format!(
                        "trigger {id} is for {other}, which is not known here"
                    )));
                }
            },
            order: column(&row, 5)?,
            creation: Creation {
                definer: Some(column(&row, 6)?),
                sql_mode: Some(column(&row, 7)?),
                character_set_client: Some(column(&row, 8)?),
                collation_connection: Some(column(&row, 9)?),
                database_collation: Some(column(&row, 10)?),
                place: None,
            },
            id,
        });
    }
    Ok(listed)
}

fn key(id: &TriggerId) -> (String, String) {
    (id.table.to_string(), id.name.to_lowercase())
}

/// Of a trigger at home its database is left out, which a copy gives another name.
fn fingerprint(row: &Listed, at_home: bool, text: &str) -> String {
    let Listed {
        id,
        timing,
        event,
        order: _,
        creation,
    } = row;
    // The place among siblings is not in it: it changes when one of them comes or goes.
    let Creation {
        definer,
        sql_mode,
        character_set_client,
        collation_connection,
        database_collation,
        place: _,
    } = creation;
    let part = |part: &'static str| part;
    let schema = id.table.schema.as_str();
    digest([
        if at_home { "" } else { schema },
        &id.table.name,
        &id.name,
        part(timing.keyword()),
        part(event.keyword()),
        definer.as_deref().unwrap_or_default(),
        sql_mode.as_deref().unwrap_or_default(),
        character_set_client.as_deref().unwrap_or_default(),
        collation_connection.as_deref().unwrap_or_default(),
        database_collation.as_deref().unwrap_or_default(),
        text,
    ])
}

/// A definition that was asked for and is not there.
pub(super) fn gone(id: &ObjectId) -> Error {
    Error::new(
        Kind::Busy,
        format!("{id} was changed while it was being read"),
    )
    .help("try again")
}
