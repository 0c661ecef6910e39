//! Path validation with verdicts told apart.

use jiff::{SignedDuration, Timestamp};

use crate::{Certificate, Crl};

/// Which set of authorities is in force.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Environment {
    /// Authorities given by the configuration, trusted as such.
    Custom,
    /// IGC-SANTE.
    Production,
    /// IGC-SANTE TEST.
    Test,
}

/// What the certificate is about to be used for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Purpose<'a> {
    /// Client authentication by the user's own card.
    CardAuthentication,
    /// Signature by the user's own card.
    CardSignature,
    /// A TLS server, with the name we asked for.
    Server(&'a str),
}

/// Anchors, intermediates and revocation lists in force.
#[derive(Clone, Debug)]
pub struct Trust {
    environment: Environment,
}

#[allow(unused_variables)]
impl Trust {
    /// Empty: nothing is trusted.
    pub fn new(environment: Environment, policy: RevocationPolicy) -> Self {
        todo!()
    }
    /// The environment.
    pub fn environment(&self) -> Environment {
        self.environment
    }
    /// Adds an authority; self-issued ones become roots, the others intermediates.
    ///
    /// Production and Test accept pinned authorities of their own environment only.
    pub fn add_authority(&mut self, der: &[u8]) -> Result<(), InvalidAnchor> {
        todo!()
    }
    /// Adds a list; an older list of the same issuer and scope is dropped.
    pub fn add_crl(&mut self, crl: Crl) {
        todo!()
    }
    /// Roots in force.
    pub fn roots(&self) -> &[Certificate] {
        todo!()
    }
    /// Intermediates in force.
    pub fn intermediates(&self) -> &[Certificate] {
        todo!()
    }
    /// CRL addresses needed to check this certificate and the authorities above it.
    pub fn crl_urls(&self, certificate: &Certificate) -> Vec<String> {
        todo!()
    }
    /// Judges a certificate.
    pub fn check(
        &self,
        certificate: &Certificate,
        purpose: Purpose<'_>,
        now: Timestamp,
    ) -> Verdict {
        todo!()
    }
    /// Judges a server certificate with the intermediates it presented (DER).
    pub fn check_chain(
        &self,
        certificate: &Certificate,
        presented: &[&[u8]],
        purpose: Purpose<'_>,
        now: Timestamp,
    ) -> Verdict {
        todo!()
    }
}

/// How stale revocation lists are judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RevocationPolicy {
    /// How long after its nextUpdate a list still counts for servers.
    pub grace: SignedDuration,
    /// How far the clock may lag before it is called wrong.
    pub clock_tolerance: SignedDuration,
}

impl Default for RevocationPolicy {
    fn default() -> Self {
        Self {
            grace: SignedDuration::from_hours(72),
            clock_tolerance: SignedDuration::from_mins(10),
        }
    }
}

/// What is known of revocation for a trusted certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Revocation {
    /// Every list of the path is in date and none names it.
    Good,
    /// No list is published for it (custom authorities only).
    NotPublished,
    /// A list is missing or out of date.
    Unknown {
        /// Age of the stalest list past its nextUpdate; `None` when one was never seen.
        age: Option<SignedDuration>,
    },
}

/// The judgement. Everything but `Trusted` refuses use; display is always allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Verdict {
    BadSignature,
    ClockSkew { not_before: Timestamp },
    Expired { since: Timestamp },
    KeyPeriodOver { since: Timestamp },
    Malformed,
    NotYetValid { from: Timestamp },
    Obsolete,
    RevocationUnknown { age: Option<SignedDuration> },
    Revoked { since: Timestamp },
    RogueIssuer,
    TestInProduction,
    Trusted { revocation: Revocation },
    UnknownIssuer,
    WrongName,
    WrongUse,
}

impl Verdict {
    /// Stable lower-case name, for interfaces.
    pub fn as_str(self) -> &'static str {
        todo!()
    }
}

/// Why an authority was not added.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum InvalidAnchor {
    #[error("not a certificate")]
    Malformed,
    #[error("not a certification authority")]
    NotAnAuthority,
    #[error("not pinned for this environment")]
    NotPinned,
}
