//! The `triggerctl` binary.
fn main() {}
