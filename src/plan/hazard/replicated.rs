//! A migration whose own rows get into logical replication: where the other side lacks a table, or has such rows of its own,
//! replication stops there, of every table, until somebody notices.

use super::{Hazard, HazardKind, Severity};
use crate::db::{Database, History};
use crate::error::Error;
use crate::plan::{Action, Plan};
use crate::words::{NAMED, some};

/// Say it with the first change: it is about the migration as a whole.
pub(crate) fn replicated(
    plan: &mut Plan,
    history: &History,
    database: &mut dyn Database,
) -> Result<(), Error> {
    let is_made = |action| action != Action::Conflict;
    let Some(first) = plan
        .changes
        .iter_mut()
        .find(|change| is_made(change.action))
    else {
        return Ok(());
    };
    let new: Vec<_> = plan.tables.iter().map(|new| &new.table).collect();
    let found = database.replication(&new, !history.exists)?;
    let mut say = |message| {
        first.hazards.push(Hazard {
            kind: HazardKind::StopsReplication,
            severity: Severity::High,
            message,
            table: None,
            object: first.object.clone(),
        });
    };
    if let Some(published) = found.published {
        say(format!(
            "publication `{}` takes in what is made here ({}), and a replication slot reads from this database: a subscriber \
             without these tables stops replicating, all tables and not only these",
            published.publication,
            some(&published.tables, NAMED)
        ));
    }
    if found.receives_history {
        say(
            "the rows of the history come from a publication here: those of this migration collide with the next ones from there, and \
             replication stops"
                .to_owned(),
        );
    }
    Ok(())
}
