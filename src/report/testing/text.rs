//! Tests for people: a tick or a cross for each, what differs below, and a closing line.

use std::fmt::Write as _;
use std::time::Duration;

use crate::dialect;
use crate::model::TriggerId;
use crate::report::{Palette, safe};
use crate::testing::{Coverage, Failed, Report, TestResult};

use super::{Demands, grid, place};

/// Columns of a terminal that nobody has made wider.
const WIDTH: usize = 80;
/// Triggers that no test fires; more are counted.
const MOST: usize = 20;

/// The whole report; with `quiet` what went well is not named.
pub fn show(report: &Report, demands: Demands, quiet: bool, palette: &Palette) -> String {
    let mut text = String::new();
    for test in &report.tests {
        if !quiet || !test.passed() {
            one(&mut text, test, palette);
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    closing(&mut text, report, palette);
    if report.filtered == 0 && !report.tests.is_empty() {
        covered(&mut text, report, palette);
    }
    if let Some((wanted, reached)) = demands.missed(report) {
        let reached = reached.map_or("not known".to_owned(), |percent| format!("{percent} %"));
        let wrong = palette.wrong;
        let _ = writeln!(text, "{wrong}The coverage is {reached}, and {wanted} % are asked for.{wrong:#}");
    }
    text
}

fn one(text: &mut String, test: &TestResult, palette: &Palette) {
    let name = safe::line(&test.name.value);
    let faint = palette.faint;
    let time = duration(test.duration);
    let (style, sign) = if test.passed() { (palette.added, '✓') } else { (palette.wrong, '✗') };
    let _ = writeln!(text, "{style}{sign}{style:#} {name} {faint}({time}){faint:#}");
    for failed in &test.failed {
        failure(text, failed, palette);
    }
}

fn failure(text: &mut String, failed: &Failed, palette: &Palette) {
    let mut paragraph = |words: &str| {
        for line in safe::paragraph(words, WIDTH - 4).lines() {
            let _ = writeln!(text, "    {line}");
        }
    };
    paragraph(&failed.message);
    let faint = palette.faint;
    let at = safe::line(&place(failed));
    let _ = writeln!(text, "    {faint}at {at}{faint:#}");
    if let Some(line) = statement(failed) {
        let _ = writeln!(text, "      {}", safe::show(&line, 0..0, WIDTH - 6).text);
    }
    for note in &failed.notes {
        for line in safe::paragraph(note, WIDTH - 6).lines() {
            let _ = writeln!(text, "      {line}");
        }
    }
    if let Some(found) = &failed.grid {
        text.push_str(&grid::show(found, palette, 6));
    }
}

/// The line of the spec that the failure is about.
fn statement(failed: &Failed) -> Option<String> {
    let file = &failed.place.file.text;
    let start = file.get(..failed.place.range.start)?.rfind('\n').map_or(0, |at| at + 1);
    let line = file.get(start..)?.lines().next()?.trim();
    // The opening quotes of a text of many lines say nothing.
    (!line.is_empty() && !line.ends_with("\"\"\"") && !line.ends_with("'''")).then(|| line.to_owned())
}

fn closing(text: &mut String, report: &Report, palette: &Palette) {
    let count = report.tests.len();
    let failed = report.failures();
    let of = |number: usize| if number == 1 { "1 test".to_owned() } else { format!("{number} tests") };
    let (style, result) = match (count, failed) {
        (0, _) => (palette.changed, "No tests were run".to_owned()),
        (1, 0) => (palette.added, "1 test passed".to_owned()),
        (_, 0) => (palette.added, format!("All {} passed", of(count))),
        _ => (palette.wrong, format!("{failed} of {} failed", of(count))),
    };
    let _ = write!(text, "{style}{result}{style:#} in {} ({})", duration(report.duration), report.place);
    if report.filtered > 0 {
        let _ = write!(text, ", {} left out by the filter", report.filtered);
    }
    if report.elsewhere > 0 {
        let are = if report.elsewhere == 1 { "is" } else { "are" };
        let _ = write!(text, ", {} {are} for other dialects", report.elsewhere);
    }
    text.push_str(".\n");
}

fn covered(text: &mut String, report: &Report, palette: &Palette) {
    let Coverage { triggers, unknown } = &report.coverage;
    if triggers.is_empty() {
        return;
    }
    if let Some(reason) = unknown {
        let _ = writeln!(text, "Which triggers were fired is not known: {}.", safe::line(reason));
        return;
    }
    let qualifies = dialect::by_name(report.dialect).is_some_and(dialect::Dialect::qualifies);
    let name = |id: &TriggerId| {
        let shown = if qualifies { id.to_string() } else { format!("{} on {}", id.name, id.table.name) };
        safe::line(&shown)
    };
    let (fired, all) = report.coverage.events();
    if let Some(percent) = report.coverage.percent() {
        let count = report.coverage.known().count();
        let triggers = if count == 1 { "1 trigger".to_owned() } else { format!("{count} triggers") };
        let events = if all == 1 { "event" } else { "events" };
        if fired == all {
            let _ = writeln!(text, "Coverage: every event of {triggers} was fired.");
        } else {
            let _ = writeln!(text, "Coverage: {fired} of {all} {events} of {triggers} ({percent} %). Never fired:");
        }
    }
    let idle: Vec<String> = report
        .coverage
        .known()
        .filter(|(_, covered)| covered.idle().next().is_some())
        .map(|(id, covered)| {
            let events: Vec<&str> = covered.idle().map(crate::model::Event::word).collect();
            let changed = palette.changed;
            format!("  {changed}{}{changed:#}: {}", name(id), events.join(", "))
        })
        .collect();
    list(text, &idle);
    let dark: Vec<String> = triggers
        .iter()
        .filter_map(|(id, covered)| Some((id, covered.unknown.as_ref()?)))
        .map(|(id, reason)| format!("  {}: {}", name(id), safe::line(reason)))
        .collect();
    if !dark.is_empty() {
        text.push_str("Not known of:\n");
        list(text, &dark);
    }
}

fn list(text: &mut String, lines: &[String]) {
    for line in lines.iter().take(MOST) {
        text.push_str(line);
        text.push('\n');
    }
    if lines.len() > MOST {
        let _ = writeln!(text, "  … and {} more", lines.len() - MOST);
    }
}

/// `0.4 ms`, `12 ms`, `1.25 s`.
fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds >= 1.0 {
        format!("{seconds:.2} s")
    } else if seconds >= 0.01 {
        format!("{:.0} ms", seconds * 1000.0)
    } else {
        format!("{:.1} ms", seconds * 1000.0)
    }
}
