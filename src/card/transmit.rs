//! The seam between the drivers and whatever carries their bytes.

use thiserror::Error;

/// Bytes to a card, bytes back. Implemented over PC/SC by the daemon and in process by the
/// emulator.
pub trait Transmit {
    /// Sends one command APDU and returns the answer: data, then SW1 SW2.
    ///
    /// An implementation passes the bytes through unchanged. An answer shorter than two bytes is
    /// taken as a card that is gone, because PC/SC reports success with no bytes when a card is
    /// pulled out in the middle of a command.
    ///
    /// # Errors
    /// [`TransmitError`] when there was no answer. Whether the card carried the command out is
    /// then unknown.
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransmitError>;
}

/// Why there was no answer from the card.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum TransmitError {
    /// The reader or its driver failed; the text is what it said. Try again, or replug the reader.
    #[error("the reader failed: {0}")]
    Reader(String),
    /// The card was pulled out.
    #[error("the card was removed")]
    Removed,
    /// Another program reset the card: PIN state and current file are lost.
    #[error("another program reset the card")]
    Reset,
    /// The card did not answer in time.
    #[error("the card did not answer in time")]
    TimedOut,
}
