//! How long a migration waits for the locks on its tables, so that nobody else is made to pay for it.
//!
//! Who waits for a lock looks for a deadlock after `deadlock_timeout`, and gives up when he is in one, whoever brought it about. A
//! writer who waits for our first table and holds our tenth would be that victim, if we waited for the tenth when his time
//! comes. So from the first lock on, all that is waited for the others together ends before anybody's time can come; then
//! this attempt is over, not the writer's transaction. For the first lock one may wait longer: nobody waits for us yet.

use std::time::Duration;

use crate::db::Statement;
use crate::model::{ObjectId, TableId};

/// How often the time that is left is looked at, at most: each time costs some hundredths of a millisecond.
const LOOKS: usize = 64;

/// The share of `deadlock_timeout` that is waited: who waits for us began after our first lock, and his clock is not ours.
const SHARE: f64 = 0.8;

/// The settings that go between statements.
pub(super) struct Waits<'a> {
    /// Milliseconds for one lock, as was asked for.
    each: u128,
    /// How many tables get their locks between two looks.
    stride: usize,
    /// How many tables there are.
    tables: usize,
    /// The table whose statements run.
    table: Option<&'a TableId>,
    /// How many tables were begun with.
    begun: usize,
    /// The time of the first lock is known to the server.
    counting: bool,
}

/// The table whose lock a statement takes.
pub(super) fn table_of(statement: &Statement) -> Option<&TableId> {
    statement.object.as_deref().and_then(ObjectId::table)
}

impl<'a> Waits<'a> {
    pub(super) fn of(statements: &'a [Statement], each: Duration) -> Self {
        let mut last = None;
        let mut tables = 0_usize;
        for table in statements.iter().filter_map(table_of) {
            if last != Some(table) {
                tables += 1;
                last = Some(table);
            }
        }
        Self {
            each: each.as_millis().max(1),
            stride: tables.div_ceil(LOOKS).max(1),
            tables,
            table: None,
            begun: 0,
            counting: false,
        }
    }

    /// What is to be set before this statement runs, each in its turn.
    pub(super) fn before(&mut self, statement: &'a Statement) -> Option<String> {
        if self.tables < 2 {
            return None;
        }
        let mut settings = None;
        // The statement before this one has the first lock.
        if self.begun == 1 && !self.counting {
            self.counting = true;
            settings = Some(format!(
                "SELECT pg_catalog.set_config('triggerctl.until', (EXTRACT(epoch FROM pg_catalog.clock_timestamp()
                 + {SHARE} * pg_catalog.current_setting('deadlock_timeout')::pg_catalog.interval) * 1000)::pg_catalog.text, true)"
            ));
        }
        let Some(table) = table_of(statement) else {
            return settings;
        };
        if self.table == Some(table) {
            return settings;
        }
        self.table = Some(table);
        self.begun += 1;
        if self.begun < 2 || !(self.begun - 2).is_multiple_of(self.stride) {
            return settings;
        }
        let Self { each, stride, .. } = self;
        let look = format!(
            "SELECT pg_catalog.set_config('lock_timeout', GREATEST(1, LEAST({each},
             (pg_catalog.current_setting('triggerctl.until', true)::pg_catalog.float8
              - EXTRACT(epoch FROM pg_catalog.clock_timestamp()) * 1000) / {stride}))::pg_catalog.int4::pg_catalog.text, true)"
        );
        Some(match settings {
            Some(first) => format!("{first}\n;\n{look}"),
            None => look,
        })
    }

    /// What is to be set when all have run: for other locks than those on tables one waits as was asked for.
    pub(super) fn behind(&self) -> Option<String> {
        (self.tables > 1).then(|| format!("SET LOCAL lock_timeout = {}", self.each))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::TriggerId;

    fn on(table: &str, name: &str) -> Statement {
        let id = TriggerId {
            table: TableId {
                schema: "app".to_owned(),
                name: table.to_owned(),
            },
            name: name.to_owned(),
        };
        Statement {
            sql: "SELECT".to_owned(),
            object: Some(Arc::new(ObjectId::Trigger(id))),
        }
    }

    /// What is set before each statement: `f` the time of the first lock, `l` a look at the time that is left.
    fn set(statements: &[Statement]) -> Vec<String> {
        let mut waits = Waits::of(statements, Duration::from_millis(200));
        let words = |setting: String| {
            let word = |line: &str| match line {
                line if line.contains("'triggerctl.until', (") => "f",
                line if line.contains("'lock_timeout'") => "l",
                _ => "",
            };
            setting.lines().map(word).collect()
        };
        let before = statements.iter().map(|one| waits.before(one));
        let mut all: Vec<String> = before
            .map(|set| set.map_or_else(String::new, words))
            .collect();
        all.push(waits.behind().unwrap_or_default());
        all
    }

    #[test]
    fn the_time_is_looked_at_before_each_further_table() {
        let function = Statement {
            sql: "SELECT".to_owned(),
            object: None,
        };
        assert_eq!(set(&[]), [""]);
        assert_eq!(set(&[on("t", "a"), on("t", "b")]), ["", "", ""]);
        let end = "SET LOCAL lock_timeout = 200";
        assert_eq!(
            set(&[on("t", "a"), on("u", "a"), on("u", "b"), on("v", "a")]),
            ["", "fl", "", "l", end]
        );
        assert_eq!(
            set(&[
                function.clone(),
                on("t", "a"),
                function,
                on("t", "b"),
                on("u", "a")
            ]),
            ["", "", "f", "", "l", end]
        );
    }

    #[test]
    fn many_tables_are_looked_at_some_at_a_time() {
        let statements: Vec<Statement> = (0..1_000).map(|at| on(&at.to_string(), "x")).collect();
        let looks = set(&statements);
        let looks = looks.iter().filter(|words| words.ends_with('l')).count();
        assert!((40..=LOOKS).contains(&looks), "{looks}");
    }
}
