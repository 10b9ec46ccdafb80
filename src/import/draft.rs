//! What one `[[trigger]]` or `[[function]]` is going to say: the values as a spec's reader would hand them on, so that
//! they can be lowered before a line is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Located, SourceFile, Span};
use crate::model::{
    Constraint, EnabledState, Event, FunctionId, Orientation, Parallel, Security, Timing,
    TransitionTables, TriggerId, Volatility,
};
use crate::spec::{
    ConstraintSpec, EnabledOn, Fields, FunctionSpec, OrderSpec, ReferencingSpec, TableRef,
    TableSelector, TriggerSpec,
};

/// A fault that is in the database already.
#[derive(Debug, Clone)]
pub(super) struct AllowDraft {
    /// The linter's rule.
    pub(super) rule: &'static str,
    /// Its words.
    pub(super) message: String,
    /// How many more there are of the same rule.
    pub(super) more: usize,
}

/// One `[[trigger]]`. Names, conditions and bodies are templates already.
#[derive(Debug, Clone)]
pub(super) struct TriggerDraft {
    /// The live trigger that it stands for.
    pub(super) id: TriggerId,
    /// Comments above it.
    pub(super) notes: Vec<String>,
    pub(super) name: String,
    pub(super) table: TableRef,
    pub(super) timing: Timing,
    pub(super) events: Vec<Event>,
    pub(super) update_of: Vec<String>,
    pub(super) for_each: Orientation,
    pub(super) when: Option<String>,
    pub(super) body: Option<String>,
    pub(super) description: Option<String>,
    /// The only dialect that it is for.
    pub(super) dialect: Option<&'static str>,
    pub(super) allow: Vec<AllowDraft>,
    pub(super) own: OwnDraft,
}

/// What goes under `[trigger.<dialect>]`.
#[derive(Debug, Clone)]
pub(super) struct OwnDraft {
    /// The dialect.
    pub(super) dialect: &'static str,
    pub(super) enabled: EnabledState,
    pub(super) constraint: Option<Constraint>,
    pub(super) constraint_from: Option<TableRef>,
    pub(super) referencing: TransitionTables,
    pub(super) function: Option<TableRef>,
    pub(super) args: Vec<String>,
    pub(super) function_name: Option<TableRef>,
    pub(super) declare: Option<String>,
    pub(super) security: Security,
    pub(super) search_path: Vec<String>,
    pub(super) enabled_on: Vec<(TableRef, EnabledState)>,
    pub(super) depends_on_extensions: Vec<String>,
    /// MySQL's.
    pub(super) definer: Option<String>,
    pub(super) sql_mode: Option<String>,
    pub(super) collation: Option<String>,
    /// The trigger that it follows.
    pub(super) follows: Option<String>,
}

/// One `[[function]]`.
#[derive(Debug, Clone)]
pub(super) struct FunctionDraft {
    /// The live function that it stands for.
    pub(super) id: FunctionId,
    /// Comments above it.
    pub(super) notes: Vec<String>,
    pub(super) name: TableRef,
    pub(super) language: String,
    pub(super) description: Option<String>,
    pub(super) security: Security,
    pub(super) search_path: Vec<String>,
    pub(super) settings: Vec<(String, String)>,
    pub(super) volatility: Volatility,
    pub(super) parallel: Parallel,
    pub(super) leakproof: bool,
    pub(super) strict: bool,
    pub(super) cost: f32,
    pub(super) depends_on_extensions: Vec<String>,
    pub(super) allow: Vec<AllowDraft>,
    pub(super) body: String,
}

impl TriggerDraft {
    /// As the reader would hand it on.
    pub(super) fn spec(&self) -> TriggerSpec {
        let Self {
            id: _,
            notes: _,
            name,
            table,
            timing,
            events,
            update_of,
            for_each,
            when,
            body,
            description,
            dialect,
            allow: _,
            own,
        } = self;
        let OwnDraft {
            dialect: _,
            enabled,
            constraint,
            constraint_from,
            referencing: TransitionTables { old, new },
            function,
            args,
            function_name,
            declare,
            security,
            search_path,
            enabled_on,
            depends_on_extensions,
            definer,
            sql_mode,
            collation,
            follows,
        } = own;
        let fields = Fields {
            timing: Some(at(*timing)),
            events: Some(at(events.iter().copied().map(at).collect())),
            update_of: texts(update_of),
            for_each: Some(at(*for_each)),
            when: when.clone().map(at),
            body: body.clone().map(at),
            description: description.clone().map(at).map(Box::new),
            renamed_from: None,
            bypass: None,
            enabled: (*enabled != EnabledState::Origin)
                .then(|| at(*enabled))
                .map(Box::new),
            constraint: constraint
                .as_ref()
                .map(|constraint| {
                    at(ConstraintSpec {
                        deferral: constraint.deferral,
                        from: constraint_from.clone().map(at),
                    })
                })
                .map(Box::new),
            referencing: (old.is_some() || new.is_some())
                .then(|| {
                    at(ReferencingSpec {
                        old_table: old.clone().map(at),
                        new_table: new.clone().map(at),
                    })
                })
                .map(Box::new),
            function: function.clone().map(at).map(Box::new),
            args: texts(args).map(Box::new),
            shared: None,
            function_name: function_name.clone().map(at).map(Box::new),
            declare: declare.clone().map(at).map(Box::new),
            security: (*security != Security::Invoker)
                .then(|| at(*security))
                .map(Box::new),
            search_path: texts(search_path).map(Box::new),
            definer: definer.clone().map(at).map(Box::new),
            enabled_on: (!enabled_on.is_empty())
                .then(|| at(states(enabled_on)))
                .map(Box::new),
            depends_on_extensions: texts(depends_on_extensions).map(Box::new),
            order: follows
                .clone()
                .map(OrderSpec::Follows)
                .map(at)
                .map(Box::new),
            sql_mode: sql_mode.clone().map(at).map(Box::new),
            collation: collation.clone().map(at).map(Box::new),
        };
        TriggerSpec {
            usage: None,
            span: nowhere(),
            name: at(name.clone()),
            tables: TableSelector::One(at(table.clone())),
            dialects: dialect.map(|dialect| vec![at(dialect.to_owned())]),
            fields,
            overrides: BTreeMap::new(),
            allow: vec![],
        }
    }
}

impl FunctionDraft {
    /// As the reader would hand it on.
    pub(super) fn spec(&self) -> FunctionSpec {
        let Self {
            id: _,
            notes: _,
            name,
            language,
            description,
            security,
            search_path,
            settings,
            volatility,
            parallel,
            leakproof,
            strict,
            cost,
            depends_on_extensions,
            allow: _,
            body,
        } = self;
        FunctionSpec {
            span: nowhere(),
            name: at(name.clone()),
            language: Some(at(language.clone())),
            body: at(body.clone()),
            security: Some(at(*security)),
            search_path: texts(search_path),
            settings: settings
                .iter()
                .map(|(name, value)| (at(name.clone()), value.clone()))
                .collect(),
            volatility: Some(at(*volatility)),
            parallel: Some(at(*parallel)),
            leakproof: Some(at(*leakproof)),
            strict: Some(at(*strict)),
            cost: Some(at(f64::from(*cost))),
            description: description.clone().map(at),
            allow: vec![],
            depends_on_extensions: texts(depends_on_extensions),
        }
    }
}

fn states(states: &[(TableRef, EnabledState)]) -> Vec<EnabledOn> {
    let entry = |(partition, state): &(TableRef, EnabledState)| EnabledOn {
        partition: at(partition.clone()),
        state: at(*state),
    };
    states.iter().map(entry).collect()
}

/// A place for what stands in no file yet.
pub(super) fn nowhere() -> Span {
    Span {
        file: Arc::new(SourceFile {
            name: "<import>".to_owned(),
            text: String::new(),
        }),
        range: 0..0,
    }
}

pub(super) fn at<T>(value: T) -> Located<T> {
    Located {
        value,
        span: nowhere(),
    }
}

fn texts(values: &[String]) -> Option<Located<Vec<Located<String>>>> {
    (!values.is_empty()).then(|| at(values.iter().cloned().map(at).collect()))
}
