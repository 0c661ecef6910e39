//! The emulator's slot as a reader of the card service.

use std::sync::Mutex;
use std::time::Duration;

use cps_card::TransmitError;
use cps_emulator::{Slot, SlotConnection};
use cpsd::readers::simulated::{SimulatedReader, SimulatedState};

pub struct SlotReader {
    slot: Slot,
    /// With the generation it belongs to: the simulated service tells removals, we only renew.
    connection: Mutex<Option<(u64, SlotConnection)>>,
}

impl SlotReader {
    pub fn new(slot: Slot) -> Self {
        Self {
            slot,
            connection: Mutex::default(),
        }
    }

    fn connected<R>(
        &self,
        action: impl FnOnce(&mut SlotConnection) -> Result<R, TransmitError>,
    ) -> Result<R, TransmitError> {
        let mut held = self.connection.lock().expect("connection");
        let generation = self.slot.generation();
        held.take_if(|(of, _)| *of != generation);
        let (_, connection) = match &mut *held {
            Some(connection) => connection,
            none => none.insert((generation, self.slot.connect()?)),
        };
        let result = action(connection);
        match &result {
            Err(TransmitError::Removed) => *held = None,
            // Told once; the card service decides what follows from it.
            Err(TransmitError::Reset) => connection.reconnect(false)?,
            _ => {}
        }
        result
    }
}

impl SimulatedReader for SlotReader {
    fn state(&self) -> SimulatedState {
        let generation = self.slot.generation();
        let card = self
            .slot
            .with_card(|card| (card.atr().to_vec(), card.protocol()));
        SimulatedState { generation, card }
    }

    fn changed(&self, generation: u64) -> Option<SimulatedState> {
        while self.slot.wait_change(generation, Duration::from_secs(3600)) == generation {}
        Some(self.state())
    }

    fn transmit(&self, command: &[u8]) -> Result<Vec<u8>, TransmitError> {
        self.connected(|connection| cps_card::Transmit::transmit(connection, command))
    }

    fn reset(&self) {
        // A card that is gone needs no reset.
        let _ = self.connected(|connection| connection.reconnect(true));
    }
}
