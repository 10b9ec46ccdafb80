//! `triggerctl validate`.

use serde_json::json;

use crate::desired::{Tables, from_spec};
use crate::dialect::{self, Dialect};
use crate::error::{Diagnostic, Error, Kind};
use crate::render::Renderer;
use crate::report::{Format, json};

use super::render::meant;
use super::{Context, Outcome};

/// Check the spec alone, without a database.
#[derive(Debug, clap::Args)]
pub struct Validate {
    /// The dialect to check it for; by default those of the spec's URLs, or all when it has none.
    #[arg(long, value_name = "DIALECT")]
    dialect: Vec<String>,
}

impl Validate {
    /// Run it.
    pub fn run(&self, context: &Context) -> Result<Outcome, Error> {
        context.only("validate", &[Format::Text, Format::Json])?;
        let spec = context.spec_alone()?;
        let dialects = if self.dialect.is_empty() {
            meant(context, &spec)?
        } else {
            self.named()?
        };
        let mut problems: Vec<Diagnostic> = vec![];
        for dialect in &dialects {
            let renderer = Renderer::new(*dialect, spec.templates.as_deref())?;
            let result = from_spec(
                &spec,
                &renderer,
                &mut Tables::Unknown(*dialect),
                dialect.newest(),
            );
            if let Err(error) = result {
                for problem in error.diagnostics {
                    if !problems.iter().any(|said| is_same(said, &problem)) {
                        problems.push(problem);
                    }
                }
            }
        }
        spec.refuse(problems)?;
        let names: Vec<&str> = dialects.iter().map(|dialect| dialect.name()).collect();
        let (triggers, functions) = (spec.triggers.len(), spec.functions.len());
        let result = if context.output.format == Format::Json {
            json::document(json!({
                "result": "valid", "dialects": names, "triggers": triggers, "functions": functions,
            }))
        } else if context.output.quiet {
            String::new()
        } else {
            let titles: Vec<&str> = dialects.iter().map(|dialect| dialect.title()).collect();
            let functions = if functions == 0 {
                String::new()
            } else {
                format!(" and {}", plural(functions, "function"))
            };
            format!(
                "Valid for {}: {}{functions}.\n",
                titles.join(", "),
                plural(triggers, "trigger")
            )
        };
        context.output.result(&result)?;
        Ok(Outcome::Done)
    }

    fn named(&self) -> Result<Vec<&'static dyn Dialect>, Error> {
        let find = |name: &String| {
            dialect::by_name(name).ok_or_else(|| {
                Error::new(Kind::Usage, format!("there is no dialect `{name}`"))
                    .help(format!("there are {}", dialect::names().join(", ")))
            })
        };
        self.dialect.iter().map(find).collect()
    }
}

/// Whether two dialects have the same to say of the same place; the objects that it was found with have other names in each.
fn is_same(one: &Diagnostic, other: &Diagnostic) -> bool {
    one.message == other.message && one.place == other.place && one.place.is_some()
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 {
        format!("1 {word}")
    } else {
        format!("{count} {word}s")
    }
}
