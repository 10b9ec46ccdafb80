//! What `lint` found, for people, for programs, and for those who show it beside the code.

use std::fmt::Write as _;

use annotate_snippets::Level;
use serde_json::{Value, json};

use super::diagnostics::{Heading, Lines, document as diagnostic, listed};
use super::{Palette, json as documents};
use crate::error::{Diagnostic, Error};
use crate::lint::Report;
use crate::lint::rules::{self, Severity};
use crate::model::ObjectId;

/// For people: each finding with its place, and how many there are. With `verbose`, what was not looked for.
pub fn text(report: &Report, color: bool, verbose: bool) -> String {
    let headings = report.findings.iter().map(|finding| {
        let level = match finding.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let heading = Heading {
            level,
            id: Some(finding.rule.name),
        };
        (&finding.diagnostic, heading)
    });
    let mut text = listed(headings, color);
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(&summary(report));
    text.push('\n');
    if verbose {
        for (rule, why) in &report.skipped {
            let _ = writeln!(text, "Not looked for: {rule}, {why}.");
        }
    }
    text
}

/// `1 error, 2 warnings; 1 allowed`.
pub fn summary(report: &Report) -> String {
    let mut parts = vec![];
    for (severity, word) in [
        (Severity::Error, "error"),
        (Severity::Warning, "warning"),
        (Severity::Note, "note"),
    ] {
        match report.count(severity) {
            0 => {}
            1 => parts.push(format!("1 {word}")),
            count => parts.push(format!("{count} {word}s")),
        }
    }
    let mut text = if parts.is_empty() {
        "Nothing found".to_owned()
    } else {
        parts.join(", ")
    };
    if report.allowed > 0 {
        let _ = write!(text, "; {} allowed", report.allowed);
    }
    let offline = report
        .skipped
        .iter()
        .filter(|(_, why)| *why == "it needs a database")
        .count();
    if offline > 0 {
        let rules = if offline == 1 {
            "rule needs"
        } else {
            "rules need"
        };
        let _ = write!(text, "; {offline} {rules} a database");
    }
    text.push('.');
    text
}

/// For programs.
pub fn json(report: &Report) -> String {
    documents::document(value(report))
}

/// The same as a part of another document.
pub fn value(report: &Report) -> Value {
    let mut lines = Lines::default();
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            let mut value = json!({
                "rule": finding.rule.name,
                "severity": finding.severity.word(),
                "dialects": finding.dialects,
                "object": finding.object.as_ref().map(object),
            });
            if let (Value::Object(into), Value::Object(from)) =
                (&mut value, diagnostic(&finding.diagnostic, &mut lines))
            {
                into.extend(from);
            }
            value
        })
        .collect();
    let skipped: Vec<Value> = report
        .skipped
        .iter()
        .map(|(rule, why)| json!({ "rule": rule, "because": why }))
        .collect();
    json!({
        "result": if report.findings.is_empty() { "clean" } else { "found" },
        "dialects": report.dialects,
        "summary": {
            "errors": report.count(Severity::Error),
            "warnings": report.count(Severity::Warning),
            "notes": report.count(Severity::Note),
            "allowed": report.allowed,
        },
        "findings": findings,
        "skipped": skipped,
    })
}

fn object(id: &ObjectId) -> Value {
    json!({
        "kind": id.kind(),
        "schema": id.schema(),
        "table": id.table().map(|table| &table.name),
        "name": id.name(),
    })
}

/// SARIF 2.1.0 (docs.oasis-open.org/sarif/sarif/v2.1.0).
pub fn sarif(report: &Report) -> String {
    let mut lines = Lines::default();
    let results: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            let level = finding.severity.word();
            result(finding.rule.name, level, &finding.diagnostic, &mut lines)
        })
        .collect();
    let rules: Vec<Value> = rules::ALL
        .iter()
        .map(|rule| {
            json!({
                "id": rule.name,
                "shortDescription": { "text": rule.title },
                "fullDescription": { "text": rule.why },
                "defaultConfiguration": { "level": rule.severity.word() },
            })
        })
        .collect();
    sarif_document(&rules, &results, None)
}

/// The same where there is no report: what kept it from being made.
pub(super) fn sarif_error(error: &Error) -> String {
    const RULE: &str = "triggerctl";
    let mut lines = Lines::default();
    let results: Vec<Value> = error
        .diagnostics
        .iter()
        .map(|one| result(RULE, "error", one, &mut lines))
        .collect();
    let rule = json!({
        "id": RULE,
        "shortDescription": { "text": "triggerctl cannot go on" },
        "defaultConfiguration": { "level": "error" },
    });
    sarif_document(&[rule], &results, Some(error.kind.exit_code()))
}

fn sarif_document(rules: &[Value], results: &[Value], failed: Option<u8>) -> String {
    let mut run = json!({
        "tool": { "driver": {
            "name": "triggerctl",
            "version": env!("CARGO_PKG_VERSION"),
            "rules": rules,
        } },
        "results": results,
    });
    if let Some(code) = failed {
        run["invocations"] = json!([{ "executionSuccessful": false, "exitCode": code }]);
    }
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    });
    format!("{document:#}\n")
}

/// A finding of SARIF.
fn result(rule: &str, level: &str, about: &Diagnostic, lines: &mut Lines) -> Value {
    let place = diagnostic(about, lines);
    let mut result = json!({
        "ruleId": rule,
        "level": level,
        "message": { "text": words(about) },
    });
    if let Some(file) = place["file"].as_str() {
        result["locations"] = json!([{
            "physicalLocation": {
                "artifactLocation": { "uri": file.replace('\\', "/").replace(' ', "%20") },
                "region": {
                    "startLine": place["line"],
                    "startColumn": place["column"],
                    "endLine": place["end_line"],
                    "endColumn": place["end_column"],
                },
            },
        }]);
    }
    result
}

/// The message with its notes and help, as one text.
fn words(diagnostic: &Diagnostic) -> String {
    let mut text = super::safe::conceal(&diagnostic.message);
    for more in diagnostic.notes.iter().chain(&diagnostic.help) {
        text.push('\n');
        text.push_str(&super::safe::conceal(more));
    }
    text
}

/// Workflow commands of GitHub Actions, one a line.
pub fn github(report: &Report) -> String {
    let mut lines = Lines::default();
    let mut text = String::new();
    for finding in &report.findings {
        let level = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let title = finding.rule.name;
        text += &annotation(level, title, &finding.diagnostic, &mut lines);
    }
    text
}

/// The same of an error, where it points into a file: what stands in no file is no annotation of any.
pub(super) fn github_error(error: &Error) -> String {
    let mut lines = Lines::default();
    let placed = error.diagnostics.iter().filter(|one| one.place.is_some());
    placed
        .map(|one| annotation("error", "triggerctl", one, &mut lines))
        .collect()
}

fn annotation(level: &str, title: &str, about: &Diagnostic, lines: &mut Lines) -> String {
    let place = diagnostic(about, lines);
    let mut properties = vec![format!("title={}", property(title))];
    for (key, name) in [
        ("file", "file"),
        ("line", "line"),
        ("end_line", "endLine"),
        ("column", "col"),
        ("end_column", "endColumn"),
    ] {
        match &place[key] {
            Value::String(value) => properties.push(format!("{name}={}", property(value))),
            Value::Number(value) => properties.push(format!("{name}={value}")),
            _ => {}
        }
    }
    let message = words(about)
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A");
    format!("::{level} {}::{message}\n", properties.join(","))
}

fn property(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
        .replace(':', "%3A")
        .replace(',', "%2C")
}

/// The rules, a line each.
pub fn rules(palette: &Palette) -> String {
    let strong = palette.strong;
    let mut text = String::new();
    for rule in rules::ALL {
        let _ = writeln!(
            text,
            "{strong}{}{strong:#} ({}; {}{})\n    {}",
            rule.name,
            rule.severity.word(),
            rule.dialects.join(", "),
            if rule.needs_database {
                "; needs a database"
            } else {
                ""
            },
            rule.title
        );
    }
    text
}

/// The rules, for programs.
pub fn rules_json() -> String {
    let rules: Vec<Value> = rules::ALL
        .iter()
        .map(|rule| {
            json!({
                "rule": rule.name,
                "severity": rule.severity.word(),
                "dialects": rule.dialects,
                "needs_database": rule.needs_database,
                "title": rule.title,
                "why": rule.why,
            })
        })
        .collect();
    documents::document(json!({ "rules": rules }))
}
