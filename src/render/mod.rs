//! Templates: all DDL comes out of minijinja templates, compiled into the binary and overridable by files of the same
//! relative path in the user's folder. Nothing bare is printed: a value reaches SQL through a filter that makes it safe.

mod failure;
mod filters;
mod helpers;
mod loader;
mod map;
mod statement;

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Mutex;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Output, State, UndefinedBehavior, Value};
use serde::Serialize;

use crate::db::Database;
use crate::dialect::Dialect;
use crate::error::{Error, Located};
use crate::sql::Syntax;
use failure::Origin;
use helpers::Helpers;
use loader::Sources;

pub use filters::FILTERS;
pub(crate) use map::{map, map_of_anything};

/// What one render may cost, in minijinja's unit (about one instruction, or 64 bytes): far beyond any sensible
/// template, and used up by an endless loop in a fraction of a second.
const FUEL: u64 = 2_000_000;

/// The name that templates written in the spec have inside the engine; no file can have it.
const INLINE_SQL: &str = "\0sql";
/// The same for names, which are no SQL: bare values may be printed there.
const INLINE_NAME: &str = "\0name";

/// The templates of one dialect, ready to render.
pub struct Renderer {
    environment: Environment<'static>,
    dialect: &'static dyn Dialect,
    sources: Sources,
    /// Templates of the user's that stand in for a built-in one.
    custom: BTreeSet<String>,
    helpers: Helpers,
    /// Hashes of the texts that were rendered from the spec: from its second use on, a text stays compiled.
    seen: Mutex<HashSet<u64>>,
    /// The schema that `ident` leaves out, where there is one, and what does not leave it out.
    home: Option<(String, Box<Renderer>)>,
}

impl Renderer {
    /// The built-in templates of `dialect`, with those in `folder` before them.
    ///
    /// Every file of the user's that stands in for a built-in template is compiled here, so that a mistake in it
    /// shows at once.
    pub fn new(dialect: &'static dyn Dialect, folder: Option<&Path>) -> Result<Self, Error> {
        Self::without(None, dialect, folder)
    }

    /// The same for what is made in this database: see [`Database::home`].
    ///
    /// # Errors
    /// Those of [`Renderer::new`].
    pub fn of(database: &dyn Database, folder: Option<&Path>) -> Result<Self, Error> {
        let dialect = database.dialect();
        let Some(home) = database.home() else {
            return Self::new(dialect, folder);
        };
        let mut renderer = Self::without(Some(home), dialect, folder)?;
        let elsewhere = Box::new(Self::new(dialect, folder)?);
        renderer.home = Some((home.to_owned(), elsewhere));
        Ok(renderer)
    }

    /// For objects in this schema: a name without a schema means one in the schema of the trigger that has it in its body.
    #[must_use]
    pub fn within(&self, schema: &str) -> &Self {
        match &self.home {
            Some((home, elsewhere)) if home != schema => elsewhere,
            _ => self,
        }
    }

    /// See [`Database::home`].
    pub fn home(&self) -> Option<&str> {
        self.home.as_ref().map(|(home, _)| home.as_str())
    }

    fn without(
        home: Option<&str>,
        dialect: &'static dyn Dialect,
        folder: Option<&Path>,
    ) -> Result<Self, Error> {
        let sources = Sources::new(dialect, folder);
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        // Without debug mode an error has no byte range.
        environment.set_debug(true);
        // Any mode but `None` makes the engine keep track of which strings are safe, through `~`, macros and `join`.
        environment.set_auto_escape_callback(|_| AutoEscape::Custom("sql".into()));
        environment.set_formatter(print);
        environment.set_path_join_callback(|name, _| loader::joined(name));
        let loader = sources.clone();
        environment.set_loader(move |name| loader.load(name));
        filters::install(&mut environment, dialect, home);

        let custom = sources.custom()?;
        let mut renderer = Self {
            environment,
            dialect,
            sources,
            custom,
            helpers: Helpers::default(),
            seen: Mutex::default(),
            home: None,
        };
        for template in &renderer.custom {
            renderer
                .environment
                .get_template(template)
                .map_err(|error| renderer.failed(&error, &Origin::File(template)))?;
        }
        renderer.helpers = renderer.find_helpers()?;
        renderer.helpers.install(&mut renderer.environment);
        Ok(renderer)
    }

    /// Render `templates/<dialect>/<template>`; the text without trailing white space or semicolon, which is exactly
    /// one statement or an error.
    pub fn render<S: Serialize>(&self, template: &str, context: S) -> Result<String, Error> {
        self.statement(template, Value::from(Serde(context)))
    }

    /// The same as [`Renderer::render`], for a context that is a template value already.
    pub fn statement(&self, template: &str, context: Value) -> Result<String, Error> {
        self.statement_under(self.dialect.syntax(), template, context)
    }

    /// The same, where the statement is read by these rules.
    pub fn statement_under(
        &self,
        syntax: &Syntax,
        template: &str,
        context: Value,
    ) -> Result<String, Error> {
        let text = self.text(template, context)?;
        statement::prove(text, syntax).map_err(|problem| {
            let file = self.sources.file(template);
            problem.diagnostic(template, file).into()
        })
    }

    /// Render a file template that is no statement, such as the body of a function; the text to the letter.
    pub fn text(&self, template: &str, context: Value) -> Result<String, Error> {
        self.environment
            .get_template(template)
            .and_then(|compiled| compiled.render(context))
            // It is rendered into more room than it takes, and there are many of these in memory together.
            .map(|mut text| {
                text.shrink_to_fit();
                text
            })
            .map_err(|error| self.failed(&error, &Origin::File(template)))
    }

    /// Render a file template that is part of a script for people to run; the text to the letter.
    pub fn render_script<S: Serialize>(&self, template: &str, context: S) -> Result<String, Error> {
        self.text(template, Value::from(Serde(context)))
    }

    /// Render a template that the user wrote inside the spec (a body, a condition); an error points at the
    /// place in the spec. Text without `{{`, `{%` or `{#` is returned as it is.
    pub fn inline<S: Serialize>(
        &self,
        text: &Located<String>,
        context: S,
    ) -> Result<String, Error> {
        if !is_template(&text.value) {
            return Ok(text.value.clone());
        }
        self.inline_value(text, Value::from(Serde(context)))
    }

    /// The same as [`Renderer::inline`], for a context that is a template value already.
    pub fn inline_value(&self, text: &Located<String>, context: Value) -> Result<String, Error> {
        self.spec_text(text, context, INLINE_SQL)
    }

    /// Render a name that the user wrote inside the spec (`{{ table }}_audit`). A name is no SQL until a filter quotes
    /// it, so values are printed as they are.
    pub fn name(&self, text: &Located<String>, context: Value) -> Result<String, Error> {
        self.spec_text(text, context, INLINE_NAME)
    }

    /// The dialect whose templates these are.
    pub fn dialect(&self) -> &'static dyn Dialect {
        self.dialect
    }

    /// Whether the dialect, or the user's folder, has this template.
    pub fn has(&self, template: &str) -> bool {
        self.sources.has(template)
    }

    /// Whether a file of the user's stands in for this template.
    pub fn is_custom(&self, template: &str) -> bool {
        self.custom.contains(template)
    }

    /// The helpers that bodies can call, with their parameters: `new(column)`.
    pub fn helper_signatures(&self) -> impl Iterator<Item = String> + '_ {
        self.helpers.signatures()
    }

    /// The value of an expression that stands in the spec or in a kind, without its braces.
    pub fn evaluate(&self, text: &Located<String>, context: Value) -> Result<Value, Error> {
        self.environment
            .compile_expression(&text.value)
            .and_then(|compiled| compiled.eval(context))
            .map_err(|error| self.failed(&error, &Origin::Spec(text)))
    }

    /// The same as [`Renderer::inline_value`], for a text that is to be exactly one statement.
    pub fn one_statement(&self, text: &Located<String>, context: Value) -> Result<String, Error> {
        let rendered = self.inline_value(text, context)?;
        statement::prove(rendered, self.dialect.syntax()).map_err(|problem| {
            let diagnostic = problem.diagnostic("create", None);
            diagnostic.related(&text.span, "the template").into()
        })
    }

    fn spec_text(
        &self,
        text: &Located<String>,
        context: Value,
        name: &'static str,
    ) -> Result<String, Error> {
        let source = text.value.as_str();
        if !is_template(source) {
            return Ok(source.to_owned());
        }
        let rendered = if self.is_repeated(name, source) {
            // The loader takes the text out of the name again.
            self.environment
                .get_template(&format!("{name}:{source}"))
                .and_then(|compiled| compiled.render(context))
        } else {
            self.environment
                .template_from_named_str(name, source)
                .and_then(|compiled| compiled.render(context))
        };
        let mut rendered = rendered.map_err(|error| self.failed(&error, &Origin::Spec(text)))?;
        rendered.push_str(stripped_end(source));
        Ok(rendered)
    }

    /// Whether this text was rendered before: one `[[trigger]]` for many tables is compiled twice, not once a table,
    /// and ten thousand different bodies are not all kept.
    fn is_repeated(&self, name: &str, source: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        (name, source).hash(&mut hasher);
        match self.seen.lock() {
            Ok(mut seen) => !seen.insert(hasher.finish()),
            Err(_) => false,
        }
    }

    fn find_helpers(&self) -> Result<Helpers, Error> {
        let mut helpers = Helpers::default();
        for template in self.sources.helper_files(&self.custom) {
            helpers
                .add(&self.environment, template)
                .map_err(|error| self.failed(&error, &Origin::File(template)))?;
        }
        Ok(helpers)
    }

    fn failed(&self, error: &minijinja::Error, origin: &Origin<'_>) -> Error {
        failure::diagnostic(error, origin, &self.sources, &self.environment).into()
    }
}

/// Whether a text needs the template engine at all.
pub fn is_template(text: &str) -> bool {
    text.as_bytes()
        .windows(2)
        .any(|pair| matches!(pair, b"{{" | b"{%" | b"{#"))
}

/// The line end that the engine takes off the end of a template: a body is kept to the letter, template or not.
fn stripped_end(source: &str) -> &str {
    let text = source.strip_suffix('\n').unwrap_or(source);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if ["-}}", "-%}", "-#}"].iter().any(|tag| text.ends_with(tag)) {
        return "";
    }
    source.get(text.len()..).unwrap_or_default()
}

/// What `{{ … }}` does: only what a filter or a helper made safe goes through.
fn print(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    let bare = || minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, failure::BARE);
    match value.as_str() {
        Some(text) if value.is_safe() => out.write_str(text)?,
        _ if !state.name().starts_with(INLINE_NAME) => return Err(bare()),
        Some(text) => out.write_str(text)?,
        None if value.is_number() => write!(out, "{value}")?,
        None => {
            return Err(minijinja::Error::new(
                minijinja::ErrorKind::InvalidOperation,
                format!("a {} cannot be part of a name", value.kind()),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
