//! Mermaid, which many viewers of Markdown draw.

use std::fmt::Write as _;

use super::{Graph, words};

/// The graph as a Mermaid flowchart.
pub fn text(graph: &Graph) -> String {
    let mut text = String::from("flowchart LR\n");
    for (number, table) in graph.tables.iter().enumerate() {
        let _ = writeln!(text, "  t{number}[\"{}\"]", escaped(&table.title));
    }
    let mut links = 0;
    let mut red = vec![];
    for (number, trigger) in graph.triggers.iter().enumerate() {
        let mut any = false;
        for write in graph.writes.iter().filter(|write| write.trigger == number) {
            any = true;
            let arrow = if trigger.idle { "-.->" } else { "-->" };
            let _ = writeln!(
                text,
                "  t{} {arrow}|\"{}<br/>{} → {}\"| t{}",
                trigger.table,
                escaped(&trigger.id.name),
                trigger.fired(),
                words(&write.events),
                write.table
            );
            if write.cycle {
                red.push(links.to_string());
            }
            links += 1;
        }
        let label = format!("{}<br/>{}", escaped(&trigger.id.name), trigger.fired());
        if !trigger.unknown.is_empty() {
            let _ = writeln!(
                text,
                "  t{} -.->|\"{label}\"| u{number}((\"?\"))",
                trigger.table
            );
            links += 1;
        } else if !any {
            let _ = writeln!(text, "  t{} -.- n{number}>\"{label}\"]", trigger.table);
            links += 1;
        }
    }
    for key in &graph.keys {
        let _ = writeln!(
            text,
            "  t{} -. \"{}\" .-> t{}",
            key.parent, key.does, key.table
        );
    }
    if !red.is_empty() {
        let _ = writeln!(
            text,
            "  linkStyle {} stroke:#c01c28,stroke-width:3px",
            red.join(",")
        );
    }
    text
}

/// A label in quotes: Mermaid reads entities there.
fn escaped(text: &str) -> String {
    text.replace('#', "#35;")
        .replace('&', "#amp;")
        .replace('"', "#quot;")
        .replace('<', "#lt;")
        .replace('>', "#gt;")
        .replace(['\n', '\r'], " ")
}
