//! What ends logins and session grants by itself: removal, loss of the login, idle time.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

use super::{Broker, Inner, Notice, Why};
use crate::cards::{CardId, Event};
use crate::desktop::{self, Leaving};

/// Follows the card service until it ends or the broker is gone.
pub(super) fn start(inner: &Arc<Inner>, idle: Option<Duration>) {
    let mut events = inner.cards.subscribe();
    let weak = Arc::downgrade(inner);
    tokio::spawn(async move {
        // One timer for each unlocked card; none, and no wake-up, while no card is unlocked.
        let mut timers = JoinSet::new();
        loop {
            let event = events.recv().await;
            let Some(inner) = weak.upgrade() else { break };
            while timers.try_join_next().is_some() {}
            match event {
                Ok(Event::Login { card }) => {
                    inner.touch(&card);
                    if let Some(idle) = idle {
                        timers.spawn(lock_when_idle(Weak::clone(&weak), card, idle));
                    }
                }
                Ok(Event::Logout { card }) => inner.logged_out(&card),
                Ok(Event::CardRemoved {
                    card: Some(card), ..
                }) => inner.removed(&card),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => inner.catch_up(),
                Err(RecvError::Closed) => break,
            }
        }
    });
}

/// Sleeps until a card has not been used for `idle`, then locks it.
async fn lock_when_idle(weak: Weak<Inner>, card: CardId, idle: Duration) {
    loop {
        let Some(last) = weak.upgrade().and_then(|inner| inner.last_use(&card)) else {
            return;
        };
        let end = last + idle;
        if Instant::now() < end {
            tokio::time::sleep_until(end.into()).await;
            continue;
        }
        let Some(inner) = weak.upgrade() else { return };
        if let Err(error) = (Broker { inner }).lock(None, Some(&card), Why::Idle).await {
            tracing::error!(%error, "locking an idle card was not journalled");
        }
        return;
    }
}

impl Broker {
    /// Locks every card when the screen is locked and before the machine sleeps, as long as there
    /// is a session manager on `bus` (the system bus: [`zbus::Connection::system`]).
    pub async fn follow_desktop(&self, bus: impl Future<Output = zbus::Result<zbus::Connection>>) {
        let weak = Arc::downgrade(&self.inner);
        let leave = move |leaving: Leaving| {
            let inner = weak.upgrade();
            async move {
                let Some(inner) = inner else { return };
                if let Err(error) = (Self { inner })
                    .lock(None, None, Why::Leaving(leaving))
                    .await
                {
                    tracing::error!(%error, "locking the cards was not journalled");
                }
            }
            .boxed()
        };
        let notices = self.inner.notices.clone();
        let back = move || drop(notices.send(Notice::Returned));
        desktop::watch(bus, leave, back).await;
    }
}

impl Inner {
    fn logged_out(&self, card: &CardId) {
        self.grants.end_session(card);
        self.forget_use(card);
    }

    fn removed(&self, card: &CardId) {
        self.logged_out(card);
        self.logins.forget(card);
    }

    /// Events were lost: whatever is not unlocked now has no session.
    fn catch_up(&self) {
        let open: Vec<CardId> = self
            .cards
            .cards()
            .into_iter()
            .filter(|state| state.logged_in)
            .map(|state| state.id)
            .collect();
        let known: Vec<CardId> = {
            let used = self
                .used
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            used.keys()
                .filter(|card| !open.contains(card))
                .cloned()
                .collect()
        };
        for card in known {
            self.removed(&card);
        }
    }
}
