//! What the server would refuse, or say when a trigger fires, found by looking: functions, columns, languages and
//! constraints that are not there, or are there and in the way.

use std::collections::{BTreeMap, BTreeSet};

use postgres::types::Type;

use super::error::{Cause, words};
use super::{Postgres, get};
use crate::db::Database as _;
use crate::error::{Diagnostic, Error};
use crate::kinds::tables::NewTable;
use crate::model::{
    Condition, Definition, Event, Function, FunctionId, FunctionSource, ObjectId, TableId, Trigger,
};

/// What the catalog holds beside the definitions in question.
#[derive(Default)]
struct Surroundings {
    /// Functions without declared arguments, and what they return.
    returns: BTreeMap<FunctionId, String>,
    /// Trigger functions of the schemas in which one is missing.
    candidates: BTreeSet<FunctionId>,
    columns: BTreeMap<TableId, Vec<String>>,
    /// The columns with their types and collations, by OID.
    shapes: BTreeMap<TableId, Vec<String>>,
    /// Constraints other than those of constraint triggers.
    constraints: BTreeSet<(TableId, String)>,
    /// Foreign tables that have no TRUNCATE triggers: PostgreSQL 16 is the first where they may.
    never_truncated: BTreeSet<TableId>,
    languages: BTreeSet<String>,
    extensions: BTreeSet<String>,
}

impl Postgres {
    /// See [`crate::db::Database::check`].
    pub(super) fn find_faults(
        &mut self,
        definitions: &[&Definition],
        new: &[NewTable],
    ) -> Result<Vec<(ObjectId, Diagnostic)>, Error> {
        if definitions.is_empty() {
            return Ok(vec![]);
        }
        let given: BTreeSet<ObjectId> = definitions
            .iter()
            .map(|definition| definition.id())
            .collect();
        let surroundings = self.read_surroundings(definitions)?;
        let mut faults = vec![];
        for definition in definitions {
            let found = match definition {
                Definition::Function(function) => function_faults(function, &surroundings),
                Definition::Trigger(trigger) => trigger_faults(
                    trigger,
                    definition
                        .calls()
                        .filter(|id| !given.contains(&ObjectId::Function((*id).clone()))),
                    &surroundings,
                ),
            };
            let missing = extension_faults(definition, &surroundings);
            let found = found.into_iter().chain(missing);
            faults.extend(found.map(|fault| (definition.id(), fault)));
        }
        faults.extend(self.check_conditions(definitions, &surroundings)?);
        // A body may speak of a table that is not there yet.
        if new.is_empty() {
            faults.extend(self.check_bodies(definitions)?);
        }
        Ok(faults)
    }

    /// WHEN conditions that the server cannot make sense of: CREATE TRIGGER would refuse them.
    fn check_conditions(
        &mut self,
        definitions: &[&Definition],
        surroundings: &Surroundings,
    ) -> Result<Vec<(ObjectId, Diagnostic)>, Error> {
        let (mut triggers, mut conditions) = (vec![], vec![]);
        for definition in definitions {
            if let Definition::Trigger(trigger) = definition
                && let Some(Condition::Sql(text)) = &trigger.condition
            {
                triggers.push(definition.id());
                let table = &trigger.id.table;
                let shape = surroundings
                    .shapes
                    .get(table)
                    .map_or(&[][..], Vec::as_slice);
                conditions.push((table, shape, text.as_str()));
            }
        }
        let found = self.senseless(&conditions)?;
        Ok(found
            .into_iter()
            .filter_map(|(index, words)| {
                let (id, (table, _, text)) = (triggers.get(index)?, conditions.get(index)?);
                let fault = Diagnostic::new(format!(
                    "the condition of `{}` does not fit {table}",
                    id.name()
                ))
                .note(words)
                .note(format!("the condition is: {text}"))
                .help("correct `when`");
                Some((id.clone(), fault))
            })
            .collect())
    }

    fn read_surroundings(&mut self, definitions: &[&Definition]) -> Result<Surroundings, Error> {
        let mut surroundings = Surroundings::default();
        let functions: BTreeSet<&FunctionId> = definitions
            .iter()
            .filter_map(|definition| match definition {
                Definition::Function(function) => Some(&function.id),
                Definition::Trigger(_) => definition.calls(),
            })
            .collect();
        let schemas: BTreeSet<&str> = functions.iter().map(|id| id.schema.as_str()).collect();
        let schemas: Vec<&str> = schemas.into_iter().collect();
        let names: Vec<&str> = functions.iter().map(|id| id.name.as_str()).collect();
        for row in self.read(
            "read the functions",
            // Not `format_type` alone: with `quote_all_identifiers` on it puts quotes around the word.
            "SELECT n.nspname, p.proname,
                    CASE WHEN p.prorettype = 'pg_catalog.trigger'::pg_catalog.regtype THEN 'trigger'
                         ELSE pg_catalog.format_type(p.prorettype, NULL) END,
                    p.prokind = 'f'
             FROM pg_catalog.pg_proc p
             JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
             WHERE n.nspname = ANY ($1) AND p.proname = ANY ($2) AND p.pronargs = 0",
            &[(&schemas, Type::TEXT_ARRAY), (&names, Type::TEXT_ARRAY)],
        )? {
            let id = FunctionId {
                schema: get(&row, 0)?,
                name: get(&row, 1)?,
            };
            let returns: String = get(&row, 2)?;
            let is_function: bool = get(&row, 3)?;
            let kind = if is_function {
                returns
            } else {
                "no trigger".to_owned()
            };
            surroundings.returns.insert(id, kind);
        }
        self.read_candidates(&functions, &mut surroundings)?;
        let tables: BTreeSet<&TableId> = definitions
            .iter()
            .filter_map(|definition| match definition {
                Definition::Function(_) => None,
                Definition::Trigger(trigger) => Some(&trigger.id.table),
            })
            .collect();
        let table_schemas: Vec<&str> = tables.iter().map(|table| table.schema.as_str()).collect();
        let table_names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        for row in self.read(
            "read the tables",
            "SELECT n.nspname, c.relname,
                    ARRAY(SELECT a.attname FROM pg_catalog.pg_attribute a
                          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
                    ARRAY(SELECT k.conname FROM pg_catalog.pg_constraint k
                          WHERE k.conrelid = c.oid AND k.contype <> 't'),
                    ARRAY(SELECT ROW(a.attname, a.atttypid, a.atttypmod, a.attcollation)::pg_catalog.text
                          FROM pg_catalog.pg_attribute a
                          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
                    c.relkind = 'f'
             FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
               AS asked(schema, name)
             JOIN pg_catalog.pg_namespace n ON n.nspname = asked.schema
             JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = asked.name
             WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')",
            &[
                (&table_schemas, Type::TEXT_ARRAY),
                (&table_names, Type::TEXT_ARRAY),
            ],
        )? {
            let table = TableId {
                schema: get(&row, 0)?,
                name: get(&row, 1)?,
            };
            let constraints: Vec<String> = get(&row, 3)?;
            for name in constraints {
                surroundings.constraints.insert((table.clone(), name));
            }
            surroundings.shapes.insert(table.clone(), get(&row, 4)?);
            let is_foreign: bool = get(&row, 5)?;
            if is_foreign && self.server().major < 16 {
                surroundings.never_truncated.insert(table.clone());
            }
            surroundings.columns.insert(table, get(&row, 2)?);
        }
        for row in self.read(
            "read the languages",
            "SELECT lanname FROM pg_catalog.pg_language",
            &[],
        )? {
            surroundings.languages.insert(get(&row, 0)?);
        }
        if definitions.iter().any(|one| !marks(one).is_empty()) {
            let query = "SELECT extname FROM pg_catalog.pg_extension";
            for row in self.read("read the extensions", query, &[])? {
                surroundings.extensions.insert(get(&row, 0)?);
            }
        }
        Ok(surroundings)
    }

    /// What the names of functions that are nowhere may have been meant to be.
    fn read_candidates(
        &mut self,
        functions: &BTreeSet<&FunctionId>,
        surroundings: &mut Surroundings,
    ) -> Result<(), Error> {
        let missing = functions
            .iter()
            .filter(|id| !surroundings.returns.contains_key(**id));
        let schemas: BTreeSet<&str> = missing.map(|id| id.schema.as_str()).collect();
        if schemas.is_empty() {
            return Ok(());
        }
        let schemas: Vec<&str> = schemas.into_iter().collect();
        for row in self.read(
            "read the trigger functions",
            "SELECT n.nspname, p.proname
             FROM pg_catalog.pg_proc p
             JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
             WHERE n.nspname = ANY ($1) AND p.pronargs = 0 AND p.prokind = 'f'
               AND p.prorettype = 'pg_catalog.trigger'::pg_catalog.regtype",
            &[(&schemas, Type::TEXT_ARRAY)],
        )? {
            surroundings.candidates.insert(FunctionId {
                schema: get(&row, 0)?,
                name: get(&row, 1)?,
            });
        }
        Ok(())
    }

    /// What plpgsql_check says of bodies that the server has already, where the extension is installed. A body that is
    /// not there yet cannot be checked without creating it.
    fn check_bodies(
        &mut self,
        definitions: &[&Definition],
    ) -> Result<Vec<(ObjectId, Diagnostic)>, Error> {
        let bodies: BTreeMap<&FunctionId, &str> = definitions
            .iter()
            .filter_map(|definition| match definition {
                Definition::Function(function) => match &function.source {
                    FunctionSource::Body(body) => Some((&function.id, body.as_str())),
                    FunctionSource::Library { .. } => None,
                },
                Definition::Trigger(_) => None,
            })
            .collect();
        let mut asked: Vec<(&FunctionId, &Trigger, &str)> = vec![];
        for definition in definitions {
            if let (Definition::Trigger(trigger), Some(id)) = (definition, definition.calls())
                && let Some((id, body)) = bodies.get_key_value(id)
            {
                asked.push((id, trigger, body));
            }
        }
        let installed = self.read(
            "look for plpgsql_check",
            "SELECT n.nspname FROM pg_catalog.pg_extension e
             JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'plpgsql_check'",
            &[],
        )?;
        let Some(row) = installed.first() else {
            return Ok(vec![]);
        };
        let schema: String = get(row, 0)?;
        let query = format!(
            "SELECT r.message, r.detail, r.hint, r.lineno, r.level
             FROM pg_catalog.pg_proc p
             JOIN pg_catalog.pg_namespace pn ON pn.oid = p.pronamespace
             JOIN pg_catalog.pg_language l ON l.oid = p.prolang AND l.lanname = 'plpgsql'
             JOIN pg_catalog.pg_namespace cn ON cn.nspname = $4
             JOIN pg_catalog.pg_class c ON c.relnamespace = cn.oid AND c.relname = $5
             CROSS JOIN LATERAL {}.plpgsql_check_function_tb(p.oid, c.oid,
               oldtable => $6, newtable => $7, fatal_errors => false) AS r
             WHERE pn.nspname = $1 AND p.proname = $2 AND p.pronargs = 0 AND p.prosrc = $3
               AND p.prorettype = 'pg_catalog.trigger'::pg_catalog.regtype
               AND r.level = 'error'",
            super::identifier(&schema)
        );
        let settings = "SET LOCAL lock_timeout = '2s'; SAVEPOINT triggerctl_bodies";
        self.aside(settings, |this| {
            let mut faults = vec![];
            for (id, trigger, body) in asked {
                let answer = this.client.query_typed(
                    &query,
                    &[
                        (&id.schema, Type::TEXT),
                        (&id.name, Type::TEXT),
                        (&body, Type::TEXT),
                        (&trigger.id.table.schema, Type::TEXT),
                        (&trigger.id.table.name, Type::TEXT),
                        (&trigger.transition_tables.old, Type::NAME),
                        (&trigger.transition_tables.new, Type::NAME),
                    ],
                );
                let rows = match answer {
                    Ok(rows) => rows,
                    // The extension's own trouble is no fault of the spec's.
                    Err(failure) if this.cause(&failure) == Cause::Other => {
                        log::warn!(
                            "plpgsql_check cannot check function `{id}`: {}",
                            words(&failure)
                        );
                        this.batch(
                            "check a function's body",
                            "ROLLBACK TO SAVEPOINT triggerctl_bodies",
                        )?;
                        continue;
                    }
                    Err(failure) => return Err(this.error(&failure, "check a function's body")),
                };
                for row in &rows {
                    let message: String = get(row, 0)?;
                    let detail: Option<String> = get(row, 1)?;
                    let hint: Option<String> = get(row, 2)?;
                    let line: Option<i32> = get(row, 3)?;
                    let line =
                        line.map_or_else(String::new, |line| format!(", line {line} of the body"));
                    let mut fault = Diagnostic::new(format!(
                        "function `{id}` fails on table `{}`: {message}",
                        trigger.id.table
                    ))
                    .note(format!("found by plpgsql_check{line}"));
                    fault.notes.extend(detail);
                    fault.help.extend(hint);
                    faults.push((ObjectId::Function(id.clone()), fault));
                }
            }
            Ok(faults)
        })
    }
}

/// The extensions that it is to be marked as depending on.
fn marks(definition: &Definition) -> &BTreeSet<String> {
    match definition {
        Definition::Function(function) => &function.depends_on_extensions,
        Definition::Trigger(trigger) => &trigger.depends_on_extensions,
    }
}

fn extension_faults(definition: &Definition, surroundings: &Surroundings) -> Vec<Diagnostic> {
    let missing = marks(definition).difference(&surroundings.extensions);
    let fault = |extension: &String| {
        let fault = Diagnostic::new(format!(
            "the extension `{extension}` is not installed in this database"
        ));
        let names = surroundings.extensions.iter().map(String::as_str);
        match closest(extension, names) {
            Some(name) => fault.help(format!("did you mean `{name}`?")),
            None => fault.help(format!("CREATE EXTENSION {extension}")),
        }
    };
    missing.map(fault).collect()
}

fn function_faults(function: &Function, surroundings: &Surroundings) -> Vec<Diagnostic> {
    let mut faults = vec![];
    match surroundings.returns.get(&function.id) {
        Some(returns) if returns != "trigger" => faults.push(
            Diagnostic::new(format!(
                "function `{}` exists already, and returns {returns}",
                function.id
            ))
            .help("choose another name for the trigger function"),
        ),
        _ => {}
    }
    if !surroundings.languages.contains(&function.language) {
        faults.push(
            Diagnostic::new(format!(
                "the language `{}` is not installed in this database",
                function.language
            ))
            .help(format!("CREATE EXTENSION {}", function.language)),
        );
    }
    faults
}

fn trigger_faults(
    trigger: &Trigger,
    calls: Option<&FunctionId>,
    surroundings: &Surroundings,
) -> Vec<Diagnostic> {
    let mut faults = vec![];
    if let Some(function) = calls {
        match surroundings.returns.get(function).map(String::as_str) {
            Some("trigger") => {}
            Some(returns) => faults.push(
                Diagnostic::new(format!(
                    "function `{function}` returns {returns}, not trigger"
                ))
                .help("a trigger can only call a function that returns `trigger`"),
            ),
            None => {
                let names = surroundings
                    .candidates
                    .iter()
                    .filter(|candidate| candidate.schema == function.schema)
                    .map(|candidate| candidate.name.as_str());
                let fault = Diagnostic::new(format!("function `{function}` does not exist"));
                faults.push(match closest(&function.name, names) {
                    Some(name) => fault.help(format!("did you mean `{}.{name}`?", function.schema)),
                    None => fault.help("define it as `[[function]]`, or create it first"),
                });
            }
        }
    }
    let table = &trigger.id.table;
    let Some(columns) = surroundings.columns.get(table) else {
        faults.push(Diagnostic::new(format!("table `{table}` does not exist")));
        return faults;
    };
    for column in &trigger.update_of {
        if !columns.contains(column) {
            let fault = Diagnostic::new(format!("table `{table}` has no column `{column}`"));
            faults.push(match closest(column, columns.iter().map(String::as_str)) {
                Some(name) => fault.help(format!("did you mean `{name}`?")),
                None => fault,
            });
        }
    }
    if trigger.events.contains(&Event::Truncate) && surroundings.never_truncated.contains(table) {
        faults.push(
            Diagnostic::new(format!(
                "`{table}` is a foreign table: before PostgreSQL 16 it has no TRUNCATE triggers"
            ))
            .help("put the trigger on the table that it stands for, or leave `truncate` out"),
        );
    }
    if trigger.constraint.is_some()
        && surroundings
            .constraints
            .contains(&(table.clone(), trigger.id.name.clone()))
    {
        faults.push(
            Diagnostic::new(format!(
                "table `{table}` has a constraint named `{}` already",
                trigger.id.name
            ))
            .note("constraint triggers share their names with the table's constraints")
            .help("choose another name for the trigger"),
        );
    }
    faults
}

/// The name that was probably meant.
fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}
