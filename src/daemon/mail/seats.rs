//! How many connections of mail clients there may be, so that one program keeps no other out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cps_mail::Trouble;

/// The places there are.
#[derive(Debug)]
pub(super) struct Seats {
    total: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    refusing: usize,
    of_process: HashMap<u32, usize>,
}

/// One place; free again when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Of a connection that is only told that it is refused.
    Refused,
    /// Of nobody in particular: a process shows at its login.
    Visitor,
    /// Of a process.
    Process(u32),
}

impl Seats {
    pub(super) fn new(total: usize) -> Arc<Self> {
        Arc::new(Self {
            total,
            taken: Mutex::default(),
        })
    }

    /// A place, unless all are taken.
    pub(super) fn take(self: &Arc<Self>) -> Option<Seat> {
        let mut taken = self.taken();
        if taken.total >= self.total {
            return None;
        }
        taken.total += 1;
        Some(self.seat(Kind::Visitor))
    }

    /// A place to say no from; without one, the connection is just closed.
    pub(super) fn take_to_refuse(self: &Arc<Self>) -> Option<Seat> {
        let mut taken = self.taken();
        if taken.refusing >= REFUSALS {
            return None;
        }
        taken.refusing += 1;
        Some(self.seat(Kind::Refused))
    }

    fn seat(self: &Arc<Self>, kind: Kind) -> Seat {
        Seat {
            seats: Arc::clone(self),
            kind,
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Whose place it is. A process may have three quarters of all.
    pub(super) fn claim(&mut self, process: u32) -> Result<(), Trouble> {
        if !matches!(self.kind, Kind::Visitor) {
            return Ok(());
        }
        let bound = (self.seats.total - self.seats.total / 4).max(1);
        let mut taken = self.seats.taken();
        let used = taken.of_process.entry(process).or_default();
        if *used >= bound {
            return Err(Trouble::TooMany);
        }
        *used += 1;
        self.kind = Kind::Process(process);
        Ok(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        match self.kind {
            Kind::Refused => taken.refusing -= 1,
            Kind::Visitor => taken.total -= 1,
            Kind::Process(process) => {
                taken.total -= 1;
                if let Some(used) = taken.of_process.get_mut(&process) {
                    *used -= 1;
                    if *used == 0 {
                        taken.of_process.remove(&process);
                    }
                }
            }
        }
    }
}

const REFUSALS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_leaves_places_for_others() {
        let seats = Seats::new(4);
        let mut all: Vec<Seat> = (0..4).filter_map(|_| seats.take()).collect();
        assert_eq!(all.len(), 4);
        assert!(seats.take().is_none(), "four in all");
        let answers: Vec<_> = all.iter_mut().map(|seat| seat.claim(7)).collect();
        assert_eq!(answers, [Ok(()), Ok(()), Ok(()), Err(Trouble::TooMany)]);
        assert_eq!(all[3].claim(8), Ok(()));
        drop(all);
        assert_eq!(seats.taken().total, 0);
        assert!(seats.taken().of_process.is_empty(), "nothing is remembered");
    }
}
