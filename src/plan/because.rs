//! Why a text that is rendered from its table is another than the one that was recorded: the columns that came and went.

use crate::model::{Definition, Seen};

/// What happened to the table that an object's texts were rendered from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Followed {
    /// `table users gained column phone`.
    pub(super) what: String,
    /// The templates are not those of then either.
    pub(super) templates_changed: bool,
}

/// Compare what the templates read when the object was recorded with what they read now; `None` where nothing is known
/// of either side, or nothing differs.
pub(super) fn followed(recorded: Option<&Definition>, wanted: &Definition) -> Option<Followed> {
    let Seen {
        table: _,
        templates: old_templates,
        columns: old_columns,
    } = recorded?.seen()?;
    let Seen {
        table,
        templates,
        columns,
    } = wanted.seen()?;
    let what = columns_changed(old_columns.as_deref()?, columns.as_deref()?)?;
    Some(Followed {
        what: format!("table {table} {what}"),
        templates_changed: old_templates != templates,
    })
}

fn columns_changed(before: &[String], after: &[String]) -> Option<String> {
    if before == after {
        return None;
    }
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these
            .iter()
            .filter(|name| !those.contains(name))
            .cloned()
            .collect()
    };
    let (gained, lost) = (only(after, before), only(before, after));
    let some = |verb: &str, names: &[String]| match names {
        [] => None,
        [name] => Some(format!("{verb} column {name}")),
        names => Some(format!("{verb} columns {}", names.join(", "))),
    };
    Some(match (some("gained", &gained), some("lost", &lost)) {
        (Some(gained), Some(lost)) => format!("{gained} and {lost}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "has its columns in another order".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(before: &[&str], after: &[&str]) -> Option<String> {
        let owned = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        columns_changed(&owned(before), &owned(after))
    }

    #[test]
    fn what_came_and_what_went() {
        for (before, after, expected) in [
            (&["a"][..], &["a", "b"][..], "gained column b"),
            (&["a", "b"], &["b"], "lost column a"),
            (&["a"], &["a", "b", "c"], "gained columns b, c"),
            (
                &["a", "b"],
                &["a", "c"],
                "gained column c and lost column b",
            ),
            (&["a", "b"], &["b", "a"], "has its columns in another order"),
        ] {
            assert_eq!(said(before, after).as_deref(), Some(expected));
        }
        assert_eq!(said(&["a", "b"], &["a", "b"]), None);
    }
}
