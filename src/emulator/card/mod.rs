//! The virtual card.

use std::time::Duration;

use crate::{Counters, Exchange, FaultPlan, Holder, Pki, Profile};

/// What comes back from the card, and when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Bytes answered after this delay.
    Answer(Vec<u8>, Duration),
    /// Nothing will come until the card is powered again or removed.
    Mute,
    /// The card left the reader.
    Removed,
    /// Another program reset the card; the command was not executed.
    Reset,
}

/// One virtual card: files, PIN counters, keys and the current position.
pub struct VirtualCard {
    atr: Vec<u8>,
    counters: Counters,
    log: Vec<Exchange>,
}

impl VirtualCard {
    /// A card of this profile for this holder, default layout.
    pub fn new(_pki: &Pki, _holder: Holder, _profile: Profile) -> Self {
        Self {
            atr: Vec::new(),
            counters: Counters::default(),
            log: Vec::new(),
        }
    }
    /// Answer to reset.
    pub fn atr(&self) -> &[u8] {
        &self.atr
    }
    /// Powers the card on: clears position, PIN state, environments and pending data.
    pub fn power_on(&mut self) {}
    /// Powers the card off; same effect on its memory.
    pub fn power_off(&mut self) {}
    /// Warm reset; same effect on its memory.
    pub fn reset(&mut self) {}
    /// One exchange.
    pub fn command(&mut self, _command: &[u8]) -> Outcome {
        Outcome::Mute
    }
    /// Arms a fault; counting starts at the next command. Several plans may be armed.
    pub fn arm(&mut self, _plan: FaultPlan) {}
    /// Forgets all armed faults.
    pub fn disarm(&mut self) {}
    /// Totals.
    pub fn counters(&self) -> Counters {
        self.counters
    }
    /// Sets the totals to zero and empties the log.
    pub fn reset_counters(&mut self) {}
    /// Exchanges so far, oldest first.
    pub fn log(&self) -> &[Exchange] {
        &self.log
    }
    /// Sets the remaining tries of the PIN.
    pub fn set_pin_tries(&mut self, _left: u8) {}
    /// Sets the remaining tries of the PUK.
    pub fn set_puk_tries(&mut self, _left: u8) {}
}
