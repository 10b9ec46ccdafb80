//! Code as what reads it sees it: without white space and comments, token by token.

use super::{Syntax, Token, tokens};

/// The tokens of a text that are neither white space nor comments.
pub fn solid(text: &str, syntax: &Syntax) -> Vec<Token> {
    tokens(text, syntax)
        .filter(|token| !token.is_blank())
        .collect()
}

/// Tokens that are asked for by their numbers. Past the last one there is no word and no operator.
#[derive(Debug, Clone, Copy)]
pub struct Code<'a> {
    /// What they were cut from.
    pub text: &'a str,
    /// They, or some of them in a row.
    pub tokens: &'a [Token],
}

impl Code<'_> {
    /// Whether this one is an unquoted word, whatever its case.
    pub fn is_word(&self, index: usize, word: &str) -> bool {
        self.tokens
            .get(index)
            .is_some_and(|token| token.is_word(self.text, word))
    }

    /// Whether this one is one of these words.
    pub fn is_any(&self, index: usize, words: &[&str]) -> bool {
        words.iter().any(|word| self.is_word(index, word))
    }

    /// Whether this one is a punctuation or operator.
    pub fn is_operator(&self, index: usize, operator: &str) -> bool {
        self.tokens
            .get(index)
            .is_some_and(|token| token.is_operator(self.text, operator))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::SQLITE;

    #[test]
    fn tokens_are_asked_for_by_their_numbers() {
        let text = "SELECT /* select */ \"from\" ; -- end";
        let tokens = solid(text, &SQLITE);
        let code = Code {
            text,
            tokens: &tokens,
        };
        assert_eq!(code.tokens.len(), 3);
        assert!(code.is_word(0, "select") && code.is_any(0, &["from", "select"]));
        assert!(!code.is_word(1, "from") && !code.is_any(1, &["from", "select"]));
        assert!(code.is_operator(2, ";") && !code.is_operator(3, ";") && !code.is_word(3, "end"));
    }
}
