//! Rules about the tables that triggers are on: generated columns, TRUNCATE, foreign keys, replication; and REPLACE.

use std::collections::HashSet;

use super::subject::{Item, Subject, shown};
use super::{Findings, or_name};
use crate::effects::Referential;
use crate::error::Diagnostic;
use crate::model::{Action, EnabledState, Event, Orientation, TableId};
use crate::sql::{SQLITE, solid, unquote};

pub(super) fn look(subject: &Subject<'_>, findings: &mut Findings) {
    let truncated: HashSet<&TableId> = subject
        .items
        .iter()
        .filter(|item| item.fires() && item.trigger.events.contains(&Event::Truncate))
        .map(|item| &item.trigger.id.table)
        .collect();
    for item in subject.items.iter().filter(|item| item.source.is_some()) {
        match subject.dialect.name() {
            "sqlite" => generated(subject, item, findings),
            "mysql" => cascaded(subject, item, findings),
            "postgres" => {
                unseen_truncate(subject, item, &truncated, findings);
                subscribed(subject, item, findings);
            }
            _ => {}
        }
    }
}

/// UPDATE OF a generated column.
fn generated(subject: &Subject<'_>, item: &Item<'_>, findings: &mut Findings) {
    let trigger = &item.trigger;
    let Some(columns) = subject.surroundings.columns.get(&trigger.id.table) else {
        return;
    };
    let is_generated = |name: &String| {
        columns
            .iter()
            .any(|column| column.generated && subject.dialect.same_name(&column.name, name))
    };
    for column in trigger.update_of.iter().filter(|name| is_generated(name)) {
        let place = item.source.as_ref().and_then(|source| {
            let list = source.fields.update_of.as_ref()?;
            let named = list.value.iter().find(|named| named.value == *column)?;
            Some(named.span.clone())
        });
        let never = trigger.update_of.iter().all(is_generated);
        let message = if never {
            format!(
                "`{}` never fires: no statement can update the generated column `{column}`",
                trigger.id.name
            )
        } else {
            format!(
                "a change of the generated column `{column}` does not fire `{}`",
                trigger.id.name
            )
        };
        let diagnostic = Diagnostic::new(message)
            .at(&or_name(item, place))
            .help("name the columns that it is made of, and compare in `when`");
        findings.about("update_of_generated", subject, item, diagnostic);
    }
}

/// Foreign keys whose actions fire nothing.
fn cascaded(subject: &Subject<'_>, item: &Item<'_>, findings: &mut Findings) {
    let trigger = &item.trigger;
    for key in &subject.surroundings.foreign_keys {
        if key.table != trigger.id.table {
            continue;
        }
        let deletes = key.on_delete == Referential::Cascade;
        let updates = key.on_delete == Referential::Set || key.on_update != Referential::None;
        let fired = [
            (Event::Delete, deletes, "deletes"),
            (Event::Update, updates, "updates"),
        ]
        .into_iter()
        .find(|(event, does, _)| *does && trigger.events.contains(event));
        let Some((_, _, verb)) = fired else { continue };
        let diagnostic = Diagnostic::new(format!(
            "`{}` does not fire when the foreign key `{}` {verb} rows of `{}`",
            trigger.id.name,
            key.name,
            shown(&trigger.id.table, subject.dialect)
        ))
        .at(&or_name(
            item,
            item.source
                .as_ref()
                .and_then(|source| source.fields.events.as_ref())
                .map(|events| events.span.clone()),
        ))
        .note(format!(
            "it refers to `{}`; what a foreign key does fires no triggers on MySQL",
            shown(&key.parent, subject.dialect)
        ))
        .help("do it in a trigger of the parent table instead");
        findings.about("cascade_skips_triggers", subject, item, diagnostic);
    }
}

/// A record of deleted rows that TRUNCATE goes around.
fn unseen_truncate(
    subject: &Subject<'_>,
    item: &Item<'_>,
    truncated: &HashSet<&TableId>,
    findings: &mut Findings,
) {
    let trigger = &item.trigger;
    if trigger.orientation != Orientation::Row || !trigger.events.contains(&Event::Delete) {
        return;
    }
    let table = &trigger.id.table;
    let covered = truncated.contains(table);
    let Some(walk) = item.walks.get(&Event::Delete) else {
        return;
    };
    let records = item.effects.get(&Event::Delete).is_some_and(|effects| {
        effects
            .writes
            .iter()
            .any(|write| write.event == Event::Insert && write.table != *table)
    });
    if covered || !records || walk.reads_old.is_empty() || is_view(subject, item) {
        return;
    }
    let diagnostic = Diagnostic::new(format!(
        "`{}` records deleted rows, but TRUNCATE of `{}` goes around it",
        trigger.id.name,
        shown(table, subject.dialect)
    ))
    .at(&or_name(
        item,
        item.source
            .as_ref()
            .and_then(|source| source.fields.events.as_ref())
            .map(|events| events.span.clone()),
    ))
    .help("add a trigger with `events = [\"truncate\"]` and `for_each = \"statement\"`, that records or refuses it");
    findings.about("audit_without_truncate", subject, item, diagnostic);
}

/// A view has no TRUNCATE.
fn is_view(subject: &Subject<'_>, item: &Item<'_>) -> bool {
    let _ = subject;
    item.trigger.timing == crate::model::Timing::InsteadOf
}

/// A table whose rows come from elsewhere.
fn subscribed(subject: &Subject<'_>, item: &Item<'_>, findings: &mut Findings) {
    let trigger = &item.trigger;
    let said = item
        .source
        .as_ref()
        .is_some_and(|source| source.fields.enabled.is_some());
    if trigger.enabled != EnabledState::Origin
        || said
        || !subject.surroundings.subscribed.contains(&trigger.id.table)
    {
        return;
    }
    let diagnostic = Diagnostic::new(format!(
        "`{}` does not fire for the replicated rows of `{}`",
        trigger.id.name,
        shown(&trigger.id.table, subject.dialect)
    ))
    .help("set `enabled = \"always\"` or `\"replica\"` in `[trigger.postgres]`, or write `\"origin\"` where that is meant");
    findings.about("origin_on_subscriber", subject, item, diagnostic);
}

/// REPLACE in a body, where the table has triggers on DELETE: they fire only with `recursive_triggers` on.
pub(super) fn replaces(subject: &Subject<'_>, item: &Item<'_>, findings: &mut Findings) {
    let Action::Body(body) = &item.trigger.action else {
        return;
    };
    let all = solid(body, &SQLITE);
    let is = |at: usize, word: &str| all.get(at).is_some_and(|token| token.is_word(body, word));
    let mut start = true;
    for (at, token) in all.iter().enumerate() {
        let begins = std::mem::replace(&mut start, token.is_operator(body, ";"));
        let table = if begins && is(at, "replace") && is(at + 1, "into") {
            at + 2
        } else if is(at, "insert")
            && is(at + 1, "or")
            && is(at + 2, "replace")
            && is(at + 3, "into")
        {
            at + 4
        } else if is(at, "update") && is(at + 1, "or") && is(at + 2, "replace") {
            at + 3
        } else {
            continue;
        };
        let Some(named) = all.get(table) else {
            continue;
        };
        let id = TableId {
            schema: item.trigger.id.table.schema.clone(),
            name: unquote(named.text(body)).into_owned(),
        };
        let fired = subject.items.iter().find(|other| {
            other.trigger.events.contains(&Event::Delete)
                && subject
                    .dialect
                    .same_name(&other.trigger.id.table.name, &id.name)
        });
        if let Some(fired) = fired {
            let diagnostic = Diagnostic::new(format!(
                "`{}` replaces rows of `{}`, which fires `{}` only with `PRAGMA recursive_triggers` on",
                item.trigger.id.name, id.name, fired.trigger.id.name
            ))
            .at(&or_name(item, subject.word(item, &id.name)))
            .help("use ON CONFLICT … DO UPDATE, or DELETE before INSERT");
            findings.about("recursive_triggers", subject, item, diagnostic);
        }
    }
}
