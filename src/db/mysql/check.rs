//! What a body would fail on when it fires: tables, columns and functions that are not there. Its statements are
//! prepared, never run, with `?` for the row and for variables. What cannot be prepared so is left to the engine.
//!
//! A `?` has no collation. Statements that compare the row with something are prepared once more, with a column of the table in its
//! place: that columns of two collations cannot be compared (error 1267) is said of one just where it is said of `NEW.x`, by
//! MariaDB 10.11 and MySQL 9, whatever the character sets.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use mysql::prelude::Queryable;

use super::{Mysql, errors, literal, quoted};
use crate::dialect::mysql::syntax_under;
use crate::error::{Diagnostic, Error};
use crate::kinds::tables::NewTable;
use crate::model::{Action, Definition, ObjectId, TableId, Trigger, TriggerId};
use crate::sql::{Blocks, Syntax, Token, TokenKind, tokens, unquote};

/// So many bytes of statements go to the server at once: no packet comes near the least that a server takes.
const BATCH: usize = 64 * 1024;

/// A statement of a body, and the trigger that it is of.
struct Asked<'a> {
    of: usize,
    id: &'a TriggerId,
    statement: String,
    /// What is in place of `NEW.x`.
    row: Row,
    syntax: Syntax,
}

/// What stands for a column of the row in a statement that is prepared.
enum Row {
    Parameter,
    /// With the statement as it is with parameters.
    Column(String),
}

impl Mysql {
    pub(super) fn find_faults(
        &mut self,
        definitions: &[&Definition],
        new: &[NewTable],
    ) -> Result<Vec<(ObjectId, Diagnostic)>, Error> {
        // In the order of the definitions, whoever is asked first.
        let mut faults = vec![];
        let mut definers: BTreeMap<String, bool> = BTreeMap::new();
        let mut usual = vec![];
        for (of, definition) in definitions.iter().enumerate() {
            let Definition::Trigger(trigger) = definition else {
                continue;
            };
            let Trigger {
                id,
                action: Action::Body(body),
                creation,
                ..
            } = &**trigger
            else {
                continue;
            };
            let definer = creation
                .as_deref()
                .and_then(|creation| creation.definer.as_deref())
                .filter(|definer| *definer != self.user);
            if let Some(definer) = definer {
                let exists = match definers.get(definer) {
                    Some(exists) => *exists,
                    None => self.account_exists(definer)?,
                };
                definers.insert(definer.to_owned(), exists);
                if !exists {
                    let diagnostic = Diagnostic::new(format!(
                        "trigger `{}` would fail when it fires: its definer `{definer}` does not exist",
                        id.name
                    ))
                    .help("create the account first, or name another one as the `definer`");
                    faults.push((of, ObjectId::Trigger(id.clone()), diagnostic));
                }
            }
            // Names without a database are looked for in the trigger's: only ours can be asked.
            if id.table.schema != self.current() {
                continue;
            }
            let mode = creation
                .as_deref()
                .and_then(|creation| creation.sql_mode.as_deref())
                .filter(|mode| self.session.sql_mode.as_deref() != Some(mode));
            let syntax = syntax_under(mode.unwrap_or_default());
            // Under another collation than the session's its literals and casts would be judged wrongly.
            let collation = creation
                .as_deref()
                .and_then(|creation| creation.collation_connection.as_deref());
            let is_ours = collation
                .is_none_or(|own| self.session.collation_connection.as_deref() == Some(own));
            let table = is_ours.then_some(&id.table);
            let asked = asked(body, &syntax, table).into_iter();
            let asked = asked.map(|(row, statement)| Asked {
                of,
                id,
                statement,
                row,
                syntax,
            });
            let Some(mode) = mode else {
                usual.extend(asked);
                continue;
            };
            self.dirty = true;
            let set = format!("SET SESSION sql_mode = {}", literal(mode));
            self.execute("check the triggers", &set)?;
            for asked in asked {
                let Err(error) = self.conn.prep(&asked.statement) else {
                    continue;
                };
                if let Some(diagnostic) = asked.fault(&error, new)? {
                    faults.push((of, ObjectId::Trigger(id.clone()), diagnostic));
                    break;
                }
            }
            self.set_session()?;
        }
        let shapes: Vec<Cow<'_, str>> = usual
            .iter()
            .map(|asked| shape(&asked.statement, &asked.syntax))
            .collect();
        let wrong = self.prepare_each(usual.iter().zip(&shapes))?;
        // Of each trigger the first that is wrong.
        let mut said = None;
        for (asked, shape) in usual.iter().zip(&shapes) {
            if said == Some(asked.of) {
                continue;
            }
            let error = wrong.get(&**shape);
            if let Some(diagnostic) = error
                .map(|error| asked.fault(error, new))
                .transpose()?
                .flatten()
            {
                faults.push((asked.of, ObjectId::Trigger(asked.id.clone()), diagnostic));
                said = Some(asked.of);
            }
        }
        faults.sort_by_key(|(of, _, _)| *of);
        Ok(faults
            .into_iter()
            .map(|(_, id, diagnostic)| (id, diagnostic))
            .collect())
    }

    /// Prepare one statement of each shape: what the server said of those that it did not take.
    fn prepare_each<'a>(
        &mut self,
        all: impl Iterator<Item = (&'a Asked<'a>, &'a Cow<'a, str>)>,
    ) -> Result<BTreeMap<&'a str, mysql::Error>, Error> {
        let mut seen = HashSet::new();
        let one_each: Vec<(&str, &str)> = all
            .filter(|(_, shape)| seen.insert(&***shape))
            .map(|(asked, shape)| (asked.statement.as_str(), &**shape))
            .collect();
        let mut wrong = BTreeMap::new();
        let mut rest = one_each.as_slice();
        while !rest.is_empty() {
            let (fine, error) = self.prepare_some(rest)?;
            rest = rest.get(fine..).unwrap_or_default();
            if let (Some(error), Some(((_, shape), others))) = (error, rest.split_first()) {
                wrong.insert(*shape, error);
                rest = others;
            }
        }
        Ok(wrong)
    }

    /// Prepare the first of these in one round trip: how many went well, and what the server said of the next.
    fn prepare_some(
        &mut self,
        all: &[(&str, &str)],
    ) -> Result<(usize, Option<mysql::Error>), Error> {
        let mut batch = String::new();
        let mut count = 0;
        for (statement, _) in all {
            // Each takes the name, and with it the place, of the one before.
            let sql = format!("PREPARE triggerctl_check FROM {}", literal(statement));
            if count > 0 && batch.len() + sql.len() > BATCH {
                break;
            }
            if count > 0 {
                batch.push(';');
            }
            batch.push_str(&sql);
            count += 1;
        }
        self.must_fit("check the triggers", &batch)?;
        let (fine, failed) = self.run_several(&batch);
        if let Some(error) = &failed
            && errors::is_lost(error)
        {
            return Err(errors::cannot("check the triggers", error));
        }
        if failed.is_none() && fine != count {
            return Err(Error::failed(format!(
                "the server answered {fine} of {count} questions about the triggers"
            )));
        }
        Ok((fine, failed))
    }
}

/// What of a statement can be about a table, a column or a function: triggers of one kind often differ in nothing but a literal,
/// and then the server is asked once. A literal may name a column, but only of what is selected, and by an executable comment
/// anything may be.
fn shape<'a>(statement: &'a str, syntax: &Syntax) -> Cow<'a, str> {
    let all: Vec<Token> = tokens(statement, syntax).collect();
    let writes = all.first().is_some_and(|first| {
        ["insert", "replace"]
            .iter()
            .any(|word| first.is_word(statement, word))
    });
    let is_doubtful = |token: &Token| {
        matches!(token.kind, TokenKind::Comment | TokenKind::Unterminated)
            || token.is_word(statement, "select")
    };
    if !writes || all.iter().any(is_doubtful) {
        return Cow::Borrowed(statement);
    }
    let texts = all.iter().map(|token| match token.kind {
        TokenKind::String => "''",
        _ => token.text(statement),
    });
    Cow::Owned(texts.collect())
}

impl Asked<'_> {
    /// What an error of preparing it means; `None` where it means nothing.
    fn fault(&self, error: &mysql::Error, new: &[NewTable]) -> Result<Option<Diagnostic>, Error> {
        if errors::is_lost(error) {
            return Err(errors::cannot("check the triggers", error));
        }
        let code = errors::code(error);
        // It is about a table that will be there by then.
        if code == Some(1146) && speaks_of(&self.statement, &self.syntax, new) {
            return Ok(None);
        }
        let help = match (&self.row, code) {
            // No such table, no such column, no such function. All else may be the doing of the `?`.
            (Row::Parameter, Some(1146 | 1054 | 1305)) => {
                "correct the name, or create what it speaks of first"
            }
            (Row::Column(_), Some(1267 | 1270 | 1271)) => {
                "say in which collation they are compared (`NEW.a COLLATE utf8mb4_bin`), or give the columns the same one"
            }
            _ => return Ok(None),
        };
        let statement = match &self.row {
            Row::Parameter => &self.statement,
            Row::Column(statement) => statement,
        };
        Ok(Some(
            Diagnostic::new(format!(
                "trigger `{}` would fail when it fires: {}",
                self.id.name,
                errors::words(error)
            ))
            .note(format!("in the statement: {}", one_line(statement)))
            .help(help),
        ))
    }
}

/// Whether one of these tables is named in a statement.
fn speaks_of(statement: &str, syntax: &Syntax, tables: &[NewTable]) -> bool {
    tokens(statement, syntax)
        .filter(|token| matches!(token.kind, TokenKind::Word | TokenKind::QuotedName))
        .any(|token| {
            let name = unquote(token.text(statement));
            tables
                .iter()
                .any(|new| new.table.name.eq_ignore_ascii_case(&name))
        })
}

impl Mysql {
    /// Whether there is such an account, as far as this role can see: the server takes a definer that does not exist, and
    /// fails when the trigger fires (error 1449).
    fn account_exists(&mut self, definer: &str) -> Result<bool, Error> {
        let account = match definer.rsplit_once('@') {
            Some((user, "")) => literal(user),
            Some((user, host)) => format!("{}@{}", literal(user), literal(host)),
            None => literal(definer),
        };
        // MariaDB says it only after it has begun to answer.
        let answer: Result<Vec<mysql::Row>, _> =
            self.conn.query(format!("SHOW GRANTS FOR {account}"));
        match answer {
            Err(error) if errors::is_lost(&error) => {
                Err(errors::cannot("check the triggers", &error))
            }
            // There is no such grant defined. Anything else says that one may not ask.
            Err(error) => Ok(errors::code(&error) != Some(1141)),
            Ok(_) => Ok(true),
        }
    }
}

fn one_line(text: &str) -> String {
    const MOST: usize = 120;
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

/// The statements of a body that the server is asked about, and what stands for the row in them: columns of `table` only where
/// it is named, and a statement compares them.
fn asked(body: &str, syntax: &Syntax, table: Option<&TableId>) -> Vec<(Row, String)> {
    let statements = preparable(body, syntax, &|_| "?".to_owned());
    // Most bodies compare nothing, and are not read again.
    let table = table.filter(|_| statements.iter().any(|one| compares(one, syntax)));
    let mut typed = table.map(|table| {
        let table = format!("{}.{}", quoted(&table.schema), quoted(&table.name));
        let column = |column: &str| {
            format!("(SELECT triggerctl_row.{column} FROM {table} AS triggerctl_row LIMIT 0)")
        };
        preparable(body, syntax, &column).into_iter()
    });
    let mut all = vec![];
    for statement in statements {
        let typed = typed.as_mut().and_then(Iterator::next);
        if !names_something(&statement, syntax) {
            continue;
        }
        let typed = typed.filter(|typed| *typed != statement && compares(&statement, syntax));
        let typed = typed.map(|typed| (Row::Column(statement.clone()), typed));
        all.push((Row::Parameter, statement));
        all.extend(typed);
    }
    all
}

/// Whether a statement may compare the row with something: most that write down what has happened do not.
fn compares(statement: &str, syntax: &Syntax) -> bool {
    const WORDS: [&str; 8] = [
        "select", "where", "on", "having", "case", "if", "in", "concat",
    ];
    tokens(statement, syntax).any(|token| {
        matches!(token.kind, TokenKind::Word)
            && WORDS.iter().any(|word| token.is_word(statement, word))
    })
}

/// The statements that can be prepared: INSERT, REPLACE, UPDATE, DELETE, SELECT, and conditions and values, each in a SELECT.
fn preparable(body: &str, syntax: &Syntax, row: &dyn Fn(&str) -> String) -> Vec<String> {
    let all: Vec<Token> = tokens(body, syntax)
        .filter(|token| !token.is_blank())
        .collect();
    let locals = locals(body, &all);
    let mut found = vec![];
    let mut blocks = Blocks::new();
    for (index, token) in all.iter().enumerate() {
        let starts = blocks.starts();
        blocks.take(token, all.get(index + 1), body);
        if !starts {
            continue;
        }
        let is = |word: &str| token.is_word(body, word);
        let rest = all.get(index..).unwrap_or_default();
        let to = |end: &dyn Fn(&Token) -> bool| {
            let length = rest.iter().position(end).unwrap_or(rest.len());
            rest.get(..length).unwrap_or_default()
        };
        let semicolon = |token: &Token| token.is_operator(body, ";");
        if ["insert", "replace", "update", "delete", "select", "with"]
            .iter()
            .any(|word| is(word))
        {
            found.push(open(body, to(&semicolon), &locals, row));
        } else if is("if") || is("while") {
            let condition = to(&|token: &Token| {
                token.is_word(body, "then") || token.is_word(body, "do") || semicolon(token)
            });
            found.push(format!(
                "SELECT {}",
                open(body, condition.get(1..).unwrap_or_default(), &locals, row)
            ));
        } else if is("set") {
            let statement = to(&semicolon);
            let equals = statement
                .iter()
                .position(|token| token.is_operator(body, "=") || token.is_operator(body, ":="));
            let value = equals
                .and_then(|at| statement.get(at + 1..))
                .unwrap_or_default();
            // `SET a = 1, b = 2` would be two columns, one of them a comparison.
            let mut depth = 0_i32;
            let several = value.iter().any(|token| {
                depth += i32::from(token.is_operator(body, "("))
                    - i32::from(token.is_operator(body, ")"));
                depth == 0 && token.is_operator(body, ",")
            });
            if !several && !value.is_empty() {
                found.push(format!("SELECT {}", open(body, value, &locals, row)));
            }
        }
    }
    found
}

/// Whether there is anything in a statement that might not be there: a condition on values alone, as the guard of `update_of`
/// is, cannot fail so. Only words that are surely none of a table, a column or a function are known here.
fn names_something(statement: &str, syntax: &Syntax) -> bool {
    const NO_NAMES: [&str; 9] = [
        "select", "not", "and", "or", "is", "null", "as", "binary", "between",
    ];
    tokens(statement, syntax).any(|token| match token.kind {
        TokenKind::Space
        | TokenKind::String
        | TokenKind::Number
        | TokenKind::Parameter
        | TokenKind::Operator => false,
        // A comment may be one that is run.
        TokenKind::QuotedName | TokenKind::Comment | TokenKind::Unterminated => true,
        TokenKind::Word if token.is_word(statement, "cast") => {
            // With a space between the two, it would be a function of the user's.
            !statement
                .get(token.range.end..)
                .is_some_and(|rest| rest.starts_with('('))
        }
        TokenKind::Word => !NO_NAMES.iter().any(|word| token.is_word(statement, word)),
    })
}

/// The names that DECLARE makes: of variables, cursors and conditions.
fn locals(body: &str, all: &[Token]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (index, token) in all.iter().enumerate() {
        if !token.is_word(body, "declare") {
            continue;
        }
        let mut position = index + 1;
        while let Some(name) = all
            .get(position)
            .filter(|token| matches!(token.kind, TokenKind::Word | TokenKind::QuotedName))
        {
            names.insert(unquote(name.text(body)).to_lowercase());
            if !all
                .get(position + 1)
                .is_some_and(|token| token.is_operator(body, ","))
            {
                break;
            }
            position += 2;
        }
    }
    names
}

/// A statement with what `row` makes of their column for NEW.x and OLD.x, with `?` for local variables, and without INTO and what
/// follows it in a SELECT.
fn open(
    body: &str,
    statement: &[Token],
    locals: &BTreeSet<String>,
    row: &dyn Fn(&str) -> String,
) -> String {
    let mut text = String::new();
    let is_select = statement
        .first()
        .is_some_and(|token| token.is_word(body, "select"));
    let mut position = 0;
    let mut after_dot = false;
    let mut end = None;
    while let Some(token) = statement.get(position) {
        let next_is = |ahead: usize, operator: &str| {
            statement
                .get(position + ahead)
                .is_some_and(|token| token.is_operator(body, operator))
        };
        let is_row = token.is_word(body, "new") || token.is_word(body, "old");
        let name = matches!(token.kind, TokenKind::Word | TokenKind::QuotedName)
            .then(|| unquote(token.text(body)).to_lowercase());
        let previous_after_dot = std::mem::replace(&mut after_dot, token.is_operator(body, "."));
        // What stands between the tokens stays: `max (x)` is no call of the built-in `max`.
        text.push_str(
            end.and_then(|end| body.get(end..token.range.start))
                .unwrap_or_default(),
        );
        end = Some(token.range.end);
        if is_row && !previous_after_dot && next_is(1, ".") {
            let column = statement.get(position + 2);
            text.push_str(&row(column.map_or("", |column| column.text(body))));
            end = column.map(|column| column.range.end);
            position += 3;
            continue;
        }
        if is_select && token.is_word(body, "into") {
            position += 1;
            // One variable after another.
            while let Some(token) = statement.get(position) {
                let part = matches!(
                    token.kind,
                    TokenKind::Word | TokenKind::QuotedName | TokenKind::Parameter
                );
                let row = token.is_word(body, "new");
                if !part {
                    break;
                }
                position += if row { 3 } else { 1 };
                if !statement
                    .get(position)
                    .is_some_and(|token| token.is_operator(body, ","))
                {
                    break;
                }
                position += 1;
            }
            end = position
                .checked_sub(1)
                .and_then(|last| statement.get(last))
                .map(|token| token.range.end);
            continue;
        }
        let local = name.is_some_and(|name| locals.contains(&name))
            && !previous_after_dot
            && !next_is(1, ".")
            && !next_is(1, "(");
        text.push_str(if local { "?" } else { token.text(body) });
        position += 1;
    }
    text.trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_statements() {
        let body = "DECLARE n, m int DEFAULT 1; SELECT max(x) INTO n, @b FROM t WHERE a = NEW.a AND t.n = n; \
                    IF n > OLD.`b` THEN INSERT INTO l VALUES (n, f(NEW.x)); END IF; SET NEW.a = g(n) + 1";
        assert_eq!(
            preparable(body, &crate::sql::MYSQL, &|_| "?".to_owned()),
            [
                "SELECT max(x)  FROM t WHERE a = ? AND t.n = ?",
                "SELECT ? > ?",
                "INSERT INTO l VALUES (?, f(?))",
                "SELECT g(?) + 1",
            ]
        );
    }

    #[test]
    fn what_differs_in_a_value_alone_is_asked_about_once() {
        let of = |statement: &str| shape(statement, &crate::sql::MYSQL).into_owned();
        assert_eq!(
            of("INSERT INTO log (what, n) VALUES ('a''b', ?, \"c\", 'x'  'y')"),
            "INSERT INTO log (what, n) VALUES ('', ?, '', ''  '')"
        );
        for kept in [
            // A number may be that of a column; a name is one.
            "INSERT INTO log VALUES (1, `a`, b)",
            // The column `x` comes of a literal.
            "INSERT INTO log SELECT t.x FROM (SELECT 'x') AS t",
            "INSERT INTO log VALUES ('a', (SELECT y FROM (SELECT 1 AS 'y') AS t))",
            "UPDATE log JOIN (VALUES ('x')) AS t SET log.a = t.x",
            "INSERT INTO log VALUES ('a' /*! , (SELECT 1 'b') */)",
        ] {
            assert_eq!(of(kept), kept);
        }
        let ansi = syntax_under("ANSI_QUOTES");
        let named = "REPLACE INTO log VALUES (\"a\")";
        assert_eq!(shape(named, &ansi), named);
    }

    #[test]
    fn what_names_nothing_is_not_asked_about() {
        for (statement, asked) in [
            (
                "SELECT (NOT (? <=> ? AND CAST(? AS BINARY) <=> CAST(? AS BINARY))) AND (? > 'b.c')",
                false,
            ),
            ("SELECT ? IS NOT NULL OR @a = 1.5e3", false),
            ("SELECT ? > a", true),
            ("SELECT ? > `a`", true),
            ("SELECT f(?)", true),
            ("SELECT CAST (? AS BINARY)", true),
            ("SELECT ? > 0 /*! + f(1) */", true),
            ("SELECT ? > 1 ORDER BY 2", true),
        ] {
            assert_eq!(
                names_something(statement, &crate::sql::MYSQL),
                asked,
                "{statement}"
            );
        }
    }
}
