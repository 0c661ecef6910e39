//! Why an authenticated connection could not be made.

use std::io;
use std::time::Duration;

use cps_identity::Certificate;
use jiff::Timestamp;
use rustls::AlertDescription;

use cps_api::{Code, Problem};
use cps_mail::Refused;

/// What stands between the card and the server; each variant names the party at fault.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Server: it trusts other certificate authorities than the card's.
    #[error("the server accepts certificates of other authorities: {}", .accepted.join("; "))]
    IssuerNotAccepted {
        /// Names the server sent, the first few.
        accepted: Vec<String>,
        /// Who issued the card's certificate.
        issuer: String,
    },
    /// Server and key have no signature scheme in common, and PSS would not help.
    #[error("the server accepts none of the signatures this card makes; it offers {offered}")]
    NoCommonScheme {
        /// What the server listed.
        offered: String,
    },
    /// Server: wants RSA-PSS, which this card cannot make.
    #[error("the server accepts only RSA-PSS signatures, which this card cannot make")]
    NeedsPss,
    /// Server: refuses TLS 1.2, the last version in which this card can authenticate.
    #[error("the server requires TLS 1.3, in which this card cannot authenticate")]
    NeedsTls13,
    /// Server: never asked for a certificate.
    #[error("the server does not ask for a client certificate during the handshake")]
    NoClientAuth,
    /// Server: cannot be brought to begin TLS.
    #[error(transparent)]
    Prelude(Refused),
    /// Server: refused the card's certificate with an alert.
    #[error("the server refused the card's certificate: {0}")]
    CertificateRefused(String),
    /// Server: refused the handshake or broke the protocol.
    #[error("the TLS handshake failed: {0}")]
    Handshake(String),
    /// Server: the connection ended in the middle.
    #[error("the TLS handshake failed: {0}")]
    Lost(String),
    /// Server certificate over, or not begun.
    #[error("the server's certificate is outside its validity: {0}")]
    ServerExpired(String),
    /// Server certificate made for another name.
    #[error("the server's certificate is for another name: {0}")]
    ServerName(String),
    /// Server certificate revoked by its authority.
    #[error("the server's certificate, or its authority's, is revoked since {0}")]
    ServerRevoked(Timestamp),
    /// Server certificate of an unknown authority, or malformed.
    #[error("the server's certificate is not trusted: {0}")]
    ServerUntrusted(String),
    /// No current revocation list for the server's certificate, whose path is otherwise good;
    /// holds the chain the server sent, in which the addresses of the lists are written.
    #[error("no current revocation list tells whether the server's certificate is revoked")]
    RevocationUnknown(Vec<Certificate>),
    /// The card, the person or a rule refused the signature.
    #[error("{}", .0.detail)]
    Signature(Box<Problem>),
    /// The network or the server's machine.
    #[error("cannot reach {host}:{port}: {source}")]
    Unreachable {
        /// Name tried.
        host: String,
        /// Port tried.
        port: u16,
        /// The system's answer.
        source: io::Error,
    },
    /// The server stopped answering in the middle.
    #[error("the server did not finish the handshake within {} s", .0.as_secs())]
    TimedOut(Duration),
}

impl TlsError {
    /// The stable code of the API.
    pub fn code(&self) -> Code {
        match self {
            // What the card, the person or a rule said has a code of this version.
            Self::Signature(problem) => problem.code().unwrap_or(Code::Internal),
            Self::CertificateRefused(_)
            | Self::Handshake(_)
            | Self::Lost(_)
            | Self::NoCommonScheme { .. }
            | Self::Prelude(_)
            | Self::TimedOut(_) => Code::TlsHandshake,
            Self::IssuerNotAccepted { .. } => Code::TlsIssuerNotAccepted,
            Self::NeedsPss => Code::TlsNeedsPss,
            Self::NeedsTls13 => Code::TlsNeedsTls13,
            Self::NoClientAuth => Code::TlsNoClientAuth,
            Self::RevocationUnknown(_) => Code::TlsRevocationUnknown,
            Self::ServerExpired(_) => Code::TlsServerExpired,
            Self::ServerName(_) => Code::TlsServerName,
            Self::ServerRevoked(_) => Code::TlsServerRevoked,
            Self::ServerUntrusted(_) => Code::TlsServerUntrusted,
            Self::Unreachable { .. } => Code::TlsUnreachable,
        }
    }

    /// The problem document: why no authenticated connection to `host` could be made.
    pub fn problem(self, host: &str) -> Problem {
        let detail = self.to_string();
        let mut problem = Problem::new(self.code()).with("host", host);
        match self {
            Self::Signature(problem) => return *problem,
            Self::IssuerNotAccepted { accepted, issuer } => {
                problem = problem.with("accepted", accepted).with("issuer", issuer);
            }
            Self::Unreachable { source, .. } => {
                problem = problem.with("reason", source.to_string());
            }
            Self::CertificateRefused(reason) | Self::Handshake(reason) | Self::Lost(reason) => {
                problem = problem.with("reason", reason);
            }
            _ => {}
        }
        problem.detail(detail)
    }

    /// Whether a server that cannot take a session back may have answered so.
    pub(super) fn may_be_of_resumption(&self) -> bool {
        self.is_refusal() || matches!(self, Self::NeedsTls13)
    }

    /// Whether the handshake failed in a way that servers choose as they like: with an alert, or by
    /// closing the connection.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::CertificateRefused(_) | Self::Handshake(_) | Self::Lost(_)
        )
    }

    /// From what rustls reports through `std::io`, in the handshake or (TLS 1.3) after it.
    pub(crate) fn from_io(error: &io::Error) -> Self {
        match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            Some(tls) => Self::from_rustls(tls),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Lost("the server closed the connection".to_owned())
            }
            None => Self::Lost(error.to_string()),
        }
    }

    fn from_rustls(error: &rustls::Error) -> Self {
        let rustls::Error::AlertReceived(alert) = error else {
            return Self::Handshake(error.to_string());
        };
        let reason = format!("the server answered with the alert {alert:?}");
        match alert {
            AlertDescription::ProtocolVersion => Self::NeedsTls13,
            // RFC 8446 §6.2: what is wrong with the peer's certificate, or its absence.
            AlertDescription::AccessDenied
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRequired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::UnsupportedCertificate => Self::CertificateRefused(reason),
            _ => Self::Handshake(reason),
        }
    }
}
