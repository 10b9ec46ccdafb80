//! What can be told of a body without asking the server, and that the server would say late, or far from its cause.

use std::ops::Range;

use crate::dialect::inspect;
use crate::dialect::request::{Reader, place};
use crate::error::{Diagnostic, Located};
use crate::model::{Event, Timing};
use crate::sql::{
    Blocks, Syntax, Token, Unbalanced, is_executable_comment, solid, tokens, unquote,
};

/// The rendered body, where nothing is wrong with it.
pub(super) fn statements(
    reader: &mut Reader<'_>,
    body: &Located<String>,
    trigger: &str,
    (timing, event): (Timing, Event),
    syntax: &Syntax,
) -> Option<String> {
    let sql = reader.sql(body, trigger, Some(event))?;
    let check = if is_nothing(&sql, syntax) {
        Ok(())
    } else {
        inspect::check_text(&sql, syntax)
    };
    if !reader.sound("body", body, &sql, check) || !backslashes(reader, body, &sql, syntax) {
        return None;
    }
    let flaws = flaws(&sql, reader, timing, syntax);
    let sound = flaws.is_empty();
    for Flaw {
        message,
        range,
        help,
    } in flaws
    {
        let at = place(body, &sql, range);
        reader.refuse(message, &at, help);
    }
    (rows(reader, "body", body, &sql, event, syntax) && sound).then_some(sql)
}

/// Whether a body does nothing, and says so: it has comments alone. These engines take that.
pub(super) fn is_nothing(sql: &str, syntax: &Syntax) -> bool {
    !sql.trim().is_empty()
        && !sql.contains('\0')
        && tokens(sql, syntax).all(|token| token.is_blank())
}

/// The filter `literal` doubles backslashes, which is wrong where they escape nothing.
pub(super) fn backslashes(
    reader: &mut Reader<'_>,
    text: &Located<String>,
    sql: &str,
    syntax: &Syntax,
) -> bool {
    let wrong =
        !syntax.backslash_strings && crate::render::is_template(&text.value) && sql.contains(r"\\");
    if wrong {
        reader.refuse(
            "under NO_BACKSLASH_ESCAPES a template cannot write a text with a backslash",
            &text.span,
            "write the text itself in quotes, without the filter `literal`",
        );
    }
    !wrong
}

struct Flaw {
    message: String,
    range: Range<usize>,
    help: &'static str,
}

/// What is wrong with the statements, first to last.
fn flaws(sql: &str, reader: &Reader<'_>, timing: Timing, syntax: &Syntax) -> Vec<Flaw> {
    let mut found = vec![];
    let all = solid(sql, syntax);
    let mut blocks = Blocks::new();
    let mut first_open: Option<Range<usize>> = None;
    for (index, token) in all.iter().enumerate() {
        if is_executable_comment(token.text(sql)) {
            found.push(Flaw {
                message: "`/*! … */` runs on some versions only: a body cannot rest on that"
                    .to_owned(),
                range: token.range.clone(),
                help: "write what is in it without the comment signs, or remove it",
            });
            return found;
        }
        let starts = blocks.starts();
        let depth = blocks.depth();
        blocks.take(token, all.get(index + 1), sql);
        if depth == 0 && blocks.depth() == 1 {
            first_open = Some(token.range.clone());
        }
        if blocks.is_unbalanced() {
            found.push(Flaw {
                message: "END would end the trigger here".to_owned(),
                range: token.range.clone(),
                help: "`body` is what stands between BEGIN and END, without these two words; a column named `end` needs backquotes",
            });
            return found;
        }
        if starts {
            found.extend(statement(
                sql,
                all.get(index..).unwrap_or_default(),
                reader,
                timing,
            ));
        }
    }
    if blocks.end() == Err(Unbalanced::Open) {
        found.push(Flaw {
            message: "nothing ends what is opened here".to_owned(),
            range: first_open.unwrap_or(0..sql.len()),
            help: "close it: BEGIN … END, IF … END IF, CASE … END, LOOP … END LOOP",
        });
    }
    found
}

/// What is wrong with the statement that begins here.
fn statement(sql: &str, rest: &[Token], reader: &Reader<'_>, timing: Timing) -> Option<Flaw> {
    let first = rest.first()?;
    let is = |index: usize, word: &str| {
        rest.get(index)
            .is_some_and(|token| token.is_word(sql, word))
    };
    let flaw = |message: String, range: &Range<usize>, help| {
        Some(Flaw {
            message,
            range: range.clone(),
            help,
        })
    };
    if timing == Timing::After && is(0, "set") && is(1, "new") {
        return flaw(
            "an AFTER trigger cannot change the row".to_owned(),
            &first.range,
            "use `timing = \"before\"`",
        );
    }
    if [
        "commit", "rollback", "create", "alter", "truncate", "prepare", "execute", "lock",
    ]
    .iter()
    .any(|word| is(0, word))
    {
        let word = first.text(sql).to_ascii_uppercase();
        return flaw(
            format!("a MySQL trigger cannot hold {word}"),
            &first.range,
            "leave it to whoever changes the table",
        );
    }
    // `SELECT … INTO` is fine; what gives rows is not (error 1415).
    if is(0, "select") {
        let end = rest
            .iter()
            .position(|token| token.is_operator(sql, ";"))
            .unwrap_or(rest.len());
        let gives_rows = !rest
            .iter()
            .take(end)
            .any(|token| token.is_word(sql, "into"));
        if gives_rows {
            return flaw(
                "a MySQL trigger cannot give rows".to_owned(),
                &first.range,
                "use SELECT … INTO a variable, DO, or SIGNAL SQLSTATE '45000' to refuse the change",
            );
        }
    }
    let table = target(sql, rest)?;
    let own = &reader.request.table.id;
    let named = unquote(table.text(sql));
    (named == own.name.as_str()).then(|| Flaw {
        message: format!("a MySQL trigger cannot change its own table `{}`", own.name),
        range: table.range.clone(),
        help: "in a BEFORE trigger `SET NEW.column = …` changes the row itself; other rows are out of reach (error 1442)",
    })
}

/// The table that INSERT, REPLACE, UPDATE or DELETE writes, where it is written without a database.
fn target<'a>(sql: &str, rest: &'a [Token]) -> Option<&'a Token> {
    let mut position = 1;
    let is = |index: usize, word: &str| {
        rest.get(index)
            .is_some_and(|token| token.is_word(sql, word))
    };
    let words: &[&str] = if is(0, "insert") || is(0, "replace") {
        &["low_priority", "delayed", "high_priority", "ignore", "into"]
    } else if is(0, "update") {
        &["low_priority", "ignore"]
    } else if is(0, "delete") {
        &["low_priority", "quick", "ignore", "from"]
    } else {
        return None;
    };
    while words.iter().any(|word| is(position, word)) {
        position += 1;
    }
    let qualified = rest
        .get(position + 1)
        .is_some_and(|token| token.is_operator(sql, "."));
    rest.get(position).filter(|_| !qualified)
}

/// OLD and NEW: whether the event has that row, and the table that column.
pub(super) fn rows(
    reader: &mut Reader<'_>,
    field: &str,
    text: &Located<String>,
    sql: &str,
    event: Event,
    syntax: &Syntax,
) -> bool {
    let mut sound = true;
    for (row, missing_in) in [("old", Event::Insert), ("new", Event::Delete)] {
        for (column, range) in inspect::row_columns(sql, syntax, row) {
            let Some(column) = column else { continue };
            let at = place(text, sql, range);
            if event == missing_in {
                sound = false;
                reader.refuse(
                    format!("{} has no {} row in `{field}`", event.keyword(), row.to_uppercase()),
                    &at,
                    format!(
                        "write another one for it: `{{% if event == \"{}\" %}}`, or a trigger of its own",
                        event.word()
                    ),
                );
                continue;
            }
            let known = reader.request.table.facts.as_ref().is_none_or(|facts| {
                facts.may_have(|known| known.to_lowercase() == column.to_lowercase())
            });
            if !known {
                let table = &reader.request.table;
                let columns = table.facts.as_ref().map(|facts| facts.columns.join(", "));
                // A trigger stays as it is when the column goes or gets another name.
                reader.doubts.push(
                    Diagnostic::new(format!("`{}` has no column `{column}`", table.id.name))
                        .at(&at)
                        .help(format!("its columns are: {}", columns.unwrap_or_default())),
                );
            }
        }
    }
    sound
}
