//! The card service: which readers and cards are there, and the one way to use a card.
//!
//! One monitor thread blocks in the [`ReaderSource`]; each inserted card has a thread of its own,
//! the only one that talks to it. [`Cards`] is the handle to all of them.
//!
//! # Layout
//! - `monitor`: insertions and removals. `worker`: the thread of one card.
//! - `modules`: the tokens of PKCS#11 modules, which are cards too.
//! - `desk`: where callers hand in operations. `wire`: the way to the card during one operation.
//! - `hub`, `publish`: what is known, and who is told.
//! - `watchdog`: notices mute cards. `threads`: the end of the service waits for them.

mod desk;
mod hub;
mod modules;
mod monitor;
mod publish;
mod threads;
mod watchdog;
mod wire;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cps_card::{Hex, Kind, Tries};
use tokio::sync::broadcast;

use self::hub::Hub;
use self::modules::Scout;
use self::monitor::Monitor;
use self::threads::Threads;
use self::watchdog::Watchdog;
use crate::cache::Cache;
use crate::config::Prefer;
use crate::modules::{HostError, Module};
use crate::queue::Limits;
use crate::readers::{ReaderSource, Stopper};
use crate::token::{Token, TokenCertificate, TokenError};

/// Handle to the card service. Clones share the service.
#[derive(Clone)]
pub struct Cards {
    hub: Arc<Hub>,
    modules: Vec<Module>,
    stopper: Arc<dyn Stopper>,
    threads: Threads,
    watchdog: Arc<Watchdog>,
}

impl Cards {
    /// Starts watching the source. Without a cache each insertion reads the card again.
    pub fn start(source: Box<dyn ReaderSource>, cache: Option<Cache>, options: Options) -> Self {
        let cards = Self {
            hub: Arc::new(Hub::new(options.modules.len(), options.prefer)),
            modules: options.modules.clone(),
            stopper: source.stopper(),
            threads: Threads::new(),
            watchdog: Watchdog::start(options.command_limit),
        };
        for (index, module) in options.modules.iter().enumerate() {
            cards.look_for_tokens(index, module, &options);
        }
        let monitor = Monitor {
            cache,
            connector: source.connector(),
            hub: Arc::clone(&cards.hub),
            options,
            threads: cards.threads.clone(),
            watchdog: Arc::clone(&cards.watchdog),
        };
        let alive = cards.threads.alive();
        let spawned = thread::Builder::new()
            .name("card monitor".to_owned())
            .spawn(move || {
                monitor.run(source);
                drop(alive);
            });
        if let Err(error) = spawned {
            tracing::error!(%error, "cannot start the card monitor: no card will be seen");
        }
        cards
    }

    fn look_for_tokens(&self, index: usize, module: &Module, options: &Options) {
        let scout = Scout {
            hub: Arc::clone(&self.hub),
            index,
            module: module.clone(),
            options: options.clone(),
            threads: self.threads.clone(),
        };
        let alive = self.threads.alive();
        let spawned = thread::Builder::new()
            .name(format!("tokens of {}", module.name))
            .spawn(move || {
                scout.run();
                drop(alive);
            });
        if let Err(error) = spawned {
            tracing::error!(%error, module = %module.name, "cannot look for the tokens of a module");
        }
    }

    /// Whether tokens of PKCS#11 modules are being looked for, or about to be;
    /// [`Event::ModuleSearched`] tells the end.
    pub fn is_searching(&self) -> bool {
        self.hub.is_searching()
    }

    /// The modules of the configuration, and why the last search for tokens failed where it did. A
    /// snapshot: no module is asked.
    pub fn modules(&self) -> Vec<(Arc<str>, Option<HostError>)> {
        let modules = self.modules.iter().enumerate();
        modules
            .map(|(index, module)| (Arc::clone(&module.name), self.hub.module_problem(index)))
            .collect()
    }

    /// Whether the PC/SC service runs.
    pub fn service(&self) -> ServiceState {
        self.hub.lock().service
    }

    /// Why the PC/SC service cannot be reached, in the words of its client library; nothing while
    /// it runs.
    pub fn service_problem(&self) -> Option<String> {
        self.hub.lock().stopped_because.clone()
    }

    /// The readers, by name. A snapshot: no card is asked.
    pub fn readers(&self) -> Vec<ReaderState> {
        self.hub.lock().readers()
    }

    /// The cards whose serial number is known, by reader name. A snapshot: no card is asked.
    pub fn cards(&self) -> Vec<CardState> {
        self.hub.lock().cards()
    }

    /// The card with this serial number; without one, the only card there is (a card in a contact
    /// reader goes before contactless ones).
    ///
    /// # Errors
    /// [`CardsError::Absent`], [`CardsError::Ambiguous`] with the serial numbers to choose from, or
    /// what is wrong with the only card there is.
    pub fn find(&self, serial: Option<&str>) -> Result<CardState, CardsError> {
        self.hub.lock().find(serial)
    }

    /// Changes from now on. A receiver that lags takes new snapshots.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.hub.subscribe()
    }

    /// Runs `operation` on the card's own thread, in one PC/SC transaction, when the caller's turn
    /// has come. Dropping the future takes the operation out of the queue if it has not begun; one
    /// that has begun goes on to its end.
    ///
    /// # Errors
    /// [`CardsError::Token`] when the operation failed, else why it could not be run.
    pub async fn run<R: Send + 'static>(
        &self,
        card: &CardId,
        caller: CallerKey,
        deadline: Instant,
        operation: impl FnOnce(&mut dyn Token) -> Result<R, TokenError> + Send + 'static,
    ) -> Result<R, CardsError> {
        let desk = self.hub.lock().desk(card)?;
        desk.run(caller, deadline, operation).await
    }

    /// Ends all logins, releases the cards and stops the threads. A thread blocked in a mute card
    /// is left behind after a moment.
    pub async fn shutdown(&self) {
        for attempt in 0..SHUTDOWN_ATTEMPTS {
            // Repeated: a source that is not blocked at this instant may miss it.
            self.stopper.stop();
            if self.threads.ended(SHUTDOWN_STEP).await {
                break;
            }
            // Tokens had the time to log out; a module that hangs is not waited for.
            if attempt == MODULES_STOP {
                self.modules.iter().for_each(Module::stop);
            }
        }
        self.watchdog.end();
    }
}

/// Bounds and delays of the service.
#[derive(Clone, Debug)]
pub struct Options {
    /// ATRs of unknown card versions that may be sent a PIN all the same.
    pub accepted_atrs: Arc<[Hex]>,
    /// How long one command may take before the card counts as mute.
    pub command_limit: Duration,
    /// How long the connection is kept after an operation while nobody is logged in.
    pub linger: Duration,
    /// The PKCS#11 modules whose tokens are cards too.
    pub modules: Vec<Module>,
    /// Which drives a card that we and a module both see.
    pub prefer: Prefer,
    /// How many operations may wait for one card.
    pub queue: Limits,
    /// How long nobody must have asked for anything before cached files are compared with a card
    /// that keeps no update date.
    pub settle: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            accepted_atrs: Arc::default(),
            command_limit: Duration::from_secs(10),
            linger: Duration::from_millis(500),
            modules: Vec::new(),
            prefer: Prefer::default(),
            queue: Limits::default(),
            settle: Duration::from_secs(2),
        }
    }
}

/// One insertion of one card.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct CardId {
    /// The eight digits of EF.SN; of a PKCS#11 token, its module's name, a colon and its own
    /// serial number.
    pub serial: String,
    /// Changes at each insertion: what was granted for one is never used on another.
    pub insertion: u64,
}

impl fmt::Display for CardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.serial)
    }
}

/// Who the queue is fair between.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct CallerKey(pub u64);

/// Whether the PC/SC service runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ServiceState {
    /// It runs.
    Running,
    /// It does not, or was not reached yet.
    Stopped,
}

/// A reader.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReaderState {
    /// Its PC/SC name.
    pub name: String,
    /// What it holds.
    pub content: ReaderContent,
    /// The card in it, once its serial number is known.
    pub card: Option<CardId>,
}

/// What a reader holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReaderContent {
    /// A card we can use, or are still reading.
    Card,
    /// Nothing.
    Empty,
    /// A card that does not answer.
    Mute,
    /// A card that is not one of ours.
    UnknownCard,
    /// The reader, or the card in it, cannot be reached now.
    Unavailable,
}

/// A card.
#[derive(Clone, Debug)]
pub struct CardState {
    /// Which card, which insertion.
    pub id: CardId,
    /// What drives it.
    pub kind: CardKind,
    /// The reader it is in.
    pub reader: String,
    /// How far it is.
    pub phase: Phase,
    /// Whether the PIN was verified by us, as far as is known.
    pub logged_in: bool,
    /// The PIN tries as last told by the card; nothing when it was not asked yet.
    pub tries: Option<Tries>,
    /// The certificates known so far.
    pub certificates: Vec<TokenCertificate>,
    /// What the holder should know about the card.
    pub warnings: Vec<Warning>,
}

/// What drives a card.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CardKind {
    /// Our own driver: a CPS of this profile.
    Cps(Kind),
    /// The PKCS#11 module of this name in the configuration.
    Module(Arc<str>),
}

impl CardKind {
    /// Whether this proves a card, not a person: the contactless face of a CPS3.
    pub fn is_technical(&self) -> bool {
        *self == Self::Cps(Kind::Cps3Contactless)
    }
}

impl fmt::Display for CardKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cps(kind) => kind.fmt(f),
            Self::Module(name) => write!(f, "PKCS#11 ({name})"),
        }
    }
}

/// How far a card is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Its certificate is being read.
    Reading,
    /// It can be used.
    Ready,
    /// It cannot be used, and why.
    Unusable(TokenError),
}

/// Something about a card that does not prevent its use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// A French health card of a version this program does not know.
    UnrecognisedVersion,
    /// An on-line update of the card was begun and not finished; its issuer's tool ends it.
    UpdateUnfinished,
}

/// A change.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Event {
    /// A card was put into a reader; nothing is known about it yet.
    CardInserted {
        reader: String,
    },
    /// Its holder's certificate is known.
    CardReady {
        reader: String,
        card: CardId,
    },
    /// It was taken out; the identifier when it had become known.
    CardRemoved {
        reader: String,
        card: Option<CardId>,
    },
    /// Another program, or the reader, reset it.
    CardReset {
        reader: String,
        card: CardId,
    },
    /// It cannot be used.
    CardUnusable {
        reader: String,
        error: TokenError,
    },
    /// The PIN was verified.
    Login {
        card: CardId,
    },
    /// The login ended, whatever the reason.
    Logout {
        card: CardId,
    },
    /// The tokens of a module were looked for; what was found was told before.
    ModuleSearched,
    ReaderAdded {
        reader: String,
    },
    ReaderRemoved {
        reader: String,
    },
    ServiceStarted,
    ServiceStopped,
}

/// A card could not be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CardsError {
    /// No such card.
    #[error("no card is inserted")]
    Absent,
    /// Several cards, none of them named: their serial numbers.
    #[error("several cards are inserted; name one of {0:?}")]
    Ambiguous(Vec<String>),
    /// Another program holds the card.
    #[error("another program keeps the card for itself; end it or wait")]
    Busy,
    /// The deadline passed. `begun` tells whether the operation is still under way on the card.
    #[error("the card was not free in time")]
    Deadline {
        /// Whether the operation had begun.
        begun: bool,
    },
    /// The card does not answer.
    #[error("the card does not answer; take it out, clean it and insert it again")]
    Mute,
    /// Too many operations wait.
    #[error("too many operations wait for this card; try again later")]
    QueueFull,
    /// The card was removed, or inserted anew since.
    #[error("the card was removed")]
    Removed,
    /// The PC/SC service does not run.
    #[error("the PC/SC service (pcscd) does not run; start or install it")]
    ServiceStopped,
    /// The service is shutting down.
    #[error("the daemon is shutting down")]
    ShuttingDown,
    /// The operation itself failed.
    #[error(transparent)]
    Token(#[from] TokenError),
}

const SHUTDOWN_STEP: Duration = Duration::from_millis(20);
/// Two seconds in all.
const SHUTDOWN_ATTEMPTS: usize = 100;

/// The attempt after which the processes of modules are ended.
const MODULES_STOP: usize = 25;

#[cfg(test)]
mod tests;
