//! Everything asked of the daemon.
//!
//! The answer of `GET /v1/objects` is kept as long as the open connection of `GET /v1/events` is
//! quiet, so that most calls cost one `recv` that does not block. A daemon that is not there is
//! noticed at once, at each call; one that is there and says nothing is given [`MACHINE`], then left
//! alone for a while, so that the host program does not freeze again and again. One that could not
//! list every card is asked again later, for nothing tells when it can.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cps_api::types::{ModuleLogin, ModuleSettings, Objects, ProgramPin};
use cps_api::{Client, Error, Patience};
use rustix::fs::inotify;
use rustix::io::Errno;

use crate::lock;
use crate::rv::Rv;
use crate::stream::{Heard, Stream};

/// The daemon of this user.
pub(crate) struct Daemon {
    client: Client,
    link: Mutex<Link>,
}

/// What the daemon says is there.
pub(crate) struct View {
    /// Counts the views.
    pub(crate) number: u64,
    /// Counts the daemons: when it changes, what the earlier one gave is void.
    pub(crate) epoch: u64,
    /// `None` until a daemon answered. What it said holds until one says otherwise: a daemon that
    /// went says nothing about the cards.
    pub(crate) objects: Option<Objects>,
}

/// The connection that tells of changes, and what was last seen.
struct Link {
    events: Option<Stream>,
    stale: bool,
    /// Since the daemon said nothing.
    silence: Pause,
    /// Since the daemon could not list every card.
    gap: Pause,
    view: Arc<View>,
}

impl Daemon {
    /// The daemon at the socket that this process' environment names; nothing is opened yet.
    pub(crate) fn new() -> Self {
        Self {
            client: Client::new(socket()),
            link: Mutex::new(Link {
                events: None,
                stale: true,
                silence: Pause::default(),
                gap: Pause::default(),
                view: Arc::new(View {
                    number: 0,
                    epoch: 0,
                    objects: None,
                }),
            }),
        }
    }

    /// What is there now. Waits for nobody, and for a silent daemon only once in a while.
    pub(crate) fn look(&self) -> Arc<View> {
        let mut link = lock(&self.link);
        match link.events.as_ref().map(Stream::heard) {
            Some(Heard::End) => {
                link.events = None;
                link.silence = Pause::default();
            }
            Some(Heard::News) => {
                link.stale = true;
                link.silence = Pause::default();
            }
            Some(Heard::Nothing) | None => {}
        }
        let settled = link.events.is_some() && !link.stale && !link.gap.is_over();
        if !settled && link.silence.left().is_none() {
            self.refresh(&mut link);
        }
        Arc::clone(&link.view)
    }

    /// What was seen is old, though its news may not have come yet.
    pub(crate) fn doubt(&self) {
        lock(&self.link).stale = true;
    }

    /// How the daemon wants this module to behave; the defaults until it told.
    pub(crate) fn settings(&self) -> ModuleSettings {
        let view = self.look();
        let objects = view.objects.as_ref();
        objects.map_or(DEFAULTS, |objects| objects.module.clone())
    }

    /// Whether a daemon answers, as last seen.
    pub(crate) fn is_reached(&self) -> bool {
        lock(&self.link).events.is_some()
    }

    /// Which daemon was reached last.
    pub(crate) fn epoch(&self) -> u64 {
        lock(&self.link).view.epoch
    }

    /// How long the daemon is still left alone, when it is to be asked again without any news.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let link = lock(&self.link);
        link.silence.left().or_else(|| link.gap.left())
    }

    /// Something that `poll` finds readable when it is time to look again.
    pub(crate) fn watch(&self) -> Result<Watch, Rv> {
        let mut link = lock(&self.link);
        let news = link.events.as_ref().and_then(|it| it.try_clone().ok());
        if news.is_none() {
            link.events = None;
        }
        let reached = news.is_some();
        let news = news.map_or_else(|| folder_watch(self.client.socket()), Ok);
        Ok(Watch {
            reached,
            news: news.map_err(|_| Rv::FUNCTION_FAILED)?,
        })
    }

    /// Asks something that a person may have to agree to.
    pub(crate) fn ask<T>(
        &self,
        question: impl FnOnce(&Client) -> Result<T, Error>,
    ) -> Result<T, Rv> {
        let human = Duration::from_secs(self.settings().wait_seconds.into());
        // One that just said nothing at all is not waited for as long as a person is.
        if lock(&self.link).silence.left().is_some() {
            return Err(Rv::DEVICE_ERROR);
        }
        let client = self.client.clone().with_patience(Patience {
            machine: MACHINE,
            human,
        });
        question(&client).map_err(Rv::from)
    }

    /// Opens the connection of events if need be, then asks what is there.
    fn refresh(&self, link: &mut Link) {
        let deadline = Instant::now() + MACHINE;
        let asked = self.events(link).and_then(|()| {
            let left = deadline.saturating_duration_since(Instant::now());
            self.patient(left).objects()
        });
        match asked {
            Ok(objects) => {
                link.stale = false;
                link.silence = Pause::default();
                match objects.complete {
                    true => link.gap = Pause::default(),
                    false => link.gap.begin(),
                }
                link.show(objects);
            }
            // One that ends in the middle, or talks nonsense, holds up nobody: another may be there soon.
            Err(
                Error::Absent { .. }
                | Error::Foreign { .. }
                | Error::NoSocketPath
                | Error::Protocol(_),
            ) => link.lose(),
            // It may only be slow: what it showed is still there, as far as anyone knows.
            Err(Error::TimedOut) if link.events.is_some() => link.silence.begin(),
            Err(_) => {
                link.lose();
                link.silence.begin();
            }
        }
    }

    fn events(&self, link: &mut Link) -> Result<(), Error> {
        if link.events.is_none() {
            link.events = Some(Stream::new(self.patient(MACHINE).events()?));
            link.stale = true;
            link.view = Arc::new(View {
                number: link.view.number,
                epoch: link.view.epoch + 1,
                objects: link.view.objects.clone(),
            });
        }
        Ok(())
    }

    fn patient(&self, patience: Duration) -> Client {
        self.client.clone().with_patience(Patience {
            machine: patience,
            human: patience,
        })
    }
}

impl Link {
    /// The daemon is not there any more.
    fn lose(&mut self) {
        self.events = None;
        self.stale = true;
    }

    fn show(&mut self, objects: Objects) {
        self.view = Arc::new(View {
            number: self.view.number + 1,
            epoch: self.view.epoch,
            objects: Some(objects),
        });
    }
}

/// What to wait for.
pub(crate) struct Watch {
    pub(crate) news: OwnedFd,
    /// Whether it is the daemon's news, rather than its appearance.
    pub(crate) reached: bool,
}

/// How long a daemon is left alone that has nothing to say.
#[derive(Default)]
struct Pause {
    until: Option<Instant>,
    length: Duration,
}

impl Pause {
    /// Twice as long as the last one.
    fn begin(&mut self) {
        self.length = (self.length * 2).clamp(SHORTEST, LONGEST);
        self.until = Some(Instant::now() + self.length);
    }

    /// Whether one began and is over.
    fn is_over(&self) -> bool {
        self.until.is_some() && self.left().is_none()
    }

    fn left(&self) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

/// Notices whatever appears in the folder of a socket, or in the nearest one that exists.
fn folder_watch(socket: &Path) -> Result<OwnedFd, Errno> {
    let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
    let watch = inotify::init(flags)?;
    let changes = inotify::WatchFlags::ATTRIB
        | inotify::WatchFlags::CREATE
        | inotify::WatchFlags::DELETE_SELF
        | inotify::WatchFlags::MOVED_TO
        | inotify::WatchFlags::MOVE_SELF;
    for folder in socket.ancestors().skip(1) {
        match inotify::add_watch(&watch, folder, changes) {
            // A folder made between both: its own folder is watched, and told of it.
            Ok(_) => return Ok(watch),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(watch)
}

/// Where the daemon listens, as for the `cps` command; when the host program lost the session's
/// environment, where systemd puts the folder of its user.
fn socket() -> PathBuf {
    cps_api::default_socket().unwrap_or_else(|_| {
        let user = rustix::process::geteuid().as_raw();
        PathBuf::from(format!("/run/user/{user}/cpsd/cpsd.sock"))
    })
}

/// What holds until the daemon says otherwise.
const DEFAULTS: ModuleSettings = ModuleSettings {
    login: ModuleLogin::None,
    program_pin: ProgramPin::Refuse,
    wait_seconds: 60,
};

/// What the daemon is given to answer a question that needs nobody.
const MACHINE: Duration = Duration::from_secs(3);

/// How long a daemon is left alone: the first time, and at most.
const SHORTEST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(60);
