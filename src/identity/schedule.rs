//! When to fetch a revocation list: a pure state machine, the caller fetches.
//!
//! ANS asks for one download a day at a random time; its server has been seen to answer 403 after
//! a handful of requests from one address, and to keep doing so. Hence a day between successes,
//! exponential back-off between failures, and a whole day of silence after a refusal.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The fetch state of one CRL address. Keep it with the list, so that a restart does not fetch
/// again.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CrlSchedule {
    next: Timestamp,
    attempted: Option<Timestamp>,
    failures: u32,
    jitter: u32,
}

impl CrlSchedule {
    /// A list never fetched: due at once. `jitter` is any random number, drawn once per address.
    pub fn new(jitter: u32, now: Timestamp) -> Self {
        Self {
            next: now,
            attempted: None,
            failures: 0,
            jitter,
        }
    }

    /// Records that a fetch begins, so that a second caller, or a crash in the middle, does not
    /// begin another one before the shortest back-off.
    pub fn started(&mut self, now: Timestamp) {
        self.attempted = Some(now);
        self.next = later(now, FIRST_RETRY);
    }

    /// Records a fetch that gave a valid list.
    pub fn succeeded(&mut self, now: Timestamp) {
        self.attempted = Some(now);
        self.failures = 0;
        self.next = later(now, DAY + self.spread(DAILY_SPREAD));
    }

    /// Records a fetch that gave nothing usable.
    pub fn failed(&mut self, now: Timestamp, failure: FetchFailure) {
        self.attempted = Some(now);
        self.failures = self.failures.saturating_add(1);
        let wait = match failure {
            FetchFailure::Refused => DAY,
            FetchFailure::Invalid | FetchFailure::Unreachable => {
                let doublings = self.failures.saturating_sub(1).min(MAX_DOUBLINGS);
                (FIRST_RETRY * (1 << doublings)).min(DAY)
            }
        };
        // A quarter at most on top, so that machines that failed together do not retry together.
        self.next = later(now, wait + self.spread(wait / 4));
    }

    /// Whether a fetch may start now.
    ///
    /// A clock set back by more than the longest wait counts as due: a state written in a wrong
    /// future must not silence the address for years.
    pub fn is_due(&self, now: Timestamp) -> bool {
        now >= self.next || self.next.duration_since(now) > LONGEST_WAIT
    }

    /// Earliest time of the next fetch.
    pub fn next_fetch(&self) -> Timestamp {
        self.next
    }

    /// Last time a fetch began or ended.
    pub fn last_attempt(&self) -> Option<Timestamp> {
        self.attempted
    }

    /// Fetches that failed since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The address's own share of `most`, different from one failure to the next.
    fn spread(&self, most: SignedDuration) -> SignedDuration {
        let mixed = self
            .jitter
            .wrapping_add(self.failures)
            .wrapping_mul(0x9E37_79B1);
        let share = f64::from(mixed) / f64::from(u32::MAX);
        SignedDuration::from_secs((most.as_secs() as f64 * share) as i64)
    }
}

/// Why a fetch gave nothing usable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum FetchFailure {
    /// The answer was not a valid list.
    Invalid,
    /// The server refused (403, 429): we may be locked out, asking again makes it worse.
    Refused,
    /// No answer, or a server error.
    Unreachable,
}

fn later(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

const DAY: SignedDuration = SignedDuration::from_hours(24);
const DAILY_SPREAD: SignedDuration = SignedDuration::from_hours(4);
const FIRST_RETRY: SignedDuration = SignedDuration::from_mins(5);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(31);
/// 5 min × 2⁹ is past a day, where the wait stops growing.
const MAX_DOUBLINGS: u32 = 9;

#[cfg(test)]
mod tests;
