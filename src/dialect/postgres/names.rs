//! Names: how long they may be, and what a generated function is called.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::model::Function;

/// NAMEDATALEN - 1. Longer names are cut by the server with no more than a notice, so that two of them can meet.
pub(super) const LONGEST: usize = 63;

/// Hex digits of the digest in a name that was cut.
const DIGEST: usize = 8;

/// The name of the function that is made for a trigger's body: `<table>_<trigger>`, or just `<trigger>` when that
/// begins with the table's name already; one that is too long is cut and told apart by a digest of the whole.
pub(super) fn generated_function(table: &str, trigger: &str) -> String {
    let full = if trigger.starts_with(table) {
        trigger.to_owned()
    } else {
        format!("{table}_{trigger}")
    };
    if full.len() <= LONGEST {
        return full;
    }
    let kept = full.floor_char_boundary(LONGEST - DIGEST - 1);
    let mut name = full.get(..kept).unwrap_or_default().to_owned();
    name.push('_');
    for byte in Sha256::digest(full.as_bytes()).iter().take(DIGEST / 2) {
        // Writing to a String cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// The name of a function that triggers on several tables may share: what makes it another function is in its name, so
/// that two of the same name are always the same.
pub(super) fn shared_function(base: &str, function: &Function) -> String {
    let Function {
        id: _,
        language,
        source,
        security,
        settings,
        volatility: _,
        parallel: _,
        leakproof: _,
        cost: _,
        comment: _,
        owner: _,
        grants: _,
        depends_on_extensions: _,
    } = function;
    let what = format!("{language} {source:?} {security:?} {settings:?}");
    let kept = base.floor_char_boundary((LONGEST - DIGEST - 1).min(base.len()));
    let mut name = base.get(..kept).unwrap_or_default().to_owned();
    name.push('_');
    for byte in Sha256::digest(what.as_bytes()).iter().take(DIGEST / 2) {
        // Writing to a String cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}
