//! Readers that live in this process: virtual cards in tests and in the demonstration.
//!
//! A virtual reader implements [`SimulatedReader`] and is plugged into a [`SimulatedReaders`], whose
//! [`SimulatedReaders::source`] goes to [`crate::cards::Cards::start`]:
//!
//! ```ignore
//! let readers = SimulatedReaders::default();
//! readers.plug("Virtual reader", Arc::new(slot));   // starts one thread that follows its changes
//! let cards = Cards::start(Box::new(readers.source()), None, Options::default());
//! readers.unplug("Virtual reader");
//! readers.stop_service();                           // as if pcscd ended; start_service() again
//! ```

use cps_card::TransmitError;

/// One virtual reader with at most one card.
pub trait SimulatedReader: Send + Sync + 'static {
    /// What is in the reader, and a number that grows at each insertion, removal and reset.
    fn state(&self) -> SimulatedState;

    /// Blocks until the number differs from `generation`, and returns the new state; `None` when
    /// nothing will change any more.
    fn changed(&self, generation: u64) -> Option<SimulatedState>;

    /// Powers the card up or resets it.
    fn reset(&self);

    /// One command, one answer (data, SW1 SW2). A card that was reset since the last
    /// [`SimulatedReader::acknowledge_reset`] answers [`TransmitError::Reset`].
    fn transmit(&self, command: &[u8]) -> Result<Vec<u8>, TransmitError>;

    /// Accepts a reset that was reported.
    fn acknowledge_reset(&self);

    /// Whether another program is connected to the card.
    fn shared_with_others(&self) -> bool {
        false
    }
}

/// A virtual reader at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SimulatedState {
    /// Grows at each insertion and removal.
    pub generation: u64,
    /// ATR of the card, if there is one.
    pub atr: Option<Vec<u8>>,
}
