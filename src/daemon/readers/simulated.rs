//! Readers that live in this process: virtual cards in tests and in the demonstration.
//!
//! A virtual reader implements [`SimulatedReader`] and is plugged into a [`SimulatedReaders`], whose
//! [`SimulatedReaders::source`] goes to [`crate::cards::Cards::start`]:
//!
//! ```text
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
    /// Counts insertions and removals.
    fn generation(&self) -> u64;

    /// Whether a card is in the reader.
    fn has_card(&self) -> bool;

    /// Blocks until the count differs from `seen`. It may also return before.
    fn wait_change(&self, seen: u64);

    /// Opens the card. [`Connection::changes`] of the answer is not asked.
    fn connect(&self) -> Result<Box<dyn Connection>, ConnectError>;

    /// Whether another program is connected to the card.
    fn shared_with_others(&self) -> bool {
        false
    }
}

/// The virtual readers of one virtual PC/SC service. Clones share them.
#[derive(Clone, Default)]
pub struct SimulatedReaders(Arc<Bench>);

impl SimulatedReaders {
    /// Plugs a reader in; one of the same name is unplugged first.
    pub fn plug(&self, name: &str, reader: Arc<dyn SimulatedReader>) {
        let seen = Seen::of(&*reader);
        let mut bench = self.0.lock();
        bench.version += 1;
        let plug = bench.version;
        bench.readers.insert(
            name.to_owned(),
            Plugged {
                plug,
                reader: Arc::clone(&reader),
                seen,
            },
        );
        drop(bench);
        self.0.changed.notify_all();
        let bench = Arc::clone(&self.0);
        let name = name.to_owned();
        thread::spawn(move || bench.follow(&name, plug, &*reader, seen));
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
                    presence: match plugged.seen.card {
                        true => Presence::Card,
                        false => Presence::Empty,
                    },
                    changes: plugged.changes(),
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
        Ok(Box::new(SimulatedConnection {
            changes: plugged.changes(),
            inner: plugged.reader.connect()?,
            plug: Plug {
                bench: Arc::clone(&self.0),
                name: reader.to_owned(),
                number: plugged.plug,
            },
        }))
    }

    fn in_use(&self, reader: &str) -> Result<bool, ConnectError> {
        let inner = self.0.lock();
        let plugged = inner.readers.get(reader).ok_or(ConnectError::Removed)?;
        Ok(plugged.reader.shared_with_others())
    }
}

struct SimulatedConnection {
    changes: u32,
    inner: Box<dyn Connection>,
    plug: Plug,
}

/// One plugging of one reader.
struct Plug {
    bench: Arc<Bench>,
    name: String,
    number: u64,
}

impl Plug {
    /// Whether the service runs and the reader is still there.
    fn check(&self) -> Result<(), TransmitError> {
        let inner = self.bench.lock();
        if inner.service_stopped {
            return Err(TransmitError::Reader("the service was stopped".to_owned()));
        }
        match inner.readers.get(&self.name) {
            Some(plugged) if plugged.plug == self.number => Ok(()),
            _ => Err(TransmitError::Removed),
        }
    }
}

impl Transmit for SimulatedConnection {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransmitError> {
        self.plug.check()?;
        let answer = self.inner.transmit(command);
        self.plug.check().and(answer)
    }
}

impl Exchange for SimulatedConnection {
    fn reconnect(&mut self) -> Result<(), TransmitError> {
        self.plug.check()?;
        self.inner.reconnect()
    }
}

impl Connection for SimulatedConnection {
    fn atr(&self) -> &[u8] {
        self.inner.atr()
    }

    fn changes(&self) -> u32 {
        self.changes
    }

    fn protocol(&self) -> Protocol {
        self.inner.protocol()
    }

    fn transaction(&mut self) -> Result<Box<dyn Exchange + '_>, TransmitError> {
        self.plug.check()?;
        Ok(Box::new(SimulatedTransaction {
            inner: self.inner.transaction()?,
            plug: &self.plug,
        }))
    }

    fn disconnect(self: Box<Self>, disposition: Disposition) {
        self.inner.disconnect(disposition);
    }
}

struct SimulatedTransaction<'a> {
    inner: Box<dyn Exchange + 'a>,
    plug: &'a Plug,
}

impl Transmit for SimulatedTransaction<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransmitError> {
        self.plug.check()?;
        let answer = self.inner.transmit(command);
        self.plug.check().and(answer)
    }
}

impl Exchange for SimulatedTransaction<'_> {
    fn reconnect(&mut self) -> Result<(), TransmitError> {
        self.plug.check()?;
        self.inner.reconnect()
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
    seen: Seen,
}

impl Plugged {
    /// The low bits are enough to tell two pictures apart.
    fn changes(&self) -> u32 {
        (self.seen.generation ^ self.plug << 16) as u32
    }
}

/// A reader at one moment.
#[derive(Clone, Copy)]
struct Seen {
    card: bool,
    generation: u64,
}

impl Seen {
    fn of(reader: &dyn SimulatedReader) -> Self {
        loop {
            let generation = reader.generation();
            let card = reader.has_card();
            if reader.generation() == generation {
                return Self { card, generation };
            }
        }
    }
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

    fn follow(&self, name: &str, plug: u64, reader: &dyn SimulatedReader, mut seen: Seen) {
        loop {
            reader.wait_change(seen.generation);
            let before = std::mem::replace(&mut seen, Seen::of(reader));
            let mut inner = self.lock();
            match inner.readers.get_mut(name) {
                Some(plugged) if plugged.plug == plug => plugged.seen = seen,
                _ => return,
            }
            if seen.generation != before.generation {
                inner.version += 1;
                self.changed.notify_all();
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
