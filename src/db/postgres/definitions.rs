//! Whole definitions, for the few objects whose fingerprint is not the recorded one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use postgres::Row;
use postgres::types::Type;

use super::catalog::assemble;
use super::deparsed::{condition_of, setting};
use super::{Postgres, get};
use crate::db::{Depth, Fingerprint, Live};
use crate::error::{Diagnostic, Error};
use crate::model::{
    Action, Condition, Constraint, Deferral, Definition, EnabledState, Event, Events, Function,
    FunctionId, FunctionSource, Grant, ObjectId, Orientation, Parallel, Security, Seldom, Setting,
    TableId, Timing, TransitionTables, Trigger, TriggerId, Volatility,
};

/// Bits of `pg_trigger.tgtype` (`src/include/catalog/pg_trigger.h`).
mod tgtype {
    pub(super) const ROW: i16 = 1;
    pub(super) const BEFORE: i16 = 1 << 1;
    pub(super) const INSERT: i16 = 1 << 2;
    pub(super) const DELETE: i16 = 1 << 3;
    pub(super) const UPDATE: i16 = 1 << 4;
    pub(super) const TRUNCATE: i16 = 1 << 5;
    pub(super) const INSTEAD: i16 = 1 << 6;
}

/// How many `pg_get_triggerdef` calls one query makes. The server's cost grows with the square of the number of
/// function names that a process has looked up (up to 16): that is bounded where it starts parallel workers, which
/// begin with nothing for each query.
const DEFINITIONS_AT_ONCE: usize = 4_000;
/// So many are worth the few milliseconds that it takes to start workers.
const WORTH_WORKERS: usize = 400;
/// Lets the server share the printing among as many workers as it is set up for, none included. From 14 on it looks a
/// value up in a long list by its hash.
const WITH_WORKERS: &str = "; SET LOCAL jit = off; SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; \
     SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL parallel_leader_participation = off; \
     SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off";

/// A definition, with its fingerprint where that was asked for and it does not belong to an extension.
type Found = (ObjectId, (Definition, Option<Fingerprint>));

/// Whether definitions are read with their fingerprints.
#[derive(Clone, Copy)]
enum Fingerprints {
    Yes,
    No,
}

impl Fingerprints {
    /// The last column of a query.
    fn column(self, expression: &str) -> String {
        let expression = match self {
            Self::Yes => expression,
            Self::No => "NULL::pg_catalog.text",
        };
        format!(",\n       {expression}")
    }
}

impl Postgres {
    /// See [`crate::db::Database::definitions`].
    pub(super) fn read_definitions(
        &mut self,
        ids: &[ObjectId],
        depth: Depth,
    ) -> Result<BTreeMap<ObjectId, Definition>, Error> {
        let found = self.read_objects(ids, depth, Fingerprints::No)?;
        Ok(found.into_iter().map(|(id, (it, _))| (id, it)).collect())
    }

    /// See [`crate::db::Database::live`].
    pub(super) fn read_live(
        &mut self,
        ids: &[ObjectId],
        depth: Depth,
    ) -> Result<BTreeMap<ObjectId, Live>, Error> {
        let found = self.read_objects(ids, depth, Fingerprints::Yes)?;
        // What belongs to an extension has none, and is not listed.
        let own = found.into_iter().filter_map(|(id, (it, fingerprint))| {
            let fingerprint = fingerprint?;
            let definition = Some(it);
            Some((
                id,
                Live {
                    fingerprint,
                    definition,
                },
            ))
        });
        Ok(own.collect())
    }

    fn read_objects(
        &mut self,
        ids: &[ObjectId],
        depth: Depth,
        fingerprints: Fingerprints,
    ) -> Result<Vec<Found>, Error> {
        let mut functions = vec![];
        let mut triggers = vec![];
        for id in ids {
            match id {
                ObjectId::Function(id) => functions.push(id),
                ObjectId::Trigger(id) => triggers.push(id),
            }
        }
        let mut found = Vec::with_capacity(ids.len());
        if !functions.is_empty() {
            self.read_functions(&functions, fingerprints, &mut found)?;
        }
        if !triggers.is_empty() {
            self.read_triggers(&triggers, depth, fingerprints, &mut found)?;
        }
        Ok(found)
    }

    fn read_functions(
        &mut self,
        ids: &[&FunctionId],
        fingerprints: Fingerprints,
        found: &mut Vec<Found>,
    ) -> Result<(), Error> {
        let schemas: Vec<&str> = ids.iter().map(|id| id.schema.as_str()).collect();
        let names: Vec<&str> = ids.iter().map(|id| id.name.as_str()).collect();
        let query = include_str!("sql/function_definition.sql").replace(
            "{fingerprint}",
            &fingerprints.column("{own_function_fingerprint}"),
        );
        let query = assemble(
            &query,
            include_str!("sql/function_definition_joins.sql"),
            self.server,
        );
        self.read_each(
            "read the functions",
            &query,
            &[(&schemas, Type::TEXT_ARRAY), (&names, Type::TEXT_ARRAY)],
            |row| {
                let definition = Definition::from(function(row)?);
                found.push((definition.id(), (definition, fingerprint(row, 19)?)));
                Ok(())
            },
        )
    }

    fn read_triggers(
        &mut self,
        ids: &[&TriggerId],
        depth: Depth,
        fingerprints: Fingerprints,
        found: &mut Vec<Found>,
    ) -> Result<(), Error> {
        let schemas: Vec<&str> = ids.iter().map(|id| id.table.schema.as_str()).collect();
        let tables: Vec<&str> = ids.iter().map(|id| id.table.name.as_str()).collect();
        let names: Vec<&str> = ids.iter().map(|id| id.name.as_str()).collect();
        let query = include_str!("sql/trigger_definition.sql").replace(
            "{fingerprint}",
            &fingerprints.column("{own_trigger_fingerprint}"),
        );
        let query = assemble(
            &query,
            include_str!("sql/trigger_definition_joins.sql"),
            self.server,
        );
        let mut rows: Vec<(u32, Trigger, Option<Fingerprint>)> = Vec::with_capacity(ids.len());
        let mut arguments: Vec<(usize, Vec<u8>)> = vec![];
        self.read_each(
            "read the triggers",
            &query,
            &[
                (&schemas, Type::TEXT_ARRAY),
                (&tables, Type::TEXT_ARRAY),
                (&names, Type::TEXT_ARRAY),
            ],
            |row| {
                let given: Vec<u8> = get(row, 8)?;
                if !given.is_empty() {
                    arguments.push((rows.len(), given));
                }
                rows.push((get(row, 0)?, trigger(row)?, fingerprint(row, 23)?));
                Ok(())
            },
        )?;
        for (index, given) in arguments {
            let given = self.arguments(given)?;
            if let Some((_, trigger, _)) = rows.get_mut(index)
                && let Action::Call { arguments, .. } = &mut trigger.action
            {
                *arguments = given;
            }
        }
        if depth == Depth::Whole {
            let conditional: Vec<u32> = rows
                .iter()
                .filter(|(_, trigger, _)| trigger.condition.is_some())
                .map(|(oid, _, _)| *oid)
                .collect();
            let texts: HashMap<u32, String> =
                self.condition_texts(&conditional)?.into_iter().collect();
            for (oid, trigger, _) in &mut rows {
                let Some(text) = texts.get(oid) else { continue };
                let condition = condition_of(text).ok_or_else(|| {
                    Diagnostic::new(format!(
                        "cannot find the condition of trigger `{}`",
                        trigger.id.name
                    ))
                    .note(format!("PostgreSQL prints it as: {text}"))
                })?;
                trigger.condition = Some(Condition::Sql(condition));
            }
            // One that is gone by now has no text; the catalog that is read next will not have it either.
            rows.retain(|(_, trigger, _)| trigger.condition != Some(Condition::Unread));
        }
        found.extend(rows.into_iter().map(|(_, trigger, fingerprint)| {
            let definition = Definition::from(trigger);
            (definition.id(), (definition, fingerprint))
        }));
        Ok(())
    }

    /// `pg_get_triggerdef` with every name outside `pg_catalog` qualified.
    fn condition_texts(&mut self, oids: &[u32]) -> Result<Vec<(u32, String)>, Error> {
        if oids.is_empty() {
            return Ok(vec![]);
        }
        let mut settings =
            "SET LOCAL search_path = pg_catalog; SET LOCAL quote_all_identifiers = off".to_owned();
        let shared =
            oids.len() >= WORTH_WORKERS && self.server.major >= 14 && self.migration.is_none();
        let query = if shared {
            settings.push_str(WITH_WORKERS);
            "SELECT t.oid, pg_get_triggerdef(t.oid) FROM pg_trigger AS t WHERE t.oid = ANY ($1::oid[])"
        } else {
            "SELECT t.oid, pg_get_triggerdef(t.oid) FROM unnest($1::oid[]) AS t(oid)"
        };
        self.aside(&settings, |this| {
            let mut texts = vec![];
            for chunk in oids.chunks(DEFINITIONS_AT_ONCE) {
                let rows = this.read("read the conditions", query, &[(&chunk, Type::OID_ARRAY)])?;
                for row in &rows {
                    let text: Option<String> = get(row, 1)?;
                    if let Some(text) = text {
                        texts.push((get(row, 0)?, text));
                    }
                }
            }
            Ok(texts)
        })
    }

    /// The strings of `pg_trigger.tgargs`, each of which ends in a zero byte, in the database's encoding.
    fn arguments(&mut self, mut bytes: Vec<u8>) -> Result<Vec<String>, Error> {
        if bytes.pop().is_none() {
            return Ok(vec![]);
        }
        let parts: Vec<Vec<u8>> = bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
        if self.encoding != "UTF8" && !bytes.is_ascii() {
            let encoding = self.encoding.clone();
            let rows = self.read(
                "decode a trigger's arguments",
                "SELECT pg_catalog.convert_from(part, $2) \
                 FROM pg_catalog.unnest($1::pg_catalog.bytea[]) WITH ORDINALITY AS part(part, ord) ORDER BY ord",
                &[(&parts, Type::BYTEA_ARRAY), (&encoding, Type::NAME)],
            )?;
            return rows.iter().map(|row| get(row, 0)).collect();
        }
        parts
            .into_iter()
            .map(|part| {
                String::from_utf8(part)
                    .map_err(|_| Error::failed("a trigger's arguments are not valid UTF-8"))
            })
            .collect()
    }
}

/// The fingerprint in a column, where there is one.
fn fingerprint(row: &Row, index: usize) -> Result<Option<Fingerprint>, Error> {
    let text: Option<&str> = get(row, index)?;
    Ok(text.map(Fingerprint::from))
}

/// One trigger, without its arguments, which may have to be decoded.
fn trigger(row: &Row) -> Result<Trigger, Error> {
    let flags: i16 = get(row, 4)?;
    let has = |bit: i16| flags & bit != 0;
    let mut events = Events::new();
    for (bit, event) in [
        (tgtype::INSERT, Event::Insert),
        (tgtype::UPDATE, Event::Update),
        (tgtype::DELETE, Event::Delete),
        (tgtype::TRUNCATE, Event::Truncate),
    ] {
        if has(bit) {
            events.insert(event);
        }
    }
    let timing = if has(tgtype::INSTEAD) {
        Timing::InsteadOf
    } else if has(tgtype::BEFORE) {
        Timing::Before
    } else {
        Timing::After
    };
    let is_constraint: bool = get(row, 9)?;
    let constraint = if is_constraint {
        Some(Box::new(Constraint {
            deferral: match (get(row, 10)?, get(row, 11)?) {
                (false, _) => Deferral::NotDeferrable,
                (true, false) => Deferral::InitiallyImmediate,
                (true, true) => Deferral::InitiallyDeferred,
            },
            from: match (get(row, 12)?, get(row, 13)?) {
                (Some(schema), Some(name)) => Some(TableId { schema, name }),
                _ => None,
            },
        }))
    } else {
        None
    };
    let update_of: Option<Vec<String>> = get(row, 16)?;
    let has_condition: bool = get(row, 17)?;
    Ok(Trigger {
        id: TriggerId {
            table: TableId {
                schema: get(row, 1)?,
                name: get(row, 2)?,
            },
            name: get(row, 3)?,
        },
        timing,
        events,
        update_of: update_of.unwrap_or_default(),
        orientation: if has(tgtype::ROW) {
            Orientation::Row
        } else {
            Orientation::Statement
        },
        condition: has_condition.then_some(Condition::Unread),
        action: Action::Call {
            function: FunctionId {
                schema: get(row, 6)?,
                name: get(row, 7)?,
            },
            arguments: vec![],
        },
        transition_tables: Seldom::from(TransitionTables {
            old: get(row, 14)?,
            new: get(row, 15)?,
        }),
        constraint,
        enabled: enabled_state(get(row, 5)?)?,
        enabled_on_partitions: enabled_on_partitions(row)?.into(),
        comment: get(row, 18)?,
        depends_on_extensions: extensions(row, 19)?.into(),
        verbatim: None,
        creation: None,
        seen: None,
    })
}

fn enabled_on_partitions(row: &Row) -> Result<BTreeMap<TableId, EnabledState>, Error> {
    let schemas: Option<Vec<String>> = get(row, 20)?;
    let tables: Option<Vec<String>> = get(row, 21)?;
    let states: Option<Vec<i8>> = get(row, 22)?;
    schemas
        .unwrap_or_default()
        .into_iter()
        .zip(tables.unwrap_or_default())
        .zip(states.unwrap_or_default())
        .map(|((schema, name), state)| Ok((TableId { schema, name }, enabled_state(state)?)))
        .collect()
}

fn extensions(row: &Row, index: usize) -> Result<BTreeSet<String>, Error> {
    let names: Option<Vec<String>> = get(row, index)?;
    Ok(names.unwrap_or_default().into_iter().collect())
}

/// A `"char"` of the catalog.
fn letter(code: i8) -> char {
    char::from(code.cast_unsigned())
}

fn unknown(what: &str, code: i8) -> Error {
    Error::failed(format!(
        "the catalog has {what} `{}`, which triggerctl does not know",
        letter(code)
    ))
}

fn enabled_state(code: i8) -> Result<EnabledState, Error> {
    match letter(code) {
        'O' => Ok(EnabledState::Origin),
        'D' => Ok(EnabledState::Disabled),
        'R' => Ok(EnabledState::Replica),
        'A' => Ok(EnabledState::Always),
        _ => Err(unknown("an enabled state", code)),
    }
}

fn function(row: &Row) -> Result<Function, Error> {
    let text: String = get(row, 3)?;
    let library: Option<String> = get(row, 4)?;
    let definer: bool = get(row, 5)?;
    let settings: Option<Vec<String>> = get(row, 6)?;
    let volatility: i8 = get(row, 7)?;
    let parallel: i8 = get(row, 8)?;
    let settings: Vec<Setting> = settings
        .unwrap_or_default()
        .iter()
        .map(|entry| setting(entry))
        .collect();
    Ok(Function {
        id: FunctionId {
            schema: get(row, 0)?,
            name: get(row, 1)?,
        },
        language: get(row, 2)?,
        source: match library {
            Some(file) => FunctionSource::Library { file, symbol: text },
            None => FunctionSource::Body(text),
        },
        security: if definer {
            Security::Definer
        } else {
            Security::Invoker
        },
        settings: settings.into(),
        volatility: match letter(volatility) {
            'v' => Volatility::Volatile,
            's' => Volatility::Stable,
            'i' => Volatility::Immutable,
            _ => return Err(unknown("a volatility", volatility)),
        },
        parallel: match letter(parallel) {
            'u' => Parallel::Unsafe,
            'r' => Parallel::Restricted,
            's' => Parallel::Safe,
            _ => return Err(unknown("a parallel safety", parallel)),
        },
        leakproof: get(row, 9)?,
        strict: get(row, 17)?,
        clauses: get::<Option<Vec<String>>>(row, 18)?
            .unwrap_or_default()
            .into(),
        cost: get(row, 10)?,
        comment: get(row, 11)?,
        owner: get(row, 12)?,
        grants: grants(row)?,
        depends_on_extensions: extensions(row, 16)?.into(),
        seen: None,
    })
}

fn grants(row: &Row) -> Result<Option<Vec<Grant>>, Error> {
    let differ: bool = get(row, 13)?;
    if !differ {
        return Ok(None);
    }
    let roles: Option<Vec<Option<String>>> = get(row, 14)?;
    let grantable: Option<Vec<bool>> = get(row, 15)?;
    Ok(Some(
        roles
            .unwrap_or_default()
            .into_iter()
            .zip(grantable.unwrap_or_default())
            .map(|(grantee, grantable)| Grant { grantee, grantable })
            .collect(),
    ))
}
