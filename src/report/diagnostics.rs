//! Errors as people and programs see them: the place in the source, underlined, and what to do next.
//!
//! What is shown comes from files and servers that nobody vouches for, so control characters are made visible and
//! passwords in URLs are covered here, once, for every message.

use std::collections::HashMap;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Padding, Renderer, Snippet};
use serde_json::{Value, json};

use super::safe;
use crate::error::{Diagnostic, Error, SourceFile, Span};

/// More than these are counted, not shown: nobody reads on, and they would scroll the first ones away.
const MOST: usize = 50;
/// Columns of a terminal that nobody has made wider.
const WIDTH: usize = 80;

/// The whole error for a person: each diagnostic with its place, a blank line between two, and how many there are. With
/// `color` it has ANSI escapes, never any that came with the text. Ends with a line end.
pub fn text(error: &Error, color: bool) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    }
    .term_width(1000);
    let mut lines = Lines::default();
    let mut shown: Vec<String> = error
        .diagnostics
        .iter()
        .take(MOST)
        .map(|diagnostic| one(diagnostic, &Heading::ERROR, &renderer, &mut lines))
        .collect();
    let count = error.diagnostics.len();
    if count > MOST {
        shown.push(format!(
            "{count} errors: {MOST} shown and {} more",
            count - MOST
        ));
    } else if count > 1 {
        shown.push(format!("{count} errors"));
    }
    let mut text = shown.join("\n\n");
    text.push('\n');
    text
}

/// The whole error for a program, as one JSON document. Lines and columns count from 1, columns in characters; the end
/// is the place after the last character. What is not known is null.
pub fn json(error: &Error) -> Value {
    let mut lines = Lines::default();
    let diagnostics: Vec<Value> = error
        .diagnostics
        .iter()
        .map(|diagnostic| document(diagnostic, &mut lines))
        .collect();
    json!({
        "format_version": 1,
        "error": {
            "kind": error.kind.word(),
            "exit_code": error.kind.exit_code(),
            "diagnostics": diagnostics,
        },
    })
}

/// One diagnostic for a program.
pub(super) fn document(diagnostic: &Diagnostic, lines: &mut Lines) -> Value {
    let Diagnostic {
        message,
        place,
        related,
        notes,
        help,
    } = diagnostic;
    let mut value = json!({ "message": safe::conceal(message) });
    match place {
        Some((span, label)) => add_place(&mut value, span, label, lines),
        None => {
            for key in PLACE_KEYS {
                value[key] = Value::Null;
            }
        }
    }
    value["notes"] = notes.iter().map(|note| safe::conceal(note)).collect();
    value["help"] = help.iter().map(|help| safe::conceal(help)).collect();
    value["related"] = related
        .iter()
        .map(|(span, label)| {
            let mut value = json!({});
            add_place(&mut value, span, label, lines);
            value
        })
        .collect();
    value
}

/// Diagnostics that are no errors, each with its heading, a blank line between two.
pub(super) fn listed<'a>(
    diagnostics: impl Iterator<Item = (&'a Diagnostic, Heading<'a>)>,
    color: bool,
) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    }
    .term_width(1000);
    let mut lines = Lines::default();
    let shown: Vec<String> = diagnostics
        .map(|(diagnostic, heading)| one(diagnostic, &heading, &renderer, &mut lines))
        .collect();
    shown.join("\n\n")
}

/// What stands before a message.
pub(super) struct Heading<'a> {
    pub(super) level: Level<'a>,
    /// What it is known by, in square brackets.
    pub(super) id: Option<&'a str>,
}

impl Heading<'_> {
    const ERROR: Self = Self {
        level: Level::ERROR,
        id: None,
    };
}

const PLACE_KEYS: [&str; 6] = ["file", "line", "column", "end_line", "end_column", "label"];

fn add_place(value: &mut Value, span: &Span, label: &str, lines: &mut Lines) {
    let (line, column) = lines.position(&span.file, span.range.start);
    let (end_line, end_column) = lines.position(&span.file, span.range.end.max(span.range.start));
    value["file"] = json!(span.file.name);
    value["line"] = json!(line);
    value["column"] = json!(column);
    value["end_line"] = json!(end_line);
    value["end_column"] = json!(end_column);
    value["label"] = if label.is_empty() {
        Value::Null
    } else {
        json!(safe::conceal(label))
    };
}

/// Where the lines of the files start, found once a file: thousands of errors in one large file stay cheap.
#[derive(Default)]
pub(super) struct Lines {
    starts: HashMap<*const SourceFile, Vec<usize>>,
}

impl Lines {
    /// The number of the line, from 0, and the byte that it starts at.
    fn line_of(&mut self, file: &SourceFile, byte: usize) -> (usize, usize) {
        let starts = self
            .starts
            .entry(std::ptr::from_ref(file))
            .or_insert_with(|| {
                let ends = file.text.match_indices('\n').map(|(at, _)| at + 1);
                std::iter::once(0).chain(ends).collect()
            });
        let index = starts
            .partition_point(|start| *start <= byte)
            .saturating_sub(1);
        (index, starts.get(index).copied().unwrap_or_default())
    }

    /// Line and column, both from 1.
    fn position(&mut self, file: &SourceFile, byte: usize) -> (usize, usize) {
        let byte = file.text.floor_char_boundary(byte);
        let (index, start) = self.line_of(file, byte);
        let before = file.text.get(start..byte).unwrap_or_default();
        (index + 1, before.chars().count() + 1)
    }
}

/// One line of a source, ready to be shown, with the bytes in it to underline.
struct Excerpt {
    path: String,
    line: usize,
    column: usize,
    shown: safe::Shown,
    label: String,
}

fn excerpt(span: &Span, label: &str, lines: &mut Lines) -> Excerpt {
    let text = &span.file.text;
    let start = text.floor_char_boundary(span.range.start);
    let (line, column) = lines.position(&span.file, start);
    let (_, line_start) = lines.line_of(&span.file, start);
    let rest = text.get(line_start..).unwrap_or_default();
    let line_text = rest.split('\n').next().unwrap_or_default();
    let line_text = line_text.strip_suffix('\r').unwrap_or(line_text);
    let from = (start - line_start).min(line_text.len());
    // A value of many lines is known by its first.
    let to = text
        .ceil_char_boundary(span.range.end)
        .saturating_sub(line_start)
        .clamp(from, line_text.len());
    let gutter = line.to_string().len() + " | ".len();
    Excerpt {
        path: safe::line(&safe::short(&span.file.name)),
        line,
        column,
        shown: safe::show(line_text, from..to, WIDTH - gutter - 1),
        label: safe::line(&safe::short(label)),
    }
}

fn one(
    diagnostic: &Diagnostic,
    heading: &Heading<'_>,
    renderer: &Renderer,
    lines: &mut Lines,
) -> String {
    let Diagnostic {
        message,
        place,
        related,
        notes,
        help,
    } = diagnostic;
    let title = safe::line(&safe::short(message));
    let mut title = heading.level.clone().primary_title(title.as_str());
    if let Some(id) = heading.id {
        title = title.id(id);
    }
    let mut group = Group::with_title(title);
    let kinds =
        std::iter::once(AnnotationKind::Primary).chain(std::iter::repeat(AnnotationKind::Context));
    let places = place.iter().chain(related);
    let mut excerpts: Vec<(Excerpt, AnnotationKind)> = places
        .zip(kinds)
        .map(|((span, label), kind)| (excerpt(span, label, lines), kind))
        .collect();
    let has_source = !excerpts.is_empty();
    let mut snippets = 0;
    while !excerpts.is_empty() {
        // Places on one line are underlined together, unless the line had to be cut for one of them.
        let first = excerpts.remove(0);
        let (same, others): (Vec<_>, Vec<_>) = excerpts.into_iter().partition(|(other, _)| {
            (&other.path, other.line, &other.shown.text)
                == (&first.0.path, first.0.line, &first.0.shown.text)
        });
        excerpts = others;
        group = group.element(
            Origin::path(first.0.path.clone())
                .line(first.0.line)
                .char_column(first.0.column),
        );
        let mut snippet = Snippet::source(first.0.shown.text.clone()).line_start(first.0.line);
        for (excerpt, kind) in std::iter::once(first).chain(same) {
            let mut annotation = kind.span(excerpt.shown.underline);
            if !excerpt.label.is_empty() {
                annotation = annotation.label(excerpt.label);
            }
            snippet = snippet.annotation(annotation);
        }
        group = group.element(snippet);
        snippets += 1;
    }
    if has_source && !(notes.is_empty() && help.is_empty()) {
        group = group.element(Padding);
    }
    let column = WIDTH - "   = help: ".len();
    for note in notes {
        group = group.element(Level::NOTE.message(safe::paragraph(&safe::short(note), column)));
    }
    for help in help {
        group = group.element(Level::HELP.message(safe::paragraph(&safe::short(help), column)));
    }
    let picture = renderer.render(&[group]);
    // A snippet below a place of its own begins with an empty `:::`, where annotate-snippets would put one: as many as
    // there are places, and no line of a note's.
    let mut empty = snippets;
    let mut kept = vec![];
    for line in picture.lines() {
        if empty > 0 && anstream::adapter::strip_str(line).to_string().trim() == ":::" {
            empty -= 1;
            continue;
        }
        kept.push(line.trim_end());
    }
    kept.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use std::sync::Arc;

    fn span(text: &str, needle: &str) -> Span {
        let start = text.find(needle).unwrap();
        Span {
            file: Arc::new(SourceFile {
                name: "t.toml".to_owned(),
                text: text.to_owned(),
            }),
            range: start..start + needle.len(),
        }
    }

    #[test]
    fn shows_message_place_notes_and_help() {
        let place = span("a = 1\nbé = \"x\"\n", "\"x\"");
        let error = Diagnostic::new("`b` is wrong")
            .labelled(&place, "here")
            .note("ERROR: no\nDETAIL: never")
            .help("mend it")
            .into_error(Kind::Failed);
        let expected = "\
error: `b` is wrong
 --> t.toml:2:6
  |
2 | bé = \"x\"
  |      ^^^ here
  |
  = note: ERROR: no
          DETAIL: never
  = help: mend it
";
        assert_eq!(text(&error, false), expected);
        let colored = text(&error, true);
        assert!(colored.contains('\u{1b}') && !colored.contains(":::"));
        assert_eq!(anstream::adapter::strip_str(&colored).to_string(), expected);
    }

    #[test]
    fn the_column_of_a_cut_line_is_that_of_the_source() {
        let long = format!("\t{}NEEDLE{}", "a".repeat(200), "b".repeat(200));
        let error = Diagnostic::new("x")
            .at(&span(&long, "NEEDLE"))
            .into_error(Kind::Failed);
        let shown = text(&error, false);
        assert!(shown.contains("t.toml:1:202"), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn a_place_outside_the_text_does_no_harm() {
        let mut place = span("é", "é");
        for range in [1..1, 1..9, 7..9, 2..2] {
            place.range = range;
            let error = Diagnostic::new("x").at(&place).into_error(Kind::Failed);
            assert!(text(&error, false).contains("t.toml:1:"));
            assert_eq!(json(&error)["error"]["diagnostics"][0]["line"], 1);
        }
    }

    #[test]
    fn only_so_many_are_shown() {
        let error = Error {
            kind: Kind::Failed,
            diagnostics: (0..70).map(|n| Diagnostic::new(format!("e{n}"))).collect(),
        };
        let shown = text(&error, false);
        assert!(shown.contains("error: e49\n") && !shown.contains("error: e50\n"));
        assert!(shown.ends_with("\n\n70 errors: 50 shown and 20 more\n"));
        assert_eq!(
            json(&error)["error"]["diagnostics"]
                .as_array()
                .unwrap()
                .len(),
            70
        );
    }

    #[test]
    fn a_program_gets_everything() {
        let source = "url = \"postgres://u:secret@h\"\n";
        let place = span(source, "\"postgres://u:secret@h\"");
        let error = Diagnostic::new("cannot connect to postgres://u:secret@h")
            .at(&place)
            .related(&span("a\nb\n", "b"), "first")
            .help("look")
            .into_error(Kind::Busy);
        let expected = json!({
            "format_version": 1,
            "error": {
                "kind": "busy",
                "exit_code": 4,
                "diagnostics": [{
                    "message": "cannot connect to postgres://u:******@h",
                    "file": "t.toml", "line": 1, "column": 7, "end_line": 1, "end_column": 30,
                    "label": null,
                    "notes": [],
                    "help": ["look"],
                    "related": [{
                        "file": "t.toml", "line": 2, "column": 1, "end_line": 2, "end_column": 2,
                        "label": "first",
                    }],
                }],
            },
        });
        assert_eq!(json(&error), expected);
        assert!(!text(&error, false).contains("secret"));
    }
}
