//! Tests in the Test Anything Protocol, version 14.

use std::fmt::Write as _;

use crate::error::Error;
use crate::testing::Report;

use super::{Demands, headline, place, plain};

/// The lines.
pub fn show(report: &Report, demands: Demands) -> String {
    let count = report.tests.len() + usize::from(demands.min_coverage.is_some());
    let mut text = format!("TAP version 14\n1..{count}\n");
    for (index, test) in report.tests.iter().enumerate() {
        let number = index + 1;
        let word = if test.passed() { "ok" } else { "not ok" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{word} {number} - {}", description(&test.name.value));
        let milliseconds = test.duration.as_secs_f64() * 1000.0;
        let _ = writeln!(text, "  ---\n  duration_ms: {milliseconds:.3}");
        if let Some(first) = test.failed.first() {
            let _ = writeln!(text, "  message: {}", quoted(&first.message));
            let _ = writeln!(text, "  at: {}\n  details: |", quoted(&place(first)));
            for failed in &test.failed {
                for line in plain(failed).lines() {
                    let line: String = line.chars().map(visible).collect();
                    let _ = writeln!(text, "    {line}");
                }
            }
        }
        text.push_str("  ...\n");
    }
    if let Some(wanted) = demands.min_coverage {
        let missed = demands.missed(report);
        let word = if missed.is_some() { "not ok" } else { "ok" };
        let _ = writeln!(text, "{word} {count} - coverage of {wanted} %");
        if let Some((_, reached)) = missed {
            let reached = reached.map_or("not known".to_owned(), |percent| format!("{percent} %"));
            let _ = writeln!(
                text,
                "  ---\n  message: \"the coverage is {reached}\"\n  ..."
            );
        }
    }
    text
}

/// The lines where no test was run: what kept them from it.
pub(crate) fn error(error: &Error) -> String {
    let message: String = headline(error).chars().map(visible).collect();
    format!("TAP version 14\nBail out! {message}\n")
}

/// A `#` would begin a directive.
fn description(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars().map(visible) {
        if matches!(character, '#' | '\\') {
            safe.push('\\');
        }
        safe.push(character);
    }
    safe
}

fn visible(character: char) -> char {
    if character.is_control() {
        '\u{fffd}'
    } else {
        character
    }
}

/// A YAML string in double quotes, which is one of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_directive() {
        assert_eq!(description("a # SKIP \\ \n"), "a \\# SKIP \\\\ \u{fffd}");
    }
}
