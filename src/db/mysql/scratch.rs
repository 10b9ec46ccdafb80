//! Scratch databases on MySQL and MariaDB: made beside the live one, from its own CREATE statements, or from a script. A
//! lock by the database's name says that it is in use; the server gives it back when the client dies.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;

use mysql::Conn;
use mysql::prelude::Queryable;

use super::{HISTORY_TABLES, Mysql, column, errors, literal, quoted};
use crate::db::stage::{Leftover, SCRATCH_PREFIX, Scratch, Source, scratch_name};
use crate::db::url::MysqlUrl;
use crate::dialect::mysql::Mysql as DIALECT;
use crate::error::{Diagnostic, Error, SourceFile, Span};
use crate::model::ObjectId;
use crate::sql::{MYSQL, Token, TokenKind, tokens, unquote};
use crate::testing::case::statements;

/// How to make scratch databases.
pub struct Blueprint {
    url: MysqlUrl,
    /// The live database.
    name: String,
    character_set: String,
    collation: String,
    objects: Vec<Object>,
    script: Option<Arc<SourceFile>>,
}

/// One thing of the schema.
struct Object {
    /// `table users`.
    what: String,
    kind: ObjectKind,
    sql: String,
    /// The `sql_mode` that it was created under.
    sql_mode: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ObjectKind {
    Sequence,
    Table,
    Routine,
    View,
    Trigger,
}

impl Blueprint {
    /// From the database that the URL names, or from a script.
    pub fn new(url: &MysqlUrl, source: Source<'_>) -> Result<Self, Error> {
        let mut live = Mysql::open(url)?;
        let name = live.current().to_owned();
        let rows = live.rows(
            "read the database's character set",
            "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA \
             WHERE SCHEMA_NAME = DATABASE()",
        )?;
        let row = rows
            .first()
            .ok_or_else(|| Error::failed(format!("there is no database `{name}`")))?;
        let mut blueprint = Self {
            url: url.clone(),
            character_set: column(row, 0)?,
            collation: column(row, 1)?,
            name,
            objects: vec![],
            script: None,
        };
        match source {
            Source::Script(script) => {
                let script = Arc::new(SourceFile {
                    name: script.name.clone(),
                    text: script.text.clone(),
                });
                stays_inside(&script, &blueprint.name)?;
                blueprint.script = Some(script);
            }
            Source::Copy(without) => blueprint.objects = live.read_schema(without)?,
        }
        Ok(blueprint)
    }

    fn fill(&self, conn: &mut Conn, scratch: &str) -> Result<(), Error> {
        let failed = |error: &mysql::Error| errors::cannot("fill the scratch database", error);
        conn.query_drop("SET SESSION foreign_key_checks = 0")
            .map_err(|error| failed(&error))?;
        if let Some(script) = &self.script {
            return run_script(conn, script);
        }
        let mut left: Vec<&Object> = self.objects.iter().collect();
        // A view may stand on one that comes later.
        loop {
            let mut again = vec![];
            let mut first = None;
            let count = left.len();
            for object in left {
                if let Some(mode) = &object.sql_mode {
                    conn.query_drop(format!("SET SESSION sql_mode = {}", literal(mode)))
                        .map_err(|error| failed(&error))?;
                }
                let sql = redirected(&object.sql, &self.name, scratch);
                if let Err(error) = conn.query_drop(sql) {
                    if object.kind != ObjectKind::View {
                        return Err(not_made(object, &error));
                    }
                    first.get_or_insert_with(|| not_made(object, &error));
                    again.push(object);
                }
            }
            match first {
                None => return Ok(()),
                Some(error) if again.len() == count => return Err(error),
                Some(_) => left = again,
            }
        }
    }
}

fn not_made(object: &Object, error: &mysql::Error) -> Error {
    Error::failed(format!(
        "the scratch database cannot have the {}: {}",
        object.what,
        errors::words(error)
    ))
    .help("name a script of the schema: `--schema-file FILE`, or `test_schema` in `[database]`")
}

/// Run the user's script, statement by statement as the server cuts it.
fn run_script(conn: &mut Conn, script: &Arc<SourceFile>) -> Result<(), Error> {
    let mut done = 0;
    let ran = drain(conn, &script.text, &mut done);
    let Err(error) = ran else { return Ok(()) };
    let mut diagnostic = Diagnostic::new(format!(
        "the scratch database cannot be made: `{}` fails: {}",
        script.name,
        errors::words(&error)
    ));
    if let Some(range) = statements(&script.text, &DIALECT).get(done) {
        diagnostic = diagnostic.at(&Span {
            file: Arc::clone(script),
            range: range.clone(),
        });
    }
    Err(diagnostic
        .help("it must be plain SQL: DELIMITER is a command of the client")
        .into())
}

/// Run a text of statements, whatever they give; `done` counts those that went well.
pub(super) fn drain(conn: &mut Conn, sql: &str, done: &mut usize) -> Result<(), mysql::Error> {
    let mut result = conn.query_iter(sql)?;
    while let Some(set) = result.iter() {
        for row in set {
            row?;
        }
        *done += 1;
    }
    Ok(())
}

/// Refuse a script that leads to another database than the one that it is run in.
fn stays_inside(script: &Arc<SourceFile>, live: &str) -> Result<(), Error> {
    let text = &script.text;
    let mut problems = vec![];
    let mut refuse = |range: Range<usize>, what: String| {
        let span = Span {
            file: Arc::clone(script),
            range,
        };
        problems.push(
            Diagnostic::new(what)
                .at(&span)
                .help("the script is run in a scratch database: it names no database at all"),
        );
    };
    for range in statements(text, &DIALECT) {
        let piece = text.get(range.clone()).unwrap_or_default();
        let words: Vec<String> = tokens(piece, &MYSQL)
            .filter(|token| !token.is_blank())
            .take(2)
            .map(|token| token.text(piece).to_ascii_lowercase())
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["use", ..] | ["create" | "drop" | "alter", "database" | "schema"] => {
                refuse(range, "this leads to another database".to_owned());
            }
            _ => {}
        }
    }
    for range in qualifiers(text, live) {
        refuse(range, format!("this names the database `{live}`"));
    }
    Error::collected(problems)
}

/// Where a text names something of this database by the database's name.
fn qualifiers(text: &str, database: &str) -> Vec<Range<usize>> {
    let mut found = vec![];
    let mut name: Option<Token> = None;
    let mut after_dot = false;
    for token in tokens(text, &MYSQL).filter(|token| !token.is_blank()) {
        let dot = token.is_operator(text, ".");
        if dot && let Some(name) = name.take() {
            found.push(name.range);
        }
        let is_name = !after_dot
            && matches!(token.kind, TokenKind::Word | TokenKind::QuotedName)
            && unquote(token.text(text)).eq_ignore_ascii_case(database);
        name = is_name.then_some(token);
        after_dot = dot;
    }
    found
}

/// What was said of the live database by its name, said of the scratch one.
fn redirected(text: &str, live: &str, scratch: &str) -> String {
    let mut result = text.to_owned();
    for range in qualifiers(text, live).into_iter().rev() {
        result.replace_range(range, &quoted(scratch));
    }
    result
}

/// A CREATE statement without its DEFINER, who may be somebody else than who runs the tests.
fn without_definer(sql: &str) -> String {
    let all: Vec<Token> = tokens(sql, &MYSQL)
        .filter(|token| !token.is_blank())
        .collect();
    let Some(start) = all
        .iter()
        .take(8)
        .position(|token| token.is_word(sql, "definer"))
    else {
        return sql.to_owned();
    };
    let ends = [
        "trigger",
        "view",
        "function",
        "procedure",
        "sql",
        "aggregate",
    ];
    let end = all
        .iter()
        .skip(start)
        .find(|token| ends.iter().any(|word| token.is_word(sql, word)));
    match (all.get(start), end) {
        (Some(start), Some(end)) => {
            let mut text = sql.to_owned();
            text.replace_range(start.range.start..end.range.start, "");
            text
        }
        _ => sql.to_owned(),
    }
}

/// `CREATE TABLE` without the number that the live table has come to.
fn from_one(sql: &str) -> String {
    let all: Vec<Token> = tokens(sql, &MYSQL)
        .filter(|token| !token.is_blank())
        .collect();
    for three in all.windows(3) {
        if let [word, equals, number] = three
            && word.is_word(sql, "auto_increment")
            && equals.is_operator(sql, "=")
        {
            let mut text = sql.to_owned();
            text.replace_range(word.range.start..number.range.end, "");
            return text;
        }
    }
    sql.to_owned()
}

impl Mysql {
    /// Everything of the schema, in an order in which it can be made again.
    fn read_schema(&mut self, without: &BTreeSet<ObjectId>) -> Result<Vec<Object>, Error> {
        let mut objects = vec![];
        for row in self.rows("list the tables", "SHOW FULL TABLES")? {
            let (name, kind): (String, String) = (column(&row, 0)?, column(&row, 1)?);
            if HISTORY_TABLES.contains(&name.as_str()) {
                continue;
            }
            let (kind, word) = match kind.as_str() {
                "VIEW" => (ObjectKind::View, "VIEW"),
                "SEQUENCE" => (ObjectKind::Sequence, "SEQUENCE"),
                _ => (ObjectKind::Table, "TABLE"),
            };
            let sql = self.show_create(word, &name, 1)?;
            let sql = match kind {
                ObjectKind::Table => from_one(&sql),
                _ => without_definer(&sql),
            };
            objects.push(Object {
                what: format!("{} {name}", word.to_lowercase()),
                kind,
                sql,
                sql_mode: None,
            });
        }
        let routines = "SELECT ROUTINE_TYPE, ROUTINE_NAME, SQL_MODE FROM information_schema.ROUTINES \
                        WHERE ROUTINE_SCHEMA = DATABASE() AND ROUTINE_TYPE IN ('FUNCTION', 'PROCEDURE') ORDER BY 1, 2";
        for row in self.rows("list the routines", routines)? {
            let (word, name): (String, String) = (column(&row, 0)?, column(&row, 1)?);
            objects.push(Object {
                what: format!("{} {name}", word.to_lowercase()),
                kind: ObjectKind::Routine,
                sql: without_definer(&self.show_create(&word, &name, 2)?),
                sql_mode: Some(column(&row, 2)?),
            });
        }
        let gone: HashSet<&str> = without.iter().map(ObjectId::name).collect();
        let triggers = "SELECT TRIGGER_NAME, SQL_MODE FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() \
                        ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER";
        for row in self.rows("list the triggers", triggers)? {
            let name: String = column(&row, 0)?;
            if gone.contains(name.as_str()) {
                continue;
            }
            objects.push(Object {
                what: format!("trigger {name}"),
                kind: ObjectKind::Trigger,
                sql: without_definer(&self.show_create("TRIGGER", &name, 2)?),
                sql_mode: Some(column(&row, 1)?),
            });
        }
        objects.sort_by_key(|object| object.kind);
        Ok(objects)
    }

    fn show_create(&mut self, word: &str, name: &str, at: usize) -> Result<String, Error> {
        let rows = self.rows(
            "read the schema",
            &format!("SHOW CREATE {word} {}", quoted(name)),
        )?;
        let sql: Option<String> = match rows.first() {
            Some(row) => column(row, at)?,
            None => None,
        };
        sql.ok_or_else(|| {
            Error::failed(format!(
                "the definition of {} `{name}` may not be read",
                word.to_lowercase()
            ))
            .help("grant the role what SHOW CREATE needs, or name a script of the schema with `--schema-file`")
        })
    }

    /// See [`crate::db::Database::leftovers`].
    pub(super) fn find_leftovers(&mut self) -> Result<Vec<Leftover>, Error> {
        let rows = self.rows(
            "look for scratch databases",
            &format!(
                "SELECT SCHEMA_NAME, UNIX_TIMESTAMP() FROM information_schema.SCHEMATA \
                 WHERE LEFT(SCHEMA_NAME, {}) = {} AND IS_FREE_LOCK(SCHEMA_NAME) = 1 ORDER BY 1",
                SCRATCH_PREFIX.len(),
                literal(SCRATCH_PREFIX)
            ),
        )?;
        let mut found = vec![];
        for row in &rows {
            let (name, now): (String, u64) = (column(row, 0)?, column(row, 1)?);
            found.extend(Leftover::of(&name, now));
        }
        Ok(found)
    }

    /// See [`crate::db::Database::remove_leftover`].
    pub(super) fn drop_scratch(&mut self, name: &str) -> Result<bool, Error> {
        let lock = literal(name);
        let rows = self.rows(
            "lock a scratch database",
            &format!("SELECT GET_LOCK({lock}, 0)"),
        )?;
        let taken: Option<u64> = match rows.first() {
            Some(row) => column(row, 0)?,
            None => None,
        };
        if taken != Some(1) {
            return Ok(false);
        }
        let purpose = format!("drop the database `{name}`");
        let dropped = self.execute(
            &purpose,
            &format!("DROP DATABASE IF EXISTS {}", quoted(name)),
        );
        self.execute(
            "unlock a scratch database",
            &format!("DO RELEASE_LOCK({lock})"),
        )?;
        dropped.map(|()| true)
    }
}

/// Takes the database away at the end.
struct Guard {
    name: String,
    conn: Conn,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {}", quoted(&self.name));
        if let Err(error) = self.conn.query_drop(sql) {
            log::warn!(
                "the scratch database `{}` is left behind: {}; `triggerctl test --clean` removes it",
                self.name,
                errors::words(&error)
            );
        }
    }
}

impl crate::db::stage::Blueprint for Blueprint {
    fn build(&self) -> Result<Scratch, Error> {
        let mut live = Mysql::open(&self.url)?;
        live.must_take_writes()?;
        let rows = live.rows("read the time", "SELECT UNIX_TIMESTAMP()")?;
        let now: u64 = match rows.first() {
            Some(row) => column(row, 0)?,
            None => 0,
        };
        let name = scratch_name(now);
        live.execute(
            "lock a scratch database",
            &format!("DO GET_LOCK({}, 0)", literal(&name)),
        )?;
        live.execute(
            "create a scratch database",
            &format!(
                "CREATE DATABASE {} CHARACTER SET {} COLLATE {}",
                quoted(&name),
                self.character_set,
                self.collation
            ),
        )
        .map_err(|error| {
            error.help(format!(
                "the role needs all rights on databases whose names begin with `{SCRATCH_PREFIX}`"
            ))
        })?;
        let guard = Guard {
            name: name.clone(),
            conn: live.conn,
        };
        let mut url = self.url.clone();
        url.database = Some(name.clone());
        let mut filling = Mysql::open(&url)?;
        self.fill(&mut filling.conn, &name)?;
        drop(filling);
        Ok(Scratch {
            database: Box::new(Mysql::open(&url)?),
            guard: Some(Box::new(guard)),
        })
    }

    fn live(&self) -> Option<String> {
        Some(self.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_to_the_live_database_is_turned_to_the_scratch_one() {
        let text = "INSERT INTO `app`.`t` SELECT app.x, t.app, 'app.y' FROM APP . u -- app.z";
        assert_eq!(
            redirected(text, "app", "s"),
            "INSERT INTO `s`.`t` SELECT `s`.x, t.app, 'app.y' FROM `s` . u -- app.z"
        );
    }

    #[test]
    fn definers_and_counters_are_left_out() {
        assert_eq!(
            without_definer(
                "CREATE DEFINER=`a b`@`%` TRIGGER t BEFORE INSERT ON x FOR EACH ROW SET NEW.definer = 1"
            ),
            "CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW SET NEW.definer = 1"
        );
        assert_eq!(
            without_definer(
                "CREATE ALGORITHM=UNDEFINED DEFINER=`a`@`%` SQL SECURITY DEFINER VIEW `v` AS select 1"
            ),
            "CREATE ALGORITHM=UNDEFINED SQL SECURITY DEFINER VIEW `v` AS select 1"
        );
        assert_eq!(
            from_one(
                "CREATE TABLE t (id int AUTO_INCREMENT) ENGINE=InnoDB AUTO_INCREMENT=7 COMMENT='AUTO_INCREMENT=8'"
            ),
            "CREATE TABLE t (id int AUTO_INCREMENT) ENGINE=InnoDB  COMMENT='AUTO_INCREMENT=8'"
        );
    }

    #[test]
    fn scripts_that_lead_elsewhere_are_refused() {
        let script = |text: &str| {
            Arc::new(SourceFile {
                name: "s.sql".into(),
                text: text.into(),
            })
        };
        assert!(
            stays_inside(
                &script("CREATE TABLE t (x int); INSERT INTO t VALUES ('USE app')"),
                "app"
            )
            .is_ok()
        );
        for text in [
            "USE app;",
            "create database x",
            "INSERT INTO app.t VALUES (1)",
            "SELECT 1; drop schema app",
        ] {
            assert!(stays_inside(&script(text), "app").is_err(), "{text}");
        }
    }
}
