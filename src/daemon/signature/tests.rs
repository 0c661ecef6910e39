use cps_emulator::Holder;
use cps_identity::Certificate;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;

use super::*;
use crate::testing::pki;

/// The signature key of the test holder, signing with another library.
fn signed(scheme: Scheme, message: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (algorithm, encoding): (_, &dyn RsaEncoding) = match scheme {
        Scheme::Pkcs1Sha256 => (&digest::SHA256, &RSA_PKCS1_SHA256),
        Scheme::Pkcs1Sha384 => (&digest::SHA384, &RSA_PKCS1_SHA384),
        Scheme::Pkcs1Sha512 => (&digest::SHA512, &RSA_PKCS1_SHA512),
        Scheme::PssSha256 => (&digest::SHA256, &RSA_PSS_SHA256),
        other => panic!("{other}"),
    };
    let pem = include_bytes!("../../../fixtures/keys/cps-medecin-signature.pem");
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem).unwrap();
    let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(encoding, &SystemRandom::new(), message, &mut signature)
        .unwrap();
    let digest = digest::digest(algorithm, message).as_ref().to_vec();
    (digest, signature)
}

fn spki(der: &[u8]) -> Vec<u8> {
    Certificate::from_der(der)
        .unwrap()
        .public_key_spki()
        .to_vec()
}

const SCHEMES: [Scheme; 4] = [
    Scheme::Pkcs1Sha256,
    Scheme::Pkcs1Sha384,
    Scheme::Pkcs1Sha512,
    Scheme::PssSha256,
];

#[test]
fn signatures_of_another_library_verify_under_their_scheme_only() {
    let own = spki(&pki().signature_der(Holder::CpsMedecin));
    let other = spki(&pki().authentication_der(Holder::CpsMedecin));
    for scheme in SCHEMES {
        let (digest, signature) = signed(scheme, b"a message");
        assert!(verifies(&own, scheme, &digest, &signature), "{scheme}");
        assert!(!verifies(&other, scheme, &digest, &signature), "{scheme}");
        for wrong in SCHEMES {
            if wrong != scheme {
                assert!(
                    !verifies(&own, wrong, &digest, &signature),
                    "{scheme} {wrong}"
                );
            }
        }
        let (another, _) = signed(scheme, b"another message");
        assert!(!verifies(&own, scheme, &another, &signature), "{scheme}");
        assert!(
            !verifies(&own, scheme, &digest, &signature[1..]),
            "{scheme}"
        );
    }
}

/// A PKCS#1 block whose padding is short and whose rest follows the digest would be accepted by a
/// reader that parses it; with exponent 3 it can be forged (Bleichenbacher, 2006).
#[test]
fn a_block_is_compared_whole() {
    let modulus = (BigUint::from(1u8) << 2048u32) - BigUint::from(1u8);
    let length = 256;
    let digest = [0x11; 32];
    let mut block = pkcs1_v1_5(length, Scheme::Pkcs1Sha256, &digest).unwrap();
    // Exponent one: the block is its own signature.
    let spki = rsa_spki(&modulus, 1);
    assert!(verifies(&spki, Scheme::Pkcs1Sha256, &digest, &block));
    block.remove(2);
    block.push(0x00);
    assert!(!verifies(&spki, Scheme::Pkcs1Sha256, &digest, &block));
}

proptest! {
    #[test]
    fn changed_signatures_do_not_verify(
        pss in any::<bool>(),
        position in 0usize..256,
        change in 1u8..=255,
    ) {
        let scheme = if pss { Scheme::PssSha256 } else { Scheme::Pkcs1Sha256 };
        let own = spki(&pki().signature_der(Holder::CpsMedecin));
        let (digest, mut signature) = signed(scheme, b"a message");
        signature[position] ^= change;
        prop_assert!(!verifies(&own, scheme, &digest, &signature));
    }

    #[test]
    fn any_key_and_signature_is_answered(
        spki in prop::collection::vec(any::<u8>(), 0..400),
        signature in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        for scheme in SCHEMES {
            prop_assert!(!verifies(&spki, scheme, &[0; 32], &signature));
        }
    }

    #[test]
    fn small_and_odd_keys_are_answered(
        modulus in prop::collection::vec(any::<u8>(), 1..80),
        exponent in 1u32..=65_537,
        signature in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let spki = rsa_spki(&BigUint::from_bytes_be(&modulus), exponent);
        for scheme in SCHEMES {
            // No panic; such a key can confirm next to nothing.
            let _ = verifies(&spki, scheme, &vec![0; scheme.digest_len()], &signature);
        }
    }
}

/// SubjectPublicKeyInfo of an RSA key (RFC 8017 appendix A.1.1).
fn rsa_spki(modulus: &BigUint, exponent: u32) -> Vec<u8> {
    let integer = |value: &[u8]| tlv(0x02, &[&[0x00], value].concat());
    let key = tlv(
        0x30,
        &[
            integer(&modulus.to_bytes_be()),
            integer(&exponent.to_be_bytes()),
        ]
        .concat(),
    );
    let algorithm = tlv(
        0x30,
        &[tlv(0x06, RSA_ENCRYPTION), vec![0x05, 0x00]].concat(),
    );
    let bits = tlv(0x03, &[vec![0x00], key].concat());
    tlv(0x30, &[algorithm, bits].concat())
}

fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = (value.len() as u16).to_be_bytes();
    [&[tag, 0x82, length[0], length[1]], value].concat()
}
