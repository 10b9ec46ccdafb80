//! Lists of names as people read them: the first few, and how many more there are, everywhere in the same words.

use std::fmt::Display;

/// So many names are said where they are not what the message is about.
pub(crate) const NAMED: usize = 5;

/// The first `most` names, and how many more there are.
pub(crate) fn some(names: &[impl Display], most: usize) -> String {
    let mut text = String::new();
    for (number, name) in names.iter().take(most).enumerate() {
        if number > 0 {
            text.push_str(", ");
        }
        text.push_str(&name.to_string());
    }
    match names.len().saturating_sub(most) {
        0 => text,
        more => format!("{text}, and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_named_and_the_others_counted() {
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        assert_eq!(some(&names[..0], NAMED), "");
        assert_eq!(some(&names[..1], 1), "a");
        assert_eq!(some(&names[..5], NAMED), "a, b, c, d, e");
        assert_eq!(some(&names, NAMED), "a, b, c, d, e, and 2 more");
        assert_eq!(some(&names, 1), "a, and 6 more");
    }
}
