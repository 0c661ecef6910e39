//! One authenticated connection for a caller, each obstacle told before it costs anything: first
//! what the configuration and our own certificate forbid, then what the server cannot be given,
//! then consent and PIN, and only then the handshake that counts.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
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

use super::{CardKey, Credential, Presented, Service, Session, Target, TlsError, Turn, preflight};
use crate::app::App;
use crate::broker::{Broker, BrokerError};
use crate::caller::Caller;
use crate::cards::{CardId, CardState};
use crate::config::Destination;
use crate::grants::Grant;
use crate::purpose::Purpose;
use crate::token::KeyRole;

/// What stands in the way of a connection.
#[derive(Debug, thiserror::Error)]
pub enum Obstacle {
    /// On this side: a rule, the card or the person.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// Between the card and the server.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Obstacle {
    /// The problem document: why there is no connection to `host`.
    pub fn problem(self, host: &str) -> Problem {
        match self {
            Self::Broker(error) => error.problem(),
            Self::Tls(error) => error.problem(host),
        }
    }
}

/// Opens the connection of a tunnel.
///
/// # Errors
///
/// [`Obstacle`].
pub async fn connect(
    app: &App,
    caller: &Caller,
    card: &CardState,
    wanted: &TunnelRequest,
) -> Result<TlsStream<TcpStream>, Obstacle> {
    let destination = allowed(app, wanted)?;
    let way = Way {
        app,
        caller,
        host: &destination.host,
        port: destination.port,
        service: Service::Any,
        may_be_at: |_| true,
        name_servers: &[],
        anchors: &destination.anchors,
    };
    let purpose = Purpose::TlsClientAuth {
        host: destination.host.clone(),
        port: destination.port,
    };
    let permit = way.authorise(card, purpose).await?;
    way.open(Some(&permit)).await
}

/// The way of one program to one server.
pub struct Way<'a> {
    /// The daemon.
    pub app: &'a App,
    /// The program.
    pub caller: &'a Caller,
    /// The server's name.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// What it speaks.
    pub service: Service,
    /// Which addresses that name may have.
    pub may_be_at: fn(IpAddr) -> bool,
    /// Who knows its addresses; the system when empty.
    pub name_servers: &'a [SocketAddr],
    /// Files of its own anchors; none when it has those in force.
    pub anchors: &'a [PathBuf],
}

/// A card's identity, lent to one program for one purpose.
#[derive(Clone, Debug)]
pub struct Permit {
    card: CardId,
    certificate: Arc<Certificate>,
    credential: Arc<Credential>,
    grant: Grant,
    purpose: Purpose,
}

impl Permit {
    /// The insertion of the card.
    #[must_use]
    pub fn card(&self) -> &CardId {
        &self.card
    }

    /// What the person allowed.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        &self.grant
    }
}

impl Way<'_> {
    /// Makes sure that the connection could be made, then asks the person whatever is to be asked.
    ///
    /// # Errors
    ///
    /// [`Obstacle`].
    pub async fn authorise(&self, card: &CardState, purpose: Purpose) -> Result<Permit, Obstacle> {
        self.app.broker.check_destination(&purpose)?;
        let (certificate, credential) = self.identity(card, &purpose).await?;
        // An unlocked card costs nobody a PIN: the handshake itself then tells the same obstacles.
        if !card.logged_in {
            self.preflight(&credential).await?;
        }
        let broker = &self.app.broker;
        let grant = broker.authorise(self.caller, &card.id, &purpose).await?;
        Ok(Permit {
            card: card.id.clone(),
            certificate,
            credential,
            grant,
            purpose,
        })
    }

    /// As [`Way::authorise`], but nothing where the person would have to be asked.
    ///
    /// # Errors
    ///
    /// [`Obstacle`].
    pub async fn granted(
        &self,
        card: &CardState,
        purpose: Purpose,
    ) -> Result<Option<Permit>, Obstacle> {
        let broker = &self.app.broker;
        let Some(grant) = broker.granted(self.caller, &card.id, &purpose).await? else {
            return Ok(None);
        };
        let (certificate, credential) = self.identity(card, &purpose).await?;
        Ok(Some(Permit {
            card: card.id.clone(),
            certificate,
            credential,
            grant,
            purpose,
        }))
    }

    /// Opens the connection, once more with fresh revocation lists when only those were missing:
    /// that shows before the card is asked to sign. Without a permit the server alone is
    /// authenticated.
    ///
    /// # Errors
    ///
    /// [`Obstacle`].
    pub async fn open(&self, permit: Option<&Permit>) -> Result<TlsStream<TcpStream>, Obstacle> {
        let stream = match self.handshake(permit).await {
            Err(TlsError::RevocationUnknown(chain)) => {
                self.fetch_lists(chain).await;
                self.handshake(permit).await?
            }
            outcome => outcome?,
        };
        let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        if let Some(permit) = permit.filter(|_| resumed) {
            let Permit {
                card,
                purpose,
                certificate,
                ..
            } = permit;
            let broker = &self.app.broker;
            broker
                .note_resumption(self.caller, card, purpose, certificate)
                .await?;
        }
        self.renew_lists(&stream).await;
        Ok(stream)
    }

    /// Waits for the turn of a connection that may cost a signature, so that those which begin
    /// together cost one; to be ended when the server has answered on it.
    ///
    /// # Errors
    ///
    /// [`Obstacle`].
    pub async fn turn(&self, permit: Option<&Permit>) -> Result<Option<Turn>, Obstacle> {
        let Some(permit) = permit else {
            return Ok(None);
        };
        let session = self.session(&self.target(), Some(permit))?;
        Ok(Some(session.turn().await))
    }

    fn session(&self, target: &Target, permit: Option<&Permit>) -> Result<Session, TlsError> {
        let card = permit.map(|permit| (&permit.card, &permit.credential));
        self.app.sessions.session(target, card)
    }

    /// The card's certificate, if it may be used, and what a server is shown of it.
    async fn identity(
        &self,
        card: &CardState,
        purpose: &Purpose,
    ) -> Result<(Arc<Certificate>, Arc<Credential>), BrokerError> {
        let Self { app, caller, .. } = self;
        let certificate = app.certificate(card, caller, ROLE).await?;
        app.may_use(caller, &card.id, purpose, &certificate, ROLE)
            .await?;
        let credential = credential(app, caller, card, &certificate).await?;
        Ok((certificate, credential))
    }

    /// The pre-flight, and once more with fresh revocation lists when only those were missing.
    async fn preflight(&self, credential: &Arc<Credential>) -> Result<(), TlsError> {
        match preflight(&self.target(), credential).await {
            Err(TlsError::RevocationUnknown(chain)) => {
                self.fetch_lists(chain).await;
                preflight(&self.target(), credential).await
            }
            outcome => outcome,
        }
    }

    /// The handshake. OpenSSL breaks off when it is to resume a session with a client certificate
    /// and was told no context for sessions (`SSL_CTX_set_session_id_context`), as in a Dovecot
    /// whose login processes serve many clients: then the full handshake is the way, for good.
    async fn handshake(&self, permit: Option<&Permit>) -> Result<TlsStream<TcpStream>, TlsError> {
        let target = self.target();
        let session = self.session(&target, permit)?;
        match self.attempt(&target, &session, permit).await {
            Err(error) if error.may_be_of_resumption() && session.tickets.withhold() => {
                let outcome = self.attempt(&target, &session, permit).await;
                if outcome.is_err() {
                    session.tickets.restore();
                }
                outcome
            }
            outcome => outcome,
        }
    }

    async fn attempt(
        &self,
        target: &Target,
        session: &Session,
        permit: Option<&Permit>,
    ) -> Result<TlsStream<TcpStream>, TlsError> {
        let presented = permit.map(|permit| Presented {
            credential: &permit.credential,
            key: Box::new(Lent {
                broker: self.app.broker.clone(),
                caller: self.caller.clone(),
                permit: permit.clone(),
            }),
        });
        super::connect(target, Arc::clone(&session.config), presented).await
    }

    fn target(&self) -> Target {
        Target {
            host: self.host.to_owned(),
            port: self.port,
            service: self.service,
            may_be_at: self.may_be_at,
            name_servers: self.name_servers.to_vec(),
            trust: self.app.trust.of_anchors(self.anchors),
        }
    }

    async fn fetch_lists(&self, chain: Vec<Certificate>) {
        let trust = self.app.trust.of_anchors(self.anchors);
        self.app.trust.refresh(&trust, chain, LISTS_LIMIT).await;
    }

    /// Fetches the server's lists anew, in the background, when their day is over.
    async fn renew_lists(&self, stream: &TlsStream<TcpStream>) {
        let sent = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let chain = sent
            .iter()
            .filter_map(|der| Certificate::from_der(der).ok())
            .collect();
        let trust = self.app.trust.of_anchors(self.anchors);
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
    permit: Permit,
}

impl CardKey for Lent {
    fn sign(
        &self,
        scheme: SignatureScheme,
        digest: Vec<u8>,
    ) -> BoxFuture<'static, Result<Vec<u8>, Box<Problem>>> {
        let (broker, caller) = (self.broker.clone(), self.caller.clone());
        let Permit {
            card,
            grant,
            purpose,
            ..
        } = self.permit.clone();
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
