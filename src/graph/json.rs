//! The graph for programs.

use serde_json::{Value, json};

use super::{Graph, words};
use crate::model::TableId;
use crate::report::json::document;

/// One JSON document.
pub fn text(graph: &Graph, dialect: &str) -> String {
    let tables: Vec<Value> = graph.tables.iter().map(|table| name(&table.id)).collect();
    let of = |number: usize| {
        graph
            .tables
            .get(number)
            .map_or(Value::Null, |table| name(&table.id))
    };
    let triggers: Vec<Value> = graph
        .triggers
        .iter()
        .enumerate()
        .map(|(number, trigger)| {
            let writes: Vec<Value> = graph
                .writes
                .iter()
                .filter(|write| write.trigger == number)
                .map(|write| {
                    json!({
                        "table": of(write.table),
                        "events": write.events.iter().map(|event| event.word()).collect::<Vec<_>>(),
                        "via": write.via,
                        "cycle": write.cycle,
                    })
                })
                .collect();
            json!({
                "name": trigger.id.name,
                "table": name(&trigger.id.table),
                "timing": trigger.timing,
                "events": trigger.events.iter().map(|event| event.word()).collect::<Vec<_>>(),
                "in_spec": trigger.in_spec,
                "fires": !trigger.idle,
                "writes": writes,
                "unknown": trigger.unknown,
            })
        })
        .collect();
    let keys: Vec<Value> = graph
        .keys
        .iter()
        .map(|key| json!({ "parent": of(key.parent), "table": of(key.table), "does": key.does }))
        .collect();
    let cycles: Vec<Vec<Value>> = graph
        .cycles
        .iter()
        .map(|cycle| {
            let triggers = cycle
                .iter()
                .filter_map(|number| graph.triggers.get(*number));
            triggers
                .map(|trigger| {
                    json!({
                        "name": trigger.id.name,
                        "table": name(&trigger.id.table),
                        "fired": words(&trigger.events),
                    })
                })
                .collect()
        })
        .collect();
    document(json!({
        "dialect": dialect,
        "tables": tables,
        "triggers": triggers,
        "foreign_keys": keys,
        "cycles": cycles,
    }))
}

fn name(table: &TableId) -> Value {
    json!({ "schema": table.schema, "name": table.name })
}
