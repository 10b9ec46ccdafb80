//! What is wrong with a spec, in the order of its files, and each thing once however many tables it is wrong for.

use std::sync::Arc;

use crate::error::{Diagnostic, SourceFile};

/// Sort by file and place, and let what several tables or dialects complain about in the same words be said once.
pub(super) fn in_file_order(files: &[Arc<SourceFile>], problems: &mut Vec<Diagnostic>) {
    let position = |diagnostic: &Diagnostic| {
        diagnostic
            .place
            .as_ref()
            .map_or((usize::MAX, 0), |(span, _)| {
                let file = files.iter().position(|file| file.name == span.file.name);
                (file.unwrap_or(usize::MAX), span.range.start)
            })
    };
    problems.sort_by_key(position);
    problems.dedup();
    say_once(problems);
}

/// How a note begins that says for which of its tables a text was being rendered.
const RENDERING: &str = "while rendering ";

fn says_the_table(note: &str) -> bool {
    note.starts_with(RENDERING)
}

/// What is wrong at one place for many tables, and differs in nothing but which of them was being rendered, is said of the
/// first of them, with how many more there are.
fn say_once(problems: &mut Vec<Diagnostic>) {
    let mut kept: Vec<(Diagnostic, usize)> = vec![];
    for problem in problems.drain(..) {
        // Those of one place are next to each other.
        let here = kept
            .iter_mut()
            .rev()
            .take_while(|(other, _)| other.place == problem.place);
        match here.into_iter().find(|(other, _)| alike(other, &problem)) {
            Some((_, more)) => *more += 1,
            None => kept.push((problem, 0)),
        }
    }
    problems.extend(kept.into_iter().map(|(mut problem, more)| {
        if more > 0
            && let Some(note) = problem.notes.iter_mut().find(|note| says_the_table(note))
        {
            *note = format!("{note}, and the same for {more} more");
        }
        problem
    }));
}

/// Whether two problems are one but for the table.
fn alike(left: &Diagnostic, right: &Diagnostic) -> bool {
    let Diagnostic {
        message,
        place,
        related,
        notes,
        help,
    } = left;
    let of_all = |notes: &[String]| -> Vec<String> {
        let of_all = notes.iter().filter(|note| !says_the_table(note));
        of_all.cloned().collect()
    };
    place.is_some()
        && notes.len() == right.notes.len()
        && notes.iter().any(|note| says_the_table(note))
        && (message, place, related, help)
            == (&right.message, &right.place, &right.related, &right.help)
        && of_all(notes) == of_all(&right.notes)
}
