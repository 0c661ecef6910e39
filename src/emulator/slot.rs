//! An in-process card reader, shared by a test and the program under test.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cps_card::{Protocol, Transmit, TransmitError};

use crate::{Counters, FaultPlan, Outcome, VirtualCard};

/// A reader with room for one card. Clones are the same reader.
///
/// The test inserts, removes and disturbs; the program waits for changes and opens
/// [`SlotConnection`]s. Semantics follow PC/SC: a connection dies with its card, and after a reset by
/// someone else it must be renewed before it works again.
#[derive(Clone)]
pub struct Slot(Arc<Shared>);

struct Shared {
    name: String,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    card: Option<VirtualCard>,
    /// The card that a removal fault made leave.
    fallen: Option<VirtualCard>,
    /// Grows at each insertion and removal.
    generation: u64,
    /// Grows at each insertion, removal and reset: what a connection remembers.
    resets: u64,
    /// A command is being executed; others wait.
    busy: bool,
    /// The connection that holds a transaction; others wait.
    owner: Option<u64>,
    connections: u64,
    mute_limit: Duration,
}

impl Slot {
    /// An empty reader of this name.
    pub fn new(name: &str) -> Self {
        let state = State {
            card: None,
            fallen: None,
            generation: 0,
            resets: 0,
            busy: false,
            owner: None,
            connections: 0,
            mute_limit: Duration::from_secs(2),
        };
        Self(Arc::new(Shared {
            name: name.to_owned(),
            state: Mutex::new(state),
            changed: Condvar::new(),
        }))
    }

    /// Name of the reader.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Inserts a card and powers it on. A card that was there is removed first.
    pub fn insert(&self, mut card: VirtualCard) {
        self.remove();
        card.power_on();
        let mut state = self.state();
        state.card = Some(card);
        self.moved(&mut state);
    }

    /// Removes the card; commands in progress end with [`TransmitError::Removed`].
    pub fn remove(&self) -> Option<VirtualCard> {
        let mut state = self.state();
        let mut card = state.card.take()?;
        card.power_off();
        self.moved(&mut state);
        Some(card)
    }

    /// Takes the card that a removal fault made leave the reader, with everything it remembers.
    pub fn pick_up(&self) -> Option<VirtualCard> {
        let mut card = self.state().fallen.take()?;
        card.power_off();
        Some(card)
    }

    /// Resets the card as another program would.
    pub fn reset_by_rival(&self) {
        let mut state = self.state();
        if let Some(card) = &mut state.card {
            card.reset();
            state.resets += 1;
            self.0.changed.notify_all();
        }
    }

    /// ATR of the card, `None` when the reader is empty.
    pub fn atr(&self) -> Option<Vec<u8>> {
        self.with_card(|card| card.atr().to_vec())
    }

    /// Count of insertions and removals so far.
    pub fn generation(&self) -> u64 {
        self.state().generation
    }

    /// Waits until the count of insertions and removals differs from `seen`, at most `limit`.
    /// Returns the count.
    pub fn wait_change(&self, seen: u64, limit: Duration) -> u64 {
        let state = self.state();
        let waited = self
            .0
            .changed
            .wait_timeout_while(state, limit, |state| state.generation == seen);
        waited.unwrap_or_else(PoisonError::into_inner).0.generation
    }

    /// Does something with the card; `None` when the reader is empty.
    pub fn with_card<R>(&self, action: impl FnOnce(&mut VirtualCard) -> R) -> Option<R> {
        self.state().card.as_mut().map(action)
    }

    /// Arms a fault of the card that is inserted.
    pub fn arm(&self, plan: FaultPlan) {
        self.with_card(|card| card.arm(plan));
    }

    /// Totals of the card that is inserted.
    pub fn counters(&self) -> Option<Counters> {
        self.with_card(|card| card.counters())
    }

    /// How long a mute card keeps a caller before [`TransmitError::TimedOut`]; two seconds unless
    /// told otherwise.
    pub fn set_mute_limit(&self, limit: Duration) {
        self.state().mute_limit = limit;
    }

    /// Opens a shared connection to the card.
    ///
    /// # Errors
    /// [`TransmitError::Removed`] when the reader is empty.
    pub fn connect(&self) -> Result<SlotConnection, TransmitError> {
        let mut state = self.state();
        let card = state.card.as_ref().ok_or(TransmitError::Removed)?;
        let (atr, protocol) = (card.atr().to_vec(), card.protocol());
        state.connections += 1;
        Ok(SlotConnection {
            slot: self.clone(),
            id: state.connections,
            generation: state.generation,
            resets: state.resets,
            atr,
            protocol,
        })
    }

    /// One exchange outside any connection, as a rival program's: resets do not disturb it.
    ///
    /// # Errors
    /// As [`SlotConnection::transmit`].
    pub fn transmit(&self, command: &[u8]) -> Result<Vec<u8>, TransmitError> {
        self.exchange(None, command)
    }

    fn exchange(
        &self,
        connection: Option<&SlotConnection>,
        command: &[u8],
    ) -> Result<Vec<u8>, TransmitError> {
        let id = connection.map(|connection| connection.id);
        let mut state = self.free(id);
        if let Some(connection) = connection {
            connection.alive(&state)?;
        }
        let outcome = state
            .card
            .as_mut()
            .ok_or(TransmitError::Removed)?
            .command(command);
        match outcome {
            Outcome::Answer(answer, delay) => {
                if !delay.is_zero() {
                    self.stay(state, delay)?;
                }
                Ok(answer)
            }
            Outcome::Mute => {
                let limit = state.mute_limit;
                self.stay(state, limit)?;
                Err(TransmitError::TimedOut)
            }
            Outcome::Removed => {
                state.fallen = state.card.take();
                self.moved(&mut state);
                Err(TransmitError::Removed)
            }
            Outcome::Reset => {
                state.resets += 1;
                self.0.changed.notify_all();
                Err(TransmitError::Reset)
            }
        }
    }

    /// Keeps the reader busy for a time, unless the card leaves or is reset meanwhile.
    fn stay(&self, mut state: MutexGuard<'_, State>, time: Duration) -> Result<(), TransmitError> {
        let (generation, resets) = (state.generation, state.resets);
        state.busy = true;
        let waited = self
            .0
            .changed
            .wait_timeout_while(state, time, |state| state.resets == resets);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.busy = false;
        self.0.changed.notify_all();
        if state.generation != generation {
            return Err(TransmitError::Removed);
        }
        if state.resets != resets {
            return Err(TransmitError::Reset);
        }
        Ok(())
    }

    /// Waits until no command runs and no one else holds a transaction.
    fn free(&self, id: Option<u64>) -> MutexGuard<'_, State> {
        let waited = self.0.changed.wait_while(self.state(), |state| {
            state.busy || state.owner.is_some_and(|owner| Some(owner) != id)
        });
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    fn moved(&self, state: &mut State) {
        state.generation += 1;
        state.resets += 1;
        state.owner = None;
        self.0.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A shared connection to one insertion of a card.
pub struct SlotConnection {
    slot: Slot,
    id: u64,
    generation: u64,
    resets: u64,
    atr: Vec<u8>,
    protocol: Protocol,
}

impl SlotConnection {
    /// ATR at the time of connection.
    pub fn atr(&self) -> &[u8] {
        &self.atr
    }

    /// Protocol that the reader chose.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Accepts a reset by someone else: afterwards the connection works again. With `reset`, resets
    /// the card too.
    ///
    /// # Errors
    /// [`TransmitError::Removed`] when the card is gone, even if it or another came back.
    pub fn reconnect(&mut self, reset: bool) -> Result<(), TransmitError> {
        let slot = self.slot.clone();
        let mut state = slot.free(Some(self.id));
        self.present(&state)?;
        if reset {
            self.reset_card(&mut state);
        }
        self.resets = state.resets;
        Ok(())
    }

    /// Waits for the exclusive use of the card, at most `limit`.
    ///
    /// # Errors
    /// [`TransmitError::TimedOut`] when someone else kept it, else as [`SlotConnection::transmit`].
    pub fn begin_transaction(&self, limit: Duration) -> Result<(), TransmitError> {
        let until = Instant::now() + limit;
        let mut state = self.slot.state();
        loop {
            self.alive(&state)?;
            if !state.busy && state.owner.is_none_or(|owner| owner == self.id) {
                state.owner = Some(self.id);
                return Ok(());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(TransmitError::TimedOut);
            }
            state = self
                .slot
                .0
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Ends the exclusive use, if this connection has it.
    pub fn end_transaction(&self) {
        let mut state = self.slot.state();
        if state.owner == Some(self.id) {
            state.owner = None;
            self.slot.0.changed.notify_all();
        }
    }

    /// Closes the connection. With `reset`, resets the card: its PIN state is gone for everybody.
    pub fn disconnect(self, reset: bool) {
        let mut state = self.slot.free(Some(self.id));
        if reset && self.present(&state).is_ok() {
            self.reset_card(&mut state);
        }
    }

    fn reset_card(&self, state: &mut State) {
        if let Some(card) = &mut state.card {
            card.reset();
            state.resets += 1;
            self.slot.0.changed.notify_all();
        }
    }

    fn present(&self, state: &State) -> Result<(), TransmitError> {
        if state.generation == self.generation {
            Ok(())
        } else {
            Err(TransmitError::Removed)
        }
    }

    fn alive(&self, state: &State) -> Result<(), TransmitError> {
        self.present(state)?;
        if state.resets == self.resets {
            Ok(())
        } else {
            Err(TransmitError::Reset)
        }
    }
}

impl Transmit for SlotConnection {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransmitError> {
        self.slot.exchange(Some(self), command)
    }
}

impl Drop for SlotConnection {
    fn drop(&mut self) {
        self.end_transaction();
    }
}

/// A card without a reader: for tests of a driver alone. Resets and removal are told once, by the
/// command they strike.
impl Transmit for VirtualCard {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransmitError> {
        match self.command(command) {
            Outcome::Answer(answer, delay) => {
                std::thread::sleep(delay);
                Ok(answer)
            }
            Outcome::Mute => Err(TransmitError::TimedOut),
            Outcome::Removed => Err(TransmitError::Removed),
            Outcome::Reset => Err(TransmitError::Reset),
        }
    }
}

#[cfg(test)]
mod tests;
