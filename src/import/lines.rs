//! The lines that a draft becomes: keys in the order of the manual, aligned, and none that says what holds anyway.

use std::fmt::Write as _; // Writing to a String cannot fail.

use crate::model::{
    Constraint, Deferral, EnabledState, Orientation, Parallel, Security, Timing, TransitionTables,
    Volatility,
};

use super::draft::{AllowDraft, FunctionDraft, OwnDraft, TriggerDraft};
use super::text;

/// The language and the cost of a function that says nothing of them.
const DEFAULT_LANGUAGE: &str = "plpgsql";
const DEFAULT_COST: f32 = 100.0;

impl TriggerDraft {
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
            allow,
            own,
        } = self;
        let mut keys = Keys::default();
        keys.text("name", name);
        keys.text("table", &table.to_string());
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
        keys.allow(allow);
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
            enabled_on,
            depends_on_extensions,
            definer,
            sql_mode,
            collation,
            follows,
        } = self;
        let mut keys = Keys::default();
        if *enabled != EnabledState::Origin {
            keys.word("enabled", crate::diff::show_state(*enabled));
        }
        if !enabled_on.is_empty() {
            let inner = enabled_on.iter().map(|(partition, state)| {
                let partition = text::no_variables(&partition.to_string()).into_owned();
                let state = crate::diff::show_state(*state);
                format!("{} = \"{state}\"", text::key(&partition))
            });
            let inner = inner.collect::<Vec<_>>().join(", ");
            keys.add("enabled_on", format!("{{ {inner} }}"));
        }
        keys.texts("depends_on_extensions", depends_on_extensions);
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
        keys.texts("search_path", &text::schemas(search_path));
        if let Some(definer) = definer {
            keys.text("definer", definer);
        }
        if let Some(sql_mode) = sql_mode {
            keys.text("sql_mode", sql_mode);
        }
        if let Some(collation) = collation {
            keys.text("collation", collation);
        }
        if let Some(follows) = follows {
            let other = text::string(&text::no_variables(follows));
            keys.add("order", format!("{{ follows = {other} }}"));
        }
        keys
    }
}

impl FunctionDraft {
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
            strict,
            cost,
            depends_on_extensions,
            allow,
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
        keys.texts("search_path", &text::schemas(search_path));
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
        if *strict {
            keys.add("strict", "true".to_owned());
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
        keys.texts("depends_on_extensions", depends_on_extensions);
        keys.allow(allow);
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

    /// What is allowed since it was there before.
    fn allow(&mut self, allowed: &[AllowDraft]) {
        let tables: Vec<String> = allowed
            .iter()
            .map(
                |AllowDraft {
                     rule,
                     message,
                     more,
                 }| {
                    let more = match more {
                        0 => String::new(),
                        more => format!(" (and {more} more)"),
                    };
                    let reason = format!("so when it was imported: {message}{more}");
                    format!("{{ rule = \"{rule}\", reason = {} }}", one_line(&reason))
                },
            )
            .collect();
        match tables.as_slice() {
            [] => {}
            [only] => self.add("allow", only.clone()),
            several => self.add("allow", format!("[{}]", several.join(", "))),
        }
    }

    /// A header and the keys below it, aligned.
    fn write(&self, header: &str, notes: &[String], out: &mut String) {
        for note in notes {
            for line in note.lines() {
                let _ = writeln!(out, "# {}", text::comment(line));
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
            let _ = writeln!(out, "{key:width$} = {value}");
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
