//! What was meant: the messages for unknown keys, words and dialects, and for values of a wrong type.

use toml::de::DeValue;

use super::keys::{DIALECT_ALIASES, DIALECTS, DialectKeys, Key, Section, Shape, every_key, named};
use super::source::type_of;
use super::value::Place;
use crate::error::{Diagnostic, Span};

/// Whether `key` may stand in `place`.
pub(super) fn allowed(place: Place<'_>, key: &Key, dialects: &[DialectKeys]) -> bool {
    match place.section {
        Section::Trigger => [Section::Trigger, Section::Field, Section::Use]
            .iter()
            .any(|section| key.sections.contains(section)),
        Section::KindTrigger => {
            key.sections.contains(&Section::KindTrigger) || key.sections.contains(&Section::Field)
        }
        Section::Test => {
            key.sections.contains(&Section::Test) || key.sections.contains(&Section::TestField)
        }
        Section::Own | Section::KindOwn => {
            key.sections.contains(&Section::Field)
                || (place.section == Section::Own && key.sections.contains(&Section::Use))
                || (place.section == Section::KindOwn && key.sections.contains(&Section::KindOwn))
                || (key.sections.contains(&Section::Own)
                    && owners(key, dialects).any(|owner| Some(owner) == place.dialect))
        }
        section => key.sections.contains(&section),
    }
}

fn owners<'a>(key: &Key, dialects: &'a [DialectKeys]) -> impl Iterator<Item = &'static str> + 'a {
    let name = key.name;
    dialects
        .iter()
        .filter(move |(_, own)| own.contains(&name))
        .map(|(dialect, _)| *dialect)
}

/// A key that nobody knows there.
pub(super) struct Unknown<'a> {
    /// Where it stands.
    pub(super) place: Place<'a>,
    /// The key.
    pub(super) name: &'a str,
    /// Whether its value is a table, or a list of them.
    pub(super) is_table: bool,
    /// The dialects.
    pub(super) dialects: &'a [DialectKeys],
}

impl Unknown<'_> {
    /// What is wrong, and what may be meant: a key that belongs elsewhere, one of another spelling, another word for
    /// one, a misspelt dialect. The key that is meant, where it is one of this place, counts as being there.
    pub(super) fn diagnostic(&self, span: &Span) -> (Diagnostic, Option<&'static str>) {
        let name = short(self.name);
        let name = name.as_str();
        let here: Vec<&'static Key> = every_key()
            .filter(|key| allowed(self.place, key, self.dialects))
            .collect();
        let meant = |key: &'static str| {
            let diagnostic =
                Diagnostic::new(format!("unknown key `{name}`, did you mean `{key}`?")).at(span);
            (diagnostic, Some(key))
        };
        if let Some(key) = here.iter().find(|key| key.aliases.contains(&name)) {
            return meant(key.name);
        }
        if let Some(elsewhere) = self.elsewhere() {
            let message = format!("`{name}` cannot stand {}", self.here());
            return (Diagnostic::new(message).at(span).help(elsewhere), None);
        }
        if matches!(
            self.place.section,
            Section::Trigger | Section::Test | Section::KindTrigger | Section::KindTable
        ) && self.is_table
            && let Some(close) = close_dialect(name, self.dialects)
        {
            let message = format!("unknown dialect `{name}`, did you mean `{close}`?");
            return (Diagnostic::new(message).at(span), None);
        }
        if let Some(close) = closest(name, here.iter().map(|key| key.name)) {
            return meant(close);
        }
        let known: Vec<String> = here.iter().map(|key| format!("`{}`", key.name)).collect();
        let mut diagnostic = Diagnostic::new(format!("unknown key `{name}`"))
            .at(span)
            .help(format!("known {} are {}", self.here(), known.join(", ")));
        if self.is_table && matches!(self.place.section, Section::Trigger | Section::Test) {
            let dialects: Vec<String> = self
                .dialects
                .iter()
                .map(|dialect| format!("`{}`", dialect.0))
                .collect();
            diagnostic = diagnostic.help(format!("dialects are {}", dialects.join(", ")));
        }
        (diagnostic, None)
    }

    fn here(&self) -> String {
        match self.place.dialect {
            Some(dialect) if self.place.section == Section::KindTableOwn => {
                format!("in `[table.{dialect}]`")
            }
            Some(dialect) if self.place.section == Section::TestField => {
                format!("in `[test.{dialect}]`")
            }
            Some(dialect) => format!("in `[trigger.{dialect}]`"),
            None => self.place.section.place().to_owned(),
        }
    }

    /// Where the key belongs, if it is one.
    fn elsewhere(&self) -> Option<String> {
        let name = self.name;
        let in_trigger = matches!(
            self.place.section,
            Section::Trigger | Section::Own | Section::KindTrigger | Section::KindOwn
        );
        let in_test = matches!(self.place.section, Section::Test | Section::TestField);
        if in_test
            && named(name)
                .iter()
                .any(|key| key.sections.contains(&Section::Test))
        {
            return Some(
                "it is the same for all dialects: put it in `[[test]]`, above this header"
                    .to_owned(),
            );
        }
        let mut keys: Vec<&Key> = named(name).to_vec();
        // Of several keys of one name, that of the same neighbourhood is meant.
        keys.sort_by_key(|key| {
            let near = key.sections.iter().any(|section| {
                matches!(
                    section,
                    Section::Own | Section::Field | Section::Use | Section::Trigger
                )
            });
            near != in_trigger
        });
        let key = keys.first()?;
        if key.sections.contains(&Section::Own) && in_trigger {
            let places: Vec<String> = owners(key, self.dialects)
                .map(|owner| format!("`[trigger.{owner}]`"))
                .collect();
            if places.is_empty() {
                return None;
            }
            return Some(format!("it belongs in {}", places.join(" or ")));
        }
        if self.place.section == Section::Own && key.sections.contains(&Section::Trigger) {
            return Some(
                "it is the same for all dialects: put it in `[[trigger]]`, above this header"
                    .to_owned(),
            );
        }
        let section = key.sections.first()?;
        Some(format!("it belongs {}", section.place()))
    }
}

/// A word that is none of those that the key takes.
pub(super) fn word(key: &Key, text: &str, words: &[&'static str], span: &Span) -> Diagnostic {
    let plain: String = text.trim().to_lowercase().replace([' ', '-'], "_");
    let text = short(text);
    let all: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    let message = match closest(&plain, words.iter().copied()) {
        Some(close) => format!("`{}` cannot be `{text}`, did you mean `{close}`?", key.name),
        None => format!("`{}` cannot be `{text}`", key.name),
    };
    Diagnostic::new(message)
        .at(span)
        .help(format!("it is one of {}", all.join(", ")))
}

/// A name that is no dialect.
pub(super) fn dialect(text: &str, dialects: &[DialectKeys], span: &Span) -> Diagnostic {
    let all: Vec<String> = dialects
        .iter()
        .map(|(name, _)| format!("\"{name}\""))
        .collect();
    let close = close_dialect(text, dialects);
    let text = short(text);
    let message = match close {
        Some(close) => format!("unknown dialect `{text}`, did you mean `{close}`?"),
        None => format!("unknown dialect `{text}`"),
    };
    Diagnostic::new(message)
        .at(span)
        .help(format!("the dialects are {}", all.join(", ")))
}

fn close_dialect(text: &str, dialects: &[DialectKeys]) -> Option<&'static str> {
    let lower = text.to_lowercase();
    let alias = DIALECT_ALIASES
        .iter()
        .find(|(alias, _)| *alias == lower)
        .map(|(_, name)| *name);
    dialects
        .iter()
        .map(|(name, _)| *name)
        .find(|name| Some(*name) == alias)
        .or_else(|| closest(&lower, dialects.iter().map(|(name, _)| *name)))
}

/// A user's text for a message: a long one is known by its beginning.
pub(super) fn short(text: &str) -> String {
    const LONGEST: usize = 40;
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The candidate that differs in no more than a third of its letters.
pub(crate) fn closest<'a>(
    text: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    // The distance takes time with the product of the lengths.
    if text.len() > 64 {
        return None;
    }
    let text = text.to_lowercase();
    candidates
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&text, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, candidate)| {
            let longer = candidate.chars().count().max(text.chars().count());
            *distance <= (longer / 3).max(1) && *distance < longer
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A value of another type than the key takes.
pub(super) fn wrong_type(key: &Key, shape: Shape, value: &DeValue<'_>, span: &Span) -> Diagnostic {
    if let (Shape::Tables(_), DeValue::Table(table)) = (shape, value) {
        // `[trigger.postgres]` with no `[[trigger]]` before it.
        let mut own = table.iter().filter_map(|(inner, _)| {
            DIALECTS
                .iter()
                .find(|(dialect, _)| *dialect == inner.get_ref().as_ref())
        });
        if let Some((dialect, _)) = own.next()
            && table.len() == 1
        {
            return Diagnostic::new(format!(
                "`[{0}.{dialect}]` stands before any `[[{0}]]`",
                key.name
            ))
            .at(span)
            .help(format!(
                "start the {0} with `[[{0}]]`; what is for one dialect only follows it",
                key.name
            ));
        }
        return Diagnostic::new(format!("`[{0}]` must be written `[[{0}]]`", key.name))
            .at(span)
            .help("there may be several: each one starts with its own header in double brackets");
    }
    let subject = match key.shape {
        outer if outer == shape => format!("`{}`", key.name),
        Shape::Many(Shape::Map(_)) if shape == Shape::Any => {
            format!("a value in `{}`", key.name)
        }
        Shape::Map(_) | Shape::Named(_) => format!("a value in `{}`", key.name),
        _ => format!("an element of `{}`", key.name),
    };
    Diagnostic::new(format!(
        "{subject} must be {}, not {}",
        wanted(shape),
        type_of(value)
    ))
    .at(span)
    .help(format!("for example: `{}`", key.example))
}

fn wanted(shape: Shape) -> &'static str {
    match shape {
        Shape::Version => "the integer 1",
        Shape::Text
        | Shape::Free
        | Shape::Late
        | Shape::Sql
        | Shape::Name
        | Shape::Pattern
        | Shape::Dialect
        | Shape::Word(_) => "a string",
        Shape::Bool => "true or false",
        Shape::Positive => "a number",
        Shape::Scalar => "a string, a number or a boolean",
        Shape::List(_) | Shape::Row(_) => "a list of strings",
        Shape::Many(Shape::Many(_)) => "a list of rows, each a list of values",
        Shape::Many(Shape::Map(_) | Shape::Table(_)) => "a list of tables",
        Shape::Many(_) => "a list of values",
        Shape::OneOrMany(_) => "a table, or a list of them",
        Shape::TextOr(_) => "a string, or a table",
        Shape::Table(_)
        | Shape::Map(_)
        | Shape::Named(_)
        | Shape::Sections(_)
        | Shape::Any
        | Shape::Tree => "a table",
        Shape::Tables(_) => "a table in double brackets",
    }
}
