//! What one `[[trigger]]` or `[[function]]` is going to say: the values as a spec's reader would hand them on, so that
//! they can be lowered before a line is written, and the lines themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Located, SourceFile, Span};
use crate::model::{
    Constraint, Deferral, EnabledState, Event, FunctionId, Orientation, Parallel, Security, Timing,
    TransitionTables, TriggerId, Volatility,
};
use crate::spec::{
    ConstraintSpec, Fields, FunctionSpec, ReferencingSpec, TableRef, TableSelector, TriggerSpec,
};

use super::text;

/// One `[[trigger]]`. Names, conditions and bodies are templates already.
#[derive(Debug, Clone)]
pub(super) struct TriggerDraft {
    /// The live trigger that it stands for.
    pub(super) id: TriggerId,
    /// Comments above it.
    pub(super) notes: Vec<String>,
    pub(super) name: String,
    /// The table, or a pattern where its name looks like one.
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
    pub(super) cost: f32,
    pub(super) body: String,
}

/// The language and the cost of a function that says nothing of them.
const DEFAULT_LANGUAGE: &str = "plpgsql";
const DEFAULT_COST: f32 = 100.0;

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
        } = own;
        let fields = Fields {
            timing: Some(at(*timing)),
            events: Some(at(events.iter().copied().map(at).collect())),
            update_of: texts(update_of),
            for_each: Some(at(*for_each)),
            when: when.clone().map(at),
            body: body.clone().map(at),
            description: description.clone().map(at),
            renamed_from: None,
            enabled: (*enabled != EnabledState::Origin).then(|| at(*enabled)),
            constraint: constraint.as_ref().map(|constraint| {
                at(ConstraintSpec {
                    deferral: constraint.deferral,
                    from: constraint_from.clone().map(at),
                })
            }),
            referencing: (old.is_some() || new.is_some()).then(|| {
                at(ReferencingSpec {
                    old_table: old.clone().map(at),
                    new_table: new.clone().map(at),
                })
            }),
            function: function.clone().map(at),
            args: texts(args),
            function_name: function_name.clone().map(at),
            declare: declare.clone().map(at),
            security: (*security != Security::Invoker).then(|| at(*security)),
            search_path: texts(search_path),
            definer: None,
            order: None,
        };
        TriggerSpec {
            span: nowhere(),
            name: at(name.clone()),
            tables: TableSelector::One(at(table.clone())),
            dialects: dialect.map(|dialect| vec![at(dialect.to_owned())]),
            fields,
            overrides: BTreeMap::new(),
        }
    }

    /// Its lines.
    pub(super) fn write(&self, out: &mut String) {
        let Self {
            id: _,
            notes,
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
            own,
        } = self;
        let mut keys = Keys::default();
        keys.text("name", name);
        if table.is_glob() {
            keys.add(
                "tables",
                text::list([text::no_variables(&table.to_string()).as_ref()]),
            );
        } else {
            keys.text("table", &table.to_string());
        }
        keys.word(
            "timing",
            match timing {
                Timing::Before => "before",
                Timing::After => "after",
                Timing::InsteadOf => "instead_of",
            },
        );
        keys.add(
            "events",
            text::list(events.iter().map(|event| event.word())),
        );
        keys.texts("update_of", update_of);
        match for_each {
            Orientation::Row => {}
            Orientation::Statement => keys.word("for_each", "statement"),
        }
        keys.sql("when", when.as_deref());
        keys.sql("body", body.as_deref());
        if let Some(description) = description {
            keys.text("description", description);
        }
        if let Some(dialect) = dialect {
            keys.add("dialects", text::list([*dialect]));
        }
        keys.write("[[trigger]]", notes, out);
        let keys = own.keys();
        if !keys.0.is_empty() {
            out.push('\n');
            keys.write(&format!("[trigger.{}]", own.dialect), &[], out);
        }
    }
}

impl OwnDraft {
    fn keys(&self) -> Keys {
        let Self {
            dialect: _,
            enabled,
            constraint,
            constraint_from,
            referencing,
            function,
            args,
            function_name,
            declare,
            security,
            search_path,
        } = self;
        let mut keys = Keys::default();
        if *enabled != EnabledState::Origin {
            keys.word("enabled", crate::diff::show_state(*enabled));
        }
        if let Some(Constraint { deferral, from: _ }) = constraint {
            let mut inner = vec![match deferral {
                Deferral::NotDeferrable => "deferrable = false".to_owned(),
                Deferral::InitiallyImmediate => "deferrable = true".to_owned(),
                Deferral::InitiallyDeferred => {
                    "deferrable = true, initially = \"deferred\"".to_owned()
                }
            }];
            inner.extend(
                constraint_from
                    .as_ref()
                    .map(|from| format!("from = {}", one_line(&from.to_string()))),
            );
            keys.add("constraint", format!("{{ {} }}", inner.join(", ")));
        }
        let TransitionTables { old, new } = referencing;
        let tables = [("old_table", old), ("new_table", new)];
        let inner: Vec<String> = tables
            .into_iter()
            .filter_map(|(key, name)| Some(format!("{key} = {}", one_line(name.as_ref()?))))
            .collect();
        if !inner.is_empty() {
            keys.add("referencing", format!("{{ {} }}", inner.join(", ")));
        }
        if let Some(function) = function {
            keys.text("function", &function.to_string());
        }
        keys.texts("args", args);
        if let Some(name) = function_name {
            keys.text("function_name", &name.to_string());
        }
        keys.sql("declare", declare.as_deref());
        if *security == Security::Definer {
            keys.word("security", "definer");
        }
        keys.texts("search_path", search_path);
        keys
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
            cost,
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
            cost: Some(at(f64::from(*cost))),
            description: description.clone().map(at),
        }
    }

    /// Its lines.
    pub(super) fn write(&self, out: &mut String) {
        let Self {
            id: _,
            notes,
            name,
            language,
            description,
            security,
            search_path,
            settings,
            volatility,
            parallel,
            leakproof,
            cost,
            body,
        } = self;
        let mut keys = Keys::default();
        keys.text("name", &name.to_string());
        if language != DEFAULT_LANGUAGE {
            keys.text("language", language);
        }
        if let Some(description) = description {
            keys.text("description", description);
        }
        if *security == Security::Definer {
            keys.word("security", "definer");
        }
        keys.texts("search_path", search_path);
        if !settings.is_empty() {
            let inner = settings
                .iter()
                .map(|(name, value)| format!("{} = {}", text::key(name), one_line(value)));
            keys.add(
                "settings",
                format!("{{ {} }}", inner.collect::<Vec<_>>().join(", ")),
            );
        }
        match volatility {
            Volatility::Volatile => {}
            Volatility::Stable => keys.word("volatility", "stable"),
            Volatility::Immutable => keys.word("volatility", "immutable"),
        }
        match parallel {
            Parallel::Unsafe => {}
            Parallel::Restricted => keys.word("parallel", "restricted"),
            Parallel::Safe => keys.word("parallel", "safe"),
        }
        if *leakproof {
            keys.add("leakproof", "true".to_owned());
        }
        if cost.to_bits() != DEFAULT_COST.to_bits() {
            // The shortest decimal that reads back as this float4, as a TOML integer where it is a small one.
            let small = cost.fract() == 0.0 && cost.abs() < 1e9;
            keys.add(
                "cost",
                if small {
                    cost.to_string()
                } else {
                    format!("{cost:?}")
                },
            );
        }
        keys.sql("body", Some(body));
        keys.write("[[function]]", notes, out);
    }
}

/// Keys and their TOML values, in order.
#[derive(Default)]
struct Keys(Vec<(&'static str, String)>);

impl Keys {
    fn add(&mut self, key: &'static str, value: String) {
        self.0.push((key, value));
    }

    fn word(&mut self, key: &'static str, word: &str) {
        self.add(key, format!("\"{word}\""));
    }

    /// A string in which the reader fills in variables.
    fn text(&mut self, key: &'static str, value: &str) {
        self.add(key, text::string(&text::no_variables(value)));
    }

    /// A string that the reader leaves alone.
    fn sql(&mut self, key: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.add(key, text::string(value));
        }
    }

    fn texts(&mut self, key: &'static str, values: &[String]) {
        if !values.is_empty() {
            let values: Vec<_> = values
                .iter()
                .map(|value| text::no_variables(value))
                .collect();
            self.add(key, text::list(values.iter().map(AsRef::as_ref)));
        }
    }

    /// A header and the keys below it, aligned.
    fn write(&self, header: &str, notes: &[String], out: &mut String) {
        for note in notes {
            for line in note.lines() {
                out.push_str(&format!("# {}\n", text::comment(line)));
            }
        }
        out.push_str(header);
        out.push('\n');
        let width = self
            .0
            .iter()
            .map(|(key, _)| key.len())
            .max()
            .unwrap_or_default();
        for (key, value) in &self.0 {
            out.push_str(&format!("{key:width$} = {value}\n"));
        }
    }
}

/// A string for an inline table, which TOML 1.0 keeps on one line.
fn one_line(value: &str) -> String {
    let listed = text::list([text::no_variables(value).as_ref()]);
    listed
        .strip_prefix('[')
        .and_then(|value| value.strip_suffix(']'))
        .unwrap_or(&listed)
        .to_owned()
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
