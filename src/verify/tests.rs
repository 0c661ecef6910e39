use std::sync::LazyLock;
use std::time::SystemTime;

use cps_emulator::{Holder, Pki};
use cps_identity::Certificate;
use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef, UintRef};
use der::{Decode, Encode, Tag};
use num_bigint::BigUint;
use proptest::prelude::*;
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;

use super::*;

fn pki() -> &'static Pki {
    static PKI: LazyLock<Pki> = LazyLock::new(|| Pki::new(SystemTime::now()));
    &PKI
}

/// The signature key of the test holder, signing with another library.
fn signed(scheme: Scheme, message: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (algorithm, encoding): (_, &dyn RsaEncoding) = match scheme {
        Scheme::Pkcs1Sha256 => (&digest::SHA256, &RSA_PKCS1_SHA256),
        Scheme::Pkcs1Sha384 => (&digest::SHA384, &RSA_PKCS1_SHA384),
        Scheme::Pkcs1Sha512 => (&digest::SHA512, &RSA_PKCS1_SHA512),
        Scheme::PssSha256 => (&digest::SHA256, &RSA_PSS_SHA256),
        Scheme::PssSha384 => (&digest::SHA384, &RSA_PSS_SHA384),
        Scheme::PssSha512 => (&digest::SHA512, &RSA_PSS_SHA512),
        other => panic!("{other}"),
    };
    let pem = include_bytes!("../../fixtures/keys/cps-medecin-signature.pem");
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

const SCHEMES: [Scheme; 6] = [
    Scheme::Pkcs1Sha256,
    Scheme::Pkcs1Sha384,
    Scheme::Pkcs1Sha512,
    Scheme::PssSha256,
    Scheme::PssSha384,
    Scheme::PssSha512,
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
    let mut block = rsa::pkcs1_v1_5(length, Hash::Sha256, &digest).unwrap();
    // Exponent one: the block is its own signature.
    let spki = rsa_spki(&modulus, 1);
    assert!(verifies(&spki, Scheme::Pkcs1Sha256, &digest, &block));
    block.remove(2);
    block.push(0x00);
    assert!(!verifies(&spki, Scheme::Pkcs1Sha256, &digest, &block));
}

/// RFC 8017 §9.1.2: the ends of the block, which no hash covers.
#[test]
fn the_ends_of_a_pss_block_are_checked() {
    let own = spki(&pki().signature_der(Holder::CpsMedecin));
    let Some(PublicKey::Rsa { modulus, exponent }) = PublicKey::parse(&own) else {
        panic!("no RSA key");
    };
    let (digest, signature) = signed(Scheme::PssSha256, b"a message");
    let [modulus, exponent, signature] =
        [modulus, exponent, &signature].map(BigUint::from_bytes_be);
    let mut block = signature.modpow(&exponent, &modulus).to_bytes_be();
    block.splice(0..0, vec![0; 256 - block.len()]);
    // Exponent one: the block is its own signature.
    let spki = rsa_spki(&((BigUint::from(1u8) << 2048u32) - BigUint::from(1u8)), 1);
    assert!(verifies(&spki, Scheme::PssSha256, &digest, &block));
    for (position, change) in [(0, 0x80), (255, 0x01)] {
        let mut changed = block.clone();
        changed[position] ^= change;
        assert!(!verifies(&spki, Scheme::PssSha256, &digest, &changed));
    }
}

/// A P-256 key of another library: the pair and its SubjectPublicKeyInfo.
fn p256(fixed: bool) -> (EcdsaKeyPair, Vec<u8>) {
    let algorithm = match fixed {
        true => &ECDSA_P256_SHA256_FIXED_SIGNING,
        false => &ECDSA_P256_SHA256_ASN1_SIGNING,
    };
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
    let spki = spki_of(
        EC_PUBLIC_KEY,
        &P256.to_der().unwrap(),
        pair.public_key().as_ref(),
    );
    (pair, spki)
}

#[test]
fn ecdsa_signatures_of_another_library_verify_in_both_forms() {
    let digest = Hash::Sha256.digest(b"a message");
    for fixed in [false, true] {
        let (pair, spki) = p256(fixed);
        let (_, stranger) = p256(fixed);
        let signature = pair.sign(&SystemRandom::new(), b"a message").unwrap();
        let der = match fixed {
            true => ecdsa_to_der(signature.as_ref()).unwrap(),
            false => signature.as_ref().to_vec(),
        };
        assert!(verifies(&spki, Scheme::EcdsaSha256, &digest, &der));
        assert!(!verifies(&stranger, Scheme::EcdsaSha256, &digest, &der));
        assert!(!verifies(&spki, Scheme::Pkcs1Sha256, &digest, &der));
        assert!(!verifies(&spki, Scheme::EcdsaSha384, &digest, &der));
        let other = Hash::Sha256.digest(b"another message");
        assert!(!verifies(&spki, Scheme::EcdsaSha256, &other, &der));
        let raw = ecdsa_from_der(&der).unwrap();
        assert_eq!((raw.len(), ecdsa_to_der(&raw)), (64, Some(der)));
    }
}

#[test]
fn a_key_shows_its_numbers() {
    let rsa = spki(&pki().signature_der(Holder::CpsMedecin));
    let Some(PublicKey::Rsa { modulus, exponent }) = PublicKey::parse(&rsa) else {
        panic!("no RSA key");
    };
    assert_eq!((modulus.len(), exponent), (256, &[1, 0, 1][..]));
    assert_eq!(PublicKey::parse(&rsa).unwrap().bits(), 2048);
    let (pair, ec) = p256(false);
    let point = pair.public_key().as_ref();
    assert_eq!(PublicKey::parse(&ec), Some(PublicKey::P256 { point }));
    let off_curve = spki_of(EC_PUBLIC_KEY, &P256.to_der().unwrap(), &[4; 65]);
    let p384 = ObjectIdentifier::new_unwrap("1.3.132.0.34")
        .to_der()
        .unwrap();
    assert_eq!(PublicKey::parse(&off_curve), None);
    assert_eq!(
        PublicKey::parse(&spki_of(EC_PUBLIC_KEY, &p384, point)),
        None
    );
    assert_eq!(PublicKey::parse(&[&ec[..], &[0]].concat()), None);
}

/// RFC 8017 §9.2, note 1.
#[test]
fn the_private_key_opens_what_was_encrypted() {
    let pem = include_bytes!("../../fixtures/keys/cps-medecin-signature.pem");
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem).unwrap();
    let numbers = private_numbers(key.secret_pkcs8_der());
    let [modulus, private] = [&numbers[1], &numbers[3]];
    let spki = spki(&pki().signature_der(Holder::CpsMedecin));
    let key = PublicKey::parse(&spki).unwrap();
    for message in [&b""[..], b"a message", &[0; 245]] {
        let padding = vec![0xA5; 253 - message.len()];
        let cryptogram = key.encrypt(message, &padding).unwrap();
        assert_eq!(cryptogram.len(), 256);
        let opened = BigUint::from_bytes_be(&cryptogram).modpow(private, modulus);
        // The leading zero is lost.
        let block = [&[2], &padding[..], &[0], message].concat();
        assert_eq!(opened.to_bytes_be(), block);
    }
}

#[test]
fn padding_is_as_the_standard_wants_it() {
    let spki = spki(&pki().signature_der(Holder::CpsMedecin));
    let key = PublicKey::parse(&spki).unwrap();
    assert!(key.encrypt(&[1; 245], &[7; 8]).is_some());
    for (message, padding) in [
        (&[1; 246][..], &[7; 7][..]),
        (&[1; 245], &[7; 9]),
        (&[1; 245], &[7; 7]),
        (&[1; 245], &[7, 7, 7, 0, 7, 7, 7, 7]),
    ] {
        assert_eq!(key.encrypt(message, padding), None);
    }
    let (_, spki) = p256(true);
    assert_eq!(
        PublicKey::parse(&spki).unwrap().encrypt(b"", &[7; 29]),
        None
    );
}

/// The numbers of an RSAPrivateKey (RFC 8017 appendix A.1.2) in a PrivateKeyInfo (RFC 5208 §5).
fn private_numbers(pkcs8: &[u8]) -> Vec<BigUint> {
    let key = AnyRef::from_der(pkcs8).unwrap().sequence(|fields| {
        UintRef::decode(fields)?;
        AnyRef::decode(fields)?;
        <&OctetStringRef>::decode(fields)
    });
    let numbers = AnyRef::from_der(key.unwrap().as_bytes()).unwrap();
    let numbers = numbers.sequence(|fields| {
        let all: Result<Vec<_>, _> = (0..9).map(|_| UintRef::decode(fields)).collect();
        all
    });
    let numbers = numbers.unwrap();
    let numbers = numbers.iter();
    numbers
        .map(|it| BigUint::from_bytes_be(it.as_bytes()))
        .collect()
}

#[test]
fn digest_info_is_what_the_standard_prints() {
    for (hash, printed) in [
        (Hash::Sha1, "3021300906052b0e03021a05000414"),
        (Hash::Sha256, "3031300d060960864801650304020105000420"),
        (Hash::Sha384, "3041300d060960864801650304020205000430"),
        (Hash::Sha512, "3051300d060960864801650304020305000440"),
    ] {
        let digest = vec![0xA5; hash.len()];
        let info = digest_info(hash, &digest);
        let prefix: String = info[..info.len() - hash.len()]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(prefix, printed);
        assert_eq!(parse_digest_info(&info), Some((hash, &digest[..])));
    }
}

#[test]
fn digest_info_may_leave_its_parameters_out_and_nothing_else() {
    let info = digest_info(Hash::Sha256, &[7; 32]);
    let mut without = info.clone();
    without.drain(15..17);
    (without[1], without[3]) = (0x2F, 0x0B);
    assert_eq!(
        parse_digest_info(&without),
        Some((Hash::Sha256, &[7; 32][..]))
    );
    let mut another_parameter = info.clone();
    another_parameter[15] = 0x04;
    let mut long_length = info.clone();
    long_length.splice(1..2, [0x81, 0x31]);
    let short_digest = digest_info(Hash::Sha256, &[7; 31]);
    let trailing = [&info[..], &[0]].concat();
    for wrong in [
        another_parameter,
        long_length,
        short_digest,
        trailing,
        vec![7; 32],
        vec![7; 36],
    ] {
        assert_eq!(parse_digest_info(&wrong), None, "{wrong:02x?}");
    }
}

#[test]
fn hashes_are_those_of_another_library_however_split() {
    let message = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    for (hash, algorithm) in [
        (Hash::Sha1, &digest::SHA1_FOR_LEGACY_USE_ONLY),
        (Hash::Sha256, &digest::SHA256),
        (Hash::Sha384, &digest::SHA384),
        (Hash::Sha512, &digest::SHA512),
    ] {
        let expected = digest::digest(algorithm, message);
        let mut hasher = Hasher::new(hash);
        message.chunks(5).for_each(|part| hasher.update(part));
        assert_eq!(hasher.finish(), expected.as_ref(), "{hash}");
        assert_eq!(expected.as_ref().len(), hash.len());
        assert_eq!(Hash::with_len(hash.len()), Some(hash));
    }
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
    fn any_digest_info_is_answered(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        if let Some((hash, digest)) = parse_digest_info(&bytes) {
            prop_assert_eq!(hash.len(), digest.len());
        }
    }

    #[test]
    fn a_changed_digest_info_is_another_digest_or_none(position in 0usize..51, change in 1u8..=255) {
        let digest = Hash::Sha256.digest(b"a message");
        let mut info = digest_info(Hash::Sha256, &digest);
        info[position] ^= change;
        match parse_digest_info(&info) {
            Some((hash, other)) => {
                prop_assert_eq!((hash, position >= 19), (Hash::Sha256, true));
                prop_assert_ne!(other, &digest[..]);
            }
            None => prop_assert!(position < 19),
        }
    }

    #[test]
    fn any_ecdsa_signature_is_answered(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let (_, spki) = p256(false);
        prop_assert!(!verifies(&spki, Scheme::EcdsaSha256, &[1; 32], &bytes));
        if let Some(der) = ecdsa_to_der(&bytes) {
            prop_assert_eq!(ecdsa_from_der(&der), Some(bytes));
        }
    }

    /// One signature has one encoding (DER), so that nobody makes another from it.
    #[test]
    fn a_changed_ecdsa_signature_is_another_or_none(position in 0usize..70, change in 1u8..=255) {
        let mut der = ecdsa_to_der(&[0x21; 64]).unwrap();
        prop_assert_eq!(der.len(), 70);
        der[position] ^= change;
        if let Some(raw) = ecdsa_from_der(&der) {
            prop_assert_eq!(ecdsa_to_der(&raw), Some(der));
            prop_assert_ne!(raw, [0x21; 64]);
        }
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
        let padding = vec![7; modulus.len().saturating_sub(3)];
        let _ = PublicKey::parse(&spki).map(|key| key.encrypt(b"", &padding));
    }
}

/// SubjectPublicKeyInfo of an RSA key (RFC 8017 appendix A.1.1).
fn rsa_spki(modulus: &BigUint, exponent: u32) -> Vec<u8> {
    let integer = |value: Vec<u8>| UintRef::new(&value).unwrap().to_der().unwrap();
    let numbers = [
        integer(modulus.to_bytes_be()),
        integer(exponent.to_be_bytes().to_vec()),
    ];
    spki_of(
        RSA_ENCRYPTION,
        &[0x05, 0x00],
        &element(Tag::Sequence, &numbers.concat()),
    )
}

fn spki_of(algorithm: ObjectIdentifier, parameters: &[u8], key: &[u8]) -> Vec<u8> {
    let algorithm = [&algorithm.to_der().unwrap(), parameters].concat();
    let key = BitStringRef::from_bytes(key).unwrap().to_der().unwrap();
    element(
        Tag::Sequence,
        &[element(Tag::Sequence, &algorithm), key].concat(),
    )
}

fn element(tag: Tag, value: &[u8]) -> Vec<u8> {
    AnyRef::new(tag, value).unwrap().to_der().unwrap()
}

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
