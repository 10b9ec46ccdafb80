//! PostgreSQL's rules: a body becomes a function and a trigger that calls it; everything is qualified with its schema.
//! Versions 12 to 18.

mod function;
mod keywords;
mod lower;
mod names;
mod refuse;
mod shared;
mod trigger;
mod types;

use std::sync::Arc;

use super::quoting::{self, Unquoted};
use super::{Ddl, Dialect, Lowered, Mark, Request, Server};
use crate::error::{Diagnostic, Error};
use crate::model::{Creation, Definition, FunctionSource};
use crate::render::Renderer;
use crate::spec::FunctionSpec;
use crate::sql::{POSTGRES, Syntax};

/// PostgreSQL 12 and later.
pub struct Postgres;

impl Dialect for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn title(&self) -> &'static str {
        "PostgreSQL"
    }

    fn passwords(&self) -> &'static str {
        "~/.pgpass and PGPASSWORD"
    }

    fn own_keys(&self) -> &'static [&'static str] {
        &[
            "enabled",
            "constraint",
            "referencing",
            "function",
            "args",
            "shared",
            "function_name",
            "declare",
            "security",
            "search_path",
            "enabled_on",
            "depends_on_extensions",
        ]
    }

    fn syntax(&self) -> &'static Syntax {
        &POSTGRES
    }

    fn templates(&self) -> &'static [(&'static str, &'static str)] {
        super::templates!(
            "postgres":
            "bypass.sql",
            "comment_function.sql",
            "comment_trigger.sql",
            "create_function.sql",
            "create_trigger.sql",
            "depends_function.sql",
            "depends_trigger.sql",
            "drop_function.sql",
            "drop_trigger.sql",
            "enable_trigger.sql",
            "function_body.sql",
            "grant_function.sql",
            "helpers.sql",
            "mark.sql",
            "history_schema.sql",
            "history_migrations.sql",
            "history_objects.sql",
            "history_insert_migration.sql",
            "history_insert_objects.sql",
            "move_function.sql",
            "owner_function.sql",
            "rename_function.sql",
            "rename_trigger.sql",
            "revoke_function.sql",
            "script_begin.sql",
            "script_end.sql",
        )
    }

    fn newest(&self) -> Server {
        Server {
            major: 18,
            minor: 4,
        }
    }

    fn default_schema(&self) -> &'static str {
        "public"
    }

    fn quote_identifier(&self, name: &str) -> String {
        quoting::identifier(name, Unquoted::LowerCase, keywords::KEYWORDS)
    }

    fn quote_literal(&self, text: &str) -> String {
        if text.contains('\\') {
            // Reads the same whether standard_conforming_strings is on or off.
            format!("E{}", quoting::literal(&text.replace('\\', "\\\\")))
        } else {
            quoting::literal(text)
        }
    }

    fn qualifies(&self) -> bool {
        true
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
        function: &FunctionSpec,
        schema: &str,
        vars: &minijinja::Value,
        renderer: &Renderer,
    ) -> Result<Option<Lowered>, Vec<Diagnostic>> {
        shared::lower(function, schema, vars, renderer).map(Some)
    }

    fn create(
        &self,
        definition: &Definition,
        renderer: &Renderer,
        _server: Server,
    ) -> Result<Ddl, Error> {
        match definition {
            Definition::Function(function) => function::create(function, renderer),
            Definition::Trigger(trigger) => trigger::create(trigger, renderer),
        }
    }

    fn drop(
        &self,
        definition: &Definition,
        renderer: &Renderer,
        _server: Server,
    ) -> Result<Ddl, Error> {
        match definition {
            Definition::Function(function) => function::drop(function, renderer),
            Definition::Trigger(trigger) => trigger::drop(trigger, renderer),
        }
    }

    fn alter(
        &self,
        before: &Definition,
        after: &Definition,
        renderer: &Renderer,
        server: Server,
    ) -> Result<Ddl, Error> {
        match (before, after) {
            (Definition::Function(before), Definition::Function(after)) => {
                function::alter(before, after, renderer)
            }
            (Definition::Trigger(before), Definition::Trigger(after)) => {
                trigger::alter(before, after, renderer, server)
            }
            (before, after) => Err(Error::failed(format!(
                "{} cannot become {}",
                before.id(),
                after.id()
            ))),
        }
    }

    fn complete(&self, definition: &mut Definition, from: &Definition) {
        if let (Definition::Function(function), Definition::Function(from)) = (definition, from)
            && function.borrows_rights()
            && from.borrows_rights()
            && function.owner.is_none()
        {
            Arc::make_mut(function).belong_as(from);
        }
    }

    fn mark(
        &self,
        definition: &Definition,
        mark: Mark<'_>,
        renderer: &Renderer,
    ) -> Result<Option<Definition>, Error> {
        let Definition::Function(function) = definition else {
            return Ok(None);
        };
        let FunctionSource::Body(body) = &function.source else {
            return Ok(None);
        };
        if !function.language.eq_ignore_ascii_case("plpgsql") {
            return Ok(None);
        }
        let Some(body) = shared::block(body) else {
            return Ok(None);
        };
        let mut marked = crate::model::Function::clone(function);
        let context = minijinja::context! { mark => mark.text, body };
        marked.source = FunctionSource::Body(renderer.text("mark.sql", context)?);
        Ok(Some(Definition::from(marked)))
    }

    fn fires_by_name(&self) -> bool {
        true
    }

    fn same_body(&self, left: &str, right: &str, _creation: Option<&Creation>) -> bool {
        left == right
    }

    fn takes(&self, to: &str, from: &str) -> bool {
        types::takes(to, from)
    }

    fn same_name(&self, left: &str, right: &str) -> bool {
        left == right
    }
}

#[cfg(test)]
mod tests;
