//! Results for people: readable at 80 columns, with colour only where it is wanted.

use std::fmt::Write as _;

use anstyle::Style;
use similar::ChangeTag;
use similar::algorithms::{Capture, Compact, Replace, myers};

use crate::db::Migration;
use crate::db::size::TableSize;
use crate::dialect::Dialect;
use crate::diff::{FieldChange, show_constraint, show_state};
use crate::model::{
    Action as TriggerAction, Condition, Definition, EnabledState, ObjectId, Orientation, Trigger,
};
use crate::plan::{Action, Change, ELSEWHERE, Hazard, Lock, ObjectRef, Plan, Severity};
use crate::rollback::Rollback;
use crate::selectors::Uncovered;

use super::Palette;
use super::safe::is_deceptive;

/// How much to show of a plan.
#[allow(clippy::struct_excessive_bools)] // Each is a choice by itself.
#[derive(Debug, Clone, Copy)]
pub struct Detail {
    /// The statements of each step, with locks and hazards.
    pub statements: bool,
    /// The unmanaged triggers by name.
    pub unmanaged: bool,
    /// Schemas are part of names (there is one only on SQLite).
    pub schemas: bool,
    /// More than this many changes are counted, not listed; `None` lists all.
    pub most: Option<usize>,
    /// The plan is about what `--target` chose, and says nothing of the rest.
    pub chosen: bool,
}

/// A plan.
pub fn plan(plan: &Plan, detail: Detail, palette: &Palette) -> String {
    let mut out = changes(plan, detail, palette);
    if detail.unmanaged && !plan.unmanaged.is_empty() {
        out.push_str("Not managed by triggerctl:\n");
        for object in &plan.unmanaged {
            let _ = writeln!(out, "  {}", name(object, detail.schemas));
        }
        out.push('\n');
    }
    out.push_str(&uncovered(plan, detail, palette));
    out.push_str(&summary(plan, detail));
    out.push('\n');
    out
}

/// The tables that lack what a rule says they must have, and the rule.
fn uncovered(plan: &Plan, detail: Detail, palette: &Palette) -> String {
    if plan.uncovered.is_empty() {
        return String::new();
    }
    let wrong = palette.wrong;
    let mut out = format!("{wrong}Required, and not in the spec:{wrong:#}\n");
    for Uncovered {
        rule,
        place,
        table,
        trigger,
        kind,
    } in &plan.uncovered
    {
        let table = if detail.schemas {
            table.to_string()
        } else {
            table.name.clone()
        };
        let rule = match rule {
            Some(rule) => format!("{rule}, {place}"),
            None => place.clone(),
        };
        let lacking = match (trigger, kind) {
            (Some(trigger), _) => trigger.clone(),
            (None, Some(kind)) => format!("no trigger of the kind `{kind}`"),
            (None, None) => "a trigger".to_owned(),
        };
        let _ = writeln!(out, "  {}", safe(&format!("{table}: {lacking} ({rule})")));
    }
    out.push('\n');
    out
}

/// The changes of a plan, one after the other.
fn changes(plan: &Plan, detail: Detail, palette: &Palette) -> String {
    let mut out = String::new();
    for table in &plan.tables {
        let named = if detail.schemas {
            table.table.to_string()
        } else {
            table.table.name.clone()
        };
        let _ = writeln!(
            out,
            "{added}+ create{added:#} table {named}\n    the kind `{}` writes to it; nothing drops it again, not even rollback",
            table.kind,
            added = palette.added,
        );
        let lines = table.statements().flat_map(str::lines);
        for line in lines.filter(|_| detail.statements) {
            let _ = writeln!(out, "    {line}");
        }
        out.push('\n');
    }
    let shown = detail.most.unwrap_or(usize::MAX);
    let dialect = crate::dialect::by_name(&plan.target.dialect);
    for change in plan.changes.iter().take(shown) {
        let text = self::change(change, dialect, detail, palette);
        out.push_str(&text);
        // What is said in one line, such as a new function above its trigger, needs no air.
        if text.lines().nth(1).is_some() {
            out.push('\n');
        }
    }
    if !out.is_empty() && !out.ends_with("\n\n") {
        out.push('\n');
    }
    if plan.changes.len() > shown {
        let _ = writeln!(
            out,
            "… and {} more (`--verbose` shows all)\n",
            plan.changes.len() - shown
        );
    }
    out
}

/// The closing line of a plan.
fn summary(plan: &Plan, detail: Detail) -> String {
    let count = |action: &Action| plan.summary.get(action).copied().unwrap_or(0);
    let parts: Vec<String> = Action::ALL
        .iter()
        .filter(|action| action.differs() && count(action) > 0)
        .map(|action| match action {
            Action::Conflict => format!("{} in conflict", count(action)),
            action => format!("{} to {}", count(action), action.word()),
        })
        .collect();
    let tables = match plan.tables.len() {
        0 => None,
        1 => Some("1 table to create".to_owned()),
        count => Some(format!("{count} tables to create")),
    };
    let parts: Vec<String> = tables.into_iter().chain(parts).collect();
    let mut text = if parts.is_empty() && detail.chosen {
        "Nothing to do: what `--target` chose is as the spec says".to_owned()
    } else if parts.is_empty() {
        "Nothing to do: the database is as the spec says".to_owned()
    } else {
        parts.join(", ")
    };
    let mut also: Vec<String> = vec![];
    if plan.unchanged > 0 {
        also.push(format!("{} unchanged", plan.unchanged));
    }
    for (action, words) in [
        (Action::Adopt, "to record as they are"),
        (Action::Forget, "to forget"),
    ] {
        if count(&action) > 0 {
            also.push(format!("{} {words}", count(&action)));
        }
    }
    if !plan.unmanaged.is_empty() {
        also.push(format!("{} not managed", plan.unmanaged.len()));
    }
    if !also.is_empty() {
        let _ = write!(text, " ({})", also.join(", "));
    }
    text.push('.');
    text
}

fn change(
    change: &Change,
    dialect: Option<&dyn Dialect>,
    detail: Detail,
    palette: &Palette,
) -> String {
    let (sign, style) = match change.action {
        Action::Create => ("+", palette.added),
        Action::Replace | Action::Restore | Action::Rename => ("~", palette.changed),
        Action::Drop => ("-", palette.removed),
        Action::Adopt | Action::Forget => ("=", palette.faint),
        Action::Conflict => ("!", palette.wrong),
    };
    let mut out = String::new();
    let strong = palette.strong;
    let _ = writeln!(
        out,
        "{style}{sign} {}{style:#} {strong}{}{strong:#}",
        change.action.word(),
        name(&change.object, detail.schemas)
    );
    if change.action == Action::Create {
        if let Some(text) = change
            .after
            .as_ref()
            .and_then(|definition| describe(definition, dialect, detail.schemas))
        {
            out.push_str(&wrapped(&text));
        }
    } else if !change.because.is_empty() {
        out.push_str(&wrapped(&change.because));
    }
    if let (Some(selector), Action::Create) = (&change.selected_by, change.action) {
        let table = id_of_table(&change.object, detail.schemas);
        out.push_str(&wrapped(&format!("because {selector} matches {table}")));
    }
    if !change.drift.is_empty() && change.action != Action::Adopt {
        out.push_str("    recorded against live:\n");
        fields(&mut out, &change.drift, palette);
        if change
            .fields
            .iter()
            .any(|field| !change.drift.iter().any(|drift| drift.field == field.field))
        {
            out.push_str("    live against the spec:\n");
            fields(&mut out, &change.fields, palette);
        }
    } else if change.action != Action::Create {
        fields(&mut out, &change.fields, palette);
    }
    if change.action == Action::Conflict {
        out.push_str(&wrapped(if change.is_elsewhere() {
            ELSEWHERE
        } else {
            "refused until `--adopt` says to take it over"
        }));
    }
    for hazard in &change.hazards {
        if detail.statements || hazard.severity > Severity::Low {
            out.push_str(&self::hazard(hazard, palette));
        }
    }
    if detail.statements {
        steps(&mut out, change, detail.schemas, palette);
    }
    out
}

/// One hazard, in a line or two.
fn hazard(hazard: &Hazard, palette: &Palette) -> String {
    let style = match hazard.severity {
        Severity::Low => palette.faint,
        Severity::Medium => palette.changed,
        Severity::High => palette.wrong,
    };
    let Hazard {
        kind,
        severity,
        message,
        table: _,
        object: _,
    } = hazard;
    styled(
        style,
        &format!(
            "{} hazard {kind}: {}",
            severity.word(),
            super::safe::short(message)
        ),
    )
}

/// Prose like [`wrapped`], each line in a style.
fn styled(style: Style, text: &str) -> String {
    let mut out = String::new();
    for line in wrapped(text).lines() {
        let words = line.trim_start();
        let indent = line.len() - words.len();
        let _ = writeln!(out, "{:indent$}{style}{words}{style:#}", "");
    }
    out
}

fn steps(out: &mut String, change: &Change, schemas: bool, palette: &Palette) {
    let faint = palette.faint;
    for Lock {
        table,
        mode: _,
        name: lock,
        size,
    } in &change.locks
    {
        let table = if schemas {
            table.to_string()
        } else {
            table.name.clone()
        };
        let size = size
            .as_ref()
            .and_then(TableSize::in_words)
            .map_or_else(String::new, |words| format!(" ({words})"));
        out.push_str(&styled(faint, &format!("locks {table}: {lock}{size}")));
    }
    for statement in &change.statements {
        out.push('\n');
        for line in statement.lines() {
            let _ = writeln!(out, "    {}", safe(line));
        }
    }
}

fn fields(out: &mut String, fields: &[FieldChange], palette: &Palette) {
    for FieldChange {
        field,
        before,
        after,
        note,
    } in fields
    {
        let _ = writeln!(out, "    {field}:");
        let (before, after) = match (before.as_deref(), after.as_deref()) {
            (Some(before), Some(after)) if field == "body" => {
                let (before, after) = ends_left_out(before, after);
                (Some(before), Some(after))
            }
            values => values,
        };
        match (before, after) {
            (Some(before), Some(after)) if before.contains('\n') || after.contains('\n') => {
                difference(out, before, after, palette);
            }
            (before, after) => {
                for (sign, style, value) in
                    [("-", palette.removed, before), ("+", palette.added, after)]
                {
                    for line in value.into_iter().flat_map(str::lines) {
                        let _ = writeln!(out, "      {style}{sign} {}{style:#}", safe(line));
                    }
                }
            }
        }
        if let Some(note) = note {
            out.push_str(&wrapped(note));
        }
    }
}

/// Two bodies that differ, without what is around them: the white space, and the semicolon that one engine asks for and
/// another leaves out. Beside a real difference they only draw the eye to lines that are the same; where nothing else
/// differs, they are the difference.
fn ends_left_out<'a>(before: &'a str, after: &'a str) -> (&'a str, &'a str) {
    fn inner(text: &str) -> &str {
        text.trim().trim_end_matches(';').trim_end()
    }
    if inner(before) == inner(after) {
        return (before, after);
    }
    match (before.trim(), after.trim()) {
        (before, after) if before.ends_with(';') == after.ends_with(';') => (before, after),
        (before, after) => (inner(before), inner(after)),
    }
}

/// The lines that differ, with two lines around them.
fn difference(out: &mut String, before: &str, after: &str, palette: &Palette) {
    // A last line without a line end would count as another one than the same with it, and look the same.
    let (before, after) = (with_line_end(before), with_line_end(after));
    let returns = |text: &str| text.matches("\r\n").count();
    let ends_differ = returns(&before) != returns(&after);
    let [before, after]: [Vec<&str>; 2] =
        [&before, &after].map(|text| text.split_inclusive('\n').collect());
    // One algorithm by name: `TextDiff` brings all of them along, a third of a megabyte.
    let mut found = Compact::new(Replace::new(Capture::new()), &*before, &*after);
    let Ok(()) = myers::diff(
        &mut found,
        &*before,
        0..before.len(),
        &*after,
        0..after.len(),
    );
    let groups = found.into_inner().into_inner().into_grouped_ops(2);
    for (index, group) in groups.iter().enumerate() {
        if index > 0 {
            out.push_str("      …\n");
        }
        for change in group
            .iter()
            .flat_map(|op| op.iter_changes(&*before, &*after))
        {
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ("-", palette.removed),
                ChangeTag::Insert => ("+", palette.added),
                ChangeTag::Equal => (" ", Style::new()),
            };
            let text = change.value().strip_suffix('\n').unwrap_or(change.value());
            // A line end that differs would not be seen: two lines that look the same would be told to differ.
            let (text, end) = match text.strip_suffix('\r') {
                Some(text) => (text, if ends_differ { "␍" } else { "" }),
                None => (text, ""),
            };
            let _ = writeln!(out, "      {style}{sign} {}{end}{style:#}", safe(text));
        }
    }
}

fn with_line_end(text: &str) -> std::borrow::Cow<'_, str> {
    if text.ends_with('\n') {
        text.into()
    } else {
        format!("{text}\n").into()
    }
}

/// Text that cannot play tricks on a terminal, or on who reads there what he is about to apply.
pub fn safe(text: &str) -> String {
    text.chars()
        .map(|c| {
            if (c.is_control() && c != '\t') || is_deceptive(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

/// A text in lines of at most `width` characters, as far as its words allow.
pub fn folded(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in safe(text).split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A line of prose, indented, broken at spaces so that it fits 80 columns.
fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut line = String::from("   ");
    for word in safe(text).split(' ') {
        if line.trim().is_empty() || line.chars().count() + 1 + word.chars().count() <= 80 {
            line.push(' ');
        } else {
            out.push_str(&line);
            out.push('\n');
            line = String::from("    ");
        }
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
    out
}

/// `trigger users_age on users`, with the schema where there is more than one.
pub fn name(object: &ObjectRef, schemas: bool) -> String {
    id(object, schemas)
}

/// The same for an identity.
pub fn id(id: &ObjectId, schemas: bool) -> String {
    let (kind, schema) = (id.kind(), id.schema());
    let name = if id.name().is_empty() {
        "\"\""
    } else {
        id.name()
    };
    let text = match (id.table().map(|table| &table.name), schemas) {
        (Some(table), true) => format!("{kind} {name} on {schema}.{table}"),
        (Some(table), false) => format!("{kind} {name} on {table}"),
        (None, true) => format!("{kind} {schema}.{name}"),
        (None, false) => format!("{kind} {name}"),
    };
    safe(&text)
}

fn id_of_table(object: &ObjectRef, schemas: bool) -> String {
    match (object.table(), schemas) {
        (Some(table), true) => format!("{}.{}", table.schema, table.name),
        (Some(table), false) => table.name.clone(),
        (None, _) => object.name().to_owned(),
    }
}

/// What a definition says, in one sentence close to the DDL; nothing where its name says it all.
fn describe(
    definition: &Definition,
    dialect: Option<&dyn Dialect>,
    schemas: bool,
) -> Option<String> {
    match definition {
        Definition::Trigger(trigger) => {
            // A condition that an engine has in the body belongs into the sentence as any other.
            let opened = dialect.and_then(|dialect| dialect.opened(trigger));
            Some(describe_trigger(
                opened.as_ref().unwrap_or(trigger),
                schemas,
            ))
        }
        Definition::Function(function) => {
            let language = &function.language;
            (language != "plpgsql").then(|| format!("language {language}"))
        }
    }
}

fn describe_trigger(trigger: &Trigger, schemas: bool) -> String {
    let mut events: Vec<String> = vec![];
    for event in &trigger.events {
        let of = if event.word() == "update" && !trigger.update_of.is_empty() {
            format!(" of {}", trigger.update_of.join(", "))
        } else {
            String::new()
        };
        events.push(format!("{}{of}", event.word()));
    }
    let mut text = format!(
        "{} {}",
        trigger.timing.keyword().to_lowercase(),
        events.join(" or ")
    );
    text.push_str(match trigger.orientation {
        Orientation::Row => ", for each row",
        Orientation::Statement => ", for each statement",
    });
    if let Some(constraint) = &trigger.constraint {
        let _ = write!(text, ", constraint {}", show_constraint(constraint));
    }
    if let Some(Condition::Sql(condition)) = &trigger.condition {
        let _ = write!(
            text,
            ", when {}",
            condition.split_whitespace().collect::<Vec<_>>().join(" ")
        );
    }
    if let TriggerAction::Call {
        function,
        arguments: _,
    } = &trigger.action
    {
        let function = if schemas {
            function.to_string()
        } else {
            function.name.clone()
        };
        let _ = write!(text, ", calls {function}");
    }
    if trigger.enabled != EnabledState::Origin {
        let _ = write!(text, ", {}", show_state(trigger.enabled));
    }
    text
}

/// The migrations, newest first.
pub fn history(migrations: &[Migration], palette: &Palette) -> String {
    if migrations.is_empty() {
        return "No migrations yet.\n".to_owned();
    }
    let (strong, faint) = (palette.strong, palette.faint);
    let mut out = String::new();
    for migration in migrations.iter().rev() {
        let when = migration
            .started_at
            .get(..19)
            .unwrap_or(&migration.started_at)
            .replace('T', " ");
        let _ = writeln!(
            out,
            "{strong}version {}{strong:#}  {when} UTC  {faint}by {}{faint:#}",
            migration.version,
            safe(&migration.applied_by)
        );
        out.push_str(&wrapped(&migration.summary));
        if migration.state != "applied" {
            out.push_str(&wrapped(&format!("state: {}", migration.state)));
        }
        if let Some(message) = &migration.message {
            out.push_str(&wrapped(message));
        }
        if let Some(error) = &migration.error {
            out.push_str(&wrapped(error));
        }
    }
    out
}

/// One migration, with its statements both ways.
pub fn migration(migration: &Migration, palette: &Palette) -> String {
    let mut out = history(std::slice::from_ref(migration), palette);
    for (title, statements) in [
        ("Statements that were run:", &migration.up),
        ("To undo it:", &migration.down),
    ] {
        let _ = writeln!(out, "\n{title}");
        if statements.is_empty() {
            out.push_str("    (none)\n");
        }
        for (index, statement) in statements.iter().enumerate() {
            if index > 0 {
                out.push('\n');
            }
            for line in statement.lines() {
                let _ = writeln!(out, "    {}", safe(line));
            }
        }
    }
    out
}

/// What a rollback is about to do.
pub fn rollback(rollback: &Rollback, detail: Detail, palette: &Palette) -> String {
    if rollback.is_there {
        return format!(
            "Nothing to do: the database is as version {} left it.\n",
            rollback.to
        );
    }
    let mut out = String::new();
    match rollback.undone.as_slice() {
        [one] => {
            let _ = writeln!(out, "Undoing version {} ({})", one.version, one.summary);
        }
        several => {
            out.push_str("Undoing these versions:\n");
            for Migration {
                version, summary, ..
            } in several
            {
                let _ = writeln!(out, "  {version} ({summary})");
            }
        }
    }
    if !rollback.plan.changes.is_empty() {
        out.push('\n');
        out.push_str(&changes(&rollback.plan, detail, palette));
    }
    let _ = writeln!(out, "Back to version {}, as a new version.", rollback.to);
    out
}
