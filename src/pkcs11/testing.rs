//! Tokens for tests: certificates of the test PKI, keys whose private halves another library has.

use std::sync::LazyLock;
use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cps_api::types::{
    KeyPair, KeyScheme, ModuleLogin, ObjectCertificate, ObjectData, ObjectKey, ObjectToken,
    PinFlags,
};
use cps_emulator::{Holder, Pki};
use cryptoki_sys::{CK_OBJECT_CLASS, CKA_CLASS};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RsaEncoding, RsaKeyPair,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;

use crate::certificate::Certificate;
use crate::objects::{self, Object};

/// Every scheme of RSA, as the keys of a CPS4 or of another token have them.
pub(crate) const RSA_SCHEMES: [KeyScheme; 8] = [
    KeyScheme::Pkcs1Sha1,
    KeyScheme::Pkcs1Sha256,
    KeyScheme::Pkcs1Sha384,
    KeyScheme::Pkcs1Sha512,
    KeyScheme::PssSha1,
    KeyScheme::PssSha256,
    KeyScheme::PssSha384,
    KeyScheme::PssSha512,
];

pub(crate) fn pki() -> &'static Pki {
    static PKI: LazyLock<Pki> = LazyLock::new(|| Pki::new(SystemTime::now()));
    &PKI
}

/// The authentication certificate of the test holder.
pub(crate) fn leaf() -> Vec<u8> {
    pki().authentication_der(Holder::CpsMedecin)
}

/// A card of the test holder.
pub(crate) fn token(schemes: &[KeyScheme]) -> ObjectToken {
    let issuer = pki().authority_der(Pki::issuer_of(Holder::CpsMedecin));
    let leaf = leaf();
    let key = ObjectKey {
        id: "key-of-this-insertion".to_owned(),
        label: "CPS_PRIV_AUT".to_owned(),
        spki: BASE64_STANDARD.encode(Certificate::parse(&leaf).unwrap().spki),
        schemes: schemes.to_vec(),
        decrypts: true,
        always_authenticate: true,
    };
    ObjectToken {
        keys: vec![key],
        certificates: vec![
            certificate("Certificat d'Authentification CPS", &leaf, false),
            certificate("AC", &issuer, true),
        ],
        data: vec![data("CPS_INFO_PS", false), data("CPS_ACTIVITY_01_PS", true)],
        ..bare()
    }
}

/// A P-256 key, and the token that holds it without any certificate.
pub(crate) fn ecdsa_token() -> (EcdsaKeyPair, ObjectToken) {
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
    // RFC 5480 §2, for a point of 65 bytes.
    let mut spki = vec![0x30, 0x59, 0x30, 0x13, 0x06, 0x07];
    spki.extend([0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08]);
    spki.extend([
        0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ]);
    spki.extend(pair.public_key().as_ref());
    let key = ObjectKey {
        id: "key-of-this-insertion".to_owned(),
        label: "P-256".to_owned(),
        spki: BASE64_STANDARD.encode(spki),
        schemes: vec![
            KeyScheme::EcdsaSha256,
            KeyScheme::EcdsaSha384,
            KeyScheme::EcdsaSha512,
        ],
        decrypts: false,
        always_authenticate: false,
    };
    let token = ObjectToken {
        keys: vec![key],
        ..bare()
    };
    (pair, token)
}

/// Signs as the test holder's card does.
pub(crate) fn rsa_signature(encoding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
    let pem = include_bytes!("../../fixtures/keys/cps-medecin-authentication.pem");
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem).unwrap();
    let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(encoding, &SystemRandom::new(), message, &mut signature)
        .unwrap();
    signature
}

/// The only object of a class, or the first.
pub(crate) fn object(token: &ObjectToken, class: CK_OBJECT_CLASS) -> Object {
    objects::objects(token, ModuleLogin::None)
        .into_iter()
        .find(|object| object.matches(&[(CKA_CLASS, &class.to_ne_bytes())]))
        .unwrap()
}

fn certificate(label: &str, der: &[u8], authority: bool) -> ObjectCertificate {
    ObjectCertificate {
        label: label.to_owned(),
        der: BASE64_STANDARD.encode(der),
        authority,
    }
}

fn data(label: &str, private: bool) -> ObjectData {
    ObjectData {
        id: format!("{label}-of-this-insertion"),
        label: label.to_owned(),
        private,
    }
}

/// A token without objects.
fn bare() -> ObjectToken {
    ObjectToken {
        id: "token-of-this-insertion".to_owned(),
        card: "9900000012".to_owned(),
        pair: KeyPair::Authentication,
        label: "Docteur".to_owned(),
        manufacturer: "ANS".to_owned(),
        model: "CPS3".to_owned(),
        serial: "9900000012".to_owned(),
        reader: "Virtual reader".to_owned(),
        logged_in: false,
        pin: PinFlags::default(),
        keys: Vec::new(),
        certificates: Vec::new(),
        data: Vec::new(),
    }
}
