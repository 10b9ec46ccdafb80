//! SQLite's rules: one trigger per event, for each row, with the body kept to the letter.

mod keywords;
mod newer;
#[cfg(test)]
pub(crate) use keywords::KEYWORDS;
mod lower;
pub mod parse;

use minijinja::context;

use super::quoting::{self, Unquoted};
use super::script::Script;
use super::{Ddl, Dialect, LockMode, Lowered, Mark, NewerSyntax, Request, Server, TableFacts};
use crate::error::{Diagnostic, Error};
use crate::model::{Action, Condition, Creation, Definition, Trigger};
use crate::render::Renderer;
use crate::spec::FunctionSpec;
use crate::sql::{SQLITE, Syntax, same_tokens};

/// SQLite 3.
pub struct Sqlite;

/// Every statement about a trigger rewrites the schema, which takes the lock on the whole file.
const LOCK: Option<LockMode> = Some(LockMode::Database);

impl Dialect for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn title(&self) -> &'static str {
        "SQLite"
    }

    fn own_keys(&self) -> &'static [&'static str] {
        &[]
    }

    fn syntax(&self) -> &'static Syntax {
        &SQLITE
    }

    fn templates(&self) -> &'static [(&'static str, &'static str)] {
        super::templates!(
            "sqlite":
            "bypass.sql",
            "bypass_table.sql",
            "create_trigger.sql",
            "drop_trigger.sql",
            "helpers.sql",
            "mark.sql",
            "history_migrations.sql",
            "history_objects.sql",
            "history_insert_migration.sql",
            "history_insert_objects.sql",
            "script_begin.sql",
            "script_end.sql",
        )
    }

    fn newest(&self) -> Server {
        Server {
            major: 3,
            minor: 54,
        }
    }

    fn default_schema(&self) -> &'static str {
        "main"
    }

    fn quote_identifier(&self, name: &str) -> String {
        // SQLite folds ASCII case everywhere: upper case needs no quotes.
        quoting::identifier(name, Unquoted::AnyCase, keywords::KEYWORDS)
    }

    fn quote_literal(&self, text: &str) -> String {
        quoting::literal(text)
    }

    fn script_keeps_returns(&self) -> bool {
        // The shell reads line by line, and takes a carriage return at the end for a part of the line's end.
        false
    }

    fn qualifies(&self) -> bool {
        false
    }

    fn checks_update_of(&self) -> bool {
        false
    }

    fn row_key(&self, facts: &TableFacts) -> Vec<String> {
        // A name for the rowid that no column has (the manual, "ROWIDs and the INTEGER PRIMARY KEY").
        let is_free = |name: &&str| {
            let mut columns = facts.columns.iter();
            !columns.any(|column| column.eq_ignore_ascii_case(name))
        };
        let name = ["rowid", "_rowid_", "oid"].into_iter().find(is_free);
        name.map(str::to_owned).into_iter().collect()
    }

    fn names_are_per_table(&self) -> bool {
        false
    }

    fn lower(
        &self,
        request: &Request<'_>,
        renderer: &Renderer,
    ) -> Result<Vec<Lowered>, Vec<Diagnostic>> {
        lower::lower(request, renderer)
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
        let mut script = Script::new(renderer, definition.id());
        create(&mut script, trigger)?;
        Ok(script.finish())
    }

    fn drop(
        &self,
        definition: &Definition,
        renderer: &Renderer,
        _server: Server,
    ) -> Result<Ddl, Error> {
        let trigger = trigger(definition)?;
        let mut script = Script::new(renderer, definition.id());
        drop(&mut script, trigger)?;
        Ok(script.finish())
    }

    fn alter(
        &self,
        before: &Definition,
        after: &Definition,
        renderer: &Renderer,
        _server: Server,
    ) -> Result<Ddl, Error> {
        let (before, after) = (trigger(before)?, trigger(after)?);
        let mut script = Script::new(renderer, crate::model::ObjectId::Trigger(after.id.clone()));
        if before != after {
            drop(&mut script, before)?;
            create(&mut script, after)?;
        }
        Ok(script.finish())
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
        let context = context! { mark => mark.text, body };
        let mut marked = trigger.clone();
        marked.action = Action::Body(renderer.text("mark.sql", context)?);
        marked.verbatim = None;
        Ok(Some(Definition::from(marked)))
    }

    fn lock_name(&self, _mode: LockMode) -> &'static str {
        "the write lock of the whole file"
    }

    fn newer_syntax(&self, statement: &str) -> Option<NewerSyntax> {
        newer::newest(statement)
    }

    fn same_body(&self, left: &str, right: &str, _creation: Option<&Creation>) -> bool {
        left == right || same_tokens(left, right, &SQLITE)
    }

    fn same_name(&self, left: &str, right: &str) -> bool {
        left.eq_ignore_ascii_case(right)
    }
}

fn create(script: &mut Script<'_>, trigger: &Trigger) -> Result<(), Error> {
    if let Some(verbatim) = &trigger.verbatim {
        script.add_verbatim(verbatim.clone(), LOCK);
        return Ok(());
    }
    let Action::Body(body) = &trigger.action else {
        return Err(Error::failed(format!(
            "{} calls a function, and SQLite has none",
            trigger.id
        )));
    };
    let condition = match &trigger.condition {
        None => None,
        Some(Condition::Sql(sql)) => Some(super::inspect::closed(sql, &SQLITE).into_owned()),
        Some(Condition::Unread) => return Err(super::unread(&trigger.id)),
    };
    let event = trigger.events.first().map(|event| event.keyword());
    let context = context! {
        name => trigger.id.name.as_str(),
        table => super::value(&trigger.id.table),
        timing => trigger.timing.keyword(),
        event,
        update_of => super::texts(&trigger.update_of),
        condition,
        body => super::inspect::statements(body, &SQLITE),
    };
    script.add("create_trigger.sql", context, LOCK)
}

fn drop(script: &mut Script<'_>, trigger: &Trigger) -> Result<(), Error> {
    let context = context! {
        name => trigger.id.name.as_str(),
        table => super::value(&trigger.id.table),
    };
    script.add("drop_trigger.sql", context, LOCK)
}

fn trigger(definition: &Definition) -> Result<&Trigger, Error> {
    match definition {
        Definition::Trigger(trigger) => Ok(trigger),
        Definition::Function(function) => Err(Error::failed(format!(
            "SQLite has no functions such as `{}`",
            function.id
        ))),
    }
}

#[cfg(test)]
mod tests;
