//! Asks the server what it wants before a PIN is asked from anybody.
//!
//! A probe connection goes as far as the server's CertificateRequest and stops: no certificate
//! leaves, nothing is signed.

use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::client::Resumption;

use super::handshake::{explain, run};
use super::{Credential, Target, TlsError, sessions};

/// Whether `target` could be satisfied with `credential`.
///
/// # Errors
///
/// What stands in the way, in the same words as the handshake itself would give.
pub async fn preflight(target: &Target, credential: &Arc<Credential>) -> Result<(), TlsError> {
    match probe(target, credential, credential.versions()).await {
        Err(error) => Err(explain_version(target, credential, error).await),
        satisfied => satisfied,
    }
}

/// Tells a server that only wants a newer protocol from one that fails for another reason.
///
/// Servers are free to answer an old version with any alert, or with silence; asking again
/// with TLS 1.3 is the only proof.
pub(super) async fn explain_version(
    target: &Target,
    credential: &Arc<Credential>,
    error: TlsError,
) -> TlsError {
    let tried_all = credential.versions().len() > 1;
    if tried_all || !error.is_refusal() {
        return error;
    }
    match probe(target, credential, &[&rustls::version::TLS13]).await {
        // The server completed its flight in TLS 1.3: the version was the only obstacle.
        Ok(()) | Err(TlsError::NeedsPss | TlsError::NoClientAuth) => TlsError::NeedsTls13,
        Err(_) => error,
    }
}

async fn probe(
    target: &Target,
    credential: &Arc<Credential>,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<(), TlsError> {
    let mut config = sessions::config(target, Some(credential), versions)?;
    config.resumption = Resumption::disabled();
    let (outcome, exchange) = run(target, Arc::new(config), None).await?;
    let asked = exchange.asked();
    match explain(outcome, &exchange) {
        Ok(_) if asked => Ok(()),
        Ok(_) => Err(TlsError::NoClientAuth),
        // Refusing an empty certificate is what a server that wants one does (RFC 5246
        // §7.4.6), with an alert or by closing; its own certificate was verified before.
        Err(error) if asked && error.is_refusal() => Ok(()),
        Err(error) => Err(error),
    }
}
