//! When to fetch a revocation list: pure state machine, the caller fetches.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The fetch state of one CRL address. Serialise it, so that a restart does not fetch again.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CrlSchedule {
    next: Timestamp,
    failures: u32,
    jitter: u32,
}

#[allow(unused_variables)]
impl CrlSchedule {
    /// A list never fetched: due at once. `jitter` is any random number, drawn once per address.
    pub fn new(jitter: u32, now: Timestamp) -> Self {
        todo!()
    }
    /// Earliest time of the next fetch.
    pub fn next_fetch(&self) -> Timestamp {
        self.next
    }
    /// Whether a fetch may start now.
    pub fn is_due(&self, now: Timestamp) -> bool {
        todo!()
    }
    /// Records a fetch that gave a valid list.
    pub fn succeeded(&mut self, now: Timestamp, next_update: Timestamp) {
        todo!()
    }
    /// Records a fetch that failed.
    pub fn failed(&mut self, now: Timestamp, failure: FetchFailure) {
        todo!()
    }
}

/// Why a fetch gave nothing usable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum FetchFailure {
    /// The answer was not a valid list.
    Invalid,
    /// The server refused (403, 429): locked out, wait long.
    Refused,
    /// No answer, or a server error.
    Unreachable,
}
