//! Checks a signature over a digest before it leaves the card thread (RFC 8017).
//!
//! The usual libraries hash the message themselves; here only its digest is known. All values are
//! public, so nothing needs to be constant in time.

use cps_card::Scheme;
use cps_card::tlv::Reader;
use num_bigint::BigUint;
use ring::digest;

/// Whether `signature` is one of `digest` by the RSA key in this SubjectPublicKeyInfo (DER).
pub(crate) fn verifies(spki: &[u8], scheme: Scheme, digest: &[u8], signature: &[u8]) -> bool {
    let Some((modulus, exponent)) = rsa_key(spki) else {
        return false;
    };
    let length = modulus.bits().div_ceil(8) as usize;
    let representative = BigUint::from_bytes_be(signature);
    if signature.len() != length || representative >= modulus || exponent.bits() > MAX_EXPONENT {
        return false;
    }
    let opened = representative.modpow(&exponent, &modulus).to_bytes_be();
    let mut encoded = vec![0; length.saturating_sub(opened.len())];
    encoded.extend_from_slice(&opened);
    match scheme.is_pss() {
        true => is_pss(&encoded, modulus.bits() as usize - 1, scheme, digest),
        false => pkcs1_v1_5(length, scheme, digest).is_some_and(|expected| expected == encoded),
    }
}

/// Modulus and public exponent (RFC 8017 appendix A.1.1).
fn rsa_key(spki: &[u8]) -> Option<(BigUint, BigUint)> {
    let info = Reader::new(spki).next()?.ok()?;
    let mut fields = info.children();
    let algorithm = fields.next()?.ok()?.children().next()?.ok()?;
    if algorithm.value != RSA_ENCRYPTION {
        return None;
    }
    let key = fields.next()?.ok()?.value.strip_prefix(&[0])?;
    let key = Reader::new(key).next()?.ok()?;
    let mut integers = key.children();
    let modulus = BigUint::from_bytes_be(integers.next()?.ok()?.value);
    let exponent = BigUint::from_bytes_be(integers.next()?.ok()?.value);
    (modulus.bits() > 1 && modulus.bit(0)).then_some((modulus, exponent))
}

/// EMSA-PKCS1-v1_5 (RFC 8017 §9.2).
fn pkcs1_v1_5(length: usize, scheme: Scheme, digest: &[u8]) -> Option<Vec<u8>> {
    let prefix: &[u8] = match scheme {
        Scheme::Pkcs1Sha1 => &DIGEST_INFO_SHA1,
        Scheme::Pkcs1Sha256 => &DIGEST_INFO_SHA256,
        Scheme::Pkcs1Sha384 => &DIGEST_INFO_SHA384,
        Scheme::Pkcs1Sha512 => &DIGEST_INFO_SHA512,
        _ => return None,
    };
    let padding = length.checked_sub(3 + prefix.len() + digest.len())?;
    let mut encoded = vec![0x00, 0x01];
    encoded.resize(2 + padding, 0xFF);
    encoded.push(0x00);
    encoded.extend_from_slice(prefix);
    encoded.extend_from_slice(digest);
    (padding >= 8 && digest.len() == scheme.digest_len()).then_some(encoded)
}

/// EMSA-PSS-VERIFY with MGF1 of the same hash and a salt as long as the digest (RFC 8017 §9.1.2).
fn is_pss(encoded: &[u8], bits: usize, scheme: Scheme, digest: &[u8]) -> bool {
    let algorithm = match scheme {
        Scheme::PssSha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        Scheme::PssSha256 => &digest::SHA256,
        _ => return false,
    };
    let length = bits.div_ceil(8);
    let hash_length = algorithm.output_len();
    let Some((leading, encoded)) = encoded.split_at_checked(encoded.len().saturating_sub(length))
    else {
        return false;
    };
    let Some(masked_length) = length.checked_sub(hash_length + 1) else {
        return false;
    };
    let (masked, rest) = encoded.split_at(masked_length);
    let (hash, trailer) = rest.split_at(hash_length);
    let unused = 8 * length - bits;
    let clear = 0xFFu8.checked_shr(unused as u32).unwrap_or(0);
    if leading.iter().any(|byte| *byte != 0)
        || trailer != [0xBC]
        || digest.len() != hash_length
        || masked.first().is_none_or(|byte| byte & !clear != 0)
    {
        return false;
    }
    let mut block = masked.to_vec();
    mask(algorithm, hash, &mut block);
    block[0] &= clear;
    let Some(salt_start) = block.len().checked_sub(hash_length) else {
        return false;
    };
    let (padding, salt) = block.split_at(salt_start);
    if padding
        .split_last()
        .is_none_or(|(last, zeros)| *last != 0x01 || zeros.iter().any(|byte| *byte != 0))
    {
        return false;
    }
    let mut context = digest::Context::new(algorithm);
    context.update(&[0; 8]);
    context.update(digest);
    context.update(salt);
    context.finish().as_ref() == hash
}

/// MGF1 (RFC 8017 appendix B.2.1), applied to `block`.
fn mask(algorithm: &'static digest::Algorithm, seed: &[u8], block: &mut [u8]) {
    for (counter, chunk) in (0u32..).zip(block.chunks_mut(algorithm.output_len())) {
        let mut context = digest::Context::new(algorithm);
        context.update(seed);
        context.update(&counter.to_be_bytes());
        for (byte, mask) in chunk.iter_mut().zip(context.finish().as_ref()) {
            *byte ^= mask;
        }
    }
}

/// 1.2.840.113549.1.1.1
const RSA_ENCRYPTION: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];
/// Larger exponents serve only to keep the processor busy.
const MAX_EXPONENT: u64 = 33;

// DigestInfo up to the digest (RFC 8017 §9.2, note 1).
const DIGEST_INFO_SHA1: [u8; 15] = [
    0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2B, 0x0E, 0x03, 0x02, 0x1A, 0x05, 0x00, 0x04, 0x14,
];
const DIGEST_INFO_SHA256: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];
const DIGEST_INFO_SHA384: [u8; 19] = [
    0x30, 0x41, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05,
    0x00, 0x04, 0x30,
];
const DIGEST_INFO_SHA512: [u8; 19] = [
    0x30, 0x51, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05,
    0x00, 0x04, 0x40,
];

#[cfg(test)]
mod tests;
