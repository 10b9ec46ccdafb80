//! Whether a column takes every value of another, as far as their types as `format_type` prints them tell.

use crate::dialect::types::{parts, whole};

/// What a type is a form of. An assignment from one family to another has no cast, or loses something, unless [`takes`] says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// With the number of bytes.
    Integer(u8),
    Numeric,
    /// With the number of bytes.
    Float(u8),
    Text,
    /// The others of the server's own, each by itself.
    Date,
    Time,
    TimeWithZone,
    Timestamp,
    TimestampWithZone,
    Interval,
    Boolean,
    Uuid,
    Json,
    Bytes,
    Network,
}

fn family(name: &str) -> Option<Family> {
    Some(match name {
        "smallint" => Family::Integer(2),
        "integer" => Family::Integer(4),
        "bigint" => Family::Integer(8),
        "numeric" => Family::Numeric,
        "real" => Family::Float(4),
        "double precision" => Family::Float(8),
        "text" | "character varying" | "character" => Family::Text,
        "date" => Family::Date,
        "time without time zone" => Family::Time,
        "time with time zone" => Family::TimeWithZone,
        "timestamp without time zone" => Family::Timestamp,
        "timestamp with time zone" => Family::TimestampWithZone,
        "interval" => Family::Interval,
        "boolean" => Family::Boolean,
        "uuid" => Family::Uuid,
        "json" | "jsonb" => Family::Json,
        "bytea" => Family::Bytes,
        "inet" | "cidr" => Family::Network,
        _ => return None,
    })
}

/// Whether a column of type `to` takes every value of type `from`, and keeps it. What is not known for sure counts as taken:
/// domains, enums, types of extensions.
pub(super) fn takes(to: &str, from: &str) -> bool {
    use Family::{
        Date, Float, Integer, Interval, Numeric, Text, Time, TimeWithZone, Timestamp,
        TimestampWithZone,
    };
    if to == from {
        return true;
    }
    let (to_element, from_element) = (to.strip_suffix("[]"), from.strip_suffix("[]"));
    let ((to_name, to_size), (from_name, from_size)) = (
        parts(to_element.unwrap_or(to)),
        parts(from_element.unwrap_or(from)),
    );
    let (Some(to_family), Some(from_family)) = (family(&to_name), family(&from_name)) else {
        return true;
    };
    if to_element.is_some() != from_element.is_some() {
        // An array has a text, which says no more than how long it may be.
        return to_element.is_none() && to_family == Text;
    }
    match (to_family, from_family) {
        (Text, Text) => match (length(&to_name, &to_size), length(&from_name, &from_size)) {
            (Some(to), Some(from)) => from <= to,
            (Some(_), None) => false,
            (None, _) => true,
        },
        (Integer(to), Integer(from)) | (Float(to), Float(from)) => from <= to,
        (Numeric, Numeric) => match (to_size.as_slice(), from_size.as_slice()) {
            ([], _) => true,
            (to, from) if !from.is_empty() => {
                let (to, from) = (whole(to), whole(from));
                from.0 <= to.0 && from.1 <= to.1
            }
            _ => false,
        },
        (Text | Numeric | Float(_), Integer(_))
        | (Text | Float(_), Numeric)
        | (Text, _)
        | (Numeric, Float(_))
        | (Timestamp, Date | TimestampWithZone)
        | (TimestampWithZone, Date | Timestamp)
        | (TimeWithZone | Interval, Time)
        | (Time, TimeWithZone) => true,
        (to, from) => to == from,
    }
}

/// How many characters a text may have; nothing where there is no limit.
fn length(name: &str, size: &[i64]) -> Option<i64> {
    match (name, size) {
        (_, [length]) => Some(*length),
        ("character", _) => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::takes;

    #[test]
    fn what_a_column_takes() {
        for (to, from) in [
            ("bigint", "integer"),
            ("numeric", "numeric(10,2)"),
            ("numeric(12,2)", "numeric(10,2)"),
            ("character varying(30)", "character varying(20)"),
            ("text", "jsonb"),
            ("text", "integer[]"),
            ("text[]", "integer[]"),
            ("jsonb", "json"),
            ("timestamp with time zone", "timestamp(3) without time zone"),
            ("timestamp(0) with time zone", "date"),
            ("mood", "text"),
            ("integer", "positive"),
        ] {
            assert!(takes(to, from), "{to} takes {from}");
        }
    }

    #[test]
    fn what_a_column_does_not_take() {
        for (to, from) in [
            ("integer", "text"),
            ("integer", "bigint"),
            ("integer", "numeric(10,2)"),
            ("character varying(20)", "text"),
            ("character varying(20)", "character varying(30)"),
            ("numeric(10,2)", "numeric"),
            ("numeric(10,2)", "numeric(10,3)"),
            ("numeric(10,2)", "numeric(11,2)"),
            ("boolean", "integer"),
            ("integer", "boolean"),
            ("uuid", "text"),
            ("date", "timestamp with time zone"),
            ("integer[]", "integer"),
            ("integer[]", "text[]"),
            ("integer", "integer[]"),
        ] {
            assert!(!takes(to, from), "{to} does not take {from}");
        }
    }
}
