//! More connections for one migration. Creating a trigger is mostly waiting for the server's disk, which several tables can
//! do at once. Not on MariaDB: its log of DDL mixes up what two connections do at the same time, and now and then leaves a
//! `.TRG-` file behind (10.11, tried), with which the database cannot be dropped any more. A connection that reads what another
//! has made is safe there as well, since it writes to neither; but for the table that is being changed, of which 10.11 now and then
//! says that its file is corrupted (1602, tried).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;

use mysql::Conn;

use super::{Mysql, errors, literal};
use crate::db::{Database, Opening};
use crate::error::Error;
use crate::parallel::joined;

/// More connections than this gain nothing.
pub(super) const MOST_HELPERS: usize = 4;

/// The number of the one that reads beside the others.
pub(super) const WITNESS: usize = MOST_HELPERS;

impl Mysql {
    /// The lock that the `number`th helper holds while it lives: a statement of its may still run on the server when the
    /// migration lock is free again, since each ends with its own connection.
    pub(super) fn helper_lock_name(&self, number: usize) -> String {
        format!("{}:{number}", self.lock_name())
    }

    /// As many helpers as are to be had. None at all is no error: then there is one connection, as ever.
    pub(super) fn open_helpers(&mut self, most: usize) -> Vec<Box<dyn Database>> {
        let mut helpers: Vec<Box<dyn Database>> = vec![];
        if self.is_mariadb() || most < 2 {
            return helpers;
        }
        // At once: a server of MySQL takes 10 ms to greet each (9, measured).
        let opening: Vec<_> = (0..most.min(MOST_HELPERS))
            .map(|number| self.another(number))
            .collect();
        let opened: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = opening.into_iter().map(|open| scope.spawn(open)).collect();
            let threads = threads.into_iter();
            threads.map(|thread| joined(thread.join())).collect()
        });
        for helper in opened {
            match helper {
                Ok(helper) => helpers.push(Box::new(helper)),
                Err(error) => log::info!("no further connection for the migration: {error}"),
            }
        }
        helpers
    }

    /// What opens the connection that reads beside this one; `None` where it could not read a single table: names whose case
    /// means nothing are told apart by the whole list.
    pub(super) fn open_witness(&self) -> Option<Opening> {
        let open = self.names_keep_case.then(|| self.another(WITNESS))?;
        Some(Box::new(move || {
            let database: Box<dyn Database> = Box::new(open()?);
            Ok(database)
        }))
    }

    /// What opens another connection like this one, on whatever thread it is called: the `number`th helper.
    fn another(&self, number: usize) -> impl FnOnce() -> Result<Self, Error> + Send + use<> {
        let opts = self.opts.clone();
        let target = self.target.clone();
        let server = self.server;
        let user = self.user.clone();
        let current = self.current.clone();
        let names_keep_case = self.names_keep_case;
        let session = self.session.clone();
        let grants = self.grants.clone();
        let lock_wait = self.lock_wait;
        let most_bytes = self.most_bytes;
        let all = Arc::clone(&self.registered.all);
        move || {
            let conn = Conn::new(opts.clone())
                .map_err(|error| errors::cannot("open another connection", &error))?;
            let mut helper = Self {
                registered: Registered::among(all, &conn),
                conn,
                opts,
                target,
                server,
                user,
                current,
                names_keep_case,
                session,
                dirty: false,
                is_holding: false,
                grants,
                live: BTreeMap::new(),
                listed: BTreeMap::new(),
                lock_wait,
                most_bytes,
            };
            helper.set_session()?;
            helper.set_lock_wait()?;
            helper.take_time()?;
            let name = literal(&helper.helper_lock_name(number));
            let taken: Option<u64> = helper.value(
                "take a helper's lock",
                &format!("SELECT GET_LOCK({name}, 0)"),
            )?;
            if taken != Some(1) {
                return Err(Error::failed("a helper's lock is taken"));
            }
            // MySQL's catalog is in tables: a transaction that writes the history would go on seeing what was there at its
            // first look.
            if number == WITNESS && !helper.is_mariadb() {
                helper.execute(
                    "see what others have made",
                    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
                )?;
            }
            Ok(helper)
        }
    }
}

/// The server's numbers of the connections of one migration, one of which is this one's: what a signal stops.
pub(super) struct Registered {
    all: Arc<Mutex<Vec<u32>>>,
    id: u32,
}

impl Registered {
    /// The first connection.
    pub(super) fn first(conn: &Conn) -> Self {
        Self::among(Arc::default(), conn)
    }

    fn among(all: Arc<Mutex<Vec<u32>>>, conn: &Conn) -> Self {
        let id = conn.connection_id();
        if let Ok(mut all) = all.lock() {
            all.push(id);
        }
        Self { all, id }
    }

    /// All of them, as they are when it is asked.
    pub(super) fn all(&self) -> impl Fn() -> Vec<u32> + Send + use<> {
        let all = Arc::clone(&self.all);
        move || all.lock().map_or_else(|_| vec![], |all| all.clone())
    }
}

impl Drop for Registered {
    /// The server may give the number to somebody else.
    fn drop(&mut self) {
        if let Ok(mut all) = self.all.lock() {
            all.retain(|other| *other != self.id);
        }
    }
}
