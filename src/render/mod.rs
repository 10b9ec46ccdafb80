//! Templates: all DDL comes out of minijinja templates, compiled into the binary and overridable by files of the same
//! relative path in the user's folder. Nothing bare is printed: a value reaches SQL through a filter that makes it safe.

use std::path::Path;

use serde::Serialize;

use crate::dialect::Dialect;
use crate::error::{Error, Located};

/// The templates of one dialect, ready to render.
pub struct Renderer {
    environment: minijinja::Environment<'static>,
}

impl Renderer {
    /// The built-in templates of `dialect`, with those in `folder` before them.
    pub fn new(dialect: &'static dyn Dialect, folder: Option<&Path>) -> Result<Self, Error> {
        let _ = (dialect, folder);
        Ok(Self {
            environment: minijinja::Environment::new(),
        })
    }

    /// Render `templates/<dialect>/<template>`; the text without trailing white space or semicolon.
    pub fn render<S: Serialize>(&self, template: &str, context: S) -> Result<String, Error> {
        let _ = (template, context, &self.environment);
        Err(Error::failed("not rendered"))
    }

    /// Render a template that the user wrote inside the spec (a body, a condition, a name); an error points at the
    /// place in the spec. Text without `{{`, `{%` or `{#` is returned as it is.
    pub fn inline<S: Serialize>(
        &self,
        text: &Located<String>,
        context: S,
    ) -> Result<String, Error> {
        let _ = (text, context);
        Err(Error::failed("not rendered"))
    }

    /// Whether the dialect, or the user's folder, has this template.
    pub fn has(&self, template: &str) -> bool {
        let _ = template;
        false
    }

    /// Whether a file of the user's stands in for this template.
    pub fn is_custom(&self, template: &str) -> bool {
        let _ = template;
        false
    }
}
