//! What the SQL of a trigger does to guard or to write down: whether it raises errors, skips rows, and which other tables
//! it writes. By tokens, so that words in literals and comments do not count; what is hidden in a function that the
//! body calls is not seen, and then nothing is claimed.

use std::collections::BTreeSet;

use crate::model::TableId;
use crate::sql::{Code, Syntax, TokenKind, solid, tokens, unquote};

/// What a body does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Effects {
    /// In how many places it raises an error.
    pub(super) raises: usize,
    /// It skips rows: RAISE(IGNORE).
    pub(super) skips: bool,
    /// It has RETURN NULL, which skips the row in a BEFORE trigger.
    pub(super) returns_null: bool,
    /// Tables that it inserts into, lower case; [`DYNAMIC`] for one that is named at run time.
    pub(super) inserts: BTreeSet<String>,
    /// Tables that it updates or deletes from, lower case.
    pub(super) changes: BTreeSet<String>,
    /// Columns that it puts back to what they were: `NEW.a := OLD.a`, lower case.
    pub(super) keeps: BTreeSet<String>,
    /// It speaks of OLD or NEW, a transition table, or the event (`TG_OP`).
    pub(super) names_row: bool,
}

/// The table of an INSERT that the body puts together as text.
pub(super) const DYNAMIC: &str = "a table named at run time";

/// Words that stand between the verb and the table.
const MODIFIERS: [&str; 12] = [
    "into",
    "from",
    "only",
    "or",
    "rollback",
    "abort",
    "fail",
    "ignore",
    "low_priority",
    "high_priority",
    "delayed",
    "quick",
];

/// RAISE with one of these words is a message, not an error.
const MESSAGES: [&str; 5] = ["debug", "log", "info", "notice", "warning"];

/// What a body does. `transition_tables` are the names of REFERENCING.
pub(super) fn effects(text: &str, syntax: &Syntax, transition_tables: &[&str]) -> Effects {
    let tokens = solid(text, syntax);
    let body = Body {
        syntax,
        code: Code {
            text,
            tokens: &tokens,
        },
    };
    let mut effects = Effects::default();
    for (index, token) in body.code.tokens.iter().enumerate() {
        let after_dot = index > 0 && body.code.is_operator(index - 1, ".");
        if after_dot {
            continue;
        }
        effects.keeps.extend(body.kept(index));
        match token.kind {
            TokenKind::Word => body.word(index, &mut effects),
            TokenKind::QuotedName => {}
            _ => continue,
        }
        let name = unquote(token.text(text)).to_lowercase();
        // `RETURN NEW` is how a function ends, and says nothing of the row.
        let ends = index > 0
            && body.code.is_word(index - 1, "return")
            && !body.code.is_operator(index + 1, ".");
        effects.names_row |= !ends
            && (name == "new"
                || name == "old"
                || name.starts_with("tg_")
                || transition_tables
                    .iter()
                    .any(|table| table.eq_ignore_ascii_case(&name)));
    }
    effects
}

/// The function of PostgreSQL that the operator `*<>` stands for.
const IMAGE_NE: &str = "record_image_ne";

/// Whether a condition holds only for a row that an UPDATE leaves as it is: `NOT (OLD.a IS NOT NEW.a OR …)`, over the same
/// columns on both sides.
pub(super) fn is_unchanged(condition: &str, syntax: &Syntax) -> bool {
    let tokens = solid(condition, syntax);
    let body = Body {
        syntax,
        code: Code {
            text: condition,
            tokens: &tokens,
        },
    };
    let mut index = 0;
    while body.code.is_operator(index, "(") {
        index += 1;
    }
    let negates = body.code.is_operator(index + 1, "(") || body.code.is_word(index + 1, IMAGE_NE);
    if !body.code.is_word(index, "not") || !negates {
        return false;
    }
    index += 1;
    let (mut old, mut new) = (BTreeSet::new(), BTreeSet::new());
    while let Some(token) = body.code.tokens.get(index) {
        let row = ["old", "new"]
            .into_iter()
            .find(|row| body.code.is_word(index, row));
        if let Some(row) = row {
            let (true, Some(column)) =
                (body.code.is_operator(index + 1, "."), body.name(index + 2))
            else {
                return false;
            };
            if row == "old" { &mut old } else { &mut new }.insert(column);
            index += 3;
            continue;
        }
        if body.code.is_word(index, "is") {
            // `IS NOT` and `IS DISTINCT FROM` say that there is a difference; `IS`, and `IS NOT DISTINCT FROM`, that there is none.
            let differs = body.code.is_word(index + 1, "distinct")
                || (body.code.is_word(index + 1, "not")
                    && !body.code.is_word(index + 2, "distinct"));
            if !differs {
                return false;
            }
            index += 2;
            continue;
        }
        let others = ["or", "from", "row", "record", "collate", "binary", IMAGE_NE];
        let fits = body.code.is_any(index, &others)
            || ["(", ")", ",", "::", "*<>"]
                .iter()
                .any(|operator| token.is_operator(condition, operator));
        if !fits {
            return false;
        }
        index += 1;
    }
    !old.is_empty() && old == new
}

/// Whether a name that a body writes is this table.
pub(super) fn is_table(name: &str, table: &TableId) -> bool {
    let full = format!("{}.{}", table.schema, table.name).to_lowercase();
    name == full || name == table.name.to_lowercase()
}

struct Body<'a> {
    syntax: &'a Syntax,
    code: Code<'a>,
}

impl Body<'_> {
    /// Whether a statement begins with this token.
    fn starts_statement(&self, index: usize) -> bool {
        let Some(before) = index.checked_sub(1) else {
            return true;
        };
        self.code.is_operator(before, ";")
            || self.code.is_operator(before, ">>")
            || self
                .code
                .is_any(before, &["then", "else", "begin", "loop", "do", "atomic"])
    }

    fn word(&self, index: usize, effects: &mut Effects) {
        let before = index.checked_sub(1);
        let follows = |words: &[&str]| before.is_some_and(|before| self.code.is_any(before, words));
        let is = |word: &str| self.code.is_word(index, word);
        if is("raise") {
            if self.code.is_operator(index + 1, "(") {
                // SQLite's function.
                if self.code.is_word(index + 2, "ignore") {
                    effects.skips = true;
                } else {
                    effects.raises += 1;
                }
            } else if !self.code.is_any(index + 1, &MESSAGES) {
                effects.raises += 1;
            }
        } else if is("signal") || is("resignal") {
            let state = self.code.is_word(index + 1, "sqlstate");
            if (state || self.starts_statement(index)) && !self.is_warning(index + 2) {
                effects.raises += 1;
            }
        } else if is("assert") {
            let assigned =
                self.code.is_operator(index + 1, ":=") || self.code.is_operator(index + 1, "=");
            if self.starts_statement(index) && !assigned {
                effects.raises += 1;
            }
        } else if is("return") {
            effects.returns_null |= self.code.is_word(index + 1, "null");
        } else if is("insert")
            || ((is("merge") || is("replace")) && self.code.is_word(index + 1, "into"))
        {
            let (table, is_index) = (self.table(index + 1), self.is_of_an_index(index + 1));
            if is_index {
                effects.changes.extend(table);
            } else {
                effects.inserts.extend(table);
            }
        } else if (is("update") && !follows(&["for", "do", "key", "on", "then"]))
            || (is("delete") && !follows(&["on", "then"]))
        {
            effects.changes.extend(self.table(index + 1));
        } else if is("execute") && self.starts_statement(index) && self.inserts_by_text(index) {
            effects.inserts.insert(DYNAMIC.to_owned());
        }
    }

    /// The column of an assignment that begins here and leaves it as it was: `NEW.a := OLD.a`, or `coalesce(OLD.a, NEW.a)`.
    fn kept(&self, index: usize) -> Option<String> {
        let column = |row: &str, at: usize| {
            let is_it = self.code.is_word(at, row) && self.code.is_operator(at + 1, ".");
            is_it.then(|| self.name(at + 2)).flatten()
        };
        let kept = column("new", index)?;
        let before = index.checked_sub(1);
        let assigns = self.code.is_operator(index + 3, ":=")
            || (self.code.is_operator(index + 3, "=")
                && (self.starts_statement(index)
                    || before.is_some_and(|at| self.code.is_word(at, "set"))));
        let mut value = index + 4;
        if self.code.is_word(value, "coalesce") && self.code.is_operator(value + 1, "(") {
            value += 2;
        }
        (assigns && column("old", value)? == kept).then_some(kept)
    }

    /// Whether what is inserted here goes into an index of texts (FTS5), by its rowid or as a command to it: that keeps the
    /// index in step, and writes nothing down.
    fn is_of_an_index(&self, mut index: usize) -> bool {
        while self.code.is_any(index, &MODIFIERS) {
            index += 1;
        }
        while self.code.is_operator(index + 1, ".") {
            index += 2;
        }
        self.code.is_operator(index + 1, "(")
            && self.name(index + 2).is_some_and(|first| {
                first == "rowid" || self.name(index).is_some_and(|table| table == first)
            })
    }

    /// `SIGNAL SQLSTATE [VALUE] '01…'` is a warning.
    fn is_warning(&self, index: usize) -> bool {
        let index = if self.code.is_word(index, "value") {
            index + 1
        } else {
            index
        };
        self.code.tokens.get(index).is_some_and(|token| {
            token.kind == TokenKind::String && unquote(token.text(self.code.text)).starts_with("01")
        })
    }

    /// The table that stands here, behind the words that may stand before it.
    fn table(&self, mut index: usize) -> Option<String> {
        while self.code.is_any(index, &MODIFIERS) || (self.code.is_word(index, "replace")) {
            index += 1;
        }
        if self.code.is_any(index, &["set", "values", "select"]) {
            return None;
        }
        let mut name = self.name(index)?;
        while self.code.is_operator(index + 1, ".") {
            let Some(part) = self.name(index + 2) else {
                break;
            };
            name = format!("{name}.{part}");
            index += 2;
        }
        Some(name)
    }

    fn name(&self, index: usize) -> Option<String> {
        let token = self.code.tokens.get(index)?;
        let is_name = matches!(token.kind, TokenKind::Word | TokenKind::QuotedName);
        is_name.then(|| unquote(token.text(self.code.text)).to_lowercase())
    }

    /// Whether the statement that begins here runs a text that begins with INSERT INTO.
    fn inserts_by_text(&self, index: usize) -> bool {
        self.code
            .tokens
            .iter()
            .skip(index + 1)
            .take_while(|token| !token.is_operator(self.code.text, ";"))
            .filter(|token| token.kind == TokenKind::String)
            .any(|token| {
                let text = token
                    .text(self.code.text)
                    .trim_start_matches(['E', 'e', '$', '\'']);
                let mut words = tokens(text, self.syntax).filter(|token| !token.is_blank());
                words
                    .next()
                    .is_some_and(|word| word.is_word(text, "insert"))
                    && words.next().is_some_and(|word| word.is_word(text, "into"))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{MYSQL, POSTGRES, SQLITE};

    fn raises(text: &str, syntax: &Syntax) -> usize {
        effects(text, syntax, &[]).raises
    }

    #[test]
    fn errors_are_raised_by_each_engine_in_its_own_way() {
        for (text, syntax, expected) in [
            ("SELECT RAISE(ABORT, 'no')", &SQLITE, 1),
            (
                "SELECT CASE WHEN NEW.a < 0 THEN RAISE(FAIL, 'x') END",
                &SQLITE,
                1,
            ),
            ("SELECT RAISE(IGNORE)", &SQLITE, 0),
            (
                "INSERT INTO t VALUES ('RAISE(ABORT)') -- RAISE(ABORT, 1)",
                &SQLITE,
                0,
            ),
            ("SELECT t.raise, \"raise\" FROM t", &SQLITE, 0),
            ("BEGIN RAISE EXCEPTION 'no'; END", &POSTGRES, 1),
            (
                "BEGIN RAISE 'no'; RAISE USING message = 'x'; RAISE; END",
                &POSTGRES,
                3,
            ),
            (
                "BEGIN RAISE unique_violation; RAISE SQLSTATE '22012'; END",
                &POSTGRES,
                2,
            ),
            (
                "BEGIN RAISE NOTICE 'x'; RAISE warning 'x'; raise debug 'a'; RAISE LOG ''; RAISE INFO ''; END",
                &POSTGRES,
                0,
            ),
            (
                "BEGIN ASSERT NEW.a > 0; assert := 1; x := assert; END",
                &POSTGRES,
                1,
            ),
            ("BEGIN EXECUTE $$ RAISE EXCEPTION $$; END", &POSTGRES, 0),
            ("SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'", &MYSQL, 1),
            ("IF NEW.a THEN SIGNAL nope; END IF", &MYSQL, 1),
            (
                "SIGNAL SQLSTATE VALUE '01000'; SIGNAL SQLSTATE '01000'",
                &MYSQL,
                0,
            ),
            ("SET @signal = 1", &MYSQL, 0),
        ] {
            assert_eq!(raises(text, syntax), expected, "{text}");
        }
        let keeps = |text: &str, syntax: &Syntax| effects(text, syntax, &[]).keeps.len();
        assert_eq!(
            keeps(
                "NEW.a := OLD.a; NEW.\"B\" := coalesce(OLD.\"B\", NEW.\"B\"); NEW.c := OLD.d; NEW.e := 1;",
                &POSTGRES
            ),
            2
        );
        assert_eq!(
            keeps(
                "SET NEW.a = OLD.a; SET NEW.`b` = OLD.c; IF NEW.d = OLD.d THEN SET @x = 1; END IF",
                &MYSQL
            ),
            1
        );
        assert_eq!(
            keeps("UPDATE t SET a = OLD.a WHERE NEW.b = OLD.b", &SQLITE),
            0
        );
        assert!(effects("SELECT RAISE ( ignore )", &SQLITE, &[]).skips);
        assert!(effects("BEGIN RETURN NULL; END", &POSTGRES, &[]).returns_null);
    }

    #[test]
    fn conditions_that_only_an_unchanged_row_meets() {
        let is = |condition: &str| is_unchanged(condition, &POSTGRES);
        assert!(is(
            "NOT (OLD.a IS NOT NEW.a OR OLD.\"b c\" COLLATE BINARY IS NOT NEW.\"b c\")"
        ));
        assert!(is(
            "(NOT (ROW(OLD.a, OLD.b)::record *<> ROW(NEW.a, NEW.b)::record))"
        ));
        assert!(is(
            "(NOT (record_image_ne(ROW(OLD.a, OLD.b), ROW(NEW.a, NEW.b))))"
        ));
        assert!(is(
            "NOT record_image_ne(ROW(OLD.a, OLD.b), ROW(NEW.a, NEW.b))"
        ));
        assert!(is("NOT (OLD.a IS DISTINCT FROM NEW.a)"));
        for other in [
            "NOT (OLD.a IS NOT DISTINCT FROM NEW.a)",
            "NOT (OLD.a IS NEW.a)",
            "NOT (OLD.a = NEW.a)",
            "NOT (OLD.a IS NOT NEW.b)",
            "NOT (OLD.a IS NOT NEW.a) OR NEW.b > 1",
            "NOT (OLD.a IS NOT NEW.a AND OLD.b IS NOT NEW.b)",
            "OLD.a IS NOT NEW.a",
            "NOT (OLD.a IS NOT NULL)",
            "",
        ] {
            assert!(!is(other), "{other}");
        }
    }

    #[test]
    fn tables_that_are_written() {
        let written = |text: &str, syntax: &Syntax| {
            let effects = effects(text, syntax, &[]);
            let join = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(" ");
            format!("{} | {}", join(effects.inserts), join(effects.changes))
        };
        for (text, syntax, expected) in [
            ("INSERT INTO log VALUES (NEW.id)", &SQLITE, "log | "),
            (
                "INSERT OR IGNORE INTO \"Log\" VALUES (1)",
                &SQLITE,
                "log | ",
            ),
            (
                "REPLACE INTO log VALUES (replace('a', 'b', 'c'))",
                &SQLITE,
                "log | ",
            ),
            ("UPDATE OR IGNORE n SET a = 1", &SQLITE, " | n"),
            (
                "INSERT INTO n VALUES (1) ON CONFLICT DO UPDATE SET a = 2",
                &SQLITE,
                "n | ",
            ),
            (
                "INSERT IGNORE log SET a = INSERT('a', 1, 2, 'b')",
                &MYSQL,
                "log | ",
            ),
            (
                "INSERT INTO n VALUES (1) ON DUPLICATE KEY UPDATE a = 2",
                &MYSQL,
                "n | ",
            ),
            ("DELETE LOW_PRIORITY QUICK FROM `a`.`b`", &MYSQL, " | a.b"),
            (
                "BEGIN WITH x AS (DELETE FROM ONLY a.b RETURNING *) INSERT INTO c SELECT * FROM x; END",
                &POSTGRES,
                "c | a.b",
            ),
            (
                "BEGIN SELECT 1 FROM t FOR UPDATE; SELECT 1 FOR NO KEY UPDATE; END",
                &POSTGRES,
                " | ",
            ),
            (
                "BEGIN IF TG_OP = 'INSERT INTO x' THEN NULL; END IF; END",
                &POSTGRES,
                " | ",
            ),
            (
                "BEGIN MERGE INTO m USING s ON true WHEN MATCHED THEN UPDATE SET a = 1 WHEN NOT MATCHED THEN INSERT VALUES (1); END",
                &POSTGRES,
                "m | ",
            ),
            (
                "BEGIN EXECUTE format('INSERT INTO %I VALUES (1)', t) USING OLD; END",
                &POSTGRES,
                "a table named at run time | ",
            ),
            (
                "BEGIN EXECUTE 'SELECT ''INSERT INTO x'''; END",
                &POSTGRES,
                " | ",
            ),
        ] {
            assert_eq!(written(text, syntax), expected, "{text}");
        }
    }

    #[test]
    fn what_speaks_of_the_row() {
        let names = |text: &str| effects(text, &POSTGRES, &["fresh"]).names_row;
        for text in [
            "x := OLD.a",
            "PERFORM f(NEW)",
            "SELECT \"new\".a",
            "x := tg_op",
            "SELECT * FROM fresh",
            "RETURN NEW.a",
        ] {
            assert!(names(text), "{text}");
        }
        for text in [
            "RETURN NEW",
            "RETURN OLD;",
            "SELECT 'NEW'",
            "SELECT t.new",
            "SELECT newer",
        ] {
            assert!(!names(text), "{text}");
        }
        let table = TableId {
            schema: "app".to_owned(),
            name: "Users".to_owned(),
        };
        assert!(is_table("users", &table) && is_table("app.users", &table));
        assert!(!is_table("other.users", &table) && !is_table("user", &table));
    }
}
