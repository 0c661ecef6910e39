//! One rustls configuration, hence one set of session tickets, per card and destination.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cps_identity::Trust;
use rustls::client::Resumption;
use rustls::{ClientConfig, SupportedProtocolVersion};

use super::resolver::CardResolver;
use super::verify::TargetVerifier;
use super::{Credential, Target, TlsError, provider};
use crate::cards::CardId;

/// Configurations kept while a card stays inserted and logged in.
#[derive(Debug, Default)]
pub struct Sessions {
    kept: Mutex<HashMap<Key, Kept>>,
}

type Key = (CardId, String, u16);

#[derive(Debug)]
struct Kept {
    config: Arc<ClientConfig>,
    trust: Arc<Trust>,
}

impl Sessions {
    /// The configuration for `target` with this card; made anew when the trust material has
    /// changed since, so that a server revoked meanwhile is not resumed.
    ///
    /// # Errors
    ///
    /// [`TlsError::Handshake`] when the TLS library refuses the settings.
    pub fn config(
        &self,
        card: &CardId,
        target: &Target,
        credential: &Arc<Credential>,
    ) -> Result<Arc<ClientConfig>, TlsError> {
        let key = (card.clone(), target.host.clone(), target.port);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kept
            .get(&key)
            .filter(|found| Arc::ptr_eq(&found.trust, &target.trust))
        {
            return Ok(Arc::clone(&found.config));
        }
        let verifier = TargetVerifier::new(&target.host, &target.trust);
        let resolver = CardResolver::new(Arc::clone(credential));
        let mut config = config(credential.versions(), verifier, resolver)?;
        config.resumption = Resumption::in_memory_sessions(SESSIONS_PER_DESTINATION);
        let config = Arc::new(config);
        let trust = Arc::clone(&target.trust);
        kept.insert(
            key,
            Kept {
                config: Arc::clone(&config),
                trust,
            },
        );
        Ok(config)
    }

    /// Forgets all sessions of a card: it was removed, reset or locked.
    pub fn forget(&self, serial: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(card, _, _), _| card.serial != serial);
    }

    /// Forgets everything.
    pub fn forget_all(&self) {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

pub(super) fn config(
    versions: &[&'static SupportedProtocolVersion],
    verifier: Arc<TargetVerifier>,
    resolver: Arc<CardResolver>,
) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(|error| TlsError::Handshake(error.to_string()))?;
    Ok(builder
        .dangerous()
        // "Dangerous" only in that the verifier is not rustls' own: `TargetVerifier` applies the
        // pinned anchors, the revocation lists and the grace of this project.
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(resolver))
}

/// Tickets kept per destination; servers hand out two or more per connection.
const SESSIONS_PER_DESTINATION: usize = 8;
