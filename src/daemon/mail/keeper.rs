//! What ends sessions from outside, and what makes dialogs welcome again.

use std::sync::Arc;
use std::time::Duration;

use cps_mail::Trouble;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

use super::network::{self, Changes};
use super::sessions::{About, Entry};
use crate::app::App;
use crate::broker::{Notice, Why};
use crate::cards::{CardId, Event};
use crate::desktop::Leaving;
use crate::server::Stopping;

/// Ends sessions with their cause, until the daemon ends.
pub(super) async fn run(app: Arc<App>, mut stopping: Stopping) {
    let mut keeper = Keeper {
        cards: app.cards.subscribe(),
        notices: app.broker.notices(),
        mailboxes: app.mail.mailboxes.subscribe(),
        network: Changes::watch(),
        late: JoinSet::new(),
        app,
    };
    loop {
        tokio::select! {
            event = keeper.cards.recv() => match event {
                Ok(event) => keeper.card(&event),
                Err(RecvError::Lagged(_)) => keeper.end(|about| !is_inserted(&keeper.app, about), &Trouble::CardRemoved),
                Err(RecvError::Closed) => return,
            },
            notice = keeper.notices.recv() => match notice {
                Ok(notice) => keeper.notice(notice),
                // Nobody knows what it was.
                Err(RecvError::Lagged(_)) => keeper.end(|_| true, &Trouble::Closing),
                Err(RecvError::Closed) => return,
            },
            changed = keeper.mailboxes.changed() => match changed {
                Ok(()) => keeper.end(|about| !may(&keeper.app, about), &Trouble::Closing),
                Err(_) => return,
            },
            () = keeper.network.next() => {
                keeper.end(|about| !network::is_ours(about.local), &Trouble::Closing);
            }
            Some(_) = keeper.late.join_next() => {}
            () = stopping.wait() => {
                keeper.end(|_| true, &Trouble::Closing);
                return;
            }
        }
    }
}

/// Ends a session that has just begun if what it was opened with ended meanwhile.
pub(super) fn check(app: &App, entry: &Entry<'_>) {
    let number = entry.number();
    let sessions = &app.mail.gateway.open;
    let over = sessions.find(|about| !may(app, about) || !is_unlocked(app, about));
    if over.contains(&number) {
        sessions.end(&[number], &Trouble::Closing);
    }
}

struct Keeper {
    app: Arc<App>,
    cards: tokio::sync::broadcast::Receiver<Event>,
    notices: tokio::sync::broadcast::Receiver<Notice>,
    mailboxes: tokio::sync::watch::Receiver<()>,
    network: Changes,
    /// Sessions that are kept for a while after the card is gone.
    late: JoinSet<()>,
}

impl Keeper {
    fn card(&mut self, event: &Event) {
        match event {
            Event::CardRemoved {
                card: Some(removed),
                ..
            } => self.leave(
                |about| about.card.as_ref() == Some(removed),
                Trouble::CardRemoved,
            ),
            Event::CardReady { .. } | Event::Login { .. } => self.app.mail.conduct.gesture(),
            _ => {}
        }
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            // The card is locked, not what was opened with it: nobody has left.
            Notice::Locked { why: Why::Idle, .. } => {}
            Notice::Locked {
                why: Why::End | Why::Leaving(Leaving::Sleep),
                ..
            } => self.end(|_| true, &Trouble::Closing),
            Notice::Locked {
                card,
                why: Why::Asked | Why::Leaving(Leaving::Lock),
            } => self.leave(
                |about| card.is_none() || about.card == card,
                Trouble::Closing,
            ),
            Notice::Returned => self.app.mail.conduct.gesture(),
            Notice::Revoked(grant) => {
                let under = |about: &About| {
                    let card = about.card.as_ref();
                    card.is_some_and(|card| grant.is_for(&about.caller, &about.purpose, card))
                };
                self.end(under, &Trouble::Closing);
            }
        }
    }

    fn end(&self, which: impl Fn(&About) -> bool, why: &Trouble) {
        let sessions = &self.app.mail.gateway.open;
        sessions.end(&sessions.find(which), why);
    }

    /// The person is leaving: sessions end now, or as much later as the configuration says.
    fn leave(&mut self, which: impl Fn(&About) -> bool, why: Trouble) {
        let minutes = self.app.config.mail.keep_minutes;
        if minutes == 0 {
            return self.end(which, &why);
        }
        let numbers = self.app.mail.gateway.open.find(which);
        if numbers.is_empty() {
            return;
        }
        let app = Arc::clone(&self.app);
        self.late.spawn(async move {
            tokio::time::sleep(Duration::from_secs(u64::from(minutes) * 60)).await;
            app.mail.gateway.open.end(&numbers, &why);
        });
    }
}

/// Whether the program may still open the mailbox.
fn may(app: &App, about: &About) -> bool {
    app.mail.mailboxes.holds(&about.mailbox, &about.password)
}

fn is_inserted(app: &App, about: &About) -> bool {
    let inserted = |card: &CardId| app.cards.cards().iter().any(|state| state.id == *card);
    about.card.as_ref().is_none_or(inserted)
}

fn is_unlocked(app: &App, about: &About) -> bool {
    let unlocked = |card: &CardId| {
        let mut cards = app.cards.cards().into_iter();
        cards.any(|state| state.id == *card && state.logged_in)
    };
    about.card.as_ref().is_none_or(unlocked)
}
