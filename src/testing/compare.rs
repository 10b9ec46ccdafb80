//! Rows against rows: which are as expected, which are missing, which are there and should not be, and which are nearly
//! right. What is left becomes a [`Grid`], which every format shows in its way.

use crate::db::stage::{Cell, Rows};
use crate::spec::{Expected, RowSpec};

use super::value::{matches, show, show_expected};

/// What differs, as a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grid {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The lines, in pairs where an expected row and one that came out are nearly the same.
    pub lines: Vec<Line>,
    /// How many rows were as expected.
    pub same: usize,
}

/// What a line of a [`Grid`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineKind {
    /// A row that was expected; the one that came in its place follows.
    Expected,
    /// The row that came.
    Got,
    /// A row that was expected, and nothing like it came.
    Missing,
    /// A row that came, and nothing like it was expected.
    Extra,
}

impl LineKind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Expected => "expected",
            Self::Got => "got",
            Self::Missing => "missing",
            Self::Extra => "extra",
        }
    }
}

/// One line of a [`Grid`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is.
    pub kind: LineKind,
    /// The values, as they are shown.
    pub cells: Vec<String>,
    /// Which of them differ; none for whole rows.
    pub differs: Vec<bool>,
}

/// A row that is wanted: `None` is a column that nobody asks about.
type Wanted<'a> = Vec<Option<&'a Expected>>;

/// Compare what a query gave with `rows`. `None` when it is as expected.
pub(super) fn rows(wanted: &[Vec<&Expected>], found: &Rows, ordered: bool) -> Option<Grid> {
    let wanted: Vec<Wanted<'_>> = wanted
        .iter()
        .map(|row| row.iter().map(|value| Some(*value)).collect())
        .collect();
    let found_rows: Vec<&[Cell]> = found.rows.iter().map(Vec::as_slice).collect();
    if !ordered {
        return grid(&found.columns, &wanted, &found_rows);
    }
    let mut grid = Grid {
        columns: found.columns.clone(),
        ..Grid::default()
    };
    for index in 0..wanted.len().max(found_rows.len()) {
        match (wanted.get(index), found_rows.get(index)) {
            (Some(wanted), Some(found)) if fits(wanted, found) => grid.same += 1,
            (Some(wanted), Some(found)) => pair(&mut grid, wanted, found),
            (Some(wanted), None) => grid.lines.push(missing(wanted)),
            (None, Some(found)) => grid.lines.push(extra(found)),
            (None, None) => {}
        }
    }
    (!grid.lines.is_empty()).then_some(grid)
}

/// Compare rows by the names of their columns. `Err` names a column that is not there.
pub(super) fn named<'a>(
    columns: &[String],
    wanted: &'a [RowSpec],
    found: &[&[Cell]],
) -> Result<Option<Grid>, &'a crate::error::Located<String>> {
    let wanted = wanted
        .iter()
        .map(|row| align(columns, row))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(grid(columns, &wanted, found))
}

/// The values of a row in the order of the columns.
pub(super) fn align<'a>(
    columns: &[String],
    row: &'a RowSpec,
) -> Result<Wanted<'a>, &'a crate::error::Located<String>> {
    let mut wanted = vec![None; columns.len()];
    for (name, value) in row {
        let at = columns
            .iter()
            .position(|column| *column == name.value)
            .or_else(|| {
                columns
                    .iter()
                    .position(|column| column.eq_ignore_ascii_case(&name.value))
            })
            .ok_or(name)?;
        if let Some(cell) = wanted.get_mut(at) {
            *cell = Some(&value.value);
        }
    }
    Ok(wanted)
}

/// Whether a row is what is wanted.
pub(super) fn fits(wanted: &[Option<&Expected>], found: &[Cell]) -> bool {
    wanted
        .iter()
        .zip(found)
        .all(|(wanted, found)| wanted.is_none_or(|wanted| matches(wanted, found)))
}

/// Rows in any order.
fn grid(columns: &[String], wanted: &[Wanted<'_>], found: &[&[Cell]]) -> Option<Grid> {
    let partners = assign(wanted.len(), found.len(), |left, right| {
        wanted
            .get(left)
            .zip(found.get(right))
            .is_some_and(|(wanted, found)| fits(wanted, found))
    });
    let mut grid = Grid {
        columns: columns.to_vec(),
        same: partners.iter().flatten().count(),
        ..Grid::default()
    };
    let mut left: Vec<&Wanted<'_>> = vec![];
    for (row, partner) in wanted.iter().zip(&partners) {
        if partner.is_none() {
            left.push(row);
        }
    }
    let mut over: Vec<&[Cell]> = found
        .iter()
        .enumerate()
        .filter(|(index, _)| !partners.contains(&Some(*index)))
        .map(|(_, row)| *row)
        .collect();
    for row in left {
        // The one that is most like it, if any value is right at all; with one column there is nothing else to go by.
        let best = over
            .iter()
            .enumerate()
            .map(|(index, found)| (likeness(row, found), index))
            .filter(|(likeness, _)| *likeness > 0 || columns.len() == 1)
            .max_by_key(|(likeness, index)| (*likeness, std::cmp::Reverse(*index)));
        match best {
            Some((_, index)) => pair(&mut grid, row, over.remove(index)),
            None => grid.lines.push(missing(row)),
        }
    }
    grid.lines.extend(over.into_iter().map(extra));
    (!grid.lines.is_empty()).then_some(grid)
}

fn likeness(wanted: &[Option<&Expected>], found: &[Cell]) -> usize {
    wanted
        .iter()
        .zip(found)
        .filter(|(wanted, found)| wanted.is_some_and(|wanted| matches(wanted, found)))
        .count()
}

/// Which of the right goes with which of the left, so that as many as can be have a partner: augmenting paths, since a
/// row that leaves columns open may fit several.
pub(super) fn assign(
    left: usize,
    right: usize,
    fits: impl Fn(usize, usize) -> bool,
) -> Vec<Option<usize>> {
    let mut of_right: Vec<Option<usize>> = vec![None; right];
    for start in 0..left {
        let mut seen = vec![false; right];
        // Each step: who looks for a partner, and who was tried last.
        let mut path: Vec<(usize, usize)> = vec![(start, 0)];
        while let Some((who, next)) = path.last().copied() {
            let candidate = (next..right)
                .find(|index| !seen.get(*index).copied().unwrap_or(true) && fits(who, *index));
            let Some(candidate) = candidate else {
                path.pop();
                continue;
            };
            if let Some(seen) = seen.get_mut(candidate) {
                *seen = true;
            }
            if let Some(last) = path.last_mut() {
                last.1 = candidate + 1;
            }
            match of_right.get(candidate).copied().flatten() {
                Some(holder) => path.push((holder, 0)),
                None => {
                    for (who, next) in &path {
                        if let Some(slot) = of_right.get_mut(next - 1) {
                            *slot = Some(*who);
                        }
                    }
                    break;
                }
            }
        }
    }
    let mut partners = vec![None; left];
    for (index, holder) in of_right.into_iter().enumerate() {
        if let Some(slot) = holder.and_then(|holder| partners.get_mut(holder)) {
            *slot = Some(index);
        }
    }
    partners
}

fn texts(wanted: &[Option<&Expected>]) -> Vec<String> {
    wanted
        .iter()
        .map(|value| value.map_or_else(|| "·".to_owned(), show_expected))
        .collect()
}

/// Add an expected row and the one that came in its place.
pub(super) fn pair(grid: &mut Grid, wanted: &[Option<&Expected>], found: &[Cell]) {
    let differs: Vec<bool> = wanted
        .iter()
        .zip(found)
        .map(|(wanted, found)| wanted.is_some_and(|wanted| !matches(wanted, found)))
        .collect();
    grid.lines.push(Line {
        kind: LineKind::Expected,
        cells: texts(wanted),
        differs: differs.clone(),
    });
    grid.lines.push(Line {
        kind: LineKind::Got,
        cells: found.iter().map(show).collect(),
        differs,
    });
}

pub(super) fn missing(wanted: &[Option<&Expected>]) -> Line {
    Line {
        kind: LineKind::Missing,
        cells: texts(wanted),
        differs: vec![false; wanted.len()],
    }
}

pub(super) fn extra(found: &[Cell]) -> Line {
    Line {
        kind: LineKind::Extra,
        cells: found.iter().map(show).collect(),
        differs: vec![false; found.len()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rows: &[[i128; 2]]) -> Rows {
        Rows {
            columns: vec!["a".into(), "b".into()],
            rows: rows
                .iter()
                .map(|row| row.iter().map(|n| Cell::Integer(*n)).collect())
                .collect(),
        }
    }

    fn compare(wanted: &[[i64; 2]], rows_found: &[[i128; 2]], ordered: bool) -> Option<Grid> {
        let wanted: Vec<Vec<Expected>> = wanted
            .iter()
            .map(|row| row.iter().map(|n| Expected::Integer(*n)).collect())
            .collect();
        let wanted: Vec<Vec<&Expected>> = wanted.iter().map(|row| row.iter().collect()).collect();
        rows(&wanted, &found(rows_found), ordered)
    }

    fn kinds(grid: &Grid) -> Vec<&'static str> {
        grid.lines.iter().map(|line| line.kind.word()).collect()
    }

    #[test]
    fn order_counts_only_where_it_is_said() {
        assert_eq!(compare(&[[1, 2], [3, 4]], &[[3, 4], [1, 2]], false), None);
        let grid = compare(&[[1, 2], [3, 4]], &[[3, 4], [1, 2]], true).unwrap();
        assert_eq!(kinds(&grid), ["expected", "got", "expected", "got"]);
        assert_eq!(compare(&[], &[], true), None);
    }

    #[test]
    fn rows_count_as_often_as_they_come() {
        let grid = compare(&[[1, 2]], &[[1, 2], [1, 2]], false).unwrap();
        assert_eq!((kinds(&grid), grid.same), (vec!["extra"], 1));
        let grid = compare(&[[1, 2], [1, 2]], &[[1, 2]], false).unwrap();
        assert_eq!((kinds(&grid), grid.same), (vec!["missing"], 1));
    }

    #[test]
    fn a_row_that_is_nearly_right_stands_beside_the_expected_one() {
        let grid = compare(&[[1, 2]], &[[7, 8], [1, 3]], false).unwrap();
        assert_eq!(kinds(&grid), ["expected", "got", "extra"]);
        assert_eq!(grid.lines[0].differs, [false, true]);
        assert_eq!(grid.lines[1].cells, ["1", "3"]);
    }

    #[test]
    fn open_columns_find_the_partner_that_fits() {
        // The first would take what only the second can have.
        let fits = |left: usize, right: usize| match left {
            0 => true,
            _ => right == 0,
        };
        assert_eq!(assign(2, 2, fits), [Some(1), Some(0)]);
        assert_eq!(assign(3, 2, |_, _| true).iter().flatten().count(), 2);
        assert_eq!(assign(1, 0, |_, _| true), [None]);
    }
}
