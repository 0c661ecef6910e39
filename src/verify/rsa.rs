//! RSA signatures over a digest, and encryption (RFC 8017).

use num_bigint::BigUint;

use crate::{Hash, Hasher, Scheme, digest_info};

/// Whether `signature` is one of `digest` by the key with this modulus and public exponent.
pub(crate) fn verifies(
    modulus: &[u8],
    exponent: &[u8],
    scheme: Scheme,
    digest: &[u8],
    signature: &[u8],
) -> bool {
    let length = modulus.len();
    let [modulus, exponent, representative] =
        [modulus, exponent, signature].map(BigUint::from_bytes_be);
    if scheme.is_ecdsa()
        || digest.len() != scheme.digest_len()
        || signature.len() != length
        || representative >= modulus
        || exponent.bits() > MAX_EXPONENT
    {
        return false;
    }
    let opened = representative.modpow(&exponent, &modulus).to_bytes_be();
    let mut encoded = vec![0; length.saturating_sub(opened.len())];
    encoded.extend_from_slice(&opened);
    match scheme.is_pss() {
        true => is_pss(&encoded, modulus.bits() as usize - 1, scheme.hash(), digest),
        false => pkcs1_v1_5(length, scheme.hash(), digest) == Some(encoded),
    }
}

/// RSAES-PKCS1-v1_5 (RFC 8017 §7.2.1).
pub(crate) fn encrypt(
    modulus: &[u8],
    exponent: &[u8],
    message: &[u8],
    padding: &[u8],
) -> Option<Vec<u8>> {
    let length = modulus.len();
    let block = [&[0x00, 0x02], padding, &[0x00], message].concat();
    if block.len() != length || padding.len() < 8 || padding.contains(&0) {
        return None;
    }
    let [modulus, exponent, block] = [modulus, exponent, &block].map(BigUint::from_bytes_be);
    if exponent.bits() > MAX_EXPONENT {
        return None;
    }
    let cryptogram = block.modpow(&exponent, &modulus).to_bytes_be();
    let mut filled = vec![0; length.saturating_sub(cryptogram.len())];
    filled.extend_from_slice(&cryptogram);
    Some(filled)
}

/// EMSA-PKCS1-v1_5 (RFC 8017 §9.2).
pub(crate) fn pkcs1_v1_5(length: usize, hash: Hash, digest: &[u8]) -> Option<Vec<u8>> {
    let info = digest_info(hash, digest);
    let padding = length.checked_sub(3 + info.len())?;
    let mut encoded = vec![0x00, 0x01];
    encoded.resize(2 + padding, 0xFF);
    encoded.push(0x00);
    encoded.extend_from_slice(&info);
    (padding >= 8).then_some(encoded)
}

/// EMSA-PSS-VERIFY with MGF1 of the same hash and a salt as long as the digest (RFC 8017 §9.1.2).
fn is_pss(encoded: &[u8], bits: usize, hash: Hash, digest: &[u8]) -> bool {
    let length = bits.div_ceil(8);
    let Some((leading, encoded)) = encoded.split_at_checked(encoded.len().saturating_sub(length))
    else {
        return false;
    };
    let Some(masked_length) = length.checked_sub(hash.len() + 1) else {
        return false;
    };
    let (masked, rest) = encoded.split_at(masked_length);
    let (seed, trailer) = rest.split_at(hash.len());
    let unused = 8 * length - bits;
    let clear = 0xFFu8.checked_shr(unused as u32).unwrap_or(0);
    if leading.iter().any(|byte| *byte != 0)
        || trailer != [0xBC]
        || masked.first().is_none_or(|byte| byte & !clear != 0)
    {
        return false;
    }
    let mut block = masked.to_vec();
    mask(hash, seed, &mut block);
    block[0] &= clear;
    let Some(salt_start) = block.len().checked_sub(hash.len()) else {
        return false;
    };
    let (padding, salt) = block.split_at(salt_start);
    if padding
        .split_last()
        .is_none_or(|(last, zeros)| *last != 0x01 || zeros.iter().any(|byte| *byte != 0))
    {
        return false;
    }
    hash.digest(&[&[0; 8], digest, salt].concat()) == seed
}

/// MGF1 (RFC 8017 appendix B.2.1), applied to `block`.
fn mask(hash: Hash, seed: &[u8], block: &mut [u8]) {
    for (counter, chunk) in (0u32..).zip(block.chunks_mut(hash.len())) {
        let mut hasher = Hasher::new(hash);
        hasher.update(seed);
        hasher.update(&counter.to_be_bytes());
        for (byte, mask) in chunk.iter_mut().zip(hasher.finish()) {
            *byte ^= mask;
        }
    }
}

/// Larger exponents serve only to keep the processor busy.
const MAX_EXPONENT: u64 = 33;
