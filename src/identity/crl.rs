//! Certificate revocation lists.

use jiff::Timestamp;

use crate::Certificate;

/// A complete revocation list, original bytes kept.
#[derive(Clone, Debug)]
pub struct Crl {
    der: Vec<u8>,
}

#[allow(unused_variables)]
impl Crl {
    /// Parses a DER list.
    pub fn from_der(der: &[u8]) -> Result<Self, InvalidCrl> {
        todo!()
    }
    /// The original DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }
    /// DER of the issuer's name.
    pub fn issuer_raw(&self) -> &[u8] {
        todo!()
    }
    /// When it was made.
    pub fn this_update(&self) -> Timestamp {
        todo!()
    }
    /// When the next one is due.
    pub fn next_update(&self) -> Timestamp {
        todo!()
    }
    /// Checks that `issuer` signed it.
    pub fn verify(&self, issuer: &Certificate) -> Result<(), InvalidCrl> {
        todo!()
    }
    /// The entry of a certificate of this issuer, if it is revoked.
    pub fn find(&self, certificate: &Certificate) -> Result<Option<RevokedEntry>, InvalidCrl> {
        todo!()
    }
}

/// A revoked certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RevokedEntry {
    /// Since when.
    pub since: Timestamp,
}

/// The bytes are not a usable revocation list.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidCrl(&'static str);
