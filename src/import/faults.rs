//! What the linter finds wrong with triggers that are there already. It is no difference, and a `check` that fails from the
//! first day on is one that nobody looks at: so an import writes down each such fault as an `allow`, in the linter's words,
//! where it is seen, can be looked for, and is reported once it is mended.

use std::collections::{BTreeMap, HashMap};

use super::draft::{AllowDraft, TriggerDraft};
use super::represent::Drafts;
use crate::db::Database;
use crate::desired::Asked;
use crate::error::Error;
use crate::lint::rules::Severity;
use crate::lint::{self, Against, Owner};
use crate::model::ObjectId;
use crate::report;
use crate::spec::{Spec, TableRef, TableSelector};

/// Have each draft allow the errors that are found in it now, where the drafts' spec asks for this, and this is live, if all of
/// that is known. How many drafts have such.
///
/// # Errors
/// The database cannot be read.
pub(super) fn allow(
    drafts: &mut Drafts,
    spec: &Spec,
    asked: Asked,
    live: Option<Vec<ObjectId>>,
    database: &mut dyn Database,
) -> Result<usize, Error> {
    let meant = [database.dialect()];
    let report = lint::run(spec, Against::Asked(database, asked, live), &meant, &[])?;
    let mut faults: BTreeMap<Owner, Vec<AllowDraft>> = BTreeMap::new();
    for finding in &report.findings {
        if finding.severity != Severity::Error {
            continue;
        }
        for owner in whose(finding.owners()) {
            let allowed = faults.entry(owner).or_default();
            match allowed
                .iter_mut()
                .find(|allow| allow.rule == finding.rule.name)
            {
                Some(allow) => allow.more += 1,
                None => allowed.push(AllowDraft {
                    rule: finding.rule.name,
                    message: report::remark(&finding.diagnostic.message),
                    more: 0,
                }),
            }
        }
    }
    let count = faults.len();
    if faults.is_empty() {
        return Ok(0);
    }
    let mut triggers: HashMap<(&str, &TableRef), &mut Vec<AllowDraft>> = HashMap::new();
    for draft in &mut drafts.triggers {
        let TriggerDraft {
            name, table, allow, ..
        } = draft;
        triggers.insert((name, table), allow);
    }
    let mut functions: HashMap<&TableRef, &mut Vec<AllowDraft>> = HashMap::new();
    for draft in &mut drafts.functions {
        functions.insert(&draft.name, &mut draft.allow);
    }
    for (owner, allowed) in faults {
        match owner {
            Owner::Trigger(index) => {
                let Some(wanted) = spec.triggers.get(index) else {
                    continue;
                };
                let TableSelector::One(table) = &wanted.tables else {
                    continue;
                };
                if let Some(allow) = triggers.get_mut(&(wanted.name.value.as_str(), &table.value)) {
                    **allow = allowed;
                }
            }
            Owner::Function(index) => {
                let Some(wanted) = spec.functions.get(index) else {
                    continue;
                };
                if let Some(allow) = functions.get_mut(&wanted.name.value) {
                    **allow = allowed;
                }
            }
        }
    }
    Ok(count)
}

/// One trigger's fault is its own; that of several is their function's.
fn whose(owners: &[Owner]) -> Vec<Owner> {
    let (triggers, functions): (Vec<Owner>, Vec<Owner>) = owners
        .iter()
        .partition(|owner| matches!(owner, Owner::Trigger(_)));
    match (triggers.as_slice(), functions.as_slice()) {
        ([], _) | ([_, _, ..], [_, ..]) => functions,
        _ => triggers,
    }
}
