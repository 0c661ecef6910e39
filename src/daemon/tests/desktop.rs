//! Screen lock and suspend, told by a logind on a private message bus.

mod support;

use cpsd::desktop::{Leaving, watch};
use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot};
use zbus::{Connection, connection};

use support::logind::{Bus, Logind, lock};
use support::until;

type Leavings = mpsc::UnboundedReceiver<(Leaving, oneshot::Sender<()>)>;

/// A bus with a logind whose sessions are `(path, owner)`, and a daemon that follows it. Each
/// leaving is sent out, and ends when it is answered.
async fn desktop(sessions: &[(&str, u32)]) -> (Bus, Connection, Logind, Leavings) {
    let bus = Bus::start();
    let logind = Logind::of(sessions);
    let manager = logind.serve(&bus).await;
    let (sender, receiver) = mpsc::unbounded_channel();
    let client = bus.connect().await;
    tokio::spawn(watch(async move { client }, move |leaving| {
        let (answer, answered) = oneshot::channel();
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

#[tokio::test]
async fn sleep_waits_until_the_cards_are_locked() {
    let (_bus, manager, logind, mut leavings) = desktop(&[]).await;
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

#[tokio::test]
async fn without_an_inhibitor_the_screen_lock_is_still_followed() {
    let (_bus, manager, logind, mut leavings) = desktop(&[]).await;
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
