//! `triggerctl render`.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use crate::db::url;
use crate::desired::{DesiredSet, Tables, from_spec};
use crate::dialect::{self, Dialect};
use crate::error::{Error, Kind};
use crate::model::{Definition, ObjectId};
use crate::plan::ObjectRef;
use crate::render::Renderer;
use crate::report::{Format, json};
use crate::spec::Spec;

use super::{Context, Outcome};

/// Print the DDL that the spec stands for, without a database.
#[derive(Debug, clap::Args)]
pub struct Render {
    /// The dialect; by default that of the spec's URL.
    #[arg(long, value_name = "DIALECT")]
    dialect: Option<String>,
}

impl Render {
    /// Run it.
    pub fn run(&self, context: &Context) -> Result<Outcome, Error> {
        context.only("render", &[Format::Text, Format::Json, Format::Sql])?;
        let spec = context.spec_alone()?;
        let dialect = self.dialect(context, &spec)?;
        let renderer = Renderer::new(dialect, spec.templates.as_deref())?;
        let desired = from_spec(
            &spec,
            &renderer,
            &mut Tables::Offline(dialect),
            dialect.newest(),
        )?;
        let objects = in_order(&desired);
        let result = if context.output.format == Format::Json {
            let objects: Vec<_> = objects
                .iter()
                .map(|id| {
                    let statements = desired.get(*id).map(|desired| &desired.ddl.statements);
                    json!({ "object": ObjectRef(Arc::clone(id)), "statements": statements })
                })
                .collect();
            json::document(json!({ "dialect": dialect.name(), "objects": objects }))
        } else {
            let statements = objects
                .iter()
                .filter_map(|id| desired.get(*id))
                .flat_map(|desired| &desired.ddl.statements);
            let texts: Vec<String> = statements
                .map(|statement| crate::report::script::closed(statement))
                .collect();
            texts.join("\n")
        };
        context.output.result(&result)?;
        Ok(Outcome::Done)
    }

    fn dialect(&self, context: &Context, spec: &Spec) -> Result<&'static dyn Dialect, Error> {
        let name = match &self.dialect {
            Some(name) => name.clone(),
            None => match context.url(Some(spec)) {
                Ok(url) => url.dialect().to_owned(),
                Err(error) if error.kind == Kind::Usage => {
                    return Err(Error::new(
                        Kind::Usage,
                        "which dialect? the spec names no database",
                    )
                    .help(format!(
                        "say `--dialect`: {}",
                        dialect::names().join(" or ")
                    )));
                }
                Err(error) => return Err(error),
            },
        };
        dialect::by_name(&name).ok_or_else(|| {
            Error::new(Kind::Usage, format!("there is no dialect `{name}`"))
                .help(format!("there are {}", dialect::names().join(", ")))
        })
    }
}

/// Each function before the first trigger that calls it; triggers by table and name.
fn in_order(desired: &DesiredSet) -> Vec<&Arc<ObjectId>> {
    let mut ordered = vec![];
    let mut called: BTreeSet<&ObjectId> = BTreeSet::new();
    for (id, wanted) in desired
        .iter()
        .filter(|(id, _)| matches!(&***id, ObjectId::Trigger(_)))
    {
        if let Some(function) = wanted
            .definition
            .calls()
            .map(|function| ObjectId::Function(function.clone()))
            && let Some((function, _)) = desired.get_key_value(&function)
            && called.insert(function)
        {
            ordered.push(function);
        }
        ordered.push(id);
    }
    let idle = desired
        .iter()
        .filter(|(id, wanted)| {
            matches!(wanted.definition, Definition::Function(_)) && !called.contains(&***id)
        })
        .map(|(id, _)| id);
    idle.chain(ordered).collect()
}

/// The dialects that a spec is meant for: those of its URLs, or all.
pub fn meant(context: &Context, spec: &Spec) -> Result<Vec<&'static dyn Dialect>, Error> {
    let mut names: Vec<String> = vec![];
    match context.url(Some(spec)) {
        Ok(url) => names.push(url.dialect().to_owned()),
        Err(error) if error.kind == Kind::Usage => {}
        Err(error) => return Err(error),
    }
    for address in spec.environments.values().flatten() {
        if let Ok(url) = url::parse(address, &spec.folder) {
            names.push(url.dialect().to_owned());
        }
    }
    let all = || dialect::ALL.iter().copied();
    Ok(match names.as_slice() {
        [] => all().collect(),
        names => all()
            .filter(|dialect| names.iter().any(|name| name == dialect.name()))
            .collect(),
    })
}
