//! The lexer proper: total, without gaps, and never inside a character.

use super::{Syntax, Token, TokenKind};

/// Cut `text` into tokens that cover it without gaps. Never fails: what an engine would refuse comes as an operator of
/// one character, or as [`TokenKind::Unterminated`].
pub fn tokens<'a>(text: &'a str, syntax: &'a Syntax) -> impl Iterator<Item = Token> + 'a {
    Lexer {
        bytes: text.as_bytes(),
        syntax,
        position: 0,
    }
}

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

struct Lexer<'a> {
    bytes: &'a [u8],
    syntax: &'a Syntax,
    position: usize,
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = self.position;
        let first = *self.bytes.get(start)?;
        let (kind, end) = self.token(start, first);
        // Every token takes at least a byte and none goes beyond the text.
        self.position = end.clamp(start + 1, self.bytes.len());
        Some(Token {
            kind,
            range: start..self.position,
        })
    }
}

/// How long the operator is that begins with these characters, where an engine has a fixed list.
fn listed(operator: [u8; 3]) -> usize {
    match operator {
        [b'-', b'>', b'>'] | [b'<', b'=', b'>'] => 3,
        [b'-', b'>', _]
        | [b'|', b'|', _]
        | [b'&', b'&', _]
        | [b'<', b'=' | b'>' | b'<', _]
        | [b'>', b'=' | b'>', _]
        | [b'!' | b'=' | b':', b'=', _]
        | [b'*', b'/', _] => 2,
        _ => 1,
    }
}

/// `op_chars` of PostgreSQL's scan.l.
const OPERATOR_CHARACTERS: &[u8] = b"~!@#^&|`?+-*/%<>=";

impl Lexer<'_> {
    fn at(&self, position: usize) -> u8 {
        // A NUL stands for "beyond the end": it begins and continues no token.
        self.bytes.get(position).copied().unwrap_or(0)
    }

    fn starts(&self, position: usize, prefix: &[u8]) -> bool {
        self.bytes
            .get(position..)
            .is_some_and(|rest| rest.starts_with(prefix))
    }

    /// The end of the run of bytes that satisfy `test`, from `position` on.
    fn run(&self, position: usize, test: impl Fn(u8) -> bool) -> usize {
        let rest = self.bytes.get(position..).unwrap_or_default();
        position + rest.iter().take_while(|byte| test(**byte)).count()
    }

    fn token(&self, start: usize, first: u8) -> (TokenKind, usize) {
        if is_space(first) {
            return (TokenKind::Space, self.run(start, is_space));
        }
        if first == BYTE_ORDER_MARK[0]
            && self.syntax.byte_order_mark
            && self.starts(start, &BYTE_ORDER_MARK)
        {
            return (TokenKind::Space, start + 3);
        }
        if let Some(token) = self.comment(start, first) {
            return token;
        }
        if first.is_ascii_digit() || (first == b'.' && self.at(start + 1).is_ascii_digit()) {
            return (TokenKind::Number, self.number(start));
        }
        if let Some(token) = self.quoted(start, first) {
            return token;
        }
        if self.is_name_start(first) {
            return (TokenKind::Word, self.run(start, is_name_byte));
        }
        if self.syntax.parameters.as_bytes().contains(&first)
            && let Some(end) = self.parameter(start, first)
        {
            return (TokenKind::Parameter, end);
        }
        (TokenKind::Operator, self.operator(start, first))
    }

    fn is_name_start(&self, byte: u8) -> bool {
        // MySQL's names may begin with `$`; elsewhere it begins a parameter or dollar quote.
        byte.is_ascii_alphabetic()
            || byte == b'_'
            || byte >= 0x80
            || (byte == b'$' && !self.syntax.parameters.contains('$'))
    }

    fn comment(&self, start: usize, first: u8) -> Option<(TokenKind, usize)> {
        let to_line_end = |from| self.run(from, |byte| byte != b'\n');
        match (first, self.at(start + 1)) {
            (b'-', b'-') => {
                let after = self.at(start + 2);
                let counts = !self.syntax.spaced_dash_comments
                    || start + 2 >= self.bytes.len()
                    || after <= b' '
                    || after == 0x7f;
                counts.then(|| (TokenKind::Comment, to_line_end(start)))
            }
            (b'#', _) if self.syntax.hash_comments => {
                Some((TokenKind::Comment, to_line_end(start)))
            }
            (b'/', b'*') => Some(self.block_comment(start)),
            _ => None,
        }
    }

    fn block_comment(&self, start: usize) -> (TokenKind, usize) {
        if self.syntax.executable_comments {
            for opening in [b"/*!".as_slice(), b"/*M!"] {
                if self.starts(start, opening) {
                    let end = self.run(start + opening.len(), |byte| byte.is_ascii_digit());
                    return (TokenKind::Operator, end);
                }
            }
        }
        let mut depth = 1_usize;
        let mut position = start + 2;
        while position < self.bytes.len() {
            if self.starts(position, b"*/") {
                position += 2;
                depth -= 1;
                if depth == 0 {
                    return (TokenKind::Comment, position);
                }
            } else if self.syntax.nested_comments && self.starts(position, b"/*") {
                position += 2;
                depth += 1;
            } else {
                position += 1;
            }
        }
        (TokenKind::Unterminated, position)
    }

    fn number(&self, start: usize) -> usize {
        let digits = |from| self.run(from, |byte| byte.is_ascii_digit() || byte == b'_');
        let mut end = digits(start);
        // `1..10` is a range in PL/pgSQL.
        if self.at(end) == b'.' && self.at(end + 1) != b'.' {
            end = digits(end + 1);
        }
        if matches!(self.at(end), b'e' | b'E') {
            let sign = usize::from(matches!(self.at(end + 1), b'+' | b'-'));
            if self.at(end + 1 + sign).is_ascii_digit() {
                end = digits(end + 1 + sign);
            }
        }
        // `0xff` and the like; what is no number (`1abc`) is for the engine to refuse.
        self.run(end, |byte| {
            byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
        })
    }

    fn quoted(&self, start: usize, first: u8) -> Option<(TokenKind, usize)> {
        let syntax = self.syntax;
        let next = self.at(start + 1);
        let (kind, end) = match first {
            b'\'' => (
                TokenKind::String,
                self.closing(start, b'\'', syntax.backslash_strings),
            ),
            b'"' if syntax.double_quoted_strings => (
                TokenKind::String,
                self.closing(start, b'"', syntax.backslash_strings),
            ),
            b'"' => (TokenKind::QuotedName, self.closing(start, b'"', false)),
            b'`' if syntax.backtick_names => {
                (TokenKind::QuotedName, self.closing(start, b'`', false))
            }
            b'[' if syntax.bracket_names => {
                let end = self.run(start, |byte| byte != b']');
                (
                    TokenKind::QuotedName,
                    (end < self.bytes.len()).then_some(end + 1),
                )
            }
            b'$' if syntax.dollar_quotes => (TokenKind::String, self.dollar_quoted(start)?),
            b'e' | b'E' if syntax.escape_strings && next == b'\'' => {
                (TokenKind::String, self.escape_string(start + 1))
            }
            b'n' | b'N' | b'b' | b'B' if !syntax.bracket_names && next == b'\'' => (
                TokenKind::String,
                self.closing(start + 1, b'\'', syntax.backslash_strings),
            ),
            b'x' | b'X' if next == b'\'' => {
                let end = self.run(start + 2, |byte| byte != b'\'');
                (
                    TokenKind::String,
                    (end < self.bytes.len()).then_some(end + 1),
                )
            }
            b'u' | b'U' if syntax.escape_strings && next == b'&' => match self.at(start + 2) {
                b'\'' => (TokenKind::String, self.closing(start + 2, b'\'', false)),
                b'"' => (TokenKind::QuotedName, self.closing(start + 2, b'"', false)),
                _ => return None,
            },
            _ => return None,
        };
        Some(match end {
            Some(end) => (kind, end),
            None => (TokenKind::Unterminated, self.bytes.len()),
        })
    }

    /// The end of what is quoted from `open` on, a doubled quote standing for one; `None` when it never ends.
    fn closing(&self, open: usize, quote: u8, backslash: bool) -> Option<usize> {
        let mut position = open + 1;
        while let Some(&byte) = self.bytes.get(position) {
            if byte == b'\\' && backslash {
                position += 2;
            } else if byte != quote {
                position += 1;
            } else if self.at(position + 1) == quote {
                position += 2;
            } else {
                return Some(position + 1);
            }
        }
        None
    }

    /// `E'…'`, which goes on in a `'…'` on a later line, with the escapes still on (the manual, 4.1.2.2).
    fn escape_string(&self, open: usize) -> Option<usize> {
        let mut end = self.closing(open, b'\'', true)?;
        while let Some(next) = self.continuation(end) {
            end = self.closing(next, b'\'', true)?;
        }
        Some(end)
    }

    /// Where a string goes on after `position`: white space and `--` comments with a line end among them, then a quote.
    fn continuation(&self, position: usize) -> Option<usize> {
        let mut position = position;
        let mut new_line = false;
        loop {
            match self.at(position) {
                b'\n' | b'\r' => {
                    new_line = true;
                    position += 1;
                }
                byte if is_space(byte) => position += 1,
                b'-' if self.at(position + 1) == b'-' => {
                    position = self.run(position, |byte| byte != b'\n' && byte != b'\r');
                }
                b'\'' if new_line => return Some(position),
                _ => return None,
            }
        }
    }

    /// `$tag$ … $tag$`; `None` when no dollar quote begins here, `Some(None)` when it never ends.
    #[allow(clippy::option_option)] // Two ways to have no end, and they differ.
    fn dollar_quoted(&self, start: usize) -> Option<Option<usize>> {
        let tag_start = start + 1;
        if self.at(tag_start).is_ascii_digit() {
            return None;
        }
        let tag_end = self.run(tag_start, |byte| is_name_byte(byte) && byte != b'$');
        if self.at(tag_end) != b'$' {
            return None;
        }
        let delimiter = self.bytes.get(start..=tag_end)?;
        let body = self.bytes.get(tag_end + 1..)?;
        Some(find(body, delimiter).map(|offset| tag_end + 1 + offset + delimiter.len()))
    }

    fn parameter(&self, start: usize, first: u8) -> Option<usize> {
        let digits = self.run(start + 1, |byte| byte.is_ascii_digit());
        if first == b'?' {
            return Some(digits);
        }
        if self.syntax.dollar_quotes {
            return (digits > start + 1).then_some(digits);
        }
        // SQLite's `$name::more(anything)` comes from Tcl.
        let mut end = start + 1;
        loop {
            if is_name_byte(self.at(end)) {
                end += 1;
            } else if self.starts(end, b"::") && self.syntax.bracket_names {
                end += 2;
            } else {
                break;
            }
        }
        if end == start + 1 {
            return None;
        }
        if self.at(end) == b'(' && self.syntax.bracket_names {
            let close = self.run(end, |byte| byte != b')' && !is_space(byte));
            if self.at(close) == b')' {
                end = close + 1;
            }
        }
        Some(end)
    }

    fn operator(&self, start: usize, first: u8) -> usize {
        if !self.syntax.free_operators {
            return start + listed([first, self.at(start + 1), self.at(start + 2)]);
        }
        for operator in [b"::", b":=", b".."] {
            if self.starts(start, operator) {
                return start + 2;
            }
        }
        if !OPERATOR_CHARACTERS.contains(&first) {
            return start + 1;
        }
        let mut end = start;
        while OPERATOR_CHARACTERS.contains(&self.at(end))
            && !self.starts(end, b"--")
            && !self.starts(end, b"/*")
        {
            end += 1;
        }
        // An operator may end in `+` or `-` only if it holds a character that no standard operator has (the manual,
        // 4.1.3): `a=-1` is `=` and `-`.
        let operator = self.bytes.get(start..end).unwrap_or_default();
        if !operator.iter().any(|byte| b"~!@#^&|`?%".contains(byte)) {
            while end > start + 1 && matches!(self.at(end - 1), b'+' | b'-') {
                end -= 1;
            }
        }
        end
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
