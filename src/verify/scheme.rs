//! The hashes and the signature schemes.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// A hash function (FIPS 180-4).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Hash {
    /// SHA-1. For old peers only.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// All of them, the weakest first.
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The only hash whose digest has this length in bytes.
    pub fn with_len(length: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|hash| hash.len() == length)
    }

    /// Length of a digest in bytes.
    #[expect(clippy::len_without_is_empty, reason = "no digest is empty")]
    pub fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The digest of a message.
    pub fn digest(self, message: &[u8]) -> Vec<u8> {
        let mut hasher = Hasher::new(self);
        hasher.update(message);
        hasher.finish()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        })
    }
}

/// A digest in the making. It holds traces of the message, so it has no `Debug`.
pub struct Hasher(State);

impl Hasher {
    /// Begins a digest.
    pub fn new(hash: Hash) -> Self {
        Self(match hash {
            Hash::Sha1 => State::Sha1(Sha1::new()),
            Hash::Sha256 => State::Sha256(Sha256::new()),
            Hash::Sha384 => State::Sha384(Sha384::new()),
            Hash::Sha512 => State::Sha512(Sha512::new()),
        })
    }

    /// Adds a part of the message.
    pub fn update(&mut self, part: &[u8]) {
        match &mut self.0 {
            State::Sha1(state) => state.update(part),
            State::Sha256(state) => state.update(part),
            State::Sha384(state) => state.update(part),
            State::Sha512(state) => state.update(part),
        }
    }

    /// The digest of all parts.
    pub fn finish(self) -> Vec<u8> {
        match self.0 {
            State::Sha1(state) => state.finalize().to_vec(),
            State::Sha256(state) => state.finalize().to_vec(),
            State::Sha384(state) => state.finalize().to_vec(),
            State::Sha512(state) => state.finalize().to_vec(),
        }
    }
}

enum State {
    Sha1(Sha1),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

/// A signature scheme with its hash.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// ECDSA with SHA-256.
    EcdsaSha256,
    /// ECDSA with SHA-384.
    EcdsaSha384,
    /// ECDSA with SHA-512.
    EcdsaSha512,
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
    /// RSASSA-PSS with SHA-384, MGF1 with SHA-384, salt of 48 bytes.
    PssSha384,
    /// RSASSA-PSS with SHA-512, MGF1 with SHA-512, salt of 64 bytes.
    PssSha512,
}

impl Scheme {
    /// The ECDSA scheme of a hash; none for SHA-1.
    pub fn ecdsa(hash: Hash) -> Option<Self> {
        match hash {
            Hash::Sha1 => None,
            Hash::Sha256 => Some(Self::EcdsaSha256),
            Hash::Sha384 => Some(Self::EcdsaSha384),
            Hash::Sha512 => Some(Self::EcdsaSha512),
        }
    }

    /// The RSASSA-PKCS1-v1_5 scheme of a hash.
    pub fn pkcs1(hash: Hash) -> Self {
        match hash {
            Hash::Sha1 => Self::Pkcs1Sha1,
            Hash::Sha256 => Self::Pkcs1Sha256,
            Hash::Sha384 => Self::Pkcs1Sha384,
            Hash::Sha512 => Self::Pkcs1Sha512,
        }
    }

    /// The RSASSA-PSS scheme of a hash.
    pub fn pss(hash: Hash) -> Self {
        match hash {
            Hash::Sha1 => Self::PssSha1,
            Hash::Sha256 => Self::PssSha256,
            Hash::Sha384 => Self::PssSha384,
            Hash::Sha512 => Self::PssSha512,
        }
    }

    /// The hash whose digest is signed.
    pub fn hash(self) -> Hash {
        match self {
            Self::Pkcs1Sha1 | Self::PssSha1 => Hash::Sha1,
            Self::EcdsaSha256 | Self::Pkcs1Sha256 | Self::PssSha256 => Hash::Sha256,
            Self::EcdsaSha384 | Self::Pkcs1Sha384 | Self::PssSha384 => Hash::Sha384,
            Self::EcdsaSha512 | Self::Pkcs1Sha512 | Self::PssSha512 => Hash::Sha512,
        }
    }

    /// Length in bytes of the digest that is signed.
    pub fn digest_len(self) -> usize {
        self.hash().len()
    }

    /// Whether this is ECDSA; otherwise it is RSA.
    pub fn is_ecdsa(self) -> bool {
        matches!(
            self,
            Self::EcdsaSha256 | Self::EcdsaSha384 | Self::EcdsaSha512
        )
    }

    /// Whether this is RSASSA-PSS.
    pub fn is_pss(self) -> bool {
        matches!(
            self,
            Self::PssSha1 | Self::PssSha256 | Self::PssSha384 | Self::PssSha512
        )
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match (self.is_ecdsa(), self.is_pss()) {
            (true, _) => "ECDSA",
            (_, true) => "RSA-PSS",
            _ => "RSA PKCS#1 v1.5",
        };
        write!(f, "{family} with {}", self.hash())
    }
}
