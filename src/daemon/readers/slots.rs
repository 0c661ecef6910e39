//! The emulator's reader as a [`SimulatedReader`]. For tests only; the end-to-end tests include
//! this file too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cps_card::{Protocol, Transmit, TransmitError};
use cps_emulator::{Slot, SlotConnection};
use cpsd::readers::simulated::SimulatedReader;
use cpsd::readers::{ConnectError, Connection, Disposition, Exchange};

/// A slot of the emulator, to be plugged into `SimulatedReaders`.
#[derive(Clone)]
pub(crate) struct SlotReader {
    open: Arc<AtomicUsize>,
    shared: Arc<AtomicBool>,
    slot: Slot,
}

impl SlotReader {
    /// A reader around this slot.
    pub(crate) fn new(slot: Slot) -> Self {
        Self {
            open: Arc::default(),
            shared: Arc::default(),
            slot,
        }
    }

    /// How many connections are open.
    #[allow(dead_code, reason = "not every program that includes this file asks")]
    pub(crate) fn open_connections(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Says whether another program is connected to the card.
    #[allow(dead_code, reason = "not every program that includes this file asks")]
    pub(crate) fn set_shared(&self, shared: bool) {
        self.shared.store(shared, Ordering::SeqCst);
    }
}

impl SimulatedReader for SlotReader {
    fn generation(&self) -> u64 {
        self.slot.generation()
    }

    fn has_card(&self) -> bool {
        self.slot.atr().is_some()
    }

    fn wait_change(&self, seen: u64) {
        self.slot.wait_change(seen, Duration::from_secs(3_600));
    }

    fn connect(&self) -> Result<Box<dyn Connection>, ConnectError> {
        match self.slot.connect() {
            Ok(connection) => {
                self.open.fetch_add(1, Ordering::SeqCst);
                Ok(Box::new(Open {
                    connection,
                    _counted: Counted(Arc::clone(&self.open)),
                }))
            }
            Err(TransmitError::Removed) => Err(ConnectError::Removed),
            Err(error) => Err(ConnectError::Reader(error.to_string())),
        }
    }

    fn shared_with_others(&self) -> bool {
        self.shared.load(Ordering::SeqCst)
    }
}

struct Open {
    connection: SlotConnection,
    _counted: Counted,
}

/// One open connection.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Transmit for Open {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransmitError> {
        self.connection.transmit(command)
    }
}

impl Exchange for Open {
    fn reconnect(&mut self) -> Result<(), TransmitError> {
        self.connection.reconnect(false)
    }
}

impl Connection for Open {
    fn atr(&self) -> &[u8] {
        self.connection.atr()
    }

    fn changes(&self) -> u32 {
        0
    }

    fn protocol(&self) -> Protocol {
        self.connection.protocol()
    }

    fn transaction(&mut self) -> Result<Box<dyn Exchange + '_>, TransmitError> {
        self.connection
            .begin_transaction(Duration::from_secs(3_600))?;
        Ok(Box::new(Held(&mut self.connection)))
    }

    fn disconnect(self: Box<Self>, disposition: Disposition) {
        self.connection
            .disconnect(disposition == Disposition::Reset);
    }
}

struct Held<'a>(&'a mut SlotConnection);

impl Transmit for Held<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransmitError> {
        self.0.transmit(command)
    }
}

impl Exchange for Held<'_> {
    fn reconnect(&mut self) -> Result<(), TransmitError> {
        self.0.reconnect(false)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.end_transaction();
    }
}
