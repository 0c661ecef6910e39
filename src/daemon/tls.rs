//! TLS to servers that matter: with the key on the card, or only with trust of our own.
//!
//! # Layout
//!
//! - [`client`]: the whole way of one request, from the caller to an authenticated stream.
//! - [`Target`]: where to connect, what is spoken there, whom to trust.
//! - [`Credential`]: what the card can present: certificate chain and signature schemes.
//! - [`preflight()`]: asks the server what it wants, before anybody types a PIN.
//! - `prelude`: what a mail server is told before TLS begins (STARTTLS).
//! - [`connect`]: the handshake itself, on a thread of its own because rustls signs synchronously
//!   while a card takes up to seconds. The server's certificate is judged by [`Target::trust`].
//! - [`Sessions`]: session tickets, kept no longer than the card stays logged in; `tickets`: who
//!   makes them, and who waits for them.
//! - [`tunnel`]: joins two byte streams.

pub mod client;
mod error;
mod handshake;
mod preflight;
mod prelude;
mod resolver;
mod sessions;
mod tickets;
pub mod tunnel;
mod verify;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use cps_identity::Trust;
use cps_mail::Protocol;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, SignatureScheme, SupportedCipherSuite, SupportedProtocolVersion};

pub use error::TlsError;
pub use handshake::{Presented, connect};
pub use preflight::preflight;
pub use resolver::CardKey;
pub use sessions::{Session, Sessions};
pub use tickets::Turn;

/// A server and the trust material that decides whether it is the right one.
#[derive(Clone, Debug)]
pub struct Target {
    /// DNS name or address, as the configuration gives it and as the certificate must say it.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// What is spoken there.
    pub service: Service,
    /// Which addresses that name may have: asked of each before it is connected to.
    pub may_be_at: fn(IpAddr) -> bool,
    /// Who knows its addresses; the system when empty.
    pub name_servers: Vec<SocketAddr>,
    /// Anchors and revocation lists of this destination; nothing of the operating system's.
    pub trust: Arc<Trust>,
}

/// What a server speaks, as far as it matters to TLS.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Service {
    /// Whatever the caller and the server agree on, in TLS from the first byte.
    Any,
    /// Mail of an MSSanté operator, in TLS from the first byte.
    Mail,
    /// Mail of an MSSanté operator, in TLS after STARTTLS in this protocol.
    MailStartTls(Protocol),
}

impl Service {
    /// The cryptography that the service allows. Of the suites of TLS 1.2 that MSSanté allows, only
    /// two exist here: the others use CBC (domain page "mssante", section 3.1).
    fn provider(self) -> Arc<CryptoProvider> {
        let mut provider = rustls::crypto::ring::default_provider();
        if self != Self::Any {
            let allowed = |suite: &SupportedCipherSuite| {
                let mssante = [
                    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                ];
                suite.tls13().is_some() || mssante.contains(&suite.suite())
            };
            provider.cipher_suites.retain(allowed);
        }
        Arc::new(provider)
    }
}

/// What the card can present to a server.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The authentication certificate, then the CA certificates below the root.
    pub chain: Vec<CertificateDer<'static>>,
    /// DER names of all issuers in the chain: the server must accept one of them.
    pub issuers: Vec<Vec<u8>>,
    /// What the key can sign, preferred first.
    pub schemes: Vec<SignatureScheme>,
}

impl Credential {
    /// TLS versions this key can authenticate in: TLS 1.3 takes only PSS from an RSA key
    /// (RFC 8446 §4.2.3), which a CPS3 cannot make. ECDSA serves both.
    #[must_use]
    pub fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        let fits = |scheme: &SignatureScheme| is_pss(*scheme) || is_ecdsa(*scheme);
        match self.schemes.iter().any(fits) {
            true => ANY_VERSION,
            false => TLS12_ONLY,
        }
    }
}

/// The one provider of this daemon; named explicitly because a second one in the dependency
/// graph would make rustls' implicit choice panic.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn is_ecdsa(scheme: SignatureScheme) -> bool {
    scheme == SignatureScheme::ECDSA_NISTP256_SHA256
}

fn is_pss(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::RSA_PSS_SHA256
            | SignatureScheme::RSA_PSS_SHA384
            | SignatureScheme::RSA_PSS_SHA512
    )
}

static ANY_VERSION: &[&SupportedProtocolVersion] =
    &[&rustls::version::TLS13, &rustls::version::TLS12];
static TLS12_ONLY: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
