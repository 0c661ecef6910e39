//! A private message bus with a logind of ours on it.

use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd as StdFd;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use zbus::object_server::SignalEmitter;
use zbus::zvariant::{OwnedFd, OwnedObjectPath};
use zbus::{Connection, connection, interface};

/// A private message bus; ended with the test.
pub struct Bus {
    daemon: Child,
    pub address: String,
    /// Holds the bus's socket, which a bus that is killed leaves behind.
    _folder: tempfile::TempDir,
}

impl Bus {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut daemon = Command::new("dbus-daemon")
            .args([
                "--session",
                "--nofork",
                "--print-address=1",
                &format!("--address=unix:tmpdir={}", folder.path().display()),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon is missing (package dbus-daemon: run tests/setup check)");
        let mut address = String::new();
        let output = daemon.stdout.take().expect("output");
        BufReader::new(output)
            .read_line(&mut address)
            .expect("address");
        Self {
            daemon,
            address: address.trim().to_owned(),
            _folder: folder,
        }
    }

    pub async fn connect(&self) -> zbus::Result<Connection> {
        connection::Builder::address(self.address.as_str())?
            .build()
            .await
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.daemon.kill().expect("kill");
        self.daemon.wait().expect("wait");
    }
}

/// logind as far as we use it. Keeps the other end of the inhibitor it gave last.
#[derive(Clone, Default)]
pub struct Logind {
    inhibitor: Arc<Mutex<Option<StdFd>>>,
    /// Gives no inhibitor any more, as when programs hold too many.
    pub full: Arc<AtomicBool>,
    sessions: Vec<(String, u32, String, String, OwnedObjectPath)>,
}

#[interface(name = "org.freedesktop.login1.Manager")]
impl Logind {
    fn inhibit(
        &self,
        what: &str,
        _who: &str,
        _why: &str,
        mode: &str,
    ) -> zbus::fdo::Result<OwnedFd> {
        assert_eq!((what, mode), ("sleep", "delay"));
        if self.full.load(Ordering::SeqCst) {
            return Err(zbus::fdo::Error::LimitsExceeded("inhibitors".to_owned()));
        }
        let (ours, theirs) = std::io::pipe().expect("pipe");
        *self.inhibitor.lock().expect("lock") = Some(ours.into());
        Ok(StdFd::from(theirs).into())
    }

    fn list_sessions(&self) -> Vec<(String, u32, String, String, OwnedObjectPath)> {
        self.sessions.clone()
    }

    #[zbus(signal)]
    async fn prepare_for_sleep(emitter: &SignalEmitter<'_>, start: bool) -> zbus::Result<()>;
}

impl Logind {
    /// Whether the daemon still holds the inhibitor given last: its end of the pipe is open.
    pub fn held(&self) -> bool {
        let inhibitor = self.inhibitor.lock().expect("lock");
        let Some(ours) = &*inhibitor else {
            return false;
        };
        let mut polled = [rustix::event::PollFd::new(
            ours,
            rustix::event::PollFlags::IN,
        )];
        let now = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        rustix::event::poll(&mut polled, Some(&now)).expect("poll") == 0
    }
}

impl Logind {
    /// A logind with these sessions: object path and owner.
    pub fn of(sessions: &[(&str, u32)]) -> Self {
        let session = |(path, owner): &(&str, u32)| {
            let path = OwnedObjectPath::try_from(*path).expect("path");
            (
                path.to_string(),
                *owner,
                "name".to_owned(),
                "seat0".to_owned(),
                path,
            )
        };
        Self {
            sessions: sessions.iter().map(session).collect(),
            ..Self::default()
        }
    }

    /// Serves logind on a bus.
    pub async fn serve(&self, bus: &Bus) -> Connection {
        connection::Builder::address(bus.address.as_str())
            .and_then(|builder| builder.name("org.freedesktop.login1"))
            .and_then(|builder| builder.serve_at("/org/freedesktop/login1", self.clone()))
            .expect("builder")
            .build()
            .await
            .expect("fake logind")
    }

    /// Tells everyone that the machine is about to sleep, or woke up.
    pub async fn sleep(served: &Connection, start: bool) {
        let emitter = SignalEmitter::new(served, "/org/freedesktop/login1").expect("emitter");
        Self::prepare_for_sleep(&emitter, start)
            .await
            .expect("signal");
    }
}

/// Tells everyone that a session's screen is being locked.
pub async fn lock(manager: &Connection, session: &str) {
    manager
        .emit_signal(
            None::<&str>,
            session,
            "org.freedesktop.login1.Session",
            "Lock",
            &(),
        )
        .await
        .expect("signal");
}
