//! Not working out twice what the spec asks for. Everything that the desired side is made from has a digest, its source;
//! what comes of it has another, its result. Apply writes both down; where the source is still the same, so is the
//! result, and a plan need only see that the result is what is recorded.
//!
//! This is a fact about two texts, not about the database: it stays true whatever happens afterwards. A rollback, a partial
//! apply or a row changed by hand change what is recorded, and then the result is not what is recorded any more. Whenever
//! anything is not as it was, the long way is taken.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::db::url::DatabaseUrl;
use crate::db::{self, Catalog, Database, History, Intent, Reach};
use crate::desired::{Desired, DesiredSet};
use crate::digest::{HexDigest, hex};
use crate::error::Error;
use crate::lookup::{Lookup, Noted, Question};
use crate::model::{FunctionId, ObjectId};
use crate::parallel::{self, Busy};
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
    /// Where all that is.
    #[serde(default)]
    whereabouts: Option<Whereabouts>,
}

/// Where to look for what a spec comes to, before it is known that it still comes to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Whereabouts {
    /// Digest of what the spec and the command line said, and of nothing that the database did.
    said: String,
    reach: Reach,
}

/// Reading this many objects takes longer than opening a second connection.
const WORTH_A_CONNECTION: usize = 400;

/// About what reading one more object of the history takes: so long a second connection is waited for.
const READING_ONE: Duration = Duration::from_micros(5);

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
    let digests = desired.iter().map(|(id, object)| (&**id, &object.digest));
    let mut source = source?;
    let whereabouts = Whereabouts {
        said: source.clone().digest(),
        reach: reach(desired),
    };
    source.add_database(database, &noted);
    let rendering = Rendering {
        source: source.digest(),
        questions: noted.questions,
        result: result(digests),
        whereabouts: Some(whereabouts),
    };
    serde_json::to_string(&rendering).ok()
}

/// Where these objects are.
fn reach(desired: &DesiredSet) -> Reach {
    let called: BTreeSet<&FunctionId> = desired
        .values()
        .filter_map(|object| object.definition.calls())
        .collect();
    let uncalled = desired.keys().filter_map(|id| match &**id {
        ObjectId::Function(function) => (!called.contains(function)).then(|| function.clone()),
        ObjectId::Trigger(_) => None,
    });
    let schemas: BTreeSet<&str> = desired.keys().map(|id| id.schema()).collect();
    Reach {
        schemas: schemas.into_iter().map(str::to_owned).collect(),
        uncalled: uncalled.collect(),
        objects: desired.len(),
    }
}

/// Digest of objects, in order, and the digests of their DDL.
fn result<'a>(objects: impl Iterator<Item = (&'a ObjectId, &'a HexDigest)>) -> String {
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
        add(&digest.to_string());
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

/// What was read ahead, all of it as of one moment, which lasts where there is more to be read.
pub struct Reading {
    /// The connection; where there is `more`, a second one that sees what the first one sees.
    pub database: Box<dyn Database>,
    /// The history, and with it the catalog where that has been read too.
    pub found: Found,
    /// The first connection, where it is still at it.
    pub more: Option<More>,
}

/// A connection over which the catalog is being read.
pub struct More {
    thread: JoinHandle<Box<dyn Database>>,
}

impl More {
    /// Begin to read the catalog; `done` is told when that is over.
    fn start(mut database: Box<dyn Database>, reach: Reach, done: Sender<Event>) -> Self {
        let thread = thread::spawn(move || {
            // Whoever asks for the catalog gets to know what is wrong.
            if let Err(error) = database.look_ahead(&reach) {
                log::debug!("reading ahead: {error}");
            }
            // Perhaps nobody waits for it.
            let (Ok(()) | Err(_)) = done.send(Event::Read);
            database
        });
        Self { thread }
    }

    /// The connection, when it has read the catalog; it still sees what it saw.
    pub fn join(self) -> Box<dyn Database> {
        parallel::joined(self.thread.join())
    }
}

/// What happens while two connections are at it.
enum Event {
    /// The second one is there, or is not to be had.
    Second(Result<Box<dyn Database>, Error>),
    /// The first one has read the catalog.
    Read,
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
    /// Begin to read. Without a source only the history is read; with one, and unless `all` is looked at anyway, it is found
    /// out whether the triggers of the spec need be read.
    pub fn start(
        url: DatabaseUrl,
        settings: db::Settings,
        source: Option<Source>,
        all: bool,
    ) -> Self {
        let needless = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&needless);
        let (sender, verdict) = mpsc::channel();
        // Without a source, or where none is written down, there is nothing to wait for.
        let source = source.filter(|_| url.keeps_rendering());
        let sender = source.is_some().then_some(sender);
        let busy = Busy::new();
        let thread = thread::spawn(move || {
            let _busy = busy;
            let database = db::connect(&url, &settings, Intent::Read)?;
            let needless = Needless {
                flag: &flag,
                verdict: sender,
                all,
            };
            look(source, database, needless)
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
        parallel::joined(self.thread.join())
    }
}

/// Whether the triggers of the spec need be read, as far as that is known.
struct Needless<'a> {
    flag: &'a AtomicBool,
    verdict: Option<Sender<Never>>,
    /// They are read anyway.
    all: bool,
}

impl Needless<'_> {
    /// What it looks like now.
    fn say(&mut self, is_needless: bool) {
        self.flag.store(is_needless && !self.all, Ordering::Relaxed);
        self.verdict = None;
    }
}

/// Read the history and, where the spec asks for what is recorded, the catalog.
fn look(
    source: Option<Source>,
    mut database: Box<dyn Database>,
    mut needless: Needless<'_>,
) -> Result<Reading, Error> {
    let mut written = source.and_then(|source| Some((source, written(&mut *database)?)));
    if let Some((source, rendering)) = &written
        && let Some(whereabouts) = &rendering.whereabouts
        && whereabouts.reach.objects >= WORTH_A_CONNECTION
        && whereabouts.said == source.clone().digest()
        && let Some(second) = database.second()?
    {
        // What is left to find out is whether the tables are as they were, and they mostly are.
        needless.say(true);
        let (sender, events) = mpsc::channel();
        let more = More::start(database, whereabouts.reach.clone(), sender.clone());
        let objects = u32::try_from(whereabouts.reach.objects).unwrap_or(u32::MAX);
        let patience = READING_ONE.saturating_mul(objects);
        thread::spawn(move || {
            // Whoever has done without it does not wait any more: then it is closed here.
            let (Ok(()) | Err(_)) = sender.send(Event::Second(second()));
        });
        let mut event = events.recv().ok();
        if matches!(event, Some(Event::Read)) {
            event = events.recv_timeout(patience).ok();
        }
        match event {
            Some(Event::Second(Ok(second))) => {
                log::debug!("the history is read beside the catalog, over a second connection");
                return beside(written, second, more, needless);
            }
            Some(Event::Second(Err(error))) => {
                log::debug!("there is no second connection: {error}");
            }
            Some(Event::Read) | None => {
                log::debug!(
                    "there is no second connection yet, and it is not waited for any longer"
                );
            }
        }
        database = more.join();
    }
    if needless.all {
        written = None;
    }
    database.begin_moment()?;
    let found = one_by_one(written, &mut *database, &mut needless);
    if !matches!(found, Found::Recorded(_)) {
        database.end_moment()?;
    }
    Ok(Reading {
        database,
        found,
        more: None,
    })
}

/// All over one connection.
fn one_by_one(
    written: Option<(Source, Rendering)>,
    database: &mut dyn Database,
    needless: &mut Needless<'_>,
) -> Found {
    let recorded = match written.map(|(source, written)| recorded(source, written, database)) {
        None => None,
        Some(Ok(recorded)) => recorded,
        Some(Err(error)) => {
            log::debug!("reading ahead: {error}");
            leave(database);
            None
        }
    };
    needless.say(recorded.is_some());
    let history = match database.history() {
        Ok(history) => history,
        Err(error) => {
            needless.say(false);
            leave(database);
            return Found::Recorded(Err(error));
        }
    };
    if recorded.is_some_and(|recorded| recorded == result_of(&history)) {
        compare(history, database, needless)
    } else {
        needless.say(false);
        Found::Recorded(Ok(history))
    }
}

/// The history over the second connection, while the first one reads the catalog.
fn beside(
    written: Option<(Source, Rendering)>,
    mut second: Box<dyn Database>,
    more: More,
    mut needless: Needless<'_>,
) -> Result<Reading, Error> {
    let read = || {
        let written = written.filter(|_| !needless.all);
        let recorded = written.map(|(source, written)| recorded(source, written, &mut *second));
        let recorded = recorded.transpose()?.flatten();
        needless.say(recorded.is_some());
        let history = second.history()?;
        let is_result = recorded.is_some_and(|it| it == result_of(&history));
        Ok::<_, Error>((history, is_result))
    };
    match read() {
        Ok((history, true)) => {
            drop(second);
            let mut database = more.join();
            let found = compare(history, &mut *database, &mut needless);
            database.end_moment()?;
            Ok(Reading {
                database,
                found,
                more: None,
            })
        }
        Ok((history, false)) => {
            needless.say(false);
            Ok(Reading {
                database: second,
                found: Found::Recorded(Ok(history)),
                more: Some(more),
            })
        }
        Err(error) => {
            // What is wrong is said by the first one, if it is wrong there too.
            log::debug!("over the second connection: {error}");
            needless.say(false);
            drop(second);
            let mut database = more.join();
            let found = one_by_one(None, &mut *database, &mut needless);
            Ok(Reading {
                found,
                database,
                more: None,
            })
        }
    }
}

/// The catalog beside a history in which the spec asks for what is recorded.
fn compare(history: History, database: &mut dyn Database, needless: &mut Needless<'_>) -> Found {
    match crate::plan::read(std::iter::empty(), &history, database) {
        Ok(catalog) if is_settled(&history, &catalog) => {
            log::debug!("{SHORT}");
            Found::Settled(Present::of(history, catalog))
        }
        Ok(catalog) => {
            needless.say(false);
            Found::Moved(Present::of(history, catalog))
        }
        Err(error) => {
            needless.say(false);
            log::debug!("reading ahead: {error}");
            leave(database);
            Found::Recorded(Ok(history))
        }
    }
}

/// After a failure nothing more can be read as of the same moment. That the connection is lost, whoever uses it next will say.
fn leave(database: &mut dyn Database) {
    if let Err(error) = database.end_moment() {
        log::debug!("reading ahead: {error}");
    }
}

/// Digest of what is recorded.
fn result_of(history: &History) -> String {
    let digests = history
        .records
        .iter()
        .map(|(id, record)| (id, &record.rendered_digest));
    result(digests)
}

/// What was written down last, if anything.
fn written(database: &mut dyn Database) -> Option<Rendering> {
    serde_json::from_str(&database.rendering().ok()??).ok()
}

/// What the desired side comes to, where it is still made from the same.
fn recorded(
    mut source: Source,
    written: Rendering,
    database: &mut dyn Database,
) -> Result<Option<String>, Error> {
    let mut lookup = Lookup::new(&mut *database);
    for question in written.questions {
        lookup.ask_again(question)?;
    }
    let noted = lookup.noted();
    source.add_database(database, &noted);
    Ok((source.digest() == written.source).then_some(written.result))
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
