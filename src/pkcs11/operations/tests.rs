use cps_api::types::{KeyScheme, ObjectToken};
use cps_verify::{digest_info, ecdsa_to_der};
use cryptoki_sys::{CKO_CERTIFICATE, CKO_PRIVATE_KEY, CKO_PUBLIC_KEY};
use proptest::prelude::*;
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RsaEncoding,
};

use super::*;
use crate::testing::{RSA_SCHEMES, ecdsa_token, object, rsa_signature, token};

const MESSAGE: &[u8] = b"a message";

fn sign(token: &ObjectToken, mechanism: Mechanism, data: &[u8]) -> Result<SignRequest, Rv> {
    let mut signing = Signing::new(&object(token, CKO_PRIVATE_KEY), mechanism)?;
    signing.update(data)?;
    signing.finish()
}

fn verify(
    token: &ObjectToken,
    mechanism: Mechanism,
    data: &[u8],
    signature: &[u8],
) -> Result<(), Rv> {
    let mut verification = Verification::new(&object(token, CKO_PUBLIC_KEY), mechanism)?;
    verification.update(data)?;
    verification.finish(signature)
}

fn sha(algorithm: &'static digest::Algorithm) -> Vec<u8> {
    digest::digest(algorithm, MESSAGE).as_ref().to_vec()
}

/// Each way in which a host can ask for a signature becomes the digest and the scheme that the
/// same signature has in another library, and that library's signature verifies.
#[test]
fn hashed_here_or_by_the_host_the_signature_is_the_same() {
    let token = token(&RSA_SCHEMES);
    let [sha256, sha384] = [&digest::SHA256, &digest::SHA384].map(sha);
    let info = digest_info(Hash::Sha256, &sha256);
    let signature = Mechanism::Signature;
    for (mechanism, data, scheme) in [
        (signature(Scheme::Pkcs1Sha256), MESSAGE, Scheme::Pkcs1Sha256),
        (signature(Scheme::Pkcs1Sha512), MESSAGE, Scheme::Pkcs1Sha512),
        (signature(Scheme::PssSha256), MESSAGE, Scheme::PssSha256),
        (signature(Scheme::PssSha384), MESSAGE, Scheme::PssSha384),
        (Mechanism::Pkcs1, &info, Scheme::Pkcs1Sha256),
        (Mechanism::Pss(Hash::Sha384), &sha384, Scheme::PssSha384),
    ] {
        let (algorithm, encoding): (_, &'static dyn RsaEncoding) = match scheme {
            Scheme::Pkcs1Sha256 => (&digest::SHA256, &RSA_PKCS1_SHA256),
            Scheme::Pkcs1Sha512 => (&digest::SHA512, &RSA_PKCS1_SHA512),
            Scheme::PssSha256 => (&digest::SHA256, &RSA_PSS_SHA256),
            _ => (&digest::SHA384, &RSA_PSS_SHA384),
        };
        let request = sign(&token, mechanism, data).unwrap();
        assert_eq!(request.scheme, scheme, "{mechanism:?}");
        assert_eq!(request.digest, sha(algorithm), "{mechanism:?}");
        let mut signed = rsa_signature(encoding, MESSAGE);
        assert_eq!(request.signature(signed.clone()), Ok(signed.clone()));
        assert_eq!(
            verify(&token, mechanism, data, &signed),
            Ok(()),
            "{mechanism:?}"
        );
        signed[100] ^= 1;
        let invalid = Err(Rv(CKR_SIGNATURE_INVALID));
        assert_eq!(
            verify(&token, mechanism, data, &signed),
            invalid,
            "{mechanism:?}"
        );
        let short = verify(&token, mechanism, data, &signed[1..]);
        assert_eq!(short, Err(Rv(CKR_SIGNATURE_LEN_RANGE)));
    }
}

#[test]
fn ecdsa_signatures_are_r_and_s_for_the_host() {
    let (pair, token) = ecdsa_token();
    let raw = pair.sign(&SystemRandom::new(), MESSAGE).unwrap();
    let raw = raw.as_ref().to_vec();
    let digest = sha(&digest::SHA256);
    for (mechanism, data) in [
        (Mechanism::Ecdsa, &digest[..]),
        (Mechanism::Signature(Scheme::EcdsaSha256), MESSAGE),
    ] {
        let request = sign(&token, mechanism, data).unwrap();
        assert_eq!(
            (request.scheme, &request.digest),
            (Scheme::EcdsaSha256, &digest)
        );
        let answer = ecdsa_to_der(&raw).unwrap();
        assert_eq!(request.signature(answer), Ok(raw.clone()));
        // An answer that is no Ecdsa-Sig-Value.
        assert_eq!(request.signature(raw.clone()), Err(Rv(CKR_DEVICE_ERROR)));
        assert_eq!(verify(&token, mechanism, data, &raw), Ok(()));
        let zero = verify(&token, mechanism, data, &[0; 64]);
        assert_eq!(zero, Err(Rv(CKR_SIGNATURE_INVALID)));
        let long = verify(&token, mechanism, data, &[&raw[..], &[0]].concat());
        assert_eq!(long, Err(Rv(CKR_SIGNATURE_LEN_RANGE)));
    }
    for (length, scheme) in [(48, Scheme::EcdsaSha384), (64, Scheme::EcdsaSha512)] {
        let request = sign(&token, Mechanism::Ecdsa, &vec![7; length]).unwrap();
        assert_eq!(request.scheme, scheme);
    }
    for length in [0, 20, 31, 33, 65] {
        let refused = sign(&token, Mechanism::Ecdsa, &vec![7; length]);
        assert_eq!(refused, Err(Rv(CKR_DATA_LEN_RANGE)), "{length}");
    }
}

/// A card's key signs nothing whose meaning is unknown: no bare hash, no block of TLS 1.1.
#[test]
fn what_is_no_digest_info_is_refused() {
    let token = token(&RSA_SCHEMES);
    for data in [vec![7; 20], vec![7; 32], vec![7; 36], vec![7; 245], vec![]] {
        let refused = sign(&token, Mechanism::Pkcs1, &data);
        assert_eq!(refused, Err(Rv(CKR_DATA_INVALID)), "{}", data.len());
    }
    let refused = sign(&token, Mechanism::Pkcs1, &[7; 246]);
    assert_eq!(refused, Err(Rv(CKR_DATA_LEN_RANGE)));
    for length in [0, 20, 31, 33] {
        let refused = sign(&token, Mechanism::Pss(Hash::Sha256), &vec![7; length]);
        assert_eq!(refused, Err(Rv(CKR_DATA_LEN_RANGE)));
    }
    let cps3 = crate::testing::token(&[KeyScheme::Pkcs1Sha256]);
    let sha512 = digest_info(Hash::Sha512, &[7; 64]);
    assert_eq!(
        sign(&cps3, Mechanism::Pkcs1, &sha512),
        Err(Rv(CKR_DATA_INVALID))
    );
}

#[test]
fn a_key_does_what_it_offers_and_nothing_else() {
    let cps3 = token(&[KeyScheme::Pkcs1Sha256]);
    let cps4 = token(&[KeyScheme::PssSha256]);
    let no_signature = token(&[]);
    let (_, p256) = ecdsa_token();
    let signature = Mechanism::Signature;
    for (token, mechanism, expected) in [
        (&cps3, signature(Scheme::PssSha256), CKR_MECHANISM_INVALID),
        (&cps3, signature(Scheme::Pkcs1Sha1), CKR_MECHANISM_INVALID),
        (&cps3, Mechanism::Pss(Hash::Sha256), CKR_MECHANISM_INVALID),
        (
            &cps3,
            Mechanism::Digest(Hash::Sha256),
            CKR_MECHANISM_INVALID,
        ),
        (&cps3, Mechanism::Ecdsa, CKR_KEY_TYPE_INCONSISTENT),
        (
            &cps4,
            Mechanism::Pss(Hash::Sha512),
            CKR_MECHANISM_PARAM_INVALID,
        ),
        (&cps4, Mechanism::Pkcs1, CKR_MECHANISM_INVALID),
        (
            &no_signature,
            Mechanism::Pkcs1,
            CKR_KEY_FUNCTION_NOT_PERMITTED,
        ),
        (&p256, Mechanism::Pkcs1, CKR_KEY_TYPE_INCONSISTENT),
        (
            &p256,
            signature(Scheme::PssSha256),
            CKR_KEY_TYPE_INCONSISTENT,
        ),
    ] {
        let private = Signing::new(&object(token, CKO_PRIVATE_KEY), mechanism);
        assert_eq!(private.err(), Some(Rv(expected)), "{mechanism:?}");
        let public = Verification::new(&object(token, CKO_PUBLIC_KEY), mechanism);
        assert_eq!(public.err(), Some(Rv(expected)), "{mechanism:?}");
    }
    let mechanism = signature(Scheme::Pkcs1Sha256);
    for (class, expected) in [
        (CKO_PUBLIC_KEY, CKR_KEY_FUNCTION_NOT_PERMITTED),
        (CKO_CERTIFICATE, CKR_KEY_HANDLE_INVALID),
    ] {
        let object = object(&cps3, class);
        assert_eq!(Signing::new(&object, mechanism).err(), Some(Rv(expected)));
        let decryption = Decryption::new(&object, Mechanism::Pkcs1);
        assert_eq!(decryption.err(), Some(Rv(expected)));
    }
}

#[test]
fn a_cryptogram_has_the_length_of_the_modulus() {
    let mut token = token(&RSA_SCHEMES);
    let private = object(&token, CKO_PRIVATE_KEY);
    let begin = || Decryption::new(&private, Mechanism::Pkcs1).unwrap();
    assert_eq!(begin().max_output_len(), 245);
    for (length, expected) in [
        (255, Err(Rv(CKR_ENCRYPTED_DATA_LEN_RANGE))),
        (256, Ok((private.handle, vec![7; 256]))),
        (257, Err(Rv(CKR_ENCRYPTED_DATA_LEN_RANGE))),
    ] {
        let mut decryption = begin();
        let outcome = decryption.update(&vec![7; length]);
        assert_eq!(outcome.and_then(|()| decryption.finish()), expected);
    }
    for (mechanism, expected) in [
        (
            Mechanism::Signature(Scheme::Pkcs1Sha256),
            CKR_MECHANISM_INVALID,
        ),
        (Mechanism::Ecdsa, CKR_MECHANISM_INVALID),
    ] {
        let refused = Decryption::new(&private, mechanism).err();
        assert_eq!(refused, Some(Rv(expected)));
    }
    token.keys[0].decrypts = false;
    let refused = Decryption::new(&object(&token, CKO_PRIVATE_KEY), Mechanism::Pkcs1).err();
    assert_eq!(refused, Some(Rv(CKR_KEY_FUNCTION_NOT_PERMITTED)));
}

#[test]
fn a_signature_of_another_length_is_none() {
    let token = token(&RSA_SCHEMES);
    let mechanism = Mechanism::Signature(Scheme::Pkcs1Sha256);
    let request = sign(&token, mechanism, MESSAGE).unwrap();
    for (length, is_one) in [(0, false), (255, false), (256, true), (257, false)] {
        assert_eq!(request.signature(vec![7; length]).is_ok(), is_one);
    }
}

#[test]
fn a_message_leaves_room_for_the_padding() {
    let mut token = token(&RSA_SCHEMES);
    let public = object(&token, CKO_PUBLIC_KEY);
    let begin = || Encryption::new(&public, Mechanism::Pkcs1).unwrap();
    assert_eq!(begin().output_len(), 256);
    for (length, expected) in [
        (0, Ok(253)),
        (245, Ok(8)),
        (246, Err(Rv(CKR_DATA_LEN_RANGE))),
    ] {
        let mut encryption = begin();
        let outcome = encryption.update(&vec![7; length]);
        assert_eq!(outcome.map(|()| encryption.padding_len()), expected);
    }
    let mut encryption = begin();
    encryption.update(&[7; 245]).unwrap();
    assert_eq!(encryption.update(&[7]), Err(Rv(CKR_DATA_LEN_RANGE)));
    let private = object(&token, CKO_PRIVATE_KEY);
    for (object, mechanism, expected) in [
        (&public, Mechanism::Ecdsa, CKR_MECHANISM_INVALID),
        (&private, Mechanism::Pkcs1, CKR_KEY_FUNCTION_NOT_PERMITTED),
    ] {
        let refused = Encryption::new(object, mechanism).err();
        assert_eq!(refused, Some(Rv(expected)));
    }
    token.keys[0].decrypts = false;
    let refused = Encryption::new(&object(&token, CKO_PUBLIC_KEY), Mechanism::Pkcs1).err();
    assert_eq!(refused, Some(Rv(CKR_KEY_FUNCTION_NOT_PERMITTED)));
}

#[test]
fn only_digests_digest() {
    assert_eq!(
        Digest::new(Mechanism::Ecdsa).err(),
        Some(Rv(CKR_MECHANISM_INVALID))
    );
    let mut digest = Digest::new(Mechanism::Digest(Hash::Sha384)).unwrap();
    assert_eq!(digest.output_len(), 48);
    digest.update(MESSAGE);
    assert_eq!(digest.finish(), sha(&digest::SHA384));
}

/// Splits `data` where `cuts` say.
fn parts<'a>(data: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(data.len() + 1)).collect();
    ends.push(data.len());
    ends.sort_unstable();
    let starts = [0].into_iter().chain(ends.clone());
    starts
        .zip(ends)
        .map(|(start, end)| &data[start..end])
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn parts_are_signed_as_the_whole_is(
        message in prop::collection::vec(any::<u8>(), 0..300),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        mechanism in prop::sample::select(vec![
            Mechanism::Pkcs1,
            Mechanism::Pss(Hash::Sha256),
            Mechanism::Signature(Scheme::Pkcs1Sha256),
        ]),
    ) {
        let token = token(&RSA_SCHEMES);
        let digest = Hash::Sha256.digest(&message);
        let data = match mechanism {
            Mechanism::Pkcs1 => digest_info(Hash::Sha256, &digest),
            Mechanism::Pss(_) => digest,
            _ => message,
        };
        let whole = sign(&token, mechanism, &data).unwrap();
        let mut signing = Signing::new(&object(&token, CKO_PRIVATE_KEY), mechanism).unwrap();
        for part in parts(&data, &cuts) {
            signing.update(part).unwrap();
        }
        prop_assert_eq!(signing.finish(), Ok(whole));
    }

    #[test]
    fn parts_are_digested_and_decrypted_as_the_whole_is(
        message in prop::collection::vec(any::<u8>(), 256..=256),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let private = object(&token(&RSA_SCHEMES), CKO_PRIVATE_KEY);
        let mut decryption = Decryption::new(&private, Mechanism::Pkcs1).unwrap();
        let mut digest = Digest::new(Mechanism::Digest(Hash::Sha256)).unwrap();
        for part in parts(&message, &cuts) {
            decryption.update(part).unwrap();
            digest.update(part);
        }
        let expected = digest::digest(&digest::SHA256, &message);
        prop_assert_eq!(digest.finish(), expected.as_ref());
        prop_assert_eq!(decryption.finish(), Ok((private.handle, message)));
    }

    /// Also after an error, which a host may not notice.
    #[test]
    fn any_data_in_any_parts_is_answered(
        data in prop::collection::vec(any::<u8>(), 0..600),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let token = token(&RSA_SCHEMES);
        let private = object(&token, CKO_PRIVATE_KEY);
        let mut signing = Signing::new(&private, Mechanism::Pkcs1).unwrap();
        let mut decryption = Decryption::new(&private, Mechanism::Pkcs1).unwrap();
        for part in parts(&data, &cuts) {
            let _ = (signing.update(part), decryption.update(part));
        }
        prop_assert!(signing.finish().is_err());
        let _ = decryption.finish();
    }
}
