//! PC/SC: pcscd through its client library.
//!
//! Operations on one context serialise, so the monitor and each card thread have a context of
//! their own. Nothing polls: the monitor blocks in SCardGetStatusChange, and while pcscd does not
//! run, in inotify on the folder of its socket.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cps_card::{Protocol, Transmit, TransmitError};
use pcsc::{Card, Context, Error, Protocols, ReaderState, Scope, ShareMode, State, Transaction};
use rustix::event::{EventfdFlags, eventfd};

use super::socket_watch::SocketWatch;
use super::{
    ConnectError, Connection, Connector, Disposition, Exchange, Observation, Presence,
    ReaderObservation, ReaderSource, Stopper,
};

/// The readers of pcscd.
pub struct PcscSource {
    control: Arc<Control>,
    last: Option<Observation>,
    monitor: Option<Monitor>,
    share_mode: ShareMode,
    /// Kept until the service answered: the attempts that it counts end.
    watch: Option<SocketWatch>,
}

impl PcscSource {
    /// A source that has not looked yet. With `exclusive`, a card in our use is closed to all
    /// other programs.
    ///
    /// # Errors
    /// The system has no file descriptor left.
    pub fn new(exclusive: bool) -> io::Result<Self> {
        Ok(Self {
            control: Arc::new(Control {
                context: Mutex::new(None),
                stopped: AtomicBool::new(false),
                wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            }),
            last: None,
            monitor: None,
            share_mode: match exclusive {
                true => ShareMode::Exclusive,
                false => ShareMode::Shared,
            },
            watch: None,
        })
    }

    /// Looks once, without blocking.
    fn look(&mut self) -> Observation {
        match self.readers() {
            Ok(readers) => {
                self.watch = None;
                Observation::Readers(readers)
            }
            Err(error) => {
                self.lose();
                Observation::Stopped(error.to_string())
            }
        }
    }

    fn readers(&mut self) -> Result<Vec<ReaderObservation>, Error> {
        if let Some(monitor) = &mut self.monitor {
            return monitor.refresh();
        }
        // Watch first, then try: a service that starts in between is not missed.
        self.watch.get_or_insert_with(SocketWatch::arm);
        let context = Context::establish(Scope::User)?;
        self.control.set_context(Some(context.clone()));
        self.monitor.insert(Monitor::new(context)).refresh()
    }

    /// Blocks until looking again may show something else.
    fn block(&mut self) {
        match &mut self.monitor {
            Some(monitor) => {
                if monitor.block().is_err() {
                    self.lose();
                }
            }
            None => {
                let watch = self.watch.take().unwrap_or_else(SocketWatch::arm);
                self.watch = Some(watch.wait(&self.control.wake));
            }
        }
    }

    fn lose(&mut self) {
        self.control.set_context(None);
        self.monitor = None;
    }
}

impl ReaderSource for PcscSource {
    fn wait(&mut self) -> Observation {
        loop {
            if self.control.is_stopped() {
                return Observation::Ended;
            }
            let observation = self.look();
            if self.last.as_ref() != Some(&observation) {
                self.last = Some(observation.clone());
                return observation;
            }
            self.block();
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(PcscConnector {
            share_mode: self.share_mode,
        })
    }

    fn stopper(&self) -> Arc<dyn Stopper> {
        Arc::clone(&self.control) as Arc<dyn Stopper>
    }
}

/// What other threads need to end the monitor.
struct Control {
    context: Mutex<Option<Context>>,
    stopped: AtomicBool,
    wake: OwnedFd,
}

impl Control {
    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Context>> {
        self.context.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_context(&self, context: Option<Context>) {
        *self.lock() = context;
    }
}

impl Stopper for Control {
    fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        // A full counter wakes just as well.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
        if let Some(context) = &*self.lock() {
            // Lost when the monitor is not blocked at this instant: callers repeat `stop`.
            let _ = context.cancel();
        }
    }
}

/// A context that watches readers and cards.
struct Monitor {
    context: Context,
    plug_and_play: ReaderState,
    readers: Vec<ReaderState>,
    settled: bool,
}

impl Monitor {
    fn new(context: Context) -> Self {
        Self {
            context,
            plug_and_play: ReaderState::new(pcsc::PNP_NOTIFICATION(), State::UNAWARE),
            readers: Vec::new(),
            settled: false,
        }
    }

    fn refresh(&mut self) -> Result<Vec<ReaderObservation>, Error> {
        let names = match self.context.list_readers_owned() {
            Ok(names) => names,
            Err(Error::NoReadersAvailable) => Vec::new(),
            Err(error) => return Err(error),
        };
        self.readers
            .retain(|state| names.iter().any(|name| name.as_c_str() == state.name()));
        for name in names {
            // The service refuses more states in one call than it can have readers.
            if self.readers.len() < MAX_READERS
                && !self.readers.iter().any(|state| state.name() == &*name)
            {
                self.readers.push(ReaderState::new(name, State::UNAWARE));
            }
        }
        if !self.readers.is_empty() {
            match self
                .context
                .get_status_change(Duration::ZERO, &mut self.readers)
            {
                Ok(()) => self
                    .readers
                    .iter_mut()
                    .for_each(ReaderState::sync_current_state),
                // Nothing new; a reader that vanished meanwhile shows at the next listing.
                Err(Error::Timeout | Error::UnknownReader) => {}
                Err(error) => return Err(error),
            }
        }
        let picture: Vec<_> = self.readers.iter().map(observation).collect();
        Ok(picture)
    }

    /// Blocks until the service reports a change of the readers as last refreshed.
    fn block(&mut self) -> Result<(), Error> {
        // pcsc-lite before 2.3 compares the number of readers with that at the beginning of the
        // call: one that came between the listing and the call would be missed. So after each
        // change the first wait is short, and the readers are listed once more.
        let timeout = match self.settled {
            true => None,
            false => Some(SETTLING),
        };
        let mut states = Vec::with_capacity(self.readers.len() + 1);
        states.append(&mut self.readers);
        states.push(std::mem::replace(
            &mut self.plug_and_play,
            ReaderState::new(pcsc::PNP_NOTIFICATION(), State::UNAWARE),
        ));
        let result = self.context.get_status_change(timeout, &mut states);
        if result.is_ok() {
            states.iter_mut().for_each(ReaderState::sync_current_state);
        }
        if let Some(state) = states.pop() {
            self.plug_and_play = state;
        }
        self.readers = states;
        self.settled = result == Err(Error::Timeout);
        match result {
            Ok(()) | Err(Error::Timeout | Error::UnknownReader) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn observation(state: &ReaderState) -> ReaderObservation {
    let flags = state.current_state();
    ReaderObservation {
        name: state.name().to_string_lossy().into_owned(),
        presence: if flags.intersects(State::UNKNOWN | State::UNAVAILABLE) {
            Presence::Unavailable
        } else if flags.contains(State::MUTE) {
            Presence::Mute
        } else if flags.contains(State::EXCLUSIVE) {
            Presence::Exclusive
        } else if flags.contains(State::PRESENT) {
            Presence::Card
        } else {
            Presence::Empty
        },
        changes: state.event_count(),
    }
}

struct PcscConnector {
    share_mode: ShareMode,
}

impl Connector for PcscConnector {
    fn connect(&self, reader: &str) -> Result<Box<dyn Connection>, ConnectError> {
        let context = Context::establish(Scope::User).map_err(connect_error)?;
        let name = reader_name(reader)?;
        let card = context
            .connect(&name, self.share_mode, Protocols::ANY)
            .map_err(connect_error)?;
        let status = card.status2_owned().map_err(connect_error)?;
        let protocol = match status.protocol2() {
            Some(pcsc::Protocol::T0) => Protocol::T0,
            Some(pcsc::Protocol::T1) => Protocol::T1,
            _ => {
                return Err(ConnectError::Reader(
                    "the reader chose neither T=0 nor T=1".to_owned(),
                ));
            }
        };
        let mut states = [ReaderState::new(name, State::UNAWARE)];
        context
            .get_status_change(Duration::ZERO, &mut states)
            .map_err(connect_error)?;
        Ok(Box::new(PcscConnection {
            atr: status.atr().to_vec(),
            card,
            changes: states[0].event_count(),
            protocol,
            share_mode: self.share_mode,
        }))
    }

    fn in_use(&self, reader: &str) -> Result<bool, ConnectError> {
        let context = Context::establish(Scope::User).map_err(connect_error)?;
        let mut states = [ReaderState::new(reader_name(reader)?, State::UNAWARE)];
        context
            .get_status_change(Duration::ZERO, &mut states)
            .map_err(connect_error)?;
        Ok(states[0]
            .event_state()
            .intersects(State::INUSE | State::EXCLUSIVE))
    }
}

struct PcscConnection {
    atr: Vec<u8>,
    card: Card,
    changes: u32,
    protocol: Protocol,
    share_mode: ShareMode,
}

impl Connection for PcscConnection {
    fn atr(&self) -> &[u8] {
        &self.atr
    }

    fn changes(&self) -> u32 {
        self.changes
    }

    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn transaction(&mut self) -> Result<Box<dyn Exchange + '_>, TransmitError> {
        let share_mode = self.share_mode;
        match self.card.transaction2() {
            Ok(transaction) => Ok(Box::new(Held {
                transaction,
                share_mode,
            })),
            Err((card, error)) => Err(transmit_error(card, error)),
        }
    }

    fn disconnect(self: Box<Self>, disposition: Disposition) {
        let disposition = match disposition {
            Disposition::Leave => pcsc::Disposition::LeaveCard,
            Disposition::Reset => pcsc::Disposition::ResetCard,
        };
        if let Err((card, error)) = self.card.disconnect(disposition) {
            tracing::debug!(%error, "the card could not be disconnected");
            // Dropping it would ask for a reset, which the service refuses as well: it is gone.
            drop(card);
        }
    }
}

impl Transmit for PcscConnection {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransmitError> {
        exchange(&self.card, command)
    }
}

impl Exchange for PcscConnection {
    fn reconnect(&mut self) -> Result<(), TransmitError> {
        self.card
            .reconnect(
                self.share_mode,
                Protocols::ANY,
                pcsc::Disposition::LeaveCard,
            )
            .map_err(|error| transmit_error(&self.card, error))
    }
}

/// A card inside a transaction.
struct Held<'a> {
    transaction: Transaction<'a>,
    share_mode: ShareMode,
}

impl Transmit for Held<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransmitError> {
        exchange(&self.transaction, command)
    }
}

impl Exchange for Held<'_> {
    fn reconnect(&mut self) -> Result<(), TransmitError> {
        self.transaction
            .reconnect(
                self.share_mode,
                Protocols::ANY,
                pcsc::Disposition::LeaveCard,
            )
            .map_err(|error| transmit_error(&self.transaction, error))
    }
}

fn exchange(card: &Card, command: &[u8]) -> Result<Vec<u8>, TransmitError> {
    let mut buffer = [0; pcsc::MAX_BUFFER_SIZE];
    match card.transmit(command, &mut buffer) {
        Ok(answer) => Ok(answer.to_vec()),
        Err(error) => Err(transmit_error(card, error)),
    }
}

/// Sorts a failure. Readers report a card pulled in mid-command as a failed exchange: the status
/// of the card tells which it was.
fn transmit_error(card: &Card, error: Error) -> TransmitError {
    let error = match error {
        Error::CommError | Error::NotTransacted | Error::CommDataLost => {
            card.status2_owned().err().unwrap_or(error)
        }
        other => other,
    };
    match error {
        Error::NoSmartcard
        | Error::ReaderUnavailable
        | Error::RemovedCard
        | Error::UnknownReader => TransmitError::Removed,
        // After suspend the card is without power; like a reset, it has forgotten everything.
        Error::ResetCard | Error::UnpoweredCard => TransmitError::Reset,
        Error::Timeout | Error::UnresponsiveCard => TransmitError::TimedOut,
        other => TransmitError::Reader(other.to_string()),
    }
}

fn connect_error(error: Error) -> ConnectError {
    match error {
        Error::NoService | Error::ServiceStopped => ConnectError::ServiceStopped,
        Error::NoSmartcard
        | Error::ReaderUnavailable
        | Error::RemovedCard
        | Error::UnknownReader => ConnectError::Removed,
        Error::NoAccess | Error::SecurityViolation => ConnectError::Denied,
        Error::SharingViolation => ConnectError::Busy,
        Error::Timeout | Error::UnpoweredCard | Error::UnresponsiveCard => {
            ConnectError::Unresponsive
        }
        other => ConnectError::Reader(other.to_string()),
    }
}

fn reader_name(reader: &str) -> Result<CString, ConnectError> {
    CString::new(reader).map_err(|_| ConnectError::Removed)
}

/// pcsc-lite takes 16 states in one call, one of which is the plug-and-play notification.
const MAX_READERS: usize = 15;

const SETTLING: Duration = Duration::from_secs(1);
