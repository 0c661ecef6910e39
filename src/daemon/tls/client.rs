//! One authenticated connection for a caller, each obstacle told before it costs anything: first
//! what the configuration and our own certificate forbid, then what the server cannot be given,
//! then consent and PIN, and only then the handshake that counts.

use std::sync::Arc;
use std::time::Duration;

use cps_api::types::TunnelRequest;
use cps_api::{Code, Problem};
use cps_identity::Certificate;
use cps_verify::Scheme;
use futures_util::future::BoxFuture;
use rustls::pki_types::CertificateDer;
use rustls::{HandshakeKind, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{CardKey, Credential, Target, TlsError, preflight};
use crate::app::App;
use crate::broker::{Broker, BrokerError};
use crate::caller::Caller;
use crate::cards::{CardId, CardState};
use crate::config::Destination;
use crate::grants::Grant;
use crate::purpose::Purpose;
use crate::surface::http::problem::Refusal;
use crate::token::KeyRole;

/// Opens the connection.
///
/// # Errors
///
/// A problem document for whatever stands in the way.
pub async fn connect(
    app: &App,
    caller: &Caller,
    card: &CardState,
    wanted: &TunnelRequest,
) -> Result<TlsStream<TcpStream>, Refusal> {
    let destination = allowed(app, wanted)?;
    let purpose = Purpose::TlsClientAuth {
        host: destination.host.clone(),
        port: destination.port,
    };
    let certificate = app.certificate(card, caller, ROLE).await?;
    app.may_use(caller, &card.id, &purpose, &certificate, ROLE)
        .await?;
    let credential = credential(app, caller, card, &certificate).await?;
    let way = Way {
        app,
        caller,
        card: &card.id,
        destination,
        purpose,
        credential,
    };

    let told = |error| Refusal::of_tls(error, &destination.host);
    // An unlocked card costs nobody a PIN: the handshake itself then tells the same obstacles.
    if !card.logged_in {
        way.preflight().await.map_err(told)?;
    }
    let grant = app.broker.authorise(caller, &card.id, &way.purpose).await?;
    let stream = way.open(&grant).await.map_err(told)?;
    if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
        let journalled = app
            .broker
            .note_resumption(caller, &card.id, &way.purpose, &certificate);
        journalled.await?;
    }
    way.renew_lists(&stream).await;
    Ok(stream)
}

/// What one request's attempts share.
struct Way<'a> {
    app: &'a App,
    caller: &'a Caller,
    card: &'a CardId,
    destination: &'a Destination,
    purpose: Purpose,
    credential: Arc<Credential>,
}

impl Way<'_> {
    /// The pre-flight, and once more with fresh revocation lists when only those were missing.
    async fn preflight(&self) -> Result<(), TlsError> {
        match preflight(&self.target(), &self.credential).await {
            Err(TlsError::RevocationUnknown(chain)) => {
                self.fetch_lists(chain).await;
                preflight(&self.target(), &self.credential).await
            }
            outcome => outcome,
        }
    }

    /// The handshake, and once more with fresh revocation lists when only those were missing:
    /// that shows before the card is asked to sign.
    async fn open(&self, grant: &Grant) -> Result<TlsStream<TcpStream>, TlsError> {
        match self.handshake(grant).await {
            Err(TlsError::RevocationUnknown(chain)) => {
                self.fetch_lists(chain).await;
                self.handshake(grant).await
            }
            outcome => outcome,
        }
    }

    async fn handshake(&self, grant: &Grant) -> Result<TlsStream<TcpStream>, TlsError> {
        let target = self.target();
        let config = self
            .app
            .sessions
            .config(self.card, &target, &self.credential)?;
        let key = Lent {
            broker: self.app.broker.clone(),
            caller: self.caller.clone(),
            card: self.card.clone(),
            purpose: self.purpose.clone(),
            grant: grant.clone(),
        };
        super::connect(&target, &self.credential, config, Box::new(key)).await
    }

    fn target(&self) -> Target {
        Target {
            host: self.destination.host.clone(),
            port: self.destination.port,
            trust: self.app.trust.of_destination(self.destination),
        }
    }

    async fn fetch_lists(&self, chain: Vec<Certificate>) {
        let trust = self.app.trust.of_destination(self.destination);
        self.app.trust.refresh(&trust, chain, LISTS_LIMIT).await;
    }

    /// Fetches the server's lists anew, in the background, when their day is over.
    async fn renew_lists(&self, stream: &TlsStream<TcpStream>) {
        let sent = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let chain = sent
            .iter()
            .filter_map(|der| Certificate::from_der(der).ok())
            .collect();
        let trust = self.app.trust.of_destination(self.destination);
        self.app.trust.refresh(&trust, chain, Duration::ZERO).await;
    }
}

fn allowed<'a>(app: &'a App, wanted: &TunnelRequest) -> Result<&'a Destination, BrokerError> {
    let known = app.config.destination(&wanted.host, wanted.port);
    let meant = |found: &&Destination| {
        wanted
            .purpose
            .as_ref()
            .is_none_or(|purpose| *purpose == found.purpose)
    };
    known
        .filter(meant)
        .ok_or_else(|| BrokerError::DestinationNotAllowed {
            destination: format!("{}:{}", wanted.host, wanted.port),
        })
}

async fn credential(
    app: &App,
    caller: &Caller,
    card: &CardState,
    certificate: &Certificate,
) -> Result<Arc<Credential>, BrokerError> {
    let schemes = app
        .run(&card.id, caller, |token| token.schemes(ROLE))
        .await?;
    let above = app.trust.chain_above(certificate);
    let mut issuers = vec![certificate.issuer_raw().to_vec()];
    let higher = above
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok());
    issuers.extend(higher.map(|authority| authority.issuer_raw().to_vec()));
    let mut chain = vec![CertificateDer::from(certificate.der().to_vec())];
    chain.extend(above.into_iter().map(CertificateDer::from));
    Ok(Arc::new(Credential {
        chain,
        issuers,
        schemes: schemes.into_iter().filter_map(tls_scheme).collect(),
    }))
}

/// The card's key, lent for one connection.
struct Lent {
    broker: Broker,
    caller: Caller,
    card: CardId,
    purpose: Purpose,
    grant: Grant,
}

impl CardKey for Lent {
    fn sign(
        &self,
        scheme: SignatureScheme,
        digest: Vec<u8>,
    ) -> BoxFuture<'static, Result<Vec<u8>, Box<Problem>>> {
        let (broker, caller, card) = (self.broker.clone(), self.caller.clone(), self.card.clone());
        let (purpose, grant) = (self.purpose.clone(), self.grant.clone());
        Box::pin(async move {
            let scheme = token_scheme(scheme)?;
            let signed =
                broker.sign_authorised(grant, &caller, &card, purpose, ROLE, scheme, digest);
            signed.await.map_err(|error| Box::new(error.problem()))
        })
    }
}

/// TLS has no SHA-1 signatures here: rustls refuses them, and so do we.
fn tls_scheme(scheme: Scheme) -> Option<SignatureScheme> {
    SCHEMES
        .into_iter()
        .find_map(|(ours, tls)| (ours == scheme).then_some(tls))
}

fn token_scheme(scheme: SignatureScheme) -> Result<Scheme, Box<Problem>> {
    let known = SCHEMES.into_iter();
    let mut known = known.filter_map(|(ours, tls)| (tls == scheme).then_some(ours));
    known.next().ok_or_else(|| {
        let reason = format!("no card signs with {scheme:?}");
        Box::new(Problem::new(Code::CardUnsupported).with("reason", reason))
    })
}

/// What TLS 1.2 and 1.3 take from a client (RFC 8446 §4.2.3). ECDSA is bound to P-256 with SHA-256
/// there, as [`cps_verify`] is to P-256.
const SCHEMES: [(Scheme, SignatureScheme); 7] = [
    (Scheme::EcdsaSha256, SignatureScheme::ECDSA_NISTP256_SHA256),
    (Scheme::Pkcs1Sha256, SignatureScheme::RSA_PKCS1_SHA256),
    (Scheme::Pkcs1Sha384, SignatureScheme::RSA_PKCS1_SHA384),
    (Scheme::Pkcs1Sha512, SignatureScheme::RSA_PKCS1_SHA512),
    (Scheme::PssSha256, SignatureScheme::RSA_PSS_SHA256),
    (Scheme::PssSha384, SignatureScheme::RSA_PSS_SHA384),
    (Scheme::PssSha512, SignatureScheme::RSA_PSS_SHA512),
];

/// TLS client authentication is what the authentication key is for.
const ROLE: KeyRole = KeyRole::Authentication;

/// How long a request waits for revocation lists; the fetch itself goes on in the background.
const LISTS_LIMIT: Duration = Duration::from_secs(10);
