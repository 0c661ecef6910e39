//! Where cards come from.
//!
//! [`ReaderSource`] tells what is plugged in, [`Connector`] opens a card, [`Connection`] talks to it.
//! [`pcsc`] is the real thing; [`simulated`] joins readers that live in this process (tests, demo).

pub mod pcsc;
pub mod simulated;
#[cfg(test)]
pub(crate) mod slots;
mod socket_watch;

use std::fmt;
use std::sync::Arc;

use cps_card::{Protocol, Transmit, TransmitError};

/// Tells what is plugged in. Owned by the one monitor thread.
pub trait ReaderSource: Send + 'static {
    /// Blocks, without polling, until something differs from the previous answer, and returns the
    /// whole picture. The first call returns at once. After [`Stopper::stop`] it returns
    /// [`Observation::Ended`] for ever.
    fn wait(&mut self) -> Observation;

    /// What opens the cards this source reports; shared by the card threads.
    fn connector(&self) -> Arc<dyn Connector>;

    /// What ends a blocked [`ReaderSource::wait`] from another thread.
    fn stopper(&self) -> Arc<dyn Stopper>;
}

/// Ends a [`ReaderSource`].
pub trait Stopper: Send + Sync {
    /// Makes the blocked and every later `wait` return [`Observation::Ended`]. May be called again.
    fn stop(&self);
}

/// One picture of all readers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Observation {
    /// The source was stopped by us.
    Ended,
    /// The PC/SC service runs, with these readers.
    Readers(Vec<ReaderObservation>),
    /// The PC/SC service does not run. The text is the reason, for the log.
    Stopped(String),
}

/// One reader in an [`Observation`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReaderObservation {
    /// The name PC/SC gives to the reader (unique among the readers present).
    pub name: String,
    /// What is in it.
    pub presence: Presence,
    /// Differs whenever a card was inserted or removed, so that a swap between two pictures shows.
    pub changes: u32,
}

/// What a reader holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Presence {
    /// A card that answered to its reset.
    Card,
    /// Nothing.
    Empty,
    /// A card that some program, perhaps this one, has for itself alone.
    Exclusive,
    /// A card that does not answer.
    Mute,
    /// The reader itself cannot be used just now.
    Unavailable,
}

impl Presence {
    /// Whether there is a card that can be opened, now or later.
    pub fn has_card(self) -> bool {
        matches!(self, Self::Card | Self::Exclusive)
    }
}

/// Opens cards. Each card thread calls it for its own connection.
pub trait Connector: Send + Sync {
    /// Connects to the card in `reader`, in the sharing mode chosen at construction.
    fn connect(&self, reader: &str) -> Result<Box<dyn Connection>, ConnectError>;

    /// Whether some program is connected to the card in `reader`. Ask it while not connected.
    fn in_use(&self, reader: &str) -> Result<bool, ConnectError>;
}

/// A card could not be opened.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Another program holds the card for itself alone.
    #[error("another program uses the card exclusively; end it or wait")]
    Busy,
    /// The system refuses this user the card (polkit).
    #[error(
        "the system does not allow this user to use the card (polkit action org.debian.pcsc-lite.access_card)"
    )]
    Denied,
    /// No card, or no such reader any more.
    #[error("the card or its reader was removed")]
    Removed,
    /// The PC/SC service does not run.
    #[error("the PC/SC service (pcscd) does not run")]
    ServiceStopped,
    /// The card does not answer to its reset.
    #[error("the card does not answer; check that it is inserted the right way round and is clean")]
    Unresponsive,
    /// Anything else the reader reports.
    #[error("the reader reports: {0}")]
    Reader(String),
}

/// An open card.
pub trait Connection: Exchange {
    /// The card's answer to reset.
    fn atr(&self) -> &[u8];

    /// What [`ReaderObservation::changes`] was at the moment of connecting.
    fn changes(&self) -> u32;

    /// The transmission protocol in force.
    fn protocol(&self) -> Protocol;

    /// Keeps all other programs from the card until the answer is dropped; waits while another one
    /// does the same. After [`TransmitError::Reset`], [reconnect](Exchange::reconnect) and ask again.
    fn transaction(&mut self) -> Result<Box<dyn Exchange + '_>, TransmitError>;

    /// Ends the connection.
    fn disconnect(self: Box<Self>, disposition: Disposition);
}

/// Bytes to and from an open card, with recovery from another program's reset.
pub trait Exchange: Transmit + Send {
    /// Accepts a reset that was reported as [`TransmitError::Reset`]; the card keeps its new state.
    fn reconnect(&mut self) -> Result<(), TransmitError>;
}

/// What happens to the card when we leave it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Disposition {
    /// Nothing: pcscd powers it off some seconds later when nobody else uses it.
    Leave,
    /// It is reset: its PIN state is gone.
    Reset,
}

impl fmt::Display for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Card => "card",
            Self::Empty => "empty",
            Self::Exclusive => "exclusive",
            Self::Mute => "mute",
            Self::Unavailable => "unavailable",
        })
    }
}
