//! What ends a recursion in the text of a SQLite trigger: an UPDATE whose WHERE asks for a column that the same statement
//! sets, or whether another column changed, finds no row the second time, or may find none, as a `when` may be false.

use crate::effects::Write;
use crate::model::{Action, Event, Trigger};
use crate::sql::{SQLITE, Token, TokenKind, solid, unquote};

/// Whether every UPDATE of the written table in this trigger's body asks in its WHERE for a column that it sets.
pub(super) fn ends_itself(trigger: &Trigger, write: &Write) -> bool {
    let Action::Body(body) = &trigger.action else {
        return false;
    };
    if write.event != Event::Update {
        return false;
    }
    let all = solid(body, &SQLITE);
    let updates: Vec<&[Token]> = all
        .split(|token| token.is_operator(body, ";"))
        .filter(|statement| is_update_of(statement, body, &write.table.name))
        .collect();
    !updates.is_empty()
        && updates
            .iter()
            .all(|statement| asks_for_what_it_sets(statement, body))
}

fn named(token: Option<&Token>, text: &str) -> Option<String> {
    let token = token?;
    matches!(token.kind, TokenKind::Word | TokenKind::QuotedName)
        .then(|| unquote(token.text(text)).to_lowercase())
}

/// `UPDATE [OR …] table`; a WITH before it is taken for another table's.
fn is_update_of(statement: &[Token], text: &str, table: &str) -> bool {
    let Some((first, rest)) = statement.split_first() else {
        return false;
    };
    let skipped = match rest.first() {
        Some(or) if or.is_word(text, "or") => 2,
        _ => 0,
    };
    first.is_word(text, "update")
        && named(rest.get(skipped), text).is_some_and(|name| name == table.to_lowercase())
}

fn asks_for_what_it_sets(statement: &[Token], text: &str) -> bool {
    // Words at the top level only: a subquery has a WHERE of its own.
    let mut depth = 0_usize;
    let (mut set, mut condition) = (None, None);
    for (index, token) in statement.iter().enumerate() {
        if token.is_operator(text, "(") {
            depth += 1;
        } else if token.is_operator(text, ")") {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && set.is_none() && token.is_word(text, "set") {
            set = Some(index);
        } else if depth == 0 && token.is_word(text, "where") {
            condition = Some(index);
        }
    }
    let (Some(set), Some(condition)) = (set, condition) else {
        return false;
    };
    let assigned = assigned(statement.get(set + 1..condition).unwrap_or_default(), text);
    let asked = statement.get(condition + 1..).unwrap_or_default();
    if asks_whether_another_changed(asked, &assigned, text) {
        return true;
    }
    asked.iter().enumerate().any(|(index, token)| {
        let before = |back: usize| index.checked_sub(back).and_then(|at| asked.get(at));
        let of_row = before(1).is_some_and(|dot| dot.is_operator(text, "."))
            && before(2).is_some_and(|row| row.is_word(text, "new") || row.is_word(text, "old"));
        !of_row && named(Some(token), text).is_some_and(|name| assigned.contains(&name))
    })
}

/// `OLD.c <> NEW.c`, of a column that the statement leaves as it is: false the second time.
fn asks_whether_another_changed(asked: &[Token], assigned: &[String], text: &str) -> bool {
    let column = |from: usize| {
        let row = asked.get(from)?;
        let row = ["old", "new"]
            .into_iter()
            .find(|word| row.is_word(text, word))?;
        let dot = asked.get(from + 1)?.is_operator(text, ".");
        Some((row, named(asked.get(from + 2).filter(|_| dot), text)?))
    };
    (0..asked.len()).any(|index| {
        let is = |at: usize, word| asked.get(at).is_some_and(|token| token.is_word(text, word));
        let operator = asked.get(index + 3);
        let differs = ["<>", "!="];
        let right = if differs
            .iter()
            .any(|differs| operator.is_some_and(|it| it.is_operator(text, differs)))
        {
            index + 4
        } else if is(index + 3, "is") && is(index + 4, "not") {
            index + 5
        } else if is(index + 3, "is") && is(index + 4, "distinct") {
            index + 6
        } else {
            return false;
        };
        match (column(index), column(right)) {
            (Some((one, left)), Some((other, right))) => {
                one != other && left == right && !assigned.contains(&left)
            }
            _ => false,
        }
    })
}

/// The columns before the `=` of each assignment, those of `(a, b) = …` among them.
fn assigned(assignments: &[Token], text: &str) -> Vec<String> {
    let mut columns = vec![];
    let mut depth = 0_usize;
    let mut before_equals = true;
    for token in assignments {
        if token.is_operator(text, "(") {
            depth += 1;
        } else if token.is_operator(text, ")") {
            depth = depth.saturating_sub(1);
        } else if token.is_operator(text, "=") && depth == 0 {
            before_equals = false;
        } else if token.is_operator(text, ",") && depth == 0 {
            before_equals = true;
        } else if before_equals {
            columns.extend(named(Some(token), text));
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(statement: &str) -> bool {
        let all = solid(statement, &SQLITE);
        is_update_of(&all, statement, "t") && asks_for_what_it_sets(&all, statement)
    }

    #[test]
    fn a_where_guards_when_it_asks_for_what_is_set() {
        assert!(asks("UPDATE t SET a = 1 WHERE id = NEW.id AND a <> 1"));
        assert!(asks(
            "UPDATE OR IGNORE \"T\" SET (b, \"A\") = (1, 2) WHERE a IS NOT 2"
        ));
        assert!(!asks("UPDATE t SET a = 1 WHERE id = NEW.id"));
        assert!(!asks("UPDATE t SET a = b + 1 WHERE id = NEW.id AND b > 0"));
        // The row that fired says nothing of what is there the second time.
        assert!(!asks("UPDATE t SET a = 1 WHERE id = NEW.id AND NEW.a <> 1"));
        // But that another column changed is true once.
        for guard in [
            "OLD.b <> NEW.b",
            "new.B IS NOT old.b",
            "(OLD.\"b\" != NEW.b OR id < 0)",
            "OLD.b IS DISTINCT FROM NEW.b",
        ] {
            assert!(
                asks(&format!("UPDATE t SET a = 1 WHERE id = NEW.id AND {guard}")),
                "{guard}"
            );
        }
        for guard in [
            "OLD.a <> NEW.a",
            "OLD.b = NEW.b",
            "OLD.b <> NEW.c",
            "NEW.b <> NEW.b",
            "OLD.b IS NEW.b",
        ] {
            assert!(
                !asks(&format!("UPDATE t SET a = 1 WHERE id = NEW.id AND {guard}")),
                "{guard}"
            );
        }
        assert!(!asks("UPDATE t SET a = (SELECT 1 FROM u WHERE a = 1)"));
        assert!(!asks("UPDATE u SET a = 1 WHERE a = 2"));
    }
}
