//! Answers the server's CertificateRequest with the card's certificate, or says why not.
//!
//! The resolver and the key are shared by all connections to one destination, because rustls
//! resumes a session only under the very same resolver. What belongs to one connection (who
//! asks, whether the connection still exists) travels in a task-local [`Exchange`].

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use cps_identity::Name;
use futures_util::future::BoxFuture;
use rustls::client::ResolvesClientCert;
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::{Credential, TlsError, is_ecdsa, is_pss};
use cps_api::Problem;

/// Makes one signature with the card's authentication key, on behalf of one connection.
pub trait CardKey: Send + Sync {
    /// Signs `digest` (of the hash in `scheme`).
    fn sign(
        &self,
        scheme: SignatureScheme,
        digest: Vec<u8>,
    ) -> BoxFuture<'static, Result<Vec<u8>, Box<Problem>>>;
}

tokio::task_local! {
    pub(super) static EXCHANGE: Arc<Exchange>;
}

/// One connection's part in a handshake.
pub(super) struct Exchange {
    key: Option<Box<dyn CardKey>>,
    runtime: Handle,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    asked: bool,
    cancelled: bool,
    refusal: Option<TlsError>,
    signing: Option<AbortHandle>,
}

impl Exchange {
    /// Without a key the exchange only listens: nothing is signed and no certificate leaves.
    pub(super) fn new(key: Option<Box<dyn CardKey>>) -> Arc<Self> {
        Arc::new(Self {
            key,
            runtime: Handle::current(),
            state: Mutex::default(),
        })
    }

    /// Whether the server asked for a certificate.
    pub(super) fn asked(&self) -> bool {
        self.state().asked
    }

    /// Why the certificate was not sent, or not signed for.
    pub(super) fn take_refusal(&self) -> Option<TlsError> {
        self.state().refusal.take()
    }

    /// Notes why the connection cannot be made; the first reason is the one that counts.
    pub(super) fn refuse(&self, refusal: TlsError) {
        self.state().refusal.get_or_insert(refusal);
    }

    /// Ends a signature under way, and forbids another: the caller has gone.
    pub(super) fn cancel(&self) {
        let mut state = self.state();
        state.cancelled = true;
        if let Some(signing) = state.signing.take() {
            signing.abort();
        }
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let failed = |what: &str| rustls::Error::General(what.to_owned());
        let (Some(key), Some(digest)) = (&self.key, digest(scheme, message)) else {
            return Err(failed("no key for this connection"));
        };
        let signature = key.sign(scheme, digest);
        let (sender, receiver) = mpsc::sync_channel(1);
        {
            let mut state = self.state();
            if state.cancelled {
                return Err(failed("the caller has gone"));
            }
            let task = self.runtime.spawn(async move {
                // The receiver is gone only when the handshake was cancelled.
                let _ = sender.send(signature.await);
            });
            state.signing = Some(task.abort_handle());
        }
        match receiver.recv_timeout(SIGNATURE_LIMIT) {
            Ok(Ok(signature)) => Ok(signature),
            Ok(Err(error)) => {
                self.refuse(TlsError::Signature(error));
                Err(failed("the card did not sign"))
            }
            Err(_) => {
                self.cancel();
                Err(failed("the signature was cancelled"))
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Presents one card's certificate.
#[derive(Debug)]
pub(super) struct CardResolver {
    credential: Arc<Credential>,
    certified: Arc<CertifiedKey>,
}

impl CardResolver {
    pub(super) fn new(credential: Arc<Credential>) -> Arc<Self> {
        let key = Arc::new(RemoteKey {
            schemes: credential.schemes.clone(),
        });
        let certified = Arc::new(CertifiedKey::new(credential.chain.clone(), key));
        Arc::new(Self {
            credential,
            certified,
        })
    }
}

impl ResolvesClientCert for CardResolver {
    fn resolve(
        &self,
        authorities: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let exchange = EXCHANGE.try_with(Arc::clone).ok()?;
        let refusal = refusal(&self.credential, authorities, schemes);
        exchange.state().asked = true;
        if let Some(refusal) = refusal {
            exchange.refuse(refusal);
            return None;
        }
        exchange.key.as_ref().map(|_| Arc::clone(&self.certified))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Compares the server's CertificateRequest (RFC 5246 §7.4.4, RFC 8446 §4.3.2) with the card.
fn refusal(
    credential: &Credential,
    authorities: &[&[u8]],
    schemes: &[SignatureScheme],
) -> Option<TlsError> {
    // An empty list means "any authority".
    let known = |name: &&[u8]| credential.issuers.iter().any(|issuer| issuer == name);
    if !authorities.is_empty() && !authorities.iter().any(known) {
        let accepted = authorities.iter().take(AUTHORITIES_SHOWN);
        return Some(TlsError::IssuerNotAccepted {
            accepted: accepted.map(|name| display(name)).collect(),
            issuer: credential
                .issuers
                .first()
                .map_or_else(String::new, |name| display(name)),
        });
    }
    if credential
        .schemes
        .iter()
        .any(|scheme| schemes.contains(scheme))
    {
        return None;
    }
    let rsa = credential.schemes.iter().any(|scheme| !is_ecdsa(*scheme));
    match rsa && schemes.iter().any(|scheme| is_pss(*scheme)) {
        true => Some(TlsError::NeedsPss),
        false => Some(TlsError::NoCommonScheme {
            offered: format!("{schemes:?}"),
        }),
    }
}

fn display(name: &[u8]) -> String {
    match Name::from_der(name) {
        Ok(name) => name.to_string(),
        Err(_) => "(unreadable name)".to_owned(),
    }
}

/// The card's key as rustls sees it.
#[derive(Debug)]
struct RemoteKey {
    schemes: Vec<SignatureScheme>,
}

impl SigningKey for RemoteKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = *self
            .schemes
            .iter()
            .find(|scheme| offered.contains(scheme))?;
        Some(Box::new(RemoteSigner { scheme }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.schemes.iter().any(|scheme| is_ecdsa(*scheme)) {
            true => SignatureAlgorithm::ECDSA,
            false => SignatureAlgorithm::RSA,
        }
    }
}

#[derive(Debug)]
struct RemoteSigner {
    scheme: SignatureScheme,
}

impl Signer for RemoteSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        match EXCHANGE.try_with(Arc::clone) {
            Ok(exchange) => exchange.sign(self.scheme, message),
            Err(_) => Err(rustls::Error::General(
                "a signature outside a handshake".to_owned(),
            )),
        }
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

fn digest(scheme: SignatureScheme, message: &[u8]) -> Option<Vec<u8>> {
    match scheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
        | SignatureScheme::RSA_PKCS1_SHA256
        | SignatureScheme::RSA_PSS_SHA256 => Some(Sha256::digest(message).to_vec()),
        SignatureScheme::RSA_PKCS1_SHA384 | SignatureScheme::RSA_PSS_SHA384 => {
            Some(Sha384::digest(message).to_vec())
        }
        SignatureScheme::RSA_PKCS1_SHA512 | SignatureScheme::RSA_PSS_SHA512 => {
            Some(Sha512::digest(message).to_vec())
        }
        _ => None,
    }
}

/// Longest wait for the card (queue, a PIN asked again): the broker's own deadlines are shorter;
/// this one only guarantees that the thread comes back.
const SIGNATURE_LIMIT: Duration = Duration::from_secs(180);

/// Names of authorities told in an error: servers may list hundreds.
const AUTHORITIES_SHOWN: usize = 8;
