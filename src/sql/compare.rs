//! Whether two SQL texts are the same to an engine that keeps what it is given: token by token, so that layout,
//! comments and the case of keywords do not count, and everything inside quotes does.

use super::{Syntax, Token, TokenKind, solid, unquote};

/// Whether two texts are the same SQL: comments, white space and closing semicolons aside, words and numbers whatever
/// their ASCII case, strings to the letter. Where the engine allows it ([`Syntax::reserved`]), a name is the same with
/// and without quotes.
///
/// Two `"names"` in double quotes are compared to the letter: SQLite takes one that names no column for a string.
pub fn same_tokens(left: &str, right: &str, syntax: &Syntax) -> bool {
    if left == right {
        return true;
    }
    let left_tokens = significant(left, syntax);
    let right_tokens = significant(right, syntax);
    left_tokens.len() == right_tokens.len()
        && left_tokens
            .iter()
            .zip(&right_tokens)
            .all(|(a, b)| same_token((a.kind, a.text(left)), (b.kind, b.text(right)), syntax))
}

fn significant(text: &str, syntax: &Syntax) -> Vec<Token> {
    let mut all = solid(text, syntax);
    while all.last().is_some_and(|token| token.is_operator(text, ";")) {
        all.pop();
    }
    all
}

fn same_token(left: (TokenKind, &str), right: (TokenKind, &str), syntax: &Syntax) -> bool {
    use TokenKind::{Number, QuotedName, Word};
    match (left.0, right.0) {
        (Word, Word) => same_word(left.1, right.1, syntax),
        (Number, Number) => left.1.eq_ignore_ascii_case(right.1),
        (QuotedName, QuotedName) => {
            left.1 == right.1 || (syntax.reserved.is_some() && same_quoted(left.1, right.1, syntax))
        }
        (Word, QuotedName) => same_name(left.1, right.1, syntax),
        (QuotedName, Word) => same_name(right.1, left.1, syntax),
        (a, b) => a == b && left.1 == right.1,
    }
}

/// Two words without quotes: keywords, or names.
fn same_word(left: &str, right: &str, syntax: &Syntax) -> bool {
    left == right
        || (left.eq_ignore_ascii_case(right)
            && (!syntax.names_keep_case || is_reserved(left, syntax)))
}

fn is_reserved(word: &str, syntax: &Syntax) -> bool {
    syntax.reserved.is_some_and(|reserved| {
        reserved
            .binary_search(&word.to_ascii_lowercase().as_str())
            .is_ok()
    })
}

fn same_quoted(left: &str, right: &str, syntax: &Syntax) -> bool {
    let (left_name, right_name) = (unquote(left), unquote(right));
    if syntax.names_keep_case || (left.starts_with('"') && right.starts_with('"')) {
        left_name == right_name
    } else {
        // `[name]` and `` `name` `` are never strings.
        left_name.eq_ignore_ascii_case(&right_name)
    }
}

fn same_name(word: &str, quoted: &str, syntax: &Syntax) -> bool {
    if syntax.reserved.is_none() || is_reserved(word, syntax) {
        return false;
    }
    let quoted = unquote(quoted);
    if syntax.names_keep_case {
        word == quoted
    } else {
        word.eq_ignore_ascii_case(&quoted)
    }
}
