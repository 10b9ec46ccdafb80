//! Ctrl-C and its relatives, while something is being applied: what runs is stopped, or comes to its end where to stop it would
//! do harm; all is undone, and the program says so. Everywhere else the default holds, since nothing else changes anything.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Kind};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on a signal calls `stop` and is remembered, instead of ending the process. To be called once.
pub fn catch(stop: Box<dyn Fn() + Send>) -> Result<(), Error> {
    ctrlc::set_handler(move || {
        INTERRUPTED.store(true, Ordering::SeqCst);
        stop();
    })
    .map_err(|error| Error::failed(format!("signals cannot be caught: {error}")))
}

/// Whether a signal came.
pub fn came() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// An error when a signal came.
pub fn check() -> Result<(), Error> {
    if came() {
        return Err(Error::new(
            Kind::Interrupted,
            "interrupted: nothing was changed",
        ));
    }
    Ok(())
}
