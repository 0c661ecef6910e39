//! Pinned certification authorities: a list of fingerprints, never certificates.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::certificate::decode_hex;
use crate::{Certificate, Environment, Fingerprint};

/// The list of pinned authorities.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Anchors {
    pinned: Vec<PinnedAnchor>,
}

impl Anchors {
    /// The list shipped with this version: the nine authorities of IGC-Santé and the known ones of
    /// its test twin.
    pub fn built_in() -> &'static Self {
        static BUILT_IN: LazyLock<Anchors> = LazyLock::new(|| {
            // A list that cannot be read pins nothing, so nothing is trusted; a test reads it.
            Anchors::from_toml(include_str!("anchors/anchors.toml"))
                .unwrap_or(Anchors { pinned: Vec::new() })
        });
        &BUILT_IN
    }

    /// Reads a list: `[[authority]]` tables with `common_name`, `sha256`, `key_id`, `environment`
    /// (`production`, `test`), `kind` (`root`, `intermediate`) and `uses`.
    ///
    /// # Errors
    ///
    /// Not TOML, a key that is missing, unknown or of another type, a fingerprint that is not 64
    /// hexadecimal digits or stands twice, or a key identifier that is not hexadecimal.
    pub fn from_toml(text: &str) -> Result<Self, InvalidAnchors> {
        let list: List =
            toml::from_str(text).map_err(|error| InvalidAnchors::Toml(error.to_string()))?;
        let mut pinned: Vec<PinnedAnchor> = Vec::with_capacity(list.authority.len());
        for entry in list.authority {
            let anchor = PinnedAnchor::new(entry)?;
            if pinned
                .iter()
                .any(|other| other.fingerprint == anchor.fingerprint)
            {
                return Err(InvalidAnchors::Duplicate(anchor.common_name));
            }
            pinned.push(anchor);
        }
        Ok(Self { pinned })
    }

    /// Every pin.
    pub fn pinned(&self) -> &[PinnedAnchor] {
        &self.pinned
    }

    /// The pin of this fingerprint.
    pub fn find(&self, fingerprint: Fingerprint) -> Option<&PinnedAnchor> {
        self.pinned
            .iter()
            .find(|anchor| anchor.fingerprint == fingerprint)
    }

    /// Parses a DER certificate and accepts it only if its fingerprint is pinned.
    ///
    /// # Errors
    ///
    /// Not a certificate, or one of another authority.
    pub fn accept(&self, der: &[u8]) -> Result<(Certificate, &PinnedAnchor), NotPinned> {
        let certificate = Certificate::from_der(der).map_err(|_| NotPinned::Malformed)?;
        let fingerprint = certificate.fingerprint_sha256();
        match self.find(fingerprint) {
            Some(anchor) => Ok((certificate, anchor)),
            None => Err(NotPinned::Unknown {
                fingerprint,
                subject: certificate.subject().to_string(),
            }),
        }
    }
}

/// One pinned authority.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PinnedAnchor {
    /// CN of its subject, for humans.
    pub common_name: String,
    /// What identifies it.
    pub fingerprint: Fingerprint,
    /// Subject key identifier, which its certificates name as their authority key identifier.
    pub key_id: Vec<u8>,
    /// Production or Test, never Custom.
    pub environment: Environment,
    /// A root; otherwise an intermediate.
    pub root: bool,
    /// What certificates below it may be used for.
    pub uses: Vec<AllowedUse>,
}

impl PinnedAnchor {
    fn new(entry: Entry) -> Result<Self, InvalidAnchors> {
        let (Ok(fingerprint), Some(key_id)) = (entry.sha256.parse(), decode_hex(&entry.key_id))
        else {
            return Err(InvalidAnchors::Hexadecimal(entry.common_name));
        };
        Ok(Self {
            common_name: entry.common_name,
            fingerprint,
            key_id,
            environment: match entry.environment {
                PinnedEnvironment::Production => Environment::Production,
                PinnedEnvironment::Test => Environment::Test,
            },
            root: matches!(entry.kind, Kind::Root),
            uses: entry.uses,
        })
    }
}

/// What certificates below an authority may be used for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AllowedUse {
    /// Person certificates on cards.
    CardPerson,
    /// Servers and organisations.
    OrgServer,
    /// Person certificates in software.
    SoftwarePerson,
}

/// Why a list of authorities cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAnchors {
    /// The fingerprint of this authority stands twice.
    #[error("authorities list: the fingerprint of {0} stands twice")]
    Duplicate(String),
    /// A fingerprint or key identifier of this authority is not hexadecimal of its length.
    #[error("authorities list: the fingerprint or key identifier of {0} is not hexadecimal")]
    Hexadecimal(String),
    /// Not TOML of the expected shape.
    #[error("authorities list: {0}")]
    Toml(String),
}

/// The certificate is not one of the pinned authorities.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotPinned {
    /// Not a certificate.
    #[error("not a certificate")]
    Malformed,
    /// A certificate of another authority: never kept, whatever its name says.
    #[error("the certificate {fingerprint} ({subject}) is not in the pinned list")]
    Unknown {
        /// Its fingerprint.
        fingerprint: Fingerprint,
        /// Its subject.
        subject: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    authority: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    common_name: String,
    sha256: String,
    key_id: String,
    environment: PinnedEnvironment,
    kind: Kind,
    uses: Vec<AllowedUse>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum PinnedEnvironment {
    Production,
    Test,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Intermediate,
    Root,
}

#[cfg(test)]
mod tests;
