//! X.509 certificates as IGC-Santé and the PKIs before it issue them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::Name;

/// A parsed certificate that keeps its original bytes.
///
/// Signatures are verified and names compared on these bytes only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    der: Vec<u8>,
    issuer: Name,
    subject: Name,
}

#[allow(unused_variables, missing_docs)]
impl Certificate {
    pub fn from_der(der: &[u8]) -> Result<Self, InvalidCertificate> {
        todo!()
    }
    pub fn der(&self) -> &[u8] {
        &self.der
    }
    pub fn subject(&self) -> &Name {
        &self.subject
    }
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }
    pub fn subject_raw(&self) -> &[u8] {
        self.subject.as_der()
    }
    pub fn issuer_raw(&self) -> &[u8] {
        self.issuer.as_der()
    }
    /// Lower-case hexadecimal of the serial number's octets.
    pub fn serial_hex(&self) -> String {
        todo!()
    }
    pub fn not_before(&self) -> Timestamp {
        todo!()
    }
    pub fn not_after(&self) -> Timestamp {
        todo!()
    }
    /// DER of the SubjectPublicKeyInfo.
    pub fn public_key_spki(&self) -> &[u8] {
        todo!()
    }
    pub fn fingerprint_sha256(&self) -> Fingerprint {
        todo!()
    }
    /// Subject key identifier.
    pub fn key_id(&self) -> Option<&[u8]> {
        todo!()
    }
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        todo!()
    }
    pub fn usage(&self) -> CertificateUse {
        todo!()
    }
    /// Product category G01 >= 80, or an issuer that says TEST.
    pub fn is_test(&self) -> bool {
        todo!()
    }
    /// SHA-1, RSA under 2048 bits, or an issuer of the PKIs closed in 2021.
    pub fn is_obsolete(&self) -> bool {
        todo!()
    }
    /// http(s) CRL addresses only.
    pub fn crl_urls(&self) -> &[String] {
        todo!()
    }
    pub fn private_key_usage_period(&self) -> Option<KeyPeriod> {
        todo!()
    }
    /// User principal name of the subject alternative name.
    pub fn upn(&self) -> Option<&str> {
        todo!()
    }
    pub fn dns_names(&self) -> &[String] {
        todo!()
    }
    /// Issuer number / card number.
    pub fn card_number(&self) -> Option<&str> {
        todo!()
    }
}

/// What a certificate is for, from KeyUsage, ExtendedKeyUsage and BasicConstraints.
///
/// A contactless technical certificate is told by the card's label, not by the certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CertificateUse {
    /// TLS client authentication.
    Authentication,
    /// A certification authority.
    Authority,
    /// None of the others.
    Other,
    /// TLS server.
    Server,
    /// Signature with content commitment.
    Signature,
}

/// PrivateKeyUsagePeriod (RFC 3280 §4.2.1.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyPeriod {
    /// The key may not sign before.
    pub not_before: Option<Timestamp>,
    /// The key may not sign after.
    pub not_after: Option<Timestamp>,
}

/// SHA-256 of a DER certificate. Displays as lower-case hexadecimal.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = InvalidCertificate;
    fn from_str(_text: &str) -> Result<Self, Self::Err> {
        todo!()
    }
}

/// The bytes are not a certificate this crate can read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("malformed certificate: {what}")]
#[non_exhaustive]
pub struct InvalidCertificate {
    /// The part that cannot be read.
    pub what: &'static str,
}
