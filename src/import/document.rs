//! The text of a spec from drafts: grouped by table, functions before the triggers that call them.

use std::collections::BTreeMap;
use std::fmt::Write as _; // Writing to a String cannot fail.

use crate::model::{FunctionId, TableId, TriggerId};

use super::draft::{FunctionDraft, TriggerDraft};
use super::represent::Drafts;
use super::text;

/// The width of headings.
const WIDTH: usize = 80;

/// Drafts that stand together: those of one table, or functions that several tables share.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// The table; `None` for what several share.
    pub(super) table: Option<&'a TableId>,
    pub(super) functions: Vec<&'a FunctionDraft>,
    pub(super) triggers: Vec<&'a TriggerDraft>,
}

/// What several tables share first, then table by table.
pub(super) fn groups<'a>(
    drafts: &'a Drafts,
    callers: &BTreeMap<FunctionId, Vec<TriggerId>>,
) -> Vec<Group<'a>> {
    let mut shared = Group {
        table: None,
        functions: vec![],
        triggers: vec![],
    };
    let mut tables: BTreeMap<&TableId, Group<'a>> = BTreeMap::new();
    for trigger in &drafts.triggers {
        let table = &trigger.id.table;
        let empty = Group {
            table: Some(table),
            functions: vec![],
            triggers: vec![],
        };
        tables.entry(table).or_insert(empty).triggers.push(trigger);
    }
    for function in &drafts.functions {
        let mut of = callers
            .get(&function.id)
            .into_iter()
            .flatten()
            .map(|trigger| &trigger.table);
        let first = of.next();
        let only = first.filter(|first| of.all(|table| table == *first));
        match only.and_then(|table| tables.get_mut(table)) {
            Some(group) => group.functions.push(function),
            None => shared.functions.push(function),
        }
    }
    let first = (!shared.functions.is_empty()).then_some(shared);
    first.into_iter().chain(tables.into_values()).collect()
}

/// A spec of these drafts alone.
pub(super) fn text(
    drafts: &Drafts,
    callers: &BTreeMap<FunctionId, Vec<TriggerId>>,
    qualifies: bool,
) -> String {
    let mut text = "version = 1\n".to_owned();
    for group in groups(drafts, callers) {
        group.write(qualifies, &mut text);
    }
    text
}

/// What stands under one heading of a spec.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// The heading and what follows, with a blank line before each.
    pub(super) text: String,
    pub(super) triggers: usize,
    pub(super) functions: usize,
}

impl Part {
    /// That of functions that no table has to itself, from the lines of each.
    pub(super) fn of_shared(functions: &[String]) -> Self {
        let mut text = String::new();
        head(None, false, &mut text);
        for function in functions {
            text.push('\n');
            text.push_str(function);
        }
        Self {
            text,
            triggers: 0,
            functions: functions.len(),
        }
    }
}

/// A heading, with a blank line before it.
fn head(table: Option<&TableId>, qualifies: bool, out: &mut String) {
    let title = match table {
        Some(table) if qualifies => table.to_string(),
        Some(table) => table.name.clone(),
        None => "functions that no table has to itself".to_owned(),
    };
    let title = text::comment(&title);
    let rule = "-".repeat(WIDTH.saturating_sub(title.chars().count() + 7).max(3));
    let _ = writeln!(out, "\n# --- {title} {rule}");
}

impl Group<'_> {
    /// Its text.
    pub(super) fn part(&self, qualifies: bool) -> Part {
        let mut text = String::new();
        self.write(qualifies, &mut text);
        text.shrink_to_fit();
        Part {
            text,
            triggers: self.triggers.len(),
            functions: self.functions.len(),
        }
    }

    /// Its heading and its drafts, with a blank line before each.
    pub(super) fn write(&self, qualifies: bool, out: &mut String) {
        head(self.table, qualifies, out);
        for function in &self.functions {
            out.push('\n');
            function.write(out);
        }
        for trigger in &self.triggers {
            out.push('\n');
            trigger.write(out);
        }
    }
}

/// The top of a new spec.
#[derive(Debug, Clone, Default)]
pub struct Header {
    /// Lines of comment at the top, without the comment sign.
    pub comment: Vec<String>,
    /// Patterns of `include`.
    pub include: Vec<String>,
    /// `url` of `[database]`.
    pub url: Option<String>,
    /// Where the password is looked for that was left out of `url`, if one was.
    pub passwords: Option<&'static str>,
}

impl Header {
    /// Its text.
    pub fn text(&self) -> String {
        let Self {
            comment,
            include,
            url,
            passwords,
        } = self;
        let mut out = String::new();
        for line in comment {
            let line = text::comment(line);
            out.push_str(format!("# {line}").trim_end());
            out.push('\n');
        }
        out.push_str("\nversion = 1\n");
        if !include.is_empty() {
            let patterns: Vec<_> = include
                .iter()
                .map(|pattern| text::no_variables(pattern))
                .collect();
            let _ = writeln!(
                out,
                "include = {}",
                text::list(patterns.iter().map(AsRef::as_ref))
            );
        }
        if let Some(url) = url {
            out.push_str("\n[database]\n");
            if let Some(passwords) = passwords {
                let _ = writeln!(
                    out,
                    "# The password is not written down: {passwords} are read."
                );
            }
            let url = text::string(&text::no_variables(url));
            let _ = writeln!(
                out,
                "url = {url}   # --url, TRIGGERCTL_URL or --env win over it"
            );
        }
        out
    }
}
