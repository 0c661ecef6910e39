//! The sessions that a server lets resume, and whose turn it is to make the first.
//!
//! A card signs one handshake after the other, a second each. Connections that begin together wait
//! for the session of the first one, and resume it, where the server gives any.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::NamedGroup;
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Sessions with one server, as rustls keeps them, counted.
#[derive(Debug)]
pub(super) struct Tickets {
    cache: ClientSessionMemoryCache,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// A session of TLS 1.2 is there, which serves any number of connections.
    session: bool,
    /// Tickets of TLS 1.3 that no turn counts on; each serves one connection.
    tickets: usize,
    /// Connections on their way: they may bring sessions.
    under_way: usize,
    /// Whether the server has ever given a session.
    given: bool,
    /// A connection came to its end without one: nobody waits for the next.
    barren: bool,
    /// The server breaks off when a session is presented to it: none is.
    withheld: bool,
}

/// A connection's turn. It lasts until the connection has had the time to bring a session: the
/// server sends tickets of TLS 1.3 behind the handshake, with its first answer.
#[derive(Debug)]
pub struct Turn(Arc<Tickets>);

impl Turn {
    /// The connection was made and has received an answer.
    pub fn done(self) {
        let mut state = self.0.state();
        state.barren = !state.given;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
        self.0.changed.notify_waiters();
    }
}

impl Tickets {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            cache: ClientSessionMemoryCache::new(PER_SERVER),
            state: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// Waits, not for long, until there is something to resume or nothing to wait for.
    pub(super) async fn turn(self: &Arc<Self>) -> Turn {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Before the look, so that no change falls between look and wait.
            changed.as_mut().enable();
            if self.begin(false) {
                return Turn(Arc::clone(self));
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                self.begin(true);
                return Turn(Arc::clone(self));
            }
        }
    }

    /// Presents no session from now on; whether one can have been presented before.
    pub(super) fn withhold(&self) -> bool {
        let mut state = self.state();
        state.withheld = state.given;
        self.changed.notify_waiters();
        state.given
    }

    /// Presents sessions again: they were not to blame.
    pub(super) fn restore(&self) {
        self.state().withheld = false;
    }

    fn begin(&self, anyway: bool) -> bool {
        let mut state = self.state();
        let resumes = state.session || state.tickets > 0;
        let alone = state.barren || state.withheld || state.under_way == 0;
        let begins = resumes || alone || anyway;
        if begins {
            state.tickets = state.tickets.saturating_sub(1);
            state.under_way += 1;
        }
        begins
    }

    fn given(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        state.given = true;
        state.barren = false;
        change(&mut state);
        drop(state);
        self.changed.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.cache.set_kx_hint(server_name, group);
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.cache.kx_hint(server_name)
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.cache.set_tls12_session(server_name, value);
        self.given(|state| state.session = true);
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        let withheld = self.state().withheld;
        (!withheld).then(|| self.cache.tls12_session(server_name))?
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        self.cache.remove_tls12_session(server_name);
        self.state().session = false;
    }

    fn insert_tls13_ticket(
        &self,
        server_name: ServerName<'static>,
        value: Tls13ClientSessionValue,
    ) {
        self.cache.insert_tls13_ticket(server_name, value);
        self.given(|state| state.tickets = PER_SERVER.min(state.tickets + 1));
    }

    fn take_tls13_ticket(
        &self,
        server_name: &ServerName<'static>,
    ) -> Option<Tls13ClientSessionValue> {
        let withheld = self.state().withheld;
        (!withheld).then(|| self.cache.take_tls13_ticket(server_name))?
    }
}

/// Tickets kept; servers hand out two or more per connection.
const PER_SERVER: usize = 8;

/// How long a connection waits for another's session: a signature and a slow answer.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
