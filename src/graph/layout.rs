//! Where boxes go in a picture: columns by how far a table is from those that nothing writes, and within a column near what
//! they are joined to. The steps are those of Sugiyama, Tagawa and Toda (1981), each in its simplest form.

/// What is laid out.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// Width and height of each box.
    pub(super) boxes: Vec<(f64, f64)>,
    /// From and to; loops are left out.
    pub(super) edges: Vec<(usize, usize)>,
}

/// Where everything is.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    /// The upper left corner of each box.
    pub(super) corners: Vec<(f64, f64)>,
    /// The column of each box.
    pub(super) columns: Vec<usize>,
    /// For each edge, the points that it passes on its way, from the box further left to the one further right.
    pub(super) bends: Vec<Vec<(f64, f64)>>,
    /// Of the whole picture.
    pub(super) width: f64,
    /// Of the whole picture.
    pub(super) height: f64,
}

const COLUMN_GAP: f64 = 110.0;
const ROW_GAP: f64 = 22.0;
const MARGIN: f64 = 24.0;
/// The height that an edge takes where it passes a column.
const LANE: f64 = 10.0;

/// A box, or the place where an edge passes a column.
struct Cell {
    height: f64,
    column: usize,
    left: Vec<usize>,
    right: Vec<usize>,
    y: f64,
}

pub(super) fn layout(plan: &Plan) -> Layout {
    let columns = columns(plan);
    let count = columns.iter().copied().max().map_or(0, |last| last + 1);
    let mut cells: Vec<Cell> = plan
        .boxes
        .iter()
        .zip(&columns)
        .map(|((_, height), column)| Cell {
            height: *height,
            column: *column,
            left: vec![],
            right: vec![],
            y: 0.0,
        })
        .collect();
    let mut lanes: Vec<Vec<usize>> = vec![];
    for (from, to) in &plan.edges {
        let of = |number: &usize| columns.get(*number).copied().unwrap_or_default();
        let (near, far) = if of(from) <= of(to) {
            (*from, *to)
        } else {
            (*to, *from)
        };
        let mut lane = vec![];
        let mut last = near;
        for column in of(&near) + 1..of(&far) {
            let number = cells.len();
            cells.push(Cell {
                height: LANE,
                column,
                left: vec![],
                right: vec![],
                y: 0.0,
            });
            join(&mut cells, last, number);
            lane.push(number);
            last = number;
        }
        if of(&near) != of(&far) {
            join(&mut cells, last, far);
        }
        lanes.push(lane);
    }
    let mut rows: Vec<Vec<usize>> = vec![vec![]; count];
    for (number, cell) in cells.iter().enumerate() {
        if let Some(row) = rows.get_mut(cell.column) {
            row.push(number);
        }
    }
    order(&mut rows, &cells);
    place(&rows, &mut cells);
    finish(plan, &columns, &cells, &lanes, count)
}

fn join(cells: &mut [Cell], left: usize, right: usize) {
    if let Some(cell) = cells.get_mut(left) {
        cell.right.push(right);
    }
    if let Some(cell) = cells.get_mut(right) {
        cell.left.push(left);
    }
}

/// The column of each box: one further right than all that lead to it, edges that close a cycle aside.
fn columns(plan: &Plan) -> Vec<usize> {
    let count = plan.boxes.len();
    let mut next: Vec<Vec<usize>> = vec![vec![]; count];
    let mut entries = vec![0_usize; count];
    for (from, to) in &plan.edges {
        if let Some(list) = next.get_mut(*from)
            && !list.contains(to)
        {
            list.push(*to);
            if let Some(entries) = entries.get_mut(*to) {
                *entries += 1;
            }
        }
    }
    // A walk in depth tells which edges lead back; it begins where nothing leads.
    let mut starts: Vec<usize> = (0..count).collect();
    starts.sort_by_key(|number| entries.get(*number).copied().unwrap_or_default());
    let mut state = vec![0_u8; count];
    let mut finished = vec![];
    for start in starts {
        let mut work = vec![(start, 0_usize)];
        if state.get(start) != Some(&0) {
            continue;
        }
        while let Some((node, at)) = work.pop() {
            if at == 0
                && let Some(state) = state.get_mut(node)
            {
                *state = 1;
            }
            let following = next.get_mut(node).map(|list| (list.get(at).copied(), list));
            let Some((Some(to), list)) = following else {
                if let Some(state) = state.get_mut(node) {
                    *state = 2;
                }
                finished.push(node);
                continue;
            };
            if state.get(to) == Some(&1) {
                list.remove(at);
                work.push((node, at));
                continue;
            }
            work.push((node, at + 1));
            if state.get(to) == Some(&0) {
                work.push((to, 0));
            }
        }
    }
    let mut columns = vec![0_usize; count];
    for node in finished.into_iter().rev() {
        let own = columns.get(node).copied().unwrap_or_default();
        for to in next.get(node).into_iter().flatten() {
            if let Some(column) = columns.get_mut(*to) {
                *column = (*column).max(own + 1);
            }
        }
    }
    columns
}

/// Sort each column by the mean place of its neighbours, there and back.
fn order(rows: &mut [Vec<usize>], cells: &[Cell]) {
    const SWEEPS: usize = 12;
    let mut place: Vec<f64> = vec![0.0; cells.len()];
    let note = |row: &[usize], place: &mut Vec<f64>| {
        for (index, number) in row.iter().enumerate() {
            if let Some(place) = place.get_mut(*number) {
                *place = to_f64(index) / to_f64(row.len().max(1));
            }
        }
    };
    for row in rows.iter() {
        note(row, &mut place);
    }
    for sweep in 0..SWEEPS {
        let rightwards = sweep % 2 == 0;
        let count = rows.len();
        for step in 0..count {
            let column = if rightwards { step } else { count - 1 - step };
            let Some(row) = rows.get_mut(column) else {
                continue;
            };
            let weight = |number: &usize| {
                let cell = cells.get(*number);
                let neighbours =
                    cell.map_or(
                        &[][..],
                        |cell| {
                            if rightwards { &cell.left } else { &cell.right }
                        },
                    );
                let own = place.get(*number).copied().unwrap_or_default();
                if neighbours.is_empty() {
                    return own;
                }
                let sum: f64 = neighbours
                    .iter()
                    .filter_map(|other| place.get(*other))
                    .sum();
                sum / to_f64(neighbours.len())
            };
            let mut keyed: Vec<(f64, usize)> =
                row.iter().map(|number| (weight(number), *number)).collect();
            keyed.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
            *row = keyed.into_iter().map(|(_, number)| number).collect();
            note(row, &mut place);
        }
    }
}

/// Heights: stacked, then moved towards the neighbours as far as the order lets them.
fn place(rows: &[Vec<usize>], cells: &mut [Cell]) {
    const PASSES: usize = 24;
    for row in rows {
        let mut y = MARGIN;
        for number in row {
            if let Some(cell) = cells.get_mut(*number) {
                cell.y = y;
                y += cell.height + ROW_GAP;
            }
        }
    }
    for pass in 0..PASSES {
        for row in rows {
            let wanted: Vec<f64> = row
                .iter()
                .map(|number| {
                    let Some(cell) = cells.get(*number) else {
                        return 0.0;
                    };
                    let near: Vec<f64> = cell
                        .left
                        .iter()
                        .chain(&cell.right)
                        .filter_map(|other| cells.get(*other))
                        .map(|other| other.y + other.height / 2.0)
                        .collect();
                    if near.is_empty() {
                        cell.y
                    } else {
                        near.iter().sum::<f64>() / to_f64(near.len()) - cell.height / 2.0
                    }
                })
                .collect();
            // Downwards in one pass, upwards in the next, so that neither edge draws all.
            let indices: Vec<usize> = if pass % 2 == 0 {
                (0..row.len()).collect()
            } else {
                (0..row.len()).rev().collect()
            };
            let mut limit = if pass % 2 == 0 { MARGIN } else { f64::MAX };
            for index in indices {
                let (Some(number), Some(wanted)) = (row.get(index), wanted.get(index)) else {
                    continue;
                };
                let Some(cell) = cells.get_mut(*number) else {
                    continue;
                };
                if pass % 2 == 0 {
                    cell.y = wanted.max(limit);
                    limit = cell.y + cell.height + ROW_GAP;
                } else {
                    cell.y = wanted.min(limit - cell.height);
                    limit = cell.y - ROW_GAP;
                }
            }
        }
    }
    let top = cells.iter().map(|cell| cell.y).fold(f64::MAX, f64::min);
    if top < f64::MAX {
        for cell in cells {
            cell.y += MARGIN - top;
        }
    }
}

fn finish(
    plan: &Plan,
    columns: &[usize],
    cells: &[Cell],
    lanes: &[Vec<usize>],
    count: usize,
) -> Layout {
    let mut widths = vec![0.0_f64; count];
    for ((width, _), column) in plan.boxes.iter().zip(columns) {
        if let Some(widest) = widths.get_mut(*column) {
            *widest = widest.max(*width);
        }
    }
    let mut lefts = vec![];
    let mut x = MARGIN;
    for width in &widths {
        lefts.push(x);
        x += width + COLUMN_GAP;
    }
    let left = |column: usize| lefts.get(column).copied().unwrap_or(MARGIN);
    let corners = cells
        .iter()
        .take(plan.boxes.len())
        .map(|cell| (left(cell.column), cell.y))
        .collect();
    let bends = lanes
        .iter()
        .map(|lane| {
            lane.iter()
                .filter_map(|number| cells.get(*number))
                .flat_map(|cell| {
                    let y = cell.y + cell.height / 2.0;
                    let from = left(cell.column);
                    let to = from + widths.get(cell.column).copied().unwrap_or_default();
                    [(from, y), (to, y)]
                })
                .collect()
        })
        .collect();
    let height = cells
        .iter()
        .map(|cell| cell.y + cell.height)
        .fold(0.0, f64::max);
    Layout {
        corners,
        columns: columns.to_vec(),
        bends,
        width: x - COLUMN_GAP + MARGIN + 60.0,
        height: height + MARGIN,
    }
}

/// A count as a length; pictures have no more than thousands of anything.
fn to_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_what_is_written_to_the_right() {
        let plan = Plan {
            boxes: vec![(80.0, 40.0); 4],
            edges: vec![(0, 1), (1, 2), (0, 2), (2, 0)],
        };
        let layout = layout(&plan);
        let mut columns = layout.columns.clone();
        columns.truncate(3);
        assert_eq!(columns.iter().copied().max(), Some(2));
        assert_eq!(layout.columns.get(3), Some(&0), "a table by itself");
        assert!(
            layout.bends.iter().any(|bends| bends.len() == 2),
            "one edge passes a column"
        );
    }

    #[test]
    fn boxes_never_overlap() {
        let mut random = fastrand::Rng::with_seed(7);
        for count in [1, 2, 7, 30, 60] {
            let plan = Plan {
                boxes: (0..count)
                    .map(|_| (80.0, random.f64() * 90.0 + 20.0))
                    .collect(),
                edges: (0..count * 2)
                    .map(|_| (random.usize(..count), random.usize(..count)))
                    .filter(|(from, to)| from != to)
                    .collect(),
            };
            let layout = layout(&plan);
            for (left, (one, size)) in layout.corners.iter().zip(&plan.boxes).enumerate() {
                for (other, also) in layout.corners.iter().zip(&plan.boxes).skip(left + 1) {
                    let apart = one.0 + size.0 <= other.0
                        || other.0 + also.0 <= one.0
                        || one.1 + size.1 <= other.1 + 0.01
                        || other.1 + also.1 <= one.1 + 0.01;
                    assert!(apart, "{one:?} {size:?} and {other:?} {also:?}");
                }
            }
        }
    }
}
