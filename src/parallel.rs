//! The same work on many things, on all processors: rendering ten thousand triggers is nearly all that a plan with
//! nothing to do has to do itself, and while it waits for the database it can go on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// So many are taken at once; fewer than two such parts are not worth a thread.
const PART: usize = 64;

/// More threads than this only wait for each other in the allocator.
const MOST_THREADS: usize = 8;

/// Do `work` on each item, in any order; the results are in that of the items. `meanwhile` runs on this thread, which
/// then helps.
pub(crate) fn map<I: Sync, O: Send, T>(
    items: &[I],
    work: impl Fn(&I) -> O + Sync,
    meanwhile: impl FnOnce() -> T,
) -> (Vec<O>, T) {
    map_in_parts(PART, items, work, meanwhile)
}

/// What a thread came to that was waited for; its panic goes on here.
pub(crate) fn joined<T>(ended: thread::Result<T>) -> T {
    match ended {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// How many threads of the program are at something else.
static BUSY: AtomicUsize = AtomicUsize::new(0);

/// Says, while it lives, that a thread of its own is at work: others then leave it its processor.
pub(crate) struct Busy;

impl Busy {
    pub(crate) fn new() -> Self {
        BUSY.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The same, where `size` items are worth being taken at once.
pub(crate) fn map_in_parts<I: Sync, O: Send, T>(
    size: usize,
    items: &[I],
    work: impl Fn(&I) -> O + Sync,
    meanwhile: impl FnOnce() -> T,
) -> (Vec<O>, T) {
    let next = AtomicUsize::new(0);
    let take_parts = || {
        let mut done = vec![];
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = items.chunks(size).nth(number) else {
                return done;
            };
            done.push((number, part.iter().map(&work).collect::<Vec<O>>()));
        }
    };
    let busy = BUSY.load(Ordering::Relaxed);
    let helpers = thread::available_parallelism()
        .map_or(1, usize::from)
        .saturating_sub(busy)
        .min(items.len() / size)
        .clamp(1, MOST_THREADS)
        .saturating_sub(1)
        // With one processor too, there is something to do while the database works.
        .max(usize::from(busy == 0 && items.len() >= 2 * size));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..helpers).map(|_| scope.spawn(take_parts)).collect();
        let value = meanwhile();
        let mut parts = take_parts();
        for thread in threads {
            parts.extend(joined(thread.join()));
        }
        parts.sort_unstable_by_key(|(number, _)| *number);
        let results = parts.into_iter().flat_map(|(_, results)| results).collect();
        (results, value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order() {
        for count in [0, 1, PART, 10 * PART + 1] {
            let items: Vec<usize> = (0..count).collect();
            let (doubled, value) = map(&items, |item| item * 2, || "meanwhile");
            assert_eq!(
                doubled,
                items.iter().map(|item| item * 2).collect::<Vec<_>>()
            );
            assert_eq!(value, "meanwhile");
        }
    }
}
