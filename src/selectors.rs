//! Which tables a trigger is on, and which must have one: names, globs and columns of the spec against the live schema.
//! What was chosen by a pattern remembers by which, so that a plan can say so.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::desired::Tables;
use crate::dialect::{Dialect, Request, Table, TableKind, name_on};
use crate::error::{Diagnostic, Error, Located, Span};
use crate::model::{TableId, Timing};
use crate::render::Renderer;
use crate::spec::{Demand, Fields, RequireSpec, Spec, TableRef, TableSelector, TriggerSpec};

/// A table that a trigger is on.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The table; it is one for all its triggers.
    pub table: Arc<Table>,
    /// The selector, as it is written; `None` where the table is named and nothing else is asked of it.
    pub selected_by: Option<Arc<str>>,
    /// Whether only a pattern means it.
    pub by_pattern: bool,
}

impl Chosen {
    /// Whether it is none of the selector's: a pattern does not mean the tables that the spec's kinds write to, be they
    /// there already or created by the next apply. Else what that apply creates would change what the spec asks for.
    pub fn is_left_out(&self, written: &BTreeSet<TableId>) -> bool {
        self.by_pattern && written.contains(&self.table.id)
    }
}

/// All that the selectors of a spec chose.
#[derive(Debug, Default)]
pub struct Selection<'a> {
    /// The tables of each trigger, in the triggers' order.
    pub triggers: Vec<Vec<Chosen>>,
    /// The tables of each rule of this dialect; none without a database.
    pub rules: Vec<(&'a RequireSpec, Vec<Chosen>)>,
    /// What matches nothing.
    pub warnings: Vec<Diagnostic>,
}

/// A table that lacks what a `[[require]]` says it must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uncovered {
    /// The rule's name; `None` where it has none.
    pub rule: Option<String>,
    /// Where the rule stands: `triggers.toml:12`.
    pub place: String,
    /// The table.
    pub table: TableId,
    /// The trigger that it must have; `None` where any of a kind is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// The kind that must be used on it; `None` where a trigger of a name is asked for.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// The tables of each trigger and of each rule. A table that is named and is not there is a problem; a pattern that
/// matches nothing is a warning.
///
/// # Errors
/// Those of the database.
pub fn resolve<'a, 'b>(
    triggers: impl Iterator<Item = (&'b TriggerSpec, &'b Fields)>,
    rules: &'a [RequireSpec],
    tables: &mut Tables<'_>,
    schema: &str,
    problems: &mut Vec<Diagnostic>,
) -> Result<Selection<'a>, Error> {
    let dialect = tables.dialect();
    let triggers: Vec<Wanted<'_>> = triggers
        .map(|(spec, fields)| Wanted::trigger(spec, fields))
        .collect();
    let rules: Vec<&RequireSpec> = match tables {
        Tables::Live(_) => rules.iter().filter(|rule| is_for(rule, dialect)).collect(),
        // What they are about is the database.
        Tables::Offline(_) | Tables::Unknown(_) => vec![],
    };
    let wanted_by_rules: Vec<Wanted<'_>> = rules.iter().map(|rule| Wanted::rule(rule)).collect();
    let all = || triggers.iter().chain(&wanted_by_rules);
    let known = known(all(), tables, schema, problems)?;

    let mut selection = Selection::default();
    selection.triggers.reserve_exact(triggers.len());
    for wanted in &triggers {
        let chosen = chosen(
            wanted,
            &known,
            (tables, schema),
            &mut selection.warnings,
            problems,
        )?;
        selection.triggers.push(chosen);
    }
    for (rule, wanted) in rules.into_iter().zip(&wanted_by_rules) {
        let chosen = chosen(
            wanted,
            &known,
            (tables, schema),
            &mut selection.warnings,
            problems,
        )?;
        selection.rules.push((rule, chosen));
    }
    Ok(selection)
}

fn is_for(rule: &RequireSpec, dialect: &dyn Dialect) -> bool {
    let named = |all: &Vec<Located<String>>| all.iter().any(|name| name.value == dialect.name());
    rule.dialects.as_ref().is_none_or(named)
}

/// What a selector is asked for.
struct Wanted<'a> {
    tables: &'a TableSelector,
    /// Whether patterns mean views; else they mean tables.
    views: bool,
    /// The `[[trigger]]` or `[[require]]`.
    span: &'a Span,
    /// What that is, in messages.
    what: &'static str,
}

impl<'a> Wanted<'a> {
    fn trigger(spec: &'a TriggerSpec, fields: &Fields) -> Self {
        let timing = fields.timing.as_ref().map(|timing| timing.value);
        Self {
            tables: &spec.tables,
            views: timing == Some(Timing::InsteadOf),
            span: &spec.span,
            what: "trigger",
        }
    }

    fn rule(spec: &'a RequireSpec) -> Self {
        Self {
            tables: &spec.tables,
            views: false,
            span: &spec.span,
            what: "rule",
        }
    }

    fn exclude(&self) -> &'a [Located<TableRef>] {
        match self.tables {
            TableSelector::One(_) => &[],
            TableSelector::Many {
                include: _,
                exclude,
                having_columns: _,
            } => exclude,
        }
    }

    fn having_columns(&self) -> &'a [Located<String>] {
        match self.tables {
            TableSelector::One(_) => &[],
            TableSelector::Many {
                include: _,
                exclude: _,
                having_columns,
            } => having_columns,
        }
    }

    /// Whether a pattern can mean a relation of this kind: one that the trigger can be on.
    fn can_mean(&self, kind: TableKind) -> bool {
        match kind {
            TableKind::View => self.views,
            TableKind::MaterializedView | TableKind::Virtual => false,
            TableKind::Table | TableKind::Partitioned | TableKind::Foreign => !self.views,
        }
    }

    /// The selector that chose a table, as it is written.
    fn written(&self, reference: &TableRef) -> Option<Arc<str>> {
        let columns = self.having_columns();
        if !reference.is_glob() && columns.is_empty() {
            return None;
        }
        let mut text = format!("tables = [\"{reference}\"]");
        if !columns.is_empty() {
            let columns: Vec<String> = columns
                .iter()
                .map(|column| format!("\"{}\"", column.value))
                .collect();
            // Writing to a String cannot fail.
            let _ = write!(text, ", having_columns = [{}]", columns.join(", "));
        }
        Some(text.into())
    }
}

/// What tells one reference from another.
type Key<'a> = (Option<&'a str>, &'a str, bool);

type Known<'a> = BTreeMap<Key<'a>, Vec<Arc<Table>>>;

fn key(table: &TableRef) -> Key<'_> {
    (
        table.schema.as_deref(),
        table.name.as_str(),
        table.is_pattern,
    )
}

/// What every reference stands for, asked of the database at once.
fn known<'a>(
    wanted: impl Iterator<Item = &'a Wanted<'a>> + Clone,
    tables: &mut Tables<'_>,
    schema: &str,
    problems: &mut Vec<Diagnostic>,
) -> Result<Known<'a>, Error> {
    let mut known: Known<'a> = BTreeMap::new();
    match tables {
        Tables::Live(database) => {
            let mut references: Vec<&TableRef> = wanted
                .flat_map(|wanted| wanted.tables.included().iter().chain(wanted.exclude()))
                .map(|table| &table.value)
                .collect();
            references.sort_by_key(|table| key(table));
            references.dedup_by_key(|table| key(table));
            let owned: Vec<TableRef> = references.iter().map(|table| (*table).clone()).collect();
            let found = database.tables(&owned)?;
            let found = found.into_iter();
            let found = found.map(|tables| tables.into_iter().map(Arc::new).collect());
            known.extend(references.into_iter().map(key).zip(found));
        }
        Tables::Offline(_) | Tables::Unknown(_) => {
            for wanted in wanted {
                if let (Tables::Offline(dialect), [column, ..]) =
                    (&*tables, wanted.having_columns())
                {
                    problems.push(needs_database(
                        "which tables have these columns is known only with a database",
                        &column.span,
                        *dialect,
                    ));
                }
                for reference in wanted.tables.included() {
                    let TableRef {
                        schema: given,
                        name,
                        is_pattern: _,
                    } = &reference.value;
                    if !reference.value.is_glob() {
                        let id = TableId {
                            schema: given.as_deref().unwrap_or(schema).to_owned(),
                            name: name.clone(),
                        };
                        known.insert(
                            key(&reference.value),
                            vec![Arc::new(Table { id, facts: None })],
                        );
                    } else if let Tables::Offline(dialect) = tables {
                        let message = format!(
                            "`{}` is a pattern: which tables it stands for is known only with a database",
                            reference.value
                        );
                        problems.push(needs_database(message, &reference.span, *dialect));
                    }
                }
            }
        }
    }
    Ok(known)
}

fn needs_database(message: impl Into<String>, at: &Span, dialect: &dyn Dialect) -> Diagnostic {
    Diagnostic::new(message).at(at).help(format!(
        "`triggerctl plan --format sql` with the URL of a {} database renders it",
        dialect.title()
    ))
}

fn chosen(
    wanted: &Wanted<'_>,
    known: &Known<'_>,
    (tables, schema): (&mut Tables<'_>, &str),
    warnings: &mut Vec<Diagnostic>,
    problems: &mut Vec<Diagnostic>,
) -> Result<Vec<Chosen>, Error> {
    let dialect = tables.dialect();
    let is_live = matches!(tables, Tables::Live(_));
    let said = warnings.len() + problems.len();
    let mut chosen: Vec<Chosen> = Vec::with_capacity(1);
    let mut known_ids: BTreeSet<&TableId> = BTreeSet::new();
    for reference in wanted.tables.included() {
        let is_glob = reference.value.is_glob();
        let found = known
            .get(&key(&reference.value))
            .map(Vec::as_slice)
            .unwrap_or_default();
        let found: Vec<&Arc<Table>> = found
            .iter()
            .filter(|table| {
                let kind = table.facts.as_ref().map(|facts| facts.kind);
                !is_glob || kind.is_none_or(|kind| wanted.can_mean(kind))
            })
            .collect();
        if found.is_empty() && !is_glob {
            problems.push(missing_table(reference, tables)?);
            // Lowered all the same, so that what else is wrong is said with it.
            let schema_given = reference.value.schema.as_deref();
            chosen.push(Chosen {
                table: Arc::new(Table {
                    id: TableId {
                        schema: schema_given.unwrap_or(schema).to_owned(),
                        name: reference.value.name.clone(),
                    },
                    facts: None,
                }),
                selected_by: None,
                by_pattern: false,
            });
        } else if found.is_empty() && is_live {
            let kind = if wanted.views { "view" } else { "table" };
            warnings.push(
                Diagnostic::new(format!("`{}` matches no {kind}", reference.value))
                    .at(&reference.span),
            );
        }
        let selected_by = wanted.written(&reference.value);
        chosen.reserve(found.len());
        for table in found {
            // Without a schema any is meant; and the engine knows which spellings are of the same table.
            let excluded = wanted.exclude().iter().any(|pattern| {
                let meant = known.get(&key(&pattern.value));
                pattern.value.matches(&table.id.schema, &table.id.name)
                    || meant.is_some_and(|meant| meant.iter().any(|other| other.id == table.id))
            });
            if excluded {
                continue;
            }
            if known_ids.contains(&table.id) {
                if !is_glob
                    && let Some(known) = chosen.iter_mut().find(|known| known.table.id == table.id)
                {
                    known.by_pattern = false;
                }
                continue;
            }
            if let Some(column) = lacking(table, wanted.having_columns(), dialect) {
                if !is_glob {
                    warnings.push(
                        Diagnostic::new(format!(
                            "`{}` has no column `{}`, so the {} leaves it out",
                            table.id.name, column.value, wanted.what
                        ))
                        .at(&reference.span),
                    );
                }
                continue;
            }
            known_ids.insert(&table.id);
            chosen.push(Chosen {
                table: Arc::clone(table),
                selected_by: selected_by.clone(),
                by_pattern: is_glob,
            });
        }
    }
    if chosen.is_empty() && is_live && warnings.len() + problems.len() == said {
        warnings.push(
            Diagnostic::new(format!(
                "the {} is about no table: what narrows `tables` leaves none",
                wanted.what
            ))
            .at(wanted.span),
        );
    }
    Ok(chosen)
}

/// The first of the columns, or globs, that a table has none of; `None` where it is not known which it has.
fn lacking<'a>(
    table: &Table,
    columns: &'a [Located<String>],
    dialect: &dyn Dialect,
) -> Option<&'a Located<String>> {
    let facts = table.facts.as_ref()?;
    let folds = dialect.same_name("a", "A");
    let folded = |name: &str| {
        if folds {
            name.to_lowercase()
        } else {
            name.to_owned()
        }
    };
    columns.iter().find(|column| {
        let pattern = TableRef {
            schema: None,
            name: folded(&column.value),
            is_pattern: true,
        };
        !facts
            .columns
            .iter()
            .any(|name| pattern.matches("", &folded(name)))
    })
}

/// What is said beside a table that is not there.
pub(crate) const NOT_THERE: &str = "not in the database";

/// That a table is not there, and which one may be meant.
///
/// # Errors
/// Those of the database.
pub(crate) fn missing_table(
    reference: &Located<TableRef>,
    tables: &mut Tables<'_>,
) -> Result<Diagnostic, Error> {
    let table = &reference.value;
    let mut diagnostic = Diagnostic::new(format!(
        "there is no table or view `{table}` in the database"
    ))
    .labelled(&reference.span, NOT_THERE);
    if let Tables::Live(database) = tables {
        let mut names = database.table_names(table.schema.as_deref())?;
        let mut near = nearest(&names, &table.name, 0.8);
        // A table that has gone to another schema, or whose schema has another name now.
        if near.is_none() && table.schema.is_some() {
            names = database.table_names(None)?;
            near = nearest(&names, &table.name, 1.0);
        }
        diagnostic = match near {
            Some(id) if table.schema.is_none() && id.schema == database.current_schema()? => {
                diagnostic.help(format!("did you mean `{}`?", id.name))
            }
            Some(id) => diagnostic.help(format!("did you mean `{id}`?")),
            None if names.is_empty() => {
                diagnostic.help("it has no tables at all: is this the right database?")
            }
            None => diagnostic.help("create the table first, or correct its name here"),
        };
    }
    Ok(diagnostic)
}

/// The table whose name is most like this one, at least so much: 1 is the same but for upper and lower case.
fn nearest<'a>(names: &'a [TableId], name: &str, least: f64) -> Option<&'a TableId> {
    let name = name.to_lowercase();
    names
        .iter()
        .map(|id| (strsim::jaro_winkler(&id.name.to_lowercase(), &name), id))
        .filter(|(likeness, _)| *likeness >= least)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, id)| id)
}

/// What is said of a trigger whose patterns mean only tables that kinds write to.
pub fn only_written(
    spec: &TriggerSpec,
    chosen: &[Chosen],
    written: &BTreeSet<TableId>,
) -> Option<Diagnostic> {
    let nothing = !chosen.is_empty() && chosen.iter().all(|one| one.is_left_out(written));
    nothing.then(|| {
        Diagnostic::new(
            "the trigger is about no table: what its patterns match are tables that kinds of this spec write to, which \
             must be named",
        )
        .at(&spec.span)
    })
}

/// Where the triggers of a spec are, as its rules look at it.
pub struct Covering<'a> {
    /// The spec.
    pub spec: &'a Spec,
    /// Every trigger on every one of its tables.
    pub requests: &'a [Request<'a>],
    /// The tables that kinds write to.
    pub written: &'a BTreeSet<TableId>,
    /// The dialect.
    pub dialect: &'static dyn Dialect,
    /// `[vars]`.
    pub vars: &'a minijinja::Value,
}

/// The tables of rules that lack what the rule asks for.
pub fn uncovered(
    rules: &[(&RequireSpec, Vec<Chosen>)],
    covering: &Covering<'_>,
    renderer: &Renderer,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Uncovered> {
    let Covering {
        spec,
        requests,
        written,
        dialect,
        vars,
    } = covering;
    if rules.is_empty() {
        return vec![];
    }
    let mut on: HashMap<&TableId, Vec<&Request<'_>>> = HashMap::new();
    let mut used_on: HashMap<&TableId, Vec<&Request<'_>>> = HashMap::new();
    for request in *requests {
        on.entry(&request.table.id).or_default().push(request);
        if let Some(kind) = request.kind {
            // A kind may have a trigger on another table, which is no use on that one.
            let table = kind.used_on.as_ref().unwrap_or(&request.table.id);
            used_on.entry(table).or_default().push(request);
        }
    }
    let mut uncovered = vec![];
    for (rule, tables) in rules {
        let (line, _) = rule.span.line_column();
        for chosen in tables {
            let table = &chosen.table;
            if chosen.is_left_out(written) {
                continue;
            }
            let (is_there, trigger, kind) = match &rule.demand {
                Demand::Trigger(name) => {
                    let wanted = match name_on(table, name, vars, *dialect, renderer) {
                        Ok(name) => name,
                        Err(error) => {
                            problems.extend(error.diagnostics);
                            break;
                        }
                    };
                    let mut theirs = on.get(&table.id).into_iter().flatten();
                    let is_there = theirs.any(|request| {
                        // What is wrong with a trigger's own name is reported with the trigger.
                        name_on(table, &request.spec.name, vars, *dialect, renderer)
                            .is_ok_and(|name| dialect.same_name(&name, &wanted))
                    });
                    (is_there, Some(wanted), None)
                }
                Demand::Kind(wanted) => {
                    let mut theirs = used_on.get(&table.id).into_iter().flatten();
                    let is_there =
                        theirs.any(|request| kind_of(spec, request) == Some(&wanted.value));
                    (is_there, None, Some(wanted.value.clone()))
                }
            };
            if !is_there {
                uncovered.push(Uncovered {
                    rule: rule.name.as_ref().map(|name| name.value.clone()),
                    place: format!("{}:{line}", rule.span.file.name),
                    table: table.id.clone(),
                    trigger,
                    kind,
                });
            }
        }
    }
    uncovered.sort_by(|left, right| {
        let key = |one: &Uncovered| (one.table.clone(), one.trigger.clone(), one.kind.clone());
        key(left).cmp(&key(right))
    });
    uncovered
}

/// The kind that a trigger is of.
fn kind_of<'a>(spec: &'a Spec, request: &Request<'_>) -> Option<&'a String> {
    let used = &request.kind?.used;
    let usages = spec
        .triggers
        .iter()
        .filter_map(|trigger| trigger.usage.as_ref());
    usages
        .map(|usage| &usage.kind)
        .find(|kind| kind.span == *used)
        .map(|kind| &kind.value)
}
