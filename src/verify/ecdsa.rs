//! ECDSA on P-256 (FIPS 186-5 §6).

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};

use crate::Scheme;

/// A signature from X.509's form (`Ecdsa-Sig-Value`, RFC 3279 §2.2.3, DER) in PKCS#11's (r and s
/// of 32 bytes each, PKCS#11 2.40 §2.3.1).
pub fn ecdsa_from_der(signature: &[u8]) -> Option<Vec<u8>> {
    Some(Signature::from_der(signature).ok()?.to_vec())
}

/// A signature from PKCS#11's form in X.509's.
pub fn ecdsa_to_der(signature: &[u8]) -> Option<Vec<u8>> {
    Some(
        Signature::from_slice(signature)
            .ok()?
            .to_der()
            .as_bytes()
            .to_vec(),
    )
}

/// Whether this is a point of the curve (SEC 1 §2.3.4).
pub(crate) fn is_point(point: &[u8]) -> bool {
    VerifyingKey::from_sec1_bytes(point).is_ok()
}

/// Whether `signature` (DER) is one of `digest` by the key `point`.
pub(crate) fn verifies(point: &[u8], scheme: Scheme, digest: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (
        VerifyingKey::from_sec1_bytes(point),
        Signature::from_der(signature),
    ) else {
        return false;
    };
    scheme.is_ecdsa()
        && digest.len() == scheme.digest_len()
        && key.verify_prehash(digest, &signature).is_ok()
}
