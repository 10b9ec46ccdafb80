//! How two definitions differ, field by field. Both structs are taken apart without `..`: an attribute that the model
//! gains and that is not compared here does not compile. What the engine must decide is asked of a [`Judge`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::db::{ConditionPair, Verdict};
use crate::dialect::Dialect;
use crate::model::{
    Action, Condition, Constraint, Creation, Deferral, Definition, EnabledState, Function,
    FunctionSource, Orientation, Parallel, Place, Security, Setting, TableId, TransitionTables,
    Trigger, Volatility,
};

/// One attribute that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The attribute, in the spec's words.
    pub field: String,
    /// What it is on the left side; `None` where there is nothing.
    pub before: Option<String>,
    /// What it is on the right side.
    pub after: Option<String>,
    /// Why it counts as a difference, where that is not plain to see.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
}

/// Answers what text alone cannot: whether two conditions, bodies or names mean the same to the engine.
pub struct Judge<'a> {
    /// The engine's rules.
    pub dialect: &'a dyn Dialect,
    /// What the engine said of pairs of conditions.
    pub verdicts: &'a BTreeMap<ConditionPair, Verdict>,
}

/// The pair of conditions that the engine must judge before these two can be compared, if any.
pub fn undecided(before: &Definition, after: &Definition) -> Option<ConditionPair> {
    let (Definition::Trigger(before), Definition::Trigger(after)) = (before, after) else {
        return None;
    };
    match (&before.condition, &after.condition) {
        (Some(Condition::Sql(left)), Some(Condition::Sql(right))) if left != right => {
            Some(ConditionPair {
                table: after.id.table.clone(),
                left: left.clone(),
                right: right.clone(),
            })
        }
        _ => None,
    }
}

/// Every attribute in which two definitions differ; empty when they are the same.
pub fn compare(before: &Definition, after: &Definition, judge: &Judge<'_>) -> Vec<FieldChange> {
    match (before, after) {
        (Definition::Trigger(before), Definition::Trigger(after)) => {
            compare_triggers(before, after, judge)
        }
        (Definition::Function(before), Definition::Function(after)) => {
            compare_functions(before, after, judge)
        }
        (before, after) => {
            let mut fields = Fields::default();
            fields.texts("kind", Some(before.id().kind()), Some(after.id().kind()));
            fields.0
        }
    }
}

/// The changes found so far.
#[derive(Default)]
struct Fields(Vec<FieldChange>);

impl Fields {
    /// Compare two texts to the letter.
    fn texts(&mut self, field: &str, before: Option<&str>, after: Option<&str>) {
        self.judged(field, before, after, before == after);
    }

    /// Compare two values, shown by `show`; `None` from it is the engine's default, which is not shown.
    fn values<T: PartialEq>(
        &mut self,
        field: &str,
        before: &T,
        after: &T,
        show: impl Fn(&T) -> Option<String>,
    ) {
        if before != after {
            self.push(field, show(before), show(after), None);
        }
    }

    /// Two texts whose sameness somebody else decided.
    fn judged(&mut self, field: &str, before: Option<&str>, after: Option<&str>, same: bool) {
        if !same {
            self.push(
                field,
                before.map(str::to_owned),
                after.map(str::to_owned),
                None,
            );
        }
    }

    fn push(
        &mut self,
        field: &str,
        before: Option<String>,
        after: Option<String>,
        note: Option<String>,
    ) {
        self.0.push(FieldChange {
            field: field.to_owned(),
            before,
            after,
            note,
        });
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "one attribute after the other, all of them in sight"
)]
fn compare_triggers(before: &Trigger, after: &Trigger, judge: &Judge<'_>) -> Vec<FieldChange> {
    // `verbatim` is the same trigger once more, as text; it restores and says nothing that the others do not. `seen` is
    // where the texts came from, and no engine knows of it.
    let Trigger {
        id,
        timing,
        events,
        update_of,
        orientation,
        condition,
        action,
        transition_tables,
        constraint,
        enabled,
        enabled_on_partitions,
        comment,
        depends_on_extensions,
        verbatim: _,
        creation,
        seen: _,
    } = before;
    let Trigger {
        id: after_id,
        timing: after_timing,
        events: after_events,
        update_of: after_update_of,
        orientation: after_orientation,
        condition: after_condition,
        action: after_action,
        transition_tables: after_transition_tables,
        constraint: after_constraint,
        enabled: after_enabled,
        enabled_on_partitions: after_enabled_on_partitions,
        comment: after_comment,
        depends_on_extensions: after_extensions,
        verbatim: _,
        creation: after_creation,
        seen: _,
    } = after;
    let mut fields = Fields::default();
    fields.judged(
        "name",
        Some(&id.name),
        Some(&after_id.name),
        judge.dialect.same_name(&id.name, &after_id.name),
    );
    let same_table = judge
        .dialect
        .same_name(&id.table.name, &after_id.table.name)
        && judge
            .dialect
            .same_name(&id.table.schema, &after_id.table.schema);
    fields.judged(
        "table",
        Some(&id.table.to_string()),
        Some(&after_id.table.to_string()),
        same_table,
    );
    fields.values("timing", timing, after_timing, |timing| {
        Some(timing.keyword().to_lowercase())
    });
    fields.values("events", events, after_events, |events| {
        Some(
            events
                .iter()
                .map(|event| event.word())
                .collect::<Vec<_>>()
                .join(", "),
        )
    });
    // The order of the columns means nothing to any engine.
    let (columns, after_columns) = (name_set(update_of, judge), name_set(after_update_of, judge));
    fields.judged(
        "update_of",
        joined(update_of).as_deref(),
        joined(after_update_of).as_deref(),
        columns == after_columns,
    );
    fields.values("for_each", orientation, after_orientation, |orientation| {
        Some(match orientation {
            Orientation::Row => "row".to_owned(),
            Orientation::Statement => "statement".to_owned(),
        })
    });
    compare_conditions(
        &mut fields,
        &after_id.table,
        condition.as_ref(),
        after_condition.as_ref(),
        judge,
    );
    // The settings of either side: where the two differ, that is a difference already.
    let settings = [creation, after_creation]
        .into_iter()
        .filter_map(Option::as_deref)
        .find(|creation| creation.sql_mode.is_some());
    compare_actions(&mut fields, action, after_action, settings, judge);
    let TransitionTables { old, new } = &**transition_tables;
    let TransitionTables {
        old: after_old,
        new: after_new,
    } = &**after_transition_tables;
    fields.texts(
        "referencing.old_table",
        old.as_deref(),
        after_old.as_deref(),
    );
    fields.texts(
        "referencing.new_table",
        new.as_deref(),
        after_new.as_deref(),
    );
    fields.values("constraint", constraint, after_constraint, |constraint| {
        constraint.as_deref().map(show_constraint)
    });
    fields.values("enabled", enabled, after_enabled, |state| {
        Some(show_state(*state).to_owned())
    });
    compare_partitions(
        &mut fields,
        (*enabled, enabled_on_partitions),
        (*after_enabled, after_enabled_on_partitions),
    );
    fields.texts("description", comment.as_deref(), after_comment.as_deref());
    fields.values(
        "depends_on_extensions",
        &**depends_on_extensions,
        &**after_extensions,
        show_names,
    );
    if let (Some(creation), Some(after_creation)) = (creation, after_creation) {
        compare_creations(&mut fields, creation, after_creation, judge);
    }
    fields.0
}

/// What one side leaves open is as the other side has it.
fn compare_creations(fields: &mut Fields, before: &Creation, after: &Creation, judge: &Judge<'_>) {
    let Creation {
        definer,
        sql_mode,
        // How the client that created it wrote its characters. The body is the same text in any of them, and its
        // literals have the character set of `collation_connection`.
        character_set_client: _,
        collation_connection,
        database_collation,
        place,
    } = before;
    let Creation {
        definer: after_definer,
        sql_mode: after_sql_mode,
        character_set_client: _,
        collation_connection: after_collation_connection,
        database_collation: after_database_collation,
        place: after_place,
    } = after;
    for (field, left, right) in [
        ("definer", definer, after_definer),
        (
            "collation_connection",
            collation_connection,
            after_collation_connection,
        ),
        (
            "database_collation",
            database_collation,
            after_database_collation,
        ),
    ] {
        if let (Some(left), Some(right)) = (left, right) {
            fields.texts(field, Some(left), Some(right));
        }
    }
    let same_mode = match (sql_mode, after_sql_mode) {
        (Some(left), Some(right)) => judge.dialect.same_sql_mode(left, right),
        // Text that was cut into tokens by other rules cannot be compared with what the spec means.
        (Some(_), None) | (None, Some(_)) => {
            let cut = |creation| judge.dialect.syntax_of(creation);
            cut(before) == cut(after)
        }
        (None, None) => true,
    };
    fields.judged(
        "sql_mode",
        sql_mode.as_deref(),
        after_sql_mode.as_deref(),
        same_mode,
    );
    if let (Some(place), Some(after_place)) = (place, after_place)
        && !place.agrees(after_place)
    {
        fields.push(
            "order",
            Some(show_place(place)),
            Some(show_place(after_place)),
            None,
        );
    }
}

fn show_place(place: &Place) -> String {
    match place {
        Place::Follows(name) => format!("follows {name}"),
        Place::Precedes(name) => format!("precedes {name}"),
        Place::Among { before, after } => {
            let list = |names: &[String]| {
                if names.is_empty() {
                    "nothing".to_owned()
                } else {
                    names.join(", ")
                }
            };
            format!("after {}, before {}", list(before), list(after))
        }
    }
}

fn compare_functions(before: &Function, after: &Function, judge: &Judge<'_>) -> Vec<FieldChange> {
    let Function {
        id,
        language,
        source,
        security,
        settings,
        volatility,
        parallel,
        leakproof,
        strict,
        clauses,
        cost,
        comment,
        owner: _, // Both by `compare_rights`.
        grants: _,
        depends_on_extensions,
        seen: _,
    } = before;
    let Function {
        id: after_id,
        language: after_language,
        source: after_source,
        security: after_security,
        settings: after_settings,
        volatility: after_volatility,
        parallel: after_parallel,
        leakproof: after_leakproof,
        strict: after_strict,
        clauses: after_clauses,
        cost: after_cost,
        comment: after_comment,
        owner: _,
        grants: _,
        depends_on_extensions: after_extensions,
        seen: _,
    } = after;
    let mut fields = Fields::default();
    fields.values("schema", &id.schema, &after_id.schema, |schema| {
        Some(schema.clone())
    });
    fields.values("name", &id.name, &after_id.name, |name| Some(name.clone()));
    fields.texts("language", Some(language), Some(after_language));
    match (source, after_source) {
        (FunctionSource::Body(body), FunctionSource::Body(after_body)) => {
            fields.judged(
                "body",
                Some(body),
                Some(after_body),
                judge.dialect.same_body(body, after_body, None),
            );
        }
        (source, after_source) => {
            fields.values("body", source, after_source, |source| {
                Some(match source {
                    FunctionSource::Body(body) => body.clone(),
                    FunctionSource::Library { file, symbol } => format!("{file}, {symbol}"),
                })
            });
        }
    }
    fields.values("security", security, after_security, |security| {
        Some(match security {
            Security::Invoker => "invoker".to_owned(),
            Security::Definer => "definer".to_owned(),
        })
    });
    compare_rights(&mut fields, before, after);
    compare_settings(&mut fields, settings, after_settings);
    fields.values("volatility", volatility, after_volatility, |volatility| {
        Some(match volatility {
            Volatility::Volatile => "volatile".to_owned(),
            Volatility::Stable => "stable".to_owned(),
            Volatility::Immutable => "immutable".to_owned(),
        })
    });
    fields.values("parallel", parallel, after_parallel, |parallel| {
        Some(match parallel {
            Parallel::Unsafe => "unsafe".to_owned(),
            Parallel::Restricted => "restricted".to_owned(),
            Parallel::Safe => "safe".to_owned(),
        })
    });
    fields.values("leakproof", leakproof, after_leakproof, |leakproof| {
        Some(leakproof.to_string())
    });
    fields.values("strict", strict, after_strict, |strict| {
        Some(strict.to_string())
    });
    fields.values("clauses", clauses, after_clauses, |clauses| {
        (!clauses.is_empty()).then(|| clauses.join(" "))
    });
    fields.values("cost", cost, after_cost, |cost| Some(cost.to_string()));
    fields.texts("description", comment.as_deref(), after_comment.as_deref());
    fields.values(
        "depends_on_extensions",
        &**depends_on_extensions,
        &**after_extensions,
        show_names,
    );
    fields.0
}

/// Whose rights a function runs with, and who may put it on a table, where that is part of what it does. No spec says who
/// owns what: where it was not read either, there is nothing to compare.
fn compare_rights(fields: &mut Fields, before: &Function, after: &Function) {
    if !after.borrows_rights() || before.owner.is_none() || after.owner.is_none() {
        return;
    }
    fields.texts(OWNER, before.owner.as_deref(), after.owner.as_deref());
    let (rights, after_rights) = (show_executors(before), show_executors(after));
    fields.texts(EXECUTE, rights.as_deref(), after_rights.as_deref());
}

/// The attribute of a function that says whose rights it runs with.
pub const OWNER: &str = "owner";
/// The attribute of a function that says who may put it on a table.
pub const EXECUTE: &str = "execute";

/// Who may execute a function, beside its owner: a new owner has what the one before had.
fn show_executors(function: &Function) -> Option<String> {
    let owner = function.owner.as_deref()?;
    let show = |(grantee, grantable): (Option<&str>, bool)| {
        let who = match grantee {
            None => "everybody",
            Some(role) if role == owner => "the owner",
            Some(role) => role,
        };
        let also = if grantable { " (may grant it)" } else { "" };
        format!("{who}{also}")
    };
    let mut shown: Vec<String> = function.executors()?.into_iter().map(show).collect();
    shown.sort_unstable();
    Some(if shown.is_empty() {
        "nobody".to_owned()
    } else {
        shown.join(", ")
    })
}

fn compare_conditions(
    fields: &mut Fields,
    table: &TableId,
    before: Option<&Condition>,
    after: Option<&Condition>,
    judge: &Judge<'_>,
) {
    let (left, right) = match (before, after) {
        (Some(Condition::Sql(left)), Some(Condition::Sql(right))) => (left, right),
        // Nobody asked for the text: whoever compares this way wrote the condition with the statement just run.
        (None, None) | (Some(_), Some(_)) => return,
        (before, after) => {
            fields.texts(
                "when",
                before.map(show_condition),
                after.map(show_condition),
            );
            return;
        }
    };
    if left == right {
        return;
    }
    let pair = ConditionPair {
        table: table.clone(),
        left: left.clone(),
        right: right.clone(),
    };
    let note = match judge.verdicts.get(&pair) {
        Some(Verdict::Same) => return,
        Some(Verdict::Unknown(why)) => Some(format!(
            "could not be compared, so it counts as changed: {why}"
        )),
        Some(Verdict::Different) | None => None,
    };
    fields.push("when", Some(left.clone()), Some(right.clone()), note);
}

fn compare_actions(
    fields: &mut Fields,
    before: &Action,
    after: &Action,
    settings: Option<&Creation>,
    judge: &Judge<'_>,
) {
    match (before, after) {
        (Action::Body(left), Action::Body(right)) => {
            fields.judged(
                "body",
                Some(left),
                Some(right),
                judge.dialect.same_body(left, right, settings),
            );
        }
        (
            Action::Call {
                function,
                arguments,
            },
            Action::Call {
                function: after_function,
                arguments: after_arguments,
            },
        ) => {
            fields.values("function", function, after_function, |function| {
                Some(function.to_string())
            });
            fields.values("args", arguments, after_arguments, |arguments| {
                (!arguments.is_empty()).then(|| format!("{arguments:?}"))
            });
        }
        (before, after) => fields.values("body", before, after, |action| {
            Some(match action {
                Action::Body(body) => body.clone(),
                Action::Call { function, .. } => format!("calls {function}"),
            })
        }),
    }
}

/// The states of partitions whose clone differs from the parent's; a state equal to the parent's says nothing.
fn compare_partitions(
    fields: &mut Fields,
    (state, partitions): (EnabledState, &BTreeMap<TableId, EnabledState>),
    (after_state, after_partitions): (EnabledState, &BTreeMap<TableId, EnabledState>),
) {
    for partition in partitions
        .keys()
        .chain(after_partitions.keys())
        .collect::<BTreeSet<_>>()
    {
        let before = *partitions.get(partition).unwrap_or(&state);
        let after = *after_partitions.get(partition).unwrap_or(&after_state);
        let differs_from_parent = before != state || after != after_state;
        if before != after && differs_from_parent {
            let field = format!("enabled on partition {partition}");
            fields.push(
                &field,
                Some(show_state(before).to_owned()),
                Some(show_state(after).to_owned()),
                None,
            );
        }
    }
}

fn compare_settings(fields: &mut Fields, before: &[Setting], after: &[Setting]) {
    let find = |settings: &[Setting], name: &str| {
        settings
            .iter()
            .find(|setting| setting.name.eq_ignore_ascii_case(name))
            .map(|setting| setting.values.clone())
    };
    // PostgreSQL's parameter names know no case, and the server spells them its own way (`TimeZone`).
    let names: BTreeSet<String> = before
        .iter()
        .chain(after)
        .map(|setting| setting.name.to_ascii_lowercase())
        .collect();
    for name in names {
        let (left, right) = (find(before, &name), find(after, &name));
        let field = if name == "search_path" {
            name.clone()
        } else {
            format!("settings.{name}")
        };
        fields.values(&field, &left, &right, |values| {
            values.as_ref().map(|values| values.join(", "))
        });
    }
}

fn name_set(names: &[String], judge: &Judge<'_>) -> Vec<String> {
    // Names that the engine takes for one are made one by the first spelling that is met.
    let mut set: Vec<String> = vec![];
    let folds = judge.dialect.same_name("a", "A");
    for name in names {
        set.push(if folds {
            name.to_ascii_lowercase()
        } else {
            name.clone()
        });
    }
    set.sort_unstable();
    set.dedup();
    set
}

fn joined(names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| names.join(", "))
}

fn show_names(names: &BTreeSet<String>) -> Option<String> {
    (!names.is_empty()).then(|| names.iter().cloned().collect::<Vec<_>>().join(", "))
}

fn show_condition(condition: &Condition) -> &str {
    match condition {
        Condition::Sql(text) => text,
        Condition::Unread => "(a condition)",
    }
}

/// The word that the spec has for a state.
pub fn show_state(state: EnabledState) -> &'static str {
    match state {
        EnabledState::Origin => "origin",
        EnabledState::Disabled => "disabled",
        EnabledState::Replica => "replica",
        EnabledState::Always => "always",
    }
}

/// A constraint in the words of the DDL.
pub fn show_constraint(constraint: &Constraint) -> String {
    let Constraint { deferral, from } = constraint;
    let deferral = match deferral {
        Deferral::NotDeferrable => "not deferrable",
        Deferral::InitiallyImmediate => "deferrable initially immediate",
        Deferral::InitiallyDeferred => "deferrable initially deferred",
    };
    match from {
        None => deferral.to_owned(),
        Some(table) => format!("{deferral}, from {table}"),
    }
}
