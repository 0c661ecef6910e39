use std::collections::BTreeSet;

use cryptoki_sys as ck;
use proptest::prelude::*;

use super::*;
use crate::testing::{RSA_SCHEMES, ecdsa_token, leaf, object, token};

fn value(object: &Object, kind: CK_ATTRIBUTE_TYPE) -> Vec<u8> {
    match object.attribute(kind) {
        Attribute::Value(value) => value.to_vec(),
        other => panic!("{kind:#x}: {other:?}"),
    }
}

fn number(value: CK_ULONG) -> Vec<u8> {
    value.to_ne_bytes().to_vec()
}

fn public_face(token: &ObjectToken) -> Vec<Object> {
    objects(token, ModuleLogin::None)
}

/// What NSS, OpenSC, GnuTLS, libp11, OpenSSH and SunPKCS11 ask to use a certificate.
#[test]
fn a_certificate_says_what_hosts_ask() {
    let der = leaf();
    let certificate = object(&token(&RSA_SCHEMES), CKO_CERTIFICATE);
    let fields = Certificate::parse(&der).unwrap();
    for (kind, expected) in [
        (ck::CKA_CERTIFICATE_TYPE, number(ck::CKC_X_509)),
        (
            ck::CKA_CERTIFICATE_CATEGORY,
            number(ck::CK_CERTIFICATE_CATEGORY_TOKEN_USER),
        ),
        (ck::CKA_TOKEN, vec![1]),
        (CKA_PRIVATE, vec![0]),
        (ck::CKA_MODIFIABLE, vec![0]),
        (ck::CKA_TRUSTED, vec![0]),
        (ck::CKA_LABEL, b"Certificat d'Authentification CPS".to_vec()),
        (ck::CKA_SUBJECT, fields.subject.to_vec()),
        (ck::CKA_ISSUER, fields.issuer.to_vec()),
        (ck::CKA_SERIAL_NUMBER, fields.serial.to_vec()),
        (ck::CKA_START_DATE, fields.days[0].to_vec()),
        (ck::CKA_END_DATE, fields.days[1].to_vec()),
        (ck::CKA_URL, vec![]),
        (ck::CKA_VALUE, der.clone()),
    ] {
        assert_eq!(value(&certificate, kind), expected, "{kind:#x}");
    }
    let sha1 = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &der);
    assert_eq!(value(&certificate, ck::CKA_CHECK_VALUE), sha1.as_ref()[..3]);
}

#[test]
fn authorities_are_told_from_the_holder() {
    let all = public_face(&token(&RSA_SCHEMES));
    let authorities: Vec<_> = all
        .iter()
        .filter(|object| {
            let authority = number(ck::CK_CERTIFICATE_CATEGORY_AUTHORITY);
            object.matches(&[(ck::CKA_CERTIFICATE_CATEGORY, &authority)])
        })
        .collect();
    let [authority] = &authorities[..] else {
        panic!("{}", authorities.len());
    };
    let leaf = object(&token(&RSA_SCHEMES), CKO_CERTIFICATE);
    assert_eq!(
        value(authority, ck::CKA_SUBJECT),
        value(&leaf, ck::CKA_ISSUER)
    );
    assert_ne!(value(authority, ck::CKA_ID), value(&leaf, ck::CKA_ID));
}

/// NSS makes the identifier itself from the certificate's key, and looks for a private key by it.
#[test]
fn certificate_and_both_keys_share_the_sha1_of_the_public_key() {
    let token = token(&RSA_SCHEMES);
    let public = object(&token, CKO_PUBLIC_KEY);
    let modulus = value(&public, ck::CKA_MODULUS);
    assert_eq!((modulus.len(), modulus[0] >= 0x80), (256, true));
    let sha1 = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &modulus);
    for class in [CKO_CERTIFICATE, CKO_PUBLIC_KEY, CKO_PRIVATE_KEY] {
        assert_eq!(value(&object(&token, class), ck::CKA_ID), sha1.as_ref());
    }
}

#[test]
fn a_private_rsa_key_says_what_it_does_and_hides_its_secrets() {
    let token = token(&RSA_SCHEMES);
    let private = object(&token, CKO_PRIVATE_KEY);
    let certificate = object(&token, CKO_CERTIFICATE);
    for (kind, expected) in [
        (ck::CKA_KEY_TYPE, number(ck::CKK_RSA)),
        (CKA_PRIVATE, vec![0]),
        (ck::CKA_SENSITIVE, vec![1]),
        (ck::CKA_EXTRACTABLE, vec![0]),
        (ck::CKA_SIGN, vec![1]),
        (ck::CKA_DECRYPT, vec![1]),
        (ck::CKA_UNWRAP, vec![0]),
        (ck::CKA_DERIVE, vec![0]),
        (ck::CKA_MODULUS_BITS, number(2048)),
        (ck::CKA_PUBLIC_EXPONENT, vec![1, 0, 1]),
        (ck::CKA_KEY_GEN_MECHANISM, number(CK_ULONG::MAX)),
        (ck::CKA_SUBJECT, value(&certificate, ck::CKA_SUBJECT)),
        (
            ck::CKA_PUBLIC_KEY_INFO,
            value(&certificate, ck::CKA_PUBLIC_KEY_INFO),
        ),
    ] {
        assert_eq!(value(&private, kind), expected, "{kind:#x}");
    }
    for secret in [
        ck::CKA_PRIVATE_EXPONENT,
        ck::CKA_PRIME_1,
        ck::CKA_COEFFICIENT,
    ] {
        assert_eq!(private.attribute(secret), Attribute::Sensitive);
        assert_eq!(
            object(&token, CKO_PUBLIC_KEY).attribute(secret),
            Attribute::Unknown
        );
    }
}

#[test]
fn an_ec_key_shows_its_curve_and_its_wrapped_point() {
    let (pair, token) = ecdsa_token();
    let point = ring::signature::KeyPair::public_key(&pair).as_ref();
    for class in [CKO_PUBLIC_KEY, CKO_PRIVATE_KEY] {
        let key = object(&token, class);
        assert_eq!(value(&key, ck::CKA_KEY_TYPE), number(ck::CKK_EC));
        let curve = der::asn1::ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
        assert_eq!(
            value(&key, ck::CKA_EC_PARAMS),
            der::Encode::to_der(&curve).unwrap()
        );
        assert_eq!(
            value(&key, ck::CKA_EC_POINT),
            [&[0x04, 0x41], point].concat()
        );
        assert_eq!(key.attribute(ck::CKA_MODULUS), Attribute::Unknown);
        assert_eq!(value(&key, ck::CKA_SUBJECT), b"");
    }
    let private = object(&token, CKO_PRIVATE_KEY);
    assert_eq!(private.attribute(ck::CKA_VALUE), Attribute::Sensitive);
    assert_eq!(value(&private, ck::CKA_DECRYPT), [0]);
}

#[test]
fn a_key_that_cannot_sign_says_so() {
    let mut token = token(&[]);
    assert_eq!(value(&object(&token, CKO_PRIVATE_KEY), ck::CKA_SIGN), [0]);
    assert_eq!(value(&object(&token, CKO_PUBLIC_KEY), ck::CKA_VERIFY), [0]);
    token.keys[0].decrypts = false;
    let private = object(&token, CKO_PRIVATE_KEY);
    assert_eq!(value(&private, ck::CKA_DECRYPT), [0]);
    assert_eq!(value(&private, ck::CKA_ALLOWED_MECHANISMS), b"");
}

/// PKCS#11 2.40 §4.4: what is private is seen after C_Login only. A program that is not to log in
/// must therefore see everything, and must not be told to authenticate each time either.
#[test]
fn only_the_face_with_login_has_private_objects() {
    let token = token(&RSA_SCHEMES);
    for (login, expected) in [(ModuleLogin::None, 0), (ModuleLogin::ProtectedPath, 1)] {
        let all = objects(&token, login);
        for (class, private) in [
            (CKO_PRIVATE_KEY, expected),
            (CKO_PUBLIC_KEY, 0),
            (CKO_CERTIFICATE, 0),
        ] {
            let class = number(class);
            for object in all
                .iter()
                .filter(|it| it.matches(&[(ck::CKA_CLASS, &class)]))
            {
                assert_eq!(value(object, CKA_PRIVATE), [private]);
                assert_eq!(object.private, private == 1);
                if object.attribute(ck::CKA_ALWAYS_AUTHENTICATE) != Attribute::Unknown {
                    assert_eq!(value(object, ck::CKA_ALWAYS_AUTHENTICATE), [private]);
                }
            }
        }
        let data = all
            .iter()
            .filter(|it| it.matches(&[(ck::CKA_CLASS, &number(CKO_DATA))]));
        let private: Vec<_> = data.map(|object| u8::from(object.private)).collect();
        assert_eq!(private, [0, expected]);
    }
}

#[test]
fn the_value_of_a_data_object_is_asked_of_the_daemon() {
    let data = object(&token(&RSA_SCHEMES), CKO_DATA);
    assert_eq!(value(&data, ck::CKA_LABEL), b"CPS_INFO_PS");
    let id = "CPS_INFO_PS-of-this-insertion";
    assert_eq!(data.attribute(ck::CKA_VALUE), Attribute::Fetch(id));
}

/// Vendors' attributes are asked by NSS of every certificate and must be refused, not invented.
#[test]
fn what_an_object_does_not_have_is_unknown() {
    const CKA_NSS_TRUST_FIRST: CK_ATTRIBUTE_TYPE = 0xCE53_4350;
    let token = token(&RSA_SCHEMES);
    for object in public_face(&token) {
        assert_eq!(object.attribute(CKA_NSS_TRUST_FIRST), Attribute::Unknown);
        assert_eq!(object.attribute(ck::CKA_AC_ISSUER), Attribute::Unknown);
    }
    let certificate = object(&token, CKO_CERTIFICATE);
    assert_eq!(certificate.attribute(ck::CKA_SIGN), Attribute::Unknown);
}

/// The daemon gives other ids when it starts anew; a browser keeps its handles.
#[test]
fn handles_outlive_a_restart_of_the_daemon_and_the_login() {
    let before = token(&RSA_SCHEMES);
    let mut after = before.clone();
    after.id = "another-token".to_owned();
    after.keys[0].id = "another-key".to_owned();
    after.data.remove(0);
    after.data[0].id = "another-datum".to_owned();
    let handles = |token: &ObjectToken| -> BTreeSet<_> {
        let all = public_face(token);
        let ids: BTreeSet<_> = all.iter().map(|it| value(it, ck::CKA_UNIQUE_ID)).collect();
        let handles: BTreeSet<_> = all.iter().map(|it| it.handle).collect();
        assert_eq!((ids.len(), handles.len()), (all.len(), all.len()));
        handles
    };
    let (before, after) = (handles(&before), handles(&after));
    assert!(after.is_subset(&before));
    assert_eq!((before.len(), after.len()), (6, 5));
    assert!(
        before
            .iter()
            .all(|handle| (1..=MAX_HANDLE).contains(handle))
    );
    let mut other_card = token(&RSA_SCHEMES);
    other_card.card = "9900000020".to_owned();
    assert!(handles(&other_card).is_disjoint(&before));
}

#[test]
fn what_is_not_understood_is_left_out() {
    let mut token = token(&RSA_SCHEMES);
    token.certificates[0].der = BASE64_STANDARD.encode(b"no certificate");
    token.certificates[1].der = "no base64".to_owned();
    token.keys[0].spki = BASE64_STANDARD.encode(b"no key");
    let classes: Vec<_> = public_face(&token)
        .iter()
        .map(|object| value(object, ck::CKA_CLASS))
        .collect();
    assert_eq!(classes, [number(CKO_DATA), number(CKO_DATA)]);
}

/// A scheme of the other type of key, or of a newer daemon, must not become a mechanism.
#[test]
fn a_key_offers_schemes_of_its_own_type_only() {
    use cps_api::types::KeyScheme;
    let odd = [
        KeyScheme::Other,
        KeyScheme::EcdsaSha256,
        KeyScheme::PssSha256,
    ];
    let key = object(&token(&odd), CKO_PRIVATE_KEY);
    assert_eq!(key.key().unwrap().schemes, [Scheme::PssSha256]);
}

proptest! {
    /// A template of an object's own values finds it; one changed byte, or one attribute that it
    /// does not show, does not.
    #[test]
    fn templates_match_whole_values(
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        change in prop::option::of((any::<prop::sample::Index>(), 1u8..=255)),
        hidden in prop::option::of(prop::sample::select(vec![
            ck::CKA_PRIVATE_EXPONENT, ck::CKA_AC_ISSUER, 0xCE53_4350,
        ])),
    ) {
        let private = object(&token(&RSA_SCHEMES), CKO_PRIVATE_KEY);
        let kinds: Vec<_> = (0..0x0300)
            .filter(|kind| matches!(private.attribute(*kind), Attribute::Value(_)))
            .collect();
        let mut template: Vec<(CK_ATTRIBUTE_TYPE, Vec<u8>)> = picks
            .iter()
            .map(|pick| *pick.get(&kinds))
            .map(|kind| (kind, value(&private, kind)))
            .collect();
        let mut expected = hidden.is_none();
        if let Some((position, change)) = change
            && let Some((_, value)) = template.first_mut()
        {
            match value.len() {
                0 => value.push(change),
                length => value[position.index(length)] ^= change,
            }
            expected = false;
        }
        template.extend(hidden.map(|kind| (kind, Vec::new())));
        let template: Vec<_> = template.iter().map(|(kind, value)| (*kind, &value[..])).collect();
        prop_assert_eq!(private.matches(&template), expected);
    }

    #[test]
    fn any_answer_of_the_daemon_is_answered(
        der in prop::collection::vec(any::<u8>(), 0..100),
        label in ".{0,40}",
    ) {
        let mut token = token(&RSA_SCHEMES);
        token.certificates[0].der = BASE64_STANDARD.encode(&der);
        token.keys[0].spki = BASE64_STANDARD.encode(&der);
        token.keys[0].label = label.clone();
        token.data[0].label = label;
        prop_assert!(public_face(&token).len() >= 2);
    }
}
