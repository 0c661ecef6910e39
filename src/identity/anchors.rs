//! Pinned certification authorities.

use crate::{Certificate, Environment, Fingerprint};

/// The list of pinned authorities.
#[derive(Clone, Debug)]
pub struct Anchors {
    pinned: Vec<PinnedAnchor>,
}

impl Anchors {
    /// The list shipped with this version: production and known test authorities.
    pub fn built_in() -> &'static Self {
        todo!()
    }
    /// Reads a list in the format of `anchors.toml`.
    pub fn from_toml(_text: &str) -> Result<Self, AnchorsError> {
        todo!()
    }
    /// All pins.
    pub fn pinned(&self) -> &[PinnedAnchor] {
        &self.pinned
    }
    /// Parses the certificate and accepts it only if its fingerprint is pinned.
    pub fn accept(&self, _der: &[u8]) -> Result<(Certificate, &PinnedAnchor), NotPinned> {
        todo!()
    }
}

/// One pinned authority.
#[derive(Clone, Debug, Eq, PartialEq)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct PinnedAnchor {
    pub common_name: String,
    pub fingerprint: Fingerprint,
    pub key_id: Vec<u8>,
    pub environment: Environment,
    pub root: bool,
    pub uses: Vec<AllowedUse>,
}

/// What certificates below an authority may be used for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AllowedUse {
    /// Person certificates on cards.
    CardPerson,
    /// Servers of organisations.
    OrgServer,
}

/// Why an anchors list cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("anchors list: {0}")]
pub struct AnchorsError(String);

/// The certificate is not one of the pinned authorities.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotPinned {
    /// Not a certificate.
    #[error("not a certificate")]
    Malformed,
    /// A certificate of another authority.
    #[error("the certificate {fingerprint} ({subject}) is not in the pinned list")]
    Unknown {
        /// Its fingerprint.
        fingerprint: Fingerprint,
        /// Its subject.
        subject: String,
    },
}
