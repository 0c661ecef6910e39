//! Path validation with verdicts told apart.

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;

use crate::{AllowedUse, Anchors, Certificate, Crl, InvalidCrl};

mod check;
mod path;
mod verdict;

pub use verdict::{Revocation, Verdict};

/// Authorities and revocation lists in force. Holds no clock and fetches nothing.
#[derive(Clone, Debug)]
pub struct Trust {
    environment: Environment,
    policy: RevocationPolicy,
    authorities: Vec<Authority>,
    crls: Vec<Crl>,
}

impl Trust {
    /// Empty: nothing is trusted until authorities are added.
    pub fn new(environment: Environment, policy: RevocationPolicy) -> Self {
        Self {
            environment,
            policy,
            authorities: Vec::new(),
            crls: Vec::new(),
        }
    }

    /// Adds a DER certificate of an authority: a self-issued one is a root, another an
    /// intermediate.
    ///
    /// Production and Test accept the [pinned](Anchors::built_in) authorities of their own
    /// environment only; Custom accepts what the configuration gives it.
    ///
    /// # Errors
    ///
    /// Not a certificate, not an authority, or not pinned.
    pub fn add_authority(&mut self, der: &[u8]) -> Result<(), InvalidAuthority> {
        let certificate = Certificate::from_der(der).map_err(|_| InvalidAuthority::Malformed)?;
        if !certificate.is_authority() {
            return Err(InvalidAuthority::NotAnAuthority);
        }
        if webpki::anchor_from_trusted_cert(&CertificateDer::from(der)).is_err() {
            return Err(InvalidAuthority::Malformed);
        }
        let uses = match self.environment {
            Environment::Custom => None,
            environment => Anchors::built_in()
                .find(certificate.fingerprint_sha256())
                .filter(|anchor| anchor.environment == environment)
                .map(|anchor| Some(anchor.uses.clone()))
                .ok_or(InvalidAuthority::NotPinned)?,
        };
        if !self.authorities().any(|other| other.der() == der) {
            self.authorities.push(Authority { certificate, uses });
        }
        Ok(())
    }

    /// Adds a revocation list; an older one of the same issuer and scope is dropped, and an older
    /// one than the one in force is ignored.
    ///
    /// # Errors
    ///
    /// An authority in force has the issuer's name and did not sign it.
    pub fn add_crl(&mut self, mut crl: Crl) -> Result<(), InvalidCrl> {
        let named: Vec<&Certificate> = self
            .authorities()
            .filter(|authority| authority.subject_raw() == crl.issuer_raw())
            .collect();
        let signed = named.iter().any(|issuer| crl.attribute_to(issuer).is_ok());
        if !signed && !named.is_empty() {
            return Err(InvalidCrl::BadSignature);
        }
        match self.crls.iter_mut().find(|other| other.replaces_same(&crl)) {
            Some(other) if other.this_update() < crl.this_update() => *other = crl,
            Some(_) => {}
            None => self.crls.push(crl),
        }
        Ok(())
    }

    /// The environment these authorities belong to.
    pub fn environment(&self) -> Environment {
        self.environment
    }

    /// Every authority in force.
    pub fn authorities(&self) -> impl Iterator<Item = &Certificate> {
        self.authorities
            .iter()
            .map(|authority| &authority.certificate)
    }

    /// Self-issued authorities in force: the trust anchors.
    pub fn roots(&self) -> impl Iterator<Item = &Certificate> {
        self.authorities()
            .filter(|authority| authority.is_self_issued())
    }

    /// The other authorities in force.
    pub fn intermediates(&self) -> impl Iterator<Item = &Certificate> {
        self.authorities()
            .filter(|authority| !authority.is_self_issued())
    }

    /// Authorities with less than three years left: the life of a new certificate.
    pub fn expiring(&self, now: Timestamp) -> impl Iterator<Item = &Certificate> {
        self.authorities()
            .filter(move |authority| authority.not_after().duration_since(now) < THREE_YEARS)
    }

    /// Revocation lists in force.
    pub fn crls(&self) -> &[Crl] {
        &self.crls
    }

    /// CRL addresses needed to judge this certificate: its own and those of the authorities above
    /// it, `presented` included.
    pub fn crl_urls(&self, certificate: &Certificate, presented: &[Certificate]) -> Vec<String> {
        let mut urls: Vec<String> = certificate.crl_urls().to_vec();
        let mut above = certificate;
        // A path is never longer than the authorities at hand.
        for _ in 0..self.authorities.len() + presented.len() {
            let issuer = self
                .authorities()
                .chain(presented)
                .find(|authority| authority.subject() == above.issuer());
            let Some(issuer) = issuer.filter(|issuer| !issuer.is_self_issued()) else {
                break;
            };
            urls.extend(issuer.crl_urls().iter().cloned());
            above = issuer;
        }
        urls.sort();
        urls.dedup();
        urls
    }
}

/// Which set of authorities is in force.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Environment {
    /// Authorities given by the configuration, trusted as such, test certificates included.
    Custom,
    /// IGC-SANTE: real cards and servers, test certificates refused.
    Production,
    /// IGC-SANTE TEST.
    Test,
}

impl Environment {
    /// Stable lower-case name, for interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Custom => "custom",
            Self::Production => "production",
            Self::Test => "test",
        }
    }
}

/// What a certificate is about to be used for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Purpose<'a> {
    /// Client authentication by the user's own card.
    CardAuthentication,
    /// Signature by the user's own card.
    CardSignature,
    /// A TLS server, with the DNS name or IP address we connected to.
    Server(&'a str),
}

/// How stale revocation lists and a wrong clock are judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RevocationPolicy {
    /// How long after its nextUpdate a list still counts for servers; beyond, they are refused.
    pub grace: SignedDuration,
    /// How far the clock may lag behind an authority's dates before it is called wrong.
    pub clock_tolerance: SignedDuration,
}

impl Default for RevocationPolicy {
    /// Three days of grace (a long weekend), ten minutes of tolerance.
    fn default() -> Self {
        Self {
            grace: SignedDuration::from_hours(72),
            clock_tolerance: SignedDuration::from_mins(10),
        }
    }
}

/// Why an authority was not added.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAuthority {
    /// Not a certificate, or not one the path validator can use.
    #[error("not a certificate")]
    Malformed,
    /// A certificate that may not issue others.
    #[error("the certificate is not one of a certification authority")]
    NotAnAuthority,
    /// Its fingerprint is not pinned for this environment.
    #[error("the authority is not pinned for this environment")]
    NotPinned,
}

#[derive(Clone, Debug)]
struct Authority {
    certificate: Certificate,
    /// `None`: any use (custom authorities).
    uses: Option<Vec<AllowedUse>>,
}

impl Authority {
    fn allows(&self, purpose: Purpose<'_>) -> bool {
        let needed = match purpose {
            Purpose::CardAuthentication | Purpose::CardSignature => AllowedUse::CardPerson,
            Purpose::Server(_) => AllowedUse::OrgServer,
        };
        self.uses.as_ref().is_none_or(|uses| uses.contains(&needed))
    }
}

const THREE_YEARS: SignedDuration = SignedDuration::from_hours(24 * 1096);

#[cfg(test)]
mod tests;
