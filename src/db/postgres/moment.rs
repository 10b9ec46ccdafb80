//! Two connections that see the same: while the server works out the fingerprints of the catalog on one, the history and the
//! tables are read on the other.
//!
//! What is read beside each other must fit together. Between two reads somebody's migration may be committed; a catalog from
//! after it, beside a history from before it, would look as if somebody had changed triggers by hand. So the first connection
//! exports its snapshot, and all that is read on either is as of that moment: no migration can come in between, which is
//! more than one connection promises when it reads one after the other, each with a snapshot of its own. A snapshot can be
//! taken over only in the same database of the same server, so a pooler or a list of hosts that leads the second connection
//! elsewhere (to a standby that lags behind) is found out: it is refused. PostgreSQL exports snapshots on a standby as well.
//!
//! Nothing depends on the second connection. Where it is refused, or does not come about by the time that it is of use (a
//! pooler may have no server left for it), all is read on the first, still as of that moment.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use postgres::SimpleQueryMessage;

use super::transaction::READING;
use super::{Postgres, connect};
use crate::db::{Database, Fingerprint, Reach, Scope, Second, Target};
use crate::dialect::{Dialect, Server};
use crate::error::Error;
use crate::model::{FunctionId, ObjectId, TriggerId};

/// Triggers in the order of the server, each with its function.
pub(super) type Triggers = Vec<(TriggerId, u32, Option<Fingerprint>)>;

/// Functions.
pub(super) type Functions = HashMap<u32, (FunctionId, Option<Fingerprint>)>;

/// Rows of the catalog, for a scope that is not known yet.
pub(super) struct Ahead {
    schemas: BTreeSet<String>,
    /// Looked for by name.
    uncalled: BTreeSet<FunctionId>,
    pub(super) triggers: Triggers,
    pub(super) functions: Functions,
}

impl Ahead {
    /// Whether what a query for this scope would find is all here.
    pub(super) fn covers(&self, scope: &Scope<'_>) -> bool {
        let known = scope.known.iter().filter_map(|id| match &**id {
            ObjectId::Function(function) => Some(function),
            ObjectId::Trigger(_) => None,
        });
        let found: HashSet<&FunctionId> = self.functions.values().map(|(id, _)| id).collect();
        self.schemas == scope.schemas
            && known
                .into_iter()
                .all(|function| found.contains(function) || self.uncalled.contains(function))
    }
}

/// What the second connection has in common with the first.
struct Kin {
    again: connect::Again,
    dialect: &'static dyn Dialect,
    history_schema: String,
    target: Target,
    server: Server,
    user: String,
    current_schema: Option<String>,
    encoding: String,
}

impl Kin {
    /// Connect, and take over the snapshot of this name.
    fn open(self, snapshot: &str) -> Result<Postgres, Error> {
        let Self {
            again,
            dialect,
            history_schema,
            target,
            server,
            user,
            current_schema,
            encoding,
        } = self;
        let connection = again.connect()?;
        let mut second = Postgres {
            dialect,
            history_schema,
            canceller: super::shared(connection.canceller()),
            client: connection.client,
            interrupted: Arc::new(AtomicBool::new(false)),
            target,
            server,
            user,
            current_schema,
            encoding,
            migration: None,
            again: None,
            in_moment: true,
            ahead: None,
        };
        let name = snapshot.replace('\'', "''");
        let settings = settings(server);
        second.batch(
            "begin to read beside",
            &format!("{BEGIN}; SET TRANSACTION SNAPSHOT '{name}'; {settings}"),
        )?;
        Ok(second)
    }
}

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// What holds while it lasts. It is one transaction of several queries: a timeout for whole transactions (from 17 on) is not
/// meant for it; that for statements is.
fn settings(server: Server) -> String {
    match server.major {
        ..17 => READING.to_owned(),
        17.. => format!("{READING}; SET LOCAL transaction_timeout = 0"),
    }
}

impl Postgres {
    /// See [`crate::db::Database::begin_moment`].
    pub(super) fn enter_moment(&mut self) -> Result<(), Error> {
        if !self.in_moment && self.migration.is_none() {
            let settings = settings(self.server);
            self.batch("begin to read", &format!("{BEGIN}; {settings}"))?;
            self.in_moment = true;
        }
        Ok(())
    }

    /// See [`crate::db::Database::second`].
    pub(super) fn export_moment(&mut self) -> Result<Option<Second>, Error> {
        let Some(again) = self.again.clone() else {
            return Ok(None);
        };
        if self.in_moment || self.migration.is_some() {
            return Ok(None);
        }
        let settings = settings(self.server);
        let begin = format!("{BEGIN}; SELECT pg_catalog.pg_export_snapshot(); {settings}");
        let answer = self.client.simple_query(&begin);
        self.in_moment = true;
        let snapshot = match &answer {
            Ok(messages) => messages.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten(),
                _ => None,
            }),
            Err(failure) => {
                log::debug!("all is read over one connection: {failure}");
                None
            }
        };
        let Some(snapshot) = snapshot.map(str::to_owned) else {
            self.leave_moment()?;
            return Ok(None);
        };
        let kin = Kin {
            again,
            dialect: self.dialect,
            history_schema: self.history_schema.clone(),
            target: self.target.clone(),
            server: self.server,
            user: self.user.clone(),
            current_schema: self.current_schema.clone(),
            encoding: self.encoding.clone(),
        };
        Ok(Some(Box::new(move || {
            Ok(Box::new(kin.open(&snapshot)?) as Box<dyn Database>)
        })))
    }

    /// See [`crate::db::Database::look_ahead`].
    pub(super) fn read_ahead(&mut self, reach: &Reach) -> Result<(), Error> {
        let (triggers, functions) = self.read_reach(reach)?;
        self.ahead = Some(Ahead {
            schemas: reach.schemas.clone(),
            uncalled: reach.uncalled.iter().cloned().collect(),
            triggers,
            functions,
        });
        Ok(())
    }

    /// See [`crate::db::Database::end_moment`].
    pub(super) fn leave_moment(&mut self) -> Result<(), Error> {
        if !std::mem::take(&mut self.in_moment) {
            return Ok(());
        }
        self.batch("end reading", "ROLLBACK")
    }
}
