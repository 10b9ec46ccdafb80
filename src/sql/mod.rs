//! Cutting SQL text into tokens, so that literals, quoted names, dollar quotes and comments are never mistaken for
//! something else. This is a lexer, not a parser: what is valid is the engine's to say.

use std::ops::Range;

/// What differs between engines when their SQL is cut into tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // A table of independent facts about an engine's lexer.
pub struct Syntax {
    /// `$tag$ … $tag$` is a string (PostgreSQL).
    pub dollar_quotes: bool,
    /// `/* /* */ */` nests (PostgreSQL).
    pub nested_comments: bool,
    /// `# …` is a comment (MySQL).
    pub hash_comments: bool,
    /// `` `name` `` is a quoted name (MySQL, SQLite).
    pub backtick_names: bool,
    /// `[name]` is a quoted name (SQLite).
    pub bracket_names: bool,
    /// `E'…'` has backslash escapes (PostgreSQL).
    pub escape_strings: bool,
    /// `'…'` has backslash escapes (MySQL).
    pub backslash_strings: bool,
    /// `"…"` is a string (MySQL without ANSI_QUOTES).
    pub double_quoted_strings: bool,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// White space.
    Space,
    /// A comment, its line end not included.
    Comment,
    /// A keyword or an unquoted name.
    Word,
    /// A quoted name, quotes included.
    QuotedName,
    /// A string of any kind, prefix and quotes included (`'…'`, `E'…'`, `X'…'`, `$tag$…$tag$`).
    String,
    /// A number.
    Number,
    /// `?`, `:name`, `@name`, `$1`.
    Parameter,
    /// Punctuation or an operator; `(`, `)`, `,`, `;` and `.` come one by one, other operators as long as they go.
    Operator,
    /// A quote or comment that never ends: reaches to the end of the text.
    Unterminated,
}

/// One token and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it stands.
    pub range: Range<usize>,
}
