//! A module as the card service sees it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cps_verify::Scheme;
use zeroize::Zeroizing;

use super::protocol::{Certificate, Key, TokenId, TokenInfo};
use super::{Host, HostError};
use crate::prompt::LockedBuffer;

/// What a module does, in whatever process it runs; see [`Host`] for each.
#[allow(missing_docs, clippy::missing_errors_doc)]
pub trait Driver: Send + Sync {
    fn tokens(&self, patience: Duration) -> Result<Vec<TokenInfo>, HostError>;

    fn certificates(
        &self,
        token: &TokenId,
        patience: Duration,
    ) -> Result<Vec<Certificate>, HostError>;

    fn keys(&self, token: &TokenId, patience: Duration) -> Result<Vec<Key>, HostError>;

    fn login(
        &self,
        token: &TokenId,
        pin: Option<LockedBuffer>,
        patience: Duration,
    ) -> Result<(), HostError>;

    fn logout(&self, token: &TokenId, patience: Duration) -> Result<(), HostError>;

    fn sign(
        &self,
        token: &TokenId,
        key: &str,
        scheme: Scheme,
        digest: &[u8],
        patience: Duration,
    ) -> Result<Vec<u8>, HostError>;

    fn decrypt(
        &self,
        token: &TokenId,
        key: &str,
        cryptogram: &[u8],
        patience: Duration,
    ) -> Result<Zeroizing<Vec<u8>>, HostError>;

    fn stop(&self);
}

impl Driver for Host {
    fn tokens(&self, patience: Duration) -> Result<Vec<TokenInfo>, HostError> {
        self.tokens(patience)
    }

    fn certificates(
        &self,
        token: &TokenId,
        patience: Duration,
    ) -> Result<Vec<Certificate>, HostError> {
        self.certificates(token, patience)
    }

    fn keys(&self, token: &TokenId, patience: Duration) -> Result<Vec<Key>, HostError> {
        self.keys(token, patience)
    }

    fn login(
        &self,
        token: &TokenId,
        pin: Option<LockedBuffer>,
        patience: Duration,
    ) -> Result<(), HostError> {
        self.login(token, pin, patience)
    }

    fn logout(&self, token: &TokenId, patience: Duration) -> Result<(), HostError> {
        self.logout(token, patience)
    }

    fn sign(
        &self,
        token: &TokenId,
        key: &str,
        scheme: Scheme,
        digest: &[u8],
        patience: Duration,
    ) -> Result<Vec<u8>, HostError> {
        self.sign(token, key, scheme, digest, patience)
    }

    fn decrypt(
        &self,
        token: &TokenId,
        key: &str,
        cryptogram: &[u8],
        patience: Duration,
    ) -> Result<Zeroizing<Vec<u8>>, HostError> {
        self.decrypt(token, key, cryptogram, patience)
    }

    fn stop(&self) {
        self.stop();
    }
}

/// A module of the configuration. Clones share it.
#[derive(Clone)]
pub struct Module {
    /// What the configuration calls it.
    pub name: Arc<str>,
    driver: Arc<dyn Driver>,
    /// How often its process was lost: the logins of all its tokens went with it.
    losses: Arc<AtomicU64>,
}

impl Module {
    /// A module that works through `driver`.
    pub fn new(name: &str, driver: Arc<dyn Driver>) -> Self {
        Self {
            name: name.into(),
            driver,
            losses: Arc::default(),
        }
    }

    /// Ends its process for good, whatever it is at.
    pub(crate) fn stop(&self) {
        self.driver.stop();
    }

    /// How often its process was lost so far.
    pub(crate) fn losses(&self) -> u64 {
        self.losses.load(Ordering::SeqCst)
    }

    /// Asks the module something, and notes when its process was lost over it.
    pub(crate) fn ask<R>(
        &self,
        call: impl FnOnce(&dyn Driver) -> Result<R, HostError>,
    ) -> Result<R, HostError> {
        let result = call(&*self.driver);
        if result.as_ref().is_err_and(HostError::lost) {
            self.losses.fetch_add(1, Ordering::SeqCst);
        }
        result
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Module").field(&self.name).finish()
    }
}
