//! The journal of mail: who sent, deleted, moved or stored what in which mailbox, what the operator
//! answered, failures too, as MSSanté demands (domain page "mssante", section 8).
//!
//! Never a message, a subject, or the address of a patient. It is a [`Chain`] like the journal of
//! the card's uses, and is kept for [`crate::config::MailConfig::journal_days`].
//!
//! What is to be on disk before anybody hears of it is given to [`Traces::record`]; what is only seen
//! after the fact to [`Traces::note`], which nobody waits for. Whatever comes while the disk is busy
//! is written together, with one wait for the disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cps_mail::imap::Observed;
use cps_mail::smtp::Note;
use cps_mail::{Address, Protocol};
use jiff::Zoned;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::journal::{Chain, Content, JournalError, shorten};

/// The journal of mail.
pub type MailJournal = Chain<Trace>;

/// The journal of mail, being written. It is used within a runtime.
#[derive(Debug)]
pub struct Traces {
    journal: Arc<MailJournal>,
    requests: mpsc::Sender<Request>,
    lost: Arc<AtomicU64>,
}

/// What was done in a mailbox.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Trace {
    /// When, on the clock of this computer, with its offset (RFC 3339).
    pub at: String,
    /// National identifier of the person on whose behalf it was done; empty for what the journal
    /// says of itself.
    pub author: String,
    /// Address of the mailbox; empty likewise.
    pub mailbox: String,
    /// `imap` or `smtp`; empty likewise.
    pub protocol: String,
    /// What was done, in one word: `login`, `send`, `delete`, `move`, …
    pub action: String,
    /// Command and arguments, without content; of recipients only how many, and their domains.
    pub request: String,
    /// The server's answer; none when the session ended before it.
    pub answer: Option<String>,
    /// The mail program; empty for what the journal says of itself.
    pub program: String,
}

/// In whose name a session acts.
#[derive(Clone, Debug)]
pub struct Author {
    /// National identifier.
    pub id: String,
    /// Whose mailbox.
    pub mailbox: Address,
    /// How the session speaks.
    pub protocol: Protocol,
    /// The mail program, as the kernel attests it.
    pub program: String,
}

/// Something is not in the journal.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TraceError {
    /// The journal cannot be written.
    #[error(transparent)]
    Journal(Arc<JournalError>),
    /// The daemon ends.
    #[error("the journal of mail is closed")]
    Closed,
}

struct Request {
    trace: Option<Trace>,
    written: Option<oneshot::Sender<Result<(), TraceError>>>,
}

impl Traces {
    /// Opens the journal in a folder, made if absent, and removes what is older than `days`, now and
    /// once a day. A volume is closed once it reaches `rotate_at` bytes, and each month.
    ///
    /// # Errors
    ///
    /// The folder cannot be used, or another daemon uses it.
    pub fn open(folder: &Path, rotate_at: u64, days: u32) -> Result<Self, JournalError> {
        let journal = Arc::new(MailJournal::open_for_days(folder, rotate_at, days)?);
        prune(&journal);
        let (requests, received) = mpsc::channel(WAITING);
        let lost = Arc::default();
        tokio::spawn(write(Arc::clone(&journal), received, Arc::clone(&lost)));
        Ok(Self {
            journal,
            requests,
            lost,
        })
    }

    /// Writes what has happened, and waits for nobody. What cannot be written, because the disk fails
    /// or too much waits for it already, is counted, and the next entry says how many are missing.
    pub fn note(&self, trace: Trace) {
        let request = Request {
            trace: Some(trace),
            written: None,
        };
        if self.requests.try_send(request).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes what has happened, and waits until it is on disk.
    ///
    /// # Errors
    ///
    /// It is not in the journal. What an operator has accepted is to be told to the client all the
    /// same: it would send it twice.
    pub async fn record(&self, trace: Trace) -> Result<(), TraceError> {
        self.ask(Some(trace)).await
    }

    /// Waits until all that was given so far is on disk.
    ///
    /// # Errors
    ///
    /// The daemon ends.
    pub async fn flush(&self) -> Result<(), TraceError> {
        self.ask(None).await
    }

    /// The journal itself, to read and to verify it. Both block on the disk.
    pub fn journal(&self) -> Arc<MailJournal> {
        Arc::clone(&self.journal)
    }

    async fn ask(&self, trace: Option<Trace>) -> Result<(), TraceError> {
        let (written, answer) = oneshot::channel();
        let written = Some(written);
        let asked = self.requests.send(Request { trace, written }).await;
        asked.map_err(|_| TraceError::Closed)?;
        answer.await.map_err(|_| TraceError::Closed)?
    }
}

impl Author {
    /// Something that was done in the session, now.
    pub fn trace(&self, action: &str, request: String, answer: Option<String>) -> Trace {
        Trace {
            at: local_time(),
            author: self.id.clone(),
            mailbox: self.mailbox.to_string(),
            protocol: match self.protocol {
                Protocol::Imap => "imap",
                Protocol::Smtp => "smtp",
            }
            .to_owned(),
            action: action.to_owned(),
            request,
            answer,
            program: self.program.clone(),
        }
    }

    /// What was seen in an IMAP session.
    pub fn observed(&self, observed: Observed) -> Trace {
        self.trace(observed.action.as_str(), observed.request, observed.answer)
    }

    /// A message that was sent, or was to be.
    pub fn sent(&self, note: Note) -> Trace {
        self.trace(SEND, note.request(), Some(note.answer))
    }
}

impl Content for Trace {
    fn bounded(mut self) -> Self {
        let texts = [
            &mut self.at,
            &mut self.author,
            &mut self.mailbox,
            &mut self.protocol,
            &mut self.action,
            &mut self.request,
            &mut self.program,
        ];
        for text in texts.into_iter().chain(&mut self.answer) {
            shorten(text, LONGEST_TEXT);
        }
        self
    }

    fn remark(what: &str, note: String) -> Self {
        let nobody = String::new;
        Self {
            at: local_time(),
            author: nobody(),
            mailbox: nobody(),
            protocol: nobody(),
            action: what.to_owned(),
            request: note,
            answer: None,
            program: nobody(),
        }
    }

    fn is_remark(&self, what: &str, note: &str) -> bool {
        self.action == what && self.author.is_empty() && self.request == note
    }
}

/// Writes what comes, all that waits at once, and removes what is too old once a day.
async fn write(
    journal: Arc<MailJournal>,
    mut requests: mpsc::Receiver<Request>,
    lost: Arc<AtomicU64>,
) {
    let mut next = Instant::now() + DAY;
    loop {
        let mut batch = Vec::new();
        match timeout_at(next, requests.recv_many(&mut batch, WAITING)).await {
            Ok(0) => return,
            Ok(_) => {}
            Err(_) => next = Instant::now() + DAY,
        }
        let (journal, lost) = (Arc::clone(&journal), Arc::clone(&lost));
        let work = tokio::task::spawn_blocking(move || match batch.is_empty() {
            true => prune(&journal),
            false => write_batch(&journal, batch, &lost),
        });
        if let Err(error) = work.await {
            tracing::error!(%error, "the journal of mail is not written any more");
            return;
        }
    }
}

fn write_batch(journal: &MailJournal, batch: Vec<Request>, lost: &AtomicU64) {
    let mut traces = Vec::new();
    let mut waiting = Vec::new();
    let missing = lost.swap(0, Ordering::Relaxed);
    if missing > 0 {
        let note = format!("{missing} actions could not be written");
        traces.push(Trace::remark(LOST, note));
    }
    let mut count = missing;
    for request in batch {
        count += u64::from(request.trace.is_some());
        traces.extend(request.trace);
        waiting.extend(request.written);
    }
    let written = journal.append_all(traces).map(|_| ()).map_err(|error| {
        tracing::error!(%error, "actions on mail are not in the journal");
        lost.fetch_add(count, Ordering::Relaxed);
        TraceError::Journal(Arc::new(error))
    });
    for one in waiting {
        // Whoever waited may have gone.
        let _ = one.send(written.clone());
    }
}

fn prune(journal: &MailJournal) {
    match journal.prune() {
        Ok(None) => {}
        Ok(Some(last)) => tracing::info!(last, "entries of the mail journal came of age"),
        Err(error) => tracing::warn!(%error, "old entries of the mail journal are not removed"),
    }
}

fn local_time() -> String {
    Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// The action of an entry that says that a session began, or why not.
pub const LOGIN: &str = "login";
/// The action of an entry about a message that was sent, or was to be.
pub const SEND: &str = "send";
/// The action of an entry that says how many are missing.
pub const LOST: &str = "lost";
/// How many actions may wait for the disk.
const WAITING: usize = 1024;
/// Bytes. An address has 254 at most (RFC 5321, §4.5.3.1.3), a request and an answer that are noted
/// some more.
const LONGEST_TEXT: usize = 320;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests;
