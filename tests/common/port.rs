//! Ports for servers that take a number, and ports where nothing answers.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// A port that nothing listens on, and that nothing else is given meanwhile. One that the kernel picked and that was let go
/// is what it picks for another test's server a moment later, so these are below what it picks from (32768 on Linux); each
/// process of the tests goes through them from a place of its own.
pub(crate) fn free() -> u16 {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    const APART: u32 = 16;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = TAKEN.fetch_add(1, Ordering::Relaxed);
        assert!(number < COUNT, "no port is free");
        let place = (std::process::id() % COUNT * APART + number) % COUNT;
        let port = u16::try_from(FIRST + place).expect("a port");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
