//! Certificate revocation lists (RFC 5280 §5): complete ones, fetched over HTTP.

use jiff::Timestamp;
use x509_cert::ext::pkix::crl::dp::IssuingDistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};

use crate::{Certificate, signature};

mod list;

use list::List;

/// A complete revocation list, original bytes kept.
///
/// Parsing proves nothing: [`Crl::verify`] before use, which [`crate::Trust`] does by itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Crl {
    der: Vec<u8>,
    issuer: Vec<u8>,
    this_update: Timestamp,
    next_update: Timestamp,
    scope: Scope,
    /// Key that was seen to verify it: a list of megabytes is hashed once, not at each use.
    signer: Option<Vec<u8>>,
}

impl Crl {
    /// Parses a DER list of at most 64 MiB, every entry included.
    ///
    /// # Errors
    ///
    /// Not DER, a delta or indirect list, a list without nextUpdate, or one limited to some
    /// reasons or to attribute certificates.
    pub fn from_der(der: &[u8]) -> Result<Self, InvalidCrl> {
        if der.len() > MAX_BYTES {
            return Err(InvalidCrl::TooLarge);
        }
        let list = List::from_der(der)?;
        list.entries().try_for_each(|entry| entry.map(|_| ()))?;
        Ok(Self {
            der: der.to_vec(),
            issuer: list.issuer.to_vec(),
            this_update: list.this_update,
            next_update: list.next_update,
            scope: list.scope.map(Scope::from).unwrap_or_default(),
            signer: None,
        })
    }

    /// The original DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// DER of the issuer's name.
    pub fn issuer_raw(&self) -> &[u8] {
        &self.issuer
    }

    /// When it was made.
    pub fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// When the next one is due: from then on this one is out of date.
    pub fn next_update(&self) -> Timestamp {
        self.next_update
    }

    /// Checks that `issuer` made it.
    ///
    /// # Errors
    ///
    /// Another name, a certificate that may not sign lists, or a signature that does not verify.
    pub fn verify(&self, issuer: &Certificate) -> Result<(), InvalidCrl> {
        let may_sign = issuer.is_authority() && issuer.extensions().may_sign_crls();
        if issuer.subject_raw() != self.issuer || !may_sign {
            return Err(InvalidCrl::OtherIssuer);
        }
        let spki = issuer.public_key_spki();
        if self.signer.as_deref() == Some(spki) {
            return Ok(());
        }
        let list = List::from_der(&self.der)?;
        match signature::verifies(spki, list.algorithm, list.content, list.signature) {
            true => Ok(()),
            false => Err(InvalidCrl::BadSignature),
        }
    }

    /// Whether the list speaks of this certificate: same issuer name, and within its scope.
    pub fn covers(&self, certificate: &Certificate) -> bool {
        certificate.issuer_raw() == self.issuer && self.scope.covers(certificate)
    }

    /// Verifies, and remembers the key that did.
    pub(crate) fn attribute_to(&mut self, issuer: &Certificate) -> Result<(), InvalidCrl> {
        self.verify(issuer)?;
        self.signer = Some(issuer.public_key_spki().to_vec());
        Ok(())
    }

    /// Whether `other` is a list of the same issuer for the same certificates.
    pub(crate) fn replaces_same(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.scope == other.scope
    }

    /// The entry of a certificate that the list [covers](Self::covers), if it is revoked.
    ///
    /// The whole serial number is compared: issuers give the first half a constant.
    ///
    /// # Errors
    ///
    /// An entry cannot be decoded.
    pub fn find(&self, certificate: &Certificate) -> Result<Option<RevokedEntry>, InvalidCrl> {
        for entry in List::from_der(&self.der)?.entries() {
            let entry = entry?;
            if entry.serial == certificate.serial() {
                return Ok(Some(RevokedEntry { since: entry.since }));
            }
        }
        Ok(None)
    }
}

/// A revoked certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RevokedEntry {
    /// Date the authority gives for the revocation.
    pub since: Timestamp,
}

/// The list cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCrl {
    /// Altered, forged, or signed with an algorithm that is not accepted any more.
    #[error("the revocation list is not signed by the authority it names")]
    BadSignature,
    /// Not a list, or of a kind that is not used here.
    #[error("malformed revocation list: {0}")]
    Malformed(&'static str),
    /// It names another authority, or one that may not sign lists.
    #[error("the revocation list is of another authority")]
    OtherIssuer,
    /// Larger than any list.
    #[error("the revocation list is larger than 64 MiB")]
    TooLarge,
}

/// Which certificates of its issuer a list speaks of (RFC 5280 §5.2.5).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Scope {
    only_users: bool,
    only_authorities: bool,
    urls: Vec<String>,
}

impl From<IssuingDistributionPoint> for Scope {
    fn from(point: IssuingDistributionPoint) -> Self {
        let names = match point.distribution_point {
            Some(DistributionPointName::FullName(names)) => names,
            _ => Vec::new(),
        };
        Self {
            only_users: point.only_contains_user_certs,
            only_authorities: point.only_contains_ca_certs,
            urls: names
                .into_iter()
                .filter_map(|name| match name {
                    GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str().to_owned()),
                    _ => None,
                })
                .collect(),
        }
    }
}

impl Scope {
    fn covers(&self, certificate: &Certificate) -> bool {
        let excluded = match certificate.is_authority() {
            true => self.only_users,
            false => self.only_authorities,
        };
        let published = certificate.crl_urls();
        !excluded
            && (self.urls.is_empty()
                || published.is_empty()
                || published.iter().any(|url| self.urls.contains(url)))
    }
}

const MAX_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests;
