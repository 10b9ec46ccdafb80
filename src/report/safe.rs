//! Text from files and servers made fit for a terminal: no control characters, no passwords, no endless lines.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// One line of source as it is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// The text.
    pub(super) text: String,
    /// The bytes of it to underline; at character boundaries.
    pub(super) underline: Range<usize>,
}

/// A character that would move the cursor, change colours or hide something, as one that shows it.
fn visible(c: char) -> char {
    match c {
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' => '\u{fffd}',
        c if is_deceptive(c) => '\u{fffd}',
        c => c,
    }
}

/// Whether a character that is no control character ends a line, or has what follows it shown in another order than it is read in.
pub(super) fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    )
}

/// Whether the names of schemas are part of what people call a table: set once it is known that the database has them.
static SCHEMAS: AtomicBool = AtomicBool::new(false);

/// From now on schemas are told apart: the run is about an engine that has them.
pub(super) fn tell_schemas_apart() {
    SCHEMAS.store(true, Ordering::Relaxed);
}

/// What stands before the name of a table in our own words, and in SQLite's.
const BEFORE_MAIN: [&str; 3] = [" on main.", " on `main.", "no such table: main."];

/// `text` with the tables of SQLite called what everybody calls them: every one is in `main`.
pub(super) fn short(text: &str) -> Cow<'_, str> {
    if SCHEMAS.load(Ordering::Relaxed) {
        return Cow::Borrowed(text);
    }
    without_main(text)
}

fn without_main(text: &str) -> Cow<'_, str> {
    let mut short = Cow::Borrowed(text);
    for before in BEFORE_MAIN {
        if short.contains(before) {
            short = Cow::Owned(short.replace(before, before.trim_end_matches("main.")));
        }
    }
    short
}

/// `text` on one line, fit to be shown.
pub(super) fn line(text: &str) -> String {
    conceal(text)
        .chars()
        .map(|c| match c {
            '\n' | '\t' => ' ',
            c => visible(c),
        })
        .collect()
}

/// `text` fit to be shown, its lines broken at spaces where they are longer than `width`.
pub(super) fn paragraph(text: &str, width: usize) -> String {
    let mut lines = vec![];
    for line in conceal(text).trim_end().split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let mut current = String::new();
        let mut used = 0;
        for (index, word) in line.split(' ').enumerate() {
            let word: String = word
                .chars()
                .map(|c| if c == '\t' { ' ' } else { visible(c) })
                .collect();
            let length: usize = word.chars().map(width_of).sum();
            if index > 0 && used + 1 + length > width && !current.trim().is_empty() {
                lines.push(std::mem::take(&mut current));
                used = 0;
            } else if index > 0 {
                current.push(' ');
                used += 1;
            }
            current.push_str(&word);
            used += length;
        }
        lines.push(current);
    }
    lines.join("\n")
}

/// Columns that a character takes; East Asian ones and pictures take two.
fn width_of(c: char) -> usize {
    match c {
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        '\t' => 4,
        _ => 1,
    }
}

/// One line of source, cut to `width` columns around `underline` (bytes of `text`).
pub(super) fn show(text: &str, underline: Range<usize>, width: usize) -> Shown {
    let before = text.get(..underline.start).unwrap_or_default();
    let inside = text.get(underline).unwrap_or_default();
    let start = before.chars().count();
    let end = start + inside.chars().count();
    let chars: Vec<char> = conceal(text).chars().collect();
    let total: usize = chars.iter().copied().map(width_of).sum();
    let mut first = 0;
    if total > width {
        let columns = |range: Range<usize>| -> usize {
            chars
                .get(range)
                .unwrap_or_default()
                .iter()
                .copied()
                .map(width_of)
                .sum()
        };
        // Keep the beginning where the underlined part fits beside it; else a third of the line before that part.
        if columns(0..end) + 1 > width {
            first = start;
            while first > 0 && columns(first - 1..start) < width / 3 {
                first -= 1;
            }
        }
    }
    let mut shown = Shown {
        text: String::new(),
        underline: 0..0,
    };
    let mut used = 0;
    if first > 0 {
        shown.text.push('…');
        used = 1;
    }
    let mut index = first;
    let mut marked_end = None;
    for &c in chars.iter().skip(first) {
        if index == start {
            shown.underline.start = shown.text.len();
        }
        if index == end {
            marked_end = Some(shown.text.len());
        }
        let is_last = index + 1 == chars.len();
        if used + width_of(c) + usize::from(!is_last) > width {
            marked_end = marked_end.or(Some(shown.text.len()));
            shown.text.push('…');
            break;
        }
        used += width_of(c);
        if c == '\t' {
            shown.text.push_str("    ");
        } else {
            shown.text.push(visible(c));
        }
        index += 1;
    }
    if index == start {
        shown.underline.start = shown.text.len();
    }
    shown.underline.end = marked_end
        .unwrap_or(shown.text.len())
        .max(shown.underline.start);
    shown
}

/// `text` with every password in a URL covered, character by character, so that places in it stay what they are.
/// `${env:NAME}` is no secret and stays.
pub(super) fn conceal(text: &str) -> String {
    if !text.contains("://") && !text.to_ascii_lowercase().contains("password=") {
        return text.to_owned();
    }
    let mut chars: Vec<char> = text.chars().collect();
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>');
    let mut at = 0;
    while at < chars.len() {
        if starts_with(&chars, at, "://") {
            let from = at + 3;
            let length = chars
                .iter()
                .skip(from)
                .position(|c| ends(*c))
                .unwrap_or(chars.len().saturating_sub(from));
            let authority = from..from + length;
            if let Some(host) = authority
                .clone()
                .rev()
                .find(|index| chars.get(*index) == Some(&'@'))
            {
                cover_user(&mut chars, from..host);
            }
            at = from;
        } else if starts_with(&chars, at, "password=") {
            let from = at + "password=".len();
            let length = chars
                .iter()
                .skip(from)
                .position(|c| ends(*c) || *c == '&')
                .unwrap_or(chars.len().saturating_sub(from));
            cover(&mut chars, from..from + length);
            at = from + length;
        } else {
            at += 1;
        }
    }
    chars.into_iter().collect()
}

fn starts_with(chars: &[char], at: usize, text: &str) -> bool {
    text.chars().enumerate().all(|(offset, wanted)| {
        chars
            .get(at + offset)
            .is_some_and(|c| c.eq_ignore_ascii_case(&wanted))
    })
}

/// Cover what follows the first colon of `user:password` that is not in a `${…}`.
fn cover_user(chars: &mut [char], range: Range<usize>) {
    let mut depth = 0_usize;
    for index in range.clone() {
        match chars.get(index) {
            Some('{') => depth += 1,
            Some('}') => depth = depth.saturating_sub(1),
            Some(':') if depth == 0 => {
                cover(chars, index + 1..range.end);
                return;
            }
            _ => {}
        }
    }
}

/// Cover all but the names in `${env:NAME}` and `${env:NAME:-…}`.
fn cover(chars: &mut [char], range: Range<usize>) {
    let mut index = range.start;
    while index < range.end {
        if starts_with(chars, index, "${env:") {
            index += "${env:".len();
            while index < range.end
                && chars
                    .get(index)
                    .is_some_and(|c| c.is_ascii_alphanumeric() || *c == '_')
            {
                index += 1;
            }
            continue;
        }
        if let Some(c) = chars.get_mut(index)
            && *c != '}'
        {
            *c = '*';
        }
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tables_of_sqlite_are_called_what_they_are_called() {
        for (text, short) in [
            (
                "trigger a on main.users is gone",
                "trigger a on users is gone",
            ),
            (
                "while rendering `a` on `main.users`",
                "while rendering `a` on `users`",
            ),
            (
                "a on main.t: no such table: main.logg",
                "a on t: no such table: logg",
            ),
            // Files, and what only looks like it.
            ("cannot read `main.toml`", "cannot read `main.toml`"),
            ("the file main.db is locked", "the file main.db is locked"),
            ("trigger a on domain.users", "trigger a on domain.users"),
        ] {
            assert_eq!(without_main(text), short);
        }
    }

    fn underlined(text: &str, needle: &str, width: usize) -> (String, String) {
        let start = text.find(needle).unwrap();
        let shown = show(text, start..start + needle.len(), width);
        let marked = shown.text[shown.underline].to_owned();
        (shown.text, marked)
    }

    #[test]
    fn short_lines_stay() {
        assert_eq!(
            underlined("a = \"é\" # x", "\"é\"", 40),
            ("a = \"é\" # x".into(), "\"é\"".into())
        );
        assert_eq!(
            underlined("\ta\u{1b}[31m", "\u{1b}[31m", 40),
            ("    a␛[31m".into(), "␛[31m".into())
        );
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let text = format!("{}NEEDLE{}", "a".repeat(100), "b".repeat(100));
        let (shown, marked) = underlined(&text, "NEEDLE", 40);
        assert_eq!(marked, "NEEDLE");
        assert_eq!(shown.chars().count(), 40);
        assert!(shown.starts_with('…') && shown.ends_with('…'));
        let (shown, marked) = underlined(&text, &text, 40);
        assert_eq!(shown.chars().count(), 40);
        assert_eq!(marked, "a".repeat(39));
    }

    #[test]
    fn passwords_are_covered() {
        for (text, safe) in [
            ("postgres://u:pw@h/d", "postgres://u:**@h/d"),
            ("'mysql://u:p@w:x@h/d'", "'mysql://u:*****@h/d'"),
            ("x://u:${env:PW}@h", "x://u:${env:PW}@h"),
            (
                "x://${env:U}:${env:PW:-ab}@h",
                "x://${env:U}:${env:PW****}@h",
            ),
            (
                "x://h/d?user=u&PASSWORD=abc&x=y",
                "x://h/d?user=u&PASSWORD=***&x=y",
            ),
            ("x://u@h:5432/d", "x://u@h:5432/d"),
            ("https://a.b/c", "https://a.b/c"),
            ("x://h:1/d y@z", "x://h:1/d y@z"),
        ] {
            assert_eq!(conceal(text), safe);
        }
    }

    #[test]
    fn paragraphs_break_at_spaces() {
        assert_eq!(paragraph("aa bb cc\ndd", 5), "aa bb\ncc\ndd");
        assert_eq!(paragraph("aaaaaaaa b", 5), "aaaaaaaa\nb");
        assert_eq!(paragraph("  indented", 40), "  indented");
        assert_eq!(paragraph("\u{1b}[31m\r\n\u{9b}", 40), "␛[31m\n\u{fffd}");
    }

    #[test]
    fn what_reads_otherwise_than_it_looks_is_seen() {
        for c in ['\u{202e}', '\u{2067}', '\u{200f}', '\u{2028}', '\u{feff}'] {
            let text = format!("a{c}b");
            assert_eq!(line(&text), "a\u{fffd}b");
            assert_eq!(crate::report::text::safe(&text), "a\u{fffd}b");
        }
        assert_eq!(
            crate::report::text::safe("é\t😀日本\u{200d}"),
            "é\t😀日本\u{200d}"
        );
    }

    proptest! {
        #[test]
        fn nothing_dangerous_gets_through(text in any::<String>(), width in 3usize..40) {
            let all = [line(&text), paragraph(&text, width).replace('\n', "")];
            for text in all {
                prop_assert!(!text.chars().any(char::is_control), "{text:?}");
            }
            let single: String = text.chars().filter(|c| *c != '\n').collect();
            let shown = show(&single, 0..single.len(), width);
            prop_assert!(!shown.text.chars().any(char::is_control));
            prop_assert!(shown.text.get(shown.underline).is_some());
            prop_assert!(shown.text.chars().map(width_of).sum::<usize>() <= width + 3);
        }
    }
}
