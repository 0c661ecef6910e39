use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd as StdFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use zbus::object_server::SignalEmitter;
use zbus::{connection, interface};

use super::*;

/// A private message bus; ended with the test.
struct Bus {
    daemon: Child,
    address: String,
}

impl Bus {
    fn start() -> Self {
        let mut daemon = Command::new("dbus-daemon")
            .args([
                "--session",
                "--nofork",
                "--print-address=1",
                "--address=unix:tmpdir=/tmp",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon is installed");
        let mut address = String::new();
        let output = daemon.stdout.take().expect("output");
        BufReader::new(output)
            .read_line(&mut address)
            .expect("address");
        Self {
            daemon,
            address: address.trim().to_owned(),
        }
    }

    async fn connect(&self) -> zbus::Result<Connection> {
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
struct Logind {
    inhibitor: Arc<Mutex<Option<StdFd>>>,
    sessions: Vec<(String, u32, String, String, OwnedObjectPath)>,
}

#[interface(name = "org.freedesktop.login1.Manager")]
impl Logind {
    fn inhibit(&self, what: &str, _who: &str, _why: &str, mode: &str) -> OwnedFd {
        assert_eq!((what, mode), ("sleep", "delay"));
        let (ours, theirs) = std::io::pipe().expect("pipe");
        *self.inhibitor.lock().expect("lock") = Some(ours.into());
        StdFd::from(theirs).into()
    }

    fn list_sessions(&self) -> Vec<(String, u32, String, String, OwnedObjectPath)> {
        self.sessions.clone()
    }

    #[zbus(signal)]
    async fn prepare_for_sleep(emitter: &SignalEmitter<'_>, start: bool) -> zbus::Result<()>;
}

impl Logind {
    /// Whether the daemon still holds the inhibitor given last: its end of the pipe is open.
    fn held(&self) -> bool {
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

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < limit, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A bus with a logind whose sessions are `(path, owner)`, and a daemon that follows it. Each
/// leaving is sent out, and ends when it is answered.
async fn desktop(
    sessions: &[(&str, u32)],
) -> (
    Bus,
    Connection,
    Logind,
    mpsc::UnboundedReceiver<(Leaving, tokio::sync::oneshot::Sender<()>)>,
) {
    let bus = Bus::start();
    let sessions = sessions
        .iter()
        .map(|(path, owner)| {
            let path = OwnedObjectPath::try_from(*path).expect("path");
            (
                path.to_string(),
                *owner,
                "name".to_owned(),
                "seat0".to_owned(),
                path,
            )
        })
        .collect();
    let logind = Logind {
        sessions,
        ..Logind::default()
    };
    let manager = connection::Builder::address(bus.address.as_str())
        .and_then(|builder| builder.name("org.freedesktop.login1"))
        .and_then(|builder| builder.serve_at("/org/freedesktop/login1", logind.clone()))
        .expect("builder")
        .build()
        .await
        .expect("fake logind");
    let (sender, receiver) = mpsc::unbounded_channel();
    let client = bus.connect().await;
    tokio::spawn(watch(async move { client }, move |leaving| {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let sent = sender.send((leaving, answer));
        async move {
            if sent.is_ok() {
                let _ = answered.await;
            }
        }
        .boxed()
    }));
    until("the inhibitor is taken", || logind.held()).await;
    (bus, manager, logind, receiver)
}

async fn lock(manager: &Connection, session: &str) {
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

#[tokio::test]
async fn sleep_waits_until_the_cards_are_locked() {
    let (_bus, manager, logind, mut leavings) = desktop(&[]).await;
    let emitter = SignalEmitter::new(&manager, "/org/freedesktop/login1").expect("emitter");
    for _ in 0..2 {
        Logind::prepare_for_sleep(&emitter, true)
            .await
            .expect("signal");
        let (leaving, done) = leavings.recv().await.expect("leaving");
        assert_eq!(leaving, Leaving::Sleep);
        assert!(
            logind.held(),
            "the machine slept before the card was locked"
        );
        done.send(()).expect("waiting");
        until("the machine may sleep", || !logind.held()).await;
        Logind::prepare_for_sleep(&emitter, false)
            .await
            .expect("signal");
        until("the next sleep waits again", || logind.held()).await;
    }
}

#[tokio::test]
async fn locking_this_users_screen_locks_the_card() {
    let ours = rustix::process::getuid().as_raw();
    let sessions = [("/session/ours", ours), ("/session/theirs", ours + 1)];
    let (_bus, manager, _logind, mut leavings) = desktop(&sessions).await;
    lock(&manager, "/session/theirs").await;
    lock(&manager, "/session/ours").await;
    let (leaving, done) = leavings.recv().await.expect("leaving");
    assert_eq!(leaving, Leaving::Lock);
    done.send(()).expect("waiting");
    // A session that logind does not list counts as ours.
    lock(&manager, "/session/new").await;
    let (leaving, _done) = leavings.recv().await.expect("leaving");
    assert_eq!(leaving, Leaving::Lock);
    assert!(
        leavings.try_recv().is_err(),
        "another user's lock was taken for ours"
    );
}

#[tokio::test]
async fn a_program_that_imitates_logind_is_not_heard() {
    let (bus, manager, _logind, mut leavings) = desktop(&[]).await;
    let impostor = bus.connect().await.expect("connection");
    lock(&impostor, "/session/ours").await;
    lock(&manager, "/session/ours").await;
    let (_, done) = leavings.recv().await.expect("the real one");
    done.send(()).expect("waiting");
    assert!(leavings.try_recv().is_err(), "the impostor was heard");
}

#[tokio::test]
async fn without_bus_or_logind_the_daemon_goes_on() {
    let never = |_| async { panic!("nobody left") }.boxed();
    let no_bus = connection::Builder::address("unix:path=/nonexistent/bus").expect("address");
    watch(no_bus.build(), never).await;
    let bus = Bus::start();
    watch(bus.connect(), never).await;
}
