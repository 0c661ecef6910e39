//! Certificate revocation lists (RFC 5280 §5): complete ones, fetched over HTTP.

use der::asn1::{AnyRef, BitStringRef};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use jiff::Timestamp;
use rustls_pki_types::UnixTime;
use webpki::{BorrowedCertRevocationList, CertRevocationList};
use x509_cert::ext::pkix::crl::dp::IssuingDistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::time::Time;

use crate::certificate::timestamp;
use crate::name::elements;
use crate::{Certificate, signature};

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
        let list = parse(der)?;
        if list.into_iter().any(|entry| entry.is_err()) {
            return Err(InvalidCrl::Malformed("a revoked entry"));
        }
        let header = Header::from_der(der).ok_or(InvalidCrl::Malformed("header"))?;
        Ok(Self {
            der: der.to_vec(),
            issuer: header.issuer.to_vec(),
            this_update: header.this_update,
            next_update: header.next_update,
            scope: Scope::of(list)?,
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
        let [content, algorithm, signed] = parts(&self.der).ok_or(InvalidCrl::BadSignature)?;
        let algorithm = AnyRef::from_der(algorithm).map_err(|_| InvalidCrl::BadSignature)?;
        let signed = BitStringRef::from_der(signed).map_err(|_| InvalidCrl::BadSignature)?;
        let spki = issuer.public_key_spki();
        match signature::verifies(spki, algorithm.value(), content, signed.raw_bytes()) {
            true => Ok(()),
            false => Err(InvalidCrl::BadSignature),
        }
    }

    /// Whether the list speaks of this certificate: same issuer name, and within its scope.
    pub fn covers(&self, certificate: &Certificate) -> bool {
        certificate.issuer_raw() == self.issuer && self.scope.covers(certificate)
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
        let list = CertRevocationList::from(parse(&self.der)?);
        let entry = list
            .find_serial(certificate.serial())
            .map_err(|_| InvalidCrl::Malformed("a revoked entry"))?;
        Ok(entry.map(|entry| RevokedEntry {
            since: from_unix(entry.revocation_date),
        }))
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

impl Scope {
    fn of(list: BorrowedCertRevocationList<'_>) -> Result<Self, InvalidCrl> {
        let list = CertRevocationList::from(list);
        let Some(der) = list.issuing_distribution_point() else {
            return Ok(Self::default());
        };
        let point = IssuingDistributionPoint::from_der(der)
            .map_err(|_| InvalidCrl::Malformed("issuing distribution point"))?;
        let names = match point.distribution_point {
            Some(DistributionPointName::FullName(names)) => names,
            _ => Vec::new(),
        };
        Ok(Self {
            only_users: point.only_contains_user_certs,
            only_authorities: point.only_contains_ca_certs,
            urls: names
                .into_iter()
                .filter_map(|name| match name {
                    GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str().to_owned()),
                    _ => None,
                })
                .collect(),
        })
    }

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

/// The fields that the path validator's parser reads over or does not show.
struct Header<'a> {
    issuer: &'a [u8],
    this_update: Timestamp,
    next_update: Timestamp,
}

impl<'a> Header<'a> {
    fn from_der(der: &'a [u8]) -> Option<Self> {
        let [content, _, _] = parts(der)?;
        let content = AnyRef::from_der(content).ok()?;
        let mut reader = SliceReader::new(content.value()).ok()?;
        let _version = reader.tlv_bytes().ok()?;
        let _algorithm = reader.tlv_bytes().ok()?;
        let issuer = reader.tlv_bytes().ok()?;
        Some(Self {
            issuer,
            this_update: Time::decode(&mut reader).ok().and_then(timestamp)?,
            next_update: Time::decode(&mut reader).ok().and_then(timestamp)?,
        })
    }
}

/// TBSCertList, AlgorithmIdentifier and signature, each with its tag and length.
fn parts(der: &[u8]) -> Option<[&[u8]; 3]> {
    let outer = AnyRef::from_der(der).ok()?;
    if outer.tag() != Tag::Sequence || elements(outer.value()).ok()?.len() != 3 {
        return None;
    }
    let mut reader = SliceReader::new(outer.value()).ok()?;
    let mut next = || reader.tlv_bytes().ok();
    Some([next()?, next()?, next()?])
}

fn parse(der: &[u8]) -> Result<BorrowedCertRevocationList<'_>, InvalidCrl> {
    use webpki::Error;
    BorrowedCertRevocationList::from_der(der).map_err(|error| {
        InvalidCrl::Malformed(match error {
            Error::UnsupportedDeltaCrl => "a delta list",
            Error::UnsupportedIndirectCrl => "an indirect list",
            Error::UnsupportedCrlVersion => "not version 2",
            Error::UnsupportedRevocationReasonsPartitioning => "a list of some reasons only",
            _ => "not a complete DER list",
        })
    })
}

fn from_unix(time: UnixTime) -> Timestamp {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::MAX)
}

const MAX_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests;
