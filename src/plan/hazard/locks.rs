//! What the locks of a step do to others.

use super::assess::{Assessor, Found};
use super::words::{duration, grouped};
use super::{HazardKind, Severity};
use crate::db::Protocol;
use crate::db::size::{Holder, TableSize, TableState};
use crate::dialect::LockMode;
use crate::model::{Definition, Orientation};
use crate::plan::Change;

/// A table of this many rows, or bytes, is big.
const BIG: (u64, u64) = (1_000_000, 1 << 30);
/// And one of this many is huge.
const HUGE: (u64, u64) = (10_000_000, 10 << 30);
/// This many sessions at a table at once make it busy.
const BUSY: usize = 5;
/// A transaction that has been open for this many seconds may well stay open for as long again.
const LONG: u64 = 5;
/// This many partitions are many.
const MANY_PARTITIONS: u64 = 100;

impl<'a> Assessor<'a> {
    /// The hazards of the locks that a step is the first to take.
    pub(super) fn locks(&mut self, change: &'a Change, found: &mut Found<'_>) {
        let unknown = TableState::default();
        for lock in &change.locks {
            let state = self.states.get(&lock.table).unwrap_or(&unknown);
            if lock.mode == LockMode::Database {
                if !std::mem::replace(&mut self.told_of_file, true) {
                    found.push(
                        HazardKind::BlocksWriters,
                        Severity::Low,
                        "other writers of the file wait until the migration commits",
                    );
                }
                continue;
            }
            let told = self.told.get(&lock.table).copied();
            if lock.mode < LockMode::ShareRowExclusive || told >= Some(lock.mode) {
                continue;
            }
            self.told.insert(&lock.table, lock.mode);
            let name = self.name(&lock.table);
            let in_way: Vec<&Holder> = state
                .holders
                .iter()
                .filter(|holder| holder.in_way_of <= lock.mode)
                .collect();
            self.waiting(&name, lock.mode, state, in_way.len(), found);
            waits(&name, lock.mode, &in_way, found);
            let row = |side: &Option<Definition>| matches!(side, Some(Definition::Trigger(trigger)) if trigger.orientation == Orientation::Row);
            if state.partitions > 0 && (row(&change.before) || row(&change.after)) {
                let severity = if state.partitions >= MANY_PARTITIONS {
                    Severity::Medium
                } else {
                    Severity::Low
                };
                let count = grouped(state.partitions);
                found.push(
                    HazardKind::LocksPartitions,
                    severity,
                    format!("{name} has {count} partitions, and each of them is locked too"),
                );
            }
        }
    }

    /// Who waits for a lock.
    fn waiting(
        &self,
        name: &str,
        mode: LockMode,
        state: &TableState,
        at_work: usize,
        found: &mut Found<'_>,
    ) {
        let busy = at_work >= BUSY;
        let until = match self.protocol {
            Protocol::Transaction => "until the migration commits",
            Protocol::Journal => "while its triggers are changed",
        };
        let size = &state.size;
        let why = match (busy, size.in_words()) {
            (true, _) => format!(" ({at_work} sessions are at work on it)"),
            (false, Some(words)) if reaches(size, BIG) => format!(" ({words})"),
            _ => String::new(),
        };
        if mode == LockMode::ShareRowExclusive {
            let severity = if busy {
                Severity::Medium
            } else {
                Severity::Low
            };
            let why = if busy { why.as_str() } else { "" };
            found.push(
                HazardKind::BlocksWriters,
                severity,
                format!("writers of {name}{why} wait {until}"),
            );
            return;
        }
        let severity = match self.protocol {
            // Every change of a trigger takes this lock there, and gives it back as soon as the table is done.
            Protocol::Journal if busy || reaches(size, HUGE) => Severity::Medium,
            Protocol::Transaction if busy || reaches(size, HUGE) => Severity::High,
            Protocol::Transaction if reaches(size, BIG) => Severity::Medium,
            Protocol::Journal | Protocol::Transaction => Severity::Low,
        };
        found.push(
            HazardKind::BlocksReaders,
            severity,
            format!("readers and writers of {name}{why} wait {until}"),
        );
    }
}

/// The queue that a lock stands in.
fn waits(name: &str, mode: LockMode, in_way: &[&Holder], found: &mut Found<'_>) {
    let long: Vec<&&Holder> = in_way
        .iter()
        .filter(|holder| holder.prepared || holder.seconds.is_some_and(|age| age >= LONG))
        .collect();
    let and_others = |count: usize| match count {
        0 | 1 => String::new(),
        2 => ", and one more".to_owned(),
        count => format!(", and {} more", count - 1),
    };
    if let Some(first) = long.first() {
        let severity = if mode == LockMode::ShareRowExclusive {
            Severity::Medium
        } else {
            Severity::High
        };
        let how_long = match first.seconds {
            Some(seconds) => format!(" for {}", duration(seconds)),
            None => String::new(),
        };
        found.push(
            HazardKind::WaitsBehindLongTransactions,
            severity,
            format!(
                "{} has {name} locked{how_long}{}; the step waits for it, and others behind the step",
                first.who,
                and_others(long.len())
            ),
        );
    } else if let Some(first) = in_way.iter().find(|holder| holder.seconds.is_none()) {
        found.push(
            HazardKind::WaitsBehindLongTransactions,
            Severity::Low,
            format!(
                "{} has {name} locked, and this role may not see for how long",
                first.who
            ),
        );
    }
}

fn reaches(size: &TableSize, (rows, bytes): (u64, u64)) -> bool {
    size.rows >= Some(rows) || size.bytes >= Some(bytes)
}
