//! What came out against what was to come out, one value at a time, and how either is shown.

use std::fmt::Write as _;

use serde_json::Value as Json;
use toml::value::{Date, Datetime, Offset, Time};

use crate::db::stage::Cell;
use crate::spec::Expected;

/// How much two floating-point numbers may differ, relative to the larger one: sums come out in any order.
const TOLERANCE: f64 = 1e-9;

/// Whether a value is what was expected.
#[allow(clippy::match_same_arms)] // One arm a pair of types: what is compared differs in each.
pub fn matches(expected: &Expected, cell: &Cell) -> bool {
    match (expected, cell) {
        (Expected::Any, _) | (Expected::Null, Cell::Null) => true,
        (Expected::Null, _) | (_, Cell::Null) => false,
        (Expected::Bool(wanted), Cell::Bool(found)) => wanted == found,
        // Engines without truth values have 0 and 1.
        (Expected::Bool(wanted), Cell::Integer(found)) => *found == i128::from(*wanted),
        (Expected::Integer(wanted), Cell::Integer(found)) => i128::from(*wanted) == *found,
        (Expected::Integer(wanted), Cell::Float(found)) => close(as_float(*wanted), *found),
        (Expected::Integer(wanted), Cell::Decimal(found)) => {
            same_number(&wanted.to_string(), found)
        }
        (Expected::Float(wanted), Cell::Float(found)) => close(*wanted, *found),
        (Expected::Float(wanted), Cell::Integer(_) | Cell::Decimal(_)) => {
            number(cell).is_some_and(|found| close(*wanted, found))
        }
        (Expected::Decimal(wanted), Cell::Decimal(found) | Cell::Text(found)) => {
            same_number(wanted, found)
        }
        (Expected::Decimal(wanted), Cell::Integer(found)) => {
            same_number(wanted, &found.to_string())
        }
        (Expected::Decimal(wanted), Cell::Float(found)) => wanted
            .parse::<f64>()
            .is_ok_and(|wanted| close(wanted, *found)),
        (Expected::Text(wanted), Cell::Text(found) | Cell::Decimal(found) | Cell::Json(found)) => {
            wanted == found
        }
        (Expected::Blob(wanted), Cell::Blob(found)) => wanted == found,
        (Expected::Json(wanted), Cell::Json(found) | Cell::Text(found)) => {
            serde_json::from_str::<Json>(found).is_ok_and(|found| same_json(wanted, &found))
        }
        // JSON of one number may come as a number.
        (Expected::Json(wanted), Cell::Integer(_) | Cell::Float(_)) => wanted
            .as_f64()
            .zip(number(cell))
            .is_some_and(|(wanted, found)| close(wanted, found)),
        (Expected::Time(wanted), Cell::Text(found)) => same_time(wanted, found),
        _ => false,
    }
}

#[allow(clippy::cast_precision_loss)] // A number that a double cannot hold is compared as the double that it is near.
fn as_float(number: i64) -> f64 {
    number as f64
}

#[allow(clippy::cast_precision_loss)] // As above.
fn number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Integer(number) => Some(*number as f64),
        Cell::Float(number) => Some(*number),
        Cell::Decimal(digits) => digits.parse().ok(),
        _ => None,
    }
}

#[allow(clippy::float_cmp)] // Equal infinities have no difference to measure.
fn close(left: f64, right: f64) -> bool {
    left == right
        || (left.is_nan() && right.is_nan())
        || (left - right).abs() <= TOLERANCE * left.abs().max(right.abs())
}

/// Whether two rows of digits are the same number: `1.10` is `1.1`, and nothing is rounded.
fn same_number(left: &str, right: &str) -> bool {
    match (digits(left), digits(right)) {
        (Some(left), Some(right)) => left == right,
        _ => false,
    }
}

/// Sign, whole part and fraction, without zeros that say nothing.
fn digits(text: &str) -> Option<(bool, &str, &str)> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let (whole, fraction) = (
        whole.trim_start_matches('0'),
        fraction.trim_end_matches('0'),
    );
    let is_zero = whole.is_empty() && fraction.is_empty();
    Some((negative && !is_zero, whole, fraction))
}

fn same_json(wanted: &Json, found: &Json) -> bool {
    match (wanted, found) {
        (Json::Number(wanted), Json::Number(found)) => {
            wanted == found
                || wanted
                    .as_f64()
                    .zip(found.as_f64())
                    .is_some_and(|(wanted, found)| close(wanted, found))
        }
        (Json::Array(wanted), Json::Array(found)) => {
            wanted.len() == found.len()
                && wanted
                    .iter()
                    .zip(found)
                    .all(|(wanted, found)| same_json(wanted, found))
        }
        (Json::Object(wanted), Json::Object(found)) => {
            wanted.len() == found.len()
                && wanted.iter().all(|(key, wanted)| {
                    found.get(key).is_some_and(|found| same_json(wanted, found))
                })
        }
        (wanted, found) => wanted == found,
    }
}

/// Whether a text is this date or time: the engines write a space for the T, leave zeros of seconds' fractions out or
/// not, and write offsets in several ways. A moment with an offset is the same moment with another one.
fn same_time(wanted: &Datetime, found: &str) -> bool {
    let Some(found) = read_time(found) else {
        return false;
    };
    let parts = |time: &Datetime| {
        (
            time.date.is_some(),
            time.time.is_some(),
            time.offset.is_some(),
        )
    };
    if parts(wanted) != parts(&found) {
        return false;
    }
    match (moment(wanted), moment(&found)) {
        (Some(wanted), Some(found)) => wanted == found,
        _ => {
            wanted.date == found.date
                && match (wanted.time, found.time) {
                    (Some(wanted), Some(found)) => clock(wanted) == clock(found),
                    (None, None) => true,
                    _ => false,
                }
        }
    }
}

fn clock(time: Time) -> (u8, u8, u8, u32) {
    (
        time.hour,
        time.minute,
        time.second.unwrap_or(0),
        time.nanosecond.unwrap_or(0),
    )
}

/// Nanoseconds since 1970 of a date with time and offset.
fn moment(time: &Datetime) -> Option<i128> {
    let (date, clock, offset) = (time.date?, time.time?, time.offset?);
    let minutes = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => minutes,
    };
    let date = jiff::civil::date(
        i16::try_from(date.year).ok()?,
        i8::try_from(date.month).ok()?,
        i8::try_from(date.day).ok()?,
    );
    let at = date.at(
        i8::try_from(clock.hour).ok()?,
        i8::try_from(clock.minute).ok()?,
        i8::try_from(clock.second.unwrap_or(0)).ok()?.min(59),
        i32::try_from(clock.nanosecond.unwrap_or(0)).ok()?,
    );
    let moment = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(moment.as_nanosecond() - i128::from(minutes) * 60_000_000_000)
}

/// A date, a time, or both, as engines print them.
fn read_time(text: &str) -> Option<Datetime> {
    let text = text.trim();
    // TOML has no `+00` and no space before an offset, and needs two digits in it.
    let mut normal = text.replacen(' ', "T", 1);
    if let Some(at) = normal.rfind(['+', '-']).filter(|at| *at > 10) {
        let offset = normal.get(at + 1..)?.to_owned();
        if offset.len() == 2 {
            normal.push_str(":00");
        } else if offset.len() == 4 && !offset.contains(':') {
            normal.insert(at + 3, ':');
        }
    }
    if let Some(plain) = normal.strip_suffix(" UTC") {
        normal = format!("{plain}Z");
    }
    let read: Datetime = normal.parse().ok()?;
    // A time alone of 24 hours is none, and a date must be one.
    if let Some(Date { year, month, day }) = read.date {
        jiff::civil::Date::new(
            i16::try_from(year).ok()?,
            i8::try_from(month).ok()?,
            i8::try_from(day).ok()?,
        )
        .ok()?;
    }
    Some(read)
}

/// What came out, for people: texts in quotes, so that `'1'` is not taken for 1.
pub fn show(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Bool(value) => value.to_string(),
        Cell::Integer(number) => number.to_string(),
        Cell::Float(number) => float(*number),
        Cell::Decimal(digits) => digits.clone(),
        Cell::Blob(bytes) => blob(bytes),
        Cell::Json(text) => text.clone(),
        Cell::Text(text) => quoted(text),
    }
}

/// What was to come out, in the same spelling.
pub fn show_expected(expected: &Expected) -> String {
    match expected {
        Expected::Null => "NULL".to_owned(),
        Expected::Any => "(any)".to_owned(),
        Expected::Bool(value) => value.to_string(),
        Expected::Integer(number) => number.to_string(),
        Expected::Float(number) => float(*number),
        Expected::Text(text) => quoted(text),
        Expected::Time(time) => time.to_string().replacen('T', " ", 1),
        Expected::Decimal(digits) => digits.clone(),
        Expected::Blob(bytes) => blob(bytes),
        Expected::Json(value) => value.to_string(),
    }
}

fn float(number: f64) -> String {
    format!("{number:?}")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn blob(bytes: &[u8]) -> String {
    let mut text = String::from("x'");
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Expected {
        Expected::Time(text.parse().unwrap())
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn numbers_are_numbers_and_texts_are_texts() {
        assert!(matches(&Expected::Integer(5), &Cell::Integer(5)));
        assert!(matches(&Expected::Integer(5), &Cell::Float(5.0)));
        assert!(matches(
            &Expected::Integer(5),
            &Cell::Decimal("5.00".into())
        ));
        assert!(!matches(
            &Expected::Integer(5),
            &Cell::Decimal("5.01".into())
        ));
        assert!(!matches(&Expected::Integer(5), &text("5")));
        assert!(!matches(&Expected::Text("5".into()), &Cell::Integer(5)));
        assert!(matches(&Expected::Float(0.3), &Cell::Float(0.1 + 0.2)));
        assert!(!matches(&Expected::Float(0.3), &Cell::Float(0.300_001)));
        assert!(matches(&Expected::Float(f64::NAN), &Cell::Float(f64::NAN)));
        assert!(matches(&Expected::Bool(true), &Cell::Integer(1)));
        assert!(matches(&Expected::Bool(false), &Cell::Bool(false)));
        assert!(!matches(&Expected::Bool(true), &Cell::Integer(2)));
        let tenth = |digits: &str| {
            matches(
                &Expected::Decimal("1.10".into()),
                &Cell::Decimal(digits.into()),
            )
        };
        assert!(
            tenth("1.1") && tenth("01.100") && !tenth("1.100000000000000001") && !tenth("-1.1")
        );
        assert!(matches(&Expected::Decimal("-0".into()), &Cell::Integer(0)));
    }

    #[test]
    fn null_is_only_null() {
        assert!(matches(&Expected::Null, &Cell::Null));
        assert!(matches(&Expected::Any, &Cell::Null));
        for expected in [
            Expected::Integer(0),
            Expected::Text(String::new()),
            Expected::Bool(false),
        ] {
            assert!(!matches(&expected, &Cell::Null));
        }
        assert!(!matches(&Expected::Null, &text("")));
    }

    #[test]
    fn times_are_compared_as_times() {
        let date = "2026-01-31";
        assert!(matches(&time(date), &text("2026-01-31")));
        assert!(!matches(&time(date), &text("2026-01-31 00:00:00")));
        assert!(!matches(&time(date), &text("2026-02-31")));
        let local = "2026-01-31T10:00:00";
        assert!(matches(&time(local), &text("2026-01-31 10:00:00")));
        assert!(matches(&time(local), &text("2026-01-31 10:00:00.000")));
        assert!(!matches(&time(local), &text("2026-01-31 10:00:00.001")));
        assert!(!matches(&time(local), &text("2026-01-31 10:00:00+00")));
        let moment = "2026-01-31T10:00:00Z";
        assert!(matches(&time(moment), &text("2026-01-31 11:00:00+01")));
        assert!(matches(&time(moment), &text("2026-01-31 15:30:00+0530")));
        assert!(matches(&time(moment), &text("2026-01-31T10:00:00Z")));
        assert!(!matches(&time(moment), &text("2026-01-31 10:00:00+01")));
        assert!(matches(&time("10:00:00"), &text("10:00:00")));
        assert!(!matches(&time("10:00:00"), &text("never")));
    }

    #[test]
    fn json_is_compared_by_what_it_says() {
        let wanted = Expected::Json(serde_json::json!({ "a": [1, null], "b": "x" }));
        assert!(matches(
            &wanted,
            &Cell::Json(r#"{"b": "x", "a": [1.0, null]}"#.into())
        ));
        assert!(matches(&wanted, &text(r#"{"a":[1,null],"b":"x"}"#)));
        assert!(!matches(&wanted, &text(r#"{"a":[null,1],"b":"x"}"#)));
        assert!(!matches(&wanted, &text(r#"{"a":[1,null],"b":"x","c":1}"#)));
        assert!(!matches(&wanted, &text("{")));
    }

    #[test]
    fn values_are_shown_so_that_they_can_be_told_apart() {
        assert_eq!(show(&text("it's")), "'it''s'");
        assert_eq!(show(&Cell::Blob(vec![0, 255])), "x'00ff'");
        assert_eq!(show(&Cell::Float(5.0)), "5.0");
        assert_eq!(show(&Cell::Null), "NULL");
        assert_eq!(
            show_expected(&time("2026-01-31T10:00:00")),
            "2026-01-31 10:00:00"
        );
    }
}
