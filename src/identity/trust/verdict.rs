//! The judgement on a certificate.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

/// The judgement. Everything but `Trusted` refuses use; display is always allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// Altered or forged: the authority it names did not sign it.
    BadSignature,
    /// This computer's clock is behind: an authority or a revocation list is dated after now.
    ClockSkew {
        /// It is at least this late.
        not_before: Timestamp,
    },
    /// The certificate, or an authority above it, is over.
    Expired {
        /// End of its validity.
        since: Timestamp,
    },
    /// The private key may not be used any more, though the certificate is in date.
    KeyPeriodOver {
        /// End of the private key's usage period.
        since: Timestamp,
    },
    /// A structure or an algorithm that is not accepted.
    Malformed,
    /// Not valid yet.
    NotYetValid {
        /// Start of its validity, or of its private key's usage period.
        from: Timestamp,
    },
    /// Of a PKI closed in 2021 (SHA-1, short keys, GIP-CPS).
    Obsolete,
    /// A server whose revocation cannot be known any more.
    RevocationUnknown {
        /// How long a list of its path has been out of date; `None` when one was never seen.
        age: Option<SignedDuration>,
    },
    /// Revoked, or issued by a revoked authority.
    Revoked {
        /// Date the authority gives.
        since: Timestamp,
    },
    /// Its issuer bears the name of a trusted authority, with another key.
    RogueIssuer,
    /// A test certificate in the production environment.
    TestInProduction,
    /// May be used.
    Trusted {
        /// What is known of revocation.
        revocation: Revocation,
    },
    /// No path to a trusted authority.
    UnknownIssuer,
    /// The server is not the one asked for.
    WrongName,
    /// Not made for this use, or issued by an authority that is not.
    WrongUse,
}

impl Verdict {
    /// Whether the certificate may be used.
    pub fn is_trusted(self) -> bool {
        matches!(self, Self::Trusted { .. })
    }

    /// Stable lower-case name, for interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadSignature => "bad_signature",
            Self::ClockSkew { .. } => "clock_skew",
            Self::Expired { .. } => "expired",
            Self::KeyPeriodOver { .. } => "key_period_over",
            Self::Malformed => "malformed",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::Obsolete => "obsolete",
            Self::RevocationUnknown { .. } => "revocation_unknown",
            Self::Revoked { .. } => "revoked",
            Self::RogueIssuer => "rogue_issuer",
            Self::TestInProduction => "test_in_production",
            Self::Trusted { .. } => "trusted",
            Self::UnknownIssuer => "unknown_issuer",
            Self::WrongName => "wrong_name",
            Self::WrongUse => "wrong_use",
        }
    }
}

/// One English sentence with the dates, for logs and the `detail` of interfaces.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadSignature => f.write_str("not signed by the authority it names"),
            Self::ClockSkew { not_before } => {
                write!(
                    f,
                    "this computer's clock is wrong: it is at least {not_before}"
                )
            }
            Self::Expired { since } => write!(f, "expired on {since}"),
            Self::KeyPeriodOver { since } => {
                write!(f, "its private key may not be used since {since}")
            }
            Self::Malformed => f.write_str("not a certificate of an accepted form"),
            Self::NotYetValid { from } => write!(f, "not valid before {from}"),
            Self::Obsolete => f.write_str("issued by a certification authority closed in 2021"),
            Self::RevocationUnknown { age: Some(age) } => {
                write!(
                    f,
                    "its revocation list is out of date by {} h",
                    age.as_hours()
                )
            }
            Self::RevocationUnknown { age: None } => {
                f.write_str("its revocation list could never be fetched")
            }
            Self::Revoked { since } => write!(f, "revoked on {since}"),
            Self::RogueIssuer => {
                f.write_str("its issuer has the name of a trusted authority, but another key")
            }
            Self::TestInProduction => f.write_str("a test certificate, and this is production"),
            Self::Trusted { revocation } => write!(f, "trusted, {revocation}"),
            Self::UnknownIssuer => f.write_str("no trusted authority issued it"),
            Self::WrongName => f.write_str("it is the certificate of another server"),
            Self::WrongUse => f.write_str("not made for this use"),
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
    /// A list is missing or out of date: go on with a warning (own card), or within the grace
    /// (server).
    Unknown {
        /// How long the stalest list has been out of date; `None` when one was never seen.
        age: Option<SignedDuration>,
    },
}

impl fmt::Display for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good => f.write_str("not revoked"),
            Self::NotPublished => f.write_str("no revocation list is published"),
            Self::Unknown { age: Some(age) } => {
                write!(f, "revocation list out of date by {} h", age.as_hours())
            }
            Self::Unknown { age: None } => f.write_str("revocation list never fetched"),
        }
    }
}
