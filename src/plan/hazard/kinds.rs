//! The hazards that there are: one table, from which `docs/hazards.md` is made and by which `--allow` is checked.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What can go wrong. The names are part of the plan document and of the command line, and do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HazardKind {
    /// A lock keeps writers waiting.
    BlocksWriters,
    /// A lock keeps readers and writers waiting.
    BlocksReaders,
    /// The lock will not be had soon, and others queue behind it.
    WaitsBehindLongTransactions,
    /// A lock on a table is one on each of its partitions.
    LocksPartitions,
    /// Data is no longer guarded, or changes of it no longer written down.
    DropsProtection,
    /// Another table is no longer kept in step.
    StopsUpkeep,
    /// For a moment there is no trigger.
    GapInProtection,
    /// Triggers that are not ours call the function.
    SharedFunction,
    /// An older SQLite cannot open the file any more.
    NeedsNewerSqlite,
    /// Triggers fire in another order.
    ChangesFiringOrder,
    /// Other triggers are made again, so that the order stays.
    RecreatesSiblings,
    /// What somebody did by hand is undone.
    UndoesManualChange,
    /// What somebody else created is replaced.
    TakesOver,
    /// Rows that are there already are not looked at.
    ExistingRows,
    /// All that is recorded goes.
    AnotherSpec,
    /// What comes back names what is not there any more.
    WouldFail,
    /// What is written comes into logical replication, and stops it.
    StopsReplication,
}

/// What is said of one hazard.
#[derive(Debug, Clone, Copy)]
pub struct Sheet {
    /// Which one.
    pub kind: HazardKind,
    /// Its name.
    pub name: &'static str,
    /// What it is, in one line.
    pub title: &'static str,
    /// When a step has it, and how severe it is then, for each engine that knows it.
    pub severities: &'static [(&'static str, &'static str)],
    /// What happens.
    pub harm: &'static str,
    /// What can be done about it.
    pub way_out: &'static str,
}

impl HazardKind {
    /// Its name.
    pub fn name(self) -> &'static str {
        self.sheet().map_or("", |sheet| sheet.name)
    }

    fn sheet(self) -> Option<&'static Sheet> {
        ALL.iter().find(|sheet| sheet.kind == self)
    }
}

impl fmt::Display for HazardKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Every hazard, in the order in which they are documented.
pub static ALL: &[Sheet] = &[
    Sheet {
        kind: HazardKind::BlocksWriters,
        name: "blocks_writers",
        title: "writers of the table wait",
        severities: &[
            (
                "PostgreSQL",
                "SHARE ROW EXCLUSIVE (create, replace, enable, disable): low; medium when five or more sessions \
                 are at work on the table",
            ),
            (
                "SQLite",
                "every migration takes the one lock of the file: low",
            ),
        ],
        harm: "Whoever writes to the table waits until the migration commits, which is milliseconds for a few \
               triggers and about a second for thousands. Readers go on.",
        way_out: "Apply when there is little to do, or a part at a time with `--target`.",
    },
    Sheet {
        kind: HazardKind::BlocksReaders,
        name: "blocks_readers",
        title: "readers and writers of the table wait",
        severities: &[
            (
                "PostgreSQL",
                "ACCESS EXCLUSIVE (drop, rename, a constraint trigger, any replacement before version 14): low; \
                 medium from 1 million rows or 1 GiB; high from 10 million rows or 10 GiB, or when five or more \
                 sessions are at work on the table",
            ),
            (
                "MySQL, MariaDB",
                "LOCK TABLES … WRITE, held while the statements about the table run: low; medium from 10 million rows \
                 or 10 GiB, or when five or more sessions are at work on the table",
            ),
        ],
        harm: "Everybody who uses the table waits, from when the lock is asked for until the migration commits. How \
               long that is does not depend on the size of the table, but how many wait does.",
        way_out: "Apply when there is little to do. The lock is given up after `--lock-timeout` and asked for again, \
                  so nobody waits for longer than that at a time.",
    },
    Sheet {
        kind: HazardKind::WaitsBehindLongTransactions,
        name: "waits_behind_long_transactions",
        title: "the lock is held by a transaction that takes long, and everybody queues behind the step",
        severities: &[
            (
                "PostgreSQL",
                "a session in the way has had its transaction open for 5 seconds or more, or the transaction is a prepared \
                 one: medium where writers wait, high where readers wait too; low where this role may not see for how long",
            ),
            (
                "MySQL, MariaDB",
                "the same, where the server keeps a list of metadata locks (`performance_schema`) and this role may read \
                 it: high",
            ),
        ],
        harm: "A lock that waits stands in the queue, and whoever comes after it waits as well, even a reader that \
               the long transaction would not hinder. Each attempt stops them for `--lock-timeout`, and the migration \
               may end with exit code 4.",
        way_out: "Let the transaction end first; the message says whose it is.",
    },
    Sheet {
        kind: HazardKind::LocksPartitions,
        name: "locks_partitions",
        title: "the lock is taken on every partition",
        severities: &[(
            "PostgreSQL",
            "a trigger FOR EACH ROW on a partitioned table: low; medium from 100 partitions",
        )],
        harm: "The step locks each partition as hard as the table, and takes as many places in the server's lock table.",
        way_out: "Apply it alone, with `--target`.",
    },
    Sheet {
        kind: HazardKind::DropsProtection,
        name: "drops_protection",
        title: "a guard or an audit trigger goes, or does less",
        severities: &[(
            "all",
            "high when it is dropped, disabled, loses an event or a column, gets a condition that it had not, or no longer \
             raises the error or writes the row; medium when it is weaker in a way that need not matter (another \
             condition, fewer places that raise an error, no longer in replica sessions, another timing or \
             orientation); medium at most in a rollback, which takes away what the undone versions brought, and where \
             drift is restored as it was recorded, so that the protection had been added by hand",
        )],
        harm: "From now on nothing refuses what was refused, or nothing writes down what was written down. What \
               happens until somebody notices cannot be found out later.",
        way_out: "Put the trigger back into the spec; or, when it is meant, allow it.",
    },
    Sheet {
        kind: HazardKind::StopsUpkeep,
        name: "stops_upkeep",
        title: "another table is no longer kept in step",
        severities: &[(
            "all",
            "a trigger that updates or deletes rows of another table is dropped or disabled: medium",
        )],
        harm: "Counters, totals and copies in the other table stay as they are from now on.",
        way_out: "Make sure that nobody reads them, or that something else keeps them.",
    },
    Sheet {
        kind: HazardKind::GapInProtection,
        name: "gap_in_protection",
        title: "for a moment the trigger is not there",
        severities: &[(
            "MySQL, MariaDB",
            "DROP and CREATE of one trigger under LOCK TABLES: low; the same without the LOCK TABLES privilege: high for \
             a guard or an audit trigger, else medium; there, a guard or an audit trigger that comes back under another \
             name: high",
        )],
        harm: "Rows that are written in between are neither guarded nor audited. Under LOCK TABLES nobody can write in \
               between; only when the server itself dies there, the trigger is missing until `triggerctl repair`. On \
               SQLite and PostgreSQL there is never a gap: a migration is seen whole or not at all.",
        way_out: "Grant LOCK TABLES; or apply one table at a time with `--target`.",
    },
    Sheet {
        kind: HazardKind::SharedFunction,
        name: "shared_function",
        title: "triggers outside the spec call the function",
        severities: &[(
            "PostgreSQL",
            "a function changes in more than its comment, and triggers that are neither in the spec nor recorded call \
             it: high; low when only its name changes",
        )],
        harm: "These triggers do something else from now on, and whoever made them has not been asked. The message \
               names them.",
        way_out: "Take the triggers into the spec (`triggerctl import`), or give the changed function a name of its own.",
    },
    Sheet {
        kind: HazardKind::NeedsNewerSqlite,
        name: "needs_newer_sqlite",
        title: "an older SQLite cannot open the file any more",
        severities: &[(
            "SQLite",
            "the trigger has syntax that came with version 3.40 or later: medium; with 3.35 to 3.39: low",
        )],
        harm: "SQLite reads every trigger when it opens a file. One that it cannot read makes the whole file \
               unusable for it: `malformed database schema`, for readers as well.",
        way_out: "Write it as the oldest program that opens the file can read it.",
    },
    Sheet {
        kind: HazardKind::ChangesFiringOrder,
        name: "changes_firing_order",
        title: "triggers of one table fire in another order",
        severities: &[(
            "PostgreSQL",
            "a renamed trigger comes before or after another one of the same table, timing and event than it did: \
             medium",
        )],
        harm: "PostgreSQL fires by name. Where one trigger sees what another one did, the result changes. On the other \
               engines a trigger that is made anew keeps its place.",
        way_out: "Choose names that sort as the triggers are to fire.",
    },
    Sheet {
        kind: HazardKind::RecreatesSiblings,
        name: "recreates_siblings",
        title: "other triggers of the table are made again",
        severities: &[(
            "SQLite",
            "a trigger is made anew that has newer ones of the same table, timing and event beside it: low",
        )],
        harm: "SQLite fires the newest first. So that the order stays, the newer ones are dropped and made again behind it, to \
               the letter and in the same transaction.",
        way_out: "Nothing has to be done; the message names them.",
    },
    Sheet {
        kind: HazardKind::UndoesManualChange,
        name: "undoes_manual_change",
        title: "a change that somebody made by hand is undone",
        severities: &[(
            "all",
            "the object was changed or dropped by hand since the last apply: low, since the plan shows what is undone",
        )],
        harm: "Whoever made the change had a reason.",
        way_out: "`triggerctl import` takes it into a spec.",
    },
    Sheet {
        kind: HazardKind::TakesOver,
        name: "takes_over",
        title: "what somebody else created is replaced",
        severities: &[(
            "all",
            "`--adopt` takes over an object that differs from the spec: low, since that is what `--adopt` says",
        )],
        harm: "What was there before is written down in the history, and a rollback brings it back.",
        way_out: "Leave out `--adopt`, and take the object into the spec as it is (`triggerctl import`).",
    },
    Sheet {
        kind: HazardKind::ExistingRows,
        name: "existing_rows",
        title: "rows that are there already are not checked",
        severities: &[(
            "all",
            "a guard (a trigger that raises an error) is created on a table that may have rows: low",
        )],
        harm: "Rows that break the rule stay, and the guard may refuse to have them changed.",
        way_out: "Look for them before: the guard's condition as a query.",
    },
    Sheet {
        kind: HazardKind::AnotherSpec,
        name: "another_spec",
        title: "nothing that is recorded is in the spec",
        severities: &[(
            "all",
            "triggers on three or more tables are recorded, none of them is in the spec, or renamed there, and some are dropped: \
             high; with `--target` never",
        )],
        harm: "What is recorded and not in the spec is dropped. With the spec of another database, or with two specs for one \
               database, that is somebody else's.",
        way_out: "Look at the URL and at the spec. What is in one database is one spec's, of several files where you like \
                  (`include`); on PostgreSQL two may share it with a history each (`history_schema`).",
    },
    Sheet {
        kind: HazardKind::WouldFail,
        name: "would_fail",
        title: "what a rollback brings back would fail when it fires",
        severities: &[
            (
                "SQLite, MySQL, MariaDB",
                "a rollback brings back a trigger whose body names a table, a column or a function that is not there any more, \
                 as the engine says when it is asked; or its definer is gone: high",
            ),
            (
                "PostgreSQL",
                "the same of PL/pgSQL, as the rule [`missing_reference`](lint.md#missing_reference) finds it, since the server \
                 takes every body: high",
            ),
        ],
        harm: "Every write that fires it fails from then on, with all that it is part of. What a spec asks for is refused as an \
               error there; what is in the history was right when it was written down.",
        way_out: "Bring back what it speaks of first, or correct the spec and apply that instead of going back. Where it must be \
                  so all the same, allow it; where the spec says that the trigger may fail (`allow`), it is no hazard.",
    },
    Sheet {
        kind: HazardKind::StopsReplication,
        name: "stops_replication",
        title: "what the migration writes stops logical replication",
        severities: &[(
            "PostgreSQL",
            "a publication takes in the tables that the migration makes, the history's or those of kinds (`FOR ALL TABLES`, \
             `FOR TABLES IN SCHEMA`), and a slot reads through `pgoutput` from this database; or the history's tables are part \
             of a subscription: high",
        )],
        harm: "A subscriber that is sent rows of a table which it does not have, or rows that it has already, stops: nothing more \
               comes, of any table, and the publisher keeps its log of changes until its disk is full.",
        way_out: "On the publisher: make these tables at the subscribers first (`plan --format sql` has their CREATE TABLE), or \
                  publish tables by name. On a subscriber: give it a history of its own (`history_schema`). Other readers of \
                  publications, such as Debezium, need no tables: allow it.",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use super::*;

    const BEGIN: &str = "<!-- begin: made from src/plan/hazard/kinds.rs -->\n";
    const END: &str = "<!-- end -->\n";

    /// What `docs/hazards.md` says between the two marks.
    fn document() -> String {
        let mut text = String::from("\n| hazard | |\n|---|---|\n");
        for sheet in ALL {
            let _ = writeln!(text, "| [`{0}`](#{0}) | {1} |", sheet.name, sheet.title);
        }
        for sheet in ALL {
            let _ = write!(text, "\n### {}\n\n{}\n\n", sheet.name, sheet.harm);
            for (engine, when) in sheet.severities {
                let _ = writeln!(text, "- **{engine}:** {when}.");
            }
            let _ = write!(text, "\n*What to do:* {}\n", sheet.way_out);
        }
        text.push('\n');
        text
    }

    #[test]
    fn the_page_says_what_the_table_says() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/hazards.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = page.split_once(BEGIN).unwrap();
        let (found, after) = rest.split_once(END).unwrap();
        let wanted = document();
        if std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite") {
            std::fs::write(&path, format!("{before}{BEGIN}{wanted}{END}{after}")).unwrap();
            return;
        }
        assert_eq!(found, wanted, "SNAPSHOTS=overwrite writes the page anew");
    }

    #[test]
    fn every_hazard_has_one_sheet_and_its_serialised_name() {
        let names: BTreeSet<&str> = ALL.iter().map(|sheet| sheet.name).collect();
        assert_eq!(names.len(), ALL.len());
        for sheet in ALL {
            let text = serde_json::to_string(&sheet.kind).unwrap();
            assert_eq!(text, format!("\"{}\"", sheet.name));
            assert_eq!(sheet.kind.name(), sheet.name);
            assert!(!sheet.severities.is_empty() && sheet.harm.ends_with('.'));
        }
        // The last of the list: a new one without a sheet would be found here.
        assert_eq!(HazardKind::StopsReplication as usize + 1, ALL.len());
    }
}
