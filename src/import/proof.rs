//! The proof that what is written stands for what is live: it is read, lowered and compared before anybody sees it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::db::{self, Database};
use crate::desired::{self, Asked};
use crate::diff::{self, Judge};
use crate::error::{Diagnostic, Error, Kind, SourceFile};
use crate::model::{Definition, ObjectId};
use crate::render::Renderer;
use crate::spec::{LoadOptions, Spec};

/// What keeps an import from being written. All of it is told together, in the order in which one comes upon it.
#[derive(Debug, Default)]
pub(super) struct Problems {
    /// What a spec cannot say.
    pub(super) unspeakable: Vec<Diagnostic>,
    /// What would be written and cannot be read.
    unread: Vec<Diagnostic>,
    /// What would not be as it is live.
    lost: Vec<(Arc<ObjectId>, Diagnostic)>,
    /// What would not come of it.
    absent: Vec<Diagnostic>,
}

impl Problems {
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            unspeakable,
            unread,
            lost,
            absent,
        } = self;
        unspeakable.is_empty() && unread.is_empty() && lost.is_empty() && absent.is_empty()
    }

    /// An error where there are any. What comes of others is not said beside them.
    pub(super) fn told(self) -> Result<(), Error> {
        let Self {
            unspeakable,
            unread,
            mut lost,
            absent,
        } = self;
        Error::collected(once(unspeakable))?;
        Error::collected(once(unread))?;
        lost.sort_by(|(left, _), (right, _)| left.cmp(right));
        lost.dedup_by(|(left, _), (right, _)| left == right);
        let lost = lost.into_iter().map(|(_, problem)| problem);
        Error::collected(lost.chain(absent).collect())
    }

    /// Take in what is wrong with a text that would have been written; all else is an error of its own.
    fn unread(&mut self, error: Error) -> Result<(), Error> {
        if error.kind != Kind::Failed {
            return Err(error);
        }
        self.unread.extend(error.diagnostics);
        Ok(())
    }
}

/// What is about no place, once: what several pieces share is wrong in each.
fn once(mut problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut told: HashSet<(String, Vec<String>)> = HashSet::new();
    problems.retain(|problem| {
        problem.place.is_some() || told.insert((problem.message.clone(), problem.notes.clone()))
    });
    problems
}

/// Read a text that would be written, lower it, and compare: what comes of it must be these objects, which are live. The spec,
/// and what it asks for; `None` where there are problems.
///
/// # Errors
/// The database cannot be read.
pub(super) fn prove(
    text: String,
    objects: &[ObjectId],
    live: &BTreeMap<ObjectId, Definition>,
    renderer: &Renderer,
    database: &mut dyn Database,
    problems: &mut Problems,
) -> Result<Option<(Spec, Asked)>, Error> {
    let shown = Arc::new(SourceFile {
        name: "<imported spec>".to_owned(),
        text,
    });
    let read = parse(&shown).and_then(|spec| {
        let asked = desired::asked(&spec, renderer, database);
        Ok((spec, asked.map_err(|error| renamed(error, &shown))?))
    });
    let (spec, asked) = match read {
        Ok(read) => read,
        Err(error) => {
            problems.unread(error)?;
            return Ok(None);
        }
    };
    let wanted = &asked.desired;
    let pairs = wanted
        .iter()
        .filter_map(|(id, wanted)| diff::undecided(live.get(id)?, &wanted.definition));
    let verdicts = db::verdicts(pairs.collect(), database)?;
    let judge = Judge {
        dialect: database.dialect(),
        verdicts: &verdicts,
    };
    let (lost_before, absent_before) = (problems.lost.len(), problems.absent.len());
    for (id, wanted) in wanted {
        let problem = match live.get(id) {
            Some(live) => lost(id, &diff::compare(live, &wanted.definition, &judge)),
            None => Some(
                Diagnostic::new(format!("{id} would come of it, and is not in the database"))
                    .at(&wanted.span)
                    .help("leave out what it comes from with `--schema` or `--table`"),
            ),
        };
        problems
            .lost
            .extend(problem.map(|problem| (Arc::clone(id), problem)));
    }
    for id in objects {
        if !wanted.contains_key(id) {
            problems.absent.push(
                Diagnostic::new(format!(
                    "{id} cannot be written as a spec: it does not come of what would be written"
                ))
                .help("leave it out with `--exclude`"),
            );
        }
    }
    let proved = (lost_before, absent_before) == (problems.lost.len(), problems.absent.len());
    Ok(proved.then_some((spec, asked)))
}

/// What of an object a spec does not keep.
fn lost(id: &ObjectId, differences: &[diff::FieldChange]) -> Option<Diagnostic> {
    if differences.is_empty() {
        return None;
    }
    let fields: Vec<String> = differences
        .iter()
        .map(|difference| format!("`{}`", difference.field))
        .collect();
    let mut diagnostic = Diagnostic::new(format!(
        "{id} cannot be written as a spec: it has no way to say its {}",
        fields.join(", ")
    ))
    .help("change it in the database, or leave it out with `--exclude`");
    for diff::FieldChange {
        field,
        before,
        after,
        note,
    } in differences
    {
        let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
        diagnostic = diagnostic.note(format!(
            "`{field}` is {}, and would be {}",
            shown(before),
            shown(after)
        ));
        if let Some(note) = note {
            diagnostic = diagnostic.note(note.clone());
        }
    }
    Some(diagnostic)
}

/// Read a spec that is in no file.
fn parse(shown: &Arc<SourceFile>) -> Result<Spec, Error> {
    let failed = |error: std::io::Error| {
        Error::failed(format!("a temporary file cannot be written: {error}"))
    };
    let folder = tempfile::tempdir().map_err(failed)?;
    let path = folder.path().join("import.toml");
    std::fs::write(&path, &shown.text).map_err(failed)?;
    Spec::load(&path, &LoadOptions::default()).map_err(|error| renamed(error, shown))
}

/// Say of every place in the text that it was not written, and why it matters. A place in a template is where it was.
fn renamed(error: Error, shown: &Arc<SourceFile>) -> Error {
    error.map(|mut diagnostic| {
        for (span, _) in diagnostic.place.iter_mut().chain(&mut diagnostic.related) {
            if span.file.text == shown.text {
                span.file = Arc::clone(shown);
            }
        }
        diagnostic.note("this is what would have been imported; nothing was written")
    })
}
