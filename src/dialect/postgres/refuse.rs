//! What PostgreSQL's CREATE TRIGGER refuses, found before anything runs, with the place in the spec and the way out.
//! The rules are those of `CreateTriggerFiringOn` in `trigger.c`.

use std::collections::{BTreeMap, BTreeSet};

use super::lower::Firing;
use crate::dialect::request::{Reader, place};
use crate::dialect::{TableKind, inspect};
use crate::error::{Located, Span};
use crate::model::{EnabledState, Event, Orientation, TableId, Timing};
use crate::spec::{EnabledOn, ReferencingSpec, TableSelector};
use crate::sql::POSTGRES;

/// Combinations of timing, events, orientation and table that cannot be.
pub(super) fn impossible(reader: &mut Reader<'_>, firing: &Firing) {
    kind_of_table(reader, firing);
    instead_of(reader, firing);
    truncate(reader, firing);
    constraint(reader, firing);
    if let Some(referencing) = &reader.request.fields.referencing {
        transition_tables(reader, firing, referencing);
    }
}

/// The partitions on which the trigger has another state than on its table. One that has the same is none, as the
/// catalog has it too.
pub(super) fn enabled_on(
    reader: &mut Reader<'_>,
    states: &Located<Vec<EnabledOn>>,
    enabled: EnabledState,
    firing: &Firing,
) -> BTreeMap<TableId, EnabledState> {
    let request = reader.request;
    if firing.orientation == Orientation::Statement {
        reader.refuse(
            "a trigger for each statement is on the partitioned table alone",
            &states.span,
            "use `for_each = \"row\"`, or remove `enabled_on`",
        );
    }
    let table = &request.table.id;
    let one_of_many = matches!(request.spec.tables, TableSelector::Many { .. });
    let mut seen: BTreeMap<TableId, EnabledState> = BTreeMap::new();
    for EnabledOn { partition, state } in &states.value {
        let (id, facts) = request.beside.table(&partition.value);
        if let Some(facts) = facts
            && !facts.partition_of.contains(table)
        {
            // With several tables each entry is for one of them.
            if one_of_many && !facts.partition_of.is_empty() {
                continue;
            }
            reader.refuse(
                format!("`{id}` is no partition of `{table}`"),
                &partition.span,
                "name a partition, whose own copy of the trigger has that state",
            );
        }
        if seen.insert(id.clone(), state.value).is_some() {
            reader.refuse(
                format!("the partition `{id}` is named twice"),
                &partition.span,
                "name it once",
            );
        }
    }
    seen.retain(|_, state| *state != enabled);
    seen
}

fn timing_span(reader: &Reader<'_>) -> Span {
    let timing = reader.request.fields.timing.as_ref();
    timing.map_or_else(
        || reader.request.spec.span.clone(),
        |timing| timing.span.clone(),
    )
}

/// Where `for_each` was said; what it defaults to has the place of the timing.
fn orientation_span(reader: &Reader<'_>) -> Span {
    let for_each = reader.request.fields.for_each.as_ref();
    for_each.map_or_else(|| timing_span(reader), |for_each| for_each.span.clone())
}

fn kind_of_table(reader: &mut Reader<'_>, firing: &Firing) {
    let request = reader.request;
    let Some(facts) = &request.table.facts else {
        return;
    };
    let table = &request.table.id;
    match (facts.kind, firing.timing) {
        (TableKind::MaterializedView, _) => reader.refuse(
            format!("`{table}` is a materialised view: it has no triggers"),
            &request.spec.span,
            "put the trigger on the tables that it is made of",
        ),
        (TableKind::View, Timing::Before | Timing::After)
            if firing.orientation == Orientation::Row =>
        {
            let at = timing_span(reader);
            reader.refuse(
                format!(
                    "`{table}` is a view: it has no {} triggers for each row",
                    firing.timing.keyword()
                ),
                &at,
                "use `timing = \"instead_of\"`, or `for_each = \"statement\"`",
            );
        }
        (
            TableKind::Table | TableKind::Partitioned | TableKind::Foreign | TableKind::Virtual,
            Timing::InsteadOf,
        ) => {
            let at = timing_span(reader);
            reader.refuse(
                format!("`{table}` is a table: INSTEAD OF triggers are for views"),
                &at,
                "use `timing = \"before\"` or `timing = \"after\"`",
            );
        }
        _ => {}
    }
}

fn instead_of(reader: &mut Reader<'_>, firing: &Firing) {
    if firing.timing != Timing::InsteadOf {
        return;
    }
    let fields = reader.request.fields;
    if firing.orientation == Orientation::Statement {
        let at = orientation_span(reader);
        reader.refuse(
            "an INSTEAD OF trigger fires for each row",
            &at,
            "use `for_each = \"row\"`",
        );
    }
    if let Some(when) = &fields.when {
        reader.refuse(
            "an INSTEAD OF trigger has no condition",
            &when.span,
            "put it into the body: `IF … THEN … END IF;`",
        );
    }
    if let Some(columns) = &fields.update_of {
        reader.refuse(
            "an INSTEAD OF trigger has no list of columns",
            &columns.span,
            "compare OLD and NEW in the body",
        );
    }
}

fn truncate(reader: &mut Reader<'_>, firing: &Firing) {
    if !firing.events.contains(&Event::Truncate) {
        return;
    }
    let at = reader.event_span(Event::Truncate);
    if firing.timing == Timing::InsteadOf {
        reader.refuse(
            "there is no INSTEAD OF TRUNCATE",
            &at,
            "remove `truncate` from `events`",
        );
    } else if firing.orientation == Orientation::Row {
        reader.refuse(
            "TRUNCATE fires no triggers for each row",
            &at,
            "use `for_each = \"statement\"`, in a trigger of its own where the others are for each row",
        );
    }
    let view = reader
        .request
        .table
        .facts
        .as_ref()
        .is_some_and(|facts| facts.kind == TableKind::View);
    if view {
        reader.refuse(
            "a view cannot be truncated",
            &at,
            "remove `truncate` from `events`",
        );
    }
}

fn constraint(reader: &mut Reader<'_>, firing: &Firing) {
    let request = reader.request;
    let Some(constraint) = &request.fields.constraint else {
        return;
    };
    if firing.timing != Timing::After {
        let at = timing_span(reader);
        reader.refuse(
            "a constraint trigger is an AFTER trigger",
            &at,
            "use `timing = \"after\"`, or remove `constraint`",
        );
    }
    if firing.orientation == Orientation::Statement {
        let at = orientation_span(reader);
        reader.refuse(
            "a constraint trigger fires for each row",
            &at,
            "use `for_each = \"row\"`, or remove `constraint`",
        );
    }
    let kind = request.table.facts.as_ref().map(|facts| facts.kind);
    if matches!(kind, Some(TableKind::View | TableKind::Foreign)) {
        reader.refuse(
            format!(
                "`{}` is no table of this database: it has no constraint triggers",
                request.table.id
            ),
            &constraint.span,
            "remove `constraint`",
        );
    }
}

fn transition_tables(
    reader: &mut Reader<'_>,
    firing: &Firing,
    referencing: &Located<ReferencingSpec>,
) {
    let request = reader.request;
    let at = &referencing.span;
    let ReferencingSpec {
        old_table,
        new_table,
    } = &referencing.value;
    if firing.timing != Timing::After {
        reader.refuse(
            "transition tables are for AFTER triggers",
            at,
            "use `timing = \"after\"`, or remove `referencing`",
        );
    }
    if firing.events.len() > 1 {
        reader.refuse(
            "transition tables are for triggers with one event",
            at,
            "write one trigger for each event",
        );
    }
    if let Some(columns) = &request.fields.update_of {
        reader.refuse(
            "transition tables and a list of columns do not go together",
            &columns.span,
            "remove `update_of`, and compare the two tables in the body",
        );
    }
    if firing.events.contains(&Event::Truncate) {
        reader.refuse(
            "TRUNCATE has no transition tables",
            at,
            "remove `referencing`",
        );
    }
    if request.fields.constraint.is_some() {
        reader.refuse(
            "a constraint trigger has no transition tables",
            at,
            "remove `referencing` or `constraint`",
        );
    }
    if let Some(old_table) = old_table
        && !firing.events.contains(&Event::Update)
        && !firing.events.contains(&Event::Delete)
    {
        reader.refuse(
            "`old_table` needs the event `update` or `delete`",
            &old_table.span,
            "remove it",
        );
    }
    if let Some(new_table) = new_table
        && !firing.events.contains(&Event::Update)
        && !firing.events.contains(&Event::Insert)
    {
        reader.refuse(
            "`new_table` needs the event `insert` or `update`",
            &new_table.span,
            "remove it",
        );
    }
    let Some(facts) = &request.table.facts else {
        return;
    };
    let table = &request.table.id;
    match facts.kind {
        TableKind::View | TableKind::MaterializedView => reader.refuse(
            format!("`{table}` is a view: it has no transition tables"),
            at,
            "remove `referencing`",
        ),
        TableKind::Foreign => reader.refuse(
            format!("`{table}` is a foreign table: it has no transition tables"),
            at,
            "remove `referencing`",
        ),
        TableKind::Partitioned if firing.orientation == Orientation::Row => reader.refuse(
            format!("`{table}` is partitioned: its triggers for each row have no transition tables"),
            at,
            "use `for_each = \"statement\"`",
        ),
        TableKind::Table if facts.is_child && firing.orientation == Orientation::Row => reader.refuse(
            format!("`{table}` is a partition or inherits: its triggers for each row have no transition tables"),
            at,
            "use `for_each = \"statement\"`",
        ),
        TableKind::Table | TableKind::Partitioned | TableKind::Virtual => {}
    }
}

/// What the condition speaks of and cannot.
pub(super) fn wrong_condition(
    reader: &mut Reader<'_>,
    when: &Located<String>,
    sql: &str,
    firing: &Firing,
) {
    if let Some(range) = inspect::keyword(sql, &POSTGRES, "select") {
        let at = place(when, sql, range);
        reader.refuse(
            "a condition cannot have a subquery",
            &at,
            "put it into the body: `IF EXISTS (SELECT …) THEN … END IF;`",
        );
    }
    for (row, keyword) in [("old", "OLD"), ("new", "NEW")] {
        let Some(range) = inspect::row_variable(sql, &POSTGRES, row) else {
            continue;
        };
        let at = place(when, sql, range);
        let without = match row {
            "old" => Event::Insert,
            _ => Event::Delete,
        };
        if firing.orientation == Orientation::Statement {
            reader.refuse(
                format!("the condition of a statement-level trigger cannot speak of {keyword}"),
                &at,
                "use `for_each = \"row\"`, or ask in the body",
            );
        } else if firing.events.contains(&without) {
            reader.refuse(
                format!("{} has no {keyword} row", without.keyword()),
                &at,
                if firing.events.len() > 1 {
                    format!("write a trigger of its own for `{}`", without.word())
                } else {
                    format!("remove what speaks of {keyword}")
                },
            );
        }
    }
    generated_columns(reader, when, sql, firing);
}

/// What the body of a kind reads of columns that are NULL in it, whatever they are in the table (PostgreSQL 18). A body of the
/// user's own is as it is: an import must be able to hold it.
pub(super) fn unseen_columns(reader: &mut Reader<'_>, field: &Located<String>, sql: &str) {
    let request = reader.request;
    let Some(facts) = &request.table.facts else {
        return;
    };
    if request.kind.is_none() || facts.unseen.is_empty() {
        return;
    }
    let mut told = BTreeSet::new();
    for row in ["old", "new"] {
        for (column, range) in inspect::row_columns(sql, &POSTGRES, row) {
            let Some(column) = column.filter(|column| facts.unseen.contains(column)) else {
                continue;
            };
            if !told.insert(column.clone()) {
                continue;
            }
            let at = place(field, sql, range);
            reader.refuse(
                format!(
                    "the generated column `{column}` is VIRTUAL: no body sees it, it is NULL there"
                ),
                &at,
                "write out what it is made of, ask for it in `when`, or make the column STORED",
            );
        }
    }
}

/// Generated columns are worked out after the BEFORE triggers.
fn generated_columns(reader: &mut Reader<'_>, when: &Located<String>, sql: &str, firing: &Firing) {
    let request = reader.request;
    let Some(facts) = &request.table.facts else {
        return;
    };
    if firing.timing != Timing::Before || facts.generated.is_empty() {
        return;
    }
    for (column, range) in inspect::row_columns(sql, &POSTGRES, "new") {
        let message = match column {
            Some(column) if facts.generated.contains(&column) => {
                format!("the generated column `{column}` is not worked out yet before the change")
            }
            None => "NEW as a whole has generated columns, which are not worked out yet before the change".to_owned(),
            Some(_) => continue,
        };
        let at = place(when, sql, range);
        reader.refuse(
            message,
            &at,
            "use `timing = \"after\"`, or the columns that it is made of",
        );
    }
}
