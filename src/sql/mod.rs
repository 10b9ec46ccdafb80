//! Cutting SQL text into tokens, so that literals, quoted names, dollar quotes and comments are never mistaken for
//! something else. This is a lexer, not a parser: what is valid is the engine's to say.

mod blocks;
mod compare;
mod lexer;
mod mysql_words;
mod solid;
mod statements;
mod syntax;

use std::borrow::Cow;
use std::ops::Range;

pub use blocks::{Blocks, Unbalanced};
pub use compare::same_tokens;
pub use lexer::tokens;
pub use solid::{Code, solid};
pub use statements::{is_executable_comment, statement_end, top_level_semicolons};
pub use syntax::{MYSQL, POSTGRES, SQLITE};

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
    /// `--` begins a comment only before white space, a control character or the end (MySQL).
    pub spaced_dash_comments: bool,
    /// `/*! … */` and `/*M! … */` are no comments: what is inside runs (MySQL, MariaDB).
    pub executable_comments: bool,
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
    /// Operators are made up of any operator characters (PostgreSQL); else they come from a fixed list.
    pub free_operators: bool,
    /// A byte order mark counts as white space (SQLite).
    pub byte_order_mark: bool,
    /// How far a `CREATE TRIGGER` reaches that holds statements, each with its semicolon.
    pub trigger_bodies: TriggerBodies,
    /// Some names differ by case alone (MySQL's tables, where the file system tells them apart): words that are not
    /// [`Syntax::reserved`] are then compared to the letter.
    pub names_keep_case: bool,
    /// The characters that begin a parameter or variable.
    pub parameters: &'static str,
    /// Lower-case words that mean something else when they stand in quotes. Any other word is the same name with and
    /// without quotes; `None` where a name in quotes and one without are always taken for different ones.
    pub reserved: Option<&'static [&'static str]>,
}

/// How statements stand in a `CREATE TRIGGER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerBodies {
    /// They do not (PostgreSQL).
    None,
    /// Up to the first END that follows a semicolon (SQLite).
    ToEnd,
    /// In blocks that nest: BEGIN, IF, CASE, LOOP and the like, each with its END (MySQL).
    Blocks,
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
    /// Punctuation or an operator; `(`, `)`, `,`, `;` and `.` come one by one, other operators as the engine cuts them.
    Operator,
    /// A quote or comment that never ends: reaches to the end of the text.
    Unterminated,
}

/// One token and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it stands; at character boundaries.
    pub range: Range<usize>,
}

impl Token {
    /// The token's text, in the text that it was cut from.
    pub fn text<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.range.clone()).unwrap_or_default()
    }

    /// Whether it is white space or a comment.
    pub fn is_blank(&self) -> bool {
        matches!(self.kind, TokenKind::Space | TokenKind::Comment)
    }

    /// Whether it is this unquoted word, whatever its case.
    pub fn is_word(&self, text: &str, word: &str) -> bool {
        // The length alone says no mostly.
        self.kind == TokenKind::Word
            && self.range.len() == word.len()
            && self.text(text).eq_ignore_ascii_case(word)
    }

    /// Whether it is this punctuation or operator.
    pub fn is_operator(&self, text: &str, operator: &str) -> bool {
        self.kind == TokenKind::Operator
            && self.range.len() == operator.len()
            && self.text(text) == operator
    }
}

/// What a quoted name or plain string says: quotes off, doubled quotes single. Text without quotes stays as it is.
pub fn unquote(quoted: &str) -> Cow<'_, str> {
    let close = match quoted.as_bytes().first() {
        Some(b'[') => ']',
        Some(b'"') => '"',
        Some(b'`') => '`',
        Some(b'\'') => '\'',
        _ => return Cow::Borrowed(quoted),
    };
    let inner = quoted.get(1..).unwrap_or_default();
    let inner = inner.strip_suffix(close).unwrap_or(inner);
    let double = match close {
        '"' => "\"\"",
        '`' => "``",
        '\'' => "''",
        // A closing bracket cannot stand inside brackets.
        _ => return Cow::Borrowed(inner),
    };
    if inner.contains(double) {
        Cow::Owned(inner.replace(double, double.get(1..).unwrap_or_default()))
    } else {
        Cow::Borrowed(inner)
    }
}

#[cfg(test)]
mod tests;
