//! RSA private-key operations of the test keys (RFC 8017), with the Chinese remainder theorem.
//!
//! For test keys only: nothing here is constant-time.

use der::asn1::{AnyRef, OctetStringRef, UintRef};
use der::{Decode, Sequence};
use num_bigint::BigUint;
use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::asn1;

/// Hash algorithms of the cards and certificates.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    /// Length of a digest in bytes.
    pub(crate) fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    pub(crate) fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(data).to_vec(),
            Self::Sha256 => Sha256::digest(data).to_vec(),
        }
    }

    /// Digest of a message of which the beginning is known by its intermediate state only.
    ///
    /// `intermediate` is empty, or the chaining value (FIPS 180-4 §6.1.2, §6.2.2) followed by the
    /// count of bits it stands for, eight bytes, a multiple of 512. `last` is the rest of the
    /// message, 1 to 64 bytes. `None` for any other shape.
    pub(crate) fn finish(self, intermediate: &[u8], last: &[u8]) -> Option<Vec<u8>> {
        if !(1..=64).contains(&last.len()) {
            return None;
        }
        if intermediate.is_empty() {
            return Some(self.digest(last));
        }
        let (state, count) = intermediate.split_last_chunk()?;
        let bits = u64::from_be_bytes(*count);
        if state.len() != self.length() || !bits.is_multiple_of(512) {
            return None;
        }
        let total = bits.checked_add(8 * last.len() as u64)?;
        let mut tail = [last, &[0x80]].concat();
        tail.resize((tail.len() + 8).next_multiple_of(64) - 8, 0);
        tail.extend(total.to_be_bytes());
        let (blocks, _) = tail.as_chunks::<64>();
        let mut words: Vec<u32> = state
            .chunks(4)
            .map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
            .collect();
        match self {
            Self::Sha1 => sha1::block_api::compress(words.as_mut_array()?, blocks),
            Self::Sha256 => sha2::block_api::compress256(words.as_mut_array()?, blocks),
        }
        Some(words.iter().flat_map(|word| word.to_be_bytes()).collect())
    }

    /// DigestInfo around a digest (RFC 8017 §9.2).
    pub(crate) fn digest_info(self, digest: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => "1.3.14.3.2.26",
            Self::Sha256 => "2.16.840.1.101.3.4.2.1",
        };
        asn1::sequence(&[
            &asn1::sequence(&[&asn1::oid(algorithm), &asn1::tlv(0x05, &[])]),
            &asn1::octets(digest),
        ])
    }

    /// Mask generation function 1 (RFC 8017 §B.2.1).
    fn mask(self, seed: &[u8], length: usize) -> Vec<u8> {
        (0u32..)
            .flat_map(|counter| self.digest(&[seed, &counter.to_be_bytes()].concat()))
            .take(length)
            .collect()
    }
}

#[derive(Sequence)]
struct Pkcs8<'a> {
    version: u8,
    algorithm: AnyRef<'a>,
    key: &'a OctetStringRef,
}

#[derive(Sequence)]
struct Pkcs1<'a> {
    version: u8,
    n: UintRef<'a>,
    e: UintRef<'a>,
    d: UintRef<'a>,
    p: UintRef<'a>,
    q: UintRef<'a>,
    dp: UintRef<'a>,
    dq: UintRef<'a>,
    inverse: UintRef<'a>,
}

/// A test key.
#[derive(Clone)]
pub(crate) struct PrivateKey {
    n: BigUint,
    e: BigUint,
    p: BigUint,
    q: BigUint,
    dp: BigUint,
    dq: BigUint,
    inverse: BigUint,
    size: usize,
}

impl PrivateKey {
    /// Reads one of the committed keys (PKCS#8, PEM).
    pub(crate) fn from_pem(pem: &str) -> Self {
        let (_, document) = der::pem::decode_vec(pem.as_bytes()).expect("committed keys are PEM");
        let outer = Pkcs8::from_der(&document).expect("committed keys are PKCS#8");
        let key = Pkcs1::from_der(outer.key.as_bytes()).expect("committed keys are RSA");
        let number = |value: UintRef<'_>| BigUint::from_bytes_be(value.as_bytes());
        Self {
            n: number(key.n),
            e: number(key.e),
            p: number(key.p),
            q: number(key.q),
            dp: number(key.dp),
            dq: number(key.dq),
            inverse: number(key.inverse),
            size: key.n.as_bytes().len(),
        }
    }

    /// Length of the modulus in bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// RSAPublicKey.
    pub(crate) fn public_key(&self) -> Vec<u8> {
        asn1::sequence(&[
            &asn1::unsigned(&self.n.to_bytes_be()),
            &asn1::unsigned(&self.e.to_bytes_be()),
        ])
    }

    /// SubjectPublicKeyInfo.
    pub(crate) fn public_key_info(&self) -> Vec<u8> {
        let algorithm =
            asn1::sequence(&[&asn1::oid("1.2.840.113549.1.1.1"), &asn1::tlv(0x05, &[])]);
        asn1::sequence(&[&algorithm, &asn1::bit_string(&self.public_key())])
    }

    /// Raw private-key operation; `None` when the input is not below the modulus.
    pub(crate) fn raw(&self, input: &[u8]) -> Option<Vec<u8>> {
        let message = BigUint::from_bytes_be(input);
        if message >= self.n {
            return None;
        }
        let m1 = message.modpow(&self.dp, &self.p);
        let m2 = message.modpow(&self.dq, &self.q);
        // Adding a multiple of p keeps the difference positive whichever prime is the greater.
        let difference = (m1 + &self.p - &m2 % &self.p) % &self.p;
        let h = (&self.inverse * difference) % &self.p;
        Some(self.sized(m2 + h * &self.q))
    }

    /// RSASSA-PKCS1-v1_5 of a digest.
    pub(crate) fn sign_pkcs1(&self, hash: Hash, digest: &[u8]) -> Vec<u8> {
        self.pad_and_sign(&hash.digest_info(digest))
            .expect("a DigestInfo fits every test key")
    }

    /// Private-key operation on `payload` with PKCS#1 type 1 padding; `None` when it is too long.
    pub(crate) fn pad_and_sign(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let filler = self
            .size
            .checked_sub(payload.len() + 3)
            .filter(|&length| length >= 8)?;
        self.raw(&[&[0, 1], &vec![0xFF; filler][..], &[0], payload].concat())
    }

    /// RSASSA-PSS of a digest, salt as long as the digest (RFC 8017 §9.1.1). The salt is drawn from
    /// the input, so equal inputs give equal signatures.
    pub(crate) fn sign_pss(&self, hash: Hash, digest: &[u8]) -> Vec<u8> {
        let length = hash.length();
        let salt = hash.digest(&[digest, b"salt of a test card"].concat());
        let inner = hash.digest(&[&[0; 8], digest, &salt].concat());
        let mut block = vec![0; self.size - length - 1];
        let start = block.len() - length;
        block[start - 1] = 1;
        block[start..].copy_from_slice(&salt);
        for (byte, mask) in block
            .iter_mut()
            .zip(hash.mask(&inner, self.size - length - 1))
        {
            *byte ^= mask;
        }
        // The modulus has 8 × size bits, so the encoded message has one bit less.
        block[0] &= 0x7F;
        self.raw(&[&block[..], &inner, &[0xBC]].concat())
            .expect("the top bit is clear")
    }

    /// RSAES-PKCS1-v1_5 decryption; `None` for every malformed input.
    pub(crate) fn decipher_pkcs1(&self, cryptogram: &[u8]) -> Option<Vec<u8>> {
        if cryptogram.len() != self.size {
            return None;
        }
        let block = self.raw(cryptogram)?;
        let body = block.strip_prefix(&[0, 2])?;
        let end = body
            .iter()
            .position(|&byte| byte == 0)
            .filter(|&at| at >= 8)?;
        Some(body[end + 1..].to_vec())
    }

    /// Public-key operation, for tests.
    #[cfg(test)]
    pub(crate) fn public(&self, input: &[u8]) -> Vec<u8> {
        self.sized(BigUint::from_bytes_be(input).modpow(&self.e, &self.n))
    }

    fn sized(&self, value: BigUint) -> Vec<u8> {
        let bytes = value.to_bytes_be();
        [vec![0; self.size - bytes.len()], bytes].concat()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::pki::keys;

    #[test]
    fn private_and_public_operations_are_inverse() {
        for name in ["cps-legacy-signature", "cps-medecin-signature", "root-fort"] {
            let key = PrivateKey::from_pem(keys::pem(name));
            let mut message = vec![0x5A; key.size()];
            message[0] = 0;
            let transformed = key.raw(&message).expect("below the modulus");
            assert_eq!(key.public(&transformed), message, "{name}");
        }
    }

    #[test]
    fn input_above_the_modulus_is_refused() {
        let key = PrivateKey::from_pem(keys::pem("technical"));
        assert_eq!(key.raw(&vec![0xFF; key.size()]), None);
    }

    proptest::proptest! {
        #[test]
        fn a_hash_continued_from_its_state_is_the_hash(
            message in proptest::collection::vec(proptest::prelude::any::<u8>(), 65..400),
        ) {
            // The last block is never empty.
            let hashed = (message.len() - 1) / 64 * 64;
            let (blocks, _) = message[..hashed].as_chunks::<64>();
            let count = (8 * hashed as u64).to_be_bytes();

            let mut state = [
                0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19_u32,
            ];
            sha2::block_api::compress256(&mut state, blocks);
            let intermediate = [&state.map(u32::to_be_bytes).concat()[..], &count].concat();
            proptest::prop_assert_eq!(
                Hash::Sha256.finish(&intermediate, &message[hashed..]),
                Some(Sha256::digest(&message).to_vec())
            );

            let mut state = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0_u32];
            sha1::block_api::compress(&mut state, blocks);
            let intermediate = [&state.map(u32::to_be_bytes).concat()[..], &count].concat();
            proptest::prop_assert_eq!(
                Hash::Sha1.finish(&intermediate, &message[hashed..]),
                Some(Sha1::digest(&message).to_vec())
            );
        }

        #[test]
        fn deciphering_undoes_padding(message in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..245)) {
            let key = PrivateKey::from_pem(keys::pem("technical"));
            let filler = vec![0x5C; 253 - message.len()];
            let cryptogram = key.public(&[&[0, 2][..], &filler, &[0], &message].concat());
            proptest::prop_assert_eq!(key.decipher_pkcs1(&cryptogram), Some(message));
        }
    }

    #[test]
    fn a_signature_is_fast_enough_for_tests() {
        let key = PrivateKey::from_pem(keys::pem("cps-medecin-signature"));
        // The best of several: the machine may be busy, the arithmetic may not be slow.
        let best = (0..10)
            .map(|i| {
                let start = Instant::now();
                key.sign_pkcs1(Hash::Sha256, &[i; 32]);
                start.elapsed()
            })
            .min()
            .expect("ten samples");
        assert!(best < Duration::from_millis(20), "{best:?}");
    }
}
