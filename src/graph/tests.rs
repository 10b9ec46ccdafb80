//! Every format says every table, trigger and arrow, whatever they are called.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;

/// Names that some format could take for something else.
const ODD: [&str; 6] = [
    "plain",
    "a \"quoted\" name",
    "<b>&amp;</b>",
    "back\\slash\\",
    "new\nline",
    "🦀 ' ; -- } #lt;",
];

/// A graph of tables by these names, in which the trigger of each writes the next one's table, and the last one's the first.
fn ring(names: &[&str]) -> Graph {
    let id = |name: &&str| TableId {
        schema: "main".to_owned(),
        name: (*name).to_owned(),
    };
    let mut graph = Graph::default();
    for (number, name) in names.iter().enumerate() {
        graph.tables.push(Table {
            id: id(name),
            title: (*name).to_owned(),
        });
        graph.triggers.push(Trigger {
            id: TriggerId {
                table: id(name),
                name: format!("{name} t"),
            },
            table: number,
            timing: Timing::After,
            events: BTreeSet::from([Event::Insert, Event::Update]),
            in_spec: number % 2 == 0,
            idle: false,
            unknown: vec![],
        });
        graph.writes.push(Write {
            trigger: number,
            table: (number + 1) % names.len(),
            events: BTreeSet::from([Event::Insert]),
            via: BTreeSet::from([format!("{name} f")]),
            cycle: true,
        });
    }
    graph.cycles = vec![(0..names.len()).collect()];
    graph
}

/// The texts of an XML document's elements and of their attributes, as a reader takes them; fails where it is not well formed.
fn texts(xml: &str) -> Vec<String> {
    let unescaped = |text: &str| {
        let mut rest = text;
        let mut out = String::new();
        while let Some((before, after)) = rest.split_once('&') {
            let (entity, after) = after.split_once(';').expect("an entity ends");
            out += before;
            out += match entity {
                "amp" => "&",
                "lt" => "<",
                "gt" => ">",
                "quot" => "\"",
                other => panic!("no entity: {other}"),
            };
            rest = after;
        }
        out + rest
    };
    let mut open: Vec<&str> = vec![];
    let mut found = vec![];
    let mut rest = xml;
    while let Some((text, after)) = rest.split_once('<') {
        assert!(!text.contains('>'), "a bare > in {text}");
        found.push(unescaped(text));
        let (tag, after) = after.split_once('>').expect("a tag ends");
        assert!(!tag.contains('<'), "a bare < in {tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "what is closed was open");
        } else {
            assert_eq!(
                tag.matches('"').count() % 2,
                0,
                "quotes are in pairs: {tag}"
            );
            found.extend(tag.split('"').skip(1).step_by(2).map(unescaped));
            if !tag.ends_with('/') {
                open.extend(tag.split(' ').next());
            }
        }
        rest = after;
    }
    assert_eq!(open, [""; 0], "all is closed");
    assert!(
        !xml.chars().any(|c| c.is_control() && c != '\n'),
        "no control characters"
    );
    found
}

#[test]
fn a_picture_is_well_formed_and_has_every_name() {
    let found = texts(&svg::text(&ring(&ODD)));
    for name in ODD {
        // XML has no place for control characters.
        let name = name.replace('\n', "\u{fffd}");
        for text in [
            name.clone(),
            format!("{name} t"),
            "AFTER INSERT, UPDATE".to_owned(),
        ] {
            assert!(found.contains(&text), "{text} is not in {found:?}");
        }
        let arrow = format!("{name} t (AFTER INSERT, UPDATE): INSERT on ");
        let through = format!(" through {name} f");
        let arrow = |text: &&String| text.starts_with(&arrow) && text.ends_with(&through);
        assert_eq!(found.iter().filter(arrow).count(), 1, "{name}");
    }
    // Every arrow is on the cycle.
    assert_eq!(svg_arrows(&ring(&ODD), "#c01c28"), ODD.len());
    let mut straight = ring(&ODD);
    for write in &mut straight.writes {
        write.cycle = false;
    }
    assert_eq!(svg_arrows(&straight, "#c01c28"), 0);
    assert_eq!(svg_arrows(&straight, "#475467"), ODD.len());
}

fn svg_arrows(graph: &Graph, color: &str) -> usize {
    let stroke = format!("fill=\"none\" stroke=\"{color}\"");
    svg::text(graph).matches(&stroke).count()
}

#[test]
fn a_document_has_every_table_trigger_and_write() {
    let graph = ring(&ODD);
    let document: Value = serde_json::from_str(&json::text(&graph, "sqlite")).expect("is JSON");
    assert_eq!(document["format_version"], 1);
    assert_eq!(document["dialect"], "sqlite");
    let name = |value: &Value| {
        assert_eq!(value["schema"], "main");
        value["name"].as_str().expect("has a name").to_owned()
    };
    let list = |value: &Value| value.as_array().expect("is a list").clone();
    let tables: Vec<String> = list(&document["tables"]).iter().map(name).collect();
    assert_eq!(tables, ODD);
    let triggers = list(&document["triggers"]);
    assert_eq!(triggers.len(), ODD.len());
    for (number, trigger) in triggers.iter().enumerate() {
        assert_eq!(trigger["name"], format!("{} t", ODD[number]));
        assert_eq!(name(&trigger["table"]), ODD[number]);
        assert_eq!(trigger["timing"], "after");
        assert_eq!(trigger["events"], serde_json::json!(["insert", "update"]));
        assert_eq!(trigger["in_spec"], number % 2 == 0);
        assert_eq!(trigger["fires"], true);
        let writes = list(&trigger["writes"]);
        assert_eq!(writes.len(), 1);
        assert_eq!(name(&writes[0]["table"]), ODD[(number + 1) % ODD.len()]);
        assert_eq!(writes[0]["events"], serde_json::json!(["insert"]));
        assert_eq!(
            writes[0]["via"],
            serde_json::json!([format!("{} f", ODD[number])])
        );
        assert_eq!(writes[0]["cycle"], true);
    }
    let cycles = list(&document["cycles"]);
    assert_eq!(cycles.len(), 1);
    let members = list(&cycles[0]);
    let members: Vec<String> = members.iter().map(|one| name(&one["table"])).collect();
    assert_eq!(members, ODD);
}

#[test]
fn a_name_ends_no_string_of_the_dot_language() {
    let text = dot::text(&ring(&ODD));
    let mut inside = false;
    let mut strings: BTreeMap<String, usize> = BTreeMap::new();
    let mut current = String::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' if inside => {
                *strings.entry(std::mem::take(&mut current)).or_default() += 1;
                inside = false;
            }
            '"' => inside = true,
            '\\' if inside => match characters.next() {
                Some('n') => current.push('\n'),
                Some(c) => current.push(c),
                None => panic!("a backslash ends it"),
            },
            c if inside => current.push(c),
            _ => {}
        }
    }
    assert!(!inside);
    for name in ODD {
        assert_eq!(strings.get(name), Some(&1), "{name} in {strings:?}");
        let arrow = format!("{name} t\nAFTER INSERT, UPDATE → INSERT");
        assert_eq!(strings.get(&arrow), Some(&1), "{arrow}");
    }
    let numbers = 0..ODD.len();
    for number in numbers {
        let arrow = format!("  t{number} -> t{} [", (number + 1) % ODD.len());
        assert!(text.contains(&arrow), "{arrow}");
    }
}

#[test]
fn a_name_ends_no_label_of_mermaid() {
    let text = mermaid::text(&ring(&ODD));
    for line in text.lines() {
        // One label in quotes a line, or none.
        assert!([0, 2].contains(&line.matches('"').count()), "{line}");
    }
    assert_eq!(text.lines().count(), 1 + ODD.len() * 2 + 1);
    assert!(text.contains("a #quot;quoted#quot; name"), "{text}");
    assert!(text.contains("#lt;b#gt;#amp;amp;#lt;/b#gt;"), "{text}");
    assert!(text.contains("#35;lt;"), "{text}");
    assert!(text.contains("  linkStyle 0,1,2,3,4,5 stroke"), "{text}");
}

#[test]
fn nothing_is_a_graph_too() {
    let nothing = Graph::default();
    texts(&svg::text(&nothing));
    let document: Value = serde_json::from_str(&json::text(&nothing, "postgres")).expect("is JSON");
    for list in ["tables", "triggers", "foreign_keys", "cycles"] {
        assert_eq!(document[list], serde_json::json!([]), "{list}");
    }
    assert!(dot::text(&nothing).ends_with("}\n"));
    assert_eq!(mermaid::text(&nothing), "flowchart LR\n");
}

#[test]
fn what_is_not_known_and_what_is_off_are_seen() {
    let mut graph = ring(&["a", "b", "c"]);
    graph.cycles.clear();
    graph.writes.retain(|write| write.trigger == 2);
    graph.triggers[0].unknown = vec!["it runs <dynamic> \"SQL\"".to_owned()];
    graph.triggers[2].idle = true;
    graph.keys = vec![Key {
        parent: 0,
        table: 1,
        does: "ON DELETE CASCADE".to_owned(),
    }];
    let picture = texts(&svg::text(&graph));
    for text in [
        "it runs <dynamic> \"SQL\"",
        "?",
        "AFTER INSERT, UPDATE · off",
        "AFTER INSERT, UPDATE · not in the spec",
        "foreign key, ON DELETE CASCADE",
    ] {
        assert!(
            picture.iter().any(|found| found == text),
            "{text} is not in {picture:?}"
        );
    }
    let document: Value = serde_json::from_str(&json::text(&graph, "mysql")).expect("is JSON");
    assert_eq!(
        document["triggers"][0]["unknown"][0],
        "it runs <dynamic> \"SQL\""
    );
    assert_eq!(document["triggers"][2]["fires"], false);
    assert_eq!(document["foreign_keys"][0]["parent"]["name"], "a");
    assert_eq!(document["foreign_keys"][0]["does"], "ON DELETE CASCADE");
    let text = dot::text(&graph);
    for part in [
        "u0 [label = \"?\"",
        "n1 [label = ",
        "style = dotted",
        "ON DELETE CASCADE",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let text = mermaid::text(&graph);
    for part in [
        "u0((\"?\"))",
        "n1>\"b t",
        "t2 -.->",
        "-. \"ON DELETE CASCADE\" .->",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}
