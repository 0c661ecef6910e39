//! Public-key operations over a digest whose message was never seen: checks what a key signed.
//!
//! The usual libraries hash the message themselves; a token is handed its digest. All values are
//! public but the message of [`PublicKey::encrypt`], so nothing is constant in time, and all of
//! them may come from outside: no input panics.
//!
//! # Layout
//! - [`Scheme`], [`enum@Hash`], [`Hasher`]: the ways to sign a digest.
//! - [`verifies`], [`PublicKey`]: RSA (RFC 8017) and ECDSA on P-256 (FIPS 186-5); encryption too.
//! - [`digest_info`], [`parse_digest_info`]: what RSASSA-PKCS1-v1_5 signs.
//! - [`ecdsa_from_der`], [`ecdsa_to_der`]: between X.509's and PKCS#11's form of a signature.
#![forbid(unsafe_code)]

mod digest_info;
mod ecdsa;
mod key;
mod rsa;
mod scheme;

pub use digest_info::{digest_info, parse_digest_info};
pub use ecdsa::{ecdsa_from_der, ecdsa_to_der};
pub use key::PublicKey;
pub use scheme::{Hash, Hasher, Scheme};

/// Whether `signature` is one of `digest` by the key in this SubjectPublicKeyInfo (DER, RFC 5280
/// §4.1.2.7). ECDSA signatures are in DER (`Ecdsa-Sig-Value`, RFC 3279 §2.2.3).
pub fn verifies(spki: &[u8], scheme: Scheme, digest: &[u8], signature: &[u8]) -> bool {
    PublicKey::parse(spki).is_some_and(|key| key.verifies(scheme, digest, signature))
}

#[cfg(test)]
mod tests;
