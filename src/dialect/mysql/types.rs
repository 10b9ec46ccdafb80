//! Whether a column takes every value of another, as far as their types as `COLUMN_TYPE` prints them tell.

use crate::dialect::types::{parts, whole};

/// What a type is a form of. A value of one family in a column of another is refused in a strict mode, and altered in any other,
/// unless [`takes`] says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// With the number of bytes.
    Integer(u32),
    Decimal,
    /// With the number of bytes.
    Float(u32),
    /// Of so many characters.
    Characters,
    /// Of so many bytes: 256 to this power.
    Text(u32),
    Enum,
    Date,
    DateTime,
}

fn family(name: &str) -> Option<Family> {
    Some(match name {
        "tinyint" => Family::Integer(1),
        "smallint" => Family::Integer(2),
        "mediumint" => Family::Integer(3),
        "int" => Family::Integer(4),
        "bigint" => Family::Integer(8),
        "decimal" => Family::Decimal,
        "float" => Family::Float(4),
        "double" => Family::Float(8),
        "char" | "varchar" => Family::Characters,
        "tinytext" => Family::Text(1),
        "text" => Family::Text(2),
        "mediumtext" => Family::Text(3),
        "longtext" => Family::Text(4),
        "enum" => Family::Enum,
        "date" => Family::Date,
        "datetime" | "timestamp" => Family::DateTime,
        _ => return None,
    })
}

/// Whether a column of type `to` takes every value of type `from`, and keeps it. What is not known for sure counts as taken.
pub(super) fn takes(to: &str, from: &str) -> bool {
    use Family::{Characters, Date, DateTime, Decimal, Enum, Float, Integer, Text};
    if to == from {
        return true;
    }
    let ((to_name, to_size), (from_name, from_size)) = (parts(to), parts(from));
    let word = |name: &str| {
        let first = name.split_whitespace().next().unwrap_or_default();
        first.to_ascii_lowercase()
    };
    let unsigned = |name: &str| name.to_ascii_lowercase().contains("unsigned");
    let (Some(to_family), Some(from_family)) = (family(&word(&to_name)), family(&word(&from_name)))
    else {
        return true;
    };
    let number = |size: &[i64]| size.first().copied().unwrap_or(1);
    match (to_family, from_family) {
        (Integer(wide), Integer(narrow)) => match (unsigned(&to_name), unsigned(&from_name)) {
            (false, true) => narrow < wide,
            (true, false) => false,
            (true, true) | (false, false) => narrow <= wide,
        },
        (Decimal, Decimal) => {
            let (to, from) = (whole(&to_size), whole(&from_size));
            from.0 <= to.0 && from.1 <= to.1 && (!unsigned(&to_name) || unsigned(&from_name))
        }
        (Float(wide), Float(narrow)) | (Text(wide), Text(narrow)) => narrow <= wide,
        (Characters, Characters) => number(&from_size) <= number(&to_size),
        (Enum, Enum) => {
            let known = values(to);
            values(from).iter().all(|value| known.contains(value))
        }
        (Text(_), _) => true,
        (Characters, from) => !matches!(from, Text(_)),
        (Decimal | Float(_), from) => matches!(from, Integer(_) | Decimal | Float(_)),
        (DateTime, from) => matches!(from, Date | DateTime),
        (Integer(_) | Enum | Date, _) => false,
    }
}

/// The values of an ENUM as they are printed, with their quotes.
fn values(printed: &str) -> Vec<&str> {
    let mut found = vec![];
    let mut rest = printed;
    while let Some(begin) = rest.find('\'') {
        let from = rest.get(begin..).unwrap_or_default();
        // A quote within is doubled, and both are passed by.
        let mut quotes = from.match_indices('\'').map(|(at, _)| at).skip(1);
        let end = loop {
            match quotes.next() {
                Some(at)
                    if from
                        .get(at + 1..)
                        .is_some_and(|rest| rest.starts_with('\'')) =>
                {
                    quotes.next();
                }
                other => break other,
            }
        };
        let Some(end) = end else {
            return found;
        };
        found.push(from.get(..=end).unwrap_or_default());
        rest = from.get(end + 1..).unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::takes;

    #[test]
    fn what_a_column_takes() {
        for (to, from) in [
            ("bigint(20)", "int(11)"),
            ("bigint", "int unsigned"),
            ("int(11)", "int"),
            ("decimal(12,2)", "decimal(10,2)"),
            ("varchar(30)", "varchar(20)"),
            ("text", "varchar(20)"),
            ("varchar(20)", "int(11)"),
            ("enum('a','it''s, b','c')", "enum('it''s, b','a')"),
            ("datetime(6)", "timestamp"),
            ("datetime", "date"),
            ("geometry", "text"),
            ("longtext", "json"),
        ] {
            assert!(takes(to, from), "{to} takes {from}");
        }
    }

    #[test]
    fn what_a_column_does_not_take() {
        for (to, from) in [
            ("int(11)", "bigint(20)"),
            ("int(11)", "int(10) unsigned"),
            ("int(10) unsigned", "int(11)"),
            ("int", "varchar(20)"),
            ("int", "decimal(10,2)"),
            ("decimal(10,2)", "decimal(10,3)"),
            ("varchar(20)", "varchar(30)"),
            ("varchar(20)", "text"),
            ("text", "longtext"),
            ("enum('a','b')", "enum('a','b','c')"),
            ("enum('a')", "varchar(1)"),
            ("date", "datetime"),
        ] {
            assert!(!takes(to, from), "{to} does not take {from}");
        }
    }
}
