//! One rustls configuration, hence one set of session tickets, per card (or none) and destination.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cps_identity::Trust;
use rustls::client::Resumption;
use rustls::{ClientConfig, SupportedProtocolVersion};

use super::resolver::CardResolver;
use super::tickets::{Tickets, Turn};
use super::verify::TargetVerifier;
use super::{ANY_VERSION, Credential, Service, Target, TlsError};
use crate::cards::CardId;

/// Configurations: those of a card are kept while it stays inserted and logged in.
#[derive(Debug, Default)]
pub struct Sessions {
    kept: Mutex<HashMap<Key, Kept>>,
}

/// A session says who the client is: one with a card serves nobody else, nor another service.
#[derive(Debug, Eq, Hash, PartialEq)]
struct Key {
    card: Option<CardId>,
    host: String,
    port: u16,
    service: Service,
}

#[derive(Debug)]
struct Kept {
    session: Session,
    trust: Arc<Trust>,
}

/// What connections to one destination share.
#[derive(Clone, Debug)]
pub struct Session {
    pub(super) config: Arc<ClientConfig>,
    pub(super) tickets: Arc<Tickets>,
}

impl Session {
    /// Waits, ten seconds at most, for a connection that is just bringing a session to resume.
    /// What the card would sign meanwhile would take as long.
    pub async fn turn(&self) -> Turn {
        self.tickets.turn().await
    }
}

impl Sessions {
    /// What is shared with other connections to `target` with this card, or without any; made anew when the trust
    /// material has changed since, so that a server revoked meanwhile is not resumed.
    ///
    /// # Errors
    ///
    /// [`TlsError::Handshake`] when the TLS library refuses the settings.
    pub fn session(
        &self,
        target: &Target,
        card: Option<(&CardId, &Arc<Credential>)>,
    ) -> Result<Session, TlsError> {
        let key = Key {
            card: card.map(|(card, _)| card.clone()),
            host: target.host.clone(),
            port: target.port,
            service: target.service,
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kept
            .get(&key)
            .filter(|found| Arc::ptr_eq(&found.trust, &target.trust))
        {
            return Ok(found.session.clone());
        }
        let credential = card.map(|(_, credential)| credential);
        let versions = credential.map_or(ANY_VERSION, |credential| credential.versions());
        let mut config = config(target, credential, versions)?;
        let tickets = Tickets::new();
        config.resumption = Resumption::store(Arc::clone(&tickets) as _);
        let session = Session {
            config: Arc::new(config),
            tickets,
        };
        let trust = Arc::clone(&target.trust);
        kept.insert(
            key,
            Kept {
                session: session.clone(),
                trust,
            },
        );
        Ok(session)
    }

    /// Forgets all sessions of a card: it was removed, reset or locked.
    pub fn forget(&self, serial: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let other = |card: &CardId| card.serial != serial;
        kept.retain(|key, _| key.card.as_ref().is_none_or(other));
    }

    /// Forgets everything.
    pub fn forget_all(&self) {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

/// Settings for one connection; without a credential no certificate is ever sent.
pub(super) fn config(
    target: &Target,
    credential: Option<&Arc<Credential>>,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(target.service.provider())
        .with_protocol_versions(versions)
        .map_err(|error| TlsError::Handshake(error.to_string()))?
        .dangerous()
        // "Dangerous" only in that the verifier is not rustls' own: `TargetVerifier` applies the
        // pinned anchors, the revocation lists and the grace of this project.
        .with_custom_certificate_verifier(TargetVerifier::new(&target.host, &target.trust));
    Ok(match credential {
        Some(credential) => {
            builder.with_client_cert_resolver(CardResolver::new(Arc::clone(credential)))
        }
        None => builder.with_no_client_auth(),
    })
}
