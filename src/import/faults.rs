//! What the linter finds wrong with triggers that are there already. It is no difference, and a `check` that fails from the
//! first day on is one that nobody looks at: so an import writes down each such fault as an `allow`, in the linter's words,
//! where it is seen, can be looked for, and is reported once it is mended.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::draft::AllowDraft;
use super::represent::Drafts;
use crate::lint::{Finding, Owner};
use crate::model::ObjectId;
use crate::report;
use crate::spec::{Spec, TableRef, TableSelector};

/// Have each draft allow the errors that were found in it, where this is the drafts' spec. How many drafts have such.
pub(super) fn allow(drafts: &mut Drafts, spec: &Spec, errors: &[Finding]) -> usize {
    let mut faults: BTreeMap<Owner, Vec<AllowDraft>> = BTreeMap::new();
    for finding in errors {
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
    let named = Named::of(drafts);
    let faults: Vec<(Owner, Vec<AllowDraft>)> = faults
        .into_iter()
        .filter_map(|(owner, allowed)| Some((named.draft(owner, spec)?, allowed)))
        .collect();
    for (draft, allowed) in faults {
        let allow = match draft {
            Owner::Trigger(number) => drafts.triggers.get_mut(number).map(|it| &mut it.allow),
            Owner::Function(number) => drafts.functions.get_mut(number).map(|it| &mut it.allow),
        };
        if let Some(allow) = allow {
            *allow = allowed;
        }
    }
    count
}

/// Whose these errors are, where this is the drafts' spec.
pub(super) fn owners(drafts: &Drafts, spec: &Spec, errors: &[Finding]) -> BTreeSet<ObjectId> {
    if errors.is_empty() {
        return BTreeSet::new();
    }
    let named = Named::of(drafts);
    let owners = errors.iter().flat_map(Finding::owners);
    let owners = owners.filter_map(|owner| match named.draft(*owner, spec)? {
        Owner::Trigger(number) => {
            let draft = drafts.triggers.get(number)?;
            Some(ObjectId::Trigger(draft.id.clone()))
        }
        Owner::Function(number) => {
            let draft = drafts.functions.get(number)?;
            Some(ObjectId::Function(draft.id.clone()))
        }
    });
    owners.collect()
}

/// The numbers of drafts, by what their spec names them.
struct Named<'a> {
    triggers: HashMap<(&'a str, &'a TableRef), usize>,
    functions: HashMap<&'a TableRef, usize>,
}

impl<'a> Named<'a> {
    fn of(drafts: &'a Drafts) -> Self {
        let triggers = drafts.triggers.iter().zip(0..);
        let functions = drafts.functions.iter().zip(0..);
        Self {
            triggers: triggers
                .map(|(draft, number)| ((draft.name.as_str(), &draft.table), number))
                .collect(),
            functions: functions
                .map(|(draft, number)| (&draft.name, number))
                .collect(),
        }
    }

    /// The draft that a table of the spec was written from.
    fn draft(&self, owner: Owner, spec: &Spec) -> Option<Owner> {
        match owner {
            Owner::Trigger(index) => {
                let wanted = spec.triggers.get(index)?;
                let TableSelector::One(table) = &wanted.tables else {
                    return None;
                };
                let name = (wanted.name.value.as_str(), &table.value);
                self.triggers.get(&name).copied().map(Owner::Trigger)
            }
            Owner::Function(index) => {
                let name = &spec.functions.get(index)?.name.value;
                self.functions.get(name).copied().map(Owner::Function)
            }
        }
    }
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
