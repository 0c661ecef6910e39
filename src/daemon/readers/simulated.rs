//! Readers that live in this process: virtual cards in tests and in the demonstration.
//!
//! A virtual reader implements [`SimulatedReader`] and is plugged into a [`SimulatedReaders`], whose
//! [`SimulatedReaders::source`] goes to [`crate::cards::Cards::start`]:
//!
//! ```ignore
//! let readers = SimulatedReaders::default();
//! readers.plug("Virtual reader", Arc::new(slot)); // one thread follows its changes
//! let cards = Cards::start(Box::new(readers.source()), None, Options::default());
//! readers.unplug("Virtual reader");
//! readers.stop_service(); // as if pcscd ended; start_service() brings it back
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use cps_card::{Protocol, Transmit, TransmitError};

use super::{
    ConnectError, Connection, Connector, Disposition, Exchange, Observation, Presence,
    ReaderObservation, ReaderSource, Stopper,
};

/// One virtual reader with at most one card.
pub trait SimulatedReader: Send + Sync + 'static {
    /// What is in the reader now.
    fn state(&self) -> SimulatedState;

    /// Blocks until the generation differs from this one, and returns the new state; `None` when
    /// nothing will change any more.
    fn changed(&self, generation: u64) -> Option<SimulatedState>;

    /// One command, one answer (data, SW1 SW2).
    fn transmit(&self, command: &[u8]) -> Result<Vec<u8>, TransmitError>;

    /// Resets the card on our own behalf: nobody is told [`TransmitError::Reset`].
    fn reset(&self);

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
    /// ATR and protocol of the card, if there is one.
    pub card: Option<(Vec<u8>, Protocol)>,
}

/// The virtual readers of one virtual PC/SC service. Clones share them.
#[derive(Clone, Default)]
pub struct SimulatedReaders(Arc<Bench>);

impl SimulatedReaders {
    /// Plugs a reader in; one of the same name is unplugged first.
    pub fn plug(&self, name: &str, reader: Arc<dyn SimulatedReader>) {
        let state = reader.state();
        let mut bench = self.0.lock();
        bench.version += 1;
        let plug = bench.version;
        bench.readers.insert(
            name.to_owned(),
            Plugged {
                plug,
                reader: Arc::clone(&reader),
                state: state.clone(),
            },
        );
        drop(bench);
        self.0.changed.notify_all();
        let bench = Arc::clone(&self.0);
        let name = name.to_owned();
        thread::spawn(move || bench.follow(&name, plug, &*reader, state.generation));
    }

    /// Unplugs a reader, card and all.
    pub fn unplug(&self, name: &str) {
        self.0.change(|inner| {
            inner.readers.remove(name);
        });
    }

    /// Ends the service as if pcscd had ended: connections fail and no reader is seen.
    pub fn stop_service(&self) {
        self.0.change(|inner| inner.service_stopped = true);
    }

    /// Starts the service again.
    pub fn start_service(&self) {
        self.0.change(|inner| inner.service_stopped = false);
    }

    /// A view for one [`crate::cards::Cards`].
    pub fn source(&self) -> SimulatedSource {
        SimulatedSource {
            bench: Arc::clone(&self.0),
            ended: Arc::new(Mutex::new(false)),
            seen: None,
        }
    }
}

/// See [`SimulatedReaders::source`].
pub struct SimulatedSource {
    bench: Arc<Bench>,
    ended: Arc<Mutex<bool>>,
    seen: Option<u64>,
}

impl ReaderSource for SimulatedSource {
    fn wait(&mut self) -> Observation {
        let mut inner = self.bench.lock();
        loop {
            if *lock(&self.ended) {
                return Observation::Ended;
            }
            if self.seen != Some(inner.version) {
                break;
            }
            inner = self
                .bench
                .changed
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.seen = Some(inner.version);
        if inner.service_stopped {
            return Observation::Stopped("the virtual service was stopped".to_owned());
        }
        Observation::Readers(
            inner
                .readers
                .iter()
                .map(|(name, plugged)| ReaderObservation {
                    name: name.clone(),
                    presence: match &plugged.state.card {
                        Some(_) => Presence::Card,
                        None => Presence::Empty,
                    },
                    changes: changes(plugged.plug, plugged.state.generation),
                })
                .collect(),
        )
    }

    fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(SimulatedConnector(Arc::clone(&self.bench)))
    }

    fn stopper(&self) -> Arc<dyn Stopper> {
        Arc::new(SimulatedStopper {
            bench: Arc::clone(&self.bench),
            ended: Arc::clone(&self.ended),
        })
    }
}

struct SimulatedStopper {
    bench: Arc<Bench>,
    ended: Arc<Mutex<bool>>,
}

impl Stopper for SimulatedStopper {
    fn stop(&self) {
        // Under the lock of the bench, so that a `wait` about to block sees it.
        let _inner = self.bench.lock();
        *lock(&self.ended) = true;
        self.bench.changed.notify_all();
    }
}

struct SimulatedConnector(Arc<Bench>);

impl Connector for SimulatedConnector {
    fn connect(&self, reader: &str) -> Result<Box<dyn Connection>, ConnectError> {
        let inner = self.0.lock();
        if inner.service_stopped {
            return Err(ConnectError::ServiceStopped);
        }
        let plugged = inner.readers.get(reader).ok_or(ConnectError::Removed)?;
        let (atr, protocol) = plugged.state.card.as_ref().ok_or(ConnectError::Removed)?;
        Ok(Box::new(SimulatedConnection {
            bench: Arc::clone(&self.0),
            name: reader.to_owned(),
            plug: plugged.plug,
            generation: plugged.state.generation,
            atr: atr.clone(),
            protocol: *protocol,
            reader: Arc::clone(&plugged.reader),
        }))
    }

    fn in_use(&self, reader: &str) -> Result<bool, ConnectError> {
        let inner = self.0.lock();
        let plugged = inner.readers.get(reader).ok_or(ConnectError::Removed)?;
        Ok(plugged.reader.shared_with_others())
    }
}

#[derive(Clone)]
struct SimulatedConnection {
    bench: Arc<Bench>,
    name: String,
    plug: u64,
    generation: u64,
    atr: Vec<u8>,
    protocol: Protocol,
    reader: Arc<dyn SimulatedReader>,
}

impl SimulatedConnection {
    fn check(&self) -> Result<(), TransmitError> {
        let inner = self.bench.lock();
        if inner.service_stopped {
            return Err(TransmitError::Reader("the service was stopped".to_owned()));
        }
        match inner.readers.get(&self.name) {
            Some(plugged)
                if plugged.plug == self.plug
                    && self.reader.state().generation == self.generation =>
            {
                Ok(())
            }
            _ => Err(TransmitError::Removed),
        }
    }
}

impl Transmit for SimulatedConnection {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransmitError> {
        self.check()?;
        let answer = self.reader.transmit(command)?;
        self.check()?;
        Ok(answer)
    }
}

impl Exchange for SimulatedConnection {
    fn reconnect(&mut self) -> Result<(), TransmitError> {
        self.check()
    }
}

impl Connection for SimulatedConnection {
    fn atr(&self) -> &[u8] {
        &self.atr
    }

    fn changes(&self) -> u32 {
        changes(self.plug, self.generation)
    }

    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn transaction(&mut self) -> Result<Box<dyn Exchange + '_>, TransmitError> {
        self.check()?;
        Ok(Box::new(self.clone()))
    }

    fn disconnect(self: Box<Self>, disposition: Disposition) {
        if disposition == Disposition::Reset && self.check().is_ok() {
            self.reader.reset();
        }
    }
}

#[derive(Default)]
struct Bench {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    readers: BTreeMap<String, Plugged>,
    service_stopped: bool,
    version: u64,
}

struct Plugged {
    plug: u64,
    reader: Arc<dyn SimulatedReader>,
    state: SimulatedState,
}

impl Bench {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.lock();
        change(&mut inner);
        inner.version += 1;
        self.changed.notify_all();
    }

    fn follow(&self, name: &str, plug: u64, reader: &dyn SimulatedReader, mut generation: u64) {
        while let Some(state) = reader.changed(generation) {
            generation = state.generation;
            let mut inner = self.lock();
            match inner.readers.get_mut(name) {
                Some(plugged) if plugged.plug == plug => plugged.state = state,
                _ => return,
            }
            inner.version += 1;
            self.changed.notify_all();
        }
    }
}

/// The low half is enough to tell two pictures apart.
fn changes(plug: u64, generation: u64) -> u32 {
    (generation ^ plug << 16) as u32
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
