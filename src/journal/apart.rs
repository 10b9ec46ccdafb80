//! The statements of several tables at once, each table's on one connection, in order and while nobody else can use it. Only
//! where no table needs to wait for another: a name that goes from one to the other has to be free first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::Group;
use crate::db::Database;
use crate::error::{Error, Kind};

/// Fewer tables than this for each connection are not worth it.
const TABLES_EACH: usize = 4;

/// Does the statements of one table on one connection, calling the last argument before each.
type Work<'a> = dyn Fn(&Group, &mut dyn Database, &mut dyn FnMut()) -> Result<(), Error> + Sync + 'a;

/// How many connections could share these: none where the order of the tables matters.
pub(super) fn helpers_for(groups: &[Group]) -> usize {
    let mut tables = BTreeSet::new();
    let mut owners = BTreeMap::new();
    for (number, group) in groups.iter().enumerate() {
        let Some(table) = &group.table else { return 0 };
        if !tables.insert(table) {
            return 0;
        }
        let objects = group.statements.iter().filter_map(|one| one.object.as_ref());
        for object in objects {
            // Names may or may not know case: nobody asks when all differ in any case.
            let name = (object.schema().to_lowercase(), object.name().to_lowercase());
            if *owners.entry(name).or_insert(number) != number {
                return 0;
            }
        }
    }
    groups.len() / TABLES_EACH
}

/// Run them all. After an error no further table is begun; when this returns, nothing is running any more.
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
                    Ok(())
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
    use super::*;
    use crate::db::Statement;
    use crate::model::{ObjectId, TableId, TriggerId};

    fn group(table: &str, names: &[&str]) -> Group {
        let table = TableId {
            schema: "app".to_owned(),
            name: table.to_owned(),
        };
        let statements = names.iter().map(|name| Statement {
            sql: format!("DROP TRIGGER {name}"),
            object: Some(ObjectId::Trigger(TriggerId {
                table: table.clone(),
                name: (*name).to_owned(),
            })),
        });
        Group {
            statements: statements.collect(),
            table: Some(table.clone()),
        }
    }

    fn many(count: usize) -> Vec<Group> {
        let names: Vec<String> = (0..count).map(|number| format!("t{number}")).collect();
        names.iter().map(|name| group(name, &[name])).collect()
    }

    #[test]
    fn order_matters_where_a_name_or_a_table_comes_again() {
        assert_eq!(helpers_for(&many(16)), 16 / TABLES_EACH);
        let mut swapped = many(16);
        swapped.push(group("other", &["T3"]));
        assert_eq!(helpers_for(&swapped), 0);
        let mut again = many(16);
        again.push(group("t3", &["another"]));
        assert_eq!(helpers_for(&again), 0);
        let mut own = many(16);
        own.push(group("other", &["a", "a"]));
        assert_eq!(helpers_for(&own), 17 / TABLES_EACH);
    }
}
