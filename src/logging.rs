//! Remarks on the way, to stderr: warnings always, more with `--verbose`.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use crate::report;

use log::{Level, LevelFilter, Log, Metadata, Record};

/// The warnings so far. A command looks at a database more than once; what it finds there is news only the first time.
static WARNED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

struct Stderr;

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Drivers have their own, for their own developers; theirs may name what ours never would.
        metadata.target().starts_with("triggerctl")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let word = match record.level() {
            Level::Error => "error",
            Level::Warn => "warning",
            Level::Info | Level::Debug | Level::Trace => "note",
        };
        let text = report::remark(&record.args().to_string());
        // Where stderr is closed there is nobody to tell.
        let tell = |text: &str| {
            let _ = writeln!(std::io::stderr().lock(), "{word}: {text}");
        };
        if record.level() == Level::Warn {
            let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
            if !warned.contains(&text) {
                tell(&text);
                warned.insert(text);
            }
            return;
        }
        tell(&text);
    }

    fn flush(&self) {}
}

/// Start logging as `--quiet` and `--verbose` say.
pub fn start(quiet: bool, verbose: u8) {
    let level = match (quiet, verbose) {
        (true, _) => LevelFilter::Error,
        (false, 0) => LevelFilter::Warn,
        (false, 1) => LevelFilter::Info,
        (false, _) => LevelFilter::Debug,
    };
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(level);
    }
}
