//! Tests for programs, as one JSON document.

use serde_json::{Value, json};

use crate::model::{Event, ObjectId};
use crate::plan::ObjectRef;
use crate::report::json::document;
use crate::testing::compare::{Grid, Line};
use crate::testing::{Coverage, Failed, Report, TestResult};

use super::Demands;

/// The document.
pub fn show(report: &Report, demands: Demands) -> String {
    let failed = report.failures();
    let missed = demands.missed(report);
    let result = if failed > 0 || missed.is_some() {
        "failed"
    } else {
        "passed"
    };
    document(json!({
        "result": result,
        "dialect": report.dialect,
        "place": report.place,
        "summary": {
            "tests": report.tests.len(),
            "passed": report.tests.len() - failed,
            "failed": failed,
            "filtered": report.filtered,
            "other_dialects": report.elsewhere,
        },
        "duration_ms": milliseconds(report.duration),
        "tests": report.tests.iter().map(test).collect::<Vec<_>>(),
        "coverage": coverage(&report.coverage, demands),
    }))
}

fn milliseconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

fn test(test: &TestResult) -> Value {
    let (line, column) = test.name.span.line_column();
    json!({
        "name": test.name.value,
        "file": test.name.span.file.name,
        "line": line,
        "column": column,
        "result": if test.passed() { "passed" } else { "failed" },
        "duration_ms": milliseconds(test.duration),
        "failures": test.failed.iter().map(failure).collect::<Vec<_>>(),
    })
}

fn failure(failed: &Failed) -> Value {
    let (line, column) = failed.place.line_column();
    json!({
        "message": failed.message,
        "file": failed.place.file.name,
        "line": line,
        "column": column,
        "notes": failed.notes,
        "rows": failed.grid.as_ref().map(grid),
    })
}

fn grid(grid: &Grid) -> Value {
    let line = |line: &Line| json!({ "kind": line.kind.word(), "values": line.cells, "differs": line.differs });
    json!({
        "columns": grid.columns,
        "lines": grid.lines.iter().map(line).collect::<Vec<_>>(),
        "as_expected": grid.same,
    })
}

fn coverage(coverage: &Coverage, demands: Demands) -> Value {
    let (fired, events) = coverage.events();
    let words = |events: &std::collections::BTreeSet<Event>| -> Vec<&str> {
        events.iter().map(|event| event.word()).collect()
    };
    let triggers: Vec<Value> = coverage
        .triggers
        .iter()
        .map(|(id, covered)| {
            json!({
                "object": ObjectRef::from(&ObjectId::Trigger(id.clone())),
                "events": words(&covered.events),
                "fired": words(&covered.fired),
                "unknown": covered.unknown,
            })
        })
        .collect();
    json!({
        "percent": coverage.percent(),
        "min_percent": demands.min_coverage,
        "events": events,
        "fired": fired,
        "unknown": coverage.unknown,
        "triggers": triggers,
    })
}
