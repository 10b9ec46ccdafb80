//! A picture: each table is a box with a line for each of its triggers, and an arrow goes from the line to every table that the
//! trigger writes. Red arrows are on a cycle; a question mark is a body that could not be read whole.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::layout::{Plan, layout};
use super::{Graph, Trigger, Write, words};

const HEAD: f64 = 26.0;
const LINE: f64 = 30.0;
const PAD: f64 = 10.0;
/// The width of a character, on average, at the sizes below.
const BOLD: f64 = 8.5;
const PLAIN: f64 = 7.2;
const SMALL: f64 = 5.8;

/// The picture.
pub fn text(graph: &Graph) -> String {
    let boxes: Vec<(f64, f64)> = (0..graph.tables.len())
        .map(|number| size(graph, number))
        .collect();
    let mut edges: Vec<(usize, usize)> = vec![];
    let mut numbers: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let of_write = |write: &Write| Some((graph.triggers.get(write.trigger)?.table, write.table));
    let pairs = graph
        .writes
        .iter()
        .filter_map(of_write)
        .chain(graph.keys.iter().map(|key| (key.parent, key.table)));
    for pair in pairs.filter(|(from, to)| from != to) {
        numbers.entry(pair).or_insert_with(|| {
            edges.push(pair);
            edges.len() - 1
        });
    }
    let layout = layout(&Plan {
        boxes: boxes.clone(),
        edges,
    });
    let drawing = Drawing {
        graph,
        corners: layout.corners,
        columns: layout.columns,
        boxes,
        bends: layout.bends,
        numbers,
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0} {1:.0}\" width=\"{0:.0}\" height=\"{1:.0}\" font-family=\"system-ui, sans-serif\">\n",
        layout.width.max(120.0),
        layout.height.max(60.0)
    );
    svg.push_str(
        "<title>Tables and their triggers</title>\n<defs>\n\
         <marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#475467\"/></marker>\n\
         <marker id=\"c\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"6\" markerHeight=\"6\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#c01c28\"/></marker>\n\
         <marker id=\"k\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#98a2b3\"/></marker>\n\
         </defs>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
    );
    drawing.keys(&mut svg);
    drawing.writes(&mut svg);
    for number in 0..graph.tables.len() {
        drawing.table(number, &mut svg);
    }
    svg.push_str("</svg>\n");
    svg
}

/// The width that a text takes, about.
fn wide(text: &str, character: f64) -> f64 {
    let count = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    f64::from(count) * character
}

fn size(graph: &Graph, table: usize) -> (f64, f64) {
    let title = graph.tables.get(table).map_or("", |table| &table.title);
    let mut width = wide(title, BOLD).max(60.0);
    let mut height = HEAD;
    for (_, trigger) in graph.triggers_of(table) {
        width = width
            .max(
                wide(&trigger.id.name, PLAIN)
                    + if trigger.unknown.is_empty() {
                        0.0
                    } else {
                        16.0
                    },
            )
            .max(wide(&fired(trigger), SMALL));
        height += LINE;
    }
    (width + 2.0 * PAD, height)
}

fn fired(trigger: &Trigger) -> String {
    let mut text = trigger.fired();
    if !trigger.in_spec {
        text.push_str(" · not in the spec");
    }
    if trigger.idle {
        text.push_str(" · off");
    }
    text
}

struct Drawing<'a> {
    graph: &'a Graph,
    corners: Vec<(f64, f64)>,
    columns: Vec<usize>,
    boxes: Vec<(f64, f64)>,
    bends: Vec<Vec<(f64, f64)>>,
    numbers: BTreeMap<(usize, usize), usize>,
}

impl Drawing<'_> {
    fn corner(&self, table: usize) -> (f64, f64) {
        self.corners.get(table).copied().unwrap_or_default()
    }

    fn width(&self, table: usize) -> f64 {
        self.boxes.get(table).map_or(0.0, |size| size.0)
    }

    fn column(&self, table: usize) -> usize {
        self.columns.get(table).copied().unwrap_or_default()
    }

    fn table(&self, number: usize, svg: &mut String) {
        let (x, y) = self.corner(number);
        let (width, height) = self.boxes.get(number).copied().unwrap_or_default();
        let title = self
            .graph
            .tables
            .get(number)
            .map_or("", |table| &table.title);
        let _ = writeln!(
            svg,
            "<g><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"5\" fill=\"#ffffff\" stroke=\"#475467\"/>\
             <path d=\"M{x:.1} {b:.1}v-{s:.1}a5 5 0 0 1 5 -5h{w:.1}a5 5 0 0 1 5 5v{s:.1}z\" fill=\"#e4e9f0\" stroke=\"#475467\"/>\
             <text x=\"{tx:.1}\" y=\"{ty:.1}\" font-size=\"13\" font-weight=\"600\" fill=\"#101828\">{}</text>",
            escaped(title),
            b = y + HEAD,
            s = HEAD - 5.0,
            w = width - 10.0,
            tx = x + PAD,
            ty = y + 17.5
        );
        for (line, (trigger_number, trigger)) in self.graph.triggers_of(number).enumerate() {
            let top = y + HEAD + LINE * f64::from(u32::try_from(line).unwrap_or_default());
            let cyclic = self
                .graph
                .writes
                .iter()
                .any(|write| write.trigger == trigger_number && write.cycle);
            let color = match (cyclic, trigger.in_spec && !trigger.idle) {
                (true, _) => "#c01c28",
                (false, true) => "#1d2939",
                (false, false) => "#667085",
            };
            if line > 0 {
                let _ = writeln!(
                    svg,
                    "<path d=\"M{x:.1} {top:.1}h{width:.1}\" stroke=\"#d0d5dd\"/>"
                );
            }
            let _ = writeln!(
                svg,
                "<text x=\"{0:.1}\" y=\"{1:.1}\" font-size=\"12\" fill=\"{color}\">{2}</text>\
                 <text x=\"{0:.1}\" y=\"{3:.1}\" font-size=\"9.5\" fill=\"#667085\">{4}</text>",
                x + PAD,
                top + 13.0,
                escaped(&trigger.id.name),
                top + 24.5,
                escaped(&fired(trigger))
            );
            if !trigger.unknown.is_empty() {
                let _ = writeln!(
                    svg,
                    "<g><title>{}</title><circle cx=\"{:.1}\" cy=\"{cy:.1}\" r=\"7\" fill=\"#fef0c7\" stroke=\"#b54708\" stroke-dasharray=\"2 2\"/>\
                     <text x=\"{:.1}\" y=\"{ty:.1}\" font-size=\"10\" font-weight=\"700\" text-anchor=\"middle\" fill=\"#b54708\">?</text></g>",
                    escaped(&trigger.unknown.join("; ")),
                    x + width - 12.0,
                    x + width - 12.0,
                    cy = top + 10.0,
                    ty = top + 13.6
                );
            }
        }
        svg.push_str("</g>\n");
    }

    fn writes(&self, svg: &mut String) {
        for (number, trigger) in self.graph.triggers.iter().enumerate() {
            let line = self
                .graph
                .triggers_of(trigger.table)
                .position(|(other, _)| other == number)
                .unwrap_or_default();
            let (_, top) = self.corner(trigger.table);
            let y = top + HEAD + LINE * (f64::from(u32::try_from(line).unwrap_or_default()) + 0.5);
            for write in self
                .graph
                .writes
                .iter()
                .filter(|write| write.trigger == number)
            {
                let (color, marker, stroke) = if write.cycle {
                    ("#c01c28", "c", 2.0)
                } else {
                    ("#475467", "a", 1.2)
                };
                let dashes = if trigger.idle {
                    " stroke-dasharray=\"4 3\""
                } else {
                    ""
                };
                let path = self.path(trigger.table, y, write.table);
                let mut title = format!(
                    "{} ({}): {} on {}",
                    trigger.id.name,
                    trigger.fired(),
                    words(&write.events),
                    self.graph
                        .tables
                        .get(write.table)
                        .map_or("", |table| &table.title)
                );
                for function in &write.via {
                    let _ = write!(title, " through {function}");
                }
                let _ = writeln!(
                    svg,
                    "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{stroke}\"{dashes} marker-end=\"url(#{marker})\"><title>{}</title></path>",
                    escaped(&title)
                );
            }
        }
    }

    fn keys(&self, svg: &mut String) {
        for key in &self.graph.keys {
            let (_, top) = self.corner(key.parent);
            let path = self.path(key.parent, top + HEAD / 2.0, key.table);
            let _ = writeln!(
                svg,
                "<path d=\"{path}\" fill=\"none\" stroke=\"#98a2b3\" stroke-width=\"1.2\" stroke-dasharray=\"5 4\" marker-end=\"url(#k)\"><title>foreign key, {}</title></path>",
                escaped(&key.does)
            );
        }
    }

    /// From a height at a box's side to the head of another box.
    fn path(&self, from: usize, y: f64, to: usize) -> String {
        let (x, _) = self.corner(from);
        let (tx, ty) = self.corner(to);
        let end = ty + HEAD / 2.0;
        let right = x + self.width(from);
        if from == to {
            let out = right + 26.0;
            return format!(
                "M{right:.1} {y:.1}C{out:.1} {y:.1} {out:.1} {end:.1} {:.1} {end:.1}",
                right + 1.0
            );
        }
        let (near, far) = (self.column(from), self.column(to));
        if near == far {
            let edge = tx + self.width(to);
            let out = right.max(edge) + 42.0;
            return format!(
                "M{right:.1} {y:.1}C{out:.1} {y:.1} {out:.1} {end:.1} {:.1} {end:.1}",
                edge + 1.0
            );
        }
        let mut bends: Vec<(f64, f64)> = self
            .numbers
            .get(&(from, to))
            .and_then(|number| self.bends.get(*number))
            .cloned()
            .unwrap_or_default();
        let (start, last) = if near < far {
            (right, tx - 1.0)
        } else {
            bends.reverse();
            (x, tx + self.width(to) + 1.0)
        };
        let mut path = format!("M{start:.1} {y:.1}");
        let mut at = (start, y);
        for (index, bend) in bends.iter().copied().chain([(last, end)]).enumerate() {
            // Straight past a column, curved between two.
            if index % 2 == 1 && index < bends.len() {
                let _ = write!(path, "L{:.1} {:.1}", bend.0, bend.1);
            } else {
                let middle = f64::midpoint(at.0, bend.0);
                let _ = write!(
                    path,
                    "C{middle:.1} {:.1} {middle:.1} {:.1} {:.1} {:.1}",
                    at.1, bend.1, bend.0, bend.1
                );
            }
            at = bend;
        }
        path
    }
}

fn escaped(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            // XML 1.0 has no place for them.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => "\u{fffd}".to_owned(),
            c => c.to_string(),
        })
        .collect()
}
