//! The waiting line in front of one card: fair between callers, first come first served inside one
//! caller, bounded. A plain data structure without threads or clocks.
//!
//! Start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996) with every operation costing one: a
//! caller's turn is in the round after the one in which it came or was last served, and inside a
//! round the caller served longest ago goes first. A caller that sends one operation at a time
//! therefore keeps its turn against one that keeps the line full, an absent caller saves nothing
//! up, and a stream of ever new callers cannot hold back those who wait.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// The most operations that may wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Of one caller.
    pub per_caller: usize,
    /// Of all callers together.
    pub total: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_caller: 16,
            total: 64,
        }
    }
}

/// The line. `K` is a caller, `T` an operation.
#[derive(Debug)]
pub struct Queue<K, T> {
    lanes: HashMap<K, Lane<T>>,
    limits: Limits,
    length: usize,
    next_ticket: u64,
    served: u64,
    /// The round of the last operation taken.
    round: u64,
}

impl<K: Clone + Eq + Hash, T> Queue<K, T> {
    /// An empty line.
    pub fn new(limits: Limits) -> Self {
        Self {
            lanes: HashMap::new(),
            limits,
            length: 0,
            next_ticket: 0,
            served: 0,
            round: 0,
        }
    }

    /// Puts `item` behind the caller's earlier ones, or gives it back when a limit is reached.
    pub fn push(&mut self, caller: K, item: T) -> Result<Ticket<K>, Full<T>> {
        if self.length >= self.limits.total {
            return Err(Full(item));
        }
        let lane = self.lanes.entry(caller.clone()).or_default();
        if lane.items.len() >= self.limits.per_caller {
            return Err(Full(item));
        }
        if lane.items.is_empty() {
            lane.round = lane.round.max(self.round + 1);
        }
        let number = self.next_ticket;
        self.next_ticket += 1;
        lane.items.push_back((number, item));
        self.length += 1;
        Ok(Ticket { caller, number })
    }

    /// Takes the operation whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        let caller = self
            .lanes
            .iter()
            .filter_map(|(caller, lane)| Some((lane.turn()?, caller)))
            .min_by_key(|(turn, _)| *turn)
            .map(|(_, caller)| caller.clone())?;
        let lane = self.lanes.get_mut(&caller)?;
        let (_, item) = lane.items.pop_front()?;
        self.length -= 1;
        self.round = lane.round;
        self.served += 1;
        lane.round += 1;
        lane.last_served = self.served;
        self.forget_idle();
        Some(item)
    }

    /// Takes a waiting operation out again; nothing when it was popped already.
    pub fn cancel(&mut self, ticket: &Ticket<K>) -> Option<T> {
        let lane = self.lanes.get_mut(&ticket.caller)?;
        let position = lane
            .items
            .iter()
            .position(|(number, _)| *number == ticket.number)?;
        let (_, item) = lane.items.remove(position)?;
        self.length -= 1;
        self.forget_idle();
        Some(item)
    }

    /// Takes out everything that waits, in no particular order.
    pub fn drain(&mut self) -> Vec<T> {
        self.length = 0;
        self.lanes
            .drain()
            .flat_map(|(_, lane)| lane.items)
            .map(|(_, item)| item)
            .collect()
    }

    /// How many operations wait.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Forgets the callers whose absence changes nothing: the memory stays bounded.
    fn forget_idle(&mut self) {
        let round = self.round;
        self.lanes.retain(|_, lane| {
            !lane.items.is_empty() || (lane.last_served > 0 && lane.round > round)
        });
    }
}

/// The right to cancel one waiting operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ticket<K> {
    caller: K,
    number: u64,
}

/// A limit is reached; the refused operation.
#[derive(Debug, Eq, PartialEq)]
pub struct Full<T>(pub T);

#[derive(Debug)]
struct Lane<T> {
    items: VecDeque<(u64, T)>,
    /// Counts the operations taken from all lanes; zero when none was taken from this one.
    last_served: u64,
    /// The round of the first item, or the earliest one of the next item when empty.
    round: u64,
}

impl<T> Lane<T> {
    /// What orders the lanes: the smallest is served; nothing when nothing waits.
    fn turn(&self) -> Option<(u64, u64, u64)> {
        let (number, _) = self.items.front()?;
        Some((self.round, self.last_served, *number))
    }
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self {
            items: VecDeque::new(),
            last_served: 0,
            round: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const WIDE: Limits = Limits {
        per_caller: 1_000,
        total: 10_000,
    };

    #[test]
    fn one_caller_is_served_in_order() {
        let mut queue = Queue::new(WIDE);
        for item in 0..5 {
            queue.push('a', item).unwrap();
        }
        let served: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(served, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn one_at_a_time_keeps_its_turn_against_a_full_line() {
        let mut queue = Queue::new(WIDE);
        let mut served = HashMap::<char, u32>::new();
        for item in 0..100 {
            queue.push('g', ('g', item)).unwrap();
        }
        let mut modest_waits = false;
        for item in 0..100 {
            let (caller, _) = queue.pop().unwrap();
            *served.entry(caller).or_default() += 1;
            if caller == 'm' {
                modest_waits = false;
            }
            // The modest caller comes back while the popped operation runs.
            if !modest_waits {
                queue.push('m', ('m', item)).unwrap();
                modest_waits = true;
            }
        }
        // One operation passed before the modest caller first came.
        assert_eq!(served[&'g'], 50);
        assert_eq!(served[&'m'], 50);
    }

    #[test]
    fn one_at_a_time_is_even_when_it_comes_back_only_after_its_answer() {
        // The worker pops at once after each answer, so a caller with one operation in flight is
        // absent at that instant and joins while the other's operation runs.
        let mut queue = Queue::new(WIDE);
        for item in 0..100 {
            queue.push('g', ('g', item)).unwrap();
        }
        let mut order = String::new();
        queue.push('m', ('m', 0)).unwrap();
        let mut in_flight = queue.pop().unwrap().0;
        for item in 0..60 {
            order.push(in_flight);
            let finished = in_flight;
            in_flight = queue.pop().unwrap().0;
            if finished == 'm' {
                queue.push('m', ('m', item)).unwrap();
            }
        }
        assert!(!order.contains("ggg"), "{order}");
        assert!(order.matches('m').count() >= 29, "{order}");
    }

    #[test]
    fn absence_saves_nothing_up() {
        let mut queue = Queue::new(WIDE);
        queue.push('a', 'a').unwrap();
        queue.pop();
        for _ in 0..50 {
            queue.push('b', 'b').unwrap();
            queue.pop();
        }
        for _ in 0..4 {
            queue.push('a', 'a').unwrap();
            queue.push('b', 'b').unwrap();
        }
        let served: String = std::iter::from_fn(|| queue.pop()).collect();
        assert!(
            !served.contains("aaa") && !served.contains("bbb"),
            "{served}"
        );
    }

    #[test]
    fn limits_give_the_operation_back() {
        let mut queue = Queue::new(Limits {
            per_caller: 2,
            total: 3,
        });
        queue.push('a', 1).unwrap();
        queue.push('a', 2).unwrap();
        assert_eq!(queue.push('a', 3), Err(Full(3)));
        queue.push('b', 4).unwrap();
        assert_eq!(queue.push('c', 5), Err(Full(5)));
        queue.pop();
        assert!(queue.push('c', 5).is_ok());
    }

    #[test]
    fn a_cancelled_operation_is_not_charged() {
        let mut queue = Queue::new(WIDE);
        let tickets: Vec<_> = (0..9).map(|_| queue.push('a', 'a').unwrap()).collect();
        queue.push('a', 'a').unwrap();
        queue.push('b', 'b').unwrap();
        for ticket in &tickets {
            assert_eq!(queue.cancel(ticket), Some('a'));
            assert_eq!(queue.cancel(ticket), None);
        }
        queue.push('b', 'b').unwrap();
        let served: String = std::iter::from_fn(|| queue.pop()).collect();
        assert!(served == "abb" || served == "bab", "{served}");
    }

    #[test]
    fn ever_new_callers_hold_nobody_back_and_are_forgotten() {
        let mut queue = Queue::new(WIDE);
        for _ in 0..100 {
            queue.push(0u32, 0u32).unwrap();
        }
        let mut patient = 0;
        for stranger in 1..=200 {
            queue.push(stranger, stranger).unwrap();
            patient += u32::from(queue.pop() == Some(0));
        }
        // Round n has n strangers in it, and 200 operations make about 19 rounds.
        assert!((17..=20).contains(&patient), "{patient}");
        assert!(
            queue.lanes.len() <= queue.len() + 3,
            "{}",
            queue.lanes.len()
        );
    }

    proptest! {
        /// While two callers both always have something waiting, neither gets two turns more.
        #[test]
        fn backlogged_callers_are_served_evenly(
            greed in prop::collection::vec(1usize..20, 2..6),
            rounds in 10usize..200,
        ) {
            let mut queue = Queue::new(WIDE);
            let mut served = vec![0u32; greed.len()];
            for (caller, amount) in greed.iter().enumerate() {
                for _ in 0..*amount {
                    queue.push(caller, caller).unwrap();
                }
            }
            for _ in 0..rounds {
                let caller = queue.pop().unwrap();
                served[caller] += 1;
                queue.push(caller, caller).unwrap();
            }
            let (low, high) = (served.iter().min().unwrap(), served.iter().max().unwrap());
            prop_assert!(high - low <= 1, "{served:?}");
        }

        /// Nothing is lost, doubled or reordered inside a caller, whatever is cancelled.
        #[test]
        fn every_operation_comes_out_once_and_in_order(
            script in prop::collection::vec((0u8..4, 0u8..4), 0..300),
        ) {
            let mut queue = Queue::new(WIDE);
            let mut expected: HashMap<u8, Vec<usize>> = HashMap::new();
            let mut tickets = Vec::new();
            for (index, (caller, action)) in script.into_iter().enumerate() {
                match action {
                    0 | 1 => {
                        tickets.push(queue.push(caller, (caller, index)).unwrap());
                        expected.entry(caller).or_default().push(index);
                    }
                    2 => if let Some((caller, index)) = queue.pop() {
                        prop_assert_eq!(expected.get_mut(&caller).unwrap().remove(0), index);
                    },
                    _ => if let Some((caller, index)) =
                        tickets.pop().and_then(|ticket| queue.cancel(&ticket))
                    {
                        expected.get_mut(&caller).unwrap().retain(|item| *item != index);
                    },
                }
                prop_assert_eq!(queue.len(), expected.values().map(Vec::len).sum::<usize>());
            }
            while let Some((caller, index)) = queue.pop() {
                prop_assert_eq!(expected.get_mut(&caller).unwrap().remove(0), index);
            }
            prop_assert!(queue.is_empty());
            prop_assert!(expected.values().all(Vec::is_empty));
        }
    }
}
