//! What the private keys do: uses, signature schemes and the encodings that go with them
//! (PKCS#1 v2.2 / RFC 8017).

use core::fmt;

use serde::{Deserialize, Serialize};

/// What a private key is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyUse {
    /// Proves the holder's presence to a server; also deciphers. PIN protected.
    Authentication,
    /// Signs documents (non-repudiation). PIN protected.
    Signature,
    /// Contactless key without PIN: proves that the card is there, not its holder.
    Technical,
}

/// An RSA signature scheme with its hash.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// RSASSA-PKCS1-v1_5 with SHA-1. For old peers only.
    Pkcs1Sha1,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Pkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Pkcs1Sha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Pkcs1Sha512,
    /// RSASSA-PSS with SHA-1, MGF1 with SHA-1, salt of 20 bytes.
    PssSha1,
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256, salt of 32 bytes.
    PssSha256,
}

impl Scheme {
    /// Length in bytes of the digest that is signed.
    pub fn digest_len(self) -> usize {
        match self {
            Self::Pkcs1Sha1 | Self::PssSha1 => 20,
            Self::Pkcs1Sha256 | Self::PssSha256 => 32,
            Self::Pkcs1Sha384 => 48,
            Self::Pkcs1Sha512 => 64,
        }
    }

    /// Whether this is RSASSA-PSS.
    pub fn is_pss(self) -> bool {
        matches!(self, Self::PssSha1 | Self::PssSha256)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pkcs1Sha1 => "RSA PKCS#1 v1.5 with SHA-1",
            Self::Pkcs1Sha256 => "RSA PKCS#1 v1.5 with SHA-256",
            Self::Pkcs1Sha384 => "RSA PKCS#1 v1.5 with SHA-384",
            Self::Pkcs1Sha512 => "RSA PKCS#1 v1.5 with SHA-512",
            Self::PssSha1 => "RSA-PSS with SHA-1",
            Self::PssSha256 => "RSA-PSS with SHA-256",
        })
    }
}
