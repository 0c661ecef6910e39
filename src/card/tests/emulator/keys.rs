//! Signatures that ring accepts, and decipherment.

use cps_card::{Error, KeyEntry, KeyUse, PinRole, Protocol, Scheme};
use cps_emulator::{Holder, Layout};
use num_bigint::BigUint;
use ring::{digest, signature};

use crate::{Reader, certificates, contact_layouts, key, logged_in, public_key};

const MESSAGE: &[u8] = b"abc";

/// Hash and verification algorithm of a scheme; `None` where ring does not verify it.
fn judge(
    scheme: Scheme,
) -> (
    &'static digest::Algorithm,
    Option<&'static dyn signature::VerificationAlgorithm>,
) {
    use signature::*;
    match scheme {
        Scheme::Pkcs1Sha1 => (
            &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Some(&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
        ),
        Scheme::Pkcs1Sha256 => (
            &digest::SHA256,
            Some(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
        ),
        Scheme::Pkcs1Sha384 => (&digest::SHA384, Some(&RSA_PKCS1_2048_8192_SHA384)),
        Scheme::Pkcs1Sha512 => (
            &digest::SHA512,
            Some(&RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
        ),
        Scheme::PssSha256 => (&digest::SHA256, Some(&RSA_PSS_2048_8192_SHA256)),
        _ => (&digest::SHA1_FOR_LEGACY_USE_ONLY, None),
    }
}

/// Whether exactly one of the certificates verifies the signature.
fn verifies(certificates: &[Vec<u8>], scheme: Scheme, signature: &[u8]) -> bool {
    let Some(algorithm) = judge(scheme).1 else {
        return signature.len() == 256;
    };
    let accepting = certificates.iter().filter(|certificate| {
        let key = public_key(certificate);
        signature::UnparsedPublicKey::new(algorithm, key)
            .verify(MESSAGE, signature)
            .is_ok()
    });
    accepting.count() == 1
}

fn check_all(card: &mut cps_card::Card, reader: &mut Reader, key: &KeyEntry, name: &str) {
    let certificates = certificates(card, reader);
    for scheme in key.schemes() {
        let digest = digest::digest(judge(scheme).0, MESSAGE);
        let signature = card.sign(reader, key, scheme, digest.as_ref()).unwrap();
        assert!(
            verifies(&certificates, scheme, &signature),
            "{name}, {}, {scheme}",
            key.label
        );
    }
}

#[test]
fn every_scheme_of_every_key_verifies_on_every_layout() {
    for layout in contact_layouts() {
        let name = layout.name.clone();
        let (mut reader, mut card) = logged_in(layout, Holder::CpsMedecin);
        let keys = card.keys(&mut reader).unwrap();
        assert_eq!(keys.len(), 2, "{name}");
        for key in &keys {
            assert!(key.needs_pin);
            check_all(&mut card, &mut reader, key, &name);
        }
    }
}

/// The release candidate of the CPS4 that speaks T=0 only.
#[test]
fn a_cps4_under_t_0_does_the_same_with_get_response() {
    let mut layout = Layout::cps4();
    layout.protocol = Protocol::T0;
    layout.atr = "3BDC18FF00001225006480000401009000".parse().unwrap();
    let (mut reader, mut card) = logged_in(layout, Holder::CpsMedecin);
    assert!(card.recognised());
    assert!(!card.tries(&mut reader, PinRole::Puk).unwrap().verified);
    for key in card.keys(&mut reader).unwrap() {
        check_all(&mut card, &mut reader, &key, "CPS4 under T=0");
    }
}

#[test]
fn only_a_cps4_offers_pss() {
    for layout in contact_layouts() {
        let pss = layout.name.starts_with("cps4");
        let mut reader = Reader::new(layout, Holder::CpsMedecin);
        let mut card = reader.open().unwrap();
        for key in card.keys(&mut reader).unwrap() {
            assert_eq!(key.schemes().contains(&Scheme::PssSha256), pss);
        }
    }
}

#[test]
fn the_contactless_key_verifies_without_login() {
    let mut reader = Reader::new(Layout::cps3_contactless(), Holder::CpsMedecin);
    let mut card = reader.open().unwrap();
    let key = key(&mut card, &mut reader, KeyUse::Technical);
    assert!(!key.needs_pin && !key.deciphers());
    check_all(&mut card, &mut reader, &key, "contactless");
}

#[test]
fn keys_of_1024_bits_are_used_with_their_own_length() {
    let (mut reader, mut card) = logged_in(Layout::cps3(), Holder::CpsLegacy);
    let key = key(&mut card, &mut reader, KeyUse::Authentication);
    assert_eq!(key.modulus_len(), 128);
    let digest = digest::digest(&digest::SHA256, MESSAGE);
    let signature = card
        .sign(&mut reader, &key, Scheme::Pkcs1Sha256, digest.as_ref())
        .unwrap();
    let certificates = certificates(&mut card, &mut reader);
    assert!(verifies(&certificates, Scheme::Pkcs1Sha256, &signature));
}

#[test]
fn no_private_key_works_without_login() {
    for layout in contact_layouts() {
        let name = layout.name.clone();
        let mut reader = Reader::new(layout, Holder::CpsMedecin);
        let mut card = reader.open().unwrap();
        for key in card.keys(&mut reader).unwrap() {
            let result = card.sign(&mut reader, &key, Scheme::Pkcs1Sha256, &[7; 32]);
            assert_eq!(result, Err(Error::PinRequired), "{name}");
            if key.deciphers() {
                let result = card.decipher(&mut reader, &key, &vec![7; key.modulus_len()]);
                assert_eq!(
                    result.map(|m| m.to_vec()),
                    Err(Error::PinRequired),
                    "{name}"
                );
            }
        }
        assert_eq!(reader.card.counters().key_operations, 0);
    }
}

/// RSAES-PKCS1-v1_5 with a fixed filler.
fn encrypt(certificate: &[u8], block: &[u8]) -> Vec<u8> {
    let key = public_key(certificate);
    let key = cps_card::tlv::Reader::new(&key).next().unwrap().unwrap();
    let numbers: Vec<BigUint> = key
        .children()
        .map(|number| BigUint::from_bytes_be(number.unwrap().value))
        .collect();
    let cryptogram = BigUint::from_bytes_be(block)
        .modpow(&numbers[1], &numbers[0])
        .to_bytes_be();
    let missing = block.len() - cryptogram.len();
    [vec![0; missing], cryptogram].concat()
}

#[test]
fn deciphers_and_tells_nothing_about_bad_cryptograms() {
    for layout in contact_layouts() {
        let name = layout.name.clone();
        let (mut reader, mut card) = logged_in(layout, Holder::CpsMedecin);
        let key = key(&mut card, &mut reader, KeyUse::Authentication);
        let entries = card.certificates(&mut reader).unwrap();
        let entry = entries
            .iter()
            .find(|entry| entry.label.contains("Authentif"))
            .unwrap();
        let certificate = card.read_certificate(&mut reader, entry).unwrap();
        let block = |head: [u8; 2], message: &[u8]| {
            let filler = vec![0x55; 256 - 3 - message.len()];
            encrypt(&certificate, &[&head, &filler[..], &[0], message].concat())
        };
        let message = card
            .decipher(&mut reader, &key, &block([0, 2], b"secret"))
            .unwrap();
        assert_eq!(*message, b"secret", "{name}");
        let wrong = card.decipher(&mut reader, &key, &block([0, 1], b"secret"));
        assert_eq!(wrong.map(|m| m.to_vec()), Err(Error::Cryptogram), "{name}");
        let short = card.decipher(&mut reader, &key, &[1; 255]);
        assert_eq!(short.map(|m| m.to_vec()), Err(Error::Cryptogram), "{name}");
    }
}

#[test]
fn a_card_that_another_program_moved_still_signs_with_the_right_key() {
    let elsewhere: [&[u8]; 4] = [
        &[0x00, 0xA4, 0x09, 0x0C, 0x02, 0x3F, 0x00],
        &[0xA0, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00],
        &[0x01, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00],
        &[
            0x01, 0xA4, 0x04, 0x0C, 0x07, 0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00,
        ],
    ];
    for layout in contact_layouts() {
        let name = layout.name.clone();
        let (mut reader, mut card) = logged_in(layout, Holder::CpsMedecin);
        let key = key(&mut card, &mut reader, KeyUse::Signature);
        card.sign(&mut reader, &key, Scheme::Pkcs1Sha256, &[7; 32])
            .unwrap();
        for command in elsewhere {
            reader.card.command(command);
            let digest = digest::digest(&digest::SHA256, MESSAGE);
            let signature = card
                .sign(&mut reader, &key, Scheme::Pkcs1Sha256, digest.as_ref())
                .unwrap_or_else(|error| panic!("{name} after {command:02X?}: {error}"));
            let certificates = certificates(&mut card, &mut reader);
            assert!(verifies(&certificates, Scheme::Pkcs1Sha256, &signature));
        }
    }
}
