//! The groups of a migration at once, each on one connection, in order and while nobody else can use its tables. They have
//! nothing in common that one could wait for another about.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::groups::{Group, is_drop};
use crate::db::Database;
use crate::error::{Error, Kind};

/// Fewer groups than this for each connection are not worth it.
const GROUPS_EACH: usize = 4;

/// Runs the statements of one group on one connection, calling the last argument before each.
type Work<'a> =
    dyn Fn(&Group, &mut dyn Database, &mut dyn FnMut()) -> Result<(), Error> + Sync + 'a;

/// How many connections these are worth: one where anything is replaced. Where that takes DROP and CREATE, a kill between the two
/// leaves one trigger missing, and must not leave one for each connection.
pub(super) fn helpers_for(groups: &[Group]) -> usize {
    if groups.iter().any(replaces) {
        return 1;
    }
    groups.len() / GROUPS_EACH
}

fn replaces(group: &Group) -> bool {
    let mut drops = group
        .statements
        .iter()
        .filter(|statement| statement.object.is_some())
        .map(is_drop);
    let first = drops.next();
    drops.any(|drop| Some(drop) != first)
}

/// Run them all. After an error no further one is begun; when this returns, nothing is running any more.
pub(super) fn run(
    groups: &[Group],
    helpers: &mut [Box<dyn Database>],
    progress: &mut dyn FnMut(usize),
    work: &Work<'_>,
) -> Result<(), Error> {
    let next = AtomicUsize::new(0);
    let stopped = AtomicBool::new(false);
    let (sender, counted) = mpsc::channel();
    thread::scope(|scope| {
        let threads: Vec<_> = helpers
            .iter_mut()
            .map(|helper| {
                let sender = sender.clone();
                let (next, stopped) = (&next, &stopped);
                scope.spawn(move || {
                    while !stopped.load(Ordering::Relaxed) {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(group) = groups.get(number) else {
                            break;
                        };
                        let mut count = || {
                            // Nobody counts after an error.
                            let _ = sender.send(());
                        };
                        let done = work(group, helper.as_mut(), &mut count);
                        if done.is_err() {
                            stopped.store(true, Ordering::Relaxed);
                            return done;
                        }
                    }
                    helper.release()
                })
            })
            .collect();
        drop(sender);
        let mut done = 0;
        while counted.recv().is_ok() {
            done += 1;
            progress(done);
        }
        let mut result = Ok(());
        for thread in threads {
            let ended = thread.join().unwrap_or_else(|_| {
                Err(Error::new(
                    Kind::Uncertain,
                    "a part of the migration ended in a way that it never should",
                ))
            });
            // Of several errors, one after which nobody knows what has run counts for more than any other.
            if let Err(error) = ended
                && (result.is_ok() || error.kind == Kind::Uncertain)
            {
                result = Err(error);
            }
        }
        result
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::db::Statement;
    use crate::journal::groups::groups;
    use crate::model::{ObjectId, TableId, TriggerId};

    fn statement(sql: &str, number: usize) -> Statement {
        let table = TableId {
            schema: "app".to_owned(),
            name: format!("t{number}"),
        };
        Statement {
            sql: sql.to_owned(),
            object: Some(Arc::new(ObjectId::Trigger(TriggerId {
                table,
                name: format!("a{number}"),
            }))),
        }
    }

    fn together(statements: Vec<Statement>) -> Vec<Group> {
        groups(statements, &BTreeSet::new())
    }

    #[test]
    fn what_is_replaced_is_so_one_at_a_time() {
        let made: Vec<_> = (0..8).map(|number| statement("CREATE", number)).collect();
        assert_eq!(helpers_for(&together(made.clone())), 2);
        let gone: Vec<_> = (0..8).map(|number| statement("drop t", number)).collect();
        assert_eq!(helpers_for(&together(gone)), 2);
        let mut replaced = made;
        replaced.insert(3, statement("DROP", 3));
        assert_eq!(helpers_for(&together(replaced)), 1);
    }
}
