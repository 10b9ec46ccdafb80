//! One use on one table, its parameters known: what the kind refuses, and each of its triggers.

use std::collections::HashMap;

use minijinja::Value;

use super::{Addition, Expanded, Site, Use};
use crate::dialect::{Note, Table, inspect};
use crate::digest::digest;
use crate::error::{Diagnostic, Error, Located};
use crate::kinds::{KindTrigger, sheet};
use crate::render::is_template;
use crate::spec::{Fields, TableRef, TriggerSpec};

/// One use on one table, its parameters known.
pub(super) struct Here<'a> {
    pub(super) used: &'a Use<'a>,
    pub(super) table: &'a Table,
    pub(super) site: &'a Site<'a>,
    /// What the parameters are was told from the table's columns.
    pub(super) follows: bool,
    pub(super) scope: Value,
    /// Notes that columns are looked at.
    pub(super) note: Note,
    /// The tables that parameters name.
    pub(super) named: HashMap<&'a str, Table>,
    /// The condition of the use, as far as it is known before the event is.
    pub(super) also: Option<String>,
}

impl Here<'_> {
    pub(super) fn evaluate(&self, expression: &Located<String>) -> Result<Value, Error> {
        self.site.renderer.evaluate(expression, self.scope.clone())
    }

    /// Uses that the kind says make no sense, going by what is sure: nothing is refused for columns that are made up.
    pub(super) fn refusals(&self, sure: &Value) -> Vec<Diagnostic> {
        let mut problems = vec![];
        for refusal in &self.used.kind.refusals {
            let renderer = self.site.renderer;
            let applies = match renderer.evaluate(&refusal.condition, sure.clone()) {
                Ok(value) => value.is_true() && !(self.note.take() && self.site.pretend),
                // It asks for what only a database can tell.
                Err(_) if self.table.facts.is_none() => false,
                Err(error) => {
                    problems.extend(self.used.blamed(error));
                    continue;
                }
            };
            if !applies {
                continue;
            }
            let said = |text: &Located<String>| self.site.renderer.name(text, self.scope.clone());
            match (said(&refusal.message), said(&refusal.help)) {
                (Ok(message), Ok(help)) => {
                    let given = refusal
                        .parameter
                        .as_ref()
                        .and_then(|name| self.used.bound.get(&name.value))
                        .filter(|given| !given.is_default);
                    let at = given.map_or(&self.used.usage.kind.span, |given| &given.tree.span);
                    problems.push(Diagnostic::new(message).at(at).help(help));
                }
                (Err(error), _) | (_, Err(error)) => problems.extend(self.used.blamed(error)),
            }
        }
        problems
    }

    /// One trigger of the kind; `None` where it is left out.
    pub(super) fn trigger(
        &self,
        trigger: &KindTrigger,
        with: &Value,
    ) -> Result<Option<Box<Expanded>>, Vec<Diagnostic>> {
        let dialect = self.site.dialect.name();
        if let Some(dialects) = &trigger.dialects
            && !dialects.iter().any(|one| one.value == dialect)
        {
            return Ok(None);
        }
        if let Some(condition) = &trigger.condition {
            match self.evaluate(condition) {
                Ok(value) if value.is_true() => {}
                Ok(_) => return Ok(None),
                Err(error) => return Err(self.used.blamed(error)),
            }
        }
        let mut fields = self.merged(&trigger.base, trigger.own.get(dialect))?;
        let table = match &trigger.on {
            Some(on) => match self.named.get(on.value.as_str()) {
                Some(table) => Some(table.clone()),
                None => return Ok(None), // The parameter was left out.
            },
            None => None,
        };
        let suffixed = |name: &Located<String>| {
            let mut value = name.value.clone();
            if let Some(suffix) = &trigger.suffix {
                value = format!("{value}_{}", suffix.value);
            }
            let span = name.span.clone();
            Located { value, span }
        };
        // On another table it is named by the one of the use all the same: many uses may share that other.
        let elsewhere = table.is_some();
        let named = |name: &Located<String>| {
            let name = suffixed(name);
            if !elsewhere || !is_template(&name.value) {
                return Ok(name);
            }
            let value = self.site.renderer.name(&name, self.scope.clone());
            let span = name.span;
            value
                .map(|value| Located { value, span })
                .map_err(|error| self.used.blamed(error))
        };
        self.of_the_user(&mut fields);
        let renamed_from = self.used.fields.renamed_from.as_deref();
        fields.renamed_from = renamed_from.map(&named).transpose()?.map(Box::new);
        let also = self.used.fields.when.clone().filter(|_| !elsewhere);
        if fields.shared.as_ref().is_some_and(|shared| shared.value) {
            let name = self.shared_function(trigger, &fields);
            fields.function_name = Some(Box::new(Located {
                value: TableRef::exactly(None, name),
                span: trigger.span.clone(),
            }));
        }
        Ok(Some(Box::new(Expanded {
            table,
            spec: TriggerSpec::bare(trigger.span.clone(), named(&self.used.spec.name)?),
            fields,
            addition: Addition {
                with: with.clone(),
                also,
                follows: self.follows,
                used: self.used.usage.kind.span.clone(),
                used_on: elsewhere.then(|| self.table.id.clone()),
            },
        })))
    }

    /// The name of a function that all tables share for which the kind is told the same: it does not depend on the text,
    /// so that a new text replaces the function in place, and no trigger need be touched.
    fn shared_function(&self, trigger: &KindTrigger, fields: &Fields) -> String {
        let Fields {
            security,
            search_path,
            ..
        } = fields;
        let mut told: Vec<String> = self
            .used
            .kind
            .parameters
            .iter()
            .filter_map(|parameter| {
                let name = &parameter.name.value;
                let given = self
                    .used
                    .bound
                    .get(name)
                    .filter(|given| !given.is_default)?;
                Some(format!("{name}={}", sheet::inline(given.tree)))
            })
            .collect();
        told.extend(
            security
                .iter()
                .map(|security| format!("{:?}", security.value)),
        );
        let path = search_path.iter().flat_map(|path| &path.value);
        told.extend(path.map(|schema| schema.value.clone()));
        let mut name = self.used.kind.name.clone();
        if let Some(suffix) = &trigger.suffix {
            name = format!("{name}_{}", suffix.value);
        }
        if !told.is_empty() {
            let digest = digest(told.iter().map(String::as_str));
            name = format!("{name}_{}", digest.get(..8).unwrap_or_default());
        }
        name + "_trigger"
    }

    /// The condition of the use is for the triggers that have the rows that it speaks of: TRUNCATE has none, an insert no
    /// old one. A trigger that cannot have it goes without, as long as there is one that can.
    pub(super) fn share_out(&self, triggers: &mut [Box<Expanded>]) {
        let Some(also) = &self.also else {
            return;
        };
        let fits: Vec<bool> = triggers
            .iter()
            .map(|one| inspect::has_rows(also, self.site.dialect, &one.fields))
            .collect();
        if fits.contains(&true) {
            for (one, _) in triggers.iter_mut().zip(fits).filter(|(_, fits)| !fits) {
                one.addition.also = None;
            }
        }
    }

    /// What the user says beside `use` wins.
    fn of_the_user(&self, fields: &mut Fields) {
        let user = self.used.fields;
        win(&mut fields.description, user.description.as_ref());
        win(&mut fields.enabled, user.enabled.as_ref());
        win(&mut fields.security, user.security.as_ref());
        win(&mut fields.search_path, user.search_path.as_ref());
        win(&mut fields.definer, user.definer.as_ref());
        win(&mut fields.order, user.order.as_ref());
        win(&mut fields.bypass, user.bypass.as_ref());
        win(&mut fields.enabled_on, user.enabled_on.as_ref());
        win(
            &mut fields.depends_on_extensions,
            user.depends_on_extensions.as_ref(),
        );
        win(&mut fields.sql_mode, user.sql_mode.as_ref());
        win(&mut fields.collation, user.collation.as_ref());
    }
}

/// What the user says stands in for what the kind says.
fn win<T: Clone>(own: &mut Option<T>, user: Option<&T>) {
    if let Some(user) = user {
        *own = Some(user.clone());
    }
}
