//! The helpers that bodies call (`new("c")`, `now()`): macros of `helpers.sql`, one file per dialect.
//!
//! A macro lives only as long as the render that defined it, so a body that calls one gets a prelude that imports the
//! file, and each helper is a function that hands its arguments on to the macro. The function is what gives macros a
//! free number of arguments: a last parameter named `rest` takes all that are left, as one list.

use std::sync::Arc;

use minijinja::value::{Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::failure;

/// The function of the prelude that keeps an imported file for the rest of the render.
const KEEP: &str = "_keep_helpers";
/// Where it is kept.
const KEPT: &str = "triggerctl.helpers";
/// The parameter that takes all remaining arguments.
const REST: &str = "rest";

/// All helpers of a dialect.
#[derive(Default)]
pub(super) struct Helpers {
    macros: Vec<Arc<Helper>>,
    files: usize,
    prelude: String,
}

struct Helper {
    name: String,
    parameters: Vec<String>,
    /// Which of the imported files has it.
    file: usize,
}

impl Helper {
    fn signature(&self) -> String {
        let parameters: Vec<_> = self
            .parameters
            .iter()
            .map(|name| if name == REST { "…" } else { name })
            .collect();
        format!("{}({})", self.name, parameters.join(", "))
    }

    fn takes_rest(&self) -> bool {
        self.parameters.last().is_some_and(|name| name == REST)
    }

    /// The arguments as the macro takes them.
    fn arguments(&self, given: &[Value]) -> Result<Vec<Value>, Error> {
        if !self.takes_rest() {
            return Ok(given.to_vec());
        }
        let fixed = self.parameters.len() - 1;
        let (fixed, rest) = given.split_at(fixed.min(given.len()));
        let mut arguments = fixed.to_vec();
        if fixed.len() + 1 == self.parameters.len() {
            // `changed(columns)` and `changed("a", "b")` are the same.
            let mut flat = vec![];
            for value in rest {
                match value.kind() {
                    ValueKind::Seq | ValueKind::Iterable => flat.extend(value.try_iter()?),
                    _ => flat.push(value.clone()),
                }
            }
            arguments.push(Value::from(flat));
        }
        Ok(arguments)
    }

    fn call(&self, state: &mut State<'_, '_>, given: &[Value]) -> Result<Value, Error> {
        let files = state.get_temp(KEPT).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidOperation,
                format!(
                    "`{}` can be called in bodies and conditions only",
                    self.name
                ),
            )
        })?;
        let arguments = self.arguments(given)?;
        files
            .get_item_by_index(self.file)?
            .get_attr(&self.name)?
            .call(state, &arguments)
            .map_err(|error| {
                if error.kind() == ErrorKind::OutOfFuel {
                    return error;
                }
                let message = format!("`{}`: {}", self.signature(), failure::message(&error));
                Error::new(ErrorKind::InvalidOperation, message).with_source(error)
            })
    }
}

impl Helpers {
    /// Add the macros of one file; those that are there already are replaced.
    pub(super) fn add(
        &mut self,
        environment: &Environment<'static>,
        file: &str,
    ) -> Result<(), Error> {
        let captured = environment.get_template(file)?.render_captured(())?;
        let state = captured.state();
        for name in state.exports() {
            let Some(value) = state.lookup(name) else {
                continue;
            };
            let Ok(list) = value.get_attr("arguments") else {
                continue;
            };
            if list.is_undefined() {
                continue; // A variable, not a macro.
            }
            let parameters = list
                .try_iter()?
                .filter_map(|parameter| parameter.as_str().map(str::to_owned))
                .collect();
            let name = name.to_owned();
            self.macros.retain(|known| known.name != name);
            self.macros.push(Arc::new(Helper {
                name,
                parameters,
                file: self.files,
            }));
        }
        self.files += 1;
        // On one line, so that lines of the body keep their numbers.
        self.prelude.push_str(&format!(
            "{{% import \"{file}\" as h %}}{{% do {KEEP}(h) %}}"
        ));
        self.macros.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(())
    }

    /// Make the helpers callable.
    pub(super) fn install(&self, environment: &mut Environment<'static>) {
        environment.add_function(KEEP, |state: &mut State<'_, '_>, file: Value| {
            let mut files: Vec<Value> = match state.get_temp(KEPT) {
                Some(files) => files.try_iter()?.collect(),
                None => vec![],
            };
            files.push(file);
            state.set_temp(KEPT, Value::from(files));
            Ok(Value::UNDEFINED)
        });
        for helper in &self.macros {
            let helper = Arc::clone(helper);
            environment.add_function(
                helper.name.clone(),
                move |state: &mut State<'_, '_>, given: Rest<Value>| helper.call(state, &given),
            );
        }
    }

    /// What has to stand before a text of the spec for its helpers to work; empty where it calls none.
    pub(super) fn prelude(&self, text: &str) -> &str {
        let calls_one = text.contains('(')
            && self
                .macros
                .iter()
                .any(|helper| text.contains(helper.name.as_str()));
        if calls_one { &self.prelude } else { "" }
    }

    pub(super) fn signatures(&self) -> impl Iterator<Item = String> + '_ {
        self.macros.iter().map(|helper| helper.signature())
    }
}
