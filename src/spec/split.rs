//! A spec of thousands of triggers as many small documents: what TOML holds of a document while it is read is many times
//! its text, and one document is read by one processor. Cut only where it means the same; whatever is unusual, or wrong,
//! is read in one piece.

use std::ops::Range;

use toml_parser::Source;
use toml_parser::lexer::{Lexer, Token, TokenKind};

/// The keys whose elements are cut off.
const CUT: [&str; 2] = ["trigger", "function"];

/// How many bytes make a part; it ends with the element that reaches them.
const PART: usize = 4 * 1024;

/// A document in pieces.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split {
    /// Consecutive `[[trigger]]` and `[[function]]` with all that belongs to them, a document each.
    pub(super) parts: Vec<Range<usize>>,
    /// All that is in none of the parts.
    pub(super) rest: Vec<Range<usize>>,
}

impl Split {
    /// The rest as a document in which everything stands where it stood; `None` when it is the start of the text, as
    /// it mostly is.
    pub(super) fn blanked(&self, text: &str) -> Option<String> {
        if let [only] = self.rest.as_slice()
            && only.start == 0
        {
            return None;
        }
        let mut blanked = String::with_capacity(text.len());
        for range in &self.rest {
            // Line ends, so that a picture of the place would show the right line.
            blanked.extend(std::iter::repeat_n('\n', range.start - blanked.len()));
            blanked.push_str(text.get(range.clone()).unwrap_or_default());
        }
        Some(blanked)
    }
}

/// Cut a document at the headers of its triggers and functions; `None` where it is not plain to see that the pieces say
/// the same as the whole. That each piece is a document by itself is for the parser to find out.
pub(super) fn split(text: &str) -> Option<Split> {
    split_at(text, PART)
}

/// The same, with parts of `size` bytes.
fn split_at(text: &str, size: usize) -> Option<Split> {
    let mut split = Split {
        parts: vec![],
        rest: vec![],
    };
    let mut lexer = Source::new(text).lex();
    // What has been begun, and the key that it is about; the rest at first.
    let mut start = 0;
    let mut about: Option<&str> = None;
    let mut depth = 0_usize;
    let mut at_line_start = true;
    while let Some(token) = lexer.next() {
        match token.kind() {
            TokenKind::Whitespace => {}
            TokenKind::Newline => at_line_start = true,
            TokenKind::LeftSquareBracket if at_line_start && depth == 0 => {
                let at = token.span().start();
                match header(text, &mut lexer)? {
                    Header::Element(key) => {
                        if about.is_none() {
                            split.rest.push(start..at);
                            start = at;
                        } else if at - start >= size {
                            split.parts.push(start..at);
                            start = at;
                        }
                        about = Some(key);
                    }
                    // Belongs to the last element, which must be of this part.
                    Header::Below(key) => {
                        if about != Some(key) {
                            return None;
                        }
                    }
                    Header::Other => {
                        if about.take().is_some() {
                            split.parts.push(start..at);
                            start = at;
                        }
                    }
                }
                at_line_start = true;
            }
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => {
                at_line_start = false;
                depth += 1;
            }
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                at_line_start = false;
                depth = depth.checked_sub(1)?;
            }
            _ => at_line_start = false,
        }
    }
    let last = start..text.len();
    if about.is_some() {
        split.parts.push(last);
    } else {
        split.rest.push(last);
    }
    Some(split)
}

/// What a header begins.
enum Header<'a> {
    /// `[[trigger]]`.
    Element(&'a str),
    /// `[trigger.sqlite]`.
    Below(&'a str),
    /// Anything else.
    Other,
}

/// Read a header after its first bracket, to the end of its line; `None` when it is none, or is written in a way that
/// nobody does.
fn header<'a>(text: &'a str, lexer: &mut Lexer<'a>) -> Option<Header<'a>> {
    let mut tokens: Vec<Token> = vec![];
    for token in lexer.by_ref() {
        match token.kind() {
            TokenKind::Newline | TokenKind::Eof => break,
            TokenKind::Whitespace | TokenKind::Comment => {}
            _ => tokens.push(token),
        }
    }
    let is_element = tokens
        .first()
        .is_some_and(|token| token.kind() == TokenKind::LeftSquareBracket);
    let mut tokens = tokens.into_iter().skip(usize::from(is_element));
    let first = tokens.next()?;
    // A name in quotes would have to be read as TOML does.
    if first.kind() != TokenKind::Atom {
        return None;
    }
    let name = text.get(first.span().start()..first.span().end())?;
    let Some(key) = CUT.into_iter().find(|key| *key == name) else {
        return Some(Header::Other);
    };
    match tokens.next()?.kind() {
        TokenKind::Dot => Some(Header::Below(key)),
        TokenKind::RightSquareBracket if is_element => Some(Header::Element(key)),
        // `[trigger]`: one table where there should be a list.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use toml::de::DeTable;

    fn texts<'a>(text: &'a str, ranges: &[Range<usize>]) -> Vec<&'a str> {
        ranges.iter().map(|range| &text[range.clone()]).collect()
    }

    #[test]
    fn cuts_at_elements() {
        let long = format!(
            "[[trigger]]\nbody = '''\n[[trigger]]\n{}'''\n",
            "x".repeat(PART)
        );
        let text = format!(
            "version = 1\nlist = [\n[1],\n]\n{long} [[ trigger ]] # one\na = 1\n[trigger.sqlite]\nb = {{ c = [2] }}\n[vars]\nd = 1\n[[function]]\ne = 1"
        );
        let split = split(&text).unwrap();
        assert_eq!(
            texts(&text, &split.parts),
            [
                format!("{long} ").as_str(),
                "[[ trigger ]] # one\na = 1\n[trigger.sqlite]\nb = { c = [2] }\n",
                "[[function]]\ne = 1"
            ]
        );
        assert_eq!(
            texts(&text, &split.rest),
            ["version = 1\nlist = [\n[1],\n]\n", "[vars]\nd = 1\n"]
        );
        let blanked = split.blanked(&text).unwrap();
        assert_eq!(blanked.find("[vars]"), text.find("[vars]"));
        assert!(!blanked.contains("trigger"));
    }

    #[test]
    fn leaves_the_unusual_alone() {
        for text in [
            "[trigger]\n",
            "['trigger']\n",
            "[[\"trigger\"]]\n",
            "[trigger.sqlite]\n[[trigger]]\n",
            "[[trigger]]\n[vars]\n[trigger.sqlite]\n",
            "[[trigger]]\n[[function]]\n[trigger.sqlite]\n",
            "[]\n",
            "a = 1]\n",
        ] {
            assert_eq!(split(text), None, "{text}");
        }
        let whole = split("version = 1\n").unwrap();
        assert_eq!(
            (whole.parts.len(), whole.blanked("version = 1\n")),
            (0, None)
        );
    }

    /// Pieces of specs, good and bad, in any order.
    fn lines() -> impl Strategy<Value = String> {
        let line = prop::sample::select(vec![
            "[[trigger]]",
            "[[function]]",
            "[trigger.sqlite]",
            "[function.x]",
            "[trigger]",
            "[[trigger.y]]",
            "[vars]",
            "[database]",
            "[[vars]]",
            "['trigger']",
            "trigger = 1",
            "trigger.a = 1",
            "a = 1",
            "b = [",
            "[1],",
            "]",
            "c = '''",
            "'''",
            "d = \"\"\"",
            "e = \"[[trigger]]\"",
            "f = { g = [1] }",
            "# [[trigger]]",
            "h = '",
        ]);
        prop::collection::vec(line, 0..14).prop_map(|lines| lines.join("\n"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        /// Where all pieces are documents, the whole is one, with the same elements in the same order and the same rest.
        #[test]
        fn the_pieces_say_the_same(text in lines()) {
            let Some(split) = split_at(&text, 0) else { return Ok(()) };
            let blanked = split.blanked(&text);
            let start = split.rest.first().map_or(0, |range| range.end);
            let Ok(rest) = DeTable::parse(blanked.as_deref().unwrap_or(&text[..start])) else { return Ok(()) };
            if CUT.iter().any(|key| rest.get_ref().contains_key(*key)) {
                return Ok(());
            }
            let mut pieces: Vec<(String, String)> = vec![];
            for part in &split.parts {
                let Ok(part) = DeTable::parse(&text[part.clone()]) else { return Ok(()) };
                for (key, value) in part.get_ref() {
                    for element in value.get_ref().as_array().unwrap() {
                        pieces.push((key.get_ref().to_string(), shown(element.get_ref())));
                    }
                }
            }
            let whole = DeTable::parse(&text).unwrap().into_inner();
            let mut elements = vec![];
            for key in CUT {
                for element in whole.get(key).and_then(|value| value.get_ref().as_array()).into_iter().flat_map(|array| array.iter()) {
                    elements.push((key.to_owned(), shown(element.get_ref())));
                }
            }
            pieces.sort_by_key(|(key, _)| CUT.iter().position(|cut| cut == key));
            prop_assert_eq!(pieces, elements);
            for (key, value) in &whole {
                if !CUT.contains(&key.get_ref().as_ref()) {
                    prop_assert_eq!(shown(value.get_ref()), shown(rest.get_ref().get(key.get_ref().as_ref()).unwrap().get_ref()));
                    prop_assert_eq!(value.span(), rest.get_ref().get(key.get_ref().as_ref()).unwrap().span());
                }
            }
        }
    }

    fn shown(value: &toml::de::DeValue<'_>) -> String {
        match value {
            toml::de::DeValue::Table(table) => table
                .iter()
                .flat_map(|(key, value)| {
                    [
                        key.get_ref().to_string(),
                        "=".into(),
                        shown(value.get_ref()),
                        ";".into(),
                    ]
                })
                .collect(),
            toml::de::DeValue::Array(array) => array
                .iter()
                .map(|value| shown(value.get_ref()) + ",")
                .collect(),
            toml::de::DeValue::String(text) => format!("{text:?}"),
            toml::de::DeValue::Integer(integer) => integer.to_string(),
            other => format!("{other:?}"),
        }
    }
}
