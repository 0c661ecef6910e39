use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use super::{Tickets, Turn};

/// The turn, if nothing has to be waited for.
fn at_once(tickets: &Arc<Tickets>) -> Option<Turn> {
    tickets.turn().now_or_never()
}

#[tokio::test]
async fn one_makes_the_session_that_the_others_resume() {
    let tickets = Tickets::new();
    let first = at_once(&tickets).expect("nobody before it");
    assert!(at_once(&tickets).is_none());
    tickets.given(|state| state.session = true);
    let second = at_once(&tickets).expect("a session of TLS 1.2");
    let third = at_once(&tickets).expect("the same");
    drop((first, second, third));
    assert_eq!(tickets.state().under_way, 0);
}

#[tokio::test]
async fn a_ticket_serves_one() {
    let tickets = Tickets::new();
    let first = at_once(&tickets).expect("nobody before it");
    tickets.given(|state| state.tickets = 2);
    let _turns = [at_once(&tickets), at_once(&tickets)].map(|turn| turn.expect("a ticket"));
    assert!(at_once(&tickets).is_none());
    first.done();
    assert!(at_once(&tickets).is_none(), "the two bring others");
}

#[tokio::test]
async fn whoever_waits_is_woken_by_a_failure() {
    let tickets = Tickets::new();
    let first = at_once(&tickets).expect("nobody before it");
    let waiting = Arc::clone(&tickets);
    let waiting = tokio::spawn(async move { waiting.turn().await });
    tokio::task::yield_now().await;
    drop(first);
    let turn = tokio::time::timeout(Duration::from_secs(5), waiting).await;
    drop(turn.expect("woken").expect("its turn"));
}

#[tokio::test]
async fn a_server_that_gives_no_session_is_not_waited_for() {
    let tickets = Tickets::new();
    at_once(&tickets).expect("nobody before it").done();
    let turns = [at_once(&tickets), at_once(&tickets)];
    assert!(turns.iter().all(Option::is_some));
}

#[tokio::test]
async fn sessions_that_a_server_breaks_off_at_are_withheld() {
    let tickets = Tickets::new();
    assert!(!tickets.withhold(), "none was presented");
    let first = at_once(&tickets).expect("nobody before it");
    tickets.given(|state| state.tickets = 1);
    assert!(tickets.withhold());
    // Nobody waits for what is not used.
    let turns = [(); 3].map(|()| at_once(&tickets));
    assert!(turns.iter().all(Option::is_some));
    tickets.restore();
    assert!(at_once(&tickets).is_none());
    drop((first, turns));
}
