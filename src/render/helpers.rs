//! The helpers that bodies call (`new("c")`, `now()`): macros of `helpers.sql`, one file per dialect.
//!
//! A macro lives only as long as the render that defined it. So each helper is a function, which renders the file and
//! calls the macro in it, and remembers what came out of a built-in one: that depends on the arguments and the event
//! alone, and ten thousand bodies call `new("id")`. A function can also take any number of arguments, which a macro
//! cannot: its last parameter, named `rest`, gets all that are left as one list.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use minijinja::value::{Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::{failure, loader};
use crate::dialect::Note;

/// The parameter that takes all remaining arguments.
const REST: &str = "rest";

/// What macros can see of the text that calls them.
const VARIABLES: [&str; 8] = [
    "dialect", "table", "schema", "trigger", "timing", "event", "columns", "vars",
];

/// Built-in helpers that depend on more than their arguments and the event.
const PLACED: [&str; 3] = ["schema_name", "set_new", "table_name"];

/// How many results are remembered.
const REMEMBERED: usize = 10_000;

/// Longer arguments are hardly ever the same again.
const LONGEST: usize = 1_000;

/// Results of built-in helpers by name, event and arguments.
type Memory = Mutex<HashMap<String, Remembered>>;

/// What came out of a helper.
#[derive(Clone)]
struct Remembered {
    result: Value,
    /// Which of the arguments that note it were read for it: bits, the first one's the lowest.
    read: u64,
}

/// All helpers of a dialect.
#[derive(Default)]
pub(super) struct Helpers {
    macros: Vec<Arc<Helper>>,
    memory: Arc<Memory>,
}

struct Helper {
    name: String,
    parameters: Vec<String>,
    /// The template that has it.
    file: &'static str,
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
        let needed = self.parameters.len() - usize::from(self.takes_rest());
        if given.len() < needed && self.file == loader::BUILT_IN_HELPERS {
            // The user's may have defaults.
            let message = "an argument is missing";
            return Err(Error::new(ErrorKind::MissingArgument, message));
        }
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

    fn call(
        &self,
        state: &State<'_, '_>,
        given: &[Value],
        memory: &Memory,
    ) -> Result<Value, Error> {
        for value in given.iter().filter(|value| value.is_undefined()) {
            value.get_attr(&self.name)?; // The engine's own error knows what it is that is undefined.
        }
        let Some(key) = self.key(state, given) else {
            return self.explained(state, given);
        };
        let known = match memory.lock() {
            Ok(memory) => memory.get(&key).cloned(),
            Err(_) => None,
        };
        let notes = || {
            given
                .iter()
                .map(|value| Note::of(value).map(|(_, note)| note))
        };
        let Remembered { result, read } = match known {
            Some(known) => known,
            None => {
                // Each with a note of its own, to learn which of them are read.
                let fresh: Vec<Note> = given.iter().map(|_| Note::default()).collect();
                let given: Vec<Value> = given
                    .iter()
                    .zip(&fresh)
                    .map(|(value, fresh)| match Note::of(value) {
                        Some((value, _)) => fresh.on(value.clone()),
                        None => value.clone(),
                    })
                    .collect();
                let result = self.explained(state, &given)?;
                let bits = fresh.iter().enumerate();
                let read = bits.fold(0, |read, (at, note)| {
                    read | u64::from(note.was_read()) << at
                });
                let new = Remembered { result, read };
                if let Ok(mut memory) = memory.lock()
                    && memory.len() < REMEMBERED
                {
                    memory.insert(key, new.clone());
                }
                new
            }
        };
        for (at, note) in notes().enumerate() {
            if let Some(note) = note.filter(|_| read >> at & 1 == 1) {
                note.read();
            }
        }
        Ok(result)
    }

    fn explained(&self, state: &State<'_, '_>, given: &[Value]) -> Result<Value, Error> {
        self.evaluate(state, given).map_err(|error| {
            if error.kind() == ErrorKind::OutOfFuel {
                return error;
            }
            let message = format!("`{}`: {}", self.signature(), failure::message(&error));
            Error::new(ErrorKind::InvalidOperation, message).with_source(error)
        })
    }

    fn evaluate(&self, state: &State<'_, '_>, given: &[Value]) -> Result<Value, Error> {
        let arguments = self.arguments(given)?;
        let context: Value = VARIABLES
            .into_iter()
            .filter_map(|name| Some((name, state.lookup(name)?)))
            .collect::<HashMap<_, _>>()
            .into();
        let mut file = state
            .env()
            .get_template(self.file)?
            .render_captured(context)?;
        let text = file.with_state_mut(|state| state.call_macro(&self.name, &arguments))?;
        // Whatever a macro prints went through the formatter.
        Ok(Value::from_safe_string(text))
    }

    /// What the result depends on; `None` where that cannot be told.
    fn key(&self, state: &State<'_, '_>, given: &[Value]) -> Option<String> {
        if self.file != loader::BUILT_IN_HELPERS || PLACED.contains(&self.name.as_str()) {
            return None; // The user's may depend on any variable.
        }
        let event = state.lookup("event");
        let event = event.as_ref().and_then(Value::as_str).unwrap_or_default();
        let mut key = format!("{} {event}", self.name);
        if given.len() > u64::BITS as usize {
            return None;
        }
        for value in given {
            add_to(&mut key, Note::of(value).map_or(value, |(value, _)| value))?;
        }
        Some(key)
    }
}

/// Add an argument to what a result depends on; `None` where that cannot be told, or would be too long.
fn add_to(key: &mut String, value: &Value) -> Option<()> {
    if key.len() > LONGEST {
        return None;
    }
    // With its length, so that no text can look like two.
    if let Some(text) = value.as_str() {
        let safe = value.is_safe();
        return write!(key, " {safe} {} {text}", text.len()).ok();
    }
    if Note::of(value).is_some() {
        return None;
    }
    let (sign, pairs) = match value.kind() {
        ValueKind::Seq => ('[', false),
        ValueKind::Map => ('{', true),
        _ => return None,
    };
    write!(key, " {sign}{}", value.len()?).ok()?;
    for element in value.try_iter().ok()? {
        add_to(key, &element)?;
        if pairs {
            add_to(key, &value.get_item(&element).ok()?)?;
        }
    }
    Some(())
}

impl Helpers {
    /// Add the macros of one file; those that are there already are replaced.
    pub(super) fn add(
        &mut self,
        environment: &Environment<'static>,
        file: &'static str,
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
                file,
            }));
        }
        self.macros.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(())
    }

    /// Make the helpers callable.
    pub(super) fn install(&self, environment: &mut Environment<'static>) {
        for helper in &self.macros {
            let helper = Arc::clone(helper);
            let memory = Arc::clone(&self.memory);
            environment.add_function(
                helper.name.clone(),
                move |state: &State<'_, '_>, given: Rest<Value>| {
                    helper.call(state, &given, &memory)
                },
            );
        }
    }

    pub(super) fn signatures(&self) -> impl Iterator<Item = String> + '_ {
        self.macros.iter().map(|helper| helper.signature())
    }
}
