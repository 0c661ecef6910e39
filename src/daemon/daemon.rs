//! The whole daemon in one value: `main` starts it, tests and the demonstration run it in process.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::announce::Announced;
use crate::app::App;
use crate::broker::{Broker, Parts, Why};
use crate::cache::Cache;
use crate::cards::{self, CardState, Cards, Event};
use crate::config::{self, Config};
use crate::dictionary::{self, DictionaryError};
use crate::grants::{Grants, GrantsError};
use crate::journal::{Journal, JournalError};
use crate::mail::gateway;
use crate::mail::mailboxes::{MailboxError, Mailboxes};
use crate::mail::notices::Notices;
use crate::mail::traces::Traces;
use crate::mail::{self, Mail};
use crate::modules::protocol::Setup;
use crate::modules::{Host, Module, ModuleProcess};
use crate::notify::Notifier;
use crate::objects::Objects;
use crate::prompt::{Pinentry, Prompter, Turns};
use crate::readers::ReaderSource;
use crate::readers::pcsc::PcscSource;
use crate::server::socket::{Listener, SocketError};
use crate::server::{self, Limits, Seats, Stopping};
use crate::surface::http;
use crate::tls::Sessions;
use crate::trust::{TrustError, TrustStore};

/// What a daemon is started with.
pub struct DaemonOptions {
    /// The configuration in force.
    pub config: Config,
    /// Whether the desktop's screen lock and sleep lock the cards (logind, on the system bus).
    pub desktop: bool,
    /// Bounds on connections.
    pub limits: Limits,
    /// Bounds on mail clients.
    pub mail_limits: gateway::Limits,
    /// Who shows notifications.
    pub notifier: Notifier,
    /// Who shows the dialogs; the configured pinentry when absent.
    pub prompter: Option<Arc<dyn Prompter>>,
    /// Where to listen; systemd's socket or the default path when absent.
    pub socket: Option<PathBuf>,
    /// Where cards come from; PC/SC when absent.
    pub source: Option<Box<dyn ReaderSource>>,
    /// Folder of the journals, grants, mailboxes, anchors, revocation lists and the card cache.
    pub state_dir: PathBuf,
}

impl DaemonOptions {
    /// Real readers, real dialogs, the default socket.
    pub fn new(config: Config, state_dir: PathBuf) -> Self {
        Self {
            config,
            desktop: true,
            limits: Limits::default(),
            mail_limits: gateway::Limits::default(),
            notifier: Notifier::default(),
            prompter: None,
            socket: None,
            source: None,
            state_dir,
        }
    }
}

/// A running daemon. Dropping it ends it without grace; [`Daemon::stop`] lets requests finish.
pub struct Daemon {
    app: Arc<App>,
    serving: JoinHandle<io::Result<()>>,
    mail: JoinSet<()>,
    stop: watch::Sender<bool>,
    _followers: JoinSet<()>,
}

/// The daemon cannot start.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The dictionary that the configuration names cannot be used.
    #[error(transparent)]
    Dictionary(#[from] DictionaryError),
    /// The lasting grants cannot be read.
    #[error(transparent)]
    Grants(#[from] GrantsError),
    /// The state folder or another system resource cannot be used.
    #[error("{operation}: {source}")]
    Io {
        /// What was being done.
        operation: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The journal cannot be opened: without it no key may be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The mailboxes cannot be read.
    #[error(transparent)]
    Mailboxes(#[from] MailboxError),
    /// The socket cannot be opened.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The trust material cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

impl Daemon {
    /// Starts everything. The socket exists before anything slow begins, and callers wait in its
    /// queue; when this returns, requests are answered.
    ///
    /// # Errors
    ///
    /// [`StartError`]; what was begun is undone.
    pub async fn start(options: DaemonOptions) -> Result<Self, StartError> {
        let (started, began) = (Timestamp::now(), Instant::now());
        let (listener, given) = Listener::open(options.socket.as_deref())?;
        let socket = listener.path().map(Path::to_owned);
        let config = Arc::new(options.config);
        let state = options.state_dir;
        private_folder(&state).map_err(failed(format!("create {}", state.display())))?;

        let dictionary = config.dictionary.as_deref().map(dictionary::read);
        let dictionary = dictionary.transpose()?;
        let trust = TrustStore::open(&state, &config)?;
        let journal = config
            .journal
            .clone()
            .unwrap_or_else(|| state.join("journal"));
        let journal = Journal::open(&journal, u64::from(config.journal_mib) * MIB)?;
        let grants = Grants::open(&state.join("grants.json"))?;
        let mailboxes = Mailboxes::open(&state.join("mailboxes.json"), &config)?;
        let traces = Traces::open(
            &state.join("mail-journal"),
            u64::from(config.journal_mib) * MIB,
            config.mail.journal_days,
        )?;
        let source: Box<dyn ReaderSource> = match options.source {
            Some(source) => source,
            None => {
                let source = PcscSource::new(config.exclusive);
                Box::new(source.map_err(failed("watch the readers".to_owned()))?)
            }
        };
        let cards_options = cards::Options {
            accepted_atrs: config.accepted_atrs.as_slice().into(),
            modules: modules(&config).map_err(failed("start the PKCS#11 modules".to_owned()))?,
            prefer: config.prefer,
            ..cards::Options::default()
        };
        let cache = Cache::open(state.join("cards"))
            .inspect_err(|error| tracing::warn!(%error, "cards are read anew at each insertion"));
        let cards = Cards::start(source, cache.ok(), cards_options);

        let prompts = broadcast::Sender::new(PROMPT_EVENTS);
        let inner = options.prompter.unwrap_or_else(|| {
            let patience = Duration::from_secs(u64::from(config.prompt_seconds));
            Arc::new(Pinentry::new(config.pinentry.clone(), patience))
        });
        let broker = Broker::start(Parts {
            cards: cards.clone(),
            config: Arc::clone(&config),
            grants,
            journal,
            mailboxes: mailboxes.clone(),
            prompter: Arc::new(Turns::new(Arc::new(Announced::new(inner, prompts.clone())))),
            trust: Arc::new(trust.clone()),
        });
        let notices = Notices::new(options.notifier, config.language);
        let app = Arc::new(App {
            broker,
            cards,
            config,
            dictionary,
            mail: Mail::new(mailboxes, notices, traces),
            objects: Objects::default(),
            prompts,
            sessions: Sessions::default(),
            socket,
            started,
            began,
            trust,
            last_failure: Mutex::default(),
        });

        let (stop, stopping) = Stopping::new();
        let setup = gateway::Setup {
            limits: options.mail_limits,
            given,
            folder: listener.folder(),
            state,
        };
        let mail = mail::start(&app, setup, &stopping);
        let seats = Seats::new(options.limits);
        let router = http::router(Arc::clone(&app));
        let serving = tokio::spawn(server::serve(listener, router, seats, stopping));
        let mut followers = JoinSet::new();
        followers.spawn(follow_cards(Arc::clone(&app)));
        if options.desktop {
            followers.spawn(follow_desktop(Arc::clone(&app)));
        }
        Ok(Self {
            app,
            serving,
            mail,
            stop,
            _followers: followers,
        })
    }

    /// The path of the socket, unless systemd made it.
    pub fn socket(&self) -> Option<&Path> {
        self.app.socket.as_deref()
    }

    /// Returns only when serving fails by itself.
    ///
    /// # Errors
    ///
    /// Why.
    pub async fn failed(&mut self) -> io::Result<()> {
        match (&mut self.serving).await {
            Ok(served) => served,
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Ends the daemon: no new connections, cards locked at once, a moment of grace for requests
    /// under way, dialogs closed, the socket removed.
    pub async fn stop(mut self) {
        // Fails only when serving has ended already.
        let _ = self.stop.send(true);
        let lock = self.app.broker.lock(None, None, Why::End);
        let mail = async { while self.mail.join_next().await.is_some() {} };
        let (locked, _, ()) = tokio::join!(lock, &mut self.serving, mail);
        if let Err(error) = locked {
            tracing::error!(%error, "the end of the logins is not in the journal");
        }
        if let Err(error) = self.app.mail.traces.flush().await {
            tracing::error!(%error, "the end of the mail journal is not written");
        }
        if let Err(error) = self.app.mail.mailboxes.flush() {
            tracing::warn!(%error, "when mail passwords were last used is not kept");
        }
        self.app.cards.shutdown().await;
    }
}

/// Cards that come are checked for revocation in the background, cards that go take their TLS
/// sessions with them.
async fn follow_cards(app: Arc<App>) {
    let mut changes = app.cards.subscribe();
    // A card may have been ready before we listened.
    for card in app.cards.cards() {
        renew_lists(&app, card).await;
    }
    loop {
        match changes.recv().await {
            Ok(Event::CardReady { card, .. }) => {
                let ready = app.cards.cards().into_iter().find(|state| state.id == card);
                if let Some(card) = ready {
                    renew_lists(&app, card).await;
                }
            }
            Ok(
                Event::CardRemoved {
                    card: Some(card), ..
                }
                | Event::CardReset { card, .. }
                | Event::Logout { card },
            ) => app.sessions.forget(&card.serial),
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => app.sessions.forget_all(),
            Err(RecvError::Closed) => return,
        }
    }
}

async fn renew_lists(app: &App, card: CardState) {
    for one in card.certificates {
        app.renew_lists(&one.certificate, one.role).await;
    }
}

async fn follow_desktop(app: Arc<App>) {
    app.broker.follow_desktop(zbus::Connection::system()).await;
}

fn private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

/// The modules of the configuration, each ready to run in a process of its own.
fn modules(config: &Config) -> io::Result<Vec<Module>> {
    let start = |module: &config::Module| {
        let host = Host::start(ModuleProcess {
            name: module.name.clone(),
            program: PathBuf::from(ModuleProcess::OURSELVES),
            environment: module.environment.clone(),
            setup: Setup {
                module: module.path.clone(),
                network: module.network,
                writable: module.writable.clone(),
            },
        })?;
        Ok(Module::new(&module.name, Arc::new(host)))
    };
    config.modules.iter().map(start).collect()
}

fn failed(operation: String) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::Io { operation, source }
}

const MIB: u64 = 1024 * 1024;

/// Dialogs open one at a time: a listener that is this far behind is gone.
const PROMPT_EVENTS: usize = 16;

#[cfg(test)]
mod tests;
