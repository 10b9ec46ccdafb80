//! The rules of MySQL and MariaDB: one trigger per event, for each row, in a BEGIN … END that is kept to the letter,
//! together with the session's settings. `WHEN` and `UPDATE OF` become an IF around the body.
//!
//! MariaDB's versions begin at 10 (there never was a MySQL 10): that tells the two apart where DDL differs.

mod check;
mod guard;
mod lower;
mod modes;
pub mod stored;
mod types;

use std::sync::Arc;

use minijinja::context;

use super::inspect;
use super::script::Script;
use super::{Ddl, Dialect, LockMode, Lowered, Mark, Request, Server};
use crate::error::{Diagnostic, Error};
use crate::model::{Action, Creation, Definition, ObjectId, Place, Trigger, TriggerId};
use crate::render::Renderer;
use crate::spec::FunctionSpec;
use crate::sql::{MYSQL, Syntax, same_tokens};

/// MySQL 8 and 9, MariaDB 10.6 to 12.
pub struct Mysql;

/// A trigger is made, replaced and dropped under LOCK TABLES … WRITE, so that no row slips by.
const LOCK: Option<LockMode> = Some(LockMode::AccessExclusive);

/// Whether the server is MariaDB.
pub(crate) fn is_mariadb(server: Server) -> bool {
    server.major >= 10
}

/// How SQL is cut into tokens under this `sql_mode`.
pub(crate) fn syntax_under(sql_mode: &str) -> Syntax {
    let has = |mode: &str| {
        sql_mode
            .split(',')
            .any(|part| part.eq_ignore_ascii_case(mode))
    };
    Syntax {
        double_quoted_strings: !has("ANSI_QUOTES"),
        backslash_strings: !has("NO_BACKSLASH_ESCAPES"),
        ..MYSQL
    }
}

impl Dialect for Mysql {
    fn name(&self) -> &'static str {
        "mysql"
    }

    fn title(&self) -> &'static str {
        "MySQL"
    }

    fn passwords(&self) -> &'static str {
        "~/.my.cnf and MYSQL_PWD"
    }

    fn own_keys(&self) -> &'static [&'static str] {
        &["definer", "order", "sql_mode", "collation"]
    }

    fn syntax(&self) -> &'static Syntax {
        &MYSQL
    }

    fn syntax_of(&self, creation: &Creation) -> Syntax {
        syntax_under(creation.sql_mode.as_deref().unwrap_or_default())
    }

    fn same_sql_mode(&self, left: &str, right: &str) -> bool {
        modes::same(left, right)
    }

    fn templates(&self) -> &'static [(&'static str, &'static str)] {
        super::templates!(
            "mysql":
            "bypass.sql",
            "create_trigger.sql",
            "drop_trigger.sql",
            "helpers.sql",
            "mark.sql",
            "history_migrations.sql",
            "history_objects.sql",
            "history_insert_migration.sql",
            "history_insert_objects.sql",
            "history_start.sql",
            "history_finish.sql",
            "script_begin.sql",
            "script_end.sql",
            "set_session.sql",
            "trigger_body.sql",
        )
    }

    fn newest(&self) -> Server {
        Server {
            major: 11,
            minor: 8,
        }
    }

    fn default_schema(&self) -> &'static str {
        // There is none: a name without a database is in the one that is connected to.
        ""
    }

    fn quote_identifier(&self, name: &str) -> String {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$';
        // A name may begin with a digit, but `1e5` would be a number.
        let plain = name
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
            && name.bytes().all(letter);
        if plain
            && MYSQL.reserved.is_none_or(|words| {
                words
                    .binary_search(&name.to_ascii_lowercase().as_str())
                    .is_err()
            })
        {
            return name.to_owned();
        }
        format!("`{}`", name.replace('`', "``"))
    }

    fn quote_literal(&self, text: &str) -> String {
        format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    }

    fn makes_doubtful(&self) -> bool {
        // Of a column that is not there: it may only go under a trigger.
        false
    }

    fn qualifies(&self) -> bool {
        true
    }

    fn names_are_per_table(&self) -> bool {
        false
    }

    fn script_terminator(&self) -> &'static str {
        "\n//"
    }

    fn lower(
        &self,
        request: &Request<'_>,
        renderer: &Renderer,
    ) -> Result<Vec<Lowered>, Vec<Diagnostic>> {
        lower::lower(request, renderer.within(&request.table.id.schema))
    }

    fn lower_function(
        &self,
        _function: &FunctionSpec,
        _schema: &str,
        _vars: &minijinja::Value,
        _renderer: &Renderer,
    ) -> Result<Option<Lowered>, Vec<Diagnostic>> {
        Ok(None)
    }

    fn create(
        &self,
        definition: &Definition,
        renderer: &Renderer,
        _server: Server,
    ) -> Result<Ddl, Error> {
        let trigger = trigger(definition)?;
        let renderer = renderer.within(&trigger.id.table.schema);
        let mut script = Script::under(syntax(trigger), renderer, definition.id());
        create(&mut script, trigger, false)?;
        Ok(script.finish())
    }

    fn drop(
        &self,
        definition: &Definition,
        renderer: &Renderer,
        _server: Server,
    ) -> Result<Ddl, Error> {
        let trigger = trigger(definition)?;
        let renderer = renderer.within(&trigger.id.table.schema);
        let mut script = Script::new(renderer, definition.id());
        drop(&mut script, trigger)?;
        Ok(script.finish())
    }

    fn alter(
        &self,
        before: &Definition,
        after: &Definition,
        renderer: &Renderer,
        server: Server,
    ) -> Result<Ddl, Error> {
        let (before, after) = (trigger(before)?, trigger(after)?);
        let renderer = renderer.within(&after.id.table.schema);
        let mut script =
            Script::under(syntax(after), renderer, ObjectId::Trigger(after.id.clone()));
        if before == after {
            return Ok(script.finish());
        }
        let mut after = after.clone();
        keep_place(before, &mut after);
        let in_place = is_mariadb(server) && before.id == after.id;
        if !in_place {
            drop(&mut script, before)?;
        }
        create(&mut script, &after, in_place)?;
        Ok(script.finish())
    }

    fn complete(&self, definition: &mut Definition, from: &Definition) {
        let (Definition::Trigger(trigger), Definition::Trigger(from)) = (definition, from) else {
            return;
        };
        let Some(from) = from.creation.as_deref() else {
            return;
        };
        let Creation {
            definer,
            sql_mode,
            character_set_client,
            collation_connection,
            // Nobody can set it: it is the database's.
            database_collation: _,
            place: _,
        } = Arc::make_mut(trigger)
            .creation
            .get_or_insert_default()
            .as_mut();
        fill(definer, from.definer.as_ref());
        fill(sql_mode, from.sql_mode.as_ref());
        fill(character_set_client, from.character_set_client.as_ref());
        fill(collation_connection, from.collation_connection.as_ref());
    }

    fn subject(&self, sql: &str, schema: &str) -> Option<TriggerId> {
        stored::subject(sql, schema)
    }

    fn mark(
        &self,
        definition: &Definition,
        mark: Mark<'_>,
        renderer: &Renderer,
    ) -> Result<Option<Definition>, Error> {
        let trigger = trigger(definition)?;
        let Action::Body(body) = &trigger.action else {
            return Ok(None);
        };
        // A template of the user's may hold the condition in another way.
        if mark.guarded && renderer.is_custom("trigger_body.sql") {
            return Ok(None);
        }
        let (guard, body) = if mark.guarded {
            let Some((guard, body)) = inspect::behind_then(body, &MYSQL) else {
                return Ok(None);
            };
            (Some(guard), body.to_owned())
        } else {
            (None, inspect::statements(body, &MYSQL))
        };
        let context = context! { mark => mark.text, guard, body };
        let mut marked = Trigger::clone(trigger);
        marked.action = Action::Body(renderer.text("mark.sql", context)?);
        marked.verbatim = None;
        Ok(Some(Definition::from(marked)))
    }

    fn opened(&self, trigger: &Trigger) -> Option<Trigger> {
        let syntax = trigger.creation.as_deref().map(|kept| self.syntax_of(kept));
        guard::opened(trigger, &syntax.unwrap_or(MYSQL))
    }

    fn lock_name(&self, _mode: LockMode) -> &'static str {
        "LOCK TABLES … WRITE"
    }

    fn same_body(&self, left: &str, right: &str, creation: Option<&Creation>) -> bool {
        let syntax = creation.map_or(MYSQL, |creation| self.syntax_of(creation));
        left == right || same_tokens(left, right, &syntax)
    }

    fn takes(&self, to: &str, from: &str) -> bool {
        types::takes(to, from)
    }

    fn same_name(&self, left: &str, right: &str) -> bool {
        left.eq_ignore_ascii_case(right)
    }
}

/// How a trigger's text is cut into tokens.
fn syntax(trigger: &Trigger) -> Syntax {
    trigger
        .creation
        .as_deref()
        .map_or(MYSQL, |creation| Mysql.syntax_of(creation))
}

fn fill(mine: &mut Option<String>, other: Option<&String>) {
    if mine.is_none() {
        *mine = other.cloned();
    }
}

/// A trigger that is made again comes last among its siblings: say where it was, unless the spec says where it is to be.
fn keep_place(before: &Trigger, after: &mut Trigger) {
    if before.timing != after.timing || before.events != after.events {
        return;
    }
    let was = before
        .creation
        .as_deref()
        .and_then(|creation| creation.place.clone());
    let place = &mut after.creation.get_or_insert_default().place;
    if place.is_none() {
        *place = was;
    }
}

fn create(script: &mut Script<'_>, trigger: &Trigger, or_replace: bool) -> Result<(), Error> {
    let creation = trigger.creation.as_deref().cloned().unwrap_or_default();
    let settings = settings(&creation, trigger);
    if !settings.is_empty() {
        let settings: Vec<_> = settings
            .iter()
            .map(|(name, value)| context! { name => *name, value => *value })
            .collect();
        script.add("set_session.sql", context! { settings }, None)?;
    }
    let place = match &creation.place {
        None => None,
        Some(Place::Follows(name)) => Some(("FOLLOWS", name)),
        Some(Place::Precedes(name)) => Some(("PRECEDES", name)),
        // The last one comes last by itself.
        Some(Place::Among { before: _, after }) => after.first().map(|name| ("PRECEDES", name)),
    };
    if let Some(verbatim) = &trigger.verbatim {
        let place = place.map(|(word, name)| format!("{word} {}", always_quoted(name)));
        script.add_verbatim(
            stored::placed(verbatim, or_replace, place.as_deref(), &syntax(trigger)),
            LOCK,
        );
    } else {
        let Action::Body(body) = &trigger.action else {
            return Err(Error::failed(format!(
                "{} calls a function, and MySQL has no trigger functions",
                trigger.id
            )));
        };
        let definer = creation.definer.as_deref().map(|definer| {
            // A role of MariaDB's has no host.
            let (user, host) = match definer.rsplit_once('@') {
                Some((user, host)) => (user, Some(host).filter(|host| !host.is_empty())),
                None => (definer, None),
            };
            context! { user, host }
        });
        let context = context! {
            or_replace,
            definer,
            name => super::qualified(&trigger.id.table.schema, &trigger.id.name),
            table => super::value(&trigger.id.table),
            timing => trigger.timing.keyword(),
            event => trigger.events.first().map(|event| event.keyword()),
            place => place.map(|(word, name)| context! { word, name }),
            body => super::inspect::statements(body, &syntax(trigger)),
        };
        script.add("create_trigger.sql", context, LOCK)?;
    }
    if !settings.is_empty() {
        // `= DEFAULT` would be the server's own character set, which the statements are not written in.
        if settings.iter().any(|(name, _)| *name != "sql_mode") {
            script.add_verbatim("SET NAMES utf8mb4".to_owned(), None);
        }
        if settings.iter().any(|(name, _)| *name == "sql_mode") {
            let settings = vec![context! { name => "sql_mode", value => () }];
            script.add("set_session.sql", context! { settings }, None)?;
        }
    }
    Ok(())
}

/// What must be set for this trigger and is not what the session has anyway.
fn settings<'a>(creation: &'a Creation, trigger: &Trigger) -> Vec<(&'static str, &'a str)> {
    let mut settings = vec![];
    if let Some(mode) = &creation.sql_mode {
        settings.push(("sql_mode", mode.as_str()));
    }
    // The statement is sent as UTF-8: under another character set only ASCII reads the same.
    let ascii = match (&trigger.verbatim, &trigger.action) {
        (Some(text), _) | (None, Action::Body(text)) => text.is_ascii(),
        (None, Action::Call { .. }) => true,
    };
    if let Some(charset) = &creation.character_set_client
        && (ascii || charset.starts_with("utf8"))
    {
        settings.push(("character_set_client", charset));
    }
    if let Some(collation) = &creation.collation_connection {
        settings.push(("collation_connection", collation));
    }
    settings
}

fn always_quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn drop(script: &mut Script<'_>, trigger: &Trigger) -> Result<(), Error> {
    let context = context! {
        name => super::qualified(&trigger.id.table.schema, &trigger.id.name),
        table => super::value(&trigger.id.table),
    };
    script.add("drop_trigger.sql", context, LOCK)
}

fn trigger(definition: &Definition) -> Result<&Trigger, Error> {
    match definition {
        Definition::Trigger(trigger) => Ok(trigger),
        Definition::Function(function) => Err(Error::failed(format!(
            "MySQL has no trigger functions such as `{}`",
            function.id
        ))),
    }
}

#[cfg(test)]
mod tests;
