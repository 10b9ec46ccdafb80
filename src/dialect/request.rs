//! What every dialect asks of a `[[trigger]]` in the same way: its name, its events, its columns, and its texts, rendered.
//! Problems are collected, so that one run reports them all.

use std::ops::Range;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object};
use minijinja::{Value, context};

use super::inspect::{self, Flaw};
use super::seen::Note;
use super::{Dialect, Request, Table, TableFacts};
use crate::digest::digest;
use crate::error::{Diagnostic, Error, Located, Span};
use crate::model::{Event, Events, Seen, Timing};
use crate::render::{Renderer, is_template};

/// A request that is being read.
pub(super) struct Reader<'a> {
    pub(super) dialect: &'static dyn Dialect,
    pub(super) request: &'a Request<'a>,
    pub(super) renderer: &'a Renderer,
    /// What is wrong so far.
    pub(super) problems: Vec<Diagnostic>,
    /// See [`super::Lowered::doubts`].
    pub(super) doubts: Vec<Diagnostic>,
    /// Whether a text since the last [`Self::take_seen`] read the columns.
    columns: Note,
    /// The templates since then.
    templates: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        dialect: &'static dyn Dialect,
        request: &'a Request<'a>,
        renderer: &'a Renderer,
    ) -> Self {
        Self {
            dialect,
            request,
            renderer,
            problems: vec![],
            doubts: vec![],
            columns: Note::default(),
            templates: vec![],
        }
    }

    /// Something that cannot be, and the way out.
    pub(super) fn refuse(
        &mut self,
        message: impl Into<String>,
        at: &Span,
        help: impl Into<String>,
    ) {
        self.problems
            .push(Diagnostic::new(message).at(at).help(help));
    }

    /// Refuse a field that this dialect has no use for.
    pub(super) fn refuse_field<T>(&mut self, field: Option<&Located<T>>, what: &str, help: &str) {
        if let Some(field) = field {
            let message = format!("{} has no {what}", self.dialect.title());
            self.refuse(message, &field.span, help);
        }
    }

    /// The trigger's name, rendered; checked for what no engine takes.
    pub(super) fn name(&mut self, text: &Located<String>) -> Option<String> {
        let rendered = if is_template(&text.value) {
            let scope = self.scope(None, None);
            match self.renderer.name(text, scope) {
                Ok(name) => name,
                Err(error) => {
                    self.problems.extend(error.diagnostics);
                    return None;
                }
            }
        } else {
            text.value.clone()
        };
        // Anything else is a name to both engines, so that whatever is live can be in a spec.
        let problem = if rendered.is_empty() {
            "the name is empty"
        } else if rendered.contains('\0') {
            "the name has a NUL character"
        } else {
            return Some(rendered);
        };
        self.refuse(problem, &text.span, "give it a name that people can read");
        None
    }

    /// SQL of the spec, rendered.
    pub(super) fn sql(
        &mut self,
        text: &Located<String>,
        trigger: &str,
        event: Option<Event>,
    ) -> Option<String> {
        self.templates.push(text.value.clone());
        if !is_template(&text.value) {
            return Some(text.value.clone());
        }
        match self
            .renderer
            .inline_value(text, self.scope(Some(trigger), event))
        {
            Ok(sql) => Some(sql),
            Err(error) => {
                let note = format!(
                    "while rendering trigger `{trigger}` on `{}`",
                    self.request.table.id
                );
                self.problems.extend(error.note(note).diagnostics);
                None
            }
        }
    }

    /// A text of the spec that is no SQL, rendered.
    pub(super) fn text(&mut self, text: &Located<String>, trigger: &str) -> Option<String> {
        match self.renderer.name(text, self.scope(Some(trigger), None)) {
            Ok(rendered) => Some(rendered),
            Err(error) => {
                self.problems.extend(error.diagnostics);
                None
            }
        }
    }

    /// Put the trigger's off switch into its condition, where it has one; `None` where that cannot be rendered.
    pub(super) fn with_bypass(&mut self, condition: &mut Option<String>) -> Option<()> {
        let Some(setting) = &self.request.fields.bypass else {
            return Some(());
        };
        let closed = condition
            .as_ref()
            .map(|text| inspect::closed(text, self.dialect.syntax()).into_owned());
        let context = context! { setting => setting.value.as_str(), condition => closed };
        match self.renderer.text("bypass.sql", context) {
            Ok(text) => {
                *condition = Some(text.trim_end().to_owned());
                Some(())
            }
            Err(error) => {
                self.problems.extend(error.diagnostics);
                None
            }
        }
    }

    /// What the texts since the last time read of the table; `None` where they read nothing of it.
    pub(super) fn take_seen(&mut self) -> Option<Box<Seen>> {
        let templates = std::mem::take(&mut self.templates);
        let columns = std::mem::take(&mut self.columns);
        let facts = self.request.table.facts.as_ref()?;
        let follows = self.request.kind.is_some_and(|kind| kind.follows);
        let read = (follows || columns.was_read()).then(|| facts.columns.clone());
        read.as_ref()?;
        let table = &self.request.table.id;
        Some(Box::new(Seen {
            table: if self.dialect.qualifies() && table.schema != self.request.beside.schema {
                table.to_string()
            } else {
                table.name.clone()
            },
            templates: digest(templates.iter().map(String::as_str)),
            columns: read,
        }))
    }

    /// Report a flaw of a rendered text; true where there was none.
    pub(super) fn sound(
        &mut self,
        field: &str,
        text: &Located<String>,
        rendered: &str,
        check: Result<(), Flaw>,
    ) -> bool {
        let Err(Flaw {
            message,
            range,
            help,
        }) = check
        else {
            return true;
        };
        let place = place(text, rendered, range);
        self.refuse(format!("the `{field}` {message}"), &place, help);
        false
    }

    /// When it fires.
    pub(super) fn timing(&mut self) -> Option<Timing> {
        let timing = self.request.fields.timing.as_ref();
        if timing.is_none() {
            self.missing("timing", "timing = \"after\"");
        }
        timing.map(|timing| timing.value)
    }

    /// The events, in the order of the model.
    pub(super) fn events(&mut self) -> Option<Events> {
        match &self.request.fields.events {
            Some(events) if !events.value.is_empty() => {
                Some(events.value.iter().map(|event| event.value).collect())
            }
            _ => {
                self.missing("events", "events = [\"insert\"]");
                None
            }
        }
    }

    /// Report a field that has to be there.
    pub(super) fn missing(&mut self, field: &str, example: &str) {
        let message = format!("the trigger has no `{field}` for {}", self.dialect.title());
        self.refuse(message, &self.request.spec.span, format!("add `{example}`"));
    }

    /// Where a field stands; where it was left out, the trigger.
    pub(super) fn span_of<T>(&self, field: Option<&crate::error::Located<T>>) -> Span {
        field.map_or_else(|| self.request.spec.span.clone(), |it| it.span.clone())
    }

    /// Where an event was asked for.
    pub(super) fn event_span(&self, event: Event) -> Span {
        let events = self.request.fields.events.as_ref();
        events
            .and_then(|events| events.value.iter().find(|found| found.value == event))
            .map_or_else(
                || self.request.spec.span.clone(),
                |found| found.span.clone(),
            )
    }

    /// The columns of UPDATE OF: each one once, and of the table where it is known.
    pub(super) fn update_of(&mut self) -> Vec<String> {
        let Some(columns) = &self.request.fields.update_of else {
            return vec![];
        };
        let mut seen: Vec<&str> = vec![];
        for column in &columns.value {
            if seen
                .iter()
                .any(|other| self.dialect.same_name(other, &column.value))
            {
                self.doubt(
                    format!("the column `{}` is named twice", column.value),
                    &column.span,
                    "name it once".to_owned(),
                );
            }
            seen.push(&column.value);
            self.known_column(column);
        }
        columns
            .value
            .iter()
            .map(|column| column.value.clone())
            .collect()
    }

    fn known_column(&mut self, column: &Located<String>) {
        let Some(facts) = &self.request.table.facts else {
            return;
        };
        if facts.may_have(|name| self.dialect.same_name(name, &column.value)) {
            return;
        }
        let help = facts.meant(&column.value);
        let message = format!(
            "`{}` has no column `{}`",
            self.request.table.id.name, column.value
        );
        self.doubt(message, &column.span, help);
    }

    /// What engines refuse that look, and others make as it is written.
    fn doubt(&mut self, message: String, span: &Span, help: String) {
        if self.dialect.checks_update_of() {
            self.refuse(message, span, help);
        } else {
            self.doubts
                .push(Diagnostic::new(message).at(span).help(help));
        }
    }

    /// What templates of the spec see.
    pub(super) fn scope(&self, trigger: Option<&str>, event: Option<Event>) -> Value {
        let Request {
            spec: _,
            fields,
            table,
            vars,
            beside: _,
            pretend,
            kind,
        } = *self.request;
        let of_table = OfTable {
            dialect: self.dialect,
            table,
            vars,
            pretend,
        };
        let scope = Scope {
            trigger: trigger.map(Value::from),
            timing: fields.timing.as_ref().map(|timing| timing.value),
            event,
            ..Scope::of_table(&of_table, kind.map(|kind| &kind.with), &self.columns)
        };
        Value::from_object(scope)
    }

    /// The conditions of the kind and of the user's beside it, where there are any, each read by `read`, as one. The outer
    /// `None`: one of them cannot be read, which is among the problems.
    #[expect(clippy::option_option, reason = "none to be had, and none asked for")]
    pub(super) fn condition(
        &mut self,
        mut read: impl FnMut(&mut Self, &Located<String>) -> Option<String>,
    ) -> Option<Option<String>> {
        let own = self.request.fields.when.as_ref();
        let also = self.request.kind.and_then(|kind| kind.also.as_ref());
        let (left, right) = match (also, own) {
            (None, None) => return Some(None),
            (Some(one), None) | (None, Some(one)) => return read(self, one).map(Some),
            (Some(left), Some(right)) => (read(self, left), read(self, right)),
        };
        // A comment at the end of the first would swallow what follows.
        let syntax = self.dialect.syntax();
        let (left, right) = (left?, right?);
        Some(Some(format!(
            "({}) AND ({})",
            super::inspect::closed(left.trim(), syntax),
            super::inspect::closed(right.trim(), syntax)
        )))
    }
}

/// A table, and what holds wherever templates are rendered for it.
#[derive(Clone, Copy)]
pub(crate) struct OfTable<'a> {
    pub(crate) dialect: &'static dyn Dialect,
    pub(crate) table: &'a Table,
    pub(crate) vars: &'a Value,
    pub(crate) pretend: bool,
}

/// What templates see that are rendered for a table, before there is a trigger; the parameters of a kind among it. What
/// they read of the columns goes to `note`.
pub(crate) fn scope(of: &OfTable<'_>, with: Option<&Value>, note: &Note) -> Value {
    Value::from_object(Scope::of_table(of, with, note))
}

/// What a name of the spec is on one table: `{{ table }}_audit` on `orders` is `orders_audit`.
///
/// # Errors
/// What is wrong with the template.
pub fn name_on(
    table: &Table,
    text: &Located<String>,
    vars: &Value,
    dialect: &'static dyn Dialect,
    renderer: &Renderer,
) -> Result<String, Error> {
    let of = OfTable {
        dialect,
        table,
        vars,
        pretend: false,
    };
    renderer.name(text, scope(&of, None, &Note::default()))
}

/// The place of a part of a rendered text: exact where the text holds no template, else the whole of it.
pub(super) fn place(text: &Located<String>, rendered: &str, range: Range<usize>) -> Span {
    if text.value == rendered {
        crate::spec::inner_span(text, range)
    } else {
        text.span.clone()
    }
}

/// The variables of a template in the spec. What is not known is not there, so that using it is an error.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) dialect: &'static str,
    pub(super) table: Option<Value>,
    pub(super) schema: Value,
    pub(super) trigger: Option<Value>,
    pub(super) timing: Option<Timing>,
    pub(super) event: Option<Event>,
    pub(super) columns: Option<Value>,
    pub(super) vars: Value,
    /// What is known of the table besides: `types`, `primary_key`, `generated`, `row_key` and the like.
    pub(super) facts: Vec<(&'static str, Value)>,
    /// The parameters of a kind.
    pub(super) with: Option<Value>,
}

impl Scope {
    fn of_table(of: &OfTable<'_>, with: Option<&Value>, note: &Note) -> Self {
        let OfTable {
            dialect,
            table,
            vars,
            pretend,
        } = *of;
        let facts = match &table.facts {
            Some(facts) => facts.values(),
            None if pretend => TableFacts::pretended_values(),
            None => vec![],
        };
        let noted = |(name, value): (&'static str, Value)| match name {
            "columns" | "types" | "generated" | "unseen" => (name, note.on(value)),
            _ => (name, value),
        };
        let facts: Vec<(&'static str, Value)> = facts.into_iter().map(noted).collect();
        let columns = facts.iter().find(|(name, _)| *name == "columns");
        Self {
            dialect: dialect.name(),
            table: Some(Value::from(table.id.name.as_str())),
            schema: Value::from(table.id.schema.as_str()),
            trigger: None,
            timing: None,
            event: None,
            columns: columns.map(|(_, columns)| columns.clone()),
            vars: vars.clone(),
            facts,
            with: with.cloned(),
        }
    }
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        // A kind's parameter may be named like what is known of the table anyway (`columns`).
        if let Some(with) = &self.with
            && let Ok(value) = with.get_item(key)
            && !value.is_undefined()
        {
            return Some(value);
        }
        match key.as_str()? {
            "dialect" => Some(Value::from(self.dialect)),
            "table" => self.table.clone(),
            "schema" => Some(self.schema.clone()),
            "trigger" => self.trigger.clone(),
            "timing" => self.timing.map(|timing| Value::from(timing.word())),
            "event" => self.event.map(|event| Value::from(event.word())),
            "columns" | "table_columns" => self.columns.clone(),
            "vars" => Some(self.vars.clone()),
            "with" => self.with.clone(),
            other => {
                let known = self.facts.iter().find(|(name, _)| *name == other);
                known.map(|(_, value)| value.clone())
            }
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&[
            "dialect", "table", "schema", "trigger", "timing", "event", "columns", "vars",
        ])
    }
}
