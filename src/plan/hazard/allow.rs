//! `--allow HAZARD[:OBJECT]`: what was looked at and is meant, and the refusal of what was not.

use std::collections::BTreeSet;

use super::super::{ObjectRef, Plan};
use super::{ALL, Hazard, HazardKind, Severity};
use crate::error::{Diagnostic, Error, Kind};
use crate::model::TableId;

/// One `--allow`.
#[derive(Debug, Clone)]
pub struct Allow {
    kind: HazardKind,
    object: Option<glob::Pattern>,
    /// As it was written.
    pub text: String,
}

/// More than this many refusals are counted, not listed.
const SHOWN: usize = 10;

impl Allow {
    /// Read `HAZARD` or `HAZARD:OBJECT`.
    pub fn parse(text: &str) -> Result<Self, Box<Diagnostic>> {
        let (name, object) = match text.split_once(':') {
            Some((name, object)) => (name, Some(object)),
            None => (text, None),
        };
        let Some(sheet) = ALL.iter().find(|sheet| sheet.name == name) else {
            let names = || ALL.iter().map(|sheet| sheet.name);
            let close = crate::spec::closest(&name.replace('-', "_"), names());
            let unknown = Diagnostic::new(match close {
                Some(close) => format!("unknown hazard `{name}`, did you mean `{close}`?"),
                None => format!("unknown hazard `{name}`"),
            });
            return Err(Box::new(unknown.help(format!(
                "the hazards are {}",
                names().collect::<Vec<_>>().join(", ")
            ))));
        };
        let object = match object {
            None => None,
            Some("") => {
                let nothing = Diagnostic::new(format!("`{text}` names no object after the colon"));
                return Err(Box::new(nothing.help(format!(
                    "write `{name}:OBJECT`, or `{name}` for all objects"
                ))));
            }
            Some(object) => {
                Some(glob::Pattern::new(object).map_err(|error| {
                    let wrong = Diagnostic::new(format!("`{object}` is not a pattern: {error}"));
                    Box::new(wrong.help(
                        "`*` stands for any text, `?` for one character, `[…]` for one of these",
                    ))
                })?)
            }
        };
        Ok(Self {
            kind: sheet.kind,
            object,
            text: text.to_owned(),
        })
    }

    fn covers(&self, hazard: &Hazard) -> bool {
        self.kind == hazard.kind
            && self.object.as_ref().is_none_or(|pattern| {
                spellings(&hazard.object)
                    .iter()
                    .any(|spelling| pattern.matches(spelling))
            })
    }
}

/// What an object may be called: its name, its table, and each with what it is in.
fn spellings(object: &ObjectRef) -> Vec<String> {
    let (schema, name) = (object.schema(), object.name());
    let mut spellings = vec![name.to_owned(), format!("{schema}.{name}")];
    if let Some(TableId {
        schema: _,
        name: table,
    }) = object.table()
    {
        spellings.extend([
            format!("{table}.{name}"),
            format!("{schema}.{table}.{name}"),
            table.clone(),
            format!("{schema}.{table}"),
        ]);
    }
    spellings
}

fn hazards(plan: &Plan) -> impl Iterator<Item = &Hazard> {
    plan.changes.iter().flat_map(|change| &change.hazards)
}

/// The hazards of severity high that nothing allows.
fn refused<'a>(plan: &'a Plan, allowed: &[Allow]) -> Vec<&'a Hazard> {
    hazards(plan)
        .filter(|hazard| hazard.severity == Severity::High)
        .filter(|hazard| !allowed.iter().any(|allow| allow.covers(hazard)))
        .collect()
}

/// The flag that allows this hazard of this object alone, as it is typed into a shell.
fn flag(hazard: &Hazard) -> String {
    let object = &hazard.object;
    let container = object.table().map_or(object.schema(), |table| &table.name);
    let object = format!("{container}.{}", object.name());
    let value = format!("{}:{}", hazard.kind, glob::Pattern::escape(&object));
    let plain = value
        .chars()
        .all(|c| c.is_alphanumeric() || "_.:-".contains(c));
    if plain {
        format!("--allow {value}")
    } else {
        format!("--allow '{}'", value.replace('\'', r"'\''"))
    }
}

/// The flags that `apply` asks for: one for each hazard, or one for each kind where these are many.
pub fn flags(plan: &Plan) -> Vec<String> {
    let refused = refused(plan, &[]);
    let single: BTreeSet<String> = refused.iter().map(|hazard| flag(hazard)).collect();
    if single.len() <= 2 {
        return single.into_iter().collect();
    }
    let kinds: BTreeSet<HazardKind> = refused.iter().map(|hazard| hazard.kind).collect();
    kinds
        .into_iter()
        .map(|kind| format!("--allow {kind}"))
        .collect()
}

/// An error that names every hazard of severity high that nothing allows, where there is any.
pub fn refuse(plan: &Plan, allowed: &[Allow]) -> Result<(), Error> {
    let refused = refused(plan, allowed);
    let mut diagnostics: Vec<Diagnostic> = refused
        .iter()
        .take(SHOWN)
        .map(|hazard| {
            Diagnostic::new(format!("hazard {}: {}", hazard.kind, hazard.object))
                .note(hazard.message.clone())
                .help(format!("`{}` allows it", flag(hazard)))
        })
        .collect();
    if refused.len() > SHOWN {
        let kinds: BTreeSet<HazardKind> = refused.iter().map(|hazard| hazard.kind).collect();
        let flags: Vec<String> = kinds.iter().map(|kind| format!("--allow {kind}")).collect();
        diagnostics.push(
            Diagnostic::new(format!(
                "and {} more hazards of severity high",
                refused.len() - SHOWN
            ))
            .help("`--verbose` shows all of them")
            .help(format!("`{}` allows all", flags.join(" "))),
        );
    }
    if diagnostics.is_empty() {
        return Ok(());
    }
    Err(Error {
        kind: Kind::Refused,
        diagnostics,
    })
}

/// Those that allow nothing that there is.
pub fn unused<'a>(plan: &Plan, allowed: &'a [Allow]) -> Vec<&'a Allow> {
    allowed
        .iter()
        .filter(|allow| !hazards(plan).any(|hazard| allow.covers(hazard)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FunctionId, ObjectId, TriggerId};

    fn hazard(table: Option<&str>, name: &str) -> Hazard {
        Hazard {
            kind: HazardKind::DropsProtection,
            severity: Severity::High,
            message: String::new(),
            table: None,
            object: ObjectRef::from(match table {
                Some(table) => ObjectId::Trigger(TriggerId {
                    table: TableId {
                        schema: "app".to_owned(),
                        name: table.to_owned(),
                    },
                    name: name.to_owned(),
                }),
                None => ObjectId::Function(FunctionId {
                    schema: "app".to_owned(),
                    name: name.to_owned(),
                }),
            }),
        }
    }

    fn covers(text: &str, hazard: &Hazard) -> bool {
        Allow::parse(text).unwrap().covers(hazard)
    }

    #[test]
    fn an_object_is_allowed_by_any_of_its_names() {
        let hazard = hazard(Some("users"), "audit");
        for object in [
            "audit",
            "users",
            "users.audit",
            "app.users",
            "app.users.audit",
            "app.audit",
            "*",
            "aud*",
            "users.*",
        ] {
            assert!(
                covers(&format!("drops_protection:{object}"), &hazard),
                "{object}"
            );
        }
        assert!(covers("drops_protection", &hazard));
        for other in [
            "drops_protection:user",
            "drops_protection:other.audit",
            "blocks_readers",
            "blocks_readers:audit",
        ] {
            assert!(!covers(other, &hazard), "{other}");
        }
    }

    #[test]
    fn the_flag_that_is_named_is_the_one_that_allows() {
        for name in ["audit", "it's", "a*[b]", "a b", "größe"] {
            for table in [Some("users"), None] {
                let hazard = hazard(table, name);
                let flag = flag(&hazard);
                let value = flag.strip_prefix("--allow ").unwrap();
                let value = value
                    .strip_prefix('\'')
                    .and_then(|value| value.strip_suffix('\''))
                    .map_or(value.to_owned(), |value| value.replace(r"'\''", "'"));
                assert!(covers(&value, &hazard), "{flag}");
                assert!(!covers(&value, &self::hazard(table, "axb")), "{flag}");
            }
        }
    }

    #[test]
    fn what_is_no_hazard_is_said_with_what_was_meant() {
        let message = |text: &str| Allow::parse(text).unwrap_err().message;
        assert_eq!(
            message("drop_protection"),
            "unknown hazard `drop_protection`, did you mean `drops_protection`?"
        );
        assert_eq!(
            message("drops-protection:x"),
            "unknown hazard `drops-protection`, did you mean `drops_protection`?"
        );
        assert_eq!(message("everything"), "unknown hazard `everything`");
        assert_eq!(message(""), "unknown hazard ``");
        assert!(message("blocks_readers:").contains("names no object"));
        assert!(message("blocks_readers:[").contains("not a pattern"));
    }
}
