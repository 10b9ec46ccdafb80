//! The tables that a kind writes to: whether they are there with the columns that it needs, and else the CREATE TABLE,
//! which the user runs, or the migration where `create_table = true` says so. No table is ever dropped.

use minijinja::Value;
use serde::{Deserialize, Serialize};

use super::expand::{Looked, Site, Use};
use super::{KindTable, Type};
use crate::error::{Diagnostic, Error, Located, Span};
use crate::model::TableId;
use crate::spec::TableRef;

/// A table that a migration creates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTable {
    /// Its name.
    pub table: TableId,
    /// The kind that writes to it.
    pub kind: String,
    /// The CREATE TABLE, one statement.
    pub sql: String,
    /// What runs right after it, one statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<String>,
}

impl NewTable {
    /// What makes it, in order.
    pub fn statements(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.sql)
            .chain(&self.fill)
            .map(String::as_str)
    }
}

/// A table that a kind writes to and that is not there.
#[derive(Debug, Clone)]
pub struct Needed {
    /// What makes it.
    pub new: NewTable,
    /// Whether the migration is to do so.
    pub create: bool,
    /// What it holds.
    pub doc: String,
    /// The parameter that names it, or `use`.
    pub span: Span,
}

impl Needed {
    /// The error of a table that nobody is to create.
    pub fn missing(&self) -> Diagnostic {
        let NewTable { table, kind, .. } = &self.new;
        let statements: Vec<String> = self.new.statements().map(|sql| format!("{sql};")).collect();
        Diagnostic::new(format!(
            "there is no table `{}`, which the kind `{kind}` writes to",
            table.name
        ))
        .labelled(&self.span, "not in the database")
        .note(self.doc.clone())
        .help(format!(
            "create it, with more columns and indexes as you like:\n{}",
            statements.join("\n")
        ))
        .help("or add `create_table = true`, and apply creates it")
    }
}

/// What a use needs of one table of its kind: nothing where the table is there as it should be.
pub(super) fn needed(
    used: &Use<'_>,
    table: &KindTable,
    site: &Site<'_>,
    scope: &Value,
    with: &Value,
    looked: &Looked,
) -> Result<Option<Needed>, Error> {
    if !table.is_for(site.dialect.name()) {
        return Ok(None);
    }
    let parameter = table.parameter.value.as_str();
    let is_table = |kind: Type| kind == Type::Table;
    if !used
        .kind
        .parameter(parameter)
        .is_some_and(|one| is_table(one.kind))
    {
        return Ok(None);
    }
    let value = with.get_attr(parameter).unwrap_or_default();
    let attribute = |name: &str| {
        let value = value.get_attr(name).ok()?;
        value.as_str().map(str::to_owned)
    };
    // Left out: then nothing is written to it.
    let (Some(schema), Some(name)) = (attribute("schema"), attribute("name")) else {
        return Ok(None);
    };
    let span = used.named_at(parameter).clone();
    let id = TableId { schema, name };
    let key = |reference: &&TableRef| {
        reference.name == id.name
            && reference
                .schema
                .as_ref()
                .is_none_or(|schema| *schema == id.schema)
    };
    let live = looked.iter().find(|(reference, found)| {
        found.as_ref().is_some_and(|found| found.id == id) || key(reference)
    });
    let Some((_, live)) = live else {
        return Ok(None); // Without a database nobody knows.
    };
    if let Some(live) = live {
        let Some(facts) = &live.facts else {
            return Ok(None);
        };
        let mut lacking = vec![];
        for column in &table.columns {
            let column = site.renderer.name(column, scope.clone())?;
            let same = |known: &String| site.dialect.same_name(known, &column);
            if !column.is_empty() && !facts.columns.iter().any(same) {
                lacking.push(format!("`{column}`"));
            }
        }
        if lacking.is_empty() {
            return Ok(None);
        }
        let sql = create(used, table, site, scope)?;
        return Err(Diagnostic::new(format!(
            "the table `{}` lacks {}, which the kind `{}` writes to",
            live.id.name,
            lacking.join(", "),
            used.kind.name
        ))
        .at(&span)
        .help(format!(
            "add what is missing; as the kind would create it:\n{sql};"
        ))
        .into());
    }
    Ok(Some(Needed {
        new: NewTable {
            table: id,
            kind: used.kind.name.clone(),
            sql: create(used, table, site, scope)?,
            fill: fill(table, site, scope)?,
        },
        create: used.usage.create_table,
        doc: table.doc.clone(),
        span,
    }))
}

fn fill(table: &KindTable, site: &Site<'_>, scope: &Value) -> Result<Option<String>, Error> {
    let fill = table.fills.get(site.dialect.name());
    fill.map(|fill| site.session.one_statement(fill, scope.clone()))
        .transpose()
}

fn create(
    used: &Use<'_>,
    table: &KindTable,
    site: &Site<'_>,
    scope: &Value,
) -> Result<String, Error> {
    let own = table.own.get(site.dialect.name());
    let Some(text) = own.or(table.create.as_ref()) else {
        return Err(Diagnostic::new(format!(
            "the kind `{}` does not say how its table is created in {}",
            used.kind.name,
            site.dialect.title()
        ))
        .at(&table.span)
        .help(format!(
            "add `[table.{}]` with `create`",
            site.dialect.name()
        ))
        .into());
    };
    site.session.one_statement(
        &Located {
            value: text.value.clone(),
            span: text.span.clone(),
        },
        scope.clone(),
    )
}
