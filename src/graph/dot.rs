//! Graphviz: a node for each table, an edge for each trigger that writes one.

use std::fmt::Write as _;

use super::{Graph, words};

/// The graph in the DOT language.
pub fn text(graph: &Graph) -> String {
    let mut text = String::from(
        "digraph triggers {\n  rankdir = LR;\n  node [shape = box, style = \"rounded,filled\", fillcolor = \"#eef2f7\", fontname = \"sans-serif\"];\n  edge [fontname = \"sans-serif\", fontsize = 10];\n",
    );
    for (number, table) in graph.tables.iter().enumerate() {
        let _ = writeln!(text, "  t{number} [label = {}];", quoted(&table.title));
    }
    for (number, trigger) in graph.triggers.iter().enumerate() {
        let writes = graph.writes.iter().filter(|write| write.trigger == number);
        let style = match (trigger.in_spec, trigger.idle) {
            (_, true) => ", style = dotted",
            (false, false) => ", fontcolor = \"#667085\"",
            (true, false) => "",
        };
        let mut any = false;
        for write in writes {
            any = true;
            let color = if write.cycle {
                ", color = \"#c01c28\", fontcolor = \"#c01c28\", penwidth = 2"
            } else {
                ""
            };
            let label = format!(
                "{}\n{} → {}",
                trigger.id.name,
                trigger.fired(),
                words(&write.events)
            );
            let _ = writeln!(
                text,
                "  t{} -> t{} [label = {}{style}{color}];",
                trigger.table,
                write.table,
                quoted(&label)
            );
        }
        if !trigger.unknown.is_empty() {
            let _ = writeln!(
                text,
                "  u{number} [label = \"?\", shape = circle, style = dashed, tooltip = {}];\n  t{} -> u{number} [label = {}, style = dashed];",
                quoted(&trigger.unknown.join("; ")),
                trigger.table,
                quoted(&format!("{}\n{}", trigger.id.name, trigger.fired()))
            );
        } else if !any {
            let _ = writeln!(
                text,
                "  n{number} [label = {}, shape = plaintext, style = \"\"];\n  t{} -> n{number} [arrowhead = none, style = dotted];",
                quoted(&format!("{}\n{}", trigger.id.name, trigger.fired())),
                trigger.table
            );
        }
    }
    for key in &graph.keys {
        let _ = writeln!(
            text,
            "  t{} -> t{} [label = {}, style = dashed, color = \"#98a2b3\", fontcolor = \"#98a2b3\"];",
            key.parent,
            key.table,
            quoted(&key.does)
        );
    }
    text.push_str("}\n");
    text
}

/// A string of the DOT language: only the quote and the backslash mean anything in it.
fn quoted(text: &str) -> String {
    let text = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{text}\"")
}
