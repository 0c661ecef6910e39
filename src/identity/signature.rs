//! Verification of signatures on original bytes.

use rustls_pki_types::SubjectPublicKeyInfoDer;
use webpki::{ALL_VERIFICATION_ALGS, RawPublicKeyEntity};

/// Whether the holder of the key `spki` (DER) signed `message`.
///
/// `algorithm` is the content of the AlgorithmIdentifier SEQUENCE. SHA-1, RSA under 2048 bits and
/// unknown algorithms never verify.
pub(crate) fn verifies(spki: &[u8], algorithm: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let spki = SubjectPublicKeyInfoDer::from(spki);
    let Ok(key) = RawPublicKeyEntity::try_from(&spki) else {
        return false;
    };
    ALL_VERIFICATION_ALGS
        .iter()
        .filter(|candidate| candidate.signature_alg_id().as_ref() == algorithm)
        .any(|candidate| key.verify_signature(*candidate, message, signature).is_ok())
}
