//! Waiting for something to become true.

use std::thread;
use std::time::{Duration, Instant};

/// Polls `probe` until it gives a value, for at most a minute: what takes a moment here takes
/// many on a machine that does other things as well.
///
/// # Panics
///
/// After that time, naming `what`.
pub fn until<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    until_within(Duration::from_secs(60), what, probe)
}

/// Polls `probe` until it gives a value, for at most `limit`.
///
/// # Panics
///
/// After that time, naming `what`.
pub fn until_within<T>(limit: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < end, "waited {limit:?} in vain for: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
