//! How many connections there may be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bounds on connections, so that one program cannot keep the others out.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections in all.
    pub total: usize,
    /// Connections of one process.
    pub per_process: usize,
    /// Time for the head of a request, and for the pause before the next one.
    pub head: Duration,
    /// Time without a byte of a request's body, or without a byte of an answer being read.
    pub body: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total: 256,
            per_process: 32,
            head: Duration::from_secs(30),
            body: Duration::from_secs(30),
        }
    }
}

/// The places there are.
#[derive(Debug)]
pub struct Seats {
    pub(super) limits: Limits,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    refusing: usize,
    of_process: HashMap<u32, usize>,
}

/// One place; dropping it frees the place.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    /// `None` for a connection that is only told that it is refused.
    process: Option<u32>,
}

impl Seats {
    /// As many places as `limits` says.
    #[must_use]
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            taken: Mutex::default(),
        })
    }

    /// A place for a process; `None` when it has too many, or everybody together has.
    pub fn take(self: &Arc<Self>, process: u32) -> Option<Arc<Seat>> {
        let mut taken = self.taken();
        let used = taken.of_process.get(&process).copied().unwrap_or(0);
        if taken.total >= self.limits.total || used >= self.limits.per_process {
            return None;
        }
        taken.total += 1;
        taken.of_process.insert(process, used + 1);
        Some(self.seat(Some(process)))
    }

    /// A place to say no from; `None` when even those are taken: the connection is just closed.
    pub(super) fn take_to_refuse(self: &Arc<Self>) -> Option<Arc<Seat>> {
        let mut taken = self.taken();
        if taken.refusing >= REFUSALS {
            return None;
        }
        taken.refusing += 1;
        Some(self.seat(None))
    }

    fn seat(self: &Arc<Self>, process: Option<u32>) -> Arc<Seat> {
        Arc::new(Seat {
            seats: Arc::clone(self),
            process,
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        let Some(process) = self.process else {
            taken.refusing -= 1;
            return;
        };
        taken.total -= 1;
        if let Some(used) = taken.of_process.get_mut(&process) {
            *used -= 1;
            if *used == 0 {
                taken.of_process.remove(&process);
            }
        }
    }
}

const REFUSALS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_cannot_take_all_seats() {
        let seats = Seats::new(Limits {
            total: 3,
            per_process: 2,
            ..Limits::default()
        });
        let greedy: Vec<_> = (0..3).map(|_| seats.take(7)).collect();
        assert_eq!(greedy.iter().flatten().count(), 2);
        let other = seats.take(8);
        assert!(other.is_some());
        assert!(seats.take(9).is_none(), "three in all");
        drop(other);
        assert!(seats.take(9).is_some(), "a seat that was left is free");
    }

    #[test]
    fn nothing_is_remembered_of_processes_that_left() {
        let seats = Seats::new(Limits::default());
        for process in 0..1000 {
            drop(seats.take(process));
        }
        assert!(seats.taken().of_process.is_empty());
        assert_eq!(seats.taken().total, 0);
    }
}
