//! DDL in the making: statements out of templates, with the strongest lock that any of them takes.

use minijinja::Value;

use super::{Ddl, LockMode};
use crate::error::Error;
use crate::model::ObjectId;
use crate::render::Renderer;
use crate::sql::Syntax;

/// The DDL about one object.
pub(super) struct Script<'a> {
    renderer: &'a Renderer,
    object: ObjectId,
    syntax: Option<Syntax>,
    ddl: Ddl,
}

impl<'a> Script<'a> {
    pub(super) fn new(renderer: &'a Renderer, object: ObjectId) -> Self {
        Self {
            renderer,
            object,
            syntax: None,
            ddl: Ddl::default(),
        }
    }

    /// One whose statements are read by other rules than the dialect's usual ones.
    pub(super) fn under(syntax: Syntax, renderer: &'a Renderer, object: ObjectId) -> Self {
        Self {
            syntax: Some(syntax),
            ..Self::new(renderer, object)
        }
    }

    /// Add the statement that `template` makes of `context`, and the lock that it takes on the table.
    pub(super) fn add(
        &mut self,
        template: &str,
        context: Value,
        lock: Option<LockMode>,
    ) -> Result<(), Error> {
        let statement = match &self.syntax {
            Some(syntax) => self.renderer.statement_under(syntax, template, context),
            None => self.renderer.statement(template, context),
        };
        let statement =
            statement.map_err(|error| error.note(format!("while rendering {}", self.object)))?;
        self.ddl.custom |= self.renderer.is_custom(template);
        self.add_verbatim(statement, lock);
        Ok(())
    }

    /// Add a statement that the engine itself handed out.
    pub(super) fn add_verbatim(&mut self, statement: String, lock: Option<LockMode>) {
        self.ddl.statements.push(statement);
        self.ddl.lock = self.ddl.lock.max(lock);
    }

    pub(super) fn finish(self) -> Ddl {
        self.ddl
    }
}
