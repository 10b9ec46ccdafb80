//! `triggerctl graph`.

use crate::dialect::Dialect;
use crate::error::{Error, Kind};
use crate::graph::{self, Graph};
use crate::lint::subject::Subject;
use crate::render::Renderer;
use crate::report::Format;
use crate::spec::Spec;

use super::lint::{database, named};
use super::render::meant;
use super::{Context, Outcome};

/// Draw which trigger writes which table: --format dot (the default), mermaid, svg or json.
#[derive(Debug, clap::Args)]
pub struct GraphCommand {
    /// Look at the spec alone, for this dialect.
    #[arg(long, value_name = "DIALECT")]
    dialect: Option<String>,
}

impl GraphCommand {
    /// Run it.
    pub fn run(&self, context: &Context) -> Result<Outcome, Error> {
        context.only(
            "graph",
            &[
                Format::Text,
                Format::Dot,
                Format::Mermaid,
                Format::Svg,
                Format::Json,
            ],
        )?;
        let (graph, dialect) = self.graph(context)?;
        let text = match context.output.format {
            Format::Json => graph::json::text(&graph, dialect.name()),
            Format::Mermaid => graph::mermaid::text(&graph),
            Format::Svg => graph::svg::text(&graph),
            _ => graph::dot::text(&graph),
        };
        context.output.result(&text)?;
        Ok(Outcome::Done)
    }

    fn graph(&self, context: &Context) -> Result<(Graph, &'static dyn Dialect), Error> {
        if let Some(name) = &self.dialect {
            let dialects = named(std::slice::from_ref(name))?;
            return offline(&context.spec_alone()?, &dialects);
        }
        if let Some(mut database) = database(context)? {
            let spec = context.spec()?;
            let dialect = database.dialect();
            let renderer = Renderer::new(dialect, spec.templates.as_deref())?;
            let subject = Subject::online(&spec, &renderer, &mut *database)?;
            return Ok((graph::of(&subject), dialect));
        }
        let spec = context.spec_alone()?;
        let dialects = meant(context, &spec)?;
        offline(&spec, &dialects)
    }
}

fn offline(
    spec: &Spec,
    dialects: &[&'static dyn Dialect],
) -> Result<(Graph, &'static dyn Dialect), Error> {
    let [dialect] = dialects else {
        let names: Vec<&str> = dialects.iter().map(|dialect| dialect.name()).collect();
        return Err(Error::new(Kind::Usage, "which dialect?").help(format!(
            "name a database with `--url`, or choose with `--dialect`: {}",
            names.join(", ")
        )));
    };
    if dialect.name() == "sqlite" {
        return Err(Error::new(
            Kind::Usage,
            "what a SQLite trigger writes is known only with a database",
        )
        .help("name one with `--url`; `create_from` in `[database]` will do"));
    }
    let renderer = Renderer::new(*dialect, spec.templates.as_deref())?;
    let subject = Subject::offline(spec, &renderer, *dialect)?;
    Ok((graph::of(&subject), *dialect))
}
