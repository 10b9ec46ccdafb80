//! Where statements end. SQL is never cut into statements to run them; this is how a text that must be one statement
//! is known to be one.

use super::{Syntax, tokens};

/// The byte offsets of the semicolons that end a statement, in order; a lone statement without a closing semicolon has
/// none. Semicolons in quotes and comments do not count, nor, where [`Syntax::trigger_bodies`] says so, those within
/// `CREATE TRIGGER … END`.
///
/// SQLite ends a trigger at the first `END` that follows a semicolon (`parse.y`: `trigger_cmd_list` ends in `SEMI`), so
/// that a `CASE … END` in its body never does.
pub fn top_level_semicolons(text: &str, syntax: &Syntax) -> Vec<usize> {
    let mut found = vec![];
    let mut state = State::Start;
    for token in tokens(text, syntax).filter(|token| !token.is_blank()) {
        let is = |word| token.is_word(text, word);
        let semicolon = token.is_operator(text, ";");
        state = match state {
            State::Body | State::BodyStart if semicolon => State::BodyStart,
            _ if semicolon => {
                found.push(token.range.start);
                State::Start
            }
            State::Start if is("explain") || is("query") || is("plan") => State::Start,
            State::Start if is("create") && syntax.trigger_bodies => State::Create,
            State::Create if is("temp") || is("temporary") => State::Create,
            State::Create if is("trigger") => State::Body,
            State::BodyStart if is("end") => State::Other,
            State::Body | State::BodyStart => State::Body,
            State::Start | State::Create | State::Other => State::Other,
        };
    }
    found
}

/// Where the first statement ends: the offset of its semicolon, or the end of the text.
pub fn statement_end(text: &str, syntax: &Syntax) -> usize {
    top_level_semicolons(text, syntax)
        .first()
        .copied()
        .unwrap_or(text.len())
}

#[derive(Clone, Copy)]
enum State {
    /// At the start of a statement.
    Start,
    /// After CREATE.
    Create,
    /// Inside a trigger.
    Body,
    /// Inside a trigger, after a semicolon.
    BodyStart,
    /// In any other statement.
    Other,
}
