//! The linter: rules about triggers, told apart from guesses. What the engine can tell, it is asked; where something cannot
//! be known, the rules are silent, or say that they could not look.
//!
//! [`rules`] is the table of rules, [`subject`] what they look at, the other modules the rules themselves. [`run`] looks for
//! all of them, leaves out what an `allow` allows, and reports the `allow` that allows nothing.

mod bodies;
mod calls;
mod conditions;
pub mod cycles;
mod faults;
mod functions;
mod guards;
mod names;
mod order;
mod references;
pub mod rules;
pub mod subject;
mod syntax;
mod tables;

use std::collections::{BTreeMap, BTreeSet};

use crate::db::Database;
use crate::desired::Asked;
use crate::dialect::{self, Dialect};
use crate::error::{Diagnostic, Error, Span};
use crate::model::ObjectId;
use crate::render::Renderer;
use crate::spec::{AllowSpec, Spec};
use crate::words::some;

pub use self::faults::{Faults, faults, follows_writes, writes_of};
pub use self::references::missing_references;
use self::rules::{Rule, Severity};
pub use self::subject::others;
use self::subject::{Item, Others, Subject};

/// One thing that was found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// By which rule.
    pub rule: &'static Rule,
    /// How bad it is, here.
    pub severity: Severity,
    /// The dialects that it is about.
    pub dialects: Vec<&'static str>,
    /// The trigger or function.
    pub object: Option<ObjectId>,
    /// What, where, and what to do.
    pub diagnostic: Diagnostic,
    /// Whose `allow` it falls under.
    owners: Vec<Owner>,
}

impl Finding {
    /// Whose `allow` it falls under.
    pub fn owners(&self) -> &[Owner] {
        &self.owners
    }
}

/// A table of the spec that may have an `allow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// A `[[trigger]]`, by its place among those of the spec.
    Trigger(usize),
    /// A `[[function]]`, likewise.
    Function(usize),
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// In file order.
    pub findings: Vec<Finding>,
    /// How many were allowed.
    pub allowed: usize,
    /// The dialects that were looked at.
    pub dialects: Vec<&'static str>,
    /// Rules that were not run, and why.
    pub skipped: Vec<(&'static str, &'static str)>,
}

impl Report {
    /// How many findings are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }

    /// The worst finding.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

/// What is linted.
pub enum Against<'a> {
    /// A database.
    Database(&'a mut dyn Database),
    /// A database, of which is known already what the spec asks.
    Asked(&'a mut dyn Database, Asked),
    /// The spec alone, for these dialects.
    Nothing(&'a [&'static dyn Dialect]),
}

/// Look for everything.
///
/// # Errors
/// The spec cannot be made into an engine's objects, or the database cannot be read.
pub fn run(
    spec: &Spec,
    against: Against<'_>,
    meant: &[&'static dyn Dialect],
    targets: &[glob::Pattern],
) -> Result<Report, Error> {
    let mut report = Report::default();
    let mut found = vec![];
    let live = matches!(against, Against::Database(_) | Against::Asked(..));
    match against {
        Against::Database(database) => {
            let dialect = database.dialect();
            let renderer = Renderer::new(dialect, spec.templates.as_deref())?;
            let subject =
                |spec: &Spec| Subject::online(spec, &renderer, database).map(|s| look(&s));
            found.extend(one(spec, dialect, subject)?);
            report.dialects.push(dialect.name());
        }
        Against::Asked(database, asked) => {
            let dialect = database.dialect();
            let subject = |spec: &Spec| {
                let subject = Subject::of_asked(spec, asked, database, Others::All, true)?;
                Ok(look(&subject))
            };
            found.extend(one(spec, dialect, subject)?);
            report.dialects.push(dialect.name());
        }
        Against::Nothing(dialects) => {
            for dialect in dialects {
                let renderer = Renderer::new(*dialect, spec.templates.as_deref())?;
                let subject =
                    |spec: &Spec| Subject::offline(spec, &renderer, *dialect).map(|s| look(&s));
                found.extend(one(spec, *dialect, subject)?);
                report.dialects.push(dialect.name());
            }
        }
    }
    for rule in rules::ALL {
        if setting(spec, rule).is_none() {
            report.skipped.push((rule.name, "it is off"));
        } else if !rule.dialects.iter().any(|d| report.dialects.contains(d)) {
            report.skipped.push((rule.name, "it is for other dialects"));
        } else if rule.needs_database && !live {
            report.skipped.push((rule.name, "it needs a database"));
        }
    }
    let found = merged(found);
    settle(spec, found, meant, targets, &mut report);
    in_file_order(spec, &mut report.findings);
    Ok(report)
}

/// The findings for one dialect: those about the spec as it stands, and those of its objects.
fn one(
    spec: &Spec,
    dialect: &'static dyn Dialect,
    look: impl FnOnce(&Spec) -> Result<Vec<Finding>, Error>,
) -> Result<Vec<Finding>, Error> {
    let mut found = conditions::look(spec, dialect);
    match look(spec) {
        Ok(more) => found.extend(more),
        Err(mut error) => {
            // What a rule says of a place, the engine's dialect need not say again.
            error.diagnostics.retain(|diagnostic| {
                !found.iter().any(|finding| {
                    let place = |diagnostic: &Diagnostic| {
                        diagnostic.place.as_ref().map(|(span, _)| span.clone())
                    };
                    place(&finding.diagnostic).is_some()
                        && place(&finding.diagnostic) == place(diagnostic)
                })
            });
            if !error.diagnostics.is_empty() {
                return Err(error);
            }
        }
    }
    Ok(found)
}

fn look(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Findings {
        dialect: subject.dialect,
        found: vec![],
    };
    cycles::look(subject, &mut findings);
    functions::look(subject, &mut findings);
    order::look(subject, &mut findings);
    references::look(subject, &mut findings);
    syntax::look(subject, &mut findings);
    tables::look(subject, &mut findings);
    findings.found
}

/// Where rules put what they find.
struct Findings {
    dialect: &'static dyn Dialect,
    found: Vec<Finding>,
}

impl Findings {
    /// Something about a trigger of the spec.
    fn about(&mut self, rule: &str, subject: &Subject<'_>, item: &Item<'_>, what: Diagnostic) {
        let Some(source) = &item.source else { return };
        let mut owners = vec![Owner::Trigger(source.index)];
        if let Some((index, _)) = item.function().and_then(|id| subject.function_spec(id)) {
            owners.push(Owner::Function(index));
        }
        let what = match what.place {
            Some(_) => what,
            None => what.at(&source.spec.name.span),
        };
        self.add(
            rule,
            owners,
            Some(ObjectId::Trigger(item.trigger.id.clone())),
            what,
        );
    }

    /// Something about two triggers, the first of which is of the spec: an `allow` of either is enough.
    fn about_both(
        &mut self,
        rule: &str,
        subject: &Subject<'_>,
        (item, other): (&Item<'_>, &Item<'_>),
        what: Diagnostic,
    ) {
        let before = self.found.len();
        self.about(rule, subject, item, what);
        if let (Some(finding), Some(source)) = (self.found.get_mut(before), &other.source) {
            finding.owners.push(Owner::Trigger(source.index));
        }
    }

    fn add(
        &mut self,
        rule: &str,
        owners: Vec<Owner>,
        object: Option<ObjectId>,
        diagnostic: Diagnostic,
    ) {
        let Some(rule) = rules::by_name(rule) else {
            debug_assert!(false, "there is no rule `{rule}`");
            return;
        };
        self.found.push(Finding {
            rule,
            severity: rule.severity,
            dialects: vec![self.dialect.name()],
            object,
            diagnostic,
            owners,
        });
    }
}

/// What several tables, events or dialects have in common is said once.
fn merged(found: Vec<Finding>) -> Vec<Finding> {
    type Key = (&'static str, Option<(String, usize, usize)>, String);
    let mut merged: Vec<Finding> = vec![];
    let mut places: BTreeMap<Key, usize> = BTreeMap::new();
    let mut more: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for finding in found {
        let place = finding
            .diagnostic
            .place
            .as_ref()
            .map(|(span, _)| (span.file.name.clone(), span.range.start, span.range.end));
        // Without a place only the same words are the same finding.
        let words = match place {
            Some(_) => String::new(),
            None => finding.diagnostic.message.clone(),
        };
        let key = (finding.rule.name, place, words);
        let Some(&index) = places.get(&key) else {
            places.insert(key, merged.len());
            merged.push(finding);
            continue;
        };
        let Some(first) = merged.get_mut(index) else {
            continue;
        };
        for dialect in finding.dialects {
            if !first.dialects.contains(&dialect) {
                first.dialects.push(dialect);
            }
        }
        first.owners.extend(finding.owners);
        if finding.object != first.object
            && let Some(object) = finding.object
        {
            more.entry(index).or_default().insert(object.to_string());
        }
    }
    for (index, others) in more {
        if let Some(finding) = merged.get_mut(index) {
            let others: Vec<String> = others.into_iter().collect();
            let note = format!("the same goes for {}", some(&others, 1));
            finding.diagnostic.notes.push(note);
        }
    }
    for finding in &mut merged {
        finding.owners.sort_unstable();
        finding.owners.dedup();
    }
    merged
}

/// The severity of a rule in this spec; `None` where it is off.
fn setting(spec: &Spec, rule: &Rule) -> Option<Severity> {
    spec.lint
        .rules
        .get(rule.name)
        .copied()
        .unwrap_or(Some(rule.severity))
}

/// Leave out what is off, allowed or not asked for, and report what allows nothing.
fn settle(
    spec: &Spec,
    found: Vec<Finding>,
    meant: &[&'static dyn Dialect],
    targets: &[glob::Pattern],
    report: &mut Report,
) {
    let mut used: BTreeSet<(Owner, usize)> = BTreeSet::new();
    for mut finding in found {
        let Some(severity) = setting(spec, finding.rule) else {
            continue;
        };
        finding.severity = severity;
        let allowing: Vec<(Owner, usize)> = finding
            .owners
            .iter()
            .flat_map(|owner| {
                let rule = finding.rule.name;
                allows(spec, *owner)
                    .iter()
                    .enumerate()
                    .filter(move |(_, allow)| allow.rule.value == rule)
                    .map(move |(index, _)| (*owner, index))
            })
            .collect();
        let is_meant = finding
            .owners
            .iter()
            .any(|owner| kind_allows(spec, *owner, finding.rule));
        if is_meant {
            report.allowed += 1;
            used.extend(allowing);
        } else if allowing.is_empty() {
            if is_target(&finding, targets) {
                report.findings.push(finding);
            }
        } else {
            report.allowed += 1;
            used.extend(allowing);
        }
    }
    let Some(rule) = rules::by_name("unused_allow") else {
        return;
    };
    let Some(severity) = setting(spec, rule) else {
        return;
    };
    if !targets.is_empty() {
        return;
    }
    let owners = (0..spec.triggers.len())
        .map(Owner::Trigger)
        .chain((0..spec.functions.len()).map(Owner::Function));
    for owner in owners {
        for (index, allow) in allows(spec, owner).iter().enumerate() {
            if used.contains(&(owner, index)) || !was_run(spec, owner, allow, meant, report) {
                continue;
            }
            report.findings.push(Finding {
                rule,
                severity,
                dialects: report.dialects.clone(),
                object: None,
                diagnostic: Diagnostic::new(format!(
                    "`{}` finds nothing here that it would have to be allowed",
                    allow.rule.value
                ))
                .at(&allow.span)
                .help("take this `allow` away"),
                owners: vec![],
            });
        }
    }
}

fn allows(spec: &Spec, owner: Owner) -> &[AllowSpec] {
    match owner {
        Owner::Trigger(index) => spec.triggers.get(index).map(|spec| spec.allow.as_slice()),
        Owner::Function(index) => spec.functions.get(index).map(|spec| spec.allow.as_slice()),
    }
    .unwrap_or_default()
}

/// Whether the kind that a trigger uses says that it is meant.
fn kind_allows(spec: &Spec, owner: Owner, rule: &Rule) -> bool {
    let Owner::Trigger(index) = owner else {
        return false;
    };
    let usage = spec.triggers.get(index).and_then(|it| it.usage.as_ref());
    usage
        .and_then(|usage| spec.kinds.get(&usage.kind.value))
        .is_some_and(|kind| kind.allow.iter().any(|allow| allow.rule.value == rule.name))
}

/// Whether the rule was run for every dialect of the spec for which it could have found something here.
fn was_run(
    spec: &Spec,
    owner: Owner,
    allow: &AllowSpec,
    meant: &[&'static dyn Dialect],
    report: &Report,
) -> bool {
    let Some(rule) = rules::by_name(&allow.rule.value) else {
        return false;
    };
    if report
        .skipped
        .iter()
        .any(|(name, why)| *name == rule.name && *why != "it is for other dialects")
    {
        return false;
    }
    let is_for = |dialect: &str| match owner {
        Owner::Trigger(index) => spec
            .triggers
            .get(index)
            .is_some_and(|trigger| trigger.for_dialect(dialect).is_some()),
        Owner::Function(_) => true,
    };
    meant
        .iter()
        .map(|dialect| dialect.name())
        .filter(|dialect| rule.dialects.contains(dialect) && is_for(dialect))
        .all(|dialect| report.dialects.contains(&dialect))
}

fn is_target(finding: &Finding, targets: &[glob::Pattern]) -> bool {
    if targets.is_empty() {
        return true;
    }
    let Some(object) = &finding.object else {
        return false;
    };
    let name = object.name();
    let table = object.table();
    targets.iter().any(|pattern| {
        pattern.matches(name)
            || table.is_some_and(|table| {
                pattern.matches(&format!("{}.{name}", table.name))
                    || pattern.matches(&format!("{table}.{name}"))
            })
    })
}

fn in_file_order(spec: &Spec, findings: &mut [Finding]) {
    let files: BTreeMap<&str, usize> = spec
        .files
        .iter()
        .enumerate()
        .rev()
        .map(|(number, file)| (file.name.as_str(), number))
        .collect();
    findings.sort_by_cached_key(|finding| {
        let place = finding.diagnostic.place.as_ref().map(|(span, _)| {
            let file = files.get(span.file.name.as_str()).copied();
            (file.unwrap_or(usize::MAX), span.range.start)
        });
        (place.unwrap_or((usize::MAX, 0)), finding.rule.name)
    });
}

/// The dialects that a spec is for, with those that were looked at.
pub fn all_meant(
    meant: &[&'static dyn Dialect],
    also: &'static dyn Dialect,
) -> Vec<&'static dyn Dialect> {
    dialect::ALL
        .iter()
        .copied()
        .filter(|dialect| {
            dialect.name() == also.name()
                || meant.iter().any(|other| other.name() == dialect.name())
        })
        .collect()
}

/// The place of a field, else that of the trigger's name.
fn or_name(item: &Item<'_>, span: Option<Span>) -> Span {
    match (span, &item.source) {
        (Some(span), _) => span,
        (None, Some(source)) => match &source.fields.function {
            Some(function) => function.span.clone(),
            None => source.spec.name.span.clone(),
        },
        // Only triggers of the spec are reported; the place of another is never asked for.
        (None, None) => Span {
            file: std::sync::Arc::new(crate::error::SourceFile {
                name: String::new(),
                text: String::new(),
            }),
            range: 0..0,
        },
    }
}
