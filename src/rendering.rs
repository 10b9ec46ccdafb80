//! Not working out twice what the spec asks for. Everything that the desired side is made from has a digest, its source;
//! what comes of it has another, its result. Apply writes both down; where the source is still the same, so is the
//! result, and a plan need only see that the result is what is recorded.
//!
//! This is a fact about two texts, not about the database: it stays true whatever happens afterwards. A rollback, a partial
//! apply or a row changed by hand change what is recorded, and then the result is not what is recorded any more. Whenever
//! anything is not as it was, the long way is taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::db::url::DatabaseUrl;
use crate::db::{self, Catalog, Database, History, Intent};
use crate::desired::{Desired, DesiredSet, hex};
use crate::error::Error;
use crate::lookup::{Lookup, Noted, Question};
use crate::model::ObjectId;
use crate::parallel::Busy;
use crate::plan::Present;
use crate::spec::Spec;

/// What is said with `-vv` where the short way was taken.
const SHORT: &str = "nothing that the spec is made from has changed since it was applied";

/// The sources and templates that this program was built from: another build may make something else of the same spec.
const BUILD: &str = env!("TRIGGERCTL_BUILD");

/// What is written down beside a migration, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Rendering {
    /// Digest of everything that the desired side is made from.
    source: String,
    /// What was asked of the database for it, in order.
    questions: Vec<Question>,
    /// Digest of the objects that it comes to and of their DDL.
    result: String,
}

/// What the desired side is made from, as far as the spec and the command line say it.
#[derive(Debug, Clone)]
pub struct Source {
    hasher: Sha256,
}

impl Source {
    /// What a spec and the chosen environment say; `None` where they hold what must not even be told from a digest, or
    /// what only reading the whole spec would tell.
    pub fn of(spec: &Spec, environment: Option<&str>) -> Option<Self> {
        Self::of_build(BUILD, spec, environment)
    }

    fn of_build(build: &str, spec: &Spec, environment: Option<&str>) -> Option<Self> {
        // The environment may hold passwords. A digest over one could be tried out.
        let is_url = |line: &str| {
            let value = line.strip_prefix("url").map(str::trim_start);
            value.is_some_and(|value| value.starts_with('='))
        };
        let from_outside = |line: &str| line.contains("${env:") && !is_url(line);
        let lines = spec.files.iter().flat_map(|file| file.text.lines());
        if spec.vars.contains_key("url")
            || spec.files.iter().any(|file| file.text.contains("${env:"))
                && lines.map(str::trim_start).any(from_outside)
        {
            return None;
        }
        let mut source = Self {
            hasher: Sha256::new(),
        };
        // One build of triggerctl always makes the same of the same.
        source.add(build);
        // All files in reading order, and the user's templates.
        source.add(&spec.digest);
        source.add(&format!("{environment:?}"));
        source.add(&format!("{:?}", spec.vars));
        Some(source)
    }

    fn add(&mut self, text: &str) {
        self.hasher.update((text.len() as u64).to_le_bytes());
        self.hasher.update(text);
    }

    /// What the database adds.
    fn add_database(&mut self, database: &dyn Database, noted: &Noted) {
        // Its templates, and the built-in kinds, are part of the build.
        self.add(database.dialect().name());
        self.add(&format!("{:?}", database.server()));
        self.add(&noted.digest());
    }

    fn digest(self) -> String {
        hex(&self.hasher.finalize())
    }
}

/// What to write down about the desired side, for which what was noted was asked of the database; `None` where that would
/// not say enough.
pub fn record(
    source: Option<Source>,
    noted: Noted,
    desired: &DesiredSet,
    history: &History,
    database: &dyn Database,
) -> Option<String> {
    // Where nothing is told from a name alone: what a trigger was called before, or which others it stands between, says
    // more than its digest.
    let is_plain =
        |object: &Desired| object.renamed_from.is_none() && object.definition.place().is_none();
    if (history.exists && !history.keeps_rendering)
        || !desired.values().all(|object| is_plain(object))
    {
        return None;
    }
    let digests = desired
        .iter()
        .map(|(id, object)| (id, object.digest.as_str()));
    let mut source = source?;
    source.add_database(database, &noted);
    let rendering = Rendering {
        source: source.digest(),
        questions: noted.questions,
        result: result(digests),
    };
    serde_json::to_string(&rendering).ok()
}

/// Digest of objects, in order, and the digests of their DDL.
fn result<'a>(objects: impl Iterator<Item = (&'a ObjectId, &'a str)>) -> String {
    let mut hasher = Sha256::new();
    let mut add = |text: &str| {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    };
    for (id, digest) in objects {
        add(id.kind());
        add(id.schema());
        add(id.table().map_or("", |table| &table.name));
        add(id.name());
        add(digest);
    }
    hex(&hasher.finalize())
}

/// Connecting and the first reading, in a thread of its own while the spec is read.
pub struct Ahead {
    thread: JoinHandle<Result<Reading, Error>>,
    verdict: Receiver<Never>,
    /// Set as soon as it seems that the triggers of the spec need not be read.
    pub needless: Arc<AtomicBool>,
}

/// Nothing is ever sent: that the other end is gone says it.
enum Never {}

/// So long the triggers of the spec are better not read when it may turn out that they need not be: at worst this is lost,
/// and mostly the answer is there much earlier.
const PATIENCE: Duration = Duration::from_millis(60);

/// What was read ahead.
pub struct Reading {
    /// The connection.
    pub database: Box<dyn Database>,
    /// The history, and with it the catalog where that has been read too.
    pub found: Found,
}

/// How far reading ahead came.
pub enum Found {
    /// The spec asks for what is recorded, and it is all there.
    Settled(Present),
    /// The spec asks for what is recorded, and something is not as it was.
    Moved(Present),
    /// The recorded side only.
    Recorded(Result<History, Error>),
}

impl Ahead {
    /// Begin to read. Without a source only the history is read.
    pub fn start(url: DatabaseUrl, settings: db::Settings, source: Option<Source>) -> Self {
        let needless = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&needless);
        let (sender, verdict) = mpsc::channel();
        let busy = Busy::new();
        let thread = thread::spawn(move || {
            let _busy = busy;
            let mut database = db::connect(&url, &settings, Intent::Read)?;
            let found = look(source, &mut *database, &flag, sender);
            Ok(Reading { database, found })
        });
        Self {
            thread,
            verdict,
            needless,
        }
    }

    /// Give it a moment to find out whether the triggers of the spec need be read.
    pub fn wait(&self) {
        // Either the time is over, or the other end is gone.
        let (Ok(_) | Err(_)) = self.verdict.recv_timeout(PATIENCE);
    }

    /// What was read.
    pub fn finish(self) -> Result<Reading, Error> {
        match self.thread.join() {
            Ok(reading) => reading,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Read the history and, where the spec asks for what is recorded, the catalog. `needless` is set while it looks as if
/// the triggers of the spec need not be read.
fn look(
    source: Option<Source>,
    database: &mut dyn Database,
    needless: &AtomicBool,
    verdict: Sender<Never>,
) -> Found {
    let recorded = source.and_then(|source| recorded(source, database));
    needless.store(recorded.is_some(), Ordering::Relaxed);
    drop(verdict);
    let history = match database.history() {
        Ok(history) => history,
        Err(error) => {
            needless.store(false, Ordering::Relaxed);
            return Found::Recorded(Err(error));
        }
    };
    let digests = history
        .records
        .iter()
        .map(|(id, record)| (id, record.rendered_digest.as_str()));
    if recorded.is_none_or(|recorded| recorded != result(digests)) {
        needless.store(false, Ordering::Relaxed);
        return Found::Recorded(Ok(history));
    }
    match crate::plan::read(std::iter::empty(), &history, database) {
        Ok(catalog) if is_settled(&history, &catalog) => {
            log::debug!("{SHORT}");
            Found::Settled(Present::of(history, catalog))
        }
        Ok(catalog) => {
            needless.store(false, Ordering::Relaxed);
            Found::Moved(Present::of(history, catalog))
        }
        Err(error) => {
            needless.store(false, Ordering::Relaxed);
            log::debug!("reading ahead: {error}");
            Found::Recorded(Ok(history))
        }
    }
}

/// What the desired side comes to, where that was written down and it is still made from the same.
fn recorded(mut source: Source, database: &mut dyn Database) -> Option<String> {
    let rendering: Rendering = serde_json::from_str(&database.rendering().ok()??).ok()?;
    let mut lookup = Lookup::new(&mut *database);
    for question in rendering.questions {
        lookup.ask_again(question).ok()?;
    }
    let noted = lookup.noted();
    source.add_database(database, &noted);
    (source.digest() == rendering.source).then_some(rendering.result)
}

/// Whether each recorded object is live, and as it was recorded.
fn is_settled(history: &History, catalog: &Catalog) -> bool {
    let mut live = catalog.fingerprints.iter();
    // Both are in the order of the identities.
    history.records.iter().all(|(id, record)| {
        live.find(|(other, _)| *other >= id)
            .is_some_and(|(other, fingerprint)| {
                other == id && *fingerprint == record.live_fingerprint
            })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::spec::LoadOptions;

    #[test]
    fn another_build_is_another_source() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("triggers.toml");
        std::fs::write(&path, "version = 1\n").unwrap();
        let spec = Spec::load(&path, &LoadOptions::default()).unwrap();
        let digest = |build: &str| Source::of_build(build, &spec, None).unwrap().digest();
        assert_eq!(digest("a"), digest("a"));
        assert_ne!(digest("a"), digest("b"));
        assert_eq!(Source::of(&spec, None).unwrap().digest(), digest(BUILD));
        assert_eq!(BUILD.len(), 32);
        assert_ne!(BUILD, "0".repeat(32));
    }
}
