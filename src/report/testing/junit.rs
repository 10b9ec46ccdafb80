//! Tests as JUnit's XML, which CI systems read: one `testsuite`, one `testcase` a test.

use std::fmt::Write as _;

use crate::error::Error;
use crate::report::diagnostics;
use crate::testing::Report;

use super::{Demands, headline, plain};

/// The document.
pub fn show(report: &Report, demands: Demands) -> String {
    let missed = demands.missed(report);
    let count = report.tests.len() + usize::from(demands.min_coverage.is_some());
    let failures = report.failures() + usize::from(missed.is_some());
    let time = report.duration.as_secs_f64();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "<testsuites name=\"triggerctl\" tests=\"{count}\" failures=\"{failures}\" errors=\"0\" time=\"{time:.6}\">"
    );
    let _ = writeln!(
        text,
        "  <testsuite name=\"{}\" tests=\"{count}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\" time=\"{time:.6}\">",
        escape(&report.place)
    );
    for test in &report.tests {
        let file = &test.name.span.file.name;
        let (line, _) = test.name.span.line_column();
        let _ = write!(
            text,
            "    <testcase name=\"{}\" classname=\"{}\" file=\"{}\" line=\"{line}\" time=\"{:.6}\"",
            escape(&test.name.value),
            escape(file),
            escape(file),
            test.duration.as_secs_f64()
        );
        let Some(first) = test.failed.first() else {
            text.push_str("/>\n");
            continue;
        };
        let details: Vec<String> = test.failed.iter().map(plain).collect();
        let _ = write!(
            text,
            ">\n      <failure message=\"{}\" type=\"failure\">{}</failure>\n    </testcase>\n",
            escape(&first.message),
            escape(&details.join("\n"))
        );
    }
    if let Some(wanted) = demands.min_coverage {
        let _ = write!(
            text,
            "    <testcase name=\"coverage of {wanted} %\" classname=\"triggerctl\" time=\"0\""
        );
        match missed {
            None => text.push_str("/>\n"),
            Some((_, reached)) => {
                let reached =
                    reached.map_or("not known".to_owned(), |percent| format!("{percent} %"));
                let _ = write!(
                    text,
                    ">\n      <failure message=\"the coverage is {reached}\" type=\"failure\"/>\n    </testcase>\n"
                );
            }
        }
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// The document where no test was run: what kept them from it.
pub(crate) fn error(error: &Error) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"triggerctl\" tests=\"1\" failures=\"0\" errors=\"1\">\n  \
           <testsuite name=\"triggerctl\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\">\n    \
             <testcase name=\"the tests can be run\" classname=\"triggerctl\">\n      \
               <error message=\"{}\" type=\"error\">{}</error>\n    \
             </testcase>\n  </testsuite>\n</testsuites>\n",
        escape(&headline(error)),
        escape(&diagnostics::text(error, false))
    )
}

/// Text for XML 1.0, in which most control characters cannot stand at all.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other if other.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_place() {
        assert_eq!(
            escape("a<b>&\"c\"\n\u{1}"),
            "a&lt;b&gt;&amp;&quot;c&quot;&#10;\u{fffd}"
        );
    }
}
