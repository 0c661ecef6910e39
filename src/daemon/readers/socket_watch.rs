//! Waits for pcscd to appear, without polling.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

/// A watch on the place where the socket of pcscd appears.
pub(super) struct SocketWatch {
    /// How often a service that just appeared was tried.
    attempts: usize,
    inotify: io::Result<OwnedFd>,
    /// The entry of the watched folder that leads to the socket.
    awaited: PathBuf,
    socket: PathBuf,
}

impl SocketWatch {
    /// A watch that sees everything that happens from now on.
    pub(super) fn arm() -> Self {
        Self::at(socket_path())
    }

    /// Blocks until the service may have appeared, or until `wake` is readable. Returns the next
    /// watch, already armed: try the service, then wait on that one.
    ///
    /// A socket exists a moment before its owner listens, so at first and after each event the
    /// caller is sent to try some more times, at growing distances that end after some seconds.
    pub(super) fn wait(self, wake: &OwnedFd) -> Self {
        match (&self.inotify, ATTEMPTS.get(self.attempts)) {
            (Ok(inotify), Some(delay)) => {
                sleep(wake, Some(inotify), *delay);
                if !happened(inotify, &self.awaited) {
                    return Self {
                        attempts: self.attempts + 1,
                        ..self
                    };
                }
            }
            (Ok(inotify), None) => {
                while !is_readable(wake) && !happened(inotify, &self.awaited) {
                    sleep(wake, Some(inotify), Duration::MAX);
                }
            }
            (Err(error), _) => {
                tracing::warn!(%error, "cannot watch for the PC/SC service, trying once a minute");
                sleep(wake, None, FALLBACK);
            }
        }
        Self::at(self.socket)
    }

    fn at(socket: PathBuf) -> Self {
        let (inotify, awaited) = match watch_nearest(&socket) {
            Ok((inotify, awaited)) => (Ok(inotify), awaited),
            Err(error) => (Err(error), PathBuf::new()),
        };
        Self {
            attempts: 0,
            inotify,
            awaited,
            socket,
        }
    }
}

/// Where libpcsclite looks for pcscd.
fn socket_path() -> PathBuf {
    std::env::var_os("PCSCLITE_CSOCK_NAME")
        .map_or_else(|| PathBuf::from("/run/pcscd/pcscd.comm"), PathBuf::from)
}

/// Watches the folder of the socket or, while that does not exist, the nearest one above it.
/// Returns the name to look for inside it.
fn watch_nearest(socket: &Path) -> io::Result<(OwnedFd, PathBuf)> {
    let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let mut awaited = socket;
    while let Some(folder) = awaited.parent() {
        match inotify::add_watch(&inotify, folder, EVENTS) {
            Ok(_) => {
                let name = awaited.file_name().map(PathBuf::from).unwrap_or_default();
                return Ok((inotify, name));
            }
            Err(Errno::NOENT | Errno::NOTDIR) => awaited = folder,
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        "no folder on the way to the socket exists",
    ))
}

/// Takes what was notified; whether any of it concerns the awaited name or the folder itself.
fn happened(inotify: &OwnedFd, awaited: &Path) -> bool {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(inotify, &mut buffer);
    let mut concerned = false;
    loop {
        match reader.next() {
            Ok(event) => {
                let name = event
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned());
                concerned |= event.events().intersects(
                    ReadFlags::DELETE_SELF
                        | ReadFlags::IGNORED
                        | ReadFlags::MOVE_SELF
                        | ReadFlags::QUEUE_OVERFLOW,
                ) || name.is_some_and(|name| Path::new(&name) == awaited);
            }
            Err(Errno::INTR) => {}
            Err(_) => return concerned,
        }
    }
}

/// Sleeps until `wake` or `other` is readable or the time is over. A signal may end it early.
fn sleep(wake: &OwnedFd, other: Option<&OwnedFd>, time: Duration) {
    let mut descriptors = vec![PollFd::new(wake, PollFlags::IN)];
    descriptors.extend(other.map(|other| PollFd::new(other, PollFlags::IN)));
    let timeout = Timespec::try_from(time).ok();
    if let Err(error) = poll(&mut descriptors, timeout.as_ref())
        && error != Errno::INTR
    {
        // Out of memory: whatever calls this in a loop must not spin.
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn is_readable(descriptor: &OwnedFd) -> bool {
    let mut descriptors = [PollFd::new(descriptor, PollFlags::IN)];
    poll(&mut descriptors, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// What says that the socket came, or that the folder must be looked up anew.
const EVENTS: WatchFlags = WatchFlags::ATTRIB
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// Distances between the attempts after an event.
const ATTEMPTS: [Duration; 7] = [
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(1_000),
    Duration::from_millis(3_000),
];

/// Distance between attempts when the system gives no watch.
const FALLBACK: Duration = Duration::from_secs(60);
