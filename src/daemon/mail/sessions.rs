//! The sessions that are open, and how they are ended from outside.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cps_mail::{Address, Trouble};
use tokio::sync::oneshot;

use crate::caller::Caller;
use crate::cards::CardId;
use crate::purpose::Purpose;

/// Clients that are logged in.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    last: AtomicU64,
    open: Mutex<BTreeMap<u64, Open>>,
}

/// What a session is.
#[derive(Clone, Debug)]
pub(super) struct About {
    /// The program.
    pub(super) caller: Arc<Caller>,
    /// The card it was opened with; nothing when a token opened it.
    pub(super) card: Option<CardId>,
    /// What the card was lent for.
    pub(super) purpose: Purpose,
    /// Address of the mailbox.
    pub(super) mailbox: Address,
    /// Which application password the program gave.
    pub(super) password: String,
    /// Address of this computer on the way to the operator.
    pub(super) local: IpAddr,
}

#[derive(Debug)]
struct Open {
    about: About,
    end: oneshot::Sender<Trouble>,
}

/// One open session; it is open no more when this is dropped.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    sessions: &'a Sessions,
    number: u64,
    ended: oneshot::Receiver<Trouble>,
}

impl Sessions {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.open().len()
    }

    /// Notes that a session has begun.
    pub(super) fn enter(&self, about: About) -> Entry<'_> {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let (end, ended) = oneshot::channel();
        self.open().insert(number, Open { about, end });
        Entry {
            sessions: self,
            number,
            ended,
        }
    }

    /// The sessions of which this is true.
    pub(super) fn find(&self, which: impl Fn(&About) -> bool) -> Vec<u64> {
        let open = self.open();
        let found = open.iter().filter(|(_, open)| which(&open.about));
        found.map(|(number, _)| *number).collect()
    }

    /// Ends sessions, those that have ended already aside.
    pub(super) fn end(&self, numbers: &[u64], why: &Trouble) {
        let mut open = self.open();
        for ended in numbers.iter().filter_map(|number| open.remove(number)) {
            tracing::info!(mailbox = %ended.about.mailbox, ?why, "mail session closed");
            // It may just be ending by itself.
            let _ = ended.end.send(why.clone());
        }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry<'_> {
    /// The number that [`Sessions::find`] gives.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Returns when the session is to be closed, and why.
    pub(super) async fn ended(&mut self) -> Trouble {
        (&mut self.ended).await.unwrap_or(Trouble::Closing)
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.sessions.open().remove(&self.number);
    }
}
