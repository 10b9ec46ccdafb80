//! Reading the `CREATE TRIGGER` text that SQLite keeps in `sqlite_schema` back into a [`Trigger`].
//!
//! The engine has accepted the text, so this need not judge it, only find its parts; `parse.y` says where each one
//! ends. SQLite keeps the text to the letter, hence it comes with quotes, comments and names that look like keywords.

use std::ops::Range;
use std::sync::Arc;

use crate::error::{Diagnostic, Error, SourceFile, Span};
use crate::model::{
    Action, Condition, EnabledState, Event, Events, Orientation, Seldom, TableId, Timing, Trigger,
    TriggerId,
};
use crate::sql::{SQLITE, Token, TokenKind, solid, tokens, unquote};

/// Read a `CREATE TRIGGER` statement; `table` is the table that the catalog says it is on. The condition comes without
/// the parentheses around all of it, the body as it stands between BEGIN and END. An error points to the place in
/// `sql` that could not be read.
pub fn parse(sql: &str, table: TableId) -> Result<Trigger, Error> {
    let reader = &mut Reader::new(sql);
    reader.opening()?;
    let Header {
        name: Name { name, schema: _ },
        timing,
        event,
        update_of,
        table: _,
    } = reader.header()?;
    if reader.take("for") {
        reader.keyword("each")?;
        reader.keyword("row")?;
    }
    let condition = if reader.take("when") {
        Some(Condition::Sql(reader.condition()?))
    } else {
        None
    };
    let body = reader.body()?;

    Ok(Trigger {
        id: TriggerId { table, name },
        timing,
        events: Events::from([event]),
        update_of,
        orientation: Orientation::Row,
        condition,
        action: Action::Body(body),
        transition_tables: Seldom::default(),
        constraint: None,
        enabled: EnabledState::Origin,
        enabled_on_partitions: Seldom::default(),
        comment: None,
        depends_on_extensions: Seldom::default(),
        verbatim: Some(sql.to_owned()),
        creation: None,
        seen: None,
    })
}

/// What SQLite keeps of a `CREATE TRIGGER` statement in `sqlite_schema`: all from the trigger's name, without its
/// schema, to END, after the words `CREATE TRIGGER` (`sqlite3FinishTrigger` in `trigger.c`).
pub fn stored_text(sql: &str) -> Result<String, Error> {
    let reader = &mut Reader::new(sql);
    reader.opening()?;
    reader.qualified_name()?;
    let name = reader
        .position
        .checked_sub(1)
        .and_then(|last| reader.tokens.get(last));
    let start = name.map(|name| name.range.start);
    let end = reader.end().map(|end| end.range.end);
    start
        .zip(end)
        .and_then(|(start, end)| sql.get(start..end))
        .map(|kept| format!("{STORED}{kept}"))
        .ok_or_else(|| reader.unreadable("expected END"))
}

/// The names of a trigger and of its table as `sqlite_schema` would hold them, where it would hold this statement to the
/// letter. The engine has to have accepted the statement.
pub fn kept_whole(sql: &str) -> Option<(String, String)> {
    let reader = &mut Reader::new(sql);
    reader.keyword("create").ok()?;
    reader.keyword("trigger").ok()?;
    let name = reader.peek(0)?.range.start;
    if sql.get(..name) != Some(STORED) || reader.is(0, "if") && reader.is(1, "not") {
        return None;
    }
    let Header { name, table, .. } = reader.header().ok()?;
    let whole = reader.end()?.range.end == sql.len();
    (whole && !name.schema && !table.schema).then_some((name.name, table.name))
}

/// The name in a `DROP TRIGGER name` that says nothing else.
pub fn dropped(sql: &str) -> Option<String> {
    let reader = &mut Reader::new(sql);
    reader.keyword("drop").ok()?;
    reader.keyword("trigger").ok()?;
    let name = reader.name().ok()?;
    reader.peek(0).is_none().then_some(name)
}

/// How every trigger begins in `sqlite_schema`.
const STORED: &str = "CREATE TRIGGER ";

/// A condition without comments and white space around it, and without the parentheses that are around all of it.
/// Those of a subquery stay.
pub fn bare_condition(condition: &str) -> &str {
    let all = solid(condition, &SQLITE);
    let mut inner = all.as_slice();
    while let [open, within @ .., close] = inner
        && open.is_operator(condition, "(")
        && close.is_operator(condition, ")")
        && encloses_expression(within, condition)
    {
        inner = within;
    }
    span(inner)
        .and_then(|range| condition.get(range))
        .unwrap_or_default()
}

/// Whether the parentheses around these tokens belong together, and around an expression.
fn encloses_expression(within: &[Token], text: &str) -> bool {
    let subquery = within.first().is_none_or(|first| {
        ["select", "values", "with"]
            .iter()
            .any(|word| first.is_word(text, word))
    });
    let mut depth = 0_usize;
    for token in within {
        if token.is_operator(text, "(") {
            depth += 1;
        } else if token.is_operator(text, ")") {
            let Some(less) = depth.checked_sub(1) else {
                return false;
            };
            depth = less;
        } else if depth == 0 && token.is_operator(text, ",") {
            return false;
        }
    }
    depth == 0 && !subquery
}

fn span(tokens: &[Token]) -> Option<Range<usize>> {
    Some(tokens.first()?.range.start..tokens.last()?.range.end)
}

/// How a statement of a trigger's body begins.
const STATEMENT_WORDS: [&str; 7] = [
    "delete", "insert", "replace", "select", "update", "values", "with",
];

/// What a trigger begins with.
struct Header {
    name: Name,
    timing: Timing,
    event: Event,
    update_of: Vec<String>,
    /// As the statement spells it.
    table: Name,
}

/// A name, and whether a schema stands before it.
struct Name {
    name: String,
    schema: bool,
}

struct Reader<'a> {
    sql: &'a str,
    /// Without blanks.
    tokens: Vec<Token>,
    position: usize,
}

impl<'a> Reader<'a> {
    fn new(sql: &'a str) -> Self {
        let tokens = tokens(sql, &SQLITE).filter(|token| !token.is_blank());
        Self {
            sql,
            tokens: tokens.collect(),
            position: 0,
        }
    }

    /// What stands before the name.
    fn opening(&mut self) -> Result<(), Error> {
        self.keyword("create")?;
        let _ = self.take("temp") || self.take("temporary");
        self.keyword("trigger")?;
        if self.take("if") {
            self.keyword("not")?;
            self.keyword("exists")?;
        }
        Ok(())
    }

    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.position + ahead)
    }

    fn is(&self, ahead: usize, word: &str) -> bool {
        self.peek(ahead)
            .is_some_and(|token| token.is_word(self.sql, word))
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.is(0, word);
        self.position += usize::from(found);
        found
    }

    fn take_operator(&mut self, operator: &str) -> bool {
        let found = self
            .peek(0)
            .is_some_and(|token| token.is_operator(self.sql, operator));
        self.position += usize::from(found);
        found
    }

    fn keyword(&mut self, word: &str) -> Result<(), Error> {
        if self.take(word) {
            Ok(())
        } else {
            Err(self.unreadable(&format!("expected {}", word.to_ascii_uppercase())))
        }
    }

    /// A name, which SQLite takes in any quotes (`nm` in `parse.y`).
    fn name(&mut self) -> Result<String, Error> {
        let name = self
            .peek(0)
            .filter(|token| {
                matches!(
                    token.kind,
                    TokenKind::Word | TokenKind::QuotedName | TokenKind::String
                )
            })
            .map(|token| unquote(token.text(self.sql)).into_owned());
        let name = name.ok_or_else(|| self.unreadable("expected a name"))?;
        self.position += 1;
        Ok(name)
    }

    /// `name` or `schema.name`.
    fn qualified_name(&mut self) -> Result<Name, Error> {
        let name = self.name()?;
        Ok(if self.take_operator(".") {
            Name {
                name: self.name()?,
                schema: true,
            }
        } else {
            Name {
                name,
                schema: false,
            }
        })
    }

    /// From the trigger's name to its table's.
    fn header(&mut self) -> Result<Header, Error> {
        let name = self.qualified_name()?;
        let timing = if self.take("before") {
            Timing::Before
        } else if self.take("after") {
            Timing::After
        } else if self.take("instead") {
            self.keyword("of")?;
            Timing::InsteadOf
        } else {
            Timing::Before
        };
        let mut update_of = vec![];
        let event = if self.take("delete") {
            Event::Delete
        } else if self.take("insert") {
            Event::Insert
        } else {
            self.keyword("update")?;
            if self.take("of") {
                update_of.push(self.name()?);
                while self.take_operator(",") {
                    update_of.push(self.name()?);
                }
            }
            Event::Update
        };
        self.keyword("on")?;
        Ok(Header {
            name,
            timing,
            event,
            update_of,
            table: self.qualified_name()?,
        })
    }

    /// What stands before the BEGIN that opens the body. BEGIN may be a name as well: of a column (`NEW.begin`), of
    /// anything within parentheses, of a function or collation. None of these is followed by the beginning of a
    /// statement.
    fn condition(&mut self) -> Result<String, Error> {
        let start = self.position;
        let mut depth = 0_usize;
        while let Some(token) = self.peek(0) {
            if token.is_operator(self.sql, "(") {
                depth += 1;
            } else if token.is_operator(self.sql, ")") {
                depth = depth.saturating_sub(1);
            } else if depth == 0
                && self.is(0, "begin")
                && STATEMENT_WORDS.iter().any(|word| self.is(1, word))
                && !self.follows_dot()
            {
                let text = self
                    .tokens
                    .get(start..self.position)
                    .and_then(span)
                    .and_then(|range| self.sql.get(range))
                    .ok_or_else(|| self.unreadable("expected a condition"))?;
                return Ok(bare_condition(text).to_owned());
            }
            self.position += 1;
        }
        Err(self.unreadable("expected BEGIN"))
    }

    fn follows_dot(&self) -> bool {
        self.position
            .checked_sub(1)
            .and_then(|before| self.tokens.get(before))
            .is_some_and(|token| token.is_operator(self.sql, "."))
    }

    /// What stands between BEGIN and the END that closes the statement.
    fn body(&mut self) -> Result<String, Error> {
        let start = self.peek(0).map(|begin| begin.range.end);
        self.keyword("begin")?;
        let end = self.end().map(|end| end.range.start);
        start
            .zip(end)
            .and_then(|(start, end)| self.sql.get(start..end))
            .map(str::to_owned)
            .ok_or_else(|| {
                self.position = self.tokens.len();
                self.unreadable("expected END")
            })
    }

    /// The END that closes the statement, after which there may be semicolons.
    fn end(&self) -> Option<&Token> {
        self.tokens
            .iter()
            .rev()
            .find(|token| !token.is_operator(self.sql, ";"))
            .filter(|token| token.is_word(self.sql, "end"))
    }

    fn unreadable(&self, label: &str) -> Error {
        let end = self.sql.len();
        let range = self.peek(0).map_or(end..end, |token| token.range.clone());
        let file = Arc::new(SourceFile {
            name: "<stored trigger>".to_owned(),
            text: self.sql.to_owned(),
        });
        Diagnostic::new("the text of a stored trigger cannot be read")
            .labelled(&Span { file, range }, label)
            .into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::Connection;

    use super::*;

    fn users() -> TableId {
        TableId {
            schema: "main".to_owned(),
            name: "users".to_owned(),
        }
    }

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE users(id, age, \"begin\", \"end\", \"a b\", \"when\", \"on\", \"of\");
                 CREATE TABLE \"select\"(x); CREATE VIEW seen AS SELECT * FROM users;",
            )
            .unwrap();
        connection
    }

    /// What SQLite keeps of `sql`, read back.
    fn stored(sql: &str) -> Trigger {
        let connection = database();
        connection.execute(sql, []).unwrap();
        let (kept, name, table): (String, String, String) = connection
            .query_row(
                "SELECT sql, name, tbl_name FROM sqlite_schema WHERE type = 'trigger'
                 UNION ALL SELECT sql, name, tbl_name FROM sqlite_temp_schema WHERE type = 'trigger'",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .unwrap();
        if let Some(whole) = kept_whole(sql) {
            assert_eq!((sql, whole), (kept.as_str(), (name, table)));
        } else {
            // What is kept to the letter, and names no schema after the trigger's name, is found to be.
            assert!(kept != sql || sql.contains("main"), "{sql}");
        }
        let trigger = parse(&kept, users()).unwrap();
        assert_eq!(trigger.verbatim.as_deref(), Some(kept.as_str()));
        assert_eq!(stored_text(sql).unwrap(), kept);
        assert_eq!(stored_text(&kept).unwrap(), kept);
        // What was given is read the same.
        let given = parse(sql, users()).unwrap();
        assert_eq!(
            Trigger {
                verbatim: None,
                ..given
            },
            Trigger {
                verbatim: None,
                ..trigger.clone()
            }
        );
        trigger
    }

    fn condition(trigger: &Trigger) -> &str {
        match &trigger.condition {
            Some(Condition::Sql(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    fn body(trigger: &Trigger) -> &str {
        match &trigger.action {
            Action::Body(text) => text,
            other @ Action::Call { .. } => panic!("{other:?}"),
        }
    }

    #[test]
    fn reads_a_plain_trigger() {
        let trigger =
            stored("CREATE TRIGGER t AFTER INSERT ON users WHEN NEW.age > 1 BEGIN SELECT 1; END");
        assert_eq!(trigger.id.name, "t");
        assert_eq!(trigger.timing, Timing::After);
        assert_eq!(trigger.events, Events::from([Event::Insert]));
        assert_eq!(condition(&trigger), "NEW.age > 1");
        assert_eq!(body(&trigger), " SELECT 1; ");
    }

    #[test]
    fn before_is_the_default() {
        let trigger = stored("CREATE TRIGGER t DELETE ON users BEGIN SELECT 1; END");
        assert_eq!(trigger.timing, Timing::Before);
        assert_eq!(trigger.events, Events::from([Event::Delete]));
        assert_eq!(trigger.condition, None);
    }

    #[test]
    fn drops_what_stands_before_the_name() {
        for sql in [
            "create /* ; */ temp trigger if not exists t update on users begin select 1; end",
            "create temporary trigger t update on main.users begin select 1; end;",
            "CREATE TRIGGER IF NOT EXISTS main . t UPDATE ON users FOR EACH ROW BEGIN SELECT 1; END -- over",
        ] {
            let trigger = stored(sql);
            assert_eq!(trigger.id.name, "t", "{sql}");
            assert_eq!(trigger.events, Events::from([Event::Update]), "{sql}");
        }
    }

    #[test]
    fn reads_names_in_any_quotes() {
        for (written, name) in [
            ("\"a\"\"b\"", "a\"b"),
            ("[x y]", "x y"),
            ("`c``d`", "c`d"),
            ("'it''s'", "it's"),
            ("before", "before"),
            ("\"if\"", "if"),
            ("after", "after"),
            ("temp", "temp"),
            ("\"BEGIN\"", "BEGIN"),
            ("instead", "instead"),
            ("é🦀", "é🦀"),
        ] {
            let trigger = stored(&format!(
                "CREATE TRIGGER {written} BEFORE INSERT ON [users] BEGIN SELECT 1; END"
            ));
            assert_eq!(trigger.id.name, name);
            assert_eq!(trigger.timing, Timing::Before);
        }
    }

    #[test]
    fn reads_columns() {
        let trigger = stored(
            "CREATE TRIGGER t AFTER UPDATE OF \"a b\" , age/* x */,[begin],`on`, 'of' ON \"users\"
             BEGIN SELECT 1; END",
        );
        assert_eq!(trigger.update_of, ["a b", "age", "begin", "on", "of"]);
    }

    #[test]
    fn finds_the_end_of_the_condition() {
        for (written, read) in [
            ("NEW.begin", "NEW.begin"),
            (
                "NEW . begin /* BEGIN */ > 'BEGIN SELECT'",
                "NEW . begin /* BEGIN */ > 'BEGIN SELECT'",
            ),
            (
                "CASE WHEN NEW.age THEN 1 ELSE 2 END",
                "CASE WHEN NEW.age THEN 1 ELSE 2 END",
            ),
            ("(SELECT begin FROM users)", "(SELECT begin FROM users)"),
            ("((NEW.age))", "NEW.age"),
            ("(NEW.age) AND (NEW.id)", "(NEW.age) AND (NEW.id)"),
            ("(/* c */ NEW.age -- d\n) -- e\n", "NEW.age"),
            (
                "EXISTS (SELECT 1 FROM users AS begin)",
                "EXISTS (SELECT 1 FROM users AS begin)",
            ),
            ("NEW.\"end\" COLLATE begin", "NEW.\"end\" COLLATE begin"),
            ("begin(NEW.age)", "begin(NEW.age)"),
            ("NEW.\"when\" IS NOT NULL", "NEW.\"when\" IS NOT NULL"),
        ] {
            for statement in [
                "SELECT 1",
                "WITH a AS (SELECT 1) SELECT * FROM a",
                "VALUES (1)",
                "REPLACE INTO users(id) VALUES (1)",
                "DELETE FROM users",
                "UPDATE users SET age = 1",
                "INSERT INTO users(id) VALUES (2)",
            ] {
                let trigger = stored(&format!(
                    "CREATE TRIGGER t AFTER INSERT ON users WHEN {written} BEGIN {statement}; END"
                ));
                assert_eq!(condition(&trigger), read);
                assert_eq!(body(&trigger), format!(" {statement}; "));
            }
        }
    }

    #[test]
    fn keeps_the_body_to_the_letter() {
        let text = "-- first\n\tSELECT CASE WHEN NEW.\"end\" THEN ';END' END, [end] FROM users;\r\n\n  \
                    INSERT INTO users(id) VALUES ('BEGIN'); /* END */ ";
        let trigger = stored(&format!(
            "CREATE TRIGGER t AFTER INSERT ON users BEGIN{text}END;"
        ));
        assert_eq!(body(&trigger), text);
    }

    #[test]
    fn reads_instead_of() {
        let trigger = stored(
            "CREATE TRIGGER t INSTEAD/**/OF UPDATE OF age ON seen FOR EACH ROW WHEN 1 BEGIN SELECT 1; END",
        );
        assert_eq!(trigger.timing, Timing::InsteadOf);
        assert_eq!(trigger.update_of, ["age"]);
    }

    #[test]
    fn reads_what_a_rename_made() {
        let connection = database();
        connection
            .execute_batch(
                "CREATE TRIGGER t AFTER UPDATE OF age ON users WHEN NEW.age BEGIN UPDATE users SET age = OLD.age; END;
                 ALTER TABLE users RENAME COLUMN age TO \"when is\";
                 ALTER TABLE users RENAME TO \"people \"\"x\";",
            )
            .unwrap();
        let kept: String = connection
            .query_row(
                "SELECT sql FROM sqlite_schema WHERE type = 'trigger'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        let trigger = parse(&kept, users()).unwrap();
        assert_eq!(trigger.update_of, ["when is"]);
        assert_eq!(condition(&trigger), "NEW.\"when is\"");
    }

    #[test]
    fn says_where_it_stopped() {
        for (sql, at, label) in [
            ("CREATE TABLE t(x)", 7, "expected TRIGGER"),
            ("CREATE TRIGGER", 14, "expected a name"),
            (
                "CREATE TRIGGER t AFTER INSERT ON u BEGIN SELECT 1;",
                50,
                "expected END",
            ),
            (
                "CREATE TRIGGER t AFTER INSERT ON u WHEN 1",
                41,
                "expected BEGIN",
            ),
        ] {
            let error = parse(sql, users()).unwrap_err();
            let (span, text) = error.diagnostics[0].place.clone().unwrap();
            assert_eq!((span.range.start, text.as_str()), (at, label), "{sql}");
        }
    }

    #[test]
    fn bares_conditions() {
        for (given, bare) in [
            ("", ""),
            ("()", "()"),
            ("(a", "(a"),
            ("(a))(b)", "(a))(b)"),
            ("(a, b)", "(a, b)"),
            ("(f(a, b))", "f(a, b)"),
            (
                "(with a as (select 1) select 1)",
                "(with a as (select 1) select 1)",
            ),
            (" -- x\n ( (a) ) ", "a"),
        ] {
            assert_eq!(bare_condition(given), bare);
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = bare_condition(&text);
            prop_assert!(parse(&text, users()).is_err());
            let trigger = format!("CREATE TRIGGER a AFTER INSERT ON b WHEN {text} BEGIN SELECT 1; END");
            let _ = parse(&trigger, users());
        }
    }
}
