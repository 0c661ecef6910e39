//! The mechanisms of a token: exactly what its keys do, and digests.
//!
//! `CKM_RSA_X_509` is not among them: the card's key would sign bytes of unknown meaning.

use std::collections::BTreeMap;

use cps_verify::{Hash, Scheme};
use cryptoki_sys as ck;
use cryptoki_sys::{CK_FLAGS, CK_MECHANISM_INFO, CK_MECHANISM_TYPE, CK_ULONG};

use crate::objects::{Key, KeyType, Object};
use crate::rv::Rv;

/// A mechanism with its parameter, understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mechanism {
    /// `CKM_SHA…`
    Digest(Hash),
    /// `CKM_ECDSA`: the host made the digest.
    Ecdsa,
    /// `CKM_RSA_PKCS`: the host made a `DigestInfo`, or wants to decrypt.
    Pkcs1,
    /// `CKM_RSA_PKCS_PSS`: the host made a digest of this hash.
    Pss(Hash),
    /// A mechanism that hashes the message.
    Signature(Scheme),
}

impl Mechanism {
    /// Understands a mechanism from its type and the bytes of its parameter.
    ///
    /// # Errors
    /// `CKR_MECHANISM_INVALID`: no token has it. `CKR_MECHANISM_PARAM_INVALID`.
    pub(crate) fn parse(kind: CK_MECHANISM_TYPE, parameter: &[u8]) -> Result<Self, Rv> {
        let mechanism = match kind {
            ck::CKM_ECDSA => Self::Ecdsa,
            ck::CKM_RSA_PKCS => Self::Pkcs1,
            ck::CKM_RSA_PKCS_PSS => return Ok(Self::Pss(pss_hash(parameter)?)),
            _ => Self::hashing(kind).ok_or(Rv(ck::CKR_MECHANISM_INVALID))?,
        };
        let valid = match mechanism {
            Self::Signature(scheme) if scheme.is_pss() => pss_hash(parameter)? == scheme.hash(),
            _ => parameter.is_empty(),
        };
        match valid {
            true => Ok(mechanism),
            false => Err(Rv(ck::CKR_MECHANISM_PARAM_INVALID)),
        }
    }

    fn hashing(kind: CK_MECHANISM_TYPE) -> Option<Self> {
        let digest = DIGESTS.iter().find(|(known, _)| *known == kind);
        let signature = SIGNATURES.iter().find(|(known, _)| *known == kind);
        match (digest, signature) {
            (Some((_, hash)), _) => Some(Self::Digest(*hash)),
            (None, Some((_, scheme))) => Some(Self::Signature(*scheme)),
            (None, None) => None,
        }
    }
}

/// The mechanisms of the token that holds these objects, in the order of their numbers.
pub(crate) fn mechanisms(objects: &[Object]) -> Vec<(CK_MECHANISM_TYPE, CK_MECHANISM_INFO)> {
    let digests = DIGESTS.map(|(kind, _)| (kind, info(0, ck::CKF_DIGEST)));
    let mut all = BTreeMap::from(digests);
    for key in objects.iter().filter_map(Object::key) {
        for (kind, of_key) in key.mechanisms() {
            let known = all.entry(kind).or_insert(of_key);
            known.ulMinKeySize = known.ulMinKeySize.min(of_key.ulMinKeySize);
            known.ulMaxKeySize = known.ulMaxKeySize.max(of_key.ulMaxKeySize);
            known.flags |= of_key.flags;
        }
    }
    all.into_iter().collect()
}

impl Key {
    /// What this half of a pair does. The card does the private half; the other is public, and used
    /// in this process.
    pub(crate) fn mechanisms(&self) -> Vec<(CK_MECHANISM_TYPE, CK_MECHANISM_INFO)> {
        let (use_of_schemes, use_of_blocks) = match self.is_private {
            true => (ck::CKF_HW | ck::CKF_SIGN, ck::CKF_HW | ck::CKF_DECRYPT),
            false => (ck::CKF_VERIFY, ck::CKF_ENCRYPT),
        };
        let curve = match &self.kind {
            KeyType::P256 { .. } => ck::CKF_EC_F_P | ck::CKF_EC_NAMEDCURVE | ck::CKF_EC_UNCOMPRESS,
            KeyType::Rsa { .. } => 0,
        };
        let mut flags = BTreeMap::<CK_MECHANISM_TYPE, CK_FLAGS>::new();
        for (kind, scheme) in SIGNATURES {
            if self.offers(scheme) {
                let unhashed = match (scheme.is_ecdsa(), scheme.is_pss()) {
                    (true, _) => ck::CKM_ECDSA,
                    (_, true) => ck::CKM_RSA_PKCS_PSS,
                    _ => ck::CKM_RSA_PKCS,
                };
                for kind in [kind, unhashed] {
                    *flags.entry(kind).or_default() |= use_of_schemes | curve;
                }
            }
        }
        if self.decrypts {
            *flags.entry(ck::CKM_RSA_PKCS).or_default() |= use_of_blocks;
        }
        flags
            .into_iter()
            .map(|(kind, flags)| (kind, info(self.bits, flags)))
            .collect()
    }
}

fn info(bits: CK_ULONG, flags: CK_FLAGS) -> CK_MECHANISM_INFO {
    CK_MECHANISM_INFO {
        ulMinKeySize: bits,
        ulMaxKeySize: bits,
        flags,
    }
}

/// The hash of a `CK_RSA_PKCS_PSS_PARAMS`, whose other fields must be those of the only PSS that
/// keys do here: MGF1 of the same hash and a salt as long as that.
fn pss_hash(parameter: &[u8]) -> Result<Hash, Rv> {
    let (words, rest) = parameter.as_chunks::<{ size_of::<CK_ULONG>() }>();
    let hash = match words {
        [hash, mgf, salt] if rest.is_empty() => {
            let [hash, mgf, salt] = [hash, mgf, salt].map(|word| CK_ULONG::from_ne_bytes(*word));
            PSS_HASHES
                .into_iter()
                .find(|(_, its_hash, its_mgf)| (*its_hash, *its_mgf) == (hash, mgf))
                .map(|(hash, ..)| hash)
                .filter(|hash| hash.len() as CK_ULONG == salt)
        }
        _ => None,
    };
    hash.ok_or(Rv(ck::CKR_MECHANISM_PARAM_INVALID))
}

const DIGESTS: [(CK_MECHANISM_TYPE, Hash); 4] = [
    (ck::CKM_SHA_1, Hash::Sha1),
    (ck::CKM_SHA256, Hash::Sha256),
    (ck::CKM_SHA384, Hash::Sha384),
    (ck::CKM_SHA512, Hash::Sha512),
];

const PSS_HASHES: [(Hash, CK_MECHANISM_TYPE, ck::CK_RSA_PKCS_MGF_TYPE); 4] = [
    (Hash::Sha1, ck::CKM_SHA_1, ck::CKG_MGF1_SHA1),
    (Hash::Sha256, ck::CKM_SHA256, ck::CKG_MGF1_SHA256),
    (Hash::Sha384, ck::CKM_SHA384, ck::CKG_MGF1_SHA384),
    (Hash::Sha512, ck::CKM_SHA512, ck::CKG_MGF1_SHA512),
];

const SIGNATURES: [(CK_MECHANISM_TYPE, Scheme); 11] = [
    (ck::CKM_ECDSA_SHA256, Scheme::EcdsaSha256),
    (ck::CKM_ECDSA_SHA384, Scheme::EcdsaSha384),
    (ck::CKM_ECDSA_SHA512, Scheme::EcdsaSha512),
    (ck::CKM_SHA1_RSA_PKCS, Scheme::Pkcs1Sha1),
    (ck::CKM_SHA256_RSA_PKCS, Scheme::Pkcs1Sha256),
    (ck::CKM_SHA384_RSA_PKCS, Scheme::Pkcs1Sha384),
    (ck::CKM_SHA512_RSA_PKCS, Scheme::Pkcs1Sha512),
    (ck::CKM_SHA1_RSA_PKCS_PSS, Scheme::PssSha1),
    (ck::CKM_SHA256_RSA_PKCS_PSS, Scheme::PssSha256),
    (ck::CKM_SHA384_RSA_PKCS_PSS, Scheme::PssSha384),
    (ck::CKM_SHA512_RSA_PKCS_PSS, Scheme::PssSha512),
];

#[cfg(test)]
mod tests;
