//! What a table went through: its rows before against its rows after, as rows that came, went and changed.

use std::collections::HashMap;

use crate::db::stage::{Cell, Snapshot};
use crate::error::Located;
use crate::spec::ChangesSpec;

use super::compare::{Grid, LineKind, align, assign, extra, fits, missing, named, pair};

/// What differs from what was expected, each with the word of its key (`added`, `removed`, `changed`).
pub(super) type Differences = Vec<(&'static str, Grid)>;

/// Compare two moments of a table with what was to happen between them. `Err` names a column that is not there.
pub(super) fn compare<'a>(
    spec: &'a ChangesSpec,
    before: &Snapshot,
    after: &Snapshot,
) -> Result<Differences, &'a Located<String>> {
    let columns: Vec<String> = after
        .rows
        .columns
        .iter()
        .take(after.shown)
        .cloned()
        .collect();
    let mut moved = difference(before, after);
    let mut differences = vec![];

    // Pairs that are expected, and came as one that went and one that came: rows that nothing tells apart.
    let mut pairs = vec![];
    for wanted in &spec.changed {
        pairs.push((align(&columns, &wanted.from)?, align(&columns, &wanted.to)?));
    }
    let open: Vec<usize> = assign(pairs.len(), moved.changed.len(), |left, right| {
        pairs
            .get(left)
            .zip(moved.changed.get(right))
            .is_some_and(|((from, to), (old, new))| fits(from, old) && fits(to, new))
    })
    .into_iter()
    .enumerate()
    .filter(|(_, partner)| partner.is_none())
    .map(|(index, _)| index)
    .collect();
    for index in open {
        let Some((from, to)) = pairs.get(index) else {
            continue;
        };
        let old = moved.removed.iter().position(|row| fits(from, row));
        let new = moved.added.iter().position(|row| fits(to, row));
        if let (Some(old), Some(new)) = (old, new) {
            let pair = (moved.removed.remove(old), moved.added.remove(new));
            moved.changed.push(pair);
        }
    }

    for (word, wanted, found) in [
        ("added", &spec.added, &moved.added),
        ("removed", &spec.removed, &moved.removed),
    ] {
        if let Some(grid) = named(&columns, wanted, found)? {
            differences.push((word, narrowed(grid)));
        }
    }
    let partners = assign(pairs.len(), moved.changed.len(), |left, right| {
        pairs
            .get(left)
            .zip(moved.changed.get(right))
            .is_some_and(|((from, to), (old, new))| fits(from, old) && fits(to, new))
    });
    let mut grid = Grid {
        columns,
        same: partners.iter().flatten().count(),
        ..Grid::default()
    };
    let mut over: Vec<_> = (0..moved.changed.len())
        .filter(|index| !partners.contains(&Some(*index)))
        .collect();
    for ((from, to), _) in pairs
        .iter()
        .zip(&partners)
        .filter(|(_, partner)| partner.is_none())
    {
        // A row that was the right one before shows best what is wrong with it now.
        let near = over.iter().position(|index| {
            moved
                .changed
                .get(*index)
                .is_some_and(|(old, _)| fits(from, old))
        });
        let near = near.or_else(|| (!over.is_empty()).then_some(0));
        match near
            .map(|near| over.remove(near))
            .and_then(|index| moved.changed.get(index))
        {
            Some((old, new)) => {
                if !fits(from, old) {
                    pair(&mut grid, from, old);
                }
                pair(&mut grid, to, new);
            }
            None => {
                grid.lines.extend([missing(from), missing(to)]);
            }
        }
    }
    for (old, new) in over
        .into_iter()
        .filter_map(|index| moved.changed.get(index))
    {
        let (mut from, mut to) = (extra(old), extra(new));
        let differs: Vec<bool> = old
            .iter()
            .zip(new.iter())
            .map(|(old, new)| old != new)
            .collect();
        (from.differs, to.differs) = (differs.clone(), differs);
        grid.lines.extend([from, to]);
    }
    if !grid.lines.is_empty() {
        differences.push(("changed", narrowed(grid)));
    }
    Ok(differences)
}

/// Without the columns that no line speaks of.
fn narrowed(mut grid: Grid) -> Grid {
    let speaks: Vec<bool> = (0..grid.columns.len())
        .map(|at| {
            grid.lines.iter().any(|line| match line.kind {
                LineKind::Expected | LineKind::Missing => {
                    line.cells.get(at).is_some_and(|cell| cell != "·")
                }
                LineKind::Extra => true,
                LineKind::Got => false,
            })
        })
        .collect();
    let keep = |index: &usize| speaks.get(*index).copied().unwrap_or(true);
    fn only<T>(list: &mut Vec<T>, keep: impl Fn(&usize) -> bool) {
        let mut index = 0;
        list.retain(|_| {
            index += 1;
            keep(&(index - 1))
        });
    }
    if speaks.contains(&true) {
        only(&mut grid.columns, keep);
        for line in &mut grid.lines {
            only(&mut line.cells, keep);
            only(&mut line.differs, keep);
        }
    }
    grid
}

/// Rows that came, went and changed; of their own columns only.
#[derive(Default)]
struct Moved<'a> {
    added: Vec<&'a [Cell]>,
    removed: Vec<&'a [Cell]>,
    changed: Vec<(&'a [Cell], &'a [Cell])>,
}

fn difference<'a>(before: &'a Snapshot, after: &'a Snapshot) -> Moved<'a> {
    // What cannot be hashed is told apart by how it is written, the kind included.
    let spelled = |cells: &[Cell]| format!("{cells:?}");
    let mut counts: HashMap<String, usize> = HashMap::new();
    for row in &before.rows.rows {
        *counts.entry(spelled(row)).or_default() += 1;
    }
    let mut came = vec![];
    for row in &after.rows.rows {
        match counts.get_mut(&spelled(row)).filter(|count| **count > 0) {
            Some(count) => *count -= 1,
            None => came.push(row),
        }
    }
    let mut went = vec![];
    for row in &before.rows.rows {
        if let Some(count) = counts.get_mut(&spelled(row)).filter(|count| **count > 0) {
            *count -= 1;
            went.push(row);
        }
    }
    let mut moved = Moved::default();
    let key = |row: &[Cell]| -> Option<String> {
        if before.key.is_empty() || before.key != after.key {
            return None;
        }
        let cells: Vec<&Cell> = before.key.iter().filter_map(|at| row.get(*at)).collect();
        Some(format!("{cells:?}"))
    };
    let own = |row: &'a [Cell]| row.get(..after.shown.min(row.len())).unwrap_or(row);
    let mut by_key: HashMap<String, &'a [Cell]> = HashMap::new();
    for row in went {
        match key(row) {
            Some(key) => {
                by_key.insert(key, row);
            }
            None => moved.removed.push(own(row)),
        }
    }
    for row in came {
        match key(row).and_then(|key| by_key.remove(&key)) {
            Some(old) => moved.changed.push((own(old), own(row))),
            None => moved.added.push(own(row)),
        }
    }
    // In the order of the table, whatever the order of the map.
    let mut gone: Vec<&[Cell]> = by_key.into_values().collect();
    gone.sort_by_key(|row| {
        before
            .rows
            .rows
            .iter()
            .position(|other| std::ptr::eq(other.as_slice(), *row))
    });
    moved.removed.extend(gone.into_iter().map(own));
    moved
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::db::stage::Rows;
    use crate::error::{SourceFile, Span};
    use crate::spec::{ChangedSpec, Expected, RowSpec, TableRef};

    fn located<T>(value: T) -> Located<T> {
        let file = Arc::new(SourceFile {
            name: "t".into(),
            text: String::new(),
        });
        Located {
            value,
            span: Span { file, range: 0..0 },
        }
    }

    fn row(cells: &[(&str, i64)]) -> RowSpec {
        cells
            .iter()
            .map(|(name, n)| (located((*name).to_owned()), located(Expected::Integer(*n))))
            .collect()
    }

    fn spec(added: &[RowSpec], removed: &[RowSpec], changed: &[(RowSpec, RowSpec)]) -> ChangesSpec {
        ChangesSpec {
            span: located(()).span,
            table: located(TableRef {
                schema: None,
                name: "t".into(),
                is_pattern: false,
            }),
            added: added.to_vec(),
            removed: removed.to_vec(),
            changed: changed
                .iter()
                .cloned()
                .map(|(from, to)| ChangedSpec { from, to })
                .collect(),
        }
    }

    fn snapshot(rows: &[[i128; 2]], key: &[usize]) -> Snapshot {
        Snapshot {
            rows: Rows {
                columns: vec!["id".into(), "n".into()],
                rows: rows
                    .iter()
                    .map(|row| row.iter().map(|n| Cell::Integer(*n)).collect())
                    .collect(),
            },
            key: key.to_vec(),
            shown: 2,
        }
    }

    fn words(spec: &ChangesSpec, before: &Snapshot, after: &Snapshot) -> Vec<&'static str> {
        compare(spec, before, after)
            .unwrap()
            .into_iter()
            .map(|(word, _)| word)
            .collect()
    }

    #[test]
    fn a_key_tells_a_change_from_coming_and_going() {
        let (before, after) = (
            snapshot(&[[1, 1], [2, 1]], &[0]),
            snapshot(&[[1, 2], [3, 1]], &[0]),
        );
        let right = spec(
            &[row(&[("id", 3)])],
            &[row(&[("id", 2)])],
            &[(row(&[("n", 1)]), row(&[("n", 2)]))],
        );
        assert!(words(&right, &before, &after).is_empty());
        let nothing = spec(&[], &[], &[]);
        assert_eq!(
            words(&nothing, &before, &after),
            ["added", "removed", "changed"]
        );
        assert!(words(&nothing, &before, &before).is_empty());
    }

    #[test]
    fn without_a_key_an_expected_change_is_one_that_went_and_one_that_came() {
        let (before, after) = (
            snapshot(&[[1, 1], [1, 1]], &[]),
            snapshot(&[[1, 1], [1, 2]], &[]),
        );
        let changed = spec(&[], &[], &[(row(&[("n", 1)]), row(&[("n", 2)]))]);
        assert!(words(&changed, &before, &after).is_empty());
        let both = spec(&[row(&[("n", 2)])], &[row(&[("n", 1)])], &[]);
        assert!(words(&both, &before, &after).is_empty());
        assert_eq!(
            words(&spec(&[], &[], &[]), &before, &after),
            ["added", "removed"]
        );
    }

    #[test]
    fn a_wrong_change_shows_what_the_row_became() {
        let (before, after) = (snapshot(&[[1, 1]], &[0]), snapshot(&[[1, 2]], &[0]));
        let wrong = spec(&[], &[], &[(row(&[("n", 1)]), row(&[("n", 5)]))]);
        let differences = compare(&wrong, &before, &after).unwrap();
        let (word, grid) = &differences[0];
        assert_eq!(
            (*word, grid.columns.clone()),
            ("changed", vec!["n".to_owned()])
        );
        assert_eq!(grid.lines[0].cells, ["5"]);
        assert_eq!(grid.lines[1].cells, ["2"]);
        assert_eq!(grid.lines[1].differs, [true]);
        let missing = compare(&wrong, &before, &before).unwrap();
        assert_eq!(missing[0].1.lines.len(), 2);
        assert_eq!(missing[0].1.lines[0].kind, LineKind::Missing);
    }

    #[test]
    fn an_unknown_column_is_named() {
        let before = snapshot(&[], &[0]);
        let unknown = spec(&[row(&[("x", 1)])], &[], &[]);
        assert_eq!(compare(&unknown, &before, &before).unwrap_err().value, "x");
    }
}
