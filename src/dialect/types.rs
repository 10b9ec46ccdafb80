//! A column's type, as a catalog prints it, taken apart: what both families of servers have in common.

/// The name of a type without what is in parentheses, and the numbers that are: `numeric` and 10, 2 of `numeric(10,2)`.
pub(super) fn parts(printed: &str) -> (String, Vec<i64>) {
    let Some((name, rest)) = printed.split_once('(') else {
        return (printed.to_owned(), vec![]);
    };
    let Some((inside, behind)) = rest.rsplit_once(')') else {
        return (printed.to_owned(), vec![]);
    };
    let numbers = inside.split(',').map_while(|one| one.trim().parse().ok());
    (format!("{}{behind}", name.trim_end()), numbers.collect())
}

/// The digits before the point, and those behind it, of a precision and a scale.
pub(super) fn whole(size: &[i64]) -> (i64, i64) {
    let scale = size.get(1).copied().unwrap_or(0);
    (size.first().copied().unwrap_or(0) - scale, scale)
}
