//! Table and function names as they stand in a spec: `users`, `app.users`, `app."Odd.Name"`, and patterns.

use std::fmt;
use std::ops::Range;

use super::TableRef;

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameError {
    /// What is wrong, for the end of a sentence that begins with the name.
    pub message: &'static str,
    /// Which bytes of the text.
    pub range: Range<usize>,
    /// What to write instead.
    pub help: &'static str,
}

impl TableRef {
    /// Read `name` or `schema.name`; parts may stand in SQL double quotes. Case is kept as it is written.
    ///
    /// # Errors
    /// A part is empty, a quote is not closed, there are more than two parts, or a pattern stands where none can.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let mut parts: Vec<(String, bool)> = vec![];
        let mut rest = 0;
        loop {
            let is_quoted = text.get(rest..).is_some_and(|tail| tail.starts_with('"'));
            let (part, end) = part(text, rest)?;
            let is_pattern = !is_quoted && has_wildcard(&part);
            parts.push((part, is_pattern));
            match text.get(end..).and_then(|tail| tail.chars().next()) {
                None => break,
                Some(_) => rest = end + 1,
            }
            if parts.len() == 2 {
                return Err(NameError {
                    message: "has more than two parts",
                    range: end..text.len(),
                    help: "write `name` or `schema.name`; a name with a dot in it goes in double quotes",
                });
            }
        }
        let (name, is_pattern) = parts.pop().unwrap_or_default();
        let schema = parts.pop();
        if let Some((_, true)) = schema {
            return Err(NameError {
                message: "has a pattern for its schema",
                range: 0..text.len(),
                help: "name each schema: only the table's part may be a pattern",
            });
        }
        Ok(Self {
            schema: schema.map(|(schema, _)| schema),
            name,
            is_pattern,
        })
    }

    /// The one table of this name, whatever characters are in it.
    pub fn exactly(schema: Option<String>, name: String) -> Self {
        Self {
            schema,
            name,
            is_pattern: false,
        }
    }

    /// Whether the name is a pattern with `*` (any characters) or `?` (any one).
    pub fn is_glob(&self) -> bool {
        self.is_pattern
    }

    /// Whether this names, or its pattern matches, the table `name` in `schema`. Without a schema of its own it
    /// matches in any: which one is meant is the database's to say. Case counts.
    pub fn matches(&self, schema: &str, name: &str) -> bool {
        let fits = if self.is_pattern {
            glob(&self.name, name)
        } else {
            self.name == name
        };
        self.schema.as_deref().is_none_or(|own| own == schema) && fits
    }
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// One part from `start`; the part and where it ends.
fn part(text: &str, start: usize) -> Result<(String, usize), NameError> {
    let tail = text.get(start..).unwrap_or_default();
    if let Some(inside) = tail.strip_prefix('"') {
        return quoted(text, start, inside);
    }
    let length = tail.find('.').unwrap_or(tail.len());
    let end = start + length;
    let part = tail.get(..length).unwrap_or_default();
    if part.is_empty() {
        return Err(NameError {
            message: if text.is_empty() {
                "is empty"
            } else {
                "has an empty part"
            },
            range: start..end,
            help: "write `name` or `schema.name`",
        });
    }
    if let Some(quote) = part.find('"') {
        return Err(NameError {
            message: "has a double quote in the middle",
            range: start + quote..start + quote + 1,
            help: "put the whole part in double quotes, and write a quote inside it twice",
        });
    }
    if part.trim() != part {
        return Err(NameError {
            message: "has a space at the edge",
            range: start..end,
            help: "take the space away, or put the part in double quotes",
        });
    }
    Ok((part.to_owned(), end))
}

fn quoted(text: &str, start: usize, inside: &str) -> Result<(String, usize), NameError> {
    let mut part = String::new();
    let mut chars = inside.char_indices().peekable();
    while let Some((index, c)) = chars.next() {
        if c != '"' {
            part.push(c);
            continue;
        }
        if chars.next_if(|(_, next)| *next == '"').is_some() {
            part.push('"');
            continue;
        }
        let end = start + 1 + index + 1;
        if part.is_empty() {
            return Err(NameError {
                message: "has an empty part",
                range: start..end,
                help: "write `name` or `schema.name`",
            });
        }
        return match chars.peek() {
            None | Some((_, '.')) => Ok((part, end)),
            Some((_, other)) => Err(NameError {
                message: "goes on after a closing double quote",
                range: end..end + other.len_utf8(),
                help: "write a double quote inside a quoted name twice",
            }),
        };
    }
    Err(NameError {
        message: "has a double quote that is not closed",
        range: start..text.len(),
        help: "close it, or write a double quote inside a quoted name twice",
    })
}

/// `*` is any characters, `?` any one. Linear but for backtracking to the last `*`.
fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&c) = text.get(t) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&expected) if expected == '?' || expected == c => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((star_p, star_t)) => {
                    star = Some((star_p, star_t + 1));
                    p = star_p + 1;
                    t = star_t + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

impl fmt::Display for TableRef {
    /// As it would stand in a spec: parsing it gives the same again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write_part(f, schema)?;
            f.write_str(".")?;
        }
        if self.is_pattern {
            return f.write_str(&self.name);
        }
        write_part(f, &self.name)
    }
}

fn write_part(f: &mut fmt::Formatter<'_>, part: &str) -> fmt::Result {
    if part.contains(['.', '"', '*', '?']) || part.trim() != part || part.is_empty() {
        write!(f, "\"{}\"", part.replace('"', "\"\""))
    } else {
        f.write_str(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(schema: Option<&str>, name: &str) -> TableRef {
        TableRef::exactly(schema.map(str::to_owned), name.to_owned())
    }

    #[test]
    fn reads_plain_qualified_and_quoted_names() {
        assert_eq!(TableRef::parse("users").unwrap(), table(None, "users"));
        assert_eq!(
            TableRef::parse("app.users").unwrap(),
            table(Some("app"), "users")
        );
        assert_eq!(
            TableRef::parse("app.\"Odd.Na\"\"me\"").unwrap(),
            table(Some("app"), "Odd.Na\"me")
        );
        assert_eq!(
            TableRef::parse("\"a.b\".c").unwrap(),
            table(Some("a.b"), "c")
        );
    }

    #[test]
    fn refuses_what_is_no_name() {
        for (text, message) in [
            ("", "is empty"),
            ("a.", "has an empty part"),
            (".a", "has an empty part"),
            ("\"\"", "has an empty part"),
            ("a.b.c", "has more than two parts"),
            ("\"a", "has a double quote that is not closed"),
            ("\"a\"b", "goes on after a closing double quote"),
            ("a\"b", "has a double quote in the middle"),
            (" a", "has a space at the edge"),
            ("s*.a", "has a pattern for its schema"),
        ] {
            assert_eq!(
                TableRef::parse(text).unwrap_err().message,
                message,
                "{text}"
            );
        }
    }

    #[test]
    fn patterns_match() {
        let all = TableRef::parse("app.*").unwrap();
        assert!(all.is_glob() && all.matches("app", "users") && !all.matches("b", "users"));
        let some = TableRef::parse("a*b?c").unwrap();
        assert!(some.matches("x", "aXXbYc") && some.matches("x", "abbbc"));
        assert!(!some.matches("x", "abc") && !some.matches("x", "aXXbYcd"));
        assert!(!TableRef::parse("a").unwrap().matches("x", "A"));
        let odd = TableRef::parse("\"s?\".\"a*\"").unwrap();
        assert!(!odd.is_glob() && odd.matches("s?", "a*") && !odd.matches("s?", "ab"));
        assert_eq!(odd, table(Some("s?"), "a*"));
    }

    proptest! {
        #[test]
        fn display_and_parse_are_inverse(schema in proptest::option::of("[^\0]{1,6}"), name in "[^\0]{1,6}") {
            let reference = TableRef::exactly(schema, name);
            prop_assert_eq!(TableRef::parse(&reference.to_string()).unwrap(), reference);
        }

        #[test]
        fn parse_never_panics(text in ".{0,12}") {
            if let Err(error) = TableRef::parse(&text) {
                prop_assert!(text.get(error.range).is_some());
            }
        }
    }
}
