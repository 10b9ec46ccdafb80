//! Where statements end. SQL is never cut into statements to run them; this is how a text that must be one statement
//! is known to be one.

use super::{Blocks, Syntax, TriggerBodies, solid, tokens};

/// The byte offsets of the semicolons that end a statement, in order; a lone statement without a closing semicolon has
/// none. Semicolons in quotes and comments do not count, nor, where [`Syntax::trigger_bodies`] says so, those within
/// `CREATE TRIGGER … END`.
///
/// SQLite ends a trigger at the first `END` that follows a semicolon (`parse.y`: `trigger_cmd_list` ends in `SEMI`), so
/// that a `CASE … END` in its body never does.
pub fn top_level_semicolons(text: &str, syntax: &Syntax) -> Vec<usize> {
    if syntax.trigger_bodies == TriggerBodies::Blocks {
        return outside_blocks(text, syntax);
    }
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
            State::Start if is("create") && syntax.trigger_bodies == TriggerBodies::ToEnd => {
                State::Create
            }
            State::Create if is("temp") || is("temporary") => State::Create,
            State::Create if is("trigger") => State::Body,
            State::BodyStart if is("end") => State::Other,
            State::Body | State::BodyStart => State::Body,
            State::Start | State::Create | State::Other => State::Other,
        };
    }
    found
}

/// MySQL ends a trigger where its outermost block ends, or, without one, at the first semicolon. What stands between
/// CREATE and TRIGGER (OR REPLACE, DEFINER = …) has no semicolon.
fn outside_blocks(text: &str, syntax: &Syntax) -> Vec<usize> {
    let mut found = vec![];
    let (mut first, mut trigger) = (None, false);
    let mut blocks: Option<Blocks> = None;
    let all = solid(text, syntax);
    // What is in an executable comment is there for some versions only: then no block can be relied on.
    let sure = !all
        .iter()
        .any(|token| is_executable_comment(token.text(text)));
    for (index, token) in all.iter().enumerate() {
        if let Some(open) = &mut blocks {
            open.take(token, all.get(index + 1), text);
            if !(open.depth() == 0 && token.is_operator(text, ";")) {
                continue;
            }
        }
        if token.is_operator(text, ";") {
            found.push(token.range.start);
            (first, trigger, blocks) = (None, false, None);
            continue;
        }
        let create = *first.get_or_insert_with(|| token.is_word(text, "create"));
        trigger |= create && token.is_word(text, "trigger");
        // FOR EACH ROW ends the header, but for FOLLOWS or PRECEDES and a name.
        if trigger && sure && blocks.is_none() && token.is_word(text, "row") {
            blocks = Some(Blocks::after_header());
        }
    }
    found
}

/// Whether a token opens a comment that runs (`/*!50003`, `/*M!`).
pub fn is_executable_comment(token: &str) -> bool {
    token.starts_with("/*!") || token.starts_with("/*M!")
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
