//! The blocks of a stored program (MySQL, MariaDB): which END closes what, so that a semicolon inside is told from one
//! that ends the whole. Compound statements are described in the manuals' chapters on compound statement syntax.

use super::{Token, TokenKind};

/// What is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    /// BEGIN … END, or a statement that ends in END IF, END CASE, END LOOP, END REPEAT, END WHILE, END FOR.
    Statement,
    /// CASE … END as an expression, whose THEN and ELSE begin no statements.
    Expression,
}

/// Follows a text token by token.
#[derive(Debug, Default)]
pub struct Blocks {
    open: Vec<Block>,
    /// The next token begins a statement.
    start: bool,
    /// The words `FOLLOWS x` or `PRECEDES x` may come first.
    header: u8,
    /// Within a DECLARE, and past its HANDLER: a statement follows somewhere.
    declare: bool,
    handler: bool,
    after_dot: bool,
    /// The word after END says what it ends.
    ending: bool,
    unbalanced: bool,
}

/// Why a text has no even blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unbalanced {
    /// An END that nothing opens.
    End,
    /// Something that no END closes.
    Open,
}

/// Statements that open a block.
const OPENING: [&str; 6] = ["if", "case", "loop", "repeat", "while", "for"];

impl Blocks {
    /// At the beginning of a list of statements.
    pub fn new() -> Self {
        Self {
            start: true,
            ..Self::default()
        }
    }

    /// Behind a trigger's FOR EACH ROW.
    pub fn after_header() -> Self {
        Self {
            header: 1,
            ..Self::new()
        }
    }

    /// How many blocks are open.
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// Whether the next token begins a statement, in whatever block.
    pub fn starts(&self) -> bool {
        self.start
    }

    /// Whether an END came that nothing opened.
    pub fn is_unbalanced(&self) -> bool {
        self.unbalanced
    }

    /// What is wrong at the end of the text.
    pub fn end(&self) -> Result<(), Unbalanced> {
        if self.unbalanced {
            return Err(Unbalanced::End);
        }
        if self.open.is_empty() {
            Ok(())
        } else {
            Err(Unbalanced::Open)
        }
    }

    /// The next token that is neither white space nor comment, and the one that follows it.
    pub fn take(&mut self, token: &Token, next: Option<&Token>, text: &str) {
        let start = std::mem::take(&mut self.start);
        let after_dot = std::mem::replace(&mut self.after_dot, token.is_operator(text, "."));
        let ending = std::mem::take(&mut self.ending);
        let is = |word| token.is_word(text, word);
        let header = std::mem::take(&mut self.header);
        if header == 1 && (is("follows") || is("precedes")) {
            self.header = 2;
            return;
        }
        if header == 2 {
            self.start = true;
            return;
        }
        if token.is_operator(text, ";") {
            (self.declare, self.handler) = (false, false);
            // Inside an expression a semicolon is an error that the server finds.
            self.start = true;
            return;
        }
        if token.is_operator(text, ":") {
            // After a label. Elsewhere a colon is no SQL of theirs.
            self.start = true;
            return;
        }
        if token.kind != TokenKind::Word || after_dot {
            return;
        }
        if ending && OPENING.iter().any(|word| is(word)) {
            return;
        }
        let begins = start || self.handler;
        let expression = self.open.last() == Some(&Block::Expression);
        if is("end") {
            // `end` alone is a name elsewhere: END closes at the beginning of a statement, or a CASE expression.
            match self.open.pop() {
                Some(Block::Statement) => self.ending = true,
                Some(Block::Expression) => {}
                None => self.unbalanced = true,
            }
            self.handler = false;
        } else if begins && is("begin") {
            self.open.push(Block::Statement);
            (self.declare, self.handler) = (false, false);
            self.start = true;
        } else if begins && self.opens(token, next, text) {
            self.open.push(Block::Statement);
            self.handler = false;
            self.start = is("loop") || is("repeat");
        } else if is("case") {
            self.open.push(Block::Expression);
        } else if (is("then") || is("else") || is("do")) && !expression && !self.open.is_empty() {
            self.start = true;
        } else if start && is("declare") {
            self.declare = true;
        } else if self.declare && is("handler") {
            self.handler = true;
        }
    }

    /// Whether a word at the beginning of a statement opens a block. `IF` and `REPEAT` are functions too, but those
    /// begin no statement; behind HANDLER FOR stands `FOR`, which opens nothing.
    fn opens(&self, token: &Token, next: Option<&Token>, text: &str) -> bool {
        if self.handler && token.is_word(text, "for") {
            return false;
        }
        OPENING.iter().any(|word| token.is_word(text, word))
            && !next.is_some_and(|next| next.is_operator(text, ":"))
    }
}
