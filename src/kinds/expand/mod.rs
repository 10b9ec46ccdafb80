//! One use of a kind on one table, as the triggers that it stands for: the parameters' values (`values`), the fields
//! that depend on them (`fields`), and the variables that the kind's templates see.

mod fields;
mod here;
mod values;

use std::collections::HashMap;

use minijinja::Value;

use self::here::Here;
use self::values::{Values, described};
use super::parameters::Bound;
use super::tables::Needed;
use super::{Kind, KindTrigger, Parameter, Type, tables};
use crate::dialect::{Dialect, Note, OfTable, Table, TableKind, scope};
use crate::error::{Diagnostic, Error, Located, Span};
use crate::model::TableId;
use crate::render::{Renderer, is_template, map};
use crate::spec::{Fields, Node, TableRef, TriggerSpec, UseSpec};

/// Where expansion happens.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// The dialect.
    pub dialect: &'static dyn Dialect,
    /// Its templates.
    pub renderer: &'a Renderer,
    /// The same for statements that are run beside the triggers: names without a schema are those of the session there.
    pub session: &'a Renderer,
    /// `[vars]`.
    pub vars: &'a Value,
    /// The schema of names that are written without one.
    pub schema: &'a str,
    /// What only a database can tell is made up.
    pub pretend: bool,
}

impl<'a> Site<'a> {
    /// The same for a use on this table.
    fn on(&self, table: &Table) -> Self {
        let renderer = self.renderer.within(&table.id.schema);
        Self { renderer, ..*self }
    }

    pub(super) fn of(&self, table: &'a Table) -> OfTable<'a> {
        OfTable {
            dialect: self.dialect,
            table,
            vars: self.vars,
            pretend: self.pretend,
        }
    }
}

/// Tables by what they were looked up with.
pub type Looked = HashMap<TableRef, Option<Table>>;

/// A `[[trigger]]` with `use`, in one dialect.
pub struct Use<'a> {
    /// The trigger.
    pub spec: &'a TriggerSpec,
    /// What it says beside `use`.
    pub fields: &'a Fields,
    /// `use` itself.
    pub usage: &'a UseSpec,
    /// The kind.
    pub kind: &'a Kind,
    /// Its parameters.
    pub bound: Bound<'a>,
    /// The columns of the table that other uses on it keep; empty where this one does not ask.
    pub kept_by_others: Vec<String>,
}

/// What a kind adds to a request.
#[derive(Debug, Clone)]
pub struct Addition {
    /// The parameters' values by name, for templates.
    pub with: Value,
    /// The `when` of the user's, which is to hold besides the kind's own.
    pub also: Option<Located<String>>,
    /// What the parameters are was told from the table's columns.
    pub follows: bool,
    /// `use` in the spec, for errors in the kind.
    pub used: Span,
    /// The table of the use, where the trigger is on another.
    pub used_on: Option<TableId>,
}

/// One trigger of a kind, on one table.
pub struct Expanded {
    /// The table that it is on, where that is not the one of the use.
    pub table: Option<Table>,
    /// Its name and place.
    pub spec: TriggerSpec,
    /// Its fields.
    pub fields: Fields,
    /// What else there is to it.
    pub addition: Addition,
}

/// What a use becomes on one table.
#[derive(Default)]
pub struct Expansion {
    /// The triggers; boxed, since each is large and all of them are put together.
    pub triggers: Vec<Box<Expanded>>,
    /// The tables that they write to.
    pub needed: Vec<Needed>,
    /// Those that no use on another table may write to, with where they are named.
    pub of_one: Vec<(TableId, Span)>,
}

impl<'a> Use<'a> {
    /// A use in this dialect; `None` and a problem where the kind is not for it.
    pub fn new(
        spec: &'a TriggerSpec,
        fields: &'a Fields,
        usage: &'a UseSpec,
        kind: &'a Kind,
        dialect: &'static dyn Dialect,
    ) -> Result<Self, Vec<Diagnostic>> {
        if let Some(reason) = kind.without.get(dialect.name()) {
            let name = dialect.name();
            return Err(vec![
                Diagnostic::new(format!(
                    "the kind `{}` is not for {}: {}",
                    kind.name,
                    dialect.title(),
                    reason.value
                ))
                .at(&usage.kind.span)
                .help(format!("leave {name} out of `dialects`")),
            ]);
        }
        let mut problems = vec![];
        let bound = kind.bind(usage, dialect.name(), &mut problems);
        if problems.is_empty() {
            Ok(Self {
                spec,
                fields,
                usage,
                kind,
                bound,
                kept_by_others: vec![],
            })
        } else {
            Err(problems)
        }
    }

    /// The tables that the parameters name, for this table of the trigger.
    pub fn references(&self, table: &Table, site: &Site<'_>) -> Vec<TableRef> {
        if let Some(named) = self.named_to_the_letter() {
            return named.into_iter().map(|(_, reference)| reference).collect();
        }
        // What is wrong with a value is said when it is used.
        let unknown = Looked::new();
        let site = &site.on(table);
        let mut values = Values::new(self, table, site, &unknown);
        values.fill();
        values.references
    }

    /// The columns of this table of the trigger that the kind gives their values.
    pub fn kept(&self, table: &Table, site: &Site<'_>, looked: &Looked) -> Vec<String> {
        let is_kept = |parameter: &&Parameter| parameter.kept;
        let kept: Vec<&str> = self
            .kind
            .parameters
            .iter()
            .filter(is_kept)
            .map(|one| one.name.value.as_str())
            .collect();
        if kept.is_empty() {
            return vec![];
        }
        if let Some(columns) = self.columns_to_the_letter(&kept) {
            let spelled = |name: String| {
                let mut columns = table.facts.iter().flat_map(|facts| &facts.columns);
                let found = columns.find(|column| site.dialect.same_name(column, &name));
                found.cloned().unwrap_or(name)
            };
            return columns.into_iter().map(spelled).collect();
        }
        let site = &site.on(table);
        let mut values = Values::new(self, table, site, looked);
        values.fill();
        let named = values
            .done
            .iter()
            .filter(|(name, _)| kept.contains(&name.as_str()));
        named
            .flat_map(|(_, value)| match value.as_str() {
                Some(column) => vec![column.to_owned()],
                // A list of columns, or a map whose keys are.
                None => value
                    .try_iter()
                    .into_iter()
                    .flatten()
                    .filter_map(|one| Some(one.as_str()?.to_owned()))
                    .collect(),
            })
            .collect()
    }

    /// The columns that these parameters name, where no template need be rendered to know them.
    fn columns_to_the_letter(&self, parameters: &[&str]) -> Option<Vec<String>> {
        let mut columns = vec![];
        for name in parameters {
            let Some(given) = self.bound.get(name) else {
                continue;
            };
            match &given.tree.node {
                Node::Text(text) if !is_template(text) => columns.push(text.clone()),
                Node::Table(entries) => {
                    columns.extend(entries.iter().map(|(key, _)| key.value.clone()));
                }
                _ => return None,
            }
        }
        Some(columns)
    }

    /// The parameters that name tables, with the tables, where each is named to the letter: no template need be rendered to
    /// know them, and they are the same for every table of the trigger.
    fn named_to_the_letter(&self) -> Option<Vec<(&'a str, TableRef)>> {
        let mut named = vec![];
        for parameter in &self.kind.parameters {
            let Some(given) = self.bound.get(&parameter.name.value) else {
                continue;
            };
            match (parameter.kind, parameter.values, &given.tree.node) {
                (Type::Table, _, Node::Text(text)) if !is_template(text) => {
                    let reference = TableRef::parse(text).ok()?;
                    if reference.is_glob() {
                        return None;
                    }
                    named.push((parameter.name.value.as_str(), reference));
                }
                (Type::Table, _, _) | (Type::Map, Type::Table, _) => return None,
                _ => {}
            }
        }
        Some(named)
    }

    /// The tables that it writes to as the kind's own, for this table of the trigger.
    pub fn written(&self, table: &Table, site: &Site<'_>, looked: &Looked) -> Vec<TableId> {
        if self.kind.tables.is_empty() {
            return vec![];
        }
        let parameters = self.kind.tables.iter().map(|table| &table.parameter.value);
        if let Some(named) = self.named_to_the_letter() {
            return parameters
                .filter_map(|name| named.iter().find(|(parameter, _)| *parameter == name))
                .map(|(_, reference)| values::looked_up(reference, site, looked).id)
                .collect();
        }
        let site = &site.on(table);
        let mut values = Values::new(self, table, site, looked);
        values.fill();
        parameters
            .filter_map(|name| values.named.get(name.as_str()))
            .map(|table| table.id.clone())
            .collect()
    }

    /// The triggers that it stands for on one table.
    pub fn expand(
        &self,
        table: &Table,
        site: &Site<'_>,
        looked: &Looked,
    ) -> Result<Expansion, Vec<Diagnostic>> {
        let site = &site.on(table);
        let mut problems = self.unfit(table);
        let mut values = Values::new(self, table, site, looked);
        values.check = true;
        values.fill();
        problems.append(&mut values.problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let also = values.use_when();
        let is_elsewhere = |trigger: &KindTrigger| trigger.on.is_some();
        if self.kind.triggers.iter().any(is_elsewhere) {
            values.done.push(("used_on".to_owned(), described(table)));
        }
        let sure = site.pretend.then(|| {
            let made_up = |name: &String| values.made_up.contains(name);
            let sure = values.done.iter().filter(|(name, _)| !made_up(name));
            map(sure.map(|(name, value)| (name.as_str(), value.clone())))
        });
        let with = map(std::mem::take(&mut values.done));
        let place = Here {
            used: self,
            table,
            site,
            follows: values.follows,
            scope: scope(&site.of(table), Some(&with), &Note::default()),
            note: values.note,
            named: values.named,
            also,
        };
        let sure = sure.map(|sure| {
            let site = Site {
                pretend: false,
                ..*site
            };
            scope(&site.of(table), Some(&sure), &place.note)
        });
        problems.extend(place.refusals(sure.as_ref().unwrap_or(&place.scope)));
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut expansion = Expansion::default();
        for trigger in &self.kind.triggers {
            match place.trigger(trigger, &with) {
                Ok(expanded) => expansion.triggers.extend(expanded),
                Err(found) => problems.extend(found),
            }
        }
        place.share_out(&mut expansion.triggers);
        for needed in &self.kind.tables {
            if needed.of_one && needed.is_for(site.dialect.name()) {
                let name = needed.parameter.value.as_str();
                let named = place.named.get(name).map(|table| table.id.clone());
                let at = self.named_at(name).clone();
                expansion.of_one.extend(named.map(|table| (table, at)));
            }
            match tables::needed(self, needed, site, &place.scope, &with, looked) {
                Ok(needed) => expansion.needed.extend(needed),
                Err(error) => problems.extend(self.blamed(error)),
            }
        }
        if problems.is_empty() {
            Ok(expansion)
        } else {
            Err(problems)
        }
    }

    /// Where the spec says what a parameter is: its value, or `use` where that is the default.
    pub(super) fn named_at(&self, parameter: &str) -> &Span {
        self.bound
            .get(parameter)
            .filter(|given| !given.is_default)
            .map_or(&self.usage.kind.span, |given| &given.tree.span)
    }

    /// Errors of the kind's own, with the use that led to them.
    pub(super) fn blamed(&self, error: Error) -> Vec<Diagnostic> {
        blamed(error.diagnostics, &self.usage.kind.span)
    }

    /// Why it cannot be used on this table, from what is known of it.
    fn unfit(&self, table: &Table) -> Vec<Diagnostic> {
        let Some(facts) = &table.facts else {
            return vec![];
        };
        let mut problems = vec![];
        let is_view = matches!(facts.kind, TableKind::View | TableKind::MaterializedView);
        let word = if is_view { "view" } else { "table" };
        let fits = match &self.kind.needs.tables {
            Some(words) => words.iter().any(|one| one.value == word),
            None => !is_view,
        };
        let refuse = |message: String| Diagnostic::new(message).at(&self.usage.kind.span);
        if !fits {
            let other = if is_view { "tables" } else { "views" };
            problems.push(
                refuse(format!(
                    "`{}` is a {word}: the kind `{}` is for {other}",
                    table.id.name, self.kind.name
                ))
                .help("name another, or leave this one out with `exclude`"),
            );
        } else if let Some(reason) = &self.kind.needs.primary_key
            && facts.primary_key.is_empty()
        {
            problems.push(
                refuse(format!(
                    "`{}` has no primary key, and the kind `{}` needs one",
                    table.id.name, self.kind.name
                ))
                .note(reason.value.clone())
                .help("give the table one, or leave it out with `exclude`"),
            );
        }
        problems
    }
}

/// Diagnostics that point into a kind's files, with the use that led to them.
pub fn blamed(diagnostics: Vec<Diagnostic>, used: &Span) -> Vec<Diagnostic> {
    let blame = |diagnostic: Diagnostic| match &diagnostic.place {
        Some((span, _)) if span.file.name == used.file.name => diagnostic,
        Some(_) => diagnostic.related(used, "in this use of the kind"),
        None => diagnostic.at(used),
    };
    diagnostics.into_iter().map(blame).collect()
}
