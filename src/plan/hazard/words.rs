//! Sizes and times in words.

use crate::db::size::{Measured, TableSize};

pub(super) fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl TableSize {
    /// `about 1,200,000 rows, 84 MB`; `None` where nothing is known.
    pub fn in_words(&self) -> Option<String> {
        let rows = self.rows.map(|rows| match rows {
            1 => "about 1 row".to_owned(),
            // What is estimated is not known to the last digit.
            rows if rows >= 10_000 => format!("about {} rows", grouped(rounded(rows))),
            rows => format!("about {} rows", grouped(rows)),
        });
        let bytes = self.bytes.map(|bytes| match self.of {
            Measured::Table => human(bytes),
            Measured::File => format!("file of {}", human(bytes)),
        });
        let parts: Vec<String> = [rows, bytes].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// A number with its first three digits.
fn rounded(number: u64) -> u64 {
    let digits = number.to_string().len();
    let unit = 10_u64.pow(u32::try_from(digits.saturating_sub(3)).unwrap_or(0));
    number / unit * unit
}

/// Bytes in the unit that leaves one to four digits.
fn human(bytes: u64) -> String {
    let mut value = bytes;
    for unit in ["bytes", "KiB", "MiB", "GiB"] {
        if value < 10_240 || unit == "GiB" {
            return format!("{} {unit}", grouped(value));
        }
        value /= 1024;
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_to_what_is_known() {
        let size = |rows, bytes, of| TableSize { rows, bytes, of }.in_words();
        let words = |rows, bytes| size(rows, bytes, Measured::Table).unwrap_or_default();
        assert_eq!(words(Some(1), Some(8192)), "about 1 row, 8,192 bytes");
        assert_eq!(
            words(Some(1_234_567), Some(88_080_384)),
            "about 1,230,000 rows, 84 MiB"
        );
        assert_eq!(words(Some(9_999), None), "about 9,999 rows");
        assert_eq!(words(Some(0), None), "about 0 rows");
        assert_eq!(words(Some(12_345), Some(0)), "about 12,300 rows, 0 bytes");
        assert_eq!(words(None, Some(u64::MAX)), "17,179,869,183 GiB");
        assert_eq!(
            size(None, Some(20_480), Measured::File).as_deref(),
            Some("file of 20 KiB")
        );
        assert_eq!(size(None, None, Measured::Table), None);
    }

    #[test]
    fn times() {
        assert_eq!(
            [5, 119, 120, 7199, 7200, 100_000].map(duration),
            ["5 s", "119 s", "2 min", "119 min", "2 h", "27 h"]
        );
    }
}
