//! Where mail clients connect, and what the surfaces tell of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The places where clients connect, and the sessions that are open.
#[derive(Debug, Default)]
pub struct Gateway {
    places: Mutex<Places>,
    sessions: AtomicUsize,
}

/// Where clients connect; nothing where none may just now.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Places {
    /// IMAP in the clear, on the loopback interface.
    pub imap: Option<SocketAddr>,
    /// Submission in the clear, on the loopback interface.
    pub smtp: Option<SocketAddr>,
    /// IMAP in TLS.
    pub imaps: Option<SocketAddr>,
    /// Submission in TLS.
    pub smtps: Option<SocketAddr>,
    /// Autoconfiguration documents, over HTTP.
    pub autoconfig: Option<SocketAddr>,
    /// IMAP on a Unix socket of this user.
    pub imap_socket: Option<PathBuf>,
    /// Submission on a Unix socket of this user.
    pub smtp_socket: Option<PathBuf>,
    /// The certificate of the local authority, to be imported by clients that use TLS.
    pub authority: Option<PathBuf>,
    /// What could not be opened, and why, in the system's words.
    pub problems: Vec<(String, String)>,
}

impl Gateway {
    /// Where clients connect now.
    pub fn places(&self) -> Places {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.clone()
    }

    /// How many mailboxes' sessions are open: clients that are logged in.
    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }
}
