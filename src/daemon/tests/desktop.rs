//! Screen lock and suspend, told by a logind on a private message bus.

mod support;

use std::collections::HashMap;

use cpsd::desktop::{Leaving, watch};
use cpsd::notify::Notifier;
use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot};
use zbus::zvariant::Value;
use zbus::{Connection, connection};

use support::logind::{Bus, Logind, lock};
use support::until;

type Leavings = mpsc::UnboundedReceiver<(Leaving, oneshot::Sender<()>)>;

/// A logind on a bus, and a daemon that follows it. Each leaving is sent out, and ends when it is
/// answered.
struct Desktop {
    bus: Bus,
    manager: Connection,
    logind: Logind,
    leavings: Leavings,
    returns: mpsc::UnboundedReceiver<()>,
}

/// A desktop whose sessions are `(path, owner)`.
async fn desktop(sessions: &[(&str, u32)]) -> Desktop {
    let bus = Bus::start();
    let logind = Logind::of(sessions);
    let manager = logind.serve(&bus).await;
    let (sender, leavings) = mpsc::unbounded_channel();
    let (returned, returns) = mpsc::unbounded_channel();
    let client = bus.connect().await;
    let leave = move |leaving| {
        let (answer, answered) = oneshot::channel();
        let sent = sender.send((leaving, answer));
        async move {
            if sent.is_ok() {
                let _ = answered.await;
            }
        }
        .boxed()
    };
    let back = move || returned.send(()).unwrap_or_default();
    tokio::spawn(watch(async move { client }, leave, back));
    until("the inhibitor is taken", || logind.held()).await;
    Desktop {
        bus,
        manager,
        logind,
        leavings,
        returns,
    }
}

#[tokio::test]
async fn sleep_waits_until_the_cards_are_locked() {
    let Desktop {
        bus: _bus,
        manager,
        logind,
        mut leavings,
        ..
    } = desktop(&[]).await;
    for _ in 0..2 {
        Logind::sleep(&manager, true).await;
        let (leaving, done) = leavings.recv().await.expect("leaving");
        assert_eq!(leaving, Leaving::Sleep);
        assert!(
            logind.held(),
            "the machine slept before the card was locked"
        );
        done.send(()).expect("waiting");
        until("the machine may sleep", || !logind.held()).await;
        Logind::sleep(&manager, false).await;
        until("the next sleep waits again", || logind.held()).await;
    }
}

#[tokio::test]
async fn locking_this_users_screen_locks_the_card() {
    let ours = rustix::process::getuid().as_raw();
    let sessions = [("/session/ours", ours), ("/session/theirs", ours + 1)];
    let Desktop {
        bus: _bus,
        manager,
        mut leavings,
        ..
    } = desktop(&sessions).await;
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
async fn the_person_is_back_when_the_screen_is_unlocked() {
    let ours = rustix::process::getuid().as_raw();
    let (own, other) = (
        "/org/freedesktop/login1/session/_31",
        "/org/freedesktop/login1/session/_32",
    );
    let sessions = [(own, ours), (other, ours + 1)];
    let mut desktop = desktop(&sessions).await;
    let unlock = |session: &'static str| {
        let manager = desktop.manager.clone();
        async move {
            let interface = "org.freedesktop.login1.Session";
            let sent = manager.emit_signal(None::<&str>, session, interface, "Unlock", &());
            sent.await.expect("signal");
        }
    };
    let hint = |locked: bool| {
        let manager = desktop.manager.clone();
        async move {
            let changed = HashMap::from([("LockedHint", Value::from(locked))]);
            let body = (
                "org.freedesktop.login1.Session",
                changed,
                Vec::<&str>::new(),
            );
            let interface = "org.freedesktop.DBus.Properties";
            let sent =
                manager.emit_signal(None::<&str>, own, interface, "PropertiesChanged", &body);
            sent.await.expect("signal");
        }
    };
    unlock(other).await;
    unlock(own).await;
    desktop.returns.recv().await.expect("unlocked");
    hint(true).await;
    hint(false).await;
    desktop.returns.recv().await.expect("the hint");
    // Comes behind the signals of sessions: one of another user would have been heard by now.
    lock(&desktop.manager, own).await;
    desktop.leavings.recv().await.expect("leaving");
    assert!(desktop.returns.try_recv().is_err());
}

#[tokio::test]
async fn a_program_that_imitates_logind_is_not_heard() {
    let Desktop {
        bus,
        manager,
        mut leavings,
        ..
    } = desktop(&[]).await;
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
    watch(no_bus.build(), never, || {}).await;
    let bus = Bus::start();
    watch(bus.connect(), never, || {}).await;
}

#[tokio::test]
async fn without_an_inhibitor_the_screen_lock_is_still_followed() {
    let Desktop {
        bus: _bus,
        manager,
        logind,
        mut leavings,
        ..
    } = desktop(&[]).await;
    logind.full.store(true, std::sync::atomic::Ordering::SeqCst);
    for start in [true, false] {
        Logind::sleep(&manager, start).await;
        if start {
            let (_, done) = leavings.recv().await.expect("leaving");
            done.send(()).expect("waiting");
        }
    }
    lock(&manager, "/session/ours").await;
    let (leaving, _done) = leavings.recv().await.expect("still followed");
    assert_eq!(leaving, Leaving::Lock);
}

/// A desktop that shows notifications: title and body of each.
struct Bubbles(mpsc::UnboundedSender<(String, String)>);

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Bubbles {
    #[allow(clippy::too_many_arguments, reason = "those of the specification")]
    fn notify(
        &self,
        _app_name: &str,
        _replaces_id: u32,
        _app_icon: &str,
        summary: String,
        body: String,
        _actions: Vec<String>,
        _hints: HashMap<String, Value<'_>>,
        _expire_timeout: i32,
    ) -> u32 {
        self.0.send((summary, body)).map_or(0, |()| 1)
    }
}

#[tokio::test]
async fn notifications_reach_the_desktop_once_and_as_plain_text() {
    let bus = Bus::start();
    let (sender, mut shown) = mpsc::unbounded_channel();
    let _desktop = connection::Builder::address(bus.address.as_str())
        .and_then(|builder| builder.name("org.freedesktop.Notifications"))
        .and_then(|builder| builder.serve_at("/org/freedesktop/Notifications", Bubbles(sender)))
        .expect("builder")
        .build()
        .await
        .expect("a desktop");
    let notifier = Notifier::on(bus.address.clone());
    notifier.tell("one", "Title", "a <b>bold</b> & more");
    notifier.tell("one", "Title", "again");
    let (title, body) = shown.recv().await.expect("shown");
    assert_eq!(title, "Title");
    // What would be markup is shown as it was written.
    assert_eq!(body, "a &lt;b&gt;bold&lt;/b&gt; &amp; more");
    notifier.tell("other", "Other", "kind");
    let (title, _) = shown.recv().await.expect("shown");
    assert_eq!(title, "Other", "one kind was told twice");
}
