//! One use of a kind on one table, as the triggers that it stands for: the parameters' values, the fields that depend
//! on them, and the variables that the kind's templates see.

use std::collections::{BTreeMap, HashMap};

use minijinja::Value;

use super::parameters::{Bound, Given};
use super::tables::Needed;
use super::{Kind, KindFields, KindTrigger, Parameter, Type, sheet, tables};
use crate::desired::digest;
use crate::dialect::{Dialect, Note, OfTable, Table, TableFacts, TableKind, scope};
use crate::error::{Diagnostic, Error, Located, Span};
use crate::model::{Event, TableId};
use crate::render::{Renderer, is_template, map};
use crate::spec::{
    Fields, Node, TableRef, TableSelector, Tree, TriggerSpec, UseSpec, bare_expression, word,
};

/// Where expansion happens.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// The dialect.
    pub dialect: &'static dyn Dialect,
    /// Its templates.
    pub renderer: &'a Renderer,
    /// `[vars]`.
    pub vars: &'a Value,
    /// The schema of names that are written without one.
    pub schema: &'a str,
    /// What only a database can tell is made up.
    pub pretend: bool,
}

impl<'a> Site<'a> {
    fn of(&self, table: &'a Table) -> OfTable<'a> {
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
}

/// One trigger of a kind, on one table.
pub struct Expanded {
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
    /// The triggers.
    pub triggers: Vec<Expanded>,
    /// The tables that they write to.
    pub needed: Vec<Needed>,
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
            })
        } else {
            Err(problems)
        }
    }

    /// The tables that the parameters name, for this table of the trigger.
    pub fn references(&self, table: &Table, site: &Site<'_>) -> Vec<TableRef> {
        // What is wrong with a value is said when it is used.
        let unknown = Looked::new();
        let mut values = Values::new(self, table, site, &unknown);
        values.fill();
        values.references
    }

    /// The tables that it writes to as the kind's own, for this table of the trigger.
    pub fn written(&self, table: &Table, site: &Site<'_>, looked: &Looked) -> Vec<TableId> {
        if self.kind.tables.is_empty() {
            return vec![];
        }
        let mut values = Values::new(self, table, site, looked);
        values.fill();
        let parameters = self.kind.tables.iter().map(|table| &table.parameter.value);
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
        let mut problems = self.unfit(table);
        let mut values = Values::new(self, table, site, looked);
        values.check = true;
        values.fill();
        problems.append(&mut values.problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let with = map(std::mem::take(&mut values.done));
        let place = Here {
            used: self,
            table,
            site,
            follows: values.note.was_read(),
            scope: scope(&site.of(table), Some(&with), &Note::default()),
        };
        problems.extend(place.refusals());
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
        for needed in &self.kind.tables {
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

/// The parameters' values, worked out in their order: a default may use those before it.
struct Values<'a> {
    used: &'a Use<'a>,
    table: &'a Table,
    site: &'a Site<'a>,
    looked: &'a Looked,
    done: Vec<(String, Value)>,
    /// The tables that were named.
    references: Vec<TableRef>,
    /// Which table a parameter names.
    named: HashMap<&'a str, Table>,
    /// Whether tables and columns must be there.
    check: bool,
    /// Whether the table's columns were looked at.
    note: Note,
    problems: Vec<Diagnostic>,
}

impl<'a> Values<'a> {
    fn new(used: &'a Use<'a>, table: &'a Table, site: &'a Site<'a>, looked: &'a Looked) -> Self {
        Self {
            used,
            table,
            site,
            looked,
            done: vec![],
            references: vec![],
            named: HashMap::new(),
            check: false,
            note: Note::default(),
            problems: vec![],
        }
    }

    fn fill(&mut self) {
        for parameter in &self.used.kind.parameters {
            let name = parameter.name.value.clone();
            let value = match self.used.bound.get(&name) {
                None => Value::from(()),
                Some(given) => match self.value(parameter, given) {
                    Ok(value) => value,
                    Err(error) => {
                        let found = self.used.blamed(error);
                        self.problems.extend(found);
                        continue;
                    }
                },
            };
            self.done.push((name, value));
        }
    }

    fn scope(&self) -> Value {
        let values = self.done.iter();
        let with = map(values.map(|(name, value)| (name.as_str(), value.clone())));
        scope(&self.site.of(self.table), Some(&with), &self.note)
    }

    fn value(&mut self, parameter: &'a Parameter, given: Given<'_>) -> Result<Value, Error> {
        let tree = given.tree;
        if let Node::Text(text) = &tree.node
            && !parameter.kind.is_text()
            && let Some(inner) = bare_expression(text)
        {
            let inner = Located {
                value: inner.to_owned(),
                span: tree.span.clone(),
            };
            return self.site.renderer.evaluate(&inner, self.scope());
        }
        self.typed(parameter, parameter.kind, tree)
    }

    fn typed(&mut self, parameter: &'a Parameter, kind: Type, tree: &Tree) -> Result<Value, Error> {
        Ok(match (&tree.node, kind) {
            (Node::Text(text), _) => {
                let mut text = Located {
                    value: text.clone(),
                    span: tree.span.clone(),
                };
                if is_template(&text.value) {
                    text.value = match kind {
                        Type::Sql => self.site.renderer.inline_value(&text, self.scope())?,
                        _ => self.site.renderer.name(&text, self.scope())?,
                    };
                }
                match kind {
                    Type::Table => self.table(parameter, &text)?,
                    Type::Column | Type::Columns => Value::from(self.column(parameter, &text)),
                    _ => Value::from(text.value),
                }
            }
            (Node::Bool(flag), _) => Value::from(*flag),
            (Node::Integer(number), _) => Value::from(*number),
            (Node::Other(other), _) => Value::from(minijinja::value::Serde(other)),
            (Node::List(elements), _) => {
                let mut list = Vec::with_capacity(elements.len());
                for element in elements {
                    list.push(self.typed(parameter, kind, element)?);
                }
                Value::from(list)
            }
            (Node::Table(entries), _) => {
                let mut pairs = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let key = match parameter.keys {
                        Type::Column => self.column(parameter, key),
                        _ => key.value.clone(),
                    };
                    let value = self.typed(parameter, parameter.values, value)?;
                    pairs.push((key, value));
                }
                map(pairs)
            }
        })
    }

    /// A column, as the catalog spells it where it is known.
    fn column(&mut self, parameter: &Parameter, text: &Located<String>) -> String {
        let table = match &parameter.of {
            Some(of) => self.named.get(of.value.as_str()),
            None => Some(self.table),
        };
        let Some((table, facts)) = table.and_then(|table| Some((table, table.facts.as_ref()?)))
        else {
            return text.value.clone();
        };
        let dialect = self.site.dialect;
        let same = |column: &&String| dialect.same_name(column, &text.value);
        if let Some(column) = facts.columns.iter().find(same) {
            return column.clone();
        }
        if self.check {
            let problem = missing_column(&table.id, facts, text);
            let used = &self.used.usage.kind.span;
            self.problems.extend(blamed(vec![problem], used));
        }
        text.value.clone()
    }

    /// A table, with what is known of it.
    fn table(&mut self, parameter: &'a Parameter, text: &Located<String>) -> Result<Value, Error> {
        let name = &parameter.name.value;
        let reference = TableRef::parse(&text.value).map_err(|error| {
            Diagnostic::new(format!("the name `{}` {}", text.value, error.message))
                .at(&text.span)
                .help(error.help)
        })?;
        if reference.is_glob() {
            return Err(Diagnostic::new(format!(
                "`{name}` takes one table, and `{}` is a pattern",
                text.value
            ))
            .at(&text.span)
            .help("name the table")
            .into());
        }
        let found = self.looked.get(&reference).cloned().flatten();
        let is_made = self
            .used
            .kind
            .tables
            .iter()
            .any(|table| table.parameter.value == *name);
        if self.check && found.is_none() && !is_made && self.looked.contains_key(&reference) {
            return Err(Diagnostic::new(format!(
                "there is no table or view `{reference}` in the database"
            ))
            .labelled(&text.span, "not in the database")
            .help("create the table first, or correct its name here")
            .into());
        }
        let table = found.unwrap_or_else(|| Table {
            id: TableId {
                schema: reference
                    .schema
                    .clone()
                    .unwrap_or_else(|| self.site.schema.to_owned()),
                name: reference.name.clone(),
            },
            facts: None,
        });
        self.references.push(reference);
        let value = described(&table);
        self.named.insert(name, table);
        Ok(value)
    }
}

/// A table for templates: `ident` takes it as a name.
fn described(table: &Table) -> Value {
    let mut pairs: Vec<(&str, Value)> = vec![
        ("schema", Value::from(table.id.schema.as_str())),
        ("name", Value::from(table.id.name.as_str())),
    ];
    if let Some(facts) = &table.facts {
        pairs.extend(facts.values());
    }
    map(pairs)
}

fn missing_column(table: &TableId, facts: &TableFacts, text: &Located<String>) -> Diagnostic {
    let wanted = text.value.to_lowercase();
    let near = facts
        .columns
        .iter()
        .map(|name| (strsim::jaro_winkler(&name.to_lowercase(), &wanted), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(left, _), (right, _)| left.total_cmp(right));
    let help = match near {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => format!("its columns are: {}", facts.columns.join(", ")),
    };
    Diagnostic::new(format!("`{}` has no column `{}`", table.name, text.value))
        .at(&text.span)
        .help(help)
}

/// One use on one table, its parameters known.
struct Here<'a> {
    used: &'a Use<'a>,
    table: &'a Table,
    site: &'a Site<'a>,
    /// What the parameters are was told from the table's columns.
    follows: bool,
    scope: Value,
}

impl Here<'_> {
    fn evaluate(&self, expression: &Located<String>) -> Result<Value, Error> {
        self.site.renderer.evaluate(expression, self.scope.clone())
    }

    /// Uses that the kind says make no sense.
    fn refusals(&self) -> Vec<Diagnostic> {
        let mut problems = vec![];
        for refusal in &self.used.kind.refusals {
            let applies = match self.evaluate(&refusal.condition) {
                Ok(value) => value.is_true(),
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
    fn trigger(
        &self,
        trigger: &KindTrigger,
        with: &Value,
    ) -> Result<Option<Expanded>, Vec<Diagnostic>> {
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
        let suffixed = |name: &Located<String>| match &trigger.suffix {
            None => name.clone(),
            Some(suffix) => Located {
                value: format!("{}_{}", name.value, suffix.value),
                span: name.span.clone(),
            },
        };
        let also = self.of_the_user(&mut fields, suffixed);
        if fields.shared.as_ref().is_some_and(|shared| shared.value) {
            let name = self.shared_function(trigger, &fields);
            fields.function_name = Some(Located {
                value: TableRef::exactly(None, name),
                span: trigger.span.clone(),
            });
        }
        Ok(Some(Expanded {
            spec: TriggerSpec {
                span: trigger.span.clone(),
                name: suffixed(&self.used.spec.name),
                tables: TableSelector::Many {
                    include: vec![],
                    exclude: vec![],
                    having_columns: vec![],
                },
                dialects: None,
                fields: Fields::default(),
                overrides: BTreeMap::new(),
                allow: vec![],
                usage: None,
            },
            fields,
            addition: Addition {
                with: with.clone(),
                also,
                follows: self.follows,
                used: self.used.usage.kind.span.clone(),
            },
        }))
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

    /// The kind's fields for this dialect.
    fn merged(
        &self,
        base: &KindFields,
        own: Option<&KindFields>,
    ) -> Result<Fields, Vec<Diagnostic>> {
        let mut expressions: BTreeMap<&str, &Located<String>> = base
            .expressions
            .iter()
            .map(|(key, text)| (*key, text))
            .collect();
        let fields = match own {
            None => base.fields.clone(),
            Some(own) => {
                let mut common = base.fields.clone();
                for (key, text) in &own.expressions {
                    expressions.insert(key, text);
                    clear(&mut common, key);
                }
                expressions.retain(|key, _| !says(&own.fields, key));
                own.fields.clone().over(&common)
            }
        };
        let mut fields = fields;
        let mut problems = vec![];
        for (key, text) in expressions {
            let set = self
                .evaluate(text)
                .and_then(|value| self.set(&mut fields, key, &value, text));
            if let Err(error) = set {
                problems.extend(self.used.blamed(error));
            }
        }
        if problems.is_empty() {
            Ok(fields)
        } else {
            Err(problems)
        }
    }

    /// Give a field the value of an expression; none and an empty list leave it out.
    fn set(
        &self,
        fields: &mut Fields,
        key: &str,
        value: &Value,
        expression: &Located<String>,
    ) -> Result<(), Error> {
        let wrong = |what: &str| {
            Error::from(
                Diagnostic::new(format!("`{key}` cannot be {value}"))
                    .at(&expression.span)
                    .help(format!("the expression must give {what}")),
            )
        };
        if value.is_none() || value.is_undefined() {
            return Ok(());
        }
        let located = |text: &str| Located {
            value: text.to_owned(),
            span: self
                .used
                .bound
                .place_of(text)
                .unwrap_or(&expression.span)
                .clone(),
        };
        let one = || value.as_str().ok_or_else(|| wrong("a word"));
        let list = || -> Result<Vec<Located<String>>, Error> {
            let elements = value.try_iter().map_err(|_| wrong("a list"))?;
            elements
                .map(|element| element.as_str().map(located).ok_or_else(|| wrong("texts")))
                .collect()
        };
        macro_rules! one_word {
            ($what:literal) => {{
                let text = one()?;
                Some(Located {
                    value: word(text).ok_or_else(|| wrong($what))?,
                    span: located(text).span,
                })
            }};
        }
        let whole = |list: Vec<Located<String>>| {
            (!list.is_empty()).then(|| Located {
                value: list,
                span: expression.span.clone(),
            })
        };
        match key {
            "timing" => fields.timing = one_word!("`before`, `after` or `instead_of`"),
            "for_each" => fields.for_each = one_word!("`row` or `statement`"),
            "enabled" => {
                fields.enabled = one_word!("`origin`, `disabled`, `replica` or `always`");
            }
            "security" => fields.security = one_word!("`invoker` or `definer`"),
            "update_of" => fields.update_of = whole(list()?),
            "args" => fields.args = whole(list()?),
            "search_path" => fields.search_path = whole(list()?),
            "events" => {
                let mut events: Vec<Located<Event>> = vec![];
                for text in list()? {
                    events.push(Located {
                        value: word(&text.value).ok_or_else(|| wrong("a list of events"))?,
                        span: text.span,
                    });
                }
                if events.is_empty() {
                    return Err(wrong("at least one event: leave the trigger out with `if`"));
                }
                let span = expression.span.clone();
                fields.events = Some(Located {
                    value: events,
                    span,
                });
            }
            _ => return Err(wrong("something else: this key takes no expression")),
        }
        Ok(())
    }

    /// What the user says beside `use` wins; gives the condition that is to hold besides the kind's own.
    fn of_the_user(
        &self,
        fields: &mut Fields,
        suffixed: impl Fn(&Located<String>) -> Located<String>,
    ) -> Option<Located<String>> {
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
        fields.renamed_from = user.renamed_from.as_ref().map(suffixed);
        user.when.clone()
    }
}

/// What the user says stands in for what the kind says.
fn win<T: Clone>(own: &mut Option<T>, user: Option<&T>) {
    if let Some(user) = user {
        *own = Some(user.clone());
    }
}

/// Whether a field that may be an expression is there to the letter.
fn says(fields: &Fields, key: &str) -> bool {
    match key {
        "timing" => fields.timing.is_some(),
        "for_each" => fields.for_each.is_some(),
        "enabled" => fields.enabled.is_some(),
        "security" => fields.security.is_some(),
        "update_of" => fields.update_of.is_some(),
        "args" => fields.args.is_some(),
        "search_path" => fields.search_path.is_some(),
        "events" => fields.events.is_some(),
        _ => false,
    }
}

/// Take a field away that an expression is to give.
fn clear(fields: &mut Fields, key: &str) {
    match key {
        "timing" => fields.timing = None,
        "for_each" => fields.for_each = None,
        "enabled" => fields.enabled = None,
        "security" => fields.security = None,
        "update_of" => fields.update_of = None,
        "args" => fields.args = None,
        "search_path" => fields.search_path = None,
        "events" => fields.events = None,
        _ => {}
    }
}
