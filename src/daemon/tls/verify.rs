//! The server's certificate, judged by the trust material of its destination.

use std::sync::Arc;

use cps_identity::{Certificate, Purpose, Trust, Verdict};
use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};

use super::resolver::EXCHANGE;
use super::{TlsError, provider};

/// Verifies for one destination; the verdict in words goes to the [`EXCHANGE`] of the connection.
#[derive(Debug)]
pub(super) struct TargetVerifier {
    host: String,
    trust: Arc<Trust>,
    provider: Arc<CryptoProvider>,
}

impl TargetVerifier {
    pub(super) fn new(host: &str, trust: &Arc<Trust>) -> Arc<Self> {
        Arc::new(Self {
            host: host.to_owned(),
            trust: Arc::clone(trust),
            provider: provider(),
        })
    }

    fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), TlsError> {
        let certificate = Certificate::from_der(end_entity)
            .map_err(|error| TlsError::ServerUntrusted(error.to_string()))?;
        let presented: Vec<_> = intermediates
            .iter()
            .filter_map(|der| Certificate::from_der(der).ok())
            .collect();
        let now = i64::try_from(now.as_secs())
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .unwrap_or(Timestamp::MAX);
        let purpose = Purpose::Server(&self.host);
        let verdict = self
            .trust
            .check_chain(&certificate, &presented, purpose, now);
        match verdict {
            Verdict::Trusted { .. } => Ok(()),
            Verdict::ClockSkew { .. } | Verdict::Expired { .. } | Verdict::NotYetValid { .. } => {
                let (from, until) = (certificate.not_before(), certificate.not_after());
                Err(TlsError::ServerExpired(format!(
                    "valid from {from} to {until}"
                )))
            }
            Verdict::Revoked { since } => Err(TlsError::ServerRevoked(since)),
            Verdict::RevocationUnknown { .. } => {
                let mut chain = vec![certificate];
                chain.extend(presented);
                Err(TlsError::RevocationUnknown(chain))
            }
            Verdict::WrongName => Err(TlsError::ServerName(certificate.dns_names().join(", "))),
            other => Err(TlsError::ServerUntrusted(format!(
                "{} ({}, issued by {})",
                other.as_str(),
                certificate.subject(),
                certificate.issuer()
            ))),
        }
    }
}

impl ServerCertVerifier for TargetVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Err(refusal) = self.judge(end_entity, intermediates, now) else {
            return Ok(ServerCertVerified::assertion());
        };
        // The alert that rustls sends; our caller gets the refusal itself.
        let alert = match refusal {
            TlsError::ServerExpired(_) => CertificateError::Expired,
            TlsError::ServerRevoked(_) => CertificateError::Revoked,
            TlsError::RevocationUnknown(_) => CertificateError::UnknownRevocationStatus,
            TlsError::ServerName(_) => CertificateError::NotValidForName,
            _ => CertificateError::UnknownIssuer,
        };
        // Outside a handshake of this module there is no exchange to tell, only the alert.
        let _ = EXCHANGE.try_with(|exchange| exchange.refuse(refusal));
        Err(alert.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
