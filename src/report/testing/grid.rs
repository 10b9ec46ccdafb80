//! Expected rows against those that came, as an aligned table: what differs is marked below, so that it is seen without
//! colour too.

use std::fmt::Write as _;

use anstyle::Style;

use crate::report::{Palette, safe};
use crate::testing::compare::{Grid, Line, LineKind};

/// Columns of a terminal that nobody has made wider.
const WIDTH: usize = 80;
/// `expected`, and two spaces behind it.
const LABEL: usize = 10;
/// Lines that are shown; what follows is counted.
const MOST: usize = 24;
/// A column is not made narrower.
const NARROWEST: usize = 6;

/// The table, each line indented.
pub(super) fn show(grid: &Grid, palette: &Palette, indent: usize) -> String {
    let room = WIDTH - indent - LABEL;
    let columns = choose(grid, room);
    let lines: Vec<&Line> = grid.lines.iter().take(MOST).collect();
    let widths = widths(grid, &lines, &columns, room);
    let margin = " ".repeat(indent);
    let mut text = String::new();
    let header = columns
        .iter()
        .map(|column| column.map_or("…", |at| grid.columns.get(at).map_or("", String::as_str)));
    let mut row = String::new();
    for (name, width) in header.zip(&widths) {
        push(
            &mut row,
            &cut(&safe::line(name), *width, 0),
            *width,
            Style::new(),
        );
    }
    put(&mut text, &format!("{margin}{}{row}", " ".repeat(LABEL)));
    for (index, line) in lines.iter().enumerate() {
        let partner = match line.kind {
            LineKind::Expected => lines.get(index + 1),
            LineKind::Got => index.checked_sub(1).and_then(|before| lines.get(before)),
            LineKind::Missing | LineKind::Extra => None,
        };
        let style = match line.kind {
            LineKind::Expected | LineKind::Missing => palette.added,
            LineKind::Got | LineKind::Extra => palette.removed,
        };
        let (mut row, mut marks) = (String::new(), String::new());
        for (column, width) in columns.iter().zip(&widths) {
            let own = of(line, *column);
            let other = partner.map_or("…".to_owned(), |partner| of(partner, *column));
            let differs = column.is_some_and(|at| line.differs.get(at) == Some(&true));
            // What is the same in two long values is not what somebody wants to see.
            let skip = if differs {
                common(&own, &other, *width)
            } else {
                0
            };
            let shown = cut(&own, *width, skip);
            let length = shown
                .chars()
                .count()
                .max(cut(&other, *width, skip).chars().count());
            let plain = !differs && partner.is_some();
            push(
                &mut row,
                &shown,
                *width,
                if plain { Style::new() } else { style },
            );
            push(
                &mut marks,
                &if differs {
                    "^".repeat(length)
                } else {
                    String::new()
                },
                *width,
                palette.wrong,
            );
        }
        let word = line.kind.word();
        put(
            &mut text,
            &format!("{margin}{style}{word:<LABEL$}{style:#}{row}"),
        );
        if line.kind == LineKind::Got {
            put(&mut text, &format!("{margin}{}{marks}", " ".repeat(LABEL)));
        }
    }
    let left = grid.lines.len() - lines.len();
    if left > 0 {
        put(&mut text, &format!("{margin}… and {left} lines more"));
    }
    if grid.same > 0 {
        let rows = if grid.same == 1 {
            "1 row is"
        } else {
            &format!("{} rows are", grid.same)
        };
        put(&mut text, &format!("{margin}{rows} as expected"));
    }
    text
}

fn put(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

/// The columns to show; `None` stands for those that are left out. Where they do not all fit, those that differ come
/// first.
fn choose(grid: &Grid, room: usize) -> Vec<Option<usize>> {
    let count = grid.columns.len();
    let all: Vec<Option<usize>> = (0..count).map(Some).collect();
    let needed: usize = (0..count).map(|at| natural(grid, at) + 2).sum();
    if needed <= room + 2 {
        return all;
    }
    let differs = |at: usize| {
        grid.lines
            .iter()
            .any(|line| line.differs.get(at) == Some(&true))
    };
    let any = (0..count).any(differs);
    let most = (room + 2) / (NARROWEST + 2);
    let mut used = 0;
    let mut chosen = vec![];
    for at in 0..count {
        // The first column is most likely what a row is known by.
        let wanted = !any || differs(at) || at == 0;
        if wanted && used + 1 < most {
            used += 1;
            chosen.push(Some(at));
        } else if chosen.last() != Some(&None) {
            chosen.push(None);
        }
    }
    chosen
}

fn natural(grid: &Grid, at: usize) -> usize {
    let cells = grid.lines.iter().filter_map(|line| line.cells.get(at));
    cells
        .chain(grid.columns.get(at))
        .map(|cell| safe::line(cell).chars().count())
        .max()
        .unwrap_or(0)
}

fn widths(grid: &Grid, lines: &[&Line], columns: &[Option<usize>], room: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = columns
        .iter()
        .map(|column| {
            let name = column
                .and_then(|at| grid.columns.get(at))
                .map_or("…", String::as_str);
            let cells = lines.iter().map(|line| of(line, *column).chars().count());
            cells
                .chain([safe::line(name).chars().count()])
                .max()
                .unwrap_or(1)
        })
        .collect();
    let separators = 2 * widths.len().saturating_sub(1);
    // The widest gives way first.
    while widths.iter().sum::<usize>() + separators > room {
        let Some(widest) = widths.iter_mut().max() else {
            break;
        };
        if *widest <= NARROWEST {
            break;
        }
        *widest -= 1;
    }
    widths
}

fn of(line: &Line, column: Option<usize>) -> String {
    match column {
        Some(at) => line
            .cells
            .get(at)
            .map_or_else(String::new, |cell| safe::line(cell)),
        None => "…".to_owned(),
    }
}

/// How many characters to leave out at the beginning, so that what differs is seen.
fn common(left: &str, right: &str, width: usize) -> usize {
    let longest = left.chars().count().max(right.chars().count());
    if longest <= width {
        return 0;
    }
    let same = left
        .chars()
        .zip(right.chars())
        .take_while(|(left, right)| left == right)
        .count();
    if same + 2 < width {
        0
    } else {
        same.saturating_sub(width / 3)
    }
}

fn cut(text: &str, width: usize, skip: usize) -> String {
    let mut characters: Vec<char> = text.chars().skip(skip).collect();
    if skip > 0 {
        characters.insert(0, '…');
    }
    if characters.len() > width {
        characters.truncate(width.saturating_sub(1));
        characters.push('…');
    }
    characters.into_iter().collect()
}

fn push(row: &mut String, text: &str, width: usize, style: Style) {
    if !row.is_empty() {
        row.push_str("  ");
    }
    let pad = " ".repeat(width.saturating_sub(text.chars().count()));
    // Writing to a String cannot fail.
    let _ = write!(row, "{style}{text}{style:#}{pad}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: LineKind, cells: &[&str], differs: &[bool]) -> Line {
        Line {
            kind,
            cells: cells.iter().map(|cell| (*cell).to_owned()).collect(),
            differs: differs.to_vec(),
        }
    }

    fn shown(columns: &[&str], lines: Vec<Line>) -> String {
        let grid = Grid {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            lines,
            same: 1,
        };
        show(&grid, &Palette::default(), 4)
    }

    #[test]
    fn what_differs_is_marked() {
        let text = shown(
            &["name", "n"],
            vec![
                line(LineKind::Expected, &["'b'", "1"], &[true, false]),
                line(LineKind::Got, &["'abc'", "1"], &[true, false]),
                line(LineKind::Missing, &["'x'", "2"], &[false, false]),
            ],
        );
        let expected = "              name   n
    expected  'b'    1
    got       'abc'  1
              ^^^^^
    missing   'x'    2
    1 row is as expected
";
        assert_eq!(text, expected);
    }

    #[test]
    fn it_fits_eighty_columns_and_shows_the_difference() {
        let long = "a".repeat(100);
        let (left, right) = (format!("'{long}x'"), format!("'{long}y'"));
        let columns: Vec<String> = (0..30).map(|n| format!("column_{n}")).collect();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let row = |value: &'static str| vec![value; 30];
        let (mut one, mut other) = (row("1234567890"), row("1234567890"));
        (one[29], other[29]) = (left.as_str(), right.as_str());
        let mut differs = vec![false; 30];
        differs[29] = true;
        let text = shown(
            &columns,
            vec![
                line(LineKind::Expected, &one, &differs),
                line(LineKind::Got, &other, &differs),
            ],
        );
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(
            text.contains("x'") && text.contains("y'") && text.contains("column_29"),
            "{text}"
        );
    }
}
