//! A plan: what differs between the desired, the recorded and the live side, and the ordered steps that end it. It is a
//! document: it can be saved, shown in any format, and applied later by who trusts it.

mod because;
mod check;
mod constraints;
mod decide;
mod foresee;
pub mod hazard;
pub(crate) mod kept;
mod make;
mod neighbours;
mod object;
pub(crate) mod order;
pub(crate) mod places;
mod siblings;
mod sides;
mod step;
pub(crate) mod targets;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::db::size::TableSize;
use crate::db::{Catalog, Fingerprint, History, Target};
use crate::dialect::{LockMode, Statements};
use crate::diff::FieldChange;
use crate::digest::{HexDigest, digest_more, hex};
use crate::error::{Diagnostic, Error, Kind};
use crate::kinds::tables::NewTable;
use crate::model::{Definition, ObjectId, TableId};
use crate::parallel;
use crate::selectors::Uncovered;

pub(crate) use foresee::foresee_states;
pub use foresee::{Foreseen, foresee};
pub use hazard::{Hazard, HazardKind, Severity};
pub(crate) use make::arrange;
pub use make::{Options, Present, Remarks, make, read, settled};
pub use object::ObjectRef;
pub(crate) use step::Step;

/// Version of the plan document.
pub const FORMAT_VERSION: u32 = 2;

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Make what is not there.
    Create,
    /// Change what is there because the spec changed (or because it is taken over).
    Replace,
    /// Give it another name, and change it where it differs.
    Rename,
    /// Undo a change that was made past triggerctl.
    Restore,
    /// Remove what the spec no longer has.
    Drop,
    /// Record what is there already as the spec has it; no DDL.
    Adopt,
    /// Stop recording what is gone, or what others still need; no DDL.
    Forget,
    /// It is there, it is not ours, and it differs: refused until `--adopt`.
    Conflict,
}

impl Action {
    /// All, in the order of summaries.
    pub const ALL: [Self; 8] = [
        Self::Create,
        Self::Replace,
        Self::Rename,
        Self::Restore,
        Self::Drop,
        Self::Adopt,
        Self::Forget,
        Self::Conflict,
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Rename => "rename",
            Self::Restore => "restore",
            Self::Drop => "drop",
            Self::Adopt => "adopt",
            Self::Forget => "forget",
            Self::Conflict => "conflict",
        }
    }

    /// What a finished one is called: `2 created`.
    pub fn past(self) -> &'static str {
        match self {
            Self::Create => "created",
            Self::Replace => "replaced",
            Self::Rename => "renamed",
            Self::Restore => "restored",
            Self::Drop => "dropped",
            Self::Adopt => "adopted",
            Self::Forget => "forgotten",
            Self::Conflict => "in conflict",
        }
    }

    /// Whether the database differs from the spec where this is planned. Adopting and forgetting only write down
    /// what is so already.
    pub fn differs(self) -> bool {
        !matches!(self, Self::Adopt | Self::Forget)
    }
}

/// A lock that a step takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// On which table.
    pub table: TableId,
    /// How strong.
    pub mode: LockMode,
    /// What the engine calls it.
    pub name: String,
    /// How big the table is; `None` where nothing is known.
    pub size: Option<TableSize>,
}

/// What the catalog and the history said of one object when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestsOn {
    /// The object.
    pub object: ObjectRef,
    /// Its live fingerprint; `None` when it was not there.
    pub live: Option<Box<Fingerprint>>,
    /// Its recorded digest; `None` when nothing was recorded.
    pub recorded: Option<Box<HexDigest>>,
}

/// One difference, and the step that ends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What is done.
    pub action: Action,
    /// To what; after a rename, its new name.
    pub object: ObjectRef,
    /// Why, in one line.
    pub because: Cow<'static, str>,
    /// The selector of the spec that chose its table, as it is written, where the table is not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected_by: Option<Box<str>>,
    /// What changes, live against desired.
    pub fields: Vec<FieldChange>,
    /// What was changed past triggerctl, recorded against live.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<FieldChange>,
    /// The live definition.
    pub before: Option<Definition>,
    /// The desired definition.
    pub after: Option<Definition>,
    /// Statements that do it.
    pub statements: Statements,
    /// Statements that undo it.
    pub reverse: Vec<String>,
    /// Locks that they take.
    pub locks: Vec<Lock>,
    /// What can hurt.
    pub hazards: Vec<Hazard>,
    /// What it rests on: the object, and under its old name where it is renamed.
    pub rests_on: Vec<RestsOn>,
    /// Digest of the DDL that the spec renders to, to be recorded; `None` when the object goes.
    pub rendered_digest: Option<HexDigest>,
    /// The definition alone does not tell whether it is so: a template of the user's made it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub custom: bool,
    /// The spec allows that its body fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub faults_allowed: bool,
}

impl Change {
    /// The identity of the object, as it will be.
    pub fn id(&self) -> &ObjectId {
        &self.object
    }

    /// The identity that it had, where it is renamed.
    pub fn old_id(&self) -> Option<ObjectId> {
        if self.action != Action::Rename {
            return None;
        }
        self.before.as_ref().map(Definition::id)
    }

    /// Whether what is live is on another table, from where its name cannot be taken over.
    pub fn is_elsewhere(&self) -> bool {
        let before = self.before.as_ref().map(Definition::id);
        before.is_some_and(|before| before.table() != self.id().table())
    }
}

/// The way out where the name of a trigger is taken on another table.
pub const ELSEWHERE: &str = "what is on another table is not taken over: choose another name in the spec, or drop what has it";

/// All changes, in the order in which they are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Digest of the rest of the document: names the plan in the history, and shows a change to a saved one.
    pub plan_id: String,
    /// The version of triggerctl that made it.
    pub tool_version: String,
    /// The database that it is for.
    pub target: Target,
    /// The spec's digest.
    pub spec_digest: String,
    /// The migration that was the latest; 0 before the first.
    pub base_version: i64,
    /// Digest of everything that the plan rests on.
    pub base_fingerprint: String,
    /// How many changes there are of each action that occurs.
    pub summary: BTreeMap<Action, usize>,
    /// How many objects are as they should be.
    pub unchanged: usize,
    /// Live triggers in the same schemas that triggerctl does not manage.
    pub unmanaged: Vec<ObjectRef>,
    /// Tables that kinds write to, created before anything else and never dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<NewTable>,
    /// What is no error, and probably not what was meant: selectors, and patterns of `--target`, that match nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Tables that lack a trigger which a `[[require]]` says they must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncovered: Vec<Uncovered>,
    /// The changes.
    pub changes: Vec<Change>,
}

impl Plan {
    /// Whether the database differs from the spec.
    pub fn differs(&self) -> bool {
        !self.tables.is_empty() || self.changes.iter().any(|change| change.action.differs())
    }

    /// Whether there is nothing to do or to write down.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.changes.is_empty()
    }

    /// The changes that are refused.
    pub fn conflicts(&self) -> impl Iterator<Item = &Change> {
        self.changes
            .iter()
            .filter(|change| change.action == Action::Conflict)
    }

    /// Fill in what is worked out from the rest of the document.
    pub(crate) fn sealed(mut self) -> Result<Self, Error> {
        self.plan_id = self.digest()?;
        Ok(self)
    }

    /// Digest of the document without its `plan_id`.
    fn digest(&self) -> Result<String, Error> {
        // Taken apart, so that a new member cannot be left out.
        let Self {
            format_version,
            plan_id: _,
            tool_version,
            target,
            spec_digest,
            base_version,
            base_fingerprint,
            summary,
            unchanged,
            unmanaged,
            tables,
            warnings,
            uncovered,
            changes,
        } = self;
        let members = (
            format_version,
            tool_version,
            target,
            spec_digest,
            base_version,
            base_fingerprint,
            summary,
            unchanged,
            unmanaged,
            tables,
            warnings,
            uncovered,
        );
        // A large plan is megabytes of JSON: each change has a digest of its own.
        let (digests, members) = parallel::map(changes, digest_of, || digest_of(&members));
        let mut hasher = Sha256::new();
        hasher.update(members?);
        for digest in digests {
            hasher.update(digest?);
        }
        Ok(hex(&hasher.finalize()))
    }

    /// An error that names every conflict, where there are any.
    pub fn refuse_conflicts(&self) -> Result<(), Error> {
        let diagnostics: Vec<Diagnostic> = self
            .conflicts()
            .map(|change| {
                Diagnostic::new(format!("conflict: {}", change.object))
                    .note(change.because.as_ref())
                    .help(if change.is_elsewhere() {
                        ELSEWHERE
                    } else {
                        "`--adopt` takes it over, and makes it as the spec says"
                    })
            })
            .collect();
        if diagnostics.is_empty() {
            return Ok(());
        }
        Err(Error {
            kind: Kind::Refused,
            diagnostics,
        })
    }

    /// One line: `2 created, 1 replaced`.
    pub fn summary_line(&self) -> String {
        let words = self
            .summary
            .iter()
            .map(|(action, count)| format!("{count} {}", action.past()));
        let tables = (!self.tables.is_empty()).then(|| match self.tables.len() {
            1 => "1 table created".to_owned(),
            count => format!("{count} tables created"),
        });
        words.chain(tables).collect::<Vec<_>>().join(", ")
    }

    /// The document.
    pub fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string_pretty(self)
            .map_err(|error| Error::failed(format!("the plan cannot be written: {error}")))
    }

    /// Write the document to a file, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let text = self.to_json()?;
        crate::files::write_whole(path, &text)
    }

    /// Read a document back.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = crate::files::read(path)?;
        let name = path.display();
        let version: Version = serde_json::from_str(&text).map_err(|error| {
            Error::failed(format!("`{name}` is not a saved plan: {error}"))
                .help("save one with `triggerctl plan --out FILE`")
        })?;
        if version.format_version != FORMAT_VERSION {
            return Err(Error::failed(format!(
                "`{name}` is a plan of format {}, and this triggerctl reads format {FORMAT_VERSION}",
                version.format_version
            ))
            .help("make the plan again with this version"));
        }
        let plan: Self = serde_json::from_str(&text).map_err(|error| {
            Error::failed(format!("`{name}` is a damaged plan: {error}"))
                .help("make the plan again")
        })?;
        // What was changed by hand was never looked at as a plan.
        if plan.plan_id != plan.digest()? {
            return Err(
                Error::failed(format!("`{name}` was changed after it was saved"))
                    .help("make the plan again"),
            );
        }
        Ok(plan)
    }
}

/// The part of the document that every format has.
#[derive(Deserialize)]
struct Version {
    format_version: u32,
}

/// Digest of a part of the document.
fn digest_of(part: &impl Serialize) -> Result<[u8; 32], Error> {
    // Most changes have a body, twice: with less room it would be moved several times.
    let mut json = Vec::with_capacity(8 * 1024);
    serde_json::to_writer(&mut json, part)
        .map_err(|error| Error::failed(format!("the plan cannot be written: {error}")))?;
    Ok(Sha256::digest(json).into())
}

/// Digest over the target, the version and what each change rests on.
pub(crate) fn base_fingerprint(target: &Target, version: i64, changes: &[Change]) -> String {
    let mut hasher = Sha256::new();
    let mut add = |text: &str| digest_more(&mut hasher, text);
    add(&target.dialect);
    add(&target.database);
    add(&version.to_string());
    let or_nothing = |digest: &Option<Box<HexDigest>>| match digest {
        Some(digest) => digest.to_string(),
        None => "-".to_owned(),
    };
    for rests_on in changes.iter().flat_map(|change| &change.rests_on) {
        let RestsOn {
            object,
            live,
            recorded,
        } = rests_on;
        add(object.kind());
        add(object.schema());
        add(object.table().map_or("", |table| &table.name));
        add(object.name());
        add(&or_nothing(live));
        add(&or_nothing(recorded));
    }
    hex(&hasher.finalize())
}

/// What the two sides say of one object now.
pub(crate) fn rests_on(object: ObjectRef, catalog: &Catalog, history: &History) -> RestsOn {
    RestsOn {
        live: catalog.fingerprints.get(&*object).cloned().map(Box::new),
        recorded: history
            .records
            .get(&*object)
            .map(|record| Box::new(record.rendered_digest.clone())),
        object,
    }
}

/// Everything that the plan rests on and that is no longer so, in words.
pub(crate) fn moved(
    base_version: i64,
    rests_on: &[RestsOn],
    catalog: &Catalog,
    history: &History,
) -> Vec<String> {
    let mut moved = vec![];
    if history.version != base_version {
        moved.push(format!(
            "the history is at version {}, and the plan was made at version {}",
            history.version, base_version
        ));
    }
    for was in rests_on {
        let now = self::rests_on(was.object.clone(), catalog, history);
        let what = match (&was.live, &now.live) {
            (None, Some(_)) => "exists now",
            (Some(_), None) => "is gone",
            (was, now) if was != now => "was changed",
            _ => continue,
        };
        moved.push(format!("{} {what}", was.object));
    }
    moved
}
