//! Live definitions as what a spec says: which form is the most readable one that loses nothing. Every choice is proved
//! by lowering the draft again: where what comes out is not what went in, another form is taken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::dialect::{Beside, Dialect, Request, Server, Table};
use crate::diff::{self, Judge};
use crate::error::Diagnostic;
use crate::model::{
    Action, Condition, Creation, Definition, Function, FunctionId, FunctionSource, ObjectId, Place,
    Security, Setting, TransitionTables, Trigger, TriggerId,
};
use crate::parallel;
use crate::render::Renderer;
use crate::spec::TableRef;

use super::draft::{FunctionDraft, OwnDraft, TriggerDraft};
use super::naming::{
    BODY, DECLARATION, bare, comments, foreign, has_body, quoted_list, unspeakable, unwrapped,
};
use super::text;

/// What drafts are made from.
pub(super) struct Source<'a> {
    pub(super) dialect: &'static dyn Dialect,
    pub(super) renderer: &'a Renderer,
    pub(super) server: Server,
    /// The live triggers and the functions that they call.
    pub(super) definitions: &'a BTreeMap<ObjectId, Definition>,
    /// The triggers without what a new one has anyway on this connection.
    pub(super) spared: &'a BTreeMap<TriggerId, Arc<Trigger>>,
    /// Which triggers call a function, in all schemas.
    pub(super) callers: &'a BTreeMap<FunctionId, Vec<TriggerId>>,
    /// The schema of names that are written without one.
    pub(super) schema: &'a str,
    /// Functions that the spec has already.
    pub(super) declared: &'a BTreeSet<FunctionId>,
    /// Say which dialect a trigger is for: the spec has others.
    pub(super) mixed: bool,
}

/// What a spec is to say.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    pub(super) triggers: Vec<TriggerDraft>,
    pub(super) functions: Vec<FunctionDraft>,
}

impl Drafts {
    /// What is in them.
    pub(super) fn objects(&self) -> Vec<ObjectId> {
        let functions = self.functions.iter();
        let functions = functions.map(|draft| ObjectId::Function(draft.id.clone()));
        let triggers = self.triggers.iter();
        let triggers = triggers.map(|draft| ObjectId::Trigger(draft.id.clone()));
        functions.chain(triggers).collect()
    }
}

/// An empty body, as a spec can say it: MySQL takes one, and it is the same to it.
const NOTHING: &str = "/* nothing */";

impl Source<'_> {
    /// Drafts of these triggers, of the functions that they need, and of some more functions; else everything that a spec cannot
    /// say.
    pub(super) fn drafts<'t>(
        &self,
        triggers: impl Iterator<Item = &'t Trigger>,
        also: &[FunctionId],
    ) -> Result<Drafts, Vec<Diagnostic>> {
        let triggers: Vec<&Trigger> = triggers.collect();
        let (made, ()) = parallel::map(&triggers, |trigger| self.draft(trigger), || ());
        let mut drafts = Drafts::default();
        drafts.triggers.reserve_exact(made.len());
        let mut seen = self.declared.clone();
        let mut problems = vec![];
        for (trigger, (mut draft, found)) in triggers.into_iter().zip(made) {
            if let (Action::Call { function: id, .. }, Some(_)) =
                (&trigger.action, &draft.own.function)
            {
                match self.function(id) {
                    Some(function) if has_body(function) => {
                        if seen.insert(id.clone()) {
                            drafts
                                .functions
                                .push(self.function_draft(function, &mut problems));
                        }
                    }
                    _ if seen.contains(id) => {}
                    live => draft.notes.push(foreign(id, live)),
                }
            }
            let id = || ObjectId::Trigger(trigger.id.clone());
            problems.extend(found.into_iter().map(|found| unspeakable(&id(), found)));
            drafts.triggers.push(draft);
        }
        for function in also.iter().filter_map(|id| self.function(id)) {
            drafts
                .functions
                .push(self.function_draft(function, &mut problems));
        }
        if problems.is_empty() {
            Ok(drafts)
        } else {
            Err(problems)
        }
    }

    /// One trigger as a spec says it, with its function's text as its body where that loses nothing, else with the function
    /// named; and what a reader would have against it.
    fn draft(&self, trigger: &Trigger) -> (TriggerDraft, Vec<Diagnostic>) {
        let mut draft = self.trigger(trigger);
        if let Action::Call {
            function: id,
            arguments,
        } = &trigger.action
        {
            // A function with one caller is met once.
            let own = self.function(id).filter(|_| {
                arguments.is_empty()
                    && !self.declared.contains(id)
                    && self.is_only_caller(&trigger.id, id)
            });
            if let Some(inline) = own.and_then(|function| self.inline(&draft, function)) {
                return (inline, vec![]);
            }
            draft.own.function = Some(self.reference(&id.schema, &id.name));
            draft.own.args.clone_from(arguments);
        }
        let problems = self.lower(&draft).err().unwrap_or_default();
        (draft, problems)
    }

    /// What is live of a function.
    pub(super) fn function(&self, id: &FunctionId) -> Option<&Function> {
        match self.definitions.get(&ObjectId::Function(id.clone())) {
            Some(Definition::Function(function)) => Some(function),
            _ => None,
        }
    }

    fn is_only_caller(&self, trigger: &TriggerId, function: &FunctionId) -> bool {
        self.callers
            .get(function)
            .is_some_and(|callers| callers.len() == 1 && callers.contains(trigger))
    }

    /// A name as the spec has it: without its schema where that is the one that any reader would take.
    fn reference(&self, schema: &str, name: &str) -> TableRef {
        let default = self.dialect.default_schema();
        // Where there is no default, a name without a schema is in the database that the URL names.
        let plain = schema == self.schema && (schema == default || default.is_empty());
        TableRef::exactly((!plain).then(|| schema.to_owned()), name.to_owned())
    }

    /// All that is said of a trigger but what it runs, for engines where that is a function.
    fn trigger(&self, trigger: &Trigger) -> TriggerDraft {
        let Trigger {
            id,
            timing,
            events,
            update_of,
            orientation,
            condition,
            action,
            transition_tables,
            constraint,
            enabled,
            enabled_on_partitions,
            depends_on_extensions,
            comment,
            verbatim,
            creation,
            seen: _,
        } = trigger;
        let spared = self.spared.get(id);
        let own = spared.and_then(|trigger| trigger.creation.as_deref());
        let mut notes = vec![];
        if let Some(sql) = verbatim {
            notes.extend(self.lost_comments(trigger, sql));
        }
        let from = constraint
            .as_ref()
            .and_then(|constraint| constraint.from.as_ref());
        TriggerDraft {
            id: id.clone(),
            notes,
            name: text::template(&id.name),
            table: self.reference(&id.table.schema, &id.table.name),
            timing: *timing,
            events: events.iter().copied().collect(),
            update_of: self.each_once(update_of),
            for_each: *orientation,
            when: match condition {
                Some(Condition::Sql(sql)) => Some(text::template(sql)),
                Some(Condition::Unread) | None => None,
            },
            body: match action {
                Action::Body(body) if body.trim().is_empty() => Some(NOTHING.to_owned()),
                Action::Body(body) => Some(text::template(bare(body))),
                Action::Call { .. } => None,
            },
            description: comment.clone(),
            dialect: self.mixed.then(|| self.dialect.name()),
            allow: vec![],
            own: OwnDraft {
                dialect: self.dialect.name(),
                enabled: *enabled,
                constraint: constraint.as_deref().cloned(),
                constraint_from: from.map(|from| self.reference(&from.schema, &from.name)),
                referencing: TransitionTables::clone(transition_tables),
                function: None,
                args: vec![],
                function_name: None,
                declare: None,
                security: Security::Invoker,
                search_path: vec![],
                enabled_on: enabled_on_partitions
                    .iter()
                    .map(|(id, state)| (self.reference(&id.schema, &id.name), *state))
                    .collect(),
                depends_on_extensions: depends_on_extensions.iter().cloned().collect(),
                definer: creation
                    .as_ref()
                    .and_then(|creation| creation.definer.clone()),
                sql_mode: own.and_then(|creation| creation.sql_mode.clone()),
                collation: own.and_then(|creation| creation.collation_connection.clone()),
                follows: creation
                    .as_deref()
                    .and_then(|creation| follows(&id.name, creation)),
            },
        }
    }

    /// SQLite lets a column be named twice, which says nothing.
    fn each_once(&self, columns: &[String]) -> Vec<String> {
        let mut once: Vec<String> = vec![];
        for column in columns {
            if !once
                .iter()
                .any(|other| self.dialect.same_name(other, column))
            {
                once.push(column.clone());
            }
        }
        once
    }

    /// The trigger with the function's text as its own body, where the function that is generated from it is the same
    /// to the letter.
    fn inline(&self, draft: &TriggerDraft, function: &Function) -> Option<TriggerDraft> {
        let FunctionSource::Body(live) = &function.source else {
            return None;
        };
        let mut probe = draft.clone();
        probe.body = Some(BODY.to_owned());
        probe.own.security = function.security;
        for Setting { name, values } in &function.settings {
            if name != "search_path" {
                return None;
            }
            probe.own.search_path.clone_from(values);
        }
        let mut plain = self.generated(&probe)?;
        if plain.id != function.id {
            probe.own.function_name = Some(self.reference(&function.id.schema, &function.id.name));
            plain = self.generated(&probe)?;
        }
        let mut plain = Some(plain);
        for declares in [false, true] {
            probe.own.declare = declares.then(|| DECLARATION.to_owned());
            let shell = match plain.take() {
                Some(plain) => plain,
                None => self.generated(&probe)?,
            };
            let FunctionSource::Body(shell) = &shell.source else {
                return None;
            };
            let Some((declare, body)) = unwrapped(live, shell, declares) else {
                continue;
            };
            let mut candidate = probe.clone();
            candidate.body = Some(text::template(body));
            candidate.own.declare = declare.map(text::template);
            if self
                .generated(&candidate)
                .is_some_and(|generated| self.same(function, &generated))
            {
                return Some(candidate);
            }
        }
        None
    }

    /// The function that would be generated for this draft.
    fn generated(&self, draft: &TriggerDraft) -> Option<Arc<Function>> {
        let lowered = self.lower(draft).ok()?;
        lowered.into_iter().find_map(|definition| match definition {
            Definition::Function(function) => Some(function),
            Definition::Trigger(_) => None,
        })
    }

    fn lower(&self, draft: &TriggerDraft) -> Result<Vec<Definition>, Vec<Diagnostic>> {
        let spec = draft.spec();
        let table = Table {
            id: draft.id.table.clone(),
            facts: None,
        };
        let vars = minijinja::Value::UNDEFINED;
        let request = Request {
            kind: None,
            spec: &spec,
            fields: &spec.fields,
            table: &table,
            vars: &vars,
            beside: &Beside::nothing(self.schema),
            pretend: false,
        };
        let lowered = self.dialect.lower(&request, self.renderer)?;
        Ok(lowered
            .into_iter()
            .map(|lowered| lowered.definition)
            .collect())
    }

    fn same(&self, live: &Function, generated: &Function) -> bool {
        self.differences(live, generated).is_empty()
    }

    fn differences(&self, live: &Function, generated: &Function) -> Vec<diff::FieldChange> {
        let verdicts = BTreeMap::new();
        let judge = Judge {
            dialect: self.dialect,
            verdicts: &verdicts,
        };
        diff::compare(
            &Definition::from(live.clone()),
            &Definition::from(generated.clone()),
            &judge,
        )
    }

    fn function_draft(&self, function: &Function, problems: &mut Vec<Diagnostic>) -> FunctionDraft {
        let Function {
            id,
            language,
            source,
            security,
            settings,
            volatility,
            parallel,
            leakproof,
            strict,
            // There is no way to say them: what compares with the database says so.
            clauses: _,
            cost,
            comment,
            // Whoever applies owns what is new; rights are noted below.
            owner: _,
            grants,
            depends_on_extensions,
            seen: _,
        } = function;
        let mut draft = FunctionDraft {
            id: id.clone(),
            notes: vec![],
            name: self.reference(&id.schema, &id.name),
            language: language.clone(),
            description: comment.clone(),
            security: *security,
            search_path: vec![],
            settings: vec![],
            volatility: *volatility,
            parallel: *parallel,
            leakproof: *leakproof,
            strict: *strict,
            cost: *cost,
            depends_on_extensions: depends_on_extensions.iter().cloned().collect(),
            allow: vec![],
            body: match source {
                FunctionSource::Body(body) => text::template(body),
                FunctionSource::Library { .. } => String::new(),
            },
        };
        for Setting { name, values } in settings {
            match values.as_slice() {
                _ if name == "search_path" => draft.search_path.clone_from(values),
                [value] => draft.settings.push((name.clone(), value.clone())),
                values => draft.settings.push((name.clone(), quoted_list(values))),
            }
        }
        if let Some(one) = draft.search_path.iter().find(|name| name.contains(',')) {
            draft.notes.push(format!(
                "PostgreSQL takes `{one}` for the name of one schema, which is hardly what was meant by it."
            ));
        }
        if grants.is_some() {
            draft.notes.push(
                "Who may execute it is not part of a spec: GRANT and REVOKE stay as they are."
                    .to_owned(),
            );
        }
        match self.lower_function(&draft) {
            Err(found) => {
                let id = ObjectId::Function(id.clone());
                problems.extend(found.into_iter().map(|problem| unspeakable(&id, problem)));
            }
            // Of a parameter with one value only the dialect knows whether it is a list of names.
            Ok(Some(lowered)) => {
                let differences = self.differences(function, &lowered);
                for (name, value) in &mut draft.settings {
                    let field = format!("settings.{}", name.to_ascii_lowercase());
                    if differences
                        .iter()
                        .any(|difference| difference.field == field)
                    {
                        *value = quoted_list(std::slice::from_ref(value));
                    }
                }
            }
            Ok(None) => {}
        }
        draft
    }

    fn lower_function(
        &self,
        draft: &FunctionDraft,
    ) -> Result<Option<Arc<Function>>, Vec<Diagnostic>> {
        let vars = minijinja::Value::UNDEFINED;
        let lowered =
            self.dialect
                .lower_function(&draft.spec(), self.schema, &vars, self.renderer)?;
        Ok(lowered.and_then(|lowered| match lowered.definition {
            Definition::Function(function) => Some(function),
            Definition::Trigger(_) => None,
        }))
    }

    /// Comments in the stored text that stand outside of what the spec keeps: shown as comments of the spec.
    fn lost_comments(&self, trigger: &Trigger, sql: &str) -> Vec<String> {
        if !sql.contains("--") && !sql.contains("/*") {
            return vec![];
        }
        let again = Definition::from(Trigger {
            verbatim: None,
            ..trigger.clone()
        });
        let Ok(again) = self.dialect.create(&again, self.renderer, self.server) else {
            return vec![];
        };
        let again = again.statements.join("\n");
        let syntax = trigger
            .creation
            .as_deref()
            .map_or(*self.dialect.syntax(), |creation| {
                self.dialect.syntax_of(creation)
            });
        let mut kept = comments(&again, &syntax);
        let mut lost = comments(sql, &syntax);
        lost.retain(
            |comment| match kept.iter().position(|other| other == comment) {
                Some(index) => {
                    kept.swap_remove(index);
                    false
                }
                None => true,
            },
        );
        lost.into_iter()
            .map(|comment| format!("In the database, outside of its body: {comment}"))
            .collect()
    }
}

/// The sibling right before it, where these would not come in this order by themselves: they are made in the order of
/// their names.
fn follows(name: &str, creation: &Creation) -> Option<String> {
    let Some(Place::Among { before, after }) = &creation.place else {
        return None;
    };
    let all = before.iter().map(String::as_str);
    let all = all.chain([name]).chain(after.iter().map(String::as_str));
    if all.is_sorted() {
        return None;
    }
    before.last().cloned()
}
