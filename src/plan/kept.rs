//! What a spec does not say and the history knows: how a text was laid out, who owned a function and who might execute it, in
//! which order it had its settings. It is recorded as it was found, and what somebody dropped comes back with it.

use std::sync::Arc;

use crate::model::{Definition, Function, Setting, Trigger};

/// What is to be made again, with what was recorded of it. `is_as_asked`: the spec asks for what it asked for then.
pub(crate) fn restore(wanted: &mut Definition, recorded: &Definition, is_as_asked: bool) {
    match (wanted, recorded) {
        (Definition::Trigger(wanted), Definition::Trigger(recorded))
            if is_as_asked && says_all(wanted) && wanted.verbatim != recorded.verbatim =>
        {
            Arc::make_mut(wanted)
                .verbatim
                .clone_from(&recorded.verbatim);
        }
        (Definition::Function(wanted), Definition::Function(recorded)) => {
            let wanted = Arc::make_mut(wanted);
            if wanted.owner.is_none() {
                wanted.belong_as(recorded);
            }
            in_order(wanted, recorded);
        }
        _ => {}
    }
}

/// With whose rights a trigger runs stays as it is when it is taken over and the spec does not say. The text is the spec's, and
/// so are the settings that it is read under.
pub(super) fn keep_definer(wanted: &mut Definition, live: &Definition) {
    if let (Definition::Trigger(wanted), Definition::Trigger(live)) = (wanted, live)
        && let (Some(open), Some(live)) = (&wanted.creation, &live.creation)
        && open.definer.is_none()
        && live.definer.is_some()
        && let Some(wanted) = &mut Arc::make_mut(wanted).creation
    {
        wanted.definer.clone_from(&live.definer);
    }
}

/// What is recorded of an object, with what is found of it.
pub(crate) fn record(definition: &mut Definition, found: &Definition) {
    if let (Definition::Function(definition), Definition::Function(found)) = (definition, found) {
        let definition = Arc::make_mut(definition);
        // Whom it was to belong to is no matter where nobody's rights hang on it.
        definition.belong_as(found);
        in_order(definition, found);
    }
}

/// The text of a trigger as its author laid it out.
pub(crate) fn text_of(live: Option<&Definition>) -> Option<String> {
    match live {
        Some(Definition::Trigger(trigger)) if says_all(trigger) => trigger.verbatim.clone(),
        _ => None,
    }
}

/// Whether the text of a trigger is all that there is to it: no session had a part in it.
fn says_all(trigger: &Trigger) -> bool {
    trigger
        .creation
        .as_ref()
        .is_none_or(|creation| creation.definer.is_none() && creation.sql_mode.is_none())
}

fn in_order(function: &mut Function, from: &Function) {
    let place = |setting: &Setting| {
        let mut names = from.settings.iter().map(|setting| &setting.name);
        names
            .position(|name| name.eq_ignore_ascii_case(&setting.name))
            .unwrap_or(usize::MAX)
    };
    function.settings.sort_by_key(place);
}
