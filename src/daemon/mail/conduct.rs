//! Manners: when a person is asked for a mail client, how long the client waits for that, and when
//! nobody is asked.
//!
//! Mail clients open several connections at once, try again by themselves, and give up after some
//! seconds; a person types a PIN in their own time. So a dialog is a task of its own: it stays open
//! when the client that caused it goes away, all connections of the program wait for the same one,
//! and each is told to come back when its time is over. After a dialog that was cancelled or left
//! unanswered, mail causes no other one until the person turns to the card (inserts or unlocks it,
//! unlocks the screen), or a pause that grows is over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cps_mail::{Protocol, Trouble};
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::watch;

use super::mailboxes::Mailbox;
use super::quiet::Quiet;
use super::upstream::{self, Permission};
use crate::announce::PromptEvent;
use crate::app::App;
use crate::caller::Caller;
use crate::grants::Use;

/// The dialogs that mail clients have caused, and the pauses after them.
#[derive(Debug, Default)]
pub struct Conduct {
    asking: Mutex<HashMap<Asked, Outcome>>,
    quiet: Mutex<Quiet>,
}

/// The holder of a card, and what it is wanted for.
type Asked = (String, Use);

/// What came of a dialog; nothing as long as it is open.
type Outcome = watch::Receiver<Option<Result<(), Trouble>>>;

impl Conduct {
    /// The permission to open a mailbox, from the person if need be; waits for them no longer than
    /// the configuration says.
    ///
    /// # Errors
    ///
    /// [`Trouble::PinPending`] while a dialog is open, [`Trouble::PinCancelled`] while none is
    /// welcome, else what stands in the way.
    pub(super) async fn permission(
        app: &Arc<App>,
        caller: &Arc<Caller>,
        mailbox: &Arc<Mailbox>,
        protocol: Protocol,
    ) -> Result<Permission, Trouble> {
        if let Some(permission) = upstream::granted(app, caller, mailbox, protocol).await? {
            return Ok(permission);
        }
        let hold = Duration::from_secs(u64::from(app.config.mail.hold_seconds));
        let mut outcome = Self::ask(app, caller, mailbox, protocol)?;
        let answered = tokio::time::timeout(hold, outcome.wait_for(Option::is_some)).await;
        match answered.map_err(|_| Trouble::PinPending)? {
            Ok(answer) => answer.clone().unwrap_or(Err(Trouble::Internal))?,
            // The task broke.
            Err(_) => return Err(Trouble::Internal),
        }
        let permission = upstream::granted(app, caller, mailbox, protocol).await?;
        // What was allowed is gone again: the card was locked just now.
        permission.ok_or(Trouble::PinPending)
    }

    /// The person turned to the card.
    pub(super) fn gesture(&self) {
        self.quiet().end();
    }

    /// Whether dialogs are not welcome just now.
    pub fn is_quiet(&self) -> bool {
        self.quiet().is_any(Instant::now())
    }

    /// The dialog for this use that is open, or a new one.
    fn ask(
        app: &Arc<App>,
        caller: &Arc<Caller>,
        mailbox: &Arc<Mailbox>,
        protocol: Protocol,
    ) -> Result<Outcome, Trouble> {
        let conduct = &app.mail.conduct;
        let wanted = Use::of(caller, &upstream::purpose(mailbox));
        let asked = (mailbox.holder.clone(), wanted);
        let mut asking = conduct.asking();
        if let Some(outcome) = asking.get(&asked) {
            return Ok(outcome.clone());
        }
        if conduct.quiet().holds(&asked.0, &asked.1, Instant::now()) {
            return Err(Trouble::PinCancelled);
        }
        let (sender, outcome) = watch::channel(None);
        asking.insert(asked.clone(), outcome.clone());
        let dialog = Dialog {
            app: Arc::clone(app),
            asked,
        };
        let (caller, mailbox) = (Arc::clone(caller), Arc::clone(mailbox));
        tokio::spawn(async move {
            let app = &dialog.app;
            let mut dialogs = app.prompts.subscribe();
            let answer = upstream::authorise(app, &caller, &mailbox, protocol).await;
            let answer = answer.map(|_| ());
            // A program that is held off is refused without a dialog: nobody has said no.
            let mut dialogs = std::iter::from_fn(|| match dialogs.try_recv() {
                Ok(event) => Some(matches!(event, PromptEvent::Opened { .. })),
                Err(TryRecvError::Lagged(_)) => Some(true),
                Err(_) => None,
            });
            if dialogs.any(|opened| opened) {
                dialog.note(&answer);
            }
            // First: who comes later must not wait for what is over.
            drop(dialog);
            let _ = sender.send(Some(answer));
        });
        Ok(outcome)
    }

    fn asking(&self) -> MutexGuard<'_, HashMap<Asked, Outcome>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn quiet(&self) -> MutexGuard<'_, Quiet> {
        self.quiet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A dialog under way; forgotten when dropped.
struct Dialog {
    app: Arc<App>,
    asked: Asked,
}

impl Dialog {
    fn note(&self, answer: &Result<(), Trouble>) {
        let refused = match answer {
            Err(Trouble::PinCancelled) => None,
            Err(Trouble::NotAllowed) => Some(&self.asked.1),
            _ => return,
        };
        tracing::info!(?refused, "mail asks nobody for a while");
        let mut quiet = self.app.mail.conduct.quiet();
        quiet.begin(&self.asked.0, refused, Instant::now());
        drop(quiet);
        self.app.mail.notices.quiet();
    }
}

impl Drop for Dialog {
    fn drop(&mut self) {
        self.app.mail.conduct.asking().remove(&self.asked);
    }
}
