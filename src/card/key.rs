//! What the private keys do: uses, signature schemes and the encodings that go with them
//! (PKCS#1 v2.2 / RFC 8017).

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::hex::Hex;
use crate::kind::Kind;
use crate::pkcs15::prkdf::KeyObject;
use crate::pkcs15::token_info::{Algorithm, TokenInfo};
use crate::tlv;

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

    /// The DER `DigestInfo` of a digest (RFC 8017 §9.2, note 1).
    pub fn digest_info(self, digest: &[u8]) -> Vec<u8> {
        let algorithm: &[u8] = match self {
            Self::Pkcs1Sha1 | Self::PssSha1 => SHA1,
            Self::Pkcs1Sha256 | Self::PssSha256 => SHA256,
            Self::Pkcs1Sha384 => SHA384,
            Self::Pkcs1Sha512 => SHA512,
        };
        let algorithm = tlv::encode_all(0x30, &[tlv::encode(0x06, algorithm), vec![0x05, 0x00]]);
        tlv::encode_all(0x30, &[algorithm, tlv::encode(0x04, digest)])
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

/// A private key that the card declares.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyEntry {
    /// The card's own label (`CPS_PRIV_AUT`, …).
    pub label: String,
    /// PKCS#15 identifier. It differs between cards of one kind: match certificates by public key.
    pub id: Vec<u8>,
    /// What the key is for.
    pub key_use: KeyUse,
    /// PKCS#15 `KeyUsageFlags`; bit 0 is `encrypt`, bit 1 `decrypt`, bit 2 `sign`, bit 9
    /// `nonRepudiation`.
    pub usage: u32,
    /// Reference by which a security environment names it.
    pub reference: u8,
    /// Whether the PIN must be verified before it is used.
    pub needs_pin: bool,
    /// Modulus length in bits.
    pub modulus_bits: usize,
    pub(crate) directory: Hex,
    pub(crate) algorithms: Algorithms,
}

impl KeyEntry {
    pub(crate) fn new(kind: Kind, object: KeyObject, token: &TokenInfo) -> Self {
        let key_use = match kind {
            Kind::Cps3Contactless => KeyUse::Technical,
            _ if object.binds() => KeyUse::Signature,
            _ if object.signs() || object.deciphers() => KeyUse::Authentication,
            _ if object.label.contains("SIG") => KeyUse::Signature,
            _ => KeyUse::Authentication,
        };
        Self {
            algorithms: Algorithms::of(kind, key_use, &object, token),
            label: object.label,
            id: object.id,
            key_use,
            usage: object.usage,
            reference: object.reference,
            needs_pin: object.private && kind != Kind::Cps3Contactless,
            modulus_bits: object.modulus_bits,
            directory: object.path,
        }
    }

    /// The schemes that the key signs with, the preferred one first.
    pub fn schemes(&self) -> Vec<Scheme> {
        self.algorithms
            .sign
            .iter()
            .map(|(scheme, _)| *scheme)
            .collect()
    }

    /// Whether the key deciphers RSAES-PKCS1-v1_5 cryptograms.
    pub fn deciphers(&self) -> bool {
        self.algorithms.decipher.is_some()
    }

    /// Length of the modulus, of a signature and of a cryptogram, in bytes.
    pub fn modulus_len(&self) -> usize {
        self.modulus_bits.div_ceil(8)
    }
}

/// What a key offers, and the reference that the card's security environment wants for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Algorithms {
    sign: Vec<(Scheme, u8)>,
    pub(crate) decipher: Option<u8>,
}

impl Algorithms {
    /// References as EF.TokenInfo declares them; where it is silent, those of the ANS Cryptolib.
    fn of(kind: Kind, key_use: KeyUse, key: &KeyObject, token: &TokenInfo) -> Self {
        let declared = |mechanism: u32, operation: fn(&Algorithm) -> bool| {
            token
                .algorithms
                .iter()
                .filter(|a| key.algorithms.is_empty() || key.algorithms.contains(&a.reference))
                .find(|a| a.mechanism == mechanism && operation(a))
                .and_then(|a| a.card_reference)
        };
        let signing =
            |mechanism, otherwise: u8| declared(mechanism, Algorithm::signs).unwrap_or(otherwise);
        let sign = match (kind, key_use) {
            (Kind::Cps3 | Kind::Cps3Contactless, KeyUse::Signature) => vec![
                (Scheme::Pkcs1Sha256, signing(CKM_SHA256_RSA_PKCS, 0x42)),
                (Scheme::Pkcs1Sha1, signing(CKM_SHA1_RSA_PKCS, 0x12)),
            ],
            (Kind::Cps3 | Kind::Cps3Contactless, _) => {
                let reference = signing(CKM_RSA_PKCS, 0x02);
                DIGEST_INFO_SCHEMES
                    .map(|scheme| (scheme, reference))
                    .to_vec()
            }
            (Kind::Cps4, KeyUse::Signature) => vec![
                (Scheme::Pkcs1Sha256, signing(CKM_SHA256_RSA_PKCS, 0x28)),
                (Scheme::PssSha256, signing(CKM_SHA256_RSA_PKCS_PSS, 0x2C)),
                (Scheme::Pkcs1Sha1, signing(CKM_SHA1_RSA_PKCS, 0x0A)),
                (Scheme::PssSha1, signing(CKM_SHA1_RSA_PKCS_PSS, 0x15)),
            ],
            (Kind::Cps4, _) => {
                let mut schemes = vec![
                    (Scheme::PssSha256, signing(CKM_SHA256_RSA_PKCS_PSS, 0x2C)),
                    (Scheme::PssSha1, signing(CKM_SHA1_RSA_PKCS_PSS, 0x15)),
                ];
                // The host pads these, so no reference goes to the card.
                schemes.splice(1..1, DIGEST_INFO_SCHEMES.map(|scheme| (scheme, 0)));
                schemes
            }
        };
        let decipher = (key_use == KeyUse::Authentication && key.deciphers())
            .then(|| declared(CKM_RSA_PKCS, Algorithm::deciphers).unwrap_or(0x1A));
        Self { sign, decipher }
    }

    pub(crate) fn reference(&self, scheme: Scheme) -> Option<u8> {
        self.sign
            .iter()
            .find(|(offered, _)| *offered == scheme)
            .map(|(_, reference)| *reference)
    }
}

/// Schemes in which the card, or the host, pads a DigestInfo. The longest DigestInfo has 83 bytes;
/// INTERNAL AUTHENTICATE takes up to 40 % of the modulus, 102 bytes.
const DIGEST_INFO_SCHEMES: [Scheme; 4] = [
    Scheme::Pkcs1Sha256,
    Scheme::Pkcs1Sha384,
    Scheme::Pkcs1Sha512,
    Scheme::Pkcs1Sha1,
];

// PKCS#11 mechanism numbers, as `supportedAlgorithms` uses them.
const CKM_RSA_PKCS: u32 = 0x01;
const CKM_SHA1_RSA_PKCS: u32 = 0x06;
const CKM_SHA1_RSA_PKCS_PSS: u32 = 0x0E;
const CKM_SHA256_RSA_PKCS: u32 = 0x40;
const CKM_SHA256_RSA_PKCS_PSS: u32 = 0x43;

// Object identifiers of the hashes: 1.3.14.3.2.26 and 2.16.840.1.101.3.4.2.{1,2,3}.
const SHA1: &[u8] = &[0x2B, 0x0E, 0x03, 0x02, 0x1A];
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
const SHA384: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02];
const SHA512: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03];
