//! `when` and `update_of` read back from the IF that `trigger_body.sql` makes of them, for those who look at what a trigger
//! does: readers of a plan, and whoever asks whether a trigger still fires as often as it did.

use crate::model::{Action, Condition, Trigger};
use crate::sql::{Blocks, Code, Syntax, Token, solid};

/// The trigger with its condition and columns where the model has a place for them; `None` where its body is not such an IF
/// and nothing else.
pub(super) fn opened(trigger: &Trigger, syntax: &Syntax) -> Option<Trigger> {
    let Action::Body(body) = &trigger.action else {
        return None;
    };
    let guard = read(body, syntax)?;
    Some(Trigger {
        update_of: guard.update_of,
        condition: guard.condition.map(Condition::Sql),
        action: Action::Body(guard.body.to_owned()),
        verbatim: None,
        ..trigger.clone()
    })
}

#[derive(Debug, PartialEq, Eq)]
struct Guard<'a> {
    update_of: Vec<String>,
    condition: Option<String>,
    body: &'a str,
}

fn read<'a>(text: &'a str, syntax: &Syntax) -> Option<Guard<'a>> {
    let all = solid(text, syntax);
    let (then, end) = only_if(text, &all)?;
    let head = Head(Code {
        text,
        tokens: all.get(1..then)?,
    });
    let (update_of, condition) = head.parts()?;
    let body = text.get(all.get(then)?.range.end..all.get(end)?.range.start)?;
    Some(Guard {
        update_of,
        condition,
        body: body.trim(),
    })
}

/// The places of THEN and of END, where the text is one IF without ELSE.
fn only_if(text: &str, all: &[Token]) -> Option<(usize, usize)> {
    if !all.first()?.is_word(text, "if") {
        return None;
    }
    let mut blocks = Blocks::new();
    let mut then = None;
    for (index, token) in all.iter().enumerate() {
        let is = |word: &str| token.is_word(text, word);
        if blocks.depth() == 1 && is("then") && then.is_none() {
            then = Some(index);
        } else if blocks.depth() == 1 && (is("else") || is("elseif")) {
            return None;
        }
        blocks.take(token, all.get(index + 1), text);
        if blocks.depth() > 0 {
            continue;
        }
        let (closing, rest) = all.get(index + 1..)?.split_first()?;
        let is_last = match rest {
            [] => true,
            [last] => last.is_operator(text, ";"),
            _ => false,
        };
        return (closing.is_word(text, "if") && is_last).then_some((then?, index));
    }
    None
}

/// What stands between IF and THEN.
struct Head<'a>(Code<'a>);

impl Head<'_> {
    /// The columns, and the condition behind them.
    fn parts(&self) -> Option<(Vec<String>, Option<String>)> {
        let Some((columns, length)) = self.columns() else {
            return Some((vec![], Some(self.in_parentheses(0)?)));
        };
        if length == self.0.tokens.len() {
            return Some((columns, None));
        }
        if !self.0.is_word(length, "and") {
            return None;
        }
        Some((columns, Some(self.in_parentheses(length + 1)?)))
    }

    /// All from here on, which must be in parentheses.
    fn in_parentheses(&self, from: usize) -> Option<String> {
        let mut depth = 0_usize;
        let last = self.0.tokens.len().checked_sub(1)?;
        for index in from..=last {
            if self.0.is_operator(index, "(") {
                depth += 1;
            } else if self.0.is_operator(index, ")") {
                depth = depth.checked_sub(1)?;
            }
            if (depth == 0) != (index == last) {
                return None;
            }
        }
        let (first, last) = (self.0.tokens.get(from)?, self.0.tokens.get(last)?);
        let inner = self.0.text.get(first.range.end..last.range.start)?;
        Some(inner.trim().to_owned())
    }

    /// `(NOT (…) OR NOT (…))`: the columns that are compared, and how many tokens that takes.
    fn columns(&self) -> Option<(Vec<String>, usize)> {
        if !self.0.is_operator(0, "(") {
            return None;
        }
        let (mut columns, mut at) = (vec![], 1);
        loop {
            // NOT ( OLD . column
            let column = self.0.tokens.get(at + 4)?.text(self.0.text);
            at += self.compares(column, at)?;
            columns.push(crate::sql::unquote(column).into_owned());
            if self.0.is_operator(at, ")") {
                return Some((columns, at + 1));
            }
            if !self.0.is_word(at, "or") {
                return None;
            }
            at += 1;
        }
    }

    /// How many tokens from here on ask whether this column has another value.
    fn compares(&self, column: &str, from: usize) -> Option<usize> {
        let before = ["NOT", "(", "OLD", ".", column, "<=>", "NEW", ".", column];
        let bytes = |row| ["CAST", "(", row, ".", column, "AS", "BINARY", ")"];
        let expected = before
            .into_iter()
            .chain(["AND"])
            .chain(bytes("OLD"))
            .chain(["<=>"])
            .chain(bytes("NEW"))
            .chain([")"]);
        let mut count = 0;
        for word in expected {
            let found = self.0.tokens.get(from + count)?.text(self.0.text);
            if found != word {
                return None;
            }
            count += 1;
        }
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::MYSQL;

    fn of(text: &str) -> Option<(String, String, &str)> {
        let guard = read(text, &MYSQL)?;
        let condition = guard.condition.unwrap_or_default();
        Some((guard.update_of.join(" "), condition, guard.body))
    }

    const A: &str = "NOT (OLD.a <=> NEW.a AND CAST(OLD.a AS BINARY) <=> CAST(NEW.a AS BINARY))";
    const B: &str =
        "NOT (OLD.`b c` <=> NEW.`b c` AND CAST(OLD.`b c` AS BINARY) <=> CAST(NEW.`b c` AS BINARY))";

    #[test]
    fn what_the_template_makes_is_read_back() {
        let body = "IF NEW.x THEN SET @a = 1; ELSE SET @a = CASE WHEN 1 THEN 2 ELSE 3 END; END IF;";
        let of_body = |head: &str| {
            let text = format!("IF {head} THEN\n{body}\nEND IF;");
            of(&text).map(|(columns, condition, inner)| {
                assert_eq!(inner, body);
                (columns, condition)
            })
        };
        let given =
            |columns: &str, condition: &str| Some((columns.to_owned(), condition.to_owned()));
        assert_eq!(of_body("(NEW.a > 1)"), given("", "NEW.a > 1"));
        assert_eq!(
            of_body("((NEW.a) OR (CASE WHEN 1 THEN 2 END))"),
            given("", "(NEW.a) OR (CASE WHEN 1 THEN 2 END)")
        );
        assert_eq!(of_body(&format!("({A})")), given("a", ""));
        assert_eq!(
            of_body(&format!("({A} OR {B}) AND (NEW.a > 1)")),
            given("a b c", "NEW.a > 1")
        );
        // Half of one is a condition like any other.
        assert_eq!(
            of_body(&format!("({A} OR NEW.b)")),
            given("", &format!("{A} OR NEW.b"))
        );
    }

    #[test]
    fn what_is_more_than_that_stays_as_it_is() {
        for text in [
            "",
            "IF (a) THEN SET @a = 1; END IF; SET @b = 1;",
            "IF (a) THEN SET @a = 1; ELSE SET @b = 1; END IF;",
            "IF (a) THEN SET @a = 1; ELSEIF b THEN SET @b = 1; END IF;",
            "IF (a) OR (b) THEN SET @a = 1; END IF",
            "IF a THEN SET @a = 1; END IF",
            "IF (a) THEN SET @a = 1;",
            "SET @a = IF(a, 1, 2)",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
