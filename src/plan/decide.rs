//! What is to be done about each object whose sides are not settled: how live differs from the spec and from what was recorded,
//! and which of the ways in ARCHITECTURE.md's table follows.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use crate::db::{Catalog, Database, History, Record};
use crate::desired::{Desired, DesiredSet};
use crate::diff::{self, FieldChange, Judge};
use crate::error::{Error, Kind};
use crate::model::{Definition, ObjectId, TriggerId};
use crate::render::Renderer;

use super::because::followed;
use super::kept::{self, keep_definer};
use super::make::Options;
use super::sides::{Evidence, Sides};
use super::step::Step;
use super::{Action, Change, places, rests_on, targets};

/// What turns sides into changes.
pub(super) struct Planner<'a> {
    pub(super) database: &'a mut dyn Database,
    pub(super) renderer: &'a Renderer,
    pub(super) options: &'a Options,
    pub(super) evidence: Evidence,
    pub(super) history: &'a History,
    pub(super) catalog: &'a Catalog,
    pub(super) desired: &'a DesiredSet,
    /// The live triggers that nobody recorded or wants, by name; asked for only where something is gone.
    pub(super) nobodys: OnceCell<HashMap<String, Vec<&'a ObjectId>>>,
}

impl<'a> Planner<'a> {
    /// What is to be done about one object; `None` when nothing is.
    pub(super) fn change(&mut self, sides: &Sides<'_>) -> Result<Option<Change>, Error> {
        let live = match sides.live {
            None => None,
            Some(_) => Some(self.evidence.live.get(sides.from).cloned().ok_or_else(|| {
                Error::new(
                    Kind::Busy,
                    format!("{} was changed while it was being read", sides.from),
                )
                .help("try again")
            })?),
        };
        let drift = self.drift(sides, live.as_ref());
        let (action, because) = match (sides.desired, sides.record, &live) {
            (Some(_), None, None) => (Action::Create, Cow::from("new in the spec")),
            (Some(_), Some(record), None) => (
                Action::Restore,
                format!(
                    "gone from the database since version {}{}",
                    record.version,
                    self.renamed_by_hand(&sides.id, record)
                )
                .into(),
            ),
            (Some(desired), record, Some(live)) => {
                return self.both(sides, desired, record, live, drift).map(Some);
            }
            (None, Some(_), Some(_)) if targets::is_let_go(&sides.id, &self.options.forgets) => (
                Action::Forget,
                Cow::from(
                    "let go by `forget` in the spec: it stays as it is, and is no longer managed",
                ),
            ),
            (None, Some(_), Some(_)) if drift.is_empty() => {
                let because = sides.beside.map_or_else(
                    || Cow::from("no longer in the spec"),
                    |to| {
                        Cow::from(format!(
                            "no longer in the spec, and not renamed to `{}`, which is there already",
                            to.name()
                        ))
                    },
                );
                (Action::Drop, because)
            }
            (None, Some(record), Some(_)) => (
                Action::Drop,
                format!(
                    "no longer in the spec (and changed by hand since version {})",
                    record.version
                )
                .into(),
            ),
            (None, Some(record), None) => (Action::Forget, self.gone(&sides.id, record).into()),
            (None, None, _) => return Ok(None),
        };
        self.build(
            sides,
            Decision {
                action,
                because,
                fields: vec![],
                drift,
            },
            live,
        )
        .map(Some)
    }

    /// Desired and live are both there.
    fn both(
        &mut self,
        sides: &Sides<'_>,
        desired: &Desired,
        record: Option<&Record>,
        live: &Definition,
        drift: Vec<FieldChange>,
    ) -> Result<Change, Error> {
        let wanted = self.wanted(sides, desired);
        let mut fields = diff::compare(live, &wanted, &self.judge());
        let rendered_anew = record.is_none_or(|record| record.rendered_digest != desired.digest);
        if desired.ddl.custom {
            of_template(&mut fields, !rendered_anew && drift.is_empty());
        }
        let names = names(&fields);
        let followed = followed(self.evidence.recorded.get(sides.from), &wanted);
        let (action, because) =
            if *sides.id != *sides.from && sides.id.table() != sides.from.table() {
                (Action::Conflict, taken(record, sides).into())
            } else if record.is_none() && *sides.id != *sides.from && !self.options.adopt {
                let message = format!(
                    "`{}`, from which it is renamed, is there, but triggerctl did not create it",
                    sides.from.name()
                );
                (Action::Conflict, Cow::from(message))
            } else if *sides.id != *sides.from {
                (
                    Action::Rename,
                    Cow::from(format!("renamed from `{}` in the spec", sides.from.name())),
                )
            } else if fields.is_empty() && record.is_none() {
                (
                    Action::Adopt,
                    Cow::from("in the database already, as the spec has it"),
                )
            } else if fields.is_empty() && !drift.is_empty() {
                (
                    Action::Adopt,
                    Cow::from("changed in the database to what the spec has"),
                )
            } else if fields.is_empty() {
                (
                    Action::Adopt,
                    Cow::from("written or stored differently, but the same"),
                )
            } else if record.is_none() && self.options.adopt {
                (
                    Action::Replace,
                    Cow::from(format!("taken over, and differs from the spec: {names}")),
                )
            } else if record.is_none() {
                (Action::Conflict, self.not_ours(&sides.id, &names).into())
            } else if drift.is_empty() && !rendered_anew {
                // What no fingerprint holds: its place among its siblings.
                let version = record.map_or(0, |record| record.version);
                (
                    Action::Restore,
                    Cow::from(format!("changed by hand since version {version}: {names}")),
                )
            } else if drift.is_empty() {
                let because = match followed {
                    None => format!("the spec changed: {names}"),
                    Some(followed) if followed.templates_changed => {
                        format!("the spec changed, and {}: {names}", followed.what)
                    }
                    Some(followed) => format!("{names} changes because {}", followed.what),
                };
                (Action::Replace, Cow::from(because))
            } else {
                let version = record.map_or(0, |record| record.version);
                let drifted = self::names(&drift);
                let also = match followed {
                    Some(followed) if rendered_anew => format!(", and {}", followed.what),
                    _ if rendered_anew => ", and the spec changed too".to_owned(),
                    _ => String::new(),
                };
                (
                    Action::Restore,
                    Cow::from(format!(
                        "changed by hand since version {version}: {drifted}{also}"
                    )),
                )
            };
        self.build(
            sides,
            Decision {
                action,
                because: match self.not_renamed(sides, action) {
                    none if none.is_empty() => because,
                    more => Cow::from(because.into_owned() + &more),
                },
                fields,
                drift,
            },
            Some(live.clone()),
        )
    }

    /// What becomes of the one that was to be renamed to this one, which is there already.
    fn not_renamed(&self, sides: &Sides<'_>, action: Action) -> String {
        let Some(old) = sides.beside else {
            return String::new();
        };
        let then = match self.history.records.contains_key(old) {
            _ if action == Action::Conflict => "rename or drop one of the two",
            true => "that one is dropped",
            false => "that one stays as it is",
        };
        let old = old.name();
        format!("; `{old}` cannot be renamed to a name that is taken: {then}")
    }

    /// Where a trigger is gone, and one of another name on its table is the same to the last attribute and nobody's: what
    /// was most likely done to it. It still fires, and would do so beside the one that is made again.
    fn renamed_by_hand(&self, id: &ObjectId, record: &Record) -> String {
        let ObjectId::Trigger(gone) = id else {
            return String::new();
        };
        let first = ObjectId::Trigger(TriggerId {
            table: gone.table.clone(),
            name: String::new(),
        });
        self.catalog
            .fingerprints
            .range(first..)
            .take_while(|(other, _)| other.table() == Some(&gone.table))
            .find(|(other, live)| {
                **live == record.live_fingerprint && !self.history.records.contains_key(other)
            })
            .map_or_else(String::new, |(other, _)| {
                format!(
                    "; `{0}` on the same table is the same, and is not managed: was it renamed? both would fire: drop that one, or take it \
                     over with `renamed_from = \"{0}\"` and `--adopt`",
                    other.name()
                )
            })
    }

    /// Why one that is not recorded is left alone. A table or a schema that is renamed takes with it what is in it: what is
    /// recorded under this name in another place, and is there no more, was most likely this one.
    fn not_ours(&self, id: &ObjectId, names: &str) -> String {
        let is_it = |other: &&ObjectId| {
            other.kind() == id.kind()
                && other.name() == id.name()
                && !self.catalog.fingerprints.contains_key(*other)
        };
        match self.history.records.keys().find(is_it) {
            None => format!(
                "in the database already, not created by triggerctl, and different: {names}"
            ),
            Some(gone) => format!(
                "in the database already, and different: {names}; triggerctl made {gone}, which is gone: was that renamed with \
                 what it is in?"
            ),
        }
    }

    /// Where the table of a trigger was renamed, its triggers went along, and fire there as they did.
    fn went_along(&self, id: &ObjectId, record: &Record) -> Option<&'a ObjectId> {
        let table = id.table()?;
        let nobodys = self.nobodys.get_or_init(|| {
            let mut named: HashMap<String, Vec<&ObjectId>> = HashMap::new();
            // What the spec renames is taken over by that.
            let renamed: HashSet<&ObjectId> = self
                .desired
                .values()
                .filter_map(|desired| desired.renamed_from.as_deref())
                .collect();
            let live = self.catalog.fingerprints.keys();
            for id in live.filter(|id| {
                !self.history.records.contains_key(id)
                    && !self.desired.contains_key(*id)
                    && !renamed.contains(id)
            }) {
                let name = id.name().to_ascii_lowercase();
                named.entry(name).or_default().push(id);
            }
            named
        });
        let is_per_table = self.database.dialect().names_are_per_table();
        let is_same = |other: &&&ObjectId| {
            other.table().is_some_and(|other| other != table)
                // A name that is one trigger's alone is enough: SQLite rewrites the text of what it takes along.
                && (!is_per_table
                    || self.catalog.fingerprints.get(**other) == Some(&record.live_fingerprint))
        };
        let named = nobodys.get(&id.name().to_ascii_lowercase())?;
        named.iter().find(is_same).copied()
    }

    /// What is said of a trigger that is gone, and not wanted any more.
    fn gone(&self, id: &ObjectId, record: &Record) -> String {
        if let (Some(there), Some(table)) = (self.went_along(id, record), id.table()) {
            let there_on = there.table().map_or("", |table| &table.name);
            return format!(
                "no longer in the spec, and gone from `{}`; but `{}` is on `{there_on}`, fires there, and is not managed: if that is \
                 the table's new name, take it over with `renamed_from` and `--adopt`, or drop it",
                table.name,
                there.name(),
            );
        }
        format!(
            "no longer in the spec, and gone from the database already{}",
            self.renamed_by_hand(id, record)
        )
    }

    /// How live differs from what was recorded; empty where nothing was recorded or nothing is live.
    fn drift(&self, sides: &Sides<'_>, live: Option<&Definition>) -> Vec<FieldChange> {
        let (Some(record), Some(fingerprint), Some(live)) = (sides.record, sides.live, live) else {
            return vec![];
        };
        if record.live_fingerprint == *fingerprint {
            return vec![];
        }
        let Some(recorded) = self.evidence.recorded.get(sides.from) else {
            return vec![];
        };
        let mut drift = diff::compare(recorded, live, &self.judge());
        let unsaid =
            |field: &&mut FieldChange| [diff::OWNER, diff::EXECUTE].contains(&&*field.field);
        if let Some(field) = drift.iter_mut().rfind(unsaid) {
            field.note =
                Some("no spec says who this is: `--adopt` keeps it as it is now".to_owned());
        }
        drift
    }

    /// What the spec asks for, with what it leaves open as it was recorded.
    fn wanted(&self, sides: &Sides<'_>, desired: &Desired) -> Definition {
        let mut wanted = desired.definition.clone();
        if self.keeps_owner(&wanted) {
            if let Some(live) = self.evidence.live.get(sides.from) {
                self.database.dialect().complete(&mut wanted, live);
            }
        } else if let Some(recorded) = self.evidence.recorded.get(sides.from) {
            self.database.dialect().complete(&mut wanted, recorded);
        } else if let Some(live) = self.evidence.live.get(sides.from) {
            keep_definer(&mut wanted, live);
        }
        wanted
    }

    /// Whether what somebody did to the owner and the rights of a function is taken over: no spec says who they are to be.
    fn keeps_owner(&self, wanted: &Definition) -> bool {
        self.options.adopt && matches!(wanted, Definition::Function(_))
    }

    fn judge(&self) -> Judge<'_> {
        Judge {
            dialect: self.database.dialect(),
            verdicts: &self.evidence.verdicts,
        }
    }

    fn build(
        &self,
        sides: &Sides<'_>,
        decision: Decision,
        live: Option<Definition>,
    ) -> Result<Change, Error> {
        let Decision {
            action,
            because,
            fields,
            drift,
        } = decision;
        let mut rested = vec![rests_on(sides.id.clone(), self.catalog, self.history)];
        if *sides.from != *sides.id {
            rested.push(rests_on(sides.from.into(), self.catalog, self.history));
        }
        let mut after = sides.desired.map(|desired| self.wanted(sides, desired));
        // What was dropped by hand comes back to where it was.
        let recorded = self.evidence.recorded.get(sides.from);
        if let (None, Some(after), Some(recorded)) = (&live, &mut after, recorded)
            && after.place().is_none()
        {
            places::set_place(after, recorded.place().cloned());
        }
        if let (Action::Restore, Some(after), Some(recorded)) = (action, &mut after, recorded)
            && !self.keeps_owner(after)
        {
            let unchanged = sides.record.zip(sides.desired);
            let is_as_asked =
                unchanged.is_some_and(|(record, desired)| record.rendered_digest == desired.digest);
            kept::restore(after, recorded, is_as_asked);
        }
        // Where it is more than the spec says, the DDL of the spec does not make it; and nothing makes what is there.
        let create = sides
            .desired
            .filter(|desired| desired.ddl.custom || after.as_ref() == Some(&desired.definition));
        let (dialect, server) = (self.database.dialect(), self.database.server());
        let create = match create {
            Some(desired) if live.is_none() => {
                Some(desired.made(dialect, self.renderer, server)?)
            }
            create => create.map(|desired| Cow::Borrowed(&desired.ddl)),
        };
        if action == Action::Forget {
            after.clone_from(&live);
        }
        let step = Step {
            action,
            object: sides.id.clone(),
            before: live,
            after,
            fields,
            create: create.as_deref(),
        };
        Ok(Change {
            because,
            selected_by: sides
                .desired
                .and_then(|desired| desired.selected_by.as_deref())
                .map(Box::from),
            drift,
            rests_on: rested,
            rendered_digest: sides.desired.map(|desired| desired.digest.clone()),
            faults_allowed: sides.desired.is_some_and(|desired| desired.faults_allowed),
            ..step.change(self.database, self.renderer)?
        })
    }
}

/// Why a trigger cannot be made: its name is that of one on another table.
fn taken(record: Option<&Record>, sides: &Sides<'_>) -> String {
    match record {
        // A table that was built anew beside the old one, and swapped with it by a rename, leaves it there.
        Some(record) => format!(
            "gone from its table since version {}, and the name is taken by {}: it went along with a table that was renamed, or \
             somebody made it there",
            record.version, sides.from
        ),
        None => format!(
            "the name is taken by {}, which triggerctl did not create",
            sides.from
        ),
    }
}

/// What a template of the user's adds, the definition does not show: live is right when it is as recorded and the same text is
/// rendered; then what the definition says apart from that is no difference.
fn of_template(fields: &mut Vec<FieldChange>, is_as_recorded: bool) {
    if is_as_recorded {
        fields.clear();
    } else if fields.is_empty() {
        let note = "a template of yours makes it, and what it renders to is not what was recorded";
        fields.push(FieldChange {
            field: "template".to_owned(),
            before: None,
            after: None,
            note: Some(note.to_owned()),
        });
    }
}

/// What was decided about one object.
struct Decision {
    action: Action,
    because: Cow<'static, str>,
    fields: Vec<FieldChange>,
    drift: Vec<FieldChange>,
}

fn names(fields: &[FieldChange]) -> String {
    fields
        .iter()
        .map(|change| change.field.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}
