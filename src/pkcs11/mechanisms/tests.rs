use cps_api::types::KeyScheme;
use cryptoki_sys::{CKF_DECRYPT, CKF_DIGEST, CKF_ENCRYPT, CKF_HW, CKF_SIGN, CKF_VERIFY};
use proptest::prelude::*;

use super::*;
use crate::objects::objects;
use crate::testing::{RSA_SCHEMES, ecdsa_token, token};

fn of(token: &cps_api::types::ObjectToken) -> Vec<(CK_MECHANISM_TYPE, CK_ULONG, CK_FLAGS)> {
    let objects = objects(token, cps_api::types::ModuleLogin::None);
    mechanisms(&objects)
        .into_iter()
        .map(|(kind, info)| {
            assert_eq!(info.ulMinKeySize, info.ulMaxKeySize);
            (kind, info.ulMinKeySize, info.flags)
        })
        .collect()
}

const DIGEST_LIST: [(CK_MECHANISM_TYPE, CK_ULONG, CK_FLAGS); 4] = [
    (ck::CKM_SHA_1, 0, CKF_DIGEST),
    (ck::CKM_SHA256, 0, CKF_DIGEST),
    (ck::CKM_SHA384, 0, CKF_DIGEST),
    (ck::CKM_SHA512, 0, CKF_DIGEST),
];

/// A CPS3: no PSS. A server that demands it must be told by the list, not by a failure.
#[test]
fn a_token_lists_what_its_key_does() {
    let signs = CKF_HW | CKF_SIGN | CKF_VERIFY;
    let mut card = token(&[KeyScheme::Pkcs1Sha256, KeyScheme::Pkcs1Sha1]);
    let mut expected = vec![
        (ck::CKM_RSA_PKCS, 2048, signs | CKF_DECRYPT | CKF_ENCRYPT),
        (ck::CKM_SHA1_RSA_PKCS, 2048, signs),
        (ck::CKM_SHA256_RSA_PKCS, 2048, signs),
    ];
    expected.extend(DIGEST_LIST);
    assert_eq!(of(&card), expected);
    card.keys[0].decrypts = false;
    expected[0].2 = signs;
    assert_eq!(of(&card), expected);
    card.keys.clear();
    assert_eq!(of(&card), DIGEST_LIST);
}

#[test]
fn all_of_rsa_is_listed_but_the_raw_operation() {
    let kinds: Vec<_> = of(&token(&RSA_SCHEMES))
        .iter()
        .map(|(kind, ..)| *kind)
        .collect();
    for kind in [
        ck::CKM_RSA_PKCS,
        ck::CKM_RSA_PKCS_PSS,
        ck::CKM_SHA1_RSA_PKCS_PSS,
        ck::CKM_SHA512_RSA_PKCS,
        ck::CKM_SHA384_RSA_PKCS_PSS,
    ] {
        assert!(kinds.contains(&kind), "{kind:#x}");
    }
    assert_eq!(kinds.len(), 10 + DIGEST_LIST.len());
    assert!(!kinds.contains(&ck::CKM_RSA_X_509));
}

#[test]
fn an_ec_token_lists_ecdsa() {
    let (_, token) = ecdsa_token();
    let curve = ck::CKF_EC_F_P | ck::CKF_EC_NAMEDCURVE | ck::CKF_EC_UNCOMPRESS;
    let flags = CKF_HW | CKF_SIGN | CKF_VERIFY | curve;
    let mut expected = DIGEST_LIST.to_vec();
    expected.extend([
        (ck::CKM_ECDSA, 256, flags),
        (ck::CKM_ECDSA_SHA256, 256, flags),
        (ck::CKM_ECDSA_SHA384, 256, flags),
        (ck::CKM_ECDSA_SHA512, 256, flags),
    ]);
    assert_eq!(of(&token), expected);
}

/// The layout of `CK_RSA_PKCS_PSS_PARAMS`, from the bindings.
fn pss(hash: CK_ULONG, mgf: CK_ULONG, salt: CK_ULONG) -> Vec<u8> {
    [hash, mgf, salt].map(CK_ULONG::to_ne_bytes).concat()
}

#[test]
fn pss_parameters_are_those_that_keys_can_do() {
    assert_eq!(size_of::<ck::CK_RSA_PKCS_PSS_PARAMS>(), pss(0, 0, 0).len());
    let sha256 = pss(ck::CKM_SHA256, ck::CKG_MGF1_SHA256, 32);
    let invalid = Err(Rv(ck::CKR_MECHANISM_PARAM_INVALID));
    for (kind, parameter, expected) in [
        (
            ck::CKM_RSA_PKCS_PSS,
            sha256.clone(),
            Ok(Mechanism::Pss(Hash::Sha256)),
        ),
        (
            ck::CKM_SHA256_RSA_PKCS_PSS,
            sha256.clone(),
            Ok(Mechanism::Signature(Scheme::PssSha256)),
        ),
        (ck::CKM_SHA384_RSA_PKCS_PSS, sha256.clone(), invalid),
        (
            ck::CKM_RSA_PKCS_PSS,
            pss(ck::CKM_SHA256, ck::CKG_MGF1_SHA1, 32),
            invalid,
        ),
        (
            ck::CKM_RSA_PKCS_PSS,
            pss(ck::CKM_SHA256, ck::CKG_MGF1_SHA256, 20),
            invalid,
        ),
        (
            ck::CKM_RSA_PKCS_PSS,
            pss(ck::CKM_SHA224, ck::CKG_MGF1_SHA224, 28),
            invalid,
        ),
        (ck::CKM_RSA_PKCS_PSS, vec![], invalid),
        (ck::CKM_RSA_PKCS_PSS, sha256[1..].to_vec(), invalid),
        (ck::CKM_RSA_PKCS_PSS, [&sha256[..], &[0]].concat(), invalid),
        (ck::CKM_SHA256_RSA_PKCS, sha256, invalid),
    ] {
        assert_eq!(
            Mechanism::parse(kind, &parameter),
            expected,
            "{kind:#x} {parameter:?}"
        );
    }
}

#[test]
fn mechanisms_of_no_token_are_invalid() {
    for kind in [
        ck::CKM_RSA_X_509,
        ck::CKM_RSA_PKCS_OAEP,
        ck::CKM_ECDSA_SHA1,
        ck::CKM_RSA_PKCS_KEY_PAIR_GEN,
        ck::CKM_MD5,
        CK_MECHANISM_TYPE::MAX,
    ] {
        let parsed = Mechanism::parse(kind, &[]);
        assert_eq!(parsed, Err(Rv(ck::CKR_MECHANISM_INVALID)), "{kind:#x}");
    }
}

proptest! {
    #[test]
    fn any_parameter_is_answered(
        kind in prop::sample::select(
            SIGNATURES
                .map(|(kind, _)| kind)
                .into_iter()
                .chain([ck::CKM_RSA_PKCS, ck::CKM_RSA_PKCS_PSS, ck::CKM_ECDSA, ck::CKM_SHA256])
                .collect::<Vec<_>>(),
        ),
        parameter in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let parsed = Mechanism::parse(kind, &parameter);
        prop_assert_eq!(parsed, Err(Rv(ck::CKR_MECHANISM_PARAM_INVALID)));
    }
}
