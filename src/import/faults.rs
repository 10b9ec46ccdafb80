//! What the linter finds wrong with triggers that are there already. It is no difference, and a `check` that fails from the
//! first day on is one that nobody looks at: so an import writes down each such fault as an `allow`, in the linter's words,
//! where it is seen, can be looked for, and is reported once it is mended.

use std::collections::BTreeMap;

use super::draft::AllowDraft;
use super::represent::Drafts;
use crate::db::Database;
use crate::desired::Asked;
use crate::error::Error;
use crate::lint::rules::Severity;
use crate::lint::{self, Against, Owner};
use crate::spec::{Spec, TableSelector};

/// Have each draft allow the errors that are found in it now, where the drafts' spec asks for this. How many drafts have such.
///
/// # Errors
/// The database cannot be read.
pub(super) fn allow(
    drafts: &mut Drafts,
    spec: &Spec,
    asked: Asked,
    database: &mut dyn Database,
) -> Result<usize, Error> {
    let meant = [database.dialect()];
    let report = lint::run(spec, Against::Asked(database, asked), &meant, &[])?;
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
                    message: finding.diagnostic.message.clone(),
                    more: 0,
                }),
            }
        }
    }
    let count = faults.len();
    for (owner, allowed) in faults {
        match owner {
            Owner::Trigger(index) => {
                let wanted = spec.triggers.get(index);
                let draft = drafts.triggers.iter_mut().find(|draft| {
                    wanted.is_some_and(|wanted| {
                        wanted.name.value == draft.name
                            && matches!(&wanted.tables, TableSelector::One(table) if table.value == draft.table)
                    })
                });
                if let Some(draft) = draft {
                    draft.allow = allowed;
                }
            }
            Owner::Function(index) => {
                let wanted = spec.functions.get(index);
                let draft = drafts
                    .functions
                    .iter_mut()
                    .find(|draft| wanted.is_some_and(|wanted| wanted.name.value == draft.name));
                if let Some(draft) = draft {
                    draft.allow = allowed;
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
